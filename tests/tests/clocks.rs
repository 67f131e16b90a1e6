//! Clocks that are wrong for a while, at start and while running, and right again: everything goes
//! on as if nothing had been, and what was made meanwhile is good as well.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use symbolon_core::command::{Command, CommandError, Direction, MessageState, Reply, RequestStatus, Who};
use symbolon_core::table::Table;
use symbolon_core::world::Shelf;
use symbolon_presence::id::{DeviceId, MessageId};
use symbolon_presence::identity::{Identity, StoredIdentity};
use symbolon_presence::time::{DAY, HOUR, MINUTE, Timestamp};
use symbolon_tests::sim::rows::{DeviceRow, certificate, read};
use symbolon_tests::sim::run::{Ix, Sim};
use symbolon_tests::sim::{Faults, SimNode};

/// Whose clock is wrong.
const A: Ix = 0;
/// A friend who is there.
const BEN: Ix = 1;
/// A friend who is off meanwhile.
const ELI: Ix = 2;
/// Was asked by Andi, and has not answered yet.
const CLEO: Ix = 3;
/// Has asked Andi, who has not answered yet.
const DORA: Ix = 4;
/// Asks Andi while the clock is wrong.
const FAY: Ix = 5;

const YEARS: i64 = 6 * 365 * DAY as i64;
/// What a start without a battery shows: the first of January 1970.
const NEVER_SET: i64 = i64::MIN;

fn offset(sim: &Sim, wrong: i64) -> i64 {
    if wrong == NEVER_SET { -(sim.now.0 as i64) } else { wrong }
}

fn invite(sim: &mut Sim, ix: Ix) -> Result<String, CommandError> {
    match sim.command(ix, Command::Invite { lifetime: 7 * DAY, no_ip: false, auto_accept: false }) {
        Ok(Reply::Invite { link, .. }) => Ok(link),
        Ok(_) => panic!("an invite is answered"),
        Err(error) => Err(error),
    }
}

fn ask(sim: &mut Sim, ix: Ix, link: &str) -> Result<(), CommandError> {
    sim.command(ix, Command::Add { target: link.to_owned(), note: None }).map(|_| ())
}

fn requests(sim: &mut Sim, ix: Ix, other: Ix) -> Vec<(Direction, RequestStatus)> {
    let peer = sim.nodes[other].peer;
    let Ok(Reply::Requests(rows)) = sim.command(ix, Command::Requests) else { panic!() };
    rows.into_iter().filter(|row| row.peer == peer).map(|row| (row.direction, row.status)).collect()
}

#[track_caller]
fn accept(sim: &mut Sim, ix: Ix, other: Ix) {
    let peer = sim.nodes[other].peer;
    let Ok(Reply::Requests(rows)) = sim.command(ix, Command::Requests) else { panic!() };
    let waits = rows.iter().find(|row| row.peer == peer && row.status == RequestStatus::Pending);
    let Some(row) = waits else { panic!("no question waits") };
    assert!(sim.command(ix, Command::Accept(row.request)).is_ok());
}

fn are_friends(sim: &mut Sim, a: Ix, b: Ix) -> bool {
    [(a, b), (b, a)].into_iter().all(|(a, b)| {
        let peer = sim.nodes[b].peer;
        let Ok(Reply::Friends(friends)) = sim.command(a, Command::Friends) else { panic!() };
        friends.iter().any(|friend| friend.id == peer && friend.mutual)
    })
}

fn befriend(sim: &mut Sim, a: Ix, b: Ix) {
    let link = invite(sim, a).unwrap();
    ask(sim, b, &link).unwrap();
    sim.run_for(MINUTE);
    accept(sim, a, b);
    assert!(sim.run_until(MINUTE, |sim| are_friends(sim, a, b)));
}

fn state_of(sim: &mut Sim, ix: Ix, message: MessageId) -> MessageState {
    match sim.command(ix, Command::Message(message)) {
        Ok(Reply::Message(view)) => view.state,
        other => panic!("{:?}", other.err()),
    }
}

fn is_delivered(sim: &mut Sim, ix: Ix, message: MessageId) -> bool {
    let state = state_of(sim, ix, message);
    assert_ne!(state, MessageState::Failed);
    matches!(state, MessageState::Delivered | MessageState::Read)
}

