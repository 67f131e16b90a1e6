//! Conversations: writing, reading, and the state of each message.
//!
//! A message is stored, sealed and queued in one turn. Its text stays, so that it can be
//! sealed again under the same id. History lies on the shelf, ordered by arrival.

use crate::command::{CommandError, MessageState, MessageView, Who};
use crate::friend;
use crate::limits::READ_LIMIT;
use crate::outbox::{self, What};
use crate::seam::Event;
use crate::state::{Fault, Friend, FriendState, Message, State, message_key};
use crate::table::Table;
use crate::turn::{Failed, Rejected, Turn, TurnFailed, decode_row};
use crate::wire::{RoomPayload, Text, is_text};
use symbolon_presence::codec;
use symbolon_presence::id::{MessageId, PeerId, RoomId};

/// Messages that may wait for the other side's confirmation.
pub(crate) const HELD_MAX: usize = 1_000;

/// Writes a message to a friend.
pub(crate) fn send(state: &mut State, turn: &mut Turn<'_>, to: &Who, text: String) -> Result<MessageId, Failed> {
    let peer = friend::resolve(state, to)?;
    let friend = state.friends.get(&peer).cloned().ok_or(CommandError::NotFound)?;
    if !is_text(&text) {
        return Err(CommandError::BadText.into());
    }
    if friend.blocked {
        return Err(CommandError::IsBlocked.into());
    }
    let waits = friend.state == FriendState::Half;
    if (waits && friend.held.len() >= HELD_MAX) || (!waits && !friend.devices.iter().all(|device| outbox::has_room(state, device))) {
        return Err(CommandError::Full.into());
    }
    let message =
        Message { id: MessageId::random(turn.rng), from: state.own.peer, at: turn.now, state: MessageState::Queued, text, fault: None };
    let arrival = state.next_arrival();
    let key = message_key(&friend.conversation, arrival);
    turn.put(Table::Message, &key, &message);
    turn.put_raw(Table::MessageIndex, message.id.as_bytes(), key);
    if waits {
        let mut friend = friend;
        friend.held.push(arrival);
        state.save_friend(turn, friend);
    } else {
        seal_and_queue(state, turn, &friend, arrival, &message)?;
    }
    Ok(message.id)
}

fn seal_and_queue(state: &mut State, turn: &mut Turn<'_>, friend: &Friend, arrival: u64, message: &Message) -> Result<(), TurnFailed> {
    let payload = RoomPayload::Text(Text { id: message.id, at: message.at, text: message.text.clone() });
    let sealed = turn.cipher.seal(friend.room, &codec::encode(&payload), &[]).map_err(|_| TurnFailed("the room cipher failed"))?;
    for id in &friend.devices {
        let Some(key) = state.envelope_key_to(id) else { continue };
        if let Some(envelope) = outbox::seal_known(state, id, &key, friend.room, &sealed, true) {
            outbox::enqueue(state, turn, id, What::Text(friend.conversation, arrival), None, envelope);
        }
    }
    Ok(())
}

/// Sends what was written before the other side confirmed.
pub(crate) fn release_held(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(mut friend) = state.friends.get(peer).cloned() else { return Ok(()) };
    let held = std::mem::take(&mut friend.held);
    if held.is_empty() || friend.state != FriendState::Mutual {
        return Ok(());
    }
    for arrival in held {
        if let Some(message) = turn.row::<Message>(Table::Message, &message_key(&friend.conversation, arrival))? {
            seal_and_queue(state, turn, &friend, arrival, &message)?;
        }
    }
    state.save_friend(turn, friend);
    Ok(())
}

/// Files a message of a friend. A message that is there already is not filed again.
pub(crate) fn receive(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, text: Text) -> Result<(), Rejected> {
    if turn.get(Table::MessageIndex, text.id.as_bytes())?.is_some() {
        return Ok(());
    }
    let Some(mut friend) = state.friends.get(from).cloned() else { return Ok(()) };
    let key = message_key(&friend.conversation, state.next_arrival());
    let message = Message { id: text.id, from: *from, at: text.at, state: MessageState::Delivered, text: text.text, fault: None };
    turn.put(Table::Message, &key, &message);
    turn.put_raw(Table::MessageIndex, message.id.as_bytes(), key);
    friend.unread = friend.unread.saturating_add(1);
    let room = friend.conversation;
    state.save_friend(turn, friend);
    turn.notify(Event::Message { room, message: message.id });
    Ok(())
}

/// Notes how far a message of ours got. Never goes back from `delivered`.
pub(crate) fn set_state(
    turn: &mut Turn<'_>,
    conversation: &RoomId,
    arrival: u64,
    state: MessageState,
    fault: Option<Fault>,
) -> Result<(), TurnFailed> {
    let key = message_key(conversation, arrival);
    let Some(mut message) = turn.row::<Message>(Table::Message, &key)? else { return Ok(()) };
    if matches!(message.state, MessageState::Delivered | MessageState::Read) || message.state == state {
        return Ok(());
    }
    message.state = state;
    message.fault = fault;
    turn.put(Table::Message, &key, &message);
    turn.notify(Event::MessageState { message: message.id });
    Ok(())
}

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
    who: Option<&Who>,
    since: Option<MessageId>,
    limit: Option<usize>,
    peek: bool,
) -> Result<Vec<MessageView>, Failed> {
    let conversations: Vec<(PeerId, RoomId)> = match who {
        Some(who) => {
            let peer = friend::resolve(state, who)?;
            state.friends.get(&peer).map(|friend| (peer, friend.conversation)).into_iter().collect()
        }
        None => state.friends.values().map(|friend| (friend.peer, friend.conversation)).collect(),
    };
    let count = limit.unwrap_or(READ_LIMIT).min(READ_LIMIT);
    let after = match since {
        Some(id) => {
            let key = turn.get(Table::MessageIndex, id.as_bytes())?.ok_or(CommandError::NotFound)?;
            Some(split_key(&key).ok_or(CommandError::NotFound)?.1)
        }
        None => None,
    };
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
    for (arrival, peer, conversation, message) in found {
        if !peek && message.state == MessageState::Delivered && message.from != state.own.peer {
            let read = Message { state: MessageState::Read, ..message.clone() };
            turn.put(Table::Message, &message_key(&conversation, arrival), &read);
            if let Some(mut friend) = state.friends.get(&peer).cloned() {
                friend.unread = friend.unread.saturating_sub(1);
                state.save_friend(turn, friend);
            }
        }
        views.push(view(state, &conversation, message));
    }
    Ok(views)
}

fn view(state: &State, conversation: &RoomId, message: Message) -> MessageView {
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

fn split_key(key: &[u8]) -> Option<(RoomId, u64)> {
    let (conversation, arrival) = key.split_last_chunk::<8>()?;
    Some((RoomId::from_slice(conversation)?, u64::from_be_bytes(*arrival)))
}
