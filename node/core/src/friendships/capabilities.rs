//! What builds can: said by each device to a friend's devices, once for each room.
//!
//! Frames that only later builds understand go to nobody else. A build that does not know of this refuses it, so it is said
//! again after each start, and as soon as the other side says it first.

use crate::delivery::notices;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::rooms::{self, order};
use crate::rows::Shown;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{Capabilities, RoomPayload};
use symbolon_presence::id::{DeviceId, PeerId};

/// Says to a friend's devices what this build takes, if they do not know it.
pub(crate) fn show(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).filter(|friend| state.may_seal(friend)) else { return Ok(()) };
    let (room, devices) = (friend.room, friend.devices.clone());
    let ours = state.own.capabilities;
    let shown = Some(Shown { room, capabilities: ours });
    if devices.iter().all(|device| state.devices.get(device).is_none_or(|row| row.shown == shown)) {
        return Ok(());
    }
    let sealed = rooms::say(turn, room, &RoomPayload::Capabilities(ours))?;
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Capabilities, &sealed);
    for device in &devices {
        if let Some(row) = state.device_mut(device) {
            row.shown = shown;
        }
    }
    Ok(())
}

/// After a start: a device that did not take it may have another build by now.
pub(crate) fn show_all(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    for peer in state.friends.keys().copied().collect::<Vec<_>>() {
        show(state, turn, &peer)?;
    }
    Ok(())
}

/// A device did not take it.
pub(crate) fn not_shown(state: &mut State, device: &DeviceId) {
    if let Some(row) = state.device_mut(device) {
        row.shown = None;
    }
}

/// A device has said what its build takes. So it takes this, too.
pub(crate) fn show_back(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, theirs: Capabilities) -> Result<(), TurnFailed> {
    let Some(row) = state.device_mut(device) else { return Ok(()) };
    let peer = row.peer;
    let is_news = row.capabilities.replace(theirs) != Some(theirs);
    if is_news && order::has_held(state, device) {
        notices::rows_changed(turn, device);
    }
    show(state, turn, &peer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{Person, in_turn};
    use crate::rooms;

    #[test]
    fn a_device_is_shown_once_in_each_room_what_this_build_takes_and_again_if_it_did_not_take_that() {
        in_turn(|state, turn| {
            let friend = Person::new(state, turn, 1);
            let (peer, device) = (friend.device.peer, friend.device.device);
            let waiting = |state: &State| state.devices.get(&device).unwrap().channel.outbox_count;
            let mut said = 0;
            for _ in 0..2 {
                let me = state.own.identity.clone();
                let (room, _) = rooms::create_for(turn, &me).unwrap();
                state.friends.get_mut(&peer).unwrap().room = room;
                rooms::register(state, turn, peer, room, room);
                for _ in 0..2 {
                    show(state, turn, &peer).unwrap();
                }
                said += 1;
                assert_eq!(waiting(state), said, "once in this room");
            }
            not_shown(state, &device);
            show_all(state, turn).unwrap();
            assert_eq!(waiting(state), said + 1);
            assert!(!state.can(&device, Capabilities::COMMITS));

            show_back(state, turn, &device, Capabilities(1 | 1 << 40)).unwrap();
            assert_eq!(waiting(state), said + 1, "it knows already");
            assert!(state.can(&device, Capabilities::COMMITS) && !state.can(&device, Capabilities::PIECES));
            not_shown(state, &device);
            show_back(state, turn, &device, Capabilities(1)).unwrap();
            assert_eq!(waiting(state), said + 2, "it takes it now");
        });
    }
}
