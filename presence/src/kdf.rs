//! Hashing, MACs and key derivation: SHA-256, HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256
//! (RFC 5869), each over a label and length-prefixed parts.

use crate::id::Digest;
use crate::labels::Label;
use core::fmt;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 secret bytes; erased when dropped, shown by nothing, compared in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes over 32 bytes that are already uniformly random or derived.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a secret.
    pub fn random<R: rand_core::CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The bytes, for a key schedule or for sealed storage.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<C> minicbor::Encode<C> for Secret {
    fn encode<W: minicbor::encode::Write>(&self, e: &mut minicbor::Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Secret {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        bytes.try_into().map(Self).map_err(|_| minicbor::decode::Error::message("wrong length of secret"))
    }
}

fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

/// SHA-256 over the label and each part, every one behind its length (8 bytes, big-endian).
pub fn hash(label: Label, parts: &[&[u8]]) -> Digest {
    let mut state = Sha256::new();
    state.update(length(label.as_bytes()));
    state.update(label.as_bytes());
    for part in parts {
        state.update(length(part));
        state.update(part);
    }
    Digest(state.finalize().into())
}

/// Plain SHA-256, where a specification fixes it (Peer ID, frame id).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// HKDF-SHA-256 without salt; `info` is the label and each part behind its length.
pub fn derive(secret: &[u8], label: Label, parts: &[&[u8]]) -> Secret {
    expand(&Hkdf::<Sha256>::new(None, secret), label, parts)
}

/// As [`derive`], with one secret as HKDF's salt: who lacks either of the two derives nothing.
pub fn derive_salted(salt: &[u8], secret: &[u8], label: Label, parts: &[&[u8]]) -> Secret {
    expand(&Hkdf::<Sha256>::new(Some(salt), secret), label, parts)
}

fn expand(extracted: &Hkdf<Sha256>, label: Label, parts: &[&[u8]]) -> Secret {
    let mut info = Vec::with_capacity(128);
    info.extend_from_slice(&length(label.as_bytes()));
    info.extend_from_slice(label.as_bytes());
    for part in parts {
        info.extend_from_slice(&length(part));
        info.extend_from_slice(part);
    }
    let mut out = [0; 32];
    // HKDF-SHA-256 yields up to 8,160 bytes; 32 always fit.
    if extracted.expand(&info, &mut out).is_err() {
        unreachable!("32 bytes are within HKDF's limit");
    }
    Secret(out)
}

/// The first 16 bytes of HMAC-SHA-256 over the label and each part behind its length.
pub fn mac(key: &Secret, label: Label, parts: &[&[u8]]) -> [u8; 16] {
    let Ok(mut state) = Hmac::<Sha256>::new_from_slice(key.expose()) else {
        unreachable!("HMAC takes keys of any length");
    };
    state.update(&length(label.as_bytes()));
    state.update(label.as_bytes());
    for part in parts {
        state.update(&length(part));
        state.update(part);
    }
    let full: [u8; 32] = state.finalize().into_bytes().into();
    let mut short = [0; 16];
    short.copy_from_slice(full.split_at(16).0);
    short
}

/// Whether a MAC is the expected one, in constant time.
pub fn mac_matches(expected: &[u8; 16], given: &[u8; 16]) -> bool {
    expected.ct_eq(given).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels;

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        assert_ne!(hash(labels::HASH_OFFER, &[b"ab", b"c"]), hash(labels::HASH_OFFER, &[b"a", b"bc"]));
        let s = Secret([7; 32]);
        assert_ne!(derive(s.expose(), labels::KEY_FEK, &[b"ab", b""]), derive(s.expose(), labels::KEY_FEK, &[b"a", b"b"]));
        assert_ne!(mac(&s, labels::MAC_PUT, &[b"ab"]), mac(&s, labels::MAC_PUT, &[b"a", b"b"]));
    }

    #[test]
    fn labels_separate() {
        let s = Secret([7; 32]);
        assert_ne!(derive(s.expose(), labels::KEY_FEK, &[]), derive(s.expose(), labels::KEY_WAIK, &[]));
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret([7; 32])), "Secret(..)");
    }
}
