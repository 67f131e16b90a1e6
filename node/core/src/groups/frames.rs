//! Frames of shared rooms: what members say, and their commits.

use super::epochs::{At, Next, go_on, judge, positions};
use super::{rivals, seats, since, texts, wishes};
use crate::command::MessageState;
use crate::conversations;
use crate::delivery::{notices, seeds};
use crate::friendships;
use crate::people;
use crate::rooms;
use crate::rows::SaidIn;
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn};
use crate::wire::{Known, MemberPayload, RoomPayload, Seat, entry_is_of};
use crate::world::{CipherError, Opened, Staged};
use symbolon_presence::id::{DeviceId, PublicKeyBytes, RoomId};
use symbolon_relay::put::ReceiptItem;

/// What a frame of a shared room was.
pub(crate) enum Heard {
    /// Looked at already.
    Something,
    /// It stands in the place of something that was given up.
    Nothing,
    /// Of an epoch that is not kept any more: its sender seals it again.
    Outgrown,
    /// What became of envelopes of ours.
    Receipts(Vec<ReceiptItem>),
    /// The device misses a frame, and asks for everything again.
    Again,
    /// The device is in an older epoch, and asks for the commits since.
    Since,
}

/// Whether a frame is of an epoch of a shared room that this device has not come to: it waits until then.
pub(crate) fn is_early(state: &State, known: &Known) -> bool {
    let Some(group) = state.groups.rooms.get(&known.room) else { return false };
    let is_kept = state.groups.steps_of(&known.room).any(|step| step.parent == known.epoch);
    known.epoch != group.epoch && !is_kept && !group.past.contains(&known.epoch)
}

/// A frame of a shared room, in its turn.
pub(crate) fn receive(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, known: &Known) -> Result<Heard, Rejected> {
    let room = known.room;
    let group = state.groups.rooms.get(&room).ok_or(DropReason::Unexpected)?;
    if known.mls.is_empty() && known.sequence.is_none() {
        since::answer(state, turn, device, known)?;
        return Ok(Heard::Since);
    }
    if known.epoch == group.epoch {
        return match rooms::open_shared(turn, room, &known.mls) {
            Ok(Opened::Commit(staged)) => take(state, turn, &room, &staged, &known.mls).map(|()| Heard::Something),
            Ok(Opened::Text { sender, plaintext, .. }) => {
                let payload = RoomPayload::decode(&plaintext).ok_or(DropReason::Malformed)?;
                let speaker = state.speaker(&room, &sender, turn.sure).ok_or(DropReason::Forged)?;
                said(state, turn, (&room, &PublicKeyBytes(sender.leaf.0)), device, &speaker, payload)
            }
            Err(CipherError::Ahead | CipherError::Gone) => Ok(Heard::Outgrown),
            Err(error) => Err(error.into()),
        };
    }
    let Some(number) = state.groups.steps_of(&room).find(|step| step.parent == known.epoch).map(|step| step.number) else {
        return Ok(Heard::Outgrown);
    };
    match rooms::open_shared(turn, room, &known.mls) {
        Ok(Opened::Text { sender, plaintext, .. }) => {
            let payload = RoomPayload::decode(&plaintext).ok_or(DropReason::Malformed)?;
            let speaker = state.speaker(&room, &sender, turn.sure).ok_or(DropReason::Forged)?;
            return said(state, turn, (&room, &PublicKeyBytes(sender.leaf.0)), device, &speaker, payload);
        }
        // A commit of an epoch that was left is staged by no cipher; to peek says what it is.
        Ok(Opened::Commit(_)) | Err(CipherError::Ahead | CipherError::Gone | CipherError::Broken | CipherError::Used) => {}
        Err(CipherError::Store) => return Err(CipherError::Store.into()),
    }
    match rooms::peek(turn, room, known.epoch, &known.mls) {
        Ok(staged) => rivals::compete(state, turn, &room, number, &staged, &known.mls).map(|()| Heard::Something),
        Err(CipherError::Store) => Err(CipherError::Store.into()),
        // Its keys are gone: its sender seals it again.
        Err(CipherError::Ahead | CipherError::Gone | CipherError::Used | CipherError::Broken) => Ok(Heard::Outgrown),
    }
}

