//! Seals that also hold against somebody who records today and has a quantum computer one day: HPKE
//! (RFC 9180) with X-Wing (draft-connolly-cfrg-xwing-kem, KEM 0x647a of draft-ietf-hpke-pq), HKDF-SHA-256
//! and ChaCha20-Poly1305.
//!
//! X-Wing joins X25519 and ML-KEM-768 (FIPS 203): the seal stands as long as either does. It makes what was
//! sealed secret and says nothing of who sealed it; signatures are Ed25519's.

use crate::kdf::Secret;
use crate::labels::Label;
use crate::seal::{DhPublic, OpenError};
use core::fmt;
use hpke::aead::ChaCha20Poly1305 as HpkeAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, PskBundle, Serializable};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a public key: ML-KEM-768's encapsulation key (1,184 B), then X25519's (32 B).
pub const KEM_PUBLIC: usize = 1184 + X25519;
/// Bytes that a seal adds: encapsulated key (1,120 B) and tag.
pub const KEM_OVERHEAD: usize = ENCAPSULATED + 16;

const ENCAPSULATED: usize = 1088 + X25519;
const X25519: usize = 32;

/// The bytes are no public key that may be sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadKemKey;

/// A private key: the seed of 32 bytes from which both halves are derived. Erased when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KemKey([u8; 32]);

/// A checked public key.
#[derive(Clone, PartialEq, Eq)]
pub struct KemPublic(<XWing as Kem>::PublicKey);

/// A public key as it stands on the wire, not yet checked; at most [`KEM_PUBLIC`] bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct KemPublicBytes(Vec<u8>);

/// A secret that both sides have from elsewhere, and its name (RFC 9180, section 5.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Psk {
    /// The secret.
    pub secret: Secret,
    /// Tells the receiver which one.
    pub id: [u8; 16],
}

impl KemKey {
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
    pub fn public(&self) -> KemPublic {
        KemPublic(XWing::sk_to_pk(&self.private()))
    }

    fn private(&self) -> <XWing as Kem>::PrivateKey {
        match <XWing as Kem>::PrivateKey::from_bytes(&self.0) {
            Ok(key) => key,
            Err(_) => unreachable!("every seed of 32 bytes is a key"),
        }
    }
}

impl fmt::Debug for KemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemKey(..)")
    }
}

impl KemPublic {
    /// Checks a public key: its length, that ML-KEM's half is in its range (FIPS 203, section 7.2), and that X25519's
    /// is of no small order.
    pub fn parse(bytes: &KemPublicBytes) -> Result<Self, BadKemKey> {
        let (_, x25519) = bytes.0.split_last_chunk::<X25519>().ok_or(BadKemKey)?;
        DhPublic::parse(&crate::id::PublicKeyBytes(*x25519)).map_err(|_| BadKemKey)?;
        <XWing as Kem>::PublicKey::from_bytes(&bytes.0).map(Self).map_err(|_| BadKemKey)
    }

    /// The key as it stands on the wire.
    pub fn bytes(&self) -> KemPublicBytes {
        KemPublicBytes(self.0.to_bytes().to_vec())
    }
}

impl fmt::Debug for KemPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemPublic(..)")
    }
}

impl KemPublicBytes {
    /// Takes bytes that are not too long for a key.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= KEM_PUBLIC).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KemPublicBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemPublicBytes(..)")
    }
}

impl<C> minicbor::Encode<C> for KemPublicBytes {
    fn encode<W: minicbor::encode::Write>(&self, e: &mut minicbor::Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for KemPublicBytes {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let position = d.position();
        let bytes = d.bytes()?;
        if bytes.len() > KEM_PUBLIC {
            return Err(minicbor::decode::Error::message("a public key that is too long").at(position));
        }
        Ok(Self(bytes.to_vec()))
    }
}

/// Seals to a public key: encapsulated key (1,120 B), ciphertext, tag. `label` is HPKE's `info`; with a `psk` only those
/// open it who have that as well. Nothing of the result shows whether there was one.
pub fn kem_seal<R: rand_core::CryptoRng>(
    label: Label,
    to: &KemPublic,
    psk: Option<&Psk>,
    aad: &[u8],
    plaintext: &[u8],
    rng: &mut R,
) -> Vec<u8> {
    let mode = psk.map_or(OpModeS::Base, |psk| OpModeS::Psk(bundle(psk)));
    let sealed = hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, XWing>(&mode, &to.0, label.as_bytes(), plaintext, aad, rng);
    match sealed {
        Ok((encapsulated, ciphertext)) => [encapsulated.to_bytes().as_slice(), &ciphertext].concat(),
        // The key was checked, and the message is far below the AEAD's limit.
        Err(_) => unreachable!("HPKE seals to a checked key"),
    }
}

/// Opens what [`kem_seal`] made.
pub fn kem_open(label: Label, key: &KemKey, psk: Option<&Psk>, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED).ok_or(OpenError)?;
    let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| OpenError)?;
    let mode = psk.map_or(OpModeR::Base, |psk| OpModeR::Psk(bundle(psk)));
    hpke::single_shot_open::<HpkeAead, HkdfSha256, XWing>(&mode, &key.private(), &encapsulated, label.as_bytes(), ciphertext, aad)
        .map_err(|_| OpenError)
}

