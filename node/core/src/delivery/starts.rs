//! Starts of other devices: which of them were heard, and when one comes back after another.
//! `docs/protocol/renewal.md`.

use crate::delivery::outbox;
use crate::limits::INSTANCES_HEARD_MAX;
use crate::notice::DeliveryNotice;
use crate::rows::Start;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::Standing;
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, Nonce};
use symbolon_presence::time::Timestamp;

/// When devices were last heard in another start than before; at most one moment for each. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Starts(BTreeMap<DeviceId, Timestamp>);

impl Starts {
    /// A device was heard in another start than before.
    pub fn note(&mut self, state: &State, id: &DeviceId, now: Timestamp) {
        if state.devices.contains_key(id) {
            self.0.insert(*id, now);
        }
    }

    /// A device is not known any more.
    pub fn forget(&mut self, id: &DeviceId) {
        self.0.remove(id);
    }

    /// A device has proved itself on a link that came up at this moment, in one of its starts.
    pub fn met(&self, state: &mut State, turn: &mut Turn<'_>, id: &DeviceId, instance: Nonce, since: Timestamp) -> Result<(), TurnFailed> {
        take_back(state, turn, id, instance)?;
        if self.0.get(id).is_none_or(|heard| *heard < since) {
            came_back(state, turn, id, instance);
        }
        Ok(())
    }
}

/// What waits for a start of a device that has ended is taken back.
fn take_back(state: &mut State, turn: &mut Turn<'_>, id: &DeviceId, instance: Nonce) -> Result<(), TurnFailed> {
    let Some(row) = state.devices.get(id) else { return Ok(()) };
    if row.instances.iter().flatten().last().is_some_and(|last| last.instance != instance) {
        // The run that named a way for it has ended, and with it the grant under which that is open.
        let (answer, question) = (row.channel.answering, row.channel.saying);
        if let Some(number) = answer {
            outbox::remove(state, turn, id, number);
        }
        if let Some(number) = question
            && outbox::row(turn, id, number)?.is_some_and(|row| row.via.is_some())
        {
            outbox::remove(state, turn, id, number);
            turn.tell(DeliveryNotice::QuestionLost(*id));
        }
    }
    Ok(())
}

/// Notes which start of a device was heard.
pub(crate) fn heard(state: &mut State, turn: &mut Turn<'_>, id: &DeviceId, said: &Standing, is_answer: bool) {
    let Some(row) = state.device_mut(id) else { return };
    let known = row.instances.get_or_insert_default();
    if !known.iter().any(|start| start.instance == said.instance) {
        let excess = known.len().saturating_sub(INSTANCES_HEARD_MAX - 1);
        known.drain(..excess);
        known.push(Start { instance: said.instance, started: said.started, over: None, word: Some(said.word) });
        row.asked_before = row.asked.clone();
        turn.tell(DeliveryNotice::StartHeard(*id));
        return;
    }
    let was_asked_before = |nonce| row.asked_before.as_ref().is_some_and(|before| before.contains(nonce));
    if is_answer && !said.answers.as_ref().is_some_and(was_asked_before) {
        came_back(state, turn, id, said.instance);
    }
}

/// One start of a device was at work after another one was heard: on a link that is newer, or by an
/// answer to a question that is. It runs beside that one, and both hear of each other. What is
/// older may only have come late, by a relay or a slow link.
fn came_back(state: &mut State, turn: &mut Turn<'_>, id: &DeviceId, instance: Nonce) {
    let Some(row) = state.device_mut(id) else { return };
    let Some(known) = row.instances.as_mut() else { return };
    let Some(last) = known.last().filter(|last| last.instance != instance).map(|last| last.instance) else { return };
    let Some(at) = known.iter().position(|start| start.instance == instance) else { return };
    let start = known.remove(at);
    known.push(Start { over: Some(last), ..start });
    row.asked_before = row.asked.clone();
    turn.tell(DeliveryNotice::StartCameBack(*id));
}
