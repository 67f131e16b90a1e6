//! Lifelines: two who have both changed everything while they were apart find each other again.
//!
//! In each story no record of anybody is found and there is no direct path: what is left are relays, and what each was given
//! before they parted.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use minicbor::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::{Command, MessageState, Reply, Who};
use symbolon_core::seam::{Event, Warning};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{Shelf, ShelfMut};
use symbolon_presence::blocks::{Block, Blocks};
use symbolon_presence::codec;
use symbolon_presence::generation::Generation;
use symbolon_presence::id::{MessageId, PeerId};
use symbolon_presence::record::day_of;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_presence::wrapping::Wrapping;
use symbolon_relay::frame::Frame;
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::relays::RELAYS;
use symbolon_tests::sim::run::{Ix, Sim};

const A: Ix = 0;
const B: Ix = 1;
/// Friends of Andi and of Ben, by whom their keys change.
const OTHERS: [Ix; 2] = [2, 3];

/// Andi and Ben, with a relay each and a friend each, who hold lifelines of each other and have no direct path any more.
fn scene(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    for name in ["Andi", "Ben", "Cleo", "Dora"] {
        sim.add(name);
    }
    for ix in [A, B] {
        let (_, link) = sim.add_relay();
        assert!(sim.command(ix, Command::RelayAdd { link, claim: None }).is_ok());
    }
    sim.run_for(MINUTE);
    sim.befriend(A, B);
    for ix in [A, B] {
        sim.befriend(ix, OTHERS[ix]);
    }
    sim.run_for(2 * HOUR);
    for ix in [A, B] {
        assert_eq!(lifelines(&sim, ix), (2, 2), "one for each friend, and one of each");
    }
    sim.set_apart(A, B, true);
    sim.set_apart(A, OTHERS[1], true);
    sim.set_apart(B, OTHERS[0], true);
    for other in OTHERS {
        // By them the keys change; what they do is of no interest.
        sim.crash(other, 2_000 * DAY);
    }
    sim.run_for(MINUTE);
    sim
}

/// How many friends hold one, and how many are held.
fn lifelines(sim: &Sim, ix: Ix) -> (usize, usize) {
    let store = &sim.nodes[ix].store;
    (store.count(Table::Lifeline), store.rows(Table::HeldLifeline).filter(|(_, row)| row.len() > 1_000).count())
}

fn who(sim: &Sim, ix: Ix) -> Who {
    Who(sim.nodes[ix].peer.to_string())
}

/// What makes a node's records, as it lies in its store.
#[derive(Encode, Decode)]
#[cbor(map)]
struct OwnPresence {
    #[n(0)]
    generation: Generation,
    #[n(1)]
    blocks: Blocks,
    #[n(2)]
    granted: BTreeMap<PeerId, Vec<Block>>,
    #[n(3)]
    hidden: BTreeSet<PeerId>,
    #[n(4)]
    wrapping: Wrapping,
    #[n(5)]
    sequence: u64,
}

/// The friendship secret rises, by more than relays and nodes remember if it is often enough; the node has another transport key and another
/// place; and another generation of the tree begins, in which no friend has a block.
fn change_everything(sim: &mut Sim, ix: Ix, often: usize) {
    let friend = who(sim, OTHERS[ix]);
    for _ in 0..often {
        sim.command(ix, Command::Block(friend.clone())).unwrap();
        sim.run_for(SECOND);
        sim.command(ix, Command::Unblock(friend.clone())).unwrap();
        sim.run_for(SECOND);
    }
    sim.move_house(ix);
    sim.run_for(MINUTE);
    sim.stop(ix, MINUTE);
    let row = sim.nodes[ix].store.get(Table::Meta, b"presence").unwrap().unwrap();
    let mut presence: OwnPresence = codec::decode(&row, 1 << 20).unwrap();
    presence.generation = Generation::random(presence.generation.number + 1, day_of(sim.now), &mut ChaCha20Rng::from_seed([ix as u8; 32]));
    presence.blocks = Blocks::default();
    presence.granted.values_mut().for_each(Vec::clear);
    sim.nodes[ix].store.apply(&Change::Put(Table::Meta, b"presence".to_vec(), codec::encode_row(&presence))).unwrap();
    sim.nodes[ix].store.commit();
    sim.run_for(10 * MINUTE);
}

fn is_delivered(sim: &mut Sim, from: Ix, message: MessageId) -> bool {
    match sim.command(from, Command::Message(message)) {
        Ok(Reply::Message(view)) => matches!(view.state, MessageState::Delivered | MessageState::Read),
        _ => false,
    }
}

/// Andi changes everything while Ben is away, and is away when Ben comes back and does the same.
fn part(sim: &mut Sim, days: u64, often: usize) {
    sim.crash(B, days * DAY);
    change_everything(sim, A, often);
    sim.run_for(HOUR);
    sim.crash(A, days * DAY);
    assert!(sim.run_until((days + 1) * DAY, |sim| sim.nodes[B].is_up()));
    change_everything(sim, B, often);
    assert!(!sim.nodes[A].is_up(), "they have not met");
}

