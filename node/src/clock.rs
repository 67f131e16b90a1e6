//! The clocks of this machine. The one place that asks the system for the time of day.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use symbolon_presence::time::Timestamp;

/// The clocks of this machine.
pub trait Clock {
    /// The wall clock. May jump in either direction; then the loop makes a core that begins by it.
    fn now(&mut self) -> Timestamp;

    /// A clock that begins anywhere, and never jumps.
    fn steady(&mut self) -> Duration {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        BEGAN.get_or_init(Instant::now).elapsed()
    }
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&mut self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
