//! Dials: who wins, who loses, and what is left over.

use super::stranger::Stranger;
use super::*;
use crate::net::pinned_address;
use symbolon_presence::id::PublicKeyBytes;

fn text(text: &str) -> Address {
    address_from_text(text).unwrap()
}

/// An address at which nobody listens: a port that was free a moment ago.
fn dead() -> Address {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    text(&format!("/ip4/127.0.0.1/tcp/{port}"))
}

#[tokio::test]
async fn one_live_address_among_dead_ones_is_enough() {
    for listen in [TCP, QUIC] {
        let mut a = Peer::new(&[listen]).await;
        let mut b = Peer::new(&[listen]).await;
        let mut addresses = vec![dead(), Address(vec![0xff; 7]), text("/ip4/127.0.0.1/udp/9/quic-v1")];
        addresses.extend(b.addresses.clone());
        a.handle.dial(DialId(1), addresses);
        assert_eq!(a.up().await.1, Some(DialId(1)));
        assert_eq!(b.up().await.1, None);
    }
}

/// The address of a peer, with the transport key that must be found there.
fn pinned(peer: &Peer, key: PublicKeyBytes) -> Vec<Address> {
    let (ip, carrier, port) = peer.net.sockets()[0];
    vec![pinned_address(ip, 0, carrier, port, &key).unwrap()]
}

#[tokio::test]
async fn a93_an_address_with_a_transport_key_leads_to_that_key_or_nowhere() {
    for listen in [TCP, QUIC] {
        let mut a = Peer::new(&[listen]).await;
        let mut b = Peer::new(&[listen]).await;
        let replayed_by_another = pinned(&b, a.net.transport_key());
        a.handle.dial(DialId(1), replayed_by_another);
        assert_eq!(a.next().await, Input::DialFailed(DialId(1)));
        let elsewhere = Peer::new(&[listen]).await;
        let replayed_by_another = pinned(&b, elsewhere.net.transport_key());
        a.handle.dial(DialId(2), replayed_by_another);
        assert_eq!(a.next().await, Input::DialFailed(DialId(2)));
        assert!(b.until_quiet().await.is_empty(), "nothing of it reached the core");
        a.handle.dial(DialId(3), pinned(&b, b.net.transport_key()));
        assert_eq!(a.up().await.1, Some(DialId(3)));
    }
}

#[tokio::test]
async fn a_dial_to_a_closed_port_fails_quickly() {
    let mut a = Peer::new(&[TCP]).await;
    a.handle.dial(DialId(1), vec![dead(), dead()]);
    assert_eq!(a.next().await, Input::DialFailed(DialId(1)));
}

