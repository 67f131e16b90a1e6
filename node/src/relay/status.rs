//! What a running relay says of itself to the commands of its host, in a private file of its folder.
//!
//! A relay has no local API: nobody commands it. The file holds the process, the link and figures,
//! and never whose a mailbox is. It is believed only while a process holds the folder.

use super::machine::{Counts, Facts};
use crate::folder::{is_in_use, write};
use crate::health::Vitals;
use crate::net::is_public;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use symbolon_relay::machine::Refusals;
use symbolon_relay::machine::seam::Policy;
use tokio::sync::watch;

/// Name of the file.
const STATUS_FILE: &str = "relay-status";
const FILE_LIMIT: u64 = 64 * 1024;
/// Pause between two times at which the log says what is new.
const LOG_PAUSE: Duration = Duration::from_secs(60);
/// Pause between two writings: figures may change with every frame.
const PAUSE: Duration = Duration::from_secs(2);

/// The relay is up.
#[derive(Clone)]
pub struct RelayReady {
    /// The mailbox id.
    pub id: String,
    /// Proves to this relay that a mailbox is its owner's.
    pub claim: String,
    /// The private file that holds it.
    pub claim_file: PathBuf,
    /// What the owner gives to friends, if they may have mailboxes here.
    pub friends: Option<String>,
    /// The private file that holds that.
    pub friends_file: Option<PathBuf>,
    /// What others need to use it.
    pub link: String,
    /// Where it listens.
    pub listen: Vec<String>,
    /// Connections that it can hold at once.
    pub places: usize,
    /// Whether the system's bound on open files leaves it fewer than it could serve.
    pub is_short: bool,
    /// Who may have a mailbox.
    pub policy: Policy,
    /// Whether rooms may have their hub here.
    pub is_hub: bool,
    /// How many bytes it keeps at most.
    pub bytes: u64,
    /// What else its operator has set: the keys of the file of settings, and their values.
    pub set: Value,
    /// Whether its link leads nowhere from beyond the own network.
    pub is_private: bool,
}

impl std::fmt::Debug for RelayReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayReady(..)")
    }
}

/// What a running relay says of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayStatus {
    /// Its process.
    pub process: i32,
    /// The rest, as shown: `id`, `link`, `listen`, `policy`, `hub`, `started` (seconds since 1970), `mailboxes`, `entries`,
    /// `bytes`, `bytes_max`, `connections_max`, `set` (what else is set), `is_private`, `is_short`, `claim_file`, `friends_claim_file`.
    pub view: Value,
}

impl std::fmt::Debug for RelayStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayStatus(..)")
    }
}

/// The relay that runs on a folder, if one does.
pub fn running(folder: &Path) -> Option<RelayStatus> {
    if !is_in_use(folder) {
        return None;
    }
    let bytes = write::read_bounded(&folder.join(STATUS_FILE), FILE_LIMIT).ok()??;
    let mut view: Value = serde_json::from_slice(&bytes).ok()?;
    let process = view.as_object_mut()?.remove("process")?.as_i64()?;
    let process = i32::try_from(process).ok().filter(|process| *process > 1)?;
    Some(RelayStatus { process, view })
}

/// Keeps the file true until the relay ends. What cannot be written is tried again with the next change, or the next minute.
pub(super) async fn keep(folder: &Path, ready: &RelayReady, mut facts: watch::Receiver<Option<Facts>>, log: &mut Log) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    loop {
        let now = facts.borrow_and_update().clone();
        if let Some(facts) = now {
            let text = format!("{}\n", view(ready, &facts, started));
            log.is_unwritten = write::replace_private(&folder.join(STATUS_FILE), text.as_bytes()).is_err();
            log.see(&facts);
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            changed = facts.changed() => if changed.is_err() {
                // The machine has ended; who waits for that decides.
                std::future::pending::<()>().await;
            },
            () = tokio::time::sleep_until(log.next.into()) => {}
        }
        log.tick(Instant::now());
    }
}

