//! History: looking at what is stored.
//!
//! Reading marks messages as read and tells the friend so; looking at one message changes
//! nothing. Searching is next door, in `search`.

use crate::command::{CommandError, MessageState, MessageView};
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::READ_LIMIT;
use crate::rooms;
use crate::rows::{Fault, Message, message_key, split_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed, decode_row};
use crate::wire::RoomPayload;
use std::collections::BTreeMap;
use symbolon_presence::id::{MessageId, PeerId, RoomId};

/// One message.
pub(crate) fn message(state: &State, turn: &Turn<'_>, id: &MessageId) -> Result<MessageView, Failed> {
    let key = turn.get(Table::MessageIndex, id.as_bytes())?.ok_or(CommandError::NotFound)?;
    let message = turn.row::<Message>(Table::Message, &key)?.ok_or(CommandError::NotFound)?;
    let (conversation, _) = split_key(&key).ok_or(CommandError::NotFound)?;
    Ok(view(state, &conversation, message))
}

/// Reads history, oldest first: at most [`READ_LIMIT`] messages. With `since` the first ones
/// behind that message; without it the last `limit`, or from the beginning when there is none.
pub(crate) fn read(
    state: &mut State,
    turn: &mut Turn<'_>,
    of: Option<PeerId>,
    since: Option<MessageId>,
    limit: Option<usize>,
    peek: bool,
) -> Result<Vec<MessageView>, Failed> {
    let conversations: Vec<(PeerId, RoomId)> = match of {
        Some(peer) => state.friends.get(&peer).map(|friend| (peer, friend.conversation)).into_iter().collect(),
        None => state.friends.values().map(|friend| (friend.peer, friend.conversation)).collect(),
    };
    let count = limit.unwrap_or(READ_LIMIT).min(READ_LIMIT);
    let after = since.map(|id| arrival_of(turn, &id)).transpose()?;
    let backwards = after.is_none() && limit.is_some();
    let mut found: Vec<(u64, PeerId, RoomId, Message)> = Vec::new();
    for (peer, conversation) in conversations {
        let page = if backwards {
            turn.shelf.range_back(Table::Message, &message_key(&conversation, u64::MAX), count).map_err(TurnFailed::from)?
        } else {
            turn.range(Table::Message, &message_key(&conversation, after.map_or(0, |after| after.saturating_add(1))), count)?
        };
        for (key, bytes) in page {
            match split_key(&key) {
                Some((owner, arrival)) if owner == conversation => found.push((arrival, peer, conversation, decode_row(&bytes)?)),
                _ => break,
            }
        }
    }
    found.sort_by_key(|(arrival, ..)| *arrival);
    if backwards {
        found.drain(..found.len().saturating_sub(count));
    } else {
        found.truncate(count);
    }
    let mut views = Vec::with_capacity(found.len());
    let mut newest: BTreeMap<PeerId, MessageId> = BTreeMap::new();
    for (arrival, peer, conversation, message) in found {
        if !peek && message.state == MessageState::Delivered && message.from != state.own.peer {
            newest.insert(peer, message.id);
            let read = Message { state: MessageState::Read, ..message.clone() };
            turn.put(Table::Message, &message_key(&conversation, arrival), &read);
            state.change_friend(turn, &peer, |friend| friend.unread = friend.unread.saturating_sub(1));
        }
        views.push(view(state, &conversation, message));
    }
    for (peer, message) in newest {
        tell_read(state, turn, &peer, message)?;
    }
    Ok(views)
}

/// The arrival number of a message.
pub(crate) fn arrival_of(turn: &Turn<'_>, id: &MessageId) -> Result<u64, Failed> {
    let key = turn.get(Table::MessageIndex, id.as_bytes())?.ok_or(CommandError::NotFound)?;
    Ok(split_key(&key).ok_or(CommandError::NotFound)?.1)
}

/// Tells a friend how far we have read.
fn tell_read(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, message: MessageId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).filter(|friend| state.may_seal(friend)) else { return Ok(()) };
    let room = friend.room;
    if !friend.devices.iter().all(|device| outbox::has_room(state, device)) {
        return Ok(());
    }
    let sealed = rooms::say(turn, room, &RoomPayload::Read(message))?;
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Mark, &sealed);
    Ok(())
}

/// A message as shown to the user.
pub(crate) fn view(state: &State, conversation: &RoomId, message: Message) -> MessageView {
    let mine = message.from == state.own.peer;
    let partner = state.friends.values().find(|friend| friend.conversation == *conversation);
    let partner_name = partner.map(|friend| friend.petname.clone()).unwrap_or_default();
    MessageView {
        message: message.id,
        conversation: *conversation,
        from: message.from,
        from_name: if mine { state.own.name.clone() } else { partner_name.clone() },
        conversation_name: partner_name,
        text: message.text,
        at: message.at,
        state: message.state,
        reason: message.fault.map(Fault::text),
        mine,
    }
}
