//! What newcomers and members of a room say to each other before the newcomer is in. The protocol page is
//! `docs/protocol/vouching.md`.
//!
//! Members have a secret in common, the knock secret: it yields the key that opens knocks, and the key by which a hub
//! tells members from strangers. Newcomer and voucher sign one transcript, each in its part.

use super::bounds::is_hubs;
use crate::limits::{CARD_MAX, HUBS_MAX};
use minicbor::{Decode, Encode};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, EpochId, InviteId, Nonce, PeerId, RoomAlias, RoomId, SignatureBytes};
use symbolon_presence::identity::{Chain, Device, Identity, pair_context};
use symbolon_presence::kdf::{Secret, derive, hash};
use symbolon_presence::kem::{KEM_OVERHEAD, KemKey, KemPublic, KemPublicBytes, kem_open, kem_seal};
use symbolon_presence::labels::{
    HASH_CARD, HASH_CONTEXT, HASH_KNOCK_KEY, HASH_VOUCHING, KEY_HUB, KEY_KNOCK, Label, SEAL_KNOCK, SEAL_NEWCOMER, SEAL_VOUCHER, SIGN_CARD,
    SIGN_KNOCK, SIGN_NEWCOMER, SIGN_VOUCHER,
};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::Timestamp;
use symbolon_relay::knock::{self, KNOCK_LEN, RESPONSE_LEN};

/// Bytes that say how much of what is sealed is content.
const LENGTH: usize = 2;

/// How people knock at a room: in its roster, so all members agree on it.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct Knocks {
    /// What the room is called at its hubs; it stands for the knock secret, too.
    #[n(0)]
    pub alias: RoomAlias,
    /// Where its hubs are, each by its addresses; at most [`HUBS_MAX`].
    #[n(1)]
    pub hubs: Vec<Vec<Address>>,
    /// Somebody has gone who has the secret: it is to be drawn again, and until then nobody comes in by a voucher.
    #[n(2)]
    pub is_stale: bool,
}

impl Knocks {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        is_hubs(&self.hubs)
    }
}

impl std::fmt::Debug for Knocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Knocks(..)")
    }
}

/// What the members of a room have in common for those who knock.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct KnockSecret(#[n(0)] pub Secret);

impl KnockSecret {
    /// Draws one.
    pub fn random<R: rand_core::CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self(Secret::random(rng))
    }

    /// What opens knocks.
    pub fn key(&self) -> KemKey {
        KemKey::from_bytes(*derive(self.0.expose(), KEY_KNOCK, &[]).expose())
    }

    /// What shows to a hub that somebody is a member.
    pub fn hub(&self) -> SigningKey {
        SigningKey::from_seed(derive(self.0.expose(), KEY_HUB, &[]).expose())
    }

    /// What the room is called at its hubs.
    pub fn alias(&self) -> RoomAlias {
        knock::alias(&self.hub().public())
    }
}

impl std::fmt::Debug for KnockSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KnockSecret(..)")
    }
}

/// The body of a room card: how to knock.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CardBody {
    /// Which card: from its secret.
    #[n(0)]
    pub id: InviteId,
    /// The day, since 1970, on which it lies where it is.
    #[n(1)]
    pub day: u32,
    /// Of two bodies the one with the higher number holds.
    #[n(2)]
    pub number: u64,
    /// Until when.
    #[n(3)]
    pub expires: Timestamp,
    /// What the room is called at its hubs.
    #[n(4)]
    pub alias: RoomAlias,
    /// To which knocks are sealed.
    #[n(5)]
    pub key: KemPublicBytes,
    /// Where its hubs are; at most [`HUBS_MAX`].
    #[n(6)]
    pub hubs: Vec<Vec<Address>>,
}

/// A body, signed by a member's device.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CardRecord {
    /// The signer's certificate.
    #[n(0)]
    pub chain: Chain,
    /// A [`CardBody`] in its encoding.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// The device's signature; its context names the person.
    #[n(2)]
    pub signature: SignatureBytes,
}

