//! The tables in SQL, and the core's reading and writing of them.
//!
//! One SQL table for each [`Table`] of the core, one for the rows of OpenMLS, and the
//! index of words. What stands in keys and values is their owners' business.

use super::{Store, StoreError, Turn, words};
use rusqlite::{OptionalExtension, params};
use std::rc::Rc;
use symbolon_core::migration;
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{RANGE_LIMIT, Rows, Shelf, ShelfError, ShelfMut};

/// Everything that is ever said to one table.
struct Statements {
    create: &'static str,
    get: &'static str,
    range: &'static str,
    range_back: &'static str,
    put: &'static str,
    delete: &'static str,
}

macro_rules! statements {
    ($name:literal) => {
        &Statements {
            create: concat!("CREATE TABLE ", $name, " (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID"),
            get: concat!("SELECT value FROM ", $name, " WHERE key = ?1"),
            range: concat!("SELECT key, value FROM ", $name, " WHERE key >= ?1 ORDER BY key LIMIT ?2"),
            range_back: concat!("SELECT key, value FROM ", $name, " WHERE key < ?1 ORDER BY key DESC LIMIT ?2"),
            put: concat!("INSERT INTO ", $name, " (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"),
            delete: concat!("DELETE FROM ", $name, " WHERE key = ?1"),
        }
    };
}

const MLS: &Statements = statements!("mls");

const fn statements(table: Table) -> &'static Statements {
    match table {
        Table::Meta => statements!("meta"),
        Table::Friend => statements!("friend"),
        Table::Request => statements!("request"),
        Table::Invite => statements!("invite"),
        Table::Blocked => statements!("blocked"),
        Table::Device => statements!("device"),
        Table::Message => statements!("message"),
        Table::MessageIndex => statements!("message_index"),
        Table::Outbox => statements!("outbox"),
        Table::Seen => statements!("seen"),
        Table::GrantUse => statements!("grant_use"),
        Table::Expiry => statements!("expiry"),
        Table::Arrival => statements!("arrival"),
        Table::Depot => statements!("depot"),
        Table::Kept => statements!("kept"),
        Table::Entry => statements!("entry"),
        Table::EntryFrame => statements!("entry_frame"),
        Table::EntryExpiry => statements!("entry_expiry"),
        Table::Labels => statements!("labels"),
        Table::Introduction => statements!("introduction"),
        Table::Away => statements!("away"),
        Table::Package => statements!("package"),
    }
}

/// What makes all tables.
pub(super) fn creation() -> impl Iterator<Item = &'static str> {
    plain().chain(words::CREATE)
}

/// What stands in SQLite's schema of a store of this version.
pub(super) fn schema(version: u32) -> impl Iterator<Item = &'static str> {
    migration::tables_of(version).map(create).chain([MLS.create]).chain(words::SCHEMA)
}

/// What makes one table.
pub(super) fn create(table: Table) -> &'static str {
    statements(table).create
}

fn plain() -> impl Iterator<Item = &'static str> {
    Table::ALL.into_iter().map(statements).chain([MLS]).map(|table| table.create)
}

/// Statements kept ready: all of them, and those of transactions and the log.
pub(super) const STATEMENTS: usize = (Table::ALL.len() + 1) * 5 + words::STATEMENTS + 6;

impl Store {
    fn row(&self, table: &Statements, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.noting(|db| db.prepare_cached(table.get)?.query_row([key], |row| row.get(0)).optional())
    }

    fn rows(&self, sql: &str, bound: &[u8], limit: usize) -> Result<Rows, StoreError> {
        let limit = limit.min(RANGE_LIMIT);
        self.noting(|db| {
            let mut statement = db.prepare_cached(sql)?;
            statement.query_map(params![bound, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    fn put_row(&self, table: &Statements, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.write(table.put, params![key, value])
    }

    fn delete_row(&self, table: &Statements, key: &[u8]) -> Result<(), StoreError> {
        self.write(table.delete, params![key])
    }
}

impl Shelf for Turn<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(self.store.row(statements(table), key)?)
    }

    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        Ok(self.store.rows(statements(table).range, from, limit)?)
    }

    fn range_back(&self, table: Table, before: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        Ok(self.store.rows(statements(table).range_back, before, limit)?)
    }

    fn search(&self, words: &str, before: u64, limit: usize) -> Result<Vec<u64>, ShelfError> {
        Ok(self.store.search(words, before, limit)?)
    }
}

impl ShelfMut for Turn<'_> {
    fn apply(&mut self, change: &Change) -> Result<(), ShelfError> {
        match change {
            Change::Put(table, key, value) => self.store.put_row(statements(*table), key, value)?,
            Change::Delete(table, key) => self.store.delete_row(statements(*table), key)?,
            Change::Index(number, text) => self.store.index(*number, text)?,
            Change::Unindex(number, text) => self.store.unindex(*number, text)?,
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
        self.0.row(MLS, key)
    }

    /// Sets the value under `key`.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.0.put_row(MLS, key, value)
    }

    /// Removes `key`; nothing happens when it is not there.
    pub fn delete(&self, key: &[u8]) -> Result<(), StoreError> {
        self.0.delete_row(MLS, key)
    }

    /// At most `limit` rows in ascending key order from `from` on, as [`Shelf::range`].
    pub fn range(&self, from: &[u8], limit: usize) -> Result<Rows, StoreError> {
        self.0.rows(MLS.range, from, limit)
    }
}
