//! What is being written: how its rows are saved.

use super::State;
use crate::limits::DRAFTS_MAX;
use crate::rows::Draft;
use crate::table::Table;
use crate::turn::Turn;

impl State {
    /// Saves what is being written somewhere. False when there are too many: one that is empty gives way, since it stands only so that
    /// an older one does not come back.
    pub fn save_draft(&mut self, turn: &mut Turn<'_>, row: Draft) -> bool {
        let place = row.place;
        if !self.drafts.contains_key(&place) && self.drafts.len() >= DRAFTS_MAX {
            let empty = self.drafts.values().filter(|draft| draft.text.is_empty()).min_by_key(|draft| draft.set);
            let Some(empty) = empty.map(|draft| draft.place) else { return false };
            self.drafts.remove(&empty);
            turn.delete(Table::Draft, &empty.key());
        }
        turn.put(Table::Draft, &place.key(), &row);
        self.drafts.insert(place, row);
        true
    }
}
