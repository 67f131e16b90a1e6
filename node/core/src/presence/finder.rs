//! The finder: looks for the contact records of people whom the user has asked for friendship by an invite, or by Peer
//! ID alone. Until one is found the request waits as `unresolved`.
//!
//! The body of an invite is looked for on the nodes and servers that its link names, at our own servers and in the DHT
//! together; the highest number holds. What a person publishes lies in the DHT and at servers.

use crate::command::{Direction, RequestStatus};
use crate::invites::bodies;
use crate::invites::contact::{ContactError, ContactRecord, VerifiedContact};
use crate::limits::{BODY_PAUSE, CONTACT_RECORD_MAX, FIND_PAUSE, FIND_PAUSE_MAX, FINDS_MAX};
use crate::rows::{Fault, Request};
use crate::seam::{Address, Event, LinkId, Look, NetAction};
use crate::state::State;
use crate::turn::Turn;
use calls::{Calls, Heard};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use std::ops::Bound;
use symbolon_presence::codec;
use symbolon_presence::id::{LookupId, PeerId, RequestId};
use symbolon_presence::posted::{Item, contact_id};
use symbolon_presence::record::{Record, day_of};
use symbolon_presence::time::Timestamp;

mod calls;

/// What lies under an id.
#[derive(Debug, Clone, Copy)]
enum Sought {
    /// What somebody publishes.
    Posted(RequestId),
    /// The body of an invite for this day.
    Body(RequestId, u32),
}

/// Whom the finder looks for. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    /// Of at most [`FINDS_MAX`] requests, three ids each.
    sought: BTreeMap<LookupId, Sought>,
    /// What was found, until it is believed: the best of each request.
    found: BTreeMap<RequestId, Found>,
    pub calls: Calls,
    due: Option<Timestamp>,
    /// Rounds in a row.
    rounds: u32,
    /// The last request looked at: all get their turn.
    last: Option<RequestId>,
}

struct Found {
    contact: VerifiedContact,
    /// When nothing better is awaited any more.
    at: Timestamp,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Found(..)")
    }
}

impl Finder {
    /// After a start.
    pub fn start(&mut self, state: &State, turn: &mut Turn<'_>) {
        self.calls.start(turn.rng);
        self.begin_again(state, turn.now);
    }

    /// Looks soon: somebody new is wanted, or there is a new place to look at.
    pub fn begin_again(&mut self, state: &State, now: Timestamp) {
        self.rounds = 0;
        self.due = state.requests.values().any(is_sought).then_some(now);
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.found.values().map(|found| found.at).chain(self.due).chain(self.calls.next_due()).min()
    }

    /// Looks for the next of those who are sought.
    /// `strangers` are the nodes of the LAN that are no friends', each by its places.
    pub fn tick(&mut self, state: &mut State, turn: &mut Turn<'_>, strangers: impl Fn(&mut ChaCha20Rng) -> Vec<Vec<Address>>) {
        self.calls.tick(turn);
        if self.due.is_none_or(|due| due > turn.now) {
            return;
        }
        if !state.own.may_show(turn.stamp) {
            // Who is found would be asked at once: they wait, until it begins again.
            self.due = None;
            return;
        }
        let before = std::mem::take(&mut self.sought);
        for sought in before.into_values() {
            if let Sought::Body(request, _) = sought {
                self.note(state, turn, &request, Fault::InviteNotFound);
            }
        }
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = state.requests.range((after, Bound::Unbounded)).chain(state.requests.iter());
        let mut rows: Vec<Request> = Vec::new();
        for (_, row) in rest.filter(|(_, row)| is_sought(row)).take(FINDS_MAX) {
            if rows.iter().all(|known| known.id != row.id) {
                rows.push(row.clone());
            }
        }
        self.last = rows.last().map(|row| row.id).or(self.last);
        for row in &rows {
            // A pairing code names no node: it may be any that is near.
            let near = if row.joins.is_some() { strangers(turn.rng) } else { Vec::new() };
            self.look_for(state, turn, row, &near);
        }
        let pause = FIND_PAUSE.saturating_mul(1 << self.rounds.min(20)).min(FIND_PAUSE_MAX);
        self.rounds = self.rounds.saturating_add(1);
        self.due = (!self.sought.is_empty()).then(|| turn.now.after(pause));
    }

    fn look_for(&mut self, state: &State, turn: &mut Turn<'_>, row: &Request, near: &[Vec<Address>]) {
        let Some(invite) = &row.invite else {
            let lookup = contact_id(&row.peer);
            self.sought.insert(lookup, Sought::Posted(row.id));
            turn.act(NetAction::Resolve(lookup, Look::Everywhere));
            return;
        };
        let today = day_of(turn.now);
        // Where it is another day already, or still.
        let days = [Some(today), today.checked_sub(1), today.checked_add(1)];
        let mut ids = Vec::new();
        let mut servers = invite.servers.clone();
        if row.joins.is_some() {
            // A pairing code names no place: it may be at the relays that this device has.
            servers.extend(state.own.relay_mailboxes.values().map(|own| own.link.places.clone()));
        }
        for day in days.into_iter().flatten() {
            let Ok(id) = invite.secret.slot(day).id() else { continue };
            self.sought.insert(id, Sought::Body(row.id, day));
            turn.act(NetAction::Resolve(id, Look::Servers(servers.clone())));
            turn.act(NetAction::Resolve(id, Look::Dht));
            ids.push(id);
        }
        let servers: Vec<_> = invite.servers.iter().flatten().cloned().collect();
        if !servers.is_empty() {
            turn.act(NetAction::Bootstrap(servers));
        }
        let nodes: Vec<Vec<Address>> = [invite.nodes.clone()].into_iter().chain(near.iter().cloned()).collect();
        self.calls.call(turn, row.id, &nodes, &ids);
    }

