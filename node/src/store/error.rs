//! Why the store cannot be opened, and why an open one fails.

use crate::folder::key::KeyError;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use symbolon_core::table::SCHEMA_VERSION;
use symbolon_core::world::ShelfError;

/// Why a store cannot be opened. Nothing was changed or deleted.
#[derive(Debug)]
pub enum OpenError {
    /// A store of this folder with altered or missing bytes.
    Damaged {
        /// The store's file or its log.
        file: PathBuf,
    },
    /// Another kind of file, or a store that belongs to another key.
    NotAStore {
        /// The file.
        file: PathBuf,
    },
    /// Written by a newer Symbolon.
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema version.
        version: i64,
    },
    /// Written by an older Symbolon whose tables are read no longer.
    Older {
        /// The file.
        file: PathBuf,
        /// Its schema version.
        version: i64,
    },
    /// There is a key but no store.
    Missing {
        /// Where the store should be.
        file: PathBuf,
    },
    /// Another process has it open.
    Locked {
        /// The file.
        file: PathBuf,
    },
    /// The disk is full.
    Full {
        /// The file.
        file: PathBuf,
    },
    /// There is no key, or not the right one.
    Key(KeyError),
    /// The operating system refused.
    Io {
        /// The file.
        file: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl OpenError {
    pub(super) fn from_store(error: StoreError, path: &Path) -> Self {
        let file = path.to_path_buf();
        match error {
            StoreError::Full => Self::Full { file },
            StoreError::Damaged => Self::Damaged { file },
            StoreError::Busy => Self::Locked { file },
            StoreError::Failed(what) => Self::Io { file, error: io::Error::other(what) },
        }
    }
}

impl From<KeyError> for OpenError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged { file } => write!(f, "the store is damaged: {}", file.display()),
            Self::NotAStore { file } => write!(f, "not the store that belongs to this folder's key: {}", file.display()),
            Self::Newer { file, version } => {
                write!(f, "the store was written by a newer version (schema {version}, known {SCHEMA_VERSION}): {}", file.display())
            }
            Self::Older { file, version } => {
                write!(f, "the store was written by an older version (schema {version}, known {SCHEMA_VERSION}): {}", file.display())
            }
            Self::Missing { file } => write!(f, "there is a key but the store is missing: {}", file.display()),
            Self::Locked { file } => write!(f, "another process has the store open: {}", file.display()),
            Self::Full { file } => write!(f, "the disk is full: {}", file.display()),
            Self::Key(error) => error.fmt(f),
            Self::Io { file, error } => write!(f, "{}: {error}", file.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why the open store failed. Always fails the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// The disk is full.
    Full,
    /// A page is not what was written.
    Damaged,
    /// Another process has it open.
    Busy,
    /// Anything else, by its kind.
    Failed(&'static str),
}

impl StoreError {
    /// What it is, in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Full => "the disk is full",
            Self::Damaged => "the store is damaged",
            Self::Busy => "another process has the store open",
            Self::Failed(what) => what,
        }
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words())
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            // SQLCipher reports a page that fails its check as a plain error (`Unknown`) where
            // it is read in the middle of a statement; our own SQL gives no other cause for one.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => Self::Damaged,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::SystemIoFailure) => Self::Failed("the store's file cannot be read or written"),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                Self::Failed("the store's file cannot be opened for writing")
            }
            Some(ErrorCode::OutOfMemory) => Self::Failed("out of memory"),
            _ => Self::Failed("the store refused a statement"),
        }
    }
}

impl From<StoreError> for ShelfError {
    fn from(error: StoreError) -> Self {
        Self(match error {
            StoreError::Full => "the disk is full",
            StoreError::Damaged => "the store is damaged",
            StoreError::Busy => "the store is locked",
            StoreError::Failed(what) => what,
        })
    }
}
