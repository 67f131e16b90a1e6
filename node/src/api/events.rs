//! The event stream: a bounded memory of what happened, from which any number of
//! listeners read at their own pace (WHATWG HTML, server-sent events).
//!
//! An event's id is `<start nonce>-<number>`. A listener that comes back names the last id
//! it saw and gets what it missed, or `lagged` when that is no longer known: then it reads
//! everything again.

use crate::handle::{NodeHandle, NumberedEvent};
use axum::response::sse;
use futures::Stream;
use serde_json::Value;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbolon_core::seam::{Event, Warning};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

/// Events remembered for listeners that come back.
pub const RING: usize = 1_024;

/// One remembered event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number; the first is 1.
    pub number: u64,
    /// Name of the event.
    pub kind: &'static str,
    /// JSON.
    pub data: Arc<str>,
}

/// What was asked for is no longer known; continue after this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged(pub u64);

/// How an event is shown: its name, and its data.
pub type View = fn(&Event) -> (&'static str, Value);

/// The memory of events.
#[derive(Debug)]
pub struct EventLog {
    nonce: String,
    view: View,
    ring: Mutex<Ring>,
    newest: watch::Receiver<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    last: u64,
}

impl EventLog {
    /// Begins to remember; ends with the node, and every stream with it.
    pub fn start(node: &NodeHandle, nonce: String, view: View) -> Arc<Self> {
        let (sender, newest) = watch::channel(0);
        let log = Arc::new(Self { nonce, view, ring: Mutex::default(), newest });
        tokio::spawn(pump(Arc::clone(&log), node.subscribe(), node.clone(), sender));
        log
    }

    /// The number of the newest event.
    pub fn last(&self) -> u64 {
        self.ring().last
    }

    /// Tells when there are newer events; ends when there will be none.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.clone()
    }

    /// At most `limit` events after a number, oldest first.
    pub fn after(&self, number: u64, limit: usize) -> Result<Vec<Entry>, Lagged> {
        let ring = self.ring();
        let oldest = ring.entries.front().map_or(ring.last.saturating_add(1), |entry| entry.number);
        if number > ring.last || number.saturating_add(1) < oldest {
            return Err(Lagged(ring.last));
        }
        // Numbers in the ring rise by one.
        let skip = usize::try_from(number.saturating_add(1).saturating_sub(oldest)).unwrap_or(usize::MAX);
        Ok(ring.entries.iter().skip(skip).take(limit).cloned().collect())
    }

    /// A stream for one listener: first `hello`, or what was missed since `last_id`.
    pub fn stream(self: &Arc<Self>, last_id: Option<&str>) -> impl Stream<Item = Result<sse::Event, Infallible>> + use<> {
        let mut listener = Listener { log: Arc::clone(self), watch: self.watch(), position: self.last(), ready: VecDeque::new() };
        match last_id.map(|id| self.number_of(id)) {
            None => listener.ready.push_back(self.signal("hello", listener.position)),
            // What another process, or nobody, has said cannot be continued.
            Some(None) => listener.ready.push_back(self.signal("lagged", listener.position)),
            Some(Some(number)) => listener.position = number,
        }
        futures::stream::unfold(listener, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }

    fn number_of(&self, id: &str) -> Option<u64> {
        let (nonce, number) = id.split_once('-')?;
        (nonce == self.nonce).then(|| number.parse().ok())?
    }

    fn signal(&self, kind: &'static str, number: u64) -> sse::Event {
        self.event(&Entry { number, kind, data: Arc::from("{}") })
    }

    fn event(&self, entry: &Entry) -> sse::Event {
        sse::Event::default().id(format!("{}-{}", self.nonce, entry.number)).event(entry.kind).data(&*entry.data)
    }

    fn push(&self, event: &NumberedEvent) -> u64 {
        let (kind, data) = (self.view)(&event.event);
        let mut ring = self.ring();
        ring.last = ring.last.saturating_add(1);
        if ring.entries.len() >= RING {
            ring.entries.pop_front();
        }
        let number = ring.last;
        ring.entries.push_back(Entry { number, kind, data: data.to_string().into() });
        number
    }

    /// Leaves a gap: nobody can continue across it.
    fn skip(&self, events: u64) -> u64 {
        let mut ring = self.ring();
        ring.entries.clear();
        ring.last = ring.last.saturating_add(events);
        ring.last
    }

    // Every change of the ring is complete before anything in it can panic.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pump(log: Arc<EventLog>, mut events: broadcast::Receiver<NumberedEvent>, node: NodeHandle, newest: watch::Sender<u64>) {
    loop {
        let received = tokio::select! {
            received = events.recv() => received,
            () = node.stopping() => return,
        };
        let number = match received {
            Ok(event) => log.push(&event),
            Err(RecvError::Lagged(missed)) => log.skip(missed),
            Err(RecvError::Closed) => return,
        };
        newest.send_replace(number);
    }
}

struct Listener {
    log: Arc<EventLog>,
    watch: watch::Receiver<u64>,
    position: u64,
    ready: VecDeque<sse::Event>,
}

impl Listener {
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            // Marked before looking, so that nothing in between goes unnoticed.
            self.watch.borrow_and_update();
            match self.log.after(self.position, 64) {
                Err(Lagged(last)) => {
                    self.position = last;
                    self.ready.push_back(self.log.signal("lagged", last));
                }
                Ok(entries) if entries.is_empty() => self.watch.changed().await.ok()?,
                Ok(entries) => {
                    for entry in &entries {
                        self.position = entry.number;
                        self.ready.push_back(self.log.event(entry));
                    }
                }
            }
        }
    }
}

