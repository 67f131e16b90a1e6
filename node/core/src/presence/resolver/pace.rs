//! How often somebody is looked for.

use crate::limits::{FRIENDS_MAX, SEEK_PAUSE, SEEK_PAUSE_MAX, SEEK_PAUSE_STALE, SEEKS_BEFORE_FRIENDS};
use std::collections::BTreeMap;
use symbolon_presence::id::PeerId;
use symbolon_presence::time::Timestamp;

/// Why a friend's records are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The friend cannot be reached.
    Missed,
    /// The friend's node says that our keys have expired.
    Stale,
}

/// Attempts for one friend.
#[derive(Debug, Clone, Copy)]
struct Attempts {
    last: Timestamp,
    /// In a row without anything new.
    vain: u32,
}

impl Attempts {
    fn pause(&self, why: Why) -> u64 {
        match why {
            Why::Stale => SEEK_PAUSE_STALE,
            Why::Missed => SEEK_PAUSE.saturating_mul(1 << self.vain.min(20)).min(SEEK_PAUSE_MAX),
        }
    }
}

/// When each friend may be looked for again. Nothing of it is stored.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// At most [`FRIENDS_MAX`]; when full, all are forgotten.
    attempts: BTreeMap<PeerId, Attempts>,
    /// Whose nodes have said that our keys are replaced just after, or while, their records were looked
    /// for: they are looked for once more. At most [`FRIENDS_MAX`].
    later: BTreeMap<PeerId, Timestamp>,
}

impl Pace {
    /// When somebody who was put off is to be looked for.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.later.values().copied().min()
    }

    /// Those who were put off until now.
    pub fn due(&self, now: Timestamp) -> Vec<PeerId> {
        self.later.iter().filter(|(_, at)| **at <= now).map(|(peer, _)| *peer).collect()
    }

    /// Whether somebody may be looked for now. Who may not, and has other keys now, is put off.
    pub fn may(&mut self, now: Timestamp, peer: PeerId, why: Why) -> bool {
        if let Some(attempts) = self.attempts.get(&peer).filter(|attempts| now.since(attempts.last) < attempts.pause(why)) {
            if why == Why::Stale {
                let at = attempts.last.after(SEEK_PAUSE_STALE);
                self.put_off(peer, at);
            }
            return false;
        }
        self.later.remove(&peer);
        true
    }

    /// Looks for somebody at that moment, not before.
    pub fn put_off(&mut self, peer: PeerId, at: Timestamp) {
        if self.later.len() < FRIENDS_MAX || self.later.contains_key(&peer) {
            self.later.insert(peer, at);
        }
    }

    /// Does not put somebody off any more.
    pub fn take(&mut self, peer: &PeerId) {
        self.later.remove(peer);
    }

    /// Somebody is looked for; in vain, as long as nothing is found.
    pub fn began(&mut self, now: Timestamp, peer: PeerId) {
        let vain = self.attempts.get(&peer).map_or(0, |attempts| attempts.vain);
        if self.attempts.len() >= FRIENDS_MAX {
            self.attempts.clear();
        }
        self.attempts.insert(peer, Attempts { last: now, vain: vain.saturating_add(1) });
    }

    /// Something new was found.
    pub fn found(&mut self, now: Timestamp, peer: PeerId) {
        self.later.remove(&peer);
        self.attempts.insert(peer, Attempts { last: now, vain: 0 });
    }

    /// Whether somebody was looked for in vain so often that all friends are asked.
    pub fn is_lasting(&self, peer: &PeerId) -> bool {
        self.attempts.get(peer).is_some_and(|attempts| attempts.vain >= SEEKS_BEFORE_FRIENDS)
    }

    /// There is somewhere to look now: all may be looked for at once.
    pub fn begin_again(&mut self) {
        self.attempts.clear();
    }

    /// How many friends were looked for, and how many are put off.
    #[cfg(test)]
    pub fn counts(&self) -> (usize, usize) {
        (self.attempts.len(), self.later.len())
    }
}
