//! A new device's friendships with the devices of friends.
//!
//! Each of them is asked once, by a way in that is for it alone. An older device of ours, which is a friend already, hands it
//! on: so nobody is asked who is not a friend, and a friend's device says yes without its user.

use crate::command::{RequestStatus, Trust};
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::friendships::{self, Asking};
use crate::invites;
use crate::limits::{DEVICE_ASK_PAUSE, DEVICE_ASKS_MAX, DEVICE_ASKS_SPAN, DEVICES_MAX};
use crate::people::{self, persons, requests};
use crate::rows::{Friend, FriendState, InRoom};
use crate::seam::Warning;
use crate::state::State;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{Befriend, PAYLOAD_MAX, PersonStanding, Statement, Step};
use std::collections::BTreeMap;
use symbolon_presence::codec;
use symbolon_presence::id::PeerId;
use symbolon_presence::identity::Device;
use symbolon_presence::time::Timestamp;

/// The devices of friends, and those of our own person, that this one is no friend of.
fn missing(state: &State) -> Vec<PeerId> {
    let mut missing = Vec::new();
    for row in state.persons.values() {
        let said = &row.said;
        if said.standing != PersonStanding::Friend {
            continue;
        }
        let is_tied = |peer: &PeerId| state.friends.get(peer).is_some_and(|friend| friend.state == FriendState::Mutual);
        let is_gone = |peer: &PeerId| state.siblings.get(peer).is_some_and(|row| row.gone.is_some());
        let is_barred = |peer: &PeerId| state.blocked.contains(peer.as_bytes().as_slice()) || is_gone(peer);
        let is_wanted = |peer: &PeerId| *peer != state.own.peer && !is_tied(peer) && !is_barred(peer);
        missing.extend(said.peers.iter().filter(|peer| is_wanted(peer)).copied());
    }
    // A device of ours that a backup knows of.
    let is_waiting = |peer: &&PeerId| state.friends.get(*peer).is_some_and(|friend| friend.state == FriendState::Half);
    let waiting = state.siblings.values().filter(|row| row.gone.is_none()).map(|row| &row.peer).filter(is_waiting);
    missing.extend(waiting.copied());
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Questions that are to be handed on now. `asked` says when each was put last.
pub(super) fn due(
    state: &mut State,
    turn: &mut Turn<'_>,
    asked: &mut BTreeMap<PeerId, Timestamp>,
) -> Result<Vec<(PeerId, Befriend)>, TurnFailed> {
    let missing = missing(state);
    asked.retain(|peer, _| missing.contains(peer));
    let mut due = Vec::new();
    let mut started = asked.values().filter(|at| turn.now.since(**at) < DEVICE_ASKS_SPAN).count();
    for peer in missing {
        let is_recent = asked.get(&peer).is_some_and(|at| turn.now.since(*at) < DEVICE_ASK_PAUSE && *at <= turn.now);
        if is_recent || started >= DEVICE_ASKS_MAX {
            continue;
        }
        // Also where nothing is to be said of it now: it is looked at again after the pause, not before.
        asked.insert(peer, turn.now);
        started += 1;
        if let Some(befriend) = question(state, turn, peer)? {
            due.push((peer, befriend));
        }
    }
    Ok(due)
}

/// The question for a friend's device. None when they are on their way to each other already.
fn question(state: &mut State, turn: &mut Turn<'_>, peer: PeerId) -> Result<Option<Befriend>, TurnFailed> {
    let is_accepted = |status| matches!(status, RequestStatus::Accepted);
    if state.requests.values().any(|row| row.peer == peer && is_accepted(row.status)) {
        return Ok(None);
    }
    let open = requests::outgoing(state, &peer).find_map(|row| row.in_room.as_ref()?.invite);
    if let Some(grant) = open {
        let contact = invites::minted(state, turn, &grant, peer);
        return Ok(contact.map(|contact| Befriend { contact: codec::encode(&contact), note: None }));
    }
    let name = state.friends.get(&persons::head(state, &peer)).map(|friend| friend.petname.clone()).unwrap_or_default();
    let of = whose(state, &peer);
    match friendships::befriend(state, turn, peer, name, None) {
        Ok(Asking::Known(_)) | Err(Failed::Command(_)) => Ok(None),
        Ok(Asking::Say(id, befriend)) => {
            state.change_request(turn, &id, |row| {
                row.trust = Trust::Verified;
                if let Some(asked) = &mut row.in_room {
                    asked.is_of_device = Some(true);
                    asked.person = of;
                }
            });
            Ok(Some(*befriend))
        }
        Err(Failed::Turn(failed)) => Err(failed),
    }
}

/// Whose device it is, as our devices have said.
fn whose(state: &State, peer: &PeerId) -> Option<PeerId> {
    if state.siblings.contains_key(peer) {
        return Some(state.own.person());
    }
    state.persons.values().find(|row| row.said.peers.contains(peer)).map(|row| row.said.person)
}

/// The same said to the device itself, where a backup tells how it is written to: no other device of ours may be left.
pub(super) fn knock(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, befriend: &Befriend) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).filter(|friend| friend.state == FriendState::Half && friend.friendship.is_some()) else {
        return Ok(());
    };
    let devices = friend.devices.clone();
    let asked = requests::outgoing(state, peer).find(|row| row.in_room.is_some()).map(|row| row.id);
    let Some(request) = asked else { return Ok(()) };
    for device in devices {
        let body = codec::encode(befriend);
        let Some(envelope) = friendships::seal_to_friend(state, turn, &device, None, Step::Returned, body) else { continue };
        outbox::supersede(state, turn, &device, &EnvelopeOwner::Returned(request))?;
        outbox::enqueue(state, turn, &device, EnvelopeOwner::Returned(request), None, envelope);
    }
    Ok(())
}

