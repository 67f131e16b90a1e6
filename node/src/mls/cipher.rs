//! [`MlsCipher`]: room encryption by MLS for the core.
//!
//! Its state lies in the rows of the store's open transaction and in a cache above them:
//! [`MlsCipher::flush`] right before COMMIT, dropping it after a ROLLBACK. On the wire,
//! texts and members' commits are PrivateMessages, external commits PublicMessages, and
//! KeyPackages, Welcomes and GroupInfos stand in an MLSMessage each (RFC 9420, section 6).
//!
//! The number of an epoch decides only whether a message can be looked at (`Ahead`,
//! `Gone`); what it changes is decided after it has been authenticated.

mod commit;
mod info;
mod join;
mod message;
mod package;

use super::extensions;
use super::room::{self, Groups, Record, Slot};
use super::rows::{MlsRows, RowCache, RowsError};
use super::signature::LeafSigner;
use super::storage::{Kind, Provider, Space, encode, plain_key, room_key, secrets_key};
use openmls::group::{MlsGroup, PastEpochDeletion, StagedCommit};
use openmls_traits::OpenMlsProvider as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use symbolon_core::world::{
    CipherError, Joined, LeafKey, Lifetime, Member, Opened, PackageKind, PackageView, Pending, Proposals, RoomCipher, RoomView, Sealed,
    Staged, WelcomeView,
};
use symbolon_presence::id::{Digest, EpochId, RoomId};
use zeroize::Zeroizing;

/// Room encryption by MLS over the rows `R`.
pub struct MlsCipher<R> {
    cache: RowCache<R>,
    groups: RefCell<Groups>,
}

impl<R: MlsRows> MlsCipher<R> {
    /// Over the rows as they are; reads nothing yet.
    pub fn new(rows: R) -> Self {
        Self { cache: RowCache::new(rows), groups: RefCell::default() }
    }

    /// Writes what has changed since the last flush, each row once. To be called right
    /// before COMMIT; without it nothing that happened stays.
    pub fn flush(&mut self) -> Result<(), CipherError> {
        self.settle_result(Ok(()))?;
        for slot in self.groups.get_mut().iter_mut() {
            write_secrets(&self.cache, slot)?;
        }
        self.cache.flush().map_err(|_| CipherError::Store)
    }

    /// The rows, with what was flushed. Whatever was not is dropped.
    pub fn into_rows(self) -> R {
        self.cache.into_rows()
    }

