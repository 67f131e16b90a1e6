//! The DHT of a LAN without internet, with real nodes on loopback.

use super::dht::{client, found, record, server, servers};
use super::stranger::Stranger;
use super::*;
use crate::net::limits::NEIGHBOURS_RECORDS;
use libp2p::StreamProtocol;
use symbolon_presence::id::LookupId;

const KAD: StreamProtocol = StreamProtocol::new("/symbolon/kad/1");

/// A node on a LAN that has just seen these.
async fn neighbour(of: &[&Peer]) -> Peer {
    let peer = Peer::new(&[TCP]).await;
    peer.handle.neighbours(Some(of.iter().flat_map(|other| other.addresses.clone()).collect()));
    peer
}

/// Waits until so many stand in for servers.
async fn near(peer: &mut Peer, count: usize) {
    loop {
        let input = timeout(PATIENCE, peer.inputs.recv()).await.unwrap().unwrap();
        if let Input::Servers(far, near) = input {
            assert!(far.is_empty(), "a neighbour is no way to a DHT: {far:?}");
            if near == count {
                return;
            }
        }
    }
}

async fn until_found(peer: &mut Peer, id: LookupId, bytes: &[u8]) {
    let begun = Instant::now();
    while !found(peer, id, Vec::new()).await.iter().any(|found| found == bytes) {
        assert!(begun.elapsed() < PATIENCE, "never found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn serves(peer: &Peer) -> bool {
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&peer.addresses[0]).await;
    stranger.open_protocol(KAD).await.is_some()
}

#[tokio::test]
async fn nodes_of_a_lan_keep_records_of_who_is_gone_until_there_is_a_real_server() {
    let (mut first, owner) = (Peer::new(&[TCP]).await, Peer::new(&[TCP]).await);
    assert!(!serves(&first).await, "nobody is a server who was not asked to be");
    first.handle.neighbours(Some(owner.addresses.clone()));
    owner.handle.neighbours(Some(first.addresses.clone()));
    near(&mut first, 1).await;
    let (id, bytes) = record(31, 0);
    owner.handle.publish(vec![bytes.clone()], Vec::new());
    until_found(&mut first, id, &bytes).await;
    owner.net.stop().await;

    // For a while nobody is there.
    first.handle.neighbours(Some(Vec::new()));
    let mut late = neighbour(&[&first]).await;
    near(&mut late, 1).await;
    until_found(&mut late, id, &bytes).await;

    // A server is met, and the core says that there are neighbours no more.
    let server = server().await;
    let (id, bytes) = record(32, 0);
    late.handle.publish(vec![bytes.clone()], Vec::new());
    until_found(&mut first, id, &bytes).await;
    late.handle.bootstrap(server.addresses.clone());
    servers(&mut late, true).await;
    late.handle.neighbours(None);
    let begun = Instant::now();
    while serves(&late).await {
        assert!(begun.elapsed() < PATIENCE);
    }
    assert!(serves(&first).await);
    // What neighbours had taken is put where others look, too.
    let mut reader = client(&server).await;
    until_found(&mut reader, id, &bytes).await;
}

#[tokio::test]
async fn a_neighbour_is_told_again_to_who_joins_and_keeps_a_bounded_number_of_records() {
    // Half of the places are for what was brought once.
    let limits = Limits { kept_records: 8, ..Limits::default() };
    const { assert!(NEIGHBOURS_RECORDS < 65_536) };
    let small = Peer::with(&[TCP], limits, 256).await;
    let mut owners = Vec::new();
    for seed in 1..=6 {
        let mut owner = neighbour(&[&small]).await;
        small.handle.neighbours(Some(owner.addresses.clone()));
        near(&mut owner, 1).await;
        owner.handle.publish(vec![record(40 + seed, 0).1], Vec::new());
        // Long enough for what is put: the stop waits for it.
        owner.net.stop().await;
        owners.push(40 + seed);
    }
    let mut reader = neighbour(&[&small]).await;
    near(&mut reader, 1).await;
    let mut kept = 0;
    for seed in owners {
        kept += found(&mut reader, record(seed, 0).0, Vec::new()).await.len();
    }
    assert_eq!(kept, 4);
}
