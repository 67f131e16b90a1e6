//! Who is meant by a name or an id, and rows of friends.

use super::rooms::room_name;
use super::{names, persons};
use crate::command::{CommandError, Who};
use crate::rows::Friend;
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::{PeerId, RequestId, RoomId};

/// Finds a friend as [`resolve`] does, or else by a beginning of the petname that no other friend's has.
pub(crate) fn find(state: &State, who: &Who) -> Result<PeerId, CommandError> {
    match resolve(state, who) {
        Err(CommandError::NotFound) if !is_id(&who.0) => one_of(begun(state, &who.0)),
        other => other,
    }
}

/// Whether this is a whole id: it means nothing else.
fn is_id(typed: &str) -> bool {
    let lower = typed.trim().to_ascii_lowercase();
    lower.parse::<PeerId>().is_ok() || lower.parse::<RequestId>().is_ok() || lower.parse::<RoomId>().is_ok()
}

/// The friends whose petnames begin so.
fn begun(state: &State, typed: &str) -> BTreeSet<PeerId> {
    shown(state).filter(|friend| names::begins(&friend.petname, typed.trim())).map(|friend| friend.peer).collect()
}

/// The one that is meant, if it is one.
fn one_of<T: Copy>(found: BTreeSet<T>) -> Result<T, CommandError> {
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (None, _) => Err(CommandError::NotFound),
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(CommandError::Ambiguous),
    }
}

/// Finds a friend by petname or Peer ID, or by an unambiguous beginning (8 characters) of the
/// id. A whole id means that id, in any case, whatever names there are. What cannot be undone asks for
/// the whole name so; [`find`] takes less.
pub(crate) fn resolve(state: &State, who: &Who) -> Result<PeerId, CommandError> {
    let text = who.0.trim();
    let lower = text.to_ascii_lowercase();
    if let Ok(peer) = lower.parse::<PeerId>() {
        return persons::head_of(state, &peer).or(state.friends.get(&peer).map(Friend::head)).ok_or(CommandError::NotFound);
    }
    if lower.parse::<RequestId>().is_ok() {
        return Err(CommandError::NotFound);
    }
    let mut found: BTreeSet<PeerId> = shown(state).filter(|friend| friend.petname == text).map(|friend| friend.peer).collect();
    if found.is_empty() {
        found = shown(state).filter(|friend| names::is_same(&friend.petname, text)).map(|friend| friend.peer).collect();
    }
    // Where a name is also the beginning of somebody else's id, nobody can know who is meant.
    if text.len() >= 8 {
        found.extend(shown(state).filter(|friend| friend.person().to_string().starts_with(&lower)).map(|friend| friend.peer));
    }
    one_of(found)
}

/// The rows that users see.
fn shown(state: &State) -> impl Iterator<Item = &Friend> {
    state.friends.values().filter(|friend| persons::is_shown(state, friend))
}

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// To a friend.
    Friend(PeerId),
    /// To everybody in a room.
    Room(RoomId),
}

/// Finds a friend or a room as [`resolve_target`] does, or else by a beginning of the name that no other one has.
pub(crate) fn find_target(state: &State, who: &Who) -> Result<Target, CommandError> {
    match resolve_target(state, who) {
        Err(CommandError::NotFound) if !is_id(&who.0) => {}
        other => return other,
    }
    let rooms = named(state, &|name| names::begins(name, who.0.trim()));
    match (one_of(begun(state, &who.0)), one_of(taken_part(state, rooms))) {
        (Ok(peer), Err(CommandError::NotFound)) => Ok(Target::Friend(peer)),
        (Err(CommandError::NotFound), Ok(room)) => Ok(Target::Room(room)),
        (Err(CommandError::NotFound), Err(CommandError::NotFound)) => Err(CommandError::NotFound),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Err(CommandError::Ambiguous),
    }
}

/// The rooms of such a name. A room that its user has not said yes to takes no name from friends or other rooms.
fn named(state: &State, is: &dyn Fn(&str) -> bool) -> BTreeSet<RoomId> {
    let named = state.groups.rooms.values().filter(|group| group.question.is_none() && is(room_name(state, group)));
    named.map(|group| group.room).collect()
}

/// Of rooms that all fit, those in which we take part are meant.
fn taken_part(state: &State, mut rooms: BTreeSet<RoomId>) -> BTreeSet<RoomId> {
    let is_present = |room: &RoomId| state.groups.rooms.get(room).is_some_and(|group| group.is_member());
    if rooms.iter().any(is_present) {
        rooms.retain(is_present);
    }
    rooms
}

/// Finds a friend or a room: they share one namespace. A whole id means that id, whatever names there are.
pub(crate) fn resolve_target(state: &State, who: &Who) -> Result<Target, CommandError> {
    let text = who.0.trim();
    let lower = text.to_ascii_lowercase();
    if let Some(room) = lower.parse::<RoomId>().ok().filter(|room| state.groups.rooms.contains_key(room)) {
        return Ok(Target::Room(room));
    }
    let mut rooms = named(state, &|name| name == text);
    if rooms.is_empty() {
        rooms = named(state, &|name| names::is_same(name, text));
    }
    if text.len() >= 8 {
        rooms.extend(state.groups.rooms.keys().filter(|room| room.to_string().starts_with(&lower)));
    }
    match (resolve(state, who), one_of(taken_part(state, rooms))) {
        (Ok(peer), Err(CommandError::NotFound)) => Ok(Target::Friend(peer)),
        (Err(CommandError::NotFound), Ok(room)) => Ok(Target::Room(room)),
        (Err(CommandError::NotFound), Err(CommandError::NotFound)) => Err(CommandError::NotFound),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Err(CommandError::Ambiguous),
    }
}

