//! Messages as they come, and GroupInfos: what one shows, and the commit by which it is entered.

use crate::mls::crypto::Crypto;
use crate::mls::epoch;
use crate::mls::extensions;
use crate::mls::limits::{MESSAGE_MAX, SUITE, capabilities, join_config};
use crate::mls::room;
use crate::mls::rows::{MemoryRows, MlsRows, RowCache};
use crate::mls::signature::LeafSigner;
use crate::mls::storage::Provider;
use openmls::framing::{MlsMessageBodyIn, MlsMessageIn};
use openmls::group::MlsGroup;
use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::messages::proposals::PreSharedKeyProposal;
use openmls::prelude::{CredentialWithKey, LeafNodeParameters, SignaturePublicKey};
use openmls::schedule::{PreSharedKeyId, Psk};
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::random::OpenMlsRand as _;
use symbolon_core::world::{CipherError, LEAVES_MAX, LeafKey, RoomView};
use symbolon_presence::id::RoomId;
use tls_codec::DeserializeBytes as _;
use zeroize::Zeroizing;

/// What an MLSMessage holds; bounded, complete, without trailing bytes.
pub(super) fn parse(bytes: &[u8]) -> Result<MlsMessageBodyIn, CipherError> {
    if bytes.len() > MESSAGE_MAX {
        return Err(CipherError::Broken);
    }
    let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| CipherError::Broken)?;
    Ok(message.extract())
}

/// What a GroupInfo shows, found by entering the room for show: everything that joining
/// checks is checked, and nothing is kept. (OpenMLS's own reader of a GroupInfo checks
/// lifetimes by the wall clock, which is the core's to do.)
pub(super) fn view(group_info: &[u8]) -> Result<RoomView, CipherError> {
    let info = parse_group_info(group_info)?;
    let room = RoomId::from_slice(info.group_id().as_slice()).ok_or(CipherError::Broken)?;
    let epoch = epoch::offered(&info, group_info).ok_or(CipherError::Broken)?;
    let secret = Zeroizing::new(Crypto.random_array::<32>().map_err(|_| CipherError::Store)?);
    let signer = LeafSigner::new(&secret)?;
    let cache = RowCache::new(MemoryRows::default());
    let (group, _) = external_commit(&Provider::lazy(&cache), info, None, LeafKey(signer.public()), &[], &signer)?;
    let mut members = room::members(&group).ok_or(CipherError::Broken)?;
    members.retain(|member| member.index != group.own_leaf_index().u32());
    if members.len() >= LEAVES_MAX {
        return Err(CipherError::Broken);
    }
    let state = extensions::state(group.extensions())?;
    Ok(RoomView { room, epoch, members, state })
}

/// Makes and merges an external commit.
pub(super) fn external_commit<R: MlsRows>(
    provider: &Provider<'_, R>,
    info: VerifiableGroupInfo,
    psk: Option<&Psk>,
    leaf: LeafKey,
    credential: &[u8],
    signer: &LeafSigner,
) -> Result<(MlsGroup, Vec<u8>), CipherError> {
    let state = extensions::state(info.group_context().extensions())?;
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
        .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities(state.is_some())).build())
        .load_psks(provider.storage())
        .map_err(|_| CipherError::Broken)?
        .build(provider.rand(), provider.crypto(), signer, |_| true)
        .map_err(|_| CipherError::Broken)?
        .finalize(provider)
        .map_err(|_| CipherError::Broken)?;
    let commit = bundle.commit().to_bytes().map_err(|_| CipherError::Broken)?;
    Ok((group, commit))
}

pub(super) fn parse_group_info(bytes: &[u8]) -> Result<VerifiableGroupInfo, CipherError> {
    match parse(bytes)? {
        MlsMessageBodyIn::GroupInfo(info) if info.ciphersuite() == SUITE => Ok(info),
        MlsMessageBodyIn::GroupInfo(_)
        | MlsMessageBodyIn::PublicMessage(_)
        | MlsMessageBodyIn::PrivateMessage(_)
        | MlsMessageBodyIn::Welcome(_)
        | MlsMessageBodyIn::KeyPackage(_) => Err(CipherError::Broken),
    }
}

pub(super) fn named(leaf: LeafKey, credential: &[u8]) -> CredentialWithKey {
    CredentialWithKey { credential: room::credential(credential), signature_key: SignaturePublicKey::from(leaf.0.as_slice()) }
}
