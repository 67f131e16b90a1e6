//! Leaves, KeyPackages, and the ways into a room.

use super::{MlsCipher, parse};
use crate::mls::crypto::{Crypto, LeafSigner};
use crate::mls::limits::{SUITE, capabilities, create_config, join_config, leaf_lifetime};
use crate::mls::room::{self, Record};
use crate::mls::rows::RowCache;
use crate::mls::storage::{Kind, Provider, plain_key};
use crate::mls::{MemoryRows, MlsRows, epoch};
use openmls::framing::{MlsMessageBodyIn, MlsMessageOut};
use openmls::group::{JoinBuilder, MlsGroup, ProcessedWelcome, WelcomeError};
use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::messages::proposals::PreSharedKeyProposal;
use openmls::prelude::{CredentialWithKey, KeyPackage, LeafNodeParameters, SignaturePublicKey};
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::random::OpenMlsRand as _;
use openmls_traits::storage::StorageProvider as _;
use symbolon_core::world::{CipherError, Joined, LeafKey, Lifetime, RoomView};
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

/// What a GroupInfo shows, found by entering the room for show: everything that joining
/// checks is checked, and nothing is kept. (OpenMLS's own reader of a GroupInfo checks
/// lifetimes by the wall clock, which is the core's to do.)
pub(super) fn view(group_info: &[u8]) -> Result<RoomView, CipherError> {
    let info = parse_group_info(group_info)?;
    let room = RoomId::from_slice(info.group_id().as_slice()).ok_or(CipherError::Broken)?;
    let epoch = epoch::offered(&info, group_info).ok_or(CipherError::Broken)?;
    let secret = Zeroizing::new(Crypto.random_array::<32>().map_err(|_| CipherError::Store)?);
    let signer = LeafSigner::new(&secret);
    let cache = RowCache::new(MemoryRows::default());
    let (group, _) = external_commit(&Provider::lazy(&cache), info, None, LeafKey(signer.public()), &[], &signer)?;
    let mut members = room::members(&group).ok_or(CipherError::Broken)?;
    members.retain(|member| member.index != group.own_leaf_index().u32());
    Ok(RoomView { room, epoch, members })
}

/// Makes and merges an external commit.
fn external_commit<R: MlsRows>(
    provider: &Provider<'_, R>,
    info: VerifiableGroupInfo,
    psk: Option<&Psk>,
    leaf: LeafKey,
    credential: &[u8],
    signer: &LeafSigner,
) -> Result<(MlsGroup, Vec<u8>), CipherError> {
    let mut builder = MlsGroup::external_commit_builder()
        .with_config(join_config())
        .skip_lifetime_validation()
        .build_group(provider, info, named(leaf, credential))
        .map_err(|_| CipherError::Broken)?;
    if let Some(psk) = psk {
        let id = PreSharedKeyId::new(SUITE, provider.rand(), psk.clone()).map_err(|_| CipherError::Store)?;
        builder = builder.add_psk_proposal(PreSharedKeyProposal::new(id));
    }
    let (group, bundle) = builder
        .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities()).build())
        .load_psks(provider.storage())
        .map_err(|_| CipherError::Broken)?
        .build(provider.rand(), provider.crypto(), signer, |_| true)
        .map_err(|_| CipherError::Broken)?
        .finalize(provider)
        .map_err(|_| CipherError::Broken)?;
    let commit = bundle.commit().to_bytes().map_err(|_| CipherError::Broken)?;
    Ok((group, commit))
}

fn parse_group_info(bytes: &[u8]) -> Result<VerifiableGroupInfo, CipherError> {
    match parse(bytes)? {
        MlsMessageBodyIn::GroupInfo(info) if info.ciphersuite() == SUITE => Ok(info),
        MlsMessageBodyIn::GroupInfo(_)
        | MlsMessageBodyIn::PublicMessage(_)
        | MlsMessageBodyIn::PrivateMessage(_)
        | MlsMessageBodyIn::Welcome(_)
        | MlsMessageBodyIn::KeyPackage(_) => Err(CipherError::Broken),
    }
}

fn named(leaf: LeafKey, credential: &[u8]) -> CredentialWithKey {
    CredentialWithKey { credential: room::credential(credential), signature_key: SignaturePublicKey::from(leaf.0.as_slice()) }
}

fn refusal<E>(error: &WelcomeError<E>) -> CipherError {
    if matches!(error, WelcomeError::NoMatchingKeyPackage) { CipherError::Gone } else { CipherError::Broken }
}
