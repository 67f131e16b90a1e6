//! The tables in SQL: what makes them, and everything that is said to them.
//!
//! One SQL table for each [`Table`] of the core, one for the rows of OpenMLS, and the
//! index of words.

use super::words;
use symbolon_core::migration;
use symbolon_core::table::Table;

/// Everything that is ever said to one table.
pub(super) struct Statements {
    pub(super) create: &'static str,
    pub(super) get: &'static str,
    pub(super) range: &'static str,
    pub(super) range_back: &'static str,
    pub(super) put: &'static str,
    pub(super) delete: &'static str,
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

/// The rows of OpenMLS.
pub(super) const MLS: &Statements = statements!("mls");

/// What is said to a table of the core.
pub(super) const fn statements(table: Table) -> &'static Statements {
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
        Table::RelayMailbox => statements!("depot"),
        Table::Kept => statements!("kept"),
        Table::Entry => statements!("entry"),
        Table::EntryFrame => statements!("entry_frame"),
        Table::EntryExpiry => statements!("entry_expiry"),
        Table::Labels => statements!("labels"),
        Table::Introduction => statements!("introduction"),
        Table::Away => statements!("away"),
        Table::Package => statements!("package"),
        Table::Room => statements!("room"),
        Table::Channel => statements!("channel"),
        Table::Leaf => statements!("leaf"),
        Table::Unopened => statements!("unopened"),
        Table::Piece => statements!("piece"),
        Table::Lifeline => statements!("lifeline"),
        Table::HeldLifeline => statements!("held_lifeline"),
        Table::OwnPackage => statements!("own_package"),
        Table::Group => statements!("shared_room"),
        Table::Step => statements!("step"),
        Table::Commit => statements!("room_commit"),
        Table::Seat => statements!("seat"),
        Table::Wish => statements!("wish"),
        Table::Invitation => statements!("invitation"),
        Table::Audience => statements!("audience"),
        Table::Tally => statements!("tally"),
        Table::Carried => statements!("carried"),
        Table::Sibling => statements!("sibling"),
        Table::Listed => statements!("listed"),
        Table::Draft => statements!("draft"),
        Table::Person => statements!("person"),
        Table::KnockKey => statements!("knock_key"),
        Table::Card => statements!("card"),
        Table::Knock => statements!("knock"),
        Table::HeardKnock => statements!("heard_knock"),
        Table::RoomNote => statements!("room_note"),
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
