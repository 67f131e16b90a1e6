//! To put an envelope into a mailbox, and what the mailbox answers.
//!
//! Nothing here is believed by itself: a Put is checked by [`crate::admission`], a Receipt by its
//! signature.

use crate::grant::MailboxKeys;
use crate::limits::{FRAME_MAX, PLACES_MAX, RECEIPT_MAX, SEALED_ADDRESS_MAX};
use crate::signed::context;
use minicbor::{Decode, Encode};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::envelope;
use symbolon_presence::id::{FrameId, MailboxId, Nonce, PublicKeyBytes, SignatureBytes};
use symbolon_presence::kdf::{Secret, mac, mac_matches};
use symbolon_presence::labels::{MAC_PUT, SIGN_RECEIPT};
use symbolon_presence::sign::{BadSignature, SigningKey, VerifyingKey};
use symbolon_presence::time::Timestamp;

/// The deposit of one envelope: all that a mailbox sees.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Put {
    /// Sealed address ([`crate::grant::AddressBody`] sealed to the mailbox).
    #[cbor(n(0), with = "minicbor::bytes")]
    pub address: Vec<u8>,
    /// Index of the envelope's size in [`envelope::BUCKETS`].
    #[n(1)]
    pub bucket: u8,
    /// How long the mailbox may keep it, in seconds.
    #[n(2)]
    pub ttl: u32,
    /// SHA-256 of the envelope.
    #[n(3)]
    pub frame: FrameId,
    /// Pseudonym of this use of a grant whose uses are counted; the same in every repeat.
    #[n(4)]
    pub usage: Option<Nonce>,
    /// MAC over all of the above under the grant's key.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub mac: [u8; 16],
    /// The envelope.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub envelope: Vec<u8>,
}

impl Put {
    /// Wraps an envelope. None when it has no size of [`envelope::BUCKETS`].
    pub fn new(address: Vec<u8>, key: &Secret, ttl: u32, usage: Option<Nonce>, envelope: Vec<u8>) -> Option<Self> {
        let frame = envelope::frame_id(&envelope);
        Self::known(address, key, ttl, usage, envelope, frame)
    }

    /// As [`Put::new`], for an envelope whose id is known.
    pub fn known(address: Vec<u8>, key: &Secret, ttl: u32, usage: Option<Nonce>, envelope: Vec<u8>, frame: FrameId) -> Option<Self> {
        debug_assert_eq!(frame, envelope::frame_id(&envelope), "the id of another envelope");
        let bucket = envelope::bucket(&envelope)?;
        let mut put = Self { address, bucket, ttl, frame, usage, mac: [0; 16], envelope };
        put.mac = put.expected_mac(key);
        Some(put)
    }

    /// Whether size, id and envelope belong together. Needs no key.
    pub fn is_consistent(&self) -> bool {
        self.address.len() <= SEALED_ADDRESS_MAX
            && envelope::bucket(&self.envelope) == Some(self.bucket)
            && envelope::frame_id(&self.envelope) == self.frame
    }

    /// Whether the MAC is the one of the grant's key.
    pub fn is_granted(&self, key: &Secret) -> bool {
        mac_matches(&self.expected_mac(key), &self.mac)
    }

    fn expected_mac(&self, key: &Secret) -> [u8; 16] {
        let usage = self.usage.as_ref().map_or(&[][..], |usage| usage.as_bytes().as_slice());
        mac(key, MAC_PUT, &[&self.address, &[self.bucket], &self.ttl.to_be_bytes(), self.frame.as_bytes(), usage])
    }
}

opaque_debug!(Put);

/// What became of one deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// Durable in the mailbox, until then at least.
    #[n(0)]
    Stored(#[n(0)] Timestamp),
    /// Durable and opened on the recipient's device.
    #[n(1)]
    Delivered,
    /// Not taken.
    #[n(2)]
    Refused(#[n(0)] Refusal),
}

/// Why a deposit was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// No right to write there: address, grant or MAC is not good. Never says which.
    #[n(0)]
    Refused,
    /// The grant has expired.
    #[n(1)]
    Expired,
    /// The grant's uses are used up.
    #[n(2)]
    UsedUp,
    /// The queue is full; try again later.
    #[n(3)]
    Full,
    /// The key was one of the owner's friends, and has been replaced: those who still are friends read
    /// the new one in the owner's presence.
    #[n(4)]
    Stale,
    /// Too early or too late by the answerer's clock, which may be wrong: the sender keeps it and
    /// puts it again.
    #[n(5)]
    Untimely,
    /// The right to write is good, and what is inside is of an epoch of its room that is not kept any more: its sender seals it
    /// again in the present one. Said only to those whose build takes shared rooms.
    #[n(6)]
    Outgrown,
}

/// One line of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReceiptItem {
    /// The envelope.
    #[n(0)]
    pub frame: FrameId,
    /// What became of it.
    #[n(1)]
    pub outcome: Outcome,
}

/// What a mailbox signs: one signature for all deposits of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReceiptBody {
    /// When, by the mailbox's clock.
    #[n(0)]
    pub at: Timestamp,
    /// At most [`RECEIPT_MAX`] deposits.
    #[n(1)]
    pub items: Vec<ReceiptItem>,
}

/// A signed receipt.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// A [`ReceiptBody`] in its encoding.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// By the mailbox's receipt key; the context is the mailbox id.
    #[n(1)]
    pub signature: SignatureBytes,
}

