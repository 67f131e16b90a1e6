//! Friends carry what is for members of a common room whom the writer does not meet.

use super::*;

/// A private text of one friend to another.
fn text_to(sim: &mut Sim, ix: Ix, to: &str, text: &str) -> MessageView {
    say(sim, ix, to, text)
}

fn state_of(sim: &mut Sim, ix: Ix, of: &MessageView) -> MessageState {
    sim.message(ix, of.message).state
}

/// Ana, who is a friend of Ben and of Cem, who are none of each other.
fn between_two(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    for name in ["Ana", "Ben", "Cem"] {
        sim.add(name);
    }
    sim.befriend(ANA, BEN);
    sim.befriend(ANA, CEM);
    sim.run_for(HOUR);
    sim
}

#[test]
fn s4_11_a_friend_in_between_carries_private_and_room_texts_of_two_who_never_meet() {
    let mut sim = crew(31, &["Ana", "Ben", "Cem"]);
    sim.set_apart(ANA, CEM, true);
    let private = text_to(&mut sim, ANA, "Cem", "for you alone");
    let said = say(&mut sim, ANA, "The crew", "for both of you");
    sim.run_for(5 * MINUTE);
    assert_eq!(texts(&mut sim, CEM, "Ana"), ["for you alone"]);
    for ix in [BEN, CEM] {
        assert_eq!(texts(&mut sim, ix, "The crew"), ["for both of you"], "of {ix}");
    }
    for sent in [&private, &said] {
        assert_eq!(state_of(&mut sim, ANA, sent), MessageState::Delivered, "the receipt comes back the same way");
    }
    let answer = text_to(&mut sim, CEM, "Ana", "and back");
    sim.run_for(5 * MINUTE);
    assert_eq!(texts(&mut sim, ANA, "Cem"), ["and back", "for you alone"]);
    assert_eq!(state_of(&mut sim, CEM, &answer), MessageState::Delivered);
    // When they meet, nothing comes twice.
    sim.set_apart(ANA, CEM, false);
    sim.run_for(HOUR);
    assert_eq!(texts(&mut sim, CEM, "Ana"), ["and back", "for you alone"]);
    assert_eq!(texts(&mut sim, CEM, "The crew"), ["for both of you"]);
}

#[test]
fn s4_11_what_is_carried_outlives_crashes_and_reaches_who_is_never_on_at_the_same_time() {
    let mut sim = crew(32, &["Ana", "Ben", "Cem"]);
    sim.set_apart(ANA, CEM, true);
    sim.crash(CEM, DAY);
    let mut sent: Vec<MessageView> = (0..150).map(|number| say(&mut sim, ANA, "The crew", &format!("number {number:03}"))).collect();
    sent.push(text_to(&mut sim, ANA, "Cem", "for you alone"));
    sim.run_for(10 * MINUTE);
    // Ben has what he takes at once: 64 envelopes.
    sim.crash(ANA, 3 * DAY);
    sim.run_for(HOUR);
    sim.crash(BEN, MINUTE);
    sim.run_for(DAY + HOUR);
    assert_eq!(texts(&mut sim, CEM, "The crew").len(), 64);
    sim.crash(CEM, 3 * DAY);
    sim.run_for(2 * DAY);
    // Ana is back, and hears of them; Cem is away again.
    let delivered = sent.iter().filter(|view| sim.message(ANA, view.message).tally.is_some_and(|tally| tally.delivered == 2)).count();
    assert_eq!(delivered, 64);
    sim.run_for(3 * DAY);
    assert_eq!(texts(&mut sim, CEM, "The crew").len(), 150);
    assert_eq!(texts(&mut sim, CEM, "Ana"), ["for you alone"]);
    for view in &sent {
        assert_eq!(state_of(&mut sim, ANA, view), MessageState::Delivered);
    }
}

#[test]
fn members_who_are_no_friends_and_have_no_relay_hear_each_other_by_the_friend_of_both() {
    let mut sim = between_two(33);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben", "Cem"]);
    sim.run_for(10 * MINUTE);
    let sent = say(&mut sim, BEN, "The crew", "good morning");
    say(&mut sim, CEM, "The crew", "hello");
    sim.run_for(10 * MINUTE);
    for ix in [ANA, BEN, CEM] {
        assert_eq!(texts(&mut sim, ix, "The crew"), ["good morning", "hello"], "of {ix}");
    }
    assert_eq!(state_of(&mut sim, BEN, &sent), MessageState::Delivered);
}

