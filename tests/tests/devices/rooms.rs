//! What devices of one person tell each other about shared rooms: texts from before they came, what was read, what was set.

use super::*;
use symbolon_core::command::{MessageView, RoomView};
use symbolon_core::table::Table;
use symbolon_core::wire::Capabilities;
use symbolon_relay::frame::Frame;

fn rooms(sim: &mut Sim, ix: Ix) -> Vec<RoomView> {
    match sim.command(ix, Command::Rooms) {
        Ok(Reply::Rooms(rooms)) => rooms,
        other => panic!("no rooms: {:?}", other.err()),
    }
}

fn room(sim: &mut Sim, ix: Ix, name: &str) -> Option<RoomView> {
    rooms(sim, ix).into_iter().find(|room| room.name == name)
}

fn standing(sim: &mut Sim, ix: Ix) -> Option<RoomStanding> {
    room(sim, ix, "Crew").map(|room| room.standing)
}

/// What the user sees of the room's settings and of what is unread there.
fn seen(sim: &mut Sim, ix: Ix) -> Option<(u32, bool, bool)> {
    room(sim, ix, "Crew").map(|room| (room.unread, room.is_muted, room.is_archived))
}

fn history(sim: &mut Sim, ix: Ix) -> Vec<MessageView> {
    let read = Command::Read { who: Some(Who("Crew".into())), since: None, limit: None, peek: true };
    match sim.command(ix, read) {
        Ok(Reply::Messages(views)) => views.into_iter().filter(|view| !view.is_line).collect(),
        _ => Vec::new(),
    }
}

/// The room's texts with who has written each, and whether it was read.
fn shown(sim: &mut Sim, ix: Ix) -> BTreeSet<(String, String, bool)> {
    let all = history(sim, ix);
    let texts: BTreeSet<_> =
        all.iter().map(|view| (view.text.clone(), view.from.to_string(), view.mine || view.state == MessageState::Read)).collect();
    assert_eq!(texts.len(), all.len(), "each text is there once");
    texts
}

/// These devices of one person come to show the same room.
fn agree(sim: &mut Sim, who: &[Ix], texts: usize) {
    let is_so = |sim: &mut Sim| {
        let all: Vec<_> = who.iter().map(|ix| (shown(sim, *ix), seen(sim, *ix))).collect();
        all[0].0.len() == texts && all.windows(2).all(|pair| pair[0] == pair[1])
    };
    let done = sim.run_until(6 * HOUR, is_so);
    let counts: Vec<_> = who.iter().map(|ix| (shown(sim, *ix).len(), seen(sim, *ix))).collect();
    assert!(done, "{counts:?}");
}

pub fn create(sim: &mut Sim, by: Ix, who: &str) {
    assert!(sim.command(by, Command::RoomCreate("Crew".into())).is_ok());
    assert!(sim.command(by, Command::RoomAdd { room: Who("Crew".into()), who: vec![Who(who.into())] }).is_ok());
}

pub fn come_in(sim: &mut Sim, who: &[Ix]) {
    let are_in = |sim: &mut Sim| who.iter().all(|ix| standing(sim, *ix) == Some(RoomStanding::Member));
    assert!(sim.run_until(HOUR, are_in), "all come in");
}

fn read(sim: &mut Sim, ix: Ix, limit: Option<usize>) {
    assert!(sim.command(ix, Command::Read { who: Some(Who("Crew".into())), since: None, limit, peek: false }).is_ok());
}

fn set(sim: &mut Sim, ix: Ix, muted: Option<bool>, archived: Option<bool>) {
    assert!(sim.command(ix, Command::RoomNote { room: Who("Crew".into()), muted, archived }).is_ok());
}

/// The fewest frames in an hour that put something into somebody's mailbox while nothing happens. Not each hour is silent: rooms of two
/// renew their keys now and then.
fn puts_at_rest(sim: &mut Sim) -> usize {
    sim.run_for(DAY);
    let hour = |_| {
        sim.wire = Some(Vec::new());
        sim.run_for(HOUR);
        let wire = sim.wire.take().unwrap();
        wire.iter().filter(|sent| matches!(Frame::decode(&sent.bytes), Ok(Frame::Put(_)))).count()
    };
    (0..3).map(hour).min().unwrap()
}

