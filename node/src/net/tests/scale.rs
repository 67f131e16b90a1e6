//! A thousand nodes of the DHT in one process, over transports in memory: our Kademlia as it
//! is configured, with its checks before anything is kept. Not among the tests of every day:
//! `cargo test --release -p symbolon-node --lib scale -- --ignored --nocapture`.

use super::*;
use crate::net::dht::behaviour as dht;
use futures::StreamExt;
use libp2p::core::Transport;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::kad::store::{MemoryStore, RecordStore};
use libp2p::kad::{self, GetRecordOk, InboundRequest, QueryResult, Quorum, RecordKey};
use libp2p::swarm::{Config, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId as TransportId, Swarm, identify, noise, yamux};
use rand_core::{Rng, SeedableRng};
use std::collections::HashMap;
use symbolon_presence::posted::Item;
use symbolon_presence::record::{Record, Slot, day_of};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::Timestamp;

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
struct Behaviour {
    dht: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
}

/// What one query took.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    ok: bool,
    /// Requests until the first good answer, and in all.
    until: u32,
    all: u32,
    time: Duration,
}

enum Order {
    Meet(TransportId, Multiaddr),
    Put(LookupId, Vec<u8>, oneshot::Sender<Cost>),
    Get(LookupId, oneshot::Sender<Cost>),
}

struct Member {
    id: TransportId,
    address: Multiaddr,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

/// Keeps what a server would keep.
fn keep(store: &mut MemoryStore, record: kad::Record) {
    let Ok(item) = Item::read(&record.value, now()) else { return };
    if record.key == RecordKey::new(item.id.as_bytes()) {
        let _ = store.put(record);
    }
}

async fn serve(mut swarm: Swarm<Behaviour>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut asked: HashMap<kad::QueryId, (Option<oneshot::Sender<Cost>>, Cost, Instant)> = HashMap::new();
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) => {
                    for address in info.listen_addrs.into_iter().take(2) {
                        swarm.behaviour_mut().dht.add_address(&peer_id, address);
                    }
                }
                SwarmEvent::Behaviour(BehaviourEvent::Dht(kad::Event::InboundRequest {
                    request: InboundRequest::PutRecord { record: Some(record), .. },
                })) => keep(swarm.behaviour_mut().dht.store_mut(), record),
                SwarmEvent::Behaviour(BehaviourEvent::Dht(kad::Event::OutboundQueryProgressed { id, result, stats, step })) => {
                    let Some((answer, cost, begun)) = asked.get_mut(&id) else { continue };
                    let good = match result {
                        QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))) => Item::read(&found.record.value, now()).is_ok(),
                        QueryResult::PutRecord(result) => result.is_ok(),
                        _ => false,
                    };
                    if good && !cost.ok {
                        (cost.ok, cost.until, cost.time) = (true, stats.num_requests(), begun.elapsed());
                    }
                    cost.all = stats.num_requests();
                    if step.last {
                        let _ = answer.take().map(|answer| answer.send(*cost));
                        asked.remove(&id);
                    }
                }
                _ => {}
            },
            order = orders.recv() => match order {
                None => return,
                Some(Order::Meet(peer, address)) => {
                    swarm.behaviour_mut().dht.add_address(&peer, address);
                    let _ = swarm.behaviour_mut().dht.bootstrap();
                }
                Some(Order::Put(id, value, answer)) => {
                    let record = kad::Record { key: RecordKey::new(id.as_bytes()), value, publisher: None, expires: None };
                    let query = swarm.behaviour_mut().dht.put_record(record, Quorum::One).unwrap();
                    swarm.behaviour_mut().dht.store_mut().remove(&RecordKey::new(id.as_bytes()));
                    asked.insert(query, (Some(answer), Cost::default(), Instant::now()));
                }
                Some(Order::Get(id, answer)) => {
                    let query = swarm.behaviour_mut().dht.get_record(RecordKey::new(id.as_bytes()));
                    asked.insert(query, (Some(answer), Cost::default(), Instant::now()));
                }
            },
        }
    }
}

async fn member(number: u64) -> Member {
    let key = libp2p::identity::Keypair::generate_ed25519();
    let id = key.public().to_peer_id();
    let transport = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&key).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let behaviour = Behaviour {
        dht: dht::behaviour(id, true, &crate::net::limits::Limits { kept_records: 1_024, ..Default::default() }),
        identify: identify::Behaviour::new(identify::Config::new("/symbolon/1".to_owned(), key.public()).with_cache_size(0)),
    };
    let config = Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(5));
    let mut swarm = Swarm::new(transport, behaviour, id, config);
    let address: Multiaddr = format!("/memory/{}", 1_000_000 + number).parse().unwrap();
    swarm.listen_on(address.clone()).unwrap();
    swarm.add_external_address(address.clone());
    let (orders, waiting) = mpsc::unbounded_channel();
    Member { id, address, orders, task: tokio::spawn(serve(swarm, waiting)) }
}

