//! Putting what waits for a device where it goes, in order, as far as a window allows.
//!
//! Both ways to a device are fed from here: the link to its own node, and its mailboxes at relays. A [`Pump`] knows
//! how far a device's outbox was looked at for one way, a [`Window`] what is without a receipt on one link, and a
//! [`Way`] puts a row where it goes. A link has a window for its device alone; a relay's window is shared by
//! everybody for whom something is left there.

use super::outbox::{self, OutboxRow};
use super::owner::{DeliveryPolicy, Links};
use crate::limits::{WINDOW, WINDOW_BYTES};
use crate::people::{self, requests};
use crate::rows::{Device, ROOM_LANE};
use crate::seam::{LinkId, NetAction};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, FrameId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::frame::Frame;
use symbolon_relay::put::Put;

/// The first numbers of both lanes.
const FIRST_ROWS: [u64; 2] = [0, ROOM_LANE];

/// Whether anything is put for a device, by whatever way.
pub(super) fn is_served(state: &State, now: Timestamp, device: &DeviceId) -> bool {
    !people::is_device_blocked(state, device) && !state.is_incompatible(now, device)
}

/// What may go by one way at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Nobody knows where the link leads: steps by which somebody becomes a friend.
    Newcomers,
    /// The room is in doubt, and the device hangs up at what is of it: what stands on nothing that was before.
    Alone,
    /// The room is in doubt, and nobody hangs up: all that does not lie behind a room frame.
    FirstLane,
    Everything,
}

impl Gate {
    fn lanes(self) -> usize {
        match self {
            Self::Newcomers | Self::Alone | Self::FirstLane => 1,
            Self::Everything => FIRST_ROWS.len(),
        }
    }

    /// Whether an envelope may go.
    pub fn admits(self, state: &State, policy: &DeliveryPolicy) -> bool {
        match (self, policy.links) {
            (Self::FirstLane | Self::Everything, _) | (Self::Alone, Links::Any(_) | Links::Proved) => true,
            (Self::Newcomers, Links::Any(request)) => !requests::renews(state, &request),
            (Self::Newcomers, Links::Proved | Links::Friends) | (Self::Alone, Links::Friends) => false,
        }
    }
}

/// What became of a row that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// Nothing more is to be done for it on this way.
    Past,
    /// It must be looked at again later.
    Waits,
}

/// By which a device's envelopes go.
pub(super) trait Way {
    /// How many rows of a lane may be read together now; none when it must end for this time.
    fn limit(&mut self, lane: usize) -> usize;
    /// Rows were read.
    fn has_read(&mut self, lane: usize, rows: usize);
    /// Puts a row, if it may go and is not on its way already.
    fn put(&mut self, turn: &mut Turn<'_>, number: u64, row: &OutboxRow) -> Looked;
}

/// How a look at an outbox has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// All of it was looked at, and nothing waits for this way.
    AtEnd,
    /// There are more rows to look at.
    Early,
    /// Rows wait for this way.
    Waiting,
}

/// How far a device's outbox was looked at for one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pump {
    /// The numbers of the next rows to look at, in both lanes.
    cursors: [u64; 2],
}

impl Default for Pump {
    fn default() -> Self {
        Self { cursors: FIRST_ROWS }
    }
}

impl Pump {
    /// Rows behind the cursors have changed, or must go again: all are looked at once more.
    pub fn restart(&mut self) {
        self.cursors = FIRST_ROWS;
    }

