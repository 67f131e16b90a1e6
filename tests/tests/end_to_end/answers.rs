//! A node that runs asks a person made by hand: what it believes of the answers, of Offers in that person's name, and of invites.

#[path = "answers/asked.rs"]
mod asked;

use super::by_hand::{Wire, bytes, invite, people, somebody};
use super::called::Called;
use super::server::now;
use asked::Asked;
use serde_json::Value;
use std::time::Duration;
use symbolon_core::contact::{ContactBody, ContactRecord, InviteMark};
use symbolon_core::wire::{AcceptBody, AcceptHead, BundleDevice, Contact, First, PAYLOAD_MAX, RoomPayload, Step};
use symbolon_node::mls::{MemoryRows, MlsCipher};
use symbolon_presence::codec;
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::id::{Digest, EpochId, InviteId, Nonce, PeerId};
use symbolon_presence::identity::{Identity, pair_context};
use symbolon_presence::kdf::Secret;
use symbolon_presence::labels::SIGN_OFFER;
use symbolon_presence::time::{DAY, MINUTE, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, Refusal};
use symbolon_tests::craft::{Actor, certify, invites, put, statement, weak_kem, weak_key};
use symbolon_tests::node::{Carrier, Node, start_named, within};

const SOON: Duration = Duration::from_secs(20);

/// Somebody else's rooms of MLS under keys that a test has.
fn again(identity: &Identity, seed: u64) -> Actor {
    let mut actor = Actor::with_identity(identity.clone(), seed);
    actor.cipher = Box::new(MlsCipher::new(MemoryRows::default()));
    actor
}

/// The steps among the frames that a node puts.
fn is_step(frame: &[u8]) -> bool {
    matches!(Frame::decode(frame), Ok(Frame::Put(put)) if kind(&put.envelope) == Some(Kind::First))
}

/// Makes the devices that a bundle names others, with that of another person at hand.
type OtherDevices = fn(&mut Vec<BundleDevice>, BundleDevice);

