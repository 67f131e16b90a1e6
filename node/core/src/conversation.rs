//! Conversations: writing, receiving, and the state of each message.
//!
//! A message is stored, sealed and queued in one turn. Its text stays, so that it can be
//! sealed again under the same id. History lies on the shelf, ordered by arrival.

use crate::command::{CommandError, MessageState};
use crate::delivery::outbox::{self, OutboxRow, What};
use crate::limits::{OUTBOX_MAX, RELEASE_MAX};
use crate::rows::{Fault, Friend, FriendState, Message, message_key, set_message_state, split_key};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Rejected, Turn, TurnFailed, decode_row};
use crate::wire::{RoomPayload, Text, is_text};
use crate::world::RANGE_LIMIT;
use symbolon_presence::codec;
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::{DeviceId, MessageId, PeerId, RoomId};
use symbolon_presence::time::Timestamp;

/// Messages that may wait for the other side's confirmation.
pub(crate) const HELD_MAX: usize = 1_000;
/// Messages that may wait for a room that is made again: as many as may wait in the outbox.
pub(crate) const HELD_AGAIN_MAX: usize = OUTBOX_MAX as usize;

/// Writes a message to a friend.
pub(crate) fn send(state: &mut State, turn: &mut Turn<'_>, peer: PeerId, text: String, lifetime: Option<u64>) -> Result<MessageId, Failed> {
    let friend = state.friends.get(&peer).cloned().ok_or(CommandError::NotFound)?;
    if !is_text(&text) {
        return Err(CommandError::BadText.into());
    }
    if friend.blocked {
        return Err(CommandError::IsBlocked.into());
    }
    if friend.state == FriendState::Ended {
        return Err(CommandError::NotFriends.into());
    }
    if lifetime == Some(0) {
        return Err(CommandError::BadLifetime.into());
    }
    // Behind what waits already, so that texts stay in the order of writing.
    let waits = friend.state == FriendState::Half || !state.may_seal(&friend) || !friend.held.is_empty();
    let most = if friend.state == FriendState::Half { HELD_MAX } else { HELD_AGAIN_MAX };
    if (waits && friend.held.len() >= most) || (!waits && !friend.devices.iter().all(|device| outbox::has_room(state, device))) {
        return Err(CommandError::Full.into());
    }
    let message = Message {
        id: MessageId::at(turn.stamp, turn.rng),
        from: state.own.peer,
        at: turn.stamp,
        state: MessageState::Queued,
        text,
        fault: None,
    };
    let arrival = state.next_arrival();
    file(turn, &friend.conversation, arrival, &message);
    if let Some(lifetime) = lifetime {
        turn.put_raw(Table::Expiry, &expiry_key(turn.stamp.after(lifetime), &message_key(&friend.conversation, arrival)), Vec::new());
    }
    if waits {
        let mut friend = friend;
        friend.held.push(arrival);
        state.save_friend(turn, friend);
    } else {
        seal_and_queue(state, turn, &friend, arrival, &message)?;
    }
    Ok(message.id)
}

/// Files a new message, so that it is found by its number and by its id; its words follow.
fn file(turn: &mut Turn<'_>, conversation: &RoomId, arrival: u64, message: &Message) {
    let key = message_key(conversation, arrival);
    turn.put(Table::Message, &key, message);
    turn.put_raw(Table::MessageIndex, message.id.as_bytes(), key);
    turn.put_raw(Table::Arrival, &arrival.to_be_bytes(), conversation.as_bytes().to_vec());
}

fn seal_and_queue(state: &mut State, turn: &mut Turn<'_>, friend: &Friend, arrival: u64, message: &Message) -> Result<(), TurnFailed> {
    let payload = RoomPayload::Text(Text { id: message.id, at: message.at, text: message.text.clone() });
    let sealed = turn.cipher.seal(friend.room, &codec::encode(&payload), &[]).map_err(|_| TurnFailed("the room cipher failed"))?;
    outbox::enqueue_room(state, turn, friend, &What::Text(friend.conversation, arrival), &sealed);
    Ok(())
}

