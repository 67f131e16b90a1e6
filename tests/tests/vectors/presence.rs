//! Subset keys, blinded keys, ratchet, header, body and record.

use crate::{hex, vector};
use minicbor::Encode;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use symbolon_presence::blocks::Readers;
use symbolon_presence::body::{Body, BodyInfo};
use symbolon_presence::codec;
use symbolon_presence::generation::{Generation, Ratchet};
use symbolon_presence::header::Header;
use symbolon_presence::id::{DeviceId, Nonce};
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::{Record, Slot, day_of};
use symbolon_presence::time::DAY;
use symbolon_presence::tree::{LeafLabels, Subset, Tree};
use symbolon_presence::wrapping::{Class, Wrapping};
use symbolon_tests::samples::{self, NOW};

const TREE: [u8; 32] = [0x81; 32];
const LOOKUP: [u8; 32] = [0x82; 32];
const RATCHET: [u8; 32] = [0x83; 32];
const LEAF: u16 = 40_000;

/// A generation in the form in which it is stored.
#[derive(Encode)]
#[cbor(map)]
struct Parts {
    #[n(0)]
    number: u32,
    #[n(1)]
    tree: Secret,
    #[n(2)]
    lookup: Secret,
    #[n(3)]
    began: u32,
    #[n(4)]
    ratchet: Ratchet,
}

#[derive(Encode)]
#[cbor(map)]
struct WrappingParts {
    #[n(0)]
    version: u64,
    #[n(1)]
    nonce: Nonce,
    #[n(2)]
    full: Secret,
    #[n(3)]
    limited: Secret,
}

fn generation() -> Generation {
    let secret = Secret::from_bytes;
    let parts = Parts {
        number: 1,
        tree: secret(TREE),
        lookup: secret(LOOKUP),
        began: day_of(NOW) - 3,
        ratchet: Ratchet { day: 0, key: secret(RATCHET) },
    };
    codec::decode(&codec::encode(&parts), 1_024).unwrap()
}

fn wrapping() -> Wrapping {
    let parts = WrappingParts {
        version: 7,
        nonce: Nonce([0x84; 16]),
        full: Secret::from_bytes([0x85; 32]),
        limited: Secret::from_bytes([0x86; 32]),
    };
    codec::decode(&codec::encode(&parts), 1_024).unwrap()
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(9)
}

fn labels() -> LeafLabels {
    generation().tree().leaf_labels(LEAF)
}

/// One block of readers with the leaf among them, and one from whom the owner hides.
pub fn header() -> Header {
    let block = |first: u16| (first..first + 8).collect::<BTreeSet<u16>>();
    let readers = Readers { full: block(LEAF), limited: block(0) };
    Header::wrap(&generation(), &wrapping(), &readers, &mut rng()).unwrap()
}

/// A body for today.
pub fn body() -> Body {
    let stamp =
        BodyInfo { version: 7, day: day_of(NOW), sequence: NOW.0, device: DeviceId([0x87; 16]), issued: NOW, expires: NOW.after(DAY) };
    Body::seal(&generation().reader(), wrapping().secret(Class::Full), stamp, b"payload", &mut rng()).unwrap()
}

pub fn vectors() -> Vec<Value> {
    vec![subset_keys(), leaf_labels(), ratchet(), slots(), header_vector(), body_vector(), record_vector(), statement()]
}

fn subset_keys() -> Value {
    let subsets = [(1, 2), (1, 131_071), (3, 105_536), (13, 27), (65_535, 131_070)];
    let generation = generation();
    let key = |(all, but)| hex(generation.tree().subset_key(Subset { all, but }).unwrap().expose());
    vector(
        "subset keys",
        "From the tree's secret: the label of the upper node, down to the lower node, and the key of that.",
        json!({ "tree": hex(TREE), "generation": 1, "subsets": subsets }),
        json!({ "keys": subsets.map(key) }),
    )
}

