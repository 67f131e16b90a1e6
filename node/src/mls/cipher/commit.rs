//! Commits: making, adopting, rejecting, rewinding, and what is erased when.

use super::{MlsCipher, package, record_key, write_secrets};
use crate::mls::epoch;
use crate::mls::extensions;
use crate::mls::limits::PARENTS_MAX;
use crate::mls::room::{self, Parent, Record, Slot};
use crate::mls::rows::MlsRows;
use crate::mls::storage::{Kind, Provider, Space, plain_key, room_keys};
use openmls::group::MlsGroupState;
use openmls::prelude::LeafNodeIndex;
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::storage::StorageProvider as _;
use std::collections::BTreeSet;
use symbolon_core::world::{CipherError, LEAVES_MAX, LeafKey, Pending, Proposals};
use symbolon_presence::id::{EpochId, RoomId};

impl<R: MlsRows> MlsCipher<R> {
    pub(super) fn make_commit(&mut self, room: RoomId, proposals: &Proposals, aad: &[u8]) -> Result<Pending, CipherError> {
        self.with(room, |slot, provider| {
            if !slot.group.is_active() {
                return Err(CipherError::Gone);
            }
            // OpenMLS drops repeated proposals without a word.
            let leaves = slot.group.members().count().saturating_sub(proposals.remove.len()).saturating_add(proposals.add.len());
            if leaves > LEAVES_MAX || slot.record.pending.is_some() || repeats(&proposals.add) || repeats(&proposals.remove) {
                return Err(CipherError::Broken);
            }
            let add = proposals.add.iter().map(|bytes| package::checked(bytes)).collect::<Result<Vec<_>, _>>()?;
            let state = extensions::state(slot.group.extensions())?;
            if proposals.state.is_some() && state.is_none() {
                return Err(CipherError::Broken);
            }
            slot.group.set_aad(aad.to_vec());
            let mut builder = slot
                .group
                .commit_builder()
                .propose_adds(add)
                .propose_removals(proposals.remove.iter().map(|index| LeafNodeIndex::new(*index)))
                .force_self_update(true);
            if proposals.state.is_some_and(|new| state != Some(new)) {
                let context = extensions::context(proposals.state)?;
                builder = builder.propose_group_context_extensions(context).map_err(|_| CipherError::Broken)?;
            }
            let bundle = builder
                .load_psks(provider.storage())
                .map_err(|_| CipherError::Broken)?
                .build(provider.rand(), provider.crypto(), &slot.signer, |_| true)
                .map_err(|_| CipherError::Broken)?
                .stage_commit(provider)
                .map_err(|_| CipherError::Broken)?;
            let commit = bundle.commit().to_bytes().map_err(|_| CipherError::Broken)?;
            let welcome = bundle.to_welcome_msg().map(|welcome| welcome.to_bytes());
            let welcome = welcome.transpose().map_err(|_| CipherError::Broken)?;
            let epoch = pending_epoch(slot).ok_or(CipherError::Store)?;
            slot.record.pending = Some(epoch.0);
            self.write_record(room, &slot.record)?;
            Ok(Pending { parent: slot.epoch(), epoch, commit, welcome })
        })
    }

    pub(super) fn merge(&mut self, room: RoomId, epoch: EpochId) -> Result<(), CipherError> {
        // What memory holds and no row does yet must not be lost with what is taken back.
        self.with(room, |slot, _| write_secrets(&self.cache, slot))?;
        let merged = self.cache.attempt(|| self.merge_in_place(room, epoch));
        if merged == Err(CipherError::Broken) {
            self.groups.get_mut().remove(&room);
        }
        merged
    }

    fn merge_in_place(&self, room: RoomId, epoch: EpochId) -> Result<(), CipherError> {
        self.with(room, |slot, provider| {
            let theirs = slot.staged.as_ref().is_some_and(|(other, _)| *other == epoch);
            let ours = slot.record.pending == Some(epoch.0);
            if !theirs && !ours {
                return Err(CipherError::Gone);
            }
            let before = room::members(&slot.group).ok_or(CipherError::Broken)?;
            let number = slot.group.epoch().as_u64();
            self.keep_parent(slot, room)?;
            slot.past_is_written = false;
            // Its keys were checked when it was staged, so only the store can fail. What OpenMLS refuses for all that is broken.
            match slot.staged.take() {
                Some((_, commit)) if theirs => slot.group.merge_staged_commit(provider, commit).map_err(|_| CipherError::Broken)?,
                Some(_) | None => slot.group.merge_pending_commit(provider).map_err(|_| CipherError::Broken)?,
            }
            let after = room::members(&slot.group).ok_or(CipherError::Store)?;
            slot.record.advance(number, epoch, &before, &after);
            self.cache.delete(plain_key(Kind::Staged, room.as_bytes()));
            self.write_record(room, &slot.record)
        })
    }

    pub(super) fn drop_commits(&mut self, room: RoomId) -> Result<(), CipherError> {
        self.with(room, |slot, provider| {
            slot.group.clear_pending_commit(provider.storage()).map_err(|_| CipherError::Store)?;
            if slot.record.pending.take().is_some() {
                self.write_record(room, &slot.record)?;
            }
            if slot.staged.take().is_some() {
                self.cache.delete(plain_key(Kind::Staged, room.as_bytes()));
            }
            Ok(())
        })
    }