    /// A frame on a link to a node that a link of an invite names.
    pub fn frame(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, bytes: &[u8]) {
        match self.calls.frame(turn, link, bytes) {
            Some(Heard::Record(id, record)) => self.found(state, turn, &id, &record),
            // A node that a link names should have it; one that is only near need not.
            Some(Heard::Nothing(request)) if state.requests.get(&request).is_some_and(|row| row.joins.is_none()) => {
                self.note(state, turn, &request, Fault::InviteGone);
            }
            Some(Heard::Nothing(_)) => {}
            None => {}
        }
    }

    /// Something was found under an id. It may be anything.
    pub fn found(&mut self, state: &mut State, turn: &mut Turn<'_>, id: &LookupId, bytes: &[u8]) {
        match self.sought.get(id).copied() {
            Some(Sought::Posted(request)) => {
                if let Some(contact) = posted(state, turn.now, &request, id, bytes) {
                    self.found.insert(request, Found { contact, at: turn.now });
                }
            }
            Some(Sought::Body(request, day)) => match body(state, turn.now, &request, day, id, bytes) {
                Some(Ok(contact)) => {
                    let known = self.found.get(&request);
                    if known.is_none_or(|known| known.contact.number < contact.number) {
                        let at = known.map_or(turn.now.after(BODY_PAUSE), |known| known.at);
                        self.found.insert(request, Found { contact, at });
                    }
                }
                Some(Err(ContactError::NotYet)) => self.note(state, turn, &request, Fault::InviteUntimely),
                Some(Err(ContactError::Bad | ContactError::Expired)) => self.note(state, turn, &request, Fault::InviteForged),
                None => {}
            },
            None => {}
        }
    }

    /// The next request whose contact record is known now.
    pub fn take_found(&mut self, state: &State, now: Timestamp) -> Option<(RequestId, VerifiedContact)> {
        loop {
            let id = self.found.iter().find(|(_, found)| found.at <= now).map(|(id, _)| *id)?;
            let found = self.found.remove(&id)?;
            if state.requests.get(&id).is_some_and(is_sought) {
                return Some((id, found.contact));
            }
        }
    }

    /// A request proceeds: more for it is not looked at.
    pub fn finish(&mut self, turn: &mut Turn<'_>, request: &RequestId) {
        self.sought.retain(|_, sought| match sought {
            Sought::Posted(of) | Sought::Body(of, _) => of != request,
        });
        self.calls.finish(turn, request);
    }

    /// Says at a request why it waits, unless its record is known already. What is worse than silence stays said.
    fn note(&self, state: &mut State, turn: &mut Turn<'_>, request: &RequestId, fault: Fault) {
        let Some(row) = state.requests.get(request).filter(|row| is_sought(row) && !self.found.contains_key(request)) else { return };
        let is_milder = (fault == Fault::InviteNotFound && row.fault.is_some())
            || (fault == Fault::InviteGone && row.fault == Some(Fault::InviteForged));
        if row.fault == Some(fault) || is_milder {
            return;
        }
        state.change_request(turn, request, |row| row.fault = Some(fault));
        turn.notify(Event::Request(*request));
    }
}

/// The contact record that a person publishes, if it is one.
fn posted(state: &State, now: Timestamp, request: &RequestId, id: &LookupId, bytes: &[u8]) -> Option<VerifiedContact> {
    let row = state.requests.get(request).filter(|row| is_sought(row))?;
    let item = Item::read(bytes, now).ok().filter(|item| item.id == *id)?;
    let record = codec::decode::<ContactRecord>(&item.contact?, CONTACT_RECORD_MAX).ok()?;
    record.verify(now).ok().filter(|contact| contact.signer.peer == row.peer)
}

/// The body of the invite by which a request asks. None when it is no record of that place, or nothing that anyone who
/// holds the link has made.
fn body(
    state: &State,
    now: Timestamp,
    request: &RequestId,
    day: u32,
    id: &LookupId,
    bytes: &[u8],
) -> Option<Result<VerifiedContact, ContactError>> {
    let row = state.requests.get(request).filter(|row| is_sought(row))?;
    let secret = &row.invite.as_ref()?.secret;
    let record = Record::read(bytes, now).ok().filter(|record| record.id == *id)?;
    let opened = secret.slot(day).open(&record).ok().and_then(|content| bodies::read(&content));
    let Some(contact) = opened else { return Some(Err(ContactError::Bad)) };
    // By a pairing code anyone who holds its secret is the one who is meant.
    let maker = (row.joins.is_none() || row.peer != NOBODY).then_some(&row.peer);
    Some(contact.verify_body(now, &secret.id(), day, maker))
}

/// Who has made a pairing code, before its body is known.
const NOBODY: PeerId = PeerId([0; 32]);

fn is_sought(row: &Request) -> bool {
    row.direction == Direction::Out && row.status == RequestStatus::Unresolved
}