#[tokio::test]
async fn a_dial_to_somebody_who_never_answers_fails_in_time() {
    let mute = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mute_udp = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let addresses = vec![
        text(&format!("/ip4/127.0.0.1/tcp/{}", mute.local_addr().unwrap().port())),
        text(&format!("/ip4/127.0.0.1/udp/{}/quic-v1", mute_udp.local_addr().unwrap().port())),
    ];
    let limits = Limits { dial: Duration::from_millis(500), ..Limits::default() };
    let mut a = Peer::with(&[TCP, QUIC], limits, 8).await;
    let begun = Instant::now();
    a.handle.dial(DialId(1), addresses);
    assert_eq!(a.next().await, Input::DialFailed(DialId(1)));
    assert!((Duration::from_millis(450)..Duration::from_secs(5)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    eventually("the place is free", || a.handle.shared.room.available_permits() == a.limits.links).await;
}

#[tokio::test]
async fn addresses_that_cannot_be_dialled_fail_without_a_try() {
    let mut a = Peer::new(&[TCP]).await;
    for (n, addresses) in
        [vec![], vec![Address(vec![])], vec![Address(vec![0xff; 500]); 1000], vec![text("/ip4/0.0.0.0/tcp/1")]].into_iter().enumerate()
    {
        a.handle.dial(DialId(n as u64), addresses);
        assert_eq!(a.next().await, Input::DialFailed(DialId(n as u64)));
    }
}

#[tokio::test]
async fn a_node_does_not_link_to_itself() {
    for listen in [TCP, QUIC] {
        let mut a = Peer::new(&[listen]).await;
        a.handle.dial(DialId(1), a.addresses.clone());
        assert_eq!(a.next().await, Input::DialFailed(DialId(1)));
        assert!(a.until_quiet().await.is_empty());
    }
}

#[tokio::test]
async fn the_losers_of_a_race_are_closed_and_nobody_sees_a_second_link() {
    let mut a = Peer::new(&[TCP, QUIC]).await;
    let mut b = Stranger::new(&[TCP, QUIC]).await;
    assert_eq!(b.addresses.len(), 2);
    a.handle.dial(DialId(1), b.addresses.clone());
    let (link, _) = a.up().await;
    let mut stream = b.accept().await;
    a.handle.send(link, b"hello".to_vec());
    assert_eq!(stream.frame().await, b"hello");
    // QUIC's handshake ends after TCP's, or the other way round; then one of them is closed.
    eventually("the second connection comes and goes", || b.closed() == 1 && b.established() == 2).await;
    assert!(b.try_accept().is_none());
    a.handle.send(link, b"still here".to_vec());
    assert_eq!(stream.frame().await, b"still here");
    assert!(a.until_quiet().await.is_empty());
}

#[tokio::test]
async fn connections_that_stand_when_another_wins_are_closed() {
    // Idleness shall not be what closes them.
    let limits = Limits { linkless: Duration::from_secs(600), linger: Duration::from_secs(600), ..Limits::default() };
    let mut a = Peer::with(&[TCP], limits, 8).await;
    let mut b = Stranger::new(&[TCP; 5]).await;
    a.handle.dial(DialId(1), b.addresses.clone());
    a.up().await;
    let _stream = b.accept().await;
    eventually("one of five stays", || b.established() == 5 && b.closed() == 4).await;
    assert!(b.try_accept().is_none());
}

#[tokio::test]
async fn a_dial_from_before_a_reset_does_not_fail_aloud() {
    let mute = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = text(&format!("/ip4/127.0.0.1/tcp/{}", mute.local_addr().unwrap().port()));
    let limits = Limits { dial: Duration::from_millis(300), ..Limits::default() };
    let mut a = Peer::with(&[TCP], limits, 8).await;
    a.handle.dial(DialId(1), vec![address.clone()]);
    a.handle.reset();
    a.handle.dial(DialId(2), vec![address]);
    assert!(matches!(a.next().await, Input::Addresses(_)));
    assert_eq!(a.next().await, Input::DialFailed(DialId(2)));
}

#[tokio::test]
async fn somebody_who_does_not_speak_our_protocol_is_no_link() {
    let mut a = Peer::new(&[TCP]).await;
    let b = Stranger::deaf(&[TCP]).await;
    a.handle.dial(DialId(1), b.addresses.clone());
    assert_eq!(a.next().await, Input::DialFailed(DialId(1)));
    eventually("the connection is closed", || b.closed() == 1).await;
}

#[tokio::test]
async fn two_nodes_that_dial_each_other_get_a_link_each() {
    for listen in [TCP, QUIC] {
        let mut a = Peer::new(&[listen]).await;
        let mut b = Peer::new(&[listen]).await;
        a.handle.dial(DialId(1), b.addresses.clone());
        b.handle.dial(DialId(2), a.addresses.clone());
        for peer in [&mut a, &mut b] {
            let mut dials = [peer.up().await.1, peer.up().await.1];
            dials.sort();
            assert_eq!(dials[0], None);
            assert!(dials[1].is_some());
        }
    }
}

#[tokio::test]
async fn more_dials_than_may_run_at_once_all_get_their_answer() {
    let limits = Limits { dials: 2, ..Limits::default() };
    let mut a = Peer::with(&[TCP], limits, 4).await;
    for n in 0..200 {
        a.handle.dial(DialId(n), vec![dead()]);
    }
    let mut answered: Vec<_> = Vec::new();
    for _ in 0..200 {
        match a.next().await {
            Input::DialFailed(DialId(n)) => answered.push(n),
            other => panic!("{other:?}"),
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dial_without_room_for_a_link_fails() {
    let limits = Limits { links: 2, inbound_links: 1, ..Limits::default() };
    let mut a = Peer::with(&[TCP], limits, 8).await;
    let mut b = Peer::new(&[TCP]).await;
    for n in 0..2 {
        a.handle.dial(DialId(n), b.addresses.clone());
        a.up().await;
        b.up().await;
    }
    a.handle.dial(DialId(2), b.addresses.clone());
    assert_eq!(a.next().await, Input::DialFailed(DialId(2)));
}
