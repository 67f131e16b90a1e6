//! The clear cipher against the conformance suite, and what only it promises.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::conformance::Lab;
use std::sync::atomic::{AtomicU64, Ordering};

fn lab() -> Lab<ClearCipher> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    Lab::new(|| ClearCipher::new(hash("seed", &[&MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes()]).0), |cipher| cipher.clone())
}

crate::conformance_tests!(lab());

fn lifetime() -> Lifetime {
    use symbolon_presence::time::Timestamp;
    Lifetime { not_before: Timestamp(0), not_after: Timestamp(1) }
}

#[test]
fn the_same_seed_and_calls_give_the_same_state_and_bytes() {
    let run = || {
        let mut cipher = ClearCipher::new([7; 32]);
        let leaf = cipher.fresh_leaf().unwrap();
        cipher.create(RoomId([1; 32]), leaf, b"me", lifetime(), None).unwrap();
        let text = cipher.seal(RoomId([1; 32]), b"text", b"").unwrap();
        (cipher, text)
    };
    assert_eq!(run(), run());
}

#[test]
fn a_snapshot_is_untouched_by_what_happens_later_and_a_refused_message_changes_nothing() {
    let mut cipher = ClearCipher::new([7; 32]);
    let leaf = cipher.fresh_leaf().unwrap();
    let room = RoomId([1; 32]);
    cipher.create(room, leaf, b"me", lifetime(), None).unwrap();
    let snapshot = cipher.clone();
    assert_eq!(cipher.open(room, b"noise"), Err(CipherError::Broken));
    assert_eq!(cipher, snapshot);
    let sealed = cipher.seal(room, b"text", b"").unwrap();
    assert_ne!(cipher, snapshot);
    let mut restored = snapshot.clone();
    assert_eq!(restored.seal(room, b"text", b"").unwrap(), sealed);
    assert_eq!(restored, cipher);
}

#[test]
fn a_jump_far_ahead_is_refused_and_one_within_bounds_keeps_a_bounded_window() {
    let mut ratchet = super::epoch::Ratchet::default();
    assert_eq!(ratchet.take(FORWARD_DISTANCE + 1), Err(CipherError::Broken));
    assert_eq!(ratchet.take(u32::MAX), Err(CipherError::Broken));
    assert_eq!(ratchet.take(FORWARD_DISTANCE), Ok(()));
    assert_eq!(ratchet.take(FORWARD_DISTANCE), Err(CipherError::Used));
    assert_eq!(ratchet.take(FORWARD_DISTANCE + 1 - OUT_OF_ORDER_TOLERANCE), Ok(()));
    assert_eq!(ratchet.take(FORWARD_DISTANCE - OUT_OF_ORDER_TOLERANCE), Err(CipherError::Gone));
}
