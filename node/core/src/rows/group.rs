//! Shared rooms: what their members agree on, and the epochs that may still give way.

use crate::limits::{GONE_NAMES_MAX, PAST_EPOCHS_MAX};
use crate::wire::{Roster, Seat};
use minicbor::{Decode, Encode};
use symbolon_presence::id::{Digest, EpochId, PeerId, PublicKeyBytes, RequestId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

/// A shared room.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Group {
    #[n(0)]
    pub room: RoomId,
    /// What the members of the present epoch agree on.
    #[n(1)]
    pub roster: Roster,
    #[n(2)]
    pub standing: GroupStanding,
    /// The present epoch, and its number (RFC 9420, section 8).
    #[n(3)]
    pub epoch: EpochId,
    #[n(4)]
    pub number: u64,
    /// Our leaf.
    #[n(5)]
    pub leaf: PublicKeyBytes,
    /// When we next renew the keys of our leaf.
    #[n(6)]
    pub due: Timestamp,
    /// Who has added us; none of who made the room.
    #[n(7)]
    pub added_by: Option<PeerId>,
    /// When we came in.
    #[n(8)]
    pub since: Timestamp,
    /// Epochs that it was in, those that gave way among them, the newest last; at most
    /// [`limits::PAST_EPOCHS_MAX`](crate::limits::PAST_EPOCHS_MAX). What is of another one is still to come.
    #[n(9)]
    pub past: Vec<EpochId>,
    /// When we last said to all how we are written to.
    #[n(10)]
    pub said: Timestamp,
    /// Whether we want to be in it was asked, and not answered by yes: nothing of it is shown.
    #[n(11)]
    pub question: Option<RoomQuestion>,
    /// Whether the right of its members to write to us was taken back: we are out for good.
    #[n(12)]
    pub ended: Option<bool>,
    /// By what we have come in; none of who made the room, and of builds that did not note it.
    #[n(13)]
    pub came: Option<CameBy>,
    /// This device never was in it and knows it from other devices of ours: those that are in it, by Peer ID; at most
    /// [`limits::DEVICES_MAX`](crate::limits::DEVICES_MAX). None of a room that this device is in, or was.
    #[n(14)]
    pub elsewhere: Option<Vec<PeerId>>,
    /// Who has given it its name, and how it was called here before.
    #[n(15)]
    pub named: Option<GivenBy>,
    /// The same of its topic.
    #[n(16)]
    pub about: Option<GivenBy>,
    /// Somebody has gone, and when we draw another grant for those who stay.
    #[n(17)]
    pub regrant: Option<Timestamp>,
    /// How those called themselves here who are in it no longer; at most [`limits::GONE_NAMES_MAX`](crate::limits::GONE_NAMES_MAX),
    /// the last ones to go.
    #[n(18)]
    pub gone: Option<Vec<GoneName>>,
}

/// How somebody called themself in a room that they have left: what they wrote is still shown.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct GoneName {
    #[n(0)]
    pub user: PeerId,
    #[n(1)]
    pub name: String,
}

/// Who has given a room something that is shown of it. Of somebody of whom our user wants nothing, what was before is shown.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct GivenBy {
    #[n(0)]
    pub by: PeerId,
    #[n(1)]
    pub before: String,
}

/// The commit by which we have come into a room. When two have added us at once, one of their commits gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct CameBy {
    /// The number of the epoch that it has made.
    #[n(0)]
    pub number: u64,
    /// Its place beside others of the same parent: the lower one stands.
    #[n(1)]
    pub rank: Digest,
}

impl CameBy {
    /// Whether the other one was made at the same time, and gives way to this one.
    pub fn stands_before(&self, other: &Self) -> bool {
        self.number == other.number && self.rank < other.rank
    }
}

/// A room into which a friend has brought us waits for our user's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RoomQuestion {
    /// The question's name here.
    #[n(0)]
    pub id: RequestId,
    /// What arrived from this number on is not shown; before it, we were in the room already.
    #[n(1)]
    pub from: u64,
    /// Whether we were in the room before.
    #[n(2)]
    pub is_known: bool,
}

/// How we stand to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum GroupStanding {
    #[n(0)]
    Member,
    /// We have said that we leave.
    #[n(1)]
    Leaving,
    #[n(2)]
    Left,
    #[n(3)]
    Removed,
}

