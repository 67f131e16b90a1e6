//! A copy that runs beside the original.

use super::*;
use symbolon_core::command::OwnDevicesView;

#[test]
fn a107_a_copy_that_runs_elsewhere_is_said_by_both_and_one_goes_on() {
    let mut sim = pair(13);
    talk(&mut sim, A, B, 3);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 2);
    let rival = sim.run_copy(&copy);
    sim.run_for(15 * SECOND);
    let both = [A, rival].map(|ix| is_told(&mut sim, ix, "Another copy of this folder runs"));
    assert!(both[0], "the original says so: {:?}", status(&mut sim, A).problems);
    // The copy is taken away again; the user lets the original continue.
    sim.nodes[rival].kill();
    sim.crash(rival, 400 * DAY);
    sim.run_for(5 * SECOND);
    assert!(sim.say(A, B, "waits").is_some());
    assert!(matches!(sim.command(A, Command::DeviceConfirm), Ok(Reply::Confirmed(true))));
    sim.run_for(MINUTE);
    is_whole(&mut sim, A, B);
}

/// Andi and Ben with a relay each, where their devices find each other.
fn at_relays(seed: u64) -> Sim {
    let mut sim = pair(seed);
    sim.lookup.is_there = true;
    for ix in [A, B] {
        let (_, link) = sim.add_relay();
        assert!(sim.command(ix, Command::RelayAdd { link, claim: None }).is_ok());
    }
    sim.run_for(MINUTE);
    sim
}

fn devices(sim: &mut Sim, ix: Ix) -> Vec<OwnDeviceView> {
    match sim.command(ix, Command::Devices) {
        Ok(Reply::Devices(OwnDevicesView { devices, .. })) => devices,
        other => panic!("{:?}", other.err()),
    }
}

/// What is said to Ben, wherever it is said.
fn to_ben(sim: &mut Sim, from: Ix, text: &str) -> MessageId {
    let who = Who("Ben".into());
    let Ok(Reply::Message(view)) = sim.command(from, Command::Send { to: who, text: text.into(), lifetime: None }) else {
        panic!("{text}")
    };
    view.message
}

#[test]
fn a107_of_two_copies_the_later_one_becomes_a_device_of_its_own_and_both_go_on() {
    both_go_on(14, false);
}

#[test]
fn a107_of_a_folder_that_was_copied_while_it_was_in_use_the_copy_becomes_a_device_of_its_own() {
    both_go_on(15, true);
}

fn both_go_on(seed: u64, while_it_runs: bool) {
    let mut sim = at_relays(seed);
    let before = [talk(&mut sim, A, B, 3), talk(&mut sim, B, A, 3)].concat();
    if !while_it_runs {
        sim.stop(A, SECOND);
    }
    let copy = sim.copy(A);
    sim.run_for(10 * SECOND);
    let newer = talk(&mut sim, A, B, 2);
    let person = sim.nodes[A].peer;
    let original = devices(&mut sim, A)[0].clone();
    let rival = sim.run_copy(&copy);
    // Written in the copy before anybody knows of it, and while it has stopped.
    let early = to_ben(&mut sim, rival, "written in the copy");
    sim.run_for(15 * SECOND);
    assert!(
        is_told(&mut sim, rival, if while_it_runs { "This one has stopped:" } else { "This one has stopped for a minute" }),
        "{:?}",
        status(&mut sim, rival).problems
    );
    let waits = to_ben(&mut sim, rival, "waits in the copy");
    sim.run_for(150 * SECOND);
    // Each is heard beside the other one.
    let late = to_ben(&mut sim, A, "the original speaks");
    sim.run_for(7 * MINUTE);

    // Each says it in one sentence, and neither has stopped.
    assert!(!is_told(&mut sim, A, "has stopped"), "{:?}", status(&mut sim, A).problems);
    assert!(
        is_told(&mut sim, rival, "this one is a new device of yours since then, called \"copy\""),
        "{:?}",
        status(&mut sim, rival).problems
    );
    assert_eq!((warned(&sim, rival, Warning::CopyMoves), warned(&sim, A, Warning::CopyMoves)), (1, 0));
    assert_eq!((warned(&sim, A, Warning::OwnDeviceCame), warned(&sim, B, Warning::FriendDevice)), (1, 1));
    // The original is the device that it was; the copy has keys and a serial of its own.
    for ix in [A, rival] {
        let all = devices(&mut sim, ix);
        assert_eq!(all.len(), 2, "they know each other");
        assert!(all[0].device == original.device && all[0].serial == original.serial && all[0].this == (ix == A));
        assert!(all[1].serial > original.serial + (1 << 40) && all[1].words != original.words);
    }
    assert!(sim.nodes[A].peer == person && sim.nodes[rival].peer != person);
    // Nothing is lost at either, and nothing is there twice.
    for text in [early, waits] {
        assert!(sim.run_until(HOUR, |sim| is_delivered(sim, rival, text)), "{:?}", status(&mut sim, rival).problems);
    }
    let (by_original, here) = (to_ben(&mut sim, A, "by the original"), to_ben(&mut sim, rival, "by the copy"));
    let back = talk(&mut sim, B, A, 1);
    let all: Vec<MessageId> = [before, newer, vec![late, early, waits, by_original, here], back].concat();
    let have_all =
        |sim: &mut Sim| [A, B, rival].iter().all(|ix| texts(sim, *ix).iter().collect::<BTreeSet<_>>().is_superset(&all.iter().collect()));
    let done = sim.run_until(2 * HOUR, have_all);
    for ix in [A, B, rival] {
        let there = texts(&mut sim, ix);
        let lacks: Vec<usize> = (0..all.len()).filter(|n| !there.contains(&all[*n])).collect();
        assert!(done, "of {} texts {ix} lacks {lacks:?}", all.len());
    }
    no_nonce_twice(&sim);
    // Seen: the sentence does not come back, and what has moved is no copy any more.
    assert!(sim.command(rival, Command::DeviceConfirm).is_ok());
    for ix in [A, rival] {
        sim.crash(ix, SECOND);
    }
    sim.run_for(HOUR);
    for ix in [A, rival] {
        assert!(!is_told(&mut sim, ix, "copy of this folder"), "{:?}", status(&mut sim, ix).problems);
    }
}

