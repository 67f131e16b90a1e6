//! What is carried for whom, and how much of it.
#![allow(clippy::unwrap_used)]

use super::super::Delivery;
use super::Couriers;
use crate::fixture::{Person, in_turn, proved};
use crate::limits::{CARRIED_BYTES_MAX, CARRIED_LIFE, CARRIED_MAX, CARRIED_OF_FRIEND_MAX};
use crate::rooms;
use crate::seam::LinkId;
use crate::state::State;
use crate::turn::Turn;
use symbolon_presence::id::DeviceId;
use symbolon_presence::id::RoomId;
use symbolon_presence::kdf::Secret;
use symbolon_presence::seeds::{Ratchet, Seed};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::DAY;
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
        rooms::set_members(state, turn, &RoomId([7; 32]), vec![ana.device.device]);
        assert_eq!(take(state, turn, link, to, put(2)), (true, 1), "who left the room");
    });
}

#[test]
fn a102_what_is_carried_is_bounded_for_each_friend_and_in_all_and_ends() {
    in_turn(|state, turn| {
        let (mut delivery, mut couriers) = (Delivery::default(), Couriers::default());
        let (_, cem, link) = scene(state, turn, &mut delivery);
        for number in 0..CARRIED_OF_FRIEND_MAX as u64 + 10 {
            assert!(couriers.take(state, &mut delivery, turn, link, Carry { to: cem.device.device, put: put(number) }).unwrap());
        }
        assert_eq!(couriers.load.len(), CARRIED_OF_FRIEND_MAX);
        // Others fill the rest.
        let mut more = 0;
        while couriers.load.len() < CARRIED_MAX {
            more += 1;
            let from = DeviceId([more; 16]);
            for number in 0..CARRIED_OF_FRIEND_MAX as u64 {
                couriers.load.keep(turn, &cem.device.device, from, put(1_000 * u64::from(more) + number));
            }
        }
        assert!(!couriers.load.keep(turn, &cem.device.device, DeviceId([99; 16]), put(1)), "full");
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
fn what_is_carried_is_read_again_after_a_start_and_goes_with_the_devices() {
    in_turn(|state, turn| {
        let (mut delivery, mut couriers) = (Delivery::default(), Couriers::default());
        let (ana, cem, link) = scene(state, turn, &mut delivery);
        for number in 0..100 {
            assert!(couriers.take(state, &mut delivery, turn, link, Carry { to: cem.device.device, put: put(number) }).unwrap());
        }
        let mut again = Couriers::default();
        again.start(turn).unwrap();
        assert_eq!(again.load.len(), 100);
        assert!(again.take(state, &mut delivery, turn, link, Carry { to: cem.device.device, put: put(7) }).unwrap());
        assert_eq!(again.load.len(), 100, "it is there already");
        again.forget(turn, &ana.device.device);
        assert_eq!(again.load.len(), 0);
        couriers.start(turn).unwrap();
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
