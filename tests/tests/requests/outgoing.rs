//! Outgoing requests: unresolved, pending, accepted, confirmed, expired, cancelled.

use super::Pair;
use symbolon_core::command::{CommandError, RequestStatus, Trust};
use symbolon_core::seam::{Event, Input};
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_tests::sim::run::nowhere;
use symbolon_tests::sim::{Faults, Sim};

#[test]
fn a_bare_peer_id_gives_an_unresolved_row_that_sends_nothing() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.wire = Some(Vec::new());
    let peer = sim.nodes[a].peer.to_string();
    let id = sim.ask(b, &peer).unwrap();
    sim.run_for(DAY);
    assert_eq!(sim.status_of(b, id), RequestStatus::Unresolved);
    assert!(sim.wire.take().unwrap().is_empty(), "never plaintext: nothing is sent");
    assert_eq!(sim.ask(b, &peer), Ok(id), "asking again is the same row");
    assert!(sim.report(b).problems.iter().any(|line| line.contains("Peer ID")), "the user sees why it waits");
}

#[test]
fn an_unresolved_row_is_superseded_by_an_invite_of_the_same_person() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let peer = sim.nodes[a].peer.to_string();
    let first = sim.ask(b, &peer).unwrap();
    let link = sim.invite(a);
    let second = sim.ask(b, &link).unwrap();
    assert_eq!([sim.status_of(b, first), sim.status_of(b, second)], [RequestStatus::Cancelled, RequestStatus::Pending]);
}

#[test]
fn an_unresolved_row_expires_after_thirty_days() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let peer = sim.nodes[a].peer.to_string();
    let id = sim.ask(b, &peer).unwrap();
    sim.run_for(30 * DAY);
    assert_eq!(sim.status_of(b, id), RequestStatus::Unresolved);
    sim.run_for(2 * HOUR);
    assert_eq!(sim.status_of(b, id), RequestStatus::Expired);
}

#[test]
fn an_invite_gives_a_pending_row_whose_person_is_verified() {
    let mut pair = Pair::new(1);
    let row = pair.sim.request(pair.b, pair.outgoing);
    assert!((row.status, row.trust, row.fault) == (RequestStatus::Pending, Trust::Invited, None));
    assert!(row.peer == pair.sim.nodes[pair.a].peer && row.name == "Andi");
}

#[test]
fn the_same_link_again_is_the_same_row_and_the_same_bytes() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let link = sim.invite(a);
    sim.spread(&link);
    sim.set_apart(a, b, true);
    let id = sim.ask(b, &link).unwrap();
    let rows = sim.rows(b);
    assert_eq!(sim.ask(b, &link), Ok(id));
    assert_eq!(sim.ask(b, &format!("  {}\n", link.to_uppercase())), Ok(id), "typed in capitals, with space around");
    assert!(sim.rows(b) == rows);
    sim.set_apart(a, b, false);
    sim.run_for(HOUR);
    assert_eq!(sim.requests(a).len(), 1);
}

#[test]
fn another_link_of_the_same_person_supersedes_the_pending_row() {
    let mut pair = Pair::new(1);
    let link = pair.sim.invite(pair.a);
    let second = pair.sim.ask(pair.b, &link).unwrap();
    assert_eq!(pair.sim.status_of(pair.b, pair.outgoing), RequestStatus::Cancelled);
    pair.sim.run_for(MINUTE);
    // The user of the other node sees both rows; the newer one completes.
    let newer = pair.sim.pending(pair.a).unwrap();
    assert!(newer != pair.incoming);
    pair.sim.accept(pair.a, newer).unwrap();
    pair.sim.run_for(MINUTE);
    assert_eq!(pair.sim.status_of(pair.b, second), RequestStatus::Confirmed);
    pair.are_friends_and_talk();
}

#[test]
fn a_pending_row_becomes_accepted_by_a_verified_accept_and_confirmed_once_the_confirm_is_stored() {
    let mut pair = Pair::accepted_apart(1);
    assert_eq!(pair.sim.status_of(pair.b, pair.outgoing), RequestStatus::Pending);
    // The Confirm goes to where nobody answers: the Accept is in, the row waits.
    let peer = pair.sim.nodes[pair.a].peer;
    pair.meet();
    assert!(pair.sim.run_until(HOUR, |sim| sim.is_friend(pair.b, &peer)));
    let (a, b) = (pair.a, pair.b);
    pair.sim.set_apart(a, b, true);
    let status = pair.sim.status_of(b, pair.outgoing);
    assert!(matches!(status, RequestStatus::Accepted | RequestStatus::Confirmed), "{status:?}");
    pair.sim.run_for(HOUR);
    pair.meet();
    pair.sim.run_for(HOUR);
    assert_eq!(pair.sim.status_of(b, pair.outgoing), RequestStatus::Confirmed);
    pair.are_friends_and_talk();
}

