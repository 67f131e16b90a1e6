//! All rows of shared rooms.

use super::group::{Group, SeatRow, Step};
use super::note::RoomNote;
use super::wish::{Invitation, KnockKey, WishRow};
use crate::table::Table;
use crate::turn::{TurnFailed, all_rows, decode_row, load_all};
use crate::wire::Seat;
use crate::world::Shelf;
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, MessageId, PublicKeyBytes, RoomAlias, RoomId};

/// Rows of shared rooms.
#[derive(Debug, Default)]
pub(crate) struct GroupRows {
    /// At most [`limits::ROOMS_MAX`](crate::limits::ROOMS_MAX).
    pub rooms: BTreeMap<RoomId, Group>,
    /// Epochs that may come back; at most [`limits::STEPS_MAX`](crate::limits::STEPS_MAX) of a room.
    pub steps: BTreeMap<(RoomId, u64), Step>,
    /// At most [`limits::WISHES_MAX`](crate::limits::WISHES_MAX) of a room.
    pub wishes: BTreeMap<(RoomId, MessageId), WishRow>,
    /// One for each leaf of each room, and of the epochs that may come back.
    pub seats: BTreeMap<(RoomId, PublicKeyBytes), Seat>,
    /// Welcomes that their devices do not have yet, and in which room each was said last.
    pub invitations: BTreeMap<(RoomId, DeviceId), Option<RoomId>>,
    /// What the user has set, and what they have not read.
    pub notes: BTreeMap<RoomId, RoomNote>,
    /// What opens knocks; at most [`limits::KNOCK_KEYS_MAX`](crate::limits::KNOCK_KEYS_MAX) of a room.
    pub knock_keys: BTreeMap<(RoomId, RoomAlias), KnockKey>,
}

impl GroupRows {
    /// Loads them.
    pub fn load(shelf: &dyn Shelf) -> Result<Self, TurnFailed> {
        let seats = load_all(shelf, Table::Seat, |row: &SeatRow| (row.room, row.seat.owner.leaf))?;
        let notes = all_rows(shelf, Table::RoomNote)?;
        let note = |(key, value): (Vec<u8>, Vec<u8>)| Some((RoomId::from_slice(&key)?, decode_row(&value)));
        let invitations = load_all(shelf, Table::Invitation, |row: &Invitation| (row.room, row.device))?;
        Ok(Self {
            invitations: invitations.into_iter().map(|(key, row)| (key, row.said_in)).collect(),
            rooms: load_all(shelf, Table::Group, |row: &Group| row.room)?,
            steps: load_all(shelf, Table::Step, |row: &Step| (row.room, row.number))?,
            wishes: load_all(shelf, Table::Wish, |row: &WishRow| (row.room, row.id))?,
            seats: seats.into_iter().map(|(key, row)| (key, row.seat)).collect(),
            knock_keys: load_all(shelf, Table::KnockKey, |row: &KnockKey| (row.room, row.alias))?,
            notes: notes.into_iter().filter_map(note).map(|(room, row)| row.map(|row| (room, row))).collect::<Result<_, _>>()?,
        })
    }

    /// The epochs of a room that may come back, oldest first.
    pub fn steps_of(&self, room: &RoomId) -> impl DoubleEndedIterator<Item = &Step> {
        self.steps.range((*room, 0)..=(*room, u64::MAX)).map(|(_, step)| step)
    }

    /// What opens knocks at a room.
    pub fn knock_keys_of(&self, room: &RoomId) -> impl Iterator<Item = &KnockKey> {
        let (first, last) = (RoomAlias([0; 32]), RoomAlias([u8::MAX; 32]));
        self.knock_keys.range((*room, first)..=(*room, last)).map(|(_, row)| row)
    }

    /// What opens knocks at a room now.
    pub fn knock_key(&self, room: &RoomId) -> Option<&KnockKey> {
        let alias = self.rooms.get(room)?.roster.knocks.as_ref()?.alias;
        self.knock_keys.get(&(*room, alias))
    }

    /// The wishes for a room.
    pub fn wishes_of(&self, room: &RoomId) -> impl Iterator<Item = &WishRow> {
        let (first, last) = (MessageId([0; 16]), MessageId([u8::MAX; 16]));
        self.wishes.range((*room, first)..=(*room, last)).map(|(_, wish)| wish)
    }
}
