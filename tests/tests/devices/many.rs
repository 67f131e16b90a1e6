//! A person with four devices.

use super::rooms::{come_in, create};
use super::*;

/// Twenty were told when it was written.
const SEEDS: std::ops::Range<u64> = 91..93;

/// Both are on a rough network, and some die behind their texts.
fn tell(seed: u64) {
    let mut sim = friends(seed);
    let mut hers = vec![ANA];
    for name in ["Laptop", "Tablet", "Server"] {
        hers.push(further(&mut sim, ANA, name));
    }
    sim.run_for(10 * MINUTE);
    create(&mut sim, BEN, "Ana");
    come_in(&mut sim, &hers);
    let all: Vec<Ix> = hers.iter().copied().chain([BEN]).collect();
    sim.faults = Faults::ROUGH;
    let mut said = Vec::new();
    for n in 0..30 {
        let from = all[n % all.len()];
        let text = format!("{from} says {n}");
        let to = match (n % 2, from) {
            (0, _) => "Crew",
            (_, BEN) => "Ana",
            (_, _) => "Ben",
        };
        // A crash may come behind the commit: then it was said.
        let is_said = |sim: &mut Sim| match sim.command(from, Command::Read { who: None, since: None, limit: None, peek: true }) {
            Ok(Reply::Messages(views)) => views.iter().any(|view| view.text == text),
            Ok(_) | Err(_) => false,
        };
        let send = || Command::Send { to: Who(to.into()), text: text.clone(), lifetime: None };
        while sim.command(from, send()).is_err() && !sim.run_until(SECOND, is_said) {}
        if n % 7 == 3 {
            sim.crash(all[n % 3], SECOND);
        }
        said.push(text);
        sim.run_for(5 * SECOND);
    }
    sim.run_for(HOUR);
    sim.faults = Faults::NONE;
    // Who has just crashed is up again.
    sim.run_for(MINUTE);
    all_have(&mut sim, &all, &said.iter().map(String::as_str).collect::<Vec<_>>());
    for ix in all {
        let names: Vec<String> = friend_views(&mut sim, ix).into_iter().map(|view| view.name).collect();
        assert_eq!(names, [if ix == BEN { "Ana" } else { "Ben" }], "one friend at {ix}");
    }
}

#[test]
fn a_person_with_four_devices_and_a_friend_have_every_text_of_both_and_of_a_room_once_however_the_network_is() {
    for seed in SEEDS {
        tell(seed);
    }
}
