//! Strangers that speak libp2p and mean harm.

use super::stranger::Stranger;
use super::*;
use symbolon_core::seam::MAX_FRAME;

#[tokio::test]
async fn a_hundred_streams_at_once_are_four_links() {
    for listen in [TCP, QUIC] {
        let mut node = Peer::new(&[listen]).await;
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(&node.addresses[0]).await;
        let mut streams = stranger.open_many(100).await;
        let mut links = Vec::new();
        for _ in 0..4 {
            links.push(node.up().await.0);
        }
        // The four work, whichever of the hundred they are; the others end without an answer.
        for link in &links {
            node.handle.send(*link, b"you are one of four".to_vec());
        }
        let mut alive = Vec::new();
        for stream in &mut streams {
            if let Some(frame) = stream.try_frame().await {
                assert_eq!(frame, b"you are one of four");
                alive.push(stream);
            }
        }
        assert_eq!(alive.len(), 4);
        for stream in &mut alive {
            stream.write(b"\x05hello").await;
            let Input::Frame(link, frame) = node.next().await else { panic!("no frame") };
            assert!(links.contains(&link));
            assert_eq!(frame, b"hello");
        }
        assert!(node.until_quiet().await.is_empty());
        assert_eq!(node.handle.shared.link_count(), 4);
    }
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_link_after_the_frames_before_them() {
    let over = MAX_FRAME + 1;
    let over = [(over & 0x7f) as u8 | 0x80, (over >> 7 & 0x7f) as u8 | 0x80, (over >> 14) as u8];
    let cases: [&[u8]; 5] = [&[0], &[0x80, 0], &[0xff; 64], &over, &[0xff, 0xff, 0xff, 0xff, 0x0f]];
    for listen in [TCP, QUIC] {
        let mut node = Peer::new(&[listen]).await;
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(&node.addresses[0]).await;
        for bytes in cases {
            let mut stream = stranger.open().await;
            let (link, _) = node.up().await;
            stream.write(&[b"\x05hello", bytes].concat()).await;
            assert_eq!(node.frame(link).await, b"hello");
            node.down(link).await;
            assert!(stream.try_frame().await.is_none());
        }
        assert!(node.until_quiet().await.is_empty());
    }
}

#[tokio::test]
async fn half_a_frame_and_then_silence_ends_the_link_but_a_quiet_link_stays() {
    let limits = Limits { stall: Duration::from_millis(400), ..Limits::default() };
    let mut node = Peer::with(&[TCP], limits, 8).await;
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&node.addresses[0]).await;
    let mut quiet = stranger.open().await;
    let (quiet_link, _) = node.up().await;
    quiet.write(b"\x02hi").await;
    assert_eq!(node.frame(quiet_link).await, b"hi");
    let mut slow = stranger.open().await;
    let (slow_link, _) = node.up().await;
    slow.write(b"\x05hel").await;
    node.down(slow_link).await;
    // By now the quiet link has been quiet for longer than half a frame may wait.
    quiet.write(b"\x05still").await;
    assert_eq!(node.frame(quiet_link).await, b"still");
}

#[tokio::test]
async fn a_frame_that_makes_progress_may_take_longer_than_one_that_does_not() {
    let limits = Limits { stall: Duration::from_millis(400), ..Limits::default() };
    let mut node = Peer::with(&[TCP], limits, 8).await;
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&node.addresses[0]).await;
    let mut stream = stranger.open().await;
    let (link, _) = node.up().await;
    let begun = Instant::now();
    for byte in b"\x09by pieces" {
        stream.write(&[*byte]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() > Duration::from_millis(800));
    assert_eq!(node.frame(link).await, b"by pieces");
}

#[tokio::test]
async fn half_a_frame_at_the_end_of_a_stream_is_nothing() {
    let mut node = Peer::new(&[TCP]).await;
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&node.addresses[0]).await;
    let mut stream = stranger.open().await;
    let (link, _) = node.up().await;
    stream.write(b"\x02hi\x05hel").await;
    drop(stream);
    assert_eq!(node.frame(link).await, b"hi");
    node.down(link).await;
}

#[tokio::test]
async fn identify_tells_a_stranger_nothing_about_the_node() {
    for listen in [TCP, QUIC] {
        let node = Peer::new(&[listen]).await;
        let mut stranger = Stranger::new(&[]).await;
        let transport = stranger.connect(&node.addresses[0]).await;
        let info = stranger.identified().await;
        assert_eq!(info.agent_version, "symbolon/1");
        assert_eq!(info.protocol_version, "/symbolon/1");
        assert_eq!(info.public_key.to_peer_id(), transport);
        assert!(info.listen_addrs.is_empty(), "{:?}", info.listen_addrs);
        assert!(info.signed_peer_record.is_none());
        let mut protocols: Vec<_> = info.protocols.iter().map(ToString::to_string).collect();
        protocols.sort();
        let everybodys =
            ["/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0", "/libp2p/circuit/relay/0.2.0/stop", "/symbolon/mailbox/1"];
        assert_eq!(protocols, everybodys);
    }
}

#[tokio::test]
async fn each_start_has_another_transport_key() {
    let node = Peer::new(&[TCP]).await;
    let mut stranger = Stranger::new(&[]).await;
    let first = stranger.connect(&node.addresses[0]).await;
    node.net.stop().await;
    let node = Peer::new(&[TCP]).await;
    assert_ne!(stranger.connect(&node.addresses[0]).await, first);
}

#[tokio::test]
async fn one_transport_key_gets_no_more_connections_than_it_may() {
    let limits = Limits { connections_per_peer: 2, ..Limits::default() };
    let node = Peer::with(&[TCP], limits, 8).await;
    let mut stranger = Stranger::new(&[]).await;
    for _ in 0..5 {
        stranger.connect(&node.addresses[0]).await;
    }
    eventually("three are closed", || stranger.established() == 5 && stranger.closed() == 3).await;
}
