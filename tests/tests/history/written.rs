//! What one text makes a node write, at both ends: rows by table, and pages of a real store; and what a repeat writes.

use crate::befriend;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon_core::command::{Command, Who};
use symbolon_core::seam::{Action, CommandId, Input, LinkId, NetAction};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::ShelfMut;
use symbolon_node::folder::Folder;
use symbolon_node::store::Store;
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::time::{MINUTE, SECOND, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, Put, ReceiptBody};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::node::{End, SimNode};
use symbolon_tests::sim::rows;
use symbolon_tests::sim::run::Sim;

/// Rows written since this was last emptied, by table: how many, and their bytes with keys.
#[derive(Default)]
struct Written {
    rows: BTreeMap<Table, (usize, usize)>,
    pages: u64,
}

/// One end: a node of the simulation, and a real store that gets the same rows.
struct Side {
    store: Store,
    log: std::path::PathBuf,
    written: Written,
}

fn length(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |log| log.len())
}

impl Side {
    fn new(folder: &Path) -> Self {
        let store = Folder::open(folder).unwrap().open_store(None).unwrap();
        let mut log = store.path().as_os_str().to_owned();
        log.push("-wal");
        Self { store, log: log.into(), written: Written::default() }
    }

    /// One turn of the node, and of the store. Answers the frames that leave.
    fn turn(&mut self, node: &mut SimNode, now: Timestamp, inputs: Vec<Input>) -> Vec<(LinkId, Vec<u8>)> {
        let ended = node.turn(now, inputs, End::Commit);
        assert!(ended.is_up);
        if length(&self.log) > 4 * 1024 * 1024 {
            self.store.checkpoint().unwrap();
        }
        let before = length(&self.log);
        let mut turn = self.store.begin().unwrap();
        for change in &ended.changes {
            let (table, bytes) = match change {
                Change::Put(table, key, value) => (*table, key.len() + value.len()),
                Change::Delete(table, key) => (*table, key.len()),
                // Words are put in when it is quiet.
                Change::Index(..) | Change::Unindex(..) | Change::ClearIndex => continue,
            };
            let rows = self.written.rows.entry(table).or_default();
            *rows = (rows.0 + 1, rows.1 + bytes);
            turn.apply(change).unwrap();
        }
        turn.commit().unwrap();
        self.written.pages += length(&self.log).saturating_sub(before).div_ceil(4096 + 24);
        let sent = ended.actions.into_iter().filter_map(|action| match action {
            Action::Net(NetAction::Send(link, bytes)) => Some((link, bytes)),
            Action::Net(_) | Action::Reply(..) | Action::Announce(_) => None,
        });
        sent.collect()
    }
}

/// Has `texts` texts of 200 B written, so many in each turn, and taken in and receipted by as large turns.
fn write(sim: &mut Sim, sides: &mut [Side; 2], texts: usize, at_once: usize, now: &mut Timestamp) {
    let who = Who(sim.nodes[1].peer.to_string());
    for _ in 0..texts / at_once {
        *now = now.after(2_000);
        let send = || Command::Send { to: who.clone(), text: "x".repeat(200), lifetime: None };
        let inputs = (0..at_once).map(|n| Input::Command(CommandId(1_000_000 + n as u64), send())).collect();
        let mut frames = sides[0].turn(&mut sim.nodes[0], *now, inputs);
        let mut to = 1;
        while !frames.is_empty() {
            let inputs: Vec<Input> = frames.into_iter().map(|(link, bytes)| Input::Frame(link, bytes)).collect();
            frames = sides[to].turn(&mut sim.nodes[to], *now, inputs);
            to = 1 - to;
        }
    }
}

