//! Envelopes: what a mailbox stores and forwards without learning anything.
//!
//! Two kinds, both padded to one of six sizes:
//!
//! ```text
//! first: 01 01 | HPKE encapsulated key 32 B | ciphertext | tag 16 B
//! known: 01 02 | tag 16 B                   | ciphertext | tag 16 B
//! ```
//!
//! *first* goes to somebody whose device does not know ours yet; it costs one HPKE seal.
//! *known* runs between two devices that hold each other's certificates. Its key comes
//! from X25519 of the two certificates and the direction; its counter never repeats, and
//! the tag is a PRF of the counter, so that nobody else can link two envelopes. Neither
//! depends on MLS epochs.

use crate::id::{DeviceId, FrameId};
use crate::kdf::{Secret, derive, mac, sha256};
use crate::labels::{KEY_KNOWN, KEY_KNOWN_SEAL, KEY_KNOWN_TAG, MAC_TAG, SEAL_FIRST, SEAL_KNOWN};
use crate::seal::{AEAD_OVERHEAD, DhKey, DhPublic, HPKE_OVERHEAD, OpenError, aead_open, aead_seal, hpke_open, hpke_seal};

/// The sizes an envelope can have, in bytes.
pub const BUCKETS: [usize; 6] = [512, 2 * 1024, 8 * 1024, 32 * 1024, 128 * 1024, 256 * 1024];

const HEADER: usize = 2;
const FIRST: u8 = 1;
const KNOWN: u8 = 2;
const VERSION: u8 = crate::codec::VERSION;
const TAG: usize = 16;
const LENGTH: usize = 4;

/// The longest payload of a first envelope, in bytes.
pub const FIRST_MAX: usize = 256 * 1024 - HEADER - HPKE_OVERHEAD - LENGTH;
/// The longest payload of a known envelope, in bytes.
pub const KNOWN_MAX: usize = 256 * 1024 - HEADER - TAG - AEAD_OVERHEAD - LENGTH;

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
        [VERSION, FIRST, ..] => Some(Kind::First),
        [VERSION, KNOWN, rest @ ..] => rest.first_chunk::<TAG>().map(|tag| Kind::Known(*tag)),
        _ => None,
    }
}

/// Seals a payload to a public key.
pub fn seal_first<R: rand_core::CryptoRng>(to: &DhPublic, payload: &[u8], rng: &mut R) -> Result<Vec<u8>, TooLong> {
    let padded = pad(payload, HEADER + HPKE_OVERHEAD)?;
    let header = [VERSION, FIRST];
    Ok([header.as_slice(), &hpke_seal(SEAL_FIRST, to, &header, &padded, rng)].concat())
}

/// Opens a first envelope.
pub fn open_first(key: &DhKey, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let Some(Kind::First) = kind(envelope) else { return Err(OpenError) };
    let (header, sealed) = envelope.split_at_checked(HEADER).ok_or(OpenError)?;
    unpad(hpke_open(SEAL_FIRST, key, header, sealed)?)
}

/// The keys of known envelopes in one direction between two devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    seal: Secret,
    tag: Secret,
}

impl KnownKey {
    /// For what `from` writes to `to`; `own` is the private key of either, `other` the
    /// public key of the other.
    pub fn agree(own: &DhKey, other: &DhPublic, from: &DeviceId, to: &DeviceId) -> Self {
        let key = derive(own.agree(other).expose(), KEY_KNOWN, &[from.as_bytes(), to.as_bytes()]);
        Self { seal: derive(key.expose(), KEY_KNOWN_SEAL, &[]), tag: derive(key.expose(), KEY_KNOWN_TAG, &[]) }
    }

    /// The tag of the envelope with this counter.
    pub fn tag(&self, counter: u64) -> [u8; TAG] {
        mac(&self.tag, MAC_TAG, &[&counter.to_be_bytes()])
    }

