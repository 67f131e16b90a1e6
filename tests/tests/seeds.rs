//! Seeds of envelopes: what a thief opens, what is lost on the way, and friendships of before there were any.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use minicbor::{Decode, Decoder, Encode};
use symbolon_core::command::{Command, MessageState, Who};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::ShelfMut;
use symbolon_presence::codec;
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::id::{MessageId, RoomId};
use symbolon_presence::identity::{Identity, StoredIdentity};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seeds::{FAR_AHEAD, Ratchet, Seed};
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, Put};
use symbolon_tests::craft::{Actor, outcomes};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::rows::{self, InboundRow};
use symbolon_tests::sim::run::{Ix, Sim};

const A: Ix = 0;
const B: Ix = 1;

fn pair(seed: u64) -> Sim {
    let mut sim = Sim::of_friends(seed, &["Andi", "Ben"]);
    sim.wire = Some(Vec::new());
    sim
}

/// The known envelopes that a node has sent since this was last asked.
fn recorded(sim: &mut Sim, from: Ix) -> Vec<Vec<u8>> {
    let wire = std::mem::take(sim.wire.as_mut().unwrap());
    let puts = wire.into_iter().filter(|sent| sent.from == from).filter_map(|sent| match Frame::decode(&sent.bytes) {
        Ok(Frame::Put(put)) if matches!(kind(&put.envelope), Some(Kind::Known(_))) => Some(put.envelope),
        _ => None,
    });
    puts.collect()
}

/// Who holds these keys opens an envelope, whatever its counter.
fn opens(keys: &[InboundRow], envelope: &[u8]) -> bool {
    let all = |row: &InboundRow| (0..row.opener.next() + 64).any(|counter| row.opener.open(counter, envelope).is_ok());
    keys.iter().any(all)
}

fn keys(sim: &Sim, ix: Ix) -> Vec<InboundRow> {
    rows::inbound(&sim.nodes[ix].store).map(|(_, row)| row).collect()
}

fn identity(sim: &Sim, ix: Ix) -> Identity {
    let (_, row) = sim.nodes[ix].store.rows(Table::Meta).find(|(key, _)| key.as_slice() == b"identity").unwrap();
    Identity::from_stored(&codec::decode::<StoredIdentity>(row, 4096).unwrap())
}

fn state(sim: &mut Sim, ix: Ix, text: &str) -> Option<MessageState> {
    sim.history(ix).into_iter().find(|message| message.text == text).map(|message| message.state)
}

/// The texts of others on a node's disk, in their order.
fn heard(sim: &Sim, ix: Ix) -> Vec<String> {
    let node = &sim.nodes[ix];
    let rows = node.store.rows(Table::Message).map(|(_, row)| rows::read::<rows::MessageRow>(row));
    rows.filter(|row| row.from != node.peer).map(|row| row.text).collect()
}

fn talk(sim: &mut Sim, from: Ix, to: Ix, count: usize, what: &str) {
    for n in 0..count {
        sim.say(from, to, &format!("{what} {n}")).unwrap();
        sim.run_for(200);
    }
    sim.run_for(MINUTE);
    assert_eq!(state(sim, from, &format!("{what} {}", count - 1)), Some(MessageState::Delivered));
}

#[test]
fn a111_a_stolen_device_key_opens_no_envelope_that_was_recorded() {
    let mut sim = pair(1);
    talk(&mut sim, B, A, 20, "before");
    let before = recorded(&mut sim, B);
    assert!(before.len() >= 20);

    // Everything that lies on both disks does not open them any more.
    let stolen = keys(&sim, A);
    assert!(!stolen.is_empty() && before.iter().all(|envelope| !opens(&stolen, envelope)));
    // Nor do both device keys with anything that lies there in the place of the seed.
    let (andi, ben) = (identity(&sim, A), identity(&sim, B));
    let newest = stolen.last().unwrap().number;
    for (_, row) in sim.nodes[A].store.rows(Table::Channel) {
        for bytes in row.windows(32) {
            let seed = Seed { number: newest, secret: Secret::from_bytes(bytes.try_into().unwrap()) };
            let ratchet = Ratchet::agree(&seed, &andi.dh, &ben.dh.public(), &ben.device, &andi.device);
            let tag = |envelope: &Vec<u8>| (0..8).any(|counter| kind(envelope) == Some(Kind::Known(ratchet.tag(counter))));
            assert!(!before.iter().any(tag));
        }
    }

    // What comes under the same seed does open: that is what is stolen.
    talk(&mut sim, B, A, 3, "meanwhile");
    let meanwhile = recorded(&mut sim, B);
    assert!(meanwhile.iter().filter(|envelope| opens(&stolen, envelope)).count() >= 3);

    // After the next seed it has ended: here a block that is taken back brings one.
    let ben = Who(sim.nodes[B].peer.to_string());
    sim.command(A, Command::Block(ben.clone())).map(|_| ()).unwrap();
    sim.run_for(MINUTE);
    sim.command(A, Command::Unblock(ben)).map(|_| ()).unwrap();
    sim.run_for(10 * MINUTE);
    assert!(keys(&sim, A).last().unwrap().number > newest, "a bundle says a new one");
    talk(&mut sim, B, A, 1, "heard");
    recorded(&mut sim, B);
    talk(&mut sim, B, A, 5, "after");
    let after = recorded(&mut sim, B);
    assert!(after.len() >= 5 && after.iter().all(|envelope| !opens(&stolen, envelope)));
    sim.check(true);
}

