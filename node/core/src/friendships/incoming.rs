//! An Offer comes in.

use super::accept::{accept_unasked, readdress};
use super::places::{forget, has_place, make_room_of};
use super::status::set_status;
use crate::command::{Direction, RequestStatus, Trust};
use crate::invites;
use crate::limits::{OFFER_MAX, PENDING_STRANGERS_MAX, REQUEST_LIFETIME};
use crate::people::requests::outgoing;
use crate::people::{self, NewestOffer};
use crate::rooms;
use crate::rows::{FriendState, InRoom, Invite, Request};
use crate::seam::{Event, Warning};
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn};
use crate::wire::{First, OfferBody, Statement, is_leaf_of};
use crate::world::Member;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, PeerId, RequestId};
use symbolon_presence::identity::{Chain, Device};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::HASH_REQUEST;

/// What an incoming Offer proved.
pub(crate) struct IncomingOffer {
    pub first: First,
    pub device: Device,
    pub statement: Statement,
    /// The invite whose package it was sealed to.
    pub invite: Invite,
}

/// Takes an Offer in. Errors change nothing but the use of the invite.
pub(crate) fn receive_offer(state: &mut State, turn: &mut Turn<'_>, offer: IncomingOffer) -> Result<(), Rejected> {
    let IncomingOffer { first, device, statement, invite } = offer;
    let body = read(state, turn, &device, &statement)?;
    let id = local_id(&device.device, &body.request);
    // A blocked sender passes every check that others pass, in the same order, so that
    // nothing of the answer depends on the block.
    let blocked = people::is_blocked(state, &device.peer, &first.chain);
    let newest = if blocked { people::newest_offer(turn, &device.peer)? } else { None };
    let noted = newest.filter(|newest| newest.request == body.request).map(|newest| newest.revision);
    if state.requests.get(&id).map(|known| known.revision).max(noted).is_some_and(|known| body.revision <= known) {
        // Keys and content are immutable; a repeat changes nothing and tells nobody.
        return Err(DropReason::Repeated.into());
    }
    if !state.rates.offer_of(turn.now, device.peer) {
        return Err(DropReason::Full.into());
    }
    check_room(turn, &IncomingRoom { offer: &body, chain: &first.chain, initiator: &device.peer })?;
    if invite.only_for.is_some_and(|only| only != device.peer) {
        // Somebody else has got hold of what was made for one.
        return Err(DropReason::Forged.into());
    }
    let by_room = |row: &Request| row.in_room.as_ref().is_some_and(|asked| asked.invite == Some(invite.grant));
    let whose = outgoing(state, &device.peer).filter(|row| by_room(row)).find_map(|row| row.in_room.as_ref()?.device_of);
    if whose.is_some_and(|person| person != device.person) {
        return Err(DropReason::Forged.into());
    }
    let transcript = body.transcript(&device.peer, &state.own.peer);
    if let Some(known) = state.requests.get(&id).cloned() {
        return revise(state, turn, known, &body, &statement.body, transcript);
    }
    // One invite, one request. The link was handed on, or somebody probes whom we know.
    if !invite.last_resort && invite.used.is_some_and(|used| used != id) {
        state.rates.warn(turn, Warning::InviteReused);
        return Err(DropReason::Unexpected.into());
    }
    let would_wait = NewestOffer { created: body.created, request: body.request, revision: body.revision };
    if blocked && invite.used == Some(id) {
        people::note_offer(state, turn, &device.peer, would_wait);
        return Err(DropReason::Blocked.into());
    }
    let replaced = replaced_by(state, &device.peer, &body, newest)?;
    if blocked {
        people::note_offer(state, turn, &device.peer, would_wait);
        invites::used(state, turn, invite, id);
        return Err(DropReason::Blocked.into());
    }
    for older in replaced {
        forget(state, turn, &older)?;
    }
    make_room_of(state, turn, &device.peer)?;
    if state.requests.values().any(|row| row.wire == body.request && row.direction == Direction::In) {
        state.rates.warn(turn, Warning::KeysChanged);
    }
    let is_in_room = outgoing(state, &device.peer).any(by_room);
    let flagged = invite.last_resort && invite.used.is_some();
    let row = Request {
        wire: body.request,
        peer: device.peer,
        name: body.name.clone(),
        trust: trust_of(&invite, is_in_room),
        note: body.note.clone(),
        expires: body.expires,
        revision: body.revision,
        offer: statement.body.clone(),
        transcript,
        chain: Some(first.chain),
        flagged,
        in_room: is_in_room.then_some(InRoom { invite: None, contact: None, device_of: None, room: None }),
        ..Request::blank(turn, id, Direction::In)
    };
    state.save_request(turn, row);
    let auto_accept = invite.auto_accept;
    invites::used(state, turn, invite, id);
    turn.notify(Event::Request(id));
    decide(state, turn, &device.peer, &id, &body, auto_accept)
}

