//! The store: one encrypted file (SQLite with SQLCipher) with every durable table.
//!
//! It knows keys and values, not what they mean; the tables stand in
//! [`symbolon_core::table`]. One connection, owned by the core thread; every write is
//! part of a [`Turn`]. A file that is damaged, foreign or newer is refused before anything
//! is written, and never repaired or made again.
//!
//! Erased keys: `secure_delete` overwrites deleted rows in the pages, [`scrub`] the copies
//! that SQLite leaves of them, and the write-ahead log is emptied by [`Store::checkpoint`]. SQLite's own checkpoints are off: the core
//! thread says when.

mod error;
mod file;
mod found;
mod messages;
mod migrate;
mod pages;
mod places;
mod schema;
mod scrub;
mod tables;
mod verify;
mod wal;
mod words;

pub use error::{OpenError, StoreError};
pub use file::{CHECK_AT_OPEN, CHECK_BEFORE_MIGRATION, LOG_LIMIT, LOG_STEP, Store, Turn};
pub use tables::MlsTable;
pub use verify::Progress;

#[cfg(test)]
mod tests;
