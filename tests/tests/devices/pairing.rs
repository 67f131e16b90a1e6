//! Pairing that is cut short.

use super::*;
use symbolon_tests::sim::faults::Strike;
use symbolon_tests::sim::node::End;

/// A laptop is paired, and one of the two dies in one turn after the code was typed. Whether that turn came before both were done.
fn is_cut(dies: Dies, after: usize, end: End) -> bool {
    let mut sim = Sim::new(77, Faults::NONE);
    sim.lookup.is_there = true;
    sim.add("Ana");
    give_relay(&mut sim, ANA);
    let laptop = sim.add("Laptop");
    give_relay(&mut sim, laptop);
    sim.run_for(MINUTE);
    let code = code(&mut sim, ANA);
    let node = match dies {
        Dies::First => ANA,
        Dies::Newcomer => laptop,
    };
    sim.strike = Some(Strike { node, after, end });
    // A command whose node dies is answered so; its user types it again.
    let typed = sim.command(laptop, Command::DeviceJoin(code.clone()));
    if typed.is_err() {
        sim.run_for(MINUTE);
        let _ = sim.command(laptop, Command::DeviceJoin(code));
    }
    // Nobody is asked meanwhile: that would be a turn, too.
    sim.run_for(10 * SECOND);
    let has_struck = sim.strike.take().is_none();
    sim.run_for(10 * SECOND);
    let are_paired = |sim: &mut Sim| others(sim, laptop) == 1 && others(sim, ANA) == 1;
    let is_done = sim.run_until(8 * MINUTE, are_paired);
    assert!(is_done, "{dies:?} dies in turn {after}, {end:?}: {:?}", devices(&mut sim, laptop).1);
    sim.nodes[laptop].peer = sim.nodes[ANA].peer;
    has_struck
}

#[derive(Debug, Clone, Copy)]
enum Dies {
    First,
    Newcomer,
}

/// They die in each turn, by turns before its commit and behind it.
fn cut_everywhere(dies: Dies) {
    let end = |after: usize| if after.is_multiple_of(2) { End::CrashBefore } else { End::CrashAfter };
    let cut = (0..).take_while(|after| is_cut(dies, *after, end(*after))).count();
    assert!(cut >= 20, "the pairing was over before anybody died: {cut} turns");
}

#[test]
fn a80_a_device_is_paired_by_one_code_at_whichever_step_the_first_device_dies() {
    cut_everywhere(Dies::First);
}

#[test]
fn a80_a_device_is_paired_by_one_code_at_whichever_step_the_newcomer_dies() {
    cut_everywhere(Dies::Newcomer);
}

#[test]
fn s4_33_friends_are_written_to_once_when_a_device_has_come_and_only_if_its_user_wishes() {
    for wish in [None, Some("I have a tablet now")] {
        let mut sim = friends(22);
        let told = Command::DevicePair { tell: wish.map(str::to_owned) };
        let Ok(Reply::Paired(PairingView { code, .. })) = sim.command(ANA, told) else { panic!("no code") };
        let tablet = sim.add("Tablet");
        give_relay(&mut sim, tablet);
        sim.run_for(MINUTE);
        let before = texts(&mut sim, BEN);
        assert_eq!(texts(&mut sim, ANA), before, "a code alone says nothing");
        assert!(sim.command(tablet, Command::DeviceJoin(code)).is_ok());
        assert!(sim.run_until(5 * MINUTE, |sim| others(sim, tablet) > 0 && others(sim, ANA) > 0));
        sim.run_for(HOUR);
        let news: Vec<String> = texts(&mut sim, BEN).split_off(before.len());
        assert_eq!(news, wish.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert!(has_all(&mut sim, tablet, &news.into_iter().collect()), "and it stands in the history of the new one");
    }
    let long = Command::DevicePair { tell: Some("x".repeat(100_000)) };
    assert_eq!(friends(22).command(ANA, long).err(), Some(CommandError::BadText));
}

#[test]
fn a80_a_wrong_code_a_late_one_and_a_used_one_get_nowhere() {
    let mut sim = friends(5);
    let stranger = sim.add("Stranger");
    give_relay(&mut sim, stranger);
    sim.run_for(MINUTE);
    for bad in ["", "abc", "not-a-code-at-all", &"a".repeat(27), &"8".repeat(26)] {
        assert_eq!(sim.command(stranger, Command::DeviceJoin(bad.into())).err(), Some(CommandError::BadCode), "{bad}");
    }
    // One that nobody has made.
    assert!(sim.command(stranger, Command::DeviceJoin("a".repeat(26))).is_ok());
    sim.run_for(5 * MINUTE);
    assert_eq!(others(&mut sim, stranger), 0);
    // One that was good for ten minutes.
    let late = code(&mut sim, ANA);
    sim.run_for(11 * MINUTE);
    assert!(sim.command(stranger, Command::DeviceJoin(late)).is_ok());
    sim.run_for(HOUR);
    let (list, joining) = devices(&mut sim, stranger);
    assert!(list.len() == 1 && joining.is_some_and(|joining| joining.is_over), "{} devices, {joining:?}", list.len());
    // One that somebody has used.
    let laptop = sim.add("Laptop");
    give_relay(&mut sim, laptop);
    sim.run_for(MINUTE);
    let once = code(&mut sim, ANA);
    assert!(sim.command(laptop, Command::DeviceJoin(once.to_ascii_uppercase())).is_ok(), "case does not matter");
    assert!(sim.run_until(5 * MINUTE, |sim| others(sim, laptop) == 1));
    assert!(sim.command(stranger, Command::DeviceJoin(once)).is_ok());
    sim.run_for(HOUR);
    assert_eq!((others(&mut sim, stranger), others(&mut sim, ANA)), (0, 1));
    // A folder with a life of its own becomes nobody else's, and only the first device lets others in.
    let more = code(&mut sim, ANA);
    assert_eq!(sim.command(BEN, Command::DeviceJoin(more)).err(), Some(CommandError::NotFresh));
    assert_eq!(sim.command(laptop, Command::DevicePair { tell: None }).err(), Some(CommandError::NotFirstDevice));
}
