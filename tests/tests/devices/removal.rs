//! Devices that are removed, stolen or shut out by a friend.

use super::*;
use symbolon_core::table::Table;
use symbolon_presence::kdf::Secret;
use symbolon_presence::words::read_recovery_words;
use symbolon_tests::eyes::{self, Eyes};

/// What lies in a node's store about reading where Ana's first device is.
fn eyes_of(sim: &Sim, ix: Ix) -> Option<Eyes> {
    eyes::eyes(&sim.nodes[ix].store, &sim.nodes[ANA].peer)
}

/// Whether it reads her newest record.
fn reads(sim: &Sim, eyes: &Eyes) -> bool {
    let records: BTreeSet<Vec<u8>> = sim.lookup.stored().cloned().collect();
    eyes::newest_body(eyes, &sim.nodes[ANA].peer, &records, sim.now).is_some()
}

#[test]
fn a95_a_device_that_is_gone_reads_nothing_new_and_says_so_and_the_friend_talks_on() {
    let mut sim = friends(6);
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    say(&mut sim, BEN, "Ana", "for both");
    all_have(&mut sim, &[ANA, laptop], &["for both"]);
    let first = devices(&mut sim, ANA).0[0].device.to_string();
    assert_eq!(sim.command(laptop, Command::DeviceRemove(first)).err(), Some(CommandError::OlderDevice));
    let [of_laptop, of_ben] = [laptop, BEN].map(|ix| eyes_of(&sim, ix).unwrap());
    assert!(reads(&sim, &of_laptop) && reads(&sim, &of_ben), "where she is, own devices read as friends do");
    assert!(sim.command(ANA, Command::DeviceRemove("Laptop".into())).is_ok());
    sim.run_for(MINUTE);
    assert_eq!(others(&mut sim, ANA), 0);
    assert!(!reads(&sim, &of_laptop) && reads(&sim, &of_ben), "by what it knew it finds her no more");
    assert_eq!(warned(&sim, laptop, Warning::RemovedHere), 1);
    let Ok(Reply::Status(status)) = sim.command(laptop, Command::Status) else { panic!("no status") };
    assert!(status.problems.iter().any(|problem| problem.contains("yours no more")), "{:?}", status.problems);
    let Ok(Reply::Status(status)) = sim.command(ANA, Command::Status) else { panic!("no status") };
    assert!(!status.problems.iter().any(|problem| problem.contains("yours no more")));
    assert_eq!(sim.command(laptop, Command::SetName("x".into())).err(), Some(CommandError::DeviceGone));
    let after = say(&mut sim, BEN, "Ana", "after it was removed");
    say(&mut sim, ANA, "Ben", "on we go");
    all_have(&mut sim, &[ANA, BEN], &["after it was removed", "on we go"]);
    sim.run_for(DAY);
    assert_eq!(state(&mut sim, BEN, after), Some(MessageState::Delivered));
    let there = texts(&mut sim, laptop);
    assert!(there.contains(&"for both".to_owned()), "its history stays");
    assert!(!there.contains(&"after it was removed".to_owned()) && !there.contains(&"on we go".to_owned()));
    let views = friend_views(&mut sim, BEN);
    assert!(views.len() == 1 && views[0].mutual && views[0].name == "Ana");
}

#[test]
fn who_has_removed_a_device_is_no_friend_who_parted_and_comes_into_a_friend_s_room_without_a_question() {
    let mut sim = friends(9);
    further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    for is_removed in [false, true] {
        if is_removed {
            assert!(sim.command(ANA, Command::DeviceRemove("Laptop".into())).is_ok());
            sim.run_for(MINUTE);
        }
        let Ok(Reply::Requests(requests)) = sim.command(ANA, Command::Requests) else { panic!("no requests") };
        assert!(requests.iter().all(|view| view.peer == sim.nodes[BEN].peer), "how own devices came is no request");
        let Ok(Reply::Doctor(doctor)) = sim.command(ANA, Command::Doctor) else { panic!("no diagnosis") };
        assert_eq!((doctor.friends, doctor.parted), (1, 0));
        let called = format!("Crew {is_removed}");
        assert!(sim.command(BEN, Command::RoomCreate(called.clone())).is_ok());
        assert!(sim.command(BEN, Command::RoomAdd { room: Who(called.clone()), who: vec![Who("Ana".into())] }).is_ok());
        sim.run_for(5 * MINUTE);
        let Ok(Reply::Rooms(rooms)) = sim.command(ANA, Command::Rooms) else { panic!("no rooms") };
        assert!(rooms.iter().any(|room| room.name == called && room.standing == RoomStanding::Member), "{called}");
    }
}

