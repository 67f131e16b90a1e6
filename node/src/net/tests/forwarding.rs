//! What a relay forwards, for how many and for whom; asked for by hand.

use super::circuits::{forwarded, linked};
use super::floods::nth;
use super::stranger::{Bytes, Stranger};
use super::*;
use crate::net::door::Share;
use crate::net::limits::CIRCUIT_PAUSE;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::identity::{PublicKey, ed25519};
use libp2p::{PeerId as TransportId, Stream, StreamProtocol};
use std::net::UdpSocket;

const HOP: StreamProtocol = StreamProtocol::new("/libp2p/circuit/relay/0.2.0/hop");

/// What a relay answers.
const OK: u64 = 100;
const TOO_MANY: u64 = 201;

async fn relay_with(listen: &str, limits: Limits) -> Peer {
    let forward = Some(Secret::from_bytes([8; 32]));
    Peer::start(NetConfig { listen: vec![listen.to_owned()], forward, limits, ..NetConfig::default() }, 256).await
}

async fn number(stream: &mut Stream) -> u64 {
    let mut number = 0;
    for shift in 0..9 {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        number |= u64::from(byte[0] & 0x7f) << (7 * shift);
        if byte[0] & 0x80 == 0 {
            return number;
        }
    }
    panic!("no end of a number")
}

/// Asks a relay on a stream of its own: what it answers, and the stream, which is the circuit then.
async fn ask(stranger: &Stranger, message: Vec<u8>) -> (u64, Stream) {
    let mut stream = stranger.open_protocol(HOP).await.unwrap();
    let bytes = [vec![u8::try_from(message.len()).unwrap()], message].concat();
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    let status = async {
        let mut left = vec![0; usize::try_from(number(&mut stream).await).unwrap()];
        stream.read_exact(&mut left).await.unwrap();
        status(&left)
    };
    (timeout(PATIENCE, status).await.unwrap(), stream)
}

/// The status in an answer: its field 5, in protobuf.
fn status(mut bytes: &[u8]) -> u64 {
    let take = |bytes: &mut &[u8]| {
        let length = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let number = bytes[..length].iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
        *bytes = &bytes[length..];
        number
    };
    loop {
        let field = take(&mut bytes);
        let value = take(&mut bytes);
        match field {
            0x28 => return value,
            field if field & 7 == 2 => bytes = &bytes[usize::try_from(value).unwrap()..],
            _ => {}
        }
    }
}

async fn reserve(stranger: &Stranger) -> u64 {
    ask(stranger, vec![0x08, 0]).await.0
}

/// Asks for a circuit to somebody.
async fn circuit(stranger: &Stranger, to: TransportId) -> (u64, Stream) {
    let id = to.to_bytes();
    let length = u8::try_from(id.len()).unwrap();
    ask(stranger, [vec![0x08, 1, 0x12, length + 2, 0x0a, length], id].concat()).await
}

/// Somebody with a mailbox at a relay, and the link that shows it.
async fn admitted(mut owner: Stranger, relay: &mut Peer) -> (Stranger, Bytes) {
    owner.connect(&relay.addresses[0]).await;
    let mut stream = owner.open().await;
    stream.write(&[1, 7]).await;
    let link = relay.up().await.0;
    assert_eq!(relay.frame(link).await, [7]);
    relay.handle.heard(link);
    relay.handle.admit(link);
    relay.handle.keep(link, true);
    (owner, stream)
}

/// A node to which a relay forwards, and its transport key.
async fn reached(listen: &str, relay: &mut Peer) -> (Peer, TransportId, Address) {
    let mut node = Peer::new(&[listen]).await;
    let (at_node, at_relay) = linked(&mut node, relay).await;
    relay.handle.admit(at_relay);
    relay.handle.keep(at_relay, true);
    node.handle.reserve(at_node);
    let address = forwarded(&mut node).await.remove(0);
    let key = ed25519::PublicKey::try_from_bytes(node.net.transport_key().as_bytes()).unwrap();
    (node, PublicKey::from(key).to_peer_id(), address)
}

/// A stranger at the n-th of this machine's addresses: over QUIC they call from where they listen.
async fn stranger_at(n: usize, relay: &Peer) -> Stranger {
    let mut stranger = Stranger::new(&[&format!("/ip4/{}/udp/0/quic-v1", nth(n))]).await;
    stranger.connect(&relay.addresses[0]).await;
    stranger
}

/// Whether this machine has more than one loopback address.
fn has_addresses() -> bool {
    let there = UdpSocket::bind((nth(1), 0)).is_ok();
    if !there {
        println!("skipped: this machine has one loopback address only");
    }
    there
}

