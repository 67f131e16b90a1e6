//! One device of a friend is shut out: its friendship ends, its keys are refused, the friend's other devices stay.

use super::{removal, speak};
use crate::command::CommandError;
use crate::delivery::owner::EnvelopeOwner;
use crate::people::persons;
use crate::rows::{Barred, Friend, FriendState};
use crate::state::State;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::OwnSaid;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::identity::Chain;

/// Shuts out one device of a friend, here and at our other devices.
pub(crate) fn shut_out(state: &mut State, turn: &mut Turn<'_>, head: &PeerId, device: &DeviceId) -> Result<(), Failed> {
    let stands = |row: &PeerId| state.friends.get(row).filter(|friend| friend.state != FriendState::Ended);
    let rows: Vec<&Friend> = persons::rows_of(state, head).iter().filter_map(stands).collect();
    let peer = rows.iter().find(|row| row.devices.contains(device)).map(|row| row.peer).ok_or(CommandError::NotFound)?;
    if rows.len() < 2 {
        return Err(CommandError::OnlyDevice.into());
    }
    let chain = state.devices.get(device).map(|row| row.chain.clone()).ok_or(CommandError::NotFound)?;
    state.bar_device(turn, device, Barred { person: persons::person_of(state, &peer), peer, is_said: None });
    removal::end(state, turn, &peer)?;
    Ok(say(state, turn, &chain)?)
}

fn say(state: &mut State, turn: &mut Turn<'_>, chain: &Chain) -> Result<(), TurnFailed> {
    let ready: Vec<Friend> = persons::siblings(state).filter(|friend| speak::is_ready(state, friend)).cloned().collect();
    let others = speak::others(state, &ready);
    speak::hear_later(state, turn, &others, |row| &mut row.told);
    for friend in ready {
        speak::say(state, turn, &friend, &OwnSaid::Barred(chain.clone()), EnvelopeOwner::Own)?;
    }
    Ok(())
}

/// Another device of ours has shut a friend's device out.
pub(super) fn heard(state: &mut State, turn: &mut Turn<'_>, chain: &Chain) -> Result<(), Rejected> {
    let device = chain.verify_known(turn.sure).map_err(|_| DropReason::Forged)?;
    if device.person == state.own.person() {
        return Err(DropReason::Forged.into());
    }
    removal::bar(state, turn, &device);
    Ok(removal::end(state, turn, &device.peer)?)
}
