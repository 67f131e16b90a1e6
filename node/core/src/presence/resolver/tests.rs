#![allow(clippy::unwrap_used)]

use super::*;
use crate::command::Path;
use crate::delivery::Up;
use crate::fixture::{NOW, friend, in_turn, peer};
use crate::limits::FRIENDS_MAX;
use crate::rows::{Friend, FriendPresence};
use crate::seam::Action;
use symbolon_presence::generation::Generation;

#[test]
fn friends_looked_for_at_once_are_bounded_and_the_others_get_their_turn() {
    in_turn(|state, turn| {
        let (mut resolver, mut delivery) = (Resolver::default(), Delivery::default());
        let count = FRIENDS_MAX as u64;
        for n in 0..count {
            let reader = Generation::random(0, day_of(NOW), turn.rng).reader();
            let presence = Some(FriendPresence { reader, version: 0, sequence: 0, read: NOW, lookups: Vec::new(), wrapped: None });
            state.friends.insert(peer(n), Friend { presence, ..friend(n) });
        }
        for n in 0..count {
            resolver.seek(state, &mut delivery, turn, peer(n), Why::Missed);
            resolver.seek(state, &mut delivery, turn, peer(n), Why::Missed);
        }
        assert_eq!((resolver.open.len(), resolver.next.len()), (SEEKS_MAX, FRIENDS_MAX - SEEKS_MAX));
        assert!(resolver.next.len() <= SEEKS_WAITING_MAX && resolver.ids.len() == SEEKS_MAX);
        let mut sought = std::collections::BTreeSet::new();
        // Three days each, and nobody answers.
        for _ in 0..3 * FRIENDS_MAX / SEEKS_MAX + 3 {
            sought.extend(resolver.open.keys().copied());
            turn.now = resolver.next_due().unwrap_or(turn.now);
            resolver.tick(state, &mut delivery, turn);
            assert!(resolver.open.len() <= SEEKS_MAX && resolver.ids.len() <= SEEKS_MAX && resolver.pace.counts().0 <= FRIENDS_MAX);
        }
        assert_eq!(sought.len(), FRIENDS_MAX);
    });
}

#[test]
fn n6_a_stale_key_that_is_told_within_a_second_of_a_look_up_is_looked_up_a_second_later() {
    in_turn(|state, turn| {
        let (mut resolver, mut delivery) = (Resolver::default(), Delivery::default());
        let reader = Generation::random(0, day_of(NOW), turn.rng).reader();
        let presence = Some(FriendPresence { reader, version: 0, sequence: 0, read: NOW, lookups: Vec::new(), wrapped: None });
        state.friends.insert(peer(1), Friend { presence, ..friend(1) });
        let asked =
            |turn: &Turn<'_>| turn.out.actions.iter().filter(|action| matches!(action, Action::Net(NetAction::Resolve(..)))).count();
        // Looked for, and not found anywhere.
        resolver.seek(state, &mut delivery, turn, peer(1), Why::Missed);
        let late = |resolver: &mut Resolver, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>| {
            while resolver.open.contains_key(&peer(1)) {
                let id = resolver.open[&peer(1)].header.as_ref().unwrap().id;
                resolver.answered(state, delivery, turn, id, Source::Servers);
            }
        };
        late(&mut resolver, state, &mut delivery, turn);
        let before = asked(turn);
        turn.now = NOW.after(200);
        resolver.seek(state, &mut delivery, turn, peer(1), Why::Stale);
        resolver.seek(state, &mut delivery, turn, peer(1), Why::Stale);
        assert_eq!(asked(turn), before, "not within a second");
        assert_eq!(resolver.next_due(), Some(NOW.after(SEEK_PAUSE_STALE)), "but a second after the last one");
        turn.now = NOW.after(SEEK_PAUSE_STALE);
        resolver.tick(state, &mut delivery, turn);
        assert_eq!(asked(turn), before + 1, "once");
        // Said while it is being looked for: what is found may be of before.
        turn.now = NOW.after(1_500);
        resolver.seek(state, &mut delivery, turn, peer(1), Why::Stale);
        late(&mut resolver, state, &mut delivery, turn);
        let before = asked(turn);
        assert_eq!(resolver.next_due(), Some(NOW.after(1_500 + SEEK_PAUSE_STALE)));
        turn.now = NOW.after(1_500 + SEEK_PAUSE_STALE);
        resolver.tick(state, &mut delivery, turn);
        assert_eq!(asked(turn), before + 1);
        assert!(resolver.pace.counts().1 == 0);
        // Who is missed is looked for at the old pace.
        late(&mut resolver, state, &mut delivery, turn);
        resolver.seek(state, &mut delivery, turn, peer(1), Why::Missed);
        assert!(resolver.pace.counts().1 == 0 && resolver.open.is_empty());
    });
}

