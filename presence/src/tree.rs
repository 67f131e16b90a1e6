//! Broadcast encryption by subset difference (Naor, Naor, Lotspiech: "Revocation and Tracing
//! Schemes for Stateless Receivers", CRYPTO 2001, eprint 2001/059, section 3.2).
//!
//! The leaves of a complete binary tree are receivers. A set of leaves that may read is
//! covered by *subsets*, each "all leaves under node `i` but those under node `j`", so that
//! every leaf that may read lies in exactly one. Each subset has a key; a leaf holds labels
//! from which it derives the keys of just the subsets that it lies in. Receivers keep no
//! state: whatever was revoked meanwhile, the labels given once open every later cover.
//!
//! Nodes are counted as in a heap: 1 is the root, `2n` and `2n + 1` are the children of `n`.

use crate::kdf::{Secret, derive};
use crate::labels::{KEY_LEFT, KEY_NODE, KEY_RIGHT, KEY_SUBSET};
use std::collections::BTreeSet;

/// Levels below the root of the tree that is used: 65,536 leaves.
pub const HEIGHT: u8 = 16;
/// The most levels that a tree can have.
const HEIGHT_MAX: u8 = 16;

/// The number of a leaf, from the left.
pub type Leaf = u16;

/// A subset of the leaves: those under `all` that are not under `but`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subset {
    /// An inner node.
    pub all: u32,
    /// A node below it.
    pub but: u32,
}

/// Every leaf is to be covered; the scheme can exclude nobody from nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NobodyRevoked;

/// The shape of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    height: u8,
}

/// What the leaves under one node still ask for while a cover is made.
#[derive(Clone, Copy)]
enum Under {
    /// Nothing: none may read, or all who may are covered.
    Nothing,
    /// Every leaf may read.
    All,
    /// Every leaf may read but those under this node.
    But(u32),
}

impl Tree {
    /// The tree of [`HEIGHT`] levels.
    pub const FULL: Self = Self { height: HEIGHT };

    /// A tree of 1 to 16 levels; small ones are for tests.
    pub fn of_height(height: u8) -> Self {
        Self { height: height.clamp(1, HEIGHT_MAX) }
    }

    fn node_of(self, leaf: Leaf) -> u32 {
        (1 << self.height) | u32::from(leaf)
    }

    fn depth(node: u32) -> u8 {
        // A node has at least one bit; the clamp keeps the conversion exact.
        u8::try_from(node.max(1).ilog2()).unwrap_or(HEIGHT_MAX)
    }

    /// Whether a subset is one of this tree: an inner node, and a node below it.
    pub fn has(self, subset: Subset) -> bool {
        subset.all >= 1 && subset.but >> (self.height + 1) == 0 && is_below(subset.but, subset.all)
    }

    /// Whether a leaf lies in a subset.
    pub fn contains(self, subset: Subset, leaf: Leaf) -> bool {
        let node = self.node_of(leaf);
        is_below(node, subset.all) && node != subset.but && !is_below(node, subset.but)
    }

    /// Subsets that hold each of these leaves exactly once, and no other leaf. At most twice
    /// as many as there are gaps between the leaves.
    pub fn cover(self, may_read: &BTreeSet<Leaf>) -> Result<Vec<Subset>, NobodyRevoked> {
        let leaves: Vec<Leaf> = may_read.iter().copied().filter(|leaf| u32::from(*leaf) >> self.height == 0).collect();
        let mut cover = Vec::new();
        match self.cover_under(1, &leaves, &mut cover) {
            Under::Nothing => Ok(cover),
            Under::But(hole) => {
                cover.push(Subset { all: 1, but: hole });
                Ok(cover)
            }
            Under::All => Err(NobodyRevoked),
        }
    }

    fn cover_under(self, node: u32, leaves: &[Leaf], cover: &mut Vec<Subset>) -> Under {
        let below = u32::from(self.height - Self::depth(node));
        if leaves.is_empty() {
            return Under::Nothing;
        }
        if leaves.len() == 1 << below {
            return Under::All;
        }
        let (left, right) = (2 * node, 2 * node + 1);
        let middle = leaves.partition_point(|leaf| self.node_of(*leaf) >> (below - 1) == left);
        let (in_left, in_right) = leaves.split_at(middle);
        let sides = (self.cover_under(left, in_left, cover), self.cover_under(right, in_right, cover));
        match sides {
            (Under::Nothing, Under::Nothing) => Under::Nothing,
            (Under::All, Under::Nothing) => Under::But(right),
            (Under::Nothing, Under::All) => Under::But(left),
            (Under::All, Under::But(hole)) | (Under::But(hole), Under::All) => Under::But(hole),
            // Two holes under one node: no subset has two, so what is found is covered here.
            (Under::But(a), Under::But(b)) => {
                cover.extend([Subset { all: left, but: a }, Subset { all: right, but: b }]);
                Under::Nothing
            }
            (Under::But(hole), Under::Nothing) => {
                cover.push(Subset { all: left, but: hole });
                Under::Nothing
            }
            (Under::Nothing, Under::But(hole)) => {
                cover.push(Subset { all: right, but: hole });
                Under::Nothing
            }
            // All leaves of both sides are all leaves of the node, which was answered above.
            (Under::All, Under::All) => Under::All,
        }
    }
}

