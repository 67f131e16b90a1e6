//! What is made here is good, and nothing that was changed on its way is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{NOW, in_turn, own_relay, peer};
use crate::packages::own::make;
use crate::rows::Lies;
use crate::state::State;
use crate::wire::seal_credential;
use crate::world::LeafKey;
use std::collections::BTreeSet;
use symbolon_presence::codec;
use symbolon_presence::id::MailboxId;
use symbolon_presence::identity::Identity;
use symbolon_presence::time::{DAY, EARLIEST};
use symbolon_relay::limits::PACKAGE_MAX;

/// A package of this node, as a friend gets it.
fn package(state: &mut State, turn: &mut Turn<'_>) -> Vec<u8> {
    make(state, turn, Lies::WithFriend(peer(1)), false).unwrap()
}

/// This node looks at a package as one of its own.
fn look(state: &State, turn: &Turn<'_>, bytes: &[u8]) -> Result<VerifiedPackage, BadPackage> {
    look_for(state, turn, bytes, |_| {})
}

fn look_for(state: &State, turn: &Turn<'_>, bytes: &[u8], change: impl FnOnce(&mut Owner<'_>)) -> Result<VerifiedPackage, BadPackage> {
    let me = &state.own.identity;
    let secrets = [&state.own.friendship];
    let mut owner = Owner { peer: state.own.peer, device: me.device, serial: me.chain.body().unwrap().serial, secrets: &secrets };
    change(&mut owner);
    verify(turn, bytes, &owner)
}

/// The same package with other secrets, as its maker alone could seal them.
fn resealed(state: &State, bytes: &[u8], change: impl FnOnce(&mut PackageSecrets)) -> Vec<u8> {
    let package = AddPackage::decode(bytes).unwrap();
    let fek = state.own.friendship.fek();
    let mut secrets = package.open(&fek).unwrap();
    change(&mut secrets);
    AddPackage::seal(&fek, package.key_package, &secrets, &[9; 12]).unwrap().encode()
}

#[test]
fn a_package_says_who_is_added_and_how_they_are_written_to() {
    in_turn(|state, turn| {
        let keys: Vec<_> = (1..=3).map(|number| own_relay(state, turn, number)).collect();
        let bytes = make(state, turn, Lies::AtRelay(keys[1].id(), 0), false).unwrap();
        let package = look(state, turn, &bytes).unwrap();
        assert_eq!(bytes.len(), PACKAGE_MAX);
        assert_eq!((package.device.peer, package.device.device), (state.own.peer, state.own.identity.device));
        assert_eq!((package.revision, package.last_resort), (state.own.friendship.revision, false));
        let row = state.packages.get(&package.leaf).unwrap();
        assert_eq!((&package.key, &package.seed, package.expires), (&row.key, &row.seed, row.expires));
        assert_eq!(package.own.entry.mailbox, state.own.admission.id());
        assert!(package.own.entry.places.is_empty(), "where this node is nobody learns by a package");
        let at: Vec<MailboxId> = package.relays.iter().map(|relay| relay.entry.mailbox).collect();
        assert_eq!((at[0], at.iter().collect::<BTreeSet<_>>().len()), (keys[1].id(), 3), "the one where it lies comes first");
        // By each way a put is admitted.
        let of = |keys: &symbolon_relay::grant::MailboxKeys, relay: &RelayMailbox| keys.open_address(&relay.entry.address).unwrap();
        assert_eq!(of(state.own.admission.keys(), &package.own).grant, row.grant);
        for relay in &package.relays {
            let keys = keys.iter().find(|keys| keys.id() == relay.entry.mailbox).unwrap();
            let body = of(keys, relay);
            let own = &state.own.relay_mailboxes[&relay.entry.mailbox];
            assert_eq!(
                (body.grant, body.expires, &relay.key),
                (row.grant, row.grant_expires, &symbolon_relay::grant::grant_key(&own.queue_secret, &body))
            );
        }
        let bytes = make(state, turn, Lies::AtRelay(keys[1].id(), 9), true).unwrap();
        assert!(look(state, turn, &bytes).unwrap().last_resort);
    });
}

