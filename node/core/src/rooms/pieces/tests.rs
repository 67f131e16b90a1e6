//! What becomes whole, what ends a message that is not, and how much waits.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{Person, in_turn};
use crate::wire::{PIECE_LEN, WHOLE_MAX};
use proptest::prelude::*;
use symbolon_presence::id::{Digest, EpochId};
use symbolon_presence::time::SECOND;

const ROOM: RoomId = RoomId([1; 32]);

/// A message of so many full pieces, filled with a byte.
fn parts(count: usize, byte: u8) -> Vec<Known> {
    let mls = vec![byte; count * PIECE_LEN];
    let known =
        |(piece, part): (Option<Piece>, &[u8])| Known { room: ROOM, epoch: EpochId([2; 32]), sequence: Some(0), mls: part.to_vec(), piece };
    Piece::split(&mls).into_iter().map(known).collect()
}

/// Hands one in; none when it finds no place.
fn hand(state: &mut State, turn: &mut Turn<'_>, of: &DeviceId, known: &Known) -> Option<Result<Option<Vec<u8>>, DropReason>> {
    let piece = known.piece.unwrap();
    make_place(state, turn, of, &known.room, &piece).then(|| match take(state, turn, of, known, piece) {
        Ok(whole) => Ok(whole),
        Err(Rejected::Drop(reason)) => Err(reason),
        Err(Rejected::Turn(failed)) => panic!("{failed:?}"),
    })
}

/// Pieces on disk, at the end of the turn.
fn rows(state: &mut State, turn: &mut Turn<'_>) -> usize {
    state.flush(turn);
    turn.range(Table::Piece, &[], 10_000).unwrap().len()
}

#[test]
fn pieces_in_their_order_are_the_whole_and_leave_nothing_behind() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1).device.device;
        let all = parts(16, 7);
        for (n, known) in all.iter().enumerate().take(15) {
            assert_eq!(hand(state, turn, &ben, known), Some(Ok(None)));
            assert_eq!(rows(state, turn), n + 1);
        }
        assert_eq!(hand(state, turn, &ben, &all[15]), Some(Ok(Some(vec![7; 16 * PIECE_LEN]))));
        assert_eq!(rows(state, turn), 0);
    });
}

#[test]
fn what_does_not_follow_ends_the_message_and_the_next_one_begins_as_if_nothing_had_been() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1).device.device;
        let (a, b) = (parts(4, 1), parts(4, 2));
        let wrong_count = Known { piece: a[1].piece.map(|piece| Piece { count: 5, ..piece }), ..a[1].clone() };
        let again = &a[0];
        let other = &b[1];
        let gap = &a[2];
        for (wrong, begins) in [(&wrong_count, false), (again, true), (other, false), (gap, false)] {
            assert_eq!(hand(state, turn, &ben, &a[0]), Some(Ok(None)));
            let expected = if begins { Ok(None) } else { Err(DropReason::Malformed) };
            assert_eq!(hand(state, turn, &ben, wrong), Some(expected));
            assert_eq!(rows(state, turn), usize::from(begins));
            for (n, known) in b.iter().enumerate() {
                let whole = (n == 3).then(|| vec![2; 4 * PIECE_LEN]);
                assert_eq!(hand(state, turn, &ben, known), Some(Ok(whole)));
            }
            assert_eq!(rows(state, turn), 0);
        }
        assert_eq!(hand(state, turn, &ben, &a[3]), Some(Err(DropReason::Malformed)), "a last one alone");
    });
}

#[test]
fn a_whole_that_is_not_what_was_promised_is_refused_and_gone() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1).device.device;
        let mut all = parts(3, 7);
        for known in &mut all {
            known.piece = known.piece.map(|piece| Piece { whole: Digest([9; 32]), ..piece });
        }
        assert_eq!(hand(state, turn, &ben, &all[0]), Some(Ok(None)));
        assert_eq!(hand(state, turn, &ben, &all[1]), Some(Ok(None)));
        assert_eq!(hand(state, turn, &ben, &all[2]), Some(Err(DropReason::Malformed)));
        assert_eq!(rows(state, turn), 0);
    });
}

