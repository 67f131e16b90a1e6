//! Sessions with relays: what is known of the ways to them. Nothing of it is stored.

use super::super::owner::EnvelopeOwner;
use super::super::pump::{Pump, Window};
use crate::command::RelayState;
use crate::rows::RelayKey;
use crate::seam::{DialId, LinkId};
use crate::state::State;
use crate::wire::RelayMailbox;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::address::Address;
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::{MINUTE, SECOND, Timestamp};

/// Rows of an outbox looked at together.
pub(super) const PAGE: usize = 64;
/// Rows of all outboxes looked at for one input: about 10 ms of reading.
pub(crate) const ROWS_AT_ONCE: usize = 512;
/// How often an Offer that lies at a relay is put there again: the answer says when somebody else
/// has used the invite.
pub(super) const ASK_PAUSE: u64 = 10 * MINUTE;
/// A session without work is closed after so long, unless the relay is our own.
pub(super) const IDLE: u64 = 30 * SECOND;

pub(super) fn key_of(mailbox: &RelayMailbox) -> RelayKey {
    (mailbox.entry.mailbox, mailbox.entry.receipt)
}

/// What is known of the way to one relay.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) places: Vec<Address>,
    pub(super) link: Option<LinkId>,
    pub(super) dial: Option<DialId>,
    pub(super) attempts: u32,
    pub(super) next_dial: Option<Timestamp>,
    /// Deposits without receipt.
    pub(super) window: Window<Left>,
    /// Devices for which it says that our key has expired, with the revision of that, and until when
    /// that is believed: until then nothing is left there for them under the same key.
    pub(super) stale: BTreeMap<DeviceId, (Option<u64>, Timestamp)>,
    /// When the link is given up: a receipt is missing, or nothing is to be done.
    pub(super) deadline: Option<Timestamp>,
    /// It had no room; until then nothing is left there, and how often that was in a row.
    pub(super) full_until: Option<Timestamp>,
    pub(super) full: u32,
    pub(super) own: Standing,
    /// When it was found to have lost the mailbox that it kept for us: what was left there before is
    /// lost as well.
    pub(super) wiped: Option<Timestamp>,
    /// What was left there on the last link had no answer: on the next one the node asks who it is.
    pub(super) unanswered: bool,
    /// Devices for which what was left had no answer, although the relay answers: it keeps no mailbox
    /// of theirs. Until then nothing is left there for them.
    pub(super) unkept: BTreeMap<DeviceId, Timestamp>,
}

impl Session {
    /// Whether another relay answers in the place of ours.
    pub(super) fn is_replaced(&self) -> bool {
        self.own.is_own && self.own.state == RelayState::Replaced
    }
}

/// A deposit without receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) device: DeviceId,
    /// Of the friend's secret by which it was put.
    pub(super) revision: Option<u64>,
    /// Whether it asks by an invite.
    pub(super) asks: bool,
}

/// The revision of the friendship secret that is known of a device's owner.
pub(super) fn revision_of(state: &State, device: &DeviceId) -> Option<u64> {
    state.friend_of(device)?.friendship.as_ref().map(|friendship| friendship.revision)
}

/// How we stand with a relay of our own, on its present link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) is_own: bool,
    pub(super) state: RelayState,
    /// Our record was sent on this link.
    pub(super) updated: bool,
    /// It was asked on this link to forward connections to us.
    pub(super) reserved: bool,
    /// It found our time wrong on this link, and was asked again by its own.
    pub(super) retimed: bool,
    /// The version of our record there as it last said, and as it first said on this link.
    pub(super) accepted: Option<u64>,
    pub(super) found: Option<u64>,
    pub(super) entries: (u32, u32),
    pub(super) bytes: (u64, u64),
}

/// How far a device's outbox was looked at for relays.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) pump: Pump,
    /// The relays that the row under a cursor waits for.
    pub(super) calls: BTreeSet<RelayKey>,
    /// A row that was passed lies nowhere: with the next one, all are looked at once more.
    pub(super) again: bool,
    /// All of it lies at relays, or is on its way there: what comes new is looked at from there on.
    pub(super) rests: bool,
}

