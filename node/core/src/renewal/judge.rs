//! A friend's device has said how it stands with us: who of the two is behind, and what follows.

use super::account::{counted_to, opened_in};
use super::friends::{is_friends, lacks_keys};
use super::outgrown::hold;
use super::rivals::watch_for_rivals;
use super::room::{confirm_again, give_up_entering, is_under_way, offer};
use crate::command::{Direction, RequestStatus};
use crate::delivery::{outbox, sealing, starts};
use crate::friendships::{commit_taken, fresh_seed, give_bundle, send_bundle};
use crate::invites::lifelines;
use crate::notice::RenewalNotice;
use crate::rooms::{self, order};
use crate::rows::{Friend, FriendState, Renewing, Request};
use crate::seam::{Event, Warning};
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{PAYLOAD_MAX, Standing, Statement, is_start_of};
use symbolon_presence::id::{DeviceId, Nonce, PeerId, RoomId};
use symbolon_presence::seeds::FAR_AHEAD;
use symbolon_presence::time::CLOCK_SKEW;
use symbolon_presence::{codec, identity};

/// Revisions that a friend may know of and we do not: more than anybody takes out.
const REVISIONS_AHEAD_MAX: u64 = 1 << 32;

/// What a device asks how we stand with it.
#[derive(Debug)]
pub(crate) struct Question {
    pub standing: Standing,
    /// What it says does not fit what is known here: it is asked in turn.
    pub is_odd: bool,
}

/// How a Standing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Came {
    /// It lay at a relay.
    pub is_left: bool,
    /// By a lifeline of ours.
    pub by_lifeline: bool,
}

/// Takes a Standing in: a question is answered to those above. Errors change nothing.
pub(crate) fn receive(
    state: &mut State,
    turn: &mut Turn<'_>,
    device: &identity::Device,
    statement: &Statement,
    came: Came,
) -> Result<Option<Question>, Rejected> {
    let standing: Standing = codec::decode(&statement.body, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    let is_start = is_start_of(&device.signing, &device.peer, standing.instance, standing.started, &standing.word);
    if !standing.is_bounded() || !is_start {
        return Err(DropReason::Malformed.into());
    }
    let id = device.device;
    if !is_friends(state, &id) {
        // Anybody who is no friend hears nothing: it looks as if this node had not come back yet.
        return Err(DropReason::Blocked.into());
    }
    if came.is_left && standing.answers.is_none() && is_overtaken(state, turn, &id, &standing) {
        return Err(DropReason::Repeated.into());
    }
    let fits = |nonce: &Nonce| state.devices.get(&id).and_then(|row| row.asked.as_ref()).is_some_and(|asked| asked.contains(nonce));
    let is_answer = match &standing.answers {
        Some(nonce) => fits(nonce),
        None => false,
    };
    // One that a relay hands out, of a run whose clock was ahead, may be of long ago: nobody can say which start came later.
    if !(came.is_left && !is_answer && standing.at.is_future_at(turn.now)) {
        starts::heard(state, turn, &id, &standing, is_answer);
    }
    if came.by_lifeline {
        let now = turn.now;
        // Why else would they use it?
        lifelines::note(turn, &id, |held| held.heard = Some(now))?;
    }
    let is_timely = turn.now.0.abs_diff(standing.at.0) <= CLOCK_SKEW;
    if is_answer || is_timely {
        learn_direct(state, &id, &standing);
        watch_for_rivals(state, turn, &device.peer, &standing);
        if let Some((room, epoch)) = standing.rooms.first().and_then(|present| Some((present.room, present.epoch?))) {
            // Its receipt for a commit of ours may be lost for good.
            commit_taken(state, turn, &room, epoch)?;
        }
        if standing.entered.is_some() {
            confirm_again(state, turn, device, &standing)?;
        }
    }
    let Some(nonce) = standing.answers else {
        // A question, which may be old: what it says is a reason to ask, never one to act.
        let holds_ours = |friend: &Friend| !friend.giving && !has_other_keys(state, friend, &standing);
        if came.by_lifeline && state.friends.get(&device.peer).is_some_and(holds_ours) {
            // It has our keys and uses none of them, so what it lacks is where it may write to.
            give_bundle(state, turn, &device.peer)?;
        }
        let is_spent = state.friend_of(&id).is_some_and(|friend| is_spent(state, &id, friend, &standing));
        let is_odd = came.by_lifeline || is_spent || judge(state, &id, &standing) != Verdict::Fine;
        return Ok(Some(Question { standing, is_odd }));
    };
    if !is_answer {
        return Err(DropReason::Repeated.into());
    }
    if let Some(asked) = state.device_mut(&id).and_then(|row| row.asked.as_mut()) {
        asked.retain(|known| *known != nonce);
    }
    turn.tell(RenewalNotice::Answered(id));
    if let Some(opened) = standing.opened {
        sealing::opened(state, turn, &id, opened.seed, opened.counter);
    }
    if let Some(present) = standing.rooms.first() {
        outbox::drop_skips(state, turn, &id, &present.room, present.opened)?;
    }
    act(state, turn, &device.peer, &id, &standing)?;
    Ok(None)
}

/// A friend's device has said under which key it is written to directly.
fn learn_direct(state: &mut State, id: &DeviceId, said: &Standing) {
    let Some(reply) = &said.reply else { return };
    if state.devices.get(id).is_some_and(|row| row.direct.as_ref() != Some(&reply.package))
        && let Some(row) = state.device_mut(id)
    {
        row.direct = Some(reply.package.clone());
    }
}

/// Whether a question was made before the start that was heard last, in another one: that run has ended, and
/// nobody waits for the answer. A start to come says nothing: that device's clock was ahead.
fn is_overtaken(state: &State, turn: &Turn<'_>, id: &DeviceId, question: &Standing) -> bool {
    let last = state.devices.get(id).and_then(|row| row.instances.as_ref()?.last());
    last.is_some_and(|last| last.instance != question.instance && question.at < last.started && !last.started.is_future_at(turn.now))
}

/// What two devices' accounts of each other come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// The other one has seen more of us than we know of.
    Behind,
    /// Both hold what they can have only if one of them was put back, and nobody can say which.
    Astray,
}

