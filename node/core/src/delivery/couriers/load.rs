//! What this node carries for its friends: kept, put where it belongs, and the receipts for it.

use super::super::Delivery;
use crate::limits::{CARRIED_BYTES_MAX, CARRIED_LIFE, CARRIED_MAX, CARRIED_OF_FRIEND_BYTES_MAX, CARRIED_OF_FRIEND_MAX};
use crate::rows::{CarriedRow, carried_key, split_carried_key};
use crate::seam::LinkId;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, FrameId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::carry::Carried;
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Put, Receipt};

/// Rows read together.
const PAGE: usize = 64;
/// Envelopes put on one link without a receipt.
const PASSED_MAX: usize = 64;

/// What was put on so many links without a receipt is dropped: it may be why they closed. Its sender still owns it.
const TRIES_MAX: u8 = 2;

/// What is known of one row.
#[derive(Debug)]
struct Note {
    from: DeviceId,
    /// The envelope; none of a receipt that is brought back.
    frame: Option<FrameId>,
    size: u64,
    at: Timestamp,
    /// On how many links it was put.
    tries: u8,
}

impl Note {
    fn of(row: &CarriedRow) -> Self {
        let (put, receipt) = (row.put.as_ref(), row.receipt.as_ref());
        let size = put.map(|put| put.envelope.len()).or_else(|| receipt.map(|receipt| receipt.body.len())).unwrap_or_default();
        Self { from: row.from, frame: put.map(|put| put.frame), size: size as u64, at: row.at, tries: 0 }
    }
}

/// What was put on a link to who gets it.
#[derive(Debug)]
struct Passed {
    link: LinkId,
    /// The first number that was not put yet.
    next: u64,
    /// At most [`PASSED_MAX`], by the numbers of their rows.
    frames: BTreeMap<FrameId, u64>,
}

/// All that is carried: at most [`CARRIED_MAX`] rows.
#[derive(Debug, Default)]
pub(super) struct Load {
    notes: BTreeMap<(DeviceId, u64), Note>,
    next: u64,
    passed: BTreeMap<DeviceId, Passed>,
}

impl Load {
    pub fn read(turn: &Turn<'_>) -> Result<Self, TurnFailed> {
        let (mut load, mut from) = (Self::default(), Vec::new());
        loop {
            let page = turn.range(Table::Carried, &from, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(load) };
            from = [last.as_slice(), &[0]].concat();
            for (key, bytes) in &page {
                let Some((to, number)) = split_carried_key(key) else { continue };
                load.next = load.next.max(number.saturating_add(1));
                load.notes.insert((to, number), Note::of(&decode_row(bytes)?));
            }
        }
    }

    fn add(&mut self, turn: &mut Turn<'_>, to: &DeviceId, row: &CarriedRow) {
        let number = self.next;
        self.next = number.saturating_add(1);
        self.notes.insert((*to, number), Note::of(row));
        turn.put(Table::Carried, &carried_key(to, number), row);
    }

    fn remove(&mut self, turn: &mut Turn<'_>, to: &DeviceId, number: u64) -> Option<Note> {
        turn.delete(Table::Carried, &carried_key(to, number));
        self.notes.remove(&(*to, number))
    }

    /// Whether there is room for one more of a friend's.
    fn has_room(&self, from: &DeviceId, put: &Put) -> bool {
        let size = put.envelope.len() as u64;
        let sum = |(count, bytes): (usize, u64), note: &Note| (count.saturating_add(1), bytes.saturating_add(note.size));
        let all = self.notes.values().fold((0, 0), sum);
        let theirs = self.notes.values().filter(|note| note.from == *from).fold((0, 0), sum);
        let fits = |(count, bytes): (usize, u64), most: usize, most_bytes: u64| count < most && bytes.saturating_add(size) <= most_bytes;
        fits(all, CARRIED_MAX, CARRIED_BYTES_MAX) && fits(theirs, CARRIED_OF_FRIEND_MAX, CARRIED_OF_FRIEND_BYTES_MAX)
    }

    /// Takes an envelope along, if there is room and it is not there already.
    pub fn keep(&mut self, turn: &mut Turn<'_>, to: &DeviceId, from: DeviceId, put: Put) -> bool {
        let is_kept = !self.holds(to, &put.frame) && self.has_room(&from, &put);
        if is_kept {
            self.add(turn, to, &CarriedRow { from, at: turn.sure, put: Some(put), receipt: None });
        }
        is_kept
    }

    /// Whether anything was put for a device that has not signed for it.
    pub fn waits_for(&self, to: &DeviceId) -> bool {
        self.passed.contains_key(to)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.notes.values().map(|note| note.size).sum()
    }

