//! Texts to all members of a room: who has each of them, and what is sealed again when a room goes back.

use super::{order, seats};
use crate::command::{CommandError, MessageState};
use crate::conversations;
use crate::delivery::notices;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::rooms;
use crate::rows::{
    Audience, Device, Fault, GroupStanding, Inner, Message, ROOM_LANE, Tally, commit_key, key_of_message, message_key, set_message_state,
    split_key,
};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{Known, Leave, RoomPayload, Text, is_text};
use crate::world::Sealed;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, EpochId, MessageId, PeerId, RoomId};

/// Rows of an outbox looked at together.
const PAGE: usize = 256;

/// Writes a text to all members.
pub(crate) fn send(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, text: String) -> Result<MessageId, Failed> {
    let group = state.groups.rooms.get(room).ok_or(CommandError::NotFound)?;
    if !group.is_member() {
        return Err(CommandError::NotInRoom.into());
    }
    if !is_text(&text) {
        return Err(CommandError::BadText.into());
    }
    let epoch = group.epoch;
    let mut users: Vec<PeerId> = group.roster.people().into_iter().filter(|user| *user != state.own.person()).collect();
    users.sort_unstable();
    if !rooms::members(state, room).iter().all(|device| outbox::has_room(state, device)) || state.own.is_halted {
        return Err(CommandError::Full.into());
    }
    let (arrival, id) = conversations::send_in(state, turn, *room, text)?;
    let count = users.len();
    let key = commit_key(room, &epoch);
    if turn.get(Table::Audience, &key)?.is_none() {
        turn.put(Table::Audience, &key, &Audience { users });
    }
    let bits = vec![0; count.div_ceil(8)];
    let users = u16::try_from(count).unwrap_or(u16::MAX);
    turn.put(Table::Tally, &arrival.to_be_bytes(), &Tally { room: *room, epoch, users, delivered: bits.clone(), read: bits });
    if count == 0 {
        set_message_state(turn, room, arrival, MessageState::Delivered, None)?;
    }
    Ok(id)
}

/// Notes a bit of one user; whether it was not there before.
fn set(bits: &mut [u8], at: usize) -> bool {
    let Some(byte) = bits.get_mut(at / 8) else { return false };
    let bit = 1u8 << (at % 8);
    let is_new = *byte & bit == 0;
    *byte |= bit;
    is_new
}

fn is_all(bits: &[u8], users: u16) -> bool {
    bits.iter().map(|byte| byte.count_ones()).sum::<u32>() >= u32::from(users)
}

/// Changes the tally of a text for one user, and its state when all have it.
fn count(state: &State, turn: &mut Turn<'_>, arrival: u64, user: &PeerId, is_read: bool) -> Result<(), TurnFailed> {
    let key = arrival.to_be_bytes();
    let Some(mut row) = turn.row::<Tally>(Table::Tally, &key)? else { return Ok(()) };
    let audience: Option<Audience> = turn.row(Table::Audience, &commit_key(&row.room, &row.epoch))?;
    let users = audience.map(|audience| audience.users).unwrap_or_default();
    let Some(at) = users.iter().position(|other| other == user) else { return Ok(()) };
    let mut is_new = set(&mut row.delivered, at);
    if is_read {
        is_new |= set(&mut row.read, at);
    }
    if !is_new {
        return Ok(());
    }
    turn.put(Table::Tally, &key, &row);
    let room = row.room;
    let id = turn.row::<Message>(Table::Message, &message_key(&room, arrival))?.map(|message| message.id);
    if is_all(&row.read, row.users) {
        mark(turn, &room, arrival)?;
    } else if is_with_all(state, &row, &users) {
        set_message_state(turn, &room, arrival, MessageState::Delivered, None)?;
    } else if let Some(message) = id {
        turn.notify(crate::seam::Event::MessageState { message });
    }
    Ok(())
}

/// Whether a text is with all to whom it was written, but for those who are not in the room any more.
fn is_with_all(state: &State, row: &Tally, users: &[PeerId]) -> bool {
    let roster = state.groups.rooms.get(&row.room).filter(|group| group.standing.is_in()).map(|group| &group.roster);
    let is_gone = |user: &PeerId| roster.is_some_and(|roster| roster.role(user).is_none());
    let has = |at: usize| row.delivered.get(at / 8).is_some_and(|byte| byte & (1 << (at % 8)) != 0);
    users.iter().enumerate().all(|(at, user)| has(at) || is_gone(user))
}

/// Those whom these texts of ours lacked may be in the room no more: then nobody is waited for.
pub(super) fn look_again(state: &State, turn: &mut Turn<'_>, room: &RoomId, texts: &BTreeSet<u64>) -> Result<(), TurnFailed> {
    for arrival in texts {
        let Some(row) = turn.row::<Tally>(Table::Tally, &arrival.to_be_bytes())? else { continue };
        let Some(audience) = turn.row::<Audience>(Table::Audience, &commit_key(room, &row.epoch))? else { continue };
        let message: Option<Message> = turn.row(Table::Message, &message_key(room, *arrival))?;
        let waits = message.is_some_and(|message| matches!(message.state, MessageState::Queued | MessageState::Stored));
        if waits && is_with_all(state, &row, &audience.users) {
            set_message_state(turn, room, *arrival, MessageState::Delivered, None)?;
        }
    }
    Ok(())
}

