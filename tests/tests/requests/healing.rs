//! Connections heal: whatever step is lost, cut or struck by a crash.

use super::{Pair, talk};
use symbolon_core::command::RequestStatus;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_tests::sim::{Faults, Sim};

#[test]
fn r14_a_link_cut_at_any_moment_of_the_connection_heals() {
    for moment in 0..80 {
        let mut sim = Sim::new(moment, Faults { latency: 5, ..Faults::NONE });
        let (a, b) = (sim.add("Andi"), sim.add("Ben"));
        let link = sim.invite(a);
        sim.ask(b, &link).unwrap();
        let mut accepted = false;
        for step in 0..60 {
            if step == moment % 60 {
                sim.set_apart(a, b, true);
                sim.run_for(3);
                sim.set_apart(a, b, false);
            }
            sim.run_for(1);
            if !accepted && let Some(id) = sim.pending(a) {
                accepted = sim.accept(a, id).is_ok();
            }
        }
        sim.run_for(HOUR);
        if !accepted {
            let id = sim.pending(a).unwrap();
            sim.accept(a, id).unwrap();
            sim.run_for(HOUR);
        }
        talk(&mut sim, a, b);
    }
}

#[test]
fn r14_a_crash_of_either_side_at_any_moment_of_the_connection_heals() {
    for moment in 0..60 {
        for victim in 0..2 {
            let mut sim = Sim::new(moment, Faults { latency: 5, ..Faults::NONE });
            let (a, b) = (sim.add("Andi"), sim.add("Ben"));
            let link = sim.invite(a);
            sim.ask(b, &link).unwrap();
            let mut accepted = false;
            for step in 0..60 {
                if step == moment {
                    sim.crash([a, b][victim], 20);
                }
                sim.run_for(1);
                if !accepted
                    && sim.nodes[a].is_up()
                    && let Some(id) = sim.pending(a)
                {
                    accepted = sim.accept(a, id).is_ok();
                }
            }
            sim.run_for(HOUR);
            if !accepted {
                let id = sim.pending(a).unwrap();
                sim.accept(a, id).unwrap();
                sim.run_for(HOUR);
            }
            talk(&mut sim, a, b);
        }
    }
}

#[test]
fn r14_a_lost_accept_and_a_lost_confirm_are_sent_until_they_arrive() {
    for days in [1, 7, 29] {
        let mut pair = Pair::accepted_apart(days);
        pair.sim.run_for((days - 1) * DAY);
        pair.sim.restart(pair.a);
        pair.meet();
        let peer = pair.sim.nodes[pair.a].peer;
        assert!(pair.sim.run_until(HOUR, |sim| sim.is_friend(pair.b, &peer)), "the Accept arrives");
        // The Confirm is cut off.
        pair.sim.set_apart(pair.a, pair.b, true);
        pair.sim.restart(pair.b);
        pair.sim.run_for(HOUR);
        pair.meet();
        pair.sim.run_for(HOUR);
        pair.are_friends_and_talk();
        assert_eq!(pair.sim.status_of(pair.a, pair.incoming), RequestStatus::Confirmed);
        assert_eq!(pair.sim.status_of(pair.b, pair.outgoing), RequestStatus::Confirmed);
    }
}

#[test]
fn a_connection_completes_on_a_rough_network_with_crashes() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed, Faults::NONE);
        let (a, b) = (sim.add("Andi"), sim.add("Ben"));
        let link = sim.invite(a);
        sim.faults = Faults { crash: 30, ..Faults::ROUGH };
        while sim.ask(b, &link).is_err() {
            sim.run_for(MINUTE);
        }
        for _ in 0..60 {
            sim.run_for(MINUTE);
            let faults = std::mem::replace(&mut sim.faults, Faults::NONE);
            let waiting = sim.nodes[a].is_up().then(|| sim.pending(a)).flatten();
            sim.faults = faults;
            if let Some(id) = waiting {
                let _ = sim.accept(a, id);
            }
        }
        sim.faults = Faults::NONE;
        sim.run_for(2 * HOUR);
        talk(&mut sim, a, b);
    }
}
