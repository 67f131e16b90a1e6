//! What the rows of friend requests say, for machines that only want to know. What moves a request on is
//! [`request`](crate::request).

use crate::command::{Direction, RequestStatus};
use crate::rows::{FriendState, Request};
use crate::state::State;
use symbolon_presence::id::{PeerId, RequestId};
use symbolon_presence::time::Timestamp;

/// Since when we wait for this person's answer to an Offer.
pub(crate) fn asking_since(state: &State, peer: &PeerId) -> Option<Timestamp> {
    let waits = |row: &&Request| {
        row.peer == *peer && row.direction == Direction::Out && row.status == RequestStatus::Pending && row.renews.is_none()
    };
    state.requests.values().filter(waits).map(|row| row.created).max()
}

/// Whether we have agreed to a request and wait for the other side.
pub(crate) fn is_accepted(state: &State, id: &RequestId) -> bool {
    state.requests.get(id).is_some_and(|row| row.status == RequestStatus::Accepted)
}

/// Whether a request that waits is too old at a moment.
pub(crate) fn is_late(state: &State, row: &Request, at: Timestamp) -> bool {
    let waits = matches!(row.status, RequestStatus::Unresolved | RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Accepted);
    let is_mutual = state.friends.get(&row.peer).is_some_and(|friend| friend.state == FriendState::Mutual);
    waits && row.expires.is_expired_at(at) && !is_mutual
}
