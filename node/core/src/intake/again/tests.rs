//! What is kept, for how long, what opens it, and what a flood pushes out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{Person, in_turn, proved};
use crate::limits::{UNOPENED_BYTES_MAX, UNOPENED_MAX, WINDOW};
use crate::rows::{Inbound, Members, RelayKey, Room};
use crate::table::Change;
use crate::wire::Known;
use crate::world::Lifetime;
use rand_core::Rng;
use symbolon_presence::codec;
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::id::{EpochId, GrantId, MailboxId, PublicKeyBytes, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seeds::{Opener, Ratchet, SKIPPED_MAX, Seed};
use symbolon_presence::time::{DAY, SECOND};
use symbolon_relay::grant::Queue;
use symbolon_relay::session::Deposit;

const ROOM: RoomId = RoomId([1; 32]);

fn relay(number: u8) -> RelayKey {
    (MailboxId([number; 32]), PublicKeyBytes([number; 32]))
}

/// Lets a relay hand an envelope out. Whether the relay may delete it.
fn hand(intake: &mut Intake, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, by: u8, envelope: &[u8]) -> bool {
    let deposit = Deposit { number: 7, grant: GrantId([1; 16]), queue: Queue::Direct, usage: None, envelope: envelope.to_vec() };
    intake.deposit(state, delivery, turn, relay(by), &deposit).unwrap();
    delivery.take_entries().settled == [(relay(by), 7)]
}

/// This node holds the friendship's room.
fn hold(turn: &mut Turn<'_>) {
    let leaf = turn.cipher.fresh_leaf().unwrap();
    let lifetime = Lifetime { not_before: turn.now, not_after: turn.now.after(DAY) };
    turn.cipher.create(ROOM, leaf, b"", lifetime, None).unwrap();
}

/// Known envelopes of nobody; each another one.
fn junk(turn: &mut Turn<'_>, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    turn.rng.fill_bytes(&mut bytes);
    [[1, 3].as_slice(), &bytes[2..]].concat()
}

/// What a device seals under a seed with a counter, in the same place of a room.
fn sealed(state: &State, who: &Person, seed: &Seed, counter: u64, room: RoomId) -> Vec<u8> {
    sealed_for(state, who, seed, counter, (room, counter))
}

/// The same in any place of a room.
fn sealed_for(state: &State, who: &Person, seed: &Seed, counter: u64, (room, sequence): (RoomId, u64)) -> Vec<u8> {
    let me = &state.own.identity;
    let mut keys = Ratchet::agree(seed, &who.identity.dh, &me.dh.public(), &who.device.device, &me.device);
    (0..counter).for_each(|_| drop(keys.turn()));
    let known = Known { room, epoch: EpochId([2; 32]), sequence: Some(sequence), mls: vec![1], piece: None };
    keys.turn().seal(&[3; 12], &codec::encode(&known)).unwrap()
}

/// This node learns a seed under which a device writes.
fn learn(state: &mut State, who: &Person, seed: &Seed) {
    let me = &state.own.identity;
    let ratchet = Ratchet::agree(seed, &me.dh, &who.device.dh, &who.device.device, &me.device);
    let row = Inbound { number: seed.number, room: ROOM, opener: Opener::new(ratchet), replaced: None };
    state.add_inbound(&who.device.device, row);
}

fn seed(number: u64) -> Seed {
    Seed { number, secret: Secret::from_bytes([9; 32]) }
}

/// Frames that a device is to hear of.
fn owed(delivery: &Delivery, who: &Person) -> Vec<FrameId> {
    delivery.owed_to(&who.device.device).iter().map(|item| item.frame).collect()
}

fn kept(intake: &Intake) -> (usize, usize) {
    (intake.unopened.entries.len(), intake.unopened.bytes)
}

/// Rows on disk.
fn rows_of(turn: &Turn<'_>) -> usize {
    turn.range(Table::Unopened, &[], 10_000).unwrap().len()
}

#[test]
fn an_envelope_that_overtakes_its_seed_is_kept_opened_with_the_seed_and_its_sender_is_told() {
    in_turn(|state, turn| {
        hold(turn);
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        // The second lies farther ahead than tags are kept ready.
        let early = [0, 700].map(|counter| sealed(state, &ben, &seed(u64::MAX), counter, ROOM));
        for envelope in &early {
            assert!(hand(&mut intake, state, &mut delivery, turn, 1, envelope), "the relay deletes what is kept here");
        }
        assert_eq!((kept(&intake), rows_of(turn)), ((2, 1_024), 2));
        assert_eq!(intake.next_due(state), None, "nothing new");
        assert!(owed(&delivery, &ben).is_empty());

        learn(state, &ben, &seed(u64::MAX));
        assert_eq!(intake.next_due(state), Some(Timestamp(0)));
        intake.try_again(state, &mut delivery, turn).unwrap();
        let first = frame_id(&early[0]);
        assert_eq!(owed(&delivery, &ben), [first]);
        // The other one comes before its turn in the room, so it waits on.
        assert_eq!(rows_of(turn), 1);
        assert!(intake.unopened.entries.values().all(|entry| entry.awaits == Awaits::Turn(ben.device.device)));
        // A repeat of the first is answered the same.
        hand(&mut intake, state, &mut delivery, turn, 2, &early[0]);
        assert_eq!(owed(&delivery, &ben), [first, first]);
    });
}

#[test]
fn what_comes_so_late_that_its_key_is_forgotten_is_not_answered_although_later_ones_were_taken_in() {
    in_turn(|state, turn| {
        hold(turn);
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        learn(state, &ben, &seed(u64::MAX));
        let highest = SKIPPED_MAX as u64 + 1;
        // One key more was skipped than is remembered: the lowest is gone.
        let [last, forgotten, skipped] =
            [(highest, 0), (0, 1), (1, 1)].map(|(counter, place)| sealed_for(state, &ben, &seed(u64::MAX), counter, (ROOM, place)));
        for envelope in [&last, &forgotten, &skipped] {
            hand(&mut intake, state, &mut delivery, turn, 1, envelope);
        }
        assert_eq!(owed(&delivery, &ben), [frame_id(&last), frame_id(&skipped)]);
    });
}

#[test]
fn an_envelope_of_a_room_that_is_entered_later_is_opened_then() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let other = RoomId([8; 32]);
        let envelope = sealed(state, &ben, &ben.heard, 0, other);
        assert!(hand(&mut intake, state, &mut delivery, turn, 1, &envelope));
        intake.try_again(state, &mut delivery, turn).unwrap();
        assert_eq!(kept(&intake).0, 1);
        state.save_room(turn, Room { room: other, conversation: other, members: Members::Devices(vec![ben.device.device]), commits: None });
        intake.try_again(state, &mut delivery, turn).unwrap();
        assert_eq!((owed(&delivery, &ben), rows_of(turn)), (vec![frame_id(&envelope)], 0));
    });
}

