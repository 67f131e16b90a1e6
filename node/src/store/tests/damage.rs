//! Damaged, foreign and newer files: named, never changed, never a panic.

use super::*;

/// Alters the store's file, and expects the same refusal twice with nothing changed.
fn refuse_after(home: &Home, alter: impl FnOnce(&mut Vec<u8>)) -> OpenError {
    let good = fs::read(home.store_path()).unwrap();
    let mut bad = good.clone();
    alter(&mut bad);
    fs::write(home.store_path(), &bad).unwrap();
    let before = home.snapshot();
    let first = home.refusal();
    let second = home.refusal();
    assert_eq!(first.to_string(), second.to_string());
    assert!(first.to_string().contains("symbolon.db"));
    assert_eq!(home.snapshot(), before);
    fs::write(home.store_path(), good).unwrap();
    first
}

/// Alters the file behind an open store's back.
fn flip(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

#[test]
fn flipped_byte_in_a_page_is_damage_wherever_it_is() {
    let home = Home::filled();
    let length = fs::metadata(home.store_path()).unwrap().len() as usize;
    assert!(length > 100 * 4096);
    for page in (0..length / 4096).step_by(4) {
        let at = page * 4096 + (page * 997) % 4096;
        let error = refuse_after(&home, |bytes| bytes[at] ^= 0x40);
        assert!(matches!(error, OpenError::Damaged { .. }), "byte {at}: {error}");
    }
    // Salt, ciphertext, IV, HMAC of the first page.
    for at in [0, 15, 16, 100, 4047, 4048, 4063, 4064, 4095] {
        let error = refuse_after(&home, |bytes| bytes[at] ^= 1);
        assert!(matches!(error, OpenError::Damaged { .. }), "byte {at}: {error}");
    }
    assert_eq!(count(&home.open()), 200);
}

#[test]
fn truncated_store_is_damaged_wherever_it_ends() {
    let home = Home::filled();
    let length = fs::metadata(home.store_path()).unwrap().len() as usize;
    for left in [0, 1, 15, 16, 100, 4095, 4096, 3 * 4096, length / 2, length - 4096, length - 1] {
        let error = refuse_after(&home, |bytes| bytes.truncate(left));
        let is_named = matches!(error, OpenError::Damaged { .. });
        // Below 16 bytes nothing tells our file from another.
        assert!(is_named || (1..16).contains(&left), "{left} bytes left: {error}");
    }
}

#[test]
fn longer_store_is_damaged() {
    let home = Home::filled();
    for more in [1, 4096] {
        assert!(matches!(refuse_after(&home, |bytes| bytes.extend(vec![7; more])), OpenError::Damaged { .. }));
    }
}

#[test]
fn zeroed_pages_and_swapped_pages_are_damage() {
    let home = Home::filled();
    assert!(matches!(refuse_after(&home, |bytes| bytes.fill(0)), OpenError::Damaged { .. }));
    assert!(matches!(refuse_after(&home, |bytes| bytes[..4096].fill(0)), OpenError::Damaged { .. }));
    assert!(matches!(refuse_after(&home, |bytes| bytes[50 * 4096..51 * 4096].fill(0)), OpenError::Damaged { .. }));
    let swap = |bytes: &mut Vec<u8>| {
        let (left, right) = bytes.split_at_mut(60 * 4096);
        left[50 * 4096..51 * 4096].swap_with_slice(&mut right[..4096]);
    };
    assert!(matches!(refuse_after(&home, swap), OpenError::Damaged { .. }));
}

#[test]
fn foreign_file_is_no_store() {
    let home = Home::filled();
    let text = |bytes: &mut Vec<u8>| *bytes = b"Dear diary, ".repeat(1_000);
    assert!(matches!(refuse_after(&home, text), OpenError::NotAStore { .. }));
    let plain = home.dir.path().join("plain");
    Connection::open(&plain).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
    let plain = fs::read(plain).unwrap();
    assert!(matches!(refuse_after(&home, |bytes| *bytes = plain), OpenError::NotAStore { .. }));
    let other = fs::read(Home::filled().store_path()).unwrap();
    assert!(matches!(refuse_after(&home, |bytes| *bytes = other), OpenError::NotAStore { .. }));
}

#[test]
fn folder_in_place_of_the_store_is_no_store() {
    let home = Home::filled();
    fs::remove_file(home.store_path()).unwrap();
    fs::create_dir(home.store_path()).unwrap();
    assert!(matches!(home.refusal(), OpenError::NotAStore { .. }));
}

#[test]
fn empty_store_without_a_key_is_damaged_and_not_made_again() {
    let home = Home::new();
    fs::write(home.store_path(), "").unwrap();
    let before = home.snapshot();
    assert!(matches!(home.refusal(), OpenError::Damaged { .. }));
    assert_eq!(home.snapshot(), before);
}

#[test]
fn newer_older_and_foreign_schemas_are_refused_unchanged() {
    for (sql, other_version) in [
        ("PRAGMA user_version = 99", Some(99)),
        ("PRAGMA user_version = 1", Some(1)),
        ("PRAGMA user_version = 0", None),
        ("PRAGMA application_id = 1", None),
        ("CREATE TABLE more (a)", None),
        ("DROP TABLE mls", None),
        ("PRAGMA journal_mode = DELETE", None),
    ] {
        let home = Home::filled();
        let key = home.folder.load_key(None).unwrap().unwrap();
        let db = connect(&home.store_path(), &key).unwrap();
        db.execute_batch(sql).unwrap();
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).unwrap();
        drop(db);
        match refuse_after(&home, |_| {}) {
            OpenError::Newer { version, .. } => assert_eq!(other_version, Some(version)),
            OpenError::Older { version, .. } => assert_eq!((other_version, version), (Some(1), 1)),
            error => assert!(matches!(error, OpenError::NotAStore { .. }) && other_version.is_none(), "{sql}: {error}"),
        }
    }
}

