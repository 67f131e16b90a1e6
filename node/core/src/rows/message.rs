//! Messages, and why something failed.

use crate::command::MessageState;
use minicbor::{Decode, Encode};
use symbolon_presence::id::{MessageId, PeerId, RoomId};
use symbolon_presence::time::Timestamp;

/// A message of a conversation, as stored.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Message {
    #[n(0)]
    pub id: MessageId,
    #[n(1)]
    pub from: PeerId,
    #[n(2)]
    pub at: Timestamp,
    #[n(3)]
    pub state: MessageState,
    #[n(4)]
    pub text: String,
    #[n(5)]
    pub fault: Option<Fault>,
}

/// The key of a message: conversation, then arrival number.
pub(crate) fn message_key(conversation: &RoomId, arrival: u64) -> Vec<u8> {
    [conversation.as_bytes().as_slice(), &arrival.to_be_bytes()].concat()
}

/// Why a request or message cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Fault {
    #[n(0)]
    InviteUsed,
    #[n(1)]
    InviteExpired,
    #[n(2)]
    Refused,
    #[n(3)]
    Blocked,
    #[n(4)]
    Ended,
    #[n(5)]
    Expired,
}

impl Fault {
    /// A sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::InviteUsed => "the invite was already used by somebody else",
            Self::InviteExpired => "the invite has expired",
            Self::Refused => "the other device refused it",
            Self::Blocked => "the friend is blocked",
            Self::Ended => "the friendship ended before it was delivered",
            Self::Expired => "it was not delivered in the time it was given",
        }
    }
}
