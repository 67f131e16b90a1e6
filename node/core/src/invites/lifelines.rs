//! Lifelines: rights to write to us that depend on no key of friends. `docs/protocol/renewal.md`.
//!
//! Friends' keys and records change; a lifeline does not. When both have changed theirs while they were apart, it is the way
//! that is left. Each friend holds one of their own, good for all mailboxes of ours, for Standings alone.
//!
//! Here are the rows: who was given what, how often it was used, and what we hold of others. When one is said or used is for
//! [`renewal`](crate::renewal) to say.

use super::grants;
use super::owners::lifeline_of;
use crate::limits::{APART_LIFE, LASTING_REPLIES_OF_FRIEND, LIFELINE_LIFE, LIFELINES_MAX, LIFELINES_OF_FRIEND};
use crate::rows::{Friend, Given, Held, LastingReply, Lifeline, Used};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::wire::Contact;
use symbolon_presence::id::{DeviceId, Digest, GrantId, PeerId, RoomId};
use symbolon_presence::kdf::{Secret, sha256};
use symbolon_presence::kem::KemKey;
use symbolon_presence::record::day_of;
use symbolon_presence::time::Timestamp;
use symbolon_relay::grant::Scope;
use symbolon_relay::limits::LIFELINE_USES;

/// The mailboxes at which lifelines are good now, as a hash over what gives the right to write there.
pub(crate) fn mailboxes(state: &State) -> Digest {
    let own = &state.own;
    let told = own.relay_mailboxes.values().filter(|relay| relay.is_told());
    let relays = told.flat_map(|relay| [*relay.link.mailbox().as_bytes(), sha256(relay.queue_secret.expose())]);
    let all: Vec<u8> = std::iter::once(*own.admission.id().as_bytes()).chain(relays).flatten().collect();
    Digest(sha256(&all))
}

/// Whether a friend is to get a lifeline: there is none, half of its life has passed, our mailboxes are others, or it was said
/// in a room that was left before the friend had it.
pub(crate) fn is_due(state: &State, friend: &Friend, mailboxes: &Digest, sure: Timestamp) -> bool {
    let Some(given) = state.lifelines.get(&friend.peer) else { return state.lifelines.len() < LIFELINES_MAX };
    let is_old = given.lines.last().is_none_or(|line| line.expires.since(sure) < LIFELINE_LIFE / 2);
    is_old || given.mailboxes != *mailboxes || given.said_in.is_some_and(|room| room != friend.room)
}

/// A friend's lifeline, to be said in their room. None while too many have one.
pub(crate) fn give(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, room: RoomId) -> Option<Contact> {
    let mut given = row_of(state, peer)?;
    if given.lines.last().is_none_or(|line| line.expires.since(turn.sure) < LIFELINE_LIFE / 2) {
        let excess = given.lines.len().saturating_sub(LIFELINES_OF_FRIEND - 1);
        let gone: Vec<Lifeline> = given.lines.drain(..excess).collect();
        gone.iter().for_each(|line| grants::revoke_lifeline(state, turn, line.grant, line.expires));
        let (grant, key) = (GrantId::random(turn.rng), Secret::random(turn.rng));
        given.lines.push(Lifeline { grant, key, made: turn.stamp, expires: turn.sure.after(LIFELINE_LIFE), used: None });
    }
    given.mailboxes = mailboxes(state);
    given.said_in = Some(room);
    let contact = given.lines.last().map(|line| contact(state, turn, peer, line))?;
    state.save_given(turn, given);
    Some(contact)
}

/// What a friend was given, or a row for it. None while too many have one.
fn row_of(state: &State, peer: &PeerId) -> Option<Given> {
    let blank = Given { peer: *peer, lines: Vec::new(), mailboxes: Digest([0; 32]), said_in: None, replies: Vec::new() };
    let has_room = state.lifelines.len() < LIFELINES_MAX;
    state.lifelines.get(peer).cloned().or(has_room.then_some(blank))
}

/// How one lifeline is used.
fn contact(state: &State, turn: &mut Turn<'_>, peer: &PeerId, line: &Lifeline) -> Contact {
    let Lifeline { grant, expires, .. } = *line;
    let (mut entry, key) = state.own.address(turn.rng, grant, Scope::Guest, expires, LIFELINE_USES);
    entry.places = state.own.places_for(peer).to_vec();
    let relay_mailboxes = state.own.relay_mailboxes(turn.rng, grant, Scope::Guest, expires, LIFELINE_USES);
    let package = KemKey::from_bytes(*line.key.expose()).public().bytes();
    Contact { chain: None, package, expires, last_resort: false, entry, key, relay_mailboxes }
}

