//! The addresses by which others see this node: what holes can be punched for.
//!
//! Everybody's identify tells the asker where it is seen. Anybody may lie, so only two kinds
//! count: what our own relays say, and, for one circuit, what its relay says. An observation
//! lives as long as its connection, which keeps the NAT's mapping open, and an hour at most.

use crate::net::endpoint::{Carrier, Endpoint};
use crate::net::limits::{CANDIDATE_AGE, CANDIDATES_MAX};
use crate::net::reach::is_far_enough;
use libp2p::PeerId as TransportId;
use libp2p::swarm::ConnectionId;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Instant;

/// What was seen of this node. Bounded by the swarm's connections.
#[derive(Debug, Default)]
pub(super) struct Seen {
    observations: HashMap<ConnectionId, Observation>,
    /// Connections to relays of ours.
    own: HashSet<ConnectionId>,
    /// Where the node listens: by which carrier and family, on which port.
    listens: HashSet<(Carrier, bool, u16)>,
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    by: TransportId,
    seen: Endpoint,
    at: Instant,
}

impl Seen {
    /// The other end of a connection that we dialled says where it sees us. Whether that is new.
    pub(super) fn note(&mut self, connection: ConnectionId, by: TransportId, from: IpAddr, seen: Endpoint) -> bool {
        let seen = Endpoint { expects: None, ..seen };
        if !seen.is_dialable() || seen.zone.is_some() || !is_far_enough(seen.ip, from) {
            return false;
        }
        let before = self.observations.insert(connection, Observation { by, seen, at: Instant::now() });
        before.is_none_or(|before| before.seen != seen)
    }

    /// A connection leads to a relay of ours.
    pub(super) fn is_own(&mut self, connection: ConnectionId) {
        self.own.insert(connection);
    }

    /// A connection is gone.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.observations.remove(&connection);
        self.own.remove(&connection);
    }

    /// Where the node listens now.
    pub(super) fn listens(&mut self, endpoints: &[Endpoint]) {
        self.listens = endpoints.iter().map(|endpoint| (endpoint.carrier, endpoint.ip.is_ipv4(), endpoint.port)).collect();
    }

    /// What may be said to the one behind a circuit of this relay, the newest first.
    ///
    /// Behind each address seen stands the same one by the other carrier, where the node is seen
    /// at the very port on which it listens by that: two nodes of which one is linked to the relay
    /// by QUIC and the other by TCP would have no carrier in common.
    pub(super) fn candidates(&self, relay: Option<TransportId>, now: Instant) -> Vec<Endpoint> {
        let counts = |connection: &ConnectionId, observation: &Observation| {
            (Some(observation.by) == relay || self.own.contains(connection)) && now.duration_since(observation.at) <= CANDIDATE_AGE
        };
        let mut found: Vec<Observation> =
            self.observations.iter().filter(|(connection, observation)| counts(connection, observation)).map(|(_, seen)| *seen).collect();
        found.sort_by_key(|observation| (std::cmp::Reverse(observation.at), observation.seen));
        let mut candidates: Vec<Endpoint> = Vec::new();
        let twins = found.iter().filter_map(|observation| {
            let seen = observation.seen;
            let carrier = if seen.carrier == Carrier::Quic { Carrier::Tcp } else { Carrier::Quic };
            self.listens.contains(&(carrier, seen.ip.is_ipv4(), seen.port)).then_some(Endpoint { carrier, ..seen })
        });
        for endpoint in found.iter().map(|observation| observation.seen).chain(twins) {
            if candidates.len() < CANDIDATES_MAX && !candidates.contains(&endpoint) {
                candidates.push(endpoint);
            }
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use libp2p::swarm::dial_opts::DialOpts;
    use std::time::Duration;

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::from_text(text).unwrap()
    }

    fn connection() -> ConnectionId {
        DialOpts::unknown_peer_id().address(endpoint("/ip4/192.0.2.1/tcp/1").multiaddr()).build().connection_id()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_own_relays_and_the_relay_of_the_circuit_count() {
        let mut seen = Seen::default();
        let (own, theirs, stranger) = (TransportId::random(), TransportId::random(), TransportId::random());
        let links = [connection(), connection(), connection()];
        for (connection, (by, text)) in links.into_iter().zip([
            (own, "/ip4/198.51.100.1/tcp/1"),
            (theirs, "/ip4/198.51.100.2/tcp/2"),
            (stranger, "/ip4/198.51.100.3/tcp/3"),
        ]) {
            assert!(seen.note(connection, by, ip("192.0.2.9"), endpoint(text)));
            assert!(!seen.note(connection, by, ip("192.0.2.9"), endpoint(text)), "it is known");
        }
        seen.is_own(links[0]);
        let mut told = seen.candidates(Some(theirs), Instant::now());
        told.sort();
        assert_eq!(told, [endpoint("/ip4/198.51.100.1/tcp/1"), endpoint("/ip4/198.51.100.2/tcp/2")]);
        assert_eq!(seen.candidates(None, Instant::now()), [endpoint("/ip4/198.51.100.1/tcp/1")]);
        seen.forget(links[0]);
        assert_eq!(seen.candidates(None, Instant::now()), []);
    }

    #[test]
    fn no_more_than_four_and_none_older_than_an_hour() {
        let mut seen = Seen::default();
        let relay = TransportId::random();
        for port in 1..=9 {
            seen.note(connection(), relay, ip("192.0.2.9"), endpoint(&format!("/ip4/198.51.100.1/tcp/{port}")));
        }
        assert_eq!(seen.candidates(Some(relay), Instant::now()).len(), 4);
        assert_eq!(seen.candidates(Some(relay), Instant::now() + Duration::from_secs(3_601)), []);
    }

    #[test]
    fn what_nobody_can_answer_at_or_only_this_machine_is_no_candidate() {
        let mut seen = Seen::default();
        let relay = TransportId::random();
        for text in [
            "/ip4/224.0.0.1/tcp/1",
            "/ip4/255.255.255.255/udp/1/quic-v1",
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/198.51.100.1/tcp/0",
            "/ip6/ff02::1/tcp/1",
            "/ip6/::1/tcp/1",
            "/ip6/fe80::1/tcp/1",
        ] {
            assert!(!seen.note(connection(), relay, ip("192.0.2.9"), endpoint(text)), "{text}");
        }
        assert_eq!(seen.candidates(Some(relay), Instant::now()), []);
        assert!(seen.note(connection(), relay, ip("127.0.0.1"), endpoint("/ip4/127.0.0.1/tcp/1")), "a relay on this machine sees it so");
    }

    #[test]
    fn at_the_port_that_it_listens_on_a_node_can_be_reached_by_both_carriers() {
        let mut seen = Seen::default();
        let relay = TransportId::random();
        seen.listens(&[endpoint("/ip4/10.0.0.2/tcp/20001"), endpoint("/ip4/10.0.0.2/udp/20001/quic-v1")]);
        let first = connection();
        seen.note(first, relay, ip("192.0.2.9"), endpoint("/ip4/198.51.100.1/tcp/20001"));
        assert_eq!(
            seen.candidates(Some(relay), Instant::now()),
            [endpoint("/ip4/198.51.100.1/tcp/20001"), endpoint("/ip4/198.51.100.1/udp/20001/quic-v1")]
        );
        seen.note(first, relay, ip("192.0.2.9"), endpoint("/ip4/198.51.100.1/tcp/61001"));
        assert_eq!(seen.candidates(Some(relay), Instant::now()), [endpoint("/ip4/198.51.100.1/tcp/61001")], "a NAT that draws ports");
    }
}