/// A card of which everything was checked.
#[derive(Clone)]
pub struct VerifiedCard {
    /// What it says.
    pub body: CardBody,
    /// The key in it.
    pub key: KemPublic,
    /// Which card it is.
    pub digest: Digest,
}

impl CardRecord {
    /// Signs a body.
    pub fn sign(me: &Identity, peer: &PeerId, body: &CardBody) -> Self {
        let body = codec::encode(body);
        let signature = me.signing.sign(SIGN_CARD, &pair_context(peer, peer), &body);
        Self { chain: me.chain.clone(), body, signature }
    }

    /// Reads a record; nothing in it is believed yet.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes, CARD_MAX).ok()
    }

    /// Checks everything that it claims: that a device of this person has signed it, for this card and day.
    pub fn verify(&self, now: Timestamp, id: &InviteId, day: u32, maker: &PeerId) -> Option<VerifiedCard> {
        let signer = self.chain.verify(now).ok().filter(|signer| signer.peer == *maker)?;
        signer.signing.verify(SIGN_CARD, &pair_context(maker, maker), &self.body, &self.signature).ok()?;
        let body: CardBody = codec::decode(&self.body, CARD_MAX).ok()?;
        let is_good = body.id == *id && body.day == day && is_hubs(&body.hubs) && !body.expires.is_expired_at(now);
        let key = KemPublic::parse(&body.key).ok()?;
        is_good.then(|| VerifiedCard { key, digest: hash(HASH_CARD, &[&self.body]), body })
    }
}

/// Somebody knocks. Sealed to the room's knock key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KnockBody {
    /// The card by which they knock.
    #[n(0)]
    pub card: Digest,
    /// Who knocks.
    #[n(1)]
    pub chain: Chain,
    /// Drawn for this knock: a voucher seals to it.
    #[n(2)]
    pub key: KemPublicBytes,
    /// By the device, over all of it and the knock's number.
    #[n(3)]
    pub signature: SignatureBytes,
}

fn knock_context(alias: &RoomAlias, nonce: &Nonce) -> Digest {
    hash(HASH_CONTEXT, &[alias.as_bytes(), nonce.as_bytes()])
}

impl KnockBody {
    /// Knocks: what is given to the hub.
    pub fn seal<R: rand_core::CryptoRng>(me: &Identity, card: &VerifiedCard, nonce: &Nonce, key: &KemKey, rng: &mut R) -> Option<Vec<u8>> {
        let key = key.public().bytes();
        let said = codec::encode(&(card.digest, &key));
        let signature = me.signing.sign(SIGN_KNOCK, &knock_context(&card.body.alias, nonce), &said);
        let body = Self { card: card.digest, chain: me.chain.clone(), key, signature };
        sealed(SEAL_KNOCK, &card.key, &knock_context(&card.body.alias, nonce), &body, KNOCK_LEN, rng)
    }

    /// Opens a knock, and answers who knocks: their signature holds.
    pub fn open(sealed: &[u8], secret: &KnockSecret, nonce: &Nonce, now: Timestamp) -> Option<(Self, Device, KemPublic)> {
        let context = knock_context(&secret.alias(), nonce);
        let body: Self = opened(SEAL_KNOCK, &secret.key(), &context, sealed)?;
        let device = body.chain.verify(now).ok()?;
        device.signing.verify(SIGN_KNOCK, &context, &codec::encode(&(body.card, &body.key)), &body.signature).ok()?;
        let key = KemPublic::parse(&body.key).ok()?;
        Some((body, device, key))
    }
}

/// What newcomer and voucher sign: both of them, what each has drawn, and into which room the way leads.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Transcript {
    /// The room's name at its hubs.
    #[n(0)]
    pub alias: RoomAlias,
    /// The card.
    #[n(1)]
    pub card: Digest,
    /// The newcomer's number.
    #[n(2)]
    pub knock: Nonce,
    /// The voucher's number.
    #[n(3)]
    pub hello: Nonce,
    /// Both keys that were drawn, see [`keys_digest`].
    #[n(4)]
    pub keys: Digest,
    /// Who comes in.
    #[n(5)]
    pub newcomer: (PeerId, DeviceId),
    /// Who vouches.
    #[n(6)]
    pub voucher: (PeerId, DeviceId),
    /// The room.
    #[n(7)]
    pub room: RoomId,
    /// The epoch in which the voucher spoke.
    #[n(8)]
    pub epoch: EpochId,
}

