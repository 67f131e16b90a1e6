//! Decoders of what is said in rooms, and of what brings somebody in.

use super::{READER, canonical};
use crate::samples::shared::BENS_LEAF;
use crate::samples::{self, LEAF, NOW, ROOM};
use symbolon_core::limits::MEMBERS_MAX;
use symbolon_core::wire::{
    AddPackage, CommitInfo, OpenCredential, PackageSecrets, QueueAddress, RoomPayload, Roster, SeatedRoster, WHOLE_MAX, WelcomeBundle,
    is_leaf_of,
};
use symbolon_presence::codec;
use symbolon_relay::limits::PACKAGE_MAX;

pub(super) fn room_payload(bytes: &[u8]) -> bool {
    let Some(payload) = RoomPayload::decode(bytes) else { return false };
    assert!(codec::encode(&payload) == bytes, "a second encoding was accepted");
    true
}

pub(super) fn roster(bytes: &[u8]) -> bool {
    let Some(roster) = Roster::decode(bytes) else { return false };
    assert!(codec::encode(&roster) == bytes, "a second encoding was accepted");
    assert!(roster.users.len() <= roster.leaves.len(), "a user without a device was accepted");
    true
}

pub(super) fn commit_info(bytes: &[u8]) -> bool {
    let Some(info) = CommitInfo::decode(bytes) else { return false };
    assert!(codec::encode(&info) == bytes, "a second encoding was accepted");
    assert!(info.seats.len() <= MEMBERS_MAX && info.changes.len() <= MEMBERS_MAX);
    true
}

pub(super) fn seated_roster(bytes: &[u8]) -> bool {
    let Some(seated) = SeatedRoster::decode(bytes) else { return false };
    assert!(codec::encode(&seated) == bytes, "a second encoding was accepted");
    assert!(seated.seats.len() <= MEMBERS_MAX && seated.roster.leaves.len() <= MEMBERS_MAX);
    true
}

pub(super) fn welcome_bundle(bytes: &[u8]) -> bool {
    let Some(bundle) = canonical::<WelcomeBundle>(bytes, WHOLE_MAX) else { return false };
    let waik = READER.ben.friendship.waik();
    if let Some(by) = bundle.verify(BENS_LEAF.as_bytes(), &waik, NOW) {
        assert!(by.peer == READER.ann.identity.peer() && bundle == samples::shared::welcome_bundle(), "what nobody has signed was taken");
    }
    true
}

pub(super) fn add_package(bytes: &[u8]) -> bool {
    let Some(package) = AddPackage::decode(bytes) else { return false };
    assert!(package.encode() == bytes, "a second encoding was accepted");
    let opened = package.open(&READER.ben.friendship.fek());
    assert!(opened.is_none_or(|secrets| secrets == samples::package_secrets()), "what nobody has sealed was opened");
    true
}

pub(super) fn package_secrets(bytes: &[u8]) -> bool {
    canonical::<PackageSecrets>(bytes, PACKAGE_MAX).is_some()
}

pub(super) fn queue_address(bytes: &[u8]) -> bool {
    let Some(queue) = QueueAddress::decode(bytes) else { return false };
    assert!(codec::encode(&queue) == bytes && queue.relay.is_none_or(|entry| entry.is_bounded()));
    true
}

pub(super) fn leaf_credential(bytes: &[u8]) -> bool {
    let Ok(ann) = READER.ann.identity.chain.verify(NOW) else { return false };
    let is_ann_s = is_leaf_of(bytes, &LEAF, &samples::leaf_owner().key, &ann);
    assert!(!is_ann_s || bytes == samples::credential(), "a second credential of this leaf was accepted");
    is_ann_s || OpenCredential::verify(bytes, &ROOM, &LEAF, NOW).is_some()
}
