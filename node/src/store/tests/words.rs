//! The index of words: what is found, what is not, and what is left of a text taken out.

use super::*;

fn index(store: &Store, texts: &[(u64, &str)]) {
    let mut turn = store.begin().unwrap();
    for (number, text) in texts {
        turn.apply(&Change::Index(*number, (*text).to_owned())).unwrap();
    }
    turn.commit().unwrap();
}

fn search(store: &Store, words: &str) -> Vec<u64> {
    store.begin().unwrap().search(words, u64::MAX, 100).unwrap()
}

/// Whether a word stands anywhere in the index, prefix-compressed or not.
fn parts_with(store: &Store, word: &str) -> usize {
    let blocks: Vec<Vec<u8>> = store
        .noting(|db| {
            let mut statement = db.prepare("SELECT block FROM words_data")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
        .unwrap();
    blocks.iter().filter(|block| block.windows(word.len()).any(|part| part == word.as_bytes())).count()
}

#[test]
fn texts_are_found_by_all_words_newest_first_whatever_case_and_accents() {
    let home = Home::new();
    let store = home.open();
    index(
        &store,
        &[(1, "We meet at the café on Friday"), (2, "Friday is fine"), (3, "It's JÜRGEN's birthday; don't forget"), (4, "日本語")],
    );
    for (words, found) in [
        ("friday", &[2, 1][..]),
        ("FRIDAY meet", &[1]),
        ("meet friday nonsense", &[]),
        ("fri", &[2, 1]),
        ("fri meet", &[]),
        ("meet fri", &[1]),
        ("CAFE", &[1]),
        ("jurgen", &[3]),
        ("it's", &[3]),
        ("don't for", &[3]),
        ("日本", &[4]),
    ] {
        assert_eq!(search(&store, words), found, "{words}");
    }
    store.finish().unwrap();
    drop(store);
    assert_eq!(search(&home.open(), "friday"), [2, 1], "after a restart");
}

#[test]
fn what_stands_inside_a_line_without_gaps_is_found_and_so_are_emoji_and_symbols() {
    let home = Home::new();
    let store = home.open();
    let texts = [
        (1, "明日は東京駅で会いましょう"),
        (2, "我们星期五在北京见面"),
        (3, "พบกันที่กรุงเทพฯ"),
        (4, "Party🎉🎂 tonight"),
        (5, "viele Grüße aus der Waldstraße"),
        (6, "I write C++ and C#, she writes C"),
        (7, "好的👍🏽"),
        (8, "a lone 東 and far from it 京"),
        (9, "한국어로 쓴다"),
    ];
    index(&store, &texts);
    for (words, found) in [
        ("東京", &[1][..]),
        ("京駅で会", &[1]),
        ("京東", &[]),
        ("東 京", &[8, 1]),
        ("星期五", &[2]),
        ("北京", &[2]),
        ("北京 星期", &[2]),
        ("กรุงเทพ", &[3]),
        ("🎂", &[4]),
        ("🎉", &[4]),
        ("party🎉", &[4]),
        ("🎉party", &[]),
        ("👍", &[7]),
        ("🏔", &[]),
        ("grüsse", &[5]),
        ("grusse", &[5]),
        ("Waldstrasse", &[5]),
        ("WALDSTRASSE", &[5]),
        ("straße", &[]),
        ("C++", &[6]),
        ("c#", &[6]),
        ("D++", &[]),
        ("한국", &[9]),
    ] {
        assert_eq!(search(&store, words), found, "{words}");
    }
    let mut turn = store.begin().unwrap();
    for (number, text) in texts {
        turn.apply(&Change::Unindex(number, text.to_owned())).unwrap();
    }
    turn.commit().unwrap();
    for word in ["東", "🎂", "grusse", "c", "好"] {
        assert_eq!(search(&store, word), Vec::<u64>::new(), "{word} was taken out");
    }
    assert!(!store.has_fault());
}

#[test]
fn an_index_that_is_cleared_holds_no_word_and_takes_texts_again() {
    let home = Home::new();
    let store = home.open();
    index(&store, &[(1, "the xylophonesecret"), (2, "other")]);
    assert!(parts_with(&store, "xylophonesecret") > 0);
    let mut turn = store.begin().unwrap();
    turn.apply(&Change::ClearIndex).unwrap();
    turn.commit().unwrap();
    assert_eq!((search(&store, "xylophonesecret"), parts_with(&store, "xylophonesecret")), (vec![], 0));
    index(&store, &[(1, "again")]);
    assert_eq!(search(&store, "again"), [1]);
    drop(store);
    assert_eq!(search(&home.open(), "again"), [1], "after a restart");
}

#[test]
fn search_goes_on_before_a_number_and_is_bounded() {
    let home = Home::new();
    let store = home.open();
    let texts: Vec<(u64, String)> = (0..3_000).map(|number| (number, format!("again {number}"))).collect();
    index(&store, &texts.iter().map(|(number, text)| (*number, text.as_str())).collect::<Vec<_>>());
    let turn = store.begin().unwrap();
    assert_eq!(turn.search("again", 2_000, 2).unwrap(), [1_999, 1_998]);
    assert_eq!(turn.search("again", 0, 2).unwrap(), Vec::<u64>::new());
    assert_eq!(turn.search("again", u64::MAX, usize::MAX).unwrap().len(), RANGE_LIMIT);
}

#[test]
fn nothing_that_is_typed_is_syntax_or_an_error() {
    let home = Home::new();
    let store = home.open();
    index(&store, &[(1, "plain words"), (2, "NEAR and NOT text:words"), (3, "50% off*")]);
    for typed in ["", " ", "\"", "\"\"\"", "*", "''", "()", "^", "-", "\0", "...", "\u{202e}", "🏔"] {
        assert_eq!(search(&store, typed), Vec::<u64>::new(), "{typed:?}");
    }
    for (typed, found) in [
        ("words OR nothing", &[][..]),
        ("NOT near", &[2]),
        ("text:words", &[2]),
        ("-words", &[2, 1]),
        ("^plain", &[1]),
        ("plain*", &[1]),
        ("\"plain words", &[1]),
        ("(words)", &[2, 1]),
        ("plain \0words", &[1]),
        ("words); DROP TABLE words; --", &[]),
        ("{text} : words", &[2]),
    ] {
        assert_eq!(search(&store, typed), found, "{typed:?}");
    }
    // A few thousand made-up ones: any syntax error would be taken for damage.
    let parts =
        ["\"", "*", "NEAR(", ")", "AND", "OR", "NOT", "^", "-", "+", ":", "{", "}", "text", "words", "\0", " ", "'", "\\", "é", ","];
    let mut state = 1u64;
    for _ in 0..5_000 {
        let typed: String = (0..8)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                parts[(state >> 33) as usize % parts.len()]
            })
            .collect();
        search(&store, &typed);
        assert!(!store.has_fault(), "{typed:?}");
    }
    search(&store, &"many words ".repeat(10_000));
    assert!(!store.has_fault());
}

