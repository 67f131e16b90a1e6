//! Healing: from every pair of states that a friendship can be in, asking once leads to
//! "friends", or to one clear question.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use symbolon_core::command::{Command, CommandError, FriendView, MessageState, Reply, RequestStatus, RequestView, Who};
use symbolon_presence::id::MessageId;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::prove::WIRE_VERSION;
use symbolon_tests::sim::run::{Ix, Sim};
use symbolon_tests::sim::{Faults, SimNode};

const A: Ix = 0;
const B: Ix = 1;

fn pair(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.add("Andi");
    sim.add("Ben");
    sim
}

fn invite(sim: &mut Sim, ix: Ix) -> String {
    match sim.command(ix, Command::Invite { lifetime: 60 * DAY, no_ip: false, auto_accept: false }) {
        Ok(Reply::Invite { link, .. }) => link,
        other => panic!("{:?}", other.err()),
    }
}

fn try_add(sim: &mut Sim, ix: Ix, link: &str) -> Result<RequestView, CommandError> {
    match sim.command(ix, Command::Add { target: link.to_owned(), note: None }) {
        Ok(Reply::Request(view)) => Ok(view),
        Err(error) => Err(error),
        Ok(_) => panic!("a request is answered"),
    }
}

/// `ix` asks `other` by a fresh invite.
fn ask(sim: &mut Sim, ix: Ix, other: Ix) {
    let link = invite(sim, other);
    try_add(sim, ix, &link).unwrap();
}

fn waiting(sim: &mut Sim, ix: Ix) -> Vec<RequestView> {
    let Ok(Reply::Requests(rows)) = sim.command(ix, Command::Requests) else { panic!() };
    rows.into_iter().filter(|row| row.status == RequestStatus::Pending && row.direction == symbolon_core::command::Direction::In).collect()
}

fn accept(sim: &mut Sim, ix: Ix) {
    let rows = waiting(sim, ix);
    assert_eq!(rows.len(), 1, "one clear question");
    assert!(sim.command(ix, Command::Accept(rows[0].request)).is_ok());
}

fn friend(sim: &mut Sim, ix: Ix, other: Ix) -> Option<FriendView> {
    let peer = sim.nodes[other].peer;
    let Ok(Reply::Friends(friends)) = sim.command(ix, Command::Friends) else { panic!() };
    friends.into_iter().find(|friend| friend.id == peer)
}

fn are_friends(sim: &mut Sim) -> bool {
    friend(sim, A, B).is_some_and(|f| f.mutual) && friend(sim, B, A).is_some_and(|f| f.mutual)
}

fn befriend(sim: &mut Sim) {
    ask(sim, B, A);
    sim.run_for(MINUTE);
    accept(sim, A);
    assert!(sim.run_until(HOUR, are_friends));
}

fn unfriend(sim: &mut Sim, ix: Ix, other: Ix) {
    let peer = sim.nodes[other].peer.to_string();
    assert!(sim.command(ix, Command::Unfriend(Who(peer))).is_ok());
}

fn state_of(sim: &mut Sim, ix: Ix, message: MessageId) -> MessageState {
    match sim.command(ix, Command::Message(message)) {
        Ok(Reply::Message(view)) => view.state,
        other => panic!("{:?}", other.err()),
    }
}

/// Both are friends, no question is open, and a text goes each way.
fn assert_whole(sim: &mut Sim) {
    assert!(sim.run_until(2 * HOUR, are_friends), "they are friends");
    assert!(waiting(sim, A).is_empty() && waiting(sim, B).is_empty(), "no question is open");
    for (from, to) in [(A, B), (B, A)] {
        let message = sim.say(from, to, "are we?").unwrap();
        assert!(sim.run_until(HOUR, |sim| state_of(sim, from, message) == MessageState::Delivered), "a text goes from {from} to {to}");
    }
    sim.check(false);
}

#[test]
fn r14_the_one_who_ended_it_asks_again_and_the_other_side_needs_no_question() {
    let mut sim = pair(1);
    befriend(&mut sim);
    unfriend(&mut sim, A, B);
    assert!(friend(&mut sim, A, B).is_none());
    ask(&mut sim, A, B);
    assert_whole(&mut sim);
}

