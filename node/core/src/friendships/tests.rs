//! Friendships: bounds, and rows of before.

#![allow(clippy::unwrap_used)]

use super::offer::{certified, fit};
use super::places::{has_place, make_place, make_room, surplus};
use super::room::has_place_for;
use super::step::{reply_contact, seal_to_friend};
use super::{Confirming, accept_unasked, ask, redate, reissue};
use crate::command::{Direction, RequestStatus, Trust};
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::fixture::{Empty, NOW, Person, certified as certify, friend, further, in_turn, in_turn_of, peer};
use crate::invites::mint_for;
use crate::limits::{ADDRESSES_MAX, ENDED_OF_PERSON_MAX, FRIENDS_MAX, NAME_MAX, NOTE_MAX, RELAY_MAILBOXES_MAX, REQUESTS_MAX};
use crate::limits::{DEVICE_LIFETIME, GROUP_INFO_MAX};
use crate::rooms;
use crate::rows::{Friend, Request};
use crate::seam::Address;
use crate::state::{State, derive_trust};
use crate::turn::Turn;
use crate::wire::{LeafOwner, OfferBody, RelayMailbox, Step};
use rand_core::SeedableRng;
use symbolon_presence::envelope::{open_before, open_direct};
use symbolon_presence::id::{Nonce, PeerId, RequestId, RoomId};
use symbolon_presence::identity::Chain;
use symbolon_presence::kem::KemKey;
use symbolon_presence::time::{DAY, EARLIEST, Timestamp};

#[test]
fn friends_are_bounded_and_one_who_is_there_may_come_again() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let mut state = State::load(None, &Empty, Timestamp(1), &mut rng, &mut crate::turn::Out::default()).unwrap();
    for n in 0..FRIENDS_MAX as u64 {
        assert!(has_place_for(&state, &peer(n)));
        state.friends.insert(peer(n), friend(n));
    }
    assert!(has_place_for(&state, &PeerId([0; 32])));
    assert!(!has_place_for(&state, &PeerId([9; 32])));
}

#[test]
fn anyone_who_was_verified_by_an_invite_alone_in_a_row_of_before_is_invited() {
    use Direction::{In, Out};
    use Trust::{Introduced, Invited, InvitedOrCompared, Verified};
    let stories: [(&[(Direction, Trust)], Trust); 6] = [
        (&[(In, Invited)], Verified),
        (&[(In, Introduced), (In, Invited)], Verified),
        (&[(Out, InvitedOrCompared)], Invited),
        (&[(In, Invited), (Out, InvitedOrCompared)], Invited),
        (&[(In, InvitedOrCompared)], Invited),
        (&[], Invited),
    ];
    in_turn(|state, turn| {
        for (number, (rows, _)) in (1..).zip(stories) {
            state.friends.insert(peer(number), Friend { trust: InvitedOrCompared, ..friend(number) });
            for (direction, trust) in rows {
                let id = RequestId::random(turn.rng);
                let row = Request { peer: peer(number), trust: *trust, ..Request::blank(turn, id, *direction) };
                state.requests.insert(id, row);
            }
        }
        state.friends.insert(peer(9), Friend { trust: Verified, ..friend(9) });
        let settled = derive_trust(&mut state.friends, &mut state.requests);
        assert_eq!(settled.len(), stories.len(), "one that was compared since stays as it is");
        for (number, (_, trust)) in (1..).zip(stories) {
            assert_eq!(state.friends.get(&peer(number)).map(|friend| friend.trust), Some(trust), "{number}");
        }
        assert!(state.requests.values().all(|row| row.trust != InvitedOrCompared));
        assert_eq!(symbolon_presence::codec::encode(&InvitedOrCompared), [0x01, 0x00], "as rows of before have it");
    });
}

