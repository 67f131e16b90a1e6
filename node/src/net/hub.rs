//! Hubs of rooms: `/symbolon/room/1`, one question and one answer on each stream. A question may be held for a while before
//! it is answered.
//!
//! Who is asked is known by addresses alone: what a hub says proves itself, or is worth nothing.

pub(super) mod messages;

use crate::net::answers::Answers;
use crate::net::connections::Connections;
use crate::net::endpoint::Endpoint;
use crate::net::limits::{HUB_ASKED_MAX, HUB_CALLS_MAX, HUB_PLACES_MAX, HUB_QUESTIONS_MAX};
use crate::net::swarm::Behaviour;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId as TransportId, Swarm};
use std::collections::{HashMap, HashSet};
use symbolon_core::seam::{Address, AskId, Input, QuestionId, Source};

/// A hub that is being dialled, with what it is to be asked.
#[derive(Debug)]
struct Call {
    places: Vec<Multiaddr>,
    dialling: HashSet<ConnectionId>,
    questions: Vec<(AskId, Vec<u8>)>,
}

/// A question that we are asked.
#[derive(Debug)]
struct Question {
    request: InboundRequestId,
    connection: ConnectionId,
    channel: ResponseChannel<Vec<u8>>,
}

/// Hubs that we ask, and those who ask us as one.
#[derive(Debug)]
pub(super) struct Hubs {
    /// At most [`HUB_CALLS_MAX`].
    calls: HashMap<u64, Call>,
    next_call: u64,
    /// At most [`HUB_ASKED_MAX`].
    asked: HashMap<OutboundRequestId, (AskId, TransportId)>,
    /// At most [`HUB_QUESTIONS_MAX`].
    questions: HashMap<u64, Question>,
    next_question: u64,
    answers: Answers,
}

fn plain(address: &Multiaddr) -> Option<Endpoint> {
    Endpoint::from_multiaddr(address).map(|endpoint| Endpoint { expects: None, ..endpoint })
}

impl Hubs {
    pub(super) fn new(answers: Answers) -> Self {
        Self { calls: HashMap::new(), next_call: 0, asked: HashMap::new(), questions: HashMap::new(), next_question: 0, answers }
    }

    /// Whether a connection is needed for a question: one that we asked there, or are asked.
    pub(super) fn holds(&self, connection: ConnectionId, peer: &TransportId) -> bool {
        self.asked.values().any(|(_, of)| of == peer) || self.questions.values().any(|question| question.connection == connection)
    }

    fn fail(&self, ask: AskId) {
        self.answers.tell(Input::HubAnswered(ask, None));
    }

    /// Asks a hub, on a connection that stands or a new one.
    pub(super) fn ask(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connections: &Connections,
        (ask, sockets, bytes): (AskId, Vec<Address>, Vec<u8>),
    ) {
        let parsed = sockets.iter().take(2 * HUB_PLACES_MAX).filter_map(|address| Multiaddr::try_from(address.0.clone()).ok());
        let wanted: Vec<Endpoint> =
            parsed.filter_map(|address| plain(&address)).filter(|endpoint| endpoint.is_dialable()).take(HUB_PLACES_MAX).collect();
        if self.asked.len() >= HUB_ASKED_MAX {
            self.fail(ask);
            return;
        }
        if let Some(peer) = connections.standing_at(|remote| plain(remote).is_some_and(|remote| wanted.contains(&remote))) {
            self.send(swarm, peer, ask, bytes);
            return;
        }
        let places: Vec<Multiaddr> = wanted.into_iter().map(Endpoint::multiaddr).collect();
        let waiting: usize = self.calls.values().map(|call| call.questions.len()).sum();
        if let Some(call) = self.calls.values_mut().find(|call| call.places == places).filter(|_| waiting < HUB_ASKED_MAX) {
            call.questions.push((ask, bytes));
            return;
        }
        let mut call = Call { places, dialling: HashSet::new(), questions: vec![(ask, bytes)] };
        if self.calls.len() < HUB_CALLS_MAX {
            for place in &call.places {
                let options = DialOpts::unknown_peer_id().address(place.clone()).build();
                let connection = options.connection_id();
                if swarm.dial(options).is_ok() {
                    call.dialling.insert(connection);
                }
            }
        }
        if call.dialling.is_empty() {
            self.fail(ask);
            return;
        }
        self.next_call += 1;
        self.calls.insert(self.next_call, call);
    }

