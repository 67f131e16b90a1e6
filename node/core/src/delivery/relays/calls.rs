//! Calling relays: links to them, and their end.

use super::sessions::*;
use crate::command::RelayState;
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN, RELAY_SESSIONS_MAX};
use crate::rows::RelayKey;
use crate::seam::{CloseReason, DialId, LinkId, NetAction};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::RelayMailbox;
use rand_core::Rng;
use std::collections::BTreeSet;
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::{MINUTE, Timestamp};

/// After this time the node tries again whether a relay that answers keeps a friend's mailbox.
pub(super) const UNKEPT_PAUSE: u64 = 15 * MINUTE;

impl Relays {
    /// Closes all links, and opens none.
    pub fn halt(&mut self, turn: &mut Turn<'_>) {
        self.is_halted = true;
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.close(turn, link, CloseReason::Idle);
        }
        for session in self.sessions.values_mut() {
            (session.next_dial, session.dial) = (None, None);
        }
        self.dials.clear();
    }

    /// After a start: our own relays are called.
    pub fn start(&mut self, state: &State, turn: &mut Turn<'_>) {
        self.is_halted = false;
        // Not from zero: a dial of a core that failed must not be taken for one of this core.
        self.next_dial_id = turn.rng.next_u64() >> 1;
        for own in state.own.relay_mailboxes.values() {
            self.add_own(own, turn.now);
        }
    }

    /// A device is not known any more.
    pub fn forget_device(&mut self, device: &DeviceId) {
        self.reached(device);
        for session in self.sessions.values_mut() {
            session.stale.remove(device);
            session.unkept.remove(device);
        }
    }

    pub(super) fn forget(&mut self, key: &RelayKey) {
        if let Some(session) = self.sessions.remove(key) {
            for left in session.window.notes() {
                self.begin_again(&left.device);
            }
        }
        self.dials.retain(|_, dialled| dialled != key);
    }

    /// Does what is due.
    pub fn tick(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let now = turn.now;
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let late: Vec<LinkId> = self.sessions.values().filter(|session| due(session.deadline)).filter_map(|session| session.link).collect();
        let calls: Vec<RelayKey> = self.sessions.iter().filter(|(_, session)| due(session.next_dial)).map(|(key, _)| *key).collect();
        for link in late {
            if !self.find_unkept(turn, link) {
                self.close(turn, link, CloseReason::Idle);
            }
        }
        for key in calls {
            // Called again while something waits for it, and not for ever.
            if self.is_wanted(&key) {
                self.dial(turn, &key);
            } else {
                self.sessions.remove(&key);
            }
        }
        if due(self.next_ask) {
            self.next_ask = None;
            self.recount(state, turn)?;
        }
        if self.more.is_some_and(|at| at <= now) {
            self.more = None;
            self.renew_some(state, turn)?;
        }
        let mut again = BTreeSet::new();
        for session in self.sessions.values_mut() {
            if due(session.full_until) {
                session.full_until = None;
            }
            again.extend(session.unkept.extract_if(.., |_, until| *until <= now).map(|(device, _)| device));
        }
        for device in again {
            self.restart(&device);
        }
        self.pump(state, turn)
    }

    /// What was left on a link has had no answer for too long. If the relay is ours and keeps our
    /// mailbox, it has no mailbox of the receivers. Then the link stays, because it is answered,
    /// and they are written to elsewhere for a while.
    pub(super) fn find_unkept(&mut self, turn: &Turn<'_>, link: LinkId) -> bool {
        let Some(session) = self.links.get(&link).and_then(|key| self.sessions.get_mut(key)) else { return false };
        if session.window.is_empty() {
            return false;
        }
        if session.own.state != RelayState::Connected {
            session.unanswered = true;
            return false;
        }
        session.deadline = None;
        let devices: BTreeSet<DeviceId> = session.window.clear().into_iter().map(|left| left.device).collect();
        session.unkept.extend(devices.iter().map(|device| (*device, turn.now.after(UNKEPT_PAUSE))));
        for device in devices {
            self.begin_again(&device);
        }
        true
    }

    pub(super) fn dial(&mut self, turn: &mut Turn<'_>, key: &RelayKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.next_dial = None;
        if self.is_halted {
            return;
        }
        if session.link.is_some() || session.dial.is_some() {
            return;
        }
        self.next_dial_id = self.next_dial_id.saturating_add(1);
        let dial = DialId(self.next_dial_id);
        session.dial = Some(dial);
        turn.act(NetAction::Dial(dial, session.places.clone()));
        self.dials.insert(dial, *key);
    }

    /// Calls a relay of ours now, each in turn, also if an older call has no answer yet.
    pub fn try_own(&mut self, turn: &mut Turn<'_>, round: usize) {
        let is_called = |session: &Session| session.own.is_own && !session.is_replaced();
        let own: Vec<RelayKey> = self.sessions.iter().filter(|(_, session)| is_called(session)).map(|(key, _)| *key).collect();
        let Some(key) = round.checked_rem(own.len()).and_then(|at| own.get(at)) else { return };
        if let Some(session) = self.sessions.get_mut(key).filter(|session| session.link.is_none()) {
            // If the older one comes up first, it is taken: it keeps its place in `dials`.
            session.dial = None;
        }
        self.dial(turn, key);
    }

    /// The network is back: no relay's pause counts any more.
    pub fn rouse(&mut self, turn: &Turn<'_>) {
        for session in self.sessions.values_mut().filter(|session| session.link.is_none()) {
            session.attempts = 0;
            session.dial = None;
            session.next_dial = Some(turn.now);
        }
    }

    /// A relay was reached.
    pub fn link_up(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, dial: DialId) -> Result<(), TurnFailed> {
        let Some(key) = self.dials.remove(&dial) else { return Ok(()) };
        let Some(session) = self.sessions.get_mut(&key) else {
            turn.act(NetAction::Close(link, CloseReason::Idle));
            return Ok(());
        };
        if session.dial == Some(dial) {
            session.dial = None;
        }
        if session.link.is_some() {
            // Two calls were under way, and the other one came up first.
            turn.act(NetAction::Close(link, CloseReason::Idle));
            return Ok(());
        }
        session.next_dial = None;
        session.link = Some(link);
        session.deadline = Some(turn.now.after(IDLE));
        self.links.insert(link, key);
        if session.own.is_own {
            // The problem is shown until it answers: that somebody is there proves nothing.
            let known = match session.own.state {
                RelayState::Replaced | RelayState::Unreachable => session.own.state,
                RelayState::Connecting | RelayState::Connected | RelayState::Refused | RelayState::Full => RelayState::Connecting,
            };
            session.own = Standing { is_own: true, state: known, ..Standing::default() };
            self.open(state, turn, &key);
        } else if session.unanswered {
            self.ask_who(turn, &key, link);
        }
        self.pump(state, turn)
    }

    /// A relay was not reached.
    pub fn dial_failed(&mut self, turn: &mut Turn<'_>, dial: DialId) {
        if let Some(key) = self.dials.remove(&dial)
            // A newer call may be under way.
            && let Some(session) = self.sessions.get_mut(&key).filter(|session| session.dial == Some(dial))
        {
            session.dial = None;
            // An older one may have come up meanwhile: the relay is there.
            if session.link.is_none() {
                back_off(session, turn);
                self.drop_useless(&key);
            }
        }
    }

    /// A link to a relay is gone.
    pub fn link_down(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        let Some(key) = self.links.remove(&link) else { return };
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.link = None;
        session.deadline = None;
        session.own.state = RelayState::Unreachable;
        let lost = session.window.clear();
        let unkept = std::mem::take(&mut session.unkept);
        back_off(session, turn);
        for device in unkept.into_keys() {
            self.restart(&device);
        }
        for left in lost {
            self.begin_again(&left.device);
            if let Some(progress) = self.progress.get_mut(&left.device) {
                progress.calls.insert(key);
            }
        }
        self.drop_useless(&key);
    }

    /// A session that nobody waits for is forgotten; a new one is made when it is wanted.
    pub(super) fn drop_useless(&mut self, key: &RelayKey) {
        if !self.is_wanted(key) && self.sessions.get(key).is_some_and(|session| session.link.is_none()) {
            self.sessions.remove(key);
        }
    }

    pub(super) fn close(&mut self, turn: &mut Turn<'_>, link: LinkId, reason: CloseReason) {
        turn.act(NetAction::Close(link, reason));
        self.link_down(turn, link);
    }

    /// Sees to it that a relay is called.
    pub(super) fn call(&mut self, turn: &mut Turn<'_>, mailbox: &RelayMailbox) {
        let key = key_of(mailbox);
        if !self.sessions.contains_key(&key) && self.sessions.len() >= RELAY_SESSIONS_MAX {
            let idle = self.sessions.iter().find(|(_, session)| !session.own.is_own && session.window.is_empty()).map(|(key, _)| *key);
            let Some(idle) = idle else { return };
            if let Some(link) = self.sessions.get(&idle).and_then(|session| session.link) {
                turn.act(NetAction::Close(link, CloseReason::Idle));
                self.links.remove(&link);
            }
            self.forget(&idle);
        }
        let session = self.sessions.entry(key).or_default();
        if !session.own.is_own {
            session.places.clone_from(&mailbox.entry.places);
        }
        if session.link.is_none() && session.dial.is_none() && session.next_dial.is_none() {
            self.dial(turn, &key);
        }
    }
}

/// Plans the next attempt: 1 s, doubling up to 15 min, with a quarter of jitter.
fn back_off(session: &mut Session, turn: &mut Turn<'_>) {
    session.own.state = RelayState::Unreachable;
    let pause = BACKOFF_MIN.saturating_mul(1 << session.attempts.min(20)).min(BACKOFF_MAX);
    session.attempts = session.attempts.saturating_add(1);
    let jitter = turn.rng.next_u64() % (pause / 4).max(1);
    session.next_dial = Some(turn.now.after(pause - pause / 8 + jitter));
}
