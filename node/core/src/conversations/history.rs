//! History: looking at what is stored.
//!
//! Reading marks messages as read and tells the friend so; looking at one message changes
//! nothing. Searching is next door, in `search`.

use super::texts::is_shown;
use crate::command::{CommandError, MessageState, MessageView, Tally};
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::READ_LIMIT;
use crate::notice::ConversationsNotice;
use crate::people::{self, Target, persons};
use crate::rooms;
use crate::rows::{self, Fault, Friend, Group, Message, key_of_message, message_key, split_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed, decode_row};
use crate::wire::RoomPayload;
use crate::world::RANGE_LIMIT;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, MessageId, PeerId, RoomId};

/// One message.
pub(crate) fn message(state: &State, turn: &Turn<'_>, id: &MessageId) -> Result<MessageView, Failed> {
    let key = key_of_message(turn, id)?.ok_or(CommandError::NotFound)?;
    let message = turn.row::<Message>(Table::Message, &key)?.ok_or(CommandError::NotFound)?;
    let (conversation, arrival) =
        split_key(&key).filter(|(room, arrival)| is_shown(state, room, *arrival)).ok_or(CommandError::NotFound)?;
    Ok(view(state, turn, &conversation, arrival, message)?)
}

/// Which part of history is read.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// The last `limit`, or from the beginning when there is none.
    All,
    /// The first ones that arrived after this message.
    After(MessageId),
    /// The last ones that arrived before this message.
    Before(MessageId),
}

/// The conversations that are read.
fn conversations_of(state: &State, of: Option<Target>) -> Vec<RoomId> {
    match of {
        Some(Target::Friend(peer)) => state.friends.get(&peer).map(|friend| friend.conversation).into_iter().collect(),
        Some(Target::Room(room)) => vec![room],
        None => {
            let friends = state.friends.values().filter(|friend| persons::is_shown(state, friend)).map(|friend| friend.conversation);
            friends.chain(state.groups.rooms.keys().copied()).collect()
        }
    }
}