#[test]
fn a_sender_who_starts_again_forty_times_with_a_full_window_uses_no_counter_up() {
    let mut sim = pair(2);
    let said: Vec<MessageId> = (0..300).map(|n| sim.say(A, B, &format!("{n}")).unwrap()).collect();
    for round in 0..40 {
        // Just long enough to put a window, and never for a receipt.
        sim.set_apart(A, B, round % 2 == 0);
        sim.run_for(30);
        sim.crash(A, 1);
        sim.run_for(20);
    }
    sim.set_apart(A, B, false);
    sim.run_for(HOUR);
    assert_eq!(sim.texts(B), (0..said.len()).map(|n| n.to_string()).collect::<Vec<_>>());
    let (_, channel) = rows::channels(&sim.nodes[A].store).next().unwrap();
    let used = channel.outbound.unwrap().ratchet.next();
    assert!(used < 300 + 300, "{used} counters for 300 texts");
    sim.check(true);
}

#[test]
fn more_than_a_receiver_looks_ahead_waits_and_survives_a_relay_that_is_wiped() {
    let mut sim = pair(3);
    sim.wire = None;
    let (relay, link) = sim.add_relay();
    for node in [A, B] {
        assert!(sim.command(node, Command::RelayAdd { link: link.clone(), claim: None }).is_ok());
    }
    sim.run_for(10 * MINUTE);
    sim.set_apart(A, B, true);
    sim.stop(B, 6 * HOUR);
    let count = 5_000;
    for n in 0..count {
        sim.say(A, B, &format!("{n}")).unwrap();
    }
    sim.run_for(6 * HOUR - MINUTE);
    let sealed = |sim: &Sim| rows::channels(&sim.nodes[A].store).next().unwrap().1.outbound.unwrap().ratchet.next();
    let stored = |sim: &Sim| {
        let rows = sim.nodes[A].store.rows(Table::Message).map(|(_, row)| rows::read::<rows::MessageRow>(row));
        rows.filter(|row| row.state == MessageState::Stored).count() as u64
    };
    let first = stored(&sim);
    assert!((FAR_AHEAD - 64..=FAR_AHEAD).contains(&first), "{first} lie at the relay, the rest waits");
    sim.wipe_relay(relay);
    // Both come back to it, and make their mailboxes again. What was sealed is left there once more, as it was.
    for _ in 0..4 {
        sim.run_for(HOUR);
    }
    assert!(heard(&sim, B) == (0..count).map(|n| n.to_string()).collect::<Vec<_>>(), "{} of {count}", heard(&sim, B).len());
    assert!(sealed(&sim) <= count as u64 + 64, "{} counters for {count} texts", sealed(&sim));
    sim.check(true);
}

/// A map of CBOR with another value under one of its keys.
fn patched(map: &[u8], at: u64, by: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut reader = Decoder::new(map);
    let count = reader.map().unwrap().unwrap();
    let mut all = map[..reader.position()].to_vec();
    for _ in 0..count {
        let begin = reader.position();
        let key = reader.u64().unwrap();
        let value = reader.position();
        reader.skip().unwrap();
        all.extend_from_slice(&map[begin..value]);
        let value = &map[value..reader.position()];
        all.extend(if key == at { by(value) } else { value.to_vec() });
    }
    all
}

/// A node has sealed as much as it may without a word of the other one, and all of it was lost: its outbox is empty.
fn lose_all(sim: &mut Sim, ix: Ix) {
    sim.stop(ix, MINUTE);
    let store = &mut sim.nodes[ix].store;
    let (key, row) = store.rows(Table::Channel).find(|(key, _)| key.len() == 16).map(|(key, row)| (key.clone(), row.clone())).unwrap();
    let spent = |outbound: &[u8]| {
        patched(outbound, 2, |ratchet| {
            let mut ratchet: Ratchet = minicbor::decode(ratchet).unwrap();
            for _ in 0..FAR_AHEAD {
                ratchet.turn();
            }
            minicbor::to_vec(&ratchet).unwrap()
        })
    };
    // Before the map stands the byte of a row.
    let row = [&row[..1], &patched(&row[1..], 11, spent)].concat();
    store.apply(&Change::Put(Table::Channel, key, row)).unwrap();
    store.commit();
}

