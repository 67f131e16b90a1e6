//! Attacks by somebody who is blocked: every way back in.

use super::Scene;
use symbolon_core::command::{Command, CommandError, MessageState, RequestStatus, Who};
use symbolon_core::seam::Event;
use symbolon_core::table::Table;
use symbolon_presence::id::Nonce;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_tests::sim::{Faults, Sim};

#[test]
fn r8_a_blocked_stranger_does_not_come_back_by_another_invite_request_or_replay() {
    let mut scene = Scene::new(1);
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame.clone());
    let id = scene.sim.pending(scene.node).unwrap();
    scene.sim.block(scene.node, id).unwrap();
    let (requests, events) = (scene.sim.requests(scene.node).len(), scene.sim.events[scene.node].len());
    scene.taken(frame);
    let invite = scene.sim.invite(scene.node);
    let to = scene.sim.contact_of(&invite);
    let again = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&to, Nonce([3; 16]), &again);
    scene.taken(frame);
    scene.sim.restart(scene.node);
    scene.link = scene.sim.rogue_link(scene.node);
    let invite = scene.sim.invite(scene.node);
    let to = scene.sim.contact_of(&invite);
    let again = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&to, Nonce([4; 16]), &again);
    scene.taken(frame);
    assert_eq!(scene.sim.requests(scene.node).len(), requests);
    assert_eq!(scene.sim.events[scene.node].len(), events, "nobody hears of it");
    // Nor can the user add him by mistake.
    let invite = scene.mallory.invite(&mut scene.sim);
    assert_eq!(scene.sim.ask(scene.node, &invite), Err(CommandError::IsBlocked));
    assert_eq!(scene.sim.ask(scene.node, &scene.mallory.peer().to_string()), Err(CommandError::IsBlocked));
}

/// Both asked each other; then one blocks the other's request.
fn crossed_and_blocked(seed: u64) {
    let mut sim = Sim::new(seed, Faults::NONE);
    let (mut a, mut b) = (sim.add("Andi"), sim.add("Ben"));
    if sim.nodes[a].peer > sim.nodes[b].peer {
        (a, b) = (b, a);
    }
    // `a` comes first in the order of crossed requests: nothing of `b` is accepted by itself.
    let (of_a, of_b) = (sim.invite(a), sim.invite(b));
    sim.spread(&of_a);
    sim.spread(&of_b);
    sim.set_apart(a, b, true);
    let by_a = sim.ask(a, &of_b).unwrap();
    sim.ask(b, &of_a).unwrap();
    sim.run_for(MINUTE);
    sim.set_apart(a, b, false);
    // `b`'s Offer arrives, and is blocked before `b` has answered `a`'s.
    assert!(sim.run_until(HOUR, |sim| sim.pending(a).is_some()));
    let id = sim.pending(a).unwrap();
    sim.block(a, id).unwrap();
    sim.run_for(DAY);
    let peer = sim.nodes[b].peer;
    assert!(!sim.is_friend(a, &peer), "the blocked one did not become a friend by answering");
    assert_eq!(sim.status_of(a, id), RequestStatus::Blocked);
    assert!(sim.status_of(a, by_a) != RequestStatus::Confirmed);
}

#[test]
fn r8_somebody_who_was_blocked_does_not_become_a_friend_by_answering_our_own_request() {
    for seed in 0..6 {
        crossed_and_blocked(seed);
    }
}

#[test]
fn a_blocked_friends_messages_wait_at_the_friend_and_arrive_after_the_block_is_taken_back() {
    let mut sim = Sim::new(5, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.befriend(a, b);
    let ben = Who(sim.nodes[b].peer.to_string());
    sim.command(a, Command::Block(ben.clone())).unwrap();
    sim.run_for(MINUTE);
    let told = sim.events[a].len();
    let message = sim.say(b, a, "are you there?").unwrap();
    sim.run_for(DAY);
    assert!(sim.texts(a).is_empty());
    assert_eq!(sim.message_state(b, message), MessageState::Queued, "not called delivered, not failed either");
    assert_eq!(sim.command(a, Command::Send { to: ben.clone(), text: "no".into(), lifetime: None }).err(), Some(CommandError::IsBlocked));
    assert!(!sim.events[a][told..].iter().any(|event| matches!(event, Event::Online { online: true, .. })), "nor is the blocker bothered");
    let seen = sim.friend(b, &sim.nodes[a].peer.clone()).unwrap();
    assert!(seen.online != Some(true), "to the blocked it looks as if the node were off");
    sim.command(a, Command::Unblock(ben)).unwrap();
    sim.run_for(HOUR);
    assert_eq!(sim.texts(a), ["are you there?"]);
    sim.check(true);
}

#[test]
fn a_block_survives_a_restart() {
    let mut sim = Sim::new(5, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.befriend(a, b);
    let ben = Who(sim.nodes[b].peer.to_string());
    sim.command(a, Command::Block(ben)).unwrap();
    sim.restart(a);
    sim.say(b, a, "hello?").unwrap();
    sim.run_for(DAY);
    assert!(sim.texts(a).is_empty());
}

#[test]
fn a_block_taken_back_after_the_friendship_ended_leaves_nothing_blocked() {
    let mut sim = Sim::new(5, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.befriend(a, b);
    let ben = Who(sim.nodes[b].peer.to_string());
    sim.command(a, Command::Block(ben.clone())).unwrap();
    sim.command(a, Command::Unfriend(ben.clone())).unwrap();
    sim.command(a, Command::Unblock(ben)).unwrap();
    assert_eq!(sim.nodes[a].store.count(Table::Blocked), 0);
    let link = sim.invite(b);
    assert!(sim.ask(a, &link).is_ok());
}
