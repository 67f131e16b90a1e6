//! Epochs: whether a commit is good, going on by it, and when there is no way back.

use super::order::{self, Act, Effect};
use super::{knocks, seats, texts, wishes};
use crate::conversations;
use crate::limits::{COMMIT_PACE, REGRANT_PAUSE, REGRANT_PAUSE_OF_LEAF, STEPS_MAX, WAYS_FRESH};
use crate::notice::GroupsNotice;
use crate::people;
use crate::rooms;
use crate::rows::{GivenBy, Group, GroupStanding, KeptCommit, Line, RivalRow, Step, commit_key};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Turn, TurnFailed};
use crate::wire::{CommitInfo, KnockSecret, Role, RoomChange, Roster, RosterLeaf, Seat};
use crate::world::{Committer, Staged};
use rand_core::Rng;
use symbolon_presence::id::{DeviceId, EpochId, PeerId, PublicKeyBytes, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{HOUR, Timestamp};

/// An epoch in which a commit is judged.
pub(super) struct At<'a> {
    pub room: RoomId,
    pub roster: &'a Roster,
    pub number: u64,
    pub key: &'a Secret,
    pub leaves: &'a [(u32, PublicKeyBytes)],
}

/// A commit that is good.
pub(super) struct Judged {
    pub roster: Roster,
    pub effects: Vec<Effect>,
    pub seats: Vec<Seat>,
    pub rival: RivalRow,
    pub by: PeerId,
    /// What opens knocks from now on, if that is another one.
    pub secret: Option<KnockSecret>,
}

/// Whether a commit is good in the epoch that it was made in: its maker may do what it does, all of that is said, and the
/// roster that follows is the one in its group context.
pub(super) fn judge(state: &State, at: &At<'_>, staged: &Staged, sure: Timestamp) -> Result<Judged, DropReason> {
    let key_of = |index: u32| at.leaves.iter().find(|(other, _)| *other == index).map(|(_, leaf)| *leaf);
    let Committer::Member(index) = staged.committer else { return Err(DropReason::Forged) };
    let by = key_of(index).and_then(|key| at.roster.leaf(&key)).ok_or(DropReason::Forged)?.clone();
    let info = CommitInfo::open(&staged.aad, at.key, &at.room, at.number).ok_or(DropReason::Malformed)?;
    if info.seats.len() != staged.added.len() {
        return Err(DropReason::Forged);
    }
    let removed: Option<Vec<PublicKeyBytes>> = staged.removed.iter().map(|index| key_of(*index)).collect();
    let mut removed = removed.ok_or(DropReason::Forged)?;
    let mut acts = additions(at, &by, staged, &info, sure)?;
    let mut secret = None;
    for change in &info.changes {
        match change {
            RoomChange::Name(name) => acts.push(Act::Name(name.clone())),
            RoomChange::Topic(topic) => acts.push(Act::Topic(topic.clone())),
            RoomChange::Role(user, role) => acts.push(Act::Role { user: *user, role: *role }),
            RoomChange::Left(leave) => {
                let leaf = at.roster.leaf(&leave.leaf).ok_or(DropReason::Forged)?;
                let chain = state.groups.seats.get(&(at.room, leaf.leaf)).and_then(|seat| seat.owner.chain.clone());
                let device = chain.and_then(|chain| chain.verify_known(sure).ok()).ok_or(DropReason::Forged)?;
                if device.person != leaf.user || !leave.is_by(&device, &at.room) {
                    return Err(DropReason::Forged);
                }
                let of_user: Vec<PublicKeyBytes> = at.roster.leaves_of(&leaf.user).map(|leaf| leaf.leaf).collect();
                if !of_user.iter().all(|leaf| removed.contains(leaf)) {
                    return Err(DropReason::Forged);
                }
                removed.retain(|leaf| !of_user.contains(leaf));
                acts.push(Act::Leave { user: leaf.user, said_in: leave.epoch });
            }
            RoomChange::Knocks(knocks, drawn) => {
                secret = Some(drawn.clone());
                acts.push(Act::Knocks(knocks.clone()));
            }
            // Said of those who come in, and of those who are dropped.
            RoomChange::Vouched(_) | RoomChange::Gone(_) => {}
        }
    }
    let mut drops = Vec::new();
    while let Some(leaf) = removed.first().copied() {
        let user = at.roster.leaf(&leaf).ok_or(DropReason::Forged)?.user;
        let of_user: Vec<PublicKeyBytes> = at.roster.leaves_of(&user).map(|leaf| leaf.leaf).collect();
        if of_user.iter().all(|leaf| removed.contains(leaf)) {
            acts.push(Act::Remove { user });
            removed.retain(|leaf| !of_user.contains(leaf));
        } else {
            drops.push(leaf);
            acts.push(Act::Drop { leaf });
            removed.retain(|other| *other != leaf);
        }
    }
    are_gone(at, &drops, &info, sure)?;
    let position = |leaf: &PublicKeyBytes| at.leaves.iter().find(|(_, other)| other == leaf).map(|(index, _)| *index);
    let removes = acts.iter().filter_map(|act| if let Act::Remove { user } = act { Some(*user) } else { None }).collect();
    let commit = order::Commit { by: by.leaf, number: at.number, acts };
    let (roster, effects) = at.roster.after(&commit, &position).map_err(|_| DropReason::Forged)?;
    if staged.state != Some(roster.hash()) {
        return Err(DropReason::Forged);
    }
    let rival = RivalRow { epoch: staged.epoch, leaf: index, removes, is_ours: false };
    Ok(Judged { roster, effects, seats: info.seats, rival, by: by.user, secret })
}

