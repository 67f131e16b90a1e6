//! Relays that are gone, full, lying, wiped and doubled: two friends who seldom meet.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "relays/replaced.rs"]
mod replaced;

#[path = "relays/stored.rs"]
mod stored;

use std::collections::BTreeSet;
use symbolon_core::command::{Command, MessageState, RelayState, Reply, RequestStatus, Who};
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::frame::Frame;
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::relays::Conduct;
use symbolon_tests::sim::run::{Ix, Sim};

const A: Ix = 0;
const B: Ix = 1;

/// Friends who cannot reach each other, and the relays at which both have mailboxes.
fn apart(seed: u64, relays: usize) -> (Sim, Vec<Ix>) {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.add("Andi");
    sim.add("Ben");
    let mut all = Vec::new();
    for _ in 0..relays {
        let (ix, link) = sim.add_relay();
        for node in [A, B] {
            assert!(sim.command(node, Command::RelayAdd { link: link.clone(), claim: None }).is_ok());
        }
        all.push(ix);
    }
    sim.run_for(MINUTE);
    let Ok(Reply::Invite { link, .. }) = sim.command(A, Command::Invite { lifetime: DAY, no_ip: false, auto_accept: true }) else {
        panic!()
    };
    assert!(sim.command(B, Command::Add { target: link, note: None }).is_ok());
    sim.run_for(MINUTE);
    sim.set_apart(A, B, true);
    (sim, all)
}

fn state(sim: &mut Sim, ix: Ix, text: &str) -> Option<MessageState> {
    sim.history(ix).into_iter().find(|message| message.text == text).map(|message| message.state)
}

fn texts(sim: &mut Sim, ix: Ix) -> Vec<String> {
    sim.history(ix).into_iter().map(|message| message.text).collect()
}

#[test]
fn a_relay_carries_texts_and_receipts_between_two_who_never_meet() {
    let (mut sim, _) = apart(1, 1);
    sim.say(A, B, "one").unwrap();
    sim.say(B, A, "two").unwrap();
    sim.run_for(10 * MINUTE);
    assert_eq!((state(&mut sim, A, "one"), state(&mut sim, B, "two")), (Some(MessageState::Delivered), Some(MessageState::Delivered)));
    sim.check(true);
}

/// How long after the network's return what waits is delivered, in milliseconds.
fn comes_within(sim: &mut Sim, ix: Ix, text: &str, longest: u64) -> u64 {
    let back = sim.now;
    assert!(sim.run_until(longest, |sim| state(sim, ix, text) == Some(MessageState::Delivered)), "{text} within {longest} ms");
    sim.now.since(back)
}

#[test]
fn a108_what_waits_goes_within_five_seconds_of_the_networks_return_directly_and_by_a_relay() {
    for (seed, minutes) in [(31, 2), (32, 15), (33, 50)] {
        let (mut sim, relays) = apart(seed, 1);
        sim.set_apart(A, B, false);
        sim.run_for(MINUTE);
        sim.set_apart(A, B, true);
        sim.set_gone(relays[0], true);
        sim.run_for(minutes * MINUTE);
        sim.say(A, B, "directly").unwrap();
        sim.run_for(10_000);
        sim.set_apart(A, B, false);
        comes_within(&mut sim, A, "directly", 5_000);

        sim.set_apart(A, B, true);
        sim.run_for(minutes * MINUTE);
        sim.say(A, B, "by the relay").unwrap();
        sim.run_for(10_000);
        sim.set_gone(relays[0], false);
        comes_within(&mut sim, A, "by the relay", 5_000);
        sim.check(true);
    }
}

#[test]
fn a108_after_hours_without_a_network_what_waits_goes_within_twenty_seconds() {
    let (mut sim, relays) = apart(34, 1);
    sim.set_gone(relays[0], true);
    sim.say(A, B, "after hours").unwrap();
    sim.run_for(5 * HOUR);
    sim.set_gone(relays[0], false);
    comes_within(&mut sim, A, "after hours", 20_000);
}

