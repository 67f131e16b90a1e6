//! Lifelines: how long each is good, how often, and what ends it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{friend, in_turn, own_relay, peer};
use crate::invites::grants::{Standing, standing};
use crate::invites::owners::{GrantOwner, owner_of};
use crate::limits::REVOKED_MAX;
use symbolon_presence::time::DAY;

const ROOM: RoomId = RoomId([1; 32]);

/// A friend who holds a lifeline of ours.
fn with_line(state: &mut State, turn: &mut Turn<'_>, number: u64) -> Contact {
    state.friends.insert(peer(number), friend(number));
    give(state, turn, &peer(number), ROOM).unwrap()
}

fn lines(state: &State, number: u64) -> Vec<GrantId> {
    state.lifelines.get(&peer(number)).map(|given| given.lines.iter().map(|line| line.grant).collect()).unwrap_or_default()
}

fn due(state: &State, turn: &Turn<'_>, number: u64) -> bool {
    is_due(state, &state.friends[&peer(number)], &mailboxes(state), turn.sure)
}

#[test]
fn a_friend_gets_the_next_lifeline_at_half_of_its_life_and_the_key_of_one_that_has_ended_is_erased() {
    in_turn(|state, turn| {
        with_line(state, turn, 1);
        let (begin, first) = (turn.sure, lines(state, 1)[0]);
        let mut later = |state: &mut State, days: u64| {
            (turn.now, turn.sure, turn.stamp) = (begin.after(days * DAY), begin.after(days * DAY), begin.after(days * DAY));
            sweep(state, turn);
            let is_due = due(state, turn, 1);
            if is_due {
                give(state, turn, &peer(1), ROOM).unwrap();
            }
            (is_due, lines(state, 1))
        };
        assert_eq!(later(state, 199), (false, vec![first]));
        let (is_due, both) = later(state, 201);
        assert_eq!((is_due, both.len(), both[0]), (true, 2, first), "the first one is good until it ends");
        assert!(key_of(state, &first).is_some());
        assert_eq!(later(state, 399), (false, both.clone()));
        let (_, left) = later(state, 401);
        assert!(!left.contains(&first) && left[0] == both[1]);
        assert!(key_of(state, &first).is_none() && key_of(state, &both[1]).is_some(), "its key is erased with it");
    });
}

#[test]
fn the_key_of_a_lifeline_that_nobody_renews_is_erased_when_it_has_surely_ended() {
    in_turn(|state, turn| {
        with_line(state, turn, 1);
        keep_reply(state, turn, &peer(1), LastingReply { grant: GrantId([5; 16]), expires: turn.sure.after(30 * DAY) });
        turn.now = turn.now.after(500 * DAY);
        sweep(state, turn);
        assert_eq!(lines(state, 1).len(), 1, "the wall clock alone erases nothing");
        turn.sure = turn.now;
        sweep(state, turn);
        assert!(state.lifelines.is_empty());
        assert_eq!(turn.row::<Given>(Table::Lifeline, peer(1).as_bytes()).ok().flatten().map(|_| ()), None);
    });
}

#[test]
fn a_lifeline_is_said_again_for_other_mailboxes_and_in_another_room_with_the_same_key() {
    in_turn(|state, turn| {
        let first = with_line(state, turn, 1);
        taken(state, turn, &peer(1));
        assert!(!due(state, turn, 1) && first.relay_mailboxes.is_empty());
        own_relay(state, turn, 7);
        assert!(due(state, turn, 1), "a relay came");
        let second = give(state, turn, &peer(1), ROOM).unwrap();
        assert_eq!((second.relay_mailboxes.len(), second.package == first.package, lines(state, 1).len()), (1, true, 1));
        assert!(!due(state, turn, 1), "it is on its way");
        state.friends.get_mut(&peer(1)).unwrap().room = RoomId([2; 32]);
        assert!(due(state, turn, 1), "it was said in a room that was left");
        give(state, turn, &peer(1), RoomId([2; 32])).unwrap();
        taken(state, turn, &peer(1));
        state.friends.get_mut(&peer(1)).unwrap().room = RoomId([3; 32]);
        assert!(!due(state, turn, 1), "the friend has it");
        let mut own = state.own.relay_mailboxes.values().next().unwrap().clone();
        own.queue_secret = Secret::from_bytes([9; 32]);
        state.save_relay_mailbox(turn, own);
        assert!(due(state, turn, 1), "the relay has another secret");
    });
}

#[test]
fn a33_a_lifeline_is_good_eight_times_a_day_also_over_restarts() {
    in_turn(|state, turn| {
        with_line(state, turn, 1);
        let grant = lines(state, 1)[0];
        for day in 0..3 {
            let used = (0..20).filter(|_| take_use(state, turn, &grant)).count();
            assert_eq!(used, LIFELINE_USES as usize, "day {day}");
            // What a start reads.
            let stored: Given = turn.row(Table::Lifeline, peer(1).as_bytes()).ok().flatten().unwrap();
            state.lifelines.insert(peer(1), stored);
            assert!(!take_use(state, turn, &grant));
            turn.now = turn.now.after(DAY);
        }
        assert!(!take_use(state, turn, &GrantId([9; 16])), "nobody has that one");
    });
}

