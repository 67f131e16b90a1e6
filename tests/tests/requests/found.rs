//! Requests to people of whom only the Peer ID is known.

use symbolon_core::command::{Command, Reply, RequestStatus, Trust};
use symbolon_core::contact::ContactRecord;
use symbolon_core::limits::{FINDS_MAX, REQUESTS_MAX};
use symbolon_core::seam::Input;
use symbolon_presence::id::PeerId;
use symbolon_presence::posted::{Item, contact_id};
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_tests::sim::run::nowhere;
use symbolon_tests::sim::{Faults, Sim};

fn findable(sim: &mut Sim, ix: usize, on: bool) {
    let Ok(Reply::Identity(view)) = sim.command(ix, Command::SetFindable(on)) else { panic!() };
    assert_eq!(view.findable, on);
}

/// Andi and Ben, and somewhere to look each other up.
fn two(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.lookup.is_there = true;
    sim.add("Andi");
    sim.add("Ben");
    sim
}

/// What Andi has published for anyone who knows the Peer ID.
fn posted(sim: &Sim, ix: usize) -> Option<Vec<u8>> {
    let id = contact_id(&sim.nodes[ix].peer);
    sim.lookup.stored().filter(|bytes| Item::read(bytes, sim.now).is_ok_and(|item| item.id == id)).last().cloned()
}

#[test]
fn an_unresolved_row_becomes_pending_once_its_person_is_findable_whatever_else_is_shown() {
    for seed in 0..20 {
        let mut sim = two(seed);
        let peer = sim.nodes[0].peer.to_string();
        let id = sim.ask(1, &peer).unwrap();
        sim.run_for(HOUR);
        assert_eq!(sim.status_of(1, id), RequestStatus::Unresolved);
        findable(&mut sim, 0, true);
        sim.faults = Faults { loss: 300, flip: 500, replay: 500, ..Faults::NONE };
        assert!(sim.run_until(DAY, |sim| sim.pending(0).is_some()), "seed {seed}");
        sim.faults = Faults::NONE;
        assert_eq!(sim.status_of(1, id), RequestStatus::Pending);
        assert_eq!(sim.request(1, id).trust, Trust::Unknown, "an id that was typed is no comparison");
        let incoming = sim.pending(0).unwrap();
        assert_eq!(sim.request(0, incoming).trust, Trust::Unknown);
        sim.accept(0, incoming).unwrap();
        sim.run_for(10 * MINUTE);
        assert!(sim.are_friends(0, 1), "seed {seed}");
        sim.check(true);
    }
}

#[test]
fn nobody_is_findable_who_did_not_say_so_and_who_takes_it_back_is_gone_within_two_days() {
    let mut sim = two(1);
    sim.run_for(HOUR);
    assert!(posted(&sim, 0).is_none());
    findable(&mut sim, 0, true);
    sim.run_for(MINUTE);
    assert!(posted(&sim, 0).is_some());
    findable(&mut sim, 0, false);
    sim.run_for(2 * DAY);
    let peer = sim.nodes[0].peer.to_string();
    let id = sim.ask(1, &peer).unwrap();
    sim.run_for(2 * HOUR);
    assert_eq!(sim.status_of(1, id), RequestStatus::Unresolved);
}

#[test]
fn a72_another_persons_record_under_the_id_is_nobodys() {
    let mut sim = two(2);
    let cleo = sim.add("Cleo");
    findable(&mut sim, cleo, true);
    sim.run_for(MINUTE);
    let id = sim.ask(1, &sim.nodes[0].peer.to_string()).unwrap();
    let bytes = posted(&sim, cleo).unwrap();
    let lookup = contact_id(&sim.nodes[0].peer);
    sim.input(1, Input::Found(lookup, bytes));
    sim.run_for(MINUTE);
    assert_eq!(sim.status_of(1, id), RequestStatus::Unresolved);
    assert!(sim.pending(cleo).is_none());
}

#[test]
fn two_who_ask_each_other_by_peer_id_become_friends_without_another_question() {
    for seed in 0..10 {
        let mut sim = two(seed);
        for ix in 0..2 {
            findable(&mut sim, ix, true);
        }
        sim.run_for(MINUTE);
        for (ix, other) in [(0, 1), (1, 0)] {
            let peer = sim.nodes[other].peer.to_string();
            sim.ask(ix, &peer).unwrap();
        }
        sim.run_for(HOUR);
        assert!(sim.are_friends(0, 1), "seed {seed}");
    }
}

#[test]
fn a_package_that_somebody_used_is_followed_by_a_fresh_one() {
    let mut sim = two(4);
    findable(&mut sim, 0, true);
    sim.run_for(MINUTE);
    let package = |sim: &Sim| {
        let contact = Item::read(&posted(sim, 0).unwrap(), sim.now).unwrap().contact.unwrap();
        let record: ContactRecord = symbolon_presence::codec::decode(&contact, 8 * 1024).unwrap();
        record.verify(sim.now).ok().unwrap().contacts[0].1.package.clone()
    };
    let before = package(&sim);
    sim.ask(1, &sim.nodes[0].peer.to_string()).unwrap();
    sim.run_for(7 * HOUR);
    assert!(sim.pending(0).is_some());
    assert_ne!(package(&sim), before);
}

#[test]
fn many_unresolved_requests_are_looked_for_a_few_at_a_time_and_each_in_its_turn() {
    let mut sim = two(5);
    for number in 0..REQUESTS_MAX {
        let mut id = [7; 32];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        sim.ask(1, &PeerId(id).to_string()).unwrap();
    }
    sim.input(1, Input::Servers(Vec::new(), 0));
    sim.run_for(MINUTE);
    let before = sim.lookup.resolved;
    sim.input(1, Input::Servers(vec![nowhere()], 0));
    sim.run_for(1_000);
    // With two of our own records that are read back.
    assert!(sim.lookup.resolved - before <= FINDS_MAX as u64 + 2, "{}", sim.lookup.resolved - before);
    findable(&mut sim, 0, true);
    assert!(sim.ask(1, &sim.nodes[0].peer.to_string()).is_err(), "there is room for so many requests");
}
