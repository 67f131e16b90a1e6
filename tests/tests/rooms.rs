//! Two rooms of the same two devices: a friendship's, and one that is none. Each counts its own frames, so what is lost
//! or late in one holds up nothing in the other.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use symbolon_core::command::{Command, MessageState};
use symbolon_core::table::Table;
use symbolon_core::wire::RoomPayload;
use symbolon_presence::id::RoomId;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::sim::rows::{FriendRow, MessageRow, read};
use symbolon_tests::sim::run::{Faults, Ix, Sim};

const A: Ix = 0;
const B: Ix = 1;

/// The friendship's conversation; it is called by its first room.
fn friendship(sim: &Sim) -> RoomId {
    let (_, row) = sim.nodes[A].store.rows(Table::Friend).next().unwrap();
    read::<FriendRow>(row).room
}

/// What a node holds of a conversation by somebody else, in order.
fn texts(sim: &Sim, at: Ix, conversation: RoomId) -> Vec<String> {
    rows(sim, at, conversation).into_iter().filter(|row| row.from != sim.nodes[at].peer).map(|row| row.text).collect()
}

fn rows(sim: &Sim, at: Ix, conversation: RoomId) -> Vec<MessageRow> {
    let rows = sim.nodes[at].store.rows(Table::Message).filter(|(key, _)| key.starts_with(conversation.as_bytes()));
    rows.map(|(_, row)| read(row)).collect()
}

#[test]
fn a_frame_that_is_lost_in_one_room_holds_up_none_of_another() {
    let (mut sim, room) = Sim::with_two_rooms(1);
    let friendship = friendship(&sim);
    sim.faults.loss = 1_000;
    assert!(sim.write_in_room(A, room, "lost on the way"));
    sim.faults.loss = 0;
    sim.say(A, B, "in the friendship").unwrap();
    sim.run_for(SECOND);
    assert_eq!(texts(&sim, B, friendship), ["in the friendship"], "it is opened before the one that was sealed earlier");
    assert!(texts(&sim, B, room).is_empty());
    // The next one of its own room waits for the lost one, and asks for it.
    assert!(sim.write_in_room(A, room, "behind it"));
    sim.say(A, B, "and another").unwrap();
    sim.run_for(SECOND);
    assert_eq!(texts(&sim, B, room), ["lost on the way", "behind it"]);
    assert_eq!(texts(&sim, B, friendship), ["in the friendship", "and another"]);
    sim.run_for(MINUTE);
    assert!(rows(&sim, A, room).iter().all(|row| row.state == MessageState::Delivered));
}

#[test]
fn both_rooms_outlive_a_parting_of_the_network_and_the_death_of_both_nodes() {
    let (mut sim, room) = Sim::with_two_rooms(2);
    sim.set_apart(A, B, true);
    assert!(sim.write_in_room(A, room, "waits"));
    sim.say(A, B, "waits as well").unwrap();
    sim.set_apart(A, B, false);
    sim.run_for(HOUR);
    assert_eq!(texts(&sim, B, room), ["waits"]);
    sim.crash(A, SECOND);
    sim.crash(B, SECOND);
    sim.run_for(MINUTE);
    assert!(sim.write_in_room(B, room, "after the restart"));
    sim.run_for(HOUR);
    assert_eq!(texts(&sim, A, room), ["after the restart"]);
}

#[test]
fn what_friends_say_to_each_other_counts_in_their_own_room_alone() {
    let (mut sim, room) = Sim::with_two_rooms(3);
    let text = sim.say(B, A, "is it read?").unwrap();
    sim.run_for(SECOND);
    let (now, friendship) = (sim.now, friendship(&sim));
    let payload = RoomPayload::Read(text);
    sim.nodes[A].with_core(|core, world| core.say_in_room(now, room, &payload, world)).unwrap();
    assert!(sim.write_in_room(A, room, "behind it"));
    sim.run_for(SECOND);
    assert_eq!(rows(&sim, B, friendship)[0].state, MessageState::Delivered, "a mark in the other room is refused");
    assert_eq!(texts(&sim, B, room), ["behind it"], "and holds up nothing");
}

