//! Who reads a presence record, through histories of friends who come and go, and what
//! everybody else sees of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::blocks::{Block, Blocks};
use symbolon_presence::body::{Body, BodyInfo};
use symbolon_presence::codec;
use symbolon_presence::generation::{Generation, Reader};
use symbolon_presence::header::{CannotRead, Header, HeaderError};
use symbolon_presence::id::DeviceId;
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::{RECORD_MAX, Record, Slot, day_of};
use symbolon_presence::seal::{aead_open, aead_seal};
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_presence::tree::LeafLabels;
use symbolon_presence::wrapping::{Class, Wrapping};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// A friend's device, with what it was given when it joined.
#[derive(Clone)]
struct Device {
    labels: LeafLabels,
    reader: Reader,
    /// Wrapped for one by one, by the oracle.
    own_key: Secret,
}

/// An owner, and beside the tree the scheme it replaces: a key for each friend's device.
struct Owner {
    generation: Generation,
    blocks: Blocks,
    wrapping: Wrapping,
    hidden: BTreeSet<Block>,
    friends: BTreeMap<Block, Vec<Device>>,
    /// All that were ever given out, with whether they may read: none, limited, full.
    given: Vec<(Block, usize, Device)>,
    gone: BTreeSet<(Block, usize)>,
    rng: ChaCha20Rng,
}

impl Owner {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let generation = Generation::random(0, day_of(NOW), &mut rng);
        let wrapping = Wrapping::random(0, &mut rng);
        Self {
            generation,
            blocks: Blocks::default(),
            wrapping,
            hidden: BTreeSet::new(),
            friends: BTreeMap::new(),
            given: Vec::new(),
            gone: BTreeSet::new(),
            rng,
        }
    }

    fn befriend(&mut self, devices: usize) -> Block {
        let block = self.blocks.issue(0, &mut self.rng).unwrap();
        for device in 0..devices {
            let labels = self.generation.tree().leaf_labels(block.leaf(device as u16).unwrap());
            let device_keys = Device { labels, reader: self.generation.reader(), own_key: Secret::random(&mut self.rng) };
            self.friends.entry(block).or_default().push(device_keys.clone());
            self.given.push((block, device, device_keys));
        }
        self.change();
        block
    }

    fn change(&mut self) {
        self.wrapping = Wrapping::random(self.wrapping.version + 1, &mut self.rng);
    }

    fn unfriend(&mut self, block: Block) {
        self.blocks.revoke(block);
        for device in 0..self.friends.remove(&block).unwrap().len() {
            self.gone.insert((block, device));
        }
        self.change();
    }

    fn header(&mut self) -> Header {
        Header::wrap(&self.generation, &self.wrapping, &self.blocks.readers(&self.hidden), &mut self.rng).unwrap()
    }

    /// The scheme to compare with: the secret wrapped for each device that may read.
    fn wrap_one_by_one(&self) -> Vec<(Class, Vec<u8>)> {
        let may = self.given.iter().filter(|(block, device, _)| !self.gone.contains(&(*block, *device)));
        may.map(|(block, _, keys)| {
            let class = if self.hidden.contains(block) { Class::Limited } else { Class::Full };
            let label = symbolon_presence::labels::SEAL_WRAP;
            (class, aead_seal(&keys.own_key, self.wrapping.version, label, &[], self.wrapping.secret(class).expose()))
        })
        .collect()
    }
}

fn read_one_by_one(version: u64, wraps: &[(Class, Vec<u8>)], device: &Device) -> Option<(Class, Secret)> {
    let label = symbolon_presence::labels::SEAL_WRAP;
    wraps.iter().find_map(|(class, wrap)| {
        let secret = aead_open(&device.own_key, version, label, &[], wrap).ok()?;
        Some((*class, Secret::from_bytes(secret.try_into().unwrap())))
    })
}

