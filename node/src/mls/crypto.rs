//! OpenMLS's crypto provider for the one ciphersuite: hpke, RustCrypto, and AWS-LC for what each text needs, signatures and AEAD.
//!
//! Everything else is refused. HPKE is RFC 9180 base mode with X-Wing, HKDF-SHA256 and
//! ChaCha20-Poly1305; signatures are those of [`signature`](super::signature). Randomness comes from the operating system.
//!
//! Texts of rooms that an older build made open as well: hash and AEAD are the same, and no key is agreed on.

use super::limits::{SUITE, SUITE_BEFORE};
use super::signature::{self, BadSignature, LeafSigner};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac};
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::signatures::Signer as _;
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext, HpkeConfig, HpkeKdfType, HpkeKemType,
    HpkeKeyPair, KemOutput, SignatureScheme,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};
use shake::Shake256;
use shake::digest::{ExtendableOutput as _, Update as Absorb};
use symbolon_presence::kem::{KemPublic, KemPublicBytes};
use tls_codec::SecretVLBytes;
use zeroize::Zeroizing;

type HpkeAead = hpke::aead::ChaCha20Poly1305;
type HpkeKem = XWing;
type PrivateKey = <HpkeKem as Kem>::PrivateKey;
type PublicKey = <HpkeKem as Kem>::PublicKey;
type EncappedKey = <HpkeKem as Kem>::EncappedKey;

/// The cryptography of ciphersuite 0x004D. Holds no state.
#[derive(Debug, Default, Clone, Copy)]
pub struct Crypto;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the operating system gave no random bytes")
    }
}

impl std::error::Error for NoRandomness {}

impl OpenMlsRand for Crypto {
    type Error = NoRandomness;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], NoRandomness> {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(bytes)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, NoRandomness> {
        let mut bytes = vec![0; len];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(bytes)
    }
}

/// A generator with a seed of its own from the operating system: hpke takes one that
/// cannot fail.
fn rng() -> Result<ChaCha20Rng, CryptoError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| CryptoError::InsufficientRandomness)?;
    Ok(ChaCha20Rng::from_seed(seed))
}

fn check_hash(hash: HashType) -> Result<(), CryptoError> {
    match hash {
        HashType::Sha2_256 => Ok(()),
        HashType::Sha2_384 | HashType::Sha2_512 => Err(CryptoError::UnsupportedHashAlgorithm),
    }
}

fn check_aead(aead: AeadType) -> Result<(), CryptoError> {
    match aead {
        AeadType::ChaCha20Poly1305 => Ok(()),
        AeadType::Aes128Gcm | AeadType::Aes256Gcm => Err(CryptoError::UnsupportedAeadAlgorithm),
    }
}

fn check_scheme(scheme: SignatureScheme) -> Result<(), CryptoError> {
    if scheme == SignatureScheme::ED25519 { Ok(()) } else { Err(CryptoError::UnsupportedSignatureScheme) }
}

fn check_hpke(config: &HpkeConfig) -> Result<(), CryptoError> {
    if config.0 == HpkeKemType::XWingKemDraft6 && config.1 == HpkeKdfType::HkdfSha256 && config.2 == HpkeAeadType::ChaCha20Poly1305 {
        Ok(())
    } else {
        Err(CryptoError::UnsupportedCiphersuite)
    }
}

/// ML-KEM's half in its range, and X25519's of no small order.
fn public_key(bytes: &[u8]) -> Result<PublicKey, CryptoError> {
    let checked = KemPublicBytes::new(bytes.to_vec()).and_then(|bytes| KemPublic::parse(&bytes).ok());
    checked.ok_or(CryptoError::InvalidPublicKey)?;
    PublicKey::from_bytes(bytes).map_err(|_| CryptoError::InvalidPublicKey)
}

fn private_key(bytes: &[u8]) -> Result<PrivateKey, CryptoError> {
    PrivateKey::from_bytes(bytes).map_err(|_| CryptoError::InvalidLength)
}

