//! What time brings: epochs become final, what was lost is said again.

use super::order::{self, Ear};
use super::{epochs, knocks, questions, seats, since, welcome};
use crate::limits::{COMMIT_LIFE, COMMITS_OF_ROOM_BYTES};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::{DeviceId, PeerId, RoomId};

/// Looks at all rooms.
pub(crate) fn sweep(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    for room in state.groups.rooms.keys().copied().collect::<Vec<_>>() {
        settle(state, turn, &room)?;
        drop_commits(turn, &room)?;
        questions::sweep(state, turn, &room)?;
        seats::end(state, turn, &room)?;
        knocks::sweep(state, turn, &room);
    }
    welcome::sweep(state, turn)?;
    let own = state.own.identity.device;
    let waiting: Vec<DeviceId> = state.groups.invitations.keys().map(|(_, device)| *device).filter(|device| *device != own).collect();
    for device in waiting {
        welcome::say_again(state, turn, &device)?;
    }
    Ok(())
}

/// Settles the epochs of a room that do not come back any more, the oldest first.
fn settle(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    loop {
        let steps: Vec<(u64, PeerId)> = state.groups.steps_of(room).map(|step| (step.number, step.by)).collect();
        let Some(step) = state.groups.steps_of(room).next() else { return Ok(()) };
        let later: Vec<PeerId> = steps.iter().skip(1).map(|(_, by)| *by).collect();
        // Whom this device has heard past an epoch is not kept yet: time and later commits decide.
        let ears: Vec<Ear> = step.roster.leaves.iter().map(|_| Ear { past: false, unheard: 0 }).collect();
        let age = turn.sure.since(step.at);
        if !order::is_final(&later, &ears, age) {
            return Ok(());
        }
        let number = step.number;
        epochs::settle(state, turn, room, number)?;
    }
}

/// Forgets commits that nobody is to be given any more: those that are too old, then the oldest beyond so many bytes.
pub(super) fn drop_commits(turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    let mut kept = since::kept(turn, room)?;
    kept.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.number));
    let mut sum = 0usize;
    for commit in kept {
        sum = sum.saturating_add(commit.size);
        if turn.sure.since(commit.at) >= COMMIT_LIFE || sum > COMMITS_OF_ROOM_BYTES {
            State::drop_commit(turn, room, &commit.epoch);
        }
    }
    Ok(())
}
