//! Several devices of one person: paired, given everything, acting apart, removed.
//!
//! What each story must show: every text is on every device of everyone it was for, once; what one device does the others
//! know; a device that is gone reads nothing new.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "devices/apart.rs"]
mod apart;
#[path = "devices/many.rs"]
mod many;
#[path = "devices/meeting.rs"]
mod meeting;
#[path = "devices/pairing.rs"]
mod pairing;
#[path = "devices/removal.rs"]
mod removal;
#[path = "devices/renewal.rs"]
mod renewal;
#[path = "devices/rooms.rs"]
mod rooms;
#[path = "devices/settings.rs"]
mod settings;

use std::collections::BTreeSet;
use symbolon_core::command::{
    Command, CommandError, FriendView, JoiningView, MessageState, OwnDeviceView, OwnDevicesView, PairingView, RelayState, Reply,
    RoomStanding, Trust, Who,
};
use symbolon_core::seam::{Event, Warning};
use symbolon_presence::id::MessageId;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

const ANA: Ix = 0;
const BEN: Ix = 1;

/// Two friends, each with a relay, in a world with a DHT.
fn friends(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.lookup.is_there = true;
    for name in ["Ana", "Ben"] {
        sim.add(name);
    }
    for ix in [ANA, BEN] {
        give_relay(&mut sim, ix);
    }
    sim.run_for(MINUTE);
    sim.befriend(ANA, BEN);
    sim.run_for(MINUTE);
    sim
}

fn give_relay(sim: &mut Sim, ix: Ix) {
    let (_, link) = sim.add_relay();
    assert!(sim.command(ix, Command::RelayAdd { link, claim: None }).is_ok());
}

fn code(sim: &mut Sim, ix: Ix) -> String {
    match sim.command(ix, Command::DevicePair { tell: None }) {
        Ok(Reply::Paired(PairingView { code, .. })) => code,
        other => panic!("no code: {:?}", other.err()),
    }
}

fn devices(sim: &mut Sim, ix: Ix) -> (Vec<OwnDeviceView>, Option<JoiningView>) {
    match sim.command(ix, Command::Devices) {
        Ok(Reply::Devices(OwnDevicesView { devices, joining })) => (devices, joining),
        other => panic!("no devices: {:?}", other.err()),
    }
}

fn others(sim: &mut Sim, ix: Ix) -> usize {
    devices(sim, ix).0.iter().filter(|view| !view.this && view.settled && view.removed.is_none()).count()
}

fn friend_views(sim: &mut Sim, ix: Ix) -> Vec<FriendView> {
    match sim.command(ix, Command::Friends) {
        Ok(Reply::Friends(views)) => views,
        other => panic!("no friends: {:?}", other.err()),
    }
}

/// A further device of somebody, with a relay of its own.
fn further(sim: &mut Sim, first: Ix, name: &str) -> Ix {
    let ix = sim.add(name);
    give_relay(sim, ix);
    sim.run_for(MINUTE);
    let before = others(sim, first);
    let code = code(sim, first);
    assert!(sim.command(ix, Command::DeviceJoin(code)).is_ok());
    let done = sim.run_until(5 * MINUTE, |sim| others(sim, ix) > 0 && others(sim, first) > before);
    assert!(done, "{:?}", devices(sim, ix).1);
    sim.nodes[ix].peer = sim.nodes[first].peer;
    ix
}

fn say(sim: &mut Sim, from: Ix, to: &str, text: &str) -> MessageId {
    match sim.command(from, Command::Send { to: Who(to.into()), text: text.into(), lifetime: None }) {
        Ok(Reply::Message(view)) => view.message,
        other => panic!("{text} is not taken: {:?}", other.err()),
    }
}

/// The texts of a device, each shown once.
fn texts(sim: &mut Sim, ix: Ix) -> Vec<String> {
    let all = sim.history(ix);
    let once: BTreeSet<MessageId> = all.iter().map(|view| view.message).collect();
    assert_eq!(once.len(), all.len(), "each is shown once");
    all.into_iter().filter(|view| !view.is_line).map(|view| view.text).collect()
}

fn has_all(sim: &mut Sim, ix: Ix, wanted: &BTreeSet<String>) -> bool {
    let there: BTreeSet<String> = texts(sim, ix).into_iter().collect();
    there.is_superset(wanted)
}

