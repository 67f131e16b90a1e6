//! Texts: writing, receiving, and the state of each.
//!
//! A text is stored, sealed and queued in one turn. It stays, so that it can be sealed again under
//! the same id. History lies on the shelf, ordered by arrival.

use super::expiry::expiry_key;
use super::marks::read_elsewhere_in_rooms;
use crate::command::{CommandError, MessageState};
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::{LINES_OF_MEMBER, LINES_PAGE, OUTBOX_MAX};
use crate::people::{self, persons};
use crate::rooms;
use crate::rows::{Friend, FriendState, Line, Message, conversation_of, key_of_message, message_key, set_message_state, split_key};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Rejected, Turn, TurnFailed, decode_row};
use crate::wire::{RoomPayload, Text, is_text};
use crate::world::RANGE_LIMIT;
use symbolon_presence::id::{DeviceId, MessageId, PeerId, RoomId};
use symbolon_presence::time::DAY;

/// Messages that may wait for the other side's confirmation.
const HELD_MAX: usize = 1_000;

/// Messages that may wait for a room that is made again: as many as may wait in the outbox.
const HELD_AGAIN_MAX: usize = OUTBOX_MAX as usize;

/// Writes a message to a friend.
pub(crate) fn send(state: &mut State, turn: &mut Turn<'_>, peer: PeerId, text: String, lifetime: Option<u64>) -> Result<MessageId, Failed> {
    let friend = state.friends.get(&peer).ok_or(CommandError::NotFound)?;
    if !is_text(&text) {
        return Err(CommandError::BadText.into());
    }
    if friend.blocked {
        return Err(CommandError::IsBlocked.into());
    }
    if friend.state == FriendState::Ended {
        return Err(CommandError::NotFriends.into());
    }
    if state.own.gone.is_some() {
        return Err(CommandError::DeviceGone.into());
    }
    if lifetime == Some(0) {
        return Err(CommandError::BadLifetime.into());
    }
    let conversation = friend.conversation;
    // One device that is away for long holds the others up no more than a friend of its own.
    let rows: Vec<PeerId> = persons::rows_of(state, &peer).into_iter().filter(|row| has_place(state, row)).collect();
    if rows.is_empty() {
        return Err(CommandError::Full.into());
    }
    let (arrival, message) = write(state, turn, &conversation, text);
    if let Some(lifetime) = lifetime {
        turn.put_raw(Table::Expiry, &expiry_key(turn.stamp.after(lifetime), &message_key(&conversation, arrival)), Vec::new());
    }
    for row in rows {
        hand(state, turn, &row, arrival, &message)?;
    }
    Ok(message.id)
}

/// Whether what is written to a device now has to wait: behind what waits already, so that texts stay in the order of writing.
fn waits(state: &State, friend: &Friend) -> bool {
    friend.state == FriendState::Half || !state.may_seal(friend) || !friend.held.is_empty()
}

/// Whether one more text for a friend's device has a place.
fn has_place(state: &State, peer: &PeerId) -> bool {
    let Some(friend) = state.friends.get(peer).filter(|friend| friend.state != FriendState::Ended && !friend.blocked) else {
        return false;
    };
    let most = if friend.state == FriendState::Half { HELD_MAX } else { HELD_AGAIN_MAX };
    if waits(state, friend) { friend.held.len() < most } else { friend.devices.iter().all(|device| outbox::has_room(state, device)) }
}

/// Seals a text of ours for a friend's device, or holds it until that can be.
fn hand(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, arrival: u64, message: &Message) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer) else { return Ok(()) };
    let (room, conversation) = (friend.room, friend.conversation);
    if waits(state, friend) {
        state.change_friend(turn, peer, |friend| friend.held.push(arrival));
        return Ok(());
    }
    seal_and_queue(state, turn, room, &conversation, arrival, message)
}

/// Writes a message into a room that is no friendship's.
pub(crate) fn send_in(state: &mut State, turn: &mut Turn<'_>, room: RoomId, text: String) -> Result<(u64, MessageId), TurnFailed> {
    let conversation = state.rooms.get(&room).map_or(room, |row| row.conversation);
    let (arrival, message) = write(state, turn, &conversation, text);
    seal_and_queue(state, turn, room, &conversation, arrival, &message)?;
    Ok((arrival, message.id))
}

