//! Who has which leaves of the tree.
//!
//! A friend has one aligned block of 8 leaves, each of the friend's devices one leaf in it.
//! Blocks lie in stripes of 64, and each own device issues blocks of its own stripes only,
//! so that two devices that are apart never give one block to two friends. Before each
//! friend a random few blocks are passed over for ever: they stay covered, and nobody can
//! count the friends. A block is never issued twice, and what is revoked stays revoked.

use crate::tree::Leaf;
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves of one friend, and so the most devices.
pub const BLOCK_LEAVES: u16 = 8;
/// Blocks of a stripe.
const STRIPE: u16 = 64;
/// Classes of stripes: a device's are those of its serial's remainder.
const CLASSES: u16 = 16;
/// All blocks of the tree.
const BLOCKS: u16 = 8_192;
/// Blocks of one class.
const CLASS_BLOCKS: u16 = BLOCKS / CLASSES;
/// One less of these many blocks at most are passed over before a friend.
const SKIPS: u8 = 3;

/// The number of a friend's block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Block(#[n(0)] u16);

/// No block is left for this device; it takes a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeFull;

impl Block {
    /// The leaf of the friend's nth device, from 0.
    pub fn leaf(self, device: u16) -> Option<Leaf> {
        (device < BLOCK_LEAVES && self.0 < BLOCKS).then(|| self.0 * BLOCK_LEAVES + device)
    }

    /// All its leaves.
    pub fn leaves(self) -> impl Iterator<Item = Leaf> {
        (0..BLOCK_LEAVES).filter_map(move |device| self.leaf(device))
    }
}

/// Which blocks were issued and which leaves are revoked, in one generation. Only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Blocks {
    /// By serial of the own device: how many blocks of its order were issued or passed over.
    #[n(0)]
    passed: BTreeMap<u64, u16>,
    #[n(1)]
    revoked: BTreeSet<u16>,
    /// Single leaves: devices of friends who stay.
    #[n(2)]
    revoked_leaves: BTreeSet<u16>,
}

/// The nth block in the order of a device: its own class first. Beyond that it takes from
/// the classes after it, which only a user's single device may.
fn nth(serial: u64, n: u16) -> Block {
    let own = u16::try_from(serial % u64::from(CLASSES)).unwrap_or_default();
    let class = (own + n / CLASS_BLOCKS) % CLASSES;
    let (stripe, within) = (n % CLASS_BLOCKS / STRIPE, n % STRIPE);
    Block((stripe * CLASSES + class) * STRIPE + within)
}

impl Blocks {
    /// Issues a block. The last leaves of the tree are nobody's: a cover needs somebody who
    /// may not read.
    pub fn issue<R: rand_core::CryptoRng + ?Sized>(&mut self, serial: u64, rng: &mut R) -> Result<Block, TreeFull> {
        let mut drawn = [0];
        rng.fill_bytes(&mut drawn);
        let [drawn] = drawn;
        // A renewed certificate has another serial, and that may be of the same class.
        let others: BTreeSet<Block> = self.issued(|other| other != serial).collect();
        let passed = self.passed.entry(serial).or_default();
        let first = passed.saturating_add(u16::from(drawn % SKIPS));
        let at = (first..BLOCKS - CLASS_BLOCKS).find(|at| !others.contains(&nth(serial, *at))).ok_or(TreeFull)?;
        *passed = at + 1;
        Ok(nth(serial, at))
    }

    /// The blocks that were issued, or passed over, under certain serials.
    fn issued(&self, is_meant: impl Fn(u64) -> bool) -> impl Iterator<Item = Block> {
        let passed = self.passed.iter().filter(move |(serial, _)| is_meant(**serial));
        passed.flat_map(|(serial, passed)| (0..*passed).map(|n| nth(*serial, n)))
    }

    /// Revokes a friend, all devices at once. Whether that is new.
    pub fn revoke(&mut self, block: Block) -> bool {
        self.revoked.insert(block.0)
    }

    /// Revokes one device of a friend. Whether that is new.
    pub fn revoke_leaf(&mut self, leaf: Leaf) -> bool {
        self.revoked_leaves.insert(leaf)
    }

    /// Whether anybody was revoked: a new generation would need fewer subsets.
    pub fn has_revoked(&self) -> bool {
        !self.revoked.is_empty() || !self.revoked_leaves.is_empty()
    }

    /// Joins what another own device has done.
    pub fn merge(&mut self, other: &Self) {
        for (serial, passed) in &other.passed {
            let own = self.passed.entry(*serial).or_default();
            *own = (*own).max(*passed);
        }
        self.revoked.extend(&other.revoked);
        self.revoked_leaves.extend(&other.revoked_leaves);
    }

