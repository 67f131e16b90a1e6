//! The door as the swarm sees it: a behaviour that counts who comes and sends nobody away but
//! those whose place is needed.

use crate::net::door::{Door, Source, Stage, Ticket};
use crate::net::memory::Memory;
use libp2p::PeerId as TransportId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished, dummy,
};
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

/// See the [module](self).
pub(super) struct Doorkeeper {
    door: Arc<Door>,
    memory: Memory,
    /// Connections to and from one transport key.
    per_peer: usize,
    /// Bounded with the connections.
    peers: HashMap<TransportId, BTreeSet<ConnectionId>>,
    /// Connections that a relay forwards to us: no transport of ours sees their bytes, so they
    /// are closed from here.
    circuits: HashMap<ConnectionId, (Option<TransportId>, Ticket)>,
}

/// There is no place, and nobody who could give way.
#[derive(Debug)]
struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no place is left for another connection")
    }
}

impl std::error::Error for Full {}

fn full() -> ConnectionDenied {
    ConnectionDenied::new(Full)
}

impl Doorkeeper {
    pub(super) fn new(door: Arc<Door>, memory: Memory, per_peer: usize) -> Self {
        Self { door, memory, per_peer, peers: HashMap::new(), circuits: HashMap::new() }
    }

    /// One transport key has so many connections; the oldest that has proved nothing gives way.
    fn hold_peer(&self, peer: &TransportId) -> Result<(), ConnectionDenied> {
        let Some(own) = self.peers.get(peer).filter(|own| own.len() >= self.per_peer) else { return Ok(()) };
        if own.iter().any(|connection| self.door.turn_out(*connection)) { Ok(()) } else { Err(full()) }
    }

    /// While memory is scarce a newcomer costs two others their places, and there are fewer each time.
    fn hold_memory(&mut self, connection: ConnectionId, from: &Multiaddr) -> Result<(), ConnectionDenied> {
        if !self.memory.is_scarce() {
            return Ok(());
        }
        let source = Source::of(from);
        if !self.door.make_room(connection, source) {
            return Err(full());
        }
        self.door.make_room(connection, source);
        Ok(())
    }

    fn gone(&mut self, connection: ConnectionId) {
        self.circuits.remove(&connection);
    }
}

impl NetworkBehaviour for Doorkeeper {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        from: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if self.door.named(connection, from) {
            return Ok(());
        }
        let ticket = self.door.enter(Source::of(from), Stage::Circuit).ok_or_else(full)?;
        self.door.name(&ticket, connection);
        self.circuits.insert(connection, (None, ticket));
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: TransportId,
        _: &Multiaddr,
        from: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.hold_peer(&peer)?;
        self.hold_memory(connection, from)?;
        if !self.door.established(connection) {
            return Err(full());
        }
        if let Some((at_its_end, _)) = self.circuits.get_mut(&connection) {
            *at_its_end = Some(peer);
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: TransportId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.hold_peer(&peer)?;
        Ok(dummy::ConnectionHandler)
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the enum is libp2p's and open-ended; only connections matter here")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, .. }) => {
                self.peers.entry(peer_id).or_default().insert(connection_id);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                self.gone(connection_id);
                if let Some(own) = self.peers.get_mut(&peer_id) {
                    own.remove(&connection_id);
                    if own.is_empty() {
                        self.peers.remove(&peer_id);
                    }
                }
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => self.gone(connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: TransportId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        let shut = self.circuits.iter().find(|(_, (peer, ticket))| peer.is_some() && ticket.poll_shut(cx).is_ready());
        let Some((connection, peer)) = shut.and_then(|(connection, (peer, _))| Some((*connection, (*peer)?))) else {
            return Poll::Pending;
        };
        self.circuits.remove(&connection);
        Poll::Ready(ToSwarm::CloseConnection { peer_id: peer, connection: CloseConnection::One(connection) })
    }
}
