//! What rooms carry. The protocol page is `docs/protocol/rooms.md`.

use super::bounds::{PAYLOAD_MAX, is_text};
use super::bundle::{Bundle, Whereabouts};
use super::capabilities::Capabilities;
use super::contact::Contact;
use super::gone::Gone;
use super::group::{Befriend, Leave, Ways, WelcomeBundle};
use super::introduction::{Consent, IntroCard, Introduction};
use super::own::OwnSaid;
use super::piece::{Piece, WHOLE_MAX};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::device_list::{DeviceList, LIST_MAX};
use symbolon_presence::id::{Digest, EpochId, MessageId, RoomId};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::HASH_RANK;
use symbolon_presence::seeds::Seed;
use symbolon_presence::time::Timestamp;
use symbolon_relay::limits::RECEIPT_MAX;
use symbolon_relay::put::ReceiptItem;

/// The payload of a known envelope.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Known {
    /// The room.
    #[n(0)]
    pub room: RoomId,
    /// The epoch of `mls`.
    #[n(1)]
    pub epoch: EpochId,
    /// Position among this device's frames that must be opened in order; absent for those
    /// that may be lost.
    #[n(2)]
    pub sequence: Option<u64>,
    /// An MLS message, or a part of one.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub mls: Vec<u8>,
    /// Which part; absent for a message that fits.
    #[n(4)]
    pub piece: Option<Piece>,
}

impl Known {
    /// Reads a payload.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes, PAYLOAD_MAX).ok()
    }

    /// Whether what it says of its piece can be: one that cannot is refused in its place, so that it holds up none.
    pub fn is_bounded(&self) -> bool {
        self.piece.is_none_or(|piece| self.sequence.is_some() && piece.is_bounded(self.mls.len()))
    }
}

