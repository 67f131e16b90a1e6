//! How friends come to read presence records, and what they read there. The protocol page is
//! `docs/protocol/presence.md`.

use super::bounds::{are_relay_mailboxes, is_name};
use crate::limits::{DEVICES_MAX, LOOKUPS_TOLD};
use minicbor::{Decode, Encode};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::generation::Reader;
use symbolon_presence::id::{DeviceId, Digest, PeerId, PublicKeyBytes, SignatureBytes};
use symbolon_presence::identity::Chain;
use symbolon_presence::kdf::hash;
use symbolon_presence::kem::{KemPublic, KemPublicBytes};
use symbolon_presence::labels::{HASH_CONTEXT, SEAL_LABELS, SIGN_STATEMENT};
use symbolon_presence::record::RECORD_MAX;
use symbolon_presence::seal::{DhKey, HPKE_OVERHEAD, hpke_open};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::Timestamp;
use symbolon_presence::tree::LeafLabels;
use symbolon_relay::put::MailboxEntry;

/// What a friend needs to read the sender's presence records.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PresenceKeys {
    /// Lookup key, header key and ratchet.
    #[n(0)]
    pub reader: Reader,
    /// For each of the friend's devices; at most [`DEVICES_MAX`].
    #[n(1)]
    pub labels: Vec<Labels>,
    /// The sender's lookup servers; at most [`LOOKUPS_TOLD`].
    #[n(2)]
    pub lookups: Vec<Address>,
}

/// A leaf and its labels for one device.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Labels {
    /// Whose.
    #[n(0)]
    pub device: DeviceId,
    /// [`LeafLabels`] in bytes, by HPKE to the device's certificate; bound to the lookup key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

impl PresenceKeys {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        let sealed = LeafLabels::LEN + HPKE_OVERHEAD;
        self.labels.len() <= DEVICES_MAX && self.labels.iter().all(|labels| labels.sealed.len() == sealed) && are_lookups(&self.lookups)
    }

    /// The labels that are for this device.
    pub fn open(&self, device: &DeviceId, key: &DhKey) -> Option<LeafLabels> {
        let sealed = &self.labels.iter().find(|labels| labels.device == *device)?.sealed;
        LeafLabels::from_bytes(&hpke_open(SEAL_LABELS, key, self.reader.lookup.as_bytes(), sealed).ok()?)
    }
}

/// What friends may read in a presence record.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PresenceBody {
    /// Own name.
    #[n(0)]
    pub name: String,
    /// The current friendship secret.
    #[n(1)]
    pub friendship: FriendshipSecret,
    /// The device that speaks.
    #[n(2)]
    pub chain: Chain,
    /// Its own mailbox; without places in the limited body.
    #[n(3)]
    pub entry: MailboxEntry,
    /// Its mailboxes at relays; at most [`RELAY_MAILBOXES_MAX`](crate::limits::RELAY_MAILBOXES_MAX).
    #[n(4)]
    pub relay_mailboxes: Vec<MailboxEntry>,
    /// Its lookup servers; at most [`LOOKUPS_TOLD`].
    #[n(5)]
    pub lookups: Vec<Address>,
    /// Public key of X-Wing that direct envelopes to the device are sealed to; absent in what older builds published.
    #[n(6)]
    pub direct: Option<KemPublicBytes>,
}

fn are_lookups(lookups: &[Address]) -> bool {
    lookups.len() <= LOOKUPS_TOLD && lookups.iter().all(Address::is_bounded)
}

/// A [`PresenceBody`] with its device's signature.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedPresence {
    /// The body in its encoding.
    #[cbor(n(0), with = "minicbor::bytes")]
    body: Vec<u8>,
    /// The context is lookup key and sequence number.
    #[n(1)]
    signature: SignatureBytes,
}

impl SignedPresence {
    /// Signs a body.
    pub fn sign(key: &SigningKey, lookup: &PublicKeyBytes, sequence: u64, body: &PresenceBody) -> Self {
        let body = codec::encode(body);
        let signature = key.sign(SIGN_STATEMENT, &presence_context(lookup, sequence), &body);
        Self { body, signature }
    }

    /// What a device of `peer` says here.
    pub fn verify(&self, peer: &PeerId, lookup: &PublicKeyBytes, sequence: u64, now: Timestamp) -> Option<PresenceBody> {
        let body: PresenceBody = codec::decode(&self.body, RECORD_MAX).ok()?;
        let device = body.chain.verify(now).ok().filter(|device| device.peer == *peer)?;
        device.signing.verify(SIGN_STATEMENT, &presence_context(lookup, sequence), &self.body, &self.signature).ok()?;
        let is_key = |key: &KemPublicBytes| KemPublic::parse(key).is_ok();
        let is_bounded = is_name(&body.name)
            && body.entry.is_bounded()
            && are_relay_mailboxes(&body.relay_mailboxes)
            && are_lookups(&body.lookups)
            && body.direct.as_ref().is_none_or(is_key);
        is_bounded.then_some(body)
    }
}

fn presence_context(lookup: &PublicKeyBytes, sequence: u64) -> Digest {
    hash(HASH_CONTEXT, &[lookup.as_bytes(), &sequence.to_be_bytes()])
}
