//! A device is ours no more: lost, stolen, or given away.
//!
//! It counts at once here, and needs no root key. Each friend is told by a statement that the device signs which removes the
//! other one; who reads it ends that device's friendship as if its user had done so.

use crate::command::CommandError;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::friendships;
use crate::limits::{SIBLINGS_KEPT_MAX, SIBLINGS_MAX};
use crate::people::{self, persons};
use crate::rooms;
use crate::rows::{Friend, FriendState, GoneTold, Sibling};
use crate::seam::{Event, Warning};
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{Capabilities, Gone, OwnSaid, PersonSaid, PersonStanding, RoomPayload};
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::identity::{Chain, Device, alias_id};
use symbolon_presence::time::{SECOND, Timestamp};

/// Removes another device of ours.
pub(crate) fn remove(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), Failed> {
    let row = state.devices.get(device).ok_or(CommandError::NotFound)?;
    let (peer, chain) = (row.peer, row.chain.clone());
    if state.siblings.get(&peer).is_none_or(|row| row.gone.is_some()) {
        return Err(CommandError::NotFound.into());
    }
    let said = Gone::sign(&state.own.identity, &chain);
    if said.verify(turn.sure).is_none() {
        // The older one stands.
        return Err(CommandError::OlderDevice.into());
    }
    out(state, turn, &peer, said);
    Ok(tell_all(state, turn)?)
}

/// What is said of our devices that are gone, the oldest first.
fn statements(state: &State) -> Vec<Gone> {
    let mut gone: Vec<(Timestamp, Gone)> = state.siblings.values().filter_map(|row| Some((row.gone?, row.said.clone()?))).collect();
    gone.sort_by_key(|(at, said)| (*at, said.device.body().map(|cert| cert.device)));
    gone.into_iter().map(|(_, said)| said).collect()
}

/// Tells everybody who does not know it yet.
fn tell_all(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    for peer in state.friends.keys().copied().collect::<Vec<_>>() {
        tell(state, turn, &peer)?;
    }
    Ok(())
}

/// Tells a friend's device, or another one of ours, which of our devices are gone, as far as it was not told so in their
/// present room. Who cannot be told now is told when that can be.
pub(super) fn tell(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let said = statements(state);
    let Some(friend) = state.friends.get(peer).filter(|friend| !said.is_empty() && state.may_seal(friend)).cloned() else { return Ok(()) };
    let room = friend.room;
    let now = Some(GoneTold { room, count: u32::try_from(said.len()).unwrap_or(u32::MAX) });
    let rows: Vec<_> = friend.devices.iter().filter_map(|device| state.devices.get(device)).collect();
    let takes = |device: &DeviceId| state.can(device, Capabilities::DEVICES) && outbox::has_room_for(state, device, said.len() as u64);
    if rows.is_empty() || rows.iter().all(|row| row.gone_told == now) || !friend.devices.iter().all(takes) {
        return Ok(());
    }
    let known = rows.iter().filter_map(|row| row.gone_told).filter(|told| told.room == room).map(|told| told.count).min();
    let is_own = persons::is_own(state, &friend);
    for said in said.iter().skip(usize::try_from(known.unwrap_or_default()).unwrap_or_default()) {
        let is_itself = friend.devices.iter().any(|device| said.device.body().is_some_and(|body| body.device == *device));
        let (payload, owner) = match is_own {
            true if is_itself => (RoomPayload::Own(Box::new(OwnSaid::Gone(Box::new(said.clone())))), EnvelopeOwner::OwnGone),
            true => (RoomPayload::Own(Box::new(OwnSaid::Gone(Box::new(said.clone())))), EnvelopeOwner::Own),
            false => (RoomPayload::Gone(Box::new(said.clone())), EnvelopeOwner::Own),
        };
        let sealed = rooms::say(turn, room, &payload)?;
        outbox::enqueue_room(state, turn, room, &owner, &sealed);
    }
    for device in &friend.devices {
        if let Some(row) = state.device_mut(device) {
            row.gone_told = now;
        }
    }
    Ok(())
}

/// Nothing of a device is listened to from now on, and our records are not for it any more. The friendship with it ends as
/// soon as it was told so: see [`close`].
fn out(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, said: Gone) {
    let (gone, since) = (Some(turn.stamp), turn.stamp);
    let row = state.siblings.get(peer).cloned();
    let row = row.unwrap_or(Sibling { peer: *peer, label: None, since, taken: 0, gone: None, said: None });
    state.save_sibling(turn, Sibling { gone, said: Some(said), ..row });
    turn.notify(Event::Warning(Warning::OwnDeviceGone));
}

/// Ends the friendships with devices that are gone: with those that were told, and with those that could not be for a while.
pub(super) fn close(state: &mut State, turn: &mut Turn<'_>, told: &BTreeSet<PeerId>) -> Result<(), TurnFailed> {
    let is_over = |row: &&Sibling| row.gone.is_some_and(|at| told.contains(&row.peer) || turn.stamp.since(at) >= TELL_PATIENCE);
    let is_there = |row: &&Sibling| state.friends.get(&row.peer).is_some_and(|friend| friend.state != FriendState::Ended);
    let over: Vec<PeerId> = state.siblings.values().filter(is_over).filter(is_there).map(|row| row.peer).collect();
    for peer in over {
        end(state, turn, &peer)?;
        for device in people::devices_of(state, &peer) {
            let person = state.own.person();
            state.bar_device(turn, &device, &person);
        }
    }
    Ok(())
}