fn judge(state: &State, id: &DeviceId, said: &Standing) -> Verdict {
    let (Some(row), Some(friend), Some(theirs)) = (state.devices.get(id), state.friend_of(id), said.rooms.first()) else {
        return Verdict::Fine;
    };
    if theirs.room == friend.room {
        let sent = row.channel.outbound.as_ref().filter(|outbound| outbound.room == friend.room).map(counted_to);
        let drawn = state.newest_inbound(id).filter(|row| row.room == friend.room).map(|row| row.number);
        // What it has opened we have sealed, and what it writes under we have drawn.
        let has_seen_more = said.opened > sent
            || said.next.is_some_and(|next| Some(next.seed) > drawn)
            || theirs.opened > order::sent(state, id, &friend.room);
        // It has our word for what we do not hold.
        let has_our_word = theirs.settled > order::expected(state, id, &friend.room);
        return if has_seen_more || has_our_word || said.copied.is_some() { Verdict::Behind } else { Verdict::Fine };
    }
    let open = state.requests.values().find(|row| row.peer == friend.peer && row.room == Some(theirs.room) && row.is_open());
    if let Some(open) = open {
        // On the way from one room to the other. But who is in the room of an Offer of ours and waits for no Confirm has it, and a
        // newer state of this folder had the Accept.
        let has_confirm = open.direction == Direction::Out && open.status == RequestStatus::Pending && said.entered.is_none();
        return if has_confirm { Verdict::Behind } else { Verdict::Fine };
    }
    if row.channel.formers().iter().any(|former| former.room == theirs.room) || leaves(state, friend, &theirs.room) {
        return Verdict::Fine;
    }
    if said.rooms.iter().any(|left| left.room == friend.room) {
        return Verdict::Behind;
    }
    Verdict::Astray
}

/// Whether a friend is to leave a room for the one that was entered here: by their Offer, as soon as our Accept has come.
fn leaves(state: &State, friend: &Friend, room: &RoomId) -> bool {
    let is_entered = |row: &&Request| {
        row.peer == friend.peer && row.room == Some(friend.room) && row.direction == Direction::In && row.status == RequestStatus::Accepted
    };
    let offers = state.requests.values().filter(is_entered);
    offers.filter_map(|row| row.renews.as_ref()).any(|renews| renews.room == *room)
}

/// Whether both are in different epochs of their room for good: a frame of the device's could not be opened for that, and no commit
/// of ours is on its way that could explain it.
fn has_strayed(state: &mut State, turn: &Turn<'_>, id: &DeviceId, said: &Standing) -> bool {
    let (Some(row), Some(friend), Some(theirs)) = (state.devices.get(id), state.friend_of(id), said.rooms.first()) else { return false };
    let (Some(epoch), true) = (theirs.epoch, theirs.room == friend.room && row.channel.is_lost == Some(true)) else { return false };
    if rooms::epoch(turn, friend.room) == Some(epoch) {
        if let Some(row) = state.channel_mut(id) {
            row.is_lost = None;
        }
        return false;
    }
    state.rooms.get(&friend.room).and_then(|row| row.commits).is_none_or(|commits| commits.pending.is_none())
}

