//! First envelopes: a signed statement to one device. The protocol pages are
//! `docs/protocol/connection.md` and `docs/protocol/renewal.md`.

use super::bounds::PAYLOAD_MAX;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, PeerId, SignatureBytes};
use symbolon_presence::identity::{Chain, Device, Identity, pair_context};
use symbolon_presence::labels::{Label, SIGN_ACCEPT, SIGN_CONFIRM, SIGN_JOINED, SIGN_OFFER, SIGN_RETURNED, SIGN_STANDING};
use symbolon_presence::time::Timestamp;

/// The payload of a first envelope.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct First {
    /// The sender's certificate.
    #[n(0)]
    pub chain: Chain,
    /// A [`Statement`] in its encoding.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub statement: Vec<u8>,
    /// The sending device's signature; its context names both people.
    #[n(2)]
    pub signature: SignatureBytes,
}

impl First {
    /// Signs a statement.
    pub fn sign(me: &Identity, statement: &Statement) -> Self {
        let bytes = codec::encode(statement);
        let signature = me.signing.sign(statement.step.label(), &pair_context(&me.peer(), &statement.to), &bytes);
        Self { chain: me.chain.clone(), statement: bytes, signature }
    }

    /// Verifies certificate and signature over the bytes as received, as spoken to `me`.
    pub fn verify(&self, me: &PeerId, now: Timestamp) -> Option<(Device, Statement)> {
        self.read(me, self.chain.verify(now).ok()?)
    }

    /// The same from a device that is known already: its certificate is read as one of those.
    pub fn verify_known(&self, me: &PeerId, sure: Timestamp) -> Option<(Device, Statement)> {
        self.read(me, self.chain.verify_known(sure).ok()?)
    }

    fn read(&self, me: &PeerId, device: Device) -> Option<(Device, Statement)> {
        let statement: Statement = codec::decode(&self.statement, PAYLOAD_MAX).ok()?;
        device.signing.verify(statement.step.label(), &pair_context(&device.peer, me), &self.statement, &self.signature).ok()?;
        (statement.to == *me).then_some((device, statement))
    }
}

/// Which of the three messages a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Step {
    /// A asks B.
    #[n(0)]
    Offer,
    /// B agrees.
    #[n(1)]
    Accept,
    /// A completes.
    #[n(2)]
    Confirm,
    /// Between friends: how the sender stands with the receiver.
    #[n(3)]
    Standing,
    /// To somebody who has asked by a pairing code: they are a device of the sender's person now.
    #[n(4)]
    Joined,
    /// To a friend's device: the sender was restored from a backup, and asks for a friendship of its own.
    #[n(5)]
    Returned,
}

impl Step {
    fn label(self) -> Label {
        match self {
            Self::Offer => SIGN_OFFER,
            Self::Accept => SIGN_ACCEPT,
            Self::Confirm => SIGN_CONFIRM,
            Self::Standing => SIGN_STANDING,
            Self::Joined => SIGN_JOINED,
            Self::Returned => SIGN_RETURNED,
        }
    }
}

/// What is signed: one step of a connection, to one device, under one package, behind one transcript.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Statement {
    /// Which step.
    #[n(0)]
    pub step: Step,
    /// To whom.
    #[n(1)]
    pub to: PeerId,
    /// To which device.
    #[n(2)]
    pub device: DeviceId,
    /// [`Contact::digest`] of the package it is sealed to.
    #[n(3)]
    pub package: Digest,
    /// The transcript so far; all zeros before the Offer.
    #[n(4)]
    pub transcript: Digest,
    /// The step's body in its encoding.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}
