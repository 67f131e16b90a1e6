//! Rooms in which somebody may not want to be: those into which a friend brings one who wants to be asked, and those with
//! people of whom one wants nothing.

use super::*;
use symbolon_core::command::{RequestKind, RequestStatus, RequestView};
use symbolon_core::limits::ROOMS_ASKED_MAX;
use symbolon_presence::id::PeerId;

fn ask_first(sim: &mut Sim, ix: Ix) {
    assert!(sim.command(ix, Command::SetAsksForRooms(true)).is_ok());
}

/// The rooms about which somebody is asked.
fn questions(sim: &mut Sim, ix: Ix) -> Vec<RequestView> {
    match sim.command(ix, Command::Requests) {
        Ok(Reply::Requests(views)) => {
            views.into_iter().filter(|view| view.kind == RequestKind::Room && view.status == RequestStatus::Pending).collect()
        }
        _ => panic!("no requests are listed"),
    }
}

fn question(sim: &mut Sim, ix: Ix) -> RequestView {
    let mut views = questions(sim, ix);
    assert_eq!(views.len(), 1, "one question");
    views.remove(0)
}

fn everything(sim: &mut Sim, ix: Ix) -> Vec<String> {
    match sim.command(ix, Command::Read { who: None, since: None, limit: None, peek: true }) {
        Ok(Reply::Messages(views)) => views.into_iter().map(|view| view.text).collect(),
        _ => panic!("nothing is read"),
    }
}

fn found(sim: &mut Sim, ix: Ix, text: &str) -> usize {
    match sim.command(ix, Command::Search { text: text.to_owned(), before: None, limit: None }) {
        Ok(Reply::Messages(views)) => views.len(),
        _ => panic!("nothing is searched"),
    }
}

fn id_of(sim: &Sim, ix: Ix) -> PeerId {
    sim.nodes[ix].peer
}

/// Ben wants to be asked; Ana brings him and Cem into a room, and writes there.
fn asked(seed: u64) -> Sim {
    let mut sim = scene(seed, Faults::NONE, &["Ana", "Ben", "Cem"]);
    ask_first(&mut sim, BEN);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben", "Cem"]);
    sim.run_for(MINUTE);
    say(&mut sim, ANA, "The crew", "before his word");
    sim.run_for(MINUTE);
    sim
}

