//! Punching holes: from a connection that a relay forwards to a direct one.
//!
//! The wire is libp2p's DCUtR; the moment is ours. libp2p's behaviour begins as soon as a
//! forwarded connection stands, with whatever addresses it has heard of by then, and so tells
//! them to anybody who dials the circuit. Here nothing is said before the core has said that
//! the other end is a friend who may know where this node is ([`NetAction::Punch`]), and both
//! sides read at that moment what may be sent ([`Seen`]).
//!
//! The dialled side begins; it tries again after 30 s, after pauses that double, and whenever
//! the node's addresses change. The dialler answers; a question that comes before the core has
//! decided waits for a few seconds.
//!
//! [`NetAction::Punch`]: symbolon_core::seam::NetAction::Punch

mod agree;

use crate::net::limits::{PUNCH_AGREEMENT, PUNCH_PAUSE, PUNCH_PAUSE_MAX, PUNCH_SOON, PUNCH_TRIES};
use crate::net::reach::relay_place;
use crate::net::seen::Seen;
use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, DialFailure, FromSwarm, NetworkBehaviour,
    NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId as TransportId, Stream, StreamProtocol};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The protocol's name on the wire.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/libp2p/dcutr");

/// Punches holes to those to whom the core lets it.
pub(super) struct Punch {
    /// Whether this node punches at all: a relay is to be reached as it is.
    is_person: bool,
    pub(super) seen: Arc<Mutex<Seen>>,
    /// Forwarded connections; bounded by the limits beside this behaviour.
    circuits: HashMap<ConnectionId, Circuit>,
    /// Direct dials under way, each for a circuit; each ends with the time that a dial has.
    dials: HashMap<ConnectionId, ConnectionId>,
    /// At most a few for each circuit.
    events: VecDeque<ToSwarm<Infallible, Command>>,
    waker: Option<Waker>,
}

/// A connection that a relay forwards.
#[derive(Debug)]
struct Circuit {
    peer: TransportId,
    /// Where its relay is.
    relay: IpAddr,
    /// Whether the other end dialled, so that it is we who begin.
    begins: bool,
    /// Whether the other end may know where this node is, and the number of what says so.
    is_allowed: bool,
    number: u64,
    /// An agreement or a dial is under way, since then.
    busy: Option<Instant>,
    /// When we begin next.
    next: Option<Instant>,
    /// The pause after the next round that fails, and tries left in this one.
    pause: Duration,
    tries: u8,
}

impl Punch {
    pub(super) fn new(is_person: bool) -> Self {
        Self { is_person, seen: Arc::default(), circuits: HashMap::new(), dials: HashMap::new(), events: VecDeque::new(), waker: None }
    }

    /// The one behind a connection may know where this node is, or no longer; the word with the
    /// highest number counts. Nothing happens on a connection that is direct.
    pub(super) fn allow(&mut self, number: u64, connection: ConnectionId, is_allowed: bool) {
        let Some(circuit) = self.circuits.get_mut(&connection).filter(|circuit| circuit.number <= number) else { return };
        circuit.number = number;
        if circuit.is_allowed == is_allowed {
            return;
        }
        circuit.is_allowed = is_allowed;
        // The handler breaks off what was begun, and says nothing of it.
        circuit.busy = None;
        circuit.pause = PUNCH_PAUSE;
        circuit.tries = PUNCH_TRIES;
        circuit.next = (is_allowed && circuit.begins).then(Instant::now);
        let peer_id = circuit.peer;
        self.push(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(connection), event: Command::Allow(is_allowed) });
        self.tend();
    }

    /// The node is to be found elsewhere: what could not be punched before may be now.
    pub(super) fn moved(&mut self) {
        let soon = Instant::now() + PUNCH_SOON;
        for circuit in self.circuits.values_mut().filter(|circuit| circuit.is_allowed && circuit.begins) {
            circuit.pause = PUNCH_PAUSE;
            circuit.tries = PUNCH_TRIES;
            circuit.next = Some(circuit.next.map_or(soon, |next| next.min(soon)));
        }
    }

    /// Begins what is due.
    pub(super) fn tend(&mut self) {
        let now = Instant::now();
        let mut begun = Vec::new();
        for (connection, circuit) in &mut self.circuits {
            // What was begun ends by itself; should that be lost, the circuit is not.
            if circuit.busy.is_some_and(|since| now.duration_since(since) > PUNCH_PAUSE) {
                circuit.busy = None;
            }
            if circuit.busy.is_none() && circuit.next.is_some_and(|next| next <= now) {
                circuit.busy = Some(now);
                circuit.next = Some(now + circuit.pause);
                begun.push((*connection, circuit.peer));
            }
        }
        for (connection, peer_id) in begun {
            self.push(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(connection), event: Command::Begin });
        }
    }

    /// A try has failed: the next one follows at once, or after a pause.
    fn failed(&mut self, connection: ConnectionId, is_soon: bool) {
        let Some(circuit) = self.circuits.get_mut(&connection).filter(|circuit| circuit.begins) else { return };
        circuit.busy = None;
        if !circuit.is_allowed {
            return;
        }
        circuit.tries = circuit.tries.saturating_sub(1);
        circuit.next = Some(if circuit.tries > 0 {
            Instant::now() + if is_soon { Duration::ZERO } else { PUNCH_SOON }
        } else {
            let pause = circuit.pause;
            circuit.pause = pause.saturating_mul(2).min(PUNCH_PAUSE_MAX);
            circuit.tries = PUNCH_TRIES;
            Instant::now() + pause
        });
        self.tend();
    }

    fn push(&mut self, event: ToSwarm<Infallible, Command>) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn handler(&mut self, connection: ConnectionId, peer: TransportId, way: &Multiaddr, begins: bool) -> Handler {
        let place = relay_place(way).filter(|_| self.is_person);
        if let Some((relay, _)) = place {
            let (pause, tries) = (PUNCH_PAUSE, PUNCH_TRIES);
            let circuit = Circuit { peer, relay, begins, is_allowed: false, number: 0, busy: None, next: None, pause, tries };
            self.circuits.insert(connection, circuit);
        }
        Handler {
            circuit: place.map(|(_, relay)| (relay, begins)),
            seen: self.seen.clone(),
            is_allowed: false,
            wants: false,
            waiting: None,
            agreement: None,
            failed: false,
            waker: None,
        }
    }
}