#[test]
fn a_relay_that_is_gone_is_replaced_by_the_other_one() {
    let (mut sim, relays) = apart(2, 2);
    for gone in [relays[0], relays[1]] {
        sim.set_gone(gone, true);
        sim.say(A, B, "by the other").unwrap();
        sim.run_for(HOUR);
        sim.set_gone(gone, false);
        sim.run_for(HOUR);
    }
    assert_eq!(texts(&mut sim, B), ["by the other"; 2]);
    sim.check(true);
}

#[test]
fn a_full_relay_leaves_a_text_queued_until_there_is_room() {
    let (mut sim, relays) = apart(3, 1);
    sim.relay(relays[0]).conduct = Conduct::Full;
    sim.say(A, B, "waits").unwrap();
    sim.run_for(HOUR);
    assert_eq!(state(&mut sim, A, "waits"), Some(MessageState::Queued), "nothing is claimed that is not so");
    sim.relay(relays[0]).conduct = Conduct::Honest;
    sim.run_for(2 * HOUR);
    assert_eq!(state(&mut sim, A, "waits"), Some(MessageState::Delivered));
}

#[test]
fn a_lying_relay_can_delay_a_text_and_nothing_more() {
    let (mut sim, relays) = apart(4, 1);
    sim.relay(relays[0]).conduct = Conduct::Liar;
    sim.say(A, B, "swallowed").unwrap();
    sim.run_for(HOUR);
    assert_eq!(state(&mut sim, A, "swallowed"), Some(MessageState::Stored), "that is what was signed");
    sim.relay(relays[0]).conduct = Conduct::Honest;
    // Three quarters of what was promised: seven days at a relay of somebody else.
    sim.run_for(6 * DAY);
    assert_eq!(state(&mut sim, A, "swallowed"), Some(MessageState::Delivered), "left again in time");
    // Who meets needs no relay.
    sim.relay(relays[0]).conduct = Conduct::Liar;
    sim.say(A, B, "swallowed, too").unwrap();
    sim.run_for(MINUTE);
    sim.set_apart(A, B, false);
    sim.run_for(HOUR);
    assert_eq!(state(&mut sim, A, "swallowed, too"), Some(MessageState::Delivered));
    sim.check(true);
}

#[test]
fn a_wiped_relay_gets_its_mailboxes_and_the_texts_again() {
    let (mut sim, relays) = apart(5, 1);
    sim.crash(B, DAY);
    sim.say(A, B, "wiped").unwrap();
    sim.run_for(HOUR);
    assert_eq!(state(&mut sim, A, "wiped"), Some(MessageState::Stored));
    sim.wipe_relay(relays[0]);
    assert_eq!(sim.relay(relays[0]).entries(), 0);
    sim.run_for(2 * DAY);
    sim.say(B, A, "I am back").unwrap();
    sim.run_for(6 * DAY);
    assert_eq!(texts(&mut sim, A), ["wiped", "I am back"]);
    assert_eq!(state(&mut sim, A, "wiped"), Some(MessageState::Delivered));
    sim.check(true);
}

#[test]
fn g12_what_was_left_for_a_friend_at_a_relay_that_lost_everything_is_left_again_once_the_friend_is_there() {
    let (mut sim, relays) = apart(41, 1);
    sim.crash(B, DAY);
    sim.say(A, B, "wiped").unwrap();
    sim.run_for(HOUR);
    assert_eq!(state(&mut sim, A, "wiped"), Some(MessageState::Stored));
    sim.wipe_relay(relays[0]);
    sim.run_for(10 * MINUTE);
    assert_eq!(state(&mut sim, A, "wiped"), Some(MessageState::Queued), "nothing is said that is not so");
    assert_eq!(relay_states(&mut sim, A), [RelayState::Connected], "the mailbox was made again, and the link is kept");
    sim.run_for(DAY);
    assert_eq!(texts(&mut sim, B), ["wiped"], "within an hour of the friend's return");
    assert_eq!(state(&mut sim, A, "wiped"), Some(MessageState::Delivered));
    sim.check(true);
}

