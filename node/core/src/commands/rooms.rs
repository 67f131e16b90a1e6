//! What the user does with rooms.

use super::machines::Machines;
use super::requests;
use crate::command::{CardView, CommandError, Reply, RoomRole, Who};
use crate::groups;
use crate::people::{self, Target};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Failed, Turn};
use crate::views;
use crate::vouching;
use crate::wire::Role;
use symbolon_presence::id::{PeerId, RequestId, RoomId};

/// The answer that shows a room.
fn reply(state: &State, room: &RoomId) -> Result<Reply, Failed> {
    views::room::one(state, room).map(Reply::Room).ok_or(Failed::Command(CommandError::NotFound))
}

/// The room that a name, its beginning or an id means.
fn resolve(state: &State, who: &Who) -> Result<RoomId, CommandError> {
    room_of(people::find_target(state, who)?)
}

/// The same, for what cannot be undone: no beginning of a name is enough.
fn resolve_whole(state: &State, who: &Who) -> Result<RoomId, CommandError> {
    room_of(people::resolve_target(state, who)?)
}

fn room_of(target: Target) -> Result<RoomId, CommandError> {
    match target {
        Target::Room(room) => Ok(room),
        Target::Friend(_) => Err(CommandError::NotFound),
    }
}

pub(super) fn create(state: &mut State, turn: &mut Turn<'_>, name: &str) -> Result<Reply, Failed> {
    let room = groups::create(state, turn, name)?;
    reply(state, &room)
}

pub(super) fn add(state: &mut State, turn: &mut Turn<'_>, room: &Who, who: &[Who]) -> Result<Reply, Failed> {
    let room = resolve(state, room)?;
    let peers = who.iter().map(|who| people::find(state, who)).collect::<Result<Vec<PeerId>, _>>()?;
    groups::add(state, turn, &room, &peers)?;
    reply(state, &room)
}

pub(super) fn remove(state: &mut State, turn: &mut Turn<'_>, room: &Who, who: &[Who]) -> Result<Reply, Failed> {
    let room = resolve_whole(state, room)?;
    let peers = who.iter().map(|who| member_whole(state, &room, who)).collect::<Result<Vec<PeerId>, _>>()?;
    groups::remove(state, turn, &room, &peers)?;
    reply(state, &room)
}

/// A member of a room, or a friend who is to come in.
fn member(state: &State, room: &RoomId, who: &Who) -> Result<PeerId, CommandError> {
    people::find_member(state, room, who).map(|peer| people::persons::person_of(state, &peer))
}

/// The same, for what cannot be undone: no beginning of a name is enough.
fn member_whole(state: &State, room: &RoomId, who: &Who) -> Result<PeerId, CommandError> {
    people::resolve_member(state, room, who).map(|peer| people::persons::person_of(state, &peer))
}

pub(super) fn leave(state: &mut State, turn: &mut Turn<'_>, room: &Who) -> Result<Reply, Failed> {
    let room = resolve_whole(state, room)?;
    if state.groups.rooms.get(&room).is_some_and(|group| group.question.is_some()) {
        groups::decline(state, turn, &room)?;
    } else if state.groups.rooms.get(&room).is_some_and(|group| group.elsewhere.is_some()) {
        // Only another device of ours has named it: there is nothing to leave, and it can be a room that does not exist.
        let shown = reply(state, &room)?;
        groups::forget_elsewhere(state, turn, &room)?;
        return Ok(shown);
    } else {
        groups::leave(state, turn, &room)?;
    }
    reply(state, &room)
}

pub(super) fn rename(state: &mut State, turn: &mut Turn<'_>, room: &Who, name: &str) -> Result<Reply, Failed> {
    let room = resolve(state, room)?;
    groups::rename(state, turn, &room, name)?;
    reply(state, &room)
}

pub(super) fn set_topic(state: &mut State, turn: &mut Turn<'_>, room: &Who, topic: &str) -> Result<Reply, Failed> {
    let room = resolve(state, room)?;
    groups::set_topic(state, turn, &room, topic)?;
    reply(state, &room)
}

