//! What of the intake is bounded, and for whom.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::command::Direction;
use crate::delivery::{Delivery, Origin};
use crate::invites::{grants, lifelines};
use crate::rows::{FormerGrant, Lies, OwnPackage, RelayKey};
use crate::seam::LinkId;
use crate::state::State;
use crate::turn::Turn;
use crate::wire::{First, Known, Statement, Step, direct_package};
use symbolon_presence::codec;
use symbolon_presence::envelope::seal_direct;
use symbolon_presence::id::{Digest, EpochId, GrantId, Nonce, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::{KemPublic, KemPublicBytes};
use symbolon_presence::seeds::{Ratchet, Seed};
use symbolon_relay::admission::Admitted;
use symbolon_relay::grant::{Queue, Scope};
use symbolon_relay::put::{MailboxEntry, Put};
use symbolon_relay::session::Deposit;

use crate::fixture::{Person, friend, in_turn, peer, proved};
use crate::invites;
use crate::limits::{DIRECTS_OF_FRIEND, FIRSTS_OF_RELAY};
use crate::rows::Request;
use symbolon_presence::id::{MailboxId, PublicKeyBytes, RequestId};
use symbolon_presence::time::{DAY, EARLIEST, HOUR};

/// A relay of ours.
fn relay(number: u8) -> RelayKey {
    (MailboxId([number; 32]), PublicKeyBytes([number; 32]))
}

/// An entry of a queue of ours there.
fn entry(number: u64, queue: Queue, grant: GrantId, envelope: &[u8]) -> Deposit {
    Deposit { number, grant, queue, usage: None, envelope: envelope.to_vec() }
}

#[test]
fn a106_a_standing_that_came_while_the_clock_was_behind_is_remembered_as_long_as_any() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        turn.now = EARLIEST.after(HOUR);
        let envelope = ben.question(state, turn);
        let deposit = entry(1, Queue::Direct, GrantId([1; 16]), &envelope);
        intake.deposit(state, &mut delivery, turn, relay(1), &deposit).unwrap();
        assert_eq!(intake.questions.len(), 1);
        turn.now = turn.sure;
        crate::route::sweep::seen(turn, &mut Vec::new()).unwrap();
        intake.deposit(state, &mut delivery, turn, relay(1), &deposit).unwrap();
        assert_eq!(intake.questions.len(), 1, "once");
    });
}

fn admitted(queue: Queue, grant: GrantId) -> Admitted {
    Admitted { queue, grant, scope: Scope::Guest, first_use: None }
}

/// An invite of ours, a request that waits for its answer, and their grants.
fn invite_and_request(state: &mut State, turn: &mut Turn<'_>) -> (GrantId, GrantId) {
    let by = turn.now.after(HOUR);
    let record = invites::mint_for(state, turn, peer(7), &peer(8), by);
    assert!(record.verify(turn.now).is_ok());
    let row = Request { offer: vec![1], ..Request::blank(turn, RequestId([1; 16]), Direction::Out) };
    let (invite, request) = (state.invites.keys().copied().next().unwrap(), row.grant);
    state.save_request(turn, row);
    (invite, request)
}

#[test]
fn a102_grants_that_a_friend_invents_or_collects_shut_nobody_out_and_bound_that_friend_alone() {
    in_turn(|state, turn| {
        let (mallory, ben) = (Person::new(state, turn, 1), Person::new(state, turn, 2));
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let links = [(&mallory, 1), (&ben, 2)].map(|(who, number)| proved(&mut delivery, state, turn, who, number));
        let [floods, calm, strange] = [links[0], links[1], LinkId(9)].map(Origin::Link);
        let (invite, request) = invite_and_request(state, turn);
        for origin in [floods, strange] {
            let mut opens = |state: &mut State, turn: &mut Turn<'_>| {
                let any = admitted(Queue::Direct, GrantId::random(turn.rng));
                intake.may_open(state, &delivery, turn, origin, &[0; 64], &any).is_ok()
            };
            let opened = (0..3_000).filter(|_| opens(state, turn)).count();
            assert_eq!(opened as u64, DIRECTS_OF_FRIEND);
        }
        for (origin, queue, grant) in
            [(calm, Queue::Direct, GrantId([5; 16])), (strange, Queue::Contact, invite), (strange, Queue::Guest, request)]
        {
            assert!(intake.may_open(state, &delivery, turn, origin, &[0; 64], &admitted(queue, grant)).is_ok(), "{queue:?}");
        }
        // What we gave a friend with a Standing is counted for that friend, on any link.
        for (number, (who, is_open)) in (10..).zip([(&mallory, false), (&ben, true)]) {
            let grant = GrantId([number; 16]);
            grants::give(state, turn, grant, who.device.peer, turn.now.after(HOUR));
            let opens = intake.may_open(state, &delivery, turn, strange, &[0; 64], &admitted(Queue::Guest, grant)).is_ok();
            assert_eq!(opens, is_open);
        }
    });
}

