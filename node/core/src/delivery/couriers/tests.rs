//! What is carried for whom, and how much of it.
#![allow(clippy::unwrap_used)]

use super::super::Delivery;
use super::Couriers;
use super::load::{AGAIN_OF_PERSON_MAX, PASSED_OF_PERSON_MAX};
use super::note::Giver;
use crate::fixture::{Person, in_turn, proved};
use crate::limits::{CARRIED_BYTES_MAX, CARRIED_LIFE, CARRIED_MAX, CARRIED_OF_FRIEND_MAX, CARRIED_OF_ROOM_MAX};
use crate::rooms;
use crate::rows::{CarriedRow, carried_key};
use crate::seam::LinkId;
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use symbolon_presence::id::DeviceId;
use symbolon_presence::id::RoomId;
use symbolon_presence::kdf::Secret;
use symbolon_presence::seeds::{Ratchet, Seed};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{DAY, HOUR, SECOND};
use symbolon_relay::carry::{Carried, Carry};
use symbolon_relay::put::{Outcome, Put, Receipt, ReceiptBody, ReceiptItem};

/// A known envelope, each number another one, in a Put of its own.
fn put(number: u64) -> Put {
    let (a, b) = (symbolon_presence::seal::DhKey::from_bytes([1; 32]), symbolon_presence::seal::DhKey::from_bytes([2; 32]));
    let seed = Seed { number, secret: Secret::from_bytes([9; 32]) };
    let mut ratchet = Ratchet::agree(&seed, &a, &b.public(), &DeviceId([1; 16]), &DeviceId([2; 16]));
    let envelope = ratchet.turn().seal(&[0; 12], &number.to_be_bytes()).unwrap();
    Put::new(vec![1; 80], &Secret::from_bytes([4; 32]), 60, None, envelope).unwrap()
}

/// Two friends in one room with us; the first is here. And a link of nobody.
fn scene(state: &mut State, turn: &mut Turn<'_>, delivery: &mut Delivery) -> (Person, Person, LinkId) {
    let (ana, cem) = (Person::new(state, turn, 1), Person::new(state, turn, 2));
    assert!(rooms::register_shared(state, turn, RoomId([7; 32]), vec![ana.device.device, cem.device.device]));
    let link = proved(delivery, state, turn, &ana, 1);
    (ana, cem, link)
}

#[test]
fn only_friends_give_something_to_carry_and_only_for_members_of_a_common_room() {
    in_turn(|state, turn| {
        let (mut delivery, mut couriers) = (Delivery::default(), Couriers::default());
        let (ana, cem, link) = scene(state, turn, &mut delivery);
        let dea = Person::new(state, turn, 3);
        let mut take = |state: &mut State, turn: &mut Turn<'_>, link: LinkId, to: DeviceId, put: Put| {
            let is_taken = couriers.take(state, &mut delivery, turn, link, Carry { to, put }).unwrap();
            (is_taken, couriers.load.len())
        };
        let to = cem.device.device;
        assert_eq!(take(state, turn, LinkId(9), to, put(1)), (false, 0), "a link of nobody");
        assert_eq!(take(state, turn, link, DeviceId([5; 16]), put(1)), (true, 0), "for somebody unknown: without a word");
        assert_eq!(take(state, turn, link, dea.device.device, put(1)), (true, 0), "for a friend of ours in no room with her");
        assert_eq!(take(state, turn, link, ana.device.device, put(1)), (true, 0), "for herself");
        let mut changed = put(1);
        changed.envelope.push(0);
        assert_eq!(take(state, turn, link, to, changed), (false, 0), "not what its id says");
        assert_eq!(take(state, turn, link, to, put(1)), (true, 1));
        assert_eq!(take(state, turn, link, to, put(1)), (true, 1), "once");
        let again = Put { address: vec![2; 80], ..put(1) };
        assert_eq!(take(state, turn, link, to, again.clone()), (true, 1), "under another right");
        rooms::set_members(state, turn, &RoomId([7; 32]), vec![ana.device.device]);
        assert_eq!(take(state, turn, link, to, put(2)), (true, 1), "who left the room");
        let row: Option<CarriedRow> = turn.row(Table::Carried, &carried_key(&to, 1)).unwrap();
        assert_eq!(row.and_then(|row| row.put), Some(again), "it goes by the new right");
    });
}

