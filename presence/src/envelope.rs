//! Envelopes: what a mailbox stores and forwards without learning anything.
//!
//! Two kinds, both padded to one of six sizes:
//!
//! ```text
//! first: 01 04 | HPKE encapsulated key 1,120 B | ciphertext | tag 16 B
//! known: 01 03 | tag 16 B | nonce 12 B         | ciphertext | tag 16 B
//! ```
//!
//! *first* goes to somebody whose device does not know ours yet, or who may share no state with us
//! any more; it costs one HPKE seal with X-Wing. *known* runs between two devices that hold each other's
//! certificates, under a seed of the receiver ([`crate::seeds`]). The tag is a PRF of the counter, so
//! that nobody else can link two envelopes; the nonce is random, so that an older copy of a folder,
//! which uses counters a second time, gives nothing of either text away. Neither depends on MLS epochs.

use crate::id::FrameId;
use crate::kdf::{Secret, sha256};
use crate::kem::{KEM_OVERHEAD, KemKey, KemPublic, Psk, kem_open, kem_seal};
use crate::labels::{Label, SEAL_DIRECT, SEAL_FIRST, SEAL_KNOWN};
use crate::seal::{
    AEAD_OVERHEAD, DhKey, DhPublic, HPKE_OVERHEAD, NONCE, OpenError, aead_open, aead_open_random, aead_seal_random, hpke_open, hpke_seal,
};

/// The sizes an envelope can have, in bytes.
pub const BUCKETS: [usize; 6] = [512, 2 * 1024, 8 * 1024, 32 * 1024, 128 * 1024, 256 * 1024];

const HEADER: usize = 2;
/// First envelopes under X25519 alone: only to the certificate of a friend whose keys of X-Wing are not known, because
/// one of both builds was older when they became friends.
const BEFORE: u8 = 1;
const FIRST: u8 = 4;
/// Known envelopes of older builds, without a nonce of their own.
const COUNTED: u8 = 2;
const KNOWN: u8 = 3;
const VERSION: u8 = crate::codec::VERSION;
/// The length of the tag of a known envelope, in bytes.
pub const TAG: usize = 16;
const LENGTH: usize = 4;

/// The longest payload of a first envelope, in bytes.
pub const FIRST_MAX: usize = 256 * 1024 - HEADER - KEM_OVERHEAD - LENGTH;
/// The longest payload of a known envelope, in bytes.
pub const KNOWN_MAX: usize = 256 * 1024 - HEADER - TAG - NONCE - AEAD_OVERHEAD - LENGTH;

/// The payload does not fit the largest size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// What kind of envelope these bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To a queue's or device's public key.
    First,
    /// Between devices that know each other, with its tag.
    Known([u8; TAG]),
}

/// The id of an envelope: SHA-256 of its bytes.
pub fn frame_id(envelope: &[u8]) -> FrameId {
    FrameId(sha256(envelope))
}

/// The index of the size in [`BUCKETS`] that an envelope has; none when it has no such size.
pub fn bucket(envelope: &[u8]) -> Option<u8> {
    BUCKETS.iter().position(|size| *size == envelope.len()).and_then(|index| u8::try_from(index).ok())
}

/// Looks at an envelope's first bytes. None when the version, kind or size is not one of ours.
pub fn kind(envelope: &[u8]) -> Option<Kind> {
    bucket(envelope)?;
    match envelope {
        [VERSION, BEFORE | FIRST, ..] => Some(Kind::First),
        [VERSION, COUNTED | KNOWN, rest @ ..] => rest.first_chunk::<TAG>().map(|tag| Kind::Known(*tag)),
        _ => None,
    }
}

/// Seals a payload to a contact package. With a `psk` only its holder opens it who has that as well.
pub fn seal_first<R: rand_core::CryptoRng>(to: &KemPublic, psk: Option<&Psk>, payload: &[u8], rng: &mut R) -> Result<Vec<u8>, TooLong> {
    seal_to(SEAL_FIRST, to, psk, payload, rng)
}