#[test]
fn a02_s2_18_s2_19_r6_of_all_answers_a_running_node_takes_the_true_one_alone_and_its_maker_does_not_pose_as_an_own_device() {
    let mut asked = Asked::new();
    let (device, reply, transcript) = (asked.offer.device.clone(), asked.reply(), asked.transcript());

    // By one who carries it and has read everything: all as the asked person would make it, but for the key that signs.
    let mut carrier = somebody(90);
    let (by, own) = (asked.ben.peer(), carrier.identity.clone());
    let (accept, _) = carrier.accept_as(&asked.offer, &by, &own, now());
    let envelope = carrier.seal(Step::Accept, &device, &reply, transcript, bytes(&accept));
    asked.refused(envelope, "another person's answer");
    let said = statement(Step::Accept, &device, &reply, transcript, bytes(&accept));
    let posing = First { chain: asked.ben.identity.chain.clone(), ..First::sign(&carrier.identity, &said) };
    let envelope = carrier.seal_payload(&reply, &bytes(&posing));
    asked.refused(envelope, "a certificate that did not sign");

    // By Ben himself, with any part of something else.
    let mut ben = asked.ben_again(91);
    let (honest, _) = ben.accept(&asked.offer, now());
    let (other, _) = asked.ben_again(92).accept(&asked.offer, now());
    let head: AcceptHead = codec::decode(&honest.head, PAYLOAD_MAX).unwrap();
    for (step, what) in [(Step::Confirm, "a Confirm to the one who asked"), (Step::Offer, "an Offer to a reply address")] {
        let envelope = asked.ben.seal(step, &device, &reply, transcript, bytes(&honest));
        asked.refused(envelope, what);
    }
    let with_head = |change: fn(&mut AcceptHead)| {
        let mut head = head.clone();
        change(&mut head);
        AcceptBody { head: bytes(&head), ..honest.clone() }
    };
    let cases = [
        ("the head of another answer", AcceptBody { head: other.head.clone(), ..honest.clone() }),
        ("the commit of another answer", AcceptBody { commit: other.commit.clone(), ..honest.clone() }),
        ("the bundle of another answer", AcceptBody { bundle: other.bundle.clone(), ..honest.clone() }),
        ("no commit", AcceptBody { commit: Vec::new(), ..honest.clone() }),
        ("no bundle", AcceptBody { bundle: Vec::new(), ..honest.clone() }),
        ("a bundle where the commit belongs", AcceptBody { commit: honest.bundle.clone(), ..honest.clone() }),
        ("another request", with_head(|head| head.request.0[0] ^= 1)),
        ("another epoch", with_head(|head| head.epoch = EpochId([7; 32]))),
        ("another nonce", with_head(|head| head.nonce.0[0] ^= 1)),
        ("a name too long", with_head(|head| head.name = "n".repeat(65))),
    ];
    for (what, body) in &cases {
        asked.misanswered(transcript, body, what);
    }
    for (what, wrong) in [("no transcript", Digest([0; 32])), ("another transcript", Digest([9; 32]))] {
        asked.misanswered(wrong, &honest, what);
    }
    // For another device, and for another reply address.
    for what in ["for another device", "for another package", "for another person"] {
        let mut said = statement(Step::Accept, &device, &reply, transcript, bytes(&honest));
        match what {
            "for another device" => said.device.0[0] ^= 1,
            "for another package" => said.package.0[0] ^= 1,
            _ => said.to = carrier.peer(),
        }
        let first = First::sign(&asked.ben.identity, &said);
        let envelope = asked.ben.seal_payload(&reply, &bytes(&first));
        asked.refused(envelope, what);
    }

    // Whose device enters, and whom the bundle names.
    let sibling = Identity::certify(asked.ben.identity.entropy.clone().unwrap(), 2, &mut carrier.rng, now(), DAY);
    for (what, leaf_of) in [("another person's leaf", carrier.identity.clone()), ("a sibling device's leaf", sibling)] {
        let (accept, _) = asked.ben_again(93).accept_as(&asked.offer, &by, &leaf_of, now());
        asked.misanswered(transcript, &accept, what);
    }
    let foreign = carrier.bundle().devices[0].clone();
    let bundles: [(&str, OtherDevices); 8] = [
        ("a foreign device beside his own", |devices, foreign| devices.push(foreign)),
        ("a foreign device", |devices, foreign| *devices = vec![foreign]),
        ("a foreign mailbox", |devices, foreign| devices[0].entry = foreign.entry),
        ("no device", |devices, _| devices.clear()),
        ("a weak direct key", |devices, _| devices[0].direct = weak_kem(&devices[0].direct, weak_key(0))),
        ("a weak receipt key", |devices, _| devices[0].entry.receipt = weak_key(1)),
        ("a weak root", |devices, _| devices[0].chain.root = weak_key(2)),
        ("a root that others hold", |devices, foreign| devices[0].chain.root = foreign.chain.root),
    ];
    for (number, (what, change)) in bundles.into_iter().enumerate() {
        let mut ben = asked.ben_again(200 + number as u64);
        let (mut accept, offer) = ben.accept(&asked.offer, now());
        let mut bundle = ben.bundle();
        change(&mut bundle.devices, foreign.clone());
        let room = ben.cipher.inspect(&offer.group_info).unwrap().room;
        accept.bundle = ben.cipher.seal(room, &bytes(&RoomPayload::Bundle(bundle)), &[]).unwrap().bytes;
        asked.misanswered(transcript, &accept, what);
    }
    let (ben, bond) = asked.completes(ben, &honest);
    asked.poses_as_own(ben, &bond);
}

/// Somebody who comes before another person in the order of crossed requests, or behind.
fn ordered(seeds: impl Iterator<Item = u64>, is_before: bool, other: &PeerId) -> Actor {
    seeds.map(somebody).find(|actor| (actor.peer() < *other) == is_before).unwrap()
}

/// The statuses of the requests with somebody, as the node's user sees them: of the one that came in, and of the one that went out.
fn statuses(node: &Node, peer: &PeerId) -> [Value; 2] {
    let rows = node.json(&["requests"]).unwrap();
    ["in", "out"].map(|way| {
        let row = rows.iter().find(|row| row["direction"] == way && row["peer"] == peer.to_string());
        row.map_or(Value::Null, |row| row["status"].clone())
    })
}

