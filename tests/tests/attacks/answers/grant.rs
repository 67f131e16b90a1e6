//! The reply grant of an Offer: who may answer by it, and how long.

use super::*;

#[test]
fn a103_the_reply_grant_of_an_offer_ends_a_day_after_confirm_and_repeats_are_answered_as_before() {
    let mut asked = Asked::new(3);
    let (first, _, confirm) = asked.accepted();
    // Our Confirm is acknowledged.
    let stored = asked.ben.receipt(asked.sim.now, &[confirm.frame], Outcome::Stored(asked.sim.now.after(DAY)));
    asked.sim.rogue_send(asked.link, stored);
    assert_eq!(asked.sim.status_of(asked.node, asked.request), RequestStatus::Confirmed);
    // Within the day a second device's answer is looked at.
    asked.sim.run_for(23 * HOUR);
    let second = asked.another();
    assert!(matches!(asked.on_a_fresh_link(second.clone()).as_slice(), [Outcome::Stored(_)]));
    asked.sim.run_for(2 * HOUR);
    for _ in 0..2 {
        let late = asked.another();
        assert!(asked.on_a_fresh_link(late).is_empty(), "nothing is answered: as under a wrong key");
        for repeat in [&first, &second] {
            assert!(matches!(asked.on_a_fresh_link(repeat.clone()).as_slice(), [Outcome::Stored(_)]), "the receipt may have been lost");
        }
        asked.sim.run_for(31 * DAY);
    }
}

#[test]
fn a103_who_is_blocked_or_parted_from_gets_nothing_for_their_reply_grant() {
    for unfriend in [false, true] {
        let mut asked = Asked::new(4);
        let (first, ..) = asked.accepted();
        let command = if unfriend { Command::Unfriend(asked.who()) } else { Command::Block(asked.who()) };
        asked.sim.command(asked.node, command).unwrap();
        for _ in 0..40 {
            let late = asked.another();
            assert!(asked.on_a_fresh_link(late).is_empty(), "at once, and as under a wrong key");
        }
        assert!(matches!(asked.on_a_fresh_link(first).as_slice(), [Outcome::Stored(_)]), "what was answered is answered the same");
        asked.sim.run_for(40 * DAY);
        let late = asked.another();
        assert!(asked.on_a_fresh_link(late).is_empty(), "also when it has expired");
    }
}

#[test]
fn a103_who_answers_a_request_that_was_taken_back_is_told_so_for_a_day_and_then_nothing() {
    let mut asked = Asked::new(5);
    asked.sim.command(asked.node, Command::Cancel(asked.request)).unwrap();
    assert_eq!(asked.sim.status_of(asked.node, asked.request), RequestStatus::Cancelled);
    let late = asked.another();
    assert_eq!(asked.on_a_fresh_link(late), [Outcome::Refused(Refusal::Refused)]);
    assert!(asked.sim.friends(asked.node).is_empty());
    asked.sim.run_for(DAY + MINUTE);
    let late = asked.another();
    assert!(asked.on_a_fresh_link(late).is_empty());
    // Once is enough, and what has been answered cannot be taken back.
    asked.sim.command(asked.node, Command::Cancel(asked.request)).unwrap();
    let mut other = Asked::new(6);
    other.accepted();
    let request = other.request;
    assert_eq!(other.sim.command(other.node, Command::Cancel(request)).err(), Some(CommandError::WrongStatus));
}

#[test]
fn a103_a_reply_grant_that_expired_by_itself_gets_nothing() {
    let mut asked = Asked::new(7);
    asked.sim.run_for(32 * DAY);
    assert_eq!(asked.sim.status_of(asked.node, asked.request), RequestStatus::Expired);
    let late = asked.another();
    assert!(asked.on_a_fresh_link(late).is_empty());
}

