//! Introductions: a common friend brings two together.
//!
//! The introducer tells both who the other is, under its signature. Each of them answers or
//! does not; nobody learns of a no. Who will be asked mints, with the yes, a way in that is
//! good for the asker alone and needs no second question. Once both have agreed the
//! introducer hands it to the asker, whose node then asks for friendship by it. From then on
//! the introducer is out of it: it learns neither whether they became friends nor where they
//! are, and may be off.

use crate::command::{CommandError, Direction, RequestKind, RequestStatus, RequestView, Trust, Who};
use crate::contact::{self, ContactRecord};
use crate::delivery::outbox::{self, What};
use crate::limits::{INTRODUCTIONS_MAX, INTRODUCTIONS_OF_FRIEND_MAX, INVITES_MAX, LINK_MAX};
use crate::mirror::Mirror;
use crate::people;
use crate::request;
use crate::rows::{Friend, FriendState, IntroRole, Introducing};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{Consent, INTRODUCTION_LIFETIME, IntroCard, Introduced, Introduction, IntroductionBody, RoomPayload, is_note};
use symbolon_presence::codec;
use symbolon_presence::id::{PeerId, RequestId};
use symbolon_presence::time::Timestamp;
use symbolon_presence::words::fingerprint_words;

/// Says something to a friend in the connection room, to be kept until it has arrived.
fn say(state: &mut State, turn: &mut Turn<'_>, to: &PeerId, payload: &RoomPayload) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(to).filter(|friend| state.may_seal(friend)).cloned() else { return Ok(()) };
    let sealed = turn.cipher.seal(friend.room, &codec::encode(payload), &[]).map_err(|_| TurnFailed("the room cipher failed"))?;
    outbox::enqueue_room(state, turn, &friend, &What::Introduction, &sealed);
    Ok(())
}

fn save(state: &mut State, turn: &mut Turn<'_>, row: Introducing) {
    turn.put(Table::Introduction, row.id.as_bytes(), &row);
    turn.notify(Event::Request(row.id));
    state.introductions.insert(row.id, row);
}

/// Makes room for one more row: the oldest that led nowhere goes.
fn make_room(state: &mut State, turn: &mut Turn<'_>) -> Result<(), CommandError> {
    if state.introductions.len() < INTRODUCTIONS_MAX {
        return Ok(());
    }
    let over = |row: &&Introducing| {
        matches!(row.status, RequestStatus::Expired | RequestStatus::Cancelled)
            || (row.role == IntroRole::Introducer && row.status == RequestStatus::Confirmed)
    };
    let oldest = state.introductions.values().filter(over).min_by_key(|row| (row.created, row.id)).map(|row| row.id);
    let id = oldest.ok_or(CommandError::Full)?;
    state.introductions.remove(&id);
    turn.delete(Table::Introduction, id.as_bytes());
    Ok(())
}

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
    let (asker, target) = (people::resolve(state, asker)?, people::resolve(state, target)?);
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
    save(state, turn, row);
    for peer in [asker, target] {
        say(state, turn, &peer, &RoomPayload::Introduce(statement.clone()))?;
    }
    Ok(id)
}

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
    save(state, turn, row);
    Ok(())
}

/// Agrees to an introduction.
pub(crate) fn accept(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let mut row = state.introductions.get(id).cloned().ok_or(CommandError::NotFound)?;
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
    let contact = match row.role {
        IntroRole::Target => {
            contact::forget_expired(state, turn)?;
            if state.invites.len() >= INVITES_MAX {
                return Err(CommandError::Full.into());
            }
            Some(codec::encode(&contact::mint_for(state, turn, row.asker, &row.introducer, row.expires)))
        }
        IntroRole::Asker | IntroRole::Introducer => None,
    };
    row.status = RequestStatus::Accepted;
    let introducer = row.introducer;
    save(state, turn, row);
    Ok(say(state, turn, &introducer, &RoomPayload::Consent(Consent { id: *id, contact }))?)
}

/// Sets an introduction aside; nobody is told.
pub(crate) fn ignore(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.introductions.get(id).cloned().ok_or(CommandError::NotFound)?;
    match (row.role, row.status) {
        (IntroRole::Asker | IntroRole::Target, RequestStatus::Pending | RequestStatus::Ignored) => {
            save(state, turn, Introducing { status: RequestStatus::Ignored, ..row });
            Ok(())
        }
        _ => Err(CommandError::WrongStatus.into()),
    }
}

/// Takes an introduction of ours back, while not both have agreed. Both were told who the other
/// is, and are not told of this.
pub(crate) fn cancel(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.introductions.get(id).cloned().ok_or(CommandError::NotFound)?;
    match (row.role, row.status) {
        (IntroRole::Introducer, RequestStatus::Cancelled) => Ok(()),
        (IntroRole::Introducer, RequestStatus::Pending) => {
            save(state, turn, Introducing { status: RequestStatus::Cancelled, contact: None, ..row });
            Ok(())
        }
        _ => Err(CommandError::WrongStatus.into()),
    }
}