#[test]
fn who_wants_to_be_asked_sees_nothing_of_a_room_before_their_yes_and_all_of_it_after() {
    let mut sim = asked(41);
    let view = question(&mut sim, BEN);
    let of = view.room.clone().unwrap();
    assert_eq!((of.name.as_str(), of.members, of.parted), ("The crew", vec!["Ana".to_owned(), "Cem".to_owned()], Vec::new()));
    assert_eq!((view.name.as_str(), view.peer), ("Ana", id_of(&sim, ANA)));
    let here = rooms(&mut sim, BEN).remove(0);
    assert_eq!((here.standing, here.unread), (RoomStanding::Asked, 0));
    assert!(everything(&mut sim, BEN).is_empty(), "neither texts nor lines");
    assert_eq!(found(&mut sim, BEN, "before"), 0);
    assert!(matches!(
        sim.command(BEN, Command::Send { to: name(&of.id.to_string()), lifetime: None, text: "hm".into() }),
        Err(CommandError::NotInRoom)
    ));
    assert!(matches!(sim.command(BEN, Command::RoomMembers(name("The crew"))), Err(CommandError::NotFound)), "it has no name here yet");
    assert!(questions(&mut sim, CEM).is_empty(), "Cem has not set it");
    // It outlasts a start, and what others do meanwhile.
    sim.crash(BEN, MINUTE);
    room(sim.command(ANA, Command::RoomTopic { room: name("The crew"), topic: "sailing".into() }));
    sim.run_for(10 * MINUTE);
    let id = question(&mut sim, BEN).request;
    assert!(matches!(sim.command(BEN, Command::Accept(id)), Ok(Reply::Request(view)) if view.status == RequestStatus::Confirmed));
    sim.run_for(MINUTE);
    assert!(questions(&mut sim, BEN).is_empty());
    assert_eq!(texts(&mut sim, BEN, "The crew"), ["before his word"]);
    assert_eq!(found(&mut sim, BEN, "before"), 1);
    say(&mut sim, BEN, "The crew", "here I am");
    say(&mut sim, CEM, "The crew", "hello Ben");
    sim.run_for(10 * MINUTE);
    for ix in [ANA, BEN, CEM] {
        assert_eq!(texts(&mut sim, ix, "The crew"), ["before his word", "hello Ben", "here I am"], "of {ix}");
    }
    let called: Vec<String> = members(&mut sim, CEM, "The crew").into_iter().map(|view| view.name).collect();
    assert_eq!(called, ["Cem", "Ana", "Ben"], "Cem hears how Ben calls himself");
    assert_agree(&mut sim, &[ANA, BEN, CEM], "The crew");
    // What he has written keeps his name when he goes, also once nothing else is kept of him.
    assert!(sim.command(BEN, Command::RoomLeave(name("The crew"))).is_ok());
    sim.run_for(8 * DAY);
    sim.crash(CEM, MINUTE);
    sim.run_for(2 * MINUTE);
    assert_eq!(rooms(&mut sim, CEM)[0].members, 2);
    assert_eq!(lines(&mut sim, CEM, "The crew").last().unwrap(), "Ben left the room");
    let his = history(&mut sim, CEM, "The crew").into_iter().find(|view| view.text == "here I am").unwrap();
    assert_eq!((his.from_name.as_str(), his.from), ("Ben", id_of(&sim, BEN)));
}

#[test]
fn who_says_no_is_never_shown_the_room_and_the_others_see_them_leave() {
    let mut sim = asked(42);
    let id = question(&mut sim, BEN).request;
    assert!(matches!(sim.command(BEN, Command::Ignore(id)), Ok(Reply::Request(view)) if view.status == RequestStatus::Ignored));
    assert!(questions(&mut sim, BEN).is_empty() && rooms(&mut sim, BEN).is_empty());
    assert!(sim.command(BEN, Command::Accept(id)).is_err(), "it was answered");
    sim.run_for(10 * MINUTE);
    say(&mut sim, CEM, "The crew", "without him");
    sim.run_for(MINUTE);
    for ix in [ANA, CEM] {
        // To Cem he has never said his name.
        assert!(lines(&mut sim, ix, "The crew").iter().any(|line| line.ends_with(" left the room")), "of {ix}");
        assert_eq!(rooms(&mut sim, ix)[0].members, 2);
    }
    // Nothing stays of it, once it cannot come back.
    sim.run_for(8 * DAY);
    assert!(rooms(&mut sim, BEN).is_empty() && everything(&mut sim, BEN).is_empty());
    let stays = sim.nodes[BEN].store.rows(symbolon_core::table::Table::Group).count();
    let kept = sim.nodes[BEN].store.rows(symbolon_core::table::Table::Message).count();
    assert_eq!((stays, kept), (0, 0));
    // And he is asked again, should she add him again.
    add(&mut sim, ANA, "The crew", &["Ben"]);
    sim.run_for(MINUTE);
    let id = question(&mut sim, BEN).request;
    assert!(sim.command(BEN, Command::Accept(id)).is_ok());
    say(&mut sim, ANA, "The crew", "at last");
    sim.run_for(MINUTE);
    assert_eq!(texts(&mut sim, BEN, "The crew"), ["at last"]);
}

