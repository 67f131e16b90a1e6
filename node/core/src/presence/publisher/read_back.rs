//! Whether our own records can be read where they were published.

use crate::limits::{READ_AGAIN, READ_BACK, READ_BACK_MAX};
use std::collections::BTreeSet;
use symbolon_presence::id::LookupId;
use symbolon_presence::time::Timestamp;

/// When our records are looked for, and what was found. Nothing of it is stored.
#[derive(Debug, Default)]
pub(super) struct ReadBack {
    /// When to look.
    pub due: Option<Timestamp>,
    /// The pause before the look after that; it doubles.
    pause: u64,
    /// Records that were looked for and not found yet: header and full body of today.
    pub unread: BTreeSet<LookupId>,
    /// When the newest were last found, all of them.
    pub last: Option<Timestamp>,
}

impl ReadBack {
    /// Looks soon, if there is somewhere to look.
    pub fn schedule(&mut self, now: Timestamp, has_servers: bool) {
        self.unread.clear();
        self.pause = READ_BACK;
        self.due = has_servers.then(|| now.after(READ_BACK));
    }

    /// Whether to look now. The next time comes after a longer pause.
    pub fn take_due(&mut self, now: Timestamp) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.pause = self.pause.saturating_mul(2).min(READ_BACK_MAX);
            self.due = Some(now.after(self.pause));
        }
        is_due
    }

    /// A record was found as we published it.
    pub fn found(&mut self, now: Timestamp, id: &LookupId) {
        if self.unread.remove(id) && self.unread.is_empty() {
            self.last = Some(now);
            self.pause = READ_BACK;
            self.due = Some(now.after(READ_AGAIN));
        }
    }
}
