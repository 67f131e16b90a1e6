//! What both sides of an introduction need: places for rows, and a word to a friend.

use crate::command::{CommandError, RequestStatus};
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::INTRODUCTIONS_MAX;
use crate::rooms;
use crate::rows::{IntroRole, Introducing};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::wire::RoomPayload;
use symbolon_presence::id::PeerId;
use symbolon_presence::time::Timestamp;

/// Says something to a friend in the connection room, to be kept until it has arrived.
pub(super) fn say(state: &mut State, turn: &mut Turn<'_>, to: &PeerId, payload: &RoomPayload) -> Result<(), TurnFailed> {
    let Some(room) = state.friends.get(to).filter(|friend| state.may_seal(friend)).map(|friend| friend.room) else { return Ok(()) };
    let sealed = rooms::say(turn, room, payload)?;
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Said, &sealed);
    Ok(())
}

/// Makes room for one more row: the oldest that led nowhere goes.
pub(super) fn make_room(state: &mut State, turn: &mut Turn<'_>) -> Result<(), CommandError> {
    if state.introductions.len() < INTRODUCTIONS_MAX {
        return Ok(());
    }
    let over = |row: &&Introducing| {
        matches!(row.status, RequestStatus::Expired | RequestStatus::Cancelled)
            || (row.role == IntroRole::Introducer && row.status == RequestStatus::Confirmed)
    };
    let oldest = state.introductions.values().filter(over).min_by_key(|row| (row.created, row.id)).map(|row| row.id);
    let id = oldest.ok_or(CommandError::Full)?;
    state.introductions.remove(&id);
    turn.delete(Table::Introduction, id.as_bytes());
    Ok(())
}

/// Whether an introduction that waits is too old at a moment.
pub(crate) fn is_late(row: &Introducing, at: Timestamp) -> bool {
    !matches!(row.status, RequestStatus::Confirmed | RequestStatus::Expired | RequestStatus::Cancelled) && row.expires.is_expired_at(at)
}
