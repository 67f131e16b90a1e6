//! The task that owns the swarm: it selects what comes next, and routes it.
//!
//! It never waits for the core: what must wait (a full input queue) waits in a task of its
//! own. Streams go from here to the tasks that serve links; bytes never pass through. What is
//! known of connections, races, records and servers is in machines of their own, which are
//! handed the swarm, or a part of it, for one call.

mod ending;
mod hubs;
mod listeners;
mod races;
pub(super) mod rekey;
mod reservations;

use crate::net::answers::Answers;
use crate::net::connections::Connections;
use crate::net::dht::behaviour::kept_for_others;
use crate::net::dht::{Calls, Dht};
use crate::net::endpoint::Endpoint;
use crate::net::forward::Forward;
use crate::net::hub::Hubs;
use crate::net::limits::SOCKETS_FREE;
use crate::net::links::Shared;
use crate::net::listening::Listening;
use crate::net::lock::lock;
use crate::net::lookup::Lookups;
use crate::net::place::Place;
use crate::net::request::Request;
use crate::net::streams::StreamsEvent;
use crate::net::swarm::{Behaviour, BehaviourEvent};
use futures::StreamExt;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::request_response::{self, Message};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId as TransportId, Swarm, identify, kad};
use listeners::Listeners;
use races::Races;
use rekey::Plan;
use reservations::Reservations;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbolon_core::seam::Look;
use symbolon_presence::id::LookupId;
use symbolon_relay::lookup::{Answer, Ask};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// How long the listeners of another swarm may take to say where they are.
const LISTENERS: Duration = Duration::from_millis(750);

pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    dht: Dht,
    lookups: Lookups,
    hubs: Hubs,
    connections: Connections,
    races: Races,
    reservations: Reservations,
    listeners: Listeners,
    plan: Plan,
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    hushed: bool,
}