/// Those who come in by a commit, some of them by a voucher.
fn additions(at: &At<'_>, by: &RosterLeaf, staged: &Staged, info: &CommitInfo, sure: Timestamp) -> Result<Vec<Act>, DropReason> {
    let vouches: Vec<_> =
        info.changes.iter().filter_map(|change| if let RoomChange::Vouched(vouch) = change { Some(vouch) } else { None }).collect();
    let (mut acts, mut vouched) = (Vec::new(), 0);
    for member in &staged.added {
        let seat = info.seats.iter().find(|seat| seat.owner.leaf.0 == member.leaf.0).ok_or(DropReason::Forged)?;
        let device = seats::device_of(member, seat, sure).ok_or(DropReason::Forged)?;
        let (leaf, user, id) = (seat.owner.leaf, device.person, device.device);
        let Some(vouch) = vouches.iter().find(|vouch| vouch.newcomer == id) else {
            acts.push(Act::Add { leaf, user, device: id });
            continue;
        };
        let alias = at.roster.knocks.as_ref().map(|knocks| knocks.alias).ok_or(DropReason::Forged)?;
        if vouch.voucher != by.device || !vouch.is_by(&device, &by.user, &at.room, &alias) {
            return Err(DropReason::Forged);
        }
        vouched += 1;
        acts.push(Act::Vouch { leaf, user, device: id });
    }
    if vouched == vouches.len() { Ok(acts) } else { Err(DropReason::Forged) }
}

/// Each device that is dropped was removed by its person: one that was removed itself has no such statement over the others.
fn are_gone(at: &At<'_>, drops: &[PublicKeyBytes], info: &CommitInfo, sure: Timestamp) -> Result<(), DropReason> {
    let said = info.changes.iter().filter_map(|change| if let RoomChange::Gone(said) = change { Some(said) } else { None });
    let gone: Option<Vec<_>> = said.map(|said| said.verify(sure).map(|device| (device.person, device.device))).collect();
    let mut gone = gone.ok_or(DropReason::Forged)?;
    for leaf in drops {
        let row = at.roster.leaf(leaf).ok_or(DropReason::Forged)?;
        let said = gone.iter().position(|(user, device)| *user == row.user && *device == row.device).ok_or(DropReason::Forged)?;
        gone.swap_remove(said);
    }
    if gone.is_empty() { Ok(()) } else { Err(DropReason::Forged) }
}

