//! Circuits by the address from which they begin: who may have one, and who gives way.

use crate::net::door::{Door, Share, Source};
use crate::net::limits::{CIRCUIT_PAUSE, CIRCUIT_SOURCES_MAX, Limits};
use libp2p::swarm::ConnectionId;
use libp2p::{PeerId as TransportId, relay};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// A request that was let in, until it is refused elsewhere or its circuit ends. libp2p forgets one in
/// silence when the other end goes away meanwhile: then it counts until its own connection ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circuit {
    /// Where it began.
    pub(super) connection: ConnectionId,
    source: Source,
    from: TransportId,
    /// Where it leads, once that is agreed.
    pub(super) to: Option<TransportId>,
    /// Its connection ends: it does not count any more.
    ends: bool,
}

/// All circuits, and who asks for them.
#[derive(Debug)]
pub(super) struct Circuits {
    door: Arc<Door>,
    share: Share,
    per_peer: usize,
    burst: u32,
    /// The connection whose request is being looked at in this very call.
    pub(super) asking: Option<ConnectionId>,
    next: u64,
    /// By age. Bounded by the share, but for those that end.
    all: BTreeMap<u64, Circuit>,
    /// Requests that are being refused, so that the end of one is not taken for another's.
    refused: BTreeMap<(TransportId, ConnectionId), usize>,
    /// Until when what an address has asked for is counted; at most [`CIRCUIT_SOURCES_MAX`].
    busy: HashMap<Source, Instant>,
}

impl Circuits {
    pub(super) fn new(door: Arc<Door>, limits: &Limits) -> Self {
        Self {
            door,
            share: limits.circuits,
            per_peer: limits.circuits_per_peer,
            burst: limits.circuit_burst,
            asking: None,
            next: 0,
            all: BTreeMap::new(),
            refused: BTreeMap::new(),
            busy: HashMap::new(),
        }
    }

    /// Those that count.
    pub(super) fn held(&self) -> impl Iterator<Item = &Circuit> {
        self.all.values().filter(|circuit| !circuit.ends)
    }

    /// Somebody asks for a circuit. libp2p asks once for each request.
    pub(super) fn ask(&mut self, from: TransportId, source: Source, now: Instant) -> bool {
        let Some(connection) = self.asking else { return false };
        let is_within = self.may_ask(source, now)
            && self.held().filter(|circuit| circuit.from == from).count() < self.per_peer
            && self.make_room(source);
        if is_within {
            self.all.insert(self.next, Circuit { connection, source, from, to: None, ends: false });
            self.next += 1;
        } else {
            *self.refused.entry((from, connection)).or_default() += 1;
        }
        is_within
    }

    /// Whether an address does not ask too often.
    pub(super) fn may_ask(&mut self, source: Source, now: Instant) -> bool {
        if self.busy.len() >= CIRCUIT_SOURCES_MAX && !self.busy.contains_key(&source) {
            self.busy.retain(|_, until| *until > now);
            if self.busy.len() >= CIRCUIT_SOURCES_MAX {
                self.busy.clear();
            }
        }
        let busy = self.busy.entry(source).or_insert(now);
        let until = (*busy).max(now) + CIRCUIT_PAUSE;
        let is_free = until.saturating_duration_since(now) <= CIRCUIT_PAUSE.saturating_mul(self.burst);
        if is_free {
            *busy = until;
        }
        is_free
    }

    /// Whether there is a place for one more from this address; others may give way for it.
    pub(super) fn make_room(&mut self, source: Source) -> bool {
        let mut counts: BTreeMap<Source, usize> = BTreeMap::new();
        for circuit in self.held() {
            *counts.entry(circuit.source).or_default() += 1;
        }
        let own = counts.get(&source).copied().unwrap_or(0);
        if own >= self.share.each {
            return self.give_way(source, Door::turn_out);
        }
        if counts.values().sum::<usize>() < self.share.all {
            return true;
        }
        // Who has as much as the greatest displaces what is their own.
        let mut sources: Vec<_> = counts.into_iter().map(|(of, count)| (Reverse(count), of != source, of)).collect();
        sources.sort_unstable();
        let greatest = sources.first().filter(|(Reverse(count), ..)| *count > own + 1).map(|(_, _, of)| *of);
        sources.into_iter().any(|(_, _, of)| self.give_way(of, Door::turn_out)) || greatest.is_some_and(|of| self.give_way(of, Door::end))
    }

