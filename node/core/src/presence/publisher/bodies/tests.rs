#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::in_turn;
use crate::invites;
use crate::presence::publisher::Publisher;
use crate::rows::OwnRelayMailbox;
use crate::seam::{Action, Address};
use symbolon_presence::id::QueueId;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{DAY, MINUTE};
use symbolon_relay::grant::MailboxKeys;
use symbolon_relay::limits::FRAME_MAX;
use symbolon_relay::link::RelayLink;

fn invite(state: &mut State, turn: &mut Turn<'_>, lifetime: u64) -> GrantId {
    let before: BTreeSet<GrantId> = state.invites.keys().copied().collect();
    invites::invite(state, turn, lifetime, false, false).ok().unwrap();
    state.invites.keys().find(|grant| !before.contains(*grant)).copied().unwrap()
}

fn relay(state: &mut State, turn: &mut Turn<'_>) {
    let keys = MailboxKeys::random(turn.rng);
    let receipt = symbolon_presence::sign::SigningKey::from_seed(&[3; 32]).public();
    let link = RelayLink { mailbox_key: keys.public(), receipt, places: vec![Address(vec![4, 192, 0, 2, 1, 6, 0, 80])] };
    let own = OwnRelayMailbox {
        link,
        owner: Secret::random(turn.rng),
        direct: QueueId::random(turn.rng),
        contact: QueueId::random(turn.rng),
        queue_secret: Secret::random(turn.rng),
        version: 1,
        claim: None,
        kept: None,
    };
    state.save_relay_mailbox(turn, own);
}

/// What was published last: how many records for all.
fn published(turn: &mut Turn<'_>) -> Option<usize> {
    let last = turn.out.actions.iter().rev().find_map(|action| {
        let Action::Net(NetAction::Publish { everywhere, .. }) = action else { return None };
        Some(everywhere.len())
    });
    turn.out.actions.clear();
    last
}

#[test]
fn the_body_of_an_invite_is_published_at_once_for_two_days_and_not_any_more_when_it_is_used() {
    in_turn(|state, turn| {
        let mut publisher = Publisher::default();
        publisher.changed(turn.now, true);
        publisher.tick(state, turn);
        assert_eq!(published(turn), Some(4), "bodies of presence");
        let grant = invite(state, turn, DAY);
        publisher.bodies_changed(turn.now);
        publisher.tick(state, turn);
        assert_eq!((published(turn), state.own.bodies.len()), (Some(6), 2));
        let row = state.invites.get(&grant).cloned().unwrap();
        invites::used(state, turn, row, symbolon_presence::id::RequestId([1; 16]));
        publisher.bodies_changed(turn.now);
        publisher.tick(state, turn);
        assert_eq!((published(turn), state.own.bodies.len(), state.own.used_bodies.len()), (Some(4), 0, 2));
    });
}

#[test]
fn bodies_left_with_relays_are_those_of_the_newest_invites_on_the_days_on_which_they_are_good_and_one_frame_holds_them() {
    in_turn(|state, turn| {
        relay(state, turn);
        invite(state, turn, 3 * DAY);
        for _ in 0..INVITES_AHEAD_MAX + 4 {
            turn.stamp = turn.stamp.after(1);
            invite(state, turn, 90 * DAY);
        }
        records_of_sequence(state, turn);
        prepare(state, turn);
        let today = day_of(turn.now);
        let counts: Vec<usize> = state.own.bodies_ahead.values().map(Vec::len).collect();
        assert_eq!(counts, [INVITES_AHEAD_MAX; 15], "the oldest has no place");
        assert!(state.own.bodies_ahead.keys().copied().eq(today..=today + DAYS_AHEAD));
        let bytes: usize = state.own.bodies_ahead.values().next().unwrap().iter().map(Vec::len).sum();
        assert!(bytes + 3 * symbolon_presence::record::RECORD_MAX < FRAME_MAX, "{bytes}");
        for grant in state.invites.keys().copied().collect::<Vec<_>>() {
            state.invites.remove(&grant);
        }
        invite(state, turn, 3 * DAY);
        prepare(state, turn);
        assert_eq!(state.own.bodies_ahead.values().filter(|bodies| !bodies.is_empty()).count(), 4, "until it expires");
    });
}

