//! Known answers, what is erased, and any order of arrival.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::codec;
use proptest::prelude::*;
use rand_core::SeedableRng;
use std::collections::BTreeSet;

const A: DeviceId = DeviceId([1; 16]);
const B: DeviceId = DeviceId([2; 16]);

fn keys() -> (DhKey, DhKey) {
    (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]))
}

fn seed(number: u64) -> Seed {
    Seed { number, secret: Secret::from_bytes([9; 32]) }
}

/// B's ratchet to write to A, and A's to read it.
fn pair() -> (Ratchet, Opener) {
    let (a, b) = keys();
    (Ratchet::agree(&seed(5), &b, &a.public(), &B, &A), Opener::new(Ratchet::agree(&seed(5), &a, &b.public(), &B, &A)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same computed by another hand, from HKDF and HMAC alone.
#[test]
fn the_ratchet_gives_the_keys_that_its_page_says() {
    use hkdf::Hkdf;
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;
    let framed = |label: &str, parts: &[&[u8]]| {
        let mut out = Vec::new();
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part);
        }
        out
    };
    let expand = |salt: Option<&[u8]>, secret: &[u8], label: &str, parts: &[&[u8]]| {
        let mut out = [0; 32];
        Hkdf::<Sha256>::new(salt, secret).expand(&framed(label, parts), &mut out).unwrap();
        out
    };
    let (a, b) = keys();
    let shared = *b.agree(&a.public()).expose();
    let root = expand(Some(&[9; 32]), &shared, "symbolon/1 key known root.", &[&[2; 16], &[1; 16], &5u64.to_be_bytes()]);
    let tag_key = expand(None, &root, "symbolon/1 key known tag.", &[]);
    let mut state = expand(None, &root, "symbolon/1 key known ratchet.", &[]);
    let (mut ratchet, _) = pair();
    for counter in 0u64..5 {
        let key = ratchet.turn();
        let mut mac = Hmac::<Sha256>::new_from_slice(&tag_key).unwrap();
        mac.update(&framed("symbolon/1 mac envelope tag.", &[&counter.to_be_bytes()]));
        assert_eq!((key.counter, key.tag.as_slice()), (counter, &mac.finalize().into_bytes()[..16]));
        assert_eq!(key.key.expose(), &expand(None, &state, "symbolon/1 key known seal.", &[]));
        state = expand(None, &state, "symbolon/1 key known step.", &[]);
    }
    let key = ratchet.turn();
    assert_eq!(hex(&key.tag), "4832aa93c0e8ebc3e87af9358afd43fa", "frozen");
}

#[test]
fn what_is_sealed_under_a_seed_opens_at_its_maker_and_uses_its_key_up() {
    let (mut sender, mut receiver) = pair();
    let key = sender.turn();
    let envelope = key.seal(&[7; NONCE], b"hello").unwrap();
    assert_eq!(envelope.len(), 512);
    assert_eq!(kind(&envelope), Some(Kind::Known(receiver.tag(0))));
    assert_eq!(receiver.open(0, &envelope), Ok(b"hello".to_vec()));
    assert_eq!(receiver.open(0, &envelope), Ok(b"hello".to_vec()), "to open uses nothing up");
    assert_eq!(receiver.open(1, &envelope), Err(OpenError));
    receiver.take(0);
    assert_eq!(receiver.open(0, &envelope), Err(OpenError), "its key is erased");
    for at in 0..envelope.len() {
        let mut bad = envelope.clone();
        bad[at] ^= 0x10;
        assert_eq!(key.open(&bad), Err(OpenError), "byte {at}");
    }
}

#[test]
fn another_seed_number_direction_or_pair_has_other_keys() {
    let (a, b) = keys();
    let other = DhKey::from_bytes([3; 32]);
    let base = Ratchet::agree(&seed(5), &a, &b.public(), &B, &A);
    let another = Seed { secret: Secret::from_bytes([8; 32]), ..seed(5) };
    for ratchet in [
        Ratchet::agree(&another, &a, &b.public(), &B, &A),
        Ratchet::agree(&seed(6), &a, &b.public(), &B, &A),
        Ratchet::agree(&seed(5), &a, &b.public(), &A, &B),
        // Somebody who hears the seed in a common room, and has both public keys.
        Ratchet::agree(&seed(5), &other, &b.public(), &B, &A),
        Ratchet::agree(&seed(5), &other, &a.public(), &B, &A),
    ] {
        assert!(ratchet.tag(0) != base.tag(0) && ratchet.clone().turn().key != base.clone().turn().key);
    }
}

#[test]
fn a_row_holds_no_key_that_was_used() {
    let (mut sender, mut receiver) = pair();
    let first: Vec<EnvelopeKey> = (0..8).map(|_| sender.turn()).collect();
    let has = |row: &[u8], key: &EnvelopeKey| row.windows(32).any(|bytes| bytes == key.key.expose());
    receiver.take(2);
    let row = codec::encode_row(&receiver);
    assert_eq!(first.iter().map(|key| has(&row, key)).collect::<Vec<_>>(), [true, true, false, false, false, false, false, false]);
    // And none before it can be computed from what the row holds: a reader of the row gets on, not back.
    let stolen: Opener = codec::decode_row(&row, 1 << 20).unwrap();
    assert!(stolen.ratchet.ahead(2).is_none() && stolen.ratchet.ahead(3).is_some_and(|key| key == first[3]));
    receiver.take(0);
    receiver.take(1);
    let row = codec::encode_row(&receiver);
    assert!(first.iter().all(|key| !has(&row, key)));
}

#[test]
fn a_jump_is_bounded_and_forgets_the_lowest() {
    let (_, mut receiver) = pair();
    assert!(receiver.take(FAR_AHEAD).is_empty());
    assert_eq!(receiver.next(), 0, "too far");
    let forgotten = receiver.take(FAR_AHEAD - 1);
    assert_eq!((receiver.next(), receiver.skipped().count()), (FAR_AHEAD, SKIPPED_MAX));
    assert_eq!(forgotten, (0..FAR_AHEAD - 1 - SKIPPED_MAX as u64).collect::<Vec<_>>());
}

#[test]
fn numbers_rise_by_random_steps() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let mut before = None;
    let mut steps = BTreeSet::new();
    for _ in 0..100 {
        let drawn = Seed::draw(before, &mut rng);
        if let Some(before) = before {
            assert!(drawn.number > before);
            steps.insert(drawn.number - before);
        }
        before = Some(drawn.number);
    }
    assert!(steps.len() > 90);
    assert_eq!(Seed::draw(Some(u64::MAX), &mut rng).number, u64::MAX);
}

