//! Grants that we hand out with a request: how long each of them is good.
//!
//! An Offer and an Accept name a reply address with a grant of its own, for one answer and its
//! repeats. It ends a day after the request is confirmed, and at once when the request is taken
//! back, the person is blocked, or the friendship ends. Our own node knows by the request's row;
//! our relays are told by the list in our record there. An id leaves that list once its grant has
//! expired by itself.

use crate::command::{Direction, RequestStatus};
use crate::limits::{ANSWERS_MAX, GRANT_GRACE, INVITE_ANSWERS_MAX, REVOKED_MAX};
use crate::state::{Invite, Request, State};
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use minicbor::{Decode, Encode};
use symbolon_presence::id::{FrameId, GrantId, PeerId, RequestId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{CLOCK_SKEW, Timestamp};

/// A grant that our relays are told to take no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Revoked {
    #[n(0)]
    pub grant: GrantId,
    /// When it ends by itself.
    #[n(1)]
    pub expires: Timestamp,
}

/// What an answer under a reply grant is met with at our own node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is looked at.
    Good,
    /// The one who answers is told that it is too late.
    Refused,
    /// As if the key were wrong: nobody finds out by an old grant whose node this is.
    Silent,
}

/// Whether a row has ended: nothing more is awaited by it.
pub(crate) fn has_ended(status: RequestStatus) -> bool {
    match status {
        RequestStatus::Confirmed | RequestStatus::Blocked | RequestStatus::Expired | RequestStatus::Cancelled => true,
        RequestStatus::Unresolved | RequestStatus::Pending | RequestStatus::Accepted | RequestStatus::Ignored => false,
    }
}

/// Whether the other side holds our reply grant.
fn is_handed_out(row: &Request) -> bool {
    match row.direction {
        Direction::Out => !row.offer.is_empty(),
        Direction::In => row.accepted.is_some(),
    }
}

/// Whether the key that opens what comes by the reply address is erased.
pub(crate) fn is_erased(row: &Request) -> bool {
    row.reply_key.expose().iter().all(|byte| *byte == 0)
}

fn of_reply<'a>(state: &'a State, grant: &GrantId) -> Option<&'a Request> {
    state.requests.values().find(|row| row.grant == *grant && is_handed_out(row))
}

/// Whether a grant is that of a reply address which somebody holds.
pub(crate) fn is_of_reply(state: &State, grant: &GrantId) -> bool {
    of_reply(state, grant).is_some()
}

/// How a reply grant stands at our own node.
pub(crate) fn standing(state: &State, grant: &GrantId, now: Timestamp) -> Standing {
    let Some(row) = of_reply(state, grant) else { return Standing::Silent };
    let is_over = row.ended.is_some_and(|at| now.since(at) >= GRANT_GRACE);
    if is_over || state.blocked.contains(row.peer.as_bytes().as_slice()) {
        return Standing::Silent;
    }
    match row.status {
        // We asked, and have taken it back: who answers is told so for a day.
        RequestStatus::Cancelled | RequestStatus::Expired if row.direction == Direction::Out => Standing::Refused,
        RequestStatus::Pending | RequestStatus::Accepted | RequestStatus::Confirmed if !is_erased(row) => {
            let answers = row.answered.as_ref().map_or(0, Vec::len);
            if answers < ANSWERS_MAX { Standing::Good } else { Standing::Refused }
        }
        _ => Standing::Silent,
    }
}

/// Whether an envelope was taken in under this grant: its repeat is answered the same, whatever
/// has become of the grant.
pub(crate) fn was_answered(state: &State, grant: &GrantId, frame: &FrameId) -> bool {
    let of_invite = state.invites.get(grant).and_then(|invite| invite.answered.as_ref());
    let of_request = of_reply(state, grant).and_then(|row| row.answered.as_ref());
    of_invite.or(of_request).is_some_and(|frames| frames.contains(frame))
}

/// Notes that an envelope was taken in under an invite or a reply grant.
pub(crate) fn answered(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId, frame: FrameId) {
    if let Some(invite) = state.invites.get(grant).filter(|invite| !invite.last_resort).cloned() {
        let mut frames = invite.answered.clone().unwrap_or_default();
        if frames.len() < INVITE_ANSWERS_MAX {
            frames.push(frame);
            state.save_invite(turn, Invite { answered: Some(frames), ..invite });
        }
    } else if let Some(row) = of_reply(state, grant).cloned() {
        let mut frames = row.answered.clone().unwrap_or_default();
        frames.push(frame);
        state.save_request(turn, Request { answered: Some(frames), ..row });
    }
}

