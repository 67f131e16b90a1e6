//! Packages: by what friends add somebody to rooms who is away. They lie at relays; the node itself makes them when it is
//! there. The relay is the real machine, and nodes are restarted and killed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use symbolon_core::command::{Command, Who};
use symbolon_core::packages_at_hand::FetchedPackage;
use symbolon_core::table::Table;
use symbolon_core::wire::Capabilities;
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::sim::rows::{OwnPackageRow, read};
use symbolon_tests::sim::run::{Faults, Ix, Sim};

const A: Ix = 0;
const B: Ix = 1;
const C: Ix = 2;

/// What lies at a relay after the owner has looked that they are there: eight for friends, and one of last resort.
const STOCKED: usize = 9;

/// Andi, with a relay each time a number of them is asked for, and two friends.
fn scene(seed: u64, relays: usize, faults: Faults) -> (Sim, Vec<Ix>) {
    let mut sim = Sim::new(seed, Faults::NONE);
    for name in ["Andi", "Ben", "Cara"] {
        sim.add(name);
    }
    sim.befriend(A, B);
    sim.befriend(A, C);
    let relays = (0..relays).map(|_| sim.add_relay()).collect::<Vec<_>>();
    for (_, link) in &relays {
        sim.command(A, Command::RelayAdd { link: link.clone(), claim: None }).unwrap();
    }
    sim.run_for(MINUTE);
    sim.faults = faults;
    (sim, relays.into_iter().map(|(ix, _)| ix).collect())
}

/// Somebody asks for a package of Andi's.
fn ask(sim: &mut Sim, by: Ix) {
    let (now, andi) = (sim.now, sim.nodes[A].peer);
    if sim.nodes[by].is_up() {
        sim.nodes[by].with_core(|core, world| core.fetch_package(now, andi, world)).unwrap();
        // What the turn has left to do is done with the next one.
        let _ = sim.command(by, Command::Requests);
    }
}

fn took(sim: &mut Sim, by: Ix) -> Vec<Result<FetchedPackage, String>> {
    if sim.nodes[by].is_up() { sim.nodes[by].with_core(|core, _| core.take_packages()) } else { Vec::new() }
}

/// The same, and what has become of it.
fn fetch(sim: &mut Sim, by: Ix) -> Result<FetchedPackage, String> {
    ask(sim, by);
    sim.run_for(2 * MINUTE);
    let mut done = took(sim, by);
    assert_eq!(done.len(), 1, "{done:?}");
    done.remove(0)
}

/// As if a Welcome had come to a leaf of Andi's.
fn enter_by(sim: &mut Sim, leaf: &PublicKeyBytes) -> bool {
    let now = sim.now;
    let is_ours = sim.nodes[A].with_core(|core, world| core.use_package(now, leaf, world)).unwrap();
    let _ = sim.command(A, Command::Requests);
    is_ours
}

/// Packages of Andi's that are neither replaced nor used.
fn fresh(sim: &Sim) -> usize {
    let rows = sim.nodes[A].store.rows(Table::OwnPackage).map(|(_, row)| read::<OwnPackageRow>(row));
    rows.filter(|row| row.replaced.is_none() && row.seats == 0).count()
}

fn warned(sim: &mut Sim, words: &str) -> bool {
    sim.report(A).problems.iter().any(|problem| problem.contains(words))
}

