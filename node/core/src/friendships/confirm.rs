//! The Confirm: A completes what B has accepted, and B hears of it.

use super::bundle::{VerifiedBundle, adopt_bundle, own_bundle, send_bundle, verify_bundle};
use super::end::end_half;
use super::room::{Entered, enter_room, has_place_for};
use super::status::{complete, set_status};
use super::step::seal_step;
use crate::command::{Direction, RequestStatus};
use crate::conversations;
use crate::delivery::line;
use crate::delivery::outbox::{self, Via};
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::ways;
use crate::notice::FriendshipsNotice;
use crate::people::{self, devices};
use crate::rooms;
use crate::rows::{Friend, FriendState, Renewing, Request};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn};
use crate::wire::{
    AcceptBody, AcceptHead, ConfirmBody, First, LeafOwner, PAYLOAD_MAX, RoomPayload, Statement, Step, connection_psk, is_name,
};
use crate::world::Member;
use symbolon_presence::codec;
use symbolon_presence::id::{RequestId, RoomId};
use symbolon_presence::identity::Device;

/// An Accept or Confirm that was opened with the reply key of a request.
pub(crate) struct Answer {
    pub first: First,
    pub device: Device,
    pub statement: Statement,
    pub request: RequestId,
}

/// Takes an Accept in. Errors change nothing.
pub(crate) fn receive_accept(state: &mut State, turn: &mut Turn<'_>, answer: Answer) -> Result<(), Rejected> {
    let Answer { first, device, statement, request } = answer;
    let row = state.requests.get(&request).cloned().ok_or(DropReason::Unexpected)?;
    let (body, head) = read(&row, &device, &statement)?;
    // Blocked since we asked: it looks to them as if we had not come back yet.
    if people::is_blocked(state, &device.peer, &first.chain) {
        return Err(DropReason::Blocked.into());
    }
    if !has_place_for(state, &device.peer) || !devices::make_room(state, turn, &device.peer, &device.device) {
        return Err(DropReason::Full.into());
    }
    let accepted = AcceptBody::transcript(&row.transcript, &statement.body, &device.device);
    match row.status {
        RequestStatus::Pending => {}
        // Settled here by a request that crossed it, without an Accept; but from the room of
        // that one they have moved on into the room of this one.
        RequestStatus::Confirmed if row.accepted.is_none() => {
            let shared = state.friends.get(&row.peer).filter(|friend| friend.state == FriendState::Mutual).map(|friend| friend.room);
            if head.leaves.is_none() || head.leaves != shared {
                // Made before the room that both are in, and overtaken by it.
                return Err(DropReason::Repeated.into());
            }
        }
        RequestStatus::Accepted | RequestStatus::Confirmed if row.accepted == Some(accepted) => return Err(DropReason::Repeated.into()),
        // Another device of the same person was first; this one hears that it is settled.
        RequestStatus::Accepted | RequestStatus::Confirmed => return tell_settled(state, turn, &row, &first, &device, &head, accepted),
        RequestStatus::Unresolved | RequestStatus::Ignored | RequestStatus::Blocked | RequestStatus::Expired | RequestStatus::Cancelled => {
            return Err(DropReason::Unexpected.into());
        }
    }
    let crossed = crossed(state, &row);
    if crossed.is_some() && row.peer < state.own.peer {
        return Err(DropReason::Repeated.into());
    }
    let room = row.room.ok_or(DropReason::Unexpected)?;
    let (leaf, verified) = complete_room(turn, room, &row, &body, &head, &first, &device)?;
    rooms::keep_leaf(state, turn, room, &leaf, &first.chain);

    // Answered: copies of the Offer that lie at relays need not be renewed.
    for contact in people::devices_of(state, &row.peer) {
        outbox::supersede(state, turn, &contact, &EnvelopeOwner::Offer(request))?;
    }
    if let Some(theirs) = crossed {
        set_status(state, turn, &theirs, RequestStatus::Confirmed)?;
    }
    ways::register_device(state, turn, &device, &first.chain, head.reply.entry.clone());
    let is_no_copy = |friend: &Friend| matches!(friend.renewing, Some(Renewing::Outgrown | Renewing::Apart));
    let is_no_copy = state.friends.get(&row.peer).is_some_and(is_no_copy);
    // Who made the offer is behind: what was left behind in the old room is said again.
    let mut friend = enter_room(
        state,
        turn,
        row.peer,
        &head.name,
        row.trust,
        Entered { room, step: FriendState::Mutual, renews: false, person: device.person },
    )?;
    adopt_bundle(state, turn, &mut friend, verified);
    if let Some(lacks) = head.lacks.filter(|lacks| row.renews.is_some() && (*lacks > 0 || !is_no_copy)) {
        friend.unknown = Some(friend.unknown.unwrap_or_default().saturating_add(lacks));
    }
    state.save_friend(turn, friend);
    line::enter(state, turn, &row.peer, None, room, false);
    let name = if row.name.is_empty() { head.name.clone() } else { row.name.clone() };
    let confirm_to = Some(head.reply);
    let row = Request { status: RequestStatus::Accepted, accepted: Some(accepted), name, confirm_to, ..row };
    state.save_request(turn, row.clone());
    turn.notify(Event::Request(request));
    confirm(state, turn, &row, &device)?;
    complete(state, turn, &row.peer)?;
    conversations::release_held(state, turn, &row.peer)?;
    Ok(())
}