#[test]
fn who_left_a_room_keeps_what_they_were_shown_when_they_are_asked_about_it_again() {
    let mut sim = scene(43, Faults::NONE, &["Ana", "Ben", "Cem"]);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben", "Cem"]);
    sim.run_for(MINUTE);
    say(&mut sim, ANA, "The crew", "while he was in");
    sim.run_for(MINUTE);
    let id = rooms(&mut sim, BEN)[0].room.to_string();
    room(sim.command(BEN, Command::RoomLeave(name("The crew"))));
    sim.run_for(HOUR);
    ask_first(&mut sim, BEN);
    add(&mut sim, ANA, "The crew", &["Ben"]);
    sim.run_for(MINUTE);
    say(&mut sim, ANA, "The crew", "behind the question");
    sim.run_for(MINUTE);
    assert_eq!(texts(&mut sim, BEN, &id), ["while he was in"]);
    let last = sim.command(BEN, Command::Read { who: Some(name(&id)), since: None, limit: Some(1), peek: true });
    assert!(matches!(last, Ok(Reply::Messages(views)) if views[0].text == "You left the room"), "the last that is shown");
    assert!(sim.command(BEN, Command::RoomLeave(name(&id))).is_ok(), "that is a no, too");
    sim.run_for(8 * DAY);
    assert_eq!(texts(&mut sim, BEN, &id), ["while he was in"]);
    assert_eq!(rooms(&mut sim, BEN)[0].standing, RoomStanding::Left);
}

#[test]
fn one_friend_asks_about_so_many_rooms_and_leaves_place_for_others() {
    let mut sim = scene(44, Faults::NONE, &["Ana", "Ben", "Cem"]);
    sim.befriend(BEN, CEM);
    sim.run_for(HOUR);
    ask_first(&mut sim, BEN);
    for number in 0..ROOMS_ASKED_MAX + 2 {
        let called = format!("Room {number}");
        create(&mut sim, ANA, &called);
        add(&mut sim, ANA, &called, &["Ben"]);
        sim.run_for(MINUTE);
    }
    assert_eq!(questions(&mut sim, BEN).len(), ROOMS_ASKED_MAX);
    create(&mut sim, CEM, "Of Cem");
    add(&mut sim, CEM, "Of Cem", &["Ben"]);
    sim.run_for(MINUTE);
    let views = questions(&mut sim, BEN);
    assert_eq!(views.len(), ROOMS_ASKED_MAX + 1);
    let of_ana: Vec<_> = views.iter().filter(|view| view.name == "Ana").map(|view| view.request).collect();
    // A no is a place that is taken until the room is left for good; a yes is none.
    assert!(sim.command(BEN, Command::Ignore(of_ana[0])).is_ok());
    create(&mut sim, ANA, "One more");
    add(&mut sim, ANA, "One more", &["Ben"]);
    sim.run_for(MINUTE);
    assert_eq!(questions(&mut sim, BEN).len(), ROOMS_ASKED_MAX);
    assert!(sim.command(BEN, Command::Accept(of_ana[1])).is_ok());
    create(&mut sim, ANA, "The last");
    add(&mut sim, ANA, "The last", &["Ben"]);
    sim.run_for(MINUTE);
    assert_eq!(questions(&mut sim, BEN).len(), ROOMS_ASKED_MAX);
    assert!(questions(&mut sim, BEN).iter().any(|view| view.room.as_ref().is_some_and(|room| room.name == "The last")));
}

/// Ben, who wants nothing of Cem any more; Ana is a friend of both.
fn parted(seed: u64, command: Command) -> Sim {
    let mut sim = scene(seed, Faults::NONE, &["Ana", "Ben", "Cem"]);
    sim.befriend(BEN, CEM);
    sim.run_for(HOUR);
    assert!(sim.command(BEN, command).is_ok());
    sim.run_for(HOUR);
    sim
}

