//! KeyPackages: how somebody is added to a room without being there.

use super::handshake::OwnLeaf;
use crate::turn::{Turn, TurnFailed};
use crate::wire::seal_credential;
use crate::world::{CipherError, LeafKey, Lifetime, PackageKind, PackageView};
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;

/// A KeyPackage of ours, for a leaf that was drawn for it.
pub(crate) struct OwnPackage {
    pub leaf: PublicKeyBytes,
    /// Opens the leaf's credential.
    pub key: Secret,
    pub bytes: Vec<u8>,
}

/// Makes a KeyPackage.
pub(crate) fn make_package(
    turn: &mut Turn<'_>,
    own: &Identity,
    lifetime: Lifetime,
    last_resort: bool,
    queue: Vec<u8>,
) -> Result<OwnPackage, CipherError> {
    let OwnLeaf { leaf, key } = OwnLeaf::fresh(turn)?;
    let credential = seal_credential(own, &leaf.0, &key);
    let bytes = turn.cipher.key_package(leaf, &credential, lifetime, &PackageKind { last_resort, queue })?;
    Ok(OwnPackage { leaf: PublicKeyBytes(leaf.0), key, bytes })
}

/// What a KeyPackage shows. Its form, suite and signatures are checked.
pub(crate) fn view_package(turn: &Turn<'_>, bytes: &[u8]) -> Result<PackageView, CipherError> {
    turn.cipher.inspect_package(bytes)
}

/// Erases the private keys of a KeyPackage of ours. Nothing happens when they are gone.
pub(crate) fn drop_package(turn: &mut Turn<'_>, leaf: &PublicKeyBytes) -> Result<(), TurnFailed> {
    turn.cipher.drop_package(LeafKey(leaf.0)).map_err(|_| TurnFailed("the room cipher failed"))
}
