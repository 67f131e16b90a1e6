//! Packages of ours: by each of them a friend may add this device to a room.

use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, Digest, GrantId, MailboxId, PeerId, PublicKeyBytes};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seeds::Seed;
use symbolon_presence::time::Timestamp;

/// A package of ours, or the seat in rooms that has come of it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OwnPackage {
    /// The leaf's signature public key; the private one is the room cipher's.
    #[n(0)]
    pub leaf: PublicKeyBytes,
    /// Opens the leaf's credential.
    #[n(1)]
    pub key: Secret,
    /// By which members of rooms may write to us.
    #[n(2)]
    pub grant: GrantId,
    #[n(3)]
    pub grant_expires: Timestamp,
    /// Under which they do.
    #[n(4)]
    pub seed: Seed,
    /// Of our friendship secret, by which it was sealed.
    #[n(5)]
    pub revision: u64,
    #[n(6)]
    pub lies: Lies,
    #[n(7)]
    pub made: Timestamp,
    /// Until when somebody may be added by it.
    #[n(8)]
    pub expires: Timestamp,
    #[n(9)]
    pub last_resort: bool,
    /// SHA-256 of the AddPackage: a relay shows by it which one it hands out.
    #[n(10)]
    pub digest: Digest,
    /// When others took its place: a Welcome may still be on its way.
    #[n(11)]
    pub replaced: Option<Timestamp>,
    /// How many rooms were entered by it; one of last resort may be used again.
    #[n(12)]
    pub seats: u32,
    /// Grants by which members wrote before somebody went, the newest last; at most
    /// [`limits::FORMER_GRANTS_MAX`](crate::limits::FORMER_GRANTS_MAX).
    #[n(13)]
    pub former: Option<Vec<FormerGrant>>,
}

impl OwnPackage {
    /// Whether members may write by a grant of this package.
    pub fn takes(&self, grant: &GrantId, now: Timestamp) -> bool {
        let stands = |of: &FormerGrant| of.grant == *grant && of.ended.is_none() && !of.expires.is_expired_at(now);
        if self.grant == *grant { !self.grant_expires.is_expired_at(now) } else { self.former().iter().any(stands) }
    }

    /// The grants of before.
    pub fn former(&self) -> &[FormerGrant] {
        self.former.as_deref().unwrap_or_default()
    }

    /// All of its grants.
    pub fn grants(&self) -> impl Iterator<Item = GrantId> {
        std::iter::once(self.grant).chain(self.former().iter().map(|former| former.grant))
    }
}

/// A grant that somebody knows who is in the room no more. It ends once all who stay have another one.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct FormerGrant {
    #[n(0)]
    pub grant: GrantId,
    #[n(1)]
    pub expires: Timestamp,
    /// When another one took its place.
    #[n(2)]
    pub replaced: Timestamp,
    /// Who has not got the other one yet.
    #[n(3)]
    pub waits: Vec<Awaited>,
    /// When it ended.
    #[n(4)]
    pub ended: Option<Timestamp>,
}

/// A device that was sent something, by its number in our outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Awaited {
    #[n(0)]
    pub device: DeviceId,
    #[n(1)]
    pub number: u64,
}

/// Where a package is, or was, handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Lies {
    /// At a relay, in this place of its stock.
    #[n(0)]
    AtRelay(#[n(0)] MailboxId, #[n(1)] u32),
    /// This node gave it to this friend.
    #[n(1)]
    WithFriend(#[n(0)] PeerId),
}

/// What lies at one relay of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Stocked {
    #[n(0)]
    pub mailbox: MailboxId,
    /// Of the stock. A relay takes only a higher one.
    #[n(1)]
    pub version: u64,
    #[n(2)]
    pub at: Timestamp,
    /// Of the friendship secret by which it was sealed.
    #[n(3)]
    pub revision: u64,
    /// Of our record there, at least so high when it was left. A relay that has a lower one was set back.
    #[n(4)]
    pub record: u64,
    /// Whether the relay has shown that it has it.
    #[n(5)]
    pub is_there: bool,
    /// How many of it were handed out, as far as is known; none is left but that of last resort when it is as many as there were.
    #[n(6)]
    pub gone: u32,
    /// How many of those we have looked at ourselves.
    #[n(7)]
    pub looks: u32,
    /// When one was last taken out to see how many are left.
    #[n(8)]
    pub looked: Option<Timestamp>,
    /// When friends had last taken all of it, and used few.
    #[n(9)]
    pub drained: Option<Timestamp>,
}