#[test]
fn s0_32_a_device_that_comes_late_has_what_was_said_in_a_room_before_each_text_once_through_crashes() {
    let mut sim = friends(61);
    create(&mut sim, ANA, "Ben");
    come_in(&mut sim, &[ANA, BEN]);
    for n in 0..150 {
        say(&mut sim, if n % 3 == 0 { ANA } else { BEN }, "Crew", &format!("before {n}"));
    }
    sim.run_for(HOUR);
    // The first hundred are read.
    assert!(sim.command(ANA, Command::Read { who: Some(Who("Crew".into())), since: None, limit: None, peek: true }).is_ok());
    let hundred: Vec<MessageId> = history(&mut sim, ANA).into_iter().skip(100).map(|view| view.message).collect();
    read(&mut sim, ANA, None);
    say(&mut sim, BEN, "Crew", "unread 1");
    say(&mut sim, BEN, "Crew", "unread 2");
    set(&mut sim, ANA, Some(true), None);
    sim.run_for(MINUTE);
    assert_eq!((seen(&mut sim, ANA), hundred.len()), (Some((2, true, false)), 50));

    let laptop = further(&mut sim, ANA, "Laptop");
    for n in 0..6 {
        sim.run_for(300);
        sim.crash(if n % 2 == 0 { laptop } else { ANA }, SECOND);
        sim.run_for(2 * SECOND);
    }
    say(&mut sim, BEN, "Crew", "to both");
    agree(&mut sim, &[ANA, laptop], 153);
    come_in(&mut sim, &[ANA, laptop]);
    assert_eq!(seen(&mut sim, laptop), Some((3, true, false)), "what was read is read, and what was not is not");
    // A third one, while the first is away: it has all of it from the second.
    let tablet = further(&mut sim, ANA, "Tablet");
    sim.run_for(SECOND);
    sim.stop(ANA, 2 * DAY);
    sim.run_for(MINUTE);
    say(&mut sim, laptop, "Crew", "from the laptop");
    agree(&mut sim, &[laptop, tablet], 154);
    sim.run_for(3 * DAY);
    agree(&mut sim, &[ANA, laptop, tablet], 154);
    assert_eq!(shown(&mut sim, BEN).len(), 154, "the friend has no text twice either");
    assert_eq!(puts_at_rest(&mut sim), 0, "and then nobody says anything more");
}

#[test]
fn s0_32_what_is_read_muted_and_put_away_on_one_device_is_so_on_the_others_and_nothing_echoes() {
    let mut sim = friends(62);
    let laptop = further(&mut sim, ANA, "Laptop");
    let tablet = further(&mut sim, ANA, "Tablet");
    sim.run_for(10 * MINUTE);
    create(&mut sim, BEN, "Ana");
    let all = [ANA, laptop, tablet];
    come_in(&mut sim, &all);
    let mine = say(&mut sim, BEN, "Crew", "one");
    say(&mut sim, BEN, "Crew", "two");
    sim.run_for(MINUTE);
    for ix in all {
        assert_eq!(seen(&mut sim, ix), Some((2, false, false)), "{ix}");
    }
    read(&mut sim, laptop, None);
    set(&mut sim, tablet, None, Some(true));
    sim.run_for(MINUTE);
    for ix in all {
        assert_eq!(seen(&mut sim, ix), Some((0, false, true)), "{ix}");
    }
    assert_eq!(state(&mut sim, BEN, mine), Some(MessageState::Read));
    // One that is off reads later what the others have read, and what it has not.
    sim.stop(ANA, HOUR);
    sim.run_for(MINUTE);
    say(&mut sim, BEN, "Crew", "three");
    sim.run_for(MINUTE);
    read(&mut sim, tablet, None);
    say(&mut sim, BEN, "Crew", "four");
    set(&mut sim, laptop, Some(true), Some(false));
    sim.run_for(2 * HOUR);
    agree(&mut sim, &all, 4);
    assert_eq!(seen(&mut sim, ANA), Some((1, true, false)));
    assert_eq!(puts_at_rest(&mut sim), 0, "nothing is said back");
}

#[test]
fn s0_32_two_devices_that_set_a_room_while_they_are_apart_agree_in_the_end() {
    let mut sim = friends(63);
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(10 * MINUTE);
    create(&mut sim, BEN, "Ana");
    come_in(&mut sim, &[ANA, laptop]);
    sim.stop(laptop, 2 * HOUR);
    sim.run_for(MINUTE);
    set(&mut sim, ANA, Some(true), None);
    sim.stop(ANA, 3 * HOUR);
    sim.run_for(2 * HOUR);
    set(&mut sim, laptop, None, Some(true));
    set(&mut sim, laptop, Some(true), None);
    sim.run_for(2 * HOUR);
    for ix in [ANA, laptop] {
        assert_eq!(seen(&mut sim, ix), Some((0, true, true)), "what was changed more often stands at {ix}");
    }
    sim.stop(ANA, MINUTE);
    sim.run_for(HOUR);
    set(&mut sim, ANA, Some(false), None);
    sim.run_for(MINUTE);
    assert_eq!(seen(&mut sim, laptop), Some((0, false, true)), "also after a start");
}

