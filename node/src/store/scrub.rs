//! Overwrites what SQLite leaves in the unused middle of its pages.
//!
//! `secure_delete` zeroes a deleted cell where it lies. But when SQLite spreads the cells of
//! a full page over its neighbours, it writes the page again and leaves the old bytes between
//! the cell pointers and the first cell (`rebuildPage` in its b-tree): a copy of a row that
//! still lives, which its later deletion does not reach. So before the log is emptied, every
//! page that it holds is looked at, by SQLite's own `sqlite_dbpage`, and that gap is zeroed.
//!
//! Format: sqlite.org/fileformat2.html, section 1.6.

use super::error::StoreError;
use super::file::Store;
use super::pages::PAGE;
use rusqlite::OptionalExtension;
use std::collections::BTreeSet;
use std::ops::Range;

/// Bytes at the end of a page that are SQLCipher's.
const RESERVED: usize = 48;
/// SQLite's header at the beginning of page 1.
const FILE_HEADER: usize = 100;
/// First page number that could make an overflow page look like a node of the tree: its
/// first byte would be 2. The store would have 128 GiB.
const PAGES_MAX: u32 = 0x0200_0000;

impl Store {
    /// Zeroes the gaps of these pages, in a transaction of its own.
    pub(super) fn scrub(&self, pages: &BTreeSet<u32>) -> Result<(), StoreError> {
        if pages.is_empty() {
            return Ok(());
        }
        let turn = self.begin()?;
        let mut is_changed = false;
        for number in pages.iter().copied().filter(|number| *number < PAGES_MAX) {
            let page: Option<Vec<u8>> = self.noting(|db| {
                let mut select = db.prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?;
                select.query_row([number], |row| row.get(0)).optional()
            })?;
            // The store may have become smaller since.
            let Some(mut page) = page else { continue };
            let Some(gap) = gap_of(number, &page).and_then(|gap| page.get_mut(gap)) else { continue };
            if gap.iter().any(|byte| *byte != 0) {
                gap.fill(0);
                let update = "UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1";
                self.noting(|db| db.prepare_cached(update)?.execute(rusqlite::params![number, page]))?;
                is_changed = true;
            }
        }
        if is_changed { turn.commit() } else { Ok(()) }
    }
}

/// The unused middle of a node of a b-tree; `None` for every other kind of page.
fn gap_of(number: u32, page: &[u8]) -> Option<Range<usize>> {
    let header = if number == 1 { FILE_HEADER } else { 0 };
    let two = |at: usize| page.get(header + at..)?.first_chunk::<2>().map(|bytes| usize::from(u16::from_be_bytes(*bytes)));
    let pointers = header
        + match page.get(header)? {
            // Inner nodes of an index and of a table.
            2 | 5 => 12,
            // Their leaves.
            10 | 13 => 8,
            _ => return None,
        };
    let gap = pointers + 2 * two(3)?..two(5)?;
    (page.len() == PAGE && gap.start < gap.end && gap.end <= PAGE - RESERVED).then_some(gap)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn node(number: u32, kind: u8, cells: u16, content: u16) -> Vec<u8> {
        let mut page = vec![7; PAGE];
        let at = if number == 1 { FILE_HEADER } else { 0 };
        page[at] = kind;
        page[at + 3..at + 5].copy_from_slice(&cells.to_be_bytes());
        page[at + 5..at + 7].copy_from_slice(&content.to_be_bytes());
        page
    }

    #[test]
    fn gap_lies_between_the_pointers_and_the_first_cell() {
        assert_eq!(gap_of(2, &node(2, 10, 9, 701)), Some(26..701));
        assert_eq!(gap_of(2, &node(2, 5, 9, 701)), Some(30..701));
        assert_eq!(gap_of(1, &node(1, 13, 3, 1_000)), Some(114..1_000));
        assert_eq!(gap_of(2, &node(2, 10, 0, 4_048)), Some(8..4_048));
    }

    #[test]
    fn pages_of_other_kinds_and_impossible_ones_are_left_alone() {
        for kind in [0, 1, 3, 4, 6, 9, 255] {
            assert_eq!(gap_of(2, &node(2, kind, 9, 701)), None);
        }
        for (cells, content) in [(9, 26), (9, 4_049), (u16::MAX, 701), (9, 0)] {
            assert_eq!(gap_of(2, &node(2, 10, cells, content)), None, "{cells} {content}");
        }
        assert_eq!(gap_of(2, &[10, 0, 0, 0, 9]), None);
        assert_eq!(gap_of(2, &[]), None);
    }
}
