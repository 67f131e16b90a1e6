//! From a data folder to its open store: founds both on the first run.
//!
//! The order makes a crash at any moment harmless: the store is made complete under a
//! provisional name, then its key is written, then the store gets its name. A provisional
//! store without a key has never held anything; one with a key only lacks its name. In
//! particular a store that is gone while its key is there is never made again.

use super::error::{OpenError, StoreError};
use super::file::{APPLICATION_ID, Store, connect, log_of};
use super::schema;
use crate::folder::Folder;
use crate::folder::key::{KeyError, Passphrase, StoreKey};
use crate::folder::write::{create_private, sync_parent};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use symbolon_core::table::SCHEMA_VERSION;

impl Folder {
    /// Opens the folder's store, founding it when the folder has neither store nor key.
    pub fn open_store(&self, passphrase: Option<&Passphrase>) -> Result<Store, OpenError> {
        let path = self.store_path();
        let provisional = provisional_of(&path);
        let exists = |file: &Path| file.try_exists().map_err(|error| OpenError::Io { file: file.to_path_buf(), error });
        let has_store = exists(&path)?;
        // A store without a byte is damaged, whatever the key.
        if has_store && fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
            return Err(OpenError::Damaged { file: path });
        }
        let key = match self.load_key(passphrase)? {
            Some(key) => key,
            None if has_store => return Err(KeyError::Missing { file: self.path().join(crate::folder::key::KEY_FILE) }.into()),
            None => {
                let key = StoreKey::random().map_err(|error| OpenError::Io { file: path.clone(), error })?;
                create(&provisional, &key)?;
                self.save_key(&key, passphrase)?;
                key
            }
        };
        if !has_store && exists(&provisional)? {
            let named = fs::rename(&provisional, &path).and_then(|()| sync_parent(&path));
            named.map_err(|error| OpenError::Io { file: path.clone(), error })?;
        }
        Store::open(&path, &key)
    }

    /// Makes an empty store beside the folder's, under the same key. It takes that one's place by [`Folder::adopt_draft`].
    pub fn draft_store(&self, passphrase: Option<&Passphrase>) -> Result<Store, OpenError> {
        let path = self.draft_path();
        let key = self.load_key(passphrase)?.ok_or_else(|| KeyError::Missing { file: self.path().join(crate::folder::key::KEY_FILE) })?;
        create(&path, &key)?;
        Store::open(&path, &key)
    }

    /// The store that was made beside the folder's takes its place: what was there before is gone. Both are closed.
    pub fn adopt_draft(&self) -> Result<(), OpenError> {
        let (path, draft) = (self.store_path(), self.draft_path());
        // A log is of one store: beside the other one it would be read as that one's.
        for log in [log_of(&path), log_of(&draft)] {
            if log.try_exists().unwrap_or(true) {
                return Err(OpenError::Io { file: log, error: io::Error::from(io::ErrorKind::AlreadyExists) });
            }
        }
        let adopted = fs::rename(&draft, &path).and_then(|()| sync_parent(&path));
        adopted.map_err(|error| OpenError::Io { file: path, error })
    }

    fn draft_path(&self) -> PathBuf {
        let mut path = self.store_path().into_os_string();
        path.push(".moves");
        path.into()
    }
}

/// Makes an empty store, complete and durable, over whatever unfinished attempt lies there.
pub(super) fn create(path: &Path, key: &StoreKey) -> Result<(), OpenError> {
    let io = |error| OpenError::Io { file: path.to_path_buf(), error };
    for leftover in [path.to_path_buf(), log_of(path)] {
        match fs::remove_file(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
    }
    // SQLite would make it readable to everybody; an empty file is a new store to it.
    create_private(path).map_err(io)?;
    let db = connect(path, key)?;
    let fill = || -> rusqlite::Result<()> {
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.execute_batch("BEGIN IMMEDIATE")?;
        for statement in schema::creation() {
            db.execute_batch(&statement)?;
        }
        db.pragma_update(None, "application_id", APPLICATION_ID)?;
        db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        db.execute_batch("COMMIT")?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        Ok(())
    };
    let filled = fill();
    let closed = db.close().map_err(|(_, error)| error);
    filled.and(closed).map_err(|error| OpenError::from_store(StoreError::from(error), path))?;
    sync_parent(path).map_err(io)
}

fn provisional_of(path: &Path) -> PathBuf {
    let mut provisional = path.as_os_str().to_owned();
    provisional.push(".new");
    provisional.into()
}
