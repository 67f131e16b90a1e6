//! Invite link, the three statements, leaf credential, bundle and what rooms carry.

use crate::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::link::InviteLink;
use symbolon_core::wire::{Capabilities, First, Piece, RoomPayload, Statement, connection_psk, is_leaf_of};
use symbolon_presence::codec;
use symbolon_presence::id::MessageId;
use symbolon_presence::record::{Record, day_of};
use symbolon_tests::samples::{self, EPOCH, LEAF, NOW, Person, ROOM};

pub fn vectors() -> Vec<Value> {
    let shake = samples::handshake();
    let (ann, ben) = (samples::ann(), samples::ben());
    let mut all = invites();
    all.push(statement("Offer", "Ann to the package of Ben's invite; the transcript before it is all zeros.", &ann, &ben, &shake.offer));
    all.push(vector(
        "transcript after the Offer",
        "The hash of initiator, responder and the terms: the Offer with revision 0 and no replies.",
        json!({ "initiator": hex(ann.identity.peer().as_bytes()), "responder": hex(ben.identity.peer().as_bytes()), "body": hex(&shake.offer.body) }),
        json!({ "transcript": hex(shake.after_offer.as_bytes()) }),
    ));
    let (id, secret) = connection_psk(&shake.after_offer, &shake.head, &ben.identity.chain);
    all.push(vector(
        "connection PSK",
        "The pre-shared key of the external commit binds transcript, the Accept's head and the acceptor's chain.",
        json!({ "transcript": hex(shake.after_offer.as_bytes()), "head": hex(&shake.head), "chain": hex(codec::encode(&ben.identity.chain)) }),
        json!({ "id": hex(id), "secret": hex(secret.expose()) }),
    ));
    all.push(statement("Accept", "Ben to the package of Ann's reply address, behind the Offer's transcript.", &ben, &ann, &shake.accept));
    all.push(vector(
        "transcript after the Accept",
        "The hash of the transcript before, the accepting device and the Accept's body.",
        json!({
            "transcript": hex(shake.after_offer.as_bytes()),
            "device": hex(ben.identity.device.as_bytes()),
            "body": hex(&shake.accept.body),
        }),
        json!({ "transcript": hex(shake.after_accept.as_bytes()) }),
    ));
    all.push(statement(
        "Confirm",
        "Ann to the package of Ben's reply address, behind the Accept's transcript.",
        &ann,
        &ben,
        &shake.confirm,
    ));
    all.push(credential());
    all.extend(payloads());
    all
}

fn invites() -> Vec<Value> {
    let (ben, secret) = (samples::ben(), samples::invite_secret());
    let (peer, link, today) = (ben.identity.peer(), ben.invite_link(), day_of(NOW));
    assert_eq!(InviteLink::read(&link.text()), Ok(link.clone()));
    let body = ben.invite_body("Ben");
    assert!(body.verify_body(NOW, &secret.id(), today, Some(&peer)).is_ok() && body.verify(NOW).is_err());
    let record = samples::invite_record();
    let id = secret.slot(today).id().unwrap();
    let read = Record::read(&record, NOW).unwrap();
    assert!(read.id == id && secret.slot(today).open(&read) == Ok(codec::encode(&body)));
    let addresses = link.places.iter().map(|place| place.addresses().iter().map(|address| hex(&address.0)).collect::<Vec<_>>());
    vec![
        vector(
            "invite link",
            "Version 2, secret, Peer ID, the end in units of five minutes, places (an IPv4 address with QUIC; a server's name with TCP and QUIC), four bytes of a labelled hash.",
            json!({
                "secret": hex(secret.expose()),
                "peer": hex(peer.as_bytes()),
                "expires": link.expires.0,
                "places": addresses.collect::<Vec<_>>(),
            }),
            json!({ "link": link.text(), "id": hex(secret.id().as_bytes()) }),
        ),
        vector(
            "invite body",
            "A contact record that names the invite, the day and a number; inside a record of that day, under keys of the secret.",
            json!({
                "secret": hex(secret.expose()),
                "day": today,
                "name": "Ben",
                "seed": hex(ben.identity.signing.seed()),
                "chain": hex(codec::encode(&ben.identity.chain)),
            }),
            json!({
                "package": hex(ben.contact().package.as_bytes()),
                "body": hex(&body.body),
                "signature": hex(body.signature.as_bytes()),
                "content": hex(codec::encode(&body)),
                "lookup_id": hex(id.as_bytes()),
                "record": hex(record),
            }),
        ),
    ]
}

