//! Friendship: none, half, mutual. Petnames, trust, and what each state allows.

use super::{Pair, talk};
use symbolon_core::command::{Command, CommandError, MessageState, Reply, Trust, Who};
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_tests::sim::{Faults, Sim};

#[test]
fn messages_to_half_a_friend_wait_and_go_when_the_other_side_confirms() {
    let mut pair = Pair::accepted_apart(1);
    let (a, b) = (pair.a, pair.b);
    let early: Vec<_> = (0..3).map(|n| pair.sim.say(a, b, &format!("early {n}")).unwrap()).collect();
    pair.sim.restart(a);
    pair.sim.run_for(HOUR);
    for id in &early {
        assert_eq!(pair.sim.message_state(a, *id), MessageState::Queued);
    }
    pair.meet();
    pair.sim.run_for(HOUR);
    assert_eq!(pair.sim.texts(b), ["early 0", "early 1", "early 2"]);
    pair.are_friends_and_talk();
}

#[test]
fn more_than_a_bounded_number_of_messages_to_half_a_friend_is_refused() {
    let mut pair = Pair::accepted_apart(1);
    let (a, b) = (pair.a, pair.b);
    let mut sent = 0;
    while pair.sim.say(a, b, "x").is_some() {
        sent += 1;
        assert!(sent <= 1_000);
    }
    assert_eq!(sent, 1_000);
    let to = Who(pair.sim.nodes[b].peer.to_string());
    assert_eq!(pair.sim.command(a, Command::Send { to, text: "x".into(), lifetime: None }).err(), Some(CommandError::Full));
    pair.meet();
    pair.sim.run_for(HOUR);
    pair.sim.check(true);
    assert_eq!(pair.sim.texts(b).len(), 1_000);
}

#[test]
fn a_friend_cannot_be_added_again() {
    let mut pair = Pair::new(1);
    pair.sim.accept(pair.a, pair.incoming).unwrap();
    pair.sim.run_for(MINUTE);
    for (node, other) in [(pair.a, pair.b), (pair.b, pair.a)] {
        let link = pair.sim.invite(other);
        let before = pair.sim.rows(node);
        assert_eq!(pair.sim.ask(node, &link), Err(CommandError::AlreadyFriends));
        let peer = pair.sim.nodes[other].peer.to_string();
        assert_eq!(pair.sim.ask(node, &peer), Err(CommandError::AlreadyFriends));
        assert!(pair.sim.rows(node) == before);
    }
}

#[test]
fn half_a_friendship_that_led_nowhere_can_be_begun_again() {
    // The Accept never arrives: the one who asked gives up after thirty days.
    let mut pair = Pair::accepted_apart(1);
    let (a, b) = (pair.a, pair.b);
    let held = Who(pair.sim.nodes[b].peer.to_string());
    let held = pair.sim.command(a, Command::Send { to: held, text: "written meanwhile".into(), lifetime: None });
    let Ok(Reply::Message(held)) = held else { panic!("messages may be written to half a friend") };
    pair.sim.run_for(31 * DAY);
    pair.meet();
    pair.sim.run_for(HOUR);
    assert!(!pair.sim.are_friends(a, b));
    let link = pair.sim.invite(b);
    assert!(pair.sim.ask(a, &link).is_ok(), "half a friend can be asked");
    pair.sim.run_for(HOUR);
    let id = pair.sim.pending(b).unwrap();
    pair.sim.accept(b, id).unwrap();
    pair.sim.run_for(HOUR);
    pair.are_friends_and_talk();
    let held = pair.sim.message(a, held.message);
    assert!(held.state == MessageState::Failed && held.reason.is_some(), "what was written to the first one is not lost without a word");
}

#[test]
fn petnames_clash_without_regard_to_case_and_get_a_number() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    for name in ["Ben", "ben", "BEN"] {
        let b = sim.add(name);
        sim.befriend(a, b);
    }
    let mut names: Vec<String> = sim.friends(a).into_iter().map(|friend| friend.name).collect();
    names.sort();
    assert_eq!(names, ["BEN 3", "Ben", "ben 2"]);
    let taken = Command::Rename { friend: Who("ben 2".into()), name: "BEN".into() };
    assert_eq!(sim.command(a, taken).err(), Some(CommandError::NameTaken));
    assert!(sim.command(a, Command::Rename { friend: Who("ben 2".into()), name: "Benno".into() }).is_ok());
    assert!(sim.command(a, Command::Send { to: Who("benno".into()), text: "x".into(), lifetime: None }).is_ok());
}

#[test]
fn nobody_is_verified_on_either_side_before_words_were_compared_there() {
    let mut pair = Pair::new(1);
    pair.sim.accept(pair.a, pair.incoming).unwrap();
    pair.sim.run_for(MINUTE);
    let (a, b) = (pair.a, pair.b);
    for (who, friend) in [(a, "Ben"), (b, "Andi")] {
        assert!(pair.sim.friends(who)[0].trust == Trust::Invited);
        let compare = |words: Option<String>| Command::Verify { friend: Who(friend.into()), words };
        pair.sim.command(who, compare(None)).unwrap();
        assert_eq!(pair.sim.command(who, compare(Some("other words".into()))).err(), Some(CommandError::WordsDiffer));
        assert!(pair.sim.friends(who)[0].trust == Trust::Invited, "looking at them is no comparison");
        let words = pair.sim.friends(who)[0].words.clone();
        pair.sim.command(who, compare(Some(words))).unwrap();
        assert!(pair.sim.friends(who)[0].trust == Trust::Verified);
    }
    talk(&mut pair.sim, a, b);
}
