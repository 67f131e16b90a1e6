//! Links: from coming up to their end.

use super::links::*;
use super::young;
use crate::limits::{KEPT_LINKS_MAX, LINKS_MAX, WINDOW};
use crate::notice::DeliveryNotice;
use crate::seam::{CloseReason, DialId, Event, LinkId, NetAction};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::frame::Frame;

/// Faults on one link before it is closed.
pub(super) const FAULTS_MAX: u32 = 32;

impl Delivery {
    /// A link came up.
    pub fn link_up(&mut self, state: &mut State, turn: &mut Turn<'_>, up: Up) -> Result<(), TurnFailed> {
        let Up { link, dial, .. } = up;
        let device = dial.and_then(|dial| self.dials.remove(&dial));
        let asked = dial.is_some_and(|dial| self.asking.remove(&dial));
        if dial.is_some() && device.is_none() {
            turn.act(NetAction::Close(link, CloseReason::Idle));
            return Ok(());
        }
        self.make_room(state, turn);
        if self.links.len() >= LINKS_MAX {
            turn.act(NetAction::Close(link, CloseReason::Flood));
            if let Some(device) = device {
                self.sessions.entry(device).or_default().dial = None;
                self.back_off(state, turn, &device);
            }
            return Ok(());
        }
        self.links.insert(link, Link { asked, ..Link::new(&up, device, turn.now) });
        let Some(device) = device else { return Ok(()) };
        let session = self.sessions.entry(device).or_default();
        session.dial = None;
        if session.link.is_some_and(|other| self.links.get(&other).is_some_and(|other| other.proved)) {
            // The device reached us first.
            self.links.remove(&link);
            turn.act(NetAction::Close(link, CloseReason::Idle));
            return Ok(());
        }
        self.attach(turn, &device, link);
        // Once it has proved to be there.
        self.sessions.entry(device).or_default().greet = true;
        // Before anything else: who is there learns nothing of who calls, unless it is the friend.
        self.await_proof(state, turn, &device);
        self.feed(state, turn, &device)
    }

    /// When there are too many links, the oldest one goes that has shown nothing yet.
    pub(super) fn make_room(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if self.links.len() >= LINKS_MAX {
            let idle = self.links.iter().find(|(_, link)| link.device.is_none()).map(|(id, _)| *id);
            if let Some(idle) = idle {
                self.close(state, turn, idle, CloseReason::Flood);
            }
        }
    }

    /// An attempt failed.
    pub fn dial_failed(&mut self, state: &mut State, turn: &mut Turn<'_>, dial: DialId) {
        let Some(device) = self.dials.remove(&dial) else { return };
        self.asking.remove(&dial);
        let session = self.sessions.entry(device).or_default();
        if session.dial != Some(dial) {
            // A better way was found meanwhile.
            return;
        }
        session.dial = None;
        session.tried = true;
        if session.link.is_none() {
            self.miss(turn, &device);
            self.back_off(state, turn, &device);
        }
        self.notify_offline(state, turn, &device);
    }

    /// A link is gone.
    pub fn link_down(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId) {
        self.acknowledging.remove(&link);
        let Some(gone) = self.links.remove(&link) else { return };
        if let Some(device) = gone.device {
            if let Some(row) = state.devices.get(&device) {
                state.clock.forget(&row.peer);
            }
            if gone.asked
                && !gone.proved
                && let Some(session) = self.sessions.get_mut(&device)
            {
                // It does not show whether the device can be reached elsewhere.
                session.attempts = session.attempts.saturating_sub(1);
            }
            self.detach(state, turn, &device, link, gone.proved);
            if !state.devices.contains_key(&device) && self.sessions.get(&device).is_some_and(|session| session.link.is_none()) {
                // A stranger's: nothing of it is needed without its link.
                self.unschedule(&device);
                self.sessions.remove(&device);
            }
        }
    }

    /// Closes a link of ours.
    pub(super) fn close(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, reason: CloseReason) {
        if self.links.contains_key(&link) {
            turn.act(NetAction::Close(link, reason));
            self.link_down(state, turn, link);
        }
    }

