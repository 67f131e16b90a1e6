//! Seats: whose the leaves of a shared room are, and how their devices are written to.
//!
//! Friends are written to as always. Members who are no friends of each other know from the room where each leaves its mail,
//! under which key, and a seed. `docs/protocol/rooms.md`.

use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::{notices, outbox, seeds, ways};
use crate::packages;
use crate::people;
use crate::rooms::{self, order as frames};
use crate::rows::{Awaited, Device as DeviceRow, FriendState, Group, GroupStanding, SaidIn};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{LeafOwner, RoomPayload, Roster, Seat, Ways, entry_is_of, is_leaf_of};
use crate::world::Member;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::time::Timestamp;

/// The device whose a leaf is, if its credential and what is said of it fit together.
pub(super) fn device_of(member: &Member, seat: &Seat, sure: Timestamp) -> Option<Device> {
    let device = seat.owner.chain.as_ref()?.verify_known(sure).ok()?;
    let is_it = seat.owner.leaf.0 == member.leaf.0 && is_leaf_of(&member.credential, &member.leaf.0, &seat.owner.key, &device);
    is_it.then_some(device)
}

/// Our own seat, as others are shown it: with addresses made now.
pub(super) fn own(state: &mut State, turn: &mut Turn<'_>, leaf: &PublicKeyBytes) -> Option<Seat> {
    let package = packages::own(state, leaf)?;
    let (key, seed) = (package.key.clone(), package.seed.clone());
    let (own, relay_mailboxes) = packages::ways(state, turn, leaf)?;
    let ways = Ways { name: state.own.name.clone(), own, relay_mailboxes, seed, capabilities: state.own.capabilities };
    let owner = LeafOwner { leaf: *leaf, chain: Some(state.own.identity.chain.clone()), key };
    Some(Seat { owner, ways })
}

/// The seats of all members, for somebody who comes in.
pub(super) fn all(state: &State, room: &RoomId, roster: &Roster) -> Vec<Seat> {
    roster.leaves.iter().filter_map(|leaf| state.groups.seats.get(&(*room, leaf.leaf)).cloned()).collect()
}

/// Takes a seat in: its leaf is known from now on, and its device can be written to and heard.
pub(super) fn meet(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, own: &PublicKeyBytes, seat: &Seat) {
    state.save_seat(turn, *room, seat.clone());
    let Some(chain) = seat.owner.chain.clone() else { return };
    rooms::keep_leaf(state, turn, *room, &seat.owner, &chain);
    let Ok(device) = chain.verify_known(turn.sure) else { return };
    if device.device == state.own.identity.device {
        return;
    }
    if is_friend(state, &device.device) {
        // Where it is written to follows from the friendship.
        people::devices::learn_chain(state, turn, &chain);
        return;
    }
    if !entry_is_of(&seat.ways.own.entry, &device) {
        // Who brought it in has named a mailbox whose receipts somebody else signs.
        return;
    }
    let (leaf, id) = (seat.owner.leaf, device.device);
    // What it has said itself, by this leaf or in another room that both are in, counts before what another member says of it.
    let said = state.devices.get(&id).and_then(|row| row.ways_said);
    let is_of_here = |said: SaidIn| if said.room == *room { said.leaf == leaf } else { rooms::is_in_shared(state, &id, &said.room) };
    let has_said = said.is_some_and(is_of_here);
    if has_said {
        people::devices::learn_chain(state, turn, &chain);
    } else {
        ways::register_device(state, turn, &device, &chain, seat.ways.own.entry.clone());
        learn(state, &id, &seat.ways, None);
    }
    if !has_said || state.devices.get(&id).is_some_and(|row| row.channel.outbound.is_none()) {
        seeds::read_of_another(state, turn, room, &id, &seat.ways.seed);
    }
    if let Some(package) = packages::own(state, own) {
        let seed = package.seed.clone();
        seeds::expect(state, room, &device, &seed);
    }
}

/// Says to some devices how ours is written to in a room, and how we are called.
pub(super) fn say(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, to: &[DeviceId]) -> Result<(), TurnFailed> {
    let Some(group) = state.groups.rooms.get(room).filter(|group| group.standing.is_member()) else { return Ok(()) };
    let (leaf, is_said) = (group.leaf, group.is_member());
    let Some(seat) = own(state, turn, &leaf) else { return Ok(()) };
    meet(state, turn, room, &leaf, &seat);
    if !is_said {
        return Ok(());
    }
    let has_room = to.iter().all(|device| outbox::has_room(state, device));
    if to.is_empty() || !has_room || state.own.is_halted {
        return Ok(());
    }
    let sealed = rooms::say(turn, *room, &RoomPayload::Ways(Box::new(seat.ways)))?;
    for device in to {
        outbox::enqueue_part(state, turn, (device, *room, sealed.epoch), EnvelopeOwner::Ways(*room), (None, &sealed.bytes));
    }
    Ok(())
}

