//! Backups: what this device knows, in sealed parts, one for each question.

use super::speak::page_from;
use super::{listed, persons as stands, shared, texts};
use crate::command::{BackupCursor, BackupPlace as Place, CommandError};
use crate::limits::{PERSONS_SAID, ROOMS_SAID, TEXTS_SAID, TEXTS_SAID_BYTES, WAYS_SAID};
use crate::rows::{Friend, FriendState};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{
    BACKUP_MAGIC, BackupHead, BackupPart, DeviceWays, PersonSaid, ReaderWays, RelayMailbox, RoomTextSaid, TextSaid, Whereabouts, backup_key,
};
use symbolon_presence::capsule::CAPSULE_MAX;
use symbolon_presence::codec;
use symbolon_presence::id::{Nonce, PeerId, RoomId};
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
            // A room stands before its texts.
            let done = if state.groups.rooms.is_empty() { Place::Texts(0) } else { Place::Rooms(0) };
            let next = if all.len() < WAYS_SAID { done } else { Place::Ways(behind(from, all.len())) };
            (BackupPart::Ways(all.into_iter().flatten().collect()), Some(next))
        }
        Place::Texts(from) => {
            let (part, next) = texts(state, turn, from)?;
            let next = if next >= state.counters.arrival { Place::End } else { Place::Texts(next) };
            (part, Some(next))
        }
        Place::Rooms(from) => {
            let all = shared::page(state, from);
            let next = if all.len() < ROOMS_SAID { Place::Texts(0) } else { Place::Rooms(behind(from, all.len())) };
            (BackupPart::Rooms(all.into_iter().flatten().collect()), Some(next))
        }
        Place::End => (BackupPart::End, None),
    };
    Ok(Made { sealed: part.seal(&key, &cursor.id, cursor.index, turn.rng), next })
}

/// A text of a friend or of a room.
enum Either {
    OfFriend(TextSaid),
    OfRoom(RoomTextSaid),
}

/// The texts from an arrival number on, in their order, and the next number: of friends, or of rooms, until one of the other kind
/// comes. A restored device gives them numbers of its own as they come, and shows them in that order.
fn texts(state: &State, turn: &Turn<'_>, from: u64) -> Result<(BackupPart, u64), TurnFailed> {
    let pick = |turn: &Turn<'_>, conversation: &RoomId, arrival| {
        Ok(match texts::text(state, turn, None, conversation, arrival)? {
            Some(text) => Some((text.text.len(), (arrival, Either::OfFriend(text)))),
            None => shared::text(state, turn, None, conversation, arrival)?.map(|text| (text.text.len(), (arrival, Either::OfRoom(text)))),
        })
    };
    let (page, next) = page_from(state, turn, from, (TEXTS_SAID, TEXTS_SAID_BYTES), pick)?;
    let (mut of_friends, mut of_rooms) = (Vec::new(), Vec::new());
    for (arrival, text) in page {
        match text {
            Either::OfFriend(text) if of_rooms.is_empty() => of_friends.push(text),
            Either::OfRoom(text) if of_friends.is_empty() => of_rooms.push(text),
            Either::OfFriend(_) => return Ok((BackupPart::RoomTexts(of_rooms), arrival)),
            Either::OfRoom(_) => return Ok((BackupPart::Texts(of_friends), arrival)),
        }
    }
    Ok((if of_rooms.is_empty() { BackupPart::Texts(of_friends) } else { BackupPart::RoomTexts(of_rooms) }, next))
}

fn head(state: &State, turn: &Turn<'_>) -> BackupHead {
    let own = &state.own;
    let relays = own.relay_mailboxes.values().map(|own| (own.link.to_string(), own.claim.as_ref().map(ToString::to_string))).collect();
    let (person, serial, name) = (own.person(), own.last_serial, own.name.clone());
    BackupHead { made: turn.stamp, person, serial, name, relays, lookups: own.lookups.clone(), list: listed::own_list(state).map(Box::new) }
}

fn persons(state: &State, from: u64) -> Vec<Option<PersonSaid>> {
    let all = stands::all(state).into_iter().skip(usize::try_from(from).unwrap_or(usize::MAX)).take(PERSONS_SAID);
    all.map(|person| stands::said_of(state, &person)).collect()
}

/// Whose ways a backup holds: this device's, which the new one may want to reach or to remove, and those of friends' devices.
/// One that was itself restored and has no answer yet passes on what it got.
fn wanted(state: &State) -> impl Iterator<Item = Option<PeerId>> {
    let is_it = |friend: &&Friend| friend.state != FriendState::Ended && !friend.blocked;
    std::iter::once(None).chain(state.friends.values().filter(is_it).map(|friend| Some(friend.peer)))
}

