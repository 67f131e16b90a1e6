//! Who is behind is given the commits that they lack, by anyone who has them.
//!
//! A commit is in its maker's outboxes until each member has it. If the maker is gone for good, others have it.

use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::rows::{Inner, KeptCommit};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use crate::wire::{Capabilities, Known, Piece};
use crate::world::{RANGE_LIMIT, Sealed};
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, EpochId, RoomId};

/// Commits given for one question; who lacks more asks again.
const AT_ONCE: usize = 32;
/// With more than this waiting for a device, it is given nothing.
const WAITING_MAX: u64 = 256;

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
    if known.epoch == group.epoch {
        return Ok(());
    }
    let mut behind: BTreeMap<EpochId, (EpochId, Vec<u8>)> = BTreeMap::new();
    for (key, bytes) in turn.range(Table::Commit, room.as_bytes(), RANGE_LIMIT)? {
        let Some(epoch) = key.strip_prefix(room.as_bytes().as_slice()).and_then(EpochId::from_slice) else { break };
        let row: KeptCommit = decode_row(&bytes)?;
        behind.insert(epoch, (row.parent, row.bytes));
    }
    // Back from the present epoch to the one that is named.
    let (mut at, mut path) = (group.epoch, Vec::new());
    while at != known.epoch {
        let Some((parent, bytes)) = behind.remove(&at) else { break };
        path.push((parent, bytes));
        at = parent;
    }
    if at != known.epoch {
        // It is on a branch that nobody has shown here: it is shown this one, as far back as this device would go.
        path.retain(|(parent, _)| state.groups.steps_of(&room).any(|step| step.parent == *parent));
    }
    for (parent, bytes) in path.into_iter().rev().take(AT_ONCE) {
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
