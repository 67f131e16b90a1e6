//! Packages: by what friends add this device to rooms, and this device theirs. `docs/protocol/addpackage.md`.
//!
//! | file | holds |
//! |---|---|
//! | `own` | packages of ours: made, used by a Welcome, replaced, forgotten |
//! | `stock` | what lies at our relays |
//! | `answer` | friends who ask this node itself |
//! | `fetch` | asking for friends' packages |
//! | `verify` | what a friend's package is worth |

mod answer;
mod fetch;
mod own;
mod stock;
mod verify;

pub(crate) use fetch::{Answers, Why};
pub(crate) use own::{found, heard, left, own, parted, renew_grant, sweep, used, ways};
pub(crate) use stock::{begin_again, is_drained, revoked};
pub(crate) use verify::VerifiedPackage;
use verify::{Owner, verify};

use crate::delivery::Delivery;
use crate::delivery::relays::Relays;
use crate::rows::Lies;
use crate::seam::LinkId;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::identity::Device;
use symbolon_presence::time::Timestamp;
use symbolon_relay::frame::Frame;
use symbolon_relay::packages::{Fetch, Fetched};

/// The machine. Its rows are in the state; nothing else of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    looks: stock::Looks,
    desk: answer::Desk,
    fetches: fetch::Fetches,
    /// What tests have asked for, and what has become of it: it is nothing to rooms.
    #[cfg(feature = "testing")]
    at_hand: AtHand,
}

/// Makes a package that we hand to a friend ourselves.
pub(crate) fn make_for(state: &mut State, turn: &mut Turn<'_>, friend: PeerId) -> Result<Vec<u8>, TurnFailed> {
    own::make(state, turn, Lies::WithFriend(friend), false)
}

/// Looks at a package that a friend's device has handed to us. None when nobody is added by it.
pub(crate) fn verify_of(state: &State, turn: &Turn<'_>, device: &Device, bytes: &[u8]) -> Option<VerifiedPackage> {
    let friend = state.friends.get(&device.peer).filter(|friend| friend.stands())?;
    let secrets: Vec<&FriendshipSecret> = friend.friendship.iter().collect();
    let owner = Owner { peer: device.peer, device: device.device, serial: device.serial, secrets: &secrets };
    verify(turn, bytes, &owner).ok()
}

/// What tests have asked for.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub(crate) struct AtHand {
    devices: BTreeSet<DeviceId>,
    fetched: Vec<(DeviceId, Result<VerifiedPackage, Why>)>,
    ready: BTreeSet<DeviceId>,
}

impl Packages {
    /// When something is due.
    pub fn next_due(&self, state: &State, relays: &Relays) -> Option<Timestamp> {
        self.looks.next_due(state, relays).into_iter().chain(self.fetches.next_due()).min()
    }

    /// At the end of a turn in which these devices have come: leaves packages at our relays, and asks for those that are wanted.
    pub fn close_turn(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        relays: &mut Relays,
        turn: &mut Turn<'_>,
        reached: &BTreeSet<DeviceId>,
    ) -> Result<(), TurnFailed> {
        self.fetches.shown(reached);
        self.fetches.follow(state, delivery, relays, turn);
        self.looks.follow(state, relays, turn)
    }

    /// A friend's present keys are known.
    pub fn keys_known(&mut self, state: &State, peer: &PeerId) {
        if let Some(friend) = state.friends.get(peer) {
            self.fetches.shown(&friend.devices);
        }
    }

    /// Asks for a package of a friend's device.
    pub fn fetch(&mut self, state: &State, delivery: &mut Delivery, relays: &mut Relays, turn: &mut Turn<'_>, device: DeviceId) {
        self.fetches.fetch(state, delivery, relays, turn, device);
    }

    /// What has become of that, since this was last asked.
    pub fn take_fetched(&mut self) -> Vec<(DeviceId, Result<VerifiedPackage, Why>)> {
        let done = self.fetches.take_done();
        #[cfg(feature = "testing")]
        let (at_hand, done) = done.into_iter().partition(|(device, _)| self.at_hand.devices.contains(device));
        #[cfg(feature = "testing")]
        self.at_hand.fetched.extend::<Vec<_>>(at_hand);
        done
    }

    /// Devices of which none was got, and of whom it makes sense to ask for one again, since this was last asked.
    pub fn take_ready(&mut self) -> Vec<DeviceId> {
        let ready = self.fetches.take_ready();
        #[cfg(feature = "testing")]
        let (at_hand, ready) = ready.into_iter().partition(|device| self.at_hand.devices.contains(device));
        #[cfg(feature = "testing")]
        self.at_hand.ready.extend::<Vec<_>>(at_hand);
        ready
    }

    /// From now on what becomes of packages of this device is kept for a test.
    #[cfg(feature = "testing")]
    pub fn keep_at_hand(&mut self, device: DeviceId) {
        self.at_hand.devices.insert(device);
    }

    /// What has become of them since this was last asked.
    #[cfg(feature = "testing")]
    pub fn take_fetched_at_hand(&mut self) -> Vec<Result<VerifiedPackage, Why>> {
        std::mem::take(&mut self.at_hand.fetched).into_iter().map(|(_, fetched)| fetched).collect()
    }

    /// Of which of them it makes sense to ask for one again, since this was last asked.
    #[cfg(feature = "testing")]
    pub fn take_ready_at_hand(&mut self) -> BTreeSet<DeviceId> {
        std::mem::take(&mut self.at_hand.ready)
    }

    /// Somebody asks this node for a package. False when they have not proved to be a friend.
    pub fn asked(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        link: LinkId,
        fetch: &Fetch,
    ) -> Result<bool, TurnFailed> {
        let friend = delivery.friend_behind(state, link).and_then(|device| Some(state.devices.get(&device)?.peer));
        let Some(peer) = friend else { return Ok(false) };
        let handed = self.desk.answer(state, turn, peer, fetch)?;
        delivery.say(turn, link, "fetched", &Frame::Fetched(Fetched { nonce: fetch.nonce, handed }));
        Ok(true)
    }

    /// Somebody has answered. Whether they were asked.
    pub fn answered(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        relays: &mut Relays,
        turn: &mut Turn<'_>,
        (from, fetched): (Answers, &Fetched),
    ) -> Result<bool, TurnFailed> {
        if let Answers::Relay(key) = from
            && self.looks.answered(state, turn, &key, fetched)?
        {
            return Ok(true);
        }
        Ok(self.fetches.answered(state, delivery, relays, turn, (from, fetched)))
    }

    /// A device is not known any more.
    pub fn forget(&mut self, relays: &mut Relays, device: &DeviceId) {
        self.fetches.forget(relays, device);
    }

    /// Friends who ask this node for more packages than they are given.
    pub fn drains(&self, now: Timestamp) -> impl Iterator<Item = &PeerId> {
        self.desk.drains(now)
    }
}
