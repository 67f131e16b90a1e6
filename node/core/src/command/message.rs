//! What users see of messages.

use symbolon_presence::id::{MessageId, PeerId, RoomId};
use symbolon_presence::time::Timestamp;

/// A message.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageView {
    /// The message.
    pub message: MessageId,
    /// The conversation.
    pub conversation: RoomId,
    /// The conversation's name: the friend's petname.
    pub conversation_name: String,
    /// Who wrote it.
    pub from: PeerId,
    /// The writer's petname, or our own name.
    pub from_name: String,
    /// The text.
    pub text: String,
    /// When it was written, by the writer's clock.
    pub at: Timestamp,
    /// How far it got.
    pub state: MessageState,
    /// Why it failed, if it did.
    pub reason: Option<&'static str>,
    /// Whether we wrote it.
    pub mine: bool,
    /// Whether it says what has happened in a room, and was written by nobody.
    pub is_line: bool,
    /// Of a text of ours in a room: how many people have it, how many have read it, and how many there are.
    pub tally: Option<Tally>,
}

/// What is being written in one conversation and was not sent.
#[derive(Clone, PartialEq, Eq)]
pub struct DraftView {
    /// The friend or the room, by its id.
    pub to: String,
    /// What stands there.
    pub text: String,
}

/// How many people have a text of ours in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Who have it on a device.
    pub delivered: u32,
    /// Who have read it.
    pub read: u32,
    /// Who were in the room when it was written, without us.
    pub members: u32,
}

/// How far a message got. Never says more than is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum MessageState {
    /// Durable here.
    #[n(0)]
    Queued,
    /// A mailbox outside this node has signed for it.
    #[n(1)]
    Stored,
    /// On the disk of one of the friend's devices. For a message of somebody else: on ours.
    #[n(2)]
    Delivered,
    /// Read.
    #[n(3)]
    Read,
    /// Given up, with a reason.
    #[n(4)]
    Failed,
}
