//! A store's files in the hands of somebody who also has its key: rows by SQL, and every
//! page of file and log decrypted by hand, whether it is in use or free.
//!
//! Formats: SQLCipher 4's page (AES-256-CBC, IV and HMAC at the end), SQLite's write-ahead
//! log (sqlite.org/fileformat2.html, section 4).

use crate::node::Trouble;
use aes::Aes256;
use aes::cipher::{BlockDecrypt, KeyInit};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a page.
pub const PAGE: usize = 4_096;
const RESERVED: usize = 48;
const IV_BEHIND: usize = 32;
const SALT: usize = 16;
const BLOCK: usize = 16;
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Names of the store's file, its log and its key in a data folder.
pub const STORE: &str = "symbolon.db";
/// See [`STORE`].
pub const LOG: &str = "symbolon.db-wal";
/// See [`STORE`].
pub const KEY: &str = "store.key";

/// Rows by table and key.
pub type Rows = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// Copies file, log and key of a store.
///
/// # Errors
/// When a file cannot be copied; a missing log is none.
pub fn copy(from: &Path, to: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(to).map_err(|error| error.to_string())?;
    for name in [STORE, LOG, KEY] {
        match fs::copy(from.join(name), to.join(name)) {
            Err(error) if name != LOG || error.kind() != std::io::ErrorKind::NotFound => return Err(format!("{name}: {error}")),
            _ => {}
        }
    }
    Ok(())
}

/// Key and salt of a folder whose key lies in the clear.
///
/// # Errors
/// When the key's file is not what it should be.
pub fn key_of(folder: &Path) -> Result<([u8; 32], [u8; SALT]), Trouble> {
    let bytes = fs::read(folder.join(KEY)).map_err(|error| error.to_string())?;
    let rest = bytes.strip_prefix(b"symbolon key  1\n").ok_or("no clear key")?;
    let (key, rest) = rest.split_first_chunk::<32>().ok_or("a short key")?;
    let (salt, _) = rest.split_first_chunk::<SALT>().ok_or("a short salt")?;
    Ok((*key, *salt))
}

/// Opens a store by SQL, outside of the product. What it does to deleted bytes is said by
/// `secure_delete`.
///
/// # Errors
/// When it cannot be opened.
pub fn connect(folder: &Path, secure_delete: bool) -> Result<Connection, Trouble> {
    let (key, salt) = key_of(folder)?;
    let hex = data_encoding::HEXLOWER;
    let db = Connection::open(folder.join(STORE)).map_err(|error| error.to_string())?;
    let pragmas = format!(
        "PRAGMA key = \"x'{}{}'\"; PRAGMA cipher_compatibility = 4; PRAGMA cipher_hmac_algorithm = HMAC_SHA256; PRAGMA locking_mode = EXCLUSIVE; \
         PRAGMA secure_delete = {}; PRAGMA wal_autocheckpoint = 0;",
        hex.encode(&key),
        hex.encode(&salt),
        if secure_delete { "ON" } else { "OFF" },
    );
    db.execute_batch(&pragmas).map_err(|error| error.to_string())?;
    Ok(db)
}

fn bytes_of(field: ValueRef<'_>) -> Vec<u8> {
    match field {
        ValueRef::Null => Vec::new(),
        ValueRef::Integer(number) => number.to_be_bytes().to_vec(),
        ValueRef::Real(number) => number.to_be_bytes().to_vec(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
    }
}

/// Every row of every table: its last column as value, what stands before it as key. The folder is a copy: reading may move its log into its file.
///
/// # Errors
/// When it cannot be read.
pub fn rows(folder: &Path) -> Result<Rows, Trouble> {
    let db = connect(folder, true)?;
    let read = || -> rusqlite::Result<Rows> {
        // Not the index of words, which has no such rows, nor the numbers of conversations, which have no value.
        let mut names =
            db.prepare("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE %(key BLOB %' AND name <> 'message_room'")?;
        let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut rows = Rows::new();
        for name in names {
            let mut all = db.prepare(&format!("SELECT * FROM {name}"))?;
            let columns = all.column_count();
            let mut found = all.query([])?;
            while let Some(row) = found.next()? {
                let mut fields = (0..columns).map(|column| row.get_ref(column).map(bytes_of)).collect::<Result<Vec<_>, _>>()?;
                let value = if fields.len() > 1 { fields.pop().unwrap_or_default() } else { Vec::new() };
                rows.insert((name.clone(), fields.concat()), value);
            }
        }
        // Messages under the keys that they have for the core.
        let placed = "SELECT key, place & 0xffffffffff, value FROM message_room JOIN message_row ON place >> 40 = number";
        let mut placed = db.prepare(placed)?;
        let mut found = placed.query([])?;
        while let Some(row) = found.next()? {
            let fields = [row.get_ref(0).map(bytes_of)?, row.get_ref(1).map(bytes_of)?];
            rows.insert(("message".to_owned(), fields.concat()), row.get(2)?);
        }
        Ok(rows)
    };
    read().map_err(|error| error.to_string())
}

/// One decrypted page and where it lies.
#[derive(Debug)]
pub struct Plain {
    /// File and byte offset.
    pub place: (PathBuf, usize),
    /// What SQLite sees there.
    pub bytes: Vec<u8>,
}

/// Every page of file and log, also free ones and frames that the log no longer counts.
///
/// # Errors
/// When a file cannot be read.
pub fn pages(folder: &Path) -> Result<Vec<Plain>, Trouble> {
    let (key, _) = key_of(folder)?;
    let cipher = Aes256::new(&key.into());
    let mut pages = Vec::new();
    let store = fs::read(folder.join(STORE)).map_err(|error| error.to_string())?;
    for (index, page) in store.chunks(PAGE).enumerate() {
        pages.push(Plain { place: (folder.join(STORE), index * PAGE), bytes: decrypt(&cipher, page, index == 0) });
    }
    let log = fs::read(folder.join(LOG)).unwrap_or_default();
    for (index, frame) in log.get(LOG_HEADER..).unwrap_or_default().chunks(FRAME_HEADER + PAGE).enumerate() {
        let Some((header, page)) = frame.split_at_checked(FRAME_HEADER) else { continue };
        let is_first = header.get(..4) == Some(&1_u32.to_be_bytes());
        let offset = LOG_HEADER + index * (FRAME_HEADER + PAGE) + FRAME_HEADER;
        pages.push(Plain { place: (folder.join(LOG), offset), bytes: decrypt(&cipher, page, is_first) });
    }
    Ok(pages)
}

/// CBC by hand; a page cut short gives what is there.
fn decrypt(cipher: &Aes256, page: &[u8], is_first: bool) -> Vec<u8> {
    let end = page.len().saturating_sub(RESERVED);
    let begin = if is_first { SALT } else { 0 };
    let body = page.get(begin..end).unwrap_or_default();
    let iv_at = page.len().saturating_sub(RESERVED);
    let mut before = page.get(iv_at..iv_at + (RESERVED - IV_BEHIND)).unwrap_or(&[0; BLOCK]).to_vec();
    let mut plain = Vec::with_capacity(body.len());
    for chunk in body.chunks_exact(BLOCK) {
        let mut block = aes::Block::clone_from_slice(chunk);
        cipher.decrypt_block(&mut block);
        plain.extend(block.iter().zip(&before).map(|(a, b)| a ^ b));
        before = chunk.to_vec();
    }
    plain
}
