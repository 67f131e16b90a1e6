//! What friends may take from a mailbox: packages by which they add its owner to rooms, each
//! handed out once. The right to take one is the friendship token: a signing key that follows
//! from the friendship secret, of which the mailbox holds the public half.

use crate::limits::{PACKAGE_MAX, PACKAGES_MAX, SEALED_ADDRESS_MAX};
use crate::signed::{BadFrame, context, is_signed};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{MailboxId, Nonce, PublicKeyBytes, SignatureBytes};
use symbolon_presence::labels::{SIGN_FETCH, SIGN_STOCK};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::Timestamp;

/// Owner to mailbox: these are my packages, in place of those before.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Stock {
    /// The owner's key.
    #[n(0)]
    pub owner: PublicKeyBytes,
    /// Only a higher one replaces what is there.
    #[n(1)]
    pub version: u64,
    /// At most [`PACKAGES_MAX`], each of at most [`PACKAGE_MAX`] bytes; opaque to the mailbox.
    #[n(2)]
    pub packages: Vec<ByteVec>,
    /// Handed out again and again once the others are gone.
    #[n(3)]
    pub last: Option<ByteVec>,
    /// By the owner's key.
    #[n(4)]
    pub signature: SignatureBytes,
}

impl Stock {
    /// Signs a stock.
    pub fn sign(owner: &SigningKey, mailbox: &MailboxId, version: u64, packages: Vec<Vec<u8>>, last: Option<Vec<u8>>) -> Self {
        let packages: Vec<ByteVec> = packages.into_iter().map(ByteVec::from).collect();
        let last = last.map(ByteVec::from);
        let said = codec::encode(&(version, &packages, &last));
        let signature = owner.sign(SIGN_STOCK, &context(mailbox), &said);
        Self { owner: owner.public(), version, packages, last, signature }
    }

    /// Checks the signature and the bounds.
    pub fn verify(&self, mailbox: &MailboxId) -> Result<(), BadFrame> {
        if self.packages.len() > PACKAGES_MAX || self.packages.iter().chain(&self.last).any(|package| package.len() > PACKAGE_MAX) {
            return Err(BadFrame);
        }
        is_signed(&self.owner, SIGN_STOCK, mailbox, &(self.version, &self.packages, &self.last), &self.signature)
    }
}

/// Friend to mailbox: a package, please.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Fetch {
    /// A sealed address of the owner there: it says whose packages.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub address: Vec<u8>,
    /// Public half of the friendship token.
    #[n(1)]
    pub capability: PublicKeyBytes,
    /// Fresh; a mailbox takes each once.
    #[n(2)]
    pub nonce: Nonce,
    /// By the friend's clock.
    #[n(3)]
    pub at: Timestamp,
    /// By the friendship token, over all of the above and the mailbox's id.
    #[n(4)]
    pub signature: SignatureBytes,
}

impl Fetch {
    /// Signs a question.
    pub fn sign(capability: &SigningKey, mailbox: &MailboxId, address: Vec<u8>, nonce: Nonce, at: Timestamp) -> Self {
        let said = codec::encode(&(ByteVec::from(address.clone()), nonce, at));
        let signature = capability.sign(SIGN_FETCH, &context(mailbox), &said);
        Self { address, capability: capability.public(), nonce, at, signature }
    }

    /// Checks the signature and the bound. It costs the same for every signer.
    pub fn verify(&self, mailbox: &MailboxId) -> Result<(), BadFrame> {
        if self.address.len() > SEALED_ADDRESS_MAX {
            return Err(BadFrame);
        }
        let address = ByteVec::from(self.address.clone());
        is_signed(&self.capability, SIGN_FETCH, mailbox, &(address, self.nonce, self.at), &self.signature)
    }
}

/// What a mailbox answers to a [`Fetch`].
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Handed {
    /// A package; nobody else is given it, unless it is the one of last resort.
    #[n(0)]
    Package(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// There is none.
    #[n(1)]
    Empty,
    /// The friendship token was replaced: those who still are friends read the new secret in the
    /// owner's presence.
    #[n(2)]
    Stale,
    /// No right to take one. Never says why.
    #[n(3)]
    Refused,
}

/// The answer, with the question's nonce.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Fetched {
    /// Of the question.
    #[n(0)]
    pub nonce: Nonce,
    /// What was handed out.
    #[n(1)]
    pub handed: Handed,
}

opaque_debug!(Stock Fetch Handed Fetched);
