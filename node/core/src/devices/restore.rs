//! Restoring: a fresh folder becomes a further device of the person of a backup.
//!
//! No key is used again: the device has keys of its own, and each friend's device is asked for a friendship with it. Until one
//! has answered, what is written to that friend waits.

use super::{keeping, persons as stands, shared};
use crate::command::{CommandError, MessageState, MoveKeys, Trust};
use crate::conversations::{self, Copied};
use crate::copies;
use crate::delivery::relays;
use crate::identity;
use crate::limits::{DEVICE_LIFETIME, SERIALS_ABOVE};
use crate::packages;
use crate::people::persons;
use crate::presence::lookup_servers;
use crate::rows::{Device, Friend, FriendPresence, FriendState, Message, Sibling, message_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{BackupHead, BackupPart, DeviceWays, Text, backup_key, entry_is_of};
use symbolon_presence::id::PeerId;
use symbolon_presence::identity::{Identity, Root};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::EARLIEST;
use symbolon_presence::tree::LeafLabels;

/// By what a device becomes the person's.
struct By<'a> {
    root: Root,
    backup_key: Secret,
    /// A copy of a device's folder becomes a device of its own: what it had not brought to anybody yet waits here.
    moves: Option<&'a MoveKeys>,
}

/// Takes the next part in, in their order; the first one makes this device the person's.
pub(crate) fn restore(state: &mut State, turn: &mut Turn<'_>, entropy: &Secret, part: BackupPart) -> Result<(), Failed> {
    take(state, turn, &By { root: Identity::root_of(entropy), backup_key: backup_key(entropy), moves: None }, part)
}

/// The same for a copy of a folder, by what it takes along.
pub(crate) fn become_own(state: &mut State, turn: &mut Turn<'_>, keys: &MoveKeys, part: BackupPart) -> Result<(), Failed> {
    let (root, backup_key) = (keys.root(), keys.backup_key.clone());
    take(state, turn, &By { root, backup_key, moves: Some(keys) }, part)
}

/// The same, whatever this device becomes the person's by.
fn take(state: &mut State, turn: &mut Turn<'_>, by: &By<'_>, part: BackupPart) -> Result<(), Failed> {
    match part {
        BackupPart::Head(head) => begin(state, turn, by, head),
        _ if state.own.person() == state.own.peer => Err(CommandError::NotFresh.into()),
        BackupPart::Persons(all) => {
            for said in all {
                stands::heard(state, turn, said)?;
            }
            Ok(())
        }
        BackupPart::Ways(all) => {
            for ways in all {
                learn(state, turn, ways)?;
            }
            Ok(())
        }
        BackupPart::Texts(texts) => {
            let via = via(state, by);
            for text in texts {
                let Some(friend) = persons::head_of(state, &text.person) else { continue };
                let (is_mine, reached) = (text.mine, text.state);
                let text = Text { id: text.id, at: text.at, text: text.text };
                let waits = by.moves.is_some() && is_mine && matches!(reached, MessageState::Queued | MessageState::Stored);
                let reached = if waits { MessageState::Queued } else { reached };
                let arrival = conversations::copy(state, turn, Copied { friend, text, is_mine, state: reached, via })?;
                if let Some(arrival) = arrival.filter(|_| waits) {
                    hold(state, turn, &friend, arrival)?;
                }
            }
            Ok(())
        }
        BackupPart::Rooms(rooms) => {
            let via = state.own.person();
            rooms.into_iter().for_each(|said| shared::restored(state, turn, &via, said));
            Ok(())
        }
        BackupPart::RoomTexts(texts) => {
            let via = via(state, by);
            for text in texts {
                shared::heard_text(state, turn, via, text)?;
            }
            Ok(())
        }
        BackupPart::End => Ok(()),
    }
}

/// From whom texts are: what a lost device had is not said to it again. A copy says all that it has to the device whose copy it was.
fn via(state: &State, by: &By<'_>) -> PeerId {
    if by.moves.is_some() { state.own.peer } else { state.own.person() }
}

/// Nobody has a text of ours as far as this copy knows: it waits for the friend, as what was written here. Anyone who has it knows its id.
fn hold(state: &mut State, turn: &mut Turn<'_>, friend: &PeerId, arrival: u64) -> Result<(), TurnFailed> {
    let Some(conversation) = state.friends.get(friend).map(|friend| friend.conversation) else { return Ok(()) };
    let key = message_key(&conversation, arrival);
    if let Some(message) = turn.row::<Message>(Table::Message, &key)? {
        turn.put(Table::Message, &key, &Message { via: None, ..message });
        state.change_friend(turn, friend, |friend| friend.held.push(arrival));
    }
    Ok(())
}

