//! Seals: HPKE (RFC 9180, base mode, X25519, HKDF-SHA-256, ChaCha20-Poly1305) to a public
//! key, and ChaCha20-Poly1305 (RFC 8439) under a shared key.

use crate::id::PublicKeyBytes;
use crate::kdf::Secret;
use crate::labels::Label;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use core::fmt;
use hpke::aead::ChaCha20Poly1305 as HpkeAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256 as HpkeKem;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes that an HPKE seal adds: encapsulated key and tag.
pub const HPKE_OVERHEAD: usize = 32 + 16;
/// Bytes that an AEAD seal adds.
pub const AEAD_OVERHEAD: usize = 16;
/// Bytes of an AEAD's nonce.
pub const NONCE: usize = 12;

/// The sealed bytes are not for this key, this label or these associated data, or were altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenError;

/// An X25519 public key that leads to a known shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakDhKey;

/// An X25519 private key (RFC 7748). Erased when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DhKey([u8; 32]);

/// A checked X25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DhPublic(PublicKeyBytes);

impl DhKey {
    /// Draws a key.
    pub fn random<R: rand_core::CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Takes over 32 secret bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for sealed storage.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half.
    pub fn public(&self) -> DhPublic {
        let secret = x25519_dalek::StaticSecret::from(self.0);
        DhPublic(PublicKeyBytes(x25519_dalek::PublicKey::from(&secret).to_bytes()))
    }

    /// The shared secret with another key. `DhPublic` is never of small order, so the
    /// result is never a known value.
    pub fn agree(&self, other: &DhPublic) -> Secret {
        let secret = x25519_dalek::StaticSecret::from(self.0);
        Secret::from_bytes(secret.diffie_hellman(&x25519_dalek::PublicKey::from(other.0.0)).to_bytes())
    }
}

impl fmt::Debug for DhKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DhKey(..)")
    }
}

impl DhPublic {
    /// Checks a public key: refuses the points of small order and encodings beyond the field.
    pub fn parse(bytes: &PublicKeyBytes) -> Result<Self, WeakDhKey> {
        let [rest @ .., last] = bytes.as_bytes();
        let beyond_field = *last & 0x80 != 0
            || (*last == 0x7f && rest.split_first().is_some_and(|(low, middle)| *low >= 0xed && middle.iter().all(|b| *b == 0xff)));
        // Any private key shows it: clamping makes it a multiple of the cofactor.
        let probe = x25519_dalek::StaticSecret::from([0x40; 32]);
        let contributory = probe.diffie_hellman(&x25519_dalek::PublicKey::from(bytes.0)).was_contributory();
        if beyond_field || !contributory { Err(WeakDhKey) } else { Ok(Self(*bytes)) }
    }

    /// The key as it stands on the wire.
    pub fn bytes(&self) -> PublicKeyBytes {
        self.0
    }
}

/// Seals to a public key: encapsulated key (32 B), ciphertext, tag. `label` is HPKE's `info`.
pub fn hpke_seal<R: rand_core::CryptoRng>(label: Label, to: &DhPublic, aad: &[u8], plaintext: &[u8], rng: &mut R) -> Vec<u8> {
    let sealed = <HpkeKem as Kem>::PublicKey::from_bytes(to.0.as_bytes()).and_then(|public| {
        hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, HpkeKem>(&OpModeS::Base, &public, label.as_bytes(), plaintext, aad, rng)
    });
    match sealed {
        Ok((encapsulated, ciphertext)) => {
            let mut out = encapsulated.to_bytes().to_vec();
            out.extend_from_slice(&ciphertext);
            out
        }
        // Key length is fixed, the point is not of small order, and the message is far below the AEAD's limit.
        Err(_) => unreachable!("HPKE seals to a checked key"),
    }
}

/// Opens what [`hpke_seal`] made.
pub fn hpke_open(label: Label, key: &DhKey, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(32).ok_or(OpenError)?;
    let encapsulated = <HpkeKem as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| OpenError)?;
    let private = <HpkeKem as Kem>::PrivateKey::from_bytes(&key.0).map_err(|_| OpenError)?;
    hpke::single_shot_open::<HpkeAead, HkdfSha256, HpkeKem>(&OpModeR::Base, &private, &encapsulated, label.as_bytes(), ciphertext, aad)
        .map_err(|_| OpenError)
}

