//! When our headers go to the DHT. The protocol page is `docs/protocol/lookup.md`.

use crate::state::State;
use std::collections::BTreeSet;
use symbolon_presence::id::LookupId;
use symbolon_presence::record::{day_of, start_of};
use symbolon_presence::time::Timestamp;

/// Our headers, and when they go to the DHT. Nothing of it is stored.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// Of today and tomorrow.
    pub ids: BTreeSet<LookupId>,
    /// For which readers those lie there, as far as is known: generation and version.
    known: Option<(u32, u64)>,
    /// When they are brought whether anything has changed or not.
    pub due: Option<Timestamp>,
    /// They were looked for, and nobody has them.
    pub are_missing: bool,
}

impl Headers {
    /// Before the first publication it counts as known who reads: that was brought before the start.
    pub fn begin(&mut self, state: &State, now: Timestamp) {
        if self.known.is_none() {
            self.known = Some(Self::readers(state));
            self.due = Some(Self::next_moment(state, now));
        }
    }

    fn readers(state: &State) -> (u32, u64) {
        let presence = &state.own.presence;
        (presence.generation.number, presence.wrapping.version)
    }

    /// The next of the moments that are drawn for each day.
    fn next_moment(state: &State, now: Timestamp) -> Timestamp {
        let moment = |day: u32| start_of(day).after(state.own.presence.generation.header_moment(day));
        let today = day_of(now);
        Some(moment(today)).filter(|moment| *moment > now).unwrap_or_else(|| moment(today.saturating_add(1)))
    }

    /// Whether they are to be brought to the DHT now; they count as brought then.
    pub fn take_due(&mut self, state: &State, now: Timestamp) -> bool {
        let readers = Self::readers(state);
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = Some(Self::next_moment(state, now));
        }
        let have_changed = self.known.replace(readers) != Some(readers);
        std::mem::take(&mut self.are_missing) | is_due | have_changed
    }
}
