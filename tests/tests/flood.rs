//! One flood of everything that strangers can use, over real sockets and on real processes, while two
//! friends talk: see docs/strangers.md for what each part fills.
//!
//! Two minutes; `FLOOD_SECONDS` makes it longer (`just flood`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

#[path = "flood/caller.rs"]
mod caller;
#[path = "flood/owner.rs"]
mod owner;

use caller::{Caller, FIRST_WORDS, nth, socket};
use owner::Owner;
use serde_json::Value;
use std::collections::VecDeque;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use symbolon_core::contact::VerifiedContact;
use symbolon_core::link::InviteLink;
use symbolon_presence::id::{LookupId, Nonce};
use symbolon_presence::record::day_of;
use symbolon_relay::frame::Frame;
use symbolon_relay::link::RelayLink;
use symbolon_relay::lookup::Ask;
use symbolon_tests::craft::Actor;
use symbolon_tests::craft::invites::read;
use symbolon_tests::node::{Api, Carrier, Node, Pair, within};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

/// What all floods together may add to the memory of a node: its strangers' connections, and what
/// they may have on the way.
const NODE_GROWTH_MAX: u64 = 96 * 1024 * 1024;
/// The same for a relay, which takes eight times as many strangers, and keeps mailboxes for them.
const RELAY_GROWTH_MAX: u64 = 256 * 1024 * 1024;
/// During the flood the slowest hundredth of texts takes at most so many times as long as in the calm.
const SLOWER_MAX: u32 = 5;
/// A calm that is faster than this counts as this: less is the grain of an unoptimised build.
const CALM_MIN: Duration = Duration::from_millis(25);
/// Owners at the relay beside the two friends.
const OWNERS: u64 = 20;

/// What one flood has done so far.
#[derive(Debug, Default)]
struct Count {
    begun: AtomicU64,
    taken: AtomicU64,
}

impl Count {
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }
}

/// All floods; each pauses between two tries, since its processor is the nodes' as well.
struct Floods {
    runtime: Runtime,
    rows: Vec<(&'static str, Arc<Count>)>,
    on: Arc<AtomicBool>,
}

impl Floods {
    fn new() -> Self {
        // Real strangers bring processors of their own; here they get what the nodes leave.
        let yield_to_nodes = || {
            let _ = rustix::process::nice(10);
        };
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).on_thread_start(yield_to_nodes).enable_all().build().unwrap();
        Self { runtime, rows: Vec::new(), on: Arc::default() }
    }

    /// Adds one that does its thing again and again while floods are on, and keeps the newest `held`
    /// of what comes of it.
    fn add<T, F>(&mut self, what: &'static str, pause: Duration, held: usize, thing: impl Fn(u64) -> F + Send + 'static)
    where
        T: Send + 'static,
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let count: Arc<Count> = Arc::default();
        self.rows.push((what, Arc::clone(&count)));
        let on = Arc::clone(&self.on);
        self.runtime.spawn(async move {
            let mut kept = VecDeque::new();
            for number in 0.. {
                while !on.load(Ordering::Relaxed) {
                    kept.clear();
                    sleep(Duration::from_millis(50)).await;
                }
                count.begin();
                if let Ok(Some(product)) = timeout(Duration::from_secs(10), thing(number)).await {
                    count.take();
                    kept.push_back(product);
                    if kept.len() > held {
                        kept.pop_front();
                    }
                }
                sleep(pause).await;
            }
        });
    }

    fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }
}

/// The friend's side of a conversation.
struct Voice {
    api: Api,
    to: &'static str,
    heard: Receiver<(String, Value)>,
}

