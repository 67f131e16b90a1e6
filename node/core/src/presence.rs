//! Own presence: who may read it, and how somebody is taken out.
//!
//! Friends hold a block of the revocation tree each. Whatever changes the set of readers
//! begins a new version of the header; taking somebody out also begins a new friendship
//! secret, and with it new keys for whoever stays. Nobody is told: who stays reads it.

use crate::friend::resolve;
use crate::limits::{DEVICES_MAX, PAST_LIFE, PAST_MAX};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn};
use crate::wire::{Labels, PresenceKeys};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::blocks::{Block, Blocks, Readers};
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::generation::Generation;
use symbolon_presence::header::Wrapping;
use symbolon_presence::id::PeerId;
use symbolon_presence::identity::{CERT_MAX, Device, DeviceCertBody, Identity};
use symbolon_presence::kdf::Secret;
use symbolon_presence::labels::SEAL_LABELS;
use symbolon_presence::record::day_of;
use symbolon_presence::seal::hpke_seal;
use symbolon_presence::time::Timestamp;

/// Blocks that one friend may have at once: while two requests cross, the other side may
/// hold the one or the other.
const BLOCKS_OF_FRIEND: usize = 2;

/// What makes this node's records. Row `presence` in [`Table::Meta`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OwnPresence {
    #[n(0)]
    pub generation: Generation,
    #[n(1)]
    blocks: Blocks,
    /// Who was given what friends have, and which blocks; at most [`crate::limits::FRIENDS_MAX`] and those that crossed.
    #[n(2)]
    granted: BTreeMap<PeerId, Vec<Block>>,
    /// Friends who may know everything but where we are.
    #[n(3)]
    hidden: BTreeSet<PeerId>,
    #[n(4)]
    pub wrapping: Wrapping,
    /// Of the newest body.
    #[n(5)]
    pub sequence: u64,
}

/// A friendship secret that is over. Who still uses it is told so, and reads the new one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Past {
    #[n(0)]
    pub friendship: FriendshipSecret,
    #[n(1)]
    pub until: Timestamp,
}

impl OwnPresence {
    /// Draws the first generation.
    pub fn random(now: Timestamp, rng: &mut rand_chacha::ChaCha20Rng) -> Self {
        Self {
            generation: Generation::random(0, day_of(now), rng),
            blocks: Blocks::default(),
            granted: BTreeMap::new(),
            hidden: BTreeSet::new(),
            wrapping: Wrapping::random(0, rng),
            sequence: 0,
        }
    }

    /// Who may read.
    pub fn readers(&self) -> Readers {
        let hidden = self.hidden.iter().filter_map(|peer| self.granted.get(peer)).flatten().copied().collect();
        self.blocks.readers(&hidden)
    }

    /// Whether somebody was given what friends have, and not taken out since.
    pub fn is_granted(&self, peer: &PeerId) -> bool {
        self.granted.contains_key(peer)
    }

    /// Whether a friend may not know where we are.
    pub fn is_hidden_from(&self, peer: &PeerId) -> bool {
        self.hidden.contains(peer)
    }

    fn change(&mut self, turn: &mut Turn<'_>) {
        self.wrapping = Wrapping::random(self.wrapping.version.saturating_add(1), turn.rng);
        turn.put(Table::Meta, b"presence", self);
    }
}

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
    let blocks = presence.granted.entry(*peer).or_default();
    let Ok(block) = presence.blocks.issue(serial, turn.rng) else {
        turn.put(Table::Meta, b"presence", &*presence);
        return None;
    };
    blocks.push(block);
    if blocks.len() > BLOCKS_OF_FRIEND {
        presence.blocks.revoke(blocks.remove(0));
    }
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
    let Some(blocks) = own.presence.granted.remove(peer) else { return };
    for block in blocks {
        own.presence.blocks.revoke(block);
    }
    own.presence.change(turn);
    let new = FriendshipSecret { revision: own.friendship.revision.saturating_add(1), secret: Secret::random(turn.rng) };
    let over = std::mem::replace(&mut own.friendship, new);
    own.past.retain(|past| past.until > turn.now);
    if own.past.len() >= PAST_MAX {
        own.past.remove(0);
    }
    own.past.push(Past { friendship: over, until: turn.now.after(PAST_LIFE) });
    turn.put(Table::Meta, b"friendship", &own.friendship);
    turn.put(Table::Meta, b"past", &own.past);
    state.republish = true;
    state.has_revoked = true;
}

/// A friendship has ended: one that is made again begins without what was hidden.
pub(crate) fn end(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    // Saved with the change of readers that follows.
    state.own.presence.hidden.remove(peer);
    revoke(state, turn, peer);
}

/// Hides from a friend where we are, or shows it again.
pub(crate) fn hide(state: &mut State, turn: &mut Turn<'_>, who: &crate::command::Who, hidden: bool) -> Result<PeerId, Failed> {
    let peer = resolve(state, who)?;
    let presence = &mut state.own.presence;
    let is_new = if hidden { presence.hidden.insert(peer) } else { presence.hidden.remove(&peer) };
    if is_new {
        presence.change(turn);
        state.republish = true;
        turn.notify(crate::seam::Event::Friend(peer));
    }
    Ok(peer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixture::{in_turn, peer};

    #[test]
    fn secrets_that_are_over_are_bounded_and_the_newest_stay() {
        in_turn(|state, turn| {
            let over = PAST_MAX as u64 + 10;
            for n in 0..over {
                grant(state, turn, &peer(n), &[]).unwrap();
                revoke(state, turn, &peer(n));
            }
            let revisions: Vec<u64> = state.own.past.iter().map(|past| past.friendship.revision).collect();
            assert_eq!(revisions, (over - PAST_MAX as u64..over).collect::<Vec<_>>());
            assert_eq!(state.own.friendship.revision, over);
        });
    }

    #[test]
    fn secrets_that_are_over_are_forgotten_in_time() {
        in_turn(|state, turn| {
            for (n, at) in [(1, 0), (2, PAST_LIFE / 2), (3, PAST_LIFE + 1)] {
                turn.now = crate::fixture::NOW.after(at);
                grant(state, turn, &peer(n), &[]).unwrap();
                revoke(state, turn, &peer(n));
            }
            assert_eq!(state.own.past.len(), 2);
        });
    }

    #[test]
    fn a_friend_holds_two_blocks_at_most_and_is_taken_out_of_all_of_them() {
        in_turn(|state, turn| {
            for _ in 0..5 {
                grant(state, turn, &peer(1), &[]).unwrap();
            }
            assert_eq!(state.own.presence.granted.get(&peer(1)).unwrap().len(), BLOCKS_OF_FRIEND);
            revoke(state, turn, &peer(1));
            assert!(!state.own.presence.is_granted(&peer(1)));
        });
    }
}
