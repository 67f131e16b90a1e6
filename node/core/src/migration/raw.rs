//! Rows as steps read and write them.

use crate::table::{Change, Table};
use crate::turn::{TurnFailed, all_rows};
use crate::world::{Rows, ShelfError, ShelfMut};
use minicbor::{Decode, Encode};
use symbolon_presence::codec::{ROW_VERSION, encode_row};

pub(super) fn put<T: Encode<()>>(shelf: &mut dyn ShelfMut, table: Table, key: Vec<u8>, row: &T) -> Result<(), ShelfError> {
    shelf.apply(&Change::Put(table, key, encode_row(row)))
}

pub(super) fn all(shelf: &dyn ShelfMut, table: Table) -> Result<Rows, ShelfError> {
    all_rows(shelf, table).map_err(|TurnFailed(why)| ShelfError(why))
}

/// Reads those fields of an older row that the type has.
pub(super) fn read<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, ShelfError> {
    let body = bytes.split_first().filter(|(version, _)| **version == ROW_VERSION).map(|(_, body)| body);
    body.and_then(|body| minicbor::decode(body).ok()).ok_or(ShelfError("a row of an older version cannot be read"))
}
