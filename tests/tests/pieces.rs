//! Room messages that are longer than an envelope: they go in pieces and are read when they are whole.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(unix)]
#[path = "pieces/killed.rs"]
mod killed;

use symbolon_core::command::{Command, MessageState};
use symbolon_core::table::Table;
use symbolon_core::wire::{Capabilities, PIECE_LEN, Piece, WHOLE_MAX};
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::id::{Digest, RoomId};
use symbolon_presence::kdf::sha256;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_relay::frame::Frame;
use symbolon_tests::sim::rows::{MessageRow, channels, read};
use symbolon_tests::sim::run::{Faults, Ix, Sim};

const A: Ix = 0;
const B: Ix = 1;

type Parts = Vec<(Option<Piece>, Vec<u8>)>;

/// Says a text in a message of so many bytes and some more, whose parts may be changed; false when the node is down.
fn say_changed(sim: &mut Sim, from: Ix, room: RoomId, text: &str, length: usize, change: impl FnOnce(Parts) -> Parts) -> bool {
    let now = sim.now;
    if !sim.nodes[from].is_up() {
        return false;
    }
    sim.nodes[from].with_core(|core, world| core.write_long_in_room(now, room, text, length, change, world)).unwrap();
    // What the turn has left to do is done with the next one.
    let _ = sim.command(from, Command::Requests);
    true
}

fn say_long(sim: &mut Sim, from: Ix, room: RoomId, text: &str, length: usize) -> bool {
    say_changed(sim, from, room, text, length, |parts| parts)
}

/// What a node holds of a conversation by somebody else, in order.
fn texts(sim: &Sim, at: Ix, room: RoomId) -> Vec<String> {
    let rows = sim.nodes[at].store.rows(Table::Message).filter(|(key, _)| key.starts_with(room.as_bytes()));
    rows.map(|(_, row)| read::<MessageRow>(row)).filter(|row| row.from != sim.nodes[at].peer).map(|row| row.text).collect()
}

/// Pieces on a node's disk.
fn waiting(sim: &Sim, at: Ix) -> usize {
    sim.nodes[at].store.count(Table::Piece)
}

/// How much waits for others at a node.
fn outbox(sim: &Sim, at: Ix) -> u64 {
    channels(&sim.nodes[at].store).map(|(_, row)| row.outbox_count).sum()
}

/// The largest envelopes that a node has put since this was last asked.
fn large_puts(sim: &mut Sim, from: Ix) -> usize {
    let wire = std::mem::take(sim.wire.as_mut().unwrap());
    let is_large = |bytes: &[u8]| matches!(Frame::decode(bytes), Ok(Frame::Put(put)) if put.envelope.len() > 200_000 && matches!(kind(&put.envelope), Some(Kind::Known(_))));
    wire.into_iter().filter(|sent| sent.from == from && is_large(&sent.bytes)).count()
}

#[test]
fn the_longest_message_arrives_and_one_that_is_longer_is_not_sent() {
    let (mut sim, room) = Sim::with_two_rooms(1);
    assert!(say_long(&mut sim, A, room, "one piece", PIECE_LEN - 1_000));
    assert!(say_long(&mut sim, A, room, "two pieces", PIECE_LEN));
    assert!(say_long(&mut sim, A, room, "sixteen pieces", WHOLE_MAX - 1_000));
    assert!(say_long(&mut sim, A, room, "too long", WHOLE_MAX));
    assert!(sim.write_in_room(A, room, "short"));
    sim.run_for(MINUTE);
    assert_eq!(texts(&sim, B, room), ["one piece", "two pieces", "sixteen pieces", "short"]);
    assert_eq!((outbox(&sim, A), waiting(&sim, B)), (0, 0));
}

#[test]
fn a_message_in_pieces_goes_on_where_it_was_when_both_nodes_die_between() {
    let (mut sim, room) = Sim::with_two_rooms(2);
    sim.wire = Some(Vec::new());
    assert!(say_long(&mut sim, A, room, "long", 10 * PIECE_LEN));
    // Frames arrive one by one, each with its receipt.
    assert!(sim.run_until(MINUTE, |sim| waiting(sim, B) >= 4));
    sim.set_apart(A, B, true);
    sim.crash(A, SECOND);
    sim.crash(B, SECOND);
    sim.run_for(MINUTE);
    let here = waiting(&sim, B);
    assert!((4..11).contains(&here), "{here} pieces are on disk");
    assert!(texts(&sim, B, room).is_empty());
    large_puts(&mut sim, A);
    sim.set_apart(A, B, false);
    sim.run_for(HOUR);
    assert_eq!(texts(&sim, B, room), ["long"]);
    assert_eq!((outbox(&sim, A), waiting(&sim, B)), (0, 0));
    let again = large_puts(&mut sim, A);
    assert!(again <= 10, "{again} large envelopes were put after the restart");
}

#[test]
fn a_message_in_pieces_is_left_at_a_relay_and_read_by_who_was_away() {
    let (mut sim, room) = Sim::with_two_rooms(3);
    let (relay, link) = sim.add_relay();
    for node in [A, B] {
        assert!(sim.command(node, Command::RelayAdd { link: link.clone(), claim: None }).is_ok());
    }
    sim.run_for(10 * MINUTE);
    sim.set_apart(A, B, true);
    sim.stop(B, DAY);
    assert!(say_long(&mut sim, A, room, "long", 15 * PIECE_LEN));
    assert!(sim.write_in_room(A, room, "behind it"));
    sim.run_for(DAY - HOUR);
    assert_eq!(sim.relay(relay).entries(), 17);
    sim.run_for(2 * HOUR);
    assert_eq!(texts(&sim, B, room), ["long", "behind it"]);
    sim.run_for(HOUR);
    assert_eq!((outbox(&sim, A), waiting(&sim, B), sim.relay(relay).entries()), (0, 0, 0));
}

