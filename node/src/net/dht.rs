//! Records in the Kademlia DHT `/symbolon/kad/1`: publishing, looking up and, as a relay,
//! keeping them for others.
//!
//! A personal node asks and keeps nothing (client mode), but for its
//! [neighbours](super::neighbours). What a server is given is checked before it is kept: a
//! record's own signature, id, size, end, and a counter higher than that of the one that is
//! there. Whoever reads checks again, so a server that lies costs time. No server is built
//! in; the first ones are named by the user, by an invite, or are relays of ours, and those
//! that were met are remembered.

use crate::clock::{Clock, SystemClock};
use crate::net::door::Source;
use crate::net::driver::Driver;
use crate::net::endpoint::Endpoint;
use crate::net::givers::{Giver, Givers};
use crate::net::limits::{
    DHT_ANSWERS_MAX, DHT_CALL_PAUSE, DHT_CALLED_MAX, DHT_HOSTED_AT_ONCE, DHT_HOSTED_MAX, DHT_OWN_MAX, DHT_QUERIES_MAX, DHT_QUERY,
    DHT_REMEMBERED_MAX, Limits, NEIGHBOURS_BYTES, NEIGHBOURS_RECORDS,
};
use crate::net::lock::lock;
use crate::net::neighbours::Neighbours;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig, RecordStore};
use libp2p::kad::{
    self, Event, GetRecordOk, InboundRequest, Mode, PeerRecord, ProgressStep, QueryId, QueryResult, Quorum, RecordKey, StoreInserts,
};
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId as TransportId, StreamProtocol, identify};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};
use symbolon_core::seam::{Address, Input, Look};
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::Item;
use symbolon_presence::record::RECORD_MAX;
use symbolon_relay::lookup::Kept;
use tokio::sync::mpsc;

/// What is spoken between nodes of the DHT.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbolon/kad/1");
/// The longest message: a record, and the addresses of twenty servers.
const PACKET_MAX: usize = RECORD_MAX + 16 * 1024;
/// How often the routing table is refreshed.
const REFRESH: Duration = Duration::from_secs(30 * 60);
/// How often a server gives what it keeps to those who are closest now.
const REPLICATION: Duration = Duration::from_secs(60 * 60);

/// How many records, and bytes of them, are kept for others.
pub(super) fn kept_for_others(is_server: bool, limits: &Limits) -> (usize, usize) {
    let (records, bytes) = (limits.kept_records, limits.kept_bytes);
    if is_server { (records, bytes) } else { (records.min(NEIGHBOURS_RECORDS), bytes.min(NEIGHBOURS_BYTES)) }
}

/// The behaviour; a server keeps records for others.
pub(super) fn behaviour(own: TransportId, is_server: bool, limits: &Limits) -> kad::Behaviour<MemoryStore> {
    let max_records = kept_for_others(is_server, limits).0;
    let store = MemoryStoreConfig { max_records, max_value_bytes: RECORD_MAX + 1, max_providers_per_key: 1, max_provided_keys: 0 };
    let mut config = kad::Config::new(PROTOCOL);
    config
        .set_query_timeout(DHT_QUERY)
        .set_max_packet_size(PACKET_MAX)
        .set_record_filtering(StoreInserts::FilterBoth)
        .set_replication_interval(is_server.then_some(REPLICATION))
        // Who published comes again by himself.
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_periodic_bootstrap_interval(Some(REFRESH));
    let mut behaviour = kad::Behaviour::with_config(own, MemoryStore::with_config(own, store), config);
    behaviour.set_mode(Some(if is_server { Mode::Server } else { Mode::Client }));
    behaviour
}

