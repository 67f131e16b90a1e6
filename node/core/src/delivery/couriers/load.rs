//! What this node carries for its friends: kept, put where it belongs, and the receipts for it.

use super::super::Delivery;
use super::note::{Giver, Note};
use super::places;
use crate::limits::CARRIED_LIFE;
use crate::rows::{CarriedRow, carried_key, split_carried_key};
use crate::seam::LinkId;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, FrameId, PeerId, RoomId};
use symbolon_presence::time::{HOUR, SECOND, Timestamp};
use symbolon_relay::carry::Carried;
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Put, Receipt};

/// Rows read together.
const PAGE: usize = 64;
/// Envelopes put on one link without a receipt.
const PASSED_MAX: usize = 256;

/// Of these, of one person: so what is no good holds up nobody else's, and alone closes no link.
pub(super) const PASSED_OF_PERSON_MAX: usize = 16;

/// How long after something was put on a link what has no answer, or was put off, is put there again; then twice as long each time.
const AGAIN: u64 = 15 * SECOND;

/// The longest of these pauses.
const AGAIN_MAX: u64 = HOUR;

/// So many of one person are put again at once.
const AGAIN_AT_ONCE: usize = 3;

/// So often something of one person that has no answer is put again on one link before one of it has been answered: with what was
/// put there at first that alone closes no link, either.
pub(super) const AGAIN_OF_PERSON_MAX: usize = 12;

/// What was put on so many links without a receipt is dropped: it may be why they closed. Its sender still owns it.
const TRIES_MAX: u8 = 2;

/// What was put on a link to who gets it.
#[derive(Debug)]
struct Passed {
    link: LinkId,
    /// Of each person, the first number that was not put yet.
    next: BTreeMap<PeerId, u64>,
    /// At most [`PASSED_MAX`] without any answer: the numbers of their rows, and whose they are; none once their receiver has
    /// answered that it cannot open them yet.
    frames: BTreeMap<FrameId, (u64, Option<PeerId>)>,
    /// When some of these are put again, and the pause before that.
    again: (Timestamp, u64),
    repeated: BTreeMap<PeerId, Repeated>,
}

/// What of one person was put again on a link.
#[derive(Debug, Default)]
struct Repeated {
    /// How often that was something without an answer.
    count: usize,
    /// The number that was put again last.
    last: u64,
    /// All that were put again since one of them had an answer; no more than were put.
    numbers: BTreeSet<u64>,
}

impl Passed {
    fn on(link: LinkId, now: Timestamp) -> Self {
        Self { link, next: BTreeMap::new(), frames: BTreeMap::new(), again: (now.after(AGAIN), AGAIN), repeated: BTreeMap::new() }
    }

    /// What is put again now: of each person a few, beginning behind those of the last time.
    fn repeat(&mut self, peer_of: impl Fn(u64) -> Option<PeerId>) -> Vec<u64> {
        let mut waiting: BTreeMap<PeerId, Vec<(u64, bool)>> = BTreeMap::new();
        for (number, unanswered) in self.frames.values() {
            if let Some(peer) = peer_of(*number) {
                waiting.entry(peer).or_default().push((*number, unanswered.is_some()));
            }
        }
        let mut chosen = Vec::new();
        for (peer, mut numbers) in waiting {
            let repeated = self.repeated.entry(peer).or_default();
            let last = repeated.last;
            numbers.sort_unstable_by_key(|(number, _)| (*number <= last, *number));
            let mut left = AGAIN_AT_ONCE;
            for (number, is_unanswered) in numbers {
                if left == 0 || (is_unanswered && repeated.count >= AGAIN_OF_PERSON_MAX) {
                    continue;
                }
                left -= 1;
                repeated.count += usize::from(is_unanswered);
                repeated.last = number;
                repeated.numbers.insert(number);
                chosen.push(number);
            }
        }
        chosen
    }
}

/// All that is carried: at most [`CARRIED_MAX`](crate::limits::CARRIED_MAX) rows.
#[derive(Debug, Default)]
pub(super) struct Load {
    notes: BTreeMap<(DeviceId, u64), Note>,
    next: u64,
    passed: BTreeMap<DeviceId, Passed>,
}

