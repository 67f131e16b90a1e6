//! Attacks by and on devices: squatted ids, siblings who answer at once, old receipts.

use super::Scene;
use symbolon_core::command::{Command, RequestStatus, Who};
use symbolon_core::limits::{DEVICES_KEPT_MAX, DEVICES_MAX};
use symbolon_core::seam::Event;
use symbolon_core::table::{Change, Table};
use symbolon_core::wire::{BundleDevice, RoomPayload};
use symbolon_core::world::{Shelf, ShelfMut};
use symbolon_presence::codec;
use symbolon_presence::identity::{Identity, StoredIdentity};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::{MailboxKeys, Scope};
use symbolon_relay::put::Outcome;
use symbolon_tests::craft::{Actor, certify, invites, outcomes};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

pub fn stored_identity(sim: &Sim, ix: Ix) -> Identity {
    let bytes = sim.nodes[ix].store.get(Table::Meta, b"identity").unwrap().unwrap();
    Identity::from_stored(&codec::decode::<StoredIdentity>(&bytes, 4096).unwrap())
}

/// A second device of a node's user: same root, same friendship secret, its own keys.
fn add_sibling(sim: &mut Sim, of: Ix) -> Ix {
    let first = stored_identity(sim, of);
    let friendship = sim.nodes[of].store.get(Table::Meta, b"friendship").unwrap().unwrap();
    let mut rng = Actor::new(99, sim.now).rng;
    let identity = Identity::certify(first.entropy.clone().unwrap(), 2, &mut rng, sim.now, 365 * DAY);
    assert!(identity.peer() == first.peer() && identity.device != first.device);
    let rows = [
        (&b"identity"[..], codec::encode(&identity.to_stored())),
        (b"mailbox", codec::encode(&MailboxKeys::random(&mut rng))),
        (b"friendship", friendship),
        (b"name", codec::encode(&"Andi".to_owned())),
    ];
    sim.add_prepared("Andi", |node| {
        for (name, value) in rows {
            node.store.apply(&Change::Put(Table::Meta, name.to_vec(), value)).unwrap();
        }
        node.store.commit();
    })
}

/// An invite to both devices of a user, signed by the first.
fn joint_invite(sim: &mut Sim, first: Ix, second: Ix) -> String {
    let identity = stored_identity(sim, first);
    let records = [sim.contact_record(first), sim.contact_record(second)];
    let mut said = invites::said(&records[0]);
    let mut contact = invites::said(&records[1]).contacts[0].clone();
    contact.chain = Some(records[1].chain.clone());
    said.contacts.push(contact);
    sim.plant_invite(&InviteSecret::from_bytes([8; 16]), &identity, &said)
}

#[test]
fn a16_two_own_devices_that_accept_at_once_make_one_friendship() {
    for seed in 0..8 {
        let mut sim = Sim::new(seed, Faults { latency: 100, ..Faults::NONE });
        let first = sim.add("Andi");
        let second = add_sibling(&mut sim, first);
        let b = sim.add("Ben");
        assert!(sim.nodes[first].peer == sim.nodes[second].peer);
        let link = joint_invite(&mut sim, first, second);
        let asked = sim.ask(b, &link).unwrap();
        sim.run_for(MINUTE);
        let rows = [first, second].map(|node| (node, sim.pending(node).expect("the Offer reaches both devices")));
        // Both accept before either answer arrives.
        for (node, _) in rows {
            sim.set_apart(node, b, true);
        }
        sim.run_for(MINUTE);
        for (node, id) in rows {
            sim.accept(node, id).unwrap();
        }
        sim.run_for(MINUTE);
        for (node, _) in rows {
            sim.set_apart(node, b, false);
        }
        sim.run_for(HOUR);
        assert_eq!(sim.friends(b).len(), 1);
        assert_eq!(sim.status_of(b, asked), RequestStatus::Confirmed);
        let mutual: Vec<Ix> = [first, second].into_iter().filter(|node| sim.friends(*node).iter().any(|friend| friend.mutual)).collect();
        assert_eq!(mutual.len(), 1, "one device holds the friendship");
        let winner = mutual[0];
        for (node, id) in rows {
            let expected = if node == winner { RequestStatus::Confirmed } else { RequestStatus::Cancelled };
            assert_eq!(sim.status_of(node, id), expected);
            assert!(node == winner || sim.friends(node).is_empty(), "the other device drops its branch");
        }
        sim.say(b, winner, "to the one").unwrap();
        sim.say(winner, b, "from the one").unwrap();
        sim.run_for(MINUTE);
        sim.check(true);
    }
}

