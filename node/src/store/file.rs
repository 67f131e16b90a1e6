//! An open store and its turns: one connection to the one file.

use super::error::{OpenError, StoreError};
use super::pages::PAGE;
use super::verify::{self, Gate, Progress, Survey, Watch};
use super::{schema, wal};
use crate::folder::key::StoreKey;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Params};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbolon_core::migration;
use symbolon_core::table::SCHEMA_VERSION;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// How long opening may check pages; the rest is checked in the background.
pub const CHECK_AT_OPEN: Duration = Duration::from_secs(1);
/// The same for a store that is brought up to date: it is checked whole, once.
pub const CHECK_BEFORE_MIGRATION: Duration = Duration::from_secs(60);
/// The write-ahead log is rewound when it has grown past this, in bytes, even if something waits.
pub const LOG_LIMIT: i64 = 8 * 1024 * 1024;
/// And past this already when nothing does: a full log stops the loop for eight times as many pages.
pub const LOG_STEP: i64 = 1024 * 1024;

/// How long opening insists when another program reads the file.
const BUSY_PATIENCE: Duration = Duration::from_millis(250);

/// What is wrong with a build that cannot overwrite pages.
const UNFIT: &str = "this program was built without SQLite's access to pages: set LIBSQLITE3_FLAGS as .cargo/config.toml does";

/// Marks our stores in SQLite's header: "Symb".
pub(super) const APPLICATION_ID: i64 = 0x5379_6D62;

/// An open store.
pub struct Store {
    pub(super) db: Connection,
    path: PathBuf,
    gate: Arc<Gate>,
    /// What opening has not checked yet.
    unchecked: RefCell<Option<Survey>>,
    progress: Arc<Progress>,
    watch: RefCell<Option<Watch>>,
    /// The first failure since it was last asked for.
    fault: Cell<Option<StoreError>>,
    /// Whether a row was written since the log was last emptied.
    has_written: Cell<bool>,
    /// Whether a turn is under way.
    is_in_turn: Cell<bool>,
    /// Whether turns have ended that become durable with the next one.
    is_held: Cell<bool>,
    /// Whether messages stand where those of before store 12 do.
    pub(super) has_earlier: Cell<bool>,
    #[cfg(test)]
    pub(crate) failing_commits: Cell<u32>,
    /// Keeps the handle for checking open until the connection is closed: closing any
    /// handle of a file drops all POSIX locks that the process holds on it. Last on purpose.
    _file: Arc<File>,
}

impl Store {
    /// Opens the store at `path`, checking its pages for at most [`CHECK_AT_OPEN`].
    pub fn open(path: &Path, key: &StoreKey) -> Result<Self, OpenError> {
        Self::open_within(path, key, CHECK_AT_OPEN)
    }

    pub(crate) fn open_within(path: &Path, key: &StoreKey, limit: Duration) -> Result<Self, OpenError> {
        let log = log_of(path);
        let survey = verify::survey(path, &log, key, Instant::now() + limit)?;
        let file = survey.file();
        let has_log = survey.has_log();
        let is_first = !log.exists();
        let db = connect(path, key).and_then(|db| check_schema(&db, path).map(|version| (db, version)));
        let (db, version) = db.inspect_err(|_| {
            // SQLite makes an empty log by looking: a refused store is left as it was found.
            if is_first && std::fs::metadata(&log).is_ok_and(|metadata| metadata.len() == 0) {
                let _ = std::fs::remove_file(&log);
            }
        })?;
        // Nothing is rewritten on top of a page that nobody has looked at.
        let survey = match version < SCHEMA_VERSION && !survey.is_through() {
            true => verify::survey(path, &log, key, Instant::now() + CHECK_BEFORE_MIGRATION)?,
            false => survey,
        };
        let store = Self {
            db,
            path: path.to_path_buf(),
            gate: Arc::default(),
            progress: survey.progress(),
            unchecked: RefCell::new((!survey.is_through()).then_some(survey)),
            watch: RefCell::default(),
            fault: Cell::new(None),
            has_written: Cell::new(has_log),
            is_in_turn: Cell::new(false),
            is_held: Cell::new(false),
            has_earlier: Cell::new(true),
            #[cfg(test)]
            failing_commits: Cell::new(0),
            _file: file,
        };
        store
            .migrate(version)
            .and_then(|()| store.look_for_earlier_messages())
            .map_err(|error| OpenError::from_store(error, path))
            .inspect_err(|_| {
                // A log that was not there holds nothing but the steps, whole or not: without it the store is as it was.
                if is_first {
                    let _ = std::fs::remove_file(&log);
                }
            })?;
        if has_log {
            // Whatever the log holds was checked. A full disk is no reason not to open: the
            // log stays as it is, and the next checkpoint tries again.
            match store.checkpoint() {
                Ok(()) | Err(StoreError::Full | StoreError::Busy) => {}
                Err(error @ (StoreError::Damaged | StoreError::Failed(_))) => return Err(OpenError::from_store(error, path)),
            }
            store.fault.set(None);
        }
        Ok(store)
    }