/// Both write into both rooms while frames are lost, overtaken, doubled, and machines die.
fn rough(seed: u64) {
    let (mut sim, room) = Sim::with_two_rooms(seed);
    let friendship = friendship(&sim);
    sim.faults = Faults::ROUGH;
    let mut written: [[Vec<String>; 2]; 2] = Default::default();
    for round in 0..40 {
        for from in [A, B] {
            let text = format!("{round} of {from}");
            if sim.below(2) == 0 {
                if sim.write_in_room(from, room, &text) {
                    written[from][0].push(text);
                }
            } else if sim.say(from, 1 - from, &text).is_some() {
                written[from][1].push(text);
            }
        }
        let pause = sim.below(5 * SECOND);
        sim.run_for(pause);
    }
    sim.faults = Faults::NONE;
    sim.run_for(2 * HOUR);
    for (from, [shared, of_friends]) in written.into_iter().enumerate() {
        for (conversation, written) in [(room, shared), (friendship, of_friends)] {
            // A command whose turn failed is answered by nothing: its text may be there or not.
            let arrived = texts(&sim, 1 - from, conversation);
            let known: Vec<&String> = arrived.iter().filter(|text| written.contains(text)).collect();
            assert_eq!(known, written.iter().collect::<Vec<_>>(), "seed {seed}: every text once, in order");
            let own = rows(&sim, from, conversation).into_iter().filter(|row| row.from == sim.nodes[from].peer);
            assert!(own.map(|row| row.state).all(|state| state == MessageState::Delivered), "seed {seed}: and known to be there");
        }
    }
}

#[test]
fn every_text_of_two_rooms_arrives_once_and_in_order_whatever_the_world_does() {
    for seed in 0..60 {
        rough(seed);
    }
}

/// Two friends who reach each other by a relay alone, and a room that the second one has entered, unknown to the first.
fn half_entered(seed: u64) -> (Sim, Ix, RoomId, impl FnOnce(&mut Sim)) {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.add("Andi");
    sim.add("Ben");
    sim.befriend(A, B);
    let (relay, link) = sim.add_relay();
    for node in [A, B] {
        assert!(sim.command(node, Command::RelayAdd { link: link.clone(), claim: None }).is_ok());
    }
    sim.run_for(10 * MINUTE);
    sim.set_apart(A, B, true);
    let (room, let_in) = sim.enter_room(A, B);
    (sim, relay, room, let_in)
}

fn waiting(sim: &Sim, at: Ix) -> usize {
    sim.nodes[at].store.count(Table::Unopened)
}

fn states(sim: &Sim, at: Ix, room: RoomId) -> Vec<MessageState> {
    rows(sim, at, room).into_iter().filter(|row| row.from == sim.nodes[at].peer).map(|row| row.state).collect()
}

#[test]
fn texts_that_overtake_what_lets_their_writer_in_are_read_once_it_has_come_whatever_starts_again_between() {
    for restarts in 0..4 {
        let (mut sim, relay, room, let_in) = half_entered(4);
        let written: Vec<String> = (0..20).map(|n| format!("early {n}")).collect();
        for text in &written {
            assert!(sim.write_in_room(B, room, text));
        }
        sim.run_for(HOUR);
        assert_eq!((waiting(&sim, A), sim.relay(relay).entries()), (20, 0), "the relay keeps nothing for whom the node keeps it");
        assert_eq!(states(&sim, B, room), vec![MessageState::Stored; 20]);
        if restarts & 1 != 0 {
            sim.restart(A);
        }
        sim.run_for(HOUR);
        let_in(&mut sim);
        if restarts & 2 != 0 {
            sim.restart(A);
            sim.restart(B);
        }
        sim.run_for(HOUR);
        assert_eq!((texts(&sim, A, room), waiting(&sim, A)), (written, 0));
        // Their writer hears of it by a relay, and the other way goes as well.
        assert_eq!(states(&sim, B, room), vec![MessageState::Delivered; 20]);
        assert!(sim.write_in_room(A, room, "welcome"));
        sim.run_for(HOUR);
        assert_eq!(texts(&sim, B, room), ["welcome"]);
    }
}

#[test]
fn texts_that_wait_for_more_than_a_day_are_not_kept_and_come_from_their_writer_again() {
    let (mut sim, _, room, let_in) = half_entered(5);
    assert!(sim.write_in_room(B, room, "too early"));
    sim.run_for(DAY - HOUR);
    assert_eq!(waiting(&sim, A), 1);
    // Only what others have signed makes time sure.
    sim.set_apart(A, B, false);
    sim.run_for(MINUTE);
    sim.set_apart(A, B, true);
    sim.run_for(DAY);
    assert_eq!(waiting(&sim, A), 0);
    assert!(sim.dropped(A, "unopenable") > 0);
    let_in(&mut sim);
    sim.run_for(HOUR);
    assert!(texts(&sim, A, room).is_empty());
    sim.set_apart(A, B, false);
    sim.run_for(HOUR);
    assert_eq!((texts(&sim, A, room), states(&sim, B, room)), (vec!["too early".to_owned()], vec![MessageState::Delivered]));
}
