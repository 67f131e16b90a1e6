//! Rooms of many: how they are made and entered, and commits that compete.

use super::handshake::{OwnLeaf, leaf_lifetime};
use crate::turn::{Turn, TurnFailed};
use crate::world::{CipherError, Joined, LeafKey, Member, Opened, Pending, Proposals, Staged, WelcomeView};
use symbolon_presence::id::{Digest, EpochId, RoomId};
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;

/// Label of the exporter for what a commit says of those who come in (RFC 9420, section 8.5).
const CREDENTIALS: &str = "symbolon credential encryption";
/// The same for what they hear of the others.
const SEATED: &str = "symbolon roster encryption";

fn failed(_: CipherError) -> TurnFailed {
    TurnFailed("the room cipher failed")
}

/// Makes a room that holds this device alone. `state` is bound into each of its epochs.
pub(crate) fn create_shared(
    turn: &mut Turn<'_>,
    own: &Identity,
    room: RoomId,
    leaf: &OwnLeaf,
    state: Digest,
) -> Result<EpochId, TurnFailed> {
    let lifetime = leaf_lifetime(turn.stamp);
    turn.cipher.create(room, leaf.leaf(), &leaf.credential(own), lifetime, Some(state)).map_err(failed)
}

/// The credential encryption key of the present epoch.
pub(crate) fn credential_key(turn: &Turn<'_>, room: RoomId) -> Result<Secret, TurnFailed> {
    turn.cipher.export(room, CREDENTIALS, &[]).map(Secret::from_bytes).map_err(failed)
}

/// The key under which those who come in hear of the others.
pub(crate) fn seated_key(turn: &Turn<'_>, room: RoomId) -> Result<Secret, TurnFailed> {
    turn.cipher.export(room, SEATED, &[]).map(Secret::from_bytes).map_err(failed)
}

/// The leaves of the present epoch.
pub(crate) fn leaves(turn: &Turn<'_>, room: RoomId) -> Result<Vec<Member>, TurnFailed> {
    turn.cipher.members(room).map_err(failed)
}

/// Makes a commit. None when the cipher makes none: what others have put into the room, or a KeyPackage, may be to blame.
pub(crate) fn propose(turn: &mut Turn<'_>, room: RoomId, proposals: &Proposals, said: &[u8]) -> Result<Option<Pending>, TurnFailed> {
    match turn.cipher.commit(room, proposals, said) {
        Err(CipherError::Store) => Err(failed(CipherError::Store)),
        made => Ok(made.ok()),
    }
}

/// Continues into the epoch of a commit, ours or one that was heard; the parent stays, to come back to. False when the room
/// stays as it is.
pub(crate) fn go_on(turn: &mut Turn<'_>, room: RoomId, epoch: EpochId) -> Result<bool, TurnFailed> {
    match turn.cipher.adopt(room, epoch) {
        Ok(()) => Ok(true),
        Err(CipherError::Store) => Err(failed(CipherError::Store)),
        Err(CipherError::Ahead | CipherError::Gone | CipherError::Used | CipherError::Broken) => Ok(false),
    }
}

/// Goes back to an epoch that was left.
pub(crate) fn go_back(turn: &mut Turn<'_>, room: RoomId, parent: EpochId) -> Result<bool, TurnFailed> {
    match turn.cipher.rewind(room, parent) {
        Ok(()) => Ok(true),
        Err(CipherError::Store) => Err(failed(CipherError::Store)),
        Err(CipherError::Ahead | CipherError::Gone | CipherError::Used | CipherError::Broken) => Ok(false),
    }
}

/// Erases the epochs that nobody goes back to any more; these stay.
pub(crate) fn keep_parents(turn: &mut Turn<'_>, room: RoomId, kept: &[EpochId]) -> Result<(), TurnFailed> {
    turn.cipher.forget_parents(room, kept).map_err(failed)
}

/// Opens what a member has sealed in an epoch that still opens.
pub(crate) fn open_shared(turn: &mut Turn<'_>, room: RoomId, sealed: &[u8]) -> Result<Opened, CipherError> {
    turn.cipher.open(room, sealed)
}

/// What a commit does that was made in an epoch which was left. Nothing changes.
pub(crate) fn peek(turn: &Turn<'_>, room: RoomId, parent: EpochId, commit: &[u8]) -> Result<Staged, CipherError> {
    turn.cipher.peek(room, parent, commit)
}

/// Which KeyPackage of ours a Welcome is for.
pub(crate) fn welcome_leaf(turn: &Turn<'_>, welcome: &[u8]) -> Result<LeafKey, CipherError> {
    turn.cipher.welcome_leaf(welcome)
}

/// What a Welcome leads to, with the key under which we hear of the others. Changes nothing.
pub(crate) fn view_welcome(turn: &Turn<'_>, welcome: &[u8]) -> Result<WelcomeView, CipherError> {
    turn.cipher.view_welcome(welcome, SEATED)
}

/// Enters a room by a Welcome that was viewed in this turn.
pub(crate) fn enter_welcomed(turn: &mut Turn<'_>, welcome: &[u8]) -> Result<Joined, TurnFailed> {
    turn.cipher.join_welcome(welcome).map_err(failed)
}
