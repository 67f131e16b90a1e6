//! Strangers in numbers, over real sockets: those who proved nothing give way, friends stay, and
//! who comes last gets in at once.

use super::stranger::Stranger;
use super::*;
use crate::net::door::{Share, Stage};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// What a TCP client of libp2p says first.
const FIRST_WORDS: &[u8] = b"\x13/multistream/1.0.0\n";

fn port_of(peer: &Peer) -> u16 {
    peer.net.port().unwrap()
}

/// The n-th of many addresses that this machine has: all of 127.0.0.0/8 is its own.
pub(super) fn nth(n: usize) -> Ipv4Addr {
    let [_, _, high, low] = u32::try_from(n).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 7, high, low)
}

/// A TCP socket to a node from one of this machine's addresses. `None` where the system has but one.
async fn socket_from(ip: Ipv4Addr, port: u16) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((ip, 0))).ok()?;
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.ok()
}

/// Whether the other side has ended a socket by now.
fn is_over(socket: &TcpStream) -> bool {
    let mut bytes = [0; 256];
    loop {
        match socket.try_read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// A node with a friend whose link is kept, in a flood; each closure's product is held to the end.
struct Besieged {
    node: Peer,
    friend: Peer,
    links: (LinkId, LinkId),
}

impl Besieged {
    async fn new(listen: &[&str], limits: Limits) -> Self {
        let mut node = Peer::with(listen, limits, 4096).await;
        let mut friend = Peer::new(&[TCP, QUIC]).await;
        friend.handle.dial(DialId(1), node.addresses.clone());
        let (at_friend, _) = friend.up().await;
        let (at_node, _) = node.up().await;
        node.handle.heard(at_node);
        node.handle.keep(at_node, true);
        eventually("the place is kept", || node.handle.shared.door.count(Stage::Kept) == 1).await;
        Self { node, friend, links: (at_node, at_friend) }
    }

    /// The friend's link still works, and a newcomer gets one within the time of a dial.
    async fn holds(&mut self, what: &str) {
        let begun = Instant::now();
        let newcomer = Peer::new(&[TCP, QUIC]).await;
        newcomer.handle.dial(DialId(2), self.node.addresses.clone());
        self.friend.handle.send(self.links.1, b"still here".to_vec());
        let (mut came, mut heard) = (false, false);
        let mut newcomer = newcomer;
        let (at_newcomer, dial) = newcomer.up().await;
        assert_eq!(dial, Some(DialId(2)), "{what}");
        newcomer.handle.send(at_newcomer, b"hello".to_vec());
        while !(came && heard) {
            match self.node.next().await {
                Input::Frame(link, frame) if link == self.links.0 => {
                    assert_eq!(frame, b"still here");
                    heard = true;
                }
                Input::Frame(_, frame) if frame == b"hello" => came = true,
                Input::LinkDown(link) => assert_ne!(link, self.links.0, "{what}: the friend was put out"),
                _ => {}
            }
        }
        println!("{what}: a newcomer was in after {:?}", begun.elapsed());
        newcomer.handle.close(at_newcomer, CloseReason::Idle);
    }

    fn count(&self, stage: Stage) -> usize {
        self.node.handle.shared.door.count(stage)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a101_silent_sockets_give_way_to_newer_ones_and_hold_no_handshake_place() {
    let limits = Limits { silent_socket: Duration::from_secs(600), ..Limits::default() };
    let mut node = Besieged::new(&[TCP], limits).await;
    let share = node.node.limits.silent_sockets;
    let mut sockets = Vec::new();
    for _ in 0..200 {
        sockets.extend(socket_from(Ipv4Addr::LOCALHOST, port_of(&node.node)).await);
    }
    assert_eq!(sockets.len(), 200);
    eventually("the oldest of one address are closed", || sockets.iter().filter(|socket| is_over(socket)).count() >= 200 - share.each)
        .await;
    assert!(sockets.iter().rev().take(share.each).all(|socket| !is_over(socket)), "the newest are not");
    assert_eq!(node.count(Stage::Tcp), 0);
    node.holds("200 silent sockets from one address").await;

    if socket_from(nth(1), port_of(&node.node)).await.is_none() {
        println!("skipped: this machine has one loopback address only");
        return;
    }
    for n in 0..400 {
        sockets.extend(socket_from(nth(n), port_of(&node.node)).await);
    }
    eventually("the oldest of all are closed", || node.count(Stage::Silent) <= share.all && is_over(&sockets[0])).await;
    assert!(!is_over(sockets.last().unwrap()));
    node.holds("400 silent sockets from as many addresses").await;
}

#[tokio::test]
async fn a101_a_socket_without_a_byte_ends_after_its_time() {
    let limits = Limits { silent_socket: Duration::from_millis(300), ..Limits::default() };
    let node = Peer::with(&[TCP], limits, 8).await;
    let silent = socket_from(Ipv4Addr::LOCALHOST, port_of(&node)).await.unwrap();
    let mut spoken = socket_from(Ipv4Addr::LOCALHOST, port_of(&node)).await.unwrap();
    spoken.write_all(FIRST_WORDS).await.unwrap();
    eventually("the silent one is closed", || is_over(&silent)).await;
    // The other one has an answer, and time for its handshake.
    let mut answer = [0; 20];
    timeout(PATIENCE, spoken.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, FIRST_WORDS);
    assert_eq!(node.handle.shared.door.count(Stage::Tcp), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a101_half_handshakes_over_tcp_give_way_to_newer_ones() {
    let limits = Limits { dial: Duration::from_secs(600), ..Limits::default() };
    let mut node = Besieged::new(&[TCP], limits).await;
    let share = node.node.limits.handshakes;
    let mut sockets = Vec::new();
    for _ in 0..150 {
        let mut socket = socket_from(Ipv4Addr::LOCALHOST, port_of(&node.node)).await.unwrap();
        let _ = socket.write_all(FIRST_WORDS).await;
        sockets.push(socket);
    }
    eventually("the oldest of one address are closed", || sockets.iter().filter(|socket| is_over(socket)).count() >= 150 - share.each)
        .await;
    node.holds("150 half handshakes from one address").await;
    if socket_from(nth(1), port_of(&node.node)).await.is_none() {
        println!("skipped: this machine has one loopback address only");
        return;
    }
    for n in 0..300 {
        let Some(mut socket) = socket_from(nth(n), port_of(&node.node)).await else { continue };
        let _ = socket.write_all(FIRST_WORDS).await;
        sockets.push(socket);
    }
    eventually("the oldest of all are closed", || sockets.iter().filter(|socket| is_over(socket)).count() >= 450 - share.all).await;
    node.holds("300 half handshakes from as many addresses").await;
}

/// First packets of handshakes over QUIC, made by a stranger who dials a hole.
async fn first_packets(count: usize) -> Vec<Vec<u8>> {
    let hole = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = address_from_text(&format!("/ip4/127.0.0.1/udp/{}/quic-v1", hole.local_addr().unwrap().port())).unwrap();
    let stranger = Stranger::new(&[]).await;
    let mut packets = std::collections::BTreeMap::new();
    let mut buffer = [0; 2048];
    while packets.len() < count {
        stranger.knock(&address, 16).await;
        while let Ok(Ok(length)) = timeout(Duration::from_millis(300), hole.recv(&mut buffer)).await {
            // By its connection id, as the first packet is sent again and again.
            packets.entry(buffer[6..14].to_vec()).or_insert_with(|| buffer[..length].to_vec());
        }
    }
    packets.into_values().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a101_half_handshakes_over_quic_give_way_to_newer_ones() {
    let mut node = Besieged::new(&[TCP, QUIC], Limits::default()).await;
    let packets = first_packets(100).await;
    let mut sockets = Vec::new();
    for (n, packet) in packets.iter().enumerate() {
        let ip = if n % 2 == 0 { Ipv4Addr::LOCALHOST } else { nth(n) };
        let Ok(socket) = UdpSocket::bind((ip, 0)).await else { continue };
        socket.send_to(packet, (Ipv4Addr::LOCALHOST, port_of(&node.node))).await.unwrap();
        sockets.push(socket);
    }
    eventually("handshakes have begun", || node.count(Stage::Quic) > 0).await;
    assert!(node.count(Stage::Quic) <= node.node.limits.handshakes.all);
    node.holds("100 half handshakes over QUIC").await;
}

/// So many strangers, each with a transport key of its own and four links.
async fn crowd(node: &mut Peer, address: &Address, count: usize) -> Vec<(Stranger, Vec<super::stranger::Bytes>)> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(address).await;
        let streams = stranger.open_many(4).await;
        crowd.push((stranger, streams));
        // What they open is reported; nobody here wants to know.
        while node.inputs.try_recv().is_ok() {}
    }
    crowd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a101_connections_with_four_silent_links_give_way_to_newer_ones() {
    for listen in [TCP, QUIC] {
        let limits = Limits { strangers: Share { each: 6, all: 12 }, ..Limits::default() };
        let mut node = Besieged::new(&[listen], limits).await;
        let address = node.node.addresses[0].clone();
        let mut crowd = crowd(&mut node.node, &address, 20).await;
        eventually("the oldest are closed", || crowd.iter().filter(|(stranger, _)| stranger.closed() == 1).count() == 14).await;
        assert!(crowd.iter().rev().take(6).all(|(stranger, _)| stranger.closed() == 0), "the newest are not");
        // Their links have ended with them, whether they read or not.
        for stream in &mut crowd[0].1 {
            assert!(stream.try_frame().await.is_none());
        }
        node.holds("20 connections with four silent links each").await;
        assert_eq!(node.count(Stage::Kept), 1);
    }
}

#[tokio::test]
async fn a101_links_are_bounded_and_the_newest_gets_one_at_the_cost_of_the_oldest_stranger() {
    let limits = Limits { links: 8, inbound_links: 6, ..Limits::default() };
    let mut node = Peer::with(&[TCP], limits, 64).await;
    let mut strangers = Vec::new();
    let mut streams = Vec::new();
    for n in 0..3 {
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(&node.addresses[0]).await;
        streams.push(stranger.open_many(if n == 2 { 2 } else { 3 }).await);
        strangers.push(stranger);
    }
    let (mut up, mut down) = (0, 0);
    while (up, down) != (8, 3) {
        match node.next().await {
            Input::LinkUp { dial: None, .. } => up += 1,
            Input::LinkDown(_) => down += 1,
            other => panic!("{other:?}"),
        }
    }
    eventually("the oldest stranger is gone", || strangers[0].closed() == 1).await;
    assert!(strangers.iter().skip(1).all(|stranger| stranger.closed() == 0));
    // What others may take leaves our own dials their share.
    let friend = Peer::new(&[TCP]).await;
    node.handle.dial(DialId(1), friend.addresses.clone());
    assert_eq!(node.up().await.1, Some(DialId(1)));
}

#[tokio::test]
async fn a101_a_link_by_which_no_frame_makes_sense_ends_and_one_by_which_one_did_stays() {
    for listen in [TCP, QUIC] {
        let limits = Limits { unheard: Duration::from_millis(500), ..Limits::default() };
        let mut node = Peer::with(&[listen], limits, 16).await;
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(&node.addresses[0]).await;
        let mut good = stranger.open().await;
        let (good_link, _) = node.up().await;
        good.write(b"\x05sense").await;
        assert_eq!(node.frame(good_link).await, b"sense");
        node.handle.heard(good_link);
        let mut bad = stranger.open().await;
        let (bad_link, _) = node.up().await;
        bad.write(b"\x08nonsense").await;
        assert_eq!(node.frame(bad_link).await, b"nonsense");
        node.down(bad_link).await;
        assert!(bad.try_frame().await.is_none());
        good.write(b"\x05still").await;
        assert_eq!(node.frame(good_link).await, b"still");
    }
}

#[tokio::test]
async fn a_friends_place_is_kept_no_longer_than_the_link() {
    let mut node = Besieged::new(&[TCP], Limits::default()).await;
    node.friend.handle.close(node.links.1, CloseReason::Idle);
    node.node.down(node.links.0).await;
    eventually("nothing is kept", || node.count(Stage::Kept) == 0).await;
}

#[tokio::test]
async fn while_memory_is_scarce_and_nobody_can_give_way_strangers_stay_outside() {
    // Every process holds more than this.
    let limits = Limits { memory: 1, ..Limits::default() };
    let mut node = Peer::with(&[TCP], limits, 64).await;
    let mut first = Stranger::new(&[]).await;
    first.connect(&node.addresses[0]).await;
    eventually("nobody is there who could give way", || first.closed() == 1).await;
    assert_eq!(node.handle.shared.door.count(Stage::Stranger), 0);
    assert!(node.until_quiet().await.is_empty());
}

#[tokio::test]
async fn links_from_one_address_have_one_number_and_others_another() {
    let mut node = Peer::new(&[TCP]).await;
    let mut sources = Vec::new();
    for _ in 0..2 {
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(&node.addresses[0]).await;
        let _stream = stranger.open().await;
        sources.push(loop {
            if let Input::LinkUp { source, .. } = node.next().await {
                break source;
            }
        });
    }
    assert_eq!(sources[0], sources[1]);
    let mut again = Peer::new(&[TCP]).await;
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&again.addresses[0]).await;
    let _stream = stranger.open().await;
    let Input::LinkUp { source, .. } = again.next().await else { panic!("no link") };
    assert_ne!(source, sources[0], "another start, another number");
}

#[tokio::test]
async fn a102_frames_that_wait_on_all_links_together_are_bounded_and_the_link_on_which_most_waits_ends() {
    const FRAME: usize = 64 * 1024;
    for (limits, memory) in [(Limits::default(), 1), (Limits::of_relay(), 4)] {
        assert_eq!((limits.queue_all, limits.memory), (memory * (256 << 20), memory * (1 << 30)), "a quarter of the memory");
    }
    let limits = Limits { queue_all: 16 * FRAME, ..Limits::default() };
    let mut node = Peer::with(&[TCP], limits, 64).await;
    let (mut strangers, mut streams, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(&node.addresses[0]).await;
        streams.push(stranger.open().await);
        links.push(node.up().await.0);
        strangers.push(stranger);
    }
    // Nobody reads yet: some of it goes into the windows between, the rest waits.
    for _ in 0..5 {
        node.handle.send(links[0], vec![1; FRAME]);
    }
    let mut sent = 0;
    while node.handle.shared.link(links[1]).is_some_and(|link| link.is_open()) {
        node.handle.send(links[1], vec![2; FRAME]);
        sent += 1;
        assert!(node.handle.shared.waiting() <= node.limits.queue_all && sent < 1_000);
        tokio::task::yield_now().await;
    }
    assert!(sent > 10, "{sent}");
    node.down(links[1]).await;
    assert!(node.handle.shared.waiting() <= 5 * FRAME, "what it held is free");
    for _ in 0..5 {
        assert_eq!(streams[0].frame().await, vec![1; FRAME]);
    }
    node.handle.send(links[2], b"a word".to_vec());
    assert_eq!(streams[2].frame().await, b"a word");
    eventually("nothing waits", || node.handle.shared.waiting() == 0).await;
}

#[tokio::test]
async fn a102_links_that_flood_get_one_turn_for_each_turn_of_a_quiet_one() {
    const FLOODS: usize = 8;
    const FRAMES: usize = 2_000;
    let mut node = Peer::with(&[TCP], Limits::default(), 8).await;
    let (mut strangers, mut streams) = (Vec::new(), Vec::new());
    for n in 0..=FLOODS / 4 {
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(&node.addresses[0]).await;
        for _ in 0..if n == 0 { 1 } else { 4 } {
            streams.push(stranger.open().await);
            node.up().await;
        }
        strangers.push(stranger);
    }
    let (quiet, floods) = streams.split_first_mut().unwrap();
    for stream in floods {
        stream.write(&b"\x01f".repeat(FRAMES)).await;
    }
    eventually("the core is behind", || node.inputs.len() == 8).await;
    quiet.write(&b"\x01q".repeat(50)).await;
    let (mut words, mut between) = (0, 0);
    while words < 50 {
        match node.next().await {
            Input::Frame(_, frame) if frame == b"q" => words += 1,
            Input::Frame(..) if words > 0 => between += 1,
            Input::Frame(..) => {}
            other => panic!("{other:?}"),
        }
    }
    println!("{between} frames of {FLOODS} links between 50 of one");
    assert!(between <= 2 * 50 * FLOODS, "{between}");
}
