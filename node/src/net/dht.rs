//! Records in the Kademlia DHT `/symbolon/kad/1`: publishing, looking up and, as a relay,
//! keeping them for others.
//!
//! A personal node asks and keeps nothing (client mode), but for its
//! [neighbours](super::neighbours). What a server is given is checked before it is kept: a
//! record's own signature, id, size, end, and a counter higher than that of the one that is
//! there. Who reads checks again, so a server that lies costs time. No server is built
//! in; the first ones are named by the user, by an invite, or are relays of ours, and those
//! that were met are remembered.

pub(super) mod behaviour;
mod others;
mod own;
mod searches;

use crate::clock::{Clock, SystemClock};
use crate::net::answers::Answers;
use crate::net::endpoint::Endpoint;
use crate::net::givers::Giver;
use crate::net::limits::{DHT_CALL_PAUSE, DHT_CALLED_MAX, DHT_HOSTED_AT_ONCE, DHT_HOSTED_MAX, DHT_OWN_AT_ONCE, DHT_REMEMBERED_MAX};
use crate::net::neighbours::{Change, Neighbours, places_of};
use behaviour::{Kad, PROTOCOL};
use libp2p::kad::store::RecordStore;
use libp2p::kad::{Event, GetRecordOk, InboundRequest, Mode, PeerRecord, ProgressStep, QueryId, QueryResult, Quorum};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId as TransportId, identify};
use others::{Others, key, to_put};
use own::OwnRecords;
use searches::Searches;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Instant;
use symbolon_core::seam::{Address, Input};
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::Item;
use symbolon_relay::lookup::Kept;

/// Where anybody is to be dialled: the connections end by themselves.
pub(super) type Calls = Vec<Multiaddr>;

/// What this node knows of the DHT.
#[derive(Debug)]
pub(super) struct Dht {
    pub(super) searches: Searches,
    pub(super) own: OwnRecords,
    others: Others,
    neighbours: Neighbours,
    /// Whether it is a relay's.
    is_server: bool,
    /// Look-ups in the DHT under way, each a part of a search.
    lookups: HashMap<QueryId, u64>,
    /// Own records being put, with the number of the set that they are of.
    puts: HashMap<QueryId, (LookupId, u64)>,
    /// Records of others that are being put, at most [`DHT_HOSTED_AT_ONCE`], and those that are
    /// to be, at most [`DHT_HOSTED_MAX`].
    hosting: HashSet<QueryId>,
    hosted: VecDeque<LookupId>,
    /// Where the first servers may be; at most [`DHT_CALLED_MAX`].
    called: Vec<Multiaddr>,
    next_call: Instant,
    /// Servers by the addresses at which they were reached; at most [`DHT_REMEMBERED_MAX`] are reported.
    servers: HashMap<TransportId, Vec<Address>>,
    told: (Vec<Address>, usize),
    answers: Answers,
}

impl Dht {
    /// With `room` for so many records and bytes of others.
    pub(super) fn new(answers: Answers, is_server: bool, room: (usize, usize)) -> Self {
        Self {
            searches: Searches::new(answers.clone()),
            own: OwnRecords::default(),
            others: Others::new(room),
            neighbours: Neighbours::default(),
            is_server,
            lookups: HashMap::new(),
            puts: HashMap::new(),
            hosting: HashSet::new(),
            hosted: VecDeque::new(),
            called: Vec::new(),
            next_call: Instant::now(),
            servers: HashMap::new(),
            told: (Vec::new(), 0),
            answers,
        }
    }

    /// These are our records: they can be found now, and again as servers turn up. The second ones
    /// go to our lookup servers only. False for an older set.
    pub(super) fn publish(&mut self, kad: &mut Kad, number: u64, everywhere: Vec<Vec<u8>>, servers: Vec<Vec<u8>>) -> bool {
        let is_newest = self.own.replace(number, everywhere, servers);
        if is_newest {
            self.put_untaken(kad);
        }
        is_newest
    }

