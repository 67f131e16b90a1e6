//! The two who are brought together.

use super::rows::{is_late, make_room, say};
use crate::command::{CommandError, RequestStatus, Trust};
use crate::friendships;
use crate::invites;
use crate::invites::contact::ContactRecord;
use crate::limits::{CONTACT_RECORD_MAX, INTRODUCTIONS_OF_FRIEND_MAX, INVITES_MAX};
use crate::people::{self, introduced};
use crate::rows::{Friend, FriendState, IntroRole, Introducing};
use crate::state::State;
use crate::turn::{DropReason, Failed, Rejected, Turn};
use crate::wire::{Consent, IntroCard, Introduction, RoomPayload};
use symbolon_presence::codec;
use symbolon_presence::id::{PeerId, RequestId};
use symbolon_presence::time::Timestamp;

/// A friend introduces somebody to us.
pub(crate) fn receive(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, statement: &Introduction) -> Result<(), Rejected> {
    // Of the future, as far as we know what that is.
    let latest = if state.clock.is_doubtful() { Timestamp(u64::MAX) } else { turn.now };
    let said = statement.verify(turn.sure, latest).filter(|said| said.introducer == *from).ok_or(DropReason::Forged)?;
    let own = state.own.peer;
    let (role, other) = match (said.asker == own, said.target == own) {
        (true, false) => (IntroRole::Asker, said.body.target),
        (false, true) => (IntroRole::Target, said.body.asker),
        (true, true) | (false, false) => return Err(DropReason::Forged.into()),
    };
    let id = said.body.id;
    if state.introductions.contains_key(&id) {
        return Err(DropReason::Repeated.into());
    }
    let peer = if role == IntroRole::Asker { said.target } else { said.asker };
    if people::is_blocked(state, &peer, &other.chain) {
        return Err(DropReason::Blocked.into());
    }
    let is_friend = state.friends.get(&peer).is_some_and(|friend| friend.state == FriendState::Mutual);
    let open = |row: &&Introducing| row.introducer == *from && matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored);
    if state.introductions.values().filter(open).count() >= INTRODUCTIONS_OF_FRIEND_MAX || make_room(state, turn).is_err() {
        return Err(DropReason::Full.into());
    }
    let row = Introducing {
        id,
        role,
        introducer: *from,
        asker: said.asker,
        target: said.target,
        name: other.name,
        note: said.body.note,
        // Friends already: one more who knows both, and nothing to decide.
        status: if is_friend { RequestStatus::Confirmed } else { RequestStatus::Pending },
        created: turn.stamp,
        expires: said.body.expires,
        agreed: false,
        contact: None,
        statement: codec::encode(statement),
    };
    introduced::save(state, turn, row);
    Ok(())
}

/// Agrees to an introduction.
pub(crate) fn accept(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.introductions.get(id).ok_or(CommandError::NotFound)?;
    match (row.role, row.status) {
        (IntroRole::Asker | IntroRole::Target, RequestStatus::Pending | RequestStatus::Ignored) => {}
        (IntroRole::Asker | IntroRole::Target, RequestStatus::Accepted | RequestStatus::Confirmed) => return Ok(()),
        _ => return Err(CommandError::WrongStatus.into()),
    }
    if row.expires.is_expired_at(turn.now) {
        return Err(CommandError::WrongStatus.into());
    }
    if state.blocked.contains(row.other().as_bytes().as_slice()) {
        return Err(CommandError::IsBlocked.into());
    }
    if !state.friends.get(&row.introducer).is_some_and(Friend::stands) {
        // Nobody is left who could hand the answer on.
        return Err(CommandError::NotFriends.into());
    }
    let (asker, introducer, expires) = (row.asker, row.introducer, row.expires);
    let contact = match row.role {
        IntroRole::Target => {
            invites::forget_expired(state, turn)?;
            if state.invites.len() >= INVITES_MAX {
                return Err(CommandError::Full.into());
            }
            Some(codec::encode(&invites::mint_for(state, turn, asker, &introducer, expires)))
        }
        IntroRole::Asker | IntroRole::Introducer => None,
    };
    introduced::change(state, turn, id, |row| row.status = RequestStatus::Accepted);
    Ok(say(state, turn, &introducer, &RoomPayload::Consent(Consent { id: *id, contact }))?)
}

/// Sets an introduction aside; nobody is notified.
pub(crate) fn ignore(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.introductions.get(id).ok_or(CommandError::NotFound)?;
    match (row.role, row.status) {
        (IntroRole::Asker | IntroRole::Target, RequestStatus::Pending | RequestStatus::Ignored) => {
            introduced::change(state, turn, id, |row| row.status = RequestStatus::Ignored);
            Ok(())
        }
        _ => Err(CommandError::WrongStatus.into()),
    }
}

/// Both have agreed: asks for friendship by the way in that the other side has made for us.
pub(crate) fn card(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, card: &IntroCard) -> Result<(), Rejected> {
    let row = state.introductions.get(&card.id).ok_or(DropReason::Unexpected)?;
    // Without our own yes nothing is sent to anybody.
    if row.role != IntroRole::Asker || row.introducer != *from || row.status != RequestStatus::Accepted || row.agreed {
        return Err(DropReason::Unexpected.into());
    }
    let record: ContactRecord = codec::decode(&card.contact, CONTACT_RECORD_MAX).map_err(|_| DropReason::Malformed)?;
    let contact = record.verify_known(turn.sure).map_err(|_| DropReason::Forged)?;
    if contact.signer.peer != row.target {
        return Err(DropReason::Forged.into());
    }
    let is_friend = state.friends.get(&row.target).is_some_and(|friend| friend.state == FriendState::Mutual);
    if people::is_blocked(state, &row.target, &contact.chain) {
        return Err(DropReason::Blocked.into());
    }
    let note = row.note.clone();
    if !is_friend {
        match friendships::ask(state, turn, contact, note, Trust::Introduced) {
            Ok(_) => {}
            Err(Failed::Turn(failed)) => return Err(failed.into()),
            Err(Failed::Command(_)) => return Err(DropReason::Full.into()),
        }
    }
    introduced::change(state, turn, &card.id, |row| row.agreed = true);
    Ok(())
}

/// Expires what was surely not agreed to in time.
pub(crate) fn expire(state: &mut State, turn: &mut Turn<'_>) {
    let late = state.introductions.values().filter(|row| is_late(row, turn.sure));
    for id in late.map(|row| row.id).collect::<Vec<_>>() {
        introduced::change(state, turn, &id, |row| row.status = RequestStatus::Expired);
    }
}