/// What the log says of what happens: once a minute, by the relay's own clock, so that no line says when somebody has left
/// something.
#[derive(Debug)]
pub(super) struct Log {
    vitals: Arc<Vitals>,
    next: Instant,
    /// Whether the file with the figures could not be written.
    is_unwritten: bool,
    was_failing: bool,
    is_full: bool,
    was_full: bool,
    counts: Counts,
    /// Mailboxes and MiB.
    said_counts: (usize, u64),
    said: Refusals,
    seen: Refusals,
}

impl Log {
    pub(super) fn new(now: Instant, vitals: Arc<Vitals>) -> Self {
        Self {
            vitals,
            next: now + LOG_PAUSE,
            is_unwritten: false,
            was_failing: false,
            is_full: false,
            was_full: false,
            counts: Counts::default(),
            said_counts: (0, 0),
            said: Refusals::default(),
            seen: Refusals::default(),
        }
    }

    fn see(&mut self, facts: &Facts) {
        (self.is_full, self.counts) = (facts.is_full, facts.counts);
        self.count(facts.refused);
    }

    /// Takes in what was refused so far. After a failed turn the machine begins again at 0.
    fn count(&mut self, seen: Refusals) {
        let Refusals { mailboxes, places, room, rights } = self.seen;
        if seen.mailboxes < mailboxes || seen.places < places || seen.room < room || seen.rights < rights {
            self.said = Refusals::default();
        }
        self.seen = seen;
    }

    /// Says what is new, when a minute is over.
    fn tick(&mut self, now: Instant) {
        if now >= self.next {
            let missed = now.duration_since(self.next).as_secs() / LOG_PAUSE.as_secs();
            self.next += LOG_PAUSE * u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
            self.say();
        }
    }

    /// Says what is left, at the end.
    pub(super) fn end(&mut self) {
        self.say();
    }

    fn say(&mut self) {
        let is_failing = self.is_unwritten || self.vitals.is_failing();
        if is_failing && !self.was_failing {
            tracing::warn!("the relay cannot write to its disk: it keeps nothing new until it can. Is the disk full?");
        }
        if !is_failing && self.was_failing {
            tracing::info!("the relay can write to its disk again");
        }
        self.was_failing = is_failing;
        if self.is_full && !self.was_full {
            tracing::warn!("the relay is full: it refuses what does not fit. `bytes` allows it more");
        }
        if !self.is_full && self.was_full {
            tracing::info!("the relay has room again");
        }
        self.was_full = self.is_full;
        let (mailboxes, mebibytes) = (self.counts.mailboxes, self.counts.bytes.div_ceil(1 << 20));
        if self.said_counts != (mailboxes, mebibytes) {
            self.said_counts = (mailboxes, mebibytes);
            tracing::debug!(mailboxes, mebibytes, "what the relay keeps");
        }
        if let Some(Refusals { mailboxes, places, room, rights }) = self.refused() {
            let said = "refused: mailboxes for those who may have none here (mailboxes) and for which there was no place (places), \
                        messages for which there was no room (room) and from those who may not leave any (rights)";
            tracing::info!(mailboxes, places, room, rights, "{said}");
        }
    }

    /// What was refused since it was said last.
    fn refused(&mut self) -> Option<Refusals> {
        let (seen, said) = (self.seen, self.said);
        self.said = seen;
        let since = Refusals {
            mailboxes: seen.mailboxes.saturating_sub(said.mailboxes),
            places: seen.places.saturating_sub(said.places),
            room: seen.room.saturating_sub(said.room),
            rights: seen.rights.saturating_sub(said.rights),
        };
        (since != Refusals::default()).then_some(since)
    }
}

/// Takes the file away, at a clean stop.
pub(super) fn withdraw(folder: &Path) {
    // What is left is believed by nobody while no process holds the folder.
    let _ = std::fs::remove_file(folder.join(STATUS_FILE));
}

