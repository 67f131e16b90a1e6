//! Who gives way at the door.

#![allow(clippy::unwrap_used)]
use super::*;

const SHARE: Share = Share { each: 4, all: 8 };

fn door(places: usize) -> Arc<Door> {
    Arc::new(Door::new(Bounds { silent: SHARE, handshakes: SHARE, strangers: SHARE, places }))
}

fn at(n: u8) -> Source {
    Source::V4([127, 0, 0, n])
}

fn is_shut(ticket: &Ticket) -> bool {
    ticket.shut.is_shut.load(Ordering::Acquire)
}

fn shut(tickets: &[Ticket]) -> Vec<usize> {
    tickets.iter().enumerate().filter(|(_, ticket)| is_shut(ticket)).map(|(n, _)| n).collect()
}

#[test]
fn an_address_is_an_ipv4_address_or_half_of_an_ipv6_address() {
    let of = |text: &str| Source::of(&text.parse().unwrap());
    assert_eq!(of("/ip4/192.0.2.7/tcp/1"), of("/ip4/192.0.2.7/udp/2/quic-v1"));
    assert_ne!(of("/ip4/192.0.2.7/tcp/1"), of("/ip4/192.0.2.8/tcp/1"));
    assert_eq!(of("/ip6/2001:db8::1/tcp/1"), of("/ip6/2001:db8::ffff:1/tcp/2"));
    assert_ne!(of("/ip6/2001:db8::1/tcp/1"), of("/ip6/2001:db8:0:1::1/tcp/1"));
    assert_eq!(of("/ip6/::ffff:192.0.2.7/tcp/1"), of("/ip4/192.0.2.7/tcp/1"));
    let key = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id();
    assert_eq!(of(&format!("/ip4/192.0.2.7/tcp/1/p2p/{key}/p2p-circuit")), Source::Circuit);
    assert_eq!(of(&format!("/p2p/{key}")), Source::Circuit);
}

#[test]
fn an_address_that_has_its_share_loses_its_oldest_and_others_lose_nothing() {
    let door = door(100);
    let other = door.enter(at(2), Stage::Silent).unwrap();
    let tickets: Vec<Ticket> = (0..6).map(|_| door.enter(at(1), Stage::Silent).unwrap()).collect();
    assert_eq!(shut(&tickets), [0, 1]);
    assert!(!is_shut(&other));
}

#[test]
fn a_full_stage_takes_a_newcomer_from_a_new_address_for_the_oldest_of_all() {
    let door = door(100);
    let tickets: Vec<Ticket> = (0..8).map(|n| door.enter(at(n), Stage::Tcp).unwrap()).collect();
    let newest = door.enter(at(99), Stage::Tcp).unwrap();
    assert_eq!(shut(&tickets), [0]);
    // The second of an address that has one already costs that address its own.
    let again = door.enter(at(5), Stage::Tcp).unwrap();
    assert_eq!(shut(&tickets), [0, 5]);
    assert!(!is_shut(&newest) && !is_shut(&again));
}

#[test]
fn ways_do_not_take_each_others_handshakes() {
    let door = door(100);
    let friend = door.enter(at(1), Stage::Tcp).unwrap();
    let forged: Vec<Ticket> = (0..200).map(|n| door.enter(at(n), Stage::Quic).unwrap()).collect();
    assert!(!is_shut(&friend));
    assert_eq!(shut(&forged).len(), 192);
}

#[test]
fn the_last_places_go_from_silent_to_shaking_hands_to_strange_and_never_from_friends() {
    let door = door(5);
    let strange = door.enter(at(1), Stage::Stranger).unwrap();
    let shaking = door.enter(at(2), Stage::Quic).unwrap();
    let silent = door.enter(at(3), Stage::Silent).unwrap();
    let friends: Vec<Ticket> = (0..2)
        .map(|n| {
            let ticket = door.enter(at(4), Stage::Tcp).unwrap();
            let connection = ConnectionId::new_unchecked(n);
            door.name(&ticket, connection);
            assert!(door.established(connection));
            door.keep(connection, true);
            ticket
        })
        .collect();
    let mut newer = Vec::new();
    for (expected, gone) in [(&silent, "silent"), (&shaking, "shaking hands"), (&strange, "strange")] {
        newer.push(door.enter(at(9), Stage::Stranger).unwrap());
        assert!(is_shut(expected), "{gone}");
        // It has proved itself as well: no other may go in its stead.
        let connection = ConnectionId::new_unchecked(10 + newer.len());
        door.name(newer.last().unwrap(), connection);
        door.keep(connection, true);
    }
    assert!(door.enter(at(10), Stage::Silent).is_none(), "every place is a friend's");
    assert_eq!(shut(&friends), [0; 0]);
    drop(friends);
    assert!(door.enter(at(10), Stage::Silent).is_some());
}

#[test]
fn the_newcomers_own_address_gives_way_before_all_others() {
    let door = door(3);
    let silent = door.enter(at(1), Stage::Silent).unwrap();
    let own = door.enter(at(2), Stage::Stranger).unwrap();
    let _third = door.enter(at(3), Stage::Stranger).unwrap();
    let _newest = door.enter(at(2), Stage::Silent).unwrap();
    assert!(is_shut(&own) && !is_shut(&silent));
}

#[test]
fn a_place_is_kept_as_long_as_one_link_of_a_friend_is_there() {
    let door = door(100);
    let ticket = door.enter(at(1), Stage::Tcp).unwrap();
    let connection = ConnectionId::new_unchecked(1);
    door.name(&ticket, connection);
    assert!(door.established(connection));
    door.keep(connection, true);
    door.keep(connection, true);
    door.keep(connection, false);
    assert!(!door.turn_out(connection), "one link is left");
    let flood: Vec<Ticket> = (0..50).map(|_| door.enter(at(1), Stage::Stranger).unwrap()).collect();
    assert_eq!(shut(&flood).len(), 46);
    assert!(!is_shut(&ticket));
    door.keep(connection, false);
    assert!(!is_shut(&ticket));
    let _newest = door.enter(at(1), Stage::Stranger).unwrap();
    assert!(is_shut(&ticket), "now it is the oldest stranger of its address");
    assert!(!door.established(connection), "its place is gone");
}

#[test]
fn a_ticket_that_is_dropped_leaves_nothing_behind() {
    let door = door(100);
    for n in 0..50 {
        let ticket = door.enter(at(1), Stage::Silent).unwrap();
        door.name(&ticket, ConnectionId::new_unchecked(n));
    }
    let guests = door.guests();
    assert!(guests.all.is_empty() && guests.by_connection.is_empty() && guests.by_stage.is_empty() && guests.by_source.is_empty());
}
