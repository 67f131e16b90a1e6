//! Blocks: a person is blocked by their Peer ID and by every key that was seen of them.

use super::persons;
use crate::rows::FriendState;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use minicbor::{Decode, Encode};
use std::collections::BTreeSet;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, PeerId, RequestId};
use symbolon_presence::identity::{CERT_MAX, Chain, DeviceCertBody, peer_id};
use symbolon_presence::time::Timestamp;

/// Whether a person is blocked, by Peer ID or by any key of a certificate.
pub(crate) fn is_blocked(state: &State, peer: &PeerId, chain: &Chain) -> bool {
    let is_in = |peer: &PeerId| state.blocked.contains(peer.as_bytes().as_slice());
    let person = peer_id(&chain.root);
    let is_refused = |device: &DeviceId| state.barred.contains_key(device) || is_unlisted(state, &person, device);
    let is_barred = chain.body().is_some_and(|cert| is_refused(&cert.device));
    is_in(peer) || is_in(&person) || is_barred || keys_of(chain).iter().any(|key| state.blocked.contains(key))
}

/// Whether a person's device list says that a device is none of theirs.
pub(crate) fn is_unlisted(state: &State, person: &PeerId, device: &DeviceId) -> bool {
    state.listed.get(person).is_some_and(|row| !row.devices.contains(device))
}

/// Whether a device is of a person who stays, and is refused for itself: it was shut out, or their device list does not name it. One of our
/// own that is gone is still to hear so.
pub(crate) fn is_shut_out(state: &State, device: &DeviceId) -> bool {
    let is_unlisted =
        |row: &crate::rows::Device| is_unlisted(state, &peer_id(&row.chain.root), device) && !state.is_gone_sibling(&row.peer);
    // Asked for every frame: nothing is hashed as long as nobody has made a list.
    let may_be_unlisted = || !state.listed.is_empty() && state.devices.get(device).is_some_and(is_unlisted);
    state.barred.contains_key(device) || may_be_unlisted()
}

/// The newest Offer of somebody blocked, of those that would have waited here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct NewestOffer {
    #[n(0)]
    pub created: Timestamp,
    #[n(1)]
    pub request: RequestId,
    #[n(2)]
    pub revision: u32,
}

/// The same, if one came since they were blocked.
pub(crate) fn newest_offer(turn: &Turn<'_>, peer: &PeerId) -> Result<Option<NewestOffer>, TurnFailed> {
    let noted = turn.get(Table::Blocked, peer.as_bytes())?.filter(|noted| !noted.is_empty());
    noted.map(|noted| decode_row(&noted)).transpose()
}

/// An Offer of somebody blocked would have waited here.
pub(crate) fn note_offer(state: &State, turn: &mut Turn<'_>, peer: &PeerId, newest: NewestOffer) {
    if state.blocked.contains(peer.as_bytes().as_slice()) {
        turn.put(Table::Blocked, peer.as_bytes(), &newest);
    }
}

/// Whether nothing is taken from a device and nothing sent to it: its person is blocked, or it is refused for itself.
pub(crate) fn is_device_blocked(state: &State, device: &DeviceId) -> bool {
    let keys = |row: &crate::rows::Device| [*row.peer.as_bytes(), *row.chain.root.as_bytes()];
    is_shut_out(state, device)
        || state.devices.get(device).is_some_and(|row| keys(row).iter().any(|key| state.blocked.contains(key.as_slice())))
}

/// Whether room messages of a device are refused: its person is blocked, or no friend any more.
pub(crate) fn is_refused(state: &State, device: &DeviceId) -> bool {
    is_device_blocked(state, device) || state.friend_of(device).is_some_and(|friend| friend.state == FriendState::Ended)
}

/// Whether nothing counts that is said of a Peer ID, and nobody asks for it: it is blocked, of a device of ours that is gone,
/// or of one that was shut out.
pub(crate) fn is_out(state: &State, peer: &PeerId) -> bool {
    let is_barred = || state.barred.values().any(|barred| barred.peer == *peer);
    // As far as the device is known: of others no list says by which Peer ID they go.
    let is_unlisted = || !state.listed.is_empty() && state.devices.values().any(|row| row.peer == *peer && is_shut_out(state, &row.device));
    state.blocked.contains(peer.as_bytes().as_slice()) || state.is_gone_sibling(peer) || is_barred() || is_unlisted()
}

/// Whether our user wants nothing of a person: they are blocked, or a friendship with them has ended. It is never our user
/// themself: what has ended there is one of their devices.
pub(crate) fn is_parted(state: &State, peer: &PeerId) -> bool {
    if *peer == state.own.person() {
        return false;
    }
    let head = persons::head_of(state, peer).unwrap_or(*peer);
    let has_ended = state.friends.get(&head).is_some_and(|friend| friend.state == FriendState::Ended);
    has_ended || state.blocked.contains(peer.as_bytes().as_slice())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{Person, in_turn};
    use crate::limits::BARRED_OF_PERSON;
    use crate::rows::Barred;

    #[test]
    fn a_person_shuts_out_so_many_of_their_devices_and_no_more_and_the_first_ones_stay_out() {
        in_turn(|state, turn| {
            let ben = Person::new(state, turn, 2);
            let (device, peer, chain) = (ben.device.device, ben.device.peer, ben.identity.chain.clone());
            let of = Barred { person: peer, peer, is_said: None };
            assert!(!is_device_blocked(state, &device) && !is_blocked(state, &peer, &chain) && !is_out(state, &peer));
            assert!(state.bar_device(turn, &device, of));
            for n in 1..BARRED_OF_PERSON {
                assert!(state.bar_device(turn, &DeviceId([u8::try_from(n).unwrap(); 16]), of));
            }
            assert!(!state.bar_device(turn, &DeviceId([200; 16]), of), "as many as there may be");
            assert!(state.bar_device(turn, &device, of), "known");
            assert!(state.bar_device(turn, &DeviceId([200; 16]), Barred { person: PeerId([9; 32]), ..of }), "another person's");
            assert!(is_device_blocked(state, &device) && is_blocked(state, &peer, &chain) && is_out(state, &peer));
            assert!(!is_parted(state, &peer), "the person stays");
        });
    }
}
