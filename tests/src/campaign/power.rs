//! The disk under one friend's node loses its power while both write. What was accepted or
//! acknowledged before must be there after each cut.

use super::Dice;
use super::mounts::Mount;
use super::writers::{Refusals, Tally, Writer, conclude};
use crate::node::{Carrier, Pair, Trouble};
use std::time::{Duration, Instant};

const DISK: u64 = 64 * 1024 * 1024;

/// What a campaign looked like.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Power cuts.
    pub cuts: u64,
    /// Messages of both sides.
    pub tally: Tally,
    /// The whole campaign.
    pub took: Duration,
}

/// The disk, if this machine lets us have one and cut its power.
///
/// # Errors
/// With the reason why not.
pub fn disk() -> Result<Mount, Trouble> {
    let mut disk = Mount::disk(DISK)?;
    disk.cut_power()?;
    disk.power_up()?;
    Ok(disk)
}

/// Runs a campaign.
///
/// # Errors
/// With the first loss, repetition, disorder, panic, or a store that does not open.
pub fn run(mut disk: Mount, cuts: u64, seed: u64) -> Result<Report, Trouble> {
    let begin = Instant::now();
    let mut dice = Dice::new(seed);
    let mut pair = Pair::befriended_in(Carrier::Tcp, Some(&disk.path().join("andi")))?;
    let mut report = Report::default();
    let writers = [("Ben", Refusals::Doubtful), ("Andi", Refusals::Forbidden)]
        .map(|(to, refusals)| Writer::start(to, dice.below(u64::MAX), refusals));
    let [andi, ben] = &writers;
    andi.set(Some(pair.andi.api()?));
    ben.set(Some(pair.ben.api()?));
    for round in 0..cuts {
        std::thread::sleep(Duration::from_millis(50 + dice.below(350)));
        // A power cut stops everything at once. Shut down during a running `fdatasync`, ext4
        // lets one return well now and then whose data it drops, also for a bare file.
        pair.andi.freeze()?;
        disk.cut_power()?;
        report.cuts += 1;
        pair.andi.kill()?;
        andi.set(None);
        disk.power_up()?;
        pair.andi.restart().map_err(|trouble| format!("after cut {round}: {trouble}"))?;
        andi.set(Some(pair.andi.api()?));
        if let Some(trouble) = writers.iter().find_map(Writer::trouble) {
            return Err(format!("after cut {round}: {trouble}"));
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    report.tally = conclude(&pair, writers)?;
    pair.assert_calm()?;
    report.took = begin.elapsed();
    // The node goes before its disk does.
    drop(pair);
    Ok(report)
}
