//! The turn loop with a small machine in the core's place, on a real store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod fake;
mod time;

use super::*;
use crate::folder::Folder;
use crate::handle::{COMMAND_QUEUE, EVENT_QUEUE, NodeHandle};
use crate::health::{Health, Watched};
use crate::store::MlsTable;
use fake::{FakeParts, Seen, Sent, TestClock};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use symbolon_core::command::{Command, Who};
use symbolon_core::seam::{Event, LinkId};
use symbolon_core::table::Table;
use symbolon_core::world::Shelf;

/// A loop before and while it runs.
struct Bench {
    dir: tempfile::TempDir,
    folder: Folder,
    handle: NodeHandle,
    commands: mpsc::Sender<CommandRequest>,
    inputs: mpsc::Sender<Input>,
    seen: Seen,
    sent: Sent,
    clock: TestClock,
    ends: Option<Ends<Sent, TestClock>>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        Self::on(dir, folder)
    }

    fn on(dir: tempfile::TempDir, folder: Folder) -> Self {
        let (commands, commands_end) = mpsc::channel(COMMAND_QUEUE);
        let (inputs, inputs_end) = mpsc::channel(INPUT_QUEUE);
        let (events, _) = broadcast::channel(EVENT_QUEUE);
        let (stop, stop_end) = watch::channel(false);
        let (sent, clock, vitals) = (Sent::default(), TestClock::default(), Arc::<Vitals>::default());
        let ends = Ends {
            commands: commands_end,
            inputs: inputs_end,
            events: events.clone(),
            stop: stop_end,
            transport: sent.clone(),
            clock: clock.clone(),
            vitals: vitals.clone(),
        };
        let watched = Watched {
            folder: dir.path().to_path_buf(),
            vitals,
            progress: Arc::default(),
            listening: Vec::new(),
            is_everywhere: true,
            port_moved: false,
        };
        let handle = NodeHandle::new(commands.clone(), events, Arc::new(stop), Health::new(move || watched.facts()));
        Self { dir, folder, handle, commands, inputs, seen: Seen::default(), sent, clock, ends: Some(ends) }
    }

    fn store(&self) -> Store {
        self.folder.open_store(None).unwrap()
    }

    fn start(&mut self) -> JoinHandle<Result<(), RunError>> {
        let store = self.store();
        self.start_on(store)
    }

    fn start_on(&mut self, store: Store) -> JoinHandle<Result<(), RunError>> {
        let (parts, ends) = (FakeParts(self.seen.clone()), self.ends.take().unwrap());
        std::thread::spawn(move || run(store, parts, ends))
    }

    /// Asks the fake machine for something and waits for its answer.
    fn ask(&self, what: &str) -> Result<u64, CommandError> {
        futures::executor::block_on(self.handle.command(send(what))).unwrap().map(fake::number)
    }

    fn stop(self, running: JoinHandle<Result<(), RunError>>) -> (tempfile::TempDir, Folder) {
        self.handle.stop();
        running.join().unwrap().unwrap();
        (self.dir, self.folder)
    }
}

fn send(what: &str) -> Command {
    Command::Send { to: Who(String::new()), text: what.into(), lifetime: None }
}

fn frame(number: u32) -> Input {
    Input::Frame(LinkId(7), number.to_be_bytes().to_vec())
}

#[test]
fn input_is_stored_and_answered_on_its_link() {
    let mut bench = Bench::new();
    let running = bench.start();
    bench.inputs.blocking_send(frame(5)).unwrap();
    while bench.ask("count").unwrap() < 1 {}
    assert_eq!(bench.sent.taken(), ["send 7 [0, 0, 0, 5]"]);
    let (_dir, folder) = bench.stop(running);
    let store = folder.open_store(None).unwrap();
    assert_eq!(store.begin().unwrap().range(Table::Seen, b"", 10).unwrap().len(), 1);
}