fn clock_problem(sim: &mut Sim, ix: Ix) -> Option<String> {
    let Ok(Reply::Status(status)) = sim.command(ix, Command::Status) else { panic!() };
    status.problems.into_iter().find(|problem| problem.contains("clock"))
}

/// Andi's life before, with a relay of his and Ben's or without one.
fn scene(seed: u64, with_relay: bool) -> (Sim, String) {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.lookup.is_there = true;
    for name in ["Andi", "Ben", "Eli", "Cleo", "Dora", "Fay"] {
        sim.add(name);
    }
    if with_relay {
        let (_, link) = sim.add_relay();
        for node in [A, BEN, ELI] {
            assert!(sim.command(node, Command::RelayAdd { link: link.clone(), claim: None }).is_ok());
        }
        sim.run_for(MINUTE);
    }
    befriend(&mut sim, A, BEN);
    befriend(&mut sim, A, ELI);
    let to_cleo = invite(&mut sim, CLEO).unwrap();
    ask(&mut sim, A, &to_cleo).unwrap();
    let to_andi = invite(&mut sim, A).unwrap();
    ask(&mut sim, DORA, &to_andi).unwrap();
    let open = invite(&mut sim, A).unwrap();
    sim.run_for(MINUTE);
    assert_eq!(requests(&mut sim, CLEO, A), [(Direction::In, RequestStatus::Pending)]);
    assert_eq!(requests(&mut sim, A, DORA), [(Direction::In, RequestStatus::Pending)]);
    (sim, open)
}

/// The clock is wrong by so much for so long; then it is right, and everything must be.
fn wrong_for_a_while(seed: u64, wrong: i64, lasts: u64, at_start: bool, with_relay: bool) {
    let (mut sim, open) = scene(seed, with_relay);
    sim.crash(ELI, lasts + 2 * MINUTE);
    let waits = sim.say(A, ELI, "waits for you").unwrap();
    let who = Who(sim.nodes[ELI].peer.to_string());
    let lifetime = Some(lasts + 2 * HOUR);
    let Ok(Reply::Message(limited)) = sim.command(A, Command::Send { to: who, text: "not for ever".into(), lifetime }) else { panic!() };
    sim.run_for(MINUTE);

    let offset = offset(&sim, wrong);
    if at_start {
        sim.crash(A, MINUTE);
        sim.nodes[A].clock.offset = offset;
        sim.run_for(2 * MINUTE);
    } else {
        sim.set_clock(A, offset);
        sim.run_for(10_000);
    }
    let from_a = sim.say(A, BEN, "what time is it?").unwrap();
    let to_a = sim.say(BEN, A, "I do not know").unwrap();
    assert!(ask(&mut sim, FAY, &open).is_ok());
    sim.run_for(lasts);
    let problem = clock_problem(&mut sim, A).expect("Andi is warned");
    let words = match wrong {
        NEVER_SET => "never set",
        _ if wrong == YEARS => "6 years ahead",
        _ if wrong == -YEARS => "never set",
        _ if wrong.unsigned_abs() == DAY => "24 hours",
        _ => "60 minutes",
    };
    assert!(problem.contains(words), "{problem}");
    for (ix, message) in [(A, from_a), (BEN, to_a), (A, waits), (A, limited.message)] {
        assert_ne!(state_of(&mut sim, ix, message), MessageState::Failed, "nothing has failed while it was wrong");
    }

    sim.set_clock(A, 0);
    sim.run_for(10 * MINUTE);
    assert_eq!(clock_problem(&mut sim, A), None);
    assert_eq!(clock_problem(&mut sim, BEN), None);
    for (ix, message) in [(A, from_a), (BEN, to_a), (A, waits), (A, limited.message)] {
        assert!(sim.run_until(HOUR, |sim| is_delivered(sim, ix, message)), "what was written arrives");
    }
    accept(&mut sim, CLEO, A);
    accept(&mut sim, A, DORA);
    for other in [CLEO, DORA] {
        assert!(sim.run_until(HOUR, |sim| are_friends(sim, A, other)), "older requests lead to friendship: {other}");
    }
    let pending = [(Direction::In, RequestStatus::Pending)];
    assert!(sim.run_until(HOUR, |sim| requests(sim, A, FAY) == pending), "who asked meanwhile is heard: {:?}", requests(&mut sim, FAY, A));
    accept(&mut sim, A, FAY);
    assert!(sim.run_until(HOUR, |sim| are_friends(sim, A, FAY)));

    // Both move: only a record that can be read brings them together.
    sim.crash(BEN, HOUR);
    sim.move_house(A);
    sim.run_for(30 * MINUTE);
    let found = sim.say(A, BEN, "found you").unwrap();
    sim.run_for(40 * MINUTE);
    sim.move_house(BEN);
    assert!(sim.run_until(2 * HOUR, |sim| is_delivered(sim, A, found)), "records are read as before");
    // And somebody new, after all that.
    let link = invite(&mut sim, A).unwrap();
    ask(&mut sim, ELI, &link).err();
    sim.check(true);
}

