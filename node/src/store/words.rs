//! The index of words: texts found by what stands in them (SQLite's FTS5).
//!
//! It keeps no texts, only words and the numbers of the texts that have them. A text taken
//! out of it is gone from its pages at once (`secure-delete`), not at the next merge; that
//! is why taking out needs the text. What the user types is never query syntax.

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
/// How many statements there are to keep ready.
pub(super) const STATEMENTS: usize = 3;

/// Most words of one search; further ones do not narrow it down.
const WORDS_MAX: usize = 16;

/// The number of a text as SQLite has it.
pub(super) fn row(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Failed("a number that no row can have"))
}

/// What was typed, as an FTS5 query of strings only: each word between quotes, which no
/// word holds any more; all of them wanted; the last one a prefix. `None` without a word.
pub(super) fn query(typed: &str) -> Option<String> {
    // A NUL would end the query in the middle of a string.
    let words = typed.split(|c: char| c.is_whitespace() || c == '"' || c == '\0').filter(|word| word.chars().any(char::is_alphanumeric));
    let quoted: Vec<String> = words.take(WORDS_MAX).map(|word| format!("\"{word}\"")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" ") + "*")
}