/// Whether a node lies strictly below another.
fn is_below(node: u32, above: u32) -> bool {
    let (deep, high) = (Tree::depth(node), Tree::depth(above));
    above >= 1 && deep > high && node >> (deep - high) == above
}

/// The label of a node's child.
fn child(label: &Secret, node: u32) -> Secret {
    derive(label.expose(), if node & 1 == 0 { KEY_LEFT } else { KEY_RIGHT }, &[])
}

/// From the label of a node to that of a node at or below it.
fn descend(mut label: Secret, from: u32, to: u32) -> Secret {
    for level in (0..Tree::depth(to) - Tree::depth(from)).rev() {
        label = child(&label, to >> level);
    }
    label
}

fn key_of(label: &Secret) -> Secret {
    derive(label.expose(), KEY_SUBSET, &[])
}

/// The secret from which all labels of one tree come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeSecret<'a> {
    /// The tree's shape.
    pub tree: Tree,
    /// Drawn at random, the owner's alone.
    pub secret: &'a Secret,
    /// The generation, which stands in every label.
    pub generation: u32,
}

impl TreeSecret<'_> {
    /// The label that a node has in its own tree.
    fn root_label(&self, node: u32) -> Secret {
        derive(self.secret.expose(), KEY_NODE, &[&self.generation.to_be_bytes(), &node.to_be_bytes()])
    }

    /// The key of a subset.
    pub fn subset_key(&self, subset: Subset) -> Option<Secret> {
        self.tree.has(subset).then(|| key_of(&descend(self.root_label(subset.all), subset.all, subset.but)))
    }

    /// What a leaf gets: for every node above it the label of every node that hangs off the
    /// path between the two. 136 labels in a tree of 16 levels.
    pub fn leaf_labels(&self, leaf: Leaf) -> LeafLabels {
        let (height, node) = (self.tree.height, self.tree.node_of(leaf));
        let mut labels = Vec::with_capacity(count(height));
        for depth in 0..height {
            let above = node >> (height - depth);
            let mut label = self.root_label(above);
            for level in (0..height - depth).rev() {
                let on_path = node >> level;
                labels.push(child(&label, on_path ^ 1));
                label = child(&label, on_path);
            }
        }
        LeafLabels { leaf, labels }
    }
}

/// How many labels a leaf has.
const fn count(height: u8) -> usize {
    height as usize * (height as usize + 1) / 2
}

/// The labels of one leaf, the uppermost node's first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafLabels {
    leaf: Leaf,
    labels: Vec<Secret>,
}

impl LeafLabels {
    /// Bytes of a leaf's labels in the full tree, with the leaf's number.
    pub const LEN: usize = 2 + 32 * count(HEIGHT);

    /// The key of a subset, if the leaf lies in it.
    pub fn subset_key(&self, tree: Tree, subset: Subset) -> Option<Secret> {
        if !tree.has(subset) || !tree.contains(subset, self.leaf) {
            return None;
        }
        let node = tree.node_of(self.leaf);
        let above = Tree::depth(subset.all);
        // Where the way down to the hole leaves the way down to this leaf.
        let (mut hanging, mut depth) = (subset.but, Tree::depth(subset.but));
        while depth > above && node >> (tree.height - (depth - 1)) != hanging >> 1 {
            (hanging, depth) = (hanging >> 1, depth - 1);
        }
        let before: usize = (0..above).map(|d| usize::from(tree.height - d)).sum();
        let label = self.labels.get(before + usize::from(depth - above - 1))?;
        Some(key_of(&descend(label.clone(), hanging, subset.but)))
    }

    /// Leaf and labels, for a seal.
    pub fn to_bytes(&self) -> Vec<u8> {
        let labels = self.labels.iter().flat_map(|label| label.expose().iter().copied());
        self.leaf.to_be_bytes().into_iter().chain(labels).collect()
    }

