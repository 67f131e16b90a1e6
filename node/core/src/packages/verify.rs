//! What a friend's package is worth: looked at before anybody is added by it. `docs/protocol/addpackage.md`.
//!
//! A relay hands packages out, and a friend makes them: neither is believed. Nothing is sent and nothing changes because of
//! a package that fails here.

use crate::limits::PACKAGE_LIFE_MAX;
use crate::rooms;
use crate::turn::Turn;
use crate::wire::{AddPackage, Capabilities, PackageSecrets, QueueAddress, RelayMailbox, is_leaf_of};
use crate::world::Lifetime;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{DeviceId, PeerId, PublicKeyBytes};
use symbolon_presence::identity::{Chain, Device};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seeds::Seed;
use symbolon_presence::time::Timestamp;

/// A package of a friend's device, of which everything was checked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct VerifiedPackage {
    /// By which the device is added.
    pub key_package: Vec<u8>,
    /// The leaf's signature public key.
    pub leaf: PublicKeyBytes,
    /// The device's certificate, and what it says.
    pub chain: Chain,
    pub device: Device,
    /// Opens the leaf's credential.
    pub key: Secret,
    /// Under which members write to the device.
    pub seed: Seed,
    /// The device's own mailbox, without a place.
    pub own: RelayMailbox,
    /// Its mailboxes at relays.
    pub relays: Vec<RelayMailbox>,
    /// What its build takes.
    pub capabilities: Capabilities,
    /// Of the friendship secret by which it was sealed.
    pub revision: u64,
    /// Whether others may be given the same one.
    pub last_resort: bool,
    /// Until when it may be used.
    pub expires: Timestamp,
}

impl std::fmt::Debug for VerifiedPackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifiedPackage(..)")
    }
}

/// Why nobody is added by a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadPackage {
    /// Not an AddPackage, or beyond its bounds.
    Malformed,
    /// Its KeyPackage is none of our suite, or is not signed by its leaf.
    KeyPackage,
    /// What is for friends does not open under this friend's keys, together with this KeyPackage.
    Sealed,
    /// It is not to be used yet, or not any more, or for longer than any is.
    Untimely,
    /// The certificate in it is not valid now.
    Certificate,
    /// It is another person's.
    Person,
    /// It is of another device than the one that was asked for.
    Device,
    /// A later certificate of the device is known.
    Serial,
    /// The device has not signed that the leaf is its own.
    Credential,
}

/// Whose package it is to be.
pub(crate) struct Owner<'a> {
    /// The friend.
    pub peer: PeerId,
    /// The device.
    pub device: DeviceId,
    /// Serial of its certificate, as known.
    pub serial: u64,
    /// The friend's secret, and the one before as long as that may be used.
    pub secrets: &'a [&'a FriendshipSecret],
}

/// Looks at a package.
pub(crate) fn verify(turn: &Turn<'_>, bytes: &[u8], owner: &Owner<'_>) -> Result<VerifiedPackage, BadPackage> {
    let package = AddPackage::decode(bytes).ok_or(BadPackage::Malformed)?;
    // Cheap, and most of what is not this friend's ends here.
    let secrets = open(&package, owner.secrets).ok_or(BadPackage::Sealed)?;
    let view = rooms::view_package(turn, &package.key_package).map_err(|_| BadPackage::KeyPackage)?;
    if !is_timely(&view.lifetime, turn) {
        return Err(BadPackage::Untimely);
    }
    let device = secrets.chain.verify(turn.sure).map_err(|_| BadPackage::Certificate)?;
    if device.peer != owner.peer {
        return Err(BadPackage::Person);
    }
    if device.device != owner.device {
        return Err(BadPackage::Device);
    }
    if device.serial < owner.serial {
        return Err(BadPackage::Serial);
    }
    if !is_leaf_of(&view.credential, &view.leaf.0, &secrets.key, &device) {
        return Err(BadPackage::Credential);
    }
    let queue = QueueAddress::decode(&view.kind.queue).ok_or(BadPackage::Malformed)?;
    let first = match (queue.relay, secrets.put) {
        (Some(entry), Some(key)) => Some(RelayMailbox { entry, key }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(BadPackage::Malformed),
    };
    Ok(VerifiedPackage {
        key_package: package.key_package,
        leaf: PublicKeyBytes(view.leaf.0),
        own: secrets.own.of(device.signing.bytes()),
        chain: secrets.chain,
        device,
        key: secrets.key,
        seed: secrets.seed,
        relays: first.into_iter().chain(secrets.more).collect(),
        capabilities: secrets.capabilities,
        revision: secrets.revision,
        last_resort: view.kind.last_resort,
        expires: view.lifetime.not_after,
    })
}

/// What is for friends, under the key of the revision that it names.
fn open(package: &AddPackage, secrets: &[&FriendshipSecret]) -> Option<PackageSecrets> {
    secrets.iter().find_map(|secret| package.open(&secret.fek()).filter(|opened| opened.revision == secret.revision))
}

/// Whether a leaf may be added now. By sure time where a wrong clock of ours would refuse what is good.
fn is_timely(lifetime: &Lifetime, turn: &Turn<'_>) -> bool {
    let Lifetime { not_before, not_after } = *lifetime;
    !not_before.is_future_at(turn.now.max(turn.sure))
        && !not_after.is_expired_at(turn.sure)
        && not_after.since(not_before) <= PACKAGE_LIFE_MAX
}

#[cfg(test)]
mod tests;
