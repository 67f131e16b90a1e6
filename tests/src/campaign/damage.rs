//! Files of a store that are cut, flipped, zeroed, swapped or replaced behind the node's
//! back. The node must refuse them by name and leave them as they are, or run with every
//! record right.
//!
//! One thing cannot be distinguished from a crash: a log that ends early. Transactions at its very
//! end may then be missing; the report counts such rounds apart, and everything before
//! that end must be there.

use super::{Dice, files};
use crate::node::{Carrier, Node, Pair, Trouble, calm, within};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A store that cannot be used is refused within this time (contract of the face).
const REFUSED_WITHIN: Duration = Duration::from_secs(8);
const FRAME: usize = 24 + files::PAGE;
const LOG_HEADER: usize = 32;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It ends early.
    Truncated,
    /// One bit is another.
    Flipped,
    /// A stretch of zeros.
    Zeroed,
    /// Two pages in each other's place.
    Swapped,
    /// Another file altogether: nothing, noise, text, or the same file of another store.
    Replaced,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Truncated, Self::Flipped, Self::Zeroed, Self::Swapped, Self::Replaced];
}

/// What became of the rounds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Refused, the file named and left as it was.
    pub refused: u64,
    /// Ran with every record right.
    pub right: u64,
    /// Ran without the last transactions of a log that ended early.
    pub shortened: u64,
    /// Longest time to a refusal.
    pub slowest: Duration,
}

/// Folders to damage: of a node that was stopped, and of one that was killed.
#[derive(Debug)]
pub struct Victims {
    home: TempDir,
    texts: Vec<String>,
}

impl Victims {
    /// Makes them by a conversation.
    ///
    /// # Errors
    /// When the nodes do not do their part.
    pub fn make() -> Result<Self, Trouble> {
        let mut pair = Pair::befriended(Carrier::Tcp)?;
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let talk = |pair: &Pair, count: usize| -> Result<(), Trouble> {
            let (andi, ben) = (pair.andi.api()?, pair.ben.api()?);
            for n in 0..count {
                andi.send("Ben", &format!("{n} {}", "Andi ".repeat(n)))?;
                ben.send("Andi", &format!("{n} {}", "Ben ".repeat(n)))?;
            }
            within(Duration::from_secs(20), "all texts arrive", || {
                let waits = |api: &crate::node::Api| Ok::<_, Trouble>(api.get("status")?.get("queue").and_then(Value::as_u64));
                Ok((waits(&andi)? == Some(0) && waits(&ben)? == Some(0)).then_some(()))
            })
        };
        talk(&pair, 40)?;
        let texts = texts(&pair.andi)?;
        pair.ben.interrupt()?;
        pair.andi.kill()?;
        copy_folder(pair.andi.folder(), &home.path().join("killed"))?;
        copy_folder(pair.ben.folder(), &home.path().join("other"))?;
        pair.andi.restart()?;
        pair.andi.interrupt()?;
        copy_folder(pair.andi.folder(), &home.path().join("stopped"))?;
        let log = fs::metadata(home.path().join("killed").join(files::LOG)).map_or(0, |log| log.len());
        if log < 10 * FRAME as u64 {
            return Err(format!("the killed node's log is too short to be damaged: {log} B"));
        }
        Ok(Self { home, texts })
    }

    /// Runs rounds of one kind.
    ///
    /// # Errors
    /// With the first round that ends in anything but a refusal by name or right records.
    pub fn rounds(&self, kind: Kind, rounds: u64, seed: u64) -> Result<Report, Trouble> {
        let mut report = Report::default();
        let mut dice = Dice::new(seed);
        for round in 0..rounds {
            // Every third round the log of a killed node, else a store.
            let (base, name) = match round % 3 {
                0 => ("stopped", files::STORE),
                1 => ("killed", files::STORE),
                _ => ("killed", files::LOG),
            };
            self.round(kind, base, name, &mut dice, &mut report)
                .map_err(|trouble| format!("{kind:?} {base} {name}, seed {seed}, round {round}: {trouble}"))?;
        }
        Ok(report)
    }

