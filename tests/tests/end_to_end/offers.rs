//! Offers made by hand before a node that runs: each that is not true is refused, the true one
//! befriends, and what the node signs is checked by its bytes.

#[path = "offers/scene.rs"]
mod scene;

use super::by_hand::{Wire, bytes, dropped, invite, people, somebody};
use super::server::now;
use scene::Scene;
use serde_json::Value;
use sha2::Digest as _;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use symbolon_core::contact::VerifiedContact;
use symbolon_core::link::InviteLink;
use symbolon_core::wire::{AcceptBody, AcceptHead, ConfirmBody, Contact, First, OfferBody, PAYLOAD_MAX, Statement, Step};
use symbolon_core::world::Lifetime;
use symbolon_presence::codec;
use symbolon_presence::envelope::BUCKETS;
use symbolon_presence::id::{Digest, Nonce, RequestId, RoomId};
use symbolon_presence::identity::{Identity, pair_context};
use symbolon_presence::kdf::Secret;
use symbolon_presence::labels::{SIGN_ACCEPT, SIGN_CONTACT};
use symbolon_presence::record::day_of;
use symbolon_presence::time::{DAY, MINUTE, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, Put, Refusal};
use symbolon_tests::craft::{Actor, certify, weak_kem, weak_key};
use symbolon_tests::node::{Carrier, befriend, clock, pending, start_named, wait_for_friend, within};

const SOON: Duration = Duration::from_secs(10);
const NONE: Digest = Digest([0; 32]);

fn field(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap().to_owned()
}

