//! Mailbox id, sealed addresses and their put keys, Put, Receipt.

use crate::{hex, vector};
use serde_json::{Value, json};
use symbolon_presence::codec;
use symbolon_presence::id::{GrantId, LookupId, Nonce};
use symbolon_presence::posted::Item;
use symbolon_presence::sign::{SigningKey, VerifyingKey};
use symbolon_presence::time::DAY;
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::Queue;
use symbolon_relay::grant::Scope;
use symbolon_relay::link::RelayLink;
use symbolon_relay::lookup::{Answer, Ask, Kept};
use symbolon_relay::packages::Stock;
use symbolon_relay::put::Outcome;
use symbolon_relay::records::Keep;
use symbolon_relay::session::{Accepted, AcceptedBody, Ack, Deposit, Session, Verdict};
use symbolon_tests::samples::{self, NOW};

pub fn vectors() -> Vec<Value> {
    vec![
        mailbox_id(),
        address(
            "sealed address of a friend",
            0x73,
            Scope::Friends(3),
            u64::MAX,
            0,
            "as it is sent, without an end: it is dead with its revision; put key = the friendship's for this mailbox",
        ),
        address(
            "sealed address of a lifeline",
            0x75,
            Scope::Guest,
            NOW.after(400 * DAY).0,
            symbolon_relay::limits::LIFELINE_USES,
            "put key from the queue secret and the body",
        ),
        address("sealed address of a guest", 0x72, Scope::Guest, NOW.after(30 * DAY).0, 0, "put key from the queue secret and the body"),
        address(
            "sealed address of members of a room",
            0x72,
            Scope::Guest,
            NOW.after(400 * DAY).0,
            symbolon_relay::limits::MEMBERS_USES,
            "put key from the queue secret and the body",
        ),
        address("sealed address of an invite", 0x71, Scope::Contact, NOW.after(7 * DAY).0, 1, "put key from the queue secret and the body"),
        put(),
        receipt(),
        relay_link(),
        relay_frames(),
        left(),
        proofs(),
        carried(),
        posted(),
        lookup_messages(),
    ]
}

/// A relay with Ben's mailbox keys and receipt key.
fn relay() -> RelayLink {
    let ben = samples::ben();
    let places = vec![symbolon_presence::address::Address(vec![4, 192, 0, 2, 1, 6, 0x0f, 0xa1])];
    RelayLink { mailbox_key: ben.mailbox.public(), receipt: ben.identity.signing.public(), places }
}

fn relay_link() -> Value {
    let link = relay();
    let text = link.to_string();
    assert_eq!(text.parse(), Ok(link.clone()));
    vector(
        "relay link",
        "`symbolon:relay:` and base32 of the record and the first four bytes of its labelled hash.",
        json!({ "record": hex(codec::encode(&link)) }),
        json!({ "link": text, "mailbox": hex(link.mailbox().as_bytes()) }),
    )
}

fn relay_frames() -> Value {
    let (link, owner) = (relay(), SigningKey::from_seed(&[0x41; 32]));
    let mailbox = link.mailbox();
    let ben = samples::ben();
    let session = Session::sign(&owner, &mailbox, Nonce([0x42; 16]), NOW);
    let ack = Ack::sign(&owner, &mailbox, vec![1, 2, 300], Vec::new(), Nonce([0x43; 16]), NOW);
    let body = AcceptedBody {
        version: 1,
        entries: 2,
        entries_max: 10_000,
        bytes: 1_024,
        bytes_max: 67_108_864,
        verdict: Verdict::Ok,
        owner: owner.public(),
        at: NOW,
    };
    let accepted = Accepted::sign(&ben.identity.signing, &mailbox, &body);
    assert!(session.verify(&mailbox).is_ok() && ack.verify(&mailbox).is_ok());
    let deposit = Deposit { number: 1, grant: GrantId([0x44; 16]), queue: Queue::Direct, usage: None, envelope: samples::put().envelope };
    vector(
        "relay frames",
        "Session, Ack: signed by the owner over the array of what stands before the signature. Accepted: by the relay's receipt key over the body.",
        json!({ "owner_seed": hex([0x41; 32]), "mailbox": hex(mailbox.as_bytes()), "accepted_body": hex(codec::encode(&body)) }),
        json!({
            "session": hex(Frame::Session(session).encode()),
            "ack": hex(Frame::Ack(ack).encode()),
            "accepted": hex(Frame::Accepted(accepted).encode()),
            "deposit": hex(Frame::Deposit(deposit.clone()).encode()),
            "deposit_of_a_guest": hex(Frame::Deposit(Deposit { queue: Queue::Guest, ..deposit }).encode()),
        }),
    )
}

