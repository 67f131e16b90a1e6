//! Quiet: from when on something is committed in a room after a start, and after the room has gone back.
//!
//! Who was away for long has an own update due at once, and their user may wish for something. If they committed it before they
//! have heard what the others have done, they would go on by themselves from an epoch that is final for all others. So a room must
//! first be quiet for some time: for seconds before a wish, for minutes before an own update.
//!
//! A room goes back for the first commit of another branch. The next ones are on their way then: who committed at once would part
//! from that branch again.

use crate::limits::{
    UPDATE_PATIENCE, UPDATE_PATIENCE_SHORT, UPDATE_PATIENCE_WHILE_BEHIND, UPDATE_PATIENCE_WHILE_MOVING, WISH_PATIENCE, WISH_PATIENCE_BACK,
    WISH_PATIENCE_BACK_MOVING, WISH_PATIENCE_WHILE_BEHIND, WISH_PATIENCE_WHILE_MOVING,
};
use std::collections::BTreeMap;
use symbolon_presence::id::RoomId;
use symbolon_presence::time::{DAY, Timestamp};

/// What has been heard in rooms since the start. Without a start nothing waits.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// When this node has started, and how long a room must be quiet.
    start: Option<(Timestamp, u64)>,
    /// Rooms in which something has happened since; no more than there are rooms.
    heard: BTreeMap<RoomId, Heard>,
    /// Rooms that have gone back; no more than there are rooms.
    back: BTreeMap<RoomId, Back>,
}

#[derive(Debug, Clone, Copy)]
struct Back {
    /// When, first.
    first: Timestamp,
    /// When the room has last moved since.
    last: Timestamp,
}

impl Back {
    fn until(self) -> Timestamp {
        self.last.after(WISH_PATIENCE_BACK).min(self.first.after(WISH_PATIENCE_BACK_MOVING))
    }
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    at: Timestamp,
    /// A frame has come of an epoch that we have not come to, and the room has not moved since.
    is_behind: bool,
}

impl Quiet {
    /// This node has started. At that moment sure time is still that of its last run.
    pub fn start(now: Timestamp, sure: Timestamp) -> Self {
        let is_short = now.since(sure) < DAY && now >= sure;
        Self { start: Some((now, if is_short { UPDATE_PATIENCE_SHORT } else { UPDATE_PATIENCE })), ..Self::default() }
    }

    /// A room is in another epoch than before.
    pub fn moved(&mut self, room: RoomId, now: Timestamp) {
        if let Some(back) = self.back.get_mut(&room) {
            back.last = now;
        }
        self.note(room, Heard { at: now, is_behind: false });
    }

    /// Something has come of an epoch to which this room has not come here.
    pub fn behind(&mut self, room: RoomId, now: Timestamp) {
        self.note(room, Heard { at: now, is_behind: true });
    }

    /// A room has gone back to an epoch of before, and takes another branch.
    pub fn went_back(&mut self, room: RoomId, now: Timestamp) {
        let is_over = |back: &Back| back.until() <= now;
        let first = self.back.get(&room).filter(|back| !is_over(back)).map_or(now, |back| back.first);
        self.back.retain(|_, back| !is_over(back));
        self.back.insert(room, Back { first, last: now });
    }

    /// We have committed something there ourselves: what else we wish for need not wait for it.
    pub fn committed(&mut self, room: &RoomId) {
        self.back.remove(room);
    }

    fn note(&mut self, room: RoomId, heard: Heard) {
        // Later it counts no more.
        if self.start.is_some_and(|(start, _)| heard.at < start.after(UPDATE_PATIENCE_WHILE_BEHIND)) {
            self.heard.insert(room, heard);
        }
    }

    /// Forgets rooms that are gone.
    pub fn keep(&mut self, is_there: impl Fn(&RoomId) -> bool) {
        self.heard.retain(|room, _| is_there(room));
        self.back.retain(|room, _| is_there(room));
    }

    /// From when on a wish may be committed there. No member can put it off for long.
    pub fn wishes_until(&self, room: &RoomId) -> Timestamp {
        let back = self.back.get(room).map_or(Timestamp(0), |back| back.until());
        let Some((start, _)) = self.start.filter(|(_, patience)| *patience == UPDATE_PATIENCE) else { return back };
        let least = start.after(WISH_PATIENCE);
        let heard = match self.heard.get(room) {
            None => least,
            Some(heard) if heard.is_behind => start.after(WISH_PATIENCE_WHILE_BEHIND),
            Some(heard) => least.max(heard.at.after(WISH_PATIENCE).min(start.after(WISH_PATIENCE_WHILE_MOVING))),
        };
        back.max(heard)
    }

