//! Texts of conversations with others, as another device of ours is shown them.

use super::speak::page_from;
use crate::limits::{TEXTS_SAID, TEXTS_SAID_BYTES};
use crate::people::persons;
use crate::rows::{Friend, Message, message_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::wire::TextSaid;
use symbolon_presence::id::{PeerId, RoomId};

/// The texts of conversations with others from an arrival number on, as many as fit, and the next number, for a device.
pub(super) fn texts_from(state: &State, turn: &Turn<'_>, to: &PeerId, from: u64) -> Result<(Vec<TextSaid>, u64), TurnFailed> {
    let pick = |turn: &Turn<'_>, conversation: &RoomId, arrival| {
        Ok(text(state, turn, Some(to), conversation, arrival)?.map(|text| (text.text.len(), text)))
    };
    page_from(state, turn, from, (TEXTS_SAID, TEXTS_SAID_BYTES), pick)
}

/// A text as another device is shown it; none of what is not for it.
pub(super) fn text(
    state: &State,
    turn: &Turn<'_>,
    to: Option<&PeerId>,
    conversation: &RoomId,
    arrival: u64,
) -> Result<Option<TextSaid>, TurnFailed> {
    let is_it = |friend: &&Friend| friend.conversation == *conversation && friend.follows.is_none() && !persons::is_own(state, friend);
    let Some(person) = state.friends.values().find(is_it).map(Friend::person) else { return Ok(None) };
    let Some(message) = turn.row::<Message>(Table::Message, &message_key(conversation, arrival))? else { return Ok(None) };
    // It came from there.
    if (message.via.is_some() && message.via.as_ref() == to) || message.line.is_some() {
        return Ok(None);
    }
    let Message { id, from, at, state: reached, text, .. } = message;
    Ok(Some(TextSaid { person, id, at, mine: from == state.own.peer, state: reached, text }))
}