#[test]
fn r14_the_one_who_was_left_asks_again_and_the_other_side_is_asked_once() {
    let mut sim = pair(2);
    befriend(&mut sim);
    unfriend(&mut sim, A, B);
    sim.run_for(MINUTE);
    ask(&mut sim, B, A);
    sim.run_for(MINUTE);
    assert!(friend(&mut sim, A, B).is_none());
    accept(&mut sim, A);
    assert_whole(&mut sim);
}

#[test]
fn r14_an_answer_that_came_while_its_asker_had_us_blocked_comes_again_by_itself() {
    let mut sim = pair(9);
    befriend(&mut sim);
    unfriend(&mut sim, A, B);
    sim.run_for(MINUTE);
    ask(&mut sim, B, A);
    sim.run_for(MINUTE);
    let blocked = Who(sim.nodes[A].peer.to_string());
    assert!(sim.command(B, Command::Block(blocked.clone())).is_ok());
    accept(&mut sim, A);
    // The answer arrives, looks taken in, and is dropped; the link that brought it lasts.
    sim.run_for(MINUTE);
    assert!(sim.command(B, Command::Unblock(blocked)).is_ok());
    assert_whole(&mut sim);
}

#[test]
fn r14_both_ended_it_and_one_asks_again() {
    let mut sim = pair(3);
    befriend(&mut sim);
    unfriend(&mut sim, A, B);
    unfriend(&mut sim, B, A);
    ask(&mut sim, A, B);
    sim.run_for(MINUTE);
    accept(&mut sim, B);
    assert_whole(&mut sim);
}

#[test]
fn r14_requests_that_cross_need_no_question() {
    let mut sim = pair(4);
    let (to_a, to_b) = (invite(&mut sim, A), invite(&mut sim, B));
    try_add(&mut sim, A, &to_b).unwrap();
    try_add(&mut sim, B, &to_a).unwrap();
    assert_whole(&mut sim);
}

#[test]
fn r14_requests_that_cross_and_are_both_accepted_settle_on_one_room() {
    for seed in 0..6 {
        let mut sim = pair(50 + seed);
        let (to_a, to_b) = (invite(&mut sim, A), invite(&mut sim, B));
        sim.set_apart(A, B, true);
        try_add(&mut sim, A, &to_b).unwrap();
        try_add(&mut sim, B, &to_a).unwrap();
        sim.run_for(10_000);
        sim.set_apart(A, B, false);
        // Each side answers as soon as it is asked, no matter who is faster.
        sim.run_until(HOUR, |sim| {
            for ix in [A, B] {
                for row in waiting(sim, ix) {
                    let _ = sim.command(ix, Command::Accept(row.request));
                }
            }
            are_friends(sim)
        });
        assert_whole(&mut sim);
    }
}

#[test]
fn r14_an_accept_that_is_lost_with_its_process_is_sent_again() {
    let mut sim = pair(5);
    ask(&mut sim, B, A);
    sim.run_for(MINUTE);
    sim.set_apart(A, B, true);
    accept(&mut sim, A);
    sim.crash(A, 1_000);
    sim.run_for(HOUR);
    assert!(friend(&mut sim, A, B).is_some_and(|friend| !friend.mutual), "accepted, waiting");
    sim.set_apart(A, B, false);
    assert_whole(&mut sim);
}

#[test]
fn what_was_written_before_the_confirmation_arrives_behind_it() {
    let mut sim = pair(6);
    ask(&mut sim, B, A);
    sim.run_for(MINUTE);
    sim.set_apart(A, B, true);
    accept(&mut sim, A);
    let early = sim.say(A, B, "early").unwrap();
    sim.run_for(HOUR);
    assert_eq!(state_of(&mut sim, A, early), MessageState::Queued);
    sim.set_apart(A, B, false);
    assert!(sim.run_until(HOUR, |sim| state_of(sim, A, early) == MessageState::Delivered));
    sim.check(true);
}