#[test]
fn a_pending_row_expires_after_thirty_days_and_takes_no_accept_then() {
    let mut pair = Pair::new(1);
    pair.sim.run_for(30 * DAY + 2 * HOUR);
    assert_eq!(pair.sim.status_of(pair.b, pair.outgoing), RequestStatus::Expired);
    assert_eq!(pair.sim.status_of(pair.a, pair.incoming), RequestStatus::Expired);
    assert_eq!(pair.sim.accept(pair.a, pair.incoming), Err(CommandError::WrongStatus));
    assert!(pair.sim.friends(pair.a).is_empty() && pair.sim.friends(pair.b).is_empty());
}

#[test]
fn an_outgoing_row_cannot_be_accepted_ignored_blocked_or_unblocked() {
    let mut pair = Pair::new(1);
    let rows = pair.sim.rows(pair.b);
    let (b, id) = (pair.b, pair.outgoing);
    for answer in [pair.sim.accept(b, id), pair.sim.ignore(b, id), pair.sim.block(b, id), pair.sim.unblock(b, id)] {
        assert_eq!(answer, Err(CommandError::WrongStatus));
    }
    assert!(pair.sim.rows(b) == rows);
}

#[test]
fn a_pending_row_survives_restarts_of_both_sides() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let link = sim.invite(a);
    sim.set_apart(a, b, true);
    let id = sim.ask(b, &link).unwrap();
    sim.restart(b);
    sim.restart(a);
    sim.set_apart(a, b, false);
    sim.run_for(HOUR);
    assert_eq!(sim.status_of(b, id), RequestStatus::Pending);
    let incoming = sim.pending(a).unwrap();
    sim.accept(a, incoming).unwrap();
    sim.run_for(HOUR);
    super::talk(&mut sim, a, b);
}

#[test]
fn a_new_address_reissues_the_offer_and_the_newest_one_is_accepted() {
    let mut pair = Pair::new(1);
    let (a, b) = (pair.a, pair.b);
    for _ in 0..3 {
        let places = vec![symbolon_tests::sim::run::address(b), nowhere()];
        pair.sim.input(b, Input::Addresses(places));
        pair.sim.run_for(MINUTE);
        pair.sim.input(b, Input::Addresses(vec![symbolon_tests::sim::run::address(b)]));
        pair.sim.run_for(MINUTE);
    }
    assert_eq!(pair.sim.requests(a).len(), 1, "the same request");
    assert_eq!(pair.sim.told_of(a, pair.incoming), 1, "nobody is asked again");
    pair.sim.accept(a, pair.incoming).unwrap();
    pair.sim.run_for(MINUTE);
    pair.are_friends_and_talk();
}

#[test]
fn an_accept_of_an_old_revision_that_arrives_late_is_followed_by_one_of_the_newest() {
    let mut pair = Pair::accepted_apart(1);
    let (a, b) = (pair.a, pair.b);
    // The Accept of the first revision waits at `a`; `b` moves and makes a second revision.
    pair.sim.input(b, Input::Addresses(vec![nowhere(), symbolon_tests::sim::run::address(b)]));
    pair.sim.run_for(MINUTE);
    let asked_again = pair.sim.told_of(a, pair.incoming);
    pair.meet();
    assert!(pair.sim.run_until(2 * HOUR, |sim| sim.are_friends(a, b)), "the connection completes");
    let pendings = pair.sim.events[a].iter().filter(|event| **event == Event::Request(pair.incoming)).count();
    assert!(pendings >= asked_again);
    assert!(pair.sim.pending(a).is_none(), "the user is not asked again");
    pair.are_friends_and_talk();
    assert_eq!(pair.sim.status_of(b, pair.outgoing), RequestStatus::Confirmed);
    assert_eq!(pair.sim.status_of(a, pair.incoming), RequestStatus::Confirmed);
}

#[test]
fn a_new_address_after_the_invite_has_expired_does_not_end_a_request_that_is_waiting() {
    let mut pair = Pair::new(1);
    let (a, b) = (pair.a, pair.b);
    pair.sim.run_for(3 * DAY);
    pair.sim.input(b, Input::Addresses(vec![nowhere(), symbolon_tests::sim::run::address(b)]));
    pair.sim.run_for(HOUR);
    assert_eq!(pair.sim.status_of(b, pair.outgoing), RequestStatus::Pending);
    pair.sim.accept(a, pair.incoming).unwrap();
    pair.sim.run_for(HOUR);
    pair.are_friends_and_talk();
}
