//! Somebody is added twice, by members who have not heard of each other, and from epochs of different numbers.

use super::*;

/// Ana adds Dea, and the room continues by so many commits before and after; Cem, who has heard nothing, adds her as well.
fn added_twice(seed: u64, (before, after): (usize, usize)) -> (Sim, Ix) {
    let mut sim = crew(seed, &["Ana", "Ben", "Cem"]);
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Cem"), role: RoomRole::Admin }));
    let dea = sim.add("Dea");
    sim.befriend(ANA, dea);
    sim.befriend(CEM, dea);
    sim.run_for(HOUR);
    cut(&mut sim, &[ANA, BEN], &[CEM], true);
    let go_on = |sim: &mut Sim, count: usize| {
        for _ in 0..count {
            sim.hurry_commits(BEN);
            sim.run_for(MINUTE);
        }
    };
    go_on(&mut sim, before);
    sim.set_apart(CEM, dea, true);
    add(&mut sim, ANA, "The crew", &["Dea"]);
    sim.run_for(MINUTE);
    assert_eq!(members(&mut sim, dea, "The crew").len(), 4, "seed {seed}");
    go_on(&mut sim, after);
    sim.set_apart(CEM, dea, false);
    add(&mut sim, CEM, "The crew", &["Dea"]);
    sim.run_for(10 * MINUTE);
    assert_eq!(members(&mut sim, CEM, "The crew").len(), 4, "seed {seed}");
    cut(&mut sim, &[ANA, BEN], &[CEM], false);
    (sim, dea)
}

#[test]
fn who_is_added_twice_from_epochs_of_different_numbers_is_in_where_the_shorter_branch_stands() {
    for seed in [60, 61] {
        let (mut sim, dea) = added_twice(seed, (2, 2));
        sim.run_for(2 * HOUR);
        assert_agree(&mut sim, &[ANA, BEN, CEM, dea], "The crew");
        say(&mut sim, dea, "The crew", "here");
        sim.run_for(HOUR);
        for ix in [ANA, BEN, CEM] {
            assert_eq!(texts(&mut sim, ix, "The crew"), ["here"], "seed {seed}: of {ix}");
        }
    }
}

#[test]
fn who_followed_a_late_welcome_into_the_branch_that_gave_way_is_in_once_they_are_added_again() {
    let (mut sim, dea) = added_twice(62, (2, 2));
    sim.run_for(2 * HOUR);
    assert_agree(&mut sim, &[ANA, BEN, CEM], "The crew");
    // What the pages say of it: she is apart from the others, who count her in.
    assert_ne!(rooms(&mut sim, dea)[0].epoch, rooms(&mut sim, ANA)[0].epoch);
    room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Dea")] }));
    sim.run_for(10 * MINUTE);
    add(&mut sim, ANA, "The crew", &["Dea"]);
    sim.run_for(HOUR);
    assert_agree(&mut sim, &[ANA, BEN, CEM, dea], "The crew");
    say(&mut sim, dea, "The crew", "here");
    sim.run_for(HOUR);
    for ix in [ANA, BEN, CEM] {
        assert_eq!(texts(&mut sim, ix, "The crew"), ["here"], "of {ix}");
    }
}
