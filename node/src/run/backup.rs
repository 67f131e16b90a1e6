//! A fresh folder that is made of a backup. No node runs meanwhile. The protocol page is `docs/protocol/recovery.md`.

pub use super::backup_file::BackupFile;
use super::backup_file::{Parts, refused};
use super::errors::{RunError, internal, shell_error};
use super::open::{open_store, read_passphrase};
use crate::clock::SystemClock;
use crate::shell::live::LiveParts;
use crate::shell::{self, Applied};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use symbolon_core::CoreConfig;
use symbolon_core::command::{Command, Reply};
use symbolon_core::wire::backup_key;
use symbolon_presence::codec;
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::words::read_recovery_words;
pub use symbolon_presence::words::wrong_with;

/// Who a restored folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Peer ID of the person.
    pub id: String,
    /// The new device.
    pub device: String,
}

/// Makes a fresh folder a further device of the person of a backup. `words` are their recovery phrase. All of the file is
/// checked before anything is made.
pub fn restore(data: &Path, file: &Path, words: &str, passphrase_file: Option<&Path>) -> Result<Restored, RunError> {
    let entropy = entropy_of(words)?;
    is_fresh(data)?;
    let open = || {
        let unreadable =
            |error: std::io::Error| RunError::new("unreadable", format!("{}: {error}", file.display()), "Check the file's name.");
        Ok(BufReader::new(File::open(file).map_err(unreadable)?))
    };
    restore_from(data, &entropy, open, passphrase_file)
}

pub(super) fn entropy_of(words: &str) -> Result<Secret, RunError> {
    read_recovery_words(words).ok_or_else(|| {
        let wrong = wrong_with(words, 24);
        RunError::new(
            "bad_phrase",
            format!("this is not a recovery phrase: {wrong}"),
            "Give all 24 words on standard input, in their order.",
        )
    })
}

/// The same from anywhere. The folder is fresh.
pub(super) fn restore_from<R: Read>(
    data: &Path,
    entropy: &Secret,
    open: impl Fn() -> Result<R, RunError>,
    passphrase_file: Option<&Path>,
) -> Result<Restored, RunError> {
    let person = Identity::root_of(entropy).person();
    let mut parts = Parts::open(open()?, backup_key(entropy), person)?;
    while parts.next()?.is_some() {}
    let passphrase = passphrase_file.map(read_passphrase).transpose()?;
    let (folder, store) = open_store(data, passphrase.as_ref())?;
    let parts_of_core = LiveParts { config: CoreConfig::default() };
    let mut parts = Parts::open(open()?, backup_key(entropy), person)?;
    let mut identity = None;
    let mut failed = None;
    let commands = std::iter::from_fn(|| match parts.next() {
        Ok(part) => part.map(|part| Command::Restore { entropy: entropy.clone(), part: codec::encode(&part) }),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    shell::apply(store, parts_of_core, SystemClock, commands, &mut |reply| match reply {
        Ok(Reply::Identity(view)) => {
            identity = Some(view);
            Applied::GoOn
        }
        Ok(_) => Applied::GoOn,
        Err(error) => Applied::Stop(error),
    })
    .map_err(shell_error)?
    .map_err(refused)?;
    drop(folder);
    match (failed, identity) {
        (Some(error), _) => Err(error),
        (None, Some(view)) => Ok(Restored { id: view.id.to_string(), device: view.device.to_string() }),
        (None, None) => Err(internal()),
    }
}

/// A folder that is not there, or in which there is nothing.
pub(super) fn is_fresh(data: &Path) -> Result<(), RunError> {
    match std::fs::read_dir(data).map(|mut entries| entries.next().is_none()) {
        Ok(true) | Err(_) => Ok(()),
        Ok(false) => {
            Err(RunError::new("not_fresh", format!("there are files in {} already", data.display()), "Choose a new folder with --data."))
        }
    }
}

#[cfg(test)]
mod tests;
