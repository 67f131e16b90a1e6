//! Leaving envelopes at relays, as far as windows allow.

use super::super::outbox::{self, FIRST_ROWS, OutboxRow};
use super::sessions::*;
use crate::limits::{RECEIPT_TIMEOUT, WINDOW, WINDOW_BYTES};
use crate::people::{self, requests};
use crate::rows::ROOM_LANE;
use crate::seam::NetAction;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::RelayMailbox;
use symbolon_presence::id::DeviceId;
use symbolon_relay::frame::Frame;

impl Relays {
    /// A device cannot be reached directly, or something new lies in its outbox.
    pub fn wait(&mut self, state: &State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        self.away.insert(*device);
        let cursors = self.done.remove(device).unwrap_or(FIRST_ROWS);
        self.waiting.entry(*device).or_insert_with(|| Progress { cursors, ..Progress::default() });
        self.budget = ROWS_AT_ONCE;
        self.pump_device(state, turn, device)
    }

    /// Leaves what waits for unreachable devices at their relays, as far as windows allow. A
    /// bounded number of rows is looked at; what is left of them is, soon after.
    pub fn pump(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        self.budget = ROWS_AT_ONCE;
        let mut devices: Vec<DeviceId> = self.waiting.keys().copied().collect();
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

    pub(super) fn go_on_soon(&mut self, turn: &Turn<'_>, device: DeviceId) {
        self.resume = Some(device);
        self.more.get_or_insert(turn.now.after(1));
    }

    pub(super) fn pump_device(&mut self, state: &State, turn: &mut Turn<'_>, id: &DeviceId) -> Result<(), TurnFailed> {
        let Some(device) = state.devices.get(id).filter(|_| !people::is_device_blocked(state, id) && !state.is_incompatible(turn.now, id))
        else {
            self.away.remove(id);
            self.waiting.remove(id);
            self.done.remove(id);
            return Ok(());
        };
        // While we ask a friend again, the old room is doubtful: its frames wait.
        let lanes = if requests::asking_since(state, &device.peer).is_some() { 1 } else { 2 };
        let ends = [(device.outbox_first, ROOM_LANE), (device.outbox_next, u64::MAX)];
        let Some(progress) = self.waiting.get_mut(id) else { return Ok(()) };
        // Of one that waited before, first its next row alone: most wait still.
        let mut limit = if std::mem::take(&mut progress.calls).is_empty() { PAGE } else { 1 };
        let mut waits = false;
        for lane in 0..lanes {
            // The first row that waits for a relay without holding up the others.
            let mut aside = None;
            let (Some(progress), Some((next, end))) = (self.waiting.get(id), ends.get(lane)) else { return Ok(()) };
            let Some(mut cursor) = progress.cursors.get(lane).copied() else { break };
            while cursor < *next {
                if self.budget == 0 {
                    self.go_on_soon(turn, *id);
                    return Ok(());
                }
                let page = outbox::rows(turn, id, cursor, limit)?;
                self.budget = self.budget.saturating_sub(page.len().max(1));
                let mut past = *next;
                for (number, row) in page.iter().take_while(|(number, _)| number < end) {
                    let place = self.leave(state, turn, device, *number, row);
                    if place == Place::Nowhere {
                        self.look_again(id);
                    }
                    if place != Place::Waits {
                        continue;
                    }
                    if row.owner.policy().waits_aside {
                        // The texts have ways of their own.
                        aside.get_or_insert(*number);
                        continue;
                    }
                    past = *number;
                    break;
                }
                let is_stopped = past != *next;
                if !is_stopped && let Some((number, _)) = page.last().filter(|(number, _)| page.len() == limit && number < end) {
                    past = number.saturating_add(1);
                }
                limit = PAGE;
                cursor = past;
                if let Some(cursor) = self.waiting.get_mut(id).and_then(|progress| progress.cursors.get_mut(lane)) {
                    *cursor = aside.unwrap_or(past);
                }
                if is_stopped {
                    return Ok(());
                }
            }
            waits |= aside.is_some();
        }
        if waits {
            return Ok(());
        }
        // All of it lies at a relay, is on its way there, or has no relay to lie at: nobody is
        // called for it. What comes new, or must be left again, begins it once more.
        if let Some(progress) = self.waiting.remove(id)
            && lanes == ends.len()
            && !progress.again
        {
            self.done.insert(*id, progress.cursors);
        }
        Ok(())
    }

    /// Leaves one envelope at a relay, unless a good copy lies there.
    pub(super) fn leave(
        &mut self,
        state: &State,
        turn: &mut Turn<'_>,
        device: &crate::rows::Device,
        number: u64,
        row: &OutboxRow,
    ) -> Place {
        if row.stored.is_some() || self.sessions.values().any(|session| session.inflight.contains_key(&row.frame)) {
            return Place::Left;
        }
        let revision = revision_of(state, &device.device);
        // An invite's key has nothing to do with that of friends.
        let is_stale = |mailbox: &&RelayMailbox| {
            let session = self.sessions.get(&key_of(mailbox));
            let said = session.and_then(|session| session.stale.get(&device.device));
            row.via.is_none() && said.is_some_and(|(known, until)| *known == revision && *until > turn.now)
        };
        let is_replaced = |mailbox: &&RelayMailbox| self.is_replaced(turn.now, &key_of(mailbox));
        let is_unkept = |mailbox: &&RelayMailbox| {
            self.sessions.get(&key_of(mailbox)).is_some_and(|session| session.unkept.contains_key(&device.device))
        };
        let relay_mailboxes: Vec<&RelayMailbox> = outbox::relay_mailboxes_of(row, device)
            .iter()
            .filter(|mailbox| !is_stale(mailbox) && !is_replaced(mailbox) && !is_unkept(mailbox))
            .collect();
        if relay_mailboxes.is_empty() {
            return Place::Nowhere;
        }
        for mailbox in &relay_mailboxes {
            let Some(session) = self.sessions.get_mut(&key_of(mailbox)) else { continue };
            let Some(link) = session.link.filter(|_| session.full_until.is_none_or(|until| until <= turn.now)) else { continue };
            if session.inflight.len() >= WINDOW || session.inflight_bytes >= WINDOW_BYTES {
                return Place::Waits;
            }
            let Some(put) = outbox::put_at(row, mailbox) else { continue };
            session.inflight.insert(
                row.frame,
                Inflight { device: device.device, number, size: row.envelope.len(), revision, asks: row.owner.policy().asks.is_some() },
            );
            session.inflight_bytes = session.inflight_bytes.saturating_add(row.envelope.len());
            session.deadline = Some(turn.now.after(RECEIPT_TIMEOUT));
            *self.sent.entry("deposit").or_default() += 1;
            turn.act(NetAction::Send(link, Frame::Put(put).encode()));
            return Place::Left;
        }
        for mailbox in relay_mailboxes {
            if let Some(progress) = self.waiting.get_mut(&device.device) {
                progress.calls.insert(key_of(mailbox));
            }
            self.call(turn, mailbox);
        }
        Place::Waits
    }
}
