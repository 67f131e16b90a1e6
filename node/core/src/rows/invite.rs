//! An invite, and the standing package of contact records.

use minicbor::{Decode, Encode};
use symbolon_presence::id::{FrameId, GrantId, PeerId, RequestId};
use symbolon_presence::identity::Chain;
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

/// An invite, or the standing package of contact records.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Invite {
    #[n(0)]
    pub grant: GrantId,
    /// Private half of the package.
    #[n(1)]
    pub key: Secret,
    #[n(2)]
    pub expires: Timestamp,
    #[n(3)]
    pub last_resort: bool,
    #[n(4)]
    pub auto_accept: bool,
    /// The request that used it.
    #[n(5)]
    pub used: Option<RequestId>,
    /// Good for this person only: made for somebody who is introduced.
    #[n(6)]
    pub only_for: Option<PeerId>,
    /// Envelopes taken in by it: their repeats are answered the same.
    #[n(7)]
    pub answered: Option<Vec<FrameId>>,
    /// From which the keys of its body come; none of what is published or passed on by others.
    #[n(8)]
    pub secret: Option<InviteSecret>,
    /// Its body does not say where this node is.
    #[n(9)]
    pub no_ip: Option<bool>,
    /// None of older builds, whose packages are of no use any more.
    #[n(10)]
    pub made: Option<Timestamp>,
    /// When something else was found in the place of its body.
    #[n(11)]
    pub spoiled: Option<Timestamp>,
    /// It lets a further device of our own person in.
    #[n(12)]
    pub pairs: Option<Box<Pairing>>,
}

/// A pairing code of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Pairing {
    /// What was certified by it.
    #[n(0)]
    pub certified: Option<Chain>,
    /// What friends are written once somebody has used it.
    #[n(1)]
    pub tell: Option<String>,
}
