//! People: who is meant by a name or an id, which devices somebody has, and who is blocked.

use crate::command::{CommandError, Who};
use crate::names;
use crate::rows::{Friend, FriendState};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, PeerId, RequestId};
use symbolon_presence::identity::{CERT_MAX, Chain, DeviceCertBody};

/// Finds a friend by petname or Peer ID, or by an unambiguous beginning (8 characters) of the
/// id. A whole id means that id, in any case, whatever names there are.
pub(crate) fn resolve(state: &State, who: &Who) -> Result<PeerId, CommandError> {
    let text = who.0.trim();
    let lower = text.to_ascii_lowercase();
    if let Ok(peer) = lower.parse::<PeerId>() {
        return if state.friends.contains_key(&peer) { Ok(peer) } else { Err(CommandError::NotFound) };
    }
    if lower.parse::<RequestId>().is_ok() {
        return Err(CommandError::NotFound);
    }
    let mut found: BTreeSet<PeerId> = state.friends.values().filter(|friend| friend.petname == text).map(|friend| friend.peer).collect();
    if found.is_empty() {
        found = state.friends.values().filter(|friend| names::is_same(&friend.petname, text)).map(|friend| friend.peer).collect();
    }
    // Where a name is also the beginning of somebody else's id, nobody can know who is meant.
    if text.len() >= 8 {
        found.extend(state.friends.keys().filter(|peer| peer.to_string().starts_with(&lower)));
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (None, _) => Err(CommandError::NotFound),
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(CommandError::Ambiguous),
    }
}

/// Changes and saves a friend's row.
pub(crate) fn update(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, change: impl FnOnce(&mut Friend)) -> Result<(), TurnFailed> {
    if let Some(mut friend) = state.friends.get(peer).cloned() {
        change(&mut friend);
        state.save_friend(turn, friend);
        turn.notify(Event::Friend(*peer));
    }
    Ok(())
}

/// The known devices of a person.
pub(crate) fn devices_of(state: &State, peer: &PeerId) -> Vec<DeviceId> {
    state.devices.values().filter(|device| device.peer == *peer).map(|device| device.device).collect()
}

/// Whether a person is blocked, by Peer ID or by any key of a certificate.
pub(crate) fn is_blocked(state: &State, peer: &PeerId, chain: &Chain) -> bool {
    state.blocked.contains(peer.as_bytes().as_slice()) || keys_of(chain).iter().any(|key| state.blocked.contains(key))
}

/// Whether nothing is taken from a device and nothing sent to it: its person is blocked.
pub(crate) fn is_device_blocked(state: &State, device: &DeviceId) -> bool {
    state.devices.get(device).is_some_and(|row| state.blocked.contains(row.peer.as_bytes().as_slice()))
}

/// Whether room messages of a device are refused: its person is blocked, or no friend any longer.
pub(crate) fn is_refused(state: &State, device: &DeviceId) -> bool {
    is_device_blocked(state, device) || state.friend_of(device).is_some_and(|friend| friend.state == FriendState::Ended)
}

/// Everything that a person is blocked by: the Peer ID, and every key seen of the person.
/// The same set for blocking and unblocking, so that no key stays behind.
pub(crate) fn keys_of_person(state: &State, peer: &PeerId) -> BTreeSet<Vec<u8>> {
    let of_devices = state.devices.values().filter(|device| device.peer == *peer).map(|device| &device.chain);
    let of_requests = state.requests.values().filter(|row| row.peer == *peer).filter_map(|row| row.chain.as_ref());
    let mut keys: BTreeSet<Vec<u8>> = of_devices.chain(of_requests).flat_map(keys_of).collect();
    keys.insert(peer.as_bytes().to_vec());
    keys
}

/// The public keys of a certificate, as they are blocked by.
pub(crate) fn keys_of(chain: &Chain) -> Vec<Vec<u8>> {
    let mut keys = vec![chain.root.as_bytes().to_vec()];
    if let Ok(body) = codec::decode::<DeviceCertBody>(&chain.cert, CERT_MAX) {
        keys.push(body.signing.as_bytes().to_vec());
        keys.push(body.dh.as_bytes().to_vec());
    }
    keys
}