/// Our relays are others than before, or our name: the members of all rooms hear of it.
pub(crate) fn changed(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let rooms: Vec<RoomId> = state.groups.rooms.values().filter(|group| group.is_member()).map(|group| group.room).collect();
    for room in rooms {
        let devices = rooms::members(state, &room);
        say(state, turn, &room, &devices)?;
        let said = turn.stamp;
        state.change_group(turn, &room, |group| group.said = said);
    }
    Ok(())
}

/// Somebody has gone who knows how we are written to: all who stay are given another right, in every room of this leaf.
pub(super) fn renew(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    let is_due = |group: &&Group| group.is_member() && group.regrant.is_some_and(|at| at <= turn.now);
    let Some(leaf) = state.groups.rooms.get(room).filter(is_due).map(|group| group.leaf) else { return Ok(()) };
    let of_leaf = state.groups.rooms.values().filter(|group| group.leaf == leaf && group.is_member());
    let to: Vec<(RoomId, Vec<DeviceId>)> = of_leaf.map(|group| (group.room, rooms::members(state, &group.room))).collect();
    let (mut waits, mut next) = (Vec::new(), BTreeMap::new());
    for device in to.iter().flat_map(|(_, devices)| devices) {
        let Some(channel) = state.devices.get(device).map(|row| &row.channel) else { continue };
        let number: &mut u64 = next.entry(*device).or_insert(channel.outbox_next);
        waits.push(Awaited { device: *device, number: *number });
        *number = number.saturating_add(1);
    }
    if state.own.is_halted || !waits.iter().all(|awaited| outbox::has_room(state, &awaited.device)) {
        // It is tried again.
        return Ok(());
    }
    packages::renew_grant(state, turn, &leaf, waits);
    for (room, devices) in to {
        say(state, turn, &room, &devices)?;
        let said = turn.stamp;
        state.change_group(turn, &room, |group| (group.said, group.regrant) = (said, None));
    }
    Ok(())
}

/// A device has what we have said of how we are written to, or takes it never.
pub(crate) fn heard(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, device: &DeviceId, number: u64) {
    if let Some(leaf) = state.groups.rooms.get(room).map(|group| group.leaf) {
        packages::heard(state, turn, &leaf, device, number);
    }
}

/// Whether a device is with us in a room in which both may write.
fn is_together(state: &State, room: &RoomId, device: &DeviceId) -> bool {
    state.groups.rooms.get(room).is_some_and(|group| group.standing.is_in() && group.roster.device(device).is_some())
}

/// Devices that are not in this room with us any more, and said there how they are written to: that right ends. As members of
/// another room they are written to as their seats there say.
pub(super) fn fall_back(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) {
    let is_of_here = |device: &DeviceId, seat: &Seat| {
        let put = state.devices.get(device).and_then(|row| row.put.as_ref());
        put == Some(&seat.ways.own.key) && !is_together(state, room, device) && !is_friend(state, device)
    };
    let of = |room: &RoomId| {
        let seats = (*room, PublicKeyBytes([0; 32]))..=(*room, PublicKeyBytes([u8::MAX; 32]));
        state.groups.seats.range(seats).filter_map(|(_, seat)| Some((device_in(seat)?, seat)))
    };
    let gone: Vec<DeviceId> = of(room).filter(|(device, seat)| is_of_here(device, seat)).map(|(device, _)| device).collect();
    for device in gone {
        let groups = state.groups.rooms.values().filter(|group| group.room != *room && is_together(state, &group.room, &device));
        let seats = groups.filter_map(|group| state.groups.seats.get(&(group.room, group.roster.device(&device)?.leaf)));
        if let Some(ways) = seats.map(|seat| seat.ways.clone()).next() {
            learn(state, &device, &ways, None);
            notices::rows_changed(turn, &device);
        }
    }
}

/// Whether a device is written to as a friend's.
pub(super) fn is_friend(state: &State, device: &DeviceId) -> bool {
    state.friend_of(device).is_some_and(|friend| friend.state != FriendState::Ended && friend.devices.contains(device))
}

/// Notes how a device is written to that is no friend's.
pub(super) fn learn(state: &mut State, device: &DeviceId, said: &Ways, by_itself: Option<SaidIn>) {
    let Some(row) = state.device_mut(device) else { return };
    row.ways_said = by_itself;
    row.entry = said.own.entry.clone();
    row.put = Some(said.own.key.clone());
    row.relay_mailboxes = said.relay_mailboxes.clone();
    row.capabilities = Some(said.capabilities);
}

