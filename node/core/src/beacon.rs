//! The beacon: publishes this node's records, for today and tomorrow, whenever what they say
//! changes and before they end.

use crate::command::DhtView;
use crate::limits::{AWAY_DELAY, PUBLISH_DELAY, PUBLISH_INTERVAL, PUBLISH_PAUSE, READ_AGAIN, READ_BACK, READ_BACK_MAX, SERVERS_MAX};
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
    /// DHT servers known now, and nodes of the LAN that stand in for them.
    servers: usize,
    neighbours: usize,
    /// Lookup servers of ours that answer.
    lookups: usize,
    /// When to look whether our newest header can be read, and when it last was.
    read_back_due: Option<Timestamp>,
    /// The pause before the next such look; it doubles.
    read_back_pause: u64,
    /// Records that were looked for and not found yet: header and full body of today.
    unread: BTreeSet<LookupId>,
    read_back: Option<Timestamp>,
    /// When our relays get the records of the days to come.
    away_due: Option<Timestamp>,
    /// When friends last got records of ours to keep, and where those said that we are.
    left: Option<(Timestamp, Vec<Address>)>,
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
        if at_once {
            self.away_due = Some(now);
        }
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        [self.due, self.read_back_due, self.away_due].into_iter().flatten().min()
    }

    /// These are all DHT servers now: they are remembered, and looked at for our own record.
    /// Whether there was none before.
    pub fn servers(&mut self, state: &mut State, turn: &mut Turn<'_>, servers: Vec<Address>, neighbours: usize) -> bool {
        let had_any = self.knows_servers() || self.neighbours > 0;
        let are_first = if servers.is_empty() { !had_any && neighbours > 0 } else { !self.knows_servers() };
        (self.servers, self.neighbours) = (servers.len(), neighbours);
        if are_first {
            self.look_back(turn.now);
        }
        remember(state, turn, servers);
        are_first
    }

    /// Whether there is a DHT beyond the LAN, as far as known.
    pub fn knows_servers(&self) -> bool {
        self.servers > 0
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
        self.read_back_due = (self.servers + self.neighbours + self.lookups > 0).then(|| now.after(READ_BACK));
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
        DhtView { servers: self.servers, neighbours: self.neighbours, read_back: self.read_back, lookups }
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
        self.tick_records(state, turn);
        if self.away_due.is_some_and(|due| due <= turn.now) {
            self.away_due = None;
            state.leaves_records = true;
            // Without a header for who may read now, what lies there is taken back.
            if prepare(state, turn).is_none() {
                state.own.away.clear();
            }
        }
    }

    /// The node stops: whoever reads its records from now on is not told where it was. Friends
    /// go on calling where they know it, since two who both took leave must find each other again.
    pub fn farewell(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if self.last.is_some() && self.servers + self.neighbours + self.lookups > 0 {
            self.due = None;
            publish(state, turn, Class::Limited);
            state.leaves_with_friends = true;
        }
    }

    /// Friends get what was published when it says another place, and before what they have ends.
    /// Not when somebody was taken out: that is no message to anybody.
    fn leave_with_friends(&mut self, state: &mut State, now: Timestamp) {
        let is_new = self.left.as_ref().is_none_or(|(at, places)| *places != state.own.places || now.since(*at) >= PUBLISH_INTERVAL);
        if is_new {
            self.left = Some((now, state.own.places.clone()));
            state.leaves_with_friends = true;
        }
    }

    fn tick_records(&mut self, state: &mut State, turn: &mut Turn<'_>) {
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
        self.is_outgrown = publish(state, turn, Class::Full).is_none();
        state.is_outgrown |= self.is_outgrown;
        if !self.is_outgrown {
            self.leave_with_friends(state, turn.now);
        }
        self.away_due.get_or_insert(turn.now.after(AWAY_DELAY));
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

/// The bodies, none of which says more than `most`: a node that is where nobody knows tells
/// everybody what it tells those from whom it hides.
fn bodies_of(state: &State, turn: &mut Turn<'_>, most: Class, sequence: u64) -> [(Class, Vec<u8>); 2] {
    [Class::Full, Class::Limited].map(|class| {
        let says = if most == Class::Limited { most } else { class };
        (class, body_of(state, turn, says, sequence))
    })
}

/// Makes and publishes the records of today and tomorrow. None when no header can be made.
fn publish(state: &mut State, turn: &mut Turn<'_>, most: Class) -> Option<()> {
    let today = day_of(turn.now);
    // Should no header hold the readers, nobody shall get one for other readers from us.
    state.own.records.clear();
    let presence = &mut state.own.presence;
    // Never lower than before, also when the clock was set back. By two: one less is for what
    // our relays publish, which must not stand in the way of what we publish ourselves.
    presence.sequence = presence.sequence.saturating_add(2).max(turn.now.0);
    let sequence = presence.sequence;
    let generation = &mut presence.generation;
    generation.ratchet.forget_before(today.saturating_sub(1).saturating_sub(generation.began));
    turn.put(Table::Meta, b"presence", &*presence);
    let bodies = bodies_of(state, turn, most, sequence);
    let header = header_of(state, turn)?;
    for day in [today, today.saturating_add(1)] {
        let records = records_of(state, turn, day, sequence, &header, &bodies)?;
        let read = records.into_iter().filter_map(|bytes| Some((Item::read(&bytes, turn.now).ok()?.id, bytes)));
        state.own.records.extend(read);
    }
    let contact = contact_of(state, turn, today).and_then(|bytes| Some((Item::read(&bytes, turn.now).ok()?.id, bytes)));
    state.own.records.extend(contact);
    turn.act(Action::Publish(state.own.records.values().cloned().collect()));
    Some(())
}

/// Makes the records that our relays are to publish while we are away, from today on. None when
/// no header can be made.
fn prepare(state: &mut State, turn: &mut Turn<'_>) -> Option<()> {
    state.own.away.clear();
    if state.own.depots.is_empty() {
        return Some(());
    }
    let sequence = state.own.presence.sequence.saturating_sub(1);
    let bodies = bodies_of(state, turn, Class::Limited, sequence);
    let header = header_of(state, turn)?;
    let today = day_of(turn.now);
    for day in today..=today.saturating_add(DAYS_AHEAD) {
        let records = records_of(state, turn, day, sequence, &header, &bodies)?;
        state.own.away.insert(day, records);
    }
    Some(())
}

fn header_of(state: &State, turn: &mut Turn<'_>) -> Option<Vec<u8>> {
    let presence = &state.own.presence;
    Header::wrap(&presence.generation, &presence.wrapping, &presence.readers(), turn.rng).ok().map(|header| codec::encode(&header))
}

/// Header and bodies of a day.
fn records_of(
    state: &State,
    turn: &mut Turn<'_>,
    day: u32,
    sequence: u64,
    header: &[u8],
    bodies: &[(Class, Vec<u8>)],
) -> Option<Vec<Vec<u8>>> {
    let presence = &state.own.presence;
    let (generation, wrapping, at) = (&presence.generation, &presence.wrapping, Timestamp(sequence));
    let (lookup, reader) = (generation.lookup(), generation.reader());
    let mut records = vec![Place::of_header(&reader.lookup, day).seal(&lookup, at, header, turn.rng).ok()?];
    for (class, payload) in bodies {
        let wrapped = wrapping.secret(*class);
        let stamp =
            Stamp { version: wrapping.version, day, sequence, device: state.own.identity.device, issued: turn.now, expires: end_of(day) };
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
fn body_of(state: &State, turn: &mut Turn<'_>, class: Class, sequence: u64) -> Vec<u8> {
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
    codec::encode(&SignedPresence::sign(&own.identity.signing, &lookup, sequence, &body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixture::in_turn;

    #[test]
    fn servers_that_are_remembered_are_bounded_and_the_newest_stay() {
        in_turn(|state, turn| {
            let address = |number: u8| Address(vec![4, 192, 0, 2, number]);
            for number in 0..100 {
                remember(state, turn, vec![address(number)]);
            }
            let newest: Vec<Address> = (0..SERVERS_MAX as u8).map(|number| address(99 - number)).collect();
            assert_eq!(state.own.servers, newest);
            remember(state, turn, (100..=255).map(address).collect());
            assert_eq!(state.own.servers.len(), SERVERS_MAX);
            remember(state, turn, vec![Address(vec![4; Address::MAX_LEN + 1])]);
            assert!(state.own.servers.iter().all(Address::is_bounded));
        });
    }

    #[test]
    fn records_are_published_for_two_days_and_left_ahead_only_where_there_is_a_relay() {
        in_turn(|state, turn| {
            let mut beacon = Beacon::default();
            beacon.changed(turn.now, true);
            beacon.tick(state, turn);
            assert_eq!(state.own.records.len(), 6, "header and two bodies for two days");
            assert!(state.own.away.is_empty() && state.leaves_records);
        });
    }
}
