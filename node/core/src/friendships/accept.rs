//! The Accept: B agrees, enters the offered room and answers.

use super::bundle::own_bundle;
use super::room::{Entered, enter_room, has_place_for};
use super::step::{reply_contact, seal_step};
use crate::command::{CommandError, Direction, RequestStatus};
use crate::conversations::compare;
use crate::delivery::line;
use crate::delivery::outbox::{self, Via};
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::ways;
use crate::invites::{grants, lifelines};
use crate::limits::REENTRIES_PER_DAY;
use crate::people::{self, devices};
use crate::rooms::{self, OwnLeaf};
use crate::rows::{Friend, FriendState, Renewing, Request};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Failed, Rejected, Turn, TurnFailed};
use crate::wire::{AcceptBody, AcceptHead, OfferBody, RoomPayload, Step, connection_psk};
use symbolon_presence::codec;
use symbolon_presence::id::{GrantId, Nonce, RequestId, RoomId};
use symbolon_presence::identity::{Chain, Device};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

/// Accepts a request: enters the offered room and answers every device of the initiator.
pub(crate) fn accept(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let Some(row) = acceptable(state, turn, id)? else { return Ok(()) };
    let offer = row.body().ok_or(CommandError::WrongStatus)?;
    let chain = row.chain.clone().ok_or(CommandError::WrongStatus)?;
    if people::is_blocked(state, &row.peer, &chain) {
        return Err(CommandError::IsBlocked.into());
    }
    if !has_place_for(state, &row.peer) {
        return Err(CommandError::Full.into());
    }
    let sender = if row.renews.is_some() { chain.verify_known(turn.sure) } else { chain.verify(turn.now) };
    let sender = sender.map_err(|_| CommandError::WrongStatus)?;
    if !devices::make_room(state, turn, &sender.peer, &sender.device) {
        return Err(CommandError::Full.into());
    }
    let Ok(view) = rooms::view(turn, &offer.group_info) else { return Err(CommandError::WrongStatus.into()) };

    if !is_of_friend(state, &row) {
        // The friendship that it renews has ended meanwhile.
        return Err(CommandError::WrongStatus.into());
    }
    let before = state.friends.get(&row.peer).filter(|_| row.renews.is_some()).cloned();
    let found = match (&before, &row.renews) {
        (Some(before), Some(renews)) => Some(compare(turn, before, renews)?),
        (_, _) => None,
    };
    let mut row = row;
    if grants::is_erased(&row) {
        // Blocked for more than a day; nobody has ever held this grant.
        row = Request { reply_key: Secret::random(turn.rng), grant: GrantId::random(turn.rng), ..row };
    }
    let (reply, digest) = reply_contact(state, turn, &row);
    row.reply_package = digest;
    let leaf = OwnLeaf::fresh(turn)?;
    let head = AcceptHead {
        request: row.wire,
        nonce: Nonce::random(turn.rng),
        name: state.own.name.clone(),
        reply,
        epoch: view.epoch,
        leaves: state.friends.get(&row.peer).filter(|friend| friend.state != FriendState::Half).map(|friend| friend.room),
        lacks: found.as_ref().map(|(unknown, _)| *unknown),
        leaf_key: leaf.key.clone(),
    };
    let (room, body) = join(state, turn, &row, &offer, (&leaf, codec::encode(&head)), &sender)?;
    for owner in &offer.leaves {
        rooms::keep_leaf(state, turn, room, owner, &chain);
    }
    rooms::keep_own_leaf(state, turn, room, &leaf);

    row.accepted = Some(AcceptBody::transcript(&row.transcript, &body, &state.own.identity.device));
    row.room = Some(room);
    row.status = RequestStatus::Accepted;
    let mut half = enter_room(
        state,
        turn,
        row.peer,
        &row.name,
        row.trust,
        Entered { room, step: FriendState::Half, renews: row.renews.is_some(), person: sender.person },
    )?;
    half.devices = vec![sender.device];
    if let Some(before) = &before {
        let is_copy = before.renewing != Some(Renewing::Outgrown) && !lifelines::is_apart(turn, &sender.device)?;
        half = entered(half, before, is_copy.then_some(turn.now));
    }
    if let Some((_, missing)) = found {
        missing.resend(&mut half, turn.now);
    }
    state.save_request(turn, row.clone());
    state.save_friend(turn, half);
    send(state, turn, &row, &offer, &chain, &body)?;
    line::enter(state, turn, &row.peer, None, room, false);
    turn.notify(Event::Request(*id));
    turn.notify(Event::Friend(row.peer));
    Ok(())
}