/// How far somebody is trusted who comes by this way in.
fn trust_of(invite: &Invite, is_in_room: bool) -> Trust {
    match (invite.last_resort, invite.only_for) {
        (true, _) => Trust::Unknown,
        (false, Some(_)) if is_in_room => Trust::Room,
        (false, Some(_)) => Trust::Introduced,
        (false, None) => Trust::Invited,
    }
}

/// Reads the body of an Offer: within bounds, of somebody else, and timely.
fn read(state: &State, turn: &Turn<'_>, device: &Device, statement: &Statement) -> Result<OfferBody, Rejected> {
    // Bounded before any key in it is touched.
    let body: OfferBody = codec::decode(&statement.body, OFFER_MAX).map_err(|_| DropReason::Malformed)?;
    if !body.is_bounded() || body.renews.is_some() {
        return Err(DropReason::Malformed.into());
    }
    if device.peer == state.own.peer {
        return Err(DropReason::Unexpected.into());
    }
    if body.expires.since(body.created) > REQUEST_LIFETIME {
        return Err(DropReason::Malformed.into());
    }
    if body.created.is_future_at(turn.now) || body.expires.is_expired_at(turn.now) {
        return Err(DropReason::Untimely.into());
    }
    Ok(body)
}

/// Requests of others that wait for our user's word. Those out of rooms have a bound of their own.
pub(super) fn strangers<'a>(state: &'a State, but: &'a PeerId) -> impl Iterator<Item = &'a Request> {
    let pending = |row: &&Request| row.direction == Direction::In && row.status == RequestStatus::Pending && row.in_room.is_none();
    state.requests.values().filter(pending).filter(move |row| row.peer != *but)
}

/// Which older requests of the same person one Offer takes the place of. Fails when it has none itself.
fn replaced_by(state: &State, peer: &PeerId, body: &OfferBody, newest: Option<NewestOffer>) -> Result<Vec<RequestId>, Rejected> {
    let strangers = strangers(state, peer).count();
    // One person, one question: a newer Offer takes the place of the older one. They may
    // overtake each other on the way.
    let waiting: Vec<&Request> = state.requests.values().filter(|row| waits(row, peer)).collect();
    // To somebody blocked it looks the same: what would have waited is noted.
    let known = waiting.iter().filter_map(|row| row.body()).map(|known| (known.created, known.request));
    let known = known.chain(newest.map(|newest| (newest.created, newest.request)));
    if known.max().is_some_and(|known| known > (body.created, body.request)) {
        return Err(DropReason::Repeated.into());
    }
    let replaced: Vec<RequestId> = waiting.iter().map(|row| row.id).collect();
    if strangers >= PENDING_STRANGERS_MAX || !has_place(state, replaced.len(), peer) {
        return Err(DropReason::Full.into());
    }
    Ok(replaced)
}

/// Whether a request of this person to us waits for an answer, or did so until it was too old.
fn waits(row: &Request, peer: &PeerId) -> bool {
    let is_open = matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Expired | RequestStatus::Blocked);
    row.peer == *peer && row.direction == Direction::In && row.accepted.is_none() && is_open
}

