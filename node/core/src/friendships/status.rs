//! How a request moves from status to status.
//!
//! ```text
//! out: pending -> accepted -> confirmed            (also unresolved, expired, cancelled)
//! in:  pending -> accepted -> confirmed            (also ignored <-> pending, blocked, expired)
//! ```

use super::bundle::send_bundle;
use super::capabilities::show;
use crate::command::{Direction, RequestStatus};
use crate::delivery::notices;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::invites::{self, grants};
use crate::people::{self, introduced};
use crate::rooms;
use crate::rows::Request;
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId, RequestId};
use symbolon_presence::kdf::Secret;

/// Moves a row to another status. A row that led nowhere erases its reply key and ends its grant
/// at once; one that is confirmed a day later, for repeats.
pub(crate) fn set_status(state: &mut State, turn: &mut Turn<'_>, id: &RequestId, status: RequestStatus) -> Result<(), TurnFailed> {
    let Some(mut row) = state.requests.get(id).cloned() else { return Ok(()) };
    if row.status == status {
        return Ok(());
    }
    row.status = status;
    row.ended = grants::has_ended(status).then_some(turn.stamp);
    if row.direction == Direction::Out {
        // What waited for the answer proceeds.
        people::devices_of(state, &row.peer).iter().for_each(|device| notices::rows_changed(turn, device));
    }
    let over = matches!(status, RequestStatus::Expired | RequestStatus::Cancelled);
    let is_complete = over || status == RequestStatus::Confirmed;
    if is_complete {
        // Its secret is of no use any more.
        row.invite = None;
    }
    let steps = match row.direction {
        // Nobody is asked any more, and nobody hears that we have come.
        Direction::Out => [is_complete.then_some(EnvelopeOwner::Offer(row.id)), over.then_some(EnvelopeOwner::Confirm(row.id))],
        // Our answer was answered, or does not count any more.
        Direction::In => [(status != RequestStatus::Accepted).then_some(EnvelopeOwner::Accept(row.id)), None],
    };
    for step in steps.into_iter().flatten() {
        for device in people::devices_of(state, &row.peer) {
            outbox::supersede(state, turn, &device, &step)?;
        }
    }
    if over {
        if let Some(grant) = row.in_room.as_ref().and_then(|asked| asked.invite) {
            invites::take_back(state, turn, &grant)?;
        }
        grants::end(state, turn, &row);
        row.reply_key = Secret::from_bytes([0; 32]);
        let unfinished = state.friends.get(&row.peer).is_none_or(|friend| Some(friend.room) != row.room);
        if let Some(room) = row.room.take().filter(|_| unfinished) {
            // The room of a request that led nowhere; gone already is as good.
            rooms::forget(state, turn, room)?;
        }
    }
    let (peer, direction) = (row.peer, row.direction);
    state.save_request(turn, row);
    if status == RequestStatus::Confirmed {
        if direction == Direction::In {
            grants::confirmed(state, turn, id);
        }
        end_others(state, turn, &peer)?;
    }
    turn.notify(Event::Request(*id));
    Ok(())
}

/// A friendship has a room: requests that were on their way to another one lead nowhere. A side
/// that had ended the friendship is silent, so steps to it would be put for ever.
fn end_others(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(room) = state.friends.get(peer).map(|friend| friend.room) else { return Ok(()) };
    let others = state
        .requests
        .values()
        .filter(|row| row.peer == *peer && row.status == RequestStatus::Accepted && row.room != Some(room) && !row.is_of_room());
    for other in others.map(|row| row.id).collect::<Vec<_>>() {
        set_status(state, turn, &other, RequestStatus::Cancelled)?;
    }
    Ok(())
}

/// A friend's device was heard in the room that it shares with us. It has the Confirm of ours that led there, whatever
/// became of its receipt; and one that led to a room before leads nowhere, however often it is put.
pub(super) fn heard(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, device: &DeviceId) -> Result<(), TurnFailed> {
    let Some(room) = state.friends.get(peer).map(|friend| friend.room) else { return Ok(()) };
    let is_answered = |row: &&Request| {
        let leads_here = row.room == Some(room) && row.status == RequestStatus::Accepted;
        row.peer == *peer && row.direction == Direction::Out && (leads_here || row.status == RequestStatus::Confirmed)
    };
    let ids: Vec<RequestId> = state.requests.values().filter(is_answered).map(|row| row.id).collect();
    for id in ids {
        outbox::supersede(state, turn, device, &EnvelopeOwner::Confirm(id))?;
        set_status(state, turn, &id, RequestStatus::Confirmed)?;
    }
    Ok(())
}

/// Puts Accepts again that were received and not answered: the one who had blocked us at that
/// moment has dropped them, and may have changed their mind on a link that lasts. And Offers that
/// were put off there because the two clocks disagreed.
pub(crate) fn remind(state: &State, turn: &mut Turn<'_>) {
    let waits = |row: &&Request| match row.direction {
        Direction::In => row.status == RequestStatus::Accepted,
        Direction::Out => row.status == RequestStatus::Pending,
    };
    let peers: BTreeSet<PeerId> = state.requests.values().filter(waits).map(|row| row.peer).collect();
    let devices = state.devices.values().filter(|device| peers.contains(&device.peer) && device.channel.outbox_count > 0);
    devices.for_each(|device| notices::rows_changed(turn, &device.device));
}

/// Everything about friends that a request needs when it ends well.
pub(crate) fn complete(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    // Crossed requests end together: both sides wanted it.
    let open: Vec<RequestId> = state
        .requests
        .values()
        .filter(|row| {
            let waits = matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Unresolved);
            // An Offer accepted before the one that led here.
            let overtaken = row.direction == Direction::In && row.status == RequestStatus::Accepted;
            row.peer == *peer && (waits || overtaken)
        })
        .map(|row| row.id)
        .collect();
    for id in open {
        set_status(state, turn, &id, RequestStatus::Confirmed)?;
    }
    introduced::settled(state, turn, peer);
    // The bundle that led here may be of a generation that has expired.
    send_bundle(state, turn, peer)?;
    show(state, turn, peer)?;
    people::update(state, turn, peer, |_| ())
}
