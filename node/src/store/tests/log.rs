//! The write-ahead log after a stop without warning: a torn end is normal, a hole is not.

use super::*;

const FRAME: usize = 24 + 4096;

/// A store with three transactions of 10 rows in its log.
fn stopped_without_warning() -> (Home, PathBuf) {
    let home = Home::filled();
    let store = home.open();
    for begin in [1_000, 2_000, 3_000] {
        fill(&store, begin..begin + 10);
    }
    drop(store);
    let log = home.dir.path().join("symbolon.db-wal");
    (home, log)
}

/// Frame numbers at which transactions end.
fn commits(log: &[u8]) -> Vec<usize> {
    log[32..].chunks_exact(FRAME).enumerate().filter(|(_, frame)| frame[4..8] != [0; 4]).map(|(index, _)| index).collect()
}

#[test]
fn torn_last_transaction_is_dropped_and_all_earlier_ones_are_kept() {
    let (home, log) = stopped_without_warning();
    let good = fs::read(&log).unwrap();
    let ends = commits(&good);
    assert_eq!(ends.len(), 3);
    let (second, third) = (32 + (ends[1] + 1) * FRAME, 32 + (ends[2] + 1) * FRAME);
    for cut in [second, second + 1, second + FRAME, third - FRAME, third - 1] {
        let (home, log) = stopped_without_warning();
        let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
        file.set_len(cut as u64).unwrap();
        assert_eq!(count(&home.open()), 220, "cut at {cut}");
    }
    // A frame in the middle of the last transaction that never reached the disk.
    let mut torn = good.clone();
    torn[second + 100..second + 200].fill(0);
    fs::write(&log, torn).unwrap();
    assert_eq!(count(&home.open()), 220);
}

#[test]
fn flipped_byte_in_an_earlier_transaction_is_damage_and_changes_nothing() {
    let (home, log) = stopped_without_warning();
    let good = fs::read(&log).unwrap();
    let ends = commits(&good);
    for at in [0, 20, 32, 32 + 24 + 99, 32 + (ends[0] + 1) * FRAME + 16, 32 + ends[1] * FRAME + 3_000] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&log, bad).unwrap();
        let before = home.snapshot();
        assert!(matches!(home.refusal(), OpenError::Damaged { file } if file == log), "byte {at}");
        assert_eq!(home.snapshot(), before);
    }
    fs::write(&log, good).unwrap();
    assert_eq!(count(&home.open()), 230);
}

#[test]
fn log_with_a_damaged_store_is_left_alone() {
    let (home, log) = stopped_without_warning();
    let mut bytes = fs::read(home.store_path()).unwrap();
    let newer = super::super::wal::scan(&log).unwrap().newest;
    let page = (2..).find(|page| !newer.contains_key(page)).unwrap() as usize;
    bytes[(page - 1) * 4096 + 50] ^= 1;
    fs::write(home.store_path(), bytes).unwrap();
    let before = home.snapshot();
    assert!(matches!(home.refusal(), OpenError::Damaged { file } if file == home.store_path()));
    assert_eq!(home.snapshot(), before);
}

#[test]
fn page_torn_by_a_power_cut_during_a_checkpoint_is_taken_from_the_log() {
    let (home, log) = stopped_without_warning();
    let mut bytes = fs::read(home.store_path()).unwrap();
    let newer = super::super::wal::scan(&log).unwrap().newest;
    assert!(newer.contains_key(&1) || !newer.is_empty());
    for page in newer.keys().map(|page| *page as usize) {
        if let Some(torn) = bytes.get_mut((page - 1) * 4096 + 2_048..page * 4096) {
            torn.fill(0);
        }
    }
    // And the file's end: half a page more.
    bytes.extend([0; 2_048]);
    fs::write(home.store_path(), bytes).unwrap();
    assert_eq!(count(&home.open()), 230);
    assert_eq!(count(&home.open()), 230);
}

#[test]
fn log_of_another_store_is_refused() {
    let (home, log) = stopped_without_warning();
    let (_other, other_log) = stopped_without_warning();
    fs::copy(other_log, &log).unwrap();
    assert!(matches!(home.refusal(), OpenError::Damaged { file } if file == log));
}
