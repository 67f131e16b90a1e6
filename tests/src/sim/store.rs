//! A store in memory with turns: begin, commit, roll back.

use std::cell::Cell;
use std::collections::BTreeMap;
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{RANGE_LIMIT, Rows, Shelf, ShelfError, ShelfMut};

type Rowset = BTreeMap<Vec<u8>, Vec<u8>>;

/// What was there before a write.
#[derive(Debug, Clone)]
enum Undo {
    Row(Table, Vec<u8>, Option<Vec<u8>>),
    Words(u64, Option<String>),
    AllWords(BTreeMap<u64, String>),
}

/// The tables, and how to take the open turn back.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    tables: BTreeMap<Table, Rowset>,
    /// Words of texts, by the texts' numbers.
    words: BTreeMap<u64, String>,
    undo: Vec<Undo>,
    /// Fails every write once it has counted down to zero.
    writes_left: Cell<Option<u64>>,
    /// Rows read and written.
    touched: Cell<usize>,
    /// Bytes of rows written, keys included.
    written: Cell<usize>,
}

impl MemoryStore {
    /// Ends the turn; what it wrote stays.
    pub fn commit(&mut self) {
        self.undo.clear();
    }

    /// Ends the turn; nothing of it stays.
    pub fn roll_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Row(table, key, value) => drop(self.set(table, key, value)),
                Undo::Words(number, text) => drop(self.set_words(number, text)),
                Undo::AllWords(words) => self.words = words,
            }
        }
    }

    fn set(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let rows = self.tables.entry(table).or_default();
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        }
    }

    fn set_words(&mut self, number: u64, text: Option<String>) -> Option<String> {
        match text {
            Some(text) => self.words.insert(number, text),
            None => self.words.remove(&number),
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

    /// Rows read and written since this was last asked.
    pub fn take_touched(&self) -> usize {
        self.touched.take()
    }

    /// Bytes of rows written since this was last asked.
    pub fn take_written(&self) -> usize {
        self.written.take()
    }

    fn touch(&self, rows: usize) {
        self.touched.set(self.touched.get() + rows);
    }

    /// All rows of a table.
    pub fn rows(&self, table: Table) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.tables.get(&table).into_iter().flatten()
    }

    /// How many texts can be searched.
    pub fn indexed(&self) -> usize {
        self.words.len()
    }

    /// How many rows a table has.
    pub fn count(&self, table: Table) -> usize {
        self.tables.get(&table).map_or(0, BTreeMap::len)
    }
}

impl Shelf for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        self.touch(1);
        Ok(self.tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        let rows = self.tables.get(&table);
        let found = rows.into_iter().flat_map(|rows| rows.range(from.to_vec()..));
        let found: Rows = found.take(limit.min(RANGE_LIMIT)).map(|(key, value)| (key.clone(), value.clone())).collect();
        self.touch(found.len().max(1));
        Ok(found)
    }

    fn range_back(&self, table: Table, before: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        let rows = self.tables.get(&table);
        let found = rows.into_iter().flat_map(|rows| rows.range(..before.to_vec()).rev());
        let found: Rows = found.take(limit.min(RANGE_LIMIT)).map(|(key, value)| (key.clone(), value.clone())).collect();
        self.touch(found.len().max(1));
        Ok(found)
    }

    fn search(&self, words: &str, before: u64, limit: usize) -> Result<Vec<u64>, ShelfError> {
        let wanted: Vec<String> = split(words).collect();
        let Some((last, whole)) = wanted.split_last() else { return Ok(Vec::new()) };
        let fits = |text: &str| {
            let found: Vec<String> = split(text).collect();
            whole.iter().all(|word| found.contains(word)) && found.iter().any(|word| word.starts_with(last))
        };
        let newest_first = self.words.range(..before).rev();
        Ok(newest_first.filter(|(_, text)| fits(text)).map(|(number, _)| *number).take(limit.min(RANGE_LIMIT)).collect())
    }
}

/// Words in lower case. Unlike the real index it knows nothing of accents.
fn split(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

impl ShelfMut for MemoryStore {
    fn apply(&mut self, change: &Change) -> Result<(), ShelfError> {
        self.touch(1);
        if let Some(left) = self.writes_left.get() {
            if left == 0 {
                return Err(ShelfError("the store is full"));
            }
            self.writes_left.set(Some(left - 1));
        }
        if let Change::Put(_, key, value) = change {
            self.written.set(self.written.get() + key.len() + value.len());
        }
        let undo = match change {
            Change::Put(table, key, value) => Undo::Row(*table, key.clone(), self.set(*table, key.clone(), Some(value.clone()))),
            Change::Delete(table, key) => Undo::Row(*table, key.clone(), self.set(*table, key.clone(), None)),
            Change::Index(number, text) => Undo::Words(*number, self.set_words(*number, Some(text.clone()))),
            Change::Unindex(number, _) => Undo::Words(*number, self.set_words(*number, None)),
            Change::ClearIndex => Undo::AllWords(std::mem::take(&mut self.words)),
        };
        self.undo.push(undo);
        Ok(())
    }
}
