//! Plans: which wishes are granted by the next commit of ours, and that commit.
//!
//! A wish is committed as soon as it can be: somebody whose KeyPackages cannot be had now comes in when they can.

use super::epochs::{Judged, Next, go_on, next_update, positions};
use super::knocks;
use super::order::{self, Act, Verdict, What, Wish};
use super::quiet::Quiet;
use super::seats;
use super::welcome;
use super::wishes::view;
use crate::delivery::Delivery;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::relays::Relays;
use crate::limits::PACKAGES_HELD_MAX;
use crate::packages::{Packages, VerifiedPackage, Why};
use crate::rooms;
use crate::rows::{Group, RivalRow, WishFor, WishRow};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{CommitInfo, Gone, LeafOwner, RoomChange, Roster, Seat, Vouch, Ways};
use crate::world::{Proposals, Sealed};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, PublicKeyBytes, RoomId};
use symbolon_presence::time::{MINUTE, SECOND, Timestamp};

/// Pause before somebody's KeyPackage is asked for again.
const ASK_PAUSE: u64 = MINUTE;
/// So long those whose KeyPackages are on the way are waited for, so that all come in together.
const ADD_PATIENCE: u64 = 3 * SECOND;
/// Between the commits of wishes that could not be granted together.
const APART: u64 = 5 * SECOND;

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
    /// From when on keys may be renewed.
    quiet: Quiet,
}

impl Groups {
    /// After a start, all rooms are looked at.
    pub fn start(&mut self, state: &State, turn: &Turn<'_>) {
        let look = state.groups.rooms.keys().copied().collect();
        *self = Self { look, quiet: Quiet::start(turn.now, turn.sure), ..Self::default() };
    }

    /// All rooms are looked at, and keys are renewed without waiting.
    #[cfg(feature = "testing")]
    pub fn hurry(&mut self, state: &State) {
        *self = Self { look: state.groups.rooms.keys().copied().collect(), ..Self::default() };
    }

    /// All rooms are looked at.
    pub fn note_all(&mut self, state: &State) {
        self.look.extend(state.groups.rooms.keys());
    }

    /// Something has changed in a room.
    pub fn note(&mut self, room: RoomId) {
        self.look.insert(room);
    }

    /// A room is in another epoch than before, or new here.
    pub fn moved(&mut self, room: RoomId, now: Timestamp) {
        self.quiet.moved(room, now);
        self.note(room);
    }

    /// A room has gone back, and takes another branch.
    pub fn went_back(&mut self, room: RoomId, now: Timestamp) {
        self.quiet.went_back(room, now);
    }

