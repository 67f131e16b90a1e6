//! Texts whose time has come to its end before they were delivered.

use crate::command::MessageState;
use crate::delivery::outbox;
use crate::rooms;
use crate::rows::{Fault, Friend, Message, set_message_state, split_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::RoomId;
use symbolon_presence::time::Timestamp;

/// Gives up texts whose time has surely come to its end. What stands behind them can still be opened: an empty
/// frame takes their place.
pub(crate) fn expire(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    if state.own.is_halted {
        // What takes its place would have to be sealed.
        return Ok(());
    }
    for (key, _) in turn.range(Table::Expiry, &[], EXPIRED_AT_ONCE)? {
        let Some((at, message)) = key.split_first_chunk::<8>() else { continue };
        if u64::from_be_bytes(*at) > turn.sure.0 {
            break;
        }
        turn.delete(Table::Expiry, &key);
        let Some((conversation, arrival)) = split_key(message) else { continue };
        let row = turn.row::<Message>(Table::Message, message)?;
        if row.is_none_or(|row| row.state != MessageState::Queued && row.state != MessageState::Stored) {
            continue;
        }
        set_message_state(turn, &conversation, arrival, MessageState::Failed, Some(Fault::Expired))?;
        if rooms::is_shared(state, &conversation) {
            skip(state, turn, conversation, &conversation, arrival)?;
        }
        // A friend has a row for each device.
        let friends: Vec<Friend> = state.friends.values().filter(|friend| friend.conversation == conversation).cloned().collect();
        for friend in friends {
            // Where the room is made again, it was taken out of the outbox already.
            if friend.renewing.is_none() {
                skip(state, turn, friend.room, &conversation, arrival)?;
            }
            if friend.held.contains(&arrival)
                && let Some(friend) = state.friend_mut(&friend.peer)
            {
                friend.held.retain(|held| *held != arrival);
            }
        }
    }
    Ok(())
}

/// Most texts given up in one turn; the rest follows in the next.
const EXPIRED_AT_ONCE: usize = 64;

/// When the next text is to be given up.
pub(crate) fn next_expiry(turn: &Turn<'_>) -> Result<Option<Timestamp>, TurnFailed> {
    let first = turn.range(Table::Expiry, &[], 1)?;
    Ok(first.first().and_then(|(key, _)| key.first_chunk::<8>()).map(|at| Timestamp(u64::from_be_bytes(*at))))
}

/// Puts an empty frame in the place of a text that is given up.
fn skip(state: &mut State, turn: &mut Turn<'_>, room: RoomId, conversation: &RoomId, arrival: u64) -> Result<(), TurnFailed> {
    for device in &rooms::members(state, &room) {
        let found = outbox::find(state, turn, device, |owner| owner.order_of_texts(conversation, arrival))?;
        let Some((number, row)) = found else { continue };
        outbox::skip(turn, room, device, number, row)?;
    }
    Ok(())
}

pub(super) fn expiry_key(at: Timestamp, message: &[u8]) -> Vec<u8> {
    [at.0.to_be_bytes().as_slice(), message].concat()
}