/// Every one of these devices comes to have these texts.
fn all_have(sim: &mut Sim, who: &[Ix], wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
    let done = sim.run_until(6 * HOUR, |sim| who.iter().all(|ix| has_all(sim, *ix, &wanted)));
    let mut lacks = Vec::new();
    for ix in who {
        let there: BTreeSet<String> = texts(sim, *ix).into_iter().collect();
        lacks.extend(wanted.difference(&there).map(|text| (*ix, text.clone())));
    }
    assert!(done && lacks.is_empty(), "{lacks:?}");
}

fn state(sim: &mut Sim, ix: Ix, message: MessageId) -> Option<MessageState> {
    sim.history(ix).into_iter().find(|view| view.message == message).map(|view| view.state)
}

fn warned(sim: &Sim, ix: Ix, warning: Warning) -> usize {
    sim.events[ix].iter().filter(|event| **event == Event::Warning(warning)).count()
}

#[test]
fn a_new_device_has_friends_history_and_name_and_both_talk_with_the_friend() {
    let mut sim = friends(1);
    for n in 0..70 {
        say(&mut sim, if n % 2 == 0 { ANA } else { BEN }, if n % 2 == 0 { "Ben" } else { "Ana" }, &format!("before {n}"));
    }
    assert!(sim.command(ANA, Command::Rename { friend: Who("Ben".into()), name: "Benny".into() }).is_ok());
    sim.run_for(MINUTE);
    let laptop = further(&mut sim, ANA, "Laptop");
    for ix in [ANA, laptop] {
        assert_eq!(warned(&sim, ix, Warning::OwnDeviceCame), 1, "every device shows the newcomer");
    }
    let before: Vec<String> = (0..70).map(|n| format!("before {n}")).collect();
    all_have(&mut sim, &[laptop], &before.iter().map(String::as_str).collect::<Vec<_>>());
    let done = sim.run_until(5 * MINUTE, |sim| friend_views(sim, laptop).iter().any(|view| view.mutual));
    assert!(done, "it is a friend of the friend's");
    let Ok(Reply::Identity(me)) = sim.command(laptop, Command::Identity) else { panic!() };
    let Ok(Reply::Identity(first)) = sim.command(ANA, Command::Identity) else { panic!() };
    assert_eq!((me.id, me.words, me.name), (first.id, first.words, first.name), "one person");
    assert_ne!(me.device, first.device);
    for (ix, name) in [(ANA, "Benny"), (laptop, "Benny"), (BEN, "Ana")] {
        let views = friend_views(&mut sim, ix);
        assert_eq!(views.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(), [name], "{ix} shows one friend");
    }
    let from_laptop = say(&mut sim, laptop, "Benny", "from the laptop");
    say(&mut sim, ANA, "Benny", "from the phone");
    let to_both = say(&mut sim, BEN, "Ana", "to both");
    all_have(&mut sim, &[ANA, laptop, BEN], &["from the laptop", "from the phone", "to both"]);
    sim.run_for(MINUTE);
    for ix in [ANA, laptop] {
        assert_eq!(state(&mut sim, ix, from_laptop), Some(MessageState::Delivered), "how far it got is known on both");
    }
    assert_eq!(state(&mut sim, BEN, to_both), Some(MessageState::Delivered));
    for view in sim.history(BEN) {
        assert!(view.mine || view.from == first.id, "the person has written it, whichever device has sent it");
    }
}

#[test]
fn a_device_that_gets_another_name_shows_it_on_all_devices() {
    let mut sim = friends(15);
    let laptop = further(&mut sim, ANA, "Laptop");
    let name = |sim: &mut Sim, at: Ix, first: bool| devices(sim, at).0.into_iter().find(|view| view.first == first).unwrap().name;
    assert!(sim.command(laptop, Command::DeviceRename("Travel".into())).is_ok());
    assert!(sim.run_until(MINUTE, |sim| name(sim, ANA, false) == "Travel"), "the other one shows it");
    sim.set_apart(ANA, laptop, true);
    assert!(sim.command(ANA, Command::DeviceRename("Home".into())).is_ok());
    sim.run_for(MINUTE);
    sim.set_apart(ANA, laptop, false);
    assert!(sim.run_until(HOUR, |sim| name(sim, laptop, true) == "Home"), "also later");
}

