//! How the person stands to others: each device says it when it changes there, and of two that differ all take the same one.

use crate::command::Trust;
use crate::friendships;
use crate::limits::{DEVICES_MAX, VERSIONS_AHEAD};
use crate::people::{self, persons};
use crate::rows::{Friend, FriendState, Person};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{Capabilities, PersonSaid, PersonStanding, is_name};
use symbolon_presence::id::{DeviceId, PeerId, RoomId};
use symbolon_relay::prove::WIRE_VERSION;

/// What is shown of somebody here: petname, trust, standing.
type Shown = (String, Trust, PersonStanding);

/// What our own row says of somebody.
fn shown(state: &State, person: &PeerId) -> Option<Shown> {
    if *person == state.own.person() {
        return Some((state.own.name.clone(), Trust::Verified, PersonStanding::Friend));
    }
    let friend = state.friends.get(&persons::head_of(state, person)?)?;
    let standing = match friend.state {
        _ if friend.blocked => PersonStanding::Blocked,
        FriendState::Ended => PersonStanding::Ended,
        FriendState::Half | FriendState::Mutual => PersonStanding::Friend,
    };
    Some((friend.petname.clone(), friend.trust, standing))
}

/// The devices of a person with which this one is friends, and to which it can hand on what another device of ours asks.
fn peers(state: &State, person: &PeerId) -> Vec<PeerId> {
    let takes = |device: &DeviceId| state.can(device, Capabilities::DEVICES);
    let is_tied = |friend: &&Friend| {
        let stands = friend.person() == *person && friend.state == FriendState::Mutual;
        stands && !friend.devices.is_empty() && friend.devices.iter().all(takes)
    };
    state.friends.values().filter(is_tied).map(|friend| friend.peer).take(DEVICES_MAX).collect()
}