/// Long and short messages both ways while frames are lost, overtaken, doubled, changed, and machines die.
fn rough(seed: u64) {
    let (mut sim, room) = Sim::with_two_rooms(seed);
    sim.faults = Faults::ROUGH;
    let mut written: [Vec<String>; 2] = Default::default();
    for round in 0..6 {
        for from in [A, B] {
            let text = format!("{round} of {from}");
            let length = sim.below(5) as usize * PIECE_LEN;
            if say_long(&mut sim, from, room, &text, length) {
                written[from].push(text);
            }
        }
        let pause = sim.below(30 * SECOND);
        sim.run_for(pause);
    }
    sim.faults = Faults::NONE;
    sim.run_for(4 * HOUR);
    for (from, written) in written.into_iter().enumerate() {
        assert_eq!(texts(&sim, 1 - from, room), written, "seed {seed}: every message once, in order");
        assert_eq!((outbox(&sim, from), waiting(&sim, from)), (0, 0), "seed {seed}: and nothing is left");
    }
}

#[test]
fn every_message_in_pieces_arrives_once_and_in_order_whatever_the_world_does() {
    for seed in 0..16 {
        rough(seed);
    }
}

#[test]
fn a102_a_member_who_sends_pieces_that_make_no_whole_is_refused_and_holds_up_nothing() {
    type Change = fn(Parts) -> Parts;
    let wrong: [(&str, Change); 7] = [
        ("another hash", |parts| {
            parts.into_iter().map(|(piece, part)| (piece.map(|piece| Piece { whole: Digest([7; 32]), ..piece }), part)).collect()
        }),
        ("another number of pieces", |mut parts| {
            parts[1].0 = parts[1].0.map(|piece| Piece { count: piece.count + 1, ..piece });
            parts
        }),
        ("the last one is missing", |mut parts| {
            parts.pop();
            parts
        }),
        ("the first one is missing", |mut parts| {
            parts.remove(0);
            parts
        }),
        ("another order", |mut parts| {
            parts.swap(1, 2);
            parts
        }),
        ("two wholes mixed", |parts| {
            let other = Digest(sha256(b"other"));
            let twin = |(piece, part): (Option<Piece>, Vec<u8>)| (piece.map(|piece| Piece { whole: other, ..piece }), part);
            parts.into_iter().flat_map(|part| [part.clone(), twin(part)]).collect()
        }),
        ("a piece is too short", |mut parts| {
            parts[0].1.pop();
            parts
        }),
    ];
    for (what, change) in wrong {
        let (mut sim, room) = Sim::with_two_rooms(4);
        assert!(say_changed(&mut sim, A, room, "wrong", 3 * PIECE_LEN, change));
        assert!(sim.write_in_room(A, room, "behind it"));
        assert!(say_long(&mut sim, A, room, "long", 3 * PIECE_LEN));
        let said = sim.say(A, B, "in the friendship").unwrap();
        sim.run_for(HOUR);
        assert_eq!(texts(&sim, B, room), ["behind it", "long"], "{what}");
        assert_eq!(sim.message_state(A, said), MessageState::Delivered, "{what}");
        assert_eq!((outbox(&sim, A), waiting(&sim, B)), (0, 0), "{what}");
        assert!(sim.dropped(B, "malformed") > 0 || what == "the last one is missing", "{what}");
    }
}

#[test]
fn a_piece_that_comes_twice_is_answered_as_before_and_changes_nothing() {
    let (mut sim, room) = Sim::with_two_rooms(5);
    sim.faults.duplicate = 1_000;
    sim.faults.reorder = 300;
    for n in 0..4 {
        assert!(say_long(&mut sim, A, room, &format!("long {n}"), 3 * PIECE_LEN));
    }
    sim.run_for(HOUR);
    assert_eq!(texts(&sim, B, room), ["long 0", "long 1", "long 2", "long 3"]);
    assert_eq!((outbox(&sim, A), waiting(&sim, B)), (0, 0));
}

#[test]
fn to_a_build_that_takes_no_pieces_nothing_of_the_room_goes_until_it_does_and_the_friendship_goes_on() {
    for restart in [false, true] {
        let (mut sim, room) = Sim::with_two_rooms(6);
        let ben = sim.nodes[B].peer;
        let hear = |sim: &mut Sim, theirs: Option<Capabilities>| {
            let now = sim.now;
            sim.nodes[A].with_core(|core, world| core.hear_capabilities(now, ben, theirs, world)).unwrap();
            let _ = sim.command(A, Command::Requests);
        };
        assert!(sim.write_in_room(A, room, "before"));
        hear(&mut sim, None);
        sim.wire = Some(Vec::new());
        assert!(say_long(&mut sim, A, room, "long", 2 * PIECE_LEN));
        assert!(sim.write_in_room(A, room, "behind it"));
        let said = sim.say(A, B, "in the friendship").unwrap();
        sim.run_for(HOUR);
        assert_eq!(texts(&sim, B, room), ["before"]);
        assert_eq!(sim.message_state(A, said), MessageState::Delivered);
        assert_eq!(large_puts(&mut sim, A), 0, "an older build would refuse it, and it would be lost");
        assert_eq!(outbox(&sim, A), 4);
        if restart {
            sim.restart(A);
            sim.run_for(HOUR);
            assert_eq!(texts(&sim, B, room), ["before"]);
        }
        hear(&mut sim, Some(Capabilities::PIECES));
        sim.run_for(MINUTE);
        assert_eq!(texts(&sim, B, room), ["before", "long", "behind it"]);
        assert_eq!(outbox(&sim, A), 0);
    }
}
