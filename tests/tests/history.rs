//! Searching a node's history, and what its doctor says, in the simulation.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use symbolon_core::command::{Command, Reply, RequestStatus};
use symbolon_core::limits::INDEX_BACKLOG;
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{Shelf, ShelfMut};
use symbolon_presence::id::RequestId;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

#[path = "history/written.rs"]
mod written;
#[path = "history/young.rs"]
mod young;

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
fn a_long_history_is_read_backwards_in_pages_and_each_marks_what_it_shows() {
    let mut sim = Sim::new(10, Faults::NONE);
    let (a, b, c) = (sim.add("Andi"), sim.add("Ben"), sim.add("Cleo"));
    befriend(&mut sim, a, b);
    befriend(&mut sim, a, c);
    for number in 0..25 {
        sim.say(b, a, &format!("{number}")).unwrap();
        sim.say(c, a, "between").unwrap();
        sim.run_for(MINUTE);
    }
    let ben = || Some(symbolon_core::command::Who("Ben".into()));
    let page = |sim: &mut Sim, before, limit, peek| match sim.command(a, Command::ReadBefore { who: ben(), before, limit, peek }) {
        Ok(Reply::Messages(found)) => found,
        other => panic!("messages: {:?}", other.err()),
    };
    let texts = |found: &[symbolon_core::command::MessageView]| found.iter().map(|view| view.text.parse().unwrap()).collect::<Vec<u32>>();
    let Ok(Reply::Messages(last)) = sim.command(a, Command::Read { who: ben(), since: None, limit: Some(10), peek: true }) else {
        panic!()
    };
    assert_eq!(texts(&last), (15..25).collect::<Vec<_>>());
    assert_eq!(texts(&page(&mut sim, last[0].message, Some(10), true)), (5..15).collect::<Vec<_>>());
    let middle = page(&mut sim, last[0].message, Some(10), false);
    assert_eq!(texts(&page(&mut sim, middle[0].message, None, true)), (0..5).collect::<Vec<_>>());
    let first = page(&mut sim, middle[0].message, None, true)[0].message;
    assert!(page(&mut sim, first, None, true).is_empty());
    let Ok(Reply::Friends(friends)) = sim.command(a, Command::Friends) else { panic!() };
    let unread = |name: &str| friends.iter().find(|friend| friend.name == name).unwrap().unread;
    assert_eq!((unread("Ben"), unread("Cleo")), (15, 25), "only the page that was not peeked at");
    let unknown = symbolon_presence::id::MessageId([9; 16]);
    assert!(sim.command(a, Command::ReadBefore { who: ben(), before: unknown, limit: None, peek: true }).is_err());
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
    // After an update the whole index is made again, in several turns: a search waits for it, and the node goes on.
    forget_index(&mut sim, a);
    sim.stop(a, 10);
    while !sim.nodes[a].is_up() {
        sim.run_for(1);
    }
    let search = Command::Search { text: "number".into(), before: None, limit: Some(1) };
    assert!(sim.command(a, search).is_err() && (sim.nodes[a].store.indexed() as u64) < flood, "it is not answered yet");
    sim.run_for(10);
    let Some((_, Ok(Reply::Messages(found)))) = sim.late.pop() else { panic!("found") };
    assert_eq!((found[0].text.as_str(), sim.late.len()), (format!("number {}", flood - 1).as_str(), 0));
}

/// Its counters are those of a build that said nothing of how texts are put into words.
fn forget_index(sim: &mut Sim, ix: Ix) {
    let counters = sim.nodes[ix].store.get(Table::Meta, b"counters").unwrap().unwrap();
    assert_eq!((counters[1], &counters[counters.len() - 2..]), (0xa3, &[2, 1][..]), "three fields, the last one that of today");
    let older = [&[counters[0], 0xa2], &counters[2..counters.len() - 2]].concat();
    sim.nodes[ix].store.apply(&Change::Put(Table::Meta, b"counters".to_vec(), older)).unwrap();
}

#[test]
fn an_index_of_words_that_an_older_build_made_is_made_again() {
    let mut sim = Sim::new(12, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    befriend(&mut sim, a, b);
    for text in ["one", "two"] {
        sim.say(b, a, text).unwrap();
    }
    sim.run_for(MINUTE);
    assert_eq!(sim.nodes[a].store.indexed(), 2);
    // The first number of arrival that is not taken, the first that is not indexed, and in which way: two texts have come.
    let counters = |sim: &Sim| sim.nodes[a].store.get(Table::Meta, b"counters").unwrap().unwrap();
    assert_eq!(counters(&sim), [1, 163, 0, 24, 64, 1, 2, 2, 1]);
    // A word stands there in a form of then.
    forget_index(&mut sim, a);
    sim.nodes[a].store.apply(&Change::Index(9_999, "ghost".into())).unwrap();
    sim.stop(a, SECOND);
    sim.run_for(MINUTE);
    assert_eq!(sim.nodes[a].store.indexed(), 2, "without what stood there before");
    let Ok(Reply::Messages(found)) = sim.command(a, Command::Search { text: "two".into(), before: None, limit: None }) else {
        panic!("found")
    };
    assert_eq!(found.len(), 1);
    // A start begins behind the numbers that were taken.
    assert_eq!(counters(&sim), [1, 163, 0, 24, 64, 1, 24, 64, 2, 1]);
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
