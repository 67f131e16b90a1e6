//! The disk under one friend's node fills up while both write: a clear error, nothing
//! accepted is lost, and work continues when there is room.

use super::mounts::Mount;
use super::writers::{Ledger, Tally, complete, judge};
use crate::node::{ApiError, Carrier, Pair, Trouble, within};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of the disk, and those that are left before it is filled up.
const DISK: u64 = 32 * 1024 * 1024;
const ROOM: u64 = 2 * 1024 * 1024;
/// Longest texts, so that the disk is soon full.
const PADDING: usize = 12 * 1024;
const SOON: Duration = Duration::from_secs(30);

/// What a campaign looked like.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Times that the disk was filled up.
    pub rounds: u64,
    /// Sends refused with `store_full`.
    pub refused: u64,
    /// Messages of both sides.
    pub tally: Tally,
}

/// The disk, if this machine lets us have one.
///
/// # Errors
/// With the reason why not.
pub fn disk() -> Result<Mount, Trouble> {
    Mount::memory(DISK)
}

struct Campaign {
    pair: Pair,
    ballast: PathBuf,
    from_andi: Ledger,
    from_ben: Ledger,
    next: u64,
    refused: u64,
}

/// Runs a campaign: fills the disk, writes both ways, restarts on the full disk, makes room.
///
/// # Errors
/// With the first loss, repetition, disorder, panic, or another error than that of a full disk.
pub fn run(disk: &Mount, rounds: u64) -> Result<Report, Trouble> {
    let pair = Pair::befriended_in(Carrier::Tcp, Some(&disk.path().join("andi")))?;
    let ballast = disk.path().join("ballast");
    let mut campaign = Campaign { pair, ballast, from_andi: Ledger::default(), from_ben: Ledger::default(), next: 0, refused: 0 };
    for round in 0..rounds {
        campaign.round(round).map_err(|trouble| format!("round {round}: {trouble}"))?;
    }
    let Campaign { pair, from_andi, from_ben, refused, .. } = campaign;
    complete(&pair)?;
    let (at_andi, at_ben) = (pair.andi.api()?.history()?, pair.ben.api()?.history()?);
    let mut tally = Tally::default();
    judge(&from_andi, &at_andi, &at_ben, &mut tally).map_err(|trouble| format!("Andi to Ben: {trouble}"))?;
    judge(&from_ben, &at_ben, &at_andi, &mut tally).map_err(|trouble| format!("Ben to Andi: {trouble}"))?;
    pair.assert_calm()?;
    Ok(Report { rounds, refused, tally })
}

impl Campaign {
    fn round(&mut self, round: u64) -> Result<(), Trouble> {
        self.both_write()?;
        self.load_ballast()?;
        // Until the disk is full, and a while longer.
        let mut refusals = 0;
        for _ in 0..4_000 {
            refusals += u64::from(!self.andi_writes(PADDING)?);
            if refusals >= 20 {
                break;
            }
        }
        if refusals < 20 {
            return Err("the disk did not fill up".to_owned());
        }
        self.refused += refusals;
        // Meanwhile the friend's texts wait at the friend's.
        for _ in 0..5 {
            self.ben_writes()?;
        }
        // It can be read, and asked how it is.
        let api = self.pair.andi.api()?;
        api.get("friends")?;
        api.get("status")?;
        if round % 2 == 1 {
            // Killed and started on the full disk: it runs or says why not.
            self.pair.andi.kill()?;
            if let Err(trouble) = self.pair.andi.restart()
                && !trouble.contains("store_full")
            {
                return Err(format!("on a full disk: {trouble}"));
            }
        }
        std::fs::remove_file(&self.ballast).map_err(|error| error.to_string())?;
        if self.pair.andi.ended(Duration::ZERO).is_ok() {
            self.pair.andi.restart()?;
        }
        let mut fit = false;
        within(SOON, "the node takes texts again", || {
            fit = self.andi_writes(0)?;
            Ok(fit.then_some(()))
        })?;
        self.both_write()?;
        complete(&self.pair)
    }

    /// Leaves [`ROOM`] on the disk.
    fn load_ballast(&self) -> Result<(), Trouble> {
        let mut file = File::create(&self.ballast).map_err(|error| error.to_string())?;
        let block = vec![7; 64 * 1024];
        while file.write_all(&block).is_ok() {}
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        file.set_len(length.saturating_sub(ROOM)).map_err(|error| error.to_string())
    }

    fn both_write(&mut self) -> Result<(), Trouble> {
        for _ in 0..5 {
            if !self.andi_writes(0)? {
                return Err("a text was refused while there is room".to_owned());
            }
            self.ben_writes()?;
        }
        Ok(())
    }

    /// Tells whether it was accepted; every refusal must be that of a full disk.
    fn andi_writes(&mut self, padding: usize) -> Result<bool, Trouble> {
        self.next += 1;
        let text = format!("{} {}", self.next, "x".repeat(padding));
        match self.pair.andi.api()?.send("Ben", &text) {
            Ok(id) => {
                self.from_andi.accepted.insert(self.next, id);
                Ok(true)
            }
            Err(ApiError::Refused(507, kind)) if kind == "store_full" => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn ben_writes(&mut self) -> Result<(), Trouble> {
        self.next += 1;
        let id = self.pair.ben.api()?.send("Andi", &self.next.to_string())?;
        self.from_ben.accepted.insert(self.next, id);
        Ok(())
    }
}
