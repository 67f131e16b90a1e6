//! Older stores: brought up to date whole, or left as they were.

use super::*;
use symbolon_core::migration::{self, OLDEST, Step};
use symbolon_core::table::SCHEMA_VERSION;
use symbolon_core::world::ShelfError;

/// A folder whose store is of the oldest version that can be brought up to date.
fn older() -> Home {
    let home = Home::new();
    let store = home.open();
    messages::fill_earlier(&store, 0..200);
    store.finish().unwrap();
    drop(store);
    with_connection(&home, |db| {
        db.execute_batch("DROP TABLE message_room; DROP TABLE message_row").unwrap();
        let later = Table::ALL.into_iter().filter(|table| !migration::tables_of(OLDEST).any(|old| old == *table));
        for table in later {
            db.execute_batch(&format!("DROP TABLE {}", table.name())).unwrap();
        }
        db.pragma_update(None, "user_version", OLDEST).unwrap();
    });
    home
}

fn with_connection<T>(home: &Home, work: impl FnOnce(&Connection) -> T) -> T {
    let key = home.folder.load_key(None).unwrap().unwrap();
    let db = connect(&home.store_path(), &key).unwrap();
    let done = work(&db);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).unwrap();
    done
}

fn version(home: &Home) -> u32 {
    with_connection(home, |db| db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap())
}

fn run(home: &Home, steps: &[Step], prepare: impl FnOnce(&Store)) -> Result<(), StoreError> {
    let store = home.open();
    prepare(&store);
    store.run_steps(steps, SCHEMA_VERSION + 1)
}

fn mark(shelf: &mut dyn ShelfMut) -> Result<(), ShelfError> {
    shelf.apply(&put(Table::Package, b"new", b"row"))
}

fn fill_the_disk(shelf: &mut dyn ShelfMut) -> Result<(), ShelfError> {
    (0..1_000_u32).try_for_each(|number| shelf.apply(&put(Table::Meta, &number.to_be_bytes(), &[7; 2_000])))
}

fn fail_at_last(shelf: &mut dyn ShelfMut) -> Result<(), ShelfError> {
    mark(shelf)?;
    Err(ShelfError("a row that does not read"))
}

#[test]
fn older_store_is_brought_up_to_date_with_all_its_rows() {
    let home = older();
    let rows = count(&home.open());
    assert_eq!(rows, 200);
    assert_eq!(version(&home), SCHEMA_VERSION);
}

#[test]
fn step_makes_its_tables_and_rewrites_rows_in_one_transaction() {
    let home = Home::filled();
    let store = home.open();
    // As a store of before the table.
    store.db.execute_batch("DROP TABLE package").unwrap();
    let step = Step { from: SCHEMA_VERSION, tables: vec![Table::Package], rows: mark };
    store.run_steps(&[step], SCHEMA_VERSION + 1).unwrap();
    let turn = store.begin().unwrap();
    assert_eq!(turn.get(Table::Package, b"new").unwrap().as_deref(), Some(b"row".as_slice()));
    drop(turn);
    drop(store);
    assert_eq!(version(&home), SCHEMA_VERSION + 1);
}

#[test]
fn step_that_fails_or_meets_a_full_disk_leaves_the_store_as_it_was() {
    for (rows, growth, error) in [
        (fail_at_last as fn(&mut dyn ShelfMut) -> Result<(), ShelfError>, None, StoreError::Failed("a row that does not read")),
        (fill_the_disk, Some(4), StoreError::Full),
    ] {
        let home = Home::filled();
        let before = home.snapshot();
        let step = Step { from: SCHEMA_VERSION, tables: Vec::new(), rows };
        let failed = run(&home, &[step], |store| growth.into_iter().for_each(|pages| store.limit_growth(pages)));
        assert_eq!(failed, Err(error));
        let store = home.store_path();
        assert_eq!(home.snapshot().get(&store), before.get(&store));
        assert_eq!(count(&home.open()), 200);
        assert_eq!(version(&home), SCHEMA_VERSION);
    }
}

#[test]
fn damaged_older_store_is_refused_as_it_was() {
    let home = older();
    flip_last_page(&home);
    let before = home.snapshot();
    assert!(matches!(home.refusal(), OpenError::Damaged { .. }));
    assert_eq!(home.snapshot(), before);
}

fn flip_last_page(home: &Home) {
    let mut bytes = fs::read(home.store_path()).unwrap();
    let at = bytes.len() - 100;
    bytes[at] ^= 1;
    fs::write(home.store_path(), bytes).unwrap();
}