/// A room of Cem's, with this one of four who are friends of ours.
fn crowd(state: &mut State, turn: &mut Turn<'_>, cem: &Person, number: u8) -> Vec<Giver> {
    let room = RoomId([number; 32]);
    let people: Vec<Person> = (0..4).map(|of| Person::new(state, turn, u64::from(number) * 10 + of)).collect();
    let devices = people.iter().map(|person| person.device.device).chain([cem.device.device]).collect();
    assert!(rooms::register_shared(state, turn, room, devices));
    people.iter().map(|person| Giver { device: person.device.device, peer: person.device.peer, room }).collect()
}

#[test]
fn a102_what_is_carried_is_bounded_for_each_friend_for_each_room_and_in_all_and_ends() {
    in_turn(|state, turn| {
        let (mut delivery, mut couriers) = (Delivery::default(), Couriers::default());
        let (ana, cem, link) = scene(state, turn, &mut delivery);
        let to = cem.device.device;
        for number in 0..CARRIED_OF_FRIEND_MAX as u64 + 10 {
            assert!(couriers.take(state, &mut delivery, turn, link, Carry { to, put: put(number) }).unwrap());
        }
        assert_eq!(couriers.load.len(), CARRIED_OF_FRIEND_MAX);
        // With another device of hers there is no room for more.
        let hers = Giver { device: DeviceId([77; 16]), peer: ana.device.peer, room: RoomId([7; 32]) };
        assert!(!couriers.load.keep(state, turn, &to, hers, put(800)).unwrap());
        // Eight others fill what is left, in two rooms.
        let mut next = 1_000;
        for room in [21, 22] {
            for giver in crowd(state, turn, &cem, room) {
                for _ in 0..CARRIED_OF_FRIEND_MAX {
                    next += 1;
                    couriers.load.keep(state, turn, &to, giver, put(next)).unwrap();
                }
            }
            assert!(couriers.load.len() <= CARRIED_OF_FRIEND_MAX + CARRIED_OF_ROOM_MAX * usize::from(room - 20));
        }
        assert_eq!(couriers.load.len(), CARRIED_MAX, "full");
        assert!(couriers.load.bytes() <= CARRIED_BYTES_MAX);
        turn.sure = turn.sure.after(CARRIED_LIFE - DAY);
        couriers.expire(turn);
        assert_eq!(couriers.load.len(), CARRIED_MAX);
        turn.sure = turn.sure.after(DAY);
        couriers.expire(turn);
        assert_eq!(couriers.load.len(), 0);
    });
}

