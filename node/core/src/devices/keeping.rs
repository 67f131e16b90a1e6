//! The device list of a person: signed by their second root key, it outranks the root key and all devices.
//!
//! It is for the day on which the device that holds the root key was stolen: the thief certifies devices and says that the others are
//! gone. Who has the words of the recovery phrase says which devices are theirs; friends refuse all others from then on, and so do those
//! devices. A device that comes later is taken by a newer list alone.

use super::removal;
use crate::command::CommandError;
use crate::identity;
use crate::people::{self, persons};
use crate::rows::Listed;
use crate::seam::Warning;
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{Gone, backup_key};
use symbolon_presence::device_list::{DeviceList, DeviceListBody};
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::identity::{Device, Identity, Root, peer_id};
use symbolon_presence::kdf::Secret;

/// This device and these others of ours stay, and no other: by the words. This device holds the root key from now on, and the backup
/// key: the device that left backups may be the one that was stolen.
pub(crate) fn keep(state: &mut State, turn: &mut Turn<'_>, entropy: &Secret, others: &[DeviceId]) -> Result<(), Failed> {
    let root = Identity::root_of(entropy);
    if root.person() != state.own.person() {
        return Err(CommandError::WrongPhrase.into());
    }
    let devices = others.iter().copied().chain([state.own.identity.device]).collect();
    let (list, body) = next(state, turn, entropy, &root, devices)?;
    state.own.identity.hold(&root);
    turn.put(Table::Meta, b"identity", &state.own.identity.to_stored());
    let key = backup_key(entropy);
    turn.put(Table::Meta, b"backup key", &key);
    state.own.backup_key = Some(key);
    adopt(state, turn, list, body)?;
    identity::records_changed(turn);
    Ok(())
}

/// The person of a restored device had a device list. It may be out of date, so nothing is said by it: this device is in none until its user
/// says which devices are theirs.
pub(super) fn was_listed(state: &mut State, turn: &mut Turn<'_>, root: &Root, former: &DeviceList) {
    let Some(former) = former.verify(&root.second_root()).filter(|_| former.person() == root.person()) else { return };
    turn.put(Table::Meta, b"listed before", &former.number);
    state.own.listed_before = Some(former.number);
}

fn next(
    state: &State,
    turn: &Turn<'_>,
    entropy: &Secret,
    root: &Root,
    devices: Vec<DeviceId>,
) -> Result<(DeviceList, DeviceListBody), Failed> {
    let known = state.listed.get(&root.person()).map(|row| row.number).max(state.own.listed_before);
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
    adopt(state, turn, list.clone(), body)?;
    if !is_own {
        state.rates.warn(turn, Warning::FriendListed);
    }
    Ok(())
}

/// The list counts from now on. What devices of the person have said before of which is theirs counts no more: a thief may have said it.
fn adopt(state: &mut State, turn: &mut Turn<'_>, list: DeviceList, body: DeviceListBody) -> Result<(), TurnFailed> {
    let person = list.person();
    let DeviceListBody { number, devices } = body;
    state.save_listed(turn, Listed { person, number, devices: devices.clone(), list });
    state.unbar_said(turn, &person);
    if person != state.own.person() {
        return shut_out(state, turn, &person);
    }
    if !devices.contains(&state.own.identity.device) {
        removal::removed_here(state, turn);
        return Ok(());
    }
    forget_gone(state, turn);
    let is_out = |device: &&crate::rows::Device| state.siblings.get(&device.peer).is_some_and(|row| row.gone.is_none());
    let ours = state.devices.values().filter(is_out).filter(|row| !devices.contains(&row.device));
    let out: Vec<_> = ours.map(|row| (row.peer, row.chain.clone())).collect();
    for (peer, chain) in out {
        // Also said as one device says it of another: builds that know no lists believe the root key.
        let said = state.own.identity.root.is_some().then(|| Gone::sign(&state.own.identity, &chain));
        removal::out(state, turn, &peer, said);
    }
    // Those that never had a place among ours have nothing to hear.
    shut_out(state, turn, &person)
}

/// Of our devices that were said to be gone, those that the list names are not; and those that nobody here has ever met take no place.
fn forget_gone(state: &mut State, turn: &mut Turn<'_>) {
    let device_of = |row: &crate::rows::Sibling| row.said.as_ref().and_then(|said| Some(said.device.body()?.device));
    let is_over = |device: &DeviceId| !state.devices.contains_key(device) || !people::is_unlisted(state, &state.own.person(), device);
    let gone = state.siblings.values().filter(|row| row.gone.is_some());
    let over: Vec<PeerId> = gone.filter(|row| device_of(row).as_ref().is_some_and(is_over)).map(|row| row.peer).collect();
    for peer in over {
        state.delete_sibling(turn, &peer);
    }
}

/// The friendships with devices of a person that their list does not name end. One that stands alone for a friend stays in its row, refused.
fn shut_out(state: &mut State, turn: &mut Turn<'_>, person: &PeerId) -> Result<(), TurnFailed> {
    let is_out = |row: &&crate::rows::Device| peer_id(&row.chain.root) == *person && people::is_shut_out(state, &row.device);
    let out: Vec<PeerId> = state.devices.values().filter(is_out).map(|row| row.peer).collect();
    let is_own = *person == state.own.person();
    // No row of ours stands for our own person: there is nothing to keep.
    out.iter().try_for_each(|peer| if is_own { removal::end(state, turn, peer) } else { removal::shut(state, turn, peer) })
}

#[cfg(test)]
mod tests;