pub(super) fn set_role(state: &mut State, turn: &mut Turn<'_>, room: &Who, who: &Who, role: RoomRole) -> Result<Reply, Failed> {
    let room = resolve(state, room)?;
    let peer = member_whole(state, &room, who)?;
    let role = match role {
        RoomRole::Member => Role::Member,
        RoomRole::Admin => Role::Admin,
        RoomRole::Owner => Role::Owner,
    };
    groups::set_role(state, turn, &room, &peer, role)?;
    reply(state, &room)
}

/// A card by which people knock at a room.
pub(super) fn card(state: &mut State, turn: &mut Turn<'_>, room: &Who) -> Result<Reply, Failed> {
    let room = resolve(state, room)?;
    let (card, expires) = vouching::card(state, turn, &room)?;
    Ok(Reply::Card(CardView { card, expires }))
}

/// Knocks at a room.
pub(super) fn knock(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, card: &str) -> Result<Reply, Failed> {
    let id = vouching::knock(state, machines.vouching, turn, card)?;
    requests::reply(state, &id)
}

/// Vouches for somebody who knocks.
pub(super) fn vouch(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, id: &RequestId) -> Result<Reply, Failed> {
    machines.vouching.vouch(state, turn, id)?;
    requests::reply(state, id)
}

/// Mutes a room or puts it away, or no longer.
pub(super) fn note(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &Who,
    is_muted: Option<bool>,
    is_archived: Option<bool>,
) -> Result<Reply, Failed> {
    let room = resolve(state, room)?;
    let (was_muted, was_archived) = state.groups.notes.get(&room).map(|note| (note.is_muted, note.is_archived)).unwrap_or_default();
    if state.set_room(turn, &room, is_muted.unwrap_or(was_muted), is_archived.unwrap_or(was_archived)) {
        turn.notify(Event::Room(room));
    }
    reply(state, &room)
}

pub(super) fn members(state: &State, room: &Who) -> Result<Reply, Failed> {
    let room = resolve(state, room)?;
    views::room::members(state, &room).map(Reply::Members).ok_or(Failed::Command(CommandError::NotFound))
}

/// Asks a member for friendship.
pub(super) fn befriend(state: &mut State, turn: &mut Turn<'_>, room: &Who, who: &Who, note: Option<String>) -> Result<Reply, Failed> {
    let room = resolve(state, room)?;
    let peer = member(state, &room, who)?;
    let id = groups::befriend(state, turn, &room, &peer, note)?;
    views::request::one(state, &id).map(Reply::Request).ok_or(Failed::Command(CommandError::NotFound))
}

/// The rooms that we are in with somebody.
pub(super) fn with(state: &State, who: &Who) -> Result<Reply, Failed> {
    let shared = groups::with(state, &people::persons::person_of(state, &person(state, who)?));
    Ok(Reply::Rooms(views::room::all(state).into_iter().filter(|view| shared.contains(&view.room)).collect()))
}

/// Leaves them.
pub(super) fn leave_with(state: &mut State, turn: &mut Turn<'_>, who: &Who) -> Result<Reply, Failed> {
    let peer = people::persons::person_of(state, &person(state, who)?);
    let Reply::Rooms(shared) = with(state, who)? else { return Err(CommandError::NotFound.into()) };
    groups::leave_with(state, turn, &peer)?;
    let views = shared.into_iter().map(|view| views::room::one(state, &view.room).unwrap_or(view));
    Ok(Reply::Rooms(views.collect()))
}

/// A friend, or the sender of a request.
fn person(state: &State, who: &Who) -> Result<PeerId, CommandError> {
    match people::resolve(state, who) {
        Err(CommandError::NotFound) => {
            let id = people::requests::resolve(state, who)?;
            state.requests.get(&id).map(|row| row.peer).ok_or(CommandError::NotFound)
        }
        other => other,
    }
}
