//! What a device says about how it stands with another one.

use crate::delivery::outbox;
use crate::invites::{grants, lifelines};
use crate::limits::LASTING_REPLY;
use crate::rooms::{self, order};
use crate::rows::{LastingReply, Outbound, Renewing, Start};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{Contact, Counted, Heard, RoomStanding, Standing, True, sign_start};
use symbolon_presence::id::{DeviceId, GrantId, Nonce, PeerId, RoomId};
use symbolon_presence::time::DAY;
use symbolon_relay::grant::Scope;

/// How we stand with a device.
pub(super) fn account(
    state: &mut State,
    turn: &mut Turn<'_>,
    id: &DeviceId,
    answers: Option<&Standing>,
    lasts: Lasts,
) -> Result<Option<Standing>, TurnFailed> {
    let Some(peer) = state.devices.get(id).map(|row| row.peer) else { return Ok(None) };
    let reply = Some(reply_contact(state, turn, peer, lasts));
    let (Some(row), Some(friend)) = (state.devices.get(id), state.friend_of(id)) else { return Ok(None) };
    let start = state.own.start();
    // What waited was taken back with the room: that nothing waits there shows nothing any more.
    let settled = if friend.may_seal() { outbox::acknowledged_below(state, turn, row, &friend.room)? } else { 0 };
    let present = RoomStanding {
        room: friend.room,
        epoch: rooms::epoch(turn, friend.room),
        sent: order::sent(state, id, &friend.room),
        opened: order::expected(state, id, &friend.room),
        settled,
    };
    let left = row.channel.formers().iter().rev();
    let left = left.map(|former| RoomStanding { room: former.room, epoch: None, sent: 0, opened: former.receive_sequence, settled: 0 });
    let instances = row.instances.as_deref().unwrap_or_default();
    let heard = |known: &Start| Some(Heard { instance: known.instance, started: known.started, over: known.over, word: known.word? });
    Ok(Some(Standing {
        instance: start.instance,
        started: start.started,
        nonce: Nonce::random(turn.rng),
        answers: answers.map(|standing| standing.nonce),
        at: turn.now,
        revision: friend.friendship.as_ref().map(|friendship| friendship.revision),
        next: row.channel.outbound.as_ref().map(counted_to),
        opened: opened_in(state, id, &friend.room),
        rooms: std::iter::once(present).chain(left).collect(),
        heard: instances.iter().filter_map(heard).collect(),
        reply,
        word: sign_start(&state.own.identity, start.instance, start.started),
        copied: row.channel.is_copied.filter(|is| *is).map(|_| True),
        entered: (friend.renewing == Some(Renewing::Entered)).then_some(True),
    }))
}

/// Where we are under a device's newest seed.
pub(super) fn counted_to(outbound: &Outbound) -> Counted {
    Counted { seed: outbound.number, counter: outbound.ratchet.next() }
}

/// Where a device is that writes to us, as far as we know: under the newest seed of a room that it has used.
pub(super) fn opened_in(state: &State, id: &DeviceId, room: &RoomId) -> Option<Counted> {
    let used = state.inbound_of(id).rev().find(|row| row.room == *room && row.opener.next() > 0)?;
    Some(Counted { seed: used.number, counter: used.opener.next() })
}

/// How long a friend may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// For a day, and in this run of the node.
    ADay,
    /// For as long as an envelope lies at a relay: two who look for each other may be there on different days.
    AMonth,
}

/// Where a friend may answer for a while, whatever else changes meanwhile.
pub(crate) fn reply_contact(state: &mut State, turn: &mut Turn<'_>, peer: PeerId, lasts: Lasts) -> Contact {
    let life = if lasts == Lasts::ADay { DAY } else { LASTING_REPLY };
    let (grant, expires) = (GrantId::random(turn.rng), turn.stamp.after(life));
    grants::give(state, turn, grant, peer, expires);
    if lasts == Lasts::AMonth {
        lifelines::keep_reply(state, turn, &peer, LastingReply { grant, expires });
    }
    let (mut entry, key) = state.own.address(turn.rng, grant, Scope::Guest, expires, 0);
    entry.places = state.own.places_for(&peer).to_vec();
    let relay_mailboxes = state.own.relay_mailboxes(turn.rng, grant, Scope::Guest, expires, 0);
    let package = state.own.direct.present();
    Contact { chain: None, package, expires, last_resort: false, entry, key, relay_mailboxes }
}
