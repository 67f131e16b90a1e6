//! What holds for every value: one encoding, one padded size, one set of words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use minicbor::{Decode, Encode};
use proptest::prelude::*;
use rand_core::SeedableRng;
use symbolon_presence::address::Address;
use symbolon_presence::codec::{self, CodecError};
use symbolon_presence::envelope::{self, BUCKETS, FIRST_MAX, KNOWN_MAX, Kind};
use symbolon_presence::id::{DeviceId, GrantId, PeerId, RoomId};
use symbolon_presence::identity::DeviceCertBody;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::{KEM_OVERHEAD, KemKey};
use symbolon_presence::seal::DhKey;
use symbolon_presence::seeds::{FAR_AHEAD, Ratchet, Seed};
use symbolon_presence::time::Timestamp;
use symbolon_presence::words::{fingerprint_words, words_match};

/// Every kind of field that our records have.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
struct Every {
    #[n(0)]
    number: u64,
    #[n(1)]
    text: Option<String>,
    #[cbor(n(2), with = "minicbor::bytes")]
    bytes: Option<Vec<u8>>,
    #[n(3)]
    id: PeerId,
    #[n(4)]
    list: Vec<Address>,
    #[n(5)]
    flag: bool,
    #[n(6)]
    choice: Choice,
    #[n(7)]
    certificate: Option<DeviceCertBody>,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
enum Choice {
    #[n(0)]
    Bare,
    #[n(1)]
    Counted(#[n(0)] u64),
    #[n(2)]
    Long(#[n(0)] Address),
}

/// Small and huge numbers alike, so that every width of a CBOR head is met.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
}

fn address() -> impl Strategy<Value = Address> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Address)
}

fn certificate() -> impl Strategy<Value = DeviceCertBody> {
    (any::<[u8; 16]>(), any::<[u8; 32]>(), number(), number(), number()).prop_map(|(device, key, from, until, serial)| DeviceCertBody {
        device: DeviceId(device),
        signing: symbolon_presence::id::PublicKeyBytes(key),
        dh: symbolon_presence::id::PublicKeyBytes(key),
        not_before: Timestamp(from),
        not_after: Timestamp(until),
        serial,
        alias: (serial % 2 == 1).then_some(serial),
    })
}

fn every() -> impl Strategy<Value = Every> {
    let choice = prop_oneof![Just(Choice::Bare), number().prop_map(Choice::Counted), address().prop_map(Choice::Long)];
    (
        number(),
        prop::option::of(".{0,20}"),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
        any::<[u8; 32]>(),
        prop::collection::vec(address(), 0..30),
        any::<bool>(),
        choice,
        prop::option::of(certificate()),
    )
        .prop_map(|(number, text, bytes, id, list, flag, choice, certificate)| Every {
            number,
            text,
            bytes,
            id: PeerId(id),
            list,
            flag,
            choice,
            certificate,
        })
}

/// An envelope of either kind, and its payload back.
fn known() -> Ratchet {
    let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
    let seed = Seed { number: 1, secret: Secret::from_bytes([9; 32]) };
    Ratchet::agree(&seed, &a, &b.public(), &DeviceId([1; 16]), &DeviceId([2; 16]))
}

fn smallest_fitting(need: usize) -> usize {
    BUCKETS.into_iter().find(|size| *size >= need).unwrap()
}

