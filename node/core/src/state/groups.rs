//! Shared rooms: the rows of each, and how they are saved.

use super::State;
use crate::rows::{Group, Invitation, RoomNote, SeatRow, Step, WishRow, commit_key, leaf_key, step_key, wish_key};
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, load_all};
use crate::wire::Seat;
use crate::world::Shelf;
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, EpochId, MessageId, PublicKeyBytes, RoomId};

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
}

impl GroupRows {
    /// Loads them.
    pub fn load(shelf: &dyn Shelf) -> Result<Self, TurnFailed> {
        let seats = load_all(shelf, Table::Seat, |row: &SeatRow| (row.room, row.seat.owner.leaf))?;
        let notes = crate::turn::all_rows(shelf, Table::RoomNote)?;
        let note = |(key, value): (Vec<u8>, Vec<u8>)| Some((RoomId::from_slice(&key)?, crate::turn::decode_row(&value)));
        let invitations = load_all(shelf, Table::Invitation, |row: &Invitation| (row.room, row.device))?;
        Ok(Self {
            invitations: invitations.into_iter().map(|(key, row)| (key, row.said_in)).collect(),
            rooms: load_all(shelf, Table::Group, |row: &Group| row.room)?,
            steps: load_all(shelf, Table::Step, |row: &Step| (row.room, row.number))?,
            wishes: load_all(shelf, Table::Wish, |row: &WishRow| (row.room, row.id))?,
            seats: seats.into_iter().map(|(key, row)| (key, row.seat)).collect(),
            notes: notes.into_iter().filter_map(note).map(|(room, row)| row.map(|row| (room, row))).collect::<Result<_, _>>()?,
        })
    }

    /// The epochs of a room that may come back, oldest first.
    pub fn steps_of(&self, room: &RoomId) -> impl DoubleEndedIterator<Item = &Step> {
        self.steps.range((*room, 0)..=(*room, u64::MAX)).map(|(_, step)| step)
    }

    /// The wishes for a room.
    pub fn wishes_of(&self, room: &RoomId) -> impl Iterator<Item = &WishRow> {
        let (first, last) = (MessageId([0; 16]), MessageId([u8::MAX; 16]));
        self.wishes.range((*room, first)..=(*room, last)).map(|(_, wish)| wish)
    }
}

impl State {
    /// Saves a shared room.
    pub fn save_group(&mut self, turn: &mut Turn<'_>, group: Group) {
        turn.put(Table::Group, group.room.as_bytes(), &group);
        self.groups.rooms.insert(group.room, group);
    }

    /// Changes a shared room's row and saves it.
    pub fn change_group(&mut self, turn: &mut Turn<'_>, room: &RoomId, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.rooms.get_mut(room) {
            change(group);
            turn.put(Table::Group, room.as_bytes(), group);
        }
    }

    /// Saves an epoch that may come back.
    pub fn save_step(&mut self, turn: &mut Turn<'_>, step: Step) {
        turn.put(Table::Step, &step_key(&step.room, step.number), &step);
        self.groups.steps.insert((step.room, step.number), step);
    }

    /// An epoch does not come back any more, or is the present one.
    pub fn drop_step(&mut self, turn: &mut Turn<'_>, room: &RoomId, number: u64) -> Option<Step> {
        turn.delete(Table::Step, &step_key(room, number));
        self.groups.steps.remove(&(*room, number))
    }

    /// Saves a wish.
    pub fn save_wish(&mut self, turn: &mut Turn<'_>, wish: WishRow) {
        turn.put(Table::Wish, &wish_key(&wish.room, &wish.id), &wish);
        self.groups.wishes.insert((wish.room, wish.id), wish);
    }

    /// A wish is over.
    pub fn drop_wish(&mut self, turn: &mut Turn<'_>, room: &RoomId, id: &MessageId) {
        if self.groups.wishes.remove(&(*room, *id)).is_some() {
            turn.delete(Table::Wish, &wish_key(room, id));
        }
    }

    /// Saves a seat.
    pub fn save_seat(&mut self, turn: &mut Turn<'_>, room: RoomId, seat: Seat) {
        let row = SeatRow { room, seat };
        turn.put(Table::Seat, &leaf_key(&room, &row.seat.owner.leaf), &row);
        self.groups.seats.insert((room, row.seat.owner.leaf), row.seat);
    }

    /// A leaf is gone for good.
    pub fn drop_seat(&mut self, turn: &mut Turn<'_>, room: &RoomId, leaf: &PublicKeyBytes) {
        turn.delete(Table::Seat, &leaf_key(room, leaf));
        self.groups.seats.remove(&(*room, *leaf));
    }

    /// Changes what the user has set for a room, and what they have not read there.
    pub fn change_note(&mut self, turn: &mut Turn<'_>, room: &RoomId, change: impl FnOnce(&mut RoomNote)) {
        let note = self.groups.notes.entry(*room).or_default();
        change(note);
        turn.put(Table::RoomNote, room.as_bytes(), note);
    }

    /// A kept commit is not wanted any more.
    pub fn drop_commit(turn: &mut Turn<'_>, room: &RoomId, epoch: &EpochId) {
        turn.delete(Table::Commit, &commit_key(room, epoch));
    }
}
