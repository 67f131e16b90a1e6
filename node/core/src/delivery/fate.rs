//! What became of envelopes: read from receipts by their policies, and handed to their owners.
//!
//! What is the same for all is done here: a row that needs no more care is dropped, a copy is noted, the rest waits.

use super::links::*;
use super::outbox::{self, OutboxRow};
use super::owner::{EnvelopeOwner, Until};
use super::sealing;
use crate::people::requests;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::{DeviceId, MailboxId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::{Outcome, Refusal};

/// What became of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No copy of it counts any more: it waits as it did at first.
    Queued,
    /// A relay keeps a copy of it.
    Stored,
    /// Its recipient has it, as far as it is cared for.
    Delivered,
    /// Its recipient has put it off, because the two clocks disagree. It waits.
    Untimely,
    /// It was sealed in an epoch that its recipient does not keep any more: it is to be sealed again.
    Outgrown,
    /// Its recipient takes it never; or, of one that asks by an invite, a relay has seen that the invite was used.
    Refused(Refusal),
}

/// An envelope of which something became.
pub(crate) struct Settled {
    pub device: DeviceId,
    pub owner: EnvelopeOwner,
    pub fate: Fate,
    pub number: u64,
    then: Then,
}

/// What is done with its row once the owner knows.
enum Then {
    Keep,
    Drop,
    /// A relay has signed that it keeps a copy until then.
    Note(Box<OutboxRow>, MailboxId, Timestamp),
}

impl Settled {
    /// The owner knows.
    pub fn close(self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        match self.then {
            Then::Keep => {}
            // An owner whose matter has come to its end takes its envelopes back.
            Then::Drop => {
                if let Some(row) = outbox::row(turn, &self.device, self.number)? {
                    outbox::remove_row(state, turn, &self.device, self.number, row.is_long());
                }
            }
            Then::Note(row, mailbox, until) => outbox::keep_copy(turn, &self.device, self.number, *row, mailbox, until),
        }
        Ok(())
    }
}

impl Delivery {
    /// What a receipt line of its recipient says of an envelope; none when nothing became of it.
    pub fn settle(&mut self, state: &mut State, turn: &mut Turn<'_>, item: &Acknowledged) -> Result<Option<Settled>, TurnFailed> {
        let Some(row) = outbox::row(turn, &item.device, item.number)? else { return Ok(None) };
        if matches!(item.outcome, Outcome::Delivered | Outcome::Refused(Refusal::Refused | Refusal::Outgrown)) {
            sealing::acknowledged(state, turn, &item.device, &row, &item.frame);
        }
        let policy = row.owner.policy();
        let is_expired = || policy.asks.is_some_and(|request| requests::is_expired_for_both(state, &request, turn.now, item.at));
        let (fate, then) = match item.outcome {
            Outcome::Refused(Refusal::Full) => {
                // There may be room later.
                self.hang_up(state, turn, &item.device);
                return Ok(None);
            }
            // Nobody says that by way of a relay, and on a link it settles nothing.
            Outcome::Refused(Refusal::Stale) => return Ok(None),
            Outcome::Refused(Refusal::Untimely) if is_expired() => (Fate::Refused(Refusal::Expired), Then::Drop),
            Outcome::Refused(Refusal::Untimely) => (Fate::Untimely, Then::Keep),
            Outcome::Refused(Refusal::Outgrown) => (Fate::Outgrown, Then::Keep),
            Outcome::Refused(refusal) => (Fate::Refused(refusal), Then::Drop),
            Outcome::Stored(_) | Outcome::Delivered => match policy.until {
                Until::Delivered if item.outcome != Outcome::Delivered => return Ok(None),
                Until::Answered(request) if requests::is_accepted(state, &request) => return Ok(None),
                Until::Stored | Until::Taken | Until::Answered(_) | Until::Delivered => (Fate::Delivered, Then::Drop),
            },
        };
        Ok(Some(Settled { device: item.device, owner: row.owner, fate, number: item.number, then }))
    }
}

/// What a relay's receipt says of a copy that was left there. It cannot say `delivered`; what it refuses waits
/// for another way.
pub(crate) fn of_copy(
    turn: &Turn<'_>,
    mailbox: MailboxId,
    device: DeviceId,
    number: u64,
    outcome: Outcome,
) -> Result<Option<Settled>, TurnFailed> {
    let Some(row) = outbox::row(turn, &device, number)? else { return Ok(None) };
    let policy = row.owner.policy();
    let owner = row.owner.clone();
    let (fate, then) = match outcome {
        // A copy whose time is up is none.
        Outcome::Stored(until) if until <= turn.now => return Ok(None),
        Outcome::Stored(_) if policy.until == Until::Stored => (Fate::Stored, Then::Drop),
        Outcome::Stored(until) => (Fate::Stored, Then::Note(Box::new(row), mailbox, until)),
        // Only for an invite by which it went here: a relay may lie.
        Outcome::Refused(Refusal::UsedUp) if policy.asks.is_some() && row.via.as_ref().is_some_and(|via| via.usage.is_some()) => {
            (Fate::Refused(Refusal::UsedUp), Then::Keep)
        }
        Outcome::Delivered | Outcome::Refused(_) => return Ok(None),
    };
    Ok(Some(Settled { device, owner, fate, number, then }))
}

#[cfg(test)]
mod tests;
