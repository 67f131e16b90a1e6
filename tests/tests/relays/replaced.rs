//! Another relay at the address of one that is known.

use super::*;

fn problems(sim: &mut Sim, ix: Ix) -> Vec<String> {
    let Ok(Reply::Status(status)) = sim.command(ix, Command::Status) else { panic!() };
    status.problems
}

/// At how many relays an invite made now says that something may be left.
fn relays_in_an_invite(sim: &mut Sim, ix: Ix) -> usize {
    let link = sim.invite(ix);
    sim.contact_of(&link).contacts[0].1.relay_mailboxes.len()
}

#[test]
fn g12_another_relay_at_the_same_address_is_said_to_be_one_and_friends_leave_texts_elsewhere() {
    let (mut sim, relays) = apart(42, 2);
    let second = relays[1];
    // Andi keeps a mailbox at the first only, and knows that Ben has two.
    let Ok(Reply::Relays(own)) = sim.command(A, Command::Relays) else { panic!() };
    let other = own.iter().map(|own| own.relay.to_string()).find(|id| sim.relay(second).id() == *id).unwrap();
    assert!(sim.command(A, Command::RelayRemove(other)).is_ok());
    assert_eq!((relays_in_an_invite(&mut sim, A), relays_in_an_invite(&mut sim, B)), (1, 2));
    // Ben hears the lifeline that names one mailbox less.
    sim.run_for(MINUTE);
    sim.crash(B, 2 * HOUR);
    sim.run_for(MINUTE);
    sim.say(A, B, "left at the first").unwrap();
    sim.run_for(MINUTE);
    assert_eq!((state(&mut sim, A, "left at the first"), sim.relay(second).entries()), (Some(MessageState::Stored), 0));
    let again = sim.replace_relay(relays[0]);
    sim.run_for(MINUTE);
    assert_eq!(relay_states(&mut sim, A), [RelayState::Replaced]);
    assert!(problems(&mut sim, A).iter().any(|problem| problem.contains("Another relay answers") && problem.contains("relay remove")));
    assert_eq!(
        (state(&mut sim, A, "left at the first"), sim.relay(second).entries()),
        (Some(MessageState::Stored), 2),
        "at the second, with the lifeline that names no mailbox"
    );
    assert_eq!(relays_in_an_invite(&mut sim, A), 0, "nobody is led there");
    sim.run_for(3 * HOUR);
    assert_eq!(texts(&mut sim, B), ["left at the first"]);
    assert_eq!(relays_in_an_invite(&mut sim, B), 1, "nor by the other one");
    assert!(relay_states(&mut sim, B).contains(&RelayState::Replaced));
    // What is said to do helps.
    let Ok(Reply::Relays(own)) = sim.command(A, Command::Relays) else { panic!() };
    assert!(sim.command(A, Command::RelayRemove(own[0].relay.to_string())).is_ok());
    assert!(sim.command(A, Command::RelayAdd { link: again, claim: None }).is_ok());
    sim.run_for(MINUTE);
    assert_eq!((relay_states(&mut sim, A), problems(&mut sim, A)), (vec![RelayState::Connected], Vec::<String>::new()));
    sim.set_apart(A, B, false);
    sim.run_for(HOUR);
    sim.set_apart(A, B, true);
    sim.say(B, A, "by the new one").unwrap();
    sim.run_for(HOUR);
    assert_eq!(texts(&mut sim, A), ["left at the first", "by the new one"]);
    sim.check(true);
}

#[test]
fn g12_who_has_no_mailbox_at_a_replaced_relay_finds_out_by_what_has_no_answer() {
    let (mut sim, relays) = apart(43, 2);
    // Andi keeps none himself.
    let Ok(Reply::Relays(own)) = sim.command(A, Command::Relays) else { panic!() };
    for relay in own {
        assert!(sim.command(A, Command::RelayRemove(relay.relay.to_string())).is_ok());
    }
    // Ben hears the lifeline that names no mailbox any more.
    sim.run_for(MINUTE);
    sim.crash(B, DAY);
    sim.set_gone(relays[1], true);
    sim.say(A, B, "one").unwrap();
    sim.run_for(10 * MINUTE);
    // With what Andi's lifeline says now: nobody can tell him that Ben has it.
    assert_eq!((state(&mut sim, A, "one"), sim.relay(relays[0]).entries()), (Some(MessageState::Stored), 2));
    sim.replace_relay(relays[0]);
    sim.say(A, B, "two").unwrap();
    sim.run_for(10 * MINUTE);
    assert_eq!(["one", "two"].map(|text| state(&mut sim, A, text)), [Some(MessageState::Queued); 2]);
    sim.set_gone(relays[1], false);
    sim.run_for(HOUR);
    assert_eq!(sim.relay(relays[1]).entries(), 2, "both lie at the other one");
    sim.run_for(DAY);
    assert_eq!(texts(&mut sim, B), ["one", "two"]);
    sim.set_apart(A, B, false);
    sim.run_for(HOUR);
    sim.check(true);
}
