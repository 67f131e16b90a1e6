//! Friends who find each other by their records, and friendship that is taken back.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "presence/worn.rs"]
mod worn;

use minicbor::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::{Command, MessageState, Reply, Who};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{Shelf, ShelfMut};
use symbolon_presence::blocks::{Block, Blocks};
use symbolon_presence::codec;
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::generation::Generation;
use symbolon_presence::id::PeerId;
use symbolon_presence::record::day_of;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_presence::wrapping::Wrapping;
use symbolon_relay::frame::Frame;
use symbolon_relay::put::Put;
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::faults::Manners;
use symbolon_tests::sim::run::{Ix, Sim};

fn who(sim: &Sim, ix: Ix) -> Who {
    Who(sim.nodes[ix].peer.to_string())
}

fn sent(sim: &mut Sim, ix: Ix) -> Vec<(&'static str, u64)> {
    let Ok(Reply::Status(status)) = sim.command(ix, Command::Status) else { panic!() };
    status.sent_frames
}

/// Both get other addresses while they are apart.
fn both_move(sim: &mut Sim, a: Ix, b: Ix) {
    sim.set_apart(a, b, true);
    sim.move_house(a);
    sim.move_house(b);
    sim.run_for(HOUR);
    sim.set_apart(a, b, false);
}

#[test]
fn two_who_moved_while_they_were_apart_find_each_other_by_their_records() {
    for seed in 0..20 {
        let mut sim = Sim::of_friends(seed, &["Andi", "Ben"]);
        both_move(&mut sim, 0, 1);
        sim.say(0, 1, "where are you?").unwrap();
        assert!(sim.run_until(MINUTE, |sim| sim.texts(1) == ["where are you?"]), "seed {seed}");
        sim.run_for(MINUTE);
        sim.check(true);
    }
}

#[test]
fn a70_a72_lookups_that_answer_late_wrongly_or_not_at_all_cost_time_only() {
    for seed in 0..20 {
        let faults = Faults { loss: 300, flip: 500, replay: 500, ..Faults::NONE };
        let mut sim = Sim::of_friends(seed, &["Andi", "Ben"]);
        for round in 0..3 {
            sim.set_apart(0, 1, true);
            sim.move_house(0);
            sim.move_house(1);
            sim.run_for(10 * MINUTE);
            sim.set_apart(0, 1, false);
            sim.faults = faults;
            sim.say(1, 0, &format!("round {round}")).unwrap();
            assert!(sim.run_until(DAY, |sim| sim.texts(0).len() == round + 1), "seed {seed}, round {round}");
            sim.faults = Faults::NONE;
            // The longest pause between two look-ups is an hour.
            sim.run_for(3 * HOUR);
        }
        sim.run_for(MINUTE);
        sim.check(true);
    }
}

#[test]
fn a_greeting_that_was_never_answered_is_not_put_again_once_it_says_what_is_no_longer_so() {
    let mut sim = Sim::of_friends(12, &["Andi", "Ben"]);
    // Andi signs for nothing, so Ben's greeting is put again on each new link.
    sim.manners.insert(0, Manners::Lazy);
    let greetings = |sim: &mut Sim| {
        sim.wire = Some(Vec::new());
        // He greets on links that he dials; either may be the first to.
        for _ in 0..8 {
            sim.set_apart(0, 1, true);
            sim.run_for(SECOND);
            sim.set_apart(0, 1, false);
            sim.run_for(HOUR);
        }
        let sent = sim.wire.take().unwrap().into_iter().filter(|frame| frame.from == 1);
        let is_known = |put: &Put| matches!(kind(&put.envelope), Some(Kind::Known(_)));
        let puts = sent.filter_map(|frame| if let Ok(Frame::Put(put)) = Frame::decode(&frame.bytes) { Some(put) } else { None });
        puts.filter(is_known).map(|put| put.frame).collect::<BTreeSet<_>>()
    };
    let first = greetings(&mut sim);
    assert_eq!(first.len(), 1);
    assert_eq!(greetings(&mut sim), first);
    let andi = who(&sim, 0);
    sim.command(1, Command::Hide { friend: andi, hidden: true }).unwrap();
    let second = greetings(&mut sim);
    assert_eq!(second.len(), 1);
    assert!(second.is_disjoint(&first), "the first one names the places that Andi is not to know");
}