/// Finds a member as [`resolve_member`] does, or else by a beginning of the name that no other member's has; or a friend so.
pub(crate) fn find_member(state: &State, room: &RoomId, who: &Who) -> Result<PeerId, CommandError> {
    match resolve_member(state, room, who) {
        Err(CommandError::NotFound) if !is_id(&who.0) => {}
        other => return other,
    }
    let group = state.groups.rooms.get(room).ok_or(CommandError::NotFound)?;
    let users = group.roster.users.iter().map(|user| user.user);
    match one_of(users.filter(|user| names::begins(&called(state, room, user), who.0.trim())).collect()) {
        Err(CommandError::NotFound) => find(state, who),
        other => other,
    }
}

/// Finds a member of a room by the name by which it is shown, or by id; or a friend.
pub(crate) fn resolve_member(state: &State, room: &RoomId, who: &Who) -> Result<PeerId, CommandError> {
    let text = who.0.trim();
    let group = state.groups.rooms.get(room).ok_or(CommandError::NotFound)?;
    if let Ok(peer) = text.to_ascii_lowercase().parse::<PeerId>() {
        return Ok(peer);
    }
    let is_named = |peer: &&PeerId| names::is_same(&called(state, room, peer), text);
    let users: Vec<PeerId> = group.roster.users.iter().map(|user| user.user).collect();
    let found: BTreeSet<PeerId> = users.iter().filter(is_named).copied().collect();
    match (found.len(), found.first()) {
        (1, Some(peer)) => Ok(*peer),
        (0, _) => resolve(state, who),
        _ => Err(CommandError::Ambiguous),
    }
}

/// How somebody is called who is in a room: as we call a friend, else as they call themselves there.
pub(crate) fn called(state: &State, room: &RoomId, peer: &PeerId) -> String {
    if *peer == state.own.peer
        || *peer == state.own.person()
        || state.friends.get(peer).is_some_and(|friend| persons::is_own(state, friend))
    {
        return state.own.name.clone();
    }
    let peer = &persons::head_of(state, peer).unwrap_or_else(|| persons::head(state, peer));
    if let Some(friend) = state.friends.get(peer) {
        return friend.petname.clone();
    }
    let short = || peer.to_string().chars().take(8).collect::<String>();
    let said = said_in(state, room, peer).filter(|name| !name.is_empty() && names::pose(name).is_none() && !names::tells(name));
    match said {
        None => short(),
        Some(name) if is_taken(state, room, peer, &name) => format!("{name} ({})", short()),
        Some(name) => name,
    }
}

/// Up to so many friends, each of their names is looked at letter by letter.
const LOOKED_AT: usize = 256;

/// What a member gives as their name in a room, or has given before they went.
pub(crate) fn said_in(state: &State, room: &RoomId, peer: &PeerId) -> Option<String> {
    let group = state.groups.rooms.get(room)?;
    let Some(leaf) = group.roster.leaves_of(peer).next().map(|leaf| leaf.leaf) else {
        return group.gone().iter().find(|gone| gone.user == *peer).map(|gone| gone.name.clone());
    };
    state.groups.seats.get(&(*room, leaf)).map(|seat| names::clean(&seat.ways.name))
}

/// Whether a name that somebody gives themselves in a room could be taken for us, for a friend, or for another member.
fn is_taken(state: &State, room: &RoomId, peer: &PeerId, name: &str) -> bool {
    let look = names::Look::of(name);
    let is_like = |other: &str| look.is_alike(&names::Look::of(other));
    // To look at each of thousands of names, for each line that is shown, would take seconds.
    let is_few = state.friends.len() <= LOOKED_AT;
    let is_friend_s =
        state.friends.values().any(|friend| friend.petname.to_lowercase() == look.folded || (is_few && is_like(&friend.petname)));
    let group = state.groups.rooms.get(room);
    let users = group.into_iter().flat_map(|group| group.roster.users.iter().map(|user| &user.user));
    // Who has gone is still read beside those who came later.
    let mut all = users.chain(group.into_iter().flat_map(|group| group.gone().iter().map(|gone| &gone.user)));
    is_friend_s
        || is_like(&state.own.name)
        || all.any(|user| match state.friends.get(user) {
            _ if user == peer => false,
            Some(friend) => is_like(&friend.petname),
            None => said_in(state, room, user).is_some_and(|said| is_like(&said)),
        })
}

/// Changes and saves a friend's row.
pub(crate) fn update(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, change: impl FnOnce(&mut Friend)) -> Result<(), TurnFailed> {
    if state.change_friend(turn, peer, change) {
        turn.notify(Event::Friend(*peer));
    }
    Ok(())
}
