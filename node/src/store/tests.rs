//! The store as its users see it; what happens to damaged files is in `damage`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod damage;
mod log;
mod messages;
mod migrate;
mod words;

use super::file::connect;
use super::wal::pages_in;
use super::*;
use crate::folder::Folder;
use crate::folder::key::{KEY_FILE, KeyError, Passphrase};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{RANGE_LIMIT, Rows, Shelf, ShelfMut};
use tokio::sync::oneshot;

/// A folder that goes with the test.
struct Home {
    dir: tempfile::TempDir,
    folder: Folder,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        Self { dir, folder }
    }

    /// A folder whose store was filled and ended cleanly.
    fn filled() -> Self {
        let home = Self::new();
        let store = home.open();
        fill(&store, 0..200);
        store.finish().unwrap();
        home
    }

    fn open(&self) -> Store {
        self.folder.open_store(None).unwrap()
    }

    fn refusal(&self) -> OpenError {
        self.folder.open_store(None).err().expect("refused")
    }

    fn store_path(&self) -> PathBuf {
        self.folder.store_path()
    }

    /// Every file with its content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let paths = fs::read_dir(self.dir.path()).unwrap().map(|file| file.unwrap().path());
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// Every file with its content's hash.
    fn snapshot(&self) -> BTreeMap<PathBuf, String> {
        self.files().into_iter().map(|(path, bytes)| (path, data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)))).collect()
    }
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Change {
    Change::Put(table, key.to_vec(), value.to_vec())
}

/// The key of a message: its conversation and when it arrived.
fn message_key(conversation: u8, arrival: u32) -> Vec<u8> {
    [[conversation; 32].as_slice(), &u64::from(arrival).to_be_bytes()].concat()
}

/// One turn with a message of 2 KB for each number.
fn fill(store: &Store, numbers: std::ops::Range<u32>) {
    let mut turn = store.begin().unwrap();
    for number in numbers {
        turn.apply(&put(Table::Message, &message_key(7, number), &[number as u8; 2_000])).unwrap();
    }
    turn.commit().unwrap();
}

fn count(store: &Store) -> usize {
    let turn = store.begin().unwrap();
    let mut from = Vec::new();
    let mut count = 0;
    loop {
        let rows = turn.range(Table::Message, &from, RANGE_LIMIT).unwrap();
        let Some((last, _)) = rows.last() else { return count };
        count += rows.len();
        from = last.clone();
        from.push(0);
    }
}

#[test]
fn clean_stop_leaves_one_complete_file() {
    let home = Home::new();
    let store = home.open();
    fill(&store, 0..100);
    assert!(home.dir.path().join("symbolon.db-wal").exists());
    store.finish().unwrap();
    drop(store);
    let names: Vec<_> = home.snapshot().into_keys().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["lock", "store.key", "symbolon.db"]);
    assert_eq!(count(&home.open()), 100);
}

#[test]
fn committed_turns_are_there_after_a_stop_without_warning() {
    let home = Home::new();
    for round in 0..5 {
        let store = home.open();
        assert_eq!(count(&store), round * 10);
        fill(&store, round as u32 * 10..round as u32 * 10 + 10);
        // No `finish`: as if the process had been killed.
    }
    assert_eq!(count(&home.open()), 50);
}

#[test]
fn turn_that_is_not_committed_leaves_nothing() {
    let home = Home::new();
    let store = home.open();
    let mut turn = store.begin().unwrap();
    turn.apply(&put(Table::Friend, b"a", b"1")).unwrap();
    assert_eq!(turn.get(Table::Friend, b"a").unwrap().unwrap(), b"1");
    turn.rollback();
    assert_eq!(store.begin().unwrap().get(Table::Friend, b"a").unwrap(), None);

    store.failing_commits.set(1);
    let mut turn = store.begin().unwrap();
    turn.apply(&put(Table::Friend, b"a", b"1")).unwrap();
    assert!(turn.commit().is_err());
    assert!(store.take_fault().is_some());
    assert_eq!(store.begin().unwrap().get(Table::Friend, b"a").unwrap(), None);
}

