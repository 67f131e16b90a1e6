//! How far envelopes to another device are, and what waits for it.

use super::seed::Outbound;
use minicbor::{Decode, Encode};
use symbolon_presence::id::RoomId;
use symbolon_presence::time::Timestamp;

/// Where the numbers of room frames begin; those of steps lie below.
pub(crate) const ROOM_LANE: u64 = 1 << 63;

/// How far envelopes to a device were sealed, and the numbers of its outbox: what changes with every envelope.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Channel {
    /// Number of the next outbox row with a room frame.
    #[n(3)]
    pub outbox_next: u64,
    /// How many outbox rows there are.
    #[n(4)]
    pub outbox_count: u64,
    /// Number of the next outbox row with a step of a request.
    #[n(5)]
    pub outbox_first: u64,
    /// The room of the friendship that was entered last.
    #[n(6)]
    pub line: Option<RoomId>,
    /// Rooms that were left; at most [`limits::FORMER_MAX`](crate::limits::FORMER_MAX), the newest last.
    #[n(7)]
    pub former: Option<Vec<Former>>,
    /// Number of the outbox row that asks how we stand with it; at most one waits.
    #[n(8)]
    pub saying: Option<u64>,
    /// The same of the row that answers.
    #[n(9)]
    pub answering: Option<u64>,
    /// Whether it sealed an envelope at a place of the present room that was opened with another one: it runs from an older copy.
    #[n(10)]
    pub is_copied: Option<bool>,
    /// The seed under which we write to it; absent as long as it has said none. Keys 0 to 2 were counters of older builds.
    #[n(11)]
    pub outbound: Option<Outbound>,
    /// How far envelopes of before there were seeds had come; until it uses a seed.
    #[n(12)]
    pub before: Option<Before>,
    /// Whether a frame of it came of an epoch of their room that this node is not in.
    #[n(13)]
    pub is_lost: Option<bool>,
    /// Texts whose outbox rows are in memory alone, by rising numbers; at most [`limits::YOUNG_MAX`](crate::limits::YOUNG_MAX).
    #[n(14)]
    pub young: Option<Vec<Young>>,
}

/// What a start needs to make the outbox row of a text again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Young {
    /// The row's number.
    #[n(0)]
    pub number: u64,
    /// Its number in the order of the room.
    #[n(1)]
    pub sequence: u64,
    /// The text's number of arrival.
    #[n(2)]
    pub arrival: u64,
}

/// Counters of an older build.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Before {
    /// One more than the highest counter received, when it ended.
    #[n(0)]
    pub received: u64,
    /// One more than the highest that was opened since.
    #[n(1)]
    pub next: u64,
    /// Lower counters not received.
    #[n(2)]
    pub missing: Vec<u64>,
}

impl Default for Channel {
    /// Of a device that was never spoken to.
    fn default() -> Self {
        Self {
            outbox_next: ROOM_LANE,
            outbox_count: 0,
            outbox_first: 0,
            line: None,
            former: None,
            saying: None,
            answering: None,
            is_copied: None,
            outbound: None,
            before: None,
            is_lost: None,
            young: None,
        }
    }
}

impl Channel {
    /// How much waits for it besides Standings.
    pub fn waiting(&self) -> u64 {
        self.outbox_count.saturating_sub(u64::from(self.saying.is_some()) + u64::from(self.answering.is_some()))
    }

    /// Rooms that were left.
    pub fn formers(&self) -> &[Former] {
        self.former.as_deref().unwrap_or_default()
    }
}

/// A room that was left, and how far its envelopes were received.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Former {
    #[n(0)]
    pub room: RoomId,
    #[n(3)]
    pub receive_sequence: u64,
    #[n(4)]
    pub until: Timestamp,
    /// Whether the cipher still holds it: what was left behind in it is read.
    #[n(5)]
    pub is_read: bool,
    /// Each frame below this was opened before it was left.
    #[n(6)]
    pub opened: Option<u64>,
}