#[test]
fn r14_an_acceptor_whose_initiator_is_gone_is_told_after_a_month() {
    let mut sim = pair(7);
    ask(&mut sim, B, A);
    sim.run_for(MINUTE);
    sim.set_apart(A, B, true);
    accept(&mut sim, A);
    let waiting = sim.say(A, B, "hello?").unwrap();
    sim.run_for(31 * DAY);
    assert!(friend(&mut sim, A, B).is_none(), "not a friend for ever in waiting");
    assert_eq!(state_of(&mut sim, A, waiting), MessageState::Failed);
    sim.set_apart(A, B, false);
    sim.run_for(HOUR);
    ask(&mut sim, B, A);
    sim.run_for(MINUTE);
    accept(&mut sim, A);
    assert_whole(&mut sim);
}

#[test]
fn r14_a_node_that_was_set_up_again_is_a_new_person_and_the_old_one_stays_as_it_was() {
    let mut sim = pair(8);
    befriend(&mut sim);
    let old = sim.nodes[B].peer;
    let (cipher, seed) = (sim.seed(), sim.seed());
    sim.crash(B, 60_000);
    sim.nodes[B] = SimNode::new(cipher, Some("Ben".into()));
    let now = sim.now;
    sim.nodes[B].start(now, seed);
    sim.crash(B, 1_000);
    sim.run_for(2 * MINUTE);
    assert_ne!(sim.nodes[B].peer, old);
    ask(&mut sim, B, A);
    sim.run_for(MINUTE);
    accept(&mut sim, A);
    assert_whole(&mut sim);
    let Ok(Reply::Friends(friends)) = sim.command(A, Command::Friends) else { panic!() };
    let names: Vec<&str> = friends.iter().map(|friend| friend.name.as_str()).collect();
    assert_eq!(names, ["Ben", "Ben 2"]);
}

#[test]
fn what_was_queued_for_a_friend_who_lost_the_friendship_arrives_once_it_is_mended() {
    let mut sim = pair(9);
    befriend(&mut sim);
    sim.say(A, B, "before").unwrap();
    sim.run_for(MINUTE);
    unfriend(&mut sim, B, A);
    let queued: Vec<MessageId> = (0..10).map(|n| sim.say(A, B, &format!("while away {n}")).unwrap()).collect();
    sim.run_for(HOUR);
    for message in &queued {
        assert_eq!(state_of(&mut sim, A, *message), MessageState::Queued, "nothing is claimed");
    }
    ask(&mut sim, B, A);
    assert!(sim.run_until(HOUR, |sim| queued.iter().all(|message| state_of(sim, A, *message) == MessageState::Delivered)));
    sim.check(true);
}

#[test]
fn an_ended_friendship_keeps_petname_and_history_and_refuses_texts() {
    let mut sim = pair(10);
    befriend(&mut sim);
    assert!(sim.command(A, Command::Rename { friend: Who("Ben".into()), name: "Benni".into() }).is_ok());
    sim.say(A, B, "one").unwrap();
    sim.run_for(MINUTE);
    unfriend(&mut sim, A, B);
    let refused = sim.command(A, Command::Send { to: Who("Benni".into()), text: "x".into(), lifetime: None });
    assert_eq!(refused.err(), Some(CommandError::NotFriends));
    ask(&mut sim, A, B);
    assert_whole(&mut sim);
    assert_eq!(friend(&mut sim, A, B).unwrap().name, "Benni");
    let Ok(Reply::Messages(history)) =
        sim.command(A, Command::Read { who: Some(Who("Benni".into())), since: None, limit: None, peek: true })
    else {
        panic!()
    };
    assert_eq!(history.first().unwrap().text, "one");
    let conversations: std::collections::BTreeSet<_> = history.iter().map(|message| message.conversation).collect();
    assert_eq!(conversations.len(), 1);
}

#[test]
fn r08_a_blocked_friend_does_not_come_back_by_an_old_or_new_invite() {
    let mut sim = pair(11);
    befriend(&mut sim);
    let link = invite(&mut sim, A);
    assert!(sim.command(A, Command::Block(Who("Ben".into()))).is_ok());
    sim.run_for(MINUTE);
    try_add(&mut sim, B, &link).unwrap();
    sim.run_for(HOUR);
    assert!(waiting(&mut sim, A).is_empty());
    assert!(sim.say(B, A, "let me in").is_some());
    sim.run_for(HOUR);
    assert!(sim.history(A).is_empty());
    // Unblocked, the friendship continues where it was.
    assert!(sim.command(A, Command::Unblock(Who("Ben".into()))).is_ok());
    assert!(sim.run_until(HOUR, |sim| sim.history(A).len() == 1));
}

