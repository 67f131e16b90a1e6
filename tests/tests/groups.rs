//! Shared rooms: made, entered, talked in, and healed after they were cut.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use symbolon_core::command::{Command, CommandError, MemberView, MessageState, MessageView, Reply, RoomRole, RoomStanding, RoomView, Who};
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

#[path = "groups/attacks.rs"]
mod attacks;
#[path = "groups/befriending.rs"]
mod befriending;
#[path = "groups/carrying.rs"]
mod carrying;
#[path = "groups/crossing.rs"]
mod crossing;
#[path = "groups/forged.rs"]
mod forged;
#[path = "groups/grants.rs"]
mod grants;
#[path = "groups/large.rs"]
mod large;
#[path = "groups/over_mls.rs"]
mod over_mls;
#[path = "groups/questions.rs"]
mod questions;
#[path = "groups/stories.rs"]
mod stories;

const ANA: Ix = 0;
const BEN: Ix = 1;
const CEM: Ix = 2;
const DEA: Ix = 3;

/// Ana, a friend of all the others, who are no friends of each other; each has a relay.
fn scene(seed: u64, faults: Faults, names: &[&str]) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    for name in names {
        sim.add(name);
    }
    for ix in 0..names.len() {
        let (_, link) = sim.add_relay();
        assert!(sim.command(ix, Command::RelayAdd { link, claim: None }).is_ok());
    }
    sim.run_for(MINUTE);
    for ix in 1..names.len() {
        sim.befriend(ANA, ix);
    }
    sim.run_for(HOUR);
    sim.faults = faults;
    sim
}

fn name(text: &str) -> Who {
    Who(text.to_owned())
}

fn room(reply: Result<Reply, CommandError>) -> RoomView {
    match reply {
        Ok(Reply::Room(view)) => view,
        Ok(_) => panic!("another answer"),
        Err(error) => panic!("{error:?}"),
    }
}

fn create(sim: &mut Sim, ix: Ix, called: &str) -> RoomView {
    room(sim.command(ix, Command::RoomCreate(called.to_owned())))
}

fn add(sim: &mut Sim, ix: Ix, to: &str, who: &[&str]) -> RoomView {
    let who = who.iter().map(|who| name(who)).collect();
    room(sim.command(ix, Command::RoomAdd { room: name(to), who }))
}

fn rooms(sim: &mut Sim, ix: Ix) -> Vec<RoomView> {
    match sim.command(ix, Command::Rooms) {
        Ok(Reply::Rooms(views)) => views,
        _ => panic!("no rooms are listed"),
    }
}

fn members(sim: &mut Sim, ix: Ix, of: &str) -> Vec<MemberView> {
    match sim.command(ix, Command::RoomMembers(name(of))) {
        Ok(Reply::Members(views)) => views,
        Ok(_) => panic!("another answer"),
        Err(error) => panic!("{error:?}"),
    }
}

fn say(sim: &mut Sim, ix: Ix, to: &str, text: &str) -> MessageView {
    match sim.command(ix, Command::Send { to: name(to), lifetime: None, text: text.to_owned() }) {
        Ok(Reply::Message(view)) => view,
        Ok(_) => panic!("another answer"),
        Err(error) => panic!("{error:?}"),
    }
}

fn history(sim: &mut Sim, ix: Ix, of: &str) -> Vec<MessageView> {
    match sim.command(ix, Command::Read { who: Some(name(of)), since: None, limit: None, peek: true }) {
        Ok(Reply::Messages(views)) => views,
        _ => Vec::new(),
    }
}

/// What people have written there, sorted: members may see it in different orders.
fn texts(sim: &mut Sim, ix: Ix, of: &str) -> Vec<String> {
    let mut texts: Vec<String> = history(sim, ix, of).into_iter().filter(|view| !view.is_line).map(|view| view.text).collect();
    texts.sort();
    texts
}

fn lines(sim: &mut Sim, ix: Ix, of: &str) -> Vec<String> {
    history(sim, ix, of).into_iter().filter(|view| view.is_line).map(|view| view.text).collect()
}

