#![allow(clippy::unwrap_used)]

use super::super::hear::hear;
use super::super::listed::{names, needs_words, own_number};
use super::super::returned::listed_by;
use super::*;
use crate::fixture::{NOW, Person, friend as friend_row, in_turn};
use crate::friendships::{VerifiedBundle, adopt_bundle, own_bundle};
use crate::limits::{BARRED_OF_PERSON, SIBLINGS_KEPT_MAX};
use crate::rows::{Barred, Friend, FriendState, Sibling};
use crate::seam::Event;
use crate::wire::{Befriend, OwnSaid};
use symbolon_presence::identity::Chain;
use symbolon_presence::time::{DAY, EARLIEST};

/// A friend whose bundle was read.
fn friend(state: &mut State, turn: &mut Turn<'_>, number: u64) -> Person {
    let ben = Person::new(state, turn, number);
    state.friends.get_mut(&ben.device.peer).unwrap().second_root = Some(ben.identity.second_root);
    ben
}

/// A device that the friend's root key has certified.
fn further(ben: &Person, turn: &mut Turn<'_>, serial: u64) -> (Identity, Device) {
    let mut me = Identity::generate(turn.rng, EARLIEST, NOW.since(EARLIEST) + DAY);
    let keys = (me.signing.public(), me.dh.public().bytes());
    let chain = ben.identity.certify_further(keys, serial, EARLIEST, NOW.after(DAY)).unwrap();
    assert!(me.become_further(&chain, ben.identity.second_root, NOW));
    (me, chain.verify(NOW).unwrap())
}

fn list(ben: &Person, number: u64, devices: &[DeviceId]) -> DeviceList {
    DeviceList::sign(ben.identity.entropy.as_ref().unwrap(), &ben.identity.chain.root, number, devices.to_vec()).unwrap()
}

fn is_forged(came: &Result<(), Rejected>) -> bool {
    matches!(came, Err(Rejected::Drop(DropReason::Forged)))
}

#[test]
fn of_a_friend_with_a_device_list_all_other_devices_are_refused_and_the_root_key_takes_none_of_the_list_away() {
    in_turn(|state, turn| {
        let ben = friend(state, turn, 2);
        let (_, laptop) = further(&ben, turn, 50);
        let gone = Gone::sign(&ben.identity, &further(&ben, turn, 60).0.chain);
        assert!(removal::gone(state, turn, &ben.device, &gone).is_ok(), "without a list the root key decides");
        heard(state, turn, &ben.device, &list(&ben, 7, &[laptop.device])).unwrap();
        assert!(people::is_device_blocked(state, &ben.device.device), "the first device, with the root key, is out");
        assert!(turn.out.events.contains(&Event::Warning(Warning::FriendListed)));
        let (other, thief) = further(&ben, turn, 70);
        assert!(!people::is_blocked(state, &laptop.peer, &again(&ben, &laptop)));
        assert!(people::is_blocked(state, &thief.peer, &other.chain), "also its Offers and answers");
        // Whatever device of the person says it: here one that the list names.
        let gone = Gone::sign(&Identity { root: ben.identity.root.clone(), ..other }, &again(&ben, &laptop));
        assert!(is_forged(&removal::gone(state, turn, &thief, &gone)));
        assert!(!state.barred.contains_key(&laptop.device));
    });
}

/// A certificate of a device, as its person's root gives it again.
fn again(ben: &Person, device: &Device) -> Chain {
    let keys = (device.signing.bytes(), device.dh.bytes());
    ben.identity.certify_again((keys, device.rank.unwrap()), device.serial + 1, EARLIEST, NOW.after(DAY)).unwrap()
}