#[test]
fn a106_six_years_ahead_for_a_minute_do_no_harm() {
    wrong_for_a_while(1, YEARS, MINUTE, false, false);
    wrong_for_a_while(2, YEARS, MINUTE, false, true);
}

#[test]
fn a106_six_years_ahead_at_a_start_do_no_harm() {
    wrong_for_a_while(3, YEARS, MINUTE, true, false);
    wrong_for_a_while(4, YEARS, MINUTE, true, true);
}

#[test]
fn a106_six_years_behind_for_a_minute_an_hour_and_a_day_do_no_harm() {
    wrong_for_a_while(5, -YEARS, MINUTE, false, false);
    wrong_for_a_while(6, -YEARS, HOUR, false, true);
    wrong_for_a_while(7, -YEARS, DAY, false, false);
}

#[test]
fn a106_six_years_behind_at_a_start_do_no_harm() {
    wrong_for_a_while(9, -YEARS, MINUTE, true, false);
    wrong_for_a_while(10, -YEARS, DAY, true, true);
}

#[test]
fn a106_an_hour_and_a_day_in_either_direction_do_no_harm() {
    for (seed, by) in [(11, HOUR), (12, DAY)] {
        wrong_for_a_while(seed, by as i64, HOUR, false, true);
        wrong_for_a_while(seed + 10, -(by as i64), HOUR, true, false);
    }
}

#[test]
fn a106_a_start_without_a_battery_does_no_harm() {
    wrong_for_a_while(13, NEVER_SET, MINUTE, true, false);
    wrong_for_a_while(14, NEVER_SET, HOUR, true, true);
}

/// A node that is made while the clock is wrong, and meets Ben when it is right.
fn made_by_a_wrong_clock(seed: u64, wrong: i64) {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.lookup.is_there = true;
    let mut node = SimNode::new(sim.seed(), Some("Andi".into()));
    node.clock.offset = offset(&sim, wrong);
    sim.add_node(node);
    sim.add("Ben");
    sim.run_for(HOUR);
    let early = invite(&mut sim, A);
    assert_eq!(early.is_ok(), wrong > 0, "an invite that nobody can use is refused");
    let to_ben = invite(&mut sim, BEN).unwrap();
    let asked = ask(&mut sim, A, &to_ben);
    sim.run_for(HOUR);
    sim.set_clock(A, 0);
    sim.run_for(HOUR);
    if asked.is_err() {
        ask(&mut sim, A, &to_ben).unwrap();
        sim.run_for(MINUTE);
    }
    assert_eq!(requests(&mut sim, BEN, A), [(Direction::In, RequestStatus::Pending)]);
    accept(&mut sim, BEN, A);
    assert!(sim.run_until(HOUR, |sim| are_friends(sim, A, BEN)));
    let link = early.unwrap_or_else(|_| invite(&mut sim, A).unwrap());
    sim.add("Cleo");
    ask(&mut sim, 2, &link).unwrap();
    sim.run_for(MINUTE);
    accept(&mut sim, A, 2);
    assert!(sim.run_until(HOUR, |sim| are_friends(sim, A, 2)));
    sim.crash(BEN, HOUR);
    sim.move_house(A);
    let found = sim.say(A, BEN, "found you").unwrap();
    sim.run_for(HOUR + MINUTE);
    sim.move_house(BEN);
    assert!(sim.run_until(2 * HOUR, |sim| is_delivered(sim, A, found)), "its records are read");
    sim.check(true);
}