fn records_of_sequence(state: &mut State, turn: &mut Turn<'_>) {
    crate::presence::publisher::records::next_sequence(state, turn);
}

#[test]
fn a_body_for_days_to_come_says_nothing_of_where_this_node_is_and_stands_in_the_way_of_none() {
    in_turn(|state, turn| {
        state.own.places = vec![Address(vec![4, 192, 0, 2, 7, 6, 0, 80])];
        relay(state, turn);
        invite(state, turn, DAY);
        records_of_sequence(state, turn);
        make(state, turn, false);
        prepare(state, turn);
        let today = day_of(turn.now);
        let secret = state.invites.values().next().unwrap().secret.clone().unwrap();
        let opened = |bytes: &[u8]| {
            let record = Record::read(bytes, turn.now).unwrap();
            let content = secret.slot(today).open(&record).unwrap();
            let contact = bodies::read(&content).unwrap().verify_body(turn.now, &secret.id(), today, Some(&state.own.peer)).ok().unwrap();
            (record.counter(), contact.number, contact.contacts[0].1.entry.places.len(), contact.contacts[0].1.relay_mailboxes.len())
        };
        let (own, ahead) = (opened(&state.own.bodies[&secret.slot(today).id().unwrap()]), opened(&state.own.bodies_ahead[&today][0]));
        assert_eq!((own.2, ahead.2, own.3, ahead.3), (1, 0, 1, 1));
        assert_eq!((own.0, own.1), (ahead.0 + 1, ahead.1 + 1));
    });
}

#[test]
fn all_open_invites_are_looked_for_a_few_at_a_time_again_while_they_are_missing_and_once_a_day() {
    in_turn(|state, turn| {
        let mut watch = Bodies::default();
        watch.begin_again(state, turn.now);
        assert_eq!(watch.next_due(), None, "nothing is due without any");
        for _ in 0..FINDS_MAX + 3 {
            invite(state, turn, 5 * DAY);
        }
        records_of_sequence(state, turn);
        make(state, turn, false);
        watch.begin_again(state, turn.now);
        let begin = turn.now;
        // The first three times nobody has any of them.
        let mut asked = Vec::new();
        while asked.len() < 8 {
            turn.now = watch.next_due().unwrap();
            watch.look(state, turn, true);
            let ids: Vec<LookupId> = watch.asked.keys().copied().collect();
            assert!(ids.len() <= FINDS_MAX);
            asked.push((turn.now.since(begin), ids.len()));
            for id in ids {
                let own = state.own.bodies.get(&id).cloned();
                if let Some(own) = own.filter(|_| asked.len() > 3) {
                    watch.found(state, turn.now, &id, &own);
                }
                assert_eq!(watch.resolved(state, turn, &id), asked.len() <= 3);
            }
        }
        let counts: Vec<usize> = asked.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [FINDS_MAX, 3, FINDS_MAX, 3, FINDS_MAX, 0, FINDS_MAX, 3]);
        assert!(asked[0].0 == READ_BODY && asked[5].0 < MINUTE && asked[6].0 == READ_BODIES_AGAIN + READ_BODY);
        assert_eq!(state.own.kept_bodies.len(), FINDS_MAX + 3);
        watch.look = Some(turn.now);
        watch.look(state, turn, false);
        assert_eq!(watch.next_due(), None, "nowhere to look");
    });
}

#[test]
fn a_body_with_three_relays_and_eight_addresses_fits_the_size_of_4_kib() {
    in_turn(|state, turn| {
        state.own.places = (0..8).map(|last| Address([&[0x29, 0x20], [7; 14].as_slice(), &[last, 6, 0, 80]].concat())).collect();
        for _ in 0..crate::limits::RELAY_MAILBOXES_MAX {
            relay(state, turn);
        }
        invite(state, turn, DAY);
        records_of_sequence(state, turn);
        make(state, turn, false);
        let longest = state.own.bodies.values().map(Vec::len).max().unwrap();
        assert!(longest < 4_400, "{longest}");
    });
}
