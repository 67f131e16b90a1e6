//! How somebody comes into a room: by an external commit with a key that both sides have from elsewhere.

use crate::limits::LEAF_LIFETIME;
use crate::turn::{DropReason, Rejected, Turn};
use crate::wire::LeafCredential;
use crate::world::{CipherError, Committer, Joined, Lifetime, Opened, RoomView, Staged};
use symbolon_presence::id::{EpochId, RoomId};
use symbolon_presence::identity::{Device, Identity};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{EARLIEST, Timestamp};

/// A key that both sides have, and its name in the commit.
pub(crate) type Key = ([u8; 32], Secret);

/// Somebody who comes in.
pub(crate) struct Guest<'a> {
    pub device: &'a Device,
    /// The epoch that was offered.
    pub from: EpochId,
    pub key: Key,
    pub commit: &'a [u8],
}

/// How long a leaf of ours is valid. It begins at the same moment for everybody, so it holds even
/// if our clock is ahead.
fn leaf_lifetime(stamp: Timestamp) -> Lifetime {
    Lifetime { not_before: EARLIEST, not_after: stamp.max(EARLIEST).after(LEAF_LIFETIME) }
}

/// Makes a room that holds this device alone.
pub(crate) fn create(turn: &mut Turn<'_>, own: &Identity) -> Result<RoomId, CipherError> {
    let room = RoomId::random(turn.rng);
    let leaf = turn.cipher.fresh_leaf()?;
    let credential = LeafCredential::sign(&own.chain, &own.signing, &room, &leaf.0);
    turn.cipher.create(room, leaf, &credential, leaf_lifetime(turn.stamp))?;
    Ok(room)
}

/// What lets somebody into a room, together with the key.
pub(crate) fn offer(turn: &mut Turn<'_>, room: RoomId) -> Result<Vec<u8>, CipherError> {
    turn.cipher.offer(room)
}

/// What an offered room shows of itself. Its form and signature are checked.
pub(crate) fn view(turn: &Turn<'_>, group_info: &[u8]) -> Result<RoomView, CipherError> {
    turn.cipher.inspect(group_info)
}

/// Enters an offered room.
pub(crate) fn enter(turn: &mut Turn<'_>, own: &Identity, group_info: &[u8], room: &RoomId, key: &Key) -> Result<Joined, CipherError> {
    let (psk, secret) = key;
    turn.cipher.share_psk(psk, secret.expose())?;
    let leaf = turn.cipher.fresh_leaf()?;
    let credential = LeafCredential::sign(&own.chain, &own.signing, room, &leaf.0);
    turn.cipher.join_external(group_info, psk, leaf, &credential, leaf_lifetime(turn.stamp))
}

/// Lets a guest in, if their commit does nothing but that, and takes what they say first. Errors leave the room as
/// it was offered.
pub(crate) fn let_in<T>(
    turn: &mut Turn<'_>,
    room: RoomId,
    guest: &Guest<'_>,
    first_word: impl FnOnce(&mut Turn<'_>) -> Result<T, Rejected>,
) -> Result<T, Rejected> {
    let (psk, secret) = &guest.key;
    turn.cipher.share_psk(psk, secret.expose())?;
    let opened = turn.cipher.open(room, guest.commit);
    // Used up by the commit, or of no use.
    turn.cipher.unshare_psk(psk)?;
    let Opened::Commit(staged) = opened? else { return Err(DropReason::Malformed.into()) };
    if !is_join_of(turn, &staged, &room, guest) {
        turn.cipher.reject(room)?;
        return Err(DropReason::Forged.into());
    }
    turn.cipher.adopt(room, staged.epoch)?;
    match first_word(turn) {
        Ok(said) => {
            turn.cipher.complete(room)?;
            Ok(said)
        }
        Err(rejected) => {
            // The commit alone is worth nothing: back to the frozen offer.
            turn.cipher.rewind(room, staged.parent)?;
            Err(rejected)
        }
    }
}

/// Whether a staged commit does nothing but let this device in, from the offered epoch.
fn is_join_of(turn: &Turn<'_>, staged: &Staged, room: &RoomId, guest: &Guest<'_>) -> bool {
    let [member] = staged.added.as_slice() else { return false };
    let joiner = LeafCredential::verify_known(&member.credential, room, &member.leaf.0, turn.sure);
    staged.committer == Committer::External
        && staged.parent == guest.from
        && staged.removed.is_empty()
        && joiner.is_some_and(|joiner| joiner == *guest.device)
}
