//! Garbage, truncated and altered frames of every kind: no panic, no row, and an end.

use super::Scene;
use rand_core::Rng;
use symbolon_core::seam::LinkId;
use symbolon_core::wire::{Bundle, Known, OfferBody, RoomPayload, Step, Text};
use symbolon_core::world::{Lifetime, PackageKind, Proposals, Sealed};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, EpochId, MessageId, Nonce, RoomId};
use symbolon_presence::time::{DAY, MINUTE, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::limits::FRAME_MAX;
use symbolon_relay::put::{Outcome, Put, Refusal};
use symbolon_tests::craft::{Actor, Bond, outcomes, put};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

/// Frames of every kind that went between two nodes, and the receiving node.
fn recorded() -> (Sim, Ix, Vec<Vec<u8>>) {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.wire = Some(Vec::new());
    sim.befriend(a, b);
    sim.say(b, a, "a text").unwrap();
    sim.run_for(MINUTE);
    sim.restart(b);
    sim.run_for(MINUTE);
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for frame in sim.wire.take().unwrap().into_iter().filter(|frame| frame.to == a) {
        frames.push(frame.bytes);
    }
    let puts = frames.iter().filter(|frame| matches!(Frame::decode(frame), Ok(Frame::Put(_)))).count();
    assert!(puts >= 4 && frames.len() > puts, "Offer, Confirm, text, hello and receipts: {puts} of {}", frames.len());
    (sim, a, frames)
}

/// Sends a frame on a link, a fresh one when the node has closed it.
fn send(sim: &mut Sim, node: Ix, link: &mut LinkId, frame: Vec<u8>) -> Vec<Outcome> {
    if !sim.is_open(*link) {
        *link = sim.rogue_link(node);
    }
    outcomes(&sim.rogue_send(*link, frame))
}

#[test]
fn a90_altered_frames_of_every_kind_change_no_row_and_are_never_taken() {
    let (mut sim, a, frames) = recorded();
    let before = sim.rows(a);
    let mut link = sim.rogue_link(a);
    let mut rng = Actor::new(1, sim.now).rng;
    for frame in &frames {
        for _ in 0..150 {
            let mut bad = frame.clone();
            let bit = rng.next_u64() as usize % (bad.len() * 8);
            bad[bit / 8] ^= 1 << (bit % 8);
            let heard = send(&mut sim, a, &mut link, bad);
            assert!(heard.iter().all(|outcome| matches!(outcome, Outcome::Refused(_))), "{heard:?}");
        }
        for _ in 0..40 {
            let cut = rng.next_u64() as usize % frame.len();
            assert!(send(&mut sim, a, &mut link, frame[..cut].to_vec()).is_empty(), "a cut frame has no answer");
            let longer = [frame.as_slice(), &[0]].concat();
            assert!(send(&mut sim, a, &mut link, longer).is_empty());
        }
    }
    assert!(sim.rows(a) == before, "no table changed");
    assert!(sim.nodes[a].is_up());
}

#[test]
fn a90_garbage_closes_the_link_after_a_bounded_number_of_frames() {
    let (mut sim, a, frames) = recorded();
    let before = sim.rows(a);
    let Some(Ok(Frame::Put(good))) = frames.iter().map(|f| Frame::decode(f)).find(|f| matches!(f, Ok(Frame::Put(_)))) else { panic!() };
    let mut forged = good.clone();
    forged.mac[0] ^= 1;
    let mut rng = Actor::new(1, sim.now).rng;
    let mut noise = vec![0; 3_000];
    rng.fill_bytes(&mut noise);
    let kinds: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("noise", noise),
        ("too long", vec![1; FRAME_MAX + 1]),
        ("an unknown kind", codec::encode(&9u8)),
        ("a forged put", Frame::Put(forged).encode()),
        ("an unsolicited receipt", frames.iter().find(|f| matches!(Frame::decode(f), Ok(Frame::Receipt(_)))).unwrap().clone()),
    ];
    for (what, frame) in kinds {
        let link = sim.rogue_link(a);
        let mut sent = 0;
        while sim.is_open(link) {
            assert!(sent < 64, "{what}: the link stays open");
            sim.rogue_send(link, frame.clone());
            sent += 1;
        }
        assert!(sent > 1, "{what}: one slip is forgiven");
    }
    assert!(sim.rows(a) == before);
}

