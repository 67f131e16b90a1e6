//! Copies of a folder: an older one that is put back, and one that runs beside the original.
//!
//! What each story must show: both sides talk again and nobody is asked; nothing is lost but what
//! the copy never had; nothing is shown twice; no text is called delivered that is on no disk; and
//! no envelope is sealed with a nonce that was used.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::{Command, MessageState, Reply, StatusView, Who};
use symbolon_core::seam::{Event, Warning};
use symbolon_presence::id::{FrameId, MessageId};
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_relay::frame::Frame;
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

const A: Ix = 0;
const B: Ix = 1;
const C: Ix = 2;

fn friends(seed: u64, names: &[&str]) -> Sim {
    let mut sim = Sim::of_friends(seed, names);
    sim.wire = Some(Vec::new());
    sim
}

fn pair(seed: u64) -> Sim {
    friends(seed, &["Andi", "Ben"])
}

fn status(sim: &mut Sim, ix: Ix) -> StatusView {
    match sim.command(ix, Command::Status) {
        Ok(Reply::Status(status)) => status,
        other => panic!("{:?}", other.err()),
    }
}

fn is_told(sim: &mut Sim, ix: Ix, words: &str) -> bool {
    status(sim, ix).problems.iter().any(|problem| problem.contains(words))
}

fn warned(sim: &Sim, ix: Ix, warning: Warning) -> usize {
    sim.events[ix].iter().filter(|event| **event == Event::Warning(warning)).count()
}

fn is_delivered(sim: &mut Sim, from: Ix, message: MessageId) -> bool {
    match sim.command(from, Command::Message(message)) {
        Ok(Reply::Message(view)) => matches!(view.state, MessageState::Delivered | MessageState::Read),
        _ => false,
    }
}

/// Writes texts one after the other, and waits until all are delivered.
fn talk(sim: &mut Sim, from: Ix, to: Ix, count: usize) -> Vec<MessageId> {
    let mut said = Vec::new();
    for n in 0..count {
        said.push(sim.say(from, to, &format!("{from} {n}")).expect("it is accepted"));
        sim.run_for(50);
    }
    arrive(sim, from, to, &said);
    said
}

fn arrive(sim: &mut Sim, from: Ix, to: Ix, said: &[MessageId]) {
    let last = *said.last().unwrap();
    sim.run_for(MINUTE);
    let done = sim.run_until(2 * HOUR, |sim| is_delivered(sim, from, last));
    assert!(done, "texts go from {from} to {to}: {:?} {:?}", status(sim, from).problems, status(sim, to).problems);
    for message in said {
        assert!(is_delivered(sim, from, *message), "all of them");
    }
    let there: BTreeSet<MessageId> = texts(sim, to).into_iter().collect();
    assert!(said.iter().all(|message| there.contains(message)), "and they are there");
}

fn texts(sim: &mut Sim, ix: Ix) -> Vec<MessageId> {
    let all: Vec<MessageId> = sim.history(ix).into_iter().map(|message| message.message).collect();
    let once: BTreeSet<MessageId> = all.iter().copied().collect();
    assert_eq!(once.len(), all.len(), "each is shown once");
    all
}

/// No nonce seals two envelopes under one tag: an older copy counts what was counted, and gives
/// nothing away by it.
fn no_nonce_twice(sim: &Sim) {
    let mut seen: BTreeMap<Vec<u8>, FrameId> = BTreeMap::new();
    for sent in sim.wire.as_ref().unwrap() {
        let Ok(Frame::Put(put)) = Frame::decode(&sent.bytes) else { continue };
        if put.envelope.get(1) == Some(&3) {
            let first = *seen.entry(put.envelope[..30].to_vec()).or_insert(put.frame);
            assert_eq!(first, put.frame, "no nonce is used twice");
        }
    }
}

/// Both talk on: a text each way is delivered, and neither is asked anything.
fn is_whole(sim: &mut Sim, a: Ix, b: Ix) {
    for (from, to) in [(a, b), (b, a)] {
        talk(sim, from, to, 1);
    }
    for ix in [a, b] {
        assert!(sim.pending(ix).is_none(), "nobody is asked");
    }
    no_nonce_twice(sim);
}

