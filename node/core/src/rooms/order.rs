//! Frame order: how far this device and each other one are in each room.
//!
//! Every device numbers its ordered frames in each room by themselves, from 0. So a frame that is lost or late in one
//! room holds up no other room of the same two devices. `docs/protocol/rooms.md`.

use crate::state::State;
use crate::wire::Capabilities;
use symbolon_presence::id::{DeviceId, RoomId};

/// Takes the sequence for the next ordered frame to a device; none when the device is not known.
pub(crate) fn next_sequence(state: &mut State, to: &DeviceId, room: &RoomId) -> Option<u64> {
    if !state.devices.contains_key(to) {
        return None;
    }
    let sequences = state.sequences_mut(to, room);
    let sequence = sequences.send;
    sequences.send = sequence.saturating_add(1);
    Some(sequence)
}

/// A frame to a device is a piece. If the device takes none, it waits, and so do those behind it.
pub(crate) fn note_piece(state: &mut State, to: &DeviceId, room: &RoomId, sequence: u64) {
    let is_taken = state.can(to, Capabilities::PIECES);
    let sequences = state.sequences_mut(to, room);
    sequences.held = if is_taken { None } else { Some(sequences.held.unwrap_or(sequence)) };
}

/// Whether an ordered frame waits until its device takes pieces.
pub(crate) fn is_held(state: &State, to: &DeviceId, room: &RoomId, sequence: u64) -> bool {
    state.sequences_of(to, room).held.is_some_and(|from| sequence >= from) && !state.can(to, Capabilities::PIECES)
}

/// Whether frames for a device wait for that.
pub(crate) fn has_held(state: &State, to: &DeviceId) -> bool {
    state.sequences_to(to).any(|sequences| sequences.held.is_some())
}

/// How many ordered frames were sealed for a device.
pub(crate) fn sent(state: &State, to: &DeviceId, room: &RoomId) -> u64 {
    state.sequences_of(to, room).send
}

/// The sequence of the next ordered frame from a device.
pub(crate) fn expected(state: &State, from: &DeviceId, room: &RoomId) -> u64 {
    state.sequences_of(from, room).receive
}

/// The expected frame of a device was opened.
pub(crate) fn advance(state: &mut State, from: &DeviceId, room: &RoomId) {
    let sequences = state.sequences_mut(from, room);
    sequences.receive = sequences.receive.saturating_add(1);
}

/// A device does not count in a room any more. Answers what was expected of it last.
pub(crate) fn leave(state: &mut State, device: &DeviceId, room: &RoomId) -> u64 {
    state.forget_sequences(device, room).receive
}
