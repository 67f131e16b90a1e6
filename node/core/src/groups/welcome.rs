//! Welcomes: bringing a friend into a room, and coming in.
//!
//! A Welcome goes in the room of the friendship, in a bundle that says who adds: known before anything of it is looked at.
//! `docs/protocol/rooms.md`.

use super::epochs::next_update;
use super::held::{self, Leads};
use super::{knocks, places, questions, seats, since, texts};
use crate::conversations;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::FINAL_AGE;
use crate::packages::{self, VerifiedPackage};
use crate::people;
use crate::rooms;
use crate::rows::{CameBy, GoneName, Group, GroupStanding, Invitation, Line, invitation_key};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{KnockSecret, Piece, RoomPayload, Roster, Seat, SeatedRoster, WelcomeBundle, commit_rank};
use crate::world::{CipherError, WelcomeView};
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

/// Brings those in whom our commit has added: the room is in the epoch that they enter.
pub(super) fn invite(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &RoomId,
    welcome: &[u8],
    added: &[VerifiedPackage],
) -> Result<(), TurnFailed> {
    let Some(group) = state.groups.rooms.get(room).cloned() else { return Ok(()) };
    if let Some(own) = seats::own(state, turn, &group.leaf) {
        state.save_seat(turn, *room, own);
    }
    let all = seats::all(state, room, &group.roster);
    let key = rooms::seated_key(turn, *room)?;
    let knocks = state.groups.knock_key(room).map(|row| row.secret.clone());
    let seated = SeatedRoster { roster: group.roster.clone(), seats: all, epoch: group.number, knocks }.seal(&key, room, turn.rng);
    for package in added {
        let secret = state.friends.get(&package.device.peer).and_then(|friend| friend.friendship.clone());
        let Some(secret) = secret else { continue };
        let attribution = (secret.revision, &secret.waik());
        let parts = (welcome.to_vec(), seated.clone());
        let bundle = WelcomeBundle::sign(&state.own.identity, (*room, package.leaf.as_bytes()), parts, attribution, turn.rng);
        let invitation = Invitation { room: *room, device: package.device.device, bundle, said_in: None, at: None };
        turn.put(Table::Invitation, &invitation_key(room, &invitation.device), &invitation);
        state.groups.invitations.insert((*room, invitation.device), None);
        say(state, turn, invitation)?;
    }
    Ok(())
}

/// Says an invitation in the room of the friendship, if that can be.
fn say(state: &mut State, turn: &mut Turn<'_>, invitation: Invitation) -> Result<(), TurnFailed> {
    let Invitation { room, device, bundle, .. } = invitation;
    let friend = state.friend_of(&device).filter(|friend| state.may_seal(friend) && friend.devices.contains(&device));
    let Some(friends_room) = friend.map(|friend| friend.room) else { return Ok(()) };
    let sealed = rooms::say(turn, friends_room, &RoomPayload::Welcome(Box::new(bundle.clone())))?;
    for part in Piece::split(&sealed.bytes) {
        let is_last = part.0.is_none_or(|piece| piece.is_last());
        let owner = if is_last { EnvelopeOwner::Welcome(room) } else { EnvelopeOwner::Piece };
        outbox::enqueue_part(state, turn, (&device, friends_room, sealed.epoch), owner, part);
    }
    let said_in = Some(friends_room);
    state.groups.invitations.insert((room, device), said_in);
    turn.put(Table::Invitation, &invitation_key(&room, &device), &Invitation { room, device, bundle, said_in, at: None });
    Ok(())
}

/// Says again what a device's friendship's room has lost: it was made again.
pub(crate) fn say_again(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
    let present = state.friend_of(device).map(|friend| friend.room);
    let lost = state.groups.invitations.iter().filter(|((_, of), said_in)| of == device && **said_in != present);
    for room in lost.map(|((room, _), _)| *room).collect::<Vec<_>>() {
        if let Some(invitation) = turn.row::<Invitation>(Table::Invitation, &invitation_key(&room, device))? {
            say(state, turn, invitation)?;
        }
    }
    Ok(())
}

/// A device has its Welcome.
pub(crate) fn invited(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, device: &DeviceId) {
    if state.groups.invitations.remove(&(*room, *device)).is_some() {
        turn.delete(Table::Invitation, &invitation_key(room, device));
    }
}

/// A friend brings us into a room. Errors change nothing that counts.
pub(crate) fn receive_welcome(state: &mut State, turn: &mut Turn<'_>, from: &Device, bundle: &WelcomeBundle) -> Result<(), Rejected> {
    // Whose it is, before anything else is looked at.
    let (leaf, adder) = signed(state, turn, bundle)?;
    if adder.device != from.device || adder.peer != from.peer {
        return Err(DropReason::Forged.into());
    }
    if come_in(state, turn, &leaf, &adder, bundle)? { Ok(()) } else { held::wait(state, turn, from, bundle) }
}

