//! Owners who are connected to one relay, in numbers: what each of them costs it.
//!
//! `cargo run --release -p symbolon-tests --example owners -- 2000` (`just owners 2000`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/flood/caller.rs"]
mod caller;
#[path = "../tests/flood/owner.rs"]
mod owner;

use owner::Owner;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use symbolon_relay::link::RelayLink;
use symbolon_tests::node::Node;
use tokio::task::JoinSet;

/// Owners who connect at the same moment.
const AT_ONCE: u64 = 16;

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2_000);
    // Each owner is a socket here as well.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let _ = rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: files.maximum, maximum: files.maximum },
    );
    let home = tempfile::tempdir().unwrap();
    let relay = Node::start(&home.path().join("relay"), &["relay", "run", "--open", "--listen", "/ip4/127.0.0.1/tcp/0"]).unwrap();
    let link: RelayLink = relay.ready["link"].as_str().unwrap().parse().expect("a relay's link");
    let port: u16 = relay.ready["listen"][0].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let before = relay.resident().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let begun = Instant::now();
    let owners = runtime.block_on(async {
        let mut owners = Vec::new();
        let mut tasks = JoinSet::new();
        for seed in 0..count {
            let link = link.clone();
            // Forty owners behind each address.
            tasks.spawn(async move { Owner::connect(Some(caller::nth(seed / 40)), at, &link, seed).await });
            if tasks.len() as u64 >= AT_ONCE {
                owners.push(tasks.join_next().await.unwrap().unwrap());
            }
        }
        while let Some(done) = tasks.join_next().await {
            owners.push(done.unwrap());
        }
        owners
    });
    let failed: Vec<String> = owners.iter().filter_map(|owner| owner.as_ref().err().map(ToString::to_string)).collect();
    println!(
        "{} owners connected in {:.1} s, {} failed {:?}",
        owners.len() - failed.len(),
        begun.elapsed().as_secs_f64(),
        failed.len(),
        failed.first()
    );
    // What only the start needed is given back, and pings go around.
    std::thread::sleep(Duration::from_secs(35));
    let lost = owners.iter().flatten().filter(|owner| owner.caller.is_over()).count();
    let after = relay.resident().unwrap();
    println!(
        "relay: {} MiB before, {} MiB with them: {:.1} KiB for each; {lost} lost within 35 s",
        before >> 20,
        after >> 20,
        (after.saturating_sub(before)) as f64 / 1024.0 / count as f64
    );
    assert!(failed.is_empty() && lost == 0);
}
