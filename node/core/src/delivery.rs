//! Delivery: links, dialling, and getting the outbox acknowledged.
//!
//! A session per device holds at most one link. While the link is up, envelopes are put in
//! outbox order with at most [`WINDOW`] of them unacknowledged; a signed receipt takes them
//! out. Without a receipt for [`RECEIPT_TIMEOUT`] the link is given up and dialled again,
//! after a pause that doubles; sooner, once the device has proved to be behind a newer link,
//! which then takes over. Nothing on a link is believed because of the link: receipts
//! carry the mailbox's signature, envelopes their own seals. Who is behind it is another
//! question: [`prove`] answers it, and only then room frames go there, and the device counts
//! as online.

use crate::command::Path;
use crate::limits::{
    ADDRESSES_MAX, BACKOFF_MAX, BACKOFF_MIN, KEPT_LINKS_MAX, LINKS_MAX, RECEIPT_TIMEOUT, RIVAL_TIMEOUT, ROUSE_SPREAD, WINDOW, WINDOW_BYTES,
};
use crate::outbox::{self, FIRST_ROWS, What};
use crate::people;
use crate::requests;
use crate::rows::{DepotKey, FriendState, ROOM_LANE};
use crate::seam::{Address, CloseReason, DialId, Event, LinkId, NetAction, TransportKeys};
use crate::state::{State, Why};
use crate::turn::{Turn, TurnFailed};
use crate::wire::RoomPayload;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use symbolon_presence::codec;
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::{DeviceId, FrameId, PeerId};
use symbolon_presence::time::{SECOND, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::limits::RECEIPT_MAX;
use symbolon_relay::prove::{Ends, Instance, Prove, Role};
use symbolon_relay::put::{Outcome, Put, Receipt, ReceiptBody, ReceiptItem, Refusal};

mod call;
mod link;
mod prove;
mod punch;

use prove::Proofs;

/// Faults on one link before it is closed.
const FAULTS_MAX: u32 = 32;
/// Pause between two answers to a device that asks for everything again.
const AGAIN_PAUSE: u64 = SECOND;
/// Receipt lines waiting on one link; the other side has at most its window on the way.
const RECEIPTS_WAITING_MAX: usize = 4 * WINDOW;

/// The way by which a frame came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A link, whose other end awaits a receipt.
    Link(LinkId),
    /// A mailbox of ours at a relay, and the entry's number there.
    Depot(DepotKey, u64),
}

impl Origin {
    /// Whether it came by way of a relay.
    pub fn is_depot(self) -> bool {
        matches!(self, Self::Depot(..))
    }
}

/// A link that came up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Up {
    pub link: LinkId,
    /// The attempt that led to it.
    pub dial: Option<DialId>,
    pub path: Path,
    pub keys: Option<TransportKeys>,
}

/// One live link.
#[derive(Debug)]
struct Link {
    /// When it came up.
    since: Timestamp,
    /// The device behind it: the one that was dialled, that has proved itself, or whose step of
    /// a request came by it.
    device: Option<DeviceId>,
    /// Whether the device has proved to be behind it.
    proved: bool,
    /// Which end we are.
    role: Role,
    /// By which keys the transport knows the ends.
    ends: Option<Ends>,
    /// Whether we have said who we are, and whether the other end has.
    has_said: bool,
    has_heard: bool,
    /// What it has said, as long as it is nobody's whom we know.
    unread: Option<Prove>,
    /// The other end's run, once it is proved.
    instance: Option<Instance>,
    /// How its other end is reached.
    path: Path,
    /// Receipt lines for this turn.
    receipts: Vec<ReceiptItem>,
    faults: u32,
    /// Faults that are left to it since it brought a friend's envelope under a key that is over;
    /// [`WINDOW`] at first.
    forgiven: Option<usize>,
    /// Whether a frame that makes sense has come.
    heard: bool,
    /// Whether its place is kept.
    kept: bool,
    /// Whether it leads to a stranger's node on the LAN that is only asked whether it is the device's.
    asked: bool,
}

impl Link {
    fn new(up: &Up, device: Option<DeviceId>, since: Timestamp) -> Self {
        let role = if up.dial.is_some() { Role::Dialler } else { Role::Dialled };
        let ends = up.keys.map(|keys| match role {
            Role::Dialler => Ends { dialler: keys.own, dialled: keys.other },
            Role::Dialled => Ends { dialler: keys.other, dialled: keys.own },
        });
        Self {
            since,
            device,
            proved: false,
            role,
            ends,
            has_said: false,
            has_heard: false,
            unread: None,
            instance: None,
            path: up.path,
            receipts: Vec::new(),
            faults: 0,
            forgiven: None,
            heard: false,
            kept: false,
            asked: false,
        }
    }
}

