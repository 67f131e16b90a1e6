//! The machine's work: what it does at each input, and when it wants to be woken.

use super::desk::Vouching;
use super::host::Host;
use super::talks::{For, Sent};
use super::{cards, knock, voucher};
use crate::groups::Groups;
use crate::invites::cards as links;
use crate::seam::{Address, AskId, NetAction, QuestionId, Source};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::RoomId;
use symbolon_presence::time::Timestamp;
use symbolon_relay::knock::Answer;

/// So often questions to ourselves lead to others within one turn; what is left waits for the next one.
const ROUNDS: usize = 8;

impl Vouching {
    /// After a start.
    pub fn start(&mut self, state: &State, turn: &mut Turn<'_>) {
        *self = Self { search: Some(turn.now), host: Host::new(state, turn), ..Self::default() };
        self.talks.start(turn);
        self.look(state, turn);
    }

    /// This node reaches others again.
    pub fn rouse(&mut self, turn: &Turn<'_>) {
        self.talks.rouse(turn.now);
        self.search = self.search.map(|_| turn.now);
        self.rounds = 0;
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.found.values().map(|found| found.at).chain(self.search).chain(self.talks.next_due()).chain(self.host.next_due()).min()
    }

    /// Does what is due.
    pub fn follow(&mut self, state: &mut State, groups: &mut Groups, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        if state.own.is_halted {
            return Ok(());
        }
        self.seek(state, turn);
        self.go_on_found(state, turn);
        self.renew(state, turn);
        self.converse(state, groups, turn)
    }

    /// Asks hubs what is due; this node itself, where the hub is here.
    fn converse(&mut self, state: &mut State, groups: &mut Groups, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let own = links::own_hub(state);
        let is_own = |hub: &[Address]| own.iter().flatten().any(|place| hub.contains(place));
        for _ in 0..ROUNDS {
            for Sent { ask, hub, bytes } in self.talks.ask(state, turn) {
                if is_own(&hub) {
                    self.host.asks_itself(state, turn, ask, &bytes);
                } else {
                    turn.act(NetAction::AskHub(ask, hub, bytes));
                }
            }
            let answers = self.host.answers(turn);
            if answers.is_empty() {
                break;
            }
            for (ask, bytes) in answers {
                self.answered(state, groups, turn, ask, Some(&bytes))?;
            }
        }
        Ok(())
    }

    /// Somebody asks this node as a hub.
    pub fn asked(&mut self, state: &State, turn: &mut Turn<'_>, question: QuestionId, source: Source, bytes: &[u8]) {
        if !state.own.is_halted {
            self.host.asks(state, turn, question, source, bytes);
        }
    }

    /// A hub has answered, or has not.
    pub fn answered(
        &mut self,
        state: &mut State,
        groups: &mut Groups,
        turn: &mut Turn<'_>,
        ask: AskId,
        bytes: Option<&[u8]>,
    ) -> Result<(), TurnFailed> {
        let Some(of) = self.talks.take(ask) else { return Ok(()) };
        let answer = bytes.and_then(|bytes| Answer::decode(bytes).ok());
        match (of, answer) {
            (For::Listen(room, hub), answer) => {
                if let Some(heard) = self.talks.listened(turn.now, (room, hub), answer.as_ref()) {
                    self.heard(state, groups, turn, (&room, hub), heard)?;
                }
            }
            (For::Knock(id, hub), answer) => self.knocked(state, turn, &id, hub, answer),
            (For::Await(id, hub), answer) => self.waited(state, turn, &id, hub, answer)?,
            (For::Said, answer) => self.talks.heard_said(turn.now, ask, answer.is_some()),
        }
        self.look(state, turn);
        Ok(())
    }
}

/// What has ended is forgotten.
pub(crate) fn expire(state: &mut State, turn: &mut Turn<'_>) {
    cards::move_hubs(state, turn);
    knock::expire(state, turn);
    voucher::expire(state, turn, None);
    cards::expire(state, turn);
}

/// A room is in another epoch than before: those who knocked may be in.
pub(crate) fn moved(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) {
    knock::moved(state, turn, room);
    voucher::expire(state, turn, Some(room));
}
