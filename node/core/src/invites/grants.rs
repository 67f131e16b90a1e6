//! Grants that we hand out with a request: how long each of them is good.
//!
//! An Offer and an Accept name a reply address with a grant of its own, for one answer and its
//! repeats. It ends a day after the request is confirmed, and at once when the request is taken
//! back, the person is blocked, or the friendship ends. Our own node knows by the request's row;
//! our relays learn it by the list in our record there. An id leaves that list once its grant has
//! expired.

use super::owners::{GrantOwner, is_handed_out, lifeline_of, owner_of};
use crate::command::{Direction, RequestStatus};
use crate::identity;
use crate::limits::{ANSWERS_MAX, GRANT_GRACE, INVITE_ANSWERS_MAX, REPLY_GRANTS_MAX, REVOKED_MAX};
use crate::notice::InvitesNotice;
use crate::rows::{Friend, Invite, Request, Revoked};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeMap;
use symbolon_presence::id::{FrameId, GrantId, PeerId, RequestId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{CLOCK_SKEW, Timestamp};

/// What an answer under a reply grant is met with at our own node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is looked at.
    Good,
    /// The one who answers hears that it is too late.
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

/// Whether the key that opens what comes by the reply address is erased.
pub(crate) fn is_erased(row: &Request) -> bool {
    row.reply_key.expose().iter().all(|byte| *byte == 0)
}

/// How a reply grant stands at our own node.
pub(crate) fn standing(state: &State, grant: &GrantId, now: Timestamp) -> Standing {
    let row = match owner_of(state, grant) {
        GrantOwner::Standing(peer, until) => {
            return if stands(state, &peer) && !until.is_expired_at(now) { Standing::Good } else { Standing::Silent };
        }
        GrantOwner::Lifeline(peer) => {
            let is_good = lifeline_of(state, grant).is_some_and(|(_, line)| !line.expires.is_expired_at(now));
            return if is_good && stands(state, &peer) { Standing::Good } else { Standing::Silent };
        }
        GrantOwner::Package(leaf) => {
            let is_good = state.packages.get(&leaf).is_some_and(|row| row.takes(grant, now));
            return if is_good { Standing::Good } else { Standing::Silent };
        }
        GrantOwner::Reply(id) => state.requests.get(&id),
        GrantOwner::Invite | GrantOwner::Friends => None,
    };
    let Some(row) = row else { return Standing::Silent };
    let is_over = row.ended.is_some_and(|at| now.since(at) >= GRANT_GRACE);
    if is_over || state.blocked.contains(row.peer.as_bytes().as_slice()) {
        return Standing::Silent;
    }
    let is_open = matches!(row.status, RequestStatus::Pending | RequestStatus::Accepted | RequestStatus::Confirmed);
    if is_open && !is_erased(row) {
        let answers = row.answered.as_ref().map_or(0, Vec::len);
        return if answers < ANSWERS_MAX { Standing::Good } else { Standing::Refused };
    }
    // We asked, and have taken it back: who answers hears so for a day.
    let led_nowhere = matches!(row.status, RequestStatus::Cancelled | RequestStatus::Expired) && row.accepted.is_none();
    let was_taken_back = row.direction == Direction::Out && led_nowhere;
    if was_taken_back { Standing::Refused } else { Standing::Silent }
}

/// Whether somebody is a friend who may write to us.
fn stands(state: &State, peer: &PeerId) -> bool {
    state.friends.get(peer).is_some_and(Friend::stands) && !state.blocked.contains(peer.as_bytes().as_slice())
}

/// Whether an envelope was taken in under this grant: its repeat is answered the same, whatever
/// has become of the grant.
pub(crate) fn was_answered(state: &State, grant: &GrantId, frame: &FrameId) -> bool {
    let answered = match owner_of(state, grant) {
        GrantOwner::Invite => state.invites.get(grant).and_then(|invite| invite.answered.as_ref()),
        GrantOwner::Reply(id) => state.requests.get(&id).and_then(|row| row.answered.as_ref()),
        GrantOwner::Standing(..) | GrantOwner::Lifeline(_) | GrantOwner::Package(_) | GrantOwner::Friends => None,
    };
    answered.is_some_and(|frames| frames.contains(frame))
}

/// Notes that an envelope was taken in under an invite or a reply grant.
pub(crate) fn answered(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId, frame: FrameId) {
    match owner_of(state, grant) {
        GrantOwner::Invite => {
            let Some(invite) = state.invites.get_mut(grant).filter(|invite| !invite.last_resort) else { return };
            let frames = invite.answered.get_or_insert_default();
            if frames.len() < INVITE_ANSWERS_MAX {
                frames.push(frame);
                turn.put(Table::Invite, grant.as_bytes(), invite);
            }
        }
        GrantOwner::Reply(id) => {
            state.change_request(turn, &id, |row| row.answered.get_or_insert_default().push(frame));
        }
        GrantOwner::Standing(..) | GrantOwner::Lifeline(_) | GrantOwner::Package(_) | GrantOwner::Friends => {}
    }
}

/// Gives a friend a grant by which their node may say how it stands with ours.
pub(crate) fn give(state: &mut State, turn: &Turn<'_>, grant: GrantId, peer: PeerId, until: Timestamp) {
    state.reply_grants.retain(|_, (_, until)| !until.is_expired_at(turn.sure));
    while state.reply_grants.len() >= REPLY_GRANTS_MAX {
        // Who has most loses the oldest: however often one friend asks, the others are still heard.
        let mut held: BTreeMap<PeerId, usize> = BTreeMap::new();
        for (of, _) in state.reply_grants.values() {
            *held.entry(*of).or_default() += 1;
        }
        let most = held.into_iter().max_by_key(|(_, count)| *count).map(|(of, _)| of);
        let of_most = state.reply_grants.iter().filter(|(_, (of, _))| Some(*of) == most);
        let Some(oldest) = of_most.min_by_key(|(grant, (_, until))| (*until, **grant)).map(|(grant, _)| *grant) else { break };
        state.reply_grants.remove(&oldest);
    }
    state.reply_grants.insert(grant, (peer, until));
}

/// Ends the grants that a friend's node holds, at our relays too. Those that an earlier run of this node gave for a day are
/// not known; they end by themselves.
pub(crate) fn withdraw(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    let given = state.reply_grants.extract_if(.., |_, (of, _)| of == peer).collect::<Vec<_>>();
    for (grant, (_, until)) in given {
        revoke(state, turn, grant, until);
    }
}

/// Our relays take other grants than they know of, or other friends may write there.
pub(crate) fn changed(turn: &mut Turn<'_>) {
    turn.tell(InvitesNotice::GrantsChanged);
}

/// Tells our relays not to take a grant any more.
pub(crate) fn revoke(state: &mut State, turn: &mut Turn<'_>, grant: GrantId, expires: Timestamp) {
    list(state, turn, Revoked { grant, expires, outlived: None });
}

/// The same of a lifeline.
pub(super) fn revoke_lifeline(state: &mut State, turn: &mut Turn<'_>, grant: GrantId, expires: Timestamp) {
    list(state, turn, Revoked { grant, expires, outlived: Some(false) });
}

fn list(state: &mut State, turn: &mut Turn<'_>, revoked: Revoked) {
    let is_known = state.own.revoked.iter().any(|known| known.grant == revoked.grant);
    if is_known || state.own.relay_mailboxes.is_empty() || revoked.expires <= turn.sure {
        return;
    }
    state.own.revoked.push(revoked);
    if state.own.revoked.len() >= REVOKED_MAX {
        renew_secrets(state, turn);
    }
    turn.put(Table::Meta, b"revoked", &state.own.revoked);
    changed(turn);
}

/// A request was confirmed: the invite by which it came has done its work, and our relays say so to
/// anyone else who comes by it. What they have taken before they answer as before.
pub(crate) fn confirmed(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) {
    let used = state.invites.values().find(|invite| !invite.last_resort && invite.used == Some(*id));
    if let Some((grant, expires)) = used.map(|invite| (invite.grant, invite.expires)) {
        revoke(state, turn, grant, expires);
    }
}

/// The list is full: another queue secret ends every grant at our relays at once. Those who were
/// asked get a new address; friends have keys of their own.
///
/// Lifelines are good under the secret before as well: one that has ended stays in the list until that has expired, too.
fn renew_secrets(state: &mut State, turn: &mut Turn<'_>) {
    state.own.revoked.retain(|revoked| revoked.outlived == Some(false));
    state.own.revoked.iter_mut().for_each(|revoked| revoked.outlived = Some(true));
    let relay_mailboxes: Vec<_> = state.own.relay_mailboxes.values().cloned().collect();
    for mut own in relay_mailboxes {
        own.queue_secret = Secret::random(turn.rng);
        state.save_relay_mailbox(turn, own);
    }
    turn.tell(InvitesNotice::SecretsRenewed);
    identity::records_changed(turn);
}

/// The reply grant of a row ends now.
pub(crate) fn end(state: &mut State, turn: &mut Turn<'_>, row: &Request) {
    if is_handed_out(row) {
        revoke(state, turn, row.grant, row.expires);
    }
}

/// A person is blocked: every grant that they hold of us ends.
pub(crate) fn block(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    withdraw(state, turn, peer);
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
        changed(turn);
    }
}

