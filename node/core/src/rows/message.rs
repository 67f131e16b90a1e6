//! Messages, and why something failed.

use crate::command::MessageState;
use crate::seam::Event;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::wire::Role;
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
    /// What has happened in a shared room, in the place of a text: `from` did it.
    #[n(6)]
    pub line: Option<Line>,
    /// The device of ours that has handed it on.
    #[n(7)]
    pub via: Option<PeerId>,
}

/// What has happened in a shared room.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Line {
    /// It was made.
    #[n(0)]
    Created,
    /// Somebody has come in.
    #[n(1)]
    Came(#[n(0)] PeerId),
    /// Somebody was removed.
    #[n(2)]
    Removed(#[n(0)] PeerId),
    /// Somebody has left.
    #[n(3)]
    Left(#[n(0)] PeerId),
    /// It has another name.
    #[n(4)]
    Named(#[n(0)] String),
    /// It has another topic; empty for none.
    #[n(5)]
    Topic(#[n(0)] String),
    /// Somebody has another role.
    #[n(6)]
    Role(#[n(0)] PeerId, #[n(1)] Role),
    /// Parts of the room had gone different ways, and are one again.
    #[n(7)]
    Healed,
    /// Somebody uses another device.
    #[n(8)]
    Devices,
    /// Somebody is in it now of whom we want nothing.
    #[n(9)]
    Parted(#[n(0)] PeerId),
    /// A device of theirs has made two commits of one epoch.
    #[n(10)]
    Doubled,
}

fn name_of(role: Role) -> &'static str {
    match role {
        Role::Member => "a member",
        Role::Admin => "an admin",
        Role::Owner => "an owner",
    }
}

impl Line {
    /// A sentence for people. `called` says how somebody is called here.
    pub fn text(&self, by: &PeerId, me: &PeerId, called: impl Fn(&PeerId) -> String) -> String {
        let who = |peer: &PeerId| if peer == me { "you".to_owned() } else { called(peer) };
        let maker = if by == me { "You".to_owned() } else { called(by) };
        match self {
            Self::Created => format!("{maker} made the room"),
            Self::Came(peer) => format!("{maker} added {}", who(peer)),
            Self::Removed(peer) => format!("{maker} removed {}", who(peer)),
            Self::Left(peer) if peer == me => "You left the room".to_owned(),
            Self::Left(peer) => format!("{} left the room", called(peer)),
            Self::Named(name) => format!("{maker} named the room \"{name}\""),
            Self::Topic(topic) if topic.is_empty() => format!("{maker} took the topic away"),
            Self::Topic(topic) => format!("{maker} set the topic to \"{topic}\""),
            Self::Role(peer, role) => {
                let (is, role) = (if peer == me { "are" } else { "is" }, name_of(*role));
                format!("{} {is} {role} now", if peer == me { "You".to_owned() } else { called(peer) })
            }
            Self::Healed => "Parts of the room had gone different ways, and are one again".to_owned(),
            Self::Parted(peer) => format!(
                "{} is in the room now, whom you have blocked or with whom your friendship has ended. What they write is not \
                 shown to you. To be in no room with them: room leave",
                called(peer)
            ),
            Self::Devices => format!("{maker} changed which devices are in the room"),
            Self::Doubled => {
                format!("{maker} has changed the room in two ways at once: a device of theirs is faulty, or somebody else uses it")
            }
        }
    }
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

/// In which conversation a message with this arrival number lies, if it is there still. A row stands for all that have arrived in
/// the same conversation one after the other, from its number on.
pub(crate) fn conversation_of(turn: &Turn<'_>, arrival: u64) -> Result<Option<RoomId>, TurnFailed> {
    let row = turn.last_below(Table::Arrival, &arrival.saturating_add(1).to_be_bytes())?;
    Ok(row.and_then(|conversation| RoomId::from_slice(&conversation)))
}

/// The key of a message in [`Table::Message`]. Its id names its arrival number; in rows of older builds, the whole key.
pub(crate) fn key_of_message(turn: &Turn<'_>, id: &MessageId) -> Result<Option<Vec<u8>>, TurnFailed> {
    let Some(row) = turn.get(Table::MessageIndex, id.as_bytes())? else { return Ok(None) };
    let Ok(arrival) = row.as_slice().try_into().map(u64::from_be_bytes) else { return Ok(Some(row)) };
    Ok(conversation_of(turn, arrival)?.map(|conversation| message_key(&conversation, arrival)))
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

/// Why a request or message cannot proceed.
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
    #[n(11)]
    OtherMembers,
    #[n(12)]
    NotInRoom,
}

impl Fault {
    /// A sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::InviteUsed => "the invite was already used by somebody else, or taken back",
            Self::InviteExpired => "the invite has expired",
            Self::Refused => "the other device refused it",
            Self::Blocked => "the friend is blocked",
            Self::Ended => "the friendship ended before it was delivered",
            Self::InviteNotFound => {
                "the invite cannot be read now: its maker and their relays are out of reach, or it was used or taken back. \
                 It is tried again until it expires; if that lasts, ask for a new one"
            }
            Self::InviteGone => {
                "this invite was used, by you or somebody else, or taken back: the node of its maker does not have it any more. \
                 Ask for a new one; this one is tried again until it expires"
            }
            Self::InviteForged => {
                "what lies in the place of the invite is not its maker's: somebody else who had the link has spoiled it. \
                 It is tried again; ask for a new one, by a way that nobody else reads"
            }
            Self::InviteUntimely => "by this machine's clock the invite is still to be made: check the clock, here and at its maker's",
            Self::Expired => "it was not delivered in the time it was given; a copy that lies at a relay may still arrive",
            Self::NotInRoom => "you were removed from the room before all had it",
            Self::OtherMembers => "others have come into the room since it was written, and would read it: write it again if they may",
            Self::Older => "it was made with an older version of Symbolon: who asked has to ask again, by a new invite",
        }
    }
}

/// Counters that must not run backwards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Counters {
    /// The number of the next message to arrive, over all conversations. In the row, the first one that is not taken yet.
    #[n(0)]
    pub arrival: u64,
    /// Messages with a lower number are in the index of words.
    #[n(1)]
    pub indexed: u64,
    /// How they were put into words ([`INDEXING`]); none of builds that put them in as they are.
    #[n(2)]
    pub indexing: Option<u32>,
}

/// How texts are put into words. An index made in another way is emptied at the start, and made again: a text is found, and is taken
/// out, only in the form in which it went in.
pub(crate) const INDEXING: u32 = 1;
