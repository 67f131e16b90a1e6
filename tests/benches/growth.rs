//! What grows with friends, with history, and with texts that wait, and what does not.
//!
//! A node with ten friends and no history beside one with many friends and one with much history, by turns in one run: how
//! soon it is open, a text's round trip, texts a second, to one friend who is there. All other friends are away. Then a friend
//! who is away while texts pile up: few, and many.
//! `GROWTH_FRIENDS` (1,000), `GROWTH_MESSAGES` (1,000,000), `GROWTH_QUEUED` (10,000) and `GROWTH_SETTLE` (30 seconds after a
//! start, in which friends who are gone are called) make it shorter: `cargo bench -p symbolon-tests --bench growth`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "made/grown.rs"]
mod grown;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use symbolon_core::command::{Command, MessageState, Reply, Who};
use symbolon_core::seam::Event;
use symbolon_node::handle::{NodeHandle, NumberedEvent};
use symbolon_node::run::Opened;
use symbolon_tests::bench::{self, Cost, Figures, percentile, setting};

const FEW: usize = 10;
const TEXTS: usize = 5_000;

/// Andi's folder, and that of Ben, who is there.
struct Two {
    name: String,
    home: PathBuf,
    listen: [String; 2],
}

impl Two {
    /// Makes both, and lets Andi's grow.
    async fn make(home: &Path, name: String, friends: usize, messages: usize) -> Self {
        let start = Instant::now();
        let two = Self { home: home.join(&name), name, listen: [port(), port()] };
        let (a, b) = (two.own().await, two.ben().await);
        let cleo = bench::node(&two.home.join("cleo"), "Cleo", &port()).await;
        for friend in [&b, &cleo] {
            bench::befriend(&a.handle, &friend.handle).await;
        }
        let text = "About the weather, the harbour and what is for supper, and the rest of all that";
        bench::round_trips(&a.handle, "Cleo", text, 1).await;
        bench::stop(cleo).await;
        bench::stop(b).await;
        bench::stop(a).await;
        grown::grow(&two.home.join("own"), "Cleo", friends.saturating_sub(2), messages);
        let files = std::fs::read_dir(two.home.join("own")).unwrap();
        let size: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        let seconds = start.elapsed().as_secs_f64();
        println!("made: {}, in {seconds:.0} s, a folder of {:.1} MiB", two.name, size as f64 / 1_048_576.0);
        two
    }

    async fn own(&self) -> Opened {
        bench::node(&self.home.join("own"), "Andi", &self.listen[0]).await
    }

    async fn ben(&self) -> Opened {
        bench::node(&self.home.join("ben"), "Ben", &self.listen[1]).await
    }
}