    /// Lets all of our records be put once more.
    fn put_all_again(&mut self, kad: &mut Kad) {
        self.own.put_again();
        self.puts.clear();
        self.put_untaken(kad);
    }

    fn put_untaken(&mut self, kad: &mut Kad) {
        if self.servers.is_empty() {
            return;
        }
        // What is being put of an older set is not what is to be found now.
        let set = self.own.number();
        let under_way: BTreeSet<LookupId> = self.puts.values().filter(|(_, of)| *of == set).map(|(id, _)| *id).collect();
        let room = DHT_OWN_AT_ONCE.saturating_sub(under_way.len());
        let ids: Vec<LookupId> = self.own.untaken().difference(&under_way).copied().take(room).collect();
        for id in ids {
            let Some((expires, value)) = self.own.read(&id) else {
                self.own.taken(&id);
                continue;
            };
            if let Ok(query) = kad.put_record(to_put(&id, value, expires, SystemClock.now()), Quorum::One) {
                // Not to be found here when we look whether others have it.
                kad.store_mut().remove(&key(&id));
                self.puts.insert(query, (id, set));
            }
        }
    }

    /// The swarm is another one: what was under way has ended, and servers are met again.
    pub(super) fn begin_again(&mut self, kad: &mut Kad) -> Calls {
        self.searches.end_all();
        self.lookups.clear();
        self.puts.clear();
        self.hosting.clear();
        let far: Vec<Address> = self.far_servers().flatten().cloned().collect();
        self.call_later(far);
        self.servers.clear();
        self.neighbours.begin_again();
        self.others.begin_again();
        self.own.put_again();
        self.next_call = Instant::now();
        if self.neighbours.are_served() {
            kad.set_mode(Some(Mode::Server));
        }
        self.tend(kad)
    }

    /// Looks in the DHT, as a part of a search.
    pub(super) fn look(&mut self, kad: &mut Kad, search: u64, id: LookupId) {
        if self.servers.is_empty() {
            // Kept for a neighbour who has left: a query would look here, too.
            if let Some(record) = Others::record(kad, &id) {
                self.searches.found(search, record);
            }
        } else {
            self.lookups.insert(kad.get_record(key(&id)), search);
            self.searches.expect(search, 1);
        }
    }

    /// Servers may be at these addresses.
    pub(super) fn call_servers(&mut self, kad: &mut Kad, addresses: Vec<Multiaddr>) -> Calls {
        for address in addresses {
            self.called.retain(|known| *known != address);
            self.called.insert(0, address);
        }
        self.called.truncate(DHT_CALLED_MAX);
        self.next_call = Instant::now();
        self.tend(kad)
    }

    /// Calls servers while none is known, and puts what none has taken.
    pub(super) fn tend(&mut self, kad: &mut Kad) -> Calls {
        let mut calls = self.neighbours.calls();
        if self.next_call > Instant::now() {
            return calls;
        }
        self.next_call = Instant::now() + DHT_CALL_PAUSE;
        if self.far_servers().next().is_none() {
            calls.extend(self.called.iter().cloned());
        }
        self.put_untaken(kad);
        calls
    }

    /// Whether it wants [`Dht::tend`] soon.
    pub(super) fn is_restless(&self) -> bool {
        let has_none = self.far_servers().next().is_none();
        let seeks = has_none && (!self.called.is_empty() || self.neighbours.are_served());
        seeks || (!self.servers.is_empty() && !self.own.untaken().is_empty())
    }

    /// Whether servers are being given records of ours.
    pub(super) fn is_taking(&self) -> bool {
        !self.puts.is_empty()
    }

