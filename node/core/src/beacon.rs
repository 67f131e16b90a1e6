//! The beacon: publishes this node's records, for today and tomorrow, whenever what they say
//! changes and before they end.

use crate::command::DhtView;
use crate::limits::{PUBLISH_DELAY, PUBLISH_INTERVAL, PUBLISH_PAUSE, READ_AGAIN, READ_BACK, READ_BACK_MAX, SERVERS_MAX};
use crate::seam::{Action, Address};
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::{PresenceBody, SignedPresence};
use std::collections::BTreeSet;
use symbolon_presence::body::{Body, Stamp};
use symbolon_presence::codec;
use symbolon_presence::header::{Class, Header};
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::{Item, Posted};
use symbolon_presence::record::{DAYS_AHEAD, Place, day_of, end_of};
use symbolon_presence::time::Timestamp;

/// When to publish. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Beacon {
    due: Option<Timestamp>,
    last: Option<Timestamp>,
    /// No header holds the readers any more.
    is_outgrown: bool,
    /// DHT servers known now.
    servers: usize,
    /// Lookup servers of ours that answer.
    lookups: usize,
    /// When to look whether our newest header can be read, and when it last was.
    read_back_due: Option<Timestamp>,
    /// The pause before the next such look; it doubles.
    read_back_pause: u64,
    /// Records that were looked for and not found yet: header and full body of today.
    unread: BTreeSet<LookupId>,
    read_back: Option<Timestamp>,
}

impl Beacon {
    /// After a start.
    pub fn start(&mut self, now: Timestamp) {
        self.due = Some(now.after(PUBLISH_DELAY));
    }

    /// What the records say has changed: they are published at once when somebody was taken
    /// out, else not too often.
    pub fn changed(&mut self, now: Timestamp, at_once: bool) {
        let earliest = self.last.map_or(now.after(PUBLISH_DELAY), |last| last.after(PUBLISH_PAUSE));
        let at = if at_once { now } else { now.max(earliest) };
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.into_iter().chain(self.read_back_due).min()
    }

    /// These are all DHT servers now: they are remembered, and looked at for our own record.
    /// Whether there was none before.
    pub fn servers(&mut self, state: &mut State, turn: &mut Turn<'_>, servers: Vec<Address>) -> bool {
        let are_first = self.servers == 0 && !servers.is_empty();
        self.servers = servers.len();
        if are_first {
            self.look_back(turn.now);
        }
        remember(state, turn, servers);
        are_first
    }

    /// So many lookup servers of ours answer; whether there is one more than before.
    pub fn lookups(&mut self, now: Timestamp, answering: usize) -> bool {
        let is_more = answering > std::mem::replace(&mut self.lookups, answering);
        if is_more {
            self.look_back(now);
        }
        is_more
    }

    /// Looks soon whether our record can be read.
    fn look_back(&mut self, now: Timestamp) {
        self.unread.clear();
        self.read_back_pause = READ_BACK;
        self.read_back_due = (self.servers + self.lookups > 0).then(|| now.after(READ_BACK));
    }

    /// What somebody has found: our own record as we published it?
    pub fn found(&mut self, state: &State, now: Timestamp, id: &LookupId, bytes: &[u8]) {
        let is_ours = state.own.records.get(id).is_some_and(|own| own == bytes);
        if is_ours && self.unread.remove(id) && self.unread.is_empty() {
            self.read_back = Some(now);
            self.read_back_pause = READ_BACK;
            self.read_back_due = Some(now.after(READ_AGAIN));
        }
    }

    /// How it stands with the DHT.
    pub fn view(&self, lookups: (usize, usize)) -> DhtView {
        DhtView { servers: self.servers, read_back: self.read_back, lookups }
    }

    /// Whether there are more readers, or more who left, than a header can tell apart.
    pub fn is_outgrown(&self) -> bool {
        self.is_outgrown
    }

    /// Looks for our own records. Those that were looked for before in vain are published
    /// once more: whoever took them has lost them, or never did.
    fn look(&mut self, state: &State, turn: &mut Turn<'_>) {
        let own = &state.own.presence;
        let (lookup, today) = (own.generation.reader().lookup, day_of(turn.now));
        let places = [Place::of_header(&lookup, today), Place::of_body(&lookup, today, own.wrapping.secret(Class::Full))];
        if !self.unread.is_empty() {
            turn.act(Action::Publish(state.own.records.values().cloned().collect()));
        }
        self.unread = places.iter().filter_map(|place| place.id(&lookup).ok()).collect();
        for id in &self.unread {
            turn.act(Action::Resolve(*id, Vec::new()));
        }
    }

    /// Publishes when it is due.
    pub fn tick(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if self.read_back_due.is_some_and(|due| due <= turn.now) {
            self.read_back_pause = self.read_back_pause.saturating_mul(2).min(READ_BACK_MAX);
            self.read_back_due = Some(turn.now.after(self.read_back_pause));
            self.look(state, turn);
        }
        if self.due.is_none_or(|due| due > turn.now) {
            return;
        }
        self.read_back = None;
        self.look_back(turn.now);
        self.due = Some(turn.now.after(PUBLISH_INTERVAL));
        self.last = Some(turn.now);
        self.is_outgrown = publish(state, turn).is_none();
    }
}

