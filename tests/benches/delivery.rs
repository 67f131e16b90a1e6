//! How fast a message gets onto a friend's disk and back, beside the floors it stands on.
//!
//! Everything is measured in one run on one machine, so that the ratios mean something:
//! the bare transport, the bare room cipher, the bare store, and then two whole nodes.
//! Floors, TCP and QUIC come by turns, `BENCH_ROUNDS` times (3), in new folders each time; what is said is the median.
//! `cargo bench -p symbolon-tests --bench delivery`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::time::Instant;
use symbolon_core::seam::{DialId, Input, LinkId, NetAction};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{LeafKey, Lifetime, Opened, RoomCipher, ShelfMut};
use symbolon_node::folder::Folder;
use symbolon_node::mls::{MemoryRows, MlsCipher};
use symbolon_node::net::{Net, NetConfig, address_from_text};
use symbolon_presence::id::RoomId;
use symbolon_presence::time::Timestamp;
use symbolon_tests::bench::{self, Cost, Figures, percentile};
use tokio::sync::mpsc;

const SIZE: usize = 200;
const TEXTS: usize = 10_000;

/// Round trip and pipelined rate of bare frames of the size that an envelope has.
async fn transport(udp: bool) -> (f64, f64) {
    let listen = if udp { "/ip4/127.0.0.1/udp/0/quic-v1" } else { "/ip4/127.0.0.1/tcp/0" };
    let (a_in, mut a_inputs) = mpsc::channel(1024);
    let (b_in, mut b_inputs) = mpsc::channel(1024);
    let a = Net::start(NetConfig { listen: vec![listen.into()], ..NetConfig::default() }, a_in).await.unwrap();
    let b = Net::start(NetConfig { listen: vec![listen.into()], ..NetConfig::default() }, b_in).await.unwrap();
    let echo = b.handle();
    tokio::spawn(async move {
        while let Some(input) = b_inputs.recv().await {
            if let Input::Frame(link, bytes) = input {
                echo.act(NetAction::Send(link, bytes[..160.min(bytes.len())].to_vec()));
            }
        }
    });
    let handle = a.handle();
    handle.act(NetAction::Dial(DialId(1), vec![address_from_text(&b.listening()[0]).unwrap()]));
    let link: LinkId = loop {
        if let Input::LinkUp { link, .. } = a_inputs.recv().await.unwrap() {
            break link;
        }
    };
    let frame = vec![7u8; 800];
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let start = Instant::now();
        handle.act(NetAction::Send(link, frame.clone()));
        while !matches!(a_inputs.recv().await.unwrap(), Input::Frame(..)) {}
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let (mut sent, mut got, total) = (0u64, 0u64, 50_000u64);
    let start = Instant::now();
    while got < total {
        while sent < total && sent - got < 64 {
            handle.act(NetAction::Send(link, frame.clone()));
            sent += 1;
        }
        if let Input::Frame(..) = a_inputs.recv().await.unwrap() {
            got += 1;
        }
    }
    let rate = total as f64 / start.elapsed().as_secs_f64();
    a.stop().await;
    b.stop().await;
    (percentile(&mut times, 0.5), rate)
}

fn pair() -> (MlsCipher<MemoryRows>, MlsCipher<MemoryRows>, RoomId) {
    let (mut a, mut b) = (MlsCipher::new(MemoryRows::default()), MlsCipher::new(MemoryRows::default()));
    let room = RoomId([7; 32]);
    let lifetime = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
        Lifetime { not_before: Timestamp(now - 3_600_000), not_after: Timestamp(now + 86_400_000) }
    };
    let leaf = |cipher: &mut MlsCipher<MemoryRows>| -> LeafKey { cipher.fresh_leaf().unwrap() };
    let (la, lb) = (leaf(&mut a), leaf(&mut b));
    a.create(room, la, &[1; 400], lifetime(), None).unwrap();
    let info = a.offer(room).unwrap();
    a.share_psk(&[3; 32], &[4; 32]).unwrap();
    b.share_psk(&[3; 32], &[4; 32]).unwrap();
    let joined = b.join_external(&info, &[3; 32], lb, &[2; 400], lifetime()).unwrap();
    let Opened::Commit(staged) = a.open(room, &joined.commit).unwrap() else { panic!() };
    a.adopt(room, staged.epoch).unwrap();
    a.flush().unwrap();
    b.flush().unwrap();
    (a, b, room)
}

