//! The beacon: publishes this node's records, for today and tomorrow, whenever what they say
//! changes and before they end.
//!
//! A header tells no time. A former friend can compute where it lies on each day, and may run a server there: so an owner
//! whose own server answers leaves headers to that one, and another brings them to the DHT when the readers have changed, once a day
//! at a moment that has nothing to do with its comings and goings, and when nobody has them.

use crate::command::DhtView;
use crate::limits::{AWAY_DELAY, PUBLISH_DELAY, PUBLISH_INTERVAL, PUBLISH_PAUSE, READ_AGAIN, READ_BACK, READ_BACK_MAX, SERVERS_MAX};
use crate::seam::{Address, Look, NetAction};
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::{PresenceBody, SignedPresence};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;
use symbolon_presence::body::{Body, Stamp};
use symbolon_presence::codec;
use symbolon_presence::header::{Class, Header};
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::{Item, Posted};
use symbolon_presence::record::{DAYS_AHEAD, Place, day_of, end_of, start_of};
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
    headers: Headers,
    /// When friends last got records of ours to keep, and where those said that we are.
    left: Option<(Timestamp, Vec<Address>)>,
}

/// Our headers, and when they go to the DHT. Nothing of it is stored.
#[derive(Debug, Default)]
struct Headers {
    /// Of today and tomorrow.
    ids: BTreeSet<LookupId>,
    /// For which readers those lie there, as far as is known: generation and version.
    known: Option<(u32, u64)>,
    /// When they are brought whether anything has changed or not.
    due: Option<Timestamp>,
    /// They were looked for, and nobody has them.
    are_missing: bool,
}

impl Headers {
    /// Before the first publication it counts as known who reads: that was brought before the start.
    fn begin(&mut self, state: &State, now: Timestamp) {
        if self.known.is_none() {
            self.known = Some(Self::readers(state));
            self.due = Some(Self::next_moment(state, now));
        }
    }

    fn readers(state: &State) -> (u32, u64) {
        let presence = &state.own.presence;
        (presence.generation.number, presence.wrapping.version)
    }

    /// The next of the moments that are drawn for each day.
    fn next_moment(state: &State, now: Timestamp) -> Timestamp {
        let moment = |day: u32| start_of(day).after(state.own.presence.generation.header_moment(day));
        let today = day_of(now);
        Some(moment(today)).filter(|moment| *moment > now).unwrap_or_else(|| moment(today.saturating_add(1)))
    }

