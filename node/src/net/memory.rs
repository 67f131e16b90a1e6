//! How much memory this process holds, as far as the system tells.

use std::time::{Duration, Instant};

/// It is asked no more often than this.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound on the memory of the process.
#[derive(Debug)]
pub(super) struct Memory {
    most: usize,
    looked: Option<Instant>,
    scarce: bool,
}

impl Memory {
    pub(super) fn new(most: usize) -> Self {
        Self { most, looked: None, scarce: false }
    }

    /// Whether the process holds more than it may.
    pub(super) fn is_scarce(&mut self) -> bool {
        if self.looked.is_none_or(|at| at.elapsed() >= PAUSE) {
            self.looked = Some(Instant::now());
            self.scarce = resident().is_some_and(|bytes| bytes > self.most);
        }
        self.scarce
    }
}

/// Bytes of this process that lie in memory.
#[cfg(target_os = "linux")]
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// Other systems do not tell it by a file; there the counts alone bound it.
#[cfg(not(target_os = "linux"))]
fn resident() -> Option<usize> {
    None
}
