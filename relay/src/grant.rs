//! Who may write to which queue of a mailbox.
//!
//! A sealed address names a queue and a grant; only the mailbox can open it. Holding it is
//! not enough: each Put carries a MAC under the grant's key, which travels beside the
//! address. Friends' key comes from the friendship secret and dies with its revision; every
//! other key comes from the mailbox's queue secret and all fields of the grant, so the
//! mailbox keeps no table of grants.

use crate::limits::{MEMBERS_USES, SEALED_ADDRESS_MAX};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{GrantId, MailboxId, QueueId};
use symbolon_presence::kdf::{Secret, derive, hash};
use symbolon_presence::labels::{HASH_MAILBOX, KEY_GRANT, SEAL_ADDRESS};
use symbolon_presence::seal::{DhKey, hpke_open, hpke_seal};
use symbolon_presence::time::Timestamp;

/// Whom a grant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// Friends of this revision of the friendship secret.
    #[n(0)]
    Friends(#[n(0)] u64),
    /// One correspondent who is no friend yet: replies to an Offer or Accept.
    #[n(1)]
    Guest,
    /// Anyone who holds an invite or contact record.
    #[n(2)]
    Contact,
}

/// Which queue a Put may be stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Queue {
    /// Friends and correspondents.
    #[n(0)]
    Direct,
    /// Strangers with an invite.
    #[n(1)]
    Contact,
    /// Those who asked, or were asked, and are no friends yet: counted apart from friends.
    #[n(2)]
    Guest,
}

/// What a sealed address says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AddressBody {
    /// The queue.
    #[n(0)]
    pub queue: QueueId,
    /// The grant.
    #[n(1)]
    pub grant: GrantId,
    /// Whom it is for.
    #[n(2)]
    pub scope: Scope,
    /// Until when it is good.
    #[n(3)]
    pub expires: Timestamp,
    /// How many different uses are allowed, of a guest's grant in a day: that is a *lifeline*; 0 for any number.
    /// [`MEMBERS_USES`] in a guest's grant: it is for the members of a room.
    #[n(4)]
    pub uses: u32,
}

impl AddressBody {
    /// Whether the grant is for the members of a room: what comes by it is bounded by what may wait, not by uses.
    pub fn is_for_members(&self) -> bool {
        self.scope == Scope::Guest && self.uses == MEMBERS_USES
    }
}

/// The private side of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MailboxKeys {
    #[n(0)]
    dh: Secret,
    #[n(1)]
    queue_secret: Secret,
    /// Queue of friends and correspondents.
    #[n(2)]
    pub direct: QueueId,
    /// Queue of strangers who hold an invite.
    #[n(3)]
    pub contact: QueueId,
}

impl MailboxKeys {
    /// Draws a mailbox.
    pub fn random<R: rand_core::CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self { dh: Secret::random(rng), queue_secret: Secret::random(rng), direct: QueueId::random(rng), contact: QueueId::random(rng) }
    }

    /// Hash of the mailbox's HPKE key.
    pub fn id(&self) -> MailboxId {
        MailboxId(hash(HASH_MAILBOX, &[self.key().public().bytes().as_bytes()]).0)
    }

    /// Seals an address to this mailbox.
    pub fn seal_address<R: rand_core::CryptoRng>(&self, body: &AddressBody, rng: &mut R) -> Vec<u8> {
        hpke_seal(SEAL_ADDRESS, &self.key().public(), self.id().as_bytes(), &codec::encode(body), rng)
    }

    /// Opens a sealed address; none when it was not sealed to this mailbox.
    pub fn open_address(&self, sealed: &[u8]) -> Option<AddressBody> {
        if sealed.len() > SEALED_ADDRESS_MAX {
            return None;
        }
        let plain = hpke_open(SEAL_ADDRESS, &self.key(), self.id().as_bytes(), sealed).ok()?;
        codec::decode(&plain, SEALED_ADDRESS_MAX).ok()
    }

    /// The put key of a grant. That of friends is the current one, whatever revision their address
    /// is of: who has the key is a friend now, and may have had the address before.
    /// `id` is [`MailboxKeys::id`], which costs a multiplication on the curve to find out.
    pub fn put_key(&self, id: &MailboxId, body: &AddressBody, friendship: &FriendshipSecret) -> Secret {
        match body.scope {
            Scope::Friends(_) => friendship.put(id),
            Scope::Guest | Scope::Contact => grant_key(&self.queue_secret, body),
        }
    }

    /// The HPKE public key.
    pub fn public(&self) -> symbolon_presence::id::PublicKeyBytes {
        self.key().public().bytes()
    }

    /// The HPKE private key.
    pub fn dh(&self) -> DhKey {
        self.key()
    }

    fn key(&self) -> DhKey {
        DhKey::from_bytes(*self.dh.expose())
    }
}

/// The put key of a grant that is not for friends: anyone who has the queue's secret derives it.
pub fn grant_key(queue_secret: &Secret, body: &AddressBody) -> Secret {
    derive(queue_secret.expose(), KEY_GRANT, &[&codec::encode(body)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(1)
    }

    fn body(scope: Scope) -> AddressBody {
        AddressBody { queue: QueueId([1; 16]), grant: GrantId([2; 16]), scope, expires: Timestamp(9), uses: 1 }
    }

    fn friendship() -> FriendshipSecret {
        FriendshipSecret { revision: 3, secret: Secret::from_bytes([9; 32]) }
    }

    #[test]
    fn an_address_opens_at_its_mailbox_only() {
        let (a, b) = (MailboxKeys::random(&mut rng()), MailboxKeys::random(&mut rand_chacha::ChaCha20Rng::seed_from_u64(2)));
        let sealed = a.seal_address(&body(Scope::Guest), &mut rng());
        assert!(sealed.len() <= SEALED_ADDRESS_MAX);
        assert_eq!(a.open_address(&sealed), Some(body(Scope::Guest)));
        assert_eq!(b.open_address(&sealed), None);
        assert_eq!(a.open_address(&sealed[1..]), None);
        assert_eq!(a.open_address(&vec![0; 10_000]), None);
    }

    #[test]
    fn the_key_of_a_grant_changes_with_each_of_its_fields() {
        let keys = MailboxKeys::random(&mut rng());
        let base = body(Scope::Guest);
        let key = keys.put_key(&keys.id(), &base, &friendship());
        for other in [
            AddressBody { queue: QueueId([9; 16]), ..base.clone() },
            AddressBody { grant: GrantId([9; 16]), ..base.clone() },
            AddressBody { scope: Scope::Contact, ..base.clone() },
            AddressBody { expires: Timestamp(10), ..base.clone() },
            AddressBody { uses: 0, ..base.clone() },
        ] {
            assert_ne!(keys.put_key(&keys.id(), &other, &friendship()), key);
        }
    }

    #[test]
    fn friends_have_the_current_key_whatever_revision_their_address_is_of() {
        let keys = MailboxKeys::random(&mut rng());
        for revision in [2, 3, 4] {
            assert_eq!(keys.put_key(&keys.id(), &body(Scope::Friends(revision)), &friendship()), friendship().put(&keys.id()));
        }
    }
}