/// MLS gives each key one nonce, so the key's own counting of nonces is not wanted.
fn aead(key: &[u8], nonce: &[u8]) -> Result<(LessSafeKey, Nonce), CryptoError> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| CryptoError::InvalidLength)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::InvalidLength)?;
    Ok((LessSafeKey::new(key), nonce))
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        if ciphersuite == SUITE || ciphersuite == SUITE_BEFORE { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![SUITE, SUITE_BEFORE]
    }

    fn hkdf_extract(&self, hash_type: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        check_hash(hash_type)?;
        let (prk, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
        Ok(prk.as_slice().into())
    }

    fn hmac(&self, hash_type: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        check_hash(hash_type)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| CryptoError::InvalidLength)?;
        Mac::update(&mut mac, message);
        Ok(mac.finalize().into_bytes().as_slice().into())
    }

    fn hkdf_expand(&self, hash_type: HashType, prk: &[u8], info: &[u8], okm_len: usize) -> Result<SecretVLBytes, CryptoError> {
        check_hash(hash_type)?;
        // RFC 5869: at most 255 blocks. Checked before the bytes are allocated.
        if okm_len > 255 * hash_type.size() {
            return Err(CryptoError::HkdfOutputLengthInvalid);
        }
        let hkdf = Hkdf::<Sha256>::from_prk(prk).map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        let mut okm = vec![0; okm_len];
        hkdf.expand(info, &mut okm).map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        Ok(okm.into())
    }

    fn hash(&self, hash_type: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_hash(hash_type)?;
        Ok(Sha256::digest(data).to_vec())
    }

    fn aead_encrypt(&self, alg: AeadType, key: &[u8], data: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_aead(alg)?;
        let (key, nonce) = aead(key, nonce)?;
        let mut sealed = Vec::with_capacity(data.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(data);
        key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed).map_err(|_| CryptoError::CryptoLibraryError)?;
        Ok(sealed)
    }

    fn aead_decrypt(&self, alg: AeadType, key: &[u8], ct_tag: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_aead(alg)?;
        let (key, nonce) = aead(key, nonce)?;
        let mut opened = ct_tag.to_vec();
        let length = key.open_in_place(nonce, Aad::from(aad), &mut opened).map_err(|_| CryptoError::AeadDecryptionError)?.len();
        opened.truncate(length);
        Ok(opened)
    }

    fn signature_key_gen(&self, alg: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        check_scheme(alg)?;
        let secret = self.random_array::<32>().map_err(|_| CryptoError::InsufficientRandomness)?;
        let public = LeafSigner::new(&secret).map_err(|_| CryptoError::CryptoLibraryError)?.public();
        Ok((secret.to_vec(), public.to_vec()))
    }

    fn verify_signature(&self, alg: SignatureScheme, data: &[u8], pk: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        check_scheme(alg)?;
        signature::verify(pk, data, signature).map_err(|bad| match bad {
            BadSignature::Key => CryptoError::InvalidPublicKey,
            BadSignature::Length => CryptoError::SignatureDecodingError,
            BadSignature::Other => CryptoError::InvalidSignature,
        })
    }

    fn sign(&self, alg: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_scheme(alg)?;
        let key: &[u8; 32] = key.try_into().map_err(|_| CryptoError::InvalidLength)?;
        let signer = LeafSigner::new(key).map_err(|_| CryptoError::SigningError)?;
        signer.sign(data).map_err(|_| CryptoError::SigningError)
    }

    fn hpke_seal(&self, config: HpkeConfig, pk_r: &[u8], info: &[u8], aad: &[u8], ptxt: &[u8]) -> Result<HpkeCiphertext, CryptoError> {
        check_hpke(&config)?;
        let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, HpkeKem>(
            &OpModeS::Base,
            &public_key(pk_r)?,
            info,
            ptxt,
            aad,
            &mut rng()?,
        )
        .map_err(|_| CryptoError::HpkeEncryptionError)?;
        Ok(HpkeCiphertext { kem_output: enc.to_bytes().to_vec().into(), ciphertext: ciphertext.into() })
    }

    fn hpke_open(&self, config: HpkeConfig, input: &HpkeCiphertext, sk_r: &[u8], info: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_hpke(&config)?;
        let enc = EncappedKey::from_bytes(input.kem_output.as_slice()).map_err(|_| CryptoError::HpkeDecryptionError)?;
        hpke::single_shot_open::<HpkeAead, HkdfSha256, HpkeKem>(
            &OpModeR::Base,
            &private_key(sk_r)?,
            &enc,
            info,
            input.ciphertext.as_slice(),
            aad,
        )
        .map_err(|_| CryptoError::HpkeDecryptionError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        pk_r: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        check_hpke(&config)?;
        let (enc, context) =
            hpke::setup_sender_with_rng::<HpkeAead, HkdfSha256, HpkeKem>(&OpModeS::Base, &public_key(pk_r)?, info, &mut rng()?)
                .map_err(|_| CryptoError::SenderSetupError)?;
        let mut secret = vec![0; exporter_length];
        context.export(exporter_context, &mut secret).map_err(|_| CryptoError::ExporterError)?;
        Ok((enc.to_bytes().to_vec(), secret.into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        sk_r: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        check_hpke(&config)?;
        let enc = EncappedKey::from_bytes(enc).map_err(|_| CryptoError::ReceiverSetupError)?;
        let context = hpke::setup_receiver::<HpkeAead, HkdfSha256, HpkeKem>(&OpModeR::Base, &private_key(sk_r)?, &enc, info)
            .map_err(|_| CryptoError::ReceiverSetupError)?;
        let mut secret = vec![0; exporter_length];
        context.export(exporter_context, &mut secret).map_err(|_| CryptoError::ExporterError)?;
        Ok(secret.into())
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        check_hpke(&config)?;
        // MLS's draft takes the plain SHAKE256 of the secret as the seed; HPKE's own derivation is labelled.
        let mut hash = Shake256::default();
        Absorb::update(&mut hash, ikm);
        let mut seed = Zeroizing::new([0; 32]);
        hash.finalize_xof_into(seed.as_mut());
        let public = HpkeKem::sk_to_pk(&private_key(seed.as_slice())?).to_bytes().to_vec();
        #[cfg(test)]
        let public = spoiling::spoil(public);
        Ok(HpkeKeyPair { private: seed.to_vec().into(), public })
    }
}

/// For tests: a client that makes key pairs whose public half is none.
#[cfg(test)]
pub(super) mod spoiling {
    use std::cell::Cell;

    thread_local! {
        /// How many key pairs are made before the one that is spoiled.
        static AFTER: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// Spoils one of the key pairs that `make` makes.
    pub fn during<T>(after: u32, make: impl FnOnce() -> T) -> T {
        AFTER.set(Some(after));
        let made = make();
        AFTER.set(None);
        made
    }

    pub fn spoil(mut public: Vec<u8>) -> Vec<u8> {
        if let Some(after) = AFTER.get() {
            AFTER.set(after.checked_sub(1));
            if after == 0 {
                // A coefficient that ML-KEM's encoding does not have.
                public[..3].fill(0xff);
            }
        }
        public
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CONFIG: fn() -> HpkeConfig = || HpkeConfig(HpkeKemType::XWingKemDraft6, HpkeKdfType::HkdfSha256, HpkeAeadType::ChaCha20Poly1305);

    #[test]
    fn what_hpke_seals_opens_with_the_same_info_and_data_only() {
        let pair = Crypto.derive_hpke_keypair(CONFIG(), &[7; 32]).unwrap();
        let sealed = Crypto.hpke_seal(CONFIG(), &pair.public, b"info", b"aad", b"text").unwrap();
        assert_eq!(Crypto.hpke_open(CONFIG(), &sealed, &pair.private, b"info", b"aad"), Ok(b"text".to_vec()));
        let refused = Err(CryptoError::HpkeDecryptionError);
        assert_eq!(Crypto.hpke_open(CONFIG(), &sealed, &pair.private, b"inf", b"aad"), refused);
        assert_eq!(Crypto.hpke_open(CONFIG(), &sealed, &pair.private, b"info", b""), refused);
        let other = Crypto.derive_hpke_keypair(CONFIG(), &[8; 32]).unwrap();
        assert_eq!(Crypto.hpke_open(CONFIG(), &sealed, &other.private, b"info", b"aad"), refused);
        let again = Crypto.hpke_seal(CONFIG(), &pair.public, b"info", b"aad", b"text").unwrap();
        assert_ne!(again, sealed);
    }

    #[test]
    fn sender_and_receiver_export_the_same_secret() {
        let pair = Crypto.derive_hpke_keypair(CONFIG(), &[7; 32]).unwrap();
        let (enc, sent) = Crypto.hpke_setup_sender_and_export(CONFIG(), &pair.public, b"info", b"context", 32).unwrap();
        let received = Crypto.hpke_setup_receiver_and_export(CONFIG(), &enc, &pair.private, b"info", b"context", 32).unwrap();
        assert_eq!(*sent, *received);
        let other = Crypto.hpke_setup_receiver_and_export(CONFIG(), &enc, &pair.private, b"info", b"other", 32).unwrap();
        assert_ne!(*sent, *other);
    }

    #[test]
    fn a_public_key_with_a_small_order_or_out_of_range_half_is_refused() {
        let good = Crypto.derive_hpke_keypair(CONFIG(), &[7; 32]).unwrap().public;
        let zero_x25519 = [&good[..1184], &[0; 32]].concat();
        let out_of_range = [&[0xff; 3], &good[3..]].concat();
        for key in [&zero_x25519, &out_of_range, &good[..1215].to_vec()] {
            assert!(Crypto.hpke_seal(CONFIG(), key, b"", b"", b"text").is_err());
            assert!(Crypto.hpke_setup_sender_and_export(CONFIG(), key, b"", b"", 32).is_err());
        }
    }

    #[test]
    fn a_key_pair_comes_from_the_plain_hash_of_its_secret() {
        // SHAKE256 of nothing (FIPS 202), as the seed.
        let pair = Crypto.derive_hpke_keypair(CONFIG(), b"").unwrap();
        let seed = "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f";
        assert_eq!(data_encoding::HEXLOWER.encode(&pair.private), seed);
        let key = symbolon_presence::kem::KemKey::from_bytes(pair.private.as_ref().try_into().unwrap());
        assert_eq!(key.public().bytes().as_bytes(), pair.public);
    }

    #[test]
    fn a_small_order_signature_key_signs_nothing() {
        // The identity point as key and as R, with s = 0, verifies any message unless strict.
        let mut identity = [0; 32];
        identity[0] = 1;
        let signature = [identity, [0; 32]].concat();
        let verified = Crypto.verify_signature(SignatureScheme::ED25519, b"anything", &identity, &signature);
        assert_eq!(verified, Err(CryptoError::InvalidSignature));
    }

    #[test]
    fn a_signature_holds_for_its_message_and_key() {
        let (secret, public) = Crypto.signature_key_gen(SignatureScheme::ED25519).unwrap();
        let signature = Crypto.sign(SignatureScheme::ED25519, b"text", &secret).unwrap();
        let verify = |data: &[u8], key: &[u8]| Crypto.verify_signature(SignatureScheme::ED25519, data, key, &signature);
        assert_eq!(verify(b"text", &public), Ok(()));
        assert_eq!(verify(b"tex", &public), Err(CryptoError::InvalidSignature));
        assert!(verify(b"text", &[2; 31]).is_err());
    }

    #[test]
    fn kdf_and_mac_follow_their_rfcs() {
        // RFC 5869, test case 1.
        let prk = Crypto.hkdf_extract(HashType::Sha2_256, &(0..13).collect::<Vec<u8>>(), &[0x0B; 22]).unwrap();
        let okm = Crypto.hkdf_expand(HashType::Sha2_256, prk.as_slice(), &(0xF0..0xFA).collect::<Vec<u8>>(), 42).unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(okm.as_slice()), OKM);
        // RFC 4231, test case 2.
        let mac = Crypto.hmac(HashType::Sha2_256, b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(mac.as_slice()), MAC);
        let too_long = Crypto.hkdf_expand(HashType::Sha2_256, prk.as_slice(), b"", usize::MAX);
        assert!(matches!(too_long, Err(CryptoError::HkdfOutputLengthInvalid)));
    }

    const OKM: &str = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    const MAC: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    #[test]
    fn every_other_algorithm_is_refused() {
        assert!(Crypto.supports(Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519).is_err());
        assert!(Crypto.hash(HashType::Sha2_384, b"").is_err());
        assert!(Crypto.aead_encrypt(AeadType::Aes128Gcm, &[0; 16], b"", &[0; 12], b"").is_err());
        assert!(Crypto.aead_encrypt(AeadType::ChaCha20Poly1305, &[0; 16], b"", &[0; 12], b"").is_err());
        assert!(Crypto.aead_encrypt(AeadType::ChaCha20Poly1305, &[0; 32], b"", &[0; 11], b"").is_err());
        assert!(Crypto.sign(SignatureScheme::ED448, b"", &[0; 32]).is_err());
        for config in [
            HpkeConfig(HpkeKemType::XWingKemDraft6, HpkeKdfType::HkdfSha256, HpkeAeadType::AesGcm128),
            HpkeConfig(HpkeKemType::DhKem25519, HpkeKdfType::HkdfSha256, HpkeAeadType::ChaCha20Poly1305),
        ] {
            assert!(Crypto.derive_hpke_keypair(config, &[0; 32]).is_err());
        }
    }
}
