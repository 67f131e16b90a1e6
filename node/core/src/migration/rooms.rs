//! From version 3 to 4: rooms have rows, and so has what changes with every envelope.
//!
//! Before, a device's row held its counters and the two sequences of the friendship's room. They become a channel and a
//! sequences.

use super::raw::{all, put, read};
use crate::rows::{Before, Channel, Device, Former, Friend, FriendState, Members, Room, Sequences, sequences_key};
use crate::table::Table;
use crate::world::{ShelfError, ShelfMut};
use minicbor::Decode;
#[cfg(test)]
use minicbor::Encode;
use std::collections::BTreeMap;
use symbolon_presence::id::{PeerId, RoomId};

/// What version 3 held in a device's row besides what stands there now.
#[derive(Decode)]
#[cfg_attr(test, derive(Encode))]
#[cbor(map)]
struct Counters {
    #[n(6)]
    send: u64,
    #[n(9)]
    receive: u64,
    #[n(7)]
    receive_counter: u64,
    #[n(8)]
    missing: Vec<u64>,
    #[n(10)]
    outbox_next: u64,
    #[n(11)]
    outbox_count: u64,
    #[n(12)]
    outbox_first: u64,
    #[n(15)]
    line: Option<RoomId>,
    #[n(16)]
    former: Option<Vec<Former>>,
    #[n(19)]
    saying: Option<u64>,
    #[n(20)]
    answering: Option<u64>,
    #[n(22)]
    is_copied: Option<bool>,
}

/// Gives each friendship a row for its room, and moves what devices counted into channels and sequences.
pub(super) fn give_rooms_and_channels_rows(shelf: &mut dyn ShelfMut) -> Result<(), ShelfError> {
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
        let old: Counters = read(&bytes)?;
        let sequences = Sequences { send: old.send, receive: old.receive, ..Sequences::default() };
        let channel = channel_of(old);
        if let Some(friend) = friends.get(&device.peer) {
            for former in channel.formers().iter().filter(|former| former.is_read) {
                register(shelf, friend, former.room)?;
            }
            if sequences != Sequences::default() {
                put(shelf, Table::Channel, sequences_key(&device.device, &friend.room), &sequences)?;
            }
        }
        put(shelf, Table::Channel, key.clone(), &channel)?;
        put(shelf, Table::Device, key, &device)?;
    }
    Ok(())
}

fn channel_of(old: Counters) -> Channel {
    let Counters { receive_counter, missing, outbox_next, outbox_count, outbox_first, .. } = old;
    let Counters { line, former, saying, answering, is_copied, .. } = old;
    let before = Some(Before { received: receive_counter, next: receive_counter, missing });
    Channel { outbox_next, outbox_count, outbox_first, line, former, saying, answering, is_copied, before, ..Channel::default() }
}

fn register(shelf: &mut dyn ShelfMut, friend: &Friend, room: RoomId) -> Result<(), ShelfError> {
    let row = Room { room, conversation: friend.conversation, members: Members::Friend(friend.peer), commits: None };
    put(shelf, Table::Room, room.as_bytes().to_vec(), &row)
}

#[cfg(test)]
pub(in crate::migration) mod tests;