/// Opens a first envelope that was sealed to a contact package.
pub fn open_first(key: &KemKey, psk: Option<&Psk>, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    open_sealed(SEAL_FIRST, key, psk, envelope)
}

/// Seals a payload to the direct key of a friend's device.
pub fn seal_direct<R: rand_core::CryptoRng>(to: &KemPublic, payload: &[u8], rng: &mut R) -> Result<Vec<u8>, TooLong> {
    seal_to(SEAL_DIRECT, to, None, payload, rng)
}

/// Opens a first envelope that was sealed to our direct key.
pub fn open_direct(key: &KemKey, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    open_sealed(SEAL_DIRECT, key, None, envelope)
}

/// Seals a payload to the certificate of a friend's device whose direct key is not known: both became friends before
/// there were any.
pub fn seal_before<R: rand_core::CryptoRng>(to: &DhPublic, payload: &[u8], rng: &mut R) -> Result<Vec<u8>, TooLong> {
    let padded = pad(payload, HEADER + HPKE_OVERHEAD)?;
    let header = [VERSION, BEFORE];
    Ok([header.as_slice(), &hpke_seal(SEAL_DIRECT, to, &header, &padded, rng)].concat())
}

/// Opens what [`seal_before`] made.
pub fn open_before(key: &DhKey, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (header, sealed) = first_parts(BEFORE, envelope)?;
    unpad(hpke_open(SEAL_DIRECT, key, header, sealed)?)
}

/// Whether an envelope is one of [`seal_before`].
pub fn is_of_before(envelope: &[u8]) -> bool {
    first_parts(BEFORE, envelope).is_ok()
}

fn seal_to<R: rand_core::CryptoRng>(
    label: Label,
    to: &KemPublic,
    psk: Option<&Psk>,
    payload: &[u8],
    rng: &mut R,
) -> Result<Vec<u8>, TooLong> {
    let padded = pad(payload, HEADER + KEM_OVERHEAD)?;
    let header = [VERSION, FIRST];
    Ok([header.as_slice(), &kem_seal(label, to, psk, &header, &padded, rng)].concat())
}

fn open_sealed(label: Label, key: &KemKey, psk: Option<&Psk>, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (header, sealed) = first_parts(FIRST, envelope)?;
    unpad(kem_open(label, key, psk, header, sealed)?)
}

/// Header and sealed part of a first envelope of this kind.
fn first_parts(kind: u8, envelope: &[u8]) -> Result<(&[u8], &[u8]), OpenError> {
    bucket(envelope).ok_or(OpenError)?;
    let (header, sealed) = envelope.split_at_checked(HEADER).ok_or(OpenError)?;
    if header == [VERSION, kind] { Ok((header, sealed)) } else { Err(OpenError) }
}

/// Wraps a payload into a known envelope. Used with the keys of [`crate::seeds`] alone.
pub(crate) fn cover(key: &Secret, tag: &[u8; TAG], nonce: &[u8; NONCE], payload: &[u8]) -> Result<Vec<u8>, TooLong> {
    let padded = pad(payload, HEADER + TAG + NONCE + AEAD_OVERHEAD)?;
    let header = [[VERSION, KNOWN].as_slice(), tag].concat();
    let sealed = aead_seal_random(key, nonce, SEAL_KNOWN, &header, &padded);
    Ok([header.as_slice(), nonce, &sealed].concat())
}

/// Opens a known envelope of an older build.
pub(crate) fn uncover_before(key: &Secret, counter: u64, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    if envelope.get(1) != Some(&COUNTED) {
        return uncover(key, envelope);
    }
    let (header, sealed) = envelope.split_at_checked(HEADER + TAG).ok_or(OpenError)?;
    unpad(aead_open(key, counter, SEAL_KNOWN, header, sealed)?)
}

/// Opens a known envelope.
pub(crate) fn uncover(key: &Secret, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let Some(Kind::Known(_)) = kind(envelope) else { return Err(OpenError) };
    let (header, rest) = envelope.split_at_checked(HEADER + TAG).ok_or(OpenError)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(OpenError)?;
    unpad(aead_open_random(key, nonce, SEAL_KNOWN, header, sealed)?)
}

