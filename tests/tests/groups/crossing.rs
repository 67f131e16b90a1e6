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

/// Whether she is in where the others are; it is drawn by lot which branch stands, so many seeds are tried until one leads there.
fn first_where(is_in: bool) -> (Sim, Ix) {
    for seed in 60..76 {
        let (mut sim, dea) = added_twice(seed, (2, 2));
        sim.run_for(2 * HOUR);
        assert_agree(&mut sim, &[ANA, BEN, CEM], "The crew");
        if (rooms(&mut sim, dea)[0].epoch == rooms(&mut sim, ANA)[0].epoch) == is_in {
            return (sim, dea);
        }
    }
    panic!("no seed leads there");
}

fn assert_all_hear(sim: &mut Sim, dea: Ix) {
    assert_agree(sim, &[ANA, BEN, CEM, dea], "The crew");
    say(sim, dea, "The crew", "here");
    sim.run_for(HOUR);
    for ix in [ANA, BEN, CEM] {
        assert_eq!(texts(sim, ix, "The crew"), ["here"], "of {ix}");
    }
}

#[test]
fn who_is_added_twice_from_epochs_of_different_numbers_is_in_where_the_shorter_branch_stands() {
    let (mut sim, dea) = first_where(true);
    assert_all_hear(&mut sim, dea);
}

#[test]
fn who_followed_a_late_welcome_into_the_branch_that_gave_way_is_in_once_they_are_added_again() {
    // What the pages say of it: she is apart from the others, who count her in.
    let (mut sim, dea) = first_where(false);
    room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Dea")] }));
    sim.run_for(10 * MINUTE);
    add(&mut sim, ANA, "The crew", &["Dea"]);
    sim.run_for(HOUR);
    assert_all_hear(&mut sim, dea);
}

/// Ben and Cem add Dea at once. She hears of Cem first, and writes to Ana, who is no friend of hers, by Ana's relay. Then she
/// hears of Ben, whose commit stands, and what she writes now lies at that relay before Ana has heard of that commit. None where
/// Cem's stands.
fn follows_the_second(seed: u64) -> Option<(Sim, Ix)> {
    let mut sim = crew(seed, &["Ana", "Ben", "Cem"]);
    let (relay, link) = sim.add_relay();
    assert!(sim.command(ANA, Command::RelayAdd { link, claim: None }).is_ok());
    for who in ["Ben", "Cem"] {
        room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name(who), role: RoomRole::Admin }));
    }
    let dea = sim.add("Dea");
    sim.befriend(BEN, dea);
    sim.befriend(CEM, dea);
    sim.run_for(HOUR);
    cut(&mut sim, &[BEN, dea], &[ANA, CEM], true);
    sim.set_gone(relay, true);
    add(&mut sim, BEN, "The crew", &["Dea"]);
    assert!(sim.run_until(MINUTE, |sim| members(sim, BEN, "The crew").len() == 4));
    // His Welcome is lost on the way, and nobody has his commit.
    sim.crash(dea, SECOND);
    sim.stop(BEN, HOUR);
    sim.set_gone(relay, false);
    sim.set_apart(CEM, dea, false);
    add(&mut sim, CEM, "The crew", &["Dea"]);
    sim.run_for(10 * MINUTE);
    assert_agree(&mut sim, &[ANA, CEM, dea], "The crew");
    say(&mut sim, dea, "The crew", "one");
    sim.run_for(45 * MINUTE);
    assert_eq!(texts(&mut sim, ANA, "The crew"), ["one"], "seed {seed}");
    sim.set_apart(CEM, dea, true);
    sim.set_gone(relay, true);
    let is_added = |sim: &mut Sim| lines(sim, dea, "The crew").iter().any(|line| line.starts_with("Ben added"));
    if !sim.run_until(15 * MINUTE, is_added) {
        return None;
    }
    // Ben carries nothing of it.
    sim.stop(BEN, HOUR);
    sim.set_gone(relay, false);
    say(&mut sim, dea, "The crew", "two");
    sim.run_for(30 * MINUTE);
    sim.set_apart(BEN, dea, true);
    Some((sim, dea))
}

#[test]
fn what_was_said_in_an_epoch_that_a_member_comes_to_later_is_read_then_also_where_it_has_the_place_of_what_was_said_before() {
    let mut stood = 0;
    for seed in 70..76 {
        let Some((mut sim, dea)) = follows_the_second(seed) else { continue };
        stood += 1;
        cut(&mut sim, &[BEN], &[ANA, CEM], false);
        sim.run_for(40 * MINUTE);
        assert_agree(&mut sim, &[ANA, BEN, dea], "The crew");
        assert_eq!(texts(&mut sim, ANA, "The crew"), ["one", "two"], "seed {seed}");
    }
    assert!(stood > 0, "no seed leads there");
}

/// Branches that have gone apart for too long do not become one again; whom they part are on good links all the same.
#[test]
fn those_who_stay_in_different_branches_keep_their_links_and_hear_each_other_as_friends() {
    let mut sim = crew(84, &["Ana", "Ben", "Cem", "Dea"]);
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Cem"), role: RoomRole::Admin }));
    sim.run_for(MINUTE);
    cut(&mut sim, &[ANA, BEN], &[CEM, DEA], true);
    room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Dea")] }));
    for number in 0..18 {
        for ix in [ANA, CEM] {
            room(sim.command(ix, Command::RoomTopic { room: name("The crew"), topic: format!("{number} of {ix}") }));
        }
        sim.run_for(MINUTE);
    }
    sim.run_for(8 * DAY);
    cut(&mut sim, &[ANA, BEN], &[CEM, DEA], false);
    for ix in [ANA, BEN, CEM, DEA] {
        say(&mut sim, ix, "The crew", &format!("from {ix}"));
    }
    sim.run_for(HOUR);
    let topics: Vec<String> = [ANA, BEN, CEM, DEA].map(|ix| rooms(&mut sim, ix)[0].topic.clone()).to_vec();
    assert_eq!(topics, ["17 of 0", "17 of 0", "17 of 2", "17 of 2"], "they are one again");
    let before = sim.links_opened();
    let text = sim.say(ANA, CEM, "as a friend").unwrap();
    sim.run_for(HOUR);
    assert!(sim.links_opened() - before < 10, "{} links in an hour", sim.links_opened() - before);
    assert_eq!(sim.message(ANA, text).state, MessageState::Delivered);
}
