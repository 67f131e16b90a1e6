//! Backups: what this device knows, in sealed parts, one for each question.

use super::persons as stands;
use super::sync;
use crate::command::{BackupCursor, BackupPlace as Place, CommandError};
use crate::limits::{PERSONS_SAID, TEXTS_SAID, TEXTS_SAID_BYTES, WAYS_SAID};
use crate::rows::{Friend, FriendState};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{BackupHead, BackupPart, DeviceWays, PersonSaid, ReaderWays, RelayMailbox, Whereabouts, backup_key};
use symbolon_presence::id::PeerId;
use symbolon_presence::kdf::Secret;

/// One part as it goes into the file, and where the next one begins; none behind the last.
pub(crate) struct Made {
    pub sealed: Vec<u8>,
    pub next: Option<Place>,
}

/// The key of our backups: the words are needed to open one, not to make it.
fn key(state: &State) -> Option<Secret> {
    state.own.backup_key.clone().or_else(|| state.own.identity.entropy.as_ref().map(backup_key))
}

/// Makes a part.
pub(crate) fn part(state: &State, turn: &mut Turn<'_>, cursor: &BackupCursor) -> Result<Made, Failed> {
    let key = key(state).ok_or(CommandError::NotFirstDevice)?;
    let behind = |from: u64, count: usize| from.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    let (part, next) = match cursor.place {
        Place::Head => (BackupPart::Head(head(state, turn)), Some(Place::Persons(0))),
        Place::Persons(from) => {
            let all = persons(state, from);
            let next = if all.len() < PERSONS_SAID { Place::Ways(0) } else { Place::Persons(behind(from, all.len())) };
            (BackupPart::Persons(all.into_iter().flatten().collect()), Some(next))
        }
        Place::Ways(from) => {
            let all = ways(state, turn, from)?;
            let next = if all.len() < WAYS_SAID { Place::Texts(0) } else { Place::Ways(behind(from, all.len())) };
            (BackupPart::Ways(all.into_iter().flatten().collect()), Some(next))
        }
        Place::Texts(from) => {
            let (texts, next) = sync::texts_from(state, turn, None, from, (TEXTS_SAID, TEXTS_SAID_BYTES))?;
            let next = if next >= state.counters.arrival { Place::End } else { Place::Texts(next) };
            (BackupPart::Texts(texts), Some(next))
        }
        Place::End => (BackupPart::End, None),
    };
    Ok(Made { sealed: part.seal(&key, &cursor.id, cursor.index, turn.rng), next })
}

fn head(state: &State, turn: &Turn<'_>) -> BackupHead {
    let own = &state.own;
    let relays = own.relay_mailboxes.values().map(|own| (own.link.to_string(), own.claim.as_ref().map(ToString::to_string))).collect();
    let (person, serial, name) = (own.person(), own.last_serial, own.name.clone());
    BackupHead { made: turn.stamp, person, serial, name, relays, lookups: own.lookups.clone() }
}

fn persons(state: &State, from: u64) -> Vec<Option<PersonSaid>> {
    let all = stands::all(state).into_iter().skip(usize::try_from(from).unwrap_or(usize::MAX)).take(PERSONS_SAID);
    all.map(|person| stands::said_of(state, &person)).collect()
}

/// The friends' devices from a place on; one of which too little is known is none.
fn ways(state: &State, turn: &mut Turn<'_>, from: u64) -> Result<Vec<Option<DeviceWays>>, TurnFailed> {
    let is_it = |friend: &&Friend| friend.state == FriendState::Mutual && !friend.blocked;
    let peers = state.friends.values().filter(is_it).map(|friend| Some(friend.peer));
    // This device is one that the new one may want to reach, or to remove.
    let all = std::iter::once(None).chain(peers);
    let these: Vec<Option<PeerId>> = all.skip(usize::try_from(from).unwrap_or(usize::MAX)).take(WAYS_SAID).collect();
    let mut ways = Vec::with_capacity(these.len());
    for peer in these {
        ways.push(match peer {
            Some(peer) => ways_of(state, turn, &peer)?,
            None => Some(own_ways(state, turn)),
        });
    }
    Ok(ways)
}

/// How this device itself is written to.
fn own_ways(state: &State, turn: &mut Turn<'_>) -> DeviceWays {
    let own = &state.own;
    let Whereabouts { entry, relay_mailboxes } = own.whereabouts(turn.rng);
    DeviceWays {
        chain: own.identity.chain.clone(),
        entry,
        relay_mailboxes: RelayMailbox::of_friend(&own.friendship, relay_mailboxes),
        direct: own.direct.present(),
        friendship: own.friendship.clone(),
        presence: None,
    }
}

fn ways_of(state: &State, turn: &Turn<'_>, peer: &PeerId) -> Result<Option<DeviceWays>, TurnFailed> {
    let Some(friend) = state.friends.get(peer) else { return Ok(None) };
    let Some(row) = friend.devices.first().and_then(|device| state.devices.get(device)) else { return Ok(None) };
    let Some((friendship, direct)) = friend.friendship.clone().zip(row.direct.clone()) else { return Ok(None) };
    let labels = turn.get(Table::Labels, peer.as_bytes())?;
    let presence = friend.presence.as_ref().zip(labels).map(|(presence, labels)| ReaderWays {
        reader: presence.reader.clone(),
        labels,
        lookups: presence.lookups.clone(),
    });
    let (chain, entry, relay_mailboxes) = (row.chain.clone(), row.entry.clone(), row.relay_mailboxes.clone());
    Ok(Some(DeviceWays { chain, entry, relay_mailboxes, direct, friendship, presence }))
}
