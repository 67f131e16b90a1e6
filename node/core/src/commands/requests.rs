//! What the user does with requests and introductions.

use super::machines::Machines;
use crate::command::{CommandError, Reply, RequestStatus, RequestView, Who};
use crate::friendships;
use crate::groups;
use crate::introductions;
use crate::state::State;
use crate::turn::{Failed, Turn};
use crate::views;
use crate::vouching;
use std::collections::BTreeSet;
use symbolon_presence::id::{PeerId, RequestId, RoomId};

/// The answer that shows a request, or an introduction.
pub(super) fn reply(state: &State, id: &RequestId) -> Result<Reply, Failed> {
    views::request::one(state, id).map(Reply::Request).ok_or(Failed::Command(CommandError::NotFound))
}

pub(super) fn add(
    state: &mut State,
    machines: &mut Machines<'_>,
    turn: &mut Turn<'_>,
    target: &str,
    note: Option<String>,
) -> Result<Reply, Failed> {
    let online: BTreeSet<PeerId> = machines.delivery.online(state);
    let id = friendships::add(state, turn, target, note, |peer| online.contains(peer))?;
    machines.presence.finder.begin_again(state, turn.now);
    reply(state, &id)
}

pub(super) fn introduce(state: &mut State, turn: &mut Turn<'_>, asker: &Who, target: &Who, note: Option<String>) -> Result<Reply, Failed> {
    let id = introductions::introduce(state, turn, asker, target, note)?;
    reply(state, &id)
}

pub(super) fn accept(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, id: &RequestId) -> Result<Reply, Failed> {
    if let Some(room) = groups::room_of(state, id) {
        return answer_room(state, turn, &room, RequestStatus::Confirmed);
    }
    if state.vouching.heard.contains_key(id) {
        machines.vouching.vouch(state, turn, id)?;
    } else if state.introductions.contains_key(id) {
        introductions::accept(state, turn, id)?;
    } else if state.requests.get(id).is_some_and(|row| row.is_of_room()) {
        friendships::accept_in_room(state, turn, id)?;
    } else {
        friendships::accept(state, turn, id)?;
    }
    reply(state, id)
}

pub(super) fn ignore(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<Reply, Failed> {
    if let Some(room) = groups::room_of(state, id) {
        return answer_room(state, turn, &room, RequestStatus::Ignored);
    }
    if state.vouching.heard.contains_key(id) {
        vouching::ignore(state, turn, id)?;
    } else if state.introductions.contains_key(id) {
        introductions::ignore(state, turn, id)?;
    } else {
        friendships::ignore(state, turn, id)?;
    }
    reply(state, id)
}

pub(super) fn cancel(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<Reply, Failed> {
    if state.vouching.knocks.contains_key(id) {
        vouching::cancel(state, turn, id)?;
    } else if state.introductions.contains_key(id) {
        introductions::cancel(state, turn, id)?;
    } else {
        friendships::cancel(state, turn, id)?;
    }
    reply(state, id)
}

/// Says whether we want to be in a room into which a friend has brought us. Answers what was asked, and where that stands now.
fn answer_room(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, status: RequestStatus) -> Result<Reply, Failed> {
    let view = views::request::of_room(state, room).ok_or(CommandError::WrongStatus)?;
    if status == RequestStatus::Confirmed {
        groups::join(state, turn, room)?
    } else {
        groups::decline(state, turn, room)?
    }
    Ok(Reply::Request(RequestView { status, ..view }))
}
