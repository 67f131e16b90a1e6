//! The finder: looks for the contact records of people whom the user has asked for
//! friendship by Peer ID alone. Until one is found the request waits as `unresolved`.

use crate::command::{Direction, RequestStatus};
use crate::invites::contact::{ContactRecord, VerifiedContact};
use crate::limits::{FIND_PAUSE, FIND_PAUSE_MAX, FINDS_MAX, LINK_MAX};
use crate::rows::Request;
use crate::seam::{Look, NetAction};
use crate::state::State;
use crate::turn::Turn;
use std::collections::BTreeMap;
use std::ops::Bound;
use symbolon_presence::codec;
use symbolon_presence::id::{LookupId, RequestId};
use symbolon_presence::posted::{Item, contact_id};
use symbolon_presence::time::Timestamp;

/// Whom the finder looks for. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    /// At most [`FINDS_MAX`].
    sought: BTreeMap<LookupId, RequestId>,
    due: Option<Timestamp>,
    /// Rounds in a row.
    rounds: u32,
    /// The last request looked at: all get their turn.
    last: Option<RequestId>,
}

impl Finder {
    /// Looks soon: somebody new is wanted, or there is a new place to look at.
    pub fn begin_again(&mut self, state: &State, now: Timestamp) {
        self.rounds = 0;
        self.due = state.requests.values().any(is_sought).then_some(now);
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Looks for the next of those who are sought.
    pub fn tick(&mut self, state: &State, turn: &mut Turn<'_>) {
        if self.due.is_none_or(|due| due > turn.now) {
            return;
        }
        self.sought.clear();
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = state.requests.range((after, Bound::Unbounded)).chain(state.requests.iter());
        for (id, row) in rest.filter(|(_, row)| is_sought(row)).take(FINDS_MAX) {
            let lookup = contact_id(&row.peer);
            if self.sought.insert(lookup, *id).is_none() {
                turn.act(NetAction::Resolve(lookup, Look::Everywhere));
            }
            self.last = Some(*id);
        }
        let pause = FIND_PAUSE.saturating_mul(1 << self.rounds.min(20)).min(FIND_PAUSE_MAX);
        self.rounds = self.rounds.saturating_add(1);
        self.due = (!self.sought.is_empty()).then(|| turn.now.after(pause));
    }

    /// Something was found under an id. It may be anything. Answers the request that waits for it, and whom it
    /// leads to.
    pub fn found(&self, state: &State, now: Timestamp, id: &LookupId, bytes: &[u8]) -> Option<(RequestId, VerifiedContact)> {
        let request = self.sought.get(id)?;
        let row = state.requests.get(request).filter(|row| is_sought(row))?;
        let item = Item::read(bytes, now).ok().filter(|item| item.id == *id)?;
        let record = codec::decode::<ContactRecord>(&item.contact?, LINK_MAX).ok()?;
        let contact = record.verify(now).ok().filter(|contact| contact.signer.peer == row.peer)?;
        Some((*request, contact))
    }

    /// What was found under an id is used: more of it is not looked at.
    pub fn finish(&mut self, id: &LookupId) {
        self.sought.remove(id);
    }
}

fn is_sought(row: &Request) -> bool {
    row.direction == Direction::Out && row.status == RequestStatus::Unresolved
}