    /// The leaves that may read what `hidden` friends may not, and those that may read only
    /// what is left for those.
    pub fn readers(&self, hidden: &BTreeSet<Block>) -> Readers {
        let mut readers = Readers::default();
        for block in self.issued(|_| true).filter(|block| !self.revoked.contains(&block.0)) {
            let class = if hidden.contains(&block) { &mut readers.limited } else { &mut readers.full };
            class.extend(block.leaves().filter(|leaf| !self.revoked_leaves.contains(leaf)));
        }
        readers
    }
}

/// Who may read what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readers {
    /// Everything.
    pub full: BTreeSet<Leaf>,
    /// Everything but where the owner is.
    pub limited: BTreeSet<Leaf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(3)
    }

    #[test]
    fn a_device_whose_certificate_is_renewed_issues_no_block_again() {
        let (mut blocks, mut rng, mut issued) = (Blocks::default(), rng(), BTreeSet::new());
        // The first and the third serial are of one class, the second one issues into it once its own is used up.
        for (serial, friends) in [(1, 100), (16, 600), (17, 100), (1, 100)] {
            for _ in 0..friends {
                assert!(issued.insert(blocks.issue(serial, &mut rng).unwrap()), "{serial}");
            }
        }
        let readers = blocks.readers(&BTreeSet::new()).full;
        assert!(issued.iter().all(|block| block.leaves().all(|leaf| readers.contains(&leaf))));
    }

    #[test]
    fn two_devices_that_are_apart_never_issue_one_block() {
        let (mut a, mut b, mut rng) = (Blocks::default(), Blocks::default(), rng());
        let mut issued = BTreeSet::new();
        for _ in 0..128 {
            assert!(issued.insert(a.issue(0, &mut rng).unwrap()));
            assert!(issued.insert(b.issue(1, &mut rng).unwrap()));
        }
        let revoked = [*issued.first().unwrap(), *issued.last().unwrap()];
        a.revoke(revoked[0]);
        b.revoke(revoked[1]);
        let mut both = a.clone();
        both.merge(&b);
        b.merge(&a);
        assert_eq!(both, b, "merging does not depend on the order");
        let readers = both.readers(&BTreeSet::new()).full;
        for block in issued {
            assert_eq!(block.leaves().all(|leaf| readers.contains(&leaf)), !revoked.contains(&block));
        }
    }

    #[test]
    fn a_full_tree_says_so_and_leaves_somebody_who_may_not_read() {
        let (mut blocks, mut rng) = (Blocks::default(), rng());
        let mut issued = BTreeSet::new();
        while let Ok(block) = blocks.issue(5, &mut rng) {
            assert!(issued.insert(block), "a block was issued twice");
        }
        assert!(issued.len() > 2_500, "{} friends have room", issued.len());
        assert_eq!(blocks.issue(5, &mut rng), Err(TreeFull));
        assert!(crate::tree::Tree::FULL.cover(&blocks.readers(&BTreeSet::new()).full).is_ok());
    }

    #[test]
    fn unissued_blocks_may_not_read_and_those_passed_over_hide_the_number_of_friends() {
        let (mut blocks, mut rng) = (Blocks::default(), rng());
        let last = (0..20).map(|_| blocks.issue(0, &mut rng).unwrap()).last().unwrap();
        let readers = blocks.readers(&BTreeSet::new()).full;
        assert_eq!(readers.len(), usize::from((last.0 + 1) * BLOCK_LEAVES), "no gap in the stripe");
        assert!(last.0 > 20, "some were passed over");
        assert!(!readers.contains(&((last.0 + 1) * BLOCK_LEAVES)), "the next friend's leaves are nobody's yet");
    }

    #[test]
    fn hidden_friends_and_revoked_devices_leave_the_right_sets() {
        let (mut blocks, mut rng) = (Blocks::default(), rng());
        let [a, b, c] = [0; 3].map(|_| blocks.issue(0, &mut rng).unwrap());
        blocks.revoke_leaf(a.leaf(1).unwrap());
        blocks.revoke(c);
        let readers = blocks.readers(&BTreeSet::from([b, c]));
        assert!(readers.full.contains(&a.leaf(0).unwrap()) && !readers.full.contains(&a.leaf(1).unwrap()));
        assert_eq!(readers.limited, b.leaves().collect(), "a revoked friend is not in the limited set, either");
        assert!(readers.full.is_disjoint(&readers.limited));
        assert_eq!(a.leaf(BLOCK_LEAVES), None);
    }
}
