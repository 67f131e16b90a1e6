//! Friendships that an older build made: their rooms are made again, with the keys of today.
//!
//! A room cannot change its ciphersuite, and says in the open whose its leaves are. So after an update nothing more is
//! sealed in it; it is read still. As soon as both builds are new, the room is made again as for a copy that is
//! behind, and nobody is asked. What was written meanwhile waits.

use crate::command::{Direction, RequestStatus};
use crate::friendships::{end_half, set_status, withdraw_texts};
use crate::invites;
use crate::rows::{Fault, Friend, FriendState, Renewing, Request};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::{DeviceId, PeerId, RequestId};

/// After a start: what an older build has begun is begun again.
pub(crate) fn begin_again(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    invites::forget_older(state, turn)?;
    let is_before = |row: &&Request| !row.offer.is_empty() && row.body().is_none() && is_under_way(row);
    for id in state.requests.values().filter(is_before).map(|row| row.id).collect::<Vec<_>>() {
        begin_request_again(state, turn, &id)?;
    }
    // Whether our Confirm came there before the update nobody can say: if it did not, they ask again.
    let unsure =
        |row: &&Request| !row.offer.is_empty() && row.body().is_none() && row.status == RequestStatus::Accepted && row.fault.is_none();
    for id in state.requests.values().filter(unsure).map(|row| row.id).collect::<Vec<_>>() {
        state.change_request(turn, &id, |row| row.fault = Some(Fault::Older));
    }
    // Without a seed nothing can be sealed for a device.
    let has_no_seed = |id: &DeviceId| state.devices.get(id).is_some_and(|row| row.channel.outbound.is_none());
    let is_before = |friend: &Friend| friend.is_of_before() || (friend.renewing.is_none() && friend.devices.iter().any(has_no_seed));
    let is_outgrown =
        |friend: &&Friend| is_before(friend) && friend.state == FriendState::Mutual && friend.renewing != Some(Renewing::Outgrown);
    for peer in state.friends.values().filter(is_outgrown).map(|friend| friend.peer).collect::<Vec<_>>() {
        hold(state, turn, &peer, Renewing::Outgrown)?;
    }
    Ok(())
}

/// Nothing more is sealed in the room of a friendship: what was not delivered waits for the next one.
pub(super) fn hold(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, why: Renewing) -> Result<(), TurnFailed> {
    let texts = withdraw_texts(state, turn, peer)?;
    state.change_friend(turn, peer, |friend| {
        friend.held.extend(texts);
        friend.held.sort_unstable();
        friend.held.dedup();
        friend.renewing = Some(why);
    });
    Ok(())
}

/// The Offer of a request is of an older build: nobody can accept it any more. Somebody who was found by their Peer ID is
/// looked for again; any other request ends, and its maker asks again.
fn begin_request_again(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), TurnFailed> {
    let Some(row) = state.requests.get(id) else { return Ok(()) };
    let is_posted = !row.contacts.is_empty() && row.contacts.iter().all(|contact| contact.last_resort);
    if row.direction == Direction::Out && row.status == RequestStatus::Pending && is_posted && row.renews.is_none() {
        let again = Request {
            peer: row.peer,
            name: row.name.clone(),
            trust: row.trust,
            note: row.note.clone(),
            created: row.created,
            expires: row.expires,
            status: RequestStatus::Unresolved,
            ..Request::blank(turn, row.id, Direction::Out)
        };
        set_status(state, turn, id, RequestStatus::Cancelled)?;
        state.save_request(turn, again);
        return Ok(());
    }
    if row.direction == Direction::In && row.status == RequestStatus::Accepted {
        end_half(state, turn, id)?;
    }
    state.change_request(turn, id, |row| row.fault = Some(Fault::Older));
    set_status(state, turn, id, RequestStatus::Expired)
}

/// Whether a request waits for something that its Offer is needed for.
fn is_under_way(row: &Request) -> bool {
    match row.status {
        RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Accepted => {
            // Whose Accept we have taken is a friend already: the room is made again.
            !(row.direction == Direction::Out && row.status == RequestStatus::Accepted)
        }
        RequestStatus::Unresolved
        | RequestStatus::Confirmed
        | RequestStatus::Blocked
        | RequestStatus::Expired
        | RequestStatus::Cancelled => false,
    }
}