/// What is known of the way to one device.
#[derive(Debug, Default)]
struct Session {
    link: Option<LinkId>,
    dial: Option<DialId>,
    /// Failed attempts in a row.
    attempts: u32,
    /// When to dial next.
    next_dial: Option<Timestamp>,
    last_attempt: Timestamp,
    /// Whether anything was tried since start.
    tried: bool,
    /// When the device was last heard in its room.
    heard: Timestamp,
    /// The numbers of the next outbox rows to put: steps of a request, room frames.
    cursors: [u64; 2],
    /// Envelopes put and not acknowledged: outbox number, size.
    inflight: HashMap<FrameId, (u64, usize)>,
    inflight_bytes: usize,
    /// When the next receipt is due.
    receipt_due: Option<Timestamp>,
    /// Whether the device is to be greeted on its link.
    greet: bool,
    /// When the device was last put everything again because it asked.
    again: Option<Timestamp>,
    /// A greeting without receipt, put again on every new link: sealing a new one each time
    /// would run ahead of the tags that the device expects.
    hello: Option<(FrameId, Vec<u8>)>,
    /// What it says is no longer so: the next link gets another one.
    hello_is_over: bool,
}

impl Session {
    /// While we ask a friend anew, the old room is doubtful: its frames wait, until the
    /// answer comes or the friend is heard in it.
    fn is_doubtful(&self, asking_since: Option<Timestamp>) -> bool {
        asking_since.is_some_and(|since| self.heard < since)
    }
}

/// What a receipt line was about.
pub(crate) struct Acknowledged {
    pub device: DeviceId,
    pub number: u64,
    pub outcome: Outcome,
    /// When it was signed, by the clock of the one who did.
    pub at: Timestamp,
}

/// All sessions and links. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    links: BTreeMap<LinkId, Link>,
    sessions: BTreeMap<DeviceId, Session>,
    dials: BTreeMap<DialId, DeviceId>,
    /// Those of them that only ask who is there.
    asking: BTreeSet<DialId>,
    next_dial_id: u64,
    /// Sessions by the moment that something is due.
    due: BTreeSet<(Timestamp, DeviceId)>,
    /// Links with receipt lines waiting.
    acknowledging: BTreeSet<LinkId>,
    sent: BTreeMap<&'static str, u64>,
    /// Devices that have proved to be behind their links since this was last looked at.
    reached: BTreeSet<DeviceId>,
    /// Links that may get shorter; each stands or stood.
    punching: BTreeSet<LinkId>,
    proofs: Proofs,
}

impl Delivery {
    /// Frames sent since start, by kind.
    pub fn sent(&self) -> Vec<(&'static str, u64)> {
        self.sent.iter().map(|(kind, count)| (*kind, *count)).collect()
    }

    /// Whether one of these devices has proved to be there; `None` while nothing was tried.
    pub fn is_online(&self, devices: &[DeviceId]) -> Option<bool> {
        let sessions: Vec<&Session> = devices.iter().filter_map(|device| self.sessions.get(device)).collect();
        if sessions.iter().any(|session| session.link.and_then(|link| self.links.get(&link)).is_some_and(|link| link.proved)) {
            return Some(true);
        }
        // A first dial under way, or its link without proof yet, is neither.
        sessions.iter().any(|session| session.tried).then_some(false)
    }

    /// How one of these devices is reached, if it has proved to be there.
    pub fn path(&self, devices: &[DeviceId]) -> Option<Path> {
        let links = devices.iter().filter_map(|device| self.links.get(&self.sessions.get(device)?.link?));
        links.filter(|link| link.proved).map(|link| link.path).next()
    }

    /// Puts as many envelopes as the window allows.
    fn feed(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let Some(row) = state.devices.get(device) else { return Ok(()) };
        if people::is_device_blocked(state, device) || state.is_incompatible(turn.now, device) {
            return Ok(());
        }
        let session = self.sessions.entry(*device).or_default();
        let Some(link) = session.link else { return Ok(()) };
        let proved = self.links.get(&link).is_some_and(|row| row.proved);
        if !proved && self.links.get(&link).is_some_and(|row| row.asked) {
            return Ok(());
        }
        // Into a link of which nobody knows where it leads go steps of a request alone.
        let steps_only = !proved || session.is_doubtful(requests::asking_since(state, &row.peer));
        let lanes = if steps_only { 1 } else { 2 };
        let ends = [(row.outbox_first, ROOM_LANE), (row.outbox_next, u64::MAX)];
        for (cursor, (next, end)) in session.cursors.iter_mut().zip(ends).take(lanes) {
            let room = WINDOW.saturating_sub(session.inflight.len());
            let unsent = row.outbox_count > session.inflight.len() as u64;
            if *cursor >= next || !unsent || room == 0 {
                continue;
            }
            for (number, outgoing) in outbox::rows(turn, device, *cursor, room)? {
                if number >= end || session.inflight_bytes >= WINDOW_BYTES {
                    break;
                }
                *cursor = number.saturating_add(1);
                // Whoever has ended the old friendship hangs up at its envelopes, and would not
                // read the question behind them.
                let may_go =
                    if proved { !steps_only || outgoing.what.is_step() } else { outbox::is_step_to_anybody(state, &outgoing.what) };
                if !may_go || session.inflight.contains_key(&outgoing.frame) {
                    continue;
                }
                let Some(put) = outbox::put_for(&outgoing, row) else { continue };
                session.inflight.insert(outgoing.frame, (number, outgoing.envelope.len()));
                session.inflight_bytes = session.inflight_bytes.saturating_add(outgoing.envelope.len());
                *self.sent.entry(outgoing.what.kind()).or_default() += 1;
                turn.act(NetAction::Send(link, Frame::Put(put).encode()));
            }
        }
        if !session.inflight.is_empty() && session.receipt_due.is_none() {
            let at = turn.now.after(self.patience(device));
            self.expect_receipt(device, at);
        }
        self.await_proof(state, turn, device);
        Ok(())
    }

