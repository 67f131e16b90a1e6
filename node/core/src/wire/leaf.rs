//! Whose a leaf of a room is. The protocol page is `docs/protocol/rooms.md`.
//!
//! The tree of a room shows pseudonyms only: the credential of a leaf is its device's signature, sealed under a key that
//! the room's members have.

use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, PublicKeyBytes, RoomId, SignatureBytes};
use symbolon_presence::identity::{Chain, Device, Identity};
use symbolon_presence::kdf::{Secret, hash};
use symbolon_presence::labels::{HASH_CONTEXT, SEAL_LEAF, SIGN_LEAF};
use symbolon_presence::seal::{AEAD_OVERHEAD, aead_open, aead_seal};
use symbolon_presence::time::Timestamp;

/// Bytes of a leaf's credential: a sealed signature.
pub const CREDENTIAL: usize = SignatureBytes::LEN + AEAD_OVERHEAD;

/// Says whose a leaf is: to those who are to know.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LeafOwner {
    /// The leaf's signature public key.
    #[n(0)]
    pub leaf: PublicKeyBytes,
    /// Its device's certificate; absent when it is the device that signs what surrounds this.
    #[n(1)]
    pub chain: Option<Chain>,
    /// What opens its credential. Drawn for this leaf alone.
    #[n(2)]
    pub key: Secret,
}

impl std::fmt::Debug for LeafOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeafOwner(..)")
    }
}

/// The credential of a leaf of ours. `key` is to seal nothing else.
pub fn seal_credential(me: &Identity, leaf: &[u8; 32], key: &Secret) -> Vec<u8> {
    let signature = me.signing.sign(SIGN_LEAF, &context(), leaf);
    aead_seal(key, 0, SEAL_LEAF, leaf, signature.as_bytes())
}

/// Whether a device has signed that a leaf is its own.
pub fn is_leaf_of(credential: &[u8], leaf: &[u8; 32], key: &Secret, device: &Device) -> bool {
    if credential.len() != CREDENTIAL {
        return false;
    }
    let signature = aead_open(key, 0, SEAL_LEAF, leaf, credential).ok().and_then(|bytes| SignatureBytes::from_slice(&bytes));
    signature.is_some_and(|signature| device.signing.verify(SIGN_LEAF, &context(), leaf, &signature).is_ok())
}

/// A leaf is made for any room: a package that is handed out names none.
fn context() -> Digest {
    hash(HASH_CONTEXT, &[])
}

/// The credential of a leaf in a room that an older build made. Such rooms are read until they are made again; nobody
/// enters one any more.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OpenCredential {
    /// The device's certificate.
    #[n(0)]
    pub chain: Chain,
    /// The device's signature over the leaf key; its context is the room.
    #[n(1)]
    pub signature: SignatureBytes,
}

impl OpenCredential {
    /// The device that a credential proves for a leaf of a room.
    pub fn verify(credential: &[u8], room: &RoomId, leaf: &[u8; 32], sure: Timestamp) -> Option<Device> {
        let this: Self = codec::decode(credential, 1024).ok()?;
        let device = this.chain.verify_known(sure).ok()?;
        device.signing.verify(SIGN_LEAF, &hash(HASH_CONTEXT, &[room.as_bytes()]), leaf, &this.signature).ok()?;
        Some(device)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use rand_core::SeedableRng;
    use symbolon_presence::time::{DAY, EARLIEST};

    fn identity(seed: u8) -> Identity {
        Identity::generate(&mut rand_chacha::ChaCha20Rng::from_seed([seed; 32]), EARLIEST, DAY)
    }

    #[test]
    fn a_leaf_is_its_device_s_and_nobody_else_s_and_shows_that_to_holders_of_its_key_only() {
        let (ann, ben) = (identity(1), identity(2));
        let (leaf, key) = ([7; 32], Secret::from_bytes([3; 32]));
        let credential = seal_credential(&ann, &leaf, &key);
        let [of_ann, of_ben] = [&ann, &ben].map(|who| who.chain.verify(EARLIEST).unwrap());
        assert_eq!(credential.len(), CREDENTIAL);
        assert!(is_leaf_of(&credential, &leaf, &key, &of_ann));
        assert!(!is_leaf_of(&credential, &leaf, &key, &of_ben));
        assert!(!is_leaf_of(&credential, &[8; 32], &key, &of_ann));
        assert!(!is_leaf_of(&credential, &leaf, &Secret::from_bytes([4; 32]), &of_ann));
        for at in 0..credential.len() {
            let mut bad = credential.clone();
            bad[at] ^= 1;
            assert!(!is_leaf_of(&bad, &leaf, &key, &of_ann), "byte {at}");
        }
        assert!(!is_leaf_of(&credential[..CREDENTIAL - 1], &leaf, &key, &of_ann));
        assert!(!is_leaf_of(&[], &leaf, &key, &of_ann));
    }
}