    fn send(&mut self, swarm: &mut Swarm<Behaviour>, peer: TransportId, ask: AskId, bytes: Vec<u8>) {
        let request = swarm.behaviour_mut().hub.send_request(&peer, bytes);
        self.asked.insert(request, (ask, peer));
    }

    fn call_of(&self, connection: ConnectionId) -> Option<u64> {
        self.calls.iter().find(|(_, call)| call.dialling.contains(&connection)).map(|(id, _)| *id)
    }

    /// A connection stands. A hub that was dialled is asked; the other attempts to reach it are answered, which are in vain.
    /// None when no hub was dialled by it.
    pub(super) fn connected(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: TransportId,
        connection: ConnectionId,
    ) -> Option<impl Iterator<Item = ConnectionId> + use<>> {
        let call = self.call_of(connection).and_then(|id| self.calls.remove(&id))?;
        for (ask, bytes) in call.questions {
            self.send(swarm, peer, ask, bytes);
        }
        Some(call.dialling.into_iter().filter(move |other| *other != connection))
    }

    /// An attempt to reach a hub has failed.
    pub(super) fn dial_failed(&mut self, connection: ConnectionId) {
        let Some(id) = self.call_of(connection) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.dialling.remove(&connection);
        if call.dialling.is_empty()
            && let Some(call) = self.calls.remove(&id)
        {
            call.questions.iter().for_each(|(ask, _)| self.fail(*ask));
        }
    }

    /// A hub has answered, or will not.
    pub(super) fn answered(&mut self, request: OutboundRequestId, answer: Option<Vec<u8>>) {
        if let Some((ask, _)) = self.asked.remove(&request) {
            self.answers.tell(Input::HubAnswered(ask, answer));
        }
    }

    /// The swarm is another one: nothing of before is answered any more.
    pub(super) fn begin_again(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        let waiting = calls.into_values().flat_map(|call| call.questions).map(|(ask, _)| ask);
        let asked = std::mem::take(&mut self.asked).into_values().map(|(ask, _)| ask);
        waiting.chain(asked).collect::<Vec<_>>().into_iter().for_each(|ask| self.fail(ask));
        self.questions.clear();
    }

    /// Somebody asks us. What is too much is dropped, which ends the stream.
    pub(super) fn asks(
        &mut self,
        (request, connection): (InboundRequestId, ConnectionId),
        source: u64,
        bytes: Vec<u8>,
        channel: ResponseChannel<Vec<u8>>,
    ) {
        if self.questions.len() >= HUB_QUESTIONS_MAX {
            return;
        }
        self.next_question += 1;
        self.questions.insert(self.next_question, Question { request, connection, channel });
        self.answers.tell(Input::HubAsked(QuestionId(self.next_question), Source(source), bytes));
    }

    /// A question of somebody's is answered.
    pub(super) fn answer(&mut self, swarm: &mut Swarm<Behaviour>, question: QuestionId, bytes: Vec<u8>) {
        if let Some(Question { channel, .. }) = self.questions.remove(&question.0) {
            // The one who asked may be gone.
            let _ = swarm.behaviour_mut().hub.send_response(channel, bytes);
        }
    }

    /// Nobody waits for the answer to a question any more.
    pub(super) fn gone(&mut self, request: InboundRequestId) {
        self.questions.retain(|_, question| question.request != request);
    }
}