fn statement(name: &str, shows: &str, from: &Person, to: &Person, statement: &Statement) -> Value {
    let first = First::sign(&from.identity, statement);
    let (device, read) = first.verify(&to.identity.peer(), NOW).unwrap();
    assert!(device.peer == from.identity.peer() && read == *statement);
    assert!(first.verify(&from.identity.peer(), NOW).is_none(), "spoken to the other person only");
    vector(
        name,
        shows,
        json!({
            "seed": hex(from.identity.signing.seed()),
            "from": hex(from.identity.peer().as_bytes()),
            "to": hex(statement.to.as_bytes()),
            "device": hex(statement.device.as_bytes()),
            "package": hex(statement.package.as_bytes()),
            "transcript": hex(statement.transcript.as_bytes()),
            "body": hex(&statement.body),
        }),
        json!({
            "statement": hex(&first.statement),
            "signature": hex(first.signature.as_bytes()),
            "first": hex(codec::encode(&first)),
        }),
    )
}

fn credential() -> Value {
    let ann = samples::ann().identity;
    let credential = samples::credential();
    let owner = samples::leaf_owner();
    assert!(is_leaf_of(&credential, &LEAF, &owner.key, &ann.chain.verify(NOW).unwrap()));
    vector(
        "leaf credential",
        "A device says that a leaf is its own, to those who have the leaf's key.",
        json!({ "seed": hex(ann.signing.seed()), "chain": hex(codec::encode(&ann.chain)), "leaf": hex(LEAF), "key": hex(owner.key.expose()) }),
        json!({ "credential": hex(credential) }),
    )
}

/// The last piece of a message; the first one is as long as its envelope.
fn piece() -> Value {
    let known = samples::piece();
    let whole = samples::whole();
    let of = known.piece.expect("it is a piece");
    assert!(Piece::split(&whole).last() == Some(&(Some(of), known.mls.as_slice())));
    vector(
        "payload with the last piece of a message",
        "A message of so many bytes 5a: the SHA-256 of all of it, the place of this piece from 0, and how many there are; each but the last has 261,888 bytes.",
        json!({
            "room": hex(ROOM.as_bytes()),
            "epoch": hex(EPOCH.as_bytes()),
            "sequence": known.sequence,
            "length": whole.len(),
            "whole": hex(of.whole.as_bytes()),
            "index": of.index,
            "count": of.count,
            "mls": hex(&known.mls),
        }),
        json!({ "payload": hex(codec::encode(&known)) }),
    )
}

fn payloads() -> Vec<Value> {
    let ben = samples::ben();
    let bundle = ben.bundle("Ben");
    let entry = bundle.devices[0].entry.clone();
    let known = samples::known();
    let room = [
        ("text", "Kind 0: message id, time, text.", samples::text()),
        ("bundle", "Kind 1: name, second root's hash, friendship secret, devices with their mailboxes.", RoomPayload::Bundle(bundle)),
        (
            "hello",
            "Kind 2: the sender's mailbox.",
            RoomPayload::Hello(symbolon_core::wire::Whereabouts { entry, relay_mailboxes: Vec::new() }),
        ),
        ("read", "Kind 3: the last message that was read.", RoomPayload::Read(MessageId([0x6a; 16]))),
        ("again", "Kind 4: put again what is not acknowledged.", RoomPayload::Again),
        ("skip", "Kind 5: stands where a text was given up.", RoomPayload::Skip),
        ("seed", "Kind 10: the newest seed of the sender's device.", RoomPayload::Seed(samples::seed())),
        ("capabilities", "Kind 11: what the sender's build takes.", RoomPayload::Capabilities(Capabilities(5))),
    ];
    let mut all: Vec<Value> = room
        .into_iter()
        .map(|(name, shows, payload)| {
            let bytes = codec::encode(&payload);
            assert!(RoomPayload::decode(&bytes) == Some(payload));
            vector(&format!("room payload: {name}"), shows, json!({ "from": "Ben" }), json!({ "payload": hex(bytes) }))
        })
        .collect();
    let rank = |leaf: u32| hex(symbolon_core::wire::commit_rank(&ROOM, 7, leaf).as_bytes());
    all.push(vector(
        "rank of a commit",
        "Of two commits of one epoch the one with the lower rank stands: room, number of the epoch (8 B), position of the leaf (4 B).",
        json!({ "room": hex(ROOM.as_bytes()), "epoch": 7, "leaves": [0, 1] }),
        json!({ "ranks": [rank(0), rank(1)] }),
    ));
    all.push(vector(
        "payload of a known envelope",
        "Room, epoch, the place in the sender's order, and the MLS message.",
        json!({ "room": hex(ROOM.as_bytes()), "epoch": hex(EPOCH.as_bytes()), "sequence": known.sequence, "mls": hex(&known.mls) }),
        json!({ "payload": hex(codec::encode(&known)) }),
    ));
    all.push(piece());
    all
}
