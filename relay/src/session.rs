//! What passes between a relay and the owner of a mailbox there.
//!
//! The owner's *record* says who may write; the owner opens a *session* and is pushed what
//! waits; it *acknowledges* what is settled on its own disk, and only that is deleted.
//! Every frame of the owner is signed by a key that is used at this relay only, over the
//! mailbox id; what the relay answers is signed by its receipt key.

use crate::grant::Queue;
use crate::limits::{ACK_MAX, FRAME_MAX, REVOKED_MAX, SEALED_RECORD_MAX};
use crate::link::{ClaimCode, RelayLink};
use crate::signed::{BadFrame, context, is_signed};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{GrantId, MailboxId, Nonce, PublicKeyBytes, QueueId, SignatureBytes};
use symbolon_presence::kdf::Secret;
use symbolon_presence::labels::{SEAL_RECORD, SIGN_ACCEPTED, SIGN_ACK, SIGN_RECORD, SIGN_SESSION};
use symbolon_presence::seal::{DhKey, DhPublic, hpke_open, hpke_seal};
use symbolon_presence::sign::{SigningKey, VerifyingKey};
use symbolon_presence::time::Timestamp;

/// What a relay has to know of a mailbox to admit what others put there.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MailboxRecord {
    /// Only a higher one replaces it.
    #[n(0)]
    pub version: u64,
    /// Queue of friends and correspondents.
    #[n(1)]
    pub direct: QueueId,
    /// Queue of strangers who hold an invite.
    #[n(2)]
    pub contact: QueueId,
    /// From which the put keys of grants are derived.
    #[n(3)]
    pub queue_secret: Secret,
    /// Revision of the owner's friendship secret.
    #[n(4)]
    pub revision: u64,
    /// The put key of friends of that revision.
    #[n(5)]
    pub put: Secret,
    /// Grants that are good no longer; at most [`REVOKED_MAX`].
    #[n(6)]
    pub revoked: Vec<GrantId>,
    /// When it was sealed, by the owner's clock.
    #[n(7)]
    pub at: Timestamp,
    /// Proves that the mailbox is the relay's owner's.
    #[n(8)]
    pub claim: Option<ClaimCode>,
    /// Public half of the friendship token: who may take packages.
    #[n(9)]
    pub capability: PublicKeyBytes,
}

/// A record on its way to the relay.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Update {
    /// The owner's key.
    #[n(0)]
    pub owner: PublicKeyBytes,
    /// A [`MailboxRecord`] sealed to the mailbox's key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// By the owner's key, over the sealed bytes.
    #[n(2)]
    pub signature: SignatureBytes,
}

impl Update {
    /// Seals and signs a record. None when the link's key is no key.
    pub fn seal<R: rand_core::CryptoRng>(owner: &SigningKey, link: &RelayLink, record: &MailboxRecord, rng: &mut R) -> Option<Self> {
        let key = DhPublic::parse(&link.mailbox_key).ok()?;
        let mailbox = link.mailbox();
        let aad = [mailbox.as_bytes().as_slice(), owner.public().as_bytes()].concat();
        let sealed = hpke_seal(SEAL_RECORD, &key, &aad, &codec::encode(record), rng);
        let signature = owner.sign(SIGN_RECORD, &context(&mailbox), &sealed);
        Some(Self { owner: owner.public(), sealed, signature })
    }

    /// Checks the signature, then opens the record.
    pub fn open(&self, key: &DhKey, mailbox: &MailboxId) -> Result<MailboxRecord, BadFrame> {
        if self.sealed.len() > SEALED_RECORD_MAX {
            return Err(BadFrame);
        }
        let owner = VerifyingKey::parse(&self.owner).map_err(|_| BadFrame)?;
        owner.verify(SIGN_RECORD, &context(mailbox), &self.sealed, &self.signature).map_err(|_| BadFrame)?;
        let aad = [mailbox.as_bytes().as_slice(), self.owner.as_bytes()].concat();
        let plain = hpke_open(SEAL_RECORD, key, &aad, &self.sealed).map_err(|_| BadFrame)?;
        let record: MailboxRecord = codec::decode(&plain, SEALED_RECORD_MAX).map_err(|_| BadFrame)?;
        if record.revoked.len() > REVOKED_MAX { Err(BadFrame) } else { Ok(record) }
    }
}

/// The owner is here: push what waits, on this link, until it ends.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Session {
    /// The owner's key.
    #[n(0)]
    pub owner: PublicKeyBytes,
    /// Fresh; a relay takes each once.
    #[n(1)]
    pub nonce: Nonce,
    /// By the owner's clock.
    #[n(2)]
    pub at: Timestamp,
    /// By the owner's key.
    #[n(3)]
    pub signature: SignatureBytes,
}