fn relay_states(sim: &mut Sim, ix: Ix) -> Vec<RelayState> {
    let Ok(Reply::Relays(relays)) = sim.command(ix, Command::Relays) else { panic!() };
    relays.into_iter().map(|relay| relay.state).collect()
}

#[test]
fn a96_a_friend_who_is_away_for_sixty_days_gets_every_text_from_a_relay_that_keeps_seven() {
    let (mut sim, relays) = apart(7, 1);
    sim.crash(B, 60 * DAY);
    let mut written = Vec::new();
    for day in 0..60 {
        // Andi's own node is on for an hour a day.
        let text = format!("day {day}");
        sim.say(A, B, &text).unwrap();
        written.push(text);
        sim.run_for(HOUR);
        sim.crash(A, 22 * HOUR);
        sim.run_for(23 * HOUR);
        let lying = sim.relay(relays[0]).entries();
        let stored = sim.history(A).iter().filter(|message| message.state == MessageState::Stored).count() as u64;
        assert!(stored <= lying, "day {day}: {stored} are said to lie there, {lying} do");
    }
    sim.run_for(10 * DAY);
    assert_eq!(texts(&mut sim, B), written);
    assert!(sim.history(A).iter().all(|message| message.state == MessageState::Delivered));
    sim.check(true);
}

fn lists_sent(sim: &mut Sim, ix: Ix) -> u64 {
    let Ok(Reply::Status(status)) = sim.command(ix, Command::Status) else { panic!() };
    status.sent_frames.iter().filter(|(kind, _)| *kind == "deposit").map(|(_, count)| count).sum()
}

#[test]
fn entries_that_a_restored_relay_hands_out_again_are_taken_once_and_start_no_talk() {
    let (mut sim, relays) = apart(6, 1);
    for round in 0..10 {
        sim.say(B, A, &format!("back {round}")).unwrap();
        sim.run_for(1_000);
    }
    sim.run_for(MINUTE);
    // Ben is off while Andi's texts, and lists of receipts for Ben's last one, are left for him.
    sim.say(B, A, "good night").unwrap();
    assert!(sim.run_until(MINUTE, |sim| sim.texts(A).contains(&"good night".to_owned())));
    sim.crash(B, HOUR);
    sim.say(A, B, "sleep well").unwrap();
    sim.run_for(MINUTE);
    assert!(sim.relay(relays[0]).entries() >= 2, "a text and a list of receipts lie there");
    sim.double_relay(relays[0]);
    sim.run_for(2 * HOUR);
    let before = (lists_sent(&mut sim, A), lists_sent(&mut sim, B));
    // What Ben has fetched lies there again.
    sim.double_relay(relays[0]);
    assert!(sim.relay(relays[0]).entries() >= 2);
    sim.run_for(HOUR);
    assert_eq!(sim.relay(relays[0]).entries(), 0, "and was fetched again");
    let after = (lists_sent(&mut sim, A), lists_sent(&mut sim, B));
    assert_eq!(after.0, before.0, "Andi has nothing to say to that");
    assert!(after.1 <= before.1 + 1, "Ben says once more that he has the text");
    assert_eq!((sim.history(A).len(), sim.history(B).len()), (12, 12));
    sim.check(true);
}

#[test]
fn a_question_to_somebody_who_has_ended_the_friendship_does_not_stand_behind_what_is_of_the_old_one() {
    let (mut sim, relays) = apart(20, 1);
    sim.crash(B, 10 * MINUTE);
    sim.say(A, B, "one").unwrap();
    sim.run_for(MINUTE);
    let ben = Who(sim.nodes[B].peer.to_string());
    sim.command(A, Command::Unfriend(ben)).unwrap();
    // Ben fetches the text, and what he would say of it is refused at the relay: it waits.
    sim.run_for(HOUR);
    assert_eq!(texts(&mut sim, B), ["one"]);
    sim.set_gone(relays[0], true);
    sim.set_apart(A, B, false);
    let link = sim.invite(A);
    sim.ask(B, &link).unwrap();
    assert!(sim.run_until(10 * MINUTE, |sim| sim.pending(A).is_some()), "the question is read");
    let request = sim.pending(A).unwrap();
    sim.accept(A, request).unwrap();
    sim.run_for(HOUR);
    assert!(sim.are_friends(A, B));
    sim.say(B, A, "two").unwrap();
    sim.run_for(HOUR);
    assert!(texts(&mut sim, A).contains(&"two".to_owned()));
}

