//! Search: putting texts into the index of words, and finding them there.
//!
//! Indexing a text costs as much as a third of a turn, so it is not done while messages
//! come: they are numbered by arrival, and the index follows once it is quiet, in batches,
//! or as soon as too many wait. A search first has the rest put in. It is answered at the
//! end of its turn, when that has been applied; where more wait than ever do while a node runs, as when the
//! whole index is made again after an update, at the end of a later turn, so that all else goes on meanwhile.

use super::history::{arrival_of, view};
use super::texts::is_shown;
use crate::command::{CommandError, MessageView, Reply};
use crate::limits::{INDEX_BACKLOG, INDEX_BATCH, INDEX_QUIET, READ_LIMIT, SEARCH_MAX, SEARCHES_WAITING};
use crate::rows::{Message, conversation_of, message_key};
use crate::seam::{Action, CommandId};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use symbolon_presence::id::{MessageId, RoomId};
use symbolon_presence::time::Timestamp;

/// What the user looks for.
#[derive(Debug)]
pub(crate) struct Wish {
    pub text: String,
    pub before: Option<MessageId>,
    pub limit: Option<usize>,
}

/// When the index follows, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Search {
    due: Option<Timestamp>,
    /// The backlog when it was last looked at.
    backlog: u64,
    /// Searches that are not answered yet; at most [`SEARCHES_WAITING`] beyond those of this turn.
    waiting: Vec<(CommandId, Wish)>,
}

impl Search {
    /// When the index wants to continue.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Takes in a search, to be answered once all texts are in the index.
    pub fn ask(&mut self, state: &mut State, turn: &mut Turn<'_>, id: CommandId, wish: Wish) -> Result<(), TurnFailed> {
        if self.waiting.is_empty() {
            index(state, turn, INDEX_BACKLOG)?;
        } else if self.waiting.len() >= SEARCHES_WAITING {
            turn.act(Action::Reply(id, Err(CommandError::Full)));
            return Ok(());
        }
        self.waiting.push((id, wish));
        Ok(())
    }

    /// Does what is due, and plans what is next.
    pub fn follow(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        if self.due.is_some_and(|due| due <= turn.now) {
            self.due = None;
            index(state, turn, if self.waiting.is_empty() { INDEX_BATCH } else { INDEX_BACKLOG })?;
            if state.index_backlog() > 0 {
                self.due = Some(turn.now);
            }
        } else if state.index_backlog() >= INDEX_BACKLOG {
            index(state, turn, INDEX_BATCH)?;
        }
        let backlog = state.index_backlog();
        match backlog {
            0 => self.due = None,
            _ if !self.waiting.is_empty() => self.due = Some(turn.now),
            _ if backlog > self.backlog || self.due.is_none() => self.due = Some(turn.now.after(INDEX_QUIET)),
            _ => {}
        }
        self.backlog = backlog;
        Ok(())
    }

    /// Answers searches, as soon as all texts are in the index.
    pub fn close_turn(&mut self, state: &State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        if state.index_backlog() > 0 {
            return Ok(());
        }
        for (id, wish) in std::mem::take(&mut self.waiting) {
            let result = match find(state, turn, &wish) {
                Ok(found) => Ok(Reply::Messages(found)),
                Err(Failed::Command(error)) => Err(error),
                Err(Failed::Turn(failed)) => return Err(failed),
            };
            turn.act(Action::Reply(id, result));
        }
        Ok(())
    }
}

/// Puts the next texts into the index, at most so many.
fn index(state: &mut State, turn: &mut Turn<'_>, limit: u64) -> Result<(), TurnFailed> {
    let end = state.counters.arrival.min(state.counters.indexed.saturating_add(limit));
    for number in state.counters.indexed..end {
        if let Some((_, message)) = numbered(turn, number)? {
            turn.index(number, &message.text);
        }
    }
    if end > state.counters.indexed {
        state.set_indexed(end);
    }
    Ok(())
}

/// Whether a sign may stand in the index: letters and digits do, and so do emoji and the signs of C++ and C#.
fn may_be_found(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '+' | '#') || (!c.is_ascii() && !c.is_whitespace())
}

/// The last messages with these words, oldest first.
fn find(state: &State, turn: &Turn<'_>, wish: &Wish) -> Result<Vec<MessageView>, Failed> {
    if wish.text.len() > SEARCH_MAX || !wish.text.chars().any(may_be_found) {
        return Err(CommandError::BadSearch.into());
    }
    let before = wish.before.map(|id| arrival_of(turn, &id)).transpose()?.unwrap_or(u64::MAX);
    let count = wish.limit.unwrap_or(READ_LIMIT).min(READ_LIMIT);
    let mut found = Vec::new();
    for number in turn.shelf.search(&wish.text, before, count).map_err(TurnFailed::from)? {
        if let Some((conversation, message)) = numbered(turn, number)?.filter(|(room, _)| is_shown(state, room, number)) {
            found.push(view(state, turn, &conversation, number, message)?);
        }
    }
    found.reverse();
    Ok(found)
}

/// The message with an arrival number.
fn numbered(turn: &Turn<'_>, number: u64) -> Result<Option<(RoomId, Message)>, TurnFailed> {
    let Some(conversation) = conversation_of(turn, number)? else { return Ok(None) };
    Ok(turn.row(Table::Message, &message_key(&conversation, number))?.map(|message| (conversation, message)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::in_turn;

    #[test]
    fn searches_wait_until_all_texts_are_in_the_index_and_no_more_than_so_many() {
        in_turn(|state, turn| {
            let wish = || Wish { text: "harbour".into(), before: None, limit: None };
            let mut search = Search::default();
            state.counters.arrival = 3 * INDEX_BACKLOG;
            for number in 0..SEARCHES_WAITING {
                search.ask(state, turn, CommandId(number as u64), wish()).unwrap();
            }
            search.follow(state, turn).unwrap();
            search.close_turn(state, turn).unwrap();
            assert_eq!((turn.out.actions.len(), search.next_due()), (0, Some(turn.now)));
            search.ask(state, turn, CommandId(99), wish()).unwrap();
            assert_eq!(turn.out.actions.pop_front(), Some(Action::Reply(CommandId(99), Err(CommandError::Full))));
            // What is read again waits no longer than it has to, and then all are answered.
            let turns = (0..9).take_while(|_| {
                search.follow(state, turn).unwrap();
                search.close_turn(state, turn).unwrap();
                turn.out.actions.is_empty()
            });
            assert_eq!((turns.count(), turn.out.actions.len()), (1, SEARCHES_WAITING));
        });
    }
}
