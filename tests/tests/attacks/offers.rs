//! Attacks by an Offer.

use super::Scene;
use symbolon_core::command::{RequestStatus, Trust};
use symbolon_core::seam::Warning;
use symbolon_core::wire::{First, LeafOwner, OfferBody, Step};
use symbolon_core::world::Lifetime;
use symbolon_presence::codec;
use symbolon_presence::envelope::BUCKETS;
use symbolon_presence::id::{Digest, Nonce, RoomId};
use symbolon_presence::identity::Identity;
use symbolon_presence::time::{DAY, HOUR, MINUTE, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, Refusal};
use symbolon_tests::craft::{Actor, outcomes, put, statement};
use symbolon_tests::sim::{Faults, Sim};

#[test]
fn an_honest_actor_befriends_a_node_and_is_heard() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    let frame = ben.say(&bond, "hello", sim.now);
    sim.rogue_send(link, frame);
    assert_eq!(sim.texts(a), ["hello"]);
}

#[test]
fn a01_no_frame_on_the_wire_shows_a_name_key_note_or_text_and_every_envelope_has_a_bucket_size() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andromeda"), sim.add("Benedetto"));
    sim.wire = Some(Vec::new());
    let link = sim.invite(a);
    sim.ask(b, &link).unwrap();
    sim.run_for(MINUTE);
    let request = sim.pending(a).unwrap();
    sim.accept(a, request).unwrap();
    sim.run_for(MINUTE);
    assert!(sim.are_friends(a, b));
    sim.say(a, b, "meet me at the old harbour").unwrap();
    sim.say(b, a, &"a longer line ".repeat(200)).unwrap();
    sim.run_for(MINUTE);
    sim.check(true);

    let mut needles: Vec<Vec<u8>> = vec![b"Andromeda".to_vec(), b"Benedetto".to_vec(), b"old harbour".to_vec(), b"longer line".to_vec()];
    for node in [a, b] {
        let chain = sim.contact_record(node).chain;
        let device = chain.verify(sim.now).unwrap();
        needles.extend([sim.nodes[node].peer.0, chain.root.0, device.signing.bytes().0, device.dh.bytes().0].map(|key| key.to_vec()));
        needles.extend([device.device.0.to_vec(), chain.cert]);
    }
    let shows = |bytes: &[u8], needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    // The needles are what the nodes really hold.
    let rows = sim.rows(a);
    let held =
        needles.iter().filter(|needle| rows.values().any(|value| shows(value, needle)) || rows.keys().any(|(_, key)| shows(key, needle)));
    assert!(held.count() >= needles.len() - 2, "the needles are real");

    let wire = sim.wire.take().unwrap();
    let mut puts = 0;
    for frame in &wire {
        for needle in &needles {
            assert!(!shows(&frame.bytes, needle), "a frame shows something in clear");
        }
        if let Ok(Frame::Put(put)) = Frame::decode(&frame.bytes) {
            puts += 1;
            assert!(BUCKETS.contains(&put.envelope.len()));
            assert_eq!(BUCKETS[usize::from(put.bucket)], put.envelope.len());
        }
    }
    assert!(puts >= 5, "Offer, Accept, Confirm and two texts went by: {puts}");
}

#[test]
fn a03_an_offer_in_the_name_of_the_one_we_asked_is_not_accepted_by_itself() {
    // Some of the forgers come before the node in the order of crossed requests, some behind.
    let mut lower = 0;
    for seed in 0..8 {
        let mut scene = Scene::new(seed);
        let mut ben = Actor::new(seed + 500, scene.sim.now);
        let invite = ben.invite(&mut scene.sim);
        let asked = scene.sim.ask(scene.node, &invite).unwrap();
        lower += usize::from(scene.mallory.peer() < scene.sim.nodes[scene.node].peer);

        // Ben's name and certificate, but not his key.
        let mut body = scene.mallory.offer(scene.sim.now);
        body.name = "Ben".into();
        let (device, contact) = scene.to.contacts[0].clone();
        let said = statement(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
        let forged = First { chain: ben.identity.chain.clone(), ..First::sign(&scene.mallory.identity, &said) };
        let envelope = scene.mallory.seal_payload(&contact, &codec::encode(&forged));
        scene.refused(put(&contact, Some(scene.usage), envelope), "another's certificate");

        // Ben's name under the forger's own key: a request like any other.
        let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
        scene.taken(frame);
        let row = scene.sim.pending(scene.node).unwrap();
        let view = scene.sim.request(scene.node, row);
        assert!(view.peer == scene.mallory.peer() && view.trust == Trust::Invited);
        assert_eq!(scene.sim.status_of(scene.node, asked), RequestStatus::Pending);
        assert!(scene.sim.friends(scene.node).is_empty());
    }
    assert!((1..8).contains(&lower), "both orders were tried: {lower}");
}

#[test]
fn a04_another_key_under_the_same_request_id_makes_a_second_row_and_a_warning() {
    let mut scene = Scene::new(1);
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame);
    let first = scene.sim.pending(scene.node).unwrap();
    let before = scene.sim.request(scene.node, first);

    let mut other = Actor::new(77, scene.sim.now);
    let invite = scene.sim.invite(scene.node);
    let to = scene.sim.contact_of(&invite);
    let second = OfferBody { request: body.request, ..other.offer(scene.sim.now) };
    let frame = other.offer_frame(&to, Nonce([1; 16]), &second);
    scene.taken(frame);
    assert_eq!(scene.sim.requests(scene.node).len(), 2);
    assert_eq!(scene.sim.warnings(scene.node, Warning::KeysChanged), 1);
    assert!(scene.sim.request(scene.node, first) == before, "the first row keeps its keys");
}

