//! Any order of arrival, far jumps, and how much is kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::Empty;
use crate::rows::Device;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;
use symbolon_presence::id::{MailboxId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::seeds::{Opener, Ratchet, SKIPPED_MAX, Seed};
use symbolon_presence::time::DAY;
use symbolon_relay::put::MailboxEntry;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const SEED: u64 = 5;

/// A receiver, and a device that writes to it.
struct Pair {
    state: State,
    tags: Tags,
    device: DeviceId,
    key: Ratchet,
}

/// A seed of ours for a device: what opens, and the keys that the device has.
fn seed(state: &mut State, other: &Identity, number: u64) -> Ratchet {
    let (seed, me) = (Seed { number, secret: Secret::from_bytes([9; 32]) }, &state.own.identity);
    let ratchet = Ratchet::agree(&seed, &me.dh, &other.dh.public(), &other.device, &me.device);
    let opener = Opener::new(ratchet.clone());
    state.add_inbound(&other.device, Inbound { number, room: RoomId([1; 32]), opener, replaced: None });
    ratchet
}

fn pair() -> Pair {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut state = State::load(None, &Empty, NOW, &mut rng, &mut crate::turn::Out::default()).unwrap();
    let other = Identity::generate(&mut rng, NOW, DAY);
    let entry = MailboxEntry { mailbox: MailboxId([0; 32]), receipt: PublicKeyBytes([0; 32]), address: Vec::new(), places: Vec::new() };
    let device = other.device;
    state.save_device(Device::new(device, other.peer(), other.chain.clone(), entry));
    let key = seed(&mut state, &other, SEED);
    Pair { state, tags: Tags::default(), device, key }
}

impl Pair {
    fn find(&mut self, now: Timestamp, counter: u64) -> Option<u64> {
        let tag = self.key.tag(counter);
        let found = self.tags.ready(&self.state, &tag).or_else(|| self.tags.search(&self.state, now, &tag));
        assert!(found.is_none_or(|found| (found.device, found.seed) == (self.device, SEED)));
        found.map(|found| found.counter)
    }

    /// Whether a counter's tag is ready, without a search far ahead.
    fn is_ready(&self, counter: u64) -> bool {
        self.tags.expected.contains_key(&self.key.tag(counter))
    }

    fn take(&mut self, counter: u64) {
        self.tags.take(&mut self.state, NOW, &Found { device: self.device, seed: SEED, counter });
    }

    fn next(&self) -> u64 {
        self.opener().next()
    }

    /// What is kept for one device.
    fn kept(&self) -> (usize, usize) {
        (self.tags.expected.len(), self.opener().skipped().count())
    }

    fn opener(&self) -> &Opener {
        &self.state.inbound_under(&self.device, SEED).unwrap().opener
    }

    /// The same rows, read by a node that has just started and made its tags ready.
    fn restart(&mut self) {
        self.tags = Tags::default();
        let next = self.next();
        assert_eq!(self.find(NOW, next), Some(next));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The model: a counter is found while it is not taken, less than 64 ahead of the
    /// highest one taken, and not among the forgotten.
    #[test]
    fn any_order_within_the_window_finds_each_counter_exactly_once(
        steps in prop::collection::vec((0usize..4_096, any::<prop::sample::Index>()), 1..300),
        restart_every in 16usize..100,
    ) {
        let mut pair = pair();
        let mut open: BTreeSet<u64> = (0..AHEAD).collect();
        let mut next = 0;
        for (step, (skew, pick)) in steps.into_iter().enumerate() {
            // Mostly near the front, at times anywhere.
            let at = if skew < 3_000 { skew % open.len().min(8) } else { pick.index(open.len()) };
            let counter = *open.iter().nth(at).unwrap();
            prop_assert_eq!(pair.find(NOW, counter), Some(counter));
            pair.take(counter);
            open.remove(&counter);
            if counter >= next {
                open.extend(next + AHEAD..=counter + AHEAD);
                next = counter + 1;
                while open.range(..next).count() > SKIPPED_MAX {
                    open.pop_first();
                }
            }
            prop_assert!(!pair.is_ready(counter), "a tag is used up");
            prop_assert_eq!(pair.tags.expected.len(), open.len());
            if step % restart_every == 0 {
                pair.restart();
            }
        }
        prop_assert_eq!(pair.next(), next);
        for counter in open {
            prop_assert_eq!(pair.find(NOW, counter), Some(counter));
        }
    }

    /// Jumps over more than is kept ready, as after a long loss.
    #[test]
    fn far_jumps_are_found_and_leave_no_more_behind_than_the_bound(jumps in prop::collection::vec(0..FAR_AHEAD, 1..12)) {
        let mut pair = pair();
        for (minute, jump) in (0u64..).zip(jumps) {
            let counter = pair.next() + jump;
            let now = NOW.after(minute * MINUTE);
            prop_assert_eq!(pair.find(now, counter), Some(counter));
            pair.take(counter);
            prop_assert!(!pair.is_ready(counter), "a tag is used up");
            let (expected, missing) = pair.kept();
            prop_assert!(missing <= SKIPPED_MAX);
            prop_assert_eq!(expected, missing + usize::try_from(AHEAD).unwrap());
            // Those skipped last are found still, those forgotten are not.
            if jump > 0 {
                prop_assert_eq!(pair.find(now, counter - 1), Some(counter - 1));
            }
            if let Some(forgotten) = (counter - jump..counter).rev().nth(SKIPPED_MAX) {
                prop_assert!(!pair.is_ready(forgotten));
            }
        }
    }
}

#[test]
fn a_tag_beyond_the_far_end_is_not_found() {
    let mut pair = pair();
    assert_eq!(pair.find(NOW, FAR_AHEAD - 1), Some(FAR_AHEAD - 1));
    assert_eq!(pair.find(NOW, FAR_AHEAD), None);
}

#[test]
fn searches_are_bounded_in_a_minute_and_go_on_in_the_next() {
    let mut pair = pair();
    assert_eq!(pair.find(NOW, FAR_AHEAD + 1), None);
    assert_eq!(pair.tags.searched, SEARCH_WIDTH);
    pair.tags.searched = SEARCH_MAX - SEARCH_WIDTH + 1;
    assert_eq!(pair.find(NOW, AHEAD), None, "the minute's tags are used up");
    assert!(pair.tags.searched <= SEARCH_MAX);
    assert_eq!(pair.find(NOW, AHEAD - 1), Some(AHEAD - 1), "what is ready needs no search");
    assert_eq!(pair.find(NOW.after(MINUTE), AHEAD), Some(AHEAD));
}

#[test]
fn a102_a_device_that_is_forgotten_or_a_seed_that_is_dropped_leaves_no_tag() {
    let mut pair = pair();
    for counter in [0, 3, 200, 70] {
        assert_eq!(pair.find(NOW, counter), Some(counter));
        pair.take(counter);
    }
    let other = Identity::generate(&mut ChaCha20Rng::seed_from_u64(2), NOW, DAY);
    for number in 1..50 {
        // One comes and one goes: as many as before.
        let ratchet = seed(&mut pair.state, &other, number);
        pair.state.drop_inbound(&other.device, number - 1);
        let found = pair.tags.ready(&pair.state, &ratchet.tag(0));
        assert_eq!(found, Some(Found { device: other.device, seed: number, counter: 0 }));
        assert_eq!(pair.kept().0, 2 * AHEAD as usize + pair.kept().1);
    }
    pair.state.forget_device(&pair.device);
    pair.state.drop_inbound(&other.device, 49);
    assert_eq!(pair.find(NOW, 201), None);
    assert!(pair.tags.expected.is_empty() && pair.tags.ready_until.is_empty());
}

#[test]
fn devices_take_turns_when_a_minute_is_too_short_for_all() {
    let mut pair = pair();
    for id in 0..8u64 {
        let other = Identity::generate(&mut ChaCha20Rng::seed_from_u64(10 + id), NOW, DAY);
        seed(&mut pair.state, &other, SEED);
    }
    let everybody = pair.state.inbound().count();
    let found = (0u64..).take(everybody).find_map(|minute| {
        let now = NOW.after(minute * MINUTE);
        // Room for one device in each minute.
        pair.tags.minute = now.0 / MINUTE;
        pair.tags.searched = SEARCH_MAX - SEARCH_WIDTH;
        pair.find(now, AHEAD).map(|counter| (counter, minute))
    });
    assert!(matches!(found, Some((AHEAD, 1..))), "found, but not by the first device");
}

#[test]
fn a_tag_that_was_used_lately_is_known_within_the_minutes_searches_and_none_that_is_still_expected() {
    let mut pair = pair();
    for counter in 0..100 {
        pair.find(NOW, counter);
        pair.take(counter);
    }
    let used = |pair: &mut Pair, counter: u64, only: Option<DeviceId>| {
        let tag = pair.key.tag(counter);
        pair.tags.used(&pair.state, &tag, only)
    };
    let device = pair.device;
    assert_eq!(used(&mut pair, 99, None), Some(device));
    assert_eq!(used(&mut pair, 100 - AHEAD, Some(device)), Some(device));
    assert_eq!(used(&mut pair, 99 - AHEAD, None), None, "too long ago");
    assert_eq!(used(&mut pair, 100, None), None, "not yet used");
    assert_eq!(used(&mut pair, 99, Some(DeviceId([9; 16]))), None, "another device's");
    while pair.tags.searched + AHEAD <= SEARCH_MAX {
        used(&mut pair, 0, None);
    }
    assert_eq!(used(&mut pair, 99, None), None, "not in this minute");
}

#[test]
fn a_used_tag_is_found_again_and_so_many_are_kept_and_looked_for_in_a_minute() {
    let mut pair = pair();
    let mut keys = vec![(pair.device, pair.key.clone())];
    for id in 0..7u64 {
        let other = Identity::generate(&mut ChaCha20Rng::seed_from_u64(10 + id), NOW, DAY);
        let key = seed(&mut pair.state, &other, SEED);
        keys.push((other.device, key));
    }
    let used = FAR_AHEAD - 1;
    for (device, _) in &keys {
        // Its own counter is the last that is used, and leaves the others skipped or forgotten.
        for counter in [0, 1, 2, used] {
            let found = Found { device: *device, seed: SEED, counter };
            pair.tags.take(&mut pair.state, NOW, &found);
        }
    }
    for round in 0..2 {
        for (device, key) in &keys {
            let now = NOW.after(MINUTE * round);
            let found = pair.tags.past(&pair.state, now, &key.tag(1), Some(*device));
            assert_eq!(found, Some(Found { device: *device, seed: SEED, counter: 1 }));
            assert_eq!(pair.tags.past(&pair.state, now, &key.tag(used), None).map(|found| found.counter), Some(used));
            assert!(pair.tags.past.len() <= past::PAST_MAX);
        }
    }
    // What nobody has sealed uses up half of the minute, and no more.
    let later = NOW.after(MINUTE * 9);
    for junk in 0..200u8 {
        assert_eq!(pair.tags.past(&pair.state, later, &[junk; 16], None), None);
    }
    assert!(pair.tags.past.looked() <= past::LOOK_BACK_MAX / 2);
    for (device, key) in &keys {
        assert!(pair.tags.past(&pair.state, later, &key.tag(2), Some(*device)).is_some(), "who is behind the link is heard still");
    }
    pair.state.forget_device(&pair.device);
    assert_eq!(pair.tags.past(&pair.state, NOW.after(MINUTE * 10), &pair.key.tag(1), None), None);
}
