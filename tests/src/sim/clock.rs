//! A node's clock: wrong by some, and jumping.

use symbolon_presence::time::Timestamp;

/// A clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeClock {
    /// How far it runs ahead of the true time, in milliseconds; negative when it is late.
    pub offset: i64,
    newest: Timestamp,
}

impl NodeClock {
    /// What the machine's clock shows.
    pub fn shown(&self, truth: Timestamp) -> Timestamp {
        Timestamp(truth.0.saturating_add_signed(self.offset))
    }

    /// The time that a turn is given.
    pub fn read(&mut self, truth: Timestamp) -> Timestamp {
        let now = self.shown(truth);
        self.newest = self.newest.max(now);
        now
    }

    /// The true time at which this clock will read `at`.
    pub fn truth_of(&self, at: Timestamp) -> Timestamp {
        Timestamp(at.0.saturating_add_signed(self.offset.saturating_neg()))
    }

    /// The newest time that a turn was given.
    pub fn newest(&self) -> Timestamp {
        self.newest
    }
}
