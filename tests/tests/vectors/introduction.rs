//! Introductions: what a common friend signs about two others, and how they answer.

use super::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::wire::{Consent, IntroCard, Introduced, Introduction, IntroductionBody, RoomPayload};
use symbolon_presence::codec;
use symbolon_presence::id::RequestId;
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::DAY;
use symbolon_tests::samples::{self, NOW, Runs};

const ID: RequestId = RequestId([0xd4; 16]);

/// Who introduces Ann to Ben.
pub fn cem() -> Identity {
    Identity::certify(Secret::from_bytes([0xd0; 32]), 1, &mut Runs::from(0xd1), NOW, 365 * DAY)
}

/// What is said of Ann, who will ask, and of Ben.
pub fn body() -> IntroductionBody {
    let of = |who: &Identity, name: &str| Introduced { chain: who.chain.clone(), name: name.to_owned() };
    IntroductionBody {
        id: ID,
        asker: of(&samples::ann().identity, "Ann"),
        target: of(&samples::ben().identity, "Ben"),
        note: Some("you two".to_owned()),
        created: NOW,
        expires: NOW.after(14 * DAY),
    }
}

pub fn vectors() -> Vec<Value> {
    let (cem, body) = (cem(), body());
    let said = Introduction::sign(&cem, &body);
    assert!(said.verify(NOW, NOW).is_some_and(|read| read.introducer == cem.peer() && read.body == body));
    let contact = codec::encode(&samples::ben().contact_record("Ben"));
    let mut all = vec![vector(
        "introduction",
        "The introducer signs who the two are, under the context of the own Peer ID alone: it is the same for both.",
        json!({
            "seed": hex(cem.signing.seed()),
            "chain": hex(codec::encode(&cem.chain)),
            "id": hex(ID.as_bytes()),
            "asker": hex(codec::encode(&body.asker.chain)),
            "target": hex(codec::encode(&body.target.chain)),
            "created": NOW.0,
            "expires": body.expires.0,
        }),
        json!({ "statement": hex(codec::encode(&body)), "introduction": hex(codec::encode(&said)) }),
    )];
    let payloads = [
        ("introduce", "Kind 7: to both.", RoomPayload::Introduce(said)),
        (
            "consent of the target",
            "Kind 8, with a way in for the asker alone.",
            RoomPayload::Consent(Consent { id: ID, contact: Some(contact.clone()) }),
        ),
        ("consent of the asker", "Kind 8, and nothing else.", RoomPayload::Consent(Consent { id: ID, contact: None })),
        ("introduction card", "Kind 9: to the asker, what the target has given.", RoomPayload::IntroCard(IntroCard { id: ID, contact })),
    ];
    for (name, shows, payload) in payloads {
        let bytes = codec::encode(&payload);
        assert!(RoomPayload::decode(&bytes) == Some(payload));
        all.push(vector(&format!("room payload: {name}"), shows, json!({ "from": "Cem" }), json!({ "payload": hex(bytes) })));
    }
    all.extend(super::refused::introductions());
    all
}
