//! How somebody comes into a room: by an external commit with a key that both sides have from elsewhere.

use crate::limits::LEAF_LIFETIME;
use crate::rows::Leaf;
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn};
use crate::wire::{LeafOwner, is_leaf_of, seal_credential};
use crate::world::{CipherError, Committer, Joined, LeafKey, Lifetime, Opened, RoomView, Staged};
use symbolon_presence::id::{EpochId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::{Chain, Device, Identity};
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
    /// What opens the credential of their leaf.
    pub leaf_key: &'a Secret,
    pub commit: &'a [u8],
}

/// A leaf of ours, and what shows to the room's members that it is.
pub(crate) struct OwnLeaf {
    pub(super) leaf: LeafKey,
    pub key: Secret,
}

impl OwnLeaf {
    /// Draws one for a room to be entered or made.
    pub fn fresh(turn: &mut Turn<'_>) -> Result<Self, CipherError> {
        Ok(Self { leaf: turn.cipher.fresh_leaf()?, key: Secret::random(turn.rng) })
    }

    /// Its signature key.
    pub fn leaf(&self) -> LeafKey {
        self.leaf
    }

    pub(super) fn credential(&self, own: &Identity) -> Vec<u8> {
        seal_credential(own, &self.leaf.0, &self.key)
    }

    /// What others are shown.
    pub fn owner(&self) -> LeafOwner {
        LeafOwner { leaf: PublicKeyBytes(self.leaf.0), chain: None, key: self.key.clone() }
    }
}

/// How long a leaf of ours is valid. It begins at the same moment for everybody, so it holds even
/// if our clock is ahead.
pub(super) fn leaf_lifetime(stamp: Timestamp) -> Lifetime {
    Lifetime { not_before: EARLIEST, not_after: stamp.max(EARLIEST).after(LEAF_LIFETIME) }
}

/// Makes a room that holds this device alone.
pub(crate) fn create(state: &mut State, turn: &mut Turn<'_>) -> Result<(RoomId, OwnLeaf), CipherError> {
    let (room, leaf) = create_for(turn, &state.own.identity)?;
    keep_own_leaf(state, turn, room, &leaf);
    Ok((room, leaf))
}

/// Makes a room that holds one device alone.
pub(crate) fn create_for(turn: &mut Turn<'_>, own: &Identity) -> Result<(RoomId, OwnLeaf), CipherError> {
    let room = RoomId::random(turn.rng);
    let leaf = OwnLeaf::fresh(turn)?;
    turn.cipher.create(room, leaf.leaf, &leaf.credential(own), leaf_lifetime(turn.stamp), None)?;
    Ok((room, leaf))
}

/// Notes whose a leaf is; `chain` is the certificate of who has said so.
pub(crate) fn keep_leaf(state: &mut State, turn: &mut Turn<'_>, room: RoomId, owner: &LeafOwner, chain: &Chain) {
    let said = owner.chain.as_ref().unwrap_or(chain);
    // It may have been renewed since that was said.
    let known = said.body().and_then(|said| Some((said.serial, &state.devices.get(&said.device)?.chain)));
    let newer = known.filter(|(serial, known)| known.body().is_some_and(|known| known.serial > *serial)).map(|(_, known)| known);
    let chain = newer.unwrap_or(said).clone();
    state.save_leaf(turn, Leaf { room, leaf: owner.leaf, chain, key: owner.key.clone() });
}

/// The same of ours.
pub(crate) fn keep_own_leaf(state: &mut State, turn: &mut Turn<'_>, room: RoomId, leaf: &OwnLeaf) {
    let chain = state.own.identity.chain.clone();
    keep_leaf(state, turn, room, &leaf.owner(), &chain);
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
pub(crate) fn enter(turn: &mut Turn<'_>, own: &Identity, group_info: &[u8], leaf: &OwnLeaf, key: &Key) -> Result<Joined, CipherError> {
    let (psk, secret) = key;
    turn.cipher.share_psk(psk, secret.expose())?;
    turn.cipher.join_external(group_info, psk, leaf.leaf, &leaf.credential(own), leaf_lifetime(turn.stamp))
}

/// Lets a guest in, if their commit does nothing but that, and takes what they say first: it has to be said by the
/// leaf that came in. Answers that leaf as well. Errors leave the room as it was offered.
pub(crate) fn let_in<T>(
    turn: &mut Turn<'_>,
    room: RoomId,
    guest: &Guest<'_>,
    first_word: impl FnOnce(&mut Turn<'_>, LeafKey) -> Result<T, Rejected>,
) -> Result<(LeafOwner, T), Rejected> {
    let (psk, secret) = &guest.key;
    turn.cipher.share_psk(psk, secret.expose())?;
    let opened = turn.cipher.open(room, guest.commit);
    // Used up by the commit, or of no use.
    turn.cipher.unshare_psk(psk)?;
    let Opened::Commit(staged) = opened? else { return Err(DropReason::Malformed.into()) };
    let Some(leaf) = join_of(&staged, guest) else {
        turn.cipher.reject(room)?;
        return Err(DropReason::Forged.into());
    };
    turn.cipher.adopt(room, staged.epoch)?;
    match first_word(turn, leaf) {
        Ok(said) => {
            turn.cipher.complete(room)?;
            Ok((LeafOwner { leaf: PublicKeyBytes(leaf.0), chain: None, key: guest.leaf_key.clone() }, said))
        }
        Err(rejected) => {
            // The commit alone is worth nothing: back to the frozen offer.
            turn.cipher.rewind(room, staged.parent)?;
            Err(rejected)
        }
    }
}

/// The leaf of the guest, if a staged commit does nothing but let them in, from the offered epoch.
fn join_of(staged: &Staged, guest: &Guest<'_>) -> Option<LeafKey> {
    let [member] = staged.added.as_slice() else { return None };
    let is_join = staged.committer == Committer::External
        && staged.parent == guest.from
        && staged.removed.is_empty()
        && is_leaf_of(&member.credential, &member.leaf.0, guest.leaf_key, guest.device);
    is_join.then_some(member.leaf)
}
