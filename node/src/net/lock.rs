//! Locks of tables that several tasks look into.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The tables are whole after every statement, so a panic elsewhere cannot spoil them.
pub(super) fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