#[test]
fn a90_sealed_garbage_of_every_kind_is_refused() {
    let mut scene = Scene::new(1);
    let (device, contact) = scene.to.contacts[0].clone();
    let honest = scene.mallory.offer(scene.sim.now);
    let mut rng = Actor::new(2, scene.sim.now).rng;
    let good = codec::encode(&honest);
    for round in 0..300 {
        if round % 50 == 0 {
            scene.sim.run_for(MINUTE);
        }
        let mut body = good.clone();
        match round % 3 {
            0 => body.truncate(rng.next_u64() as usize % good.len()),
            1 => body[rng.next_u64() as usize % good.len()] ^= 1 << (rng.next_u64() % 8),
            _ => rng.fill_bytes(&mut body),
        }
        // Properly signed and sealed, so that it reaches the machine itself.
        let envelope = scene.mallory.seal(Step::Offer, &device, &contact, Digest([0; 32]), body);
        if !scene.sim.is_open(scene.link) {
            scene.link = scene.sim.rogue_link(scene.node);
        }
        let frame = put(&contact, Some(scene.usage), envelope);
        let heard = scene.send(frame);
        assert!(heard.len() <= 1, "at most one receipt, none from a link that was closed over it");
    }
    // So many under one invite are looked at in a minute.
    scene.sim.run_for(MINUTE);
    for payload in [vec![], vec![0; 5_000], good] {
        let envelope = scene.mallory.seal_payload(&contact, &payload);
        scene.link = scene.sim.rogue_link(scene.node);
        scene.refused(put(&contact, Some(scene.usage), envelope), "no statement");
    }
    assert!(scene.sim.requests(scene.node).len() <= 1, "at most one altered Offer is an Offer");
}

/// A node and a friend of it whose frames the test makes.
fn befriended() -> (Sim, Ix, Actor, Bond, LinkId) {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    (sim, a, ben, bond, link)
}

#[test]
fn a90_a_friends_garbage_inside_the_seal_is_refused_and_honest_messages_go_on() {
    let (mut sim, a, mut ben, bond, mut link) = befriended();
    let mut rng = Actor::new(2, sim.now).rng;
    for round in 0..60u32 {
        let frame = match round % 4 {
            0 => {
                let mut noise = vec![0; 300];
                rng.fill_bytes(&mut noise);
                ben.known_frame(&bond, &noise)
            }
            1 => {
                let sealed = ben.cipher.seal(bond.room, &[round as u8; 40], &[]).unwrap();
                let known = ben.next_known(&bond, sealed);
                ben.known_frame(&bond, &codec::encode(&known))
            }
            2 => {
                let mut sealed = ben.cipher.seal(bond.room, b"x", &[]).unwrap();
                sealed.bytes[10] ^= 1;
                let known = ben.next_known(&bond, sealed);
                ben.known_frame(&bond, &codec::encode(&known))
            }
            _ => {
                let sealed = ben.cipher.seal(bond.room, b"x", &[]).unwrap();
                // Of a room that both do not share: not acknowledged, takes no place.
                let known = Known { room: RoomId([1; 32]), ..ben.next_known(&bond, sealed) };
                ben.sequence -= 1;
                let frame = ben.known_frame(&bond, &codec::encode(&known));
                assert!(send(&mut sim, a, &mut link, frame).is_empty());
                continue;
            }
        };
        assert_eq!(send(&mut sim, a, &mut link, frame), [Outcome::Refused(Refusal::Refused)], "round {round}");
    }
    assert!(sim.texts(a).is_empty());
    let frame = ben.say(&bond, "still here", sim.now);
    assert_eq!(send(&mut sim, a, &mut link, frame), [Outcome::Delivered]);
    assert_eq!(sim.texts(a), ["still here"]);
}

