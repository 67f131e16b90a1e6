//! Wishes for shared rooms, what they wait for, and how people knock.

use crate::wire::{KnockSecret, Knocks, Leave, Role, Vouch, WelcomeBundle};
use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, MessageId, PeerId, PublicKeyBytes, RoomAlias, RoomId};
use symbolon_presence::time::Timestamp;

/// Something that is to be so in a room, until an epoch that is final has it. Under room and id.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct WishRow {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub id: MessageId,
    #[n(2)]
    pub what: WishFor,
    #[n(3)]
    pub maker: PeerId,
    /// The number of the epoch that it was made in.
    #[n(4)]
    pub made_in: u64,
    /// The number of the epoch that has it, or has ended it.
    #[n(5)]
    pub done_in: Option<u64>,
    /// Not committed before.
    #[n(6)]
    pub due: Timestamp,
}

/// What a wish is for.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum WishFor {
    /// A device of a friend's comes in.
    #[n(0)]
    Add(#[n(0)] PeerId, #[n(1)] DeviceId),
    #[n(1)]
    Remove(#[n(0)] PeerId),
    #[n(2)]
    Leave(#[n(0)] Leave),
    #[n(3)]
    Name(#[n(0)] String),
    #[n(4)]
    Topic(#[n(0)] String),
    #[n(5)]
    Role(#[n(0)] PeerId, #[n(1)] Role),
    /// A device of our own, by its leaf, goes.
    #[n(6)]
    Drop(#[n(0)] PublicKeyBytes),
    /// People knock in this way.
    #[n(7)]
    Knocks(#[n(0)] Knocks, #[n(1)] KnockSecret),
    /// A friend's device comes in for whom we vouch, at a room of this name at its hubs.
    #[n(8)]
    Vouch(#[n(0)] PeerId, #[n(1)] RoomAlias, #[n(2)] Vouch),
    /// The same as how people knock, where the hubs are elsewhere than before.
    #[n(9)]
    Hubs(#[n(0)] Knocks, #[n(1)] KnockSecret),
}

impl WishFor {
    /// Whose KeyPackage is needed.
    pub fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Add(_, device) => Some(*device),
            Self::Vouch(_, _, vouch) => Some(vouch.newcomer),
            Self::Remove(_)
            | Self::Drop(_)
            | Self::Leave(_)
            | Self::Name(_)
            | Self::Topic(_)
            | Self::Role(..)
            | Self::Knocks(..)
            | Self::Hubs(..) => None,
        }
    }
}

/// What opens knocks at a room. Under room and alias.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct KnockKey {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub alias: RoomAlias,
    #[n(2)]
    pub secret: KnockSecret,
    /// Until when it is kept, once another one is in its place.
    #[n(3)]
    pub until: Option<Timestamp>,
}

/// The key of a knock key: room, then alias.
pub(crate) fn knock_key(room: &RoomId, alias: &RoomAlias) -> Vec<u8> {
    [room.as_bytes().as_slice(), alias.as_bytes()].concat()
}

/// The key of a wish: room, then id.
pub(crate) fn wish_key(room: &RoomId, id: &MessageId) -> Vec<u8> {
    [room.as_bytes().as_slice(), id.as_bytes()].concat()
}

/// A Welcome that a friend does not have yet; or, under our own device, one that waits until we are out of its room. Under room and device.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Invitation {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub device: DeviceId,
    #[n(2)]
    pub bundle: WelcomeBundle,
    /// The room of the friendship in which it was said last.
    #[n(3)]
    pub said_in: Option<RoomId>,
    /// When it came, of one for our own device.
    #[n(4)]
    pub at: Option<Timestamp>,
}

/// The key of an invitation: room, then device.
pub(crate) fn invitation_key(room: &RoomId, device: &DeviceId) -> Vec<u8> {
    [room.as_bytes().as_slice(), device.as_bytes()].concat()
}