#[test]
fn a106_a_node_that_was_made_in_1970_or_years_ahead_is_as_good_as_any_when_its_clock_is_right() {
    made_by_a_wrong_clock(30, NEVER_SET);
    made_by_a_wrong_clock(31, YEARS);
    made_by_a_wrong_clock(32, -YEARS);
}

/// The clocks of the first two nodes are ahead by so much for a while; then both are right.
fn ahead_together(sim: &mut Sim, by: i64, pause: u64) {
    for ix in [0, 1] {
        sim.set_clock(ix, by);
    }
    sim.say(0, 1, "late already?").unwrap();
    sim.run_for(pause);
    for ix in [0, 1] {
        sim.set_clock(ix, 0);
    }
}

#[test]
fn a106_two_clocks_that_were_years_ahead_together_are_right_again_together() {
    let mut sim = Sim::new(40, Faults::NONE);
    sim.add("Andi");
    sim.add("Ben");
    befriend(&mut sim, 0, 1);
    ahead_together(&mut sim, YEARS, HOUR);
    sim.say(1, 0, "not yet").unwrap();
    sim.run_for(MINUTE);
    sim.add("Cleo");
    befriend(&mut sim, 0, 2);
    befriend(&mut sim, 2, 1);
    sim.check(true);
}

#[test]
fn after_two_clocks_were_years_ahead_together_friends_who_move_still_find_each_other_by_records() {
    let mut sim = Sim::of_friends(43, &["Andi", "Ben"]);
    ahead_together(&mut sim, YEARS, HOUR);
    sim.say(1, 0, "not yet").unwrap();
    sim.run_for(HOUR);
    sim.set_apart(0, 1, true);
    sim.move_house(0);
    sim.move_house(1);
    sim.run_for(HOUR);
    sim.set_apart(0, 1, false);
    sim.say(0, 1, "where are you?").unwrap();
    assert!(sim.run_until(10 * MINUTE, |sim| sim.texts(1).last().is_some_and(|text| text == "where are you?")));
    sim.run_for(MINUTE);
    sim.check(true);
}

#[test]
fn a_request_that_is_made_after_two_clocks_were_ahead_by_an_hour_is_taken() {
    let mut sim = Sim::of_friends(44, &["Andi", "Ben"]);
    ahead_together(&mut sim, HOUR as i64, 2 * MINUTE);
    // Ben is not there to say that Andi's clock is right now.
    sim.stop(1, DAY);
    sim.add("Cleo");
    befriend(&mut sim, 2, 0);
    sim.check(true);
}

#[test]
fn a_lying_friend_and_a_clock_that_is_right_end_nothing_early() {
    let mut sim = Sim::new(41, Faults::NONE);
    for name in ["Andi", "Ben", "Cleo"] {
        sim.add(name);
    }
    befriend(&mut sim, 0, 1);
    // By all that Ben signs it is six years later.
    sim.set_clock(1, YEARS);
    let link = invite(&mut sim, 0).unwrap();
    sim.say(0, 1, "what day is it?").unwrap();
    // They look for each other about once an hour.
    assert!(sim.run_until(3 * HOUR, |sim| clock_problem(sim, 0).is_some_and(|problem| problem.contains("6 years"))));
    sim.run_for(2 * DAY);
    ask(&mut sim, 2, &link).unwrap();
    sim.run_for(MINUTE);
    accept(&mut sim, 0, 2);
    assert!(sim.run_until(HOUR, |sim| are_friends(sim, 0, 2)));
}

#[test]
fn with_nobody_to_ask_an_invite_ends_when_its_time_was_lived_through() {
    let mut sim = Sim::new(42, Faults::NONE);
    sim.add("Andi");
    invite(&mut sim, 0).unwrap();
    let invites = |sim: &Sim| sim.nodes[0].store.count(symbolon_core::table::Table::Invite);
    sim.run_for(7 * DAY);
    sim.set_clock(0, YEARS);
    sim.run_for(HOUR);
    assert_eq!(invites(&sim), 1, "a clock alone ends nothing");
    sim.set_clock(0, 0);
    sim.run_for(2 * DAY + 2 * HOUR);
    assert_eq!(invites(&sim), 0);
}