    fn holds(&self, to: &DeviceId, frame: &FrameId) -> bool {
        self.notes.range((*to, 0)..=(*to, u64::MAX)).any(|(_, note)| note.frame == Some(*frame))
    }

    /// Puts what is carried for a device that is here, in the order in which it was taken.
    pub fn pass(&mut self, delivery: &mut Delivery, turn: &mut Turn<'_>, to: &DeviceId) -> Result<(), TurnFailed> {
        let Some(link) = delivery.link_of(to) else { return Ok(()) };
        let passed = self.passed.get(to).is_some_and(|passed| passed.link == link);
        if !passed {
            self.drop_tried(turn, to);
            self.passed.insert(*to, Passed { link, next: 0, frames: BTreeMap::new() });
        }
        let Some(passed) = self.passed.get_mut(to) else { return Ok(()) };
        let waiting = self.notes.range_mut((*to, passed.next)..=(*to, u64::MAX)).filter(|(_, note)| note.frame.is_some());
        for ((_, number), note) in waiting.take(PASSED_MAX.saturating_sub(passed.frames.len())) {
            let number = *number;
            passed.next = number.saturating_add(1);
            note.tries = note.tries.saturating_add(1);
            let Some(put) = turn.row::<CarriedRow>(Table::Carried, &carried_key(to, number))?.and_then(|row| row.put) else { continue };
            passed.frames.insert(put.frame, number);
            delivery.say(turn, link, "passed", &Frame::Put(put));
        }
        if passed.frames.is_empty() {
            self.passed.remove(to);
        }
        Ok(())
    }

    /// Drops what was put for a device often enough.
    fn drop_tried(&mut self, turn: &mut Turn<'_>, to: &DeviceId) {
        let notes = self.notes.range((*to, 0)..=(*to, u64::MAX)).filter(|(_, note)| note.tries >= TRIES_MAX);
        for number in notes.map(|((_, number), _)| *number).collect::<Vec<_>>() {
            self.remove(turn, to, number);
        }
    }

    /// Who was here with a receipt: its lines are of envelopes that were carried, or of others.
    pub fn signed(&mut self, turn: &mut Turn<'_>, to: &DeviceId, frames: &[FrameId], receipt: &Receipt) -> Vec<DeviceId> {
        let Some(passed) = self.passed.get_mut(to) else { return Vec::new() };
        let settled: Vec<u64> = frames.iter().filter_map(|frame| passed.frames.remove(frame)).collect();
        let mut senders: Vec<DeviceId> =
            settled.into_iter().filter_map(|number| self.remove(turn, to, number)).map(|note| note.from).collect();
        senders.sort_unstable();
        senders.dedup();
        for from in &senders {
            // In the place of what it is about: so there is room for it.
            self.add(turn, to, &CarriedRow { from: *from, at: turn.sure, put: None, receipt: Some(receipt.clone()) });
        }
        senders
    }

    /// Hands receipts back to who gave the envelopes, if they are here.
    pub fn hand_back(&mut self, delivery: &mut Delivery, turn: &mut Turn<'_>, from: &DeviceId) -> Result<(), TurnFailed> {
        let Some(link) = delivery.link_of(from) else { return Ok(()) };
        let theirs = self.notes.iter().filter(|(_, note)| note.from == *from && note.frame.is_none());
        for (to, number) in theirs.map(|(key, _)| *key).collect::<Vec<_>>() {
            if let Some(receipt) = turn.row::<CarriedRow>(Table::Carried, &carried_key(&to, number))?.and_then(|row| row.receipt) {
                // Should it be lost, they give the envelope again, and its device answers the same again.
                delivery.say(turn, link, "carried", &Frame::Carried(Carried { device: to, receipt }));
            }
            self.remove(turn, &to, number);
        }
        Ok(())
    }

    pub fn forget(&mut self, turn: &mut Turn<'_>, device: &DeviceId) {
        let of = |((to, _), note): &(&(DeviceId, u64), &Note)| to == device || note.from == *device;
        for (to, number) in self.notes.iter().filter(of).map(|(key, _)| *key).collect::<Vec<_>>() {
            self.remove(turn, &to, number);
        }
        self.passed.remove(device);
    }

    pub fn expire(&mut self, turn: &mut Turn<'_>) {
        let is_over = |(_, note): &(&(DeviceId, u64), &Note)| note.at.after(CARRIED_LIFE) <= turn.sure;
        for (to, number) in self.notes.iter().filter(is_over).map(|(key, _)| *key).collect::<Vec<_>>() {
            self.remove(turn, &to, number);
        }
    }
}
