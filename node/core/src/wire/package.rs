//! AddPackages: by these a friend adds a device to rooms. The protocol page is `docs/protocol/addpackage.md`.
//!
//! A relay that hands one out sees an MLS KeyPackage under a pseudonym, a queue address at itself, and sealed bytes. Two
//! packages of one device share nothing by which anybody could tell, without the owner's friendship encryption key, that they
//! are of one device.

use super::capabilities::Capabilities;
use super::contact::RelayMailbox;
use crate::limits::RELAY_MAILBOXES_MAX;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{MailboxId, PublicKeyBytes};
use symbolon_presence::identity::Chain;
use symbolon_presence::kdf::{Secret, sha256};
use symbolon_presence::labels::SEAL_PACKAGE;
use symbolon_presence::seal::{AEAD_OVERHEAD, NONCE, aead_open_random, aead_seal_random};
use symbolon_presence::seeds::Seed;
use symbolon_relay::limits::{PACKAGE_MAX, SEALED_ADDRESS_MAX};
use symbolon_relay::put::MailboxEntry;

/// Bytes around the KeyPackage and the sealed part: version, map, two keys, and the length of what is sealed.
const FRAMING: usize = 1 + 1 + 2 + 3;
/// Bytes that say how much of the sealed part is content.
const LENGTH: usize = 2;
/// The longest KeyPackage in an AddPackage: with a longer one what is sealed has no room.
const KEY_PACKAGE_MAX: usize = PACKAGE_MAX - FRAMING - 3 - NONCE - AEAD_OVERHEAD - 512;

/// A KeyPackage, and what friends are to know of it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AddPackage {
    /// An MLS KeyPackage (RFC 9420, section 10) of a leaf and keys that were drawn for it alone.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub key_package: Vec<u8>,
    /// [`PackageSecrets`] under the friendship encryption key, behind their length and before zeros: every AddPackage has
    /// [`PACKAGE_MAX`] bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// Where what is for the leaf may be left; in an extension of its KeyPackage, for all to see. Only the mailbox at which
/// the package lies: that the device has others is nothing to a relay.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct QueueAddress {
    /// A mailbox at a relay, with a sealed address of a grant of its own. None of a device without relays.
    #[n(0)]
    pub relay: Option<MailboxEntry>,
}

/// What friends are to know, and nobody else.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PackageSecrets {
    /// Of the friendship secret under whose key this is sealed.
    #[n(0)]
    pub revision: u64,
    /// The device's certificate.
    #[n(1)]
    pub chain: Chain,
    /// Signature encryption key: opens the leaf's credential. Drawn for this leaf alone.
    #[n(2)]
    pub key: Secret,
    /// Under which members of the room write to the device.
    #[n(3)]
    pub seed: Seed,
    /// What the device's build takes.
    #[n(4)]
    pub capabilities: Capabilities,
    /// The put key of the queue address; absent without one.
    #[n(5)]
    pub put: Option<Secret>,
    /// The device's own mailbox.
    #[n(6)]
    pub own: OwnMailbox,
    /// Its mailboxes at other relays, as far as there is room.
    #[n(7)]
    pub more: Vec<RelayMailbox>,
}

/// The mailbox of a device itself. The device signs its receipts, and where it is nobody learns by this.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OwnMailbox {
    /// The mailbox.
    #[n(0)]
    pub mailbox: MailboxId,
    /// Sealed address of the package's grant there.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub address: Vec<u8>,
    /// Its put key.
    #[n(2)]
    pub key: Secret,
}

macro_rules! opaque_debug {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
opaque_debug!(AddPackage QueueAddress PackageSecrets OwnMailbox);

impl AddPackage {
    /// Seals a package. `nonce` was drawn for it alone. None when there is too much to fit.
    pub fn seal(fek: &Secret, key_package: Vec<u8>, secrets: &PackageSecrets, nonce: &[u8; NONCE]) -> Option<Self> {
        if key_package.len() > KEY_PACKAGE_MAX {
            return None;
        }
        let content = codec::encode(secrets);
        let room = PACKAGE_MAX - FRAMING - head(key_package.len()) - key_package.len() - NONCE - AEAD_OVERHEAD;
        let mut plain = u16::try_from(content.len()).ok()?.to_be_bytes().to_vec();
        plain.extend_from_slice(&content);
        if plain.len() > room {
            return None;
        }
        plain.resize(room, 0);
        let sealed = aead_seal_random(fek, nonce, SEAL_PACKAGE, &sha256(&key_package), &plain);
        Some(Self { key_package, sealed: [nonce.as_slice(), &sealed].concat() })
    }

    /// The package's bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a package. What is in it is believed by nobody yet.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes, PACKAGE_MAX).ok().filter(|package: &Self| package.key_package.len() <= KEY_PACKAGE_MAX)
    }

    /// Opens what is for friends. None when it was not sealed under this key with this KeyPackage.
    pub fn open(&self, fek: &Secret) -> Option<PackageSecrets> {
        let (nonce, sealed) = self.sealed.split_first_chunk::<NONCE>()?;
        let plain = aead_open_random(fek, nonce, SEAL_PACKAGE, &sha256(&self.key_package), sealed).ok()?;
        let (length, rest) = plain.split_first_chunk::<LENGTH>()?;
        let (content, padding) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        codec::decode(content, PACKAGE_MAX).ok().filter(PackageSecrets::is_bounded)
    }
}

/// Bytes of the length of a byte string (RFC 8949, section 3).
fn head(length: usize) -> usize {
    match length {
        ..24 => 1,
        24..256 => 2,
        _ => 3,
    }
}

impl QueueAddress {
    /// Reads a queue address.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes, PACKAGE_MAX).ok().filter(|queue: &Self| queue.relay.as_ref().is_none_or(MailboxEntry::is_bounded))
    }
}

impl PackageSecrets {
    /// Whether every part is within its bounds.
    fn is_bounded(&self) -> bool {
        self.own.address.len() <= SEALED_ADDRESS_MAX
            && self.more.len() < RELAY_MAILBOXES_MAX
            && self.more.iter().all(|mailbox| mailbox.entry.is_bounded())
    }
}

impl OwnMailbox {
    /// The mailbox of a device with this signing key.
    pub fn of(&self, signing: PublicKeyBytes) -> RelayMailbox {
        let entry = MailboxEntry { mailbox: self.mailbox, receipt: signing, address: self.address.clone(), places: Vec::new() };
        RelayMailbox { entry, key: self.key.clone() }
    }
}