    /// The connection of an address ends on which its oldest circuit began, of those that can be ended
    /// so. Not that on which a newer one is asked for.
    pub(super) fn give_way(&mut self, source: Source, end: fn(&Door, ConnectionId) -> bool) -> bool {
        let own: BTreeSet<(u64, ConnectionId)> =
            self.all.iter().filter(|(_, of)| of.source == source && !of.ends).map(|(number, of)| (*number, of.connection)).collect();
        let gone = own.into_iter().map(|(_, connection)| connection).find(|connection| {
            let is_other = self.asking != Some(*connection);
            is_other && end(&self.door, *connection)
        });
        if let Some(gone) = gone {
            self.end_on(gone);
        }
        gone.is_some()
    }

    pub(super) fn end_on(&mut self, connection: ConnectionId) {
        for circuit in self.all.values_mut().filter(|circuit| circuit.connection == connection) {
            circuit.ends = true;
        }
    }

    /// A connection has ended, and libp2p has nothing more to say about its circuits.
    pub(super) fn closed(&mut self, peer: TransportId, connection: ConnectionId) {
        self.refused.remove(&(peer, connection));
        self.all.retain(|_, circuit| circuit.connection != connection);
    }

    /// A request came to nothing.
    pub(super) fn denied(&mut self, from: TransportId) {
        let least = (from, ConnectionId::new_unchecked(0));
        let greatest = (from, ConnectionId::new_unchecked(usize::MAX));
        if let Some((key, count)) = self.refused.range_mut(least..=greatest).next().map(|(key, count)| (*key, count)) {
            *count -= 1;
            if *count == 0 {
                self.refused.remove(&key);
            }
        } else {
            self.forget(|circuit| circuit.from == from && circuit.to.is_none());
        }
    }

    /// One such circuit is no more: one whose connection ends, if there is one.
    pub(super) fn forget(&mut self, is_it: impl Fn(&Circuit) -> bool) {
        let found = self.all.iter().filter(|(_, circuit)| is_it(circuit)).max_by_key(|(number, circuit)| (circuit.ends, Reverse(**number)));
        if let Some(number) = found.map(|(number, _)| *number) {
            self.all.remove(&number);
        }
    }

