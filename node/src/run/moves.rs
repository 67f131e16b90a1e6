//! A copy of a folder beside which another one runs: before its node starts again, it becomes a device of its own.
//!
//! A backup of the folder goes into a store in which nothing was done yet, part by part; that store takes the place of the first. So
//! no key of before is left, and a process that is killed on the way begins again with what it had.

use super::backup_file::{BackupFile, Parts, refused};
use super::errors::{RunError, internal, open_error, shell_error, store_error};
use super::kept::Kept;
use crate::clock::SystemClock;
use crate::folder::Folder;
use crate::folder::key::Passphrase;
use crate::shell::live::LiveParts;
use crate::shell::{self, Applied};
use crate::store::Store;
use std::cell::RefCell;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use symbolon_core::command::{BackupCursor, BackupPlace, Command, MoveKeys, Reply, SealedPart};
use symbolon_core::{CoreConfig, command};
use symbolon_presence::codec;
use symbolon_presence::id::Nonce;

/// The folder's store; one that is made again, if the folder is to become a device of its own. When that cannot be done now, the store is
/// as it was, and its node runs on: it is tried again at the next start.
pub(super) fn exchange(folder: &Folder, store: Store, passphrase: Option<&Passphrase>) -> Result<Store, RunError> {
    let kept = Kept::read(&store).map_err(|error| store_error(&error))?;
    let backup = folder.path().join("moves.backup");
    if !kept.moves {
        // Of a process that was killed when all was done.
        let _ = std::fs::remove_file(&backup);
        return Ok(store);
    }
    let made = make(folder, store, passphrase, &backup, kept.is_hub);
    // Sealed, and of no use any more.
    let _ = std::fs::remove_file(&backup);
    match made {
        Ok(()) => tracing::warn!("this folder was a copy of another one that runs, and is a device of its own now"),
        Err(error) => {
            tracing::warn!(error = error.kind, "this folder is a copy of another one that runs, and could not be made a device of its own")
        }
    }
    folder.open_store(passphrase).map_err(open_error)
}

fn make(folder: &Folder, store: Store, passphrase: Option<&Passphrase>, backup: &Path, is_hub: bool) -> Result<(), RunError> {
    let keys = write(store, backup)?;
    let open = || File::open(backup).map(BufReader::new).map_err(|_| internal());
    // All of it can be read, before anything is made of it.
    let mut parts = Parts::open(open()?, keys.backup_key().clone(), keys.person())?;
    while parts.next()?.is_some() {}
    let fresh = folder.draft_store(passphrase).map_err(open_error)?;
    if is_hub {
        Kept::write_hub(&fresh, true).map_err(|error| store_error(&error))?;
    }
    let mut parts = Parts::open(open()?, keys.backup_key().clone(), keys.person())?;
    let mut failed = None;
    let commands = std::iter::from_fn(|| match parts.next() {
        Ok(part) => part.map(|part| Command::Move { keys: keys.clone(), part: codec::encode(&part) }),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let mut answered = |reply: Result<Reply, command::CommandError>| reply.map_or_else(Applied::Stop, |_| Applied::GoOn);
    shell::apply(fresh, parts_of_core(), SystemClock, commands, &mut answered).map_err(shell_error)?.map_err(refused)?;
    match failed {
        Some(error) => Err(error),
        None => folder.adopt_draft().map_err(open_error),
    }
}

fn parts_of_core() -> LiveParts {
    LiveParts { config: CoreConfig::default() }
}

/// Writes a backup of the folder, and says what it takes along beside it.
fn write(store: Store, backup: &Path) -> Result<Box<MoveKeys>, RunError> {
    let mut id = [0; Nonce::LEN];
    getrandom::fill(&mut id).map_err(|_| internal())?;
    // One that was cut off.
    let _ = std::fs::remove_file(backup);
    let file = RefCell::new(BackupFile::create(backup)?);
    let next = RefCell::new(Some(BackupCursor { id: Nonce(id), index: 0, place: BackupPlace::Head }));
    let (mut keys, mut failed) = (None, None);
    let first = std::iter::once(Command::MoveKeys);
    let commands = first.chain(std::iter::from_fn(|| next.borrow_mut().take().map(Command::Backup)));
    let mut answered = |reply: Result<Reply, command::CommandError>| {
        match reply {
            Ok(Reply::MoveKeys(taken)) => keys = Some(taken),
            Ok(Reply::Backup(SealedPart { id, sealed, next: behind })) => {
                *next.borrow_mut() = behind;
                if let Err(error) = file.borrow_mut().put_sealed(&id, &sealed) {
                    failed = Some(error);
                    next.borrow_mut().take();
                }
            }
            Ok(_) => {}
            Err(error) => return Applied::Stop(error),
        }
        Applied::GoOn
    };
    shell::apply(store, parts_of_core(), SystemClock, commands, &mut answered).map_err(shell_error)?.map_err(refused)?;
    if let Some(error) = failed {
        return Err(error);
    }
    file.into_inner().finish()?;
    keys.ok_or_else(internal)
}
