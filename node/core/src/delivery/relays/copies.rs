//! Copies at relays: which of them still count.

use super::super::outbox::{self, Copy, OutboxRow};
use super::super::owner::EnvelopeOwner;
use super::sessions::*;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::Timestamp;

impl Relays {
    /// Copies that have lived most of their life, or lie where the device fetches nothing any
    /// more, do not count: what they were of waits again. Begins to look for them.
    pub fn renew(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let now = turn.now;
        let over: Vec<DeviceId> = self
            .sessions
            .values_mut()
            .flat_map(|session| session.stale.extract_if(.., |_, (_, until)| *until <= now))
            .map(|(id, _)| id)
            .collect();
        for device in over {
            self.restart(&device);
        }
        if self.replaced.extract_if(.., |_, until| *until <= now).count() > 0 {
            self.restart_all();
        }
        if self.renewing.is_none() {
            self.renewing = state.devices.keys().next().map(|first| (*first, 0));
        }
        self.renew_some(state, turn)?;
        self.pump(state, turn)
    }

    /// Looks at all copies again, from the beginning.
    pub fn recount(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        self.renewing = None;
        self.renew(state, turn)
    }

    /// Whose envelopes have lost their copies since this was last asked.
    pub fn take_lost(&mut self) -> Vec<(DeviceId, EnvelopeOwner)> {
        std::mem::take(&mut self.lost)
    }

    /// Whether a copy is lost with all that lay where it did.
    pub(super) fn is_lost(&self, now: Timestamp, copy: &Copy) -> bool {
        let is_wiped = |session: &Session| session.wiped.is_some_and(|at| copy.at <= at);
        self.sessions.iter().any(|(key, session)| key.0 == copy.mailbox && (session.is_replaced() || is_wiped(session)))
            || self.replaced.iter().any(|(key, until)| key.0 == copy.mailbox && *until > now)
    }

    /// Looks at the next rows for copies that do not count any more.
    pub(super) fn renew_some(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let mut left = ROWS_AT_ONCE;
        while let Some((id, from)) = self.renewing.take() {
            let following = || {
                let behind = (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded);
                state.devices.range(behind).find(|(_, device)| device.channel.outbox_count > 0).map(|(next, _)| (*next, 0))
            };
            let Some(device) = state.devices.get(&id).filter(|device| device.channel.outbox_count > 0) else {
                self.renewing = following();
                continue;
            };
            if left == 0 {
                self.renewing = Some((id, from));
                self.more.get_or_insert(turn.now.after(1));
                return Ok(());
            }
            let page = outbox::rows(turn, &id, from, PAGE)?;
            left = left.saturating_sub(page.len().max(1));
            self.renewing = match page.last() {
                Some((last, _)) => Some((id, last.saturating_add(1))),
                None => following(),
            };
            for (number, row) in page {
                let Some(copy) = &row.stored else { continue };
                let is_fetched = outbox::relay_mailboxes_of(&row, device).iter().any(|mailbox| mailbox.entry.mailbox == copy.mailbox);
                let asks = row.owner.policy().asks.is_some();
                if asks {
                    self.next_ask.get_or_insert(turn.now.after(ASK_PAUSE));
                }
                let asks = asks && turn.now.since(copy.at) >= ASK_PAUSE;
                if is_fetched && !asks && !copy.is_ageing(turn.now) && !self.is_lost(turn.now, copy) {
                    continue;
                }
                self.lost.push((id, row.owner.clone()));
                outbox::note(turn, &id, number, &OutboxRow { stored: None, ..row });
                self.restart(&id);
            }
        }
        Ok(())
    }
}
