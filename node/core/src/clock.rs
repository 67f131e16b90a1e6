//! The clock: what time it is, as far as anybody can be sure.
//!
//! Three moments go with each turn. *now* is the wall clock, which may be wrong by years: it may
//! hide, refuse or put off. *sure* ([`symbolon_presence::clock`]) has certainly come: only by it
//! something is erased or ended. *stamp* is what new rows are dated by: the wall clock, unless that
//! is known to be wrong. The decisions stand in `docs/decisions/0018-time.md`.
//!
//! Friends and relays sign times all along, in receipts and answers. Each is remembered by how far
//! it is from the wall clock; where most of them disagree with it, it is in doubt. A stranger's
//! time only makes the node warn its user.

use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use crate::world::Shelf;
use std::collections::BTreeMap;
use symbolon_presence::clock::SureTime;
use symbolon_presence::id::{MailboxId, PeerId};
use symbolon_presence::time::{CLOCK_SKEW, DAY, EARLIEST, HOUR, MINUTE, Timestamp};

/// Who signed a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signer {
    /// A friend's device.
    Friend(PeerId),
    /// A relay of ours, or of a friend.
    Relay(MailboxId),
    /// Somebody whom we asked for friendship: the user hears of it, and nothing is judged by it.
    Asked(PeerId),
}

/// Signers of whom the newest time is remembered; when full, all are forgotten.
const SIGNERS_MAX: usize = 64;
/// How long one is remembered: a clock may be set right without our hearing of it.
const REMEMBERED: u64 = DAY;

/// The row of [`Table::Meta`] with sure time.
const ROW: &[u8] = b"clock";
/// The row in which older versions kept the newest wall time.
const NEWEST: &[u8] = b"newest";

/// The time, and what others say about it.
#[derive(Debug)]
pub(crate) struct Clock {
    time: SureTime,
    now: Timestamp,
    /// How far ahead of us each signer's clock was when it last signed, in milliseconds, and when
    /// that was by ours.
    apart: BTreeMap<Signer, (i64, Timestamp)>,
}

impl Clock {
    /// Continues from the store. `is_first` when the folder is being made.
    pub fn load(shelf: &dyn Shelf, now: Timestamp, is_first: bool) -> Result<Self, TurnFailed> {
        let time = match shelf.get(Table::Meta, ROW)? {
            Some(row) => SureTime::load(decode_row(&row)?),
            None if is_first => SureTime::first(now),
            // A folder of an older version: if one of the two times is wrong, it is the later one.
            None => {
                let newest = shelf.get(Table::Meta, NEWEST)?.and_then(|row| row.try_into().ok()).map(u64::from_be_bytes);
                SureTime::first(now.min(Timestamp(newest.unwrap_or_default())))
            }
        };
        Ok(Self { time, now, apart: BTreeMap::new() })
    }