#[test]
fn r1_a_frame_with_a_wrong_epoch_or_a_commit_changes_no_room_and_is_not_acknowledged_as_delivered() {
    let (mut sim, a, mut ben, bond, link) = befriended();
    let epoch = sim.nodes[a].cipher().epoch(bond.room).unwrap();
    let members = sim.nodes[a].cipher().members(bond.room).unwrap();
    // A commit that does more than renew its maker's leaf.
    let leaf = ben.cipher.fresh_leaf().unwrap();
    let lifetime = Lifetime { not_before: sim.now, not_after: sim.now.after(DAY) };
    let add = vec![ben.cipher.key_package(leaf, b"another", lifetime, &PackageKind::default()).unwrap()];
    for proposals in [Proposals { add, ..Proposals::default() }, Proposals { remove: vec![1], ..Proposals::default() }] {
        let pending = ben.cipher.commit(bond.room, &proposals, b"").unwrap();
        ben.cipher.reject(bond.room).unwrap();
        let sealed = Sealed { epoch: pending.parent, bytes: pending.commit };
        let known = ben.next_known(&bond, sealed);
        let frame = ben.known_frame(&bond, &codec::encode(&known));
        assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Refused(Refusal::Refused)]);
        assert_eq!(sim.nodes[a].cipher().epoch(bond.room).unwrap(), epoch);
        assert_eq!(sim.nodes[a].cipher().members(bond.room).unwrap(), members);
    }
    // A text of an epoch that nobody here has heard of: it is not answered, and keeps its place.
    let pending = ben.cipher.commit(bond.room, &Proposals::default(), b"").unwrap();
    ben.cipher.adopt(bond.room, pending.epoch).unwrap();
    let sealed = ben.cipher.seal(bond.room, &codec::encode(&text("ahead", sim.now)), &[]).unwrap();
    let known = ben.next_known(&bond, sealed);
    ben.sequence -= 1;
    let frame = ben.known_frame(&bond, &codec::encode(&known));
    assert!(outcomes(&sim.rogue_send(link, frame)).is_empty());
    assert_eq!(sim.nodes[a].cipher().epoch(bond.room).unwrap(), epoch);
    assert_eq!(sim.nodes[a].cipher().members(bond.room).unwrap(), members);
    assert!(sim.texts(a).is_empty());
    // Back in the true epoch everything continues; the epoch named outside decides nothing.
    ben.cipher.rewind(bond.room, pending.parent).unwrap();
    let sealed = ben.cipher.seal(bond.room, &codec::encode(&text("true", sim.now)), &[]).unwrap();
    let known = Known { epoch: EpochId([0xEE; 32]), ..ben.next_known(&bond, sealed) };
    let frame = ben.known_frame(&bond, &codec::encode(&known));
    assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Delivered]);
    assert_eq!(sim.texts(a), ["true"]);
    assert_eq!(sim.nodes[a].cipher().epoch(bond.room).unwrap(), epoch);
}

fn text(text: &str, at: Timestamp) -> RoomPayload {
    RoomPayload::Text(Text { id: MessageId([5; 16]), at, text: text.into() })
}