#[test]
fn a_list_that_is_older_forged_or_another_person_s_changes_nothing() {
    in_turn(|state, turn| {
        let (ben, cem) = (friend(state, turn, 2), friend(state, turn, 3));
        let (_, laptop) = further(&ben, turn, 50);
        let both = [ben.device.device, laptop.device];
        heard(state, turn, &ben.device, &list(&ben, 7, &both)).unwrap();
        for number in [6, 7] {
            heard(state, turn, &ben.device, &list(&ben, number, &[laptop.device])).unwrap();
        }
        let mut forged = list(&ben, 8, &[laptop.device]);
        forged.signature = list(&cem, 8, &[laptop.device]).signature;
        assert!(is_forged(&heard(state, turn, &ben.device, &forged)));
        assert!(is_forged(&heard(state, turn, &cem.device, &list(&ben, 9, &[laptop.device]))), "shown by somebody else");
        let by_other_words = DeviceList::sign(cem.identity.entropy.as_ref().unwrap(), &ben.identity.chain.root, 10, vec![laptop.device]);
        assert!(is_forged(&heard(state, turn, &ben.device, &by_other_words.unwrap())));
        assert!(
            !people::is_device_blocked(state, &ben.device.device) && both.iter().all(|device| names(state, &ben.device.person, device))
        );
        heard(state, turn, &ben.device, &list(&ben, 8, &[laptop.device])).unwrap();
        assert!(people::is_device_blocked(state, &ben.device.device), "and a newer one does");
    });
}

#[test]
fn a_device_that_comes_later_is_taken_by_a_newer_list_alone() {
    in_turn(|state, turn| {
        let ben = friend(state, turn, 2);
        let (_, laptop) = further(&ben, turn, 50);
        let ask = |list: Option<DeviceList>| Befriend { contact: Vec::new(), note: None, list: list.map(Box::new) };
        assert!(listed_by(state, turn, &laptop, &ask(None)).is_ok(), "no list says otherwise");
        heard(state, turn, &ben.device, &list(&ben, 7, &[ben.device.device])).unwrap();
        let older = list(&ben, 6, &[ben.device.device, laptop.device]);
        for list in [None, Some(older)] {
            assert!(is_forged(&listed_by(state, turn, &laptop, &ask(list))));
        }
        let newer = list(&ben, 8, &[ben.device.device, laptop.device]);
        assert!(listed_by(state, turn, &laptop, &ask(Some(newer))).is_ok());
    });
}

#[test]
fn the_second_root_of_a_friend_that_was_heard_first_stays() {
    in_turn(|state, turn| {
        let ben = friend(state, turn, 2);
        let mut row = state.friends.get(&ben.device.peer).unwrap().clone();
        let bundle = own_bundle(state, turn, &row.room, &row.peer, &[]);
        assert_ne!(bundle.second_root, ben.identity.second_root);
        adopt_bundle(state, turn, &mut row, VerifiedBundle { bundle, devices: Vec::new() });
        assert_eq!(row.second_root, Some(ben.identity.second_root), "not what a later bundle says");
    });
}

#[test]
fn by_other_words_no_device_is_kept() {
    in_turn(|state, turn| {
        let words = Identity::generate(turn.rng, EARLIEST, DAY).entropy.unwrap();
        assert!(matches!(keep(state, turn, &words, &[]), Err(Failed::Command(CommandError::WrongPhrase))));
        let words = state.own.identity.entropy.clone().unwrap();
        let many: Vec<DeviceId> = (0..8).map(|n| DeviceId([n; 16])).collect();
        assert!(matches!(keep(state, turn, &words, &many), Err(Failed::Command(CommandError::Full))));
        assert!(state.listed.is_empty());
        assert!(keep(state, turn, &words, &[]).is_ok() && needs_words(state));
        let before = own_number(state);
        assert!(keep(state, turn, &words, &[]).is_ok() && own_number(state) > before);
        assert!(matches!(super::super::pair(state, turn, None), Err(Failed::Command(CommandError::DevicesKept))));
    });
}

