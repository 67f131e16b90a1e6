//! Identify that says of a personal node nothing that leads to it.
//!
//! libp2p's identify fills the addresses that it lists from all that the swarm holds for
//! external, also while it is to hide where the node listens; and each circuit at which a
//! relay forwards to the node is such an address. A stranger who is there would read the
//! relay, and come back by it. Here a person's identify never hears of external addresses. A
//! relay's does: it is to be found.
//!
//! Everybody's identify tells the asker the address that the asker is seen from: without it
//! nobody behind a NAT could learn where a hole may be punched.

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm};
use libp2p::{PeerId as TransportId, identify};
use std::task::{Context, Poll};

/// See the module.
pub(super) struct Discreet {
    identify: identify::Behaviour,
    is_server: bool,
}

impl Discreet {
    pub(super) fn new(identify: identify::Behaviour, is_server: bool) -> Self {
        Self { identify, is_server }
    }
}

impl NetworkBehaviour for Discreet {
    type ConnectionHandler = <identify::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = identify::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: TransportId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.identify.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<TransportId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.identify.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: TransportId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.identify.handle_established_outbound_connection(connection, peer, remote, role, port)
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the enum is libp2p's and open-ended; all but two kinds pass")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ExternalAddrConfirmed(_) | FromSwarm::ExternalAddrExpired(_) if !self.is_server => {}
            event => self.identify.on_swarm_event(event),
        }
    }

    fn on_connection_handler_event(&mut self, peer: TransportId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.identify.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match self.identify.poll(context) {
                // What anybody says about where we are is no address of ours: see `seen`.
                Poll::Ready(ToSwarm::NewExternalAddrCandidate(_)) => {}
                polled @ (Poll::Ready(_) | Poll::Pending) => return polled,
            }
        }
    }
}