#[test]
fn a03_s2_30_an_offer_in_the_name_of_the_one_we_asked_is_a_row_of_its_own_and_the_true_one_that_crosses_ours_settles_both() {
    let home = tempfile::tempdir().unwrap();
    let andi = start_named(&home.path().join("andi"), Carrier::Tcp, "Andi").unwrap();
    let own: PeerId = andi.ready["id"].as_str().unwrap().parse().unwrap();
    let mut home = Some(home);
    let mut node = Some(andi);
    // The one who comes first in the order of crossed requests waits for the other one's yes.
    for (is_before, seeds) in [(true, 100), (false, 200)] {
        let ben = ordered(seeds.., is_before, &own);
        let mut asked = Asked::by(node.take().unwrap(), ben, home.take().unwrap());
        let mut wire = Wire::call(&asked.andi);
        let friends = asked.andi.json(&["friends"]).unwrap().len();

        // The forger comes first: of the one who was asked, the Offer would be accepted automatically.
        // Of other seeds: of few seeds the first who comes before a very low id may be the same person.
        let mut mallory = ordered(seeds + 1_000_000.., true, &own);
        let (_, to) = wire.contact_of(&invite(&asked.andi));
        let (device, contact) = to.contacts[0].clone();
        let body = mallory.offer(now());
        let said = statement(Step::Offer, &device, &contact, Digest([0; 32]), bytes(&body));
        let posing = First { chain: asked.ben.identity.chain.clone(), ..First::sign(&mallory.identity, &said) };
        let envelope = mallory.seal_payload(&contact, &bytes(&posing));
        let before = people(&asked.andi);
        let refused = wire.put(&contact.entry, &put(&contact, Some(Nonce([1; 16])), envelope));
        assert_eq!(refused, Outcome::Refused(Refusal::Refused), "under the certificate of the one who was asked");
        assert_eq!(people(&asked.andi), before, "the user sees nothing of it");
        let posing = mallory.offer_frame(&to, Nonce([1; 16]), &body);
        assert!(matches!(wire.put(&contact.entry, &posing), Outcome::Stored(_)), "under that name and the forger's own keys");
        assert_eq!(statuses(&asked.andi, &mallory.peer()), [Value::from("pending"), Value::Null], "a row of its own, with its real key");
        assert_eq!(statuses(&asked.andi, &asked.ben.peer()), [Value::Null, Value::from("pending")]);
        assert_eq!(asked.andi.json(&["friends"]).unwrap().len(), friends);

        // The one who was asked asks, too, before they have seen the Offer.
        let (_, to) = wire.contact_of(&invite(&asked.andi));
        let offer = asked.ben.offer(now());
        let crossing = asked.ben.offer_frame(&to, Nonce([2; 16]), &offer);
        assert!(matches!(wire.put(&to.contacts[0].1.entry, &crossing), Outcome::Stored(_)));
        if is_before {
            let accept = asked.link.hear("the Accept, for which no user was asked", |frame| asked.ben.hear(frame, now()));
            assert_eq!(accept.statement.step, Step::Accept);
            asked.link.say(&asked.ben.receipt(now(), &[accept.frame], Outcome::Stored(now().after(DAY))));
            let head: AcceptBody = codec::decode(&accept.statement.body, PAYLOAD_MAX).unwrap();
            let head: AcceptHead = codec::decode(&head.head, PAYLOAD_MAX).unwrap();
            let (_, confirm) = asked.ben.complete(&offer, &accept, now());
            assert!(matches!(wire.put(&head.reply.entry, &confirm), Outcome::Stored(_)));
        } else {
            assert_eq!(statuses(&asked.andi, &asked.ben.peer()), ["pending", "pending"].map(Value::from), "it waits for their yes");
            let (accept, _) = asked.ben.accept(&asked.offer, now());
            let answer = asked.ben.accept_frame(&asked.offer, &accept);
            let reply = asked.reply();
            assert!(matches!(asked.link.put(&reply.entry, &answer), Outcome::Stored(_)));
            let confirm = asked.link.hear("the Confirm", |frame| asked.ben.hear(frame, now()));
            assert_eq!(confirm.statement.step, Step::Confirm);
            asked.link.say(&asked.ben.receipt(now(), &[confirm.frame], Outcome::Stored(now().after(DAY))));
        }
        let (andi, ben) = (&asked.andi, asked.ben.peer());
        let is_settled = || Ok((statuses(andi, &ben) == ["confirmed", "confirmed"].map(Value::from)).then_some(()));
        within(SOON, "both rows are settled", is_settled).unwrap();
        assert_eq!(andi.json(&["friends"]).unwrap().len(), friends + 1);
        assert_eq!(statuses(andi, &mallory.peer())[0], "pending", "the forger waits for the user");
        assert_eq!(wire.count(is_step), 0, "and has heard nothing");
        assert_eq!(asked.called.count(is_step), 0, "the one who was asked was asked once");
        andi.calm().unwrap();
        (node, home) = (Some(asked.andi), Some(asked.home));
    }
}

