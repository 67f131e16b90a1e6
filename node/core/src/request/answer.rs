//! Accept and Confirm: B agrees, A completes.

use super::offer::{leaf_lifetime, reply_contact, seal_step};
use super::{renewal, set_status, settle};
use crate::command::{CommandError, Direction, RequestStatus};
use crate::conversation;
use crate::delivery::line;
use crate::delivery::outbox::{self, Via, What};
use crate::devices;
use crate::friend::{self, Entered, adopt_bundle, enter_room, own_bundle, verify_bundle};
use crate::grants;
use crate::people;
use crate::rows::{Friend, FriendState, Renewing, Request};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{
    AcceptBody, AcceptHead, ConfirmBody, First, LeafCredential, PAYLOAD_MAX, RoomPayload, Statement, Step, connection_psk, is_name,
};
use crate::world::{Committer, Opened, Staged};
use symbolon_presence::codec;
use symbolon_presence::id::{EpochId, GrantId, Nonce, RequestId, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::kdf::Secret;

/// Accepts a request: enters the offered room and answers every device of the initiator.
pub(crate) fn accept(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).cloned().ok_or(CommandError::NotFound)?;
    match (row.direction, row.status) {
        (Direction::In, RequestStatus::Pending | RequestStatus::Ignored) => {}
        // Accepting twice is accepting once.
        (Direction::In, RequestStatus::Accepted | RequestStatus::Confirmed) => return Ok(()),
        _ => return Err(CommandError::WrongStatus.into()),
    }
    if row.expires.is_expired_at(turn.now) {
        return Err(CommandError::WrongStatus.into());
    }
    let offer = row.body().ok_or(CommandError::WrongStatus)?;
    let chain = row.chain.clone().ok_or(CommandError::WrongStatus)?;
    if people::is_blocked(state, &row.peer, &chain) {
        return Err(CommandError::IsBlocked.into());
    }
    if !friend::has_room(state, &row.peer) {
        return Err(CommandError::Full.into());
    }
    let sender = chain.verify(turn.now).map_err(|_| CommandError::WrongStatus)?;
    if !devices::make_room(state, &sender.peer, &sender.device) {
        return Err(CommandError::Full.into());
    }
    let Ok(view) = turn.cipher.inspect(&offer.group_info) else { return Err(CommandError::WrongStatus.into()) };

    if !renewal::is_of_friend(state, &row) {
        // The friendship that it renews has ended meanwhile.
        return Err(CommandError::WrongStatus.into());
    }
    let before = state.friends.get(&row.peer).filter(|_| row.renews.is_some()).cloned();
    let found = match (&before, &row.renews) {
        (Some(before), Some(renews)) => Some(renewal::compare(turn, before, renews)?),
        (_, _) => None,
    };
    let mut row = row;
    if grants::is_erased(&row) {
        // Blocked for more than a day; nobody has ever held this grant.
        row = Request { reply_key: Secret::random(turn.rng), grant: GrantId::random(turn.rng), ..row };
    }
    let (reply, digest) = reply_contact(state, turn, &row);
    row.reply_package = digest;
    let head = AcceptHead {
        request: row.wire,
        nonce: Nonce::random(turn.rng),
        name: state.own.name.clone(),
        reply,
        epoch: view.epoch,
        leaves: state.friends.get(&row.peer).filter(|friend| friend.state != FriendState::Half).map(|friend| friend.room),
        lacks: found.as_ref().map(|(unknown, _)| *unknown),
    };
    let head = codec::encode(&head);
    let own = &state.own.identity;
    let (psk, secret) = connection_psk(&row.transcript, &head, &own.chain);
    turn.cipher.share_psk(&psk, secret.expose())?;
    let leaf = turn.cipher.fresh_leaf()?;
    let credential = LeafCredential::sign(&own.chain, &own.signing, &view.room, &leaf.0);
    let joined = turn.cipher.join_external(&offer.group_info, &psk, leaf, &credential, leaf_lifetime(turn.stamp))?;
    let bundle = RoomPayload::Bundle(own_bundle(state, turn, &row.peer, std::slice::from_ref(&sender)));
    let bundle = turn.cipher.seal(joined.room, &codec::encode(&bundle), &[])?;
    let body = codec::encode(&AcceptBody { head, commit: joined.commit, bundle: bundle.bytes });

    row.accepted = Some(AcceptBody::transcript(&row.transcript, &body, &state.own.identity.device));
    row.room = Some(joined.room);
    row.status = RequestStatus::Accepted;
    let mut half = enter_room(
        state,
        turn,
        row.peer,
        &row.name,
        row.trust,
        Entered { room: joined.room, step: FriendState::Half, renews: row.renews.is_some() },
    )?;
    half.devices = vec![sender.device];
    if let Some(before) = &before {
        half = renewal::entered(half, before, turn.now);
    }
    if let Some((_, missing)) = found {
        missing.resend(&mut half, turn.now);
    }
    let transcript = row.transcript;
    state.save_request(turn, row.clone());
    state.save_friend(turn, half);
    for reply in &offer.replies {
        let chain = reply.chain.as_ref().unwrap_or(&chain);
        let Ok(device) = chain.verify_known(turn.sure) else { continue };
        if device.peer != row.peer {
            continue;
        }
        outbox::register_device(state, &device, chain, reply.entry.clone());
        let Some(envelope) = seal_step(state, turn, Step::Accept, &device, reply, transcript, body.clone()) else { continue };
        outbox::supersede(state, turn, &device.device, &What::Accept(*id))?;
        outbox::enqueue(state, turn, &device.device, What::Accept(*id), Some(Via::contact(reply, None)), envelope);
    }
    line::enter(state, turn, &row.peer, None, joined.room, false);
    turn.notify(Event::Request(*id));
    turn.notify(Event::Friend(row.peer));
    Ok(())
}