/// Microseconds to seal and to open one text, rows kept back to the end.
fn rooms() -> (f64, f64) {
    let (mut a, mut b, room) = pair();
    let text = [9u8; SIZE];
    let count = 5_000;
    let start = Instant::now();
    let sealed: Vec<_> = (0..count).map(|_| a.seal(room, &text, &[]).unwrap()).collect();
    let seal = start.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    let start = Instant::now();
    for sealed in &sealed {
        b.open(room, &sealed.bytes).unwrap();
    }
    (seal, start.elapsed().as_secs_f64() * 1e6 / f64::from(count))
}

/// Microseconds of one durable commit of one row of a message's size, in a table whose key is bytes.
fn commit(folder: &Path) -> f64 {
    let folder = Folder::open(folder).unwrap();
    let store = folder.open_store(None).unwrap();
    let mut times = Vec::new();
    for number in 0..1_000u64 {
        let start = Instant::now();
        let mut turn = store.begin().unwrap();
        turn.apply(&Change::Put(Table::Entry, number.to_be_bytes().to_vec(), vec![5; SIZE])).unwrap();
        turn.commit().unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    percentile(&mut times, 0.5)
}

/// Everything once: the floors, then each transport with its own.
async fn round(home: &Path, figures: &mut Figures) {
    let text = "x".repeat(SIZE);
    figures.section("");
    let (seal, open) = rooms();
    let commit = commit(&home.join("floor"));
    figures.note("floor: room cipher, seal", "us", seal, "");
    figures.note("floor: room cipher, open", "us", open, "");
    figures.note("floor: one durable commit", "us", commit, "");
    figures.note("floor: durable rows/s at batch 16", "", bench::rows16(&home.join("floor16"), SIZE), "");
    for (what, listen, udp) in [("TCP", "/ip4/127.0.0.1/tcp/0", false), ("QUIC", "/ip4/127.0.0.1/udp/0/quic-v1", true)] {
        figures.section(what);
        let (trip, rate) = transport(udp).await;
        figures.note("floor: bare frame round trip p50", "us", trip, "");
        figures.note("floor: bare frames/s, window 64", "", rate, "");
        let a = bench::node(&home.join(format!("a{what}")), "Andi", listen).await;
        let b = bench::node(&home.join(format!("b{what}")), "Ben", listen).await;
        figures.note("invite added to both confirmed", "ms", bench::befriend(&a.handle, &b.handle).await, "");
        bench::round_trips(&a.handle, "Ben", &text, 50).await;
        let cost = Cost::start();
        let mut times = bench::round_trips(&a.handle, "Ben", &text, 1_000).await;
        let (cpu, bytes) = cost.of_each(times.len());
        let (p50, p99) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
        let floor = trip + seal + open + 2.0 * commit;
        figures.note("round trip p50", "us", p50, "");
        figures.note("round trip p50, of the floors' sum", "", p50 / floor, "target 1.5");
        figures.note("round trip p99", "us", p99, "");
        figures.note("round trip p99, of the floors' sum", "", p99 / floor, "target 2.5");
        figures.note("CPU a message alone, both ends", "us", cpu, "");
        figures.note("bytes written a message alone, both ends", "B", bytes, "");
        let cost = Cost::start();
        bench::windowed(&a.handle, "Ben", &text, TEXTS).await;
        let rate = TEXTS as f64 / cost.seconds();
        figures.note("messages/s, window 64", "", rate, "");
        figures.note("messages/s, of the bare open rate", "", rate * open / 1e6, "target 0.5");
        figures.note_cost(&cost, TEXTS, "both ends", "");
        figures.note("CPU a message, of seal and open", "", cost.of_each(TEXTS).0 / (seal + open), "target 2.2");
        bench::stop(a).await;
        bench::stop(b).await;
    }
}

fn main() {
    // `cargo test --benches` and the like only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut figures = Figures::default();
    for number in 0..bench::rounds() {
        let home = bench::home();
        if number == 0 {
            bench::say_machine(home.path());
        }
        runtime.block_on(round(home.path(), &mut figures));
    }
    figures.print();
}
