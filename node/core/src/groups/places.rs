//! Places for rooms: there are so many, and those that have ended give way to new ones, the oldest first.
//!
//! A friend has so many by themselves, and nothing of others gives way for them. The user has some that nobody else fills.

use super::{held, since};
use crate::conversations;
use crate::limits::{ROOM_TEXTS_AT_ONCE, ROOMS_MAX, ROOMS_OF_ADDER_MAX, ROOMS_RESERVED};
use crate::rooms;
use crate::rows::{Group, split_commit_key};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::world::RANGE_LIMIT;
use symbolon_presence::id::{PeerId, RoomId};

/// Whether nothing of a room is left but what was said there: we are out of it, and no commit brings us back.
fn has_ended(state: &State, group: &Group) -> bool {
    !group.standing.is_in() && group.ended == Some(true) && state.groups.steps_of(&group.room).next().is_none()
}

/// The rooms into which a friend has brought us.
fn of_friend<'a>(state: &'a State, friend: &'a PeerId) -> impl Iterator<Item = &'a Group> {
    state.groups.rooms.values().filter(move |group| group.added_by == Some(*friend))
}

/// Whether one more room of a friend has a place as things are.
fn is_free(state: &State, friend: &PeerId) -> bool {
    let is_own = *friend == state.own.person();
    let most = if is_own { ROOMS_MAX } else { ROOMS_MAX - ROOMS_RESERVED };
    state.groups.rooms.len() < most && (is_own || of_friend(state, friend).count() < ROOMS_OF_ADDER_MAX)
}

/// Whether one more room of a friend has a place, be it that of an older one.
pub(super) fn has_place(state: &State, friend: &PeerId) -> bool {
    is_free(state, friend) || of_friend(state, friend).any(|group| has_ended(state, group))
}

/// Makes a place for one more room: of a friend's, or of the user's own. Whether there is one.
pub(super) fn make(state: &mut State, turn: &mut Turn<'_>, friend: Option<&PeerId>) -> Result<bool, TurnFailed> {
    let is_free = friend.map_or(state.groups.rooms.len() < ROOMS_MAX, |friend| is_free(state, friend));
    if is_free {
        return Ok(true);
    }
    let may_go = |group: &&Group| has_ended(state, group) && friend.is_none_or(|friend| group.added_by == Some(*friend));
    // What another device of ours is in is still of use.
    let age = |group: &&Group| (group.elsewhere.as_ref().is_some_and(|inside| !inside.is_empty()), group.since, group.room);
    let oldest = state.groups.rooms.values().filter(may_go).min_by_key(age).map(|group| group.room);
    match oldest {
        Some(oldest) => erase(state, turn, &oldest),
        None => Ok(false),
    }
}