#[test]
fn a_device_that_calls_itself_by_the_id_of_another_one_is_not_taken_for_it() {
    let mut sim = friends(4);
    let (laptop, tablet) = (further(&mut sim, ANA, "Laptop"), further(&mut sim, ANA, "Tablet"));
    sim.run_for(HOUR);
    let id = |sim: &mut Sim, ix| devices(sim, ix).0.into_iter().find(|view| view.this).unwrap().device.to_string();
    let meant = id(&mut sim, laptop);
    assert!(sim.command(tablet, Command::DeviceRename(meant.clone())).is_ok());
    sim.run_for(HOUR);
    assert!(sim.command(ANA, Command::DeviceRemove(meant)).is_ok());
    sim.run_for(HOUR);
    assert_eq!([laptop, tablet].map(|ix| warned(&sim, ix, Warning::RemovedHere)), [1, 0]);
}

#[test]
fn what_one_device_does_with_a_friend_the_other_one_knows() {
    let mut sim = friends(2);
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    let words = {
        let Ok(Reply::Identity(ben)) = sim.command(BEN, Command::Identity) else { panic!() };
        ben.words
    };
    assert!(sim.command(laptop, Command::Verify { friend: Who("Ben".into()), words: Some(words) }).is_ok());
    assert!(sim.command(ANA, Command::SetName("Anna".into())).is_ok());
    let text = say(&mut sim, BEN, "Ana", "read me");
    sim.run_for(MINUTE);
    assert_eq!(friend_views(&mut sim, laptop)[0].unread, 1);
    assert!(sim.command(ANA, Command::Read { who: None, since: None, limit: None, peek: false }).is_ok());
    sim.run_for(MINUTE);
    assert_eq!(friend_views(&mut sim, laptop)[0].unread, 0, "read on one is read on both");
    assert_eq!(state(&mut sim, BEN, text), Some(MessageState::Read));
    assert_eq!(friend_views(&mut sim, ANA)[0].trust, Trust::Verified);
    let Ok(Reply::Identity(me)) = sim.command(laptop, Command::Identity) else { panic!() };
    assert_eq!(me.name, "Anna");
    assert!(sim.command(laptop, Command::Unfriend(Who("Ben".into()))).is_ok());
    sim.run_for(MINUTE);
    assert!(friend_views(&mut sim, ANA).is_empty() && friend_views(&mut sim, laptop).is_empty());
    let late = say(&mut sim, BEN, "Ana", "too late");
    sim.run_for(HOUR);
    assert_ne!(state(&mut sim, BEN, late), Some(MessageState::Delivered));
    assert!(!texts(&mut sim, ANA).contains(&"too late".to_owned()) && !texts(&mut sim, laptop).contains(&"too late".to_owned()));
}

#[test]
fn devices_that_were_apart_for_weeks_agree_and_lack_no_text() {
    let mut sim = friends(3);
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    // The phone is off while the laptop talks, then the other way round.
    for (off, on, word) in [(ANA, laptop, "laptop"), (laptop, ANA, "phone")] {
        sim.stop(off, 20 * DAY);
        sim.run_for(DAY);
        say(&mut sim, on, "Ben", &format!("from the {word}"));
        say(&mut sim, BEN, "Ana", &format!("to the {word}"));
        assert!(sim.command(on, Command::Rename { friend: Who("Ben".into()), name: format!("Ben {word}") }).is_ok());
        sim.run_for(20 * DAY);
        assert!(sim.command(on, Command::Rename { friend: Who(format!("Ben {word}")), name: "Ben".into() }).is_ok());
        sim.run_for(HOUR);
    }
    all_have(&mut sim, &[ANA, laptop, BEN], &["from the laptop", "to the laptop", "from the phone", "to the phone"]);
    sim.run_for(HOUR);
    for ix in [ANA, laptop] {
        assert_eq!(friend_views(&mut sim, ix)[0].name, "Ben");
    }
}

#[test]
fn four_devices_of_two_people_all_have_every_text_once_however_the_network_is() {
    let mut sim = friends(4);
    let laptop = further(&mut sim, ANA, "Laptop");
    let tablet = further(&mut sim, BEN, "Tablet");
    let all = [ANA, BEN, laptop, tablet];
    sim.run_for(10 * MINUTE);
    sim.faults = Faults::ROUGH;
    let mut said = Vec::new();
    for n in 0..24 {
        let from = all[n % 4];
        let text = format!("{from} says {n}");
        let to = if from == ANA || from == laptop { "Ben" } else { "Ana" };
        while sim.command(from, Command::Send { to: Who(to.into()), text: text.clone(), lifetime: None }).is_err() {
            sim.run_for(SECOND);
        }
        said.push(text);
        sim.run_for(5 * SECOND);
    }
    sim.run_for(HOUR);
    sim.faults = Faults::NONE;
    all_have(&mut sim, &all, &said.iter().map(String::as_str).collect::<Vec<_>>());
    for ix in all {
        assert_eq!(friend_views(&mut sim, ix).len(), 1, "one friend at {ix}");
    }
}

