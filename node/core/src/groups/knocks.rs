//! How people knock at a room: the secret that its members have in common.
//!
//! Its roster says whether people may knock, where, and of which secret the room's name at its hubs is. Who goes takes the
//! secret along: so it is drawn again as soon as the epoch stands in which they are out, and never in the commit that takes
//! them out, which they can read. Until then nobody comes in by a voucher. `docs/protocol/vouching.md`.

use super::wishes;
use crate::limits::{KNOCK_KEYS_MAX, KNOCK_SECRET_KEPT};
use crate::packages::VerifiedPackage;
use crate::rows::{Group, KnockKey, WishFor};
use crate::seam::Address;
use crate::state::State;
use crate::turn::Turn;
use crate::wire::{Capabilities, KnockSecret, Knocks};
use rand_core::Rng;
use symbolon_presence::id::{PeerId, RoomAlias, RoomId};
use symbolon_presence::time::SECOND;

/// Within this time another member draws the secret again, if the one who took somebody out does not.
const RENEW_SPREAD: u64 = 60 * SECOND;

/// What a device must take to come into a room.
pub(super) fn needed(group: &Group) -> Capabilities {
    match group.roster.knocks {
        Some(_) => Capabilities(Capabilities::ROOMS.0 | Capabilities::VOUCHING.0),
        None => Capabilities::ROOMS,
    }
}

/// Whether who has made a package can read what the room says.
pub(super) fn may_come(group: &Group, package: Option<&VerifiedPackage>) -> bool {
    package.is_none_or(|package| group.roster.knocks.is_none() || package.capabilities.has(Capabilities::VOUCHING))
}

/// Whether all members can read that people may knock.
pub(super) fn can_open(state: &State, group: &Group) -> bool {
    lacking(state, group).is_none()
}

/// A member of whom nothing is known that says that their build is new enough.
pub(super) fn lacking(state: &State, group: &Group) -> Option<PeerId> {
    let takes = |leaf: &&crate::wire::RosterLeaf| {
        let seat = state.groups.seats.get(&(group.room, leaf.leaf));
        leaf.leaf == group.leaf
            || seat.is_some_and(|seat| seat.ways.capabilities.has(Capabilities::VOUCHING))
            || state.can(&leaf.device, Capabilities::VOUCHING)
    };
    group.roster.leaves.iter().find(|leaf| !takes(leaf)).map(|leaf| leaf.user)
}

/// Whether another secret is to be drawn already.
pub(super) fn waits(state: &State, room: &RoomId) -> bool {
    let mut wishes = state.groups.wishes_of(room);
    wishes.any(|wish| wish.done_in.is_none() && matches!(wish.what, WishFor::Knocks(..) | WishFor::Hubs(..)))
}

/// How people are to knock from now on, with a secret that is drawn for it.
pub(super) fn drawn(turn: &mut Turn<'_>, hubs: Vec<Vec<Address>>) -> (Knocks, KnockSecret) {
    let secret = KnockSecret::random(turn.rng);
    (Knocks { alias: secret.alias(), hubs, is_stale: false }, secret)
}

/// Draws a secret that the next commit is to give to all.
pub(super) fn draw(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, hubs: Vec<Vec<Address>>, pause: u64) -> Option<()> {
    let (knocks, secret) = drawn(turn, hubs);
    let (maker, due) = (state.own.person(), turn.now.after(pause));
    wishes::put(state, turn, room, WishFor::Knocks(knocks, secret), maker, due).map(drop)
}

/// The room is in another epoch: if somebody has gone, the secret is drawn again, first of all by who took them out.
pub(super) fn renew(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, by: &PeerId) {
    let Some(group) = state.groups.rooms.get(room).filter(|group| group.is_member()) else { return };
    let Some(knocks) = group.roster.knocks.as_ref().filter(|knocks| knocks.is_stale) else { return };
    if waits(state, room) {
        return;
    }
    let hubs = knocks.hubs.clone();
    let pause = if *by == state.own.person() { 0 } else { RENEW_SPREAD / 2 + turn.rng.next_u64() % RENEW_SPREAD };
    draw(state, turn, room, hubs, pause);
}

/// Keeps a secret: an epoch, or who brought us in, has said it.
pub(super) fn learn(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, secret: KnockSecret) {
    let alias = secret.alias();
    state.save_knock_key(turn, KnockKey { room: *room, alias, secret, until: None });
    let excess = state.groups.knock_keys_of(room).count().saturating_sub(KNOCK_KEYS_MAX);
    let present = state.groups.rooms.get(room).and_then(|group| group.roster.knocks.as_ref()).map(|knocks| knocks.alias);
    let others = state.groups.knock_keys_of(room).filter(|row| row.alias != alias && Some(row.alias) != present);
    let over: Vec<RoomAlias> = others.take(excess).map(|row| row.alias).collect();
    over.iter().for_each(|alias| state.drop_knock_key(turn, room, alias));
}

/// Forgets secrets in whose place there is another one since a day, and all of a room that we are out of.
pub(super) fn sweep(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) {
    let Some(group) = state.groups.rooms.get(room) else { return };
    let rosters = state.groups.steps_of(room).map(|step| &step.roster).chain([&group.roster]);
    let used: Vec<RoomAlias> = rosters.filter_map(|roster| roster.knocks.as_ref()).map(|knocks| knocks.alias).collect();
    let is_in = group.standing.is_in();
    for row in state.groups.knock_keys_of(room).cloned().collect::<Vec<_>>() {
        let is_used = is_in && used.contains(&row.alias);
        match row.until {
            Some(until) if !is_used && until.is_expired_at(turn.sure) => state.drop_knock_key(turn, room, &row.alias),
            None if !is_used => state.save_knock_key(turn, KnockKey { until: Some(turn.sure.after(KNOCK_SECRET_KEPT)), ..row }),
            Some(_) if is_used => state.save_knock_key(turn, KnockKey { until: None, ..row }),
            Some(_) | None => {}
        }
    }
    // A wish for it may have been given up.
    let by = state.groups.steps_of(room).next_back().map_or(PeerId([0; 32]), |step| step.by);
    renew(state, turn, room, &by);
}
