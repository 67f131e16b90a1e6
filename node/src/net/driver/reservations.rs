//! Relays that are asked to forward connections to this node.

use crate::net::connections::Connections;
use crate::net::limits::RESERVE_PAUSE;
use crate::net::lock::lock;
use crate::net::swarm::Behaviour;
use libp2p::core::multiaddr::Protocol;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, Swarm};
use std::collections::HashMap;
use std::time::Instant;

/// By the connections to them; the core has few relays.
#[derive(Debug, Default)]
pub(super) struct Reservations(HashMap<ConnectionId, Reservation>);

#[derive(Debug)]
enum Reservation {
    /// It was asked; the listener lives as long as it does so.
    Asked(ListenerId),
    /// It does not; asked again later.
    Failed(Instant),
}

impl Reservations {
    /// Asks a relay to forward connections to this node.
    pub(super) fn ask(&mut self, swarm: &mut Swarm<Behaviour>, connections: &Connections, id: ConnectionId) {
        let Some((peer, remote)) = connections.direct(id) else { return };
        if matches!(self.0.get(&id), Some(Reservation::Asked(_))) {
            return;
        }
        let plain: Multiaddr = remote.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        let asked = swarm.listen_on(plain.with(Protocol::P2p(peer)).with(Protocol::P2pCircuit));
        let reservation = asked.map_or_else(|_| Reservation::Failed(Instant::now()), Reservation::Asked);
        self.0.insert(id, reservation);
        lock(&swarm.behaviour().punch.seen).is_own(id);
    }

    /// A relay does not forward any more, or never did; or it was none of these.
    pub(super) fn ended(&mut self, listener: ListenerId) {
        let is_it = |reservation: &&mut Reservation| matches!(reservation, Reservation::Asked(id) if *id == listener);
        if let Some(reservation) = self.0.values_mut().find(is_it) {
            *reservation = Reservation::Failed(Instant::now());
        }
    }

    /// Asks those again that do not forward.
    pub(super) fn sweep(&mut self, swarm: &mut Swarm<Behaviour>, connections: &Connections) {
        let again = |reservation: &Reservation| matches!(reservation, Reservation::Failed(at) if at.elapsed() >= RESERVE_PAUSE);
        let again: Vec<ConnectionId> = self.0.iter().filter(|(_, reservation)| again(reservation)).map(|(id, _)| *id).collect();
        for id in again {
            self.ask(swarm, connections, id);
        }
    }

    /// Whether the other end of a connection was asked.
    pub(super) fn has(&self, id: &ConnectionId) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        self.0.remove(&id);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