#[test]
fn a30_each_package_at_a_relay_is_handed_out_once_and_who_empties_it_gets_the_last_resort_and_the_owner_is_warned() {
    let (mut sim, relays) = scene(1, 1, Faults::NONE);
    assert_eq!((sim.relay(relays[0]).packages(), fresh(&sim)), (STOCKED, STOCKED));
    assert!(!warned(&mut sim, "takes what others need"));
    sim.crash(A, 2 * DAY);
    let mut leaves = BTreeSet::new();
    for round in 0..4 {
        for by in [B, C] {
            // Both at once.
            ask(&mut sim, by);
        }
        sim.run_for(MINUTE);
        for by in [B, C] {
            let package = took(&mut sim, by).remove(0).unwrap();
            assert_eq!((package.peer, package.last_resort, package.relays), (sim.nodes[A].peer, false, 1), "round {round}");
            assert!(leaves.insert(package.leaf), "handed out twice");
        }
    }
    let last: Vec<FetchedPackage> = (0..3).map(|_| fetch(&mut sim, B).unwrap()).collect();
    assert!(last[0].last_resort && last.iter().all(|package| *package == last[0]));
    assert!(sim.run_until(3 * DAY, |sim| sim.nodes[A].is_up()));
    sim.run_for(MINUTE);
    assert!(warned(&mut sim, "takes what others need"));
    sim.run_for(2 * HOUR);
    assert_eq!(sim.relay(relays[0]).packages(), STOCKED, "there are others");
    // A Welcome may still be on its way to those that were replaced.
    let [used, other] = [0, 1].map(|n| *leaves.iter().nth(n).unwrap());
    assert!(enter_by(&mut sim, &used) && !enter_by(&mut sim, &used), "a room is entered by it once");
    assert!(enter_by(&mut sim, &last[0].leaf) && enter_by(&mut sim, &last[0].leaf), "and by the last resort again and again");
    sim.run_for(40 * DAY);
    assert!(!enter_by(&mut sim, &other), "and not for ever");
    assert!(sim.nodes[A].store.count(Table::OwnPackage) <= 2 + 10 * STOCKED, "what is worth nothing any more is erased");
}

#[test]
fn what_friends_use_is_left_again_without_a_warning() {
    let (mut sim, relays) = scene(2, 1, Faults::NONE);
    sim.set_apart(A, B, true);
    let mut leaves = BTreeSet::new();
    for _ in 0..3 {
        for _ in 0..6 {
            let package = fetch(&mut sim, B).unwrap();
            assert!(!package.last_resort && leaves.insert(package.leaf));
            assert!(enter_by(&mut sim, &package.leaf));
        }
        sim.run_for(2 * HOUR);
        assert!(sim.relay(relays[0]).packages() > STOCKED / 2, "never is little left for long");
    }
    assert!(!warned(&mut sim, "takes what others need"));
}

#[test]
fn a20_after_a_revocation_the_old_token_is_stale_and_others_lie_there() {
    let (mut sim, relays) = scene(3, 1, Faults::NONE);
    sim.crash(B, 6 * HOUR);
    sim.run_for(MINUTE);
    sim.command(A, Command::Unfriend(Who(sim.nodes[C].peer.to_string()))).unwrap();
    sim.run_for(MINUTE);
    assert_eq!((sim.relay(relays[0]).packages(), fresh(&sim)), (STOCKED, STOCKED), "all of them are others");
    sim.crash(A, 2 * DAY);
    sim.lookup.is_there = false;
    assert_eq!(fetch(&mut sim, C), Err("Replaced".into()), "she was a friend");
    assert!(sim.run_until(7 * HOUR, |sim| sim.nodes[B].is_up()));
    assert_eq!(fetch(&mut sim, B), Err("Replaced".into()), "he is one, and has not read the new secret");
    assert_eq!(sim.nodes[B].with_core(|core, _| core.take_ready()), 1, "in a minute it makes sense to ask again");
    sim.lookup.is_there = true;
    sim.crash(B, SECOND);
    sim.run_for(HOUR);
    let package = fetch(&mut sim, B).unwrap();
    assert!(sim.run_until(3 * DAY, |sim| sim.nodes[A].is_up()));
    assert!(enter_by(&mut sim, &package.leaf));
}

