#![allow(clippy::unwrap_used)]

use super::super::listed::{may_be, names, needs_words, own_number};
use super::super::returned::listed_by;
use super::*;
use crate::fixture::{NOW, Person, in_turn};
use crate::friendships::{VerifiedBundle, adopt_bundle, own_bundle};
use crate::seam::Event;
use crate::wire::Befriend;
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
        assert!(state.barred.contains_key(&ben.device.device), "the first device, with the root key, is out");
        assert!(turn.out.events.contains(&Event::Warning(Warning::FriendListed)));
        let (other, thief) = further(&ben, turn, 70);
        assert!(may_be(state, &thief.person, &laptop.device) && !may_be(state, &thief.person, &thief.device));
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
        assert!(state.barred.is_empty() && both.iter().all(|device| names(state, &ben.device.person, device)));
        heard(state, turn, &ben.device, &list(&ben, 8, &[laptop.device])).unwrap();
        assert!(state.barred.contains_key(&ben.device.device), "and a newer one does");
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
