//! Depots: mailboxes at relays, our friends' and our own.
//!
//! An envelope whose recipient cannot be reached is left, unchanged, at one of the
//! recipient's relays. The relay's signed receipt makes it `stored`, nothing more: the
//! outbox owns it until the recipient says that it arrived, and leaves it anew once the
//! copy has lived three quarters of its life. From our own relays we fetch what others left
//! for us; an entry is deleted there once it is settled on our disk.
//!
//! A session per relay holds at most one link. A relay is believed as far as its receipt
//! key goes: that it stores, and what it stores; never that somebody has read it.

use crate::clock::Signer;
use crate::command::{CommandError, Direction, MessageState, RelayState, RelayView, RequestStatus};
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN, DEPOT_SESSIONS_MAX, DEPOTS_MAX, RECEIPT_TIMEOUT, WINDOW, WINDOW_BYTES};
use crate::outbox::{self, Copy, FIRST_ROWS, OutboxRow, What};
use crate::people;
use crate::request;
use crate::requests;
use crate::rows::{DepotKey, Fault, Friend, OwnDepot, ROOM_LANE, set_message_state};
use crate::seam::{CloseReason, DialId, LinkId, NetAction};
use crate::state::{Sign, State, Why};
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::Depot;
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::address::Address;
use symbolon_presence::id::{DeviceId, FrameId, MailboxId, Nonce, QueueId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::{DAYS_AHEAD, day_of};
use symbolon_presence::sign::{SigningKey, VerifyingKey};
use symbolon_presence::time::{HOUR, MINUTE, SECOND, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::limits::ACK_MAX;
use symbolon_relay::link::{ClaimCode, RelayLink};
use symbolon_relay::put::{Outcome, Receipt, Refusal};
use symbolon_relay::records::Away;
use symbolon_relay::session::{Accepted, Ack, Deposit, MailboxRecord, Session as Opening, Update, Verdict};

mod own;

pub(crate) use own::{add, claim, remove};

/// A session without work is closed after so long, unless the relay is our own.
const IDLE: u64 = 30 * SECOND;
/// Rows of an outbox looked at together.
const PAGE: usize = 64;
/// Rows of all outboxes looked at for one input: about 10 ms of reading.
pub(crate) const ROWS_AT_ONCE: usize = 512;
/// What a relay says of an old key is believed for so long.
const STALE_PAUSE: u64 = HOUR;
/// That another relay stands in the place of a friend's is remembered as long.
const REPLACED_PAUSE: u64 = HOUR;
/// After this time the node tries again whether a relay that answers keeps a friend's mailbox.
const UNKEPT_PAUSE: u64 = 15 * MINUTE;
/// How often an Offer that lies at a relay is put there again: the answer says when somebody else
/// has used the invite.
const ASK_PAUSE: u64 = 10 * MINUTE;
/// Pause before a relay that was full is asked again.
const FULL_PAUSE: u64 = 60 * SECOND;
/// It doubles up to this.
const FULL_PAUSE_MAX: u64 = 60 * FULL_PAUSE;

fn key_of(depot: &Depot) -> DepotKey {
    (depot.entry.mailbox, depot.entry.receipt)
}

/// What is known of the way to one relay.
#[derive(Debug, Default)]
struct Session {
    places: Vec<Address>,
    link: Option<LinkId>,
    dial: Option<DialId>,
    attempts: u32,
    next_dial: Option<Timestamp>,
    /// Deposits without receipt.
    inflight: BTreeMap<FrameId, Inflight>,
    inflight_bytes: usize,
    /// Devices for which it says that our key is over, with the revision of that, and until when
    /// that is believed: until then nothing is left there for them under the same key.
    stale: BTreeMap<DeviceId, (Option<u64>, Timestamp)>,
    /// When the link is given up: a receipt is missing, or nothing is to be done.
    deadline: Option<Timestamp>,
    /// It had no room; until then nothing is left there, and how often that was in a row.
    full_until: Option<Timestamp>,
    full: u32,
    own: Standing,
    /// When it was found to have lost the mailbox that it kept for us: what was left there before is
    /// lost as well.
    wiped: Option<Timestamp>,
    /// What was left there on the last link had no answer: on the next one the node asks who it is.
    unanswered: bool,
    /// Devices for which what was left had no answer, although the relay answers: it keeps no mailbox
    /// of theirs. Until then nothing is left there for them.
    unkept: BTreeMap<DeviceId, Timestamp>,
}

impl Session {
    /// Whether another relay answers in the place of ours.
    fn is_replaced(&self) -> bool {
        self.own.is_own && self.own.state == RelayState::Replaced
    }
}

/// A deposit without receipt.
#[derive(Debug, Clone, Copy)]
struct Inflight {
    device: DeviceId,
    number: u64,
    size: usize,
    /// Of the friend's secret by which it was put.
    revision: Option<u64>,
    /// Whether it is an Offer.
    is_offer: bool,
}

/// The revision of the friendship secret that is known of a device's owner.
fn revision_of(state: &State, device: &DeviceId) -> Option<u64> {
    state.friend_of(device)?.friendship.as_ref().map(|friendship| friendship.revision)
}

/// How we stand with a relay of our own, on its present link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    is_own: bool,
    state: RelayState,
    /// Our record was sent on this link.
    updated: bool,
    /// It was asked on this link to forward connections to us.
    reserved: bool,
    /// It found our time wrong on this link, and was asked again by its own.
    retimed: bool,
    entries: (u32, u32),
    bytes: (u64, u64),
}

/// What of a device's outbox was looked at.
#[derive(Debug)]
struct Progress {
    /// The numbers of the next rows to look at, in both lanes.
    cursors: [u64; 2],
    /// The relays that the row under a cursor waits for.
    calls: BTreeSet<DepotKey>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { cursors: FIRST_ROWS, calls: BTreeSet::new() }
    }
}

