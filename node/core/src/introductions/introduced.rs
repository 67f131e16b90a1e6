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
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
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
    ask(state, turn, &row.clone(), &card.contact)
}

/// Asks by a way in that has come for us.
fn ask(state: &mut State, turn: &mut Turn<'_>, row: &Introducing, contact: &[u8]) -> Result<(), Rejected> {
    let record: ContactRecord = codec::decode(contact, CONTACT_RECORD_MAX).map_err(|_| DropReason::Malformed)?;
    let verified = record.verify_known(turn.sure).map_err(|_| DropReason::Forged)?;
    if verified.signer.peer != row.target {
        return Err(DropReason::Forged.into());
    }
    let is_friend = state.friends.get(&row.target).is_some_and(|friend| friend.state == FriendState::Mutual);
    if people::is_blocked(state, &row.target, &verified.chain) {
        return Err(DropReason::Blocked.into());
    }
    if !is_friend {
        match friendships::ask(state, turn, verified, row.note.clone(), Trust::Introduced) {
            Ok(_) => {}
            Err(Failed::Turn(failed)) => return Err(failed.into()),
            Err(Failed::Command(CommandError::DeviceExpired)) => {
                introduced::change(state, turn, &row.id, |row| row.contact = Some(contact.to_vec()));
                return Ok(());
            }
            Err(Failed::Command(_)) => return Err(DropReason::Full.into()),
        }
    }
    introduced::change(state, turn, &row.id, |row| (row.agreed, row.contact) = (true, None));
    Ok(())
}

/// Our certificate was renewed: those whose way in has come meanwhile are asked.
pub(crate) fn certified(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let waits = |row: &&Introducing| row.role == IntroRole::Asker && row.status == RequestStatus::Accepted && !row.agreed;
    for row in state.introductions.values().filter(waits).cloned().collect::<Vec<_>>() {
        let Some(contact) = &row.contact else { continue };
        match ask(state, turn, &row, contact) {
            Ok(()) => {}
            Err(Rejected::Turn(failed)) => return Err(failed),
            // No way in any more, or nobody whom we would ask.
            Err(Rejected::Drop(_)) => introduced::change(state, turn, &row.id, |row| row.contact = None),
        }
    }
    Ok(())
}

/// Expires what was surely not agreed to in time.
pub(crate) fn expire(state: &mut State, turn: &mut Turn<'_>) {
    let late = state.introductions.values().filter(|row| is_late(row, turn.sure));
    for id in late.map(|row| row.id).collect::<Vec<_>>() {
        introduced::change(state, turn, &id, |row| row.status = RequestStatus::Expired);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{self, NOW, further, in_turn, in_turn_of, peer};
    use crate::people::requests::outgoing;
    use symbolon_presence::time::{DAY, EARLIEST};

    #[test]
    fn a_way_in_that_comes_under_a_certificate_that_has_ended_is_taken_under_the_next_one() {
        in_turn(|state, turn| {
            let (target, contact) = in_turn_of(2, |ben, turn| {
                let record = invites::mint_for(ben, turn, peer(1), &peer(3), NOW.after(DAY));
                (ben.own.peer, codec::encode(&record))
            });
            let row = Introducing {
                id: RequestId([1; 16]),
                role: IntroRole::Asker,
                introducer: peer(3),
                asker: state.own.peer,
                target,
                name: "Ben".into(),
                note: None,
                status: RequestStatus::Accepted,
                created: NOW,
                expires: NOW.after(DAY),
                agreed: false,
                contact: None,
                statement: Vec::new(),
            };
            introduced::save(state, turn, row);
            let first = further(state, EARLIEST);
            card(state, turn, &peer(3), &IntroCard { id: RequestId([1; 16]), contact }).unwrap_or_else(|_| panic!());
            certified(state, turn).unwrap();
            assert_eq!(outgoing(state, &target).count(), 0, "not yet");
            fixture::certified(state, first);
            certified(state, turn).unwrap();
            assert_eq!(outgoing(state, &target).count(), 1);
            let row = state.introductions.get(&RequestId([1; 16])).unwrap();
            assert!(row.agreed && row.contact.is_none());
            certified(state, turn).unwrap();
            assert_eq!(outgoing(state, &target).count(), 1);
        });
    }
}
