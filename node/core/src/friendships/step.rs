//! Steps of a connection: how they are signed, sealed and answered.

use crate::rows::{Friend, Request};
use crate::state::State;
use crate::turn::Turn;
use crate::wire::{Contact, First, Statement, Step, direct_package};
use symbolon_presence::codec;
use symbolon_presence::envelope::{seal_before, seal_direct, seal_first};
use symbolon_presence::id::{DeviceId, Digest};
use symbolon_presence::identity::Device;
use symbolon_presence::kem::{KemKey, KemPublic, KemPublicBytes, Psk};
use symbolon_relay::grant::Scope;

/// Our reply address for a request, and the digest of its package.
pub(crate) fn reply_contact(state: &State, turn: &mut Turn<'_>, row: &Request) -> (Contact, Digest) {
    let (mut entry, key) = state.own.address(turn.rng, row.grant, Scope::Guest, row.expires, 0);
    entry.places = state.own.places_for(&row.peer).to_vec();
    let relay_mailboxes = state.own.relay_mailboxes(turn.rng, row.grant, Scope::Guest, row.expires, 0);
    let package = KemKey::from_bytes(*row.reply_key.expose()).public().bytes();
    let contact = Contact { chain: None, package, expires: row.expires, last_resort: false, entry, key, relay_mailboxes };
    let digest = contact.digest(&state.own.identity.device);
    (contact, digest)
}

/// Signs a step to a device and seals it to one of its packages.
pub(crate) fn seal_step(
    state: &State,
    turn: &mut Turn<'_>,
    step: Step,
    to: &Device,
    contact: &Contact,
    psk: Option<&Psk>,
    (transcript, body): (Digest, Vec<u8>),
) -> Option<Vec<u8>> {
    let statement = Statement { step, to: to.peer, device: to.device, package: contact.digest(&to.device), transcript, body };
    let first = First::sign(&state.own.identity, &statement);
    let package = KemPublic::parse(&contact.package).ok()?;
    seal_first(&package, psk, &codec::encode(&first), turn.rng).ok()
}

/// Signs a step to a friend's device and seals it to the key of its certificate.
///
/// `named` is a direct key that the device has signed in what this answers: an older copy of its folder holds that one
/// and not the present one.
pub(crate) fn seal_to_friend(
    state: &State,
    turn: &mut Turn<'_>,
    to: &DeviceId,
    named: Option<&KemPublicBytes>,
    step: Step,
    body: Vec<u8>,
) -> Option<Vec<u8>> {
    let row = state.devices.get(to)?;
    let device = row.chain.verify_known(turn.sure).ok()?;
    let direct = named.or(row.direct.as_ref());
    let is_of_before = state.friend_of(to).is_some_and(Friend::is_of_before) && state.own.is_before_valid(turn.sure);
    let key = match direct {
        Some(key) => key.as_bytes(),
        None if is_of_before => &device.dh.bytes().0,
        None => return None,
    };
    let package = direct_package(key, to);
    let statement = Statement { step, to: device.peer, device: *to, package, transcript: Digest([0; 32]), body };
    let first = codec::encode(&First::sign(&state.own.identity, &statement));
    match direct {
        Some(key) => seal_direct(&KemPublic::parse(key).ok()?, &first, turn.rng).ok(),
        None => seal_before(&device.dh, &first, turn.rng).ok(),
    }
}