/// The leaves of the present epoch, by position.
pub(super) fn positions(turn: &Turn<'_>, room: RoomId) -> Result<Vec<(u32, PublicKeyBytes)>, TurnFailed> {
    Ok(rooms::leaves(turn, room)?.into_iter().map(|member| (member.index, PublicKeyBytes(member.leaf.0))).collect())
}

/// A commit that is good, and where it leads.
pub(super) struct Next<'a> {
    pub room: &'a RoomId,
    pub epoch: EpochId,
    pub judged: Judged,
    /// The commit.
    pub bytes: &'a [u8],
    /// The commits that compete with it.
    pub others: Vec<RivalRow>,
}

/// Goes on into the epoch of a commit that is good, ours or one that is staged. The epoch that is left may come back. False
/// when the cipher does not take it: then nothing has changed.
pub(super) fn go_on(state: &mut State, turn: &mut Turn<'_>, next: Next<'_>) -> Result<bool, TurnFailed> {
    let Next { room, epoch, judged, bytes, others } = next;
    let Some(group) = state.groups.rooms.get(room).cloned() else { return Ok(false) };
    let (key, leaves) = (rooms::credential_key(turn, *room)?, positions(turn, *room)?);
    if !rooms::go_on(turn, *room, epoch)? {
        rooms::drop_commits(turn, *room)?;
        return Ok(false);
    }
    let Judged { roster, effects, seats, rival, by, secret } = judged;
    let rivals = others.into_iter().filter(|other| other.epoch != epoch).chain([rival]).collect();
    let Group { epoch: parent, number, .. } = group;
    turn.put(Table::Commit, &commit_key(room, &epoch), &KeptCommit { parent, number, bytes: bytes.to_vec(), at: turn.stamp });
    let (roster_before, at) = (group.roster.clone(), turn.stamp);
    let step = Step { room: *room, parent, number, roster: roster_before, leaves, key, rivals, chosen: epoch, at, by, doubles: None };
    state.save_step(turn, step);
    let (me, number) = (state.own.person(), number.saturating_add(1));
    let standing = match roster.leaf(&group.leaf) {
        Some(_) => group.standing,
        None if effects.contains(&Effect::Left(me)) => GroupStanding::Left,
        None => GroupStanding::Removed,
    };
    let mut moved = Group { roster, epoch, number, standing, ..group.clone() };
    moved.note_past(parent);
    note_effects(state, &mut moved, &group, &by, &effects);
    state.save_group(turn, moved);
    if let Some(secret) = secret {
        knocks::learn(state, turn, room, secret);
    }
    let mut lacking = Vec::new();
    for seat in &seats {
        if let Some(device) = seats::device_in(seat).filter(|device| *device != state.own.identity.device) {
            let texts = seats::begin(state, turn, room, &device)?;
            lacking.push((device, texts));
        }
        seats::meet(state, turn, room, &group.leaf, seat);
    }
    seats::follow(state, turn, room);
    if by != me && standing.is_member() && group.question.is_none() && turn.stamp.since(group.said) < WAYS_FRESH {
        // Who brought them in may not have heard yet what we said to the others.
        let own = state.own.identity.device;
        let came: Vec<DeviceId> = seats.iter().filter_map(seats::device_in).filter(|device| *device != own).collect();
        seats::say(state, turn, room, &came)?;
    }
    if effects.iter().any(|effect| matches!(effect, Effect::Removed(_) | Effect::Left(_) | Effect::DeviceGone(_))) {
        // They know how we are written to. Several may go one after the other.
        let leaves = u64::try_from(state.groups.rooms.get(room).map_or(0, |group| group.roster.leaves.len())).unwrap_or(u64::MAX);
        let pause = REGRANT_PAUSE.saturating_add(REGRANT_PAUSE_OF_LEAF.saturating_mul(leaves));
        let due = turn.now.after(pause / 2 + turn.rng.next_u64() % pause.max(1));
        state.change_group(turn, room, |group| group.regrant = Some(group.regrant.unwrap_or(due)));
    }
    let is_gone =
        |leaf: &&RosterLeaf| effects.iter().any(|effect| *effect == Effect::Removed(leaf.user) || *effect == Effect::Left(leaf.user));
    let gone: Vec<DeviceId> = group.roster.leaves.iter().filter(is_gone).map(|leaf| leaf.device).collect();
    texts::gone(state, turn, room, &gone)?;
    for (device, texts) in lacking {
        texts::say_again(state, turn, room, &[device], &texts)?;
    }
    note_lines(state, turn, room, &by, &effects)?;
    wishes::seen(state, turn, room, number, &by, &effects);
    knocks::renew(state, turn, room, &by);
    let excess = state.groups.steps_of(room).count().saturating_sub(STEPS_MAX);
    let settled: Vec<u64> = state.groups.steps_of(room).take(excess).map(|step| step.number).collect();
    for number in settled {
        settle(state, turn, room, number)?;
    }
    turn.notify(Event::Room(*room));
    turn.tell(GroupsNotice::Moved(*room));
    Ok(true)
}

