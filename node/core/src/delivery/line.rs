//! Lines: which room a device is in, and the rooms that were left.
//!
//! What was left in a room whose friendship was renewed is read for a while. `docs/protocol/renewal.md`.

use crate::limits::{FORMER_LIFE, FORMER_MAX};
use crate::people;
use crate::rooms::order;
use crate::rows::Former;
use crate::state::State;
use crate::turn::Turn;
use symbolon_presence::id::{PeerId, RoomId};

/// A person's devices are in `room` now. Answers the rooms that are not read any more.
pub(crate) fn enter(
    state: &mut State,
    turn: &mut Turn<'_>,
    peer: &PeerId,
    left: Option<RoomId>,
    room: RoomId,
    is_read: bool,
) -> Vec<RoomId> {
    let mut forgotten = Vec::new();
    for device in people::devices_of(state, peer) {
        if state.devices.get(&device).is_none_or(|row| row.channel.line == Some(room)) {
            continue;
        }
        let receive_sequence = left.map_or(0, |left| order::leave(state, &device, &left));
        let Some(row) = state.channel_mut(&device) else { continue };
        let mut formers = row.former.take().unwrap_or_default();
        let is_used = row.line.is_some();
        if let Some(left) = left.filter(|_| is_used) {
            let until = turn.stamp.after(FORMER_LIFE);
            let opened = Some(receive_sequence);
            formers.push(Former { room: left, receive_sequence, until, is_read, opened });
        }
        let excess = formers.len().saturating_sub(FORMER_MAX);
        forgotten.extend(formers.drain(..excess).filter(|former| former.is_read).map(|former| former.room));
        row.former = (!formers.is_empty()).then_some(formers);
        row.line = Some(room);
        row.is_copied = None;
        row.is_lost = None;
    }
    forgotten
}

/// Forgets the rooms that a person's devices have left: all, or those whose time is up. Answers those
/// that the cipher still holds.
pub(crate) fn forget(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, all: bool) -> Vec<RoomId> {
    let mut forgotten = Vec::new();
    for device in people::devices_of(state, peer) {
        let is_over = |former: &Former| all || former.until.is_expired_at(turn.sure);
        if !state.devices.get(&device).is_some_and(|row| row.channel.formers().iter().any(is_over)) {
            continue;
        }
        let Some(row) = state.channel_mut(&device) else { continue };
        let (over, kept): (Vec<Former>, Vec<Former>) = row.former.take().unwrap_or_default().into_iter().partition(is_over);
        row.former = (!kept.is_empty()).then_some(kept);
        forgotten.extend(over.into_iter().filter(|former| former.is_read).map(|former| former.room));
    }
    forgotten
}