#[test]
fn a102_a_relay_that_brings_first_envelopes_without_end_is_bounded_and_counts_against_nobody_else() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let (invite, request) = invite_and_request(state, turn);
        let garbage = [vec![1, 1], vec![7; 510]].concat();
        let mut number = 0;
        for queue in [Queue::Contact, Queue::Guest, Queue::Direct].into_iter().cycle().take(6_000) {
            number += 1;
            // Also in the names of those that are good.
            let grant = [invite, request, GrantId::random(turn.rng)][number as usize % 3];
            intake.deposit(state, &mut delivery, turn, relay(1), &entry(number, queue, grant, &garbage)).unwrap();
        }
        let looked_at =
            delivery.take_entries().settled.into_iter().map(|(_, number)| number).collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(looked_at as u64, FIRSTS_OF_RELAY, "the rest stays where it is");
        for (queue, grant) in [(Queue::Contact, invite), (Queue::Guest, request), (Queue::Direct, GrantId([5; 16]))] {
            let opens = intake.may_open(state, &delivery, turn, Origin::Link(LinkId(9)), &garbage, &admitted(queue, grant));
            assert!(opens.is_ok(), "{queue:?}");
        }
        // Another relay of ours brings what Ben has left.
        let question = ben.question(state, turn);
        intake.deposit(state, &mut delivery, turn, relay(2), &entry(1, Queue::Direct, GrantId([5; 16]), &question)).unwrap();
        assert_eq!(intake.questions.len(), 1);
    });
}

/// A step by a lifeline of ours, sealed to its key.
fn by_lifeline(state: &State, turn: &mut Turn<'_>, who: &Person, key: &KemPublicBytes, step: Step) -> Vec<u8> {
    let nonce = Nonce::random(turn.rng);
    let body = codec::encode(&who.standing(turn, 1, nonce));
    let mine = &state.own.identity;
    let package = direct_package(key.as_bytes(), &mine.device);
    let statement = Statement { step, to: state.own.peer, device: mine.device, package, transcript: Digest([0; 32]), body };
    seal_direct(&KemPublic::parse(key).unwrap(), &codec::encode(&First::sign(&who.identity, &statement)), turn.rng).unwrap()
}

#[test]
fn a33_a_lifeline_is_good_for_standings_of_the_friend_who_has_it_eight_times_a_day_and_for_nobody_and_nothing_else() {
    in_turn(|state, turn| {
        let (ben, thief) = (Person::new(state, turn, 2), Person::new(state, turn, 3));
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let contact = lifelines::give(state, turn, &ben.device.peer, RoomId([1; 32])).unwrap();
        let grant = state.lifelines[&ben.device.peer].lines[0].grant;
        let mut number = 0;
        let mut bring = |state: &mut State, turn: &mut Turn<'_>, envelope: &[u8]| {
            number += 1;
            let before = intake.questions.len();
            intake.deposit(state, &mut delivery, turn, relay(1), &entry(number, Queue::Guest, grant, envelope)).unwrap();
            intake.questions.len() - before
        };
        for (who, step) in [(&thief, Step::Standing), (&ben, Step::Offer), (&ben, Step::Accept), (&thief, Step::Confirm)] {
            let envelope = by_lifeline(state, turn, who, &contact.package, step);
            assert_eq!(bring(state, turn, &envelope), 0, "{step:?}");
        }
        assert!(!lifelines::is_apart(turn, &ben.device.device).unwrap() && state.requests.is_empty(), "nothing of it is believed");
        let first = by_lifeline(state, turn, &ben, &contact.package, Step::Standing);
        assert_eq!(bring(state, turn, &first), 1);
        assert!(lifelines::is_apart(turn, &ben.device.device).unwrap());
        let mut taken = 1;
        for _ in 0..10 {
            assert_eq!(bring(state, turn, &first), 0, "a repeat is taken once, and is no use");
            let next = by_lifeline(state, turn, &ben, &contact.package, Step::Standing);
            taken += bring(state, turn, &next);
        }
        assert_eq!(taken, 4, "eight a day, and four were of no use");
        turn.now = turn.now.after(DAY);
        let next = by_lifeline(state, turn, &ben, &contact.package, Step::Standing);
        assert_eq!(bring(state, turn, &next), 1, "on another day");
        // What was sealed to it while it was good.
        let late = by_lifeline(state, turn, &ben, &contact.package, Step::Standing);
        lifelines::withdraw(state, turn, &ben.device.peer);
        assert_eq!(bring(state, turn, &late), 0, "it opens nothing once it has ended");
    });
}

