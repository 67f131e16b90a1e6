//! Packages of friends: asked for at their own node when it is there, else at their relays, one after another.

use super::verify::{BadPackage, Owner, VerifiedPackage, verify};
use crate::delivery::Delivery;
use crate::delivery::relays::Relays;
use crate::limits::{FETCH_PAUSE, FETCH_PAUSE_MAX, FETCHES_FAILED_MAX, FETCHES_MAX, PACKAGE_DEADLINE};
use crate::notice::PackagesNotice;
use crate::people;
use crate::rows::RelayKey;
use crate::seam::LinkId;
use crate::state::State;
use crate::turn::Turn;
use crate::wire::{Capabilities, RelayMailbox};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{DeviceId, Nonce, PeerId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::frame::Frame;
use symbolon_relay::packages::{Fetch, Fetched, Handed};

/// Why there is no package. The later ones say more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// So many are asked for already.
    Busy,
    /// It is no device of a friend whose keys are known.
    NoFriend,
    /// Neither its node nor a relay of it has answered.
    NobodyReached,
    /// Nobody who answered has one.
    NoneThere,
    /// The right to have one was replaced. The friend's record is looked for.
    Replaced,
    /// What was handed out cannot be the device's.
    NotGood(BadPackage),
}

impl Why {
    fn weight(self) -> u8 {
        match self {
            Self::Busy | Self::NoFriend | Self::NobodyReached => 0,
            Self::NoneThere => 1,
            Self::Replaced => 2,
            Self::NotGood(_) => 3,
        }
    }
}

/// One who may have a package of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The device itself, behind this link.
    Node(LinkId),
    /// A relay of it.
    Relay(RelayMailbox),
}

/// A question that has no answer yet.
#[derive(Debug)]
struct Asking {
    place: Place,
    /// Of the question; none until the relay is reached.
    nonce: Option<Nonce>,
    /// When the next one is asked.
    until: Timestamp,
}

/// A package that is asked for.
#[derive(Debug)]
struct Wanted {
    peer: PeerId,
    /// The friend's secret by which it is asked for.
    secret: FriendshipSecret,
    asking: Asking,
    /// Who is asked after that; at most as many as a device has relays.
    left: VecDeque<Place>,
    /// Why there is none so far.
    why: Why,
}

/// A device of which none was got.
#[derive(Debug, Clone, Copy)]
struct Failed {
    attempts: u32,
    /// From when on it makes sense to ask again.
    next: Timestamp,
}

/// Everything that is asked for. Nothing of it is stored: who wants one asks again.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    /// At most [`FETCHES_MAX`].
    wanted: BTreeMap<DeviceId, Wanted>,
    /// Until that is taken; at most [`FETCHES_FAILED_MAX`].
    done: Vec<(DeviceId, Result<VerifiedPackage, Why>)>,
    /// At most [`FETCHES_FAILED_MAX`].
    failed: BTreeMap<DeviceId, Failed>,
    /// Of these, those of whom it makes sense to ask for one again, until that is taken.
    ready: BTreeSet<DeviceId>,
}

impl Fetches {
    /// Asks for a package of a friend's device. [`Fetches::take_done`] says what becomes of it.
    pub fn fetch(&mut self, state: &State, delivery: &mut Delivery, relays: &mut Relays, turn: &mut Turn<'_>, device: DeviceId) {
        if self.wanted.contains_key(&device) {
            return;
        }
        if self.wanted.len() >= FETCHES_MAX {
            return self.end(turn, device, Err(Why::Busy));
        }
        let friend = state.friend_of(&device).filter(|friend| friend.stands() && !people::is_device_blocked(state, &device));
        let known = friend.and_then(|friend| Some((friend.peer, friend.friendship.clone()?)));
        let (Some((peer, secret)), Some(row)) = (known, state.devices.get(&device)) else {
            return self.end(turn, device, Err(Why::NoFriend));
        };
        let takes = row.capabilities.is_some_and(|capabilities| capabilities.has(Capabilities::ROOMS));
        let node = delivery.link_of(&device).filter(|_| takes).map(Place::Node);
        let mut left: VecDeque<Place> = node.into_iter().chain(row.relay_mailboxes.iter().cloned().map(Place::Relay)).collect();
        let Some(place) = left.pop_front() else { return self.end(turn, device, Err(Why::NobodyReached)) };
        let asking = Asking { place, nonce: None, until: turn.now.after(PACKAGE_DEADLINE) };
        self.wanted.insert(device, Wanted { peer, secret, asking, left, why: Why::NobodyReached });
        self.ask(state, delivery, relays, turn, &device);
    }