#[test]
fn a_text_writes_few_rows_and_few_pages_on_each_side() {
    let home = tempfile::tempdir().unwrap();
    let mut sim = Sim::new(3, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    befriend(&mut sim, a, b);
    sim.run_for(MINUTE);
    let mut now = sim.now;
    let mut sides = [Side::new(&home.path().join("a")), Side::new(&home.path().join("b"))];
    // So that tables have as many pages as those of people who write to each other.
    write(&mut sim, &mut sides, 3_200, 32, &mut now);
    for at_once in [32, 1] {
        // What the last receipt has left to be written goes with the next text.
        write(&mut sim, &mut sides, 1, 1, &mut now);
        sides.iter_mut().for_each(|side| side.written = Written::default());
        let texts = 10 * at_once;
        write(&mut sim, &mut sides, texts, at_once, &mut now);
        for (side, name) in sides.iter().zip(["sender", "receiver"]) {
            let Written { rows, pages } = &side.written;
            let (count, bytes) = rows.values().fold((0, 0), |all, row| (all.0 + row.0, all.1 + row.1));
            let each = |n: usize| n as f64 / texts as f64;
            println!(
                "{name}, {at_once} at once: {:.2} rows, {:.0} B in rows, {:.2} pages = {:.0} B in the log, a text",
                each(count),
                each(bytes),
                *pages as f64 / texts as f64,
                *pages as f64 * 4120.0 / texts as f64
            );
            let (most_rows, most_pages) = match (name, at_once) {
                ("sender", 1) => (6.8, 5.0),
                ("sender", _) => (3.2, 0.55),
                ("receiver", 1) => (7.8, 6.0),
                (_, _) => (2.4, 0.8),
            };
            assert!(each(count) <= most_rows && *pages as f64 <= most_pages * texts as f64, "{name}, {at_once} at once");
            for (table, (count, bytes)) in rows {
                println!("    {table:?}: {:.2} rows, {:.0} B", each(*count), each(*bytes));
            }
        }
    }
}

#[test]
fn a_repeat_is_answered_the_same_after_a_restart_and_leaves_no_row() {
    let mut sim = Sim::new(4, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    befriend(&mut sim, a, b);
    sim.wire = Some(Vec::new());
    for number in 0..100 {
        sim.say(a, b, &format!("{number}")).unwrap();
        sim.run_for(SECOND);
    }
    let sent = sim.wire.take().unwrap().into_iter().filter(|sent| (sent.from, sent.to) == (a, b));
    let known = |put: &Put| matches!(kind(&put.envelope), Some(Kind::Known(_)));
    let puts: Vec<Put> =
        sent.filter_map(|sent| if let Ok(Frame::Put(put)) = Frame::decode(&sent.bytes) { Some(put) } else { None }).filter(known).collect();
    assert!(puts.len() >= 100);
    for is_restarted in [false, true] {
        if is_restarted {
            sim.crash(b, SECOND);
            sim.run_for(MINUTE);
        }
        let (who, now) = (Who(sim.nodes[b].peer.to_string()), sim.now);
        let text = Command::Send { to: who, text: "on which link?".into(), lifetime: None };
        let said = sim.nodes[a].turn(now, vec![Input::Command(CommandId(1_000_000), text)], End::Commit);
        let link =
            said.actions.iter().find_map(|action| if let Action::Net(NetAction::Send(link, _)) = action { Some(*link) } else { None });
        for put in &puts {
            let ended = sim.nodes[b].turn(now, vec![Input::Frame(link.unwrap(), Frame::Put(put.clone()).encode())], End::Commit);
            let mut answers = Vec::new();
            for action in ended.actions {
                if let Action::Net(NetAction::Send(_, bytes)) = action
                    && let Ok(Frame::Receipt(receipt)) = Frame::decode(&bytes)
                {
                    answers.extend(rows::read::<ReceiptBody>(&receipt.body).items.into_iter().map(|item| (item.frame, item.outcome)));
                }
            }
            assert_eq!(answers, [(put.frame, Outcome::Delivered)]);
            let written = ended.changes.iter().filter_map(Change::table);
            let lasting = [Table::Seen, Table::Unopened, Table::Message, Table::Channel];
            assert_eq!(written.filter(|table| lasting.contains(table)).count(), 0, "it is known already");
        }
    }
}
