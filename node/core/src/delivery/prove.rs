//! Proving who is behind a link, and what follows from it.
//!
//! The dialler speaks first. Who is dialled computes one MAC for each device that may know where
//! this node is, answers the one that fits, and says nothing to anybody else: a stranger, a
//! former friend and a friend from whom this node hides meet the same silence. Only a proof
//! makes a link *proved*; an envelope can be carried by anybody.

use super::links::*;
use crate::command::Path;
use crate::people;
use crate::rows::FriendState;
use crate::seam::{CloseReason, Event, LinkId};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use rand_core::Rng;
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::Timestamp;
use symbolon_relay::frame::Frame;
use symbolon_relay::prove::{Prove, Role};

use crate::limits::{BUILD_REMEMBERED, PROVE_TIMEOUT};
use crate::state::Build;
use symbolon_presence::id::Nonce;

/// Whether a device may know that this node is at the other end: its owner is a friend, or is
/// about to be one by our own word.
fn may_know(state: &State, device: &DeviceId) -> bool {
    let friend = state.friend_of(device).filter(|friend| friend.devices.contains(device));
    friend.is_some_and(|friend| friend.state != FriendState::Ended && !friend.blocked) && !people::is_device_blocked(state, device)
}

impl Delivery {
    /// Says who we are on a link that we dialled to a friend, and that the answer is waited for.
    /// On a link that the friend dialled the proof must come. Does nothing twice.
    pub(super) fn await_proof(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) {
        let Some(link) = self.sessions.get(device).and_then(|session| session.link) else { return };
        let Some(row) = self.links.get(&link).filter(|row| !row.proved) else { return };
        if !state.friend_of(device).is_some_and(|friend| friend.stands()) {
            return;
        }
        if row.role == Role::Dialler && !row.has_said {
            self.say_proof(state, turn, link, device);
        }
        if self.sessions.get(device).is_some_and(|session| session.receipt_due.is_none()) {
            self.expect_receipt(device, turn.now.after(PROVE_TIMEOUT));
        }
    }

    fn say_proof(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, device: &DeviceId) {
        let Some(row) = self.links.get_mut(&link) else { return };
        let (version, instance) = (state.own.wire, state.own.instance);
        let (Some(ends), Some(key)) = (row.ends, state.link_key(device)) else { return };
        row.has_said = true;
        let mut salt = [0; 16];
        turn.rng.fill_bytes(&mut salt);
        let prove = Prove::new(key, row.role, &ends, salt, version, instance);
        self.say(turn, link, "prove", &Frame::Prove(prove));
    }

    /// A proof has come. Whether there was room for one on this link: each end says it once.
    pub fn proof(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, prove: Prove) -> Result<bool, TurnFailed> {
        let Some(row) = self.links.get_mut(&link) else { return Ok(true) };
        if std::mem::replace(&mut row.has_heard, true) {
            return Ok(false);
        }
        let Some(ends) = row.ends else { return Ok(true) };
        match (row.role, row.device) {
            (Role::Dialler, Some(device)) if row.has_said => {
                let is_theirs = state.link_key(&device).is_some_and(|key| prove.is_by(key, Role::Dialled, &ends));
                if is_theirs {
                    self.met(state, turn, link, &device, &prove)?;
                }
                Ok(is_theirs)
            }
            (Role::Dialler, _) => Ok(false),
            (Role::Dialled, _) => {
                if self.proofs.may_read(turn.now) {
                    let known: Vec<DeviceId> = state.devices.keys().filter(|device| may_know(state, device)).copied().collect();
                    // What nobody's proof costs is what a friend's costs at most.
                    self.proofs.macs = self.proofs.macs.saturating_add(known.len().max(1));
                    let fits = |device: &DeviceId| state.link_key(device).is_some_and(|key| prove.is_by(key, Role::Dialler, &ends));
                    if let Some(device) = known.into_iter().find(fits) {
                        self.answer(state, turn, link, &device, &prove)?;
                        return Ok(true);
                    }
                }
                // Somebody may become a friend on this very link.
                if let Some(row) = self.links.get_mut(&link) {
                    row.unread = Some(prove);
                }
                Ok(true)
            }
        }
    }

    /// Somebody has become a friend, or is one again: proofs that came before may be theirs.
    pub fn befriended(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        if may_know(state, device) {
            let waiting = self.links.iter().filter_map(|(link, row)| Some((*link, row.ends?, row.unread.clone()?)));
            for (link, ends, prove) in waiting.collect::<Vec<_>>() {
                if state.link_key(device).is_some_and(|key| prove.is_by(key, Role::Dialler, &ends)) {
                    self.answer(state, turn, link, device, &prove)?;
                }
            }
        }
        self.feed(state, turn, device)
    }

    /// A friend's device has called: it is answered, unless it is not to know where this node is.
    fn answer(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, device: &DeviceId, prove: &Prove) -> Result<(), TurnFailed> {
        let Some(row) = self.links.get_mut(&link) else { return Ok(()) };
        // By way of a relay it learns nothing of where we are.
        let is_hidden =
            row.path != Path::Relay && state.friend_of(device).is_some_and(|friend| state.own.presence.is_hidden_from(&friend.peer));
        if is_hidden || row.device.is_some_and(|bound| bound != *device) {
            row.unread = Some(prove.clone());
            return Ok(());
        }
        row.unread = None;
        self.say_proof(state, turn, link, device);
        self.met(state, turn, link, device, prove)
    }

