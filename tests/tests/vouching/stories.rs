//! Who comes in, who does not, and what each of them sees.

use super::*;

#[test]
fn one_whom_a_member_knows_comes_in_by_a_knock_and_all_members_see_them() {
    let (mut sim, _) = scene(1);
    let card = card(&mut sim, ANA);
    assert!(card.len() <= 195, "{}", card.len());
    sim.run_for(MINUTE);
    let view = knock(&mut sim, DEA, &card);
    assert_eq!((view.kind, view.direction, view.status), (RequestKind::Knock, Direction::Out, RequestStatus::Unresolved));
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 3 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4]);
    say(&mut sim, DEA, "hello");
    say(&mut sim, CEM, "welcome");
    sim.run_for(MINUTE);
    for ix in [ANA, BEN, CEM, DEA] {
        let mut texts = texts(&mut sim, ix);
        texts.sort();
        assert_eq!(texts, ["hello", "welcome"], "of {ix}");
    }
    // Dea and Cem are no friends: she has said her name in the room.
    assert!(members(&mut sim, CEM).contains(&"Dea".to_owned()));
    assert_eq!(knocks(&mut sim, BEN, Direction::In)[0].status, RequestStatus::Confirmed);
    // Who was asked before Ben, and is no friend of hers, has had it in the list, and is not asked any more.
    for ix in [ANA, CEM] {
        assert!(knocks(&mut sim, ix, Direction::In).iter().all(|row| row.status == RequestStatus::Confirmed));
    }
}

#[test]
fn nobody_vouches_for_a_stranger_who_is_told_so_and_comes_in_by_nobody() {
    let (mut sim, _) = scene(2);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, EVA, &card);
    assert!(comes_to(&mut sim, EVA, RequestStatus::Expired, 3 * MINUTE), "{:?}", status(&mut sim, EVA));
    assert!(knocks(&mut sim, EVA, Direction::Out)[0].fault.unwrap().contains("not vouched"));
    for ix in [ANA, BEN, CEM] {
        let listed = knocks(&mut sim, ix, Direction::In).remove(0);
        assert_eq!((listed.peer, listed.status), (sim.nodes[EVA].peer, RequestStatus::Pending), "of {ix}");
    }
    // Ana sets it aside. For everybody it lies for a day, and then it is gone.
    let request = knocks(&mut sim, ANA, Direction::In)[0].request;
    assert!(sim.command(ANA, Command::Ignore(request)).is_ok());
    sim.run_for(DAY - HOUR);
    for (ix, status) in [(ANA, RequestStatus::Ignored), (BEN, RequestStatus::Pending)] {
        assert_eq!(knocks(&mut sim, ix, Direction::In)[0].status, status);
    }
    sim.run_for(2 * HOUR);
    for ix in [ANA, BEN, CEM] {
        assert!(knocks(&mut sim, ix, Direction::In).is_empty(), "of {ix}");
    }
    assert!(matches!(sim.command(BEN, Command::RoomVouch(request)), Err(CommandError::NotFound | CommandError::WrongStatus)));
    sim.run_for(DAY);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, EVA]), [3, 3, 3, 0]);
    assert_eq!(status(&mut sim, EVA), RequestStatus::Expired);
}

#[test]
fn a57_who_does_not_know_the_voucher_is_warned_and_sends_nothing_more() {
    let (mut sim, hub) = scene(3);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, EVA, &card);
    assert!(sim.run_until(3 * MINUTE, |sim| !knocks(sim, CEM, Direction::In).is_empty()));
    let request = knocks(&mut sim, CEM, Direction::In)[0].request;
    assert!(matches!(sim.command(CEM, Command::RoomVouch(request)), Ok(Reply::Request(view)) if view.status == RequestStatus::Accepted));
    assert!(comes_to(&mut sim, EVA, RequestStatus::Cancelled, MINUTE), "{:?}", status(&mut sim, EVA));
    let warned = knocks(&mut sim, EVA, Direction::Out).remove(0);
    assert_eq!(warned.peer, sim.nodes[CEM].peer, "it says who it was");
    assert!(warned.fault.unwrap().contains("do not know"));
    // She asks the hub nothing more, and has answered nothing.
    let asks = |sim: &mut Sim| {
        let seen = sim.hub(hub).seen.clone();
        let of = |bytes: &Vec<u8>| matches!(Ask::decode(bytes), Ok(Ask::Knock(_) | Ask::Await(_) | Ask::Respond(_)));
        assert!(!seen.iter().any(|bytes| matches!(Ask::decode(bytes), Ok(Ask::Respond(_)))));
        seen.iter().filter(|bytes| of(bytes)).count()
    };
    let before = asks(&mut sim);
    sim.run_for(DAY);
    assert_eq!(asks(&mut sim), before);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, EVA]), [3, 3, 3, 0]);
}

