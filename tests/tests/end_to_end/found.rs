//! People made by hand before a node that lets itself be found by its Peer ID: all of them hold the same package.

use super::by_hand::{Wire, bytes, invite, people, somebody};
use super::lookup::{SOON, person};
use super::server::{LookupServer, now};
use std::path::Path;
use symbolon_core::contact::{ContactRecord, VerifiedContact};
use symbolon_core::limits::{CONTACT_RECORD_MAX, PENDING_STRANGERS_MAX};
use symbolon_core::wire::{AcceptBody, AcceptHead, PAYLOAD_MAX, Step};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, Nonce, PeerId};
use symbolon_presence::posted::{Item, contact_id};
use symbolon_presence::time::DAY;
use symbolon_relay::put::{Outcome, Refusal};
use symbolon_tests::craft::{Actor, put};
use symbolon_tests::node::{befriend, calm, within};

/// More than wait for an answer at once.
const TOO_MANY: usize = 20;

/// The contact record that a node has posted last, as anyone finds it.
fn posted(server: &LookupServer, peer: &PeerId) -> Option<VerifiedContact> {
    let bytes = server.told.lock().unwrap().records.get(&contact_id(peer))?.last()?.clone();
    let contact = Item::read(&bytes, now()).unwrap().contact?;
    let record: ContactRecord = codec::decode(&contact, CONTACT_RECORD_MAX).unwrap();
    let Ok(contact) = record.verify(now()) else { panic!("the record is good") };
    Some(contact)
}

/// Asks by the package that everybody has; what the node's mailbox signs.
fn ask(wire: &mut Wire, by: &mut Actor, to: &VerifiedContact, body: Vec<u8>) -> Outcome {
    let (device, contact) = to.contacts[0].clone();
    let envelope = by.seal(Step::Offer, &device, &contact, Digest([0; 32]), body);
    wire.put(&contact.entry, &put(&contact, None, envelope))
}

/// Bytes of the store.
fn stored(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn a10_a15_a_package_that_all_hold_befriends_two_and_changes_and_a_flood_by_it_ends_at_a_bound_and_costs_friends_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (server, andi) = (LookupServer::start(), person(home.path(), "Andi", &[]));
    let cleo = person(home.path(), "Cleo", &[]);
    befriend((&andi, "Andi"), (&cleo, "Cleo")).unwrap();
    andi.json(&["lookup", "add", &server.address]).unwrap();
    andi.json(&["findable", "on"]).unwrap();
    let peer: PeerId = andi.ready["id"].as_str().unwrap().parse().unwrap();
    let to = within(SOON, "the contact record is posted", || Ok(posted(&server, &peer))).unwrap();
    assert!(to.contacts[0].1.last_resort);

    // Two use the same one: both work, and the second one is marked.
    let mut both = [60, 61].map(|seed| (somebody(seed), Wire::call(&andi)));
    let offers = both.each_mut().map(|(by, _)| by.offer(now()));
    for ((by, wire), offer) in both.iter_mut().zip(&offers) {
        assert!(matches!(ask(wire, by, &to, bytes(offer)), Outcome::Stored(_)));
    }
    let rows = andi.json(&["requests"]).unwrap();
    for ((by, _), is_marked) in both.iter().zip([false, true]) {
        let row = rows.iter().find(|row| row["peer"] == by.peer().to_string()).unwrap();
        assert_eq!((&row["status"], &row["trust"], row["fault"].is_string()), (&"pending".into(), &"unknown".into(), is_marked), "{row}");
        andi.json(&["accept", row["request"].as_str().unwrap()]).unwrap();
    }
    for ((by, wire), offer) in both.iter_mut().zip(&offers) {
        let accept = wire.hear("the Accept", |frame| by.hear(frame, now()));
        wire.say(&by.receipt(now(), &[accept.frame], Outcome::Stored(now().after(DAY))));
        let body: AcceptBody = codec::decode(&accept.statement.body, PAYLOAD_MAX).unwrap();
        let head: AcceptHead = codec::decode(&body.head, PAYLOAD_MAX).unwrap();
        let (_, confirm) = by.complete(offer, &accept, now());
        assert!(matches!(wire.put(&head.reply.entry, &confirm), Outcome::Stored(_)));
        let peer = by.peer().to_string();
        let is_mutual = || Ok(andi.json(&["friends"])?.iter().any(|friend| friend["id"] == peer && friend["mutual"] == true).then_some(()));
        within(SOON, "they are friends", is_mutual).unwrap();
    }
    let is_fresh = |found: &VerifiedContact| found.contacts[0].1.package != to.contacts[0].1.package;
    let to = within(SOON, "another package is posted", || Ok(posted(&server, &peer).filter(is_fresh))).unwrap();

    // A flood by people who were made for it.
    let mut wire = Wire::call(&andi);
    let before = stored(andi.folder());
    let (mut taken, mut full) = (0, 0);
    for number in 0..PENDING_STRANGERS_MAX + TOO_MANY {
        let mut sybil = somebody(1_000 + number as u64);
        let offer = sybil.offer(now());
        match ask(&mut wire, &mut sybil, &to, bytes(&offer)) {
            Outcome::Stored(_) => taken += 1,
            Outcome::Refused(Refusal::Full) => full += 1,
            other @ (Outcome::Delivered | Outcome::Refused(_)) => panic!("{other:?}"),
        }
    }
    assert_eq!((taken, full), (PENDING_STRANGERS_MAX, TOO_MANY));
    let [requests, friends, _] = people(&andi);
    assert_eq!(requests.iter().filter(|row| row["status"] == "pending").count(), PENDING_STRANGERS_MAX);
    assert_eq!(friends.len(), 3);
    let grown = stored(andi.folder()).saturating_sub(before);
    assert!(grown < 8 * 1024 * 1024, "the store has grown by {grown}");
    for (from, name) in [(&cleo, "Andi"), (&andi, "Cleo")] {
        let sent = from.json(&["send", name, "through the flood", "--wait", "delivered", "--timeout", "20s"]).unwrap();
        assert_eq!(sent[0]["state"], "delivered");
    }
    // It is not only that so many are looked at in a minute: who comes by an invite finds no room, until one is set aside.
    let late = [5_000, 5_001].map(|seed| {
        let (_, to) = wire.contact_of(&invite(&andi));
        let mut by = somebody(seed);
        let offer = by.offer(now());
        (to.contacts[0].1.entry.clone(), by.offer_frame(&to, Nonce([1; 16]), &offer))
    });
    assert_eq!(late.each_ref().map(|(to, frame)| wire.put(to, frame)), [Outcome::Refused(Refusal::Full); 2]);
    let row = requests.iter().find(|row| row["status"] == "pending").unwrap();
    andi.json(&["ignore", row["request"].as_str().unwrap()]).unwrap();
    let late = late.each_ref().map(|(to, frame)| wire.put(to, frame));
    assert!(matches!(late, [Outcome::Stored(_), Outcome::Refused(Refusal::Full)]), "{late:?}");
    calm(andi.folder()).unwrap();
}