#[test]
fn a107_an_older_copy_of_one_side_is_noticed_healed_and_said_at_both_ends() {
    let mut sim = pair(1);
    let before = [talk(&mut sim, A, B, 5), talk(&mut sim, B, A, 5)].concat();
    let copy = sim.copy(A);
    let newer = talk(&mut sim, A, B, 14);
    let lacking = talk(&mut sim, B, A, 9);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(MINUTE);
    is_whole(&mut sim, A, B);
    assert!(is_told(&mut sim, A, "14 texts that you sent from the newer state"), "{:?}", status(&mut sim, A).problems);
    assert!(is_told(&mut sim, B, "came back from an older copy"), "{:?}", status(&mut sim, B).problems);
    assert_eq!((warned(&sim, A, Warning::OlderCopy), warned(&sim, B, Warning::FriendReturned)), (1, 1));
    let (at_a, at_b) = (texts(&mut sim, A), texts(&mut sim, B));
    assert!(before.iter().chain(&lacking).all(|text| at_a.contains(text)), "what was written to the newer state is brought again");
    assert!(newer.iter().all(|text| at_b.contains(text) && !at_a.contains(text)), "and what it wrote is with the friend");
    // Seen: the line does not come back.
    assert!(sim.command(A, Command::DeviceConfirm).is_ok());
    sim.crash(A, SECOND);
    sim.run_for(MINUTE);
    assert!(!is_told(&mut sim, A, "older copy"));
    is_whole(&mut sim, A, B);
}

#[test]
fn a107_texts_that_waited_in_the_copy_are_sealed_again_and_shown_once() {
    let mut sim = pair(2);
    talk(&mut sim, A, B, 3);
    sim.set_apart(A, B, true);
    let waiting: Vec<_> = (0..4).map(|n| sim.say(A, B, &format!("waits {n}")).unwrap()).collect();
    let copy = sim.copy(A);
    // The newer state brings two of them over, and others.
    sim.set_apart(A, B, false);
    arrive(&mut sim, A, B, &waiting);
    talk(&mut sim, A, B, 6);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(10 * SECOND);
    let again = sim.run_until(HOUR, |sim| waiting.iter().all(|text| is_delivered(sim, A, *text)));
    assert!(again, "they are acknowledged once more: {:?}", status(&mut sim, A).problems);
    is_whole(&mut sim, A, B);
}

#[test]
fn r13_an_older_copy_reuses_no_nonce_and_has_a_new_room() {
    let mut sim = pair(20);
    talk(&mut sim, A, B, 5);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 5);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(5 * SECOND);
    // At once, before anything is healed.
    let at_once = sim.say(A, B, "at once").unwrap();
    arrive(&mut sim, A, B, &[at_once]);
    is_whole(&mut sim, A, B);
    assert_eq!(warned(&sim, B, Warning::FriendReturned), 1, "by a new room");
}

#[test]
fn a107_older_copies_of_both_sides_are_healed_by_one_new_room() {
    let mut sim = pair(3);
    talk(&mut sim, A, B, 5);
    talk(&mut sim, B, A, 5);
    let copies = [sim.copy(A), sim.copy(B)];
    talk(&mut sim, A, B, 7);
    talk(&mut sim, B, A, 3);
    sim.put_back(A, &copies[0], SECOND);
    sim.put_back(B, &copies[1], 2 * SECOND);
    sim.run_for(MINUTE);
    is_whole(&mut sim, A, B);
    // Of different ages: one of them holds more than the other.
    let older = sim.copy(A);
    talk(&mut sim, A, B, 4);
    let newer = sim.copy(B);
    talk(&mut sim, B, A, 4);
    talk(&mut sim, A, B, 4);
    sim.put_back(A, &older, SECOND);
    sim.put_back(B, &newer, 30 * SECOND);
    sim.run_for(2 * MINUTE);
    is_whole(&mut sim, A, B);
}

#[test]
fn a107_copies_that_are_tried_in_a_row_are_each_healed() {
    let mut sim = pair(4);
    talk(&mut sim, A, B, 3);
    let mut copies = vec![sim.copy(A)];
    for _ in 0..3 {
        talk(&mut sim, A, B, 3);
        talk(&mut sim, B, A, 2);
        copies.push(sim.copy(A));
    }
    talk(&mut sim, A, B, 2);
    for copy in copies.iter().rev() {
        sim.put_back(A, copy, SECOND);
        sim.run_for(15 * SECOND);
    }
    sim.run_for(MINUTE);
    is_whole(&mut sim, A, B);
}

#[test]
fn a107_a_copy_of_before_the_friendship_was_renewed_is_healed() {
    let mut sim = pair(5);
    talk(&mut sim, A, B, 3);
    let oldest = sim.copy(A);
    talk(&mut sim, A, B, 3);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 3);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(MINUTE);
    is_whole(&mut sim, A, B);
    talk(&mut sim, B, A, 3);
    sim.put_back(A, &oldest, SECOND);
    sim.run_for(MINUTE);
    is_whole(&mut sim, A, B);
}