#[test]
fn who_has_very_much_to_say_under_a_key_that_is_over_reads_the_new_one_from_the_friend_alone() {
    let mut sim = Sim::of_friends(11, &["Andi", "Ben", "Cleo"]);
    sim.lookup.is_there = false;
    sim.set_apart(0, 1, true);
    // More than tags are kept ready for, and more than a link may have faults.
    for number in 0..200 {
        sim.say(1, 0, &format!("text {number}")).unwrap();
    }
    let cleo = who(&sim, 2);
    sim.command(0, Command::Unfriend(cleo)).unwrap();
    sim.run_for(MINUTE);
    sim.set_apart(0, 1, false);
    assert!(sim.run_until(10 * MINUTE, |sim| sim.texts(0).len() == 200), "{} of 200", sim.texts(0).len());
    sim.run_for(MINUTE);
    sim.check(true);
}

#[test]
fn a70_anyone_who_answers_first_with_an_old_header_does_not_keep_a_friend_from_the_new_one() {
    for seed in 0..20 {
        let mut sim = Sim::of_friends(seed, &["Andi", "Ben", "Cleo"]);
        sim.set_apart(0, 1, true);
        let cleo = who(&sim, 2);
        sim.command(0, Command::Unfriend(cleo)).unwrap();
        sim.run_for(MINUTE);
        sim.move_house(0);
        sim.move_house(1);
        sim.run_for(MINUTE);
        sim.set_apart(0, 1, false);
        sim.faults = Faults { replay: 1_000, latency: 200, ..Faults::NONE };
        sim.say(1, 0, "I read the newest").unwrap();
        assert!(sim.run_until(10 * MINUTE, |sim| sim.texts(0) == ["I read the newest"]), "seed {seed}");
    }
}

#[test]
fn nobody_is_found_without_lookup_and_everybody_is_once_there_is_one() {
    let mut sim = Sim::of_friends(3, &["Andi", "Ben"]);
    sim.lookup.is_there = false;
    both_move(&mut sim, 0, 1);
    sim.say(0, 1, "still there?").unwrap();
    sim.run_for(HOUR);
    assert!(sim.texts(1).is_empty());
    sim.lookup.is_there = true;
    assert!(sim.run_until(DAY, |sim| sim.texts(1) == ["still there?"]), "published again within hours");
    sim.run_for(MINUTE);
    sim.check(true);
}

#[test]
fn two_who_moved_find_each_other_without_any_server_at_the_node_of_a_friend_of_both() {
    for seed in 0..20 {
        let mut sim = Sim::of_friends(seed, &["Andi", "Ben", "Cleo"]);
        sim.befriend(1, 2);
        sim.lookup.is_there = false;
        both_move(&mut sim, 0, 1);
        sim.say(0, 1, "Cleo knows where you are").unwrap();
        assert!(sim.run_until(10 * MINUTE, |sim| sim.texts(1) == ["Cleo knows where you are"]), "seed {seed}");
        sim.run_for(MINUTE);
        sim.check(true);
    }
}

#[test]
fn a70_a72_a_friend_whose_node_lies_about_records_costs_time_only() {
    for seed in 0..20 {
        let mut sim = Sim::of_friends(seed, &["Andi", "Ben", "Liar", "Dora"]);
        for friend in [2, 3] {
            sim.befriend(1, friend);
        }
        sim.manners.insert(2, Manners::Liar);
        sim.lookup.is_there = false;
        both_move(&mut sim, 0, 1);
        sim.say(0, 1, "Dora tells the truth").unwrap();
        assert!(sim.run_until(10 * MINUTE, |sim| sim.texts(1) == ["Dora tells the truth"]), "seed {seed}");
    }
}

#[test]
fn at_a_friends_node_only_those_are_found_who_are_its_friends_and_do_not_hide_from_it() {
    let mut sim = Sim::of_friends(13, &["Andi", "Ben", "Cleo"]);
    sim.lookup.is_there = false;
    let cleo = who(&sim, 2);
    both_move(&mut sim, 0, 1);
    sim.say(0, 1, "anybody?").unwrap();
    sim.run_for(3 * HOUR);
    assert!(sim.texts(1).is_empty(), "Cleo is not Ben's friend");
    sim.befriend(1, 2);
    for ix in [0, 1] {
        sim.command(ix, Command::Hide { friend: cleo.clone(), hidden: true }).unwrap();
    }
    sim.move_house(0);
    sim.move_house(1);
    sim.run_for(3 * HOUR);
    assert!(sim.texts(1).is_empty(), "and now they hide from her");
    sim.command(1, Command::Hide { friend: cleo, hidden: false }).unwrap();
    assert!(sim.run_until(DAY, |sim| sim.texts(1) == ["anybody?"]));
    sim.run_for(MINUTE);
    sim.check(true);
}