/// Reads history, oldest first: at most [`READ_LIMIT`] messages.
pub(crate) fn read(
    state: &mut State,
    turn: &mut Turn<'_>,
    of: Option<Target>,
    part: Part,
    limit: Option<usize>,
    peek: bool,
) -> Result<Vec<MessageView>, Failed> {
    let conversations = conversations_of(state, of);
    let count = limit.unwrap_or(READ_LIMIT).min(READ_LIMIT);
    // The first arrival that is wanted, and the first behind those.
    let (start, stop) = match part {
        Part::All => (0, u64::MAX),
        Part::After(id) => (arrival_of(turn, &id)?.saturating_add(1), u64::MAX),
        Part::Before(id) => (0, arrival_of(turn, &id)?),
    };
    let backwards = match part {
        Part::All => limit.is_some(),
        Part::After(_) => false,
        Part::Before(_) => true,
    };
    let mut found: Vec<(u64, RoomId, Message)> = Vec::new();
    for conversation in conversations {
        let end =
            state.groups.rooms.get(&conversation).and_then(|group| group.question).map_or(u64::MAX, |question| question.from).min(stop);
        let page = if backwards {
            turn.shelf.range_back(Table::Message, &message_key(&conversation, end), count).map_err(TurnFailed::from)?
        } else {
            turn.range(Table::Message, &message_key(&conversation, start), count)?
        };
        for (key, bytes) in page {
            match split_key(&key) {
                Some((owner, arrival)) if owner == conversation && arrival < end => {
                    found.push((arrival, conversation, decode_row(&bytes)?))
                }
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
    let mut marked: BTreeMap<(RoomId, PeerId), BTreeSet<u64>> = BTreeMap::new();
    for (arrival, conversation, message) in found {
        if !peek && message.state == MessageState::Delivered && message.from != state.own.peer {
            marked.entry((conversation, message.from)).or_default().insert(arrival);
            let read = Message { state: MessageState::Read, ..message.clone() };
            turn.put(Table::Message, &message_key(&conversation, arrival), &read);
            if state.groups.rooms.contains_key(&conversation) {
                state.change_note(turn, &conversation, |note| note.unread = note.unread.saturating_sub(1));
                turn.tell(ConversationsNotice::ReadInRoom(message.id));
            } else {
                state.change_friend(turn, &message.from, |friend| friend.unread = friend.unread.saturating_sub(1));
            }
        }
        views.push(view(state, turn, &conversation, arrival, message)?);
    }
    for ((conversation, writer), arrivals) in marked {
        let Some(message) = read_as_far(state, turn, &conversation, &writer, &arrivals)? else { continue };
        if state.groups.rooms.contains_key(&conversation) {
            tell_member(state, turn, &conversation, &writer, message)?;
        } else {
            for row in persons::rows_of(state, &writer) {
                tell_read(state, turn, &row, message)?;
            }
            turn.tell(ConversationsNotice::Read(writer, message));
        }
    }
    Ok(views)
}

/// The text of a writer up to which all of theirs are read, if that is news since some of them were marked in this command.
///
/// A mark says "everything up to this one", and stands as such on the writer's screen. So a text that was shown below one that was
/// not shown is not said to be read until that one is. Where it cannot be seen in a bounded look that none is left out, nothing is said.
fn read_as_far(
    state: &State,
    turn: &Turn<'_>,
    conversation: &RoomId,
    writer: &PeerId,
    marked: &BTreeSet<u64>,
) -> Result<Option<MessageId>, TurnFailed> {
    let (Some(first), Some(last)) = (marked.first().copied(), marked.last().copied()) else { return Ok(None) };
    let mut rows: Vec<(u64, Message)> = Vec::new();
    let behind = message_key(conversation, last.saturating_add(1));
    let before = turn.shelf.range_back(Table::Message, &behind, RANGE_LIMIT)?;
    let after = turn.shelf.range(Table::Message, &behind, RANGE_LIMIT)?;
    let own = |key: &[u8]| split_key(key).filter(|(of, _)| of == conversation).map(|(_, arrival)| arrival);
    // The page may end in the middle of the conversation: unread texts may lie before it.
    let is_whole = before.len() < RANGE_LIMIT || before.last().is_some_and(|(key, _)| own(key).is_none());
    for (key, bytes) in before.into_iter().rev().chain(after) {
        if let Some(arrival) = own(&key) {
            rows.push((arrival, decode_row(&bytes)?));
        }
    }
    // What this command has marked is not on the shelf yet.
    let is_unread = |arrival: u64, message: &Message| {
        message.state == MessageState::Delivered && message.from != state.own.peer && !marked.contains(&arrival)
    };
    let unread = rows.iter().filter(|(arrival, message)| is_unread(*arrival, message)).count();
    if !is_whole && unread < unread_in(state, conversation) {
        return Ok(None);
    }
    let of_writer = rows.iter().filter(|(_, message)| message.from == *writer && message.line.is_none());
    let mut furthest = None;
    for (arrival, message) in of_writer.take_while(|(arrival, message)| !is_unread(*arrival, message)) {
        furthest = Some((*arrival, message.id));
    }
    Ok(furthest.filter(|(arrival, _)| *arrival >= first).map(|(_, id)| id))
}

/// The last text of a friend before the first one that is unread: none where that cannot be seen in a bounded look.
pub(crate) fn read_up_to(state: &State, turn: &Turn<'_>, friend: &PeerId) -> Result<Option<MessageId>, TurnFailed> {
    let Some(conversation) = state.friends.get(friend).map(|friend| friend.conversation) else { return Ok(None) };
    let page = turn.shelf.range_back(Table::Message, &message_key(&conversation, u64::MAX), RANGE_LIMIT)?;
    let is_whole = page.len() < RANGE_LIMIT;
    let theirs = page.into_iter().take_while(|(key, _)| split_key(key).is_some_and(|(of, _)| of == conversation));
    let mut rows: Vec<Message> = Vec::new();
    for (_, bytes) in theirs {
        let message: Message = decode_row(&bytes)?;
        if message.from != state.own.peer && message.line.is_none() {
            rows.push(message);
        }
    }
    let is_unread = |message: &&Message| message.state == MessageState::Delivered;
    if !is_whole && rows.iter().filter(is_unread).count() < unread_in(state, &conversation) {
        return Ok(None);
    }
    Ok(rows.iter().rev().take_while(|message| !is_unread(message)).last().map(|message| message.id))
}

/// How many texts of a conversation are unread.
fn unread_in(state: &State, conversation: &RoomId) -> usize {
    let of_room = state.groups.notes.get(conversation).map(|note| note.unread);
    let of_friend = || state.friends.values().find(|friend| friend.conversation == *conversation && friend.follows.is_none());
    usize::try_from(of_room.or_else(|| of_friend().map(|friend| friend.unread)).unwrap_or_default()).unwrap_or(usize::MAX)
}

/// The arrival number of a message.
pub(crate) fn arrival_of(turn: &Turn<'_>, id: &MessageId) -> Result<u64, Failed> {
    let key = key_of_message(turn, id)?.ok_or(CommandError::NotFound)?;
    Ok(split_key(&key).ok_or(CommandError::NotFound)?.1)
}

/// Another device of ours has read a person's texts up to this one.
pub(crate) fn read_elsewhere(state: &mut State, turn: &mut Turn<'_>, friend: &PeerId, id: &MessageId) -> Result<(), TurnFailed> {
    let Some(conversation) = state.friends.get(friend).map(|friend| friend.conversation) else { return Ok(()) };
    let Some(key) = key_of_message(turn, id)? else { return Ok(()) };
    let Some((_, arrival)) = split_key(&key).filter(|(of, _)| *of == conversation) else { return Ok(()) };
    let mut read = 0u32;
    for (key, bytes) in turn.shelf.range_back(Table::Message, &message_key(&conversation, arrival.saturating_add(1)), READ_LIMIT)? {
        if split_key(&key).is_none_or(|(of, _)| of != conversation) {
            break;
        }
        let message: Message = decode_row(&bytes)?;
        match (message.from == state.own.peer, message.state) {
            (true, _) => {}
            (false, MessageState::Read) => break,
            (false, _) => {
                read = read.saturating_add(1);
                turn.put(Table::Message, &key, &Message { state: MessageState::Read, ..message });
            }
        }
    }
    if read > 0 {
        people::update(state, turn, friend, |friend| friend.unread = friend.unread.saturating_sub(read))?;
    }
    Ok(())
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

/// Tells a member how far we have read their texts in a room: them alone, however many are in it.
fn tell_member(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, writer: &PeerId, message: MessageId) -> Result<(), TurnFailed> {
    let is_told = |group: &&Group| group.is_member() && !people::is_parted(state, writer);
    let Some(group) = state.groups.rooms.get(room).filter(is_told) else { return Ok(()) };
    let devices: Vec<DeviceId> = group.roster.leaves_of(writer).map(|leaf| leaf.device).collect();
    if state.own.is_halted || !devices.iter().all(|device| outbox::has_room(state, device)) {
        return Ok(());
    }
    let sealed = rooms::say(turn, *room, &RoomPayload::Read(message))?;
    for device in &devices {
        outbox::enqueue_part(state, turn, (device, *room, sealed.epoch), EnvelopeOwner::Mark, (None, &sealed.bytes));
    }
    Ok(())
}

/// A message as shown to the user.
pub(crate) fn view(
    state: &State,
    turn: &Turn<'_>,
    conversation: &RoomId,
    arrival: u64,
    message: Message,
) -> Result<MessageView, TurnFailed> {
    let mine = message.from == state.own.peer || message.from == state.own.person();
    let group = state.groups.rooms.get(conversation);
    let is_partner = |friend: &&Friend| friend.conversation == *conversation && friend.follows.is_none();
    let partner = state.friends.values().find(is_partner);
    let partner_name = partner.map(|friend| friend.petname.clone()).unwrap_or_default();
    let called = |peer: &PeerId| people::called(state, conversation, peer);
    let tally = if group.is_some() && mine { tally(turn, arrival)? } else { None };
    Ok(MessageView {
        message: message.id,
        conversation: *conversation,
        from: if mine { state.own.person() } else { state.friends.get(&message.from).map_or(message.from, Friend::person) },
        from_name: if group.is_some() || mine { called(&message.from) } else { partner_name.clone() },
        conversation_name: group.map_or(partner_name, |group| people::room_name(state, group).to_owned()),
        text: message.line.as_ref().map_or(message.text, |line| line.text(&message.from, &state.own.person(), called)),
        at: message.at,
        state: message.state,
        reason: message.fault.map(Fault::text),
        mine,
        is_line: message.line.is_some(),
        tally,
    })
}

/// How many people have a text of ours in a room.
fn tally(turn: &Turn<'_>, arrival: u64) -> Result<Option<Tally>, TurnFailed> {
    let ones = |bits: &[u8]| bits.iter().map(|byte| byte.count_ones()).sum();
    let row: Option<rows::Tally> = turn.row(Table::Tally, &arrival.to_be_bytes())?;
    Ok(row.map(|row| Tally { delivered: ones(&row.delivered), read: ones(&row.read), members: u32::from(row.users) }))
}
