//! Vouched rooms: cards, knocks, words of vouchers, answers to them, and what a hub is asked.

use super::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::wire::{KnockBody, VouchHello, VouchResponse};
use symbolon_presence::codec;
use symbolon_tests::samples::{self, NOW, ROOM, vouching};

pub fn vectors() -> Vec<Value> {
    let (secret, body, record) = (vouching::secret(), vouching::card_body(), vouching::card_record());
    let mut all = vec![
        vector(
            "knock secret",
            "What it yields: the key that opens knocks, the key by which members speak to a hub, and the room's name there.",
            json!({ "secret": hex([0x93; 32]) }),
            json!({
                "knock_key_seed": hex(secret.key().expose()),
                "knock_key": hex(secret.key().public().bytes().as_bytes()),
                "hub_key": hex(secret.hub().public().as_bytes()),
                "alias": hex(secret.alias().as_bytes()),
            }),
        ),
        vector(
            "card",
            "Ann's card names a hub at 192.0.2.7, TCP port 4001.",
            json!({ "secret": hex([0x94; 16]), "peer": hex(samples::ann().identity.peer().as_bytes()) }),
            json!({ "card": vouching::card().text() }),
        ),
        vector(
            "card body",
            "How to knock, as Ann's device has signed it; and the card's digest.",
            json!({ "day": vouching::CARD_DAY, "number": NOW.0 }),
            json!({
                "body": hex(codec::encode(&body)),
                "signature": hex(record.signature.as_bytes()),
                "record": hex(codec::encode(&record)),
                "digest": hex(vouching::verified().digest.as_bytes()),
            }),
        ),
    ];
    all.extend(handshake());
    all.extend(hub());
    all.extend(super::refused::rooms());
    all
}

fn handshake() -> Vec<Value> {
    let (secret, transcript) = (vouching::secret(), vouching::transcript());
    let (knock, hello, response) = (vouching::knock(), vouching::hello(), vouching::response());
    let (opened, ben, _) = KnockBody::open(&knock, &secret, &vouching::KNOCK, NOW).expect("a member opens it");
    let word = VouchHello::open(&hello, &vouching::ephemeral(), &transcript.alias, &transcript.knock).expect("Ben opens it");
    let ann = samples::ann().identity.chain.verify(NOW).expect("Ann's chain is good");
    assert!(word.is_by(&ann, &transcript));
    let answer = VouchResponse::open(&response, &vouching::answer_key(), &transcript, &ben).expect("Ann opens it");
    assert!(vouching::vouch().is_by(&ben, &ann.person, &ROOM, &secret.alias()));
    vec![
        vector(
            "knock",
            "Ben knocks, sealed to the knock key.",
            json!({ "knock": hex(vouching::KNOCK.as_bytes()), "ephemeral_seed": hex([0x95; 32]), "draws": "97" }),
            json!({ "body": hex(codec::encode(&opened)), "sealed": hex(&knock) }),
        ),
        vector(
            "transcript",
            "What both sign.",
            json!({ "hello": hex(vouching::HELLO.as_bytes()), "voucher_seed": hex([0x96; 32]), "room": hex(ROOM.as_bytes()), "epoch": hex([0x98; 32]) }),
            json!({ "transcript": hex(codec::encode(&transcript)), "digest": hex(transcript.digest().as_bytes()) }),
        ),
        vector(
            "voucher",
            "Ann vouches, sealed to what Ben has drawn.",
            json!({ "draws": "99" }),
            json!({ "body": hex(codec::encode(&word)), "sealed": hex(&hello) }),
        ),
        vector(
            "newcomer",
            "Ben answers, sealed to what Ann has drawn. His package is a stand-in.",
            json!({ "package": hex(vec![0x9a; 4_096]), "draws": "9b" }),
            json!({ "signature": hex(answer.signature.as_bytes()), "sealed": hex(&response) }),
        ),
        vector(
            "vouch",
            "What the commit that adds Ben shows to all members.",
            json!({ "from": "Ann" }),
            json!({ "vouch": hex(codec::encode(&vouching::vouch())) }),
        ),
    ]
}

fn hub() -> Vec<Value> {
    let asks = vouching::asks().into_iter().map(|(name, ask)| {
        let shows = "A question to the hub.";
        vector(&format!("ask: {name}"), shows, json!({ "listener": hex([0x9c; 16]) }), json!({ "message": hex(ask.encode()) }))
    });
    let answers = vouching::answers().into_iter().map(|(name, answer)| {
        vector(&format!("answer: {name}"), "An answer of the hub.", json!({}), json!({ "message": hex(answer.encode()) }))
    });
    asks.chain(answers).collect()
}
