//! Mailbox id, sealed addresses and their put keys, Put, Receipt.

use crate::{hex, vector};
use serde_json::{Value, json};
use symbolon_presence::codec;
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::DAY;
use symbolon_relay::frame::{Frame, Outcome};
use symbolon_relay::grant::Scope;
use symbolon_tests::samples::{self, NOW};

pub fn vectors() -> Vec<Value> {
    vec![
        mailbox_id(),
        address(
            "sealed address of a friend",
            0x73,
            Scope::Friends(3),
            NOW.after(365 * DAY).0,
            0,
            "put key = the friendship's for this mailbox",
        ),
        address("sealed address of a guest", 0x72, Scope::Guest, NOW.after(30 * DAY).0, 0, "put key from the queue secret and the body"),
        address("sealed address of an invite", 0x71, Scope::Contact, NOW.after(7 * DAY).0, 1, "put key from the queue secret and the body"),
        put(),
        receipt(),
    ]
}

fn mailbox_id() -> Value {
    let ben = samples::ben();
    vector(
        "mailbox id",
        "The labelled hash of the mailbox's HPKE public key.",
        json!({ "private": hex([0x34; 32]), "queue_secret": hex([0x35; 32]) }),
        json!({
            "mailbox": hex(ben.mailbox.id().as_bytes()),
            "direct": hex(ben.mailbox.direct.as_bytes()),
            "contact": hex(ben.mailbox.contact.as_bytes()),
        }),
    )
}

fn address(name: &str, grant: u8, scope: Scope, expires: u64, uses: u32, rule: &str) -> Value {
    let ben = samples::ben();
    let (body, sealed, key) = ben.address(grant, scope, symbolon_presence::time::Timestamp(expires), uses);
    assert_eq!(ben.mailbox.open_address(&sealed), Some(body.clone()));
    vector(
        name,
        &format!("HPKE of the body to the mailbox, the mailbox id as associated data; {rule}."),
        json!({
            "private": hex([0x34; 32]),
            "queue_secret": hex([0x35; 32]),
            "friendship": hex(ben.friendship.secret.expose()),
            "mailbox": hex(ben.mailbox.id().as_bytes()),
            "ikm": hex([0xb0 + grant % 16; 32]),
            "body": hex(codec::encode(&body)),
        }),
        json!({ "sealed": hex(sealed), "put_key": hex(key.expose()) }),
    )
}

fn put() -> Value {
    let key = samples::ben().contact().key;
    let put = samples::put();
    assert!(put.is_consistent() && put.is_granted(&key));
    vector(
        "Put",
        "The MAC covers address, bucket (1 B), ttl (4 B), frame id and usage; the frame is [0, [Put]] behind the version byte.",
        json!({
            "put_key": hex(key.expose()),
            "address": hex(&put.address),
            "bucket": put.bucket,
            "ttl": put.ttl,
            "usage": hex(put.usage.unwrap().as_bytes()),
            "envelope": hex(&put.envelope),
        }),
        json!({ "frame_id": hex(put.frame.as_bytes()), "mac": hex(put.mac), "frame": hex(Frame::Put(put).encode()) }),
    )
}

fn receipt() -> Value {
    let ben = samples::ben();
    let receipt = samples::receipt();
    let key = VerifyingKey::parse(&ben.identity.signing.public()).unwrap();
    assert_eq!(receipt.verify(&key, &ben.mailbox.id()), Ok(samples::receipt_body()));
    let lines: Vec<Value> = samples::receipt_body()
        .items
        .iter()
        .map(|item| {
            let outcome = match item.outcome {
                Outcome::Stored(until) => json!({ "stored_until": until.0 }),
                Outcome::Delivered => json!("delivered"),
                Outcome::Refused(_) => json!("refused: full"),
            };
            json!({ "frame": hex(item.frame.as_bytes()), "outcome": outcome })
        })
        .collect();
    vector(
        "Receipt",
        "One signature for a list of deposits; its context is the hash of the mailbox id.",
        json!({
            "seed": hex(ben.identity.signing.seed()),
            "mailbox": hex(ben.mailbox.id().as_bytes()),
            "at": samples::receipt_body().at.0,
            "items": lines,
        }),
        json!({
            "body": hex(&receipt.body),
            "signature": hex(receipt.signature.as_bytes()),
            "frame": hex(Frame::Receipt(receipt).encode()),
        }),
    )
}
