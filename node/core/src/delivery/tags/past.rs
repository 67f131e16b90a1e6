//! Tags that were used up. A repeat of an envelope is known by its counter, and that is found by its tag: those of one seed are
//! computed when a repeat comes, and kept for the others that come with it.

use super::found::{Found, Line, Tag};
use crate::rows::Inbound;
use crate::state::State;
use std::collections::{BTreeSet, HashMap};
use symbolon_presence::id::DeviceId;
use symbolon_presence::seeds::FAR_AHEAD;

/// Tags computed in one minute, all devices together. Half of it is for devices that have proved to be behind the link: one who
/// brings what nobody has sealed uses up the other half alone.
pub(super) const LOOK_BACK_MAX: u64 = 1 << 20;
/// Tags kept: those of four seeds that were used far.
pub(super) const PAST_MAX: usize = 4 * FAR_AHEAD as usize;

/// Used tags of some seeds, as far back as a sender may lack a receipt.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// At most [`PAST_MAX`], and those of the newest seed.
    found: HashMap<Tag, Found>,
    lines: BTreeSet<Line>,
    /// Tags computed in this minute.
    looked: u64,
}

impl Past {
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    #[cfg(test)]
    pub fn looked(&self) -> u64 {
        self.looked
    }

    pub fn begin_minute(&mut self) {
        self.looked = 0;
    }

    /// Drops seeds that are gone.
    pub fn retain(&mut self, is_there: impl Fn(&Line) -> bool) {
        self.lines.retain(|line| is_there(line));
        self.found.retain(|_, found| is_there(&(found.device, found.seed)));
    }

    /// A counter was used up.
    pub fn take(&mut self, tag: Tag, found: &Found) {
        if self.lines.contains(&(found.device, found.seed)) {
            self.make_room(1);
            self.found.insert(tag, *found);
        }
    }

    /// What a tag stood for.
    pub fn find(&mut self, state: &State, tag: &Tag, behind: Option<DeviceId>) -> Option<Found> {
        if let Some(found) = self.found.get(tag) {
            return Some(*found);
        }
        let is_used = |(line, row): &(&Line, &Inbound)| row.opener.next() > 0 && !self.lines.contains(line);
        let lines: Vec<(Line, &Inbound)> = state.inbound().filter(is_used).map(|(line, row)| (*line, row)).collect();
        let (first, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(|((device, _), _)| Some(*device) == behind);
        // The newest seeds of each first.
        let first = first.into_iter().rev().map(|line| (line, LOOK_BACK_MAX));
        let others = others.into_iter().rev().map(|line| (line, LOOK_BACK_MAX / 2));
        for (((device, seed), Inbound { opener, .. }), most) in first.chain(others) {
            let counters = opener.next().saturating_sub(FAR_AHEAD)..opener.next();
            let work = counters.end - counters.start;
            if self.looked.saturating_add(work) > most {
                continue;
            }
            self.looked += work;
            let tags: Vec<(Tag, Found)> = counters.map(|counter| (opener.tag(counter), Found { device, seed, counter })).collect();
            if let Some((_, found)) = tags.iter().find(|(of, _)| of == tag).copied() {
                self.make_room(tags.len());
                self.lines.insert((device, seed));
                self.found.extend(tags);
                return Some(found);
            }
        }
        None
    }

    /// Forgets all of them when there would be too many.
    fn make_room(&mut self, more: usize) {
        if self.found.len() + more > PAST_MAX {
            self.found = HashMap::new();
            self.lines = BTreeSet::new();
        }
    }
}