/// Something has changed in a room: a Welcome that has waited brings us in, once we are out.
pub(super) fn look(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    if state.groups.rooms.get(room).is_some_and(|group| group.standing.is_member()) {
        return Ok(());
    }
    let Some(Invitation { bundle, .. }) = held::row(state, turn, room)? else { return Ok(()) };
    held::drop_waiting(state, turn, room);
    let signed = signed(state, turn, &bundle);
    match signed.and_then(|(leaf, adder)| come_in(state, turn, &leaf, &adder, &bundle)) {
        Err(Rejected::Turn(failed)) => Err(failed),
        // What was good when it came may not be so any more.
        Ok(_) | Err(Rejected::Drop(_)) => Ok(()),
    }
}

/// Asks once more for the commits that a Welcome waits for; gives up what waits for too long.
pub(super) fn sweep(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    for room in held::waiting(state).map(|(room, _)| room).collect::<Vec<_>>() {
        let Some(Invitation { bundle, at, .. }) = held::row(state, turn, &room)? else { continue };
        if at.is_none_or(|at| turn.sure.since(at) >= FINAL_AGE) {
            held::drop_waiting(state, turn, &room);
        } else if let Ok((_, adder)) = signed(state, turn, &bundle) {
            since::ask(state, turn, &adder.device, &room);
        }
    }
    Ok(())
}

/// The leaf of ours that a Welcome is for, and who has signed it.
fn signed(state: &State, turn: &Turn<'_>, bundle: &WelcomeBundle) -> Result<(PublicKeyBytes, Device), Rejected> {
    let leaf = rooms::welcome_leaf(turn, &bundle.welcome).map_err(refused)?;
    let leaf = PublicKeyBytes(leaf.0);
    if packages::own(state, &leaf).is_none() {
        return Err(DropReason::Unexpected.into());
    }
    let known = state.own.past.iter().map(|past| &past.friendship).chain([&state.own.friendship]);
    let waik = known.filter(|secret| secret.revision == bundle.revision).map(|secret| secret.waik()).next();
    let adder = waik.and_then(|waik| bundle.verify(leaf.as_bytes(), &waik, turn.sure)).ok_or(DropReason::Forged)?;
    Ok((leaf, adder))
}

/// Enters the room of a Welcome. False when we are in it, and it does not take the place of what we have.
fn come_in(
    state: &mut State,
    turn: &mut Turn<'_>,
    leaf: &PublicKeyBytes,
    adder: &Device,
    bundle: &WelcomeBundle,
) -> Result<bool, Rejected> {
    let (room, leaf, me) = (bundle.room, *leaf, state.own.person());
    let held = state.groups.rooms.get(&room).cloned();
    may_add(state, adder, &room, held.as_ref())?;
    // All of it is checked before a room that is held makes place.
    let view = rooms::view_welcome(turn, &bundle.welcome).map_err(refused)?;
    let seated = SeatedRoster::open(&bundle.seated, &Secret::from_bytes(view.exported), &room);
    let is_good = |seated: &SeatedRoster| view.room == room && is_true(&view, &leaf, &adder.person, seated, turn.sure);
    let SeatedRoster { roster, seats, epoch, knocks } = seated.filter(is_good).ok_or(DropReason::Forged)?;
    let came = came(&view, &roster, &adder.device);
    let is_in = held.as_ref().filter(|group| group.standing.is_member());
    if is_in.and_then(|group| group.came).zip(came).is_some_and(|(before, now)| before.stands_before(&now)) {
        // Two have added us at once: the members continue with the one that we have.
        return Err(DropReason::Unexpected.into());
    }
    if let Some(held) = is_in {
        let to = Leads { view: &view, roster: &roster, came };
        if !held::gives_way(turn, held, &me, adder, &to)? {
            return Ok(false);
        }
    }
    if held.is_none() && !places::make(state, turn, Some(&adder.person))? {
        return Err(DropReason::Full.into());
    }
    let gone = held.as_ref().and_then(|held| gone_since(state, held, &roster));
    held::drop_waiting(state, turn, &room);
    let before = rooms::members(state, &room);
    if held.is_some() {
        rooms::forget(state, turn, room)?;
        seats::forget_room(state, turn, &room)?;
    }
    let joined = rooms::enter_welcomed(turn, &bundle.welcome)?;
    packages::used(state, turn, &leaf);
    let standing = GroupStanding::Member;
    // Our user is in it already, with another device.
    let is_own = adder.person == me;
    let is_wanted = state.vouching.awaits(&room, &adder.person);
    let question = if is_own { None } else { questions::of_welcome(state, turn, held.as_ref(), &roster, is_wanted) };
    let due = next_update(turn, roster.leaves.len(), true);
    let group = Group {
        room,
        roster,
        standing,
        epoch: joined.epoch,
        number: epoch,
        leaf,
        due,
        added_by: Some(adder.person),
        since: turn.stamp,
        past: Vec::new(),
        said: turn.stamp,
        question,
        ended: None,
        came,
        elsewhere: None,
        named: None,
        about: None,
        regrant: None,
        gone,
    };
    if let Some(secret) = knocks {
        knocks::learn(state, turn, &room, secret);
    }
    meet_all(state, turn, group, &seats, &before)?;
    let line = if adder.person == me { Line::Devices } else { Line::Came(me) };
    conversations::note_line(state, turn, &room, &adder.person, line);
    turn.notify(question.map_or(Event::Room(room), |question| Event::Request(question.id)));
    turn.tell(crate::notice::GroupsNotice::Moved(room));
    Ok(true)
}

