//! Another transport key while the node runs.

use super::circuits::{addresses, circuits, forwarded, linked, relay};
use super::*;
use libp2p::Multiaddr;
use std::collections::BTreeSet;

fn key_in(circuit: &Address) -> String {
    let text = Multiaddr::try_from(circuit.0.clone()).unwrap().to_string();
    text.rsplit('/').next().unwrap().to_owned()
}

/// How `a` gets to `b` by a circuit, once `b` has asked the relay for it.
async fn way_by_circuit(a: &mut Peer, b: &mut Peer, relay: &mut Peer, circuit: &[Address]) -> Option<symbolon_core::command::Path> {
    b.handle.dial(DialId(101), relay.addresses.clone());
    let at_b = loop {
        if let Input::LinkUp { link, .. } = b.next().await {
            break link;
        }
    };
    let at_relay = relay.up().await.0;
    relay.handle.admit(at_relay);
    b.handle.reserve(at_b);
    for dial in 4..100 {
        a.handle.dial(DialId(dial), circuit.to_vec());
        match a.next().await {
            Input::LinkUp { path, .. } => return Some(path),
            Input::DialFailed(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            other => panic!("{other:?}"),
        }
    }
    None
}

#[tokio::test]
async fn after_a_change_of_the_key_the_port_is_the_same_and_nobody_is_at_the_old_circuit() {
    for listen in [TCP, QUIC] {
        let mut relay = relay(listen).await;
        let (mut a, mut b) = (Peer::new(&[listen]).await, Peer::new(&[listen]).await);
        let (at_b, at_relay) = linked(&mut b, &mut relay).await;
        relay.handle.admit(at_relay);
        b.handle.reserve(at_b);
        let old = forwarded(&mut b).await;
        let (listening, key) = (b.net.listening(), b.net.transport_key());
        a.handle.dial(DialId(1), b.addresses.clone());
        let (at_a, _) = a.up().await;
        let (from_a, _) = b.up().await;

        b.handle.rekey(false);
        let told = addresses(&mut b).await;
        let new = circuits(&told);
        assert_eq!(new.len(), 1);
        assert_ne!(key_in(&new[0]), key_in(&old[0]));
        assert_eq!(b.net.transport_key(), key, "not yet");
        b.handle.send(from_a, b"where I will be".to_vec());
        assert_eq!(a.frame(at_a).await, b"where I will be");
        // What was sent before the change is written before it.
        b.handle.send(from_a, b"the last one".to_vec());
        b.handle.rekey(true);
        assert_eq!(a.frame(at_a).await, b"the last one");
        a.down(at_a).await;
        // Both links of b end, and each end is reported.
        let mut ended = BTreeSet::new();
        while ended.len() < 2 {
            match b.next().await {
                Input::LinkDown(link) => assert!(ended.insert(link)),
                Input::Addresses(told) => assert_eq!(circuits(&told), new),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(ended, [at_b, from_a].into());
        eventually("another key", || b.net.transport_key() != key).await;
        eventually("the same sockets", || b.net.listening() == listening).await;

        a.handle.dial(DialId(2), b.addresses.clone());
        let (at_a, dial) = a.up().await;
        assert_eq!(dial, Some(DialId(2)));
        let from_a = loop {
            match b.next().await {
                Input::LinkUp { link, .. } => break link,
                Input::Addresses(told) => assert_eq!(circuits(&told), new),
                other => panic!("{other:?}"),
            }
        };
        a.handle.send(at_a, b"again".to_vec());
        assert_eq!(b.frame(from_a).await, b"again");

        // The old circuit leads nowhere; the new one to the node, once it has asked for it.
        loop {
            if let Input::LinkDown(link) = relay.next().await {
                assert_eq!(link, at_relay);
                break;
            }
        }
        a.handle.dial(DialId(3), old);
        assert_eq!(a.next().await, Input::DialFailed(DialId(3)));
        assert_eq!(way_by_circuit(&mut a, &mut b, &mut relay, &new).await, Some(symbolon_core::command::Path::Relay));
    }
}

#[tokio::test]
async fn a_node_without_a_relay_changes_its_key_as_well_and_a_relay_never_does() {
    let mut b = Peer::new(&[TCP, QUIC]).await;
    let (before, key) = (b.addresses.clone(), b.net.transport_key());
    b.handle.rekey(false);
    assert_eq!(addresses(&mut b).await, before, "announced although nothing is new");
    b.handle.rekey(true);
    eventually("another key", || b.net.transport_key() != key).await;
    assert!(b.until_quiet().await.is_empty(), "the same addresses");

    let relay = relay(TCP).await;
    let key = relay.net.transport_key();
    relay.handle.rekey(true);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(relay.net.transport_key(), key);
}

#[tokio::test]
async fn a_core_that_is_loaded_again_in_between_does_not_leave_the_node_where_it_will_never_be() {
    let mut b = Peer::new(&[TCP]).await;
    let key = b.net.transport_key();
    b.handle.rekey(false);
    addresses(&mut b).await;
    b.handle.reset();
    eventually("the key that was announced", || b.net.transport_key() != key).await;
}