#[test]
fn a102_junk_that_friends_give_a_courier_takes_no_place_of_true_texts_and_holds_up_none() {
    in_turn(|state, turn| {
        let (mut delivery, mut couriers) = (Delivery::default(), Couriers::default());
        let (ana, cem, link) = scene(state, turn, &mut delivery);
        let to = cem.device.device;
        let crowds = [21, 22].map(|room| crowd(state, turn, &cem, room));
        let everybody: Vec<Giver> = crowds.concat();
        let mut next = 1_000;
        let mut flood = |couriers: &mut Couriers, state: &mut State, turn: &mut Turn<'_>, giver: Giver| {
            next += 1;
            couriers.load.keep(state, turn, &to, giver, put(next)).unwrap()
        };
        for giver in &everybody {
            while flood(&mut couriers, state, turn, *giver) {}
        }
        assert_eq!(couriers.load.len(), CARRIED_MAX, "eight people have filled all of it");
        for number in 0..40 {
            assert!(couriers.take(state, &mut delivery, turn, link, Carry { to, put: put(number) }).unwrap());
        }
        assert_eq!((couriers.load.of(&ana.device.peer), couriers.load.len()), (40, CARRIED_MAX), "who has most gives way to her");
        for giver in &everybody {
            flood(&mut couriers, state, turn, *giver);
        }
        assert_eq!(couriers.load.of(&ana.device.peer), 40, "and she to nobody who has more");

        // He comes. What is hers is behind all of that, and goes at once: a window of it, as of everybody.
        let link = proved(&mut delivery, state, turn, &cem, 2);
        couriers.load.pass(&mut delivery, turn, &to).unwrap();
        let sign = |state: &State, turn: &Turn<'_>, numbers: std::ops::Range<u64>| {
            let items = numbers.map(|number| ReceiptItem { frame: put(number).frame, outcome: Outcome::Delivered }).collect();
            let mailbox = state.devices.get(&to).unwrap().entry.mailbox;
            Receipt::sign(&cem.identity.signing, &mailbox, &ReceiptBody { at: turn.now, items })
        };
        let window = PASSED_OF_PERSON_MAX as u64;
        for first in [0, window, 2 * window] {
            let receipt = sign(state, turn, first..(first + window).min(40));
            couriers.signed(state, &mut delivery, turn, link, &receipt).unwrap();
        }
        assert_eq!(couriers.load.of(&ana.device.peer), 0, "he has signed for all of hers, and she has the receipts");

        // What he signs for nobody's sake is gone first: of the eight each has sixteen such.
        assert_eq!(couriers.load.len(), CARRIED_MAX - 40);
        let before: Vec<usize> = everybody.iter().map(|giver| couriers.load.of(&giver.peer)).collect();
        // Who has left the room is tied to nobody: all of theirs gives way before anything of others.
        let gone = crowds[0][0];
        rooms::set_members(state, turn, &gone.room, crowds[0][1..].iter().map(|giver| giver.device).chain([to]).collect());
        for number in 2_000_000..2_000_140 {
            let hers = Giver { device: ana.device.device, peer: ana.device.peer, room: RoomId([7; 32]) };
            assert!(couriers.load.keep(state, turn, &to, hers, put(number)).unwrap());
        }
        let after: Vec<usize> = everybody.iter().map(|giver| couriers.load.of(&giver.peer)).collect();
        assert_eq!(couriers.load.of(&ana.device.peer), 140);
        assert_eq!(before.iter().sum::<usize>() - after.iter().sum::<usize>(), 100);
    });
}

#[test]
fn what_is_carried_is_read_again_after_a_start_and_goes_with_the_devices() {
    in_turn(|state, turn| {
        let (mut delivery, mut couriers) = (Delivery::default(), Couriers::default());
        let (ana, cem, link) = scene(state, turn, &mut delivery);
        for number in 0..100 {
            assert!(couriers.take(state, &mut delivery, turn, link, Carry { to: cem.device.device, put: put(number) }).unwrap());
        }
        let mut again = Couriers::default();
        again.start(state, turn).unwrap();
        assert_eq!(again.load.len(), 100);
        assert!(again.take(state, &mut delivery, turn, link, Carry { to: cem.device.device, put: put(7) }).unwrap());
        assert_eq!(again.load.len(), 100, "it is there already");
        again.forget(turn, &ana.device.device);
        assert_eq!(again.load.len(), 0);
        couriers.start(state, turn).unwrap();
        assert_eq!(couriers.load.len(), 0);
    });
}

#[test]
fn what_a_courier_says_counts_only_under_the_signature_of_who_has_it() {
    in_turn(|state, turn| {
        let (mut delivery, mut couriers) = (Delivery::default(), Couriers::default());
        let (_, cem, link) = scene(state, turn, &mut delivery);
        let device = cem.device.device;
        let mailbox = state.devices.get(&device).unwrap().entry.mailbox;
        let body = ReceiptBody { at: turn.now, items: vec![ReceiptItem { frame: put(1).frame, outcome: Outcome::Delivered }] };
        let forged = Receipt::sign(&SigningKey::from_seed(&[8; 32]), &mailbox, &body);
        let brought = |couriers: &mut Couriers, state: &mut State, turn: &mut Turn<'_>, link: LinkId, receipt: &Receipt| {
            couriers.brought(state, &delivery, turn, link, &Carried { device, receipt: receipt.clone() }).map(|items| items.len())
        };
        assert_eq!(brought(&mut couriers, state, turn, link, &forged), None);
        let signed = Receipt::sign(&cem.identity.signing, &mailbox, &body);
        assert_eq!(brought(&mut couriers, state, turn, LinkId(9), &signed), None, "from nobody");
        assert_eq!(brought(&mut couriers, state, turn, link, &signed), Some(1));
    });
}