/// What the task that owns the swarm knows of the DHT.
#[derive(Debug)]
pub(super) struct Dht {
    /// What is looked for; at most [`DHT_QUERIES_MAX`].
    searches: HashMap<u64, Search>,
    next_search: u64,
    /// Look-ups in the DHT under way, each a part of a search.
    lookups: HashMap<QueryId, u64>,
    /// Own records being put, with the number of the set that they are of.
    puts: HashMap<QueryId, (LookupId, u64)>,
    /// Records of others that are being put, at most [`DHT_HOSTED_AT_ONCE`], and those that are
    /// to be, at most [`DHT_HOSTED_MAX`].
    hosting: HashSet<QueryId>,
    hosted: VecDeque<LookupId>,
    /// Own records, the newest last, and those of them that no server has taken yet; at most [`DHT_OWN_MAX`].
    own: Vec<(LookupId, Vec<u8>)>,
    untaken: BTreeSet<LookupId>,
    /// Those of our own that are for our lookup servers alone.
    entrusted: BTreeSet<LookupId>,
    /// Number of the last set of own records.
    published: u64,
    /// Where the first servers may be; at most [`DHT_CALLED_MAX`].
    called: Vec<Multiaddr>,
    next_call: Instant,
    /// Servers by the addresses at which they were reached; at most [`DHT_REMEMBERED_MAX`] are told.
    pub(super) servers: HashMap<TransportId, Vec<Address>>,
    told: (Vec<Address>, usize),
    pub(super) neighbours: Neighbours,
    /// Who has brought what is kept for others.
    pub(super) givers: Givers,
    answers: mpsc::Sender<Input>,
}

/// One record that is looked for, in the DHT and at lookup servers.
#[derive(Debug)]
struct Search {
    id: LookupId,
    /// Whoever has not answered to the end.
    parts: usize,
    /// Answers told.
    told: usize,
}

fn key(id: &LookupId) -> RecordKey {
    RecordKey::new(id.as_bytes())
}

impl Dht {
    /// For so many records and bytes of others. `inputs` may be full for a while: what is found waits in a queue of its own, in order.
    pub(super) fn new(inputs: mpsc::Sender<Input>, (records, bytes): (usize, usize)) -> Self {
        let (answers, mut waiting) = mpsc::channel((DHT_ANSWERS_MAX + 1) * DHT_QUERIES_MAX);
        tokio::spawn(async move {
            while let Some(input) = waiting.recv().await {
                if inputs.send(input).await.is_err() {
                    return;
                }
            }
        });
        Self {
            searches: HashMap::new(),
            next_search: 0,
            lookups: HashMap::new(),
            puts: HashMap::new(),
            hosting: HashSet::new(),
            hosted: VecDeque::new(),
            own: Vec::new(),
            untaken: BTreeSet::new(),
            entrusted: BTreeSet::new(),
            published: 0,
            called: Vec::new(),
            next_call: Instant::now(),
            servers: HashMap::new(),
            told: (Vec::new(), 0),
            neighbours: Neighbours::default(),
            givers: Givers::new(records, bytes),
            answers,
        }
    }

    /// What is looked for, or what became of our servers, told in order.
    pub(super) fn answer(&self, input: Input) {
        // Full only when the core has stood still for hundreds of answers; it gives up on them by itself.
        let _ = self.answers.try_send(input);
    }
}

impl Driver {
    /// These are our records: they can be found now, and again as servers turn up. The second ones go to our lookup servers only.
    pub(super) fn publish(&mut self, number: u64, everywhere: Vec<Vec<u8>>, servers: Vec<Vec<u8>>) {
        if number < self.dht.published {
            return;
        }
        self.dht.published = number;
        let read =
            |records: Vec<Vec<u8>>| records.into_iter().filter_map(|bytes| Some((Item::read(&bytes, SystemClock.now()).ok()?.id, bytes)));
        let (everywhere, servers): (Vec<_>, Vec<_>) = (read(everywhere).collect(), read(servers).collect());
        self.dht.entrusted = servers.iter().map(|(id, _)| *id).collect();
        self.dht.own = everywhere.into_iter().chain(servers).take(DHT_OWN_MAX).collect();
        self.put_again();
        let ids: Vec<LookupId> = self.own_ids().collect();
        self.lookups.publish(&ids);
        self.put_untaken();
        self.tend_lookups();
    }