/// A device comes in: the order of frames between it and this one begins again. Answers the texts that an earlier leaf of it
/// has not got, by arrival number.
pub(super) fn begin(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, device: &DeviceId) -> Result<BTreeSet<u64>, TurnFailed> {
    frames::leave(state, device, room);
    outbox::forget_room(state, turn, device, room)
}

/// The commit by which a device came in gives way to one that brings it in, too: it is written to by its new seat from now on.
pub(super) fn give_way(state: &mut State, room: &RoomId, lost: &[PublicKeyBytes], seat: &Seat) {
    let Some(device) = device_in(seat) else { return };
    let of_device = lost.iter().filter_map(|leaf| state.groups.seats.get(&(*room, *leaf))).filter(|lost| device_in(lost) == Some(device));
    // A package of last resort brings in by the same seed: what was used of it stays used.
    let gone: Vec<u64> = of_device.map(|lost| lost.ways.seed.number).filter(|number| *number != seat.ways.seed.number).collect();
    for number in gone {
        seeds::give_way(state, room, &device, number);
    }
}

/// The device in a seat.
pub(super) fn device_in(seat: &Seat) -> Option<DeviceId> {
    seat.owner.chain.as_ref().and_then(|chain| chain.body()).map(|body| body.device)
}

/// The devices of others in a roster.
pub(super) fn devices(state: &State, roster: &Roster) -> Vec<DeviceId> {
    let own = state.own.identity.device;
    roster.leaves.iter().map(|leaf| leaf.device).filter(|device| *device != own).collect()
}

/// The room's frames go to the devices of its present members.
pub(super) fn follow(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) {
    let Some(group) = state.groups.rooms.get(room) else { return };
    let is_in = matches!(group.standing, GroupStanding::Member | GroupStanding::Leaving);
    // Who is out still hears those with whom they were in: the commit that took them out may give way.
    let last = state.groups.steps_of(room).next_back().map(|step| &step.roster);
    let roster = if is_in { Some(&group.roster) } else { last };
    let devices = roster.map(|roster| devices(state, roster)).unwrap_or_default();
    rooms::set_members(state, turn, room, devices);
    fall_back(state, turn, room);
}

/// Forgets leaves that are in no epoch that may come back.
pub(super) fn sweep(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) {
    let Some(group) = state.groups.rooms.get(room) else { return };
    let rosters = state.groups.steps_of(room).map(|step| &step.roster).chain([&group.roster]);
    let kept: Vec<PublicKeyBytes> = rosters.flat_map(|roster| roster.leaves.iter().map(|leaf| leaf.leaf)).collect();
    let seats = state.groups.seats.range((*room, PublicKeyBytes([0; 32]))..=(*room, PublicKeyBytes([u8::MAX; 32])));
    let gone: Vec<PublicKeyBytes> = seats.map(|((_, leaf), _)| *leaf).filter(|leaf| !kept.contains(leaf)).collect();
    for leaf in gone {
        state.drop_seat(turn, room, &leaf);
        state.forget_leaf(turn, room, &leaf);
    }
}

/// Forgets what was known of a room that is entered again. Its history stays.
pub(super) fn forget_room(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    for number in state.groups.steps_of(room).map(|step| step.number).collect::<Vec<_>>() {
        state.drop_step(turn, room, number);
    }
    for id in state.groups.wishes_of(room).map(|wish| wish.id).collect::<Vec<_>>() {
        state.drop_wish(turn, room, &id);
    }
    if let Some(group) = state.groups.rooms.get(room).filter(|group| group.ended.is_none()).cloned() {
        packages::left(state, turn, &group.leaf)?;
    }
    // What they said of themselves to an earlier stay of ours has ended since.
    let is_of_here = |row: &&DeviceRow| row.ways_said.is_some_and(|said| said.room == *room);
    let said: Vec<DeviceId> = state.devices.values().filter(is_of_here).map(|row| row.device).collect();
    for device in said {
        if let Some(row) = state.device_mut(&device) {
            row.ways_said = None;
        }
    }
    Ok(())
}

