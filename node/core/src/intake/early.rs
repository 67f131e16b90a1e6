//! Ordered frames that came before their turn: they wait in memory, and their senders still own them.

use crate::delivery::Origin;
use crate::delivery::tags::Found;
use crate::limits::{EARLY_BYTES_MAX, PARKED_MAX, WINDOW_BYTES};
use crate::rooms::{self, order};
use crate::state::State;
use crate::wire::Known;
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, FrameId, RoomId};

/// An ordered frame that came before its turn.
#[derive(Debug)]
pub(super) struct Early {
    pub origin: Origin,
    pub frame: FrameId,
    /// The id of what is inside, however often it is sealed again; of ordered frames.
    pub inner: Option<FrameId>,
    pub at: Found,
    pub known: Known,
}

/// The early frames of one device, each under its room and its sequence there.
#[derive(Debug, Default)]
struct Waiting {
    frames: BTreeMap<(RoomId, u64), Early>,
    bytes: usize,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known(..)")
    }
}

/// The early frames of all devices.
#[derive(Debug, Default)]
pub(super) struct EarlyFrames {
    /// At most [`PARKED_MAX`] and [`WINDOW_BYTES`] for each device.
    waiting: BTreeMap<DeviceId, Waiting>,
    /// Of all of them; at most [`EARLY_BYTES_MAX`].
    bytes: usize,
}

impl EarlyFrames {
    /// A device is not known any more.
    pub fn forget(&mut self, device: &DeviceId) {
        let waiting = self.waiting.remove(device).map_or(0, |waiting| waiting.bytes);
        self.bytes = self.bytes.saturating_sub(waiting);
    }

    /// Whether a frame of a device waits at a place.
    pub fn holds(&self, device: &DeviceId, room: &RoomId, sequence: u64) -> bool {
        self.waiting.get(device).is_some_and(|waiting| waiting.frames.contains_key(&(*room, sequence)))
    }

    /// The devices of which frames wait in a room.
    pub fn in_room(&self, room: &RoomId) -> Vec<DeviceId> {
        self.waiting.keys().filter(|device| self.has(device, room)).copied().collect()
    }

    /// Whether frames of a device wait in a room.
    pub fn has(&self, device: &DeviceId, room: &RoomId) -> bool {
        self.waiting.get(device).is_some_and(|waiting| waiting.frames.range((*room, 0)..=(*room, u64::MAX)).next().is_some())
    }

    /// Whether one more frame of a device has a place: no honest sender has more on the way than its window.
    pub fn has_place(&self, device: &DeviceId, ahead: u64, size: usize) -> bool {
        let bytes = self.waiting.get(device).map_or(0, |waiting| waiting.bytes);
        ahead <= PARKED_MAX && bytes.saturating_add(size) <= WINDOW_BYTES
    }

    /// Keeps an early frame. When there is no more room for those of all, the device that holds most loses
    /// what it has here: nothing of it was acknowledged, so it is put again. Whether one has lost it.
    pub fn park(&mut self, device: DeviceId, sequence: u64, early: Early) -> bool {
        let place = (early.known.room, sequence);
        let size = early.known.mls.len();
        let mut has_lost = false;
        if self.bytes.saturating_add(size) > EARLY_BYTES_MAX
            && let Some(largest) = self.waiting.iter().max_by_key(|(_, waiting)| waiting.bytes).map(|(device, _)| *device)
        {
            self.forget(&largest);
            has_lost = true;
        }
        let waiting = self.waiting.entry(device).or_default();
        let replaced = waiting.frames.insert(place, early).map_or(0, |old| old.known.mls.len());
        waiting.bytes = waiting.bytes.saturating_add(size).saturating_sub(replaced);
        self.bytes = self.bytes.saturating_add(size).saturating_sub(replaced);
        has_lost
    }

    /// The frame of a device whose turn it is in a room.
    pub fn next(&mut self, state: &State, device: &DeviceId, room: &RoomId) -> Option<Early> {
        let expected = order::expected(state, device, room);
        let waiting = self.waiting.get_mut(device)?;
        let before = waiting.bytes;
        let is_of_member = |of: &RoomId| rooms::membership(state, device, of) == rooms::Membership::Member;
        // What was opened meanwhile is not wanted again, nor what came in a room that was left since.
        waiting.frames.retain(|(of, sequence), _| if of == room { *sequence >= expected } else { is_of_member(of) });
        let next = waiting.frames.remove(&(*room, expected));
        waiting.bytes = waiting.frames.values().map(|early| early.known.mls.len()).sum();
        self.bytes = self.bytes.saturating_sub(before.saturating_sub(waiting.bytes));
        if waiting.frames.is_empty() {
            self.waiting.remove(device);
        }
        next
    }
}