/// What a room remembers of a change: who are gone, and what it was called before.
fn note_effects(state: &State, moved: &mut Group, before: &Group, by: &PeerId, effects: &[Effect]) {
    for effect in effects {
        // Their seats are forgotten soon, and what they wrote stays.
        if let Effect::Removed(user) | Effect::Left(user) = effect
            && let Some(name) = people::said_in(state, &before.room, user).filter(|name| !name.is_empty())
        {
            moved.note_gone(*user, name);
        }
    }
    if effects.contains(&Effect::Named) {
        moved.named = Some(GivenBy { by: *by, before: people::room_name(state, before).to_owned() });
    }
    if effects.contains(&Effect::TopicSet) {
        moved.about = Some(GivenBy { by: *by, before: people::room_topic(state, before).to_owned() });
    }
}

/// The lines that say a change to people.
fn note_lines(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, by: &PeerId, effects: &[Effect]) -> Result<(), TurnFailed> {
    let is_of_people = |effect: &&Effect| matches!(effect, Effect::Came(_) | Effect::Removed(_) | Effect::Left(_));
    let is_of_device = |effect: &&Effect| matches!(effect, Effect::DeviceCame(_) | Effect::DeviceGone(_));
    let has_people = effects.iter().any(|effect| is_of_people(&effect));
    // The devices of those who come and go are not worth a line.
    for effect in effects.iter().filter(|effect| !(has_people && is_of_device(effect))) {
        if matches!(effect, Effect::Named | Effect::TopicSet) && people::is_parted(state, by) {
            // What they have given it is out of sight, too.
            continue;
        }
        let line = line_of(state, room, effect);
        if !conversations::is_flood(turn, room, by, &line)? {
            conversations::note_line(state, turn, room, by, line);
        }
        if let Effect::Came(user) = effect
            && people::is_parted(state, user)
        {
            conversations::note_line(state, turn, room, by, Line::Parted(*user));
        }
    }
    Ok(())
}

/// The line that says it to people.
fn line_of(state: &State, room: &RoomId, effect: &Effect) -> Line {
    let group = state.groups.rooms.get(room);
    let name = || group.map(|group| group.roster.name.clone()).unwrap_or_default();
    let topic = || group.map(|group| group.roster.topic.clone()).unwrap_or_default();
    match effect {
        Effect::Came(user) => Line::Came(*user),
        Effect::Removed(user) => Line::Removed(*user),
        Effect::Left(user) => Line::Left(*user),
        Effect::DeviceCame(_) | Effect::DeviceGone(_) | Effect::Readded { .. } => Line::Devices,
        Effect::Named => Line::Named(name()),
        Effect::TopicSet => Line::Topic(topic()),
        Effect::RoleSet(user, role) => Line::Role(*user, *role),
        Effect::Inherited(user) => Line::Role(*user, Role::Owner),
    }
}

