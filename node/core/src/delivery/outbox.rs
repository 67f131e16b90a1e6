//! The outbox: envelopes that this node owns until the other side's disk has them.
//!
//! A row is written in the turn in which it is said, sealed when it goes, and leaves only by a
//! signed receipt.
//! Each device has two lanes: steps of a request go before room frames, because they may be
//! what makes the room frames welcome.
//! Sending itself, and trying again, is [`crate::delivery`].

pub(crate) use super::care::Copy;
use super::care::{Care, care_key};
use super::notices;
use super::owner::{EnvelopeOwner, Lane, Links, Single};
use super::row::row_of;
pub(crate) use super::row::{OutboxRow, TTL, Via, has_way, outbox_key, put_at, put_for, relay_mailboxes_of};
use super::young;
use crate::limits::OUTBOX_MAX;
use crate::rooms::{self, order};
use crate::rows::{Device, Inner, ROOM_LANE};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use crate::wire::{Piece, RoomPayload};
use crate::world::Sealed;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::{DeviceId, EpochId, MailboxId, RoomId};
use symbolon_presence::time::{SECOND, Timestamp};

/// Rows of the lane of steps read together; it is short, and the room frames behind it may be many.
const STEPS_PAGE: usize = 16;

/// Rows of the lane of rooms read together, where one of them is looked for.
const ROOM_PAGE: usize = 256;

/// Pages that are looked through for the first frame of a room.
const ROOM_PAGES: usize = 64;

/// Numbers that the lane of steps may span: with more of them, no list of receipts is added.
const STEPS_SPAN: u64 = 4_096;

/// Whether a list of receipts may wait for a device: without it, its sender asks again.
pub(crate) fn has_room_for_list(state: &State, turn: &Turn<'_>, device: &DeviceId) -> Result<bool, TurnFailed> {
    let Some(row) = state.devices.get(device).filter(|_| has_room(state, device)) else { return Ok(false) };
    let first = rows(turn, device, 0, 1)?.first().map(|(number, _)| *number).filter(|number| *number < ROOM_LANE);
    Ok(first.is_none_or(|first| row.channel.outbox_first.saturating_sub(first) < STEPS_SPAN))
}

/// A row of the lane of rooms, found by halves among those whose owners stand in an order.
pub(crate) fn find(
    state: &State,
    turn: &Turn<'_>,
    device: &DeviceId,
    order: impl Fn(&EnvelopeOwner) -> Option<Ordering>,
) -> Result<Option<(u64, OutboxRow)>, TurnFailed> {
    let Some(row) = state.devices.get(device) else { return Ok(None) };
    let (mut low, mut high) = (ROOM_LANE, row.channel.outbox_next);
    while low < high {
        let middle = low + (high - low) / 2;
        // The first of them from the middle on.
        let mut from = middle;
        let found = loop {
            let page = rows(turn, device, from, STEPS_PAGE)?;
            let Some((last, _)) = page.last().filter(|_| from < high) else { break None };
            from = last.saturating_add(1);
            if let Some(found) = page.into_iter().find_map(|(number, row)| Some((order(&row.owner)?, number, row))) {
                break Some(found);
            }
        };
        match found {
            Some((Ordering::Equal, number, row)) => return Ok(Some((number, row))),
            Some((Ordering::Less, number, _)) => low = number.saturating_add(1),
            Some((Ordering::Greater, ..)) | None => high = middle,
        }
    }
    Ok(None)
}

/// Whether a device's outbox has room.
pub(crate) fn has_room(state: &State, device: &DeviceId) -> bool {
    state.devices.get(device).is_some_and(|device| device.channel.outbox_count < OUTBOX_MAX)
}

/// Whether a device's outbox has room for so many more.
pub(crate) fn has_room_for(state: &State, device: &DeviceId, more: u64) -> bool {
    state.devices.get(device).is_some_and(|device| device.channel.outbox_count.saturating_add(more) <= OUTBOX_MAX)
}

/// Puts a first envelope into a device's outbox.
pub(crate) fn enqueue(state: &mut State, turn: &mut Turn<'_>, to: &DeviceId, owner: EnvelopeOwner, via: Option<Via>, envelope: Vec<u8>) {
    let row = OutboxRow { frame: frame_id(&envelope), owner, via, envelope, sequence: None, stored: None, room: None, inner: None };
    append(state, turn, to, &row);
}

/// Puts what stands outside the order of a room's frames into a device's outbox.
pub(crate) fn enqueue_unordered(state: &mut State, turn: &mut Turn<'_>, to: &DeviceId, room: RoomId, owner: EnvelopeOwner, inner: Inner) {
    append(state, turn, to, &OutboxRow { room: Some(room), ..row_of(owner, inner) });
}