/// Changes who makes an invite, or what its body says.
type OtherMaker = fn(&mut Actor, &mut ContactBody);

/// How the body of an invite is signed.
type Signed = Box<dyn Fn(&Actor, ContactBody, InviteMark) -> ContactRecord>;

#[test]
fn s0_21_a17_an_invite_is_believed_by_a_running_node_only_when_its_maker_s_device_has_signed_just_that() {
    let home = tempfile::tempdir().unwrap();
    let andi = start_named(&home.path().join("andi"), Carrier::Tcp, "Andi").unwrap();
    // A node asks four at once over one connection.
    let mut houses = [(); 5].map(|()| Called::start());
    let mallory = somebody(50).identity;
    let (other, third) = (mallory.clone(), mallory.clone());
    let honest = |by: &Actor, said, mark| invites::body(&by.identity, said, Some(mark));
    let signed: [(&str, Signed); 7] = [
        ("by somebody else", Box::new(move |_, said, mark| invites::body(&mallory, said, Some(mark)))),
        (
            "by somebody else, under the maker's certificate",
            Box::new(move |by, said, mark| ContactRecord { chain: by.identity.chain.clone(), ..invites::body(&other, said, Some(mark)) }),
        ),
        (
            "changed after it was signed",
            Box::new(move |by, said, mark| {
                let mut moved = said.clone();
                moved.contacts[0].key = Secret::from_bytes([9; 32]);
                ContactRecord { body: honest(by, moved, mark).body, ..honest(by, said, mark) }
            }),
        ),
        (
            "signed for another use",
            Box::new(move |by, said, mark| {
                let record = honest(by, said, mark);
                let context = pair_context(&by.peer(), &by.peer());
                ContactRecord { signature: by.identity.signing.sign(SIGN_OFFER, &context, &record.body), ..record }
            }),
        ),
        ("of another invite", Box::new(move |by, said, mark| honest(by, said, InviteMark { id: InviteId([9; 16]), ..mark }))),
        ("of another day", Box::new(move |by, said, mark| honest(by, said, InviteMark { day: mark.day - 1, ..mark }))),
        ("of no invite", Box::new(|by, said, _| invites::body(&by.identity, said, None))),
    ];
    let mut links = Vec::new();
    for (number, (what, sign)) in signed.into_iter().enumerate() {
        let mut by = somebody(60 + number as u64);
        let called = &mut houses[number % 5];
        let said = called.said(&mut by);
        links.push((what, by.peer(), called.invite_with(&mut by, &said, sign)));
    }
    // Honestly signed by a device that must not be believed, or over something that must not.
    let bad: [(&str, OtherMaker); 7] = [
        ("a certificate that is over", |by, _| {
            by.identity = Identity::generate(&mut by.rng, Timestamp(now().0 - DAY), DAY - 11 * MINUTE);
        }),
        ("a weak root", |by, _| by.identity.chain.root = weak_key(0)),
        ("a weak signing key", |by, _| by.identity.chain = certify(&by.identity, |cert| cert.signing = weak_key(1))),
        ("a weak agreement key", |by, _| by.identity.chain = certify(&by.identity, |cert| cert.dh = weak_key(2))),
        ("a weak package", |_, said| said.contacts[0].package = weak_kem(&said.contacts[0].package, weak_key(0))),
        ("a weak receipt key", |_, said| said.contacts[0].entry.receipt = weak_key(1)),
        ("nobody to write to", |_, said| said.contacts.clear()),
    ];
    for (number, (what, change)) in bad.into_iter().enumerate() {
        let mut by = somebody(80 + number as u64);
        let called = &mut houses[(number + 2) % 5];
        let mut said = called.said(&mut by);
        change(&mut by, &mut said);
        links.push((what, by.peer(), called.invite_with(&mut by, &said, honest)));
    }
    // Another person's device and mailbox beside the maker's own.
    let (mut by, mut foreign) = (somebody(98), Actor::with_identity(third, 1));
    let called = &mut houses[4];
    let mut said = called.said(&mut by);
    let contact = called.said(&mut foreign).contacts.remove(0);
    said.contacts.push(Contact { chain: Some(foreign.identity.chain.clone()), ..contact });
    links.push(("another person's device", by.peer(), called.invite_with(&mut by, &said, honest)));

    let adding: Vec<_> = links.iter().map(|(.., link)| Called::adds(&andi, link)).collect();
    // A body that has not come in time is looked for again.
    let is_read = |row: &Value| row["fault"].as_str().is_some_and(|fault| !fault.contains("cannot be read now"));
    let is_judged = |rows: &Vec<Value>| rows.len() == links.len() && rows.iter().all(is_read);
    let rows = within(SOON, "each body is looked at", || {
        houses.iter_mut().for_each(Called::answer);
        Ok(Some(andi.json(&["requests"])?).filter(is_judged))
    });
    let rows = rows.unwrap_or_else(|late| panic!("{late}: {:?}", andi.json(&["requests"])));
    for (what, peer, _) in &links {
        let row = rows.iter().find(|row| row["peer"] == peer.to_string()).unwrap();
        assert_eq!(row["status"], "unresolved", "{what}: {row}");
        assert!(row["fault"].as_str().is_some_and(|fault| fault.contains("not its maker's")), "{what}: {row}");
    }
    adding.into_iter().for_each(|adding| assert_eq!(adding.join().unwrap()["status"], "unresolved"));
    // An honest one is asked at once, and is the only one.
    let mut ben = somebody(99);
    let called = &mut houses[0];
    let link = called.invite(&mut ben);
    assert_eq!(called.add(&andi, &link)["status"], "pending");
    let (_, offer) = called.hear("the Offer", |frame| ben.hear(frame, now()));
    assert_eq!(offer.statement.step, Step::Offer);
    let others: usize = houses.iter_mut().map(|called| called.count(is_step)).sum();
    assert_eq!(others, 0, "nobody else was asked for anything but the bodies");
    andi.calm().unwrap();
}