/// Both write, and both texts arrive; nobody was asked or warned.
fn find_each_other(sim: &mut Sim, within: u64) {
    let texts = [(A, B), (B, A)].map(|(from, to)| (from, sim.say(from, to, &format!("found by {from}")).unwrap()));
    let are_there = |sim: &mut Sim| texts.iter().all(|(from, text)| is_delivered(sim, *from, *text));
    assert!(sim.run_until(within, are_there), "{:?} {:?}", sim.report(A).problems, sim.report(B).problems);
    for ix in [A, B] {
        assert!(sim.pending(ix).is_none(), "nobody is asked");
        for warning in [Warning::OlderCopy, Warning::FriendReturned, Warning::SecondCopy] {
            assert!(!sim.events[ix].contains(&Event::Warning(warning)), "{warning:?}");
        }
    }
}

/// What a friend needs to find the other by their records is there again.
fn records_are_read_again(sim: &mut Sim) {
    sim.lookup.is_there = true;
    for ix in [A, B] {
        sim.crash(ix, SECOND);
    }
    sim.run_for(HOUR);
    for ix in [A, B] {
        sim.move_house(ix);
    }
    sim.run_for(HOUR);
    // Without relays, a place is known by a record alone.
    for relay in 0..2 {
        sim.set_gone(RELAYS + relay, true);
    }
    sim.set_apart(A, B, false);
    for (from, to) in [(A, B), (B, A)] {
        let text = sim.say(from, to, &format!("by a record {from}")).unwrap();
        assert!(sim.run_until(2 * HOUR, |sim| is_delivered(sim, from, text)), "{from}");
    }
}

#[test]
fn r14_two_who_both_changed_everything_while_the_other_was_away_for_60_or_for_399_days_find_each_other() {
    for (seed, days, often) in [(1, 60, 70), (2, 399, 3)] {
        let mut sim = scene(seed);
        part(&mut sim, days, often);
        assert!(sim.run_until((days + 2) * DAY, |sim| sim.nodes[A].is_up()));
        find_each_other(&mut sim, DAY);
        records_are_read_again(&mut sim);
    }
}

#[test]
fn r14_of_two_who_were_apart_one_has_changed_everything_and_nobody_is_warned() {
    for (seed, often, returns_first) in [(11, 70, true), (12, 3, false)] {
        let mut sim = scene(seed);
        sim.crash(B, 65 * DAY);
        change_everything(&mut sim, A, often);
        sim.run_for(HOUR);
        // Andi is off when Ben comes back, or is there all the time.
        if returns_first {
            sim.crash(A, 70 * DAY);
            assert!(sim.run_until(71 * DAY, |sim| sim.nodes[A].is_up()));
        } else {
            assert!(sim.run_until(66 * DAY, |sim| sim.nodes[B].is_up()));
        }
        find_each_other(&mut sim, DAY);
        records_are_read_again(&mut sim);
    }
}

#[test]
fn without_lifelines_two_who_both_changed_everything_do_not_find_each_other() {
    let mut sim = scene(1);
    part(&mut sim, 60, 70);
    sim.crash(B, SECOND);
    for ix in [A, B] {
        for table in [Table::Lifeline, Table::HeldLifeline] {
            let keys: Vec<Vec<u8>> = sim.nodes[ix].store.rows(table).map(|(key, _)| key.clone()).collect();
            for key in keys {
                sim.nodes[ix].store.apply(&Change::Delete(table, key)).unwrap();
            }
        }
        sim.nodes[ix].store.commit();
        sim.wipe_relay(RELAYS + ix);
    }
    assert!(sim.run_until(62 * DAY, |sim| sim.nodes[A].is_up()));
    let text = sim.say(A, B, "is anybody there?").unwrap();
    assert!(!sim.run_until(10 * DAY, |sim| is_delivered(sim, A, text)));
}

#[test]
fn r14_lifelines_lead_there_whatever_is_lost_and_whoever_crashes_on_the_way() {
    for (seed, is_rough) in [(3, true), (4, true), (10, true), (5, false), (6, false)] {
        let mut sim = scene(seed);
        part(&mut sim, 60, 3);
        if is_rough {
            sim.faults = Faults::ROUGH;
        }
        assert!(sim.run_until(62 * DAY, |sim| sim.nodes[A].is_up()));
        for step in 0..40 {
            // Until it is done, one of them or a relay dies every few minutes, or loses all that lies there.
            sim.run_for(5 * MINUTE);
            match step % 8 {
                3 | 7 if sim.nodes[A].is_up() => sim.crash(A, 30 * SECOND),
                5 if sim.nodes[B].is_up() => sim.crash(B, 30 * SECOND),
                1 => sim.crash_relay(RELAYS + step % 2),
                6 => sim.wipe_relay(RELAYS + (step / 8) % 2),
                _ => {}
            }
        }
        sim.faults = Faults::NONE;
        sim.run_for(5 * MINUTE);
        // What lay at a relay that lost all is said again after the pause between two uses of a lifeline, which doubles each time.
        find_each_other(&mut sim, 9 * DAY);
        sim.check(true);
    }
}

