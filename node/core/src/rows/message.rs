//! Messages, and why something failed.

use crate::command::MessageState;
use crate::seam::Event;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
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

/// Conversation and arrival number.
pub(crate) fn split_key(key: &[u8]) -> Option<(RoomId, u64)> {
    let (conversation, arrival) = key.split_last_chunk::<8>()?;
    Some((RoomId::from_slice(conversation)?, u64::from_be_bytes(*arrival)))
}

/// Notes how far a message of ours got. Never goes back from `delivered`.
pub(crate) fn set_message_state(
    turn: &mut Turn<'_>,
    conversation: &RoomId,
    arrival: u64,
    state: MessageState,
    fault: Option<Fault>,
) -> Result<(), TurnFailed> {
    let key = message_key(conversation, arrival);
    let Some(mut message) = turn.row::<Message>(Table::Message, &key)? else { return Ok(()) };
    if matches!(message.state, MessageState::Delivered | MessageState::Read) || message.state == state {
        return Ok(());
    }
    message.state = state;
    message.fault = fault;
    turn.put(Table::Message, &key, &message);
    turn.notify(Event::MessageState { message: message.id });
    Ok(())
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
    #[n(6)]
    InviteNotFound,
    #[n(7)]
    InviteForged,
    #[n(8)]
    InviteUntimely,
    #[n(9)]
    InviteGone,
    #[n(10)]
    Older,
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
            Self::InviteNotFound => {
                "the invite cannot be read now: its maker and their relays are out of reach, or it was used or taken back. \
                 It is tried again until it expires; if that lasts, ask for a new one"
            }
            Self::InviteGone => {
                "the node of its maker does not have the invite any more: it was used, by you or somebody else, or taken back. \
                 It is tried again until it expires; ask for a new one"
            }
            Self::InviteForged => {
                "what lies in the place of the invite is not its maker's: somebody else who had the link has spoiled it. \
                 It is tried again; ask for a new one, by a way that nobody else reads"
            }
            Self::InviteUntimely => "by this machine's clock the invite is still to be made: check the clock, here and at its maker's",
            Self::Expired => "it was not delivered in the time it was given",
            Self::Older => "it was made with an older version of Symbolon: who asked has to ask again, by a new invite",
        }
    }
}

/// Counters that must not run backwards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Counters {
    /// The number of the next message to arrive, over all conversations.
    #[n(0)]
    pub arrival: u64,
    /// Messages with a lower number are in the index of words.
    #[n(1)]
    pub indexed: u64,
}
