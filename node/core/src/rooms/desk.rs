//! What is said in a room: sealing, opening, and erasing it.

use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::RoomPayload;
use crate::world::{CipherError, Member, Opened, Sealed};
use symbolon_presence::codec;
use symbolon_presence::id::{EpochId, RoomId};

/// Seals something for everybody in a room that this node holds. That it cannot be done is a fault of this node.
pub(crate) fn say(turn: &mut Turn<'_>, room: RoomId, payload: &RoomPayload) -> Result<Sealed, TurnFailed> {
    seal(turn, room, payload).map_err(|_| TurnFailed("the room cipher failed"))
}

/// Seals something for everybody in a room.
pub(crate) fn seal(turn: &mut Turn<'_>, room: RoomId, payload: &RoomPayload) -> Result<Sealed, CipherError> {
    turn.cipher.seal(room, &codec::encode(payload), &[])
}

/// Opens what a member has said, where a commit is nothing that can be said.
pub(crate) fn open(turn: &mut Turn<'_>, room: RoomId, sealed: &[u8]) -> Result<(Member, Vec<u8>), Rejected> {
    match turn.cipher.open(room, sealed)? {
        Opened::Text { sender, plaintext, .. } => Ok((sender, plaintext)),
        // It stays staged and counts nowhere: to reject it would drop a commit of ours that is on its way.
        Opened::Commit(_) => Err(DropReason::Malformed.into()),
    }
}

/// Erases the keys of a room. One that is gone already is as good.
pub(super) fn erase(turn: &mut Turn<'_>, room: RoomId) -> Result<(), TurnFailed> {
    match turn.cipher.forget(room) {
        Err(CipherError::Store) => Err(TurnFailed("the room cipher's store failed")),
        Ok(()) | Err(CipherError::Ahead | CipherError::Gone | CipherError::Used | CipherError::Broken) => Ok(()),
    }
}

/// The present epoch of a room; none when this node does not hold it.
pub(crate) fn epoch(turn: &Turn<'_>, room: RoomId) -> Option<EpochId> {
    turn.cipher.epoch(room).ok()
}
