//! Hostile bytes against every decoder: the whole fuzz corpus, then mutations of it.
//!
//! What fuzzing looks for over hours is held here in seconds, without a fuzzer: no decoder
//! panics, none accepts a second encoding of a value (asserted inside
//! [`symbolon_tests::decoders`]), none holds more memory than its input pays for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use peak_alloc::PeakAlloc;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use symbolon_tests::decoders::{self, Decoder};
use symbolon_tests::seeds::{self, Seed};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Tests of this file run one after the other, so that each counts its own bytes only.
static ALONE: Mutex<()> = Mutex::new(());

/// Mutated inputs in one run, all decoders together.
const MUTATIONS: usize = 200_000;
/// Bytes that a decoder may hold for each byte of input. The dearest byte on the wire is an
/// empty string in a list of addresses: one byte becomes a vector of 24, and a growing list
/// lies in memory twice for a moment.
const HELD_PER_BYTE: usize = 80;
/// Bytes that a decoder may hold whatever the input.
const HELD_ALWAYS: usize = 32 * 1024;

fn corpus(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder)
}

/// All files of a folder of the corpus, in the order of their names.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(corpus(folder))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// Runs a decoder; an input that makes it panic or grow is shown in hex.
fn run(decoder: &Decoder, what: &str, input: &[u8]) -> bool {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = catch_unwind(AssertUnwindSafe(|| (decoder.run)(input)));
    let held = MEMORY.peak_usage().saturating_sub(before);
    let shown = || data_encoding::HEXLOWER.encode(input);
    let Ok(accepted) = result else { panic!("{} panicked on {what}: {}", decoder.name, shown()) };
    let allowed = HELD_ALWAYS + HELD_PER_BYTE * input.len().min(decoder.max);
    assert!(held <= allowed, "{} held {held} bytes for {} of {what}: {}", decoder.name, input.len(), shown());
    assert!(!accepted || input.len() <= decoder.max, "{} took {} bytes of {what}", decoder.name, input.len());
    accepted
}

/// The fixed keys are made on first use; that memory is nobody's input.
fn warm_up() {
    for decoder in decoders::ALL {
        for (_, input) in seeds::valid(decoder.name) {
            (decoder.run)(&input);
        }
    }
}

#[test]
fn the_corpus_has_a_folder_for_each_decoder_and_every_seed_in_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let write = std::env::var_os("CORPUS_WRITE").is_some();
    let check = |folder: &str, seeds: Vec<Seed>| {
        assert!(!seeds.is_empty(), "{folder} has no seed");
        for (name, bytes) in seeds {
            let path = corpus(folder).join(name);
            if write {
                std::fs::create_dir_all(corpus(folder)).unwrap();
                std::fs::write(&path, &bytes).unwrap();
            }
            assert!(std::fs::read(&path).is_ok_and(|frozen| frozen == bytes), "{} is missing or stale", path.display());
        }
    };
    check("nasty", seeds::nasty());
    for decoder in decoders::ALL {
        check(decoder.name, seeds::valid(decoder.name));
    }
    let folders: BTreeSet<String> =
        std::fs::read_dir(corpus("")).unwrap().map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect();
    let expected: BTreeSet<String> = decoders::ALL.iter().map(|decoder| decoder.name.to_owned()).chain(["nasty".to_owned()]).collect();
    assert_eq!(folders, expected);
}

#[test]
fn every_valid_seed_is_accepted_and_no_part_of_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    warm_up();
    for decoder in decoders::ALL {
        for (name, input) in seeds::valid(decoder.name) {
            assert!(run(decoder, name, &input), "{}/{name}", decoder.name);
            // Text may lose the white space around it, a card is found among other words, part of an identifier is one of
            // another kind, and a list of places may end behind any of them.
            if matches!(decoder.name, "link" | "card" | "words" | "identifier" | "lan_places") {
                continue;
            }
            let step = (input.len() / 64).max(1);
            for cut in (0..input.len()).step_by(step) {
                assert!(!run(decoder, name, &input[..cut]), "{}/{name} cut at {cut}", decoder.name);
            }
            assert!(!run(decoder, name, &[&input[..], &[0]].concat()), "{}/{name} with a byte behind", decoder.name);
        }
    }
}

