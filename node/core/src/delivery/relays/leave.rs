//! Leaving envelopes at relays, as far as windows allow.

use super::super::outbox::{self, OutboxRow};
use super::super::pump::{self, Gate, Looked, Stopped, Way};
use super::super::sealing::Sealer;
use super::sessions::*;
use crate::limits::RECEIPT_TIMEOUT;
use crate::people::requests;
use crate::rows::{Device, RelayKey};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::RelayMailbox;
use std::collections::BTreeSet;
use symbolon_presence::id::DeviceId;

/// A device's mailboxes at relays.
struct AtRelays<'a> {
    relays: &'a mut Relays,
    state: &'a State,
    device: &'a Device,
    /// How many rows the next look takes.
    limit: usize,
    /// The relays that a row waits for.
    calls: &'a mut BTreeSet<RelayKey>,
    sealer: &'a mut Sealer,
    /// Whether a row lies nowhere.
    is_one_nowhere: bool,
}

impl Way for AtRelays<'_> {
    fn limit(&mut self, _: usize) -> usize {
        if self.relays.budget == 0 { 0 } else { std::mem::replace(&mut self.limit, PAGE) }
    }

    fn has_read(&mut self, _: usize, rows: usize) {
        self.relays.budget = self.relays.budget.saturating_sub(rows.max(1));
    }

    /// Leaves one envelope at a relay, unless a good copy lies there.
    fn put(&mut self, turn: &mut Turn<'_>, number: u64, row: &OutboxRow) -> Looked {
        let Self { relays, state, device, .. } = self;
        if row.stored.is_some() || relays.sessions.values().any(|session| session.window.holds(&row.frame)) {
            return Looked::Past;
        }
        if outbox::is_held(state, &device.device, row) {
            return Looked::Past;
        }
        let revision = revision_of(state, &device.device);
        let relay_mailboxes = relays.open_to(turn, device, row, revision);
        if relay_mailboxes.is_empty() {
            self.is_one_nowhere = true;
            return Looked::Past;
        }
        for mailbox in &relay_mailboxes {
            let key = key_of(mailbox);
            if relays.is_new_to(state, &key) {
                continue;
            }
            let Some(session) = relays.sessions.get_mut(&key) else { continue };
            let Some(link) = session.link.filter(|_| session.full_until.is_none_or(|until| until <= turn.now)) else { continue };
            if session.window.is_full() {
                return Looked::Waits;
            }
            let Some(row) = self.sealer.ready(turn, &device.device, number, row) else { return Looked::Waits };
            let Some(put) = outbox::put_at(&row, mailbox) else { continue };
            let note = Left { device: device.device, revision, asks: row.owner.policy().asks.is_some() };
            session.window.send(turn, link, put, number, &row, note);
            session.deadline = Some(turn.now.after(RECEIPT_TIMEOUT));
            *relays.sent.entry("deposit").or_default() += 1;
            return Looked::Past;
        }
        for mailbox in relay_mailboxes {
            self.calls.insert(key_of(mailbox));
            relays.call(turn, mailbox);
        }
        Looked::Waits
    }
}

impl Relays {
    /// A device cannot be reached directly, or something new lies in its outbox.
    pub fn wait(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        self.away.insert(*device);
        self.progress.entry(*device).or_default().rests = false;
        self.budget = ROWS_AT_ONCE;
        self.pump_device(state, turn, device)
    }

    /// Leaves what waits for unreachable devices at their relays, as far as windows allow. A
    /// bounded number of rows is looked at; what is left of them is, soon after.
    pub fn pump(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        self.budget = ROWS_AT_ONCE;
        let mut devices: Vec<DeviceId> = self.waiting().map(|(device, _)| *device).collect();
        let first = self.resume.take().map_or(0, |resume| devices.partition_point(|device| *device < resume));
        devices.rotate_left(first);
        for device in devices {
            if self.budget == 0 {
                self.go_on_soon(turn, device);
                break;
            }
            self.pump_device(state, turn, &device)?;
        }
        Ok(())
    }

    fn go_on_soon(&mut self, turn: &Turn<'_>, device: DeviceId) {
        self.resume = Some(device);
        self.more.get_or_insert(turn.now.after(1));
    }

    fn pump_device(&mut self, state: &mut State, turn: &mut Turn<'_>, id: &DeviceId) -> Result<(), TurnFailed> {
        let Some(device) = state.devices.get(id).filter(|_| pump::is_served(state, turn.now, id)) else {
            self.reached(id);
            return Ok(());
        };
        let Some(mut progress) = self.progress.remove(id) else { return Ok(()) };
        // While we ask a friend again, the old room is doubtful: its frames wait.
        let gate = if requests::asking_since(state, &device.peer).is_some() { Gate::FirstLane } else { Gate::Everything };
        // Of one that waited before, first its next row alone: most wait still.
        let limit = if std::mem::take(&mut progress.calls).is_empty() { PAGE } else { 1 };
        let mut sealer = Sealer::of(device);
        let calls = &mut progress.calls;
        let mut way = AtRelays { relays: self, state, device, limit, calls, sealer: &mut sealer, is_one_nowhere: false };
        let stopped = progress.pump.run(turn, device, gate, &mut way)?;
        progress.again |= way.is_one_nowhere;
        sealer.keep(state, turn, id);
        match stopped {
            Stopped::Waiting => {}
            Stopped::Early => self.go_on_soon(turn, *id),
            // All of it lies at a relay, is on its way there, or has no relay to lie at: nobody is
            // called for it. What comes new, or must be left again, begins it once more.
            Stopped::AtEnd if progress.again || gate != Gate::Everything => return Ok(()),
            Stopped::AtEnd => progress.rests = true,
        }
        self.progress.insert(*id, progress);
        Ok(())
    }

    /// The mailboxes of a device in which a row may be left.
    fn open_to<'a>(&self, turn: &Turn<'_>, device: &'a Device, row: &'a OutboxRow, revision: Option<u64>) -> Vec<&'a RelayMailbox> {
        let is_closed = |mailbox: &&RelayMailbox| {
            let key = key_of(mailbox);
            let session = self.sessions.get(&key);
            // An invite's key has nothing to do with that of friends.
            let said = session.and_then(|session| session.stale.get(&device.device)).filter(|_| row.via.is_none());
            let is_stale = said.is_some_and(|(known, until)| *known == revision && *until > turn.now);
            let is_unkept = session.is_some_and(|session| session.unkept.contains_key(&device.device));
            is_stale || is_unkept || self.is_replaced(turn.now, &key)
        };
        outbox::relay_mailboxes_of(row, device).iter().filter(|mailbox| !is_closed(mailbox)).collect()
    }
}