/// Accepts without asking where the user has consented already.
fn decide(
    state: &mut State,
    turn: &mut Turn<'_>,
    peer: &PeerId,
    id: &RequestId,
    body: &OfferBody,
    auto_accept: bool,
) -> Result<(), Rejected> {
    // Crossed: we asked them, too. The lower Peer ID's Offer proceeds; ours waits for their Accept.
    let asked = outgoing(state, peer).next().is_some();
    // A request in a room says yes to whatever they offer.
    let has_asked_in_room = outgoing(state, peer).any(|row| row.in_room.as_ref().is_some_and(|asked| asked.invite.is_some()));
    let friend = state.friends.get(peer).filter(|friend| friend.state == FriendState::Mutual);
    if friend.is_some_and(|friend| body.created <= friend.since && friend.since <= turn.stamp) {
        // Their Offer crossed ours and came late: our friendship has answered it. A date by a clock
        // that was ahead does not show that.
        return Ok(set_status(state, turn, id, RequestStatus::Confirmed)?);
    }
    // A friend who asks again has lost the friendship on that side; on ours it was never ended.
    // So many times a day automatically, then its user is asked.
    let renews = friend.is_some() && state.rates.renewal(turn.now, *peer);
    if (asked && *peer < state.own.peer) || has_asked_in_room || auto_accept || renews {
        return accept_unasked(state, turn, id);
    }
    Ok(())
}

/// An Offer for a row that is there: a repeat, or a newer revision.
pub(crate) fn revise(
    state: &mut State,
    turn: &mut Turn<'_>,
    known: Request,
    body: &OfferBody,
    bytes: &[u8],
    transcript: Digest,
) -> Result<(), Rejected> {
    let (status, id, room) = (known.status, known.id, known.room);
    let same_terms = transcript == known.transcript;
    let row = Request { revision: body.revision, offer: bytes.to_vec(), transcript, ..known };
    match status {
        RequestStatus::Pending | RequestStatus::Ignored => {
            state.save_request(turn, row);
            Ok(())
        }
        RequestStatus::Accepted if same_terms => {
            readdress(state, turn, &row)?;
            state.save_request(turn, row);
            Ok(())
        }
        RequestStatus::Accepted => {
            // Accepted already: join the newer room without asking again.
            if let Some(room) = room {
                rooms::forget(state, turn, room)?;
            }
            state.save_request(turn, Request { status: RequestStatus::Pending, room: None, accepted: None, ..row });
            accept_unasked(state, turn, &id)
        }
        RequestStatus::Unresolved
        | RequestStatus::Confirmed
        | RequestStatus::Blocked
        | RequestStatus::Expired
        | RequestStatus::Cancelled => Err(DropReason::Repeated.into()),
    }
}

/// The room of an Offer.
pub(crate) struct IncomingRoom<'a> {
    pub offer: &'a OfferBody,
    /// The certificate of the device that signed it.
    pub chain: &'a Chain,
    pub initiator: &'a PeerId,
}

/// Every leaf of the offered room must be a device of the initiator, and the Offer say of each whose it is.
pub(crate) fn check_room(turn: &Turn<'_>, room: &IncomingRoom<'_>) -> Result<(), Rejected> {
    let IncomingRoom { offer, chain, initiator } = *room;
    let view = rooms::view(turn, &offer.group_info)?;
    // A friend is known.
    let verify = |chain: &Chain| if offer.renews.is_some() { chain.verify_known(turn.sure) } else { chain.verify(turn.now) };
    let certified = |member: &Member| {
        let owner = offer.leaves.iter().find(|owner| *owner.leaf.as_bytes() == member.leaf.0)?;
        let device = verify(owner.chain.as_ref().unwrap_or(chain)).ok().filter(|device| device.peer == *initiator)?;
        is_leaf_of(&member.credential, &member.leaf.0, &owner.key, &device).then_some(())
    };
    let is_whole = !view.members.is_empty() && view.members.len() == offer.leaves.len();
    if !is_whole || !view.members.iter().all(|member| certified(member).is_some()) {
        return Err(DropReason::Forged.into());
    }
    Ok(())
}

/// The local name of an incoming request: nobody can make it collide with another's.
pub(crate) fn local_id(device: &DeviceId, wire: &RequestId) -> RequestId {
    let digest = hash(HASH_REQUEST, &[device.as_bytes(), wire.as_bytes()]);
    let (head, _) = digest.as_bytes().split_at(RequestId::LEN);
    RequestId::from_slice(head).unwrap_or(*wire)
}
