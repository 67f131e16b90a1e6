//! The messages: under whole numbers ([places](super::places)), and those that came before them.
//!
//! What came before store 12 stays where it is, in the table under its bytes, and so does every key of another shape. A row
//! that is written again moves. A store that had rows there when it was opened asks both.

use super::error::StoreError;
use super::file::Store;
use super::places::{ADD_ROOM, ARRIVALS, DELETE, FORGET_ROOM, GET, HAS_EARLIER, NEXT_ROOM, PUT, RANGES, ROOMS, bound_of, place_of};
use super::schema::{Statements, statements};
use rusqlite::{OptionalExtension, Params, params};
use symbolon_core::table::Table;
use symbolon_core::world::{RANGE_LIMIT, Rows};

impl Store {
    /// Looks whether messages stand under their bytes.
    pub(super) fn look_for_earlier_messages(&self) -> Result<(), StoreError> {
        self.has_earlier.set(self.noting(|db| db.query_row(HAS_EARLIER, [], |row| row.get(0)))?);
        Ok(())
    }

    pub(super) fn message(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some((room, arrival)) = place_of(key) {
            let row = self.noting(|db| db.prepare_cached(GET)?.query_row(params![room, arrival], |row| row.get(0)).optional())?;
            if row.is_some() {
                return Ok(row);
            }
        }
        if self.has_earlier.get() { self.row(statements(Table::Message)?, key) } else { Ok(None) }
    }

    /// As [`Shelf::range`](symbolon_core::world::Shelf::range).
    pub(super) fn messages(&self, from: &[u8], limit: usize) -> Result<Rows, StoreError> {
        let [of_one, of_others, ..] = RANGES;
        let rows = self.numbered(of_one, of_others, from, limit)?;
        self.with_earlier(rows, |earlier| &earlier.range, from, limit, |a, b| a.cmp(b))
    }

    /// As [`Shelf::range_back`](symbolon_core::world::Shelf::range_back).
    pub(super) fn messages_back(&self, before: &[u8], limit: usize) -> Result<Rows, StoreError> {
        let [.., of_one, of_others] = RANGES;
        let rows = self.numbered(of_one, of_others, before, limit)?;
        self.with_earlier(rows, |earlier| &earlier.range_back, before, limit, |a, b| b.cmp(a))
    }

    fn numbered(&self, of_one: &str, of_others: &str, bound: &[u8], limit: usize) -> Result<Rows, StoreError> {
        let limit = limit.min(RANGE_LIMIT);
        let (room, arrival) = bound_of(bound);
        let mut rows = self.placed(of_one, params![room, arrival, limit as i64])?;
        if rows.len() < limit {
            rows.extend(self.placed(of_others, params![room, (limit - rows.len()) as i64])?);
        }
        Ok(rows)
    }

    fn placed(&self, sql: &str, bounds: impl Params) -> Result<Rows, StoreError> {
        self.noting(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map(bounds, |row| {
                let mut key: Vec<u8> = row.get(0)?;
                let place: i64 = row.get(1)?;
                key.extend((place.cast_unsigned() & (ARRIVALS - 1)).to_be_bytes());
                Ok((key, row.get(2)?))
            })?;
            rows.collect()
        })
    }

    fn with_earlier(
        &self,
        mut rows: Rows,
        of: fn(&Statements) -> &String,
        bound: &[u8],
        limit: usize,
        order: fn(&[u8], &[u8]) -> std::cmp::Ordering,
    ) -> Result<Rows, StoreError> {
        if self.has_earlier.get() {
            rows.extend(self.rows(of(statements(Table::Message)?), bound, limit)?);
            rows.sort_by(|(a, _), (b, _)| order(a, b));
            rows.truncate(limit.min(RANGE_LIMIT));
        }
        Ok(rows)
    }

    pub(super) fn put_message(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let earlier = statements(Table::Message)?;
        if let Some((room, arrival)) = place_of(key)
            && self.put_numbered(room, arrival, value)?
        {
            return if self.has_earlier.get() { self.delete_row(earlier, key) } else { Ok(()) };
        }
        self.put_row(earlier, key, value)?;
        self.has_earlier.set(true);
        Ok(())
    }

    /// Whether there was a number for its conversation.
    fn put_numbered(&self, room: &[u8], arrival: i64, value: &[u8]) -> Result<bool, StoreError> {
        if self.written(PUT, params![room, arrival, value])? > 0 {
            return Ok(true);
        }
        let number: i64 = self.noting(|db| db.prepare_cached(NEXT_ROOM)?.query_row([], |row| row.get(0)))?;
        if number >= ROOMS {
            return Ok(false);
        }
        self.write(ADD_ROOM, params![room, number])?;
        self.write(PUT, params![room, arrival, value])?;
        Ok(true)
    }

    pub(super) fn delete_message(&self, key: &[u8]) -> Result<(), StoreError> {
        if let Some((room, arrival)) = place_of(key)
            && self.written(DELETE, params![room, arrival])? > 0
        {
            self.write(FORGET_ROOM, params![room])?;
        }
        if self.has_earlier.get() { self.delete_row(statements(Table::Message)?, key) } else { Ok(()) }
    }
}