/// All are in one epoch, and agree who is in the room.
fn assert_agree(sim: &mut Sim, who: &[Ix], of: &str) {
    let views: Vec<(u64, usize)> = who
        .iter()
        .map(|ix| rooms(sim, *ix).into_iter().find(|view| view.name == of).unwrap())
        .map(|view| (view.epoch, view.members))
        .collect();
    assert!(views.windows(2).all(|pair| pair[0] == pair[1]), "{views:?}");
    let lists: Vec<Vec<_>> = who
        .iter()
        .map(|ix| {
            let mut ids: Vec<_> = members(sim, *ix, of).into_iter().map(|view| (view.id, view.role)).collect();
            ids.sort();
            ids
        })
        .collect();
    assert!(lists.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn three_people_talk_in_a_room_of_whom_two_are_no_friends() {
    let mut sim = scene(1, Faults::NONE, &["Ana", "Ben", "Cem"]);
    let view = create(&mut sim, ANA, "The crew");
    assert_eq!((view.members, view.epoch, view.role), (1, 0, Some(RoomRole::Owner)));
    let view = add(&mut sim, ANA, "The crew", &["Ben", "Cem"]);
    assert_eq!(view.invited.len(), 2);
    sim.run_for(MINUTE);
    for ix in [ANA, BEN, CEM] {
        let views = rooms(&mut sim, ix);
        assert_eq!(views.len(), 1, "of {ix}");
        assert_eq!((views[0].name.as_str(), views[0].members, views[0].invited.len()), ("The crew", 3, 0), "of {ix}");
    }
    assert_agree(&mut sim, &[ANA, BEN, CEM], "The crew");
    let sent = say(&mut sim, BEN, "The crew", "good morning");
    say(&mut sim, CEM, "The crew", "hello all");
    say(&mut sim, ANA, "The crew", "you do not know each other yet");
    sim.run_for(10 * MINUTE);
    for ix in [ANA, BEN, CEM] {
        assert_eq!(texts(&mut sim, ix, "The crew"), ["good morning", "hello all", "you do not know each other yet"], "of {ix}");
    }
    let view = sim.message(BEN, sent.message);
    assert_eq!(view.tally.map(|tally| (tally.delivered, tally.members)), Some((2, 2)));
    assert_eq!(view.state, MessageState::Delivered);
    let called: Vec<String> = members(&mut sim, BEN, "The crew").into_iter().map(|view| view.name).collect();
    assert_eq!(called, ["Ben", "Ana", "Cem"], "Ben hears from Cem what they call themselves");
    let mut lines = lines(&mut sim, ANA, "The crew");
    lines.sort();
    assert_eq!(lines, ["You added Ben", "You added Cem", "You made the room"]);
}

#[test]
fn members_who_are_no_friends_go_on_hearing_each_other_by_relays_however_much_they_say() {
    let mut sim = scene(6, Faults::NONE, &["Ana", "Ben", "Cem"]);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben", "Cem"]);
    sim.run_for(MINUTE);
    // Of a guest whose envelopes are counted a relay takes 64 in all.
    for number in 0..150 {
        say(&mut sim, BEN, "The crew", &format!("number {number:03}"));
        sim.run_for(10 * SECOND);
    }
    sim.run_for(HOUR);
    assert_eq!(texts(&mut sim, CEM, "The crew").len(), 150);
    // And more than so many may wait for who is away.
    sim.crash(CEM, DAY);
    for number in 150..500 {
        say(&mut sim, BEN, "The crew", &format!("number {number:03}"));
    }
    sim.run_for(2 * DAY);
    assert_eq!(texts(&mut sim, CEM, "The crew").len(), 500);
    let waiting = history(&mut sim, BEN, "The crew").into_iter().filter(|view| view.mine && view.state != MessageState::Delivered).count();
    assert_eq!(waiting, 0);
}

#[test]
fn members_of_two_rooms_who_are_no_friends_go_on_hearing_each_other_in_both_when_one_says_their_ways_again() {
    let mut sim = scene(7, Faults::NONE, &["Ana", "Ben", "Cem"]);
    for called in ["The crew", "The band"] {
        create(&mut sim, ANA, called);
        add(&mut sim, ANA, called, &["Ben", "Cem"]);
        sim.run_for(MINUTE);
    }
    let mut said: Vec<String> = Vec::new();
    for new in ["Cem", "Cemal", "Cemalettin"] {
        assert!(sim.command(CEM, Command::SetName(new.to_owned())).is_ok());
        sim.run_for(10 * MINUTE);
        for number in 0..3 {
            said.push(format!("{new} {number}"));
            for called in ["The crew", "The band"] {
                say(&mut sim, BEN, called, &format!("{new} {number}"));
            }
            sim.run_for(MINUTE);
        }
    }
    for called in ["The crew", "The band"] {
        assert_eq!(texts(&mut sim, CEM, called), said, "in {called}");
    }
    let Ok(Reply::Status(status)) = sim.command(CEM, Command::Status) else { panic!() };
    assert!(!status.dropped_frames.iter().any(|(kind, _)| *kind == "reused"), "{:?}", status.dropped_frames);
}

/// Who leaves on a branch that gives way is out all the same: their word is said again there.
#[test]
fn who_leaves_while_the_room_is_cut_is_out_once_it_is_whole() {
    for seed in 50..54 {
        let mut sim = crew(seed, &["Ana", "Ben", "Cem", "Dea"]);
        cut(&mut sim, &[ANA, BEN], &[CEM, DEA], true);
        // Both halves continue by themselves, so that one of them gives way.
        room(sim.command(ANA, Command::RoomRename { room: name("The crew"), name: "The first half".into() }));
        room(sim.command(ANA, Command::RoomRole { room: name("The first half"), who: name("Ben"), role: RoomRole::Admin }));
        sim.run_for(MINUTE);
        sim.crash(CEM, HOUR);
        room(sim.command(DEA, Command::RoomLeave(name("The crew"))));
        sim.run_for(10 * MINUTE);
        assert_eq!(standing(&mut sim, DEA), RoomStanding::Leaving);
        cut(&mut sim, &[ANA, BEN], &[CEM, DEA], false);
        sim.run_for(DAY);
        assert_eq!(standing(&mut sim, DEA), RoomStanding::Left, "seed {seed}");
        assert_eq!(rooms(&mut sim, ANA)[0].members, 3, "seed {seed}");
    }
}

/// Everybody is a friend of everybody; there is no relay.
fn crew(seed: u64, names: &[&str]) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    for name in names {
        sim.add(name);
    }
    for a in 0..names.len() {
        for b in a + 1..names.len() {
            sim.befriend(a, b);
        }
    }
    sim.run_for(HOUR);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &names[1..]);
    sim.run_for(MINUTE);
    let all: Vec<Ix> = (0..names.len()).collect();
    assert_agree(&mut sim, &all, "The crew");
    sim
}

