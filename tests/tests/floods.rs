//! Floods on a running node: whatever strangers open, send or leave unread, its memory stays
//! bounded and an honest friend is heard.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]
#![cfg(target_os = "linux")]

#[path = "floods/stranger.rs"]
mod stranger;

use futures::AsyncWriteExt;
use libp2p::StreamProtocol;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stranger::Stranger;
use symbolon_tests::node::{Carrier, Node, Pair, within};
use tokio::runtime::Runtime;

const MAILBOX: StreamProtocol = StreamProtocol::new("/symbolon/mailbox/1");
/// What a flood may add to the resident memory of a node, in bytes.
const GROWTH_MAX: u64 = 64 * 1024 * 1024;
/// A friend's message arrives within this time, flood or not.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// Watches the highest resident memory of a node.
struct Memory {
    before: u64,
    highest: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    watch: JoinHandle<()>,
}

impl Memory {
    fn watch(node: &Node) -> Self {
        let before = node.resident().unwrap();
        let highest = Arc::new(AtomicU64::new(before));
        let stop: Arc<AtomicBool> = Arc::default();
        let (own, own_stop, file) = (Arc::clone(&highest), Arc::clone(&stop), format!("/proc/{}/statm", node.pid()));
        let watch = std::thread::spawn(move || {
            while !own_stop.load(Ordering::SeqCst) {
                let pages = std::fs::read_to_string(&file).ok().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
                own.fetch_max(pages.unwrap_or_default() * 4_096, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { before, highest, stop, watch }
    }

    /// Bytes by which it grew at most.
    fn growth(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.watch.join().unwrap();
        self.highest.load(Ordering::SeqCst).saturating_sub(self.before)
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn address(node: &Node) -> String {
    node.ready["listen"][0].as_str().unwrap().to_owned()
}

/// Both friends write to each other; how long the slower took.
fn heard(pair: &Pair) -> Duration {
    let start = Instant::now();
    pair.ben.json(&["send", "Andi", "do you hear me?", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    let to_andi = start.elapsed();
    let start = Instant::now();
    pair.andi.json(&["send", "Ben", "loud and clear", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    to_andi.max(start.elapsed())
}

fn assert_bounded(pair: &Pair, what: &str, memory: Memory, took: Duration) {
    let growth = memory.growth();
    println!(
        "{what}: memory grew by {} KiB from {} KiB, a friend was heard in {took:?}",
        growth / 1_024,
        pair.andi.resident().unwrap() / 1_024
    );
    assert!(growth < GROWTH_MAX, "{what}: memory grew by {growth} B");
    assert!(took < HEARD_WITHIN, "{what}: a friend was heard only after {took:?}");
    pair.assert_calm().unwrap();
}

#[test]
fn hundred_thousand_tiny_frames_cost_little_and_silence_nobody() {
    let pair = Pair::befriended(Carrier::Tcp).unwrap();
    let memory = Memory::watch(&pair.andi);
    let target = address(&pair.andi);
    let sent = Arc::new(AtomicU64::new(0));
    let runtime = runtime();
    // One frame is one byte behind its length.
    let frames: Vec<u8> = [1, 0xF6].repeat(500);
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let (target, sent, frames) = (target.clone(), Arc::clone(&sent), frames.clone());
            runtime.spawn(async move {
                while sent.load(Ordering::SeqCst) < 100_000 {
                    let Some(mut stranger) = Stranger::connect(&target).await else {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    };
                    while sent.load(Ordering::SeqCst) < 100_000 {
                        let Some(mut stream) = stranger.open(MAILBOX).await else { break };
                        // The node hangs up after a few; then comes the next stream.
                        while stream.write_all(&frames).await.is_ok() && stream.flush().await.is_ok() {
                            sent.fetch_add(500, Ordering::SeqCst);
                        }
                    }
                }
            })
        })
        .collect();
    let took = heard(&pair);
    within(Duration::from_secs(60), "100,000 frames are sent", || Ok((sent.load(Ordering::SeqCst) >= 100_000).then_some(()))).unwrap();
    floods.iter().for_each(tokio::task::JoinHandle::abort);
    let after = heard(&pair);
    assert_bounded(&pair, "tiny frames", memory, took.max(after));
}

#[test]
fn half_open_connections_and_streams_are_held_within_bounds() {
    let pair = Pair::befriended(Carrier::Tcp).unwrap();
    let memory = Memory::watch(&pair.andi);
    let target = address(&pair.andi);
    let port: u16 = target.rsplit('/').next().unwrap().parse().unwrap();
    // Streams that promise a long frame and send half of its length.
    let runtime = runtime();
    let held = runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..24 {
            let Some(mut stranger) = Stranger::connect(&target).await else { continue };
            let mut streams = Vec::new();
            for _ in 0..8 {
                let Some(mut stream) = stranger.open(MAILBOX).await else { break };
                let _ = stream.write_all(&[0xFF, 0x80]).await;
                let _ = stream.flush().await;
                streams.push(stream);
            }
            held.push((stranger, streams));
        }
        held
    });
    // And connections that never say a word.
    let silent: Vec<TcpStream> = (0..300).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
    assert!(silent.len() >= 100, "{}", silent.len());
    let took = heard(&pair);
    // A node that starts meanwhile reaches its friend too.
    let mut pair = pair;
    pair.ben.interrupt().unwrap();
    pair.ben.restart().unwrap();
    let took = took.max(heard(&pair));
    let streams: usize = held.iter().map(|(_, streams)| streams.len()).sum();
    println!("held: {} silent connections, {} strangers with {streams} streams", silent.len(), held.len());
    assert!(held.len() >= 20 && streams >= 60, "too few were let in to prove anything");
    assert_bounded(&pair, "half-open streams", memory, took);
}

#[test]
fn friend_who_does_not_read_costs_a_window_and_gets_everything_later() {
    let mut pair = Pair::befriended(Carrier::Tcp).unwrap();
    let third = symbolon_tests::node::start_named(&pair.home().join("cara"), Carrier::Tcp, "Cara").unwrap();
    let link = pair.andi.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    third.json(&["add", &link]).unwrap();
    let request = symbolon_tests::node::pending(&pair.andi).unwrap();
    pair.andi.json(&["accept", &request]).unwrap();
    symbolon_tests::node::wait_for_friend(&third, "Andi").unwrap();
    symbolon_tests::node::wait_for_friend(&pair.andi, "Cara").unwrap();
    third.freeze().unwrap();
    let memory = Memory::watch(&pair.andi);
    let api = pair.andi.api().unwrap();
    // 8 MiB for somebody who takes nothing: twice the window.
    let text = "x".repeat(16 * 1_024);
    for _ in 0..512 {
        api.send("Cara", &text).unwrap();
    }
    let took = heard(&pair);
    let thawed = Command::new("kill").args(["-CONT", &third.pid().to_string()]).status().unwrap();
    assert!(thawed.success());
    within(Duration::from_secs(60), "everything arrives", || Ok((api.get("status")?["queue"] == 0).then_some(()))).unwrap();
    assert_eq!(third.api().unwrap().history().unwrap().len(), 512);
    assert_bounded(&pair, "a friend who does not read", memory, took);
    pair.andi.interrupt().unwrap();
}
