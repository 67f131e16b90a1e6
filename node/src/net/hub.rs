//! Hubs of rooms: `/symbolon/room/1`, one question and one answer on each stream. A question may be held for a while before
//! it is answered.
//!
//! Who is asked is known by addresses alone: what a hub says proves itself, or is worth nothing.

pub(super) mod messages;

use crate::net::answers::Answers;
use crate::net::calls::{self, Calls, Stands, plain};
use crate::net::connections::Connections;
use crate::net::endpoint::Endpoint;
use crate::net::limits::{HUB_ASKED_MAX, HUB_CALLS_MAX, HUB_PLACES_MAX, HUB_QUESTIONS_MAX, HUB_QUESTIONS_OF_SOURCE};
use crate::net::swarm::Behaviour;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId as TransportId, Swarm};
use std::collections::HashMap;
use symbolon_core::seam::{Address, AskId, Input, QuestionId, Source};

/// A question that we are asked.
#[derive(Debug)]
struct Question {
    source: u64,
    request: InboundRequestId,
    connection: ConnectionId,
    channel: ResponseChannel<Vec<u8>>,
}

/// Hubs that we ask, and those who ask us as one.
#[derive(Debug)]
pub(super) struct Hubs {
    /// At most [`HUB_CALLS_MAX`].
    calls: Calls<(AskId, Vec<u8>)>,
    /// At most [`HUB_ASKED_MAX`], those that wait in calls among them.
    asked: HashMap<OutboundRequestId, (AskId, TransportId)>,
    /// At most [`HUB_QUESTIONS_MAX`].
    questions: HashMap<u64, Question>,
    next_question: u64,
    answers: Answers,
}

/// Whether one more question from a source has place among those that wait. A hub holds most of them for a while, so nobody may
/// have all places.
fn has_place(waiting: impl ExactSizeIterator<Item = u64>, source: u64) -> bool {
    waiting.len() < HUB_QUESTIONS_MAX && waiting.filter(|of| *of == source).count() < HUB_QUESTIONS_OF_SOURCE
}

impl Hubs {
    pub(super) fn new(answers: Answers) -> Self {
        Self { calls: Calls::new(HUB_CALLS_MAX), asked: HashMap::new(), questions: HashMap::new(), next_question: 0, answers }
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
        if self.asked.len() + self.calls.waiting() >= HUB_ASKED_MAX {
            self.fail(ask);
            return;
        }
        let places: Vec<Multiaddr> = wanted.into_iter().map(Endpoint::multiaddr).collect();
        if let Some(peer) = calls::standing(connections, &places) {
            self.send(swarm, peer, ask, bytes);
        } else if let Err((ask, _)) = self.calls.call(swarm, places, (ask, bytes)) {
            self.fail(ask);
        }
    }

    fn send(&mut self, swarm: &mut Swarm<Behaviour>, peer: TransportId, ask: AskId, bytes: Vec<u8>) {
        let request = swarm.behaviour_mut().hub.send_request(&peer, bytes);
        self.asked.insert(request, (ask, peer));
    }

    /// A connection stands. A hub that was dialled is asked; the other attempts to reach it are answered, which are in vain.
    /// None when no hub was dialled by it.
    pub(super) fn connected(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: TransportId,
        connection: ConnectionId,
    ) -> Option<Vec<ConnectionId>> {
        let Stands { questions, others } = self.calls.connected(connection)?;
        for (ask, bytes) in questions {
            self.send(swarm, peer, ask, bytes);
        }
        Some(others)
    }

    /// An attempt to reach a hub has failed.
    pub(super) fn dial_failed(&mut self, connection: ConnectionId) {
        for (ask, _) in self.calls.dial_failed(connection) {
            self.fail(ask);
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
        let waiting = self.calls.take().into_iter().map(|(ask, _)| ask);
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
        if !has_place(self.questions.values().map(|question| question.source), source) {
            return;
        }
        self.next_question += 1;
        self.questions.insert(self.next_question, Question { source, request, connection, channel });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_source_takes_all_places_of_a_hub() {
        let full = vec![1; HUB_QUESTIONS_OF_SOURCE];
        assert!(!has_place(full.iter().copied(), 1) && has_place(full.iter().copied(), 2));
        assert!(has_place(full.iter().skip(1).copied(), 1));
        let all: Vec<u64> = (0..HUB_QUESTIONS_MAX as u64).collect();
        assert!(!has_place(all.iter().copied(), u64::MAX) && has_place(all.iter().skip(1).copied(), u64::MAX));
    }
}
