//! Connections and peers that fall silent.

use super::stranger::Stranger;
use super::*;
use std::net::SocketAddr;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

fn impatient() -> Limits {
    Limits { ping: Duration::from_millis(200), silence: Duration::from_millis(1_500), ..Limits::default() }
}

#[tokio::test]
async fn a_connection_without_a_stream_is_closed() {
    for listen in [TCP, QUIC] {
        let limits = Limits { linkless: Duration::from_millis(300), ..Limits::default() };
        let node = Peer::with(&[listen], limits, 8).await;
        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(&node.addresses[0]).await;
        eventually("the connection is closed", || stranger.closed() == 1).await;
    }
}

#[tokio::test]
async fn asking_for_other_protocols_does_not_keep_a_connection() {
    let limits = Limits { linkless: Duration::from_millis(600), ..Limits::default() };
    let node = Peer::with(&[TCP], limits, 8).await;
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&node.addresses[0]).await;
    let pest = stranger.pester();
    eventually("the connection is closed", || stranger.closed() == 1).await;
    pest.abort();
}

#[tokio::test]
async fn a_connection_with_a_link_outlives_the_wait_for_one() {
    let limits = Limits { linkless: Duration::from_millis(100), linger: Duration::from_millis(100), ..Limits::default() };
    let (a, at_a, mut b, at_b) = pair_with(TCP, limits, 8).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    a.handle.send(at_a, b"still here".to_vec());
    assert_eq!(b.frame(at_b).await, b"still here");
}

#[tokio::test]
async fn a_connection_of_ours_goes_soon_after_its_link() {
    let limits = Limits { linger: Duration::from_millis(100), ..Limits::default() };
    let mut node = Peer::with(&[TCP], limits, 8).await;
    let mut stranger = Stranger::new(&[TCP]).await;
    node.handle.dial(DialId(1), stranger.addresses.clone());
    let (link, _) = node.up().await;
    let _stream = stranger.accept().await;
    assert_eq!(stranger.closed(), 0);
    node.handle.close(link, CloseReason::Idle);
    eventually("the connection is closed", || stranger.closed() == 1).await;
}

/// Dials over a wire, waits, cuts the wire, and expects the end of the link.
#[tokio::test]
async fn a_peer_that_falls_silent_over_tcp_is_noticed() {
    let mut a = Peer::with(&[TCP], impatient(), 8).await;
    let mut b = Peer::with(&[TCP], impatient(), 8).await;
    let port = b.net.port().unwrap();
    let wire = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let entry = address_from_text(&format!("/ip4/127.0.0.1/tcp/{}", wire.local_addr().unwrap().port())).unwrap();
    let (cut, is_cut) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut left, _) = wire.accept().await.unwrap();
        let mut right = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut left, &mut right) => {}
            _ = is_cut => {}
        }
        // Both sockets stay open: nobody is notified.
        std::future::pending::<()>().await;
        drop((left, right));
    });
    a.handle.dial(DialId(1), vec![entry]);
    let (at_a, _) = a.up().await;
    let (at_b, _) = b.up().await;
    // Quiet for longer than silence lasts: pings keep the link.
    tokio::time::sleep(Duration::from_secs(3)).await;
    a.handle.send(at_a, b"still here".to_vec());
    assert_eq!(b.frame(at_b).await, b"still here");
    cut.send(()).unwrap();
    a.down(at_a).await;
    b.down(at_b).await;
}

/// Runs a transport in a runtime of its own, which dies without a word.
fn doomed(listen: &'static str, limits: Limits) -> (tokio::runtime::Runtime, Peer) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let peer = runtime.block_on(Peer::with(&[listen], limits, 8));
    (runtime, peer)
}

#[test]
fn a_peer_that_is_killed_is_noticed() {
    for listen in [TCP, QUIC] {
        let (runtime, mut b) = doomed(listen, impatient());
        let survivor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (mut a, link) = survivor.block_on(async {
            let mut a = Peer::with(&[listen], impatient(), 8).await;
            a.handle.dial(DialId(1), b.addresses.clone());
            let (link, _) = a.up().await;
            (a, link)
        });
        runtime.block_on(b.up());
        runtime.shutdown_background();
        survivor.block_on(a.down(link));
        survivor.block_on(async { assert!(a.until_quiet().await.is_empty()) });
    }
}

#[tokio::test]
async fn a_stranger_without_ping_keeps_its_link() {
    let mut node = Peer::with(&[TCP], impatient(), 8).await;
    let mut stranger = Stranger::without_ping().await;
    stranger.connect(&node.addresses[0]).await;
    let mut stream = stranger.open().await;
    let (link, _) = node.up().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    stream.write(b"\x05hello").await;
    assert_eq!(node.frame(link).await, b"hello");
}
