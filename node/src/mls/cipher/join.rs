//! Leaves, KeyPackages, and the ways into a room.

use super::MlsCipher;
use super::info::{external_commit, named, parse, parse_group_info};
use crate::mls::crypto::{Crypto, LeafSigner};
use crate::mls::epoch;
use crate::mls::limits::{SUITE, capabilities, create_config, join_config, leaf_lifetime};
use crate::mls::room::{self, Record};
use crate::mls::rows::MlsRows;
use crate::mls::storage::{Kind, Provider, plain_key};
use openmls::framing::{MlsMessageBodyIn, MlsMessageOut};
use openmls::group::{JoinBuilder, MlsGroup, ProcessedWelcome, WelcomeError};
use openmls::prelude::KeyPackage;
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::random::OpenMlsRand as _;
use openmls_traits::storage::StorageProvider as _;
use symbolon_core::world::{CipherError, Joined, LeafKey, Lifetime};
use symbolon_presence::id::{EpochId, RoomId};
use zeroize::Zeroizing;

impl<R: MlsRows> MlsCipher<R> {
    pub(super) fn make_leaf(&mut self) -> Result<LeafKey, CipherError> {
        let secret = Zeroizing::new(Crypto.random_array::<32>().map_err(|_| CipherError::Store)?);
        let leaf = LeafKey(LeafSigner::new(&secret).public());
        self.cache.put(plain_key(Kind::Leaf, &leaf.0), secret.to_vec());
        Ok(leaf)
    }

    pub(super) fn make_key_package(&mut self, leaf: LeafKey, credential: &[u8], lifetime: Lifetime) -> Result<Vec<u8>, CipherError> {
        let signer = self.signer(leaf)?.ok_or(CipherError::Broken)?;
        let provider = Provider::lazy(&self.cache);
        let made = self.cache.attempt(|| {
            let bundle = KeyPackage::builder()
                .key_package_lifetime(leaf_lifetime(lifetime))
                .leaf_node_capabilities(capabilities())
                .build(SUITE, &provider, &signer, named(leaf, credential))
                .map_err(|_| CipherError::Broken)?;
            MlsMessageOut::from(bundle.key_package().clone()).to_bytes().map_err(|_| CipherError::Broken)
        });
        self.settle_result(made)
    }

    pub(super) fn create_room(
        &mut self,
        room: RoomId,
        leaf: LeafKey,
        credential: &[u8],
        lifetime: Lifetime,
    ) -> Result<EpochId, CipherError> {
        let signer = self.signer(leaf)?.ok_or(CipherError::Broken)?;
        if self.exists(room)? {
            return Err(CipherError::Broken);
        }
        let provider = Provider::lazy(&self.cache);
        let created = self.cache.attempt(|| {
            let group =
                MlsGroup::new_with_group_id(&provider, &signer, &create_config(lifetime), room::group_id(room), named(leaf, credential));
            self.entered(room, group.map_err(|_| CipherError::Broken)?, leaf, signer)
        });
        self.settle_result(created)
    }

    pub(super) fn keep_psk(&mut self, id: &[u8; 32], secret: &[u8; 32]) -> Result<(), CipherError> {
        let provider = Provider::lazy(&self.cache);
        let kept = PreSharedKeyId::external(id.to_vec(), Vec::new()).store(&provider, secret);
        self.settle_result(kept.map_err(|_| CipherError::Store))
    }

    pub(super) fn drop_psk(&mut self, id: &[u8; 32]) -> Result<(), CipherError> {
        let provider = Provider::lazy(&self.cache);
        let psk = Psk::External(ExternalPsk::new(id.to_vec()));
        let dropped = provider.storage().delete_psk(&psk);
        self.settle_result(dropped.map_err(|_| CipherError::Store))
    }

    pub(super) fn enter_by_commit(
        &mut self,
        group_info: &[u8],
        psk: &[u8; 32],
        leaf: LeafKey,
        credential: &[u8],
    ) -> Result<Joined, CipherError> {
        let info = parse_group_info(group_info)?;
        let room = RoomId::from_slice(info.group_id().as_slice()).ok_or(CipherError::Broken)?;
        let signer = self.signer(leaf)?.ok_or(CipherError::Broken)?;
        if self.exists(room)? {
            return Err(CipherError::Broken);
        }
        let provider = Provider::lazy(&self.cache);
        let joined = self.cache.attempt(|| {
            let psk = Psk::External(ExternalPsk::new(psk.to_vec()));
            let (group, commit) = external_commit(&provider, info, Some(&psk), leaf, credential, &signer)?;
            provider.storage().delete_psk(&psk).map_err(|_| CipherError::Store)?;
            let epoch = self.entered(room, group, leaf, signer)?;
            Ok(Joined { room, epoch, commit })
        });
        self.settle_result(joined)
    }

    pub(super) fn enter_by_welcome(&mut self, welcome: &[u8]) -> Result<Joined, CipherError> {
        let MlsMessageBodyIn::Welcome(welcome) = parse(welcome)? else { return Err(CipherError::Broken) };
        let provider = Provider::lazy(&self.cache);
        // OpenMLS erases the KeyPackage first and checks the Welcome then: a forged Welcome
        // must not use it up.
        let joined = self.cache.attempt(|| {
            let welcome = ProcessedWelcome::new_from_welcome(&provider, &join_config(), welcome).map_err(|e| refusal(&e))?;
            let room = RoomId::from_slice(welcome.unverified_group_info().group_id().as_slice()).ok_or(CipherError::Broken)?;
            if self.exists(room)? || !welcome.psks().is_empty() {
                return Err(CipherError::Broken);
            }
            let staged = JoinBuilder::new(&provider, welcome).skip_lifetime_validation().build().map_err(|e| refusal(&e))?;
            let group = staged.into_group(&provider).map_err(|e| refusal(&e))?;
            let leaf = group.own_leaf_node().ok_or(CipherError::Broken)?.signature_key().as_slice();
            let leaf = LeafKey(leaf.try_into().map_err(|_| CipherError::Broken)?);
            let signer = self.signer(leaf)?.ok_or(CipherError::Gone)?;
            let epoch = self.entered(room, group, leaf, signer)?;
            Ok(Joined { room, epoch, commit: Vec::new() })
        });
        self.settle_result(joined)
    }

    /// Names the epoch of a room just entered and keeps it.
    fn entered(&self, room: RoomId, group: MlsGroup, leaf: LeafKey, signer: LeafSigner) -> Result<EpochId, CipherError> {
        let epoch = epoch::current(&group).ok_or(CipherError::Broken)?;
        room::members(&group).ok_or(CipherError::Broken)?;
        let record = Record::new(epoch, leaf);
        self.write_record(room, &record)?;
        self.keep(room, self.slot(group, record, signer)?)?;
        Ok(epoch)
    }
}

fn refusal<E>(error: &WelcomeError<E>) -> CipherError {
    if matches!(error, WelcomeError::NoMatchingKeyPackage) { CipherError::Gone } else { CipherError::Broken }
}