    /// A frame has come of an epoch to which a room has not come here.
    pub fn behind(&mut self, room: RoomId, now: Timestamp) {
        self.quiet.behind(room, now);
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
        self.quiet.keep(|room| state.groups.rooms.contains_key(room));
        for room in std::mem::take(&mut self.look) {
            welcome::look(state, turn, &room)?;
            seats::renew(state, turn, &room)?;
            let now = turn.now;
            let is_asked = |device: &DeviceId| self.asked.get(device).is_none_or(|at| now.since(*at) < ADD_PATIENCE && *at <= now);
            let number = |state: &State| state.groups.rooms.get(&room).map(|group| group.number);
            let (before, held) = (number(state), self.packages.keys().copied().collect::<Vec<_>>());
            let may = May { wish: now >= self.quiet.wishes_until(&room), update: now >= self.quiet.until(&room) };
            let missing = commit(state, turn, &room, &mut self.packages, &is_asked, may)?;
            if number(state) != before {
                self.quiet.committed(&room);
                // Whose package was used comes into another room by another one, at once.
                for device in held.iter().filter(|device| !self.packages.contains_key(device)) {
                    self.asked.remove(device);
                    self.look.extend(wanting(state, device));
                }
            }
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
        self.next = next_due(state, turn.now, self.asked.values().copied().min(), &self.quiet);
        Ok(())
    }
}

/// The rooms into which a device is to come.
fn wanting<'a>(state: &'a State, device: &'a DeviceId) -> impl Iterator<Item = RoomId> + 'a {
    let is_it = move |wish: &&WishRow| wish.done_in.is_none() && wish.what.device() == Some(*device);
    state.groups.wishes.values().filter(is_it).map(|wish| wish.room)
}

fn next_due(state: &State, now: Timestamp, asked: Option<Timestamp>, quiet: &Quiet) -> Option<Timestamp> {
    let at = |wish: &WishRow| wish.due.max(quiet.wishes_until(&wish.room));
    let waits = |wish: &&WishRow| wish.done_in.is_none() && (wish.what.device().is_none() || at(wish) > now);
    let wishes = state.groups.wishes.values().filter(waits).map(at);
    let updates = state.groups.rooms.values().filter(|group| group.is_member()).map(|group| group.due.max(quiet.until(&group.room)));
    let grants = state.groups.rooms.values().filter(|group| group.is_member()).filter_map(|group| group.regrant);
    let asked = asked.into_iter().flat_map(|at| [at.after(ADD_PATIENCE), at.after(ASK_PAUSE)]);
    wishes.chain(updates).chain(grants).chain(asked).map(|at| if at > now { at } else { now.after(ASK_PAUSE) }).min()
}

/// What may be committed now.
#[derive(Debug, Clone, Copy)]
struct May {
    wish: bool,
    update: bool,
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
    may: May,
) -> Result<Vec<DeviceId>, TurnFailed> {
    let Some(group) = state.groups.rooms.get(room).filter(|group| group.is_member()).cloned() else { return Ok(Vec::new()) };
    let (mut stands, missing) = standing(state, turn, &group, packages);
    if missing.iter().any(is_awaited) {
        // They come in together.
        stands.retain(|(wish, _)| !matches!(wish.what, What::Add { .. } | What::Vouch { .. }));
    }
    if !may.wish {
        // The others may have gone on, or another way.
        stands.clear();
    }
    let plan = plan(&stands, packages);
    let is_update_due = may.wish && may.update && turn.sure >= group.due && group.roster.leaves.len() > 1;
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

/// Looks which wishes stand and can be granted now, and whose KeyPackages are missing. Those that have ended are noted so.
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
            // Who is new believes no certificate that has ended: they come in under the next one.
            WishFor::Add(..) | WishFor::Vouch(..) if !state.own.may_show(turn.stamp) => {}
            // Its own devices or another friend may bring it in before: each package is handed out once.
            WishFor::Add(..) if row.due > turn.now => {}
            WishFor::Add(_, device) | WishFor::Vouch(_, _, Vouch { newcomer: device, .. }) if !packages.contains_key(device) => {
                missing.push(*device);
            }
            _ if row.due > turn.now => {}
            WishFor::Add(_, device) if !knocks::may_come(group, packages.get(device)) => state.drop_wish(turn, &group.room, &row.id),
            WishFor::Knocks(..) | WishFor::Hubs(..) if !knocks::can_open(state, group) => state.drop_wish(turn, &group.room, &row.id),
            WishFor::Add(..)
            | WishFor::Vouch(..)
            | WishFor::Knocks(..)
            | WishFor::Hubs(..)
            | WishFor::Remove(_)
            | WishFor::Drop(_)
            | WishFor::Leave(_)
            | WishFor::Name(_)
            | WishFor::Topic(_)
            | WishFor::Role(..) => {
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
            WishFor::Add(_, device) | WishFor::Vouch(_, _, Vouch { newcomer: device, .. }) => packages.remove(device),
            WishFor::Remove(_)
            | WishFor::Drop(_)
            | WishFor::Leave(_)
            | WishFor::Name(_)
            | WishFor::Topic(_)
            | WishFor::Role(..)
            | WishFor::Knocks(..)
            | WishFor::Hubs(..) => None,
        };
        let Some(act) = wish.act(package.as_ref().map(|package| package.leaf)) else { continue };
        plan.acts.push(act);
        plan.rows.push(row.clone());
        plan.packages.extend(package);
    }
    plan
}

