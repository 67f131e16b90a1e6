//! The common friend, who brings two together.

use super::rows::{make_room, say};
use crate::command::{CommandError, RequestStatus, Who};
use crate::people::{self, introduced};
use crate::rows::{FriendState, IntroRole, Introducing};
use crate::state::State;
use crate::turn::{DropReason, Failed, Rejected, Turn};
use crate::wire::{Consent, INTRODUCTION_LIFETIME, IntroCard, Introduced, Introduction, IntroductionBody, RoomPayload, is_note};
use symbolon_presence::codec;
use symbolon_presence::id::{PeerId, RequestId};

/// Introduces two friends to each other: the first one will ask, the second be asked.
pub(crate) fn introduce(
    state: &mut State,
    turn: &mut Turn<'_>,
    asker: &Who,
    target: &Who,
    note: Option<String>,
) -> Result<RequestId, Failed> {
    if note.as_deref().is_some_and(|note| !is_note(note)) {
        return Err(CommandError::BadNote.into());
    }
    let (asker, target) = (people::find(state, asker)?, people::find(state, target)?);
    if asker == target {
        return Err(CommandError::OwnIdentity.into());
    }
    let person = |peer: &PeerId| {
        let friend = state.friends.get(peer).ok_or(CommandError::NotFound)?;
        if friend.blocked {
            return Err(CommandError::IsBlocked);
        }
        let device = friend.devices.first().and_then(|device| state.devices.get(device));
        let device = device.filter(|_| friend.state == FriendState::Mutual).ok_or(CommandError::NotFriends)?;
        Ok(Introduced { chain: device.chain.clone(), name: friend.petname.clone() })
    };
    let (first, second) = (person(&asker)?, person(&target)?);
    // The same two again, while they are asked, is the same introduction.
    let waits = |row: &&Introducing| {
        row.role == IntroRole::Introducer && row.asker == asker && row.target == target && row.status == RequestStatus::Pending
    };
    if let Some(known) = state.introductions.values().find(waits) {
        return Ok(known.id);
    }
    make_room(state, turn)?;
    let id = RequestId::random(turn.rng);
    let expires = turn.stamp.after(INTRODUCTION_LIFETIME);
    let body = IntroductionBody { id, asker: first, target: second, note: note.clone(), created: turn.stamp, expires };
    let statement = Introduction::sign(&state.own.identity, &body);
    let row = Introducing {
        id,
        role: IntroRole::Introducer,
        introducer: state.own.peer,
        asker,
        target,
        name: body.target.name.clone(),
        note,
        status: RequestStatus::Pending,
        created: turn.stamp,
        expires,
        agreed: false,
        contact: None,
        statement: codec::encode(&statement),
    };
    introduced::save(state, turn, row);
    for peer in [asker, target] {
        say(state, turn, &peer, &RoomPayload::Introduce(statement.clone()))?;
    }
    Ok(id)
}

/// Takes an introduction of ours back, while not both have agreed. Both have heard who the other
/// is, and do not hear of this.
pub(crate) fn cancel(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.introductions.get(id).ok_or(CommandError::NotFound)?;
    match (row.role, row.status) {
        (IntroRole::Introducer, RequestStatus::Cancelled) => Ok(()),
        (IntroRole::Introducer, RequestStatus::Pending) => {
            introduced::change(state, turn, id, |row| (row.status, row.contact) = (RequestStatus::Cancelled, None));
            Ok(())
        }
        _ => Err(CommandError::WrongStatus.into()),
    }
}

/// One of the two has agreed.
pub(crate) fn consented(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, consent: Consent) -> Result<(), Rejected> {
    let row = state.introductions.get_mut(&consent.id).ok_or(DropReason::Unexpected)?;
    if row.role != IntroRole::Introducer || row.status != RequestStatus::Pending {
        return Err(DropReason::Unexpected.into());
    }
    match (row.asker == *from, row.target == *from, consent.contact) {
        (true, false, None) => row.agreed = true,
        (false, true, Some(contact)) => row.contact = Some(contact),
        _ => return Err(DropReason::Forged.into()),
    }
    if row.agreed
        && let Some(contact) = row.contact.take()
    {
        row.status = RequestStatus::Confirmed;
        let (id, asker) = (row.id, row.asker);
        say(state, turn, &asker, &RoomPayload::IntroCard(IntroCard { id, contact }))?;
    }
    introduced::change(state, turn, &consent.id, |_| ());
    Ok(())
}