#[test]
fn a_message_that_is_given_up_says_why_and_lets_the_next_one_pass() {
    let mut sim = pair(12);
    befriend(&mut sim);
    sim.set_apart(A, B, true);
    let to = Who("Ben".into());
    let Ok(Reply::Message(short)) = sim.command(A, Command::Send { to, text: "only now".into(), lifetime: Some(MINUTE) }) else { panic!() };
    let kept = sim.say(A, B, "whenever").unwrap();
    sim.run_for(HOUR);
    let Ok(Reply::Message(view)) = sim.command(A, Command::Message(short.message)) else { panic!() };
    assert_eq!(view.state, MessageState::Failed);
    assert!(view.reason.is_some_and(|reason| reason.contains("time")));
    sim.set_apart(A, B, false);
    assert!(sim.run_until(HOUR, |sim| state_of(sim, A, kept) == MessageState::Delivered));
    let texts: Vec<String> = sim.history(B).into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["whenever"]);
}

#[test]
fn reading_is_told_to_the_writer_and_survives_a_time_apart() {
    let mut sim = pair(13);
    befriend(&mut sim);
    let messages: Vec<MessageId> = (0..5).map(|n| sim.say(A, B, &format!("{n}")).unwrap()).collect();
    sim.run_for(MINUTE);
    sim.set_apart(A, B, true);
    let read = Command::Read { who: Some(Who("Andi".into())), since: None, limit: None, peek: false };
    assert!(sim.command(B, read).is_ok());
    sim.run_for(HOUR);
    assert_eq!(state_of(&mut sim, A, messages[4]), MessageState::Delivered);
    sim.set_apart(A, B, false);
    assert!(sim.run_until(HOUR, |sim| messages.iter().all(|message| state_of(sim, A, *message) == MessageState::Read)));
    assert_eq!(friend(&mut sim, B, A).unwrap().unread, 0);
}

#[test]
fn the_writer_sees_as_read_only_what_was_shown_and_what_stands_above_it_once_that_is() {
    let mut sim = pair(13);
    befriend(&mut sim);
    let messages: Vec<MessageId> = (0..5).map(|n| sim.say(A, B, &format!("{n}")).unwrap()).collect();
    sim.run_for(MINUTE);
    let who = || Some(Who("Andi".into()));
    let read = |sim: &mut Sim| -> Vec<bool> {
        sim.run_for(MINUTE);
        messages.iter().map(|message| state_of(sim, A, *message) == MessageState::Read).collect()
    };
    assert!(sim.command(B, Command::Read { who: who(), since: Some(messages[2]), limit: None, peek: false }).is_ok());
    assert_eq!(read(&mut sim), [false; 5], "the last two were shown, the first three were not");
    assert_eq!(friend(&mut sim, B, A).unwrap().unread, 3);
    assert!(sim.command(B, Command::ReadBefore { who: who(), before: messages[1], limit: Some(1), peek: false }).is_ok());
    assert_eq!(read(&mut sim), [true, false, false, false, false]);
    assert!(sim.command(B, Command::Read { who: who(), since: Some(messages[0]), limit: Some(1), peek: false }).is_ok());
    assert_eq!(read(&mut sim), [true, true, false, false, false]);
    assert!(sim.command(B, Command::Read { who: who(), since: Some(messages[1]), limit: Some(1), peek: false }).is_ok());
    assert_eq!(read(&mut sim), [true; 5], "the gap is closed");
    assert_eq!(friend(&mut sim, B, A).unwrap().unread, 0);
}

#[test]
fn a_friend_who_answers_is_already_a_friend() {
    let mut sim = pair(14);
    befriend(&mut sim);
    sim.run_for(MINUTE);
    let link = invite(&mut sim, A);
    assert_eq!(try_add(&mut sim, B, &link).err(), Some(CommandError::AlreadyFriends));
}