/// All relays that are spoken to. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Depots {
    sessions: BTreeMap<DepotKey, Session>,
    links: BTreeMap<LinkId, DepotKey>,
    dials: BTreeMap<DialId, DepotKey>,
    /// Relays of friends in whose place another one answers, and until when that is believed. At most
    /// [`DEPOT_SESSIONS_MAX`]; when there are more, all are forgotten.
    replaced: BTreeMap<DepotKey, Timestamp>,
    /// Devices that cannot be reached directly.
    away: BTreeSet<DeviceId>,
    /// Those of them for which something may still have to be left at a relay.
    waiting: BTreeMap<DeviceId, Progress>,
    /// Rows that may still be looked at in this input.
    budget: usize,
    /// Where the next input goes on, when there were more rows, and when that is due.
    resume: Option<DeviceId>,
    more: Option<Timestamp>,
    /// The next row whose copy may be too old; what is before it was looked at.
    renewing: Option<(DeviceId, u64)>,
    /// When Offers that lie at relays are put there again.
    next_ask: Option<Timestamp>,
    next_dial_id: u64,
    /// Another copy of this folder runs, and speaks for it.
    is_halted: bool,
    sent: BTreeMap<&'static str, u64>,
}

impl Depots {
    /// Closes all links, and opens none.
    pub fn halt(&mut self, turn: &mut Turn<'_>) {
        self.is_halted = true;
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.close(turn, link, CloseReason::Idle);
        }
        for session in self.sessions.values_mut() {
            (session.next_dial, session.dial) = (None, None);
        }
        self.dials.clear();
    }

    /// After a start: our own relays are called.
    pub fn start(&mut self, state: &State, turn: &mut Turn<'_>) {
        self.is_halted = false;
        // Not from zero: a dial of a core that failed must not be taken for one of this core.
        self.next_dial_id = turn.rng.next_u64() >> 1;
        for own in state.own.depots.values() {
            self.add_own(own, turn.now);
        }
    }

    /// A device is known no longer.
    pub fn forget_device(&mut self, device: &DeviceId) {
        self.reached(device);
        for session in self.sessions.values_mut() {
            session.stale.remove(device);
            session.unkept.remove(device);
        }
    }

    fn forget(&mut self, key: &DepotKey) {
        if let Some(session) = self.sessions.remove(key) {
            for inflight in session.inflight.values() {
                self.begin_again(&inflight.device);
            }
        }
        self.dials.retain(|_, dialled| dialled != key);
    }

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

    /// Does what is due.
    pub fn tick(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let now = turn.now;
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let late: Vec<LinkId> = self.sessions.values().filter(|session| due(session.deadline)).filter_map(|session| session.link).collect();
        let calls: Vec<DepotKey> = self.sessions.iter().filter(|(_, session)| due(session.next_dial)).map(|(key, _)| *key).collect();
        for link in late {
            if !self.find_unkept(turn, link) {
                self.close(turn, link, CloseReason::Idle);
            }
        }
        for key in calls {
            // Called again while something waits for it, and not for ever.
            if self.is_wanted(&key) {
                self.dial(turn, &key);
            } else {
                self.sessions.remove(&key);
            }
        }
        if due(self.next_ask) {
            self.next_ask = None;
            self.recount(state, turn)?;
        }
        if self.more.is_some_and(|at| at <= now) {
            self.more = None;
            self.renew_some(state, turn)?;
        }
        let mut again = BTreeSet::new();
        for session in self.sessions.values_mut() {
            if due(session.full_until) {
                session.full_until = None;
            }
            again.extend(session.unkept.extract_if(.., |_, until| *until <= now).map(|(device, _)| device));
        }
        for device in again {
            self.restart(&device);
        }
        self.pump(state, turn)
    }

    /// What was left on a link has had no answer for too long. If the relay is ours and keeps our
    /// mailbox, it has no mailbox of the receivers. Then the link stays, because it is answered,
    /// and they are written to elsewhere for a while.
    fn find_unkept(&mut self, turn: &Turn<'_>, link: LinkId) -> bool {
        let Some(session) = self.links.get(&link).and_then(|key| self.sessions.get_mut(key)) else { return false };
        if session.inflight.is_empty() {
            return false;
        }
        if session.own.state != RelayState::Connected {
            session.unanswered = true;
            return false;
        }
        session.deadline = None;
        session.inflight_bytes = 0;
        let devices: BTreeSet<DeviceId> = std::mem::take(&mut session.inflight).into_values().map(|inflight| inflight.device).collect();
        session.unkept.extend(devices.iter().map(|device| (*device, turn.now.after(UNKEPT_PAUSE))));
        for device in devices {
            self.begin_again(&device);
        }
        true
    }

    fn dial(&mut self, turn: &mut Turn<'_>, key: &DepotKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.next_dial = None;
        if self.is_halted {
            return;
        }
        if session.link.is_some() || session.dial.is_some() {
            return;
        }
        self.next_dial_id = self.next_dial_id.saturating_add(1);
        let dial = DialId(self.next_dial_id);
        session.dial = Some(dial);
        turn.act(NetAction::Dial(dial, session.places.clone()));
        self.dials.insert(dial, *key);
    }

    /// Whether any relay is reached. One that stands in another's place does not count.
    pub fn reaches_any(&self) -> bool {
        self.links.values().any(|key| self.sessions.get(key).is_some_and(|session| !session.is_replaced()))
    }

    /// Calls a relay of ours now, each in turn, also if an older call has no answer yet.
    pub fn try_own(&mut self, turn: &mut Turn<'_>, round: usize) {
        let is_called = |session: &Session| session.own.is_own && !session.is_replaced();
        let own: Vec<DepotKey> = self.sessions.iter().filter(|(_, session)| is_called(session)).map(|(key, _)| *key).collect();
        let Some(key) = round.checked_rem(own.len()).and_then(|at| own.get(at)) else { return };
        if let Some(session) = self.sessions.get_mut(key).filter(|session| session.link.is_none()) {
            // If the older one comes up first, it is taken: it keeps its place in `dials`.
            session.dial = None;
        }
        self.dial(turn, key);
    }

    /// The network is back: no relay's pause counts any more.
    pub fn rouse(&mut self, turn: &Turn<'_>) {
        for session in self.sessions.values_mut().filter(|session| session.link.is_none()) {
            session.attempts = 0;
            session.dial = None;
            session.next_dial = Some(turn.now);
        }
    }

    /// A relay was reached.
    pub fn link_up(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, dial: DialId) -> Result<(), TurnFailed> {
        let Some(key) = self.dials.remove(&dial) else { return Ok(()) };
        let Some(session) = self.sessions.get_mut(&key) else {
            turn.act(NetAction::Close(link, CloseReason::Idle));
            return Ok(());
        };
        if session.dial == Some(dial) {
            session.dial = None;
        }
        if session.link.is_some() {
            // Two calls were under way, and the other one came up first.
            turn.act(NetAction::Close(link, CloseReason::Idle));
            return Ok(());
        }
        session.next_dial = None;
        session.link = Some(link);
        session.deadline = Some(turn.now.after(IDLE));
        self.links.insert(link, key);
        if session.own.is_own {
            // The problem is shown until it answers: that somebody is there proves nothing.
            let known = match session.own.state {
                RelayState::Replaced | RelayState::Unreachable => session.own.state,
                RelayState::Connecting | RelayState::Connected | RelayState::Refused | RelayState::Full => RelayState::Connecting,
            };
            session.own = Standing { is_own: true, state: known, ..Standing::default() };
            self.open(state, turn, &key);
        } else if session.unanswered {
            self.ask_who(turn, &key, link);
        }
        self.pump(state, turn)
    }

    /// A relay was not reached.
    pub fn dial_failed(&mut self, turn: &mut Turn<'_>, dial: DialId) {
        if let Some(key) = self.dials.remove(&dial)
            // A newer call may be under way.
            && let Some(session) = self.sessions.get_mut(&key).filter(|session| session.dial == Some(dial))
        {
            session.dial = None;
            back_off(session, turn);
            self.drop_useless(&key);
        }
    }

    /// A link to a relay is gone.
    pub fn link_down(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        let Some(key) = self.links.remove(&link) else { return };
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.link = None;
        session.deadline = None;
        session.own.state = RelayState::Unreachable;
        let lost = std::mem::take(&mut session.inflight);
        let unkept = std::mem::take(&mut session.unkept);
        session.inflight_bytes = 0;
        back_off(session, turn);
        for device in unkept.into_keys() {
            self.restart(&device);
        }
        for inflight in lost.into_values() {
            self.begin_again(&inflight.device);
            if let Some(progress) = self.waiting.get_mut(&inflight.device) {
                progress.calls.insert(key);
            }
        }
        self.drop_useless(&key);
    }

    /// A session that nobody waits for is forgotten; a new one is made when it is wanted.
    fn drop_useless(&mut self, key: &DepotKey) {
        if !self.is_wanted(key) && self.sessions.get(key).is_some_and(|session| session.link.is_none()) {
            self.sessions.remove(key);
        }
    }

    /// Whether anything waits for a relay, or for its receipt.
    fn is_wanted(&self, key: &DepotKey) -> bool {
        self.sessions.get(key).is_some_and(|session| session.own.is_own || !session.inflight.is_empty())
            || self.waiting.values().any(|progress| progress.calls.contains(key))
    }

    /// What waits for a device is looked at from its beginning.
    fn begin_again(&mut self, device: &DeviceId) {
        self.waiting.insert(*device, Progress::default());
    }

    fn close(&mut self, turn: &mut Turn<'_>, link: LinkId, reason: CloseReason) {
        turn.act(NetAction::Close(link, reason));
        self.link_down(turn, link);
    }

    /// A device cannot be reached directly, or something new lies in its outbox.
    pub fn wait(&mut self, state: &State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        self.away.insert(*device);
        self.waiting.entry(*device).or_default();
        self.budget = ROWS_AT_ONCE;
        self.pump_device(state, turn, device)
    }

    /// What waits for a device has changed, or goes to it directly again.
    pub fn restart(&mut self, device: &DeviceId) {
        if self.away.contains(device) {
            self.begin_again(device);
        }
    }

    fn restart_all(&mut self) {
        for device in self.away.clone() {
            self.begin_again(&device);
        }
    }

    /// A device is reached directly.
    pub fn reached(&mut self, device: &DeviceId) {
        self.away.remove(device);
        self.waiting.remove(device);
    }

    /// Leaves what waits for unreachable devices at their relays, as far as windows allow. A
    /// bounded number of rows is looked at; what is left of them is, soon after.
    pub fn pump(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        self.budget = ROWS_AT_ONCE;
        let mut devices: Vec<DeviceId> = self.waiting.keys().copied().collect();
        let first = self.resume.take().map_or(0, |resume| devices.partition_point(|device| *device < resume));
        devices.rotate_left(first);
        for device in devices {
            if self.budget == 0 {
                self.go_on_soon(turn, device);
                break;
            }
            self.pump_device(state, turn, &device)?;
        }
        Ok(())
    }

    fn go_on_soon(&mut self, turn: &Turn<'_>, device: DeviceId) {
        self.resume = Some(device);
        self.more.get_or_insert(turn.now.after(1));
    }

    fn pump_device(&mut self, state: &State, turn: &mut Turn<'_>, id: &DeviceId) -> Result<(), TurnFailed> {
        let Some(device) = state.devices.get(id).filter(|_| !people::is_device_blocked(state, id) && !state.is_incompatible(turn.now, id))
        else {
            self.away.remove(id);
            self.waiting.remove(id);
            return Ok(());
        };
        // While we ask a friend again, the old room is doubtful: its frames wait.
        let lanes = if requests::asking_since(state, &device.peer).is_some() { 1 } else { 2 };
        let ends = [(device.outbox_first, ROOM_LANE), (device.outbox_next, u64::MAX)];
        let Some(progress) = self.waiting.get_mut(id) else { return Ok(()) };
        // Of one that waited before, first its next row alone: most wait still.
        let mut limit = if std::mem::take(&mut progress.calls).is_empty() { PAGE } else { 1 };
        let mut waits = false;
        for lane in 0..lanes {
            // The first row that waits for a relay without holding up the others.
            let mut aside = None;
            let (Some(progress), Some((next, end))) = (self.waiting.get(id), ends.get(lane)) else { return Ok(()) };
            let Some(mut cursor) = progress.cursors.get(lane).copied() else { break };
            while cursor < *next {
                if self.budget == 0 {
                    self.go_on_soon(turn, *id);
                    return Ok(());
                }
                let page = outbox::rows(turn, id, cursor, limit)?;
                self.budget = self.budget.saturating_sub(page.len().max(1));
                let mut past = *next;
                for (number, row) in page.iter().take_while(|(number, _)| number < end) {
                    if self.leave(state, turn, device, *number, row) {
                        continue;
                    }
                    if matches!(row.what, What::Standing | What::Answer) {
                        // What it goes to may be gone; the texts have ways of their own.
                        aside.get_or_insert(*number);
                        continue;
                    }
                    past = *number;
                    break;
                }
                let is_stopped = past != *next;
                if !is_stopped && let Some((number, _)) = page.last().filter(|(number, _)| page.len() == limit && number < end) {
                    past = number.saturating_add(1);
                }
                limit = PAGE;
                cursor = past;
                if let Some(cursor) = self.waiting.get_mut(id).and_then(|progress| progress.cursors.get_mut(lane)) {
                    *cursor = aside.unwrap_or(past);
                }
                if is_stopped {
                    return Ok(());
                }
            }
            waits |= aside.is_some();
        }
        if waits {
            return Ok(());
        }
        // All of it lies at a relay, is on its way there, or has no relay to lie at: nobody is
        // called for it. What comes new, or must be left again, begins it once more.
        self.waiting.remove(id);
        Ok(())
    }

    /// Leaves one envelope at a relay, unless a good copy lies there. False when it must be
    /// tried again later.
    fn leave(&mut self, state: &State, turn: &mut Turn<'_>, device: &crate::rows::Device, number: u64, row: &OutboxRow) -> bool {
        if row.stored.is_some() || self.sessions.values().any(|session| session.inflight.contains_key(&row.frame)) {
            return true;
        }
        let revision = revision_of(state, &device.device);
        // An invite's key has nothing to do with that of friends.
        let is_stale = |depot: &&Depot| {
            let session = self.sessions.get(&key_of(depot));
            let said = session.and_then(|session| session.stale.get(&device.device));
            row.via.is_none() && said.is_some_and(|(known, until)| *known == revision && *until > turn.now)
        };
        let is_replaced = |depot: &&Depot| self.is_replaced(turn.now, &key_of(depot));
        let is_unkept =
            |depot: &&Depot| self.sessions.get(&key_of(depot)).is_some_and(|session| session.unkept.contains_key(&device.device));
        let depots: Vec<&Depot> =
            outbox::depots_of(row, device).iter().filter(|depot| !is_stale(depot) && !is_replaced(depot) && !is_unkept(depot)).collect();
        if depots.is_empty() {
            return true;
        }
        for depot in &depots {
            let Some(session) = self.sessions.get_mut(&key_of(depot)) else { continue };
            let Some(link) = session.link.filter(|_| session.full_until.is_none_or(|until| until <= turn.now)) else { continue };
            if session.inflight.len() >= WINDOW || session.inflight_bytes >= WINDOW_BYTES {
                return false;
            }
            let Some(put) = outbox::put_at(row, depot) else { continue };
            session.inflight.insert(
                row.frame,
                Inflight {
                    device: device.device,
                    number,
                    size: row.envelope.len(),
                    revision,
                    is_offer: matches!(row.what, What::Offer(_)),
                },
            );
            session.inflight_bytes = session.inflight_bytes.saturating_add(row.envelope.len());
            session.deadline = Some(turn.now.after(RECEIPT_TIMEOUT));
            *self.sent.entry("deposit").or_default() += 1;
            turn.act(NetAction::Send(link, Frame::Put(put).encode()));
            return true;
        }
        for depot in depots {
            if let Some(progress) = self.waiting.get_mut(&device.device) {
                progress.calls.insert(key_of(depot));
            }
            self.call(turn, depot);
        }
        false
    }

    /// Sees to it that a relay is called.
    fn call(&mut self, turn: &mut Turn<'_>, depot: &Depot) {
        let key = key_of(depot);
        if !self.sessions.contains_key(&key) && self.sessions.len() >= DEPOT_SESSIONS_MAX {
            let idle = self.sessions.iter().find(|(_, session)| !session.own.is_own && session.inflight.is_empty()).map(|(key, _)| *key);
            let Some(idle) = idle else { return };
            if let Some(link) = self.sessions.get(&idle).and_then(|session| session.link) {
                turn.act(NetAction::Close(link, CloseReason::Idle));
                self.links.remove(&link);
            }
            self.forget(&idle);
        }
        let session = self.sessions.entry(key).or_default();
        if !session.own.is_own {
            session.places.clone_from(&depot.entry.places);
        }
        if session.link.is_none() && session.dial.is_none() && session.next_dial.is_none() {
            self.dial(turn, &key);
        }
    }

    /// A frame from a relay. Deposits are answered: they are for the intake.
    pub fn frame(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        link: LinkId,
        bytes: &[u8],
    ) -> Result<Option<(DepotKey, Deposit)>, TurnFailed> {
        let Some(key) = self.links.get(&link).copied() else { return Ok(None) };
        match Frame::decode(bytes) {
            Ok(Frame::Receipt(receipt)) => self.receipt(state, turn, &key, &receipt)?,
            Ok(Frame::Accepted(accepted)) => {
                if self.accepted(state, turn, &key, link, &accepted) {
                    self.pump(state, turn)?;
                }
            }
            Ok(Frame::Deposit(deposit)) if self.sessions.get(&key).is_some_and(|session| session.own.is_own) => {
                return Ok(Some((key, deposit)));
            }
            Ok(
                Frame::Deposit(_)
                | Frame::Put(_)
                | Frame::Update(_)
                | Frame::Session(_)
                | Frame::Ack(_)
                | Frame::Lookup(_)
                | Frame::Found(_)
                | Frame::Away(_)
                | Frame::Stock(_)
                | Frame::Fetch(_)
                | Frame::Fetched(_)
                | Frame::Keep(_)
                | Frame::Prove(_),
            )
            | Err(_) => {
                self.close(turn, link, CloseReason::Protocol);
            }
        }
        Ok(None)
    }

    /// A relay has signed for what was left there.
    fn receipt(&mut self, state: &mut State, turn: &mut Turn<'_>, key: &DepotKey, receipt: &Receipt) -> Result<(), TurnFailed> {
        let (mailbox, signer) = key;
        let verified = VerifyingKey::parse(signer).ok().and_then(|signer| receipt.verify(&signer, mailbox).ok());
        let (Some(body), Some(session)) = (verified, self.sessions.get_mut(key)) else { return Ok(()) };
        session.attempts = 0;
        session.unanswered = false;
        // A relay of ours, or one that a friend of ours has named: not one of a stranger's invite.
        let is_trusted = |inflight: &Inflight| state.friend_of(&inflight.device).is_some_and(Friend::stands);
        if session.own.is_own || session.inflight.values().any(is_trusted) {
            state.clock.heard(Signer::Relay(*mailbox), body.at);
        }
        let mut settled = Vec::new();
        let (mut unplaced, mut with_new_keys) = (Vec::new(), Vec::new());
        for item in body.items {
            let Some(Inflight { device, number, size, revision, is_offer }) = session.inflight.remove(&item.frame) else { continue };
            session.inflight_bytes = session.inflight_bytes.saturating_sub(size);
            match item.outcome {
                Outcome::Refused(Refusal::Full) => unplaced.push(device),
                Outcome::Stored(_) => {
                    session.full = 0;
                    if is_offer {
                        self.next_ask.get_or_insert(turn.now.after(ASK_PAUSE));
                    }
                }
                // The new key was read while this was on its way.
                Outcome::Refused(Refusal::Stale) if revision != revision_of(state, &device) => with_new_keys.push(device),
                Outcome::Refused(Refusal::Stale) => {
                    session.stale.insert(device, (revision, turn.now.after(STALE_PAUSE)));
                    if let Some(peer) = state.friend_of(&device).map(|friend| friend.peer) {
                        state.seek(peer, Why::Stale);
                    }
                }
                Outcome::Delivered | Outcome::Refused(_) => {}
            }
            settled.push((device, number, item.outcome));
        }
        if !unplaced.is_empty() {
            let pause = FULL_PAUSE.saturating_mul(1 << session.full.min(20)).min(FULL_PAUSE_MAX);
            session.full = session.full.saturating_add(1);
            session.full_until = Some(turn.now.after(pause));
        }
        let wait = if session.inflight.is_empty() { IDLE } else { RECEIPT_TIMEOUT };
        session.deadline = (!session.own.is_own || !session.inflight.is_empty()).then(|| turn.now.after(wait));
        for (device, number, outcome) in settled {
            if matches!(outcome, Outcome::Stored(_)) {
                *self.sent.entry("stored").or_default() += 1;
            }
            settle(state, turn, mailbox, &device, number, outcome)?;
        }
        for device in unplaced.into_iter().chain(with_new_keys) {
            self.begin_again(&device);
        }
        self.pump(state, turn)
    }

    /// Copies that have lived most of their life, or lie where the device fetches nothing any
    /// more, do not count: what they were of waits again. Begins to look for them.
    pub fn renew(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let now = turn.now;
        let over: Vec<DeviceId> = self
            .sessions
            .values_mut()
            .flat_map(|session| session.stale.extract_if(.., |_, (_, until)| *until <= now))
            .map(|(id, _)| id)
            .collect();
        for device in over {
            self.restart(&device);
        }
        if self.replaced.extract_if(.., |_, until| *until <= now).count() > 0 {
            self.restart_all();
        }
        if self.renewing.is_none() {
            self.renewing = state.devices.keys().next().map(|first| (*first, 0));
        }
        self.renew_some(state, turn)?;
        self.pump(state, turn)
    }

    /// Looks at all copies again, from the beginning.
    pub fn recount(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        self.renewing = None;
        self.renew(state, turn)
    }

    /// Whether another relay answers in the place of one.
    fn is_replaced(&self, now: Timestamp, key: &DepotKey) -> bool {
        self.sessions.get(key).is_some_and(Session::is_replaced) || self.replaced.get(key).is_some_and(|until| *until > now)
    }

    /// Whether a copy is lost with all that lay where it did.
    fn is_lost(&self, now: Timestamp, copy: &Copy) -> bool {
        let is_wiped = |session: &Session| session.wiped.is_some_and(|at| copy.at <= at);
        self.sessions.iter().any(|(key, session)| key.0 == copy.mailbox && (session.is_replaced() || is_wiped(session)))
            || self.replaced.iter().any(|(key, until)| key.0 == copy.mailbox && *until > now)
    }

    /// Looks at the next rows for copies that do not count any longer.
    fn renew_some(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let mut left = ROWS_AT_ONCE;
        while let Some((id, from)) = self.renewing.take() {
            let following = || {
                let behind = (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded);
                state.devices.range(behind).find(|(_, device)| device.outbox_count > 0).map(|(next, _)| (*next, 0))
            };
            let Some(device) = state.devices.get(&id).filter(|device| device.outbox_count > 0).cloned() else {
                self.renewing = following();
                continue;
            };
            if left == 0 {
                self.renewing = Some((id, from));
                self.more.get_or_insert(turn.now.after(1));
                return Ok(());
            }
            let page = outbox::rows(turn, &id, from, PAGE)?;
            left = left.saturating_sub(page.len().max(1));
            self.renewing = match page.last() {
                Some((last, _)) => Some((id, last.saturating_add(1))),
                None => following(),
            };
            for (number, row) in page {
                let Some(copy) = &row.stored else { continue };
                let is_fetched = outbox::depots_of(&row, &device).iter().any(|depot| depot.entry.mailbox == copy.mailbox);
                if matches!(row.what, What::Offer(_)) {
                    self.next_ask.get_or_insert(turn.now.after(ASK_PAUSE));
                }
                let asks = matches!(row.what, What::Offer(_)) && turn.now.since(copy.at) >= ASK_PAUSE;
                if is_fetched && !asks && !copy.is_ageing(turn.now) && !self.is_lost(turn.now, copy) {
                    continue;
                }
                if let What::Text(conversation, arrival) = &row.what {
                    set_message_state(turn, conversation, *arrival, MessageState::Queued, None)?;
                }
                outbox::replace(turn, &id, number, &OutboxRow { stored: None, ..row });
                self.restart(&id);
            }
        }
        Ok(())
    }
}

