//! Own commits: two friends renew their keys in their room from time to time, and nothing is lost by it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use symbolon_core::command::{Command, Reply};
use symbolon_core::table::Table;
use symbolon_core::wire::Capabilities;
use symbolon_core::world::Proposals;
use symbolon_presence::id::{EpochId, RoomId};
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::sim::rows::{FriendRow, read};
use symbolon_tests::sim::run::{Faults, Ix, Sim};

const A: Ix = 0;
const B: Ix = 1;

fn pair(seed: u64) -> Sim {
    let mut sim = Sim::of_friends(seed, &["Andi", "Ben"]);
    talk(&mut sim, "hello");
    sim
}

/// A text each way.
fn talk(sim: &mut Sim, text: &str) {
    for (from, to) in [(A, B), (B, A)] {
        sim.say(from, to, text).expect("it is accepted");
        sim.run_for(SECOND);
    }
}

/// What the other one has written.
fn texts(sim: &mut Sim, at: Ix) -> Vec<String> {
    sim.history(at).into_iter().filter(|message| !message.mine).map(|message| message.text).collect()
}

fn written(sim: &mut Sim, by: Ix) -> Vec<String> {
    sim.history(by).into_iter().filter(|message| message.mine).map(|message| message.text).collect()
}

fn room(sim: &Sim, at: Ix) -> RoomId {
    let (_, row) = sim.nodes[at].store.rows(Table::Friend).next().unwrap();
    read::<FriendRow>(row).room
}

fn epoch(sim: &mut Sim, at: Ix) -> EpochId {
    let room = room(sim, at);
    sim.nodes[at].cipher().epoch(room).unwrap()
}

/// The epoch that both are in.
fn shared(sim: &mut Sim) -> EpochId {
    let (a, b) = (epoch(sim, A), epoch(sim, B));
    assert_eq!(a, b, "both are in the same epoch");
    a
}

