//! What was read in shared rooms at another device of ours.

use crate::command::MessageState;
use crate::rows::{Message, key_of_message, split_key};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::MessageId;

/// Another device of ours has read these texts of shared rooms. Each is named: two devices may have got them in different orders.
pub(crate) fn read_elsewhere_in_rooms(state: &mut State, turn: &mut Turn<'_>, texts: &[MessageId]) -> Result<(), TurnFailed> {
    let mut changed = BTreeSet::new();
    for id in texts {
        let Some(key) = key_of_message(turn, id)? else { continue };
        let Some((room, _)) = split_key(&key).filter(|(room, _)| state.groups.rooms.contains_key(room)) else { continue };
        let Some(message) = turn.row::<Message>(Table::Message, &key)? else { continue };
        if message.state != MessageState::Delivered || message.from == state.own.peer || message.line.is_some() {
            continue;
        }
        turn.put(Table::Message, &key, &Message { state: MessageState::Read, ..message });
        state.change_note(turn, &room, |note| note.unread = note.unread.saturating_sub(1));
        changed.insert(room);
    }
    for room in changed {
        turn.notify(Event::Room(room));
    }
    Ok(())
}