#[test]
fn the_last_turn_before_a_stop_is_carried_out_and_may_fail() {
    let mut bench = Bench::new();
    let (running, sent) = (bench.start(), bench.sent.clone());
    bench.stop(running);
    assert_eq!(sent.taken(), ["publish"]);

    let mut bench = Bench::new();
    let (running, sent) = (bench.start(), bench.sent.clone());
    assert_eq!(bench.ask("put"), Ok(1));
    bench.seen.fail_commits.store(1, Ordering::SeqCst);
    let (_dir, folder) = bench.stop(running);
    assert!(sent.taken().is_empty());
    let store = folder.open_store(None).unwrap();
    assert_eq!(store.begin().unwrap().range(Table::Friend, b"", 10).unwrap().len(), 1);
}

#[test]
fn nothing_leaves_when_the_commit_fails() {
    let mut bench = Bench::new();
    for number in 0..10 {
        bench.inputs.try_send(frame(number)).unwrap();
    }
    let store = bench.store();
    bench.seen.fail_commits.store(1, Ordering::SeqCst);
    let mut events = bench.handle.subscribe();
    let (reply, first) = oneshot::channel();
    bench.commands.try_send(CommandRequest { command: send("event"), reply }).unwrap();
    let running = bench.start_on(store);
    assert_eq!(first.blocking_recv().unwrap().err(), Some(CommandError::StoreFailed));
    // All ten frames were in that turn; the core that comes after it knows none of them.
    assert_eq!(bench.ask("count"), Ok(0));
    assert_eq!(bench.sent.taken(), ["reset"]);
    assert!(events.try_recv().is_err());
    assert_eq!(bench.seen.loads.load(Ordering::SeqCst), 2);
    bench.stop(running);
}

#[test]
fn failed_turn_takes_back_everything_in_it_and_the_cipher_is_made_again() {
    let mut bench = Bench::new();
    let running = bench.start();
    assert_eq!(bench.ask("put"), Ok(1));
    assert_eq!(bench.ask("put and fail"), Err(CommandError::StoreFailed));
    assert_eq!(bench.ask("count"), Ok(1));
    assert_eq!(bench.seen.loads.load(Ordering::SeqCst), 2);
    assert_eq!(bench.seen.ciphers.load(Ordering::SeqCst), 2);
    assert_eq!(bench.ask("put"), Ok(2));
    let (_dir, folder) = bench.stop(running);
    // The cipher wrote one row for each turn that became durable.
    let store = Rc::new(folder.open_store(None).unwrap());
    let flushed = MlsTable::new(store).get(b"flushed").unwrap().unwrap();
    assert_eq!(flushed, 2u64.to_be_bytes());
}

#[test]
fn each_reload_gets_a_seed_of_its_own() {
    let mut bench = Bench::new();
    let running = bench.start();
    for _ in 0..3 {
        assert_eq!(bench.ask("put and fail"), Err(CommandError::StoreFailed));
    }
    assert_eq!(bench.ask("count"), Ok(0));
    let mut seeds = bench.seen.seeds.lock().unwrap().clone();
    assert_eq!(seeds.len(), 4);
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 4);
    bench.stop(running);
}

#[test]
fn store_error_that_the_core_swallows_still_fails_the_turn() {
    let mut bench = Bench::new();
    let running = bench.start();
    assert_eq!(bench.ask("put and swallow an error"), Err(CommandError::StoreFailed));
    assert_eq!(bench.ask("count"), Ok(0));
    bench.stop(running);
}

#[test]
fn full_disk_is_told_to_the_one_who_asked_and_reading_goes_on() {
    let mut bench = Bench::new();
    let store = bench.store();
    store.limit_growth(30);
    let running = bench.start_on(store);
    assert_eq!(bench.ask("put"), Ok(1));
    let full = (0..100).map(|_| bench.ask("put much")).find(Result::is_err).unwrap();
    assert_eq!(full, Err(CommandError::StoreFull));
    assert!(bench.ask("count").unwrap() >= 1);
    // A turn that only reads does not show that there is room again.
    let facts = bench.handle.health().facts();
    assert_eq!((facts.failing.map(|failure| failure.what), facts.failed_turns >= 1), (Some("the disk is full"), true));
    bench.handle.stop();
    running.join().unwrap().unwrap();
}

