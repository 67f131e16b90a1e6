//! This node as a hub, when its user has said so: of rooms that it is in, and of no others.
//!
//! It is the hub that relays have. What this node itself asks of it, as a member or a newcomer, stays inside.

use crate::rows::Group;
use crate::seam::{AskId, NetAction, QuestionId, Source};
use crate::state::State;
use crate::turn::Turn;
use symbolon_presence::id::RoomAlias;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;
use symbolon_relay::hub::Hub;
use symbolon_relay::knock::{Answer, Ask, Refusal};

/// Marks the numbers of our own questions. The world counts its own from one.
const OWN: u64 = 1 << 63;
/// Where they come from: no place in the world.
const NOWHERE: Source = Source(u64::MAX);

fn alias_of(group: &Group) -> Option<RoomAlias> {
    group.roster.knocks.as_ref().map(|knocks| knocks.alias)
}

/// The hub here, if there is one.
#[derive(Debug, Default)]
pub(super) struct Host {
    hub: Option<Hub>,
}

impl Host {
    /// After a start: nothing of it is stored.
    pub fn new(state: &State, turn: &mut Turn<'_>) -> Self {
        Self { hub: state.own.is_hub.then(|| Hub::new(Secret::random(turn.rng))) }
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        self.hub.as_ref().and_then(Hub::next_due)
    }

    /// Somebody asks. One that is no hub answers nothing.
    pub fn asks(&mut self, state: &State, turn: &mut Turn<'_>, question: QuestionId, source: Source, bytes: &[u8]) {
        if question.0 & OWN == 0 {
            self.asked(state, turn, question.0, source, bytes);
        }
    }

    /// This node asks itself.
    pub fn asks_itself(&mut self, state: &State, turn: &mut Turn<'_>, ask: AskId, bytes: &[u8]) {
        self.asked(state, turn, ask.0 | OWN, NOWHERE, bytes);
    }

    fn asked(&mut self, state: &State, turn: &mut Turn<'_>, question: u64, source: Source, bytes: &[u8]) {
        let Some(hub) = &mut self.hub else { return };
        let is_ours = |ask: Ask| state.groups.rooms.values().any(|group| group.is_member() && alias_of(group) == Some(ask.room()));
        if Ask::decode(bytes).is_ok_and(is_ours) {
            hub.ask(turn.now, question, source.0, bytes);
        } else if question & OWN == 0 {
            // They hear as little as of a room for which no member has listened.
            turn.act(NetAction::AnswerHub(QuestionId(question), Answer::Refused(Refusal::Unknown).encode()));
        }
    }

    /// Hands answers on that are ready; those to ourselves.
    pub fn answers(&mut self, turn: &mut Turn<'_>) -> Vec<(AskId, Vec<u8>)> {
        let Some(hub) = &mut self.hub else { return Vec::new() };
        if hub.next_due().is_some_and(|due| due <= turn.now) {
            hub.tick(turn.now);
        }
        let mut own = Vec::new();
        while let Some((question, bytes)) = hub.poll_answer() {
            if question & OWN == 0 {
                turn.act(NetAction::AnswerHub(QuestionId(question), bytes));
            } else {
                own.push((AskId(question & !OWN), bytes));
            }
        }
        own
    }
}
