//! Lines: where the counters of known envelopes begin, and the rooms that were left.
//!
//! A room that takes the place of another one begins its counters elsewhere. So an older copy of a
//! folder that enters it uses no counter that was used before. What was left in a room whose
//! friendship was renewed is read for a while. `docs/protocol/renewal.md`.

use crate::delivery::tags::MISSING_OF_FORMER_MAX;
use crate::limits::{FORMER_LIFE, FORMER_MAX};
use crate::notice::DeliveryNotice;
use crate::people;
use crate::rooms::order;
use crate::rows::Former;
use crate::state::State;
use crate::turn::Turn;
use symbolon_presence::envelope::line_start;
use symbolon_presence::id::{PeerId, RoomId};

/// Moves the counters between us and a person's devices to where they begin in `room`. Those that
/// count there already stay as they are. Answers the rooms that are not read any more.
pub(crate) fn enter(
    state: &mut State,
    turn: &mut Turn<'_>,
    peer: &PeerId,
    left: Option<RoomId>,
    room: RoomId,
    is_read: bool,
) -> Vec<RoomId> {
    let own = state.own.identity.device;
    let mut forgotten = Vec::new();
    for device in people::devices_of(state, peer) {
        if state.devices.get(&device).is_none_or(|row| row.channel.line == Some(room)) {
            continue;
        }
        let receive_sequence = left.map_or(0, |left| order::leave(state, &device, &left));
        let Some(row) = state.channel_mut(&device) else { continue };
        let mut formers = row.former.take().unwrap_or_default();
        let is_used = row.receive_counter > 0 || row.line.is_some();
        if let Some(left) = left.filter(|_| is_used) {
            let mut missing = std::mem::take(&mut row.missing);
            missing.drain(..missing.len().saturating_sub(MISSING_OF_FORMER_MAX));
            let receive_counter = row.receive_counter;
            let until = turn.stamp.after(FORMER_LIFE);
            let opened = Some(receive_sequence);
            formers.push(Former { room: left, receive_counter, missing, receive_sequence, until, is_read, opened });
        }
        let excess = formers.len().saturating_sub(FORMER_MAX);
        forgotten.extend(formers.drain(..excess).filter(|former| former.is_read).map(|former| former.room));
        row.former = (!formers.is_empty()).then_some(formers);
        row.line = Some(room);
        row.is_copied = None;
        row.send_counter = line_start(&room, &own, &device);
        row.receive_counter = line_start(&room, &device, &own);
        row.missing.clear();
        turn.tell(DeliveryNotice::Recounted(device));
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
        turn.tell(DeliveryNotice::Recounted(device));
    }
    forgotten
}
