//! Notes of what was taken in, as far as they are held in memory: the newest of each line.

use crate::rows::{TakenBlock, TakenLine};
use crate::table::Table;
use crate::turn::Turn;
use std::collections::{BTreeMap, BTreeSet};

/// The newest block of each line.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// At most one for each seed of a device, and one for each member of each room.
    pub newest: BTreeMap<TakenLine, TakenBlock>,
    /// Those to write or to delete at the end of the turn.
    pub changed: BTreeSet<TakenLine>,
    /// Of lines that have ended: they go to the shelf.
    pub ended: Vec<(TakenLine, TakenBlock)>,
}

impl Taken {
    /// As it was written.
    pub fn load(newest: BTreeMap<TakenLine, TakenBlock>) -> Self {
        Self { newest, ..Self::default() }
    }

    /// A device can write under a seed no more: nothing of it is known again.
    pub fn drop(&mut self, line: TakenLine) {
        if self.newest.remove(&line).is_some() {
            self.changed.insert(line);
        }
    }

    /// A device is not in a room any more; what it has sent there may come again.
    pub fn end(&mut self, line: TakenLine) {
        if let Some(block) = self.newest.remove(&line) {
            self.changed.insert(line);
            self.ended.push((line, block));
        }
    }

    /// Puts what has ended to the shelf.
    pub fn shelve(&mut self, turn: &mut Turn<'_>) {
        for (line, block) in std::mem::take(&mut self.ended) {
            turn.put(Table::Seen, &line.block_key(block.block), &block);
        }
    }

    /// Writes what has changed at the end of the turn.
    pub fn flush(&mut self, turn: &mut Turn<'_>) {
        self.shelve(turn);
        for line in std::mem::take(&mut self.changed) {
            match self.newest.get(&line) {
                Some(block) => turn.put(Table::Channel, &line.key(), block),
                None => turn.delete(Table::Channel, &line.key()),
            }
        }
    }
}
