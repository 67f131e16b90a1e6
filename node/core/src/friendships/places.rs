//! Places for rows of requests: there are so many, and what has ended gives way.

use crate::command::{CommandError, Direction};
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::invites::grants;
use crate::limits::{ENDED_OF_PERSON_MAX, REQUESTS_MAX};
use crate::people;
use crate::rows::Request;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::{PeerId, RequestId};

/// Whether one more row has a place for somebody's Offer, once `replaced` others have gone. No row of
/// another friend gives way for it.
pub(super) fn has_place(state: &State, replaced: usize, of: &PeerId) -> bool {
    let gives_way = |row: &Request| row.gives_way() && (row.peer == *of || !state.friends.contains_key(&row.peer));
    state.requests.len().saturating_sub(replaced) < REQUESTS_MAX || state.requests.values().any(gives_way)
}

/// Whether one more row of our own, or of a renewal, has a place.
pub(crate) fn has_room(state: &State) -> bool {
    state.requests.len() < REQUESTS_MAX || state.requests.values().any(Request::gives_way)
}

/// Makes room for one more row of our own.
pub(super) fn make_room(state: &mut State, turn: &mut Turn<'_>) -> Result<(), CommandError> {
    if !has_room(state) {
        return Err(CommandError::Full);
    }
    make_place(state, turn, None);
    Ok(())
}

/// Makes room for a row that somebody's doing brings about: what that has left before goes first, so
/// that however much one person does, little of others gives way.
pub(crate) fn make_room_of(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    for older in surplus(state, peer) {
        forget(state, turn, &older)?;
    }
    make_place(state, turn, Some(peer));
    Ok(())
}

/// Takes the oldest row that has ended, if there are too many: first those of strangers, then those of the
/// one for whom the place is made (`of`), then those of friends.
pub(super) fn make_place(state: &mut State, turn: &mut Turn<'_>, of: Option<&PeerId>) {
    if state.requests.len() < REQUESTS_MAX {
        return;
    }
    let is_anothers = |row: &Request| state.friends.contains_key(&row.peer) && of != Some(&row.peer);
    let rank = |row: &&Request| (is_anothers(row), state.friends.contains_key(&row.peer), row.created, row.id);
    let oldest = state.requests.values().filter(|row| row.gives_way()).min_by_key(rank).map(|row| row.id);
    if let Some(row) = oldest.and_then(|id| state.requests.remove(&id)) {
        turn.delete(crate::table::Table::Request, row.id.as_bytes());
        grants::end(state, turn, &row);
    }
}

/// The oldest of the rows that one person's doings have left and that have ended, beyond those that are
/// kept: their requests to us, and renewals on either side.
pub(super) fn surplus(state: &State, peer: &PeerId) -> Vec<RequestId> {
    let is_theirs = |row: &Request| row.direction == Direction::In || row.renews.is_some();
    let of_person = |row: &&Request| row.peer == *peer && is_theirs(row) && row.gives_way();
    let mut rows: Vec<_> = state.requests.values().filter(of_person).map(|row| (row.created, row.id)).collect();
    rows.sort_unstable();
    let count = rows.len().saturating_sub(ENDED_OF_PERSON_MAX);
    rows.into_iter().take(count).map(|(_, id)| id).collect()
}

/// Takes the row of a request away. Nobody hears of it: they hear of a newer one.
pub(super) fn forget(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), TurnFailed> {
    let Some(row) = state.requests.remove(id) else { return Ok(()) };
    turn.delete(crate::table::Table::Request, id.as_bytes());
    grants::end(state, turn, &row);
    for device in people::devices_of(state, &row.peer) {
        for step in [EnvelopeOwner::Accept(*id), EnvelopeOwner::Confirm(*id)] {
            outbox::supersede(state, turn, &device, &step)?;
        }
    }
    Ok(())
}
