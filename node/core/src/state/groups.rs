//! Shared rooms: how their rows are saved.

use super::State;
use crate::rows::{Group, KnockKey, RoomNote, SeatRow, SetBy, Step, WishRow, commit_key, knock_key, leaf_key, step_key, wish_key};
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::Seat;
use symbolon_presence::id::{EpochId, MessageId, PublicKeyBytes, RoomAlias, RoomId};

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

    /// A shared room is forgotten: what is said of it in these tables goes.
    pub fn drop_group(&mut self, turn: &mut Turn<'_>, room: &RoomId) {
        let seats = self.groups.seats.range((*room, PublicKeyBytes([0; 32]))..=(*room, PublicKeyBytes([u8::MAX; 32])));
        for leaf in seats.map(|((_, leaf), _)| *leaf).collect::<Vec<_>>() {
            self.drop_seat(turn, room, &leaf);
        }
        for alias in self.groups.knock_keys_of(room).map(|row| row.alias).collect::<Vec<_>>() {
            self.drop_knock_key(turn, room, &alias);
        }
        turn.delete(Table::Group, room.as_bytes());
        self.groups.rooms.remove(room);
        turn.delete(Table::RoomNote, room.as_bytes());
        self.groups.notes.remove(room);
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

    /// A wish has ended.
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

    /// Saves what opens knocks at a room.
    pub fn save_knock_key(&mut self, turn: &mut Turn<'_>, row: KnockKey) {
        turn.put(Table::KnockKey, &knock_key(&row.room, &row.alias), &row);
        self.groups.knock_keys.insert((row.room, row.alias), row);
    }

    /// It opens nothing any more.
    pub fn drop_knock_key(&mut self, turn: &mut Turn<'_>, room: &RoomId, alias: &RoomAlias) {
        turn.delete(Table::KnockKey, &knock_key(room, alias));
        self.groups.knock_keys.remove(&(*room, *alias));
    }

    /// Changes what the user has set for a room, and what they have not read there.
    pub fn change_note(&mut self, turn: &mut Turn<'_>, room: &RoomId, change: impl FnOnce(&mut RoomNote)) {
        let note = self.groups.notes.entry(*room).or_default();
        change(note);
        turn.put(Table::RoomNote, room.as_bytes(), note);
    }

    /// The user mutes a room or puts it away, or no longer. Whether something has changed.
    pub fn set_room(&mut self, turn: &mut Turn<'_>, room: &RoomId, is_muted: bool, is_archived: bool) -> bool {
        let by = self.own.peer;
        let before = self.groups.notes.get(room).cloned().unwrap_or_default();
        if (before.is_muted, before.is_archived) == (is_muted, is_archived) {
            return false;
        }
        let set = Some(SetBy { version: before.set_by(by).version.saturating_add(1), by });
        self.change_note(turn, room, |note| *note = RoomNote { is_muted, is_archived, set, ..before });
        true
    }

    /// A kept commit is not wanted any more.
    pub fn drop_commit(turn: &mut Turn<'_>, room: &RoomId, epoch: &EpochId) {
        turn.delete(Table::Commit, &commit_key(room, epoch));
    }
}
