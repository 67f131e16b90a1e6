//! Endings: of friendships, and of requests that lead nowhere.

use super::room::{withdraw_standings, withdraw_texts};
use super::status::set_status;
use crate::command::{CommandError, Direction, MessageState, RequestStatus, Trust};
use crate::delivery::line;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::seeds;
use crate::invites::{grants, lifelines};
use crate::notice::FriendshipsNotice;
use crate::people::{self, requests};
use crate::presence;
use crate::rooms;
use crate::rows::{Fault, Friend, FriendState, Request, set_message_state};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use symbolon_presence::id::{DeviceId, PeerId, RequestId, RoomId};

/// Ends a friendship on this side. The other side is not notified: to it, this node looks
/// as if it were off. What was not delivered is given up.
pub(crate) fn unfriend(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), Failed> {
    if !state.friends.contains_key(peer) {
        return Err(CommandError::NotFound.into());
    }
    for row in people::persons::rows_of(state, peer) {
        let friend = state.friends.get(&row).filter(|friend| friend.state != FriendState::Ended || !friend.held.is_empty()).cloned();
        if let Some(friend) = friend {
            end(state, turn, friend)?;
        }
    }
    Ok(())
}

/// Ends a friendship: keys and queue go, history and petname stay.
pub(crate) fn end(state: &mut State, turn: &mut Turn<'_>, mut friend: Friend) -> Result<(), TurnFailed> {
    let peer = friend.peer;
    let mut given_up = withdraw_texts(state, turn, &peer)?;
    given_up.append(&mut friend.held);
    // What other devices of theirs still get is not given up.
    let stands = |row: &PeerId| *row != peer && state.friends.get(row).is_some_and(|friend| friend.state != FriendState::Ended);
    let has_others = people::persons::rows_of(state, &friend.head()).iter().any(stands);
    for arrival in given_up.into_iter().filter(|_| !has_others) {
        set_message_state(turn, &friend.conversation, arrival, MessageState::Failed, Some(Fault::Ended))?;
    }
    rooms::forget(state, turn, friend.room)?;
    for room in line::forget(state, turn, &peer, true) {
        rooms::forget(state, turn, room)?;
    }
    seeds::forget(state, &peer);
    friend.renewing = None;
    friend.lacks = None;
    turn.tell(FriendshipsNotice::Parted(peer));
    friend.state = FriendState::Ended;
    friend.friendship = None;
    friend.presence = None;
    friend.giving = false;
    turn.delete(Table::Labels, peer.as_bytes());
    presence::end(state, turn, &peer);
    friend.trust = friend.trust.max(Trust::Invited);
    withdraw_acceptance(state, turn, &peer, friend.room)?;
    part(state, turn, &peer)?;
    let devices = std::mem::take(&mut friend.devices);
    for device in devices {
        turn.delete(Table::HeldLifeline, device.as_bytes());
        if let Some(row) = state.device_mut(&device) {
            row.put = None;
            row.relay_mailboxes.clear();
        }
    }
    state.save_friend(turn, friend);
    turn.notify(Event::Friend(peer));
    Ok(())
}

/// A friendship has ended on this side: so have the grants that led to it, and their keys.
fn part(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    grants::withdraw(state, turn, peer);
    lifelines::withdraw(state, turn, peer);
    withdraw_standings(state, turn, peer);
    for row in grants::rows_of(state, peer) {
        if grants::has_ended(row.status) {
            grants::end(state, turn, &row);
            grants::erase(state, turn, row);
        } else if row.direction == Direction::Out && row.status == RequestStatus::Accepted {
            // Our Confirm is not acknowledged yet, and need not arrive any more.
            for device in people::devices_of(state, peer) {
                outbox::supersede(state, turn, &device, &EnvelopeOwner::Confirm(row.id))?;
            }
            set_status(state, turn, &row.id, RequestStatus::Cancelled)?;
        }
    }
    Ok(())
}

/// An acceptance that was not confirmed ends with the friendship that it began: it must not
/// be sent any more, nor stand in the way of a later request.
fn withdraw_acceptance(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, room: RoomId) -> Result<(), TurnFailed> {
    let of_this = |row: &&Request| {
        row.peer == *peer && row.room == Some(room) && row.direction == Direction::In && row.status == RequestStatus::Accepted
    };
    let accepted: Vec<RequestId> = state.requests.values().filter(of_this).map(|row| row.id).collect();
    let devices: Vec<DeviceId> = state.devices.values().filter(|device| device.peer == *peer).map(|device| device.device).collect();
    for id in accepted {
        for device in &devices {
            outbox::supersede(state, turn, device, &EnvelopeOwner::Accept(id))?;
        }
        set_status(state, turn, &id, RequestStatus::Cancelled)?;
    }
    Ok(())
}

/// Expires what is surely too old.
pub(crate) fn expire(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let old: Vec<RequestId> = state.requests.values().filter(|row| requests::is_late(state, row, turn.sure)).map(|row| row.id).collect();
    for id in old {
        // Waited for long enough: what was written in the meantime fails with it.
        if let Some(friend) = state.requests.get(&id).and_then(|row| half_of(state, row)) {
            end(state, turn, friend)?;
        }
        if state.requests.get(&id).is_some_and(|row| row.status == RequestStatus::Unresolved && row.invite.is_some()) {
            state.change_request(turn, &id, |row| row.fault = Some(Fault::InviteExpired));
        }
        set_status(state, turn, &id, RequestStatus::Expired)?;
    }
    Ok(())
}

/// The provisional friendship of a request.
fn half_of(state: &State, row: &Request) -> Option<Friend> {
    let half = |friend: &&Friend| friend.state == FriendState::Half && Some(friend.room) == row.room;
    state.friends.get(&row.peer).filter(half).cloned()
}

/// Ends the provisional friendship of a request that will not be confirmed.
pub(crate) fn end_half(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), TurnFailed> {
    let Some(mut friend) = state.requests.get(id).and_then(|row| half_of(state, row)) else { return Ok(()) };
    // Nobody has ended anything: what was written in the meantime waits for the next request
    // to go better.
    let held = std::mem::take(&mut friend.held);
    let peer = friend.peer;
    end(state, turn, friend)?;
    people::update(state, turn, &peer, |friend| friend.held = held)
}

/// The other side has signed that it does not take a step of a request.
pub(crate) fn refused(state: &mut State, turn: &mut Turn<'_>, id: &RequestId, fault: Option<Fault>) -> Result<(), TurnFailed> {
    let Some(row) = state.requests.get(id) else { return Ok(()) };
    match (row.direction, row.status) {
        (Direction::Out, RequestStatus::Pending) => {}
        // Given up on the other side before our answer came: half a friendship leads nowhere.
        (Direction::In, RequestStatus::Accepted) => end_half(state, turn, id)?,
        (Direction::In | Direction::Out, _) => return Ok(()),
    }
    state.change_request(turn, id, |row| row.fault = fault);
    set_status(state, turn, id, RequestStatus::Expired)
}
