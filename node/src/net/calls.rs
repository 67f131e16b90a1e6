//! Servers that are being dialled, lookup servers or hubs, with what they are to be asked once a connection stands.

use crate::net::connections::Connections;
use crate::net::endpoint::Endpoint;
use crate::net::swarm::Behaviour;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId as TransportId, Swarm};
use std::collections::{HashMap, HashSet};

/// Who is being dialled, each for questions of some kind.
#[derive(Debug)]
pub(super) struct Calls<Q> {
    /// At most so many as they were made for.
    calls: HashMap<u64, Call<Q>>,
    next: u64,
    most: usize,
}

#[derive(Debug)]
struct Call<Q> {
    places: Vec<Multiaddr>,
    dialling: HashSet<ConnectionId>,
    questions: Vec<Q>,
}

/// A connection that stands: what is asked on it, and the other attempts to reach the same, which are in vain.
pub(super) struct Stands<Q> {
    pub(super) questions: Vec<Q>,
    pub(super) others: Vec<ConnectionId>,
}

/// Where a server is. It need not prove who it is.
pub(super) fn plain(address: &Multiaddr) -> Option<Endpoint> {
    Endpoint::from_multiaddr(address).map(|endpoint| Endpoint { expects: None, ..endpoint })
}

/// Who is at the other end of a connection that leads to one of these places already.
pub(super) fn standing(connections: &Connections, places: &[Multiaddr]) -> Option<TransportId> {
    let wanted: Vec<Endpoint> = places.iter().filter_map(plain).collect();
    connections.standing_at(|remote| plain(remote).is_some_and(|remote| wanted.contains(&remote)))
}

impl<Q> Calls<Q> {
    pub(super) fn new(most: usize) -> Self {
        Self { calls: HashMap::new(), next: 0, most }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// How many questions wait.
    pub(super) fn waiting(&self) -> usize {
        self.calls.values().map(|call| call.questions.len()).sum()
    }

    /// Calls somebody at these places, or adds to what they are to be asked. Gives the question back when that cannot be.
    pub(super) fn call(&mut self, swarm: &mut Swarm<Behaviour>, places: Vec<Multiaddr>, question: Q) -> Result<(), Q> {
        if let Some(call) = self.calls.values_mut().find(|call| call.places == places) {
            call.questions.push(question);
            return Ok(());
        }
        let mut dialling = HashSet::new();
        if self.calls.len() < self.most {
            for place in &places {
                let options = DialOpts::unknown_peer_id().address(place.clone()).build();
                let connection = options.connection_id();
                if swarm.dial(options).is_ok() {
                    dialling.insert(connection);
                }
            }
        }
        if dialling.is_empty() {
            return Err(question);
        }
        self.next += 1;
        self.calls.insert(self.next, Call { places, dialling, questions: vec![question] });
        Ok(())
    }

    fn of(&self, connection: ConnectionId) -> Option<u64> {
        self.calls.iter().find(|(_, call)| call.dialling.contains(&connection)).map(|(id, _)| *id)
    }

    /// A connection stands. None when nobody was called by it.
    pub(super) fn connected(&mut self, connection: ConnectionId) -> Option<Stands<Q>> {
        let mut call = self.of(connection).and_then(|id| self.calls.remove(&id))?;
        call.dialling.remove(&connection);
        Some(Stands { questions: call.questions, others: call.dialling.into_iter().collect() })
    }

    /// An attempt has failed. What can be asked no more.
    pub(super) fn dial_failed(&mut self, connection: ConnectionId) -> Vec<Q> {
        let Some(id) = self.of(connection) else { return Vec::new() };
        let Some(call) = self.calls.get_mut(&id) else { return Vec::new() };
        call.dialling.remove(&connection);
        if !call.dialling.is_empty() {
            return Vec::new();
        }
        self.calls.remove(&id).map(|call| call.questions).unwrap_or_default()
    }

    /// Asks no longer what does not fit.
    pub(super) fn retain(&mut self, fits: impl Fn(&Q) -> bool) {
        self.calls.values_mut().for_each(|call| call.questions.retain(&fits));
    }

    /// Calls nobody more. Answers what was to be asked.
    pub(super) fn take(&mut self) -> Vec<Q> {
        std::mem::take(&mut self.calls).into_values().flat_map(|call| call.questions).collect()
    }
}