/// Puts a room message for each device in the room into their outboxes; a long one in pieces, of which the last has the
/// owner. Nothing when it is longer than any message may be.
pub(crate) fn enqueue_room(state: &mut State, turn: &mut Turn<'_>, room: RoomId, owner: &EnvelopeOwner, sealed: &Sealed) {
    let parts = Piece::split(&sealed.bytes);
    for id in &rooms::members(state, &room) {
        for part in &parts {
            let is_last = part.0.is_none_or(|piece| piece.is_last());
            let owner = if is_last { owner.clone() } else { EnvelopeOwner::Piece };
            enqueue_part(state, turn, (id, room, sealed.epoch), owner, *part);
        }
    }
}

/// Puts one ordered frame of a room into a device's outbox.
pub(crate) fn enqueue_part(
    state: &mut State,
    turn: &mut Turn<'_>,
    (to, room, epoch): (&DeviceId, RoomId, EpochId),
    owner: EnvelopeOwner,
    part: (Option<Piece>, &[u8]),
) {
    let Some(sequence) = order::next_sequence(state, to, &room) else { return };
    if part.0.is_some() {
        order::note_piece(state, to, &room, sequence);
    }
    if let Some(inner) = Inner::part(room, epoch, Some(sequence), part) {
        let row = OutboxRow { sequence: Some(sequence), room: Some(room), ..row_of(owner, inner) };
        append(state, turn, to, &row);
    }
}

/// Whether a row waits until its device takes pieces: it is one, or lies behind one of its room.
pub(crate) fn is_held(state: &State, device: &DeviceId, row: &OutboxRow) -> bool {
    row.room.zip(row.sequence).is_some_and(|(room, sequence)| order::is_held(state, device, &room, sequence))
}

fn append(state: &mut State, turn: &mut Turn<'_>, to: &DeviceId, row: &OutboxRow) {
    let Some(channel) = state.channel_mut(to) else { return };
    let policy = row.owner.policy();
    let next = match policy.lane {
        Lane::Steps => &mut channel.outbox_first,
        Lane::Rooms => &mut channel.outbox_next,
    };
    let number = *next;
    *next = number.saturating_add(1);
    channel.outbox_count = channel.outbox_count.saturating_add(1);
    match policy.single {
        Some(Single::Question) => channel.saying = Some(number),
        Some(Single::Answer) => channel.answering = Some(number),
        None => {}
    }
    match young::of(state, to, number, row) {
        Some(young) => {
            if let Some(channel) = state.channel_mut(to) {
                channel.young.get_or_insert_default().push(young);
            }
            turn.put_young(&outbox_key(to, number), row);
        }
        None => turn.put(Table::Outbox, &outbox_key(to, number), row),
    }
    notices::queued(turn, to);
}

/// Writes another envelope over a row, under the same number and sequence.
pub(crate) fn replace(turn: &mut Turn<'_>, device: &DeviceId, number: u64, row: &OutboxRow) {
    turn.put(Table::Outbox, &outbox_key(device, number), row);
    turn.delete(Table::Outbox, &care_key(device, number));
}

/// Notes how a row was sealed last, and where a copy lies. What it holds stays, and is not written again if it is long.
pub(crate) fn note(turn: &mut Turn<'_>, device: &DeviceId, number: u64, row: &OutboxRow) {
    if row.is_long() {
        let wrapper = row.inner.as_ref().and_then(|inner| inner.wrapper.clone());
        let care = Care { frame: row.frame, stored: row.stored.clone(), wrapper };
        turn.put(Table::Outbox, &care_key(device, number), &care);
    } else {
        turn.put(Table::Outbox, &outbox_key(device, number), row);
    }
}

/// Puts an empty frame in the place of an ordered one that is given up, so that those behind it can be opened.
pub(crate) fn skip(turn: &mut Turn<'_>, room: RoomId, device: &DeviceId, number: u64, row: OutboxRow) -> Result<(), TurnFailed> {
    let sealed = rooms::say(turn, room, &RoomPayload::Skip)?;
    if let Some(inner) = Inner::around(room, &sealed, row.sequence) {
        replace(turn, device, number, &row.with(EnvelopeOwner::Skip, inner));
        notices::rows_changed(turn, device);
    }
    Ok(())
}