    /// Number of the last set of our records.
    pub(super) fn published(&self) -> u64 {
        self.dht.published
    }

    /// Our records.
    pub(super) fn own_ids(&self) -> impl Iterator<Item = LookupId> {
        self.dht.own.iter().map(|(id, _)| *id)
    }

    /// One of them, unless it is over.
    pub(super) fn own_record(&self, id: &LookupId) -> Option<Vec<u8>> {
        let (_, bytes) = self.dht.own.iter().find(|(own, _)| own == id)?;
        Item::read(bytes, SystemClock.now()).ok().map(|_| bytes.clone())
    }

    /// Lets all of our records be put once more.
    pub(super) fn put_all_again(&mut self) {
        self.put_again();
        self.dht.puts.clear();
        self.put_untaken();
    }

    /// Whatever servers have taken, they are to be given all again.
    fn put_again(&mut self) {
        self.dht.untaken = self.own_ids().filter(|id| !self.dht.entrusted.contains(id)).collect();
    }

    /// The swarm is another one: what was under way has ended, and servers are met again.
    pub(super) fn dht_begin_again(&mut self) {
        for (_, search) in std::mem::take(&mut self.dht.searches) {
            self.dht.answer(Input::Resolved(search.id));
        }
        self.dht.lookups.clear();
        self.dht.puts.clear();
        self.dht.hosting.clear();
        let far: Vec<Address> = self.dht.far_servers().flat_map(|(_, addresses)| addresses).cloned().collect();
        self.dht.called.extend(far.into_iter().filter_map(|address| Multiaddr::try_from(address.0).ok()));
        self.dht.called.sort();
        self.dht.called.dedup();
        self.dht.called.truncate(DHT_CALLED_MAX);
        self.dht.servers.clear();
        self.dht.neighbours.begin_again();
        self.dht.givers.clear();
        self.put_again();
        self.dht.next_call = Instant::now();
        if self.dht.neighbours.are_served() {
            self.swarm.behaviour_mut().dht.set_mode(Some(Mode::Server));
        }
        self.tend_dht();
    }

    fn put_untaken(&mut self) {
        if self.dht.servers.is_empty() {
            return;
        }
        // What is being put of an older set is not what is to be found now.
        let published = self.dht.published;
        let under_way: BTreeSet<LookupId> = self.dht.puts.values().filter(|(_, set)| *set == published).map(|(id, _)| *id).collect();
        let ids: Vec<LookupId> = self.dht.untaken.difference(&under_way).copied().collect();
        for id in ids {
            let read = self.own_record(&id).and_then(|bytes| Some((Item::read(&bytes, SystemClock.now()).ok()?.expires, bytes)));
            let Some((expires, value)) = read else {
                self.dht.untaken.remove(&id);
                continue;
            };
            let life = Duration::from_millis(expires.since(SystemClock.now()));
            let record = kad::Record { key: key(&id), value, publisher: None, expires: Instant::now().checked_add(life) };
            let dht = &mut self.swarm.behaviour_mut().dht;
            if let Ok(query) = dht.put_record(record, Quorum::One) {
                // Not to be found here when we look whether others have it.
                dht.store_mut().remove(&key(&id));
                self.dht.puts.insert(query, (id, published));
            }
        }
    }

