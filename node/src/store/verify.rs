//! Whether the store's file is whole: every page genuine, none missing.
//!
//! [`survey`] runs before SQLite opens the file, for a limited time; [`Watch`] checks what
//! is left in the background, against the same file, while the node runs. Neither writes.

use super::error::OpenError;
use super::pages::{PAGE, PageSeal, SALT};
use super::wal::{self, Wal, WalError};
use crate::folder::key::StoreKey;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::oneshot;

/// Pages checked between two looks at the clock or the gate: 256 KiB, below 1 ms.
const BATCH: u32 = 64;
/// Pages looked at to tell a damaged store from a file that is none.
const SAMPLE: u32 = 64;

/// How far the store's pages have been checked since the start.
#[derive(Debug, Default)]
pub struct Progress {
    /// Pages found whole.
    pub checked: AtomicU32,
    /// Pages there were at the start.
    pub pages: AtomicU32,
}

/// A file that is being checked.
pub(super) struct Survey {
    file: Arc<File>,
    path: PathBuf,
    seal: PageSeal,
    /// Pages that were newer in the log when the file was opened; they have been checked there.
    wal: Wal,
    next: u32,
    pages: u32,
    progress: Arc<Progress>,
}

/// Checks a store's file until it is through or `until` has come. The store's beginning
/// and its log are always checked.
pub(super) fn survey(path: &Path, log: &Path, key: &StoreKey, until: Instant) -> Result<Survey, OpenError> {
    let io = |error| OpenError::Io { file: path.to_path_buf(), error };
    let damaged = || OpenError::Damaged { file: path.to_path_buf() };
    let foreign = || OpenError::NotAStore { file: path.to_path_buf() };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(OpenError::Missing { file: path.to_path_buf() }),
        Err(error) => return Err(io(error)),
    };
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(foreign());
    }
    let length = metadata.len();
    let seal = PageSeal::new(key).ok_or_else(damaged)?;
    let wal = wal::scan(log).map_err(|error| match error {
        WalError::Damaged => OpenError::Damaged { file: log.to_path_buf() },
        WalError::Io(error) => OpenError::Io { file: log.to_path_buf(), error },
    })?;
    if let Some(log_file) = &wal.file {
        let mut page = [0; PAGE];
        for (number, offset) in &wal.newest {
            log_file.read_exact_at(&mut page, *offset).map_err(io)?;
            if !seal.is_genuine(*number, &page) {
                return Err(OpenError::Damaged { file: log.to_path_buf() });
            }
        }
    }
    let in_file = u32::try_from(length / PAGE as u64).map_err(|_| foreign())?;
    let pages = wal.pages.unwrap_or(in_file);
    let progress = Arc::new(Progress::default());
    progress.pages.store(pages, Ordering::Relaxed);
    let mut survey = Survey { file: Arc::new(file), path: path.to_path_buf(), seal, next: 1, pages, wal, progress };
    if !survey.wal.newest.contains_key(&1) {
        survey.check_beginning(length, &key.salt)?;
    }
    // With a log, the file may end in the middle of a page that the log holds.
    if survey.wal.pages.is_none() && length % PAGE as u64 != 0 {
        return Err(damaged());
    }
    while !survey.is_through() && Instant::now() < until {
        survey.step()?;
    }
    Ok(survey)
}

impl Survey {
    pub(super) fn is_through(&self) -> bool {
        self.next > self.pages
    }

    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    pub(super) fn has_log(&self) -> bool {
        self.wal.file.is_some()
    }

    /// Checks the next pages.
    fn step(&mut self) -> Result<(), OpenError> {
        let mut page = [0; PAGE];
        let end = self.pages.min(self.next.saturating_add(BATCH - 1));
        for number in self.next..=end {
            if !self.wal.newest.contains_key(&number) && !self.is_genuine(number, &mut page) {
                return Err(OpenError::Damaged { file: self.path.clone() });
            }
        }
        self.next = end.saturating_add(1);
        self.progress.checked.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// A page that cannot be read is as bad as one that is not genuine.
    fn is_genuine(&self, number: u32, page: &mut [u8; PAGE]) -> bool {
        let offset = u64::from(number.saturating_sub(1)) * PAGE as u64;
        self.file.read_exact_at(page, offset).is_ok() && self.seal.is_genuine(number, page)
    }

    /// Judges page 1 and tells a damaged store from a file that is no store, or that of
    /// another key: then no page at all is genuine.
    fn check_beginning(&self, length: u64, salt: &[u8; SALT]) -> Result<(), OpenError> {
        let mut beginning = [0; SALT];
        let has_salt = self.file.read_exact_at(&mut beginning, 0).is_ok() && beginning == *salt;
        let mut page = [0; PAGE];
        if has_salt && self.is_genuine(1, &mut page) {
            return Ok(());
        }
        let is_empty = length == 0 || beginning == [0; SALT];
        let is_ours = has_salt || is_empty || (1..=self.pages.min(SAMPLE)).any(|number| self.is_genuine(number, &mut page));
        let file = self.path.clone();
        Err(if is_ours { OpenError::Damaged { file } } else { OpenError::NotAStore { file } })
    }
}

/// Between the background check and those who write to the file.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    /// A checkpoint has failed half-way: the file may hold torn pages that the log replaces.
    unsettled: bool,
    stop: bool,
}

impl Gate {
    /// Runs a checkpoint; no page is read meanwhile, nor after a failure until the next success.
    pub(super) fn write<T, E>(&self, checkpoint: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut state = self.lock();
        let result = checkpoint();
        state.unsettled = result.is_err();
        self.changed.notify_all();
        result
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    /// Holds the file still for one batch; `None` when the check shall end.
    fn read(&self) -> Option<MutexGuard<'_, GateState>> {
        let state = self.changed.wait_while(self.lock(), |state| state.unsettled && !state.stop);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        (!state.stop).then_some(state)
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The background check. Ends when it is dropped.
pub(super) struct Watch {
    gate: Arc<Gate>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Checks the rest of a survey in a thread of its own, and reports damage.
    pub(super) fn begin(mut survey: Survey, gate: Arc<Gate>, report: oneshot::Sender<OpenError>) -> io::Result<Self> {
        let own = gate.clone();
        let thread = std::thread::Builder::new().name("store-check".into()).spawn(move || {
            while !survey.is_through() {
                let Some(_held) = own.read() else { return };
                if let Err(error) = survey.step() {
                    // Nobody listens any more: the node is stopping anyway.
                    let _ = report.send(error);
                    return;
                }
            }
        })?;
        Ok(Self { gate, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.gate.stop();
        if let Some(thread) = self.thread.take() {
            // The thread has nothing left to say, not even by a panic.
            let _ = thread.join();
        }
    }
}