/// The friends' devices from a place on; one of which too little is known is none.
fn ways(state: &State, turn: &mut Turn<'_>, from: u64) -> Result<Vec<Option<DeviceWays>>, TurnFailed> {
    let these: Vec<Option<PeerId>> = wanted(state).skip(usize::try_from(from).unwrap_or(usize::MAX)).take(WAYS_SAID).collect();
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

/// What is left for the end, and for the frame of a last part, in bytes.
const SPARE: usize = 1_024;
/// Of a capsule, what persons may take at most, in bytes.
const PERSONS_BYTES: usize = CAPSULE_MAX / 4;

/// A capsule: a backup without texts, in the bytes of a file, as long as relays keep it. What does not fit is left out, first how
/// friends' records are read, then how the last ones are written to. None while nobody has seen the recovery phrase.
pub(super) fn capsule(state: &State, turn: &mut Turn<'_>) -> Result<Option<Vec<u8>>, TurnFailed> {
    let Some(key) = state.own.backup_key.clone() else { return Ok(None) };
    let mut parts = vec![BackupPart::Head(head(state, turn))];
    let mut used = 0;
    let mut from = 0;
    loop {
        let page = persons(state, from);
        let (count, is_last) = (page.len(), page.len() < PERSONS_SAID);
        let page: Vec<PersonSaid> = page.into_iter().flatten().collect();
        let size = codec::encode(&page).len();
        if used + size > PERSONS_BYTES {
            break;
        }
        used += size;
        parts.push(BackupPart::Persons(page));
        from = from.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if is_last {
            break;
        }
    }
    let mut room = CAPSULE_MAX.saturating_sub(SPARE + used);
    for page in fitting(state, turn, &mut room)?.chunks(WAYS_SAID) {
        parts.push(BackupPart::Ways(page.to_vec()));
    }
    parts.push(BackupPart::End);
    let id = Nonce::random(turn.rng);
    let mut file = [BACKUP_MAGIC, id.as_bytes()].concat();
    for (part, index) in parts.iter().zip(0..) {
        let sealed = part.seal(&key, &id, index, turn.rng);
        file.extend_from_slice(&u32::try_from(sealed.len()).unwrap_or(u32::MAX).to_be_bytes());
        file.extend_from_slice(&sealed);
    }
    Ok((file.len() <= CAPSULE_MAX).then_some(file))
}

/// As many ways as there is room for: first how devices are written to, then how their records are read.
fn fitting(state: &State, turn: &mut Turn<'_>, room: &mut usize) -> Result<Vec<DeviceWays>, TurnFailed> {
    let mut all: Vec<(DeviceWays, Option<ReaderWays>)> = Vec::new();
    for peer in wanted(state) {
        let ways = match peer {
            Some(peer) => ways_of(state, turn, &peer)?,
            None => Some(own_ways(state, turn)),
        };
        let Some(ways) = ways else { continue };
        let (bare, presence) = (DeviceWays { presence: None, ..ways.clone() }, ways.presence);
        // Beside itself it takes a share of the frame of its part.
        let Some(left) = room.checked_sub(codec::encode(&bare).len() + 16) else { break };
        *room = left;
        all.push((bare, presence));
    }
    let mut ways = Vec::with_capacity(all.len());
    for (bare, presence) in all {
        let presence = presence.filter(|presence| match room.checked_sub(codec::encode(presence).len() + 16) {
            Some(left) => {
                *room = left;
                true
            }
            None => false,
        });
        ways.push(DeviceWays { presence, ..bare });
    }
    Ok(ways)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{NOW, Person, in_turn};
    use symbolon_presence::friendship::FriendshipSecret;

    /// The parts of a capsule.
    fn parts(file: &[u8], key: &Secret) -> Vec<BackupPart> {
        let (id, mut rest) = file.strip_prefix(BACKUP_MAGIC).unwrap().split_first_chunk().unwrap();
        let mut parts = Vec::new();
        while let Some((length, more)) = rest.split_first_chunk::<4>() {
            let (sealed, more) = more.split_at(u32::from_be_bytes(*length) as usize);
            parts.push(BackupPart::open(sealed, key, &Nonce(*id), parts.len() as u64).unwrap());
            rest = more;
        }
        parts
    }

    #[test]
    fn a_capsule_of_more_friends_than_it_holds_keeps_within_its_bound_and_leaves_out_the_last_ones() {
        in_turn(|state, turn| {
            assert!(capsule(state, turn).unwrap().is_none(), "nobody has seen the words");
            let key = Secret::from_bytes([3; 32]);
            state.own.backup_key = Some(key.clone());
            let alone = capsule(state, turn).unwrap().unwrap();
            assert!(alone.len() < 4_000, "who has no friends has one piece");
            let one = Person::new(state, turn, 1);
            let row = state.friends.get(&one.device.peer).unwrap().clone();
            let friendship = Some(FriendshipSecret { revision: 1, secret: Secret::from_bytes([5; 32]) });
            let mut device = state.devices.get(&one.device.device).unwrap().clone();
            for number in 0..400u64 {
                let mut peer = one.device.peer;
                peer.0.split_at_mut(8).0.copy_from_slice(&number.to_be_bytes());
                let mut id = one.device.device;
                id.0.split_at_mut(8).0.copy_from_slice(&number.to_be_bytes());
                (device.device, device.peer) = (id, peer);
                state.save_device(device.clone());
                let row = Friend { peer, since: NOW, devices: vec![id], friendship: friendship.clone(), ..row.clone() };
                state.friends.insert(peer, row);
            }
            let file = capsule(state, turn).unwrap().unwrap();
            assert!(file.len() <= CAPSULE_MAX && file.len() > CAPSULE_MAX - 8_192, "{} bytes", file.len());
            let parts = parts(&file, &key);
            assert!(parts.last() == Some(&BackupPart::End));
            let count = |part: &BackupPart| if let BackupPart::Ways(ways) = part { ways.len() } else { 0 };
            let ways: usize = parts.iter().map(count).sum();
            assert!((150..400).contains(&ways), "{ways} devices");
        });
    }
}
