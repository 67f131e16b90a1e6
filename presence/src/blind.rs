//! Key blinding of Ed25519 (Tor's rend-spec-v3, appendix A.2): who knows a public key and a
//! factor derives the blinded public key; who has the private key signs under it; who sees
//! blinded keys only cannot tell which of them belong together.

use crate::id::{Digest, PublicKeyBytes, SignatureBytes};
use crate::labels::Label;
use crate::sign::{SigningKey, VerifyingKey, message};
use core::fmt;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::{Digest as _, Sha512};
use zeroize::Zeroize;

/// What the specification hashes before the old nonce prefix.
const PREFIX: &[u8] = b"Derive temporary signing key hash input";

/// The key cannot be blinded: not on the curve, or outside the prime-order group, where
/// blinded keys would keep a mark of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnfitKey;

fn scalar(factor: &[u8; 32]) -> Scalar {
    Scalar::from_bytes_mod_order(clamp_integer(*factor))
}

/// The blinded public key.
pub fn blind_public(public: &PublicKeyBytes, factor: &[u8; 32]) -> Result<PublicKeyBytes, UnfitKey> {
    VerifyingKey::parse(public).map_err(|_| UnfitKey)?;
    let point = CompressedEdwardsY(*public.as_bytes()).decompress().filter(|point| point.is_torsion_free()).ok_or(UnfitKey)?;
    Ok(PublicKeyBytes((scalar(factor) * point).compress().to_bytes()))
}

/// A blinded private key. Erased when dropped.
pub struct BlindedKey {
    secret: ExpandedSecretKey,
    public: ed25519_dalek::VerifyingKey,
}

impl BlindedKey {
    /// Blinds a private key.
    pub fn new(key: &SigningKey, factor: &[u8; 32]) -> Self {
        let mut hashed: [u8; 64] = Sha512::digest(key.seed()).into();
        let own = ExpandedSecretKey::from_bytes(&hashed);
        hashed.zeroize();
        let mut prefix: [u8; 64] = Sha512::new().chain_update(PREFIX).chain_update(own.hash_prefix).finalize().into();
        let mut hash_prefix = [0; 32];
        hash_prefix.copy_from_slice(prefix.split_at(32).0);
        prefix.zeroize();
        let secret = ExpandedSecretKey { scalar: own.scalar * scalar(factor), hash_prefix };
        let public = ed25519_dalek::VerifyingKey::from(&secret);
        Self { secret, public }
    }

    /// The public half.
    pub fn public(&self) -> PublicKeyBytes {
        PublicKeyBytes(self.public.to_bytes())
    }

    /// Signs a body under a label and a context, as [`SigningKey::sign`] does.
    pub fn sign(&self, label: Label, context: &Digest, body: &[u8]) -> SignatureBytes {
        SignatureBytes(raw_sign::<Sha512>(&self.secret, &message(label, context, body), &self.public).to_bytes())
    }
}

