//! How two devices of friends stand with each other, and what a renewal rests on.
//!
//! None of it needs a state that both share. The protocol page is `docs/protocol/renewal.md`.

use super::contact::{Contact, package_digest};
use crate::limits::{FORMER_MAX, INSTANCES_HEARD_MAX, RENEWAL_NAMES_MAX};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, EpochId, MessageId, Nonce, PeerId, RoomId, SignatureBytes};
use symbolon_presence::identity::{Identity, pair_context};
use symbolon_presence::labels::SIGN_START;
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::Timestamp;

/// The body of a Standing: what its sender knows of the envelopes between both devices.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Standing {
    /// The sender's present start; drawn at each.
    #[n(0)]
    pub instance: Nonce,
    /// When that was, by the sender's clock.
    #[n(1)]
    pub started: Timestamp,
    /// Fresh; what answers this Standing names it.
    #[n(2)]
    pub nonce: Nonce,
    /// The Standing that this one answers. An answer is not answered.
    #[n(3)]
    pub answers: Option<Nonce>,
    /// When made.
    #[n(4)]
    pub at: Timestamp,
    /// Of the receiver's friendship secret that the sender holds.
    #[n(5)]
    pub revision: Option<u64>,
    /// The newest seed of the receiver's that the sender has read, and the counter of its next known envelope under
    /// that; absent without one.
    #[n(6)]
    pub next: Option<Counted>,
    /// The newest seed of the sender's in the first room under which it opened anything, and one more than the highest
    /// counter of that; absent where it opened nothing.
    #[n(7)]
    pub opened: Option<Counted>,
    /// The room that both share, then those that the sender has left, the newest first.
    #[n(8)]
    pub rooms: Vec<RoomStanding>,
    /// Starts of the receiver's that the sender has heard of.
    #[n(9)]
    pub heard: Vec<Heard>,
    /// Where the answer may go, whatever keys of friends have changed; absent in an answer.
    #[n(10)]
    pub reply: Option<Contact>,
    /// The sender's signature over its start ([`sign_start`]): the receiver hands it on.
    #[n(11)]
    pub word: SignatureBytes,
    /// The receiver sealed another envelope at a place in the first room that the sender had opened already.
    #[n(12)]
    pub copied: Option<True>,
    /// The sender has entered the first room by a renewal, and waits for its Confirm.
    #[n(13)]
    pub entered: Option<True>,
}

/// A place among the envelopes in one direction between two devices: the higher seed comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Counted {
    /// Number of the seed.
    #[n(0)]
    pub seed: u64,
    /// The counter under it.
    #[n(1)]
    pub counter: u64,
}

/// Said only where it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct True;

impl<C> Encode<C> for True {
    fn encode<W: minicbor::encode::Write>(&self, e: &mut minicbor::Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bool(true)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for True {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.bool()? { Ok(Self) } else { Err(minicbor::decode::Error::message("said though it is not so")) }
    }
}

/// One room in a [`Standing`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RoomStanding {
    /// Which.
    #[n(0)]
    pub room: RoomId,
    /// Its epoch at the sender; absent in a room that was left.
    #[n(1)]
    pub epoch: Option<EpochId>,
    /// Sequence of the sender's next ordered frame.
    #[n(2)]
    pub sent: u64,
    /// Sequence of the receiver's next ordered frame that the sender expects.
    #[n(3)]
    pub opened: u64,
    /// The receiver has acknowledged all of the sender's below this one.
    #[n(4)]
    pub settled: u64,
}

/// A start of the receiver's in a [`Standing`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Heard {
    /// Which.
    #[n(0)]
    pub instance: Nonce,
    /// When it was, as it said itself.
    #[n(1)]
    pub started: Timestamp,
    /// The start after which it was heard again, if it was.
    #[n(2)]
    pub over: Option<Nonce>,
    /// The receiver's own signature over it: a start that never was cannot be named.
    #[n(3)]
    pub word: SignatureBytes,
}

/// What a device signs of each of its starts.
#[derive(Encode)]
#[cbor(map)]
struct StartBody {
    #[n(0)]
    instance: Nonce,
    #[n(1)]
    started: Timestamp,
}

/// A device's word that it was started: anybody to whom it is given can show it to the device again.
pub fn sign_start(me: &Identity, instance: Nonce, started: Timestamp) -> SignatureBytes {
    let peer = me.peer();
    me.signing.sign(SIGN_START, &pair_context(&peer, &peer), &codec::encode(&StartBody { instance, started }))
}

/// Whether a device has signed this start.
pub fn is_start_of(device: &VerifyingKey, peer: &PeerId, instance: Nonce, started: Timestamp, word: &SignatureBytes) -> bool {
    device.verify(SIGN_START, &pair_context(peer, peer), &codec::encode(&StartBody { instance, started }), word).is_ok()
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Standing(..)")
    }
}

impl Standing {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        !self.rooms.is_empty()
            && self.rooms.len() <= FORMER_MAX + 1
            && self.heard.len() <= INSTANCES_HEARD_MAX
            && self.reply.as_ref().is_none_or(|reply| reply.is_bounded() && reply.chain.is_none())
    }
}

/// In an Offer: the friendship whose room it makes again, and what its maker knows of the texts in it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Renews {
    /// The room that its maker leaves.
    #[n(0)]
    pub room: RoomId,
    /// The receiver's Standing that it follows: what was made for another one counts no more.
    #[n(1)]
    pub answers: Nonce,
    /// Texts of its maker: the newest that is known to be delivered, and the newest of all.
    #[n(2)]
    pub sent: Vec<MessageId>,
    /// The newest text of the receiver's that its maker has.
    #[n(3)]
    pub had: Option<MessageId>,
}

impl Renews {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        self.sent.len() <= RENEWAL_NAMES_MAX + 1
    }
}

/// What a statement to a friend's device names as its package: the direct key that it is sealed to, or the key of the
/// certificate where that is not known.
pub fn direct_package(key: &[u8], device: &DeviceId) -> Digest {
    package_digest(key, Timestamp(u64::MAX), true, device)
}
