//! Who is asked for a package, who is believed, and what is remembered.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{Person, in_turn, proved};
use crate::packages::own::make;
use crate::rows::Lies;
use crate::seam::{Action, NetAction};
use symbolon_presence::id::MailboxId;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{HOUR, MINUTE, SECOND};
use symbolon_relay::put::MailboxEntry;

/// The present secret of the friend.
fn secret() -> FriendshipSecret {
    FriendshipSecret { revision: 77, secret: Secret::from_bytes([5; 32]) }
}

/// The machines around it.
struct Around {
    fetches: Fetches,
    delivery: Delivery,
    relays: Relays,
}

impl Around {
    fn new() -> Self {
        Self { fetches: Fetches::default(), delivery: Delivery::default(), relays: Relays::default() }
    }

    fn fetch(&mut self, state: &State, turn: &mut Turn<'_>, device: DeviceId) {
        self.fetches.fetch(state, &mut self.delivery, &mut self.relays, turn, device);
    }

    fn follow(&mut self, state: &State, turn: &mut Turn<'_>) {
        self.fetches.follow(state, &mut self.delivery, &mut self.relays, turn);
    }

    fn hears(&mut self, state: &State, turn: &mut Turn<'_>, from: Answers, nonce: Nonce, handed: Handed) -> bool {
        self.fetches.answered(state, &mut self.delivery, &mut self.relays, turn, (from, &Fetched { nonce, handed }))
    }

    fn outcome(&mut self) -> Option<Result<VerifiedPackage, Why>> {
        self.fetches.take_done().pop().map(|(_, done)| done)
    }
}

/// A friend whose keys are known and who takes rooms, with mailboxes at so many relays.
fn ben(state: &mut State, turn: &mut Turn<'_>, relays: u8) -> Person {
    let ben = Person::new(state, turn, 1);
    state.friends.get_mut(&ben.device.peer).unwrap().friendship = Some(secret());
    let row = state.device_mut(&ben.device.device).unwrap();
    row.capabilities = Some(Capabilities::ROOMS);
    row.relay_mailboxes = (1..=relays).map(relay).collect();
    ben
}

fn relay(number: u8) -> RelayMailbox {
    let receipt = symbolon_presence::sign::SigningKey::from_seed(&[number; 32]).public();
    let entry =
        MailboxEntry { mailbox: MailboxId([number; 32]), receipt, address: vec![1; 90], places: vec![crate::seam::Address(vec![4])] };
    RelayMailbox { entry, key: Secret::from_bytes([number; 32]) }
}

/// A package of somebody's, under a secret of theirs.
fn package(state: &mut State, turn: &mut Turn<'_>, of: &Person, secret: &FriendshipSecret) -> Vec<u8> {
    let me = std::mem::replace(&mut state.own.identity, of.identity.clone());
    let mine = std::mem::replace(&mut state.own.friendship, secret.clone());
    let bytes = make(state, turn, Lies::WithFriend(state.own.peer), false).unwrap();
    (state.own.identity, state.own.friendship) = (me, mine);
    bytes
}

/// The questions that were sent, each with its link.
fn questions(turn: &mut Turn<'_>) -> Vec<(LinkId, Fetch)> {
    let sent = std::mem::take(&mut turn.out.actions).into_iter().filter_map(|action| {
        let Action::Net(NetAction::Send(link, bytes)) = action else { return None };
        Some((link, Frame::decode(&bytes).ok()?))
    });
    sent.filter_map(|(link, frame)| if let Frame::Fetch(fetch) = frame { Some((link, fetch)) } else { None }).collect()
}

/// The call to a relay comes up.
fn reach(around: &mut Around, state: &mut State, turn: &mut Turn<'_>, link: u64) {
    let dial = std::mem::take(&mut turn.out.actions).into_iter().rev().find_map(|action| {
        let Action::Net(NetAction::Dial(dial, _)) = action else { return None };
        Some(dial)
    });
    around.relays.link_up(state, turn, LinkId(link), dial.unwrap()).unwrap();
    around.follow(state, turn);
}