impl Session {
    /// Signs an opening.
    pub fn sign(owner: &SigningKey, mailbox: &MailboxId, nonce: Nonce, at: Timestamp) -> Self {
        let signature = owner.sign(SIGN_SESSION, &context(mailbox), &codec::encode(&(nonce, at)));
        Self { owner: owner.public(), nonce, at, signature }
    }

    /// Checks the signature.
    pub fn verify(&self, mailbox: &MailboxId) -> Result<(), BadFrame> {
        is_signed(&self.owner, SIGN_SESSION, mailbox, &(self.nonce, self.at), &self.signature)
    }
}

/// Whether the relay keeps the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Verdict {
    /// It does.
    #[n(0)]
    Ok,
    /// It does not: no such mailbox here, or not for this owner.
    #[n(1)]
    Refused,
    /// There is no room for another mailbox.
    #[n(2)]
    Full,
    /// A record of this version or a higher one is there already.
    #[n(3)]
    Outdated,
    /// The owner's clock and the relay's are too far apart; `at` is the relay's.
    #[n(4)]
    Untimely,
}

/// What an [`Accepted`] says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AcceptedBody {
    /// Version of the record that the relay holds; 0 when there is none.
    #[n(0)]
    pub version: u64,
    /// Entries waiting.
    #[n(1)]
    pub entries: u32,
    /// The most there may be.
    #[n(2)]
    pub entries_max: u32,
    /// Bytes waiting.
    #[n(3)]
    pub bytes: u64,
    /// The most there may be.
    #[n(4)]
    pub bytes_max: u64,
    /// Whether it keeps the mailbox.
    #[n(5)]
    pub verdict: Verdict,
    /// The owner to whom this is said.
    #[n(6)]
    pub owner: PublicKeyBytes,
    /// When it is said, by the relay's clock.
    #[n(7)]
    pub at: Timestamp,
}

/// The relay's answer to an [`Update`] or a [`Session`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Accepted {
    /// An [`AcceptedBody`] in its encoding.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// By the relay's receipt key; the context is the mailbox id.
    #[n(1)]
    pub signature: SignatureBytes,
}

impl Accepted {
    /// Signs an answer.
    pub fn sign(key: &SigningKey, mailbox: &MailboxId, body: &AcceptedBody) -> Self {
        let body = codec::encode(body);
        let signature = key.sign(SIGN_ACCEPTED, &context(mailbox), &body);
        Self { body, signature }
    }

    /// Checks the signature over the bytes as received, then reads them.
    pub fn verify(&self, key: &VerifyingKey, mailbox: &MailboxId) -> Result<AcceptedBody, BadFrame> {
        key.verify(SIGN_ACCEPTED, &context(mailbox), &self.body, &self.signature).map_err(|_| BadFrame)?;
        codec::decode(&self.body, FRAME_MAX).map_err(|_| BadFrame)
    }
}

/// One entry of a mailbox, pushed to its owner.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Deposit {
    /// Its number in this mailbox; rises.
    #[n(0)]
    pub number: u64,
    /// The grant under which it was put.
    #[n(1)]
    pub grant: GrantId,
    /// Its queue.
    #[n(2)]
    pub queue: Queue,
    /// Pseudonym of the use of a counted grant.
    #[n(3)]
    pub usage: Option<Nonce>,
    /// The envelope.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub envelope: Vec<u8>,
}

/// Entries that are settled on the owner's disk: the relay deletes them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ack {
    /// The owner's key.
    #[n(0)]
    pub owner: PublicKeyBytes,
    /// Their numbers; at most [`ACK_MAX`].
    #[n(1)]
    pub numbers: Vec<u64>,
    /// Fresh.
    #[n(2)]
    pub nonce: Nonce,
    /// By the owner's clock.
    #[n(3)]
    pub at: Timestamp,
    /// By the owner's key.
    #[n(4)]
    pub signature: SignatureBytes,
    /// Those of the numbers that came by an invite which somebody else had used; absent for none.
    /// Their senders hear so when they ask again.
    #[n(5)]
    pub used_up: Option<Vec<u64>>,
}

impl Ack {
    /// Signs for settled entries, of which some came by an invite that was used already.
    pub fn sign(owner: &SigningKey, mailbox: &MailboxId, numbers: Vec<u64>, used_up: Vec<u64>, nonce: Nonce, at: Timestamp) -> Self {
        let used_up = (!used_up.is_empty()).then_some(used_up);
        let mut ack = Self { owner: owner.public(), numbers, nonce, at, signature: SignatureBytes([0; 64]), used_up };
        ack.signature = owner.sign(SIGN_ACK, &context(mailbox), &ack.signed());
        ack
    }

    fn signed(&self) -> Vec<u8> {
        match &self.used_up {
            None => codec::encode(&(&self.numbers, self.nonce, self.at)),
            Some(used_up) => codec::encode(&(&self.numbers, self.nonce, self.at, used_up)),
        }
    }

