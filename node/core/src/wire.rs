//! What travels inside envelopes: the three messages of a connection, and what rooms carry.
//!
//! Every type is bounded by its `is_bounded` (called right after decoding) and by the
//! envelope's size. The protocol page is `docs/protocol/connection.md`.

use crate::limits::{DEPOTS_MAX, DEVICES_MAX, NAME_MAX, NOTE_MAX, OFFER_MAX, TEXT_MAX};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{DeviceId, Digest, EpochId, MessageId, Nonce, PeerId, PublicKeyBytes, RequestId, RoomId, SignatureBytes};
use symbolon_presence::identity::{Chain, ChainError, Device, Identity, pair_context};
use symbolon_presence::kdf::{Secret, derive, hash};
use symbolon_presence::labels::{
    HASH_ACCEPT, HASH_CONTEXT, HASH_HEAD, HASH_OFFER, HASH_PACKAGE, KEY_CONNECTION_PSK, Label, SIGN_ACCEPT, SIGN_CONFIRM, SIGN_LEAF,
    SIGN_OFFER, SIGN_STANDING,
};
use symbolon_presence::seal::DhPublic;
use symbolon_presence::sign::{SigningKey, VerifyingKey};
use symbolon_presence::time::Timestamp;
use symbolon_relay::limits::RECEIPT_MAX;
use symbolon_relay::put::{MailboxEntry, ReceiptItem};

mod introduction;
mod presence;
mod standing;

pub use introduction::{Consent, INTRODUCTION_LIFETIME, IntroCard, Introduced, Introduction, IntroductionBody, VerifiedIntroduction};
pub use presence::{Labels, PresenceBody, PresenceKeys, SignedPresence};
pub use standing::{Heard, Renews, RoomStanding, Standing, True, direct_package, is_start_of, sign_start};

/// The longest payload inside an envelope, in bytes.
pub const PAYLOAD_MAX: usize = 256 * 1024;

/// How one device can be written to by somebody whom it does not know yet: in contact
/// records and invites, and as reply address in Offer and Accept.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Contact {
    /// The device's certificate; absent when it is the device that signs what surrounds this.
    #[n(0)]
    pub chain: Option<Chain>,
    /// HPKE public key that envelopes are sealed to.
    #[n(1)]
    pub package: PublicKeyBytes,
    /// Until when.
    #[n(2)]
    pub expires: Timestamp,
    /// Whether others may hold the same package.
    #[n(3)]
    pub last_resort: bool,
    /// The mailbox and where it is.
    #[n(4)]
    pub entry: MailboxEntry,
    /// The put key of the sealed address.
    #[n(5)]
    pub key: Secret,
    /// The device's mailboxes at relays, for when it is not there; at most [`DEPOTS_MAX`].
    #[n(6)]
    pub depots: Vec<Depot>,
}

/// A mailbox of a device at a relay, and what gives the right to write there.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Depot {
    /// The mailbox, the relay's receipt key, and where the relay is.
    #[n(0)]
    pub entry: MailboxEntry,
    /// The put key of the sealed address.
    #[n(1)]
    pub key: Secret,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact(..)")
    }
}

impl Contact {
    /// Hash of the package, bound into every statement sealed to it.
    pub fn digest(&self, device: &DeviceId) -> Digest {
        package_digest(&self.package, self.expires, self.last_resort, device)
    }

    /// Whether every part is within its bounds and the package is a key that may be sealed to.
    pub fn is_bounded(&self) -> bool {
        self.entry.is_bounded()
            && DhPublic::parse(&self.package).is_ok()
            && self.depots.len() <= DEPOTS_MAX
            && self.depots.iter().all(|depot| depot.entry.is_bounded())
    }
}

/// Hash of a contact package of a device.
pub fn package_digest(package: &PublicKeyBytes, expires: Timestamp, last_resort: bool, device: &DeviceId) -> Digest {
    hash(HASH_PACKAGE, &[package.as_bytes(), &expires.0.to_be_bytes(), &[u8::from(last_resort)], device.as_bytes()])
}

