//! What the user does with rooms.

use super::order::{self, Right};
use super::{epochs, knocks, places, seats, wishes};
use crate::command::CommandError;
use crate::conversations;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::friendships::{self, Asking};
use crate::packages;
use crate::people::{self, persons};
use crate::rooms::{self, OwnLeaf};
use crate::rows::{Group, GroupStanding, Line, WishFor};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{Capabilities, Leave, Role, RoomPayload, Roster, RosterLeaf, is_name, is_topic};
use rand_core::Rng;
use symbolon_presence::id::{DeviceId, PeerId, PublicKeyBytes, RequestId, RoomId};
use symbolon_presence::time::MINUTE;

/// Within so long a friend's device that was restored is brought in, a quarter of it later, by one of those who may.
const RETURN_SPREAD: u64 = 2 * MINUTE;

/// Makes a room.
pub(crate) fn create(state: &mut State, turn: &mut Turn<'_>, name: &str) -> Result<RoomId, Failed> {
    let name = name.trim();
    if name.is_empty() || !is_name(name) {
        return Err(CommandError::BadName.into());
    }
    if !places::make(state, turn, None)? {
        return Err(CommandError::Full.into());
    }
    let room = RoomId::random(turn.rng);
    found(state, turn, room, name)?;
    Ok(room)
}

/// The room's first epoch, in which we are alone.
pub(crate) fn found(state: &mut State, turn: &mut Turn<'_>, room: RoomId, name: &str) -> Result<(), Failed> {
    let own = OwnLeaf::fresh(turn)?;
    let leaf = PublicKeyBytes(own.leaf().0);
    let roster = Roster::founded(name.to_owned(), leaf, state.own.person(), state.own.identity.device);
    let epoch = rooms::create_shared(turn, &state.own.identity, room, &own, roster.hash())?;
    packages::found(state, turn, leaf, own.key.clone());
    rooms::register_shared(state, turn, room, Vec::new());
    let due = epochs::next_update(turn, 1, false);
    let standing = GroupStanding::Member;
    state.save_group(
        turn,
        Group {
            room,
            roster,
            standing,
            epoch,
            number: 0,
            leaf,
            due,
            added_by: None,
            since: turn.stamp,
            past: Vec::new(),
            said: turn.stamp,
            question: None,
            ended: None,
            came: None,
            elsewhere: None,
            named: None,
            about: None,
            regrant: None,
            gone: None,
        },
    );
    if let Some(seat) = seats::own(state, turn, &leaf) {
        seats::meet(state, turn, &room, &leaf, &seat);
    }
    conversations::note_line(state, turn, &room, &state.own.person(), Line::Created);
    turn.notify(Event::Room(room));
    Ok(())
}

/// The room's row, if we take part and our role gives us a right there.
pub(super) fn with_right(state: &State, room: &RoomId, right: Right) -> Result<Group, CommandError> {
    let group = state.groups.rooms.get(room).ok_or(CommandError::NotFound)?;
    if wishes::is_leaving(group) {
        return Err(CommandError::NotInRoom);
    }
    let role = group.roster.role(&state.own.person()).ok_or(CommandError::NotInRoom)?;
    if order::may(role, right) { Ok(group.clone()) } else { Err(CommandError::NoRight) }
}

fn wish(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, what: WishFor) -> Result<(), Failed> {
    wishes::wish(state, turn, room, what).map(|_| ()).ok_or(Failed::Command(CommandError::Full))
}

