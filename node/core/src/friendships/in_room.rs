//! Friendship between two members of a shared room: who asks hands the other a way in, and nobody else.
//!
//! Who is asked sees a request like any other. Their yes is an Offer by that way, which is accepted on the other side without
//! another question. A no, and a block, is silence.

use super::ask::{accept_waiting, ask};
use super::places::{has_place, make_room, make_room_of};
use super::status::set_status;
use crate::command::{CommandError, Direction, RequestStatus, Trust};
use crate::invites;
use crate::invites::contact::{ContactRecord, VerifiedContact};
use crate::limits::{CONTACT_RECORD_MAX, INVITES_MAX, PENDING_IN_ROOM_MAX, PENDING_IN_ROOMS_MAX, REQUEST_LIFETIME};
use crate::people::{self, requests};
use crate::rows::{FriendState, InRoom, Request};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{DropReason, Failed, Rejected, Turn};
use crate::wire::{Befriend, is_note};
use symbolon_presence::codec;
use symbolon_presence::id::{PeerId, RequestId, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::time::Timestamp;

/// What asking somebody comes to.
pub(crate) enum Asking {
    /// There is a request already; or they had asked us, which is a yes to that.
    Known(RequestId),
    /// This is to be said to their devices.
    Say(RequestId, Box<Befriend>),
}

/// Asks a member of a room that both are in for friendship.
pub(crate) fn befriend(state: &mut State, turn: &mut Turn<'_>, peer: PeerId, name: String, note: Option<String>) -> Result<Asking, Failed> {
    if note.as_deref().is_some_and(|note| !is_note(note)) {
        return Err(CommandError::BadNote.into());
    }
    if state.blocked.contains(peer.as_bytes().as_slice()) {
        return Err(CommandError::IsBlocked.into());
    }
    if is_friend(state, &peer) {
        return Err(CommandError::AlreadyFriends.into());
    }
    if let Some(id) = accept_waiting(state, turn, &peer, Trust::Room)? {
        return Ok(Asking::Known(id));
    }
    if let Some(waiting) = requests::incoming_in_room(state, &peer).map(|row| row.id) {
        accept(state, turn, &waiting)?;
        return Ok(Asking::Known(waiting));
    }
    // What looks for a way has found one.
    let unresolved = requests::outgoing(state, &peer).filter(|row| row.status == RequestStatus::Unresolved).map(|row| row.id);
    for id in unresolved.collect::<Vec<_>>() {
        set_status(state, turn, &id, RequestStatus::Cancelled)?;
    }
    if let Some(known) = requests::outgoing(state, &peer).next() {
        return Ok(Asking::Known(known.id));
    }
    invites::forget_expired(state, turn)?;
    if state.invites.len() >= INVITES_MAX {
        return Err(CommandError::Full.into());
    }
    make_room(state, turn)?;
    let expires = turn.stamp.after(REQUEST_LIFETIME);
    let (contact, grant) = invites::mint_in_room(state, turn, peer, expires);
    let id = RequestId::random(turn.rng);
    let in_room = Some(InRoom { invite: Some(grant), contact: None, device_of: None, room: None });
    let row = Request { peer, name, trust: Trust::Room, note: note.clone(), expires, in_room, ..Request::blank(turn, id, Direction::Out) };
    state.save_request(turn, row);
    turn.notify(Event::Request(id));
    Ok(Asking::Say(id, Box::new(Befriend { contact: codec::encode(&contact), note, list: None })))
}

fn is_friend(state: &State, peer: &PeerId) -> bool {
    state.friends.get(peer).is_some_and(|friend| friend.state == FriendState::Mutual)
}

/// A member asks us. Whatever we think of them, the answer to a request that is in order is the same: none.
pub(crate) fn asked(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, from: &Device, befriend: Befriend) -> Result<(), Rejected> {
    asked_as(state, turn, Some(*room), from.peer, befriend).map(|_| ())
}

/// The same, of somebody of whom it is known by whom it was brought. Answers the request that waits for us now, if any.
pub(crate) fn asked_as(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: Option<RoomId>,
    peer: PeerId,
    befriend: Befriend,
) -> Result<Option<RequestId>, Rejected> {
    let contact = read(&befriend.contact, turn.sure).ok_or(DropReason::Forged)?;
    if contact.signer.peer != peer {
        return Err(DropReason::Forged.into());
    }
    let is_parted = people::is_parted(state, &peer) || people::is_parted(state, &contact.signer.person);
    let is_unwanted = is_parted || people::is_blocked(state, &peer, &contact.chain) || is_friend(state, &peer);
    if is_unwanted || !state.rates.offer_of(turn.now, peer) {
        return Ok(None);
    }
    let in_room = Some(InRoom { invite: None, contact: Some(befriend.contact), device_of: None, room });
    let expires = contact.expires.min(turn.stamp.after(REQUEST_LIFETIME));
    if let Some(row) = requests::incoming_in_room(state, &peer).cloned() {
        // The same question by a newer way in.
        let id = row.id;
        state.save_request(turn, Request { in_room, note: befriend.note, expires, ..row });
        return Ok(Some(id));
    }
    if requests::incoming(state, &peer).is_some() {
        // An Offer waits already, and is as good.
        return Ok(None);
    }
    let waits = |row: &&Request| row.direction == Direction::In && row.status == RequestStatus::Pending;
    // Members of rooms fill places of their own, not those of strangers; and those of one room not those of all.
    let others = || state.requests.values().filter(waits).filter_map(|row| row.in_room.as_ref()).map(|asked| asked.room);
    let is_full = others().count() >= PENDING_IN_ROOMS_MAX || others().filter(|of| *of == room).count() >= PENDING_IN_ROOM_MAX;
    if is_full || !has_place(state, 0, &peer) {
        return Ok(None);
    }
    make_room_of(state, turn, &peer)?;
    let id = RequestId::random(turn.rng);
    let row = Request {
        peer,
        name: contact.name,
        trust: Trust::Room,
        note: befriend.note,
        chain: Some(contact.chain),
        expires,
        in_room,
        ..Request::blank(turn, id, Direction::In)
    };
    state.save_request(turn, row);
    turn.notify(Event::Request(id));
    // Both have asked: one of the two answers, the other one's way in is waited at.
    let has_asked = requests::outgoing(state, &peer).any(|row| row.in_room.is_some());
    if has_asked && state.own.peer < peer {
        match accept(state, turn, &id) {
            Ok(()) | Err(Failed::Command(_)) => {}
            Err(Failed::Turn(failed)) => return Err(failed.into()),
        }
    }
    Ok(Some(id))
}

/// Reads the way in of somebody who asks.
pub(crate) fn read(contact: &[u8], sure: Timestamp) -> Option<VerifiedContact> {
    let record: ContactRecord = codec::decode(contact, CONTACT_RECORD_MAX).ok()?;
    record.verify_known(sure).ok()
}

/// Says yes to a member who has asked: an Offer goes by the way in that they have handed us.
pub(crate) fn accept(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    match row.status {
        RequestStatus::Pending | RequestStatus::Ignored if !row.expires.is_expired_at(turn.now) => {}
        RequestStatus::Accepted | RequestStatus::Confirmed => return Ok(()),
        RequestStatus::Pending
        | RequestStatus::Ignored
        | RequestStatus::Unresolved
        | RequestStatus::Blocked
        | RequestStatus::Expired
        | RequestStatus::Cancelled => return Err(CommandError::WrongStatus.into()),
    }
    let contact = row.in_room.as_ref().and_then(|asked| asked.contact.as_deref()).and_then(|contact| read(contact, turn.sure));
    let contact = contact.ok_or(CommandError::WrongStatus)?;
    if people::is_blocked(state, &row.peer, &contact.chain) {
        return Err(CommandError::IsBlocked.into());
    }
    state.change_request(turn, id, |row| row.status = RequestStatus::Accepted);
    let offer = ask(state, turn, contact, None, Trust::Room)?;
    // It is the answer to what is shown already.
    state.change_request(turn, &offer, |row| row.in_room = Some(InRoom { invite: None, contact: None, device_of: None, room: None }));
    turn.notify(Event::Request(*id));
    Ok(())
}