/// A request that can be accepted; nothing if it was already: accepting twice is accepting once.
fn acceptable(state: &State, turn: &Turn<'_>, id: &RequestId) -> Result<Option<Request>, CommandError> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    match (row.direction, row.status) {
        (Direction::In, RequestStatus::Pending | RequestStatus::Ignored) => {}
        (Direction::In, RequestStatus::Accepted | RequestStatus::Confirmed) => return Ok(None),
        _ => return Err(CommandError::WrongStatus),
    }
    if row.expires.is_expired_at(turn.now) {
        return Err(CommandError::WrongStatus);
    }
    if row.renews.is_none() && state.own.is_expired(turn.stamp) {
        // Nobody new would believe it.
        return Err(CommandError::DeviceExpired);
    }
    Ok(Some(row.clone()))
}

/// Joins the offered room with the connection's key and makes the Accept: the commit, and what friends get.
fn join(
    state: &mut State,
    turn: &mut Turn<'_>,
    row: &Request,
    offer: &OfferBody,
    (leaf, head): (&OwnLeaf, Vec<u8>),
    sender: &Device,
) -> Result<(RoomId, Vec<u8>), Failed> {
    let own = &state.own.identity;
    let key = connection_psk(&row.transcript, &head, &own.chain);
    let joined = rooms::enter(turn, own, &offer.group_info, leaf, &key)?;
    let bundle = RoomPayload::Bundle(own_bundle(state, turn, &joined.room, &row.peer, std::slice::from_ref(sender)));
    let bundle = rooms::seal(turn, joined.room, &bundle)?;
    Ok((joined.room, codec::encode(&AcceptBody { head, commit: joined.commit, bundle: bundle.bytes })))
}

/// Puts the Accept into the outboxes of the devices that the Offer names.
fn send(state: &mut State, turn: &mut Turn<'_>, row: &Request, offer: &OfferBody, chain: &Chain, body: &[u8]) -> Result<(), TurnFailed> {
    for reply in &offer.replies {
        let chain = reply.chain.as_ref().unwrap_or(chain);
        let Ok(device) = chain.verify_known(turn.sure) else { continue };
        if device.peer != row.peer {
            continue;
        }
        ways::register_device(state, turn, &device, chain, reply.entry.clone());
        let Some(envelope) = seal_step(state, turn, Step::Accept, &device, reply, None, (row.transcript, body.to_vec())) else { continue };
        outbox::supersede(state, turn, &device.device, &EnvelopeOwner::Accept(row.id))?;
        outbox::enqueue(state, turn, &device.device, EnvelopeOwner::Accept(row.id), Some(Via::contact(reply, None)), envelope);
    }
    Ok(())
}

/// Accepts a request without asking the user, once our certificate is good. One that cannot be accepted so stays for them.
pub(crate) fn accept_unasked(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Rejected> {
    match accept(state, turn, id) {
        Err(Failed::Command(CommandError::DeviceExpired)) => {
            state.change_request(turn, id, |row| row.agreed = Some(true));
            Ok(())
        }
        Ok(()) | Err(Failed::Command(_)) => Ok(()),
        Err(Failed::Turn(failed)) => Err(failed.into()),
    }
}

/// Sends the Accept of a request, as it is, to where the newest Offer wants it.
pub(super) fn readdress(state: &mut State, turn: &mut Turn<'_>, row: &Request) -> Result<(), TurnFailed> {
    let (Some(offer), Some(chain)) = (row.body(), &row.chain) else { return Ok(()) };
    for reply in &offer.replies {
        let chain = reply.chain.as_ref().unwrap_or(chain);
        let Ok(device) = chain.verify_known(turn.sure) else { continue };
        if device.peer == row.peer {
            ways::register_device(state, turn, &device, chain, reply.entry.clone());
            outbox::readdress(turn, &device.device, &EnvelopeOwner::Accept(row.id), &Via::contact(reply, None))?;
        }
    }
    Ok(())
}

/// The devices that a row of a renewal concerns are those of a friend.
fn is_of_friend(state: &State, row: &Request) -> bool {
    row.renews.is_none() || state.friends.get(&row.peer).is_some_and(Friend::stands) && !people::devices_of(state, &row.peer).is_empty()
}

/// A friend who entered the room of a renewal stays what they were; nothing is sealed before their Confirm.
/// `returned` is when a copy of the friend's folder was put back, if that is why.
fn entered(half: Friend, before: &Friend, returned: Option<Timestamp>) -> Friend {
    let mut reentries = before.reentries.clone().unwrap_or_default();
    let excess = reentries.len().saturating_sub(REENTRIES_PER_DAY - 1);
    reentries.drain(..excess);
    reentries.extend(returned);
    Friend {
        state: before.state,
        devices: before.devices.clone(),
        friendship: before.friendship.clone(),
        presence: before.presence.clone(),
        renewing: Some(Renewing::Entered),
        reentries: Some(reentries),
        ..half
    }
}