#[test]
fn a_node_that_is_there_makes_a_package_for_each_question_also_without_a_relay() {
    let (mut sim, _) = scene(4, 0, Faults::NONE);
    let leaves: BTreeSet<PublicKeyBytes> = (0..12).map(|_| fetch(&mut sim, B).unwrap()).map(|package| package.leaf).collect();
    assert_eq!(leaves.len(), 12);
    assert!(leaves.iter().all(|leaf| enter_by(&mut sim, leaf)));
    assert_eq!(sim.relays.len(), 0);
    // What nobody uses is not kept without end, and what one takes in a day has an end.
    let taken: Vec<_> = (0..24).map(|_| fetch(&mut sim, B)).collect();
    assert!(taken[..20].iter().all(Result::is_ok), "{taken:?}");
    assert!(taken[20..].iter().all(|taken| *taken == Err("NoneThere".into())));
    assert_eq!((fresh(&sim), sim.nodes[A].store.count(Table::OwnPackage)), (16, 28));
    assert!(warned(&mut sim, "Ben asks this node again and again"));
    assert!(fetch(&mut sim, C).is_ok(), "the other friend is served");
    // Who is no friend any more has nothing of it, and gets none.
    sim.command(A, Command::Unfriend(Who(sim.nodes[B].peer.to_string()))).unwrap();
    assert_eq!(fresh(&sim), 0, "Ben's are erased, and Cara's are replaced");
    sim.run_for(MINUTE);
    assert!(fetch(&mut sim, B).is_err());
}

#[test]
fn nobody_is_asked_who_does_not_take_rooms_and_where_nobody_is_reached_it_is_said() {
    let (mut sim, _) = scene(5, 0, Faults::NONE);
    sim.nodes[A].takes = Some(Capabilities(Capabilities::OURS.0 & !Capabilities::ROOMS.0));
    sim.crash(A, SECOND);
    sim.run_for(HOUR);
    sim.wire = Some(Vec::new());
    assert_eq!(fetch(&mut sim, B), Err("NobodyReached".into()));
    assert!(sim.wire.take().unwrap().iter().all(|frame| !symbolon_tests::sim::trace::frame(&frame.bytes).contains("Fetch")));
    sim.nodes[A].takes = None;
    sim.crash(A, HOUR);
    sim.run_for(MINUTE);
    assert_eq!(fetch(&mut sim, B), Err("NobodyReached".into()));
    sim.nodes[B].with_core(|core, _| core.take_ready());
    sim.run_for(2 * HOUR);
    assert_eq!(sim.nodes[B].with_core(|core, _| core.take_ready()), 1, "he is back");
    assert!(fetch(&mut sim, B).is_ok());
}

#[test]
fn a94_a_relay_that_was_set_back_or_has_lost_all_gets_other_packages_when_its_owner_comes() {
    let (mut sim, relays) = scene(6, 1, Faults::NONE);
    sim.set_apart(A, B, true);
    // A copy of its folder, with nine packages, of which three are handed out then.
    sim.double_relay(relays[0]);
    let mut leaves: Vec<PublicKeyBytes> = (0..3).map(|_| fetch(&mut sim, B).unwrap().leaf).collect();
    assert!(leaves.iter().all(|leaf| enter_by(&mut sim, leaf)));
    sim.run_for(2 * HOUR);
    sim.double_relay(relays[0]);
    sim.run_for(10 * MINUTE);
    leaves.extend((0..3).map(|_| fetch(&mut sim, B).unwrap().leaf));
    assert_eq!(leaves.iter().collect::<BTreeSet<_>>().len(), 6, "none of them twice");
    // The same where its record of us is older as well.
    sim.double_relay(relays[0]);
    sim.command(A, Command::Block(Who(sim.nodes[C].peer.to_string()))).unwrap();
    sim.run_for(2 * HOUR);
    leaves.push(fetch(&mut sim, B).unwrap().leaf);
    sim.double_relay(relays[0]);
    sim.run_for(10 * MINUTE);
    leaves.push(fetch(&mut sim, B).unwrap().leaf);
    // And where nothing is left.
    sim.wipe_relay(relays[0]);
    sim.run_for(10 * MINUTE);
    assert_eq!(sim.relay(relays[0]).packages(), STOCKED);
    leaves.push(fetch(&mut sim, B).unwrap().leaf);
    assert_eq!(leaves.iter().collect::<BTreeSet<_>>().len(), 9);
    assert!(leaves[3..].iter().all(|leaf| enter_by(&mut sim, leaf)));
}

