//! Ed25519 signatures (RFC 8032), verified strictly.
//!
//! What is signed is `label || context hash || body`, where the body is taken byte for
//! byte as received and the context hash binds who speaks to whom about what. A public
//! key is checked once, when it is read: canonical encoding, no small order (attack A17).

use crate::id::{Digest, PublicKeyBytes, SignatureBytes};
use crate::labels::Label;
use core::fmt;
use ed25519_dalek::Signer;

/// A private signing key. Erased when dropped.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A checked public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

/// Not a public key that may be trusted with anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakKey;

/// The signature is not this key's over these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSignature;

impl SigningKey {
    /// Draws a key.
    pub fn random<R: rand_core::CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Self::from_seed(&seed)
    }

    /// The key of an RFC 8032 seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The RFC 8032 seed, for sealed storage.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKeyBytes {
        PublicKeyBytes(self.0.verifying_key().to_bytes())
    }

    /// Signs a body under a label and a context.
    pub fn sign(&self, label: Label, context: &Digest, body: &[u8]) -> SignatureBytes {
        SignatureBytes(self.0.sign(&message(label, context, body)).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl VerifyingKey {
    /// Checks a public key: on the curve, canonical, not of small order.
    pub fn parse(bytes: &PublicKeyBytes) -> Result<Self, WeakKey> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes.as_bytes()).map_err(|_| WeakKey)?;
        let canonical = key.to_edwards().compress().to_bytes() == *bytes.as_bytes();
        if !canonical || key.is_weak() {
            return Err(WeakKey);
        }
        Ok(Self(key))
    }

    /// The key as it stands on the wire.
    pub fn bytes(&self) -> PublicKeyBytes {
        PublicKeyBytes(self.0.to_bytes())
    }

    /// Verifies strictly (`R` and key not of small order, `s` canonical).
    pub fn verify(&self, label: Label, context: &Digest, body: &[u8], signature: &SignatureBytes) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        self.0.verify_strict(&message(label, context, body), &signature).map_err(|_| BadSignature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(..)")
    }
}

pub(crate) fn message(label: Label, context: &Digest, body: &[u8]) -> Vec<u8> {
    [label.as_bytes(), context.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels;

    const CONTEXT: Digest = Digest([9; 32]);

    fn key() -> SigningKey {
        SigningKey::from_seed(&[3; 32])
    }

    #[test]
    fn a_signature_holds_for_its_label_context_and_body_only() {
        let public = VerifyingKey::parse(&key().public()).unwrap();
        let signature = key().sign(labels::SIGN_OFFER, &CONTEXT, b"body");
        assert_eq!(public.verify(labels::SIGN_OFFER, &CONTEXT, b"body", &signature), Ok(()));
        assert_eq!(public.verify(labels::SIGN_ACCEPT, &CONTEXT, b"body", &signature), Err(BadSignature));
        assert_eq!(public.verify(labels::SIGN_OFFER, &Digest([8; 32]), b"body", &signature), Err(BadSignature));
        assert_eq!(public.verify(labels::SIGN_OFFER, &CONTEXT, b"Body", &signature), Err(BadSignature));
        let other = VerifyingKey::parse(&SigningKey::from_seed(&[4; 32]).public()).unwrap();
        assert_eq!(other.verify(labels::SIGN_OFFER, &CONTEXT, b"body", &signature), Err(BadSignature));
    }

    /// The eight points of small order and their non-canonical encodings.
    #[test]
    fn a17_small_order_and_non_canonical_keys_are_refused() {
        let hex = |text: &str| -> [u8; 32] { data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap() };
        for text in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ] {
            assert_eq!(VerifyingKey::parse(&PublicKeyBytes(hex(text))), Err(WeakKey), "{text}");
        }
        // y = 3 + p: a valid point's second encoding.
        let mut bytes = [0xff; 32];
        bytes[0] = 0xf0;
        bytes[31] = 0x7f;
        assert_eq!(VerifyingKey::parse(&PublicKeyBytes(bytes)), Err(WeakKey));
    }

    #[test]
    fn a_signature_with_s_beyond_the_group_order_is_refused() {
        let public = VerifyingKey::parse(&key().public()).unwrap();
        let mut signature = key().sign(labels::SIGN_OFFER, &CONTEXT, b"body");
        // s + L, the malleable twin.
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0x10,
        ];
        let mut carry = 0u16;
        for (byte, add) in signature.0[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + add + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(public.verify(labels::SIGN_OFFER, &CONTEXT, b"body", &signature), Err(BadSignature));
    }
}