fn view(ready: &RelayReady, facts: &Facts, started: u64) -> Value {
    json!({
        "process": std::process::id(),
        "id": ready.id,
        "link": facts.link.to_string(),
        "listen": ready.listen,
        "policy": facts.policy.name(),
        "hub": ready.is_hub,
        "started": started,
        "mailboxes": facts.counts.mailboxes,
        "entries": facts.counts.entries,
        "bytes": facts.counts.bytes,
        "bytes_max": facts.bytes,
        "set": ready.set,
        "connections_max": ready.places,
        // Addresses come and go with networks.
        "is_private": !facts.link.places.iter().any(is_public),
        "is_short": ready.is_short,
        "claim_file": ready.claim_file.display().to_string(),
        "friends_claim_file": ready.friends_file.as_ref().map(|file| file.display().to_string()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::folder::Folder;

    #[test]
    fn what_is_refused_is_counted_in_one_line_a_minute_at_a_time_that_says_nothing() {
        let begin = Instant::now();
        let mut log = Log::new(begin, Arc::new(Vitals::default()));
        let seen = |mailboxes, room| Refusals { mailboxes, room, ..Refusals::default() };
        log.count(seen(1, 0));
        log.tick(begin + LOG_PAUSE / 2);
        assert_eq!(log.said, Refusals::default(), "not at once");
        log.count(seen(90, 5));
        log.tick(begin + LOG_PAUSE * 3 + LOG_PAUSE / 2);
        assert_eq!((log.said, log.next), (seen(90, 5), begin + LOG_PAUSE * 4), "at its own minutes, whatever happens");
        log.count(seen(91, 5));
        assert_eq!(log.refused(), Some(seen(1, 0)));
        assert_eq!(log.refused(), None, "no line of zeros");
        // A turn has failed: the machine counts from 0 again.
        log.count(seen(0, 0));
        assert_eq!(log.refused(), None, "nor then");
        log.count(seen(2, 0));
        assert_eq!(log.refused(), Some(seen(2, 0)));
    }

    #[test]
    fn that_the_disk_is_full_is_said_by_the_minute_and_that_it_is_not_as_well() {
        let begin = Instant::now();
        let vitals = Arc::new(Vitals::default());
        let mut log = Log::new(begin, vitals.clone());
        vitals.turn_failed(symbolon_presence::time::Timestamp(1), "the disk is full");
        log.tick(begin + LOG_PAUSE / 2);
        assert!(!log.was_failing, "not when it happens");
        log.tick(begin + LOG_PAUSE);
        assert!(log.was_failing);
        vitals.turn_done(symbolon_presence::time::Timestamp(2), true);
        log.tick(begin + LOG_PAUSE + LOG_PAUSE / 2);
        assert!(log.was_failing);
        log.tick(begin + LOG_PAUSE * 2);
        assert!(!log.was_failing);
    }

    #[test]
    fn what_a_relay_left_behind_is_believed_only_while_a_process_holds_the_folder() {
        let home = tempfile::tempdir().unwrap();
        drop(Folder::open(home.path()).unwrap());
        let put = |text: &str| std::fs::write(home.path().join(STATUS_FILE), text).unwrap();
        put("{\"process\":4711,\"policy\":\"open\"}");
        assert_eq!(running(home.path()), None);
        let folder = Folder::open(home.path()).unwrap();
        let found = running(home.path()).unwrap();
        assert_eq!((found.process, found.view), (4711, json!({ "policy": "open" })));
        // A process number that stands for everybody, or the first process, is none.
        for broken in ["", "{}", "[]", "{\"process\":-1}", "{\"process\":1}", "{\"process\":0}", "{\"process\":99999999999}"] {
            put(broken);
            assert_eq!(running(home.path()), None, "{broken}");
        }
        put(&"x".repeat(100_000));
        assert_eq!(running(home.path()), None);
        withdraw(home.path());
        assert!(!home.path().join(STATUS_FILE).exists());
        drop(folder);
    }
}
