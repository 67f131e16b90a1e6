//! The store's rows as OpenMLS sees them: the trait, and the write-back cache above it.
//!
//! A write stays in memory until [`RowCache::flush`], so that a row that 64 messages of one
//! turn change is written once. Dropping the cache drops the writes: that is what a failed
//! turn does. Clean rows are not kept, since the groups that were read from them are.
//!
//! OpenMLS writes a room's message secrets, its largest row, with every text. Such a write
//! is only noted ([`RowCache::note_stale`]); the secrets are encoded when the row must
//! really be there.

use super::limits::DIRTY_ROWS_MAX;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use zeroize::Zeroizing;

/// The store could not answer or take a row. Always fails the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsError;

impl std::fmt::Display for RowsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the store below the room cipher failed")
    }
}

impl std::error::Error for RowsError {}

/// The rows of the table `mls`, as the open transaction sees them.
///
/// Reads see earlier writes of the same transaction; a rollback undoes the writes. The
/// methods take `&self`, so that the turn and the cipher share one connection (an
/// [`Rc`] of an implementation is an implementation).
pub trait MlsRows {
    /// The value under `key`, if there is one.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError>;

    /// Sets the value under `key`.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), RowsError>;

    /// Removes `key`; nothing happens when it is not there. The old value must be erased,
    /// not only unlinked: it is mostly key material.
    fn delete(&self, key: &[u8]) -> Result<(), RowsError>;
}

impl<T: MlsRows + ?Sized> MlsRows for Rc<T> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        (**self).get(key)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        (**self).put(key, value)
    }

    fn delete(&self, key: &[u8]) -> Result<(), RowsError> {
        (**self).delete(key)
    }
}

/// Rows in memory: for tests, and for looking at a GroupInfo without touching the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryRows {
    pub(super) rows: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryRows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.borrow().len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.borrow().is_empty()
    }
}

impl MlsRows for MemoryRows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        Ok(self.rows.borrow().get(key).cloned())
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        self.rows.borrow_mut().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<(), RowsError> {
        self.rows.borrow_mut().remove(key);
        Ok(())
    }
}

/// A changed row: its new value, or `None` when it is deleted.
type Change = Option<Zeroizing<Vec<u8>>>;

/// Rows changed since the last flush, over the rows of the store.
pub(super) struct RowCache<R> {
    rows: R,
    /// At most [`DIRTY_ROWS_MAX`], by [`RowCache::spill`].
    dirty: RefCell<BTreeMap<Vec<u8>, Change>>,
    /// Rooms whose secrets in memory are newer than their row; at most as many as groups
    /// are cached.
    stale: RefCell<BTreeSet<Vec<u8>>>,
    /// What the open attempt changed: the earlier state of each key, newest last.
    undo: RefCell<Option<Undo>>,
    /// The store failed, or a row could not be read back. OpenMLS hides such an error in
    /// several of its own, so it is kept here.
    failed: Cell<bool>,
}

struct Undo {
    dirty: Vec<(Vec<u8>, Option<Change>)>,
    stale: BTreeSet<Vec<u8>>,
}

impl<R: MlsRows> RowCache<R> {
    pub fn new(rows: R) -> Self {
        Self { rows, dirty: RefCell::default(), stale: RefCell::default(), undo: RefCell::default(), failed: Cell::new(false) }
    }

    /// The rows below, without what was not flushed.
    pub fn into_rows(self) -> R {
        self.rows
    }