/// The keys that newcomer and voucher have drawn.
pub fn keys_digest(newcomer: &KemPublicBytes, voucher: &KemPublicBytes) -> Digest {
    hash(HASH_KNOCK_KEY, &[newcomer.as_bytes(), voucher.as_bytes()])
}

impl Transcript {
    /// What both sign.
    pub fn digest(&self) -> Digest {
        hash(HASH_VOUCHING, &[&codec::encode(self)])
    }
}

/// A member vouches. Sealed to the key in the knock.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VouchHello {
    /// Who vouches.
    #[n(0)]
    pub chain: Chain,
    /// Drawn for this answer.
    #[n(1)]
    pub hello: Nonce,
    /// The same: the newcomer seals to it.
    #[n(2)]
    pub key: KemPublicBytes,
    /// The room.
    #[n(3)]
    pub room: RoomId,
    /// Its epoch.
    #[n(4)]
    pub epoch: EpochId,
    /// By the voucher's device, over the transcript.
    #[n(5)]
    pub signature: SignatureBytes,
}

impl VouchHello {
    /// Vouches: what is given to the hub.
    pub fn seal<R: rand_core::CryptoRng>(
        me: &Identity,
        transcript: &Transcript,
        key: &KemKey,
        to: &KemPublic,
        rng: &mut R,
    ) -> Option<Vec<u8>> {
        let signature = me.signing.sign(SIGN_VOUCHER, &transcript.digest(), &[]);
        let (hello, room, epoch) = (transcript.hello, transcript.room, transcript.epoch);
        let body = Self { chain: me.chain.clone(), hello, key: key.public().bytes(), room, epoch, signature };
        sealed(SEAL_VOUCHER, to, &knock_context(&transcript.alias, &transcript.knock), &body, KNOCK_LEN, rng)
    }

    /// A word that says nothing, and looks as any other.
    pub fn pass<R: rand_core::CryptoRng>(rng: &mut R) -> Vec<u8> {
        let mut bytes = vec![0; KNOCK_LEN];
        rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Opens a member's word, if it is one of a voucher's. Nothing in it is believed yet.
    pub fn open(sealed: &[u8], key: &KemKey, alias: &RoomAlias, knock: &Nonce) -> Option<Self> {
        opened(SEAL_VOUCHER, key, &knock_context(alias, knock), sealed)
    }

    /// Whether the voucher has signed the transcript.
    pub fn is_by(&self, device: &Device, transcript: &Transcript) -> bool {
        device.signing.verify(SIGN_VOUCHER, &transcript.digest(), &[], &self.signature).is_ok()
    }
}

/// The newcomer answers a voucher. Sealed to the voucher's key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VouchResponse {
    /// By the newcomer's device, over the transcript.
    #[n(0)]
    pub signature: SignatureBytes,
    /// An [`AddPackage`](super::AddPackage) by which the voucher may add the device.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub package: Vec<u8>,
}

impl VouchResponse {
    /// Answers: what is given to the hub.
    pub fn seal<R: rand_core::CryptoRng>(
        me: &Identity,
        transcript: &Transcript,
        package: Vec<u8>,
        to: &KemPublic,
        rng: &mut R,
    ) -> Option<Vec<u8>> {
        let body = Self { signature: me.signing.sign(SIGN_NEWCOMER, &transcript.digest(), &[]), package };
        sealed(SEAL_NEWCOMER, to, &transcript.digest(), &body, RESPONSE_LEN, rng)
    }

