//! The data folder: who may enter it, and the small files in it beside the store.
//!
//! It does not know what the store holds; that is [`store`](crate::store). Every file is
//! made with mode 0600 and the folder with 0700, at creation, so that there is no moment
//! at which somebody else could open one.
//!
//! | file | what it is |
//! |---|---|
//! | `symbolon.db` | the store; after a clean stop complete without any `-wal` beside it |
//! | `store.key` or `store.salt` | the store's key in the clear, or sealed under a passphrase |
//! | `lock` | held by the running process, empty |
//! | `api-token` | the local API's bearer token |
//! | `api-address` | where the running node serves its local API |
//! | `api-sessions` | the port of the local API, and hashes of browsers' sessions |
//! | `open-page.html` | leads the browser to the page, for a minute after the start |
//! | `relay-status` | a running relay's: its process, link and figures |
//! | `relay-claim`, `relay-claim-friends` | a relay's: the codes that its owner, and friends, get a mailbox by |

pub mod api;
pub mod claim;
pub mod door;
pub mod key;
pub(crate) mod write;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the store's file.
pub const STORE_FILE: &str = "symbolon.db";
/// Name of the lock file.
pub const LOCK_FILE: &str = "lock";

/// How long a starting node insists on a busy lock. Commands that look whether a node
/// runs hold the lock shared for microseconds; a running node holds it for good.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// The data folder of one node, locked for this process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held, never read: the lock goes when the file is closed, at the latest with the process.
    _lock: File,
}

/// Why the data folder cannot be used. Nothing in it was changed.
#[derive(Debug)]
pub enum FolderError {
    /// Another process runs on this folder.
    InUse(PathBuf),
    /// The path exists and is no folder.
    NotAFolder(PathBuf),
    /// The folder holds other things and other users may look or write into it: it is not ours to close.
    Exposed(PathBuf),
    /// The operating system refused.
    Io(PathBuf, io::Error),
}

impl std::fmt::Display for FolderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "another process runs on the data folder {}", path.display()),
            Self::NotAFolder(path) => write!(f, "{} is not a folder", path.display()),
            Self::Exposed(path) => {
                write!(f, "{} holds other files, and other users may look into it: Symbolon would have to shut them out", path.display())
            }
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for FolderError {}

impl Folder {
    /// Makes the folder if it is missing, closes it to other users and locks it for this
    /// process.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        make_private(path)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = write::open_private(&lock_path).map_err(|error| FolderError::Io(lock_path.clone(), error))?;
        let patience = Instant::now() + LOCK_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_path_buf(), _lock: lock }),
                Err(TryLockError::WouldBlock) if Instant::now() < patience => std::thread::sleep(Duration::from_millis(5)),
                Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(path.to_path_buf())),
                Err(TryLockError::Error(error)) => return Err(FolderError::Io(lock_path, error)),
            }
        }
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the store's file is, or would be.
    pub fn store_path(&self) -> PathBuf {
        self.path.join(STORE_FILE)
    }
}

/// Whether a process holds the folder's lock.
pub fn is_in_use(path: &Path) -> bool {
    // Opened for reading only: looking must not make a lock file.
    match OpenOptions::new().read(true).open(path.join(LOCK_FILE)) {
        Ok(lock) => matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

fn make_private(path: &Path) -> Result<(), FolderError> {
    let io = |error| FolderError::Io(path.to_path_buf(), error);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                DirBuilder::new().recursive(true).create(parent).map_err(io)?;
            }
            match DirBuilder::new().mode(0o700).create(path) {
                // Two starts at once: the lock decides between them.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(io)?,
            }
        }
        Err(error) => return Err(io(error)),
        Ok(metadata) if !metadata.is_dir() => return Err(FolderError::NotAFolder(path.to_path_buf())),
        Ok(metadata) => {
            let ours = path.join(LOCK_FILE).exists() || path.join(STORE_FILE).exists();
            let is_open_to_others = metadata.mode() & 0o077 != 0;
            if is_open_to_others && !ours && fs::read_dir(path).map_err(io)?.next().is_some() {
                return Err(FolderError::Exposed(path.to_path_buf()));
            }
        }
    }
    // Also after creation: a umask may have taken bits away that we need.
    if fs::metadata(path).map_err(io)?.mode() & 0o777 != 0o700 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn folder_and_files_are_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a").join("b");
        let folder = Folder::open(&path).unwrap();
        folder.api_token().unwrap();
        folder.publish_address("http://127.0.0.1:1/").unwrap();
        assert_eq!(mode(&path), 0o700);
        for file in fs::read_dir(&path).unwrap() {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn folder_that_was_open_to_others_is_closed() {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Folder::open(home.path()).unwrap();
        assert_eq!(mode(home.path()), 0o700);
    }

    #[test]
    fn folder_of_others_is_refused_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("something"), "else").unwrap();
        for mode in [0o1777, 0o755, 0o750, 0o711] {
            fs::set_permissions(home.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(Folder::open(home.path()), Err(FolderError::Exposed(_))));
            assert_eq!(fs::metadata(home.path()).unwrap().mode() & 0o7777, mode);
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        }
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Folder::open(home.path()).unwrap();
    }

    #[test]
    fn folder_of_ours_that_somebody_has_opened_to_others_is_closed_again() {
        let home = tempfile::tempdir().unwrap();
        drop(Folder::open(home.path()).unwrap());
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Folder::open(home.path()).unwrap();
        assert_eq!(mode(home.path()), 0o700);
    }

    #[test]
    fn path_of_a_file_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(matches!(Folder::open(&path), Err(FolderError::NotAFolder(_))));
    }

    #[test]
    fn second_opener_is_refused_until_the_first_lets_go() {
        let home = tempfile::tempdir().unwrap();
        let first = Folder::open(home.path()).unwrap();
        assert!(is_in_use(home.path()));
        assert!(matches!(Folder::open(home.path()), Err(FolderError::InUse(_))));
        drop(first);
        assert!(!is_in_use(home.path()));
        Folder::open(home.path()).unwrap();
    }

    #[test]
    fn looking_at_an_empty_folder_makes_nothing() {
        let home = tempfile::tempdir().unwrap();
        assert!(!is_in_use(home.path()));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
