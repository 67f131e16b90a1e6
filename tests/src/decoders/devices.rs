//! Decoders of what devices of one person say.

use super::{READER, canonical};
use symbolon_core::wire::{BACKUP_PART_MAX, BackupPart, CapsulePlaces, Gone, JoinedBody, OwnSaid, PAYLOAD_MAX};
use symbolon_presence::capsule::Piece;
use symbolon_presence::record::RECORD_MAX;
use symbolon_presence::time::Timestamp;

use crate::samples::{NOW, devices};

/// What a first device answers to who has asked by its code: nobody becomes a device by a certificate that is not for their
/// keys.
pub fn joined_body(bytes: &[u8]) -> bool {
    let Some(body) = canonical::<JoinedBody>(bytes, PAYLOAD_MAX) else { return false };
    let (mut newcomer, before) = (devices::newcomer(), devices::newcomer().peer());
    let is_taken = newcomer.become_further(&body.chain, body.second_root, NOW);
    assert!(!is_taken || body.chain == devices::certificate(), "a certificate that nobody has signed was taken");
    assert!((newcomer.peer() == before) != is_taken && newcomer.root.is_none() == is_taken);
    true
}

/// What one device says to another one.
pub fn own_said(bytes: &[u8]) -> bool {
    canonical::<OwnSaid>(bytes, PAYLOAD_MAX).is_some_and(|said| said.is_bounded())
}

/// That a device is gone: only an older device of the same person is believed.
pub fn gone(bytes: &[u8]) -> bool {
    let Some(gone) = canonical::<Gone>(bytes, PAYLOAD_MAX) else { return false };
    for now in [NOW, Timestamp(0)] {
        if let Some(device) = gone.verify(now) {
            assert!(device.person == READER.ben.identity.person() && device.peer != device.person);
            assert!(gone == devices::gone(), "what nobody has signed was believed");
        }
    }
    true
}

/// A part of a backup, once it is opened.
pub fn backup_part(bytes: &[u8]) -> bool {
    canonical::<BackupPart>(bytes, BACKUP_PART_MAX).is_some() && BackupPart::decode(bytes).is_some()
}

/// A piece of a capsule, once it is opened.
pub fn capsule_piece(bytes: &[u8]) -> bool {
    let Some(piece) = Piece::read(bytes) else { return false };
    assert!(piece.padded() == bytes, "one piece, one encoding");
    true
}

/// Where a capsule lies, once it is opened.
pub fn capsule_places(bytes: &[u8]) -> bool {
    canonical::<CapsulePlaces>(bytes, RECORD_MAX).is_some() && CapsulePlaces::decode(bytes).is_some()
}