#[test]
fn a_direction_in_which_all_that_may_be_sealed_was_lost_gets_a_new_seed_and_both_together_a_new_room() {
    for (seed, lost) in [(7, vec![A]), (8, vec![B]), (9, vec![A, B])] {
        let mut sim = pair(seed);
        sim.wire = None;
        talk(&mut sim, A, B, 3, "before");
        let room = |sim: &Sim| rows::read::<rows::FriendRow>(sim.nodes[A].store.rows(Table::Friend).next().unwrap().1).room;
        let number = |sim: &Sim, ix: Ix| rows::channels(&sim.nodes[ix].store).next().unwrap().1.outbound.unwrap().number;
        let (before, of) = (room(&sim), number(&sim, lost[0]));
        for ix in &lost {
            lose_all(&mut sim, *ix);
        }
        for (from, to, text) in [(A, B, "there"), (B, A, "and back")] {
            sim.run_until(2 * MINUTE, |sim| sim.nodes.iter().all(|node| node.is_up()));
            sim.say(from, to, text).unwrap();
            assert!(sim.run_until(3 * HOUR, |sim| heard(sim, to).contains(&text.to_owned())), "{lost:?}: {text}");
        }
        sim.run_for(10 * MINUTE);
        assert_ne!(number(&sim, lost[0]), of, "it seals under another seed");
        assert_eq!(room(&sim) != before, lost.len() == 2, "the room is made again only where nothing can be said in it");
        sim.check(true);
    }
}

/// What a channel of a build without seeds holds, as far as it is still read.
#[derive(Decode, Encode)]
#[cbor(map)]
struct Unseeded {
    #[n(3)]
    outbox_next: u64,
    #[n(4)]
    outbox_count: u64,
    #[n(5)]
    outbox_first: u64,
    #[n(6)]
    line: Option<RoomId>,
    #[n(8)]
    saying: Option<u64>,
    #[n(9)]
    answering: Option<u64>,
}

/// Makes a folder one of a build that knew of no seeds.
fn take_seeds(sim: &mut Sim, ix: Ix) {
    let store = &mut sim.nodes[ix].store;
    let rows: Vec<(Vec<u8>, Vec<u8>)> = store.rows(Table::Channel).map(|(key, row)| (key.clone(), row.clone())).collect();
    for (key, row) in rows {
        match key.len() {
            24 => store.apply(&Change::Delete(Table::Channel, key)).unwrap(),
            16 => store.apply(&Change::Put(Table::Channel, key, codec::encode_row(&rows::read::<Unseeded>(&row)))).unwrap(),
            _ => {}
        }
    }
    store.commit();
}

#[test]
fn friendships_of_a_build_without_seeds_get_their_room_made_again_and_lose_nothing() {
    for relays in [false, true] {
        let mut sim = pair(4);
        if relays {
            let (_, link) = sim.add_relay();
            for node in [A, B] {
                assert!(sim.command(node, Command::RelayAdd { link: link.clone(), claim: None }).is_ok());
            }
        }
        talk(&mut sim, A, B, 3, "before");
        talk(&mut sim, B, A, 3, "back");
        sim.set_apart(A, B, true);
        sim.say(A, B, "waits").unwrap();
        sim.say(B, A, "waits, too").unwrap();
        sim.stop(A, 10_000);
        sim.stop(B, 10_000);
        take_seeds(&mut sim, A);
        take_seeds(&mut sim, B);
        sim.run_for(MINUTE);
        sim.say(A, B, "written meanwhile").unwrap();
        // By relays alone, both come to it with the question of each start.
        sim.set_apart(A, B, relays);
        sim.run_for(DAY);
        assert_eq!(heard(&sim, B), ["before 0", "before 1", "before 2", "waits", "written meanwhile"], "relays: {relays}");
        assert_eq!(heard(&sim, A), ["back 0", "back 1", "back 2", "waits, too"]);
        talk(&mut sim, A, B, 1, "after");
        sim.check(true);
    }
}

#[test]
fn who_puts_something_under_the_tag_of_another_pair_uses_nothing_of_theirs_up() {
    let mut sim = Sim::new(5, Faults::NONE);
    let node = sim.add("Andi");
    let (mut ben, mut mallory) = (Actor::new(7, sim.now), Actor::new(8, sim.now));
    let (bens, link) = ben.befriend(&mut sim, node);
    let (theirs, evil) = mallory.befriend(&mut sim, node);
    let frame = ben.say(&bens, "hello", sim.now);
    let Ok(Frame::Put(put)) = Frame::decode(&frame) else { panic!() };
    // A relay of both shows Mallory what lies there; Mallory is a friend of the node, too.
    let mut altered = put.envelope.clone();
    *altered.last_mut().unwrap() ^= 1;
    let entry = &theirs.bundle.devices[0].entry;
    let key = theirs.bundle.friendship.put(&entry.mailbox);
    let injected = |envelope: Vec<u8>| Frame::Put(Put::new(entry.address.clone(), &key, 3600, None, envelope).unwrap()).encode();
    assert!(outcomes(&sim.rogue_send(evil, injected(altered))).is_empty());
    // Sealed by Mallory's own keys under Ben's tag it opens no better.
    let mut own = mallory.ratchet(&theirs).turn().seal(&[7; 12], b"x").unwrap();
    own[2..18].copy_from_slice(&put.envelope[2..18]);
    assert!(outcomes(&sim.rogue_send(evil, injected(own))).is_empty());
    assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Delivered]);
    assert_eq!(sim.texts(node), ["hello"]);
}
