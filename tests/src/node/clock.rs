//! Another clock for the nodes that a test starts: real processes, to which `libfaketime` says
//! another date. Monotonic time is left as it is, so that every timer runs as ever.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

thread_local! {
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

/// Whether dates can be told here. Says so when not.
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

/// Gives a command the clock of this thread.
pub(super) fn set(command: &mut Command) {
    let seconds = AHEAD.get();
    if let Some(library) = library().filter(|_| seconds != 0) {
        command.env("LD_PRELOAD", library).env("FAKETIME", format!("{seconds:+}")).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.env("NO_FAKE_STAT", "1");
    }
}