/// These devices are in the room no more: texts of ours that only they lack are waited for no longer.
pub(super) fn gone(state: &State, turn: &mut Turn<'_>, room: &RoomId, devices: &[DeviceId]) -> Result<(), TurnFailed> {
    let mut texts = BTreeSet::new();
    for device in devices {
        let mut from = ROOM_LANE;
        loop {
            let page = outbox::rows(turn, device, from, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            from = last.saturating_add(1);
            texts.extend(page.into_iter().filter(|(_, row)| row.room == Some(*room)).filter_map(|(_, row)| row.owner.arrival()));
        }
    }
    look_again(state, turn, room, &texts)
}

/// All have read it.
fn mark(turn: &mut Turn<'_>, room: &RoomId, arrival: u64) -> Result<(), TurnFailed> {
    let key = message_key(room, arrival);
    let Some(message) = turn.row::<Message>(Table::Message, &key)?.filter(|message| message.state != MessageState::Read) else {
        return Ok(());
    };
    let id = message.id;
    turn.put(Table::Message, &key, &Message { state: MessageState::Read, ..message });
    turn.notify(crate::seam::Event::MessageState { message: id });
    Ok(())
}

/// A device has a text of ours.
pub(crate) fn delivered(state: &State, turn: &mut Turn<'_>, device: &DeviceId, arrival: u64) -> Result<(), TurnFailed> {
    let Some(user) = state.devices.get(device).map(Device::person) else { return Ok(()) };
    count(state, turn, arrival, &user, false)
}

/// A member has read texts up to this one.
pub(crate) fn mark_read(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &RoomId,
    from: &PeerId,
    message: &MessageId,
) -> Result<(), TurnFailed> {
    let Some(key) = key_of_message(turn, message)? else { return Ok(()) };
    let Some((_, arrival)) = split_key(&key).filter(|(of, _)| of == room) else { return Ok(()) };
    let before = message_key(room, arrival.saturating_add(1));
    let page = turn.shelf.range_back(Table::Message, &before, PAGE)?;
    for (key, bytes) in page {
        let Some((_, arrival)) = split_key(&key).filter(|(of, _)| of == room) else { break };
        let row: Message = crate::turn::decode_row(&bytes)?;
        if row.from == state.own.peer && row.line.is_none() {
            count(state, turn, arrival, from, true)?;
        }
    }
    Ok(())
}

/// The room has gone back from these epochs: what was sealed there and has not arrived is sealed again for those to whom it was
/// written. What others would read it who were not there then waits for the user's word.
pub(super) fn resend(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, dropped: &BTreeSet<EpochId>) -> Result<(), TurnFailed> {
    let Some(group) = state.groups.rooms.get(room).cloned() else { return Ok(()) };
    if !group.standing.is_in() {
        return give_up(state, turn, room);
    }
    let people = group.roster.people();
    let mut sealed_again: BTreeMap<u64, Sealed> = BTreeMap::new();
    let mut held = BTreeSet::new();
    for device in seats_of(state, room) {
        let mut from = ROOM_LANE;
        let mut has_changed = false;
        loop {
            let page = outbox::rows(turn, &device, from, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            from = last.saturating_add(1);
            for (number, row) in page.into_iter().filter(|(_, row)| row.room == Some(*room) && row.sequence.is_some()) {
                let Some(known) = row.inner.as_ref().and_then(|inner| Known::decode(&inner.payload)) else { continue };
                if !dropped.contains(&known.epoch) {
                    continue;
                }
                has_changed = true;
                let sealed = match row.owner.arrival() {
                    Some(arrival) if may_resend(state, turn, room, arrival, &people)? => match sealed_again.get(&arrival) {
                        Some(sealed) => Some(sealed.clone()),
                        None => {
                            let sealed = seal(turn, room, arrival)?;
                            sealed.inspect(|sealed| {
                                sealed_again.insert(arrival, sealed.clone());
                            })
                        }
                    },
                    Some(arrival) => {
                        held.insert(arrival);
                        None
                    }
                    None => say_now(state, turn, room, &row.owner)?,
                };
                let owner = row.owner.clone();
                match sealed.and_then(|sealed| Inner::around(*room, &sealed, row.sequence)) {
                    Some(inner) => outbox::replace(turn, &device, number, &row.with(owner, inner)),
                    None => outbox::skip(turn, *room, &device, number, row)?,
                }
            }
        }
        if has_changed {
            notices::rows_changed(turn, &device);
        }
    }
    for arrival in held {
        set_message_state(turn, room, arrival, MessageState::Failed, Some(Fault::OtherMembers))?;
    }
    Ok(())
}

/// Texts of ours that some devices have not got are sealed for them in the present epoch, if all who are in the room now were
/// there when each was written.
pub(super) fn say_again(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &RoomId,
    devices: &[DeviceId],
    texts: &BTreeSet<u64>,
) -> Result<(), TurnFailed> {
    let member = state.groups.rooms.get(room).filter(|group| group.is_member());
    let Some(people) = member.map(|group| group.roster.people()) else { return Ok(()) };
    for arrival in texts {
        if !may_resend(state, turn, room, *arrival, &people)? {
            set_message_state(turn, room, *arrival, MessageState::Failed, Some(Fault::OtherMembers))?;
            continue;
        }
        let Some(sealed) = seal(turn, room, *arrival)? else { continue };
        for device in devices {
            let owner = EnvelopeOwner::Text(*room, *arrival);
            outbox::enqueue_part(state, turn, (device, *room, sealed.epoch), owner, (None, &sealed.bytes));
        }
    }
    Ok(())
}

/// A member does not keep the epoch any more in which a frame of ours was sealed: it is sealed again in the present one.
pub(crate) fn seal_again(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, number: u64) -> Result<(), TurnFailed> {
    let Some(row) = outbox::row(turn, device, number)? else { return Ok(()) };
    let known = row.inner.as_ref().and_then(|inner| Known::decode(&inner.payload));
    if row.owner == EnvelopeOwner::Since {
        // A question, or an answer to one, of an epoch that counts no more.
        outbox::remove(state, turn, device, number);
        return Ok(());
    }
    let Some((room, known)) = row.room.zip(known) else { return Ok(()) };
    let Some(group) = state.groups.rooms.get(&room).filter(|group| group.epoch != known.epoch) else { return Ok(()) };
    if !group.standing.is_in() {
        return give_up(state, turn, &room);
    }
    let people = group.roster.people();
    let sealed = match row.owner.arrival() {
        Some(arrival) if may_resend(state, turn, &room, arrival, &people)? => seal(turn, &room, arrival)?,
        Some(arrival) => {
            set_message_state(turn, &room, arrival, MessageState::Failed, Some(Fault::OtherMembers))?;
            None
        }
        None => say_now(state, turn, &room, &row.owner)?,
    };
    let owner = row.owner.clone();
    match sealed.and_then(|sealed| Inner::around(room, &sealed, row.sequence)) {
        Some(inner) => outbox::replace(turn, device, number, &row.with(owner, inner)),
        None => outbox::skip(turn, room, device, number, row)?,
    }
    notices::rows_changed(turn, device);
    Ok(())
}

/// What is no text and still has to be said, sealed in the present epoch.
fn say_now(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, owner: &EnvelopeOwner) -> Result<Option<Sealed>, TurnFailed> {
    let Some(group) = state.groups.rooms.get(room).cloned() else { return Ok(None) };
    let is = |other: EnvelopeOwner| *owner == other;
    let payload = if is(EnvelopeOwner::Leave(*room)) && group.standing == GroupStanding::Leaving {
        Some(RoomPayload::Leave(Leave::sign(&state.own.identity, room, group.leaf, group.number)))
    } else if is(EnvelopeOwner::Ways(*room)) && group.is_member() {
        seats::own(state, turn, &group.leaf).map(|seat| RoomPayload::Ways(Box::new(seat.ways)))
    } else {
        None
    };
    payload.map(|payload| rooms::say(turn, *room, &payload)).transpose()
}

/// We are out, and nothing of ours is sealed in the room any more: what has not arrived is given up.
fn give_up(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
    let mut texts = BTreeSet::new();
    for device in rooms::members(state, room) {
        texts.extend(outbox::forget_room(state, turn, &device, room)?);
    }
    for arrival in texts {
        set_message_state(turn, room, arrival, MessageState::Failed, Some(Fault::NotInRoom))?;
    }
    Ok(())
}

/// All devices to which frames of the room may be on their way.
fn seats_of(state: &State, room: &RoomId) -> Vec<DeviceId> {
    let rosters = state.groups.rooms.get(room).map(|group| &group.roster);
    let own = state.own.identity.device;
    let there = rosters.into_iter().flat_map(|roster| roster.leaves.iter().map(|leaf| leaf.device));
    there.filter(|device| *device != own).collect()
}

/// Whether a text may be sealed again for the members of now: all of them were there when it was written.
fn may_resend(state: &State, turn: &Turn<'_>, room: &RoomId, arrival: u64, people: &BTreeSet<PeerId>) -> Result<bool, TurnFailed> {
    let Some(tally) = turn.row::<Tally>(Table::Tally, &arrival.to_be_bytes())? else { return Ok(false) };
    let audience: Option<Audience> = turn.row(Table::Audience, &commit_key(room, &tally.epoch))?;
    let mut old: BTreeSet<PeerId> = audience.map(|audience| audience.users.into_iter().collect()).unwrap_or_default();
    old.insert(state.own.person());
    Ok(order::may_resend(&old, people))
}

fn seal(turn: &mut Turn<'_>, room: &RoomId, arrival: u64) -> Result<Option<Sealed>, TurnFailed> {
    let Some(message) = turn.row::<Message>(Table::Message, &message_key(room, arrival))? else { return Ok(None) };
    let payload = RoomPayload::Text(Text { id: message.id, at: message.at, text: message.text });
    rooms::say(turn, *room, &payload).map(Some)
}
