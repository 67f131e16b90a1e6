//! A copy that is put back while something else is under way.

use super::*;

/// Ben has taken the Offer of Andi's copy and waits for the Confirm.
fn entering(sim: &mut Sim) {
    let is_entering = |sim: &mut Sim| is_told(sim, B, "came back from an older copy");
    for _ in 0..60_000 {
        if is_entering(sim) {
            return;
        }
        sim.run_for(1);
    }
    panic!("Andi's copy asks for a new room");
}

#[test]
fn a107_a_confirm_that_a_wrong_clock_puts_off_is_said_again_though_texts_are_delivered() {
    let mut sim = pair(12);
    talk(&mut sim, A, B, 3);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 3);
    sim.put_back(A, &copy, SECOND);
    entering(&mut sim);
    let is_waiting = |sim: &mut Sim| is_told(sim, A, "have not answered yet");
    for _ in 0..60_000 {
        if !is_waiting(&mut sim) {
            break;
        }
        sim.run_for(1);
    }
    // Between Accept and Confirm.
    let to_1970 = -(sim.now.0 as i64);
    sim.set_clock(B, to_1970);
    let text = sim.say(A, B, "hello").unwrap();
    sim.run_for(5 * MINUTE);
    assert!(is_delivered(&mut sim, A, text), "what is said in the room is read");
    sim.set_clock(B, 0);
    sim.run_for(2 * HOUR);
    let answer = sim.say(B, A, "answer").unwrap();
    arrive(&mut sim, B, A, &[answer]);
    is_whole(&mut sim, A, B);
}

#[test]
fn a107_an_older_copy_of_a_folder_with_many_starts_is_no_rival_of_itself() {
    let mut sim = pair(14);
    talk(&mut sim, A, B, 2);
    for _ in 0..64 {
        sim.crash(A, SECOND);
        sim.run_for(20 * SECOND);
        talk(&mut sim, A, B, 1);
    }
    let copy = sim.copy(A);
    sim.crash(A, SECOND);
    sim.run_for(MINUTE);
    talk(&mut sim, A, B, 2);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(10 * MINUTE);
    for _ in 0..6 {
        sim.set_apart(A, B, true);
        sim.run_for(2 * MINUTE);
        sim.set_apart(A, B, false);
        sim.run_for(30 * MINUTE);
    }
    assert_eq!(warned(&sim, A, Warning::SecondCopy), 0);
    is_whole(&mut sim, A, B);
}

#[test]
fn a107_what_several_older_copies_lack_is_said_together() {
    let mut sim = pair(7);
    talk(&mut sim, B, A, 2);
    let copy = sim.copy(A);
    let first = talk(&mut sim, B, A, 5);
    for _ in 0..2 {
        sim.put_back(A, &copy, SECOND);
        sim.run_for(2 * MINUTE);
    }
    talk(&mut sim, B, A, 3);
    let copy = sim.copy(A);
    let second = talk(&mut sim, B, A, 4);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(5 * MINUTE);
    assert!(is_told(&mut sim, B, "lacks 9 texts of yours"), "{:?}", status(&mut sim, B).problems);
    let who = Who(sim.nodes[A].peer.to_string());
    assert!(matches!(sim.command(B, Command::DeviceResend(who)), Ok(Reply::Resent(9))));
    let all_are_there = |sim: &mut Sim| first.iter().chain(&second).all(|text| texts(sim, A).contains(text));
    assert!(sim.run_until(HOUR, all_are_there));
}

#[test]
fn a107_a_copy_that_is_put_back_while_its_friend_enters_another_ones_room_is_healed() {
    for seed in 20..26 {
        let mut sim = pair(seed);
        talk(&mut sim, A, B, 3);
        talk(&mut sim, B, A, 3);
        let oldest = sim.copy(A);
        talk(&mut sim, A, B, 3);
        let copy = sim.copy(A);
        talk(&mut sim, A, B, 3);
        sim.put_back(A, &copy, SECOND);
        sim.run_for(5 * MINUTE);
        talk(&mut sim, A, B, 1);
        // The room of before is forgotten.
        sim.run_for(31 * DAY);
        let copy = sim.copy(A);
        talk(&mut sim, A, B, 3);
        sim.put_back(A, &copy, SECOND);
        entering(&mut sim);
        sim.put_back(A, &oldest, SECOND);
        sim.run_for(10 * MINUTE);
        is_whole(&mut sim, A, B);
    }
}