#[test]
fn a107_a_device_that_returns_too_often_a_day_needs_the_word_of_its_friends_user() {
    let mut sim = pair(6);
    talk(&mut sim, A, B, 2);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 2);
    for _ in 0..8 {
        sim.put_back(A, &copy, SECOND);
        sim.run_for(2 * HOUR);
    }
    is_whole(&mut sim, A, B);
    sim.put_back(A, &copy, SECOND);
    let text = sim.say(A, B, "let me in");
    sim.run_for(10 * MINUTE);
    assert!(sim.pending(B).is_some(), "Ben is asked");
    assert!(is_told(&mut sim, B, "too often within a day: texts between you and Andi wait"), "{:?}", status(&mut sim, B).problems);
    let text = text.or_else(|| sim.say(A, B, "let me in")).unwrap();
    sim.run_for(HOUR);
    assert!(!is_delivered(&mut sim, A, text), "not before he has answered");
    let request = sim.pending(B).expect("Ben is asked still");
    sim.accept(B, request).unwrap();
    arrive(&mut sim, A, B, &[text]);
    is_whole(&mut sim, A, B);
}

#[test]
fn a107_what_an_older_copy_lacks_is_sent_again_by_itself_once_a_month_and_then_on_the_users_word() {
    let mut sim = pair(7);
    talk(&mut sim, B, A, 2);
    let copy = sim.copy(A);
    let lacking = talk(&mut sim, B, A, 5);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(MINUTE);
    assert!(lacking.iter().all(|text| texts(&mut sim, A).contains(text)), "automatically");
    sim.put_back(A, &copy, SECOND);
    sim.run_for(MINUTE);
    is_whole(&mut sim, A, B);
    assert!(is_told(&mut sim, B, "lacks 5 text(s) of yours"), "{:?}", status(&mut sim, B).problems);
    assert!(!lacking.iter().any(|text| texts(&mut sim, A).contains(text)), "not a second time");
    let who = Who(sim.nodes[A].peer.to_string());
    assert!(matches!(sim.command(B, Command::DeviceResend(who)), Ok(Reply::Resent(5))));
    let there = |sim: &mut Sim| lacking.iter().all(|text| texts(sim, A).contains(text));
    assert!(sim.run_until(HOUR, there), "but when the user says so");
    assert!(!is_told(&mut sim, B, "lacks"));
}

#[test]
fn a107_five_thousand_texts_between_copy_and_return() {
    let mut sim = pair(8);
    sim.wire = None;
    talk(&mut sim, A, B, 2);
    let copy = sim.copy(A);
    let from_b: Vec<_> = (0..2_500).map(|n| sim.say(B, A, &format!("b {n}")).unwrap()).collect();
    let from_a: Vec<_> = (0..2_500).map(|n| sim.say(A, B, &format!("a {n}")).unwrap()).collect();
    arrive(&mut sim, B, A, &from_b);
    arrive(&mut sim, A, B, &from_a);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(10 * MINUTE);
    assert!(is_told(&mut sim, A, "2500 texts that you sent"), "{:?}", status(&mut sim, A).problems);
    let at_a = texts(&mut sim, A);
    let got: Vec<_> = at_a.iter().filter(|text| from_b.contains(text)).copied().collect();
    assert_eq!(got, from_b, "all of them, in the order of writing");
}

/// Andi and Ben, who never meet, with a relay each.
fn apart(seed: u64) -> Sim {
    let mut sim = pair(seed);
    for ix in [A, B] {
        let (_, link) = sim.add_relay();
        assert!(sim.command(ix, Command::RelayAdd { link, claim: None }).is_ok());
    }
    sim.run_for(MINUTE);
    sim.set_apart(A, B, true);
    sim.run_for(MINUTE);
    sim
}

#[test]
fn a107_an_older_copy_is_healed_over_relays_alone() {
    let mut sim = apart(9);
    let before = talk(&mut sim, B, A, 3);
    talk(&mut sim, A, B, 3);
    let copy = sim.copy(A);
    let newer = talk(&mut sim, A, B, 6);
    let lacking = talk(&mut sim, B, A, 4);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(10 * SECOND);
    // It writes what its friend cannot read.
    let text = sim.say(A, B, "is anybody there?").unwrap();
    arrive(&mut sim, A, B, &[text]);
    sim.run_for(10 * MINUTE);
    is_whole(&mut sim, A, B);
    let (at_a, at_b) = (texts(&mut sim, A), texts(&mut sim, B));
    assert!(before.iter().chain(&lacking).all(|text| at_a.contains(text)));
    assert!(newer.iter().all(|text| at_b.contains(text)));
}