    /// Where a server at the other end of a connection says that it is. Believed only about its own
    /// machine: it must not make others dial somebody else.
    pub(super) fn hear_of_server(&mut self, kad: &mut Kad, peer: TransportId, remote: &Multiaddr, info: &identify::Info) {
        if !info.protocols.contains(&PROTOCOL) {
            return;
        }
        let Some(remote) = Endpoint::from_multiaddr(remote) else { return };
        let said = info.listen_addrs.iter().take(16).filter_map(Endpoint::from_multiaddr);
        for endpoint in said.filter(|endpoint| endpoint.ip == remote.ip) {
            kad.add_address(&peer, endpoint.multiaddr());
        }
    }

    /// `giver` says who brings something by a connection.
    pub(super) fn handle(&mut self, kad: &mut Kad, event: Event, giver: impl Fn(&TransportId, ConnectionId) -> Giver) {
        match event {
            Event::OutboundQueryProgressed { id, result, step, stats } => {
                if step.last && stats.num_requests() > 0 && stats.num_successes() == 0 {
                    self.lose_servers(kad);
                }
                self.handle_query(kad, id, result, &step);
            }
            Event::RoutingUpdated { peer, addresses, old_peer, .. } => {
                if let Some(old) = old_peer {
                    self.servers.remove(&old);
                    self.neighbours.lost(&old);
                }
                self.meet(kad, peer, addresses.iter());
            }
            Event::InboundRequest { request: InboundRequest::PutRecord { record: Some(record), source, connection } } => {
                let giver = giver(&source, connection);
                self.others.keep(kad, Some(&record.key), record.value, giver);
            }
            Event::InboundRequest { .. }
            | Event::UnroutablePeer { .. }
            | Event::RoutablePeer { .. }
            | Event::PendingRoutablePeer { .. }
            | Event::ModeChanged { .. } => {}
        }
    }