/// Which of the three messages a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Step {
    /// A asks B.
    #[n(0)]
    Offer,
    /// B agrees.
    #[n(1)]
    Accept,
    /// A completes.
    #[n(2)]
    Confirm,
    /// Between friends: how the sender stands with the receiver.
    #[n(3)]
    Standing,
}

impl Step {
    fn label(self) -> Label {
        match self {
            Self::Offer => SIGN_OFFER,
            Self::Accept => SIGN_ACCEPT,
            Self::Confirm => SIGN_CONFIRM,
            Self::Standing => SIGN_STANDING,
        }
    }
}

/// What is signed: one step of a connection, to one device, under one package, behind one transcript.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Statement {
    /// Which step.
    #[n(0)]
    pub step: Step,
    /// To whom.
    #[n(1)]
    pub to: PeerId,
    /// To which device.
    #[n(2)]
    pub device: DeviceId,
    /// [`Contact::digest`] of the package it is sealed to.
    #[n(3)]
    pub package: Digest,
    /// The transcript so far; all zeros before the Offer.
    #[n(4)]
    pub transcript: Digest,
    /// The step's body in its encoding.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

/// The payload of a first envelope.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct First {
    /// The sender's certificate.
    #[n(0)]
    pub chain: Chain,
    /// A [`Statement`] in its encoding.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub statement: Vec<u8>,
    /// The sending device's signature; its context names both people.
    #[n(2)]
    pub signature: SignatureBytes,
}

impl First {
    /// Signs a statement.
    pub fn sign(me: &Identity, statement: &Statement) -> Self {
        let bytes = codec::encode(statement);
        let signature = me.signing.sign(statement.step.label(), &pair_context(&me.peer(), &statement.to), &bytes);
        Self { chain: me.chain.clone(), statement: bytes, signature }
    }

    /// Verifies certificate and signature over the bytes as received, as spoken to `me`.
    pub fn verify(&self, me: &PeerId, now: Timestamp) -> Option<(Device, Statement)> {
        let device = self.chain.verify(now).ok()?;
        let statement: Statement = codec::decode(&self.statement, PAYLOAD_MAX).ok()?;
        device.signing.verify(statement.step.label(), &pair_context(&device.peer, me), &self.statement, &self.signature).ok()?;
        (statement.to == *me).then_some((device, statement))
    }
}

/// The body of an Offer; the same bytes for every device it goes to. What is agreed to are
/// its terms: all of it but `revision` and `replies`, which only say where to answer.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OfferBody {
    /// The request; the same in all revisions.
    #[n(0)]
    pub request: RequestId,
    /// Rises when the Offer is made anew; the highest says where to answer.
    #[n(1)]
    pub revision: u32,
    /// The initiator's name.
    #[n(2)]
    pub name: String,
    /// A line from the initiator.
    #[n(3)]
    pub note: Option<String>,
    /// A reply address for each device of the initiator; the first is the sender's.
    #[n(4)]
    pub replies: Vec<Contact>,
    /// Fresh.
    #[n(5)]
    pub nonce: Nonce,
    /// GroupInfo with tree of a new room that holds the initiator's devices.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub group_info: Vec<u8>,
    /// When made.
    #[n(7)]
    pub created: Timestamp,
    /// Until when it can be accepted.
    #[n(8)]
    pub expires: Timestamp,
    /// The friendship whose room it makes again; absent when it asks for friendship.
    #[n(9)]
    pub renews: Option<Renews>,
}

impl OfferBody {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        codec::encode(self).len() <= OFFER_MAX
            && is_name(&self.name)
            && self.note.as_deref().is_none_or(is_note)
            && !self.replies.is_empty()
            && self.replies.len() <= DEVICES_MAX
            && self.replies.iter().all(Contact::is_bounded)
            && self.replies.first().is_some_and(|contact| contact.chain.is_none())
            && self.renews.as_ref().is_none_or(Renews::is_bounded)
    }

    /// The transcript after this Offer: over its terms, so that an answer to one revision is
    /// as good as one to another that changed nothing but addresses.
    pub fn transcript(&self, initiator: &PeerId, responder: &PeerId) -> Digest {
        let terms = Self { revision: 0, replies: Vec::new(), ..self.clone() };
        hash(HASH_OFFER, &[initiator.as_bytes(), responder.as_bytes(), &codec::encode(&terms)])
    }
}

