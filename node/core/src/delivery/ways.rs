//! Ways to devices: where each is written to, as its owner says.

use super::notices;
use crate::limits::OVERTAKEN_MAX;
use crate::people::devices;
use crate::rows::Device;
use crate::state::State;
use crate::turn::Turn;
use crate::wire::RelayMailbox;
use symbolon_presence::id::{DeviceId, Digest};
use symbolon_presence::identity;
use symbolon_presence::kdf::{Secret, sha256};
use symbolon_presence::kem::KemPublicBytes;
use symbolon_relay::put::MailboxEntry;

/// Makes a device known under its certificate, or notes where it is now. The sealed address
/// of a friend's queue stays: what an invite or Offer names is another queue. Without a place for
/// one more device of that person, it stays unknown.
pub(crate) fn register_device(
    state: &mut State,
    turn: &mut Turn<'_>,
    device: &identity::Device,
    chain: &identity::Chain,
    entry: MailboxEntry,
) {
    if !devices::make_room(state, turn, &device.peer, &device.device) {
        return;
    }
    devices::learn_chain(state, turn, chain);
    if let Some(known) = state.device_mut(&device.device) {
        // A device id belongs to the person who certified it first; nobody else can take it over.
        if known.peer == device.peer {
            match known.put {
                Some(_) => known.entry.places = entry.places,
                None => known.entry = entry,
            }
        }
        return;
    }
    state.save_device(Device::new(device.device, device.peer, chain.clone(), entry));
}

/// What a friend says of the ways to a device of theirs.
pub(crate) struct Ways {
    /// Its own mailbox.
    pub entry: MailboxEntry,
    /// The put key of friends there, if it may be another one.
    pub put: Option<Secret>,
    /// Its mailboxes at relays.
    pub relay_mailboxes: Vec<RelayMailbox>,
    /// What direct envelopes to it are sealed to, if that is said.
    pub direct: Option<KemPublicBytes>,
}

/// A friend has said where a device of theirs is written to. Copies at a relay where it stops fetching do not count.
pub(crate) fn learn(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, ways: Ways) {
    let Some(row) = state.device_mut(device) else { return };
    let Ways { entry, put, relay_mailboxes, direct } = ways;
    let named: Vec<Digest> = addresses(&entry, &relay_mailboxes).collect();
    let mut overtaken = row.overtaken.clone().unwrap_or_default();
    if put.is_none() && named.iter().any(|address| overtaken.contains(address)) {
        // A greeting of an earlier revision that comes late: who has read the newer one uses that alone.
        return;
    }
    if put.is_some() && put != row.put {
        overtaken.extend(addresses(&row.entry, &row.relay_mailboxes).filter(|address| !named.contains(address)));
        let excess = overtaken.len().saturating_sub(OVERTAKEN_MAX);
        overtaken.drain(..excess);
        row.overtaken = Some(overtaken);
    }
    let leaves_one = leaves_one(&row.relay_mailboxes, &relay_mailboxes);
    row.entry = entry;
    row.put = put.or(row.put.take());
    row.direct = direct.or(row.direct.take());
    row.relay_mailboxes = relay_mailboxes;
    if leaves_one {
        notices::copies_lost(turn);
    }
}

/// Hashes of sealed addresses.
fn addresses<'a>(entry: &'a MailboxEntry, relay_mailboxes: &'a [RelayMailbox]) -> impl Iterator<Item = Digest> + use<'a> {
    let relays = relay_mailboxes.iter().map(|mailbox| &mailbox.entry);
    std::iter::once(entry).chain(relays).map(|entry| Digest(sha256(&entry.address)))
}

fn leaves_one(before: &[RelayMailbox], after: &[RelayMailbox]) -> bool {
    before.iter().any(|old| after.iter().all(|new| new.entry.mailbox != old.entry.mailbox))
}

#[cfg(test)]
mod tests;
