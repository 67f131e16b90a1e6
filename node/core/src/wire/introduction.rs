//! Introductions: what a friend says about two of its friends, and their answers. The protocol page is
//! `docs/protocol/introduction.md`.

use super::bounds::{is_name, is_note};
use crate::limits::CONTACT_RECORD_MAX;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, PeerId, RequestId, SignatureBytes};
use symbolon_presence::identity::{Chain, Identity};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::{HASH_CONTEXT, SIGN_INTRODUCTION};
use symbolon_presence::time::{DAY, Timestamp};

/// The longest introduction, in bytes.
const INTRODUCTION_MAX: usize = 4 * 1024;
/// How long an introduction may wait for both.
pub const INTRODUCTION_LIFETIME: u64 = 14 * DAY;

/// One of the two who are introduced.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Introduced {
    /// A certificate of the person.
    #[n(0)]
    pub chain: Chain,
    /// The name by which the introducer knows the person.
    #[n(1)]
    pub name: String,
}

/// What the introducer states.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct IntroductionBody {
    /// The introduction; the same in all its messages.
    #[n(0)]
    pub id: RequestId,
    /// Who will ask for friendship.
    #[n(1)]
    pub asker: Introduced,
    /// Who will be asked.
    #[n(2)]
    pub target: Introduced,
    /// A line to both.
    #[n(3)]
    pub note: Option<String>,
    /// When made.
    #[n(4)]
    pub created: Timestamp,
    /// Until when both may agree.
    #[n(5)]
    pub expires: Timestamp,
}

/// A signed introduction. Attributable: anyone who gives a false key has signed it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Introduction {
    /// Certificate of the introducer's device.
    #[n(0)]
    chain: Chain,
    /// An [`IntroductionBody`] in its encoding.
    #[cbor(n(1), with = "minicbor::bytes")]
    body: Vec<u8>,
    #[n(2)]
    signature: SignatureBytes,
}

/// An introduction whose signatures hold.
pub struct VerifiedIntroduction {
    /// What is stated.
    pub body: IntroductionBody,
    /// By whom.
    pub introducer: PeerId,
    /// Who will ask.
    pub asker: PeerId,
    /// Who will be asked.
    pub target: PeerId,
}

fn context(introducer: &PeerId) -> Digest {
    hash(HASH_CONTEXT, &[introducer.as_bytes()])
}

impl Introduction {
    /// Signs an introduction.
    pub fn sign(identity: &Identity, body: &IntroductionBody) -> Self {
        let body = codec::encode(body);
        let signature = identity.signing.sign(SIGN_INTRODUCTION, &context(&identity.peer()), &body);
        Self { chain: identity.chain.clone(), body, signature }
    }

    /// Verifies all that it claims. A friend has said it in the connection room, where nothing is
    /// said twice, so the wall clock alone does not refuse it. `latest` is when it may have been
    /// made at the latest.
    pub fn verify(&self, sure: Timestamp, latest: Timestamp) -> Option<VerifiedIntroduction> {
        let introducer = self.chain.verify_known(sure).ok()?;
        introducer.signing.verify(SIGN_INTRODUCTION, &context(&introducer.peer), &self.body, &self.signature).ok()?;
        let body: IntroductionBody = codec::decode(&self.body, INTRODUCTION_MAX).ok()?;
        let (asker, target) = (body.asker.chain.verify_known(sure).ok()?.peer, body.target.chain.verify_known(sure).ok()?.peer);
        let introducer = introducer.peer;
        let is_timely = !body.created.is_future_at(latest)
            && !body.expires.is_expired_at(sure)
            && body.expires.since(body.created) <= INTRODUCTION_LIFETIME;
        let is_bounded = is_name(&body.asker.name) && is_name(&body.target.name) && body.note.as_deref().is_none_or(is_note);
        let are_three = asker != target && asker != introducer && target != introducer;
        (is_timely && is_bounded && are_three).then_some(VerifiedIntroduction { body, introducer, asker, target })
    }

    /// Whether it is within its bounds.
    pub fn is_bounded(&self) -> bool {
        self.body.len() <= INTRODUCTION_MAX
    }
}

/// An answer to an introduction: yes. There is no other; who does not want says nothing.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Consent {
    /// The introduction.
    #[n(0)]
    pub id: RequestId,
    /// From who will be asked: a contact record for the asker alone.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub contact: Option<Vec<u8>>,
}

/// What the asker gets once both have agreed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct IntroCard {
    /// The introduction.
    #[n(0)]
    pub id: RequestId,
    /// The target's contact record.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub contact: Vec<u8>,
}

impl Consent {
    /// Whether it is within its bounds.
    pub fn is_bounded(&self) -> bool {
        self.contact.as_ref().is_none_or(|contact| contact.len() <= CONTACT_RECORD_MAX)
    }
}

impl IntroCard {
    /// Whether it is within its bounds.
    pub fn is_bounded(&self) -> bool {
        self.contact.len() <= CONTACT_RECORD_MAX
    }
}