#[test]
fn what_was_kept_survives_a_start_and_ends_after_a_day_of_sure_time() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let envelope = sealed(state, &ben, &seed(u64::MAX), 0, ROOM);
        let strange = junk(turn, 2_048);
        for (by, envelope) in [(1, &envelope), (2, &strange)] {
            hand(&mut intake, state, &mut delivery, turn, by, envelope);
        }
        intake = Intake::default();
        intake.start(turn).unwrap();
        assert_eq!(kept(&intake), (2, 2_560));
        learn(state, &ben, &seed(u64::MAX));
        intake.try_again(state, &mut delivery, turn).unwrap();
        assert_eq!(owed(&delivery, &ben), [frame_id(&envelope)], "with the relay's answer that it had before");

        turn.now = turn.now.after(1_000 * UNOPENED_LIFE);
        turn.sure = turn.sure.after(UNOPENED_LIFE - 1);
        intake.expire(turn);
        assert_eq!(rows_of(turn), 1, "the wall clock alone ends nothing");
        turn.sure = turn.sure.after(1);
        intake.expire(turn);
        assert_eq!((kept(&intake), rows_of(turn)), ((0, 0), 0));
        assert!(intake.dropped().contains(&("unopenable", 1)), "and it is counted");
    });
}

#[test]
fn a102_junk_of_one_relay_pushes_out_its_own_and_neither_another_relays_nor_what_a_friend_has_sealed() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let early = sealed(state, &ben, &seed(u64::MAX), 0, ROOM);
        let of_room = sealed(state, &ben, &ben.heard, 0, RoomId([8; 32]));
        for (by, envelope) in [(2, &early), (1, &of_room)] {
            hand(&mut intake, state, &mut delivery, turn, by, envelope);
        }
        for _ in 0..2 * UNOPENED_MAX {
            turn.stamp = turn.stamp.after(SECOND);
            let strange = junk(turn, 512);
            hand(&mut intake, state, &mut delivery, turn, 1, &strange);
        }
        assert_eq!(kept(&intake), (UNOPENED_MAX, 512 * UNOPENED_MAX));
        assert_eq!(rows_of(turn), UNOPENED_MAX);
        assert!(intake.dropped().contains(&("full", UNOPENED_MAX as u64 + 2)));
        for envelope in [&early, &of_room] {
            assert!(intake.unopened.entries.contains_key(&frame_id(envelope)));
        }
        // The newest of the flood is there, the oldest is gone.
        let oldest = intake.unopened.entries.values().map(|entry| entry.at).filter(|at| *at > crate::fixture::NOW).min().unwrap();
        assert!(turn.stamp.since(oldest) < UNOPENED_MAX as u64 * SECOND);
    });
}

