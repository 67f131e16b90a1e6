//! Hubs of rooms in a simulation: the real one at a relay, everything that it ever sees, and what a hostile one makes of it.

use super::relays::{RELAYS, relay_at};
use super::run::{Happening, Ix, Sim, node_at};
use std::collections::BTreeMap;
use symbolon_core::seam::{Address, AskId, Input, QuestionId, Source};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{SECOND, Timestamp};
use symbolon_relay::hub::Hub;
use symbolon_relay::knock::{Answer, Ask};

/// What a hostile hub makes of a question.
pub type Meddle = fn(Ask) -> Vec<Ask>;

/// Questions to nodes that are hubs.
#[derive(Default)]
pub(super) struct AtNodes {
    /// Who waits for the answer: which node, of which start, and by which question of its own.
    questions: BTreeMap<u64, (Ix, u64, AskId)>,
    next: u64,
    /// The last answer to somebody who is no node.
    told: Option<Answer>,
}

/// A hub at a relay.
pub struct SimHub {
    hub: Hub,
    /// Who waits for the answer to each question.
    questions: BTreeMap<u64, (Ix, u64, AskId)>,
    next: u64,
    timer: Option<Timestamp>,
    /// All that it was asked and has answered.
    pub seen: Vec<Vec<u8>>,
    /// When it gave a knock to somebody (true), and when it got a word (false).
    pub turns: Vec<(Timestamp, bool)>,
    /// What it has answered to those who are no nodes, by question.
    pub told: BTreeMap<u64, Answer>,
    /// What it makes of questions; nothing when it is honest.
    pub meddle: Option<Meddle>,
    /// Whether it turns round the order of what is said: of two sayings the later one comes first.
    pub turns_round: bool,
    held_back: Option<(u64, u64, Ask)>,
    /// What it makes of answers.
    pub distort: Option<fn(Answer) -> Answer>,
}

impl Sim {
    /// Lets a relay be a hub of rooms.
    pub fn add_hub(&mut self, relay: Ix) {
        let hub = Hub::new(Secret::from_bytes(self.seed()));
        let (questions, next, timer, seen) = (BTreeMap::new(), 0, None, Vec::new());
        let (turns, told) = (Vec::new(), BTreeMap::new());
        let fresh =
            SimHub { hub, questions, next, timer, seen, turns, told, meddle: None, turns_round: false, held_back: None, distort: None };
        self.hubs.insert(relay, fresh);
    }

    /// The hub at a relay.
    pub fn hub(&mut self, relay: Ix) -> &mut SimHub {
        self.hubs.get_mut(&relay).expect("a hub was added there")
    }

    /// Somebody who is no node asks a hub, from a place of their own. Answers the question's number; the answer will be in
    /// [`SimHub::told`].
    pub fn ask_as_stranger(&mut self, relay: Ix, source: u64, ask: &Ask) -> u64 {
        let hub = self.hub(relay);
        hub.next += 1;
        let question = hub.next;
        self.hub_turn(relay, &Input::HubAsked(QuestionId(question), Source(source), ask.encode()));
        question
    }

    /// A hub is started again: it has nothing of before.
    pub fn restart_hub(&mut self, relay: Ix) {
        let seed = self.seed();
        let hub = self.hub(relay);
        hub.hub = Hub::new(Secret::from_bytes(seed));
        let questions = std::mem::take(&mut hub.questions);
        for (node, incarnation, ask) in questions.into_values() {
            let at = self.now.after(1);
            self.plan(at, node, incarnation, Happening::Input(Input::HubAnswered(ask, None)));
        }
    }

    pub(super) fn ask_hub(&mut self, ix: Ix, ask: AskId, places: &[Address], bytes: Vec<u8>) {
        self.trace.add(&bytes);
        let incarnation = self.nodes[ix].incarnation;
        let at = self.now.after(1 + self.below(self.faults.latency.max(1)));
        let relay = places.iter().find_map(relay_at).filter(|relay| !self.relays[*relay - RELAYS].gone);
        let is_lost = self.happens(self.faults.loss);
        if let Some(node) = self.node_found(ix, places).filter(|_| !is_lost) {
            self.at_nodes.next += 1;
            let question = self.at_nodes.next;
            self.at_nodes.questions.insert(question, (ix, incarnation, ask));
            let asked = Input::HubAsked(QuestionId(question), Source(u64::try_from(ix).unwrap_or_default()), bytes);
            let of = self.nodes[node].incarnation;
            self.plan(at, node, of, Happening::Input(asked));
            return;
        }
        match relay.and_then(|relay| Some((relay, self.hubs.get_mut(&relay)?))).filter(|_| !is_lost) {
            Some((relay, hub)) => {
                hub.next += 1;
                let question = hub.next;
                hub.questions.insert(question, (ix, incarnation, ask));
                let asked = Input::HubAsked(QuestionId(question), Source(u64::try_from(ix).unwrap_or_default()), bytes);
                let of = self.relays[relay - RELAYS].incarnation;
                self.plan(at, relay, of, Happening::Input(asked));
            }
            None => self.plan(at.after(5 * SECOND), ix, incarnation, Happening::Input(Input::HubAnswered(ask, None))),
        }
    }