fn leaf_labels() -> Value {
    let bytes = labels().to_bytes();
    for subset in [Subset { all: 1, but: 2 }, Subset { all: 3, but: 13 }] {
        assert_eq!(labels().subset_key(Tree::FULL, subset), generation().tree().subset_key(subset));
    }
    vector(
        "labels of a leaf",
        "Leaf number, then for every node above the leaf, the root first, the labels that hang off the way down, the uppermost first.",
        json!({ "tree": hex(TREE), "generation": 1, "leaf": LEAF }),
        json!({ "length": bytes.len(), "digest": hex(symbolon_presence::kdf::sha256(&bytes)), "begin": hex(&bytes[..66]) }),
    )
}

fn ratchet() -> Value {
    let ratchet = generation().ratchet;
    let keys: Vec<String> = (0..4).map(|day| hex(ratchet.at(day).unwrap().expose())).collect();
    vector("ratchet", "Each day's key from the one of the day before.", json!({ "first": hex(RATCHET) }), json!({ "keys": keys }))
}

fn slots() -> Value {
    let (public, day) = (generation().lookup().public(), day_of(NOW));
    let id = |slot: Slot| hex(slot.id(&public).unwrap().as_bytes());
    vector(
        "lookup ids",
        "Blinded for a day, and for a body also by the secret that the header wraps; the id is a hash of the blinded key.",
        json!({ "lookup_seed": hex(LOOKUP), "day": day, "wrapped": hex([0x85; 32]) }),
        json!({
            "lookup": hex(public.as_bytes()),
            "header": id(Slot::of_header(&public, day)),
            "body": id(Slot::of_body(&public, day, wrapping().secret(Class::Full))),
        }),
    )
}

fn header_vector() -> Value {
    let (generation, header) = (generation(), header());
    let (class, secret) = header.open(&generation.reader(), &labels()).unwrap();
    assert_eq!((class, &secret), (Class::Full, wrapping().secret(Class::Full)));
    vector(
        "presence header",
        "Opened with the key of the one subset that the leaf lies in.",
        json!({
            "lookup": hex(generation.lookup().public().as_bytes()),
            "header_key": hex(generation.reader().header.expose()),
            "tree": hex(TREE),
            "leaf": LEAF,
            "header": hex(codec::encode(&header)),
        }),
        json!({ "wrapped": hex(secret.expose()) }),
    )
}

fn body_vector() -> Value {
    let (generation, body) = (generation(), body());
    let payload = body.open(&generation.reader(), wrapping().secret(Class::Full)).unwrap();
    vector(
        "presence body",
        "Opened with the header's secret and the day's ratchet key together.",
        json!({
            "lookup": hex(generation.lookup().public().as_bytes()),
            "generation": 1,
            "began": generation.began,
            "first": hex(RATCHET),
            "wrapped": hex([0x85; 32]),
            "body": hex(codec::encode(&body)),
        }),
        json!({ "payload": hex(payload) }),
    )
}

fn record_vector() -> Value {
    let (key, day) = (generation().lookup(), day_of(NOW));
    let slot = Slot::of_header(&key.public(), day);
    let bytes = slot.seal(&key, NOW, b"content", &mut rng()).unwrap();
    let record = Record::read(&bytes, NOW).unwrap();
    assert_eq!(slot.open(&record), Ok(b"content".to_vec()));
    vector(
        "presence record",
        "Signed by the blinded key; the counter counts milliseconds from a place that only readers know.",
        json!({ "lookup": hex(key.public().as_bytes()), "day": day, "now": NOW.0, "record": hex(&bytes) }),
        json!({ "id": hex(record.id.as_bytes()), "content": hex(b"content") }),
    )
}

/// What friends read in a body, as the device has signed it.
fn statement() -> Value {
    let (ben, said) = (samples::ben().identity, samples::signed_presence());
    let lookup = samples::generation().lookup().public();
    assert!(said.verify(&ben.peer(), &lookup, 1, NOW).is_some() && said.verify(&ben.peer(), &lookup, 2, NOW).is_none());
    vector(
        "presence statement",
        "Who a body is of, signed by the device for this owner's lookup key and this sequence: in no other body does it hold.",
        json!({ "seed": hex(ben.signing.seed()), "lookup": hex(lookup.as_bytes()), "sequence": 1, "friendship": hex(codec::encode(&samples::ben().friendship)) }),
        json!({ "statement": hex(codec::encode(&said)) }),
    )
}
