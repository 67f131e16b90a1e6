//! Commits of one epoch that compete, and going back for the one that stands.

use super::epochs::{At, Judged, Next, go_on, judge};
use super::order::{self, Committer, Right, Rival};
use super::{seats, texts, wishes};
use crate::conversations;
use crate::limits::RIVALS_MAX;
use crate::notice::GroupsNotice;
use crate::rooms;
use crate::rows::{Group, GroupStanding, KeptCommit, Line, RivalRow, Step, WishFor, commit_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::world::{Opened, Staged};
use std::collections::BTreeSet;
use symbolon_presence::id::{EpochId, PeerId, PublicKeyBytes, RoomId};

/// Another commit of an epoch that was left has come. If it stands before the one that was taken, this device goes back.
pub(super) fn compete(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &RoomId,
    number: u64,
    staged: &Staged,
    bytes: &[u8],
) -> Result<(), Rejected> {
    let mut step = state.groups.steps.get(&(*room, number)).cloned().ok_or(DropReason::Epoch)?;
    if step.rivals.iter().any(|rival| rival.epoch == staged.epoch) {
        return Ok(());
    }
    let at = At { room: *room, roster: &step.roster, number, key: &step.key, leaves: &step.leaves };
    let judged = judge(state, &at, staged, turn.sure)?;
    if !weigh(state, turn, room, &mut step, &judged)? {
        return Ok(());
    }
    turn.put(
        Table::Commit,
        &commit_key(room, &staged.epoch),
        &KeptCommit { parent: step.parent, number, bytes: bytes.to_vec(), at: turn.stamp },
    );
    let stands = standing(room, &step, &step.rivals);
    state.save_step(turn, step.clone());
    match stands {
        Some(epoch) if epoch != step.chosen => switch(state, turn, room, step, epoch),
        Some(_) | None => Ok(()),
    }
}

/// Enters one more commit of an epoch. Of two of one leaf, which no honest device makes, the lower stands, and the other is not
/// kept: so no member takes the places of others. False when it is the new one.
fn weigh(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, step: &mut Step, judged: &Judged) -> Result<bool, Rejected> {
    let rival = judged.rival.clone();
    let same: Vec<RivalRow> = step.rivals.iter().filter(|other| other.leaf == rival.leaf).cloned().collect();
    if !same.is_empty() {
        let doubles = step.doubles.get_or_insert_default();
        if !doubles.contains(&rival.leaf) {
            doubles.push(rival.leaf);
            conversations::note_line(state, turn, room, &judged.by, Line::Doubled);
            state.save_step(turn, step.clone());
        }
        let all: Vec<RivalRow> = same.iter().cloned().chain([rival.clone()]).collect();
        if standing(room, step, &all) != Some(rival.epoch) {
            return Ok(false);
        }
        for other in same.iter().filter(|other| other.epoch != step.chosen && !other.is_ours) {
            step.rivals.retain(|kept| kept.epoch != other.epoch);
            State::drop_commit(turn, room, &other.epoch);
        }
    }
    if step.rivals.len() >= RIVALS_MAX {
        return Err(DropReason::Full.into());
    }
    step.rivals.push(rival);
    Ok(true)
}

/// Which of these commits of an epoch stands.
fn standing(room: &RoomId, step: &Step, rivals: &[RivalRow]) -> Option<EpochId> {
    let rival = |row: &RivalRow| {
        let key = step.leaves.iter().find(|(index, _)| *index == row.leaf).map(|(_, leaf)| *leaf)?;
        let user = step.roster.leaf(&key)?.user;
        let by = Committer::Member { leaf: row.leaf, user, role: step.roster.role(&user)? };
        Some(Rival { epoch: row.epoch, by, removes: row.removes.iter().copied().collect() })
    };
    let rivals: Vec<Rival> = rivals.iter().filter_map(rival).collect();
    order::winner(room, step.number, &rivals)
}

/// Goes back to the parent and takes another commit than before.
fn switch(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, step: Step, epoch: EpochId) -> Result<(), Rejected> {
    let group = state.groups.rooms.get(room).cloned().ok_or(DropReason::Unexpected)?;
    let kept: Option<KeptCommit> = turn.row(Table::Commit, &commit_key(room, &epoch))?;
    // One of our own cannot be opened again: it is made again as a wish by those who follow.
    let is_ours = step.rivals.iter().any(|rival| rival.epoch == epoch && rival.is_ours);
    let Some(kept) = kept.filter(|_| !is_ours) else { return Err(DropReason::Epoch.into()) };
    let rosters = state.groups.steps_of(room).filter(|other| other.number > step.number).map(|other| &other.roster);
    let leaves = rosters.chain([&group.roster]).flat_map(|roster| &roster.leaves).map(|leaf| leaf.leaf);
    let lost_leaves: Vec<PublicKeyBytes> = leaves.filter(|leaf| step.roster.leaf(leaf).is_none()).collect();
    let lost: Vec<Step> = state.groups.steps_of(room).filter(|other| other.number >= step.number).cloned().collect();
    if !rooms::go_back(turn, *room, step.parent)? {
        return Err(DropReason::Epoch.into());
    }
    for other in &lost {
        state.drop_step(turn, room, other.number);
    }
    let standing = match group.standing {
        GroupStanding::Member | GroupStanding::Removed => GroupStanding::Member,
        GroupStanding::Leaving | GroupStanding::Left => GroupStanding::Leaving,
    };
    let mut back = Group { roster: step.roster.clone(), epoch: step.parent, number: step.number, standing, ..group };
    lost.iter().for_each(|other| back.note_past(other.chosen));
    state.save_group(turn, back);
    seats::follow(state, turn, room);
    turn.tell(GroupsNotice::WentBack(*room));
    wishes::rewound(state, turn, room, step.number);
    let opened = rooms::open_shared(turn, *room, &kept.bytes)?;
    let Opened::Commit(staged) = opened else { return Err(TurnFailed("a kept commit is none").into()) };
    let at = At { room: *room, roster: &step.roster, number: step.number, key: &step.key, leaves: &step.leaves };
    let judged = judge(state, &at, &staged, turn.sure)?;
    for seat in &judged.seats {
        seats::give_way(state, room, &lost_leaves, seat);
    }
    let next = Next { room, epoch: staged.epoch, judged, bytes: &kept.bytes, others: step.rivals.clone() };
    if !go_on(state, turn, next)? {
        return Err(TurnFailed("a commit that was judged is not taken").into());
    }
    let dropped: BTreeSet<EpochId> = lost.iter().map(|other| other.chosen).collect();
    remove_again(state, turn, room, &lost);
    conversations::note_line(state, turn, room, &state.own.person(), Line::Healed);
    Ok(texts::resend(state, turn, room, &dropped)?)
}

/// People who were removed by commits that are dropped now are removed again by anyone who may.
fn remove_again(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, lost: &[Step]) {
    let Some(group) = state.groups.rooms.get(room).cloned() else { return };
    let chosen = lost.iter().filter_map(|step| step.rivals.iter().find(|rival| rival.epoch == step.chosen && !rival.is_ours));
    let removed: BTreeSet<PeerId> = chosen.flat_map(|rival| rival.removes.iter().copied()).collect();
    let Some(role) = group.roster.role(&state.own.person()) else { return };
    for user in removed {
        let of = group.roster.role(&user);
        if of.is_some_and(|of| order::may(role, Right::Remove(of))) {
            wishes::wish(state, turn, room, WishFor::Remove(user));
        }
    }
}
