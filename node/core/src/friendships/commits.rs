//! Own commits: both devices of a friendship renew their keys in its room from time to time.
//!
//! Anyone who has read a device once reads on until it has renewed its keys, and the other side its own: so a theft that
//! nobody has noticed heals. A commit is an ordered frame. Its maker stays in the old epoch until the other side has taken it:
//! a receipt says so, or a frame of the new epoch. So no text is ever sealed in an epoch that gives way. Of two commits that
//! cross, both sides take the one of lower rank; the other one is made again later. `docs/protocol/rooms.md`.

use super::bundle::fresh_seed;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::{COMMIT_FRAMES, COMMIT_PACE};
use crate::rooms::{self, order};
use crate::rows::{Commits, Friend, Members, ROOM_LANE, Room};
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::Capabilities;
use crate::world::{Sealed, Staged};
use rand_core::Rng;
use symbolon_presence::id::{DeviceId, EpochId, PeerId, RoomId};

/// Makes the commits that are due. Towards somebody who is away it waits: a commit is made only when the other side was heard
/// in the present epoch, so that nobody who comes back has more than one to take in.
pub(crate) fn look_to_commits(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let due = state.rooms.values().filter(|row| is_due(state, turn, row)).map(|row| row.room).take(AT_ONCE);
    for room in due.collect::<Vec<_>>() {
        make(state, turn, &room)?;
    }
    Ok(())
}

/// Most commits made in one sweep; the others follow in the next one.
const AT_ONCE: usize = 16;

fn is_due(state: &State, turn: &Turn<'_>, row: &Room) -> bool {
    let Some(commits) = row.commits.filter(|commits| commits.pending.is_none() && commits.is_heard) else { return false };
    let friend = friend_of(state, row).filter(|friend| friend.room == row.room && state.may_seal(friend));
    let Some(friend) = friend else { return false };
    let sent = friend.devices.iter().map(|device| order::sent(state, device, &row.room)).max().unwrap_or_default();
    let is_time = turn.sure >= commits.due || sent >= commits.due_sequence;
    // The commit, and the seed behind it.
    let may = |device: &DeviceId| state.can(device, Capabilities::COMMITS) && outbox::has_room_for(state, device, 2);
    is_time && state.own.capabilities.has(Capabilities::COMMITS) && !friend.devices.is_empty() && friend.devices.iter().all(may)
}

fn friend_of<'a>(state: &'a State, row: &Room) -> Option<&'a Friend> {
    match row.members {
        Members::Friend(peer) => state.friends.get(&peer),
        Members::Devices(_) => None,
    }
}

fn make(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    let Some(made) = rooms::commit(turn, *room)? else {
        put_off(state, turn, room);
        return Ok(());
    };
    let from = rooms::members(state, room).iter().filter_map(|device| Some(state.devices.get(device)?.channel.outbox_next)).min();
    let sealed = Sealed { epoch: made.parent, bytes: made.commit };
    outbox::enqueue_room(state, turn, *room, &EnvelopeOwner::Commit(*room, made.epoch), &sealed);
    state.change_commits(turn, room, |commits| {
        commits.pending = Some(made.epoch);
        commits.from = from;
    });
    Ok(())
}

/// The other side has taken a commit of ours that leads to this epoch, or speaks there: we continue in it. What is said there first
/// is a seed, which somebody who has read the old epoch does not hear.
pub(crate) fn commit_taken(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, epoch: EpochId) -> Result<(), TurnFailed> {
    if pending(state, room) != Some(epoch) {
        return Ok(());
    }
    if !rooms::follow(turn, *room, epoch)? {
        rooms::drop_commits(turn, *room)?;
        wait(state, turn, room);
        return Ok(());
    }
    put_off(state, turn, room);
    match friend_in(state, room) {
        Some(peer) => fresh_seed(state, turn, &peer),
        None => Ok(()),
    }
}

