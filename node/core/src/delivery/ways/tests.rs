//! What is learnt of the ways to a device.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{Person, in_turn};
use crate::notice::{DeliveryNotice, Told};
use symbolon_presence::id::PublicKeyBytes;
use symbolon_relay::grant::MailboxKeys;

fn relay_mailbox(turn: &mut Turn<'_>) -> RelayMailbox {
    let entry = MailboxEntry::own(&MailboxKeys::random(turn.rng), PublicKeyBytes([3; 32]), Vec::new(), Vec::new());
    RelayMailbox { entry, key: Secret::from_bytes([4; 32]) }
}

#[test]
fn copies_count_no_more_when_a_device_stops_fetching_at_one_of_its_relays() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let device = ben.device.device;
        let entry = Person::entry(turn, &ben.identity);
        let (first, second) = (relay_mailbox(turn), relay_mailbox(turn));
        let mut learn = |turn: &mut Turn<'_>, relays: &[&RelayMailbox], put: Option<u8>| {
            let put = put.map(|put| Secret::from_bytes([put; 32]));
            let relay_mailboxes = relays.iter().map(|relay| (*relay).clone()).collect();
            super::learn(state, turn, &device, Ways { entry: entry.clone(), put, relay_mailboxes, direct: None });
            let row = state.devices.get(&device).unwrap();
            assert_eq!((row.relay_mailboxes.len(), row.entry == entry), (relays.len(), true));
            (turn.out.notices.next().unwrap(), row.put.clone())
        };
        let (none, lost) = (None, Some(Told::Delivery(DeliveryNotice::CopiesLost)));
        let key = |byte| Some(Secret::from_bytes([byte; 32]));
        assert!(learn(turn, &[&first], Some(1)) == (none, key(1)));
        assert!(learn(turn, &[&first, &second], None) == (none, key(1)), "one more, and no word of the key");
        assert!(learn(turn, &[&second], Some(2)) == (lost, key(2)), "one less");
        assert!(learn(turn, &[&first], None) == (lost, key(2)), "another one");
        assert!(learn(turn, &[], None) == (lost, key(2)));
    });
}

#[test]
fn a_greeting_of_an_earlier_revision_that_comes_late_takes_no_newer_address_away() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let device = ben.device.device;
        let (entry, relay) = (Person::entry(turn, &ben.identity), relay_mailbox(turn));
        // What a revision seals: other bytes for the same mailboxes.
        let of = |revision: u8, place: u8| {
            let at = |entry: &MailboxEntry| MailboxEntry {
                address: vec![revision; 80],
                places: vec![crate::seam::Address(vec![place])],
                ..entry.clone()
            };
            (at(&entry), RelayMailbox { entry: at(&relay.entry), key: Secret::from_bytes([revision; 32]) })
        };
        let hear = |state: &mut State, turn: &mut Turn<'_>, revision: u8, place: u8, is_keyed: bool| {
            let (entry, relay) = of(revision, place);
            let put = is_keyed.then_some(Secret::from_bytes([revision; 32]));
            learn(state, turn, &device, Ways { entry, put, relay_mailboxes: vec![relay], direct: None });
            let row = state.devices.get(&device).unwrap();
            (row.entry.address[0], row.relay_mailboxes[0].entry.address[0], row.entry.places[0].0[0])
        };
        assert_eq!(hear(state, turn, 1, 1, true), (1, 1, 1));
        assert_eq!(hear(state, turn, 1, 2, false), (1, 1, 2), "a greeting says where it is now");
        assert_eq!(hear(state, turn, 2, 3, true), (2, 2, 3));
        assert_eq!(hear(state, turn, 1, 4, false), (2, 2, 3), "one of before says nothing any more");
        assert_eq!(hear(state, turn, 2, 5, false), (2, 2, 5));
        assert_eq!(hear(state, turn, 7, 6, false), (7, 7, 6), "a mailbox that was made again has another address");
        for revision in 10..40 {
            hear(state, turn, revision, 7, true);
        }
        assert_eq!(state.devices.get(&device).unwrap().overtaken.as_ref().unwrap().len(), OVERTAKEN_MAX);
        assert_eq!(hear(state, turn, 38, 8, false), (39, 39, 7));
    });
}
