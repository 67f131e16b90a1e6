//! Recipe: `cargo run -p symbolon-tests --example damage -- --rounds 100 --seed 1`.
//! Damages the files of a store in every way; see `symbolon_tests::campaign::damage`.

use std::process::ExitCode;
use symbolon_tests::campaign::damage::{Kind, Victims};
use symbolon_tests::campaign::flag;
use symbolon_tests::node::Trouble;

fn campaign() -> Result<(), Trouble> {
    let (rounds, seed) = (flag("--rounds", 100)?, flag("--seed", 1)?);
    let victims = Victims::make()?;
    let mut failures = 0;
    for kind in Kind::ALL {
        match victims.rounds(kind, rounds, seed) {
            Ok(report) => println!("{kind:?}, {rounds} rounds: {report:?}"),
            Err(trouble) => {
                failures += 1;
                println!("{trouble}");
            }
        }
    }
    if failures == 0 { Ok(()) } else { Err(format!("{failures} kinds of damage were not handled")) }
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
