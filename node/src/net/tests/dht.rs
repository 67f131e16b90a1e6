//! Records: what a server keeps, no matter who brings it, and how they are found.

use super::circuits::linked;
use super::stranger::Stranger;
use super::*;
use crate::net::limits::{DHT_OWN_AT_ONCE, DHT_QUERIES_MAX, LOOKUP_STREAMS};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::kad::{self, Quorum, RecordKey};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Stream, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use rand_core::SeedableRng;
use std::time::{SystemTime, UNIX_EPOCH};
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::posted::{Posted, contact_id};
use symbolon_presence::record::{RECORD_MAX, Record, Slot, day_of};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{CLOCK_SKEW, DAY, Timestamp};
use symbolon_relay::lookup::{Answer, Ask, Kept};

const LOOKUP: StreamProtocol = StreamProtocol::new("/symbolon/lookup/1");

fn now() -> Timestamp {
    Timestamp(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap())
}

/// A record of somebody's header of today, made so many milliseconds from now.
pub(super) fn record(seed: u8, later: u64) -> (LookupId, Vec<u8>) {
    let key = SigningKey::from_seed(&[seed; 32]);
    let slot = Slot::of_header(&key.public(), day_of(now()));
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed.into());
    let bytes = slot.seal(&key, now().after(later), &[seed; 100], &mut rng).unwrap();
    (Record::read(&bytes, now()).unwrap().id, bytes)
}

pub(super) async fn server() -> Peer {
    server_with(Limits::default()).await
}

async fn server_with(limits: Limits) -> Peer {
    let forward = Some(Secret::from_bytes([9; 32]));
    Peer::start(NetConfig { listen: vec![TCP.to_owned()], forward, limits, ..NetConfig::default() }, 256).await
}

/// A node that begins to look at a server of the DHT.
pub(super) async fn client(server: &Peer) -> Peer {
    let bootstrap = server.addresses.iter().map(|address| address_to_text(address).unwrap()).collect();
    let mut peer = Peer::start(NetConfig { listen: vec![TCP.to_owned()], bootstrap, ..NetConfig::default() }, 256).await;
    servers(&mut peer, true).await;
    peer
}

/// Waits until there are servers, or none.
pub(super) async fn servers(peer: &mut Peer, some: bool) {
    loop {
        let input = timeout(PATIENCE, peer.inputs.recv()).await.unwrap().unwrap();
        if matches!(&input, Input::Servers(servers, _) if servers.is_empty() != some) {
            return;
        }
    }
}

/// Everything found under an id.
pub(super) async fn found(peer: &mut Peer, id: LookupId, servers: Vec<Vec<Address>>) -> Vec<Vec<u8>> {
    let at = if servers.is_empty() { Look::Everywhere } else { Look::Servers(servers) };
    peer.handle.resolve(id, at);
    let mut found = Vec::new();
    loop {
        match timeout(PATIENCE, peer.inputs.recv()).await.unwrap().unwrap() {
            Input::Found(of, bytes) if of == id => found.push(bytes),
            Input::Resolved(of) if of == id => return found,
            _ => {}
        }
    }
}

/// The stock Kademlia of libp2p, which puts whatever it is given.
async fn vandal(server: &Peer) -> Swarm<kad::Behaviour<MemoryStore>> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key| {
            let own = key.public().to_peer_id();
            let mut config = kad::Config::new(StreamProtocol::new("/symbolon/kad/1"));
            config.set_max_packet_size(1024 * 1024);
            let store = MemoryStoreConfig { max_value_bytes: 1024 * 1024, ..MemoryStoreConfig::default() };
            kad::Behaviour::with_config(own, MemoryStore::with_config(own, store), config)
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    swarm.behaviour_mut().set_mode(Some(kad::Mode::Client));
    swarm.dial(Multiaddr::try_from(server.addresses[0].0.clone()).unwrap()).unwrap();
    let peer = loop {
        if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
            break peer_id;
        }
    };
    swarm.behaviour_mut().add_address(&peer, Multiaddr::try_from(server.addresses[0].0.clone()).unwrap());
    swarm
}