    /// Whether they are to be brought to the DHT now; they count as brought then.
    fn take_due(&mut self, state: &State, now: Timestamp) -> bool {
        let readers = Self::readers(state);
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = Some(Self::next_moment(state, now));
        }
        let have_changed = self.known.replace(readers) != Some(readers);
        std::mem::take(&mut self.are_missing) | is_due | have_changed
    }
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
        [self.due, self.read_back_due, self.away_due, self.headers.due].into_iter().flatten().min()
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

    /// Whether any server is there from which friends could get our newest records.
    pub fn has_servers(&self) -> bool {
        self.knows_servers() || self.lookups > 0
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
        if is_ours && self.headers.ids.contains(id) {
            self.headers.are_missing = false;
        }
        if is_ours && self.unread.remove(id) && self.unread.is_empty() {
            self.read_back = Some(now);
            self.read_back_pause = READ_BACK;
            self.read_back_due = Some(now.after(READ_AGAIN));
        }
    }

    /// All who were asked for a record have answered.
    pub fn resolved(&mut self, state: &State, turn: &mut Turn<'_>, id: &LookupId) {
        if self.unread.contains(id) && self.headers.ids.contains(id) && self.has_no_server_of_its_own() {
            self.headers.are_missing = true;
            let records = self.publication(state, turn.now);
            turn.act(records);
        }
    }

    /// Whether nobody but this node itself brings its headers.
    fn has_no_server_of_its_own(&self) -> bool {
        self.lookups == 0
    }

    /// Our records: headers only where they do not show when somebody is here.
    fn publication(&mut self, state: &State, now: Timestamp) -> NetAction {
        let are_due = self.headers.take_due(state, now);
        let brings = are_due && self.has_no_server_of_its_own();
        let (mut everywhere, mut servers) = (Vec::new(), Vec::new());
        for (id, bytes) in &state.own.records {
            let is_for_all = brings || !self.headers.ids.contains(id);
            if is_for_all { &mut everywhere } else { &mut servers }.push(bytes.clone());
        }
        NetAction::Publish { everywhere, servers }
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
        let body = Place::of_body(&lookup, today, own.wrapping.secret(Class::Full));
        // What a server of our own brings is not looked for by us.
        let header = self.has_no_server_of_its_own().then(|| Place::of_header(&lookup, today));
        if !self.unread.is_empty() {
            self.headers.are_missing = self.unread.iter().any(|id| self.headers.ids.contains(id));
            let records = self.publication(state, turn.now);
            turn.act(records);
        }
        self.unread = header.iter().chain([&body]).filter_map(|place| place.id(&lookup).ok()).collect();
        for id in &self.unread {
            turn.act(NetAction::Resolve(*id, Look::Everywhere));
        }
    }

    /// Publishes when it is due.
    pub fn tick(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if state.own.is_halted {
            // Another copy of this folder publishes.
            (self.due, self.away_due, self.read_back_due) = (None, None, None);
            return;
        }
        self.headers.begin(state, turn.now);
        self.tick_records(state, turn);
        if self.headers.due.is_some_and(|due| due <= turn.now) && self.last.is_some() {
            let records = self.publication(state, turn.now);
            turn.act(records);
        }
        if self.away_due.is_some_and(|due| due <= turn.now) {
            self.away_due = None;
            state.leaves_records = true;
            // Without a header for who may read now, what lies there is taken back.
            if state.own.presence.has_day(day_of(turn.now)) && prepare(state, turn).is_none() {
                state.own.away.clear();
            }
        }
    }

    /// The node stops: whoever reads its records from now on is not told where it was. Friends
    /// go on calling where they know it, since two who both took leave must find each other again.
    pub fn farewell(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if self.last.is_some() && state.own.presence.has_day(day_of(turn.now)) && self.servers + self.neighbours + self.lookups > 0 {
            self.due = None;
            self.publish(state, turn, Class::Limited);
            state.leaves_with_friends = true;
        }
    }

    /// Makes and publishes the records of today and tomorrow. None when no header can be made.
    fn publish(&mut self, state: &mut State, turn: &mut Turn<'_>, most: Class) -> Option<()> {
        self.headers.ids = make(state, turn, most)?;
        let records = self.publication(state, turn.now);
        turn.act(records);
        Some(())
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
        if !state.own.presence.has_day(day_of(turn.now)) {
            // The clock shows a day that is long past or is before our first: nothing can be
            // published for it. If others say that it is right, the keys of this day were erased by
            // one that was wrong.
            self.due = Some(turn.now.after(PUBLISH_PAUSE));
            state.is_outgrown |= state.clock.is_confirmed();
            return;
        }
        self.is_outgrown = self.publish(state, turn, Class::Full).is_none();
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

/// Makes the records of today and tomorrow: the ids of the headers among them. None when no header can be made.
fn make(state: &mut State, turn: &mut Turn<'_>, most: Class) -> Option<BTreeSet<LookupId>> {
    // Should no header hold the readers, nobody shall get one for other readers from us.
    state.own.records.clear();
    let (today, surely) = (day_of(turn.now), day_of(turn.sure));
    let presence = &mut state.own.presence;
    // Never lower than before, also when the clock was set back. By two: one less is for what
    // our relays publish, which must not stand in the way of what we publish ourselves.
    presence.sequence = presence.sequence.saturating_add(2).max(turn.stamp.0);
    let sequence = presence.sequence;
    let generation = &mut presence.generation;
    generation.ratchet.forget_before(today.min(surely).saturating_sub(1).saturating_sub(generation.began));
    turn.put(Table::Meta, b"presence", &*presence);
    let bodies = bodies_of(state, turn, most, sequence);
    let header = header_of(state)?;
    let mut headers = BTreeSet::new();
    for day in [today, today.saturating_add(1)] {
        let records = records_of(state, turn, day, sequence, &header, &bodies)?;
        let read = records.into_iter().filter_map(|bytes| Some((Item::read(&bytes, turn.now).ok()?.id, bytes)));
        for (at, (id, bytes)) in read.enumerate() {
            if at == 0 {
                headers.insert(id);
            }
            state.own.records.insert(id, bytes);
        }
    }
    let contact = contact_of(state, turn, today).and_then(|bytes| Some((Item::read(&bytes, turn.now).ok()?.id, bytes)));
    state.own.records.extend(contact);
    Some(headers)
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
    let header = header_of(state)?;
    let today = day_of(turn.now);
    for day in today..=today.saturating_add(DAYS_AHEAD) {
        let records = records_of(state, turn, day, sequence, &header, &bodies)?;
        state.own.away.insert(day, records);
    }
    Some(())
}

/// The same bytes as long as the same people read.
fn header_of(state: &State) -> Option<Vec<u8>> {
    let presence = &state.own.presence;
    let mut rng = ChaCha20Rng::from_seed(*presence.generation.header_seed(&presence.wrapping, None).expose());
    Header::wrap(&presence.generation, &presence.wrapping, &presence.readers(), &mut rng).ok().map(|header| codec::encode(&header))
}

/// Header and bodies of a day, the header first.
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
    let mut rng = ChaCha20Rng::from_seed(*generation.header_seed(wrapping, Some(day)).expose());
    let mut records = vec![Place::of_header(&reader.lookup, day).seal_header(&lookup, wrapping.version, header, &mut rng).ok()?];
    for (class, payload) in bodies {
        let wrapped = wrapping.secret(*class);
        let stamp =
            Stamp { version: wrapping.version, day, sequence, device: state.own.identity.device, issued: turn.stamp, expires: end_of(day) };
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
    use crate::seam::Action;
    use symbolon_presence::time::HOUR;

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

    fn brought(turn: &mut Turn<'_>) -> Option<(usize, usize)> {
        let last = turn.out.actions.iter().rev().find_map(|action| {
            let Action::Net(NetAction::Publish { everywhere, servers }) = action else { return None };
            Some((everywhere.len(), servers.len()))
        });
        turn.out.actions.clear();
        last
    }

    #[test]
    fn header_of_the_same_readers_is_the_same_bytes_whenever_it_is_made() {
        in_turn(|state, turn| {
            let headers = |state: &mut State, turn: &mut Turn<'_>| {
                let ids = make(state, turn, Class::Full).unwrap();
                state.own.records.iter().filter(|(id, _)| ids.contains(id)).map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>()
            };
            let first = headers(state, turn);
            turn.now = turn.now.after(3 * HOUR);
            assert_eq!(headers(state, turn), first, "neither counter nor bytes tell when it was made");
            crate::presence::grant(state, turn, &crate::fixture::peer(1), &[]).unwrap();
            let other = headers(state, turn);
            assert!(other.iter().all(|header| !first.contains(header)));
        });
    }

    #[test]
    fn headers_go_to_the_dht_when_readers_change_once_a_day_and_when_nobody_has_them_and_else_to_own_servers_alone() {
        in_turn(|state, turn| {
            let mut beacon = Beacon::default();
            beacon.start(turn.now);
            beacon.tick(state, turn);
            turn.now = turn.now.after(PUBLISH_DELAY);
            beacon.tick(state, turn);
            assert_eq!(brought(turn), Some((4, 2)), "a start brings bodies");

            beacon.servers(state, turn, vec![Address(vec![4, 192, 0, 2, 1])], 0);
            turn.now = turn.now.after(READ_BACK);
            beacon.tick(state, turn);
            let header = beacon.unread.iter().find(|id| beacon.headers.ids.contains(*id)).copied().unwrap();
            beacon.resolved(state, turn, &header);
            assert_eq!(brought(turn), Some((6, 0)), "nobody had today's");

            crate::presence::grant(state, turn, &crate::fixture::peer(1), &[]).unwrap();
            beacon.changed(turn.now, true);
            beacon.tick(state, turn);
            assert_eq!(brought(turn), Some((6, 0)), "others read it now");
            beacon.changed(turn.now, true);
            beacon.tick(state, turn);
            assert_eq!(brought(turn), Some((4, 2)), "nothing new in it");

            turn.now = beacon.headers.due.unwrap();
            beacon.due = None;
            beacon.read_back_due = None;
            beacon.tick(state, turn);
            assert_eq!(brought(turn), Some((6, 0)), "the moment of the day");

            beacon.lookups(turn.now, 1);
            crate::presence::grant(state, turn, &crate::fixture::peer(2), &[]).unwrap();
            beacon.changed(turn.now, true);
            beacon.tick(state, turn);
            assert_eq!(brought(turn), Some((4, 2)), "a server of our own brings it");
            turn.now = turn.now.after(READ_BACK);
            beacon.tick(state, turn);
            assert!(beacon.unread.iter().all(|id| !beacon.headers.ids.contains(id)), "and we do not look for it");
        });
    }
}
