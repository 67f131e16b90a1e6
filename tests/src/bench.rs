//! What benches of whole nodes share: the machine's state, figures of several rounds, what a stretch of work costs, nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbolon_core::command::{Command, Reply, RequestStatus, Who};
use symbolon_core::seam::Event;
use symbolon_core::table::{Change, Table};
use symbolon_core::world::ShelfMut;
use symbolon_node::folder::Folder;
use symbolon_node::handle::{NodeHandle, NumberedEvent};
use symbolon_node::run::{Opened, RunConfig};
use symbolon_presence::id::MessageId;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::Receiver;

/// A number from the environment.
pub fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

/// So many times everything is measured, by turns.
pub fn rounds() -> usize {
    setting("BENCH_ROUNDS", 3).max(1)
}

/// Where the folders of nodes lie: in `BENCH_DIR`, or here.
pub fn home() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or_else(|_| ".".into())).unwrap()
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The kind of the file system that a folder lies on.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let rows = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    // Of two at one place the later one is seen.
    let found = rows.filter(|(at, _)| folder.starts_with(at)).max_by_key(|(at, _)| at.len());
    found.map_or_else(|| "unknown".into(), |(_, kind)| kind.to_owned())
}

/// Bytes that this process has had written to disks, in whole pages.
fn written() -> f64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(f64::NAN)
}

/// Says on what machine this runs, and in what state it is. Without it no figure can be compared with another one.
pub fn say_machine(home: &Path) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo").lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1.to_owned()));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    println!("machine: {cores} cores, {}, Linux {}, load {}", model.unwrap_or_default(), kernel.trim(), load());
    let before = written();
    let path = home.join("trial");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&vec![7; 1 << 20]).unwrap();
    file.sync_all().unwrap();
    std::fs::remove_file(path).unwrap();
    let counted = (written() - before) / f64::from(1 << 20);
    println!("folder: on {}; bytes are write_bytes of /proc/self/io, which counted {counted:.2} of a trial of 1 MiB", file_system(home));
}

/// Figures by their labels, one value of each round.
#[derive(Default)]
pub struct Figures {
    section: String,
    rows: Vec<Figure>,
}

struct Figure {
    section: String,
    label: String,
    unit: &'static str,
    remark: String,
    values: Vec<f64>,
}

impl Figures {
    /// What follows belongs to this.
    pub fn section(&mut self, name: &str) {
        name.clone_into(&mut self.section);
    }

    /// One more value.
    pub fn note(&mut self, label: &str, unit: &'static str, value: f64, remark: &str) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.section == self.section && row.label == label) {
            row.values.push(value);
            return;
        }
        let (section, label, remark) = (self.section.clone(), label.to_owned(), remark.to_owned());
        self.rows.push(Figure { section, label, unit, remark, values: vec![value] });
    }

    /// The newest value under a label of a section.
    pub fn last(&self, section: &str, label: &str) -> f64 {
        let row = self.rows.iter().find(|row| row.section == section && row.label == label);
        row.and_then(|row| row.values.last().copied()).unwrap_or(f64::NAN)
    }

    /// What a stretch of work with so many texts has cost.
    pub fn note_cost(&mut self, cost: &Cost, texts: usize, whose: &str, remark: &str) {
        let (cpu, bytes) = cost.of_each(texts);
        self.note(&format!("CPU a message, {whose}"), "us", cpu, remark);
        self.note(&format!("bytes written a message, {whose}"), "B", bytes, "");
    }

    /// All of them: label, median, spread.
    pub fn print(mut self) {
        let mut section = String::new();
        for row in &mut self.rows {
            if row.section != section {
                println!("--- {}", row.section);
                section.clone_from(&row.section);
            }
            row.values.sort_by(f64::total_cmp);
            let (least, most) = (row.values[0], row.values[row.values.len() - 1]);
            let middle = f64::midpoint(row.values[(row.values.len() - 1) / 2], row.values[row.values.len() / 2]);
            let (label, unit, count) = (&row.label, row.unit, row.values.len());
            let line = format!("{label:<50} {:>9} {unit:<3}  {}..{} of {count}  {}", short(middle), short(least), short(most), row.remark);
            println!("{}", line.trim_end());
        }
        println!("machine: load {} at the end", load());
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A place in times, which are sorted.
pub fn percentile(times: &mut [f64], p: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * p) as usize]
}

/// What this process has used up to now.
pub struct Cost {
    cpu: f64,
    written: f64,
    since: Instant,
}

impl Cost {
    /// From now on.
    pub fn start() -> Self {
        Self { cpu: cpu(), written: written(), since: Instant::now() }
    }

