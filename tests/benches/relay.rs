//! How fast texts get into a relay, and out of it onto the recipient's disk.
//!
//! Sender, relay and recipient are whole nodes with stores of their own, in one process, on
//! loopback; the floor is the bare store in the same run.
//! All of it `BENCH_ROUNDS` times (3), in new folders each time; what is said is the median.
//! `cargo bench -p symbolon-tests --bench relay`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::time::Duration;
use symbolon_core::command::{Command, MessageState, Reply};
use symbolon_node::handle::NodeHandle;
use symbolon_node::relay::RelayConfig;
use symbolon_presence::seeds::FAR_AHEAD;
use symbolon_relay::machine::rows::RelayLimits;
use symbolon_relay::machine::seam::Policy;
use symbolon_tests::bench::{self, Cost, Figures, node, run};

const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";
/// Fewer than [`FAR_AHEAD`]: what is beyond waits at its writer until the recipient has acknowledged some of it.
const TEXTS: usize = 4_000;
const _: () = assert!((TEXTS as u64) < FAR_AHEAD);

/// The state of the newest message here.
async fn newest(node: &NodeHandle) -> Option<(String, MessageState)> {
    let Reply::Messages(messages) = run(node, Command::Read { who: None, since: None, limit: Some(1), peek: true }).await else { panic!() };
    messages.last().map(|message| (message.text.clone(), message.state))
}

async fn until(node: &NodeHandle, text: &str, states: &[MessageState]) {
    while newest(node).await.is_none_or(|(newest, state)| newest != text || !states.contains(&state)) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Everything once, in new folders.
async fn round(home: &Path, figures: &mut Figures) {
    let rows = bench::rows16(&home.join("floor"), 512);
    figures.note("floor: durable rows/s at batch 16", "", rows, "");
    let (tell, told) = tokio::sync::oneshot::channel();
    let config = RelayConfig {
        limits: RelayLimits::default(),
        data: home.join("relay"),
        listen: vec![LISTEN.to_owned()],
        bootstrap: Vec::new(),
        bytes: None,
        hub: None,
        lan: Some(false),
        announce: Vec::new(),
        policy: Some(Policy::Open),
        port: None,
        passphrase_file: None,
    };
    tokio::spawn(symbolon_node::relay::run(config, |ready| {
        let _ = tell.send(ready.link.clone());
    }));
    let link = told.await.unwrap();
    let (a, b) = (node(&home.join("a"), "Andi", LISTEN).await, node(&home.join("b"), "Ben", LISTEN).await);
    for node in [&a, &b] {
        run(&node.handle, Command::RelayAdd { link: link.clone(), claim: None }).await;
    }
    bench::befriend(&a.handle, &b.handle).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    bench::stop(b).await;

    // The first text finds out that Ben is gone, and calls the relay.
    let (text, last) = ("x".repeat(190), "the last one");
    bench::send(&a.handle, "Ben", "the first one").await;
    until(&a.handle, "the first one", &[MessageState::Stored]).await;
    let cost = Cost::start();
    bench::queued(&a.handle, "Ben", &text, last, TEXTS).await;
    until(&a.handle, last, &[MessageState::Stored]).await;
    let rate = TEXTS as f64 / cost.seconds();
    figures.note("texts/s written, put and signed for", "", rate, "");
    figures.note("texts/s put, of the floor", "", rate / rows, "target 0.5");
    figures.note_cost(&cost, TEXTS, "sender and relay", "");

    let cost = Cost::start();
    let b = node(&home.join("b"), "Ben", LISTEN).await;
    until(&b.handle, last, &[MessageState::Delivered, MessageState::Read]).await;
    figures.note("texts/s drained, process start included", "", (TEXTS + 1) as f64 / cost.seconds(), "target 8000");
    until(&a.handle, last, &[MessageState::Delivered, MessageState::Read]).await;
    figures.note("start of Ben to all delivered at Andi", "s", cost.seconds(), "");
    figures.note_cost(&cost, TEXTS + 1, "all three, drained", "");
    bench::stop(a).await;
    bench::stop(b).await;
}

fn main() {
    // `cargo test --benches` and the like only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut figures = Figures::default();
    for number in 0..bench::rounds() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let home = bench::home();
        if number == 0 {
            bench::say_machine(home.path());
        }
        runtime.block_on(round(home.path(), &mut figures));
        // The relay runs until it is stopped; nothing of this round is needed any more.
        runtime.shutdown_timeout(Duration::from_secs(2));
    }
    figures.print();
}