/// What a member has said.
fn said(
    state: &mut State,
    turn: &mut Turn<'_>,
    (room, by): (&RoomId, &PublicKeyBytes),
    device: &DeviceId,
    speaker: &symbolon_presence::identity::Device,
    payload: RoomPayload,
) -> Result<Heard, Rejected> {
    if speaker.device != *device {
        return Err(DropReason::Forged.into());
    }
    // What friends say to each other belongs into their own room.
    match payload.of_member().ok_or(DropReason::Unexpected)? {
        // Nobody wants to read it here.
        MemberPayload::Text(_) if state.groups.rooms.get(room).is_some_and(|group| group.question.is_some() && !group.is_asked()) => {}
        // Out of sight; the room continues.
        MemberPayload::Text(_) | MemberPayload::Read(_) if people::is_refused(state, device) => {}
        MemberPayload::Text(text) if speaker.person == state.own.person() => {
            let via = speaker.peer;
            conversations::copy_in(state, turn, room, text, (state.own.peer, MessageState::Queued), via)?;
        }
        MemberPayload::Text(text) => conversations::receive(state, turn, room, &speaker.person, text)?,
        MemberPayload::Read(message) => texts::mark_read(state, turn, room, &speaker.person, &message)?,
        MemberPayload::Skip => return Ok(Heard::Nothing),
        MemberPayload::Again => return Ok(Heard::Again),
        MemberPayload::Receipts(items) => return Ok(Heard::Receipts(items)),
        MemberPayload::Leave(leave) => wishes::leaves(state, turn, room, speaker, leave)?,
        // Nothing of a room is shown before its user wants to be in it.
        MemberPayload::Befriend(_) if state.groups.rooms.get(room).is_some_and(|group| group.question.is_some()) => {}
        MemberPayload::Befriend(befriend) => friendships::asked(state, turn, room, speaker, *befriend)?,
        MemberPayload::Ways(ways) => {
            if !entry_is_of(&ways.own.entry, speaker) {
                return Err(DropReason::Forged.into());
            }
            let leaf = state.groups.rooms.get(room).and_then(|group| group.roster.device(device)).map(|leaf| leaf.leaf);
            // Of an earlier stay: those grants have ended, and it has another seed since.
            let Some(leaf) = leaf.filter(|leaf| leaf == by) else { return Ok(Heard::Something) };
            if !seats::is_friend(state, device) {
                seats::learn(state, device, &ways, Some(SaidIn { room: *room, leaf }));
                // What was refused by the grant of before goes by this one.
                notices::rows_changed(turn, device);
                seeds::read(state, turn, room, device, &ways.seed);
            }
            if let Some(seat) = state.groups.seats.get(&(*room, leaf)).cloned() {
                state.save_seat(turn, *room, Seat { ways: *ways, ..seat });
            }
        }
    }
    Ok(Heard::Something)
}

/// Takes in a commit of the present epoch. Errors change nothing that counts.
fn take(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, staged: &Staged, bytes: &[u8]) -> Result<(), Rejected> {
    let group = state.groups.rooms.get(room).cloned().ok_or(DropReason::Unexpected)?;
    let (key, leaves) = (rooms::credential_key(turn, *room)?, positions(turn, *room)?);
    let at = At { room: *room, roster: &group.roster, number: group.number, key: &key, leaves: &leaves };
    match judge(state, &at, staged, turn.sure) {
        Ok(judged) => {
            let next = Next { room, epoch: staged.epoch, judged, bytes, others: Vec::new() };
            if go_on(state, turn, next)? { Ok(()) } else { Err(DropReason::Cipher.into()) }
        }
        Err(reason) => {
            rooms::drop_commits(turn, *room)?;
            Err(reason.into())
        }
    }
}