    /// Takes a receipt: which envelopes it settles, if its signature is the device's.
    pub fn receipt(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, receipt: &Receipt) -> Option<Vec<Acknowledged>> {
        let device = self.links.get(&link)?.device?;
        let row = state.devices.get(&device)?;
        let key = symbolon_presence::sign::VerifyingKey::parse(&row.entry.receipt).ok()?;
        let body = receipt.verify(&key, &row.entry.mailbox).ok()?;
        state.heard_time(&device, body.at);
        let session = self.sessions.get_mut(&device)?;
        let mut settled = Vec::new();
        let (mut greeted, mut is_stale) = (false, false);
        for item in body.items {
            if item.outcome == Outcome::Refused(Refusal::Stale) {
                // It stays on the way: put again under the new key, the same envelope is answered again.
                is_stale |=
                    session.inflight.contains_key(&item.frame) || session.hello.as_ref().is_some_and(|(frame, _)| *frame == item.frame);
                continue;
            }
            if session.hello.as_ref().is_some_and(|(frame, _)| *frame == item.frame) {
                session.hello = None;
                greeted = true;
            }
            if let Some((number, size)) = session.inflight.remove(&item.frame) {
                session.inflight_bytes = session.inflight_bytes.saturating_sub(size);
                settled.push(Acknowledged { device, number, outcome: item.outcome, at: body.at });
            }
        }
        if (greeted || !settled.is_empty())
            && let Some(at) = session.receipt_due.take()
        {
            self.due.remove(&(at, device));
            if !session.inflight.is_empty() {
                let at = turn.now.after(self.patience(&device));
                self.expect_receipt(&device, at);
            }
        }
        if is_stale && let Some(peer) = state.friend_of(&device).map(|friend| friend.peer) {
            state.seek(peer, Why::Stale);
        }
        // Only a receipt for what is on the way says anything: the device gives signed receipts
        // to others, too, and they could show an old one.
        if greeted || !settled.is_empty() {
            state.note_heard(&device, turn.now);
        }
        Some(settled)
    }

    /// A device asks to be put everything again. A small question with a large answer: one
    /// in a while is answered.
    pub fn asked_again(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let session = self.sessions.entry(*device).or_default();
        if session.again.is_some_and(|at| turn.now.since(at) < AGAIN_PAUSE) {
            return Ok(());
        }
        session.again = Some(turn.now);
        self.restart(state, turn, device)
    }

    /// The outbox changed beneath what is on its way: begins it anew on the same link.
    pub fn restart(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let session = self.sessions.entry(*device).or_default();
        session.cursors = FIRST_ROWS;
        session.inflight.clear();
        session.inflight_bytes = 0;
        // A greeting kept for the next link may be of a room that is gone.
        session.hello = None;
        session.greet = session.link.is_some();
        self.await_no_receipt(device);
        self.wake(state, turn, device)?;
        self.greet(state, turn, device)
    }

    /// A room message of a device was opened: the room is alive on its side.
    pub fn heard_in_room(&mut self, state: &mut State, turn: &Turn<'_>, device: &DeviceId) {
        let session = self.sessions.entry(*device).or_default();
        let since = state.devices.get(device).and_then(|row| requests::asking_since(state, &row.peer));
        if session.is_doubtful(since) {
            state.wake.insert(*device);
        }
        // It came after the question, whatever a clock says that was set back meanwhile.
        session.heard = turn.now.max(since.unwrap_or_default());
    }

    /// Goes on putting after receipts were handled.
    pub fn resume(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        self.feed(state, turn, device)?;
        self.greet(state, turn, device)
    }

