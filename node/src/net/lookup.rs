//! Lookup servers: `/symbolon/lookup/1`, one question and one answer on each stream.
//!
//! Our own servers (named by the user, and our relays) are given our records and asked for
//! those of friends; a friend's servers are asked for the friend's. They stand beside the
//! DHT: who answers first helps, who lies or is silent costs time. A server keeps
//! what it is given in the same store as what the DHT gives it.

pub(super) mod messages;

use crate::net::answers::Answers;
use crate::net::calls::{self, Calls, Stands};
use crate::net::connections::Connections;
use crate::net::dht::Dht;
use crate::net::endpoint::Endpoint;
use crate::net::limits::{LOOKUP_AGAIN, LOOKUP_ASKED_MAX, LOOKUP_CALLS_MAX, LOOKUP_PAUSE, LOOKUP_PAUSE_MAX, LOOKUP_PLACES_MAX};
use crate::net::swarm::Behaviour;
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId as TransportId, Swarm};
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;
use symbolon_core::seam::{Address, Input};
use symbolon_presence::id::LookupId;
use symbolon_relay::lookup::{Answer, Ask, Kept};

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A part of this search.
    Search(u64),
    /// To have this record kept by the own server at this place in the list; of the set with
    /// this number.
    Keep(usize, LookupId, u64),
}

/// A server of ours.
#[derive(Debug)]
struct Own {
    addresses: Vec<Address>,
    places: Vec<Multiaddr>,
    /// Records that it has not taken yet, and those that it is being given.
    untaken: BTreeSet<LookupId>,
    given: BTreeSet<LookupId>,
    /// Whether it answered when it was last asked.
    answers: Option<bool>,
    /// When it is given what it has not taken.
    next: Instant,
    failures: u32,
    /// When it is given everything again: it may have been started again.
    again: Instant,
}

/// Lookup servers, ours and friends'.
#[derive(Debug)]
pub(super) struct Lookups {
    own: Vec<Own>,
    /// Number of the last list of own servers.
    number: u64,
    /// Number of the set of records that they are given.
    set: u64,
    /// At most [`LOOKUP_CALLS_MAX`].
    calls: Calls<(Purpose, Ask)>,
    /// At most [`LOOKUP_ASKED_MAX`], those that wait in calls among them.
    asked: HashMap<OutboundRequestId, Purpose>,
    answers: Answers,
}

fn places_of(addresses: &[Address]) -> Vec<Multiaddr> {
    let parsed = addresses.iter().take(LOOKUP_PLACES_MAX * 2).filter_map(|address| Multiaddr::try_from(address.0.clone()).ok());
    let dialable = parsed.filter_map(|address| Endpoint::from_multiaddr(&address)).filter(|endpoint| endpoint.is_dialable());
    dialable.map(Endpoint::multiaddr).take(LOOKUP_PLACES_MAX).collect()
}

impl Lookups {
    pub(super) fn new(answers: Answers) -> Self {
        Self { own: Vec::new(), number: 0, set: 0, calls: Calls::new(LOOKUP_CALLS_MAX), asked: HashMap::new(), answers }
    }

    /// Whether a server of ours is to be given something.
    pub(super) fn is_restless(&self) -> bool {
        !self.own.is_empty() || !self.calls.is_empty()
    }

    /// Whether servers of ours are being given something.
    pub(super) fn are_taking(&self) -> bool {
        self.own.iter().any(|own| !own.given.is_empty())
    }

    fn is_full(&self) -> bool {
        self.asked.len() + self.calls.waiting() >= LOOKUP_ASKED_MAX
    }

    /// Our records are others now: every server of ours is to have them, whatever it is being given.
    pub(super) fn publish(&mut self, dht: &Dht) {
        self.set = dht.own.number();
        for own in &mut self.own {
            own.untaken = dht.own.ids().collect();
            own.given.clear();
            own.next = own.next.min(Instant::now() + LOOKUP_PAUSE * own.failures.min(1));
        }
    }