#[test]
fn a33_a_lifeline_that_is_withdrawn_is_dead_at_once_here_and_at_relays() {
    in_turn(|state, turn| {
        own_relay(state, turn, 7);
        for number in [1, 2] {
            with_line(state, turn, number);
            let (grant, reply) = (lines(state, number)[0], GrantId([number as u8; 16]));
            keep_reply(state, turn, &peer(number), LastingReply { grant: reply, expires: turn.sure.after(DAY) });
            assert_eq!(standing(state, &grant, turn.now), Standing::Good);
            withdraw(state, turn, &peer(number));
            assert_eq!((standing(state, &grant, turn.now), owner_of(state, &grant)), (Standing::Silent, GrantOwner::Friends));
            assert!(key_of(state, &grant).is_none() && lines(state, number).is_empty());
            let listed = |grant| state.own.revoked.iter().any(|revoked| revoked.grant == grant);
            assert!(listed(grant) && listed(reply), "relays hear of it");
        }
    });
}

#[test]
fn a_lifeline_that_was_revoked_stays_in_the_list_while_the_secret_before_is_good_and_no_longer() {
    in_turn(|state, turn| {
        own_relay(state, turn, 7);
        with_line(state, turn, 1);
        let ended = lines(state, 1)[0];
        withdraw(state, turn, &peer(1));
        let until = turn.sure.after(DAY);
        let fill = |state: &mut State, turn: &mut Turn<'_>| {
            while state.own.revoked.len() < REVOKED_MAX - 1 {
                let grant = GrantId::random(turn.rng);
                grants::revoke(state, turn, grant, until);
            }
            let before = state.own.relay_mailboxes.values().next().unwrap().queue_secret.clone();
            let grant = GrantId::random(turn.rng);
            grants::revoke(state, turn, grant, until);
            assert_ne!(state.own.relay_mailboxes.values().next().unwrap().queue_secret, before);
            state.own.revoked.iter().map(|revoked| revoked.grant).collect::<Vec<_>>()
        };
        assert_eq!(fill(state, turn), [ended]);
        assert_eq!(fill(state, turn), [], "lifelines of two secrets before are worth nothing");
        // However many lifelines have ended: the list has its bound.
        for number in 10..10 + 2 * REVOKED_MAX as u64 {
            let line =
                Lifeline { grant: GrantId::random(turn.rng), key: Secret::random(turn.rng), made: turn.sure, expires: until, used: None };
            let given = Given { peer: peer(number), lines: vec![line], mailboxes: Digest([0; 32]), said_in: None, replies: Vec::new() };
            state.save_given(turn, given);
            withdraw(state, turn, &peer(number));
            assert!(state.own.revoked.len() < REVOKED_MAX + 1);
        }
    });
}

#[test]
fn lifelines_are_bounded_by_the_number_of_friends() {
    in_turn(|state, turn| {
        for number in 0..LIFELINES_MAX as u64 {
            let given = Given { peer: peer(number), lines: Vec::new(), mailboxes: Digest([0; 32]), said_in: None, replies: Vec::new() };
            state.lifelines.insert(peer(number), given);
        }
        let one_more = peer(LIFELINES_MAX as u64);
        assert!(give(state, turn, &one_more, ROOM).is_none());
        keep_reply(state, turn, &one_more, LastingReply { grant: GrantId([1; 16]), expires: turn.sure });
        assert_eq!(state.lifelines.len(), LIFELINES_MAX);
        assert!(give(state, turn, &peer(3), ROOM).is_some(), "who has a row has a place");
        for number in 0..20 {
            keep_reply(state, turn, &peer(3), LastingReply { grant: GrantId([number; 16]), expires: turn.sure });
        }
        assert_eq!(state.lifelines[&peer(3)].replies.len(), LASTING_REPLIES_OF_FRIEND);
    });
}

#[test]
fn two_are_apart_for_a_while_after_a_lifeline_was_used_or_heard_and_until_they_have_found_each_other() {
    in_turn(|state, turn| {
        let (device, _) = (DeviceId([4; 16]), &state);
        assert!(!is_apart(turn, &device).unwrap());
        for is_heard in [false, true] {
            let now = turn.now;
            note(turn, &device, |held| if is_heard { held.heard = Some(now) } else { held.used = Some(now) }).unwrap();
            assert!(is_apart(turn, &device).unwrap());
            turn.now = now.after(APART_LIFE);
            assert!(!is_apart(turn, &device).unwrap());
            turn.now = now;
            found_again(turn, &device).unwrap();
            assert!(!is_apart(turn, &device).unwrap());
        }
    });
}
