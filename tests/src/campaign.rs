//! Durability campaigns: the same rounds for plain tests (few) and recipes (many).
//!
//! Each answers a report with figures, or the trouble that it found; a campaign never
//! repairs or retries what it is there to find.

pub mod damage;
pub mod erased;
pub mod files;
pub mod full;
pub mod kill9;
pub mod mounts;
pub mod power;
pub mod writers;

use crate::node::Trouble;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Chance, from a seed that can be given again.
#[derive(Debug)]
pub struct Dice(ChaCha20Rng);

impl Dice {
    /// Dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// A number below `n`; 0 when `n` is.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n.max(1)
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// Number behind a flag of a recipe's command line, such as `--rounds 1000`.
///
/// # Errors
/// When it is no number.
pub fn flag(name: &str, default: u64) -> Result<u64, Trouble> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok(default),
        (Some(_), value) => value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("{name} needs a number")),
    }
}
