//! When no other commit can take an epoch's place any more, and what decides when two branches have both come that far.

use super::rank::{Rival, winner};
use crate::limits::{FINAL_AGE, FINAL_LATER, FINAL_USERS, LEAF_GONE};
use std::collections::BTreeSet;
use symbolon_presence::id::{EpochId, PeerId, RoomId};

/// What is known of one leaf of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ear {
    /// Whether it was heard past the epoch: in it or a later one of our branch.
    pub past: bool,
    /// For how many milliseconds of sure time nothing was heard of it.
    pub unheard: u64,
}

impl Ear {
    /// Whether its device counts as gone: it holds nothing up any more.
    pub fn is_gone(&self) -> bool {
        self.unheard >= LEAF_GONE
    }
}

/// Whether an epoch is final, so that what came before it can be erased: every leaf was heard past it (one that is gone
/// does not count); or it is 7 days old by sure time; or at least five later epochs of our branch are there, by at least
/// three different users. `later` has the committing user of each later epoch.
///
/// And only if its parent is final: who is removed in an epoch has no voice in it, and may stand on a rival of its parent.
///
/// Epochs alone prove nothing: who is being removed can commit five times in a minute, to those who have not heard of it.
pub fn is_final(later: &[PeerId], leaves: &[Ear], age: u64) -> bool {
    let users: BTreeSet<&PeerId> = later.iter().collect();
    let overtaken = later.len() >= FINAL_LATER && users.len() >= FINAL_USERS;
    age >= FINAL_AGE || overtaken || leaves.iter().all(|ear| ear.past || ear.is_gone())
}

/// A branch of a room that has parted further back than some of its devices can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The commit that it begins with.
    pub first: Rival,
    /// Whose frames show that they have committed or written in it.
    pub heard: BTreeSet<PeerId>,
}

/// The branch that stands: the one with most users of the fork's epoch, each counted once, who were heard there and in none of
/// the others; ties by the rank of the commits that they begin with. Named by the epoch that it begins with. `None` only
/// for none.
///
/// `number` and `users` are those of the epoch at which they part. People whom a branch has added have no voice: its
/// committers would choose the outcome.
pub fn strongest(room: &RoomId, number: u64, users: &BTreeSet<PeerId>, branches: &[Branch]) -> Option<EpochId> {
    let voices = |branch: &Branch| {
        let elsewhere = |user: &PeerId| branches.iter().any(|other| other.first.epoch != branch.first.epoch && other.heard.contains(user));
        branch.heard.iter().filter(|user| users.contains(*user) && !elsewhere(user)).count()
    };
    let most = branches.iter().map(voices).max()?;
    let tied: Vec<Rival> = branches.iter().filter(|branch| voices(branch) == most).map(|branch| branch.first.clone()).collect();
    winner(room, number, &tied)
}

/// Whether a text that was lost with its epoch may go again without a question: only when everybody who will read it is
/// somebody whom it was written for.
pub fn may_resend(written_for: &BTreeSet<PeerId>, now: &BTreeSet<PeerId>) -> bool {
    now.is_subset(written_for)
}

#[cfg(test)]
mod tests;
