//! When somebody is asked of whom nothing is heard, and by what.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::delivery::outbox;
use crate::fixture::{NOW, Person, in_turn};
use crate::renewal::lifelines::tests::line;
use crate::rows::{FriendPresence, OwnPresence};
use symbolon_presence::id::GrantId;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::grant::Scope;

#[test]
fn a_lifeline_is_used_when_nothing_else_works_and_more_and_more_seldom() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2);
        let (peer, device) = (ben.device.peer, ben.device.device);
        let contact = line(state, turn, &ben);
        lifelines::note(turn, &device, |held| held.contact = Some(contact.clone())).unwrap();
        let reader = OwnPresence::random(turn.sure, turn.rng).generation.reader();
        let mut standings = Standings::default();
        // Whether something was said now, and whether by the lifeline. A relay takes it.
        let mut reach = |state: &mut State, turn: &mut Turn<'_>, heard: Timestamp, read: Timestamp| {
            let presence = FriendPresence { reader: reader.clone(), version: 0, sequence: 0, read, lookups: Vec::new(), wrapped: None };
            state.friends.get_mut(&peer).unwrap().presence = Some(presence);
            state.device_mut(&device).unwrap().heard = Some(heard);
            standings.reach_out(state, turn).unwrap();
            let number = state.devices[&device].channel.saying?;
            let by = outbox::row(turn, &device, number).unwrap().unwrap().via;
            outbox::remove(state, turn, &device, number);
            Some(by.is_some_and(|via| via.entry.address == contact.entry.address && via.key == contact.key))
        };
        // Heard just now, or read of: both are ways that work.
        assert_eq!(reach(state, turn, NOW, NOW), None);
        turn.now = NOW.after(3 * DAY);
        let now = turn.now;
        assert_eq!((reach(state, turn, now, NOW), reach(state, turn, NOW, now)), (None, None));
        let begin = turn.now;
        let mut said = Vec::new();
        for step in 0..90 * 24 {
            turn.now = begin.after(step * HOUR);
            said.extend(reach(state, turn, NOW, NOW).map(|by_lifeline| (turn.now.since(begin) / DAY, by_lifeline)));
        }
        let lifelines = [14, 15, 17, 21, 29, 45, 61, 77].map(|day| (day, true));
        assert_eq!(said, [vec![(0, false)], lifelines.to_vec()].concat(), "first by what friends have");
        // It was heard of again, and is away once more.
        let now = turn.now;
        let said: Vec<_> = (3..24)
            .filter_map(|day| {
                turn.now = now.after(day * DAY);
                reach(state, turn, now, now).map(|by_lifeline| (day, by_lifeline))
            })
            .collect();
        assert_eq!(said, [(3, false), (17, true), (18, true), (20, true)], "from the beginning");
        let now = turn.now;
        turn.now = now.after(400 * DAY);
        assert_eq!(reach(state, turn, now, now), Some(false));
        turn.now = turn.now.after(20 * DAY);
        assert_eq!(reach(state, turn, now, now), None, "it has ended");
    });
}

#[test]
fn what_nobody_takes_for_ten_minutes_goes_by_a_lifeline_and_waits_there_for_nothing_else() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2);
        let device = ben.device.device;
        let contact = line(state, turn, &ben);
        lifelines::note(turn, &device, |held| held.contact = Some(contact)).unwrap();
        state.device_mut(&device).unwrap().heard = Some(turn.now);
        let mut standings = Standings::default();
        let by_lifeline = |state: &State, turn: &Turn<'_>| {
            let number = state.devices[&device].channel.saying.unwrap();
            outbox::row(turn, &device, number).unwrap().unwrap().via.is_some()
        };
        assert!(standings.send(state, turn, &device, None, None).unwrap());
        turn.now = turn.now.after(9 * MINUTE);
        standings.reach_out(state, turn).unwrap();
        assert!(!by_lifeline(state, turn));
        turn.now = turn.now.after(MINUTE);
        standings.reach_out(state, turn).unwrap();
        assert!(by_lifeline(state, turn));
        // Its answer may take a month, also after this run of the node.
        let replies = &state.lifelines[&ben.device.peer].replies;
        assert_eq!((replies.len(), replies[0].expires), (1, turn.stamp.after(30 * DAY)));
        assert!(
            !standings.send(state, turn, &device, None, None).unwrap() && by_lifeline(state, turn),
            "a plain one does not take its place"
        );
    });
}

#[test]
fn what_is_said_late_goes_by_the_lifeline_where_the_way_that_was_named_is_closed() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2);
        let device = ben.device.device;
        let contact = line(state, turn, &ben);
        let (entry, key) = state.own.address(turn.rng, GrantId([1; 16]), Scope::Guest, turn.now, 0);
        let over = Contact { entry, key, expires: turn.now, ..contact.clone() };
        turn.now = turn.now.after(HOUR);
        let nonce = symbolon_presence::id::Nonce([1; 16]);
        let question = ben.standing(turn, 1, nonce);
        let mut standings = Standings::default();
        let mut goes_by = |state: &mut State, turn: &mut Turn<'_>| {
            assert!(standings.send(state, turn, &device, Some(&question), Some(&over)).unwrap());
            let number = state.devices[&device].channel.answering.unwrap();
            outbox::row(turn, &device, number).unwrap().unwrap().via.map(|via| via.key)
        };
        assert!(goes_by(state, turn).is_none(), "by what friends have");
        let now = turn.now;
        lifelines::note(turn, &device, |held| (held.contact, held.heard) = (Some(contact.clone()), Some(now))).unwrap();
        assert!(goes_by(state, turn) == Some(contact.key));
    });
}
