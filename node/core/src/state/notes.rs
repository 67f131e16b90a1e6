//! What became of envelopes and of what was inside: the newest notes of each line in memory, older ones on the shelf.

use super::State;
use super::taken::Taken;
use crate::rows::{Answered, TakenBlock, TakenLine, Was};
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::FrameId;

impl State {
    /// What was taken in under a number of a line.
    pub fn was_taken(&self, turn: &Turn<'_>, line: &TakenLine, number: u64, id: &FrameId) -> Result<Was, TurnFailed> {
        Ok(self.look_at(turn, line, number, |block| block.was(number, id))?.unwrap_or(Was::Nothing))
    }

    /// Whether what was taken in under a number of a line stood in the place of something that its sender has given up.
    pub fn was_empty(&self, turn: &Turn<'_>, line: &TakenLine, number: u64) -> Result<bool, TurnFailed> {
        Ok(self.look_at(turn, line, number, |block| block.is_empty(number))?.unwrap_or_default())
    }

    /// Looks at the block of a number, if there is one.
    fn look_at<T>(
        &self,
        turn: &Turn<'_>,
        line: &TakenLine,
        number: u64,
        look: impl FnOnce(&TakenBlock) -> T,
    ) -> Result<Option<T>, TurnFailed> {
        let block = TakenBlock::of(number);
        if let Some(newest) = self.taken.newest.get(line).filter(|newest| newest.block == block) {
            return Ok(Some(look(newest)));
        }
        let mut ended = self.taken.ended.iter().rev();
        if let Some((_, ended)) = ended.find(|(of, ended)| of == line && ended.block == block) {
            return Ok(Some(look(ended)));
        }
        let row: Option<TakenBlock> = turn.row(Table::Seen, &line.block_key(block))?;
        Ok(row.as_ref().map(look))
    }

    /// Notes what became of something, unless something else is noted under its number. Whether it is noted now.
    pub fn note_taken(
        &mut self,
        turn: &mut Turn<'_>,
        line: TakenLine,
        (number, id): (u64, &FrameId),
        answered: Answered,
    ) -> Result<bool, TurnFailed> {
        self.taken.shelve(turn);
        if self.was_taken(turn, &line, number, id)? == Was::Another {
            return Ok(false);
        }
        let (block, at) = (TakenBlock::of(number), turn.stamp);
        let Taken { newest, changed, .. } = &mut self.taken;
        if let Some(newest) = newest.get_mut(&line).filter(|newest| newest.block == block) {
            newest.note(at, number, id, answered);
            changed.insert(line);
            return Ok(true);
        }
        let row: Option<TakenBlock> = turn.row(Table::Seen, &line.block_key(block))?;
        let mut row = row.unwrap_or_else(|| TakenBlock::new(block));
        row.note(at, number, id, answered);
        let is_left = matches!(line, TakenLine::Room(device, room) if !self.sequences.contains_key(&(device, room)));
        let Taken { newest, changed, .. } = &mut self.taken;
        if is_left || newest.get(&line).is_some_and(|newest| newest.block > block) {
            turn.put(Table::Seen, &line.block_key(block), &row);
            return Ok(true);
        }
        changed.insert(line);
        if let Some(older) = newest.insert(line, row) {
            turn.put(Table::Seen, &line.block_key(older.block), &older);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::in_turn;
    use symbolon_presence::id::{DeviceId, RoomId};

    const DELIVERED: Answered = Answered { is_delivered: true, is_heard: true, is_empty: false };

    fn id(number: u64) -> FrameId {
        let mut id = [7; 32];
        id.split_at_mut(8).0.copy_from_slice(&number.to_be_bytes());
        FrameId(id)
    }

    #[test]
    fn what_was_taken_in_is_known_in_any_order_and_of_one_line_one_block_is_held_in_memory() {
        in_turn(|state, turn| {
            let line = TakenLine::Seed(DeviceId([1; 16]), 5);
            // Forth with gaps, and then what was left out.
            let numbers: Vec<u64> = (0..400).filter(|n| n % 3 != 0).chain((0..400).filter(|n| n % 3 == 0)).collect();
            for (step, number) in numbers.iter().enumerate() {
                assert_eq!(state.was_taken(turn, &line, *number, &id(*number)).unwrap(), Was::Nothing, "{number}");
                assert!(state.note_taken(turn, line, (*number, &id(*number)), DELIVERED).unwrap());
                assert_eq!(state.taken.newest.len(), 1);
                if step % 50 == 0 {
                    state.taken.flush(turn);
                }
            }
            for number in 0..400 {
                assert_eq!(state.was_taken(turn, &line, number, &id(number)).unwrap(), Was::Answered(DELIVERED), "{number}");
                assert_eq!(state.was_taken(turn, &line, number, &id(number + 1)).unwrap(), Was::Another);
                assert!(!state.note_taken(turn, line, (number, &id(number + 1)), DELIVERED).unwrap(), "the first one stays");
            }
            assert_eq!(turn.range(Table::Seen, &[], 100).unwrap().len(), 400 / 32, "the others are on the shelf");
        });
    }

    #[test]
    fn what_came_in_a_room_that_was_left_is_known_after_it_and_when_it_is_entered_again() {
        in_turn(|state, turn| {
            let (device, room) = (DeviceId([1; 16]), RoomId([2; 32]));
            let line = TakenLine::Room(device, room);
            state.sequences_mut(&device, &room);
            assert!(state.note_taken(turn, line, (3, &id(3)), DELIVERED).unwrap());
            state.taken.flush(turn);
            state.forget_sequences(&device, &room);
            // In the same turn already.
            assert!(!state.note_taken(turn, line, (3, &id(4)), DELIVERED).unwrap());
            state.taken.flush(turn);
            assert!(turn.get(Table::Channel, &line.key()).unwrap().is_none());
            assert_eq!(state.was_taken(turn, &line, 3, &id(3)).unwrap(), Was::Answered(DELIVERED));
            assert!(!state.note_taken(turn, line, (3, &id(4)), DELIVERED).unwrap());
            assert!(state.note_taken(turn, line, (4, &id(4)), DELIVERED).unwrap());
            assert!(state.note_taken(turn, line, (70, &id(70)), DELIVERED).unwrap());
            assert!(state.taken.newest.is_empty(), "of a room that was left nothing is held in memory");
            state.sequences_mut(&device, &room);
            assert!(state.note_taken(turn, line, (5, &id(5)), DELIVERED).unwrap());
            for number in [3, 4, 5, 70] {
                assert_eq!(
                    state.was_taken(turn, &line, number, &id(number)).unwrap(),
                    Was::Answered(DELIVERED),
                    "what was noted before stays"
                );
            }
        });
    }
}
