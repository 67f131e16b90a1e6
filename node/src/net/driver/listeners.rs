//! The sockets that this node listens on, and what the rest of the transport learns of them.

use crate::net::endpoint::Endpoint;
use crate::net::listening::Listening;
use crate::net::lock::lock;
use crate::net::swarm::Behaviour;
use libp2p::core::transport::ListenerId;
use libp2p::{Multiaddr, Swarm};
use std::collections::HashSet;
use std::io;
use tokio::sync::watch;

/// The sockets; what relays forward listens beside them.
#[derive(Debug)]
pub(super) struct Listeners {
    all: HashSet<ListenerId>,
    /// Those that have not said anything yet.
    silent: HashSet<ListenerId>,
    told: watch::Sender<Listening>,
}

impl Listeners {
    pub(super) fn new(all: HashSet<ListenerId>, told: watch::Sender<Listening>) -> Self {
        Self { silent: all.clone(), all, told }
    }

    /// Listens there. False while the socket is not free.
    pub(super) fn listen(&mut self, swarm: &mut Swarm<Behaviour>, endpoint: Endpoint) -> bool {
        let Ok(listener) = swarm.listen_on(endpoint.multiaddr()) else { return false };
        self.all.insert(listener);
        self.silent.insert(listener);
        true
    }

    /// Where this node listens.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        self.told.borrow().endpoints.clone()
    }

    /// A listener has an address. The endpoint, unless a relay forwards there.
    pub(super) fn heard(&mut self, swarm: &mut Swarm<Behaviour>, listener: ListenerId, address: &Multiaddr) -> Option<Endpoint> {
        self.silent.remove(&listener);
        let added = Endpoint::from_multiaddr(address);
        self.update(swarm, |listening| listening.endpoints.extend(added));
        added
    }

    /// A listener is gone. False when it was none of these.
    pub(super) fn closed(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        listener: ListenerId,
        addresses: &[Multiaddr],
        reason: Result<(), io::Error>,
    ) -> bool {
        self.silent.remove(&listener);
        if !self.all.remove(&listener) {
            return false;
        }
        let gone: Vec<_> = addresses.iter().filter_map(Endpoint::from_multiaddr).collect();
        self.update(swarm, |listening| {
            listening.endpoints.retain(|endpoint| !gone.contains(endpoint));
            listening.failed = Some(reason.err().map_or(io::ErrorKind::Other, |error| error.kind()));
        });
        true
    }

    /// The swarm is another one: nothing listens.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.silent.clear();
    }

    /// Changes what others learn. Where sockets have moved, holes are punched elsewhere.
    pub(super) fn update(&mut self, swarm: &mut Swarm<Behaviour>, change: impl FnOnce(&mut Listening)) {
        let pending = self.silent.len();
        let mut moved = None;
        self.told.send_if_modified(|listening| {
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
            let punch = &mut swarm.behaviour_mut().punch;
            lock(&punch.seen).listens(&endpoints);
            punch.moved();
        }
    }
}