/// Tells our relays to take a grant no longer.
pub(crate) fn revoke(state: &mut State, turn: &mut Turn<'_>, grant: GrantId, expires: Timestamp) {
    let is_known = state.own.revoked.iter().any(|revoked| revoked.grant == grant);
    if is_known || state.own.depots.is_empty() || expires <= turn.now {
        return;
    }
    state.own.revoked.push(Revoked { grant, expires });
    if state.own.revoked.len() >= REVOKED_MAX {
        renew_secrets(state, turn);
    }
    turn.put(Table::Meta, b"revoked", &state.own.revoked);
    state.has_ended_grants = true;
}

/// The list is full: another queue secret ends every grant at our relays at once. Those who were
/// asked get a new address; friends have keys of their own.
fn renew_secrets(state: &mut State, turn: &mut Turn<'_>) {
    state.own.revoked.clear();
    let depots: Vec<_> = state.own.depots.values().cloned().collect();
    for mut own in depots {
        own.queue_secret = Secret::random(turn.rng);
        crate::depot::save(state, turn, own);
    }
    state.has_new_secrets = true;
    state.republish = true;
}

/// The reply grant of a row ends now.
pub(crate) fn end(state: &mut State, turn: &mut Turn<'_>, row: &Request) {
    if is_handed_out(row) {
        revoke(state, turn, row.grant, row.expires);
    }
}

/// A person is blocked: every grant that they hold of us ends.
pub(crate) fn block(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    for row in rows_of(state, peer) {
        end(state, turn, &row);
    }
}

/// The block is taken back: what still waits for an answer can be answered.
pub(crate) fn unblock(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    let open: Vec<GrantId> = rows_of(state, peer).into_iter().filter(|row| !has_ended(row.status)).map(|row| row.grant).collect();
    let before = state.own.revoked.len();
    state.own.revoked.retain(|revoked| !open.contains(&revoked.grant));
    if state.own.revoked.len() != before {
        turn.put(Table::Meta, b"revoked", &state.own.revoked);
        state.has_ended_grants = true;
    }
}

/// A friendship has ended on this side: so have the grants that led to it, and their keys.
pub(crate) fn part(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    for row in rows_of(state, peer).into_iter().filter(|row| has_ended(row.status)) {
        end(state, turn, &row);
        erase(state, turn, row);
    }
}

fn rows_of(state: &State, peer: &PeerId) -> Vec<Request> {
    state.requests.values().filter(|row| row.peer == *peer).cloned().collect()
}

fn erase(state: &mut State, turn: &mut Turn<'_>, mut row: Request) {
    if !is_erased(&row) {
        row.reply_key = Secret::from_bytes([0; 32]);
        state.save_request(turn, row);
    }
}

/// Ends the grants of what has ended a day ago, and erases their keys; forgets ids of grants that
/// have expired by themselves.
pub(crate) fn sweep(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let ended: Vec<RequestId> = state.requests.values().filter(|row| has_ended(row.status)).map(|row| row.id).collect();
    for id in ended {
        let Some(row) = state.requests.get(&id).cloned() else { continue };
        match row.ended {
            // Of a folder that was written before this was noted.
            None => state.save_request(turn, Request { ended: Some(turn.now), ..row }),
            Some(at) if turn.now.since(at) >= GRANT_GRACE && !is_erased(&row) => {
                end(state, turn, &row);
                erase(state, turn, row);
            }
            Some(_) => {}
        }
    }
    let before = state.own.revoked.len();
    state.own.revoked.retain(|revoked| turn.now < revoked.expires.after(CLOCK_SKEW));
    if state.own.revoked.len() != before {
        turn.put(Table::Meta, b"revoked", &state.own.revoked);
    }
    Ok(())
}

/// Whether an invite has done what it is for: the friendship that it led to began a day ago. Of
/// those that were blocked, ignored or left alone, all go with their time, so that they look alike.
pub(crate) fn is_spent(state: &State, invite: &Invite, now: Timestamp) -> bool {
    let row = invite.used.filter(|_| !invite.last_resort).and_then(|used| state.requests.get(&used));
    row.is_some_and(|row| row.status == RequestStatus::Confirmed && row.ended.is_some_and(|at| now.since(at) >= GRANT_GRACE))
}
