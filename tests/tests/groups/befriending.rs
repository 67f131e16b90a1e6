//! Members of a room who are no friends of each other become friends from there.

use super::*;
use symbolon_core::command::{Direction, RequestKind, RequestStatus, RequestView, Trust};

fn befriend(sim: &mut Sim, ix: Ix, who: &str) -> Result<RequestView, CommandError> {
    let command = Command::RoomBefriend { room: name("The crew"), who: name(who), note: Some("from the boat".into()) };
    sim.command(ix, command).map(|reply| {
        let Reply::Request(view) = reply else { panic!("another answer") };
        view
    })
}

fn requests(sim: &mut Sim, ix: Ix) -> Vec<RequestView> {
    match sim.command(ix, Command::Requests) {
        Ok(Reply::Requests(views)) => {
            views.into_iter().filter(|view| view.kind == RequestKind::Friend && view.trust == Trust::Room).collect()
        }
        _ => panic!("no requests are listed"),
    }
}

fn waiting(sim: &mut Sim, ix: Ix) -> Vec<RequestView> {
    requests(sim, ix).into_iter().filter(|view| view.direction == Direction::In && view.status == RequestStatus::Pending).collect()
}

/// The trust in a friend, if they are one.
fn trust(sim: &mut Sim, ix: Ix, of: Ix) -> Option<Trust> {
    let peer = sim.nodes[of].peer;
    match sim.command(ix, Command::Friends) {
        Ok(Reply::Friends(views)) => views.into_iter().find(|view| view.id == peer && view.mutual).map(|view| view.trust),
        _ => panic!("no friends are listed"),
    }
}

/// Ana's room, in which Ben and Cem are strangers to each other.
fn strangers(seed: u64) -> Sim {
    let mut sim = scene(seed, Faults::NONE, &["Ana", "Ben", "Cem"]);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben", "Cem"]);
    sim.run_for(10 * MINUTE);
    sim
}

#[test]
fn two_members_who_are_strangers_become_friends_by_one_action_and_one_yes() {
    let mut sim = strangers(61);
    let asked = befriend(&mut sim, BEN, "Cem").unwrap();
    assert_eq!((asked.direction, asked.status, asked.name.as_str()), (Direction::Out, RequestStatus::Pending, "Cem"));
    assert_eq!(befriend(&mut sim, BEN, "Cem").unwrap().request, asked.request, "it is one request");
    sim.run_for(MINUTE);
    let view = waiting(&mut sim, CEM).remove(0);
    assert_eq!((view.name.as_str(), view.note.as_deref(), view.trust), ("Ben", Some("from the boat"), Trust::Room));
    assert!(requests(&mut sim, ANA).is_empty(), "nobody else hears of it");
    assert!(sim.command(CEM, Command::Accept(view.request)).is_ok());
    sim.run_for(10 * MINUTE);
    assert_eq!((trust(&mut sim, BEN, CEM), trust(&mut sim, CEM, BEN)), (Some(Trust::Room), Some(Trust::Room)));
    for ix in [BEN, CEM] {
        let views = requests(&mut sim, ix);
        assert_eq!(views.len(), 1, "one row of {ix}");
        assert_eq!(views[0].status, RequestStatus::Confirmed);
    }
    assert!(matches!(befriend(&mut sim, CEM, "Ben"), Err(CommandError::AlreadyFriends)));
    say(&mut sim, BEN, "Cem", "just us");
    say(&mut sim, CEM, "Ben", "so it is");
    say(&mut sim, BEN, "The crew", "to all");
    say(&mut sim, CEM, "The crew", "to all, too");
    sim.run_for(HOUR);
    assert_eq!(texts(&mut sim, CEM, "Ben"), ["just us", "so it is"]);
    for ix in [ANA, BEN, CEM] {
        assert_eq!(texts(&mut sim, ix, "The crew"), ["to all", "to all, too"], "of {ix}");
    }
}

#[test]
fn who_asks_sees_no_difference_between_a_request_that_waits_is_ignored_or_is_of_somebody_blocked() {
    let mut seen = Vec::new();
    for case in 0..4 {
        let mut sim = strangers(62);
        befriend(&mut sim, BEN, "Cem").unwrap();
        sim.run_for(MINUTE);
        let id = waiting(&mut sim, CEM).remove(0).request;
        if case == 1 {
            assert!(sim.command(CEM, Command::Ignore(id)).is_ok());
        } else if case >= 2 {
            assert!(sim.command(CEM, Command::Block(name(&id.to_string()))).is_ok());
        }
        if case == 3 {
            // He asks again, of somebody who has blocked him.
            let id = requests(&mut sim, BEN).remove(0).request;
            assert!(sim.command(BEN, Command::Cancel(id)).is_ok());
            befriend(&mut sim, BEN, "Cem").unwrap();
        }
        sim.run_for(DAY);
        assert_eq!(waiting(&mut sim, CEM).len(), usize::from(case == 0));
        assert_eq!(trust(&mut sim, BEN, CEM), None);
        let mut views: Vec<_> = requests(&mut sim, BEN).into_iter().map(|view| (view.status, view.fault)).collect();
        views.retain(|(status, _)| *status != RequestStatus::Cancelled);
        seen.push(views);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
}

#[test]
fn two_who_ask_each_other_at_once_become_friends_once_and_without_another_question() {
    let mut sim = strangers(63);
    befriend(&mut sim, BEN, "Cem").unwrap();
    befriend(&mut sim, CEM, "Ben").unwrap();
    sim.run_for(HOUR);
    assert_eq!((trust(&mut sim, BEN, CEM), trust(&mut sim, CEM, BEN)), (Some(Trust::Room), Some(Trust::Room)));
    assert!(waiting(&mut sim, BEN).is_empty() && waiting(&mut sim, CEM).is_empty());
    say(&mut sim, BEN, "Cem", "at once");
    sim.run_for(MINUTE);
    assert_eq!(texts(&mut sim, CEM, "Ben"), ["at once"]);
}

#[test]
fn who_takes_a_request_in_a_room_back_becomes_nobodys_friend_by_it() {
    let mut sim = strangers(64);
    let asked = befriend(&mut sim, BEN, "Cem").unwrap();
    sim.run_for(MINUTE);
    assert!(sim.command(BEN, Command::Cancel(asked.request)).is_ok());
    let view = waiting(&mut sim, CEM).remove(0);
    assert!(sim.command(CEM, Command::Accept(view.request)).is_ok());
    sim.run_for(DAY);
    assert_eq!((trust(&mut sim, BEN, CEM), trust(&mut sim, CEM, BEN)), (None, None));
    // Asked again, they are.
    befriend(&mut sim, BEN, "Cem").unwrap();
    sim.run_for(HOUR);
    if let Some(view) = waiting(&mut sim, CEM).pop() {
        assert!(sim.command(CEM, Command::Accept(view.request)).is_ok());
        sim.run_for(HOUR);
    }
    assert_eq!((trust(&mut sim, BEN, CEM), trust(&mut sim, CEM, BEN)), (Some(Trust::Room), Some(Trust::Room)));
}
