//! When lifelines are said to friends, and when those of friends are used: when nothing else works.

use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::invites::lifelines;
use crate::limits::{LIFELINE_LOOK, LIFELINES_AT_ONCE, SWEEP_INTERVAL};
use crate::rooms;
use crate::rows::Friend;
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{Capabilities, Contact, RoomPayload, entry_is_of};
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::identity;
use symbolon_presence::time::Timestamp;

/// When something is to be done about lifelines.
#[derive(Debug, Default)]
pub(super) struct Lifelines {
    /// Friends may lack ours: when it is looked who.
    gives: Option<Timestamp>,
    /// When it is looked next who is found by nothing else.
    looks: Option<Timestamp>,
}

impl Lifelines {
    /// After a start everything else is tried first.
    pub fn start(&mut self, now: Timestamp) {
        *self = Self { gives: Some(now.after(1)), looks: Some(now.after(LIFELINE_LOOK)) };
    }

    /// Something has changed by which friends may lack a lifeline.
    pub fn changed(&mut self, now: Timestamp) {
        self.gives = self.gives.or(Some(now.after(1)));
    }

    /// When something is to be done.
    pub fn next_due(&self) -> Option<Timestamp> {
        [self.gives, self.looks].into_iter().flatten().min()
    }

    /// Whether it is time to look who is found by nothing else.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.looks.is_some_and(|at| at <= now)
    }

    /// It was looked; soon again where somebody was asked a moment ago.
    pub fn has_looked(&mut self, now: Timestamp, waits: bool) {
        self.looks = Some(now.after(if waits { LIFELINE_LOOK } else { SWEEP_INTERVAL }));
    }

    /// Says lifelines to friends who lack them, some in each input.
    pub fn give_some(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        if self.gives.is_none_or(|at| at > turn.now) || state.own.is_halted {
            return Ok(());
        }
        let mailboxes = lifelines::mailboxes(state);
        let is_due = |friend: &&Friend| takes(state, friend) && lifelines::is_due(state, friend, &mailboxes, turn.sure);
        let due: Vec<PeerId> = state.friends.values().filter(is_due).take(LIFELINES_AT_ONCE).map(|friend| friend.peer).collect();
        self.gives = (due.len() == LIFELINES_AT_ONCE).then(|| turn.now.after(1));
        for peer in due {
            say(state, turn, &peer)?;
        }
        Ok(())
    }
}

/// Whether a friend's build takes lifelines, and one can be said.
fn takes(state: &State, friend: &Friend) -> bool {
    let can = |device: &DeviceId| state.can(device, Capabilities::LIFELINES);
    state.may_seal(friend) && !friend.devices.is_empty() && friend.devices.iter().all(can)
}

fn say(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(room) = state.friends.get(peer).map(|friend| friend.room) else { return Ok(()) };
    let Some(contact) = lifelines::give(state, turn, peer, room) else { return Ok(()) };
    let sealed = rooms::say(turn, room, &RoomPayload::Lifeline(contact))?;
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Lifeline, &sealed);
    Ok(())
}

/// A friend's device has said its lifeline for us.
pub(crate) fn learn(state: &State, turn: &mut Turn<'_>, device: &identity::Device, contact: Contact) -> Result<(), Rejected> {
    if !entry_is_of(&contact.entry, device) {
        return Err(DropReason::Forged.into());
    }
    if state.devices.get(&device.device).is_some_and(|row| row.entry.mailbox == contact.entry.mailbox) {
        lifelines::note(turn, &device.device, |held| held.contact = Some(contact))?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