/// A device has opened what stands below a sequence in a room: what was put there so that the next could be opened has done its
/// work, whatever became of its receipt.
pub(crate) fn drop_skips(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, room: &RoomId, opened: u64) -> Result<(), TurnFailed> {
    let is_done = |row: &OutboxRow| row.owner == EnvelopeOwner::Skip && row.sequence.is_some_and(|sequence| sequence < opened);
    let page = rows(turn, device, ROOM_LANE, ROOM_PAGE)?;
    for (number, _) in page.iter().filter(|(_, row)| row.room.as_ref() == Some(room) && is_done(row)) {
        remove(state, turn, device, *number);
    }
    Ok(())
}

/// The row of an owner that stands close behind a number in the lane of rooms.
pub(crate) fn of_owner(
    turn: &Turn<'_>,
    device: &DeviceId,
    owner: &EnvelopeOwner,
    mut from: u64,
) -> Result<Option<(u64, OutboxRow)>, TurnFailed> {
    for _ in 0..ROOM_PAGES {
        let page = rows(turn, device, from, ROOM_PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        from = last.saturating_add(1);
        if let Some(found) = page.into_iter().find(|(_, row)| row.owner == *owner) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A relay has signed that it keeps a copy of a row. By the relay's clock: no copy is believed to last longer
/// than it was asked for.
pub(crate) fn keep_copy(turn: &mut Turn<'_>, device: &DeviceId, number: u64, row: OutboxRow, mailbox: MailboxId, until: Timestamp) {
    let until = until.min(turn.stamp.after(u64::from(TTL) * SECOND));
    let copy = Copy { mailbox, at: turn.stamp, until };
    note(turn, device, number, &OutboxRow { stored: Some(copy), ..row });
}

/// Takes a row out of the outbox of which it is known whether it is long.
pub(crate) fn remove_row(state: &mut State, turn: &mut Turn<'_>, from: &DeviceId, number: u64, is_long: bool) {
    if is_long {
        turn.delete(Table::Outbox, &care_key(from, number));
    }
    turn.delete(Table::Outbox, &outbox_key(from, number));
    young::forget(state, from, number);
    if let Some(channel) = state.channel_mut(from) {
        channel.outbox_count = channel.outbox_count.saturating_sub(1);
        channel.saying = channel.saying.filter(|saying| *saying != number);
        channel.answering = channel.answering.filter(|answering| *answering != number);
    }
}

/// Takes everything of a room out of a device's outbox. Answers the arrival numbers of the texts among it.
pub(crate) fn forget_room(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, room: &RoomId) -> Result<BTreeSet<u64>, TurnFailed> {
    let (mut from, mut gone) = (ROOM_LANE, Vec::new());
    loop {
        let page = rows(turn, device, from, ROOM_PAGE)?;
        let Some((last, _)) = page.last() else { break };
        from = last.saturating_add(1);
        gone.extend(
            page.into_iter().filter(|(_, row)| row.room == Some(*room)).map(|(number, row)| (number, row.is_long(), row.owner.arrival())),
        );
    }
    for (number, is_long, _) in &gone {
        remove_row(state, turn, device, *number, *is_long);
    }
    if !gone.is_empty() {
        notices::rows_changed(turn, device);
    }
    Ok(gone.into_iter().filter_map(|(.., arrival)| arrival).collect())
}

/// Takes a row out of the outbox.
pub(crate) fn remove(state: &mut State, turn: &mut Turn<'_>, from: &DeviceId, number: u64) {
    remove_row(state, turn, from, number, true);
}

/// Rows of a device's outbox from a number on, in both lanes.
pub(crate) fn rows(turn: &Turn<'_>, device: &DeviceId, from: u64, limit: usize) -> Result<Vec<(u64, OutboxRow)>, TurnFailed> {
    let mut found: Vec<(u64, OutboxRow)> = Vec::new();
    let mut start = outbox_key(device, from);
    while found.len() < limit {
        let wanted = limit - found.len();
        let page = turn.range(Table::Outbox, &start, wanted)?;
        let is_end = page.len() < wanted;
        for (key, bytes) in page {
            let Some(number) = key.strip_prefix(device.as_bytes().as_slice()) else { return Ok(found) };
            match (number.split_first_chunk::<8>(), found.last_mut()) {
                (Some((number, [])), _) => found.push((u64::from_be_bytes(*number), decode_row(&bytes)?)),
                (Some((number, _)), Some((last, row))) if *last == u64::from_be_bytes(*number) => row.care(decode_row(&bytes)?),
                (Some(_) | None, _) => {}
            }
            start = [key.as_slice(), &[0]].concat();
        }
        if is_end {
            return Ok(found);
        }
    }
    if let Some((number, row)) = found.last_mut().filter(|(_, row)| row.is_long()) {
        // How it was cared for lies behind what was read.
        *row = care_of(turn, device, *number, row.clone())?;
    }
    Ok(found)
}

/// A row with how it was cared for.
fn care_of(turn: &Turn<'_>, device: &DeviceId, number: u64, mut row: OutboxRow) -> Result<OutboxRow, TurnFailed> {
    if row.is_long()
        && let Some(care) = turn.row::<Care>(Table::Outbox, &care_key(device, number))?
    {
        row.care(care);
    }
    Ok(row)
}

/// Rows of the lane of steps that are of some owners.
fn steps_of(turn: &Turn<'_>, device: &DeviceId, is_theirs: impl Fn(&EnvelopeOwner) -> bool) -> Result<Vec<(u64, OutboxRow)>, TurnFailed> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let page = rows(turn, device, from, STEPS_PAGE)?;
        let Some((last, _)) = page.last().filter(|_| from < ROOM_LANE) else { return Ok(found) };
        from = last.saturating_add(1);
        found.extend(page.into_iter().filter(|(_, row)| is_theirs(&row.owner)));
        if from > ROOM_LANE {
            return Ok(found);
        }
    }
}

/// Whether a step waits for a device.
pub(crate) fn waits(turn: &Turn<'_>, device: &DeviceId, step: &EnvelopeOwner) -> Result<bool, TurnFailed> {
    Ok(!steps_of(turn, device, |owner| owner == step)?.is_empty())
}

/// Takes back every row of one step: a newer one follows.
pub(crate) fn supersede(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, step: &EnvelopeOwner) -> Result<(), TurnFailed> {
    for (number, _) in steps_of(turn, device, |owner| owner == step)? {
        remove(state, turn, device, number);
        notices::rows_changed(turn, device);
    }
    Ok(())
}

/// Gives the rows of one step another way to their device. A copy that lies where the device
/// still fetches is as good as before.
pub(crate) fn readdress(turn: &mut Turn<'_>, device: &DeviceId, step: &EnvelopeOwner, via: &Via) -> Result<(), TurnFailed> {
    for (number, row) in steps_of(turn, device, |owner| owner == step)? {
        let stored = row.stored.filter(|copy| via.relay_mailboxes.iter().any(|mailbox| mailbox.entry.mailbox == copy.mailbox));
        replace(turn, device, number, &OutboxRow { via: Some(via.clone()), stored, ..row });
        notices::rows_changed(turn, device);
    }
    Ok(())
}

/// The sequence of the first ordered frame of a room that a device has not acknowledged; the next one's when
/// it has acknowledged all. Where too many frames of other rooms lie before it, one that is surely not too high.
pub(crate) fn acknowledged_below(state: &State, turn: &Turn<'_>, device: &Device, room: &RoomId) -> Result<u64, TurnFailed> {
    let sent = order::sent(state, &device.device, room);
    let mut from = ROOM_LANE;
    for _ in 0..ROOM_PAGES {
        let page = rows(turn, &device.device, from, STEPS_PAGE)?;
        let first = page.iter().filter(|(_, row)| row.room.is_none_or(|of| of == *room)).find_map(|(_, row)| row.sequence);
        if let Some(first) = first {
            return Ok(first);
        }
        let Some((last, _)) = page.last() else { return Ok(sent) };
        from = last.saturating_add(1);
    }
    Ok(sent.saturating_sub(device.channel.outbox_count))
}

/// Whether steps of a request wait for a device.
pub(crate) fn has_steps(turn: &Turn<'_>, device: &DeviceId) -> Result<bool, TurnFailed> {
    let mut from = 0;
    loop {
        let page = rows(turn, device, from, STEPS_PAGE)?;
        if page.iter().take_while(|(number, _)| *number < ROOM_LANE).any(|(_, row)| matches!(row.owner.policy().links, Links::Any(_))) {
            return Ok(true);
        }
        let Some((last, _)) = page.last().filter(|(last, _)| *last < ROOM_LANE) else { return Ok(false) };
        from = last.saturating_add(1);
    }
}

/// Takes back what a relay was to tell a device about its envelopes, once it is here: it puts
/// again what it has not heard of, and hears it on its link. Whether there was anything.
pub(crate) fn forget_lists(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<bool, TurnFailed> {
    let lists = steps_of(turn, device, |owner| owner.policy().for_away)?;
    for (number, _) in &lists {
        remove(state, turn, device, *number);
    }
    Ok(!lists.is_empty())
}

/// One row of a device's outbox.
pub(crate) fn row(turn: &Turn<'_>, device: &DeviceId, number: u64) -> Result<Option<OutboxRow>, TurnFailed> {
    let row = turn.row(Table::Outbox, &outbox_key(device, number))?;
    row.map(|row| care_of(turn, device, number, row)).transpose()
}