    /// Notes what became of a deposit; told at the end of the turn. The sender of one that
    /// came by way of a relay is told in its room, once it has proved who it is.
    pub fn acknowledge(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        origin: Origin,
        sender: Option<DeviceId>,
        frame: FrameId,
        outcome: Outcome,
    ) {
        let link = match origin {
            Origin::Link(link) => link,
            Origin::Depot(key, number) => {
                state.fetched.push((key, number));
                if let Some(device) = sender {
                    state.owed.entry(device).or_default().push(ReceiptItem { frame, outcome });
                }
                return;
            }
        };
        let Some(row) = self.links.get_mut(&link) else { return };
        if row.receipts.len() >= RECEIPTS_WAITING_MAX {
            self.close(state, turn, link, CloseReason::Flood);
            return;
        }
        row.receipts.push(ReceiptItem { frame, outcome });
        self.acknowledging.insert(link);
    }

    /// Tells a device what became of envelopes that it left at a relay: at once if it is here,
    /// else by its own relay.
    pub fn tell(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, items: Vec<ReceiptItem>) -> Result<(), TurnFailed> {
        let link = self.sessions.get(device).and_then(|session| session.link);
        let is_here = link.and_then(|link| self.links.get(&link)).is_some_and(|link| link.proved);
        let has_depot = state.devices.get(device).is_some_and(|row| !row.depots.is_empty());
        let has_depot = has_depot && outbox::has_room_for_list(state, turn, device)?;
        if !is_here && !has_depot {
            // Its sender puts it again when it is here, and is told then.
            return Ok(());
        }
        let Some(envelope) = seal_whisper(state, turn, device, &RoomPayload::Receipts(items))? else { return Ok(()) };
        if is_here {
            self.whisper(state, turn, device, &envelope, What::Receipts.kind());
        } else {
            outbox::enqueue(state, turn, device, What::Receipts, None, envelope);
        }
        Ok(())
    }

    /// Devices that have proved to be behind a link since this was last asked.
    pub fn take_reached(&mut self) -> BTreeSet<DeviceId> {
        std::mem::take(&mut self.reached)
    }

    /// Signs one receipt for each link with deposits in this turn.
    pub fn close_turn(&mut self, state: &State, turn: &mut Turn<'_>) {
        for link in std::mem::take(&mut self.acknowledging) {
            let items = self.links.get_mut(&link).map(|row| std::mem::take(&mut row.receipts)).unwrap_or_default();
            for chunk in items.chunks(RECEIPT_MAX) {
                let body = ReceiptBody { at: turn.now, items: chunk.to_vec() };
                let receipt = Receipt::sign(&state.own.identity.signing, &state.own.admission.id(), &body);
                turn.act(NetAction::Send(link, Frame::Receipt(receipt).encode()));
                *self.sent.entry("receipt").or_default() += 1;
            }
        }
    }

    /// A friend's places or keys were read anew: whoever is not reached is called at once.
    pub fn moved(&mut self, state: &State, turn: &Turn<'_>, device: &DeviceId) {
        let session = self.sessions.entry(*device).or_default();
        session.attempts = 0;
        if session.link.is_none() && session.dial.is_none() && wants_link(state, device) {
            self.schedule(device, turn.now);
        }
    }

    /// The friends who are online.
    pub fn online(&self, state: &State) -> BTreeSet<PeerId> {
        state.friends.values().filter(|friend| self.is_online(&friend.devices) == Some(true)).map(|friend| friend.peer).collect()
    }
}

/// Seals a room message that stands outside the order of frames; none when there is no
/// friend to hear it.
fn seal_whisper(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, payload: &RoomPayload) -> Result<Option<Vec<u8>>, TurnFailed> {
    let friend = state.friend_of(device).filter(|friend| state.may_seal(friend));
    let Some(room) = friend.map(|friend| friend.room) else { return Ok(None) };
    let sealed = turn.cipher.seal(room, &codec::encode(payload), &[]).map_err(|_| TurnFailed("the room cipher failed"))?;
    let Some(key) = state.envelope_key_to(device) else { return Ok(None) };
    Ok(outbox::seal_known(state, device, &key, room, &sealed, None, turn.rng))
}

/// Lets a device's remaining outbox be put soon on the link that took over.
fn state_wake(delivery: &mut Delivery, device: &DeviceId, now: Timestamp) {
    delivery.schedule(device, now);
}

/// Whether a link to a device is worth having: something waits for it, or it is a friend's.
fn wants_link(state: &State, device: &DeviceId) -> bool {
    let Some(row) = state.devices.get(device) else { return false };
    if people::is_device_blocked(state, device) || state.own.is_halted {
        return false;
    }
    row.outbox_count > 0
        || state.friends.get(&row.peer).is_some_and(|friend| friend.state == FriendState::Mutual && friend.devices.contains(device))
}

#[cfg(test)]
mod tests;