#[test]
fn a_person_s_word_lets_a_friend_in_when_the_node_is_not_to_vouch_by_itself() {
    let (mut sim, _) = scene(4);
    assert!(matches!(sim.command(BEN, Command::SetVouches(false)), Ok(Reply::Settings(view)) if !view.vouches));
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Expired, 3 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(3 * HOUR);
    let request = knocks(&mut sim, BEN, Direction::In).remove(0);
    assert_eq!((request.name.as_str(), request.status, request.fault), ("Dea", RequestStatus::Pending, None));
    assert!(sim.command(BEN, Command::Ignore(request.request)).is_ok());
    assert_eq!(knocks(&mut sim, BEN, Direction::In)[0].status, RequestStatus::Ignored);
    assert!(sim.command(BEN, Command::Accept(request.request)).is_ok(), "one that was set aside is accepted later");
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 3 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4]);
}

#[test]
fn a_room_grows_by_vouching_alone_and_each_newcomer_vouches_for_the_next() {
    let (mut sim, _) = scene(5);
    sim.befriend(DEA, EVA);
    sim.run_for(HOUR);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    for (ix, count) in [(DEA, 4), (EVA, 5)] {
        knock(&mut sim, ix, &card);
        assert!(comes_to(&mut sim, ix, RequestStatus::Confirmed, 5 * MINUTE), "{ix}: {:?}", status(&mut sim, ix));
        sim.run_for(MINUTE);
        assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA])[..count - 1], vec![count; count - 1]);
    }
    say(&mut sim, EVA, "here I am");
    sim.run_for(MINUTE);
    assert!(texts(&mut sim, CEM).contains(&"here I am".to_owned()));
}

#[test]
fn a60_who_comes_in_by_a_voucher_reads_nothing_of_before_and_who_was_removed_nothing_of_after() {
    let (mut sim, _) = scene(6);
    let card = card(&mut sim, ANA);
    say(&mut sim, ANA, "before she came");
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 3 * MINUTE));
    sim.run_for(MINUTE);
    say(&mut sim, CEM, "while she is here");
    sim.run_for(MINUTE);
    assert!(sim.command(ANA, Command::RoomRemove { room: name(ROOM), who: vec![name("Dea")] }).is_ok());
    sim.run_for(MINUTE);
    say(&mut sim, CEM, "after she went");
    sim.run_for(MINUTE);
    assert_eq!(texts(&mut sim, DEA), ["while she is here"]);
    assert_eq!(texts(&mut sim, BEN), ["before she came", "while she is here", "after she went"]);
}

#[test]
fn after_a_removal_the_card_leads_to_another_secret_and_the_one_who_was_removed_hears_no_knock() {
    let (mut sim, hub) = scene(7);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    let before = aliases(&mut sim, hub);
    assert_eq!(before.len(), 1);
    assert!(sim.command(ANA, Command::RoomRemove { room: name(ROOM), who: vec![name("Cem")] }).is_ok());
    sim.run_for(5 * MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN]), [2, 2]);
    sim.hub(hub).seen.clear();
    sim.run_for(MINUTE);
    let after = aliases(&mut sim, hub);
    assert!(after.len() == 1 && after != before, "all members listen by another name, and nobody by the old one");
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 3 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, DEA]), [3, 3, 3]);
    assert!(knocks(&mut sim, CEM, Direction::In).is_empty());
}