    /// Looks for a record.
    pub(super) fn resolve(&mut self, id: LookupId, at: &Look) {
        if self.dht.searches.len() >= DHT_QUERIES_MAX {
            self.dht.answer(Input::Resolved(id));
            return;
        }
        self.dht.next_search += 1;
        let search = self.dht.next_search;
        // One part more, until all are known.
        let mut parts = 1 + match at {
            Look::Servers(servers) => self.ask_servers(search, id, servers),
            Look::Everywhere => self.ask_servers(search, id, &[]),
            Look::Dht => 0,
        };
        if matches!(at, Look::Servers(_)) {
            // The DHT does not hear of it.
        } else if self.dht.servers.is_empty() {
            // Kept for a neighbour who has left: a query would look here, too.
            if let Some(record) = self.kept_record(&id) {
                self.dht.answer(Input::Found(id, record));
            }
        } else {
            let query = self.swarm.behaviour_mut().dht.get_record(key(&id));
            self.dht.lookups.insert(query, search);
            parts += 1;
        }
        self.dht.searches.insert(search, Search { id, parts, told: 0 });
        self.search_part_done(search);
    }

    /// Something was found. It may be anything.
    pub(super) fn search_found(&mut self, search: u64, value: Vec<u8>) {
        let Some(search) = self.dht.searches.get_mut(&search) else { return };
        if value.len() <= RECORD_MAX && search.told < DHT_ANSWERS_MAX {
            search.told += 1;
            let id = search.id;
            self.dht.answer(Input::Found(id, value));
        }
    }

    /// One of those who were asked has nothing more to say.
    pub(super) fn search_part_done(&mut self, number: u64) {
        let Some(search) = self.dht.searches.get_mut(&number) else { return };
        search.parts = search.parts.saturating_sub(1);
        if search.parts == 0 {
            let id = search.id;
            self.dht.searches.remove(&number);
            self.dht.answer(Input::Resolved(id));
        }
    }

    /// Servers may be at these addresses.
    pub(super) fn call_servers(&mut self, addresses: Vec<Multiaddr>) {
        for address in addresses {
            self.dht.called.retain(|known| *known != address);
            self.dht.called.insert(0, address);
        }
        self.dht.called.truncate(DHT_CALLED_MAX);
        self.dht.next_call = Instant::now();
        self.tend_dht();
    }

    /// Calls servers while none is known, and puts what none has taken.
    pub(super) fn tend_dht(&mut self) {
        self.call_neighbours();
        if self.dht.next_call > Instant::now() {
            return;
        }
        self.dht.next_call = Instant::now() + DHT_CALL_PAUSE;
        if self.dht.far_servers().next().is_none() {
            for address in self.dht.called.clone() {
                // Who answers there is a server or not; its connection ends by itself.
                let _ = self.swarm.dial(DialOpts::unknown_peer_id().address(address).build());
            }
        }
        self.put_untaken();
    }

    /// Whether the DHT wants [`Driver::tend_dht`] soon.
    pub(super) fn dht_is_restless(&self) -> bool {
        let has_none = self.dht.far_servers().next().is_none();
        let seeks = has_none && (!self.dht.called.is_empty() || self.dht.neighbours.are_served());
        seeks || (!self.dht.servers.is_empty() && !self.dht.untaken.is_empty())
    }

    /// Whether servers are being given records of ours.
    pub(super) fn dht_is_taking(&self) -> bool {
        !self.dht.puts.is_empty()
    }

    /// Where a server says that it is. Believed only about its own machine: it must not make
    /// others dial somebody else.
    pub(super) fn hear_of_server(&mut self, peer: TransportId, connection: ConnectionId, info: &identify::Info) {
        if !info.protocols.contains(&PROTOCOL) {
            return;
        }
        let Some(remote) = self.remote_of(connection).and_then(|remote| Endpoint::from_multiaddr(&remote)) else { return };
        let said = info.listen_addrs.iter().take(16).filter_map(Endpoint::from_multiaddr);
        for endpoint in said.filter(|endpoint| endpoint.ip == remote.ip).collect::<Vec<_>>() {
            self.swarm.behaviour_mut().dht.add_address(&peer, endpoint.multiaddr());
        }
    }