fn expiry_key(at: Timestamp, message: &[u8]) -> Vec<u8> {
    [at.0.to_be_bytes().as_slice(), message].concat()
}

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
        let Some(mut friend) = state.friends.values().find(|friend| friend.conversation == conversation).cloned() else { continue };
        skip(state, turn, &friend, arrival)?;
        if friend.held.contains(&arrival) {
            friend.held.retain(|held| *held != arrival);
            state.save_friend(turn, friend);
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
fn skip(state: &mut State, turn: &mut Turn<'_>, friend: &Friend, arrival: u64) -> Result<(), TurnFailed> {
    if friend.renewing.is_some() {
        // Taken out of the outbox already.
        return Ok(());
    }
    for device in &friend.devices {
        let Some(key) = state.envelope_key_to(device) else { continue };
        let found = outbox::find_text(state, turn, device, &friend.conversation, arrival)?;
        let Some((number, row)) = found else { continue };
        let sealed =
            turn.cipher.seal(friend.room, &codec::encode(&RoomPayload::Skip), &[]).map_err(|_| TurnFailed("the room cipher failed"))?;
        let Some(envelope) = outbox::seal_known(state, device, &key, friend.room, &sealed, row.sequence, turn.rng) else { continue };
        let row = OutboxRow { frame: frame_id(&envelope), what: What::Skip, envelope, ..row };
        outbox::replace(turn, device, number, &row);
        state.restart.insert(*device);
    }
    Ok(())
}

/// A friend has read our messages up to this one.
pub(crate) fn mark_read(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, message: &MessageId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(from) else { return Ok(()) };
    let Some(key) = turn.get(Table::MessageIndex, message.as_bytes())? else { return Ok(()) };
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
    if awaits_receipt && let Some(friend) = state.friends.get(from).filter(|friend| friend.read_to < Some(arrival)).cloned() {
        state.save_friend_later(Friend { read_to: Some(arrival), ..friend });
    }
    Ok(())
}

/// A message of ours is on the disk of a friend's device; on the screen, too, if that was said before the receipt came.
pub(crate) fn delivered(
    state: &State,
    turn: &mut Turn<'_>,
    device: &DeviceId,
    conversation: &RoomId,
    arrival: u64,
) -> Result<(), TurnFailed> {
    let is_read = state.friend_of(device).is_some_and(|friend| friend.conversation == *conversation && friend.read_to >= Some(arrival));
    let reached = if is_read { MessageState::Read } else { MessageState::Delivered };
    set_message_state(turn, conversation, arrival, reached, None)
}

/// Whether held texts of a friend may be sealed.
fn is_ready(state: &State, friend: &Friend) -> bool {
    friend.state == FriendState::Mutual && friend.renewing.is_none() && !state.own.is_halted
}

fn has_room(state: &State, friend: &Friend) -> bool {
    friend.devices.iter().all(|device| outbox::has_room_for(state, device, RELEASE_MAX as u64))
}

/// After a start: texts that were held when it ended.
pub(crate) fn begin_releasing(state: &mut State) {
    let waiting = state.friends.values().filter(|friend| !friend.held.is_empty() && is_ready(state, friend));
    state.releasing = waiting.map(|friend| friend.peer).collect();
}

/// Whether held texts can be sealed now.
pub(crate) fn can_release(state: &State) -> bool {
    let waiting = state.releasing.iter().filter_map(|peer| state.friends.get(peer));
    waiting.into_iter().any(|friend| !friend.held.is_empty() && is_ready(state, friend) && has_room(state, friend))
}

/// Sends what was written before the other side confirmed, some in each turn.
pub(crate) fn release_held(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(mut friend) = state.friends.get(peer).cloned() else { return Ok(()) };
    if friend.held.is_empty() || !is_ready(state, &friend) {
        return Ok(());
    }
    if !has_room(state, &friend) {
        // Looked at again when the oldest have been delivered.
        state.releasing.insert(*peer);
        return Ok(());
    }
    let rest = friend.held.split_off(friend.held.len().min(RELEASE_MAX));
    let held = std::mem::replace(&mut friend.held, rest);
    if !friend.held.is_empty() {
        state.releasing.insert(*peer);
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
    let message = Message { id: text.id, from: *from, at: text.at, state: MessageState::Delivered, text: text.text, fault: None };
    let arrival = state.next_arrival();
    state.clock.witnessed(message.at);
    file(turn, &friend.conversation, arrival, &message);
    friend.unread = friend.unread.saturating_add(1);
    let room = friend.conversation;
    state.save_friend_later(friend);
    turn.notify(Event::Message { room, message: message.id });
    Ok(())
}