/// The friend has the lifeline that was said.
pub(crate) fn taken(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    change(state, turn, peer, |given| given.said_in = None);
}

/// The key that opens what came by a lifeline.
pub(crate) fn key_of(state: &State, grant: &GrantId) -> Option<KemKey> {
    lifeline_of(state, grant).map(|(_, line)| KemKey::from_bytes(*line.key.expose()))
}

/// Counts a use of a lifeline. False when it was used often enough on this day.
pub(crate) fn take_use(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId) -> bool {
    let Some((peer, line)) = lifeline_of(state, grant) else { return false };
    let day = day_of(turn.now);
    let count = line.used.filter(|used| used.day == day).map_or(0, |used| used.count);
    if count >= LIFELINE_USES {
        return false;
    }
    let used = Some(Used { day, count: count.saturating_add(1) });
    change(state, turn, &peer, |given| {
        given.lines.iter_mut().filter(|line| line.grant == *grant).for_each(|line| line.used = used);
    });
    true
}

/// Notes a grant by which a friend may answer for as long as it is good, also after this run of the node.
pub(crate) fn keep_reply(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, reply: LastingReply) {
    let Some(mut given) = row_of(state, peer) else { return };
    let excess = given.replies.len().saturating_sub(LASTING_REPLIES_OF_FRIEND - 1);
    given.replies.drain(..excess);
    given.replies.push(reply);
    state.save_given(turn, given);
}

/// A friendship has ended, or is blocked: what the friend holds of us is worth nothing any more, at our relays too.
pub(crate) fn withdraw(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    let Some(given) = state.lifelines.remove(peer) else { return };
    turn.delete(Table::Lifeline, peer.as_bytes());
    for line in &given.lines {
        grants::revoke_lifeline(state, turn, line.grant, line.expires);
    }
    for reply in &given.replies {
        grants::revoke(state, turn, reply.grant, reply.expires);
    }
}

/// Forgets lifelines that have ended, and with them the keys that open what comes by them.
pub(crate) fn sweep(state: &mut State, turn: &mut Turn<'_>) {
    let sure = turn.sure;
    let is_over = |given: &Given| {
        given.lines.iter().any(|line| line.expires.is_expired_at(sure))
            || given.replies.iter().any(|reply| reply.expires.is_expired_at(sure))
    };
    let over: Vec<PeerId> = state.lifelines.values().filter(|given| is_over(given)).map(|given| given.peer).collect();
    for peer in over {
        change(state, turn, &peer, |given| {
            given.lines.retain(|line| !line.expires.is_expired_at(sure));
            given.replies.retain(|reply| !reply.expires.is_expired_at(sure));
        });
        if state.lifelines.get(&peer).is_some_and(|given| given.lines.is_empty() && given.replies.is_empty()) {
            state.lifelines.remove(&peer);
            turn.delete(Table::Lifeline, peer.as_bytes());
        }
    }
}

fn change(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, change: impl FnOnce(&mut Given)) {
    if let Some(mut given) = state.lifelines.get(peer).cloned() {
        change(&mut given);
        state.save_given(turn, given);
    }
}

/// What is known of the lifelines between a device and this one.
pub(crate) fn held(turn: &Turn<'_>, device: &DeviceId) -> Result<Option<Held>, TurnFailed> {
    turn.row(Table::HeldLifeline, device.as_bytes())
}

/// Notes something of it.
pub(crate) fn note(turn: &mut Turn<'_>, device: &DeviceId, note: impl FnOnce(&mut Held)) -> Result<(), TurnFailed> {
    let blank = Held { device: *device, contact: None, used: None, tries: 0, heard: None, asked: None };
    let mut row = held(turn, device)?.unwrap_or(blank);
    note(&mut row);
    turn.put(Table::HeldLifeline, device.as_bytes(), &row);
    Ok(())
}

/// Whether a device and this one are looking for each other by lifelines: the keys of one of them may be unknown to the other.
pub(crate) fn is_apart(turn: &Turn<'_>, device: &DeviceId) -> Result<bool, TurnFailed> {
    let is_recent = |at: Option<Timestamp>| at.is_some_and(|at| turn.now.since(at) < APART_LIFE);
    Ok(held(turn, device)?.is_some_and(|row| is_recent(row.used) || is_recent(row.heard)))
}

/// Both know each other's keys.
pub(crate) fn found_again(turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
    let is_noted = |row: Held| row.used.is_some() || row.heard.is_some();
    if held(turn, device)?.is_some_and(is_noted) {
        note(turn, device, |row| (row.used, row.tries, row.heard, row.asked) = (None, 0, None, None))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
