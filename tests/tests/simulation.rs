//! Two and more nodes befriend and talk over a network that fails.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use symbolon_core::command::{Command, Reply, RequestStatus, Who};
use symbolon_core::limits::INDEX_BACKLOG;
use symbolon_presence::id::RequestId;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

fn invite(sim: &mut Sim, ix: Ix) -> String {
    match sim.command(ix, Command::Invite { lifetime: DAY, no_ip: false, auto_accept: false }) {
        Ok(Reply::Invite { link, .. }) => link,
        other => panic!("an invite is made: {:?}", other.err()),
    }
}

fn add(sim: &mut Sim, ix: Ix, link: &str) -> RequestId {
    match sim.command(ix, Command::Add { target: link.to_owned(), note: Some("hi".into()) }) {
        Ok(Reply::Request(request)) => request.request,
        other => panic!("a request is made: {:?}", other.err()),
    }
}

fn pending(sim: &mut Sim, ix: Ix) -> Option<RequestId> {
    match sim.command(ix, Command::Requests) {
        Ok(Reply::Requests(rows)) => rows.iter().find(|row| row.status == RequestStatus::Pending).map(|row| row.request),
        _ => None,
    }
}

fn befriend(sim: &mut Sim, a: Ix, b: Ix) {
    let link = invite(sim, a);
    add(sim, b, &link);
    let mut request = None;
    assert!(sim.run_until(HOUR, |sim| {
        request = pending(sim, a);
        request.is_some()
    }));
    assert!(sim.command(a, Command::Accept(request.unwrap())).is_ok());
    assert!(sim.run_until(HOUR, |sim| are_friends(sim, a, b) && are_friends(sim, b, a)));
}

fn are_friends(sim: &mut Sim, a: Ix, b: Ix) -> bool {
    let peer = sim.nodes[b].peer;
    matches!(sim.command(a, Command::Friends), Ok(Reply::Friends(friends)) if friends.iter().any(|friend| friend.id == peer && friend.mutual))
}

