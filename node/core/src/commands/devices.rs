//! What the user does with their own devices.

use super::machines::Machines;
use crate::command::{BackupCursor, CommandError, OwnDevicesView, PairingView, Reply, SealedPart};
use crate::devices::{self, Made};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn};
use crate::views;
use crate::wire::is_name;
use symbolon_presence::id::DeviceId;
use symbolon_presence::kdf::Secret;

pub(super) fn pair(state: &mut State, turn: &mut Turn<'_>, tell: Option<String>) -> Result<Reply, Failed> {
    let (code, expires) = devices::pair(state, turn, tell)?;
    Ok(Reply::Paired(PairingView { code, expires }))
}

/// Makes the next part of a backup.
pub(super) fn backup(state: &State, turn: &mut Turn<'_>, cursor: BackupCursor) -> Result<Reply, Failed> {
    let Made { sealed, next } = devices::part(state, turn, &cursor)?;
    let next = next.map(|place| BackupCursor { index: cursor.index.saturating_add(1), place, ..cursor });
    Ok(Reply::Backup(SealedPart { id: cursor.id, sealed, next }))
}

pub(super) fn join(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, code: &str) -> Result<Reply, Failed> {
    devices::join(state, turn, code)?;
    machines.presence.finder.begin_again(state, turn.now);
    Ok(all(state, machines))
}

pub(super) fn all(state: &State, machines: &Machines<'_>) -> Reply {
    Reply::Devices(OwnDevicesView { devices: views::devices::all(state, machines.delivery), joining: views::devices::joining(state) })
}

pub(super) fn remove(state: &mut State, machines: &Machines<'_>, turn: &mut Turn<'_>, which: &str) -> Result<Reply, Failed> {
    let device = resolve(state, which)?;
    devices::remove(state, turn, &device)?;
    Ok(all(state, machines))
}

/// This device and these others stay, and no other: by the words.
pub(super) fn keep(
    state: &mut State,
    machines: &Machines<'_>,
    turn: &mut Turn<'_>,
    entropy: &Secret,
    others: &[String],
) -> Result<Reply, Failed> {
    let own = state.own.identity.device.to_string();
    let is_this = |which: &&String| own == which.trim().to_ascii_lowercase() || state.own.label == which.trim();
    let stay = others.iter().filter(|which| !is_this(which)).map(|which| resolve(state, which)).collect::<Result<Vec<_>, _>>()?;
    devices::keep(state, turn, entropy, &stay)?;
    Ok(all(state, machines))
}

pub(super) fn rename(state: &mut State, machines: &Machines<'_>, turn: &mut Turn<'_>, name: &str) -> Result<Reply, Failed> {
    let name = name.trim();
    if name.is_empty() || !is_name(name) {
        return Err(CommandError::BadName.into());
    }
    name.clone_into(&mut state.own.label);
    turn.put(Table::Meta, b"label", &state.own.label);
    Ok(all(state, machines))
}

/// The device of ours that is meant.
fn resolve(state: &State, which: &str) -> Result<DeviceId, CommandError> {
    let text = which.trim();
    let lower = text.to_ascii_lowercase();
    let ours = || {
        let present = state.siblings.values().filter(|row| row.gone.is_none());
        present.filter_map(|row| Some((row, state.devices.values().find(|device| device.peer == row.peer)?.device)))
    };
    // A whole id first: what devices call themselves is their word.
    if let Some(exact) = ours().map(|(_, device)| device).find(|device| device.to_string() == lower) {
        return Ok(exact);
    }
    let mut found: Vec<DeviceId> = ours().filter(|(row, _)| row.label.as_deref() == Some(text)).map(|(_, device)| device).collect();
    if found.is_empty() && text.len() >= 4 {
        found = ours().map(|(_, device)| device).filter(|device| device.to_string().starts_with(&lower)).collect();
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] if state.own.identity.device.to_string().starts_with(&lower) && text.len() >= 4 => Err(CommandError::OwnIdentity),
        [] => Err(CommandError::NotFound),
        _ => Err(CommandError::Ambiguous),
    }
}
