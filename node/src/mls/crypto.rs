//! OpenMLS's crypto provider: hpke, ed25519-dalek and RustCrypto for the one ciphersuite.
//!
//! Everything else is refused. HPKE is RFC 9180 base mode with DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256 and ChaCha20-Poly1305; signatures are verified strictly, so small-order and
//! non-canonical keys never count. Randomness comes from the operating system.

use super::limits::SUITE;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, Payload};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext, HpkeConfig, HpkeKdfType, HpkeKemType,
    HpkeKeyPair, KemOutput, SignatureScheme,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};
use tls_codec::SecretVLBytes;

type HpkeAead = hpke::aead::ChaCha20Poly1305;
type HpkeKem = X25519HkdfSha256;
type PrivateKey = <HpkeKem as Kem>::PrivateKey;
type PublicKey = <HpkeKem as Kem>::PublicKey;
type EncappedKey = <HpkeKem as Kem>::EncappedKey;

/// The cryptography of ciphersuite 0x0003. Holds no state.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Crypto;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the operating system gave no random bytes")
    }
}

impl std::error::Error for NoRandomness {}

/// Signs for one leaf.
pub(super) struct LeafSigner(SigningKey);

impl LeafSigner {
    /// From the private key's 32 bytes (RFC 8032 seed).
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
}

impl Signer for LeafSigner {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signature = self.0.try_sign(payload).map_err(|_| SignerError::SigningError)?;
        Ok(signature.to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

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
    if config.0 == HpkeKemType::DhKem25519 && config.1 == HpkeKdfType::HkdfSha256 && config.2 == HpkeAeadType::ChaCha20Poly1305 {
        Ok(())
    } else {
        Err(CryptoError::UnsupportedCiphersuite)
    }
}

fn public_key(bytes: &[u8]) -> Result<PublicKey, CryptoError> {
    PublicKey::from_bytes(bytes).map_err(|_| CryptoError::InvalidPublicKey)
}

fn private_key(bytes: &[u8]) -> Result<PrivateKey, CryptoError> {
    PrivateKey::from_bytes(bytes).map_err(|_| CryptoError::InvalidLength)
}

fn aead(key: &[u8]) -> Result<ChaCha20Poly1305, CryptoError> {
    ChaCha20Poly1305::new_from_slice(key).map_err(|_| CryptoError::InvalidLength)
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        if ciphersuite == SUITE { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![SUITE]
    }

    fn hkdf_extract(&self, hash_type: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        check_hash(hash_type)?;
        let (prk, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
        Ok(prk.as_slice().into())
    }

    fn hmac(&self, hash_type: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        check_hash(hash_type)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| CryptoError::InvalidLength)?;
        mac.update(message);
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
        let nonce = nonce.try_into().map_err(|_| CryptoError::InvalidLength)?;
        aead(key)?.encrypt(nonce, Payload { msg: data, aad }).map_err(|_| CryptoError::CryptoLibraryError)
    }

    fn aead_decrypt(&self, alg: AeadType, key: &[u8], ct_tag: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_aead(alg)?;
        let nonce = nonce.try_into().map_err(|_| CryptoError::InvalidLength)?;
        aead(key)?.decrypt(nonce, Payload { msg: ct_tag, aad }).map_err(|_| CryptoError::AeadDecryptionError)
    }

    fn signature_key_gen(&self, alg: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        check_scheme(alg)?;
        let secret = self.random_array::<32>().map_err(|_| CryptoError::InsufficientRandomness)?;
        let public = LeafSigner::new(&secret).public();
        Ok((secret.to_vec(), public.to_vec()))
    }

    fn verify_signature(&self, alg: SignatureScheme, data: &[u8], pk: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        check_scheme(alg)?;
        let pk: &[u8; 32] = pk.try_into().map_err(|_| CryptoError::InvalidPublicKey)?;
        let pk = VerifyingKey::from_bytes(pk).map_err(|_| CryptoError::InvalidPublicKey)?;
        let signature = Signature::from_slice(signature).map_err(|_| CryptoError::SignatureDecodingError)?;
        pk.verify_strict(data, &signature).map_err(|_| CryptoError::InvalidSignature)
    }

    fn sign(&self, alg: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_scheme(alg)?;
        let key: &[u8; 32] = key.try_into().map_err(|_| CryptoError::InvalidLength)?;
        LeafSigner::new(key).sign(data).map_err(|_| CryptoError::SigningError)
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
        let (private, public) = HpkeKem::derive_keypair(ikm);
        Ok(HpkeKeyPair { private: private.to_bytes().to_vec().into(), public: public.to_bytes().to_vec() })
    }
}
