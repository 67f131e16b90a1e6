//! A copy that runs beside the original.

use super::*;

#[test]
fn a107_a_copy_that_runs_elsewhere_is_said_by_both_and_one_goes_on() {
    let mut sim = pair(13);
    talk(&mut sim, A, B, 3);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 2);
    let rival = sim.run_copy(&copy);
    sim.run_for(30 * SECOND);
    let both = [A, rival].map(|ix| is_told(&mut sim, ix, "Another copy of this folder runs"));
    assert!(both[0], "the original says so: {:?}", status(&mut sim, A).problems);
    // The copy is taken away again; the user lets the original continue.
    sim.nodes[rival].kill();
    sim.crash(rival, 400 * DAY);
    sim.run_for(MINUTE);
    assert!(sim.say(A, B, "waits").is_some());
    assert!(matches!(sim.command(A, Command::DeviceConfirm), Ok(Reply::Confirmed(true))));
    sim.run_for(MINUTE);
    is_whole(&mut sim, A, B);
}

#[test]
fn a107_of_two_copies_the_one_started_last_goes_on_by_itself() {
    let mut sim = pair(14);
    talk(&mut sim, A, B, 3);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 2);
    let rival = sim.run_copy(&copy);
    sim.run_for(10 * MINUTE);
    assert!(is_told(&mut sim, A, "Another copy of this folder runs"), "the original has stopped");
    assert!(!is_told(&mut sim, rival, "This one has stopped"), "{:?}", status(&mut sim, rival).problems);
    let who = Who(sim.nodes[B].peer.to_string());
    let Ok(Reply::Message(text)) = sim.command(rival, Command::Send { to: who, text: "from the copy".into(), lifetime: None }) else {
        panic!()
    };
    assert!(sim.run_until(HOUR, |sim| is_delivered(sim, rival, text.message)), "{:?}", status(&mut sim, rival).problems);
    no_nonce_twice(&sim);
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