    /// Reads what [`Self::to_bytes`] wrote for the full tree.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (leaf, labels) = bytes.split_first_chunk::<2>().filter(|_| bytes.len() == Self::LEN)?;
        let labels = labels.chunks_exact(32).filter_map(|label| label.try_into().ok()).map(Secret::from_bytes).collect();
        Some(Self { leaf: Leaf::from_be_bytes(*leaf), labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::from_bytes([7; 32])
    }

    /// Every set of readers of a small tree but the full one.
    fn every_set(height: u8) -> impl Iterator<Item = BTreeSet<Leaf>> {
        let leaves = 1u32 << height;
        (0..(1u64 << leaves) - 1).map(move |bits| (0..leaves as Leaf).filter(|leaf| bits >> leaf & 1 == 1).collect())
    }

    #[test]
    fn every_set_of_a_small_tree_is_covered_exactly_once_and_nobody_else_is() {
        for height in 1..=4 {
            let tree = Tree::of_height(height);
            for may_read in every_set(height) {
                let cover = tree.cover(&may_read).unwrap();
                assert!(cover.iter().all(|subset| tree.has(*subset)));
                for leaf in 0..1u16 << height {
                    let times = cover.iter().filter(|subset| tree.contains(**subset, leaf)).count();
                    assert_eq!(times, usize::from(may_read.contains(&leaf)), "leaf {leaf} of {may_read:?}");
                }
                let revoked = (1usize << height) - may_read.len();
                assert!(cover.len() < 2 * revoked, "at most 2r - 1 subsets");
            }
            assert_eq!(tree.cover(&(0..1u16 << height).collect()), Err(NobodyRevoked));
        }
    }

    #[test]
    fn a_leaf_derives_the_keys_of_its_subsets_and_of_no_other() {
        for height in 1..=5 {
            let tree = Tree::of_height(height);
            let owner = TreeSecret { tree, secret: &secret(), generation: 3 };
            let leaves: Vec<LeafLabels> = (0..1u16 << height).map(|leaf| owner.leaf_labels(leaf)).collect();
            let nodes = 1u32 << (height + 1);
            for all in 1..nodes {
                for but in 1..nodes {
                    let subset = Subset { all, but };
                    let key = owner.subset_key(subset);
                    assert_eq!(key.is_some(), tree.has(subset));
                    for (leaf, labels) in leaves.iter().enumerate() {
                        let derived = labels.subset_key(tree, subset);
                        let expected = key.clone().filter(|_| tree.contains(subset, leaf as Leaf));
                        assert_eq!(derived, expected, "leaf {leaf}, {subset:?}");
                    }
                }
            }
        }
    }

    /// All labels that somebody with these labels can derive, by the node pair they are of.
    fn derivable(tree: Tree, labels: &LeafLabels) -> BTreeSet<[u8; 32]> {
        let node = tree.node_of(labels.leaf);
        let mut known = BTreeSet::new();
        let mut given = labels.labels.iter();
        for depth in 0..tree.height {
            for level in (0..tree.height - depth).rev() {
                let mut waiting = vec![((node >> level) ^ 1, given.next().unwrap().clone())];
                while let Some((at, label)) = waiting.pop() {
                    known.insert(*label.expose());
                    if Tree::depth(at) < tree.height {
                        waiting.extend([2 * at, 2 * at + 1].map(|next| (next, child(&label, next))));
                    }
                }
            }
        }
        known
    }

    #[test]
    fn a24_all_revoked_leaves_together_derive_the_label_of_no_subset_of_the_cover() {
        let tree = Tree::of_height(4);
        let owner = TreeSecret { tree, secret: &secret(), generation: 0 };
        let known: Vec<BTreeSet<[u8; 32]>> = (0..16).map(|leaf| derivable(tree, &owner.leaf_labels(leaf))).collect();
        for may_read in every_set(4) {
            for subset in tree.cover(&may_read).unwrap() {
                let label = descend(owner.root_label(subset.all), subset.all, subset.but);
                for leaf in 0..16u16 {
                    let knows = known[usize::from(leaf)].contains(label.expose());
                    assert_eq!(knows, tree.contains(subset, leaf), "leaf {leaf}, {subset:?}");
                    assert!(!knows || may_read.contains(&leaf));
                }
            }
        }
    }

    #[test]
    fn generations_and_secrets_share_no_key() {
        let subset = Subset { all: 1, but: 5 };
        let key = |secret: &Secret, generation| TreeSecret { tree: Tree::FULL, secret, generation }.subset_key(subset);
        assert_ne!(key(&secret(), 0), key(&secret(), 1));
        assert_ne!(key(&secret(), 0), key(&Secret::from_bytes([8; 32]), 0));
    }

    #[test]
    fn labels_of_the_full_tree_read_back_and_other_lengths_are_refused() {
        let owner = TreeSecret { tree: Tree::FULL, secret: &secret(), generation: 0 };
        let labels = owner.leaf_labels(40_000);
        let bytes = labels.to_bytes();
        assert_eq!((bytes.len(), labels.labels.len()), (LeafLabels::LEN, 136));
        assert_eq!(LeafLabels::from_bytes(&bytes), Some(labels));
        for length in [0, 1, 2, LeafLabels::LEN - 1, LeafLabels::LEN + 1] {
            let mut other = bytes.clone();
            other.resize(length, 0);
            assert_eq!(LeafLabels::from_bytes(&other), None);
        }
    }

    #[test]
    fn subsets_from_outside_that_are_none_yield_no_key() {
        let labels = TreeSecret { tree: Tree::FULL, secret: &secret(), generation: 0 }.leaf_labels(9);
        for (all, but) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 3), (1, u32::MAX), (u32::MAX, u32::MAX), (65_536, 131_072)] {
            assert_eq!(labels.subset_key(Tree::FULL, Subset { all, but }), None, "{all} but {but}");
        }
    }
}
