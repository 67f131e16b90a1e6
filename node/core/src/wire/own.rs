//! What the devices of one person say to each other, and what a device says to a friend of a sibling. The protocol page is
//! `docs/protocol/devices.md`.
//!
//! Devices of one person are friends of each other under Peer IDs of their own, so all of this is said in the rooms of
//! friendships. Nothing of it is believed from anybody whose certificate is of another root.

use super::bounds::{is_name, is_text};
use super::gone::Gone;
use super::group::Befriend;
use crate::command::{MessageState, Trust};
use crate::limits::{
    DEVICES_MAX, DRAFTS_SAID, MARKS_SAID, PERSONS_SAID, RELAY_MAILBOXES_MAX, ROOMS_SAID, SETTINGS_SAID, TEXT_MAX, TEXTS_SAID,
};
use minicbor::{Decode, Encode};
use symbolon_presence::id::{Digest, MessageId, PeerId, RoomId};
use symbolon_presence::identity::Chain;
use symbolon_presence::time::Timestamp;
use symbolon_relay::link::RELAY_LINK_MAX;

/// The first device has certified one that asked by a pairing code.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JoinedBody {
    /// The certificate of the new device.
    #[n(0)]
    pub chain: Chain,
    /// Hash of the person's second root key.
    #[n(1)]
    pub second_root: Digest,
    /// The person's name.
    #[n(2)]
    pub name: String,
}

