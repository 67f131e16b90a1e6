//! What a shared room's commits and Welcomes carry beside MLS. The protocol page is `docs/protocol/rooms.md`.
//!
//! The tree of a room shows pseudonyms. Who its members are, what a commit changes and how members write to each other is
//! said to members alone: under keys of an epoch, or in the envelope of who is added.

use super::bounds::{is_name, is_note, is_topic};
use super::capabilities::Capabilities;
use super::contact::RelayMailbox;
use super::gone::Gone;
use super::leaf::LeafOwner;
use super::piece::WHOLE_MAX;
use super::roster::{Role, Roster};
use super::vouching::{KnockSecret, Knocks, Vouch};
use crate::limits::{CONTACT_RECORD_MAX, MEMBERS_MAX, RELAY_MAILBOXES_MAX};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::device_list::{DeviceList, LIST_MAX};
use symbolon_presence::id::{Digest, PeerId, PublicKeyBytes, RoomId, SignatureBytes};
use symbolon_presence::identity::{Chain, Device, Identity};
use symbolon_presence::kdf::{Secret, hash};
use symbolon_presence::labels::{HASH_CONTEXT, HASH_WELCOME, SEAL_ATTRIBUTION, SEAL_COMMIT, SEAL_ROSTER, SIGN_LEAVE, SIGN_WELCOME};
use symbolon_presence::seal::{NONCE, aead_open_random, aead_seal_random};
use symbolon_presence::seeds::Seed;
use symbolon_presence::time::Timestamp;

/// The longest commit info, in bytes: 256 seats.
pub const COMMIT_INFO_MAX: usize = 1024 * 1024;

/// How members who are no friends of a device write to it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ways {
    /// The name that the person gives themselves; empty when it was not said yet.
    #[n(0)]
    pub name: String,
    /// The device's own mailbox, with an address for this room and no places.
    #[n(1)]
    pub own: RelayMailbox,
    /// Its mailboxes at relays, with addresses for this room; at most [`RELAY_MAILBOXES_MAX`].
    #[n(2)]
    pub relay_mailboxes: Vec<RelayMailbox>,
    /// The seed under which they seal envelopes to it.
    #[n(3)]
    pub seed: Seed,
    /// What its build takes.
    #[n(4)]
    pub capabilities: Capabilities,
}

impl Ways {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        is_name(&self.name)
            && self.relay_mailboxes.len() <= RELAY_MAILBOXES_MAX
            && self.relay_mailboxes.iter().chain([&self.own]).all(|mailbox| mailbox.entry.is_bounded())
    }
}

/// A member asks another one for friendship. Said to that one alone.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Befriend {
    /// A contact record of who asks: a way in for this member, once.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub contact: Vec<u8>,
    /// A line to go with it.
    #[n(1)]
    pub note: Option<String>,
    /// Of a further device of a friend's person: the list that names it, if there is one.
    #[n(2)]
    pub list: Option<Box<DeviceList>>,
}

impl Befriend {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        let is_list = self.list.as_ref().is_none_or(|list| list.body.len() <= LIST_MAX);
        self.contact.len() <= CONTACT_RECORD_MAX && self.note.as_deref().is_none_or(is_note) && is_list
    }
}

/// A member's leaf: whose it is, and how the member is written to.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Seat {
    /// Whose the leaf is; with the certificate.
    #[n(0)]
    pub owner: LeafOwner,
    /// How to write to its device.
    #[n(1)]
    pub ways: Ways,
}

impl Seat {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        self.owner.chain.is_some() && self.ways.is_bounded()
    }
}

/// A member leaves. In MLS nobody removes themselves: another member commits it, and shows this to all.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Leave {
    /// A leaf of the person who leaves; all of theirs go.
    #[n(0)]
    pub leaf: PublicKeyBytes,
    /// The number of the epoch that they were in when they said so.
    #[n(1)]
    pub epoch: u64,
    /// By that leaf's device.
    #[n(2)]
    pub signature: SignatureBytes,
}

