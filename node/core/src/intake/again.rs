//! What was kept is tried again, with each seed, device and room that is new: bounded work for one input.

use super::desk::Intake;
use super::unopened::{Awaits, Entry, Unopened};
use crate::delivery::tags::{Found, Line, Tag};
use crate::delivery::{Delivery, Origin};
use crate::limits::UNOPENED_LIFE;
use crate::rooms::{self, Membership};
use crate::rows;
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Turn, TurnFailed};
use std::collections::{BTreeSet, HashSet};
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::FrameId;
use symbolon_presence::time::{MINUTE, Timestamp};

/// Envelopes tried again for one input.
const AT_ONCE: usize = 16;
/// Seeds under which tags are looked for far ahead, for one input.
const LINES_AT_ONCE: usize = 8;

impl Intake {
    /// Takes up what was kept before this start.
    pub fn start(&mut self, turn: &Turn<'_>) -> Result<(), TurnFailed> {
        self.unopened = Unopened::load(turn)?;
        Ok(())
    }

    /// When something that was kept is tried again.
    pub fn next_due(&self, state: &State) -> Option<Timestamp> {
        self.unopened.next_due(state)
    }

    /// Keeps an envelope that nothing opens yet. It came by way of a relay, which may delete it then; one that is kept
    /// already is kept on.
    pub(super) fn keep(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        (origin, envelope): (Origin, &[u8]),
        (tag, found): (Tag, Option<Found>),
        awaits: Awaits,
    ) {
        let key = match origin {
            Origin::Link(_) => return,
            Origin::Kept(frame) => {
                self.stays = true;
                if let Some(entry) = self.unopened.entries.get_mut(&frame) {
                    entry.awaits = awaits;
                }
                return;
            }
            Origin::Relay(key, _) => key,
        };
        let frame = frame_id(envelope);
        if self.unopened.entries.contains_key(&frame) {
            return;
        }
        if !state.rates.unopened(turn.now, key.0, envelope.len()) {
            // So much is not written in a minute for the junk of one relay.
            self.count(DropReason::Full);
            return;
        }
        let lines = || state.inbound().map(|(line, _)| *line);
        if self.unopened.entries.is_empty() {
            // All of them were just looked through for its tag.
            self.unopened = Unopened { openings: Some(state.openings()), lines: lines().collect(), ..Unopened::default() };
        }
        if awaits == Awaits::Tag && self.tags.is_cut() {
            self.unopened.to_look.extend(lines());
        }
        let row = rows::Unopened { mailbox: key.0, at: turn.stamp, envelope: envelope.to_vec() };
        turn.put(Table::Unopened, frame.as_bytes(), &row);
        self.unopened.insert(frame, Entry { mailbox: key.0, at: row.at, tag, size: envelope.len(), awaits, found });
        while let Some(excess) = self.unopened.excess() {
            self.count(DropReason::Full);
            self.unopened.remove(turn, &excess);
        }
    }

    /// Tries again what was kept, as far as something has come that may open it.
    pub fn try_again(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        if self.unopened.entries.is_empty() || state.own.is_halted {
            return Ok(());
        }
        self.look(state, turn.now);
        for _ in 0..AT_ONCE {
            let Some(frame) = self.unopened.ready.pop_first() else { break };
            self.open_kept(state, delivery, turn, frame)?;
        }
        Ok(())
    }

    /// Looks which may open now.
    fn look(&mut self, state: &State, now: Timestamp) {
        let Self { unopened, tags, .. } = self;
        if unopened.openings.replace(state.openings()) != Some(state.openings()) {
            for (frame, entry) in &unopened.entries {
                let may_open = match entry.awaits {
                    Awaits::Tag => tags.ready(state, &entry.tag).is_some(),
                    Awaits::Room(device, room) => rooms::membership(state, &device, &room) != Membership::Stranger,
                    Awaits::Turn(_) => false,
                };
                if may_open {
                    unopened.ready.insert(*frame);
                }
            }
            let lines: BTreeSet<Line> = state.inbound().map(|(line, _)| *line).collect();
            unopened.to_look.extend(lines.difference(&unopened.lines));
            unopened.lines = lines;
        }
        if unopened.to_look.is_empty() || (now < unopened.next_look && unopened.next_look.since(now) <= MINUTE) {
            return;
        }
        let is_sought = |entry: &&Entry| entry.awaits == Awaits::Tag;
        let sought: HashSet<Tag> = unopened.entries.values().filter(is_sought).map(|entry| entry.tag).collect();
        for _ in 0..LINES_AT_ONCE {
            let Some(line) = unopened.to_look.first().copied() else { break };
            let Some(found) = tags.look_ahead(state, now, &line, &sought) else {
                unopened.next_look = Timestamp((now.0 / MINUTE).saturating_add(1).saturating_mul(MINUTE));
                return;
            };
            unopened.to_look.remove(&line);
            for (tag, found) in found {
                for (frame, entry) in unopened.entries.iter_mut().filter(|(_, entry)| entry.tag == tag) {
                    entry.found = Some(found);
                    unopened.ready.insert(*frame);
                }
            }
        }
        unopened.next_look = Timestamp(0);
    }

    /// Opens one that was kept, as if the relay had handed it out just now.
    fn open_kept(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, frame: FrameId) -> Result<(), TurnFailed> {
        let Some(entry) = self.unopened.entries.get_mut(&frame) else { return Ok(()) };
        let tag = entry.tag;
        let Some(found) = self.tags.ready(state, &tag).or(entry.found) else { return Ok(()) };
        entry.awaits = Awaits::Turn(found.device);
        let row: Option<rows::Unopened> = turn.row(Table::Unopened, frame.as_bytes())?;
        self.stays = false;
        if let Some(row) = row {
            self.known_by(state, delivery, turn, (Origin::Kept(frame), (frame, &row.envelope), tag), (found, None))?;
        }
        if !self.stays {
            self.unopened.remove(turn, &frame);
        }
        Ok(())
    }

    /// What was kept for its time has expired; what is left is looked at once more.
    pub fn expire(&mut self, turn: &mut Turn<'_>) {
        let is_over = |entry: &Entry| turn.sure.since(entry.at) >= UNOPENED_LIFE;
        let over: Vec<FrameId> = self.unopened.entries.iter().filter(|(_, entry)| is_over(entry)).map(|(frame, _)| *frame).collect();
        for frame in over {
            self.count(DropReason::Unopenable);
            self.unopened.remove(turn, &frame);
        }
        let waits = |(frame, entry): (&FrameId, &Entry)| matches!(entry.awaits, Awaits::Turn(_)).then_some(*frame);
        self.unopened.ready.extend(self.unopened.entries.iter().filter_map(waits));
        self.unopened.openings = None;
    }
}

#[cfg(test)]
mod tests;
