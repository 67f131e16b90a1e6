//! What the local API keeps between starts: its port, and the sessions of browsers.
//!
//! Sessions lie here as hashes, so that this file opens no door to who reads it. It is not
//! needed: without it the port is drawn again and browsers sign in again.
//!
//! ```text
//! port 40123
//! session <hash in base32> <port> <end in milliseconds>
//! ```

use super::{Folder, write};
use std::path::PathBuf;
use symbolon_presence::id::base32;
use symbolon_presence::time::Timestamp;

/// Name of the file.
pub const DOOR_FILE: &str = "api-sessions";
/// Sessions that are kept at once.
pub const SESSIONS_MAX: usize = 16;

const FILE_LIMIT: u64 = 8 * 1024;

/// One browser's session, as it is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeptSession {
    /// SHA-256 of the session; see [`tokens`](crate::api::tokens).
    pub hash: [u8; 32],
    /// The port at which it was given; it is good there only.
    pub port: u16,
    /// When it ends.
    pub expires: Timestamp,
}

impl std::fmt::Debug for KeptSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeptSession(..)")
    }
}

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The port that was drawn once.
    pub port: Option<u16>,
    /// At most [`SESSIONS_MAX`], the oldest first.
    pub sessions: Vec<KeptSession>,
}

/// Where it is kept.
#[derive(Debug, Clone)]
pub struct DoorFile {
    path: PathBuf,
}

impl Folder {
    /// Where the local API keeps its port and sessions.
    pub fn door(&self) -> DoorFile {
        DoorFile { path: self.path().join(DOOR_FILE) }
    }
}

impl DoorFile {
    /// Reads it; whatever is not understood is left out.
    pub fn read(&self) -> Kept {
        let Ok(Some(bytes)) = write::read_bounded(&self.path, FILE_LIMIT) else { return Kept::default() };
        let Ok(text) = String::from_utf8(bytes) else { return Kept::default() };
        let mut kept = Kept::default();
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["port", port] => kept.port = port.parse().ok().filter(|port| *port != 0),
                ["session", hash, port, expires] if kept.sessions.len() < SESSIONS_MAX => {
                    kept.sessions.extend(session(hash, port, expires));
                }
                _ => {}
            }
        }
        kept
    }

    /// Replaces it.
    pub fn write(&self, kept: &Kept) -> std::io::Result<()> {
        let mut text = kept.port.map(|port| format!("port {port}\n")).unwrap_or_default();
        for KeptSession { hash, port, expires } in kept.sessions.iter().take(SESSIONS_MAX) {
            text.push_str(&format!("session {} {port} {}\n", base32().encode(hash), expires.0));
        }
        write::replace_private(&self.path, text.as_bytes())
    }
}

fn session(hash: &str, port: &str, expires: &str) -> Option<KeptSession> {
    let hash = base32().decode(hash.as_bytes()).ok()?.try_into().ok()?;
    Some(KeptSession { hash, port: port.parse().ok()?, expires: Timestamp(expires.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn kept(sessions: u8) -> Kept {
        let session = |n| KeptSession { hash: [n; 32], port: 40_123, expires: Timestamp(1_795_204_800_000) };
        Kept { port: Some(40_123), sessions: (0..sessions).map(session).collect() }
    }

    #[test]
    fn what_is_kept_reads_back_and_is_bounded_and_private() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        assert_eq!(folder.door().read(), Kept::default());
        folder.door().write(&kept(3)).unwrap();
        assert_eq!(folder.door().read(), kept(3));
        folder.door().write(&kept(200)).unwrap();
        assert_eq!(folder.door().read().sessions.len(), SESSIONS_MAX);
        assert_eq!(home.path().join(DOOR_FILE).metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        for broken in ["", "port 0\n", "port x\nsession\nsession a b c\nsession  40123 5\n", "\u{0}", "session aa 1 2"] {
            std::fs::write(home.path().join(DOOR_FILE), broken).unwrap();
            assert_eq!(folder.door().read(), Kept::default(), "{broken:?}");
        }
        std::fs::write(home.path().join(DOOR_FILE), vec![b'x'; 100_000]).unwrap();
        assert_eq!(folder.door().read(), Kept::default());
    }
}