    fn round(&self, kind: Kind, base: &str, name: &str, dice: &mut Dice, report: &mut Report) -> Result<(), Trouble> {
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let folder = home.path().join("victim");
        copy_folder(&self.home.path().join(base), &folder)?;
        let file = folder.join(name);
        let whole = read(&file)?;
        let other = read(&self.home.path().join("other").join(files::STORE))?;
        let damaged = damage(kind, &whole, &other, name == files::LOG, dice);
        if damaged == whole {
            return Ok(());
        }
        fs::write(&file, &damaged).map_err(|error| error.to_string())?;
        let before = contents(&folder)?;
        let start = Instant::now();
        let outcome = Node::try_start(&folder, &["--listen", Carrier::Tcp.address()])?;
        let judged = match outcome {
            Err(refused) => {
                report.slowest = report.slowest.max(start.elapsed());
                let message = refused.objects.first().and_then(|told| told.get("message")).and_then(Value::as_str).unwrap_or_default();
                if refused.code != Some(1) || refused.objects.len() != 1 || start.elapsed() > REFUSED_WITHIN {
                    Err(format!("not refused as it should be: {refused:?}"))
                } else if !message.contains(&*file.to_string_lossy()) {
                    Err(format!("the error does not name the file: {message}"))
                } else if contents(&folder)? != before {
                    Err("a refused folder was changed".to_owned())
                } else {
                    report.refused += 1;
                    Ok(())
                }
            }
            Ok(mut node) => {
                let found = texts(&node)?;
                node.interrupt()?;
                if found == self.texts {
                    report.right += 1;
                    Ok(())
                } else if name == files::LOG && self.texts.starts_with(&found) && touches_the_end(&whole, &damaged) {
                    report.shortened += 1;
                    Ok(())
                } else {
                    Err(format!("{} of {} texts are there, and nothing was said", found.len(), self.texts.len()))
                }
            }
        };
        calm(&folder)?;
        judged
    }
}

/// The file after the damage.
fn damage(kind: Kind, whole: &[u8], other: &[u8], is_log: bool, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let length = whole.len() as u64;
    let at = usize::try_from(dice.below(length)).unwrap_or_default();
    let (begin, unit) = if is_log { (LOG_HEADER, FRAME) } else { (0, files::PAGE) };
    let units = (whole.len() - begin.min(whole.len())) / unit;
    match kind {
        Kind::Truncated => bytes.truncate(at),
        Kind::Flipped => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        Kind::Zeroed => {
            let stretch = usize::try_from(1 + dice.below(8 * files::PAGE as u64)).unwrap_or_default();
            let end = at.saturating_add(stretch).min(bytes.len());
            bytes.get_mut(at..end).unwrap_or_default().fill(0);
        }
        Kind::Swapped => {
            let mut pick = || begin + usize::try_from(dice.below(units as u64)).unwrap_or_default() * unit;
            let (a, b) = (pick(), pick());
            for offset in 0..unit {
                if a + offset < bytes.len() && b + offset < bytes.len() {
                    bytes.swap(a + offset, b + offset);
                }
            }
        }
        Kind::Replaced => match dice.below(4) {
            0 => bytes.clear(),
            1 => dice.fill(&mut bytes),
            2 => bytes = b"This is a letter, and no store at all.\n".repeat(200),
            _ => bytes = other.to_vec(),
        },
    }
    bytes
}

/// Whether a log was altered from somewhere in its last transaction on, or cut. A log that was begun again has frames of before
/// behind those in use; they bear another salt than its header.
fn touches_the_end(whole: &[u8], damaged: &[u8]) -> bool {
    if damaged.len() < whole.len() {
        return true;
    }
    let salt = whole.get(16..24);
    let frames = whole.get(LOG_HEADER..).unwrap_or_default().chunks_exact(FRAME);
    let in_use = frames.take_while(|frame| frame.get(8..16) == salt);
    let is_last = |frame: &[u8]| frame.get(4..8) != Some(&[0; 4]);
    let commits: Vec<usize> =
        in_use.enumerate().filter(|(_, frame)| is_last(frame)).map(|(index, _)| LOG_HEADER + (index + 1) * FRAME).collect();
    let mut ends = commits.iter().rev().copied();
    let (end, before_last) = (ends.next().unwrap_or(LOG_HEADER), ends.next().unwrap_or_default());
    // What is changed behind the end is used by nobody, and loses nothing.
    let change = whole.iter().zip(damaged).take(end).rposition(|(a, b)| a != b);
    change.is_some_and(|at| at >= before_last)
}

fn texts(node: &Node) -> Result<Vec<String>, Trouble> {
    let history = node.api()?.history()?;
    Ok(history.iter().filter_map(|message| message.get("text").and_then(Value::as_str).map(str::to_owned)).collect())
}

fn read(file: &Path) -> Result<Vec<u8>, Trouble> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// What is in a folder that the node may not touch when it refuses.
fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, Trouble> {
    let mut all = BTreeMap::new();
    for name in [files::STORE, files::LOG, files::KEY] {
        let file = folder.join(name);
        if file.exists() {
            all.insert(file.clone(), read(&file)?);
        }
    }
    Ok(all)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Trouble> {
    files::copy(from, to)?;
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).map_err(|error| error.to_string())
}
