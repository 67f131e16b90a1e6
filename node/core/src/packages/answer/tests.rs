//! Who is given a package by this node itself, and who is not.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{in_turn, peer};
use crate::limits::PACKAGES_OF_FRIEND;
use crate::rows::Past;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{GrantId, MailboxId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::DAY;
use symbolon_relay::grant::AddressBody;

/// A question under a secret, for an address.
fn question(turn: &mut Turn<'_>, secret: &FriendshipSecret, mailbox: &MailboxId, address: Vec<u8>) -> Fetch {
    let nonce = Nonce::random(turn.rng);
    Fetch::sign(&secret.capability(mailbox), mailbox, address, nonce, turn.stamp)
}

/// The address of this node for friends.
fn address(state: &State, turn: &mut Turn<'_>) -> Vec<u8> {
    state.own.whereabouts(turn.rng).entry.address
}

#[test]
fn a26_a_package_is_for_the_present_token_here_asked_once() {
    in_turn(|state, turn| {
        let mut desk = Desk::default();
        let (mailbox, address) = (state.own.admission.id(), address(state, turn));
        let present = state.own.friendship.clone();
        let mut asks = |state: &mut State, turn: &mut Turn<'_>, fetch: &Fetch| desk.answer(state, turn, peer(1), fetch).unwrap();
        let fetch = question(turn, &present, &mailbox, address.clone());
        assert!(matches!(asks(state, turn, &fetch), Handed::Package(_)));
        assert!(asks(state, turn, &fetch) == Handed::Refused, "shown again");
        let other = FriendshipSecret { secret: Secret::from_bytes([7; 32]), ..present.clone() };
        let fetch = question(turn, &other, &mailbox, address.clone());
        assert!(asks(state, turn, &fetch) == Handed::Refused, "a token that never was");
        let past = Past { friendship: other.clone(), until: turn.sure.after(DAY) };
        state.own.past.push(past);
        assert!(asks(state, turn, &fetch) == Handed::Stale, "one that was");
        (turn.now, turn.sure) = (turn.now.after(2 * DAY), turn.sure.after(2 * DAY));
        assert!(asks(state, turn, &fetch) == Handed::Refused, "long ago");
        let fetch = question(turn, &present, &MailboxId([3; 32]), address.clone());
        assert!(asks(state, turn, &fetch) == Handed::Refused, "for another mailbox");
        let mut fetch = question(turn, &present, &mailbox, address.clone());
        fetch.at = fetch.at.after(1);
        assert!(asks(state, turn, &fetch) == Handed::Refused, "changed");
        for bad in [vec![1; 100], Vec::new(), vec![0; 5_000], guest(state, turn)] {
            let fetch = question(turn, &present, &mailbox, bad);
            assert!(asks(state, turn, &fetch) == Handed::Refused, "by no address of friends");
        }
        assert_eq!(state.packages.all().count(), 1);
    });
}

/// An address of this node for somebody who is no friend.
fn guest(state: &State, turn: &mut Turn<'_>) -> Vec<u8> {
    let keys = state.own.admission.keys();
    let body = AddressBody { queue: keys.direct, grant: GrantId([1; 16]), scope: Scope::Guest, expires: turn.now.after(DAY), uses: 0 };
    keys.seal_address(&body, turn.rng)
}

#[test]
fn a30_a_friend_is_given_so_many_in_a_day_the_owner_hears_of_it_and_what_is_remembered_has_a_bound() {
    in_turn(|state, turn| {
        let mut desk = Desk::default();
        let (mailbox, address, present) = (state.own.admission.id(), address(state, turn), state.own.friendship.clone());
        let mut given = 0;
        for _ in 0..NONCES_MAX + 10 {
            let fetch = question(turn, &present, &mailbox, address.clone());
            let handed = desk.answer(state, turn, peer(1), &fetch).unwrap();
            let is_given = matches!(handed, Handed::Package(_));
            assert!(is_given || handed == Handed::Empty);
            given += u64::from(is_given);
        }
        assert_eq!((given, desk.nonces.len()), (PACKAGES_OF_FRIEND, NONCES_MAX));
        assert_eq!(desk.drains(turn.now).collect::<Vec<_>>(), [&peer(1)]);
        assert_eq!(desk.drains(turn.now.after(DRAIN_TOLD)).count(), 0);
        let fetch = question(turn, &present, &mailbox, address);
        assert!(matches!(desk.answer(state, turn, peer(2), &fetch).unwrap(), Handed::Package(_)), "another friend");
        for number in 0..2 * FRIENDS_MAX as u64 {
            desk.note_drain(turn.now, peer(number));
        }
        assert_eq!(desk.drains.len(), FRIENDS_MAX);
    });
}