    /// Looks at rows from where it stopped, one lane after the other, until one waits for the way.
    pub fn run(&mut self, turn: &mut Turn<'_>, device: &Device, gate: Gate, way: &mut impl Way) -> Result<Stopped, TurnFailed> {
        let ends = [(device.channel.outbox_first, ROOM_LANE), (device.channel.outbox_next, u64::MAX)];
        let (mut has_more, mut has_aside) = (false, false);
        for (lane, (cursor, (next, end))) in self.cursors.iter_mut().zip(ends).take(gate.lanes()).enumerate() {
            // The first row that waits without holding up the others.
            let mut aside = None;
            let mut at = *cursor;
            while at < next {
                // No more than there are: behind them lie those of other devices.
                let limit = way.limit(lane).min(usize::try_from(next.saturating_sub(at)).unwrap_or(usize::MAX));
                if limit == 0 {
                    has_more = true;
                    break;
                }
                let page = outbox::rows(turn, &device.device, at, limit)?;
                way.has_read(lane, page.len());
                let mut stop = None;
                for (number, row) in page.iter().take_while(|(number, _)| *number < end) {
                    match way.put(turn, *number, row) {
                        Looked::Past => {}
                        Looked::Waits if row.owner.policy().waits_aside => {
                            aside.get_or_insert(*number);
                        }
                        Looked::Waits => {
                            stop = Some(*number);
                            break;
                        }
                    }
                }
                at = match (stop, page.last()) {
                    (Some(number), _) => number,
                    (None, Some((last, _))) if page.len() == limit && *last < end => last.saturating_add(1),
                    (None, _) => next,
                };
                *cursor = aside.unwrap_or(at);
                if stop.is_some() {
                    return Ok(Stopped::Waiting);
                }
            }
            has_aside |= aside.is_some();
        }
        Ok(match (has_more, has_aside) {
            (true, _) => Stopped::Early,
            (false, true) => Stopped::Waiting,
            (false, false) => Stopped::AtEnd,
        })
    }
}

/// An envelope that was put and has no receipt yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnItsWay<T> {
    pub number: u64,
    size: usize,
    /// What the way knows of it.
    pub note: T,
    is_put_off: bool,
}

/// What was put on a link and has no receipt yet: at most [`WINDOW`] envelopes.
#[derive(Debug)]
pub(super) struct Window<T> {
    frames: BTreeMap<FrameId, OnItsWay<T>>,
    bytes: usize,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { frames: BTreeMap::new(), bytes: 0 }
    }
}

impl<T> Window<T> {
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// For how many more there is room, were they small.
    pub fn room(&self) -> usize {
        WINDOW.saturating_sub(self.frames.len())
    }

    pub fn is_full(&self) -> bool {
        self.room() == 0 || self.bytes >= WINDOW_BYTES
    }

    pub fn holds(&self, frame: &FrameId) -> bool {
        self.frames.contains_key(frame)
    }

    /// What the way knows of each.
    pub fn notes(&self) -> impl Iterator<Item = &T> {
        self.frames.values().map(|row| &row.note)
    }

    /// Puts an envelope on a link.
    pub fn send(&mut self, turn: &mut Turn<'_>, link: LinkId, put: Put, number: u64, row: &OutboxRow, note: T) {
        let size = row.envelope.len();
        self.frames.insert(row.frame, OnItsWay { number, size, note, is_put_off: false });
        self.bytes = self.bytes.saturating_add(size);
        turn.act(NetAction::Send(link, Frame::Put(put).encode()));
    }

    /// A receipt has come.
    pub fn take(&mut self, frame: &FrameId) -> Option<OnItsWay<T>> {
        let row = self.frames.remove(frame)?;
        self.bytes = self.bytes.saturating_sub(row.size);
        Some(row)
    }

    /// Its recipient has it and cannot open it yet: it stays on its way, and nothing is wrong with the link that no other answer
    /// comes. Whether it is one of a room that is on its way.
    pub fn put_off(&mut self, frame: &FrameId) -> bool {
        let row = self.frames.get_mut(frame).filter(|row| row.number >= ROOM_LANE);
        row.map(|row| row.is_put_off = true).is_some()
    }

    /// Whether there is something on its way, and all of it was put off.
    pub fn is_put_off(&self) -> bool {
        !self.frames.is_empty() && self.frames.values().all(|row| row.is_put_off)
    }

    /// Nobody waits for a receipt of the row with this number any more. Whether it was on its way.
    pub fn give_up(&mut self, number: u64) -> bool {
        let frame = self.frames.iter().find(|(_, row)| row.number == number).map(|(frame, _)| *frame);
        frame.and_then(|frame| self.take(&frame)).is_some()
    }

    /// The link is gone, or nothing that is on it counts any more.
    pub fn clear(&mut self) -> Vec<T> {
        self.bytes = 0;
        std::mem::take(&mut self.frames).into_values().map(|row| row.note).collect()
    }
}

#[cfg(test)]
mod tests;