pub(crate) fn rows_of(state: &State, peer: &PeerId) -> Vec<Request> {
    state.requests.values().filter(|row| row.peer == *peer).cloned().collect()
}

pub(crate) fn erase(state: &mut State, turn: &mut Turn<'_>, mut row: Request) {
    if !is_erased(&row) {
        row.reply_key = Secret::from_bytes([0; 32]);
        state.save_request(turn, row);
    }
}

/// Ends the grants of what has surely ended a day ago, and erases their keys; forgets ids of grants that
/// have expired by themselves.
pub(crate) fn sweep(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let ended: Vec<RequestId> = state.requests.values().filter(|row| has_ended(row.status)).map(|row| row.id).collect();
    for id in ended {
        let Some(row) = state.requests.get(&id) else { continue };
        match row.ended {
            // Of a folder that was written before this was noted.
            None => {
                let at = turn.stamp;
                state.change_request(turn, &id, |row| row.ended = Some(at));
            }
            Some(at) if turn.sure.since(at) >= GRANT_GRACE && !is_erased(row) => {
                let row = row.clone();
                end(state, turn, &row);
                erase(state, turn, row);
            }
            Some(_) => {}
        }
    }
    let before = state.own.revoked.len();
    state.own.revoked.retain(|revoked| turn.sure < revoked.expires.after(CLOCK_SKEW));
    if state.own.revoked.len() != before {
        turn.put(Table::Meta, b"revoked", &state.own.revoked);
    }
    Ok(())
}

/// Whether an invite has done what it is for: the friendship that it led to began a day ago. Of
/// those that were blocked, ignored or left alone, all go with their time, so that they look alike.
pub(crate) fn is_spent(state: &State, invite: &Invite, sure: Timestamp) -> bool {
    let row = invite.used.filter(|_| !invite.last_resort).and_then(|used| state.requests.get(&used));
    row.is_some_and(|row| row.status == RequestStatus::Confirmed && row.ended.is_some_and(|at| sure.since(at) >= GRANT_GRACE))
}

#[cfg(test)]
mod tests;