#[test]
fn each_who_was_asked_has_one_answer_and_nobody_else_has_any() {
    in_turn(|state, turn| {
        let (mut resolver, mut delivery) = (Resolver::default(), Delivery::default());
        let reader = Generation::random(0, day_of(NOW), turn.rng).reader();
        let presence = Some(FriendPresence { reader, version: 0, sequence: 0, read: NOW, lookups: Vec::new(), wrapped: None });
        state.friends.insert(peer(1), Friend { presence, ..friend(1) });
        resolver.seek(state, &mut delivery, turn, peer(1), Why::Missed);
        let seek = resolver.open.get_mut(&peer(1)).unwrap();
        seek.header.as_mut().unwrap().links.extend([LinkId(1), LinkId(2)]);
        let id = seek.header.as_ref().unwrap().id;
        assert!(resolver.has_asked(&id, LinkId(1)) && !resolver.has_asked(&id, LinkId(3)));
        for _ in 0..3 {
            resolver.answered(state, &mut delivery, turn, id, Source::Link(LinkId(1)));
            resolver.answered(state, &mut delivery, turn, id, Source::Link(LinkId(3)));
        }
        assert!(!resolver.has_asked(&id, LinkId(1)));
        resolver.answered(state, &mut delivery, turn, id, Source::Servers);
        assert_eq!(resolver.open[&peer(1)].header.as_ref().unwrap().id, id, "the second link may still know it");
        resolver.answered(state, &mut delivery, turn, id, Source::Link(LinkId(2)));
        assert_ne!(resolver.open[&peer(1)].header.as_ref().unwrap().id, id, "now another day is looked at");
    });
}

#[test]
fn who_was_asked_on_a_link_that_has_ended_is_not_waited_for() {
    in_turn(|state, turn| {
        let (mut resolver, mut delivery) = (Resolver::default(), Delivery::default());
        let reader = Generation::random(0, day_of(NOW), turn.rng).reader();
        let presence = Some(FriendPresence { reader, version: 0, sequence: 0, read: NOW, lookups: Vec::new(), wrapped: None });
        state.friends.insert(peer(1), Friend { presence, ..friend(1) });
        delivery.link_up(state, turn, Up { link: LinkId(1), dial: None, path: Path::Direct, keys: None }).unwrap();
        resolver.seek(state, &mut delivery, turn, peer(1), Why::Stale);
        let header = resolver.open.get_mut(&peer(1)).unwrap().header.as_mut().unwrap();
        header.links.extend([LinkId(1), LinkId(2)]);
        let id = header.id;
        resolver.leave_ended(state, &mut delivery, turn);
        assert!(resolver.has_asked(&id, LinkId(1)) && !resolver.has_asked(&id, LinkId(2)), "the first one stands");
        resolver.answered(state, &mut delivery, turn, id, Source::Servers);
        assert!(resolver.has_asked(&id, LinkId(1)), "it is waited for");
        delivery.link_down(state, turn, LinkId(1));
        resolver.leave_ended(state, &mut delivery, turn);
        assert!(!resolver.ids.contains_key(&id), "the look-up continues without it");
    });
}
