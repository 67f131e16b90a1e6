//! The tables in SQL: what makes them, and everything that is said to them.
//!
//! One SQL table for each [`Table`] of the core, two more for [messages](places), one for the rows of OpenMLS,
//! and the index of words.

use super::error::StoreError;
use super::{places, words};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use symbolon_core::migration;
use symbolon_core::table::Table;

/// Everything that is said to one table.
pub(super) struct Statements {
    pub(super) get: String,
    pub(super) range: String,
    pub(super) range_back: String,
    pub(super) put: String,
    pub(super) delete: String,
}

impl Statements {
    fn of(name: &str) -> Self {
        Self {
            get: format!("SELECT value FROM {name} WHERE key = ?1"),
            range: format!("SELECT key, value FROM {name} WHERE key >= ?1 ORDER BY key LIMIT ?2"),
            range_back: format!("SELECT key, value FROM {name} WHERE key < ?1 ORDER BY key DESC LIMIT ?2"),
            put: format!("INSERT INTO {name} (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"),
            delete: format!("DELETE FROM {name} WHERE key = ?1"),
        }
    }
}

/// The name of the table that holds the rows of OpenMLS.
const OF_MLS: &str = "mls";

/// What is said to the rows of OpenMLS.
pub(super) static MLS: LazyLock<Statements> = LazyLock::new(|| Statements::of(OF_MLS));

static TABLES: LazyLock<BTreeMap<Table, Statements>> =
    LazyLock::new(|| Table::ALL.into_iter().map(|table| (table, Statements::of(table.name()))).collect());

/// What is said to a table of the core.
pub(super) fn statements(table: Table) -> Result<&'static Statements, StoreError> {
    TABLES.get(&table).ok_or(StoreError::Failed("no such table"))
}

/// What makes all tables.
pub(super) fn creation() -> impl Iterator<Item = String> {
    tables(Table::ALL.into_iter()).chain(places::CREATE.into_iter().chain(words::CREATE).map(str::to_owned))
}

/// What stands in SQLite's schema of a store of this version.
pub(super) fn schema(version: u32) -> impl Iterator<Item = String> {
    let of_messages = places::CREATE.into_iter().filter(move |_| version >= places::SINCE);
    tables(migration::tables_of(version)).chain(of_messages.chain(words::SCHEMA).map(str::to_owned))
}

/// What makes one table.
pub(super) fn create(table: Table) -> String {
    create_named(table.name())
}

fn tables(of_core: impl Iterator<Item = Table>) -> impl Iterator<Item = String> {
    of_core.map(Table::name).chain([OF_MLS]).map(create_named)
}

fn create_named(name: &str) -> String {
    format!("CREATE TABLE {name} (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID")
}

/// Statements kept ready: all of them, and those of transactions and the log.
pub(super) const STATEMENTS: usize = (Table::ALL.len() + 1) * 5 + words::STATEMENTS + places::STATEMENTS + 6;