/// Sends the Accept of a request, as it is, to where the newest Offer wants it.
pub(super) fn readdress(state: &mut State, turn: &mut Turn<'_>, row: &Request) -> Result<(), TurnFailed> {
    let (Some(offer), Some(chain)) = (row.body(), &row.chain) else { return Ok(()) };
    for reply in &offer.replies {
        let chain = reply.chain.as_ref().unwrap_or(chain);
        let Ok(device) = chain.verify_known(turn.sure) else { continue };
        if device.peer == row.peer {
            outbox::register_device(state, &device, chain, reply.entry.clone());
            outbox::readdress(state, turn, &device.device, &What::Accept(row.id), &Via::contact(reply, None))?;
        }
    }
    Ok(())
}

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
    // The one we asked, and nobody else; about the Offer that is in force.
    if row.direction != Direction::Out || device.peer != row.peer {
        return Err(DropReason::Forged.into());
    }
    if statement.transcript != row.transcript {
        // To the terms of an older revision: the newest Offer is its answer, so it is not refused.
        let is_overtaken = row.status == RequestStatus::Pending && row.revision > 0;
        return Err(if is_overtaken { DropReason::Repeated } else { DropReason::Unexpected }.into());
    }
    let body: AcceptBody = codec::decode(&statement.body, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    let head: AcceptHead = codec::decode(&body.head, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    if !is_name(&head.name) || !head.reply.is_bounded() || head.request != row.wire {
        return Err(DropReason::Malformed.into());
    }
    // Blocked since we asked: it looks to them as if we had not come back yet.
    if people::is_blocked(state, &device.peer, &first.chain) {
        return Err(DropReason::Blocked.into());
    }
    if !friend::has_room(state, &device.peer) || !devices::make_room(state, &device.peer, &device.device) {
        return Err(DropReason::Full.into());
    }
    let accepted = AcceptBody::transcript(&row.transcript, &statement.body, &device.device);
    match row.status {
        RequestStatus::Pending => {}
        // Settled here by a request that crossed it, without an Accept; but from the room of
        // that one they have gone on into the room of this one.
        RequestStatus::Confirmed if row.accepted.is_none() => {
            let shared = state.friends.get(&row.peer).filter(|friend| friend.state == FriendState::Mutual).map(|friend| friend.room);
            if head.leaves.is_none() || head.leaves != shared {
                // Made before the room that both are in, and overtaken by it.
                return Err(DropReason::Repeated.into());
            }
        }
        RequestStatus::Accepted | RequestStatus::Confirmed if row.accepted == Some(accepted) => return Err(DropReason::Repeated.into()),
        // Another device of the same person was first; this one is told that it is settled.
        RequestStatus::Accepted | RequestStatus::Confirmed => return tell_settled(state, turn, &row, &first, &device, &head, accepted),
        RequestStatus::Unresolved | RequestStatus::Ignored | RequestStatus::Blocked | RequestStatus::Expired | RequestStatus::Cancelled => {
            return Err(DropReason::Unexpected.into());
        }
    }
    // Both have accepted the other's Offer: the room of the lower Peer ID's counts, unless
    // what we accepted has ended since.
    let is_half = |friend: &&Friend| friend.state == FriendState::Half || friend.renewing == Some(Renewing::Entered);
    let half = state.friends.get(&row.peer).filter(is_half).map(|friend| friend.room);
    let accepted_theirs = state.requests.values().find(|other| {
        other.peer == row.peer
            && other.direction == Direction::In
            && other.status == RequestStatus::Accepted
            && half.is_some()
            && other.room == half
    });
    let crossed = accepted_theirs.map(|other| other.id);
    if crossed.is_some() && row.peer < state.own.peer {
        return Err(DropReason::Repeated.into());
    }
    let room = row.room.ok_or(DropReason::Unexpected)?;
    let (psk, secret) = connection_psk(&row.transcript, &body.head, &first.chain);
    turn.cipher.share_psk(&psk, secret.expose())?;
    let opened = turn.cipher.open(room, &body.commit);
    // Used up by the commit, or of no use.
    turn.cipher.unshare_psk(&psk)?;
    let Opened::Commit(staged) = opened? else { return Err(DropReason::Malformed.into()) };
    if !is_join_of(turn, &staged, &room, &head.epoch, &device) {
        turn.cipher.reject(room)?;
        return Err(DropReason::Forged.into());
    }
    turn.cipher.adopt(room, staged.epoch)?;
    let verified = match open_bundle(turn, &room, &body.bundle, &device) {
        Ok(verified) => verified,
        Err(rejected) => {
            // The commit alone is worth nothing: back to the frozen offer.
            turn.cipher.rewind(room, staged.parent)?;
            return Err(rejected);
        }
    };
    turn.cipher.settle(room)?;

    // Answered: copies of the Offer that lie at relays need not be renewed.
    for contact in people::devices_of(state, &row.peer) {
        outbox::supersede(state, turn, &contact, &What::Offer(request))?;
    }
    if let Some(theirs) = crossed {
        set_status(state, turn, &theirs, RequestStatus::Confirmed)?;
    }
    outbox::register_device(state, &device, &first.chain, head.reply.entry.clone());
    // Who made the offer is behind: what was left behind in the old room is said again.
    let mut friend = enter_room(state, turn, row.peer, &head.name, row.trust, Entered { room, step: FriendState::Mutual, renews: false })?;
    adopt_bundle(state, turn, &mut friend, verified);
    if row.renews.is_some() {
        friend.unknown = Some(friend.unknown.unwrap_or_default().saturating_add(head.lacks.unwrap_or_default()));
    }
    state.save_friend(turn, friend);
    line::enter(state, turn, &row.peer, None, room, false);
    let name = if row.name.is_empty() { head.name.clone() } else { row.name.clone() };
    let confirm_to = Some(head.reply);
    let row = Request { status: RequestStatus::Accepted, accepted: Some(accepted), name, confirm_to, ..row };
    state.save_request(turn, row.clone());
    turn.notify(Event::Request(request));
    confirm(state, turn, &row, &device)?;
    settle(state, turn, &row.peer)?;
    conversation::release_held(state, turn, &row.peer)?;
    Ok(())
}

/// Says to the device whose Accept came first that it has: in the room of both, with what friends get.
pub(super) fn confirm(state: &mut State, turn: &mut Turn<'_>, row: &Request, device: &Device) -> Result<(), Rejected> {
    let (Some(room), Some(accepted), Some(reply)) = (row.room, row.accepted, &row.confirm_to) else { return Ok(()) };
    let bundle = RoomPayload::Bundle(own_bundle(state, turn, &row.peer, std::slice::from_ref(device)));
    let bundle = turn.cipher.seal(room, &codec::encode(&bundle), &[])?;
    let body = codec::encode(&ConfirmBody { request: row.wire, bundle: Some(bundle.bytes) });
    if let Some(envelope) = seal_step(state, turn, Step::Confirm, device, reply, accepted, body) {
        state.confirming.insert(row.peer);
        outbox::supersede(state, turn, &device.device, &What::Confirm(row.id))?;
        outbox::enqueue(state, turn, &device.device, What::Confirm(row.id), Some(Via::contact(reply, None)), envelope);
    }
    Ok(())
}

/// Whether a staged commit does nothing but let this device in, from the offered epoch.
fn is_join_of(turn: &Turn<'_>, staged: &Staged, room: &RoomId, from: &EpochId, device: &Device) -> bool {
    let [member] = staged.added.as_slice() else { return false };
    let joiner = LeafCredential::verify_known(&member.credential, room, &member.leaf.0, turn.sure);
    staged.committer == Committer::External
        && staged.parent == *from
        && staged.removed.is_empty()
        && joiner.is_some_and(|joiner| joiner == *device)
}

/// Opens the bundle that a device sealed as a room message, and checks that it speaks for itself.
fn open_bundle(turn: &mut Turn<'_>, room: &RoomId, sealed: &[u8], device: &Device) -> Result<friend::VerifiedBundle, Rejected> {
    let Opened::Text { sender, plaintext, .. } = turn.cipher.open(*room, sealed)? else { return Err(DropReason::Malformed.into()) };
    let speaker = LeafCredential::verify_known(&sender.credential, room, &sender.leaf.0, turn.sure).ok_or(DropReason::Forged)?;
    if speaker != *device {
        return Err(DropReason::Forged.into());
    }
    let Some(RoomPayload::Bundle(bundle)) = RoomPayload::decode(&plaintext) else { return Err(DropReason::Malformed.into()) };
    Ok(verify_bundle(bundle, &device.peer, &device.device, turn.sure).ok_or(DropReason::Forged)?)
}

fn tell_settled(
    state: &mut State,
    turn: &mut Turn<'_>,
    row: &Request,
    first: &First,
    device: &Device,
    head: &AcceptHead,
    accepted: symbolon_presence::id::Digest,
) -> Result<(), Rejected> {
    outbox::register_device(state, device, &first.chain, head.reply.entry.clone());
    let body = codec::encode(&ConfirmBody { request: row.wire, bundle: None });
    if let Some(envelope) = seal_step(state, turn, Step::Confirm, device, &head.reply, accepted, body) {
        outbox::supersede(state, turn, &device.device, &What::Confirm(row.id))?;
        state.confirming.insert(row.peer);
        outbox::enqueue(state, turn, &device.device, What::Confirm(row.id), Some(Via::contact(&head.reply, None)), envelope);
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
    let verified = open_bundle(turn, &room, &bundle, &device)?;
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
    settle(state, turn, &row.peer)?;
    // Blocked for a while since we accepted: the bundle in our Accept is worth nothing.
    friend::give_again(state, turn, &row.peer)?;
    conversation::release_held(state, turn, &row.peer)?;
    Ok(())
}

/// A sibling device accepted first: this branch ends, the friendship is the sibling's.
fn drop_branch(state: &mut State, turn: &mut Turn<'_>, row: &Request) -> Result<(), Rejected> {
    super::end_half(state, turn, row)?;
    set_status(state, turn, &row.id, RequestStatus::Cancelled)?;
    Ok(())
}
