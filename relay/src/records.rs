//! Presence records that are left with a relay or a friend, and found there.

use crate::limits::AWAY_MAX;
use crate::signed::{BadFrame, context, is_signed};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{LookupId, MailboxId, PublicKeyBytes, SignatureBytes};
use symbolon_presence::labels::SIGN_AWAY;
use symbolon_presence::record::RECORD_MAX;
use symbolon_presence::sign::SigningKey;

/// Owner to relay: let these records be found on their day.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Away {
    /// The owner's key.
    #[n(0)]
    pub owner: PublicKeyBytes,
    /// The day, since 1970.
    #[n(1)]
    pub day: u32,
    /// Only a higher one replaces what was left for the day.
    #[n(2)]
    pub version: u64,
    /// At most [`AWAY_MAX`], each of at most [`RECORD_MAX`] bytes; none takes back what was left.
    #[n(3)]
    pub records: Vec<ByteVec>,
    /// By the owner's key.
    #[n(4)]
    pub signature: SignatureBytes,
}

impl Away {
    /// Signs what is left for a day.
    pub fn sign(owner: &SigningKey, mailbox: &MailboxId, day: u32, version: u64, records: Vec<Vec<u8>>) -> Self {
        let records: Vec<ByteVec> = records.into_iter().map(ByteVec::from).collect();
        let said = codec::encode(&(day, version, &records));
        let signature = owner.sign(SIGN_AWAY, &context(mailbox), &said);
        Self { owner: owner.public(), day, version, records, signature }
    }

    /// Checks the signature and the bounds.
    pub fn verify(&self, mailbox: &MailboxId) -> Result<(), BadFrame> {
        if self.records.len() > AWAY_MAX || self.records.iter().any(|record| record.len() > RECORD_MAX) {
            return Err(BadFrame);
        }
        is_signed(&self.owner, SIGN_AWAY, mailbox, &(self.day, self.version, &self.records), &self.signature)
    }
}

/// The answer to a look-up.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Found {
    /// What was asked for.
    #[n(0)]
    pub id: LookupId,
    /// A presence record, unchecked.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub record: Option<Vec<u8>>,
}

/// Records that somebody leaves with a friend, for those who ask there. They take the place of
/// what was left before.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Keep {
    /// At most [`KEEP_MAX`](crate::limits::KEEP_MAX) presence records, each of at most [`RECORD_MAX`] bytes, unchecked.
    #[n(0)]
    pub records: Vec<ByteVec>,
}

opaque_debug!(Away Found Keep);