#[test]
fn an_offer_of_the_longest_parts_fits_and_still_says_where_we_are() {
    in_turn(|state, turn| {
        state.own.places = vec![Address(vec![1; Address::MAX_LEN]); ADDRESSES_MAX];
        let row = Request::blank(turn, RequestId([1; 16]), Direction::Out);
        let (mut reply, _) = reply_contact(state, turn, &row);
        let mailbox = RelayMailbox { entry: reply.entry.clone(), key: reply.key.clone() };
        reply.relay_mailboxes = vec![mailbox; RELAY_MAILBOXES_MAX];
        let offer = |group_info: usize| OfferBody {
            request: row.wire,
            revision: u32::MAX,
            name: "n".repeat(NAME_MAX),
            note: Some("n".repeat(NOTE_MAX)),
            replies: vec![reply.clone()],
            nonce: Nonce([1; 16]),
            group_info: vec![1; group_info],
            created: NOW,
            expires: NOW,
            renews: None,
            leaves: vec![LeafOwner { leaf: symbolon_presence::id::PublicKeyBytes([1; 32]), chain: None, key: row.reply_key.clone() }],
        };
        for group_info in [3_000, 12_000, 24_000] {
            let fitted = fit(offer(group_info));
            assert!(fitted.is_bounded(), "{group_info}");
            let reply = fitted.replies.first().unwrap();
            assert_eq!(reply.relay_mailboxes.len(), RELAY_MAILBOXES_MAX);
            assert!(!reply.entry.places.is_empty() && reply.relay_mailboxes.iter().all(|mailbox| !mailbox.entry.places.is_empty()));
        }
        assert!(!offer(GROUP_INFO_MAX + 1).is_bounded());
    });
}

#[test]
fn a102_what_ended_with_strangers_gives_way_first_and_no_offer_drives_out_what_ended_with_friends() {
    in_turn(|state, turn| {
        let fill = |state: &mut State, turn: &mut Turn<'_>, number: u64, created: u64| {
            let id = RequestId(number.to_be_bytes().repeat(2).try_into().unwrap());
            let row = Request {
                peer: peer(number),
                status: RequestStatus::Confirmed,
                created: Timestamp(created),
                ..Request::blank(turn, id, Direction::In)
            };
            state.requests.insert(id, row);
        };
        // The rows of friends are the oldest.
        for number in 0..REQUESTS_MAX as u64 {
            fill(state, turn, number, number);
            if number < 1_000 {
                state.friends.insert(peer(number), crate::fixture::friend(number));
            }
        }
        for round in 0..REQUESTS_MAX as u64 - 1_000 {
            assert!(has_place(state, 0, &peer(5_000)));
            make_place(state, turn, Some(&peer(5_000)));
            let next = 10_000 + round;
            state.friends.insert(peer(next), crate::fixture::friend(next));
            fill(state, turn, next, next);
        }
        assert_eq!(state.requests.len(), REQUESTS_MAX);
        assert!(!has_place(state, 0, &peer(5_000)), "only friends' rows are left");
        assert!(has_place(state, 1, &peer(5_000)), "but one that is replaced makes a place");
        let friends = state.requests.values().filter(|row| row.created.0 < 1_000).count();
        assert_eq!(friends, 1_000);
        assert!(make_room(state, turn).is_ok(), "our own requests may drive out the oldest");
        assert_eq!(state.requests.values().filter(|row| row.created.0 < 1_000).count(), 999);
    });
}

#[test]
fn a102_of_one_person_a_few_rows_are_kept_that_have_ended() {
    in_turn(|state, turn| {
        for number in 0..20_u8 {
            let id = RequestId([number; 16]);
            let created = Timestamp(u64::from(number));
            let row = Request { peer: peer(1), status: RequestStatus::Confirmed, created, ..Request::blank(turn, id, Direction::In) };
            state.requests.insert(id, row);
        }
        let surplus = surplus(state, &peer(1));
        assert_eq!(surplus.len(), 20 - ENDED_OF_PERSON_MAX);
        assert!(surplus.iter().all(|id| usize::from(id.0[0]) < 20 - ENDED_OF_PERSON_MAX), "the oldest ones");
    });
}

