//! Recipe, as root: `cargo run -p symbolon-tests --example full -- --rounds 20`.
//! Fills the disk under a running node; see `symbolon_tests::campaign::full`.

use std::process::ExitCode;
use symbolon_tests::campaign::{flag, full};
use symbolon_tests::node::Trouble;

fn campaign() -> Result<(), Trouble> {
    println!("{:?}", full::run(&full::disk()?, flag("--rounds", 20)?)?);
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