#[test]
fn rooms_have_all_devices_and_a_device_that_is_gone_is_taken_out() {
    let mut sim = friends(8);
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(5 * MINUTE);
    assert!(sim.command(BEN, Command::RoomCreate("Crew".into())).is_ok());
    assert!(sim.command(BEN, Command::RoomAdd { room: Who("Crew".into()), who: vec![Who("Ana".into())] }).is_ok());
    let is_in = |sim: &mut Sim, ix: Ix| {
        let Ok(Reply::Rooms(rooms)) = sim.command(ix, Command::Rooms) else { panic!("no rooms") };
        rooms.len() == 1 && rooms[0].standing == RoomStanding::Member
    };
    assert!(sim.run_until(HOUR, |sim| is_in(sim, ANA) && is_in(sim, laptop)), "both devices come in");
    for (ix, text) in [(ANA, "phone in the room"), (laptop, "laptop in the room"), (BEN, "ben in the room")] {
        say(&mut sim, ix, "Crew", text);
    }
    all_have(&mut sim, &[ANA, laptop, BEN], &["phone in the room", "laptop in the room", "ben in the room"]);
    for ix in [ANA, laptop, BEN] {
        let Ok(Reply::Members(members)) = sim.command(ix, Command::RoomMembers(Who("Crew".into()))) else { panic!() };
        assert_eq!(members.len(), 2, "{ix} sees two people");
    }
    assert!(sim.command(ANA, Command::DeviceRemove("Laptop".into())).is_ok());
    sim.run_for(HOUR);
    say(&mut sim, BEN, "Crew", "without the laptop");
    all_have(&mut sim, &[ANA], &["without the laptop"]);
    sim.run_for(DAY);
    assert!(!texts(&mut sim, laptop).contains(&"without the laptop".to_owned()));
}

#[test]
fn a_new_friend_of_one_device_is_a_friend_of_all() {
    let mut sim = friends(9);
    let laptop = further(&mut sim, ANA, "Laptop");
    let cem = sim.add("Cem");
    give_relay(&mut sim, cem);
    sim.run_for(MINUTE);
    let link = match sim.command(laptop, Command::Invite { lifetime: DAY, no_ip: false, auto_accept: true }) {
        Ok(Reply::Invite { link, .. }) => link,
        other => panic!("{:?}", other.err()),
    };
    assert!(sim.command(cem, Command::Add { target: link, note: None }).is_ok());
    let knows = |sim: &mut Sim, ix: Ix| friend_views(sim, ix).iter().any(|view| view.name == "Cem" && view.mutual);
    assert!(sim.run_until(HOUR, |sim| knows(sim, laptop) && knows(sim, ANA)), "the first device has the laptop's friend");
    say(&mut sim, ANA, "Cem", "the phone here");
    say(&mut sim, cem, "Ana", "hello Ana");
    all_have(&mut sim, &[ANA, laptop, cem], &["the phone here", "hello Ana"]);
    let Ok(Reply::Identity(me)) = sim.command(ANA, Command::Identity) else { panic!() };
    let views = friend_views(&mut sim, cem);
    assert_eq!(
        views.iter().map(|view| (view.id, view.words.clone())).collect::<Vec<_>>(),
        [(me.id, me.words)],
        "one person, by their own id"
    );
}

