//! Incoming requests: pending, accepted, confirmed, ignored, blocked, expired.

use super::Pair;
use symbolon_core::command::{CommandError, RequestStatus, Trust};
use symbolon_core::seam::Event;
use symbolon_presence::time::{DAY, HOUR, MINUTE};

#[test]
fn an_offer_gives_a_pending_row_and_one_event() {
    let mut pair = Pair::new(1);
    let row = pair.sim.request(pair.a, pair.incoming);
    assert!((row.status, row.trust) == (RequestStatus::Pending, Trust::Invited));
    assert!(row.peer == pair.sim.nodes[pair.b].peer && row.name == "Ben" && row.note.as_deref() == Some("hi"));
    assert_eq!(pair.sim.told_of(pair.a, pair.incoming), 1);
    assert!(pair.sim.friends(pair.a).is_empty(), "nothing accepts by itself");
}

#[test]
fn pending_becomes_accepted_by_the_user_and_confirmed_by_the_confirm() {
    let mut pair = Pair::accepted_apart(1);
    assert_eq!(pair.sim.status_of(pair.a, pair.incoming), RequestStatus::Accepted);
    let friend = pair.sim.friends(pair.a).pop().unwrap();
    assert!(!friend.mutual, "accepted, waiting");
    pair.meet();
    pair.sim.run_for(HOUR);
    assert_eq!(pair.sim.status_of(pair.a, pair.incoming), RequestStatus::Confirmed);
    pair.are_friends_and_talk();
}

#[test]
fn accepting_twice_is_accepting_once() {
    let mut pair = Pair::accepted_apart(1);
    let rows = pair.sim.rows(pair.a);
    assert_eq!(pair.sim.accept(pair.a, pair.incoming), Ok(RequestStatus::Accepted));
    assert!(pair.sim.rows(pair.a) == rows);
    pair.meet();
    pair.sim.run_for(HOUR);
    let rows = pair.sim.rows(pair.a);
    assert_eq!(pair.sim.accept(pair.a, pair.incoming), Ok(RequestStatus::Confirmed));
    assert!(pair.sim.rows(pair.a) == rows);
}

#[test]
fn pending_becomes_ignored_and_ignored_again_stays_so() {
    let mut pair = Pair::new(1);
    assert_eq!(pair.sim.ignore(pair.a, pair.incoming), Ok(RequestStatus::Ignored));
    let rows = pair.sim.rows(pair.a);
    assert_eq!(pair.sim.ignore(pair.a, pair.incoming), Ok(RequestStatus::Ignored));
    assert!(pair.sim.rows(pair.a) == rows);
    pair.sim.accept(pair.a, pair.incoming).unwrap();
    pair.sim.run_for(MINUTE);
    pair.are_friends_and_talk();
}

#[test]
fn pending_and_ignored_become_blocked_and_unblocked_is_ignored() {
    for ignore_first in [false, true] {
        let mut pair = Pair::new(1);
        if ignore_first {
            pair.sim.ignore(pair.a, pair.incoming).unwrap();
        }
        assert_eq!(pair.sim.block(pair.a, pair.incoming), Ok(RequestStatus::Blocked));
        let rows = pair.sim.rows(pair.a);
        assert_eq!(pair.sim.block(pair.a, pair.incoming), Ok(RequestStatus::Blocked), "again is no error");
        assert!(pair.sim.rows(pair.a) == rows);
        assert_eq!(pair.sim.unblock(pair.a, pair.incoming), Ok(RequestStatus::Ignored));
        pair.sim.accept(pair.a, pair.incoming).unwrap();
        pair.sim.run_for(MINUTE);
        pair.are_friends_and_talk();
    }
}

#[test]
fn a_blocked_row_cannot_be_accepted_or_ignored() {
    let mut pair = Pair::new(1);
    pair.sim.block(pair.a, pair.incoming).unwrap();
    let rows = pair.sim.rows(pair.a);
    for answer in [pair.sim.accept(pair.a, pair.incoming), pair.sim.ignore(pair.a, pair.incoming)] {
        assert_eq!(answer, Err(CommandError::WrongStatus));
    }
    assert!(pair.sim.rows(pair.a) == rows);
}