#[test]
fn s0_32_a_room_that_was_left_stays_readable_on_a_device_that_comes_later_and_is_entered_again() {
    let mut sim = friends(64);
    create(&mut sim, BEN, "Ana");
    come_in(&mut sim, &[ANA, BEN]);
    say(&mut sim, BEN, "Crew", "from Ben");
    say(&mut sim, ANA, "Crew", "from Ana");
    sim.run_for(MINUTE);
    assert!(sim.command(ANA, Command::RoomLeave(Who("Crew".into()))).is_ok());
    assert!(sim.run_until(HOUR, |sim| standing(sim, ANA) == Some(RoomStanding::Left)));
    let laptop = further(&mut sim, ANA, "Laptop");
    agree(&mut sim, &[ANA, laptop], 2);
    assert_eq!(standing(&mut sim, laptop), Some(RoomStanding::Left));
    let refused = sim.command(laptop, Command::Send { to: Who("Crew".into()), text: "hello?".into(), lifetime: None }).err();
    assert_eq!(refused, Some(CommandError::NotInRoom));
    sim.run_for(10 * MINUTE);
    assert!(sim.command(BEN, Command::RoomAdd { room: Who("Crew".into()), who: vec![Who("Ana".into())] }).is_ok());
    come_in(&mut sim, &[ANA, laptop]);
    say(&mut sim, laptop, "Crew", "here again");
    all_have(&mut sim, &[BEN], &["here again"]);
    agree(&mut sim, &[ANA, laptop], 3);
    // Removed, and later removed as a device: what was said stays in both cases.
    assert!(sim.command(BEN, Command::RoomRemove { room: Who("Crew".into()), who: vec![Who("Ana".into())] }).is_ok());
    assert!(sim.run_until(HOUR, |sim| [ANA, laptop].iter().all(|ix| standing(sim, *ix) == Some(RoomStanding::Removed))));
    let tablet = further(&mut sim, ANA, "Tablet");
    agree(&mut sim, &[ANA, laptop, tablet], 3);
    assert_eq!(standing(&mut sim, tablet), Some(RoomStanding::Removed));
    assert!(sim.command(ANA, Command::DeviceRemove("Tablet".into())).is_ok());
    sim.run_for(HOUR);
    assert_eq!(shown(&mut sim, tablet).len(), 3);
}

#[test]
fn s0_32_a_room_that_a_further_device_may_not_enter_is_read_there_and_entered_once_it_may() {
    let mut sim = friends(65);
    let old = Capabilities(Capabilities::OURS.0 & !Capabilities::DEVICES.0);
    sim.nodes[BEN].takes = Some(old);
    sim.crash(BEN, SECOND);
    sim.run_for(HOUR);
    assert!(sim.command(ANA, Command::SetAsksForRooms(true)).is_ok());
    create(&mut sim, BEN, "Ana");
    assert!(sim.run_until(HOUR, |sim| standing(sim, ANA) == Some(RoomStanding::Asked)));
    let laptop = further(&mut sim, ANA, "Laptop");
    say(&mut sim, BEN, "Crew", "before she has said yes");
    say(&mut sim, BEN, "Ana", "and besides");
    all_have(&mut sim, &[laptop], &["and besides"]);
    sim.run_for(HOUR);
    assert_eq!(standing(&mut sim, laptop), None, "nothing is shown of what its user is asked about");
    let Ok(Reply::Requests(requests)) = sim.command(ANA, Command::Requests) else { panic!("no requests") };
    let question = requests.iter().find(|view| view.room.is_some()).unwrap().request;
    assert!(sim.command(ANA, Command::Accept(question)).is_ok());
    sim.run_for(MINUTE);
    assert_eq!(standing(&mut sim, laptop), Some(RoomStanding::Elsewhere));
    agree(&mut sim, &[ANA, laptop], 1);
    say(&mut sim, BEN, "Crew", "while it is outside");
    say(&mut sim, ANA, "Crew", "I am in");
    agree(&mut sim, &[ANA, laptop], 3);
    read(&mut sim, laptop, None);
    sim.run_for(MINUTE);
    assert_eq!(seen(&mut sim, ANA), Some((0, false, false)), "read where it was read");
    sim.nodes[BEN].takes = None;
    sim.crash(BEN, SECOND);
    sim.run_for(MINUTE);
    // What his build takes is said in the room with what he is called.
    assert!(sim.command(BEN, Command::SetName("Benno".into())).is_ok());
    come_in(&mut sim, &[laptop]);
    say(&mut sim, BEN, "Crew", "welcome");
    agree(&mut sim, &[ANA, laptop], 4);
    assert_eq!(shown(&mut sim, BEN).len(), 4);
    assert_eq!(puts_at_rest(&mut sim), 0);
}