#[test]
fn r14_two_who_are_there_on_different_days_find_each_other() {
    let mut sim = scene(7);
    part(&mut sim, 20, 3);
    for ix in [A, B] {
        sim.crash(ix, 2_000 * DAY);
    }
    let mut text = None;
    for _ in 0..8 {
        for ix in [A, B] {
            assert!(!sim.nodes[A].is_up() && !sim.nodes[B].is_up(), "one is there for some hours, the other on another day");
            sim.crash(ix, 0);
            sim.run_for(5 * HOUR);
            if ix == A {
                text = text.or_else(|| sim.say(A, B, "we never meet"));
            }
            sim.crash(ix, 2_000 * DAY);
            sim.run_for(2 * DAY);
        }
    }
    sim.crash(A, 0);
    sim.run_for(MINUTE);
    let text = text.unwrap();
    assert!(sim.run_until(HOUR, |sim| is_delivered(sim, A, text)), "{:?}", sim.report(A).problems);
}

#[test]
fn a33_who_was_unfriended_or_blocked_while_away_reaches_neither_node_nor_relay_by_a_lifeline() {
    for is_blocked in [false, true] {
        let mut sim = scene(8);
        sim.crash(B, 10 * DAY);
        let ben = who(&sim, B);
        sim.command(A, if is_blocked { Command::Block(ben) } else { Command::Unfriend(ben) }).unwrap();
        assert_eq!(lifelines(&sim, A).0, 1, "the other friend's is left");
        sim.run_for(HOUR);
        sim.crash(A, 12 * DAY);
        sim.wire = Some(Vec::new());
        assert!(sim.run_until(11 * DAY, |sim| sim.nodes[B].is_up()));
        let text = sim.say(B, A, "hello?").unwrap();
        sim.run_for(DAY);
        assert_eq!(sim.relay(RELAYS).entries(), 0, "Andi's relay takes nothing of it");
        assert!(sim.run_until(12 * DAY, |sim| sim.nodes[A].is_up()));
        let before = sim.events[A].len();
        sim.run_for(3 * DAY);
        assert!(!is_delivered(&mut sim, B, text) && sim.pending(A).is_none());
        assert_eq!(sim.events[A][before..].iter().filter(|event| matches!(event, Event::Message { .. } | Event::Warning(_))).count(), 0);
    }
}

/// First envelopes that were put since the wire was last cleared.
fn first_envelopes(sim: &Sim) -> usize {
    let puts = sim.wire.as_ref().unwrap().iter().filter_map(|sent| match Frame::decode(&sent.bytes) {
        Ok(Frame::Put(put)) if put.envelope.get(1) == Some(&4) => Some(put.frame),
        _ => None,
    });
    puts.collect::<BTreeSet<_>>().len()
}

#[test]
fn a_friend_who_is_away_for_two_weeks_is_asked_once_and_no_lifeline_is_used() {
    let mut sim = scene(9);
    sim.crash(B, 100 * DAY);
    sim.run_for(DAY);
    sim.wire = Some(Vec::new());
    sim.run_for(13 * DAY);
    assert_eq!(first_envelopes(&sim), 1, "by what friends have, and Ben's relay keeps it");
    sim.run_for(45 * DAY);
    assert_eq!(first_envelopes(&sim), 7, "then more and more seldom, by the lifeline");
}

#[test]
fn a107_an_older_copy_that_knows_only_old_keys_asks_by_its_lifeline() {
    let mut sim = scene(10);
    let copy = sim.copy(A);
    for text in ["newer", "and newer"] {
        let text = sim.say(A, B, text).unwrap();
        assert!(sim.run_until(HOUR, |sim| is_delivered(sim, A, text)));
    }
    let dora = who(&sim, OTHERS[B]);
    for _ in 0..70 {
        sim.command(B, Command::Block(dora.clone())).unwrap();
        sim.run_for(SECOND);
        sim.command(B, Command::Unblock(dora.clone())).unwrap();
        sim.run_for(SECOND);
    }
    // For longer than reply contacts and direct keys are good.
    sim.crash(A, 65 * DAY);
    sim.run_for(64 * DAY);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(MINUTE);
    let text = sim.say(A, B, "is anybody there?").unwrap();
    assert!(sim.run_until(DAY, |sim| is_delivered(sim, A, text)), "{:?}", sim.report(A).problems);
    assert!(sim.pending(A).is_none() && sim.pending(B).is_none());
}
