//! The DHT of a LAN without internet: while no server is known, the nodes there are servers
//! to each other, and cease to be when one of them meets a real one.
//!
//! A neighbour is a node that the LAN shows, friend's or stranger's; it sees records and their
//! ids, as any server does. What is kept for others is little, and is dropped at the end.

use crate::net::endpoint::{Endpoint, reaches_far};
use crate::net::limits::{DHT_CALL_PAUSE, NEIGHBOURS_CALLED_MAX};
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
    /// neighbour, no matter who named it: it must not be taken for the way to a DHT.
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

    /// Whether no list with a higher number has come: that one counts.
    pub(super) fn is_newest(&mut self, number: u64) -> bool {
        let is_newest = number >= self.number;
        self.number = self.number.max(number);
        is_newest
    }

    /// Makes up a DHT with the nodes at these places and those that come, or ends it. What that changes.
    pub(super) fn serve(&mut self, places: Option<Vec<Endpoint>>) -> Change {
        let (was_served, is_served) = (self.are_served(), places.is_some());
        self.places = places;
        match (was_served, is_served) {
            (false, true) => {
                self.next_call = Instant::now();
                Change::Begun
            }
            (true, false) => Change::Ended(std::mem::take(&mut self.near)),
            (true, true) | (false, false) => Change::Same,
        }
    }

    /// Where to call those who are not known as servers yet. Who is there says whether it serves
    /// the LAN; the connection ends by itself.
    pub(super) fn calls(&mut self) -> Vec<Multiaddr> {
        let Self { places, next_call, near, .. } = self;
        let Some(places) = places.as_ref().filter(|_| *next_call <= Instant::now()) else { return Vec::new() };
        *next_call = Instant::now() + DHT_CALL_PAUSE;
        let missing = places.iter().filter(|place| place.expects.is_none_or(|peer| !near.contains(&peer)));
        missing.map(|place| place.multiaddr()).collect()
    }
}

/// What a list changes.
#[derive(Debug)]
pub(super) enum Change {
    /// There is a DHT of the LAN now.
    Begun,
    /// There is none any more; these were in it.
    Ended(BTreeSet<TransportId>),
    /// Nothing.
    Same,
}

/// Where neighbours are: a node that shows an address on the LAN must not make us dial somebody beyond it.
pub(super) fn places_of(addresses: &[Address]) -> Vec<Endpoint> {
    let parsed = addresses.iter().filter_map(|address| Multiaddr::try_from(address.0.clone()).ok());
    let endpoints = parsed.filter_map(|address| Endpoint::from_multiaddr(&address));
    endpoints.filter(|endpoint| endpoint.is_dialable() && !reaches_far(endpoint)).take(NEIGHBOURS_CALLED_MAX).collect()
}