/// An address that nobody listens on. It stays the same over starts, so that both find each other again; so it is not among the
/// ports that the system gives to connections, which may be in use at the next start.
fn port() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mut ports = (0..10_000).map(|_| 20_000 + (std::process::id() as u16 % 10_000 + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    format!("/ip4/127.0.0.1/tcp/{port}")
}

/// A figure, and what part it is of the same figure of a smaller case.
fn beside(figures: &mut Figures, label: &str, unit: &'static str, value: f64, small: &str) {
    figures.note(label, unit, value, "");
    if !small.is_empty() {
        let ratio = value / figures.last(small, label);
        figures.note(&format!("{label}, of the small one"), "", ratio, "");
    }
}

/// How a node does with all that it holds.
async fn measure(two: &Two, small: &str, friends: usize, figures: &mut Figures) {
    figures.section(&two.name);
    let start = Instant::now();
    let a = two.own().await;
    beside(figures, "start to open", "ms", start.elapsed().as_secs_f64() * 1e3, small);
    let Reply::Friends(found) = bench::run(&a.handle, Command::Friends).await else { panic!() };
    assert_eq!(found.len(), friends);
    let b = two.ben().await;
    let text = "x".repeat(200);
    bench::round_trips(&a.handle, "Ben", &text, 50).await;
    tokio::time::sleep(Duration::from_secs(setting("GROWTH_SETTLE", 30) as u64)).await;
    let mut times = bench::round_trips(&a.handle, "Ben", &text, 500).await;
    beside(figures, "round trip p50", "us", percentile(&mut times, 0.5), small);
    let cost = Cost::start();
    bench::windowed(&a.handle, "Ben", &text, TEXTS).await;
    beside(figures, "texts/s, window 64", "", TEXTS as f64 / cost.seconds(), small);
    let (cpu, bytes) = cost.of_each(TEXTS);
    beside(figures, "CPU a text, both ends", "us", cpu, small);
    beside(figures, "bytes written a text, both ends", "B", bytes, small);
    bench::stop(b).await;
    bench::stop(a).await;
}

/// Texts for Ben, who is away: queueing them, a start with them, handing them over.
async fn wait_for_ben(two: &Two, count: usize, small: &str, figures: &mut Figures) -> String {
    let name = format!("a friend away, {count} texts wait");
    figures.section(&name);
    let a = two.own().await;
    let last = format!("the last of {count}");
    let cost = Cost::start();
    bench::queued(&a.handle, "Ben", &"x".repeat(200), &last, count).await;
    beside(figures, "texts/s queued", "", count as f64 / cost.seconds(), small);
    let (cpu, bytes) = cost.of_each(count);
    beside(figures, "CPU a text queued", "us", cpu, small);
    beside(figures, "bytes written a text queued", "B", bytes, small);
    bench::stop(a).await;
    let start = Instant::now();
    let a = two.own().await;
    beside(figures, "start with them", "ms", start.elapsed().as_secs_f64() * 1e3, small);
    let b = two.ben().await;
    let mut events = b.handle.subscribe();
    while !matches!(events.recv().await, Ok(NumberedEvent { event: Event::Message { .. }, .. })) {}
    let cost = Cost::start();
    drop(events);
    while !is_delivered(&a.handle, &last).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    beside(figures, "texts/s handed over", "", count as f64 / cost.seconds(), small);
    beside(figures, "CPU a text handed over, both ends", "us", cost.of_each(count).0, small);
    bench::stop(b).await;
    bench::stop(a).await;
    name
}

/// Whether the newest text for Ben is this one, and at his disk.
async fn is_delivered(node: &NodeHandle, last: &str) -> bool {
    let command = Command::Read { who: Some(Who("Ben".into())), since: None, limit: Some(1), peek: true };
    let Reply::Messages(messages) = bench::run(node, command).await else { panic!() };
    messages.iter().any(|message| message.text == last && matches!(message.state, MessageState::Delivered | MessageState::Read))
}

fn main() {
    // `cargo test --benches` and the like only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let home = bench::home();
    bench::say_machine(home.path());
    let (friends, messages, waiting) =
        (setting("GROWTH_FRIENDS", 1_000), setting("GROWTH_MESSAGES", 1_000_000), setting("GROWTH_QUEUED", 10_000));
    assert!(friends > FEW && messages > 0 && waiting >= 10, "nothing to compare with");
    let mut figures = Figures::default();
    runtime.block_on(async {
        let small = Two::make(home.path(), format!("{FEW} friends, no history"), FEW, 0).await;
        let social = Two::make(home.path(), format!("{friends} friends, no history"), friends, 0).await;
        let old = Two::make(home.path(), format!("{FEW} friends, {messages} messages"), FEW, messages).await;
        for _ in 0..bench::rounds() {
            measure(&small, "", FEW, &mut figures).await;
            measure(&social, &small.name, friends, &mut figures).await;
            measure(&old, &small.name, FEW, &mut figures).await;
            let few = wait_for_ben(&small, waiting / 10, "", &mut figures).await;
            wait_for_ben(&small, waiting, &few, &mut figures).await;
        }
    });
    figures.print();
}
