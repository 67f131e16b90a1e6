//! The libp2p behaviour for `/symbolon/mailbox/1`: hands over streams, and nothing else.
//!
//! `libp2p-stream` keeps one waiting inbound stream and drops the others, names streams by
//! peer and not by connection, and opens on a random connection of a peer. A link must know
//! its connection, and a stream must be taken or refused at once; so this small behaviour
//! stands in its place. Every inbound stream takes its place (one of a few for its
//! connection) in the handler, before anybody else hears of it; without a place it is dropped,
//! which resets it.

use crate::net::door::Source;
use crate::net::pulse::Pulse;
use crate::net::reach::path;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId as TransportId, Stream, StreamProtocol};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use symbolon_presence::id::PublicKeyBytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The protocol's name on the wire.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbolon/mailbox/1");

/// What the swarm's task hears.
#[derive(Debug)]
pub(super) enum StreamsEvent {
    /// Somebody has opened a stream.
    Inbound(Stream, OwnedSemaphorePermit, Pulse),
    /// The stream that was asked for is open.
    Opened(ConnectionId, Stream, OwnedSemaphorePermit, Pulse),
    /// The stream that was asked for could not be opened.
    Refused(ConnectionId),
}

/// Opens and accepts streams.
#[derive(Debug)]
pub(super) struct Streams {
    per_connection: usize,
    /// Our transport key.
    own: PublicKeyBytes,
    /// One entry for each connection; connections are bounded by the limits beside this behaviour.
    connections: HashMap<ConnectionId, Places>,
    /// One event for each stream, and each inbound stream holds a place.
    events: VecDeque<ToSwarm<StreamsEvent, OpenStream>>,
    waker: Option<Waker>,
}

/// The links on one connection.
#[derive(Debug, Clone)]
struct Places {
    free: Arc<Semaphore>,
    pulse: Pulse,
}

impl Streams {
    pub(super) fn new(per_connection: usize, own: PublicKeyBytes) -> Self {
        Self { per_connection, own, connections: HashMap::new(), events: VecDeque::new(), waker: None }
    }

    /// Asks for a stream on one connection. Answered by [`StreamsEvent::Opened`] or
    /// [`StreamsEvent::Refused`], or by the end of the connection.
    pub(super) fn open(&mut self, peer: TransportId, connection: ConnectionId) {
        self.events.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler: NotifyHandler::One(connection), event: OpenStream });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Links on a connection.
    pub(super) fn links(&self, connection: ConnectionId) -> usize {
        self.connections.get(&connection).map_or(0, |places| self.per_connection.saturating_sub(places.free.available_permits()))
    }

    /// The last sign of life of a connection.
    pub(super) fn pulse(&self, connection: ConnectionId) -> Option<&Pulse> {
        self.connections.get(&connection).map(|places| &places.pulse)
    }

    fn handler(&mut self, connection: ConnectionId, peer: TransportId, local: Option<&Multiaddr>, remote: &Multiaddr) -> Handler {
        let pulse = Pulse::new(path(local, remote), connection, peer, Source::of(remote), self.own);
        let places = Places { free: Arc::new(Semaphore::new(self.per_connection)), pulse };
        self.connections.insert(connection, places.clone());
        Handler { places, wanted: 0, events: VecDeque::new() }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = StreamsEvent;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: TransportId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection, peer, Some(local), remote))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: TransportId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection, peer, None, remote))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) = event {
            self.connections.remove(&connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: TransportId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.events.push_back(ToSwarm::GenerateEvent(match event {
            FromHandler::Inbound(stream, permit, pulse) => StreamsEvent::Inbound(stream, permit, pulse),
            FromHandler::Opened(stream, permit, pulse) => StreamsEvent::Opened(connection, stream, permit, pulse),
            FromHandler::Refused => StreamsEvent::Refused(connection),
        }));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Asks a connection's handler for a stream.
#[derive(Debug)]
pub(super) struct OpenStream;

/// What a connection's handler says.
#[derive(Debug)]
pub(super) enum FromHandler {
    Inbound(Stream, OwnedSemaphorePermit, Pulse),
    Opened(Stream, OwnedSemaphorePermit, Pulse),
    Refused,
}

/// The behaviour's part in one connection.
#[derive(Debug)]
pub(super) struct Handler {
    places: Places,
    /// Streams to ask for; the swarm's task asks once for each connection.
    wanted: usize,
    /// At most one for each place on this connection, and one for each stream asked for.
    events: VecDeque<FromHandler>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = OpenStream;
    type ToBehaviour = FromHandler;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if self.wanted > 0 {
            self.wanted -= 1;
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        // Both are filled only by calls of the connection, which polls again after each.
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, OpenStream: OpenStream) {
        self.wanted += 1;
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the enum is libp2p's and open-ended; only stream events matter here")]
    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                if let Ok(permit) = self.places.free.clone().try_acquire_owned() {
                    self.events.push_back(FromHandler::Inbound(stream, permit, self.places.pulse.clone()));
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, .. }) => {
                self.events.push_back(match self.places.free.clone().try_acquire_owned() {
                    Ok(permit) => FromHandler::Opened(stream, permit, self.places.pulse.clone()),
                    Err(_) => FromHandler::Refused,
                });
            }
            ConnectionEvent::DialUpgradeError(_) => self.events.push_back(FromHandler::Refused),
            _ => {}
        }
    }
}
