//! What is remembered of envelopes that were taken in: their repeats are answered the same.
//!
//! An envelope that was found under a counter is noted with its line, and so is an ordered frame under its sequence: a few bytes
//! in a row of many. Anything else has a row of its own, as in older builds everything had.

use super::desk::Intake;
use super::early::Inside;
use crate::delivery::tags::{Found, Tag};
use crate::rooms::{self, Membership, order};
use crate::rows::{Answered, TakenLine, Was};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::{DeviceId, FrameId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::{Outcome, Refusal};

/// Behind the time of an envelope that was taken in and refused.
const SEEN_REFUSED: u8 = 1;

/// What became of an envelope the first time: a repeat gets the same answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub outcome: Outcome,
    /// Who is to hear of a repeat.
    pub sender: Option<DeviceId>,
}

impl Seen {
    fn read(row: &[u8]) -> Self {
        let outcome = if row.get(8) == Some(&SEEN_REFUSED) { Outcome::Refused(Refusal::Refused) } else { Outcome::Delivered };
        Self { outcome, sender: row.get(9..).and_then(DeviceId::from_slice) }
    }

    fn of(answered: Answered, device: DeviceId) -> Self {
        let outcome = if answered.is_delivered { Outcome::Delivered } else { Outcome::Refused(Refusal::Refused) };
        Self { outcome, sender: answered.is_heard.then_some(device) }
    }

    fn noted(self, is_empty: bool) -> Answered {
        Answered { is_delivered: self.outcome == Outcome::Delivered, is_heard: self.sender.is_some(), is_empty }
    }

    fn row(&self, at: Timestamp) -> Vec<u8> {
        seen(at, self.outcome, self.sender.as_ref())
    }
}

/// What is remembered of an envelope taken in; without a sender, nobody hears of a repeat.
pub(super) fn seen(at: Timestamp, outcome: Outcome, sender: Option<&DeviceId>) -> Vec<u8> {
    let mut row = at.0.to_be_bytes().to_vec();
    row.push(if outcome == Outcome::Delivered { 0 } else { SEEN_REFUSED });
    row.extend_from_slice(sender.map(|sender| sender.as_bytes().as_slice()).unwrap_or_default());
    row
}

impl Intake {
    /// What became of an envelope whose tag is expected of nobody, if it is a repeat. `behind` is who brings it, as far as that is
    /// known.
    pub(super) fn repeated(
        &mut self,
        state: &State,
        turn: &Turn<'_>,
        (tag, frame): (&Tag, &FrameId),
        behind: Option<DeviceId>,
    ) -> Result<Option<Seen>, TurnFailed> {
        if let Some(row) = turn.get(Table::Seen, frame.as_bytes())? {
            return Ok(Some(Seen::read(&row)));
        }
        let Some(past) = self.tags.past(state, turn.now, tag, behind) else { return Ok(None) };
        let was = state.was_taken(turn, &TakenLine::Seed(past.device, past.seed), past.counter, frame)?;
        Ok(if let Was::Answered(answered) = was { Some(Seen::of(answered, past.device)) } else { None })
    }

    /// Notes what became of a known envelope, so that its repeats and what is inside are answered the same.
    pub(super) fn settle_known(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        (frame, inside, at): (FrameId, Option<Inside>, Found),
        seen: Seen,
    ) -> Result<(), TurnFailed> {
        // One of before there were seeds is found under none.
        let line = state.inbound_under(&at.device, at.seed).map(|_| TakenLine::Seed(at.device, at.seed));
        self.tags.take(state, turn.stamp, &at);
        self.unopened.remove(turn, &frame);
        note(state, turn, line.map(|line| (line, at.counter)), &frame, (seen, false))?;
        let Some(Inside { id, place, is_empty }) = inside else { return Ok(()) };
        note(state, turn, place.map(|(room, sequence)| (TakenLine::Room(at.device, room), sequence)), &id, (seen, is_empty))
    }
}

/// Notes it under its number; where it has none, or another one has its place, in a row of its own.
fn note(
    state: &mut State,
    turn: &mut Turn<'_>,
    place: Option<(TakenLine, u64)>,
    id: &FrameId,
    (seen, is_empty): (Seen, bool),
) -> Result<(), TurnFailed> {
    let is_noted = match place {
        Some((line, number)) => state.note_taken(turn, line, (number, id), seen.noted(is_empty))?,
        None => false,
    };
    if !is_noted {
        turn.put_raw(Table::Seen, id.as_bytes(), seen.row(turn.stamp));
    }
    Ok(())
}

/// What became of this when it came before, in this envelope or in another one.
pub(super) fn repeated_inside(
    state: &State,
    turn: &Turn<'_>,
    device: &DeviceId,
    Inside { id, place, is_empty: _ }: &Inside,
) -> Result<Option<Seen>, TurnFailed> {
    if let Some((room, sequence)) = place {
        match state.was_taken(turn, &TakenLine::Room(*device, *room), *sequence, id)? {
            Was::Answered(answered) => return Ok(Some(Seen::of(answered, *device))),
            // It was not there yet.
            Was::Nothing
                if *sequence >= order::expected(state, device, room) && rooms::membership(state, device, room) == Membership::Member =>
            {
                return Ok(None);
            }
            Was::Nothing | Was::Another => {}
        }
    }
    Ok(turn.get(Table::Seen, id.as_bytes())?.map(|row| Seen::read(&row)))
}

/// Whether this comes in a place in which something stood that its sender had put there in its stead: the sender has given it up, and
/// a relay still had it.
pub(super) fn was_given_up(state: &State, turn: &Turn<'_>, device: &DeviceId, inside: Option<&Inside>) -> Result<bool, TurnFailed> {
    let Some((room, sequence)) = inside.and_then(|inside| inside.place) else { return Ok(false) };
    state.was_empty(turn, &TakenLine::Room(*device, room), sequence)
}