    /// Asks who is next, as soon as there is a way.
    fn ask(&mut self, state: &State, delivery: &mut Delivery, relays: &mut Relays, turn: &mut Turn<'_>, device: &DeviceId) {
        let Some(wanted) = self.wanted.get_mut(device).filter(|wanted| wanted.asking.nonce.is_none()) else { return };
        let nonce = Nonce::random(turn.rng);
        let secret = &wanted.secret;
        let is_asked = match &wanted.asking.place {
            Place::Node(link) => {
                let Some(row) = state.devices.get(device) else { return };
                let mailbox = row.entry.mailbox;
                let fetch = Fetch::sign(&secret.capability(&mailbox), &mailbox, row.entry.address.clone(), nonce, turn.stamp);
                delivery.say(turn, *link, "fetch", &Frame::Fetch(fetch));
                true
            }
            Place::Relay(mailbox) => {
                let (id, address) = (mailbox.entry.mailbox, mailbox.entry.address.clone());
                let sign = |turn: &mut Turn<'_>| Fetch::sign(&secret.capability(&id), &id, address, nonce, turn.stamp);
                let is_asked = relays.ask_package(turn, &key_of(mailbox), sign);
                if !is_asked {
                    relays.want(turn, mailbox);
                }
                is_asked
            }
        };
        wanted.asking.nonce = is_asked.then_some(nonce);
    }

    /// Asks those who are reached now, and continues where nobody answers.
    pub fn follow(&mut self, state: &State, delivery: &mut Delivery, relays: &mut Relays, turn: &mut Turn<'_>) {
        for device in self.wanted.keys().copied().collect::<Vec<_>>() {
            let is_gone = |place: &Place| matches!(place, Place::Node(link) if !delivery.is_open(*link));
            let is_late = self.wanted.get(&device).is_some_and(|wanted| turn.now >= wanted.asking.until || is_gone(&wanted.asking.place));
            if is_late {
                self.go_on(state, delivery, relays, turn, &device);
            } else {
                self.ask(state, delivery, relays, turn, &device);
            }
        }
        let is_due = |failed: &Failed| failed.next <= turn.now;
        self.ready.extend(self.failed.iter().filter(|(_, failed)| is_due(failed)).map(|(device, _)| *device));
    }

    /// Asks the next one, if there is one.
    fn go_on(&mut self, state: &State, delivery: &mut Delivery, relays: &mut Relays, turn: &mut Turn<'_>, device: &DeviceId) {
        let Some(wanted) = self.wanted.get_mut(device) else { return };
        let Some(place) = wanted.left.pop_front() else {
            let why = wanted.why;
            self.finish(relays, turn, device, Err(why));
            return;
        };
        let before = std::mem::replace(&mut wanted.asking, Asking { place, nonce: None, until: turn.now.after(PACKAGE_DEADLINE) });
        self.unwant(relays, &before.place);
        self.ask(state, delivery, relays, turn, device);
    }

    /// A link or a relay has answered. Whether it was asked.
    pub fn answered(
        &mut self,
        state: &State,
        delivery: &mut Delivery,
        relays: &mut Relays,
        turn: &mut Turn<'_>,
        (from, fetched): (Answers, &Fetched),
    ) -> bool {
        let is_it = |wanted: &Wanted| {
            wanted.asking.nonce == Some(fetched.nonce)
                && match (&wanted.asking.place, from) {
                    (Place::Node(link), Answers::Link(by)) => *link == by,
                    (Place::Relay(mailbox), Answers::Relay(by)) => key_of(mailbox) == by,
                    (Place::Node(_), Answers::Relay(_)) | (Place::Relay(_), Answers::Link(_)) => false,
                }
        };
        let Some(device) = self.wanted.iter().find(|(_, wanted)| is_it(wanted)).map(|(device, _)| *device) else { return false };
        let why = match &fetched.handed {
            Handed::Package(bytes) => match self.look(state, turn, &device, bytes) {
                Ok(package) => {
                    self.finish(relays, turn, &device, Ok(package));
                    return true;
                }
                Err(Why::NoFriend) => {
                    self.finish(relays, turn, &device, Err(Why::NoFriend));
                    return true;
                }
                Err(why) => why,
            },
            Handed::Empty | Handed::Refused => Why::NoneThere,
            Handed::Stale => {
                turn.tell(PackagesNotice::KeyExpired(device));
                Why::Replaced
            }
        };
        if let Some(wanted) = self.wanted.get_mut(&device).filter(|wanted| wanted.why.weight() <= why.weight()) {
            wanted.why = why;
        }
        self.go_on(state, delivery, relays, turn, &device);
        true
    }

