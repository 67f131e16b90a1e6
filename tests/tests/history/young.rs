//! Texts to somebody who is here: no row of the outbox is written for them, and no death loses one.

use crate::befriend;
use symbolon_core::command::{Command, MessageState, Reply};
use symbolon_core::limits::YOUNG_MAX;
use symbolon_core::table::Table;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::sim::faults::Strike;
use symbolon_tests::sim::node::End;
use symbolon_tests::sim::rows::{MessageRow, read};
use symbolon_tests::sim::run::{Faults, Ix, Sim};

const A: Ix = 0;
const B: Ix = 1;

fn two(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.add("Andi");
    sim.add("Ben");
    befriend(&mut sim, A, B);
    sim.run_for(MINUTE);
    sim
}

fn texts(sim: &Sim, at: Ix) -> Vec<(String, MessageState)> {
    sim.nodes[at].store.rows(Table::Message).map(|(_, row)| read::<MessageRow>(row)).map(|row| (row.text, row.state)).collect()
}

/// Both have exactly these, in order, and the writer knows that they are there.
fn all_there(sim: &Sim, said: &[String], why: &str) {
    let delivered: Vec<_> = said.iter().map(|text| (text.clone(), MessageState::Delivered)).collect();
    assert_eq!((texts(sim, A), texts(sim, B)), (delivered.clone(), delivered), "{why}");
}

fn is_here(sim: &mut Sim) -> bool {
    matches!(sim.command(A, Command::Friends), Ok(Reply::Friends(friends)) if friends.iter().all(|friend| friend.online == Some(true)))
}

fn outbox(sim: &Sim) -> usize {
    sim.nodes[A].store.count(Table::Outbox)
}

#[test]
fn a_text_to_somebody_who_is_here_is_no_row_of_the_outbox_until_they_are_gone() {
    let mut sim = two(1);
    assert_eq!(outbox(&sim), 0);
    let said: Vec<String> = (0..YOUNG_MAX + 6).map(|n| format!("text {n}")).collect();
    for text in &said {
        sim.say(A, B, text).unwrap();
    }
    assert_eq!(outbox(&sim), 6, "those beyond the bound are written");
    sim.set_apart(A, B, true);
    sim.run_for(SECOND);
    assert_eq!(outbox(&sim), said.len(), "nobody is there who would sign for them");
    sim.set_apart(A, B, false);
    sim.run_for(HOUR);
    all_there(&sim, &said, "once they are here again");
    assert_eq!(outbox(&sim), 0);
}

#[test]
fn texts_that_only_memory_held_are_sealed_again_whenever_either_side_dies() {
    for (node, end) in [(A, End::CrashBefore), (A, End::CrashAfter), (B, End::CrashBefore), (B, End::CrashAfter)] {
        let mut struck = 0;
        for after in 0..40 {
            let mut sim = two(2 + after as u64);
            sim.strike = Some(Strike { node, after, end });
            let mut said = Vec::new();
            for n in 0..8 {
                // A command whose turn failed is answered by nothing: its text may be there or not.
                let text = format!("text {n}");
                let is_said = sim.say(A, B, &text).is_some();
                if is_said || texts(&sim, A).iter().any(|(there, _)| *there == text) {
                    said.push(text);
                }
                sim.run_for(if n % 2 == 0 { 15 } else { 0 });
            }
            sim.run_for(HOUR);
            all_there(&sim, &said, &format!("{node} dies at its turn {after}, {end:?}"));
            if sim.strike.is_some() {
                break;
            }
            struck += 1;
        }
        assert!(struck >= 8, "{struck} turns of node {node} were struck");
    }
}

#[test]
fn forty_deaths_with_a_full_window_leave_no_text_that_cannot_be_opened() {
    let mut sim = two(7);
    let mut said = Vec::new();
    for round in 0..40 {
        assert!(sim.run_until(HOUR, is_here), "round {round}");
        // Their words come, and what they are answered is lost.
        for n in 0..YOUNG_MAX {
            let text = format!("{round}.{n}");
            sim.say(A, B, &text).unwrap();
            said.push(text);
        }
        sim.crash(A, SECOND);
    }
    sim.run_for(HOUR);
    all_there(&sim, &said, "after all of them");
    assert_eq!(outbox(&sim), 0);
}

#[test]
fn a_text_reads_no_more_rows_because_others_are_away_and_much_waits_for_them() {
    let costs = [0, 100].map(|waiting| {
        let mut sim = Sim::of_friends(3, &["Andi", "Ben", "Cleo", "Dora", "Emil"]);
        for away in 2..5 {
            sim.stop(away, DAY);
            for n in 0..waiting {
                sim.say(A, away, &n.to_string()).unwrap();
            }
        }
        // They are known to be gone, and what is due anyway is done before.
        sim.run_for(HOUR);
        sim.nodes[A].store.take_touched();
        sim.say(A, B, "to who is here").unwrap();
        sim.nodes[A].store.take_touched()
    });
    assert_eq!(costs[0], costs[1]);
}
