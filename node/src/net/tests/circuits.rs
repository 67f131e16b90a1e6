//! Connections that a relay forwards.

use super::stranger::Stranger;
use super::*;
use crate::net::endpoint::Target;
use crate::net::reach::path;
use libp2p::Multiaddr;
use symbolon_core::command::Path;

const SEED: [u8; 32] = [7; 32];

pub(super) async fn relay(listen: &str) -> Peer {
    let config = NetConfig { listen: vec![listen.to_owned()], forward: Some(Secret::from_bytes(SEED)), ..NetConfig::default() };
    Peer::start(config, 256).await
}

/// Links a peer to a relay. Answers the link at the peer and at the relay.
pub(super) async fn linked(peer: &mut Peer, relay: &mut Peer) -> (LinkId, LinkId) {
    peer.handle.dial(DialId(100), relay.addresses.clone());
    (peer.up().await.0, relay.up().await.0)
}

pub(super) fn circuits(addresses: &[Address]) -> Vec<Address> {
    let parse = |address: &Address| Multiaddr::try_from(address.0.clone()).ok();
    addresses.iter().filter(|address| parse(address).is_some_and(|address| path(None, &address) == Path::Relay)).cloned().collect()
}

/// The next addresses that a peer announces.
pub(super) async fn addresses(peer: &mut Peer) -> Vec<Address> {
    loop {
        if let Input::Addresses(addresses) = peer.next().await {
            return addresses;
        }
    }
}

/// Waits for the addresses with those through the relay among them.
pub(super) async fn forwarded(peer: &mut Peer) -> Vec<Address> {
    loop {
        let circuits = circuits(&addresses(peer).await);
        if !circuits.is_empty() {
            return circuits;
        }
    }
}

/// How the next link is reached.
async fn next_path(peer: &mut Peer) -> (LinkId, Path) {
    loop {
        if let Input::LinkUp { link, path, .. } = peer.next().await {
            return (link, path);
        }
    }
}

#[tokio::test]
async fn a_relay_forwards_to_whom_it_admitted_and_a_punched_hole_takes_over() {
    for listen in [TCP, QUIC] {
        let mut relay = relay(listen).await;
        let (mut a, mut b) = (Peer::new(&[listen]).await, Peer::new(&[listen]).await);
        let (at_b, at_relay) = linked(&mut b, &mut relay).await;
        relay.handle.admit(at_relay);
        b.handle.reserve(at_b);
        let circuits = forwarded(&mut b).await;
        assert_eq!(circuits.len(), 1);
        assert!(circuits[0].is_bounded());

        // Who is asked where it is seen from can punch a hole: here the relay tells.
        linked(&mut a, &mut relay).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        a.handle.dial(DialId(1), circuits.clone());
        let (link_a, way) = next_path(&mut a).await;
        let (link_b, _) = next_path(&mut b).await;
        assert_eq!(way, Path::Relay);
        a.handle.send(link_a, b"over the relay".to_vec());
        assert_eq!(b.frame(link_b).await, b"over the relay");
        b.handle.send(link_b, b"and back".to_vec());
        assert_eq!(a.frame(link_a).await, b"and back");

        // Nothing stands between the two but the detour, and neither may tell the other where it is.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(a.until_quiet().await.is_empty() && b.until_quiet().await.is_empty());
        b.handle.punch(link_b, true);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(b.until_quiet().await.is_empty(), "the dialler has not proved the other side yet");
        // Now both may: the way gets shorter by itself.
        a.handle.punch(link_a, true);
        a.down(link_a).await;
        b.down(link_b).await;
        a.handle.dial(DialId(2), circuits);
        let (link_a, way) = next_path(&mut a).await;
        let (link_b, other) = next_path(&mut b).await;
        assert_eq!((way, other), (Path::Direct, Path::Direct));
        a.handle.send(link_a, b"straight".to_vec());
        assert_eq!(b.frame(link_b).await, b"straight");
    }
}

#[tokio::test]
async fn a_relay_forwards_to_nobody_whom_it_did_not_admit() {
    let mut relay = relay(TCP).await;
    let mut b = Peer::new(&[TCP]).await;
    let (at_b, at_relay) = linked(&mut b, &mut relay).await;
    b.handle.reserve(at_b);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(b.until_quiet().await.iter().all(|input| !matches!(input, Input::Addresses(addresses) if !circuits(addresses).is_empty())));
    // The link to the relay continues, and so does everything else.
    b.handle.send(at_b, b"a frame".to_vec());
    assert_eq!(relay.frame(at_relay).await, b"a frame");
    // And a circuit to it leads nowhere.
    let mut a = Peer::new(&[TCP]).await;
    let key = relay.net.transport_key();
    let (ip, carrier, port) = relay.net.sockets()[0];
    let pinned = crate::net::pinned_address(ip, 0, carrier, port, &key).unwrap();
    let Some(Target::Direct(endpoint)) = Multiaddr::try_from(pinned.0).ok().and_then(|address| Target::from_multiaddr(&address)) else {
        panic!("a direct address")
    };
    let to = libp2p::identity::ed25519::PublicKey::try_from_bytes(b.net.transport_key().as_bytes()).unwrap();
    let to = libp2p::identity::PublicKey::from(to).to_peer_id();
    a.handle.dial(DialId(1), vec![Target::Circuit { relay: endpoint, to }.address()]);
    assert_eq!(a.next().await, Input::DialFailed(DialId(1)));
}