    /// Runs `f` on a room, which is loaded if need be.
    fn with<T>(&self, room: RoomId, f: impl FnOnce(&mut Slot, &Provider<'_, R>) -> Result<T, CipherError>) -> Result<T, CipherError> {
        let mut groups = self.groups.borrow_mut();
        if !groups.contains(&room) {
            let slot = self.load(room)?;
            groups.insert(room, slot);
            self.shrink(&mut groups)?;
        }
        let slot = groups.touch(&room).ok_or(CipherError::Gone)?;
        self.settle_result(f(slot, &Provider::lazy(&self.cache)))
    }

    /// Keeps a room just entered in memory.
    fn keep(&self, room: RoomId, slot: Slot) -> Result<(), CipherError> {
        let mut groups = self.groups.borrow_mut();
        groups.insert(room, slot);
        self.shrink(&mut groups)
    }

    fn shrink(&self, groups: &mut Groups) -> Result<(), CipherError> {
        while let Some(mut slot) = groups.overflow() {
            write_secrets(&self.cache, &mut slot)?;
        }
        Ok(())
    }

    /// A failing store goes before whatever OpenMLS made of it.
    fn settle_result<T>(&self, result: Result<T, CipherError>) -> Result<T, CipherError> {
        if self.cache.has_failed() {
            return Err(CipherError::Store);
        }
        if self.cache.is_full() {
            self.cache.flush().map_err(|_| CipherError::Store)?;
        }
        result
    }

    fn load(&self, room: RoomId) -> Result<Slot, CipherError> {
        let record: Record = self.read(&record_key(Space::Current, room))?.ok_or(CipherError::Gone)?;
        let provider = Provider::lazy(&self.cache);
        let group = MlsGroup::load(provider.storage(), &room::group_id(room)).map_err(|_| CipherError::Store)?;
        // A record without its group is damage, not a room that was left.
        let group = group.ok_or(CipherError::Store)?;
        let signer = self.signer(LeafKey(record.leaf))?.ok_or(CipherError::Store)?;
        let mut slot = self.slot(group, record, signer)?;
        slot.parents = self.read(&plain_key(Kind::Parents, room.as_bytes()))?.unwrap_or_default();
        slot.staged = self.read_staged(room)?;
        Ok(slot)
    }

    fn slot(&self, group: MlsGroup, record: Record, signer: LeafSigner) -> Result<Slot, CipherError> {
        let key = secrets_key(group.group_id()).map_err(|_| CipherError::Store)?;
        Ok(Slot::new(group, record, signer, key))
    }

    fn exists(&self, room: RoomId) -> Result<bool, CipherError> {
        let record = self.cache.get(&record_key(Space::Current, room)).map_err(|_| CipherError::Store)?;
        Ok(self.groups.borrow().contains(&room) || record.is_some())
    }

    fn signer(&self, leaf: LeafKey) -> Result<Option<LeafSigner>, CipherError> {
        let secret = self.cache.get(&plain_key(Kind::Leaf, &leaf.0)).map_err(|_| CipherError::Store)?;
        let Some(secret) = secret else { return Ok(None) };
        let secret: &[u8; 32] = secret.as_slice().try_into().map_err(|_| CipherError::Store)?;
        Ok(Some(LeafSigner::new(secret)?))
    }

    fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, CipherError> {
        let Some(bytes) = self.cache.get(key).map_err(|_| CipherError::Store)? else { return Ok(None) };
        let value = rmp_serde::from_slice(&bytes).map_err(|_| self.cache.fail(RowsError));
        value.map(Some).map_err(|_| CipherError::Store)
    }

    fn write<T: Serialize>(&self, key: Vec<u8>, value: &T) -> Result<(), CipherError> {
        let value = encode(value).map_err(|e| self.cache.fail(e)).map_err(|_| CipherError::Store)?;
        self.cache.put(key, value);
        Ok(())
    }

    fn write_record(&self, room: RoomId, record: &Record) -> Result<(), CipherError> {
        self.write(record_key(Space::Current, room), record)
    }

    /// The staged commit's row: the epoch it leads to, then the commit.
    fn read_staged(&self, room: RoomId) -> Result<Option<(EpochId, StagedCommit)>, CipherError> {
        let row = self.cache.get(&plain_key(Kind::Staged, room.as_bytes())).map_err(|_| CipherError::Store)?;
        let Some(row) = row else { return Ok(None) };
        let (epoch, commit) = row.split_at_checked(EpochId::LEN).ok_or(CipherError::Store)?;
        let epoch = EpochId::from_slice(epoch).ok_or(CipherError::Store)?;
        let commit = rmp_serde::from_slice(commit).map_err(|_| CipherError::Store)?;
        Ok(Some((epoch, commit)))
    }

    fn write_staged(&self, room: RoomId, epoch: EpochId, encoded: Vec<u8>) {
        let encoded = Zeroizing::new(encoded);
        let mut row = Vec::with_capacity(EpochId::LEN + encoded.len());
        row.extend_from_slice(epoch.as_bytes());
        row.extend_from_slice(&encoded);
        self.cache.put(plain_key(Kind::Staged, room.as_bytes()), row);
    }

    /// OpenMLS's group itself, to send what the cipher never sends.
    #[cfg(test)]
    pub(super) fn raw<T>(&self, room: RoomId, f: impl FnOnce(&mut MlsGroup, &Provider<'_, R>, &LeafSigner) -> T) -> T {
        self.with(room, |slot, provider| Ok(f(&mut slot.group, provider, &slot.signer))).unwrap_or_else(|_| unreachable!())
    }

    #[cfg(test)]
    pub(super) fn cached_groups(&self) -> usize {
        self.groups.borrow().len()
    }
}

/// Encodes a room's message secrets into their row, if they are newer than it.
fn write_secrets<R: MlsRows>(cache: &RowCache<R>, slot: &mut Slot) -> Result<(), CipherError> {
    if !cache.is_stale(&slot.secrets_key) {
        return Ok(());
    }
    // Deletes nothing, since every kept epoch has a timestamp; but it is the one call that
    // writes the secrets of a group and does nothing else.
    let keep_all = PastEpochDeletion::delete_all_without_timestamps();
    let provider = if slot.past_is_written { Provider::present_only(cache) } else { Provider::eager(cache, Space::Current) };
    slot.group.delete_past_epoch_secrets(&provider, keep_all).map_err(|_| CipherError::Store)?;
    slot.past_is_written = true;
    Ok(())
}

fn record_key(space: Space, room: RoomId) -> Vec<u8> {
    // Under OpenMLS's name of the room, as the other rows that rewinding copies.
    let name = encode(&room::group_id(room)).unwrap_or_default();
    room_key(Kind::Room, space, &name)
}

impl<R: MlsRows> RoomCipher for MlsCipher<R> {
    fn fresh_leaf(&mut self) -> Result<LeafKey, CipherError> {
        self.make_leaf()
    }

    fn key_package(&mut self, leaf: LeafKey, credential: &[u8], lifetime: Lifetime, kind: &PackageKind) -> Result<Vec<u8>, CipherError> {
        self.make_key_package(leaf, credential, lifetime, kind)
    }

    fn inspect_package(&self, package: &[u8]) -> Result<PackageView, CipherError> {
        self.view_package(package)
    }

    fn drop_package(&mut self, leaf: LeafKey) -> Result<(), CipherError> {
        let dropped = self.erase_package(leaf);
        self.settle_result(dropped)
    }

    fn create(
        &mut self,
        room: RoomId,
        leaf: LeafKey,
        credential: &[u8],
        lifetime: Lifetime,
        state: Option<Digest>,
    ) -> Result<EpochId, CipherError> {
        self.create_room(room, leaf, credential, lifetime, state)
    }

    fn offer(&mut self, room: RoomId) -> Result<Vec<u8>, CipherError> {
        self.with(room, |slot, provider| {
            if !slot.group.is_active() {
                return Err(CipherError::Gone);
            }
            let info = slot.group.export_group_info(provider.crypto(), &slot.signer, true).map_err(|_| CipherError::Broken)?;
            info.to_bytes().map_err(|_| CipherError::Broken)
        })
    }

    fn inspect(&self, group_info: &[u8]) -> Result<RoomView, CipherError> {
        info::view(group_info)
    }

    fn share_psk(&mut self, id: &[u8; 32], secret: &[u8; 32]) -> Result<(), CipherError> {
        self.keep_psk(id, secret)
    }

    fn unshare_psk(&mut self, id: &[u8; 32]) -> Result<(), CipherError> {
        self.drop_psk(id)
    }

    fn join_external(
        &mut self,
        group_info: &[u8],
        psk: &[u8; 32],
        leaf: LeafKey,
        credential: &[u8],
        _: Lifetime,
    ) -> Result<Joined, CipherError> {
        // A leaf that enters by commit has no lifetime field (RFC 9420, section 7.2).
        self.enter_by_commit(group_info, psk, leaf, credential)
    }

    fn join_welcome(&mut self, welcome: &[u8]) -> Result<Joined, CipherError> {
        self.enter_by_welcome(welcome)
    }

    fn view_welcome(&self, welcome: &[u8], label: &str) -> Result<WelcomeView, CipherError> {
        self.look_at_welcome(welcome, label)
    }

    fn welcome_leaf(&self, welcome: &[u8]) -> Result<LeafKey, CipherError> {
        self.settle_result(self.leaf_of_welcome(welcome))
    }

    fn seal(&mut self, room: RoomId, plaintext: &[u8], aad: &[u8]) -> Result<Sealed, CipherError> {
        self.seal_text(room, plaintext, aad)
    }

    fn open(&mut self, room: RoomId, bytes: &[u8]) -> Result<Opened, CipherError> {
        self.open_message(room, bytes)
    }

    fn peek(&self, room: RoomId, parent: EpochId, bytes: &[u8]) -> Result<Staged, CipherError> {
        self.look_from(room, parent, bytes)
    }

    fn commit(&mut self, room: RoomId, proposals: &Proposals, aad: &[u8]) -> Result<Pending, CipherError> {
        self.make_commit(room, proposals, aad)
    }

    fn adopt(&mut self, room: RoomId, epoch: EpochId) -> Result<(), CipherError> {
        self.merge(room, epoch)
    }

    fn reject(&mut self, room: RoomId) -> Result<(), CipherError> {
        self.drop_commits(room)
    }

    fn rewind(&mut self, room: RoomId, parent: EpochId) -> Result<(), CipherError> {
        self.go_back(room, parent)
    }

    fn complete(&mut self, room: RoomId) -> Result<(), CipherError> {
        self.erase_parents(room, &[])
    }

    fn forget_parents(&mut self, room: RoomId, except: &[EpochId]) -> Result<(), CipherError> {
        self.erase_parents(room, except)
    }

    fn forget(&mut self, room: RoomId) -> Result<(), CipherError> {
        self.erase_room(room)
    }

    fn epoch(&self, room: RoomId) -> Result<EpochId, CipherError> {
        self.with(room, |slot, _| Ok(slot.epoch()))
    }

    fn state(&self, room: RoomId) -> Result<Option<Digest>, CipherError> {
        self.with(room, |slot, _| extensions::state(slot.group.extensions()))
    }

    fn members(&self, room: RoomId) -> Result<Vec<Member>, CipherError> {
        self.with(room, |slot, _| room::members(&slot.group).ok_or(CipherError::Broken))
    }

    fn export(&self, room: RoomId, label: &str, context: &[u8]) -> Result<[u8; 32], CipherError> {
        self.with(room, |slot, provider| {
            if !slot.group.is_active() {
                return Err(CipherError::Gone);
            }
            let secret = slot.group.export_secret(provider.crypto(), label, context, 32).map_err(|_| CipherError::Broken)?;
            let secret = Zeroizing::new(secret);
            secret.as_slice().try_into().map_err(|_| CipherError::Broken)
        })
    }
}
