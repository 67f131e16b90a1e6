//! Crossed requests: both ask before either was answered. They settle on one room.

use super::talk;
use symbolon_core::command::{Command, CommandError, Direction, RequestStatus, Who};
use symbolon_presence::time::{HOUR, MINUTE};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

/// Two nodes, the one that comes first in the order of crossed requests first.
fn ordered(seed: u64, faults: Faults) -> (Sim, Ix, Ix) {
    let mut sim = Sim::new(seed, faults);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    if sim.nodes[a].peer < sim.nodes[b].peer { (sim, a, b) } else { (sim, b, a) }
}

fn settled(sim: &mut Sim, a: Ix, b: Ix) {
    talk(sim, a, b);
    for node in [a, b] {
        for row in sim.requests(node) {
            assert!(row.status == RequestStatus::Confirmed, "no row is left over: {:?} {:?}", row.direction, row.status);
        }
    }
}

#[test]
fn requests_that_cross_on_the_way_settle_without_asking_anybody() {
    for seed in 0..12 {
        let (mut sim, a, b) = ordered(seed, Faults { latency: 2_000, ..Faults::NONE });
        let (of_a, of_b) = (sim.invite(a), sim.invite(b));
        sim.ask(a, &of_b).unwrap();
        sim.ask(b, &of_a).unwrap();
        sim.run_for(HOUR);
        settled(&mut sim, a, b);
    }
}

#[test]
fn requests_cross_and_settle_on_a_rough_network_with_crashes() {
    for seed in 0..20 {
        let (mut sim, a, b) = ordered(seed, Faults::NONE);
        let (of_a, of_b) = (sim.invite(a), sim.invite(b));
        sim.faults = Faults::ROUGH;
        for (node, link) in [(a, of_b), (b, of_a)] {
            while !matches!(sim.ask(node, &link), Ok(_) | Err(CommandError::AlreadyFriends)) {
                sim.run_for(10_000);
            }
        }
        sim.run_for(HOUR);
        sim.faults = Faults::NONE;
        sim.run_for(2 * HOUR);
        talk(&mut sim, a, b);
    }
}

#[test]
fn the_first_in_order_waits_for_the_other_whose_user_has_asked_already() {
    let (mut sim, a, b) = ordered(1, Faults::NONE);
    let (of_a, of_b) = (sim.invite(a), sim.invite(b));
    sim.spread(&of_a);
    sim.spread(&of_b);
    sim.set_apart(a, b, true);
    let by_a = sim.ask(a, &of_b).unwrap();
    let by_b = sim.ask(b, &of_a).unwrap();
    sim.run_for(MINUTE);
    sim.set_apart(a, b, false);
    sim.run_for(HOUR);
    settled(&mut sim, a, b);
    let _ = (by_a, by_b);
}

#[test]
fn accepting_the_crossed_request_by_hand_settles_on_one_room_too() {
    // No matter who accepts, and when: before the other's Offer is there, or just behind.
    let mut by_hand = 0;
    for seed in 0..30 {
        let (mut sim, a, b) = ordered(seed, Faults { latency: 500, ..Faults::NONE });
        let (of_a, of_b) = (sim.invite(a), sim.invite(b));
        sim.spread(&of_a);
        sim.spread(&of_b);
        sim.set_apart(a, b, true);
        sim.ask(a, &of_b).unwrap();
        sim.ask(b, &of_a).unwrap();
        sim.run_for(MINUTE);
        sim.set_apart(a, b, false);
        // The users accept what they see as soon as they see it.
        let mut accepted = 0;
        sim.run_until(HOUR, |sim| {
            for node in [a, b] {
                let waiting =
                    sim.requests(node).into_iter().find(|row| row.direction == Direction::In && row.status == RequestStatus::Pending);
                if let Some(row) = waiting {
                    sim.accept(node, row.request).unwrap();
                    accepted += 1;
                }
            }
            sim.are_friends(a, b)
        });
        by_hand += accepted;
        // They write at once, while the last steps are under way.
        for round in 0..5 {
            sim.say(a, b, &format!("a {round}"));
            sim.say(b, a, &format!("b {round}"));
            sim.run_for(200);
        }
        sim.run_for(HOUR);
        talk(&mut sim, a, b);
    }
    assert!(by_hand > 0, "somebody accepted by hand");
}

#[test]
fn when_the_first_in_orders_invite_fails_the_others_request_can_be_accepted() {
    let (mut sim, a, b) = ordered(1, Faults::NONE);
    let carl = sim.add("Carl");
    let (of_a, of_b) = (sim.invite(a), sim.invite(b));
    sim.spread(&of_b);
    sim.ask(carl, &of_b).unwrap();
    sim.run_for(MINUTE);
    // `b`'s invite is used up by Carl: `a`'s Offer is refused, `b`'s goes through.
    let by_a = sim.ask(a, &of_b).unwrap();
    sim.run_for(MINUTE);
    assert_eq!(sim.status_of(a, by_a), RequestStatus::Expired);
    sim.ask(b, &of_a).unwrap();
    sim.run_for(MINUTE);
    let id = sim.pending(a).unwrap();
    sim.accept(a, id).unwrap();
    sim.run_for(MINUTE);
    talk(&mut sim, a, b);
}

#[test]
fn an_acceptance_that_was_taken_back_does_not_stand_in_the_way_of_a_later_request() {
    for seed in 0..6 {
        let (mut sim, a, b) = ordered(seed, Faults::NONE);
        // `a` asks and `b` accepts, but takes it back before the Accept has left.
        let of_b = sim.invite(b);
        sim.ask(a, &of_b).unwrap();
        sim.run_for(MINUTE);
        sim.set_apart(a, b, true);
        let id = sim.pending(b).unwrap();
        sim.accept(b, id).unwrap();
        let who = Who(sim.nodes[a].peer.to_string());
        sim.command(b, Command::Unfriend(who)).unwrap();
        // Now `b` asks, and `a` accepts.
        let of_a = sim.invite(a);
        sim.ask(b, &of_a).unwrap();
        sim.run_for(MINUTE);
        sim.set_apart(a, b, false);
        sim.run_for(HOUR);
        if let Some(id) = sim.pending(a) {
            sim.accept(a, id).unwrap();
            sim.run_for(HOUR);
        }
        talk(&mut sim, a, b);
    }
}
