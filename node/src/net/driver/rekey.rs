//! Another transport key: the swarm ends, and begins again under it on the same sockets.
//!
//! A node is known by its transport key at a relay, on the LAN and to anyone who dials it. So the
//! key changes when a friend is taken out. Two QUIC sockets cannot share a port: the old swarm is
//! gone before the new one listens, and for a moment nobody can be reached.

use super::Driver;
use crate::net::endpoint::Endpoint;
use crate::net::limits::{PROMISE, SOCKETS_FREE};
use crate::net::listening::Listening;
use crate::net::swarm;
use futures::StreamExt;
use libp2p::identity::Keypair;
use std::time::{Duration, Instant};
use symbolon_presence::id::PublicKeyBytes;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long the new listeners may take to say where they are.
const LISTENERS: Duration = Duration::from_millis(750);

/// What the next swarm is made from.
#[derive(Debug)]
pub(in crate::net) struct Plan {
    pub(in crate::net) endpoints: Vec<Endpoint>,
    pub(in crate::net) lan_port: Option<u16>,
    /// Says under which key connections are proved.
    pub(in crate::net) keys: watch::Sender<PublicKeyBytes>,
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
}

impl Driver {
    /// Draws the next key, and announces where relays will forward to this node under it.
    pub(super) fn draw_key(&mut self) {
        // A relay keeps the key by which it is known.
        if self.is_server() {
            return;
        }
        let key = Keypair::generate_ed25519();
        let to = key.public().to_peer_id();
        self.plan.next = Some(key);
        self.update_listening(|listening| {
            listening.promised = listening.circuits.iter().filter_map(|circuit| circuit.renamed(to)).collect();
            listening.is_leaving = true;
        });
        // Announced in any case: the core waits for it.
        self.shared.announce.notify_one();
    }

    /// Whether a key was drawn that is not used yet.
    pub(super) fn has_next_key(&self) -> bool {
        self.plan.next.is_some()
    }

    /// Ends all links and connections, and begins again under another key.
    pub(super) async fn begin_again(&mut self) {
        if self.is_server() {
            return;
        }
        let key = self.plan.next.take().unwrap_or_else(Keypair::generate_ed25519);
        let Ok(public) = swarm::public_of(&key) else { return };
        let Ok(swarm) = swarm::build(&self.shared, key, false, self.plan.lan_port) else { return };
        self.hushed = true;
        self.drain().await;
        self.say_goodbye().await;
        // The sockets go with it.
        drop(std::mem::replace(&mut self.swarm, swarm));
        self.connections.clear();
        self.races.clear();
        self.attempts.clear();
        self.late.clear();
        self.reservations.clear();
        self.listeners.clear();
        self.silent_listeners.clear();
        self.plan.promised = Some(Instant::now() + PROMISE);
        let before = self.listening.borrow().endpoints.clone();
        self.update_listening(|listening| {
            let promised = std::mem::take(&mut listening.promised);
            *listening = Listening { promised, is_quiet: true, ..Listening::default() };
        });
        self.plan.unbound.clone_from(&self.plan.endpoints);
        let patience = Instant::now() + SOCKETS_FREE;
        while !self.bind() && Instant::now() < patience {
            sleep(Duration::from_millis(20)).await;
        }
        let listens = async {
            while !before.iter().all(|endpoint| self.listening.borrow().endpoints.contains(endpoint)) {
                let event = self.swarm.select_next_some().await;
                self.handle_event(event);
            }
        };
        let _ = timeout(LISTENERS, listens).await;
        self.hushed = false;
        self.update_listening(|listening| listening.is_quiet = false);
        self.lookups_begin_again();
        self.dht_begin_again();
        self.plan.keys.send_replace(public);
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

    /// Listens where the sockets are free. Whether that is everywhere.
    fn bind(&mut self) -> bool {
        for endpoint in std::mem::take(&mut self.plan.unbound) {
            match self.swarm.listen_on(endpoint.multiaddr()) {
                Ok(listener) => {
                    self.listeners.insert(listener);
                    self.silent_listeners.insert(listener);
                }
                Err(_) => self.plan.unbound.push(endpoint),
            }
        }
        self.plan.unbound.is_empty()
    }

    /// Looks after what a change of the key has left.
    pub(super) fn tend_plan(&mut self) {
        if !self.plan.unbound.is_empty() {
            self.bind();
        }
        if self.plan.promised.is_some_and(|until| until <= Instant::now()) {
            self.plan.promised = None;
            self.update_listening(|listening| listening.promised.clear());
        }
    }
}