#[test]
fn a05_a07_a08_a17_of_all_offers_under_an_invite_a_running_node_takes_the_true_one_alone() {
    let mut scene = Scene::new();
    let (device, contact) = scene.to.contacts[0].clone();
    let offer = scene.mallory.offer(now());
    let said = scene.said(&offer);
    let true_one = First::sign(&scene.mallory.identity, &said);
    let other = somebody(2);

    // Whose it is: the root, the certificate and the signature belong together.
    let change = |change: fn(&mut First, &Actor)| {
        let mut first = true_one.clone();
        change(&mut first, &other);
        first
    };
    let forged = [
        ("another's root", change(|first, other| first.chain.root = other.identity.chain.root)),
        ("another's certificate", change(|first, other| first.chain.cert = other.identity.chain.cert.clone())),
        ("another's word for the certificate", change(|first, other| first.chain.signature = other.identity.chain.signature)),
        ("another's chain", change(|first, other| first.chain = other.identity.chain.clone())),
        ("one bit of the signature", change(|first, _| first.signature.0[9] ^= 1)),
        ("one bit of what is signed", change(|first, _| *first.statement.last_mut().unwrap() ^= 1)),
        ("a root of small order", change(|first, _| first.chain.root = weak_key(1))),
        ("a root that is no key in its shortest form", change(|first, _| first.chain.root = weak_key(2))),
    ];
    for (what, first) in &forged {
        scene.forged(first, what);
    }

    // Keys that no honest device has, each in its place.
    for weak in [0, 1, 2].map(weak_key) {
        let identity = scene.mallory.identity.clone();
        for (what, chain) in [
            ("a weak signing key", certify(&identity, |cert| cert.signing = weak)),
            ("a weak agreement key", certify(&identity, |cert| cert.dh = weak)),
        ] {
            let posed = Identity { chain, ..identity.clone() };
            scene.forged(&First::sign(&posed, &said), what);
        }
        let reply = offer.replies[0].clone();
        let mut receipt = reply.clone();
        receipt.entry.receipt = weak;
        for (what, reply) in
            [("a weak reply package", Contact { package: weak_kem(&reply.package, weak), ..reply }), ("a weak receipt key", receipt)]
        {
            let body = OfferBody { replies: vec![reply], ..offer.clone() };
            let first = First::sign(&scene.mallory.identity, &scene.said(&body));
            scene.forged(&first, what);
        }
    }

    // For whom it is.
    let to = |change: fn(&mut Statement, &Actor)| {
        let mut said = said.clone();
        change(&mut said, &other);
        First::sign(&scene.mallory.identity, &said)
    };
    let elsewhere = [
        ("for another person", to(|said, other| said.to = other.peer())),
        ("for another device", to(|said, _| said.device.0[0] ^= 1)),
        ("for another package", to(|said, _| said.package.0[0] ^= 1)),
    ];
    for (what, first) in &elsewhere {
        scene.forged(first, what);
    }

    // What it offers: a room of its own, in which nobody else is; a name and a note that are not too long.
    let life = Lifetime { not_before: Timestamp(now().0 - DAY), not_after: now().after(DAY) };
    let (room, at) = (RoomId([3; 32]), scene.mallory.leaf(&other.identity));
    scene.mallory.cipher.create(room, at.0, &at.1, life, None).unwrap();
    let of_another = OfferBody { group_info: scene.mallory.cipher.offer(room).unwrap(), leaves: vec![at.2], ..offer.clone() };
    let rooms = [
        ("another person's leaf", of_another),
        ("a leaf of which nothing is said", OfferBody { leaves: Vec::new(), ..offer.clone() }),
        ("no room at all", OfferBody { group_info: b"x".to_vec(), ..offer.clone() }),
        ("a name of 65 bytes", OfferBody { name: "n".repeat(65), ..offer.clone() }),
        ("a name with a line end", OfferBody { name: "a\nb".into(), ..offer.clone() }),
        ("a note of 513 bytes", OfferBody { note: Some("n".repeat(513)), ..offer.clone() }),
        ("a note with an escape", OfferBody { note: Some("\u{1b}[31m".into()), ..offer.clone() }),
        ("no reply address", OfferBody { replies: Vec::new(), ..offer.clone() }),
        ("nine reply addresses", OfferBody { replies: vec![offer.replies[0].clone(); 9], ..offer.clone() }),
    ];
    // By a link of their own: too many of them end one.
    scene.wire = Wire::call(&scene.andi);
    for (what, body) in &rooms {
        let first = First::sign(&scene.mallory.identity, &scene.said(body));
        scene.forged(&first, what);
    }

    // In clear text, and to nobody's address.
    scene.refused(&contact, [bytes(&true_one), vec![0; BUCKETS[0]]].concat()[..BUCKETS[0]].to_vec(), Refusal::Refused, "in clear text");
    scene.forged(
        &First {
            signature: scene.mallory.identity.signing.sign(
                SIGN_CONTACT,
                &pair_context(&scene.mallory.peer(), &device.peer),
                &true_one.statement,
            ),
            ..true_one.clone()
        },
        "signed for another use",
    );
    let envelope = scene.mallory.seal_payload(&contact, &bytes(&true_one));
    let (mut elsewhere, mut unkeyed) = (contact.clone(), contact.clone());
    *elsewhere.entry.address.last_mut().unwrap() ^= 1;
    unkeyed.key = Secret::from_bytes([1; 32]);
    scene.unheard(&elsewhere, &envelope, "one bit of the sealed address");
    scene.unheard(&unkeyed, &envelope, "another key beside the address");

    assert!(matches!(scene.put(&contact, envelope), Outcome::Stored(_)));
    let row = scene.andi.json(&["requests"]).unwrap().remove(0);
    assert_eq!((field(&row, "status"), field(&row, "peer")), ("pending".to_owned(), scene.mallory.peer().to_string()));
}