#[test]
fn two_texts_under_one_key_share_no_key_stream() {
    // What an older copy of a folder does before it knows that it is one.
    let (mut sender, _) = pair();
    let key = sender.turn();
    let one = key.seal(&[1; NONCE], &[0xaa; 100]).unwrap();
    let other = key.seal(&[2; NONCE], &[0x55; 100]).unwrap();
    assert_eq!(one[..18], other[..18], "the tag is that of the counter");
    let body = 18 + NONCE + 4;
    let xor: Vec<u8> = one[body..body + 100].iter().zip(&other[body..body + 100]).map(|(a, b)| a ^ b).collect();
    assert_ne!(xor, vec![0xff; 100]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The model: a counter opens while it was not taken, is less than the bound ahead, and not among the forgotten.
    #[test]
    fn each_envelope_opens_in_any_order_until_it_is_taken(order in prop::collection::vec(0u64..600, 1..80)) {
        let (mut sender, mut receiver) = pair();
        let envelopes: Vec<Vec<u8>> = (0u64..600).map(|n| sender.turn().seal(&[7; NONCE], &n.to_be_bytes()).unwrap()).collect();
        let mut taken = BTreeSet::new();
        for counter in order {
            let opened = receiver.open(counter, &envelopes[counter as usize]);
            prop_assert_eq!(opened.is_ok(), taken.insert(counter));
            receiver.take(counter);
            let row = codec::encode_row(&receiver);
            receiver = codec::decode_row(&row, 1 << 20).unwrap();
            let missing: Vec<u64> = (0..receiver.next()).filter(|counter| !taken.contains(counter)).collect();
            prop_assert_eq!(receiver.skipped().collect::<Vec<_>>(), missing);
        }
    }
}