fn left() -> Value {
    let ben = samples::ben();
    let mailbox = ben.mailbox.id();
    let [away, stock, fetch, fetched, keep] = samples::left();
    let without_last = Stock::sign(&SigningKey::from_seed(&[0x41; 32]), &mailbox, 8, vec![vec![0x46; 40], vec![0x47; 40]], None);
    assert!(without_last.verify(&mailbox).is_ok());
    vector(
        "records ahead and packages",
        "Away, Stock: signed by the owner over the array of what stands between its key and the signature. Fetch: by the friendship token over \
         address, nonce and time. Without a package of last resort null is signed in its place.",
        json!({
            "owner_seed": hex([0x41; 32]),
            "mailbox": hex(mailbox.as_bytes()),
            "token_seed": hex(ben.friendship.capability(&mailbox).seed()),
            "day": symbolon_presence::record::day_of(NOW),
            "record": hex(samples::record()),
            "packages": [hex([0x46; 40]), hex([0x47; 40])],
            "last": hex([0x48; 40]),
            "address": hex(ben.contact().entry.address),
            "nonce": hex([0x45; 16]),
            "at": NOW.0,
        }),
        json!({
            "away": hex(away.encode()),
            "stock": hex(stock.encode()),
            "stock_without_last": hex(Frame::Stock(without_last).encode()),
            "fetch": hex(fetch.encode()),
            "fetched": hex(fetched.encode()),
            "keep": hex(keep.encode()),
            "keep_nothing": hex(Frame::Keep(Keep { records: Vec::new() }).encode()),
        }),
    )
}

fn proofs() -> Value {
    let (ann, ben) = (samples::ann(), samples::ben());
    let ([question, answer], ends, _) = samples::proofs();
    vector(
        "proofs of a link",
        "The key is derived from X25519 of the two certificates' keys and both device ids, the lower one first. Ann has dialled, and speaks first.",
        json!({
            "dh_of_dialler": hex(ann.identity.dh.expose()),
            "dh_public_of_dialled": hex(ben.identity.dh.public().bytes().as_bytes()),
            "device_of_dialler": hex(ann.identity.device.as_bytes()),
            "device_of_dialled": hex(ben.identity.device.as_bytes()),
            "transport_of_dialler": hex(ends.dialler.as_bytes()),
            "transport_of_dialled": hex(ends.dialled.as_bytes()),
            "version": question.version,
            "salts": [hex(question.salt), hex(answer.salt)],
            "instances": [hex(question.instance), hex(answer.instance)],
        }),
        json!({
            "macs": [hex(question.mac), hex(answer.mac)],
            "question": hex(Frame::Prove(question).encode()),
            "answer": hex(Frame::Prove(answer).encode()),
        }),
    )
}

fn carried() -> Value {
    let ben = samples::ben();
    let [carry, carried] = samples::carried();
    vector(
        "envelope that is carried, and the receipt for it",
        "The Put is one of a friend at Ben's own mailbox, as it would go to Ben; the receipt is Ben's.",
        json!({
            "to": hex(ben.identity.device.as_bytes()),
            "envelope": hex(samples::known_envelope()),
            "receipt": hex(Frame::Receipt(samples::receipt()).encode()),
        }),
        json!({ "carry": hex(carry.encode()), "carried": hex(carried.encode()) }),
    )
}

fn posted() -> Value {
    let ben = samples::ben();
    let bytes = samples::posted();
    let item = Item::read(&bytes, NOW).unwrap();
    vector(
        "contact record to be looked up",
        "Lies under the labelled hash of the Peer ID; signed by the device, its owner as both people of the context.",
        json!({
            "seed": hex(ben.identity.signing.seed()),
            "peer": hex(ben.identity.peer().as_bytes()),
            "chain": hex(codec::encode(&ben.identity.chain)),
            "counter": item.counter,
            "expires": item.expires.0,
            "contact": hex(item.contact.unwrap()),
        }),
        json!({ "id": hex(item.id.as_bytes()), "posted": hex(bytes) }),
    )
}

fn lookup_messages() -> Value {
    let id = LookupId([0x6c; 32]);
    vector(
        "lookup messages",
        "Questions and answers of the lookup protocol, each behind the version byte.",
        json!({ "lookup": hex(id.as_bytes()), "record": hex(samples::record()) }),
        json!({
            "get": hex(Ask::Get(id).encode()),
            "put": hex(Ask::Put(samples::record()).encode()),
            "found": hex(Answer::Found(Some(samples::record())).encode()),
            "nothing": hex(Answer::Found(None).encode()),
            "kept": hex(Answer::Put(Kept::Yes).encode()),
            "full": hex(Answer::Put(Kept::Full).encode()),
        }),
    )
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
