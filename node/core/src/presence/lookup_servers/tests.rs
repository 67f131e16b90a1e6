#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::in_turn;

fn address(number: u8) -> Address {
    Address(vec![4, 192, 0, 2, number])
}

#[test]
fn named_servers_are_bounded_and_naming_one_again_is_naming_it_once() {
    in_turn(|state, turn| {
        for number in (0..LOOKUPS_MAX as u8).chain(0..2) {
            add(state, turn, address(number)).unwrap();
        }
        assert!(matches!(add(state, turn, address(99)), Err(Failed::Command(CommandError::Full))));
        assert_eq!(own_servers(state).len(), LOOKUPS_MAX);
        assert_eq!(named_for_friends(state), [address(0), address(1), address(2)]);
        remove(state, turn, &address(1)).unwrap();
        assert!(matches!(remove(state, turn, &address(1)), Err(Failed::Command(CommandError::NotFound))));
        add(state, turn, address(99)).unwrap();
        let long = Address(vec![4; Address::MAX_LEN + 1]);
        assert!(matches!(add(state, turn, long), Err(Failed::Command(CommandError::BadAddress))));
    });
}

#[test]
fn the_world_is_told_of_servers_when_they_change_only() {
    in_turn(|state, turn| {
        let mut servers = LookupServers::default();
        servers.follow(state, turn);
        assert!(turn.out.actions.is_empty());
        state.own.lookups_now = vec![address(1)];
        add(state, turn, address(1)).unwrap();
        for _ in 0..2 {
            servers.follow(state, turn);
        }
        assert_eq!(turn.out.actions.len(), 1, "and one that is named twice is one");
        assert!(servers.stand(vec![(vec![address(1)], Some(true))]));
        assert!(!servers.stand(vec![(vec![address(1)], Some(false))]));
        assert_eq!((servers.answering(), servers.all()), (0, 1));
    });
}