/// Cuts the network in two, or joins it again.
fn cut(sim: &mut Sim, left: &[Ix], right: &[Ix], is_cut: bool) {
    for a in left {
        for b in right {
            sim.set_apart(*a, *b, is_cut);
        }
    }
}

fn standing(sim: &mut Sim, ix: Ix) -> RoomStanding {
    rooms(sim, ix)[0].standing
}

#[test]
fn who_is_removed_or_leaves_reads_nothing_new_and_keeps_the_history() {
    let mut sim = crew(2, &["Ana", "Ben", "Cem", "Dea"]);
    say(&mut sim, ANA, "The crew", "for all four");
    sim.run_for(MINUTE);
    room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Ben")] }));
    sim.run_for(MINUTE);
    assert_eq!(standing(&mut sim, BEN), RoomStanding::Removed);
    say(&mut sim, CEM, "The crew", "without Ben");
    // What is on its way when somebody's removal comes is not opened by them any more.
    sim.run_for(SECOND);
    room(sim.command(DEA, Command::RoomLeave(name("The crew"))));
    assert_eq!(standing(&mut sim, DEA), RoomStanding::Leaving);
    sim.run_for(10 * MINUTE);
    assert_eq!(standing(&mut sim, DEA), RoomStanding::Left);
    say(&mut sim, CEM, "The crew", "for two");
    sim.run_for(MINUTE);
    assert_eq!(texts(&mut sim, ANA, "The crew"), ["for all four", "for two", "without Ben"]);
    assert_eq!(texts(&mut sim, BEN, "The crew"), ["for all four"]);
    assert_eq!(texts(&mut sim, DEA, "The crew"), ["for all four", "without Ben"]);
    assert!(matches!(
        sim.command(BEN, Command::Send { to: name("The crew"), lifetime: None, text: "me too".into() }),
        Err(CommandError::NotInRoom)
    ));
    assert_eq!(lines(&mut sim, BEN, "The crew").last().unwrap(), "Ana removed you");
    assert_eq!(lines(&mut sim, CEM, "The crew").last().unwrap(), "Dea left the room");
    assert_agree(&mut sim, &[ANA, CEM], "The crew");
    // Somebody who was removed can be brought in again, and reads what is new from then on.
    add(&mut sim, ANA, "The crew", &["Ben"]);
    sim.run_for(MINUTE);
    say(&mut sim, BEN, "The crew", "here again");
    sim.run_for(MINUTE);
    assert_eq!(texts(&mut sim, CEM, "The crew"), ["for all four", "for two", "here again", "without Ben"]);
    assert_eq!(texts(&mut sim, BEN, "The crew"), ["for all four", "here again"]);
    assert_agree(&mut sim, &[ANA, BEN, CEM], "The crew");
}