#[test]
fn a24_at_every_step_of_a_history_just_those_read_who_would_if_each_had_a_key_of_their_own() {
    for seed in 0..6 {
        let mut owner = Owner::new(seed);
        for step in 0..60 {
            let friends: Vec<Block> = owner.friends.keys().copied().collect();
            let chosen = (!friends.is_empty()).then(|| friends[owner.rng.next_u32() as usize % friends.len()]);
            match (owner.rng.next_u32() % 8, chosen) {
                (0..=2, _) | (_, None) => {
                    let devices = 1 + owner.rng.next_u32() as usize % 3;
                    owner.befriend(devices);
                }
                (3, Some(block)) => owner.unfriend(block),
                (4, Some(block)) => {
                    // A block once more: somebody who was a friend gets another one.
                    owner.unfriend(block);
                    owner.befriend(1);
                }
                (5, Some(block)) => {
                    let device = owner.rng.next_u32() as usize % owner.friends[&block].len();
                    owner.blocks.revoke_leaf(block.leaf(device as u16).unwrap());
                    owner.gone.insert((block, device));
                    owner.change();
                }
                (6, Some(block)) => {
                    if !owner.hidden.remove(&block) {
                        owner.hidden.insert(block);
                    }
                    owner.change();
                }
                _ => {}
            }
            let (header, wraps, version) = (owner.header(), owner.wrap_one_by_one(), owner.wrapping.version);
            for (block, device, keys) in &owner.given {
                let expected = read_one_by_one(version, &wraps, keys);
                assert_eq!(header.open(&keys.reader, &keys.labels).ok(), expected, "seed {seed}, step {step}, {block:?} {device}");
            }
        }
    }
}

#[test]
fn a22_a_revoked_device_of_a_friend_is_out_and_the_friends_other_devices_are_in() {
    let mut owner = Owner::new(1);
    let block = owner.befriend(3);
    owner.blocks.revoke_leaf(block.leaf(1).unwrap());
    owner.change();
    let header = owner.header();
    let read: Vec<bool> = owner.friends[&block].iter().map(|device| header.open(&device.reader, &device.labels).is_ok()).collect();
    assert_eq!(read, [true, false, true]);
}

#[test]
fn a23_a_former_friend_and_a_later_one_together_read_nothing_from_between() {
    let mut owner = Owner::new(2);
    let former = owner.befriend(1);
    let kept = owner.befriend(1);
    let former_keys = owner.friends[&former][0].clone();
    owner.unfriend(former);
    let between = owner.header();
    let later = owner.befriend(1);
    let (kept, later) = (owner.friends[&kept][0].clone(), owner.friends[&later][0].clone());
    assert!(between.open(&kept.reader, &kept.labels).is_ok());
    // Each set of labels with what the other one knows beside them.
    for labels in [&former_keys.labels, &later.labels] {
        for reader in [&former_keys.reader, &later.reader] {
            assert_eq!(between.open(reader, labels), Err(CannotRead));
        }
    }
    assert!(owner.header().open(&later.reader, &later.labels).is_ok(), "from now on the later one reads");
}

#[test]
fn a20_all_former_friends_together_read_nothing_and_find_no_body() {
    let mut owner = Owner::new(3);
    let blocks: Vec<Block> = (0..20).map(|_| owner.befriend(2)).collect();
    let kept = owner.friends[&blocks[7]][0].clone();
    let former: Vec<Device> = blocks.iter().filter(|block| **block != blocks[7]).flat_map(|block| owner.friends[block].clone()).collect();
    let known = owner.header().open(&former[0].reader, &former[0].labels).unwrap().1;
    for block in blocks.iter().filter(|block| **block != blocks[7]) {
        owner.unfriend(*block);
    }
    let header = owner.header();
    let (class, secret) = header.open(&kept.reader, &kept.labels).unwrap();
    assert_eq!((class, &secret), (Class::Full, owner.wrapping.secret(Class::Full)));
    let lookup = owner.generation.lookup().public();
    let found = Slot::of_body(&lookup, day_of(NOW), &secret).id(&lookup).unwrap();
    for device in &former {
        assert_eq!(header.open(&device.reader, &device.labels), Err(CannotRead));
    }
    assert_ne!(Slot::of_body(&lookup, day_of(NOW), &known).id(&lookup), Ok(found), "the secret that they knew leads elsewhere");
}

