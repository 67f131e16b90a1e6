//! Where somebody is: a header, a body, a record, and what anyone may read.

use super::{NOW, ben};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;
use symbolon_core::wire::{PresenceBody, SignedPresence};
use symbolon_presence::blocks::Readers;
use symbolon_presence::body::{Body, BodyInfo};
use symbolon_presence::codec;
use symbolon_presence::generation::Generation;
use symbolon_presence::header::Header;
use symbolon_presence::id::DeviceId;
use symbolon_presence::kdf::Secret;
use symbolon_presence::posted::Posted;
use symbolon_presence::record::{Slot, day_of};
use symbolon_presence::time::DAY;
use symbolon_presence::wrapping::Wrapping;

/// An owner's secrets of presence.
pub fn generation() -> Generation {
    Generation::random(0, day_of(NOW), &mut ChaCha20Rng::seed_from_u64(0x6d))
}

/// A header for one friend.
pub fn header() -> Header {
    let mut rng = ChaCha20Rng::seed_from_u64(0x6e);
    let readers = Readers { full: (8..16).collect(), limited: BTreeSet::new() };
    Header::wrap(&generation(), &Wrapping::random(1, &mut rng), &readers, &mut rng).expect("one block has a cover")
}

/// The record that the header lies in.
pub fn record() -> Vec<u8> {
    let key = generation().lookup();
    let header = codec::encode(&header());
    let place = Slot::of_header(&key.public(), day_of(NOW));
    place.seal_header(&key, 1, &header, &mut ChaCha20Rng::seed_from_u64(0x6f)).expect("a short header fits")
}

/// Ben's way in for anyone who knows his Peer ID.
pub fn posted() -> Vec<u8> {
    let ben = ben();
    let contact = codec::encode(&ben.contact_record("Ben"));
    Posted::sign(&ben.identity, 7, NOW.after(DAY), contact).expect("an invite fits").encode()
}

/// Where Ben is, as his friends read it.
pub fn signed_presence() -> SignedPresence {
    let ben = ben();
    let bundle = ben.bundle("Ben");
    let device = bundle.devices.into_iter().next().expect("a bundle names a device");
    let body = PresenceBody {
        name: "Ben".into(),
        friendship: bundle.friendship,
        chain: device.chain,
        entry: device.entry,
        relay_mailboxes: Vec::new(),
        lookups: Vec::new(),
        direct: Some(device.direct),
    };
    SignedPresence::sign(&ben.identity.signing, &generation().lookup().public(), 1, &body)
}

/// A body of a day.
pub fn body() -> Body {
    let stamp = BodyInfo { version: 1, day: day_of(NOW), sequence: 1, device: DeviceId([0x6b; 16]), issued: NOW, expires: NOW.after(DAY) };
    let payload = codec::encode(&signed_presence());
    let mut rng = ChaCha20Rng::seed_from_u64(0x70);
    Body::seal(&generation().reader(), &Secret::from_bytes([1; 32]), stamp, &payload, &mut rng).expect("the ratchet is at that day")
}
