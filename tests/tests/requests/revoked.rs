//! Invites that are taken back while somebody uses them.

use super::Pair;
use symbolon_core::command::{Command, CommandError, InviteState, Reply, RequestStatus};
use symbolon_presence::time::{HOUR, MINUTE};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

/// The invites of a node: their ids and how they stand.
fn invites(sim: &mut Sim, ix: Ix) -> Vec<(String, InviteState)> {
    let Ok(Reply::Invites(all)) = sim.command(ix, Command::Invites) else { panic!("invites are listed") };
    all.into_iter().map(|view| (view.invite.to_string(), view.state)).collect()
}

/// Takes the only invite back, which nobody has used.
fn revoke(sim: &mut Sim, ix: Ix) {
    let open = invites(sim, ix);
    assert!(matches!(open.as_slice(), [(_, InviteState::Open)]), "{open:?}");
    let Ok(Reply::InviteRevoked(view)) = sim.command(ix, Command::InviteRevoke(open[0].0.clone())) else { panic!("it is open") };
    assert_eq!((view.state, invites(sim, ix)), (InviteState::Revoked, Vec::new()), "its owner sees it");
}

#[test]
fn an_offer_that_is_on_its_way_while_its_invite_is_taken_back_is_refused_and_both_sides_see_it() {
    let mut sim = Sim::new(61, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let link = sim.invite(a);
    let id = sim.ask(b, &link).unwrap();
    assert_eq!(sim.status_of(b, id), RequestStatus::Pending, "the body was read");
    revoke(&mut sim, a);
    assert!(sim.run_until(MINUTE, |sim| sim.status_of(b, id) == RequestStatus::Expired));
    assert_eq!(sim.request(b, id).fault, Some("the invite was already used by somebody else, or taken back"));
    assert!(sim.requests(a).is_empty(), "nobody is asked");
    // A new one is as good as any.
    let again = sim.invite(a);
    sim.ask(b, &again).unwrap();
    assert!(sim.run_until(MINUTE, |sim| sim.pending(a).is_some()));
}

#[test]
fn an_offer_that_waits_at_a_relay_while_its_invite_is_taken_back_is_refused_and_both_sides_see_it() {
    let mut sim = Sim::new(62, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let (relay, link) = sim.add_relay();
    assert!(sim.command(a, Command::RelayAdd { link, claim: None }).is_ok());
    sim.run_for(MINUTE);
    let invite = sim.invite(a);
    sim.run_for(MINUTE);
    sim.set_apart(a, b, true);
    sim.stop(a, HOUR);
    let id = sim.ask(b, &invite).unwrap();
    sim.run_for(MINUTE);
    assert_eq!((sim.status_of(b, id), sim.relay(relay).entries()), (RequestStatus::Pending, 1), "the Offer lies there");
    // The owner starts where the relay is out of reach, so neither knows of the other's.
    sim.set_gone(relay, true);
    sim.run_for(2 * HOUR);
    revoke(&mut sim, a);
    sim.run_for(HOUR);
    assert_eq!((sim.status_of(b, id), sim.relay(relay).entries()), (RequestStatus::Pending, 1));
    sim.set_gone(relay, false);
    assert!(sim.run_until(HOUR, |sim| sim.status_of(b, id) == RequestStatus::Expired));
    assert_eq!(sim.request(b, id).fault, Some("the invite was already used by somebody else, or taken back"));
    assert!(sim.requests(a).is_empty(), "nobody is asked");
    assert_eq!(sim.relay(relay).entries(), 0, "and nothing lies there any more");
}

#[test]
fn an_invite_that_somebody_has_used_cannot_be_taken_back_and_what_it_began_goes_on() {
    let mut pair = Pair::new(63);
    let used = invites(&mut pair.sim, pair.a);
    assert!(matches!(used.as_slice(), [(_, InviteState::Used)]), "{used:?}");
    let rows = pair.sim.rows(pair.a);
    let answer = pair.sim.command(pair.a, Command::InviteRevoke(used[0].0.clone()));
    assert_eq!(answer.err(), Some(CommandError::WrongStatus));
    assert!(pair.sim.rows(pair.a) == rows, "nothing has changed");
    pair.sim.accept(pair.a, pair.incoming).unwrap();
    pair.sim.run_for(MINUTE);
    pair.are_friends_and_talk();
}
