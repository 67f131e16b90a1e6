//! Rooms that this node is in, and how far devices are in their frames.

use crate::wire::Piece;
use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, EpochId, PeerId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::Chain;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

/// A room that this node holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Room {
    #[n(0)]
    pub room: RoomId,
    /// Where its texts are filed; stays when a friendship moves into another room.
    #[n(1)]
    pub conversation: RoomId,
    #[n(2)]
    pub members: Members,
    /// Own commits there; none before the first frame of another member was heard.
    #[n(3)]
    pub commits: Option<Commits>,
}

/// When this device next renews its keys in a room, and how far that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Commits {
    /// At the latest then, once the other member was heard.
    #[n(0)]
    pub due: Timestamp,
    /// Or when so many ordered frames were sealed.
    #[n(1)]
    pub due_sequence: u64,
    /// The epoch that a commit of ours leads to which is on its way.
    #[n(2)]
    pub pending: Option<EpochId>,
    /// Whether an ordered frame of the present epoch has come.
    #[n(3)]
    pub is_heard: bool,
    /// The number in outboxes from which on that commit stands.
    #[n(4)]
    pub from: Option<u64>,
}

/// Who else is in a room.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Members {
    /// The devices of a friend, as the friend names them.
    #[n(0)]
    Friend(#[n(0)] PeerId),
    /// These devices; at most [`limits::MEMBERS_MAX`](crate::limits::MEMBERS_MAX).
    #[n(1)]
    Devices(#[n(0)] Vec<DeviceId>),
}

/// A leaf of a room, and whose it is. A room that an older build made has none: its leaves say so themselves.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Leaf {
    #[n(0)]
    pub room: RoomId,
    /// Its signature public key.
    #[n(1)]
    pub leaf: PublicKeyBytes,
    /// The certificate of its device.
    #[n(2)]
    pub chain: Chain,
    /// What opens its credential: who comes in later has to be shown that.
    #[n(3)]
    pub key: Secret,
}

/// The key of a leaf: room, then leaf.
pub(crate) fn leaf_key(room: &RoomId, leaf: &PublicKeyBytes) -> Vec<u8> {
    [room.as_bytes().as_slice(), leaf.as_bytes()].concat()
}

/// Where this device and another one are in the order of one room's frames. A pair that has said nothing there has no row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Sequences {
    /// Sequence of the next ordered frame to the device.
    #[n(0)]
    pub send: u64,
    /// Sequence of the next ordered frame from it.
    #[n(1)]
    pub receive: u64,
    /// The first frame to the device that is a piece, which it did not take then: nothing goes from there on until it does.
    #[n(2)]
    pub held: Option<u64>,
    /// The message of the device of which pieces are here.
    #[n(3)]
    pub pieces: Option<Pieces>,
}

/// A message that came in pieces and is not whole yet. The pieces are in [`Table::Piece`](crate::table::Table::Piece).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Pieces {
    /// The next one.
    #[n(0)]
    pub next: Piece,
    /// When the last one came.
    #[n(1)]
    pub at: Timestamp,
}

/// The key of a sequences: device, then room.
pub(crate) fn sequences_key(device: &DeviceId, room: &RoomId) -> Vec<u8> {
    [device.as_bytes().as_slice(), room.as_bytes()].concat()
}

/// Device and room.
pub(crate) fn split_sequences_key(key: &[u8]) -> Option<(DeviceId, RoomId)> {
    let (device, room) = key.split_at_checked(DeviceId::LEN)?;
    Some((DeviceId::from_slice(device)?, RoomId::from_slice(room)?))
}

/// The key of a piece: of whom, in which room, its place.
pub(crate) fn piece_key(device: &DeviceId, room: &RoomId, index: u8) -> Vec<u8> {
    [device.as_bytes().as_slice(), room.as_bytes(), &[index]].concat()
}
