//! Ciphersuite 0x004D for mls-rs, which has no X-Wing: written from the draft, without our own provider.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use hpke::aead::{AeadCtxR, AeadCtxS};
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use mls_rs::crypto::{
    HpkeCiphertext, HpkeContextR, HpkeContextS, HpkePsk, HpkePublicKey, HpkeSecretKey, SignaturePublicKey, SignatureSecretKey,
};
use mls_rs::error::IntoAnyError;
use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use shake::Shake256;
use shake::digest::{ExtendableOutput as _, Update as _};
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// The number that draft-ietf-mls-pq-ciphersuites has for it in OpenMLS.
pub const SUITE: CipherSuite = CipherSuite::new(0x004D);

type HpkeAead = hpke::aead::ChaCha20Poly1305;

/// The suite, and the one provider of it.
#[derive(Debug, Clone, Default)]
pub struct Suite;

/// Some check of the suite failed.
#[derive(Debug)]
pub struct Failed;

impl IntoAnyError for Failed {}

/// Tests need no secrets, only different ones.
fn rng() -> ChaCha20Rng {
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    ChaCha20Rng::seed_from_u64(0x004D_0000 + DRAWN.fetch_add(1, Ordering::Relaxed))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Failed> {
    bytes.try_into().map_err(|_| Failed)
}

fn public(key: &[u8]) -> Result<<XWing as Kem>::PublicKey, Failed> {
    <XWing as Kem>::PublicKey::from_bytes(key).map_err(|_| Failed)
}

fn private(key: &[u8]) -> Result<<XWing as Kem>::PrivateKey, Failed> {
    <XWing as Kem>::PrivateKey::from_bytes(key).map_err(|_| Failed)
}

/// The sending side of a HPKE context.
pub struct Sending(AeadCtxS<HpkeAead, HkdfSha256, XWing>);

/// The receiving side of a HPKE context.
pub struct Receiving(AeadCtxR<HpkeAead, HkdfSha256, XWing>);

impl HpkeContextS for Sending {
    type Error = Failed;

    fn seal(&mut self, aad: Option<&[u8]>, data: &[u8]) -> Result<Vec<u8>, Failed> {
        self.0.seal(data, aad.unwrap_or_default()).map_err(|_| Failed)
    }

    fn export(&self, context: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let mut secret = Zeroizing::new(vec![0; len]);
        self.0.export(context, &mut secret).map_err(|_| Failed)?;
        Ok(secret)
    }
}

impl HpkeContextR for Receiving {
    type Error = Failed;

    fn open(&mut self, aad: Option<&[u8]>, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        self.0.open(ciphertext, aad.unwrap_or_default()).map(Zeroizing::new).map_err(|_| Failed)
    }

    fn export(&self, context: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let mut secret = Zeroizing::new(vec![0; len]);
        self.0.export(context, &mut secret).map_err(|_| Failed)?;
        Ok(secret)
    }
}

impl CryptoProvider for Suite {
    type CipherSuiteProvider = Self;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![SUITE]
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<Self> {
        (suite == SUITE).then_some(Self)
    }
}

impl CipherSuiteProvider for Suite {
    type Error = Failed;
    type HpkeContextS = Sending;
    type HpkeContextR = Receiving;

    fn cipher_suite(&self) -> CipherSuite {
        SUITE
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(Sha256::digest(data).to_vec())
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, Failed> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Failed)?;
        hmac::Mac::update(&mut mac, data);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    fn aead_seal(&self, key: &[u8], data: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Result<Vec<u8>, Failed> {
        let aead = ChaCha20Poly1305::new(&array(key)?.into());
        aead.encrypt(&array(nonce)?.into(), Payload { msg: data, aad: aad.unwrap_or_default() }).map_err(|_| Failed)
    }

    fn aead_open(&self, key: &[u8], ciphertext: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let aead = ChaCha20Poly1305::new(&array(key)?.into());
        let opened = aead.decrypt(&array(nonce)?.into(), Payload { msg: ciphertext, aad: aad.unwrap_or_default() });
        opened.map(Zeroizing::new).map_err(|_| Failed)
    }

    fn aead_key_size(&self) -> usize {
        32
    }

    fn aead_nonce_size(&self) -> usize {
        12
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        Ok(Zeroizing::new(Hkdf::<Sha256>::extract(Some(salt), ikm).0.to_vec()))
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let mut okm = Zeroizing::new(vec![0; len]);
        Hkdf::<Sha256>::from_prk(prk).map_err(|_| Failed)?.expand(info, &mut okm).map_err(|_| Failed)?;
        Ok(okm)
    }

    fn kdf_extract_size(&self) -> usize {
        32
    }

    fn hpke_seal(&self, key: &HpkePublicKey, info: &[u8], aad: Option<&[u8]>, pt: &[u8]) -> Result<HpkeCiphertext, Failed> {
        let (kem_output, mut context) = self.hpke_setup_s(key, info)?;
        Ok(HpkeCiphertext { kem_output, ciphertext: context.seal(aad, pt)? })
    }

    fn hpke_seal_psk(&self, _: &HpkePublicKey, _: &[u8], _: Option<&[u8]>, _: &[u8], _: HpkePsk<'_>) -> Result<HpkeCiphertext, Failed> {
        // Nothing in RFC 9420 uses it.
        Err(Failed)
    }

    fn hpke_open(
        &self,
        sealed: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, Failed> {
        self.hpke_setup_r(&sealed.kem_output, secret, public, info)?.open(aad, &sealed.ciphertext)
    }

    fn hpke_open_psk(
        &self,
        _: &HpkeCiphertext,
        _: &HpkeSecretKey,
        _: &HpkePublicKey,
        _: &[u8],
        _: Option<&[u8]>,
        _: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Failed> {
        Err(Failed)
    }

    fn hpke_setup_s(&self, key: &HpkePublicKey, info: &[u8]) -> Result<(Vec<u8>, Sending), Failed> {
        let made = hpke::setup_sender_with_rng::<HpkeAead, HkdfSha256, XWing>(&OpModeS::Base, &public(key)?, info, &mut rng());
        let (kem_output, context) = made.map_err(|_| Failed)?;
        Ok((kem_output.to_bytes().to_vec(), Sending(context)))
    }

    fn hpke_setup_r(&self, kem_output: &[u8], secret: &HpkeSecretKey, _: &HpkePublicKey, info: &[u8]) -> Result<Receiving, Failed> {
        let kem_output = <XWing as Kem>::EncappedKey::from_bytes(kem_output).map_err(|_| Failed)?;
        hpke::setup_receiver(&OpModeR::Base, &private(secret)?, &kem_output, info).map(Receiving).map_err(|_| Failed)
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), Failed> {
        let mut seed = [0; 32];
        let mut hash = Shake256::default();
        hash.update(ikm);
        hash.finalize_xof_into(&mut seed);
        let public = XWing::sk_to_pk(&private(&seed)?).to_bytes().to_vec();
        Ok((seed.to_vec().into(), public.into()))
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), Failed> {
        self.kem_derive(&self.random_bytes_vec(32)?)
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<(), Failed> {
        public(key).map(|_| ())
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), Failed> {
        rng().fill_bytes(out);
        Ok(())
    }

    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey), Failed> {
        let secret = SignatureSecretKey::new(self.random_bytes_vec(32)?);
        let public = self.signature_key_derive_public(&secret)?;
        Ok((secret, public))
    }

    fn signature_key_derive_public(&self, secret: &SignatureSecretKey) -> Result<SignaturePublicKey, Failed> {
        Ok(SignaturePublicKey::new(SigningKey::from_bytes(&array(secret)?).verifying_key().to_bytes().to_vec()))
    }

    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(SigningKey::from_bytes(&array(secret)?).sign(data).to_bytes().to_vec())
    }

    fn verify(&self, key: &SignaturePublicKey, signature: &[u8], data: &[u8]) -> Result<(), Failed> {
        let key = VerifyingKey::from_bytes(&array(key)?).map_err(|_| Failed)?;
        key.verify_strict(data, &Signature::from_bytes(&array(signature)?)).map_err(|_| Failed)
    }
}