#[test]
fn a_row_that_is_not_blocked_cannot_be_unblocked() {
    let mut pair = Pair::new(1);
    let rows = pair.sim.rows(pair.a);
    assert_eq!(pair.sim.unblock(pair.a, pair.incoming), Err(CommandError::WrongStatus));
    assert!(pair.sim.rows(pair.a) == rows);
}

#[test]
fn an_accepted_or_confirmed_row_cannot_be_ignored() {
    let mut pair = Pair::accepted_apart(1);
    for status in [RequestStatus::Accepted, RequestStatus::Confirmed] {
        assert_eq!(pair.sim.status_of(pair.a, pair.incoming), status);
        let rows = pair.sim.rows(pair.a);
        assert_eq!(pair.sim.ignore(pair.a, pair.incoming), Err(CommandError::WrongStatus));
        assert!(pair.sim.rows(pair.a) == rows);
        pair.meet();
        pair.sim.run_for(HOUR);
    }
}

#[test]
fn pending_ignored_and_accepted_rows_expire_after_thirty_days_and_blocked_ones_stay() {
    for fate in 0..4 {
        let mut pair = Pair::new(1);
        let (a, id) = (pair.a, pair.incoming);
        pair.sim.set_apart(a, pair.b, true);
        match fate {
            0 => {}
            1 => drop(pair.sim.ignore(a, id)),
            2 => drop(pair.sim.accept(a, id)),
            _ => drop(pair.sim.block(a, id)),
        }
        pair.sim.run_for(30 * DAY + 2 * HOUR);
        let expected = if fate == 3 { RequestStatus::Blocked } else { RequestStatus::Expired };
        assert_eq!(pair.sim.status_of(a, id), expected, "fate {fate}");
        if fate < 3 {
            let rows = pair.sim.rows(a);
            for answer in [pair.sim.accept(a, id), pair.sim.ignore(a, id), pair.sim.block(a, id), pair.sim.unblock(a, id)] {
                assert_eq!(answer, Err(CommandError::WrongStatus), "fate {fate}");
            }
            assert!(pair.sim.rows(a) == rows, "fate {fate}");
        }
    }
}

#[test]
fn every_status_survives_a_restart() {
    let mut pair = Pair::new(1);
    let (a, id) = (pair.a, pair.incoming);
    pair.sim.set_apart(a, pair.b, true);
    let mut seen = Vec::new();
    let mut hold = |pair: &mut Pair| {
        let before = pair.sim.request(a, id);
        pair.sim.restart(a);
        assert!(pair.sim.request(a, id) == before);
        seen.push(before.status);
    };
    hold(&mut pair);
    pair.sim.ignore(a, id).unwrap();
    hold(&mut pair);
    pair.sim.block(a, id).unwrap();
    hold(&mut pair);
    pair.sim.unblock(a, id).unwrap();
    pair.sim.accept(a, id).unwrap();
    hold(&mut pair);
    pair.meet();
    pair.sim.run_for(HOUR);
    hold(&mut pair);
    use RequestStatus::{Accepted, Blocked, Confirmed, Ignored, Pending};
    assert_eq!(seen, [Pending, Ignored, Blocked, Accepted, Confirmed]);
    let _ = Event::Request(id);
}

#[test]
fn adding_the_one_who_asks_accepts_their_request() {
    for by_link in [false, true] {
        for ignored in [false, true] {
            let mut pair = Pair::new(1);
            if ignored {
                pair.sim.ignore(pair.a, pair.incoming).unwrap();
            }
            let target = if by_link { pair.sim.invite(pair.b) } else { pair.sim.nodes[pair.b].peer.to_string() };
            assert_eq!(pair.sim.ask(pair.a, &target), Ok(pair.incoming));
            pair.sim.run_for(MINUTE);
            pair.are_friends_and_talk();
            let trust = pair.sim.friends(pair.a)[0].trust;
            assert!(trust == Trust::Invited, "nobody has compared anything yet");
        }
    }
}