impl fmt::Debug for BlindedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindedKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::SIGN_PRESENCE;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    /// Tor's published vectors (`ed25519_vectors.inc`): seed, public key, factor, blinded
    /// public key, blinded private key as scalar and nonce prefix.
    const TOR: [[&str; 5]; 5] = [
        [
            "26c76712d89d906e6672dafa614c42e5cb1caac8c6568e4d2493087db51f0d36",
            "c2247870536a192d142d056abefca68d6193158e7c1a59c1654c954eccaff894",
            "54a513898b471d1d448a2f3c55c1de2c0ef718c447b04497eeb999ed32027823",
            "1fc1fa4465bd9d4956fdbdc9d3acb3c7019bb8d5606b951c2e1dfe0b42eaeb41",
            "293c3acff4e902f6f63ddc5d5caa2a57e771db4f24de65d4c28df3232f47fa01171d43f24e3f53e70ec7ac280044ac77d4942dee5d6807118a59bdf3ee647e89",
        ],
        [
            "fba7a5366b5cb98c2667a18783f5cf8f4f8d1a2ce939ad22a6e685edde85128d",
            "1519a3b15816a1aafab0b213892026ebf5c0dc232c58b21088d88cb90e9b940d",
            "831e9b5325b5d31b7ae6197e9c7a7baf2ec361e08248bce055908971047a2347",
            "1cbbd4a88ce8f165447f159d9f628ada18674158c4f7c5ead44ce8eb0fa6eb7e",
            "38b88f9f9440358da544504ee152fb475528f7c51c285bd1c68b14ade8e29a07b8ceff20dfcf53eb52b891fc078c934efbf0353af7242e7dc51bb32a093afa29",
        ],
        [
            "67e3aa7a14fac8445d15e45e38a523481a69ae35513c9e4143eb1c2196729a0e",
            "081faa81992e360ea22c06af1aba096e7a73f1c665bc8b3e4e531c46455fd1dd",
            "ac78a1d46faf3bfbbdc5af5f053dc6dc9023ed78236bec1760dadfd0b2603760",
            "c5419ad133ffde7e0ac882055d942f582054132b092de377d587435722deb028",
            "4d03ce16a3f3249846aac9de0a0075061495c3b027248eeee47da4ddbaf9e0049217f52e92797462bd890fc274672e05c98f2c82970d640084781334aae0f940",
        ],
        [
            "c6bbcce615839756aed2cc78b1de13884dd3618f48367a17597a16c1cd7a290b",
            "95126f14d86494020665face03f2d42ee2b312a85bc729903eb17522954a1c4a",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "312404d06a0a9de489904b18d5233e83a50b225977fa8734f2c897a73c067952",
            "e5cd03eb4cc456e11bc36724b558873df0045729b22d8b748360067a7770ac02053d9c00c81e1331c06ab50087be8cfc7dc11691b132614474f1aa9c2503cccd",
        ],
        [
            "c6bbcce615839756aed2cc78b1de13884dd3618f48367a17597a16c1cd7a290b",
            "95126f14d86494020665face03f2d42ee2b312a85bc729903eb17522954a1c4a",
            "1111111111111111111111111111111111111111111111111111111111111111",
            "952a908a4a9e0e5176a2549f8f328955aca6817a9fdc59e3acec5dec50838108",
            "2cf7ed8b163f5af960d2fc62e1883aa422a6090736b4f18a5456ddcaf78ede0c053d9c00c81e1331c06ab50087be8cfc7dc11691b132614474f1aa9c2503cccd",
        ],
    ];

    #[test]
    fn blinding_agrees_with_tors_published_vectors() {
        for [seed, public, factor, blinded_public, blinded_secret] in TOR {
            let key = SigningKey::from_seed(&hex(seed));
            assert_eq!(key.public(), PublicKeyBytes(hex(public)));
            let blinded = BlindedKey::new(&key, &hex(factor));
            assert_eq!(blinded.public(), PublicKeyBytes(hex(blinded_public)));
            assert_eq!(blind_public(&key.public(), &hex(factor)), Ok(blinded.public()));
            let expected: [u8; 64] = hex(blinded_secret);
            assert_eq!(blinded.secret.scalar, Scalar::from_bytes_mod_order(expected[..32].try_into().unwrap()));
            assert_eq!(blinded.secret.hash_prefix, expected[32..]);
        }
    }

    #[test]
    fn a_blinded_signature_is_an_ordinary_one_under_the_blinded_key_only() {
        let key = SigningKey::from_seed(&[1; 32]);
        let blinded = BlindedKey::new(&key, &[2; 32]);
        let signature = blinded.sign(SIGN_PRESENCE, &Digest([3; 32]), b"body");
        let verifies =
            |public: &PublicKeyBytes| VerifyingKey::parse(public).unwrap().verify(SIGN_PRESENCE, &Digest([3; 32]), b"body", &signature);
        assert_eq!(verifies(&blinded.public()), Ok(()));
        assert!(verifies(&key.public()).is_err());
        assert!(verifies(&BlindedKey::new(&key, &[4; 32]).public()).is_err());
    }

    #[test]
    fn a17_keys_that_are_weak_or_outside_the_prime_order_group_cannot_be_blinded() {
        assert_eq!(blind_public(&PublicKeyBytes([0; 32]), &[1; 32]), Err(UnfitKey));
        // A sound key plus a point of order 8: passes as a public key, but its torsion would show through.
        let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
        let point = CompressedEdwardsY(SigningKey::from_seed(&[1; 32]).public().0).decompress().unwrap() + torsion;
        let mixed = PublicKeyBytes(point.compress().to_bytes());
        assert!(VerifyingKey::parse(&mixed).is_ok());
        assert_eq!(blind_public(&mixed, &[1; 32]), Err(UnfitKey));
    }
}
