//! Several devices of one person: certificate and Peer ID of a further one, and what devices say.

use super::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::wire::{First, RoomPayload, backup_key};
use symbolon_presence::codec;
use symbolon_presence::id::base32;
use symbolon_presence::identity::{Identity, alias_id};
use symbolon_presence::posted::{Item, Posted, contact_id};
use symbolon_presence::record::{Record, day_of};
use symbolon_presence::time::DAY;
use symbolon_presence::words::recovery_words;
use symbolon_tests::samples::{self, NOW, devices, recovery};

pub fn vectors() -> Vec<Value> {
    let (ben, laptop) = (samples::ben().identity, devices::laptop());
    let device = laptop.chain.verify(NOW).unwrap();
    assert!(device.person == ben.peer() && device.peer == laptop.peer() && device.peer != device.person);
    let body = laptop.chain.body().unwrap();
    let (statement, first) = (devices::joined_statement(), devices::joined_first());
    assert!(first.verify(&devices::newcomer().peer(), NOW).is_some_and(|(_, read)| read == statement));
    let gone = devices::gone();
    assert_eq!(gone.verify(NOW), Some(device));
    let list = devices::list();
    assert!(list.verify(&ben.second_root).is_some_and(|read| read.devices.contains(&body.device)));
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
                "root_seed": hex(ben.root.as_ref().unwrap().seed()),
                "root": hex(ben.chain.root.as_bytes()),
                "by": hex(codec::encode(&ben.chain)),
                "chain": hex(codec::encode(&laptop.chain)),
            }),
            json!({
                "signature": hex(gone.signature.as_bytes()),
                "by_root": hex(gone.root.as_ref().unwrap().as_bytes()),
                "gone": hex(codec::encode(&gone)),
            }),
        ),
        payload(
            "sibling",
            "Kind 24: another device of the sender's person asks.",
            RoomPayload::Sibling(Box::new(samples::shared::befriend())),
        ),
        vector(
            "device list",
            "The words say which devices a person has: the second root key signs it, and the maker brings the ids into their order.",
            json!({
                "entropy": hex(ben.entropy.as_ref().unwrap().expose()),
                "root": hex(ben.chain.root.as_bytes()),
                "number": 7,
                "devices": [hex(body.device.as_bytes()), hex(ben.device.as_bytes())],
            }),
            json!({ "body": hex(&list.body), "signature": hex(list.signature.as_bytes()), "list": hex(codec::encode(&list)) }),
        ),
        payload("device list", "Kind 27: to a friend, and to another own device.", RoomPayload::DeviceList(Box::new(list))),
        payload("gone", "Kind 26: to a friend, that a device of the sender's person is gone.", RoomPayload::Gone(Box::new(gone))),
    ];
    all.extend(pairing());
    all.extend(recovery());
    for (name, said) in devices::said() {
        let shows = "Kind 25: one of each that devices of one person say to each other.";
        all.push(payload(&name.replace('_', ", "), shows, RoomPayload::Own(Box::new(said))));
    }
    all.extend(super::refused::devices());
    all
}

/// A code, its body, and the two Offers by it.
fn pairing() -> Vec<Value> {
    let (ben, code, today) = (samples::ben().identity, devices::code(), day_of(NOW));
    let (body, record) = (devices::code_body(), devices::code_record());
    assert!(body.verify_body(NOW, &code.id(), today, None).is_ok());
    let read = Record::read(&record, NOW).unwrap();
    assert_eq!(code.slot(today).open(&read), Ok(codec::encode(&body)));
    vec![
        vector(
            "pairing code",
            "The secret of an invite as base32; its id, and the pre-shared key of Offers to the maker of the body.",
            json!({ "secret": hex(code.expose()), "maker": hex(ben.peer().as_bytes()) }),
            json!({
                "code": base32().encode(code.expose()),
                "id": hex(code.id().as_bytes()),
                "psk": hex(code.psk(&ben.peer()).secret.expose()),
            }),
        ),
        vector(
            "pairing body",
            "The body of the code lies where an invite's lies; its way in is good for ten minutes and two uses.",
            json!({
                "secret": hex(code.expose()),
                "day": today,
                "name": "Ben",
                "seed": hex(ben.signing.seed()),
                "chain": hex(codec::encode(&ben.chain)),
            }),
            json!({
                "package": hex(devices::code_contact().package.as_bytes()),
                "body": hex(&body.body),
                "signature": hex(body.signature.as_bytes()),
                "content": hex(codec::encode(&body)),
                "lookup_id": hex(read.id.as_bytes()),
                "record": hex(record),
            }),
        ),
        asks("pairing: Offer of a newcomer", "Step 2: by the code, as the first device of a person of its own.", devices::newcomer(), 0xaf),
        asks(
            "pairing: Offer as a further device",
            "Step 4: by the same code, under the alias and the person's root.",
            devices::laptop(),
            0xb0,
        ),
        peer_of_a_further_device(),
    ]
}