/// A relay that takes no more mailboxes leaves members of one room with one and members without.
#[test]
fn what_a_relay_brought_is_receipted_by_the_friend_of_both_when_its_writer_has_no_relay() {
    let mut sim = Sim::new(35, Faults::NONE);
    for name in ["Ana", "Ben", "Cem"] {
        sim.add(name);
    }
    let (_, link) = sim.add_relay();
    assert!(sim.command(CEM, Command::RelayAdd { link, claim: None }).is_ok());
    sim.run_for(MINUTE);
    sim.befriend(ANA, BEN);
    sim.befriend(ANA, CEM);
    sim.run_for(HOUR);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben", "Cem"]);
    sim.run_for(HOUR);
    let before = sim.tally.fetched;
    let sent = say(&mut sim, BEN, "The crew", "good morning");
    sim.run_for(10 * MINUTE);
    assert_eq!(texts(&mut sim, CEM, "The crew"), ["good morning"]);
    assert!(sim.tally.fetched > before, "it came by his relay");
    assert_eq!(sim.message(BEN, sent.message).tally.map(|tally| (tally.delivered, tally.members)), Some((2, 2)));
    let Ok(Reply::Status(status)) = sim.command(CEM, Command::Status) else { panic!("no status") };
    assert_eq!(status.queue, 0, "the list waits for nobody");
}

#[test]
fn nothing_is_carried_between_friends_who_are_in_no_room_with_the_courier() {
    let mut sim = Sim::new(34, Faults::NONE);
    for name in ["Ana", "Ben", "Cem"] {
        sim.add(name);
    }
    for (a, b) in [(ANA, BEN), (BEN, CEM), (ANA, CEM)] {
        sim.befriend(a, b);
    }
    sim.run_for(HOUR);
    sim.set_apart(ANA, CEM, true);
    let sent = text_to(&mut sim, ANA, "Cem", "by nobody");
    sim.run_for(HOUR);
    assert_eq!(texts(&mut sim, CEM, "Ana"), Vec::<String>::new());
    assert_eq!(state_of(&mut sim, ANA, &sent), MessageState::Queued);
    sim.set_apart(ANA, CEM, false);
    sim.run_for(HOUR);
    assert_eq!(texts(&mut sim, CEM, "Ana"), ["by nobody"]);
}

#[test]
fn what_a_courier_brings_before_the_welcome_of_who_comes_in_comes_again_behind_it() {
    let mut sim = between_two(35);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben"]);
    sim.run_for(MINUTE);
    add(&mut sim, ANA, "The crew", &["Cem"]);
    assert!(sim.run_until(MINUTE, |sim| rooms(sim, ANA)[0].members == 3));
    // The Welcome does not arrive. What Ben says to Cem lies with Ana, and is put first when she meets him.
    sim.set_apart(ANA, CEM, true);
    sim.run_for(MINUTE);
    assert!(rooms(&mut sim, CEM).is_empty());
    sim.set_apart(ANA, CEM, false);
    assert!(sim.run_until(HOUR, |sim| rooms(sim, CEM).len() == 1));
    let sent = say(&mut sim, BEN, "The crew", "welcome");
    let answer = say(&mut sim, CEM, "The crew", "thank you");
    sim.run_for(MINUTE);
    assert_eq!(texts(&mut sim, CEM, "The crew"), ["thank you", "welcome"]);
    assert_eq!(texts(&mut sim, BEN, "The crew"), ["thank you", "welcome"]);
    assert_eq!((state_of(&mut sim, BEN, &sent), state_of(&mut sim, CEM, &answer)), (MessageState::Delivered, MessageState::Delivered));
}

/// Of the friends who are here and in the room as well, most do not know who is written to.
#[test]
fn what_those_who_carry_cannot_bring_is_given_to_others_until_somebody_does() {
    for seed in 36..40 {
        let names = ["Ana", "Ben", "Cem", "Dea", "Eda", "Fay"];
        let mut sim = Sim::new(seed, Faults::NONE);
        for name in names {
            sim.add(name);
        }
        for ix in 1..names.len() {
            sim.befriend(ANA, ix);
        }
        for ix in DEA..names.len() {
            sim.befriend(BEN, ix);
        }
        sim.run_for(HOUR);
        create(&mut sim, ANA, "The crew");
        add(&mut sim, ANA, "The crew", &names[1..]);
        sim.run_for(10 * MINUTE);
        let sent = say(&mut sim, BEN, "The crew", "good morning");
        sim.run_for(MINUTE);
        assert_eq!(texts(&mut sim, CEM, "The crew"), ["good morning"], "seed {seed}");
        assert_eq!(state_of(&mut sim, BEN, &sent), MessageState::Delivered, "seed {seed}");
        say(&mut sim, BEN, "The crew", "good evening");
        sim.run_for(MINUTE / 3);
        assert_eq!(texts(&mut sim, CEM, "The crew").len(), 2, "seed {seed}: who has met Cem is first");
    }
}