#[test]
fn a_device_id_of_another_person_cannot_be_taken() {
    let mut scene = Scene::new(1);
    let ben = scene.sim.add("Ben");
    let bens = stored_identity(&scene.sim, ben).device;
    // Mallory certifies a device of his own under the id of Ben's, which Ben's invites show.
    let identity = scene.mallory.identity.clone();
    scene.mallory.identity.chain = certify(&identity, |cert| cert.device = bens);
    scene.mallory.identity.device = bens;
    let offer = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &offer);
    scene.refused(frame, "a squatted device id");
    let node = scene.node;
    scene.sim.befriend(node, ben);
}

#[test]
fn an_old_receipt_of_a_friend_shown_by_somebody_else_does_not_make_the_friend_online() {
    let mut sim = Sim::new(1, Faults::NONE);
    sim.rogue_links = Some(Vec::new());
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    // A receipt that Ben gave to Eve, and one that he gave to Andi.
    let to_eve = ben.receipt(sim.now, &[symbolon_presence::id::FrameId([4; 32])], Outcome::Delivered);
    let empty = ben.receipt(sim.now, &[], Outcome::Delivered);
    sim.rogue_close(link);
    sim.run_for(1);
    assert_eq!(sim.friends(a)[0].online, Some(false));
    let before = sim.events[a].len();
    // Eve sits at Ben's address now.
    let dialled = super::links::called(&mut sim);
    let frames = sim.rogue_take(dialled);
    assert!(matches!(frames.iter().map(|frame| Frame::decode(frame)).collect::<Vec<_>>().as_slice(), [Ok(Frame::Prove(_))]));
    for receipt in [to_eve, empty] {
        sim.rogue_send(dialled, receipt);
        assert!(sim.friends(a)[0].online != Some(true));
    }
    let online = |event: &&Event| matches!(event, Event::Online { online: true, .. });
    assert_eq!(sim.events[a][before..].iter().filter(online).count(), 0);
    // Ben himself answers the proof, and is greeted.
    let answer = ben.answer(&sim, a, &bond);
    let frames = sim.rogue_send(dialled, Frame::Prove(answer).encode());
    assert_eq!(sim.friends(a)[0].online, Some(true));
    assert!(frames.iter().any(|frame| symbolon_tests::craft::put_id(frame).is_some()), "Andi says hello");
}

#[test]
fn a102_a_friend_who_certifies_device_after_device_leaves_a_bounded_number_of_rows_and_others_talk_on() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.befriend(a, b);
    let mut mallory = Actor::new(9, sim.now);
    let (bond, mut link) = mallory.befriend(&mut sim, a);
    let (mut taken, mut serial) = (0, 1);
    for _ in 0..40 {
        let mut bundle = mallory.bundle();
        for _ in 1..DEVICES_MAX {
            serial += 1;
            let other = Identity::certify(mallory.identity.entropy.clone().unwrap(), serial, &mut mallory.rng, sim.now, 365 * DAY);
            let (mut entry, _) = mallory.entry(Scope::Friends(0));
            entry.receipt = other.signing.public();
            let (direct, seed) = (mallory.direct.public().bytes(), mallory.seed.clone());
            bundle.devices.push(BundleDevice { chain: other.chain, entry, relay_mailboxes: Vec::new(), direct, seed });
        }
        let sealed = mallory.cipher.seal(bond.room, &codec::encode(&RoomPayload::Bundle(bundle)), &[]).unwrap();
        let known = mallory.next_known(&bond, sealed);
        let frame = mallory.known_frame(&bond, &codec::encode(&known));
        taken += outcomes(&sim.rogue_send(link, frame)).iter().filter(|outcome| **outcome == Outcome::Delivered).count();
        // Something waits for all of them.
        let (to, text) = (Who(mallory.peer().to_string()), "which one are you?".to_owned());
        assert!(sim.command(a, Command::Send { to, text, lifetime: None }).is_ok());
        sim.run_for(MINUTE);
        if !sim.is_open(link) {
            link = mallory.call(&mut sim, a, &bond);
        }
        assert!(sim.nodes[a].store.count(Table::Device) <= 1 + DEVICES_KEPT_MAX);
    }
    assert!(taken > 20, "they are read: {taken}");
    // Their own device is the friend that it was, after a restart as well.
    sim.crash(a, MINUTE);
    sim.run_for(HOUR);
    let link = mallory.call(&mut sim, a, &bond);
    let frame = mallory.say(&bond, "still me", sim.now);
    assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Delivered]);
    sim.say(a, b, "through the flood").unwrap();
    sim.say(b, a, "and back").unwrap();
    sim.run_for(MINUTE);
    sim.check(true);
}
