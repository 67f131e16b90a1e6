//! Letting people knock at a room, and those in for whom we vouch. `docs/protocol/vouching.md`.

use super::order::Right;
use super::plans::Groups;
use super::{knocks, settings, wishes};
use crate::command::CommandError;
use crate::packages::VerifiedPackage;
use crate::rows::{WishFor, WishRow};
use crate::seam::Address;
use crate::state::State;
use crate::turn::{Failed, Turn};
use crate::wire::{Vouch, hubs_of};
use symbolon_presence::id::{RoomAlias, RoomId};

/// Whether our user may let people knock at a room; how it is called at its hubs, if they may already.
fn may_open(state: &State, room: &RoomId) -> Result<Option<RoomAlias>, CommandError> {
    let group = settings::with_right(state, room, Right::Post)?;
    if let Some(knocks) = &group.roster.knocks {
        return Ok(Some(knocks.alias));
    }
    settings::with_right(state, room, Right::Add)?;
    if knocks::lacking(state, &group).is_some() { Err(CommandError::OldBuild) } else { Ok(None) }
}

/// Lets people knock at a room, by these hubs. Whether it was not open before.
pub(crate) fn open(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, servers: Vec<Vec<Address>>) -> Result<bool, Failed> {
    if may_open(state, room)?.is_some() || knocks::waits(state, room) {
        return Ok(false);
    }
    let hubs = hubs_of(servers);
    if hubs.is_empty() {
        return Err(CommandError::NoHub.into());
    }
    knocks::draw(state, turn, room, hubs, 0).map(|()| true).ok_or(Failed::Command(CommandError::Full))
}

/// People knock by these hubs from now on. Whether our user may say so, and one more wish has place.
pub(crate) fn move_hubs(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, hubs: Vec<Vec<Address>>) -> bool {
    if settings::with_right(state, room, Right::Add).is_err() || knocks::waits(state, room) {
        return false;
    }
    let (knocks, secret) = knocks::drawn(turn, hubs);
    wishes::wish(state, turn, room, WishFor::Hubs(knocks, secret)).is_some()
}

/// A friend comes in for whom we vouch, by a package of theirs. Whether one more wish has place.
pub(crate) fn vouch(
    state: &mut State,
    turn: &mut Turn<'_>,
    groups: &mut Groups,
    (room, alias): (&RoomId, RoomAlias),
    vouch: Vouch,
    package: VerifiedPackage,
) -> bool {
    let (device, peer) = (package.device.device, package.device.person);
    let is_it = |wish: &WishRow| wish.done_in.is_none() && matches!(wish.what, WishFor::Vouch(of, ..) if of == peer);
    if state.groups.wishes_of(room).any(is_it) {
        return true;
    }
    if wishes::wish(state, turn, room, WishFor::Vouch(peer, alias, vouch)).is_none() {
        return false;
    }
    groups.fetched(state, device, Ok(package));
    true
}
