//! Friends.

use crate::command::Trust;
use minicbor::{Decode, Encode};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::generation::Reader;
use symbolon_presence::id::{DeviceId, Digest, PeerId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;
use symbolon_relay::prove::WIRE_VERSION;

/// A friend, or somebody who is about to be one.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Friend {
    #[n(0)]
    pub peer: PeerId,
    #[n(1)]
    pub petname: String,
    #[n(2)]
    pub trust: Trust,
    #[n(3)]
    pub state: FriendState,
    #[n(4)]
    pub blocked: bool,
    /// Where history is filed; stays when the friendship is made again.
    #[n(5)]
    pub conversation: RoomId,
    /// The connection room.
    #[n(6)]
    pub room: RoomId,
    #[n(7)]
    pub devices: Vec<DeviceId>,
    /// The friend's current friendship secret.
    #[n(8)]
    pub friendship: Option<FriendshipSecret>,
    /// Hash of the friend's second root key.
    #[n(9)]
    pub second_root: Option<Digest>,
    #[n(10)]
    pub since: Timestamp,
    /// Numbers of messages written before the other side confirmed.
    #[n(11)]
    pub held: Vec<u64>,
    #[n(12)]
    pub unread: u32,
    /// How the friend's presence is read. The labels lie in [`Table::Labels`].
    #[n(13)]
    pub presence: Option<FriendPresence>,
    /// Was taken out for a while, and is on the way to be given everything again. Until then
    /// an old key is good enough: the friend may wait for us with nothing better.
    #[n(14)]
    pub giving: bool,
    /// Up to which arrival number the friend has read our messages, where a receipt for one of them had not come yet.
    #[n(15)]
    pub read_to: Option<u64>,
    /// The room is being made again: nothing is sealed until then.
    #[n(16)]
    pub renewing: Option<Renewing>,
    /// When the friend's device came back from an older copy; the newest [`limits::REENTRIES_PER_DAY`].
    #[n(17)]
    pub reentries: Option<Vec<Timestamp>>,
    /// When texts were last sent again to an older copy automatically.
    #[n(18)]
    pub resent: Option<Timestamp>,
    /// Texts that an older copy lacks, and that are sent again when the user says so.
    #[n(19)]
    pub lacks: Option<Lacks>,
    /// What a newer state of this folder sent, as far as this friend has it.
    #[n(20)]
    pub unknown: Option<u32>,
    /// The version of the wire under which the room was made; none of builds that did not note it.
    #[n(21)]
    pub version: Option<u32>,
    /// Whose device it is, when it goes by an alias.
    #[n(22)]
    pub person: Option<PeerId>,
    /// The row that stands for the person, when it is another one: petname, trust and what is unread are there.
    #[n(23)]
    pub follows: Option<PeerId>,
    /// What they call themselves, as their newest bundle says; shown beside the petname, and never in its place.
    #[n(24)]
    pub says: Option<String>,
}

/// How the room of a friendship is being made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Renewing {
    /// This folder is behind what the friend has seen of it: it has to ask for a new room.
    #[n(0)]
    Behind,
    /// The friend's device is: we have entered its new room, and wait for its Confirm.
    #[n(1)]
    Entered,
    /// It was made by an older build: as soon as both are new, it is made again.
    #[n(2)]
    Outgrown,
    /// One of both knows no key of the other that is good still: all of them have changed while they were apart.
    #[n(3)]
    Apart,
}

/// Own texts behind one in a conversation that a friend's older copy lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Lacks {
    /// Those with a higher arrival number.
    #[n(0)]
    pub after: u64,
    /// And a lower one: later texts went into the new room.
    #[n(1)]
    pub before: u64,
    #[n(2)]
    pub count: u32,
}

impl Lacks {
    /// Both together. Where one reaches back behind the other, it holds that one's texts as well.
    pub fn and(self, other: Self) -> Self {
        let (first, second) = if self.after <= other.after { (self, other) } else { (other, self) };
        let count = if second.after < first.before { first.count.max(second.count) } else { first.count.saturating_add(second.count) };
        Self { after: first.after, before: first.before.max(second.before), count }
    }
}

impl Friend {
    /// Whether something may be sealed for the friend in their room.
    pub fn may_seal(&self) -> bool {
        self.stands() && self.renewing.is_none()
    }

    /// Whose device it is.
    pub fn person(&self) -> PeerId {
        self.person.unwrap_or(self.peer)
    }

    /// The row that stands for the person.
    pub fn head(&self) -> PeerId {
        self.follows.unwrap_or(self.peer)
    }

    /// Whether their room was made by an older build.
    pub fn is_of_before(&self) -> bool {
        self.version.is_none_or(|version| version < WIRE_VERSION)
    }

    /// How often a device of theirs came back from an older copy within this time.
    pub fn returns(&self, now: Timestamp, within: u64) -> usize {
        self.reentries.iter().flatten().filter(|at| now.since(**at) < within).count()
    }

    /// Whether the friendship stands: both have confirmed it, and we have not blocked it.
    pub fn stands(&self) -> bool {
        self.state == FriendState::Mutual && !self.blocked
    }
}

/// What is known of a friend's presence records.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct FriendPresence {
    #[n(0)]
    pub reader: Reader,
    /// Of the newest header and body read: nothing older is believed.
    #[n(1)]
    pub version: u64,
    #[n(2)]
    pub sequence: u64,
    /// When the newest body was read.
    #[n(3)]
    pub read: Timestamp,
    /// The friend's lookup servers.
    #[n(4)]
    pub lookups: Vec<symbolon_presence::address::Address>,
    /// What the newest header read wrapped: it leads to bodies until the next change of the friend's readers.
    #[n(5)]
    pub wrapped: Option<Secret>,
}

/// How far a friendship is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum FriendState {
    /// Bundle sent, none received: accepted, waiting.
    #[n(0)]
    Half,
    /// Bundles exchanged.
    #[n(1)]
    Mutual,
    /// Ended by us. History and petname stay, for the case that they become friends again.
    #[n(2)]
    Ended,
}
