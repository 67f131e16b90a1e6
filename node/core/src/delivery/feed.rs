//! Feeding a link: as many envelopes of the outbox as the window allows, in order.

use super::links::*;
use super::outbox::{self, OutboxRow};
use super::pump::{self, Gate, Looked, Way, Window};
use super::sealing::Sealer;
use crate::people::requests;
use crate::rows::Device;
use crate::seam::LinkId;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeMap;
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::SECOND;

/// Pause between two answers to a device that asks for everything again.
const AGAIN_PAUSE: u64 = SECOND;

/// A device's own node, by the link that is fed.
struct OnLink<'a> {
    state: &'a State,
    device: &'a Device,
    link: LinkId,
    gate: Gate,
    window: &'a mut Window<()>,
    sealer: &'a mut Sealer,
    sent: &'a mut BTreeMap<&'static str, u64>,
    /// The lanes that were looked at: of each, one page.
    read: [bool; 2],
}

impl Way for OnLink<'_> {
    fn limit(&mut self, lane: usize) -> usize {
        let has_unsent = self.device.channel.outbox_count > self.window.len() as u64;
        if has_unsent && self.read.get(lane) == Some(&false) { self.window.room() } else { 0 }
    }

    fn has_read(&mut self, lane: usize, _: usize) {
        if let Some(read) = self.read.get_mut(lane) {
            *read = true;
        }
    }

    fn put(&mut self, turn: &mut Turn<'_>, number: u64, row: &OutboxRow) -> Looked {
        if self.window.is_full() {
            return Looked::Waits;
        }
        let policy = row.owner.policy();
        if !self.gate.admits(self.state, &policy) || self.window.holds(&row.frame) {
            return Looked::Past;
        }
        if !outbox::has_way(row, self.device) || outbox::is_held(self.state, &self.device.device, row) {
            return Looked::Past;
        }
        let Some(row) = self.sealer.ready(turn, &self.device.device, number, row) else { return Looked::Waits };
        let Some(put) = outbox::put_for(&row, self.device) else { return Looked::Past };
        self.window.send(turn, self.link, put, number, &row, ());
        *self.sent.entry(policy.name).or_default() += 1;
        Looked::Past
    }
}

impl Delivery {
    /// Puts as many envelopes as the window allows.
    pub(super) fn feed(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let Some(row) = state.devices.get(device).filter(|_| pump::is_served(state, turn.now, device)) else { return Ok(()) };
        let session = self.sessions.entry(*device).or_default();
        let Some(link) = session.link else { return Ok(()) };
        let (proved, asked) = self.links.get(&link).map_or((false, false), |row| (row.proved, row.asked));
        if asked && !proved {
            return Ok(());
        }
        let gate = match proved {
            false => Gate::Newcomers,
            true if session.is_doubtful(requests::asking_since(state, &row.peer)) => Gate::Alone,
            true => Gate::Everything,
        };
        let (mut sealer, window) = (Sealer::of(row), &mut session.window);
        let mut way = OnLink { state, device: row, link, gate, window, sealer: &mut sealer, sent: &mut self.sent, read: [false; 2] };
        session.pump.run(turn, row, gate, &mut way)?;
        sealer.keep(state, turn, device);
        let (has_any, due) = (!session.window.is_empty(), session.receipt_due);
        let at = turn.now.after(self.patience(device));
        if has_any && due.is_none_or(|due| due > at) {
            self.expect_receipt(device, at);
        }
        self.await_proof(state, turn, device);
        Ok(())
    }

    /// A device asks to be put everything again. A small question with a large answer: one
    /// in a while is answered.
    pub fn asked_again(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let session = self.sessions.entry(*device).or_default();
        if session.again.is_some_and(|at| turn.now.since(at) < AGAIN_PAUSE) {
            return Ok(());
        }
        session.again = Some(turn.now);
        self.restart(state, turn, device)
    }

    /// The outbox has changed while rows of it were on their way: begins again on the same link.
    pub fn restart(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let session = self.sessions.entry(*device).or_default();
        session.begin_again();
        // A greeting kept for the next link may be of a room that is gone.
        session.hello = None;
        session.greet = session.link.is_some();
        self.await_no_receipt(device);
        self.wake(state, turn, device)?;
        self.greet(state, turn, device)
    }

    /// A room message of a device was opened: the room is alive on its side.
    pub fn heard_in_room(&mut self, state: &State, turn: &Turn<'_>, device: &DeviceId) {
        let session = self.sessions.entry(*device).or_default();
        let since = state.devices.get(device).and_then(|row| requests::asking_since(state, &row.peer));
        if session.is_doubtful(since) {
            self.waking.insert(*device);
        }
        // It came after the question, whatever a clock says that was set back meanwhile.
        session.heard = turn.now.max(since.unwrap_or_default());
    }

    /// Continues to put after receipts were handled.
    pub fn resume(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        self.feed(state, turn, device)?;
        self.greet(state, turn, device)
    }

    /// Something new lies in the outbox of a device: it is woken when the turn ends, once for all inputs.
    pub fn queued(&mut self, state: &State, device: DeviceId) {
        if state.devices.contains_key(&device) {
            self.waking.insert(device);
        }
    }

    /// Wakes all for whom the turn's inputs have left something.
    pub fn wake_all(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        for device in std::mem::take(&mut self.waking) {
            self.wake(state, turn, &device)?;
        }
        Ok(())
    }

    /// Rows of a device's outbox have changed: all are put again when the input ends.
    pub fn rows_changed(&mut self, state: &State, device: DeviceId) {
        if state.devices.contains_key(&device) {
            self.changed.insert(device);
        }
    }

    /// Puts again what has changed.
    pub fn follow(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        for device in std::mem::take(&mut self.changed) {
            self.restart(state, turn, &device)?;
        }
        Ok(())
    }

    /// A friend's places or keys were read again: anyone who is not reached is called at once.
    pub fn moved(&mut self, state: &State, turn: &Turn<'_>, device: &DeviceId) {
        let session = self.sessions.entry(*device).or_default();
        session.attempts = 0;
        if session.link.is_none() && session.dial.is_none() && wants_link(state, device) {
            self.schedule(device, turn.now);
        }
    }
}
