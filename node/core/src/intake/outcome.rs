//! What became of envelopes: ours, as their recipients say; theirs, as we remember it.

use crate::command::{Direction, MessageState, RequestStatus};
use crate::conversations;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::{Acknowledged, Delivery};
use crate::friendships;
use crate::people;
use crate::rows::Fault;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::{Outcome, Refusal};

use crate::delivery::relays::Signed;
use crate::people::requests;
use crate::rows::set_message_state;
use symbolon_presence::id::MailboxId;
use symbolon_presence::time::CLOCK_SKEW;

/// Whether our clock, too, says that the invite of an Offer has expired, and agrees with the clock
/// of the one who made the invite.
fn is_over_for_both(state: &State, turn: &Turn<'_>, row: &outbox::OutboxRow, at: Timestamp) -> bool {
    let EnvelopeOwner::Offer(request) = &row.owner else { return false };
    let Some(request) = state.requests.get(request) else { return false };
    at.0.abs_diff(turn.now.0) <= CLOCK_SKEW && request.contacts.iter().all(|contact| contact.expires < turn.now)
}

/// A receipt line has come for an envelope in our outbox.
pub(super) fn complete(state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, item: &Acknowledged) -> Result<(), TurnFailed> {
    let Some(row) = outbox::row(turn, &item.device, item.number)? else { return Ok(()) };
    let fault = match item.outcome {
        Outcome::Refused(Refusal::Full) => {
            // There may be room later.
            delivery.hang_up(state, turn, &item.device);
            return Ok(());
        }
        // Nobody says that by way of a relay, and on a link it settles nothing.
        Outcome::Refused(Refusal::Stale) => return Ok(()),
        // Put off over there. Where both clocks agree that the way in has expired, it has. An Offer
        // that was dated by a clock of ours that was wrong goes out with another date.
        Outcome::Refused(Refusal::Untimely) if !is_over_for_both(state, turn, &row, item.at) => return friendships::redate(state, turn),
        Outcome::Refused(Refusal::Untimely) => Some(Fault::InviteExpired),
        Outcome::Refused(Refusal::UsedUp) => Some(Fault::InviteUsed),
        Outcome::Refused(Refusal::Expired) => Some(Fault::InviteExpired),
        Outcome::Refused(Refusal::Refused) => Some(Fault::Refused),
        Outcome::Stored(_) | Outcome::Delivered => None,
    };
    match (&row.owner, item.outcome, fault) {
        (EnvelopeOwner::Text(conversation, arrival), Outcome::Delivered, _) => {
            conversations::delivered(state, turn, &item.device, conversation, *arrival)?
        }
        // Only `delivered` ends our care for a text.
        (
            EnvelopeOwner::Text(..) | EnvelopeOwner::Mark | EnvelopeOwner::Skip | EnvelopeOwner::Bundle | EnvelopeOwner::Introduction,
            Outcome::Stored(_),
            _,
        ) => return Ok(()),
        (EnvelopeOwner::Mark | EnvelopeOwner::Skip | EnvelopeOwner::Introduction, Outcome::Delivered | Outcome::Refused(_), _)
        | (EnvelopeOwner::Receipts | EnvelopeOwner::Standing | EnvelopeOwner::Answer, ..) => {}
        (EnvelopeOwner::Bundle, Outcome::Delivered | Outcome::Refused(_), _) => {
            if let Some(peer) = state.friend_of(&item.device).map(|friend| friend.peer) {
                people::update(state, turn, &peer, |friend| friend.giving = false)?;
            }
        }
        (EnvelopeOwner::Text(conversation, arrival), Outcome::Refused(_), fault) => {
            set_message_state(turn, conversation, *arrival, MessageState::Failed, fault)?;
        }
        (EnvelopeOwner::Confirm(request), Outcome::Stored(_) | Outcome::Delivered, _) => {
            let sent =
                state.requests.get(request).is_some_and(|row| row.direction == Direction::Out && row.status == RequestStatus::Accepted);
            if sent {
                friendships::set_status(state, turn, request, RequestStatus::Confirmed)?;
            }
        }
        // Kept until it is answered: a side that has blocked us for a while takes it in, as far
        // as its receipts go, and drops it.
        (EnvelopeOwner::Accept(request), Outcome::Stored(_) | Outcome::Delivered, _) if requests::is_accepted(state, request) => {
            return Ok(());
        }
        (EnvelopeOwner::Offer(_) | EnvelopeOwner::Accept(_), Outcome::Stored(_) | Outcome::Delivered, _) => {}
        (EnvelopeOwner::Offer(request) | EnvelopeOwner::Accept(request) | EnvelopeOwner::Confirm(request), Outcome::Refused(_), fault) => {
            friendships::refused(state, turn, request, fault)?;
        }
    }
    // Ending a request takes its Offers back by itself.
    if outbox::row(turn, &item.device, item.number)?.is_some() {
        outbox::remove(state, turn, &item.device, item.number);
    }
    Ok(())
}

/// What a relay's receipt says of rows: that copies lie there, or that they never will.
pub(crate) fn signed(state: &mut State, turn: &mut Turn<'_>, signed: &Signed) -> Result<(), TurnFailed> {
    for (device, number, outcome) in &signed.items {
        copied(state, turn, signed.mailbox, device, *number, *outcome)?;
    }
    Ok(())
}

fn copied(
    state: &mut State,
    turn: &mut Turn<'_>,
    mailbox: MailboxId,
    device: &DeviceId,
    number: u64,
    outcome: Outcome,
) -> Result<(), TurnFailed> {
    let Some(row) = outbox::row(turn, device, number)? else { return Ok(()) };
    match (outcome, &row.owner) {
        // A copy whose time is over is none.
        (Outcome::Stored(until), _) if until <= turn.now => return Ok(()),
        (Outcome::Stored(_), EnvelopeOwner::Receipts | EnvelopeOwner::Standing | EnvelopeOwner::Answer) => {
            // When a list is lost, it is asked for again: the other side leaves its envelope again.
            // A Standing is followed by others.
            outbox::remove(state, turn, device, number);
            return Ok(());
        }
        (Outcome::Stored(_), EnvelopeOwner::Text(conversation, arrival)) => {
            set_message_state(turn, conversation, *arrival, MessageState::Stored, None)?;
        }
        (Outcome::Stored(_), EnvelopeOwner::Confirm(request)) => {
            let is_sent =
                state.requests.get(request).is_some_and(|row| row.direction == Direction::Out && row.status == RequestStatus::Accepted);
            if is_sent {
                friendships::set_status(state, turn, request, RequestStatus::Confirmed)?;
            }
        }
        (
            Outcome::Stored(_),
            EnvelopeOwner::Offer(_)
            | EnvelopeOwner::Accept(_)
            | EnvelopeOwner::Mark
            | EnvelopeOwner::Skip
            | EnvelopeOwner::Bundle
            | EnvelopeOwner::Introduction,
        ) => {}
        // Only for an invite by which it went here: a relay may lie.
        (Outcome::Refused(Refusal::UsedUp), EnvelopeOwner::Offer(request)) if row.via.as_ref().is_some_and(|via| via.usage.is_some()) => {
            return friendships::refused(state, turn, request, Some(Fault::InviteUsed));
        }
        // A relay cannot say `delivered`; what it refuses waits for another way.
        (Outcome::Delivered | Outcome::Refused(_), _) => return Ok(()),
    }
    if let Outcome::Stored(until) = outcome {
        outbox::keep_copy(turn, device, number, row, mailbox, until);
    }
    Ok(())
}
