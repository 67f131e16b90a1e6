//! What a friend's body says, taken over into what we know of the friend.

use crate::delivery::notices;
use crate::delivery::ways::{self, Ways};
use crate::notice::PresenceNotice;
use crate::people::devices;
use crate::seam::Event;
use crate::state::State;
use crate::turn::Turn;
use crate::wire::{PresenceBody, RelayMailbox, SignedPresence, entry_is_of};
use symbolon_presence::body::{Body, PAYLOAD_MAX};
use symbolon_presence::codec;
use symbolon_presence::id::PeerId;
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::day_of;
use symbolon_relay::put::MailboxEntry;

/// Accepts what a friend's body says. Whether it says other keys or places than those that are known; none when
/// it is not the friend's word.
pub(super) fn accept(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, body: &Body, payload: &[u8], wrapped: Secret) -> Option<bool> {
    let friend = state.friends.get(peer)?;
    let mut presence = friend.presence.clone()?;
    let signed: SignedPresence = codec::decode(payload, PAYLOAD_MAX).ok()?;
    let said = signed.verify(peer, &presence.reader.lookup, body.sequence, turn.now)?;
    let PresenceBody { friendship, chain, entry, relay_mailboxes, lookups, direct, .. } = said;
    let device = chain.verify_known(turn.sure).ok()?;
    // Devices become known by bundles only; and a body speaks for the device that made it.
    if device.device != body.device || !entry_is_of(&entry, &device) || !friend.devices.contains(&device.device) {
        return None;
    }
    let row = state.devices.get(&device.device).filter(|row| row.peer == *peer)?;
    // From whom somebody hides keeps the places that are known; they may be dead.
    let places = if entry.places.is_empty() { row.entry.places.clone() } else { entry.places.clone() };
    let has_moved = row.entry.places != places;
    let has_new_keys = friend.friendship.as_ref() != Some(&friendship);
    let put = Some(friendship.put(&entry.mailbox));
    let relay_mailboxes = RelayMailbox::of_friend(&friendship, relay_mailboxes);
    ways::learn(state, turn, &device.device, Ways { entry: MailboxEntry { places, ..entry }, put, relay_mailboxes, direct });
    devices::learn_chain(state, turn, &chain);
    presence.sequence = body.sequence;
    presence.version = body.version;
    presence.read = turn.stamp;
    presence.lookups = lookups;
    presence.wrapped = Some(wrapped);
    let reader = &mut presence.reader;
    // Read with a turned copy of the key; the key itself stays where the time is not sure.
    let day = body.day.min(day_of(turn.sure));
    reader.ratchet.forget_before(day.saturating_sub(1).saturating_sub(reader.began));
    if has_new_keys {
        turn.tell(PresenceNotice::KeysKnown(*peer));
        notices::rows_changed(turn, &device.device);
    }
    if has_moved {
        turn.tell(PresenceNotice::Moved(device.device));
    }
    state.change_friend(turn, peer, |friend| (friend.friendship, friend.presence) = (Some(friendship), Some(presence)));
    turn.notify(Event::Friend(*peer));
    Some(has_moved || has_new_keys)
}
