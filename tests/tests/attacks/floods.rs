//! Floods: more of everything than anybody needs. Bounds hold, friends notice nothing.

#[path = "floods/strangers.rs"]
mod strangers;

use super::Scene;
use symbolon_core::command::{Command, CommandError, RequestStatus, Who};
use symbolon_core::limits::{
    ADDRESSES_MAX, BLOCKED_MAX, CONTACTS_MAX, FIRST_MAX, GROUP_INFO_MAX, INVITES_MAX, LINKS_MAX, NAME_MAX, NOTE_MAX, OFFER_MAX,
    OFFERS_OF_PERSON, PARKED_MAX, PENDING_STRANGERS_MAX, READ_LIMIT, REQUESTS_MAX, TEXT_MAX, WINDOW, WINDOW_BYTES,
};
use symbolon_core::seam::{Address, Input, Warning};
use symbolon_core::table::{Change, Table};
use symbolon_core::wire::{Known, OfferBody, RoomPayload, Step};
use symbolon_core::world::ShelfMut;
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, EpochId, LookupId, Nonce, PeerId};
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::Scope;
use symbolon_relay::put::{Outcome, Refusal};
use symbolon_tests::craft::{Actor, outcomes, put, put_id};
use symbolon_tests::samples;
use symbolon_tests::sim::{Faults, Sim};

#[test]
fn a15_a_flood_of_offers_fills_a_bounded_number_of_rows_and_friends_are_unaffected() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.befriend(a, b);
    let record = sim.contact_record(a).verify(sim.now).ok().unwrap();
    let (device, contact) = record.contacts[0].clone();
    let mut full = 0;
    for sybil in 0..PENDING_STRANGERS_MAX + 20 {
        let mut sybil = Actor::new(1_000 + sybil as u64, sim.now);
        let body = sybil.offer(sim.now);
        let envelope = sybil.seal(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
        let link = sim.rogue_link(a);
        match outcomes(&sim.rogue_send(link, put(&contact, None, envelope))).as_slice() {
            [Outcome::Stored(_)] => {}
            [Outcome::Refused(Refusal::Full)] => full += 1,
            other => panic!("{other:?}"),
        }
        sim.rogue_close(link);
    }
    assert_eq!(full, 20);
    let pending = sim.requests(a).iter().filter(|row| row.status == RequestStatus::Pending).count();
    assert_eq!(pending, PENDING_STRANGERS_MAX);
    // Strangers cost a row each, and nothing that lasts.
    assert_eq!(sim.nodes[a].store.count(Table::Device), 1, "no device is kept of a stranger");
    sim.say(a, b, "through the flood").unwrap();
    sim.say(b, a, "and back").unwrap();
    sim.run_for(MINUTE);
    sim.check(true);
    // Room for others once these are answered or too old.
    let first = sim.pending(a).unwrap();
    sim.ignore(a, first).unwrap();
    let mut late = Actor::new(5_000, sim.now);
    let body = late.offer(sim.now);
    let envelope = late.seal(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
    let link = sim.rogue_link(a);
    assert!(matches!(outcomes(&sim.rogue_send(link, put(&contact, None, envelope))).as_slice(), [Outcome::Stored(_)]));
}

#[test]
fn a_friends_early_frames_are_kept_up_to_a_bound_and_the_rest_is_not_acknowledged() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    let first = ben.say(&bond, "0", sim.now);
    let later: Vec<Vec<u8>> = (1..PARKED_MAX + 11).map(|n| ben.say(&bond, &n.to_string(), sim.now)).collect();
    for (index, frame) in later.iter().enumerate() {
        assert!(outcomes(&sim.rogue_send(link, frame.clone())).is_empty(), "early: not acknowledged");
        if index % 16 == 0 {
            // Tags far ahead are looked for only so often in a minute.
            sim.run_for(MINUTE);
        }
    }
    assert!(sim.texts(a).is_empty());
    let heard = outcomes(&sim.rogue_send(link, first));
    assert_eq!(heard.len() as u64, PARKED_MAX + 1, "the first one and all that were kept");
    assert!(heard.iter().all(|outcome| *outcome == Outcome::Delivered));
    // The sender still owns the others.
    for frame in &later[PARKED_MAX as usize..] {
        assert_eq!(outcomes(&sim.rogue_send(link, frame.clone())), [Outcome::Delivered]);
    }
    let expected: Vec<String> = (0..PARKED_MAX + 11).map(|n| n.to_string()).collect();
    assert_eq!(sim.texts(a), expected);
}

