#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{in_turn, peer};
use crate::rows::{BLOCKS_OF_FRIEND, OwnPresence};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;

use symbolon_presence::header::Header;

#[test]
fn replaced_secrets_are_bounded_and_the_newest_stay() {
    in_turn(|state, turn| {
        for n in 0..PAST_MAX as u64 + 10 {
            grant(state, turn, &peer(n), &[]).unwrap();
            revoke(state, turn, &peer(n));
        }
        let revisions: Vec<u64> = state.own.past.iter().map(|past| past.friendship.revision).collect();
        assert_eq!(revisions.len(), PAST_MAX);
        assert!(revisions.is_sorted() && revisions.last() < Some(&state.own.friendship.revision));
    });
}

#[test]
fn versions_and_revisions_begin_and_step_at_random_so_that_nobody_counts_friends_by_them() {
    let mut all = Vec::new();
    in_turn(|state, turn| {
        for n in 0..20 {
            let mut rng = ChaCha20Rng::seed_from_u64(n);
            state.own.presence = OwnPresence::random(turn.now, &mut rng);
            *turn.rng = rng;
            let begins = state.own.presence.wrapping.version;
            grant(state, turn, &peer(n), &[]).unwrap();
            revoke(state, turn, &peer(n));
            all.push((begins, state.own.presence.wrapping.version - begins, state.own.presence.generation.number));
        }
    });
    for of in [|n: &(u64, u64, u32)| n.0, |n: &(u64, u64, u32)| n.1, |n: &(u64, u64, u32)| u64::from(n.2)] {
        let different: BTreeSet<u64> = all.iter().map(of).collect();
        assert!(different.len() > 15, "{different:?}");
    }
}

#[test]
fn a103_nothing_that_is_made_for_a_friend_from_whom_we_hide_names_a_place_of_ours() {
    in_turn(|state, turn| {
        state.own.places = vec![crate::seam::Address(vec![4; 8])];
        for n in [1, 2] {
            state.friends.insert(peer(n), crate::fixture::friend(n));
        }
        hide(state, turn, &peer(1), true);
        let mut places = |peer: PeerId, stranger: u64| {
            let hello = state.own.whereabouts_for(turn.rng, &peer).entry;
            let bundle =
                crate::friendships::own_bundle(state, turn, &symbolon_presence::id::RoomId([1; 32]), &peer, &[]).devices.remove(0).entry;
            let standing = crate::renewal::reply_contact(state, turn, peer, crate::renewal::Lasts::ADay).entry;
            let lifeline = crate::invites::lifelines::give(state, turn, &peer, symbolon_presence::id::RoomId([1; 32])).unwrap().entry;
            let id = symbolon_presence::id::RequestId([1; 16]);
            let row = crate::rows::Request { peer, ..crate::rows::Request::blank(turn, id, crate::command::Direction::Out) };
            let offer = crate::friendships::reply_contact(state, turn, &row).0.entry;
            let expires = turn.now.after(symbolon_presence::time::DAY);
            let record = crate::invites::mint_for(state, turn, crate::fixture::peer(stranger), &peer, expires);
            let introduction = record.verify(turn.now).ok().unwrap().contacts.remove(0).1.entry;
            [hello, bundle, standing, lifeline, offer, introduction].map(|entry| entry.places.len())
        };
        assert_eq!(places(peer(1), 11), [0; 6], "greeting, bundle, Standing, lifeline, Offer or Accept, introduction");
        assert_eq!(places(peer(2), 12), [1; 6], "the others hear of it");
        hide(state, turn, &peer(1), false);
        assert_eq!(state.own.places_for(&peer(1)).len(), 1);
    });
}

#[test]
fn replaced_secrets_are_forgotten_in_time() {
    in_turn(|state, turn| {
        for (n, at) in [(1, 0), (2, PAST_LIFE / 2), (3, PAST_LIFE + 1)] {
            (turn.sure, turn.stamp) = (crate::fixture::NOW.after(at), crate::fixture::NOW.after(at));
            grant(state, turn, &peer(n), &[]).unwrap();
            revoke(state, turn, &peer(n));
        }
        assert_eq!(state.own.past.len(), 2);
    });
}

#[test]
fn a_header_that_has_become_too_big_is_followed_by_a_new_generation_and_one_that_would_stay_so_is_not() {
    in_turn(|state, turn| {
        let first = state.own.presence.generation.number;
        let mut left = 0;
        while Header::wrap(&state.own.presence.generation, &state.own.presence.wrapping, &state.own.presence.readers(), turn.rng).is_ok() {
            for n in [2 * left, 2 * left + 1] {
                grant(state, turn, &peer(n), &[]).unwrap();
            }
            revoke(state, turn, &peer(2 * left));
            left += 1;
        }
        assert!(left > 50, "{left} of twice as many friends");
        assert!(renew(state, turn).is_some());
        let presence = &state.own.presence;
        assert_eq!(presence.generation.number, first + 1);
        assert!(Header::wrap(&presence.generation, &presence.wrapping, &presence.readers(), turn.rng).is_ok());
        // Those who were no friends yet have no place, and are still taken out when that is wanted.
        let revision = state.own.friendship.revision;
        assert!(!state.own.presence.has_block(&peer(1)));
        revoke(state, turn, &peer(1));
        assert!(state.own.friendship.revision > revision);
        assert!(renew(state, turn).is_none(), "nobody has left the new one");
    });
}

#[test]
fn a_friend_holds_two_blocks_at_most_and_is_taken_out_of_all_of_them() {
    in_turn(|state, turn| {
        for _ in 0..5 {
            grant(state, turn, &peer(1), &[]).unwrap();
        }
        assert_eq!(state.own.presence.blocks_of(&peer(1)), BLOCKS_OF_FRIEND);
        revoke(state, turn, &peer(1));
        assert!(!state.own.presence.has_block(&peer(1)));
    });
}
