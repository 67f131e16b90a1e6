//! Records as lookup stores see them: signed by a key that is blinded for one day, hidden,
//! and of a few sizes. Anybody checks one without knowing whose it is.

use crate::blind::{BlindedKey, UnfitKey, blind_public};
use crate::codec::{self, CodecError};
use crate::id::{Digest, LookupId, PublicKeyBytes, SignatureBytes};
use crate::kdf::{Secret, derive, hash};
use crate::labels::{
    HASH_BLIND_BODY, HASH_BLIND_HEADER, HASH_LOOKUP, KEY_COUNTER, KEY_OUTER, KEY_OUTER_BODY, KEY_OUTER_HEADER, SEAL_OUTER, SIGN_PRESENCE,
};
use crate::seal::{AEAD_OVERHEAD, OpenError, aead_open, aead_seal};
use crate::sign::{SigningKey, VerifyingKey};
use crate::time::{DAY, Timestamp};
use core::fmt;
use minicbor::{Decode, Encode};

/// The longest record, in bytes.
pub const RECORD_MAX: usize = 16 * 1024;
/// Sizes of what is sealed in a record.
pub const BUCKETS: [usize; 6] = [512, 1024, 2 * 1024, 4 * 1024, 8 * 1024, 15 * 1024];
/// How far ahead a record may end.
pub const LIFE_MAX: u64 = 3 * DAY;
/// Days for which an owner makes records ahead.
pub const DAYS_AHEAD: u32 = 14;
/// Where the counters of headers begin, behind the place that only readers know: above all that were counted in milliseconds.
const HEADER_MARKS: u64 = 1 << 33;
/// Bytes of the random number in a record.
const NONCE: usize = 12;
/// Bytes before the content.
const LENGTH: usize = 4;

/// The whole days since the Unix epoch.
pub fn day_of(now: Timestamp) -> u32 {
    u32::try_from(now.0 / DAY).unwrap_or(u32::MAX)
}

/// When a day begins.
pub fn start_of(day: u32) -> Timestamp {
    Timestamp(u64::from(day).saturating_mul(DAY))
}

/// When the records of a day end: with the day after, on which readers whose clock is
/// behind still look for them. The same for everybody, so it tells nothing.
pub fn end_of(day: u32) -> Timestamp {
    start_of(day).after(2 * DAY)
}

/// Where one record of one day lies, and what hides it.
pub struct Slot {
    day: u32,
    factor: Digest,
    outer: Secret,
}

impl Slot {
    /// Of a header: anyone who knows the lookup key finds it.
    pub fn of_header(lookup: &PublicKeyBytes, day: u32) -> Self {
        let parts: [&[u8]; 2] = [lookup.as_bytes(), &day.to_be_bytes()];
        Self { day, factor: hash(HASH_BLIND_HEADER, &parts), outer: derive(lookup.as_bytes(), KEY_OUTER_HEADER, &[&day.to_be_bytes()]) }
    }

    /// Of a body: anyone who has opened the header finds it.
    pub fn of_body(lookup: &PublicKeyBytes, day: u32, wrapped: &Secret) -> Self {
        let factor = hash(HASH_BLIND_BODY, &[lookup.as_bytes(), &day.to_be_bytes(), wrapped.expose()]);
        Self { day, factor, outer: derive(wrapped.expose(), KEY_OUTER_BODY, &[lookup.as_bytes(), &day.to_be_bytes()]) }
    }

    /// Under which it is looked up.
    pub fn id(&self, lookup: &PublicKeyBytes) -> Result<LookupId, UnfitKey> {
        Ok(lookup_id(&blind_public(lookup, self.factor.as_bytes())?))
    }

    /// The record's counter at a mark. It begins somewhere else for each record of each
    /// day, so that counters link no two records.
    fn counter(&self, mark: u64) -> u64 {
        let secret = derive(self.outer.expose(), KEY_COUNTER, &[]);
        let [a, b, c, d, e, ..] = *secret.expose();
        u64::from_be_bytes([0, 0, 0, a, b, c, d, e]).saturating_add(mark)
    }

    fn mark_at(&self, now: Timestamp) -> u64 {
        now.since(Timestamp(start_of(self.day).0.saturating_sub((u64::from(DAYS_AHEAD) + 2) * DAY)))
    }