/// Adds friends. Those who cannot be reached now come in when they can.
pub(crate) fn add(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, who: &[PeerId]) -> Result<(), Failed> {
    let group = with_right(state, room, Right::Add)?;
    let mut devices: Vec<(PeerId, DeviceId)> = Vec::new();
    let has_further = further_in(state, &group);
    for peer in who {
        let friend = state.friends.get(peer).filter(|friend| friend.stands()).ok_or(CommandError::NotFriends)?;
        let person = friend.person();
        if group.roster.role(&person).is_some() {
            continue;
        }
        let rows = || persons::rows_of(state, peer).into_iter().filter_map(|row| state.friends.get(&row)).filter(|row| row.stands());
        let theirs: Vec<DeviceId> = rows().flat_map(|row| row.devices.iter().copied()).collect();
        // Who has not said what they take, as a new friend for a moment, is waited for.
        let said = |device: &DeviceId| state.devices.get(device).and_then(|row| row.capabilities);
        let lacks = |device: &DeviceId| said(device).is_some_and(|theirs| !theirs.has(knocks::needed(&group)));
        // A build that knows of no further devices would refuse a room in which there is one.
        let is_of_before = |device: &DeviceId| has_further && said(device).is_none_or(|theirs| !theirs.has(Capabilities::DEVICES));
        if theirs.iter().all(lacks) || theirs.iter().any(is_of_before) {
            return Err(CommandError::OldBuild.into());
        }
        devices.extend(theirs.iter().filter(|device| !lacks(device)).map(|device| (person, *device)));
    }
    for (peer, device) in devices {
        wish(state, turn, room, WishFor::Add(peer, device))?;
    }
    Ok(())
}

/// Whether a further device of somebody is in a room.
fn further_in(state: &State, group: &Group) -> bool {
    let is_further = |leaf: &RosterLeaf| {
        let seat = state.groups.seats.get(&(group.room, leaf.leaf));
        seat.and_then(|seat| seat.owner.chain.as_ref()?.body()).is_some_and(|cert| cert.alias.is_some())
    };
    group.roster.leaves.iter().any(is_further)
}

/// Whether all builds in a room take something.
fn takes(state: &State, group: &Group, what: Capabilities) -> bool {
    let takes = |leaf: &RosterLeaf| {
        let seat = state.groups.seats.get(&(group.room, leaf.leaf));
        leaf.leaf == group.leaf || seat.is_some_and(|seat| seat.ways.capabilities.has(what))
    };
    group.roster.leaves.iter().all(takes)
}

/// Other devices of ours come into the rooms that this one is in, and those that are ours no more go.
pub(crate) fn follow_devices(state: &mut State, turn: &mut Turn<'_>) {
    let person = state.own.person();
    let devices_of = |state: &State, peer: &PeerId| -> Vec<DeviceId> {
        state.devices.values().filter(|row| row.peer == *peer).map(|row| row.device).collect()
    };
    let present: Vec<PeerId> = persons::siblings(state).filter(|friend| state.may_seal(friend)).map(|friend| friend.peer).collect();
    let gone: Vec<PeerId> = state.siblings.values().filter(|row| row.gone.is_some()).map(|row| row.peer).collect();
    let come: Vec<DeviceId> = present.iter().flat_map(|peer| devices_of(state, peer)).collect();
    let go: Vec<DeviceId> = gone.iter().flat_map(|peer| devices_of(state, peer)).collect();
    let member = |group: &&Group| group.is_member() && group.roster.role(&person).is_some();
    let groups: Vec<Group> = state.groups.rooms.values().filter(member).cloned().collect();
    for group in groups {
        for device in come.iter().filter(|device| group.roster.device(device).is_none()) {
            if takes(state, &group, Capabilities::DEVICES) && state.can(device, Capabilities::ROOMS) {
                wishes::wish(state, turn, &group.room, WishFor::Add(person, *device));
            }
        }
        for leaf in go.iter().filter_map(|device| group.roster.device(device)).map(|leaf| leaf.leaf).collect::<Vec<_>>() {
            wishes::wish(state, turn, &group.room, WishFor::Drop(leaf));
        }
    }
}

