//! Devices of a friend's person that ask for a friendship of their own: handed on by another device of theirs, or restored.
//!
//! The person is a friend, and both devices have signed: so they are taken without a question to our user.

use super::keeping;
use crate::friendships;
use crate::limits::{DEVICE_ASK_PAUSE, DEVICES_MAX};
use crate::people::{self, persons, requests};
use crate::rows::{Friend, FriendState, InRoom, Request};
use crate::seam::Warning;
use crate::state::State;
use crate::turn::{DropReason, Failed, Rejected, Turn};
use crate::wire::{Befriend, PAYLOAD_MAX, Statement};
use symbolon_presence::codec;
use symbolon_presence::id::PeerId;
use symbolon_presence::identity::Device;

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
    let is_new = !state.friends.contains_key(&from.peer);
    let contact = friendships::read_contact(&befriend.contact, turn.sure).ok_or(DropReason::Forged)?;
    if contact.signer.device != from.device {
        return Err(DropReason::Forged.into());
    }
    // First: it outranks what other devices have said of this one.
    listed_by(state, turn, from, &befriend)?;
    if state.is_gone_sibling(&from.peer) {
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
    listed_by(state, turn, &signer, &befriend)?;
    if state.is_gone_sibling(&signer.peer) {
        return Err(DropReason::Forged.into());
    }
    accept(state, turn, &signer, befriend)
}

/// Of a person who has a device list, the device must stand in it, or in a newer one that it brings.
pub(super) fn listed_by(state: &mut State, turn: &mut Turn<'_>, device: &Device, befriend: &Befriend) -> Result<(), Rejected> {
    if let Some(list) = &befriend.list {
        keeping::heard(state, turn, device, list)?;
    }
    if people::is_unlisted(state, &device.person, &device.device) { Err(DropReason::Forged.into()) } else { Ok(()) }
}

/// Says yes to a device whose person is a friend.
fn accept(state: &mut State, turn: &mut Turn<'_>, device: &Device, befriend: Befriend) -> Result<(), Rejected> {
    let peer = device.peer;
    let is_other = |friend: &&Friend| friend.person() == device.person && friend.peer != peer && friend.state != FriendState::Ended;
    let others = state.friends.values().filter(is_other).count();
    if others >= DEVICES_MAX || !state.rates.device(turn.now, device.person) {
        return Err(DropReason::Full.into());
    }
    let Some(id) = friendships::asked_as(state, turn, None, peer, befriend)? else { return Ok(()) };
    let device_of = |asked: InRoom| InRoom { device_of: Some(device.person), ..asked };
    state.change_request(turn, &id, |row| row.in_room = row.in_room.take().map(device_of));
    if waits_for_theirs(state, turn, &peer) {
        return Ok(());
    }
    match friendships::accept_in_room(state, turn, &id) {
        Ok(()) | Err(Failed::Command(_)) => Ok(()),
        Err(Failed::Turn(failed)) => Err(failed.into()),
    }
}

/// Both have asked each other. To answer is to take one's own question back, and if both do so neither answer finds a way in: so the
/// one of the lower Peer ID answers. Its question comes again after a while if ours has not reached it; then it is answered here.
fn waits_for_theirs(state: &State, turn: &Turn<'_>, peer: &PeerId) -> bool {
    let asks = |row: &Request| row.in_room.as_ref().is_some_and(|asked| asked.invite.is_some());
    let mut ours = requests::outgoing(state, peer).filter(|row| asks(row));
    *peer < state.own.peer && ours.any(|row| turn.stamp.since(row.created) < DEVICE_ASK_PAUSE)
}