async fn put(swarm: &mut Swarm<kad::Behaviour<MemoryStore>>, id: &LookupId, value: Vec<u8>) {
    let record = kad::Record { key: RecordKey::new(id.as_bytes()), value, publisher: None, expires: None };
    let query = swarm.behaviour_mut().put_record(record, Quorum::One).unwrap();
    let done = async {
        loop {
            if let SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed { id, step, .. }) = swarm.select_next_some().await
                && id == query
                && step.last
            {
                return;
            }
        }
    };
    timeout(PATIENCE, done).await.unwrap();
}

#[tokio::test]
async fn a77_a_server_keeps_nothing_that_is_unsigned_huge_misplaced_or_older() {
    let server = server().await;
    let mut swarm = vandal(&server).await;
    let ((id, older), (_, newer)) = (record(1, 0), record(1, 5));
    put(&mut swarm, &id, newer.clone()).await;
    put(&mut swarm, &id, older).await;
    let mut forged = newer.clone();
    *forged.last_mut().unwrap() ^= 1;
    put(&mut swarm, &id, forged).await;
    // Somebody else's record, under a key that is not its own.
    let misplaced = LookupId([5; 32]);
    put(&mut swarm, &misplaced, record(2, 0).1).await;
    let (rubbish, huge) = (LookupId([6; 32]), LookupId([7; 32]));
    put(&mut swarm, &rubbish, b"no record".to_vec()).await;
    put(&mut swarm, &huge, vec![1; 70_000]).await;

    let mut reader = client(&server).await;
    assert_eq!(found(&mut reader, id, Vec::new()).await, [newer]);
    for id in [misplaced, rubbish, huge, record(2, 0).0] {
        assert!(found(&mut reader, id, Vec::new()).await.is_empty());
    }
}

/// The blinded key in a record: its first byte string of 32 bytes.
fn blinded_key(record: &[u8]) -> [u8; 32] {
    let at = record.windows(2).position(|pair| pair == [0x58, 32]).unwrap() + 2;
    record[at..at + 32].try_into().unwrap()
}

/// The record with another key in it, and all else as it was.
fn under_key(record: &[u8], key: &[u8; 32]) -> Vec<u8> {
    let mut changed = record.to_vec();
    let at = record.windows(2).position(|pair| pair == [0x58, 32]).unwrap() + 2;
    changed[at..at + 32].copy_from_slice(key);
    changed
}

#[tokio::test]
async fn a71_a75_who_knows_all_that_friends_know_can_neither_forge_a_record_nor_squat_a_coming_one() {
    let server = server().await;
    let mut vandal = vandal(&server).await;
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&server.addresses[0]).await;
    let mut reader = client(&server).await;
    let (owner, friend) = (SigningKey::from_seed(&[51; 32]), SigningKey::from_seed(&[52; 32]));
    let (lookup, wrapped, today) = (owner.public(), Secret::from_bytes([53; 32]), day_of(now()));
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(54);
    for day in [today, today + 1] {
        for slot in [Slot::of_header(&lookup, day), Slot::of_body(&lookup, day, &wrapped)] {
            let id = slot.id(&lookup).unwrap();
            let genuine = slot.seal(&owner, now(), b"here I am", &mut rng).unwrap();
            // Sealed as it should be, with a higher counter: only the owner's private key is missing.
            let forged = slot.seal(&friend, now().after(60_000), b"here she is", &mut rng).unwrap();
            assert_ne!(Record::read(&forged, now()).unwrap().id, id);
            let swapped = under_key(&forged, &blinded_key(&genuine));
            assert_eq!(under_key(&swapped, &blinded_key(&forged)), forged, "nothing but the key was changed");
            put(&mut vandal, &id, forged).await;
            put(&mut vandal, &id, swapped.clone()).await;
            for (bytes, kept) in [(swapped, Kept::Refused), (genuine.clone(), Kept::Yes)] {
                let mut stream = stranger.open_protocol(LOOKUP).await.unwrap();
                assert_eq!(timeout(PATIENCE, ask(&mut stream, &Ask::Put(bytes))).await.unwrap(), Answer::Put(kept));
            }
            assert_eq!(found(&mut reader, id, Vec::new()).await, [genuine]);
        }
    }
}

