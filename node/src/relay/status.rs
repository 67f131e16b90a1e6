//! What a running relay says of itself to the commands of its host, in a private file of its folder.
//!
//! A relay has no local API: nobody commands it. The file holds the process, the link and figures,
//! and never whose a mailbox is. It is believed only while a process holds the folder.

use super::machine::Facts;
use crate::folder::{is_in_use, write};
use crate::net::is_public;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use symbolon_relay::machine::Refusals;
use symbolon_relay::machine::seam::Policy;
use tokio::sync::watch;

/// Name of the file.
const STATUS_FILE: &str = "relay-status";
const FILE_LIMIT: u64 = 64 * 1024;
/// Pause between two lines of the log about what was refused.
const REFUSALS_PAUSE: Duration = Duration::from_secs(60);
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
    /// `bytes`, `bytes_max`, `connections_max`, `is_private`, `is_short`, `claim_file`, `friends_claim_file`.
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

/// Keeps the file true until the relay ends. What cannot be written is tried again with the next change.
pub(super) async fn keep(folder: &Path, ready: &RelayReady, mut facts: watch::Receiver<Option<Facts>>) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut log = Log::default();
    loop {
        let now = facts.borrow_and_update().clone();
        if let Some(facts) = now {
            let text = format!("{}\n", view(ready, &facts, started));
            if let Err(error) = write::replace_private(&folder.join(STATUS_FILE), text.as_bytes()) {
                tracing::warn!(kind = %error.kind(), "the figures for `symbolon relay info` cannot be written");
            }
            let counts = facts.counts;
            tracing::debug!(counts.mailboxes, counts.entries, counts.bytes, "what the relay keeps");
            log.note(&facts, Instant::now());
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            changed = facts.changed() => if changed.is_err() {
                // The machine has ended; who waits for that decides.
                std::future::pending::<()>().await;
            },
            () = log.due() => {}
        }
    }
}

/// What the log has said: of what repeats itself a count, at most once a minute.
#[derive(Debug, Default)]
struct Log {
    was_full: bool,
    said: Refusals,
    seen: Refusals,
    next: Option<Instant>,
}

impl Log {
    fn note(&mut self, facts: &Facts, now: Instant) {
        let is_full = facts.counts.bytes >= facts.bytes;
        if is_full && !self.was_full {
            tracing::warn!("the relay is full: it refuses what does not fit");
        }
        if !is_full && self.was_full {
            tracing::info!("the relay has room again");
        }
        self.was_full = is_full;
        self.seen = facts.refused;
        if let Some(Refusals { mailboxes, places, room, rights }) = self.refused(now) {
            tracing::info!(
                mailboxes,
                places,
                room,
                rights,
                "refused: mailboxes to others, for want of a place; envelopes for want of room, without a right"
            );
        }
    }

    /// What was refused since it was said last, if it is time to say so.
    fn refused(&mut self, now: Instant) -> Option<Refusals> {
        if self.seen == self.said || self.next.is_some_and(|next| now < next) {
            return None;
        }
        let (seen, said) = (self.seen, self.said);
        self.said = seen;
        self.next = Some(now + REFUSALS_PAUSE);
        Some(Refusals {
            mailboxes: seen.mailboxes.saturating_sub(said.mailboxes),
            places: seen.places.saturating_sub(said.places),
            room: seen.room.saturating_sub(said.room),
            rights: seen.rights.saturating_sub(said.rights),
        })
    }

    /// When something is left to be said.
    async fn due(&self) {
        match self.next.filter(|_| self.seen != self.said) {
            Some(next) => tokio::time::sleep_until(next.into()).await,
            None => std::future::pending().await,
        }
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
    fn what_is_refused_is_counted_in_one_line_a_minute() {
        let (mut log, begin) = (Log::default(), Instant::now());
        let seen = |mailboxes, room| Refusals { mailboxes, room, ..Refusals::default() };
        assert_eq!(log.refused(begin), None, "nothing was");
        log.seen = seen(1, 0);
        assert_eq!(log.refused(begin), Some(seen(1, 0)), "the first one at once");
        log.seen = seen(90, 5);
        assert_eq!(log.refused(begin + REFUSALS_PAUSE / 2), None);
        assert_eq!(log.refused(begin + REFUSALS_PAUSE), Some(seen(89, 5)));
        assert_eq!(log.refused(begin + 10 * REFUSALS_PAUSE), None, "and nothing since");
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