    pub(super) fn go_back(&mut self, room: RoomId, parent: EpochId) -> Result<(), CipherError> {
        let gone = self.with(room, |slot, _| {
            let place = slot.parents.iter().position(|other| other.epoch == parent.0).ok_or(CipherError::Gone)?;
            let target = *slot.parents.get(place).ok_or(CipherError::Gone)?;
            let to = self.keys(room, Space::Current, target)?;
            for key in self.keys(room, Space::Current, current(slot))? {
                self.cache.delete(key);
            }
            for (from, to) in self.keys(room, Space::Parent(parent), target)?.into_iter().zip(to) {
                self.copy(&from, to)?;
            }
            for dropped in slot.parents.split_off(place) {
                self.erase_parent(room, dropped)?;
            }
            self.cache.delete(plain_key(Kind::Staged, room.as_bytes()));
            self.write(plain_key(Kind::Parents, room.as_bytes()), &slot.parents)?;
            Ok(slot.secrets_key.clone())
        })?;
        // What memory held belongs to the branch that is dropped.
        self.groups.get_mut().remove(&room);
        self.cache.clear_stale(&gone);
        Ok(())
    }

    /// Erases the kept parents that are not among `except`.
    pub(super) fn erase_parents(&mut self, room: RoomId, except: &[EpochId]) -> Result<(), CipherError> {
        self.with(room, |slot, _| {
            let (stay, go): (Vec<_>, Vec<_>) = slot.parents.iter().partition(|parent| except.contains(&EpochId(parent.epoch)));
            for parent in &go {
                self.erase_parent(room, *parent)?;
            }
            slot.parents = stay;
            let key = plain_key(Kind::Parents, room.as_bytes());
            if slot.parents.is_empty() {
                self.cache.delete(key);
            } else if !go.is_empty() {
                self.write(key, &slot.parents)?;
            }
            Ok(())
        })
    }

    pub(super) fn erase_room(&mut self, room: RoomId) -> Result<(), CipherError> {
        self.erase_parents(room, &[])?;
        let gone = self.with(room, |slot, _| {
            for key in self.keys(room, Space::Current, current(slot))? {
                self.cache.delete(key);
            }
            self.cache.delete(plain_key(Kind::Staged, room.as_bytes()));
            self.release_leaf(LeafKey(slot.record.leaf))?;
            Ok(slot.secrets_key.clone())
        })?;
        self.groups.get_mut().remove(&room);
        self.cache.clear_stale(&gone);
        Ok(())
    }

    /// Copies the room's rows aside under the epoch it is in.
    fn keep_parent(&self, slot: &mut Slot, room: RoomId) -> Result<(), CipherError> {
        write_secrets(&self.cache, slot)?;
        let parent = current(slot);
        let epoch = EpochId(parent.epoch);
        let to = self.keys(room, Space::Parent(epoch), parent)?;
        for (from, to) in self.keys(room, Space::Current, parent)?.into_iter().zip(to) {
            self.copy(&from, to)?;
        }
        // A commit of ours that was pending is not pending after rewinding.
        let space = Space::Parent(epoch);
        let provider = Provider::eager(&self.cache, space);
        let state = MlsGroupState::Operational;
        provider.storage().write_group_state(slot.group.group_id(), &state).map_err(|_| CipherError::Store)?;
        self.write(record_key(space, room), &Record { pending: None, ..slot.record.clone() })?;
        slot.parents.push(parent);
        let excess = slot.parents.len().saturating_sub(PARENTS_MAX);
        for dropped in slot.parents.drain(..excess) {
            self.erase_parent(room, dropped)?;
        }
        self.write(plain_key(Kind::Parents, room.as_bytes()), &slot.parents)
    }

    fn erase_parent(&self, room: RoomId, parent: Parent) -> Result<(), CipherError> {
        for key in self.keys(room, Space::Parent(EpochId(parent.epoch)), parent)? {
            self.cache.delete(key);
        }
        Ok(())
    }

    fn keys(&self, room: RoomId, space: Space, parent: Parent) -> Result<Vec<Vec<u8>>, CipherError> {
        room_keys(space, &room::group_id(room), parent.number, parent.own_leaf).map_err(|_| CipherError::Store)
    }

    fn copy(&self, from: &[u8], to: Vec<u8>) -> Result<(), CipherError> {
        match self.cache.get(from).map_err(|_| CipherError::Store)? {
            Some(mut value) => self.cache.put(to, std::mem::take(&mut *value)),
            None => self.cache.delete(to),
        }
        Ok(())
    }
}

fn repeats<T: Ord>(values: &[T]) -> bool {
    values.iter().collect::<BTreeSet<_>>().len() < values.len()
}

/// The epoch a room is in, as it would be kept.
fn current(slot: &Slot) -> Parent {
    Parent { epoch: slot.record.epoch, number: slot.group.epoch().as_u64(), own_leaf: slot.group.own_leaf_index().u32() }
}

fn pending_epoch(slot: &Slot) -> Option<EpochId> {
    let commit = slot.group.pending_commit()?;
    let encoded = zeroize::Zeroizing::new(epoch::encode_staged(commit)?);
    epoch::staged(commit, &encoded)
}
