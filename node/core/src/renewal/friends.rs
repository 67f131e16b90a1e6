//! Devices that are a friend's, and friends who lack our keys.

use crate::people;
use crate::rows::{Friend, FriendState};
use crate::state::State;
use symbolon_presence::id::DeviceId;

pub(super) fn friends_devices(state: &State) -> Vec<DeviceId> {
    let standing = state.friends.values().filter(|friend| friend.stands());
    standing.flat_map(|friend| friend.devices.iter().copied()).collect()
}

pub(super) fn is_friends(state: &State, device: &DeviceId) -> bool {
    !people::is_device_blocked(state, device)
        && state.friend_of(device).is_some_and(|friend| friend.stands() && friend.devices.contains(device))
}

/// Whether a friend holds none of the keys by which our records are read now, and none is on its way.
pub(super) fn lacks_keys(state: &State, friend: &Friend) -> bool {
    friend.state == FriendState::Mutual && friend.renewing.is_none() && !friend.giving && !state.own.presence.has_block(&friend.peer)
}