/// The part of an Accept from which the pre-shared key comes.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AcceptHead {
    /// The Offer's request.
    #[n(0)]
    pub request: RequestId,
    /// Fresh.
    #[n(1)]
    pub nonce: Nonce,
    /// The acceptor's name.
    #[n(2)]
    pub name: String,
    /// The accepting device's reply address.
    #[n(3)]
    pub reply: Contact,
    /// The epoch that the external commit enters from.
    #[n(4)]
    pub epoch: EpochId,
    /// The connection room with the initiator that the acceptor leaves for this one, if it
    /// was in one. Tells an Accept that follows a friendship from one that came late.
    #[n(5)]
    pub leaves: Option<RoomId>,
    /// In answer to one that renews: how many texts of the initiator's are held here that the Offer
    /// does not know of.
    #[n(6)]
    pub lacks: Option<u32>,
}

/// The body of an Accept.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AcceptBody {
    /// An [`AcceptHead`] in its encoding.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub head: Vec<u8>,
    /// External commit into the Offer's room, with the pre-shared key of [`connection_psk`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub commit: Vec<u8>,
    /// The acceptor's [`Bundle`] as the first message of the new epoch.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub bundle: Vec<u8>,
}

impl AcceptBody {
    /// The transcript after this Accept, in its encoding `body`.
    pub fn transcript(offer: &Digest, body: &[u8], acceptor: &DeviceId) -> Digest {
        hash(HASH_ACCEPT, &[offer.as_bytes(), acceptor.as_bytes(), body])
    }
}

/// Identifier and secret of the pre-shared key that binds the room to the transcript.
pub fn connection_psk(offer: &Digest, head: &[u8], acceptor: &Chain) -> ([u8; 32], Secret) {
    let id = hash(HASH_HEAD, &[offer.as_bytes(), head, &codec::encode(acceptor)]);
    let secret = derive(id.as_bytes(), KEY_CONNECTION_PSK, &[]);
    (id.0, secret)
}

/// The body of a Confirm.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ConfirmBody {
    /// The Offer's request.
    #[n(0)]
    pub request: RequestId,
    /// The initiator's [`Bundle`], sealed in the room. Absent for a device whose Accept came
    /// second: its sibling is in the room already.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bundle: Option<Vec<u8>>,
}

/// What friends give each other.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Bundle {
    /// Own name.
    #[n(0)]
    pub name: String,
    /// Hash of the second root key.
    #[n(1)]
    pub second_root: Digest,
    /// The current friendship secret.
    #[n(2)]
    pub friendship: FriendshipSecret,
    /// Each device with its mailbox.
    #[n(3)]
    pub devices: Vec<BundleDevice>,
    /// How the sender's presence is read; absent when the sender can give it to nobody more.
    #[n(4)]
    pub presence: Option<PresenceKeys>,
}

/// One device in a bundle.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BundleDevice {
    /// Its certificate.
    #[n(0)]
    pub chain: Chain,
    /// Its own mailbox, with an address for friends.
    #[n(1)]
    pub entry: MailboxEntry,
    /// Its mailboxes at relays, each with an address for friends; at most [`DEPOTS_MAX`].
    #[n(2)]
    pub depots: Vec<MailboxEntry>,
}

/// Where a device can be written to, as it tells its friends.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Whereabouts {
    /// Its own mailbox and where it is.
    #[n(0)]
    pub entry: MailboxEntry,
    /// Its mailboxes at relays; at most [`DEPOTS_MAX`].
    #[n(1)]
    pub depots: Vec<MailboxEntry>,
}