    /// A turn begins.
    pub fn turn(&mut self, now: Timestamp) {
        self.now = now;
        self.apart.retain(|_, (_, at)| now.since(*at) < REMEMBERED);
        self.time.turn(now);
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What has certainly come.
    pub fn sure(&self) -> Timestamp {
        self.time.sure()
    }

    /// What new rows are dated by: the wall clock where anybody whom we talk with says that it is
    /// right, and theirs where they say that it is ahead, but never behind what was lived through.
    /// While nobody says anything, the later of the two.
    pub fn stamp(&self) -> Timestamp {
        let reckoned = self.time.reckoned();
        match self.doubt() {
            Some(by) if by < 0 => reckoned.max(Timestamp(self.now.0.saturating_add_signed(by))),
            None if self.apart.values().any(|(by, _)| by.unsigned_abs() <= CLOCK_SKEW) => self.now,
            Some(_) | None => reckoned.max(self.now),
        }
    }

    /// When the wall clock will show that a moment has surely come, if nobody signs until then.
    pub fn wall_at(&self, at: Timestamp) -> Timestamp {
        at.after(self.now.since(self.time.sure()))
    }

    /// Somebody has signed the present moment.
    pub fn heard(&mut self, signer: Signer, at: Timestamp) {
        if !matches!(signer, Signer::Asked(_)) {
            self.time.signed(at, self.now);
        }
        if self.apart.len() >= SIGNERS_MAX && !self.apart.contains_key(&signer) {
            self.apart.clear();
        }
        let apart = i64::try_from(i128::from(at.0) - i128::from(self.now.0)).unwrap_or(i64::MAX);
        self.apart.insert(signer, (apart, self.now));
    }

    /// A link to a signer has ended: when the next one comes their clock may be right.
    pub fn forget(&mut self, peer: &PeerId) {
        self.apart.remove(&Signer::Friend(*peer));
        self.apart.remove(&Signer::Asked(*peer));
    }

    /// A friend has signed a moment that may lie some time ago.
    pub fn witnessed(&mut self, at: Timestamp) {
        self.time.signed(at, self.now);
    }

    /// How far those who sign are ahead of the wall clock, most of them at least; negative when it
    /// is the wall clock that is ahead. None when they agree with it, or nobody has said anything.
    pub fn doubt(&self) -> Option<i64> {
        let trusted = self.apart.iter().filter(|(signer, _)| !matches!(signer, Signer::Asked(_)));
        let mut apart: Vec<i64> = trusted.map(|(_, (by, _))| *by).collect();
        apart.sort_unstable();
        // Of an even number the one that is nearer to the wall clock.
        let (low, high) = (apart.get(apart.len().saturating_sub(1) / 2)?, apart.get(apart.len() / 2)?);
        let middle = if low.unsigned_abs() < high.unsigned_abs() { *low } else { *high };
        (middle.unsigned_abs() > CLOCK_SKEW).then_some(middle)
    }

    /// Whether most of those who are trusted with it say that the wall clock is right.
    pub fn is_confirmed(&self) -> bool {
        self.apart.keys().any(|signer| !matches!(signer, Signer::Asked(_))) && !self.is_doubtful()
    }

    /// Whether the wall clock cannot be right, or those who sign say that it is not.
    pub fn is_doubtful(&self) -> bool {
        self.now < EARLIEST || self.doubt().is_some()
    }

    /// What the user reads when clocks disagree.
    pub fn problem(&self) -> Option<String> {
        if self.now < EARLIEST {
            return Some("The clock of this machine was never set: set it; until then most things wait.".to_owned());
        }
        if let Some(by) = self.doubt() {
            let (apart, side) = (in_words(by.unsigned_abs()), if by > 0 { "behind" } else { "ahead" });
            let rest = "set it. Requests and invites wait until then; nothing is lost.";
            if self.apart.keys().filter(|signer| !matches!(signer, Signer::Asked(_))).count() == 1 {
                let rest = "set the one that is wrong. Requests and invites wait until then; nothing is lost.";
                let side = if by > 0 { "behind" } else { "ahead of" };
                return Some(format!("The clock of this machine is {apart} {side} that of a friend or relay: {rest}"));
            }
            return Some(format!("The clock of this machine is {apart} {side}, as friends or relays say: {rest}"));
        }
        let farthest = self.apart.values().map(|(by, _)| by.unsigned_abs()).max().filter(|by| *by > CLOCK_SKEW)?;
        let apart = in_words(farthest);
        let rest = "set the one that is wrong. Requests between the two wait until then.";
        Some(format!("The clocks of this machine and of another it spoke to are {apart} apart: {rest}"))
    }

    /// Writes what is to be kept.
    pub fn save(&mut self, turn: &mut Turn<'_>) {
        if let Some(kept) = self.time.to_write() {
            turn.put(Table::Meta, ROW, &kept);
        }
    }
}

/// A length of time for people, in whole units of which there are at least two.
pub(crate) fn in_words(milliseconds: u64) -> String {
    const YEAR: u64 = 365 * DAY + 6 * HOUR;
    let units = [(YEAR, "years"), (DAY, "days"), (HOUR, "hours")];
    let of = |unit: u64| milliseconds.saturating_add(unit / 2) / unit;
    let (number, name) =
        units.into_iter().map(|(unit, name)| (of(unit), name)).find(|(number, _)| *number >= 2).unwrap_or((of(MINUTE), "minutes"));
    format!("{number} {name}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixture::{Empty, NOW, peer};
    use symbolon_presence::time::SECOND;

    fn clock(now: Timestamp) -> Clock {
        let mut clock = Clock::load(&Empty, now, true).unwrap();
        clock.turn(now);
        clock
    }

    #[test]
    fn differences_are_told_in_minutes_hours_days_or_years() {
        let told = [
            (11 * MINUTE, "11 minutes"),
            (60 * MINUTE, "60 minutes"),
            (89 * MINUTE, "89 minutes"),
            (120 * MINUTE, "2 hours"),
            (25 * HOUR, "25 hours"),
            (3 * DAY, "3 days"),
            (400 * DAY, "400 days"),
            (576_000 * MINUTE, "400 days"),
            (6 * 365 * DAY, "6 years"),
            (56 * 365 * DAY, "56 years"),
            (MINUTE + SECOND, "1 minutes"),
        ];
        for (apart, words) in told {
            assert_eq!(in_words(apart), words);
        }
    }

    #[test]
    fn one_friend_whose_clock_is_wrong_does_not_bring_ours_into_doubt_when_others_agree_with_it() {
        let mut clock = clock(NOW);
        clock.heard(Signer::Friend(peer(1)), NOW.after(3 * DAY));
        assert_eq!(clock.doubt(), Some(3 * DAY as i64));
        clock.heard(Signer::Relay(MailboxId([1; 32])), NOW);
        assert_eq!(clock.doubt(), None);
        assert!(clock.problem().unwrap().contains("3 days apart"));
        clock.heard(Signer::Friend(peer(1)), NOW);
        assert_eq!(clock.problem(), None, "it was set right");
    }

    #[test]
    fn a_strangers_time_is_a_word_to_the_user_and_nothing_else() {
        let mut clock = clock(NOW);
        clock.heard(Signer::Asked(peer(1)), Timestamp(NOW.0 - 30 * DAY));
        assert!(clock.problem().unwrap().contains("30 days apart"));
        assert_eq!((clock.doubt(), clock.sure(), clock.stamp()), (None, NOW, NOW));
    }

    #[test]
    fn rows_are_dated_right_by_a_clock_that_is_known_to_be_ahead_and_after_one_that_went_back() {
        let mut ahead = clock(NOW);
        ahead.heard(Signer::Friend(peer(1)), NOW);
        // The clock jumps: another run, which continues from what is stored.
        let mut kept = ahead;
        let row = kept.time.to_write().unwrap();
        let again = |now: Timestamp| {
            let mut clock = Clock { time: SureTime::load(row), now, apart: BTreeMap::new() };
            clock.turn(now);
            clock
        };
        let mut ahead = again(NOW.after(2_000 * DAY));
        assert_eq!((ahead.sure(), ahead.stamp()), (NOW, NOW.after(2_000 * DAY)), "nobody has said that it is wrong");
        ahead.heard(Signer::Friend(peer(1)), NOW.after(SECOND));
        assert_eq!((ahead.sure(), ahead.stamp()), (NOW, NOW.after(SECOND)));
        assert!(ahead.problem().unwrap().contains("5 years ahead"));
        let behind = again(Timestamp(NOW.0 - 2_000 * DAY));
        assert_eq!(behind.stamp(), NOW);
        assert!(again(Timestamp(0)).problem().unwrap().contains("never set"));
    }

    #[test]
    fn signers_are_bounded() {
        let mut clock = clock(NOW);
        for number in 0..1_000 {
            clock.heard(Signer::Friend(peer(number)), NOW);
            assert!(clock.apart.len() <= SIGNERS_MAX);
        }
    }
}
