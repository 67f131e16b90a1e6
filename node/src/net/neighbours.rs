//! The DHT of a LAN without internet: while no server is known, the nodes there are servers
//! to each other, and cease to be when one of them meets a real one.
//!
//! A neighbour is a node that the LAN shows, friend's or stranger's; it sees records and their
//! ids, as any server does. What is kept for others is little, and is dropped at the end.

use crate::net::dht::Dht;
use crate::net::driver::Driver;
use crate::net::endpoint::{Endpoint, reaches_far};
use crate::net::limits::{DHT_CALL_PAUSE, NEIGHBOURS_CALLED_MAX};
use libp2p::kad::Mode;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId as TransportId};
use std::collections::BTreeSet;
use std::time::Instant;
use symbolon_core::limits::NEIGHBOURS_MAX;
use symbolon_core::seam::Address;

/// The nodes of the LAN with which this one makes up a DHT.
#[derive(Debug)]
pub(super) struct Neighbours {
    /// Where they are; at most [`NEIGHBOURS_CALLED_MAX`]. `None`: there is no such DHT. While
    /// nobody is there, what was kept waits for who comes next.
    places: Option<Vec<Endpoint>>,
    /// Number of the list.
    number: u64,
    next_call: Instant,
    /// Those among the servers known that are none beyond the LAN.
    near: BTreeSet<TransportId>,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self { places: None, number: 0, next_call: Instant::now(), near: BTreeSet::new() }
    }
}

impl Neighbours {
    /// Whether there is a DHT of the LAN.
    pub(super) fn are_served(&self) -> bool {
        self.places.is_some()
    }

    /// A server was met, at these addresses. One on the LAN that nobody has named is a
    /// neighbour, whoever told of it: it must not be taken for the way to a DHT.
    /// Whether it is a new one, to be given what others have taken: they may leave.
    pub(super) fn met(&mut self, peer: TransportId, addresses: &[Endpoint], is_named: bool) -> bool {
        if self.are_served() && !is_named && !addresses.iter().any(reaches_far) {
            self.near.insert(peer) && self.near.len() <= NEIGHBOURS_MAX
        } else {
            self.near.remove(&peer);
            false
        }
    }

    /// A server is none any longer.
    pub(super) fn lost(&mut self, peer: &TransportId) {
        self.near.remove(peer);
    }

    /// None is known any more; they are called again.
    pub(super) fn begin_again(&mut self) {
        self.near.clear();
        self.next_call = Instant::now();
    }

    /// Whether a server is a neighbour.
    pub(super) fn has(&self, peer: &TransportId) -> bool {
        self.near.contains(peer)
    }

    /// How many servers are.
    pub(super) fn count(&self) -> usize {
        self.near.len()
    }
}

impl Driver {
    /// These are all neighbours now; `None`: the DHT of the LAN is over. The list with the highest
    /// number counts.
    pub(super) fn set_neighbours(&mut self, number: u64, addresses: Option<&[Address]>) {
        if number < self.dht.neighbours.number {
            return;
        }
        self.dht.neighbours.number = number;
        let places = addresses.map(|addresses| {
            let parsed = addresses.iter().filter_map(|address| Multiaddr::try_from(address.0.clone()).ok());
            let endpoints = parsed.filter_map(|address| Endpoint::from_multiaddr(&address));
            // Whoever shows an address on the LAN must not make us dial somebody beyond it.
            endpoints.filter(|endpoint| endpoint.is_dialable() && !reaches_far(endpoint)).take(NEIGHBOURS_CALLED_MAX).collect()
        });
        self.serve_neighbours(places);
    }

    /// Makes up a DHT with whoever is there and comes, or ends it.
    pub(super) fn serve_neighbours(&mut self, places: Option<Vec<Endpoint>>) {
        // A server for everybody stays one.
        if self.is_server() {
            return;
        }
        let (was_served, is_served) = (self.dht.neighbours.are_served(), places.is_some());
        self.dht.neighbours.places = places;
        if was_served != is_served {
            self.swarm.behaviour_mut().dht.set_mode(Some(if is_served { Mode::Server } else { Mode::Client }));
        }
        if is_served && !was_served {
            self.dht.neighbours.next_call = Instant::now();
        } else if was_served && !is_served {
            self.forget_neighbours();
        }
        self.call_neighbours();
    }

    fn forget_neighbours(&mut self) {
        for peer in std::mem::take(&mut self.dht.neighbours.near) {
            self.swarm.behaviour_mut().dht.remove_peer(&peer);
            self.dht.servers.remove(&peer);
        }
        self.swarm.behaviour_mut().dht.store_mut().retain(|_, _| false);
        self.dht.givers.clear();
        // What neighbours took is nowhere else yet.
        self.put_all_again();
        self.tell_servers();
    }

    /// Calls those who are not known as servers yet.
    pub(super) fn call_neighbours(&mut self) {
        let Neighbours { places, next_call, near, .. } = &mut self.dht.neighbours;
        let Some(places) = places.as_ref().filter(|_| *next_call <= Instant::now()) else { return };
        *next_call = Instant::now() + DHT_CALL_PAUSE;
        let missing: Vec<Endpoint> =
            places.iter().filter(|place| place.expects.is_none_or(|peer| !near.contains(&peer))).copied().collect();
        for place in missing {
            // Who is there says whether it serves the LAN; the connection ends by itself.
            let _ = self.swarm.dial(DialOpts::unknown_peer_id().address(place.multiaddr()).build());
        }
    }
}

impl Dht {
    /// Servers beyond the LAN.
    pub(super) fn far_servers(&self) -> impl Iterator<Item = (&TransportId, &Vec<Address>)> {
        self.servers.iter().filter(|(peer, _)| !self.neighbours.has(peer))
    }
}