impl Whereabouts {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        self.entry.is_bounded() && are_bounded(&self.depots)
    }
}

fn are_bounded(depots: &[MailboxEntry]) -> bool {
    depots.len() <= DEPOTS_MAX && depots.iter().all(MailboxEntry::is_bounded)
}

impl Bundle {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        is_name(&self.name)
            && !self.devices.is_empty()
            && self.devices.len() <= DEVICES_MAX
            && self.devices.iter().all(|device| device.entry.is_bounded() && are_bounded(&device.depots))
            && self.presence.as_ref().is_none_or(PresenceKeys::is_bounded)
    }
}

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
    /// An MLS message.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub mls: Vec<u8>,
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
}

impl RoomPayload {
    /// Reads a payload and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let payload: Self = codec::decode(bytes, PAYLOAD_MAX).ok()?;
        let bounded = match &payload {
            Self::Text(text) => is_text(&text.text),
            Self::Bundle(bundle) => bundle.is_bounded(),
            Self::Hello(whereabouts) => whereabouts.is_bounded(),
            Self::Receipts(items) => items.len() <= RECEIPT_MAX,
            Self::Introduce(introduction) => introduction.is_bounded(),
            Self::Consent(consent) => consent.is_bounded(),
            Self::IntroCard(card) => card.is_bounded(),
            Self::Read(_) | Self::Again | Self::Skip => true,
        };
        bounded.then_some(payload)
    }
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

/// What a leaf's credential says: this leaf is a device of somebody.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LeafCredential {
    /// The device's certificate.
    #[n(0)]
    pub chain: Chain,
    /// The device's signature over the leaf key; its context is the room.
    #[n(1)]
    pub signature: SignatureBytes,
}

impl LeafCredential {
    /// Certifies a leaf of ours.
    pub fn sign(chain: &Chain, key: &SigningKey, room: &RoomId, leaf: &[u8; 32]) -> Vec<u8> {
        let signature = key.sign(SIGN_LEAF, &leaf_context(room), leaf);
        codec::encode(&Self { chain: chain.clone(), signature })
    }

    /// The device that a credential proves for a leaf of a room.
    pub fn verify(credential: &[u8], room: &RoomId, leaf: &[u8; 32], now: Timestamp) -> Option<Device> {
        Self::check(credential, room, leaf, |chain| chain.verify(now))
    }

    /// The same for somebody who is known already: see [`Chain::verify_known`].
    pub fn verify_known(credential: &[u8], room: &RoomId, leaf: &[u8; 32], sure: Timestamp) -> Option<Device> {
        Self::check(credential, room, leaf, |chain| chain.verify_known(sure))
    }

    fn check(credential: &[u8], room: &RoomId, leaf: &[u8; 32], verify: impl Fn(&Chain) -> Result<Device, ChainError>) -> Option<Device> {
        let this: Self = codec::decode(credential, 1024).ok()?;
        let device = verify(&this.chain).ok()?;
        device.signing.verify(SIGN_LEAF, &leaf_context(room), leaf, &this.signature).ok()?;
        Some(device)
    }
}

fn leaf_context(room: &RoomId) -> Digest {
    hash(HASH_CONTEXT, &[room.as_bytes()])
}

/// Whether a name may be kept: at most [`NAME_MAX`] bytes, no control characters.
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_MAX && !name.chars().any(char::is_control)
}

/// Whether a note may be kept: at most [`NOTE_MAX`] bytes, no control characters but line ends.
pub fn is_note(note: &str) -> bool {
    note.len() <= NOTE_MAX && !note.chars().any(|c| c.is_control() && c != '\n')
}

/// Whether a text may be sent or kept: 1 to [`TEXT_MAX`] bytes.
pub fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_MAX
}

/// The receipt key of a device's own mailbox is the device's signing key; this checks that an entry says so.
pub fn entry_is_of(entry: &MailboxEntry, device: &Device) -> bool {
    VerifyingKey::parse(&entry.receipt).is_ok_and(|key| key == device.signing)
}
