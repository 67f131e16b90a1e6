//! Further devices of one person that ask each other for a friendship at the same time.

use super::*;
use symbolon_core::command::RequestStatus;

#[test]
fn s4_31_two_further_devices_that_ask_each_other_at_once_come_to_know_each_other() {
    for seed in 70..78 {
        let mut sim = friends(seed);
        let laptop = further(&mut sim, ANA, "Laptop");
        let tablet = further(&mut sim, ANA, "Tablet");
        let know = |sim: &mut Sim| [ANA, laptop, tablet].iter().all(|ix| others(sim, *ix) == 2);
        assert!(sim.run_until(10 * MINUTE, know), "seed {seed}");
        sim.run_for(MINUTE);
        for ix in [ANA, laptop, tablet] {
            let Ok(Reply::Requests(requests)) = sim.command(ix, Command::Requests) else { panic!("no requests") };
            assert!(requests.iter().all(|view| view.peer == sim.nodes[BEN].peer), "nobody is asked about own devices");
        }
    }
}

#[test]
fn s0_34_a_request_that_no_device_answers_changes_nothing_and_ends_and_two_devices_that_accept_make_one_friendship() {
    let mut sim = friends(31);
    let laptop = further(&mut sim, ANA, "Laptop");
    let cem = sim.add("Cem");
    give_relay(&mut sim, cem);
    sim.run_for(HOUR);
    let all = [ANA, laptop, BEN, cem];
    let known = |sim: &mut Sim| all.map(|ix| friend_views(sim, ix).into_iter().map(|view| (view.id, view.mutual)).collect::<Vec<_>>());
    let before = known(&mut sim);
    assert!(before[3].is_empty());
    let ask = |sim: &mut Sim| {
        [ANA, laptop].map(|ix| {
            let link = sim.invite(ix);
            let asked = sim.ask(cem, &link).unwrap();
            assert!(sim.run_until(HOUR, |sim| sim.pending(ix).is_some()));
            (asked, sim.pending(ix).unwrap())
        })
    };
    let rows = ask(&mut sim);
    for ix in [ANA, BEN, cem] {
        sim.stop(ix, 31 * DAY);
    }
    sim.run_for(31 * DAY + HOUR);
    assert!(known(&mut sim) == before, "nobody has a friend more, and nobody one less");
    for (ix, (asked, row)) in [ANA, laptop].into_iter().zip(rows) {
        assert_eq!([sim.status_of(cem, asked), sim.status_of(ix, row)], [RequestStatus::Expired; 2]);
        assert_eq!(sim.accept(ix, row), Err(CommandError::WrongStatus));
    }
    assert!(sim.say(cem, ANA, "are you there?").is_none());
    // Asked again, one accepts, and the other one as well, later or never.
    let rows = ask(&mut sim);
    for (ix, (_, row)) in [ANA, laptop].into_iter().zip(rows) {
        for _ in 0..2 {
            let _ = sim.accept(ix, row);
        }
        sim.run_for(HOUR);
    }
    for ix in [ANA, laptop, cem] {
        let there: Vec<bool> = friend_views(&mut sim, ix).into_iter().filter(|view| view.name != "Ben").map(|view| view.mutual).collect();
        assert_eq!(there, [true], "{ix}");
    }
    say(&mut sim, cem, "Ana", "at last");
    say(&mut sim, laptop, "Cem", "welcome");
    all_have(&mut sim, &[ANA, laptop, cem], &["at last", "welcome"]);
}