    /// A server was met.
    fn meet<'a>(&mut self, kad: &mut Kad, peer: TransportId, addresses: impl Iterator<Item = &'a Multiaddr>) {
        let plain = addresses.filter_map(Endpoint::from_multiaddr).map(|endpoint| Endpoint { expects: None, ..endpoint });
        let plain: Vec<Endpoint> = plain.collect();
        let is_named = plain.iter().any(|endpoint| self.called.contains(&endpoint.multiaddr()));
        let is_new_neighbour = self.neighbours.met(peer, &plain, is_named);
        let is_first = self.servers.is_empty();
        self.servers.insert(peer, plain.into_iter().take(2).map(Endpoint::address).collect());
        self.tell_servers();
        if is_first {
            self.next_call = Instant::now();
        }
        if is_new_neighbour {
            self.put_all_again(kad);
        }
        self.put_untaken(kad);
        self.host_next(kad);
    }

    /// Tells the core where servers are, so that they are remembered.
    fn tell_servers(&mut self) {
        let mut far: Vec<Address> = self.far_servers().flatten().cloned().collect();
        far.sort();
        far.dedup();
        far.truncate(DHT_REMEMBERED_MAX);
        let told = (far, self.neighbours.count());
        if told != self.told {
            self.told.clone_from(&told);
            self.answers.tell(Input::Servers(told.0, told.1));
        }
    }

    /// The core was loaded again and knows of no server.
    pub(super) fn tell_servers_again(&mut self, kad: &mut Kad) -> Calls {
        let calls = self.serve_neighbours(kad, None);
        self.told = (Vec::new(), 0);
        self.tell_servers();
        calls
    }

    fn handle_query(&mut self, kad: &mut Kad, query: QueryId, result: QueryResult, step: &ProgressStep) {
        if let Some(search) = self.lookups.get(&query).copied() {
            if let QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(PeerRecord { record, .. }))) = result {
                self.searches.found(search, record.value);
            }
            if step.last {
                self.lookups.remove(&query);
                self.searches.part_done(search);
            }
            return;
        }
        if step.last && self.hosting.remove(&query) {
            self.host_next(kad);
            return;
        }
        if let Some((id, set)) = self.puts.get(&query).copied().filter(|_| step.last) {
            self.puts.remove(&query);
            if matches!(result, QueryResult::PutRecord(Ok(_))) && set == self.own.number() {
                self.own.taken(&id);
                self.put_untaken(kad);
            }
        }
    }

    /// Lets a record of the owner of a mailbox be found: here, and at other servers. What is kept
    /// already is given to them from time to time as it is.
    pub(super) fn host(&mut self, kad: &mut Kad, owner: u64, record: Vec<u8>) {
        let Ok(Item { id, .. }) = Item::read(&record, SystemClock.now()) else { return };
        if self.keep(kad, record, Giver::Owner(owner)) != Kept::Yes {
            return;
        }
        if self.hosted.len() >= DHT_HOSTED_MAX {
            self.hosted.pop_front();
        }
        self.hosted.push_back(id);
        self.host_next(kad);
    }

    fn host_next(&mut self, kad: &mut Kad) {
        while !self.servers.is_empty()
            && self.hosting.len() < DHT_HOSTED_AT_ONCE
            && let Some(id) = self.hosted.pop_front()
        {
            // Its owner may have brought a newer one in the meantime.
            let Some(value) = Others::record(kad, &id) else { continue };
            let now = SystemClock.now();
            let Ok(Item { expires, .. }) = Item::read(&value, now) else { continue };
            if let Ok(query) = kad.put_record(to_put(&id, value, expires, now), Quorum::One) {
                self.hosting.insert(query);
            }
        }
    }

    /// Nobody answers any more: there are no servers until one is met again.
    fn lose_servers(&mut self, kad: &mut Kad) {
        let mut far = Vec::new();
        for (peer, addresses) in std::mem::take(&mut self.servers) {
            kad.remove_peer(&peer);
            if self.neighbours.has(&peer) {
                self.neighbours.lost(&peer);
            } else {
                far.extend(addresses);
            }
        }
        self.call_later(far);
        self.next_call = Instant::now();
        self.tell_servers();
    }

    fn call_later(&mut self, addresses: Vec<Address>) {
        self.called.extend(addresses.into_iter().filter_map(|address| Multiaddr::try_from(address.0).ok()));
        self.called.sort();
        self.called.dedup();
        self.called.truncate(DHT_CALLED_MAX);
    }

    /// What is kept under an id.
    pub(super) fn kept_record(kad: &mut Kad, id: &LookupId) -> Option<Vec<u8>> {
        Others::record(kad, id)
    }

    /// Keeps a record for others, if it is one and newer than what is there.
    pub(super) fn keep(&mut self, kad: &mut Kad, value: Vec<u8>, giver: Giver) -> Kept {
        self.others.keep(kad, None, value, giver)
    }

    /// These are all neighbours now; `None`: there is no DHT of the LAN any more. The list with the
    /// highest number counts.
    pub(super) fn set_neighbours(&mut self, kad: &mut Kad, number: u64, addresses: Option<&[Address]>) -> Calls {
        if !self.neighbours.is_newest(number) {
            return Calls::new();
        }
        self.serve_neighbours(kad, addresses.map(places_of))
    }

    fn serve_neighbours(&mut self, kad: &mut Kad, places: Option<Vec<Endpoint>>) -> Calls {
        // A server for everybody stays one.
        if self.is_server {
            return Calls::new();
        }
        match self.neighbours.serve(places) {
            Change::Begun => kad.set_mode(Some(Mode::Server)),
            Change::Ended(near) => {
                kad.set_mode(Some(Mode::Client));
                for peer in near {
                    kad.remove_peer(&peer);
                    self.servers.remove(&peer);
                }
                self.others.forget(kad);
                // What neighbours took is nowhere else yet.
                self.put_all_again(kad);
                self.tell_servers();
            }
            Change::Same => {}
        }
        self.neighbours.calls()
    }

    /// Servers beyond the LAN, each by where it is.
    fn far_servers(&self) -> impl Iterator<Item = &Vec<Address>> {
        self.servers.iter().filter(|(peer, _)| !self.neighbours.has(peer)).map(|(_, addresses)| addresses)
    }
}
