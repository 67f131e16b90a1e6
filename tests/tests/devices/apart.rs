//! Two people with two devices each, of whom each loses one while the other person is away.

use super::removal::{keep, words};
use super::*;
use symbolon_presence::kdf::Secret;

/// Which device a person loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    First,
    Further,
}

/// A person's devices: the one that is lost, and the one that stays; and their recovery words.
struct Person {
    lost: Ix,
    stays: Ix,
    entropy: Secret,
    /// A friend of theirs alone, by whom their keys change.
    friend: &'static str,
}

/// The device that is left shuts the lost one out, and its keys change more often than relays and nodes remember, if `often` says so; it
/// has another place.
fn lose(sim: &mut Sim, person: &Person, which: Lost, often: usize) {
    sim.crash(person.lost, 3_000 * DAY);
    let done = match which {
        Lost::Further => sim.command(person.stays, Command::DeviceRemove("Second".into())),
        Lost::First => keep(sim, person.stays, &person.entropy, &[]),
    };
    assert!(done.is_ok(), "{:?}", done.err());
    let friend = Who(person.friend.into());
    for _ in 0..often {
        assert!(sim.command(person.stays, Command::Block(friend.clone())).is_ok());
        sim.run_for(SECOND);
        assert!(sim.command(person.stays, Command::Unblock(friend.clone())).is_ok());
        sim.run_for(SECOND);
    }
    sim.move_house(person.stays);
    sim.run_for(HOUR);
}

#[test]
fn r14_two_people_who_each_lose_a_device_while_the_other_is_away_for_60_or_399_days_find_each_other() {
    for (seed, days, often, which) in [(31, 60, 70, Lost::Further), (34, 399, 3, Lost::First)] {
        let mut sim = friends(seed);
        let person = |sim: &mut Sim, first: Ix, friend: &'static str| {
            let other = sim.add(friend);
            sim.befriend(first, other);
            let entropy = words(sim, first);
            let second = further(sim, first, "Second");
            match which {
                Lost::First => Person { lost: first, stays: second, entropy, friend },
                Lost::Further => Person { lost: second, stays: first, entropy, friend },
            }
        };
        let ana = person(&mut sim, ANA, "Cleo");
        let ben = person(&mut sim, BEN, "Dora");
        let all = [ana.lost, ana.stays, ben.lost, ben.stays];
        let known = sim.run_until(HOUR, |sim| all.iter().all(|ix| friend_views(sim, *ix).iter().any(|view| view.devices.len() == 2)));
        assert!(known, "everybody knows both devices of the other");
        sim.run_for(2 * HOUR);
        // What these do is of no interest.
        for ix in (0..sim.nodes.len()).filter(|ix| !all.contains(ix)) {
            sim.crash(ix, 3_000 * DAY);
        }
        // From now on there is no DHT and no direct path. What is left are the relays of those who stay, where their records lie.
        sim.lookup.is_there = false;
        for of_ana in [ana.lost, ana.stays] {
            for of_ben in [ben.lost, ben.stays] {
                sim.set_apart(of_ana, of_ben, true);
            }
        }
        for ix in [ben.lost, ben.stays] {
            sim.crash(ix, days * DAY);
        }
        lose(&mut sim, &ana, which, often);
        sim.crash(ana.stays, (days + 1) * DAY);
        assert!(sim.run_until((days + 1) * DAY, |sim| sim.nodes[ben.stays].is_up()));
        lose(&mut sim, &ben, which, often);
        assert!(!sim.nodes[ana.stays].is_up(), "they have not met");
        assert!(sim.run_until((days + 3) * DAY, |sim| sim.nodes[ana.stays].is_up()));

        say(&mut sim, ana.stays, "Ben", "this one is left to me");
        say(&mut sim, ben.stays, "Ana", "and this one to me");
        all_have(&mut sim, &[ana.stays, ben.stays], &["this one is left to me", "and this one to me"]);
        let is_one = |sim: &mut Sim, ix: Ix| {
            let views = friend_views(sim, ix);
            let other = views.iter().find(|view| ["Ana", "Ben"].contains(&view.name.as_str()));
            other.is_some_and(|view| view.mutual && view.devices.len() == 1)
        };
        assert!(sim.run_until(HOUR, |sim| is_one(sim, ana.stays) && is_one(sim, ben.stays)), "{which:?} {days}");
        for ix in [ana.stays, ben.stays] {
            for warning in [Warning::OlderCopy, Warning::FriendReturned, Warning::SecondCopy] {
                assert_eq!(warned(&sim, ix, warning), 0, "{warning:?}");
            }
        }
    }
}
