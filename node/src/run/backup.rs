//! Backup files, and a fresh folder that is made of one. No node runs meanwhile.
//!
//! A file is its first line, the backup's id, and parts: each its length (4 B, big-endian) and its bytes, sealed. The protocol
//! page is `docs/protocol/recovery.md`.

use super::errors::{RunError, internal, shell_error};
use super::open::{open_store, read_passphrase};
use crate::api::errors::Fault;
use crate::clock::SystemClock;
use crate::shell::live::LiveParts;
use crate::shell::{self, Applied};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use symbolon_core::CoreConfig;
use symbolon_core::command::{Command, CommandError, Reply};
use symbolon_core::wire::{BACKUP_MAGIC, BACKUP_PART_MAX, BackupPart, backup_key};
use symbolon_presence::codec;
use symbolon_presence::id::{Nonce, PeerId, base32};
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
    let mut parts = Parts::open(open()?, entropy)?;
    while parts.next()?.is_some() {}
    let passphrase = passphrase_file.map(read_passphrase).transpose()?;
    let (folder, store) = open_store(data, passphrase.as_ref())?;
    let parts_of_core = LiveParts { config: CoreConfig::default() };
    let mut parts = Parts::open(open()?, entropy)?;
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

fn refused(error: CommandError) -> RunError {
    let entry = Fault::Command(error).entry();
    RunError::new(entry.kind, entry.detail, entry.hint)
}

/// A backup file that is being written: whole under its name, or not there.
#[derive(Debug)]
pub struct BackupFile {
    draft: PathBuf,
    path: PathBuf,
    file: File,
    has_head: bool,
}

impl BackupFile {
    /// Begins one under a name that is free.
    pub fn create(path: &Path) -> Result<Self, RunError> {
        if path.exists() {
            return Err(RunError::new(
                "file_exists",
                format!("{} is there already", path.display()),
                "Choose another name, or remove it first.",
            ));
        }
        let draft = PathBuf::from(format!("{}.part", path.display()));
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(|error| unwritten(path, &error))?;
        Ok(Self { draft, path: path.to_path_buf(), file, has_head: false })
    }

    /// Writes the next part, as the API gives it.
    pub fn put(&mut self, id: &str, part: &str) -> Result<(), RunError> {
        let strange = || RunError::new("internal", "the node gave a part of a backup that cannot be read", "Update it, then try again.");
        let read = |text: &str| base32().decode(text.as_bytes()).map_err(|_| strange());
        let (id, part) = (read(id)?, read(part)?);
        let length = u32::try_from(part.len()).map_err(|_| strange())?;
        let head = if std::mem::replace(&mut self.has_head, true) { Vec::new() } else { [BACKUP_MAGIC, &id].concat() };
        let bytes = [head, length.to_be_bytes().to_vec(), part].concat();
        self.file.write_all(&bytes).map_err(|error| unwritten(&self.path, &error))
    }

    /// Gives it its name, once all of it is on the disk.
    pub fn finish(self) -> Result<(), RunError> {
        let done = self.file.sync_all().and_then(|()| std::fs::rename(&self.draft, &self.path));
        done.map_err(|error| unwritten(&self.path, &error))
    }
}

impl Drop for BackupFile {
    fn drop(&mut self) {
        // A backup that is cut off is none. Under its name it is not a draft any more.
        let _ = std::fs::remove_file(&self.draft);
    }
}

fn unwritten(path: &Path, error: &std::io::Error) -> RunError {
    RunError::new("unwritten", format!("{}: {error}", path.display()), "Check the disk and the name.")
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

/// The parts of a file, in their order.
struct Parts<R> {
    file: R,
    key: Secret,
    /// Whose words they are.
    person: PeerId,
    id: Nonce,
    index: u64,
    is_over: bool,
}

impl<R: Read> Parts<R> {
    fn open(mut file: R, entropy: &Secret) -> Result<Self, RunError> {
        let (mut magic, mut id) = (vec![0; BACKUP_MAGIC.len()], [0; Nonce::LEN]);
        file.read_exact(&mut magic).and_then(|()| file.read_exact(&mut id)).map_err(|_| damaged())?;
        if magic != BACKUP_MAGIC {
            return Err(RunError::new(
                "not_a_backup",
                "this file is no backup of Symbolon",
                "Choose the file that `symbolon backup create` has made.",
            ));
        }
        let person = Identity::root_of(entropy).person();
        Ok(Self { file, key: backup_key(entropy), person, id: Nonce(id), index: 0, is_over: false })
    }

    fn next(&mut self) -> Result<Option<BackupPart>, RunError> {
        if self.is_over {
            let mut more = [0; 1];
            return if matches!(self.file.read(&mut more), Ok(0)) { Ok(None) } else { Err(damaged()) };
        }
        let mut length = [0; 4];
        self.file.read_exact(&mut length).map_err(|_| damaged())?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > BACKUP_PART_MAX {
            return Err(damaged());
        }
        let mut sealed = vec![0; length];
        self.file.read_exact(&mut sealed).map_err(|_| damaged())?;
        let part = BackupPart::open(&sealed, &self.key, &self.id, self.index).filter(|part| self.is_in_place(part));
        let Some(part) = part else {
            // Whose words they are is known by the first part.
            return Err(if self.index == 0 { refused(CommandError::WrongPhrase) } else { damaged() });
        };
        self.index += 1;
        self.is_over = part == BackupPart::End;
        Ok(Some(part))
    }

    /// Whether it is a head of this person as the first part, and none later: a folder that was begun cannot be begun again.
    fn is_in_place(&self, part: &BackupPart) -> bool {
        if let BackupPart::Head(head) = part { self.index == 0 && head.person == self.person } else { self.index > 0 }
    }
}

fn damaged() -> RunError {
    RunError::new("damaged_backup", "this backup is cut off or damaged", "Use another copy of it. Nothing was changed.")
}

#[cfg(test)]
mod tests;
