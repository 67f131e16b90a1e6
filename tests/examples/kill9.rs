//! Recipe: `cargo run -p symbolon-tests --example kill9 -- --rounds 1000 --seed 1`.
//! Kills nodes that write to each other; see `symbolon_tests::campaign::kill9`.

use std::process::ExitCode;
use symbolon_tests::campaign::{flag, kill9};
use symbolon_tests::node::{Carrier, Trouble};

fn campaign() -> Result<(), Trouble> {
    let (rounds, seed) = (flag("--rounds", 1_000)?, flag("--seed", 1)?);
    // In parts, so that half of them run over each transport and histories stay short.
    let parts = rounds.div_ceil(100);
    let mut kills = 0;
    let mut accepted = 0;
    for part in 0..parts {
        let carrier = if part % 2 == 0 { Carrier::Tcp } else { Carrier::Quic };
        let own = 100.min(rounds - part * 100);
        let report = kill9::run(own, seed + part, carrier).map_err(|trouble| format!("seed {}, {carrier:?}: {trouble}", seed + part))?;
        println!("{carrier:?}, {own} rounds: {report:?}");
        kills += report.kills;
        accepted += report.tally.accepted;
    }
    println!("{rounds} rounds, {kills} processes killed: all {accepted} accepted messages arrived once and in order");
    Ok(())
}

fn main() -> ExitCode {
    match campaign() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}