#[test]
fn the_second_user_of_an_invite_hears_that_it_is_used_up_soon_after_its_owner_came_by_and_the_third_at_once() {
    let mut sim = Sim::new(51, Faults::NONE);
    let [a, b, c, d] = ["Andi", "Ben", "Cleo", "Dora"].map(|name| sim.add(name));
    let (relay, link) = sim.add_relay();
    for node in [a, b] {
        assert!(sim.command(node, Command::RelayAdd { link: link.clone(), claim: None }).is_ok());
    }
    sim.run_for(MINUTE);
    let invite = sim.invite(a);
    for other in [b, c, d] {
        sim.set_apart(a, other, true);
    }
    sim.crash(a, 3 * HOUR);
    let first = sim.ask(b, &invite).unwrap();
    sim.run_for(MINUTE);
    let second = sim.ask(c, &invite).unwrap();
    sim.run_for(2 * HOUR);
    assert_eq!(sim.relay(relay).entries(), 2, "asking again and again leaves nothing more");
    assert_eq!(sim.status_of(c, second), RequestStatus::Pending, "the relay does not know which one counts");
    sim.run_for(HOUR);
    let came_by = sim.now;
    assert!(sim.run_until(15 * MINUTE, |sim| sim.status_of(c, second) == RequestStatus::Expired), "{came_by:?}");
    assert_eq!(sim.request(c, second).fault, Some("the invite was already used by somebody else, or taken back"));
    assert_eq!(sim.status_of(b, first), RequestStatus::Pending);
    assert_eq!(sim.relay(relay).entries(), 0, "who waits for an answer costs nothing by asking");
    let incoming = sim.pending(a).unwrap();
    sim.accept(a, incoming).unwrap();
    sim.run_for(HOUR);
    assert!(sim.are_friends(a, b));
    sim.crash(a, DAY);
    let third = sim.ask(d, &invite).unwrap();
    sim.run_for(MINUTE);
    assert_eq!(sim.status_of(d, third), RequestStatus::Expired, "while the owner is away");
    sim.check(true);
}

#[test]
fn an_answer_for_a_relay_that_is_gone_holds_up_no_text() {
    let mut sim = Sim::of_friends(15, &["Andi", "Ben"]);
    sim.lookup.is_there = true;
    let [(_, of_andi), (gone, of_ben), (_, later)] = [(); 3].map(|()| sim.add_relay());
    let add =
        |sim: &mut Sim, ix: Ix, link: &str| assert!(sim.command(ix, Command::RelayAdd { link: link.to_owned(), claim: None }).is_ok());
    add(&mut sim, 0, &of_andi);
    add(&mut sim, 1, &of_ben);
    sim.run_for(30 * MINUTE);
    for (from, to) in [(0, 1), (1, 0)] {
        assert!(sim.say(from, to, "before").is_some());
    }
    sim.run_for(MINUTE);
    sim.stop(0, 3 * HOUR);
    sim.run_for(MINUTE);
    sim.set_apart(0, 1, true);
    // Ben's question goes to Andi's relay, and names Ben's for the answer.
    sim.crash(1, MINUTE / 60);
    sim.run_for(MINUTE);
    sim.say(1, 0, "are you there").unwrap();
    sim.run_for(30 * MINUTE);
    sim.set_gone(gone, true);
    add(&mut sim, 1, &later);
    sim.run_for(4 * HOUR);
    sim.say(0, 1, "text").unwrap();
    sim.run_for(8 * HOUR);
    assert_eq!(state(&mut sim, 0, "text"), Some(MessageState::Delivered));
}

