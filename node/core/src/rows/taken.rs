//! What became of envelopes that were taken in, and of what was inside: a few bytes for each, many in one row.

use super::room::sequences_key;
use super::seed::inbound_key;
use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, FrameId, RoomId};
use symbolon_presence::time::Timestamp;

/// So many consecutive numbers share a row.
const SPAN: u64 = 32;
/// How much of an id is kept. Who makes two envelopes that are alike so far deceives only themselves.
const SHORT: usize = 8;
/// One note: a byte that says what became of it, then the beginning of its id.
const NOTE: usize = 1 + SHORT;

/// Set in the first byte of every note.
const IS_NOTED: u8 = 1;
const IS_REFUSED: u8 = 2;
const IS_SILENT: u8 = 4;
const IS_EMPTY: u8 = 8;

/// What is numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TakenLine {
    /// Envelopes of a device under one seed of ours, by their counters.
    Seed(DeviceId, u64),
    /// Ordered frames of a device in a room, by their sequences.
    Room(DeviceId, RoomId),
}

impl TakenLine {
    /// Where its newest block lies, in [`Table::Channel`](crate::table::Table::Channel): behind the row that says how far it is.
    pub fn key(&self) -> Vec<u8> {
        let mut key = match self {
            Self::Seed(device, seed) => inbound_key(device, *seed),
            Self::Room(device, room) => sequences_key(device, room),
        };
        key.push(0);
        key
    }

    /// The line of such a key.
    pub fn split(key: &[u8]) -> Option<(DeviceId, Self)> {
        let (of, [0]) = key.split_last_chunk::<1>()? else { return None };
        let (device, rest) = of.split_at_checked(DeviceId::LEN)?;
        let device = DeviceId::from_slice(device)?;
        if let Ok(seed) = rest.try_into() {
            return Some((device, Self::Seed(device, u64::from_be_bytes(seed))));
        }
        Some((device, Self::Room(device, RoomId::from_slice(rest)?)))
    }

    /// Where an older block lies, in [`Table::Seen`](crate::table::Table::Seen). No frame id is as long.
    pub fn block_key(&self, block: u64) -> Vec<u8> {
        [self.key().as_slice(), &block.to_be_bytes()].concat()
    }
}

/// What is remembered of one of them: its repeats are answered the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    /// Delivered, else refused.
    pub is_delivered: bool,
    /// Whether its sender hears of a repeat.
    pub is_heard: bool,
    /// Whether it stood in the place of something that its sender has given up.
    pub is_empty: bool,
}

/// What is known of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Was {
    /// Nothing.
    Nothing,
    /// This was taken in under it.
    Answered(Answered),
    /// Something else was.
    Another,
}

/// What became of some that have consecutive numbers.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct TakenBlock {
    /// The numbers of how many blocks lie before it.
    #[n(0)]
    pub block: u64,
    /// When the last one was taken in.
    #[n(1)]
    pub at: Timestamp,
    /// A note for each number up to the highest that was taken in.
    #[cbor(n(2), with = "minicbor::bytes")]
    notes: Vec<u8>,
}

impl TakenBlock {
    /// Nothing of it was taken in.
    pub fn new(block: u64) -> Self {
        Self { block, at: Timestamp::default(), notes: Vec::new() }
    }

    /// The block in which a number is noted.
    pub fn of(number: u64) -> u64 {
        number / SPAN
    }

    fn place(number: u64) -> std::ops::Range<usize> {
        let start = usize::try_from(number % SPAN).unwrap_or_default() * NOTE;
        start..start + NOTE
    }

    /// What is known of a number, asked for by somebody who holds this.
    pub fn was(&self, number: u64, id: &FrameId) -> Was {
        let Some([first, short @ ..]) = self.notes.get(Self::place(number)) else { return Was::Nothing };
        if first & IS_NOTED == 0 {
            Was::Nothing
        } else if id.as_bytes().starts_with(short) {
            let [is_refused, is_silent, is_empty] = [IS_REFUSED, IS_SILENT, IS_EMPTY].map(|bit| first & bit != 0);
            Was::Answered(Answered { is_delivered: !is_refused, is_heard: !is_silent, is_empty })
        } else {
            Was::Another
        }
    }

    /// Whether what was taken in under a number stood in the place of something else.
    pub fn is_empty(&self, number: u64) -> bool {
        self.notes.get(Self::place(number)).and_then(|note| note.first()).is_some_and(|first| first & IS_EMPTY != 0)
    }

    /// Notes what became of one.
    pub fn note(&mut self, at: Timestamp, number: u64, id: &FrameId, answered: Answered) {
        let place = Self::place(number);
        if self.notes.len() < place.end {
            self.notes.resize(place.end, 0);
        }
        let refused = if answered.is_delivered { 0 } else { IS_REFUSED };
        let silent = if answered.is_heard { 0 } else { IS_SILENT };
        let empty = if answered.is_empty { IS_EMPTY } else { 0 };
        let note = std::iter::once(IS_NOTED | refused | silent | empty).chain(id.as_bytes().iter().copied());
        for (byte, new) in self.notes.iter_mut().skip(place.start).take(NOTE).zip(note) {
            *byte = new;
        }
        self.at = self.at.max(at);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_number_of_a_block_has_its_own_note_and_another_id_is_not_taken_for_it() {
        let mut block = TakenBlock::new(3);
        let id = |number: u64| FrameId([u8::try_from(number).unwrap(); 32]);
        let answered = |number: u64| {
            let [is_delivered, is_heard, is_empty] = [2, 3, 7].map(|of| number.is_multiple_of(of));
            Answered { is_delivered, is_heard, is_empty }
        };
        // From the last to the first, every fifth left out.
        for number in (96..128).rev().filter(|number| number % 5 != 0) {
            assert_eq!((TakenBlock::of(number), block.was(number, &id(number))), (3, Was::Nothing));
            block.note(Timestamp(number), number, &id(number), answered(number));
        }
        for number in 96..128 {
            let expected = if number % 5 == 0 { [Was::Nothing; 2] } else { [Was::Answered(answered(number)), Was::Another] };
            assert_eq!([block.was(number, &id(number)), block.was(number, &id(number + 1))], expected, "{number}");
            assert_eq!(block.is_empty(number), number % 5 != 0 && number % 7 == 0);
        }
        assert_eq!(block.at, Timestamp(127), "the newest");
        let mut almost = id(97).0;
        *almost.get_mut(SHORT - 1).unwrap() ^= 1;
        assert_eq!(block.was(97, &FrameId(almost)), Was::Another);
    }

    #[test]
    fn the_keys_of_lines_are_as_long_as_nothing_else_in_their_tables() {
        let (device, room) = (DeviceId([1; 16]), RoomId([2; 32]));
        for line in [TakenLine::Seed(device, 7), TakenLine::Room(device, room)] {
            assert_eq!(TakenLine::split(&line.key()), Some((device, line)));
            assert_ne!(line.block_key(1).len(), FrameId::LEN);
        }
        for other in [device.as_bytes().to_vec(), inbound_key(&device, 256), sequences_key(&device, &RoomId([0; 32]))] {
            assert_eq!(TakenLine::split(&other), None);
        }
    }
}
