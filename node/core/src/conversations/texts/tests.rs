//! Which conversation a number of arrival belongs to.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{in_turn, peer};

const ROOM: RoomId = RoomId([1; 32]);
const OTHER: RoomId = RoomId([2; 32]);

/// Where the messages of these tests arrive: 300 in one room, 100 in the other, and so on.
fn at(number: u64) -> RoomId {
    if number % 400 < 300 { ROOM } else { OTHER }
}

fn fill(state: &mut State, turn: &mut Turn<'_>, end: u64) {
    for number in 0..end {
        note_line(state, turn, &at(number), &peer(1), Line::Created);
    }
}

fn room_of(turn: &Turn<'_>, number: u64) -> Option<RoomId> {
    conversation_of(turn, number).unwrap()
}

#[test]
fn what_arrives_in_a_row_in_one_conversation_has_one_row_and_each_number_is_found() {
    in_turn(|state, turn| {
        fill(state, turn, 2_000);
        assert_eq!(turn.range(Table::Arrival, &[], RANGE_LIMIT).unwrap().len(), 10);
        assert!((0..2_000).step_by(7).all(|number| room_of(turn, number) == Some(at(number))));
        // An older build has a row for each.
        for number in 0..400u64 {
            turn.put_raw(Table::Arrival, &number.to_be_bytes(), at(number).as_bytes().to_vec());
        }
        assert!((0..2_000).step_by(7).all(|number| room_of(turn, number) == Some(at(number))));
    });
}

#[test]
fn while_a_room_is_forgotten_page_by_page_what_is_left_of_it_is_found_and_so_is_what_comes_then() {
    in_turn(|state, turn| {
        fill(state, turn, 2_048);
        let mut pages = 0;
        while !forget(state, turn, &ROOM, 0).unwrap() {
            pages += 1;
            let left = turn.range(Table::Message, &message_key(&ROOM, 0), RANGE_LIMIT).unwrap();
            let left: Vec<u64> = left.iter().filter_map(|(key, _)| split_key(key)).filter(|(of, _)| *of == ROOM).map(|(_, n)| n).collect();
            assert!(left.iter().step_by(50).chain(left.first()).all(|number| room_of(turn, *number) == Some(ROOM)));
        }
        assert_eq!(pages, 1);
        assert!((0..2_048).filter(|number| at(*number) == OTHER).step_by(9).all(|number| room_of(turn, number) == Some(OTHER)));
        for room in [ROOM, ROOM, OTHER] {
            let number = state.counters.arrival;
            note_line(state, turn, &room, &peer(1), Line::Created);
            assert_eq!(room_of(turn, number), Some(room));
        }
    });
}

#[test]
fn a_message_is_found_by_its_id_also_in_the_form_of_an_older_build() {
    in_turn(|state, turn| {
        for room in [ROOM, OTHER] {
            let (number, id) = (state.next_arrival(turn, &room), MessageId::at(turn.stamp, turn.rng));
            turn.put_raw(Table::MessageIndex, id.as_bytes(), number.to_be_bytes().to_vec());
            assert_eq!(key_of_message(turn, &id).unwrap(), Some(message_key(&room, number)));
            turn.put_raw(Table::MessageIndex, id.as_bytes(), message_key(&room, number));
            assert_eq!(key_of_message(turn, &id).unwrap(), Some(message_key(&room, number)));
            assert_eq!(key_of_message(turn, &MessageId([9; 16])).unwrap(), None);
        }
    });
}

#[test]
fn numbers_are_taken_many_at_a_time_and_a_start_uses_none_again() {
    in_turn(|state, turn| {
        let mut writes = 0;
        for number in 0..200 {
            assert_eq!(state.next_arrival(turn, &ROOM), number);
            let before = turn.get(Table::Meta, b"counters").unwrap();
            state.flush(turn);
            let after = turn.get(Table::Meta, b"counters").unwrap();
            writes += usize::from(before != after);
            let stored: crate::rows::Counters = decode_row(&after.unwrap()).unwrap();
            assert!(stored.arrival > number, "a start begins behind it");
        }
        assert_eq!(writes, 4);
    });
}
