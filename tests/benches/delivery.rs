//! How fast a message gets onto a friend's disk and back, beside the floors it stands on.
//!
//! Everything is measured in one run on one machine, so that the ratios mean something:
//! the bare transport, the bare room cipher, the bare store, and then two whole nodes.
//! `cargo bench -p symbolon-tests --bench delivery`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_core::command::{Command, Reply, RequestStatus, Who};
use symbolon_core::seam::{DialId, Event, Input, LinkId, NetAction};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{LeafKey, Lifetime, Opened, RoomCipher, ShelfMut};
use symbolon_node::folder::Folder;
use symbolon_node::handle::{NodeHandle, NumberedEvent};
use symbolon_node::mls::{MemoryRows, MlsCipher};
use symbolon_node::net::{Net, NetConfig, address_from_text};
use symbolon_node::run::RunConfig;
use symbolon_presence::id::{MessageId, RoomId};
use symbolon_presence::time::Timestamp;
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc;

const SIZE: usize = 200;

struct Node {
    handle: NodeHandle,
    events: Receiver<NumberedEvent>,
}

async fn node(data: &Path, name: &str, listen: &str) -> Node {
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
    let opened = symbolon_node::run::open::open(config).await.expect("the node opens");
    Node { events: opened.handle.subscribe(), handle: opened.handle }
}

async fn run(node: &Node, command: Command) -> Reply {
    match node.handle.command(command).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => panic!("{error:?}"),
        Err(_) => panic!("stopped"),
    }
}

async fn befriend(a: &Node, b: &Node) {
    let Reply::Invite { link, .. } = run(a, Command::Invite { lifetime: 3_600_000, no_ip: false, auto_accept: true }).await else {
        panic!()
    };
    run(b, Command::Add { target: link, note: None }).await;
    let start = Instant::now();
    loop {
        let Reply::Requests(rows) = run(b, Command::Requests).await else { panic!() };
        let Reply::Friends(friends) = run(a, Command::Friends).await else { panic!() };
        if rows.iter().all(|row| row.status == RequestStatus::Confirmed) && friends.iter().any(|friend| friend.mutual) {
            println!("invite added to both confirmed            {:>10.1} ms", start.elapsed().as_secs_f64() * 1e3);
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn send(node: &Node, to: &str, text: &str) -> MessageId {
    let Reply::Message(message) = run(node, Command::Send { to: Who(to.to_owned()), text: text.to_owned(), lifetime: None }).await else {
        panic!()
    };
    message.message
}

async fn settled(node: &mut Node, open: &mut HashSet<MessageId>) {
    loop {
        match node.events.recv().await {
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

fn percentile(times: &mut [f64], p: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * p) as usize]
}

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

/// Microseconds of one durable commit of one row of a message's size, and rows a second at 16.
fn store(folder: &Path) -> (f64, f64) {
    let folder = Folder::open(folder).unwrap();
    let store = folder.open_store(None).unwrap();
    let mut number = 0u64;
    let mut commit = |rows: u64| {
        let mut turn = store.begin().unwrap();
        for _ in 0..rows {
            number += 1;
            turn.apply(&Change::Put(Table::Message, number.to_be_bytes().to_vec(), vec![5; SIZE])).unwrap();
        }
        turn.commit().unwrap();
    };
    let mut times = Vec::new();
    for _ in 0..1_000 {
        let start = Instant::now();
        commit(1);
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let start = Instant::now();
    for _ in 0..500 {
        commit(16);
    }
    let rate = 8_000.0 / start.elapsed().as_secs_f64();
    (percentile(&mut times, 0.5), rate)
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn main() {
    // `cargo test --benches` and the like only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let home = tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or_else(|_| ".".into())).unwrap();
    let text = "x".repeat(SIZE);
    runtime.block_on(async {
        let (seal, open) = rooms();
        let (commit, rows16) = store(&home.path().join("floor"));
        println!("floor: room cipher, seal / open            {seal:>6.1} / {open:.1} us");
        println!("floor: one durable commit                  {commit:>10.0} us");
        println!("floor: durable rows/s at batch 16          {rows16:>10.0}");
        for (what, listen, udp) in [("TCP", "/ip4/127.0.0.1/tcp/0", false), ("QUIC", "/ip4/127.0.0.1/udp/0/quic-v1", true)] {
            println!("--- {what}");
            let (trip, rate) = transport(udp).await;
            println!("floor: bare frame round trip p50           {trip:>10.0} us");
            println!("floor: bare frames/s, window 64            {rate:>10.0}");
            let mut a = node(&home.path().join(format!("a{what}")), "Andi", listen).await;
            let b = node(&home.path().join(format!("b{what}")), "Ben", listen).await;
            befriend(&a, &b).await;
            let mut open_set = HashSet::new();
            for _ in 0..50 {
                open_set.insert(send(&a, "Ben", &text).await);
                settled(&mut a, &mut open_set).await;
            }
            let mut times = Vec::new();
            for _ in 0..1_000 {
                let start = Instant::now();
                open_set.insert(send(&a, "Ben", &text).await);
                settled(&mut a, &mut open_set).await;
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            let (p50, p99) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
            let floor = trip + seal + open + 2.0 * commit;
            println!(
                "round trip p50                             {p50:>10.0} us   {:.2} of the floors' sum ({floor:.0} us), target 1.5",
                p50 / floor
            );
            println!("round trip p99                             {p99:>10.0} us   {:.2} of the floors' sum, target 2.5", p99 / floor);
            let total = 10_000usize;
            let (before, start) = (cpu(), Instant::now());
            // At most 64 without the friend's receipt; none waits for another.
            let window = std::sync::Arc::new(tokio::sync::Semaphore::new(64));
            let (handle, text, room) = (a.handle.clone(), text.clone(), window.clone());
            let sender = tokio::spawn(async move {
                for _ in 0..total {
                    room.acquire().await.unwrap().forget();
                    let (handle, text) = (handle.clone(), text.clone());
                    tokio::spawn(async move {
                        let sent = handle.command(Command::Send { to: Who("Ben".into()), text, lifetime: None }).await;
                        assert!(matches!(sent, Ok(Ok(_))));
                    });
                }
            });
            let mut done = 0;
            while done < total {
                match a.events.recv().await {
                    Ok(NumberedEvent { event: Event::MessageState { .. }, .. }) => {
                        done += 1;
                        window.add_permits(1);
                    }
                    Ok(_) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            sender.await.unwrap();
            let seconds = start.elapsed().as_secs_f64();
            let rate = total as f64 / seconds;
            let bare = 1e6 / open;
            println!(
                "messages/s, window 64                      {rate:>10.0}      {:.2} of the bare open rate ({bare:.0}/s), target 0.6",
                rate / bare
            );
            println!(
                "CPU a message, both ends                   {:>10.0} us   (seal + open {:.0} us)",
                (cpu() - before) * 1e6 / total as f64,
                seal + open
            );
            a.handle.stop();
            b.handle.stop();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
}
