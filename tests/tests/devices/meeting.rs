//! Further devices of one person that ask each other for a friendship at the same time.

use super::*;

#[test]
fn s4_31_two_further_devices_that_ask_each_other_at_once_come_to_know_each_other() {
    for seed in 70..78 {
        let mut sim = friends(seed);
        let laptop = further(&mut sim, ANA, "Laptop");
        let tablet = further(&mut sim, ANA, "Tablet");
        let know = |sim: &mut Sim| [ANA, laptop, tablet].iter().all(|ix| others(sim, *ix) == 2);
        assert!(sim.run_until(10 * MINUTE, know), "seed {seed}");
        sim.run_for(MINUTE);
        for ix in [ANA, laptop, tablet] {
            let Ok(Reply::Requests(requests)) = sim.command(ix, Command::Requests) else { panic!("no requests") };
            assert!(requests.iter().all(|view| view.peer == sim.nodes[BEN].peer), "nobody is asked about own devices");
        }
    }
}
