//! How a device speaks to another one of the person, and to those of friends: when it may, and how much of what is stored goes into one frame.

use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::rooms;
use crate::rows::{Friend, Sibling, Told, conversation_of};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{Capabilities, OwnSaid, RoomPayload};
use std::cmp::Ordering;
use symbolon_presence::id::{PeerId, RoomId};

/// Whether something may be said now to a device that takes several devices of one person.
pub(super) fn is_ready(state: &State, friend: &Friend) -> bool {
    state.may_seal(friend) && has_room(state, friend)
}

fn has_room(state: &State, friend: &Friend) -> bool {
    let takes = |device| state.can(device, Capabilities::DEVICES) && outbox::has_room_for(state, device, 64);
    !friend.devices.is_empty() && friend.devices.iter().all(takes)
}

/// The other devices of ours that cannot hear something now: all but these.
pub(super) fn others(state: &State, ready: &[Friend]) -> Vec<PeerId> {
    let is_ready = |peer: &PeerId| ready.iter().any(|friend| friend.peer == *peer);
    state.siblings.values().filter(|row| row.gone.is_none() && !is_ready(&row.peer)).map(|row| row.peer).collect()
}

/// Those who cannot hear what is new hear everything of that kind once they can.
pub(super) fn hear_later(state: &mut State, turn: &mut Turn<'_>, others: &[PeerId], told: fn(&mut Sibling) -> &mut Option<Told>) {
    for peer in others {
        if state.siblings.get_mut(peer).is_some_and(|row| told(row).is_some()) {
            state.change_sibling(turn, peer, |row| *told(row) = None);
        }
    }
}

/// Whether an envelope waits for another device of ours, among those that stand in an order.
pub(super) fn waits(
    state: &State,
    turn: &Turn<'_>,
    peer: &PeerId,
    order: impl Fn(&EnvelopeOwner) -> Option<Ordering>,
) -> Result<bool, TurnFailed> {
    for device in state.friends.get(peer).into_iter().flat_map(|friend| friend.devices.iter()) {
        if outbox::find(state, turn, device, &order)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Says something to it.
pub(super) fn say(state: &mut State, turn: &mut Turn<'_>, friend: &Friend, said: &OwnSaid, owner: EnvelopeOwner) -> Result<(), TurnFailed> {
    let sealed = rooms::say(turn, friend.room, &RoomPayload::Own(Box::new(said.clone())))?;
    outbox::enqueue_room(state, turn, friend.room, &owner, &sealed);
    Ok(())
}

/// Says something else that stands in the room of a friendship.
pub(super) fn say_in_room(state: &mut State, turn: &mut Turn<'_>, friend: &Friend, payload: &RoomPayload) -> Result<(), TurnFailed> {
    let sealed = rooms::say(turn, friend.room, payload)?;
    outbox::enqueue_room(state, turn, friend.room, &EnvelopeOwner::Own, &sealed);
    Ok(())
}

/// What is picked from an arrival number on, as much as fits, and the next number. What is picked says its length in bytes.
pub(super) fn page_from<T>(
    state: &State,
    turn: &Turn<'_>,
    from: u64,
    (most, most_bytes): (usize, usize),
    pick: impl Fn(&Turn<'_>, &RoomId, u64) -> Result<Option<(usize, T)>, TurnFailed>,
) -> Result<(Vec<T>, u64), TurnFailed> {
    let (mut texts, mut bytes) = (Vec::new(), 0);
    let end = state.counters.arrival.min(from.saturating_add(4 * most as u64));
    for arrival in from..end {
        if texts.len() >= most || bytes >= most_bytes {
            return Ok((texts, arrival));
        }
        let Some(conversation) = conversation_of(turn, arrival)? else { continue };
        let Some((length, text)) = pick(turn, &conversation, arrival)? else { continue };
        bytes += length;
        texts.push(text);
    }
    Ok((texts, from.max(end)))
}
