#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{friend, in_turn, peer};
use crate::rows::{Former, ROOM_LANE, split_sequences_key};
use crate::table::Change;
use crate::turn::decode_row;
use crate::world::{Rows, Shelf};
use symbolon_presence::codec::encode_row;
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::MailboxEntry;

/// Tables in memory.
#[derive(Default)]
pub(in crate::migration) struct Tables(pub(in crate::migration) BTreeMap<(Table, Vec<u8>), Vec<u8>>);

impl Shelf for Tables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        let rows = self.0.range((table, from.to_vec())..).take_while(|((of, _), _)| *of == table);
        Ok(rows.take(limit).map(|((_, key), row)| (key.clone(), row.clone())).collect())
    }

    fn range_back(&self, _: Table, _: &[u8], _: usize) -> Result<Rows, ShelfError> {
        Ok(Vec::new())
    }

    fn search(&self, _: &str, _: u64, _: usize) -> Result<Vec<u64>, ShelfError> {
        Ok(Vec::new())
    }
}

impl ShelfMut for Tables {
    fn apply(&mut self, change: &Change) -> Result<(), ShelfError> {
        match change {
            Change::Put(table, key, row) => self.0.insert((*table, key.clone()), row.clone()),
            Change::Delete(table, key) => self.0.remove(&(*table, key.clone())),
            Change::Index(..) | Change::Unindex(..) | Change::ClearIndex => None,
        };
        Ok(())
    }
}

/// Of a device that has sent nothing.
const UNUSED: Before = Before { received: 0, next: 0, missing: Vec::new() };

/// A device's row of version 3.
fn row_of_version_3(device: &Device, send: u64, receive: u64) -> Vec<u8> {
    let Channel { outbox_next, outbox_count, outbox_first, line, former, saying, answering, is_copied, .. } = device.channel.clone();
    let Before { received: receive_counter, missing, .. } = device.channel.before.clone().unwrap_or(UNUSED);
    let moved = Counters {
        send,
        receive_counter,
        missing,
        receive,
        outbox_next,
        outbox_count,
        outbox_first,
        line,
        former,
        saying,
        answering,
        is_copied,
    };
    // Behind the version stands how many fields the map has: fewer than 24, both together.
    let (mut row, moved) = (encode_row(device), encode_row(&moved));
    row[1] += moved[1] & 0x1f;
    row.extend_from_slice(&moved[2..]);
    row
}

#[test]
fn what_devices_have_counted_goes_on_in_channels_and_sequences() {
    in_turn(|state, turn| {
        let entry = MailboxEntry {
            mailbox: state.own.admission.id(),
            receipt: state.own.identity.signing.public(),
            address: vec![1; 80],
            places: Vec::new(),
        };
        let device = |number: u8, of: u64| Device::new(DeviceId([number; 16]), peer(of), state.own.identity.chain.clone(), entry.clone());
        let room = |number: u8| RoomId([number; 32]);
        let left = Former { room: room(9), receive_sequence: 4, until: Timestamp(1), is_read: true, opened: None };
        let gone = Former { room: room(8), is_read: false, ..left.clone() };
        let ended = Friend { room: room(3), state: FriendState::Ended, ..friend(3) };
        let friends = [Friend { room: room(1), conversation: room(7), ..friend(1) }, Friend { room: room(2), ..friend(2) }, ended];
        let used = Channel {
            outbox_next: ROOM_LANE + 9,
            outbox_count: 2,
            outbox_first: 4,
            line: Some(room(1)),
            former: Some(vec![left, gone]),
            saying: Some(3),
            answering: None,
            is_copied: Some(true),
            outbound: None,
            before: Some(Before { received: 70, next: 70, missing: vec![3, 69] }),
            is_lost: None,
            young: None,
        };
        let moved = Device { channel: used, ..device(1, 1) };
        let mut shelf = Tables::default();
        for friend in &friends {
            shelf.0.insert((Table::Friend, friend.peer.as_bytes().to_vec()), encode_row(friend));
        }
        for (device, send, receive) in [(&moved, 5, 6), (&device(2, 2), 0, 0), (&device(3, 3), 1, 2), (&device(4, 4), 0, 0)] {
            shelf.0.insert((Table::Device, device.device.as_bytes().to_vec()), row_of_version_3(device, send, receive));
        }
        assert!(decode_row::<Device>(&shelf.0[&(Table::Device, vec![1; 16])]).is_err(), "a row of version 3");
        give_rooms_and_channels_rows(&mut shelf).unwrap();

        for (id, device) in [([1; 16], &moved), ([2; 16], &device(2, 2)), ([3; 16], &device(3, 3)), ([4; 16], &device(4, 4))] {
            let row: Device = decode_row(&shelf.0[&(Table::Device, id.to_vec())]).unwrap();
            let channel: Channel = decode_row(&shelf.0[&(Table::Channel, id.to_vec())]).unwrap();
            let before = device.channel.before.clone().or(Some(UNUSED));
            assert!(channel == Channel { before, ..device.channel.clone() });
            assert!(Device { channel: device.channel.clone(), ..row } == *device);
        }
        let rooms = shelf.range(Table::Room, &[], 10).unwrap();
        let rooms: Vec<Room> = rooms.iter().map(|(_, row)| decode_row(row).unwrap()).collect();
        let of = |number: u8, conversation: u8, friend: u64| Room {
            room: room(number),
            conversation: room(conversation),
            members: Members::Friend(peer(friend)),
            commits: None,
        };
        assert_eq!(rooms, [of(1, 7, 1), of(2, 1, 2), of(9, 7, 1)], "the friendships' rooms, and one that was left and is read");
        let sequences = shelf.range(Table::Channel, &[], 10).unwrap();
        let read = |(key, row): &(Vec<u8>, Vec<u8>)| Some((split_sequences_key(key)?, decode_row::<Sequences>(row).unwrap()));
        let sequences: Vec<_> = sequences.iter().filter_map(read).collect();
        let of = |device: u8, number: u8, send, receive| {
            ((DeviceId([device; 16]), room(number)), Sequences { send, receive, ..Sequences::default() })
        };
        assert_eq!(sequences, [of(1, 1, 5, 6), of(3, 3, 1, 2)], "an ended friendship's room is counted on until its device has left it");
        assert!(turn.out.actions.is_empty());
    });
}
