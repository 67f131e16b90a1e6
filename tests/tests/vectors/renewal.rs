//! Renewal: Standings, and what an Offer that renews rests on.

use super::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::wire::{First, RoomPayload};
use symbolon_presence::codec;
use symbolon_presence::envelope::{frame_id, open_before, open_direct};
use symbolon_tests::samples::{self, NOW, Person, ROOM};

pub fn vectors() -> Vec<Value> {
    let mut all = by_direct_keys();
    all.extend(by_certificates());
    all
}

/// To a device whose direct key is not known, and by a lifeline.
fn by_certificates() -> Vec<Value> {
    let (ann, Person { identity: ben, reply, .. }) = (samples::ann().identity, samples::ben());
    let statement = samples::standing_statement_of_before();
    let first = First::sign(&ann, &statement);
    let envelope = samples::envelope_of_before();
    assert_eq!(open_before(&ben.dh, &envelope), Ok(codec::encode(&first)));
    let to_lifeline = samples::lifeline_envelope();
    assert!(open_direct(&reply, &to_lifeline).is_ok());
    vec![
        vector(
            "standing: statement of before",
            "The question to a device of Ben's whose direct key Ann does not know; the package is that of his certificate's X25519 key.",
            json!({
                "seed": hex(ann.signing.seed()),
                "from": hex(ann.peer().as_bytes()),
                "to": hex(ben.peer().as_bytes()),
                "device": hex(ben.device.as_bytes()),
                "dh_private": hex(ben.dh.expose()),
                "package": hex(statement.package.as_bytes()),
            }),
            json!({ "statement": hex(&first.statement), "signature": hex(first.signature.as_bytes()), "first": hex(codec::encode(&first)) }),
        ),
        vector(
            "envelope of before",
            "It goes to the certificate: 01 01, HPKE's encapsulated key of X25519, ciphertext.",
            json!({ "private": hex(ben.dh.expose()), "ikm": hex([0xe2; 32]) }),
            json!({ "envelope": hex(&envelope), "frame": hex(frame_id(&envelope).as_bytes()) }),
        ),
        vector(
            "envelope to a lifeline",
            "The question to Ben's lifeline: sealed to its key as to a direct key.",
            json!({ "private": hex(reply.expose()), "randomness": hex([0xe3; 64]) }),
            json!({ "envelope": hex(&to_lifeline), "frame": hex(frame_id(&to_lifeline).as_bytes()) }),
        ),
    ]
}

fn by_direct_keys() -> Vec<Value> {
    let (ann, Person { identity: ben, direct, .. }) = (samples::ann().identity, samples::ben());
    let statement = samples::standing_statement();
    let first = First::sign(&ann, &statement);
    assert!(first.verify(&ben.peer(), NOW).is_some());
    let envelope = samples::direct_envelope();
    assert_eq!(open_direct(&direct, &envelope), Ok(codec::encode(&first)));
    vec![
        vector(
            "standing: question",
            "What Ann's device knows of the envelopes between it and Ben's, with two rooms, one start of Ben's, and a contact for the answer.",
            json!({ "from": "Ann" }),
            json!({ "body": hex(&statement.body) }),
        ),
        vector(
            "standing: answer",
            "The same by Ben, who answers Ann's nonce.",
            json!({ "from": "Ben" }),
            json!({ "body": hex(codec::encode(&samples::standing_answer())) }),
        ),
        vector(
            "word of a start",
            "Ann's device signs one of its starts; Ben's Standings name it to her.",
            json!({ "seed": hex(ann.signing.seed()), "peer": hex(ann.peer().as_bytes()), "instance": hex([0x71; 16]), "started": NOW.0 }),
            json!({ "word": hex(samples::standing().word.as_bytes()) }),
        ),
        vector(
            "standing: statement",
            "Ann's question as a signed statement; the package is that of Ben's direct key.",
            json!({
                "seed": hex(ann.signing.seed()),
                "from": hex(ann.peer().as_bytes()),
                "to": hex(ben.peer().as_bytes()),
                "device": hex(ben.device.as_bytes()),
                "direct": hex(direct.public().bytes().as_bytes()),
                "package": hex(statement.package.as_bytes()),
            }),
            json!({ "statement": hex(&first.statement), "signature": hex(first.signature.as_bytes()), "first": hex(codec::encode(&first)) }),
        ),
        vector(
            "direct envelope",
            "Ann's Standing to Ben's direct key: 01 04, encapsulated key, ciphertext.",
            json!({ "private": hex(direct.expose()), "randomness": hex([0xe1; 64]) }),
            json!({ "envelope": hex(&envelope), "frame": hex(frame_id(&envelope).as_bytes()) }),
        ),
        vector(
            "room payload: lifeline",
            "Kind 12: how Ann writes to Ben's device when nothing else works: eight times a day, for 400 days.",
            json!({ "from": "Ben" }),
            json!({ "payload": hex(codec::encode(&RoomPayload::Lifeline(samples::ben().lifeline()))) }),
        ),
        vector(
            "renews",
            "Field 9 of an Offer: the room that is left, Ben's nonce, two texts of Ann's, and the newest of Ben's.",
            json!({ "room": hex(ROOM.as_bytes()) }),
            json!({ "renews": hex(codec::encode(&samples::renews())) }),
        ),
    ]
}
