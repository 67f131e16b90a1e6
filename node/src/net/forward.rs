//! Connections that a relay forwards: who may have one, and who gives way.
//!
//! libp2p bounds them by the key that asks and in all, and refuses the newest: somebody with enough keys
//! shuts everybody else out, and an IPv6 network has as many addresses as anybody likes.
//! So its own bounds are switched off. Circuits are counted here by address, as connections are:
//! see [`door`](crate::net::door). At the bound of an address its own oldest gives way, at the whole
//! bound the oldest of the address that has most. libp2p ends no single circuit, so the connection
//! ends on which it began. Friends of owners are strangers here. The proved owner of a mailbox gives way
//! last, and only to somebody from whose address fewer circuits begin: at an open relay anybody is an owner.

mod circuits;

use crate::net::door::{Door, Source};
use crate::net::limits::Limits;
use crate::net::lock::lock;
use circuits::Circuits;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId as TransportId, relay};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

/// libp2p's relay, with bounds of its own.
pub(super) struct Forward {
    relay: relay::Behaviour,
    circuits: Arc<Mutex<Circuits>>,
    /// Connections that have ended; of some of their circuits libp2p is about to say so.
    closed: Vec<(TransportId, ConnectionId)>,
}

impl Forward {
    /// `config` says everything but the bounds of circuits.
    pub(super) fn new(own: TransportId, config: relay::Config, door: Arc<Door>, limits: &Limits) -> Self {
        let circuits = Arc::new(Mutex::new(Circuits::new(door, limits)));
        let asked = circuits.clone();
        let ask = move |from: TransportId, at: &Multiaddr, now: Instant| lock(&asked).ask(from, Source::of(at), now);
        let config = relay::Config {
            max_circuits: usize::MAX,
            max_circuits_per_peer: usize::MAX,
            circuit_src_rate_limiters: vec![Box::new(ask)],
            ..config
        };
        Self { relay: relay::Behaviour::new(own, config), circuits, closed: Vec::new() }
    }

    /// Connections on which a circuit began that stands.
    pub(super) fn carrying(&self) -> BTreeSet<ConnectionId> {
        lock(&self.circuits).held().filter(|circuit| circuit.to.is_some()).map(|circuit| circuit.connection).collect()
    }
}

impl NetworkBehaviour for Forward {
    type ConnectionHandler = <relay::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = relay::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: TransportId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.relay.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: TransportId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.relay.handle_established_outbound_connection(connection, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) = event {
            lock(&self.circuits).end_on(connection_id);
            self.closed.push((peer_id, connection_id));
        }
        self.relay.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: TransportId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        lock(&self.circuits).asking = Some(connection);
        self.relay.on_connection_handler_event(peer, connection, event);
        lock(&self.circuits).asking = None;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let polled = self.relay.poll(context);
        let mut circuits = lock(&self.circuits);
        match &polled {
            Poll::Ready(ToSwarm::GenerateEvent(event)) => circuits.note(event),
            Poll::Ready(_) => {}
            Poll::Pending => self.closed.drain(..).for_each(|(peer, connection)| circuits.closed(peer, connection)),
        }
        drop(circuits);
        polled
    }
}
