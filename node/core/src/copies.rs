//! A copy of a device's folder that becomes a device of its own. `docs/protocol/recovery.md`.
//!
//! Two copies of one folder hold one device's keys, and only one of them can use these. The other one is made again as a restored device
//! is, out of a backup of itself: with keys, a certificate, mailboxes and rooms that were never used. Until that is done it seals nothing.

use crate::command::{CommandError, MoveKeys};
use crate::identity::Moved;
use crate::limits::{SIBLINGS_KEPT_MAX, SIBLINGS_MAX};
use crate::rows::SetBy;
use crate::seam::{Event, Warning};
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::backup_key;
use symbolon_presence::kdf::Secret;

/// What a copy is called among the devices of its person, until its user says otherwise.
const LABEL: &str = "copy";

/// Whether this folder can become a device of its own: it certifies one, friends take that without the words, and there is a place.
pub(crate) fn can_move(state: &State) -> bool {
    let own = &state.own;
    let needs_words = own.listed_before.is_some() || state.listed.contains_key(&own.person());
    let present = state.siblings.values().filter(|row| row.gone.is_none()).count();
    let has_place = present < SIBLINGS_MAX && state.siblings.len() < SIBLINGS_KEPT_MAX;
    own.identity.root.is_some() && key(state).is_some() && own.gone.is_none() && !needs_words && has_place
}

fn key(state: &State) -> Option<Secret> {
    state.own.backup_key.clone().or_else(|| state.own.identity.entropy.as_ref().map(backup_key))
}

/// From now on this folder is to become a device of its own: its node is started again for that.
pub(crate) fn begin_to_move(state: &mut State, turn: &mut Turn<'_>) {
    state.own.moves = true;
    let now = turn.now;
    turn.put(Table::Meta, b"moves", &now);
    turn.notify(Event::Warning(Warning::CopyMoves));
}

/// What the device that this folder becomes is made of, beside a backup. Only for a folder that is to become one.
pub(crate) fn keys(state: &State, turn: &Turn<'_>) -> Result<MoveKeys, CommandError> {
    let own = &state.own;
    let is_to_move = turn.get(Table::Meta, b"moves").is_ok_and(|row| row.is_some());
    let root = own.identity.root.as_ref().filter(|_| is_to_move).map(|root| Secret::from_bytes(root.seed()));
    let (root, backup_key) = root.zip(key(state)).ok_or(CommandError::NotFirstDevice)?;
    Ok(MoveKeys {
        root,
        second_root: own.identity.second_root,
        entropy: own.identity.entropy.clone(),
        backup_key,
        has_shown_words: own.backup_key.is_some(),
        label: own.label.clone(),
        asks_for_rooms: own.asks_for_rooms,
        vouches: own.vouches,
        settings: own.settings.iter().map(|(number, set)| (*number, (set.version, set.by))).collect(),
    })
}

/// This is that device.
pub(crate) fn moved(state: &mut State, turn: &mut Turn<'_>, keys: &MoveKeys) {
    let own = &mut state.own;
    own.identity.entropy.clone_from(&keys.entropy);
    own.label = if keys.label.is_empty() { LABEL.to_owned() } else { format!("{} ({LABEL})", keys.label) };
    if !crate::wire::is_name(&own.label) {
        LABEL.clone_into(&mut own.label);
    }
    (own.asks_for_rooms, own.vouches) = (keys.asks_for_rooms, keys.vouches);
    own.settings = keys.settings.iter().map(|(number, (version, by))| (*number, SetBy { version: *version, by: *by })).collect();
    let moved = Moved { at: turn.stamp, is_seen: false };
    own.moved = Some(moved);
    turn.put(Table::Meta, b"label", &own.label);
    turn.put(Table::Meta, b"rooms ask", &own.asks_for_rooms);
    turn.put(Table::Meta, b"rooms vouch", &own.vouches);
    if !own.settings.is_empty() {
        turn.put(Table::Meta, b"settings", &own.settings);
    }
    turn.put(Table::Meta, b"moved", &moved);
}

/// Its user has seen that; or lets a copy go on that could not be made a device of its own.
pub(crate) fn seen(state: &mut State, turn: &mut Turn<'_>) {
    if !state.own.moves {
        turn.delete(Table::Meta, b"moves");
    }
    if let Some(moved) = state.own.moved.as_mut().filter(|moved| !moved.is_seen) {
        moved.is_seen = true;
        turn.put(Table::Meta, b"moved", &*moved);
    }
}