    /// Makes the record of a header. Its counter tells the version and no time, since a former friend can compute where counters of
    /// headers begin.
    pub fn seal_header<R: rand_core::CryptoRng + ?Sized>(
        &self,
        lookup: &SigningKey,
        version: u64,
        content: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>, TooLong> {
        self.seal_marked(lookup, HEADER_MARKS.saturating_add(version), content, rng)
    }

    /// Makes the record. `now` must be later than at any record made for this slot before.
    pub fn seal<R: rand_core::CryptoRng + ?Sized>(
        &self,
        lookup: &SigningKey,
        now: Timestamp,
        content: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>, TooLong> {
        self.seal_marked(lookup, self.mark_at(now), content, rng)
    }

    fn seal_marked<R: rand_core::CryptoRng + ?Sized>(
        &self,
        lookup: &SigningKey,
        mark: u64,
        content: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>, TooLong> {
        let bucket = BUCKETS.into_iter().find(|size| content.len() + LENGTH + AEAD_OVERHEAD <= *size).ok_or(TooLong)?;
        let length = u32::try_from(content.len()).map_err(|_| TooLong)?;
        let mut padded = [&length.to_be_bytes()[..], content].concat();
        padded.resize(bucket - AEAD_OVERHEAD, 0);
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let key = BlindedKey::new(lookup, self.factor.as_bytes());
        let body = Body {
            key: key.public(),
            counter: self.counter(mark),
            expires: end_of(self.day),
            sealed: aead_seal(&self.once(&nonce), 0, SEAL_OUTER, key.public().as_bytes(), &padded),
            nonce,
        };
        let body = codec::encode(&body);
        let signature = key.sign(SIGN_PRESENCE, &context(), &body);
        Ok(codec::encode(&Signed { body, signature }))
    }

    /// Reads what is in a record of this slot.
    pub fn open(&self, record: &Record) -> Result<Vec<u8>, OpenError> {
        let body = &record.body;
        let padded = aead_open(&self.once(&body.nonce), 0, SEAL_OUTER, body.key.as_bytes(), &body.sealed)?;
        let (length, rest) = padded.split_first_chunk::<LENGTH>().ok_or(OpenError)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| OpenError)?;
        let (content, padding) = rest.split_at_checked(length).ok_or(OpenError)?;
        if padding.iter().any(|byte| *byte != 0) { Err(OpenError) } else { Ok(content.to_vec()) }
    }

    /// A key of its own for each random number, so that chance never meets the cipher's limits.
    fn once(&self, nonce: &[u8; NONCE]) -> Secret {
        derive(self.outer.expose(), KEY_OUTER, &[nonce])
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot(..)")
    }
}

/// The content does not fit into a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Under which a blinded key's record is looked up.
pub fn lookup_id(key: &PublicKeyBytes) -> LookupId {
    LookupId(hash(HASH_LOOKUP, &[key.as_bytes()]).0)
}

fn context() -> Digest {
    Digest([0; 32])
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Signed {
    #[cbor(n(0), with = "minicbor::bytes")]
    body: Vec<u8>,
    #[n(1)]
    signature: SignatureBytes,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Body {
    #[n(0)]
    key: PublicKeyBytes,
    #[n(1)]
    counter: u64,
    #[n(2)]
    expires: Timestamp,
    #[cbor(n(3), with = "minicbor::bytes")]
    nonce: [u8; NONCE],
    #[cbor(n(4), with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

/// A record of which all is checked that can be without knowing whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Under which it is looked up.
    pub id: LookupId,
    body: Body,
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// Too long, or not in the one encoding.
    Codec(CodecError),
    /// Not of one of the sizes.
    Size,
    /// The key is none that may be trusted with anything.
    WeakKey,
    /// Not signed by its key.
    Signature,
    /// It has ended.
    Expired,
    /// It ends later than any record may.
    TooFar,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(error) => write!(f, "the record is {error}"),
            Self::Size => f.write_str("the record is of no size that records have"),
            Self::WeakKey => f.write_str("the record's key is weak"),
            Self::Signature => f.write_str("the record is not signed by its key"),
            Self::Expired => f.write_str("the record has ended"),
            Self::TooFar => f.write_str("the record ends too far ahead"),
        }
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// Reads and checks a record.
    pub fn read(bytes: &[u8], now: Timestamp) -> Result<Self, RecordError> {
        let record = Self::read_early(bytes, now)?;
        if record.expires().0 > now.after(LIFE_MAX).after(crate::time::CLOCK_SKEW).0 { Err(RecordError::TooFar) } else { Ok(record) }
    }

    /// Like [`Record::read`], but the record may be made for a day that is still to come.
    pub fn read_early(bytes: &[u8], now: Timestamp) -> Result<Self, RecordError> {
        let signed: Signed = codec::decode(bytes, RECORD_MAX).map_err(RecordError::Codec)?;
        let body: Body = codec::decode(&signed.body, RECORD_MAX).map_err(RecordError::Codec)?;
        if !BUCKETS.contains(&body.sealed.len()) {
            return Err(RecordError::Size);
        }
        if body.expires.is_expired_at(now) {
            return Err(RecordError::Expired);
        }
        if body.expires.0 > now.after(LIFE_MAX + u64::from(DAYS_AHEAD) * DAY).0 {
            return Err(RecordError::TooFar);
        }
        let key = VerifyingKey::parse(&body.key).map_err(|_| RecordError::WeakKey)?;
        key.verify(SIGN_PRESENCE, &context(), &signed.body, &signed.signature).map_err(|_| RecordError::Signature)?;
        Ok(Self { id: lookup_id(&body.key), body })
    }

    /// Of two records under one id the one with the higher counter holds.
    pub fn counter(&self) -> u64 {
        self.body.counter
    }

    /// When it ends.
    pub fn expires(&self) -> Timestamp {
        self.body.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(4)
    }

    fn key() -> SigningKey {
        SigningKey::from_seed(&[5; 32])
    }

    fn made(content: &[u8]) -> (Slot, Vec<u8>) {
        let slot = Slot::of_header(&key().public(), day_of(NOW));
        let bytes = slot.seal(&key(), NOW, content, &mut rng()).unwrap();
        (slot, bytes)
    }

    #[test]
    fn a_record_opens_at_its_place_only_and_lies_under_its_id() {
        let (slot, bytes) = made(b"content");
        let record = Record::read(&bytes, NOW).unwrap();
        assert_eq!(slot.open(&record), Ok(b"content".to_vec()));
        assert_eq!(slot.id(&key().public()), Ok(record.id));
        assert_eq!(Slot::of_header(&key().public(), day_of(NOW) + 1).open(&record), Err(OpenError));
        assert_eq!(Slot::of_body(&key().public(), day_of(NOW), &Secret::from_bytes([1; 32])).open(&record), Err(OpenError));
    }

    #[test]
    fn a72_a_record_with_any_bit_changed_is_refused() {
        let (_, bytes) = made(b"content");
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::read(&bad, NOW).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a75_who_knows_the_public_lookup_key_only_can_sign_no_record() {
        // The best that an ex-friend has: another private key, for the right slot.
        let slot = Slot::of_header(&key().public(), day_of(NOW) + 1);
        let forged = slot.seal(&SigningKey::from_seed(&[6; 32]), NOW, b"content", &mut rng()).unwrap();
        assert_ne!(Some(Record::read(&forged, NOW).unwrap().id), slot.id(&key().public()).ok());
    }

    #[test]
    fn a77_records_that_are_long_of_odd_size_over_or_far_ahead_are_refused() {
        assert_eq!(Record::read(&vec![1; RECORD_MAX + 1], NOW), Err(RecordError::Codec(CodecError::TooLong)));
        let (slot, bytes) = made(b"content");
        assert_eq!(slot.seal(&key(), NOW, &vec![0; 15 * 1024], &mut rng()), Err(TooLong));
        let end = end_of(day_of(NOW));
        assert_eq!(Record::read(&bytes, end.after(crate::time::CLOCK_SKEW + 1)), Err(RecordError::Expired));
        let ahead = Slot::of_header(&key().public(), day_of(NOW) + 5).seal(&key(), NOW, b"", &mut rng()).unwrap();
        assert_eq!(Record::read(&ahead, NOW), Err(RecordError::TooFar));
        assert!(Record::read_early(&ahead, NOW).is_ok());
        let far = Slot::of_header(&key().public(), day_of(NOW) + 30).seal(&key(), NOW, b"", &mut rng()).unwrap();
        assert_eq!(Record::read_early(&far, NOW), Err(RecordError::TooFar));
        let signed: Signed = codec::decode(&bytes, RECORD_MAX).unwrap();
        let mut body: Body = codec::decode(&signed.body, RECORD_MAX).unwrap();
        body.sealed.push(0);
        let odd = codec::encode(&Signed { body: codec::encode(&body), ..signed });
        assert_eq!(Record::read(&odd, NOW), Err(RecordError::Size));
    }

    #[test]
    fn every_size_of_content_goes_into_the_next_bucket() {
        for (content, sealed) in [(0, 512), (492, 512), (493, 1024), (4_000, 4096), (15 * 1024 - 20, 15 * 1024)] {
            let (slot, bytes) = made(&vec![7; content]);
            assert!(bytes.len() <= RECORD_MAX);
            let record = Record::read(&bytes, NOW).unwrap();
            assert_eq!(record.body.sealed.len(), sealed);
            assert_eq!(slot.open(&record).unwrap().len(), content);
        }
    }

    #[test]
    fn counters_rise_within_a_day_and_link_no_two_days() {
        let slots: Vec<Slot> = (0..10).map(|n| Slot::of_header(&key().public(), day_of(NOW) + n)).collect();
        for slot in &slots {
            assert!(slot.counter(slot.mark_at(NOW)) < slot.counter(slot.mark_at(NOW.after(1))));
            let last = end_of(slot.day);
            assert!(slot.counter(slot.mark_at(last)) < slot.counter(HEADER_MARKS), "headers of before counted milliseconds");
        }
        let steps: Vec<u64> =
            slots.windows(2).map(|pair| pair[0].counter(pair[0].mark_at(NOW)).abs_diff(pair[1].counter(pair[1].mark_at(NOW)))).collect();
        assert!(steps.iter().all(|step| step % DAY != 0), "made at once, but a day apart they do not look it");
    }
}