/// Everybody to whom this person stands in some way, themselves among them.
pub(super) fn all(state: &State) -> Vec<PeerId> {
    let heads = state.friends.values().filter(|friend| persons::is_shown(state, friend)).map(Friend::person);
    let known = state.persons.keys().copied();
    let mut all: Vec<PeerId> = heads.chain(known).chain([state.own.person()]).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What is to be said of a person, whether it is new or not.
pub(super) fn said_of(state: &State, person: &PeerId) -> Option<PersonSaid> {
    let known = state.persons.get(person).map(|known| known.said.clone());
    let (petname, trust, standing) = shown(state, person)?;
    let tied = all_peers(state, person);
    let head = persons::head_of(state, person).and_then(|head| state.friends.get(&head));
    let conversation = head.map_or(RoomId([0; 32]), |head| head.conversation);
    let fresh = PersonSaid { person: *person, version: 1, by: state.own.peer, petname, trust, standing, conversation, peers: tied.clone() };
    Some(known.map_or(fresh, |said| PersonSaid { peers: merged(state, &said.peers, &tied), ..said }))
}

/// The devices of a person with which this one is friends.
fn all_peers(state: &State, person: &PeerId) -> Vec<PeerId> {
    let is_tied = |friend: &&Friend| friend.person() == *person && friend.state == FriendState::Mutual;
    state.friends.values().filter(is_tied).map(|friend| friend.peer).take(DEVICES_MAX).collect()
}

/// Looks whether something of a person has changed here since it was last looked at. Answers what is to be said of them
/// then.
pub(super) fn look(state: &mut State, turn: &mut Turn<'_>, person: &PeerId) -> Option<PersonSaid> {
    let shown = shown(state, person)?;
    let tied = peers(state, person);
    let known = state.persons.get(person).cloned();
    let all = merged(state, known.as_ref().map_or(&[], |known| known.said.peers.as_slice()), &tied);
    let has_new_peer = known.as_ref().is_none_or(|known| known.said.peers != all);
    if known.as_ref().is_some_and(|known| known.shown == shown) && !has_new_peer {
        return None;
    }
    let head = persons::head_of(state, person).and_then(|head| state.friends.get(&head));
    let conversation = head.map(|head| head.conversation);
    let (petname, trust, standing) = shown.clone();
    let said = match known {
        // Only who may be asked for has changed.
        Some(Person { said, shown: before, .. }) if before == shown => PersonSaid { peers: all, ..said },
        Some(Person { said, .. }) => {
            PersonSaid { version: said.version.saturating_add(1), by: state.own.peer, petname, trust, standing, peers: all, ..said }
        }
        None => PersonSaid {
            person: *person,
            version: 1,
            by: state.own.peer,
            petname,
            trust,
            standing,
            conversation: conversation.unwrap_or(RoomId([0; 32])),
            peers: all,
        },
    };
    state.save_person(turn, Person { said: said.clone(), shown }).then_some(said)
}

/// Both lists in one, without devices that were shut out here: they take nobody's place.
fn merged(state: &State, one: &[PeerId], other: &[PeerId]) -> Vec<PeerId> {
    let mut all: Vec<PeerId> = one.iter().chain(other).filter(|peer| !people::is_out(state, peer)).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.truncate(DEVICES_MAX);
    all
}

/// Another device has said how the person stands to somebody.
pub(super) fn heard(state: &mut State, turn: &mut Turn<'_>, said: PersonSaid) -> Result<(), TurnFailed> {
    let person = said.person;
    let known = state.persons.get(&person).cloned();
    let present = known.as_ref().map_or(0, |known| known.said.version);
    if said.version.saturating_sub(present) > VERSIONS_AHEAD {
        return Ok(());
    }
    let is_newer = known.as_ref().is_none_or(|known| (said.version, said.by) > (known.said.version, known.said.by));
    if is_newer && said.standing != PersonStanding::Blocked {
        // First: of somebody blocked no device counts.
        unblock(state, turn, &person)?;
    }
    let peers = merged(state, known.as_ref().map_or(&[], |known| known.said.peers.as_slice()), &said.peers);
    if !is_newer {
        if let Some(known) = known.filter(|known| known.said.peers != peers) {
            let said = PersonSaid { peers, ..known.said.clone() };
            state.save_person(turn, Person { said, ..known });
        }
        return Ok(());
    }
    let said = PersonSaid { peers, ..said };
    apply(state, turn, &said)?;
    let shown = shown(state, &person).unwrap_or((said.petname.clone(), said.trust, said.standing));
    state.save_person(turn, Person { said, shown });
    Ok(())
}

/// Makes it so here, as far as that can be.
fn apply(state: &mut State, turn: &mut Turn<'_>, said: &PersonSaid) -> Result<(), TurnFailed> {
    let person = said.person;
    if person == state.own.person() {
        if !said.petname.is_empty() && is_name(&said.petname) && said.petname != state.own.name {
            state.own.name.clone_from(&said.petname);
            turn.put(Table::Meta, b"name", &state.own.name);
        }
        return Ok(());
    }
    let head = persons::head_of(state, &person);
    match (said.standing, head) {
        (PersonStanding::Friend, None) => begin(state, turn, said),
        (PersonStanding::Friend, Some(head)) => {
            if state.friends.get(&head).is_some_and(|friend| friend.state == FriendState::Ended) {
                // They are friends again at another device: it is asked for as at first.
                people::update(state, turn, &head, |friend| friend.state = FriendState::Half)?;
            }
            named(state, turn, &head, said)
        }
        (PersonStanding::Ended, Some(head)) => tolerate(friendships::unfriend(state, turn, &head)),
        (PersonStanding::Blocked, Some(head)) => {
            for row in persons::rows_of(state, &head) {
                tolerate(friendships::set_blocked(state, turn, &row, true))?;
            }
            Ok(())
        }
        (PersonStanding::Ended, None) => Ok(()),
        (PersonStanding::Blocked, None) => {
            let keys = [person.as_bytes().to_vec()].into();
            let _ = state.block_keys(turn, &keys);
            Ok(())
        }
    }
}

/// Takes the blocks of a person back.
fn unblock(state: &mut State, turn: &mut Turn<'_>, person: &PeerId) -> Result<(), TurnFailed> {
    for row in persons::head_of(state, person).map(|head| persons::rows_of(state, &head)).unwrap_or_default() {
        if state.friends.get(&row).is_some_and(|friend| friend.blocked) {
            tolerate(friendships::set_blocked(state, turn, &row, false))?;
        }
    }
    state.unblock_key(turn, person.as_bytes());
    Ok(())
}

fn named(state: &mut State, turn: &mut Turn<'_>, head: &PeerId, said: &PersonSaid) -> Result<(), TurnFailed> {
    if state.friends.get(head).is_some_and(|friend| friend.petname != said.petname) {
        tolerate(friendships::rename(state, turn, head, &said.petname))?;
    }
    people::update(state, turn, head, |friend| friend.trust = said.trust)
}

/// A friend of the person whom this device does not know: shown at once, and written to as soon as a device of theirs has
/// answered.
fn begin(state: &mut State, turn: &mut Turn<'_>, said: &PersonSaid) -> Result<(), TurnFailed> {
    // Of a friend whose build is older, nobody of theirs can be asked yet.
    let peer = said.peers.iter().find(|peer| **peer == said.person).or(said.peers.first()).copied().unwrap_or(said.person);
    if !friendships::has_place_for(state, &peer) || state.friends.contains_key(&peer) {
        return Ok(());
    }
    let person = (said.person != peer).then_some(said.person);
    // A conversation that is somebody else's here stays theirs, and the room of a friendship is never named by what was said.
    let id = said.conversation;
    let is_taken = state.rooms.contains_key(&id)
        || state.groups.rooms.contains_key(&id)
        || state.friends.values().any(|friend| friend.conversation == id || friend.room == id);
    let petname = people::Mirror::of(state).free_petname(&peer, &said.petname);
    let blank = blank(state, turn, peer, person, said.trust);
    let conversation = if is_taken { blank.conversation } else { id };
    let friend = Friend { petname, conversation, ..blank };
    state.save_friend(turn, friend);
    turn.notify(crate::seam::Event::Friend(peer));
    Ok(())
}

/// What cannot be done here stays as it is.
fn tolerate(done: Result<(), Failed>) -> Result<(), TurnFailed> {
    match done {
        Ok(()) | Err(Failed::Command(_)) => Ok(()),
        Err(Failed::Turn(failed)) => Err(failed),
    }
}

/// A friend whose devices are still to be asked.
pub(super) fn blank(state: &State, turn: &mut Turn<'_>, peer: PeerId, person: Option<PeerId>, trust: Trust) -> Friend {
    let conversation = RoomId::random(turn.rng);
    Friend {
        peer,
        petname: people::Mirror::of(state).free_petname(&peer, "Device"),
        trust,
        state: FriendState::Half,
        blocked: false,
        conversation,
        room: conversation,
        devices: Vec::new(),
        friendship: None,
        second_root: None,
        since: turn.stamp,
        held: Vec::new(),
        unread: 0,
        presence: None,
        giving: false,
        read_to: None,
        renewing: None,
        reentries: None,
        resent: None,
        lacks: None,
        unknown: None,
        version: Some(WIRE_VERSION),
        person,
        follows: None,
        says: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::fixture::{Person as Someone, in_turn};

    fn said(state: &State, n: u8, version: u64, conversation: RoomId) -> PersonSaid {
        let (person, by) = (PeerId([n; 32]), state.own.peer);
        let (petname, trust, standing) = (format!("Nr {n}"), Trust::Invited, PersonStanding::Friend);
        PersonSaid { person, version, by, petname, trust, standing, conversation, peers: vec![person] }
    }

    #[test]
    fn nobody_has_the_last_word_for_good() {
        in_turn(|state, turn| {
            let far = said(state, 7, VERSIONS_AHEAD + 1, RoomId([7; 32]));
            heard(state, turn, far).unwrap();
            assert!(state.persons.is_empty() && !state.friends.contains_key(&PeerId([7; 32])));
            // By a device that is not known here yet: others say it before they say who that is.
            let good = PersonSaid { by: PeerId([99; 32]), ..said(state, 7, VERSIONS_AHEAD, RoomId([7; 32])) };
            heard(state, turn, good).unwrap();
            let friend = &state.friends[&PeerId([7; 32])];
            assert_eq!((friend.conversation, friend.petname.as_str()), (RoomId([7; 32]), "Nr 7"));
            assert_ne!(friend.room, friend.conversation, "a room is never named by what was said");
        });
    }

    #[test]
    fn a_conversation_that_is_somebody_elses_here_stays_theirs() {
        in_turn(|state, turn| {
            let ben = Someone::new(state, turn, 2);
            let (taken, room) = (state.friends[&ben.device.peer].conversation, state.friends[&ben.device.peer].room);
            for (n, id) in [(7, taken), (8, room)] {
                let said = said(state, n, 1, id);
                heard(state, turn, said).unwrap();
                assert_ne!(state.friends[&PeerId([n; 32])].conversation, id);
            }
        });
    }
}