#[test]
fn r7_over_long_names_notes_texts_and_bundles_are_refused_however_often_they_come() {
    let mut scene = Scene::new(1);
    let honest = scene.mallory.offer(scene.sim.now);
    let reply = honest.replies[0].clone();
    let mut many_places = reply.clone();
    many_places.entry.places = vec![symbolon_tests::sim::run::nowhere(); 9];
    let mut long_place = reply.clone();
    long_place.entry.places = vec![symbolon_presence::address::Address(vec![1; 129])];
    let mut long_address = reply.clone();
    long_address.entry.address = vec![1; 257];
    let mut chained = reply.clone();
    chained.chain = Some(scene.mallory.identity.chain.clone());
    let bad: Vec<(&str, OfferBody)> = vec![
        ("a name of 65 bytes", OfferBody { name: "n".repeat(65), ..honest.clone() }),
        ("a name with a line end", OfferBody { name: "a\nb".into(), ..honest.clone() }),
        ("a note of 513 bytes", OfferBody { note: Some("n".repeat(513)), ..honest.clone() }),
        ("a note with an escape", OfferBody { note: Some("\u{1b}[31m".into()), ..honest.clone() }),
        ("no reply address", OfferBody { replies: vec![], ..honest.clone() }),
        ("nine reply addresses", OfferBody { replies: vec![reply; 9], ..honest.clone() }),
        ("nine places", OfferBody { replies: vec![many_places], ..honest.clone() }),
        ("a place of 129 bytes", OfferBody { replies: vec![long_place], ..honest.clone() }),
        ("an address of 257 bytes", OfferBody { replies: vec![long_address], ..honest.clone() }),
        ("a first reply that is not the sender's", OfferBody { replies: vec![chained], ..honest.clone() }),
    ];
    for (what, body) in bad {
        for _ in 0..3 {
            scene.link = scene.sim.rogue_link(scene.node);
            let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
            scene.refused(frame, what);
        }
    }
    let longest = OfferBody { name: "n".repeat(64), note: Some("n".repeat(512)), ..honest };
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &longest);
    scene.taken(frame);

    let (mut sim, a, mut ben, bond, link) = befriended();
    let bundle: Bundle = ben.bundle();
    let long = |text: String| codec::encode(&RoomPayload::Text(Text { id: MessageId([5; 16]), at: Timestamp(1), text }));
    let payloads = [
        long("t".repeat(16 * 1024 + 1)),
        long(String::new()),
        long("t".repeat(200_000)),
        codec::encode(&RoomPayload::Bundle(Bundle { name: "n".repeat(65), ..bundle })),
    ];
    for payload in payloads {
        let sealed = ben.cipher.seal(bond.room, &payload, &[]).unwrap();
        let known = ben.next_known(&bond, sealed);
        let frame = ben.known_frame(&bond, &codec::encode(&known));
        assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Refused(Refusal::Refused)]);
    }
    let sealed = ben.cipher.seal(bond.room, &long("t".repeat(16 * 1024)), &[]).unwrap();
    let known = ben.next_known(&bond, sealed);
    let frame = ben.known_frame(&bond, &codec::encode(&known));
    assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Delivered]);
    assert_eq!(sim.texts(a).len(), 1);
}

#[test]
fn a_friends_envelope_altered_by_another_friend_is_not_acknowledged_and_the_true_one_still_counts() {
    let (mut sim, a, mut ben, bond, link) = befriended();
    let mut eve = Actor::new(8, sim.now);
    let (of_eve, eves_link) = eve.befriend(&mut sim, a);
    let honest = ben.say(&bond, "for Andi", sim.now);
    let Ok(Frame::Put(seen)) = Frame::decode(&honest) else { panic!("a put") };
    // Eve may write to the same queue, and has seen Ben's envelope.
    let entry = &of_eve.bundle.devices[0].entry;
    let key = of_eve.bundle.friendship.put(&entry.mailbox);
    for at in [2, 20, 100, 511] {
        let mut envelope = seen.envelope.clone();
        envelope[at] ^= 1;
        let forged = Frame::Put(Put::new(entry.address.clone(), &key, 60, Some(Nonce([1; 16])), envelope).unwrap()).encode();
        let before = sim.rows(a);
        assert!(outcomes(&sim.rogue_send(eves_link, forged)).is_empty(), "byte {at}: no receipt");
        assert!(sim.rows(a) == before, "byte {at}");
    }
    assert_eq!(outcomes(&sim.rogue_send(link, honest)), [Outcome::Delivered]);
    assert_eq!(sim.texts(a), ["for Andi"]);
    let _ = DAY;
}
