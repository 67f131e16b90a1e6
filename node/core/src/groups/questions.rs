//! Questions: whether we want to be in a room into which a friend has brought us.
//!
//! Such a room is entered at once, so that nothing is lost which is said there, and nothing of it is shown. Until there is a
//! yes nothing is said in it, neither where we are written to nor that anything was read. A no leaves it as anybody leaves.

use super::{epochs, places, seats, settings};
use crate::command::CommandError;
use crate::conversations;
use crate::limits::ROOMS_ASKED_MAX;
use crate::notice::GroupsNotice;
use crate::people;
use crate::rooms;
use crate::rows::{Group, GroupStanding, RoomQuestion};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::Roster;
use symbolon_presence::id::{PeerId, RequestId, RoomId};

/// Those of a room of whom our user wants nothing, by Peer ID.
pub(crate) fn parted(state: &State, roster: &Roster) -> Vec<PeerId> {
    roster.people().into_iter().filter(|peer| people::is_parted(state, peer)).collect()
}

/// Whether one more room of a friend may wait for an answer.
pub(super) fn has_place(state: &State, friend: &PeerId) -> bool {
    let of_friend = |group: &&Group| group.question.is_some() && group.added_by == Some(*friend);
    state.groups.rooms.values().filter(of_friend).count() < ROOMS_ASKED_MAX
}

/// The question that a Welcome raises, if any: because our user wants to be asked, or somebody is in the room of whom they
/// want nothing. `before` is how we were in it.
pub(super) fn of_welcome(
    state: &State,
    turn: &mut Turn<'_>,
    before: Option<&Group>,
    roster: &Roster,
    is_wanted: bool,
) -> Option<RoomQuestion> {
    match before {
        // Nothing was answered yet.
        Some(Group { question: Some(question), .. }) => Some(*question),
        // We want to be in it, and come in once more.
        Some(group) if group.standing == GroupStanding::Member => None,
        Some(_) | None => {
            // Who has knocked has said so already.
            let is_asked = (state.own.asks_for_rooms && !is_wanted) || !parted(state, roster).is_empty();
            is_asked.then(|| RoomQuestion { id: RequestId::random(turn.rng), from: state.counters.arrival, is_known: before.is_some() })
        }
    }
}

/// The room that a question is about.
pub(crate) fn room_of(state: &State, id: &RequestId) -> Option<RoomId> {
    let is_it = |group: &&Group| group.question.is_some_and(|question| question.id == *id);
    state.groups.rooms.values().find(is_it).map(|group| group.room)
}

/// Our user wants to be in a room: it is shown, and the others hear how we are written to.
pub(crate) fn join(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), Failed> {
    let group = state.groups.rooms.get(room).filter(|group| group.is_asked()).cloned().ok_or(CommandError::WrongStatus)?;
    let due = epochs::next_update(turn, group.roster.leaves.len(), true);
    let devices = seats::devices(state, &group.roster);
    state.save_group(turn, Group { question: None, due, said: turn.stamp, ..group });
    seats::say(state, turn, room, &devices)?;
    turn.notify(Event::Room(*room));
    turn.tell(GroupsNotice::Moved(*room));
    Ok(())
}

/// Our user does not want to be in a room: it is left, and nothing of it is shown.
pub(crate) fn decline(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), Failed> {
    let group = state.groups.rooms.get(room).filter(|group| group.is_asked()).cloned().ok_or(CommandError::WrongStatus)?;
    Ok(settings::part(state, turn, group)?)
}

/// Forgets a room that was left before anything of it was shown. What was shown of it before stays.
pub(super) fn sweep(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    let Some(group) = state.groups.rooms.get(room).cloned() else { return Ok(()) };
    let Some(question) = group.question.filter(|_| !group.standing.is_in()) else { return Ok(()) };
    if state.groups.steps_of(room).next().is_some() || !conversations::forget(state, turn, room, question.from)? {
        return Ok(());
    }
    state.change_note(turn, room, |note| note.unread = 0);
    if conversations::is_empty(turn, room)? {
        seats::forget_room(state, turn, room)?;
        places::drop_rows(turn, room)?;
        rooms::forget(state, turn, *room)?;
        state.drop_group(turn, room);
    } else {
        state.save_group(turn, Group { question: None, ..group });
        seats::end(state, turn, room)?;
    }
    turn.notify(Event::Room(*room));
    Ok(())
}
