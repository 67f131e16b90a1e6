#![allow(clippy::unwrap_used)]

use super::*;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::seeds;
use crate::fixture::{NOW, Person, in_turn};
use crate::friendships::{VerifiedBundle, adopt_bundle};
use crate::limits::{DEVICE_LIFETIME, DEVICES_MAX, DEVICES_NEW_OF_FRIEND};
use crate::table::{Change, Table};
use crate::wire::{Bundle, BundleDevice};
use std::collections::BTreeSet;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::Digest;
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemKey;
use symbolon_presence::seeds::Seed;
use symbolon_presence::time::{DAY, EARLIEST};

/// A bundle of a friend that names their device and some more, which they have just certified.
fn bundle(ben: &Person, turn: &mut Turn<'_>, more: usize) -> VerifiedBundle {
    let mut identities = vec![ben.identity.clone()];
    for serial in 2..more as u64 + 2 {
        let entropy = ben.identity.entropy.clone();
        identities.push(Identity::certify(entropy.unwrap(), serial, turn.rng, EARLIEST, NOW.since(EARLIEST) + DEVICE_LIFETIME));
    }
    let mut named = Vec::new();
    for identity in &identities {
        let (chain, direct) = (identity.chain.clone(), KemKey::random(turn.rng).public().bytes());
        let (entry, seed) = (Person::entry(turn, identity), Seed::draw(None, turn.rng));
        named.push(BundleDevice { chain, entry, relay_mailboxes: Vec::new(), direct, seed });
    }
    let devices = identities.iter().map(|identity| identity.chain.verify_known(turn.sure).unwrap()).collect();
    let friendship = FriendshipSecret { revision: 1, secret: Secret::random(turn.rng) };
    VerifiedBundle {
        bundle: Bundle { name: "Ben".into(), second_root: Digest([1; 32]), friendship, devices: named, presence: None },
        devices,
    }
}

fn adopt(ben: &Person, state: &mut State, turn: &mut Turn<'_>, more: usize) {
    let verified = bundle(ben, turn, more);
    let mut friend = state.friends.get(&ben.device.peer).unwrap().clone();
    adopt_bundle(state, turn, &mut friend, verified);
    state.save_friend(turn, friend);
}

fn named(ben: &Person, state: &State) -> Vec<DeviceId> {
    state.friends.get(&ben.device.peer).unwrap().devices.clone()
}

/// The rows on disk after all that was written.
fn stored(turn: &Turn<'_>) -> BTreeSet<Vec<u8>> {
    let mut rows = BTreeSet::new();
    for change in turn.out.changes.iter() {
        match change {
            Change::Put(Table::Device, key, _) => drop(rows.insert(key.clone())),
            Change::Delete(Table::Device, key) => drop(rows.remove(key)),
            Change::Put(..) | Change::Delete(..) | Change::Index(..) | Change::Unindex(..) | Change::ClearIndex => {}
        }
    }
    rows
}

#[test]
fn a102_a_friend_who_certifies_devices_without_end_has_a_bounded_number_of_rows() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2);
        for day in 0..20 {
            turn.now = turn.stamp.after(day * DAY);
            adopt(&ben, state, turn, DEVICES_MAX - 1);
            assert_eq!(named(&ben, state).len(), DEVICES_MAX);
            assert_eq!(state.devices.len(), DEVICES_MAX, "those of before are forgotten");
            state.flush(turn);
            assert_eq!(stored(turn).len(), DEVICES_MAX);
        }
        // Within one day, only so many new ones.
        turn.now = turn.now.after(DAY);
        let known: BTreeSet<DeviceId> = state.devices.keys().copied().collect();
        let mut new = BTreeSet::new();
        for _ in 0..20 {
            adopt(&ben, state, turn, DEVICES_MAX - 1);
            new.extend(state.devices.keys().copied().filter(|device| !known.contains(device)));
            assert!(named(&ben, state).contains(&ben.device.device), "their own one stays");
        }
        assert_eq!(new.len() as u64, DEVICES_NEW_OF_FRIEND);
    });
}

#[test]
fn devices_for_which_something_waits_stay_until_there_is_no_room_for_a_bundles_others() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2);
        for day in 0..5 {
            turn.now = turn.stamp.after(day * DAY);
            adopt(&ben, state, turn, DEVICES_MAX - 1);
            for device in named(&ben, state) {
                outbox::enqueue(state, turn, &device, EnvelopeOwner::Mark, None, vec![1]);
            }
            assert!(state.devices.len() <= DEVICES_KEPT_MAX);
            let all_there = named(&ben, state).iter().all(|device| state.devices.contains_key(device));
            assert!(all_there && named(&ben, state).contains(&ben.device.device));
        }
        assert_eq!(state.devices.len(), DEVICES_KEPT_MAX);
        assert!(named(&ben, state).len() < DEVICES_MAX, "what is too much of a bundle is refused");
        let waits: u64 = state.devices.values().map(|row| row.channel.outbox_count).sum();
        assert!(waits >= DEVICES_KEPT_MAX as u64);
    });
}

#[test]
fn a_device_that_is_forgotten_leaves_nothing_behind() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2);
        adopt(&ben, state, turn, 1);
        let other = named(&ben, state).into_iter().find(|device| *device != ben.device.device).unwrap();
        let verified = state.devices[&other].chain.verify_known(turn.sure).unwrap();
        seeds::draw(state, turn, &symbolon_presence::id::RoomId([1; 32]), &[verified]);
        assert!(state.link_key(&other).is_some() && state.newest_inbound(&other).is_some());
        adopt(&ben, state, turn, 0);
        assert!(state.link_key(&other).is_none() && state.newest_inbound(&other).is_none());
        assert_eq!(turn.told::<PeopleNotice>(), [PeopleNotice::DeviceGone(other)], "the machines are told");
    });
}