#[test]
fn a09_a18_an_invite_that_is_used_late_is_refused_by_a_running_node_and_both_sides_see_it() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let start = || start_named(&home.path().join("andi"), Carrier::Tcp, "Andi").unwrap();
    let (andi, hand) = clock::movable(&home.path().join("clock"), start);
    let mut wire = Wire::call(&andi);
    let links = [invite(&andi), invite(&andi)];
    let ends: Vec<VerifiedContact> = links.iter().map(|link| wire.contact_of(link).1).collect();
    let late_by = |to: &VerifiedContact, minutes| i64::try_from((to.expires.0 + minutes * MINUTE - now().0) / 1_000).unwrap();
    let ask = |wire: &mut Wire, to: &VerifiedContact, seed| {
        let (events, mut by) = (andi.api().unwrap().events().unwrap(), somebody(seed));
        let offer = by.offer(now());
        let frame = by.offer_frame(to, Nonce([9; 16]), &offer);
        (wire.put(&to.contacts[0].1.entry, &frame), people(&andi), notified(&events))
    };
    // Nine minutes of a clock that is wrong are borne. By another date a node begins again.
    hand.set(late_by(&ends[0], 9)).unwrap();
    wire.call_again(&andi);
    let (taken, before, told) = ask(&mut wire, &ends[0], 1);
    assert!(matches!(taken, Outcome::Stored(_)), "{taken:?}");
    assert_eq!((before[0].len(), told), (1, (1, Vec::new())));
    // By its own clock alone it would only put off what is later: somebody has to sign the time.
    let late = late_by(&ends[1], 11);
    hand.set(late).unwrap();
    wire.call_again(&andi);
    let eve = clock::ahead(late, || start_named(&home.path().join("eve"), Carrier::Tcp, "Eve").unwrap());
    befriend((&andi, "Andi"), (&eve, "Eve")).unwrap();
    let sent = andi.json(&["send", "Eve", "what day is it?", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    let before = people(&andi);
    let (refused, after, told) = ask(&mut wire, &ends[1], 2);
    assert_eq!(refused, Outcome::Refused(Refusal::Expired), "the one who asks is told so");
    assert_eq!(told, (0, vec!["invite_expired".to_owned()]), "and so is the one who has made it");
    assert_eq!(after, before);

    // A real node: by its own clock the link is good still, and its maker's node has it no more; then the link itself says it.
    let mut ben = start_named(&home.path().join("ben"), Carrier::Tcp, "Ben").unwrap();
    let row = ben.json(&["add", &links[1]]).unwrap().remove(0);
    assert_eq!(row["status"], "unresolved", "{row}");
    assert!(
        row["fault"].as_str().is_some_and(|fault| fault.contains("this invite was used") && fault.contains("Ask for a new one")),
        "{row}"
    );
    ben.interrupt().unwrap();
    // A link's end is rounded up to five minutes.
    clock::ahead(late_by(&ends[1], 16), || ben.restart()).unwrap();
    let said = ben.run(&["--json", "add", &links[1]]).unwrap();
    assert!(said.code == Some(1) && said.stdout.contains("link_expired"), "{said:?}");
    assert_eq!(people(&andi), before);
}

#[test]
fn a09_an_offer_out_of_its_time_is_refused_by_a_running_node() {
    let mut scene = Scene::new();
    let (contact, honest) = (scene.to.contacts[0].1.clone(), scene.mallory.offer(now()));
    let at = now().0;
    let cases = [
        ("made 11 minutes ahead", at + 11 * MINUTE, at + DAY, Refusal::Untimely),
        ("expired 11 minutes ago", at - DAY, at - 11 * MINUTE, Refusal::Untimely),
        ("good for more than 30 days", at, at + 30 * DAY + 1, Refusal::Refused),
        ("good for ever", at, u64::MAX, Refusal::Refused),
    ];
    for (what, created, expires, refusal) in cases {
        let body = OfferBody { created: Timestamp(created), expires: Timestamp(expires), ..honest.clone() };
        let first = First::sign(&scene.mallory.identity, &scene.said(&body));
        let envelope = scene.mallory.seal_payload(&contact, &bytes(&first));
        scene.refused(&contact, envelope, refusal, what);
    }
    for (what, from, life) in [("a certificate that is over", at - DAY, DAY - 11 * MINUTE), ("one of tomorrow", at + 11 * MINUTE, DAY)] {
        let identity = Identity::generate(&mut scene.mallory.rng, Timestamp(from), life);
        let (honest, said) = (std::mem::replace(&mut scene.mallory.identity, identity), scene.said(&honest));
        let first = First::sign(&scene.mallory.identity, &said);
        scene.mallory.identity = honest;
        let envelope = scene.mallory.seal_payload(&contact, &bytes(&first));
        scene.refused(&contact, envelope, Refusal::Untimely, what);
    }
    // Nine minutes of a clock that is wrong are borne.
    let body = OfferBody { created: Timestamp(at + 9 * MINUTE), ..honest };
    let first = First::sign(&scene.mallory.identity, &scene.said(&body));
    let envelope = scene.mallory.seal_payload(&contact, &bytes(&first));
    assert!(matches!(scene.put(&contact, envelope), Outcome::Stored(_)));
}

/// How often the user was notified of a request, and the warnings.
fn notified(events: &Receiver<(String, Value)>) -> (usize, Vec<String>) {
    let all: Vec<(String, Value)> = events.try_iter().collect();
    let warnings = all.iter().filter(|(event, _)| event == "warning").map(|(_, view)| field(view, "warning"));
    (all.iter().filter(|(event, _)| event == "request").count(), warnings.collect())
}

#[test]
fn a04_a06_a11_a12_what_is_unasked_changed_or_repeated_changes_nothing_at_a_running_node_and_the_true_confirm_befriends() {
    let mut scene = Scene::new();
    let (device, contact) = scene.to.contacts[0].clone();
    for step in [Step::Accept, Step::Confirm] {
        let envelope = scene.mallory.seal(step, &device, &contact, NONE, b"x".to_vec());
        let before = people(&scene.andi);
        let outcome = scene.put(&contact, envelope);
        assert!(matches!(outcome, Outcome::Refused(_)), "an answer to nothing: {outcome:?}");
        assert_eq!(people(&scene.andi), before);
    }
    let offer = scene.mallory.offer(now());
    let asked = scene.mallory.offer_frame(&scene.to, scene.usage, &offer);
    assert!(matches!(scene.wire.put(&contact.entry, &asked), Outcome::Stored(_)));
    let row = pending(&scene.andi).unwrap();
    let events = scene.andi.api().unwrap().events().unwrap();

    // Again, and with other words: taken, and nothing comes of it.
    let before = people(&scene.andi);
    let others = OfferBody { name: "Bishop".into(), note: None, ..offer.clone() };
    let newer = OfferBody { revision: 1, ..others.clone() };
    let [others, later] = [&others, &newer].map(|body| scene.mallory.offer_frame(&scene.to, scene.usage, body));
    for (what, frame) in [("the same", &asked), ("other words", &others), ("other words under a later number", &later)] {
        assert!(matches!(scene.wire.put(&contact.entry, frame), Outcome::Stored(_)), "{what}");
        assert_eq!(people(&scene.andi), before, "{what}");
    }
    assert_eq!(notified(&events), (0, Vec::new()));

    // Other keys under the same number: another row, and the user is warned.
    let (mut other, (_, to_other)) = (somebody(3), scene.wire.contact_of(&invite(&scene.andi)));
    let second = OfferBody { request: offer.request, ..other.offer(now()) };
    let second = other.offer_frame(&to_other, Nonce([1; 16]), &second);
    assert!(matches!(scene.wire.put(&to_other.contacts[0].1.entry, &second), Outcome::Stored(_)));
    let rows = scene.andi.json(&["requests"]).unwrap();
    assert_eq!((rows.len(), rows.contains(&before[0][0])), (2, true), "the first row keeps its keys");
    assert_eq!(notified(&events), (1, vec!["keys_changed".to_owned()]));

    // The answer that the node signs, by its bytes.
    scene.andi.json(&["accept", &row]).unwrap();
    let heard = scene.wire.hear("the Accept", |frame| scene.mallory.hear(frame, now()));
    let context = pair_context(&device.peer, &scene.mallory.peer());
    let signed = [SIGN_ACCEPT.as_bytes(), context.as_bytes(), &heard.first.statement].concat();
    let key = ed25519_dalek::VerifyingKey::from_bytes(device.signing.bytes().as_bytes()).unwrap();
    key.verify_strict(&signed, &ed25519_dalek::Signature::from_bytes(heard.first.signature.as_bytes())).unwrap();
    assert_eq!(sha2::Sha256::digest(heard.first.chain.root.as_bytes()).as_slice(), device.peer.as_bytes());
    assert_eq!(device.peer.to_string(), field(&scene.andi.ready, "id"), "the Peer ID is the hash of the key that signs");
    let stored = scene.mallory.receipt(now(), &[heard.frame], Outcome::Stored(now().after(DAY)));
    scene.wire.say(&stored);

    // A Confirm of something else, or by somebody else, is none.
    let accept: AcceptBody = codec::decode(&heard.statement.body, PAYLOAD_MAX).unwrap();
    let head: AcceptHead = codec::decode(&accept.head, PAYLOAD_MAX).unwrap();
    // It answers the last that was said under the number.
    let (_, confirm) = scene.mallory.complete(&newer, &heard, now());
    let transcript = AcceptBody::transcript(&heard.statement.transcript, &heard.statement.body, &device.device);
    let body = |request| bytes(&ConfirmBody { request, bundle: None });
    for (what, transcript, body) in [
        ("no transcript", NONE, body(offer.request)),
        ("the Offer's transcript", heard.statement.transcript, body(offer.request)),
        ("another request", transcript, body(RequestId([8; 16]))),
    ] {
        let envelope = scene.mallory.seal(Step::Confirm, &device, &head.reply, transcript, body);
        scene.refused(&head.reply, envelope, Refusal::Refused, what);
    }
    let envelope = other.seal(Step::Confirm, &device, &head.reply, transcript, body(offer.request));
    scene.refused(&head.reply, envelope, Refusal::Refused, "another person");
    assert!(matches!(scene.wire.put(&head.reply.entry, &confirm), Outcome::Stored(_)));
    wait_for_friend(&scene.andi, "Mallory").unwrap();

    // The Offer once more: at once, after a restart, and after a block.
    let again = |scene: &mut Scene, what: &str| {
        let (before, events) = (people(&scene.andi), scene.andi.api().unwrap().events().unwrap());
        scene.wire = Wire::call(&scene.andi);
        assert!(matches!(scene.wire.put(&contact.entry, &asked), Outcome::Stored(_)), "{what}");
        assert_eq!((people(&scene.andi), notified(&events)), (before, (0, Vec::new())), "{what}");
    };
    again(&mut scene, "after it was accepted");
    scene.andi.interrupt().unwrap();
    scene.andi.restart().unwrap();
    again(&mut scene, "after a restart");
    scene.andi.json(&["block", "Mallory"]).unwrap();
    scene.wire.call_by_another_key(&scene.andi);
    again(&mut scene, "after a block");
    // So is another one, which the user never sees.
    let (_, to) = scene.wire.contact_of(&invite(&scene.andi));
    let fresh = scene.mallory.offer(now());
    let fresh = scene.mallory.offer_frame(&to, Nonce([2; 16]), &fresh);
    let (before, events) = (people(&scene.andi), scene.andi.api().unwrap().events().unwrap());
    assert!(matches!(scene.wire.put(&to.contacts[0].1.entry, &fresh), Outcome::Stored(_)));
    assert_eq!((people(&scene.andi), notified(&events)), (before, (0, Vec::new())));
    scene.andi.calm().unwrap();
}

/// The same envelope to the same address, under another key.
fn under(frame: &[u8], key: &Secret) -> Vec<u8> {
    let Ok(Frame::Put(put)) = Frame::decode(frame) else { panic!("a frame that puts") };
    Frame::Put(Put::new(put.address, key, 3600, put.usage, put.envelope).unwrap()).encode()
}

#[test]
fn a33_a_stolen_address_is_of_no_use_without_its_own_key_and_one_that_is_taken_back_leaves_the_others_good_at_a_running_node() {
    let mut scene = Scene::new();
    let minted = [(); 2].map(|()| scene.andi.json(&["invite"]).unwrap().remove(0));
    let [second, third] = minted.each_ref().map(|row| scene.wire.contact_of(&field(row, "link")).1);
    let keys = [&second, &third].map(|to| to.contacts[0].1.key.clone());
    /// Nothing of it is answered, and the user sees nothing.
    fn unheard(scene: &Scene, frames: &[Vec<u8>], what: &str) {
        let before = (people(&scene.andi), dropped(&scene.andi));
        // By a link of their own: too many of them end one.
        let mut wire = Wire::call(&scene.andi);
        frames.iter().for_each(|frame| wire.say(frame));
        within(SOON, what, || Ok((dropped(&scene.andi) >= before.1 + frames.len() as u64).then_some(()))).unwrap();
        assert!(wire.is_silent(), "{what}");
        assert_eq!(people(&scene.andi), before.0, "{what}");
    }

    // An invite's, by anyone who has seen it and not its key: under no key, and under those of two other invites.
    let offer = scene.mallory.offer(now());
    let asked = scene.mallory.offer_frame(&scene.to, scene.usage, &offer);
    let nobodys = Secret::from_bytes([0; 32]);
    let stolen = [&nobodys, &keys[0], &keys[1]].map(|key| under(&asked, key));
    unheard(&scene, &stolen, "the address of an invite");

    // One is taken back. What lies in the queue, and what is put by the others, is as it was.
    let events = scene.andi.api().unwrap().events().unwrap();
    assert!(matches!(scene.wire.put(&scene.to.contacts[0].1.entry, &asked), Outcome::Stored(_)));
    let row = pending(&scene.andi).unwrap();
    scene.andi.json(&["invite", "revoke", &field(&minted[0], "invite")]).unwrap();
    let mut late = somebody(4);
    let body = late.offer(now());
    let frame = late.offer_frame(&second, Nonce([3; 16]), &body);
    assert_eq!(scene.wire.put(&second.contacts[0].1.entry, &frame), Outcome::Refused(Refusal::UsedUp));
    assert_eq!(scene.andi.json(&["requests"]).unwrap().len(), 1);
    assert_eq!(notified(&events), (1, Vec::new()));
    // Nor does anybody who names its body get it from then on.
    let id = InviteLink::read(&field(&minted[0], "link")).unwrap().secret.slot(day_of(now())).id().unwrap();
    scene.wire.say(&Frame::Lookup(id).encode());
    let is_it =
        |frame: &[u8]| if let Ok(Frame::Found(found)) = Frame::decode(frame) { (found.id == id).then_some(found.record) } else { None };
    assert_eq!(scene.wire.hear("an answer", is_it), None);

    // A guest's: that of the answer.
    scene.andi.json(&["accept", &row]).unwrap();
    let heard = scene.wire.hear("the Accept", |frame| scene.mallory.hear(frame, now()));
    scene.wire.say(&scene.mallory.receipt(now(), &[heard.frame], Outcome::Stored(now().after(DAY))));
    let accept: AcceptBody = codec::decode(&heard.statement.body, PAYLOAD_MAX).unwrap();
    let head: AcceptHead = codec::decode(&accept.head, PAYLOAD_MAX).unwrap();
    let (bond, confirm) = scene.mallory.complete(&offer, &heard, now());
    let friends = bond.bundle.friendship.put(&bond.bundle.devices[0].entry.mailbox);
    let stolen = [&nobodys, &keys[1], &friends].map(|key| under(&confirm, key));
    unheard(&scene, &stolen, "the reply address");
    assert!(matches!(scene.wire.put(&head.reply.entry, &confirm), Outcome::Stored(_)));
    wait_for_friend(&scene.andi, "Mallory").unwrap();

    // That of friends.
    let text = scene.mallory.say(&bond, "for you", now());
    let stolen = [&nobodys, &keys[1], &head.reply.key].map(|key| under(&text, key));
    unheard(&scene, &stolen, "the address of friends");
    assert_eq!(scene.wire.put(&bond.bundle.devices[0].entry, &text), Outcome::Delivered);
    // Taken back with the friendship; the third invite is good still.
    scene.andi.json(&["unfriend", "Mallory"]).unwrap();
    // A node takes another transport key when somebody was taken out.
    scene.wire.call_by_another_key(&scene.andi);
    let text = scene.mallory.say(&bond, "once more", now());
    let before = people(&scene.andi);
    scene.wire.say(&text);
    let mut guest = somebody(5);
    let body = guest.offer(now());
    let frame = guest.offer_frame(&third, Nonce([4; 16]), &body);
    assert!(matches!(scene.wire.put(&third.contacts[0].1.entry, &frame), Outcome::Stored(_)));
    assert!(scene.wire.is_silent(), "by one who is no friend any more it is not answered");
    assert_eq!(people(&scene.andi)[2], before[2]);
    pending(&scene.andi).unwrap();
    scene.andi.calm().unwrap();
}