#[test]
fn a_device_or_room_that_is_forgotten_leaves_no_piece_on_disk() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1).device.device;
        for forget_device in [true, false] {
            for known in &parts(5, 7)[..3] {
                hand(state, turn, &ben, known);
            }
            assert_eq!(rows(state, turn), 3);
            if forget_device {
                let row = state.devices.get(&ben).unwrap().clone();
                state.forget_device(&ben);
                assert_eq!(rows(state, turn), 0);
                state.save_device(row);
            } else {
                state.forget_room(turn, &ROOM);
                assert_eq!(rows(state, turn), 0);
            }
        }
    });
}

#[test]
fn a102_two_messages_fill_a_room_and_what_does_not_go_on_for_a_day_gives_way() {
    in_turn(|state, turn| {
        let people: Vec<DeviceId> = (1..5).map(|n| Person::new(state, turn, n).device.device).collect();
        let all = parts(16, 7);
        for of in &people[..2] {
            assert_eq!(hand(state, turn, of, &all[0]), Some(Ok(None)));
            turn.stamp = turn.stamp.after(SECOND);
        }
        assert_eq!(hand(state, turn, &people[2], &all[0]), None, "8 MiB wait");
        assert_eq!(hand(state, turn, &people[1], &all[1]), Some(Ok(None)), "what was begun continues");
        let elsewhere = Known { room: RoomId([2; 32]), ..all[0].clone() };
        assert_eq!(hand(state, turn, &people[2], &elsewhere), Some(Ok(None)), "another room");
        // The wall clock alone lets nothing go.
        turn.now = turn.now.after(100 * PIECES_PATIENCE);
        assert_eq!(hand(state, turn, &people[2], &all[0]), None);
        turn.sure = turn.sure.after(PIECES_PATIENCE);
        assert_eq!(hand(state, turn, &people[2], &all[0]), Some(Ok(None)), "the first has not continued");
        assert_eq!(hand(state, turn, &people[0], &all[1]), Some(Err(DropReason::Malformed)));
        assert_eq!(hand(state, turn, &people[1], &all[2]), Some(Ok(None)));
    });
}

#[test]
fn a102_messages_of_all_rooms_are_bounded_and_a_device_that_begins_many_loses_its_own() {
    in_turn(|state, turn| {
        let (mallory, ben) = (Person::new(state, turn, 1).device.device, Person::new(state, turn, 2).device.device);
        let first = parts(16, 7).swap_remove(0);
        let whole = WHOLE_MAX;
        for n in 0..40 {
            turn.stamp = turn.stamp.after(SECOND);
            let known = Known { room: RoomId([100 + n; 32]), ..first.clone() };
            hand(state, turn, &mallory, &known);
        }
        assert_eq!(state.pieces().count(), PIECES_BYTES_MAX / whole);
        assert_eq!(rows(state, turn), PIECES_BYTES_MAX / whole);
        assert_eq!(hand(state, turn, &ben, &first), Some(Ok(None)), "who has nothing there finds a place");
        assert_eq!(state.pieces().count(), PIECES_BYTES_MAX / whole);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever comes in whatever order: a whole comes out just when its pieces have come one after the other, and what
    /// is on disk is what the device's row says.
    #[test]
    fn any_order_gives_a_whole_just_where_its_pieces_follow_each_other(steps in prop::collection::vec((0u8..3, 0usize..3), 1..60)) {
        in_turn(|state, turn| {
            let ben = Person::new(state, turn, 1).device.device;
            let messages: Vec<Vec<Known>> = (0..3).map(|n| parts(3, n)).collect();
            let mut run: Option<(u8, usize)> = None;
            for (of, index) in &steps {
                let known = &messages[usize::from(*of)][*index];
                let follows = *index == 0 || run == Some((*of, *index));
                let expected = match (follows, index) {
                    (false, _) => Err(DropReason::Malformed),
                    (true, 2) => Ok(Some(vec![*of; 3 * PIECE_LEN])),
                    (true, _) => Ok(None),
                };
                run = (follows && *index < 2).then_some((*of, index + 1));
                assert!(hand(state, turn, &ben, known) == Some(expected));
                assert_eq!(rows(state, turn), run.map_or(0, |(_, next)| next));
            }
        });
    }
}
