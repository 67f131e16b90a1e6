//! Several devices of one person: certificate and Peer ID of a further one, and what devices say.

use super::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::wire::RoomPayload;
use symbolon_presence::codec;
use symbolon_presence::identity::alias_id;
use symbolon_tests::samples::{self, NOW, devices};

pub fn vectors() -> Vec<Value> {
    let (ben, laptop) = (samples::ben().identity, devices::laptop());
    let device = laptop.chain.verify(NOW).unwrap();
    assert!(device.person == ben.peer() && device.peer == laptop.peer() && device.peer != device.person);
    let body = laptop.chain.body().unwrap();
    let (statement, first) = (devices::joined_statement(), devices::joined_first());
    assert!(first.verify(&devices::newcomer().peer(), NOW).is_some_and(|(_, read)| read == statement));
    let gone = devices::gone();
    assert_eq!(gone.verify(NOW), Some(device));
    let mut all = vec![
        vector(
            "alias",
            "The Peer ID by which a further device goes: a hash over the person's root key and the device id.",
            json!({ "root": hex(ben.chain.root.as_bytes()), "device": hex(body.device.as_bytes()) }),
            json!({ "peer": hex(alias_id(&ben.chain.root, &body.device).as_bytes()) }),
        ),
        vector(
            "certificate of a further device",
            "The person's root key signs the keys of a device that was somebody else's first one; field 6 says that it is a further one.",
            json!({
                "root_seed": hex(ben.root.as_ref().unwrap().seed()),
                "device": hex(body.device.as_bytes()),
                "signing_seed": hex(laptop.signing.seed()),
                "dh_private": hex(laptop.dh.expose()),
                "not_before": body.not_before.0,
                "not_after": body.not_after.0,
                "serial": body.serial,
            }),
            json!({
                "cert": hex(&laptop.chain.cert),
                "signature": hex(laptop.chain.signature.as_bytes()),
                "chain": hex(codec::encode(&laptop.chain)),
            }),
        ),
        vector(
            "joined",
            "Step 4: the first device answers the Offer of a newcomer, who has another Peer ID then, with the certificate.",
            json!({
                "seed": hex(ben.signing.seed()),
                "from": hex(ben.peer().as_bytes()),
                "to": hex(statement.to.as_bytes()),
                "device": hex(statement.device.as_bytes()),
                "package": hex(statement.package.as_bytes()),
                "transcript": hex(statement.transcript.as_bytes()),
                "chain": hex(codec::encode(&laptop.chain)),
                "second_root": hex(ben.second_root.as_bytes()),
                "name": "Ben",
            }),
            json!({
                "body": hex(&statement.body),
                "statement": hex(&first.statement),
                "signature": hex(first.signature.as_bytes()),
                "first": hex(codec::encode(&first)),
            }),
        ),
        vector(
            "gone",
            "An older device of the person says that a device is gone: it signs that device's certificate.",
            json!({
                "seed": hex(ben.signing.seed()),
                "root": hex(ben.chain.root.as_bytes()),
                "by": hex(codec::encode(&ben.chain)),
                "chain": hex(codec::encode(&laptop.chain)),
            }),
            json!({ "signature": hex(gone.signature.as_bytes()), "gone": hex(codec::encode(&gone)) }),
        ),
        payload(
            "sibling",
            "Kind 24: another device of the sender's person asks.",
            RoomPayload::Sibling(Box::new(samples::shared::befriend())),
        ),
        payload("gone", "Kind 26: to a friend, that a device of the sender's person is gone.", RoomPayload::Gone(Box::new(gone))),
    ];
    for (name, said) in devices::said() {
        let shows = "Kind 25: one of each that devices of one person say to each other.";
        all.push(payload(&name.replace('_', ", "), shows, RoomPayload::Own(Box::new(said))));
    }
    all
}

fn payload(name: &str, shows: &str, payload: RoomPayload) -> Value {
    let bytes = codec::encode(&payload);
    assert!(RoomPayload::decode(&bytes) == Some(payload));
    vector(&format!("room payload: {name}"), shows, json!({ "from": "Ben" }), json!({ "payload": hex(bytes) }))
}