/// Length (4 B, big-endian), payload, zeros up to the smallest fitting size.
fn pad(payload: &[u8], overhead: usize) -> Result<Vec<u8>, TooLong> {
    let length = u32::try_from(payload.len()).map_err(|_| TooLong)?;
    let need = payload.len().saturating_add(LENGTH + overhead);
    let size = BUCKETS.iter().find(|size| **size >= need).ok_or(TooLong)?;
    let mut out = Vec::with_capacity(size - overhead);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(payload);
    out.resize(size - overhead, 0);
    Ok(out)
}

/// Takes the padding off; refuses any that is not zeros.
fn unpad(padded: Vec<u8>) -> Result<Vec<u8>, OpenError> {
    let (length, rest) = padded.split_first_chunk::<LENGTH>().ok_or(OpenError)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| OpenError)?;
    let (payload, zeros) = rest.split_at_checked(length).ok_or(OpenError)?;
    if zeros.iter().any(|byte| *byte != 0) {
        return Err(OpenError);
    }
    Ok(payload.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(5)
    }

    #[test]
    fn a_first_envelope_has_a_bucket_size_and_opens() {
        let key = KemKey::random(&mut rng());
        for (length, size) in [(0, 2048), (906, 2048), (907, 8192), (20_000, 32_768), (FIRST_MAX, 262_144)] {
            let payload = vec![7; length];
            let envelope = seal_first(&key.public(), None, &payload, &mut rng()).unwrap();
            assert_eq!(envelope.len(), size);
            assert_eq!(kind(&envelope), Some(Kind::First));
            assert_eq!(open_first(&key, None, &envelope), Ok(payload));
        }
        assert_eq!(seal_first(&key.public(), None, &vec![0; FIRST_MAX + 1], &mut rng()), Err(TooLong));
    }

    #[test]
    fn a_first_envelope_of_an_older_build_opens_by_the_certificate_and_by_nothing_else() {
        let (old, new) = (DhKey::random(&mut rng()), KemKey::random(&mut rng()));
        let before = seal_before(&old.public(), b"hello", &mut rng()).unwrap();
        assert_eq!((before.len(), kind(&before), is_of_before(&before)), (512, Some(Kind::First), true));
        assert_eq!(open_before(&old, &before), Ok(b"hello".to_vec()));
        assert!(open_direct(&new, &before).is_err() && open_first(&new, None, &before).is_err());
        let now = seal_direct(&new.public(), b"hello", &mut rng()).unwrap();
        assert!(!is_of_before(&now) && open_before(&old, &now).is_err());
        let posing = [&[VERSION, BEFORE], &now[2..]].concat();
        assert!(open_before(&old, &posing).is_err() && open_direct(&new, &posing).is_err());
    }

    #[test]
    fn an_envelope_to_a_package_is_none_to_a_direct_key_and_the_other_way_round() {
        let key = KemKey::random(&mut rng());
        let first = seal_first(&key.public(), None, b"a", &mut rng()).unwrap();
        let direct = seal_direct(&key.public(), b"b", &mut rng()).unwrap();
        assert_eq!((open_first(&key, None, &first), open_direct(&key, &direct)), (Ok(b"a".to_vec()), Ok(b"b".to_vec())));
        assert!(open_direct(&key, &first).is_err() && open_first(&key, None, &direct).is_err());
    }

    #[test]
    fn bytes_of_another_size_version_or_kind_are_no_envelope() {
        for bytes in [vec![], vec![1; 511], vec![1; 513], vec![2; 512], vec![0; 512], vec![1; 300_000]] {
            assert!(!matches!(kind(&bytes), Some(Kind::Known(_))));
        }
        for other_kind in [0, 5] {
            let mut envelope = vec![0; 512];
            envelope[..2].copy_from_slice(&[1, other_kind]);
            assert_eq!(kind(&envelope), None);
        }
    }
}
