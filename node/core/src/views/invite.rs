//! Invites as shown to the user.

use crate::command::{InviteState, InviteView};
use crate::invites;
use crate::rows::Invite;
use crate::state::State;
use symbolon_presence::time::Timestamp;

/// The invites made here, those that end first before the others.
pub(crate) fn views(state: &State, now: Timestamp) -> Vec<InviteView> {
    let mut views: Vec<InviteView> = state.invites.values().filter(invites::is_own_wish).map(|invite| view(state, invite, now)).collect();
    views.sort_by_key(|view| (view.expires, view.invite));
    views
}

pub(crate) fn view(state: &State, invite: &Invite, now: Timestamp) -> InviteView {
    let is_kept = state.own.kept_bodies.contains(&invite.grant);
    let state = match invite.used {
        Some(_) => InviteState::Used,
        None if invite.expires.is_expired_at(now) => InviteState::Expired,
        None if invite.spoiled.is_some() => InviteState::Spoiled,
        None => InviteState::Open,
    };
    InviteView { invite: invite.grant, expires: invite.expires, state, is_kept }
}