/// Whether somebody has named a room, or said its topic, so often in a day that one more line would only drive out what others
/// write. Who comes, goes or has another role is always said.
pub(crate) fn is_flood(turn: &Turn<'_>, room: &RoomId, by: &PeerId, line: &Line) -> Result<bool, TurnFailed> {
    let is_cheap = |line: &Line| matches!(line, Line::Named(_) | Line::Topic(_) | Line::Devices);
    if !is_cheap(line) {
        return Ok(false);
    }
    let mut lines = 0usize;
    for (key, bytes) in turn.shelf.range_back(Table::Message, &message_key(room, u64::MAX), LINES_PAGE)? {
        if split_key(&key).is_none_or(|(of, _)| of != *room) {
            break;
        }
        let message: Message = decode_row(&bytes)?;
        let is_fresh = turn.stamp.since(message.at) < DAY && message.from == *by;
        lines = lines.saturating_add(usize::from(is_fresh && message.line.as_ref().is_some_and(is_cheap)));
    }
    Ok(lines >= LINES_OF_MEMBER)
}

/// Notes in a shared room's history what has happened there.
pub(crate) fn note_line(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, by: &PeerId, line: Line) {
    let (id, at) = (MessageId::at(turn.stamp, turn.rng), turn.stamp);
    let message = Message { id, from: *by, at, state: MessageState::Read, text: String::new(), fault: None, line: Some(line), via: None };
    let arrival = state.next_arrival(turn, room);
    file(turn, room, arrival, &message);
    if is_shown(state, room, arrival) {
        turn.notify(Event::Message { room: *room, message: id });
    }
}

/// Whether what arrived under a number in a room is shown: not while its user has not said that they want to be in it.
pub(super) fn is_shown(state: &State, room: &RoomId, arrival: u64) -> bool {
    state.groups.rooms.get(room).is_none_or(|group| group.shows(arrival))
}

/// Forgets what arrived in a room from a number on, a page at a time. Whether nothing of it is left.
pub(crate) fn forget(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, from: u64) -> Result<bool, TurnFailed> {
    let page = turn.range(Table::Message, &message_key(room, from), RANGE_LIMIT)?;
    if let Some((last, _)) = page.last()
        && let Some((_, last)) = split_key(last).filter(|(of, _)| of == room)
    {
        // What is left of the room until the next page is found behind this one.
        let rest = last.saturating_add(1);
        if conversation_of(turn, rest)?.as_ref() == Some(room) {
            turn.put_raw(Table::Arrival, &rest.to_be_bytes(), room.as_bytes().to_vec());
        }
    }
    state.arrivals_forgotten();
    for (key, bytes) in page {
        let Some((_, arrival)) = split_key(&key).filter(|(of, _)| of == room) else { return Ok(true) };
        let message: Message = decode_row(&bytes)?;
        turn.delete(Table::Message, &key);
        turn.delete(Table::MessageIndex, message.id.as_bytes());
        turn.delete(Table::Arrival, &arrival.to_be_bytes());
        turn.delete(Table::Tally, &arrival.to_be_bytes());
        if arrival < state.counters.indexed {
            turn.unindex(arrival, &message.text);
        }
    }
    is_empty_from(turn, room, from)
}

/// Whether nothing was ever shown in a room, or nothing of it is left.
pub(crate) fn is_empty(turn: &Turn<'_>, room: &RoomId) -> Result<bool, TurnFailed> {
    is_empty_from(turn, room, 0)
}

fn is_empty_from(turn: &Turn<'_>, room: &RoomId, from: u64) -> Result<bool, TurnFailed> {
    let next = turn.range(Table::Message, &message_key(room, from), 1)?;
    Ok(next.first().and_then(|(key, _)| split_key(key)).is_none_or(|(of, _)| of != *room))
}

/// A message of ours, filed under its arrival number.
fn write(state: &mut State, turn: &mut Turn<'_>, conversation: &RoomId, text: String) -> (u64, Message) {
    let message = Message {
        id: MessageId::at(turn.stamp, turn.rng),
        from: state.own.peer,
        at: turn.stamp,
        state: MessageState::Queued,
        text,
        fault: None,
        line: None,
        via: None,
    };
    let arrival = state.next_arrival(turn, conversation);
    file(turn, conversation, arrival, &message);
    (arrival, message)
}

