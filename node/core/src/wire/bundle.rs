//! What friends give each other: names, keys, and where their devices are written to.

use super::bounds::{are_relay_mailboxes, is_name};
use super::presence::PresenceKeys;
use crate::limits::DEVICES_MAX;
use minicbor::{Decode, Encode};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::Digest;
use symbolon_presence::identity::Chain;
use symbolon_presence::kem::{KemPublic, KemPublicBytes};
use symbolon_presence::seeds::Seed;
use symbolon_relay::put::MailboxEntry;

/// What friends give each other.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Bundle {
    /// Own name.
    #[n(0)]
    pub name: String,
    /// Hash of the second root key.
    #[n(1)]
    pub second_root: Digest,
    /// The current friendship secret.
    #[n(2)]
    pub friendship: FriendshipSecret,
    /// Each device with its mailbox.
    #[n(3)]
    pub devices: Vec<BundleDevice>,
    /// How the sender's presence is read; absent when the sender can give it to nobody more.
    #[n(4)]
    pub presence: Option<PresenceKeys>,
}

impl Bundle {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        is_name(&self.name)
            && !self.devices.is_empty()
            && self.devices.len() <= DEVICES_MAX
            && self.devices.iter().all(BundleDevice::is_bounded)
            && self.presence.as_ref().is_none_or(PresenceKeys::is_bounded)
    }
}

impl BundleDevice {
    fn is_bounded(&self) -> bool {
        self.entry.is_bounded() && are_relay_mailboxes(&self.relay_mailboxes) && KemPublic::parse(&self.direct).is_ok()
    }
}

/// One device in a bundle.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BundleDevice {
    /// Its certificate.
    #[n(0)]
    pub chain: Chain,
    /// Its own mailbox, with an address for friends.
    #[n(1)]
    pub entry: MailboxEntry,
    /// Its mailboxes at relays, each with an address for friends; at most [`RELAY_MAILBOXES_MAX`].
    #[n(2)]
    pub relay_mailboxes: Vec<MailboxEntry>,
    /// Public key of X-Wing that direct envelopes to it are sealed to.
    #[n(3)]
    pub direct: KemPublicBytes,
    /// Its newest seed for the reader's devices.
    #[n(4)]
    pub seed: Seed,
}

/// Where a device can be written to, as it tells its friends.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Whereabouts {
    /// Its own mailbox and where it is.
    #[n(0)]
    pub entry: MailboxEntry,
    /// Its mailboxes at relays; at most [`RELAY_MAILBOXES_MAX`].
    #[n(1)]
    pub relay_mailboxes: Vec<MailboxEntry>,
}

impl Whereabouts {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        self.entry.is_bounded() && are_relay_mailboxes(&self.relay_mailboxes)
    }
}
