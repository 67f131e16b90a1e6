//! Known-answer vectors: what must never change by accident, and what a second
//! implementation compares itself with.
//!
//! Each file of `tests/vectors/` is recomputed from the fixed values in
//! [`symbolon_tests::samples`] and compared with what is frozen there. A deliberate change
//! of the protocol rewrites them with `just vectors` (`VECTORS_WRITE=1`), in the same
//! commit as the change. The files' form is described in `tests/vectors/README.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "vectors/addpackage.rs"]
mod addpackage;
#[path = "vectors/connection.rs"]
mod connection;
#[path = "vectors/devices.rs"]
mod devices;
#[path = "vectors/encoding.rs"]
mod encoding;
#[path = "vectors/envelope.rs"]
mod envelope;
#[path = "vectors/identity.rs"]
mod identity;
#[path = "vectors/introduction.rs"]
mod introduction;
#[path = "vectors/mailbox.rs"]
mod mailbox;
#[path = "vectors/order.rs"]
mod order;
#[path = "vectors/presence.rs"]
mod presence;
#[path = "vectors/refused.rs"]
mod refused;
#[path = "vectors/renewal.rs"]
mod renewal;
#[path = "vectors/shared.rs"]
mod shared;
#[path = "vectors/vouching.rs"]
mod vouching;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// One known answer: what goes in, what comes out, and what that shows.
fn vector(name: &str, shows: &str, given: Value, gives: Value) -> Value {
    json!({ "name": name, "shows": shows, "in": given, "out": gives })
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

/// Compares a file with what is computed now, or rewrites it.
fn check(file: &str, page: &str, vectors: Vec<Value>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file);
    let now = json!({ "page": page, "vectors": vectors });
    if std::env::var_os("VECTORS_WRITE").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
        return;
    }
    let frozen: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let (frozen_list, now_list) = (frozen["vectors"].as_array().unwrap(), now["vectors"].as_array().unwrap());
    for (frozen, now) in frozen_list.iter().zip(now_list) {
        assert_eq!(frozen, now, "{file}: {}", now["name"]);
    }
    assert_eq!(frozen, now, "{file}");
}

#[test]
fn encoding_is_as_frozen() {
    check("encoding.json", "docs/protocol/encoding.md", encoding::vectors());
}

#[test]
fn identity_is_as_frozen() {
    check("identity.json", "docs/protocol/identity.md", identity::vectors());
}

#[test]
fn envelopes_are_as_frozen() {
    check("envelope.json", "docs/protocol/envelope.md", envelope::vectors());
}

#[test]
fn the_mailbox_is_as_frozen() {
    check("mailbox.json", "docs/protocol/mailbox.md", mailbox::vectors());
}

#[test]
fn the_connection_is_as_frozen() {
    check("connection.json", "docs/protocol/connection.md", connection::vectors());
}

#[test]
fn introductions_are_as_frozen() {
    check("introduction.json", "docs/protocol/introduction.md", introduction::vectors());
}

#[test]
fn devices_are_as_frozen() {
    check("devices.json", "docs/protocol/devices.md", devices::vectors());
}

#[test]
fn the_order_of_shared_rooms_is_as_frozen() {
    check("order.json", "docs/protocol/order.md", order::vectors());
}

#[test]
fn presence_is_as_frozen() {
    check("presence.json", "docs/protocol/presence.md", presence::vectors());
}

#[test]
fn packages_are_as_frozen() {
    check("addpackage.json", "docs/protocol/addpackage.md", addpackage::vectors());
}

#[test]
fn renewal_is_as_frozen() {
    check("renewal.json", "docs/protocol/renewal.md", renewal::vectors());
}

#[test]
fn shared_rooms_are_as_frozen() {
    check("shared-rooms.json", "docs/protocol/shared-rooms.md", shared::vectors());
}

#[test]
fn vouched_rooms_are_as_frozen() {
    check("vouching.json", "docs/protocol/vouching.md", vouching::vectors());
}

/// The first Python that has what the script needs; Debian's own, where another one stands before it.
fn python() -> Option<&'static str> {
    let can = |python: &&str| Command::new(python).args(["-c", "import cryptography"]).output().is_ok_and(|done| done.status.success());
    ["python3", "/usr/bin/python3"].into_iter().find(can)
}

#[test]
fn a_script_recomputes_every_vector_from_the_protocol_pages_without_this_project_s_rust() {
    if std::env::var_os("VECTORS_WRITE").is_some() {
        // They are being written.
        return;
    }
    let Some(python) = python() else {
        eprintln!("skipped: it takes python3 with the package `cryptography`");
        return;
    };
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/check.py");
    let done = Command::new(python).arg("-B").arg(script).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let wrong: Vec<&str> = said.lines().filter(|line| !line.starts_with("ok")).collect();
    assert!(done.status.success(), "{}\n{}", wrong.join("\n"), String::from_utf8_lossy(&done.stderr));
}

#[test]
fn every_vector_says_what_it_shows_and_has_a_name_of_its_own() {
    let pages = [
        encoding::vectors(),
        identity::vectors(),
        envelope::vectors(),
        mailbox::vectors(),
        connection::vectors(),
        introduction::vectors(),
        devices::vectors(),
        order::vectors(),
        presence::vectors(),
        renewal::vectors(),
        addpackage::vectors(),
        shared::vectors(),
        vouching::vectors(),
    ];
    let all: Vec<&Value> = pages.iter().flatten().collect();
    let names: std::collections::BTreeSet<&str> = all.iter().map(|vector| vector["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.iter().all(|vector| vector["shows"].as_str().unwrap().ends_with('.')));
}