#[test]
fn a107_what_the_newer_state_left_at_a_relay_is_read_after_the_copy_is_back() {
    let mut sim = apart(10);
    talk(&mut sim, A, B, 2);
    let copy = sim.copy(A);
    sim.crash(B, 3 * HOUR);
    let left: Vec<_> = (0..5).map(|n| sim.say(A, B, &format!("left {n}")).unwrap()).collect();
    sim.run_for(10 * MINUTE);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(4 * HOUR);
    is_whole(&mut sim, A, B);
    assert!(left.iter().all(|text| texts(&mut sim, B).contains(text)), "nothing that reached a relay is lost");
}

#[test]
fn a107_who_was_taken_out_since_the_copy_is_not_let_in_by_it() {
    let mut sim = friends(11, &["Andi", "Ben", "Cleo"]);
    talk(&mut sim, A, B, 3);
    talk(&mut sim, A, C, 3);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 2);
    let who = Who(sim.nodes[C].peer.to_string());
    sim.command(A, Command::Block(who)).map(|_| ()).unwrap();
    sim.run_for(MINUTE);
    talk(&mut sim, B, A, 2);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(2 * MINUTE);
    is_whole(&mut sim, A, B);
    assert!(is_told(&mut sim, A, "blocked or unfriended"), "{:?}", status(&mut sim, A).problems);
}

#[test]
fn a107_a_copy_that_knows_only_old_keys_of_a_friend_is_healed() {
    let mut sim = friends(15, &["Andi", "Ben", "Cleo"]);
    sim.befriend(B, C);
    talk(&mut sim, A, B, 3);
    talk(&mut sim, B, C, 1);
    let copy = sim.copy(A);
    talk(&mut sim, B, A, 2);
    // What friends hold of Ben's is another secret now, and the earlier one was replaced.
    let who = Who(sim.nodes[C].peer.to_string());
    sim.command(B, Command::Block(who)).map(|_| ()).unwrap();
    sim.run_for(MINUTE);
    talk(&mut sim, A, B, 2);
    sim.run_for(31 * DAY);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(2 * MINUTE);
    is_whole(&mut sim, A, B);
    assert_eq!(warned(&sim, B, Warning::FriendReturned), 1);
}

#[test]
fn a107_an_older_copy_does_not_bring_back_who_has_ended_it() {
    let mut sim = pair(12);
    talk(&mut sim, A, B, 3);
    let copy = sim.copy(A);
    talk(&mut sim, A, B, 3);
    for blocks in [false, true] {
        let who = Who(sim.nodes[A].peer.to_string());
        let command = if blocks { Command::Block(who) } else { Command::Unfriend(who) };
        sim.command(B, command).map(|_| ()).unwrap();
        sim.put_back(A, &copy, SECOND);
        sim.run_for(HOUR);
        let text = sim.say(A, B, "hello?").unwrap();
        sim.run_for(HOUR);
        assert!(!is_delivered(&mut sim, A, text));
        assert!(sim.pending(B).is_none() && !sim.is_friend(B, &sim.nodes[A].peer.clone()));
    }
}

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
fn a107_copies_on_a_bad_day() {
    for seed in 0..4 {
        let mut sim = friends(100 + seed, &["Andi", "Ben"]);
        talk(&mut sim, A, B, 3);
        let mut copies = vec![(A, sim.copy(A)), (B, sim.copy(B))];
        sim.faults = Faults { crash: 3, ..Faults::ROUGH };
        for _ in 0..6 {
            for _ in 0..1 + sim.below(6) {
                let from = sim.below(2) as Ix;
                let _ = sim.say(from, 1 - from, "x");
                let pause = sim.below(5 * SECOND);
                sim.run_for(pause);
            }
            match sim.below(3) {
                0 => {
                    let at = sim.below(copies.len() as u64) as usize;
                    let (ix, copy) = copies.swap_remove(at);
                    sim.put_back(ix, &copy, SECOND);
                    copies.push((ix, copy));
                    sim.run_for(MINUTE);
                }
                _ => {
                    let ix = sim.below(2) as Ix;
                    if sim.nodes[ix].is_up() {
                        copies.push((ix, sim.copy(ix)));
                    }
                }
            }
        }
        sim.faults = Faults::NONE;
        sim.run_for(2 * DAY);
        is_whole(&mut sim, A, B);
    }
}

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
    assert!(is_told(&mut sim, B, "lacks 9 text(s) of yours"), "{:?}", status(&mut sim, B).problems);
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
