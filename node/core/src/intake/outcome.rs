//! What became of envelopes of ours: their owners hear it, each in its own words.

use crate::command::{Direction, MessageState, RequestStatus};
use crate::conversations;
use crate::delivery::fate::{self, Fate};
use crate::delivery::owner::{Concern, EnvelopeOwner};
use crate::delivery::relays::Signed;
use crate::delivery::{Acknowledged, Delivery};
use crate::friendships;
use crate::groups;
use crate::invites::lifelines;
use crate::notice::IntakeNotice;
use crate::people;
use crate::rows::{Fault, set_message_state};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::{DeviceId, RoomId};
use symbolon_relay::put::Refusal;

/// A receipt line has come for an envelope in our outbox.
pub(super) fn complete(state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, item: &Acknowledged) -> Result<(), TurnFailed> {
    let Some(settled) = delivery.settle(state, turn, item)? else { return Ok(()) };
    if settled.fate == Fate::Outgrown {
        return groups::seal_again(state, turn, &settled.device, settled.number);
    }
    if let (EnvelopeOwner::Ways(room), Fate::Delivered | Fate::Refused(_)) = (&settled.owner, settled.fate) {
        groups::ways_heard(state, turn, room, &settled.device, settled.number);
    }
    tell(state, turn, &settled.device, &settled.owner, settled.fate)?;
    settled.close(state, turn)
}

/// What a relay's receipt says of rows: that copies lie there, or that they never will.
pub(crate) fn signed(state: &mut State, turn: &mut Turn<'_>, signed: &Signed) -> Result<(), TurnFailed> {
    for (device, number, outcome) in &signed.items {
        let Some(settled) = fate::of_copy(turn, signed.mailbox, *device, *number, *outcome)? else { continue };
        tell(state, turn, &settled.device, &settled.owner, settled.fate)?;
        settled.close(state, turn)?;
    }
    Ok(())
}

/// Tells an envelope's owner what became of it.
pub(crate) fn tell(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, owner: &EnvelopeOwner, fate: Fate) -> Result<(), TurnFailed> {
    if fate == Fate::Untimely {
        // An Offer that was dated by a clock of ours that was wrong goes out with another date.
        return friendships::redate(state, turn);
    }
    match owner.concern() {
        Concern::Text(conversation, arrival) => tell_text(state, turn, device, (&conversation, arrival), fate),
        Concern::Ask(request) => match fate {
            Fate::Refused(refusal) => friendships::refused(state, turn, &request, fault_of(refusal)),
            Fate::Queued | Fate::Stored | Fate::Delivered | Fate::Untimely | Fate::Outgrown => Ok(()),
        },
        Concern::Confirm(request) => match fate {
            Fate::Refused(refusal) => friendships::refused(state, turn, &request, fault_of(refusal)),
            Fate::Stored | Fate::Delivered => {
                let is_sent = |row: &crate::rows::Request| row.direction == Direction::Out && row.status == RequestStatus::Accepted;
                if state.requests.get(&request).is_some_and(is_sent) {
                    friendships::set_status(state, turn, &request, RequestStatus::Confirmed)?;
                }
                Ok(())
            }
            Fate::Queued | Fate::Untimely | Fate::Outgrown => Ok(()),
        },
        Concern::Friend => match (fate, state.friend_of(device).map(|friend| friend.peer)) {
            (Fate::Delivered | Fate::Refused(_), Some(peer)) => people::update(state, turn, &peer, |friend| friend.giving = false),
            (Fate::Delivered | Fate::Refused(_) | Fate::Queued | Fate::Stored | Fate::Untimely | Fate::Outgrown, _) => Ok(()),
        },
        Concern::Shown => {
            if matches!(fate, Fate::Refused(_)) {
                friendships::not_shown(state, device);
            }
            Ok(())
        }
        Concern::Commit(room, epoch) => match fate {
            Fate::Delivered => friendships::commit_taken(state, turn, &room, epoch),
            Fate::Refused(_) => friendships::commit_refused(state, turn, &room, epoch),
            Fate::Queued | Fate::Stored | Fate::Untimely | Fate::Outgrown => Ok(()),
        },
        Concern::Welcome(room) => {
            if matches!(fate, Fate::Delivered | Fate::Refused(_)) {
                groups::invited(state, turn, &room, device);
            }
            Ok(())
        }
        Concern::Lifeline => {
            if let (Fate::Delivered, Some(peer)) = (fate, state.friend_of(device).map(|friend| friend.peer)) {
                lifelines::taken(state, turn, &peer);
            }
            Ok(())
        }
        Concern::OwnTexts(up_to) => own_taken(turn, device, fate, IntakeNotice::TextsTaken(*device, up_to)),
        Concern::OwnRoomTexts(round, up_to) => own_taken(turn, device, fate, IntakeNotice::RoomTextsTaken(*device, round, up_to)),
        Concern::OwnDrafts => own_taken(turn, device, fate, IntakeNotice::DraftsTaken(*device)),
        Concern::Own => {
            if matches!(fate, Fate::Refused(_)) {
                turn.tell(IntakeNotice::OwnRefused(*device));
            }
            Ok(())
        }
        Concern::OwnGone => {
            if matches!(fate, Fate::Delivered | Fate::Stored | Fate::Refused(_)) {
                turn.tell(IntakeNotice::GoneTold(*device));
            }
            Ok(())
        }
        Concern::Nobody => Ok(()),
    }
}

/// What became of a text.
fn tell_text(
    state: &mut State,
    turn: &mut Turn<'_>,
    device: &DeviceId,
    (conversation, arrival): (&RoomId, u64),
    fate: Fate,
) -> Result<(), TurnFailed> {
    let is_shared = state.groups.rooms.contains_key(conversation);
    let (is, fault) = match fate {
        Fate::Delivered if is_shared => return groups::delivered(state, turn, device, arrival),
        Fate::Delivered => return conversations::delivered(state, turn, device, conversation, arrival),
        Fate::Stored => (MessageState::Stored, None),
        // One member's refusal is no fault of the text.
        Fate::Refused(_) | Fate::Queued | Fate::Untimely | Fate::Outgrown if is_shared => return Ok(()),
        Fate::Queued | Fate::Untimely | Fate::Outgrown => (MessageState::Queued, None),
        Fate::Refused(refusal) => (MessageState::Failed, fault_of(refusal)),
    };
    set_message_state(turn, conversation, arrival, is, fault)
}

/// What became of something for another device of ours.
fn own_taken(turn: &mut Turn<'_>, device: &DeviceId, fate: Fate, taken: IntakeNotice) -> Result<(), TurnFailed> {
    match fate {
        Fate::Delivered => turn.tell(taken),
        Fate::Refused(_) => turn.tell(IntakeNotice::OwnRefused(*device)),
        Fate::Queued | Fate::Stored | Fate::Untimely | Fate::Outgrown => {}
    }
    Ok(())
}

/// What the user reads of a refusal.
fn fault_of(refusal: Refusal) -> Option<Fault> {
    match refusal {
        Refusal::UsedUp => Some(Fault::InviteUsed),
        Refusal::Expired => Some(Fault::InviteExpired),
        Refusal::Refused => Some(Fault::Refused),
        Refusal::Full | Refusal::Stale | Refusal::Untimely | Refusal::Outgrown => None,
    }
}
