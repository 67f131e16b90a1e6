//! Commits of members: how a room comes to its next epoch.
//!
//! Of two that were made in the same epoch both sides take the same one, by a rank that neither can choose.

use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::commit_rank;
use crate::world::{CipherError, Committer, LeafIndex, Member, Opened, Pending, Proposals, Staged};
use symbolon_presence::id::{EpochId, RoomId};

fn failed(_: CipherError) -> TurnFailed {
    TurnFailed("the room cipher failed")
}

/// Opens what a member has sealed, a commit of theirs included: that is staged only.
pub(crate) fn hear(turn: &mut Turn<'_>, room: RoomId, sealed: &[u8]) -> Result<Opened, Rejected> {
    match turn.cipher.open(room, sealed) {
        Err(CipherError::Ahead | CipherError::Gone) if turn.cipher.epoch(room).is_ok() => Err(DropReason::Epoch.into()),
        opened => Ok(opened?),
    }
}

/// Makes a commit that renews the keys of our leaf. It waits until the other members have taken it. None when the cipher
/// makes none: what others have put into the room may be to blame.
pub(crate) fn commit(turn: &mut Turn<'_>, room: RoomId) -> Result<Option<Pending>, TurnFailed> {
    match turn.cipher.commit(room, &Proposals::default(), b"") {
        Err(CipherError::Store) => Err(failed(CipherError::Store)),
        made => Ok(made.ok()),
    }
}

/// Continues into the epoch of a commit, ours or one that was heard. Nobody goes back from it. False when the room stays as
/// it is.
pub(crate) fn follow(turn: &mut Turn<'_>, room: RoomId, epoch: EpochId) -> Result<bool, TurnFailed> {
    match turn.cipher.adopt(room, epoch) {
        Ok(()) => turn.cipher.complete(room).map(|()| true).map_err(failed),
        Err(CipherError::Store) => Err(failed(CipherError::Store)),
        Err(CipherError::Ahead | CipherError::Gone | CipherError::Used | CipherError::Broken) => Ok(false),
    }
}

/// Drops a commit of ours that nobody takes, and one that was heard.
pub(crate) fn drop_commits(turn: &mut Turn<'_>, room: RoomId) -> Result<(), TurnFailed> {
    turn.cipher.reject(room).map_err(failed)
}

/// The member who has made a commit, if it does nothing but renew the keys of their leaf.
pub(crate) fn updater(turn: &Turn<'_>, room: RoomId, staged: &Staged) -> Option<Member> {
    let Committer::Member(index) = staged.committer else { return None };
    let is_update = staged.added.is_empty() && staged.removed.is_empty();
    member(turn, room, |member| member.index == index).filter(|_| is_update)
}

/// Whether of two members' commits of one epoch ours stands, in a room of two.
pub(crate) fn outranks(turn: &Turn<'_>, room: RoomId, theirs: &Staged) -> bool {
    let Committer::Member(other) = theirs.committer else { return false };
    let rank = |leaf: LeafIndex| commit_rank(&room, theirs.number, leaf);
    member(turn, room, |member| member.index != other).is_some_and(|me| rank(me.index) < rank(other))
}

fn member(turn: &Turn<'_>, room: RoomId, is: impl FnMut(&Member) -> bool) -> Option<Member> {
    turn.cipher.members(room).ok()?.into_iter().find(is)
}
