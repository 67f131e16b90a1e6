//! Devices that are removed, stolen or shut out by a friend.

use super::*;

#[test]
fn a95_a_device_that_is_gone_reads_nothing_new_and_says_so_and_the_friend_talks_on() {
    let mut sim = friends(6);
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    say(&mut sim, BEN, "Ana", "for both");
    all_have(&mut sim, &[ANA, laptop], &["for both"]);
    let first = devices(&mut sim, ANA).0[0].device.to_string();
    assert_eq!(sim.command(laptop, Command::DeviceRemove(first)).err(), Some(CommandError::OlderDevice));
    assert!(sim.command(ANA, Command::DeviceRemove("Laptop".into())).is_ok());
    sim.run_for(MINUTE);
    assert_eq!(others(&mut sim, ANA), 0);
    assert_eq!(warned(&sim, laptop, Warning::RemovedHere), 1);
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
fn a95_a_stolen_device_that_hears_nothing_of_it_is_refused_by_everybody() {
    let mut sim = friends(7);
    let laptop = further(&mut sim, ANA, "Laptop");
    sim.run_for(MINUTE);
    // The thief keeps it away from the first device, and from its relay's list of what is new.
    let copy = sim.copy(laptop);
    sim.stop(laptop, 3 * DAY);
    sim.run_for(MINUTE);
    assert!(sim.command(ANA, Command::DeviceRemove("Laptop".into())).is_ok());
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
    assert!(!texts(&mut sim, BEN).contains(&"it is me".to_owned()), "nothing that it signs is believed");
    assert!(!texts(&mut sim, laptop).contains(&"a secret".to_owned()), "it reads nothing new");
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
    sim.run_for(DAY);
    for ix in [ANA, laptop] {
        let there = texts(&mut sim, ix);
        assert!(there.contains(&"this is me".to_owned()) && !there.contains(&"it is me".to_owned()), "{ix}: {there:?}");
        assert_eq!(friend_views(&mut sim, ix)[0].devices.len(), 1, "nor does it come back");
    }
    assert!(texts(&mut sim, BEN).contains(&"not for the tablet".to_owned()));
    let only = id(&mut sim, BEN).to_string();
    assert_eq!(sim.command(ANA, Command::BlockDevice(Who("Ben".into()), only)).err(), Some(CommandError::OnlyDevice));
}
