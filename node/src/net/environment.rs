//! What the transport needs of the process around it: no key log, and enough open files.
//!
//! rustls, below QUIC, writes every session's secrets into the file named by
//! `SSLKEYLOGFILE`. Removing a variable from a running process is unsafe where threads
//! may read it, so the process replaces itself by itself without the variable: same
//! arguments, same process id, same open terminal.

use std::ffi::OsStr;
use std::fmt;

const KEY_LOG: &str = "SSLKEYLOGFILE";

/// `SSLKEYLOGFILE` is set and the process could not be started again without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLogSet;

impl fmt::Display for KeyLogSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SSLKEYLOGFILE is set: session keys would be written to a file; unset it and start again")
    }
}

impl std::error::Error for KeyLogSet {}

/// Makes sure that no library writes session keys to a file.
///
/// To be called first in `main`. When `SSLKEYLOGFILE` is set, the program is executed again
/// without it and this call does not return; where that is impossible it returns the error,
/// and the program must stop. [`Net::start`](super::Net::start) checks again.
pub fn harden_environment() -> Result<(), KeyLogSet> {
    if !is_key_log(std::env::var_os(KEY_LOG).as_deref()) { Ok(()) } else { start_again() }
}

/// Whether a key log would be written now.
pub(super) fn key_log_is_set() -> bool {
    is_key_log(std::env::var_os(KEY_LOG).as_deref())
}

/// An empty name is no file, but rustls would still try: it counts as set.
fn is_key_log(value: Option<&OsStr>) -> bool {
    value.is_some()
}

#[cfg(unix)]
fn start_again() -> Result<(), KeyLogSet> {
    use std::os::unix::process::CommandExt;
    let program = std::env::current_exe().map_err(|_| KeyLogSet)?;
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // Returns only when it failed.
    let _ = command.args(arguments).env_remove(KEY_LOG).exec();
    Err(KeyLogSet)
}

#[cfg(not(unix))]
fn start_again() -> Result<(), KeyLogSet> {
    Err(KeyLogSet)
}

/// Open files that are not connections of others: the store, the API, dials of our own.
const FILES_ASIDE: u64 = 512;

/// How many connections of others this process may hold, after asking the system for all open files
/// that it allows. `None` where it does not tell.
#[cfg(unix)]
pub(crate) fn room_for_connections() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    // A process begins with few for the sake of old programs; it may have as many as `maximum` says.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    let files = getrlimit(Resource::Nofile).current?;
    usize::try_from(files.saturating_sub(FILES_ASIDE).max(files / 2)).ok()
}

#[cfg(not(unix))]
pub(crate) fn room_for_connections() -> Option<usize> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    const CHILD: &str = "SYMBOLON_TEST_KEY_LOG_CHILD";

    /// Runs as a child of the test below; on its own it checks nothing more than a clean start.
    #[test]
    fn child_process() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        println!("before: set={}", key_log_is_set());
        harden_environment().unwrap();
        println!("after: set={}", key_log_is_set());
    }

    #[test]
    fn a_process_with_a_key_log_starts_again_without_it_and_keeps_its_arguments() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "net::environment::tests::child_process", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .env(KEY_LOG, "/nonexistent/keys")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("before: set=true"), "{text}");
        assert!(text.contains("after: set=false"), "{text}");
        assert!(!text.contains("after: set=true"), "{text}");
        assert!(text.contains("1 passed"), "{text}");
    }
}