#[test]
fn a_relay_cannot_tell_the_friends_of_an_owner_apart_by_the_addresses_that_they_show_over_ten_days() {
    let mut sim = Sim::new(44, Faults::NONE);
    let owner = sim.add("Andi");
    let friends = ["Ben", "Cleo", "Dora"].map(|name| sim.add(name));
    let (relay, link) = sim.add_relay();
    assert!(sim.command(owner, Command::RelayAdd { link, claim: None }).is_ok());
    sim.run_for(MINUTE);
    // They become friends on different days, so that each was given an address of its own.
    for friend in friends {
        sim.befriend(owner, friend);
        sim.run_for(DAY);
    }
    for friend in friends {
        sim.set_apart(owner, friend, true);
    }
    sim.wire = Some(Vec::new());
    for day in 0..10 {
        for friend in friends {
            sim.say(friend, owner, &format!("{friend} on day {day}")).unwrap();
        }
        if day % 3 == 0 {
            sim.crash(owner, HOUR);
        }
        sim.run_for(DAY);
    }
    let shown: Vec<(Ix, Vec<u8>)> = sim
        .wire
        .take()
        .unwrap()
        .into_iter()
        .filter(|wire| wire.to == relay && friends.contains(&wire.from))
        .filter_map(|wire| match Frame::decode(&wire.bytes) {
            Ok(Frame::Put(put)) => Some((wire.from, put.address)),
            _ => None,
        })
        .collect();
    let senders: BTreeSet<Ix> = shown.iter().map(|(from, _)| *from).collect();
    let addresses: BTreeSet<&Vec<u8>> = shown.iter().map(|(_, address)| address).collect();
    assert_eq!(senders.len(), 3, "all of them left something");
    assert_eq!(addresses.len(), 1, "and all show the same bytes");
    // Somebody is taken out: the next revision has another address, again one for all.
    let who = Who(sim.nodes[friends[2]].peer.to_string());
    for friend in friends {
        sim.set_apart(owner, friend, false);
    }
    sim.command(owner, Command::Unfriend(who)).unwrap();
    sim.run_for(HOUR);
    for friend in friends {
        sim.set_apart(owner, friend, true);
    }
    sim.wire = Some(Vec::new());
    for friend in &friends[..2] {
        sim.say(*friend, owner, "later").unwrap();
    }
    sim.run_for(HOUR);
    let later = sim.wire.take().unwrap().into_iter().filter(|wire| wire.to == relay && friends[..2].contains(&wire.from));
    let later: BTreeSet<Vec<u8>> = later
        .filter_map(|wire| match Frame::decode(&wire.bytes) {
            Ok(Frame::Put(put)) => Some(put.address),
            _ => None,
        })
        .collect();
    assert_eq!(later.len(), 1);
    assert!(!addresses.contains(later.first().unwrap()), "a friend of before cannot follow");
}

/// What a node's user is warned of.
fn problems(sim: &mut Sim, ix: Ix) -> Vec<String> {
    match sim.command(ix, Command::Status) {
        Ok(Reply::Status(status)) => status.problems,
        other => panic!("no status: {:?}", other.err()),
    }
}

#[test]
fn a_text_that_was_given_up_and_comes_late_from_a_relay_is_no_sign_of_a_copied_folder() {
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let (mut sim, _) = apart(100 + seed, 1);
        sim.set_apart(A, B, false);
        sim.run_for(10 * MINUTE);
        for round in 0..3 {
            sim.stop(B, 9_000 + seed * 700);
            let short = Command::Send { to: Who("Ben".into()), text: format!("soon {round}"), lifetime: Some(3_000) };
            assert!(sim.command(A, short).is_ok());
            sim.run_for(MINUTE);
            sim.say(A, B, "then").unwrap();
            sim.run_for(10 * MINUTE);
            let warned: Vec<String> = [A, B].iter().flat_map(|ix| problems(&mut sim, *ix)).filter(|text| text.contains("copy")).collect();
            assert!(warned.is_empty(), "{seed} {round}: {warned:?}");
            seen.insert((state(&mut sim, A, &format!("soon {round}")), texts(&mut sim, B).contains(&format!("soon {round}"))));
        }
    }
    println!("{seen:?}");
}