fn asks(name: &str, shows: &str, who: Identity, request: u8) -> Value {
    let who = devices::comes(who);
    let (body, statement) = devices::asks(&who, request);
    let (me, first) = (&who.identity, First::sign(&who.identity, &statement));
    assert!(first.verify(&statement.to, NOW).is_some_and(|(device, read)| device.peer == me.peer() && read == statement));
    vector(
        name,
        shows,
        json!({
            "seed": hex(me.signing.seed()),
            "chain": hex(codec::encode(&me.chain)),
            "from": hex(me.peer().as_bytes()),
            "to": hex(statement.to.as_bytes()),
            "device": hex(statement.device.as_bytes()),
            "package": hex(statement.package.as_bytes()),
            "body": hex(&statement.body),
        }),
        json!({
            "statement": hex(&first.statement),
            "signature": hex(first.signature.as_bytes()),
            "first": hex(codec::encode(&first)),
            "transcript": hex(body.transcript(&me.peer(), &statement.to).as_bytes()),
        }),
    )
}

/// Where the alias stands when a further device is invited by, looked for or found.
fn peer_of_a_further_device() -> Value {
    let laptop = devices::comes(devices::laptop());
    let (peer, link, contact) = (laptop.identity.peer(), laptop.invite_link(), laptop.contact_record("Ben"));
    assert!(contact.verify(NOW).is_ok_and(|contact| contact.signer.peer == peer && contact.contacts.len() == 1));
    let posted = Posted::sign(&laptop.identity, 7, NOW.after(DAY), codec::encode(&contact)).unwrap().encode();
    let item = Item::read(&posted, NOW).unwrap();
    assert_eq!(item.id, contact_id(&peer));
    let addresses = link.places.iter().map(|place| place.addresses().iter().map(|address| hex(&address.0)).collect::<Vec<_>>());
    vector(
        "ways to a further device",
        "The link of its invite, its contact record and its published record name its alias, or are signed in the context of it.",
        json!({
            "seed": hex(laptop.identity.signing.seed()),
            "chain": hex(codec::encode(&laptop.identity.chain)),
            "secret": hex(samples::invite_secret().expose()),
            "expires": link.expires.0,
            "places": addresses.collect::<Vec<_>>(),
            "contact_body": hex(&contact.body),
            "counter": item.counter,
            "until": item.expires.0,
        }),
        json!({
            "peer": hex(peer.as_bytes()),
            "link": link.text(),
            "contact": hex(codec::encode(&contact)),
            "id": hex(item.id.as_bytes()),
            "posted": hex(posted),
        }),
    )
}

/// What a restored device asks a friend's device.
fn returned() -> Value {
    let (me, ann, statement) = (recovery::restored(), samples::ann(), recovery::returned());
    let first = First::sign(&me, &statement);
    assert!(first.verify(&ann.identity.peer(), NOW).is_some_and(|(device, _)| device.peer == me.peer() && device.person != me.peer()));
    vector(
        "returned",
        "Step 5, sealed to the direct key of Ann's device; its body is a way in to the restored device alone.",
        json!({
            "seed": hex(me.signing.seed()),
            "chain": hex(codec::encode(&me.chain)),
            "to": hex(statement.to.as_bytes()),
            "device": hex(statement.device.as_bytes()),
            "private": hex(ann.direct.expose()),
            "randomness": hex([0xb6; 64]),
        }),
        json!({
            "body": hex(&statement.body),
            "statement": hex(&first.statement),
            "signature": hex(first.signature.as_bytes()),
            "first": hex(codec::encode(&first)),
            "envelope": hex(recovery::returned_envelope()),
        }),
    )
}

