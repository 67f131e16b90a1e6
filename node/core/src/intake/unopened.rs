//! Envelopes that a relay has handed out before anything opens them: kept for a day, and tried again.
//!
//! A tag that is expected of nobody may be that of a device, or under a seed, that this node learns of a moment later; a
//! room may be one that it enters next. At a relay their sender takes them for stored and does not put them again for
//! weeks. So they are kept here before the relay deletes them. Who has brought most gives way when there are too many.
//! When they are tried again is in [`again`](super::again). `docs/protocol/envelope.md`.

use crate::delivery::tags::{Found, Line, Tag};
use crate::limits::{UNOPENED_BYTES_MAX, UNOPENED_MAX};
use crate::rows;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::id::{DeviceId, FrameId, MailboxId, RoomId};
use symbolon_presence::time::Timestamp;

/// Rows read together at the start; each may be as long as an envelope.
const PAGE: usize = 16;

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    /// Somebody's tag.
    Tag,
    /// That this node and the device that sealed it are in a room.
    Room(DeviceId, RoomId),
    /// A frame of its room that comes before it.
    Turn(DeviceId),
}

/// Of whom it counts: a relay, as long as nobody knows who sealed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Device(DeviceId),
    Relay(MailboxId),
}

/// One envelope.
#[derive(Debug)]
pub(super) struct Entry {
    pub mailbox: MailboxId,
    pub at: Timestamp,
    pub tag: Tag,
    pub size: usize,
    pub awaits: Awaits,
    /// What its tag stands for, where that was found far ahead.
    pub found: Option<Found>,
}

impl Entry {
    fn source(&self) -> Source {
        match self.awaits {
            Awaits::Tag => Source::Relay(self.mailbox),
            Awaits::Room(device, _) | Awaits::Turn(device) => Source::Device(device),
        }
    }
}

/// All that are kept; the envelopes themselves are in their rows.
#[derive(Debug, Default)]
pub(super) struct Unopened {
    /// At most [`UNOPENED_MAX`].
    pub entries: BTreeMap<FrameId, Entry>,
    /// At most [`UNOPENED_BYTES_MAX`].
    pub bytes: usize,
    /// What had come when they were last looked at.
    pub openings: Option<u64>,
    /// Seeds under which all were looked for far ahead, and those under which they are still to be.
    pub lines: BTreeSet<Line>,
    pub to_look: BTreeSet<Line>,
    /// When the search continues.
    pub next_look: Timestamp,
    /// Those that may open now.
    pub ready: BTreeSet<FrameId>,
}

impl Unopened {
    /// Reads what was kept before this start.
    pub fn load(turn: &Turn<'_>) -> Result<Self, TurnFailed> {
        let (mut unopened, mut from) = (Self::default(), Vec::new());
        loop {
            let page = turn.range(Table::Unopened, &from, PAGE)?;
            from = page.last().map(|(last, _)| [last.as_slice(), &[0]].concat()).unwrap_or_default();
            let is_last = page.len() < PAGE;
            for (key, bytes) in page {
                let Some(frame) = FrameId::from_slice(&key) else { return Ok(unopened) };
                let rows::Unopened { mailbox, at, envelope } = decode_row(&bytes)?;
                if let Some(Kind::Known(tag)) = kind(&envelope) {
                    unopened.insert(frame, Entry { mailbox, at, tag, size: envelope.len(), awaits: Awaits::Tag, found: None });
                }
            }
            if is_last {
                return Ok(unopened);
            }
        }
    }

    pub fn insert(&mut self, frame: FrameId, entry: Entry) {
        self.bytes = self.bytes.saturating_add(entry.size);
        if let Some(old) = self.entries.insert(frame, entry) {
            self.bytes = self.bytes.saturating_sub(old.size);
        }
    }

    /// One is not kept any more.
    pub fn remove(&mut self, turn: &mut Turn<'_>, frame: &FrameId) {
        if let Some(entry) = self.entries.remove(frame) {
            self.bytes = self.bytes.saturating_sub(entry.size);
            self.ready.remove(frame);
            turn.delete(Table::Unopened, frame.as_bytes());
        }
    }

    /// Which one gives way, if there are too many: of those who have brought most, the oldest; where it is the bytes that
    /// are too many, the oldest of the longest, so that few long ones do not push out many short ones.
    pub fn excess(&self) -> Option<FrameId> {
        let is_long = self.bytes > UNOPENED_BYTES_MAX;
        if !is_long && self.entries.len() <= UNOPENED_MAX {
            return None;
        }
        let mut shares: BTreeMap<Source, usize> = BTreeMap::new();
        for entry in self.entries.values() {
            *shares.entry(entry.source()).or_default() += if is_long { entry.size } else { 1 };
        }
        let (most, _) = shares.into_iter().max_by_key(|(_, share)| *share)?;
        let theirs = self.entries.iter().filter(|(_, entry)| entry.source() == most);
        theirs.max_by_key(|(_, entry)| (if is_long { entry.size } else { 0 }, Reverse(entry.at))).map(|(frame, _)| *frame)
    }

    /// When something is to be done.
    pub fn next_due(&self, state: &State) -> Option<Timestamp> {
        if self.entries.is_empty() || state.own.is_halted {
            return None;
        }
        let is_ready = !self.ready.is_empty() || self.openings != Some(state.openings());
        if is_ready { Some(Timestamp(0)) } else { (!self.to_look.is_empty()).then_some(self.next_look) }
    }
}