/// The other side does not take a commit of ours: its own stands. Ours is made again once it was heard behind that.
pub(crate) fn commit_refused(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, epoch: EpochId) -> Result<(), TurnFailed> {
    if pending(state, room) != Some(epoch) {
        return Ok(());
    }
    rooms::drop_commits(turn, *room)?;
    wait(state, turn, room);
    Ok(())
}

/// An ordered frame of another member was opened.
pub(crate) fn heard_in_epoch(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, epoch: EpochId) {
    let Some(row) = state.rooms.get(room).filter(|row| matches!(row.members, Members::Friend(_))) else { return };
    if row.commits.is_some_and(|commits| commits.is_heard) || rooms::epoch(turn, *room) != Some(epoch) {
        return;
    }
    if row.commits.is_none() {
        let row = Room { commits: Some(drawn(state, turn, room)), ..row.clone() };
        state.save_room(turn, row);
    }
    state.change_commits(turn, room, |commits| commits.is_heard = true);
}

/// Takes in a commit of a device in a room of theirs. Errors change nothing that counts.
pub(crate) fn receive_commit(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &RoomId,
    device: &DeviceId,
    staged: &Staged,
) -> Result<(), Rejected> {
    let maker = rooms::updater(turn, *room, staged).and_then(|member| state.speaker(room, &member, turn.sure));
    if maker.is_none_or(|maker| maker.device != *device) || rooms::friend_in(state, room).is_none() {
        // It stays staged and counts nowhere: to drop it would drop one of ours that is on its way.
        return Err(DropReason::Forged.into());
    }
    let ours = pending(state, room);
    if ours.is_some() && rooms::outranks(turn, *room, staged) {
        return Err(DropReason::Outranked.into());
    }
    if !rooms::follow(turn, *room, staged.epoch)? {
        return Err(DropReason::Cipher.into());
    }
    if let Some(epoch) = ours {
        give_way(state, turn, room, epoch)?;
    }
    // Ours, if there was one, is due still.
    wait(state, turn, room);
    Ok(())
}

/// A commit of ours leads nowhere: nobody can open it any more. What stands behind it must be opened.
fn give_way(state: &State, turn: &mut Turn<'_>, room: &RoomId, epoch: EpochId) -> Result<(), TurnFailed> {
    let owner = EnvelopeOwner::Commit(*room, epoch);
    let from = state.rooms.get(room).and_then(|row| row.commits?.from).unwrap_or(ROOM_LANE);
    for device in rooms::members(state, room) {
        if let Some((number, row)) = outbox::of_owner(turn, &device, &owner, from)? {
            outbox::skip(turn, *room, &device, number, row)?;
        }
    }
    Ok(())
}

fn pending(state: &State, room: &RoomId) -> Option<EpochId> {
    state.rooms.get(room)?.commits?.pending
}

fn friend_in(state: &State, room: &RoomId) -> Option<PeerId> {
    let row = state.rooms.get(room)?;
    friend_of(state, row).filter(|friend| friend.room == *room).map(|friend| friend.peer)
}

/// No commit of ours is on its way, and none is made before the other side was heard.
fn wait(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) {
    state.change_commits(turn, room, |commits| {
        commits.pending = None;
        commits.is_heard = false;
    });
}

/// The next commit has its time from now on.
fn put_off(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) {
    let next = drawn(state, turn, room);
    state.change_commits(turn, room, |commits| *commits = next);
}

fn drawn(state: &State, turn: &mut Turn<'_>, room: &RoomId) -> Commits {
    let mut around = |pace: u64| pace / 2 + turn.rng.next_u64() % pace;
    let (time, frames) = (around(COMMIT_PACE), around(COMMIT_FRAMES));
    let sent = rooms::members(state, room).iter().map(|device| order::sent(state, device, room)).max().unwrap_or_default();
    Commits { due: turn.sure.after(time), due_sequence: sent.saturating_add(frames), pending: None, is_heard: false, from: None }
}
