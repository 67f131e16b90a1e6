//! Introductions.

use crate::command::RequestStatus;
use minicbor::{Decode, Encode};
use symbolon_presence::id::{PeerId, RequestId};
use symbolon_presence::time::Timestamp;

/// An introduction.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Introducing {
    #[n(0)]
    pub id: RequestId,
    #[n(1)]
    pub role: IntroRole,
    #[n(2)]
    pub introducer: PeerId,
    #[n(3)]
    pub asker: PeerId,
    #[n(4)]
    pub target: PeerId,
    /// Of the other one, as the introducer names them; for the introducer, of the target.
    #[n(5)]
    pub name: String,
    #[n(6)]
    pub note: Option<String>,
    #[n(7)]
    pub status: RequestStatus,
    #[n(8)]
    pub created: Timestamp,
    #[n(9)]
    pub expires: Timestamp,
    /// For the introducer: the asker has agreed. For the asker: the request was sent.
    #[n(10)]
    pub agreed: bool,
    /// For the introducer: what the target has sent for the asker. For the asker: the same, while it waits for the next
    /// certificate.
    #[cbor(n(11), with = "minicbor::bytes")]
    pub contact: Option<Vec<u8>>,
    /// The signed statement: who said so can be shown later.
    #[cbor(n(12), with = "minicbor::bytes")]
    pub statement: Vec<u8>,
}

/// What we are in an introduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum IntroRole {
    /// The common friend.
    #[n(0)]
    Introducer,
    /// Who asks for friendship.
    #[n(1)]
    Asker,
    /// Who is asked.
    #[n(2)]
    Target,
}

impl Introducing {
    /// The one whom we are introduced to; for the introducer, the target.
    pub fn other(&self) -> PeerId {
        match self.role {
            IntroRole::Introducer | IntroRole::Asker => self.target,
            IntroRole::Target => self.asker,
        }
    }
}