#[test]
fn a_device_behind_a_proved_link_is_asked_itself_and_what_it_gives_is_looked_at() {
    in_turn(|state, turn| {
        let ben = ben(state, turn, 1);
        let mut around = Around::new();
        let link = proved(&mut around.delivery, state, turn, &ben, 1);
        let bytes = package(state, turn, &ben, &secret());
        turn.out.actions.clear();
        around.fetch(state, turn, ben.device.device);
        around.fetch(state, turn, ben.device.device);
        let [(by, fetch)] = questions(turn).try_into().unwrap();
        let entry = state.devices.get(&ben.device.device).unwrap().entry.clone();
        assert!(by == link && fetch.verify(&entry.mailbox).is_ok() && fetch.address == entry.address);
        assert_eq!(fetch.capability, secret().capability(&entry.mailbox).public());
        let handed = Handed::Package(bytes.clone());
        assert!(!around.hears(state, turn, Answers::Link(LinkId(9)), fetch.nonce, handed.clone()), "another link");
        assert!(!around.hears(state, turn, Answers::Link(link), Nonce([1; 16]), handed.clone()), "another question");
        assert!(around.hears(state, turn, Answers::Link(link), fetch.nonce, handed.clone()));
        assert!(!around.hears(state, turn, Answers::Link(link), fetch.nonce, handed), "once");
        let package = around.outcome().unwrap().unwrap();
        assert_eq!((package.device.device, package.revision), (ben.device.device, secret().revision));
        assert!(around.fetches.failed.is_empty());
    });
}

#[test]
fn relays_are_asked_one_after_another_and_what_is_worst_of_them_is_said() {
    in_turn(|state, turn| {
        let ben = ben(state, turn, 3);
        let mut around = Around::new();
        around.fetch(state, turn, ben.device.device);
        assert_eq!(around.relays.asked_relays(), 1);
        // The first is not reached.
        turn.now = turn.now.after(PACKAGE_DEADLINE);
        turn.out.actions.clear();
        around.follow(state, turn);
        // The second hands out something else.
        reach(&mut around, state, turn, 2);
        let [(_, fetch)] = questions(turn).try_into().unwrap();
        assert!(fetch.verify(&MailboxId([2; 32])).is_ok());
        let key = |number| key_of(&relay(number));
        assert!(!around.hears(state, turn, Answers::Relay(key(1)), fetch.nonce, Handed::Empty), "of another relay");
        assert!(around.hears(state, turn, Answers::Relay(key(2)), fetch.nonce, Handed::Package(vec![1, 2, 3])));
        assert!(around.fetches.done.is_empty(), "there is another one");
        // The third has none.
        reach(&mut around, state, turn, 3);
        let [(_, fetch)] = questions(turn).try_into().unwrap();
        assert!(around.hears(state, turn, Answers::Relay(key(3)), fetch.nonce, Handed::Empty));
        assert_eq!(around.outcome().unwrap().err(), Some(Why::NotGood(BadPackage::Malformed)));
        assert!(around.relays.asked_relays() == 0 && around.fetches.wanted.is_empty());
    });
}

#[test]
fn a_right_that_was_replaced_leads_to_the_record_and_an_answer_that_crosses_the_new_secret_is_good() {
    in_turn(|state, turn| {
        let ben = ben(state, turn, 1);
        let mut around = Around::new();
        let key = key_of(&relay(1));
        around.fetch(state, turn, ben.device.device);
        reach(&mut around, state, turn, 1);
        let [(_, fetch)] = questions(turn).try_into().unwrap();
        assert!(around.hears(state, turn, Answers::Relay(key), fetch.nonce, Handed::Stale));
        assert_eq!(around.outcome().unwrap().err(), Some(Why::Replaced));
        assert_eq!(turn.told::<PackagesNotice>(), [PackagesNotice::KeyExpired(ben.device.device)]);
        assert!(around.fetches.take_ready().is_empty());
        around.fetches.shown([&ben.device.device]);
        assert_eq!(around.fetches.take_ready(), [ben.device.device], "its keys are known");
        around.fetch(state, turn, ben.device.device);
        let [(_, fetch)] = questions(turn).try_into().unwrap();
        let bytes = package(state, turn, &ben, &secret());
        let risen = FriendshipSecret { revision: 78, secret: Secret::from_bytes([6; 32]) };
        state.friends.get_mut(&ben.device.peer).unwrap().friendship = Some(risen);
        assert!(around.hears(state, turn, Answers::Relay(key), fetch.nonce, Handed::Package(bytes)));
        assert_eq!(around.outcome().unwrap().unwrap().revision, secret().revision);
    });
}