/// Whether this device may bring us into a room, of which we may hold something.
fn may_add(state: &State, adder: &Device, room: &RoomId, held: Option<&Group>) -> Result<(), DropReason> {
    if people::is_device_blocked(state, &adder.device) || state.siblings.get(&adder.peer).is_some_and(|row| row.gone.is_some()) {
        return Err(DropReason::Blocked);
    }
    match held {
        // Brought in once more: by somebody in the room, or after we had left it.
        Some(group) if group.standing.is_member() && group.roster.role(&adder.person).is_none() => Err(DropReason::Unexpected),
        None if state.rooms.contains_key(room) => Err(DropReason::Unexpected),
        None if !places::has_place(state, &adder.person) || !questions::has_place(state, &adder.person) => Err(DropReason::Full),
        Some(_) | None => Ok(()),
    }
}

/// Takes up a room that we are in now: meets all who are seated in it, and says again what they lack. `before` were its devices when
/// we were in it last.
fn meet_all(state: &mut State, turn: &mut Turn<'_>, group: Group, seats: &[Seat], before: &[DeviceId]) -> Result<(), TurnFailed> {
    let (room, leaf) = (group.room, group.leaf);
    let devices = seats::devices(state, &group.roster);
    rooms::register_shared(state, turn, room, devices.clone());
    state.save_group(turn, group);
    let mut lacking = BTreeSet::new();
    for device in devices.iter().chain(before) {
        lacking.extend(seats::begin(state, turn, &room, device)?);
    }
    for seat in seats.iter().filter(|seat| seat.owner.leaf != leaf) {
        seats::meet(state, turn, &room, &leaf, seat);
    }
    seats::say(state, turn, &room, &devices)?;
    texts::say_again(state, turn, &room, &devices, &lacking)?;
    texts::look_again(state, turn, &room, &lacking)
}

/// The commit by which we come in, beside others that were made at once.
fn came(view: &WelcomeView, roster: &Roster, adder: &DeviceId) -> Option<CameBy> {
    let leaf = roster.leaves.iter().find(|leaf| leaf.device == *adder)?.leaf;
    let index = view.members.iter().find(|member| member.leaf.0 == *leaf.as_bytes())?.index;
    let parent = view.number.checked_sub(1)?;
    Some(CameBy { number: view.number, rank: commit_rank(&view.room, parent, index) })
}

/// How those have called themselves who were in the room when we were last, and are not any more: its history stays.
fn gone_since(state: &State, held: &Group, roster: &Roster) -> Option<Vec<GoneName>> {
    let mut held = held.clone();
    let users: Vec<PeerId> = held.roster.users.iter().map(|user| user.user).filter(|user| roster.role(user).is_none()).collect();
    for user in users {
        if let Some(name) = people::said_in(state, &held.room, &user).filter(|name| !name.is_empty()) {
            held.note_gone(user, name);
        }
    }
    held.gone
}

fn refused(error: CipherError) -> Rejected {
    match error {
        CipherError::Store => error.into(),
        CipherError::Ahead | CipherError::Gone | CipherError::Used | CipherError::Broken => DropReason::Unexpected.into(),
    }
}

/// Whether what is said of the others is what the group context of the epoch and its tree say, and who adds us is one of
/// them.
fn is_true(view: &WelcomeView, own: &PublicKeyBytes, adder: &PeerId, seated: &SeatedRoster, sure: Timestamp) -> bool {
    let (roster, leaves) = (&seated.roster, &view.members);
    if view.state != Some(roster.hash()) || view.number != seated.epoch || roster.role(adder).is_none() {
        return false;
    }
    if seated.knocks.as_ref().map(KnockSecret::alias) != roster.knocks.as_ref().map(|knocks| knocks.alias) {
        return false;
    }
    let named: BTreeSet<PublicKeyBytes> = roster.leaves.iter().map(|leaf| leaf.leaf).collect();
    let there: BTreeSet<PublicKeyBytes> = leaves.iter().map(|member| PublicKeyBytes(member.leaf.0)).collect();
    if named != there || !named.contains(own) || leaves.len() != named.len() {
        return false;
    }
    let is_seated = |member: &crate::world::Member| {
        let leaf = PublicKeyBytes(member.leaf.0);
        if leaf == *own {
            return true;
        }
        let seat = seated.seats.iter().find(|seat| seat.owner.leaf == leaf);
        let device = seat.and_then(|seat| seats::device_of(member, seat, sure));
        let said = roster.leaf(&leaf);
        device.zip(said).is_some_and(|(device, said)| device.person == said.user && device.device == said.device)
    };
    leaves.iter().all(is_seated)
}