fn begin(state: &mut State, turn: &mut Turn<'_>, by: &By<'_>, head: BackupHead) -> Result<(), Failed> {
    if !super::pairing::is_fresh(state) || state.requests.values().any(|row| row.joins.is_some()) {
        return Err(CommandError::NotFresh.into());
    }
    let root = &by.root;
    if root.person() != head.person {
        return Err(CommandError::WrongPhrase.into());
    }
    state.own.last_serial = head.serial.saturating_add(SERIALS_ABOVE);
    let serial = state.own.next_serial(turn);
    let end = turn.now.max(turn.sure).max(EARLIEST).after(DEVICE_LIFETIME);
    state.own.identity.return_as_further(root, serial, EARLIEST, end);
    state.own.peer = state.own.identity.peer();
    state.own.name = head.name;
    let key = by.backup_key.clone();
    if let Some(keys) = by.moves {
        copies::moved(state, turn, keys);
    }
    turn.put(Table::Meta, b"identity", &state.own.identity.to_stored());
    turn.put(Table::Meta, b"name", &state.own.name);
    if by.moves.is_none_or(|keys| keys.has_shown_words) {
        turn.put(Table::Meta, b"backup key", &key);
        state.own.backup_key = Some(key);
    }
    packages::begin_again(state, turn);
    identity::records_changed(turn);
    for (link, claim) in head.relays {
        // One that is gone by now does not hold the rest up.
        match relays::add(state, turn, &link, claim.as_deref()) {
            Ok(_) | Err(Failed::Command(_)) => {}
            Err(failed @ Failed::Turn(_)) => return Err(failed),
        }
    }
    for address in head.lookups {
        lookup_servers::add(state, turn, address)?;
    }
    if let Some(list) = head.list {
        keeping::was_listed(state, turn, root, &list);
    }
    Ok(())
}

/// A device that was a friend: how it is written to, and where it is found.
fn learn(state: &mut State, turn: &mut Turn<'_>, ways: DeviceWays) -> Result<(), TurnFailed> {
    let DeviceWays { chain, entry, relay_mailboxes, direct, friendship, presence } = ways;
    let Ok(device) = chain.verify_known(turn.sure) else { return Ok(()) };
    if !entry_is_of(&entry, &device) || device.peer == state.own.peer || state.devices.contains_key(&device.device) {
        return Ok(());
    }
    let peer = device.peer;
    let labels = presence.as_ref().and_then(|presence| LeafLabels::from_bytes(&presence.labels));
    let presence = presence.filter(|_| labels.is_some()).map(|presence| FriendPresence {
        reader: presence.reader,
        version: 0,
        sequence: 0,
        read: turn.stamp,
        lookups: presence.lookups,
        wrapped: None,
    });
    let Some(friend) = waiting(state, turn, &device) else { return Ok(()) };
    if let Some(labels) = labels {
        turn.put_raw(Table::Labels, peer.as_bytes(), labels.to_bytes());
    }
    if device.person == state.own.person() {
        // Shown, so that it can be removed if it is lost.
        state.save_sibling(turn, Sibling::new(peer, turn.stamp));
    }
    let put = Some(friendship.put(&entry.mailbox));
    state.save_friend(turn, Friend { devices: vec![device.device], friendship: Some(friendship), presence, ..friend });
    state.save_device(Device { put, relay_mailboxes, direct: Some(direct), ..Device::new(device.device, peer, chain, entry) });
    Ok(())
}

/// The row of a device that is no friend yet: the one that stands for its person, or one behind that.
fn waiting(state: &mut State, turn: &mut Turn<'_>, device: &symbolon_presence::identity::Device) -> Option<Friend> {
    let is_own = device.person == state.own.person();
    let present = state.friends.get(&device.peer).filter(|friend| friend.state == FriendState::Half).cloned();
    if present.is_some() || state.friends.contains_key(&device.peer) {
        return present;
    }
    let head = persons::head_of(state, &device.person).and_then(|head| state.friends.get(&head)).cloned();
    match head {
        Some(head) if head.state == FriendState::Half && !is_own => {
            Some(Friend { peer: device.peer, person: person_of(device), follows: Some(head.peer), held: Vec::new(), unread: 0, ..head })
        }
        Some(_) => None,
        None if is_own => {
            let friend = stands::blank(state, turn, device.peer, person_of(device), Trust::Verified);
            Some(friend)
        }
        None => None,
    }
}

fn person_of(device: &symbolon_presence::identity::Device) -> Option<PeerId> {
    (device.person != device.peer).then_some(device.person)
}
