//! The task that owns the swarm: listeners, races of dials, and the life of connections.
//!
//! It never waits for the core: what must wait (a full input queue) waits in a task of its
//! own. Streams go from here to the tasks that serve links; bytes never pass through.

use crate::net::dht::{self, Dht};
use crate::net::dial::Race;
use crate::net::endpoint::Endpoint;
use crate::net::forward::Forward;
use crate::net::limits::RESERVE_PAUSE;
use crate::net::links::Shared;
use crate::net::listening::Listening;
use crate::net::lock::lock;
use crate::net::lookup::Lookups;
use crate::net::place::Place;
use crate::net::reach::{is_circuit, relay_of};
use crate::net::request::Request;
use crate::net::streams::StreamsEvent;
use crate::net::swarm::{Behaviour, BehaviourEvent};
use futures::StreamExt;
use libp2p::core::ConnectedPoint;
use libp2p::core::multiaddr::Protocol;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId as TransportId, Swarm, identify, ping};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

mod races;
pub(super) mod rekey;

/// One connection that stands.
#[derive(Debug)]
struct Connection {
    peer: TransportId,
    /// Where the other end is.
    remote: Multiaddr,
    /// Whether a relay forwards it, and which one, if we dialled.
    relayed: bool,
    relay: Option<TransportId>,
    outbound: bool,
    /// Whether the connection was dialled from here, by whatever part of this node.
    dialled: bool,
    /// Since when it has had no link.
    linkless: Option<Instant>,
    /// The other side does not answer pings by principle, so its silence says nothing.
    pingless: bool,
    /// Told to close; some take their time, and telling them again would only pile up.
    closing: bool,
}

/// The address that tells whether a relay forwards a connection: ours when it came to us, else the other end's.
fn known_by(endpoint: &ConnectedPoint) -> &Multiaddr {
    match endpoint {
        ConnectedPoint::Listener { local_addr, .. } => local_addr,
        ConnectedPoint::Dialer { address, .. } => address,
    }
}

/// How long closing connections may take at a stop.
const GOODBYE: Duration = Duration::from_millis(400);
/// How long servers may take for our last records.
const LAST_RECORDS: Duration = Duration::from_secs(2);

pub(super) struct Driver {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) dht: Dht,
    pub(super) lookups: Lookups,
    pub(super) shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    listening: watch::Sender<Listening>,
    /// Sockets; what relays forward listens beside them.
    listeners: HashSet<ListenerId>,
    silent_listeners: HashSet<ListenerId>,
    /// Bounded by the swarm's connection limits.
    connections: HashMap<ConnectionId, Connection>,
    /// At most four for each of [`Limits::dials`](crate::net::limits::Limits::dials), together with
    /// at most eight attempts and a connection that stands already.
    races: HashMap<u64, Race>,
    attempts: HashMap<ConnectionId, u64>,
    /// Attempts of races that are over. They cannot be called off, and are closed when they
    /// come; each ends within the time that a dial has.
    late: HashSet<ConnectionId>,
    /// Connections to relays that are to forward to us; the core has few relays.
    reservations: HashMap<ConnectionId, Reservation>,
    next_race: u64,
    hushed: bool,
    plan: rekey::Plan,
}

/// A relay that is asked to forward connections to this node.
#[derive(Debug)]
enum Reservation {
    /// It was asked; the listener lives as long as it does so.
    Asked(ListenerId),
    /// It does not; asked again later.
    Failed(Instant),
}