#[test]
fn the_whole_corpus_is_read_by_every_decoder_without_harm() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    warm_up();
    let nasty = files("nasty");
    for decoder in decoders::ALL {
        for (name, input) in nasty.iter().chain(&files(decoder.name)) {
            run(decoder, name, input);
        }
        // Longer than anything it may look at: refused, whatever it says.
        let seed = seeds::valid(decoder.name).swap_remove(0).1;
        let mut long = seed.clone();
        long.resize(decoder.max + 1, 0);
        assert!(!run(decoder, "a seed behind its limit", &long));
    }
}

#[test]
fn mutated_inputs_never_panic_and_never_have_a_second_encoding() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    warm_up();
    let seed = std::env::var("MUTATION_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let nasty = files("nasty");
    let mut accepted_where = BTreeSet::new();
    for decoder in decoders::ALL {
        let own = files(decoder.name);
        let inputs: Vec<&[u8]> = own.iter().map(|(_, input)| input.as_slice()).collect();
        let others: Vec<&[u8]> = nasty.iter().chain(&own).map(|(_, input)| input.as_slice()).collect();
        for _ in 0..MUTATIONS / decoders::ALL.len() {
            let original = inputs[below(&mut rng, inputs.len())];
            let mut input = original.to_vec();
            for _ in 0..=below(&mut rng, 4) {
                mutate(&mut rng, &mut input, &others);
            }
            if run(decoder, &format!("a mutation of seed {seed}"), &input) && input != original {
                accepted_where.insert(decoder.name);
            }
        }
    }
    // The mutations reach behind the codec: values that differ are accepted wherever no
    // signature, seal or checksum covers every byte of them.
    let sealed = ["sealed_address", "first_envelope", "known_envelope", "leaf_credential", "record", "posted", "invite_body"];
    for decoder in decoders::ALL.iter().filter(|decoder| !sealed.contains(&decoder.name)) {
        assert!(accepted_where.contains(decoder.name), "no mutation for {} was ever accepted", decoder.name);
    }
    assert!(sealed.iter().all(|name| !accepted_where.contains(name)), "a forged seal was opened");
}

fn below(rng: &mut ChaCha8Rng, limit: usize) -> usize {
    (rng.next_u64() % limit.max(1) as u64) as usize
}

/// One change of the kind that trips readers of CBOR.
fn mutate(rng: &mut ChaCha8Rng, input: &mut Vec<u8>, others: &[&[u8]]) {
    /// Heads of items: shortest and longest integers, strings, lists, maps, tags, simple values, break.
    const HEADS: [u8; 24] = [
        0x00, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x20, 0x3b, 0x40, 0x58, 0x5b, 0x5f, 0x60, 0x7b, 0x80, 0x9b, 0x9f, 0xa0, 0xbb, 0xbf, 0xc1, 0xf6,
        0xfb, 0xff,
    ];
    let at = below(rng, input.len());
    match below(rng, 9) {
        0 if !input.is_empty() => input[at] ^= 1 << below(rng, 8),
        1 if !input.is_empty() => input[at] = HEADS[below(rng, HEADS.len())],
        2 if !input.is_empty() => input[at] = input[at].wrapping_add([1, 0xff][below(rng, 2)]),
        3 => input.insert(at, HEADS[below(rng, HEADS.len())]),
        4 => {
            let end = (at + 1 + below(rng, 16)).min(input.len());
            input.drain(at..end);
        }
        5 => input.truncate(at),
        6 => {
            let end = (at + 1 + below(rng, 64)).min(input.len());
            let copy = input[at..end].to_vec();
            let to = below(rng, input.len() + 1);
            input.splice(to..to, copy);
        }
        7 => {
            let other = others[below(rng, others.len())];
            let from = below(rng, other.len());
            let end = (from + 1 + below(rng, 128)).min(other.len());
            let until = (at + end - from).min(input.len());
            input.splice(at..until, other[from..end].iter().copied());
        }
        _ => {
            // A length that claims far more than there is.
            let claim = rng.next_u64() >> below(rng, 64);
            let bytes = [&[HEADS[below(rng, HEADS.len())]][..], &claim.to_be_bytes()].concat();
            let until = (at + bytes.len()).min(input.len());
            input.splice(at..until, bytes);
        }
    }
}
