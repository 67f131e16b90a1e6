//! Ordered frames that came before their turn: they wait in memory, and their senders still own them.

use crate::delivery::Origin;
use crate::delivery::tags::Found;
use crate::groups;
use crate::limits::{EARLY_BYTES_MAX, PARKED_MAX, WINDOW_BYTES};
use crate::rooms::{self, order};
use crate::state::State;
use crate::wire::Known;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use symbolon_presence::id::{DeviceId, EpochId, FrameId, RoomId};

/// What is inside an envelope: known again however often it is sealed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inside {
    pub id: FrameId,
    /// Of an ordered frame: its room, and its sequence there.
    pub place: Option<(RoomId, u64)>,
    /// Whether it stands in the place of something that its sender has given up.
    pub is_empty: bool,
}

/// An ordered frame that came before its turn.
#[derive(Debug)]
pub(super) struct Early {
    pub origin: Origin,
    pub frame: FrameId,
    /// The id of what is inside, however often it is sealed again; of ordered frames.
    pub inner: Option<Inside>,
    pub at: Found,
    pub known: Known,
}

/// The early frames of one device, each under its room, its sequence there and its epoch: in another epoch its sender may have
/// begun again, with another frame in the same place.
#[derive(Debug, Default)]
struct Waiting {
    frames: BTreeMap<(RoomId, u64, EpochId), Early>,
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
    /// At most [`PARKED_MAX`] for each device and room, and [`WINDOW_BYTES`] for each device.
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

    /// Whether a frame of an epoch of a device waits at a place.
    pub fn holds(&self, device: &DeviceId, room: &RoomId, sequence: u64, epoch: &EpochId) -> bool {
        self.waiting.get(device).is_some_and(|waiting| waiting.frames.contains_key(&(*room, sequence, *epoch)))
    }

    /// The devices of which frames wait in a room.
    pub fn in_room(&self, room: &RoomId) -> Vec<DeviceId> {
        self.waiting.keys().filter(|device| self.has(device, room)).copied().collect()
    }

    /// Whether frames of a device wait in a room.
    pub fn has(&self, device: &DeviceId, room: &RoomId) -> bool {
        self.waiting.get(device).is_some_and(|waiting| waiting.frames.range(places(room, 0, u64::MAX)).next().is_some())
    }

    /// Whether one more frame of a device has a place: no honest sender has more on the way than its window.
    pub fn has_place(&self, device: &DeviceId, room: &RoomId, ahead: u64, size: usize) -> bool {
        let Some(waiting) = self.waiting.get(device) else { return ahead <= PARKED_MAX && size <= WINDOW_BYTES };
        let of_room = waiting.frames.range(places(room, 0, u64::MAX)).count();
        let is_few = u64::try_from(of_room).is_ok_and(|of_room| of_room < PARKED_MAX);
        is_few && ahead <= PARKED_MAX && waiting.bytes.saturating_add(size) <= WINDOW_BYTES
    }

    /// Keeps an early frame. When there is no more room for those of all, the device that holds most loses
    /// what it has here: nothing of it was acknowledged, so it is put again. Whether one has lost it.
    pub fn park(&mut self, device: DeviceId, sequence: u64, early: Early) -> bool {
        let place = (early.known.room, sequence, early.known.epoch);
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

    /// The frame of a device whose turn it is in a room, of an epoch to which the room has come.
    pub fn next(&mut self, state: &State, device: &DeviceId, room: &RoomId) -> Option<Early> {
        let expected = order::expected(state, device, room);
        let waiting = self.waiting.get_mut(device)?;
        let before = waiting.bytes;
        let is_of_member = |of: &RoomId| rooms::membership(state, device, of) == rooms::Membership::Member;
        // What was opened meanwhile is not wanted again, nor what came in a room that was left since. Of an epoch that has not
        // come, a frame in a place that is taken may be the beginning of another order.
        waiting.frames.retain(
            |(of, sequence, _), early| {
                if of == room { *sequence >= expected || groups::is_early(state, &early.known) } else { is_of_member(of) }
            },
        );
        let mut there = waiting.frames.range(places(room, expected, expected));
        let next = there.find(|(_, early)| !groups::is_early(state, &early.known)).map(|(place, _)| *place);
        let next = next.and_then(|place| waiting.frames.remove(&place));
        waiting.bytes = waiting.frames.values().map(|early| early.known.mls.len()).sum();
        self.bytes = self.bytes.saturating_sub(before.saturating_sub(waiting.bytes));
        if waiting.frames.is_empty() {
            self.waiting.remove(device);
        }
        next
    }
}

/// Places in a room from one sequence to another one, of all epochs.
fn places(room: &RoomId, from: u64, to: u64) -> RangeInclusive<(RoomId, u64, EpochId)> {
    (*room, from, EpochId([0; 32]))..=(*room, to, EpochId([u8::MAX; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Person, in_turn};
    use crate::seam::LinkId;

    #[test]
    fn a_device_that_numbers_frames_of_ever_new_epochs_alike_has_so_many_kept_in_a_room_and_no_more() {
        in_turn(|state, turn| {
            let device = Person::new(state, turn, 1).device.device;
            let room = |n: u8| RoomId([n; 32]);
            let mut early = EarlyFrames::default();
            let mut fill = |early: &mut EarlyFrames, room: RoomId| {
                let mut kept = 0;
                while early.has_place(&device, &room, 0, 1) && kept < 2 * PARKED_MAX {
                    let known = Known { room, epoch: EpochId::random(turn.rng), sequence: Some(0), mls: vec![1], piece: None };
                    let at = Found { device, seed: 0, counter: kept };
                    let frame = FrameId([0; 32]);
                    assert!(!early.park(device, 0, Early { origin: Origin::Link(LinkId(1)), frame, inner: None, at, known }));
                    kept += 1;
                }
                kept
            };
            assert_eq!(fill(&mut early, room(1)), PARKED_MAX);
            assert_eq!(fill(&mut early, room(2)), PARKED_MAX, "another room has its own");
            early.forget(&device);
            assert!(early.waiting.is_empty() && early.bytes == 0);
        });
    }
}