#[test]
fn a21_who_was_away_for_400_days_and_50_revocations_reads_one_header() {
    let mut owner = Owner::new(4);
    let away = owner.befriend(1);
    let keys = owner.friends[&away][0].clone();
    for _ in 0..50 {
        let block = owner.befriend(1);
        owner.unfriend(block);
    }
    let later = day_of(NOW) + 400;
    let (_, secret) = owner.header().open(&keys.reader, &keys.labels).unwrap();
    let stamp = BodyInfo {
        version: owner.wrapping.version,
        day: later,
        sequence: 9,
        device: DeviceId([1; 16]),
        issued: NOW,
        expires: NOW.after(DAY),
    };
    let body = Body::seal(&owner.generation.reader(), &secret, stamp, b"here", &mut owner.rng).unwrap();
    assert_eq!(body.open(&keys.reader, &secret), Ok(b"here".to_vec()));
}

#[test]
fn a73_a_header_that_shows_two_friends_two_secrets_is_refused() {
    let mut owner = Owner::new(5);
    let block = owner.befriend(1);
    let keys = owner.friends[&block][0].clone();
    let honest = owner.header();
    let other = Wrapping::random(owner.wrapping.version, &mut owner.rng);
    let lying = Header::wrap(&owner.generation, &other, &owner.blocks.readers(&BTreeSet::new()), &mut owner.rng).unwrap();
    // Same version, other secret: its own commitment holds, the honest header's does not.
    let (honest_secret, lying_secret) =
        (honest.open(&keys.reader, &keys.labels).unwrap().1, lying.open(&keys.reader, &keys.labels).unwrap().1);
    assert_ne!(honest_secret, lying_secret);
    let bytes = codec::encode(&lying);
    let commits = codec::encode(&honest);
    let mut mixed = bytes.clone();
    let tail = bytes.len() - 2 * 35;
    mixed[tail..].copy_from_slice(&commits[commits.len() - 2 * 35..]);
    let mixed: Header = codec::decode(&mixed, RECORD_MAX).unwrap();
    assert_eq!(mixed.open(&keys.reader, &keys.labels), Err(CannotRead));
}

#[test]
fn a76_what_two_own_devices_changed_while_apart_is_joined_and_neither_ones_revoked_read_it() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let generation = Generation::random(0, day_of(NOW), &mut rng);
    let labels = |block: Block| generation.tree().leaf_labels(block.leaf(0).unwrap());
    // Two friends from before; the devices have certificates with different serials.
    let mut common = Blocks::default();
    let before = [common.issue(0, &mut rng).unwrap(), common.issue(1, &mut rng).unwrap()];
    let first_version = Wrapping::random(5, &mut rng);
    // Apart, each takes one friend out and makes a new one; each publishes a header of the next version.
    let mut apart = [common.clone(), common];
    let mut joined = Vec::new();
    let mut headers = Vec::new();
    for (serial, blocks) in apart.iter_mut().enumerate() {
        blocks.revoke(before[serial]);
        joined.push(blocks.issue(serial as u64, &mut rng).unwrap());
        let wrapping = Wrapping::random(first_version.version + 1, &mut rng);
        headers.push((Header::wrap(&generation, &wrapping, &blocks.readers(&BTreeSet::new()), &mut rng).unwrap(), wrapping));
    }
    assert_ne!(joined[0], joined[1], "no block is shared");
    let (a, b) = apart.split_at_mut(1);
    a[0].merge(&b[0]);
    b[0].merge(&a[0]);
    assert_eq!(a[0], b[0]);
    // A version above both, with a secret of its own, whichever device makes it.
    let version = headers.iter().map(|(_, wrapping)| wrapping.version).max().unwrap() + 1;
    let wrapping = Wrapping::random(version, &mut rng);
    let header = Header::wrap(&generation, &wrapping, &a[0].readers(&BTreeSet::new()), &mut rng).unwrap();
    let reader = generation.reader();
    for block in joined {
        let (_, secret) = header.open(&reader, &labels(block)).unwrap();
        assert_eq!(secret, *wrapping.secret(Class::Full));
    }
    for (serial, block) in before.into_iter().enumerate() {
        assert_eq!(header.open(&reader, &labels(block)), Err(CannotRead), "gone by device {serial}");
        assert!(headers[1 - serial].0.open(&reader, &labels(block)).is_ok(), "the other device did not know of it yet");
    }
    // Of two bodies under one number the keys differ, and the joined one is higher than both.
    for (older, _) in &headers {
        assert!(header.version > older.version);
    }
}

