//! Who gets a lifeline, and when one is used.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{Person, in_turn};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::DAY;

/// A friend in a room, whose build takes lifelines.
fn ben(state: &mut State, turn: &mut Turn<'_>) -> Person {
    in_room(state, turn, 2)
}

fn in_room(state: &mut State, turn: &mut Turn<'_>, number: u64) -> Person {
    let ben = Person::new(state, turn, number);
    let me = state.own.identity.clone();
    let (room, _) = rooms::create_for(turn, &me).unwrap();
    state.friends.get_mut(&ben.device.peer).unwrap().room = room;
    rooms::register(state, turn, ben.device.peer, room, room);
    state.device_mut(&ben.device.device).unwrap().capabilities = Some(Capabilities::LIFELINES);
    ben
}

/// A lifeline of theirs for us.
pub(in crate::renewal) fn line(state: &State, turn: &mut Turn<'_>, of: &Person) -> Contact {
    let (entry, expires) = (Person::entry(turn, &of.identity), turn.now.after(400 * DAY));
    let package = state.own.direct.present();
    let key = Secret::random(turn.rng);
    Contact { chain: None, package, expires, last_resort: false, entry, key, relay_mailboxes: Vec::new() }
}

#[test]
fn a_lifeline_is_said_to_friends_whose_builds_take_it_and_once() {
    in_turn(|state, turn| {
        let ben = ben(state, turn);
        let (peer, device) = (ben.device.peer, ben.device.device);
        let count = |state: &State| state.devices[&device].channel.outbox_count;
        let mut due = Lifelines::default();
        for (takes, said) in [(false, 0), (true, 1), (true, 1)] {
            state.device_mut(&device).unwrap().capabilities = takes.then_some(Capabilities::LIFELINES);
            let before = count(state);
            due.changed(turn.now);
            due.give_some(state, turn).unwrap();
            assert_eq!(count(state), before, "not in this input");
            turn.now = due.next_due().unwrap();
            due.give_some(state, turn).unwrap();
            assert_eq!((count(state), due.next_due()), (said, None));
        }
        assert_eq!(state.lifelines[&peer].lines.len(), 1);
        state.friends.get_mut(&peer).unwrap().blocked = true;
        state.lifelines.clear();
        assert!(!takes(state, &state.friends[&peer]));
    });
}

#[test]
fn lifelines_are_said_to_some_friends_at_a_time() {
    in_turn(|state, turn| {
        for number in 10..10 + LIFELINES_AT_ONCE as u64 + 5 {
            in_room(state, turn, number);
        }
        let mailboxes = lifelines::mailboxes(state);
        let due = |state: &State, turn: &Turn<'_>| {
            state.friends.values().filter(|friend| lifelines::is_due(state, friend, &mailboxes, turn.sure)).count()
        };
        let before = due(state, turn);
        let mut lines = Lifelines::default();
        lines.start(turn.now);
        turn.now = turn.now.after(1);
        lines.give_some(state, turn).unwrap();
        assert_eq!((before, due(state, turn), lines.next_due()), (LIFELINES_AT_ONCE + 5, 5, Some(turn.now.after(1))));
        turn.now = turn.now.after(1);
        lines.give_some(state, turn).unwrap();
        assert_eq!((due(state, turn), lines.gives), (0, None));
    });
}

#[test]
fn a_lifeline_names_the_device_that_says_it_or_it_is_refused() {
    in_turn(|state, turn| {
        let (ben, other) = (ben(state, turn), Person::new(state, turn, 3));
        let contact = line(state, turn, &ben);
        assert!(matches!(learn(state, turn, &other.device, contact.clone()), Err(Rejected::Drop(DropReason::Forged))));
        learn(state, turn, &ben.device, contact.clone()).unwrap();
        assert!(lifelines::held(turn, &ben.device.device).unwrap().is_none(), "of another mailbox");
        state.device_mut(&ben.device.device).unwrap().entry.mailbox = contact.entry.mailbox;
        learn(state, turn, &ben.device, contact.clone()).unwrap();
        assert!(lifelines::held(turn, &ben.device.device).unwrap().unwrap().contact == Some(contact));
    });
}
