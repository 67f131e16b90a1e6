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
