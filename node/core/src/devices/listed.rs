//! What the device lists of people say, and that ours is shown to friends and to our other devices. They are made and taken in `keeping`.

use super::speak;
use crate::rows::{Friend, ListedTold};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{Capabilities, RoomPayload};
use symbolon_presence::device_list::DeviceList;
use symbolon_presence::id::{DeviceId, PeerId};

/// Whether a list names a device: nobody but a newer list takes it away.
pub(super) fn names(state: &State, person: &PeerId, device: &DeviceId) -> bool {
    state.listed.get(person).is_some_and(|row| row.devices.contains(device))
}

/// The number of our own list.
pub(super) fn own_number(state: &State) -> Option<u64> {
    state.listed.get(&state.own.person()).map(|row| row.number)
}

/// Our own list, if there is one.
pub(super) fn own_list(state: &State) -> Option<DeviceList> {
    state.listed.get(&state.own.person()).map(|row| row.list.clone())
}

/// Whether our own list stands, or stood when the backup was made from which this device was restored: a new device needs the words then.
pub(super) fn needs_words(state: &State) -> bool {
    own_number(state).or(state.own.listed_before).is_some()
}

/// Shows a friend's device, or another one of ours, our list, if it has not seen it in their present room. False when there is no place
/// for it now.
pub(super) fn tell(state: &mut State, turn: &mut Turn<'_>, friend: &Friend) -> Result<bool, TurnFailed> {
    let listed = state.listed.get(&state.own.person());
    let Some((number, list)) = listed.map(|row| (row.number, &row.list)) else { return Ok(true) };
    let has_seen = |device: &DeviceId| {
        let told = state.devices.get(device).and_then(|row| row.listed_told);
        told.is_some_and(|told| told.room == friend.room && told.number == number)
    };
    if friend.devices.iter().all(has_seen) || !friend.devices.iter().all(|device| state.can(device, Capabilities::LISTS)) {
        return Ok(true);
    }
    if !speak::is_ready(state, friend) {
        return Ok(false);
    }
    let said = RoomPayload::DeviceList(Box::new(list.clone()));
    speak::say_in_room(state, turn, friend, &said)?;
    for device in &friend.devices {
        if let Some(row) = state.device_mut(device) {
            row.listed_told = Some(ListedTold { room: friend.room, number });
        }
    }
    Ok(true)
}
