//! Two and more nodes befriend and talk while network, machines and people fail them.
//!
//! A plain run tells up to 500 stories within its CPU seconds. `SIM_SEEDS` is how many it tells,
//! `SIM_SEED` the only one; `SIM_THREADS` how many at once. A story that fails writes its trace
//! beside the build.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use symbolon_core::command::{Command, Reply, RequestStatus, Who};
use symbolon_presence::id::RequestId;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, START, Sim};
use symbolon_tests::sim::story::{self, Outcome, Setting};
use symbolon_tests::sim::trace::{Log, Trace};

fn invite(sim: &mut Sim, ix: Ix) -> String {
    match sim.command(ix, Command::Invite { lifetime: DAY, no_ip: false, auto_accept: false }) {
        Ok(Reply::Invite { link, .. }) => link,
        other => panic!("an invite is made: {:?}", other.err()),
    }
}

fn add(sim: &mut Sim, ix: Ix, link: &str) -> RequestId {
    match sim.command(ix, Command::Add { target: link.to_owned(), note: Some("hi".into()) }) {
        Ok(Reply::Request(request)) => request.request,
        other => panic!("a request is made: {:?}", other.err()),
    }
}

fn pending(sim: &mut Sim, ix: Ix) -> Option<RequestId> {
    match sim.command(ix, Command::Requests) {
        Ok(Reply::Requests(rows)) => rows.iter().find(|row| row.status == RequestStatus::Pending).map(|row| row.request),
        _ => None,
    }
}

fn befriend(sim: &mut Sim, a: Ix, b: Ix) {
    let link = invite(sim, a);
    add(sim, b, &link);
    let mut request = None;
    assert!(sim.run_until(HOUR, |sim| {
        request = pending(sim, a);
        request.is_some()
    }));
    assert!(sim.command(a, Command::Accept(request.unwrap())).is_ok());
    assert!(sim.run_until(HOUR, |sim| are_friends(sim, a, b) && are_friends(sim, b, a)));
}

fn are_friends(sim: &mut Sim, a: Ix, b: Ix) -> bool {
    let peer = sim.nodes[b].peer;
    matches!(sim.command(a, Command::Friends), Ok(Reply::Friends(friends)) if friends.iter().any(|friend| friend.id == peer && friend.mutual))
}

#[test]
fn two_nodes_befriend_and_talk_both_ways() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    befriend(&mut sim, a, b);
    sim.say(a, b, "one").unwrap();
    sim.say(b, a, "two").unwrap();
    sim.say(a, b, "three").unwrap();
    sim.run_for(MINUTE);
    sim.check(true);
    let texts: Vec<String> = sim.history(b).into_iter().map(|message| message.text).collect();
    assert_eq!(texts.len(), 3);
    assert!(sim.command(a, Command::Send { to: Who("Ben".into()), text: "by name".into(), lifetime: None }).is_ok());
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn seeds() -> std::ops::Range<u64> {
    match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => number("SIM_FIRST").unwrap_or(0)..number("SIM_FIRST").unwrap_or(0) + number("SIM_SEEDS").unwrap_or(500),
    }
}

/// CPU seconds that the stories of a plain run may take; with `SIM_SEEDS` it tells them all.
const CPU_BUDGET: u64 = 120;

/// CPU seconds of this process, where the system says so.
fn cpu_seconds() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name of the program: time in it and in the system for it are the 12th and 13th field, in hundredths.
    let ticks = stat.rsplit(')').next()?.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().ok());
    Some(ticks.sum::<Option<u64>>()? / 100)
}

/// Whether the stories of a plain run have had their time.
fn is_spent() -> bool {
    number("SIM_SEEDS").is_none() && cpu_seconds().is_some_and(|spent| spent >= CPU_BUDGET)
}