#[test]
fn a107_an_answer_that_comes_after_its_way_was_closed_goes_another_way_and_ends_no_link() {
    let mut sim = pair(13);
    let (_, link) = sim.add_relay();
    for ix in [A, B] {
        assert!(sim.command(ix, Command::RelayAdd { link: link.clone(), claim: None }).is_ok());
    }
    sim.run_for(10 * MINUTE);
    talk(&mut sim, A, B, 2);
    sim.stop(A, 2 * DAY);
    sim.run_for(MINUTE);
    sim.crash(B, SECOND);
    sim.run_for(MINUTE);
    // With it a question goes to Andi's relay.
    sim.say(B, A, "are you there").unwrap();
    sim.run_for(2 * DAY - 5 * MINUTE);
    let lost = |sim: &Sim| sim.events[B].iter().filter(|event| matches!(event, Event::Online { online: false, .. })).count();
    let before = lost(&sim);
    sim.run_for(2 * HOUR);
    assert!(lost(&sim) - before < 3, "{} links ended", lost(&sim) - before);
}

#[test]
fn a107_a_copy_that_seals_as_many_texts_as_it_lacks_before_it_meets_anybody_is_healed() {
    for (count, is_started_between) in [(1, false), (1, true), (3, false), (3, true)] {
        let mut sim = pair(30);
        talk(&mut sim, A, B, 3);
        let copy = sim.copy(A);
        if is_started_between {
            sim.crash(A, SECOND);
            sim.run_for(MINUTE);
        }
        talk(&mut sim, A, B, count);
        sim.set_apart(A, B, true);
        sim.put_back(A, &copy, SECOND);
        sim.run_for(MINUTE);
        let said: Vec<_> = (0..count).map(|n| sim.say(A, B, &format!("again {n}")).unwrap()).collect();
        sim.set_apart(A, B, false);
        arrive(&mut sim, A, B, &said);
        is_whole(&mut sim, A, B);
    }
}

#[test]
fn a107_what_both_copies_lack_of_each_other_is_sent_again() {
    for seed in 31..35 {
        let mut sim = pair(seed);
        talk(&mut sim, A, B, 2);
        let of_ben = sim.copy(B);
        let to_ben = talk(&mut sim, A, B, 3);
        let of_andi = sim.copy(A);
        let to_andi = talk(&mut sim, B, A, 2);
        talk(&mut sim, A, B, 2);
        sim.put_back(A, &of_andi, SECOND);
        sim.put_back(B, &of_ben, SECOND);
        sim.run_for(HOUR);
        is_whole(&mut sim, A, B);
        // The newer state of Ben wrote the others: no disk holds them.
        let _ = to_andi;
        assert!(to_ben.iter().all(|text| texts(&mut sim, B).contains(text)), "seed {seed}: Andi has them still");
    }
}

#[test]
fn a107_a_copy_of_while_the_room_was_made_again_is_healed() {
    for pause in [0, 10, 20, 50, 100, 200, 500] {
        for who in [A, B] {
            let mut sim = pair(36);
            talk(&mut sim, A, B, 2);
            let copy = sim.copy(A);
            talk(&mut sim, A, B, 2);
            sim.put_back(A, &copy, SECOND);
            entering(&mut sim);
            sim.run_for(pause);
            let within = sim.copy(who);
            sim.run_for(10 * MINUTE);
            sim.put_back(who, &within, SECOND);
            sim.run_for(HOUR);
            is_whole(&mut sim, A, B);
        }
    }
}

#[test]
fn a107_a_copy_whose_own_question_was_answered_since_is_healed() {
    let mut sim = pair(41);
    talk(&mut sim, A, B, 2);
    let andi = Who(sim.nodes[A].peer.to_string());
    assert!(sim.command(B, Command::Unfriend(andi)).is_ok());
    sim.run_for(MINUTE);
    let Ok(Reply::Invite { link, .. }) = sim.command(B, Command::Invite { lifetime: DAY, no_ip: false, auto_accept: false }) else {
        panic!("an invite is made");
    };
    assert!(sim.command(A, Command::Add { target: link, note: None }).is_ok());
    sim.run_for(MINUTE);
    // The copy waits for an answer in the room that both are in by now.
    let copy = sim.copy(A);
    let request = sim.pending(B).expect("Ben is asked");
    sim.accept(B, request).expect("and says yes");
    sim.run_for(MINUTE);
    talk(&mut sim, A, B, 2);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(10 * MINUTE);
    is_whole(&mut sim, A, B);
}