/// A room message of a device for us, under no key of its room, put by the way that a contact names.
fn known_put(turn: &mut Turn<'_>, state: &State, of: &Person, (entry, key): (&MailboxEntry, &Secret), number: u64, says: u64) -> Put {
    let me = &state.own.identity;
    let ratchet = Ratchet::agree(&of.heard, &of.identity.dh, &me.dh.public(), &of.device.device, &me.device);
    let known = Known { room: friend(0).room, epoch: EpochId([1; 32]), sequence: None, mls: says.to_be_bytes().to_vec(), piece: None };
    let mut nonce = [0; 12];
    rand_core::Rng::fill_bytes(turn.rng, &mut nonce);
    let envelope = ratchet.ahead(number).unwrap().seal(&nonce, &codec::encode(&known)).unwrap();
    Put::new(entry.address.clone(), key, 60, None, envelope).unwrap()
}

/// A package of ours, and the way that it names.
fn seat(state: &mut State, turn: &mut Turn<'_>) -> (OwnPackage, (MailboxEntry, Secret)) {
    let (mailbox, grant, expires) = (state.own.admission.id(), GrantId([7; 16]), turn.sure.after(DAY));
    let row = OwnPackage {
        leaf: PublicKeyBytes([1; 32]),
        key: Secret::from_bytes([1; 32]),
        grant,
        grant_expires: expires,
        seed: Seed::draw(None, turn.rng),
        revision: 0,
        lies: Lies::AtRelay(mailbox, 0),
        made: turn.now,
        expires,
        last_resort: false,
        digest: Digest([1; 32]),
        replaced: None,
        seats: 1,
        former: None,
    };
    state.save_package(turn, row.clone());
    let seat = state.own.address(turn.rng, grant, Scope::Guest, expires, 0);
    (row, seat)
}

#[test]
fn by_the_grant_of_a_package_members_write_known_envelopes_and_by_no_other_grant_of_guests() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let link = proved(&mut delivery, state, turn, &ben, 1);
        let (row, seat) = seat(state, turn);
        let grant = row.grant;
        let lifeline = lifelines::give(state, turn, &ben.device.peer, RoomId([1; 32])).unwrap();
        let mut count = |state: &mut State, turn: &mut Turn<'_>, (entry, key): (&MailboxEntry, &Secret), number| {
            let put = known_put(turn, state, &ben, (entry, key), number, number);
            intake.put(state, &mut delivery, turn, link, put).unwrap();
            std::mem::take(&mut intake.dropped).into_keys().collect::<Vec<_>>()
        };
        // Led to its room, which cannot open it.
        assert_eq!(count(state, turn, (&seat.0, &seat.1), 0), ["cipher"]);
        assert_eq!(count(state, turn, (&lifeline.entry, &lifeline.key), 1), ["malformed"]);
        // From a relay as well.
        let envelope =
            |state: &State, turn: &mut Turn<'_>, number| known_put(turn, state, &ben, (&seat.0, &seat.1), number, number).envelope;
        let fetched = |state: &mut State, turn: &mut Turn<'_>, grant, number| {
            let deposit = entry(number, Queue::Guest, grant, &envelope(state, turn, number));
            let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
            intake.deposit(state, &mut delivery, turn, relay(1), &deposit).unwrap();
            intake.dropped.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(fetched(state, turn, grant, 2), ["cipher"]);
        assert_eq!(fetched(state, turn, GrantId([8; 16]), 3), ["malformed"]);
        // Another grant has taken its place: by that of before nothing is put any more, and what lies at relays is taken.
        let renewed = state.packages.get(&row.leaf).unwrap().clone();
        let (at, former) = (turn.sure, renewed.grant);
        let former = FormerGrant { grant: former, expires: renewed.grant_expires, replaced: at, waits: Vec::new(), ended: Some(at) };
        state.save_package(turn, OwnPackage { grant: GrantId([9; 16]), former: Some(vec![former]), ..renewed });
        assert_eq!(count(state, turn, (&seat.0, &seat.1), 6), ["unexpected"]);
        assert_eq!(fetched(state, turn, grant, 7), ["cipher"]);
        // The seat was left.
        state.forget_package(turn, &row.leaf);
        assert_eq!(fetched(state, turn, grant, 4), ["malformed"]);
        assert_eq!(count(state, turn, (&seat.0, &seat.1), 5), ["unexpected"]);
    });
}

#[test]
fn what_has_no_place_in_the_order_and_comes_again_in_another_envelope_is_answered_as_before_and_is_no_copy() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        let link = proved(&mut delivery, state, turn, &ben, 1);
        let (_, way) = seat(state, turn);
        let mut count = |state: &mut State, turn: &mut Turn<'_>, number, says| {
            let put = known_put(turn, state, &ben, (&way.0, &way.1), number, says);
            intake.put(state, &mut delivery, turn, link, put).unwrap();
            std::mem::take(&mut intake.dropped).into_keys().collect::<Vec<_>>()
        };
        let first = count(state, turn, 0, 7);
        assert!(!first.is_empty());
        assert!(count(state, turn, 1, 7).is_empty());
        assert_eq!(count(state, turn, 2, 8), first);
    });
}