#[test]
fn tables_are_apart_and_each_row_has_one_value() {
    let home = Home::new();
    let store = home.open();
    let mut turn = store.begin().unwrap();
    for table in Table::ALL {
        turn.apply(&put(table, b"", b"old")).unwrap();
        turn.apply(&put(table, b"", &[table as u8])).unwrap();
    }
    turn.commit().unwrap();
    let mut turn = store.begin().unwrap();
    for table in Table::ALL {
        assert_eq!(turn.range(table, b"", 10).unwrap(), [(vec![], vec![table as u8])]);
        turn.apply(&Change::Delete(table, vec![])).unwrap();
        turn.apply(&Change::Delete(table, vec![])).unwrap();
        assert_eq!(turn.get(table, b"").unwrap(), None);
    }
}

#[test]
fn ranges_go_by_bytes_in_both_directions_and_are_capped() {
    let home = Home::new();
    let store = home.open();
    let mut turn = store.begin().unwrap();
    let keys: [&[u8]; 6] = [&[], &[0], &[0, 0], &[1], &[1, 255], &[255]];
    for key in keys.iter().rev() {
        turn.apply(&put(Table::Outbox, key, key)).unwrap();
    }
    let keys_of = |rows: Rows| rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys_of(turn.range(Table::Outbox, b"", 100).unwrap()), keys);
    assert_eq!(keys_of(turn.range(Table::Outbox, &[0, 0], 2).unwrap()), keys[2..4]);
    assert_eq!(keys_of(turn.range(Table::Outbox, &[0, 1], 1).unwrap()), keys[3..4]);
    assert_eq!(keys_of(turn.range_back(Table::Outbox, &[1], 2).unwrap()), [keys[2], keys[1]]);
    assert_eq!(keys_of(turn.range_back(Table::Outbox, &[255, 0], 1).unwrap()), [keys[5]]);
    assert!(turn.range_back(Table::Outbox, b"", 5).unwrap().is_empty());
    assert!(turn.range(Table::Outbox, b"", 0).unwrap().is_empty());
    for number in 0..RANGE_LIMIT as u32 + 10 {
        turn.apply(&put(Table::Seen, &number.to_be_bytes(), b"")).unwrap();
    }
    assert_eq!(turn.range(Table::Seen, b"", usize::MAX).unwrap().len(), RANGE_LIMIT);
    assert_eq!(turn.range_back(Table::Seen, &[255; 5], usize::MAX).unwrap().len(), RANGE_LIMIT);
}

#[test]
fn mls_rows_belong_to_the_open_turn_and_need_one() {
    let home = Home::new();
    let store = Rc::new(home.open());
    let rows = MlsTable::new(store.clone());
    assert!(rows.put(b"k", b"v").is_err());
    assert!(rows.delete(b"k").is_err());
    store.take_fault();
    let turn = store.begin().unwrap();
    rows.put(b"k", b"v").unwrap();
    assert_eq!(rows.get(b"k").unwrap().unwrap(), b"v");
    turn.rollback();
    assert_eq!(rows.get(b"k").unwrap(), None);
    let turn = store.begin().unwrap();
    rows.put(b"k1", b"v").unwrap();
    rows.put(b"k2", b"v").unwrap();
    rows.delete(b"k1").unwrap();
    turn.commit().unwrap();
    assert_eq!(rows.range(b"", 10).unwrap(), [(b"k2".to_vec(), b"v".to_vec())]);
}

#[test]
fn second_opener_is_refused_while_the_first_works() {
    let home = Home::new();
    let store = home.open();
    fill(&store, 0..10);
    let key = home.folder.load_key(None).unwrap().unwrap();
    assert!(matches!(Store::open(&home.store_path(), &key), Err(OpenError::Locked { .. })));
    fill(&store, 10..20);
    assert_eq!(count(&store), 20);
}