/// What is said of a warning: its name, and a sentence.
pub(super) fn warning_text(warning: Warning) -> (&'static str, &'static str) {
    match warning {
        Warning::InviteReused => (
            "invite_reused",
            "An invite of yours that was used already was tried again by somebody else. If you shared it in public, make a new one for each person.",
        ),
        Warning::InviteExpired => {
            ("invite_expired", "Somebody tried an invite of yours that has expired. Make a new one if you still expect somebody.")
        }
        Warning::InviteSpoiled => (
            "invite_spoiled",
            "Somebody who has the link of an invite of yours has put something else in its place: nobody gets in by it. Take it back, and make a new one.",
        ),
        Warning::KeysChanged => {
            ("keys_changed", "A friend request came again with other keys. Compare the words with that person before you accept.")
        }
        Warning::OlderCopy => (
            "older_copy",
            "This folder is an older copy of itself: a friend has seen a newer state. The room with that friend is made again; nothing that waits here is lost.",
        ),
        Warning::SecondCopy => (
            "second_copy",
            "Another copy of this folder runs. This one has stopped: run `symbolon device confirm` where you want to go on.",
        ),
        Warning::CopyMoves => (
            "copy_moves",
            "Another copy of this folder runs, and goes on as the device that it was. This one becomes a new device of yours, with keys of its own, and starts again.",
        ),
        Warning::FriendDevice => (
            "friend_device",
            "A friend continues with a new device, made of a backup or of a copy of their folder. If they did not do that, somebody has their recovery phrase or their folder: ask them.",
        ),
        Warning::OwnDeviceCame => (
            "own_device_came",
            "A new device of yours has come. If you did not do that, remove it at once: `symbolon device list`, then `symbolon device remove`.",
        ),
        Warning::FriendListed => (
            "friend_listed",
            "A friend has said by their recovery phrase which devices are theirs: a device was stolen, perhaps. All others of theirs are refused.",
        ),
        Warning::OwnDeviceGone => ("own_device_gone", "A device of yours was removed. Friends learn of it; it reads nothing new."),
        Warning::RemovedHere => {
            ("removed_here", "Another device of yours has removed this one. Its history stays readable; nothing is sent from it any more.")
        }
        Warning::FriendReturned => (
            "friend_returned",
            "A friend's device came back from an older copy of its folder. If that friend did not do it, somebody may have copied their folder: ask them.",
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use symbolon_core::seam::Event;
    use symbolon_presence::id::PeerId;

    fn log() -> EventLog {
        let (_, newest) = watch::channel(0);
        EventLog { nonce: "n".to_owned(), view: super::super::event, ring: Mutex::default(), newest }
    }

    fn fill(log: &EventLog, count: u64) {
        for number in 0..count {
            log.push(&NumberedEvent { number, event: Event::Friend(PeerId([0; 32])) });
        }
    }

    #[test]
    fn ring_forgets_the_oldest_and_says_so() {
        let log = log();
        fill(&log, RING as u64 + 10);
        assert_eq!(log.ring().entries.len(), RING);
        assert_eq!(log.after(9, 5), Err(Lagged(RING as u64 + 10)));
        let entries = log.after(10, 5).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
        assert_eq!(log.after(RING as u64 + 10, 5), Ok(vec![]));
    }

    #[test]
    fn nobody_continues_across_a_gap_or_from_the_future() {
        let log = log();
        fill(&log, 3);
        log.skip(7);
        assert_eq!(log.after(3, 5), Err(Lagged(10)));
        assert_eq!(log.after(11, 5), Err(Lagged(10)));
        assert_eq!(log.after(u64::MAX, 5), Err(Lagged(10)));
        fill(&log, 1);
        assert_eq!(log.after(10, 5).unwrap().len(), 1);
    }

    #[test]
    fn only_ids_of_this_start_are_understood() {
        let log = log();
        assert_eq!(log.number_of("n-7"), Some(7));
        for id in ["", "n", "n-", "m-7", "n-x", "n--7", "7", "n-99999999999999999999999"] {
            assert_eq!(log.number_of(id), None, "{id}");
        }
    }
}