impl Driver {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        shared: Arc<Shared>,
        requests: mpsc::Receiver<Request>,
        listening: watch::Sender<Listening>,
        listeners: HashSet<ListenerId>,
        plan: Plan,
    ) -> Self {
        let is_server = swarm.behaviour().forward.is_enabled();
        let answers = Answers::new(shared.inputs.clone());
        Self {
            swarm,
            dht: Dht::new(answers.clone(), is_server, kept_for_others(is_server, &shared.limits)),
            lookups: Lookups::new(answers.clone()),
            hubs: Hubs::new(answers),
            connections: Connections::default(),
            races: Races::default(),
            reservations: Reservations::default(),
            listeners: Listeners::new(listeners, listening),
            plan,
            shared,
            requests,
            hushed: false,
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
                || self.dht.is_restless()
                || self.lookups.is_restless()
                || self.plan.is_restless();
            tokio::select! {
                event = self.swarm.select_next_some() => self.handle_event(event),
                request = self.requests.recv() => {
                    let Some(request) = request else { return };
                    if self.handle_request(request).await.is_break() {
                        return;
                    }
                }
                _ = sweep.tick(), if busy => self.sweep(),
            }
        }
    }

    /// Does what was asked. Breaks when that was the last thing.
    async fn handle_request(&mut self, request: Request) -> ControlFlow<()> {
        let Self { swarm, dht, connections, .. } = self;
        match request {
            Request::Race { targets, by_relay, answer } => self.races.start(swarm, connections, targets, by_relay, answer),
            Request::Reserve(connection) => self.reservations.ask(swarm, connections, connection),
            Request::Punch(number, connection, is_allowed) => swarm.behaviour_mut().punch.allow(number, connection, is_allowed),
            Request::Publish(number, everywhere, servers) => {
                if dht.publish(&mut swarm.behaviour_mut().dht, number, everywhere, servers) {
                    self.lookups.publish(dht);
                    self.lookups.tend(swarm, connections, dht);
                }
            }
            Request::Host(owner, record) => dht.host(&mut swarm.behaviour_mut().dht, owner, record),
            Request::Resolve(id, at) => self.resolve(id, &at),
            Request::Lookups(number, servers) => {
                if self.lookups.set(dht, number, servers) {
                    self.lookups.tend(swarm, connections, dht);
                }
            }
            Request::AskHub(ask, sockets, bytes) => self.hubs.ask(swarm, connections, (ask, sockets, bytes)),
            Request::AnswerHub(question, bytes) => self.hubs.answer(swarm, question, bytes),
            Request::Bootstrap(addresses) => {
                let calls = dht.call_servers(&mut swarm.behaviour_mut().dht, addresses);
                call(swarm, calls);
            }
            Request::Neighbours(number, places) => {
                let calls = dht.set_neighbours(&mut swarm.behaviour_mut().dht, number, places.as_deref());
                call(swarm, calls);
            }
            Request::Rekey(false) => self.draw_key(),
            Request::Rekey(true) => self.begin_again().await,
            Request::Servers => {
                // A core that was loaded again does not know that it was about to ask for this.
                if self.plan.has_next_key() {
                    self.begin_again().await;
                }
                let calls = self.dht.tell_servers_again(&mut self.swarm.behaviour_mut().dht);
                call(&mut self.swarm, calls);
                self.lookups.tell();
            }
            Request::Hush => self.hushed = true,
            Request::Stop(done) => {
                self.finish_publishing().await;
                self.say_goodbye().await;
                let _ = done.send(());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Looks for a record, at lookup servers and in the DHT.
    fn resolve(&mut self, id: LookupId, at: &Look) {
        let Self { swarm, dht, lookups, connections, .. } = self;
        let Some(search) = dht.searches.begin(id) else { return };
        let asked = match at {
            Look::Servers(servers) => lookups.search(swarm, connections, search, id, servers),
            Look::Everywhere => lookups.search(swarm, connections, search, id, &[]),
            Look::Dht => 0,
        };
        dht.searches.expect(search, asked);
        match at {
            Look::Dht | Look::Everywhere => dht.look(&mut swarm.behaviour_mut().dht, search, id),
            // The DHT does not hear of it.
            Look::Servers(_) => {}
        }
        dht.searches.part_done(search);
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the enum is libp2p's and open-ended; what is not listed needs no answer")]
    fn handle_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let Self { swarm, dht, .. } = self;
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(event)) => self.handle_stream(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.connections.handle_ping(swarm, event),
            SwarmEvent::Behaviour(BehaviourEvent::Dht(event)) => self.handle_dht(event),
            SwarmEvent::Behaviour(BehaviourEvent::Lookup(event)) => self.handle_lookup(event),
            SwarmEvent::Behaviour(BehaviourEvent::Hub(event)) => self.handle_hub(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, connection_id, info })) => {
                self.hear_where_seen(peer_id, connection_id, &info.observed_addr);
                if let Some((_, remote)) = self.connections.direct(connection_id) {
                    self.dht.hear_of_server(&mut self.swarm.behaviour_mut().dht, peer_id, remote, &info);
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => self.connected(peer_id, connection_id, &endpoint),
            SwarmEvent::OutgoingConnectionError { connection_id, .. } => {
                self.races.was_late(connection_id);
                self.lookups.dial_failed(dht, connection_id);
                self.hubs.dial_failed(connection_id);
                self.races.drop_attempt(swarm, connection_id);
            }
            SwarmEvent::ConnectionClosed { connection_id, peer_id, num_established, .. } => {
                self.connections.remove(connection_id);
                self.reservations.remove(connection_id);
                lock(&swarm.behaviour().punch.seen).forget(connection_id);
                if num_established == 0 {
                    lock(&self.shared.admitted).remove(&peer_id);
                }
                self.races.drop_attempt(swarm, connection_id);
            }
            SwarmEvent::ExternalAddrConfirmed { address } => {
                let added = Place::from_multiaddr(&address).filter(Place::is_circuit);
                self.listeners.update(swarm, |listening| listening.circuits.extend(added));
            }
            SwarmEvent::ExternalAddrExpired { address } => {
                let gone = Place::from_multiaddr(&address);
                self.listeners.update(swarm, |listening| listening.circuits.retain(|circuit| Some(circuit) != gone.as_ref()));
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                let added = self.listeners.heard(swarm, listener_id, &address);
                if added.is_some() && is_server(swarm) && !self.shared.is_announced {
                    // What a reservation says about where the relay is.
                    swarm.add_external_address(address);
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let gone = Endpoint::from_multiaddr(&address);
                self.listeners.update(swarm, |listening| listening.endpoints.retain(|endpoint| Some(*endpoint) != gone));
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                let was_ours = self.listeners.closed(swarm, listener_id, &addresses, reason);
                if !was_ours {
                    self.reservations.ended(listener_id);
                }
            }
            _ => {}
        }
    }

    fn connected(&mut self, peer: TransportId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let Self { swarm, races, connections, .. } = self;
        let is_ours = races.is_attempt(&connection);
        let is_relayed = connections.add(connection, peer, endpoint, is_ours);
        if is_ours {
            races.connected(swarm, peer, connection);
        } else if let Some(in_vain) = self.lookups.connected(swarm, peer, connection) {
            // Closed by itself when nothing is asked any more.
            races.forget(in_vain.into_iter());
        } else if let Some(in_vain) = self.hubs.connected(swarm, peer, connection) {
            races.forget(in_vain.into_iter());
        } else if races.was_late(connection) {
            // Its race has ended: another address was quicker, or nobody waits any more.
            swarm.close_connection(connection);
        } else if !is_relayed {
            connections.replace_relayed(swarm, peer);
        }
    }

    /// The other end of a connection says where it sees us. Only where we dialled, that is the
    /// socket at which holes can be punched.
    fn hear_where_seen(&mut self, peer: TransportId, connection: ConnectionId, observed: &Multiaddr) {
        let from = self.connections.dialled(connection).and_then(Endpoint::from_multiaddr);
        let (Some(from), Some(seen)) = (from, Endpoint::from_multiaddr(observed)) else { return };
        let punch = &mut self.swarm.behaviour_mut().punch;
        let is_new = lock(&punch.seen).note(connection, peer, from.ip, seen);
        if is_new {
            punch.moved();
        }
    }

    fn handle_stream(&mut self, event: StreamsEvent) {
        let Self { swarm, races, .. } = self;
        match event {
            StreamsEvent::Inbound(stream, permit, pulse) if !self.hushed => {
                let shared = self.shared.clone();
                tokio::spawn(async move { shared.welcome(stream, permit, pulse).await });
            }
            StreamsEvent::Inbound(..) => {}
            StreamsEvent::Opened(connection, stream, permit, pulse) => races.won(swarm, connection, (stream, permit, pulse)),
            StreamsEvent::Refused(connection) => {
                swarm.close_connection(connection);
                races.drop_attempt(swarm, connection);
            }
        }
    }

    fn handle_dht(&mut self, event: kad::Event) {
        let Self { swarm, dht, connections, shared, .. } = self;
        dht.handle(&mut swarm.behaviour_mut().dht, event, |peer, connection| {
            shared.giver(peer, connections.direct(connection).map(|(_, remote)| remote))
        });
    }

    fn handle_lookup(&mut self, event: request_response::Event<Ask, Answer>) {
        let Self { swarm, dht, lookups, connections, shared, .. } = self;
        match event {
            request_response::Event::Message { peer, connection_id, message: Message::Request { request, channel, .. } } => {
                let kad = &mut swarm.behaviour_mut().dht;
                let remote = connections.direct(connection_id).map(|(_, remote)| remote);
                let answer = match request {
                    Ask::Get(id) => Answer::Found(Dht::kept_record(kad, &id)),
                    Ask::Put(record) => Answer::Put(dht.keep(kad, record, shared.giver(&peer, remote))),
                };
                // The one who asked may be gone.
                let _ = swarm.behaviour_mut().lookup.send_response(channel, answer);
            }
            request_response::Event::Message { message: Message::Response { request_id, response }, .. } => {
                lookups.answered(dht, request_id, Some(response));
            }
            request_response::Event::OutboundFailure { request_id, .. } => lookups.answered(dht, request_id, None),
            request_response::Event::InboundFailure { .. } | request_response::Event::ResponseSent { .. } => {}
        }
    }

    /// Closes what nobody needs: abandoned races, connections without a link, dead connections.
    fn sweep(&mut self) {
        let Self { swarm, dht, lookups, hubs, connections, races, reservations, listeners, plan, shared, .. } = self;
        let calls = dht.tend(&mut swarm.behaviour_mut().dht);
        call(swarm, calls);
        lookups.tend(swarm, connections, dht);
        plan.tend(swarm, listeners);
        swarm.behaviour_mut().punch.tend();
        races.sweep(swarm);
        reservations.sweep(swarm, connections);
        let carrying = swarm.behaviour().forward.as_ref().map(Forward::carrying).unwrap_or_default();
        let is_held = |id: &ConnectionId, peer: &TransportId| {
            races.is_attempt(id) || reservations.has(id) || carrying.contains(id) || hubs.holds(*id, peer)
        };
        connections.sweep(swarm, &shared.limits, is_held);
    }

    /// Draws the next key, and announces where relays will forward to this node under it.
    fn draw_key(&mut self) {
        // A relay keeps the key by which it is known.
        if is_server(&self.swarm) {
            return;
        }
        let to = self.plan.draw();
        self.listeners.update(&mut self.swarm, |listening| {
            listening.promised = listening.circuits.iter().filter_map(|circuit| circuit.renamed(to)).collect();
            listening.is_leaving = true;
        });
        // Announced in any case: the core waits for it.
        self.shared.announce.notify_one();
    }

    /// Ends all links and connections, and begins again under another key.
    async fn begin_again(&mut self) {
        if is_server(&self.swarm) {
            return;
        }
        let Some((swarm, public)) = self.plan.build(&self.shared) else { return };
        self.hushed = true;
        self.drain().await;
        self.say_goodbye().await;
        // The sockets go with it.
        drop(std::mem::replace(&mut self.swarm, swarm));
        self.connections.clear();
        self.races.clear();
        self.reservations.clear();
        self.listeners.clear();
        let before = self.listeners.endpoints();
        self.listeners.update(&mut self.swarm, |listening| {
            let promised = std::mem::take(&mut listening.promised);
            *listening = Listening { promised, is_quiet: true, ..Listening::default() };
        });
        self.plan.begin();
        let patience = Instant::now() + SOCKETS_FREE;
        while !self.plan.bind(&mut self.swarm, &mut self.listeners) && Instant::now() < patience {
            sleep(Duration::from_millis(20)).await;
        }
        let listens = async {
            while !before.iter().all(|endpoint| self.listeners.endpoints().contains(endpoint)) {
                let event = self.swarm.select_next_some().await;
                self.handle_event(event);
            }
        };
        let _ = timeout(LISTENERS, listens).await;
        self.hushed = false;
        let Self { swarm, dht, .. } = self;
        self.listeners.update(swarm, |listening| listening.is_quiet = false);
        self.lookups.begin_again(dht);
        self.hubs.begin_again();
        let calls = dht.begin_again(&mut swarm.behaviour_mut().dht);
        call(swarm, calls);
        self.plan.done(public);
    }

    /// Lets every link write what is queued on it, and end.
    async fn drain(&mut self) {
        let shared = self.shared.clone();
        let patience = shared.limits.drain + Duration::from_millis(100);
        shared.end_all(true);
        let drained = async {
            while self.shared.is_serving() {
                tokio::select! {
                    event = self.swarm.select_next_some() => self.handle_event(event),
                    () = sleep(Duration::from_millis(10)) => {}
                }
            }
        };
        let _ = timeout(patience, drained).await;
        shared.end_all(false);
    }
}

/// Whether this is a relay, which keeps records and forwards connections for others.
fn is_server(swarm: &Swarm<Behaviour>) -> bool {
    swarm.behaviour().forward.is_enabled()
}

/// Dials these addresses. The connections end by themselves.
fn call(swarm: &mut Swarm<Behaviour>, calls: Calls) {
    for address in calls {
        let _ = swarm.dial(DialOpts::unknown_peer_id().address(address).build());
    }
}
