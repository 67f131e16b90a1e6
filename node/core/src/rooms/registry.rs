//! Which rooms this node is in, and whose frames count there.
//!
//! The room of a friendship is one of them: who its members are follows from the friendship.

use crate::limits::{MEMBERS_MAX, ROOMS_MAX};
use crate::rows::{Former, Members, Room};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId, RoomId};

/// How a device stands to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// A member: its frames are opened in order.
    Member,
    /// Its friendship has left the room for another one; what was left behind is read.
    Former,
    /// The room is not ours, or not the device's.
    Stranger,
}

/// This node is in a friendship's room from now on. There is one for each friend.
pub(crate) fn register(state: &mut State, turn: &mut Turn<'_>, friend: PeerId, room: RoomId, conversation: RoomId) {
    let commits = state.rooms.get(&room).and_then(|known| known.commits);
    state.save_room(turn, Room { room, conversation, members: Members::Friend(friend), commits });
}

/// This node is in a room with these devices of others from now on. False when they are too many, or the rooms are.
pub(crate) fn register_shared(state: &mut State, turn: &mut Turn<'_>, room: RoomId, devices: Vec<DeviceId>) -> bool {
    let shared = state.rooms.values().filter(|row| matches!(row.members, Members::Devices(_))).count();
    let has_place = devices.len() < MEMBERS_MAX && shared < ROOMS_MAX;
    if has_place {
        state.save_room(turn, Room { room, conversation: room, members: Members::Devices(devices), commits: None });
    }
    has_place
}

/// The devices of others in a shared room are these from now on.
pub(crate) fn set_members(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, devices: Vec<DeviceId>) {
    let Some(row) = state.rooms.get(room).filter(|row| matches!(row.members, Members::Devices(_))).cloned() else { return };
    state.save_room(turn, Room { members: Members::Devices(devices), ..row });
}

/// A shared room that a device is in with us, in which something can be said.
pub(crate) fn shared_with(state: &State, device: &DeviceId) -> Option<RoomId> {
    let is_there = |row: &&Room| matches!(&row.members, Members::Devices(devices) if devices.contains(device));
    let is_in = |row: &&Room| state.groups.rooms.get(&row.room).is_none_or(|group| group.standing.is_in());
    state.rooms.values().filter(is_there).find(is_in).map(|row| row.room)
}

/// The shared rooms that this node is in, and the devices of others there.
fn shared_rooms(state: &State) -> impl Iterator<Item = (RoomId, &[DeviceId])> {
    let is_in = |row: &&Room| state.groups.rooms.get(&row.room).is_none_or(|group| group.standing.is_in());
    state.rooms.values().filter(is_in).filter_map(|row| match &row.members {
        Members::Devices(devices) => Some((row.room, devices.as_slice())),
        Members::Friend(_) => None,
    })
}

/// In how many shared rooms a device is with us.
pub(crate) fn shared_rooms_with(state: &State, device: &DeviceId) -> usize {
    shared_rooms(state).filter(|(_, devices)| devices.contains(device)).count()
}

/// Whether two devices of others are in one shared room with us.
pub(crate) fn are_together(state: &State, one: &DeviceId, other: &DeviceId) -> bool {
    room_of_both(state, one, other).is_some()
}

/// A shared room in which two devices of others are with us.
pub(crate) fn room_of_both(state: &State, one: &DeviceId, other: &DeviceId) -> Option<RoomId> {
    shared_rooms(state).find(|(_, devices)| devices.contains(one) && devices.contains(other)).map(|(room, _)| room)
}

/// Who is in a shared room with us and this device.
pub(crate) fn together_with(state: &State, device: &DeviceId) -> BTreeSet<DeviceId> {
    let theirs = shared_rooms(state).filter(|(_, devices)| devices.contains(device));
    theirs.flat_map(|(_, devices)| devices).filter(|other| *other != device).copied().collect()
}

/// Erases a room, its keys and its row.
pub(crate) fn forget(state: &mut State, turn: &mut Turn<'_>, room: RoomId) -> Result<(), TurnFailed> {
    state.forget_room(turn, &room);
    super::desk::erase(turn, room)
}

/// How a device stands to a room.
pub(crate) fn membership(state: &State, device: &DeviceId, room: &RoomId) -> Membership {
    let of_friend = |peer: &PeerId| {
        let row = state.devices.get(device).filter(|row| row.peer == *peer)?;
        let is_left = |former: &Former| former.room == *room && former.is_read;
        match state.friends.get(peer)? {
            friend if friend.room == *room => Some(Membership::Member),
            _ if row.channel.formers().iter().any(is_left) => Some(Membership::Former),
            _ => None,
        }
    };
    let membership = match state.rooms.get(room).map(|row| &row.members) {
        Some(Members::Friend(peer)) => of_friend(peer),
        Some(Members::Devices(devices)) => devices.contains(device).then_some(Membership::Member),
        None => None,
    };
    membership.unwrap_or(Membership::Stranger)
}

/// Whose friendship a room is of.
pub(crate) fn friend_in(state: &State, room: &RoomId) -> Option<PeerId> {
    match state.rooms.get(room)?.members {
        Members::Friend(peer) => Some(peer),
        Members::Devices(_) => None,
    }
}

/// Whether a room is no friendship's.
pub(crate) fn is_shared(state: &State, room: &RoomId) -> bool {
    state.rooms.get(room).is_some_and(|row| matches!(row.members, Members::Devices(_)))
}

/// Whether this node and a device are in a shared room.
pub(crate) fn is_in_shared(state: &State, device: &DeviceId, room: &RoomId) -> bool {
    is_shared(state, room) && membership(state, device, room) == Membership::Member
}

/// The devices of others in a room.
pub(crate) fn members(state: &State, room: &RoomId) -> Vec<DeviceId> {
    match state.rooms.get(room).map(|row| &row.members) {
        None => Vec::new(),
        Some(Members::Devices(devices)) => devices.clone(),
        Some(Members::Friend(peer)) => {
            let friend = state.friends.get(peer).filter(|friend| friend.room == *room);
            friend.map(|friend| friend.devices.clone()).unwrap_or_default()
        }
    }
}
