//! A common friend brings two together.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use symbolon_core::command::{Command, CommandError, FriendView, Reply, RequestKind, RequestStatus, RequestView, Trust, Who};
use symbolon_presence::id::RequestId;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

const ANDI: Ix = 0;
const TOM: Ix = 1;
const HOLGER: Ix = 2;

/// Andi, and two friends of his who do not know each other.
fn three(seed: u64, faults: Faults) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    for name in ["Andi", "Tom", "Holger"] {
        sim.add(name);
    }
    sim.befriend(ANDI, TOM);
    sim.befriend(ANDI, HOLGER);
    sim.run_for(MINUTE);
    sim.faults = faults;
    sim
}

fn who(sim: &Sim, ix: Ix) -> Who {
    Who(sim.nodes[ix].peer.to_string())
}

fn introduce(sim: &mut Sim) -> RequestId {
    let (asker, target) = (who(sim, TOM), who(sim, HOLGER));
    let Ok(Reply::Request(view)) = sim.command(ANDI, Command::Introduce { asker, target, note: Some("you two".into()) }) else { panic!() };
    assert_eq!((view.kind, view.status), (RequestKind::Introduction, RequestStatus::Pending));
    view.request
}

fn introductions(sim: &mut Sim, ix: Ix) -> Vec<RequestView> {
    let Ok(Reply::Requests(rows)) = sim.command(ix, Command::Requests) else { panic!() };
    rows.into_iter().filter(|row| row.kind == RequestKind::Introduction).collect()
}

fn friends(sim: &mut Sim, ix: Ix) -> Vec<FriendView> {
    let Ok(Reply::Friends(rows)) = sim.command(ix, Command::Friends) else { panic!() };
    rows
}

fn are_friends(sim: &mut Sim, a: Ix, b: Ix) -> bool {
    let (of_a, of_b) = (sim.nodes[a].peer, sim.nodes[b].peer);
    friends(sim, a).iter().any(|friend| friend.id == of_b && friend.mutual)
        && friends(sim, b).iter().any(|friend| friend.id == of_a && friend.mutual)
}

#[test]
fn two_who_both_agree_become_friends_and_know_by_whom() {
    for (seed, order) in [(1, [TOM, HOLGER]), (2, [HOLGER, TOM])] {
        let mut sim = three(seed, Faults::NONE);
        let id = introduce(&mut sim);
        sim.run_for(MINUTE);
        for ix in order {
            let rows = introductions(&mut sim, ix);
            assert_eq!((rows[0].request, rows[0].status, rows[0].note.as_deref()), (id, RequestStatus::Pending, Some("you two")));
            assert_eq!((rows[0].trust, rows[0].introduced_by.as_slice()), (Trust::Introduced, ["Andi".to_owned()].as_slice()));
            sim.command(ix, Command::Accept(id)).unwrap();
            sim.run_for(MINUTE);
        }
        assert!(sim.run_until(HOUR, |sim| are_friends(sim, TOM, HOLGER)), "seed {seed}");
        for (ix, other) in [(TOM, "Holger"), (HOLGER, "Tom")] {
            let friend = friends(&mut sim, ix).into_iter().find(|friend| friend.name == other).unwrap();
            assert_eq!((friend.trust, friend.introduced_by.as_slice()), (Trust::Introduced, ["Andi".to_owned()].as_slice()));
            assert_eq!(introductions(&mut sim, ix)[0].status, RequestStatus::Confirmed);
        }
        assert_eq!(introductions(&mut sim, ANDI)[0].status, RequestStatus::Confirmed);
        sim.say(TOM, HOLGER, "nice to meet you").unwrap();
        sim.run_for(MINUTE);
        assert!(sim.texts(HOLGER).contains(&"nice to meet you".to_owned()));
    }
}

#[test]
fn the_introducer_may_be_off_once_both_have_agreed() {
    let mut sim = three(3, Faults::NONE);
    let id = introduce(&mut sim);
    sim.run_for(MINUTE);
    sim.set_apart(TOM, HOLGER, true);
    for ix in [TOM, HOLGER] {
        sim.command(ix, Command::Accept(id)).unwrap();
    }
    sim.run_for(MINUTE);
    sim.crash(ANDI, 30 * DAY);
    sim.set_apart(TOM, HOLGER, false);
    assert!(sim.run_until(HOUR, |sim| are_friends(sim, TOM, HOLGER)));
}