#[test]
fn what_was_put_without_an_answer_is_put_again_and_junk_of_one_person_only_so_often() {
    in_turn(|state, turn| {
        let (mut delivery, mut couriers) = (Delivery::default(), Couriers::default());
        let (_ana, cem, hers) = scene(state, turn, &mut delivery);
        let to = cem.device.device;
        for number in 0..5 {
            assert!(couriers.take(state, &mut delivery, turn, hers, Carry { to, put: put(number) }).unwrap());
        }
        let link = proved(&mut delivery, state, turn, &cem, 2);
        couriers.load.pass(&mut delivery, turn, &to).unwrap();
        let passed = |delivery: &Delivery| delivery.sent.get("passed").copied().unwrap_or(0);
        assert_eq!(passed(&delivery), 5);
        couriers.tick(state, &mut delivery, turn).unwrap();
        assert_eq!(passed(&delivery), 5, "it has just been put");
        turn.now = turn.now.after(15 * SECOND);
        assert_eq!(couriers.next_due(), Some(turn.now));
        couriers.tick(state, &mut delivery, turn).unwrap();
        assert_eq!(passed(&delivery), 8, "three of them");
        for _ in 0..10 {
            turn.now = turn.now.after(HOUR);
            couriers.tick(state, &mut delivery, turn).unwrap();
        }
        assert_eq!(passed(&delivery), 5 + AGAIN_OF_PERSON_MAX as u64, "and no more for junk");

        // One that was put again is answered: he can open what is hers now, and more of it follows at once.
        let sign = |state: &State, turn: &Turn<'_>, number: u64| {
            let items = vec![ReceiptItem { frame: put(number).frame, outcome: Outcome::Delivered }];
            let mailbox = state.devices.get(&to).unwrap().entry.mailbox;
            Receipt::sign(&cem.identity.signing, &mailbox, &ReceiptBody { at: turn.now, items })
        };
        let before = passed(&delivery);
        let receipt = sign(state, turn, 0);
        couriers.signed(state, &mut delivery, turn, link, &receipt).unwrap();
        couriers.tick(state, &mut delivery, turn).unwrap();
        assert_eq!(passed(&delivery), before + 3);
        // One that was put for the first time says nothing of the others.
        assert!(couriers.take(state, &mut delivery, turn, hers, Carry { to, put: put(9) }).unwrap());
        let receipt = sign(state, turn, 9);
        couriers.signed(state, &mut delivery, turn, link, &receipt).unwrap();
        couriers.tick(state, &mut delivery, turn).unwrap();
        assert_eq!(passed(&delivery), before + 4);
        turn.now = turn.now.after(15 * SECOND);
        couriers.tick(state, &mut delivery, turn).unwrap();
        assert_eq!(passed(&delivery), before + 7);
    });
}

#[test]
fn of_devices_that_are_forgotten_nothing_is_left_in_the_books() {
    in_turn(|_, turn| {
        let mut couriers = Couriers::default();
        let device = |n: u8| DeviceId([n; 16]);
        for n in 0..100 {
            couriers.rounds.insert(device(n), 3);
            couriers.proven.insert(device(n), device(n + 100));
        }
        // Both those who are written to and those who carry.
        for n in (0..50).chain(150..200) {
            couriers.forget(turn, &device(n));
        }
        assert!(couriers.proven.is_empty() && couriers.rounds.len() == 50);
        (50..100).for_each(|n| couriers.forget(turn, &device(n)));
        assert!(couriers.rounds.is_empty());
    });
}