proptest! {
    #[test]
    fn a_value_reads_back_and_its_length_is_its_limit(value in every()) {
        let bytes = codec::encode(&value);
        prop_assert_eq!(codec::decode::<Every>(&bytes, bytes.len()), Ok(value));
        prop_assert_eq!(codec::decode::<Every>(&bytes, bytes.len() - 1), Err(CodecError::TooLong));
    }

    #[test]
    fn different_values_have_different_encodings(a in every(), b in every()) {
        prop_assert_eq!(codec::encode(&a) == codec::encode(&b), a == b);
    }

    /// Whatever else reads as some value reads as another one than the bytes it came from.
    #[test]
    fn bytes_that_are_accepted_are_the_encoding_of_what_they_say(
        value in every(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        extra in prop::collection::vec(any::<u8>(), 0..3),
        cut in 0usize..4,
    ) {
        let original = codec::encode(&value);
        let mut bytes = original.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let until = (at + cut).min(bytes.len());
        bytes.splice(at..until, extra);
        if let Ok(read) = codec::decode::<Every>(&bytes, 1 << 20) {
            prop_assert_eq!(codec::encode(&read), bytes.clone());
            prop_assert_eq!(read == value, bytes == original);
        }
    }

    #[test]
    fn no_proper_beginning_of_an_encoding_is_accepted(value in every(), at in any::<prop::sample::Index>()) {
        let bytes = codec::encode(&value);
        prop_assert!(codec::decode::<Every>(&bytes[..at.index(bytes.len())], 1 << 20).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let framed = [&[codec::VERSION][..], &bytes].concat();
        if let Ok(value) = codec::decode::<Every>(&framed, 1 << 20) {
            prop_assert_eq!(codec::encode(&value), framed);
        }
    }

    #[test]
    fn an_identifier_reads_back_from_its_text_in_any_case(bytes in any::<[u8; 32]>(), short in any::<[u8; 16]>(), upper in any::<bool>()) {
        let spell = |text: String| if upper { text.to_uppercase() } else { text };
        prop_assert_eq!(spell(RoomId(bytes).to_string()).parse(), Ok(RoomId(bytes)));
        prop_assert_eq!(spell(GrantId(short).to_string()).parse(), Ok(GrantId(short)));
        prop_assert!(RoomId(bytes).to_string().parse::<GrantId>().is_err());
    }

    #[test]
    fn text_that_is_an_identifier_has_no_second_spelling(text in "[a-zA-Z2-7]{25,53}") {
        if let Ok(id) = text.parse::<RoomId>() {
            prop_assert_eq!(id.to_string(), text.to_lowercase());
        }
        if let Ok(id) = text.parse::<GrantId>() {
            prop_assert_eq!(id.to_string(), text.to_lowercase());
        }
    }

    #[test]
    fn words_are_twelve_of_a_list_and_match_their_owner_only(a in any::<[u8; 32]>(), b in any::<[u8; 32]>(), gap in "[ ,.\n\t0-9-]{1,3}") {
        let words = fingerprint_words(&PeerId(a));
        prop_assert_eq!(words.split(' ').count(), 12);
        prop_assert!(words.split(' ').all(|word| (3..=8).contains(&word.len()) && word.bytes().all(|letter| letter.is_ascii_lowercase())));
        prop_assert!(words_match(&PeerId(a), &words.to_uppercase().replace(' ', &gap)));
        prop_assert_eq!(words_match(&PeerId(b), &words), a == b);
        // One word less, two swapped: no match.
        let list: Vec<&str> = words.split(' ').collect();
        prop_assert!(!words_match(&PeerId(a), &list[1..].join(" ")));
        let mut swapped = list.clone();
        swapped.swap(0, 11);
        prop_assert_eq!(words_match(&PeerId(a), &swapped.join(" ")), swapped == list);
    }

    #[test]
    fn a_tag_is_one_counter_s_only(a in any::<u64>(), b in any::<u64>()) {
        prop_assert_eq!(known().tag(a) == known().tag(b), a == b);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_payload_of_any_length_lands_in_the_smallest_size_and_opens(length in 0..=KNOWN_MAX.min(FIRST_MAX), shift in 0u32..18, counter in 0..FAR_AHEAD) {
        // Short ones as often as long ones.
        let payload = vec![0xa5; length >> shift];
        let envelope = known().ahead(counter).unwrap().seal(&[7; 12], &payload).unwrap();
        prop_assert_eq!(envelope.len(), smallest_fitting(payload.len() + 2 + 16 + 12 + 16 + 4));
        prop_assert!(known().ahead(counter).unwrap().open(&envelope) == Ok(payload.clone()));
        let key = KemKey::from_bytes([3; 32]);
        let envelope = envelope::seal_first(&key.public(), None, &payload, &mut rand_chacha::ChaCha20Rng::seed_from_u64(counter)).unwrap();
        prop_assert_eq!(envelope.len(), smallest_fitting(payload.len() + 2 + KEM_OVERHEAD + 4));
        prop_assert!(envelope::open_first(&key, None, &envelope) == Ok(payload));
    }
}

#[test]
fn every_short_payload_lands_in_the_smallest_size_and_opens() {
    let (key, known) = (KemKey::from_bytes([3; 32]), known().turn());
    // Every length through the first two sizes and over the edges of the third.
    for length in (0..2_100).chain(8_090..8_150) {
        let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let envelope = known.seal(&[7; 12], &payload).unwrap();
        assert_eq!(envelope.len(), smallest_fitting(length + 2 + 16 + 12 + 16 + 4), "{length}");
        assert_eq!(known.open(&envelope), Ok(payload.clone()));
        // HPKE costs more: around the edges only.
        if length % 61 == 0 || BUCKETS.iter().any(|size| (length + 6 + KEM_OVERHEAD).abs_diff(*size) < 3) {
            let envelope = envelope::seal_first(&key.public(), None, &payload, &mut rand_chacha::ChaCha20Rng::from_seed([4; 32])).unwrap();
            assert_eq!(envelope.len(), smallest_fitting(length + 2 + KEM_OVERHEAD + 4), "{length}");
            assert_eq!(envelope::open_first(&key, None, &envelope), Ok(payload));
        }
    }
}

#[test]
fn payloads_at_the_edge_of_every_size_land_in_it_and_the_next_byte_in_the_next() {
    let (key, known) = (KemKey::from_bytes([3; 32]), known().turn());
    for (index, size) in BUCKETS.into_iter().enumerate() {
        let next = BUCKETS.get(index + 1);
        let most = size - (256 * 1024 - KNOWN_MAX);
        assert_eq!(known.seal(&[7; 12], &vec![1; most]).unwrap().len(), size);
        assert_eq!(known.seal(&[7; 12], &vec![1; most + 1]).ok().map(|envelope| envelope.len()), next.copied());
        let seal = |length| envelope::seal_first(&key.public(), None, &vec![1; length], &mut rand_chacha::ChaCha20Rng::from_seed([4; 32]));
        // The smallest is too small for the key alone.
        let Some(most) = size.checked_sub(256 * 1024 - FIRST_MAX) else { continue };
        assert_eq!(seal(most).unwrap().len(), size);
        assert_eq!(seal(most + 1).ok().map(|envelope| envelope.len()), next.copied());
    }
}

/// Only the tag tells two known envelopes of one size apart, and not whose they are.
#[test]
fn nothing_but_kind_and_size_shows_on_the_outside() {
    let mut known = known();
    for (a, b) in [(0usize, 400usize), (500, 1_900)] {
        let (short, long) = (known.turn().seal(&[7; 12], &vec![0; a]).unwrap(), known.turn().seal(&[8; 12], &vec![0xff; b]).unwrap());
        assert_eq!(short.len(), long.len());
        assert_eq!(short[..2], long[..2]);
        assert!(matches!(envelope::kind(&short), Some(Kind::Known(_))));
    }
}
