//! What was deleted or replaced must be gone from the disk, also for somebody who holds the
//! files and the key.
//!
//! The rows of a store are read at an earlier moment; whatever stands in them and no longer
//! in any row of the later moment is *gone*, and must not be found in any decrypted page of
//! the file or the log. Nothing is planted: what is searched is what the node itself kept
//! and gave up, MLS secrets above all.

use super::files::{self, Plain, Rows};
use crate::node::{Node, Trouble};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

/// Bytes of a searched piece: short enough for one key, long enough to be no coincidence.
pub const PIECE: usize = 24;
/// Pieces with fewer different bytes are structure, not secrets.
const VARIETY: usize = 14;
const STRIDE: usize = 8;

type Piece = [u8; PIECE];

/// Pieces that must be gone, and the table each was in. Taken at every eighth byte: whatever
/// is left of a secret in 31 bytes or more holds one of them.
#[derive(Debug, Default)]
pub struct Gone {
    pieces: HashMap<Piece, String>,
    /// Which pairs of bytes begin a piece: most of a page is passed over by this.
    begins: Vec<bool>,
}

impl Gone {
    /// What the earlier rows held and no later row holds.
    pub fn between(earlier: &Rows, later: &Rows) -> Self {
        let mut gone = Self { pieces: HashMap::new(), begins: vec![false; 1 << 16] };
        for ((table, _), value) in earlier {
            for piece in value.windows(PIECE).step_by(STRIDE).filter_map(|window| Piece::try_from(window).ok()) {
                if variety(&piece) >= VARIETY {
                    if let Some(begins) = gone.begins.get_mut(pair(&piece)) {
                        *begins = true;
                    }
                    gone.pieces.insert(piece, table.clone());
                }
            }
        }
        for ((_, key), value) in later {
            // A value follows its key in a page.
            let kept: Vec<Piece> = gone.matches(&[key.as_slice(), value.as_slice()].concat()).map(|(_, piece, _)| piece).collect();
            for piece in kept {
                gone.pieces.remove(&piece);
            }
        }
        gone
    }

    /// How many pieces each table has lost.
    pub fn by_table(&self) -> BTreeMap<&str, usize> {
        let mut count = BTreeMap::new();
        for table in self.pieces.values() {
            *count.entry(table.as_str()).or_default() += 1;
        }
        count
    }

    /// Those that are still there: table, file, page's place in the file, place in the page.
    pub fn left_in(&self, pages: &[Plain]) -> Vec<Left> {
        let mut left = Vec::new();
        for page in pages {
            let file = page.place.0.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let found = self.matches(&page.bytes);
            left.extend(found.map(|(at, _, table)| Left { table: table.clone(), file: file.clone(), page: page.place.1, at }));
        }
        left
    }

    fn matches<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (usize, Piece, &'a String)> {
        bytes.windows(PIECE).enumerate().filter(|(_, window)| self.begins.get(pair(window)) == Some(&true)).filter_map(|(at, window)| {
            let piece = Piece::try_from(window).ok()?;
            Some((at, piece, self.pieces.get(&piece)?))
        })
    }
}

/// A piece that should be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The table in which it was.
    pub table: String,
    /// The file in which it is.
    pub file: String,
    /// Where its page begins in the file.
    pub page: usize,
    /// Where it begins in the page.
    pub at: usize,
}

fn pair(bytes: &[u8]) -> usize {
    match bytes {
        [a, b, ..] => usize::from(*a) << 8 | usize::from(*b),
        _ => 0,
    }
}

fn variety(piece: &Piece) -> usize {
    let mut sorted = *piece;
    sorted.sort_unstable();
    sorted.chunk_by(|a, b| a == b).count()
}

/// Copies a running node's store at one moment: the node is held still meanwhile.
///
/// # Errors
/// When it cannot be held or copied.
pub fn snapshot(node: &Node, to: &Path) -> Result<(), Trouble> {
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &node.pid().to_string()]).status().map_err(|error| error.to_string())?;
        if sent.success() { Ok(()) } else { Err(format!("{name} was not sent")) }
    };
    signal("-STOP")?;
    let copied = files::copy(node.folder(), to);
    signal("-CONT")?;
    copied
}

/// Rows of a snapshot; the snapshot itself stays as it is.
///
/// # Errors
/// When they cannot be read.
pub fn rows_of(snapshot: &Path) -> Result<Rows, Trouble> {
    let copy = tempfile::tempdir().map_err(|error| error.to_string())?;
    files::copy(snapshot, copy.path())?;
    files::rows(copy.path())
}

/// Brings the store of one snapshot to the rows of another, by SQL, and empties its log:
/// what the node does, with or without erasing.
///
/// # Errors
/// When a statement fails.
pub fn replay(folder: &Path, earlier: &Rows, later: &Rows, secure_delete: bool) -> Result<(), Trouble> {
    let db = files::connect(folder, secure_delete)?;
    // The index of words has tables of another form.
    let is_plain = |table: &str| !table.starts_with("words");
    // A message stands under the number of its conversation, which is there, and that of its arrival.
    let place_of = |key: &[u8]| -> Option<(Vec<u8>, i64)> {
        let (room, arrival) = key.split_last_chunk::<8>()?;
        Some((room.to_vec(), i64::from_be_bytes(*arrival)))
    };
    let play = || -> rusqlite::Result<()> {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for (table, key) in earlier.keys().filter(|key| is_plain(&key.0) && !later.contains_key(key)) {
            if let Some(place) = place_of(key).filter(|_| table == "message") {
                let delete = "DELETE FROM message_row WHERE place = (SELECT (number << 40) + ?2 FROM message_room WHERE key = ?1)";
                db.execute(delete, place)?;
                continue;
            }
            db.execute(&format!("DELETE FROM {table} WHERE key = ?1"), [key])?;
        }
        for ((table, key), value) in later.iter().filter(|((table, _), _)| is_plain(table)) {
            if let Some((room, arrival)) = place_of(key).filter(|_| table == "message") {
                let put =
                    "INSERT OR REPLACE INTO message_row (place, value) SELECT (number << 40) + ?2, ?3 FROM message_room WHERE key = ?1";
                db.execute(put, rusqlite::params![room, arrival, value])?;
                continue;
            }
            let put = format!("INSERT INTO {table} (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value");
            db.execute(&put, rusqlite::params![key, value])?;
        }
        db.execute_batch("COMMIT")?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    };
    play().map_err(|error| error.to_string())
}