/// What a relay's receipt says of a row: that a copy lies there, or that it never will.
fn settle(
    state: &mut State,
    turn: &mut Turn<'_>,
    mailbox: &MailboxId,
    device: &DeviceId,
    number: u64,
    outcome: Outcome,
) -> Result<(), TurnFailed> {
    let Some(row) = outbox::row(turn, device, number)? else { return Ok(()) };
    match (outcome, &row.what) {
        // A copy whose time is over is none.
        (Outcome::Stored(until), _) if until <= turn.now => return Ok(()),
        (Outcome::Stored(_), What::Receipts | What::Standing | What::Answer) => {
            // When a list is lost, it is asked for again: the other side leaves its envelope again.
            // A Standing is followed by others.
            outbox::remove(state, turn, device, number);
            return Ok(());
        }
        (Outcome::Stored(_), What::Text(conversation, arrival)) => {
            set_message_state(turn, conversation, *arrival, MessageState::Stored, None)?;
        }
        (Outcome::Stored(_), What::Confirm(request)) => {
            let is_sent =
                state.requests.get(request).is_some_and(|row| row.direction == Direction::Out && row.status == RequestStatus::Accepted);
            if is_sent {
                request::set_status(state, turn, request, RequestStatus::Confirmed)?;
            }
        }
        (Outcome::Stored(_), What::Offer(_) | What::Accept(_) | What::Mark | What::Skip | What::Bundle | What::Introduction) => {}
        // Only for an invite by which it went here: a relay may lie.
        (Outcome::Refused(Refusal::UsedUp), What::Offer(request)) if row.via.as_ref().is_some_and(|via| via.usage.is_some()) => {
            return crate::request::refused(state, turn, request, Some(Fault::InviteUsed));
        }
        // A relay cannot say `delivered`; what it refuses waits for another way.
        (Outcome::Delivered | Outcome::Refused(_), _) => return Ok(()),
    }
    if let Outcome::Stored(until) = outcome {
        // By the relay's clock: no copy is believed to last longer than it was asked for.
        let until = until.min(turn.stamp.after(u64::from(outbox::TTL) * SECOND));
        let copy = Copy { mailbox: *mailbox, at: turn.stamp, until };
        outbox::replace(turn, device, number, &OutboxRow { stored: Some(copy), ..row });
    }
    Ok(())
}

/// Plans the next attempt: 1 s, doubling up to 15 min, with a quarter of jitter.
fn back_off(session: &mut Session, turn: &mut Turn<'_>) {
    session.own.state = RelayState::Unreachable;
    let pause = BACKOFF_MIN.saturating_mul(1 << session.attempts.min(20)).min(BACKOFF_MAX);
    session.attempts = session.attempts.saturating_add(1);
    let jitter = turn.rng.next_u64() % (pause / 4).max(1);
    session.next_dial = Some(turn.now.after(pause - pause / 8 + jitter));
}

#[cfg(test)]
mod tests;