#[test]
fn a112_an_invite_whose_body_is_withheld_is_waited_for_over_a_restart_of_a_running_node() {
    let home = tempfile::tempdir().unwrap();
    let mut andi = start_named(&home.path().join("andi"), Carrier::Tcp, "Andi").unwrap();
    let (mut called, mut ben) = (Called::start(), somebody(21));
    let link = called.invite(&mut ben);
    let bodies = called.withhold();
    let row = called.add(&andi, &link);
    assert_eq!(row["status"], "unresolved", "{row}");
    assert!(row["fault"].as_str().is_some_and(|fault| fault.contains("tried again until it expires")), "{row}");
    andi.kill().unwrap();
    andi.restart().unwrap();
    assert_eq!((called.count(is_step), andi.json(&["requests"]).unwrap()[0]["status"].clone()), (0, Value::from("unresolved")));
    // Another one's body in its place is not believed, and changes nothing.
    let (mut other, mut mallory) = (Called::start(), somebody(22));
    other.invite(&mut mallory);
    let foreign = other.withhold().into_values();
    called.put_back(bodies.keys().copied().zip(foreign).collect());
    called.answer();
    called.put_back(bodies);
    let (_, offer) = called.hear("the Offer", |frame| ben.hear(frame, now()));
    assert_eq!(offer.statement.step, Step::Offer);
    assert_eq!(andi.json(&["requests"]).unwrap()[0]["status"], "pending");
    andi.calm().unwrap();
}
