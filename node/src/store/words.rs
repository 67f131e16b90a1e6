//! The index of words: texts found by what stands in them (SQLite's FTS5).
//!
//! It keeps no texts, only words and the numbers of the texts that have them. A text taken
//! out of it is gone from its pages at once (`secure-delete`), not at the next merge; that
//! is why taking out needs the text. What the user types is never query syntax.
//!
//! FTS5 takes letters in a row for one word, and passes over signs. So a text is [spread](spread) first: scripts that are written
//! without gaps sign by sign, and emoji as signs of their own. Several in a row are then a phrase, found anywhere in a line.

use super::error::StoreError;

/// What stands in SQLite's schema for the index: the table, then its parts as FTS5 makes them.
pub(super) const SCHEMA: [&str; 4] = [
    "CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')",
    "CREATE TABLE 'words_data'(id INTEGER PRIMARY KEY, block BLOB)",
    "CREATE TABLE 'words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID",
    "CREATE TABLE 'words_config'(k PRIMARY KEY, v) WITHOUT ROWID",
];
/// Makes the index.
pub(super) const CREATE: [&str; 2] = [SCHEMA[0], "INSERT INTO words (words, rank) VALUES ('secure-delete', 1)"];

pub(super) const INDEX: &str = "INSERT INTO words (rowid, text) VALUES (?1, ?2)";
pub(super) const UNINDEX: &str = "INSERT INTO words (words, rowid, text) VALUES ('delete', ?1, ?2)";
pub(super) const SEARCH: &str = "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC LIMIT ?3";
pub(super) const CLEAR: &str = "INSERT INTO words (words) VALUES ('delete-all')";
/// How many statements there are to keep ready.
pub(super) const STATEMENTS: usize = 4;

/// Most words of one search; further ones do not narrow it down.
const WORDS_MAX: usize = 16;

/// The number of a text as SQLite has it.
pub(super) fn row(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Failed("a number that no row can have"))
}

/// A text as it is put into the index, taken out of it, and looked for.
pub(super) fn spread(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_gapless(c) {
            out.extend([' ', c, ' ']);
        } else if is_symbol(c) {
            // Two signs for private use, which FTS5 takes for letters.
            let number = u32::from(c);
            let part = |from: u32, bits: u32| char::from_u32(from.saturating_add(bits));
            out.push(' ');
            out.extend(part(SYMBOLS_HIGH, number >> 12).into_iter().chain(part(SYMBOLS_LOW, number & 0xfff)));
            out.push(' ');
        } else if matches!(c, 'ß' | 'ẞ') {
            out.push_str("ss");
        } else {
            out.push(c);
        }
    }
    out
}

/// Where the upper and the lower half of a symbol's number lie among the signs for private use.
const SYMBOLS_HIGH: u32 = 0xe000;
const SYMBOLS_LOW: u32 = 0xe800;

/// Letters of scripts that have no gaps between words: Thai to Khmer, kana, Han.
fn is_gapless(c: char) -> bool {
    c.is_alphabetic()
        && matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3005..=0x3007 | 0x3040..=0x30ff | 0x31f0..=0x31ff
            | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0xff66..=0xff9f | 0x20000..=0x3ffff)
}

/// Emoji and pictures, and what tells C from C++ and C#.
fn is_symbol(c: char) -> bool {
    matches!(c, '+' | '#')
        || matches!(u32::from(c), 0x2190..=0x21ff | 0x2300..=0x23ff | 0x2460..=0x27bf | 0x2900..=0x297f | 0x2b00..=0x2bff | 0x1f000..=0x1faff)
}

/// What was typed, as an FTS5 query of strings only: each word between quotes, which no
/// word holds any more; all of them wanted; the last one a prefix. `None` without a word.
pub(super) fn query(typed: &str) -> Option<String> {
    // A NUL would end the query in the middle of a string.
    let words = typed.split(|c: char| c.is_whitespace() || c == '"' || c == '\0');
    let words = words.filter(|word| word.chars().any(|c| c.is_alphanumeric() || is_symbol(c)));
    let quoted: Vec<String> = words.take(WORDS_MAX).map(|word| format!("\"{}\"", spread(word))).collect();
    (!quoted.is_empty()).then(|| quoted.join(" ") + "*")
}
