//! Both friends write without pause while one or both nodes are killed at random moments,
//! also while they start. At the end, what was accepted must have arrived: exactly once, in
//! order, on both sides.
//!
//! A send whose connection broke is neither: it may have arrived or not, but not twice and
//! not out of order.

use super::Dice;
use super::writers::{Refusals, Tally, Writer, conclude};
use crate::node::{Carrier, Node, Pair, Trouble};
use std::time::{Duration, Instant};

/// What a campaign looked like.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Processes killed.
    pub kills: u64,
    /// Of these, killed before they were ready.
    pub early: u64,
    /// Messages of both sides.
    pub tally: Tally,
    /// The whole campaign.
    pub took: Duration,
    /// From the last start until everything had arrived.
    pub settled: Duration,
}

/// Runs a campaign.
///
/// # Errors
/// With the first loss, repetition, disorder, panic or hang, and the seed's own words.
pub fn run(rounds: u64, seed: u64, carrier: Carrier) -> Result<Report, Trouble> {
    let begin = Instant::now();
    let mut dice = Dice::new(seed);
    let mut pair = Pair::befriended(carrier)?;
    let mut report = Report::default();
    let writers =
        [Writer::start("Ben", dice.below(u64::MAX), Refusals::Forbidden), Writer::start("Andi", dice.below(u64::MAX), Refusals::Forbidden)];
    for (writer, node) in writers.iter().zip([&pair.andi, &pair.ben]) {
        writer.set(Some(node.api()?));
    }
    let mut last = Instant::now();
    for round in 0..rounds {
        std::thread::sleep(Duration::from_millis(dice.below(300)));
        let victims = 1 + dice.below(3);
        let [andi, ben] = &writers;
        let mut killed: Vec<(&mut Node, &Writer)> = Vec::new();
        if victims & 1 != 0 {
            killed.push((&mut pair.andi, andi));
        }
        if victims & 2 != 0 {
            killed.push((&mut pair.ben, ben));
        }
        for (node, _) in &mut killed {
            node.kill()?;
            report.kills += 1;
        }
        for (node, writer) in killed {
            writer.set(None);
            if dice.below(4) == 0 {
                node.restart_and_kill(Duration::from_millis(dice.below(400)))?;
                report.kills += 1;
                report.early += 1;
            }
            node.restart().map_err(|trouble| format!("round {round}: {trouble}"))?;
            writer.set(Some(node.api()?));
        }
        last = Instant::now();
        if let Some(trouble) = writers.iter().find_map(Writer::trouble) {
            return Err(format!("round {round}: {trouble}"));
        }
    }
    // The last texts are written by nodes that live on.
    std::thread::sleep(Duration::from_millis(200));
    report.tally = conclude(&pair, writers)?;
    report.settled = last.elapsed();
    pair.assert_calm()?;
    report.took = begin.elapsed();
    Ok(report)
}
