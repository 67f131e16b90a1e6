//! A store in memory with turns: begin, commit, roll back.

use std::cell::Cell;
use std::collections::BTreeMap;
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{RANGE_LIMIT, Rows, Shelf, ShelfError, ShelfMut};

type Rowset = BTreeMap<Vec<u8>, Vec<u8>>;

/// The tables, and how to take the open turn back.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    tables: BTreeMap<Table, Rowset>,
    undo: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
    /// Fails every write once it has counted down to zero.
    writes_left: Cell<Option<u64>>,
}

impl MemoryStore {
    /// Ends the turn; what it wrote stays.
    pub fn commit(&mut self) {
        self.undo.clear();
    }

    /// Ends the turn; nothing of it stays.
    pub fn roll_back(&mut self) {
        while let Some((table, key, value)) = self.undo.pop() {
            let rows = self.tables.entry(table).or_default();
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
    }

    /// Lets the store be full after so many more writes; `None` makes room again.
    pub fn fill_after(&mut self, writes: Option<u64>) {
        self.writes_left.set(writes);
    }

    /// Whether the store takes no more writes.
    pub fn is_full(&self) -> bool {
        self.writes_left.get() == Some(0)
    }

    /// All rows of a table.
    pub fn rows(&self, table: Table) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.tables.get(&table).into_iter().flatten()
    }

    /// How many rows a table has.
    pub fn count(&self, table: Table) -> usize {
        self.tables.get(&table).map_or(0, BTreeMap::len)
    }
}

impl Shelf for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(self.tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        let rows = self.tables.get(&table);
        let found = rows.into_iter().flat_map(|rows| rows.range(from.to_vec()..));
        Ok(found.take(limit.min(RANGE_LIMIT)).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn range_back(&self, table: Table, before: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        let rows = self.tables.get(&table);
        let found = rows.into_iter().flat_map(|rows| rows.range(..before.to_vec()).rev());
        Ok(found.take(limit.min(RANGE_LIMIT)).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl ShelfMut for MemoryStore {
    fn apply(&mut self, change: &Change) -> Result<(), ShelfError> {
        if let Some(left) = self.writes_left.get() {
            if left == 0 {
                return Err(ShelfError("the store is full"));
            }
            self.writes_left.set(Some(left - 1));
        }
        let (table, key, value) = match change {
            Change::Put(table, key, value) => (*table, key, Some(value.clone())),
            Change::Delete(table, key) => (*table, key, None),
        };
        let rows = self.tables.entry(table).or_default();
        let old = match value {
            Some(value) => rows.insert(key.clone(), value),
            None => rows.remove(key),
        };
        self.undo.push((table, key.clone(), old));
        Ok(())
    }
}
