//! The room of a friendship is made again, and nobody is asked.
//!
//! It is an Offer like any other except for its field `renews` and its seal, which is to the key of
//! the friend's device certificate, in the queue of friends. It follows a Standing of the friend's
//! and names its nonce, so that none that was recorded counts twice.

use crate::command::{Direction, RequestStatus};
use crate::conversations::known_texts;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::friendships::{
    IncomingRoom, accept_unasked, check_room, confirm, first_revision, has_room, local_id, make_room_of, revise, send_to_friend, set_status,
};
use crate::invites::lifelines;
use crate::limits::{OFFER_MAX, REENTRIES_PER_DAY, RENEWAL_ANSWER, REQUEST_LIFETIME};
use crate::people;
use crate::rooms;
use crate::rows::{Renewing, Request};
use crate::seam::{Event, Warning};
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{First, OfferBody, Renews, Standing, Statement};
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, PeerId, RequestId};
use symbolon_presence::identity::Device;
use symbolon_presence::time::DAY;

/// Whether an Offer of ours is on its way to a friend, or the Accept to us. After a while it is not: the friend's device
/// may have lost the question that the Offer follows, or ours the Accept, with a newer state of its folder.
pub(crate) fn is_under_way(state: &State, turn: &Turn<'_>, peer: &PeerId) -> bool {
    open_of(state, peer, Direction::Out).any(|row| turn.stamp.since(row.created) < RENEWAL_ANSWER)
}

/// Whether a friend asks to have the room made again, more often than is accepted without the user.
pub(crate) fn needs_word(state: &State, peer: &PeerId) -> bool {
    open_of(state, peer, Direction::In).any(|row| row.status == RequestStatus::Pending)
}

/// A friend's device waits for the Confirm of this room still: it was lost with a newer state of its folder.
pub(crate) fn confirm_again(state: &mut State, turn: &mut Turn<'_>, device: &Device, said: &Standing) -> Result<(), Rejected> {
    let room = said.rooms.first().map(|room| room.room);
    let is_in = |row: &&Request| {
        let is_answered = matches!(row.status, RequestStatus::Accepted | RequestStatus::Confirmed);
        row.peer == device.peer && row.direction == Direction::Out && row.room == room && row.renews.is_some() && is_answered
    };
    if room.is_none() || state.friends.get(&device.peer).map(|friend| friend.room) != room {
        return Ok(());
    }
    let Some(row) = state.requests.values().find(is_in).cloned() else { return Ok(()) };
    if outbox::waits(turn, &device.device, &EnvelopeOwner::Confirm(row.id))? {
        return Ok(());
    }
    confirm(state, turn, &row, device)
}

/// Takes back that a friend's renewal was accepted.
pub(crate) fn give_up_entering(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let accepted = open_of(state, peer, Direction::In).filter(|row| row.status == RequestStatus::Accepted);
    for id in accepted.map(|row| row.id).collect::<Vec<_>>() {
        set_status(state, turn, &id, RequestStatus::Cancelled)?;
    }
    Ok(())
}

/// Asks a friend's device for a new room, because of what it has said. An older Offer is given up.
pub(crate) fn offer(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, id: &DeviceId, said: &Standing) -> Result<(), Rejected> {
    for older in open_of(state, peer, Direction::Out).map(|row| row.id).collect::<Vec<_>>() {
        set_status(state, turn, &older, RequestStatus::Cancelled)?;
    }
    if !has_room(state) {
        return Err(DropReason::Full.into());
    }
    make_room_of(state, turn, peer)?;
    let (room, leaf) = rooms::create(state, turn)?;
    let Some(friend) = state.friends.get(peer) else { return Ok(()) };
    let (old, name, trust) = (friend.room, friend.petname.clone(), friend.trust);
    let (sent, had) = known_texts(state, turn, friend)?;
    let renews = Renews { room: old, answers: said.nonce, sent, had };
    let request = RequestId::random(turn.rng);
    let chain = state.devices.get(id).map(|row| row.chain.clone());
    let mut row = Request {
        peer: *peer,
        name,
        trust,
        room: Some(room),
        chain,
        contacts: said.reply.iter().cloned().collect(),
        renews: Some(renews),
        ..Request::blank(turn, request, Direction::Out)
    };
    first_revision(state, turn, &mut row, (room, &leaf))?;
    state.save_request(turn, row.clone());
    send_to_friend(state, turn, &row)?;
    Ok(())
}

