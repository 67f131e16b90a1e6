//! What this device has for itself: mailboxes at relays, secrets and grants that have ended.

use minicbor::{Decode, Encode};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{GrantId, MailboxId, PublicKeyBytes, QueueId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;
use symbolon_relay::link::{ClaimCode, RelayLink};

/// A mailbox of ours at a relay.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OwnRelayMailbox {
    #[n(0)]
    pub link: RelayLink,
    /// Seed of the key under which the relay knows us; used there only.
    #[n(1)]
    pub owner: Secret,
    #[n(2)]
    pub direct: QueueId,
    #[n(3)]
    pub contact: QueueId,
    #[n(4)]
    pub queue_secret: Secret,
    /// Of our newest record there.
    #[n(5)]
    pub version: u64,
    /// Proves to an owner-only relay that it is ours.
    #[n(6)]
    pub claim: Option<ClaimCode>,
    /// Whether the relay kept our mailbox when it was last heard; none before it was. Friends do
    /// not hear of one that does not.
    #[n(7)]
    pub kept: Option<bool>,
}

impl OwnRelayMailbox {
    /// Whether others hear of it.
    pub fn is_told(&self) -> bool {
        self.kept != Some(false)
    }
}

/// A grant that our relays are not to take any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Revoked {
    #[n(0)]
    pub grant: GrantId,
    /// When it expires.
    #[n(1)]
    pub expires: Timestamp,
    /// Of a lifeline: whether the queue secret was drawn again since. It is good under the one before as well.
    #[n(2)]
    pub outlived: Option<bool>,
}

/// A friendship secret that has expired. Who still uses it hears so, and reads the new one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Past {
    #[n(0)]
    pub friendship: FriendshipSecret,
    #[n(1)]
    pub until: Timestamp,
}

/// A relay as somebody names it: mailbox and receipt key. Both, so that nobody can give
/// another key to a relay that a friend of ours uses, too.
pub(crate) type RelayKey = (MailboxId, PublicKeyBytes);