/// A device is stolen, and the thief keeps it away from the first device and from all relays. Whether a friend believes it
/// is one of Ana's, and whether it reads on.
fn stolen(is_removed: bool) -> (bool, bool) {
    let mut sim = friends(7);
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    let copy = sim.copy(laptop);
    sim.stop(laptop, 3 * DAY);
    sim.run_for(MINUTE);
    if is_removed {
        assert!(sim.command(ANA, Command::DeviceRemove("Laptop".into())).is_ok());
    }
    sim.run_for(HOUR);
    sim.set_apart(ANA, laptop, true);
    sim.put_back(laptop, &copy, SECOND);
    for relay in 0..sim.relays.len() {
        sim.set_gone(symbolon_tests::sim::relays::RELAYS + relay, true);
    }
    sim.run_for(MINUTE);
    let _ = sim.command(laptop, Command::Send { to: Who("Ben".into()), text: "it is me".into(), lifetime: None });
    say(&mut sim, BEN, "Ana", "a secret");
    sim.run_for(HOUR);
    (texts(&mut sim, BEN).contains(&"it is me".to_owned()), texts(&mut sim, laptop).contains(&"a secret".to_owned()))
}

#[test]
fn a95_a_stolen_device_that_hears_nothing_of_it_is_refused_by_everybody() {
    assert_eq!(stolen(false), (true, true), "as long as nobody has removed it");
    assert_eq!(stolen(true), (false, false), "nothing that it signs is believed, and it reads nothing new");
}

#[test]
fn a22_one_device_of_a_friend_is_shut_out_on_all_devices_and_the_friend_s_others_stay() {
    let mut sim = friends(12);
    let laptop = further(&mut sim, ANA, "Laptop");
    let tablet = further(&mut sim, BEN, "Tablet");
    sim.run_for(10 * MINUTE);
    say(&mut sim, BEN, "Ana", "all four");
    all_have(&mut sim, &[ANA, BEN, laptop, tablet], &["all four"]);
    let id = |sim: &mut Sim, ix: Ix| devices(sim, ix).0.into_iter().find(|view| view.this).unwrap().device;
    let lost = id(&mut sim, tablet);
    for ix in [ANA, laptop] {
        assert_eq!(friend_views(&mut sim, ix)[0].devices.len(), 2);
    }
    assert!(sim.command(laptop, Command::BlockDevice(Who("Ben".into()), lost.to_string())).is_ok());
    sim.run_for(10 * MINUTE);
    for ix in [ANA, laptop] {
        let views = friend_views(&mut sim, ix);
        assert!(views.len() == 1 && views[0].mutual && !views[0].blocked && views[0].name == "Ben");
        assert!(views[0].devices.iter().all(|(device, _)| *device != lost), "it is out at both");
    }
    say(&mut sim, tablet, "Ana", "it is me");
    say(&mut sim, BEN, "Ana", "this is me");
    say(&mut sim, ANA, "Ben", "not for the tablet");
    let asked = |sim: &Sim| [ANA, laptop].map(|ix| sim.nodes[ix].store.rows(Table::Request).count());
    let before = asked(&sim);
    sim.run_for(DAY);
    assert_eq!(asked(&sim), before, "nobody asks for it again");
    for ix in [ANA, laptop] {
        let there = texts(&mut sim, ix);
        assert!(there.contains(&"this is me".to_owned()) && !there.contains(&"it is me".to_owned()), "{ix}: {there:?}");
        assert_eq!(friend_views(&mut sim, ix)[0].devices.len(), 1, "nor does it come back");
    }
    assert!(texts(&mut sim, BEN).contains(&"not for the tablet".to_owned()));
    let only = id(&mut sim, BEN).to_string();
    assert_eq!(sim.command(ANA, Command::BlockDevice(Who("Ben".into()), only)).err(), Some(CommandError::OnlyDevice));
}

#[test]
fn devices_that_are_removed_one_after_another_are_all_out_at_a_friend_who_hears_of_them_late() {
    let mut sim = friends(13);
    let names = ["One", "Two", "Three"];
    for name in names {
        further(&mut sim, ANA, name);
    }
    let done = sim.run_until(HOUR, |sim| friend_views(sim, BEN)[0].devices.len() == 4);
    assert!(done, "{:?}", friend_views(&mut sim, BEN)[0].devices);
    for (n, name) in names.into_iter().enumerate() {
        // Whichever comes first by its id: each is said, and none instead of another.
        sim.set_apart(ANA, BEN, n > 0);
        assert!(sim.command(ANA, Command::DeviceRemove(name.into())).is_ok());
        sim.run_for(5 * MINUTE);
    }
    sim.set_apart(ANA, BEN, false);
    sim.run_for(HOUR);
    let views = friend_views(&mut sim, BEN);
    assert!(views.len() == 1 && views[0].mutual && views[0].devices.len() == 1, "{:?}", views[0].devices);
    say(&mut sim, BEN, "Ana", "for you alone");
    all_have(&mut sim, &[ANA], &["for you alone"]);
}