/// One of the two has agreed.
pub(crate) fn consented(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, consent: Consent) -> Result<(), Rejected> {
    let mut row = state.introductions.get(&consent.id).cloned().ok_or(DropReason::Unexpected)?;
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
        say(state, turn, &row.asker, &RoomPayload::IntroCard(IntroCard { id: row.id, contact }))?;
    }
    save(state, turn, row);
    Ok(())
}

/// Both have agreed: asks for friendship by the way in that the other side has made for us.
pub(crate) fn card(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, card: &IntroCard) -> Result<(), Rejected> {
    let row = state.introductions.get(&card.id).cloned().ok_or(DropReason::Unexpected)?;
    // Without our own yes nothing is sent to anybody.
    if row.role != IntroRole::Asker || row.introducer != *from || row.status != RequestStatus::Accepted || row.agreed {
        return Err(DropReason::Unexpected.into());
    }
    let record: ContactRecord = codec::decode(&card.contact, LINK_MAX).map_err(|_| DropReason::Malformed)?;
    let contact = record.verify_known(turn.sure).map_err(|_| DropReason::Forged)?;
    if contact.signer.peer != row.target {
        return Err(DropReason::Forged.into());
    }
    let is_friend = state.friends.get(&row.target).is_some_and(|friend| friend.state == FriendState::Mutual);
    if people::is_blocked(state, &row.target, &contact.chain) {
        return Err(DropReason::Blocked.into());
    }
    if !is_friend {
        match request::ask(state, turn, contact, row.note.clone(), Trust::Introduced) {
            Ok(_) => {}
            Err(Failed::Turn(failed)) => return Err(failed.into()),
            Err(Failed::Command(_)) => return Err(DropReason::Full.into()),
        }
    }
    save(state, turn, Introducing { agreed: true, ..row });
    Ok(())
}

/// Two have become friends: what introduced them has served its purpose.
pub(crate) fn settled(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    let open = [RequestStatus::Pending, RequestStatus::Ignored, RequestStatus::Accepted];
    let done = |row: &&Introducing| row.role != IntroRole::Introducer && row.other() == *peer && open.contains(&row.status);
    for row in state.introductions.values().filter(done).cloned().collect::<Vec<_>>() {
        save(state, turn, Introducing { status: RequestStatus::Confirmed, ..row });
    }
}

/// Whether an introduction that waits is too old at a moment.
fn is_late(row: &Introducing, at: Timestamp) -> bool {
    !matches!(row.status, RequestStatus::Confirmed | RequestStatus::Expired | RequestStatus::Cancelled) && row.expires.is_expired_at(at)
}

/// Expires what was surely not agreed to in time.
pub(crate) fn expire(state: &mut State, turn: &mut Turn<'_>) {
    let late = state.introductions.values().filter(|row| is_late(row, turn.sure));
    for row in late.cloned().collect::<Vec<_>>() {
        save(state, turn, Introducing { status: RequestStatus::Expired, ..row });
    }
}

/// The petnames of those who introduced somebody, as we know them.
pub(crate) fn introducers_of(state: &State, peer: &PeerId) -> Vec<String> {
    let of_peer = |row: &&Introducing| {
        row.role != IntroRole::Introducer
            && row.other() == *peer
            && matches!(row.status, RequestStatus::Accepted | RequestStatus::Confirmed)
    };
    let mut names: Vec<String> = state
        .introductions
        .values()
        .filter(of_peer)
        .filter_map(|row| state.friends.get(&row.introducer))
        .map(|friend| friend.petname.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// An introduction as shown to the user.
pub(crate) fn view(state: &State, mirror: &Mirror, row: &Introducing) -> RequestView {
    let other = row.other();
    RequestView {
        request: row.id,
        kind: RequestKind::Introduction,
        direction: if row.role == IntroRole::Introducer { Direction::Out } else { Direction::In },
        peer: other,
        name: row.name.clone(),
        words: fingerprint_words(&other),
        trust: Trust::Introduced,
        note: row.note.clone(),
        // By the wall clock it only looks so, until that is sure.
        status: if is_late(row, state.clock.now()) { RequestStatus::Expired } else { row.status },
        fault: (row.role != IntroRole::Introducer && row.status == RequestStatus::Pending)
            .then(|| mirror.namesake(&other, &row.name))
            .flatten(),
        introduced_by: state.friends.get(&row.introducer).map(|friend| friend.petname.clone()).into_iter().collect(),
        created: row.created,
    }
}