/// Tells many stories on some threads. Each is one thread's own, so that the outcome of a
/// seed does not depend on the others.
fn tell_all(seeds: std::ops::Range<u64>, setting: &Setting) -> BTreeMap<u64, Result<Outcome, String>> {
    let (next, all) = (AtomicU64::new(seeds.start), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..number("SIM_THREADS").unwrap_or(2) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || is_spent() {
                        return;
                    }
                    let told = catch_unwind(AssertUnwindSafe(|| story::tell(seed, setting, Log::default())));
                    all.lock().unwrap().insert(seed, told.map_err(|reason| words(&reason)));
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// What a panic said.
fn words(reason: &Box<dyn std::any::Any + Send>) -> String {
    let text = reason.downcast_ref::<String>().cloned();
    text.or_else(|| reason.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// Tells a failed story again and writes down everything that happens in it.
fn write_trace(seed: u64) -> PathBuf {
    let log = Log::recording(START);
    let told = catch_unwind(AssertUnwindSafe(|| story::tell(seed, &Setting::default(), log.clone())));
    let end = if told.is_ok() { "did not fail again" } else { "fails here" };
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("seed-{seed}.trace"));
    std::fs::write(&path, format!("{}\n{end}\n", log.text())).unwrap();
    path
}

#[test]
fn every_accepted_message_arrives_once_and_in_order_whatever_the_world_does() {
    let outcomes = tell_all(seeds(), &Setting::default());
    let failed: Vec<(u64, &String)> = outcomes.iter().filter_map(|(seed, told)| Some((*seed, told.as_ref().err()?))).collect();
    let sum = |what: fn(&Outcome) -> u64| outcomes.values().flatten().map(what).sum::<u64>();
    println!(
        "{} stories of {} simulated hours: {} frames, {} fetched from relays, {} crashes, {} texts written, {} arrived, {} given up with a reason, {} failed",
        outcomes.len(),
        sum(|o| o.time) / HOUR,
        sum(|o| o.frames),
        sum(|o| o.fetched),
        sum(|o| o.crashes),
        sum(|o| o.sums.written),
        sum(|o| o.sums.arrived),
        sum(|o| o.sums.failed),
        failed.len(),
    );
    let digest = |part: fn(&Outcome) -> u64| {
        let mut all = Trace::default();
        outcomes.values().flatten().for_each(|outcome| all.add(&part(outcome).to_be_bytes()));
        all.0
    };
    // Equal before and after a change that only moves code: CONTRIBUTING.md.
    println!("digests: inputs and wire {:016x}, rows {:016x}", digest(|o| o.trace), digest(|o| o.rows));
    println!("most notices of one input: {}", outcomes.values().flatten().map(|outcome| outcome.notices).max().unwrap_or_default());
    for (seed, reason) in &failed {
        println!("seed {seed}: {}", reason.replace('\n', " "));
    }
    if let Some((seed, _)) = failed.first() {
        let path = write_trace(*seed);
        panic!("seed {seed} fails: SIM_SEED={seed} tells it again; its trace is {}", path.display());
    }
    assert!(sum(|o| o.crashes) > 0 && sum(|o| o.fetched) > 0 && sum(|o| o.sums.arrived) > 0, "the stories are about something");
}

#[test]
fn one_seed_gives_one_trace() {
    // Each is played twice, and by one thread: with `SIM_SEEDS` there is time for more of them.
    let seeds = if number("SIM_SEEDS").is_some() { 20 } else { 6 };
    for seed in (1_000_000..).take(seeds) {
        let setting = Setting::default();
        assert_eq!(story::tell(seed, &setting, Log::default()), story::tell(seed, &setting, Log::recording(START)), "seed {seed}");
    }
}

#[test]
fn a_recorded_story_can_be_stepped_through() {
    let log = Log::recording(START);
    story::tell(7, &Setting::default(), log.clone());
    let text = log.text();
    assert!(text.lines().count() > 1_000);
    for part in ["Andi", "Ben", "< link", "> link", "put Message", "is dead for"] {
        assert!(text.contains(part), "the trace tells of {part:?}");
    }
    assert!(text.lines().enumerate().all(|(at, line)| line.trim_start().starts_with(&format!("{} ", at + 1))), "lines are numbered");
}
