//! Tags of known envelopes: which device sealed an envelope, under which seed of ours and which counter.
//!
//! For each device and seed the tags of the next [`AHEAD`] counters and of those that were skipped
//! are kept ready. A tag that is not among them is looked for up to [`FAR_AHEAD`] counters
//! ahead; that costs work, so only so much of it is done in a minute, and seeds take turns.

use super::seeds;
use crate::rows::Inbound;
use crate::state::State;
use std::collections::{BTreeMap, HashMap, HashSet};
use symbolon_presence::id::DeviceId;
use symbolon_presence::seeds::FAR_AHEAD;
use symbolon_presence::time::{MINUTE, Timestamp};

mod found;
mod past;

pub(crate) use found::{Found, Line, Tag};
use past::Past;

/// Tags kept ready for each seed of a device.
pub(crate) const AHEAD: u64 = 64;
/// Tags computed in one minute by searches far ahead, all devices together: about 0.6 s of
/// CPU, whatever somebody sends and however many friends there are.
const SEARCH_MAX: u64 = 1 << 20;
/// Tags computed for one seed of a device.
const SEARCH_WIDTH: u64 = FAR_AHEAD - AHEAD;

/// The tags expected from all devices.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    expected: HashMap<Tag, Found>,
    /// Up to which counter tags are ready.
    ready_until: BTreeMap<Line, u64>,
    /// How often seeds had changed when tags were last made ready.
    changes: Option<u64>,
    /// Tags computed by searches in this minute.
    searched: u64,
    minute: u64,
    /// Where the next search begins, when the last one did not come round.
    resume: Option<Line>,
    past: Past,
}

impl Tags {
    /// The device and counter of a tag that is kept ready. Cheap, unlike [`Self::search`].
    pub fn ready(&mut self, state: &State, tag: &Tag) -> Option<Found> {
        self.follow(state);
        self.expected.get(tag).copied()
    }

    /// Takes up the seeds that are new, and drops the tags of those that are gone.
    fn follow(&mut self, state: &State) {
        if self.changes.replace(state.inbound_changes()) == Some(state.inbound_changes()) {
            return;
        }
        let is_there = |(device, seed): &Line| state.inbound_under(device, *seed).is_some();
        if self.ready_until.keys().any(|line| !is_there(line)) {
            self.ready_until.retain(|line, _| is_there(line));
            self.expected.retain(|_, found| is_there(&(found.device, found.seed)));
            self.past.retain(is_there);
        }
        let new: Vec<Line> = state.inbound().map(|(line, _)| *line).filter(|line| !self.ready_until.contains_key(line)).collect();
        for line in &new {
            self.prepare(state, line);
        }
    }

    /// The envelope with this counter was taken in: its tag is used up, and its key erased.
    pub fn take(&mut self, state: &mut State, now: Timestamp, found: &Found) {
        self.follow(state);
        let line = (found.device, found.seed);
        let Some(row) = state.inbound_mut(&found.device, found.seed) else { return };
        let tag = row.opener.tag(found.counter);
        self.expected.remove(&tag);
        self.past.take(tag, found);
        let is_new = found.counter >= row.opener.next();
        let forgotten = row.opener.take(found.counter);
        for counter in forgotten {
            self.expected.remove(&row.opener.tag(counter));
        }
        if !is_new {
            return;
        }
        // A jump beyond what was ready: of the counters in between only those that are
        // missing get a tag, neither the one just used up nor the forgotten.
        if let Some(ready) = self.ready_until.get_mut(&line).filter(|ready| **ready < row.opener.next()) {
            for counter in row.opener.skipped().filter(|counter| *counter >= *ready) {
                self.expected.insert(row.opener.tag(counter), Found { counter, ..*found });
            }
            *ready = row.opener.next();
        }
        seeds::used(state, now, &found.device, found.seed);
        self.prepare(state, &line);
    }

