//! The ways into a room, and the pre-shared keys for one of them.

use super::info::{external_commit, named, parse, parse_group_info};
use super::{MlsCipher, package};
use crate::mls::epoch;
use crate::mls::extensions;
use crate::mls::limits::{create_config, join_config};
use crate::mls::room::{self, Record};
use crate::mls::rows::MlsRows;
use crate::mls::signature::LeafSigner;
use crate::mls::storage::Provider;
use openmls::framing::MlsMessageBodyIn;
use openmls::group::{JoinBuilder, MlsGroup, ProcessedWelcome, WelcomeError};
use openmls::messages::Welcome;
use openmls::prelude::KeyPackage;
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::storage::StorageProvider as _;
use symbolon_core::world::{CipherError, Joined, LEAVES_MAX, LeafKey, Lifetime, WelcomeView};
use symbolon_presence::id::{Digest, EpochId, RoomId};
use zeroize::Zeroizing;

impl<R: MlsRows> MlsCipher<R> {
    pub(super) fn create_room(
        &mut self,
        room: RoomId,
        leaf: LeafKey,
        credential: &[u8],
        lifetime: Lifetime,
        state: Option<Digest>,
    ) -> Result<EpochId, CipherError> {
        let signer = self.signer(leaf)?.ok_or(CipherError::Broken)?;
        if self.exists(room)? {
            return Err(CipherError::Broken);
        }
        let provider = Provider::lazy(&self.cache);
        let created = self.cache.attempt(|| {
            let config = create_config(lifetime, state)?;
            let group = MlsGroup::new_with_group_id(&provider, &signer, &config, room::group_id(room), named(leaf, credential));
            Ok(self.entered(room, group.map_err(|_| CipherError::Broken)?, leaf, signer)?.0)
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
            let (epoch, state) = self.entered(room, group, leaf, signer)?;
            Ok(Joined { room, epoch, commit, state })
        });
        self.settle_result(joined)
    }

    pub(super) fn enter_by_welcome(&mut self, welcome: &[u8]) -> Result<Joined, CipherError> {
        let MlsMessageBodyIn::Welcome(welcome) = parse(welcome)? else { return Err(CipherError::Broken) };
        // OpenMLS erases the KeyPackage first and checks the Welcome then: a forged Welcome
        // must not use it up.
        let joined = self.cache.attempt(|| {
            let Welcomed { room, group, package, leaf, signer } = self.welcomed(welcome, true)?;
            self.package_used(leaf, package.last_resort())?;
            let (epoch, state) = self.entered(room, group, leaf, signer)?;
            Ok(Joined { room, epoch, commit: Vec::new(), state })
        });
        self.settle_result(joined)
    }

    pub(super) fn look_at_welcome(&self, welcome: &[u8], label: &str) -> Result<WelcomeView, CipherError> {
        let MlsMessageBodyIn::Welcome(welcome) = parse(welcome)? else { return Err(CipherError::Broken) };
        let mut found = Err(CipherError::Store);
        // OpenMLS writes the room: all of it is taken back, whatever was found.
        let _ = self.cache.attempt(|| {
            found = self.welcomed(welcome, false).and_then(|welcomed| view(&welcomed, &Provider::lazy(&self.cache), label));
            Err::<(), ()>(())
        });
        self.settle_result(found)
    }

    /// Reads a Welcome to a KeyPackage of ours. `is_new`: the room must not be held.
    fn welcomed(&self, welcome: Welcome, is_new: bool) -> Result<Welcomed, CipherError> {
        let provider = Provider::lazy(&self.cache);
        let package = self.package_for(&welcome)?;
        let leaf = package::leaf_key(&package)?;
        let welcome = ProcessedWelcome::new_from_welcome(&provider, &join_config(), welcome).map_err(|e| refusal(&e))?;
        let room = RoomId::from_slice(welcome.unverified_group_info().group_id().as_slice()).ok_or(CipherError::Broken)?;
        if (is_new && self.exists(room)?) || !welcome.psks().is_empty() {
            return Err(CipherError::Broken);
        }
        // Whether it is held was looked at above, or all of this is taken back.
        let builder = JoinBuilder::new(&provider, welcome).skip_lifetime_validation().replace_old_group();
        let staged = builder.build().map_err(|e| refusal(&e))?;
        let group = staged.into_group(&provider).map_err(|e| refusal(&e))?;
        let signer = self.signer(leaf)?.ok_or(CipherError::Gone)?;
        Ok(Welcomed { room, group, package, leaf, signer })
    }

    /// Names the epoch of a room just entered and keeps it.
    fn entered(&self, room: RoomId, group: MlsGroup, leaf: LeafKey, signer: LeafSigner) -> Result<(EpochId, Option<Digest>), CipherError> {
        let state = extensions::state(group.extensions())?;
        let epoch = epoch::current(&group).ok_or(CipherError::Broken)?;
        if room::members(&group).ok_or(CipherError::Broken)?.len() > LEAVES_MAX {
            return Err(CipherError::Broken);
        }
        let record = Record::new(epoch, leaf);
        self.write_record(room, &record)?;
        self.keep(room, self.slot(group, record, signer)?)?;
        Ok((epoch, state))
    }
}

/// A Welcome to a KeyPackage of ours, and the group that it leads to.
struct Welcomed {
    room: RoomId,
    group: MlsGroup,
    package: KeyPackage,
    leaf: LeafKey,
    signer: LeafSigner,
}

fn view<R: MlsRows>(welcomed: &Welcomed, provider: &Provider<'_, R>, label: &str) -> Result<WelcomeView, CipherError> {
    let Welcomed { room, group, .. } = welcomed;
    let members = room::members(group).filter(|members| members.len() <= LEAVES_MAX).ok_or(CipherError::Broken)?;
    // Whatever cannot be entered is not shown, either.
    epoch::current(group).ok_or(CipherError::Broken)?;
    let secret = group.export_secret(provider.crypto(), label, &[], 32).map_err(|_| CipherError::Broken)?;
    let exported = Zeroizing::new(secret).as_slice().try_into().map_err(|_| CipherError::Broken)?;
    let state = extensions::state(group.extensions())?;
    Ok(WelcomeView { room: *room, number: group.epoch().as_u64(), state, members, exported })
}

fn refusal<E>(error: &WelcomeError<E>) -> CipherError {
    if matches!(error, WelcomeError::NoMatchingKeyPackage) { CipherError::Gone } else { CipherError::Broken }
}
