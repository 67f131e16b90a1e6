//! Welcomes into a room that we are in: when another epoch takes the place of ours.
//!
//! Any member can make another room under the same id, with the leaves of all the others in it. So a Welcome takes the place of
//! what we have only if its maker could have taken us out and brought us in again, and it takes nothing from those whom they may
//! not remove. Every other one waits until a commit that we have judged has taken us out; who has said it is asked for those that
//! we lack. `docs/protocol/shared-rooms.md`.

use super::order::{Right, may};
use super::since;
use crate::limits::{FINAL_AGE, WELCOMES_WAITING_MAX};
use crate::rooms;
use crate::rows::{CameBy, Group, Invitation, invitation_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{Role, Roster, WelcomeBundle};
use crate::world::WelcomeView;
use symbolon_presence::id::{PeerId, RoomId};
use symbolon_presence::identity::Device;

/// Where a Welcome leads.
pub(super) struct Leads<'a> {
    pub view: &'a WelcomeView,
    pub roster: &'a Roster,
    pub came: Option<CameBy>,
}

/// Whether a Welcome takes the place of a room that we are in, at once.
pub(super) fn gives_way(turn: &Turn<'_>, held: &Group, me: &PeerId, adder: &Device, to: &Leads<'_>) -> Result<bool, TurnFailed> {
    if adder.person == *me {
        return Ok(true);
    }
    let Some((theirs, mine)) = held.roster.role(&adder.person).zip(held.roster.role(me)) else { return Ok(false) };
    if !takes_nothing(&held.roster, to.roster, &adder.person, theirs) {
        return Ok(false);
    }
    Ok((may(theirs, Right::Add) && may(theirs, Right::Remove(mine))) || has_vouched_first(turn, held, adder, to)?)
}

/// Whether those whom somebody may not remove are all there as before, and nobody has a role that they may not give.
fn takes_nothing(held: &Roster, other: &Roster, by: &PeerId, role: Role) -> bool {
    let stays = |user: &PeerId, as_before: Role| user == by || role > as_before || other.role(user) == Some(as_before);
    let is_given = |user: &PeerId, now: Role| role == Role::Owner || now == Role::Member || held.role(user) == Some(now);
    held.users.iter().all(|user| stays(&user.user, user.role)) && other.users.iter().all(|user| is_given(&user.user, user.role))
}

/// Whether somebody else has vouched for us at the same time as who has brought us in, and the commit of the first gives way to theirs.
fn has_vouched_first(turn: &Turn<'_>, held: &Group, adder: &Device, to: &Leads<'_>) -> Result<bool, TurnFailed> {
    let is_rival = to.came.zip(held.came).is_some_and(|(now, before)| now.stands_before(&before));
    if !is_rival || held.roster.knocks.is_none() || turn.sure.since(held.since) >= FINAL_AGE {
        return Ok(false);
    }
    // The rank is of the place in the tree: it is the one that they have with us.
    let leaf = |roster: &Roster| roster.device(&adder.device).map(|row| row.leaf);
    let Some(leaf) = leaf(&held.roster).filter(|ours| leaf(to.roster) == Some(*ours)) else { return Ok(false) };
    let at = to.view.members.iter().find(|member| member.leaf.0 == *leaf.as_bytes()).map(|member| member.index);
    let members = rooms::leaves(turn, held.room)?;
    Ok(members.iter().find(|member| member.leaf.0 == *leaf.as_bytes()).map(|member| member.index) == at)
}

/// Keeps a Welcome until we are out of its room, and asks who has said it for the commits that we lack. One of each friend is kept.
pub(super) fn wait(state: &mut State, turn: &mut Turn<'_>, from: &Device, bundle: &WelcomeBundle) -> Result<(), Rejected> {
    let (room, own) = (bundle.room, state.own.identity.device);
    let said_in = state.friend_of(&from.device).map(|friend| friend.room);
    let before: Vec<RoomId> = waiting(state).filter(|(of, said)| *said == said_in || *of == room).map(|(of, _)| of).collect();
    for of in before {
        drop_waiting(state, turn, &of);
    }
    if waiting(state).count() >= WELCOMES_WAITING_MAX {
        return Err(DropReason::Full.into());
    }
    let row = Invitation { room, device: own, bundle: bundle.clone(), said_in, at: Some(turn.sure) };
    turn.put(Table::Invitation, &invitation_key(&room, &own), &row);
    state.groups.invitations.insert((room, own), said_in);
    since::ask(state, turn, &from.device, &room);
    Ok(())
}

/// The rooms into which a Welcome waits for us, and in which friendship's room each was said.
pub(super) fn waiting(state: &State) -> impl Iterator<Item = (RoomId, Option<RoomId>)> {
    let own = state.own.identity.device;
    state.groups.invitations.iter().filter(move |((_, device), _)| *device == own).map(|((room, _), said_in)| (*room, *said_in))
}

/// A Welcome waits no more.
pub(super) fn drop_waiting(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) {
    let own = state.own.identity.device;
    if state.groups.invitations.remove(&(*room, own)).is_some() {
        turn.delete(Table::Invitation, &invitation_key(room, &own));
    }
}

/// The Welcome into a room that waits for us.
pub(super) fn row(state: &State, turn: &Turn<'_>, room: &RoomId) -> Result<Option<Invitation>, TurnFailed> {
    let own = state.own.identity.device;
    if !state.groups.invitations.contains_key(&(*room, own)) {
        return Ok(None);
    }
    turn.row(Table::Invitation, &invitation_key(room, &own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RosterUser;

    fn roster(roles: &[(u8, Role)]) -> Roster {
        let user = |(id, role): &(u8, Role)| RosterUser { user: PeerId([*id; 32]), role: *role, came_in: 0 };
        Roster { name: "Crew".into(), topic: String::new(), users: roles.iter().map(user).collect(), leaves: Vec::new(), knocks: None }
    }

    #[test]
    fn a_roster_in_the_place_of_ours_takes_nothing_from_those_whom_its_maker_may_not_remove() {
        use Role::{Admin, Member, Owner};
        let held = roster(&[(1, Owner), (2, Admin), (3, Admin), (4, Member), (5, Member)]);
        let is_good = |by: u8, other: &[(u8, Role)]| {
            let by = PeerId([by; 32]);
            held.role(&by).is_some_and(|role| takes_nothing(&held, &roster(other), &by, role))
        };
        let same = [(1, Owner), (2, Admin), (3, Admin), (4, Member), (5, Member)];
        assert!([1, 2, 4].iter().all(|by| is_good(*by, &same)));
        assert!(is_good(2, &[(1, Owner), (2, Admin), (3, Admin), (5, Member), (6, Member)]), "an admin removes and adds members");
        assert!(!is_good(4, &[(1, Owner), (2, Admin), (3, Admin), (4, Member)]), "a member removes nobody");
        assert!(!is_good(2, &[(2, Admin), (3, Admin), (5, Member)]), "the owner is gone");
        assert!(!is_good(2, &[(1, Owner), (2, Admin), (5, Member)]), "an admin beside them is gone");
        assert!(!is_good(2, &[(1, Member), (2, Admin), (3, Admin), (5, Member)]), "the owner is none any more");
        assert!(!is_good(2, &[(1, Owner), (2, Owner), (3, Admin), (5, Member)]), "who adds owns the room");
        assert!(!is_good(2, &[(1, Owner), (2, Admin), (3, Admin), (4, Admin), (5, Member)]), "an admin makes no admin");
        assert!(is_good(1, &[(1, Owner), (5, Admin)]), "an owner removes those who are none, and gives roles");
    }
}