impl Driver {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        shared: Arc<Shared>,
        requests: mpsc::Receiver<Request>,
        listening: watch::Sender<Listening>,
        listeners: HashSet<ListenerId>,
        plan: rekey::Plan,
    ) -> Self {
        let room = dht::kept_for_others(swarm.behaviour().forward.is_enabled(), &shared.limits);
        Self {
            swarm,
            dht: Dht::new(shared.inputs.clone(), room),
            lookups: Lookups::default(),
            shared,
            requests,
            listening,
            silent_listeners: listeners.clone(),
            listeners,
            connections: HashMap::new(),
            races: HashMap::new(),
            attempts: HashMap::new(),
            late: HashSet::new(),
            reservations: HashMap::new(),
            next_race: 0,
            hushed: false,
            plan,
        }
    }

    pub(super) async fn run(mut self) {
        let limits = &self.shared.limits;
        let pause = (limits.linkless / 4).min(limits.silence / 4).min(limits.linger / 2).min(Duration::from_secs(1));
        let mut sweep = interval(pause.max(Duration::from_millis(10)));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let busy = !self.connections.is_empty()
                || !self.races.is_empty()
                || self.dht_is_restless()
                || self.lookups.is_restless()
                || self.plan.is_restless();
            tokio::select! {
                event = self.swarm.select_next_some() => self.handle_event(event),
                request = self.requests.recv() => match request {
                    Some(Request::Race { targets, by_relay, answer }) => self.start_race(targets, by_relay, answer),
                    Some(Request::Reserve(connection)) => self.reserve(connection),
                    Some(Request::Punch(number, connection, is_allowed)) => {
                        self.swarm.behaviour_mut().punch.allow(number, connection, is_allowed);
                    }
                    Some(Request::Publish(number, everywhere, servers)) => self.publish(number, everywhere, servers),
                    Some(Request::Host(owner, record)) => self.host(owner, record),
                    Some(Request::Resolve(id, at)) => self.resolve(id, &at),
                    Some(Request::Lookups(number, servers)) => self.set_lookups(number, servers),
                    Some(Request::Bootstrap(addresses)) => self.call_servers(addresses),
                    Some(Request::Neighbours(number, places)) => self.set_neighbours(number, places.as_deref()),
                    Some(Request::Rekey(false)) => self.draw_key(),
                    Some(Request::Rekey(true)) => self.begin_again().await,
                    Some(Request::Servers) => {
                        // A core that was loaded again does not know that it was about to ask for this.
                        if self.has_next_key() {
                            self.begin_again().await;
                        }
                        self.tell_servers_again();
                        self.tell_lookups();
                    }
                    Some(Request::Hush) => self.hushed = true,
                    Some(Request::Stop(done)) => {
                        self.finish_publishing().await;
                        self.say_goodbye().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                _ = sweep.tick(), if busy => self.sweep(),
            }
        }
    }

    /// Lets servers that know of our last records take them.
    async fn finish_publishing(&mut self) {
        let taken = async {
            while self.dht_is_taking() || self.lookups.are_taking() {
                let event = self.swarm.select_next_some().await;
                self.handle_event(event);
            }
        };
        let _ = timeout(LAST_RECORDS, taken).await;
    }

    async fn say_goodbye(&mut self) {
        for connection in self.connections.keys() {
            self.swarm.close_connection(*connection);
        }
        self.hushed = true;
        let closing = async {
            while !self.connections.is_empty() {
                let event = self.swarm.select_next_some().await;
                self.handle_event(event);
            }
        };
        let _ = timeout(GOODBYE, closing).await;
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the enum is libp2p's and open-ended; what is not listed needs no answer")]
    fn handle_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(event)) => self.handle_stream(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.handle_ping(event),
            SwarmEvent::Behaviour(BehaviourEvent::Dht(event)) => self.handle_dht(event),
            SwarmEvent::Behaviour(BehaviourEvent::Lookup(event)) => self.handle_lookup(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, connection_id, info })) => {
                self.hear_where_seen(peer_id, connection_id, &info.observed_addr);
                self.hear_of_server(peer_id, connection_id, &info);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let remote = endpoint.get_remote_address().clone();
                let (relayed, relay) = (is_circuit(known_by(&endpoint)), relay_of(&remote));
                let is_ours = self.attempts.contains_key(&connection_id);
                let connection = Connection {
                    peer: peer_id,
                    remote,
                    relayed,
                    relay,
                    outbound: is_ours,
                    dialled: endpoint.is_dialer(),
                    linkless: None,
                    pingless: false,
                    closing: false,
                };
                self.connections.insert(connection_id, connection);
                if is_ours {
                    self.handle_connected(peer_id, connection_id);
                } else if self.lookup_connected(peer_id, connection_id) {
                    // Closed by itself when nothing is asked any more.
                } else if self.late.remove(&connection_id) {
                    // Its race is over: another address was quicker, or nobody waits any longer.
                    self.swarm.close_connection(connection_id);
                } else if !relayed {
                    self.replace_relayed(peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, .. } => {
                self.late.remove(&connection_id);
                self.lookup_dial_failed(connection_id);
                self.drop_attempt(connection_id);
            }
            SwarmEvent::ExternalAddrConfirmed { address } => {
                let added = Place::from_multiaddr(&address).filter(Place::is_circuit);
                self.update_listening(|listening| listening.circuits.extend(added));
            }
            SwarmEvent::ExternalAddrExpired { address } => {
                let gone = Place::from_multiaddr(&address);
                self.update_listening(|listening| listening.circuits.retain(|circuit| Some(circuit) != gone.as_ref()));
            }
            SwarmEvent::ConnectionClosed { connection_id, peer_id, num_established, .. } => {
                self.connections.remove(&connection_id);
                self.reservations.remove(&connection_id);
                lock(&self.swarm.behaviour().punch.seen).forget(connection_id);
                if num_established == 0 {
                    lock(&self.shared.admitted).remove(&peer_id);
                }
                self.drop_attempt(connection_id);
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.silent_listeners.remove(&listener_id);
                let added = Endpoint::from_multiaddr(&address);
                if self.is_server() && added.is_some() && !self.shared.is_announced {
                    // What a reservation says about where the relay is.
                    self.swarm.add_external_address(address);
                }
                self.update_listening(|listening| listening.endpoints.extend(added));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let gone = Endpoint::from_multiaddr(&address);
                self.update_listening(|listening| listening.endpoints.retain(|endpoint| Some(*endpoint) != gone));
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                self.silent_listeners.remove(&listener_id);
                if !self.listeners.remove(&listener_id) {
                    // A relay that forwards no longer, or never did; nothing of ours.
                    let is_it = |reservation: &&mut Reservation| matches!(reservation, Reservation::Asked(id) if *id == listener_id);
                    if let Some(reservation) = self.reservations.values_mut().find(is_it) {
                        *reservation = Reservation::Failed(Instant::now());
                    }
                    return;
                }
                let gone: Vec<_> = addresses.iter().filter_map(Endpoint::from_multiaddr).collect();
                self.update_listening(|listening| {
                    listening.endpoints.retain(|endpoint| !gone.contains(endpoint));
                    listening.failed = Some(reason.err().map_or(io::ErrorKind::Other, |error| error.kind()));
                });
            }
            _ => {}
        }
    }

    fn update_listening(&mut self, change: impl FnOnce(&mut Listening)) {
        let pending = self.silent_listeners.len();
        let mut moved = None;
        self.listening.send_if_modified(|listening| {
            let before = listening.clone();
            change(listening);
            listening.endpoints.sort();
            listening.endpoints.dedup();
            listening.circuits.sort();
            listening.circuits.dedup();
            listening.pending = pending;
            moved = (listening.endpoints != before.endpoints).then(|| listening.endpoints.clone());
            *listening != before
        });
        if let Some(endpoints) = moved {
            let punch = &mut self.swarm.behaviour_mut().punch;
            lock(&punch.seen).listens(&endpoints);
            punch.moved();
        }
    }

    /// The other end of a connection says where it sees us. Only where we dialled, that is the
    /// socket at which holes can be punched.
    fn hear_where_seen(&mut self, peer: TransportId, connection: ConnectionId, observed: &Multiaddr) {
        let dialled = self.connections.get(&connection).filter(|connection| connection.dialled && !connection.relayed);
        let from = dialled.and_then(|connection| Endpoint::from_multiaddr(&connection.remote));
        let (Some(from), Some(seen)) = (from, Endpoint::from_multiaddr(observed)) else { return };
        let punch = &mut self.swarm.behaviour_mut().punch;
        let is_new = lock(&punch.seen).note(connection, peer, from.ip, seen);
        if is_new {
            punch.moved();
        }
    }

    fn handle_ping(&mut self, event: ping::Event) {
        match event.result {
            Ok(_) => {
                if let Some(pulse) = self.swarm.behaviour().streams.pulse(event.connection) {
                    pulse.heard();
                }
            }
            Err(ping::Failure::Unsupported) => {
                if let Some(connection) = self.connections.get_mut(&event.connection) {
                    connection.pingless = true;
                }
            }
            Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {}
        }
    }

    fn handle_stream(&mut self, event: StreamsEvent) {
        match event {
            StreamsEvent::Inbound(stream, permit, pulse) if !self.hushed => {
                let shared = self.shared.clone();
                tokio::spawn(async move { shared.welcome(stream, permit, pulse).await });
            }
            StreamsEvent::Inbound(..) => {}
            StreamsEvent::Opened(connection, stream, permit, pulse) => {
                let race = self.attempts.remove(&connection).and_then(|race| self.races.remove(&race));
                let Some(mut race) = race else {
                    self.swarm.close_connection(connection);
                    return;
                };
                race.remove(connection);
                self.close_losers(&race);
                if race.answer.send((stream, permit, pulse)).is_err() {
                    self.swarm.close_connection(connection);
                }
            }
            StreamsEvent::Refused(connection) => {
                self.swarm.close_connection(connection);
                self.drop_attempt(connection);
            }
        }
    }

    /// A direct connection that nobody dialled here stands beside one that a relay forwards: a
    /// hole was punched. The relayed one is closed, and whoever wants a link finds this one.
    fn replace_relayed(&mut self, peer: TransportId) {
        for (id, connection) in self.connections.iter_mut().filter(|(_, other)| other.peer == peer && other.relayed) {
            connection.closing = true;
            if let Some(pulse) = self.swarm.behaviour().streams.pulse(*id) {
                pulse.give_up();
            }
            self.swarm.close_connection(*id);
        }
    }

    /// Asks a relay to forward connections to this node.
    fn reserve(&mut self, connection: ConnectionId) {
        let Some(relay) = self.connections.get(&connection).filter(|connection| !connection.relayed) else { return };
        if matches!(self.reservations.get(&connection), Some(Reservation::Asked(_))) {
            return;
        }
        let key = Protocol::P2p(relay.peer);
        let plain: Multiaddr = relay.remote.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        let asked = self.swarm.listen_on(plain.with(key).with(Protocol::P2pCircuit));
        let reservation = asked.map_or_else(|_| Reservation::Failed(Instant::now()), Reservation::Asked);
        self.reservations.insert(connection, reservation);
        lock(&self.swarm.behaviour().punch.seen).is_own(connection);
    }

    /// Whether this is a relay, which keeps records and forwards connections for others.
    pub(super) fn is_server(&self) -> bool {
        self.swarm.behaviour().forward.is_enabled()
    }

    /// Where the other end of a connection is.
    pub(super) fn remote_of(&self, connection: ConnectionId) -> Option<Multiaddr> {
        self.connections.get(&connection).filter(|connection| !connection.relayed).map(|connection| connection.remote.clone())
    }

    /// Who is at the other end of a connection that stands and leads to such an address.
    pub(super) fn standing_at(&self, is_there: impl Fn(&Multiaddr) -> bool) -> Option<TransportId> {
        let stands = |connection: &&Connection| !connection.closing && !connection.relayed && is_there(&connection.remote);
        self.connections.values().find(stands).map(|connection| connection.peer)
    }

    /// Attempts that nobody waits for any longer: closed when they come.
    pub(super) fn forget_dials(&mut self, dials: impl Iterator<Item = ConnectionId>) {
        self.late.extend(dials);
    }

    /// Closes what nobody needs: abandoned races, connections without a link, dead connections.
    fn sweep(&mut self) {
        self.tend_dht();
        self.tend_lookups();
        self.tend_plan();
        self.swarm.behaviour_mut().punch.tend();
        let abandoned: Vec<u64> = self.races.iter().filter(|(_, race)| race.answer.is_closed()).map(|(id, _)| *id).collect();
        for race in abandoned.into_iter().filter_map(|id| self.races.remove(&id)).collect::<Vec<_>>() {
            self.close_losers(&race);
        }
        let again = |reservation: &Reservation| matches!(reservation, Reservation::Failed(at) if at.elapsed() >= RESERVE_PAUSE);
        let again: Vec<ConnectionId> = self.reservations.iter().filter(|(_, reservation)| again(reservation)).map(|(id, _)| *id).collect();
        for connection in again {
            self.reserve(connection);
        }
        let limits = &self.shared.limits;
        let streams = &self.swarm.behaviour().streams;
        let relays: HashSet<TransportId> = self.connections.values().filter_map(|connection| connection.relay).collect();
        let carrying = self.swarm.behaviour().forward.as_ref().map(Forward::carrying).unwrap_or_default();
        let mut close = Vec::new();
        for (id, connection) in self.connections.iter_mut().filter(|(_, connection)| !connection.closing) {
            let pulse = streams.pulse(*id).filter(|pulse| !connection.pingless && pulse.silence() > limits.silence);
            if let Some(pulse) = pulse {
                pulse.give_up();
            }
            if streams.links(*id) > 0
                || self.attempts.contains_key(id)
                || relays.contains(&connection.peer)
                || self.reservations.contains_key(id)
                || carrying.contains(id)
            {
                connection.linkless = None;
            } else {
                connection.linkless.get_or_insert_with(Instant::now);
            }
            let patience = if connection.outbound { limits.linger } else { limits.linkless };
            if pulse.is_some() || connection.linkless.is_some_and(|since| since.elapsed() >= patience) {
                connection.closing = true;
                close.push(*id);
            }
        }
        for connection in close {
            self.swarm.close_connection(connection);
        }
    }
}
