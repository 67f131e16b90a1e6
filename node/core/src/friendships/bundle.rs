//! Bundles: what friends get of each other in their room.

use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::seeds;
use crate::delivery::ways::{self, Ways};
use crate::notice::FriendshipsNotice;
use crate::people::{self, devices, persons};
use crate::presence;
use crate::rooms;
use crate::rows::{Friend, FriendPresence, FriendState};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{Bundle, BundleDevice, RelayMailbox, RoomPayload, Whereabouts, entry_is_of};
use symbolon_presence::id::{DeviceId, PeerId, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::time::Timestamp;

/// The own bundle for a person's devices, to be said in a room of theirs. It says a new seed.
pub(crate) fn own_bundle(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, peer: &PeerId, to: &[Device]) -> Bundle {
    let presence = presence::grant(state, turn, peer, to);
    let seed = seeds::draw(state, turn, room, to);
    let own = &state.own;
    let Whereabouts { entry, relay_mailboxes } = own.whereabouts_for(turn.rng, peer);
    Bundle {
        name: own.name.clone(),
        second_root: own.identity.second_root,
        friendship: own.friendship.clone(),
        devices: vec![BundleDevice { chain: own.identity.chain.clone(), entry, relay_mailboxes, direct: own.direct.present(), seed }],
        presence,
    }
}

/// A friend's bundle whose certificates hold.
pub(crate) struct VerifiedBundle {
    pub bundle: Bundle,
    pub devices: Vec<Device>,
}

/// Checks a bundle: every device is certified by `peer`'s root, has its own mailbox entry, and the
/// device that sent the bundle is among them. It came in a room of theirs, so the wall clock does
/// not judge its time.
pub(crate) fn verify_bundle(bundle: Bundle, peer: &PeerId, sender: &DeviceId, sure: Timestamp) -> Option<VerifiedBundle> {
    let mut devices = Vec::with_capacity(bundle.devices.len());
    for item in &bundle.devices {
        let device = item.chain.verify_known(sure).ok()?;
        if device.peer != *peer || !entry_is_of(&item.entry, &device) {
            return None;
        }
        devices.push(device);
    }
    devices.iter().any(|device| device.device == *sender).then_some(VerifiedBundle { bundle, devices })
}

/// Takes a verified bundle into a friend's row and device rows.
pub(crate) fn adopt_bundle(state: &mut State, turn: &mut Turn<'_>, friend: &mut Friend, verified: VerifiedBundle) {
    let VerifiedBundle { bundle, devices } = verified;
    // The one that was heard first stays: it follows from the words of the person, and who has stolen a device would say another one.
    let pinned = friend.second_root.or_else(|| persons::second_root(state, &friend.person()));
    friend.second_root = Some(pinned.unwrap_or(bundle.second_root));
    if friend.says.as_ref() != Some(&bundle.name) {
        friend.says = Some(bundle.name.clone());
        turn.notify(Event::Friend(friend.head()));
    }
    let named: Vec<DeviceId> = devices.iter().map(|device| device.device).collect();
    devices::forget_unneeded(state, turn, &friend.peer, &named);
    friend.devices.clear();
    for (device, item) in devices.iter().zip(&bundle.devices) {
        // Beyond the bounds a device is passed over: the friend's own one is known already.
        let is_known = state.devices.contains_key(&device.device);
        if is_known || (devices::has_room(state, &friend.peer) && state.rates.device(turn.now, friend.peer)) {
            ways::register_device(state, turn, device, &item.chain, item.entry.clone());
        }
        let is_named = friend.devices.contains(&device.device);
        if !is_named && state.devices.get(&device.device).is_some_and(|row| row.peer == friend.peer) {
            friend.devices.push(device.device);
            let put = Some(bundle.friendship.put(&item.entry.mailbox));
            let relay_mailboxes = RelayMailbox::of_friend(&bundle.friendship, item.relay_mailboxes.clone());
            let direct = Some(item.direct.clone());
            ways::learn(state, turn, &device.device, Ways { entry: item.entry.clone(), put, relay_mailboxes, direct });
            seeds::read(state, turn, &friend.room, &device.device, &item.seed);
        }
    }
    friend.friendship = Some(bundle.friendship);
    let identity = &state.own.identity;
    if let Some(keys) = bundle.presence
        && let Some(labels) = keys.open(&identity.device, &identity.dh)
    {
        turn.put_raw(Table::Labels, friend.peer.as_bytes(), labels.to_bytes());
        friend.presence =
            Some(FriendPresence { reader: keys.reader, version: 0, sequence: 0, read: turn.stamp, lookups: keys.lookups, wrapped: None });
    }
    turn.tell(FriendshipsNotice::KeysKnown(friend.peer));
    friend.devices.iter().for_each(|device| turn.tell(FriendshipsNotice::Befriended(*device)));
}

/// Our name has changed: friends hear it with what they get of us anyway.
pub(crate) fn tell_name(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    for peer in state.friends.keys().copied().collect::<Vec<_>>() {
        if state.friends.get(&peer).is_some_and(Friend::stands) {
            give_bundle(state, turn, &peer)?;
        }
    }
    Ok(())
}

/// Gives a friend who has no place in our tree, or was taken out since the last bundle, what
/// friends have, in the connection room.
pub(crate) fn send_bundle(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    if state.own.presence.has_block(peer) {
        return Ok(());
    }
    give_bundle(state, turn, peer)
}

/// Gives a friend what friends have, once more. A room that is being made again brings a bundle of its own.
pub(crate) fn give_bundle(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).filter(|friend| friend.state == FriendState::Mutual) else { return Ok(()) };
    if !state.may_seal(friend) {
        return Ok(());
    }
    let room = friend.room;
    let devices = devices_of(state, turn, friend);
    let bundle = RoomPayload::Bundle(own_bundle(state, turn, &room, peer, &devices));
    let sealed = rooms::say(turn, room, &bundle)?;
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Bundle, &sealed);
    people::update(state, turn, peer, |friend| friend.giving = true)
}

/// Draws a new seed for a friend's devices and says it in the connection room: after an own commit, after somebody was
/// taken out, and when a device has used up what it may seal under the present one.
pub(crate) fn fresh_seed(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).filter(|friend| friend.state == FriendState::Mutual) else { return Ok(()) };
    if !state.may_seal(friend) {
        return Ok(());
    }
    let room = friend.room;
    let devices = devices_of(state, turn, friend);
    if devices.is_empty() {
        // Nobody could use it.
        return Ok(());
    }
    let seed = RoomPayload::Seed(seeds::draw(state, turn, &room, &devices));
    let sealed = rooms::say(turn, room, &seed)?;
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Seed, &sealed);
    Ok(())
}

/// The devices of a friend whose certificates hold.
fn devices_of(state: &State, turn: &Turn<'_>, friend: &Friend) -> Vec<Device> {
    let rows = friend.devices.iter().filter_map(|device| state.devices.get(device));
    rows.filter_map(|row| row.chain.verify_known(turn.sure).ok()).collect()
}