#[test]
fn a102_long_junk_is_bounded_by_its_bytes_and_pushes_out_what_is_as_long() {
    in_turn(|state, turn| {
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let short: Vec<Vec<u8>> = (0..20).map(|_| junk(turn, 512)).collect();
        for envelope in &short {
            hand(&mut intake, state, &mut delivery, turn, 1, envelope);
        }
        for _ in 0..100 {
            (turn.now, turn.stamp) = (turn.now.after(SECOND), turn.stamp.after(SECOND));
            let long = junk(turn, 256 * 1024);
            hand(&mut intake, state, &mut delivery, turn, 1, &long);
            assert!(kept(&intake).1 <= UNOPENED_BYTES_MAX);
        }
        assert_eq!(kept(&intake).0, 20 + 63);
        assert!(short.iter().all(|envelope| intake.unopened.entries.contains_key(&frame_id(envelope))));
    });
}

#[test]
fn a102_what_a_relay_brings_and_nothing_opens_is_written_at_a_bounded_pace() {
    in_turn(|state, turn| {
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        turn.now = Timestamp(turn.now.0 / MINUTE * MINUTE);
        for by in [1, 2] {
            for _ in 0..100 {
                let long = junk(turn, 256 * 1024);
                assert!(hand(&mut intake, state, &mut delivery, turn, by, &long), "the relay keeps nothing of it");
            }
        }
        let puts = |turn: &Turn<'_>| turn.out.changes.iter().filter(|change| matches!(change, Change::Put(Table::Unopened, ..))).count();
        assert_eq!(puts(turn), 2 * 64, "16 MiB of each");
        turn.now = turn.now.after(MINUTE);
        let long = junk(turn, 256 * 1024);
        hand(&mut intake, state, &mut delivery, turn, 1, &long);
        assert_eq!(puts(turn), 2 * 64 + 1);
    });
}

#[test]
fn what_a_search_had_no_time_for_is_found_in_the_next_minutes_and_others_keep_half_of_them() {
    in_turn(|state, turn| {
        hold(turn);
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        // Somebody has used this minute up.
        while !intake.tags.is_cut() {
            let tag = junk(turn, 512)[2..18].try_into().unwrap();
            intake.tags.search(state, turn.now, &tag);
        }
        let envelope = sealed(state, &ben, &ben.heard, 99, ROOM);
        hand(&mut intake, state, &mut delivery, turn, 1, &envelope);
        intake.try_again(state, &mut delivery, turn).unwrap();
        assert!(intake.unopened.ready.is_empty());
        let next = intake.next_due(state).unwrap();
        assert!(next > turn.now && next.since(turn.now) <= MINUTE, "{next:?}");
        turn.now = next;
        intake.try_again(state, &mut delivery, turn).unwrap();
        assert_eq!(intake.unopened.entries[&frame_id(&envelope)].awaits, Awaits::Turn(ben.device.device), "it is known whose it is");
        assert_eq!(intake.next_due(state), None);
    });
}

#[test]
fn one_input_opens_a_bounded_number_of_what_was_kept() {
    in_turn(|state, turn| {
        hold(turn);
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        for counter in 0..40 {
            let envelope = sealed(state, &ben, &seed(u64::MAX), counter, ROOM);
            hand(&mut intake, state, &mut delivery, turn, 1, &envelope);
        }
        learn(state, &ben, &seed(u64::MAX));
        let mut left = Vec::new();
        while intake.next_due(state).is_some() {
            intake.try_again(state, &mut delivery, turn).unwrap();
            left.push(intake.unopened.ready.len());
        }
        assert_eq!(left, [24, 8, 0]);
        assert_eq!((owed(&delivery, &ben).len(), rows_of(turn)), (40, 0));
    });
}

#[test]
fn a_friend_on_a_proved_link_may_be_early_by_a_window_and_a_stranger_by_nothing() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let link = proved(&mut delivery, state, turn, &ben, 1);
        let mut put = |state: &mut State, turn: &mut Turn<'_>, delivery: &mut Delivery, envelope: &[u8]| {
            let Some(Kind::Known(tag)) = kind(envelope) else { panic!("a known envelope") };
            intake.known(state, delivery, turn, Origin::Link(link), (frame_id(envelope), envelope), tag).unwrap();
        };
        for round in 0..2 {
            for _ in 0..WINDOW {
                let early = junk(turn, 512);
                put(state, turn, &mut delivery, &early);
            }
            assert_eq!(delivery.faults(link), 0, "round {round}");
            // One that opens begins the count again.
            let opens = sealed(state, &ben, &ben.heard, round, ROOM);
            put(state, turn, &mut delivery, &opens);
        }
        for n in 0..WINDOW as u32 + 32 {
            assert!(delivery.is_open(link), "after {n}");
            let early = junk(turn, 512);
            put(state, turn, &mut delivery, &early);
        }
        assert!(!delivery.is_open(link), "32 faults end it");
        assert_eq!(rows_of(turn), 0, "its sender owns what came by a link, and puts it again");
    });
}
