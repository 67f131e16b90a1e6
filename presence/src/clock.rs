//! Sure time: the moment that has certainly come, whatever the wall clock shows.
//!
//! A wall clock may be wrong by years, and right again a minute later. What it says may hide,
//! refuse or put off; but what cannot be undone, an erased key or an ended request, waits for sure
//! time. That is the wall clock, held back to the newest time that somebody trusted has signed, or
//! to what this node has lived through since: with nobody to ask, an hour that passes here is an
//! hour. A liar can hold it back, and never push it past the wall clock.

use crate::time::{CLOCK_SKEW, DAY, MINUTE, Timestamp};
use minicbor::{Decode, Encode};

/// Sure time as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StoredTime {
    /// Sure time.
    #[n(0)]
    pub sure: Timestamp,
    /// Whether anybody has ever signed a time for this folder.
    #[n(1)]
    pub is_signed: bool,
}

/// Sure time as it continues. It lives as long as one run of the wall clock: after a jump its holder
/// begins with what is stored.
#[derive(Debug, Clone)]
pub struct SureTime {
    kept: StoredTime,
    written: Option<StoredTime>,
    /// The wall clock at the last turn.
    wall: Option<Timestamp>,
    /// Sure time at the beginning and what was lived through since, if the wall clock is behind that.
    reckoned: Timestamp,
}

impl SureTime {
    /// For a folder that is made now. Nothing in it is older than this moment.
    pub fn first(wall: Timestamp) -> Self {
        Self { written: None, ..Self::load(StoredTime { sure: wall, is_signed: false }) }
    }

    /// Continues from what is stored.
    pub fn load(kept: StoredTime) -> Self {
        Self { kept, written: Some(kept), wall: None, reckoned: kept.sure }
    }

    /// A turn begins. Since the last one the wall clock has not jumped, so what it went on by was
    /// lived through.
    pub fn turn(&mut self, wall: Timestamp) {
        let lived = self.wall.map_or(0, |last| wall.since(last));
        self.wall = Some(wall);
        let lived_to = self.kept.sure.after(lived);
        if wall >= self.kept.sure {
            self.kept.sure = wall.min(lived_to);
        } else if !self.kept.is_signed {
            // Nobody else has said anything, and an earlier time ends nothing too early.
            (self.kept.sure, self.reckoned) = (wall, wall);
        }
        self.reckoned = self.reckoned.after(lived).max(self.kept.sure);
    }

    /// Somebody trusted has signed a time. It counts where it is not far from the wall clock: two
    /// clocks that are wrong seldom agree. When it agrees with a wall clock that is behind sure
    /// time, our clock and somebody else's were wrong together before: then sure time goes back.
    pub fn signed(&mut self, at: Timestamp, wall: Timestamp) {
        self.kept.is_signed = true;
        let apart = at.0.abs_diff(wall.0);
        if apart <= CLOCK_SKEW {
            // The wall clock is right: nothing else is reckoned with.
            self.kept.sure = self.kept.sure.min(wall);
            self.reckoned = self.kept.sure;
        }
        if apart <= DAY {
            self.kept.sure = self.kept.sure.max(at.min(wall));
        }
        self.reckoned = self.reckoned.max(self.kept.sure);
    }

    /// What may be erased and ended is judged by this.
    pub fn sure(&self) -> Timestamp {
        self.kept.sure
    }

    /// Sure time, and what was lived through since although the wall clock is behind it.
    pub fn reckoned(&self) -> Timestamp {
        self.reckoned
    }

