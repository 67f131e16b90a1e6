#![allow(clippy::unwrap_used)]

use super::*;
use crate::command::Trust;
use crate::fixture::{Person, friend, in_turn, peer};
use crate::friendships::{Entered, enter_room, reply_contact};
use crate::limits::{ENDED_OF_PERSON_MAX, REQUESTS_MAX};
use crate::rows::{Friend, FriendState};
use crate::wire::Step;
use symbolon_presence::id::Nonce;
use symbolon_presence::time::Timestamp;

/// A friend who has come back as often as a friend does in a day.
fn returned(state: &mut State, turn: &mut Turn<'_>) -> Person {
    let ben = Person::new(state, turn, 2);
    let reentries = Some(vec![turn.now; REENTRIES_PER_DAY]);
    state.friends.get_mut(&ben.device.peer).unwrap().reentries = reentries;
    ben
}

/// Renews the room, because of a question of ours that names this nonce.
fn renews(ben: &Person, state: &mut State, turn: &mut Turn<'_>, nonce: Nonce) -> Result<(), Rejected> {
    state.device_mut(&ben.device.device).unwrap().asked = Some(vec![nonce]);
    offers(ben, state, turn, nonce)
}

/// The same, whether or not we have asked.
fn offers(ben: &Person, state: &mut State, turn: &mut Turn<'_>, nonce: Nonce) -> Result<(), Rejected> {
    let (room, leaf) = crate::rooms::create_for(turn, &ben.identity)?;
    let id = RequestId::random(turn.rng);
    let row = Request::blank(turn, id, Direction::Out);
    let (reply, _) = reply_contact(state, turn, &row);
    let body = OfferBody {
        request: id,
        revision: 0,
        name: "Ben".into(),
        note: None,
        replies: vec![reply],
        nonce: Nonce::random(turn.rng),
        group_info: turn.cipher.offer(room)?,
        created: turn.now,
        expires: turn.now.after(REQUEST_LIFETIME),
        renews: Some(Renews { room: friend(2).room, answers: nonce, sent: Vec::new(), had: None }),
        leaves: vec![leaf.owner()],
    };
    let envelope = ben.direct(state, turn, Step::Offer, codec::encode(&body));
    let (payload, _) = state.own.direct.open(&envelope).unwrap();
    let first: First = codec::decode(&payload, crate::wire::PAYLOAD_MAX).unwrap();
    let (device, statement) = first.verify(&state.own.peer, turn.now).unwrap();
    receive_offer(state, turn, first, &device, &statement)
}

/// A row that has ended of somebody else who is a friend.
fn ended_of_another(state: &mut State, turn: &mut Turn<'_>, number: u64) {
    let id = RequestId(number.to_be_bytes().repeat(2).try_into().unwrap());
    let row = Request {
        peer: peer(number),
        status: RequestStatus::Confirmed,
        created: Timestamp(number),
        ..Request::blank(turn, id, Direction::In)
    };
    state.friends.insert(row.peer, friend(number));
    state.requests.insert(id, row);
}

#[test]
fn a102_a_friend_who_returns_without_end_drives_out_one_row_of_others_and_warns_once_a_minute() {
    in_turn(|state, turn| {
        let ben = returned(state, turn);
        for number in 0..REQUESTS_MAX as u64 {
            ended_of_another(state, turn, 1_000 + number);
        }
        for round in 0..40 {
            renews(&ben, state, turn, Nonce([round; 16])).unwrap();
            assert_eq!(state.requests.len(), REQUESTS_MAX);
        }
        let others = state.requests.values().filter(|row| row.peer != ben.device.peer).count();
        assert_eq!(others, REQUESTS_MAX - 1, "once it has a row, its own give way");
        let is_warning = |event: &&Event| **event == Event::Warning(Warning::FriendReturned);
        assert_eq!(turn.out.events.iter().filter(is_warning).count(), 1);
    });
}

#[test]
fn a102_of_a_friend_who_returns_without_end_and_of_rooms_made_again_for_them_a_few_rows_are_kept() {
    in_turn(|state, turn| {
        let ben = returned(state, turn);
        for round in 0..20 {
            renews(&ben, state, turn, Nonce([round; 16])).unwrap();
        }
        assert_eq!(state.requests.len(), ENDED_OF_PERSON_MAX + 1, "those that have ended, and the one that waits");
        // On our side, because of what they say.
        let said = ben.standing(turn, 1, Nonce([2; 16]));
        for _ in 0..20 {
            offer(state, turn, &ben.device.peer, &ben.device.device, &said).unwrap();
        }
        let own = state.requests.values().filter(|row| row.direction == Direction::Out).count();
        assert!(own <= ENDED_OF_PERSON_MAX + 1, "{own}");
        assert!(state.requests.len() <= ENDED_OF_PERSON_MAX + 3, "{}", state.requests.len());
    });
}

#[test]
fn an_offer_that_follows_a_question_about_a_room_that_both_have_left_is_a_repeat() {
    for has_left in [false, true] {
        in_turn(|state, turn| {
            let ben = Person::new(state, turn, 2);
            let (peer, nonce) = (ben.device.peer, Nonce([3; 16]));
            state.device_mut(&ben.device.device).unwrap().asked = Some(vec![nonce]);
            if has_left {
                let (room, _) = rooms::create(state, turn).unwrap();
                let into = Entered { room, step: FriendState::Mutual, renews: true, person: peer };
                let friend = enter_room(state, turn, peer, "Ben", Trust::Verified, into).unwrap();
                state.save_friend(turn, Friend { devices: vec![ben.device.device], ..friend });
            }
            let came = offers(&ben, state, turn, nonce);
            assert_eq!(matches!(came, Err(Rejected::Drop(DropReason::Repeated))), has_left, "{came:?}");
        });
    }
}