#[test]
fn a27_nobody_is_added_by_a_package_with_any_part_swapped() {
    in_turn(|state, turn| {
        let (one, two) = (package(state, turn), package(state, turn));
        let [mut one_, two_] = [&one, &two].map(|bytes| AddPackage::decode(bytes).unwrap());
        let other = Identity::generate(turn.rng, EARLIEST, NOW.since(EARLIEST) + DAY);
        let me = state.own.identity.clone();
        let second = Identity::certify(me.entropy.clone().unwrap(), 99, turn.rng, EARLIEST, NOW.since(EARLIEST) + DAY);
        one_.key_package.clone_from(&two_.key_package);
        assert_eq!(look(state, turn, &one_.encode()), Err(BadPackage::Sealed), "another KeyPackage");
        let bytes = resealed(state, &one, |secrets| secrets.key = two_.open(&state.own.friendship.fek()).unwrap().key);
        assert_eq!(look(state, turn, &bytes), Err(BadPackage::Credential), "the key of another leaf");
        let bytes = resealed(state, &one, |secrets| secrets.chain = other.chain.clone());
        assert_eq!(look(state, turn, &bytes), Err(BadPackage::Person), "another friend's certificate");
        let bytes = resealed(state, &one, |secrets| secrets.chain = second.chain.clone());
        assert_eq!(look(state, turn, &bytes), Err(BadPackage::Device), "another device's");
        let signed = look_for(state, turn, &bytes, |owner| owner.device = second.device);
        assert_eq!(signed, Err(BadPackage::Credential), "which did not sign the leaf");
        let mut expired = me.clone();
        expired.renew(1 << 40, EARLIEST, EARLIEST.after(DAY));
        let bytes = resealed(state, &one, |secrets| secrets.chain = expired.chain.clone());
        assert_eq!(look(state, turn, &bytes), Err(BadPackage::Certificate), "a certificate that has ended");
        let serial = me.chain.body().unwrap().serial;
        assert_eq!(look_for(state, turn, &one, |owner| owner.serial = serial + 1), Err(BadPackage::Serial), "a revoked serial");
        assert!(look_for(state, turn, &one, |owner| owner.serial = serial).is_ok());
        assert_eq!(look_for(state, turn, &one, |owner| owner.peer = other.peer()), Err(BadPackage::Person), "asked of another friend");
        let bytes = resealed(state, &one, |secrets| secrets.revision += 1);
        assert_eq!(look(state, turn, &bytes), Err(BadPackage::Sealed), "another revision than that of its key");
        let bytes = resealed(state, &one, |secrets| secrets.put = Some(Secret::from_bytes([1; 32])));
        assert_eq!(look(state, turn, &bytes), Err(BadPackage::Malformed), "a key of no mailbox");
        assert!(look(state, turn, &one).is_ok() && look(state, turn, &two).is_ok(), "and as they are, they are good");
    });
}

#[test]
fn a27_a_package_with_any_bit_changed_is_refused_and_so_is_a_part_of_it() {
    in_turn(|state, turn| {
        let bytes = package(state, turn);
        for byte in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[byte] ^= 1 << (byte % 8);
            assert!(look(state, turn, &bad).is_err(), "byte {byte}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(look(state, turn, &bytes[..cut]), Err(BadPackage::Malformed));
        }
        assert_eq!(look(state, turn, &[bytes, vec![0]].concat()), Err(BadPackage::Malformed));
        assert_eq!(look(state, turn, &vec![0; 1 << 20]), Err(BadPackage::Malformed));
    });
}

#[test]
fn a27_what_a_relay_hands_out_is_the_friend_s_under_their_present_key_or_the_one_before() {
    in_turn(|state, turn| {
        let bytes = package(state, turn);
        let asked = state.own.friendship.clone();
        let present = FriendshipSecret { revision: asked.revision + 7, secret: Secret::from_bytes([5; 32]) };
        let under = |secrets: &[&FriendshipSecret]| {
            let (peer, device) = (state.own.peer, state.own.identity.device);
            verify(turn, &bytes, &Owner { peer, device, serial: 0, secrets })
        };
        assert_eq!(under(&[&present]), Err(BadPackage::Sealed));
        assert_eq!(under(&[]), Err(BadPackage::Sealed));
        assert_eq!(under(&[&present, &asked]).unwrap().revision, asked.revision);
    });
}

#[test]
fn a09_a_package_is_refused_before_and_after_its_time_and_when_it_is_good_for_too_long() {
    in_turn(|state, turn| {
        let bytes = package(state, turn);
        let at = |turn: &mut Turn<'_>, days: i64| {
            let moment = Timestamp(NOW.0.saturating_add_signed(days * DAY as i64));
            (turn.now, turn.sure) = (moment, moment);
        };
        for (days, is_good) in [(-2, false), (0, true), (59, true), (62, false)] {
            at(turn, days);
            assert_eq!(look(state, turn, &bytes).err(), (!is_good).then_some(BadPackage::Untimely), "{days} days");
        }
        at(turn, 0);
        turn.now = NOW.after(400 * DAY);
        assert!(look(state, turn, &bytes).is_ok(), "our clock alone refuses nothing");
        turn.now = NOW;
        let me = state.own.identity.clone();
        let lifetime = Lifetime { not_before: NOW, not_after: NOW.after(PACKAGE_LIFE_MAX + DAY) };
        let queue = codec::encode(&QueueAddress { relay: None });
        let long = rooms::make_package(turn, &me, lifetime, false, queue).unwrap();
        let secrets = AddPackage::decode(&bytes).unwrap().open(&state.own.friendship.fek()).unwrap();
        let secrets = PackageSecrets { key: long.key, ..secrets };
        let bytes = AddPackage::seal(&state.own.friendship.fek(), long.bytes, &secrets, &[1; 12]).unwrap().encode();
        assert_eq!(look(state, turn, &bytes), Err(BadPackage::Untimely));
    });
}