/// Files a new message, so that it is found by its number and by its id; its words follow.
fn file(turn: &mut Turn<'_>, conversation: &RoomId, arrival: u64, message: &Message) {
    let key = message_key(conversation, arrival);
    turn.put(Table::Message, &key, message);
    turn.put_raw(Table::MessageIndex, message.id.as_bytes(), arrival.to_be_bytes().to_vec());
}

pub(super) fn seal_and_queue(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: RoomId,
    conversation: &RoomId,
    arrival: u64,
    message: &Message,
) -> Result<(), TurnFailed> {
    let payload = RoomPayload::Text(Text { id: message.id, at: message.at, text: message.text.clone() });
    let sealed = rooms::say(turn, room, &payload)?;
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Text(*conversation, arrival), &sealed);
    Ok(())
}

/// Files a message that somebody has sent in a room. A message that is there already is not filed again.
pub(crate) fn receive(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, from: &PeerId, text: Text) -> Result<(), Rejected> {
    if turn.get(Table::MessageIndex, text.id.as_bytes())?.is_some() {
        return Ok(());
    }
    let Some(conversation) = state.rooms.get(room).map(|row| row.conversation) else { return Ok(()) };
    // Whichever of their devices has sent it, the person has.
    let is_friend_s = rooms::friend_in(state, room) == Some(*from);
    let from = if is_friend_s { &persons::head(state, from) } else { from };
    let message = Message {
        id: text.id,
        from: *from,
        at: text.at,
        state: MessageState::Delivered,
        text: text.text,
        fault: None,
        line: None,
        via: None,
    };
    let arrival = state.next_arrival(turn, &conversation);
    state.clock.witnessed(message.at);
    file(turn, &conversation, arrival, &message);
    if state.groups.rooms.contains_key(room) {
        state.change_note(turn, room, |note| note.unread = note.unread.saturating_add(1));
    }
    if is_friend_s && let Some(friend) = state.friend_mut(from) {
        friend.unread = friend.unread.saturating_add(1);
    }
    if is_shown(state, &conversation, arrival) {
        turn.notify(Event::Message { room: conversation, message: message.id });
    }
    Ok(())
}

/// A text that another device of ours has handed on.
pub(crate) struct Copied {
    /// With whom: the row that stands for them.
    pub friend: PeerId,
    pub text: Text,
    pub is_mine: bool,
    pub state: MessageState,
    /// The device that has handed it on.
    pub via: PeerId,
}

/// Files it, unless it is here already: its place in the order of arrival.
pub(crate) fn copy(state: &mut State, turn: &mut Turn<'_>, copied: Copied) -> Result<Option<u64>, TurnFailed> {
    let Copied { friend, text, is_mine, state: reached, via } = copied;
    let Some(conversation) = state.friends.get(&friend).map(|friend| friend.conversation) else { return Ok(None) };
    let from = if is_mine { state.own.peer } else { friend };
    let arrival = copy_in(state, turn, &conversation, text, (from, reached), via)?;
    if arrival.is_some() && !is_mine && reached == MessageState::Delivered {
        people::update(state, turn, &friend, |friend| friend.unread = friend.unread.saturating_add(1))?;
    }
    Ok(arrival)
}

/// The same in any conversation.
pub(crate) fn copy_in(
    state: &mut State,
    turn: &mut Turn<'_>,
    conversation: &RoomId,
    text: Text,
    (from, reached): (PeerId, MessageState),
    via: PeerId,
) -> Result<Option<u64>, TurnFailed> {
    if turn.get(Table::MessageIndex, text.id.as_bytes())?.is_some() {
        return Ok(None);
    }
    let message = Message { id: text.id, from, at: text.at, state: reached, text: text.text, fault: None, line: None, via: Some(via) };
    let arrival = state.next_arrival(turn, conversation);
    file(turn, conversation, arrival, &message);
    if is_shown(state, conversation, arrival) {
        turn.notify(Event::Message { room: *conversation, message: message.id });
    }
    Ok(Some(arrival))
}