/// Remembers DHT servers, the newest first.
pub(crate) fn remember(state: &mut State, turn: &mut Turn<'_>, mut servers: Vec<Address>) {
    servers.retain(Address::is_bounded);
    let older = state.own.servers.iter().filter(|known| !servers.contains(known)).cloned().collect::<Vec<_>>();
    servers.extend(older);
    servers.truncate(SERVERS_MAX);
    if servers != state.own.servers {
        state.own.servers = servers;
        turn.put(Table::Meta, b"servers", &state.own.servers);
    }
}

/// Makes and publishes the records of today and tomorrow, and makes those that our relays are
/// to publish when we are away. None when no header can be made.
fn publish(state: &mut State, turn: &mut Turn<'_>) -> Option<()> {
    let today = day_of(turn.now);
    // Should no header hold the readers, nobody shall get one for other readers from us.
    state.own.records.clear();
    state.own.away.clear();
    state.has_away = true;
    let presence = &mut state.own.presence;
    // Never lower than before, also when the clock was set back.
    presence.sequence = presence.sequence.saturating_add(1).max(turn.now.0);
    let generation = &mut presence.generation;
    generation.ratchet.forget_before(today.saturating_sub(1).saturating_sub(generation.began));
    turn.put(Table::Meta, b"presence", &*presence);
    let bodies = [Class::Full, Class::Limited].map(|class| (class, body_of(state, turn, class)));
    // Who is away is where nobody knows: later days have what the limited body has.
    let away = [Class::Full, Class::Limited].map(|class| (class, body_of(state, turn, Class::Limited)));
    let presence = &state.own.presence;
    let readers = presence.readers();
    let header = codec::encode(&Header::wrap(&presence.generation, &presence.wrapping, &readers, turn.rng).ok()?);
    let last = if state.own.depots.is_empty() { 1 } else { DAYS_AHEAD };
    for ahead in 0..=last {
        let day = today.saturating_add(ahead);
        let records = records_of(state, turn, day, &header, if ahead <= 1 { &bodies } else { &away })?;
        if ahead <= 1 {
            let read = records.iter().filter_map(|bytes| Some((Item::read(bytes, turn.now).ok()?.id, bytes.clone())));
            state.own.records.extend(read);
        }
        if !state.own.depots.is_empty() {
            state.own.away.insert(day, records);
        }
    }
    let contact = contact_of(state, turn, today).and_then(|bytes| Some((Item::read(&bytes, turn.now).ok()?.id, bytes)));
    state.own.records.extend(contact);
    turn.act(Action::Publish(state.own.records.values().cloned().collect()));
    Some(())
}

/// Header and bodies of a day.
fn records_of(state: &State, turn: &mut Turn<'_>, day: u32, header: &[u8], bodies: &[(Class, Vec<u8>)]) -> Option<Vec<Vec<u8>>> {
    let presence = &state.own.presence;
    let (generation, wrapping, at) = (&presence.generation, &presence.wrapping, Timestamp(presence.sequence));
    let (lookup, reader) = (generation.lookup(), generation.reader());
    let mut records = vec![Place::of_header(&reader.lookup, day).seal(&lookup, at, header, turn.rng).ok()?];
    for (class, payload) in bodies {
        let wrapped = wrapping.secret(*class);
        let stamp = Stamp {
            version: wrapping.version,
            day,
            sequence: presence.sequence,
            device: state.own.identity.device,
            issued: turn.now,
            expires: end_of(day),
        };
        let body = codec::encode(&Body::seal(&reader, wrapped, stamp, payload, turn.rng)?);
        records.push(Place::of_body(&reader.lookup, day, wrapped).seal(&lookup, at, &body, turn.rng).ok()?);
    }
    Some(records)
}

/// The way in for whoever knows our Peer ID, if the user wants to be found so.
fn contact_of(state: &mut State, turn: &mut Turn<'_>, today: u32) -> Option<Vec<u8>> {
    if !state.own.is_findable {
        return None;
    }
    let contact = codec::encode(&crate::contact::contact_record(state, turn));
    let posted = Posted::sign(&state.own.identity, state.own.presence.sequence, end_of(today), contact)?;
    Some(posted.encode())
}

/// Whether whoever knows our Peer ID may find a way in.
pub(crate) fn set_findable(state: &mut State, turn: &mut Turn<'_>, is_findable: bool) {
    if state.own.is_findable != is_findable {
        state.own.is_findable = is_findable;
        turn.put(Table::Meta, b"findable", &is_findable);
        state.republish = true;
    }
}

/// What friends read; those from whom we hide, without our own addresses.
fn body_of(state: &State, turn: &mut Turn<'_>, class: Class) -> Vec<u8> {
    let own = &state.own;
    let mut whereabouts = own.whereabouts(turn.rng);
    if class == Class::Limited {
        whereabouts.entry.places.clear();
    }
    let body = PresenceBody {
        name: own.name.clone(),
        friendship: own.friendship.clone(),
        chain: own.identity.chain.clone(),
        entry: whereabouts.entry,
        depots: whereabouts.depots,
        lookups: crate::lookup::told(state),
    };
    let lookup = own.presence.generation.reader().lookup;
    codec::encode(&SignedPresence::sign(&own.identity.signing, &lookup, own.presence.sequence, &body))
}
