//! A node's clock: wrong by some, jumping, and never read below the newest stored moment.

use symbolon_core::table::{Change, Table};
use symbolon_core::world::{Shelf, ShelfError, ShelfMut};
use symbolon_presence::time::{MINUTE, Timestamp};

/// Where the newest moment lies, as the shell stores it: [`Table::Meta`], 8 B.
const NEWEST: &[u8] = b"newest";

/// A clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeClock {
    /// How far it runs ahead of the true time, in milliseconds; negative when it is late.
    pub offset: i64,
    newest: Timestamp,
    written: Option<Timestamp>,
}

impl NodeClock {
    /// What the machine's clock shows.
    fn shown(&self, truth: Timestamp) -> Timestamp {
        Timestamp(truth.0.saturating_add_signed(self.offset))
    }

    /// The time that a turn is given.
    pub fn read(&mut self, truth: Timestamp) -> Timestamp {
        self.newest = self.newest.max(self.shown(truth));
        self.newest
    }

    /// The true time at which this clock will read `at`.
    pub fn truth_of(&self, at: Timestamp) -> Timestamp {
        Timestamp(at.0.saturating_add_signed(self.offset.saturating_neg()))
    }

    /// The newest time that a turn was given.
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// How long this clock stands still because it was set back.
    pub fn stands_for(&self, truth: Timestamp) -> u64 {
        self.newest.since(self.shown(truth))
    }

    /// After a start only what is stored is known.
    pub fn restart(&mut self, shelf: &dyn Shelf) {
        let stored = shelf.get(Table::Meta, NEWEST).ok().flatten();
        self.written = stored.map(|bytes| Timestamp(u64::from_be_bytes(bytes.try_into().expect("eight bytes"))));
        self.newest = self.written.unwrap_or_default();
    }

    /// Writes the newest moment with a turn that writes anyway, at most once a minute.
    pub fn note(&mut self, store: &mut impl ShelfMut) -> Result<(), ShelfError> {
        if self.written.is_none_or(|written| self.newest.since(written) >= MINUTE) {
            store.apply(&Change::Put(Table::Meta, NEWEST.to_vec(), self.newest.0.to_be_bytes().to_vec()))?;
            self.written = Some(self.newest);
        }
        Ok(())
    }
}