    /// Checks the signature and the bound.
    pub fn verify(&self, mailbox: &MailboxId) -> Result<(), BadFrame> {
        if self.numbers.len() > ACK_MAX || self.used_up.as_ref().is_some_and(|used_up| used_up.is_empty() || used_up.len() > ACK_MAX) {
            return Err(BadFrame);
        }
        let key = VerifyingKey::parse(&self.owner).map_err(|_| BadFrame)?;
        key.verify(SIGN_ACK, &context(mailbox), &self.signed(), &self.signature).map_err(|_| BadFrame)
    }
}

opaque_debug!(MailboxRecord Update Deposit);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::MailboxKeys;
    use rand_core::SeedableRng;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(1)
    }

    fn record() -> MailboxRecord {
        MailboxRecord {
            version: 3,
            direct: QueueId([1; 16]),
            contact: QueueId([2; 16]),
            queue_secret: Secret::from_bytes([3; 32]),
            revision: 4,
            put: Secret::from_bytes([5; 32]),
            revoked: vec![GrantId([6; 16])],
            at: NOW,
            claim: Some(ClaimCode([7; 16])),
            capability: PublicKeyBytes([8; 32]),
        }
    }

    #[test]
    fn a_record_opens_at_its_mailbox_only_and_only_as_signed() {
        let (a, b) = (MailboxKeys::random(&mut rng()), MailboxKeys::random(&mut rand_chacha::ChaCha20Rng::seed_from_u64(2)));
        let link = RelayLink { mailbox_key: a.public(), receipt: SigningKey::from_seed(&[1; 32]).public(), places: Vec::new() };
        let owner = SigningKey::from_seed(&[8; 32]);
        let update = Update::seal(&owner, &link, &record(), &mut rng()).unwrap();
        assert!(update.open(&a.dh(), &a.id()) == Ok(record()));
        assert!(update.open(&b.dh(), &b.id()).is_err());
        let other = SigningKey::from_seed(&[9; 32]);
        assert!(Update { owner: other.public(), ..update.clone() }.open(&a.dh(), &a.id()).is_err());
        let mut changed = update;
        changed.sealed[0] ^= 1;
        assert!(changed.open(&a.dh(), &a.id()).is_err());
    }

    #[test]
    fn a_session_and_an_ack_hold_for_one_mailbox_and_not_for_each_other() {
        let owner = SigningKey::from_seed(&[8; 32]);
        let (here, there) = (MailboxId([1; 32]), MailboxId([2; 32]));
        let session = Session::sign(&owner, &here, Nonce([1; 16]), NOW);
        assert!(session.verify(&here).is_ok() && session.verify(&there).is_err());
        assert!(Session { at: Timestamp(NOW.0 + 1), ..session }.verify(&here).is_err());
        let ack = Ack::sign(&owner, &here, vec![1, 2], Vec::new(), Nonce([1; 16]), NOW);
        assert!(ack.verify(&here).is_ok() && ack.verify(&there).is_err());
        assert!(Ack { numbers: vec![1, 3], ..ack.clone() }.verify(&here).is_err());
        assert!(Ack { used_up: Some(vec![1]), ..ack }.verify(&here).is_err());
        assert!(Ack::sign(&owner, &here, vec![0; ACK_MAX + 1], Vec::new(), Nonce([1; 16]), NOW).verify(&here).is_err());
        let ack = Ack::sign(&owner, &here, vec![1, 2], vec![2], Nonce([1; 16]), NOW);
        assert!(ack.verify(&here).is_ok());
        assert!(Ack { used_up: None, ..ack.clone() }.verify(&here).is_err());
        assert!(Ack { used_up: Some(Vec::new()), ..ack }.verify(&here).is_err());
        assert!(Ack::sign(&owner, &here, vec![1], vec![0; ACK_MAX + 1], Nonce([1; 16]), NOW).verify(&here).is_err());
    }

    #[test]
    fn an_answer_is_believed_only_under_the_receipt_key() {
        let key = SigningKey::from_seed(&[8; 32]);
        let owner = key.public();
        let body = AcceptedBody { version: 1, entries: 2, entries_max: 3, bytes: 4, bytes_max: 5, verdict: Verdict::Ok, owner, at: NOW };
        let accepted = Accepted::sign(&key, &MailboxId([1; 32]), &body);
        let verify = |key: &SigningKey, mailbox| accepted.verify(&VerifyingKey::parse(&key.public()).unwrap(), &MailboxId([mailbox; 32]));
        assert_eq!(verify(&key, 1), Ok(body));
        assert!(verify(&key, 2).is_err() && verify(&SigningKey::from_seed(&[9; 32]), 1).is_err());
    }
}
