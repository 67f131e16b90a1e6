//! What a room's leaf says of its device. The protocol page is `docs/protocol/rooms.md`.

use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, RoomId, SignatureBytes};
use symbolon_presence::identity::{Chain, ChainError, Device};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::{HASH_CONTEXT, SIGN_LEAF};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::Timestamp;

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