/// All relays that are spoken to. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    pub(super) sessions: BTreeMap<RelayKey, Session>,
    pub(super) links: BTreeMap<LinkId, RelayKey>,
    pub(super) dials: BTreeMap<DialId, RelayKey>,
    /// Relays of friends in whose place another one answers, and until when that is believed. At most
    /// [`RELAY_SESSIONS_MAX`]; when there are more, all are forgotten.
    pub(super) replaced: BTreeMap<RelayKey, Timestamp>,
    /// Devices that cannot be reached directly.
    pub(super) away: BTreeSet<DeviceId>,
    /// Devices for which something may still have to be left at a relay, and those for which all lies there.
    pub(super) progress: BTreeMap<DeviceId, Progress>,
    /// Relays that are asked for friends' packages; at most one for each of [`FETCHES_MAX`](crate::limits::FETCHES_MAX).
    pub(super) asked: BTreeSet<RelayKey>,
    /// Rows that may still be looked at in this input.
    pub(super) budget: usize,
    /// Where the next input continues, when there were more rows, and when that is due.
    pub(super) resume: Option<DeviceId>,
    pub(super) more: Option<Timestamp>,
    /// The next row whose copy may be too old; what is before it was looked at.
    pub(super) renewing: Option<(DeviceId, u64)>,
    /// Whose copies do not count any more, until the input ends.
    pub(super) lost: Vec<(DeviceId, EnvelopeOwner)>,
    /// When Offers that lie at relays are put there again.
    pub(super) next_ask: Option<Timestamp>,
    pub(super) next_dial_id: u64,
    /// Another copy of this folder runs, and speaks for it.
    pub(super) is_halted: bool,
    pub(super) sent: BTreeMap<&'static str, u64>,
}

impl Relays {
    /// Whether a dial is one of ours.
    pub fn has_dial(&self, dial: DialId) -> bool {
        self.dials.contains_key(&dial)
    }

    /// Whether a link leads to a relay.
    pub fn has_link(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Frames sent since start, by kind; `stored` are the deposits that a relay has signed for.
    pub fn sent(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.sent.iter().map(|(kind, count)| (*kind, *count))
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let sessions = self.sessions.values().flat_map(|session| [session.next_dial, session.deadline, session.full_until]);
        let unkept = self.sessions.values().flat_map(|session| session.unkept.values().copied().map(Some));
        sessions.chain(unkept).chain([self.more, self.next_ask]).flatten().min()
    }

    /// Whether any relay is reached. One that stands in another's place does not count.
    pub fn reaches_any(&self) -> bool {
        self.links.values().any(|key| self.sessions.get(key).is_some_and(|session| !session.is_replaced()))
    }

    /// Whether anything waits for a relay, or for its receipt.
    pub(super) fn is_wanted(&self, key: &RelayKey) -> bool {
        self.sessions.get(key).is_some_and(|session| session.own.is_own || !session.window.is_empty())
            || self.progress.values().any(|progress| progress.calls.contains(key))
            || self.asked.contains(key)
    }

    /// Devices for which something may still have to be left at a relay.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&DeviceId, &Progress)> {
        self.progress.iter().filter(|(_, progress)| !progress.rests)
    }

    /// A row of a device lies nowhere: what comes new for it leads to a look at all of them.
    pub(super) fn look_again(&mut self, device: &DeviceId) {
        match self.progress.get_mut(device) {
            Some(progress) if progress.rests => drop(self.progress.remove(device)),
            Some(progress) => progress.again = true,
            None => {}
        }
    }

    /// What waits for a device is looked at from its beginning.
    pub(super) fn begin_again(&mut self, device: &DeviceId) {
        self.progress.insert(*device, Progress::default());
    }

    /// What waits for a device has changed, or goes to it directly again.
    pub fn restart(&mut self, device: &DeviceId) {
        if self.away.contains(device) {
            self.begin_again(device);
        }
    }

    pub(super) fn restart_all(&mut self) {
        for device in self.away.clone() {
            self.begin_again(&device);
        }
    }

    /// A device is reached directly.
    pub fn reached(&mut self, device: &DeviceId) {
        self.away.remove(device);
        self.progress.remove(device);
    }

    /// Whether another relay answers in the place of one.
    pub(super) fn is_replaced(&self, now: Timestamp, key: &RelayKey) -> bool {
        self.sessions.get(key).is_some_and(Session::is_replaced) || self.replaced.get(key).is_some_and(|until| *until > now)
    }
}
