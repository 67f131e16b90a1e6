//! What proofs may cost: a leaf, so that links can hold it.

use crate::limits::PROOFS_MAX;
use symbolon_presence::time::{MINUTE, Timestamp};

/// What proofs may cost in a minute, no matter who sends them.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    pub(super) begun: Timestamp,
    /// MACs computed; at most [`PROOFS_MAX`], and those of one proof more.
    pub(super) macs: usize,
}

impl Proofs {
    /// Whether another proof may be looked at in this minute.
    pub(super) fn may_read(&mut self, now: Timestamp) -> bool {
        if now.since(self.begun) >= MINUTE {
            *self = Self { begun: now, macs: 0 };
        }
        self.macs < PROOFS_MAX
    }
}