/// How often the rooms of both have moved on, seen every so often.
fn epochs(sim: &mut Sim, steps: u64, pause: u64, mut each: impl FnMut(&mut Sim, u64)) -> usize {
    let mut seen = vec![epoch(sim, A)];
    for step in 0..steps {
        each(sim, step);
        sim.run_for(pause);
        let now = epoch(sim, A);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    seen.len() - 1
}

fn problems(sim: &mut Sim, at: Ix) -> Vec<String> {
    match sim.command(at, Command::Status) {
        Ok(Reply::Status(status)) => status.problems,
        other => panic!("{:?}", other.err()),
    }
}

fn dropped(sim: &mut Sim, at: Ix, reason: &str) -> u64 {
    match sim.command(at, Command::Status) {
        Ok(Reply::Status(status)) => status.dropped_frames.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| *count),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn keys_of_a_room_are_renewed_by_either_side_and_both_talk_on() {
    let mut sim = pair(1);
    let mut seen = vec![shared(&mut sim)];
    for round in 0..6 {
        sim.hurry_commits(if round % 2 == 0 { A } else { B });
        sim.run_for(MINUTE);
        talk(&mut sim, &format!("round {round}"));
        let now = shared(&mut sim);
        assert!(!seen.contains(&now), "another epoch each time");
        seen.push(now);
    }
    assert_eq!(texts(&mut sim, A).len(), 7);
    assert_eq!(texts(&mut sim, B).len(), 7);
}

#[test]
fn of_two_commits_that_cross_both_sides_take_the_same_and_the_other_is_made_later() {
    for seed in 0..8 {
        let mut sim = pair(seed);
        // Neither hears of the other's before its own is on its way.
        sim.set_apart(A, B, true);
        for ix in [A, B] {
            sim.hurry_commits(ix);
            sim.run_for(SECOND);
            sim.say(ix, 1 - ix, "in the old epoch").unwrap();
        }
        sim.set_apart(A, B, false);
        // The one that gave way is still due, and is made once the other side was heard in the new epoch.
        let went_on = epochs(&mut sim, 2 * 60 * 60, SECOND, |_, _| ());
        assert_eq!(went_on, 2);
        shared(&mut sim);
        let outranked = [A, B].map(|ix| dropped(&mut sim, ix, "outranked"));
        assert!(outranked == [1, 0] || outranked == [0, 1], "one of the two stands: {outranked:?}");
        talk(&mut sim, "in the new one");
        assert_eq!(texts(&mut sim, A), ["hello", "in the old epoch", "in the new one"]);
        assert_eq!(texts(&mut sim, B), ["hello", "in the old epoch", "in the new one"]);
        for ix in [A, B] {
            assert_eq!(problems(&mut sim, ix), Vec::<String>::new(), "nobody notices anything");
        }
    }
}

#[test]
fn commits_that_are_lost_doubled_and_late_on_machines_that_fail_lose_no_text() {
    let mut all = 0;
    // In 37 a receipt comes late, of an epoch that is gone; in 156 an empty frame does.
    for seed in (0..12).chain([37, 156]) {
        let mut sim = pair(seed);
        if matches!(seed, 0 | 3 | 6 | 9 | 37) {
            let (_, link) = sim.add_relay();
            for ix in [A, B] {
                sim.command(ix, Command::RelayAdd { link: link.clone(), claim: None }).unwrap();
            }
            sim.run_for(MINUTE);
        }
        sim.faults = Faults::ROUGH;
        let went_on = epochs(&mut sim, 40, 20 * SECOND, |sim, round| {
            for ix in [A, B] {
                if sim.below(3) == 0 {
                    sim.hurry_commits(ix);
                }
                // A crash may keep a text and its answer apart.
                let _ = sim.say(ix, 1 - ix, &format!("{ix} {round}"));
            }
            if sim.below(8) == 0 {
                let ix = sim.below(2) as Ix;
                sim.crash(ix, SECOND);
            }
        });
        sim.faults = Faults::NONE;
        sim.run_for(2 * HOUR);
        shared(&mut sim);
        all += went_on;
        for ix in [A, B] {
            let written = written(&mut sim, 1 - ix);
            assert!(written.len() > 30);
            assert_eq!(texts(&mut sim, ix), written, "seed {seed}");
            assert_eq!(dropped(&mut sim, ix, "cipher"), 0, "seed {seed}");
            assert_eq!(problems(&mut sim, ix), Vec::<String>::new(), "seed {seed}");
            assert_eq!(sim.nodes[ix].store.rows(Table::Outbox).count(), 0, "nothing is left behind, seed {seed}");
        }
    }
    assert!(all > 60, "they went on {all} times");
}

#[test]
fn who_is_away_for_a_month_has_one_commit_to_take_in() {
    let mut sim = pair(2);
    let before = shared(&mut sim);
    sim.set_apart(A, B, true);
    for day in 0..30 {
        sim.say(A, B, &format!("day {day}")).unwrap();
        sim.run_for(DAY);
    }
    assert_eq!((epoch(&mut sim, A), epoch(&mut sim, B)), (before, before), "nobody moves on alone");
    sim.set_apart(A, B, false);
    sim.run_for(2 * HOUR);
    let after = shared(&mut sim);
    assert_ne!(after, before);
    assert!(texts(&mut sim, B).len() > 25);
}

#[test]
fn a_commit_is_made_about_once_a_week_by_each_or_after_a_hundred_frames() {
    let mut sim = pair(3);
    let in_silence = epochs(&mut sim, 70 * 4, DAY / 4, |_, _| ());
    // Each is made once the other side was heard: its seed in the new epoch is enough.
    assert!((12..=40).contains(&in_silence), "{in_silence} in ten weeks");
    let while_talking = epochs(&mut sim, 100, 10 * MINUTE, |sim, _| {
        for _ in 0..5 {
            talk(sim, "again");
        }
    });
    assert!((4..=22).contains(&while_talking), "{while_talking} in 500 texts each way");
}

#[test]
fn nobody_commits_towards_a_build_that_does_not_take_it_until_it_is_updated() {
    let mut sim = Sim::new(4, Faults::NONE);
    sim.add("Andi");
    sim.add_prepared("Ben", |node| node.takes = Some(Capabilities(0)));
    sim.befriend(A, B);
    talk(&mut sim, "hello");
    let before = shared(&mut sim);
    sim.hurry_commits(A);
    sim.run_for(20 * DAY);
    assert_eq!(shared(&mut sim), before);
    sim.nodes[B].takes = None;
    sim.crash(B, SECOND);
    sim.run_for(MINUTE);
    sim.hurry_commits(A);
    sim.run_for(MINUTE);
    talk(&mut sim, "and on");
    assert_ne!(shared(&mut sim), before);
    assert_eq!(texts(&mut sim, A), ["hello", "and on"]);
    assert_eq!(texts(&mut sim, B), ["hello", "and on"]);
}

#[test]
fn an_older_copy_of_before_a_commit_of_either_side_heals_without_loss() {
    for (seed, (maker, copied)) in (0..).zip([(A, A), (A, B), (B, A), (B, B)]) {
        let mut sim = pair(seed);
        let copy = sim.copy(copied);
        sim.hurry_commits(maker);
        sim.run_for(MINUTE);
        talk(&mut sim, "in the new epoch");
        sim.put_back(copied, &copy, SECOND);
        // The other one speaks first, in an epoch that the copy does not know.
        sim.say(1 - copied, copied, "do you hear me").unwrap();
        sim.run_for(2 * HOUR);
        talk(&mut sim, "whole again");
        shared(&mut sim);
        let there = texts(&mut sim, copied);
        for text in ["hello", "in the new epoch", "do you hear me", "whole again"] {
            assert!(there.iter().any(|known| known == text), "{maker} {copied}: {text:?} is not in {there:?}");
        }
        let other = texts(&mut sim, 1 - copied);
        assert_eq!(other, ["hello", "in the new epoch", "whole again"], "{maker} {copied}");
    }
}

#[test]
fn a_copy_of_while_a_commit_was_on_its_way_goes_on_or_heals() {
    for (seed, copied) in (0..).zip([A, B]) {
        let mut sim = pair(seed);
        sim.set_apart(A, B, true);
        sim.hurry_commits(A);
        sim.run_for(SECOND);
        let copy = sim.copy(copied);
        sim.set_apart(A, B, false);
        sim.run_for(MINUTE);
        sim.put_back(copied, &copy, SECOND);
        sim.run_for(2 * HOUR);
        talk(&mut sim, "and on");
        shared(&mut sim);
        for ix in [A, B] {
            assert_eq!(texts(&mut sim, ix), ["hello", "and on"]);
        }
    }
}

#[test]
fn a_thief_who_runs_the_folder_is_seen_at_both_ends() {
    let mut sim = pair(9);
    let stolen = sim.copy(A);
    for ix in [A, B] {
        sim.hurry_commits(ix);
        sim.run_for(MINUTE);
        talk(&mut sim, "in another epoch");
    }
    // What they run is an older copy, and comes back as any such copy would: this shows at once where it came from, and
    // in the friend's list of problems.
    sim.run_copy(&stolen);
    sim.run_for(30 * SECOND);
    let said = problems(&mut sim, A);
    assert!(said.iter().any(|problem| problem.contains("Another copy of this folder runs")), "{said:?}");
    sim.run_for(HOUR);
    let said = problems(&mut sim, B);
    assert!(said.iter().any(|problem| problem.contains("came back from an older copy")), "{said:?}");
}

#[test]
fn two_who_were_led_into_different_epochs_get_another_room() {
    for lone in [A, B] {
        let mut sim = pair(21 + lone as u64);
        let room = room(&sim, lone);
        // As if somebody who has read the folder made it believe that a commit was taken.
        sim.nodes[lone].with_core(|_, world| {
            let made = world.cipher.commit(room, &Proposals::default(), b"").unwrap();
            world.cipher.adopt(room, made.epoch).unwrap();
            world.cipher.complete(room).unwrap();
        });
        sim.say(lone, 1 - lone, "from another epoch").unwrap();
        sim.run_for(2 * HOUR);
        talk(&mut sim, "together again");
        shared(&mut sim);
        assert_eq!(texts(&mut sim, 1 - lone), ["hello", "from another epoch", "together again"]);
        assert_eq!(texts(&mut sim, lone), ["hello", "together again"]);
    }
}