#[test]
fn a107_a_copy_that_has_become_a_device_comes_into_the_rooms_of_the_original_by_a_leaf_of_its_own() {
    let mut sim = at_relays(16);
    let crew = || Who("Crew".into());
    assert!(sim.command(B, Command::RoomCreate("Crew".into())).is_ok());
    assert!(sim.command(B, Command::RoomAdd { room: crew(), who: vec![Who("Andi".into())] }).is_ok());
    let standing = |sim: &mut Sim, ix| match sim.command(ix, Command::Rooms) {
        Ok(Reply::Rooms(rooms)) => rooms.into_iter().find(|room| room.name == "Crew").map(|room| room.standing),
        other => panic!("{:?}", other.err()),
    };
    assert!(sim.run_until(HOUR, |sim| standing(sim, A) == Some(RoomStanding::Member)));
    let in_room = |sim: &mut Sim, ix, text: &str| match sim.command(ix, Command::Send { to: crew(), text: text.into(), lifetime: None }) {
        Ok(Reply::Message(view)) => view.message,
        other => panic!("{text} {:?}", other.err()),
    };
    let first = in_room(&mut sim, B, "before");
    sim.run_for(MINUTE);
    sim.stop(A, SECOND);
    let copy = sim.copy(A);
    sim.run_for(10 * SECOND);
    let rival = sim.run_copy(&copy);
    sim.run_for(10 * MINUTE);
    assert_eq!(devices(&mut sim, rival).len(), 2);
    assert!(sim.run_until(HOUR, |sim| standing(sim, rival) == Some(RoomStanding::Member)), "the original brings it in");
    let all = [first, in_room(&mut sim, A, "original"), in_room(&mut sim, rival, "copy"), in_room(&mut sim, B, "friend")];
    let have_all = |sim: &mut Sim| [A, B, rival].iter().all(|ix| all.iter().all(|text| texts(sim, *ix).contains(text)));
    assert!(sim.run_until(HOUR, have_all), "every device has every text of the room");
}

#[test]
fn a107_copies_that_run_side_by_side_are_noticed_each_time() {
    let mut sim = pair(40);
    talk(&mut sim, A, B, 2);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 1);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(5 * MINUTE);
    is_whole(&mut sim, A, B);
    let copy = sim.copy(A);
    let first = sim.run_copy(&copy);
    sim.run_for(30 * SECOND);
    assert!(is_told(&mut sim, A, "Another copy of this folder runs"));
    // The original is taken away, and the copy continues.
    sim.crash(A, 4 * HOUR);
    sim.command(first, Command::DeviceConfirm).map(|_| ()).unwrap();
    sim.run_for(10 * MINUTE);
    is_whole(&mut sim, first, B);
    let copy = sim.copy(first);
    let second = sim.run_copy(&copy);
    sim.run_for(5 * MINUTE);
    let halts = [first, second].map(|ix| warned(&sim, ix, Warning::SecondCopy));
    assert!(halts[0] >= 2 && halts[1] >= 1, "{halts:?}");
    no_nonce_twice(&sim);
}

#[test]
fn a107_who_goes_on_is_given_what_lies_at_the_relay_though_another_copy_has_spoken_to_it_meanwhile() {
    let mut sim = apart(41);
    talk(&mut sim, A, B, 2);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 1);
    let first = sim.run_copy(&copy);
    sim.set_apart(first, B, true);
    sim.run_for(30 * SECOND);
    sim.stop(first, 400 * DAY);
    assert!(matches!(sim.command(A, Command::DeviceConfirm), Ok(Reply::Confirmed(_))));
    // It is started once more, in the time in which the original looks at no such start, and not for long.
    let second = sim.run_copy(&copy);
    sim.set_apart(second, B, true);
    sim.run_for(3 * SECOND);
    sim.stop(second, 400 * DAY);
    sim.run_for(MINUTE);
    let said = talk(&mut sim, B, A, 2);
    arrive(&mut sim, B, A, &said);
}