/// Makes a commit and adopts it: it is in everybody's outbox in the same turn.
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
    let info = CommitInfo { seats: seats.clone(), changes: changes_of(state, &group.roster, &rows) };
    let key = rooms::credential_key(turn, room)?;
    let said = info.seal(&key, &room, group.number, turn.rng);
    let gone = group.roster.leaves.iter().filter(|leaf| roster.leaf(&leaf.leaf).is_none());
    let remove = gone.filter_map(|leaf| position(&leaf.leaf)).collect();
    let add = packages.iter().map(|package| package.key_package.clone()).collect();
    let proposals = Proposals { add, remove, state: Some(roster.hash()) };
    let Some(pending) = rooms::propose(turn, room, &proposals, &said)? else {
        part(state, turn, &room, rows);
        return Ok(());
    };
    let sealed = Sealed { epoch: pending.parent, bytes: pending.commit.clone() };
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::RoomCommit(room, pending.epoch), &sealed);
    let removes = commit.acts.iter().filter_map(|act| if let Act::Remove { user } = act { Some(*user) } else { None }).collect();
    let leaf = position(&group.leaf).unwrap_or(u32::MAX);
    let rival = RivalRow { epoch: pending.epoch, leaf, removes, is_ours: true };
    let drawn =
        |row: &WishRow| if let WishFor::Knocks(_, secret) | WishFor::Hubs(_, secret) = &row.what { Some(secret.clone()) } else { None };
    let secret = rows.iter().find_map(drawn);
    let judged = Judged { roster, effects, seats, rival, by: state.own.person(), secret };
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

/// MLS makes no commit of these together: one of them is to blame. Each is tried by itself, and one that cannot be ends.
fn part(state: &mut State, turn: &mut Turn<'_>, room: &RoomId, rows: Vec<WishRow>) {
    if let [row] = rows.as_slice() {
        state.drop_wish(turn, room, &row.id);
        return;
    }
    for (pause, row) in (1..).map(|nth: u64| nth.saturating_mul(APART)).zip(rows) {
        state.save_wish(turn, WishRow { due: turn.now.after(pause), ..row });
    }
}

/// What of some wishes MLS does not show.
fn changes_of(state: &State, roster: &Roster, rows: &[WishRow]) -> Vec<RoomChange> {
    let gone = |leaf: &PublicKeyBytes| {
        let device = roster.leaf(leaf)?.device;
        let is_of = |said: &&Gone| said.device.body().is_some_and(|body| body.device == device);
        let said = state.siblings.values().filter_map(|row| row.said.as_ref()).find(is_of)?;
        Some(RoomChange::Gone(Box::new(said.clone())))
    };
    let change = |row: &WishRow| match &row.what {
        WishFor::Add(..) | WishFor::Remove(_) => None,
        WishFor::Drop(leaf) => gone(leaf),
        WishFor::Knocks(knocks, secret) | WishFor::Hubs(knocks, secret) => Some(RoomChange::Knocks(knocks.clone(), secret.clone())),
        WishFor::Vouch(_, _, vouch) => Some(RoomChange::Vouched(Box::new(vouch.clone()))),
        WishFor::Leave(leave) => Some(RoomChange::Left(leave.clone())),
        WishFor::Name(name) => Some(RoomChange::Name(name.clone())),
        WishFor::Topic(topic) => Some(RoomChange::Topic(topic.clone())),
        WishFor::Role(user, role) => Some(RoomChange::Role(*user, *role)),
    };
    rows.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{Person, certified, further, in_turn};
    use crate::groups;
    use crate::wire::Capabilities;
    use symbolon_presence::time::EARLIEST;

    #[test]
    fn under_a_certificate_that_has_ended_nobody_is_brought_in_until_there_is_another() {
        in_turn(|state, turn| {
            let ben = Person::new(state, turn, 1).device;
            state.device_mut(&ben.device).unwrap().capabilities = Some(Capabilities::OURS);
            let room = groups::create(state, turn, "Crew").unwrap();
            groups::add(state, turn, &room, &[ben.peer]).unwrap();
            groups::rename(state, turn, &room, "Boat").unwrap();
            let group = state.groups.rooms.get(&room).cloned().unwrap();
            let none = BTreeMap::new();
            let first = further(state, EARLIEST);
            let (stands, missing) = standing(state, turn, &group, &none);
            assert_eq!((stands.len(), missing.len()), (1, 0), "the name needs nobody who is new");
            certified(state, first);
            let mut groups = Groups::default();
            groups.note_all(state);
            assert!(groups.look.contains(&room));
            let (stands, missing) = standing(state, turn, &group, &none);
            assert_eq!((stands.len(), missing), (1, vec![ben.device]));
        });
    }
}