/// Takes a room that this device never was in out of sight, with what was said in it: another device of ours has named it. It comes back when
/// one names it again. False when there is too much of it for once; the rest stays to be asked for again.
pub(crate) fn forget_elsewhere(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<bool, TurnFailed> {
    let is_it = state.groups.rooms.get(room).is_some_and(|group| group.elsewhere.is_some() && has_ended(state, group));
    if is_it { erase(state, turn, room) } else { Ok(false) }
}

/// Erases a room that has ended, and what was said in it. False when that is not done at once.
fn erase(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<bool, TurnFailed> {
    let mut is_empty = false;
    for _ in 0..ROOM_TEXTS_AT_ONCE / RANGE_LIMIT {
        is_empty = conversations::forget(state, turn, room, 0)?;
        if is_empty {
            break;
        }
    }
    if !is_empty {
        return Ok(false);
    }
    for id in state.groups.wishes_of(room).map(|wish| wish.id).collect::<Vec<_>>() {
        state.drop_wish(turn, room, &id);
    }
    held::drop_waiting(state, turn, room);
    drop_rows(turn, room)?;
    rooms::forget(state, turn, *room)?;
    state.drop_group(turn, room);
    turn.notify(Event::Room(*room));
    Ok(true)
}

/// Erases the commits of a room, and who was in it when a text was written.
pub(super) fn drop_rows(turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    for commit in since::kept(turn, room)? {
        State::drop_commit(turn, room, &commit.epoch);
    }
    loop {
        let page = turn.range(Table::Audience, room.as_bytes(), RANGE_LIMIT)?;
        let theirs: Vec<_> =
            page.into_iter().map(|(key, _)| key).take_while(|key| split_commit_key(key).is_some_and(|(of, _)| of == *room)).collect();
        if theirs.is_empty() {
            return Ok(());
        }
        theirs.iter().for_each(|key| turn.delete(Table::Audience, key));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::command::CommandError;
    use crate::fixture::{in_turn, peer};
    use crate::groups;
    use crate::rows::GroupStanding;
    use crate::turn::Failed;
    use symbolon_presence::id::PublicKeyBytes;

    fn id(number: u64) -> RoomId {
        RoomId(peer(number).0)
    }

    /// A room into which somebody has brought us, the older ones with lower numbers.
    fn brought(state: &mut State, turn: &mut Turn<'_>, number: u64, by: PeerId) {
        let room = groups::create(state, turn, "Crew").unwrap();
        let group = state.groups.rooms.remove(&room).unwrap();
        let since = symbolon_presence::time::Timestamp(number + 1);
        state.groups.rooms.insert(id(number), Group { room: id(number), since, added_by: Some(by), ..group });
        state.forget_room(turn, &room);
    }

    fn end(state: &mut State, number: u64) {
        let group = state.groups.rooms.get_mut(&id(number)).unwrap();
        (group.standing, group.ended, group.leaf) = (GroupStanding::Left, Some(true), PublicKeyBytes([0; 32]));
    }

    #[test]
    fn a_friend_has_so_many_rooms_by_themselves_and_of_these_the_oldest_that_was_left_makes_place() {
        in_turn(|state, turn| {
            let (ana, ben) = (peer(900), peer(901));
            let most = ROOMS_OF_ADDER_MAX as u64;
            (0..most).for_each(|number| brought(state, turn, number, ana));
            brought(state, turn, most, ben);
            end(state, most);
            assert!(!has_place(state, &ana) && !make(state, turn, Some(&ana)).unwrap(), "what a friend of another has left is not hers");
            assert!(has_place(state, &ben) && make(state, turn, Some(&ben)).unwrap());
            end(state, 7);
            end(state, 5);
            assert!(has_place(state, &ana) && make(state, turn, Some(&ana)).unwrap());
            assert!(!state.groups.rooms.contains_key(&id(5)) && state.groups.rooms.contains_key(&id(7)));
            assert!(state.groups.rooms.contains_key(&id(most)));
        });
    }

    #[test]
    fn friends_leave_some_places_to_the_user_for_whom_what_was_left_makes_place_too() {
        in_turn(|state, turn| {
            let most = (ROOMS_MAX - ROOMS_RESERVED) as u64;
            for number in 0..most {
                brought(state, turn, number, peer(1_000 + number / 32));
            }
            let late = peer(5_000);
            assert!(!has_place(state, &late), "friends have filled what they may");
            end(state, 3);
            assert!(!has_place(state, &late), "what another friend's room leaves is not theirs");
            for _ in 0..ROOMS_RESERVED {
                groups::create(state, turn, "Mine").unwrap();
            }
            assert_eq!(state.groups.rooms.len(), ROOMS_MAX);
            groups::create(state, turn, "Mine, too").unwrap();
            assert!(!state.groups.rooms.contains_key(&id(3)) && state.groups.rooms.len() == ROOMS_MAX);
            assert!(matches!(groups::create(state, turn, "One more"), Err(Failed::Command(CommandError::Full))), "all of them are in use");
        });
    }
}