    pub(super) fn handle_dht(&mut self, event: Event) {
        match event {
            Event::OutboundQueryProgressed { id, result, step, stats } => {
                if step.last && stats.num_requests() > 0 && stats.num_successes() == 0 {
                    self.lose_servers();
                }
                self.handle_query(id, result, &step);
            }
            Event::RoutingUpdated { peer, addresses, old_peer, .. } => {
                if let Some(old) = old_peer {
                    self.dht.servers.remove(&old);
                    self.dht.neighbours.lost(&old);
                }
                let plain = addresses.iter().filter_map(Endpoint::from_multiaddr).map(|endpoint| Endpoint { expects: None, ..endpoint });
                let plain: Vec<Endpoint> = plain.collect();
                let is_named = plain.iter().any(|endpoint| self.dht.called.contains(&endpoint.multiaddr()));
                let is_new_neighbour = self.dht.neighbours.met(peer, &plain, is_named);
                let is_first = self.dht.servers.is_empty();
                self.dht.servers.insert(peer, plain.into_iter().take(2).map(Endpoint::address).collect());
                self.tell_servers();
                if is_first {
                    self.dht.next_call = Instant::now();
                }
                if is_new_neighbour {
                    self.put_all_again();
                }
                self.put_untaken();
                self.host_next();
            }
            Event::InboundRequest { request: InboundRequest::PutRecord { record: Some(record), source, connection } } => {
                let giver = self.giver(&source, connection);
                self.keep_under(Some(&record.key), record.value, giver);
            }
            Event::InboundRequest { .. }
            | Event::UnroutablePeer { .. }
            | Event::RoutablePeer { .. }
            | Event::PendingRoutablePeer { .. }
            | Event::ModeChanged { .. } => {}
        }
    }

    /// Tells the core where servers are, so that they are remembered.
    pub(super) fn tell_servers(&mut self) {
        let mut far: Vec<Address> = self.dht.far_servers().flat_map(|(_, addresses)| addresses).cloned().collect();
        far.sort();
        far.dedup();
        far.truncate(DHT_REMEMBERED_MAX);
        let told = (far, self.dht.neighbours.count());
        if told != self.dht.told {
            self.dht.told.clone_from(&told);
            self.dht.answer(Input::Servers(told.0, told.1));
        }
    }

    /// The core was loaded again and knows of no server.
    pub(super) fn tell_servers_again(&mut self) {
        self.serve_neighbours(None);
        self.dht.told = (Vec::new(), 0);
        self.tell_servers();
    }

