//! Messages by whole numbers, beside those that came before them.

use super::*;
use crate::store::places::{RANGES, ROOMS};
use crate::store::schema::statements;
use symbolon_core::table::SCHEMA_VERSION;

/// Messages as builds of before store 12 have them, and as [`fill`] makes them.
pub(super) fn fill_earlier(store: &Store, numbers: std::ops::Range<u32>) {
    let turn = store.begin().unwrap();
    for number in numbers {
        store.put_row(statements(Table::Message).unwrap(), &message_key(7, number), &[number as u8; 2_000]).unwrap();
    }
    turn.commit().unwrap();
}

/// How many rows stand under their bytes, how many under numbers, and how many conversations have one.
fn rows(store: &Store) -> (u32, u32, u32) {
    let count = |table: &str| store.db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    (count("message"), count("message_row"), count("message_room"))
}

#[test]
fn messages_of_a_store_of_version_11_are_read_there_and_move_when_they_are_written_again() {
    let home = Home::new();
    let store = home.open();
    fill_earlier(&store, 0..20);
    store.db.execute_batch("DROP TABLE message_room; DROP TABLE message_row; PRAGMA user_version = 11").unwrap();
    store.finish().unwrap();
    drop(store);

    let store = home.open();
    assert_eq!(store.db.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).unwrap(), SCHEMA_VERSION);
    assert_eq!((count(&store), rows(&store)), (20, (20, 0, 0)));
    let mut turn = store.begin().unwrap();
    turn.apply(&put(Table::Message, &message_key(7, 5), b"read")).unwrap();
    turn.apply(&put(Table::Message, &message_key(7, 20), b"new")).unwrap();
    turn.apply(&Change::Delete(Table::Message, message_key(7, 6))).unwrap();
    turn.commit().unwrap();
    assert_eq!((count(&store), rows(&store)), (20, (18, 2, 1)));
    let turn = store.begin().unwrap();
    let value = |arrival| turn.get(Table::Message, &message_key(7, arrival)).unwrap();
    assert_eq!((value(4), value(5), value(6)), (Some(vec![4; 2_000]), Some(b"read".to_vec()), None));
    let keys: Vec<_> = turn.range_back(Table::Message, &message_key(7, 21), 3).unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [message_key(7, 20), message_key(7, 19), message_key(7, 18)]);
}

#[test]
fn messages_are_answered_as_a_sorted_list_would_whatever_was_done_and_wherever_they_stand() {
    let mut state = 1_u32;
    let mut draw = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for has_earlier in [false, true] {
        let home = Home::new();
        let store = home.open();
        let mut model = BTreeMap::new();
        if has_earlier {
            fill_earlier(&store, 0..30);
            store.look_for_earlier_messages().unwrap();
            model.extend((0..30).map(|number| (message_key(7, number), vec![number as u8; 2_000])));
        }
        for _ in 0..150 {
            let before = model.clone();
            let mut turn = store.begin().unwrap();
            for _ in 0..draw(8) {
                let mut key = message_key(5 + draw(5) as u8, draw(60));
                match draw(12) {
                    // No places of messages, but nothing that may be lost.
                    0 => key.truncate(draw(41) as usize),
                    1 => key.extend([0; 3].iter().take(draw(4) as usize)),
                    2 => key[32..].copy_from_slice(&(u64::MAX - u64::from(draw(2))).to_be_bytes()),
                    3 => key[32..].copy_from_slice(&((1_u64 << 40) - u64::from(draw(3))).to_be_bytes()),
                    _ => {}
                }
                let is_odd = key.len() != 40 || key[32..35] != [0; 3];
                if draw(3) == 0 {
                    turn.apply(&Change::Delete(Table::Message, key.clone())).unwrap();
                    model.remove(&key);
                } else if has_earlier || !is_odd {
                    let value = vec![draw(256) as u8; draw(900) as usize];
                    turn.apply(&put(Table::Message, &key, &value)).unwrap();
                    model.insert(key, value);
                }
            }
            let from: Vec<u8> = match draw(4) {
                0 => message_key(4 + draw(7) as u8, draw(64)).into_iter().take(draw(45) as usize).collect(),
                1 => [message_key(4 + draw(7) as u8, draw(64)), vec![0; draw(3) as usize]].concat(),
                2 => [[6; 32].as_slice(), &[255; 8]].concat(),
                _ => message_key(4 + draw(7) as u8, draw(64)),
            };
            let limit = [0, 1, 3, 1_000][draw(4) as usize];
            let listed: Rows =
                model.range(from.clone()..).take(limit.min(RANGE_LIMIT)).map(|(key, value)| (key.clone(), value.clone())).collect();
            assert_eq!(turn.range(Table::Message, &from, limit).unwrap(), listed, "from {from:?}");
            let listed: Rows =
                model.range(..from.clone()).rev().take(limit.min(RANGE_LIMIT)).map(|(key, value)| (key.clone(), value.clone())).collect();
            assert_eq!(turn.range_back(Table::Message, &from, limit).unwrap(), listed, "before {from:?}");
            let exact = message_key(5 + draw(5) as u8, draw(60));
            assert_eq!(turn.get(Table::Message, &exact).unwrap(), model.get(&exact).cloned());
            if draw(6) == 0 {
                turn.rollback();
                model = before;
            } else {
                turn.commit().unwrap();
            }
        }
        assert_eq!(store.has_earlier.get(), has_earlier, "no row went where it is not looked for");
        assert!(rows(&store).1 > 100);
    }
}

