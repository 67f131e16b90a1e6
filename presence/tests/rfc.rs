//! The published vectors of the standards that this crate stands on.
//!
//! Where our own functions bind a label they cannot reproduce a published value; there the
//! library is called exactly as `seal.rs` and `kdf.rs` call it, and `tests/vectors/check.py`
//! computes ours from the standard's text. What is run through this crate is marked *ours*.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use data_encoding::HEXLOWER_PERMISSIVE;
use ed25519_dalek::Signer;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::{TryCryptoRng, TryRng};
use sha2::Sha256;
use std::convert::Infallible;
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::kdf::sha256;
use symbolon_presence::seal::{DhKey, DhPublic, WeakDhKey};
use symbolon_presence::sign::{SigningKey, VerifyingKey};

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap()
}

fn hex32(text: &str) -> [u8; 32] {
    hex(text).try_into().unwrap()
}

/// RFC 8032, section 7.1: seed, public key, message, signature.
const ED25519: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn rfc8032_seeds_give_the_published_keys_and_signatures() {
    for [seed, public, message, signature] in ED25519 {
        // Ours.
        let key = SigningKey::from_seed(&hex32(seed));
        assert_eq!(key.public(), PublicKeyBytes(hex32(public)));
        assert!(VerifyingKey::parse(&key.public()).is_ok());
        // As `sign.rs` calls it.
        let key = ed25519_dalek::SigningKey::from_bytes(&key.seed());
        let signed = key.sign(&hex(message));
        assert_eq!(signed.to_bytes().to_vec(), hex(signature));
        assert!(key.verifying_key().verify_strict(&hex(message), &signed).is_ok());
    }
}

#[test]
fn rfc7748_x25519_agrees_with_section_5_2() {
    // Ours.
    let point = DhPublic::parse(&PublicKeyBytes(hex32("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"))).unwrap();
    let key = DhKey::from_bytes(hex32("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"));
    assert_eq!(*key.agree(&point).expose(), hex32("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
    // The second vector's coordinate has its unused bit set; this crate refuses such encodings.
    let beyond = PublicKeyBytes(hex32("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"));
    assert_eq!(DhPublic::parse(&beyond), Err(WeakDhKey));
}

#[test]
fn rfc7748_x25519_agrees_after_a_thousand_iterations() {
    let nine = {
        let mut bytes = [0; 32];
        bytes[0] = 9;
        bytes
    };
    let (mut k, mut u) = (nine, nine);
    for round in 1..=1_000 {
        let next = *DhKey::from_bytes(k).agree(&DhPublic::parse(&PublicKeyBytes(u)).unwrap()).expose();
        (k, u) = (next, k);
        if round == 1 {
            assert_eq!(k, hex32("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"));
        }
    }
    assert_eq!(k, hex32("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
}

#[test]
fn rfc7748_two_people_agree_as_in_section_6_1() {
    // Ours.
    let alice = DhKey::from_bytes(hex32("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
    let bob = DhKey::from_bytes(hex32("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
    assert_eq!(alice.public().bytes().0, hex32("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
    assert_eq!(bob.public().bytes().0, hex32("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
    let shared = hex32("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!(*alice.agree(&bob.public()).expose(), shared);
    assert_eq!(*bob.agree(&alice.public()).expose(), shared);
}

/// The input key material of HPKE's DeriveKeyPair, as the only draw.
struct Ikm([u8; 32]);

impl TryRng for Ikm {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("HPKE draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("HPKE draws bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

impl TryCryptoRng for Ikm {}

#[test]
fn rfc9180_appendix_a_2_1_is_sealed_and_opened_as_published() {
    let private = hex32("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
    let public = hex32("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
    let ikm = hex32("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b");
    let encapsulated = hex32("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
    let info = hex("4f6465206f6e2061204772656369616e2055726e");
    let aad = hex("436f756e742d30");
    let plaintext = hex("4265617574792069732074727574682c20747275746820626561757479");
    let ciphertext = hex("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28");
    // Ours.
    assert_eq!(DhKey::from_bytes(private).public().bytes().0, public);
    // As `seal.rs` calls it.
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&public).unwrap();
    let (enc, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &to,
        &info,
        &plaintext,
        &aad,
        &mut Ikm(ikm),
    )
    .unwrap();
    assert_eq!(enc.to_bytes().to_vec(), encapsulated);
    assert_eq!(sealed, ciphertext);
    let key = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&private).unwrap();
    let opened =
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(&OpModeR::Base, &key, &enc, &info, &ciphertext, &aad);
    assert_eq!(opened.unwrap(), plaintext);
}

#[test]
fn rfc5869_case_3_without_salt_and_info() {
    // As `kdf.rs` calls it.
    let mut okm = [0; 42];
    Hkdf::<Sha256>::new(None, &[0x0b; 22]).expand(&[], &mut okm).unwrap();
    assert_eq!(okm.to_vec(), hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),);
}

#[test]
fn rfc4231_case_1_of_hmac_sha_256() {
    // As `kdf.rs` calls it.
    let mut state = Hmac::<Sha256>::new_from_slice(&[0x0b; 20]).unwrap();
    state.update(b"Hi There");
    let full: [u8; 32] = state.finalize().into_bytes().into();
    assert_eq!(full, hex32("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
}

#[test]
fn fips180_sha_256_of_abc() {
    // Ours.
    assert_eq!(sha256(b"abc"), hex32("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}
