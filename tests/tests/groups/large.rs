//! Large rooms with whole nodes: commits that are longer than an envelope, a hundred members, and what a text costs there.

use super::*;
use symbolon_core::forged_commits::{Forger, Forgery};
use symbolon_core::order::Act;
use symbolon_core::wire::{Capabilities, CommitInfo, PIECE_LEN, RelayMailbox, Seat, Ways};
use symbolon_core::world::{Lifetime, PackageKind, Proposals};
use symbolon_presence::address::Address;
use symbolon_presence::id::{MailboxId, PublicKeyBytes};
use symbolon_presence::time::Timestamp;
use symbolon_relay::grant::Scope;
use symbolon_relay::put::MailboxEntry;
use symbolon_tests::craft::Actor;

/// Somebody without a node: the KeyPackage by which they come in, and a seat that is as long as one may be.
fn nobody(number: u64, now: Timestamp) -> (Act, Vec<u8>, Seat) {
    let mut actor = Actor::new(number, now);
    let me = actor.identity.clone();
    let (leaf, credential, mut owner) = actor.leaf(&me);
    owner.chain = Some(me.chain.clone());
    let lifetime = Lifetime { not_before: now, not_after: now.after(60 * DAY) };
    let package = actor.cipher.key_package(leaf, &credential, lifetime, &PackageKind::default()).unwrap();
    let (entry, key) = actor.entry(Scope::Guest);
    let long = MailboxEntry { places: vec![Address(vec![7; Address::MAX_LEN]); 8], ..entry.clone() };
    let own = RelayMailbox { entry: MailboxEntry { places: Vec::new(), ..entry }, key: key.clone() };
    let relay = |n: u8| RelayMailbox { entry: MailboxEntry { mailbox: MailboxId([n; 32]), ..long.clone() }, key: key.clone() };
    let ways = Ways {
        name: String::new(),
        own,
        relay_mailboxes: (1..=3).map(relay).collect(),
        seed: actor.seed.clone(),
        capabilities: Capabilities::OURS,
    };
    let act = Act::Add { leaf: PublicKeyBytes(leaf.0), user: me.peer(), device: me.device };
    (act, package, Seat { owner, ways })
}

#[test]
fn a_commit_that_is_longer_than_an_envelope_is_given_by_others_when_its_maker_is_gone() {
    let mut sim = crew(60, &["Ana", "Ben", "Cem", "Dea"]);
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
    sim.run_for(MINUTE);
    let came: Vec<(Act, Vec<u8>, Seat)> = (0..66).map(|number| nobody(7_000 + number, sim.now)).collect();
    let (now, id) = (sim.now, rooms(&mut sim, BEN)[0].room);
    let to = [ANA, CEM].map(|ix| sim.nodes[ix].peer);
    let make = |forger: &mut Forger<'_>| {
        let state = forger.after(came.iter().map(|(act, ..)| act.clone()).collect()).map(|roster| roster.hash());
        let said = forger.seal(&CommitInfo { seats: came.iter().map(|(.., seat)| seat.clone()).collect(), changes: Vec::new() });
        assert!(said.len() > PIECE_LEN, "the commit fits an envelope");
        Forgery { proposals: Proposals { add: came.iter().map(|(_, add, _)| add.clone()).collect(), state, ..Proposals::default() }, said }
    };
    sim.nodes[BEN].with_core(|core, world| core.forge_commit(now, id, &to, make, world)).unwrap();
    rooms(&mut sim, BEN);
    sim.run_for(2 * SECOND);
    assert_eq!(rooms(&mut sim, CEM)[0].members, 70);
    assert_eq!(rooms(&mut sim, DEA)[0].members, 4);
    // Its maker is gone for good; Dea hears somebody who has it.
    sim.stop(BEN, 100 * DAY);
    say(&mut sim, CEM, "The crew", "so many of us");
    let is_in = (0..40).any(|_| {
        sim.run_for(SECOND);
        rooms(&mut sim, DEA)[0].members == 70
    });
    assert!(is_in);
    sim.run_for(5 * SECOND);
    assert_eq!(texts(&mut sim, DEA, "The crew"), ["so many of us"]);
    assert_agree(&mut sim, &[ANA, CEM, DEA], "The crew");
}

/// What a large room has cost.
#[derive(Debug)]
struct Cost {
    /// Bytes of rows that one text has written: at its writer, at the member who wrote most for it, and at the one who carries
    /// for those without a relay.
    of_writer: usize,
    of_reader: usize,
    of_courier: usize,
}

impl Cost {
    /// A row for each member at who writes; at who reads, as in a small room; two for each of those who have no relay at who
    /// carries for them.
    fn assert_flat(&self, people: usize) {
        let is_flat = self.of_writer < people * 4_096 && self.of_reader < 16 * 1_024 && self.of_courier < people * 1_024 + 16 * 1_024;
        assert!(is_flat, "{people} people: {self:?}");
    }
}

/// CPU seconds of this process so far.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100
}