#[test]
fn waiting_inputs_are_taken_in_turns_of_thirty_two() {
    let mut bench = Bench::new();
    for number in 0..200 {
        bench.inputs.try_send(frame(number)).unwrap();
    }
    let running = bench.start();
    while bench.ask("count").unwrap() < 200 {}
    let turns = bench.seen.turns.lock().unwrap().clone();
    assert!(turns.iter().all(|turn| *turn <= TURN_INPUTS));
    assert_eq!(turns[..3], [32, 32, 32]);
    bench.stop(running);
}

#[test]
fn commands_do_not_wait_behind_a_full_network_queue() {
    let mut bench = Bench::new();
    for number in 0..INPUT_QUEUE as u32 {
        bench.inputs.try_send(frame(number)).unwrap();
    }
    let (reply, answer) = oneshot::channel();
    bench.commands.try_send(CommandRequest { command: send("count"), reply }).unwrap();
    let running = bench.start();
    let count = fake::number(answer.blocking_recv().unwrap().unwrap());
    assert!(count < TURN_INPUTS as u64, "answered after {count} frames");
    bench.stop(running);
}

#[test]
fn inputs_do_not_wait_behind_a_full_command_queue() {
    let mut bench = Bench::new();
    let mut answers = Vec::new();
    for _ in 0..COMMAND_QUEUE {
        let (reply, answer) = oneshot::channel();
        bench.commands.try_send(CommandRequest { command: send("count"), reply }).unwrap();
        answers.push(answer);
    }
    for number in [1, 2] {
        bench.inputs.try_send(frame(number)).unwrap();
    }
    let running = bench.start();
    let counts: Vec<_> = answers.into_iter().map(|answer| fake::number(answer.blocking_recv().unwrap().unwrap())).collect();
    // The first one comes before all commands, the second by turns with them.
    assert_eq!(counts[0], 1);
    assert_eq!(counts[TURN_INPUTS], 2);
    bench.stop(running);
}

#[test]
fn ten_thousand_inputs_keep_their_order_and_a_full_queue_holds_the_sender_back() {
    let mut bench = Bench::new();
    for number in 0..INPUT_QUEUE as u32 {
        bench.inputs.try_send(frame(number)).unwrap();
    }
    assert!(matches!(bench.inputs.try_send(frame(0)), Err(mpsc::error::TrySendError::Full(_))));
    let running = bench.start();
    for number in INPUT_QUEUE as u32..10_000 {
        bench.inputs.blocking_send(frame(number)).unwrap();
    }
    while bench.ask("count").unwrap() < 10_000 {}
    let expected: Vec<_> = (0..10_000u32).map(|number| format!("send 7 {:?}", number.to_be_bytes())).collect();
    assert_eq!(bench.sent.taken(), expected);
    bench.stop(running);
}

#[test]
fn changes_made_while_loading_are_durable_before_anything_else() {
    let mut bench = Bench::new();
    bench.seen.founds.store(true, Ordering::SeqCst);
    let running = bench.start();
    assert_eq!(bench.ask("count"), Ok(0));
    let (_dir, folder) = bench.stop(running);
    let store = folder.open_store(None).unwrap();
    assert_eq!(store.begin().unwrap().get(Table::Meta, b"founded").unwrap().unwrap(), b"yes");
}

#[test]
fn clean_stop_leaves_one_complete_file_and_answers_no_more() {
    let mut bench = Bench::new();
    let running = bench.start();
    bench.ask("put").unwrap();
    let handle = bench.handle.clone();
    let began = Instant::now();
    let (dir, _folder) = bench.stop(running);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(!dir.path().join("symbolon.db-wal").exists());
    assert!(matches!(futures::executor::block_on(handle.command(send("count"))), Err(crate::handle::Stopped)));
}

#[test]
fn core_that_cannot_be_loaded_ends_the_loop_with_its_reason() {
    let mut bench = Bench::new();
    bench.seen.cannot_load.store(true, Ordering::SeqCst);
    let running = bench.start();
    assert!(matches!(running.join().unwrap(), Err(RunError::Load("told to fail"))));
}