/// Reads an Accept: of the one we asked, and nobody else; about the Offer that is in force; and within bounds.
fn read(row: &Request, device: &Device, statement: &Statement) -> Result<(AcceptBody, AcceptHead), DropReason> {
    if row.direction != Direction::Out || device.peer != row.peer {
        return Err(DropReason::Forged);
    }
    if statement.transcript != row.transcript {
        // To the terms of an older revision: the newest Offer is its answer, so it is not refused.
        let is_overtaken = row.status == RequestStatus::Pending && row.revision > 0;
        return Err(if is_overtaken { DropReason::Repeated } else { DropReason::Unexpected });
    }
    let body: AcceptBody = codec::decode(&statement.body, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    let head: AcceptHead = codec::decode(&body.head, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    let is_good = is_name(&head.name) && head.reply.is_bounded() && head.request == row.wire;
    if is_good { Ok((body, head)) } else { Err(DropReason::Malformed) }
}

/// Lets the joiner into the offered room and opens their bundle. Errors leave the room as it was offered.
fn complete_room(
    turn: &mut Turn<'_>,
    room: RoomId,
    row: &Request,
    body: &AcceptBody,
    head: &AcceptHead,
    first: &First,
    device: &Device,
) -> Result<(LeafOwner, VerifiedBundle), Rejected> {
    let key = connection_psk(&row.transcript, &body.head, &first.chain);
    let guest = rooms::Guest { device, from: head.epoch, key, leaf_key: &head.leaf_key, commit: &body.commit };
    rooms::let_in(turn, room, &guest, |turn, leaf| open_bundle(turn, &room, &body.bundle, device, |_, member| member.leaf == leaf))
}

/// Their request that we have accepted while they accepted ours: the room of the lower Peer ID's Offer
/// counts, unless what we accepted has ended since.
fn crossed(state: &State, row: &Request) -> Option<RequestId> {
    let is_half = |friend: &&Friend| friend.state == FriendState::Half || friend.renewing == Some(Renewing::Entered);
    let half = state.friends.get(&row.peer).filter(is_half).map(|friend| friend.room);
    let accepted_theirs = state.requests.values().find(|other| {
        other.peer == row.peer
            && other.direction == Direction::In
            && other.status == RequestStatus::Accepted
            && half.is_some()
            && other.room == half
    });
    accepted_theirs.map(|other| other.id)
}

/// Says to the device whose Accept came first that it has: in the room of both, with what friends get.
pub(crate) fn confirm(state: &mut State, turn: &mut Turn<'_>, row: &Request, device: &Device) -> Result<(), Rejected> {
    let (Some(room), Some(accepted), Some(reply)) = (row.room, row.accepted, &row.confirm_to) else { return Ok(()) };
    let bundle = RoomPayload::Bundle(own_bundle(state, turn, &room, &row.peer, std::slice::from_ref(device)));
    let bundle = rooms::seal(turn, room, &bundle)?;
    let body = codec::encode(&ConfirmBody { request: row.wire, bundle: Some(bundle.bytes) });
    if let Some(envelope) = seal_step(state, turn, Step::Confirm, device, reply, None, (accepted, body)) {
        turn.tell(FriendshipsNotice::Confirmed(row.peer));
        outbox::supersede(state, turn, &device.device, &EnvelopeOwner::Confirm(row.id))?;
        outbox::enqueue(state, turn, &device.device, EnvelopeOwner::Confirm(row.id), Some(Via::contact(reply, None)), envelope);
    }
    Ok(())
}

/// Opens the bundle that a device sealed as a room message. `is_theirs` says whether a leaf is the device's.
fn open_bundle(
    turn: &mut Turn<'_>,
    room: &RoomId,
    sealed: &[u8],
    device: &Device,
    is_theirs: impl FnOnce(&Turn<'_>, &Member) -> bool,
) -> Result<VerifiedBundle, Rejected> {
    let (sender, plaintext) = rooms::open(turn, *room, sealed)?;
    if !is_theirs(turn, &sender) {
        return Err(DropReason::Forged.into());
    }
    let Some(RoomPayload::Bundle(bundle)) = RoomPayload::decode(&plaintext) else { return Err(DropReason::Malformed.into()) };
    Ok(verify_bundle(bundle, &device.peer, &device.device, turn.sure).ok_or(DropReason::Forged)?)
}

pub(crate) fn tell_settled(
    state: &mut State,
    turn: &mut Turn<'_>,
    row: &Request,
    first: &First,
    device: &Device,
    head: &AcceptHead,
    accepted: symbolon_presence::id::Digest,
) -> Result<(), Rejected> {
    ways::register_device(state, turn, device, &first.chain, head.reply.entry.clone());
    let body = codec::encode(&ConfirmBody { request: row.wire, bundle: None });
    if let Some(envelope) = seal_step(state, turn, Step::Confirm, device, &head.reply, None, (accepted, body)) {
        outbox::supersede(state, turn, &device.device, &EnvelopeOwner::Confirm(row.id))?;
        turn.tell(FriendshipsNotice::Confirmed(row.peer));
        outbox::enqueue(state, turn, &device.device, EnvelopeOwner::Confirm(row.id), Some(Via::contact(&head.reply, None)), envelope);
    }
    Ok(())
}

/// Takes a Confirm in. Errors change nothing.
pub(crate) fn receive_confirm(state: &mut State, turn: &mut Turn<'_>, answer: Answer) -> Result<(), Rejected> {
    let Answer { device, statement, request, .. } = answer;
    let row = state.requests.get(&request).cloned().ok_or(DropReason::Unexpected)?;
    if row.direction != Direction::In || device.peer != row.peer {
        return Err(DropReason::Forged.into());
    }
    let is_repeat = row.status == RequestStatus::Confirmed;
    if !(is_repeat || row.status == RequestStatus::Accepted) || row.accepted != Some(statement.transcript) {
        return Err(DropReason::Unexpected.into());
    }
    let body: ConfirmBody = codec::decode(&statement.body, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    if body.request != row.wire {
        return Err(DropReason::Malformed.into());
    }
    let bundle = match body.bundle {
        Some(bundle) => bundle,
        None if is_repeat => return Err(DropReason::Repeated.into()),
        None => return drop_branch(state, turn, &row),
    };
    let room = row.room.ok_or(DropReason::Unexpected)?;
    let mut friend = state.friends.get(&row.peer).cloned().ok_or(DropReason::Unexpected)?;
    if is_repeat && (friend.room != room || friend.state != FriendState::Mutual) {
        return Err(DropReason::Repeated.into());
    }
    let verified = open_bundle(turn, &room, &bundle, &device, |turn, member| {
        state.speaker(&room, member, turn.sure).is_some_and(|speaker| (speaker.peer, speaker.device) == (device.peer, device.device))
    })?;
    if is_repeat {
        // It was said once more, and took the place of what the first one brought.
        adopt_bundle(state, turn, &mut friend, verified);
        state.save_friend(turn, friend);
        return Ok(());
    }
    friend.state = FriendState::Mutual;
    friend.renewing = None;
    adopt_bundle(state, turn, &mut friend, verified);
    state.save_friend(turn, friend);
    line::enter(state, turn, &row.peer, None, room, false);
    set_status(state, turn, &request, RequestStatus::Confirmed)?;
    complete(state, turn, &row.peer)?;
    // Blocked for a while since we accepted: the bundle in our Accept is worth nothing.
    send_bundle(state, turn, &row.peer)?;
    conversations::release_held(state, turn, &row.peer)?;
    Ok(())
}

/// A sibling device accepted first: this branch ends, the friendship is the sibling's.
pub(crate) fn drop_branch(state: &mut State, turn: &mut Turn<'_>, row: &Request) -> Result<(), Rejected> {
    end_half(state, turn, &row.id)?;
    set_status(state, turn, &row.id, RequestStatus::Cancelled)?;
    Ok(())
}