/// The words, a part of a backup, and who is made of it.
fn recovery() -> Vec<Value> {
    let ben = samples::ben().identity;
    let entropy = ben.entropy.as_ref().unwrap();
    let restored = recovery::restored();
    let body = restored.chain.body().unwrap();
    let mut all = vec![
        vector(
            "recovery phrase",
            "Twenty-four BIP-39 words write the entropy; backups are sealed under a key from it.",
            json!({ "entropy": hex(entropy.expose()) }),
            json!({ "words": recovery_words(entropy), "key": hex(backup_key(entropy).expose()) }),
        ),
        vector(
            "certificate of a restored device",
            "The root key of the phrase signs the keys that a fresh folder has drawn, under a serial far above all known ones.",
            json!({
                "root_seed": hex(ben.root.as_ref().unwrap().seed()),
                "device": hex(body.device.as_bytes()),
                "signing_seed": hex(restored.signing.seed()),
                "dh_private": hex(restored.dh.expose()),
                "not_before": body.not_before.0,
                "not_after": body.not_after.0,
                "serial": body.serial,
            }),
            json!({
                "cert": hex(&restored.chain.cert),
                "signature": hex(restored.chain.signature.as_bytes()),
                "chain": hex(codec::encode(&restored.chain)),
            }),
        ),
    ];
    for (((name, part), sealed), index) in recovery::parts().into_iter().zip(recovery::sealed()).zip(0u64..) {
        all.push(vector(
            &format!("part of a backup: {name}"),
            "AEAD under the backup key; the associated data is the hash of the backup's id and the part's place; the nonce stands before it.",
            json!({
                "key": hex(recovery::key().expose()),
                "id": hex(recovery::ID.as_bytes()),
                "index": index,
                "nonce": hex(&sealed[..12]),
                "part": hex(codec::encode(&part)),
            }),
            json!({ "sealed": hex(&sealed) }),
        ));
    }
    let file = recovery::file();
    all.push(vector(
        "backup file",
        "The first line, the id, and each of these parts behind its length.",
        json!({ "id": hex(recovery::ID.as_bytes()), "parts": recovery::sealed().iter().map(hex).collect::<Vec<_>>() }),
        json!({ "length": file.len(), "file": hex(file) }),
    ));
    all.extend(capsule());
    all.push(returned());
    all
}

/// What the words alone find.
fn capsule() -> [Value; 3] {
    let (keys, piece, package) = (recovery::capsule(), recovery::piece(), recovery::package());
    let key = hex(recovery::key().expose());
    let relay = hex(recovery::RELAY.as_bytes());
    let places = recovery::places();
    [
        vector(
            "capsule keys",
            "Owner, queues and token of the capsule's mailbox with this number at a relay, and the secret of the record that names relays, follow from the backup key.",
            json!({ "key": key, "relay": relay, "number": 3 }),
            json!({
                "owner": hex(keys.owner(&recovery::RELAY, 3).public().as_bytes()),
                "queues": keys.queues(&recovery::RELAY, 3).map(|queue| hex(queue.as_bytes())),
                "token": hex(keys.token(&recovery::RELAY, 3).public().as_bytes()),
                "places": hex(keys.places().expose()),
            }),
        ),
        vector(
            "capsule piece",
            "The first piece of a capsule as a package in the first mailbox: its record between its length and zeros, sealed under the piece key; the nonce stands before it.",
            json!({
                "key": key,
                "relay": relay,
                "number": 0,
                "nonce": hex(&package[..12]),
                "version": piece.version,
                "index": piece.index,
                "count": piece.count,
                "bytes": hex(&piece.bytes),
            }),
            json!({ "package": hex(&package) }),
        ),
        vector(
            "capsule places",
            "The relays at which a capsule lies, as the content of a record.",
            json!({ "relays": places.relays.iter().map(|link| hex(codec::encode(link))).collect::<Vec<_>>() }),
            json!({ "places": hex(codec::encode(&places)) }),
        ),
    ]
}

fn payload(name: &str, shows: &str, payload: RoomPayload) -> Value {
    let bytes = codec::encode(&payload);
    assert!(RoomPayload::decode(&bytes) == Some(payload));
    vector(&format!("room payload: {name}"), shows, json!({ "from": "Ben" }), json!({ "payload": hex(bytes) }))
}