#[test]
fn what_look_up_servers_know_newer_is_not_asked_of_the_dht_and_the_rest_is() {
    for servers_know in [true, false] {
        let mut sim = Sim::of_friends(6, &["Andi", "Ben", "Cleo"]);
        sim.lookup.servers_know = Some(servers_know);
        // Ben has a lookup server; nobody else names one.
        sim.command(1, Command::LookupAdd(symbolon_core::seam::Address(vec![4, 192, 0, 2, 1]))).unwrap();
        sim.set_apart(0, 1, true);
        sim.run_for(MINUTE);
        sim.move_house(0);
        sim.move_house(1);
        let cleo = who(&sim, 2);
        sim.command(0, Command::Unfriend(cleo)).unwrap();
        sim.run_for(MINUTE);
        sim.crash(1, 10 * SECOND);
        // Cleo, who knows where each header of Andi's will lie, may have a server there.
        sim.lookup.asked.clear();
        sim.set_apart(0, 1, !servers_know);
        sim.run_for(11 * SECOND);
        sim.say(1, 0, "where are you?").unwrap();
        if !servers_know {
            sim.run_for(MINUTE);
        }
        let asked = |sim: &Sim| sim.lookup.asked.get(&1).copied().unwrap_or_default();
        assert_eq!(asked(&sim) == 0, servers_know, "{} questions to the DHT", asked(&sim));
        sim.set_apart(0, 1, false);
        assert!(sim.run_until(10 * MINUTE, |sim| sim.texts(0) == ["where are you?"]), "{servers_know}");
        assert!(!servers_know || asked(&sim) == 0, "{} questions to the DHT", asked(&sim));
        sim.run_for(MINUTE);
        sim.check(true);
    }
}

