//! What is learnt of the ways to a device.

#![allow(clippy::unwrap_used)]

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
