//! Certificates of further devices, through the years.

use super::*;
use symbolon_tests::sim::rows::certificate;

fn problems(sim: &mut Sim, at: Ix) -> Vec<String> {
    match sim.command(at, Command::Status) {
        Ok(Reply::Status(status)) => status.problems,
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn certificates_of_further_devices_are_renewed_by_the_first_one_and_friends_take_them_after_years() {
    let mut sim = friends(16);
    let laptop = further(&mut sim, ANA, "Laptop");
    assert!(sim.run_until(HOUR, |sim| friend_views(sim, laptop).iter().any(|view| view.mutual)));
    let id = devices(&mut sim, laptop).0.into_iter().find(|view| view.this).unwrap().device;
    let of = |sim: &Sim, at: Ix| certificate(&sim.nodes[at].store, &id).unwrap();
    let mut before = [of(&sim, ANA), of(&sim, BEN)];
    for days in [200, 300, 400] {
        for (n, ix) in [ANA, BEN, laptop].into_iter().enumerate() {
            sim.crash(ix, days * DAY + n as u64 * HOUR);
        }
        assert!(sim.run_until((days + 1) * DAY, |sim| [ANA, BEN, laptop].iter().all(|ix| sim.nodes[*ix].is_up())));
        let text = format!("after {days} days");
        say(&mut sim, laptop, "Ben", &text);
        all_have(&mut sim, &[ANA, BEN], &[&text]);
        sim.run_for(3 * HOUR);
        let after = [of(&sim, ANA), of(&sim, BEN)];
        for (before, after) in before.iter().zip(&after) {
            assert!(after.0 > before.0 && after.1 > before.1 && sim.now < after.1, "after {days} days: {before:?} {after:?}");
        }
        assert_eq!(after[0], after[1], "the friend takes the same one");
        before = after;
    }
    // Without the first one it says in time what will come.
    for ix in [ANA, BEN] {
        sim.stop(ix, 2_000 * DAY);
    }
    sim.crash(laptop, 200 * DAY);
    sim.run_for(200 * DAY + HOUR);
    assert!(!problems(&mut sim, laptop).iter().any(|problem| problem.contains("Your first device was not met")));
    sim.crash(laptop, 90 * DAY);
    sim.run_for(90 * DAY + HOUR);
    assert!(problems(&mut sim, laptop).iter().any(|problem| problem.contains("Your first device was not met")));
    sim.crash(laptop, 90 * DAY);
    sim.run_for(90 * DAY + HOUR);
    assert!(problems(&mut sim, laptop).iter().any(|problem| problem.contains("has expired")));
}

/// How many records that nobody had published before are published in this time.
fn new_records(sim: &mut Sim, within: u64) -> usize {
    let before: BTreeSet<Vec<u8>> = sim.lookup.stored().cloned().collect();
    sim.run_for(within);
    sim.lookup.stored().filter(|record| !before.contains(*record)).count()
}

#[test]
fn a_device_whose_certificate_has_ended_shows_it_to_nobody_new_until_it_is_renewed_and_its_texts_go_on() {
    let mut sim = friends(17);
    let laptop = further(&mut sim, ANA, "Laptop");
    assert!(sim.run_until(HOUR, |sim| friend_views(sim, laptop).iter().any(|view| view.mutual)));
    let invite = || Command::Invite { lifetime: DAY, no_ip: false, auto_accept: true };
    for ix in [ANA, BEN] {
        sim.stop(ix, 400 * DAY);
    }
    sim.crash(laptop, 300 * DAY);
    sim.run_for(300 * DAY + HOUR);
    assert!(sim.command(laptop, invite()).is_ok());
    assert!(new_records(&mut sim, DAY) > 0, "it is alone, and publishes");
    sim.crash(laptop, 90 * DAY);
    sim.run_for(90 * DAY + HOUR);
    assert!(problems(&mut sim, laptop).iter().any(|problem| problem.contains("has expired")));
    let peer = sim.nodes[BEN].peer.to_string();
    let commands = [
        invite(),
        Command::Add { target: peer, note: None },
        Command::SetFindable(true),
        Command::DevicePair { tell: None },
        Command::RoomCreate("Room".into()),
    ];
    for command in commands {
        assert_eq!(sim.command(laptop, command).err(), Some(CommandError::DeviceExpired));
    }
    assert_eq!(new_records(&mut sim, 3 * DAY), 0);
    say(&mut sim, laptop, "Ben", "of an expired one");
    assert!(sim.run_until(10 * DAY, |sim| [ANA, BEN].iter().all(|ix| sim.nodes[*ix].is_up())));
    all_have(&mut sim, &[ANA, BEN], &["of an expired one"]);
    assert!(sim.run_until(DAY, |sim| sim.command(laptop, invite()).is_ok()), "the first one has renewed it");
    for ix in [ANA, BEN] {
        sim.stop(ix, 10 * DAY);
    }
    assert!(new_records(&mut sim, DAY) > 0, "it publishes again");
}

#[test]
fn an_old_copy_whose_certificate_has_ended_is_heard_by_friends_and_gets_the_present_one_from_the_first_device() {
    let mut sim = friends(18);
    let laptop = further(&mut sim, ANA, "Laptop");
    assert!(sim.run_until(HOUR, |sim| friend_views(sim, laptop).iter().any(|view| view.mutual)));
    let id = devices(&mut sim, laptop).0.into_iter().find(|view| view.this).unwrap().device;
    let of = |sim: &Sim, at: Ix| certificate(&sim.nodes[at].store, &id).unwrap();
    sim.run_for(HOUR);
    let before = of(&sim, ANA);
    let copy = sim.copy(laptop);
    for ix in [ANA, BEN, laptop] {
        sim.crash(ix, 366 * DAY);
    }
    assert!(sim.run_until(367 * DAY, |sim| [ANA, BEN, laptop].iter().all(|ix| sim.nodes[*ix].is_up())));
    say(&mut sim, laptop, "Ben", "of the newer state");
    all_have(&mut sim, &[ANA, BEN], &["of the newer state"]);
    assert!(sim.run_until(3 * HOUR, |sim| [ANA, BEN].iter().all(|ix| of(sim, *ix) > before)), "it was renewed");
    // The older state comes back. First its friend hears it, then the first device.
    sim.stop(ANA, DAY);
    sim.put_back(laptop, &copy, MINUTE);
    sim.run_for(2 * MINUTE);
    assert!(problems(&mut sim, laptop).iter().any(|problem| problem.contains("has expired")));
    say(&mut sim, BEN, "Ana", "to the older state");
    say(&mut sim, laptop, "Ben", "of the older state");
    all_have(&mut sim, &[BEN, laptop], &["of the older state", "to the older state"]);
    assert!(sim.run_until(2 * DAY, |sim| sim.nodes[ANA].is_up()));
    all_have(&mut sim, &[ANA], &["of the older state", "to the older state"]);
    let invite = || Command::Invite { lifetime: DAY, no_ip: false, auto_accept: true };
    assert!(sim.run_until(HOUR, |sim| sim.command(laptop, invite()).is_ok()), "it has the present certificate");
}