#[test]
fn two_nodes_befriend_and_talk_both_ways() {
    let mut sim = Sim::new(1, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    befriend(&mut sim, a, b);
    sim.say(a, b, "one").unwrap();
    sim.say(b, a, "two").unwrap();
    sim.say(a, b, "three").unwrap();
    sim.run_for(MINUTE);
    sim.check(true);
    let texts: Vec<String> = sim.history(b).into_iter().map(|message| message.text).collect();
    assert_eq!(texts.len(), 3);
    assert!(sim.command(a, Command::Send { to: Who("Ben".into()), text: "by name".into(), lifetime: None }).is_ok());
}

#[test]
fn history_is_searched_over_all_conversations_newest_matches_in_order() {
    let mut sim = Sim::new(7, Faults::NONE);
    let (a, b, c) = (sim.add("Andi"), sim.add("Ben"), sim.add("Cleo"));
    befriend(&mut sim, a, b);
    befriend(&mut sim, a, c);
    for (from, to, text) in
        [(a, b, "Friday at noon?"), (b, a, "friday, yes"), (c, a, "Is it Friday yet?"), (a, c, "no"), (c, a, "Fridays are best")]
    {
        sim.say(from, to, text).unwrap();
        sim.run_for(MINUTE);
    }
    let mut search = |text: &str, before, limit| match sim.command(a, Command::Search { text: text.into(), before, limit }) {
        Ok(Reply::Messages(found)) => Ok(found),
        Ok(_) => panic!("messages"),
        Err(error) => Err(error),
    };
    let texts = |found: &[symbolon_core::command::MessageView]| -> Vec<String> {
        found.iter().map(|view| format!("{}: {}", view.conversation_name, view.text)).collect()
    };
    let all = search("friday", None, None).unwrap();
    assert_eq!(texts(&all), ["Ben: Friday at noon?", "Ben: friday, yes", "Cleo: Is it Friday yet?", "Cleo: Fridays are best"]);
    assert_eq!(texts(&search("yet it friday", None, None).unwrap()), ["Cleo: Is it Friday yet?"]);
    assert_eq!(texts(&search("friday", None, Some(1)).unwrap()), ["Cleo: Fridays are best"]);
    assert_eq!(texts(&search("friday", Some(all[2].message), Some(1)).unwrap()), ["Ben: friday, yes"]);
    for nothing in ["", "?!", &"x".repeat(257)] {
        assert_eq!(search(nothing, None, None).err(), Some(symbolon_core::command::CommandError::BadSearch));
    }
    assert!(search("friday", Some(symbolon_presence::id::MessageId([9; 16])), None).is_err());
    assert!(all.iter().all(|view| view.mine || view.state == symbolon_core::command::MessageState::Delivered), "nothing was marked");
}

#[test]
fn doctor_tells_how_long_things_wait_and_who_was_not_heard_of() {
    let mut sim = Sim::new(9, Faults::NONE);
    let (a, b, c) = (sim.add("Andi"), sim.add("Ben"), sim.add("Cleo"));
    befriend(&mut sim, a, b);
    befriend(&mut sim, a, c);
    let doctor = |sim: &mut Sim| match sim.command(a, Command::Doctor) {
        Ok(Reply::Doctor(view)) => view,
        other => panic!("a view: {:?}", other.err()),
    };
    sim.run_for(MINUTE);
    let view = doctor(&mut sim);
    assert_eq!((view.waiting, view.oldest_wait), (0, None));
    assert_eq!((view.friends, view.connected, view.never_heard, view.long_silent), (2, 2, 0, 0));
    assert!(view.problems.is_empty());
    sim.set_apart(a, b, true);
    sim.say(a, b, "one").unwrap();
    sim.run_for(HOUR);
    sim.say(a, b, "two").unwrap();
    sim.run_for(HOUR);
    let view = doctor(&mut sim);
    assert_eq!((view.waiting, view.oldest_wait.unwrap() / HOUR), (2, 2));
    assert_eq!((view.connected, view.never_heard, view.long_silent), (1, 0, 0));
    sim.run_for(8 * DAY);
    let view = doctor(&mut sim);
    assert_eq!((view.connected, view.never_heard, view.long_silent), (1, 0, 1));
    assert_eq!(view.oldest_wait.unwrap() / DAY, 8);
    sim.crash(a, 10);
    sim.run_for(MINUTE);
    assert_eq!(doctor(&mut sim).long_silent, 1, "known over restarts");
    sim.set_apart(a, b, false);
    assert!(sim.run_until(HOUR, |sim| doctor(sim).connected == 2 && doctor(sim).waiting == 0));
    sim.set_apart(a, b, true);
    assert_eq!((doctor(&mut sim).long_silent, doctor(&mut sim).never_heard), (0, 0), "heard of just now");
}

#[test]
fn texts_enter_the_index_when_it_is_quiet_and_too_many_do_not_wait_for_that() {
    let mut sim = Sim::new(8, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    befriend(&mut sim, a, b);
    sim.say(a, b, "only one").unwrap();
    assert_eq!(sim.nodes[a].store.indexed(), 0, "not while messages come");
    sim.run_for(2 * SECOND);
    assert_eq!((sim.nodes[a].store.indexed(), sim.nodes[b].store.indexed()), (1, 1));
    sim.set_apart(a, b, true);
    // Written in a row, in no time.
    let flood = INDEX_BACKLOG + 300;
    for number in 0..flood {
        sim.say(a, b, &format!("number {number}")).unwrap();
        let waiting = 1 + number + 1 - sim.nodes[a].store.indexed() as u64;
        assert!(waiting <= INDEX_BACKLOG, "{waiting} wait");
    }
    assert!(sim.nodes[a].store.indexed() > 1);
    let Ok(Reply::Messages(found)) = sim.command(a, Command::Search { text: "number".into(), before: None, limit: Some(1) }) else {
        panic!("found");
    };
    assert_eq!(found[0].text, format!("number {}", flood - 1), "a search has the rest put in first");
    assert_eq!(sim.nodes[a].store.indexed() as u64, flood + 1);
}

/// One run: three friends, rough network, crashes; everything accepted arrives once, in order.
fn rough_run(seed: u64) -> (u64, u64, u64) {
    let mut sim = Sim::new(seed, Faults::NONE);
    let nodes = [sim.add("Andi"), sim.add("Ben"), sim.add("Cleo")];
    sim.faults = Faults { crash: 0, ..Faults::ROUGH };
    for (a, b) in [(0, 1), (1, 2), (2, 0)] {
        befriend(&mut sim, nodes[a], nodes[b]);
    }
    sim.faults = Faults::ROUGH;
    for round in 0..20 {
        let (from, to) = (sim.below(3) as usize, sim.below(2) as usize);
        let to = (from + 1 + to) % 3;
        for line in 0..1 + sim.below(6) {
            sim.say(nodes[from], nodes[to], &format!("{round} {line}"));
        }
        let pause = sim.below(20_000);
        sim.run_for(pause);
        if sim.below(4) == 0 {
            let (x, y) = (nodes[from], nodes[to]);
            sim.set_apart(x, y, true);
            sim.run_for(5_000);
            sim.set_apart(x, y, false);
        }
        sim.check(false);
    }
    sim.faults = Faults::NONE;
    sim.run_for(2 * HOUR);
    sim.check(true);
    (sim.trace(), sim.tally.frames, sim.tally.crashes)
}

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => {
            let count = std::env::var("SIM_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(50);
            0..count
        }
    }
}

#[test]
fn every_accepted_message_arrives_once_and_in_order_whatever_the_network_and_crashes_do() {
    let (mut frames, mut crashes) = (0, 0);
    for seed in seeds() {
        let run = std::panic::catch_unwind(|| rough_run(seed));
        let Ok((_, f, c)) = run else { panic!("seed {seed} failed; replay it with SIM_SEED={seed}") };
        frames += f;
        crashes += c;
    }
    println!("{frames} frames, {crashes} crashes");
    assert!(crashes > 0 || std::env::var("SIM_SEED").is_ok(), "the runs crash nodes");
}

#[test]
fn one_seed_gives_one_trace() {
    for seed in [3, 4] {
        assert_eq!(rough_run(seed), rough_run(seed));
    }
}
