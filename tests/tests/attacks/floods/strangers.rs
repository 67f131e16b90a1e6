//! What strangers may cost.

use super::*;

#[test]
fn a102_eleven_hundred_offers_of_one_stranger_take_one_row_and_few_events() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.befriend(a, b);
    let record = sim.contact_record(a).verify(sim.now).ok().unwrap();
    let (device, contact) = record.contacts[0].clone();
    let mut mallory = Actor::new(9, sim.now);
    let events = sim.events[a].len();
    let (mut stored, mut full) = (0, 0);
    for round in 0..1_100 {
        // Eleven bursts of a hundred, an hour apart.
        if round % 100 == 0 {
            sim.run_for(HOUR);
        }
        sim.run_for(1_000);
        let body = mallory.offer(sim.now);
        let envelope = mallory.seal(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
        let link = sim.rogue_link(a);
        match outcomes(&sim.rogue_send(link, put(&contact, None, envelope))).as_slice() {
            [Outcome::Stored(_)] => stored += 1,
            [Outcome::Refused(Refusal::Full)] => full += 1,
            other => panic!("{other:?}"),
        }
        sim.rogue_close(link);
    }
    assert_eq!(stored, 11 * OFFERS_OF_PERSON);
    assert_eq!(stored + full, 1_100);
    let rows = sim.requests(a);
    let of_mallory: Vec<_> = rows.iter().filter(|row| row.peer == mallory.peer()).collect();
    assert_eq!(of_mallory.len(), 1, "a newer Offer takes the place of the older one");
    assert_eq!(of_mallory[0].status, RequestStatus::Pending);
    assert_eq!(rows.len(), 2, "and the row of the friend is still there");
    assert!(sim.nodes[a].store.rows(Table::Request).map(|(_, row)| row.len()).sum::<usize>() < 4 * 8 * 1024);
    let told = (sim.events[a].len() - events) as u64;
    assert!(told <= stored + 16, "one event for each that was taken in: {told}");
}

#[test]
fn a102_an_older_offer_that_comes_again_does_not_take_the_place_of_the_newer_one() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let record = sim.contact_record(a).verify(sim.now).ok().unwrap();
    let (device, contact) = record.contacts[0].clone();
    let mut mallory = Actor::new(9, sim.now);
    let mut frames = Vec::new();
    for _ in 0..2 {
        let body = mallory.offer(sim.now);
        let envelope = mallory.seal(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
        frames.push(put(&contact, None, envelope));
    }
    let link = sim.rogue_link(a);
    // Made in the same moment: the higher request id is the newer one, whichever comes first.
    for frame in frames.iter().chain(frames.iter().rev()) {
        assert!(matches!(outcomes(&sim.rogue_send(link, frame.clone())).as_slice(), [Outcome::Stored(_)]));
    }
    let rows = sim.requests(a);
    assert_eq!(rows.len(), 1);
    let last = sim.pending(a).unwrap();
    for frame in frames {
        sim.rogue_send(link, frame);
        assert_eq!(sim.pending(a), Some(last));
    }
}

#[test]
fn a102_an_offer_that_is_too_long_is_refused_before_its_room_or_any_key_is_touched() {
    let mut scene = Scene::new(1);
    let honest = scene.mallory.offer(scene.sim.now);
    for (length, reason) in [(GROUP_INFO_MAX + 1, "malformed"), (OFFER_MAX, "malformed"), (40_000, "malformed"), (250_000, "malformed")] {
        let before = scene.sim.dropped(scene.node, reason);
        let body = OfferBody { group_info: vec![7; length], ..honest.clone() };
        let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
        scene.refused(frame, "too long");
        assert_eq!(scene.sim.dropped(scene.node, reason), before + 1, "{length}");
    }
    // Of this length the room is looked at, and is none.
    let before = scene.sim.dropped(scene.node, "cipher");
    let body = OfferBody { group_info: vec![7; GROUP_INFO_MAX], ..honest.clone() };
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.refused(frame, "no room");
    assert_eq!(scene.sim.dropped(scene.node, "cipher"), before + 1);
    let (device, contact) = scene.to.contacts[0].clone();
    let envelope = scene.mallory.seal(Step::Offer, &device, &contact, Digest([0; 32]), vec![0; FIRST_MAX]);
    let mut broken = envelope.clone();
    *broken.last_mut().unwrap() ^= 1;
    for envelope in [envelope, broken] {
        let before = scene.sim.dropped(scene.node, "malformed");
        scene.refused(put(&contact, Some(scene.usage), envelope), "not opened");
        assert_eq!(scene.sim.dropped(scene.node, "malformed"), before + 1, "whether it opens is not tried");
    }
}