/// Both write in turns for a while; how long each text took from the call to the event at the friend.
fn talk(voices: &mut [Voice; 2], length: Duration) -> Vec<Duration> {
    let until = Instant::now() + length;
    let mut took = Vec::new();
    while Instant::now() < until {
        for writer in 0..2 {
            let reader = 1 - writer;
            while voices[reader].heard.try_recv().is_ok() {}
            let begun = Instant::now();
            voices[writer].api.send(voices[writer].to, "do you hear me?").unwrap();
            loop {
                let (event, _) = voices[reader].heard.recv_timeout(Duration::from_secs(30)).expect("a text is heard within 30 s");
                if event == "message" {
                    break;
                }
            }
            took.push(begun.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    took
}

fn part(times: &mut [Duration], per_mille: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * per_mille / 1_000]
}

fn port(node: &Node, carrier: &str) -> u16 {
    let listen = node.ready["listen"].as_array().unwrap();
    let address = listen.iter().map(|text| text.as_str().unwrap()).find(|text| text.contains(carrier)).unwrap();
    address.split('/').nth(4).unwrap().parse().unwrap()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// One address for every other try, many for the rest.
fn from(number: u64) -> Option<Ipv4Addr> {
    (number % 2 == 1).then(|| nth(number))
}

fn is_connected(node: &Node) -> bool {
    node.json(&["relay", "list"]).unwrap().iter().all(|relay| relay["state"] == "connected")
}

/// The floods on one process, a person's node or a relay.
fn besiege(floods: &mut Floods, names: [&'static str; 6], tcp: SocketAddr, udp: SocketAddr) {
    let pause = Duration::from_millis(20);
    let [silent, half, strange, junk, udp_name, churn] = names;
    floods.add(silent, pause, 1_000, move |n| async move { socket(from(n), tcp).await.ok() });
    floods.add(half, pause, 500, move |n| async move {
        let mut socket = socket(from(n), tcp).await.ok()?;
        socket.write_all(FIRST_WORDS).await.ok()?;
        Some(socket)
    });
    floods.add(strange, 2 * pause, 200, move |n| async move {
        let caller = Caller::call(from(n), tcp).await.ok()?;
        let mut lines = Vec::new();
        for _ in 0..4 {
            lines.push(caller.open().await.ok()?);
        }
        Some((caller, lines))
    });
    floods.add(junk, 2 * pause, 0, move |n| async move {
        let caller = Caller::call(from(n), tcp).await.ok()?;
        let mut line = caller.open().await.ok()?;
        // Tiny frames, a long one that does not end, and no frame at all, in turns.
        match n % 3 {
            0 => line.raw(&[1, 0xf6].repeat(1_000)).await.ok()?,
            1 => line.raw(&[&[0x80, 0x90, 0x10][..], &[7; 60_000]].concat()).await.ok()?,
            _ => line.raw(&[0xff; 64]).await.ok()?,
        }
        // It ends sooner or later; nobody waits for that.
        let _ = timeout(Duration::from_millis(200), line.frame()).await;
        Some(())
    });
    floods.add(udp_name, pause, 0, move |n| async move {
        let socket = tokio::net::UdpSocket::bind((from(n).unwrap_or(Ipv4Addr::LOCALHOST), 0)).await.ok()?;
        let mut packet = vec![n as u8; 1_200];
        packet[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
        for _ in 0..16 {
            socket.send_to(&packet, udp).await.ok()?;
        }
        Some(())
    });
    floods.add(churn, 2 * pause, 0, move |n| async move {
        let caller = Caller::call(from(n), tcp).await.ok()?;
        caller.open().await.ok().map(drop)
    });
}

struct Growth {
    file: String,
    before: u64,
    highest: u64,
}

impl Growth {
    fn of(node: &Node) -> Self {
        let before = node.resident().unwrap();
        Self { file: format!("/proc/{}/status", node.pid()), before, highest: before }
    }

    fn look(&mut self) {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib: u64 = line.split_whitespace().next().unwrap_or_default().parse().unwrap_or_default();
        self.highest = self.highest.max(kib * 1_024);
    }

    fn grown(&self) -> u64 {
        self.highest.saturating_sub(self.before)
    }
}

/// What an invite says, as the node that made it answers anyone who holds its link.
async fn contact_of(invite: &str, node_at: SocketAddr) -> VerifiedContact {
    let id = InviteLink::read(invite).unwrap().secret.slot(day_of(owner::now())).id().unwrap();
    let caller = Caller::call(None, node_at).await.unwrap();
    let mut line = caller.open().await.unwrap();
    line.send(&Frame::Lookup(id).encode()).await.unwrap();
    let answer = line.frame().await.unwrap();
    let Ok(Frame::Found(found)) = Frame::decode(&answer) else { panic!("a question is answered") };
    read(invite, &found.record.expect("the body is there"), owner::now())
}

/// Whom the relay knows a node by, if the node's invite leads there.
fn circuit_of(contact: &VerifiedContact) -> Option<libp2p::PeerId> {
    let places = contact.contacts.first()?.1.entry.places.iter();
    let places = places.filter_map(|place| libp2p::Multiaddr::try_from(place.0.clone()).ok());
    let circuit = places.into_iter().find(|place| place.iter().any(|part| part == libp2p::multiaddr::Protocol::P2pCircuit))?;
    match circuit.iter().last() {
        Some(libp2p::multiaddr::Protocol::P2p(to)) => Some(to),
        Some(_) | None => None,
    }
}

#[test]
fn a101_a102_while_strangers_use_all_that_they_can_two_friends_talk_and_owners_stay() {
    let seconds: u64 = std::env::var("FLOOD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(80);
    let home = tempfile::tempdir().unwrap();
    let both = ["--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"];
    let relay = Node::start(&home.path().join("relay"), &[&["relay", "run", "--open"][..], &both].concat()).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let pair = Pair::befriended(Carrier::Tcp).unwrap();
    for node in [&pair.andi, &pair.ben] {
        node.json(&["relay", "add", &link]).unwrap();
        within(Duration::from_secs(30), "the relay takes an owner", || Ok(is_connected(node).then_some(()))).unwrap();
    }
    let voice = |node: &Node, to| {
        let api = node.api().unwrap();
        let heard = api.events().unwrap();
        Voice { api, to, heard }
    };
    let mut voices = [voice(&pair.andi, "Ben"), voice(&pair.ben, "Andi")];
    let mut floods = Floods::new();
    let relay_link: RelayLink = link.parse().expect("a relay's link");
    let relay_at = local(port(&relay, "tcp"));
    let owners: Vec<Owner> = (0..OWNERS)
        .map(|seed| floods.runtime.block_on(Owner::connect(None, relay_at, &relay_link, 1_000_000 + seed)).expect("an owner gets in"))
        .collect();

    let names = ["silent sockets", "half handshakes", "four silent links each", "frames that make no sense", "UDP rubbish", "come and go"];
    let node_at = local(port(&pair.andi, "tcp"));
    besiege(&mut floods, names, node_at, node_at);
    let names = [
        "relay: silent sockets",
        "relay: half handshakes",
        "relay: four silent links each",
        "relay: frames that make no sense",
        "relay: UDP rubbish",
        "relay: come and go",
    ];
    besiege(&mut floods, names, relay_at, local(port(&relay, "udp")));
    let told = Arc::new(relay_link);
    let to = Arc::clone(&told);
    floods.add("relay: sessions of strangers", Duration::from_millis(40), 50, move |n| {
        let to = Arc::clone(&to);
        async move {
            let caller = Caller::call(from(n), relay_at).await.ok()?;
            let mut line = caller.open().await.ok()?;
            for seed in 0..16 {
                let (_, session) = owner::frames(&to, 2_000_000 + 16 * n + seed)?;
                line.send(&session).await.ok()?;
            }
            Some((caller, line))
        }
    });
    floods.add("relay: mailboxes of strangers", Duration::from_millis(100), 50, move |n| {
        let to = Arc::clone(&told);
        async move { Owner::connect(from(n), relay_at, &to, 3_000_000 + n).await.ok() }
    });
    floods.add("relay: questions to its lookup server", Duration::from_millis(40), 20, move |n| async move {
        let caller = Caller::call(from(n), relay_at).await.ok()?;
        for question in 0..16 {
            let mut line = caller.open_protocol("/symbolon/lookup/1").await.ok()?;
            line.send(&Ask::Get(LookupId([question; 32])).encode()).await.ok()?;
            line.frame().await.ok()?;
        }
        Some(caller)
    });
    let invited = |node: &Node| node.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    let invited = |floods: &Floods| floods.runtime.block_on(contact_of(&invited(&pair.andi), node_at));
    let circuit = within(Duration::from_secs(30), "the relay forwards to a friend", || Ok(circuit_of(&invited(&floods)))).unwrap();
    floods.add("relay: circuits to a friend", Duration::from_millis(40), 40, move |n| {
        let to = circuit.to_bytes();
        async move {
            let caller = Caller::call(from(n), relay_at).await.ok()?;
            let mut lines = Vec::new();
            for _ in 0..4 {
                // Connect, in protobuf: type 1 and whom to.
                let length = u8::try_from(to.len()).ok()?;
                let connect = [&[8, 1, 0x12, length + 2, 0x0a, length], to.as_slice()].concat();
                let mut line = caller.open_protocol("/libp2p/circuit/relay/0.2.0/hop").await.ok()?;
                line.send(&connect).await.ok()?;
                line.frame().await.ok()?;
                lines.push(line);
            }
            Some((caller, lines))
        }
    });
    let contact = invited(&floods);
    floods.add("Offers under one invite", Duration::from_millis(60), 20, move |n| {
        // Made by hand, each by another person; the room in it is none, which shows only at its end.
        let mut mallory = Actor::new(n, owner::now());
        let offer = mallory.offer(owner::now());
        let usage = Nonce::random(&mut mallory.rng);
        let frame = mallory.offer_frame(&contact, usage, &offer);
        async move {
            let caller = Caller::call(from(n), node_at).await.ok()?;
            let mut line = caller.open().await.ok()?;
            line.send(&frame).await.ok()?;
            // Signed for, refused in silence, or hung up.
            let _ = timeout(Duration::from_millis(500), line.frame()).await;
            Some((caller, line))
        }
    });
    floods.add("records asked for", Duration::from_millis(40), 20, move |n| async move {
        let caller = Caller::call(from(n), node_at).await.ok()?;
        let mut line = caller.open().await.ok()?;
        for question in 0..64 {
            line.send(&Frame::Lookup(LookupId([question; 32])).encode()).await.ok()?;
        }
        Some((caller, line))
    });
    let api: SocketAddr = pair.andi.api().unwrap().address().trim_start_matches("http://").parse().unwrap();
    floods.add("local API: silent sockets", Duration::from_millis(20), 200, move |_| async move { socket(None, api).await.ok() });

    // In turns, so that whatever else this machine does falls on both.
    let (mut calm, mut stormy) = (Vec::new(), Vec::new());
    let mut growth = [Growth::of(&pair.andi), Growth::of(&relay)];
    talk(&mut voices, Duration::from_secs(1));
    for _ in 0..4 {
        calm.extend(talk(&mut voices, Duration::from_secs_f64(seconds as f64 / 16.0)));
        floods.switch(true);
        stormy.extend(talk(&mut voices, Duration::from_secs_f64(seconds as f64 * 3.0 / 16.0)));
        growth.iter_mut().for_each(Growth::look);
        for node in [&pair.andi, &pair.ben] {
            assert!(is_connected(node), "a friend lost the relay");
        }
        assert!(owners.iter().all(|owner| !owner.caller.is_over()), "an owner lost the relay");
        floods.switch(false);
        std::thread::sleep(Duration::from_millis(500));
    }

    println!("| flood | tried | got in |");
    println!("|---|---|---|");
    for (what, count) in &floods.rows {
        println!("| {what} | {} | {} |", count.begun.load(Ordering::Relaxed), count.taken.load(Ordering::Relaxed));
    }
    let (quiet, loud) = (part(&mut calm, 990), part(&mut stormy, 990));
    println!("| friends | texts | p50 | p99 |");
    println!("|---|---|---|---|");
    println!("| calm | {} | {:?} | {quiet:?} |", calm.len(), part(&mut calm, 500));
    println!("| flood | {} | {:?} | {loud:?} |", stormy.len(), part(&mut stormy, 500));
    let [node_grown, relay_grown] = growth.map(|growth| growth.grown());
    println!("memory grew by {} MiB at the node, {} MiB at the relay", node_grown >> 20, relay_grown >> 20);
    for (what, count) in &floods.rows {
        assert!(count.begun.load(Ordering::Relaxed) >= 20, "{what}: no flood");
    }
    assert!(loud <= SLOWER_MAX * quiet.max(CALM_MIN), "{loud:?} in the flood, {quiet:?} in the calm");
    assert!(node_grown < NODE_GROWTH_MAX && relay_grown < RELAY_GROWTH_MAX);
    pair.assert_calm().unwrap();
    relay.calm().unwrap();
}