    /// A device has proved to be behind a link. With a build that speaks as ours does, all that
    /// friends do follows.
    fn met(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, device: &DeviceId, prove: &Prove) -> Result<(), TurnFailed> {
        state.note_heard(device, turn.now);
        state.note_build(turn.now, device, prove.version);
        if prove.version != state.own.wire {
            // What waits keeps waiting: they would not understand each other.
            if self.links.get(&link).is_some_and(|row| row.role == Role::Dialler) {
                self.close(state, turn, link, CloseReason::Idle);
            }
            return Ok(());
        }
        let Some(row) = self.links.get_mut(&link) else { return Ok(()) };
        row.device = Some(*device);
        row.proved = true;
        row.instance = Some(prove.instance);
        let since = row.since;
        self.starts.met(state, turn, device, Nonce(prove.instance), since)?;
        self.keep(turn, link, device);
        let session = self.sessions.entry(*device).or_default();
        session.tried = true;
        session.attempts = 0;
        self.reached.insert(*device);
        state.near.insert(*device);
        if let Some(friend) = state.friend_of(device) {
            turn.notify(Event::Online { peer: friend.peer, online: true });
        }
        self.take_over(state, turn, link, device)?;
        self.greet(state, turn, device)?;
        self.feed(state, turn, device)
    }

    /// Chooses between the link that is fed and one that was just proved.
    fn take_over(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, device: &DeviceId) -> Result<(), TurnFailed> {
        // Runs of the device that have ended, and their links with them, though nobody said so.
        let instance = self.links.get(&link).and_then(|row| row.instance);
        let is_of_before = |row: &Link| row.proved && row.device == Some(*device) && row.instance != instance;
        let before: Vec<LinkId> = self.links.iter().filter(|(_, row)| is_of_before(row)).map(|(id, _)| *id).collect();
        for gone in before {
            self.close(state, turn, gone, CloseReason::Idle);
        }
        let fed = self.sessions.get(device).and_then(|session| session.link);
        let Some(fed) = fed else {
            self.attach(turn, device, link);
            return Ok(());
        };
        if fed == link {
            // Rows that waited for the proof were passed over.
            let session = self.sessions.entry(*device).or_default();
            session.pump.restart();
            if session.window.is_empty() {
                self.await_no_receipt(device);
            }
            return Ok(());
        }
        let Some(older) = self.links.get(&fed) else { return Ok(()) };
        if !older.proved {
            self.attach(turn, device, link);
        } else if self.sessions.get(device).is_some_and(|session| !session.window.is_empty()) {
            self.hurry(turn, device);
        }
        Ok(())
    }

    /// A step of a request that only this device can have made came by this link: what answers
    /// it may go back the same way. That says nothing of who is there.
    pub fn brought_step(&mut self, state: &mut State, turn: &mut Turn<'_>, origin: Origin, device: &DeviceId) -> Result<(), TurnFailed> {
        let Origin::Link(link) = origin else { return Ok(()) };
        let Some(row) = self.links.get_mut(&link) else { return Ok(()) };
        match row.device {
            None => row.device = Some(*device),
            // A link dialled for another device: what it brings is taken, but it stays that device's.
            Some(bound) if bound != *device => return Ok(()),
            Some(_) => {}
        }
        state.note_heard(device, turn.now);
        if self.sessions.entry(*device).or_default().link.is_none() {
            self.attach(turn, device, link);
            self.feed(state, turn, device)?;
        }
        Ok(())
    }

    /// A room message that only this device can have made came by this link, no matter who brought it.
    pub fn brought_known(&mut self, state: &mut State, turn: &Turn<'_>, origin: Origin, device: &DeviceId) {
        let Origin::Link(link) = origin else { return };
        state.note_heard(device, turn.now);
        if let Some(row) = self.links.get_mut(&link).filter(|row| row.device == Some(*device)) {
            row.unopened = 0;
        }
        // Builds that prove their links do so before anything else.
        if self.links.get(&link).is_some_and(|row| row.role == Role::Dialled && !row.has_heard) {
            state.suspect_build(turn.now, device);
        }
    }

    /// Whether a proof waits on this link that was not answered.
    pub fn has_unread(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|row| row.unread.is_some())
    }

    /// The device behind a link, once it has proved itself, if its owner is a friend.
    pub fn friend_behind(&self, state: &State, link: LinkId) -> Option<DeviceId> {
        let device = self.links.get(&link).filter(|row| row.proved)?.device?;
        state.friend_of(&device).filter(|friend| friend.stands()).map(|_| device)
    }
}

impl State {
    /// A device has said which version of the wire it speaks.
    fn note_build(&mut self, now: Timestamp, device: &DeviceId, version: u32) {
        if version == self.own.wire {
            self.builds.remove(device);
        } else {
            self.builds.insert(*device, Build { version, is_sure: true, at: now });
        }
    }

    /// A device behaves as builds did before they proved their links. Anybody who passes its
    /// envelopes on makes it look so: nothing but a word to the user follows from it.
    fn suspect_build(&mut self, now: Timestamp, device: &DeviceId) {
        if !self.builds.get(device).is_some_and(|build| build.is_sure && now.since(build.at) < BUILD_REMEMBERED) {
            self.builds.insert(*device, Build { version: 0, is_sure: false, at: now });
        }
    }

    /// The version that a device is known to speak, if it is another one than ours.
    pub fn other_build(&self, now: Timestamp, device: &DeviceId) -> Option<&Build> {
        self.builds.get(device).filter(|build| now.since(build.at) < BUILD_REMEMBERED)
    }

    /// Whether what waits for a device would not be understood there.
    pub fn is_incompatible(&self, now: Timestamp, device: &DeviceId) -> bool {
        self.other_build(now, device).is_some_and(|build| build.is_sure)
    }
}

#[cfg(test)]
mod tests;