impl NetworkBehaviour for Punch {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: TransportId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection, peer, local, true))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: TransportId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection, peer, remote, false))
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the enum is libp2p's and open-ended; only these kinds matter here")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                if let Some(circuit) = self.dials.remove(&established.connection_id)
                    && let Some(circuit) = self.circuits.get_mut(&circuit)
                {
                    circuit.busy = None;
                    circuit.next = None;
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.circuits.remove(&connection_id);
            }
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                if let Some(circuit) = self.dials.remove(&connection_id) {
                    self.failed(circuit, true);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: TransportId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let Some(circuit) = self.circuits.get(&connection).filter(|circuit| circuit.is_allowed) else { return };
        let targets = event.map(|places| agree::targets(&places, peer, circuit.relay)).unwrap_or_default();
        if targets.is_empty() {
            self.failed(connection, false);
            return;
        }
        let options = DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(targets);
        // Of two who dial at the same moment the one who began takes the listener's part.
        let options = if circuit.begins { options.override_role().build() } else { options.build() };
        self.dials.insert(options.connection_id(), connection);
        self.push(ToSwarm::Dial { opts: options });
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// What a circuit's handler hears.
#[derive(Debug)]
pub(super) enum Command {
    /// The other end may know where this node is, or no longer.
    Allow(bool),
    /// Open a stream and agree with the other end.
    Begin,
}

/// The protocol is offered on circuits that we dialled, and nowhere else.
#[derive(Debug)]
pub(super) struct Offered(bool);

impl UpgradeInfo for Offered {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.then_some(PROTOCOL).into_iter()
    }
}

impl InboundUpgrade<Stream> for Offered {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

/// The behaviour's part in one connection; on a direct one it does nothing.
pub(super) struct Handler {
    /// The circuit's relay, and whether it is we who begin.
    circuit: Option<(Option<TransportId>, bool)>,
    seen: Arc<Mutex<Seen>>,
    is_allowed: bool,
    /// A stream is to be asked for.
    wants: bool,
    /// A question that came before the core has decided; a newer one takes its place.
    waiting: Option<BoxFuture<'static, io::Result<Vec<Multiaddr>>>>,
    /// What is being agreed; a newer one takes its place.
    agreement: Option<BoxFuture<'static, io::Result<Vec<Multiaddr>>>>,
    /// No stream could be opened.
    failed: bool,
    waker: Option<Waker>,
}

fn in_time(agreement: impl Future<Output = io::Result<Vec<Multiaddr>>> + Send + 'static) -> BoxFuture<'static, io::Result<Vec<Multiaddr>>> {
    // The time runs from the first poll: a question that waits is given its own.
    async move { timeout(PUNCH_AGREEMENT, agreement).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) }.boxed()
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Command;
    type ToBehaviour = io::Result<Vec<Multiaddr>>;
    type InboundProtocol = Offered;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(Offered(matches!(self.circuit, Some((_, false)))), ())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if std::mem::take(&mut self.wants) {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        if std::mem::take(&mut self.failed) {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Err(io::ErrorKind::Unsupported.into())));
        }
        if let Some(Poll::Ready(agreed)) = self.agreement.as_mut().map(|agreement| agreement.poll_unpin(context)) {
            self.agreement = None;
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(agreed));
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, command: Command) {
        match command {
            Command::Allow(is_allowed) => {
                self.is_allowed = is_allowed;
                // What is being agreed when a friend loses the right is broken off.
                self.agreement = self.waiting.take().filter(|_| is_allowed);
            }
            Command::Begin => self.wants = self.is_allowed,
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the enum is libp2p's and open-ended; only stream events matter here")]
    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>) {
        let Some((relay, _)) = self.circuit else { return };
        let seen = self.seen.clone();
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                let answer = in_time(async move { agree::answer(stream, &seen, relay).await });
                *(if self.is_allowed { &mut self.agreement } else { &mut self.waiting }) = Some(answer);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, .. }) if self.is_allowed => {
                self.agreement = Some(in_time(async move { agree::begin(stream, &seen, relay).await }));
            }
            ConnectionEvent::DialUpgradeError(_) => self.failed = true,
            _ => {}
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