/// Takes in an Offer that renews. Errors change nothing.
pub(crate) fn receive_offer(
    state: &mut State,
    turn: &mut Turn<'_>,
    first: First,
    device: &Device,
    statement: &Statement,
) -> Result<(), Rejected> {
    let body: OfferBody = codec::decode(&statement.body, OFFER_MAX).map_err(|_| DropReason::Malformed)?;
    let Some(renews) = body.renews.clone().filter(|_| body.is_bounded()) else { return Err(DropReason::Malformed.into()) };
    check_time(&body, turn)?;
    // A renewal brings back nobody who was blocked, and no friendship that was ended here: silence.
    let friend = state.friends.get(&device.peer).filter(|friend| friend.stands() && friend.devices.contains(&device.device)).cloned();
    let Some(friend) = friend.filter(|_| !people::is_blocked(state, &device.peer, &first.chain)) else {
        return Err(DropReason::Blocked.into());
    };
    let id = local_id(&device.device, &body.request);
    let transcript = body.transcript(&device.peer, &state.own.peer);
    let returns = friend.returns(turn.now, DAY);
    if let Some(known) = state.requests.get(&id).cloned() {
        // Another revision of what was let in: older ones no longer count, and each other room is a
        // return.
        let is_other_room = known.status == RequestStatus::Accepted && known.transcript != transcript;
        if body.revision <= known.revision || (is_other_room && returns >= REENTRIES_PER_DAY) {
            return Err(DropReason::Repeated.into());
        }
        check_room(turn, &IncomingRoom { offer: &body, chain: &first.chain, initiator: &device.peer })?;
        return revise(state, turn, known, &body, &statement.body, transcript);
    }
    // It answers what we said last about how we stand; a recorded one does not.
    let asked = state.devices.get(&device.device).and_then(|row| row.asked.as_ref());
    if !asked.is_some_and(|asked| asked.contains(&renews.answers)) {
        return Err(DropReason::Repeated.into());
    }
    check_room(turn, &IncomingRoom { offer: &body, chain: &first.chain, initiator: &device.peer })?;
    // Both are behind: the room is made by the device with the lower id.
    if open_of(state, &device.peer, Direction::Out).any(|row| row.status == RequestStatus::Pending)
        && state.own.identity.device < device.device
    {
        return Err(DropReason::Repeated.into());
    }
    let both = [Direction::In, Direction::Out];
    let overtaken: Vec<RequestId> = both.into_iter().flat_map(|way| open_of(state, &device.peer, way)).map(|row| row.id).collect();
    if overtaken.is_empty() && !has_room(state) {
        return Err(DropReason::Full.into());
    }
    for older in overtaken {
        set_status(state, turn, &older, RequestStatus::Cancelled)?;
    }
    make_room_of(state, turn, &device.peer)?;
    if let Some(asked) = state.device_mut(&device.device).and_then(|row| row.asked.as_mut()) {
        asked.retain(|nonce| *nonce != renews.answers);
    }
    let row = Request {
        wire: body.request,
        peer: device.peer,
        name: friend.petname.clone(),
        trust: friend.trust,
        expires: body.expires,
        revision: body.revision,
        offer: statement.body.clone(),
        transcript,
        chain: Some(first.chain),
        renews: Some(renews),
        ..Request::blank(turn, id, Direction::In)
    };
    state.save_request(turn, row);
    // An update of both builds is no copy that was put back, and neither is somebody who was away for long.
    let is_no_copy = friend.renewing == Some(Renewing::Outgrown) || lifelines::is_apart(turn, &device.device)?;
    if !is_no_copy {
        state.rates.warn(turn, Warning::FriendReturned);
    }
    if returns >= REENTRIES_PER_DAY && !is_no_copy {
        // Too often for a copy that was put back: its friend's user decides.
        turn.notify(Event::Request(id));
        return Ok(());
    }
    accept_unasked(state, turn, &id)
}

/// Whether an Offer is of now.
fn check_time(body: &OfferBody, turn: &Turn<'_>) -> Result<(), DropReason> {
    let lasts = body.expires.since(body.created);
    let is_timely = !body.created.is_future_at(turn.now) && !body.expires.is_expired_at(turn.now) && lasts <= REQUEST_LIFETIME;
    if is_timely { Ok(()) } else { Err(DropReason::Untimely) }
}

/// Our renewals that wait for a friend's answer.
fn open_of<'a>(state: &'a State, peer: &PeerId, direction: Direction) -> impl Iterator<Item = &'a Request> + use<'a> {
    let peer = *peer;
    state.requests.values().filter(move |row| {
        let waits = matches!(row.status, RequestStatus::Pending | RequestStatus::Accepted | RequestStatus::Ignored);
        row.renews.is_some() && row.peer == peer && row.direction == direction && waits
    })
}

#[cfg(test)]
mod tests;