#[test]
fn names_topics_and_roles_are_the_same_for_all_and_only_who_may_sets_them() {
    let mut sim = crew(3, &["Ana", "Ben", "Cem"]);
    assert!(matches!(sim.command(BEN, Command::RoomRename { room: name("The crew"), name: "Mine".into() }), Err(CommandError::NoRight)));
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
    sim.run_for(MINUTE);
    room(sim.command(BEN, Command::RoomRename { room: name("The crew"), name: "The ship".into() }));
    room(sim.command(BEN, Command::RoomTopic { room: name("The ship"), topic: "where we sail".into() }));
    sim.run_for(MINUTE);
    for ix in [ANA, BEN, CEM] {
        let view = rooms(&mut sim, ix).remove(0);
        assert_eq!((view.name.as_str(), view.topic.as_str()), ("The ship", "where we sail"));
    }
    assert_eq!(members(&mut sim, CEM, "The ship").iter().find(|view| view.name == "Ben").unwrap().role, RoomRole::Admin);
    assert!(matches!(sim.command(BEN, Command::RoomRemove { room: name("The ship"), who: vec![name("Ana")] }), Err(CommandError::NoRight)));
    // The last owner leaves: who is in the room for longest becomes owner.
    room(sim.command(ANA, Command::RoomLeave(name("The ship"))));
    sim.run_for(10 * MINUTE);
    let owners = |views: Vec<MemberView>| views.into_iter().filter(|view| view.role == RoomRole::Owner).count();
    assert_eq!(owners(members(&mut sim, BEN, "The ship")), 1);
    assert_agree(&mut sim, &[BEN, CEM], "The ship");
}

#[test]
fn a_friend_who_is_away_comes_in_when_they_are_there_and_is_shown_as_invited_until_then() {
    let mut sim = crew(4, &["Ana", "Ben"]);
    let dea = sim.add("Dea");
    sim.befriend(ANA, dea);
    sim.run_for(HOUR);
    sim.crash(dea, 3 * DAY);
    let view = add(&mut sim, ANA, "The crew", &["Dea"]);
    assert_eq!(view.invited, ["Dea"]);
    sim.run_for(DAY);
    say(&mut sim, BEN, "The crew", "before Dea");
    assert_eq!(rooms(&mut sim, ANA)[0].invited, ["Dea"]);
    sim.run_for(3 * DAY);
    assert!(rooms(&mut sim, ANA)[0].invited.is_empty());
    say(&mut sim, ANA, "The crew", "welcome");
    sim.run_for(MINUTE);
    assert_eq!(texts(&mut sim, dea, "The crew"), ["welcome"], "what was written before was not written to them");
}

