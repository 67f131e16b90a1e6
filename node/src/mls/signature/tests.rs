//! What AWS-LC and the check beside it take is what ed25519-dalek takes strictly.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::{BadSignature, LeafSigner, SMALL_ORDER, is_of_small_order, verify};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::VerifyingKey;
use openmls_traits::signatures::Signer as _;
use sha2::{Digest as _, Sha512};

/// The order of the group (RFC 8032, section 5.1), little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0x10,
];

/// What another library says, strictly.
fn strictly(key: &[u8; 32], data: &[u8], signature: &[u8; 64]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(data, &signature).is_ok())
}

fn plus_order(s: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    let mut sum = s;
    for (byte, order) in sum.iter_mut().zip(ORDER) {
        let all = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (all as u8, all >> 8);
    }
    sum
}

#[test]
fn every_encoding_of_a_point_of_small_order_is_known_and_no_other_point() {
    for point in EIGHT_TORSION {
        let mut bytes = point.compress().to_bytes();
        assert!(is_of_small_order(&bytes));
        bytes[31] ^= 0x80;
        assert!(is_of_small_order(&bytes));
    }
    for y in SMALL_ORDER {
        assert!(CompressedEdwardsY(y).decompress().unwrap().is_small_order(), "{y:?}");
    }
    for number in 1..100_u64 {
        assert!(!is_of_small_order(&(ED25519_BASEPOINT_POINT * Scalar::from(number)).compress().to_bytes()), "{number}");
    }
}

#[test]
fn keys_and_signatures_with_a_part_of_small_order_are_taken_as_by_the_other_library() {
    let (mut taken, mut refused) = (0, 0);
    let mut agree = |key: &[u8; 32], data: &[u8], signature: &[u8; 64]| {
        let is_good = verify(key, data, signature).is_ok();
        assert_eq!(is_good, strictly(key, data, signature), "{key:?} {signature:?}");
        if is_good { taken += 1 } else { refused += 1 }
    };
    for (number, secret) in (0..4_u8).zip([Scalar::ZERO, Scalar::ONE, Scalar::from(77_u8), -Scalar::from(5_u8)]) {
        for of_key in EIGHT_TORSION {
            let key = (ED25519_BASEPOINT_POINT * secret + of_key).compress().to_bytes();
            for of_r in EIGHT_TORSION {
                for (data, drawn) in
                    [[number, 1], [number, 2], [number, 3]].into_iter().zip([Scalar::ZERO, Scalar::from(9_u8), -Scalar::ONE])
                {
                    let r = (ED25519_BASEPOINT_POINT * drawn + of_r).compress().to_bytes();
                    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(data).finalize();
                    let s = (drawn + Scalar::from_bytes_mod_order_wide(&hash.into()) * secret).to_bytes();
                    for s in [s, plus_order(s)] {
                        agree(&key, &data, &[r, s].concat().try_into().unwrap());
                    }
                }
            }
        }
    }
    // Good are those whose R has no part of small order and is not zero, when the challenge cancels that of the key.
    assert!(taken >= 10 && refused > 1_000, "{taken} taken, {refused} refused");
}

#[test]
fn a_signature_with_any_bit_changed_is_refused_and_so_is_one_under_a_number_beyond_the_field() {
    let signer = LeafSigner::new(&[7; 32]).unwrap();
    let (key, data) = (signer.public(), b"a text");
    let signature: [u8; 64] = signer.sign(data).unwrap().try_into().unwrap();
    assert_eq!(verify(&key, data, &signature), Ok(()));
    assert!(strictly(&key, data, &signature), "the other library takes what this one signs");
    assert_eq!(signature, ed25519_dalek::Signer::sign(&ed25519_dalek::SigningKey::from_bytes(&[7; 32]), data).to_bytes());
    for bit in 0..512 {
        let mut other = signature;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify(&key, data, &other), Err(BadSignature::Other), "{bit}");
    }
    for bit in 0..256 {
        let mut other = key;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify(&other, data, &signature), Err(BadSignature::Other), "{bit}");
    }
    for above in 0..19_u8 {
        // p + above, which stands for the same y as `above`.
        let mut y = [0xff; 32];
        (y[0], y[31]) = (0xed + above, 0x7f);
        for (key, signature) in [(y, signature), (key, [y, [0; 32]].concat().try_into().unwrap())] {
            assert_eq!(verify(&key, data, &signature).is_ok(), strictly(&key, data, &signature), "{above}");
            assert_eq!(verify(&key, data, &signature), Err(BadSignature::Other));
        }
    }
    assert_eq!(verify(&key[..31], data, &signature), Err(BadSignature::Key));
    assert_eq!(verify(&key, data, &signature[..63]), Err(BadSignature::Length));
}