/// Files a text of a shared room that another device of ours has handed on. What is here already stays one text: it is read here, or
/// has got further, if it has there.
pub(crate) fn copy_shared(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &RoomId,
    text: Text,
    (writer, reached): (PeerId, MessageState),
    via: PeerId,
) -> Result<(), TurnFailed> {
    let (id, is_mine) = (text.id, writer == state.own.person());
    // Of others it says whether they were read, and nothing else.
    let (from, reached) = match reached {
        _ if is_mine => (state.own.peer, reached),
        MessageState::Read => (writer, reached),
        MessageState::Queued | MessageState::Stored | MessageState::Delivered | MessageState::Failed => (writer, MessageState::Delivered),
    };
    if copy_in(state, turn, room, text, (from, reached), via)?.is_some() {
        if reached == MessageState::Delivered && !is_mine {
            state.change_note(turn, room, |note| note.unread = note.unread.saturating_add(1));
        }
        return Ok(());
    }
    match reached {
        _ if is_mine => got(turn, &id, reached),
        MessageState::Read => read_elsewhere_in_rooms(state, turn, &[id]),
        MessageState::Queued | MessageState::Stored | MessageState::Delivered | MessageState::Failed => Ok(()),
    }
}

/// Another device of ours has heard how far a text of ours has got.
pub(crate) fn got(turn: &mut Turn<'_>, id: &MessageId, reached: MessageState) -> Result<(), TurnFailed> {
    let Some(key) = key_of_message(turn, id)? else { return Ok(()) };
    let Some((message, (conversation, arrival))) = turn.row::<Message>(Table::Message, &key)?.zip(split_key(&key)) else { return Ok(()) };
    match reached {
        MessageState::Read if message.state != MessageState::Read => {
            turn.put(Table::Message, &key, &Message { state: MessageState::Read, fault: None, ..message });
            turn.notify(Event::MessageState { message: *id });
            Ok(())
        }
        // What came from there is tried there alone.
        MessageState::Failed if message.via.is_none() => Ok(()),
        MessageState::Stored | MessageState::Delivered | MessageState::Failed => {
            set_message_state(turn, &conversation, arrival, reached, None)
        }
        MessageState::Queued | MessageState::Read => Ok(()),
    }
}

/// A message of ours is on the disk of a friend's device; on the screen, too, if that was said before the receipt came.
pub(crate) fn delivered(
    state: &State,
    turn: &mut Turn<'_>,
    device: &DeviceId,
    conversation: &RoomId,
    arrival: u64,
) -> Result<(), TurnFailed> {
    let head = state.devices.get(device).and_then(|row| state.friends.get(&persons::head(state, &row.peer)));
    let is_read = head.is_some_and(|friend| friend.conversation == *conversation && friend.read_to >= Some(arrival));
    let reached = if is_read { MessageState::Read } else { MessageState::Delivered };
    set_message_state(turn, conversation, arrival, reached, None)
}

/// A friend has read our messages up to this one.
pub(crate) fn mark_read(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, message: &MessageId) -> Result<(), TurnFailed> {
    let from = &persons::head(state, from);
    let Some(friend) = state.friends.get(from) else { return Ok(()) };
    let Some(key) = key_of_message(turn, message)? else { return Ok(()) };
    let Some((conversation, arrival)) = split_key(&key).filter(|(conversation, _)| *conversation == friend.conversation) else {
        return Ok(());
    };
    let mut awaits_receipt = false;
    // Upwards from the message until one that is marked already, a bounded page at a time.
    let before = message_key(&conversation, arrival.saturating_add(1));
    for (key, bytes) in turn.shelf.range_back(Table::Message, &before, RANGE_LIMIT)? {
        if split_key(&key).is_none_or(|(owner, _)| owner != conversation) {
            break;
        }
        let mut row: Message = decode_row(&bytes)?;
        if row.from != state.own.peer {
            continue;
        }
        match row.state {
            MessageState::Read => break,
            MessageState::Delivered => {
                row.state = MessageState::Read;
                turn.put(Table::Message, &key, &row);
                turn.notify(Event::MessageState { message: row.id });
            }
            // On their screen, so on their disk: the receipt is still on its way, by another way perhaps.
            MessageState::Queued | MessageState::Stored => awaits_receipt = true,
            MessageState::Failed => {}
        }
    }
    if awaits_receipt
        && state.friends.get(from).is_some_and(|friend| friend.read_to < Some(arrival))
        && let Some(friend) = state.friend_mut(from)
    {
        friend.read_to = Some(arrival);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
