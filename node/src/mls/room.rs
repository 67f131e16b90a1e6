//! What is remembered of a room beside OpenMLS's own rows, and the cache of decoded groups.

use super::limits::{GROUPS_MAX, PAST_EPOCHS};
use super::signature::LeafSigner;
use openmls::group::{GroupId, MlsGroup, StagedCommit};
use openmls::prelude::{BasicCredential, Credential, CredentialType};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use symbolon_core::world::{LeafKey, Member};
use symbolon_presence::id::{EpochId, RoomId};

/// Names the epochs of a room. One row in each space.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// The epoch the room is in.
    pub epoch: [u8; 32],
    /// Public key of the own leaf.
    pub leaf: [u8; 32],
    /// The epoch that our pending commit leads to.
    pub pending: Option<[u8; 32]>,
    /// The epochs before, whose texts still open; oldest first, at most [`PAST_EPOCHS`].
    pub past: Vec<Past>,
}

/// An epoch whose texts still open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Past {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub epoch: [u8; 32],
    /// Leaf keys that the next epoch has no more, by position.
    pub gone: Vec<(u32, [u8; 32])>,
}

/// A parent epoch kept for rewinding.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Parent {
    /// Its name.
    pub epoch: [u8; 32],
    /// Its number.
    pub number: u64,
    /// Our position in it.
    pub own_leaf: u32,
}

impl Record {
    /// A room just entered.
    pub fn new(epoch: EpochId, leaf: LeafKey) -> Self {
        Self { epoch: epoch.0, leaf: leaf.0, pending: None, past: Vec::new() }
    }

    /// Moves on to `epoch`; `before` and `after` are the members around the move.
    pub fn advance(&mut self, number: u64, epoch: EpochId, before: &[Member], after: &[Member]) {
        let kept = |member: &&Member| !after.iter().any(|other| other.index == member.index && other.leaf == member.leaf);
        let gone = before.iter().filter(kept).map(|member| (member.index, member.leaf.0)).collect();
        self.past.push(Past { number, epoch: self.epoch, gone });
        let excess = self.past.len().saturating_sub(PAST_EPOCHS);
        self.past.drain(..excess);
        self.epoch = epoch.0;
        self.pending = None;
    }

    /// The kept past epoch with this number.
    pub fn past(&self, number: u64) -> Option<&Past> {
        self.past.iter().find(|past| past.number == number)
    }

    /// The key that signed for position `index` in past epoch `number`, when the current
    /// epoch does not show it any more.
    pub fn gone_leaf(&self, number: u64, index: u32) -> Option<LeafKey> {
        let since = self.past.iter().filter(|past| past.number >= number);
        since.flat_map(|past| &past.gone).find(|(other, _)| *other == index).map(|(_, leaf)| LeafKey(*leaf))
    }
}

/// A room in memory.
pub(super) struct Slot {
    pub group: MlsGroup,
    pub record: Record,
    pub parents: Vec<Parent>,
    /// A commit of another member, checked, and the epoch it leads to.
    pub staged: Option<(EpochId, StagedCommit)>,
    pub signer: LeafSigner,
    /// Key of the row that is written late.
    pub secrets_key: Vec<u8>,
    /// Whether the secrets of the epochs before are in their row as they are here; they change with an epoch, and with a
    /// text of one of them.
    pub past_is_written: bool,
    touched: u64,
}

impl Slot {
    pub fn new(group: MlsGroup, record: Record, signer: LeafSigner, secrets_key: Vec<u8>) -> Self {
        Self { group, record, parents: Vec::new(), staged: None, signer, secrets_key, past_is_written: false, touched: 0 }
    }

    /// The epoch the room is in.
    pub fn epoch(&self) -> EpochId {
        EpochId(self.record.epoch)
    }
}

/// The rooms in memory, at most [`GROUPS_MAX`] after [`Groups::overflow`] has been emptied.
#[derive(Default)]
pub(super) struct Groups {
    slots: HashMap<RoomId, Slot>,
    clock: u64,
}

impl Groups {
    pub fn contains(&self, room: &RoomId) -> bool {
        self.slots.contains_key(room)
    }

    /// The room, which becomes the one used last.
    pub fn touch(&mut self, room: &RoomId) -> Option<&mut Slot> {
        self.clock += 1;
        let slot = self.slots.get_mut(room)?;
        slot.touched = self.clock;
        Some(slot)
    }

    pub fn insert(&mut self, room: RoomId, mut slot: Slot) {
        self.clock += 1;
        slot.touched = self.clock;
        self.slots.insert(room, slot);
    }

    pub fn remove(&mut self, room: &RoomId) -> Option<Slot> {
        self.slots.remove(room)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.values_mut()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes out the room not used for longest while there are too many.
    pub fn overflow(&mut self) -> Option<Slot> {
        if self.slots.len() <= GROUPS_MAX {
            return None;
        }
        let oldest = *self.slots.iter().min_by_key(|(_, slot)| slot.touched)?.0;
        self.slots.remove(&oldest)
    }
}

/// OpenMLS's name of a room.
pub(super) fn group_id(room: RoomId) -> GroupId {
    GroupId::from_slice(room.as_bytes())
}

/// Our credential bytes as MLS carries them.
pub(super) fn credential(bytes: &[u8]) -> Credential {
    BasicCredential::new(bytes.to_vec()).into()
}

/// A member as the core sees it; none when its key or credential is of another kind.
pub(super) fn member(index: u32, key: &[u8], credential: &Credential) -> Option<Member> {
    let leaf = LeafKey(key.try_into().ok()?);
    (credential.credential_type() == CredentialType::Basic).then(|| Member {
        index,
        leaf,
        credential: credential.serialized_content().to_vec(),
    })
}

/// All members of a group's epoch.
pub(super) fn members(group: &MlsGroup) -> Option<Vec<Member>> {
    group.members().map(|m| member(m.index.u32(), &m.signature_key, &m.credential)).collect()
}
