//! The machine, without its work: what it remembers between two inputs.

use super::host::Host;
use super::talks::{Say, Talks};
use crate::rows::HeardKnock;
use crate::state::State;
use crate::turn::Turn;
use crate::wire::VerifiedCard;
use std::collections::BTreeMap;
use symbolon_presence::id::{LookupId, Nonce, RequestId, RoomId};
use symbolon_presence::time::Timestamp;

/// The machine. Its rows are in the state; nothing else of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Vouching {
    pub(super) talks: Talks,
    /// This node as a hub.
    pub(super) host: Host,
    /// Bodies of cards that are looked for: for which knock, and of which day.
    pub(super) sought: BTreeMap<LookupId, (RequestId, u32)>,
    /// When the next look is due.
    pub(super) search: Option<Timestamp>,
    pub(super) rounds: u32,
    /// What was found, until nothing better is awaited.
    pub(super) found: BTreeMap<RequestId, FoundCard>,
    /// Knocks of others whose numbers were answered; at most [`PASSED_MAX`](super::talks::PASSED_MAX).
    pub(super) passed: Vec<Nonce>,
}

impl Vouching {
    /// Rooms, or knocks of ours, are others than before.
    pub fn look(&mut self, state: &State, turn: &mut Turn<'_>) {
        self.talks.follow(state, turn);
    }

    pub(super) fn say(&mut self, say: Say) {
        self.talks.say(say);
    }
}

/// A card whose body was found.
pub(super) struct FoundCard {
    pub card: VerifiedCard,
    /// When nothing better is awaited any more.
    pub at: Timestamp,
}

impl std::fmt::Debug for FoundCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FoundCard(..)")
    }
}

/// The knock with this number at a room.
pub(super) fn known<'a>(state: &'a State, room: &RoomId, nonce: &Nonce) -> Option<&'a HeardKnock> {
    state.vouching.heard.values().find(|row| row.room == *room && row.nonce == *nonce)
}
