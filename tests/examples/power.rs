//! Recipe, as root: `cargo run -p symbolon-tests --example power -- --cuts 200 --seed 1`.
//! Cuts the power of a node's disk; see `symbolon_tests::campaign::power`.

use std::process::ExitCode;
use symbolon_tests::campaign::{flag, power};
use symbolon_tests::node::Trouble;

fn campaign() -> Result<(), Trouble> {
    let (cuts, seed) = (flag("--cuts", 200)?, flag("--seed", 1)?);
    let mut accepted = 0;
    for part in 0..cuts.div_ceil(50) {
        let own = 50.min(cuts - part * 50);
        let report = power::run(power::disk()?, own, seed + part).map_err(|trouble| format!("seed {}: {trouble}", seed + part))?;
        println!("{report:?}");
        accepted += report.tally.accepted;
    }
    println!("{cuts} power cuts: all {accepted} accepted messages arrived once and in order");
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