/// An epoch does not come back any more: what was kept for that is erased. Forward secrecy begins here.
pub(super) fn settle(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, number: u64) -> Result<(), TurnFailed> {
    state.drop_step(turn, room, number);
    let kept: Vec<EpochId> = state.groups.steps_of(room).map(|step| step.parent).collect();
    rooms::keep_parents(turn, *room, &kept)?;
    wishes::settled(state, turn, room, number.saturating_add(1));
    seats::sweep(state, turn, room);
    seats::follow(state, turn, room);
    Ok(())
}

/// When the keys of our leaf are renewed next: soon after coming in, then at a pace that falls with the number of leaves.
pub(super) fn next_update(turn: &mut Turn<'_>, leaves: usize, is_fresh: bool) -> Timestamp {
    let pace = COMMIT_PACE.max(6 * HOUR * u64::try_from(leaves).unwrap_or(u64::MAX));
    let pace = if is_fresh { pace / 7 } else { pace };
    turn.sure.after(pace / 2 + turn.rng.next_u64() % pace.max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::wire::Gone;
    use rand_core::SeedableRng;
    use symbolon_presence::identity::Identity;
    use symbolon_presence::time::{DAY, EARLIEST};

    #[test]
    fn a95_a_device_is_taken_out_by_who_shows_that_its_person_removed_it_and_a_stolen_one_takes_out_nobody() {
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([3; 32]);
        let mut draw = || Identity::generate(&mut rng, EARLIEST, 10 * DAY);
        let first = draw();
        let mut further = |serial| {
            let mut me = draw();
            let keys = (me.signing.public(), me.dh.public().bytes());
            let chain = first.certify_further(keys, serial, EARLIEST, EARLIEST.after(DAY)).unwrap();
            assert!(me.become_further(&chain, first.second_root, EARLIEST));
            me
        };
        let (second, stolen) = (further(5), further(9));
        let leaf = |n: u8| PublicKeyBytes([n; 32]);
        let mut roster = Roster::founded("Crew".into(), leaf(1), first.person(), first.device);
        let rows = [(leaf(2), &second), (leaf(3), &stolen)].map(|(leaf, me)| RosterLeaf {
            leaf,
            user: me.person(),
            device: me.device,
            came_in: 0,
        });
        roster.leaves.extend(rows);
        let key = Secret::from_bytes([0; 32]);
        let at = At { room: RoomId([0; 32]), roster: &roster, number: 1, key: &key, leaves: &[] };
        let is_good = |drops: &[u8], said: &[Gone]| {
            let changes = said.iter().map(|said| RoomChange::Gone(Box::new(said.clone()))).collect();
            let drops: Vec<PublicKeyBytes> = drops.iter().map(|n| leaf(*n)).collect();
            are_gone(&at, &drops, &CommitInfo { seats: Vec::new(), changes }, EARLIEST).is_ok()
        };
        let gone = Gone::sign(&first, &stolen.chain);
        let one = std::slice::from_ref(&gone);
        assert!(is_good(&[], &[]) && is_good(&[3], one));
        assert!(is_good(&[3], &[Gone::sign(&second, &stolen.chain)]), "an older one is enough");
        assert!(!is_good(&[3], &[]), "nothing is said");
        assert!(!is_good(&[2], one), "of another one");
        assert!(!is_good(&[], one) && !is_good(&[3], &[gone.clone(), gone.clone()]), "nobody is dropped by it");
        assert!(!is_good(&[2], &[Gone::sign(&stolen, &second.chain)]), "the stolen one has no say");
        assert!(!is_good(&[1], &[Gone::sign(&stolen, &first.chain)]));
    }
}