#[test]
fn a_block_of_before_a_device_came_is_taken_back_there_too() {
    let mut sim = friends(14);
    assert!(sim.command(ANA, Command::Block(Who("Ben".into()))).is_ok());
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    assert!(sim.command(ANA, Command::Unblock(Who("Ben".into()))).is_ok());
    let done = sim.run_until(HOUR, |sim| friend_views(sim, laptop).iter().any(|view| view.mutual && !view.blocked));
    assert!(done, "the laptop has Ben again");
    say(&mut sim, laptop, "Ben", "good again");
    all_have(&mut sim, &[ANA, BEN, laptop], &["good again"]);
}

pub(super) fn words(sim: &mut Sim, ix: Ix) -> Secret {
    match sim.command(ix, Command::Phrase) {
        Ok(Reply::Phrase { words: Some(words), .. }) => read_recovery_words(&words).expect("the words are good"),
        other => panic!("no words: {:?}", other.err()),
    }
}

pub(super) fn keep(sim: &mut Sim, ix: Ix, entropy: &Secret, others: &[&str]) -> Result<Reply, CommandError> {
    let devices = others.iter().map(|name| (*name).to_owned()).collect();
    sim.command(ix, Command::DeviceKeep { entropy: entropy.clone(), devices })
}

#[test]
fn a_stolen_first_device_is_shut_out_by_the_words_and_takes_no_device_away_and_brings_none_in() {
    for is_awake in [true, false] {
        let mut sim = friends(21);
        let entropy = words(&mut sim, ANA);
        assert!(sim.command(ANA, Command::PhraseConfirm).is_ok());
        let laptop = further(&mut sim, ANA, "Laptop");
        let tablet = further(&mut sim, ANA, "Tablet");
        assert!(sim.run_until(HOUR, |sim| others(sim, laptop) == 2 && others(sim, tablet) == 2));
        let other = words(&mut sim, BEN);
        assert_eq!(keep(&mut sim, laptop, &other, &[]).err(), Some(CommandError::WrongPhrase));
        assert_eq!(keep(&mut sim, laptop, &entropy, &["Nobody"]).err(), Some(CommandError::NotFound));
        if !is_awake {
            sim.stop(ANA, 2 * HOUR);
        }
        let kept = keep(&mut sim, laptop, &entropy, &["Tablet"]);
        assert!(kept.is_ok(), "{:?}", kept.err());
        if is_awake {
            sim.run_for(MINUTE);
        } else {
            assert!(sim.run_until(3 * HOUR, |sim| sim.nodes[ANA].is_up()));
            // What the thief does before it hears of it.
            assert!(sim.command(ANA, Command::DeviceRemove("Laptop".into())).is_ok());
        }
        sim.run_for(HOUR);
        assert_eq!(warned(&sim, ANA, Warning::RemovedHere), 1);
        assert_eq!(warned(&sim, BEN, Warning::FriendListed), 1, "the friend sees that it happened");
        for mine in [laptop, tablet] {
            assert_eq!(warned(&sim, mine, Warning::RemovedHere), 0);
            assert_eq!(others(&mut sim, mine), 1);
        }
        // A new device comes by the words alone, and one that is named goes by them.
        assert_eq!(sim.command(laptop, Command::DevicePair { tell: None }).err(), Some(CommandError::DevicesKept));
        assert_eq!(sim.command(laptop, Command::DeviceRemove("Tablet".into())).err(), Some(CommandError::DevicesKept));
        say(&mut sim, BEN, "Ana", "for those who stay");
        say(&mut sim, laptop, "Ben", "from the laptop");
        say(&mut sim, tablet, "Ben", "from the tablet");
        all_have(&mut sim, &[BEN, laptop, tablet], &["for those who stay", "from the laptop", "from the tablet"]);
        assert!(!texts(&mut sim, ANA).contains(&"for those who stay".to_owned()));
        let views = friend_views(&mut sim, BEN);
        assert!(views.len() == 1 && views[0].mutual && views[0].name == "Ana");
        // The words decide again: the tablet goes.
        assert!(keep(&mut sim, laptop, &entropy, &[]).is_ok());
        sim.run_for(HOUR);
        assert_eq!(warned(&sim, tablet, Warning::RemovedHere), 1);
        say(&mut sim, BEN, "Ana", "for the laptop alone");
        all_have(&mut sim, &[BEN, laptop], &["for the laptop alone"]);
        assert!(!texts(&mut sim, tablet).contains(&"for the laptop alone".to_owned()));
    }
}