#[test]
fn a04_a_repeat_with_other_content_changes_nothing_that_the_user_saw() {
    let mut scene = Scene::new(1);
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame);
    let id = scene.sim.pending(scene.node).unwrap();
    let (view, rows) = (scene.sim.request(scene.node, id), scene.rows());
    let other = OfferBody { name: "Bishop".into(), note: None, ..body.clone() };
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &other);
    scene.taken(frame);
    assert!(scene.rows() == rows, "the same revision changes nothing");
    let newer = OfferBody { revision: 1, ..other };
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &newer);
    scene.taken(frame);
    assert!(scene.sim.request(scene.node, id) == view, "a newer revision changes no name, note or key");
    assert_eq!(scene.sim.told_of(scene.node, id), 1);
}

#[test]
fn a05_a_certificate_of_another_root_is_refused() {
    let mut scene = Scene::new(1);
    let other = Actor::new(55, scene.sim.now);
    let body = scene.mallory.offer(scene.sim.now);
    let (device, contact) = scene.to.contacts[0].clone();
    let said = statement(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
    let honest = First::sign(&scene.mallory.identity, &said);
    let mut root = honest.clone();
    root.chain.root = other.identity.chain.root;
    let mut cert = honest.clone();
    cert.chain.cert = other.identity.chain.cert.clone();
    let mut signature = honest.clone();
    signature.chain.signature = other.identity.chain.signature;
    for (what, forged) in [("root", root), ("certificate", cert), ("signature", signature)] {
        let envelope = scene.mallory.seal_payload(&contact, &codec::encode(&forged));
        scene.refused(put(&contact, Some(scene.usage), envelope), what);
    }
    let envelope = scene.mallory.seal_payload(&contact, &codec::encode(&honest));
    scene.taken(put(&contact, Some(scene.usage), envelope));
}

#[test]
fn a05_a_room_with_a_leaf_that_the_initiators_root_did_not_certify_is_refused() {
    let mut scene = Scene::new(1);
    let now = scene.sim.now;
    let other = Actor::new(55, now);
    let life = Lifetime { not_before: Timestamp(0), not_after: now.after(DAY) };
    let honest = scene.mallory.offer(now);

    let room = RoomId([3; 32]);
    let (leaf, credential, owner) = scene.mallory.leaf(&other.identity);
    scene.mallory.cipher.create(room, leaf, &credential, life, None).unwrap();
    let of_another = scene.mallory.cipher.offer(room).unwrap();

    let room = RoomId([4; 32]);
    let mine = scene.mallory.identity.clone();
    let (leaf, _, unsigned) = scene.mallory.leaf(&mine);
    scene.mallory.cipher.create(room, leaf, b"nobody", life, None).unwrap();
    let of_nobody = scene.mallory.cipher.offer(room).unwrap();

    let theirs = LeafOwner { chain: Some(other.identity.chain.clone()), ..owner.clone() };
    let [true_owner] = honest.leaves.as_slice() else { panic!("an Offer has one leaf") };
    let of_another_key = LeafOwner { key: owner.key.clone(), ..true_owner.clone() };
    let twice = vec![true_owner.clone(), true_owner.clone()];
    let room = &honest.group_info;
    let cases = [
        ("another person's leaf, said to be ours", &of_another, vec![owner.clone()]),
        ("another person's leaf, said to be theirs", &of_another, vec![theirs]),
        ("a leaf that nobody has signed for", &of_nobody, vec![unsigned]),
        ("a leaf of which nothing is said", room, Vec::new()),
        ("another leaf spoken of", room, vec![owner]),
        ("another key", room, vec![of_another_key]),
        ("a leaf spoken of twice", room, twice),
        ("no room at all", &b"x".to_vec(), honest.leaves.clone()),
    ];
    for (what, group_info, leaves) in cases {
        let body = OfferBody { group_info: group_info.clone(), leaves, ..honest.clone() };
        let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
        scene.refused(frame, what);
    }
}

#[test]
fn a06_a_replayed_offer_changes_nothing_and_tells_nobody_again() {
    let mut scene = Scene::new(1);
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame.clone());
    let id = scene.sim.pending(scene.node).unwrap();

    let replay = |scene: &mut Scene, told: usize, what: &str| {
        let before = scene.rows();
        let link = scene.sim.rogue_link(scene.node);
        let heard = outcomes(&scene.sim.rogue_send(link, frame.clone()));
        assert!(matches!(heard.as_slice(), [Outcome::Stored(_)]), "{what}: {heard:?}");
        assert!(scene.rows() == before, "{what}: nothing changes");
        assert_eq!(scene.sim.told_of(scene.node, id), told, "{what}: nobody hears of it");
    };
    replay(&mut scene, 1, "while it waits");
    scene.sim.restart(scene.node);
    replay(&mut scene, 1, "after a restart");
    scene.sim.ignore(scene.node, id).unwrap();
    replay(&mut scene, 2, "while it is ignored");
    scene.sim.block(scene.node, id).unwrap();
    replay(&mut scene, 3, "after a block");
    scene.sim.unblock(scene.node, id).unwrap();
    scene.sim.accept(scene.node, id).unwrap();
    replay(&mut scene, 5, "after it was accepted");
    scene.sim.restart(scene.node);
    replay(&mut scene, 5, "after a restart behind that");
    scene.sim.run_for(31 * DAY);
    assert_eq!(scene.sim.status_of(scene.node, id), RequestStatus::Expired);
    let before = scene.sim.requests(scene.node).len();
    let link = scene.sim.rogue_link(scene.node);
    scene.sim.rogue_send(link, frame);
    assert_eq!(scene.sim.requests(scene.node).len(), before, "after its time: no new row");
}

