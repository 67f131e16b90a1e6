//! Calling: when a device is dialled, greeted, and given up for a while.

use super::links::*;
use super::outbox;
use crate::command::Path;
use crate::delivery::receipts::seal_unreliable;
use crate::limits::{ADDRESSES_MAX, BACKOFF_MAX, BACKOFF_MIN, PUT_OFF_MAX, RECEIPT_TIMEOUT, RIVAL_TIMEOUT, ROUSE_SPREAD};
use crate::people::requests;
use crate::seam::{Address, CloseReason, DialId, NetAction};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::RoomPayload;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::{SECOND, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::Put;

impl Delivery {
    /// After a start: every friend's device is called once, and everybody for whom something waits.
    pub fn start(&mut self, state: &State, now: Timestamp, rng: &mut ChaCha20Rng) {
        // Not from zero: a dial of a core that failed must not be taken for one of this core.
        self.next_dial_id = rng.next_u64() >> 1;
        for device in state.devices.values() {
            if wants_link(state, &device.device) {
                self.schedule(&device.device, now);
            }
        }
    }

    /// The earliest moment something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The device has proved to be behind another link than the one that is fed. That one may be
    /// as good; but it must answer soon.
    pub(super) fn hurry(&mut self, turn: &Turn<'_>, device: &DeviceId) {
        let soon = turn.now.after(RIVAL_TIMEOUT);
        if self.sessions.get(device).and_then(|session| session.receipt_due).is_none_or(|due| due > soon) {
            self.expect_receipt(device, soon);
        }
    }

    pub(super) fn expect_receipt(&mut self, device: &DeviceId, at: Timestamp) {
        let session = self.sessions.entry(*device).or_default();
        if let Some(before) = session.receipt_due.replace(at)
            && session.next_dial != Some(before)
        {
            self.due.remove(&(before, *device));
        }
        self.due.insert((at, *device));
    }

    /// How long a receipt may take on the link that is fed.
    pub(super) fn patience(&self, device: &DeviceId) -> u64 {
        let fed = self.sessions.get(device).and_then(|session| session.link);
        let has_rival = self.links.iter().any(|(id, row)| row.device == Some(*device) && row.proved && Some(*id) != fed);
        let put_offs = self.sessions.get(device).filter(|session| session.window.is_put_off()).map_or(0, |session| session.put_offs);
        if has_rival { RIVAL_TIMEOUT } else { RECEIPT_TIMEOUT.saturating_mul(1 << put_offs.min(20)).min(PUT_OFF_MAX) }
    }

    /// All that is on its way was put off: it is put again on the same link, which is as good as before. Whether that was so.
    fn puts_again(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<bool, TurnFailed> {
        let fed = self.sessions.get(device).and_then(|session| session.link);
        let has_rival = self.links.iter().any(|(id, row)| row.device == Some(*device) && row.proved && Some(*id) != fed);
        let Some(session) = self.sessions.get_mut(device).filter(|session| session.link.is_some() && session.window.is_put_off()) else {
            return Ok(false);
        };
        if has_rival {
            return Ok(false);
        }
        session.put_offs = session.put_offs.saturating_add(1);
        session.begin_again();
        self.feed(state, turn, device)?;
        Ok(true)
    }

    /// Plans the next attempt: 1 s, doubling up to 15 min, with a quarter of jitter.
    pub(super) fn back_off(&mut self, state: &State, turn: &mut Turn<'_>, device: &DeviceId) {
        if !wants_link(state, device) {
            return;
        }
        let session = self.sessions.entry(*device).or_default();
        let pause = BACKOFF_MIN.saturating_mul(1 << session.attempts.min(20)).min(BACKOFF_MAX);
        session.attempts = session.attempts.saturating_add(1);
        let jitter = turn.rng.next_u64() % (pause / 4).max(1);
        self.schedule(device, turn.now.after(pause - pause / 8 + jitter));
    }

    pub(super) fn schedule(&mut self, device: &DeviceId, at: Timestamp) {
        self.unschedule(device);
        self.sessions.entry(*device).or_default().next_dial = Some(at);
        self.due.insert((at, *device));
    }

    pub(super) fn unschedule(&mut self, device: &DeviceId) {
        if let Some(session) = self.sessions.get_mut(device) {
            if let Some(at) = session.next_dial.take() {
                self.due.remove(&(at, *device));
            }
            // One moment may have been due for both.
            if let Some(at) = session.receipt_due {
                self.due.insert((at, *device));
            }
        }
    }

    pub(super) fn await_no_receipt(&mut self, device: &DeviceId) {
        if let Some(session) = self.sessions.get_mut(device) {
            if let Some(at) = session.receipt_due.take() {
                self.due.remove(&(at, *device));
            }
            if let Some(at) = session.next_dial {
                self.due.insert((at, *device));
            }
        }
    }

    /// Something new lies in the outbox of a device, or its state has changed.
    pub fn wake(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let session = self.sessions.entry(*device).or_default();
        if session.link.is_some() {
            return self.feed(state, turn, device);
        }
        if session.tried {
            self.unreachable.insert(*device);
        }
        if session.dial.is_none() && wants_link(state, device) {
            // Soon, but not more than once a second, however often the user writes.
            let soon = turn.now.max(session.last_attempt.after(SECOND));
            if session.next_dial.is_none_or(|at| at > soon) {
                self.schedule(device, soon);
            }
        }
        Ok(())
    }

    /// Does what is due.
    pub fn tick(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        while let Some((at, device)) = self.due.first().copied() {
            if at > turn.now {
                break;
            }
            self.due.remove(&(at, device));
            let session = self.sessions.entry(device).or_default();
            if session.receipt_due.is_some_and(|due| due <= turn.now) {
                session.receipt_due = None;
                let link = session.link;
                if !self.puts_again(state, turn, &device)?
                    && !self.gives_up_answer(state, turn, &device)
                    && let Some(link) = link
                {
                    self.close(state, turn, link, CloseReason::Idle);
                    continue;
                }
            }
            let session = self.sessions.entry(device).or_default();
            if session.next_dial.is_some_and(|due| due <= turn.now) {
                session.next_dial = None;
                if session.link.is_some() {
                    // Taken over by another link: continue to feed it.
                    self.feed(state, turn, &device)?;
                } else {
                    self.dial(state, turn, &device)?;
                }
            }
        }
        Ok(())
    }

    /// Nothing was receipted in time. An answer among it may go where nobody listens any more: it is dropped, since
    /// anybody who still waits for it asks again. Whether it was all that waited.
    fn gives_up_answer(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> bool {
        let Some(number) = state.devices.get(device).and_then(|row| row.channel.answering) else { return false };
        let Some(session) = self.sessions.get_mut(device) else { return false };
        if !session.window.give_up(number) {
            return false;
        }
        let was_all = session.window.is_empty();
        outbox::remove(state, turn, device, number);
        was_all
    }

    pub(super) fn dial(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        if !wants_link(state, device) {
            return Ok(());
        }
        let Some(row) = state.devices.get(device) else { return Ok(()) };
        // Tried together; where both are on one network comes first.
        let near = self.near.get(&row.peer).map(Vec::as_slice).unwrap_or_default();
        let mut places: Vec<Address> = near.iter().chain(&row.entry.places).cloned().collect();
        places.truncate(ADDRESSES_MAX);
        let session = self.sessions.entry(*device).or_default();
        if session.dial.is_some() {
            return Ok(());
        }
        session.last_attempt = turn.now;
        if places.is_empty() {
            session.tried = true;
            self.miss(turn, device);
            self.back_off(state, turn, device);
            return Ok(());
        }
        self.next_dial_id = self.next_dial_id.saturating_add(1);
        let dial = DialId(self.next_dial_id);
        session.dial = Some(dial);
        self.dials.insert(dial, *device);
        turn.act(NetAction::Dial(dial, places));
        Ok(())
    }

    /// Whether a friend is reached beyond the LAN. Strangers do not count: they may come and go.
    pub fn reaches_far(&self, state: &State) -> bool {
        let linked = self.sessions.iter().filter_map(|(device, session)| Some((device, self.links.get(&session.link?)?)));
        let far = linked.filter(|(_, link)| link.proved && link.path != Path::Lan);
        far.into_iter().any(|(device, _)| state.friend_of(device).is_some_and(|friend| friend.stands()))
    }

    /// Friends and others to whom we want a link and have none, those heard last first.
    pub fn missed(&self, state: &State) -> Vec<DeviceId> {
        let has_link = |device: &DeviceId| self.sessions.get(device).is_some_and(|session| session.link.is_some());
        let missed = state.devices.values().filter(|row| !has_link(&row.device) && wants_link(state, &row.device));
        let mut missed: Vec<_> = missed.map(|row| (std::cmp::Reverse(row.heard), row.device)).collect();
        missed.sort_unstable();
        missed.into_iter().map(|(_, device)| device).collect()
    }

    /// Calls a device now, also if an older call has no answer yet: it may have begun when there
    /// was no network. The one that comes up first is taken.
    pub fn try_now(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        if let Some(session) = self.sessions.get_mut(device).filter(|session| session.link.is_none()) {
            session.dial = None;
        }
        self.dial(state, turn, device)
    }

    /// Asks a node of the LAN whether it is a device's, although it looks like a stranger's: it is
    /// called there, and gets nothing but the proof until it has answered.
    pub fn ask(&mut self, state: &State, turn: &mut Turn<'_>, device: &DeviceId, places: Vec<Address>) {
        if !wants_link(state, device) || self.sessions.get(device).is_some_and(|session| session.link.is_some()) {
            return;
        }
        self.next_dial_id = self.next_dial_id.saturating_add(1);
        let dial = DialId(self.next_dial_id);
        // It runs beside other calls to the device.
        self.dials.insert(dial, *device);
        self.asking.insert(dial);
        turn.act(NetAction::Dial(dial, places));
    }

    /// The network is back: no pause counts any more. Those for whom something waits are called at
    /// once, the others little by little.
    pub fn rouse(&mut self, state: &State, turn: &mut Turn<'_>) {
        for device in self.missed(state) {
            let waits = state.devices.get(&device).is_some_and(|row| row.channel.outbox_count > 0);
            let session = self.sessions.entry(device).or_default();
            session.attempts = 0;
            if waits {
                session.dial = None;
            }
            let wait = if waits { 0 } else { turn.rng.next_u64() % ROUSE_SPREAD };
            let at = turn.now.after(wait);
            if session.dial.is_none() && session.next_dial.is_none_or(|due| due > at) {
                self.schedule(&device, at);
            }
        }
    }

    /// The LAN shows a friend's device, or another place of it.
    pub fn sighted(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        if !wants_link(state, device) {
            return Ok(());
        }
        let session = self.sessions.entry(*device).or_default();
        session.attempts = 0;
        if session.link.is_some() {
            return self.probe(state, turn, device);
        }
        // What is being dialled may be a place that is gone.
        session.dial = None;
        let soon = turn.now.max(session.last_attempt.after(SECOND));
        self.schedule(device, soon);
        Ok(())
    }

    /// One of the ends of a link has moved: it must show soon that it still leads anywhere.
    pub(super) fn probe(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let session = self.sessions.entry(*device).or_default();
        session.greet = true;
        session.hello = None;
        self.greet(state, turn, device)?;
        if self.sessions.get(device).is_some_and(|session| session.hello.is_some() || !session.window.is_empty()) {
            self.hurry(turn, device);
        }
        Ok(())
    }

    /// Says hello on a fresh link that we dialled, once the friend's device has proved to be there:
    /// it learns where we are. While envelopes wait for the device, they go first:
    /// a greeting sealed behind them must not overtake them by more tags than are expected.
    pub(super) fn greet(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let Some(row) = state.devices.get(device) else { return Ok(()) };
        let doubtful = self.sessions.get(device).is_some_and(|session| session.is_doubtful(requests::asking_since(state, &row.peer)));
        // In doubt only the Offer goes first; the greeting may settle the doubt.
        let waits = if doubtful { outbox::has_steps(turn, device)? } else { row.channel.waiting() > 0 };
        let Some(session) = self.sessions.get(device).filter(|session| session.greet && self.is_proved(session)) else { return Ok(()) };
        let hello = match session.hello.as_ref().filter(|_| !session.hello_is_over) {
            _ if waits => return Ok(()),
            Some((_, envelope)) => Some(envelope.clone()),
            None => {
                let payload = RoomPayload::Hello(state.own.whereabouts_for(turn.rng, &row.peer));
                seal_unreliable(state, turn, device, &payload)?
            }
        };
        let Some(envelope) = hello else { return Ok(()) };
        if self.send_unreliable(state, turn, device, &envelope, "hello")
            && let Some(session) = self.sessions.get_mut(device)
        {
            session.greet = false;
            session.hello_is_over = false;
            session.hello = Some((frame_id(&envelope), envelope));
        }
        Ok(())
    }

    fn is_proved(&self, session: &Session) -> bool {
        session.link.and_then(|link| self.links.get(&link)).is_some_and(|row| row.proved)
    }

    /// Asks a friend's device to put again what was not acknowledged.
    pub fn ask_again(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        if let Some(envelope) = seal_unreliable(state, turn, device, &RoomPayload::Again)? {
            self.send_unreliable(state, turn, device, &envelope, "again");
        }
        Ok(())
    }

    /// Puts an envelope that may be lost, if the device has proved to be behind a link.
    pub(super) fn send_unreliable(
        &mut self,
        state: &State,
        turn: &mut Turn<'_>,
        device: &DeviceId,
        envelope: &[u8],
        kind: &'static str,
    ) -> bool {
        let link = self.sessions.get(device).filter(|session| self.is_proved(session)).and_then(|session| session.link);
        let row = state.devices.get(device);
        let put = row.and_then(|row| Put::new(row.entry.address.clone(), row.put.as_ref()?, outbox::TTL, None, envelope.to_vec()));
        let (Some(link), Some(put)) = (link, put) else { return false };
        turn.act(NetAction::Send(link, Frame::Put(put).encode()));
        *self.sent.entry(kind).or_default() += 1;
        true
    }

    /// Whether somebody who is here has not yet signed for a greeting.
    pub fn is_greeting(&self) -> bool {
        self.sessions.values().any(|session| {
            let is_here = session.link.and_then(|link| self.links.get(&link)).is_some_and(|link| link.proved);
            is_here && (session.greet || session.hello.is_some())
        })
    }

    /// What greetings say has changed, but nobody is notified for that alone.
    pub fn greet_again(&mut self) {
        for session in self.sessions.values_mut() {
            session.hello_is_over = true;
        }
    }

    /// Tells every friend on a live link where this node is now, and sees whether they answer.
    pub fn greet_all(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let linked: Vec<DeviceId> = self.sessions.iter().filter(|(_, session)| session.link.is_some()).map(|(device, _)| *device).collect();
        for session in self.sessions.values_mut() {
            // It names the old addresses.
            session.hello = None;
        }
        for device in linked {
            self.probe(state, turn, &device)?;
        }
        Ok(())
    }
}