/// When the next of them is to end.
pub(super) fn next_close(state: &State) -> Option<Timestamp> {
    let is_there = |row: &&Sibling| state.friends.get(&row.peer).is_some_and(|friend| friend.state != FriendState::Ended);
    state.siblings.values().filter(is_there).filter_map(|row| row.gone).map(|at| at.after(TELL_PATIENCE)).min()
}

/// So long a device that is gone is tried to be told.
const TELL_PATIENCE: u64 = 30 * SECOND;

/// A device is refused from now on; its person is not. A device id is a hash over the person's root and the device's keys: so
/// nobody is refused because somebody else has certified their keys.
pub(super) fn bar(state: &mut State, turn: &mut Turn<'_>, device: &Device) {
    state.bar_device(turn, &device.device, &device.person);
}

/// Ends the friendship with a device. Of a person, another device stands from then on.
pub(super) fn end(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).cloned() else { return Ok(()) };
    let stands = |row: &PeerId| row != peer && state.friends.get(row).is_some_and(|friend| friend.state != FriendState::Ended);
    let heirs: Vec<PeerId> = persons::rows_of(state, peer).into_iter().filter(stands).collect();
    if friend.state != FriendState::Ended {
        friendships::end_device(state, turn, friend.clone())?;
    }
    if friend.follows.is_some() || persons::is_own(state, &friend) {
        // Another row stands for them already; and of our own devices nobody else's row does.
        return Ok(());
    }
    let Some(heir) = heirs.first().copied() else {
        // Only here was it the last one: our others have devices of theirs that can be asked.
        let has_more = |said: &PersonSaid| said.standing == PersonStanding::Friend && said.peers.iter().any(|other| other != peer);
        if state.persons.get(&friend.person()).is_some_and(|row| has_more(&row.said)) {
            people::update(state, turn, peer, |friend| friend.state = FriendState::Half)?;
        }
        return Ok(());
    };
    let (petname, trust, unread, read_to) = (friend.petname, friend.trust, friend.unread, friend.read_to);
    state.change_friend(turn, &heir, |friend| {
        friend.follows = None;
        friend.petname = petname;
        friend.trust = trust;
        friend.unread = friend.unread.saturating_add(unread);
        friend.read_to = friend.read_to.max(read_to);
    });
    for row in heirs.iter().skip(1).chain([peer]) {
        state.change_friend(turn, row, |friend| friend.follows = Some(heir));
    }
    turn.notify(Event::Friend(heir));
    Ok(())
}

/// A friend's device, or another one of ours, says that a device of its person is theirs no more.
pub(crate) fn gone(state: &mut State, turn: &mut Turn<'_>, from: &Device, said: &Gone) -> Result<(), Rejected> {
    let device = said.verify(turn.sure).ok_or(DropReason::Forged)?;
    if device.person != from.person {
        return Err(DropReason::Forged.into());
    }
    if is_out(state, &said.chain) {
        // Nothing that it signs is believed any more.
        return Err(DropReason::Forged.into());
    }
    if device.person != state.own.person() {
        bar(state, turn, &device);
        // One that stands alone for its person stays in its row: nothing of it is taken, and the next device follows it.
        let stands = |row: &PeerId| *row != device.peer && state.friends.get(row).is_some_and(|friend| friend.state != FriendState::Ended);
        let head = persons::head(state, &device.peer);
        let has_heir = persons::rows_of(state, &head).iter().any(stands);
        return if has_heir { Ok(end(state, turn, &device.peer)?) } else { Ok(()) };
    }
    if device.device == state.own.identity.device {
        if !state.own.is_gone {
            state.own.is_gone = true;
            turn.put(Table::Meta, b"gone", &true);
            turn.notify(Event::Warning(Warning::RemovedHere));
        }
        return Ok(());
    }
    if state.siblings.get(&device.peer).is_some_and(|row| row.gone.is_some()) {
        return Ok(());
    }
    if state.siblings.len() >= SIBLINGS_KEPT_MAX && !state.siblings.contains_key(&device.peer) {
        return Err(DropReason::Full.into());
    }
    // Friends whom only this device has hear it from here.
    out(state, turn, &device.peer, said.clone());
    Ok(tell_all(state, turn)?)
}

/// Whether the device of a certificate was removed.
fn is_out(state: &State, chain: &Chain) -> bool {
    let Some(cert) = chain.body() else { return true };
    let peer = alias_id(&chain.root, &cert.device);
    state.barred.contains_key(&cert.device) || state.siblings.get(&peer).is_some_and(|row| row.gone.is_some())
}

/// Whether one more device has a place, those that are gone counted.
pub(super) fn has_place(state: &State) -> bool {
    let present = state.siblings.values().filter(|row| row.gone.is_none()).count();
    present < SIBLINGS_MAX && state.siblings.len() < SIBLINGS_KEPT_MAX
}

/// Whether a friend row is of a device of ours that takes part.
pub(super) fn is_present(state: &State, friend: &Friend) -> bool {
    state.siblings.get(&friend.peer).is_some_and(|row| row.gone.is_none())
}

/// The devices of friends that were shut out, of friends who stay: what a new device of ours is told.
pub(super) fn barred(state: &State) -> Vec<Chain> {
    let is_out = |friend: &&Friend| {
        let is_barred = people::devices_of(state, &friend.peer).iter().any(|device| state.barred.contains_key(device));
        friend.state == FriendState::Ended && friend.follows.is_some() && is_barred && !persons::is_own(state, friend)
    };
    let of = |friend: &Friend| state.devices.values().find(|row| row.peer == friend.peer).map(|row| row.chain.clone());
    state.friends.values().filter(is_out).filter_map(of).collect()
}