impl Leave {
    /// Says that this device's user leaves.
    pub fn sign(me: &Identity, room: &RoomId, leaf: PublicKeyBytes, epoch: u64) -> Self {
        let signature = me.signing.sign(SIGN_LEAVE, &context(room, epoch), leaf.as_bytes());
        Self { leaf, epoch, signature }
    }

    /// Whether the leaf's device has signed it.
    pub fn is_by(&self, device: &Device, room: &RoomId) -> bool {
        device.signing.verify(SIGN_LEAVE, &context(room, self.epoch), self.leaf.as_bytes(), &self.signature).is_ok()
    }
}

/// One thing that a commit changes and MLS does not show.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum RoomChange {
    /// The room has another name.
    #[n(0)]
    Name(#[n(0)] String),
    /// It has another topic; empty for none.
    #[n(1)]
    Topic(#[n(0)] String),
    /// Somebody has another role.
    #[n(2)]
    Role(#[n(0)] PeerId, #[n(1)] Role),
    /// Somebody has left: whose leaves are removed for that.
    #[n(3)]
    Left(#[n(0)] Leave),
    /// People knock at the room in another way than before: who is a member now has this secret.
    #[n(4)]
    Knocks(#[n(0)] Knocks, #[n(1)] KnockSecret),
    /// One of those who come in does so by a voucher, who makes the commit.
    #[n(5)]
    Vouched(#[n(0)] Box<Vouch>),
    /// Why a device of who makes the commit is dropped: its person has removed it.
    #[n(6)]
    Gone(#[n(0)] Box<Gone>),
}

impl RoomChange {
    /// Whether it is within its bounds.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Name(name) => !name.is_empty() && is_name(name),
            Self::Topic(topic) => is_topic(topic),
            Self::Knocks(knocks, secret) => knocks.is_bounded() && !knocks.is_stale && secret.alias() == knocks.alias,
            Self::Role(..) | Self::Left(_) | Self::Vouched(_) | Self::Gone(_) => true,
        }
    }
}

/// What a commit does besides what MLS shows: its authenticated data, sealed under the credential encryption key of the
/// epoch that it is made in.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CommitInfo {
    /// Those who come in.
    #[n(0)]
    pub seats: Vec<Seat>,
    /// What is set.
    #[n(1)]
    pub changes: Vec<RoomChange>,
}

impl CommitInfo {
    /// Seals it. The room and the number of the epoch are bound to it.
    pub fn seal<R: rand_core::CryptoRng + ?Sized>(&self, key: &Secret, room: &RoomId, epoch: u64, rng: &mut R) -> Vec<u8> {
        sealed(key, SEAL_COMMIT, &context(room, epoch).0, &codec::encode(self), rng)
    }

    /// Opens it and checks its bounds.
    pub fn open(sealed: &[u8], key: &Secret, room: &RoomId, epoch: u64) -> Option<Self> {
        Self::decode(&opened(key, SEAL_COMMIT, &context(room, epoch).0, sealed, COMMIT_INFO_MAX)?)
    }

    /// Reads what was sealed and checks its bounds.
    pub fn decode(plain: &[u8]) -> Option<Self> {
        let info: Self = codec::decode(plain, COMMIT_INFO_MAX).ok()?;
        let is_bounded = info.seats.len() <= MEMBERS_MAX && info.changes.len() <= MEMBERS_MAX;
        (is_bounded && info.seats.iter().all(Seat::is_bounded) && info.changes.iter().all(RoomChange::is_bounded)).then_some(info)
    }
}

/// What the members of a room are, for who comes in: sealed under a key of the epoch that the Welcome leads to.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SeatedRoster {
    /// Its hash stands in the group context of that epoch.
    #[n(0)]
    pub roster: Roster,
    /// A seat for each leaf.
    #[n(1)]
    pub seats: Vec<Seat>,
    /// The number of the epoch (RFC 9420, section 8).
    #[n(2)]
    pub epoch: u64,
    /// What opens knocks at the room, once people may knock.
    #[n(3)]
    pub knocks: Option<KnockSecret>,
}

impl SeatedRoster {
    /// Seals it.
    pub fn seal<R: rand_core::CryptoRng + ?Sized>(&self, key: &Secret, room: &RoomId, rng: &mut R) -> Vec<u8> {
        sealed(key, SEAL_ROSTER, room.as_bytes(), &codec::encode(self), rng)
    }

    /// Opens it and checks its bounds.
    pub fn open(sealed: &[u8], key: &Secret, room: &RoomId) -> Option<Self> {
        Self::decode(&opened(key, SEAL_ROSTER, room.as_bytes(), sealed, WHOLE_MAX)?)
    }

    /// Reads what was sealed and checks its bounds.
    pub fn decode(plain: &[u8]) -> Option<Self> {
        let seated: Self = codec::decode(plain, WHOLE_MAX).ok()?;
        let is_bounded = seated.seats.len() <= MEMBERS_MAX && seated.seats.iter().all(Seat::is_bounded);
        (is_bounded && seated.roster.is_bounded()).then_some(seated)
    }
}

/// Everything by which somebody comes into a room (RFC 9420, section 12.4.3.1, and what MLS leaves to its users).
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WelcomeBundle {
    /// The room.
    #[n(0)]
    pub room: RoomId,
    /// An MLS Welcome.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub welcome: Vec<u8>,
    /// An [`SeatedRoster`], sealed.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub seated: Vec<u8>,
    /// Revision of the friendship secret of who comes in, whose attribution key seals the next.
    #[n(3)]
    pub revision: u64,
    /// A [`WelcomeAttribution`], sealed.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub attribution: Vec<u8>,
}

/// Who adds somebody: known before anything else of the bundle is looked at.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct WelcomeAttribution {
    /// The certificate of the adder's device.
    #[n(0)]
    chain: Chain,
    /// By that device, over everything else in the bundle and the leaf that comes in.
    #[n(1)]
    signature: SignatureBytes,
}

/// The longest sealed attribution, in bytes.
const ATTRIBUTION_MAX: usize = 1_024;

impl WelcomeBundle {
    /// Puts a bundle together, signed by its maker and sealed for who comes in by `leaf`; `waik` is the Welcome attribution
    /// key of their revision.
    pub fn sign<R: rand_core::CryptoRng + ?Sized>(
        me: &Identity,
        (room, leaf): (RoomId, &[u8; 32]),
        (welcome, seated): (Vec<u8>, Vec<u8>),
        (revision, waik): (u64, &Secret),
        rng: &mut R,
    ) -> Self {
        let said = said(&room, leaf, &welcome, &seated, revision);
        let attribution =
            WelcomeAttribution { chain: me.chain.clone(), signature: me.signing.sign(SIGN_WELCOME, &context(&room, revision), &said) };
        let attribution = sealed(waik, SEAL_ATTRIBUTION, &context(&room, revision).0, &codec::encode(&attribution), rng);
        Self { room, welcome, seated, revision, attribution }
    }

    /// Whether the parts can be what they say.
    pub fn is_bounded(&self) -> bool {
        self.attribution.len() <= ATTRIBUTION_MAX
    }

    /// The device that made it, if it is for who comes in by `leaf`.
    pub fn verify(&self, leaf: &[u8; 32], waik: &Secret, sure: Timestamp) -> Option<Device> {
        let context = context(&self.room, self.revision);
        let plain = opened(waik, SEAL_ATTRIBUTION, &context.0, &self.attribution, ATTRIBUTION_MAX)?;
        let attribution: WelcomeAttribution = codec::decode(&plain, ATTRIBUTION_MAX).ok()?;
        let device = attribution.chain.verify_known(sure).ok()?;
        let said = said(&self.room, leaf, &self.welcome, &self.seated, self.revision);
        device.signing.verify(SIGN_WELCOME, &context, &said, &attribution.signature).ok()?;
        Some(device)
    }
}

/// What an attribution is signed over.
fn said(room: &RoomId, leaf: &[u8; 32], welcome: &[u8], seated: &[u8], revision: u64) -> Vec<u8> {
    let hashes = [hash(HASH_WELCOME, &[welcome]), hash(HASH_WELCOME, &[seated])];
    codec::encode(&(room, ByteVec::from(leaf.to_vec()), hashes, revision))
}

fn context(room: &RoomId, number: u64) -> Digest {
    hash(HASH_CONTEXT, &[room.as_bytes(), &number.to_be_bytes()])
}

fn sealed<R: rand_core::CryptoRng + ?Sized>(
    key: &Secret,
    label: symbolon_presence::labels::Label,
    aad: &[u8],
    plain: &[u8],
    rng: &mut R,
) -> Vec<u8> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    [nonce.as_slice(), &aead_seal_random(key, &nonce, label, aad, plain)].concat()
}

