//! Decoders of what says where somebody is.

use super::{READER, canonical, contact_record};
use crate::samples::{self, NOW};
use symbolon_core::wire::SignedPresence;
use symbolon_presence::body::Body;
use symbolon_presence::header::Header;
use symbolon_presence::kdf::Secret;
use symbolon_presence::posted::Item;
use symbolon_presence::record::{RECORD_MAX, Record, Slot, day_of};
use symbolon_relay::lookup::{Answer, Ask};

pub(super) fn record(bytes: &[u8]) -> bool {
    let Ok(record) = Record::read_early(bytes, NOW) else { return false };
    let (key, day) = (samples::generation().lookup().public(), day_of(NOW));
    let _ = Slot::of_header(&key, day).open(&record);
    true
}

pub(super) fn posted(bytes: &[u8]) -> bool {
    let Ok(item) = Item::read(bytes, NOW) else { return false };
    assert!(!item.expires.is_expired_at(NOW));
    if let Some(contact) = item.contact {
        contact_record(&contact);
    }
    true
}

pub(super) fn ask(bytes: &[u8]) -> bool {
    let Ok(ask) = Ask::decode(bytes) else { return false };
    assert!(ask.encode() == bytes, "a second encoding was accepted");
    if let Ask::Put(record) = ask {
        posted(&record);
    }
    true
}

pub(super) fn answer(bytes: &[u8]) -> bool {
    let Ok(answer) = Answer::decode(bytes) else { return false };
    assert!(answer.encode() == bytes, "a second encoding was accepted");
    if let Answer::Found(Some(record)) = answer {
        posted(&record);
    }
    true
}

pub(super) fn header(bytes: &[u8]) -> bool {
    let Some(header) = canonical::<Header>(bytes, RECORD_MAX) else { return false };
    let generation = samples::generation();
    let _ = header.open(&generation.reader(), &generation.tree().leaf_labels(8));
    true
}

pub(super) fn body(bytes: &[u8]) -> bool {
    let Some(body) = canonical::<Body>(bytes, RECORD_MAX) else { return false };
    let _ = body.open(&samples::generation().reader(), &Secret::from_bytes([1; 32]));
    true
}

pub(super) fn signed_presence(bytes: &[u8]) -> bool {
    let Some(signed) = canonical::<SignedPresence>(bytes, RECORD_MAX) else { return false };
    let lookup = samples::generation().lookup().public();
    if let Some(said) = signed.verify(&READER.ben.identity.peer(), &lookup, 1, NOW) {
        assert!(said.entry.is_bounded());
    }
    true
}
