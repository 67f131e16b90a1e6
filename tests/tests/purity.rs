//! The purity check of `.ci/purity` refuses what it is there to refuse.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Whether a crate may have these dependencies, and what the check says about them.
fn judge(krate: &str, dependencies: &str) -> (bool, String) {
    let mut check = Command::new(root().join(".ci/purity"))
        .args(["--judge", krate])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(dependencies.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

const PURE: [&str; 3] = ["symbolon-presence", "symbolon-relay", "symbolon-core"];

#[test]
fn a_pure_crate_may_reach_no_runtime_network_store_clock_or_randomness() {
    let impure = [
        "tokio",
        "tokio-util",
        "futures-core",
        "libp2p",
        "libp2p-swarm",
        "quinn-proto",
        "rustls",
        "socket2",
        "hyper",
        "axum",
        "rusqlite",
        "libsqlite3-sys",
        "sled",
        "openmls",
        "openmls_traits",
        "getrandom",
        "rand",
        "time",
        "chrono",
        "tempfile",
        "directories",
        "rustix",
    ];
    for krate in PURE {
        for name in impure {
            let (passed, said) = judge(krate, &format!("minicbor\n{name}\nsubtle\n"));
            assert!(!passed && said.contains(name), "{krate} with {name}: {said}");
        }
    }
}

#[test]
fn a_pure_crate_may_have_what_is_pure() {
    for krate in PURE {
        let (passed, said) = judge(krate, "minicbor\nrand_core\nrand_chacha\nhpke\nzeroize\ntimeless\ncpufeatures\n");
        assert!(passed, "{krate}: {said}");
    }
}

#[test]
fn no_crate_may_see_one_above_it() {
    let order = ["symbolon-presence", "symbolon-relay", "symbolon-core", "symbolon-node", "symbolon"];
    for (height, krate) in order.iter().enumerate() {
        for (other_height, other) in order.iter().enumerate() {
            let (passed, said) = judge(krate, &format!("{other}\n"));
            assert_eq!(passed, other_height <= height, "{krate} with {other}: {said}");
        }
        let (passed, _) = judge(krate, "symbolon-tests\n");
        assert!(!passed, "{krate} sees the tests");
    }
}

#[test]
fn a_crate_that_the_check_does_not_know_fails_it() {
    let (passed, said) = judge("symbolon-new", "minicbor\n");
    assert!(!passed && said.contains("symbolon-new"), "{said}");
}

#[test]
fn the_pure_crates_share_one_clippy_configuration_with_the_bans_in_it() {
    let text = |folder: &str| fs::read_to_string(root().join(folder).join("clippy.toml")).unwrap();
    let bans = text("presence");
    assert_eq!(bans, text("relay"));
    assert_eq!(bans, text("node/core"));
    for banned in [
        "std::fs::read",
        "std::net::TcpStream",
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "std::env::var",
        "std::thread::sleep",
    ] {
        assert!(bans.contains(&format!("\"{banned}\"")), "{banned} is not banned");
    }
}