#[test]
fn commands_beyond_a_bound_fail_with_their_own_error_and_change_nothing() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.befriend(a, b);
    let link = sim.invite(b);
    let ben = || Who("Ben".into());
    let before = sim.rows(a);
    let cases: Vec<(Command, CommandError)> = vec![
        (Command::SetName("n".repeat(NAME_MAX + 1)), CommandError::BadName),
        (Command::SetName(" ".into()), CommandError::BadName),
        (Command::SetName("a\tb".into()), CommandError::BadName),
        (Command::Rename { friend: ben(), name: "n".repeat(NAME_MAX + 1) }, CommandError::BadName),
        (Command::Rename { friend: ben(), name: String::new() }, CommandError::BadName),
        (Command::Send { to: ben(), text: "t".repeat(TEXT_MAX + 1), lifetime: None }, CommandError::BadText),
        (Command::Send { to: ben(), text: String::new(), lifetime: None }, CommandError::BadText),
        (Command::Send { to: Who("Nobody".into()), text: "x".into(), lifetime: None }, CommandError::NotFound),
        (Command::Add { target: link, note: Some("n".repeat(NOTE_MAX + 1)) }, CommandError::BadNote),
        (Command::Invite { lifetime: 0, no_ip: false, auto_accept: false }, CommandError::BadLifetime),
        (Command::Invite { lifetime: 90 * DAY + 1, no_ip: false, auto_accept: false }, CommandError::BadLifetime),
        (Command::Verify { friend: ben(), words: Some("wrong words".into()) }, CommandError::WordsDiffer),
        (Command::Accept(symbolon_presence::id::RequestId([1; 16])), CommandError::NotFound),
        (Command::Ignore(symbolon_presence::id::RequestId([1; 16])), CommandError::NotFound),
        (Command::Block(Who("Nobody".into())), CommandError::NotFound),
        (Command::Message(symbolon_presence::id::MessageId([1; 16])), CommandError::NotFound),
    ];
    for (index, (command, error)) in cases.into_iter().enumerate() {
        assert_eq!(sim.command(a, command).err(), Some(error), "case {index}");
        assert!(sim.rows(a) == before, "case {index} changes nothing");
    }
    assert!(sim.command(a, Command::Send { to: ben(), text: "t".repeat(TEXT_MAX), lifetime: None }).is_ok());
    assert!(sim.command(a, Command::SetName("n".repeat(NAME_MAX))).is_ok());
}

#[test]
fn invites_are_bounded_and_there_is_room_again_when_they_expire() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    for _ in 0..INVITES_MAX {
        sim.invite_for(a, HOUR);
    }
    let more = Command::Invite { lifetime: HOUR, no_ip: false, auto_accept: false };
    assert_eq!(sim.command(a, more.clone()).err(), Some(CommandError::Full));
    assert_eq!(sim.nodes[a].store.count(Table::Invite), INVITES_MAX);
    sim.run_for(2 * DAY);
    assert!(sim.command(a, more).is_ok());
}

#[test]
fn a_read_answers_a_bounded_number_of_messages() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    for n in 0..READ_LIMIT + 5 {
        let frame = ben.say(&bond, &n.to_string(), sim.now);
        sim.rogue_send(link, frame);
    }
    for limit in [None, Some(usize::MAX), Some(READ_LIMIT + 1)] {
        let reply = sim.command(a, Command::Read { who: None, since: None, limit, peek: true });
        let Ok(symbolon_core::command::Reply::Messages(page)) = reply else { panic!("history is read") };
        assert_eq!(page.len(), READ_LIMIT);
    }
    assert_eq!(sim.history(a).len(), READ_LIMIT + 5, "page by page all of it is there");
}

#[test]
fn a_block_that_cannot_be_kept_is_an_error_and_not_a_promise() {
    let mut scene = Scene::new(1);
    // As many blocks as are kept.
    let node = scene.sim.add_prepared("Carl", |node| {
        for n in 0..BLOCKED_MAX as u64 {
            let mut key = [7; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            node.store.apply(&Change::Put(Table::Blocked, PeerId(key).0.to_vec(), Vec::new())).unwrap();
        }
        node.store.commit();
    });
    let invite = scene.sim.invite(node);
    let to = scene.sim.contact_of(&invite);
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&to, scene.usage, &body);
    let link = scene.sim.rogue_link(node);
    scene.sim.rogue_send(link, frame);
    let id = scene.sim.pending(node).unwrap();
    assert_eq!(scene.sim.block(node, id), Err(CommandError::Full));
    assert_eq!(scene.sim.status_of(node, id), RequestStatus::Pending);
    assert_eq!(scene.sim.nodes[node].store.count(Table::Blocked), BLOCKED_MAX);
}

