//! Blocking a person, and taking that back.

use super::bundle::send_bundle;
use super::room::withdraw_standings;
use super::status::set_status;
use crate::command::{CommandError, Direction, RequestStatus};
use crate::delivery::notices;
use crate::invites::{grants, lifelines};
use crate::notice::FriendshipsNotice;
use crate::people;
use crate::presence;
use crate::state::State;
use crate::turn::{Failed, Turn};
use symbolon_presence::id::{PeerId, RequestId};

/// Blocks or unblocks a friend: its links close, nothing of it is taken, nothing is sent.
pub(crate) fn set_blocked(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, blocked: bool) -> Result<(), Failed> {
    let keys = people::keys_of_person(state, peer);
    if blocked {
        state.block_keys(turn, &keys)?;
        turn.tell(FriendshipsNotice::Parted(*peer));
        presence::revoke(state, turn, peer);
        grants::block(state, turn, peer);
        lifelines::withdraw(state, turn, peer);
        withdraw_standings(state, turn, peer);
    } else {
        for key in keys {
            state.unblock_key(turn, &key);
        }
        grants::unblock(state, turn, peer);
        for device in people::devices_of(state, peer) {
            turn.tell(FriendshipsNotice::Befriended(device));
            notices::queued(turn, &device);
        }
    }
    people::update(state, turn, peer, |friend| friend.blocked = blocked)?;
    if !blocked {
        send_bundle(state, turn, peer)?;
    }
    Ok(())
}

/// Refuses a request for good: its sender, by root and by every key in its Offer.
pub(crate) fn block(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    let allowed =
        row.direction == Direction::In && matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Blocked);
    if !allowed {
        return Err(CommandError::WrongStatus.into());
    }
    let peer = row.peer;
    set_blocked(state, turn, &peer, true)?;
    Ok(set_status(state, turn, id, RequestStatus::Blocked)?)
}

/// Takes a block back; the request is ignored then, and can be accepted.
pub(crate) fn unblock(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    if row.status != RequestStatus::Blocked {
        return Err(CommandError::WrongStatus.into());
    }
    let peer = row.peer;
    set_blocked(state, turn, &peer, false)?;
    Ok(set_status(state, turn, id, RequestStatus::Ignored)?)
}