#[test]
fn a20_taking_one_friend_out_costs_the_others_no_message_from_us_and_they_go_on() {
    let mut sim = Sim::of_friends(4, &["Andi", "Ben", "Cleo"]);
    let before = sent(&mut sim, 0);
    sim.wire = Some(Vec::new());
    let ben = who(&sim, 1);
    sim.command(0, Command::Unfriend(ben)).unwrap();
    sim.run_for(HOUR);
    // Nobody is sent the new keys: what goes out are answers, and what each link begins with, since the links of the old
    // transport key end.
    let free = ["receipt", "found", "prove", "hello", "lookup", "keep"];
    let puts = |sent: &[(&'static str, u64)]| sent.iter().filter(|(kind, _)| !free.contains(kind)).map(|(_, n)| n).sum::<u64>();
    let after = sent(&mut sim, 0);
    assert_eq!(puts(&after), puts(&before), "{before:?} {after:?}");
    sim.say(2, 0, "hello").unwrap();
    sim.run_for(MINUTE);
    assert_eq!(sim.texts(0), ["hello"], "who stays reads the new keys and continues");
    sim.say(0, 2, "hello yourself").unwrap();
    sim.say(1, 0, "and me?").unwrap();
    sim.run_for(DAY);
    assert_eq!(sim.texts(2), ["hello", "hello yourself"]);
    assert_eq!(sim.texts(0), ["hello", "hello yourself"], "who was taken out is not heard");
    let refusals: BTreeSet<bool> = sim
        .wire
        .take()
        .unwrap()
        .iter()
        .filter(|wire| wire.from == 0 && wire.to == 1)
        .map(|wire| matches!(Frame::decode(&wire.bytes), Ok(Frame::Receipt(_))))
        .collect();
    assert!(!refusals.contains(&true), "and does not even hear that his key has ended");
}

#[test]
fn a21_a_friend_who_was_away_for_400_days_and_50_revocations_needs_two_records_and_no_message() {
    let mut sim = Sim::of_friends(5, &["Andi", "Ben"]);
    sim.crash(1, 400 * DAY);
    for n in 0..50 {
        let other = sim.add(&format!("Guest {n}"));
        sim.befriend(0, other);
        let guest = who(&sim, other);
        sim.command(0, Command::Unfriend(guest)).unwrap();
        // Their machines are of no further interest.
        sim.crash(other, 1_000 * DAY);
        sim.run_for(8 * DAY - HOUR);
    }
    sim.move_house(0);
    sim.run_for(HOUR);
    assert!(sim.run_until(10 * DAY, |sim| sim.nodes[1].is_up()));
    let resolved = sim.lookup.resolved;
    sim.say(1, 0, "I am back").unwrap();
    assert!(sim.run_until(HOUR, |sim| sim.texts(0) == ["I am back"]));
    // The body by the secret of 400 days ago, the header, the body; and Ben's own two records, which nobody has, twice.
    assert!(sim.lookup.resolved - resolved <= 7, "{} look-ups", sim.lookup.resolved - resolved);
}

#[test]
fn a22_a_blocked_friend_reads_nothing_and_one_who_is_unblocked_reads_again() {
    let mut sim = Sim::of_friends(6, &["Andi", "Ben", "Cleo"]);
    let ben = who(&sim, 1);
    sim.command(0, Command::Block(ben.clone())).unwrap();
    both_move(&mut sim, 0, 1);
    sim.say(1, 0, "where are you?").unwrap();
    sim.run_for(2 * DAY);
    assert!(sim.texts(0).is_empty());
    sim.command(0, Command::Unblock(ben)).unwrap();
    // Andi looks Ben up and gives him what friends have.
    assert!(sim.run_until(DAY, |sim| sim.texts(0) == ["where are you?"]));
    both_move(&mut sim, 0, 1);
    sim.say(1, 0, "and now?").unwrap();
    assert!(sim.run_until(HOUR, |sim| sim.texts(0).len() == 2), "he reads the new records");
    sim.run_for(MINUTE);
    sim.check(true);
}

#[test]
fn a_friend_from_whom_we_hide_is_not_shown_where_we_are_until_we_show_ourselves() {
    let mut sim = Sim::of_friends(7, &["Andi", "Ben", "Cleo"]);
    let ben = who(&sim, 1);
    let Ok(Reply::Friend(view)) = sim.command(0, Command::Hide { friend: ben.clone(), hidden: true }) else { panic!() };
    assert!(view.hidden);
    sim.run_for(MINUTE);
    both_move(&mut sim, 0, 1);
    sim.set_apart(0, 2, true);
    sim.move_house(2);
    sim.set_apart(0, 2, false);
    sim.say(1, 0, "found you?").unwrap();
    sim.say(2, 0, "found you!").unwrap();
    sim.run_for(10 * MINUTE);
    // Andi finds Ben, of course, and then the two talk; so keep Andi from calling.
    assert!(sim.texts(0).contains(&"found you!".to_owned()));
    sim.command(0, Command::Hide { friend: ben, hidden: false }).unwrap();
    assert!(sim.run_until(DAY, |sim| sim.texts(0).len() == 2));
    sim.run_for(MINUTE);
    sim.check(true);
}

#[test]
fn a25_what_lies_at_a_lookup_names_nobody() {
    let sim = Sim::of_friends(8, &["Andi", "Ben"]);
    let mut secrets: Vec<Vec<u8>> = vec![b"Andi".to_vec(), b"Ben".to_vec(), b"node 0".to_vec(), b"node 1".to_vec()];
    secrets.extend(sim.nodes.iter().flat_map(|node| [node.peer.0.to_vec(), node.peer.to_string().into_bytes()]));
    let stored: Vec<&Vec<u8>> = sim.lookup.stored().collect();
    assert!(stored.len() >= 12, "two people, two days, three records");
    for record in stored {
        for secret in &secrets {
            assert!(!record.windows(secret.len()).any(|part| part == secret.as_slice()));
        }
    }
}

#[test]
fn somebody_who_is_away_for_ten_days_is_found_by_records_that_were_left_with_a_relay() {
    for has_relay in [false, true] {
        let mut sim = Sim::of_friends(9, &["Andi", "Ben", "Cleo"]);
        // A relay that is everybody's keeps what Ben leaves, whether or not Andi's records are there.
        let (relay, link) = sim.add_relay();
        sim.command(0, Command::RelayAdd { link, claim: None }).unwrap();
        sim.run_for(10 * MINUTE);
        sim.crash(1, 8 * DAY);
        // Ben's keys have expired, and nobody tells him.
        let cleo = who(&sim, 2);
        sim.command(0, Command::Unfriend(cleo)).unwrap();
        sim.run_for(MINUTE);
        if !has_relay {
            sim.wipe_away(relay);
        }
        sim.crash(0, 10 * DAY);
        assert!(sim.run_until(9 * DAY, |sim| sim.nodes[1].is_up()));
        let text = sim.say(1, 0, "for when you are back").unwrap();
        let is_stored = sim.run_until(HOUR, |sim| sim.message_state(1, text) == MessageState::Stored);
        assert_eq!(is_stored, has_relay, "a new key is read only where a record still is");
        assert!(sim.run_until(4 * DAY, |sim| sim.nodes[0].is_up() && sim.texts(0) == ["for when you are back"]));
        sim.run_for(HOUR);
        sim.check(true);
    }
}