/// Takes the right to write to us back from members of a room that we are out of, once nothing brings us in again.
pub(super) fn end(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    let is_over = |group: &&Group| !group.standing.is_in() && group.ended.is_none();
    let Some(group) = state.groups.rooms.get(room).filter(is_over).cloned() else { return Ok(()) };
    if state.groups.steps_of(room).next().is_none() {
        packages::left(state, turn, &group.leaf)?;
        state.save_group(turn, Group { ended: Some(true), ..group });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{NOW, Person, in_turn, peer};
    use crate::limits::{DEVICE_LIFETIME, GONE_NAMES_MAX};
    use crate::wire::{Capabilities, RelayMailbox};
    use symbolon_presence::identity::Identity;
    use symbolon_presence::kdf::Secret;
    use symbolon_presence::seeds::Seed;
    use symbolon_presence::time::EARLIEST;

    /// What the state has of how a device is written to: under which key, and under which seed.
    fn known(state: &State, device: &DeviceId) -> (Option<Secret>, Option<u64>) {
        let row = state.devices.get(device).unwrap();
        (row.put.clone(), row.channel.outbound.as_ref().map(|known| known.number))
    }

    #[test]
    fn a_seat_that_another_member_says_takes_no_place_of_what_its_device_has_said_itself() {
        in_turn(|state, turn| {
            let cem = Identity::generate(turn.rng, EARLIEST, NOW.since(EARLIEST) + DEVICE_LIFETIME);
            let (entry, device) = (Person::entry(turn, &cem), cem.device);
            let [crew, band] = [2, 3].map(|n| RoomId([n; 32]));
            for room in [crew, band] {
                assert!(rooms::register_shared(state, turn, room, vec![device]));
            }
            let seat = |leaf: u8, key: u8, number: u64| {
                let own = RelayMailbox { entry: entry.clone(), key: Secret::from_bytes([key; 32]) };
                let seed = Seed { number, secret: Secret::from_bytes([key; 32]) };
                let ways = Ways { name: String::new(), own, relay_mailboxes: Vec::new(), seed, capabilities: Capabilities::OURS };
                let owner =
                    LeafOwner { leaf: PublicKeyBytes([leaf; 32]), chain: Some(cem.chain.clone()), key: Secret::from_bytes([0; 32]) };
                Seat { owner, ways }
            };
            let is = |key: u8, number: u64| (Some(Secret::from_bytes([key; 32])), Some(number));
            let own = PublicKeyBytes([9; 32]);
            meet(state, turn, &crew, &own, &seat(1, 1, u64::MAX));
            assert_eq!(known(state, &device), is(1, u64::MAX), "nothing else is known yet");
            let truth = seat(1, 5, 5);
            learn(state, &device, &truth.ways, Some(SaidIn { room: crew, leaf: truth.owner.leaf }));
            seeds::read(state, turn, &crew, &device, &truth.ways.seed);
            assert_eq!(known(state, &device), is(5, 5), "what it says itself counts, whichever number is higher");
            meet(state, turn, &crew, &own, &seat(1, 1, u64::MAX));
            meet(state, turn, &band, &own, &seat(2, 2, u64::MAX));
            assert_eq!(known(state, &device), is(5, 5), "in this room or in another one");
            meet(state, turn, &crew, &own, &seat(3, 3, 7));
            assert_eq!(known(state, &device), is(3, 7), "it has come in again, by another leaf");
            // Out of the room where it has said them, what is said in another one counts.
            learn(state, &device, &truth.ways, Some(SaidIn { room: crew, leaf: truth.owner.leaf }));
            rooms::set_members(state, turn, &crew, Vec::new());
            meet(state, turn, &band, &own, &seat(2, 2, u64::MAX));
            assert_eq!(known(state, &device), is(2, u64::MAX));
        });
    }

    #[test]
    fn names_of_those_who_have_gone_are_kept_within_a_bound_and_pose_as_nobody_else() {
        in_turn(|state, turn| {
            let room = crate::groups::create(state, turn, "Crew").unwrap();
            let most = GONE_NAMES_MAX as u64;
            state.change_group(turn, &room, |group| (0..=most).for_each(|number| group.note_gone(peer(number), format!("Guest {number}"))));
            assert_eq!(state.groups.rooms.get(&room).unwrap().gone().len(), GONE_NAMES_MAX);
            let called = |state: &State, number| people::called(state, &room, &peer(number));
            assert_eq!(called(state, 1), "Guest 1");
            assert!(peer(0).to_string().starts_with(&called(state, 0)), "the first one gave way");
            let me = state.own.name.clone();
            state.change_group(turn, &room, |group| {
                group.note_gone(peer(5), "Guest 6".to_owned());
                group.note_gone(peer(7), me);
            });
            assert_eq!(state.groups.rooms.get(&room).unwrap().gone().len(), GONE_NAMES_MAX, "each has one name");
            for number in [5, 6, 7] {
                assert!(called(state, number).ends_with(')'), "numbered: {}", called(state, number));
            }
        });
    }
}
