//! Copies of a folder: an older one that is put back, and one that runs beside the original.
//!
//! What each story must show: both sides talk again and nobody is asked; nothing is lost but what
//! the copy never had; nothing is shown twice; no text is called delivered that is on no disk; and
//! no envelope is sealed with a nonce that was used.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "copies/beside.rs"]
mod beside;
#[path = "copies/crossing.rs"]
mod crossing;
#[path = "copies/half.rs"]
mod half;

use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::{Command, MessageState, OwnDeviceView, Reply, RoomStanding, StatusView, Who};
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
    assert!(is_told(&mut sim, B, "lacks 5 texts of yours"), "{:?}", status(&mut sim, B).problems);
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