    /// The row's bytes, changed ones first.
    pub fn get(&self, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, RowsError> {
        if let Some(change) = self.dirty.borrow().get(key) {
            return Ok(change.clone());
        }
        match self.rows.get(key) {
            Ok(value) => Ok(value.map(Zeroizing::new)),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Sets a row.
    pub fn put(&self, key: Vec<u8>, value: Vec<u8>) {
        self.change(key, Some(Zeroizing::new(value)));
    }

    /// Deletes a row.
    pub fn delete(&self, key: Vec<u8>) {
        self.change(key, None);
    }

    fn change(&self, key: Vec<u8>, change: Change) {
        let mut dirty = self.dirty.borrow_mut();
        match self.undo.borrow_mut().as_mut() {
            Some(undo) => {
                let earlier = dirty.insert(key.clone(), change);
                undo.dirty.push((key, earlier));
            }
            None => {
                dirty.insert(key, change);
            }
        }
    }

    /// Notes that the room's secrets in memory are newer than the row `key`.
    pub fn note_stale(&self, key: Vec<u8>) {
        self.stale.borrow_mut().insert(key);
    }

    /// Whether the row `key` is older than what is in memory.
    pub fn is_stale(&self, key: &[u8]) -> bool {
        self.stale.borrow().contains(key)
    }

    /// The row `key` has been written, or is not wanted any more.
    pub fn clear_stale(&self, key: &[u8]) {
        self.stale.borrow_mut().remove(key);
    }

    /// Marks the store as failed and hands the error on.
    pub fn fail(&self, error: RowsError) -> RowsError {
        self.failed.set(true);
        error
    }

    /// Whether the store has failed since this cache was made.
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// Runs `attempt`; when it fails, everything it changed is as before.
    pub fn attempt<T, E>(&self, attempt: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        *self.undo.borrow_mut() = Some(Undo { dirty: Vec::new(), stale: self.stale.borrow().clone() });
        let result = attempt();
        if let (Some(undo), true) = (self.undo.borrow_mut().take(), result.is_err()) {
            let mut dirty = self.dirty.borrow_mut();
            for (key, earlier) in undo.dirty.into_iter().rev() {
                match earlier {
                    Some(change) => dirty.insert(key, change),
                    None => dirty.remove(&key),
                };
            }
            *self.stale.borrow_mut() = undo.stale;
        }
        result
    }

    /// Whether so many rows have changed that they should be written now.
    pub fn is_full(&self) -> bool {
        self.dirty.borrow().len() > DIRTY_ROWS_MAX
    }

    /// Writes every changed row to the store, the last version only.
    pub fn flush(&self) -> Result<(), RowsError> {
        let mut dirty = self.dirty.borrow_mut();
        while let Some((key, change)) = dirty.pop_first() {
            let result = match change {
                Some(value) => self.rows.put(&key, &value),
                None => self.rows.delete(&key),
            };
            if let Err(error) = result {
                return Err(self.fail(error));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mls::MemoryRows;
    use std::rc::Rc;

    #[test]
    fn rows_reach_the_store_only_with_a_flush_and_only_in_their_last_version() {
        let rows = Rc::new(MemoryRows::default());
        let cache = RowCache::new(rows.clone());
        cache.put(vec![1], vec![1]);
        cache.put(vec![1], vec![2]);
        cache.put(vec![2], vec![3]);
        cache.delete(vec![2]);
        assert!(rows.is_empty());
        assert_eq!(cache.get(&[1]).unwrap().unwrap().as_slice(), [2]);
        assert!(cache.get(&[2]).unwrap().is_none());
        cache.flush().unwrap();
        assert_eq!(rows.get(&[1]), Ok(Some(vec![2])));
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn a_failed_attempt_leaves_every_row_and_mark_as_it_was() {
        let rows = Rc::new(MemoryRows::default());
        rows.put(&[1], &[1]).unwrap();
        let cache = RowCache::new(rows);
        cache.put(vec![2], vec![2]);
        let result: Result<(), ()> = cache.attempt(|| {
            cache.put(vec![2], vec![9]);
            cache.put(vec![2], vec![8]);
            cache.delete(vec![1]);
            cache.put(vec![3], vec![3]);
            cache.note_stale(vec![4]);
            Err(())
        });
        assert_eq!(result, Err(()));
        assert_eq!(cache.get(&[1]).unwrap().unwrap().as_slice(), [1]);
        assert_eq!(cache.get(&[2]).unwrap().unwrap().as_slice(), [2]);
        assert!(cache.get(&[3]).unwrap().is_none());
        assert!(!cache.is_stale(&[4]));
    }

    #[test]
    fn the_cache_says_when_it_is_full() {
        let cache = RowCache::new(MemoryRows::default());
        for n in 0..=DIRTY_ROWS_MAX {
            assert!(!cache.is_full());
            cache.put(n.to_be_bytes().to_vec(), Vec::new());
        }
        assert!(cache.is_full());
        cache.flush().unwrap();
        assert!(!cache.is_full());
    }
}