fn record(seed: u64) -> (LookupId, Vec<u8>) {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed);
    let key = SigningKey::random(&mut rng);
    let slot = Slot::of_header(&key.public(), day_of(now()));
    let bytes = slot.seal(&key, now(), &[7; 400], &mut rng).unwrap();
    (Record::read(&bytes, now()).unwrap().id, bytes)
}

fn middle(mut values: Vec<u64>) -> (u64, u64) {
    values.sort_unstable();
    let at = |part: usize| values.get(values.len().saturating_sub(1) * part / 100).copied().unwrap_or_default();
    (at(50), at(95))
}

fn row(what: &str, costs: &[Cost]) {
    let good: Vec<&Cost> = costs.iter().filter(|cost| cost.ok).collect();
    let (until, until_95) = middle(good.iter().map(|cost| cost.until.into()).collect());
    let (all, all_95) = middle(costs.iter().map(|cost| cost.all.into()).collect());
    let (time, time_95) = middle(good.iter().map(|cost| u64::try_from(cost.time.as_micros()).unwrap()).collect());
    println!(
        "| {what} | {} of {} | {until} / {until_95} | {all} / {all_95} | {:.1} / {:.1} ms |",
        good.len(),
        costs.len(),
        time as f64 / 1000.0,
        time_95 as f64 / 1000.0
    );
}

async fn ask(member: &Member, order: impl FnOnce(oneshot::Sender<Cost>) -> Order) -> Cost {
    let (answer, asked) = oneshot::channel();
    let _ = member.orders.send(order(answer));
    timeout(Duration::from_secs(30), asked).await.ok().and_then(Result::ok).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign of some minutes: see docs/testing-campaigns.md"]
async fn a_thousand_nodes_find_what_others_have_published_also_when_a_fifth_of_them_goes() {
    let most: u64 = std::env::var("SCALE_NODES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(most);
    let mut members = vec![member(0).await];
    let begun = Instant::now();
    // In waves: all at once would bootstrap against each other for minutes.
    while (members.len() as u64) < most {
        let wave = (members.len() as u64 / 4).clamp(4, 25).min(most - members.len() as u64);
        let known = members.len() as u64;
        for number in 0..wave {
            let member = member(known + number).await;
            for _ in 0..2 {
                let other = &members[usize::try_from(rng.next_u64() % known).unwrap()];
                let _ = member.orders.send(Order::Meet(other.id, other.address.clone()));
            }
            members.push(member);
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    tokio::time::sleep(Duration::from_secs(90)).await;
    println!("{} nodes joined in {:.0} s", members.len(), begun.elapsed().as_secs_f64());
    println!("| {most} nodes | succeeded | requests until the answer (median / 95 %) | requests in all | time |");
    println!("|---|---|---|---|---|");
    let count = 200;
    let mut any = |members: &[Member]| usize::try_from(rng.next_u64() % members.len() as u64).unwrap();
    let mut published = Vec::new();
    let mut costs = Vec::new();
    for seed in 0..count {
        let (id, bytes) = record(seed);
        let at = any(&members);
        costs.push(ask(&members[at], |answer| Order::Put(id, bytes, answer)).await);
        published.push(id);
    }
    row("publish", &costs);
    let mut look = async |members: &[Member], what: &str| {
        let mut costs = Vec::new();
        for id in &published {
            let at = any(members);
            costs.push(ask(&members[at], |answer| Order::Get(*id, answer)).await);
        }
        row(what, &costs);
        costs.iter().filter(|cost| cost.ok).count()
    };
    let before = look(&members, "look up").await;
    // A fifth goes without a word, and as many new ones come.
    let leaving = members.len() / 5;
    for member in members.drain(..leaving) {
        member.task.abort();
    }
    let after = look(&members, "look up, a fifth gone just now").await;
    let known = members.len();
    for number in 0..leaving {
        let member = member(10_000 + number as u64).await;
        let other = &members[number % known];
        let _ = member.orders.send(Order::Meet(other.id, other.address.clone()));
        members.push(member);
        if number % 25 == 24 {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let renewed = look(&members, "look up, as many new ones").await;
    let missing = look(&members[known..], "look up, by those who came").await;
    let enough = published.len() * 95 / 100;
    assert!(before >= enough && after >= enough && renewed >= enough && missing >= enough, "{before} {after} {renewed} {missing}");
}
