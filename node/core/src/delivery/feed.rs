//! Feeding a link: as many envelopes of the outbox as the window allows, in order.

use super::links::*;
use super::outbox::{self, FIRST_ROWS};
use super::owner::Links;
use crate::limits::{WINDOW, WINDOW_BYTES};
use crate::people::{self, requests};
use crate::rows::ROOM_LANE;
use crate::seam::NetAction;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::SECOND;
use symbolon_relay::frame::Frame;

/// Pause between two answers to a device that asks for everything again.
const AGAIN_PAUSE: u64 = SECOND;

impl Delivery {
    /// Puts as many envelopes as the window allows.
    pub(super) fn feed(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let Some(row) = state.devices.get(device) else { return Ok(()) };
        if people::is_device_blocked(state, device) || state.is_incompatible(turn.now, device) {
            return Ok(());
        }
        let session = self.sessions.entry(*device).or_default();
        let Some(link) = session.link else { return Ok(()) };
        let proved = self.links.get(&link).is_some_and(|row| row.proved);
        if !proved && self.links.get(&link).is_some_and(|row| row.asked) {
            return Ok(());
        }
        // Into a link of which nobody knows where it leads go steps of a request alone.
        let steps_only = !proved || session.is_doubtful(requests::asking_since(state, &row.peer));
        let lanes = if steps_only { 1 } else { 2 };
        let ends = [(row.outbox_first, ROOM_LANE), (row.outbox_next, u64::MAX)];
        for (cursor, (next, end)) in session.cursors.iter_mut().zip(ends).take(lanes) {
            let room = WINDOW.saturating_sub(session.inflight.len());
            let unsent = row.outbox_count > session.inflight.len() as u64;
            if *cursor >= next || !unsent || room == 0 {
                continue;
            }
            for (number, outgoing) in outbox::rows(turn, device, *cursor, room)? {
                if number >= end || session.inflight_bytes >= WINDOW_BYTES {
                    break;
                }
                *cursor = number.saturating_add(1);
                // Anyone who has ended the old friendship hangs up at its envelopes, and would not
                // read the question behind them.
                let policy = outgoing.owner.policy();
                let may_go = match policy.links {
                    Links::Any(request) => proved || !requests::renews(state, &request),
                    Links::Proved => proved,
                    Links::Friends => !steps_only,
                };
                if !may_go || session.inflight.contains_key(&outgoing.frame) {
                    continue;
                }
                let Some(put) = outbox::put_for(&outgoing, row) else { continue };
                session.inflight.insert(outgoing.frame, (number, outgoing.envelope.len()));
                session.inflight_bytes = session.inflight_bytes.saturating_add(outgoing.envelope.len());
                *self.sent.entry(policy.name).or_default() += 1;
                turn.act(NetAction::Send(link, Frame::Put(put).encode()));
            }
        }
        if !session.inflight.is_empty() && session.receipt_due.is_none() {
            let at = turn.now.after(self.patience(device));
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
        session.cursors = FIRST_ROWS;
        session.inflight.clear();
        session.inflight_bytes = 0;
        // A greeting kept for the next link may be of a room that is gone.
        session.hello = None;
        session.greet = session.link.is_some();
        self.await_no_receipt(device);
        self.wake(state, turn, device)?;
        self.greet(state, turn, device)
    }

    /// A room message of a device was opened: the room is alive on its side.
    pub fn heard_in_room(&mut self, state: &mut State, turn: &Turn<'_>, device: &DeviceId) {
        let session = self.sessions.entry(*device).or_default();
        let since = state.devices.get(device).and_then(|row| requests::asking_since(state, &row.peer));
        if session.is_doubtful(since) {
            state.wake.insert(*device);
        }
        // It came after the question, whatever a clock says that was set back meanwhile.
        session.heard = turn.now.max(since.unwrap_or_default());
    }

    /// Goes on putting after receipts were handled.
    pub fn resume(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        self.feed(state, turn, device)?;
        self.greet(state, turn, device)
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