#[test]
fn who_is_heard_in_our_room_needs_no_confirm_any_more_be_it_of_this_room_or_of_one_before() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let (of, device) = (ben.device.peer, ben.device.device);
        let row = |id: u8, room: RoomId, status: RequestStatus, turn: &mut Turn<'_>| Request {
            peer: of,
            room: Some(room),
            status,
            ..Request::blank(turn, RequestId([id; 16]), Direction::Out)
        };
        let (here, before) = (RoomId([7; 32]), RoomId([6; 32]));
        state.friends.insert(of, Friend { room: here, ..friend(1) });
        // One led to the room before, and is confirmed because a relay has taken it; one leads here; one is overtaken.
        let rows = [(1, before, RequestStatus::Confirmed), (2, here, RequestStatus::Accepted), (3, before, RequestStatus::Accepted)];
        for (id, room, status) in rows {
            let row = row(id, room, status, turn);
            outbox::enqueue(state, turn, &device, EnvelopeOwner::Confirm(row.id), None, vec![id; 600]);
            state.requests.insert(row.id, row);
        }
        let mut confirming = Confirming::of(state);
        confirming.heard(state, turn, &device).unwrap();
        let waits = rows.map(|(id, _, _)| outbox::waits(turn, &device, &EnvelopeOwner::Confirm(RequestId([id; 16]))).unwrap());
        assert_eq!(waits, [false, false, false]);
        let status = |id: u8| state.requests[&RequestId([id; 16])].status;
        use RequestStatus::{Cancelled, Confirmed};
        assert_eq!([status(1), status(2), status(3)], [Confirmed, Confirmed, Cancelled], "a room that they are not in was not confirmed");
    });
}

#[test]
fn under_a_certificate_that_has_ended_no_offer_goes_and_what_was_agreed_to_is_answered_under_the_next_one() {
    in_turn(|state, turn| {
        let ben = in_turn_of(2, |ben, turn| mint_for(ben, turn, peer(1), &peer(2), NOW.after(DAY)).verify(NOW).unwrap());
        let own = mint_for(state, turn, peer(2), &peer(1), NOW.after(DAY)).verify(NOW).unwrap();
        let asked = ask(state, turn, ben, None, Trust::Invited).unwrap();
        let theirs = in_turn_of(3, |cem, turn| {
            let id = ask(cem, turn, own, None, Trust::Invited).unwrap();
            let row = cem.requests.get(&id).cloned().unwrap();
            Request { peer: cem.own.peer, direction: Direction::In, room: None, chain: Some(cem.own.identity.chain.clone()), ..row }
        });
        let asks = theirs.id;
        state.save_request(turn, theirs);
        let first = further(state, EARLIEST);
        state.own.places = vec![Address(vec![1])];
        reissue(state, turn, false).unwrap();
        redate(state, turn).unwrap();
        accept_unasked(state, turn, &asks).unwrap_or_else(|_| panic!());
        let [out, by_them] = [asked, asks].map(|id| state.requests.get(&id).cloned().unwrap());
        assert_eq!((out.revision, by_them.status, by_them.agreed), (0, RequestStatus::Pending, Some(true)));
        certify(state, first);
        certified(state, turn).unwrap();
        let [out, by_them] = [asked, asks].map(|id| state.requests.get(&id).cloned().unwrap());
        assert_eq!((out.revision, by_them.status, by_them.agreed), (1, RequestStatus::Accepted, None));
        assert_eq!(out.body().unwrap().replies.first().unwrap().entry.places, state.own.places);
    });
}

/// The chain of somebody's device under a higher serial.
fn renewed(person: &Person) -> Chain {
    let mut identity = person.identity.clone();
    let serial = identity.chain.body().unwrap().serial;
    identity.renew(serial + 1, EARLIEST, NOW.after(DEVICE_LIFETIME));
    identity.chain
}

