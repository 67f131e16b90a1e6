//! From version 3 to 4: each room has a row, and frames are counted by room.
//!
//! Before, a device's row held the two sequences of the friendship's room. They become a lane.

use crate::rows::{Device, Friend, FriendState, Lane, Members, Room, lane_key};
use crate::table::{Change, Table};
use crate::world::{RANGE_LIMIT, Rows, ShelfError, ShelfMut};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use symbolon_presence::codec::{ROW_VERSION, encode_row};
use symbolon_presence::id::{PeerId, RoomId};

/// What version 3 held in a device's row besides what stands there now.
#[derive(Decode)]
#[cbor(map)]
struct Sequences {
    #[n(6)]
    send: u64,
    #[n(9)]
    receive: u64,
}

/// Gives each friendship a row for its room, and moves the sequences of its devices into lanes.
pub(super) fn count_frames_by_room(shelf: &mut dyn ShelfMut) -> Result<(), ShelfError> {
    let mut friends: BTreeMap<PeerId, Friend> = BTreeMap::new();
    for (_, bytes) in all(shelf, Table::Friend)? {
        let friend: Friend = read(&bytes)?;
        if friend.state != FriendState::Ended {
            register(shelf, &friend, friend.room)?;
        }
        friends.insert(friend.peer, friend);
    }
    for (key, bytes) in all(shelf, Table::Device)? {
        let device: Device = read(&bytes)?;
        let Sequences { send, receive } = read(&bytes)?;
        if let Some(friend) = friends.get(&device.peer) {
            for former in device.formers().iter().filter(|former| former.is_read) {
                register(shelf, friend, former.room)?;
            }
            let lane = Lane { send, receive };
            if lane != Lane::default() {
                put(shelf, Table::Lane, lane_key(&device.device, &friend.room), &lane)?;
            }
        }
        put(shelf, Table::Device, key, &device)?;
    }
    Ok(())
}

fn register(shelf: &mut dyn ShelfMut, friend: &Friend, room: RoomId) -> Result<(), ShelfError> {
    let row = Room { room, conversation: friend.conversation, members: Members::Friend(friend.peer) };
    put(shelf, Table::Room, room.as_bytes().to_vec(), &row)
}

fn put<T: Encode<()>>(shelf: &mut dyn ShelfMut, table: Table, key: Vec<u8>, row: &T) -> Result<(), ShelfError> {
    shelf.apply(&Change::Put(table, key, encode_row(row)))
}

/// Every row of a table.
fn all(shelf: &dyn ShelfMut, table: Table) -> Result<Rows, ShelfError> {
    let (mut rows, mut from) = (Rows::new(), Vec::new());
    loop {
        let page = shelf.range(table, &from, RANGE_LIMIT)?;
        let Some((last, _)) = page.last() else { return Ok(rows) };
        from = [last.as_slice(), &[0]].concat();
        rows.extend(page);
    }
}

/// Reads those fields of an older row that the type has.
fn read<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, ShelfError> {
    let body = bytes.split_first().filter(|(version, _)| **version == ROW_VERSION).map(|(_, body)| body);
    body.and_then(|body| minicbor::decode(body).ok()).ok_or(ShelfError("a row of an older version cannot be read"))
}

#[cfg(test)]
mod tests;