/// All texts of both, and whether each is delivered.
fn are_delivered(sim: &mut Sim, sent: &[(Ix, MessageId)]) -> bool {
    sent.iter()
        .all(|(ix, message)| sim.nodes[*ix].is_up() && matches!(state_of(sim, *ix, *message), MessageState::Delivered | MessageState::Read))
}

fn send(sim: &mut Sim, ix: Ix, other: Ix, text: &str) -> (Ix, MessageId) {
    (ix, sim.say(ix, other, text).unwrap())
}

fn problems(sim: &mut Sim, ix: Ix) -> Vec<String> {
    let Ok(Reply::Status(status)) = sim.command(ix, Command::Status) else { panic!() };
    status.problems
}

#[test]
fn friends_who_update_a_day_apart_lose_nothing_and_both_see_why_texts_wait() {
    for seed in 0..2 {
        let mut sim = pair(seed);
        befriend(&mut sim);
        let mut sent = vec![send(&mut sim, A, B, "before"), send(&mut sim, B, A, "and back")];
        assert!(sim.run_until(HOUR, |sim| are_delivered(sim, &sent)));
        // Ben's build is older from the beginning; Andi updates.
        sim.nodes[B].build = Some(WIRE_VERSION - 1);
        sim.crash(B, 1);
        sim.update(A, MINUTE);
        sim.run_for(10 * MINUTE);
        sent.extend([send(&mut sim, A, B, "one has updated"), send(&mut sim, B, A, "so?")]);
        sim.run_for(DAY);
        assert!(!are_delivered(&mut sim, &sent[2..3]) && !are_delivered(&mut sim, &sent[3..]), "they wait");
        assert!(problems(&mut sim, A).iter().any(|problem| problem.contains("older version")), "{:?}", problems(&mut sim, A));
        assert!(problems(&mut sim, B).iter().any(|problem| problem.contains("newer version")), "{:?}", problems(&mut sim, B));
        assert_eq!(state_of(&mut sim, A, sent[2].1), MessageState::Queued);

        sim.update(B, MINUTE);
        assert!(sim.run_until(3 * HOUR, |sim| are_delivered(sim, &sent)), "seed {seed}");
        sent.extend([send(&mut sim, A, B, "now"), send(&mut sim, B, A, "now")]);
        assert!(sim.run_until(HOUR, |sim| are_delivered(sim, &sent)));
        for ix in [A, B] {
            assert_eq!(problems(&mut sim, ix), Vec::<String>::new(), "nobody is said to be a copy");
            assert_eq!(waiting(&mut sim, ix).len(), 0, "nobody is asked");
        }
    }
}

#[test]
fn friends_who_both_update_on_machines_and_a_network_that_fail_lose_nothing() {
    for seed in 0..12 {
        let mut sim = pair(100 + seed);
        befriend(&mut sim);
        sim.faults = Faults::ROUGH;
        let mut sent = vec![send(&mut sim, A, B, "in the old room"), send(&mut sim, B, A, "there, too")];
        sim.run_for(seed * 100);
        let pauses = [seed % 3 * MINUTE + 1, seed % 5 * 10 * MINUTE + 1];
        sim.update(A, pauses[0]);
        sim.update(B, pauses[1]);
        for round in 0..6 {
            sim.run_for(5 * MINUTE);
            for (from, to) in [(A, B), (B, A)].into_iter().filter(|(from, _)| sim.nodes[*from].is_up()).collect::<Vec<_>>() {
                match sim.say(from, to, &format!("round {round}")) {
                    Some(text) => sent.push((from, text)),
                    None => assert!(!sim.nodes[from].is_up(), "seed {seed}: only a death answers nothing"),
                }
            }
            if seed % 2 == 0 {
                sim.crash(if round % 2 == 0 { A } else { B }, MINUTE);
            }
        }
        sim.faults = Faults::NONE;
        assert!(sim.run_until(6 * HOUR, |sim| sim.nodes.iter().all(SimNode::is_up) && are_delivered(sim, &sent)), "seed {seed}");
        for ix in [A, B] {
            let said = problems(&mut sim, ix);
            assert!(!said.iter().any(|problem| problem.contains("copy")), "seed {seed}: {said:?}");
        }
    }
}
