#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::*;
use crate::fixture::{NOW, Person, in_turn, peer};
use crate::rows::message_key;
use crate::world::{Rows, Shelf, ShelfError};
use symbolon_presence::codec::encode_row;

/// The texts of one conversation.
struct Texts(Rows);

impl Shelf for Texts {
    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(None)
    }

    fn range(&self, _: Table, _: &[u8], _: usize) -> Result<Rows, ShelfError> {
        Ok(Vec::new())
    }

    fn range_back(&self, _: Table, before: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        let before: Vec<_> = self.0.iter().rev().filter(|(key, _)| key.as_slice() < before).cloned().collect();
        Ok(before.into_iter().take(limit).collect())
    }

    fn search(&self, _: &str, _: u64, _: usize) -> Result<Vec<u64>, ShelfError> {
        Ok(Vec::new())
    }
}

#[test]
fn after_a_start_only_who_has_refused_something_hears_everything_again_and_no_texts_are_held_up() {
    in_turn(|state, turn| {
        let laptop = Person::new(state, turn, 7).device;
        let rooms = Some(RoomsTaken { flight: Some(9), ..RoomsTaken::new(2, 4) });
        let said = Sibling { told: Some(Told::Said), told_rooms: Some(Told::Said), rooms, ..Sibling::new(laptop.peer, NOW) };
        state.save_sibling(turn, Sibling { flight: Some(5), ..said });
        let mut devices = Devices::default();
        devices.start(state, turn).unwrap();
        assert!(devices.fresh.is_empty());
        let row = state.siblings[&laptop.peer].clone();
        assert_eq!((row.flight, row.rooms), (None, Some(RoomsTaken::new(2, 4))), "nothing waits in the outbox: it is said once more");
        devices.flight.insert(laptop.peer, 5);
        devices.refused(state, turn, &laptop.device);
        assert!(devices.fresh.is_empty() && devices.flight.len() == 1, "not in the same run, or two would refuse each other's for ever");
        devices.start(state, turn).unwrap();
        assert!(devices.fresh.contains(&laptop.peer) && devices.flight.is_empty());
        devices.start(state, turn).unwrap();
        assert!(devices.fresh.contains(&laptop.peer), "a crash before it is said changes nothing");
        speak::hear_later(state, turn, &[laptop.peer], |row| &mut row.told);
        assert_eq!(state.siblings[&laptop.peer].told, None);
        devices.refused(state, turn, &laptop.device);
        assert_eq!(state.siblings[&laptop.peer].told, None, "what is to be said now is not put off until a start");
    });
}

#[test]
fn what_is_read_while_a_device_of_ours_cannot_hear_it_is_owed_to_it_over_a_start_and_bounded() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2).device.peer;
        let (laptop, since) = (peer(1), turn.stamp);
        state.save_sibling(turn, Sibling::new(laptop, since));
        let conversation = state.friends[&ben].conversation;
        let text = |n: u8, from, state| {
            let row = Message { id: MessageId([n; 16]), from, at: NOW, state, text: "hi".into(), fault: None, line: None, via: None };
            (message_key(&conversation, n.into()), encode_row(&row))
        };
        let (own, read, unread) = (state.own.peer, MessageState::Read, MessageState::Delivered);
        let rows = Texts(vec![text(1, ben, read), text(2, ben, read), text(3, own, unread), text(4, ben, unread), text(5, ben, read)]);
        let mut devices = Devices::default();
        devices.read(state, &ben, MessageId([2; 16]));
        devices.follow(state, turn).unwrap();
        assert_eq!(state.siblings[&laptop].marks, Some(vec![ben]), "it is kept: nobody can hear it now");
        // After a start it is still owed: the last text before the first unread one.
        let mut turn =
            Turn { shelf: &rows, now: turn.now, sure: turn.sure, stamp: turn.stamp, rng: turn.rng, cipher: turn.cipher, out: turn.out };
        let mut devices = Devices::default();
        assert!(devices.owed_marks(state, &mut turn, &laptop).unwrap() == [OwnSaid::Read(ben, MessageId([2; 16]))]);
        assert_eq!(state.siblings[&laptop].marks, None);
        assert!(devices.owed_marks(state, &mut turn, &laptop).unwrap().is_empty(), "once");
        // Of so many persons and no more, some in each turn.
        for n in 0..=MARKS_OWED_MAX as u64 {
            devices.reads.insert(peer(1_000 + n), MessageId([9; 16]));
        }
        devices.owe_reads(state, &mut turn, &[]);
        let owed = |state: &State| state.siblings[&laptop].marks.as_ref().unwrap().len();
        assert_eq!(owed(state), MARKS_OWED_MAX);
        devices.owed_marks(state, &mut turn, &laptop).unwrap();
        assert_eq!((owed(state), devices.next_due()), (MARKS_OWED_MAX - MARKS_OWED_SAID, Some(Timestamp(0))), "the rest at once");
    });
}