    /// Counts a fault on a link; closes it when there are too many.
    pub fn fault(&mut self, state: &mut State, turn: &mut Turn<'_>, origin: Origin) {
        let Origin::Link(link) = origin else { return };
        let Some(row) = self.links.get_mut(&link) else { return };
        row.faults = row.faults.saturating_add(1);
        if row.faults >= FAULTS_MAX {
            self.close(state, turn, link, CloseReason::Protocol);
        }
    }

    /// Faults on a link so far.
    pub fn faults(&self, link: LinkId) -> u32 {
        self.links.get(&link).map_or(0, |row| row.faults)
    }

    /// A frame was taken; before it there were so many faults. The first one without a fault lets
    /// an inbound link stay.
    pub fn heard(&mut self, turn: &mut Turn<'_>, link: LinkId, faults: u32) {
        if let Some(row) = self.links.get_mut(&link).filter(|row| row.faults == faults && !row.heard) {
            row.heard = true;
            turn.act(NetAction::Heard(link));
        }
    }

    /// A device has proved to be behind a link: its place is kept. One device has so few kept
    /// places that friends cannot take those of others; the oldest gives way.
    pub(super) fn keep(&mut self, turn: &mut Turn<'_>, link: LinkId, device: &DeviceId) {
        let kept: Vec<LinkId> = self.links.iter().filter(|(_, row)| row.kept && row.device == Some(*device)).map(|(id, _)| *id).collect();
        if kept.len() >= KEPT_LINKS_MAX
            && let Some((oldest, row)) = kept.first().and_then(|oldest| Some((*oldest, self.links.get_mut(oldest)?)))
        {
            row.kept = false;
            turn.act(NetAction::Keep(oldest, false));
        }
        if let Some(row) = self.links.get_mut(&link) {
            row.kept = true;
            turn.act(NetAction::Keep(link, true));
        }
    }

    /// An envelope of a friend came by this link, under a key that has expired: a whole window of
    /// such may follow, of more than tags are known of, and behind it the question for the new key.
    pub fn forgive_a_window(&mut self, link: LinkId) {
        if let Some(row) = self.links.get_mut(&link) {
            row.forgiven.get_or_insert(WINDOW);
        }
    }

    /// An envelope of nobody who is known came, under a key that has expired.
    pub fn fault_of_old_key(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId) {
        match self.links.get_mut(&link).and_then(|row| row.forgiven.as_mut()) {
            Some(left) if *left > 0 => *left -= 1,
            Some(_) | None => self.fault(state, turn, Origin::Link(link)),
        }
    }

    /// An envelope came under a tag that is expected of nobody. A friend who has proved to be there may be early: a
    /// window of them costs nothing, as long as none opens.
    pub fn fault_of_tag(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, is_friend: bool) {
        if let Some(row) = self.links.get_mut(&link).filter(|row| is_friend && row.unopened < WINDOW) {
            row.unopened = row.unopened.saturating_add(1);
            return;
        }
        self.fault(state, turn, Origin::Link(link));
    }

