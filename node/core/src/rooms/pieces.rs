//! Messages that are longer than an envelope, put together again from their pieces. `docs/protocol/rooms.md`.
//!
//! The pieces of a message follow each other in the order of their sender's frames, with nothing between them. So of one
//! device at most one message in a room is not whole, and its pieces have one order. They are on disk before their
//! receipts leave. What the whole says is looked at when it is whole, and was what the first piece promised.

use crate::limits::{PIECES_BYTES_MAX, PIECES_OF_ROOM_BYTES, PIECES_PATIENCE};
use crate::rows::{Pieces, piece_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{Known, Piece};
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, RoomId};
use symbolon_presence::kdf::sha256;

/// Whether there is room for the message of which this is the first piece; room for all of it is kept at once. What has
/// not continued for long gives way, and so does a device that holds more than this one would.
pub(crate) fn make_place(state: &mut State, turn: &Turn<'_>, device: &DeviceId, room: &RoomId, piece: &Piece) -> bool {
    if piece.index != 0 {
        return true;
    }
    loop {
        // What the device has begun there ends with this.
        let others: Vec<(DeviceId, RoomId, Pieces)> = state.pieces().filter(|(of, at, _)| (of, at) != (device, room)).collect();
        let sum = |is_it: &dyn Fn(&&(DeviceId, RoomId, Pieces)) -> bool| -> usize {
            others.iter().filter(is_it).map(|(.., pieces)| pieces.next.whole_max()).sum()
        };
        let size = piece.whole_max();
        let is_room_full = sum(&|(_, at, _)| at == room).saturating_add(size) > PIECES_OF_ROOM_BYTES;
        if !is_room_full && sum(&|_| true).saturating_add(size) <= PIECES_BYTES_MAX {
            return true;
        }
        let is_stale = |pieces: &Pieces| turn.sure.since(pieces.at) >= PIECES_PATIENCE;
        let stale = others.iter().filter(|(_, at, pieces)| (!is_room_full || at == room) && is_stale(pieces));
        let mut shares: BTreeMap<DeviceId, usize> = BTreeMap::new();
        for (of, _, pieces) in &others {
            *shares.entry(*of).or_default() += pieces.next.whole_max();
        }
        let own = shares.get(device).copied().unwrap_or_default().saturating_add(size);
        let most = shares.into_iter().max_by_key(|(_, share)| *share).filter(|(_, share)| !is_room_full && *share > own);
        let of_most = others.iter().filter(|(of, ..)| most.is_some_and(|(most, _)| most == *of));
        let oldest = |(.., pieces): &&(DeviceId, RoomId, Pieces)| pieces.at;
        let Some((of, at, _)) = stale.min_by_key(oldest).or_else(|| of_most.min_by_key(oldest)) else { return false };
        state.forget_pieces(of, at);
    }
}

/// Takes the next piece of a device's message. Answers the message, if it is whole.
pub(crate) fn take(
    state: &mut State,
    turn: &mut Turn<'_>,
    device: &DeviceId,
    known: &Known,
    piece: Piece,
) -> Result<Option<Vec<u8>>, Rejected> {
    let Known { room, mls, .. } = known;
    let room = *room;
    if !known.is_bounded() {
        state.forget_pieces(device, &room);
        return Err(DropReason::Malformed.into());
    }
    if piece.index == 0 {
        state.forget_pieces(device, &room);
    } else if state.sequences_of(device, &room).pieces.is_none_or(|pieces| pieces.next != piece) {
        state.forget_pieces(device, &room);
        return Err(DropReason::Malformed.into());
    }
    if !piece.is_last() {
        turn.put_raw(Table::Piece, &piece_key(device, &room, piece.index), mls.clone());
        let next = Piece { index: piece.index.saturating_add(1), ..piece };
        state.sequences_mut(device, &room).pieces = Some(Pieces { next, at: turn.stamp });
        return Ok(None);
    }
    let mut whole = Vec::with_capacity(piece.whole_max());
    for index in 0..piece.index {
        let part = turn.get(Table::Piece, &piece_key(device, &room, index))?;
        whole.extend(part.ok_or(TurnFailed("a piece of a message is gone"))?);
    }
    whole.extend(mls);
    state.forget_pieces(device, &room);
    if sha256(&whole) == piece.whole.0 { Ok(Some(whole)) } else { Err(DropReason::Malformed.into()) }
}

#[cfg(test)]
mod tests;