#[test]
fn who_left_and_knocks_again_comes_in_again() {
    let (mut sim, _) = scene(8);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    for _ in 0..2 {
        knock(&mut sim, DEA, &card);
        assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 5 * MINUTE), "{:?}", status(&mut sim, DEA));
        sim.run_for(MINUTE);
        assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4]);
        assert!(sim.command(DEA, Command::RoomLeave(name(ROOM))).is_ok());
        sim.run_for(10 * MINUTE);
        assert_eq!(counts(&mut sim, &[ANA, BEN, CEM]), [3; 3]);
    }
}

#[test]
fn who_has_no_right_opens_no_room_but_any_member_makes_a_card_of_an_open_one() {
    let (mut sim, _) = scene(9);
    let refused = |sim: &mut Sim, ix: Ix| sim.command(ix, Command::RoomCard(name(ROOM))).err();
    assert_eq!(refused(&mut sim, BEN), Some(CommandError::NoRight));
    assert_eq!(refused(&mut sim, DEA), Some(CommandError::NotFound));
    let first = card(&mut sim, ANA);
    assert_eq!(card(&mut sim, ANA), first, "it is the same as long as it is good");
    sim.run_for(MINUTE);
    let by_cem = card(&mut sim, CEM);
    assert_ne!(by_cem, first);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &by_cem);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 3 * MINUTE), "{:?}", status(&mut sim, DEA));
    // What is no card, and a card where an invite should be, are kept apart.
    assert_eq!(sim.command(EVA, Command::Add { target: first, note: None }).err(), Some(CommandError::IsCard));
    let Ok(Reply::Invite { link, .. }) = sim.command(ANA, Command::Invite { lifetime: DAY, no_ip: false, auto_accept: false }) else {
        panic!("no invite")
    };
    assert_eq!(sim.command(EVA, Command::RoomKnock(link)).err(), Some(CommandError::IsInvite));
    assert_eq!(sim.command(EVA, Command::RoomKnock("symbolon:aaaa".into())).err(), Some(CommandError::BadLink));
}

#[test]
fn a_room_with_an_older_build_is_not_opened_and_nobody_with_one_comes_into_an_open_room() {
    let (mut sim, _) = scene(10);
    let old = Capabilities(Capabilities::OURS.0 & !Capabilities::VOUCHING.0);
    sim.nodes[CEM].takes = Some(old);
    sim.crash(CEM, SECOND);
    sim.run_for(HOUR);
    // What Cem's build takes is said again in the room with his ways.
    let refused = sim.command(ANA, Command::RoomCard(name(ROOM))).err();
    assert_eq!(refused, None, "what Cem has said when he came in still holds: he said that he takes it");
    sim.nodes[EVA].takes = Some(old);
    sim.crash(EVA, SECOND);
    sim.run_for(MINUTE);
    sim.befriend(ANA, EVA);
    sim.run_for(HOUR);
    let refused = sim.command(ANA, Command::RoomAdd { room: name(ROOM), who: vec![name("Eva")] }).err();
    assert_eq!(refused, Some(CommandError::OldBuild));
}

#[test]
fn a_knock_outlasts_starts_of_everybody_and_of_the_hub() {
    let (mut sim, hub) = scene(11);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Pending, MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(2 * SECOND);
    sim.restart_hub(hub);
    for ix in [ANA, BEN, CEM, DEA] {
        sim.crash(ix, SECOND);
    }
    sim.run_for(2 * SECOND);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 10 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4]);
}

#[test]
fn a_member_who_comes_late_finds_the_knock_listed() {
    let (mut sim, _) = scene(12);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    sim.crash(BEN, 2 * HOUR);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Expired, 5 * MINUTE), "{:?}", status(&mut sim, DEA));
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 3 * HOUR), "{:?}", status(&mut sim, DEA));
}

#[test]
fn a_knock_that_is_taken_back_leads_nowhere() {
    let (mut sim, _) = scene(13);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    let request = knock(&mut sim, DEA, &card).request;
    assert!(comes_to(&mut sim, DEA, RequestStatus::Pending, MINUTE));
    assert!(sim.command(DEA, Command::Cancel(request)).is_ok());
    sim.run_for(HOUR);
    assert_eq!(status(&mut sim, DEA), RequestStatus::Cancelled);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [3, 3, 3, 0]);
}
