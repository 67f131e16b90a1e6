//! Who is behind is given the commits that they lack, by anyone who has them.
//!
//! A commit is in its maker's outboxes until each member has it. If the maker is gone for good, others have it.

use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::notice::GroupsNotice;
use crate::rows::{Inner, KeptCommit, commit_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use crate::wire::{Capabilities, Known, Piece};
use crate::world::Sealed;
use std::collections::VecDeque;
use symbolon_presence::id::{DeviceId, EpochId, RoomId};
use symbolon_presence::time::Timestamp;

/// Commits given for one question; who lacks more asks again.
const AT_ONCE: usize = 32;
/// With more than this waiting for a device, it is given nothing.
const WAITING_MAX: u64 = 256;
/// Rows of commits read together: one may be as long as 300 KB.
const PAGE: usize = 16;
/// So far back an answer goes: all that is kept in 90 days of the busiest room is less.
const BACK_MAX: usize = 8_192;

/// A commit that is kept, without its bytes.
pub(super) struct Kept {
    pub epoch: EpochId,
    pub number: u64,
    pub size: usize,
    pub at: Timestamp,
}

/// All commits of a room that are kept, page by page.
pub(super) fn kept(turn: &Turn<'_>, room: &RoomId) -> Result<Vec<Kept>, TurnFailed> {
    let (mut all, mut from) = (Vec::new(), room.as_bytes().to_vec());
    loop {
        let page = turn.range(Table::Commit, &from, PAGE)?;
        for (key, bytes) in &page {
            let Some(epoch) = key.strip_prefix(room.as_bytes().as_slice()).and_then(EpochId::from_slice) else { return Ok(all) };
            let row: KeptCommit = decode_row(bytes)?;
            all.push(Kept { epoch, number: row.number, size: bytes.len(), at: row.at });
        }
        let Some((last, _)) = page.last() else { return Ok(all) };
        from = [last.as_slice(), &[0]].concat();
    }
}

/// The epochs of the commits that are to be given, the oldest first: the first ones behind `from` on the way to the present one; if that
/// is on a branch that nobody has shown here, those of this branch that may give way.
fn path(state: &State, turn: &Turn<'_>, room: &RoomId, (present, from): (EpochId, EpochId)) -> Result<Vec<EpochId>, TurnFailed> {
    let (mut at, mut behind, mut may_give_way) = (present, VecDeque::new(), Vec::new());
    for _ in 0..BACK_MAX {
        if at == from {
            return Ok(behind.into());
        }
        // Row by row: they are many, and few of them are given.
        let Some(KeptCommit { parent, .. }) = turn.row(Table::Commit, &commit_key(room, &at))? else { break };
        behind.push_front(at);
        behind.truncate(AT_ONCE);
        if state.groups.steps_of(room).any(|step| step.parent == parent) {
            may_give_way.push(at);
        }
        at = parent;
    }
    may_give_way.reverse();
    Ok(may_give_way)
}

/// A frame has come of an epoch to which a room has not come here.
pub(crate) fn note_behind(turn: &mut Turn<'_>, room: RoomId) {
    turn.tell(GroupsNotice::Behind(room));
}

/// Asks a device whose frame is of an epoch that this one has not come to for the commits since.
pub(crate) fn ask(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, room: &RoomId) {
    let Some(epoch) = state.groups.rooms.get(room).map(|group| group.epoch) else { return };
    let nothing = Sealed { epoch, bytes: Vec::new() };
    if let Some(inner) = Inner::around(*room, &nothing, None).filter(|_| outbox::has_room(state, device)) {
        outbox::enqueue_unordered(state, turn, device, *room, EnvelopeOwner::Since, inner);
    }
}

/// Gives a device the commits of the branch that stands here, from the epoch on that it names.
pub(super) fn answer(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, known: &Known) -> Result<(), TurnFailed> {
    let room = known.room;
    // What is given waits for the device like anything else: who asks and takes nothing is not given more.
    if state.devices.get(device).is_none_or(|row| row.channel.outbox_count > WAITING_MAX) {
        return Ok(());
    }
    let Some(group) = state.groups.rooms.get(&room).filter(|group| group.roster.device(device).is_some()) else { return Ok(()) };
    let present = group.epoch;
    if known.epoch == present {
        return Ok(());
    }
    let peer = state.devices.get(device).map(|row| row.peer);
    if !peer.is_some_and(|peer| state.rates.since(turn.now, peer)) {
        return Ok(());
    }
    for epoch in path(state, turn, &room, (present, known.epoch))? {
        let Some(KeptCommit { parent, bytes, .. }) = turn.row(Table::Commit, &commit_key(&room, &epoch))? else { break };
        let parts = Piece::split(&bytes);
        let more = u64::try_from(parts.len()).unwrap_or(u64::MAX);
        let is_long = parts.len() > 1;
        if !outbox::has_room_for(state, device, more) || (is_long && !state.can(device, Capabilities::PIECES)) {
            break;
        }
        for part in parts {
            if let Some(inner) = Inner::part(room, parent, None, part) {
                outbox::enqueue_unordered(state, turn, device, room, EnvelopeOwner::Since, inner);
            }
        }
        if is_long {
            // Who asks puts together one at a time.
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
