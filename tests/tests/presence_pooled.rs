//! What former friends read together, from the rows of their stores and the records of running
//! nodes; and what anyone who keeps these records can find in them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::{Command, Who};
use symbolon_core::wire::PresenceBody;
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::Item;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::eyes::{self, Eyes, assert_unlinkable, opened};
use symbolon_tests::sim::faults::Strike;
use symbolon_tests::sim::node::End;
use symbolon_tests::sim::run::{Ix, Sim};

/// What lies in `ix`'s store about reading `of`.
fn eyes(sim: &Sim, ix: Ix, of: Ix) -> Eyes {
    eyes::eyes(&sim.nodes[ix].store, &sim.nodes[of].peer).unwrap()
}

/// What a friend reads today: where the owner is.
fn newest_body(one: &Eyes, sim: &Sim, of: Ix) -> PresenceBody {
    eyes::newest_body(one, &sim.nodes[of].peer, &stored(sim), sim.now).unwrap()
}

#[test]
fn who_stops_leaves_no_place_in_its_records_and_is_found_again_when_it_is_back() {
    let mut sim = Sim::of_friends(6, &["Andi", "Ben"]);
    sim.run_for(HOUR);
    let ben = eyes(&sim, 1, 0);
    assert!(!newest_body(&ben, &sim, 0).entry.places.is_empty());
    sim.stop(0, HOUR);
    assert!(newest_body(&ben, &sim, 0).entry.places.is_empty(), "it is where nobody knows");
    // Ben has moved and reads the farewell meanwhile, and still calls where he knew her to be.
    sim.move_house(1);
    sim.say(1, 0, "until later").unwrap();
    sim.run_for(HOUR + 10 * MINUTE);
    assert_eq!(sim.texts(0), ["until later"]);
    assert!(!newest_body(&ben, &sim, 0).entry.places.is_empty());
    // One that is killed says nothing.
    sim.crash(0, HOUR);
    sim.run_for(MINUTE);
    assert!(!newest_body(&ben, &sim, 0).entry.places.is_empty());
}

#[test]
fn two_who_both_stopped_and_moved_find_each_other_again() {
    for seed in 0..10 {
        let mut sim = Sim::of_friends(seed, &["Andi", "Ben"]);
        sim.run_for(HOUR);
        for ix in [0, 1] {
            sim.stop(ix, HOUR);
            sim.move_house(ix);
        }
        sim.run_for(2 * HOUR);
        sim.say(0, 1, "both are back").unwrap();
        assert!(sim.run_until(MINUTE, |sim| sim.texts(1) == ["both are back"]), "seed {seed}");
        // And without anything to look in: each is where the other knew it to be.
        sim.lookup.is_there = false;
        sim.stop(0, HOUR);
        sim.stop(1, HOUR);
        sim.run_for(2 * HOUR);
        sim.say(1, 0, "again").unwrap();
        assert!(sim.run_until(MINUTE, |sim| sim.texts(0) == ["both are back", "again"]), "seed {seed}");
    }
}

fn stored(sim: &Sim) -> BTreeSet<Vec<u8>> {
    sim.lookup.stored().cloned().collect()
}

#[test]
fn a20_a24_all_former_friends_of_a_running_node_together_open_none_of_its_later_records() {
    let mut sim = Sim::of_friends(1, &["Andi", "Ben", "Cleo", "Dora"]);
    let pool: Vec<Eyes> = [1, 2].map(|ix| eyes(&sim, ix, 0)).into();
    let before = stored(&sim);
    let (headers, bodies) = opened(&pool, &before, sim.now);
    assert!(headers.len() >= 2 && bodies.len() >= 2, "as friends they read header and body of two days");
    for ix in [1, 2] {
        let who = Who(sim.nodes[ix].peer.to_string());
        sim.command(0, Command::Unfriend(who)).unwrap();
    }
    sim.move_house(0);
    sim.run_for(DAY);
    let later: BTreeSet<Vec<u8>> = stored(&sim).difference(&before).cloned().collect();
    let (headers, bodies) = opened(&pool, &later, sim.now);
    assert!(headers.is_empty() && bodies.is_empty(), "{headers:?} {bodies:?}");
    let (headers, bodies) = opened(&[eyes(&sim, 3, 0)], &later, sim.now);
    assert!(headers.len() >= 2 && bodies.len() >= 2, "Dora, who stayed, reads them");
}

#[test]
fn a23_a_former_friend_and_a_later_one_of_a_running_node_together_open_nothing_from_between() {
    let mut sim = Sim::of_friends(2, &["Andi", "Ben", "Cleo"]);
    let former = eyes(&sim, 1, 0);
    let before = stored(&sim);
    let ben = Who(sim.nodes[1].peer.to_string());
    sim.command(0, Command::Unfriend(ben)).unwrap();
    sim.run_for(HOUR);
    let between: BTreeSet<Vec<u8>> = stored(&sim).difference(&before).cloned().collect();
    assert!(between.len() >= 6);
    let dora = sim.add("Dora");
    sim.befriend(0, dora);
    sim.run_for(HOUR);
    let pool = [former, eyes(&sim, dora, 0)];
    let (headers, bodies) = opened(&pool, &between, sim.now);
    assert!(headers.is_empty() && bodies.is_empty(), "{headers:?} {bodies:?}");
    let (headers, _) = opened(&pool, &stored(&sim), sim.now);
    assert!(!headers.is_empty(), "what came after she joined, she reads");
}