    /// Checks in the background what opening had no time for. Damage is reported once; the
    /// receiver errs when everything is whole.
    pub fn check_rest(&self) -> oneshot::Receiver<OpenError> {
        let (report, found) = oneshot::channel();
        if let Some(survey) = self.unchecked.take() {
            match Watch::begin(survey, self.gate.clone(), report) {
                Ok(watch) => *self.watch.borrow_mut() = Some(watch),
                Err(_) => tracing::warn!("no thread for checking the store in the background"),
            }
        }
        found
    }

    /// How far the check of opening, and then that in the background, has come.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Begins a turn: from here on, everything is durable together or not at all, and with it the turns before it that were
    /// [held](Turn::hold).
    pub fn begin(&self) -> Result<Turn<'_>, StoreError> {
        if !self.is_held.get() {
            self.noting(|db| db.prepare_cached("BEGIN IMMEDIATE")?.execute([]))?;
        }
        self.is_in_turn.set(true);
        Ok(Turn { store: self, is_open: true })
    }

    /// Whether turns wait to become durable.
    pub fn is_held(&self) -> bool {
        self.is_held.get()
    }

    /// Makes the turns durable that were held. On an error nothing of them is there.
    pub fn settle(&self) -> Result<(), StoreError> {
        if self.is_held.get() { self.begin()?.commit() } else { Ok(()) }
    }

    /// Moves the write-ahead log into the file and empties it, so that what was erased is
    /// gone from both.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.checkpoint_by("PRAGMA wal_checkpoint(TRUNCATE)")?;
        self.has_written.set(false);
        Ok(())
    }

    /// Moves the write-ahead log into the file and writes it again from its beginning, over
    /// what is there: 1.4 times the turns a second of a log that grows again from nothing.
    pub fn rewind_log(&self) -> Result<(), StoreError> {
        self.checkpoint_by("PRAGMA wal_checkpoint(RESTART)")
    }

    pub(super) fn checkpoint_by(&self, pragma: &str) -> Result<(), StoreError> {
        if self.is_held.get() {
            return Err(StoreError::Busy);
        }
        // Those behind them are of logs that were scrubbed before they were moved.
        let (frames, _) = self.frames()?;
        let pages = wal::pages_in(&log_of(&self.path), frames).map_err(|_| StoreError::Failed("the store's log cannot be read"))?;
        self.scrub(&pages)?;
        self.gate.write(|| {
            let busy = self.noting(|db| db.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0)))?;
            if busy == 0 { Ok(()) } else { Err(StoreError::Busy) }
        })
    }

    /// Whether something was written since the log was last emptied.
    pub fn has_written(&self) -> bool {
        self.has_written.get()
    }

    /// Whether the log in use has grown past so many bytes.
    pub fn is_log_past(&self, limit: i64) -> Result<bool, StoreError> {
        let (frames, moved) = self.frames()?;
        // When all of them are, the next write begins at the log's beginning.
        Ok(frames > limit / PAGE as i64 && moved < frames)
    }

    /// How many frames the log in use holds, and how many of them are in the file.
    pub(super) fn frames(&self) -> Result<(i64, i64), StoreError> {
        // Does nothing but tell them.
        self.noting(|db| db.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| Ok((row.get(1)?, row.get(2)?))))
    }

    /// The first failure since this was last asked, if any. The store's users see a failure
    /// only as "the turn failed"; this says why.
    pub fn take_fault(&self) -> Option<StoreError> {
        self.fault.take()
    }

    /// Whether anything failed since [`Store::take_fault`] was last called.
    pub fn has_fault(&self) -> bool {
        self.fault.get().is_some()
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends cleanly: when the store is dropped afterwards, its file alone is complete.
    /// Without it, dropping leaves file and log as they are.
    pub fn finish(&self) -> Result<(), StoreError> {
        self.watch.take();
        self.checkpoint()?;
        self.noting(|db| db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false))?;
        Ok(())
    }

    /// Writes inside a turn; refused outside, where it would be durable on its own.
    pub(super) fn write(&self, sql: &str, params: impl Params) -> Result<(), StoreError> {
        self.written(sql, params).map(drop)
    }

    /// The same, and how many rows it wrote.
    pub(super) fn written(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        if self.db.is_autocommit() || !self.is_in_turn.get() {
            let error = StoreError::Failed("write outside of a turn");
            self.note(error);
            return Err(error);
        }
        self.has_written.set(true);
        self.noting(|db| db.prepare_cached(sql)?.execute(params))
    }

    pub(super) fn noting<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.db).map_err(|error| {
            let error = StoreError::from(error);
            self.note(error);
            error
        })
    }

    /// As if a statement had failed.
    #[cfg(test)]
    pub(crate) fn fail_with(&self, error: StoreError) {
        self.note(error);
    }

    /// Lets the file grow by so many pages only: a disk that is nearly full.
    #[cfg(test)]
    pub(crate) fn limit_growth(&self, pages: i64) {
        let limit = self.noting(|db| {
            let now: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            db.query_row(&format!("PRAGMA max_page_count = {}", now + pages), [], |row| row.get::<_, i64>(0))
        });
        assert!(limit.is_ok());
    }

    pub(super) fn note(&self, error: StoreError) {
        if self.fault.get().is_none() {
            self.fault.set(Some(error));
        }
    }
}

