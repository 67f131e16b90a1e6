//! How a device is written to by somebody who does not know it yet. The protocol page is
//! `docs/protocol/connection.md`.

use crate::limits::RELAY_MAILBOXES_MAX;
use minicbor::{Decode, Encode};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{DeviceId, Digest};
use symbolon_presence::identity::{Chain, Device};
use symbolon_presence::kdf::{Secret, hash};
use symbolon_presence::kem::{KemPublic, KemPublicBytes};
use symbolon_presence::labels::HASH_PACKAGE;
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::MailboxEntry;

/// How one device can be written to by somebody whom it does not know yet: in contact
/// records and invites, and as reply address in Offer and Accept.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Contact {
    /// The device's certificate; absent when it is the device that signs what surrounds this.
    #[n(0)]
    pub chain: Option<Chain>,
    /// Public key of X-Wing that envelopes are sealed to.
    #[n(1)]
    pub package: KemPublicBytes,
    /// Until when.
    #[n(2)]
    pub expires: Timestamp,
    /// Whether others may hold the same package.
    #[n(3)]
    pub last_resort: bool,
    /// The mailbox and where it is.
    #[n(4)]
    pub entry: MailboxEntry,
    /// The put key of the sealed address.
    #[n(5)]
    pub key: Secret,
    /// The device's mailboxes at relays, for when it is not there; at most [`RELAY_MAILBOXES_MAX`].
    #[n(6)]
    pub relay_mailboxes: Vec<RelayMailbox>,
}

/// A mailbox of a device at a relay, and what gives the right to write there.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelayMailbox {
    /// The mailbox, the relay's receipt key, and where the relay is.
    #[n(0)]
    pub entry: MailboxEntry,
    /// The put key of the sealed address.
    #[n(1)]
    pub key: Secret,
}

impl RelayMailbox {
    /// A friend's mailboxes with the put keys that friends have.
    pub fn of_friend(friendship: &FriendshipSecret, entries: Vec<MailboxEntry>) -> Vec<Self> {
        entries.into_iter().map(|entry| Self { key: friendship.put(&entry.mailbox), entry }).collect()
    }
}

impl std::fmt::Debug for RelayMailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayMailbox(..)")
    }
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact(..)")
    }
}

impl Contact {
    /// Hash of the package, bound into every statement sealed to it.
    pub fn digest(&self, device: &DeviceId) -> Digest {
        package_digest(self.package.as_bytes(), self.expires, self.last_resort, device)
    }

    /// Whether every part is within its bounds and the package is a key that may be sealed to.
    pub fn is_bounded(&self) -> bool {
        self.entry.is_bounded()
            && KemPublic::parse(&self.package).is_ok()
            && self.relay_mailboxes.len() <= RELAY_MAILBOXES_MAX
            && self.relay_mailboxes.iter().all(|mailbox| mailbox.entry.is_bounded())
    }
}

/// Hash of a contact package of a device.
pub fn package_digest(package: &[u8], expires: Timestamp, last_resort: bool, device: &DeviceId) -> Digest {
    hash(HASH_PACKAGE, &[package, &expires.0.to_be_bytes(), &[u8::from(last_resort)], device.as_bytes()])
}

/// The receipt key of a device's own mailbox is the device's signing key; this checks that an entry says so.
pub fn entry_is_of(entry: &MailboxEntry, device: &Device) -> bool {
    VerifyingKey::parse(&entry.receipt).is_ok_and(|key| key == device.signing)
}