#[test]
fn damage_found_in_a_turn_ends_the_loop_with_the_file_named() {
    let mut bench = Bench::new();
    let running = bench.start();
    bench.ask("put").unwrap();
    bench.seen.damage.store(true, Ordering::SeqCst);
    assert_eq!(bench.ask("count"), Err(CommandError::StoreFailed));
    match running.join().unwrap() {
        Err(RunError::Store(OpenError::Damaged { file })) => assert_eq!(file, bench.folder.store_path()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn damage_found_in_the_background_ends_the_loop_with_nothing_changed() {
    let mut bench = Bench::new();
    let running = bench.start();
    bench.ask("put much").unwrap();
    let (dir, folder) = bench.stop(running);
    let path = folder.store_path();
    let key = folder.load_key(None).unwrap().unwrap();
    let store = Store::open_within(&path, &key, Duration::ZERO).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let mut bench = Bench::on(dir, folder);
    let running = bench.start_on(store);
    assert!(matches!(running.join().unwrap(), Err(RunError::Store(OpenError::Damaged { file })) if file == path));
}

#[test]
fn command_that_the_core_forgets_is_answered_all_the_same() {
    let mut bench = Bench::new();
    let running = bench.start();
    assert_eq!(bench.ask("say nothing"), Err(CommandError::StoreFailed));
    bench.stop(running);
}

#[test]
fn a_turn_that_is_learned_again_is_shown_at_once_and_durable_within_a_moment() {
    let mut bench = Bench::new();
    let running = bench.start();
    let mut events = bench.handle.subscribe();
    bench.inputs.blocking_send(Input::Frame(fake::HELD, vec![1])).unwrap();
    assert!(matches!(events.blocking_recv().unwrap().event, Event::Warning(_)));
    // Nothing else comes: it is settled automatically. What another connection reads is durable.
    let log = bench.folder.store_path().with_extension("db-wal");
    let length = || std::fs::metadata(&log).map_or(0, |log| log.len());
    let before = length();
    let began = Instant::now();
    while length() == before {
        assert!(began.elapsed() < Duration::from_secs(10), "nothing was written");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(bench.ask("count"), Ok(1));
    bench.stop(running);
}

#[test]
fn while_nobody_waits_the_log_is_moved_in_small_steps() {
    let mut bench = Bench::new();
    let running = bench.start();
    let log = bench.folder.store_path().with_extension("db-wal");
    let mut longest = 0;
    for _ in 0..60 {
        bench.ask("put much").unwrap();
        // So that the loop has found nothing else to do.
        std::thread::sleep(Duration::from_millis(5));
        longest = longest.max(std::fs::metadata(&log).map_or(0, |log| log.len()));
    }
    let most = LOG_STEP as u64 * 2;
    assert!((LOG_STEP as u64..most).contains(&longest), "{longest} B in the log, of 6 MB that were written");
    bench.stop(running);
}

#[test]
fn what_was_held_goes_with_a_later_turn_that_fails_and_stays_with_one_that_does_not() {
    let mut bench = Bench::new();
    let running = bench.start();
    let mut events = bench.handle.subscribe();
    for is_well in [true, false] {
        bench.inputs.blocking_send(Input::Frame(fake::HELD, vec![u8::from(is_well)])).unwrap();
        events.blocking_recv().unwrap();
        // Well within the time that a turn is held. Should it have been settled before, nothing is lost.
        assert_eq!(bench.ask(if is_well { "put" } else { "put and fail" }).is_ok(), is_well);
    }
    let count = bench.ask("count").unwrap();
    assert!((2..=3).contains(&count), "{count}");
    let (_dir, folder) = bench.stop(running);
    let store = folder.open_store(None).unwrap();
    assert!(store.begin().unwrap().get(Table::Seen, &[1]).unwrap().is_some(), "it went with a turn that became durable");
    assert_eq!(store.begin().unwrap().range(Table::Friend, b"", 10).unwrap().len(), 1);
}