/// What an application message in a room says.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum RoomPayload {
    /// Something to read.
    #[n(0)]
    Text(#[n(0)] Text),
    /// A friendship bundle.
    #[n(1)]
    Bundle(#[n(0)] Bundle),
    /// The sender's device is here, and this is where.
    #[n(2)]
    Hello(#[n(0)] Whereabouts),
    /// The sender has read the hearer's messages up to this one.
    #[n(3)]
    Read(#[n(0)] MessageId),
    /// A frame is missing: put again what is not acknowledged.
    #[n(4)]
    Again,
    /// Stands where a text was that its sender gave up.
    #[n(5)]
    Skip,
    /// What became of envelopes that came by way of a relay; at most [`RECEIPT_MAX`].
    #[n(6)]
    Receipts(#[n(0)] Vec<ReceiptItem>),
    /// The sender introduces the hearer to somebody.
    #[n(7)]
    Introduce(#[n(0)] Introduction),
    /// The hearer's introduction is welcome.
    #[n(8)]
    Consent(#[n(0)] Consent),
    /// Both have agreed: how the hearer reaches the other one.
    #[n(9)]
    IntroCard(#[n(0)] IntroCard),
    /// The sender's device's newest seed for the hearer's devices.
    #[n(10)]
    Seed(#[n(0)] Seed),
    /// What the sender's device takes besides what every build of this version does.
    #[n(11)]
    Capabilities(#[n(0)] Capabilities),
    /// How the hearer writes to the sender's device when nothing else works.
    #[n(12)]
    Lifeline(#[n(0)] Contact),
    /// The sender brings the hearer into a shared room.
    #[n(13)]
    Welcome(#[n(0)] Box<WelcomeBundle>),
    /// The sender leaves a shared room.
    #[n(14)]
    Leave(#[n(0)] Leave),
    /// How members of a shared room who are no friends of the sender write to the sender's device.
    #[n(15)]
    Ways(#[n(0)] Box<Ways>),
    /// A member of a shared room asks the hearer for friendship.
    #[n(16)]
    Befriend(#[n(0)] Box<Befriend>),
    /// Another device of the sender's person asks the hearer for a friendship of its own.
    #[n(24)]
    Sibling(#[n(0)] Box<Befriend>),
    /// Between devices of one person.
    #[n(25)]
    Own(#[n(0)] Box<OwnSaid>),
    /// A device of the sender's person is theirs no more.
    #[n(26)]
    Gone(#[n(0)] Box<Gone>),
    /// Which devices the sender's person has, by their second root key.
    #[n(27)]
    DeviceList(#[n(0)] Box<DeviceList>),
}

/// Makes the bits of [`Capabilities`], and what this build takes of them: all.
macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)+) => {
        impl Capabilities {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)+
            /// What this build takes.
            pub const OURS: Self = Self(0 $(| 1 << $bit)+);
        }
    };
}

// A frame that older builds do not understand takes the next one, and is said only to devices that have it.
capabilities! {
    /// Commits in a friendship's room.
    COMMITS = 0;
    /// Room messages in pieces.
    PIECES = 1;
    /// Lifelines.
    LIFELINES = 2;
    /// Rooms of several people: packages, Welcomes, and a Fetch on a link.
    ROOMS = 3;
    /// Carrying envelopes for friends.
    CARRYING = 4;
    /// Requests for friendship that members of a shared room say to each other.
    BEFRIENDING = 5;
    /// Rooms at which people knock, and who come in by vouchers.
    VOUCHING = 7;
    /// Several devices of one person.
    DEVICES = 8;
    /// Lists of a person's devices.
    LISTS = 9;
    /// What devices of one person say to each other about shared rooms.
    OWN_ROOMS = 10;
    /// What is being written at another device of one person.
    DRAFTS = 11;
}

/// Of two commits that were made in one epoch, the one with the lower rank stands. The committers share the epoch, so both
/// know its number (RFC 9420, section 8), and neither chose the position of their leaf.
pub fn commit_rank(room: &RoomId, epoch: u64, leaf: u32) -> Digest {
    hash(HASH_RANK, &[room.as_bytes(), &epoch.to_be_bytes(), &leaf.to_be_bytes()])
}

impl RoomPayload {
    /// Reads a payload and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let payload: Self = codec::decode(bytes, WHOLE_MAX).ok()?;
        let is_short = bytes.len() <= PAYLOAD_MAX || matches!(payload, Self::Welcome(_));
        let bounded = match &payload {
            Self::Text(text) => is_text(&text.text),
            Self::Bundle(bundle) => bundle.is_bounded(),
            Self::Hello(whereabouts) => whereabouts.is_bounded(),
            Self::Receipts(items) => items.len() <= RECEIPT_MAX,
            Self::Introduce(introduction) => introduction.is_bounded(),
            Self::Consent(consent) => consent.is_bounded(),
            Self::IntroCard(card) => card.is_bounded(),
            Self::Lifeline(contact) => contact.is_bounded() && contact.chain.is_none() && !contact.last_resort,
            Self::Read(_) | Self::Again | Self::Skip | Self::Seed(_) | Self::Capabilities(_) | Self::Leave(_) => true,
            Self::Welcome(bundle) => bundle.is_bounded(),
            Self::Ways(ways) => ways.is_bounded(),
            Self::Befriend(befriend) | Self::Sibling(befriend) => befriend.is_bounded(),
            Self::Own(said) => said.is_bounded(),
            Self::Gone(_) => true,
            Self::DeviceList(list) => list.body.len() <= LIST_MAX,
        };
        (is_short && bounded).then_some(payload)
    }

    /// What it is in a shared room; `None` for what belongs in a friendship's room alone.
    pub fn of_member(self) -> Option<MemberPayload> {
        match self {
            Self::Text(text) => Some(MemberPayload::Text(text)),
            Self::Read(message) => Some(MemberPayload::Read(message)),
            Self::Again => Some(MemberPayload::Again),
            Self::Skip => Some(MemberPayload::Skip),
            Self::Receipts(items) => Some(MemberPayload::Receipts(items)),
            Self::Leave(leave) => Some(MemberPayload::Leave(leave)),
            Self::Ways(ways) => Some(MemberPayload::Ways(ways)),
            Self::Befriend(befriend) => Some(MemberPayload::Befriend(befriend)),
            Self::Bundle(_) | Self::Hello(_) | Self::Introduce(_) | Self::Consent(_) | Self::IntroCard(_) | Self::Seed(_) => None,
            Self::Capabilities(_) | Self::Lifeline(_) | Self::Welcome(_) => None,
            Self::Sibling(_) | Self::Own(_) | Self::Gone(_) | Self::DeviceList(_) => None,
        }
    }
}

/// What members of a shared room say to each other.
pub enum MemberPayload {
    /// [`RoomPayload::Text`].
    Text(Text),
    /// [`RoomPayload::Read`].
    Read(MessageId),
    /// [`RoomPayload::Again`].
    Again,
    /// [`RoomPayload::Skip`].
    Skip,
    /// [`RoomPayload::Receipts`].
    Receipts(Vec<ReceiptItem>),
    /// [`RoomPayload::Leave`].
    Leave(Leave),
    /// [`RoomPayload::Ways`].
    Ways(Box<Ways>),
    /// [`RoomPayload::Befriend`].
    Befriend(Box<Befriend>),
}

/// A message for people.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Text {
    /// Its id; the same however often it is sealed.
    #[n(0)]
    pub id: MessageId,
    /// When written, by the writer's clock.
    #[n(1)]
    pub at: Timestamp,
    /// The text.
    #[n(2)]
    pub text: String,
}
