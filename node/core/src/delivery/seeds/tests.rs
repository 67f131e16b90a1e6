//! What is kept of seeds, and for how long.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{NOW, Person, in_turn};
use crate::limits::SEED_LIFE;
use crate::seam::Action;
use crate::table::{Change, Table};
use symbolon_presence::time::DAY;

const ROOM: RoomId = RoomId([1; 32]);

fn numbers(state: &State, ben: &Person) -> Vec<u64> {
    state.inbound_of(&ben.device.device).map(|row| row.number).collect()
}

#[test]
fn the_newest_seed_and_four_older_ones_are_kept() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let mut drawn = vec![ben.heard.number];
        for _ in 0..9 {
            drawn.push(draw(state, turn, &ROOM, std::slice::from_ref(&ben.device)).number);
        }
        assert!(drawn.is_sorted());
        assert_eq!(numbers(state, &ben), drawn[5..]);
        state.flush(turn);
        let row = |change: &&Change| matches!(change, Change::Put(Table::Channel, key, _) if key.len() == 24);
        assert_eq!(turn.out.changes.iter().filter(row).count(), SEEDS_KEPT_MAX);
    });
}

#[test]
fn a_seed_is_kept_until_a_newer_one_was_used_and_thirty_sure_days_have_passed() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let first = ben.heard.number;
        let second = draw(state, turn, &ROOM, std::slice::from_ref(&ben.device)).number;
        turn.sure = NOW.after(90 * DAY);
        expire(state, turn);
        assert_eq!(numbers(state, &ben), [first, second], "nobody has used the newer one");
        used(state, NOW, &ben.device.device, second);
        turn.sure = NOW.after(SEED_LIFE - 1);
        // The wall clock alone ends nothing.
        turn.now = NOW.after(2_000 * DAY);
        expire(state, turn);
        assert_eq!(numbers(state, &ben), [first, second]);
        turn.sure = NOW.after(SEED_LIFE);
        expire(state, turn);
        assert_eq!(numbers(state, &ben), [second]);
        state.flush(turn);
        let gone = |change: &Change| matches!(change, Change::Delete(Table::Channel, key) if key.ends_with(&first.to_be_bytes()));
        assert!(turn.out.changes.iter().any(gone), "on disk, too");
    });
}

#[test]
fn no_row_holds_a_seed_itself() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let drawn = draw(state, turn, &ROOM, std::slice::from_ref(&ben.device));
        state.flush(turn);
        let has = |seed: &Seed| {
            let holds = |row: &[u8]| row.windows(32).any(|bytes| bytes == seed.secret.expose());
            turn.out.changes.iter().any(|change| matches!(change, Change::Put(_, _, row) if holds(row)))
        };
        assert!(!has(&ben.heard) && !has(&ben.said) && !has(&drawn));
        assert!(!turn.out.actions.iter().any(|action| matches!(action, Action::Net(_))), "nothing has left");
    });
}

#[test]
fn an_older_seed_said_in_the_same_room_takes_no_newer_ones_place() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let id = ben.device.device;
        let in_force = |state: &State| state.devices[&id].channel.outbound.as_ref().map(|outbound| outbound.number);
        let newer = Seed::draw(Some(ben.said.number), turn.rng);
        read(state, turn, &ROOM, &id, &newer);
        assert_eq!(in_force(state), Some(newer.number));
        read(state, turn, &ROOM, &id, &ben.said);
        assert_eq!(in_force(state), Some(newer.number));
        // In another room an older copy may begin with a lower number than the newer state had.
        read(state, turn, &RoomId([2; 32]), &id, &ben.said);
        assert_eq!(in_force(state), Some(ben.said.number));
    });
}

#[test]
fn a_seed_that_another_member_has_said_gives_way_to_what_the_device_says_in_any_room_until_it_was_used() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let id = ben.device.device;
        let [crew, band] = [2, 3].map(|n| RoomId([n; 32]));
        for room in [crew, band] {
            assert!(rooms::register_shared(state, turn, room, vec![id]));
        }
        let seed = |number: u64| Seed { number, secret: symbolon_presence::kdf::Secret::from_bytes([number as u8; 32]) };
        let known = |state: &State| state.devices[&id].channel.outbound.as_ref().map(|known| known.number);
        for is_used in [false, true] {
            state.channel_mut(&id).unwrap().outbound = None;
            // In a room in which it may not be at all.
            read_of_another(state, turn, &crew, &id, &seed(90));
            read_of_another(state, turn, &band, &id, &seed(91));
            assert_eq!(known(state), Some(90), "of two that others say the first one stays");
            if is_used {
                state.channel_mut(&id).unwrap().outbound.as_mut().unwrap().acknowledged = 1;
            }
            read(state, turn, &band, &id, &seed(5));
            assert_eq!(known(state), Some(if is_used { 90 } else { 5 }), "it has opened what was sealed so: {is_used}");
            read(state, turn, &crew, &id, &seed(90));
            assert_eq!(known(state), Some(if is_used { 90 } else { 5 }), "of two that it says itself the first one stays");
        }
    });
}
