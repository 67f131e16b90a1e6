//! The file of a backup: written part by part, and read back.
//!
//! A file is its first line, the backup's id, and parts: each its length (4 B, big-endian) and its bytes, sealed.

use super::errors::{RunError, internal};
use crate::api::errors::Fault;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use symbolon_core::command::CommandError;
use symbolon_core::wire::{BACKUP_MAGIC, BACKUP_PART_MAX, BackupPart};
use symbolon_presence::id::{Nonce, PeerId, base32};
use symbolon_presence::kdf::Secret;

pub(super) fn refused(error: CommandError) -> RunError {
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
        self.put_bytes(&id, &part).unwrap_or_else(|| Err(strange()))
    }

    /// The same as the core gives it.
    pub(super) fn put_sealed(&mut self, id: &Nonce, part: &[u8]) -> Result<(), RunError> {
        self.put_bytes(id.as_bytes(), part).unwrap_or_else(|| Err(internal()))
    }

    fn put_bytes(&mut self, id: &[u8], part: &[u8]) -> Option<Result<(), RunError>> {
        let length = u32::try_from(part.len()).ok()?;
        let head = if std::mem::replace(&mut self.has_head, true) { Vec::new() } else { [BACKUP_MAGIC, id].concat() };
        let bytes = [head, length.to_be_bytes().to_vec(), part.to_vec()].concat();
        Some(self.file.write_all(&bytes).map_err(|error| unwritten(&self.path, &error)))
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

/// The parts of a file, in their order.
pub(super) struct Parts<R> {
    file: R,
    key: Secret,
    /// Whose it is to be.
    person: PeerId,
    id: Nonce,
    index: u64,
    is_over: bool,
}

impl<R: Read> Parts<R> {
    pub(super) fn open(mut file: R, key: Secret, person: PeerId) -> Result<Self, RunError> {
        let (mut magic, mut id) = (vec![0; BACKUP_MAGIC.len()], [0; Nonce::LEN]);
        file.read_exact(&mut magic).and_then(|()| file.read_exact(&mut id)).map_err(|_| damaged())?;
        if magic != BACKUP_MAGIC {
            return Err(RunError::new(
                "not_a_backup",
                "this file is no backup of Symbolon",
                "Choose the file that `symbolon backup create` has made.",
            ));
        }
        Ok(Self { file, key, person, id: Nonce(id), index: 0, is_over: false })
    }

    pub(super) fn next(&mut self) -> Result<Option<BackupPart>, RunError> {
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