#[test]
fn halves_that_were_apart_are_one_room_again_and_each_text_is_there_once() {
    let mut sim = crew(5, &["Ana", "Ben", "Cem", "Dea"]);
    cut(&mut sim, &[ANA, BEN], &[CEM, DEA], true);
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Cem"), role: RoomRole::Admin }));
    sim.run_for(MINUTE);
    say(&mut sim, ANA, "The crew", "left one");
    say(&mut sim, CEM, "The crew", "right one");
    sim.run_for(MINUTE);
    room(sim.command(ANA, Command::RoomTopic { room: name("The crew"), topic: "the left half".into() }));
    sim.hurry_commits(CEM);
    sim.hurry_commits(DEA);
    sim.run_for(MINUTE);
    say(&mut sim, BEN, "The crew", "left two");
    say(&mut sim, DEA, "The crew", "right two");
    sim.run_for(HOUR);
    assert_ne!(rooms(&mut sim, CEM)[0].topic, "the left half");
    cut(&mut sim, &[ANA, BEN], &[CEM, DEA], false);
    sim.run_for(HOUR);
    let all = [ANA, BEN, CEM, DEA];
    assert_agree(&mut sim, &all, "The crew");
    for ix in all {
        assert_eq!(texts(&mut sim, ix, "The crew"), ["left one", "left two", "right one", "right two"], "of {ix}");
        assert_eq!(rooms(&mut sim, ix)[0].topic, "the left half", "of {ix}");
    }
    for ix in all {
        say(&mut sim, ix, "The crew", &format!("together {ix}"));
    }
    sim.run_for(MINUTE);
    for ix in all {
        assert_eq!(texts(&mut sim, ix, "The crew").len(), 8);
    }
}

#[test]
fn who_is_back_after_weeks_and_wishes_for_something_at_once_stays_in_the_room_of_the_others() {
    for seed in 70..73 {
        let mut sim = crew(seed, &["Ana", "Ben", "Cem", "Dea"]);
        room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
        sim.run_for(MINUTE);
        sim.crash(BEN, 30 * DAY);
        sim.run_for(DAY);
        room(sim.command(ANA, Command::RoomTopic { room: name("The crew"), topic: "without Ben".into() }));
        assert!(sim.run_until(30 * DAY, |sim| sim.nodes[BEN].is_up()));
        // It stands before all that the others have done in the epoch that Ben is in; and that is final for them.
        room(sim.command(BEN, Command::RoomRemove { room: name("The crew"), who: vec![name("Dea")] }));
        sim.run_for(HOUR);
        assert_agree(&mut sim, &[ANA, BEN, CEM], "The crew");
        assert_eq!(rooms(&mut sim, BEN)[0].topic, "without Ben", "seed {seed}");
        assert_eq!((standing(&mut sim, DEA), members(&mut sim, ANA, "The crew").len()), (RoomStanding::Removed, 3), "seed {seed}");
    }
}

#[test]
fn who_goes_back_hears_the_whole_branch_of_the_others_before_they_commit_what_they_wished_for() {
    for seed in 80..83 {
        let mut sim = crew(seed, &["Ana", "Ben", "Cem", "Dea"]);
        room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
        let eda = sim.add("Eda");
        sim.befriend(ANA, eda);
        sim.run_for(MINUTE);
        let halves = ([ANA, CEM, eda], [BEN, DEA]);
        cut(&mut sim, &halves.0, &halves.1, true);
        room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Cem")] }));
        sim.run_for(MINUTE);
        add(&mut sim, ANA, "The crew", &["Eda"]);
        room(sim.command(BEN, Command::RoomRemove { room: name("The crew"), who: vec![name("Dea")] }));
        sim.run_for(HOUR);
        cut(&mut sim, &halves.0, &halves.1, false);
        sim.run_for(HOUR);
        assert_agree(&mut sim, &[ANA, BEN, eda], "The crew");
        assert_eq!(rooms(&mut sim, ANA)[0].members, 3, "seed {seed}");
        // Ben's removal of Dea stands before that Eda was added, if both are of one epoch: then she would come in twice.
        let came = |lines: Vec<String>, line: &str| lines.iter().filter(|other| *other == line).count();
        assert_eq!(came(lines(&mut sim, ANA, "The crew"), "You added Eda"), 1, "seed {seed}");
        assert_eq!(came(lines(&mut sim, eda, "The crew"), "Ana added you"), 1, "seed {seed}");
    }
}

#[test]
fn a_text_waits_for_nobody_who_is_not_in_the_room_any_more() {
    let mut sim = crew(8, &["Ana", "Ben", "Cem"]);
    sim.crash(CEM, 30 * DAY);
    let before = say(&mut sim, BEN, "The crew", "before");
    sim.run_for(MINUTE);
    assert_eq!(sim.message(BEN, before.message).state, MessageState::Queued);
    room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Cem")] }));
    sim.run_for(MINUTE);
    let view = sim.message(BEN, before.message);
    assert_eq!((view.state, view.tally.map(|tally| (tally.delivered, tally.members))), (MessageState::Delivered, Some((1, 2))));
}
