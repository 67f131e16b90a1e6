//! Rooms as shown to the user.

use crate::command::{HEIRS_MAX, MemberView, RoomRole, RoomStanding, RoomView, Trust};
use crate::devices;
use crate::people::{self, persons};
use crate::rows::{Group, GroupStanding, WishFor, WishRow};
use crate::state::State;
use crate::wire::Role;
use std::collections::BTreeSet;
use symbolon_presence::id::{PeerId, RoomId};
use symbolon_presence::words::fingerprint_words;

/// All rooms that this node is in, or was, by name.
pub(crate) fn all(state: &State) -> Vec<RoomView> {
    let mut views: Vec<_> = state.groups.rooms.values().filter(|group| is_shown(group)).map(|group| view(state, group)).collect();
    views.sort_by(|a, b| (&a.name, a.room).cmp(&(&b.name, b.room)));
    views
}

/// Whether a room is listed: not one that was left before anything of it was shown.
fn is_shown(group: &Group) -> bool {
    group.is_asked() || group.question.is_none_or(|question| question.is_known)
}

/// One of them.
pub(crate) fn one(state: &State, room: &RoomId) -> Option<RoomView> {
    state.groups.rooms.get(room).map(|group| view(state, group))
}

fn view(state: &State, group: &Group) -> RoomView {
    let note = state.groups.notes.get(&group.room).cloned().unwrap_or_default();
    let waits = state.groups.wishes_of(&group.room).filter(|wish| wish.done_in.is_none());
    let comes = |wish: &WishRow| if let WishFor::Add(peer, _) = &wish.what { Some(*peer) } else { None };
    // Of who is in the room one more device is to come.
    let invited: BTreeSet<PeerId> = waits.filter_map(comes).filter(|peer| group.roster.role(peer).is_none()).collect();
    RoomView {
        room: group.room,
        name: people::room_name(state, group).to_owned(),
        topic: if group.is_asked() { String::new() } else { people::room_topic(state, group).to_owned() },
        epoch: group.number,
        members: group.roster.users.len(),
        role: group.roster.role(&state.own.person()).map(role),
        standing: match group.standing {
            _ if devices::is_elsewhere(state, group) => RoomStanding::Elsewhere,
            GroupStanding::Member if group.is_asked() => RoomStanding::Asked,
            GroupStanding::Member => RoomStanding::Member,
            GroupStanding::Leaving => RoomStanding::Leaving,
            GroupStanding::Left => RoomStanding::Left,
            GroupStanding::Removed => RoomStanding::Removed,
        },
        unread: if group.is_asked() { 0 } else { note.unread },
        is_muted: note.is_muted,
        is_archived: note.is_archived,
        invited: invited.iter().map(|peer| people::called(state, &group.room, peer)).collect(),
        added_by: group.added_by.map(|peer| people::called(state, &group.room, &peer)),
        heirs: heirs(state, group),
    }
}

/// Who may become the owner when we leave: those who have been here longest, if nobody else is an owner.
fn heirs(state: &State, group: &Group) -> Vec<String> {
    let me = state.own.person();
    let owners = || group.roster.users.iter().filter(|row| row.role == Role::Owner);
    let others = || group.roster.users.iter().filter(|row| row.user != me);
    let Some(longest) = others().map(|row| row.came_in).min().filter(|_| owners().all(|row| row.user == me)) else { return Vec::new() };
    let named = others().filter(|row| row.came_in == longest).take(HEIRS_MAX);
    named.map(|row| people::called(state, &group.room, &row.user)).collect()
}

/// Who is in a room: ourselves first, then by name.
pub(crate) fn members(state: &State, room: &RoomId) -> Option<Vec<MemberView>> {
    let group = state.groups.rooms.get(room)?;
    let member = |user: &crate::wire::RosterUser| MemberView {
        id: user.user,
        name: people::called(state, room, &user.user),
        words: fingerprint_words(&user.user),
        trust: persons::head_of(state, &user.user).and_then(|head| state.friends.get(&head)).map_or(Trust::Room, |friend| friend.trust),
        role: role(user.role),
        is_me: user.user == state.own.person(),
    };
    let mut views: Vec<MemberView> = group.roster.users.iter().map(member).collect();
    views.sort_by(|a, b| (!a.is_me, &a.name, a.id).cmp(&(!b.is_me, &b.name, b.id)));
    Some(views)
}

fn role(role: Role) -> RoomRole {
    match role {
        Role::Member => RoomRole::Member,
        Role::Admin => RoomRole::Admin,
        Role::Owner => RoomRole::Owner,
    }
}