#[tokio::test]
async fn records_are_found_in_the_dht_and_at_a_lookup_server_by_anyone_who_knows_it() {
    let server = server().await;
    let (id, bytes) = record(3, 0);
    let owner = client(&server).await;
    owner.handle.publish(vec![bytes.clone()], Vec::new());
    let mut reader = client(&server).await;
    let begun = Instant::now();
    while found(&mut reader, id, Vec::new()).await != [bytes.clone()] {
        assert!(begun.elapsed() < PATIENCE, "the record comes into the DHT");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // Neither of these has heard of any DHT.
    let second = self::server().await;
    let (mut named, mut told) = (Peer::new(&[TCP]).await, Peer::new(&[TCP]).await);
    let (id, bytes) = record(4, 0);
    named.handle.lookups(vec![second.addresses.clone()]);
    named.handle.publish(vec![bytes.clone()], Vec::new());
    let answers = async {
        loop {
            if matches!(named.inputs.recv().await.unwrap(), Input::Lookups(standing) if standing == [(second.addresses.clone(), Some(true))])
            {
                return;
            }
        }
    };
    timeout(PATIENCE, answers).await.unwrap();
    assert!(found(&mut told, id, Vec::new()).await.is_empty());
    // A server that is not there costs nothing but its part.
    let nowhere = vec![address_from_text("/ip4/127.0.0.1/tcp/1").unwrap()];
    assert_eq!(found(&mut told, id, vec![nowhere, second.addresses.clone()]).await, [bytes]);
}

#[tokio::test]
async fn records_published_while_others_are_under_way_and_right_before_a_stop_are_found() {
    let server = server().await;
    let mut reader = client(&server).await;
    for round in 1..=5 {
        let ((id, older), (_, newer)) = (record(10 + round, 0), record(10 + round, 5));
        let owner = client(&server).await;
        owner.handle.lookups(vec![server.addresses.clone()]);
        owner.handle.publish(vec![older], Vec::new());
        // The second set overtakes what is being put of the first.
        owner.handle.publish(vec![newer.clone()], Vec::new());
        owner.net.stop().await;
        assert_eq!(found(&mut reader, id, vec![server.addresses.clone()]).await.last(), Some(&newer), "round {round}");
    }
}

#[tokio::test]
async fn servers_that_are_gone_are_servers_no_longer_until_one_is_met_again() {
    let server = server().await;
    let mut peer = client(&server).await;
    let listen = server.net.listening();
    server.net.stop().await;
    peer.handle.resolve(record(5, 0).0, Look::Dht);
    servers(&mut peer, false).await;
    let forward = Some(Secret::from_bytes([9; 32]));
    let _again = Peer::start(NetConfig { listen, forward, ..NetConfig::default() }, 256).await;
    servers(&mut peer, true).await;
}

async fn ask(stream: &mut Stream, ask: &Ask) -> Answer {
    let message = ask.encode();
    let mut bytes = Vec::new();
    crate::net::frame::write_frame(&message, &mut bytes);
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let skip = answer.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    Answer::decode(&answer[skip..]).unwrap()
}

#[tokio::test]
async fn a77_a_lookup_server_takes_what_is_a_record_once_and_answers_what_it_has() {
    let server = server().await;
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&server.addresses[0]).await;
    let ((id, older), (_, newer)) = (record(6, 0), record(6, 5));
    for (question, answer) in [
        (Ask::Get(id), Answer::Found(None)),
        (Ask::Put(newer.clone()), Answer::Put(Kept::Yes)),
        (Ask::Put(older), Answer::Put(Kept::Known)),
        (Ask::Put(newer.clone()), Answer::Put(Kept::Known)),
        (Ask::Put(vec![1; RECORD_MAX]), Answer::Put(Kept::Refused)),
        (Ask::Get(id), Answer::Found(Some(newer))),
    ] {
        let mut stream = stranger.open_protocol(LOOKUP).await.unwrap();
        assert_eq!(timeout(PATIENCE, ask(&mut stream, &question)).await.unwrap(), answer);
    }
    // Lengths that promise too much, nothing, or are written in a long form, and no message.
    for bytes in [&[0xff, 0xff, 0x7f][..], &[0], &[0x81, 0x00], &[1, 0xff], &[0x85, 0x80, 0x00]] {
        let mut stream = stranger.open_protocol(LOOKUP).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        assert!(read.is_err() || answer.is_empty(), "{bytes:?}");
    }
    // A person is no server.
    let person = Peer::new(&[TCP]).await;
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&person.addresses[0]).await;
    assert!(stranger.open_protocol(LOOKUP).await.is_none());
}