#[test]
fn text_taken_out_is_gone_from_every_page_at_once() {
    let home = Home::new();
    let store = home.open();
    let others: Vec<(u64, String)> = (10..2_000).map(|number| (number, format!("some filler number {number}"))).collect();
    index(&store, &others.iter().map(|(number, text)| (*number, text.as_str())).collect::<Vec<_>>());
    index(&store, &[(2_000, "the xylophonesecret is here")]);
    assert!(parts_with(&store, "xylophonesecret") > 0, "the test can see it");
    let mut turn = store.begin().unwrap();
    turn.apply(&Change::Unindex(2_000, "the xylophonesecret is here".to_owned())).unwrap();
    turn.commit().unwrap();
    assert_eq!(parts_with(&store, "xylophonesecret"), 0);
    assert_eq!(search(&store, "xylophonesecret"), Vec::<u64>::new());
    assert_eq!(search(&store, "filler 1999"), [1_999], "the others stay");
}

#[test]
fn index_of_a_turn_taken_back_is_taken_back_too() {
    let home = Home::new();
    let store = home.open();
    let mut turn = store.begin().unwrap();
    turn.apply(&Change::Index(1, "hello".to_owned())).unwrap();
    assert_eq!(turn.search("hello", u64::MAX, 9).unwrap(), [1], "seen in its own turn");
    turn.rollback();
    assert_eq!(search(&store, "hello"), Vec::<u64>::new());
    index(&store, &[(1, "other")]);
    assert_eq!((search(&store, "other"), search(&store, "hello")), (vec![1], vec![]));
}

#[test]
#[ignore = "a measurement: run it alone, with --nocapture"]
fn measure_search_over_a_hundred_thousand_texts_and_what_indexing_costs_a_turn() {
    let words = ["mountain", "river", "friday", "coffee", "train", "answer", "question", "window", "garden", "letter"];
    let text = |number: u64| -> String {
        (0..30).map(|at| format!("{}{} ", words[((number * 7 + at * 3) % 10) as usize], (number * 31 + at * 17) % 997)).collect()
    };
    for (what, rows) in [("message", 0), ("message and arrival", 1), ("all and index", 2)] {
        let home = Home::new();
        let store = home.open();
        let begun = Instant::now();
        for number in 0..2_000u64 {
            let mut turn = store.begin().unwrap();
            turn.apply(&put(Table::Message, &number.to_be_bytes(), text(number).as_bytes())).unwrap();
            if rows >= 1 {
                turn.apply(&put(Table::Arrival, &number.to_be_bytes(), &[7; 32])).unwrap();
            }
            if rows >= 2 {
                turn.apply(&Change::Index(number, text(number))).unwrap();
            }
            turn.commit().unwrap();
        }
        println!("{what}: {:?} a turn", begun.elapsed() / 2_000);
    }
    let home = Home::new();
    let store = home.open();
    let begun = Instant::now();
    for batch in 0..100_000u64 / 64 {
        let mut turn = store.begin().unwrap();
        for number in batch * 64..batch * 64 + 64 {
            turn.apply(&Change::Index(number, text(number))).unwrap();
        }
        turn.commit().unwrap();
        if store.is_log_past(LOG_LIMIT).unwrap() {
            store.rewind_log().unwrap();
        }
    }
    store.checkpoint().unwrap();
    println!("indexing: {:?} a text; file {} MB", begun.elapsed() / 100_000, fs::metadata(home.store_path()).unwrap().len() >> 20);
    for typed in ["mountain123", "mountain123 river456", "mountain12 garden500", "fri", "nothing"] {
        let begun = Instant::now();
        let mut found = 0;
        for _ in 0..20 {
            found = store.begin().unwrap().search(typed, u64::MAX, 50).unwrap().len();
        }
        println!("{typed}: {found} found, {:?}", begun.elapsed() / 20);
    }
}
