//! An invite, and the standing package of contact records.

use minicbor::{Decode, Encode};
use symbolon_presence::id::{FrameId, GrantId, PeerId, RequestId};
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
}