#[test]
fn s0_32_a_device_of_an_older_build_hears_nothing_of_rooms_and_everything_once_it_is_new() {
    let mut sim = friends(66);
    create(&mut sim, BEN, "Ana");
    come_in(&mut sim, &[ANA, BEN]);
    for n in 0..70 {
        say(&mut sim, BEN, "Crew", &format!("before {n}"));
    }
    sim.run_for(MINUTE);
    let laptop = sim.add_prepared("Laptop", |node| node.takes = Some(Capabilities(Capabilities::OURS.0 & !Capabilities::OWN_ROOMS.0)));
    give_relay(&mut sim, laptop);
    sim.run_for(MINUTE);
    let code = code(&mut sim, ANA);
    assert!(sim.command(laptop, Command::DeviceJoin(code)).is_ok());
    assert!(sim.run_until(5 * MINUTE, |sim| others(sim, laptop) > 0));
    sim.nodes[laptop].peer = sim.nodes[ANA].peer;
    come_in(&mut sim, &[laptop]);
    say(&mut sim, BEN, "Crew", "both are in");
    sim.run_for(HOUR);
    read(&mut sim, ANA, None);
    sim.run_for(HOUR);
    assert_eq!(shown(&mut sim, laptop).len(), 1, "what it has as a member");
    assert_eq!(seen(&mut sim, laptop), Some((1, false, false)));
    sim.nodes[laptop].takes = None;
    sim.crash(laptop, SECOND);
    sim.run_for(MINUTE);
    agree(&mut sim, &[ANA, laptop], 71);
    assert_eq!(seen(&mut sim, laptop), Some((0, false, false)), "what was read meanwhile is read");
}

#[test]
fn what_waits_for_a_device_that_is_away_does_not_grow_with_the_starts_of_the_others() {
    let mut sim = friends(69);
    let laptop = further(&mut sim, ANA, "Laptop");
    create(&mut sim, BEN, "Ana");
    come_in(&mut sim, &[ANA, laptop]);
    sim.run_for(HOUR);
    sim.stop(laptop, 400 * DAY);
    say(&mut sim, BEN, "Crew", "while it is off");
    say(&mut sim, BEN, "Ana", "and to one person");
    sim.run_for(HOUR);
    let restart = |sim: &mut Sim| {
        sim.crash(ANA, SECOND);
        sim.run_for(MINUTE);
        sim.nodes[ANA].store.count(Table::Outbox)
    };
    let once = restart(&mut sim);
    assert!(once > 0, "texts wait for it");
    let often = (0..30).map(|_| restart(&mut sim)).max();
    assert_eq!(often, Some(once));
}

#[test]
fn s0_32_three_devices_in_a_room_agree_however_the_network_is_and_whoever_crashes() {
    for seed in [67, 68] {
        let mut sim = friends(seed);
        let laptop = further(&mut sim, ANA, "Laptop");
        sim.run_for(10 * MINUTE);
        create(&mut sim, BEN, "Ana");
        come_in(&mut sim, &[ANA, laptop]);
        sim.faults = Faults::ROUGH;
        let mut all = vec![ANA, laptop];
        let mut count = 0;
        for n in 0..36 {
            let who = [BEN, ANA, laptop][n % 3];
            let text = || Command::Send { to: Who("Crew".into()), text: format!("{n}"), lifetime: None };
            // A crash may come behind the commit: then it was said.
            let is_said = |sim: &mut Sim| history(sim, who).iter().any(|view| view.text == format!("{n}"));
            while sim.command(who, text()).is_err() && !sim.run_until(SECOND, is_said) {}
            count += 1;
            match n % 9 {
                1 => drop(
                    sim.command(all[n % all.len()], Command::Read { who: Some(Who("Crew".into())), since: None, limit: None, peek: false }),
                ),
                4 => drop(sim.command(laptop, Command::RoomNote { room: Who("Crew".into()), muted: Some(n % 2 == 0), archived: None })),
                6 => sim.crash(all[n % all.len()], SECOND),
                7 => sim.crash(BEN, SECOND),
                _ => {}
            }
            sim.run_for(5 * SECOND);
            if n == 18 {
                sim.faults = Faults::NONE;
                sim.run_for(MINUTE);
                all.push(further(&mut sim, ANA, "Tablet"));
                sim.faults = Faults::ROUGH;
            }
        }
        sim.run_for(HOUR);
        sim.faults = Faults::NONE;
        // Who has just crashed is up again.
        sim.run_for(MINUTE);
        agree(&mut sim, &all, count);
        read(&mut sim, all[2], None);
        sim.run_for(HOUR);
        agree(&mut sim, &all, count);
        assert_eq!(seen(&mut sim, ANA).map(|seen| seen.0), Some(0));
    }
}