#[test]
fn damage_behind_the_first_check_is_found_in_the_background() {
    let home = Home::filled();
    let key = home.folder.load_key(None).unwrap().unwrap();
    let store = Store::open_within(&home.store_path(), &key, Duration::ZERO).unwrap();
    assert!(store.check_rest().blocking_recv().is_err(), "nothing to report");
    drop(store);

    let store = Store::open_within(&home.store_path(), &key, Duration::ZERO).unwrap();
    flip(&home.store_path(), 80 * 4096 + 9);
    let before = home.snapshot();
    let error = store.check_rest().blocking_recv().unwrap();
    assert!(matches!(error, OpenError::Damaged { file } if file == home.store_path()));
    drop(store);
    assert_eq!(home.snapshot(), before);
}

#[test]
fn background_check_lives_with_a_working_store() {
    let home = Home::filled();
    let key = home.folder.load_key(None).unwrap().unwrap();
    let store = Store::open_within(&home.store_path(), &key, Duration::ZERO).unwrap();
    let mut found = store.check_rest();
    for round in 0..20 {
        fill(&store, round * 50..round * 50 + 50);
        store.checkpoint().unwrap();
    }
    loop {
        match found.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => std::thread::yield_now(),
            Err(oneshot::error::TryRecvError::Closed) => break,
            Ok(error) => panic!("{error}"),
        }
    }
    store.finish().unwrap();
}

#[test]
fn page_that_spoils_while_the_store_is_open_fails_the_turn_as_damage() {
    let home = Home::filled();
    let store = home.open();
    let pages = fs::metadata(home.store_path()).unwrap().len() / 4096;
    for page in 20..pages {
        flip(&home.store_path(), page * 4096 + 5);
    }
    let turn = store.begin().unwrap();
    let read = turn.range(Table::Message, b"", RANGE_LIMIT);
    assert!(read.is_err());
    drop(turn);
    assert_eq!(store.take_fault(), Some(StoreError::Damaged));
}

#[test]
fn every_page_is_genuine_whatever_the_store_went_through() {
    let home = Home::new();
    let mut state = 1u32;
    let mut draw = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for _ in 0..12 {
        // Opening checks every page.
        let store = home.open();
        for _ in 0..8 {
            let mut turn = store.begin().unwrap();
            for _ in 0..draw(60) {
                let key = draw(300).to_be_bytes();
                let table = Table::ALL[draw(3) as usize];
                let change = if draw(3) == 0 {
                    Change::Delete(table, key.to_vec())
                } else {
                    put(table, &key, &vec![draw(256) as u8; draw(20_000) as usize])
                };
                turn.apply(&change).unwrap();
            }
            match draw(4) {
                0 => turn.rollback(),
                _ => turn.commit().unwrap(),
            }
            if draw(3) == 0 {
                store.checkpoint().unwrap();
            }
        }
        if draw(2) == 0 {
            store.finish().unwrap();
        }
    }
}
