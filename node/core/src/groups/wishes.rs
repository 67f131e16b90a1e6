//! Wishes: what is to be so in a room, until an epoch that does not come back has it.
//!
//! A wish is on disk before anything is done for it. It is committed as soon as it can be: somebody whose KeyPackages cannot be
//! had now comes in when they can. A wish whose commit gave way is committed again, unless what was done since has ended it.

use super::commits::{Judged, Next, go_on, positions};
use super::order::{self, Act, Effect, Past, Verdict, What, Wish};
use super::welcome;
use crate::delivery::Delivery;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::relays::Relays;
use crate::limits::{COMMIT_PACE, PACKAGES_HELD_MAX, WISHES_MAX};
use crate::packages::{Packages, VerifiedPackage, Why};
use crate::rooms;
use crate::rows::{Group, GroupStanding, RivalRow, WishFor, WishRow};
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{CommitInfo, Leave, LeafOwner, RoomChange, Seat, Ways};
use crate::world::{Proposals, Sealed};
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, MessageId, PeerId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::time::{HOUR, MINUTE, SECOND, Timestamp};

/// Pause before somebody's KeyPackage is asked for again.
const ASK_PAUSE: u64 = MINUTE;
/// So long those whose KeyPackages are on the way are waited for, so that all come in together.
const ADD_PATIENCE: u64 = 3 * SECOND;
/// Within this time somebody else commits that a member leaves, if the first of them does not.
const LEAVE_SPREAD: u64 = 30 * SECOND;

/// When rooms are looked at, and what was fetched for them.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Rooms in which something may be done now.
    look: BTreeSet<RoomId>,
    /// KeyPackages of friends' devices; at most [`PACKAGES_HELD_MAX`].
    packages: BTreeMap<DeviceId, VerifiedPackage>,
    /// Devices that were asked for one, and when.
    asked: BTreeMap<DeviceId, Timestamp>,
    /// When something is due next.
    next: Option<Timestamp>,
}

impl Groups {
    /// After a start, all rooms are looked at.
    pub fn start(&mut self, state: &State) {
        *self = Self { look: state.groups.rooms.keys().copied().collect(), ..Self::default() };
    }

    /// Something has changed in a room.
    pub fn note(&mut self, room: RoomId) {
        self.look.insert(room);
    }

    /// When something is to be done.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.look.is_empty() { self.next } else { Some(Timestamp(0)) }
    }

    /// A device's KeyPackage has come, or why there is none.
    pub fn fetched(&mut self, state: &State, device: DeviceId, package: Result<VerifiedPackage, Why>) {
        if let Ok(package) = package
            && self.packages.len() < PACKAGES_HELD_MAX
        {
            self.packages.insert(device, package);
            self.look.extend(wanting(state, &device));
        }
    }

    /// A device that could not be asked can be asked now.
    pub fn ready(&mut self, state: &State, device: &DeviceId) {
        self.asked.remove(device);
        self.look.extend(wanting(state, device));
    }

    /// Does what can be done in the rooms that were noted: one commit in each.
    pub fn follow(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        relays: &mut Relays,
        packages: &mut Packages,
        turn: &mut Turn<'_>,
    ) -> Result<(), TurnFailed> {
        if state.own.is_halted {
            return Ok(());
        }
        if self.next.is_some_and(|at| at <= turn.now) {
            self.look.extend(state.groups.rooms.keys());
        }
        if self.look.is_empty() {
            return Ok(());
        }
        for room in std::mem::take(&mut self.look) {
            let now = turn.now;
            let is_asked = |device: &DeviceId| self.asked.get(device).is_none_or(|at| now.since(*at) < ADD_PATIENCE && *at <= now);
            let missing = commit(state, turn, &room, &mut self.packages, &is_asked)?;
            for device in missing {
                let is_asked = self.asked.get(&device).is_some_and(|at| turn.now.since(*at) < ASK_PAUSE && *at <= turn.now);
                if !is_asked {
                    self.asked.insert(device, turn.now);
                    packages.fetch(state, delivery, relays, turn, device);
                }
            }
        }
        self.asked.retain(|device, _| wanting(state, device).next().is_some());
        self.packages.retain(|device, _| wanting(state, device).next().is_some());
        self.next = next_due(state, turn.now, self.asked.values().copied().min());
        Ok(())
    }
}