#[test]
fn a_key_package_without_a_queue_address_or_with_bytes_of_something_else_is_refused() {
    in_turn(|state, turn| {
        let bytes = package(state, turn);
        let secrets = AddPackage::decode(&bytes).unwrap().open(&state.own.friendship.fek()).unwrap();
        let me = state.own.identity.clone();
        let lifetime = Lifetime { not_before: NOW, not_after: NOW.after(DAY) };
        for queue in [Vec::new(), vec![1, 2, 3]] {
            let made = rooms::make_package(turn, &me, lifetime, false, queue).unwrap();
            let secrets = PackageSecrets { key: made.key, ..secrets.clone() };
            let bytes = AddPackage::seal(&state.own.friendship.fek(), made.bytes, &secrets, &[1; 12]).unwrap().encode();
            assert_eq!(look(state, turn, &bytes), Err(BadPackage::Malformed));
        }
    });
}

/// All runs of so many bytes in what a relay sees.
fn runs(bytes: &[u8]) -> BTreeSet<&[u8]> {
    bytes.windows(12).collect()
}

#[test]
fn a28_two_packages_of_one_device_share_nothing_that_those_of_two_people_do_not() {
    in_turn(|state, turn| {
        let keys: Vec<_> = (1..=2).map(|number| own_relay(state, turn, number)).collect();
        let here: Vec<Vec<u8>> = (0..2).map(|place| make(state, turn, Lies::AtRelay(keys[0].id(), place), false).unwrap()).collect();
        let there = make(state, turn, Lies::AtRelay(keys[1].id(), 0), false).unwrap();
        let mine = state.own.identity.clone();
        // Somebody else with a mailbox at the same relay.
        state.own.identity = Identity::generate(turn.rng, EARLIEST, NOW.since(EARLIEST) + DAY);
        state.own.friendship = FriendshipSecret { revision: 1 << 50, secret: Secret::from_bytes([1; 32]) };
        let theirs = make(state, turn, Lies::AtRelay(keys[0].id(), 0), false).unwrap();
        let of_anybody: BTreeSet<&[u8]> = runs(&here[0]).intersection(&runs(&theirs)).copied().collect();
        for (one, two) in [(&here[0], &here[1]), (&here[0], &there)] {
            let shared: Vec<&[u8]> = runs(one).intersection(&runs(two)).copied().filter(|run| !of_anybody.contains(run)).collect();
            assert!(shared.is_empty(), "{shared:?}");
            assert_eq!(one.len(), two.len());
        }
        // Nor does any show a key that is known of the device.
        let body = mine.chain.body().unwrap();
        for key in [mine.chain.root.0, body.signing.0, body.dh.0, mine.peer().0, state.own.admission.id().0] {
            assert!([&here[0], &here[1], &there].iter().all(|bytes| !bytes.windows(32).any(|run| run == key)));
        }
        assert!(here.iter().all(|bytes| !bytes.windows(16).any(|run| run == mine.device.as_bytes())));
    });
}

#[test]
fn a28_whose_a_leaf_is_does_not_show_without_its_key_to_who_has_the_certificate() {
    in_turn(|state, turn| {
        let bytes = package(state, turn);
        let package = AddPackage::decode(&bytes).unwrap();
        let view = rooms::view_package(turn, &package.key_package).unwrap();
        let device = state.own.identity.chain.verify(turn.sure).unwrap();
        let key = &state.packages.get(&PublicKeyBytes(view.leaf.0)).unwrap().key;
        assert!(is_leaf_of(&view.credential, &view.leaf.0, key, &device));
        assert!(!is_leaf_of(&view.credential, &view.leaf.0, &Secret::from_bytes([0; 32]), &device));
        let LeafKey(leaf) = view.leaf;
        assert_ne!(view.credential, seal_credential(&state.own.identity, &leaf, &Secret::from_bytes([0; 32])));
    });
}

#[test]
fn a_package_with_more_than_fits_is_not_sealed() {
    in_turn(|state, turn| {
        let bytes = package(state, turn);
        let package = AddPackage::decode(&bytes).unwrap();
        let mut secrets = package.open(&state.own.friendship.fek()).unwrap();
        let fek = state.own.friendship.fek();
        let place = symbolon_presence::address::Address(vec![4; 128]);
        let relay = RelayMailbox {
            entry: symbolon_relay::put::MailboxEntry {
                places: vec![place; 8],
                ..secrets.own.of(state.own.identity.signing.public()).entry
            },
            key: secrets.key.clone(),
        };
        secrets.more = vec![relay; 4];
        assert_eq!(AddPackage::seal(&fek, package.key_package.clone(), &secrets, &[0; 12]), None);
        secrets.more.truncate(2);
        assert!(AddPackage::seal(&fek, package.key_package.clone(), &secrets, &[0; 12]).is_some_and(|sealed| sealed.open(&fek).is_some()));
        secrets.more.push(secrets.more[0].clone());
        let sealed = AddPackage::seal(&fek, package.key_package.clone(), &secrets, &[0; 12]);
        assert!(sealed.is_none_or(|sealed| sealed.open(&fek).is_none()), "more than a device has");
        assert_eq!(AddPackage::seal(&fek, vec![0; PACKAGE_MAX], &secrets, &[0; 12]), None);
    });
}
