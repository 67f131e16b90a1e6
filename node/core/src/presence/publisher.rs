//! The publisher: publishes this node's records, for today and tomorrow, each time that what they say
//! changes and before they end. The protocol pages are `docs/protocol/presence.md` and `lookup.md`.
//!
//! A header tells no time. A former friend can compute where it lies on each day, and may run a server there: so an
//! owner whose own server answers leaves headers to that one. Another brings them to the DHT when the readers have
//! changed, once a day at a moment that has nothing to do with its comings and goings, and when nobody has them.

use crate::command::DhtView;
use crate::identity::{self, Own};
use crate::limits::{AWAY_DELAY, PUBLISH_DELAY, PUBLISH_INTERVAL, PUBLISH_PAUSE, SERVERS_MAX};
use crate::seam::{Address, Look, NetAction};
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use bodies::Bodies;
use headers::Headers;
use read_back::ReadBack;
use records::{make, prepare};
use symbolon_presence::id::LookupId;
use symbolon_presence::record::{Slot, day_of};
use symbolon_presence::time::Timestamp;
use symbolon_presence::wrapping::Class;

mod bodies;
mod headers;
mod read_back;
mod records;

/// When to publish. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    due: Option<Timestamp>,
    last: Option<Timestamp>,
    /// No header holds the readers any more.
    is_header_full: bool,
    /// Our tree or header is full, or the keys of today are gone: a new generation is to begin, until that is taken.
    needs_generation: bool,
    /// DHT servers known now, and nodes of the LAN that stand in for them.
    servers: usize,
    neighbours: usize,
    /// Lookup servers of ours that answer.
    lookup_servers: usize,
    read_back: ReadBack,
    bodies: Bodies,
    /// When our relays get the records of the days to come.
    away_due: Option<Timestamp>,
    headers: Headers,
    /// When friends last got records of ours to keep, and where those said that we are.
    left: Option<(Timestamp, Vec<Address>)>,
    /// Our relays are to get the records of the days to come, until that is taken.
    leaves_ahead: bool,
    /// Friends are to get our records, until that is taken.
    leaves_with_friends: bool,
}

impl Publisher {
    /// After a start.
    pub fn start(&mut self, now: Timestamp) {
        self.due = Some(now.after(PUBLISH_DELAY));
    }

    /// Other invites than before are open: their bodies are made and published at once.
    pub fn bodies_changed(&mut self, now: Timestamp) {
        self.bodies.due = Some(now);
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
        [self.due, self.read_back.due, self.away_due, self.headers.due, self.bodies.next_due()].into_iter().flatten().min()
    }

    /// These are all DHT servers now: they are remembered, and looked at for our own record.
    /// Whether there was none before.
    pub fn servers(&mut self, state: &mut State, turn: &mut Turn<'_>, servers: Vec<Address>, neighbours: usize) -> bool {
        let had_any = self.knows_servers() || self.neighbours > 0;
        let are_first = if servers.is_empty() { !had_any && neighbours > 0 } else { !self.knows_servers() };
        (self.servers, self.neighbours) = (servers.len(), neighbours);
        if are_first {
            self.schedule_read_back(turn.now);
            self.bodies.begin_again(state, turn.now);
        }
        remember_servers(state, turn, servers);
        are_first
    }

    /// Whether there is a DHT beyond the LAN, as far as known.
    pub fn knows_servers(&self) -> bool {
        self.servers > 0
    }

    /// Whether any server is there from which friends could get our newest records.
    pub fn has_servers(&self) -> bool {
        self.knows_servers() || self.lookup_servers > 0
    }

    /// So many lookup servers of ours answer; whether there is one more than before.
    pub fn lookup_servers(&mut self, state: &State, now: Timestamp, answering: usize) -> bool {
        let is_more = answering > std::mem::replace(&mut self.lookup_servers, answering);
        if is_more {
            self.schedule_read_back(now);
            self.bodies.begin_again(state, now);
        }
        is_more
    }

    /// Looks soon whether our record can be read.
    fn schedule_read_back(&mut self, now: Timestamp) {
        self.read_back.schedule(now, self.servers + self.neighbours + self.lookup_servers > 0);
    }