#[tokio::test]
async fn a102_a_seventeenth_question_at_once_on_one_connection_is_refused_and_others_are_answered() {
    assert_eq!(LOOKUP_STREAMS, 16);
    let server = server().await;
    let (mut greedy, mut other) = (Stranger::new(&[]).await, Stranger::new(&[]).await);
    greedy.connect(&server.addresses[0]).await;
    other.connect(&server.addresses[0]).await;
    let (id, _) = record(7, 0);
    let question = Ask::Get(id);
    let mut bytes = Vec::new();
    crate::net::frame::write_frame(&question.encode(), &mut bytes);
    let (first, rest) = bytes.split_at(5);
    let mut half = Vec::new();
    for _ in 0..LOOKUP_STREAMS {
        let mut stream = greedy.open_protocol(LOOKUP).await.unwrap();
        stream.write_all(first).await.unwrap();
        stream.flush().await.unwrap();
        half.push(stream);
    }
    for _ in 0..3 {
        let mut stream = greedy.open_protocol(LOOKUP).await.unwrap();
        // It may have been ended already.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.flush().await;
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        assert!(read.is_err() || answer.is_empty(), "{answer:?}");
        let mut stream = other.open_protocol(LOOKUP).await.unwrap();
        assert_eq!(timeout(PATIENCE, ask(&mut stream, &question)).await.unwrap(), Answer::Found(None));
    }
    // One of the sixteen is asked to its end: it is answered, and its place is free.
    let mut done = half.pop().unwrap();
    done.write_all(rest).await.unwrap();
    done.flush().await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, done.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(!answer.is_empty());
    let mut stream = greedy.open_protocol(LOOKUP).await.unwrap();
    assert_eq!(timeout(PATIENCE, ask(&mut stream, &question)).await.unwrap(), Answer::Found(None));
    assert_eq!((greedy.closed(), other.closed()), (0, 0));
}

#[tokio::test]
async fn a_record_ends_by_itself_and_does_not_come_back() {
    let server = server().await;
    let mut stranger = Stranger::new(&[]).await;
    stranger.connect(&server.addresses[0]).await;
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(61);
    let owner = Identity::generate(&mut rng, now(), 365 * DAY);
    // Clocks may differ by so much: it expires in two seconds from now.
    let end = Timestamp(now().0 - CLOCK_SKEW + 2_000);
    let record = Posted::sign(&owner, 1, end, b"a contact".to_vec()).unwrap().encode();
    let id = contact_id(&owner.peer());
    let answer = async |question: Ask| {
        let mut stream = stranger.open_protocol(LOOKUP).await.unwrap();
        timeout(PATIENCE, ask(&mut stream, &question)).await.unwrap()
    };
    assert_eq!(answer(Ask::Put(record.clone())).await, Answer::Put(Kept::Yes));
    assert_eq!(answer(Ask::Get(id)).await, Answer::Found(Some(record.clone())));
    let begun = Instant::now();
    while answer(Ask::Get(id)).await != Answer::Found(None) {
        assert!(begun.elapsed() < PATIENCE);
    }
    assert_eq!(answer(Ask::Put(record)).await, Answer::Put(Kept::Refused));
}