/// So many people in one room, all friends of Ana and strangers to each other, with one relay, where one in eight has no mailbox:
/// everybody is heard, somebody comes, somebody is removed, and somebody who was away for so many days, each so long, has all of it.
fn live_in_a_large_room(people: usize, (days, day): (u64, u64), seed: u64) -> Cost {
    let begin = std::time::Instant::now();
    let phase = |what: &str| println!("{people} people, {what}: {} s, CPU {} s", begin.elapsed().as_secs(), cpu());
    let names: Vec<String> = (0..people).map(|number| if number == 0 { "Ana".to_owned() } else { format!("P{number:03}") }).collect();
    let mut sim = Sim::new(seed, Faults::NONE);
    let (_, link) = sim.add_relay();
    for called in &names {
        let ix = sim.add(called);
        if ix % 8 != 3 {
            assert!(sim.command(ix, Command::RelayAdd { link: link.clone(), claim: None }).is_ok());
        }
    }
    sim.run_for(MINUTE);
    for ix in 1..people {
        sim.befriend(ANA, ix);
    }
    phase("friends");
    create(&mut sim, ANA, "The town");
    // All but one come in now.
    let (last, first): (Ix, Vec<&str>) = (people - 1, names[1..people - 1].iter().map(String::as_str).collect());
    for some in first.chunks(25) {
        add(&mut sim, ANA, "The town", some);
        sim.run_for(10 * MINUTE);
    }
    phase("in the room");
    let mut there: Vec<Ix> = (0..last).collect();
    assert_agree(&mut sim, &there, "The town");
    let heard_by_all = |sim: &mut Sim, there: &[Ix], by: Ix, text: &str| {
        let sent = say(sim, by, "The town", text);
        let all = there.len() as u64 - 1;
        let is_there = |sim: &mut Sim| {
            sim.message(by, sent.message).tally.is_some_and(|tally| (u64::from(tally.delivered), u64::from(tally.members)) == (all, all))
        };
        assert!(sim.run_until(HOUR, is_there), "{text} is not with all");
    };
    heard_by_all(&mut sim, &there, 3, "good morning");
    // What a text costs while nothing else is said.
    sim.run_for(HOUR);
    for node in &sim.nodes {
        node.store.take_written();
    }
    heard_by_all(&mut sim, &there, 5, &"x".repeat(200));
    let written: Vec<usize> = there.iter().map(|ix| sim.nodes[*ix].store.take_written()).collect();
    let of_reader = there.iter().filter(|ix| ![ANA, 5].contains(ix)).map(|ix| written[*ix]).max().unwrap();
    let cost = Cost { of_writer: written[5], of_reader, of_courier: written[ANA] };
    println!("{people} people: {cost:?}");

    add(&mut sim, ANA, "The town", &[&names[last]]);
    sim.run_for(10 * MINUTE);
    there.push(last);
    assert_agree(&mut sim, &there, "The town");
    heard_by_all(&mut sim, &there, last, "I am new");
    phase("talked and one more");
    // Somebody is away, and somebody else is removed meanwhile.
    let (away, gone) = (7, 6);
    sim.crash(away, days * day);
    room(sim.command(ANA, Command::RoomRemove { room: name("The town"), who: vec![name(&names[gone])] }));
    sim.run_for(day);
    there.retain(|ix| *ix != gone);
    assert_eq!(standing(&mut sim, gone), RoomStanding::Removed);
    phase("one is removed");
    for number in 1..days {
        say(&mut sim, there[number as usize % 5], "The town", &format!("day {number}"));
        sim.run_for(day);
    }
    sim.run_for(day);
    phase("days");
    assert_agree(&mut sim, &there, "The town");
    let all = texts(&mut sim, ANA, "The town");
    assert_eq!(all.len() as u64, days + 2);
    for ix in there.iter().filter(|ix| **ix != last) {
        assert_eq!(texts(&mut sim, *ix, "The town"), all, "of {ix}");
    }
    phase("all the same");
    assert_eq!(texts(&mut sim, gone, "The town").len(), 3, "who was removed reads nothing of it");
    heard_by_all(&mut sim, &there, away, "here again");
    cost
}

#[test]
fn thirty_people_live_in_a_room_and_who_was_away_has_all_of_it() {
    let cost = live_in_a_large_room(30, (2, HOUR), 61);
    cost.assert_flat(30);
}

/// Their own update is due long since when they are back; the others are in an epoch that is final for all of them.
#[test]
fn who_was_away_for_thirty_days_among_nine_comes_to_the_epoch_of_all_and_has_each_text_once() {
    live_in_a_large_room(9, (30, DAY), 63);
}

#[test]
#[ignore = "minutes; `just large`"]
fn a_hundred_people_and_more_live_in_a_room() {
    let set = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let people = set("LARGE_ROOM").unwrap_or(100);
    let cost = live_in_a_large_room(people, (set("LARGE_DAYS").unwrap_or(30) as u64, DAY), 62);
    cost.assert_flat(people);
}