#[test]
fn a74_records_of_running_nodes_share_nothing_by_which_days_or_owners_could_be_told() {
    let mut sim = Sim::of_friends(3, &["Andi", "Ben"]);
    let mut newest: BTreeMap<LookupId, (u64, Vec<u8>)> = BTreeMap::new();
    for _ in 0..4 {
        for bytes in stored(&sim) {
            let Ok(item) = Item::read(&bytes, sim.now) else { continue };
            if newest.get(&item.id).is_none_or(|(counter, _)| *counter < item.counter) {
                newest.insert(item.id, (item.counter, bytes));
            }
        }
        sim.run_for(DAY);
    }
    assert!(newest.len() >= 24, "{} records of two people over four days", newest.len());
    assert_unlinkable(&newest, sim.now);
}

/// How somebody is taken out.
type Taking = fn(Who) -> Command;

/// Andi takes Ben out and dies in one of her turns from there, on one side of its commit. False when there were fewer in five seconds.
fn dies_in_a_revocation(command: Taking, after: usize, end: End) -> bool {
    let mut sim = Sim::of_friends(4, &["Andi", "Ben", "Cleo"]);
    let (_, link) = sim.add_relay();
    sim.command(0, Command::RelayAdd { link, claim: None }).unwrap();
    sim.run_for(5 * MINUTE);
    let [ben, cleo] = [1, 2].map(|ix| eyes(&sim, ix, 0));
    let old = newest_body(&ben, &sim, 0);
    assert!(!old.relay_mailboxes.is_empty(), "Ben knows the relay");
    let who = Who(sim.nodes[1].peer.to_string());
    let is_out = |sim: &mut Sim| {
        let peer = sim.nodes[1].peer;
        !sim.friends(0).iter().any(|friend| friend.id == peer && friend.mutual && !friend.blocked)
    };

    let mut before = stored(&sim);
    sim.strike = Some(Strike { node: 0, after, end });
    let answer = sim.command(0, command(who.clone()));
    assert_eq!(answer.is_ok(), after > 0, "what is confirmed is on the disk");
    let mut seen = before.clone();
    for _ in 0..5 * 10 {
        sim.run_for(SECOND / 10);
        let records = stored(&sim);
        if records != seen {
            // Who still reads the newest record reads the old key there, and none that is closed to Ben names a key that he has.
            let [ben, cleo] = [&ben, &cleo].map(|eyes| eyes::newest_body(eyes, &sim.nodes[0].peer, &records, sim.now));
            assert_eq!(ben.is_some(), cleo.unwrap().friendship == old.friendship, "turn {after}, {end:?}");
            seen = records;
        }
    }
    let has_struck = sim.strike.take().is_none();
    sim.run_for(MINUTE);
    assert_eq!(is_out(&mut sim), after > 0 || end != End::CrashBefore, "all of it or nothing: turn {after}, {end:?}");
    if !is_out(&mut sim) {
        sim.say(1, 0, "a friend as before").unwrap();
        sim.run_for(MINUTE);
        assert_eq!(sim.texts(0), ["a friend as before"]);
        before = stored(&sim);
        sim.command(0, command(who)).unwrap();
        sim.run_for(MINUTE);
    }
    let said = sim.texts(0).len();
    let later: BTreeSet<Vec<u8>> = stored(&sim).difference(&before).cloned().collect();
    let (headers, bodies) = opened(&[ben], &later, sim.now);
    assert!(headers.is_empty() && bodies.is_empty(), "turn {after}, {end:?}");
    let (headers, bodies) = opened(&[cleo], &later, sim.now);
    assert!(!headers.is_empty() && !bodies.is_empty(), "turn {after}, {end:?}: Cleo reads the new ones");
    // By the relay, while she is away, and directly.
    sim.stop(0, MINUTE);
    for round in ["by the relay", "directly"] {
        sim.say(1, 0, "let me in").unwrap();
        sim.say(2, 0, round).unwrap();
        sim.run_for(3 * MINUTE);
    }
    sim.say(0, 2, "and back").unwrap();
    sim.run_for(MINUTE);
    assert_eq!(sim.texts(0)[said..], ["by the relay", "directly", "and back"], "turn {after}, {end:?}");
    assert_eq!(sim.texts(2), ["by the relay", "directly", "and back"], "turn {after}, {end:?}");
    has_struck
}

#[test]
fn a31_a_crash_in_any_turn_of_a_revocation_leaves_all_of_it_or_nothing_and_who_is_out_never_gets_in() {
    for (command, end) in [(Command::Block as Taking, End::CrashAfter), (Command::Unfriend, End::CrashBefore)] {
        let turns = (0..).take_while(|after| dies_in_a_revocation(command, *after, end)).count();
        assert!(turns > 20, "{turns} turns were struck");
    }
}