#[test]
fn what_a_thief_has_said_of_devices_before_the_list_counts_no_more_and_leaves_no_place_full() {
    in_turn(|state, turn| {
        let ben = friend(state, turn, 2);
        let (_, restored) = further(&ben, turn, 50);
        // As many as there may be, all made up, and the one that was restored among them.
        for serial in 0..BARRED_OF_PERSON as u64 - 1 {
            let made_up = further(&ben, turn, 100 + serial).0;
            assert!(removal::gone(state, turn, &ben.device, &Gone::sign(&ben.identity, &made_up.chain)).is_ok());
        }
        assert!(removal::gone(state, turn, &ben.device, &Gone::sign(&ben.identity, &again(&ben, &restored))).is_ok());
        assert_eq!(state.barred.len(), BARRED_OF_PERSON);
        let tablet = further(&ben, turn, 51).1;
        assert!(!state.bar_device(turn, &tablet.device, Barred { person: tablet.person, peer: tablet.peer, is_said: None }));
        heard(state, turn, &restored, &list(&ben, 7, &[restored.device])).unwrap();
        assert!(state.barred.is_empty(), "the list says more than all of them");
        assert!(people::is_device_blocked(state, &ben.device.device) && people::is_out(state, &ben.device.peer), "the thief's");
        assert!(!people::is_blocked(state, &restored.peer, &again(&ben, &restored)));
        // What our user has shut out stays so.
        state.bar_device(turn, &tablet.device, Barred { person: tablet.person, peer: tablet.peer, is_said: None });
        heard(state, turn, &restored, &list(&ben, 8, &[restored.device, tablet.device])).unwrap();
        assert!(people::is_device_blocked(state, &tablet.device));
    });
}

#[test]
fn of_our_own_devices_who_is_in_no_list_is_heard_in_nothing_and_who_was_made_up_takes_no_place() {
    in_turn(|state, turn| {
        let words = state.own.identity.entropy.clone().unwrap();
        let thief = own_device(state, turn, 50);
        let said = || OwnSaid::Label("Mine".into());
        assert!(matches!(hear(state, turn, &thief.1, said()), Err(Rejected::Drop(DropReason::Forged))), "it has no place among ours");
        for serial in 0..SIBLINGS_KEPT_MAX as u64 {
            let made_up = own_device(state, turn, 100 + serial).0;
            let said = Gone::sign(&state.own.identity, &made_up.chain);
            assert!(removal::gone(state, turn, &thief.1, &said).is_ok());
        }
        assert!(!removal::has_place(state));
        let place = |peer| Sibling::new(peer, turn.stamp);
        let row = place(thief.1.peer);
        state.save_sibling(turn, row);
        assert!(hear(state, turn, &thief.1, said()).is_ok());
        // A friend as an own device, which had no place among ours.
        let puppet = own_device(state, turn, 60);
        let entry = Person::entry(turn, &puppet.0);
        crate::delivery::ways::register_device(state, turn, &puppet.1, &puppet.0.chain, entry);
        let (person, devices) = (Some(state.own.person()), vec![puppet.1.device]);
        state.friends.insert(puppet.1.peer, Friend { peer: puppet.1.peer, person, devices, ..friend_row(60) });
        keep(state, turn, &words, &[]).unwrap();
        assert_eq!(state.friends[&puppet.1.peer].state, FriendState::Ended);
        assert!(
            removal::has_place(state) && state.siblings.keys().eq([&thief.1.peer]),
            "who was met here is still to hear that it is gone"
        );
        assert!(matches!(hear(state, turn, &thief.1, said()), Err(Rejected::Drop(DropReason::Forged))));
        assert!(people::is_blocked(state, &thief.1.peer, &thief.0.chain), "nor does a friendship with it begin that was under way");
        assert!(state.own.backup_key.is_some(), "from here on backups are made here");
    });
}

/// A device that our root key has certified.
fn own_device(state: &State, turn: &mut Turn<'_>, serial: u64) -> (Identity, Device) {
    let mut me = Identity::generate(turn.rng, EARLIEST, NOW.since(EARLIEST) + DAY);
    let keys = (me.signing.public(), me.dh.public().bytes());
    let chain = state.own.identity.certify_further(keys, serial, EARLIEST, NOW.after(DAY)).unwrap();
    assert!(me.become_further(&chain, state.own.identity.second_root, NOW));
    (me, chain.verify(NOW).unwrap())
}