    #[allow(deprecated, reason = "libp2p is about to log failures instead; until then they end a request")]
    pub(super) fn note(&mut self, event: &relay::Event) {
        match event {
            relay::Event::CircuitReqAccepted { src_peer_id, dst_peer_id } => {
                let asked = self.all.values_mut().find(|circuit| circuit.from == *src_peer_id && circuit.to.is_none());
                if let Some(circuit) = asked {
                    circuit.to = Some(*dst_peer_id);
                }
            }
            relay::Event::CircuitReqDenied { src_peer_id, .. }
            | relay::Event::CircuitReqDenyFailed { src_peer_id, .. }
            | relay::Event::CircuitReqAcceptFailed { src_peer_id, .. } => self.denied(*src_peer_id),
            relay::Event::CircuitClosed { src_peer_id, dst_peer_id, .. } => {
                self.forget(|circuit| circuit.from == *src_peer_id && circuit.to == Some(*dst_peer_id));
            }
            // What could not be agreed is denied next; the others are no circuits.
            relay::Event::CircuitReqOutboundConnectFailed { .. }
            | relay::Event::ReservationReqAccepted { .. }
            | relay::Event::ReservationReqAcceptFailed { .. }
            | relay::Event::ReservationReqDenied { .. }
            | relay::Event::ReservationReqDenyFailed { .. }
            | relay::Event::ReservationClosed { .. }
            | relay::Event::ReservationTimedOut { .. }
            | relay::Event::StatusChanged { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::net::door::{Bounds, Stage, Ticket};
    use libp2p::identity::Keypair;
    use std::time::Duration;

    const SHARE: Share = Share { each: 4, all: 8 };

    fn key() -> TransportId {
        Keypair::generate_ed25519().public().to_peer_id()
    }

    fn at(n: u8) -> Source {
        Source::V4([127, 0, 0, n])
    }

    /// A relay at which everybody has one connection.
    struct Relay {
        circuits: Circuits,
        owner: TransportId,
        now: Instant,
        tickets: Vec<Ticket>,
    }

    impl Relay {
        fn new(limits: Limits) -> Self {
            let share = Share { each: 1_000, all: 1_000 };
            let door = Arc::new(Door::new(Bounds { silent: share, handshakes: share, strangers: share, places: 10_000 }));
            Self { circuits: Circuits::new(door, &limits), owner: key(), now: Instant::now(), tickets: Vec::new() }
        }

        fn connect(&mut self, source: Source) -> (TransportId, ConnectionId, Source) {
            let ticket = self.circuits.door.enter(source, Stage::Tcp).unwrap();
            let connection = ConnectionId::new_unchecked(self.tickets.len());
            self.circuits.door.name(&ticket, connection);
            assert!(self.circuits.door.established(connection));
            self.tickets.push(ticket);
            (key(), connection, source)
        }

        fn ask(&mut self, (from, connection, source): (TransportId, ConnectionId, Source)) -> bool {
            self.circuits.asking = Some(connection);
            let is_within = self.circuits.ask(from, source, self.now);
            self.circuits.asking = None;
            is_within
        }

        /// Asks and gets it.
        fn begin(&mut self, who: (TransportId, ConnectionId, Source)) {
            assert!(self.ask(who));
            self.circuits.note(&relay::Event::CircuitReqAccepted { src_peer_id: who.0, dst_peer_id: self.owner });
        }

        fn has(&self, who: (TransportId, ConnectionId, Source)) -> bool {
            self.circuits.held().any(|circuit| circuit.from == who.0)
        }
    }

    fn limits() -> Limits {
        Limits { circuits: SHARE, circuits_per_peer: 2, circuit_burst: 1_000, ..Limits::default() }
    }

    #[test]
    fn a102_at_the_whole_bound_the_address_that_has_most_loses_its_oldest_and_others_lose_nothing() {
        let mut relay = Relay::new(limits());
        let quiet: Vec<_> = (1..=3).map(|n| relay.connect(at(n))).collect();
        for who in &quiet {
            relay.begin(*who);
        }
        let greedy: Vec<_> = (0..50).map(|n| relay.connect(at(100 + n % 2))).collect();
        for who in &greedy {
            relay.begin(*who);
            assert!(relay.circuits.held().count() <= SHARE.all);
        }
        assert!(quiet.iter().all(|who| relay.has(*who)), "the oldest of all stay, as they are few");
        let newest = relay.connect(at(9));
        relay.begin(newest);
        assert!(relay.has(newest) && quiet.iter().all(|who| relay.has(*who)));
    }

    #[test]
    fn an_owner_never_gives_way_and_a_key_that_asks_for_too_much_is_refused() {
        let mut relay = Relay::new(limits());
        let owner = relay.connect(at(1));
        relay.circuits.door.keep(owner.1, true);
        relay.begin(owner);
        relay.begin(owner);
        assert!(!relay.ask(owner), "two for each key");
        for _ in 0..10 {
            let stranger = relay.connect(at(1));
            relay.begin(stranger);
        }
        assert_eq!(relay.circuits.held().count(), SHARE.each);
        assert_eq!(relay.circuits.held().filter(|circuit| circuit.from == owner.0).count(), 2);
        // What was refused is not taken for the end of what stands.
        relay.circuits.denied(owner.0);
        relay.circuits.note(&relay::Event::CircuitClosed { src_peer_id: owner.0, dst_peer_id: relay.owner, error: None });
        assert_eq!(relay.circuits.held().filter(|circuit| circuit.from == owner.0).count(), 1);
        relay.begin(owner);
    }

    #[test]
    fn a102_owners_give_way_last_and_to_those_alone_who_have_fewer() {
        let mut relay = Relay::new(limits());
        let owners: Vec<_> = (0..SHARE.all).map(|n| relay.connect(at(1 + u8::from(n < SHARE.each)))).collect();
        for owner in &owners {
            relay.circuits.door.keep(owner.1, true);
            relay.begin(*owner);
        }
        let had = |relay: &Relay| [1, 2, 9].map(|n| relay.circuits.held().filter(|circuit| circuit.source == at(n)).count());
        let first = relay.connect(at(9));
        relay.begin(first);
        assert_eq!(had(&relay), [3, 4, 1]);
        let second = relay.connect(at(9));
        relay.begin(second);
        assert!(!relay.has(first), "a stranger gives way before an owner");
        assert_eq!(had(&relay), [3, 4, 1]);
        relay.circuits.door.keep(second.1, true);
        let third = relay.connect(at(9));
        relay.circuits.door.keep(third.1, true);
        relay.begin(third);
        assert_eq!(had(&relay), [3, 3, 2]);
        let fourth = relay.connect(at(9));
        assert!(!relay.ask(fourth), "all are owners', and no address has much more than another");
    }

    #[test]
    fn a102_new_circuits_of_one_address_are_bounded_and_an_ipv6_network_is_one_address() {
        let mut relay = Relay::new(Limits { circuit_burst: 3, ..limits() });
        let network = |host: u16| Source::of(&format!("/ip6/2001:db8:1:2::{host:x}/tcp/1").parse().unwrap());
        for n in 0..3 {
            let who = relay.connect(network(n));
            relay.begin(who);
        }
        let late = relay.connect(network(77));
        assert!(!relay.ask(late));
        let other = relay.connect(at(1));
        assert!(relay.ask(other), "others are not held up");
        relay.now += CIRCUIT_PAUSE;
        assert!(relay.ask(late));
        assert!(!relay.ask(late));
        for n in 0..3 * CIRCUIT_SOURCES_MAX {
            let [_, _, high, low] = u32::try_from(n).unwrap().to_be_bytes();
            relay.circuits.may_ask(Source::V4([10, 7, high, low]), relay.now);
            assert!(relay.circuits.busy.len() <= CIRCUIT_SOURCES_MAX);
        }
    }

    #[test]
    fn a_connection_that_ends_leaves_no_circuit_behind() {
        let mut relay = Relay::new(limits());
        let (first, second) = (relay.connect(at(1)), relay.connect(at(1)));
        relay.begin(first);
        assert!(relay.ask(first) && !relay.ask(first));
        relay.begin(second);
        relay.circuits.end_on(first.1);
        assert!(!relay.has(first) && relay.has(second));
        // libp2p says it of those that stood.
        relay.circuits.note(&relay::Event::CircuitClosed { src_peer_id: first.0, dst_peer_id: relay.owner, error: None });
        relay.circuits.closed(first.0, first.1);
        assert_eq!((relay.circuits.all.len(), relay.circuits.refused.len()), (1, 0));
    }

    #[test]
    fn the_bounds_of_a_relay_are_those_that_the_pages_say() {
        let limits = Limits::of_relay();
        assert_eq!(limits.circuits, Share { each: 64, all: 1_024 });
        assert_eq!((limits.circuits_per_peer, limits.circuit_burst, CIRCUIT_PAUSE), (32, 240, Duration::from_secs(1)));
        // One for each connection: who has one is never refused it because others have theirs.
        assert_eq!((limits.reservations_per_peer, limits.connections), (4, 12_288));
        assert!(limits.reservations > limits.connections);
    }
}
