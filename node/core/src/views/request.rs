//! Requests and introductions as shown to the user.

use crate::command::{Direction, RequestKind, RequestStatus, RequestView, Trust};
use crate::introductions;
use crate::people::{Mirror, introduced, requests};
use crate::rows::{IntroRole, Introducing, Request};
use crate::state::State;
use symbolon_presence::id::RequestId;
use symbolon_presence::words::fingerprint_words;

/// All requests and introductions that are shown, the newest first.
pub(crate) fn all(state: &State) -> Vec<RequestView> {
    let mirror = Mirror::of(state);
    let of_friends = state.requests.values().filter(|row| row.is_shown()).map(|row| request(state, &mirror, row));
    let mut views: Vec<_> = of_friends.chain(state.introductions.values().map(|row| introduction(state, &mirror, row))).collect();
    views.sort_by_key(|view| (std::cmp::Reverse(view.created), view.request));
    views
}

/// The request or introduction with an id.
pub(crate) fn one(state: &State, id: &RequestId) -> Option<RequestView> {
    let mirror = Mirror::of(state);
    let of_friend = state.requests.get(id).map(|row| request(state, &mirror, row));
    of_friend.or_else(|| state.introductions.get(id).map(|row| introduction(state, &mirror, row)))
}

/// A request as shown to the user.
fn request(state: &State, mirror: &Mirror, row: &Request) -> RequestView {
    // Of those only that wait to be answered: there are few.
    let waits = row.direction == Direction::In && row.status == RequestStatus::Pending;
    let namesake = waits.then(|| mirror.namesake(&row.peer, &row.name)).flatten();
    let returns = "your friend's device came back from an older copy unusually often: ask them before you accept";
    let flag = row.flagged.then_some("somebody else used the same contact address").or(namesake.filter(|_| row.renews.is_none()));
    let flag = flag.or(row.renews.is_some().then_some(returns));
    RequestView {
        request: row.id,
        kind: RequestKind::Friend,
        direction: row.direction,
        peer: row.peer,
        name: row.name.clone(),
        words: fingerprint_words(&row.peer),
        trust: row.trust,
        note: row.note.clone(),
        // By the wall clock it only looks so, until that is sure.
        status: if requests::is_late(state, row, state.clock.now()) { RequestStatus::Expired } else { row.status },
        fault: row.fault.map(crate::rows::Fault::text).or(flag),
        introduced_by: introduced::introducers_of(state, &row.peer),
        created: row.created,
    }
}

/// An introduction as shown to the user.
fn introduction(state: &State, mirror: &Mirror, row: &Introducing) -> RequestView {
    let other = row.other();
    RequestView {
        request: row.id,
        kind: RequestKind::Introduction,
        direction: if row.role == IntroRole::Introducer { Direction::Out } else { Direction::In },
        peer: other,
        name: row.name.clone(),
        words: fingerprint_words(&other),
        trust: Trust::Introduced,
        note: row.note.clone(),
        // By the wall clock it only looks so, until that is sure.
        status: if introductions::is_late(row, state.clock.now()) { RequestStatus::Expired } else { row.status },
        fault: (row.role != IntroRole::Introducer && row.status == RequestStatus::Pending)
            .then(|| mirror.namesake(&other, &row.name))
            .flatten(),
        introduced_by: state.friends.get(&row.introducer).map(|friend| friend.petname.clone()).into_iter().collect(),
        created: row.created,
    }
}