/// The rooms into which a device is to come.
fn wanting<'a>(state: &'a State, device: &'a DeviceId) -> impl Iterator<Item = RoomId> + 'a {
    let is_it = move |wish: &&WishRow| wish.done_in.is_none() && matches!(wish.what, WishFor::Add(_, of) if of == *device);
    state.groups.wishes.values().filter(is_it).map(|wish| wish.room)
}

fn next_due(state: &State, now: Timestamp, asked: Option<Timestamp>) -> Option<Timestamp> {
    let wishes = state.groups.wishes.values().filter(|wish| wish.done_in.is_none() && !matches!(wish.what, WishFor::Add(..)));
    let updates = state.groups.rooms.values().filter(|group| group.standing.is_member()).map(|group| group.due);
    let asked = asked.into_iter().flat_map(|at| [at.after(ADD_PATIENCE), at.after(ASK_PAUSE)]);
    wishes.map(|wish| wish.due).chain(updates).chain(asked).map(|at| if at > now { at } else { now.after(ASK_PAUSE) }).min()
}

/// When the keys of our leaf are renewed next: soon after coming in, then at a pace that falls with the number of leaves.
pub(super) fn next_update(turn: &mut Turn<'_>, leaves: usize, is_fresh: bool) -> Timestamp {
    let pace = COMMIT_PACE.max(6 * HOUR * u64::try_from(leaves).unwrap_or(u64::MAX));
    let pace = if is_fresh { pace / 7 } else { pace };
    turn.sure.after(pace / 2 + turn.rng.next_u64() % pace.max(1))
}

/// Something is to be so in a room. Answers the wish; none when too many are open.
pub(super) fn wish(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, what: WishFor) -> Option<MessageId> {
    let due = turn.now;
    let maker = state.own.peer;
    put(state, turn, room, what, maker, due)
}

fn put(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, what: WishFor, maker: PeerId, due: Timestamp) -> Option<MessageId> {
    let made_in = state.groups.rooms.get(room)?.number;
    let known = state.groups.wishes_of(room).find(|wish| wish.what == what && wish.done_in.is_none()).map(|wish| wish.id);
    if known.is_some() || state.groups.wishes_of(room).count() >= WISHES_MAX {
        return known;
    }
    let id = MessageId::at(turn.stamp, turn.rng);
    state.save_wish(turn, WishRow { room: *room, id, what, maker, made_in, done_in: None, due });
    turn.tell(crate::notice::GroupsNotice::Wished(*room));
    Some(id)
}

/// A member says that they leave: one of the others commits it. The one at the lowest place does so at once.
pub(super) fn leaves(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, speaker: &Device, leave: Leave) -> Result<(), Rejected> {
    let group = state.groups.rooms.get(room).cloned().ok_or(DropReason::Unexpected)?;
    let leaf = group.roster.leaf(&leave.leaf).ok_or(DropReason::Unexpected)?;
    if leaf.user != speaker.peer || !leave.is_by(speaker, room) {
        return Err(DropReason::Forged.into());
    }
    let (leaving, positions) = (leaf.user, positions(turn, *room)?);
    let stays = |leaf: &PublicKeyBytes| group.roster.leaf(leaf).is_some_and(|leaf| leaf.user != leaving);
    let first = positions.iter().filter(|(_, leaf)| stays(leaf)).min_by_key(|(index, _)| *index);
    let is_first = first.is_some_and(|(_, leaf)| *leaf == group.leaf);
    let due = if is_first { turn.now } else { turn.now.after(LEAVE_SPREAD / 3 + turn.rng.next_u64() % LEAVE_SPREAD) };
    put(state, turn, room, WishFor::Leave(leave), speaker.peer, due);
    Ok(())
}