/// A device of a friend's person was shown that is in none of the rooms that its person is in: it was restored. It comes in again
/// by us, unless somebody has brought it in before: an own device of theirs, which does so at once, or another friend.
pub(crate) fn follow_friend(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) {
    let Some(friend) = state.devices.get(device).and_then(|row| state.friends.get(&row.peer)) else { return };
    let (me, person) = (state.own.person(), friend.person());
    if !friend.stands() || person == me || !state.can(device, Capabilities::ROOMS) {
        return;
    }
    let is_behind = |group: &&Group| {
        let roster = &group.roster;
        let role = roster.role(&me).filter(|_| group.is_member() && roster.role(&person).is_some() && roster.device(device).is_none());
        let right = order::to_add(roster, &person, &me);
        // Builds of before refuse a commit by which a member brings in somebody else.
        let is_known = right == Right::Add || takes(state, group, Capabilities::OWN_ROOMS);
        role.is_some_and(|role| order::may(role, right)) && is_known && takes(state, group, Capabilities::DEVICES)
    };
    for room in state.groups.rooms.values().filter(is_behind).map(|group| group.room).collect::<Vec<_>>() {
        let due = turn.now.after(RETURN_SPREAD / 4 + turn.rng.next_u64() % RETURN_SPREAD);
        let _ = wishes::put(state, turn, &room, WishFor::Add(person, *device), me, due);
    }
}

/// Removes members, or takes back that somebody is to come in.
pub(crate) fn remove(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, who: &[PeerId]) -> Result<(), Failed> {
    for peer in who {
        let role = state.groups.rooms.get(room).and_then(|group| group.roster.role(peer));
        let waiting: Vec<_> = state
            .groups
            .wishes_of(room)
            .filter(|wish| wish.done_in.is_none() && matches!(wish.what, WishFor::Add(of, _) if of == *peer))
            .map(|wish| wish.id)
            .collect();
        match role {
            Some(role) => {
                with_right(state, room, Right::Remove(role))?;
            }
            None if waiting.is_empty() => return Err(CommandError::NotFound.into()),
            None => {}
        }
        for id in waiting {
            state.drop_wish(turn, room, &id);
        }
        if role.is_some() {
            wish(state, turn, room, WishFor::Remove(*peer))?;
        }
    }
    Ok(())
}

/// Leaves a room: said to the others, one of whom commits it. History stays.
pub(crate) fn leave(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), Failed> {
    let group = with_right(state, room, Right::Leave)?;
    Ok(part(state, turn, group)?)
}

/// The same, once it is sure that we are in it.
pub(super) fn part(state: &mut State, turn: &mut Turn<'_>, group: Group) -> Result<(), TurnFailed> {
    let room = group.room;
    if rooms::members(state, &room).is_empty() {
        state.save_group(turn, Group { standing: GroupStanding::Left, ..group });
        seats::follow(state, turn, &room);
    } else {
        let said = Leave::sign(&state.own.identity, &room, group.leaf, group.number);
        let sealed = rooms::say(turn, room, &RoomPayload::Leave(said))?;
        outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Leave(room), &sealed);
        state.save_group(turn, Group { standing: GroupStanding::Leaving, ..group });
    }
    turn.notify(Event::Room(room));
    Ok(())
}

