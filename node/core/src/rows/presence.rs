//! The tree of readers: who may read our records, and by which block.
//!
//! Friends hold a block of the revocation tree each. Any change of the set of readers begins a new version
//! of the header. Only the folder `presence` changes it.

use crate::table::Table;
use crate::turn::Turn;
use minicbor::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::blocks::{Block, Blocks, Readers};
use symbolon_presence::generation::Generation;
use symbolon_presence::id::PeerId;
use symbolon_presence::record::day_of;
use symbolon_presence::time::{EARLIEST, Timestamp};
use symbolon_presence::wrapping::Wrapping;

/// Blocks that one friend may have at once: while two requests cross, the other side may
/// hold the one or the other.
pub(crate) const BLOCKS_OF_FRIEND: usize = 2;

/// Steps of versions and revisions are at most 2^16.
const STEP_SHIFT: u32 = 16;

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

impl OwnPresence {
    /// Draws the first generation.
    pub fn random(sure: Timestamp, rng: &mut ChaCha20Rng) -> Self {
        Self {
            generation: generation(begin(rng), sure, rng),
            blocks: Blocks::default(),
            granted: BTreeMap::new(),
            hidden: BTreeSet::new(),
            wrapping: Wrapping::random(u64::from(begin(rng)), rng),
            sequence: 0,
        }
    }

    /// Whether the keys of a day are there: not those of a day that has surely passed.
    pub fn has_day(&self, day: u32) -> bool {
        day.checked_sub(self.generation.began).is_some_and(|day| self.generation.ratchet.at(day).is_some())
    }

    /// Who may read.
    pub fn readers(&self) -> Readers {
        let hidden = self.hidden.iter().filter_map(|peer| self.granted.get(peer)).flatten().copied().collect();
        self.blocks.readers(&hidden)
    }

    /// Whether somebody has a place in the present tree.
    pub fn has_block(&self, peer: &PeerId) -> bool {
        self.granted.get(peer).is_some_and(|blocks| !blocks.is_empty())
    }

    /// How many blocks somebody holds.
    #[cfg(test)]
    pub fn blocks_of(&self, peer: &PeerId) -> usize {
        self.granted.get(peer).map_or(0, Vec::len)
    }

    /// Whether a new generation would help: somebody who left still takes room.
    pub fn has_revoked(&self) -> bool {
        self.blocks.has_revoked()
    }

    /// Whether a friend may not know where we are. What is sealed to one person names our own places by
    /// `Own::places_for`, which asks this.
    pub fn is_hidden_from(&self, peer: &PeerId) -> bool {
        self.hidden.contains(peer)
    }

    /// Gives a friend a block of the present tree. None when it is full; the friend counts as given to all the same.
    pub fn issue(&mut self, rng: &mut ChaCha20Rng, peer: &PeerId, serial: u64) -> Option<Block> {
        let blocks = self.granted.entry(*peer).or_default();
        let block = self.blocks.issue(serial, rng).ok()?;
        blocks.push(block);
        if blocks.len() > BLOCKS_OF_FRIEND {
            self.blocks.revoke(blocks.remove(0));
        }
        Some(block)
    }

    /// Takes somebody's blocks away. False when that person was never given anything.
    pub fn take_out(&mut self, peer: &PeerId) -> bool {
        let Some(blocks) = self.granted.remove(peer) else { return false };
        for block in blocks {
            self.blocks.revoke(block);
        }
        true
    }

    /// Begins another generation, in which nobody has a block yet. They were given the friendship secret, and
    /// still have to be taken out one day.
    pub fn begin_generation(&mut self, number: u32, sure: Timestamp, rng: &mut ChaCha20Rng) {
        self.generation = generation(number, sure, rng);
        self.blocks = Blocks::default();
        self.granted.values_mut().for_each(Vec::clear);
    }

    /// Who was given what friends have. Side by side, those from whom we hide take fewer subsets.
    pub fn given(&self) -> Vec<PeerId> {
        let mut friends: Vec<(bool, PeerId)> = self.granted.keys().map(|peer| (self.hidden.contains(peer), *peer)).collect();
        friends.sort_unstable();
        friends.into_iter().map(|(_, peer)| peer).collect()
    }

    /// Hides from a friend where we are, or shows it again. Whether that is new.
    pub fn hide(&mut self, peer: &PeerId, hidden: bool) -> bool {
        if hidden { self.hidden.insert(*peer) } else { self.hidden.remove(peer) }
    }

    /// Another version of the header: the set of readers is another one.
    pub fn change(&mut self, turn: &mut Turn<'_>) {
        self.wrapping = Wrapping::random(self.wrapping.version.saturating_add(step(turn.rng)), turn.rng);
        turn.put(Table::Meta, b"presence", self);
    }
}

/// Where a number begins that rises with every friend made or lost: at a secret, so that it counts nobody.
pub(crate) fn begin(rng: &mut ChaCha20Rng) -> u32 {
    rng.next_u32() >> 2
}

/// How far such a number rises.
pub(crate) fn step(rng: &mut ChaCha20Rng) -> u64 {
    1 + u64::from(rng.next_u32() >> STEP_SHIFT)
}

/// Draws a generation. All begin on one day, so that a clock that was ahead makes none useless. It
/// has no keys of days that have passed.
fn generation(number: u32, sure: Timestamp, rng: &mut ChaCha20Rng) -> Generation {
    let began = day_of(EARLIEST);
    let mut generation = Generation::random(number, began, rng);
    generation.ratchet.forget_before(day_of(sure).saturating_sub(1).saturating_sub(began));
    generation
}