#[test]
fn all_files_are_private() {
    let home = Home::new();
    let store = home.open();
    fill(&store, 0..10);
    let files = home.snapshot();
    assert_eq!(files.len(), 4);
    for path in files.keys() {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn text_is_nowhere_in_the_files() {
    let home = Home::new();
    let store = home.open();
    let mut turn = store.begin().unwrap();
    turn.apply(&put(Table::Message, b"a key to find", b"a text to find")).unwrap();
    turn.apply(&put(Table::Message, b"an id of 32 bytes, easy to find \0\0\0\0\0\0\x01", b"a text to find")).unwrap();
    turn.commit().unwrap();
    let both = home.files();
    store.finish().unwrap();
    for bytes in both.values().chain(home.files().values()) {
        for needle in [&b"to find"[..], b"SQLite format", b"CREATE TABLE"] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
}

#[test]
fn erased_rows_leave_page_and_log_at_a_checkpoint() {
    let home = Home::new();
    let store = home.open();
    let setting = |sql: &str| store.db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(setting("PRAGMA secure_delete"), 1);
    assert_eq!(setting("PRAGMA synchronous"), 2);
    assert_eq!(setting("PRAGMA wal_autocheckpoint"), 0);
    assert_eq!(setting("PRAGMA temp_store"), 2);
    assert!(!store.has_written());
    fill(&store, 0..10);
    assert!(store.has_written());
    let log = home.dir.path().join("symbolon.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    store.checkpoint().unwrap();
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    assert!(!store.has_written());
}

#[test]
fn full_log_is_rewound_and_does_not_grow_further() {
    let home = Home::new();
    let store = home.open();
    let log = home.dir.path().join("symbolon.db-wal");
    let mut number = 0;
    for _ in 0..3 {
        while !store.is_log_past(LOG_LIMIT).unwrap() {
            fill(&store, number..number + 100);
            number += 100;
            assert!(number < 20_000);
        }
        store.rewind_log().unwrap();
        assert!(!store.is_log_past(LOG_LIMIT).unwrap());
        assert!(fs::metadata(&log).unwrap().len() < LOG_LIMIT as u64 * 5 / 4);
    }
    // Old transactions behind the new ones in the log are neither believed nor taken for damage, nor looked through again
    // for what is left of erased rows.
    fill(&store, number..number + 10);
    let (frames, _) = store.frames().unwrap();
    let (of_this, all) = (pages_in(&log, frames).unwrap(), pages_in(&log, i64::MAX).unwrap());
    assert!((1..20).contains(&of_this.len()) && all.len() > 1_000 && of_this.is_subset(&all), "{} of {}", of_this.len(), all.len());
    drop(store);
    assert_eq!(count(&home.open()), number as usize + 10);
}

#[test]
fn full_disk_is_told_and_leaves_the_store_readable() {
    let home = Home::new();
    let store = home.open();
    fill(&store, 0..20);
    store.limit_growth(4);
    let mut turn = store.begin().unwrap();
    let refused = (100..200u32).find_map(|number| turn.apply(&put(Table::Message, &message_key(7, number), &[1; 2_000])).err());
    assert!(refused.is_some());
    drop(turn);
    assert_eq!(store.take_fault(), Some(StoreError::Full));
    assert_eq!(count(&store), 20);
    fill(&store, 0..20);
    assert_eq!(store.take_fault(), None);
}

#[test]
fn passphrase_opens_and_a_wrong_one_changes_nothing() {
    let home = Home::new();
    let right = Passphrase::new(b"right");
    let store = home.folder.open_store(right.as_ref()).unwrap();
    fill(&store, 0..10);
    store.finish().unwrap();
    drop(store);
    let before = home.snapshot();
    let refused = home.folder.open_store(Passphrase::new(b"wrong").as_ref());
    assert!(matches!(refused, Err(OpenError::Key(KeyError::WrongPassphrase { .. }))));
    assert!(matches!(home.refusal(), OpenError::Key(KeyError::PassphraseNeeded { .. })));
    assert_eq!(home.snapshot(), before);
    assert_eq!(count(&home.folder.open_store(right.as_ref()).unwrap()), 10);
}

#[test]
fn crash_while_founding_is_made_good_at_the_next_start() {
    // Before the key: whatever lies under the provisional name was never used.
    let home = Home::new();
    fs::write(home.dir.path().join("symbolon.db.new"), "half a store").unwrap();
    fs::write(home.dir.path().join("symbolon.db.new-wal"), "half a log").unwrap();
    fill(&home.open(), 0..3);
    // After the key: only the name is missing.
    let home = Home::filled();
    fs::rename(home.store_path(), home.dir.path().join("symbolon.db.new")).unwrap();
    assert_eq!(count(&home.open()), 200);
}

#[test]
fn a_store_that_was_made_beside_another_takes_its_place_only_when_neither_has_a_log() {
    let home = Home::filled();
    let draft = home.folder.draft_store(None).unwrap();
    fill(&draft, 0..7);
    assert!(home.folder.adopt_draft().is_err(), "rows of it are in its log");
    draft.finish().unwrap();
    drop(draft);
    let store = home.open();
    fill(&store, 200..201);
    assert!(home.folder.adopt_draft().is_err(), "the log of before would be read as its own");
    assert_eq!(count(&store), 201);
    store.finish().unwrap();
    drop(store);
    home.folder.adopt_draft().unwrap();
    assert_eq!(count(&home.open()), 7);
}

#[test]
fn missing_store_or_key_is_named_and_nothing_is_made() {
    let home = Home::filled();
    let gone = home.dir.path().join("gone");
    fs::rename(home.store_path(), &gone).unwrap();
    let before = home.snapshot();
    assert!(matches!(home.refusal(), OpenError::Missing { file } if file == home.store_path()));
    assert_eq!(home.snapshot(), before);
    fs::rename(&gone, home.store_path()).unwrap();
    fs::remove_file(home.dir.path().join(KEY_FILE)).unwrap();
    let before = home.snapshot();
    assert!(matches!(home.refusal(), OpenError::Key(KeyError::Missing { .. })));
    assert_eq!(home.snapshot(), before);
}

#[test]
fn turns_that_are_held_are_read_at_once_and_durable_with_the_next_one_or_gone_with_it() {
    let home = Home::new();
    fn put(store: &Store, key: u8) -> Turn<'_> {
        let mut turn = store.begin().unwrap();
        turn.apply(&Change::Put(Table::Friend, vec![key], vec![key])).unwrap();
        turn
    }
    let there = |store: &Store| -> Vec<u8> {
        let rows = store.begin().unwrap().range(Table::Friend, b"", 10).unwrap();
        rows.into_iter().flat_map(|(key, _)| key).collect()
    };
    let store = home.open();
    put(&store, 1).hold();
    assert!(store.is_held() && store.checkpoint() == Err(StoreError::Busy), "the log is not moved from under it");
    // Begun and dropped: taken back, and what was held with it.
    assert_eq!(there(&store), [1]);
    assert!(!store.is_held());
    assert_eq!(there(&store), [0_u8; 0]);
    for (first, second) in [(2, 3), (4, 5)] {
        put(&store, first).hold();
        put(&store, second).commit().unwrap();
        assert!(!store.is_held());
    }
    put(&store, 6).hold();
    put(&store, 7).hold();
    store.settle().unwrap();
    store.settle().unwrap();
    put(&store, 8).hold();
    // Between turns nothing is written, although the transaction is open.
    assert!(store.write("DELETE FROM friend", []).is_err());
    store.take_fault();
    store.failing_commits.set(1);
    assert!(store.settle().is_err() && !store.is_held());
    store.take_fault();
    assert_eq!(there(&store), [2, 3, 4, 5, 6, 7]);
    put(&store, 9).hold();
    // The process dies.
    drop(store);
    assert_eq!(there(&home.open()), [2, 3, 4, 5, 6, 7]);
}
