//! A device is ours no more: lost, stolen, or given away.
//!
//! It counts at once here, and needs no root key. Each friend learns of it by a statement that the device signs which removes the
//! other one; who reads it ends that device's friendship as if its user had done so.

use super::listed;
use crate::command::CommandError;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::friendships;
use crate::limits::{SIBLINGS_KEPT_MAX, SIBLINGS_MAX};
use crate::people::{self, persons};
use crate::rooms;
use crate::rows::{Barred, Device as Row, Friend, FriendState, GoneTold, Sibling};
use crate::seam::{Event, Warning};
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{Capabilities, Gone, OwnSaid, PersonSaid, PersonStanding, RoomPayload};
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::identity::{Chain, Device, alias_id, peer_id};
use symbolon_presence::time::{SECOND, Timestamp};

/// Removes another device of ours.
pub(crate) fn remove(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), Failed> {
    let row = state.devices.get(device).ok_or(CommandError::NotFound)?;
    let (peer, chain) = (row.peer, row.chain.clone());
    if state.siblings.get(&peer).is_none_or(|row| row.gone.is_some()) {
        return Err(CommandError::NotFound.into());
    }
    if listed::names(state, &state.own.person(), device) {
        return Err(CommandError::DevicesKept.into());
    }
    let said = Gone::sign(&state.own.identity, &chain);
    if said.verify(turn.sure).is_none() {
        // The older one stands.
        return Err(CommandError::OlderDevice.into());
    }
    out(state, turn, &peer, Some(said));
    Ok(())
}

/// What is said of our devices that are gone; at most [`SIBLINGS_KEPT_MAX`].
fn statements(state: &State) -> Vec<(DeviceId, Gone)> {
    let said = |row: &Sibling| row.said.clone().filter(|_| row.gone.is_some());
    state.siblings.values().filter_map(said).filter_map(|said| Some((said.device.body()?.device, said))).collect()
}