    /// From when on our keys may be renewed there. No member can put it off for longer than a day from the start.
    pub fn until(&self, room: &RoomId) -> Timestamp {
        let Some((start, patience)) = self.start else { return Timestamp(0) };
        let least = start.after(patience);
        match self.heard.get(room) {
            None => least,
            Some(heard) if heard.is_behind => start.after(UPDATE_PATIENCE_WHILE_BEHIND),
            Some(heard) => least.max(heard.at.after(patience).min(start.after(UPDATE_PATIENCE_WHILE_MOVING))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon_presence::time::{HOUR, MINUTE, SECOND};

    const START: Timestamp = Timestamp(1_800_000_000_000);
    const ROOM: RoomId = RoomId([1; 32]);

    fn after(quiet: &Quiet) -> u64 {
        quiet.until(&ROOM).since(START)
    }

    fn away_for(time: u64) -> Quiet {
        Quiet::start(START.after(time), START)
    }

    #[test]
    fn keys_are_renewed_once_a_room_was_quiet_since_the_start_and_nobody_puts_it_off_for_longer_than_a_day() {
        let mut quiet = Quiet::start(START, Timestamp(START.0 - 30 * DAY));
        assert_eq!(after(&quiet), 10 * MINUTE);
        quiet.moved(RoomId([2; 32]), START.after(5 * MINUTE));
        assert_eq!(after(&quiet), 10 * MINUTE, "what is heard in another room says nothing of this one");
        quiet.moved(ROOM, START.after(5 * MINUTE));
        assert_eq!(after(&quiet), 15 * MINUTE);
        quiet.moved(ROOM, START.after(59 * MINUTE));
        assert_eq!(after(&quiet), HOUR, "others commit again and again");
        quiet.behind(ROOM, START.after(2 * HOUR));
        assert_eq!(after(&quiet), DAY, "the commits since are asked for");
        quiet.moved(ROOM, START.after(3 * HOUR));
        assert_eq!(after(&quiet), HOUR, "they have come");
        quiet.behind(ROOM, START.after(DAY));
        assert_eq!(after(&quiet), HOUR, "what comes a day after the start holds up nothing");
    }

    #[test]
    fn who_was_away_for_less_than_a_day_waits_for_a_minute_and_who_is_on_for_minutes_each_day_renews_too() {
        let short = away_for(DAY - SECOND);
        assert_eq!(short.until(&ROOM), START.after(DAY - SECOND + MINUTE));
        let long = away_for(DAY);
        assert_eq!(long.until(&ROOM), START.after(DAY + 10 * MINUTE));
        let unclear = Quiet::start(START, START.after(HOUR));
        assert_eq!(after(&unclear), 10 * MINUTE, "a clock that is behind does not say how long that was");
        assert_eq!(Quiet::default().until(&ROOM), Timestamp(0));
    }

    #[test]
    fn after_a_day_away_a_wish_waits_until_a_room_was_quiet_for_seconds_and_nobody_puts_it_off_for_long() {
        assert_eq!(away_for(DAY - SECOND).wishes_until(&ROOM), Timestamp(0), "who was away for less knows what is final");
        let mut quiet = Quiet::start(START, Timestamp(START.0 - 30 * DAY));
        let after = |quiet: &Quiet| quiet.wishes_until(&ROOM).since(START);
        assert_eq!(after(&quiet), 10 * SECOND);
        quiet.moved(ROOM, START.after(5 * SECOND));
        assert_eq!(after(&quiet), 15 * SECOND);
        quiet.moved(ROOM, START.after(59 * SECOND));
        assert_eq!(after(&quiet), MINUTE, "others commit again and again");
        quiet.behind(ROOM, START.after(2 * MINUTE));
        assert_eq!(after(&quiet), 10 * MINUTE, "the commits since are asked for");
        quiet.moved(ROOM, START.after(3 * MINUTE));
        assert_eq!(after(&quiet), MINUTE, "they have come");
    }

    #[test]
    fn after_a_room_has_gone_back_a_wish_waits_for_the_rest_of_the_other_branch_for_half_a_minute_at_most() {
        let mut quiet = Quiet::start(START, START);
        let after = |quiet: &Quiet| quiet.wishes_until(&ROOM).since(START);
        quiet.moved(ROOM, START);
        assert_eq!(quiet.wishes_until(&ROOM), Timestamp(0), "it has gone on, not back");
        quiet.went_back(ROOM, START.after(SECOND));
        assert_eq!(after(&quiet), 6 * SECOND);
        quiet.moved(ROOM, START.after(4 * SECOND));
        assert_eq!(after(&quiet), 9 * SECOND);
        for second in 5..60 {
            if START.after(second * SECOND) >= quiet.wishes_until(&ROOM) {
                break;
            }
            quiet.went_back(ROOM, START.after(second * SECOND));
            quiet.moved(ROOM, START.after(second * SECOND));
        }
        assert_eq!(after(&quiet), 31 * SECOND, "others go back and on without end");
        quiet.went_back(ROOM, START.after(31 * SECOND));
        quiet.committed(&ROOM);
        assert_eq!(quiet.wishes_until(&ROOM), Timestamp(0), "what was wished for is done, and so is the next");
    }

    #[test]
    fn of_rooms_that_are_gone_and_after_the_first_day_nothing_is_kept() {
        let mut quiet = Quiet::start(START, START);
        for nth in 0..=u8::MAX {
            quiet.moved(RoomId([nth; 32]), START);
            quiet.went_back(RoomId([nth; 32]), START);
        }
        quiet.keep(|room| *room == ROOM);
        assert_eq!((quiet.heard.len(), quiet.back.len()), (1, 1));
        quiet.went_back(RoomId([2; 32]), START.after(DAY));
        assert_eq!(quiet.back.len(), 1, "what is over is forgotten");
        quiet.behind(RoomId([2; 32]), START.after(DAY));
        assert_eq!(quiet.heard.len(), 1);
    }
}
