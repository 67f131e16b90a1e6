//! What is set or typed at one device, and stands at all of them.

use super::{ANA, BEN, code, friends, further, give_relay, others};
use symbolon_core::command::{Command, Reply, Who};
use symbolon_core::wire::Capabilities;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_tests::sim::run::Sim;

#[test]
fn what_is_set_on_one_device_is_so_on_all_also_on_one_that_was_away_or_comes_later() {
    let mut sim = friends(70);
    let set = |sim: &mut Sim, ix, change: Command| assert!(sim.command(ix, change).is_ok());
    let settings = |sim: &mut Sim, ix| match sim.command(ix, Command::Settings) {
        Ok(Reply::Settings(view)) => (view.asks_for_rooms, view.vouches),
        other => panic!("no settings: {:?}", other.err()),
    };
    set(&mut sim, ANA, Command::SetAsksForRooms(true));
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    assert_eq!(settings(&mut sim, laptop), (true, true), "what was set before it came");
    sim.stop(laptop, DAY);
    set(&mut sim, ANA, Command::SetVouches(false));
    sim.crash(ANA, SECOND);
    sim.run_for(2 * DAY);
    assert_eq!(settings(&mut sim, laptop), (true, false), "what was set while it was away");
    // Apart, both set something: of the same thing what was set more often stands.
    sim.apart.insert((ANA, laptop));
    set(&mut sim, ANA, Command::SetVouches(true));
    for asks in [false, true, false] {
        set(&mut sim, laptop, Command::SetAsksForRooms(asks));
    }
    sim.run_for(HOUR);
    sim.apart.clear();
    sim.run_for(DAY);
    for ix in [ANA, laptop] {
        assert_eq!(settings(&mut sim, ix), (false, true));
    }
    assert_eq!(settings(&mut sim, BEN), (false, true), "a friend's are their own");
    let tablet = further(&mut sim, ANA, "Tablet");
    sim.run_for(MINUTE);
    assert_eq!(settings(&mut sim, tablet), (false, true));
}

#[test]
fn what_is_typed_and_not_sent_stands_at_all_devices_is_not_said_at_each_key_press_and_does_not_pile_up_for_one_that_is_away() {
    let mut sim = friends(71);
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    let ben = || Who("Ben".into());
    let write = |sim: &mut Sim, ix, text: &str| assert!(sim.command(ix, Command::Draft { to: ben(), text: text.into() }).is_ok());
    let drafts = |sim: &mut Sim, ix| match sim.command(ix, Command::Drafts) {
        Ok(Reply::Drafts(drafts)) => drafts.into_iter().map(|draft| draft.text).collect::<Vec<_>>().join("|"),
        other => panic!("no drafts: {:?}", other.err()),
    };
    let status = |sim: &mut Sim, ix| match sim.command(ix, Command::Status) {
        Ok(Reply::Status(status)) => {
            (status.sent_frames.iter().find(|(kind, _)| *kind == "own_drafts").map_or(0, |(_, count)| *count), status.queue)
        }
        other => panic!("no status: {:?}", other.err()),
    };
    let (before, _) = status(&mut sim, ANA);
    let words = "half a sentence of what is to be said";
    for end in 1..=words.len() {
        write(&mut sim, ANA, &words[..end]);
        sim.run_for(100);
    }
    sim.run_for(5 * SECOND);
    let (after, _) = status(&mut sim, ANA);
    assert_eq!(drafts(&mut sim, laptop), words);
    assert!((1..=3).contains(&(after - before)), "{} frames for {} key presses", after - before, words.len());
    // It goes on at the other device, is sent there, and is gone at both; nobody else has seen anything of it.
    write(&mut sim, laptop, "half a sentence, and the rest");
    sim.run_for(10 * SECOND);
    assert_eq!(drafts(&mut sim, ANA), "half a sentence, and the rest");
    assert!(sim.say(laptop, BEN, "half a sentence, and the rest.").is_some());
    sim.run_for(10 * SECOND);
    assert_eq!([ANA, laptop, BEN].map(|ix| drafts(&mut sim, ix)), ["", "", ""]);
    assert_eq!(status(&mut sim, ANA).0, after, "what was heard is not said back");
    // While it is away one of them waits, and what stands at last is said once that is taken; over a crash as well.
    sim.stop(laptop, DAY);
    sim.run_for(MINUTE);
    let (_, queue) = status(&mut sim, ANA);
    for n in 0..100 {
        write(&mut sim, ANA, &format!("version {n}"));
        sim.run_for(10 * SECOND);
    }
    assert!(status(&mut sim, ANA).1 <= queue + 1);
    sim.crash(ANA, SECOND);
    sim.run_for(2 * DAY);
    assert_eq!(drafts(&mut sim, laptop), "version 99");
    // Apart, both write: one of them stands at both.
    sim.apart.insert((ANA, laptop));
    write(&mut sim, ANA, "at the first");
    write(&mut sim, laptop, "at the other");
    write(&mut sim, laptop, "at the other, twice");
    sim.run_for(HOUR);
    sim.apart.clear();
    sim.run_for(DAY);
    assert_eq!([ANA, laptop].map(|ix| drafts(&mut sim, ix)), ["at the other, twice"; 2]);
    // One that comes later has it; while its build is older it is said nothing.
    let tablet = sim.add_prepared("Tablet", |node| node.takes = Some(Capabilities(Capabilities::OURS.0 & !Capabilities::DRAFTS.0)));
    give_relay(&mut sim, tablet);
    sim.run_for(MINUTE);
    let code = code(&mut sim, ANA);
    assert!(sim.command(tablet, Command::DeviceJoin(code)).is_ok());
    assert!(sim.run_until(5 * MINUTE, |sim| others(sim, tablet) > 1));
    sim.nodes[tablet].peer = sim.nodes[ANA].peer;
    sim.run_for(MINUTE);
    assert_eq!(drafts(&mut sim, tablet), "");
    sim.nodes[tablet].takes = None;
    sim.crash(tablet, SECOND);
    sim.run_for(MINUTE);
    assert_eq!(drafts(&mut sim, tablet), "at the other, twice");
}