    /// Seals a payload under a counter that was never used before.
    pub fn seal(&self, counter: u64, payload: &[u8]) -> Result<Vec<u8>, TooLong> {
        let padded = pad(payload, HEADER + TAG + AEAD_OVERHEAD)?;
        let header = [[VERSION, KNOWN].as_slice(), &self.tag(counter)].concat();
        let sealed = aead_seal(&self.seal, counter, SEAL_KNOWN, &header, &padded);
        Ok([header, sealed].concat())
    }

    /// Opens an envelope whose tag is that of `counter`.
    pub fn open(&self, counter: u64, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
        let Some(Kind::Known(_)) = kind(envelope) else { return Err(OpenError) };
        let (header, sealed) = envelope.split_at_checked(HEADER + TAG).ok_or(OpenError)?;
        unpad(aead_open(&self.seal, counter, SEAL_KNOWN, header, sealed)?)
    }
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

    fn pair() -> (KnownKey, KnownKey) {
        let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
        let (from, to) = (DeviceId([1; 16]), DeviceId([2; 16]));
        (KnownKey::agree(&a, &b.public(), &from, &to), KnownKey::agree(&b, &a.public(), &from, &to))
    }

    #[test]
    fn a_first_envelope_has_a_bucket_size_and_opens() {
        let key = DhKey::random(&mut rng());
        for (length, size) in [(0, 512), (458, 512), (459, 2048), (20_000, 32_768), (FIRST_MAX, 262_144)] {
            let payload = vec![7; length];
            let envelope = seal_first(&key.public(), &payload, &mut rng()).unwrap();
            assert_eq!(envelope.len(), size);
            assert_eq!(kind(&envelope), Some(Kind::First));
            assert_eq!(open_first(&key, &envelope), Ok(payload));
        }
        assert_eq!(seal_first(&key.public(), &vec![0; FIRST_MAX + 1], &mut rng()), Err(TooLong));
    }

    #[test]
    fn a_known_envelope_opens_at_the_other_device_under_its_counter() {
        let (sender, receiver) = pair();
        assert_eq!(sender, receiver);
        let envelope = sender.seal(9, b"hello").unwrap();
        assert_eq!(envelope.len(), 512);
        assert_eq!(kind(&envelope), Some(Kind::Known(receiver.tag(9))));
        assert_eq!(receiver.open(9, &envelope), Ok(b"hello".to_vec()));
        assert_eq!(receiver.open(10, &envelope), Err(OpenError));
        assert_eq!(sender.seal(0, &vec![0; KNOWN_MAX]).unwrap().len(), 262_144);
        assert_eq!(sender.seal(0, &vec![0; KNOWN_MAX + 1]), Err(TooLong));
    }

    #[test]
    fn the_two_directions_have_different_keys() {
        let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
        let (x, y) = (DeviceId([1; 16]), DeviceId([2; 16]));
        assert_ne!(KnownKey::agree(&a, &b.public(), &x, &y), KnownKey::agree(&a, &b.public(), &y, &x));
    }

    #[test]
    fn an_altered_envelope_does_not_open() {
        let (sender, receiver) = pair();
        let envelope = sender.seal(9, b"hello").unwrap();
        for at in 0..envelope.len() {
            let mut bad = envelope.clone();
            bad[at] ^= 0x10;
            assert_eq!(receiver.open(9, &bad), Err(OpenError), "byte {at}");
        }
    }

    #[test]
    fn bytes_of_another_size_version_or_kind_are_no_envelope() {
        for bytes in [vec![], vec![1; 511], vec![1; 513], vec![2; 512], vec![0; 512], vec![1; 300_000]] {
            assert!(!matches!(kind(&bytes), Some(Kind::Known(_))));
        }
        let mut third_kind = vec![0; 512];
        third_kind[..2].copy_from_slice(&[1, 3]);
        assert_eq!(kind(&third_kind), None);
    }
}
