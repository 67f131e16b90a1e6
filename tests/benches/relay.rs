//! How fast texts get into a relay, and out of it onto the recipient's disk.
//!
//! Sender, relay and recipient are whole nodes with stores of their own, in one process, on
//! loopback; the floor is the bare store in the same run.
//! `cargo bench -p symbolon-tests --bench relay`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_core::command::{Command, MessageState, Reply, RequestStatus, Who};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::ShelfMut;
use symbolon_node::folder::Folder;
use symbolon_node::handle::NodeHandle;
use symbolon_node::relay::RelayConfig;
use symbolon_node::run::{Opened, RunConfig};
use symbolon_relay::machine::rows::RelayLimits;
use symbolon_relay::machine::seam::Policy;

const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";
const TEXTS: usize = 8_000;

async fn node(data: &Path, name: &str) -> Opened {
    let config = RunConfig {
        data: data.to_path_buf(),
        name: Some(name.to_owned()),
        listen: vec![LISTEN.to_owned()],
        http: Some("127.0.0.1:0".parse().unwrap()),
        open_browser: false,
        passphrase_file: None,
        bootstrap: Vec::new(),
        announce: Vec::new(),
        lookups: Vec::new(),
        relays: Vec::new(),
        lan: symbolon_node::lan::LanMode::Off,
        lan_dht: false,
        hub: None,
    };
    symbolon_node::run::open::open(config).await.expect("the node opens")
}

async fn run(node: &NodeHandle, command: Command) -> Reply {
    match node.command(command).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => panic!("{error:?}"),
        Err(_) => panic!("stopped"),
    }
}

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

/// Durable rows a second of the bare store, 16 in a commit.
fn floor(folder: &Path) -> f64 {
    let store = Folder::open(folder).unwrap().open_store(None).unwrap();
    let start = Instant::now();
    for turn_number in 0..500u64 {
        let mut turn = store.begin().unwrap();
        for row in 0..16 {
            turn.apply(&Change::Put(Table::Message, (16 * turn_number + row).to_be_bytes().to_vec(), vec![5; 512])).unwrap();
        }
        turn.commit().unwrap();
    }
    8_000.0 / start.elapsed().as_secs_f64()
}

fn main() {
    // `cargo test --benches` and the like only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let home = tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or_else(|_| ".".into())).unwrap();
    runtime.block_on(async {
        let rows = floor(&home.path().join("floor"));
        println!("floor: durable rows/s at batch 16          {rows:>10.0}");
        let (tell, told) = tokio::sync::oneshot::channel();
        let config = RelayConfig {
            limits: RelayLimits::default(),
            data: home.path().join("relay"),
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
        let (a, b) = (node(&home.path().join("a"), "Andi").await, node(&home.path().join("b"), "Ben").await);
        for node in [&a, &b] {
            run(&node.handle, Command::RelayAdd { link: link.clone(), claim: None }).await;
        }
        let Reply::Invite { link, .. } = run(&a.handle, Command::Invite { lifetime: 3_600_000, no_ip: false, auto_accept: true }).await
        else {
            panic!()
        };
        run(&b.handle, Command::Add { target: link, note: None }).await;
        loop {
            let Reply::Requests(rows) = run(&b.handle, Command::Requests).await else { panic!() };
            if rows.iter().all(|row| row.status == RequestStatus::Confirmed) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let Opened { handle, ended, publish_address, .. } = b;
        // It holds the folder.
        drop(publish_address);
        handle.stop();
        ended.await.unwrap().unwrap();

        // The first text finds out that Ben is gone, and calls the relay.
        let text = |number: usize| format!("{number} {}", "x".repeat(190));
        let send = |number: usize| {
            let handle = a.handle.clone();
            async move { run(&handle, Command::Send { to: Who("Ben".into()), text: text(number), lifetime: None }).await }
        };
        send(0).await;
        until(&a.handle, &text(0), &[MessageState::Stored]).await;
        let start = Instant::now();
        for batch in (1..TEXTS).step_by(64) {
            let tasks: Vec<_> = (batch..(batch + 64).min(TEXTS)).map(|number| tokio::spawn(send(number))).collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        // Tasks overtake each other, so the last text is sent alone.
        send(TEXTS).await;
        until(&a.handle, &text(TEXTS), &[MessageState::Stored]).await;
        let rate = TEXTS as f64 / start.elapsed().as_secs_f64();
        println!("texts/s written, put and signed for        {rate:>10.0}      {:.2} of the floor, target 0.5", rate / rows);

        let start = Instant::now();
        let b = node(&home.path().join("b"), "Ben").await;
        until(&b.handle, &text(TEXTS), &[MessageState::Delivered, MessageState::Read]).await;
        let rate = (TEXTS + 1) as f64 / start.elapsed().as_secs_f64();
        println!("texts/s drained, process start included    {rate:>10.0}      target 8000");
        until(&a.handle, &text(TEXTS), &[MessageState::Delivered, MessageState::Read]).await;
        println!("start of Ben to all delivered at Andi      {:>10.1} s", start.elapsed().as_secs_f64());
    });
    // The relay runs until it is stopped; nothing of this run is needed any more.
    runtime.shutdown_background();
}