    /// A record of ours has expired.
    fn forget(&mut self, id: &LookupId) {
        for own in &mut self.own {
            own.untaken.remove(id);
        }
    }

    /// These are our servers now, each by its addresses. False for an older list.
    pub(super) fn set(&mut self, dht: &Dht, number: u64, servers: Vec<(Vec<Address>, Vec<Address>)>) -> bool {
        if number < self.number {
            return false;
        }
        self.number = number;
        let mut known: Vec<Own> = std::mem::take(&mut self.own);
        let ids: BTreeSet<LookupId> = dht.own.ids().collect();
        for (addresses, sockets) in servers {
            let kept = known.iter().position(|own| own.addresses == addresses).map(|at| known.swap_remove(at));
            let places = places_of(&sockets);
            let mut own = kept.unwrap_or_else(|| Own {
                places: Vec::new(),
                addresses,
                untaken: ids.clone(),
                given: BTreeSet::new(),
                answers: None,
                next: Instant::now(),
                failures: 0,
                again: Instant::now() + LOOKUP_AGAIN,
            });
            if own.places != places {
                own.places = places;
                own.next = Instant::now();
            }
            self.own.push(own);
        }
        // The places of those in the list have moved: what they are being given is given again.
        self.asked.retain(|_, purpose| matches!(purpose, Purpose::Search(_)));
        self.calls.retain(|(purpose, _)| matches!(purpose, Purpose::Search(_)));
        for own in &mut self.own {
            own.given.clear();
        }
        self.tell();
        true
    }

    /// The swarm is another one: what was asked will not be answered, and everything is given again.
    pub(super) fn begin_again(&mut self, dht: &Dht) {
        let ids: BTreeSet<LookupId> = dht.own.ids().collect();
        self.calls.take();
        self.asked.clear();
        for own in &mut self.own {
            own.untaken.clone_from(&ids);
            own.given.clear();
            own.next = Instant::now();
            own.failures = 0;
        }
    }

    /// Gives our servers what they have not taken.
    pub(super) fn tend(&mut self, swarm: &mut Swarm<Behaviour>, connections: &Connections, dht: &Dht) {
        let ids: BTreeSet<LookupId> = dht.own.ids().collect();
        for at in 0..self.own.len() {
            let Some(own) = self.own.get_mut(at) else { continue };
            if own.again <= Instant::now() {
                own.again = Instant::now() + LOOKUP_AGAIN;
                own.untaken.extend(ids.iter().copied());
            }
            if own.next > Instant::now() {
                continue;
            }
            let (places, due) = (own.places.clone(), own.untaken.difference(&own.given).copied().collect::<Vec<_>>());
            for id in due {
                let Some(record) = dht.own.record(&id) else {
                    self.forget(&id);
                    continue;
                };
                if let Some(own) = self.own.get_mut(at) {
                    own.given.insert(id);
                }
                self.ask(swarm, connections, &places, Purpose::Keep(at, id, self.set), Ask::Put(record));
            }
        }
    }

    /// Asks our servers and these, as parts of a search. How many answers will come.
    pub(super) fn search(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connections: &Connections,
        search: u64,
        id: LookupId,
        servers: &[Vec<Address>],
    ) -> usize {
        let mut all: Vec<Vec<Multiaddr>> = self.own.iter().map(|own| own.places.clone()).collect();
        all.extend(servers.iter().map(|addresses| places_of(addresses)));
        all.retain(|places| !places.is_empty());
        all.sort();
        all.dedup();
        // Each answers at once when it cannot be asked: the search must know of all before.
        let mut asked = 0;
        for places in all {
            asked += usize::from(self.ask(swarm, connections, &places, Purpose::Search(search), Ask::Get(id)));
        }
        asked
    }

