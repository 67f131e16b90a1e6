//! A channel of version 5.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::migration::rooms::tests::Tables;
use crate::rows::{Former, ROOM_LANE, Sequences, sequences_key};
use crate::turn::decode_row;
use minicbor::Encode;
use symbolon_presence::codec::encode_row;
use symbolon_presence::id::RoomId;
use symbolon_presence::time::Timestamp;

#[derive(Encode)]
#[cbor(map)]
struct FormerOfVersion5 {
    #[n(0)]
    room: RoomId,
    #[n(1)]
    receive_counter: u64,
    #[n(2)]
    missing: Vec<u64>,
    #[n(3)]
    receive_sequence: u64,
    #[n(4)]
    until: Timestamp,
    #[n(5)]
    is_read: bool,
}

#[derive(Encode)]
#[cbor(map)]
struct ChannelOfVersion5 {
    #[n(0)]
    send_counter: u64,
    #[n(1)]
    receive_counter: u64,
    #[n(2)]
    missing: Vec<u64>,
    #[n(3)]
    outbox_next: u64,
    #[n(4)]
    outbox_count: u64,
    #[n(5)]
    outbox_first: u64,
    #[n(6)]
    line: Option<RoomId>,
    #[n(7)]
    former: Option<Vec<FormerOfVersion5>>,
    #[n(8)]
    saying: Option<u64>,
}

#[test]
fn a_channel_keeps_its_outbox_and_its_rooms_and_loses_its_counters() {
    let room = |number: u8| RoomId([number; 32]);
    let former = FormerOfVersion5 {
        room: room(9),
        receive_counter: 1 << 60,
        missing: vec![4],
        receive_sequence: 4,
        until: Timestamp(1),
        is_read: true,
    };
    let old = ChannelOfVersion5 {
        send_counter: 1 << 40,
        receive_counter: 70,
        missing: vec![3, 69],
        outbox_next: ROOM_LANE + 9,
        outbox_count: 2,
        outbox_first: 4,
        line: Some(room(1)),
        former: Some(vec![former]),
        saying: Some(3),
    };
    let mut shelf = Tables::default();
    let sequences = Sequences { send: 5, receive: 6, ..Sequences::default() };
    let at = sequences_key(&DeviceId([1; 16]), &room(1));
    shelf.0.insert((Table::Channel, vec![1; 16]), encode_row(&old));
    shelf.0.insert((Table::Channel, at.clone()), encode_row(&sequences));
    assert!(decode_row::<Channel>(&shelf.0[&(Table::Channel, vec![1; 16])]).is_err(), "a row of version 5");
    take_counters_out_of_channels(&mut shelf).unwrap();

    let channel: Channel = decode_row(&shelf.0[&(Table::Channel, vec![1; 16])]).unwrap();
    let left = Former { room: room(9), receive_sequence: 4, until: Timestamp(1), is_read: true, opened: None };
    let expected = Channel {
        outbox_next: ROOM_LANE + 9,
        outbox_count: 2,
        outbox_first: 4,
        line: Some(room(1)),
        former: Some(vec![left]),
        saying: Some(3),
        before: Some(crate::rows::Before { received: 70, next: 70, missing: vec![3, 69] }),
        ..Channel::default()
    };
    assert!(channel == expected);
    assert_eq!(decode_row::<Sequences>(&shelf.0[&(Table::Channel, at)]).unwrap(), sequences);
}
