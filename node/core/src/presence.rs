//! Own presence: who may read it, and how somebody is taken out.
//!
//! Friends hold a block of the revocation tree each. Whatever changes the set of readers
//! begins a new version of the header; taking somebody out also begins a new friendship
//! secret, and with it new keys for whoever stays. Nobody is told: who stays reads it.

use crate::limits::{DEVICES_MAX, PAST_LIFE, PAST_MAX};
use crate::rows::{Past, step};
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::{Labels, PresenceKeys};
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::PeerId;
use symbolon_presence::identity::{CERT_MAX, Device, DeviceCertBody, Identity};
use symbolon_presence::kdf::Secret;
use symbolon_presence::labels::SEAL_LABELS;
use symbolon_presence::record::day_of;
use symbolon_presence::seal::hpke_seal;

fn serial(identity: &Identity) -> u64 {
    codec::decode::<DeviceCertBody>(&identity.chain.cert, CERT_MAX).map_or(0, |cert| cert.serial)
}

/// Gives a friend's devices what they need to read our records. None when the tree is full:
/// the friendship then lives by direct ways and relays alone.
pub(crate) fn grant(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, to: &[Device]) -> Option<PresenceKeys> {
    let own = &mut state.own;
    let serial = serial(&own.identity);
    let presence = &mut own.presence;
    // The bundle around this gives the friendship secret away, also when there is no block left.
    let Some(block) = presence.issue(turn.rng, peer, serial) else {
        state.is_outgrown = true;
        turn.put(Table::Meta, b"presence", &*presence);
        return None;
    };
    let reader = presence.generation.reader();
    let mut labels = Vec::with_capacity(to.len());
    for (device, number) in to.iter().take(DEVICES_MAX).zip(0..) {
        let of_leaf = presence.generation.tree().leaf_labels(block.leaf(number)?).to_bytes();
        let sealed = hpke_seal(SEAL_LABELS, &device.dh, reader.lookup.as_bytes(), &of_leaf, turn.rng);
        labels.push(Labels { device: device.device, sealed });
    }
    presence.change(turn);
    state.republish = true;
    Some(PresenceKeys { reader, labels, lookups: crate::lookup::told(state) })
}

/// Takes somebody out: records, keys and grants of the new friendship secret are for those
/// who stay. Nothing happens when that person was never given anything.
pub(crate) fn revoke(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    let own = &mut state.own;
    if !own.presence.take_out(peer) {
        return;
    }
    own.presence.change(turn);
    let new = FriendshipSecret { revision: own.friendship.revision.saturating_add(step(turn.rng)), secret: Secret::random(turn.rng) };
    let over = std::mem::replace(&mut own.friendship, new);
    turn.put(Table::Meta, b"friendship", &own.friendship);
    put_past(state, turn, over);
    state.republish = true;
    state.has_revoked = true;
}

/// Remembers a friendship secret that was replaced.
fn put_past(state: &mut State, turn: &mut Turn<'_>, over: FriendshipSecret) {
    let past = &mut state.own.past;
    past.retain(|past| past.until > turn.sure);
    if past.len() >= PAST_MAX {
        past.remove(0);
    }
    past.push(Past { friendship: over, until: turn.stamp.after(PAST_LIFE) });
    turn.put(Table::Meta, b"past", past);
}

/// Begins a new generation, without those who have left: the old one's tree or header is full, or
/// the keys of today are erased since our clock and a friend's were wrong together. None when a new one
/// would be as full, and no day is lost.
///
/// Answers who was given what friends have: friends get it again in their connection rooms; until that has
/// arrived they go by what they know. Somebody who is not a friend yet, or is blocked, gets it once that has changed.
pub(crate) fn renew(state: &mut State, turn: &mut Turn<'_>) -> Option<Vec<PeerId>> {
    let has_lost_today = state.clock.is_confirmed() && !state.own.presence.has_day(day_of(turn.now));
    let presence = &mut state.own.presence;
    if !presence.has_revoked() && !has_lost_today {
        return None;
    }
    let number = presence.generation.number.saturating_add(1);
    presence.begin_generation(number, turn.sure.min(turn.now), turn.rng);
    presence.change(turn);
    state.republish = true;
    Some(presence.given())
}