#[test]
fn introductions_get_through_losses_and_crashes() {
    for seed in 0..12 {
        let mut sim = three(seed, Faults::ROUGH);
        let id = loop {
            let (asker, target) = (who(&sim, TOM), who(&sim, HOLGER));
            if let Ok(Reply::Request(view)) = sim.command(ANDI, Command::Introduce { asker, target, note: None }) {
                break view.request;
            }
            sim.run_for(MINUTE);
        };
        let done = sim.run_until(12 * HOUR, |sim| {
            for ix in [TOM, HOLGER] {
                let _ = sim.command(ix, Command::Accept(id));
            }
            sim.run_for(MINUTE);
            // To look crashes nobody.
            let faults = std::mem::replace(&mut sim.faults, Faults::NONE);
            let done = [TOM, HOLGER].iter().all(|ix| sim.nodes[*ix].is_up()) && are_friends(sim, TOM, HOLGER);
            sim.faults = faults;
            done
        });
        assert!(done, "seed {seed}");
    }
}

#[test]
fn a83_without_the_yes_of_both_nothing_is_sent_and_nobody_learns_of_the_no() {
    for silent in [TOM, HOLGER] {
        let mut sim = three(4, Faults::NONE);
        let id = introduce(&mut sim);
        sim.run_for(MINUTE);
        let other = if silent == TOM { HOLGER } else { TOM };
        sim.command(other, Command::Accept(id)).unwrap();
        sim.command(silent, Command::Ignore(id)).unwrap();
        sim.run_for(DAY);
        assert_eq!(introductions(&mut sim, ANDI)[0].status, RequestStatus::Pending, "no is silence");
        assert_eq!(introductions(&mut sim, other)[0].status, RequestStatus::Accepted);
        sim.run_for(14 * DAY);
        for ix in [ANDI, TOM, HOLGER] {
            assert_eq!(introductions(&mut sim, ix)[0].status, RequestStatus::Expired, "node {ix}");
        }
        assert!(!are_friends(&mut sim, TOM, HOLGER));
        assert_eq!(sim.command(silent, Command::Accept(id)).err(), Some(CommandError::WrongStatus));
    }
}

#[test]
fn a84_the_way_in_ends_with_the_introduction() {
    let mut sim = three(5, Faults::NONE);
    let id = introduce(&mut sim);
    sim.run_for(MINUTE);
    sim.command(HOLGER, Command::Accept(id)).unwrap();
    sim.run_for(MINUTE);
    // Tom agrees, and his request finds nobody until everything has expired.
    sim.crash(HOLGER, 20 * DAY);
    sim.command(TOM, Command::Accept(id)).unwrap();
    sim.run_for(25 * DAY);
    assert!(!are_friends(&mut sim, TOM, HOLGER));
    assert!(friends(&mut sim, HOLGER).iter().all(|friend| friend.name != "Tom"));
}

#[test]
fn somebody_blocked_does_not_come_back_by_an_introduction() {
    let mut sim = three(6, Faults::NONE);
    sim.befriend(TOM, HOLGER);
    let tom = who(&sim, TOM);
    sim.command(HOLGER, Command::Block(tom)).unwrap();
    let _ = introduce(&mut sim);
    sim.run_for(HOUR);
    assert!(introductions(&mut sim, HOLGER).is_empty(), "R8: not even asked");
}

#[test]
fn who_is_introduced_to_a_friend_is_asked_nothing_and_knows_one_more_who_vouches() {
    let mut sim = three(7, Faults::NONE);
    sim.befriend(TOM, HOLGER);
    let _ = introduce(&mut sim);
    sim.run_for(HOUR);
    for (ix, other) in [(TOM, "Holger"), (HOLGER, "Tom")] {
        assert_eq!(introductions(&mut sim, ix)[0].status, RequestStatus::Confirmed);
        let friend = friends(&mut sim, ix).into_iter().find(|friend| friend.name == other).unwrap();
        assert_eq!(friend.introduced_by, ["Andi"]);
    }
}

#[test]
fn only_friends_can_be_introduced_and_nobody_to_himself() {
    let mut sim = three(8, Faults::NONE);
    let (tom, nobody) = (who(&sim, TOM), Who("nobody".into()));
    let mut ask = |asker: &Who, target: &Who| {
        sim.command(ANDI, Command::Introduce { asker: asker.clone(), target: target.clone(), note: None }).err()
    };
    assert_eq!(ask(&tom, &tom), Some(CommandError::OwnIdentity));
    assert_eq!(ask(&tom, &nobody), Some(CommandError::NotFound));
    let long = Command::Introduce { asker: who(&sim, TOM), target: who(&sim, HOLGER), note: Some("n".repeat(513)) };
    assert_eq!(sim.command(ANDI, long).err(), Some(CommandError::BadNote));
}
