//! Another clock for the nodes that a test starts: real processes, to which `libfaketime` says
//! another date. Monotonic time is left as it is, so that every timer runs as ever.

use super::{Node, Trouble};
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

thread_local! {
    /// The file that says what time it is for the commands that this thread starts.
    static FILE: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
    /// How many seconds the commands that this thread starts are ahead of the machine.
    static AHEAD: Cell<i64> = const { Cell::new(0) };
}

fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
        folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
    };
    LIBRARY.get_or_init(find).as_deref()
}

/// Whether dates can be set here. Says so when not.
pub fn can_be_set() -> bool {
    if library().is_none() {
        println!("skipped: there is no libfaketime (Debian package `faketime`)");
    }
    library().is_some()
}

/// Nodes and commands that are started inside see a clock so many seconds ahead, or behind when
/// negative.
pub fn ahead<T>(seconds: i64, f: impl FnOnce() -> T) -> T {
    let before = AHEAD.replace(seconds);
    let done = f();
    AHEAD.set(before);
    done
}

/// A clock that a test moves while nodes go by it.
#[derive(Debug)]
pub struct Hand(PathBuf);

impl Hand {
    /// Sets it so many seconds ahead of the machine's, or behind when negative.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn set(&self, seconds: i64) -> Result<(), Trouble> {
        // In one step: a reader sees the old or the new one.
        let new = self.0.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).map_err(|error| error.to_string())?;
        std::fs::rename(&new, &self.0).map_err(|error| error.to_string())
    }
}

/// The node that is started inside goes by a clock that can be moved, also when it is started again.
/// The commands on its folder go by the machine's.
pub fn movable(path: &Path, start: impl FnOnce() -> Node) -> (Node, Hand) {
    let hand = Hand(path.to_path_buf());
    #[allow(clippy::unwrap_used, reason = "a test's folder takes a file")]
    hand.set(0).unwrap();
    let clock = Some(path.to_path_buf());
    let mut node = by(clock.clone(), start);
    node.clock = clock;
    (node, hand)
}

/// Commands that are started inside go by the clock of this file, if there is one.
pub(super) fn by<T>(file: Option<PathBuf>, f: impl FnOnce() -> T) -> T {
    let before = FILE.replace(file);
    let done = f();
    FILE.set(before);
    done
}

/// Gives a command the clock of this thread.
pub(super) fn set(command: &mut Command) {
    let file = FILE.with_borrow(Clone::clone);
    if let (Some(library), Some(file)) = (library(), file) {
        // Looked at again each time: it may be moved while the node runs.
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", file).env("FAKETIME_NO_CACHE", "1");
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
        return;
    }
    let seconds = AHEAD.get();
    if let Some(library) = library().filter(|_| seconds != 0) {
        command.env("LD_PRELOAD", library).env("FAKETIME", format!("{seconds:+}")).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.env("NO_FAKE_STAT", "1");
    }
}
