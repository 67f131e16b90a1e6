//! What the running node knows of its own condition: facts for `doctor`, no judgement.
//!
//! Whatever is measured is measured when it is asked for, or was noted by who saw it
//! happen. Nothing in it names a person, an id or a text.

use crate::clock::{Clock, SystemClock};
use crate::folder::{self, STORE_FILE, key};
use crate::store::Progress;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbolon_presence::time::Timestamp;

/// A failure that was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// What, in a few words.
    pub what: &'static str,
}

/// Where the store's key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// In the clear beside the store.
    Beside,
    /// Under a passphrase.
    Passphrase,
    /// Its file is gone: the next start will fail.
    Gone,
}

/// Everything that is known, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The wall clock.
    pub now: Timestamp,
    /// The newest time that the node has seen, also before this start.
    pub newest: Timestamp,
    /// Pages of the store found whole since the start, of how many.
    pub pages: (u32, u32),
    /// Whether the store's file is still where it was opened.
    pub has_store: bool,
    /// Where its key is.
    pub key: KeyPlace,
    /// Turns that failed since the start.
    pub failed_turns: u64,
    /// The last of them, unless one has succeeded since.
    pub failing: Option<Failure>,
    /// The last failure to move the store's log into its file, unless that succeeded since.
    pub log_failing: Option<Failure>,
    /// Where the node listened when it started, as multiaddr texts.
    pub listening: Vec<String>,
    /// Whether it listens at whatever addresses the machine has or gets.
    pub is_everywhere: bool,
    /// Whether the port of the last start was taken.
    pub port_moved: bool,
    /// Bytes that the node may still write on the data folder's disk; `None` when unknown.
    pub disk_free: Option<u64>,
    /// Whether commands find the node and its token by the data folder.
    pub is_found: bool,
}

/// Asks for the facts. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<dyn Fn() -> Facts + Send + Sync>);

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Health(..)")
    }
}

impl Health {
    /// Facts from wherever.
    pub fn new(facts: impl Fn() -> Facts + Send + Sync + 'static) -> Self {
        Self(Arc::new(facts))
    }

    /// The facts now. May look at the disk.
    pub fn facts(&self) -> Facts {
        (self.0)()
    }
}

/// What is noted while the node runs.
#[derive(Debug, Default)]
pub struct Vitals {
    newest: AtomicU64,
    failed_turns: AtomicU64,
    failing: Mutex<Option<Failure>>,
    log_failing: Mutex<Option<Failure>>,
}

impl Vitals {
    /// A turn of this time is done. Only one that wrote something shows that writing works.
    pub fn turn_done(&self, at: Timestamp, wrote: bool) {
        self.newest.fetch_max(at.0, Ordering::Relaxed);
        if wrote {
            *lock(&self.failing) = None;
        }
    }

    /// A turn was taken back.
    pub fn turn_failed(&self, at: Timestamp, what: &'static str) {
        self.failed_turns.fetch_add(1, Ordering::Relaxed);
        *lock(&self.failing) = Some(Failure { at, what });
    }

    /// Whether what was to be written last could not be.
    pub fn is_failing(&self) -> bool {
        lock(&self.failing).is_some() || lock(&self.log_failing).is_some()
    }

    /// The store's log was moved into its file, or was not.
    pub fn log_moved(&self, failure: Option<Failure>) {
        *lock(&self.log_failing) = failure;
    }
}

// Every change is complete before anything can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A node's facts, with where to look for them.
#[derive(Debug)]
pub struct Watched {
    /// The data folder.
    pub folder: PathBuf,
    /// What the core thread notes.
    pub vitals: Arc<Vitals>,
    /// What the store's check notes.
    pub progress: Arc<Progress>,
    /// See [`Facts::listening`].
    pub listening: Vec<String>,
    /// See [`Facts::is_everywhere`].
    pub is_everywhere: bool,
    /// See [`Facts::port_moved`].
    pub port_moved: bool,
}

impl Watched {
    /// Looks.
    pub fn facts(&self) -> Facts {
        let Self { folder, vitals, progress, listening, is_everywhere, port_moved } = self;
        Facts {
            now: SystemClock.now(),
            newest: Timestamp(vitals.newest.load(Ordering::Relaxed)),
            pages: (progress.checked.load(Ordering::Relaxed), progress.pages.load(Ordering::Relaxed)),
            has_store: folder.join(STORE_FILE).is_file(),
            key: key_place(folder),
            failed_turns: vitals.failed_turns.load(Ordering::Relaxed),
            failing: *lock(&vitals.failing),
            log_failing: *lock(&vitals.log_failing),
            listening: listening.clone(),
            is_everywhere: *is_everywhere,
            port_moved: *port_moved,
            disk_free: rustix::fs::statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            is_found: folder::api::running(folder).is_ok(),
        }
    }
}

fn key_place(folder: &Path) -> KeyPlace {
    if folder.join(key::KEY_FILE).is_file() {
        KeyPlace::Beside
    } else if folder.join(key::SALT_FILE).is_file() {
        KeyPlace::Passphrase
    } else {
        KeyPlace::Gone
    }
}