    /// Asks a server, on a connection that stands or a new one. False when that is not possible now.
    fn ask(&mut self, swarm: &mut Swarm<Behaviour>, connections: &Connections, places: &[Multiaddr], purpose: Purpose, ask: Ask) -> bool {
        if self.is_full() {
            self.keep_failed(purpose);
            return false;
        }
        if let Some(peer) = calls::standing(connections, places) {
            let request = swarm.behaviour_mut().lookup.send_request(&peer, ask);
            self.asked.insert(request, purpose);
            return true;
        }
        let called = self.calls.call(swarm, places.to_vec(), (purpose, ask));
        called.map_err(|(purpose, _)| self.keep_failed(purpose)).is_ok()
    }

    /// A connection stands. One to a server that was dialled is asked; the attempts to reach it by
    /// its other addresses are answered, which are in vain. None when nobody was dialled by it.
    pub(super) fn connected(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: TransportId,
        connection: ConnectionId,
    ) -> Option<Vec<ConnectionId>> {
        let Stands { questions, others } = self.calls.connected(connection)?;
        for (purpose, ask) in questions {
            let request = swarm.behaviour_mut().lookup.send_request(&peer, ask);
            self.asked.insert(request, purpose);
        }
        Some(others)
    }

    /// An attempt to reach a server has failed.
    pub(super) fn dial_failed(&mut self, dht: &mut Dht, connection: ConnectionId) {
        for (purpose, _) in self.calls.dial_failed(connection) {
            self.failed(dht, purpose);
        }
    }

    /// A server has answered, or will not.
    pub(super) fn answered(&mut self, dht: &mut Dht, request: OutboundRequestId, answer: Option<Answer>) {
        let Some(purpose) = self.asked.remove(&request) else { return };
        match (purpose, answer) {
            (Purpose::Search(search), Some(Answer::Found(record))) => {
                if let Some(record) = record {
                    dht.searches.found(search, record);
                }
                dht.searches.part_done(search);
            }
            (Purpose::Keep(at, id, set), Some(Answer::Put(kept))) => self.taken(at, &id, set, kept),
            (Purpose::Search(_), Some(Answer::Put(_)) | None) | (Purpose::Keep(..), Some(Answer::Found(_)) | None) => {
                self.failed(dht, purpose);
            }
        }
    }

    /// A question will not be answered.
    fn failed(&mut self, dht: &mut Dht, purpose: Purpose) {
        match purpose {
            Purpose::Search(search) => dht.searches.part_done(search),
            Purpose::Keep(..) => self.keep_failed(purpose),
        }
    }

    fn keep_failed(&mut self, purpose: Purpose) {
        let Purpose::Keep(at, id, set) = purpose else { return };
        let is_current = set == self.set;
        let Some(own) = self.own.get_mut(at) else { return };
        if is_current {
            own.given.remove(&id);
        }
        if own.given.is_empty() {
            own.failures = own.failures.saturating_add(1);
            own.next = Instant::now() + LOOKUP_PAUSE.saturating_mul(1 << own.failures.min(10)).min(LOOKUP_PAUSE_MAX);
        }
        if own.answers.replace(false) != Some(false) {
            self.tell();
        }
    }

    fn taken(&mut self, at: usize, id: &LookupId, set: u64, kept: Kept) {
        let is_current = set == self.set;
        let Some(own) = self.own.get_mut(at) else { return };
        if is_current {
            own.given.remove(id);
        }
        match kept {
            Kept::Yes | Kept::Known | Kept::Refused => {
                if is_current {
                    own.untaken.remove(id);
                }
                own.failures = 0;
            }
            Kept::Full => own.next = Instant::now() + LOOKUP_PAUSE_MAX,
        }
        if own.answers.replace(true) != Some(true) {
            self.tell();
        }
    }

    /// Tells the core which of our servers answer.
    pub(super) fn tell(&self) {
        let standing = self.own.iter().map(|own| (own.addresses.clone(), own.answers)).collect();
        self.answers.tell(Input::Lookups(standing));
    }
}
