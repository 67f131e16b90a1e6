//! Cards and knocks: how their rows are saved.

use super::State;
use crate::rows::{Card, HeardKnock, Knock};
use crate::table::Table;
use crate::turn::Turn;
use symbolon_presence::id::{RequestId, RoomId};

impl State {
    /// Saves a card.
    pub fn save_card(&mut self, turn: &mut Turn<'_>, card: Card) {
        turn.put(Table::Card, card.room.as_bytes(), &card);
        self.vouching.cards.insert(card.room, card);
    }

    /// A card is good for nothing any more.
    pub fn drop_card(&mut self, turn: &mut Turn<'_>, room: &RoomId) {
        turn.delete(Table::Card, room.as_bytes());
        self.vouching.cards.remove(room);
    }

    /// Saves a knock of ours.
    pub fn save_knock(&mut self, turn: &mut Turn<'_>, knock: Knock) {
        turn.put(Table::Knock, knock.id.as_bytes(), &knock);
        self.vouching.knocks.insert(knock.id, knock);
    }

    /// Changes a knock of ours and saves it.
    pub fn change_knock(&mut self, turn: &mut Turn<'_>, id: &RequestId, change: impl FnOnce(&mut Knock)) {
        if let Some(knock) = self.vouching.knocks.get_mut(id) {
            change(knock);
            turn.put(Table::Knock, id.as_bytes(), knock);
        }
    }

    /// A knock of ours is forgotten.
    pub fn drop_own_knock(&mut self, turn: &mut Turn<'_>, id: &RequestId) {
        turn.delete(Table::Knock, id.as_bytes());
        self.vouching.knocks.remove(id);
    }

    /// Saves a knock of somebody's.
    pub fn save_heard(&mut self, turn: &mut Turn<'_>, heard: HeardKnock) {
        turn.put(Table::HeardKnock, heard.id.as_bytes(), &heard);
        self.vouching.heard.insert(heard.id, heard);
    }

    /// A knock of somebody's is forgotten.
    pub fn drop_heard(&mut self, turn: &mut Turn<'_>, id: &RequestId) {
        turn.delete(Table::HeardKnock, id.as_bytes());
        self.vouching.heard.remove(id);
    }
}
