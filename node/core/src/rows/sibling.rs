//! Own devices, and how the person stands to others as all of them see it.

use crate::command::Trust;
use crate::wire::{Gone, PersonSaid, PersonStanding};
use minicbor::{Decode, Encode};
use symbolon_presence::device_list::DeviceList;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::time::Timestamp;

/// Another device of our own person. Under its Peer ID.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Sibling {
    #[n(0)]
    pub peer: PeerId,
    /// What it is called; none as long as it has not said, and so does not hold us for one of the person's devices yet.
    #[n(1)]
    pub label: Option<String>,
    /// When it came.
    #[n(2)]
    pub since: Timestamp,
    /// Texts with a lower arrival number were taken there.
    #[n(3)]
    pub taken: u64,
    /// It is ours no more.
    #[n(4)]
    pub gone: Option<Timestamp>,
    /// What says so.
    #[n(5)]
    pub said: Option<Gone>,
    /// How far it has the texts of shared rooms; none as long as it has none of them by us.
    #[n(6)]
    pub rooms: Option<RoomsTaken>,
    /// Persons whose texts were read here while it could not be said there; at most [`MARKS_OWED_MAX`](crate::limits::MARKS_OWED_MAX).
    #[n(7)]
    pub marks: Option<Vec<PeerId>>,
    /// Whether it has heard of everybody, or will by what waits in the outbox.
    #[n(8)]
    pub told: Option<Told>,
    /// The same of shared rooms and of settings: what is said to those alone that take it.
    #[n(9)]
    pub told_rooms: Option<Told>,
    /// Texts that wait in the outbox for it: the next arrival number behind them.
    #[n(10)]
    pub flight: Option<u64>,
    /// Whether it has heard what is being written, or will by what waits in the outbox.
    #[n(11)]
    pub told_drafts: Option<Told>,
}

impl Sibling {
    /// One that has come now, and has heard nothing.
    pub fn new(peer: PeerId, since: Timestamp) -> Self {
        let (label, taken, gone, said) = (None, 0, None, None);
        let (rooms, marks, told, told_rooms, flight, told_drafts) = (None, None, None, None, None, None);
        Self { peer, label, since, taken, gone, said, rooms, marks, told, told_rooms, flight, told_drafts }
    }
}

/// That everything was said to a device of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Told {
    /// It was put into the outbox, and what was new since.
    #[n(0)]
    Said,
    /// Something of it was refused: it is said again, but not before a start, so that no refusal makes another one.
    #[n(1)]
    AtStart,
}

/// How far a device of ours has the texts of shared rooms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RoomsTaken {
    /// Rises whenever we go back: frames of an earlier round say nothing about this one.
    #[n(0)]
    pub round: u64,
    /// Those with a lower arrival number were taken there.
    #[n(1)]
    pub up_to: u64,
    /// Those of this round that wait in the outbox for it: the next arrival number behind them.
    #[n(2)]
    pub flight: Option<u64>,
}

impl RoomsTaken {
    /// Nothing waits in the outbox.
    pub fn new(round: u64, up_to: u64) -> Self {
        Self { round, up_to, flight: None }
    }
}

/// How the person stands to somebody. Under their Peer ID.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Person {
    /// What own devices have said of them, the newest.
    #[n(0)]
    pub said: PersonSaid,
    /// What their row here showed when it was last looked at: petname, trust, standing.
    #[n(1)]
    pub shown: (String, Trust, PersonStanding),
}

/// Which devices a person has, by their second root key. Under their Peer ID.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Listed {
    #[n(0)]
    pub person: PeerId,
    /// The list's number: the highest that was seen.
    #[n(1)]
    pub number: u64,
    /// The devices that it names.
    #[n(2)]
    pub devices: Vec<DeviceId>,
    /// What says so.
    #[n(3)]
    pub list: DeviceList,
}
