//! Seeds: drawing ours, reading those of others, and how long ours are kept. `docs/protocol/envelope.md`.

use super::notices;
use crate::limits::{SEED_LIFE, SEEDS_KEPT_MAX, SEEDS_OF_ROOMS_MAX};
use crate::people;
use crate::rooms;
use crate::rows::{Inbound, Outbound};
use crate::state::State;
use crate::turn::Turn;
use symbolon_presence::id::{DeviceId, PeerId, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::seeds::{Opener, Ratchet, Seed};
use symbolon_presence::time::Timestamp;

/// Draws a seed under which these devices of one person may write to us, to be said in a room of theirs. What opens
/// their envelopes is written in this turn, so it is on disk before the seed leaves.
pub(crate) fn draw(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, to: &[Device]) -> Seed {
    let before = to.iter().filter_map(|device| state.newest_inbound(&device.device)).map(|row| row.number).max();
    let seed = Seed::draw(before, turn.rng);
    for device in to {
        let me = &state.own.identity;
        let ratchet = Ratchet::agree(&seed, &me.dh, &device.dh, &device.device, &me.device);
        let row = Inbound { number: seed.number, room: *room, opener: Opener::new(ratchet), replaced: None };
        state.add_inbound(&device.device, row);
        drop_oldest(state, &device.device);
    }
    seed
}

/// Drops the oldest seeds of a device beyond what is kept. In each room that both are in, it may have another one.
fn drop_oldest(state: &mut State, device: &DeviceId) {
    let most = SEEDS_KEPT_MAX.saturating_add(rooms::shared_rooms_with(state, device).min(SEEDS_OF_ROOMS_MAX));
    while state.inbound_of(device).count() > most {
        let Some(oldest) = state.inbound_of(device).next().map(|row| row.number) else { break };
        state.drop_inbound(device, oldest);
    }
}

/// A device may write to us under a seed that another member tells it, or that we have said to many.
pub(crate) fn expect(state: &mut State, room: &RoomId, device: &Device, seed: &Seed) {
    if state.inbound_of(&device.device).any(|row| row.number == seed.number) {
        return;
    }
    let me = &state.own.identity;
    let ratchet = Ratchet::agree(seed, &me.dh, &device.dh, &device.device, &me.device);
    state.add_inbound(&device.device, Inbound { number: seed.number, room: *room, opener: Opener::new(ratchet), replaced: None });
    drop_oldest(state, &device.device);
}

/// A device has said its newest seed in a room. One that is older than what it said there before counts no more. Who is in
/// several shared rooms with us says one in each, and again with their ways: we continue with the one that we have. To take one up
/// again that was used would begin its counters again.
///
/// In a shared room a leaf has one seed: what its device says itself counts there, and in the place of what another member has said of
/// it anywhere, as long as the device has acknowledged nothing under that.
pub(crate) fn read(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, from: &DeviceId, seed: &Seed) {
    take(state, turn, room, from, seed, false);
}

/// Another member has said a device's seed, with its seat. It takes the place of nothing that the device has said in a room which it
/// is in with us.
pub(crate) fn read_of_another(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, of: &DeviceId, seed: &Seed) {
    take(state, turn, room, of, seed, true);
}

fn take(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, from: &DeviceId, seed: &Seed, is_hearsay: bool) {
    let is_shared = rooms::is_shared(state, room);
    let Some(row) = state.devices.get(from) else { return };
    if let Some(known) = &row.channel.outbound {
        let is_of_room = known.room == *room;
        let is_old = is_of_room && known.number > seed.number && (is_hearsay || !is_shared);
        let is_doubtful = known.is_hearsay == Some(true) && known.acknowledged == 0 && !is_hearsay;
        let is_one_of_many = !is_of_room && is_shared && rooms::is_in_shared(state, from, &known.room) && !is_doubtful;
        if known.number == seed.number || is_old || is_one_of_many {
            let is_confirmed = known.number == seed.number && known.is_hearsay == Some(true) && !is_hearsay;
            if is_confirmed && let Some(known) = state.channel_mut(from).and_then(|channel| channel.outbound.as_mut()) {
                known.is_hearsay = None;
            }
            return;
        }
    }
    let Ok(device) = row.chain.verify_known(turn.sure) else { return };
    let me = &state.own.identity;
    let ratchet = Ratchet::agree(seed, &me.dh, &device.dh, &me.device, from);
    let Some(channel) = state.channel_mut(from) else { return };
    channel.outbound =
        Some(Outbound { number: seed.number, room: *room, ratchet, acknowledged: 0, is_hearsay: is_hearsay.then_some(true) });
    notices::queued(turn, from);
}

/// The place in a room for which a device's seed was drawn gives way to another place, with a seed of its own. Which of the
/// two has the higher number says nothing.
pub(crate) fn give_way(state: &mut State, room: &RoomId, of: &DeviceId, number: u64) {
    if let Some(channel) = state.channel_mut(of)
        && channel.outbound.as_ref().is_some_and(|known| known.room == *room && known.number == number)
    {
        channel.outbound = None;
    }
}

/// A counter of a device's was used up. From now on it uses this seed, not an older one; of other rooms that both are in it keeps
/// those that it heard there.
pub(crate) fn used(state: &mut State, now: Timestamp, from: &DeviceId, number: u64) {
    if state.devices.get(from).is_some_and(|row| row.channel.before.is_some())
        && let Some(channel) = state.channel_mut(from)
    {
        channel.before = None;
    }
    let room = state.inbound_under(from, number).map(|row| row.room);
    let is_done = |row: &&Inbound| row.replaced.is_none() && (Some(row.room) == room || !rooms::is_in_shared(state, from, &row.room));
    let older: Vec<u64> = state.inbound_of(from).take_while(|row| row.number < number).filter(is_done).map(|row| row.number).collect();
    for number in older {
        if let Some(row) = state.inbound_mut(from, number) {
            row.replaced = Some(now);
        }
    }
}

/// Erases the seeds whose time is surely over.
pub(crate) fn expire(state: &mut State, turn: &Turn<'_>) {
    let is_over = |row: &Inbound| row.replaced.is_some_and(|at| turn.sure.since(at) >= SEED_LIFE);
    for (device, number) in state.inbound().filter(|(_, row)| is_over(row)).map(|(key, _)| *key).collect::<Vec<_>>() {
        state.drop_inbound(&device, number);
    }
}

/// A friendship has ended: nothing that its devices write is opened.
pub(crate) fn forget(state: &mut State, peer: &PeerId) {
    for device in people::devices_of(state, peer) {
        for number in state.inbound_of(&device).map(|row| row.number).collect::<Vec<_>>() {
            state.drop_inbound(&device, number);
        }
        if let Some(channel) = state.channel_mut(&device) {
            channel.outbound = None;
            channel.before = None;
        }
    }
}

#[cfg(test)]
mod tests;
