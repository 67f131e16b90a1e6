//! Requests and introductions as shown to the user.

use crate::command::{AskedRoom, Direction, RequestKind, RequestStatus, RequestView, Trust};
use crate::groups;
use crate::introductions;
use crate::people::{self, Mirror, introduced, persons, requests};
use crate::rows::{Group, HeardKnock, IntroRole, Introducing, Knock, KnockFault, Request};
use crate::state::State;
use symbolon_presence::id::{PeerId, RequestId, RoomId};
use symbolon_presence::identity::peer_id;
use symbolon_presence::words::fingerprint_words;

/// All requests and introductions that are shown, the newest first.
pub(crate) fn all(state: &State) -> Vec<RequestView> {
    let mirror = Mirror::of(state);
    // How our own devices came is seen where they are.
    let is_shown = |row: &&Request| row.is_shown() && !state.siblings.contains_key(&row.peer);
    let of_friends = state.requests.values().filter(is_shown).map(|row| request(state, &mirror, row));
    let of_rooms = state.groups.rooms.keys().filter_map(|room| of_room(state, room));
    let introductions = state.introductions.values().map(|row| introduction(state, &mirror, row));
    let ours = state.vouching.knocks.values().map(|row| knock(state, row));
    // By the wall clock one may only look over, until that is sure: it goes from the list, and comes back.
    let open = state.vouching.heard.values().filter(|row| !row.is_over(state.clock.now()));
    let knocks = ours.chain(open.map(|row| heard(state, row)));
    let mut views: Vec<_> = of_friends.chain(introductions).chain(of_rooms).chain(knocks).collect();
    views.sort_by_key(|view| (std::cmp::Reverse(view.created), view.request));
    views
}

/// The request or introduction with an id.
pub(crate) fn one(state: &State, id: &RequestId) -> Option<RequestView> {
    let mirror = Mirror::of(state);
    let of_friend = state.requests.get(id).map(|row| request(state, &mirror, row));
    let introduced = || state.introductions.get(id).map(|row| introduction(state, &mirror, row));
    let knocked = || state.vouching.knocks.get(id).map(|row| knock(state, row));
    let heard = || state.vouching.heard.get(id).map(|row| heard(state, row));
    of_friend.or_else(introduced).or_else(knocked).or_else(heard)
}

/// A knock of ours: the other person is the one who has vouched, or has made the card.
fn knock(state: &State, row: &Knock) -> RequestView {
    let peer = row.voucher.unwrap_or(row.signer);
    let friend = persons::head_of(state, &peer).and_then(|head| state.friends.get(&head));
    let room = row.answered.last().and_then(|(room, _)| state.groups.rooms.get(room));
    RequestView {
        request: row.id,
        kind: RequestKind::Knock,
        direction: Direction::Out,
        peer,
        name: friend.map(|friend| friend.petname.clone()).unwrap_or_default(),
        words: fingerprint_words(&peer),
        trust: friend.map_or(Trust::Unknown, |friend| friend.trust),
        note: None,
        status: row.status,
        fault: row.fault.map(KnockFault::text),
        introduced_by: Vec::new(),
        room: room.filter(|_| row.status == RequestStatus::Confirmed).map(|group| asked_room(group, Vec::new(), Vec::new())),
        created: row.created,
    }
}

/// A knock at a room of ours: who it is that would be vouched for.
fn heard(state: &State, row: &HeardKnock) -> RequestView {
    let friend = persons::head_of(state, &row.person).and_then(|head| state.friends.get(&head));
    let stranger = "you hold no friendship with them: they must know you, or they leave again";
    RequestView {
        request: row.id,
        kind: RequestKind::Knock,
        direction: Direction::In,
        peer: row.person,
        name: friend.map(|friend| friend.petname.clone()).unwrap_or_default(),
        words: fingerprint_words(&row.person),
        trust: friend.map_or(Trust::Unknown, |friend| friend.trust),
        note: None,
        status: row.status,
        fault: friend.is_none().then_some(stranger),
        introduced_by: introduced::introducers_of(state, &row.peer),
        room: state.groups.rooms.get(&row.room).map(|group| asked_room(group, Vec::new(), Vec::new())),
        created: row.at,
    }
}

fn asked_room(group: &Group, members: Vec<String>, parted: Vec<String>) -> Box<AskedRoom> {
    Box::new(AskedRoom { id: group.room, name: group.roster.name.clone(), members, parted })
}

/// A request as shown to the user.
fn request(state: &State, mirror: &Mirror, row: &Request) -> RequestView {
    // Of those only that wait to be answered: there are few.
    let waits = row.direction == Direction::In && row.status == RequestStatus::Pending;
    let namesake = waits.then(|| mirror.namesake(&row.peer, &row.name)).flatten();
    let returns = "your friend's device came back from an older copy unusually often: ask them before you accept";
    let flag = row.flagged.then_some("somebody else used the same contact address").or(namesake.filter(|_| row.renews.is_none()));
    let flag = flag.or(row.renews.is_some().then_some(returns));
    // A further device goes by an id of its own; whom one compares words with is its person.
    let person = row.chain.as_ref().map_or(row.peer, |chain| peer_id(&chain.root));
    RequestView {
        request: row.id,
        kind: RequestKind::Friend,
        direction: row.direction,
        peer: person,
        name: row.name.clone(),
        words: fingerprint_words(&person),
        trust: row.trust,
        note: row.note.clone(),
        // By the wall clock it only looks so, until that is sure.
        status: if requests::is_late(state, row, state.clock.now()) { RequestStatus::Expired } else { row.status },
        fault: row.fault.map(crate::rows::Fault::text).or(flag),
        introduced_by: introduced::introducers_of(state, &row.peer),
        room: None,
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
        room: None,
        created: row.created,
    }
}

/// A room into which a friend has brought us, while our user has not said whether they want to be in it.
pub(crate) fn of_room(state: &State, room: &RoomId) -> Option<RequestView> {
    let group = state.groups.rooms.get(room).filter(|group| group.is_asked())?;
    let (question, adder) = (group.question?, group.added_by?);
    let called = |peers: Vec<PeerId>| {
        let mut names: Vec<String> = peers.iter().map(|peer| people::called(state, room, peer)).collect();
        names.sort();
        names
    };
    let others = group.roster.people().into_iter().filter(|peer| *peer != state.own.peer).collect();
    let parted = called(groups::parted(state, &group.roster));
    Some(RequestView {
        request: question.id,
        kind: RequestKind::Room,
        direction: Direction::In,
        peer: adder,
        name: people::called(state, room, &adder),
        words: fingerprint_words(&adder),
        trust: state.friends.get(&adder).map_or(Trust::Room, |friend| friend.trust),
        note: None,
        status: RequestStatus::Pending,
        fault: (!parted.is_empty()).then_some("somebody is in it whom you have blocked, or with whom your friendship has ended"),
        introduced_by: Vec::new(),
        room: Some(asked_room(group, called(others), parted)),
        created: group.since,
    })
}
