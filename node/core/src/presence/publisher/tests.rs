#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::in_turn;
use crate::limits::READ_BACK;
use crate::seam::Action;
use symbolon_presence::time::HOUR;

#[test]
fn servers_that_are_remembered_are_bounded_and_the_newest_stay() {
    in_turn(|state, turn| {
        let address = |number: u8| Address(vec![4, 192, 0, 2, number]);
        for number in 0..100 {
            remember_servers(state, turn, vec![address(number)]);
        }
        let newest: Vec<Address> = (0..SERVERS_MAX as u8).map(|number| address(99 - number)).collect();
        assert_eq!(state.own.servers, newest);
        remember_servers(state, turn, (100..=255).map(address).collect());
        assert_eq!(state.own.servers.len(), SERVERS_MAX);
        remember_servers(state, turn, vec![Address(vec![4; Address::MAX_LEN + 1])]);
        assert!(state.own.servers.iter().all(Address::is_bounded));
    });
}

#[test]
fn records_are_published_for_two_days_and_left_ahead_only_where_there_is_a_relay() {
    in_turn(|state, turn| {
        let mut publisher = Publisher::default();
        publisher.changed(turn.now, true);
        publisher.tick(state, turn);
        assert_eq!(state.own.records.len(), 6, "header and two bodies for two days");
        assert!(state.own.away.is_empty() && publisher.take_leaves_ahead());
    });
}

fn brought(turn: &mut Turn<'_>) -> Option<(usize, usize)> {
    let last = turn.out.actions.iter().rev().find_map(|action| {
        let Action::Net(NetAction::Publish { everywhere, servers }) = action else { return None };
        Some((everywhere.len(), servers.len()))
    });
    turn.out.actions.clear();
    last
}

#[test]
fn header_of_the_same_readers_is_the_same_bytes_whenever_it_is_made() {
    in_turn(|state, turn| {
        let headers = |state: &mut State, turn: &mut Turn<'_>| {
            let ids = make(state, turn, Class::Full).unwrap();
            state.own.records.iter().filter(|(id, _)| ids.contains(id)).map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>()
        };
        let first = headers(state, turn);
        turn.now = turn.now.after(3 * HOUR);
        assert_eq!(headers(state, turn), first, "neither counter nor bytes tell when it was made");
        crate::presence::grant(state, turn, &crate::fixture::peer(1), &[]).unwrap();
        let other = headers(state, turn);
        assert!(other.iter().all(|header| !first.contains(header)));
    });
}

#[test]
fn headers_go_to_the_dht_when_readers_change_once_a_day_and_when_nobody_has_them_and_else_to_own_servers_alone() {
    in_turn(|state, turn| {
        let mut publisher = Publisher::default();
        publisher.start(turn.now);
        publisher.tick(state, turn);
        turn.now = turn.now.after(PUBLISH_DELAY);
        publisher.tick(state, turn);
        assert_eq!(brought(turn), Some((4, 2)), "a start brings bodies");

        publisher.servers(state, turn, vec![Address(vec![4, 192, 0, 2, 1])], 0);
        turn.now = turn.now.after(READ_BACK);
        publisher.tick(state, turn);
        let header = publisher.read_back.unread.iter().find(|id| publisher.headers.ids.contains(*id)).copied().unwrap();
        publisher.resolved(state, turn, &header);
        assert_eq!(brought(turn), Some((6, 0)), "nobody had today's");

        crate::presence::grant(state, turn, &crate::fixture::peer(1), &[]).unwrap();
        publisher.changed(turn.now, true);
        publisher.tick(state, turn);
        assert_eq!(brought(turn), Some((6, 0)), "others read it now");
        publisher.changed(turn.now, true);
        publisher.tick(state, turn);
        assert_eq!(brought(turn), Some((4, 2)), "nothing new in it");

        turn.now = publisher.headers.due.unwrap();
        publisher.due = None;
        publisher.read_back.due = None;
        publisher.tick(state, turn);
        assert_eq!(brought(turn), Some((6, 0)), "the moment of the day");

        publisher.lookup_servers(state, turn.now, 1);
        crate::presence::grant(state, turn, &crate::fixture::peer(2), &[]).unwrap();
        publisher.changed(turn.now, true);
        publisher.tick(state, turn);
        assert_eq!(brought(turn), Some((4, 2)), "a server of our own brings it");
        turn.now = turn.now.after(READ_BACK);
        publisher.tick(state, turn);
        assert!(publisher.read_back.unread.iter().all(|id| !publisher.headers.ids.contains(id)), "and we do not look for it");
    });
}