fn bundle(psk: &Psk) -> PskBundle<'_> {
    match PskBundle::new(psk.secret.expose(), &psk.id) {
        Ok(bundle) => bundle,
        Err(_) => unreachable!("neither secret nor id is empty"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{SEAL_DIRECT, SEAL_FIRST};
    use rand_core::SeedableRng;

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(5)
    }

    fn psk(byte: u8) -> Psk {
        Psk { secret: Secret::from_bytes([byte; 32]), id: [byte; 16] }
    }

    #[test]
    fn a_seal_opens_for_its_key_label_and_associated_data_only() {
        let key = KemKey::random(&mut rng());
        let sealed = kem_seal(SEAL_FIRST, &key.public(), None, b"aad", b"text", &mut rng());
        assert_eq!(sealed.len(), 4 + KEM_OVERHEAD);
        assert_eq!(kem_open(SEAL_FIRST, &key, None, b"aad", &sealed), Ok(b"text".to_vec()));
        assert_eq!(kem_open(SEAL_DIRECT, &key, None, b"aad", &sealed), Err(OpenError));
        assert_eq!(kem_open(SEAL_FIRST, &key, None, b"", &sealed), Err(OpenError));
        assert_eq!(kem_open(SEAL_FIRST, &KemKey::from_bytes([1; 32]), None, b"aad", &sealed), Err(OpenError));
        for at in (0..sealed.len()).step_by(13).chain(ENCAPSULATED - X25519..sealed.len()) {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(kem_open(SEAL_FIRST, &key, None, b"aad", &bad), Err(OpenError), "byte {at}");
            assert_eq!(kem_open(SEAL_FIRST, &key, None, b"aad", &sealed[..at]), Err(OpenError), "cut at {at}");
        }
    }

    #[test]
    fn what_was_sealed_behind_a_shared_secret_needs_that_very_secret_and_its_name() {
        let key = KemKey::random(&mut rng());
        let sealed = kem_seal(SEAL_FIRST, &key.public(), Some(&psk(1)), b"", b"text", &mut rng());
        let open = |psk: Option<&Psk>| kem_open(SEAL_FIRST, &key, psk, b"", &sealed);
        assert_eq!(open(Some(&psk(1))), Ok(b"text".to_vec()));
        assert_eq!(open(None), Err(OpenError));
        assert_eq!(open(Some(&psk(2))), Err(OpenError));
        assert_eq!(open(Some(&Psk { id: [2; 16], ..psk(1) })), Err(OpenError));
        let without = kem_seal(SEAL_FIRST, &key.public(), None, b"", b"text", &mut rng());
        assert_eq!(without.len(), sealed.len(), "nothing shows which it is");
        assert_eq!(kem_open(SEAL_FIRST, &key, Some(&psk(1)), b"", &without), Err(OpenError));
    }

    /// Gives these bytes, and no more.
    struct Given(Vec<u8>);

    impl rand_core::TryRng for Given {
        type Error = core::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            unreachable!("encapsulating draws bytes")
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            unreachable!("encapsulating draws bytes")
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            bytes.copy_from_slice(&self.0.drain(..bytes.len()).collect::<Vec<_>>());
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Given {}

    #[test]
    fn keys_encapsulations_and_shared_secrets_are_those_of_the_draft() {
        // draft-connolly-cfrg-xwing-kem-10, appendix C.
        let vectors = include_str!("../../tests/vectors/xwing.json");
        let values = |field: &str| -> Vec<Vec<u8>> {
            let mark = format!("\"{field}\": \"");
            let parts = vectors.split(&mark).skip(1);
            parts.map(|rest| data_encoding::HEXLOWER.decode(rest.split('"').next().unwrap().as_bytes()).unwrap()).collect()
        };
        let [seeds, publics, drawn, encapsulated, shared] = ["seed", "pk", "eseed", "ct", "ss"].map(values);
        assert_eq!([&seeds, &publics, &drawn, &encapsulated, &shared].map(Vec::len), [3; 5]);
        for n in 0..3 {
            let key = KemKey::from_bytes(seeds[n].clone().try_into().unwrap());
            assert_eq!((key.public().bytes().as_bytes(), publics[n].len()), (publics[n].as_slice(), KEM_PUBLIC));
            let sealed = kem_seal(SEAL_FIRST, &key.public(), None, b"aad", b"text", &mut Given(drawn[n].clone()));
            assert_eq!(sealed[..ENCAPSULATED], encapsulated[n]);
            assert_eq!(kem_open(SEAL_FIRST, &key, None, b"aad", &sealed), Ok(b"text".to_vec()));
            let ct = <XWing as Kem>::EncappedKey::from_bytes(&encapsulated[n]).unwrap();
            assert_eq!(XWing::decap(&key.private(), None, &ct).unwrap().0.as_slice(), shared[n]);
        }
    }

    #[test]
    fn a17_keys_of_another_length_out_of_range_or_of_small_order_are_refused() {
        let good = KemKey::random(&mut rng()).public().bytes();
        assert!(KemPublic::parse(&good).is_ok());
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.as_bytes().to_vec();
            change(&mut bytes);
            KemPublicBytes::new(bytes).map(|bytes| KemPublic::parse(&bytes).is_ok())
        };
        assert_eq!(with(&|_| ()), Some(true));
        assert_eq!(with(&|bytes| bytes.truncate(KEM_PUBLIC - 1)), Some(false));
        assert_eq!(with(&|bytes| bytes.clear()), Some(false));
        assert_eq!(with(&|bytes| bytes.truncate(X25519)), Some(false));
        assert_eq!(with(&|bytes| bytes.push(0)), None);
        assert_eq!(with(&|bytes| bytes[..3].fill(0xff)), Some(false), "a coefficient beyond the field");
        assert_eq!(with(&|bytes| bytes[KEM_PUBLIC - X25519..].fill(0)), Some(false), "an X25519 key of small order");
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let key = KemKey::from_bytes([7; 32]);
        assert_eq!(format!("{key:?} {:?} {:?}", key.public(), key.public().bytes()), "KemKey(..) KemPublic(..) KemPublicBytes(..)");
    }
}
