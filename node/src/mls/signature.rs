//! Ed25519 of leaves (RFC 8032), by AWS-LC.
//!
//! Each text of a room is signed by its writer and verified by each reader, so no other step of a text costs more. Verified strictly, as
//! everything else in the protocol is: `s` below the order of the group and `R` by its canonical bytes (AWS-LC checks
//! both), key and `R` not of small order (checked here).

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use symbolon_core::world::CipherError;

/// Bytes of a public key, and of half a signature.
const POINT: usize = 32;

/// The y of the points whose order divides eight, without the sign bit: of orders 4, 1, 8, 8 and 2, then of orders 4 and 1 again, as
/// numbers that are not below the field's prime.
const SMALL_ORDER: [[u8; POINT]; 7] = [
    edge(0x00, 0x00, 0x00),
    edge(0x01, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
        0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
        0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    edge(0xec, 0xff, 0x7f),
    edge(0xed, 0xff, 0x7f),
    edge(0xee, 0xff, 0x7f),
];

const fn edge(first: u8, between: u8, last: u8) -> [u8; POINT] {
    let mut bytes = [between; POINT];
    bytes[0] = first;
    bytes[POINT - 1] = last;
    bytes
}

/// Whether these bytes stand for a point of small order, in any encoding.
fn is_of_small_order(point: &[u8; POINT]) -> bool {
    let mut y = *point;
    y[POINT - 1] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// The signature is not that of this key for these bytes, or the key is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadSignature {
    /// The key has another length.
    Key,
    /// The signature has another length.
    Length,
    /// It is of something else, or of somebody else; or key or `R` are of small order.
    Other,
}

/// Verifies strictly.
pub(super) fn verify(key: &[u8], data: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let key: &[u8; POINT] = key.try_into().map_err(|_| BadSignature::Key)?;
    let signature: &[u8; 2 * POINT] = signature.try_into().map_err(|_| BadSignature::Length)?;
    let (r, _) = signature.split_first_chunk().ok_or(BadSignature::Length)?;
    if is_of_small_order(key) || is_of_small_order(r) {
        return Err(BadSignature::Other);
    }
    UnparsedPublicKey::new(&ED25519, key).verify(data, signature).map_err(|_| BadSignature::Other)
}

/// Signs for one leaf. AWS-LC erases the key when this is dropped.
pub(super) struct LeafSigner {
    pair: Ed25519KeyPair,
    public: [u8; POINT],
}

/// There is no memory for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoSigner;

impl From<NoSigner> for CipherError {
    fn from(NoSigner: NoSigner) -> Self {
        Self::Store
    }
}

impl LeafSigner {
    /// From the private key's 32 bytes (RFC 8032 seed).
    pub fn new(secret: &[u8; 32]) -> Result<Self, NoSigner> {
        let pair = Ed25519KeyPair::from_seed_unchecked(secret).map_err(|_| NoSigner)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoSigner)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    pub fn public(&self) -> [u8; POINT] {
        self.public
    }
}

impl Signer for LeafSigner {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signature = self.pair.try_sign(payload).map_err(|_| SignerError::SigningError)?;
        Ok(signature.as_ref().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

#[cfg(test)]
mod tests;
