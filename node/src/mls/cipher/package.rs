//! Leaves and KeyPackages of ours, and what those of others show.

use super::MlsCipher;
use super::info::{named, parse};
use crate::mls::crypto::Crypto;
use crate::mls::extensions;
use crate::mls::limits::{SUITE, capabilities, leaf_lifetime};
use crate::mls::room;
use crate::mls::rows::MlsRows;
use crate::mls::signature::LeafSigner;
use crate::mls::storage::{Kind, Provider, encode, plain_key};
use openmls::framing::{MlsMessageBodyIn, MlsMessageOut};
use openmls::messages::Welcome;
use openmls::prelude::{KeyPackage, KeyPackageBundle, ProtocolVersion};
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::random::OpenMlsRand as _;
use openmls_traits::storage::StorageProvider as _;
use symbolon_core::world::{CipherError, LEAVES_MAX, LeafKey, Lifetime, PackageKind, PackageView, QUEUE_MAX};
use symbolon_presence::time::{SECOND, Timestamp};
use zeroize::Zeroizing;

impl<R: MlsRows> MlsCipher<R> {
    pub(super) fn make_leaf(&mut self) -> Result<LeafKey, CipherError> {
        let secret = Zeroizing::new(Crypto.random_array::<32>().map_err(|_| CipherError::Store)?);
        let leaf = LeafKey(LeafSigner::new(&secret)?.public());
        self.cache.put(plain_key(Kind::Leaf, &leaf.0), secret.to_vec());
        Ok(leaf)
    }

    pub(super) fn make_key_package(
        &mut self,
        leaf: LeafKey,
        credential: &[u8],
        lifetime: Lifetime,
        kind: &PackageKind,
    ) -> Result<Vec<u8>, CipherError> {
        let signer = self.signer(leaf)?.ok_or(CipherError::Broken)?;
        if kind.queue.len() > QUEUE_MAX || self.package_of(leaf)?.is_some() {
            return Err(CipherError::Broken);
        }
        let provider = Provider::lazy(&self.cache);
        let made = self.cache.attempt(|| {
            let builder = KeyPackage::builder()
                .key_package_lifetime(leaf_lifetime(lifetime))
                .key_package_extensions(extensions::package(kind)?)
                .leaf_node_capabilities(capabilities(true));
            let builder = if kind.last_resort { builder.mark_as_last_resort() } else { builder };
            let bundle = builder.build(SUITE, &provider, &signer, named(leaf, credential)).map_err(|_| CipherError::Broken)?;
            let name = bundle.key_package().hash_ref(provider.crypto()).map_err(|_| CipherError::Broken)?;
            self.write(plain_key(Kind::PackageOf, &leaf.0), &name)?;
            MlsMessageOut::from(bundle.key_package().clone()).to_bytes().map_err(|_| CipherError::Broken)
        });
        self.settle_result(made)
    }

    pub(super) fn erase_package(&mut self, leaf: LeafKey) -> Result<(), CipherError> {
        let Some(key) = self.package_of(leaf)? else { return Ok(()) };
        self.cache.delete(key);
        self.cache.delete(plain_key(Kind::PackageOf, &leaf.0));
        self.release_leaf(leaf)
    }

    /// The row of a leaf's KeyPackage, if there is one.
    fn package_of(&self, leaf: LeafKey) -> Result<Option<Vec<u8>>, CipherError> {
        let name: Option<openmls::prelude::KeyPackageRef> = self.read(&plain_key(Kind::PackageOf, &leaf.0))?;
        let Some(name) = name else { return Ok(None) };
        encode(&name).map(|name| Some(plain_key(Kind::KeyPackage, &name))).map_err(|_| CipherError::Store)
    }

    /// A room has been entered by a KeyPackage, which is used up by that or, as one of last resort, needs its leaf as well.
    pub(super) fn package_used(&self, leaf: LeafKey, last_resort: bool) -> Result<(), CipherError> {
        if !last_resort {
            self.cache.delete(plain_key(Kind::PackageOf, &leaf.0));
            return Ok(());
        }
        let key = plain_key(Kind::LeafUses, &leaf.0);
        let uses: u32 = self.read(&key)?.unwrap_or_default();
        self.write(key, &uses.saturating_add(1))
    }

    /// A room or a KeyPackage does not need its leaf any more: the last one erases it.
    pub(super) fn release_leaf(&self, leaf: LeafKey) -> Result<(), CipherError> {
        let key = plain_key(Kind::LeafUses, &leaf.0);
        match self.read::<u32>(&key)?.unwrap_or_default() {
            0 => self.cache.delete(plain_key(Kind::Leaf, &leaf.0)),
            1 => self.cache.delete(key),
            more => self.write(key, &(more - 1))?,
        }
        Ok(())
    }

    /// The KeyPackage of ours that a Welcome is for.
    pub(super) fn package_for(&self, welcome: &Welcome) -> Result<KeyPackage, CipherError> {
        if welcome.secrets().len() > LEAVES_MAX {
            return Err(CipherError::Broken);
        }
        let provider = Provider::lazy(&self.cache);
        for secrets in welcome.secrets() {
            let found: Option<KeyPackageBundle> = provider.storage().key_package(&secrets.new_member()).map_err(|_| CipherError::Store)?;
            if let Some(found) = found {
                return Ok(found.into_key_package());
            }
        }
        Err(CipherError::Gone)
    }

    pub(super) fn leaf_of_welcome(&self, welcome: &[u8]) -> Result<LeafKey, CipherError> {
        let MlsMessageBodyIn::Welcome(welcome) = parse(welcome)? else { return Err(CipherError::Broken) };
        leaf_key(&self.package_for(&welcome)?)
    }

    pub(super) fn view_package(&self, bytes: &[u8]) -> Result<PackageView, CipherError> {
        let package = checked(bytes)?;
        let lifetime = package.life_time();
        let lifetime = Lifetime {
            not_before: Timestamp(lifetime.not_before().saturating_mul(SECOND)),
            not_after: Timestamp(lifetime.not_after().saturating_mul(SECOND)),
        };
        let kind = extensions::kind(&package)?;
        let member = room::member(0, package.leaf_node().signature_key().as_slice(), package.leaf_node().credential());
        let member = member.ok_or(CipherError::Broken)?;
        Ok(PackageView { leaf: member.leaf, credential: member.credential, lifetime, kind })
    }
}

/// The key that signs for a KeyPackage's leaf.
pub(super) fn leaf_key(package: &KeyPackage) -> Result<LeafKey, CipherError> {
    Ok(LeafKey(package.leaf_node().signature_key().as_slice().try_into().map_err(|_| CipherError::Broken)?))
}

/// A KeyPackage, checked.
pub(super) fn checked(bytes: &[u8]) -> Result<KeyPackage, CipherError> {
    let MlsMessageBodyIn::KeyPackage(package) = parse(bytes)? else { return Err(CipherError::Broken) };
    let package = package.validate(&Crypto, ProtocolVersion::Mls10).map_err(|_| CipherError::Broken)?;
    let leaf = package.leaf_node();
    extensions::kind(&package)?;
    let fits = extensions::fits(leaf.capabilities(), leaf.extensions(), None);
    if package.ciphersuite() == SUITE && fits { Ok(package) } else { Err(CipherError::Broken) }
}