    /// Seconds since then.
    pub fn seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Microseconds of CPU and bytes written since then, for each text.
    pub fn of_each(&self, texts: usize) -> (f64, f64) {
        ((cpu() - self.cpu) * 1e6 / texts as f64, (written() - self.written) / texts as f64)
    }
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Durable rows a second of the bare store, 16 in a commit, in a table whose key is bytes.
pub fn rows16(folder: &Path, size: usize) -> f64 {
    let store = Folder::open(folder).unwrap().open_store(None).unwrap();
    let start = Instant::now();
    for turn_number in 0..500u64 {
        let mut turn = store.begin().unwrap();
        for row in 0..16 {
            turn.apply(&Change::Put(Table::Entry, (16 * turn_number + row).to_be_bytes().to_vec(), vec![5; size])).unwrap();
        }
        turn.commit().unwrap();
    }
    8_000.0 / start.elapsed().as_secs_f64()
}

/// A whole node in this process.
pub async fn node(data: &Path, name: &str, listen: &str) -> Opened {
    let config = RunConfig {
        data: data.to_path_buf(),
        name: Some(name.to_owned()),
        listen: vec![listen.to_owned()],
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

/// Ends it, and waits until it has let go of its folder.
pub async fn stop(node: Opened) {
    let Opened { handle, ended, publish_address, .. } = node;
    // It holds the folder.
    drop(publish_address);
    handle.stop();
    ended.await.unwrap().unwrap();
}

/// One command.
pub async fn run(node: &NodeHandle, command: Command) -> Reply {
    match node.command(command).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => panic!("{error:?}"),
        Err(_) => panic!("stopped"),
    }
}

/// Makes friends of two; milliseconds until both have confirmed.
pub async fn befriend(a: &NodeHandle, b: &NodeHandle) -> f64 {
    let invite = Command::Invite { lifetime: 3_600_000, no_ip: false, auto_accept: true };
    let Reply::Invite { link, .. } = run(a, invite).await else { panic!() };
    let Reply::Friends(before) = run(a, Command::Friends).await else { panic!() };
    run(b, Command::Add { target: link, note: None }).await;
    let start = Instant::now();
    loop {
        let Reply::Requests(rows) = run(b, Command::Requests).await else { panic!() };
        let Reply::Friends(friends) = run(a, Command::Friends).await else { panic!() };
        let is_there = friends.len() > before.len() && friends.iter().all(|friend| friend.mutual);
        if is_there && rows.iter().all(|row| row.status == RequestStatus::Confirmed) {
            return start.elapsed().as_secs_f64() * 1e3;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Writes to a friend.
pub async fn send(node: &NodeHandle, to: &str, text: &str) -> MessageId {
    let command = Command::Send { to: Who(to.to_owned()), text: text.to_owned(), lifetime: None };
    let Reply::Message(message) = run(node, command).await else { panic!() };
    message.message
}

async fn settled(events: &mut Receiver<NumberedEvent>, open: &mut HashSet<MessageId>) {
    loop {
        match events.recv().await {
            Ok(NumberedEvent { event: Event::MessageState { message }, .. }) => {
                if open.remove(&message) {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Texts one after the other, each after the receipt for the one before: microseconds of each.
pub async fn round_trips(node: &NodeHandle, to: &str, text: &str, count: usize) -> Vec<f64> {
    let (mut events, mut open) = (node.subscribe(), HashSet::new());
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        open.insert(send(node, to, text).await);
        settled(&mut events, &mut open).await;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times
}

/// So many texts, at most 64 of them without the friend's receipt; none waits for another.
pub async fn windowed(node: &NodeHandle, to: &'static str, text: &str, total: usize) {
    let mut events = node.subscribe();
    let window = Arc::new(Semaphore::new(64));
    let (handle, text, room) = (node.clone(), text.to_owned(), window.clone());
    let sender = tokio::spawn(async move {
        for _ in 0..total {
            room.acquire().await.unwrap().forget();
            let (handle, text) = (handle.clone(), text.clone());
            tokio::spawn(async move { send(&handle, to, &text).await });
        }
    });
    let mut done = 0;
    while done < total {
        match events.recv().await {
            Ok(NumberedEvent { event: Event::MessageState { .. }, .. }) => {
                done += 1;
                window.add_permits(1);
            }
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
    sender.await.unwrap();
}

/// So many texts, 64 commands at a time: for a friend who is away. The last one is sent alone, so it is the newest.
pub async fn queued(node: &NodeHandle, to: &'static str, text: &str, last: &str, total: usize) {
    for batch in (1..total).step_by(64) {
        let one = || {
            let (handle, text) = (node.clone(), text.to_owned());
            tokio::spawn(async move { send(&handle, to, &text).await })
        };
        let tasks: Vec<_> = (batch..(batch + 64).min(total)).map(|_| one()).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    send(node, to, last).await;
}