/// A device of a friend's person, which is no friend itself, asks by the key that friends have: it was restored.
pub(crate) fn returned(state: &mut State, turn: &mut Turn<'_>, from: &Device, statement: &Statement) -> Result<(), Rejected> {
    let befriend: Befriend = codec::decode(&statement.body, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    let is_friend = |row: &&PeerId| state.friends.get(*row).is_some_and(|friend| friend.state == FriendState::Mutual && !friend.blocked);
    let head = persons::head_of(state, &from.person);
    let rows = head.map(|head| persons::rows_of(state, &head)).unwrap_or_default();
    let is_ours = from.person == state.own.person();
    if !befriend.is_bounded() || from.peer == state.own.peer || !(is_ours || rows.iter().any(|row| is_friend(&row))) {
        return Err(DropReason::Unexpected.into());
    }
    let is_gone = is_ours && state.siblings.get(&from.peer).is_some_and(|row| row.gone.is_some());
    if is_gone {
        return Err(DropReason::Forged.into());
    }
    let is_new = !state.friends.contains_key(&from.peer);
    let contact = friendships::read_contact(&befriend.contact, turn.sure).ok_or(DropReason::Forged)?;
    if contact.signer.device != from.device {
        return Err(DropReason::Forged.into());
    }
    if people::is_blocked(state, &from.peer, &contact.chain) {
        return Err(DropReason::Blocked.into());
    }
    accept(state, turn, from, befriend)?;
    if is_new && !is_ours {
        state.rates.warn(turn, Warning::FriendDevice);
    }
    Ok(())
}

/// A friend's device has handed on that another device of its person asks for a friendship of its own. It is granted: the
/// person is a friend, and both devices have signed.
pub(crate) fn asked_by_sibling(state: &mut State, turn: &mut Turn<'_>, from: &Device, befriend: Befriend) -> Result<(), Rejected> {
    let contact = friendships::read_contact(&befriend.contact, turn.sure).ok_or(DropReason::Forged)?;
    let signer = contact.signer;
    if signer.person != from.person || signer.peer == from.peer {
        return Err(DropReason::Forged.into());
    }
    if state.own.person() == signer.person && state.siblings.get(&signer.peer).is_some_and(|row| row.gone.is_some()) {
        return Err(DropReason::Forged.into());
    }
    accept(state, turn, &signer, befriend)
}

/// Says yes to a device whose person is a friend.
fn accept(state: &mut State, turn: &mut Turn<'_>, device: &Device, befriend: Befriend) -> Result<(), Rejected> {
    let peer = device.peer;
    let is_other = |friend: &&Friend| friend.person() == device.person && friend.peer != peer && friend.state != FriendState::Ended;
    let others = state.friends.values().filter(is_other).count();
    if others >= DEVICES_MAX || !state.rates.device(turn.now, device.person) {
        return Err(DropReason::Full.into());
    }
    let Some(id) = friendships::asked_as(state, turn, peer, befriend)? else { return Ok(()) };
    let is_of_device = |asked: InRoom| InRoom { is_of_device: Some(true), ..asked };
    state.change_request(turn, &id, |row| row.in_room = row.in_room.take().map(is_of_device));
    match friendships::accept_in_room(state, turn, &id) {
        Ok(()) | Err(Failed::Command(_)) => Ok(()),
        Err(Failed::Turn(failed)) => Err(failed.into()),
    }
}
