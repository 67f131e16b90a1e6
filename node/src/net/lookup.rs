//! Lookup servers: `/symbolon/lookup/1`, one question and one answer on each stream.
//!
//! Our own servers (named by the user, and our relays) are given our records and asked for
//! those of friends; a friend's servers are asked for the friend's. They stand beside the
//! DHT: whoever answers first helps, whoever lies or is silent costs time. A server keeps
//! what it is given in the same store as what the DHT gives it.

use crate::net::driver::Driver;
use crate::net::endpoint::Endpoint;
use crate::net::frame::write_frame;
use crate::net::limits::{
    LOOKUP_AGAIN, LOOKUP_ASKED_MAX, LOOKUP_CALLS_MAX, LOOKUP_PAUSE, LOOKUP_PAUSE_MAX, LOOKUP_PLACES_MAX, LOOKUP_QUESTION, LOOKUP_STREAMS,
};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::request_response::{self, Codec, Event, Message, OutboundRequestId, ProtocolSupport};
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId as TransportId, StreamProtocol};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::time::Instant;
use symbolon_core::seam::{Address, Input};
use symbolon_presence::id::LookupId;
use symbolon_relay::lookup::{Answer, Ask, Kept, MESSAGE_MAX};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbolon/lookup/1");

/// Reads and writes the messages: a varint with the length, as for frames, then the message.
#[derive(Debug, Clone, Default)]
pub(super) struct Messages;