#[test]
fn a_friend_who_asks_again_and_again_to_be_sent_everything_is_answered_once_in_a_while() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    let to = || Who(ben_id(&ben));
    for n in 0..50 {
        sim.command(a, Command::Send { to: to(), text: format!("{n}"), lifetime: None }).unwrap();
    }
    sim.rogue_take(link);
    let mut answered = 0;
    for _ in 0..100 {
        let sealed = ben.cipher.seal(bond.room, &codec::encode(&RoomPayload::Again), &[]).unwrap();
        let known = Known { room: bond.room, epoch: sealed.epoch, sequence: None, mls: sealed.bytes, piece: None };
        let frame = ben.known_frame(&bond, &codec::encode(&known));
        answered += sim.rogue_send(link, frame).iter().filter(|frame| put_id(frame).is_some()).count();
    }
    assert!((50..=100).contains(&answered), "one question is answered, a flood of them is not: {answered} envelopes");
    sim.run_for(MINUTE);
    let sealed = ben.cipher.seal(bond.room, &codec::encode(&RoomPayload::Again), &[]).unwrap();
    let known = Known { room: bond.room, epoch: sealed.epoch, sequence: None, mls: sealed.bytes, piece: None };
    let frame = ben.known_frame(&bond, &codec::encode(&known));
    let link = ben.call(&mut sim, a, &bond);
    assert!(sim.rogue_send(link, frame).iter().filter(|frame| put_id(frame).is_some()).count() >= 50, "later it is answered again");
}

fn ben_id(ben: &Actor) -> String {
    ben.peer().to_string()
}

#[test]
fn a_friend_who_asks_again_without_end_keeps_nobody_else_out() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    ben.befriend(&mut sim, a);
    let record = sim.contact_record(a).verify(sim.now).ok().unwrap();
    let (device, contact) = record.contacts[0].clone();
    for round in 0..200 {
        sim.run_for(1);
        let body = ben.offer(sim.now);
        let envelope = ben.seal(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
        let link = sim.rogue_link(a);
        let heard = outcomes(&sim.rogue_send(link, put(&contact, None, envelope)));
        assert_eq!(heard.len(), 1, "round {round}");
        sim.rogue_close(link);
    }
    let rows = sim.requests(a).into_iter().filter(|row| row.peer == ben.peer());
    let open =
        rows.filter(|row| !matches!(row.status, RequestStatus::Expired | RequestStatus::Cancelled | RequestStatus::Confirmed)).count();
    assert!(open <= 2, "older ones give way: {open}");
    assert!(sim.nodes[a].store.count(Table::Outbox) <= 4, "and so do their answers: {}", sim.nodes[a].store.count(Table::Outbox));
}

#[test]
fn newer_revisions_without_end_leave_one_answer_waiting() {
    let mut scene = Scene::new(1);
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame);
    let id = scene.sim.pending(scene.node).unwrap();
    scene.sim.accept(scene.node, id).unwrap();
    for revision in 1..100 {
        if revision % 16 == 0 {
            // So many of one person are looked at in an hour.
            scene.sim.run_for(HOUR);
            scene.link = scene.sim.rogue_link(scene.node);
        }
        let newer = OfferBody { revision, ..scene.mallory.offer(scene.sim.now) };
        let newer = OfferBody { request: body.request, ..newer };
        let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &newer);
        scene.taken(frame);
        scene.sim.rogue_take(scene.link);
    }
    let waiting = scene.sim.nodes[scene.node].store.count(Table::Outbox);
    assert!(waiting <= 2, "answers to older revisions give way: {waiting}");
}

#[test]
fn requests_are_bounded_and_finished_ones_give_way() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let stranger = |n: u64| {
        let mut id = [9; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        PeerId(id).to_string()
    };
    for n in 0..REQUESTS_MAX as u64 {
        sim.ask(a, &stranger(n)).unwrap();
    }
    assert_eq!(sim.ask(a, &stranger(5_000)), Err(CommandError::Full));
    assert_eq!(sim.requests(a).len(), REQUESTS_MAX);
    sim.run_for(31 * DAY);
    assert!(sim.ask(a, &stranger(5_000)).is_ok());
    assert_eq!(sim.requests(a).len(), REQUESTS_MAX, "an expired one went");
}