    fn handle_query(&mut self, query: QueryId, result: QueryResult, step: &ProgressStep) {
        if let Some(search) = self.dht.lookups.get(&query).copied() {
            if let QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(PeerRecord { record, .. }))) = result {
                self.search_found(search, record.value);
            }
            if step.last {
                self.dht.lookups.remove(&query);
                self.search_part_done(search);
            }
            return;
        }
        if step.last && self.dht.hosting.remove(&query) {
            self.host_next();
            return;
        }
        if let Some((id, set)) = self.dht.puts.get(&query).copied().filter(|_| step.last) {
            self.dht.puts.remove(&query);
            if matches!(result, QueryResult::PutRecord(Ok(_))) && set == self.dht.published {
                self.dht.untaken.remove(&id);
            }
        }
    }

    /// Lets a record of the owner of a mailbox be found: here, and at other servers. What is kept
    /// already is given to them from time to time as it is.
    pub(super) fn host(&mut self, owner: u64, record: Vec<u8>) {
        let Ok(Item { id, .. }) = Item::read(&record, SystemClock.now()) else { return };
        if self.keep(record, Giver::Owner(owner)) != Kept::Yes {
            return;
        }
        if self.dht.hosted.len() >= DHT_HOSTED_MAX {
            self.dht.hosted.pop_front();
        }
        self.dht.hosted.push_back(id);
        self.host_next();
    }

    fn host_next(&mut self) {
        while !self.dht.servers.is_empty()
            && self.dht.hosting.len() < DHT_HOSTED_AT_ONCE
            && let Some(id) = self.dht.hosted.pop_front()
        {
            // Its owner may have brought a newer one in the meantime.
            let Some(value) = self.kept_record(&id) else { continue };
            let Ok(Item { expires, .. }) = Item::read(&value, SystemClock.now()) else { continue };
            let life = Duration::from_millis(expires.since(SystemClock.now()));
            let record = kad::Record { key: key(&id), value, publisher: None, expires: Instant::now().checked_add(life) };
            if let Ok(query) = self.swarm.behaviour_mut().dht.put_record(record, Quorum::One) {
                self.dht.hosting.insert(query);
            }
        }
    }

    /// Nobody answers any more: there are no servers until one is met again.
    fn lose_servers(&mut self) {
        for (peer, addresses) in std::mem::take(&mut self.dht.servers) {
            self.swarm.behaviour_mut().dht.remove_peer(&peer);
            if self.dht.neighbours.has(&peer) {
                self.dht.neighbours.lost(&peer);
                continue;
            }
            self.dht.called.extend(addresses.into_iter().filter_map(|address| Multiaddr::try_from(address.0).ok()));
        }
        self.dht.called.sort();
        self.dht.called.dedup();
        self.dht.called.truncate(DHT_CALLED_MAX);
        self.dht.next_call = Instant::now();
        self.tell_servers();
    }

    /// What is kept under an id.
    pub(super) fn kept_record(&mut self, id: &LookupId) -> Option<Vec<u8>> {
        let kept = self.swarm.behaviour_mut().dht.store_mut().get(&key(id)).map(|kept| kept.into_owned())?;
        Item::read(&kept.value, SystemClock.now()).ok().map(|_| kept.value)
    }

    /// Who brings something by a connection.
    pub(super) fn giver(&self, peer: &TransportId, connection: ConnectionId) -> Giver {
        if lock(&self.shared.admitted).contains(peer) {
            // The key is drawn at each start, so the number means nothing elsewhere.
            let key = peer.to_bytes();
            return Giver::Owner(key.last_chunk().map_or(0, |last| u64::from_be_bytes(*last)));
        }
        let source = self.remote_of(connection).map_or(Source::Circuit, |remote| Source::of(&remote));
        Giver::Stranger(self.shared.door.salted(source))
    }

    /// Keeps a record for others, if it is one and newer than what is there.
    pub(super) fn keep(&mut self, value: Vec<u8>, giver: Giver) -> Kept {
        self.keep_under(None, value, giver)
    }

    fn keep_under(&mut self, wanted: Option<&RecordKey>, value: Vec<u8>, giver: Giver) -> Kept {
        let now = SystemClock.now();
        if !self.dht.givers.may_bring(now, giver) {
            return Kept::Full;
        }
        let Ok(Item { id, counter, expires, .. }) = Item::read(&value, now) else { return Kept::Refused };
        let key = key(&id);
        if wanted.is_some_and(|wanted| *wanted != key) {
            return Kept::Refused;
        }
        let known = self.kept_record(&id).and_then(|known| Item::read(&known, now).ok());
        if known.is_some_and(|known| known.counter >= counter) {
            let gone = self.dht.givers.brought_again(now, &id, giver);
            self.drop_records(&gone);
            return Kept::Known;
        }
        let Some(gone) = self.dht.givers.bring(now, id, giver, value.len(), expires) else { return Kept::Full };
        self.drop_records(&gone);
        let life = Duration::from_millis(expires.since(now));
        let record = kad::Record { key, value, publisher: None, expires: Instant::now().checked_add(life) };
        if self.swarm.behaviour_mut().dht.store_mut().put(record).is_ok() {
            Kept::Yes
        } else {
            self.dht.givers.lost(&id);
            Kept::Full
        }
    }

    fn drop_records(&mut self, gone: &[LookupId]) {
        let store = self.swarm.behaviour_mut().dht.store_mut();
        for id in gone {
            store.remove(&key(id));
        }
    }
}