    /// Computes the tags of the next counters under a seed.
    fn prepare(&mut self, state: &State, (device, seed): &Line) {
        let Some(Inbound { opener, .. }) = state.inbound_under(device, *seed) else { return };
        let of = |counter| Found { device: *device, seed: *seed, counter };
        let from = match self.ready_until.get(&(*device, *seed)) {
            Some(ready) => *ready,
            None => {
                for counter in opener.skipped() {
                    self.expected.insert(opener.tag(counter), of(counter));
                }
                opener.next()
            }
        };
        let until = opener.next().saturating_add(AHEAD);
        for counter in from..until {
            self.expected.insert(opener.tag(counter), of(counter));
        }
        self.ready_until.insert((*device, *seed), until.max(from));
    }

    /// Looks for a tag far ahead, as after a long loss. Costs thousands of MACs for each
    /// seed, so what can be recognised as a repeat is not brought here.
    pub fn search(&mut self, state: &State, now: Timestamp, tag: &Tag) -> Option<Found> {
        self.begin_minute(now);
        let mut lines: Vec<(Line, &Inbound)> = state.inbound().map(|(line, row)| (*line, row)).collect();
        let first = self.resume.take().map_or(0, |resume| lines.partition_point(|(line, _)| *line < resume));
        lines.rotate_left(first);
        for (line, Inbound { opener, .. }) in lines {
            if self.searched + SEARCH_WIDTH > SEARCH_MAX {
                self.resume = Some(line);
                return None;
            }
            self.searched += SEARCH_WIDTH;
            let mut ahead = opener.next().saturating_add(AHEAD)..opener.next().saturating_add(FAR_AHEAD);
            if let Some(counter) = ahead.find(|counter| opener.tag(*counter) == *tag) {
                return Some(Found { device: line.0, seed: line.1, counter });
            }
        }
        None
    }

    /// Whether the last search has left out seeds, because the minute's work was done.
    pub fn is_cut(&self) -> bool {
        self.resume.is_some()
    }

    /// Looks far ahead under one seed for many tags at once; none when half of the minute's work is done: the rest is
    /// for what comes now.
    pub fn look_ahead(&mut self, state: &State, now: Timestamp, line: &Line, tags: &HashSet<Tag>) -> Option<Vec<(Tag, Found)>> {
        self.begin_minute(now);
        if self.searched + SEARCH_WIDTH > SEARCH_MAX / 2 {
            return None;
        }
        let Some(Inbound { opener, .. }) = state.inbound_under(&line.0, line.1) else { return Some(Vec::new()) };
        self.searched += SEARCH_WIDTH;
        let ahead = opener.next().saturating_add(AHEAD)..opener.next().saturating_add(FAR_AHEAD);
        let found = |counter| Found { device: line.0, seed: line.1, counter };
        Some(ahead.map(|counter| (opener.tag(counter), found(counter))).filter(|(tag, _)| tags.contains(tag)).collect())
    }

    fn begin_minute(&mut self, now: Timestamp) {
        let minute = now.0 / MINUTE;
        if self.minute != minute {
            self.minute = minute;
            self.searched = 0;
            self.past.begin_minute();
        }
    }

    /// What a tag stood for that was used up: the envelope may be a repeat. Those who are `behind` the link are looked at first.
    pub fn past(&mut self, state: &State, now: Timestamp, tag: &Tag, behind: Option<DeviceId>) -> Option<Found> {
        self.follow(state);
        self.begin_minute(now);
        self.past.find(state, tag, behind)
    }

    /// The device that has used a tag lately for an envelope that was taken in: this device, or any.
    pub fn used(&mut self, state: &State, tag: &Tag, only: Option<DeviceId>) -> Option<DeviceId> {
        for ((device, _), Inbound { opener, .. }) in state.inbound().filter(|((device, _), _)| only.is_none_or(|only| only == *device)) {
            if self.searched + AHEAD > SEARCH_MAX {
                return None;
            }
            self.searched += AHEAD;
            if (opener.next().saturating_sub(AHEAD)..opener.next()).any(|counter| opener.tag(counter) == *tag) {
                return Some(*device);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
