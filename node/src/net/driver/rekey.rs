//! Another transport key: the swarm ends, and begins again under it on the same sockets.
//!
//! A node is known by its transport key at a relay, on the LAN and to anyone who dials it. So the
//! key changes when a friend is taken out. Two QUIC sockets cannot share a port: the old swarm is
//! gone before the new one listens, and for a moment nobody can be reached.

use super::listeners::Listeners;
use crate::net::endpoint::Endpoint;
use crate::net::limits::PROMISE;
use crate::net::links::Shared;
use crate::net::swarm::{self, Behaviour};
use libp2p::identity::Keypair;
use libp2p::{PeerId as TransportId, Swarm};
use std::time::Instant;
use symbolon_presence::id::PublicKeyBytes;
use tokio::sync::watch;

/// What the next swarm is made from.
#[derive(Debug)]
pub(in crate::net) struct Plan {
    endpoints: Vec<Endpoint>,
    lan_port: Option<u16>,
    /// Says under which key connections are proved.
    keys: watch::Sender<PublicKeyBytes>,
    next: Option<Keypair>,
    /// Endpoints whose sockets are not free yet.
    unbound: Vec<Endpoint>,
    /// Until when circuits are announced although relays do not forward there yet.
    promised: Option<Instant>,
}

impl Plan {
    pub(in crate::net) fn new(endpoints: Vec<Endpoint>, lan_port: Option<u16>, keys: watch::Sender<PublicKeyBytes>) -> Self {
        Self { endpoints, lan_port, keys, next: None, unbound: Vec::new(), promised: None }
    }

    /// Whether something is to be looked after while nothing else is there.
    pub(super) fn is_restless(&self) -> bool {
        !self.unbound.is_empty() || self.promised.is_some()
    }

    /// Draws the next key. Who is known by it.
    pub(super) fn draw(&mut self) -> TransportId {
        let key = Keypair::generate_ed25519();
        let to = key.public().to_peer_id();
        self.next = Some(key);
        to
    }

    /// Whether a key was drawn that is not used yet.
    pub(super) fn has_next_key(&self) -> bool {
        self.next.is_some()
    }

    /// A swarm under the next key, with that key; it does not listen yet.
    pub(super) fn build(&mut self, shared: &Shared) -> Option<(Swarm<Behaviour>, PublicKeyBytes)> {
        let key = self.next.take().unwrap_or_else(Keypair::generate_ed25519);
        let public = swarm::public_of(&key).ok()?;
        Some((swarm::build(shared, key, false, self.lan_port).ok()?, public))
    }

    /// The old swarm is gone: all is to be listened on, and what was announced is promised for a while.
    pub(super) fn begin(&mut self) {
        self.promised = Some(Instant::now() + PROMISE);
        self.unbound.clone_from(&self.endpoints);
    }

    /// Listens where the sockets are free. Whether that is everywhere.
    pub(super) fn bind(&mut self, swarm: &mut Swarm<Behaviour>, listeners: &mut Listeners) -> bool {
        self.unbound.retain(|endpoint| !listeners.listen(swarm, *endpoint));
        self.unbound.is_empty()
    }

    /// Connections are proved under this key from now on.
    pub(super) fn done(&self, public: PublicKeyBytes) {
        self.keys.send_replace(public);
    }

    /// Looks after what a change of the key has left.
    pub(super) fn tend(&mut self, swarm: &mut Swarm<Behaviour>, listeners: &mut Listeners) {
        if !self.unbound.is_empty() {
            self.bind(swarm, listeners);
        }
        if self.promised.is_some_and(|until| until <= Instant::now()) {
            self.promised = None;
            listeners.update(swarm, |listening| listening.promised.clear());
        }
    }
}
