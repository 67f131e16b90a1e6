//! Time as the pure crates see it.

/// Milliseconds since the Unix epoch (UTC), passed in from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub u64);

/// How far a remote clock may differ from ours: 10 minutes.
pub const CLOCK_SKEW: u64 = 10 * MINUTE;
/// No clock that is right shows an earlier moment: the first of January 2026. What is dated from
/// here on is good also where it was made by a clock that was ahead.
pub const EARLIEST: Timestamp = Timestamp(1_767_225_600_000);
/// One second in milliseconds.
pub const SECOND: u64 = 1_000;
/// One minute in milliseconds.
pub const MINUTE: u64 = 60 * SECOND;
/// One hour in milliseconds.
pub const HOUR: u64 = 60 * MINUTE;
/// One day in milliseconds.
pub const DAY: u64 = 24 * HOUR;

impl Timestamp {
    /// The later moment, saturating at the end of time.
    pub fn after(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to `self`; 0 when `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether `now` is past this expiry, a remote clock's skew granted.
    pub fn is_expired_at(self, now: Self) -> bool {
        now.0 > self.0.saturating_add(CLOCK_SKEW)
    }

    /// Whether this moment lies further ahead of `now` than clocks may differ.
    pub fn is_future_at(self, now: Self) -> bool {
        self.0 > now.0.saturating_add(CLOCK_SKEW)
    }
}
