//! Devices of others: how many rows one person has, and when a row goes.
//!
//! A person certifies as many devices as they like, and each row costs a place in memory, keys and
//! tags. So the rows of one person have a bound, and those that nothing needs any more give way.

use crate::command::RequestStatus;
use crate::limits::DEVICES_KEPT_MAX;
use crate::notice::PeopleNotice;
use crate::rows::{Device, Request};
use crate::state::State;
use crate::turn::Turn;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::identity::Chain;

/// The known devices of a person.
pub(crate) fn devices_of(state: &State, peer: &PeerId) -> Vec<DeviceId> {
    state.devices.values().filter(|device| device.peer == *peer).map(|device| device.device).collect()
}

/// Whether a device of a person is known, or has a place: rows that nothing needs give way for it.
pub(crate) fn make_room(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, device: &DeviceId) -> bool {
    if state.devices.contains_key(device) || has_room(state, peer) {
        return true;
    }
    let named = state.friends.get(peer).map(|friend| friend.devices.clone()).unwrap_or_default();
    forget_unneeded(state, turn, peer, &named);
    has_room(state, peer)
}

/// Whether one more device of a person has a place as it is.
pub(crate) fn has_room(state: &State, peer: &PeerId) -> bool {
    devices_of(state, peer).len() < DEVICES_KEPT_MAX
}

/// A device has shown a certificate. One that is valid now takes the place of one with a lower serial, never the other
/// way round.
pub(crate) fn learn_chain(state: &mut State, turn: &mut Turn<'_>, shown: &Chain) {
    let Ok(device) = shown.verify(turn.now) else { return };
    let Some(row) = state.devices.get(&device.device).filter(|row| row.peer == device.peer && row.chain != *shown) else { return };
    if row.chain.body().is_none_or(|known| device.serial > known.serial) {
        state.renew_leaves(turn, &device.device, shown);
        if let Some(row) = state.device_mut(&device.device) {
            row.chain = shown.clone();
        }
    }
}

/// Forgets the devices of a person that are not among those `named` and that nothing waits for.
pub(crate) fn forget_unneeded(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, named: &[DeviceId]) {
    // A block is taken back by the keys of the rows that it was made by.
    if state.blocked.contains(peer.as_bytes().as_slice()) {
        return;
    }
    let is_open = |row: &&Request| row.peer == *peer && row.status != RequestStatus::Blocked && !row.gives_way();
    let chains = state.requests.values().filter(is_open).flat_map(Request::chains);
    // Its certificate may have been renewed since.
    let asked: Vec<DeviceId> = chains.filter_map(|chain| Some(chain.body()?.device)).collect();
    let in_rooms: Vec<DeviceId> =
        state.groups.rooms.values().flat_map(|group| group.roster.leaves.iter().map(|leaf| leaf.device)).collect();
    let is_needed = |row: &Device| {
        // What a vanished state left behind in a room is read by its row.
        let reads = row.channel.formers().iter().any(|former| former.is_read);
        named.contains(&row.device)
            || in_rooms.contains(&row.device)
            || row.channel.outbox_count > 0
            || reads
            || asked.contains(&row.device)
    };
    let rows = state.devices.values().filter(|row| row.peer == *peer && !is_needed(row));
    for device in rows.map(|row| row.device).collect::<Vec<_>>() {
        state.forget_device(&device);
        turn.tell(PeopleNotice::DeviceGone(device));
    }
}

#[cfg(test)]
mod tests;