    /// Closes all links: another copy of this folder runs, and speaks for it.
    pub fn halt(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.close(state, turn, link, CloseReason::Idle);
        }
    }

    /// Closes every link to a device that must not have one.
    pub fn hang_up(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) {
        let links: Vec<LinkId> = self.links.iter().filter(|(_, link)| link.device == Some(*device)).map(|(id, _)| *id).collect();
        for link in links {
            self.close(state, turn, link, CloseReason::Refused);
        }
    }

    /// A device is known no longer: its links close, and nothing of it is kept.
    pub fn forget(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) {
        self.hang_up(state, turn, device);
        self.unschedule(device);
        self.await_no_receipt(device);
        self.sessions.remove(device);
        self.dials.retain(|_, dialled| dialled != device);
        self.asking.retain(|dial| self.dials.contains_key(dial));
        self.reached.remove(device);
        self.starts.forget(device);
        self.waking.remove(device);
        self.changed.remove(device);
        self.unreachable.remove(device);
    }

    /// A device cannot be reached directly.
    pub(super) fn miss(&mut self, turn: &mut Turn<'_>, device: &DeviceId) {
        self.unreachable.insert(*device);
        turn.tell(DeliveryNotice::Missed(*device));
    }

    /// Whether frames of this link are to be looked at.
    pub fn is_open(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    pub(super) fn attach(&mut self, turn: &Turn<'_>, device: &DeviceId, link: LinkId) {
        let session = self.sessions.entry(*device).or_default();
        session.link = Some(link);
        session.begin_again();
        session.put_offs = 0;
        session.last_attempt = turn.now;
        self.await_no_receipt(device);
        self.unschedule(device);
    }

    pub(super) fn detach(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, link: LinkId, proved: bool) {
        let session = self.sessions.entry(*device).or_default();
        if session.link != Some(link) {
            return;
        }
        session.link = None;
        session.tried = true;
        session.begin_again();
        self.await_no_receipt(device);
        // Another link to the same device may be open: it takes over.
        let other = self.links.iter().find(|(_, row)| row.device == Some(*device) && row.proved).map(|(id, _)| *id);
        if let Some(other) = other {
            self.attach(turn, device, other);
            state_wake(self, device, turn.now);
            return;
        }
        state.near.remove(device);
        young::harden(state, turn, device);
        if proved {
            self.notify_offline(state, turn, device);
        }
        self.miss(turn, device);
        self.back_off(state, turn, device);
    }

    pub(super) fn notify_offline(&self, state: &State, turn: &mut Turn<'_>, device: &DeviceId) {
        if let Some(friend) = state.friend_of(device).filter(|friend| self.is_online(&friend.devices) == Some(false)) {
            turn.notify(Event::Online { peer: friend.peer, online: false });
        }
    }

    /// The proved links to a friend's own node.
    pub fn links_to(&self, state: &State, peer: &PeerId) -> BTreeSet<LinkId> {
        let devices = state.friends.get(peer).map(|friend| friend.devices.as_slice()).unwrap_or_default();
        let linked = devices.iter().filter_map(|device| self.sessions.get(device)?.link);
        linked.filter(|link| self.links.get(link).is_some_and(|row| row.proved)).collect()
    }

    /// Whether a link stands.
    pub fn has_link(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// The link behind which a device has proved to be.
    pub fn link_of(&self, device: &DeviceId) -> Option<LinkId> {
        let link = self.sessions.get(device)?.link?;
        self.links.get(&link).filter(|row| row.proved && row.device == Some(*device)).map(|_| link)
    }

    /// Friends' devices with a proven link, and those links.
    pub fn friends_here(&self, state: &State) -> Vec<(DeviceId, PeerId, LinkId)> {
        let linked = self.sessions.iter().filter_map(|(device, session)| Some((*device, session.link?)));
        let proved = linked.filter(|(_, link)| self.links.get(link).is_some_and(|row| row.proved));
        let here = proved.filter_map(|(device, link)| Some((device, state.friend_of(&device)?, link)));
        here.filter(|(_, friend, _)| friend.stands()).map(|(device, friend, link)| (device, friend.peer, link)).collect()
    }

    /// Who has proved to be behind a link.
    pub fn behind(&self, state: &State, link: LinkId) -> Option<PeerId> {
        let device = self.links.get(&link).filter(|row| row.proved)?.device?;
        state.devices.get(&device).map(|row| row.peer)
    }

    /// Sends a frame on a link, if it is still open.
    pub fn say(&mut self, turn: &mut Turn<'_>, link: LinkId, kind: &'static str, frame: &Frame) {
        if self.links.contains_key(&link) {
            turn.act(NetAction::Send(link, frame.encode()));
            *self.sent.entry(kind).or_default() += 1;
        }
    }
}

/// Lets a device's remaining outbox be put soon on the link that took over.
fn state_wake(delivery: &mut Delivery, device: &DeviceId, now: Timestamp) {
    delivery.schedule(device, now);
}
