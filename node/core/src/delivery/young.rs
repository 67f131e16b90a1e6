//! Young rows: texts that a friend's device is about to sign for, whose outbox rows are in memory alone.
//!
//! A text to somebody who is here leaves with the turn that writes it, and its receipt comes a moment later. A row in the outbox would be
//! written and erased again for nothing: the message itself is durable. So the device's channel names such texts, at most [`YOUNG_MAX`],
//! and a start seals those that it finds there once more: under the same id and the same numbers, by a further key of the room. The
//! recipient answers `delivered` for a second frame in a place when it knows the message in it. Once the device is not here any more, the
//! rows are written as they are.

use super::owner::EnvelopeOwner;
use super::row::{OutboxRow, outbox_key, row_of};
use crate::command::MessageState;
use crate::limits::YOUNG_MAX;
use crate::rooms;
use crate::rows::{Inner, Message, Young, message_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{RoomPayload, Text};
use symbolon_presence::id::DeviceId;

/// What is to be noted of a row that is to be kept in memory alone; none for one that is written at once.
pub(super) fn of(state: &State, device: &DeviceId, number: u64, row: &OutboxRow) -> Option<Young> {
    let (sequence, arrival) = (row.sequence?, row.owner.arrival()?);
    let is_here = state.near.contains(device) && state.friend_of(device).is_some_and(|friend| Some(friend.room) == row.room);
    let young = state.devices.get(device)?.channel.young.as_ref().map_or(0, Vec::len);
    (is_here && young < YOUNG_MAX && !row.is_long()).then_some(Young { number, sequence, arrival })
}

/// A row has left the outbox.
pub(super) fn forget(state: &mut State, device: &DeviceId, number: u64) {
    let young = state.devices.get(device).and_then(|row| row.channel.young.as_ref());
    if young.is_some_and(|young| young.iter().any(|row| row.number == number))
        && let Some(channel) = state.channel_mut(device)
        && let Some(young) = channel.young.as_mut()
    {
        young.retain(|row| row.number != number);
        channel.young = channel.young.take().filter(|young| !young.is_empty());
    }
}

/// Writes a device's rows that are in memory alone.
pub(super) fn harden(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) {
    if state.devices.get(device).is_none_or(|row| row.channel.young.is_none()) {
        return;
    }
    for young in state.channel_mut(device).and_then(|channel| channel.young.take()).unwrap_or_default() {
        turn.harden(&outbox_key(device, young.number));
    }
}

/// The process ends: a start has nothing to seal again.
pub(crate) fn harden_all(state: &mut State, turn: &mut Turn<'_>) {
    for device in state.near.clone() {
        harden(state, turn, &device);
    }
}

/// Seals again what was in memory alone when the process ended.
pub(crate) fn seal_again(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let young: Vec<DeviceId> = state.devices.values().filter(|row| row.channel.young.is_some()).map(|row| row.device).collect();
    for device in young {
        let rows = state.channel_mut(&device).and_then(|channel| channel.young.take()).unwrap_or_default();
        for young in rows {
            match again(state, turn, &device, young)? {
                Some(row) => turn.put(Table::Outbox, &outbox_key(&device, young.number), &row),
                // The friendship has ended: nothing is put in that room.
                None => {
                    if let Some(channel) = state.channel_mut(&device) {
                        channel.outbox_count = channel.outbox_count.saturating_sub(1);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The row of a text as it was, sealed by another key of its room; none where there is no such room any more.
fn again(state: &State, turn: &mut Turn<'_>, device: &DeviceId, young: Young) -> Result<Option<OutboxRow>, TurnFailed> {
    let Some((room, conversation)) = state.friend_of(device).map(|friend| (friend.room, friend.conversation)) else { return Ok(None) };
    let message = turn.row::<Message>(Table::Message, &message_key(&conversation, young.arrival))?;
    let (owner, payload) = match message.filter(|message| message.state != MessageState::Failed) {
        Some(Message { id, at, text, .. }) => (EnvelopeOwner::Text(conversation, young.arrival), RoomPayload::Text(Text { id, at, text })),
        // It was given up: what is behind it has to be opened all the same.
        None => (EnvelopeOwner::Skip, RoomPayload::Skip),
    };
    let Ok(sealed) = rooms::seal(turn, room, &payload) else { return Ok(None) };
    let inner = Inner::around(room, &sealed, Some(young.sequence));
    Ok(inner.map(|inner| OutboxRow { sequence: Some(young.sequence), room: Some(room), ..row_of(owner, inner) }))
}
