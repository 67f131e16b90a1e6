//! When to empty the store's log, and how long to keep calm after a failed turn.

use std::time::{Duration, Instant};

/// The log is emptied at the latest so long after the first write that it holds.
const LOG_AGE: Duration = Duration::from_secs(30);
/// And already when nothing was written for so long.
const LOG_IDLE: Duration = Duration::from_secs(5);

/// Pause after a first failed turn; doubles with each further one.
const CALM_MIN: Duration = Duration::from_millis(100);
/// Longest pause.
const CALM_MAX: Duration = Duration::from_secs(5);

/// Times of writing. Erased keys are out of the log within [`LOG_AGE`] and the time of one
/// checkpoint.
#[derive(Default)]
pub(super) struct Upkeep {
    first: Option<Instant>,
    last: Option<Instant>,
    has_failed: bool,
}

impl Upkeep {
    pub(super) fn wrote(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    pub(super) fn done(&mut self) {
        *self = Self::default();
    }

    /// After a failure: not at once again.
    pub(super) fn postpone(&mut self, now: Instant) {
        *self = Self { first: Some(now), last: Some(now), has_failed: true };
    }

    /// Whether a full log may be rewound now: after a failure only the next emptying tries again.
    pub(super) fn may_rewind(&self) -> bool {
        !self.has_failed
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.left(now) == Some(Duration::ZERO)
    }

    /// How long until the log shall be emptied; `None` when nothing is in it.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let due = (self.first? + LOG_AGE).min(self.last? + LOG_IDLE);
        Some(due.saturating_duration_since(now))
    }
}

/// Keeps a core whose every turn fails, on a full disk for example, from being loaded in a
/// tight loop. Commands are served meanwhile, so that their callers hear why.
#[derive(Default)]
pub(super) struct Calm {
    failures: u32,
    until: Option<Instant>,
}

impl Calm {
    pub(super) fn fail(&mut self, now: Instant) {
        let pause = CALM_MIN.saturating_mul(1 << self.failures.min(16)).min(CALM_MAX);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + pause);
    }

    /// A turn with all kinds of inputs went well.
    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.left(now).is_none()
    }

    /// How long ticks and network inputs still wait; `None` when they need not.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn log_is_emptied_when_writing_pauses_and_at_the_latest_after_thirty_seconds() {
        let start = Instant::now();
        let mut upkeep = Upkeep::default();
        assert_eq!(upkeep.left(start), None);
        upkeep.wrote(start);
        assert_eq!(upkeep.left(start), Some(LOG_IDLE));
        assert!(upkeep.is_due(start + LOG_IDLE));
        for second in 1..=28 {
            upkeep.wrote(start + SECOND * second);
            assert!(!upkeep.is_due(start + SECOND * second));
        }
        assert_eq!(upkeep.left(start + SECOND * 28), Some(SECOND * 2));
        assert!(upkeep.is_due(start + LOG_AGE));
        upkeep.postpone(start + LOG_AGE);
        assert_eq!(upkeep.left(start + LOG_AGE), Some(LOG_IDLE));
        assert!(!upkeep.may_rewind());
        upkeep.done();
        assert_eq!(upkeep.left(start + LOG_AGE), None);
        assert!(upkeep.may_rewind());
    }

    #[test]
    fn pause_after_failures_doubles_to_five_seconds_and_ends_with_a_success() {
        let now = Instant::now();
        let mut calm = Calm::default();
        let mut pauses = Vec::new();
        for _ in 0..100 {
            calm.fail(now);
            pauses.push(calm.left(now).unwrap_or_default().as_millis());
        }
        assert_eq!(pauses.iter().take(7).copied().collect::<Vec<_>>(), [100, 200, 400, 800, 1_600, 3_200, 5_000]);
        assert_eq!(pauses.last(), Some(&5_000));
        assert!(calm.is_over(now + CALM_MAX));
        calm.succeed();
        calm.fail(now);
        assert_eq!(calm.left(now), Some(CALM_MIN));
    }
}