#[tokio::test]
async fn a102_reservations_are_bounded_for_each_key_and_in_all_and_nobody_loses_one() {
    let limits = Limits { reservations: 3, reservations_per_peer: 2, ..Limits::of_relay() };
    let mut relay = relay_with(TCP, limits).await;
    let mut twins = Vec::new();
    for twin in Stranger::twins(3).await {
        twins.push(admitted(twin, &mut relay).await);
    }
    assert_eq!([reserve(&twins[0].0).await, reserve(&twins[1].0).await, reserve(&twins[2].0).await], [OK, OK, TOO_MANY]);
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&relay.addresses[0]).await;
    assert_eq!(reserve(&stranger).await, TOO_MANY, "who has no mailbox has no place");
    let third = admitted(Stranger::new(&[]).await, &mut relay).await;
    assert_eq!(reserve(&third.0).await, OK);
    let fourth = admitted(Stranger::new(&[]).await, &mut relay).await;
    assert_eq!(reserve(&fourth.0).await, TOO_MANY);
    // A place is free as soon as its connection ends.
    drop(twins.remove(0));
    let begun = Instant::now();
    while reserve(&fourth.0).await != OK {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((twins[0].0.closed(), third.0.closed()), (0, 0));
}

#[tokio::test]
async fn a102_circuits_of_one_address_displace_their_own_and_the_newest_gets_one() {
    if !has_addresses() {
        return;
    }
    let limits = Limits { circuits: Share { each: 2, all: 3 }, circuits_per_peer: 1, ..Limits::of_relay() };
    let mut relay = relay_with(QUIC, limits).await;
    let (_node, to, _) = reached(QUIC, &mut relay).await;
    let mut held = Vec::new();
    let quiet = stranger_at(1, &relay).await;
    held.push(circuit(&quiet, to).await);
    let mut greedy = Vec::new();
    for _ in 0..5 {
        let stranger = stranger_at(2, &relay).await;
        held.push(circuit(&stranger, to).await);
        greedy.push(stranger);
    }
    assert!(held.iter().all(|(status, _)| *status == OK), "the newest always gets one");
    eventually("the oldest of that address are gone", || greedy[..3].iter().all(|stranger| stranger.closed() == 1)).await;
    assert!(greedy[3..].iter().chain([&quiet]).all(|stranger| stranger.closed() == 0));
    // All are taken now: who has most gives way.
    let newest = stranger_at(3, &relay).await;
    let (status, _stream) = circuit(&newest, to).await;
    assert_eq!(status, OK);
    eventually("the address with most has lost its oldest", || greedy[3].closed() == 1).await;
    assert!([&greedy[4], &quiet, &newest].iter().all(|stranger| stranger.closed() == 0));
    assert_eq!(circuit(&newest, to).await.0, TOO_MANY, "one for each key");
}

#[tokio::test]
async fn a102_new_circuits_of_one_address_come_at_a_bounded_pace_and_others_do_not_wait() {
    if !has_addresses() {
        return;
    }
    let mut relay = relay_with(QUIC, Limits { circuit_burst: 3, ..Limits::of_relay() }).await;
    let (_node, to, _) = reached(QUIC, &mut relay).await;
    let (hasty, other) = (stranger_at(1, &relay).await, stranger_at(2, &relay).await);
    let begun = Instant::now();
    let mut streams = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..6 {
        let (status, stream) = circuit(&hasty, to).await;
        answers.push(status);
        streams.push(stream);
    }
    // On a slow machine another one becomes free meanwhile.
    let free = begun.elapsed().as_secs() / CIRCUIT_PAUSE.as_secs();
    let let_in = answers.iter().filter(|status| **status == OK).count();
    assert!(let_in >= 3 && let_in as u64 <= 3 + free, "{answers:?}");
    assert_eq!(circuit(&other, to).await.0, OK);
    while circuit(&hasty, to).await.0 != OK {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(hasty.closed(), 0, "it waits, and loses nothing");
}

#[tokio::test]
async fn a_circuit_stays_although_its_dialler_has_no_link_at_the_relay() {
    let limits = Limits { linkless: Duration::from_millis(400), ..Limits::of_relay() };
    let mut relay = relay_with(TCP, limits).await;
    let (mut node, _, address) = reached(TCP, &mut relay).await;
    let mut friend = Peer::new(&[TCP]).await;
    friend.handle.dial(DialId(1), vec![address]);
    let ((at_friend, _), (at_node, _)) = (friend.up().await, node.up().await);
    // As long as nothing else needs the connection, it is its circuit that keeps it.
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    friend.handle.send(at_friend, b"still here".to_vec());
    assert_eq!(node.frame(at_node).await, b"still here");
}
