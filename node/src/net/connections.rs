//! The connections that stand, and which of them nobody needs.

use crate::net::limits::Limits;
use crate::net::reach::{is_circuit, relay_of};
use crate::net::swarm::Behaviour;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId as TransportId, Swarm, ping};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// All that stand; bounded by the swarm's connection limits.
#[derive(Debug, Default)]
pub(super) struct Connections(HashMap<ConnectionId, Connection>);

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
    /// Asked to close; some take their time, and asking again would only pile up.
    closing: bool,
}

/// The address that tells whether a relay forwards a connection: ours when it came to us, else the other end's.
fn known_by(endpoint: &ConnectedPoint) -> &Multiaddr {
    match endpoint {
        ConnectedPoint::Listener { local_addr, .. } => local_addr,
        ConnectedPoint::Dialer { address, .. } => address,
    }
}

impl Connections {
    /// A connection stands; `outbound` when it is an attempt of a dial of ours. Whether a relay forwards it.
    pub(super) fn add(&mut self, id: ConnectionId, peer: TransportId, endpoint: &ConnectedPoint, outbound: bool) -> bool {
        let remote = endpoint.get_remote_address().clone();
        let (relayed, relay) = (is_circuit(known_by(endpoint)), relay_of(&remote));
        let dialled = endpoint.is_dialer();
        self.0.insert(id, Connection { peer, remote, relayed, relay, outbound, dialled, linkless: None, pingless: false, closing: false });
        relayed
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        self.0.remove(&id);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells all to close.
    pub(super) fn close_all(&self, swarm: &mut Swarm<Behaviour>) {
        for id in self.0.keys() {
            swarm.close_connection(*id);
        }
    }

    /// Who is at the other end of a connection that no relay forwards, and where.
    pub(super) fn direct(&self, id: ConnectionId) -> Option<(TransportId, &Multiaddr)> {
        self.0.get(&id).filter(|connection| !connection.relayed).map(|connection| (connection.peer, &connection.remote))
    }

    /// The same, where it was dialled from here.
    pub(super) fn dialled(&self, id: ConnectionId) -> Option<&Multiaddr> {
        self.0.get(&id).filter(|connection| connection.dialled && !connection.relayed).map(|connection| &connection.remote)
    }

    /// Who is at the other end of a connection that stands and leads to such an address.
    pub(super) fn standing_at(&self, is_there: impl Fn(&Multiaddr) -> bool) -> Option<TransportId> {
        let stands = |connection: &&Connection| !connection.closing && !connection.relayed && is_there(&connection.remote);
        self.0.values().find(stands).map(|connection| connection.peer)
    }

    /// A connection to one of these that no relay forwards, and that is free.
    pub(super) fn standing_with(
        &self,
        wanted: &HashSet<TransportId>,
        is_free: impl Fn(ConnectionId) -> bool,
    ) -> Option<(TransportId, ConnectionId)> {
        let stands = |id: &ConnectionId, connection: &Connection| {
            wanted.contains(&connection.peer) && !connection.closing && !connection.relayed && is_free(*id)
        };
        self.0.iter().find(|(id, connection)| stands(id, connection)).map(|(id, connection)| (connection.peer, *id))
    }

    /// A ping was answered, or not.
    pub(super) fn handle_ping(&mut self, swarm: &Swarm<Behaviour>, event: ping::Event) {
        match event.result {
            Ok(_) => {
                if let Some(pulse) = swarm.behaviour().streams.pulse(event.connection) {
                    pulse.heard();
                }
            }
            Err(ping::Failure::Unsupported) => {
                if let Some(connection) = self.0.get_mut(&event.connection) {
                    connection.pingless = true;
                }
            }
            Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {}
        }
    }

    /// A direct connection that nobody dialled here stands beside one that a relay forwards: a
    /// hole was punched. The relayed one is closed, and a dial for a link finds this one.
    pub(super) fn replace_relayed(&mut self, swarm: &mut Swarm<Behaviour>, peer: TransportId) {
        for (id, connection) in self.0.iter_mut().filter(|(_, other)| other.peer == peer && other.relayed) {
            connection.closing = true;
            if let Some(pulse) = swarm.behaviour().streams.pulse(*id) {
                pulse.give_up();
            }
            swarm.close_connection(*id);
        }
    }

    /// Closes those that are dead, and those without a link that nobody holds for something else.
    pub(super) fn sweep(&mut self, swarm: &mut Swarm<Behaviour>, limits: &Limits, is_held: impl Fn(&ConnectionId, &TransportId) -> bool) {
        let relays: HashSet<TransportId> = self.0.values().filter_map(|connection| connection.relay).collect();
        let mut close = Vec::new();
        let streams = &swarm.behaviour().streams;
        for (id, connection) in self.0.iter_mut().filter(|(_, connection)| !connection.closing) {
            let pulse = streams.pulse(*id).filter(|pulse| !connection.pingless && pulse.silence() > limits.silence);
            if let Some(pulse) = pulse {
                pulse.give_up();
            }
            if streams.links(*id) > 0 || is_held(id, &connection.peer) || relays.contains(&connection.peer) {
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
            swarm.close_connection(connection);
        }
    }
}