/// Why a receipt is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptError {
    /// Not signed by the mailbox's receipt key.
    BadSignature,
    /// Cannot be read, or speaks of too many deposits.
    Malformed,
}

impl Receipt {
    /// Signs for deposits in a mailbox.
    pub fn sign(key: &SigningKey, mailbox: &MailboxId, body: &ReceiptBody) -> Self {
        let body = codec::encode(body);
        let signature = key.sign(SIGN_RECEIPT, &context(mailbox), &body);
        Self { body, signature }
    }

    /// Checks the signature over the bytes as received, then reads them.
    pub fn verify(&self, key: &VerifyingKey, mailbox: &MailboxId) -> Result<ReceiptBody, ReceiptError> {
        key.verify(SIGN_RECEIPT, &context(mailbox), &self.body, &self.signature).map_err(|BadSignature| ReceiptError::BadSignature)?;
        let body: ReceiptBody = codec::decode(&self.body, FRAME_MAX).map_err(|_| ReceiptError::Malformed)?;
        if body.items.len() > RECEIPT_MAX { Err(ReceiptError::Malformed) } else { Ok(body) }
    }
}

opaque_debug!(Receipt);

/// How one mailbox of a device is reached. What gives the right to write there travels beside it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MailboxEntry {
    /// The mailbox.
    #[n(0)]
    pub mailbox: MailboxId,
    /// The key that signs its receipts.
    #[n(1)]
    pub receipt: PublicKeyBytes,
    /// Sealed address of a queue there.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub address: Vec<u8>,
    /// Network addresses, best first; at most [`PLACES_MAX`].
    #[n(3)]
    pub places: Vec<Address>,
}

impl MailboxEntry {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        self.address.len() <= SEALED_ADDRESS_MAX
            && self.places.len() <= PLACES_MAX
            && self.places.iter().all(Address::is_bounded)
            && VerifyingKey::parse(&self.receipt).is_ok()
    }

    /// An entry for a queue in a mailbox of our own.
    pub fn own(keys: &MailboxKeys, receipt: PublicKeyBytes, address: Vec<u8>, places: Vec<Address>) -> Self {
        Self { mailbox: keys.id(), receipt, address, places }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon_presence::id::DeviceId;
    use symbolon_presence::seal::DhKey;
    use symbolon_presence::seeds::{Ratchet, Seed};

    fn envelope() -> Vec<u8> {
        let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
        let seed = Seed { number: 1, secret: Secret::from_bytes([9; 32]) };
        Ratchet::agree(&seed, &a, &b.public(), &DeviceId([1; 16]), &DeviceId([2; 16])).turn().seal(&[0; 12], b"x").unwrap()
    }

    fn key() -> Secret {
        Secret::from_bytes([4; 32])
    }

    #[test]
    fn every_outer_field_of_a_put_is_under_its_mac() {
        let put = Put::new(vec![1; 100], &key(), 60, Some(Nonce([1; 16])), envelope()).unwrap();
        assert!(put.is_consistent() && put.is_granted(&key()));
        let changes: [fn(&mut Put); 6] = [
            |p| p.address[0] ^= 1,
            |p| p.bucket = 1,
            |p| p.ttl += 1,
            |p| p.frame.0[0] ^= 1,
            |p| p.usage = None,
            |p| p.usage = Some(Nonce([2; 16])),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut bad = put.clone();
            change(&mut bad);
            assert!(!bad.is_granted(&key()), "change {index}");
        }
        assert!(!put.is_granted(&Secret::from_bytes([5; 32])));
    }

    #[test]
    fn an_envelope_of_another_size_or_id_is_inconsistent() {
        let put = Put::new(vec![1; 100], &key(), 60, None, envelope()).unwrap();
        let mut bad = put.clone();
        bad.envelope[100] ^= 1;
        assert!(!bad.is_consistent());
        bad = put;
        bad.address = vec![0; SEALED_ADDRESS_MAX + 1];
        assert!(!bad.is_consistent());
        assert!(Put::new(vec![], &key(), 60, None, vec![0; 100]).is_none());
    }

    #[test]
    fn a_receipt_holds_for_its_mailbox_key_and_lines_only() {
        let signer = SigningKey::from_seed(&[1; 32]);
        let public = VerifyingKey::parse(&signer.public()).unwrap();
        let body = ReceiptBody { at: Timestamp(5), items: vec![ReceiptItem { frame: FrameId([1; 32]), outcome: Outcome::Delivered }] };
        let receipt = Receipt::sign(&signer, &MailboxId([1; 32]), &body);
        assert_eq!(receipt.verify(&public, &MailboxId([1; 32])), Ok(body.clone()));
        assert_eq!(receipt.verify(&public, &MailboxId([2; 32])), Err(ReceiptError::BadSignature));
        let mut bad = receipt.clone();
        bad.body[3] ^= 1;
        assert_eq!(bad.verify(&public, &MailboxId([1; 32])), Err(ReceiptError::BadSignature));
        let long = ReceiptBody { items: body.items.iter().cycle().take(RECEIPT_MAX + 1).copied().collect(), ..body };
        assert_eq!(Receipt::sign(&signer, &MailboxId([1; 32]), &long).verify(&public, &MailboxId([1; 32])), Err(ReceiptError::Malformed));
    }
}
