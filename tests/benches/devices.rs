//! Own devices: how long pairing takes with a hundred friends and ten thousand messages, how soon one device has what happens
//! at another, and what a text costs its writer when the reader has four devices in place of one.
//!
//! The large folder is made by whole nodes in this process; what is measured is the built command, over a relay on loopback.
//! Bytes are those of the loopback device, so nothing else may use it meanwhile.
//! `cargo bench -p symbolon-tests --bench devices`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "made/large.rs"]
mod large;

use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_tests::node::{Node, pending, within};

const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";
const FRIENDS: usize = 100;
const TEXTS: usize = 100;
const LONG: Duration = Duration::from_secs(600);
const LAGS: usize = 100;
const COST: usize = 1_000;

/// CPU seconds of a process so far.
fn cpu(node: &Node) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Bytes that have left the loopback device so far.
fn wire() -> u64 {
    std::fs::read_to_string("/sys/class/net/lo/statistics/tx_bytes").unwrap_or_default().trim().parse().unwrap_or(0)
}

fn person(folder: &Path, name: &str, relay: &str) -> Node {
    let node = Node::start(folder, &["--no-lan", "--listen", LISTEN, "--name", name, "--relay", relay]).unwrap();
    within(LONG, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    node
}

fn joined(first: &Node, further: &Node) {
    let code = first.json(&["device", "pair"]).unwrap()[0]["code"].as_str().unwrap().to_owned();
    further.json(&["device", "join", &code]).unwrap();
}

/// The newest text that a node shows.
fn newest(node: &Node) -> Option<String> {
    node.api().unwrap().get("messages?limit=1").unwrap()["messages"].as_array()?.last()?["text"].as_str().map(str::to_owned)
}

fn befriend(inviter: &Node, asker: &Node) {
    let link = inviter.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    asker.json(&["add", &link]).unwrap();
    inviter.json(&["accept", &pending(inviter).unwrap()]).unwrap();
    friends_are(asker, 1);
}

fn friends_are(node: &Node, count: usize) {
    let mutual = |row: &Value| row["mutual"] == true;
    within(LONG, "they are friends", || Ok((node.json(&["friends"])?.iter().filter(|row| mutual(row)).count() >= count).then_some(())))
        .unwrap();
}

/// Pairs a device with a folder of many friends, all of whom are away, and much history.
fn pairing(home: &Path, relay: &str) {
    let (own, further) = (person(&home.join("own"), "Andi", relay), person(&home.join("further"), "Laptop", relay));
    let all = FRIENDS * TEXTS;
    let api = further.api().unwrap();
    let (start, before, bytes) = (Instant::now(), (cpu(&own), cpu(&further)), wire());
    joined(&own, &further);
    println!("paired, both show it                                  {:>8.1} s", start.elapsed().as_secs_f64());
    within(LONG, "friends", || Ok((further.json(&["friends"])?.len() >= FRIENDS).then_some(()))).unwrap();
    println!("{FRIENDS} friends are there                                {:>8.1} s", start.elapsed().as_secs_f64());
    within(LONG, "history", || Ok((api.history().unwrap().len() >= all).then_some(()))).unwrap();
    let took = start.elapsed().as_secs_f64();
    let (a, b) = (cpu(&own) - before.0, cpu(&further) - before.1);
    println!(
        "{all} messages are there                            {took:>8.1} s   CPU {a:.1} and {b:.1} s, {:.1} MB on the wire",
        (wire() - bytes) as f64 / 1e6
    );
}

/// How soon a text that a friend reads or writes is on the second device of its person.
fn lag(ben: &Node, devices: &[Node]) {
    let (first, second) = (&devices[0], &devices[1]);
    for (what, by, to) in [("written at the first device", first, "Ben"), ("written by a friend", ben, "Ana")] {
        let api = by.api().unwrap();
        let mut lags: Vec<f64> = (0..LAGS)
            .map(|number| {
                let (text, start) = (format!("{what} {number}"), Instant::now());
                api.send(to, &text).unwrap();
                while newest(second).as_deref() != Some(&text) {
                    std::thread::sleep(Duration::from_micros(500));
                    assert!(start.elapsed() < Duration::from_secs(60), "{text} does not come");
                }
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        lags.sort_by(f64::total_cmp);
        println!("{what}, shown at the second: p50 {:>8.1} ms   p99 {:>8.1} ms", lags[LAGS / 2], lags[LAGS * 99 / 100]);
    }
}

/// What a text costs its writer: milliseconds of CPU, and bytes in all.
fn cost(ben: &Node, devices: &[Node]) -> (f64, f64) {
    let api = ben.api().unwrap();
    let (before, bytes) = (cpu(ben), wire());
    for number in 0..COST {
        api.send("Ana", &format!("cost {number} about the weather, the harbour, what is for supper, and the rest of the day")).unwrap();
    }
    let last = format!("cost {} about", COST - 1);
    for device in devices {
        within(LONG, "all of it is there", || Ok(newest(device).is_some_and(|text| text.starts_with(&last)).then_some(()))).unwrap();
    }
    let each = COST as f64;
    ((cpu(ben) - before) * 1e3 / each, (wire() - bytes) as f64 / each)
}

fn main() {
    // `cargo test --benches` and the like only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let home = tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or_else(|_| ".".into())).unwrap();
    large::make(home.path(), FRIENDS, TEXTS);
    let host = Node::start(&home.path().join("host"), &["relay", "run", "--open", "--listen", LISTEN]).unwrap();
    let relay = host.ready["link"].as_str().unwrap().to_owned();
    pairing(home.path(), &relay);

    let (ben, first) = (person(&home.path().join("ben"), "Ben", &relay), person(&home.path().join("first"), "Ana", &relay));
    befriend(&first, &ben);
    let mut devices = vec![first];
    let one = cost(&ben, &devices);
    for number in 2..=4 {
        let further = person(&home.path().join(format!("further {number}")), "Ana", &relay);
        joined(&devices[0], &further);
        friends_are(&further, 1);
        devices.push(further);
        if number == 2 {
            lag(&ben, &devices);
        }
    }
    let four = cost(&ben, &devices);
    println!("a text of 70 B to one device:   {:>6.2} ms of the writer's CPU, {:>8.0} B on the wire, in all", one.0, one.1);
    println!(
        "the same to four devices:       {:>6.2} ms, {:>8.0} B: {:.1} and {:.1} times",
        four.0,
        four.1,
        four.0 / one.0,
        four.1 / one.1
    );
}
