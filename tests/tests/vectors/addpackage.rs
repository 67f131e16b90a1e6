//! AddPackages: what relays see, what friends open, and what a KeyPackage says.

use crate::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::wire::AddPackage;
use symbolon_presence::codec;
use symbolon_relay::limits::PACKAGE_MAX;
use symbolon_tests::samples;

pub fn vectors() -> Vec<Value> {
    let ben = samples::ben();
    let (fek, package, secrets) = (ben.friendship.fek(), samples::add_package(), samples::package_secrets());
    let bytes = package.encode();
    assert_eq!(bytes.len(), PACKAGE_MAX);
    assert!(AddPackage::decode(&bytes).and_then(|package| package.open(&fek)) == Some(secrets.clone()));
    vec![
        vector(
            "queue address",
            "Where what is for the leaf may be left, as its KeyPackage says: a mailbox at a relay, under a grant of its own.",
            json!({ "from": "Ben" }),
            json!({ "queue": hex(codec::encode(&samples::queue_address())) }),
        ),
        vector(
            "package secrets",
            "What Ben's friends are to know of his package.",
            json!({ "from": "Ben" }),
            json!({ "secrets": hex(codec::encode(&secrets)) }),
        ),
        vector(
            "add package",
            "They are sealed under the friendship encryption key of their revision with SHA-256 of the KeyPackage; the whole has 4,096 bytes.",
            json!({
                "secret": hex(ben.friendship.secret.expose()),
                "key_package": hex(&package.key_package),
                "secrets": hex(codec::encode(&secrets)),
                "nonce": hex([0x7c; 12]),
            }),
            json!({ "fek": hex(fek.expose()), "package": hex(&bytes) }),
        ),
    ]
}
