//! Room encryption by MLS (RFC 9420): OpenMLS behind the core's [`RoomCipher`].
//!
//! | module | holds |
//! |---|---|
//! | [`limits`] | every number that OpenMLS is configured with, and our own bounds |
//! | `crypto` | OpenMLS's crypto provider for the one ciphersuite |
//! | `rows` | the write-back cache over the store's rows |
//! | `storage` | OpenMLS's storage provider on that cache |
//! | `room` | what we remember of a room beside OpenMLS's own rows; the cache of groups |
//! | `epoch` | the name of an epoch |
//! | `cipher` | [`MlsCipher`]: the [`RoomCipher`] itself |
//!
//! It is not a place for protocol: who may join and what a credential means is the core's.
//!
//! [`RoomCipher`]: symbolon_core::world::RoomCipher

mod cipher;
mod crypto;
mod epoch;
pub mod limits;
mod room;
mod rows;
mod storage;
#[cfg(test)]
mod tests;

pub use cipher::MlsCipher;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The store could not answer or take a row. Always fails the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsError;

impl std::fmt::Display for RowsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the store failed beneath the room cipher")
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
    rows: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
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