    /// What somebody has found: our own record as we published it?
    pub fn found(&mut self, state: &State, now: Timestamp, id: &LookupId, bytes: &[u8]) {
        self.bodies.found(state, now, id, bytes);
        let is_ours = state.own.records.get(id).is_some_and(|own| own == bytes);
        if is_ours && self.headers.ids.contains(id) {
            self.headers.are_missing = false;
        }
        if is_ours {
            self.read_back.found(now, id);
        }
    }

    /// All who were asked for a record have answered.
    pub fn resolved(&mut self, state: &mut State, turn: &mut Turn<'_>, id: &LookupId) {
        if self.bodies.resolved(state, turn, id) {
            let records = self.publication(state, turn.now);
            turn.act(records);
        }
        if self.read_back.unread.contains(id) && self.headers.ids.contains(id) && self.has_no_server_of_its_own() {
            self.headers.are_missing = true;
            let records = self.publication(state, turn.now);
            turn.act(records);
        }
    }

    /// Whether nobody but this node itself brings its headers.
    fn has_no_server_of_its_own(&self) -> bool {
        self.lookup_servers == 0
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
        everywhere.extend(state.own.bodies.values().cloned());
        NetAction::Publish { everywhere, servers }
    }

    /// Whether our relays are to get the records of the days to come, since this was last asked.
    pub fn take_leaves_ahead(&mut self) -> bool {
        std::mem::take(&mut self.leaves_ahead)
    }

    /// Whether friends are to get our records, since this was last asked.
    pub fn take_leaves_with_friends(&mut self) -> bool {
        std::mem::take(&mut self.leaves_with_friends)
    }

    /// Our tree has no place left.
    pub fn full(&mut self) {
        self.needs_generation = true;
    }

    /// Whether a new generation is to begin, since this was last asked.
    pub fn take_needs_generation(&mut self) -> bool {
        std::mem::take(&mut self.needs_generation)
    }

    /// How it stands with the DHT.
    pub fn view(&self, lookups: (usize, usize)) -> DhtView {
        DhtView { servers: self.servers, neighbours: self.neighbours, read_back: self.read_back.last, lookups }
    }

    /// Whether there are more readers, or more who left, than a header can tell apart.
    pub fn is_header_full(&self) -> bool {
        self.is_header_full
    }

    /// Looks for our own records. Those that were looked for before in vain are published
    /// once more: those who took them have lost them, or never had them.
    fn look_for_own(&mut self, state: &State, turn: &mut Turn<'_>) {
        let own = &state.own.presence;
        let (lookup, today) = (own.generation.reader().lookup, day_of(turn.now));
        let body = Slot::of_body(&lookup, today, own.wrapping.secret(Class::Full));
        // What a server of our own brings is not looked for by us.
        let header = self.has_no_server_of_its_own().then(|| Slot::of_header(&lookup, today));
        if !self.read_back.unread.is_empty() {
            self.headers.are_missing = self.read_back.unread.iter().any(|id| self.headers.ids.contains(id));
            let records = self.publication(state, turn.now);
            turn.act(records);
        }
        self.read_back.unread = header.iter().chain([&body]).filter_map(|place| place.id(&lookup).ok()).collect();
        for id in &self.read_back.unread {
            turn.act(NetAction::Resolve(*id, Look::Everywhere));
        }
    }

    /// Publishes when it is due.
    pub fn tick(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if !state.own.may_show(turn.stamp) {
            // Another copy of this folder publishes, or nobody believes what stands under the certificate.
            withdraw(&mut state.own);
            (self.due, self.away_due, self.read_back.due) = (None, None, None);
            self.bodies = Bodies::default();
            return;
        }
        self.headers.begin(state, turn.now);
        self.tick_records(state, turn);
        self.tick_bodies(state, turn);
        if self.headers.due.is_some_and(|due| due <= turn.now) && self.last.is_some() {
            let records = self.publication(state, turn.now);
            turn.act(records);
        }
        if self.away_due.is_some_and(|due| due <= turn.now) {
            self.away_due = None;
            self.leaves_ahead = true;
            // Without a header for who may read now, what lies there is taken back.
            if state.own.presence.has_day(day_of(turn.now)) && prepare(state, turn).is_none() {
                state.own.away.clear();
            }
            bodies::prepare(state, turn);
        }
    }