    /// Looks at what was handed out.
    fn look(&self, state: &State, turn: &Turn<'_>, device: &DeviceId, bytes: &[u8]) -> Result<VerifiedPackage, Why> {
        let (Some(wanted), Some(row)) = (self.wanted.get(device), state.devices.get(device)) else { return Err(Why::NoFriend) };
        let friend = state.friends.get(&wanted.peer).filter(|friend| friend.stands() && !people::is_device_blocked(state, device));
        let Some(friend) = friend else { return Err(Why::NoFriend) };
        // It may have risen since it was asked.
        let secrets: Vec<&FriendshipSecret> = friend.friendship.iter().chain([&wanted.secret]).collect();
        let serial = row.chain.body().map_or(0, |body| body.serial);
        let owner = Owner { peer: wanted.peer, device: *device, serial, secrets: &secrets };
        verify(turn, bytes, &owner).map_err(Why::NotGood)
    }

    fn finish(&mut self, relays: &mut Relays, turn: &Turn<'_>, device: &DeviceId, done: Result<VerifiedPackage, Why>) {
        if let Some(wanted) = self.wanted.remove(device) {
            self.unwant(relays, &wanted.asking.place);
        }
        self.end(turn, *device, done);
    }

    /// A relay is called no more for a package, unless another one is asked for there.
    fn unwant(&self, relays: &mut Relays, place: &Place) {
        if let Place::Relay(mailbox) = place {
            let key = key_of(mailbox);
            let is_asked = |wanted: &Wanted| matches!(&wanted.asking.place, Place::Relay(other) if key_of(other) == key);
            if !self.wanted.values().any(is_asked) {
                relays.unwant(&key);
            }
        }
    }

    fn end(&mut self, turn: &Turn<'_>, device: DeviceId, done: Result<VerifiedPackage, Why>) {
        self.ready.remove(&device);
        match &done {
            Ok(_) => drop(self.failed.remove(&device)),
            Err(_) => {
                let attempts = self.failed.get(&device).map_or(0, |failed| failed.attempts);
                let pause = FETCH_PAUSE.saturating_mul(1 << attempts.min(20)).min(FETCH_PAUSE_MAX);
                if self.failed.len() >= FETCHES_FAILED_MAX && !self.failed.contains_key(&device) {
                    self.failed.pop_first();
                }
                self.failed.insert(device, Failed { attempts: attempts.saturating_add(1), next: turn.now.after(pause) });
            }
        }
        if self.done.len() >= FETCHES_FAILED_MAX {
            let _ = self.done.remove(0);
        }
        self.done.push((device, done));
    }

    /// What has become of questions since this was last asked.
    pub fn take_done(&mut self) -> Vec<(DeviceId, Result<VerifiedPackage, Why>)> {
        std::mem::take(&mut self.done)
    }

    /// Devices of which none was got, and of whom it makes sense to ask for one again, since this was last asked.
    pub fn take_ready(&mut self) -> Vec<DeviceId> {
        let ready = std::mem::take(&mut self.ready);
        for device in &ready {
            if let Some(failed) = self.failed.get_mut(device) {
                // Said once, until it was asked again.
                failed.next = Timestamp(u64::MAX);
            }
        }
        ready.into_iter().collect()
    }

    /// These devices have shown themselves, or their owner's keys are known.
    pub fn shown<'a>(&mut self, devices: impl IntoIterator<Item = &'a DeviceId>) {
        self.ready.extend(devices.into_iter().filter(|device| self.failed.contains_key(device)));
    }

    /// A device is not known any more.
    pub fn forget(&mut self, relays: &mut Relays, device: &DeviceId) {
        if let Some(wanted) = self.wanted.remove(device) {
            self.unwant(relays, &wanted.asking.place);
        }
        self.failed.remove(device);
        self.ready.remove(device);
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let asked = self.wanted.values().map(|wanted| wanted.asking.until);
        let failed = self.failed.iter().filter(|(device, _)| !self.ready.contains(device)).map(|(_, failed)| failed.next);
        asked.chain(failed.filter(|at| at.0 < u64::MAX)).min()
    }
}

/// Who has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    Link(LinkId),
    Relay(RelayKey),
}

fn key_of(mailbox: &RelayMailbox) -> RelayKey {
    (mailbox.entry.mailbox, mailbox.entry.receipt)
}

#[cfg(test)]
mod tests;
