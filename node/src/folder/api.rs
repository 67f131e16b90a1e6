//! How commands find the node that runs on a folder, and prove that they may talk to it.
//!
//! Not the API itself; that is [`api`](crate::api).

use super::{Folder, FolderError, is_in_use, write};
use std::io;
use std::path::{Path, PathBuf};
use symbolon_presence::id::base32;
use zeroize::Zeroizing;

/// Name of the file with the bearer token.
pub const TOKEN_FILE: &str = "api-token";
/// Name of the file with the running node's address.
pub const ADDRESS_FILE: &str = "api-address";
/// Name of the file that leads the user's browser to the page.
pub const REDIRECT_FILE: &str = "open-page.html";

/// 32 random bytes in base32.
const TOKEN_CHARS: usize = 52;
const FILE_LIMIT: u64 = 1024;

/// The node that runs on a folder.
#[derive(Clone, PartialEq, Eq)]
pub struct Running {
    /// Address of its local API: `http://HOST:PORT/`.
    pub address: String,
    /// Its bearer token.
    pub token: String,
}

/// No node can be reached through this folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRunning {
    /// No process holds the folder.
    Stopped,
    /// A process holds the folder but does not serve its API yet, or no longer.
    NotReady,
    /// The files that lead to it cannot be read.
    Unreadable,
}

impl std::fmt::Display for NotRunning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stopped => "no node runs on this data folder",
            Self::NotReady => "the node on this data folder is starting or stopping",
            Self::Unreadable => "the files that lead to the running node cannot be read",
        })
    }
}

impl std::error::Error for NotRunning {}

impl Folder {
    /// The local API's bearer token: 32 random bytes in base32, made at first use and kept.
    pub fn api_token(&self) -> Result<String, FolderError> {
        let path = self.path().join(TOKEN_FILE);
        let io = |error| FolderError::Io(path.clone(), error);
        // Nothing but a whole token is believed; whatever else lies there is replaced.
        if let Ok(Some(bytes)) = write::read_bounded(&path, FILE_LIMIT)
            && let Some(token) = parse_token(&bytes)
        {
            return Ok(token);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).map_err(|error| io(io::Error::other(error)))?;
        let token = base32().encode(bytes.as_ref());
        write::replace_private(&path, format!("{token}\n").as_bytes()).map_err(io)?;
        Ok(token)
    }

    /// Tells commands where the API is served. Called once it is.
    pub fn publish_address(&self, address: &str) -> Result<(), FolderError> {
        let path = self.path().join(ADDRESS_FILE);
        write::replace_private(&path, format!("{address}\n").as_bytes()).map_err(|error| FolderError::Io(path, error))
    }

    /// Takes the address back, at a clean stop.
    pub fn withdraw_address(&self) -> Result<(), FolderError> {
        remove_redirect(self.path());
        let path = self.path().join(ADDRESS_FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FolderError::Io(path, error)),
            _ => Ok(()),
        }
    }
}

/// Writes a file that leads a browser to an address of the page, and answers where it is.
/// Every user of the machine can read a command line; only the owner can read this file.
pub fn write_redirect(folder: &Path, address: &str) -> io::Result<PathBuf> {
    let path = folder.join(REDIRECT_FILE);
    // The address is made of letters and marks that mean nothing in HTML.
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\"><title>Symbolon</title>\n\
         <meta http-equiv=\"refresh\" content=\"0; url={address}\">\n<p><a href=\"{address}\">Open Symbolon</a></p>\n"
    );
    write::replace_private(&path, page.as_bytes())?;
    std::path::absolute(path)
}

/// Removes that file, if it is there. The address in it is good for a minute only.
pub fn remove_redirect(folder: &Path) {
    // What cannot be removed opens nothing.
    let _ = std::fs::remove_file(folder.join(REDIRECT_FILE));
}

/// Finds the node that runs on a folder. An address that a killed node left behind is not
/// believed, so that its token goes to nobody who has taken over the port.
pub fn running(folder: &Path) -> Result<Running, NotRunning> {
    if !is_in_use(folder) {
        return Err(NotRunning::Stopped);
    }
    let read = |name| write::read_bounded(&folder.join(name), FILE_LIMIT).map_err(|_| NotRunning::Unreadable);
    let address = read(ADDRESS_FILE)?.ok_or(NotRunning::NotReady)?;
    let token = read(TOKEN_FILE)?.ok_or(NotRunning::NotReady)?;
    let address = String::from_utf8(address).map_err(|_| NotRunning::Unreadable)?.trim().to_owned();
    let token = parse_token(&token).ok_or(NotRunning::Unreadable)?;
    Ok(Running { address, token })
}

fn parse_token(bytes: &[u8]) -> Option<String> {
    let token = std::str::from_utf8(bytes).ok()?.trim();
    (token.len() == TOKEN_CHARS && base32().decode(token.as_bytes()).is_ok()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn token_is_kept_and_a_broken_one_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        let token = folder.api_token().unwrap();
        assert_eq!(folder.api_token().unwrap(), token);
        assert_eq!(base32().decode(token.as_bytes()).unwrap().len(), 32);
        for broken in [String::new(), "short".into(), "x".repeat(5_000)] {
            std::fs::write(home.path().join(TOKEN_FILE), broken).unwrap();
            let fresh = folder.api_token().unwrap();
            assert_eq!(fresh.len(), TOKEN_CHARS);
            assert_ne!(fresh, token);
        }
    }

    #[test]
    fn running_node_is_found_only_while_it_runs() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(running(home.path()), Err(NotRunning::Stopped)));
        let folder = Folder::open(home.path()).unwrap();
        let token = folder.api_token().unwrap();
        assert!(matches!(running(home.path()), Err(NotRunning::NotReady)));
        folder.publish_address("http://127.0.0.1:4711/").unwrap();
        assert!(running(home.path()) == Ok(Running { address: "http://127.0.0.1:4711/".into(), token }));
        folder.withdraw_address().unwrap();
        assert!(matches!(running(home.path()), Err(NotRunning::NotReady)));
        folder.withdraw_address().unwrap();
    }

    #[test]
    fn address_left_by_a_killed_node_is_not_believed() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        folder.api_token().unwrap();
        folder.publish_address("http://127.0.0.1:4711/").unwrap();
        drop(folder);
        assert!(matches!(running(home.path()), Err(NotRunning::Stopped)));
    }
}