#[test]
fn conversation_whose_last_message_is_gone_leaves_no_name_and_the_highest_number_to_another() {
    let home = Home::new();
    let store = home.open();
    let change = |change: Change| {
        let mut turn = store.begin().unwrap();
        turn.apply(&change).unwrap();
        turn.commit().unwrap();
    };
    for conversation in [1, 2, 3] {
        change(put(Table::Message, &message_key(conversation, 1), &[conversation]));
        change(put(Table::Message, &message_key(conversation, 2), &[conversation]));
    }
    change(Change::Delete(Table::Message, message_key(3, 1)));
    assert_eq!(rows(&store), (0, 5, 3), "one is left");
    change(Change::Delete(Table::Message, message_key(3, 2)));
    change(Change::Delete(Table::Message, message_key(3, 2)));
    assert_eq!(rows(&store), (0, 4, 2));
    change(put(Table::Message, &message_key(4, 2), b"another"));
    let turn = store.begin().unwrap();
    assert_eq!(turn.get(Table::Message, &message_key(3, 2)).unwrap(), None);
    assert_eq!(turn.range(Table::Message, &message_key(3, 0), 9).unwrap(), [(message_key(4, 2), b"another".to_vec())]);
}

#[test]
fn conversation_for_which_no_number_is_left_stands_under_its_bytes() {
    let home = Home::new();
    let store = home.open();
    store.db.execute("INSERT INTO message_room (key, number) VALUES (?1, ?2)", (vec![3_u8; 32], ROOMS - 1)).unwrap();
    let mut turn = store.begin().unwrap();
    let all: Rows = [(3, 9), (3, (1 << 30) - 1), (4, 1), (5, 1)].map(|(room, arrival)| (message_key(room, arrival), vec![room])).into();
    for (key, value) in &all {
        turn.apply(&put(Table::Message, key, value)).unwrap();
    }
    turn.commit().unwrap();
    assert_eq!(rows(&store), (2, 2, 1));
    let turn = store.begin().unwrap();
    assert_eq!(turn.range(Table::Message, &message_key(3, 0), 9).unwrap(), all);
    assert!(turn.range_back(Table::Message, &message_key(6, 0), 9).unwrap().into_iter().eq(all.into_iter().rev()));
}

#[test]
fn messages_are_read_in_order_and_never_sorted() {
    let home = Home::new();
    let store = home.open();
    for sql in RANGES {
        let mut plan = store.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps: Vec<String> = plan.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
        assert!(steps.iter().all(|step| step.starts_with("SEARCH message_ro")), "{sql}: {steps:?}");
    }
}

#[test]
fn message_behind_thousands_writes_few_pages_and_its_erased_text_is_in_none() {
    let home = Home::new();
    let store = home.open();
    for turn in 0..100 {
        let mut open = store.begin().unwrap();
        for number in turn * 50..turn * 50 + 50 {
            open.apply(&put(Table::Message, &message_key(7, number), &[number as u8; 250])).unwrap();
        }
        open.commit().unwrap();
    }
    store.checkpoint().unwrap();
    let frames = |store: &Store| store.frames().unwrap().0;
    let mut turn = store.begin().unwrap();
    for number in 5_000..5_017 {
        turn.apply(&put(Table::Message, &message_key(7, number), &b"to erase ".repeat(28))).unwrap();
    }
    turn.commit().unwrap();
    assert!((2..=6).contains(&frames(&store)), "{} pages", frames(&store));
    let mut turn = store.begin().unwrap();
    for number in 5_000..5_017 {
        turn.apply(&Change::Delete(Table::Message, message_key(7, number))).unwrap();
    }
    turn.commit().unwrap();
    store.checkpoint().unwrap();
    let pages: Vec<Vec<u8>> = {
        let mut all = store.db.prepare("SELECT data FROM sqlite_dbpage").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let holds = |what: &[u8]| pages.iter().any(|page| page.windows(what.len()).any(|bytes| bytes == what));
    assert!(holds(&[8; 250]) && !holds(b"erase"));
}