/// An open transaction: the core's shelf for one turn. Rolls back unless committed.
pub struct Turn<'s> {
    pub(super) store: &'s Store,
    is_open: bool,
}

impl Turn<'_> {
    /// Makes the turn durable. On an error nothing of it is there.
    pub fn commit(mut self) -> Result<(), StoreError> {
        #[cfg(test)]
        if let Some(left) = self.store.failing_commits.get().checked_sub(1) {
            self.store.failing_commits.set(left);
            let error = StoreError::Failed("told to fail");
            self.store.note(error);
            return Err(error);
        }
        self.store.noting(|db| db.prepare_cached("COMMIT")?.execute([]))?;
        self.is_open = false;
        self.store.is_held.set(false);
        self.store.is_in_turn.set(false);
        Ok(())
    }

    /// Ends the turn without making it durable: that comes with the next one, or by [`Store::settle`]. What it wrote is read as
    /// if it were; should either fail, or the process die before, it is gone.
    pub fn hold(mut self) {
        self.is_open = false;
        self.store.is_held.set(true);
        self.store.is_in_turn.set(false);
    }

    /// Takes everything back, and with it the turns before it that were held.
    pub fn rollback(self) {}
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        self.store.is_held.set(false);
        self.store.is_in_turn.set(false);
        // SQLite may have rolled back by itself, on a full disk for example.
        if !self.store.db.is_autocommit() {
            // A failure is noted; the next turn cannot begin then, and fails in turn.
            let _ = self.store.noting(|db| db.prepare_cached("ROLLBACK")?.execute([]));
        }
    }
}

/// Opens a connection whose closing leaves file and log alone.
pub(super) fn connect(path: &Path, key: &StoreKey) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let path_error = |error: rusqlite::Error| OpenError::from_store(StoreError::from(error), path);
    // NOFOLLOW minds links anywhere in the path, so the folder's own are resolved first.
    let real = match (path.parent().and_then(|parent| parent.canonicalize().ok()), path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path.to_path_buf(),
    };
    let db = Connection::open_with_flags(real, flags).map_err(path_error)?;
    db.busy_timeout(BUSY_PATIENCE).map_err(path_error)?;
    db.set_prepared_statement_cache_capacity(schema::STATEMENTS);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(path_error)?;
    // Else each other range would be planned again.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(path_error)?;
    let hex = data_encoding::HEXLOWER;
    let secret = Zeroizing::new(hex.encode(key.key.as_ref()));
    let pragmas = Zeroizing::new(format!(
        "PRAGMA cipher_log_level = NONE;
         PRAGMA key = \"x'{}{}'\";
         PRAGMA cipher_compatibility = 4;
         PRAGMA cipher_hmac_algorithm = HMAC_SHA256;
         PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA auto_vacuum = NONE;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;
         PRAGMA cache_size = -4096;",
        secret.as_str(),
        hex.encode(&key.salt)
    ));
    db.execute_batch(&pragmas).map_err(path_error)?;
    Ok(db)
}

/// The version of a store. Refuses what is not exactly a store of this version or of one that can be brought up to it.
/// Reads only.
pub(super) fn check_schema(db: &Connection, path: &Path) -> Result<u32, OpenError> {
    let path_error = |error: rusqlite::Error| OpenError::from_store(StoreError::from(error), path);
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(path_error);
    let foreign = || OpenError::NotAStore { file: path.to_path_buf() };
    // See `.cargo/config.toml`: without it, erased keys would stay in the pages.
    if number("SELECT sqlite_compileoption_used('ENABLE_DBPAGE_VTAB')")? != 1 {
        return Err(OpenError::from_store(StoreError::Failed(UNFIT), path));
    }
    if number("PRAGMA application_id")? != APPLICATION_ID {
        return Err(foreign());
    }
    let version = number("PRAGMA user_version")?;
    if version > i64::from(SCHEMA_VERSION) {
        return Err(OpenError::Newer { file: path.to_path_buf(), version });
    }
    if (1..i64::from(migration::OLDEST)).contains(&version) {
        return Err(OpenError::Older { file: path.to_path_buf(), version });
    }
    let version = u32::try_from(version).map_err(|_| foreign())?;
    let mut statement = db.prepare("SELECT ifnull(sql, '') FROM sqlite_schema").map_err(path_error)?;
    let found: rusqlite::Result<BTreeSet<String>> = statement.query_map([], |row| row.get(0)).map_err(path_error)?.collect();
    // Tables of later versions stand behind older ones: the order tells nothing.
    if version == 0 || found.map_err(path_error)? != schema::schema(version).collect() {
        return Err(foreign());
    }
    let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(path_error)?;
    if mode != "wal" {
        return Err(foreign());
    }
    // A setting of the connection, but one that is only known once the log is open.
    number("PRAGMA wal_autocheckpoint = 0")?;
    Ok(version)
}

pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}