#[test]
fn what_goes_to_a_friends_device_is_sealed_to_the_key_that_it_names_then_to_the_one_it_had_and_as_before_to_friends_of_before_only() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let (peer, device) = (ben.device.peer, ben.device.device);
        let [had, named] = [7, 8].map(|seed| KemKey::from_bytes([seed; 32]));
        let seal = |state: &State, turn: &mut Turn<'_>, named: Option<&KemKey>| {
            let named = named.map(|key| key.public().bytes());
            seal_to_friend(state, turn, &device, named.as_ref(), Step::Standing, vec![1])
        };
        let envelope = seal(state, turn, None).unwrap();
        assert!(open_direct(&had, &envelope).is_ok());
        // An older copy of its folder names the key that it holds.
        let envelope = seal(state, turn, Some(&named)).unwrap();
        assert!(open_direct(&named, &envelope).is_ok() && open_direct(&had, &envelope).is_err());
        state.device_mut(&device).unwrap().direct = None;
        assert!(seal(state, turn, None).is_none(), "to the certificate of a friend of today nothing is sealed");
        state.friends.get_mut(&peer).unwrap().version = Some(1);
        let envelope = seal(state, turn, None).unwrap();
        assert!(open_before(&ben.identity.dh, &envelope).is_ok());
    });
}

#[test]
fn a_leaf_is_kept_with_the_newest_certificate_that_is_known_whatever_was_said_of_it() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let (old, new) = (ben.identity.chain.clone(), renewed(&ben));
        let me = state.own.identity.clone();
        let (room, leaf) = rooms::create_for(turn, &me).unwrap();
        let member = |turn: &Turn<'_>| turn.cipher.members(room).unwrap().remove(0);
        // It enters by a step that was signed before the renewal, of which we have heard since.
        state.device_mut(&ben.device.device).unwrap().chain = new.clone();
        rooms::keep_leaf(state, turn, room, &leaf.owner(), &old);
        let serial = |state: &mut State, turn: &Turn<'_>| state.speaker(&room, &member(turn), turn.sure).unwrap().serial;
        assert_eq!(serial(state, turn), new.body().unwrap().serial);
        // The other way round what is said counts.
        state.device_mut(&ben.device.device).unwrap().chain = old;
        rooms::keep_leaf(state, turn, room, &leaf.owner(), &new);
        assert_eq!(serial(state, turn), new.body().unwrap().serial);
    });
}

#[test]
fn requests_out_of_rooms_fill_places_of_their_own_and_those_of_one_room_not_those_of_all() {
    use crate::limits::{PENDING_IN_ROOM_MAX, PENDING_IN_ROOMS_MAX};
    use crate::wire::Befriend;
    use symbolon_presence::id::RoomId;
    let me = in_turn_of(1, |state, _| state.own.peer);
    let people: Vec<(PeerId, Befriend)> = (2..=60)
        .map(|number| {
            in_turn_of(number, |state, turn| {
                let (record, _) = crate::invites::mint_in_room(state, turn, me, NOW.after(DAY));
                (state.own.peer, Befriend { contact: symbolon_presence::codec::encode(&record), note: None, list: None })
            })
        })
        .collect();
    in_turn_of(1, |state, turn| {
        let mut people = people.into_iter();
        let mut asks = |state: &mut State, turn: &mut Turn<'_>, room: u8, count: usize| {
            let asking = people.by_ref().take(count).collect::<Vec<_>>();
            let asked = asking.into_iter().map(|(peer, befriend)| super::asked_as(state, turn, Some(RoomId([room; 32])), peer, befriend));
            asked.filter(|asked| asked.as_ref().unwrap().is_some()).count()
        };
        assert_eq!(asks(state, turn, 1, PENDING_IN_ROOM_MAX + 3), PENDING_IN_ROOM_MAX, "of one room");
        for room in 2..=4 {
            assert_eq!(asks(state, turn, room, PENDING_IN_ROOM_MAX), PENDING_IN_ROOM_MAX, "of another one");
        }
        assert_eq!(asks(state, turn, 5, 3), 0, "of all");
        assert_eq!(state.requests.len(), PENDING_IN_ROOMS_MAX);
        assert!(super::incoming::strangers(state, &peer(1)).next().is_none(), "they are none of the strangers");
        // An answer makes place.
        let first =
            state.requests.values().find(|row| row.in_room.as_ref().is_some_and(|asked| asked.room == Some(RoomId([1; 32])))).unwrap().id;
        state.change_request(turn, &first, |row| row.status = RequestStatus::Ignored);
        assert_eq!(asks(state, turn, 1, 1), 1);
    });
}