/// Tells a friend's device, or another one of ours, which of our devices are gone, as far as it has not heard it in their
/// present room. False when there is no place for it now: it is to be tried again.
pub(super) fn tell(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<bool, TurnFailed> {
    let Some(friend) = state.friends.get(peer).filter(|friend| state.may_seal(friend) && !friend.devices.is_empty()).cloned() else {
        return Ok(true);
    };
    // Before what one device says of another: it outranks that.
    if !listed::tell(state, turn, &friend)? {
        return Ok(false);
    }
    let room = friend.room;
    let rows: Vec<&Row> = friend.devices.iter().filter_map(|device| state.devices.get(device)).collect();
    let has_heard = |gone: &DeviceId| {
        let heard = |row: &&Row| row.gone_told.as_ref().is_some_and(|told| told.room == room && told.devices.contains(gone));
        rows.iter().all(heard)
    };
    let said: Vec<(DeviceId, Gone)> = statements(state).into_iter().filter(|(gone, _)| !has_heard(gone)).collect();
    if said.is_empty() || !friend.devices.iter().all(|device| state.can(device, Capabilities::DEVICES)) {
        return Ok(true);
    }
    if !friend.devices.iter().all(|device| outbox::has_room_for(state, device, said.len() as u64)) {
        return Ok(false);
    }
    let is_own = persons::is_own(state, &friend);
    for (gone, said) in &said {
        let said = Box::new(said.clone());
        let payload = if is_own { RoomPayload::Own(Box::new(OwnSaid::Gone(said))) } else { RoomPayload::Gone(said) };
        // Once the device itself has it, the friendship with it ends.
        let owner = if is_own && friend.devices.contains(gone) { EnvelopeOwner::OwnGone } else { EnvelopeOwner::Own };
        let sealed = rooms::say(turn, room, &payload)?;
        outbox::enqueue_room(state, turn, room, &owner, &sealed);
    }
    for device in &friend.devices {
        if let Some(row) = state.device_mut(device) {
            let before = row.gone_told.take().filter(|told| told.room == room).map(|told| told.devices).unwrap_or_default();
            let mut devices: Vec<DeviceId> = before.into_iter().chain(said.iter().map(|(gone, _)| *gone)).collect();
            devices.sort_unstable();
            devices.dedup();
            row.gone_told = Some(GoneTold { room, devices });
        }
    }
    Ok(true)
}

/// From now on nothing that a device says is listened to, and our records are not for it any more. The friendship with it ends
/// as soon as it has heard of that: see [`close`].
pub(super) fn out(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, said: Option<Gone>) {
    let (gone, since) = (Some(turn.stamp), turn.stamp);
    let row = state.siblings.get(peer).cloned();
    let row = row.unwrap_or(Sibling::new(*peer, since));
    state.save_sibling(turn, Sibling { gone, said, ..row });
    turn.notify(Event::Warning(Warning::OwnDeviceGone));
}

/// Ends the friendships with devices that are gone: with those that have heard of it, and with those that could not for a while.
pub(super) fn close(state: &mut State, turn: &mut Turn<'_>, told: &BTreeSet<PeerId>) -> Result<(), TurnFailed> {
    let is_over = |row: &&Sibling| row.gone.is_some_and(|at| told.contains(&row.peer) || turn.stamp.since(at) >= TELL_PATIENCE);
    let is_there = |row: &&Sibling| state.friends.get(&row.peer).is_some_and(|friend| friend.state != FriendState::Ended);
    let over: Vec<PeerId> = state.siblings.values().filter(is_over).filter(is_there).map(|row| row.peer).collect();
    for peer in over {
        end(state, turn, &peer)?;
        for device in people::devices_of(state, &peer) {
            let person = state.own.person();
            state.bar_device(turn, &device, Barred { person, peer, is_said: Some(true) });
        }
    }
    Ok(())
}

/// When the next of them is to end.
pub(super) fn next_close(state: &State, turn: &Turn<'_>) -> Option<Timestamp> {
    let is_there = |row: &&Sibling| state.friends.get(&row.peer).is_some_and(|friend| friend.state != FriendState::Ended);
    let since = state.siblings.values().filter(is_there).filter_map(|row| row.gone).min()?;
    // The stamp may be ahead of the clock by which this is woken.
    Some(turn.now.after(TELL_PATIENCE.saturating_sub(turn.stamp.since(since))))
}

/// How many of our devices are gone.
pub(super) fn count(state: &State) -> usize {
    state.siblings.values().filter(|row| row.gone.is_some()).count()
}

/// How long this node tries to notify a device that is gone.
const TELL_PATIENCE: u64 = 30 * SECOND;

/// A device is refused from now on; its person is not. A device id is a hash over the person's root and the device's keys: so
/// nobody is refused because somebody else has certified their keys.
pub(super) fn bar(state: &mut State, turn: &mut Turn<'_>, device: &Device) {
    state.bar_device(turn, &device.device, Barred { person: device.person, peer: device.peer, is_said: None });
}

/// Ends the friendship with a device. Of a person, another device stands from then on.
pub(super) fn end(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).cloned() else { return Ok(()) };
    let stands = |row: &PeerId| row != peer && state.friends.get(row).is_some_and(|friend| friend.state != FriendState::Ended);
    let heirs: Vec<PeerId> = persons::rows_of(state, peer).into_iter().filter(stands).collect();
    let (person, has_head) = (friend.person(), friend.follows.is_some() || persons::is_own(state, &friend));
    let (petname, trust, unread, read_to) = (friend.petname.clone(), friend.trust, friend.unread, friend.read_to);
    if friend.state != FriendState::Ended {
        friendships::end_device(state, turn, friend)?;
    }
    if has_head {
        // Another row stands for them already; and of our own devices nobody else's row does.
        return Ok(());
    }
    let Some(heir) = heirs.first().copied() else {
        // Only here was it the last one: our others have devices of theirs that can be asked.
        let has_more = |said: &PersonSaid| said.standing == PersonStanding::Friend && said.peers.iter().any(|other| other != peer);
        if state.persons.get(&person).is_some_and(|row| has_more(&row.said)) {
            people::update(state, turn, peer, |friend| friend.state = FriendState::Half)?;
        }
        return Ok(());
    };
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

/// A device of a person is a friend: one that was shut out while it was their only one gives its place up.
pub(super) fn end_barred(state: &mut State, turn: &mut Turn<'_>, person: &PeerId) -> Result<(), TurnFailed> {
    if !state.barred.values().any(|barred| barred.person == *person) && !state.listed.contains_key(person) {
        return Ok(());
    }
    let is_out = |friend: &&Friend| {
        let is_barred = friend.devices.iter().all(|device| people::is_shut_out(state, device));
        friend.person() == *person && friend.state != FriendState::Ended && !friend.devices.is_empty() && is_barred
    };
    let out: Vec<PeerId> = state.friends.values().filter(is_out).map(|friend| friend.peer).collect();
    out.iter().try_for_each(|peer| end(state, turn, peer))
}

/// A friend's device, or another one of ours, says that a device of its person is theirs no more.
pub(crate) fn gone(state: &mut State, turn: &mut Turn<'_>, from: &Device, said: &Gone) -> Result<(), Rejected> {
    let device = said.verify(turn.sure).ok_or(DropReason::Forged)?;
    if device.person != from.person {
        return Err(DropReason::Forged.into());
    }
    if is_removed(state, &said.chain) {
        // Nothing that it signs is believed any more.
        return Err(DropReason::Forged.into());
    }
    if listed::names(state, &device.person, &device.device) {
        // Their person has said otherwise, by what no device holds.
        return Err(DropReason::Forged.into());
    }
    if device.person != state.own.person() {
        state.bar_device(turn, &device.device, Barred { person: device.person, peer: device.peer, is_said: Some(true) });
        return Ok(shut(state, turn, &device.peer)?);
    }
    if device.device == state.own.identity.device {
        removed_here(state, turn);
        return Ok(());
    }
    if state.is_gone_sibling(&device.peer) {
        return Ok(());
    }
    if state.siblings.len() >= SIBLINGS_KEPT_MAX && !state.siblings.contains_key(&device.peer) {
        return Err(DropReason::Full.into());
    }
    // Friends whom only this device has hear it from here.
    out(state, turn, &device.peer, Some(said.clone()));
    Ok(())
}

/// Ends the friendship with a friend's device that is refused. One that stands alone for its person stays in its row: nothing of it is taken,
/// and the next device follows it.
pub(super) fn shut(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let stands = |row: &PeerId| row != peer && state.friends.get(row).is_some_and(|friend| friend.state != FriendState::Ended);
    let head = persons::head(state, peer);
    let has_heir = persons::rows_of(state, &head).iter().any(stands);
    if has_heir { end(state, turn, peer) } else { Ok(()) }
}

/// This device is its person's no more.
pub(super) fn removed_here(state: &mut State, turn: &mut Turn<'_>) {
    if state.own.gone.is_none() {
        let now = turn.stamp;
        state.own.gone = Some(now);
        turn.put(Table::Meta, b"gone", &now);
        turn.notify(Event::Warning(Warning::RemovedHere));
    }
}

/// Whether the device of a certificate was removed.
fn is_removed(state: &State, chain: &Chain) -> bool {
    let Some(cert) = chain.body() else { return true };
    let peer = alias_id(&chain.root, &cert.device);
    let is_unlisted = people::is_unlisted(state, &peer_id(&chain.root), &cert.device);
    state.barred.contains_key(&cert.device) || is_unlisted || state.is_gone_sibling(&peer)
}

/// Whether one more device has a place, those that are gone counted.
pub(super) fn has_place(state: &State) -> bool {
    let present = state.siblings.values().filter(|row| row.gone.is_none()).count();
    present < SIBLINGS_MAX && state.siblings.len() < SIBLINGS_KEPT_MAX
}

/// The devices of friends that were shut out, of friends who stay: what a new device of ours learns.
pub(super) fn barred(state: &State) -> Vec<Chain> {
    let is_out = |friend: &&Friend| {
        let is_barred = people::devices_of(state, &friend.peer).iter().any(|device| state.barred.contains_key(device));
        friend.state == FriendState::Ended && friend.follows.is_some() && is_barred && !persons::is_own(state, friend)
    };
    let of = |friend: &Friend| state.devices.values().find(|row| row.peer == friend.peer).map(|row| row.chain.clone());
    state.friends.values().filter(is_out).filter_map(of).collect()
}