#[tokio::test]
async fn a102_a_stranger_who_fills_a_server_displaces_their_own_records_and_owners_keep_places() {
    let size = record(1, 0).1.len();
    for limits in [Limits { kept_records: 16, ..Limits::default() }, Limits { kept_bytes: size * 16 + size / 2, ..Limits::default() }] {
        let mut server = server_with(limits).await;
        let mut owner = Peer::new(&[TCP]).await;
        let (_, at_server) = linked(&mut owner, &mut server).await;
        server.handle.admit(at_server);
        eventually("the owner is admitted", || server.handle.shared.admitted.lock().unwrap().len() == 1).await;
        // By way of the lookup server, and by way of the relay that was left records for later.
        let servers = vec![server.addresses.clone()];
        owner.handle.lookups(servers.clone());
        owner.handle.publish(vec![record(1, 0).1], Vec::new());
        server.handle.host(9, record(2, 0).1);
        while found(&mut owner, record(1, 0).0, servers.clone()).await.is_empty()
            || found(&mut owner, record(2, 0).0, servers.clone()).await.is_empty()
        {}

        let mut stranger = Stranger::new(&[]).await;
        stranger.connect(&server.addresses[0]).await;
        let put = async |seed: u8, later: u64| {
            let mut stream = stranger.open_protocol(LOOKUP).await.unwrap();
            ask(&mut stream, &Ask::Put(record(seed, later).1)).await
        };
        for seed in 10..40 {
            assert_eq!(put(seed, 0).await, Answer::Put(Kept::Yes), "the newest is taken");
        }
        // What is there is replaced by what is newer, and takes no other place.
        assert_eq!(put(39, 7).await, Answer::Put(Kept::Yes));
        let mut kept = Vec::new();
        for seed in [1, 2].into_iter().chain(10..40) {
            if !found(&mut owner, record(seed, 0).0, servers.clone()).await.is_empty() {
                kept.push(seed);
            }
        }
        let expected: Vec<u8> = [1, 2].into_iter().chain(32..40).collect();
        assert_eq!(kept, expected, "half of the places are the stranger's at most, for what came last");
    }
}

#[tokio::test]
async fn more_searches_than_there_may_be_are_answered_at_once_with_nothing() {
    // It takes the connection and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let servers = vec![vec![address_from_text(&format!("/ip4/127.0.0.1/tcp/{port}")).unwrap()]];
    let mut peer = Peer::new(&[TCP]).await;
    let over = 5;
    for number in 0..DHT_QUERIES_MAX + over {
        peer.handle.resolve(LookupId([u8::try_from(number).unwrap(); 32]), Look::Servers(servers.clone()));
    }
    let begun = Instant::now();
    for _ in 0..over {
        assert!(matches!(peer.next().await, Input::Resolved(_)));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "the rest waits for the server, these did not");
    for _ in 0..DHT_QUERIES_MAX {
        assert!(matches!(peer.next().await, Input::Resolved(_)));
    }
}

#[tokio::test]
async fn own_records_of_many_invites_are_put_a_few_at_a_time_and_all_are_found() {
    const MANY: u8 = 3 * DHT_OWN_AT_ONCE as u8;
    let server = server().await;
    let owner = client(&server).await;
    let records: Vec<_> = (1..=MANY).map(|seed| record(seed, 0)).collect();
    owner.handle.publish(records.iter().map(|(_, bytes)| bytes.clone()).collect(), Vec::new());
    let mut reader = client(&server).await;
    for (id, bytes) in &records {
        let all = async {
            // Each has its turn as those before it are taken.
            while found(&mut reader, *id, Vec::new()).await.as_slice() != std::slice::from_ref(bytes) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, all).await.unwrap();
    }
}