    /// What is to be stored now, if anything: about once a minute.
    pub fn to_write(&mut self) -> Option<StoredTime> {
        let is_due = self.written.is_none_or(|written| {
            let has_moved = self.kept.sure.since(written.sure) >= MINUTE || self.kept.sure < written.sure;
            has_moved || self.kept.is_signed != written.is_signed
        });
        is_due.then(|| *self.written.insert(self.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{HOUR, SECOND};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const YEARS: u64 = 6 * 365 * DAY;

    fn signed() -> SureTime {
        let mut time = SureTime::first(NOW);
        time.turn(NOW);
        time.signed(NOW, NOW);
        time
    }

    /// The wall clock has jumped: another run of it begins.
    fn again(time: &mut SureTime) -> SureTime {
        SureTime::load(time.to_write().unwrap_or(time.kept))
    }

    #[test]
    fn a_clock_that_is_years_ahead_moves_it_by_what_is_lived_through() {
        let mut time = again(&mut signed());
        let ahead = NOW.after(YEARS);
        time.turn(ahead);
        assert_eq!(time.sure(), NOW);
        time.turn(ahead.after(MINUTE));
        assert_eq!(time.sure(), NOW.after(MINUTE));
        let mut time = again(&mut time);
        time.turn(NOW.after(MINUTE));
        assert_eq!(time.sure(), NOW.after(MINUTE));
    }

    #[test]
    fn a_clock_that_is_years_behind_leaves_it_where_it_is_and_what_is_lived_through_is_reckoned() {
        let mut time = again(&mut signed());
        let behind = Timestamp(NOW.0 - YEARS);
        time.turn(behind);
        time.turn(behind.after(HOUR));
        time.signed(NOW.after(HOUR), behind.after(HOUR));
        assert_eq!((time.sure(), time.reckoned()), (NOW, NOW.after(HOUR)));
    }

    #[test]
    fn a_signed_time_to_come_does_not_push_it_past_the_wall_clock() {
        let mut time = signed();
        time.signed(NOW.after(YEARS), NOW.after(SECOND));
        assert_eq!(time.sure(), NOW, "not one that is far from it");
        time.signed(NOW.after(DAY), NOW.after(SECOND));
        assert_eq!(time.sure(), NOW.after(SECOND));
        time.signed(Timestamp(0), NOW.after(SECOND));
        assert_eq!(time.sure(), NOW.after(SECOND), "nor back");
    }

    #[test]
    fn two_clocks_that_are_years_ahead_by_different_years_do_not_move_it() {
        let mut time = again(&mut signed());
        let ahead = NOW.after(YEARS);
        time.turn(ahead);
        time.signed(NOW.after(YEARS / 2), ahead);
        assert_eq!(time.sure(), NOW);
        time.signed(ahead.after(DAY), ahead);
        assert_eq!(time.sure(), ahead);
    }

    #[test]
    fn after_days_off_it_waits_for_somebody_to_sign() {
        let mut time = again(&mut signed());
        let later = NOW.after(20 * DAY);
        time.turn(later);
        assert_eq!(time.sure(), NOW);
        time.signed(later, later);
        assert_eq!(time.sure(), later);
    }

    #[test]
    fn with_nobody_to_ask_it_is_what_was_lived_through_and_follows_a_clock_that_is_set_back() {
        let mut time = SureTime::first(NOW.after(YEARS));
        time.turn(NOW.after(YEARS));
        time = again(&mut time);
        time.turn(NOW);
        assert_eq!((time.sure(), time.reckoned()), (NOW, NOW), "the folder was made by a clock that was ahead");
        time.turn(NOW.after(DAY));
        assert_eq!(time.sure(), NOW.after(DAY));
        // A start without a battery, and then the right time.
        let mut time = SureTime::first(Timestamp(0));
        time.turn(Timestamp(0));
        time = again(&mut time);
        time.turn(NOW);
        assert_eq!(time.sure(), Timestamp(0), "nothing ends until somebody has signed a time");
        time.signed(NOW, NOW);
        assert_eq!(time.sure(), NOW);
    }

    #[test]
    fn two_clocks_that_were_ahead_together_and_are_right_again_take_it_back() {
        let mut time = again(&mut signed());
        let ahead = NOW.after(YEARS);
        time.turn(ahead);
        time.signed(ahead, ahead);
        assert_eq!(time.sure(), ahead);
        let mut time = again(&mut time);
        time.turn(NOW);
        assert_eq!(time.sure(), ahead, "the wall clock alone does not take it back");
        time.signed(ahead, NOW);
        assert_eq!(time.sure(), ahead);
        time.signed(NOW.after(MINUTE), NOW);
        assert_eq!(time.sure(), NOW);
    }

    #[test]
    fn a_friend_whose_clock_was_ahead_with_ours_by_less_than_an_hour_leaves_nothing_behind() {
        let mut time = again(&mut signed());
        let ahead = NOW.after(50 * MINUTE);
        time.turn(ahead);
        time.signed(ahead, ahead);
        let mut time = again(&mut time);
        time.turn(NOW);
        time.turn(NOW.after(HOUR));
        assert_eq!(time.reckoned(), ahead.after(HOUR), "nobody has said which clock is wrong");
        time.signed(NOW.after(HOUR), NOW.after(HOUR));
        assert_eq!((time.sure(), time.reckoned()), (NOW.after(HOUR), NOW.after(HOUR)));
    }

    #[test]
    fn it_is_written_once_a_minute_and_at_the_first_signature() {
        let mut time = SureTime::first(NOW);
        assert!(time.to_write().is_some());
        time.turn(NOW);
        assert_eq!(time.to_write(), None);
        time.signed(NOW, NOW);
        assert!(time.to_write().is_some());
        time.turn(NOW.after(MINUTE - 1));
        assert_eq!(time.to_write(), None);
        time.turn(NOW.after(MINUTE));
        assert!(time.to_write().is_some());
    }
}