#[tokio::test]
async fn a_friends_own_address_is_taken_before_the_relays() {
    let mut relay = relay(TCP).await;
    let (mut a, mut b) = (Peer::new(&[TCP]).await, Peer::new(&[TCP]).await);
    let (at_b, at_relay) = linked(&mut b, &mut relay).await;
    relay.handle.admit(at_relay);
    b.handle.reserve(at_b);
    let mut addresses = forwarded(&mut b).await;
    addresses.extend(b.addresses.clone());
    a.handle.dial(DialId(1), addresses);
    assert_eq!(next_path(&mut a).await.1, Path::Direct);
}

#[tokio::test]
async fn what_a_relay_forwards_ends_with_it_and_begins_again() {
    let mut relay = relay(TCP).await;
    let (mut a, mut b) = (Peer::new(&[TCP]).await, Peer::new(&[TCP]).await);
    let (at_b, at_relay) = linked(&mut b, &mut relay).await;
    relay.handle.admit(at_relay);
    b.handle.reserve(at_b);
    let before = forwarded(&mut b).await;
    let listen = relay.net.listening();
    relay.net.stop().await;
    loop {
        if let Input::Addresses(addresses) = b.next().await {
            assert_eq!(circuits(&addresses), []);
            break;
        }
    }
    let config = NetConfig { listen, forward: Some(Secret::from_bytes(SEED)), ..NetConfig::default() };
    let mut relay = Peer::start(config, 256).await;
    let (at_b, at_relay) = linked(&mut b, &mut relay).await;
    relay.handle.admit(at_relay);
    b.handle.reserve(at_b);
    assert_eq!(forwarded(&mut b).await, before, "under the same key, at the same place");
    a.handle.dial(DialId(1), before);
    assert_eq!(next_path(&mut a).await.1, Path::Relay);
}

#[tokio::test]
async fn a105_identify_of_a_personal_node_lists_no_address_and_no_circuit_directly_or_through_the_circuit() {
    let mut relay = relay(TCP).await;
    let mut b = Peer::new(&[TCP]).await;
    let (at_b, at_relay) = linked(&mut b, &mut relay).await;
    relay.handle.admit(at_relay);
    let mut before = Stranger::new(&[]).await;
    before.connect(&b.addresses[0]).await;
    assert_eq!(before.identified().await.listen_addrs, []);
    b.handle.reserve(at_b);
    let circuit = forwarded(&mut b).await.remove(0);

    for address in [&b.addresses[0], &circuit] {
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(address).await;
        // Through a circuit the relay is met on the way, and it does list where it is.
        let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(b.net.transport_key().as_bytes()).unwrap();
        let said = loop {
            let said = stranger.identified().await;
            if said.public_key == key.clone().into() {
                break said;
            }
            assert_ne!(said.listen_addrs, [], "a relay says where it is");
        };
        assert_eq!(said.listen_addrs, []);
        assert!(said.signed_peer_record.is_none());
        // What it does say: where the asker is seen.
        assert!(!said.observed_addr.is_empty());
    }
}

#[tokio::test]
async fn a105_anyone_who_dials_the_circuit_is_told_no_address_until_the_core_says_so() {
    let mut relay = relay(QUIC).await;
    let mut b = Peer::new(&[QUIC]).await;
    let (at_b, at_relay) = linked(&mut b, &mut relay).await;
    relay.handle.admit(at_relay);
    b.handle.reserve(at_b);
    let circuit = forwarded(&mut b).await.remove(0);
    // libp2p's own code is at the other end, and knows where it is seen.
    let mut stranger = Stranger::new(&[QUIC]).await;
    stranger.connect(&relay.addresses[0]).await;
    stranger.identified().await;
    stranger.connect(&circuit).await;
    let _stream = stranger.open().await;
    let (link, way) = next_path(&mut b).await;
    assert_eq!(way, Path::Relay);
    let before = stranger.established();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((stranger.try_punched(), stranger.established()), (None, before), "nothing was begun");
    // A friend who may no longer know hears nothing either.
    b.handle.punch(link, true);
    b.handle.punch(link, false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_ne!(stranger.try_punched(), Some(true));
    assert_eq!(stranger.established(), before);
    // libp2p's own code answers ours.
    b.handle.punch(link, true);
    b.down(link).await;
    eventually("there is a direct connection", || stranger.established() > before).await;
}

#[tokio::test]
async fn libp2ps_own_code_that_begins_is_answered_once_the_core_says_so() {
    let mut relay = relay(QUIC).await;
    let mut stranger = Stranger::new(&[QUIC]).await;
    stranger.connect(&relay.addresses[0]).await;
    stranger.identified().await;
    let mut stream = stranger.open().await;
    stream.write(&[1, 7]).await;
    let at_relay = relay.up().await.0;
    assert_eq!(relay.frame(at_relay).await, [7]);
    relay.handle.admit(at_relay);
    let circuit = stranger.reserve(&relay.addresses[0]).await;

    let mut a = Peer::new(&[QUIC]).await;
    linked(&mut a, &mut relay).await;
    a.handle.dial(DialId(1), vec![circuit.clone()]);
    let (link, way) = next_path(&mut a).await;
    assert_eq!(way, Path::Relay);
    let _theirs = stranger.accept().await;
    let before = stranger.established();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((stranger.try_punched(), stranger.established()), (None, before), "it has asked, and waits");
    a.handle.punch(link, true);
    a.down(link).await;
    a.handle.dial(DialId(2), vec![circuit]);
    assert_eq!(next_path(&mut a).await.1, Path::Direct);
}
