//! The device list of a person: signed by their second root key, it outranks the root key and all devices.
//!
//! It is for the day on which the device that holds the root key was stolen: the thief certifies devices and says that the others are
//! gone. Who has the words of the recovery phrase says which devices are theirs; friends refuse all others from then on, and so do those
//! devices. A device that comes later is taken by a newer list alone.

use super::removal;
use crate::command::CommandError;
use crate::identity;
use crate::people::persons;
use crate::rows::{Barred, Listed};
use crate::seam::Warning;
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::Gone;
use symbolon_presence::device_list::{DeviceList, DeviceListBody};
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::identity::{Device, Identity, Root, peer_id};
use symbolon_presence::kdf::Secret;

/// This device and these others of ours stay, and no other: by the words. This device holds the root key from now on.
pub(crate) fn keep(state: &mut State, turn: &mut Turn<'_>, entropy: &Secret, others: &[DeviceId]) -> Result<(), Failed> {
    let root = Identity::root_of(entropy);
    if root.person() != state.own.person() {
        return Err(CommandError::WrongPhrase.into());
    }
    let devices = others.iter().copied().chain([state.own.identity.device]).collect();
    let (list, body) = next(state, turn, entropy, &root, None, devices)?;
    state.own.identity.hold(&root);
    turn.put(Table::Meta, b"identity", &state.own.identity.to_stored());
    adopt(state, turn, list, body);
    identity::records_changed(turn);
    Ok(())
}

/// A restored device stands in a list of its own, if there was one: its friends take it by that.
pub(super) fn keep_restored(
    state: &mut State,
    turn: &mut Turn<'_>,
    entropy: &Secret,
    root: &Root,
    former: &DeviceList,
) -> Result<(), Failed> {
    let Some(former) = former.verify(&root.second_root()).filter(|_| former.person() == root.person()) else { return Ok(()) };
    let devices = former.devices.iter().copied().chain([state.own.identity.device]).collect();
    let (list, body) = next(state, turn, entropy, root, Some(former.number), devices)?;
    adopt(state, turn, list, body);
    Ok(())
}

fn next(
    state: &State,
    turn: &Turn<'_>,
    entropy: &Secret,
    root: &Root,
    former: Option<u64>,
    devices: Vec<DeviceId>,
) -> Result<(DeviceList, DeviceListBody), Failed> {
    let known = state.listed.get(&root.person()).map(|row| row.number).max(former);
    // Above one that this device has not heard of, too, as long as its clock is not behind.
    let number = known.map_or(0, |number| number.saturating_add(1)).max(turn.stamp.0);
    let list = DeviceList::sign(entropy, &state.own.identity.chain.root, number, devices).ok_or(CommandError::Full)?;
    let body = list.verify(&root.second_root()).ok_or(CommandError::WrongPhrase)?;
    Ok((list, body))
}

/// A device of a person has shown their list. An older one changes nothing.
pub(crate) fn heard(state: &mut State, turn: &mut Turn<'_>, from: &Device, list: &DeviceList) -> Result<(), Rejected> {
    let person = list.person();
    if person != from.person {
        return Err(DropReason::Forged.into());
    }
    let is_own = person == state.own.person();
    let second_root = if is_own { Some(state.own.identity.second_root) } else { persons::second_root(state, &person) };
    let body = second_root.and_then(|second_root| list.verify(&second_root)).ok_or(DropReason::Forged)?;
    if state.listed.get(&person).is_some_and(|row| row.number >= body.number) {
        return Ok(());
    }
    if !is_own {
        shut_out(state, turn, &person, &body)?;
        state.rates.warn(turn, Warning::FriendListed);
    }
    adopt(state, turn, list.clone(), body);
    Ok(())
}

/// The list counts from now on. Of our own devices, those that it does not name are gone.
fn adopt(state: &mut State, turn: &mut Turn<'_>, list: DeviceList, body: DeviceListBody) {
    let person = list.person();
    let DeviceListBody { number, devices } = body;
    state.save_listed(turn, Listed { person, number, devices: devices.clone(), list });
    if person != state.own.person() {
        return;
    }
    if !devices.contains(&state.own.identity.device) {
        removal::removed_here(state, turn);
        return;
    }
    let is_out = |device: &&crate::rows::Device| state.siblings.get(&device.peer).is_some_and(|row| row.gone.is_none());
    let ours = state.devices.values().filter(is_out).filter(|row| !devices.contains(&row.device));
    let out: Vec<_> = ours.map(|row| (row.peer, row.chain.clone())).collect();
    for (peer, chain) in out {
        // Also said as one device says it of another: builds that know no lists believe the root key.
        let said = state.own.identity.root.is_some().then(|| Gone::sign(&state.own.identity, &chain));
        removal::out(state, turn, &peer, said);
    }
}

/// The devices of a friend that a list does not name are refused.
fn shut_out(state: &mut State, turn: &mut Turn<'_>, person: &PeerId, body: &DeviceListBody) -> Result<(), TurnFailed> {
    let is_out = |row: &&crate::rows::Device| peer_id(&row.chain.root) == *person && !body.devices.contains(&row.device);
    let out: Vec<_> = state.devices.values().filter(is_out).map(|row| (row.device, row.peer)).collect();
    for (device, peer) in out {
        removal::shut(state, turn, &device, Barred { person: *person, peer })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
