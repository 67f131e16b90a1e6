//! Owners of grants: who has given out the right by which a first envelope comes.
//!
//! Anyone who holds a grant may write to us, and what they write is for the machine that gave the grant out: its key opens
//! the envelope, its row says whether the grant is still good, and its answers are remembered there. A machine that hands
//! out grants of its own (knocks) adds an owner here and an opener in the intake.

use crate::command::Direction;
use crate::rows::{Lifeline, Request};
use crate::state::State;
use symbolon_presence::id::{GrantId, PeerId, PublicKeyBytes, RequestId};
use symbolon_presence::time::Timestamp;

/// Whose a grant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantOwner {
    /// An invite of ours, or the package of contact records.
    Invite,
    /// The reply address of a request, for its answer.
    Reply(RequestId),
    /// A Standing of ours wants this friend's answer, until then.
    Standing(PeerId, Timestamp),
    /// The lifeline of this friend.
    Lifeline(PeerId),
    /// A package of ours, or the seat in rooms that has come of it: members of rooms write by it.
    Package(PublicKeyBytes),
    /// None that we know: what comes by it needs the key of friends.
    Friends,
}

/// Who has given a grant out. Grants are random, so no two are the same.
pub(crate) fn owner_of(state: &State, grant: &GrantId) -> GrantOwner {
    if state.invites.contains_key(grant) {
        GrantOwner::Invite
    } else if let Some((peer, until)) = state.reply_grants.get(grant) {
        GrantOwner::Standing(*peer, *until)
    } else if let Some((peer, _)) = lifeline_of(state, grant) {
        GrantOwner::Lifeline(peer)
    } else if let Some(package) = state.packages.of_grant(grant) {
        GrantOwner::Package(package.leaf)
    } else {
        of_reply(state, grant).map_or(GrantOwner::Friends, |row| GrantOwner::Reply(row.id))
    }
}

/// Whose lifeline a grant is, and the lifeline.
pub(super) fn lifeline_of<'a>(state: &'a State, grant: &GrantId) -> Option<(PeerId, &'a Lifeline)> {
    state.lifelines.values().find_map(|given| given.lines.iter().find(|line| line.grant == *grant).map(|line| (given.peer, line)))
}

/// Whether the other side holds our reply grant.
pub(super) fn is_handed_out(row: &Request) -> bool {
    match row.direction {
        Direction::Out => !row.offer.is_empty(),
        Direction::In => row.accepted.is_some(),
    }
}

/// The request whose reply address has this grant, once somebody holds it.
fn of_reply<'a>(state: &'a State, grant: &GrantId) -> Option<&'a Request> {
    state.requests.values().find(|row| row.grant == *grant && is_handed_out(row))
}

#[cfg(test)]
mod tests;