impl Load {
    pub fn read(state: &State, turn: &Turn<'_>) -> Result<Self, TurnFailed> {
        let (mut load, mut from) = (Self::default(), Vec::new());
        loop {
            let page = turn.range(Table::Carried, &from, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(load) };
            from = [last.as_slice(), &[0]].concat();
            for (key, bytes) in &page {
                let Some((to, number)) = split_carried_key(key) else { continue };
                load.next = load.next.max(number.saturating_add(1));
                let row: CarriedRow = decode_row(bytes)?;
                // With a device that is forgotten goes what it gave.
                let Some(peer) = state.devices.get(&row.from).map(|device| device.peer) else { continue };
                load.notes.insert((to, number), Note::of(&row, peer));
            }
        }
    }

    fn add(&mut self, turn: &mut Turn<'_>, to: &DeviceId, peer: PeerId, row: &CarriedRow) {
        let number = self.next;
        self.next = number.saturating_add(1);
        self.notes.insert((*to, number), Note::of(row, peer));
        turn.put(Table::Carried, &carried_key(to, number), row);
    }

    fn remove(&mut self, turn: &mut Turn<'_>, to: &DeviceId, number: u64) -> Option<Note> {
        turn.delete(Table::Carried, &carried_key(to, number));
        let note = self.notes.remove(&(*to, number))?;
        if let (Some(frame), Some(passed)) = (note.frame, self.passed.get_mut(to)) {
            passed.frames.remove(&frame);
        }
        Some(note)
    }

    /// Takes an envelope along, if it is not there already and there is room, or somebody gives way. Given again under another
    /// right, it takes its own place: by the one of before nobody takes it.
    pub fn keep(&mut self, state: &State, turn: &mut Turn<'_>, to: &DeviceId, giver: Giver, put: Put) -> Result<bool, TurnFailed> {
        if let Some((number, from)) = self.held(to, &put.frame) {
            let row = turn.row::<CarriedRow>(Table::Carried, &carried_key(to, number))?;
            if from != giver.device || row.is_some_and(|row| row.put.as_ref() == Some(&put)) {
                return Ok(false);
            }
            self.remove(turn, to, number);
        }
        let Some(gone) = places::for_one_more(state, &self.notes, giver, put.envelope.len() as u64) else { return Ok(false) };
        for (to, number) in gone {
            self.remove(turn, &to, number);
        }
        let row = CarriedRow { from: giver.device, at: turn.sure, put: Some(put), receipt: None, room: Some(giver.room) };
        self.add(turn, to, giver.peer, &row);
        Ok(true)
    }

    /// Whether anything was put for a device that has not signed for it.
    pub fn waits_for(&self, to: &DeviceId) -> bool {
        self.passed.contains_key(to)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    /// How many are carried of one person.
    #[cfg(test)]
    pub fn of(&self, peer: &PeerId) -> usize {
        self.notes.values().filter(|note| note.peer == *peer).count()
    }

    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.notes.values().map(|note| note.size).sum()
    }

    /// Under which number an envelope is carried, and who has given it.
    fn held(&self, to: &DeviceId, frame: &FrameId) -> Option<(u64, DeviceId)> {
        let mut theirs = self.notes.range((*to, 0)..=(*to, u64::MAX));
        theirs.find(|(_, note)| note.frame == Some(*frame)).map(|((_, number), note)| (*number, note.from))
    }