    /// Which node is at one of these places, and reached from there.
    fn node_found(&self, from: Ix, places: &[Address]) -> Option<Ix> {
        let lives_there = |at: &(Ix, u32)| at.0 < RELAYS && self.houses.get(&at.0).copied().unwrap_or_default() == at.1;
        let (node, _) = places.iter().filter_map(node_at).find(lives_there)?;
        let is_reached = self.nodes[node].is_up() && !self.apart.contains(&(from.min(node), from.max(node)));
        is_reached.then_some(node)
    }

    /// Somebody who is no node asks a node as a hub. What it answers at once.
    pub fn ask_node_as_stranger(&mut self, ix: Ix, ask: &Ask) -> Option<Answer> {
        self.at_nodes.next += 1;
        let question = QuestionId(self.at_nodes.next);
        self.at_nodes.told = None;
        self.deliver(ix, vec![Input::HubAsked(question, Source(9), ask.encode())], false);
        self.at_nodes.told.take()
    }

    /// A node answers as a hub.
    pub(super) fn answered_by_node(&mut self, question: QuestionId, bytes: Vec<u8>) {
        self.trace.add(&bytes);
        let Some((node, incarnation, ask)) = self.at_nodes.questions.remove(&question.0) else {
            self.at_nodes.told = Answer::decode(&bytes).ok();
            return;
        };
        let at = self.now.after(1 + self.below(self.faults.latency.max(1)));
        self.plan(at, node, incarnation, Happening::Input(Input::HubAnswered(ask, Some(bytes))));
    }

    /// Something for a hub, or its timer.
    pub(super) fn hub_turn(&mut self, relay: Ix, input: &Input) {
        let now = self.now;
        let Some(hub) = self.hubs.get_mut(&relay) else { return };
        if let Input::HubAsked(QuestionId(question), Source(source), bytes) = input {
            hub.seen.push(bytes.clone());
            if matches!(Ask::decode(bytes), Ok(Ask::Say(_))) {
                hub.turns.push((now, false));
            }
            match (hub.meddle, Ask::decode(bytes)) {
                (_, Ok(ask @ (Ask::Say(_) | Ask::Knock(_) | Ask::Respond(_)))) if hub.turns_round => {
                    let asked = (*question, *source, ask);
                    let Some(before) = hub.held_back.take() else {
                        hub.held_back = Some(asked);
                        return;
                    };
                    for (question, source, ask) in [asked, before] {
                        hub.hub.ask(now, question, source, &ask.encode());
                    }
                }
                (Some(meddle), Ok(ask)) => {
                    for (nth, ask) in (0u64..).zip(meddle(ask)) {
                        // What it adds is answered to nobody.
                        let id = if nth == 0 { *question } else { u64::MAX - hub.next * 8 - nth };
                        hub.hub.ask(now, id, *source, &ask.encode());
                    }
                }
                _ => hub.hub.ask(now, *question, *source, bytes),
            }
        } else {
            hub.timer = None;
            hub.hub.tick(now);
        }
        let mut answers = Vec::new();
        while let Some((question, bytes)) = hub.hub.poll_answer() {
            hub.seen.push(bytes.clone());
            let distorted = hub.distort.and_then(|distort| Some(distort(Answer::decode(&bytes).ok()?).encode()));
            let bytes = distorted.unwrap_or(bytes);
            match (hub.questions.remove(&question), Answer::decode(&bytes)) {
                (Some(to), answer) => {
                    if matches!(answer, Ok(Answer::Knocks(..))) {
                        hub.turns.push((now, true));
                    }
                    answers.push((to, bytes));
                }
                (None, Ok(answer)) => drop(hub.told.insert(question, answer)),
                (None, Err(_)) => {}
            }
        }
        let due = hub.hub.next_due().filter(|due| hub.timer.is_none_or(|timer| *due < timer));
        if due.is_some() {
            hub.timer = due;
        }
        if let Some(due) = due {
            let of = self.relays[relay - RELAYS].incarnation;
            self.plan(due.max(now.after(1)), relay, of, Happening::Input(Input::Tick));
        }
        for ((node, incarnation, ask), bytes) in answers {
            self.trace.add(&bytes);
            let at = self.now.after(1 + self.below(self.faults.latency.max(1)));
            self.plan(at, node, incarnation, Happening::Input(Input::HubAnswered(ask, Some(bytes))));
        }
    }
}