/// The serial and the end of a node's own certificate, as its friend has it.
fn certificate_of(sim: &mut Sim, ix: Ix, of: Ix) -> (u64, Timestamp) {
    let (peer, store) = (sim.nodes[of].peer, &sim.nodes[ix].store);
    let (device, _) = store.rows(Table::Device).find(|(_, row)| read::<DeviceRow>(row).peer == peer).unwrap();
    certificate(store, &DeviceId::from_slice(device).unwrap()).unwrap()
}

#[test]
fn certificates_renew_themselves_and_friends_who_slept_past_the_end_of_both_talk_on() {
    let mut sim = Sim::of_friends(31, &["Andi", "Ben"]);
    let mut before = [certificate_of(&mut sim, 1, 0), certificate_of(&mut sim, 0, 1)];
    // Longer than a certificate is good; and for as long as no old one could be read any more.
    for days in [200, 400, 400, 600] {
        sim.crash(0, days * DAY);
        sim.crash(1, days * DAY + HOUR);
        assert!(sim.run_until((days + 1) * DAY, |sim| sim.nodes.iter().all(|node| node.is_up())));
        for (from, to) in [(0, 1), (1, 0)] {
            let text = format!("after {days} days, {from}");
            sim.say(from, to, &text).unwrap();
            assert!(sim.run_until(HOUR, |sim| sim.texts(to).contains(&text)), "{text}");
        }
        sim.run_for(3 * HOUR);
        let after = [certificate_of(&mut sim, 1, 0), certificate_of(&mut sim, 0, 1)];
        for (before, after) in before.iter().zip(&after) {
            assert!(after.0 > before.0 && after.1 > before.1, "after {days} days: {before:?} {after:?}");
            assert!(sim.now < after.1);
        }
        before = after;
    }
}

/// The serial of a node's own certificate.
fn own_serial(sim: &Sim, ix: Ix) -> u64 {
    let row = sim.nodes[ix].store.get(Table::Meta, b"identity").unwrap().unwrap();
    let identity = Identity::from_stored(&symbolon_presence::codec::decode::<StoredIdentity>(&row, 4_096).unwrap());
    identity.chain.body().unwrap().serial
}

#[test]
fn a_request_that_waits_while_its_makers_certificate_is_renewed_is_the_same_request() {
    for moves in [false, true] {
        let mut sim = Sim::new(33, Faults::NONE);
        let (a, d) = (sim.add("Andi"), sim.add("Dora"));
        let sleep = |sim: &mut Sim, days: u64| {
            for ix in [a, d] {
                sim.crash(ix, days * DAY);
            }
            assert!(sim.run_until((days + 1) * DAY, |sim| [a, d].iter().all(|ix| sim.nodes[*ix].is_up())));
            sim.run_for(2 * HOUR);
        };
        sleep(&mut sim, 170);
        let lasting = Command::Invite { lifetime: 60 * DAY, no_ip: false, auto_accept: false };
        let Ok(Reply::Invite { link, .. }) = sim.command(d, lasting) else { panic!("an invite is made") };
        sim.ask(a, &link).unwrap();
        sim.run_for(MINUTE);
        let request = sim.pending(d).unwrap();
        let serial = own_serial(&sim, a);
        sleep(&mut sim, 15);
        assert!(own_serial(&sim, a) > serial, "it was renewed meanwhile");
        if moves {
            // Another revision, under the new certificate.
            sim.move_house(a);
            sim.run_for(HOUR);
        }
        assert_eq!(sim.pending(d), Some(request));
        assert_eq!(sim.requests(d).len(), 1);
        sim.accept(d, request).unwrap();
        assert!(sim.run_until(HOUR, |sim| sim.are_friends(a, d)), "moves: {moves}");
        sim.say(a, d, "at last").unwrap();
        sim.say(d, a, "indeed").unwrap();
        let have_both = |sim: &mut Sim, ix| ["at last", "indeed"].iter().all(|text| sim.texts(ix).iter().any(|found| found == text));
        assert!(sim.run_until(HOUR, |sim| have_both(sim, a) && have_both(sim, d)), "moves: {moves}");
    }
}