    /// Puts what is carried for a device that is here, each person's in the order in which it was taken.
    pub fn pass(&mut self, delivery: &mut Delivery, turn: &mut Turn<'_>, to: &DeviceId) -> Result<(), TurnFailed> {
        let Some(link) = delivery.link_of(to) else { return Ok(()) };
        let passed = self.passed.get(to).is_some_and(|passed| passed.link == link);
        if !passed {
            self.drop_tried(turn, to);
            self.passed.insert(*to, Passed::on(link, turn.now));
        }
        let Some(passed) = self.passed.get_mut(to) else { return Ok(()) };
        let mut unsigned: BTreeMap<PeerId, usize> = BTreeMap::new();
        for peer in passed.frames.values().filter_map(|(_, peer)| *peer) {
            *unsigned.entry(peer).or_default() += 1;
        }
        let mut left = PASSED_MAX.saturating_sub(unsigned.values().sum());
        for ((_, number), note) in self.notes.range_mut((*to, 0)..=(*to, u64::MAX)).filter(|(_, note)| note.frame.is_some()) {
            let (number, of_person) = (*number, unsigned.entry(note.peer).or_default());
            if left == 0 {
                break;
            }
            if *of_person >= PASSED_OF_PERSON_MAX || passed.next.get(&note.peer).is_some_and(|next| number < *next) {
                continue;
            }
            passed.next.insert(note.peer, number.saturating_add(1));
            note.tries = note.tries.saturating_add(1);
            let Some(put) = turn.row::<CarriedRow>(Table::Carried, &carried_key(to, number))?.and_then(|row| row.put) else { continue };
            *of_person += 1;
            left -= 1;
            passed.frames.insert(put.frame, (number, Some(note.peer)));
            delivery.say(turn, link, "passed", &Frame::Put(put));
        }
        if passed.frames.is_empty() {
            self.passed.remove(to);
        }
        Ok(())
    }

    /// When something is put again.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.passed.values().map(|passed| passed.again.0).min()
    }

    /// Puts again what has no answer: it may have come before its receiver could open it, and holds up what its sender says after
    /// it. Who has put something off has it, and says what became of it only when it comes again.
    pub fn put_again(&mut self, delivery: &mut Delivery, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let due = self.passed.iter().filter(|(_, passed)| passed.again.0 <= turn.now).map(|(to, _)| *to);
        for to in due.collect::<Vec<_>>() {
            let Some(passed) = self.passed.get_mut(&to) else { continue };
            if delivery.link_of(&to) != Some(passed.link) {
                // They are not here: the next link begins again.
                self.passed.remove(&to);
                continue;
            }
            let (link, pause) = (passed.link, passed.again.1.saturating_mul(2).min(AGAIN_MAX));
            passed.again = (turn.now.after(pause), pause);
            let notes = &self.notes;
            for number in passed.repeat(|number| notes.get(&(to, number)).map(|note| note.peer)) {
                let row = turn.row::<CarriedRow>(Table::Carried, &carried_key(&to, number))?;
                if let Some(put) = row.and_then(|row| row.put) {
                    delivery.say(turn, link, "passed", &Frame::Put(put));
                }
            }
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

    /// Who is here has these, and cannot open them yet: they hold up nothing behind them.
    pub fn put_off(&mut self, to: &DeviceId, frames: impl Iterator<Item = FrameId>) {
        let Some(passed) = self.passed.get_mut(to) else { return };
        for frame in frames {
            if let Some((_, peer)) = passed.frames.get_mut(&frame) {
                *peer = None;
            }
        }
    }

    /// Who was here with a receipt: its lines are of envelopes that were carried, or of others.
    pub fn signed(&mut self, turn: &mut Turn<'_>, to: &DeviceId, frames: &[FrameId], receipt: &Receipt) -> Vec<DeviceId> {
        let Some(passed) = self.passed.get_mut(to) else { return Vec::new() };
        let settled: Vec<u64> = frames.iter().filter_map(|frame| passed.frames.remove(frame)).map(|(number, _)| number).collect();
        for number in &settled {
            let peer = self.notes.get(&(*to, *number)).map(|note| note.peer);
            let repeated = peer.and_then(|peer| passed.repeated.get_mut(&peer)).filter(|repeated| repeated.numbers.contains(number));
            if let Some(repeated) = repeated {
                // Now it opens what is theirs: the rest goes at once.
                *repeated = Repeated { last: repeated.last, ..Repeated::default() };
                passed.again = (turn.now, AGAIN / 2);
            }
        }
        let notes = settled.into_iter().filter_map(|number| self.remove(turn, to, number));
        let senders: BTreeMap<DeviceId, (PeerId, Option<RoomId>)> = notes.map(|note| (note.from, (note.peer, note.room))).collect();
        for (from, (peer, room)) in &senders {
            // In the place of what it is about: so there is room for it.
            let row = CarriedRow { from: *from, at: turn.sure, put: None, receipt: Some(receipt.clone()), room: *room };
            self.add(turn, to, *peer, &row);
        }
        senders.into_keys().collect()
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