impl Group {
    /// Whether we take part, and want to.
    pub fn is_member(&self) -> bool {
        self.standing.is_member() && self.question.is_none()
    }

    /// Whether its user is to say if they want to be in it.
    pub fn is_asked(&self) -> bool {
        self.standing.is_member() && self.question.is_some()
    }

    /// Whether what has this arrival number is shown.
    pub fn shows(&self, arrival: u64) -> bool {
        self.question.is_none_or(|question| arrival < question.from)
    }

    /// How those called themselves who are in it no longer.
    pub fn gone(&self) -> &[GoneName] {
        self.gone.as_deref().unwrap_or_default()
    }

    /// Notes how somebody who goes has called themself.
    pub fn note_gone(&mut self, user: PeerId, name: String) {
        let gone = self.gone.get_or_insert_default();
        gone.retain(|other| other.user != user);
        gone.push(GoneName { user, name });
        let excess = gone.len().saturating_sub(GONE_NAMES_MAX);
        gone.drain(..excess);
    }

    /// Notes an epoch that the room was in.
    pub fn note_past(&mut self, epoch: EpochId) {
        if !self.past.contains(&epoch) {
            self.past.push(epoch);
            let excess = self.past.len().saturating_sub(PAST_EPOCHS_MAX);
            self.past.drain(..excess);
        }
    }
}

impl GroupStanding {
    /// Whether the cipher still seals for us there.
    pub fn is_in(self) -> bool {
        matches!(self, Self::Member | Self::Leaving)
    }

    /// Whether we take part.
    pub fn is_member(self) -> bool {
        self == Self::Member
    }
}

/// An epoch that was left for the next one, and may come back: the parent of commits that compete. In the store under
/// room and number.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Step {
    #[n(0)]
    pub room: RoomId,
    /// The epoch, and its number.
    #[n(1)]
    pub parent: EpochId,
    #[n(2)]
    pub number: u64,
    /// What its members agreed on.
    #[n(3)]
    pub roster: Roster,
    /// Their leaves by position in the tree.
    #[n(4)]
    pub leaves: Vec<(u32, PublicKeyBytes)>,
    /// Its credential encryption key.
    #[n(5)]
    pub key: Secret,
    /// The commits made in it that were good, the one that stands among them; at most
    /// [`limits::RIVALS_MAX`](crate::limits::RIVALS_MAX).
    #[n(6)]
    pub rivals: Vec<RivalRow>,
    /// The epoch that stands.
    #[n(7)]
    pub chosen: EpochId,
    /// When we continued.
    #[n(8)]
    pub at: Timestamp,
    /// What the commit that stands did, for wishes made before it.
    #[n(9)]
    pub by: PeerId,
    /// The positions whose devices are known to have made two commits of it.
    #[n(10)]
    pub doubles: Option<Vec<u32>>,
}

/// A commit that competes with others of its epoch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RivalRow {
    /// The epoch that it leads to.
    #[n(0)]
    pub epoch: EpochId,
    /// Position of its maker.
    #[n(1)]
    pub leaf: u32,
    /// The people whom it removes.
    #[n(2)]
    pub removes: Vec<PeerId>,
    /// Whether it is ours.
    #[n(3)]
    pub is_ours: bool,
}

/// The key of a step: room, then number.
pub(crate) fn step_key(room: &RoomId, number: u64) -> Vec<u8> {
    [room.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

/// A commit, kept for those who have not seen it. Under room and the epoch that it leads to.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct KeptCommit {
    /// The epoch that it was made in.
    #[n(0)]
    pub parent: EpochId,
    #[n(1)]
    pub number: u64,
    /// An MLS message.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    #[n(3)]
    pub at: Timestamp,
}

/// The key of a kept commit: room, then the epoch.
pub(crate) fn commit_key(room: &RoomId, epoch: &EpochId) -> Vec<u8> {
    [room.as_bytes().as_slice(), epoch.as_bytes()].concat()
}

/// The room and the epoch of such a key.
pub(crate) fn split_commit_key(key: &[u8]) -> Option<(RoomId, EpochId)> {
    let (room, epoch) = key.split_at_checked(RoomId::LEN)?;
    RoomId::from_slice(room).zip(EpochId::from_slice(epoch))
}

/// A member's seat, as others are shown it who come in. Under room and leaf.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SeatRow {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub seat: Seat,
}