/// After an older copy was put back: friendship secret, tree and header begin again above all that
/// the newer state gave away, of which nothing is known here. Nothing is sealed now: each friend
/// gets it in the room that is made again, or in the present one once that friend has said that it
/// is whole.
pub(crate) fn begin_above(state: &mut State, turn: &mut Turn<'_>, revision: u64) {
    let own = &mut state.own;
    let presence = &mut own.presence;
    let number = presence.generation.number.saturating_add(GENERATIONS_ABOVE);
    presence.begin_generation(number, turn.sure, turn.rng);
    presence.wrapping.version = presence.wrapping.version.saturating_add(STEP_ABOVE);
    presence.change(turn);
    let new = FriendshipSecret { revision: revision.max(own.friendship.revision).saturating_add(1), secret: Secret::random(turn.rng) };
    // A friend who still holds what this folder gave away hears that it was replaced, and reads the
    // new one.
    let over = std::mem::replace(&mut own.friendship, new);
    put_past(state, turn, over);
    turn.put(Table::Meta, b"friendship", &state.own.friendship);
    state.republish = true;
    state.has_revoked = true;
}

/// Versions that a newer state may have counted since the copy was made, and more.
const STEP_ABOVE: u64 = 1 << 32;
/// The same for generations.
const GENERATIONS_ABOVE: u32 = 1 << 16;

/// A friendship has ended: one that is made again begins without what was hidden.
pub(crate) fn end(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    // Saved with the change of readers that follows.
    state.own.presence.hide(peer, false);
    revoke(state, turn, peer);
}

/// Hides from a friend where we are, or shows it again.
pub(crate) fn hide(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, hidden: bool) {
    let presence = &mut state.own.presence;
    if presence.hide(peer, hidden) {
        presence.change(turn);
        state.republish = true;
        if !hidden {
            // Their proofs are answered again.
            state.befriended.extend(state.friends.get(peer).map(|friend| friend.devices.as_slice()).unwrap_or_default());
        }
        turn.notify(crate::seam::Event::Friend(*peer));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixture::{in_turn, peer};
    use crate::rows::{BLOCKS_OF_FRIEND, OwnPresence};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use std::collections::BTreeSet;

    use symbolon_presence::header::Header;

    #[test]
    fn secrets_that_are_over_are_bounded_and_the_newest_stay() {
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
                let bundle = crate::friend::own_bundle(state, turn, &peer, &[]).devices.remove(0).entry;
                let standing = crate::standing::reply_contact(state, turn, peer).entry;
                let id = symbolon_presence::id::RequestId([1; 16]);
                let row = crate::rows::Request { peer, ..crate::request::blank(turn, id, crate::command::Direction::Out) };
                let offer = crate::request::offer::reply_contact(state, turn, &row).0.entry;
                let expires = turn.now.after(symbolon_presence::time::DAY);
                let record = crate::contact::mint_for(state, turn, crate::fixture::peer(stranger), &peer, expires);
                let introduction = record.verify(turn.now).ok().unwrap().contacts.remove(0).1.entry;
                [hello, bundle, standing, offer, introduction].map(|entry| entry.places.len())
            };
            assert_eq!(places(peer(1), 11), [0; 5], "greeting, bundle, Standing, Offer or Accept, introduction");
            assert_eq!(places(peer(2), 12), [1; 5], "the others are told");
            hide(state, turn, &peer(1), false);
            assert_eq!(state.own.places_for(&peer(1)).len(), 1);
        });
    }

    #[test]
    fn secrets_that_are_over_are_forgotten_in_time() {
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
            while Header::wrap(&state.own.presence.generation, &state.own.presence.wrapping, &state.own.presence.readers(), turn.rng)
                .is_ok()
            {
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
}