#[test]
fn a06_the_offer_of_a_confirmed_friend_replayed_later_is_no_new_request() {
    let mut sim = Sim::new(3, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.wire = Some(Vec::new());
    sim.befriend(a, b);
    let wire = sim.wire.take().unwrap();
    let (rows, events) = (sim.rows(a), sim.events[a].len());
    let link = sim.rogue_link(a);
    let puts = wire.iter().filter(|frame| frame.to == a && matches!(Frame::decode(&frame.bytes), Ok(Frame::Put(_))));
    for frame in puts {
        assert!(!outcomes(&sim.rogue_send(link, frame.bytes.clone())).is_empty(), "every repeat is answered");
    }
    assert!(sim.rows(a) == rows, "Offer and Confirm again change nothing");
    assert_eq!(sim.events[a].len(), events, "and tell nobody");
}

#[test]
fn a07_r4_an_offer_sealed_again_to_somebody_else_is_refused_there() {
    let mut scene = Scene::new(1);
    let carl = scene.sim.add("Carl");
    let invite = scene.sim.invite(carl);
    let (_, to_carl) = scene.sim.contact_of(&invite).contacts[0].clone();
    let body = scene.mallory.offer(scene.sim.now);
    let (device, contact) = scene.to.contacts[0].clone();
    let said = statement(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
    let first = First::sign(&scene.mallory.identity, &said);
    // What Andi could open, he seals to Carl.
    let envelope = scene.mallory.seal_payload(&to_carl, &codec::encode(&first));
    let before = scene.sim.rows(carl);
    let link = scene.sim.rogue_link(carl);
    let heard = outcomes(&scene.sim.rogue_send(link, put(&to_carl, Some(scene.usage), envelope)));
    assert_eq!(heard, [Outcome::Refused(Refusal::Refused)]);
    assert!(scene.sim.rows(carl) == before);
}

#[test]
fn a08_an_offer_for_another_package_or_device_is_refused() {
    let mut scene = Scene::new(1);
    let other = {
        let link = scene.sim.invite(scene.node);
        scene.sim.contact_of(&link).contacts[0].1.clone()
    };
    let body = codec::encode(&scene.mallory.offer(scene.sim.now));
    let (device, contact) = scene.to.contacts[0].clone();
    let honest = statement(Step::Offer, &device, &contact, Digest([0; 32]), body);
    let mut of_other_package = honest.clone();
    of_other_package.package = other.digest(&device.device);
    let mut of_other_device = honest.clone();
    of_other_device.device.0[0] ^= 1;
    for (what, said) in [("package", of_other_package), ("device", of_other_device)] {
        let first = First::sign(&scene.mallory.identity, &said);
        let envelope = scene.mallory.seal_payload(&contact, &codec::encode(&first));
        scene.refused(put(&contact, Some(scene.usage), envelope), what);
    }
    // The envelope of one invite under the grant of the other.
    let first = First::sign(&scene.mallory.identity, &honest);
    let envelope = scene.mallory.seal_payload(&contact, &codec::encode(&first));
    scene.refused(put(&other, Some(scene.usage), envelope), "grant");
}

#[test]
fn a09_an_offer_too_old_too_young_or_for_too_long_is_refused_with_ten_minutes_of_skew() {
    let now = Scene::new(1).sim.now;
    let cases = [
        ("made 11 minutes ahead", now.0 + 11 * MINUTE, now.0 + DAY, false),
        ("made 9 minutes ahead", now.0 + 9 * MINUTE, now.0 + DAY, true),
        ("expired 11 minutes ago", now.0 - DAY, now.0 - 11 * MINUTE, false),
        ("expired 9 minutes ago", now.0 - DAY, now.0 - 9 * MINUTE, true),
        ("good for 30 days", now.0, now.0 + 30 * DAY, true),
        ("good for 30 days and a millisecond", now.0, now.0 + 30 * DAY + 1, false),
        ("good for ever", now.0, u64::MAX, false),
    ];
    for (what, created, expires, good) in cases {
        let mut scene = Scene::new(1);
        assert_eq!(scene.sim.now, now);
        let body = OfferBody { created: Timestamp(created), expires: Timestamp(expires), ..scene.mallory.offer(now) };
        let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
        match good {
            true => scene.taken(frame),
            // Wrong whatever time it is.
            false if what.starts_with("good") => scene.refused(frame, what),
            false => scene.put_off(frame, what),
        }
    }
}

#[test]
fn a09_a_certificate_out_of_its_time_is_refused() {
    let mut scene = Scene::new(1);
    let now = scene.sim.now;
    for (what, from, life) in [("over", now.0 - DAY, DAY - 11 * MINUTE), ("not yet", now.0 + 11 * MINUTE, DAY)] {
        let identity = Identity::generate(&mut scene.mallory.rng, Timestamp(from), life);
        let mut late = Actor::with_identity(identity, 5);
        let body = late.offer(now);
        let frame = late.offer_frame(&scene.to, scene.usage, &body);
        scene.put_off(frame, what);
    }
}

#[test]
fn a10_a_last_resort_package_works_for_two_people_flags_the_second_and_is_rotated() {
    let mut scene = Scene::new(1);
    let record = scene.sim.contact_record(scene.node);
    let to = record.verify(scene.sim.now).ok().unwrap();
    assert!(to.contacts[0].1.last_resort);
    assert!(scene.sim.contact_record(scene.node).body.len() == record.body.len());
    let package =
        |scene: &mut Scene| scene.sim.contact_record(scene.node).verify(scene.sim.now).ok().unwrap().contacts[0].1.package.clone();
    assert!(package(&mut scene) == to.contacts[0].1.package, "kept until somebody used it");

    let mut ben = Actor::new(60, scene.sim.now);
    for (index, who) in [&mut scene.mallory, &mut ben].into_iter().enumerate() {
        let body = who.offer(scene.sim.now);
        let (device, contact) = to.contacts[0].clone();
        let envelope = who.seal(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
        let heard = outcomes(&scene.sim.rogue_send(scene.link, put(&contact, None, envelope)));
        assert!(matches!(heard.as_slice(), [Outcome::Stored(_)]), "use {index}");
    }
    let rows = scene.sim.requests(scene.node);
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert!(row.trust == Trust::Unknown);
        assert_eq!(row.fault.is_some(), row.peer == ben.peer(), "the second use is flagged");
        assert_eq!(scene.sim.accept(scene.node, row.request), Ok(RequestStatus::Accepted));
    }
    assert!(package(&mut scene) != to.contacts[0].1.package, "the next record has a fresh package");
}

#[test]
fn a14_an_ignored_request_can_be_accepted_later_until_it_expires() {
    for (wait, good) in [(29 * DAY, true), (31 * DAY, false)] {
        let mut sim = Sim::new(4, Faults::NONE);
        let (a, b) = (sim.add("Andi"), sim.add("Ben"));
        let link = sim.invite(a);
        let asked = sim.ask(b, &link).unwrap();
        sim.run_for(MINUTE);
        let id = sim.pending(a).unwrap();
        sim.ignore(a, id).unwrap();
        sim.run_for(wait);
        assert_eq!(sim.accept(a, id).is_ok(), good);
        sim.run_for(HOUR);
        assert_eq!(sim.are_friends(a, b), good);
        assert_eq!(sim.status_of(b, asked) == RequestStatus::Confirmed, good);
    }
}