#[test]
fn early_frames_take_a_bounded_number_of_bytes() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    let big = |n: u64| Known { room: bond.room, epoch: EpochId([0; 32]), sequence: Some(n), mls: vec![1; 200 * 1024], piece: None };
    let frames: Vec<Vec<u8>> = (0..41).map(|n| ben.known_frame(&bond, &codec::encode(&big(n)))).collect();
    for frame in &frames[1..] {
        sim.rogue_send(link, frame.clone());
    }
    let heard = outcomes(&sim.rogue_send(link, frames[0].clone()));
    assert_eq!(heard.len(), 1 + WINDOW_BYTES / (200 * 1024), "the first, and a window's worth that was kept");
}

#[test]
fn no_more_than_a_window_is_on_the_way_to_a_friend_who_acknowledges_nothing() {
    for (text, most) in [("short".to_owned(), WINDOW), ("long".repeat(4_000), WINDOW_BYTES / (32 * 1024))] {
        let mut sim = Sim::new(1, Faults::NONE);
        let a = sim.add("Andi");
        let mut ben = Actor::new(7, sim.now);
        let (_, link) = ben.befriend(&mut sim, a);
        sim.rogue_take(link);
        for _ in 0..WINDOW + 20 {
            sim.command(a, Command::Send { to: Who(ben_id(&ben)), text: text.clone(), lifetime: None }).unwrap();
        }
        assert_eq!(sim.rogue_take(link).len(), most);
        sim.run_for(MINUTE);
        assert!(!sim.is_open(link), "a link without receipts is given up");
    }
}

#[test]
fn accepts_without_end_of_one_person_leave_one_answer_waiting() {
    let mut sim = Sim::new(1, Faults::NONE);
    sim.rogue_links = Some(Vec::new());
    let node = sim.add("Andi");
    let mut ben = Actor::new(31, sim.now);
    let invite = ben.invite(&mut sim);
    sim.ask(node, &invite).unwrap();
    sim.run_for(MINUTE / 6);
    let link = *sim.rogue_links.as_ref().unwrap().last().unwrap();
    let frames = sim.rogue_take(link);
    let offer = frames.iter().find_map(|frame| ben.hear(frame, sim.now)).unwrap();
    for n in 0..60 {
        let mut again = Actor::with_identity(ben.identity.clone(), 1_000 + n);
        let (accept, _) = again.accept(&offer, sim.now);
        let frame = again.accept_frame(&offer, &accept);
        let link = sim.rogue_link(node);
        assert!(matches!(outcomes(&sim.rogue_send(link, frame)).as_slice(), [Outcome::Stored(_)]), "answer {n}");
    }
    let waiting = sim.nodes[node].store.count(Table::Outbox);
    assert!(waiting <= 2, "the Offer and one answer: {waiting}");
}

#[test]
fn the_ids_of_old_envelopes_are_forgotten_as_fast_as_new_ones_come() {
    let mut sim = Sim::new(1, Faults::NONE);
    let old = sim.now.0.to_be_bytes();
    let node = sim.add_prepared("Andi", |node| {
        for n in 0..5_000u64 {
            let mut key = vec![0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            node.store.apply(&Change::Put(Table::Seen, key, old.to_vec())).unwrap();
        }
        node.store.commit();
    });
    sim.run_for(39 * DAY);
    assert_eq!(sim.nodes[node].store.count(Table::Seen), 5_000, "as long as any of them may come again");
    sim.run_for(DAY + 3 * HOUR);
    assert_eq!(sim.nodes[node].store.count(Table::Seen), 0);
}

#[test]
fn an_invite_names_a_bounded_number_of_addresses_and_a_contact_a_bounded_number_of_devices() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let places = (0..20).map(|n| Address(vec![n + 1; 10])).chain([Address(vec![1; 129]), Address(Vec::new())]);
    sim.input(a, Input::Addresses(places.rev().collect()));
    let link = sim.invite(a);
    let contact = sim.contact_of(&link);
    assert_eq!(contact.contacts[0].1.entry.places.len(), ADDRESSES_MAX);
    let mut mallory = Actor::new(1, sim.now);
    let expires = sim.now.after(DAY);
    let one = mallory.contact(Scope::Contact, expires);
    for (count, good) in [(CONTACTS_MAX, true), (CONTACTS_MAX + 1, false)] {
        let record = mallory.record("M", expires, vec![one.clone(); count]);
        assert_eq!(record.verify(sim.now).is_ok(), good, "{count} devices");
    }
}