#[test]
fn r8_nobody_is_shown_a_room_with_somebody_whom_they_have_blocked_or_ended_before_they_say_so() {
    for (seed, command) in [(45, Command::Block(name("Cem"))), (46, Command::Unfriend(name("Cem")))] {
        let mut sim = parted(seed, command);
        create(&mut sim, ANA, "The crew");
        add(&mut sim, ANA, "The crew", &["Ben", "Cem"]);
        sim.run_for(10 * MINUTE);
        say(&mut sim, CEM, "The crew", "hello Ben");
        sim.run_for(MINUTE);
        assert!(questions(&mut sim, CEM).is_empty(), "he has parted from nobody");
        let view = question(&mut sim, BEN);
        assert_eq!(view.room.unwrap().parted, ["Cem"]);
        assert!(view.fault.is_some());
        assert!(everything(&mut sim, BEN).is_empty());
        assert!(sim.command(BEN, Command::Ignore(view.request)).is_ok());
        sim.run_for(HOUR);
        assert!(rooms(&mut sim, BEN).is_empty());
        assert_eq!(rooms(&mut sim, ANA)[0].members, 2);
    }
}

#[test]
fn r8_who_is_added_to_my_room_and_was_blocked_is_named_in_a_line_and_what_they_write_stays_out_of_sight() {
    let mut sim = parted(47, Command::Block(name("Cem")));
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben"]);
    sim.run_for(10 * MINUTE);
    assert!(questions(&mut sim, BEN).is_empty());
    add(&mut sim, ANA, "The crew", &["Cem"]);
    sim.run_for(10 * MINUTE);
    say(&mut sim, CEM, "The crew", "do you read me");
    say(&mut sim, ANA, "The crew", "all together");
    sim.run_for(HOUR);
    let said = lines(&mut sim, BEN, "The crew");
    let last = said.last().unwrap();
    assert!(last.starts_with("Cem is in the room now, whom you have blocked") && last.contains("room leave"), "{said:?}");
    assert_eq!(lines(&mut sim, ANA, "The crew").last().unwrap(), "You added Cem", "nobody else hears of it");
    assert_eq!(texts(&mut sim, BEN, "The crew"), ["all together"]);
    assert_eq!(texts(&mut sim, ANA, "The crew"), ["all together", "do you read me"]);
    assert!(matches!(sim.command(BEN, Command::Read { who: None, since: None, limit: None, peek: false }), Ok(Reply::Messages(_))));
    sim.run_for(HOUR);
    let sent = history(&mut sim, CEM, "The crew").into_iter().find(|view| view.mine && !view.is_line).unwrap();
    assert_eq!(sent.tally.map(|tally| tally.read), Some(0), "no read mark of Ben's");
}

#[test]
fn who_parts_from_somebody_leaves_the_rooms_of_both_and_no_other_when_they_say_so() {
    let mut sim = scene(48, Faults::NONE, &["Ana", "Ben", "Cem"]);
    sim.befriend(BEN, CEM);
    sim.run_for(HOUR);
    for (called, who) in [("All", &["Ben", "Cem"][..]), ("Without Cem", &["Ben"])] {
        create(&mut sim, ANA, called);
        add(&mut sim, ANA, called, who);
    }
    sim.run_for(10 * MINUTE);
    ask_first(&mut sim, BEN);
    create(&mut sim, ANA, "Asked");
    add(&mut sim, ANA, "Asked", &["Ben", "Cem"]);
    sim.run_for(10 * MINUTE);
    let names = |reply: Result<Reply, CommandError>| match reply {
        Ok(Reply::Rooms(views)) => views.into_iter().map(|view| view.name).collect::<Vec<_>>(),
        _ => panic!("no rooms"),
    };
    assert_eq!(names(sim.command(BEN, Command::RoomsWith(name("Cem")))), ["All", "Asked"]);
    assert_eq!(names(sim.command(BEN, Command::RoomsLeaveWith(name("Cem")))), ["All", "Asked"]);
    assert!(sim.command(BEN, Command::Unfriend(name("Cem"))).is_ok());
    sim.run_for(10 * MINUTE);
    let here = rooms(&mut sim, BEN);
    let standings: Vec<_> = here.iter().map(|view| (view.name.as_str(), view.standing)).collect();
    assert_eq!(standings, [("All", RoomStanding::Left), ("Without Cem", RoomStanding::Member)]);
    for view in rooms(&mut sim, CEM) {
        assert_eq!(view.members, 2, "{}", view.name);
    }
}
