//! A node with a hundred friends and a hundred thousand messages: how soon it is ready, what
//! it holds and does while nothing happens, how long a look into its history takes.
//!
//! The folder is made by whole nodes in this process; what is measured is the built command.
//! `cargo bench -p symbolon-tests --bench start`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "made/large.rs"]
mod large;

use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_tests::node::Node;

const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";
const FRIENDS: usize = 100;
const TEXTS: usize = 1_000;
/// Friends who are gone are called again after pauses that double, so the first minutes are not idle.
const SETTLING: Duration = Duration::from_secs(130);
const IDLE: Duration = Duration::from_secs(60);

/// A line of `/proc/PID/status`, in MiB.
fn memory(pid: u32, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|found| found.strip_prefix(line)?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1_024.0
}

/// CPU seconds of a process so far.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// The median of five runs of something, in milliseconds.
fn median(mut what: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            what();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

fn measure(what: &str, data: &Path, details: bool) {
    let mut ready: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            let mut node = Node::start(data, &["--listen", LISTEN]).unwrap();
            let took = start.elapsed().as_secs_f64() * 1e3;
            node.interrupt().unwrap();
            took
        })
        .collect();
    ready.sort_by(f64::total_cmp);
    println!("{what}: start to ready                  {:>8.0} ms   target 300", ready[2]);
    let mut node = Node::start(data, &["--listen", LISTEN]).unwrap();
    std::thread::sleep(SETTLING);
    let (pid, before) = (node.pid(), cpu(node.pid()));
    std::thread::sleep(IDLE);
    println!(
        "{what}: idle memory, 3 min after start  {:>8.1} MiB  target 25 (anonymous {:.1}, of files {:.1})",
        memory(pid, "VmRSS:"),
        memory(pid, "RssAnon:"),
        memory(pid, "RssFile:")
    );
    println!("{what}: idle CPU                        {:>8.2} %    target 0.2", (cpu(pid) - before) / IDLE.as_secs_f64() * 100.0);
    if details {
        let status = median(|| drop(node.json(&["status"]).unwrap()));
        let newest = median(|| assert_eq!(node.json(&["read", "--limit", "50", "--peek"]).unwrap().len(), 50));
        let search = median(|| assert!(!node.json(&["search", "harbour supper"]).unwrap().is_empty()));
        let rare = median(|| assert!(!node.json(&["search", "mark70and7"]).unwrap().is_empty()));
        println!("the command `status`, start of its process included     {status:>8.0} ms");
        println!("newest 50 of all messages, beyond that                  {:>8.0} ms", newest - status);
        println!("search for two words that all texts have, beyond that   {:>8.0} ms", search - status);
        println!("search for a word that one text has, beyond that        {:>8.0} ms", rare - status);
    }
    node.interrupt().unwrap();
}

fn main() {
    // `cargo test --benches` and the like only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let home = tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or_else(|_| ".".into())).unwrap();
    let (large, empty) = (home.path().join("own"), home.path().join("empty"));
    large::make(home.path(), FRIENDS, TEXTS);
    measure("empty", &empty, false);
    measure("large", &large, true);
    let size = std::fs::metadata(large.join("symbolon.db")).map_or(0, |file| file.len());
    println!("store of the large one                               {:>8.1} MiB", size as f64 / 1_048_576.0);
}