#[test]
fn packages_are_replaced_at_half_of_their_life_and_with_the_relay_they_go() {
    let (mut sim, relays) = scene(7, 2, Faults::NONE);
    let first: BTreeSet<Vec<u8>> = sim.nodes[A].store.rows(Table::OwnPackage).map(|(key, _)| key.clone()).collect();
    assert_eq!((first.len(), fresh(&sim)), (2 * STOCKED, 2 * STOCKED));
    sim.run_for(31 * DAY);
    let kept = sim.nodes[A]
        .store
        .rows(Table::OwnPackage)
        .filter(|(key, row)| first.contains(*key) && read::<OwnPackageRow>(row).replaced.is_none());
    assert_eq!(kept.count(), 0);
    assert!(fresh(&sim) > STOCKED);
    let id = sim.relay(relays[1]).id();
    sim.command(A, Command::RelayRemove(id)).unwrap();
    sim.run_for(MINUTE);
    assert!(fresh(&sim) <= STOCKED, "those at the other relay");
    sim.set_apart(A, B, true);
    assert_eq!(fetch(&mut sim, B).map(|package| package.relays), Ok(1));
}

#[test]
fn what_lies_at_a_relay_stays_when_the_same_relay_is_named_again() {
    let (mut sim, _) = scene(8, 0, Faults::NONE);
    let (_, link) = sim.add_relay();
    sim.command(A, Command::RelayAdd { link: link.clone(), claim: None }).unwrap();
    sim.run_for(MINUTE);
    assert_eq!(fresh(&sim), STOCKED);
    let lying = |sim: &Sim| sim.nodes[A].store.rows(Table::OwnPackage).map(|(key, _)| key.clone()).collect::<BTreeSet<_>>();
    let before = lying(&sim);
    sim.crash(A, SECOND);
    sim.run_for(MINUTE);
    sim.command(A, Command::RelayAdd { link, claim: None }).unwrap();
    sim.run_for(HOUR);
    assert_eq!(lying(&sim), before, "no other packages were made");
}

#[test]
fn a30_on_a_bad_network_with_crashes_at_every_step_no_package_is_handed_out_twice_and_each_is_good_once() {
    for seed in 0..2 {
        let (mut sim, relays) = scene(100 + seed, 2, Faults { crash: 3, ..Faults::ROUGH });
        sim.set_apart(A, B, true);
        let (mut leaves, mut used) = (BTreeSet::new(), 0);
        for round in 0..24 {
            if round % 7 == 3 {
                sim.crash_relay(relays[round % 2]);
            }
            ask(&mut sim, B);
            sim.run_for(2 * MINUTE);
            for package in took(&mut sim, B).into_iter().flatten() {
                assert!(package.last_resort || leaves.insert(package.leaf), "seed {seed}: handed out twice");
                if sim.nodes[A].is_up() {
                    used += usize::from(enter_by(&mut sim, &package.leaf));
                    assert!(package.last_resort || !enter_by(&mut sim, &package.leaf), "seed {seed}: used twice");
                }
            }
            sim.run_for(15 * MINUTE);
        }
        assert!(leaves.len() > 8, "seed {seed}: {}", leaves.len());
        assert!(used > 8, "seed {seed}: {used}");
        sim.faults = Faults::NONE;
        sim.run_for(DAY);
        assert!(relays.iter().all(|relay| sim.relay(*relay).packages() > 4), "seed {seed}: enough is left in the end");
    }
}