/// Asks a member for friendship, who may never have heard of us. Answers the request.
pub(crate) fn befriend(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &RoomId,
    who: &PeerId,
    note: Option<String>,
) -> Result<RequestId, Failed> {
    let group = state.groups.rooms.get(room).filter(|group| group.is_member()).cloned().ok_or(CommandError::NotInRoom)?;
    if *who == state.own.person() {
        return Err(CommandError::OwnIdentity.into());
    }
    let devices: Vec<DeviceId> = group.roster.leaves_of(who).map(|leaf| leaf.device).collect();
    if devices.is_empty() {
        return Err(CommandError::NotFound.into());
    }
    // Of members who are no friends, their ways in the room say what they take.
    let takes = |device: &&DeviceId| state.can(device, Capabilities::BEFRIENDING);
    let devices: Vec<DeviceId> = devices.iter().filter(takes).copied().collect();
    // One of theirs is asked, the first one where it is there; it brings the others.
    let of_person = |device: &&DeviceId| state.devices.get(device).is_some_and(|row| row.peer == *who);
    let Some(device) = devices.iter().find(of_person).or(devices.first()).copied() else {
        return Err(CommandError::OldBuild.into());
    };
    let devices = [device];
    let peer = state.devices.get(&device).map_or(*who, |row| row.peer);
    if state.own.is_halted || !devices.iter().all(|device| outbox::has_room(state, device)) {
        return Err(CommandError::Full.into());
    }
    let name = people::called(state, room, who);
    match friendships::befriend(state, turn, peer, name, note)? {
        Asking::Known(id) => Ok(id),
        Asking::Say(id, befriend) => {
            let sealed = rooms::say(turn, *room, &RoomPayload::Befriend(befriend))?;
            for device in &devices {
                outbox::enqueue_part(state, turn, (device, *room, sealed.epoch), EnvelopeOwner::Mark, (None, &sealed.bytes));
            }
            Ok(id)
        }
    }
}

/// The rooms that we are in with somebody, those among them about which we are asked.
pub(crate) fn with(state: &State, peer: &PeerId) -> Vec<RoomId> {
    let is_shared = |group: &&Group| group.standing.is_member() && group.roster.role(peer).is_some() && *peer != state.own.person();
    state.groups.rooms.values().filter(is_shared).map(|group| group.room).collect()
}

/// Leaves them all.
pub(crate) fn leave_with(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), Failed> {
    for room in with(state, peer) {
        if let Some(group) = state.groups.rooms.get(&room).cloned() {
            part(state, turn, group)?;
        }
    }
    Ok(())
}

/// Gives a room another name.
pub(crate) fn rename(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, name: &str) -> Result<(), Failed> {
    let name = name.trim();
    if name.is_empty() || !is_name(name) {
        return Err(CommandError::BadName.into());
    }
    with_right(state, room, Right::Rename)?;
    wish(state, turn, room, WishFor::Name(name.to_owned()))
}

/// Gives a room another topic; an empty one is none.
pub(crate) fn set_topic(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, topic: &str) -> Result<(), Failed> {
    if !is_topic(topic) {
        return Err(CommandError::BadNote.into());
    }
    with_right(state, room, Right::Topic)?;
    wish(state, turn, room, WishFor::Topic(topic.to_owned()))
}

/// Gives a member another role.
pub(crate) fn set_role(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, who: &PeerId, to: Role) -> Result<(), Failed> {
    let from = state.groups.rooms.get(room).and_then(|group| group.roster.role(who)).ok_or(CommandError::NotFound)?;
    let right = if *who == state.own.person() { Right::OwnRole { from, to } } else { Right::SetRole { from, to } };
    with_right(state, room, right)?;
    wish(state, turn, room, WishFor::Role(*who, to))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{Person, in_turn};

    #[test]
    fn a_friend_who_has_not_said_what_they_take_is_waited_for_and_one_who_takes_no_rooms_is_not() {
        in_turn(|state, turn| {
            let friend = Person::new(state, turn, 1).device;
            let room = create(state, turn, "Crew").unwrap();
            state.device_mut(&friend.device).unwrap().capabilities = Some(Capabilities::COMMITS);
            assert!(matches!(add(state, turn, &room, &[friend.peer]), Err(Failed::Command(CommandError::OldBuild))));
            for said in [None, Some(Capabilities::OURS)] {
                state.groups.wishes.clear();
                state.device_mut(&friend.device).unwrap().capabilities = said;
                add(state, turn, &room, &[friend.peer]).unwrap();
                let wished: Vec<WishFor> = state.groups.wishes_of(&room).map(|wish| wish.what.clone()).collect();
                assert!(wished == [WishFor::Add(friend.peer, friend.device)]);
            }
        });
    }
}
