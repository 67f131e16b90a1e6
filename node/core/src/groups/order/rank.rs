//! Which of several commits of one epoch stands.

use crate::wire::{Role, commit_rank};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, Digest, EpochId, PeerId, RoomId};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::HASH_RANK;

/// Who made a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Committer {
    /// A member of the parent epoch.
    Member {
        /// Index of its leaf.
        leaf: u32,
        /// Whose leaf it is.
        user: PeerId,
        /// The role of that user in the parent epoch.
        role: Role,
    },
    /// A device that has joined by an external commit.
    External {
        /// Whose device it is.
        user: PeerId,
        /// Which one.
        device: DeviceId,
    },
}

impl Committer {
    /// `None`, below every role, for a device that was no member.
    fn role(&self) -> Option<Role> {
        match self {
            Self::Member { role, .. } => Some(*role),
            Self::External { .. } => None,
        }
    }

    /// Made of what every member of the parent epoch knows and nobody but the room's maker has chosen any of.
    fn lot(&self, room: &RoomId, number: u64) -> Digest {
        match self {
            Self::Member { leaf, .. } => commit_rank(room, number, *leaf),
            Self::External { device, .. } => hash(HASH_RANK, &[room.as_bytes(), &number.to_be_bytes(), device.as_bytes()]),
        }
    }
}

/// A valid commit, beside others of the same parent epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rival {
    /// The epoch that it makes.
    pub epoch: EpochId,
    /// Who made it.
    pub by: Committer,
    /// The users whom it removes. Who leaves is not removed, nor is a device that is added again or that its own user
    /// takes out.
    pub removes: BTreeSet<PeerId>,
}

/// The one of these commits that stands, by the roles of the parent epoch, whose number this is. `None` only for none.
///
/// Members go before devices that join; who removes somebody before who does not; of those who remove, the higher role; then the
/// lowest lot. Only a higher role removes, so a commit that removes a rival's committer goes before that rival, and so does every
/// removal that goes before theirs: no commit of a user who is removed wins, by no device and in no number. It is one
/// order of all rivals, so it does not matter which of those that lose somebody has seen.
///
/// The id of the epoch, which a committer can draw again, decides only between two commits of one leaf.
pub fn winner(room: &RoomId, number: u64, rivals: &[Rival]) -> Option<EpochId> {
    let place = |rival: &&Rival| {
        let role = rival.by.role();
        let remover = if rival.removes.is_empty() { None } else { role };
        (Reverse(role.is_some()), Reverse(remover), rival.by.lot(room, number), rival.epoch)
    };
    rivals.iter().min_by_key(place).map(|rival| rival.epoch)
}

/// The leaves that have made more than one of these commits: no honest device does that in one epoch.
pub fn doubles(rivals: &[Rival]) -> BTreeSet<u32> {
    let mut epochs: BTreeMap<u32, BTreeSet<EpochId>> = BTreeMap::new();
    for rival in rivals {
        if let Committer::Member { leaf, .. } = rival.by {
            epochs.entry(leaf).or_default().insert(rival.epoch);
        }
    }
    epochs.into_iter().filter(|(_, epochs)| epochs.len() > 1).map(|(leaf, _)| leaf).collect()
}

#[cfg(test)]
mod tests;
