//! Renewal: Standings, and what an Offer that renews rests on.

use super::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::wire::{First, RoomPayload};
use symbolon_presence::codec;
use symbolon_presence::envelope::{frame_id, open_direct};
use symbolon_tests::samples::{self, NOW, Person, ROOM};

pub fn vectors() -> Vec<Value> {
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