#[test]
fn a74_two_devices_that_meet_on_one_sequence_number_use_two_keys() {
    let mut owner = Owner::new(6);
    let (reader, secret) = (owner.generation.reader(), owner.wrapping.secret(Class::Full).clone());
    let stamp = |device| BodyInfo {
        version: 1,
        day: day_of(NOW),
        sequence: 5,
        device: DeviceId([device; 16]),
        issued: NOW,
        expires: NOW.after(DAY),
    };
    let mut sealed = BTreeSet::new();
    for device in [1, 1, 2, 2] {
        let body = Body::seal(&reader, &secret, stamp(device), &[0; 64], &mut owner.rng).unwrap();
        let bytes = codec::encode(&body);
        assert!(sealed.insert(bytes[bytes.len() - 80..].to_vec()), "the same key stream twice");
        assert_eq!(body.open(&reader, &secret), Ok(vec![0; 64]));
    }
}

/// All stretches of eight bytes.
fn stretches(record: &[u8]) -> BTreeSet<&[u8]> {
    record.windows(8).collect()
}

#[test]
fn a74_stored_records_of_one_owner_look_like_those_of_many() {
    let mut owner = Owner::new(7);
    owner.befriend(1);
    let lookup = owner.generation.lookup();
    let mut records = Vec::new();
    for day in 0..5 {
        let at = day_of(NOW) + day;
        let header = codec::encode(&owner.header());
        records
            .push(Slot::of_header(&lookup.public(), at).seal(&lookup, NOW.after(u64::from(day) * DAY), &header, &mut owner.rng).unwrap());
        let body = Slot::of_body(&lookup.public(), at, owner.wrapping.secret(Class::Full));
        records.push(body.seal(&lookup, NOW.after(u64::from(day) * DAY), b"the same every day", &mut owner.rng).unwrap());
    }
    let (same_size, few) = (records[0].len(), records.len());
    assert!(records.iter().all(|record| record.len() == same_size), "header and body are of one size");
    // What every record of anybody has: the encoding's frame, and the end of the day.
    let stranger = Generation::random(0, day_of(NOW), &mut owner.rng).lookup();
    for (n, a) in records.iter().enumerate() {
        for b in &records[n + 1..few] {
            let day = day_of(Record::read_early(b, NOW).unwrap().expires()) - 2;
            let others = Slot::of_header(&stranger.public(), day).seal(&stranger, NOW, b"", &mut owner.rng).unwrap();
            let frame = stretches(&others);
            let shared: Vec<_> = stretches(a).intersection(&stretches(b)).filter(|part| !frame.contains(*part)).copied().collect();
            assert!(shared.is_empty(), "{shared:?}");
        }
    }
}

#[test]
fn a_header_grows_with_those_who_left_and_says_when_it_is_too_big() {
    let mut owner = Owner::new(8);
    let blocks: Vec<Block> = (0..900).map(|_| owner.blocks.issue(0, &mut owner.rng).unwrap()).collect();
    let small = codec::encode(&owner.header()).len();
    assert!(small < 1_100, "{small} bytes for 900 friends of whom none left");
    for block in blocks.iter().step_by(2) {
        owner.blocks.revoke(*block);
    }
    let readers = owner.blocks.readers(&BTreeSet::new());
    assert_eq!(Header::wrap(&owner.generation, &owner.wrapping, &readers, &mut owner.rng), Err(HeaderError::TooMany));
}