/// The rule's view of a wish.
fn view(row: &WishRow) -> Wish {
    let what = match &row.what {
        WishFor::Add(user, device) => What::Add { user: *user, device: *device },
        WishFor::Remove(user) => What::Remove(*user),
        WishFor::Leave(leave) => What::Leave { said_in: leave.epoch },
        WishFor::Name(name) => What::Name(name.clone()),
        WishFor::Topic(topic) => What::Topic(topic.clone()),
        WishFor::Role(user, role) => What::Role(*user, *role),
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
    turn.tell(crate::notice::GroupsNotice::Wished(*room));
}

/// The epoch of this number does not give way any more: its wishes are over.
pub(super) fn settled(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, number: u64) {
    let over = |wish: &&WishRow| wish.done_in.is_some_and(|done| done <= number);
    for id in state.groups.wishes_of(room).filter(over).map(|wish| wish.id).collect::<Vec<_>>() {
        state.drop_wish(turn, room, &id);
    }
}

/// What goes into one commit.
struct Plan {
    rows: Vec<WishRow>,
    acts: Vec<Act>,
    packages: Vec<VerifiedPackage>,
}

/// Makes the commit that is due in a room, if any. Answers the devices whose KeyPackages are missing.
fn commit(
    state: &mut State,
    turn: &mut Turn<'_>,
    room: &RoomId,
    packages: &mut BTreeMap<DeviceId, VerifiedPackage>,
    is_awaited: &dyn Fn(&DeviceId) -> bool,
) -> Result<Vec<DeviceId>, TurnFailed> {
    let Some(group) = state.groups.rooms.get(room).filter(|group| group.standing.is_member()).cloned() else { return Ok(Vec::new()) };
    let (mut stands, missing) = standing(state, turn, &group, packages);
    if missing.iter().any(is_awaited) {
        // They come in together.
        stands.retain(|(wish, _)| !matches!(wish.what, What::Add { .. }));
    }
    let plan = plan(&stands, packages);
    let is_update_due = turn.sure >= group.due && group.roster.leaves.len() > 1;
    if plan.acts.is_empty() && !is_update_due {
        return Ok(missing);
    }
    let members = rooms::members(state, room);
    if !members.iter().all(|device| outbox::has_room_for(state, device, 1)) {
        return Ok(missing);
    }
    make(state, turn, &group, plan)?;
    Ok(missing)
}

/// Looks which wishes stand and can be granted now, and whose KeyPackages are missing. Those that are over are noted so.
fn standing(
    state: &mut State,
    turn: &mut Turn<'_>,
    group: &Group,
    packages: &BTreeMap<DeviceId, VerifiedPackage>,
) -> (Vec<(Wish, WishRow)>, Vec<DeviceId>) {
    let (mut stands, mut missing) = (Vec::new(), Vec::new());
    let open: Vec<WishRow> = state.groups.wishes_of(&group.room).filter(|wish| wish.done_in.is_none()).cloned().collect();
    for row in open {
        let wish = view(&row);
        if let Verdict::Over(_) = order::judge(&wish, &group.roster, &[]) {
            // It is so already, or its maker may not.
            state.save_wish(turn, WishRow { done_in: Some(group.number), ..row });
            continue;
        }
        match &row.what {
            WishFor::Add(_, device) if !packages.contains_key(device) => missing.push(*device),
            _ if row.due > turn.now => {}
            WishFor::Add(..) | WishFor::Remove(_) | WishFor::Leave(_) | WishFor::Name(_) | WishFor::Topic(_) | WishFor::Role(..) => {
                stands.push((wish, row));
            }
        }
    }
    (stands, missing)
}

/// What one commit takes of them.
fn plan(stands: &[(Wish, WishRow)], packages: &mut BTreeMap<DeviceId, VerifiedPackage>) -> Plan {
    let wishes: Vec<Wish> = stands.iter().map(|(wish, _)| wish.clone()).collect();
    let mut plan = Plan { rows: Vec::new(), acts: Vec::new(), packages: Vec::new() };
    for wish in order::next(&wishes) {
        let Some((_, row)) = stands.iter().find(|(other, _)| other.id == wish.id) else { continue };
        let package = match &row.what {
            WishFor::Add(_, device) => packages.remove(device),
            WishFor::Remove(_) | WishFor::Leave(_) | WishFor::Name(_) | WishFor::Topic(_) | WishFor::Role(..) => None,
        };
        let Some(act) = wish.act(package.as_ref().map(|package| package.leaf)) else { continue };
        plan.acts.push(act);
        plan.rows.push(row.clone());
        plan.packages.extend(package);
    }
    plan
}

/// Makes a commit and goes on by it: it is in everybody's outbox in the same turn.
fn make(state: &mut State, turn: &mut Turn<'_>, group: &Group, plan: Plan) -> Result<(), TurnFailed> {
    let Plan { rows, acts, packages } = plan;
    let (room, positions) = (group.room, positions(turn, group.room)?);
    let position = |leaf: &PublicKeyBytes| positions.iter().find(|(_, other)| other == leaf).map(|(index, _)| *index);
    let commit = order::Commit { by: group.leaf, number: group.number, acts };
    let Ok((roster, effects)) = group.roster.after(&commit, &position) else {
        // What cannot be done together is done by nobody.
        for row in rows {
            state.drop_wish(turn, &room, &row.id);
        }
        return Ok(());
    };
    let seats: Vec<Seat> = packages.iter().map(seat_of).collect();
    let info = CommitInfo { seats: seats.clone(), changes: changes_of(&rows) };
    let key = rooms::credential_key(turn, room)?;
    let said = info.seal(&key, &room, group.number, turn.rng);
    let gone = group.roster.leaves.iter().filter(|leaf| roster.leaf(&leaf.leaf).is_none());
    let remove = gone.filter_map(|leaf| position(&leaf.leaf)).collect();
    let add = packages.iter().map(|package| package.key_package.clone()).collect();
    let proposals = Proposals { add, remove, state: Some(roster.hash()) };
    let Some(pending) = rooms::propose(turn, room, &proposals, &said)? else { return Ok(()) };
    let sealed = Sealed { epoch: pending.parent, bytes: pending.commit.clone() };
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::RoomCommit(room, pending.epoch), &sealed);
    let removes = commit.acts.iter().filter_map(|act| if let Act::Remove { user } = act { Some(*user) } else { None }).collect();
    let leaf = position(&group.leaf).unwrap_or(u32::MAX);
    let rival = RivalRow { epoch: pending.epoch, leaf, removes, is_ours: true };
    let judged = Judged { roster, effects, seats, rival, by: state.own.peer };
    let next = Next { room: &room, epoch: pending.epoch, judged, bytes: &pending.commit, others: Vec::new() };
    if !go_on(state, turn, next)? {
        return Err(TurnFailed("the cipher does not take its own commit"));
    }
    let due = next_update(turn, group.roster.leaves.len(), false);
    state.change_group(turn, &room, |group| group.due = due);
    if let Some(welcome) = pending.welcome {
        welcome::invite(state, turn, &room, &welcome, &packages)?;
    }
    Ok(())
}

fn seat_of(package: &VerifiedPackage) -> Seat {
    let owner = LeafOwner { leaf: package.leaf, chain: Some(package.chain.clone()), key: package.key.clone() };
    let ways = Ways {
        name: String::new(),
        own: package.own.clone(),
        relay_mailboxes: package.relays.clone(),
        seed: package.seed.clone(),
        capabilities: package.capabilities,
    };
    Seat { owner, ways }
}

/// What of some wishes MLS does not show.
fn changes_of(rows: &[WishRow]) -> Vec<RoomChange> {
    let change = |row: &WishRow| match &row.what {
        WishFor::Add(..) | WishFor::Remove(_) => None,
        WishFor::Leave(leave) => Some(RoomChange::Left(leave.clone())),
        WishFor::Name(name) => Some(RoomChange::Name(name.clone())),
        WishFor::Topic(topic) => Some(RoomChange::Topic(topic.clone())),
        WishFor::Role(user, role) => Some(RoomChange::Role(*user, *role)),
    };
    rows.iter().filter_map(change).collect()
}

/// Whether this device's user has said that they leave, or has left.
pub(super) fn is_leaving(group: &Group) -> bool {
    !matches!(group.standing, GroupStanding::Member)
}
