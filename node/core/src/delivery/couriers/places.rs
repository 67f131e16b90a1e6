//! Who gives way when there is no room for one more envelope.
//!
//! Nobody who carries can open what they carry, so junk looks like any other. What nobody has signed for although it was put,
//! and what is of people who are in no common room any more, goes first; then what is newest of who has most.

use super::note::{Giver, Note};
use crate::limits::{
    CARRIED_BYTES_MAX, CARRIED_MAX, CARRIED_OF_FRIEND_BYTES_MAX, CARRIED_OF_FRIEND_MAX, CARRIED_OF_ROOM_BYTES_MAX, CARRIED_OF_ROOM_MAX,
};
use crate::rooms;
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, PeerId, RoomId};

/// So many give way to one at most.
const GONE_MAX: usize = 64;

/// What one envelope counts at least: as many of these as there is room for fill the bytes as well.
const LEAST: u64 = CARRIED_BYTES_MAX / CARRIED_MAX as u64;

type Key = (DeviceId, u64);

/// A bound, and whose envelopes it counts.
#[derive(Clone, Copy)]
enum Bound {
    Person(PeerId),
    Room(RoomId),
    All,
}

impl Bound {
    fn counts(self, note: &Note) -> bool {
        match self {
            Self::Person(peer) => note.peer == peer,
            Self::Room(room) => note.room == Some(room),
            Self::All => true,
        }
    }

    fn most(self) -> Sum {
        let (count, bytes) = match self {
            Self::Person(_) => (CARRIED_OF_FRIEND_MAX, CARRIED_OF_FRIEND_BYTES_MAX),
            Self::Room(_) => (CARRIED_OF_ROOM_MAX, CARRIED_OF_ROOM_BYTES_MAX),
            Self::All => (CARRIED_MAX, CARRIED_BYTES_MAX),
        };
        Sum { count: count as u64, bytes }
    }
}

#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    bytes: u64,
}

impl Sum {
    fn with(self, size: u64) -> Self {
        Self { count: self.count.saturating_add(1), bytes: self.bytes.saturating_add(size) }
    }

    fn is_within(self, most: Self) -> bool {
        self.count <= most.count && self.bytes <= most.bytes
    }

    /// How much of the room it takes.
    fn share(self) -> u64 {
        self.bytes.max(self.count.saturating_mul(LEAST))
    }
}

/// Whether nothing ties an envelope to somebody who may give it and is heard.
fn is_untied(state: &State, to: &DeviceId, note: &Note) -> bool {
    let is_there = |room: &RoomId| rooms::is_in_shared(state, &note.from, room) && rooms::is_in_shared(state, to, room);
    note.tries > 0 || !note.room.is_some_and(|room| is_there(&room))
}

/// Which ones go, so that one more of this giver has room; none when it has no room.
pub(super) fn for_one_more(state: &State, notes: &BTreeMap<Key, Note>, giver: Giver, size: u64) -> Option<BTreeSet<Key>> {
    let mut gone = BTreeSet::new();
    for bound in [Bound::Person(giver.peer), Bound::Room(giver.room), Bound::All] {
        loop {
            let counted = || notes.iter().filter(|(key, note)| bound.counts(note) && !gone.contains(*key));
            let sum = counted().fold(Sum::default(), |sum, (_, note)| sum.with(note.size));
            if sum.with(size).is_within(bound.most()) {
                break;
            }
            let mut held: BTreeMap<PeerId, Sum> = BTreeMap::new();
            for (_, note) in counted() {
                let sum = held.entry(note.peer).or_default();
                *sum = sum.with(note.size);
            }
            let share = |peer: &PeerId| held.get(peer).copied().unwrap_or_default().share();
            // Of what is untied, that of who has most, the newest first.
            let untied = counted().filter(|((to, _), note)| is_untied(state, to, note));
            let untied = untied.max_by_key(|((_, number), note)| (share(&note.peer), *number)).map(|(key, _)| *key);
            let newest_of_most = || {
                let own = held.get(&giver.peer).copied().unwrap_or_default().with(size).share();
                let most = held.keys().max_by_key(|peer| share(peer)).filter(|peer| share(peer) > own)?;
                counted().filter(|(_, note)| note.peer == *most).max_by_key(|((_, number), _)| *number).map(|(key, _)| *key)
            };
            let next = untied.or_else(newest_of_most).filter(|_| gone.len() < GONE_MAX)?;
            gone.insert(next);
        }
    }
    Some(gone)
}