/// Seals under a key with a counter as nonce. A pair of key and counter must never seal two messages.
pub fn aead_seal(key: &Secret, counter: u64, label: Label, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let aad = [label.as_bytes(), aad].concat();
    match cipher(key).encrypt(&nonce(counter), Payload { msg: plaintext, aad: &aad }) {
        Ok(sealed) => sealed,
        Err(_) => unreachable!("the message is far below the AEAD's limit"),
    }
}

/// Seals under a key with a nonce that was drawn for this message alone.
pub fn aead_seal_random(key: &Secret, nonce: &[u8; NONCE], label: Label, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let aad = [label.as_bytes(), aad].concat();
    match cipher(key).encrypt(&Nonce::from(*nonce), Payload { msg: plaintext, aad: &aad }) {
        Ok(sealed) => sealed,
        Err(_) => unreachable!("the message is far below the AEAD's limit"),
    }
}

/// Opens what [`aead_seal_random`] made.
pub fn aead_open_random(key: &Secret, nonce: &[u8; NONCE], label: Label, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let aad = [label.as_bytes(), aad].concat();
    cipher(key).decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &aad }).map_err(|_| OpenError)
}

/// Opens what [`aead_seal`] made.
pub fn aead_open(key: &Secret, counter: u64, label: Label, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let aad = [label.as_bytes(), aad].concat();
    cipher(key).decrypt(&nonce(counter), Payload { msg: sealed, aad: &aad }).map_err(|_| OpenError)
}

fn cipher(key: &Secret) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*key.expose()))
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes.split_at_mut(4).1.copy_from_slice(&counter.to_be_bytes());
    Nonce::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{SEAL_ADDRESS, SEAL_FIRST, SEAL_KNOWN};
    use rand_core::SeedableRng;

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(5)
    }

    #[test]
    fn hpke_opens_for_its_key_label_and_associated_data_only() {
        let key = DhKey::random(&mut rng());
        let sealed = hpke_seal(SEAL_FIRST, &key.public(), b"aad", b"text", &mut rng());
        assert_eq!(sealed.len(), 4 + HPKE_OVERHEAD);
        assert_eq!(hpke_open(SEAL_FIRST, &key, b"aad", &sealed), Ok(b"text".to_vec()));
        assert_eq!(hpke_open(SEAL_ADDRESS, &key, b"aad", &sealed), Err(OpenError));
        assert_eq!(hpke_open(SEAL_FIRST, &key, b"", &sealed), Err(OpenError));
        assert_eq!(hpke_open(SEAL_FIRST, &DhKey::from_bytes([1; 32]), b"aad", &sealed), Err(OpenError));
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(hpke_open(SEAL_FIRST, &key, b"aad", &bad), Err(OpenError));
            assert_eq!(hpke_open(SEAL_FIRST, &key, b"aad", &sealed[..at]), Err(OpenError));
        }
    }

    #[test]
    fn aead_opens_for_its_key_counter_label_and_associated_data_only() {
        let key = Secret::from_bytes([1; 32]);
        let sealed = aead_seal(&key, 7, SEAL_KNOWN, b"a", b"text");
        assert_eq!(aead_open(&key, 7, SEAL_KNOWN, b"a", &sealed), Ok(b"text".to_vec()));
        assert_eq!(aead_open(&key, 8, SEAL_KNOWN, b"a", &sealed), Err(OpenError));
        assert_eq!(aead_open(&key, 7, SEAL_FIRST, b"a", &sealed), Err(OpenError));
        assert_eq!(aead_open(&key, 7, SEAL_KNOWN, b"b", &sealed), Err(OpenError));
        assert_eq!(aead_open(&Secret::from_bytes([2; 32]), 7, SEAL_KNOWN, b"a", &sealed), Err(OpenError));
    }

    #[test]
    fn a17_x25519_keys_of_small_order_or_beyond_the_field_are_refused() {
        let hex = |text: &str| -> [u8; 32] { data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap() };
        for text in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0900000000000000000000000000000000000000000000000000000000000080",
        ] {
            assert_eq!(DhPublic::parse(&PublicKeyBytes(hex(text))), Err(WeakDhKey), "{text}");
        }
        assert!(DhPublic::parse(&DhKey::random(&mut rng()).public().bytes()).is_ok());
    }

    #[test]
    fn both_sides_agree_on_one_secret() {
        let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
        assert_eq!(a.agree(&b.public()), b.agree(&a.public()));
    }
}
