//! What the rows of friend requests say, for machines that only want to know, and which of them is
//! meant. What moves a request on is in [`friendships`](crate::friendships).

use crate::command::{CommandError, Direction, RequestStatus, Who};
use crate::rows::{FriendState, Request};
use crate::state::State;
use symbolon_presence::id::{PeerId, RequestId};
use symbolon_presence::time::{CLOCK_SKEW, Timestamp};

/// Since when we wait for a friend's answer to an Offer. Of somebody else no room is in doubt.
pub(crate) fn asking_since(state: &State, peer: &PeerId) -> Option<Timestamp> {
    state.friends.get(peer).filter(|friend| friend.state != FriendState::Ended)?;
    let waits = |row: &&Request| {
        row.peer == *peer && row.direction == Direction::Out && row.status == RequestStatus::Pending && row.renews.is_none()
    };
    state.requests.values().filter(waits).map(|row| row.created).max()
}

/// Whether we have agreed to a request and wait for the other side.
pub(crate) fn is_accepted(state: &State, id: &RequestId) -> bool {
    state.requests.get(id).is_some_and(|row| row.status == RequestStatus::Accepted)
}

/// Whether our clock, too, says that the ways in of a request have expired, and agrees with the clock of the one who
/// has said so at this time.
pub(crate) fn is_expired_for_both(state: &State, id: &RequestId, now: Timestamp, at: Timestamp) -> bool {
    let Some(request) = state.requests.get(id) else { return false };
    at.0.abs_diff(now.0) <= CLOCK_SKEW && request.contacts.iter().all(|contact| contact.expires < now)
}

/// Whether a request makes the room of a friendship again.
pub(crate) fn renews(state: &State, id: &RequestId) -> bool {
    state.requests.get(id).is_some_and(|row| row.renews.is_some())
}

/// Whether a request that waits is too old at a moment.
pub(crate) fn is_late(state: &State, row: &Request, at: Timestamp) -> bool {
    let waits = matches!(row.status, RequestStatus::Unresolved | RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Accepted);
    let is_mutual = state.friends.get(&row.peer).is_some_and(|friend| friend.state == FriendState::Mutual);
    waits && row.expires.is_expired_at(at) && !is_mutual
}

/// Finds a request by its id or an unambiguous beginning of it, a person's id, or a name.
pub(crate) fn resolve(state: &State, who: &Who) -> Result<RequestId, CommandError> {
    let text = who.0.trim();
    let lower = text.to_ascii_lowercase();
    let whole_id = lower.parse::<PeerId>().ok();
    let by_id = |row: &&Request| text.len() >= 4 && row.id.to_string().starts_with(&lower);
    // A whole id means that id and no name; names here are what strangers call themselves.
    let by_person = |row: &&Request| match whole_id {
        Some(peer) => row.peer == peer,
        None => !row.name.is_empty() && row.name == text,
    };
    let mut found: Vec<&Request> = state.requests.values().filter(by_id).collect();
    if found.is_empty() {
        found = state.requests.values().filter(by_person).collect();
    }
    match found.as_slice() {
        [] => Err(CommandError::NotFound),
        [one] => Ok(one.id),
        _ => Err(CommandError::Ambiguous),
    }
}

/// The request of this person in a shared room that waits for an answer of ours.
pub(crate) fn incoming_in_room<'a>(state: &'a State, peer: &PeerId) -> Option<&'a Request> {
    let is_open = |row: &&Request| matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored);
    state.requests.values().filter(is_open).find(|row| row.peer == *peer && row.direction == Direction::In && row.is_of_room())
}

/// The newest Offer of this person that waits for an answer of ours: they may have given
/// up older ones.
pub(crate) fn incoming<'a>(state: &'a State, peer: &PeerId) -> Option<&'a Request> {
    let waits = |row: &&Request| {
        let is_open = matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored);
        row.peer == *peer && row.direction == Direction::In && is_open && !row.is_of_room()
    };
    state.requests.values().filter(waits).max_by_key(|row| (row.created, row.id))
}

/// Requests to this person that wait for an answer.
pub(crate) fn outgoing<'a>(state: &'a State, peer: &PeerId) -> impl Iterator<Item = &'a Request> + use<'a> {
    let peer = *peer;
    state.requests.values().filter(move |row| {
        let waits = matches!(row.status, RequestStatus::Pending | RequestStatus::Unresolved);
        row.peer == peer && row.direction == Direction::Out && waits && row.renews.is_none()
    })
}
