//! Lifelines: those that friends hold of ours, and those that we hold of theirs.

use crate::wire::Contact;
use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, Digest, GrantId, PeerId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

/// A lifeline of ours.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Lifeline {
    #[n(0)]
    pub grant: GrantId,
    /// Seed of the key that opens what comes by it.
    #[n(1)]
    pub key: Secret,
    #[n(2)]
    pub made: Timestamp,
    #[n(3)]
    pub expires: Timestamp,
    /// The day on which it was used last, and how often on that day.
    #[n(4)]
    pub used: Option<Used>,
}

/// How often a lifeline was used on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Used {
    /// Days since 1970.
    #[n(0)]
    pub day: u32,
    #[n(1)]
    pub count: u32,
}

/// A grant by which a friend may answer what was said by a lifeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct LastingReply {
    #[n(0)]
    pub grant: GrantId,
    #[n(1)]
    pub expires: Timestamp,
}

/// What a friend was given.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Given {
    #[n(0)]
    pub peer: PeerId,
    /// The present one last; at most [`limits::LIFELINES_OF_FRIEND`](crate::limits::LIFELINES_OF_FRIEND).
    #[n(1)]
    pub lines: Vec<Lifeline>,
    /// The mailboxes that it named, as a hash over their keys.
    #[n(2)]
    pub mailboxes: Digest,
    /// The room in which the present one was said; none once the friend has it.
    #[n(3)]
    pub said_in: Option<RoomId>,
    /// At most [`limits::LASTING_REPLIES_OF_FRIEND`](crate::limits::LASTING_REPLIES_OF_FRIEND), the newest last.
    #[n(4)]
    pub replies: Vec<LastingReply>,
}

/// What is known of the lifelines between a friend's device and this one.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Held {
    #[n(0)]
    pub device: DeviceId,
    /// The device's lifeline for us.
    #[n(1)]
    pub contact: Option<Contact>,
    /// When it was used last, and how often since the device was heard by any way.
    #[n(2)]
    pub used: Option<Timestamp>,
    #[n(3)]
    pub tries: u32,
    /// When the device was last heard by a lifeline of ours.
    #[n(4)]
    pub heard: Option<Timestamp>,
    /// When it was asked by the keys that friends have, because nothing was heard of it.
    #[n(5)]
    pub asked: Option<Timestamp>,
}
