//! Tags of known envelopes: which device sealed an envelope, under which counter.
//!
//! For each device the tags of the next [`AHEAD`] counters and of those that were skipped
//! are kept ready. A tag that is not among them is looked for up to [`FAR_AHEAD`] counters
//! ahead; that costs work, so only so much of it is done in a minute, and devices take turns.

use crate::rows::Channel;
use crate::state::State;
use std::collections::{BTreeSet, HashMap};
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::{MINUTE, Timestamp};

/// Tags kept ready for each device.
pub(crate) const AHEAD: u64 = 64;
/// How far ahead a tag is looked for.
pub(crate) const FAR_AHEAD: u64 = 4_096;
/// Skipped counters remembered for each device.
pub(crate) const MISSING_MAX: usize = 1_024;
/// Tags computed in one minute by searches far ahead, all devices together: about 0.6 s of
/// CPU, whatever somebody sends and however many friends there are.
const SEARCH_MAX: u64 = 1 << 20;
/// Tags computed for one device.
const SEARCH_WIDTH: u64 = FAR_AHEAD - AHEAD;

/// The same in a room that was left.
pub(crate) const MISSING_OF_FORMER_MAX: usize = 64;

type Tag = [u8; 16];

/// Which of the rooms that were left a counter belongs to; none when it belongs to the present one.
fn former_of(device: &Channel, counter: u64) -> Option<usize> {
    let fits = |next: u64, missing: &[u64]| missing.contains(&counter) || counter.checked_sub(next).is_some_and(|ahead| ahead < FAR_AHEAD);
    if fits(device.receive_counter, &device.missing) {
        return None;
    }
    device.formers().iter().rposition(|former| fits(former.receive_counter, &former.missing))
}

/// The tags expected from all devices.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    expected: HashMap<Tag, (DeviceId, u64)>,
    /// Up to which counter tags are ready, for each device.
    ready_until: HashMap<DeviceId, u64>,
    /// Tags computed by searches in this minute.
    searched: u64,
    minute: u64,
    /// Where the next search begins, when the last one did not come round.
    resume: Option<DeviceId>,
    /// Devices of which this was said since tags were last asked for.
    recounted: BTreeSet<DeviceId>,
}

impl Tags {
    /// The device and counter of a tag that is kept ready. Cheap, unlike [`Self::search`].
    pub fn ready(&mut self, state: &mut State, tag: &Tag) -> Option<(DeviceId, u64)> {
        let recounted = std::mem::take(&mut self.recounted);
        if !recounted.is_empty() {
            // Of rooms that are not read any more nothing stays.
            self.expected.retain(|_, (device, _)| !recounted.contains(device));
            self.ready_until.retain(|device, _| !recounted.contains(device));
        }
        if self.ready_until.len() != state.devices.len() {
            let unknown: Vec<DeviceId> = state.devices.keys().filter(|id| !self.ready_until.contains_key(id)).copied().collect();
            for device in unknown {
                self.prepare(state, &device);
            }
        }
        self.expected.get(tag).copied()
    }

    /// The envelope with this counter was taken in: its tag is used up.
    pub fn take(&mut self, state: &mut State, device: &DeviceId, counter: u64) {
        let Some(key) = state.envelope_key_from(device) else { return };
        self.expected.remove(&key.tag(counter));
        let Some(row) = state.channel_mut(device) else { return };
        if let Some(former) = former_of(row, counter).and_then(|at| row.former.as_mut()?.get_mut(at)) {
            if counter >= former.receive_counter {
                former.missing.extend(former.receive_counter..counter);
                former.receive_counter = counter.saturating_add(1);
                let excess = former.missing.len().saturating_sub(MISSING_OF_FORMER_MAX);
                former.missing.drain(..excess);
                for counter in former.receive_counter..former.receive_counter.saturating_add(AHEAD) {
                    self.expected.insert(key.tag(counter), (*device, counter));
                }
            } else {
                former.missing.retain(|missing| *missing != counter);
            }
            return;
        }
        if counter >= row.receive_counter {
            row.missing.extend(row.receive_counter..counter);
            row.receive_counter = counter.saturating_add(1);
            let excess = row.missing.len().saturating_sub(MISSING_MAX);
            let forgotten: Vec<u64> = row.missing.drain(..excess).collect();
            for counter in forgotten {
                self.expected.remove(&key.tag(counter));
            }
            // A jump beyond what was ready: of the counters in between only those that are
            // missing get a tag, neither the one just used up nor the forgotten.
            if let Some(ready) = self.ready_until.get_mut(device).filter(|ready| **ready < row.receive_counter) {
                for counter in row.missing.iter().filter(|counter| **counter >= *ready) {
                    self.expected.insert(key.tag(*counter), (*device, *counter));
                }
                *ready = row.receive_counter;
            }
            self.prepare(state, device);
        } else {
            row.missing.retain(|missing| *missing != counter);
        }
    }

