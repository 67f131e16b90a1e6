//! The core's reading and writing of the tables, and the room cipher's.
//!
//! What stands in keys and values is their owners' business.

use super::error::StoreError;
use super::file::{Store, Turn};
use super::schema::{MLS, Statements, statements};
use super::words;
use rusqlite::{OptionalExtension, params};
use std::rc::Rc;
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{RANGE_LIMIT, Rows, Shelf, ShelfError, ShelfMut};

impl Store {
    pub(super) fn row(&self, table: &Statements, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.noting(|db| db.prepare_cached(&table.get)?.query_row([key], |row| row.get(0)).optional())
    }

    pub(super) fn rows(&self, sql: &str, bound: &[u8], limit: usize) -> Result<Rows, StoreError> {
        let limit = limit.min(RANGE_LIMIT);
        self.noting(|db| {
            let mut statement = db.prepare_cached(sql)?;
            statement.query_map(params![bound, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    pub(super) fn put_row(&self, table: &Statements, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.write(&table.put, params![key, value])
    }

    pub(super) fn delete_row(&self, table: &Statements, key: &[u8]) -> Result<(), StoreError> {
        self.write(&table.delete, params![key])
    }
}

impl Store {
    fn index(&self, number: u64, text: &str) -> Result<(), StoreError> {
        self.write(words::INDEX, params![words::row(number)?, words::spread(text)])
    }

    fn unindex(&self, number: u64, text: &str) -> Result<(), StoreError> {
        self.write(words::UNINDEX, params![words::row(number)?, words::spread(text)])
    }

    fn search(&self, typed: &str, before: u64, limit: usize) -> Result<Vec<u64>, StoreError> {
        let Some(query) = words::query(typed) else { return Ok(Vec::new()) };
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let rows: Vec<i64> = self.noting(|db| {
            let mut statement = db.prepare_cached(words::SEARCH)?;
            statement.query_map(params![query, before, limit.min(RANGE_LIMIT) as i64], |row| row.get(0))?.collect()
        })?;
        Ok(rows.into_iter().filter_map(|row| u64::try_from(row).ok()).collect())
    }
}

impl Shelf for Turn<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(if table == Table::Message { self.store.message(key) } else { self.store.row(statements(table)?, key) }?)
    }

    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        Ok(if table == Table::Message {
            self.store.messages(from, limit)
        } else {
            self.store.rows(&statements(table)?.range, from, limit)
        }?)
    }

    fn range_back(&self, table: Table, before: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        Ok(if table == Table::Message {
            self.store.messages_back(before, limit)
        } else {
            self.store.rows(&statements(table)?.range_back, before, limit)
        }?)
    }

    fn search(&self, words: &str, before: u64, limit: usize) -> Result<Vec<u64>, ShelfError> {
        Ok(self.store.search(words, before, limit)?)
    }
}

impl ShelfMut for Turn<'_> {
    fn apply(&mut self, change: &Change) -> Result<(), ShelfError> {
        match change {
            Change::Put(Table::Message, key, value) => self.store.put_message(key, value)?,
            Change::Delete(Table::Message, key) => self.store.delete_message(key)?,
            Change::Put(table, key, value) => self.store.put_row(statements(*table)?, key, value)?,
            Change::Delete(table, key) => self.store.delete_row(statements(*table)?, key)?,
            Change::Index(number, text) => self.store.index(*number, text)?,
            Change::Unindex(number, text) => self.store.unindex(*number, text)?,
            Change::ClearIndex => self.store.write(words::CLEAR, [])?,
        }
        Ok(())
    }
}

/// The rows of OpenMLS, for the room cipher. Writing needs an open [`Turn`].
#[derive(Clone)]
pub struct MlsTable(Rc<Store>);

impl MlsTable {
    /// The rows in this store.
    pub fn new(store: Rc<Store>) -> Self {
        Self(store)
    }

    /// The value under `key`, if there is one.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.row(&MLS, key)
    }

    /// Sets the value under `key`.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.0.put_row(&MLS, key, value)
    }

    /// Removes `key`; nothing happens when it is not there.
    pub fn delete(&self, key: &[u8]) -> Result<(), StoreError> {
        self.0.delete_row(&MLS, key)
    }

    /// At most `limit` rows in ascending key order from `from` on, as [`Shelf::range`].
    pub fn range(&self, from: &[u8], limit: usize) -> Result<Rows, StoreError> {
        self.0.rows(&MLS.range, from, limit)
    }
}
