//! What it costs to let friends read, and to take some of them out: header bytes and owner
//! time by number of friends and of those who left, beside a secret wrapped for each device
//! and beside a new secret sent to each.
//!
//! `cargo bench -p symbolon-tests --bench presence`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::time::Instant;
use symbolon_presence::blocks::Blocks;
use symbolon_presence::body::{Body, BodyInfo};
use symbolon_presence::codec;
use symbolon_presence::generation::Generation;
use symbolon_presence::header::Header;
use symbolon_presence::id::DeviceId;
use symbolon_presence::record::{Slot, day_of};
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_presence::tree::LeafLabels;
use symbolon_presence::wrapping::{Class, Wrapping};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// Bytes of one entry of a header, and of one wrap of the scheme for each device.
const ENTRY: usize = 54;
const ROUNDS: u32 = 20;

fn micros(mut what: impl FnMut()) -> u128 {
    what();
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        what();
    }
    begun.elapsed().as_micros() / u128::from(ROUNDS)
}

fn main() {
    println!(
        "| friends | of them left | header, bytes | record, bytes | make, us | open, us | a wrap for each device, bytes | messages of a new secret to each |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (friends, left) in [(50, 0), (50, 5), (150, 0), (150, 5), (150, 20), (2_000, 0), (2_000, 10), (2_000, 50)] {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let generation = Generation::random(0, day_of(NOW), &mut rng);
        let mut blocks = Blocks::default();
        let issued: Vec<_> = (0..friends).map(|_| blocks.issue(0, &mut rng).unwrap()).collect();
        let mut gone = BTreeSet::new();
        while gone.len() < left {
            gone.insert(rng.next_u32() as usize % friends);
        }
        for index in &gone {
            blocks.revoke(issued[*index]);
        }
        let wrapping = Wrapping::random(1, &mut rng);
        let stays = (0..friends).find(|index| !gone.contains(index)).unwrap();
        let labels = generation.tree().leaf_labels(issued[stays].leaf(0).unwrap());
        let reader = generation.reader();
        let wrap = |rng: &mut ChaCha20Rng| Header::wrap(&generation, &wrapping, &blocks.readers(&BTreeSet::new()), rng).unwrap();
        let header = wrap(&mut rng);
        let make = micros(|| drop(wrap(&mut rng)));
        let open = micros(|| drop(header.open(&reader, &labels).unwrap()));
        let bytes = codec::encode(&header);
        let record = Slot::of_header(&reader.lookup, day_of(NOW)).seal(&generation.lookup(), NOW, &bytes, &mut rng).unwrap();
        let kept = friends - left;
        println!("| {friends} | {left} | {} | {} | {make} | {open} | {} | {kept} |", bytes.len(), record.len(), kept * ENTRY);
    }
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let generation = Generation::random(0, day_of(NOW), &mut rng);
    let (reader, secret) = (generation.reader(), Wrapping::random(1, &mut rng));
    let labels = micros(|| drop(generation.tree().leaf_labels(40_000)));
    let stamp = BodyInfo { version: 1, day: day_of(NOW), sequence: 1, device: DeviceId([1; 16]), issued: NOW, expires: NOW.after(DAY) };
    let body = micros(|| {
        let body = codec::encode(&Body::seal(&reader, secret.secret(Class::Full), stamp, &[7; 600], &mut rng).unwrap());
        Slot::of_body(&reader.lookup, day_of(NOW), secret.secret(Class::Full)).seal(&generation.lookup(), NOW, &body, &mut rng).unwrap();
    });
    println!(
        "\nlabels of a friend: {} bytes on the friend's disk, made in {labels} us; a body sealed and signed: {body} us",
        LeafLabels::LEN
    );
}