#[test]
fn three_devices_of_one_person_know_each_other_and_go_on_when_the_first_one_is_off() {
    let mut sim = friends(10);
    let laptop = further(&mut sim, ANA, "Laptop");
    let tablet = further(&mut sim, ANA, "Tablet");
    let all = [ANA, laptop, tablet];
    assert!(sim.run_until(HOUR, |sim| all.iter().all(|ix| others(sim, *ix) == 2)), "each lists the two others");
    sim.run_for(10 * MINUTE);
    say(&mut sim, laptop, "Ben", "from the laptop");
    all_have(&mut sim, &[ANA, laptop, tablet, BEN], &["from the laptop"]);
    sim.stop(ANA, 30 * DAY);
    sim.run_for(MINUTE);
    assert!(sim.command(laptop, Command::Rename { friend: Who("Ben".into()), name: "Benny".into() }).is_ok());
    say(&mut sim, tablet, "Ben", "the phone is off");
    say(&mut sim, BEN, "Ana", "so it is");
    all_have(&mut sim, &[laptop, tablet, BEN], &["the phone is off", "so it is"]);
    assert_eq!(friend_views(&mut sim, tablet)[0].name, "Benny", "what one says the other one hears");
    // The older of the two can remove the younger one, not the other way round.
    assert_eq!(sim.command(tablet, Command::DeviceRemove("Laptop".into())).err(), Some(CommandError::OlderDevice));
    assert!(sim.command(laptop, Command::DeviceRemove("Tablet".into())).is_ok());
    sim.run_for(MINUTE);
    assert_eq!(warned(&sim, tablet, Warning::RemovedHere), 1);
    say(&mut sim, BEN, "Ana", "only for the laptop");
    all_have(&mut sim, &[laptop], &["only for the laptop"]);
    sim.run_for(31 * DAY);
    assert_eq!((others(&mut sim, ANA), others(&mut sim, laptop)), (1, 1), "the first device has heard of it");
    all_have(&mut sim, &[ANA], &["only for the laptop"]);
    assert!(!texts(&mut sim, tablet).contains(&"only for the laptop".to_owned()));
}

#[test]
fn a_new_device_without_a_relay_takes_those_of_the_first_and_goes_its_own_way_from_then_on() {
    let mut sim = friends(11);
    let laptop = sim.add("Laptop");
    sim.run_for(MINUTE);
    let code = code(&mut sim, ANA);
    assert!(sim.command(laptop, Command::DeviceJoin(code)).is_ok());
    let relays = |sim: &mut Sim, ix: Ix| match sim.command(ix, Command::Relays) {
        Ok(Reply::Relays(relays)) => relays,
        other => panic!("{:?}", other.err()),
    };
    assert!(sim.run_until(10 * MINUTE, |sim| relays(sim, laptop).len() == 1), "it has a mailbox there");
    sim.run_for(MINUTE);
    let (ours, firsts) = (relays(&mut sim, laptop), relays(&mut sim, ANA));
    assert_eq!((ours[0].relay, ours[0].state), (firsts[0].relay, RelayState::Connected));
    // Two that are never on at once write to each other through it.
    sim.run_for(10 * MINUTE);
    sim.stop(laptop, HOUR);
    sim.run_for(MINUTE);
    say(&mut sim, BEN, "Ana", "left for the laptop");
    sim.run_for(MINUTE);
    for ix in [ANA, BEN] {
        sim.stop(ix, 2 * HOUR);
    }
    sim.run_for(HOUR + MINUTE);
    assert!(texts(&mut sim, laptop).contains(&"left for the laptop".to_owned()));
    sim.run_for(HOUR);
    assert!(sim.command(laptop, Command::RelayRemove(ours[0].relay.to_string())).is_ok());
    sim.stop(laptop, MINUTE);
    sim.run_for(HOUR);
    assert!(relays(&mut sim, laptop).is_empty(), "what it has given up does not come back");
}

#[test]
fn an_older_copy_of_the_first_device_gives_no_serial_that_the_newer_state_may_have_given() {
    let mut sim = friends(40);
    let copy = sim.copy(ANA);
    let own = |sim: &mut Sim, ix: Ix| devices(sim, ix).0.into_iter().find(|view| view.this).map(|view| view.serial).unwrap();
    let laptop = further(&mut sim, ANA, "Laptop");
    let newer = own(&mut sim, laptop);
    // Its disk is put back as it was; a friend has seen more of it.
    say(&mut sim, ANA, "Ben", "from the newer state");
    sim.run_for(MINUTE);
    sim.put_back(ANA, &copy, SECOND);
    sim.run_for(5 * MINUTE);
    say(&mut sim, BEN, "Ana", "where are you?");
    sim.run_for(5 * MINUTE);
    let phone = further(&mut sim, ANA, "Phone");
    let given = own(&mut sim, phone);
    assert!(given > newer + (1 << 39), "{given} is not far above {newer}");
}