#[test]
fn a103_a_reply_grant_takes_answers_in_bounded_numbers_and_no_room_frames() {
    let mut asked = Asked::new(8);
    asked.accepted();
    let reply = asked.offered().replies[0].clone();
    // Taken in: each of them hears that it is settled.
    let mut taken = 1;
    for round in 0..80 {
        if round % 30 == 29 {
            asked.sim.run_for(MINUTE);
        }
        let answer = asked.another();
        asked.sim.run_for(1);
        match asked.on_a_fresh_link(answer).as_slice() {
            [Outcome::Stored(_)] => taken += 1,
            [Outcome::Refused(Refusal::Refused)] => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken, ANSWERS_MAX);
    // A friend's frame under the guest's grant is none.
    let key = asked.ben.identity.dh.clone();
    let device = asked.offer.device.clone();
    let known = Ratchet::agree(&asked.ben.seed, &key, &device.dh, &asked.ben.identity.device, &device.device);
    let known = known.ahead(0).unwrap().seal(&[7; 12], b"x").unwrap();
    let before = asked.sim.dropped(asked.node, "malformed");
    asked.sim.run_for(MINUTE);
    asked.on_a_fresh_link(put(&reply, None, known));
    assert_eq!(asked.sim.dropped(asked.node, "malformed") + asked.sim.dropped(asked.node, "unexpected"), before + 1 + 17);
}

#[test]
fn a103_a_confirm_that_is_refused_after_its_receiver_was_heard_in_the_room_counts_as_delivered() {
    for refused_first in [false, true] {
        let mut asked = Asked::new(9);
        let (_, offered, confirm) = asked.accepted();
        let body: ConfirmBody = codec::decode(&confirm.statement.body, PAYLOAD_MAX).unwrap();
        let room = asked.ben.cipher.inspect(&offered.group_info).unwrap().room;
        let bundle = asked.ben.open_bundle(room, &body.bundle.unwrap());
        let bond = Bond { device: confirm.device.clone(), room, bundle };
        assert_eq!(asked.sim.status_of(asked.node, asked.request), RequestStatus::Accepted, "the Confirm is not acknowledged");
        let refusal = asked.ben.receipt(asked.sim.now, &[confirm.frame], Outcome::Refused(Refusal::Refused));
        let text = asked.ben.say(&bond, "I have it", asked.sim.now);
        if refused_first {
            asked.sim.rogue_send(asked.link, refusal);
            asked.sim.rogue_send(asked.link, text);
        } else {
            asked.sim.rogue_send(asked.link, text);
            assert_eq!(asked.sim.status_of(asked.node, asked.request), RequestStatus::Confirmed, "heard in the room");
            asked.sim.rogue_send(asked.link, refusal);
        }
        assert_eq!(asked.sim.status_of(asked.node, asked.request), RequestStatus::Confirmed);
        assert!(asked.sim.is_friend(asked.node, &asked.ben.peer()));
        let steps = asked.sim.nodes[asked.node].store.rows(Table::Outbox).filter(|(key, _)| key[16] < 0x80).count();
        assert_eq!(steps, 0, "and it is not put again");
        assert_eq!(asked.sim.texts(asked.node), ["I have it"]);
    }
}

#[test]
fn a103_a_block_that_is_taken_back_lets_the_answer_in_that_waits() {
    let mut sim = Sim::new(12, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let link = sim.invite(a);
    sim.ask(b, &link).unwrap();
    sim.run_for(MINUTE);
    let id = sim.pending(a).unwrap();
    // Our answer waits for a Confirm that comes while its sender is blocked.
    sim.set_apart(a, b, true);
    sim.run_for(MINUTE);
    sim.accept(a, id).unwrap();
    let ben = Who(sim.nodes[b].peer.to_string());
    sim.command(a, Command::Block(ben.clone())).unwrap();
    sim.set_apart(a, b, false);
    sim.run_for(DAY);
    assert!(!sim.are_friends(a, b));
    sim.command(a, Command::Unblock(ben)).unwrap();
    sim.run_for(2 * HOUR);
    assert!(sim.are_friends(a, b));
}