    /// Opens an answer to what was said in this transcript, if the newcomer has signed it.
    pub fn open(sealed: &[u8], key: &KemKey, transcript: &Transcript, device: &Device) -> Option<Self> {
        let body: Self = opened(SEAL_NEWCOMER, key, &transcript.digest(), sealed)?;
        device.signing.verify(SIGN_NEWCOMER, &transcript.digest(), &[], &body.signature).ok()?;
        Some(body)
    }
}

/// That somebody comes in by a voucher, as the commit that adds them shows it to all members.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Vouch {
    /// The card.
    #[n(0)]
    pub card: Digest,
    /// The newcomer's number.
    #[n(1)]
    pub knock: Nonce,
    /// The voucher's number.
    #[n(2)]
    pub hello: Nonce,
    /// Both keys.
    #[n(3)]
    pub keys: Digest,
    /// The newcomer's device.
    #[n(4)]
    pub newcomer: DeviceId,
    /// The voucher's.
    #[n(5)]
    pub voucher: DeviceId,
    /// The epoch in which the voucher spoke.
    #[n(6)]
    pub epoch: EpochId,
    /// The newcomer's.
    #[n(7)]
    pub signature: SignatureBytes,
}

impl Vouch {
    /// What a newcomer has signed to a voucher.
    pub fn new(transcript: &Transcript, signature: SignatureBytes) -> Self {
        let Transcript { card, knock, hello, keys, epoch, .. } = transcript.clone();
        Self { card, knock, hello, keys, newcomer: transcript.newcomer.1, voucher: transcript.voucher.1, epoch, signature }
    }

    /// Whether this newcomer has signed that they come into this room, as it is called now, by a device of this voucher.
    pub fn is_by(&self, newcomer: &Device, voucher: &PeerId, room: &RoomId, alias: &RoomAlias) -> bool {
        let transcript = Transcript {
            alias: *alias,
            card: self.card,
            knock: self.knock,
            hello: self.hello,
            keys: self.keys,
            newcomer: (newcomer.person, self.newcomer),
            voucher: (*voucher, self.voucher),
            room: *room,
            epoch: self.epoch,
        };
        newcomer.device == self.newcomer && newcomer.signing.verify(SIGN_NEWCOMER, &transcript.digest(), &[], &self.signature).is_ok()
    }
}

/// Seals content behind its length and before zeros: all have one length outside.
fn sealed<T: Encode<()>, R: rand_core::CryptoRng>(
    label: Label,
    to: &KemPublic,
    context: &Digest,
    body: &T,
    length: usize,
    rng: &mut R,
) -> Option<Vec<u8>> {
    let content = codec::encode(body);
    let mut plain = u16::try_from(content.len()).ok()?.to_be_bytes().to_vec();
    plain.extend_from_slice(&content);
    let room = length.checked_sub(KEM_OVERHEAD)?;
    if plain.len() > room {
        return None;
    }
    plain.resize(room, 0);
    Some(kem_seal(label, to, None, context.as_bytes(), &plain, rng))
}

fn opened<T: Encode<()> + for<'b> Decode<'b, ()>>(label: Label, key: &KemKey, context: &Digest, sealed: &[u8]) -> Option<T> {
    let plain = kem_open(label, key, None, context.as_bytes(), sealed).ok()?;
    let (length, rest) = plain.split_first_chunk::<LENGTH>()?;
    let (content, padding) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    if padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    codec::decode(content, RESPONSE_LEN).ok()
}

/// At most [`HUBS_MAX`] are said.
pub(crate) fn hubs_of(servers: Vec<Vec<Address>>) -> Vec<Vec<Address>> {
    let bounded = servers.into_iter().map(|places| places.into_iter().filter(Address::is_bounded).take(crate::limits::HUB_PLACES_MAX));
    bounded.map(Iterator::collect).filter(|places: &Vec<Address>| !places.is_empty()).take(HUBS_MAX).collect()
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
opaque_debug!(CardBody CardRecord VerifiedCard KnockBody Transcript VouchHello VouchResponse);

#[cfg(test)]
mod tests;