async fn read_message<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut length = 0usize;
    for at in 0..3 {
        let mut byte = [0; 1];
        io.read_exact(&mut byte).await?;
        let [byte] = byte;
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            // One form for each length, as everywhere.
            let is_shortest = at == 0 || byte != 0;
            if length == 0 || length > MESSAGE_MAX || !is_shortest {
                break;
            }
            let mut message = vec![0; length];
            io.read_exact(&mut message).await?;
            return Ok(message);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

async fn write_message<T: AsyncWrite + Unpin + Send>(io: &mut T, message: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(message.len() + 3);
    write_frame(message, &mut bytes);
    io.write_all(&bytes).await?;
    io.close().await
}

impl Codec for Messages {
    type Protocol = StreamProtocol;
    type Request = Ask;
    type Response = Answer;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Ask> {
        Ask::decode(&read_message(io).await?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer> {
        Answer::decode(&read_message(io).await?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, ask: Ask) -> io::Result<()> {
        write_message(io, &ask.encode()).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, answer: Answer) -> io::Result<()> {
        write_message(io, &answer.encode()).await
    }
}

/// The behaviour; only a server is asked.
pub(super) fn behaviour(is_server: bool) -> request_response::Behaviour<Messages> {
    let support = if is_server { ProtocolSupport::Full } else { ProtocolSupport::Outbound };
    let config = request_response::Config::default().with_request_timeout(LOOKUP_QUESTION).with_max_concurrent_streams(LOOKUP_STREAMS);
    request_response::Behaviour::with_codec(Messages, [(PROTOCOL, support)], config)
}

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
    /// When it is given everything again: it may have been started anew.
    again: Instant,
}

/// A server that is being dialled, with what it is to be asked.
#[derive(Debug)]
struct Call {
    places: Vec<Multiaddr>,
    dialling: HashSet<ConnectionId>,
    questions: Vec<(Purpose, Ask)>,
}

/// Lookup servers, ours and friends'.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    own: Vec<Own>,
    /// Number of the last list of own servers.
    number: u64,
    /// At most [`LOOKUP_CALLS_MAX`].
    calls: HashMap<u64, Call>,
    next_call: u64,
    /// At most [`LOOKUP_ASKED_MAX`], those that wait in calls among them.
    asked: HashMap<OutboundRequestId, Purpose>,
}

fn places_of(addresses: &[Address]) -> Vec<Multiaddr> {
    let parsed = addresses.iter().take(LOOKUP_PLACES_MAX * 2).filter_map(|address| Multiaddr::try_from(address.0.clone()).ok());
    let dialable = parsed.filter_map(|address| Endpoint::from_multiaddr(&address)).filter(|endpoint| endpoint.is_dialable());
    dialable.map(Endpoint::multiaddr).take(LOOKUP_PLACES_MAX).collect()
}

fn plain(address: &Multiaddr) -> Option<Endpoint> {
    Endpoint::from_multiaddr(address).map(|endpoint| Endpoint { expects: None, ..endpoint })
}

impl Lookups {
    /// Whether a server of ours is to be given something.
    pub(super) fn is_restless(&self) -> bool {
        !self.own.is_empty() || !self.calls.is_empty()
    }

    /// Whether servers of ours are being given something.
    pub(super) fn are_taking(&self) -> bool {
        self.own.iter().any(|own| !own.given.is_empty())
    }

    fn is_full(&self) -> bool {
        let waiting: usize = self.calls.values().map(|call| call.questions.len()).sum();
        self.asked.len() + waiting >= LOOKUP_ASKED_MAX
    }

    /// These are our records now: every server of ours is to have them, whatever it is being given.
    pub(super) fn publish(&mut self, ids: &[LookupId]) {
        for own in &mut self.own {
            own.untaken = ids.iter().copied().collect();
            own.given.clear();
            own.next = own.next.min(Instant::now() + LOOKUP_PAUSE * own.failures.min(1));
        }
    }

    /// A record of ours is over.
    pub(super) fn forget(&mut self, id: &LookupId) {
        for own in &mut self.own {
            own.untaken.remove(id);
        }
    }
}

impl Driver {
    /// These are our servers now, each by its addresses.
    pub(super) fn set_lookups(&mut self, number: u64, servers: Vec<(Vec<Address>, Vec<Address>)>) {
        if number < self.lookups.number {
            return;
        }
        self.lookups.number = number;
        let mut known: Vec<Own> = std::mem::take(&mut self.lookups.own);
        let ids: BTreeSet<LookupId> = self.own_ids().collect();
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
            self.lookups.own.push(own);
        }
        // The places of those in the list have moved: what they are being given is given again.
        self.lookups.asked.retain(|_, purpose| matches!(purpose, Purpose::Search(_)));
        for call in self.lookups.calls.values_mut() {
            call.questions.retain(|(purpose, _)| matches!(purpose, Purpose::Search(_)));
        }
        for own in &mut self.lookups.own {
            own.given.clear();
        }
        self.tell_lookups();
        self.tend_lookups();
    }

    /// The swarm is another one: what was asked will not be answered, and everything is given again.
    pub(super) fn lookups_begin_again(&mut self) {
        let ids: BTreeSet<LookupId> = self.own_ids().collect();
        self.lookups.calls.clear();
        self.lookups.asked.clear();
        for own in &mut self.lookups.own {
            own.untaken.clone_from(&ids);
            own.given.clear();
            own.next = Instant::now();
            own.failures = 0;
        }
    }

    /// Gives our servers what they have not taken.
    pub(super) fn tend_lookups(&mut self) {
        let ids: BTreeSet<LookupId> = self.own_ids().collect();
        for at in 0..self.lookups.own.len() {
            let Some(own) = self.lookups.own.get_mut(at) else { continue };
            if own.again <= Instant::now() {
                own.again = Instant::now() + LOOKUP_AGAIN;
                own.untaken.extend(ids.iter().copied());
            }
            if own.next > Instant::now() {
                continue;
            }
            let (places, due) = (own.places.clone(), own.untaken.difference(&own.given).copied().collect::<Vec<_>>());
            for id in due {
                let Some(record) = self.own_record(&id) else {
                    self.lookups.forget(&id);
                    continue;
                };
                if let Some(own) = self.lookups.own.get_mut(at) {
                    own.given.insert(id);
                }
                self.ask_server(&places, Purpose::Keep(at, id, self.published()), Ask::Put(record));
            }
        }
    }

    /// Asks our servers and these. How many answers will come.
    pub(super) fn ask_servers(&mut self, search: u64, id: LookupId, servers: &[Vec<Address>]) -> usize {
        let mut all: Vec<Vec<Multiaddr>> = self.lookups.own.iter().map(|own| own.places.clone()).collect();
        all.extend(servers.iter().map(|addresses| places_of(addresses)));
        all.retain(|places| !places.is_empty());
        all.sort();
        all.dedup();
        // Each answers at once when it cannot be asked: the search must know of all before.
        all.into_iter().map(|places| self.ask_server(&places, Purpose::Search(search), Ask::Get(id))).filter(|is_asked| *is_asked).count()
    }

    /// Asks a server, on a connection that stands or a new one. False when that is not possible now.
    fn ask_server(&mut self, places: &[Multiaddr], purpose: Purpose, ask: Ask) -> bool {
        if self.lookups.is_full() {
            self.keep_failed(purpose);
            return false;
        }
        let wanted: Vec<Endpoint> = places.iter().filter_map(plain).collect();
        if let Some(peer) = self.standing_at(|remote| plain(remote).is_some_and(|remote| wanted.contains(&remote))) {
            let request = self.swarm.behaviour_mut().lookup.send_request(&peer, ask);
            self.lookups.asked.insert(request, purpose);
            return true;
        }
        if let Some(call) = self.lookups.calls.values_mut().find(|call| call.places == places) {
            call.questions.push((purpose, ask));
            return true;
        }
        let mut call = Call { places: places.to_vec(), dialling: HashSet::new(), questions: vec![(purpose, ask)] };
        if self.lookups.calls.len() < LOOKUP_CALLS_MAX {
            for place in places {
                let options = DialOpts::unknown_peer_id().address(place.clone()).build();
                let connection = options.connection_id();
                if self.swarm.dial(options).is_ok() {
                    call.dialling.insert(connection);
                }
            }
        }
        if call.dialling.is_empty() {
            self.keep_failed(purpose);
            return false;
        }
        self.lookups.next_call += 1;
        self.lookups.calls.insert(self.lookups.next_call, call);
        true
    }

    fn call_of(&self, connection: ConnectionId) -> Option<u64> {
        self.lookups.calls.iter().find(|(_, call)| call.dialling.contains(&connection)).map(|(id, _)| *id)
    }

    /// A server that was dialled is there: it is asked. Whether the connection is one of these.
    pub(super) fn lookup_connected(&mut self, peer: TransportId, connection: ConnectionId) -> bool {
        let Some(call) = self.call_of(connection).and_then(|id| self.lookups.calls.remove(&id)) else { return false };
        for (purpose, ask) in call.questions {
            let request = self.swarm.behaviour_mut().lookup.send_request(&peer, ask);
            self.lookups.asked.insert(request, purpose);
        }
        // By its other addresses it is dialled in vain.
        self.forget_dials(call.dialling.into_iter().filter(|other| *other != connection));
        true
    }

    /// An attempt to reach a server has failed.
    pub(super) fn lookup_dial_failed(&mut self, connection: ConnectionId) {
        let Some(id) = self.call_of(connection) else { return };
        let Some(call) = self.lookups.calls.get_mut(&id) else { return };
        call.dialling.remove(&connection);
        if call.dialling.is_empty()
            && let Some(call) = self.lookups.calls.remove(&id)
        {
            for (purpose, _) in call.questions {
                self.failed(purpose);
            }
        }
    }

    /// A question will not be answered.
    fn failed(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Search(search) => self.search_part_done(search),
            Purpose::Keep(..) => self.keep_failed(purpose),
        }
    }

    fn keep_failed(&mut self, purpose: Purpose) {
        let Purpose::Keep(at, id, set) = purpose else { return };
        let is_current = set == self.published();
        let Some(own) = self.lookups.own.get_mut(at) else { return };
        if is_current {
            own.given.remove(&id);
        }
        if own.given.is_empty() {
            own.failures = own.failures.saturating_add(1);
            own.next = Instant::now() + LOOKUP_PAUSE.saturating_mul(1 << own.failures.min(10)).min(LOOKUP_PAUSE_MAX);
        }
        if own.answers.replace(false) != Some(false) {
            self.tell_lookups();
        }
    }

    fn taken(&mut self, at: usize, id: &LookupId, set: u64, kept: Kept) {
        let is_current = set == self.published();
        let Some(own) = self.lookups.own.get_mut(at) else { return };
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
            self.tell_lookups();
        }
    }

    /// Tells the core which of our servers answer.
    pub(super) fn tell_lookups(&self) {
        let standing = self.lookups.own.iter().map(|own| (own.addresses.clone(), own.answers)).collect();
        self.dht.answer(Input::Lookups(standing));
    }

    pub(super) fn handle_lookup(&mut self, event: Event<Ask, Answer>) {
        match event {
            Event::Message { peer, connection_id, message: Message::Request { request, channel, .. } } => {
                let answer = match request {
                    Ask::Get(id) => Answer::Found(self.kept_record(&id)),
                    Ask::Put(record) => {
                        let giver = self.giver(&peer, connection_id);
                        Answer::Put(self.keep(record, giver))
                    }
                };
                // Whoever asked may be gone.
                let _ = self.swarm.behaviour_mut().lookup.send_response(channel, answer);
            }
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                let Some(purpose) = self.lookups.asked.remove(&request_id) else { return };
                match (purpose, response) {
                    (Purpose::Search(search), Answer::Found(record)) => {
                        if let Some(record) = record {
                            self.search_found(search, record);
                        }
                        self.search_part_done(search);
                    }
                    (Purpose::Keep(at, id, set), Answer::Put(kept)) => self.taken(at, &id, set, kept),
                    (Purpose::Search(_), Answer::Put(_)) | (Purpose::Keep(..), Answer::Found(_)) => self.failed(purpose),
                }
            }
            Event::OutboundFailure { request_id, .. } => {
                if let Some(purpose) = self.lookups.asked.remove(&request_id) {
                    self.failed(purpose);
                }
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }
}