#[test]
fn a27_nobody_is_added_who_was_blocked_or_unfriended_meanwhile_or_whose_package_is_anothers() {
    in_turn(|state, turn| {
        let ben = ben(state, turn, 1);
        let mut around = Around::new();
        let link = proved(&mut around.delivery, state, turn, &ben, 1);
        let cara = Person::new(state, turn, 2);
        let bytes = package(state, turn, &ben, &secret());
        let hers = package(state, turn, &cara, &secret());
        let mut asks = |state: &mut State, turn: &mut Turn<'_>, bytes: &[u8], change: &dyn Fn(&mut State)| {
            turn.out.actions.clear();
            around.fetch(state, turn, ben.device.device);
            let [(_, fetch)] = questions(turn).try_into().unwrap();
            change(state);
            around.hears(state, turn, Answers::Link(link), fetch.nonce, Handed::Package(bytes.to_vec()));
            // Nobody is at the relay.
            turn.now = turn.now.after(PACKAGE_DEADLINE);
            around.follow(state, turn);
            around.outcome().unwrap().err()
        };
        assert_eq!(asks(state, turn, &hers, &|_| ()), Some(Why::NotGood(BadPackage::Person)));
        let peer = ben.device.peer;
        let blocks = |state: &mut State| state.blocked.extend([peer.as_bytes().to_vec()]);
        assert_eq!(asks(state, turn, &bytes, &blocks), Some(Why::NoFriend));
        around.fetch(state, turn, ben.device.device);
        assert_eq!(around.outcome().unwrap().err(), Some(Why::NoFriend), "nor is somebody asked who is");
        state.blocked.clear();
        state.friends.get_mut(&peer).unwrap().friendship = None;
        around.fetch(state, turn, ben.device.device);
        assert_eq!(around.outcome().unwrap().err(), Some(Why::NoFriend));
        around.fetch(state, turn, DeviceId([9; 16]));
        assert_eq!(around.outcome().unwrap().err(), Some(Why::NoFriend));
    });
}

#[test]
fn so_many_are_asked_for_at_once_and_so_many_remembered_that_failed() {
    in_turn(|state, turn| {
        let mut around = Around::new();
        let ben = ben(state, turn, 1);
        for number in 0..FETCHES_MAX as u64 + 5 {
            let device = DeviceId([&number.to_be_bytes()[..], &[0; 8]].concat().try_into().unwrap());
            let mut row = state.devices.get(&ben.device.device).unwrap().clone();
            row.device = device;
            state.save_device(row);
            around.fetch(state, turn, device);
        }
        assert_eq!(around.fetches.wanted.len(), FETCHES_MAX);
        assert_eq!(around.fetches.take_done().iter().filter(|(_, done)| done.as_ref().err() == Some(&Why::Busy)).count(), 5);
        turn.now = turn.now.after(PACKAGE_DEADLINE);
        around.follow(state, turn);
        assert!(around.fetches.wanted.is_empty() && around.relays.asked_relays() == 0);
        for number in 0..2 * FETCHES_FAILED_MAX as u64 {
            let device = DeviceId([&[1; 8][..], &number.to_be_bytes()].concat().try_into().unwrap());
            around.fetch(state, turn, device);
        }
        assert_eq!((around.fetches.failed.len(), around.fetches.done.len()), (FETCHES_FAILED_MAX, FETCHES_FAILED_MAX));
    });
}

#[test]
fn it_makes_sense_to_ask_again_after_a_pause_that_doubles_to_an_hour_and_is_told_once() {
    in_turn(|state, turn| {
        let ben = ben(state, turn, 0);
        let mut around = Around::new();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            around.fetch(state, turn, ben.device.device);
            assert_eq!(around.outcome().unwrap().err(), Some(Why::NobodyReached));
            let (begin, due) = (turn.now, around.fetches.next_due().unwrap());
            turn.now = Timestamp(due.0 - 1);
            around.follow(state, turn);
            assert!(around.fetches.take_ready().is_empty());
            turn.now = due;
            around.follow(state, turn);
            assert_eq!(around.fetches.take_ready(), [ben.device.device]);
            turn.now = turn.now.after(SECOND);
            around.follow(state, turn);
            assert!(around.fetches.take_ready().is_empty() && around.fetches.next_due().is_none());
            pauses.push(due.since(begin) / MINUTE);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, HOUR / MINUTE, 60]);
        around.fetches.forget(&mut around.relays, &ben.device.device);
        around.fetches.shown([&ben.device.device]);
        assert!(around.fetches.failed.is_empty() && around.fetches.take_ready().is_empty());
    });
}