/// What one device says to another one of the same person.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum OwnSaid {
    /// How the person stands to others; at most [`PERSONS_SAID`].
    #[n(0)]
    Persons(#[n(0)] Vec<PersonSaid>),
    /// Texts, in the order in which they arrived; at most [`TEXTS_SAID`].
    #[n(1)]
    Texts(#[n(0)] Vec<TextSaid>),
    /// Hand this to a friend's device: the sender asks it for a friendship of its own.
    #[n(2)]
    Ask(#[n(0)] PeerId, #[n(1)] Box<Befriend>),
    /// A person's texts were read up to this one.
    #[n(3)]
    Read(#[n(0)] PeerId, #[n(1)] MessageId),
    /// What the sending device is called.
    #[n(4)]
    Label(#[n(0)] String),
    /// A newer certificate of the hearer.
    #[n(5)]
    Certificate(#[n(0)] Chain),
    /// How far texts of the person have got; at most [`TEXTS_SAID`].
    #[n(6)]
    States(#[n(0)] Vec<(MessageId, MessageState)>),
    /// The relays that the sender uses; at most as many as a device has.
    #[n(7)]
    Relays(#[n(0)] Vec<RelaySaid>),
    /// A device of the person was removed.
    #[n(8)]
    Gone(#[n(0)] Box<Gone>),
    /// A friend's device was shut out, by the user of the sender; others of that friend's were not.
    #[n(9)]
    Barred(#[n(0)] Chain),
    /// Shared rooms; at most [`ROOMS_SAID`].
    #[n(10)]
    Rooms(#[n(0)] Vec<RoomSaid>),
    /// Texts of shared rooms, in the order in which they arrived; at most [`TEXTS_SAID`].
    #[n(11)]
    RoomTexts(#[n(0)] Vec<RoomTextSaid>),
    /// These texts of shared rooms were read; at most [`MARKS_SAID`].
    #[n(12)]
    RoomReads(#[n(0)] Vec<MessageId>),
    /// What the user has set; at most [`SETTINGS_SAID`].
    #[n(13)]
    Settings(#[n(0)] Vec<SettingSaid>),
    /// What the user has typed and not sent; at most [`DRAFTS_SAID`].
    #[n(14)]
    Drafts(#[n(0)] Vec<DraftSaid>),
}

/// What is being written in one conversation: of two that differ the one with the higher version counts, then the one of the higher
/// Peer ID.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DraftSaid {
    /// Where.
    #[n(0)]
    pub place: DraftPlace,
    /// Rises with each change.
    #[n(1)]
    pub version: u64,
    /// The device that has made the change.
    #[n(2)]
    pub by: PeerId,
    /// What stands there; empty once it was sent or taken back.
    #[n(3)]
    pub text: String,
}

/// A conversation, as all devices of one person name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum DraftPlace {
    /// With this person.
    #[n(0)]
    Person(#[n(0)] PeerId),
    /// In this shared room.
    #[n(1)]
    Room(#[n(0)] RoomId),
}

impl DraftPlace {
    /// Its key in the store.
    pub(crate) fn key(&self) -> Vec<u8> {
        match self {
            Self::Person(person) => [&[0], person.as_bytes().as_slice()].concat(),
            Self::Room(room) => [&[1], room.as_bytes().as_slice()].concat(),
        }
    }
}

/// How something is set: of two that differ the one with the higher version counts, then the one of the higher Peer ID.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SettingSaid {
    /// What: 0 whether the user is asked for rooms, 1 whether friends are vouched for. Others are passed over.
    #[n(0)]
    pub number: u8,
    /// Rises with each change.
    #[n(1)]
    pub version: u64,
    /// The device that has made the change.
    #[n(2)]
    pub by: PeerId,
    /// Whether it is on.
    #[n(3)]
    pub is_on: bool,
}

impl OwnSaid {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Persons(persons) => persons.len() <= PERSONS_SAID && persons.iter().all(PersonSaid::is_bounded),
            Self::Texts(texts) => texts.len() <= TEXTS_SAID && texts.iter().all(|text| is_text(&text.text)),
            Self::Ask(_, befriend) => befriend.is_bounded(),
            Self::Label(label) => is_name(label),
            Self::States(states) => states.len() <= TEXTS_SAID,
            Self::Relays(relays) => relays.len() <= RELAY_MAILBOXES_MAX && relays.iter().all(RelaySaid::is_bounded),
            Self::Rooms(rooms) => rooms.len() <= ROOMS_SAID && rooms.iter().all(RoomSaid::is_bounded),
            Self::RoomTexts(texts) => texts.len() <= TEXTS_SAID && texts.iter().all(|text| is_text(&text.text)),
            Self::RoomReads(texts) => texts.len() <= MARKS_SAID,
            Self::Settings(settings) => settings.len() <= SETTINGS_SAID,
            Self::Drafts(drafts) => drafts.len() <= DRAFTS_SAID && drafts.iter().all(|draft| draft.text.len() <= TEXT_MAX),
            Self::Read(..) | Self::Certificate(_) | Self::Gone(_) | Self::Barred(_) => true,
        }
    }
}

/// How the person stands to somebody: of two that differ the one with the higher version counts, then the one of the
/// higher Peer ID.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PersonSaid {
    /// To whom; to themselves, it says the person's own name.
    #[n(0)]
    pub person: PeerId,
    /// Rises with each change.
    #[n(1)]
    pub version: u64,
    /// The device that has made the change.
    #[n(2)]
    pub by: PeerId,
    /// The petname.
    #[n(3)]
    pub petname: String,
    /// How the identity is known.
    #[n(4)]
    pub trust: Trust,
    /// Friends, or not any more.
    #[n(5)]
    pub standing: PersonStanding,
    /// Where their texts are filed.
    #[n(6)]
    pub conversation: RoomId,
    /// Their devices with which the sender is friends, by the Peer IDs of those; at most [`DEVICES_MAX`].
    #[n(7)]
    pub peers: Vec<PeerId>,
}

impl PersonSaid {
    fn is_bounded(&self) -> bool {
        is_name(&self.petname) && self.peers.len() <= DEVICES_MAX
    }
}

/// How a person stands to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PersonStanding {
    /// They are friends.
    #[n(0)]
    Friend,
    /// The friendship was ended.
    #[n(1)]
    Ended,
    /// They are blocked.
    #[n(2)]
    Blocked,
}

/// A text of a conversation with somebody.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TextSaid {
    /// With whom.
    #[n(0)]
    pub person: PeerId,
    /// Its id.
    #[n(1)]
    pub id: MessageId,
    /// When written, by the writer's clock.
    #[n(2)]
    pub at: Timestamp,
    /// Whether the devices' own person has written it.
    #[n(3)]
    pub mine: bool,
    /// How far it has got.
    #[n(4)]
    pub state: MessageState,
    /// The text.
    #[n(5)]
    pub text: String,
}

/// A shared room, as a device has it. Of two that differ in what the user has set, the one with the higher version counts, then
/// the one of the higher Peer ID.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RoomSaid {
    /// Which one.
    #[n(0)]
    pub room: RoomId,
    /// Rises with each change of what the user has set; 0 as long as they have set nothing.
    #[n(1)]
    pub version: u64,
    /// The device that has made the change.
    #[n(2)]
    pub by: PeerId,
    /// Whether it is muted.
    #[n(3)]
    pub is_muted: bool,
    /// Whether it is put away.
    #[n(4)]
    pub is_archived: bool,
    /// Its name.
    #[n(5)]
    pub name: String,
    /// How the sender stands to it.
    #[n(6)]
    pub is: RoomIs,
}

impl RoomSaid {
    fn is_bounded(&self) -> bool {
        !self.name.is_empty() && is_name(&self.name)
    }
}

/// How a device stands to a shared room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RoomIs {
    /// A member.
    #[n(0)]
    In,
    /// Its user has left.
    #[n(1)]
    Left,
    /// It was removed.
    #[n(2)]
    Removed,
    /// It never was in it, and knows it from other devices of the person.
    #[n(3)]
    Elsewhere,
}

/// A text of a shared room.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RoomTextSaid {
    /// In which one.
    #[n(0)]
    pub room: RoomId,
    /// Its id.
    #[n(1)]
    pub id: MessageId,
    /// When written, by the writer's clock.
    #[n(2)]
    pub at: Timestamp,
    /// The person who has written it.
    #[n(3)]
    pub from: PeerId,
    /// How far it has got.
    #[n(4)]
    pub state: MessageState,
    /// The text.
    #[n(5)]
    pub text: String,
}

/// A relay that a device uses.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelaySaid {
    /// Its link.
    #[n(0)]
    pub link: String,
    /// What shows a relay that serves its owner alone that a device is the owner's.
    #[n(1)]
    pub claim: Option<String>,
}

/// Longest claim code, in bytes of text.
const CLAIM_MAX: usize = 32;

impl RelaySaid {
    fn is_bounded(&self) -> bool {
        self.link.len() <= RELAY_LINK_MAX && self.claim.as_ref().is_none_or(|claim| claim.len() <= CLAIM_MAX)
    }
}

macro_rules! opaque_debug {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
opaque_debug!(DraftSaid JoinedBody OwnSaid PersonSaid RelaySaid RoomSaid RoomTextSaid TextSaid);