    fn tick_bodies(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if self.bodies.take_due(turn.now) {
            // Higher than all before, so that it counts where those lie.
            records::next_sequence(state, turn);
            bodies::make(state, turn, false);
            self.bodies.begin_again(state, turn.now);
            if self.last.is_some() {
                let records = self.publication(state, turn.now);
                turn.act(records);
            }
            self.away_due = Some(turn.now);
        }
        self.bodies.look(state, turn, self.servers + self.neighbours + self.lookup_servers > 0);
    }

    /// The node stops: its records do not say where it was any more. Friends still call where they know it, since
    /// two who both took leave must find each other again.
    pub fn farewell(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if !state.own.may_show(turn.stamp) {
            return;
        }
        if self.last.is_some() && state.own.presence.has_day(day_of(turn.now)) && self.servers + self.neighbours + self.lookup_servers > 0 {
            self.due = None;
            self.publish(state, turn, Class::Limited);
            self.leaves_with_friends = true;
        }
    }

    /// Makes and publishes the records of today and tomorrow. None when no header can be made.
    fn publish(&mut self, state: &mut State, turn: &mut Turn<'_>, most: Class) -> Option<()> {
        let headers = make(state, turn, most);
        let had_any = !state.own.bodies.is_empty();
        bodies::make(state, turn, most == Class::Limited);
        if !had_any {
            self.bodies.begin_again(state, turn.now);
        }
        self.headers.ids = headers?;
        let records = self.publication(state, turn.now);
        turn.act(records);
        Some(())
    }

    /// Friends get what was published when it says another place, and before what they have ends.
    /// Not when somebody was taken out: that is no message to anybody.
    fn leave_with_friends(&mut self, state: &State, now: Timestamp) {
        let is_new = self.left.as_ref().is_none_or(|(at, places)| *places != state.own.places || now.since(*at) >= PUBLISH_INTERVAL);
        if is_new {
            self.left = Some((now, state.own.places.clone()));
            self.leaves_with_friends = true;
        }
    }

    fn tick_records(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if self.read_back.take_due(turn.now) {
            self.look_for_own(state, turn);
        }
        if self.due.is_none_or(|due| due > turn.now) {
            return;
        }
        self.read_back.last = None;
        self.schedule_read_back(turn.now);
        self.due = Some(turn.now.after(PUBLISH_INTERVAL));
        self.last = Some(turn.now);
        if !state.own.presence.has_day(day_of(turn.now)) {
            // The clock shows a day that is long past or is before our first: nothing can be
            // published for it. If others say that it is right, the keys of this day were erased by
            // one that was wrong.
            self.due = Some(turn.now.after(PUBLISH_PAUSE));
            self.needs_generation |= state.clock.is_confirmed();
            return;
        }
        self.is_header_full = self.publish(state, turn, Class::Full).is_none();
        self.needs_generation |= self.is_header_full;
        if !self.is_header_full {
            self.leave_with_friends(state, turn.now);
        }
        self.away_due.get_or_insert(turn.now.after(AWAY_DELAY));
    }
}

/// Remembers DHT servers, the newest first.
pub(crate) fn remember_servers(state: &mut State, turn: &mut Turn<'_>, mut servers: Vec<Address>) {
    servers.retain(Address::is_bounded);
    let older = state.own.servers.iter().filter(|known| !servers.contains(known)).cloned().collect::<Vec<_>>();
    servers.extend(older);
    servers.truncate(SERVERS_MAX);
    if servers != state.own.servers {
        state.own.servers = servers;
        turn.put(Table::Meta, b"servers", &state.own.servers);
    }
}

/// Whether anyone who knows our Peer ID may find a way in.
pub(crate) fn set_findable(state: &mut State, turn: &mut Turn<'_>, is_findable: bool) {
    if state.own.is_findable != is_findable {
        state.own.is_findable = is_findable;
        turn.put(Table::Meta, b"findable", &is_findable);
        identity::records_changed(turn);
    }
}

/// Takes back what this node has made to be published.
fn withdraw(own: &mut Own) {
    own.records.clear();
    own.bodies.clear();
    own.away.clear();
    own.bodies_ahead.clear();
}

#[cfg(test)]
mod tests;