#[test]
fn a102_strangers_who_try_a_used_invite_without_end_warn_its_owner_once_a_minute() {
    let mut scene = Scene::new(1);
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame);
    for n in 0..200u8 {
        let mut other = Actor::new(1_000 + u64::from(n), scene.sim.now);
        let body = other.offer(scene.sim.now);
        let frame = other.offer_frame(&scene.to, Nonce([n; 16]), &body);
        let link = scene.sim.rogue_link(scene.node);
        scene.sim.rogue_send(link, frame);
        scene.sim.rogue_close(link);
    }
    assert!((1..=2).contains(&scene.sim.warnings(scene.node, Warning::InviteReused)));
    assert_eq!(scene.sim.requests(scene.node).len(), 1);
}

#[test]
fn idle_links_of_strangers_do_not_keep_friends_out() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.befriend(a, b);
    sim.set_apart(a, b, true);
    sim.run_for(MINUTE);
    let links: Vec<_> = (0..LINKS_MAX * 2).map(|_| sim.rogue_link(a)).collect();
    assert!(links.iter().filter(|link| sim.is_open(**link)).count() <= LINKS_MAX, "the number of links is bounded");
    sim.set_apart(a, b, false);
    sim.say(a, b, "out").unwrap();
    sim.say(b, a, "in").unwrap();
    sim.run_for(HOUR);
    sim.check(true);
}

/// The rows that each kind of input of a stranger reads and writes. Prints how long it takes.
fn cost_of_a_stranger(sim: &mut Sim, node: usize) -> Vec<(&'static str, usize)> {
    let record = sim.contact_record(node).verify(sim.now).ok().unwrap();
    let (device, contact) = record.contacts[0].clone();
    let mut mallory = Actor::new(9, sim.now);
    let mut envelope = |now, note: usize| {
        let body = OfferBody { note: Some("n".repeat(note)), ..mallory.offer(now) };
        mallory.seal(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body))
    };
    let offers = [envelope(sim.now, 0), envelope(sim.now, NOTE_MAX), envelope(sim.now, NOTE_MAX + 1)];
    let mut forged = offers[0].clone();
    *forged.last_mut().unwrap() ^= 1;
    let record = Frame::Lookup(LookupId([3; 32])).encode();
    let receipt = Frame::Receipt(samples::receipt()).encode();
    let proof = Frame::Prove(samples::proofs().0[0].clone()).encode();
    let frames = [
        ("an Offer", put(&contact, None, offers[0].clone())),
        ("the same Offer", put(&contact, None, offers[0].clone())),
        ("a newer Offer", put(&contact, None, offers[1].clone())),
        ("an Offer that is refused", put(&contact, None, offers[2].clone())),
        ("a forged envelope", put(&contact, None, forged)),
        ("a sealed address of nobody", Frame::Put(samples::put()).encode()),
        ("a question for records", record),
        ("a forged receipt", receipt),
        ("a proof of nobody", proof.clone()),
        ("a second proof", proof),
        ("no frame", vec![0xff; 100_000]),
    ];
    let mut costs = Vec::new();
    let mut spent = |sim: &Sim, what| {
        costs.push((what, sim.nodes[node].store.take_touched()));
    };
    // Nothing else is due while it lasts.
    let is_due = |sim: &Sim| sim.nodes[node].core().and_then(|core| core.poll_timeout()).is_some_and(|(at, _)| at < sim.now.after(50));
    while is_due(sim) {
        sim.run_for(50);
    }
    sim.nodes[node].store.take_touched();
    let link = sim.rogue_link(node);
    spent(sim, "a link");
    for (what, frame) in frames {
        let begun = std::time::Instant::now();
        sim.rogue_send(link, frame);
        spent(sim, what);
        println!("{what}: {:?}", begun.elapsed());
    }
    assert!(sim.is_open(link), "what it sent is no flood");
    sim.rogue_close(link);
    sim.run_for(2);
    spent(sim, "the end of a link");
    costs
}

#[test]
fn a102_what_a_strangers_dearest_input_costs_does_not_grow_with_what_lies_in_the_folder() {
    const TEXTS: usize = 500;
    let costs = [0, TEXTS].map(|texts| {
        let mut sim = Sim::of_friends(1, &["Andi", "Ben"]);
        sim.stop(1, DAY);
        for n in 0..texts {
            sim.say(0, 1, &n.to_string()).unwrap();
        }
        // What is due anyway is done before; and Ben is known to be gone, so that all of them have rows.
        sim.run_for(10 * MINUTE);
        assert!(sim.nodes[0].store.count(Table::Outbox) >= texts);
        cost_of_a_stranger(&mut sim, 0)
    });
    println!("{costs:?}");
    let [few, many] = costs;
    assert_eq!(few, many, "with {TEXTS} texts that wait");
    for (what, rows) in many {
        assert!(rows <= 64, "{what}: {rows} rows");
    }
}
