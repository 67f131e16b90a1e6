//! What can be made of people's stores and of published records, by anyone who has got hold of
//! them: former friends who pool what they know, and servers of records that compare them.
#![allow(clippy::expect_used)]

use crate::sim::rows::decode;
use minicbor::Decode;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::table::Table;
use symbolon_core::wire::{PresenceBody, SignedPresence};
use symbolon_core::world::Shelf;
use symbolon_presence::body::{Body, PAYLOAD_MAX};
use symbolon_presence::codec;
use symbolon_presence::generation::Reader;
use symbolon_presence::header::Header;
use symbolon_presence::id::{LookupId, PeerId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::{RECORD_MAX, Record, Slot, day_of};
use symbolon_presence::time::{DAY, SECOND, Timestamp};
use symbolon_presence::tree::LeafLabels;

/// A friend's row, as far as it says how the friend is read.
#[derive(Decode)]
#[cbor(map)]
struct Row {
    #[n(13)]
    presence: Option<PresenceRow>,
}

#[derive(Decode)]
#[cbor(map)]
struct PresenceRow {
    #[n(0)]
    reader: Reader,
}

/// What a server sees of a record.
#[derive(Decode)]
#[cbor(map)]
struct Signed {
    #[cbor(n(0), with = "minicbor::bytes")]
    body: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    signature: Vec<u8>,
}

#[derive(Decode)]
#[cbor(map)]
struct Outer {
    #[cbor(n(0), with = "minicbor::bytes")]
    key: Vec<u8>,
    #[n(2)]
    expires: u64,
    #[cbor(n(3), with = "minicbor::bytes")]
    nonce: Vec<u8>,
    #[cbor(n(4), with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

/// All that a friend needs to read somebody.
#[derive(Debug)]
pub struct Eyes {
    /// Lookup key, header key and ratchet.
    pub reader: Reader,
    /// Labels of the friend's leaf.
    pub labels: LeafLabels,
}

/// What lies in a store about reading somebody; none when nothing does.
pub fn eyes(store: &dyn Shelf, of: &PeerId) -> Option<Eyes> {
    let row: Row = decode(&store.get(Table::Friend, of.as_bytes()).ok()??)?;
    let labels = LeafLabels::from_bytes(&store.get(Table::Labels, of.as_bytes()).ok()??)?;
    Some(Eyes { reader: row.presence?.reader, labels })
}

/// Ids of the headers and of the bodies that a pool opens, each with the readers, labels and
/// ratchets of all.
pub fn opened(pool: &[Eyes], records: &BTreeSet<Vec<u8>>, now: Timestamp) -> (BTreeSet<LookupId>, BTreeSet<LookupId>) {
    let (mut headers, mut bodies) = (BTreeSet::new(), BTreeSet::new());
    let records: Vec<Record> = records.iter().filter_map(|bytes| Record::read_early(bytes, now).ok()).collect();
    let under = |slot: &Slot, reader: &Reader| {
        let id = slot.id(&reader.lookup);
        let of_slot = records.iter().filter(|record| id == Ok(record.id));
        of_slot.filter_map(|record| Some((record.id, slot.open(record).ok()?))).collect::<Vec<_>>()
    };
    let mut secrets: Vec<(u32, Secret)> = Vec::new();
    for one in pool {
        for day in day_of(now) - 3..=day_of(now) + 2 {
            for (id, content) in under(&Slot::of_header(&one.reader.lookup, day), &one.reader) {
                let header: Header = codec::decode(&content, RECORD_MAX).expect("a record under this id holds a header");
                for (_, secret) in pool.iter().filter_map(|other| header.open(&one.reader, &other.labels).ok()) {
                    headers.insert(id);
                    secrets.push((day, secret));
                }
            }
        }
    }
    for one in pool {
        for (day, secret) in &secrets {
            for (id, content) in under(&Slot::of_body(&one.reader.lookup, *day, secret), &one.reader) {
                let body: Body = codec::decode(&content, RECORD_MAX).expect("a record under this id holds a body");
                if pool.iter().any(|other| body.open(&other.reader, secret).is_ok()) {
                    bodies.insert(id);
                }
            }
        }
    }
    (headers, bodies)
}

/// What a friend reads today under the newest header that it opens: where the owner is.
pub fn newest_body(one: &Eyes, of: &PeerId, records: &BTreeSet<Vec<u8>>, now: Timestamp) -> Option<PresenceBody> {
    let lookup = &one.reader.lookup;
    let newest = |slot: &Slot| {
        let id = slot.id(lookup).ok()?;
        let read = records.iter().filter_map(|bytes| Record::read(bytes, now).ok());
        let record = read.filter(|record| record.id == id).max_by_key(Record::counter)?;
        slot.open(&record).ok()
    };
    let day = day_of(now);
    let header: Header = codec::decode(&newest(&Slot::of_header(lookup, day))?, RECORD_MAX).ok()?;
    let (_, secret) = header.open(&one.reader, &one.labels).ok()?;
    let body: Body = codec::decode(&newest(&Slot::of_body(lookup, day, &secret))?, RECORD_MAX).ok()?;
    let signed: SignedPresence = codec::decode(&body.open(&one.reader, &secret).ok()?, PAYLOAD_MAX).ok()?;
    signed.verify(of, lookup, body.sequence, now)
}

/// Fails when anyone who keeps records could tell two of them to be of one owner or of one day: the
/// newest under each id, with their counters.
pub fn assert_unlinkable(newest: &BTreeMap<LookupId, (u64, Vec<u8>)>, now: Timestamp) {
    let mut seen: BTreeMap<Vec<u8>, LookupId> = BTreeMap::new();
    for (id, (_, bytes)) in newest {
        let signed: Signed = decode(bytes).expect("a record");
        let outer: Outer = decode(&signed.body).expect("what a record signs");
        let ends = outer.expires.is_multiple_of(DAY) && outer.expires <= now.after(3 * DAY).0;
        assert!(ends, "records end with a day, no matter who made them");
        for field in [&outer.key, &outer.nonce, &outer.sealed, &signed.signature] {
            for part in field.windows(8) {
                if let Some(other) = seen.insert(part.to_vec(), *id) {
                    assert_eq!(other, *id, "two records share {part:?}");
                }
            }
        }
    }
    // Counters of one owner's records, made at one moment, lie nowhere near each other.
    let mut counters: Vec<u64> = newest.values().map(|(counter, _)| *counter).collect();
    counters.sort_unstable();
    let nearest = counters.iter().zip(counters.iter().skip(1)).map(|(low, high)| high - low).min();
    assert!(nearest.is_none_or(|apart| apart > SECOND), "two counters are {nearest:?} ms apart");
}