fn opened(key: &Secret, label: symbolon_presence::labels::Label, aad: &[u8], sealed: &[u8], most: usize) -> Option<Vec<u8>> {
    if sealed.len() > most {
        return None;
    }
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    aead_open_random(key, nonce, label, aad, sealed).ok()
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
opaque_debug!(Ways Befriend Seat CommitInfo SeatedRoster WelcomeBundle);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use rand_core::SeedableRng;
    use symbolon_presence::id::MailboxId;
    use symbolon_presence::time::{DAY, EARLIEST};
    use symbolon_relay::put::MailboxEntry;

    #[test]
    fn a45_who_brings_somebody_in_is_known_from_the_attribution_alone_and_any_other_part_breaks_it() {
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([5; 32]);
        let me = Identity::generate(&mut rng, EARLIEST, DAY);
        let (room, leaf, waik) = (RoomId([1; 32]), [2; 32], Secret::from_bytes([3; 32]));
        // Nothing of the Welcome or of the roster can be opened here.
        let bundle = WelcomeBundle::sign(&me, (room, &leaf), (vec![7; 40], vec![8; 40]), (11, &waik), &mut rng);
        let device = bundle.verify(&leaf, &waik, EARLIEST).unwrap();
        assert_eq!(device.device, me.device);
        assert!(bundle.verify(&[9; 32], &waik, EARLIEST).is_none(), "another leaf");
        assert!(bundle.verify(&leaf, &Secret::from_bytes([4; 32]), EARLIEST).is_none(), "another friend's key");
        let broken = [
            WelcomeBundle { room: RoomId([9; 32]), ..bundle.clone() },
            WelcomeBundle { welcome: vec![7; 41], ..bundle.clone() },
            WelcomeBundle { seated: vec![9; 40], ..bundle.clone() },
            WelcomeBundle { revision: 12, ..bundle.clone() },
        ];
        assert!(broken.iter().all(|bundle| bundle.verify(&leaf, &waik, EARLIEST).is_none()));
        for at in 0..bundle.attribution.len() {
            let mut other = bundle.clone();
            other.attribution[at] ^= 1;
            assert!(other.verify(&leaf, &waik, EARLIEST).is_none(), "byte {at}");
        }
        let shown = codec::encode(&bundle);
        assert!(!shown.windows(32).any(|bytes| bytes == me.chain.root.as_bytes()), "it does not show who it is");
    }

    #[test]
    fn what_a_commit_says_opens_in_its_room_and_epoch_alone() {
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([6; 32]);
        let (room, key) = (RoomId([1; 32]), Secret::from_bytes([3; 32]));
        let info = CommitInfo { seats: Vec::new(), changes: vec![RoomChange::Name("The crew".into())] };
        let sealed = info.seal(&key, &room, 4, &mut rng);
        assert!(CommitInfo::open(&sealed, &key, &room, 4) == Some(info.clone()));
        assert!(CommitInfo::open(&sealed, &key, &room, 5).is_none());
        assert!(CommitInfo::open(&sealed, &key, &RoomId([2; 32]), 4).is_none());
        assert!(CommitInfo::open(&sealed, &Secret::from_bytes([4; 32]), &room, 4).is_none());
        assert_ne!(sealed, info.seal(&key, &room, 4, &mut rng), "each with another nonce");
        let bad = CommitInfo { seats: Vec::new(), changes: vec![RoomChange::Name(String::new())] };
        assert!(CommitInfo::open(&bad.seal(&key, &room, 4, &mut rng), &key, &room, 4).is_none(), "no name");
        assert!(CommitInfo::open(&[], &key, &room, 4).is_none());
    }

    #[test]
    fn who_leaves_has_signed_it_for_this_room_and_epoch() {
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
        let [me, other] = [0, 1].map(|_| Identity::generate(&mut rng, EARLIEST, DAY));
        let (room, leaf) = (RoomId([1; 32]), PublicKeyBytes([2; 32]));
        let leave = Leave::sign(&me, &room, leaf, 3);
        let [by_me, by_other] = [&me, &other].map(|who| who.chain.verify(EARLIEST).unwrap());
        assert!(leave.is_by(&by_me, &room));
        assert!(!leave.is_by(&by_other, &room));
        assert!(!leave.is_by(&by_me, &RoomId([9; 32])));
        assert!(!Leave { epoch: 4, ..leave.clone() }.is_by(&by_me, &room));
        assert!(!Leave { leaf: PublicKeyBytes([9; 32]), ..leave }.is_by(&by_me, &room));
    }
    #[test]
    fn the_seats_of_a_full_room_are_what_a_newcomer_may_be_shown_and_one_more_is_not() {
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([8; 32]);
        let (room, key, me) = (RoomId([1; 32]), Secret::from_bytes([3; 32]), Identity::generate(&mut rng, EARLIEST, DAY));
        let entry = MailboxEntry { mailbox: MailboxId([1; 32]), receipt: me.signing.public(), address: vec![7; 200], places: Vec::new() };
        let own = RelayMailbox { entry, key: key.clone() };
        let seed = Seed { number: 1, secret: key.clone() };
        let ways = Ways { name: "x".repeat(64), relay_mailboxes: vec![own.clone(); 3], own, seed, capabilities: Capabilities::OURS };
        let seat = |n: usize| {
            let mut leaf = [0; 32];
            leaf[..2].copy_from_slice(&u16::try_from(n).unwrap().to_be_bytes());
            let owner = LeafOwner { leaf: PublicKeyBytes(leaf), chain: Some(me.chain.clone()), key: key.clone() };
            Seat { owner, ways: ways.clone() }
        };
        let roster = Roster::founded("Crew".into(), PublicKeyBytes([0; 32]), me.peer(), me.device);
        let mut seated = SeatedRoster { roster, seats: (0..MEMBERS_MAX).map(seat).collect(), epoch: 1, knocks: None };
        let mut info = CommitInfo { seats: seated.seats.clone(), changes: Vec::new() };
        assert!(SeatedRoster::open(&seated.seal(&key, &room, &mut rng), &key, &room).is_some());
        assert!(CommitInfo::open(&info.seal(&key, &room, 1, &mut rng), &key, &room, 1).is_some());
        seated.seats.push(seat(MEMBERS_MAX));
        info.seats.push(seat(MEMBERS_MAX));
        assert!(SeatedRoster::open(&seated.seal(&key, &room, &mut rng), &key, &room).is_none());
        assert!(CommitInfo::open(&info.seal(&key, &room, 1, &mut rng), &key, &room, 1).is_none());
        info.seats.clear();
        info.changes = vec![RoomChange::Topic("t".into()); MEMBERS_MAX + 1];
        assert!(CommitInfo::open(&info.seal(&key, &room, 1, &mut rng), &key, &room, 1).is_none());
    }
}
