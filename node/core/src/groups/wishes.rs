//! Wishes: what is to be so in a room, until an epoch that does not come back has it.
//!
//! A wish is on disk before anything is done for it. A wish whose commit gave way is committed again, unless what was done
//! since has ended it.

use super::order::{self, Effect, Past, Verdict, What, Wish};
use crate::limits::WISHES_MAX;
use crate::notice::GroupsNotice;
use crate::rooms;
use crate::rows::{Group, WishFor, WishRow};
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn};
use crate::wire::Leave;
use rand_core::Rng;
use symbolon_presence::id::{MessageId, PeerId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::time::{SECOND, Timestamp};

/// Within this time somebody else commits that a member leaves, if the first of them does not.
const LEAVE_SPREAD: u64 = 30 * SECOND;

/// Something is to be so in a room. Answers the wish; none when too many are open.
pub(super) fn wish(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, what: WishFor) -> Option<MessageId> {
    let due = turn.now;
    let maker = state.own.person();
    put(state, turn, room, what, maker, due)
}

pub(super) fn put(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &RoomId,
    what: WishFor,
    maker: PeerId,
    due: Timestamp,
) -> Option<MessageId> {
    let made_in = state.groups.rooms.get(room)?.number;
    let known = state.groups.wishes_of(room).find(|wish| wish.what == what && wish.done_in.is_none()).map(|wish| wish.id);
    if known.is_some() || state.groups.wishes_of(room).count() >= WISHES_MAX {
        return known;
    }
    let id = MessageId::at(turn.stamp, turn.rng);
    state.save_wish(turn, WishRow { room: *room, id, what, maker, made_in, done_in: None, due });
    turn.tell(GroupsNotice::Wished(*room));
    Some(id)
}

/// A member says that they leave: one of the others commits it. The one at the lowest place does so at once.
pub(super) fn leaves(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, speaker: &Device, leave: Leave) -> Result<(), Rejected> {
    let group = state.groups.rooms.get(room).cloned().ok_or(DropReason::Unexpected)?;
    let leaf = group.roster.leaf(&leave.leaf).ok_or(DropReason::Unexpected)?;
    if leaf.user != speaker.person || !leave.is_by(speaker, room) {
        return Err(DropReason::Forged.into());
    }
    let is_known = |wish: &WishRow| wish.done_in.is_none() && wish.maker == speaker.person && matches!(wish.what, WishFor::Leave(_));
    if state.groups.wishes_of(room).any(is_known) {
        return Ok(());
    }
    let (leaving, positions) = (
        leaf.user,
        rooms::leaves(turn, *room)?.into_iter().map(|member| (member.index, PublicKeyBytes(member.leaf.0))).collect::<Vec<_>>(),
    );
    let stays = |leaf: &PublicKeyBytes| group.roster.leaf(leaf).is_some_and(|leaf| leaf.user != leaving);
    let first = positions.iter().filter(|(_, leaf)| stays(leaf)).min_by_key(|(index, _)| *index);
    let is_first = first.is_some_and(|(_, leaf)| *leaf == group.leaf);
    let due = if is_first { turn.now } else { turn.now.after(LEAVE_SPREAD / 3 + turn.rng.next_u64() % LEAVE_SPREAD) };
    put(state, turn, room, WishFor::Leave(leave), speaker.person, due);
    Ok(())
}

/// The rule's view of a wish.
pub(super) fn view(row: &WishRow) -> Wish {
    let what = match &row.what {
        WishFor::Add(user, device) => What::Add { user: *user, device: *device },
        WishFor::Remove(user) => What::Remove(*user),
        WishFor::Drop(leaf) => What::Drop(*leaf),
        WishFor::Leave(leave) => What::Leave { said_in: leave.epoch },
        WishFor::Name(name) => What::Name(name.clone()),
        WishFor::Topic(topic) => What::Topic(topic.clone()),
        WishFor::Role(user, role) => What::Role(*user, *role),
        WishFor::Knocks(knocks, _) => What::Knocks(knocks.clone()),
        WishFor::Hubs(knocks, _) => What::Hubs(knocks.clone()),
        WishFor::Vouch(user, alias, vouch) => What::Vouch { user: *user, device: vouch.newcomer, alias: *alias },
    };
    Wish { id: row.id, what, maker: row.maker, made_in: row.made_in }
}

/// A commit was taken: wishes that it has, or has ended, are done with that epoch.
pub(super) fn seen(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, number: u64, by: &PeerId, effects: &[Effect]) {
    let Some(roster) = state.groups.rooms.get(room).map(|group| group.roster.clone()) else { return };
    let history: Vec<Past> = effects.iter().map(|effect| Past { number, by: *by, effect: effect.clone() }).collect();
    let open: Vec<WishRow> = state.groups.wishes_of(room).filter(|wish| wish.done_in.is_none()).cloned().collect();
    for row in open {
        let is_over = matches!(order::judge(&view(&row), &roster, &history), Verdict::Over(_));
        if is_over {
            state.save_wish(turn, WishRow { done_in: Some(number), ..row });
        }
    }
}

/// The room went back to the epoch of this number: what was done since is to be done again.
pub(super) fn rewound(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, number: u64) {
    for row in state.groups.wishes_of(room).cloned().collect::<Vec<_>>() {
        let done_in = row.done_in.filter(|done| *done <= number);
        let made_in = row.made_in.min(number);
        if done_in != row.done_in || made_in != row.made_in {
            state.save_wish(turn, WishRow { done_in, made_in, ..row });
        }
    }
    turn.tell(GroupsNotice::Wished(*room));
}

/// The epoch of this number does not give way any more: its wishes have ended.
pub(super) fn settled(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, number: u64) {
    let over = |wish: &&WishRow| wish.done_in.is_some_and(|done| done <= number);
    for id in state.groups.wishes_of(room).filter(over).map(|wish| wish.id).collect::<Vec<_>>() {
        state.drop_wish(turn, room, &id);
    }
}

/// Whether this device's user has said that they leave, or has left.
pub(super) fn is_leaving(group: &Group) -> bool {
    !group.is_member()
}
