//! Attacks on delivery: what friends and strangers can do to messages under way.

use symbolon_core::seam::Input;
use symbolon_core::wire::Known;
use symbolon_presence::codec;
use symbolon_presence::id::EpochId;
use symbolon_presence::id::Nonce;
use symbolon_presence::time::{HOUR, MINUTE};
use symbolon_relay::put::{Outcome, Refusal};
use symbolon_tests::craft::{Actor, outcomes};
use symbolon_tests::sim::run::nowhere;
use symbolon_tests::sim::{Faults, Sim};

#[test]
fn a_thousand_messages_to_a_friend_who_is_away_arrive_when_the_friend_is_back() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.befriend(a, b);
    // Only the writer can dial: its first frame on a new link is sealed behind all the texts.
    sim.input(a, Input::Addresses(vec![nowhere()]));
    sim.run_for(MINUTE);
    sim.set_apart(a, b, true);
    for line in 0..1_000 {
        sim.say(a, b, &format!("{line}")).unwrap();
    }
    sim.run_for(HOUR);
    sim.set_apart(a, b, false);
    sim.run_for(HOUR);
    sim.check(true);
}

#[test]
fn r15_a_message_that_was_refused_is_never_called_delivered_when_it_is_sent_again() {
    let mut sim = Sim::new(2, Faults::NONE);
    let a = sim.add("Andi");
    let mut mallory = Actor::new(7, sim.now);
    let (bond, link) = mallory.befriend(&mut sim, a);
    let known = Known { room: bond.room, epoch: EpochId([0; 32]), sequence: Some(0), mls: b"not a room message".to_vec(), piece: None };
    let frame = mallory.known_frame(&bond, &codec::encode(&known));
    for _ in 0..3 {
        assert_eq!(outcomes(&sim.rogue_send(link, frame.clone())), [Outcome::Refused(Refusal::Refused)]);
    }
    // Neither is one that cannot be read, nor one whose place is taken.
    let garbled = mallory.known_frame(&bond, b"not a known payload");
    let late = mallory.known_frame(&bond, &codec::encode(&known));
    for frame in [garbled, late] {
        for _ in 0..3 {
            assert_eq!(outcomes(&sim.rogue_send(link, frame.clone())), [Outcome::Refused(Refusal::Refused)]);
        }
    }
    assert!(sim.texts(a).is_empty());
}

#[test]
fn frames_of_an_older_room_that_waited_do_not_take_the_places_of_the_new_ones() {
    let mut sim = Sim::new(2, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    // Frame 0 is lost; 1 and 2 wait for it.
    let lost: Vec<Vec<u8>> = (0..3).map(|n| ben.say(&bond, &format!("old {n}"), sim.now)).collect();
    sim.rogue_send(link, lost[1].clone());
    sim.rogue_send(link, lost[2].clone());
    // Ben has lost the friendship and asks again; both are in another room.
    sim.run_for(1_000);
    let invite = sim.invite(a);
    let to = sim.contact_of(&invite);
    let offer = ben.offer(sim.now);
    let frame = ben.offer_frame(&to, Nonce([5; 16]), &offer);
    let heard = sim.rogue_send(link, frame);
    let accept = heard.iter().find_map(|frame| ben.hear(frame, sim.now)).expect("a friend who asks again is answered");
    let (bond, confirm) = ben.complete(&offer, &accept, sim.now);
    sim.rogue_send(link, confirm);
    ben.sequence = 0;
    for n in 0..4 {
        let frame = ben.say(&bond, &format!("new {n}"), sim.now);
        assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Delivered], "new {n}");
    }
    assert_eq!(sim.texts(a), ["new 0", "new 1", "new 2", "new 3"]);
}

#[test]
fn another_text_in_a_place_that_was_opened_already_is_not_shown() {
    let mut sim = Sim::new(3, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(8, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    let first = ben.say(&bond, "in its place", sim.now);
    assert_eq!(outcomes(&sim.rogue_send(link, first)), [Outcome::Delivered]);
    // As an older copy of Ben's folder would, or one who gave the first one up.
    ben.sequence -= 1;
    let second = ben.say(&bond, "in the same place", sim.now);
    assert!(outcomes(&sim.rogue_send(link, second)).is_empty(), "no answer");
    assert_eq!(sim.texts(a), ["in its place"]);
    let next = ben.say(&bond, "behind it", sim.now);
    assert_eq!(outcomes(&sim.rogue_send(link, next)), [Outcome::Delivered]);
    assert_eq!(sim.texts(a), ["in its place", "behind it"]);
}