    /// Envelopes of a device are counted from elsewhere now, or it is not known any more.
    pub fn recounted(&mut self, device: DeviceId) {
        self.recounted.insert(device);
    }

    /// Computes the tags of the next counters of a device.
    fn prepare(&mut self, state: &mut State, device: &DeviceId) {
        let Some(key) = state.envelope_key_from(device) else { return };
        let Some(row) = state.devices.get(device) else { return };
        let from = match self.ready_until.get(device) {
            Some(ready) => *ready,
            None => {
                for counter in &row.channel.missing {
                    self.expected.insert(key.tag(*counter), (*device, *counter));
                }
                for former in row.channel.formers() {
                    let next = former.receive_counter..former.receive_counter.saturating_add(AHEAD);
                    for counter in former.missing.iter().copied().chain(next) {
                        self.expected.insert(key.tag(counter), (*device, counter));
                    }
                }
                row.channel.receive_counter
            }
        };
        let until = row.channel.receive_counter.saturating_add(AHEAD);
        for counter in from..until {
            self.expected.insert(key.tag(counter), (*device, counter));
        }
        self.ready_until.insert(*device, until.max(from));
    }

    /// Looks for a tag far ahead, as after a long loss. Costs thousands of MACs for each
    /// device, so whatever can be told to be a repeat is not brought here.
    pub fn search(&mut self, state: &mut State, now: Timestamp, tag: &Tag) -> Option<(DeviceId, u64)> {
        let minute = now.0 / MINUTE;
        if self.minute != minute {
            self.minute = minute;
            self.searched = 0;
        }
        let mut devices: Vec<(DeviceId, u64)> = state.devices.values().map(|row| (row.device, row.channel.receive_counter)).collect();
        let first = self.resume.take().map_or(0, |resume| devices.partition_point(|(device, _)| *device < resume));
        devices.rotate_left(first);
        for (device, next) in devices {
            if self.searched + SEARCH_WIDTH > SEARCH_MAX {
                self.resume = Some(device);
                return None;
            }
            self.searched += SEARCH_WIDTH;
            let Some(key) = state.envelope_key_from(&device) else { continue };
            let mut ahead = next.saturating_add(AHEAD)..next.saturating_add(FAR_AHEAD);
            if let Some(counter) = ahead.find(|counter| key.tag(*counter) == *tag) {
                return Some((device, counter));
            }
        }
        None
    }

    /// The device that has used a tag lately for an envelope that was taken in: this device, or any.
    pub fn used(&mut self, state: &mut State, tag: &Tag, only: Option<DeviceId>) -> Option<DeviceId> {
        let wanted = state.devices.values().filter(|row| only.is_none_or(|only| only == row.device));
        for (device, next) in wanted.map(|row| (row.device, row.channel.receive_counter)).collect::<Vec<_>>() {
            if self.searched + AHEAD > SEARCH_MAX {
                return None;
            }
            self.searched += AHEAD;
            let Some(key) = state.envelope_key_from(&device) else { continue };
            if (next.saturating_sub(AHEAD)..next).any(|counter| key.tag(counter) == *tag) {
                return Some(device);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