/// Whether a device may seal nothing more under its seed: too much of it was lost.
fn is_spent(state: &State, id: &DeviceId, friend: &Friend, said: &Standing) -> bool {
    let newest = state.newest_inbound(id).filter(|row| row.room == friend.room).map(|row| row.number);
    let next = said.next.filter(|next| Some(next.seed) == newest);
    let opened = opened_in(state, id, &friend.room).filter(|opened| Some(opened.seed) == newest).map_or(0, |opened| opened.counter);
    next.is_some_and(|next| next.counter >= opened.saturating_add(FAR_AHEAD))
}

/// A device has answered how it stands with us.
fn act(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, id: &DeviceId, said: &Standing) -> Result<(), Rejected> {
    let verdict = judge(state, id, said);
    let verdict = if verdict == Verdict::Fine && has_strayed(state, turn, id, said) { Verdict::Behind } else { verdict };
    let known = state.own.friendship.revision;
    let later = said.revision.filter(|revision| *revision > known && revision - known < REVISIONS_AHEAD_MAX);
    // Of one friend once a day: each costs all friends new keys.
    if let Some(revision) = later.filter(|_| state.rates.revision(turn.now, *peer)) {
        turn.tell(RenewalNotice::LaterRevision(revision));
    }
    let Some(friend) = state.friends.get(peer) else { return Ok(()) };
    let renewing = friend.renewing;
    let lacks_ours =
        verdict == Verdict::Fine && renewing.is_none() && has_other_keys(state, friend, said) && lifelines::is_apart(turn, id)?;
    let is_spent = is_spent(state, id, friend, said);
    // Nothing can be said in the room either way, a new seed neither.
    let are_both_spent = verdict == Verdict::Fine && renewing.is_none() && is_spent && sealing::is_full(state, id);
    let is_ours_to_do = match (renewing, verdict) {
        (Some(Renewing::Behind | Renewing::Outgrown | Renewing::Apart), _) | (_, Verdict::Behind) => true,
        // Somebody has to begin: it takes one.
        (_, Verdict::Astray) => state.own.identity.device < *id,
        (_, Verdict::Fine) => lacks_ours || (are_both_spent && state.own.identity.device < *id),
    };
    if verdict == Verdict::Fine && is_spent && !is_ours_to_do && friend.renewing.is_none() {
        fresh_seed(state, turn, peer)?;
    }
    let Some(friend) = state.friends.get(peer) else { return Ok(()) };
    if verdict == Verdict::Fine && !is_ours_to_do && lacks_keys(state, friend) {
        // Whatever began again since: in a room that is whole it can be said.
        send_bundle(state, turn, peer)?;
    }
    if !is_ours_to_do || is_under_way(state, turn, peer) {
        return Ok(());
    }
    if lacks_ours || are_both_spent {
        // What friends have is of no use in a room whose frames find no way: it goes with a new one.
        hold(state, turn, peer, Renewing::Apart)?;
    } else if verdict == Verdict::Behind || !matches!(renewing, Some(Renewing::Behind | Renewing::Outgrown | Renewing::Apart)) {
        if renewing == Some(Renewing::Entered) {
            // The room that was entered is none that both share: nobody confirms it.
            give_up_entering(state, turn, peer)?;
        }
        fall_behind(state, turn, peer)?;
        turn.tell(RenewalNotice::Newer);
    }
    if !state.rates.room(turn.now, *peer) {
        return Ok(());
    }
    offer(state, turn, peer, id, said)
}

/// Whether a friend holds another friendship secret of ours than the present one, or none of the keys of our tree.
fn has_other_keys(state: &State, friend: &Friend, said: &Standing) -> bool {
    said.revision != Some(state.own.friendship.revision) || !state.own.presence.has_block(&friend.peer)
}

/// Nothing more is sealed in the room of a friendship: what was not delivered waits for the next one.
fn fall_behind(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).filter(|friend| friend.state == FriendState::Mutual) else { return Ok(()) };
    let is_new = friend.renewing != Some(Renewing::Behind);
    hold(state, turn, peer, Renewing::Behind)?;
    if is_new {
        turn.notify(Event::Warning(Warning::OlderCopy));
    }
    turn.notify(Event::Friend(*peer));
    Ok(())
}
