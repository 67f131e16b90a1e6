//! The bodies of our invites: made with our other records, and looked for once a day where they lie.
//!
//! Anyone who holds a link can put something else there. It deceives nobody, but the invite cannot be used any more:
//! its maker is to see that.

use crate::invites::note_spoiled;
use crate::invites::{bodies, cards};
use crate::limits::{FINDS_MAX, INVITES_AHEAD_MAX, READ_BODIES_AGAIN, READ_BODIES_MAX, READ_BODY};
use crate::seam::{Look, NetAction};
use crate::state::State;
use crate::turn::Turn;
use crate::wire::CapsulePlaces;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::capsule::CapsuleKeys;
use symbolon_presence::codec;
use symbolon_presence::id::{GrantId, LookupId};
use symbolon_presence::record::{DAYS_AHEAD, Record, day_of};
use symbolon_presence::time::Timestamp;
use symbolon_relay::link::RelayLink;

/// When bodies are made, and what was found in their places. Nothing of it is stored.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// When they are made because the open invites are others.
    pub due: Option<Timestamp>,
    /// When the next of them are looked for, and the pause after that; it doubles while some are found nowhere.
    look: Option<Timestamp>,
    pause: u64,
    /// When all are looked for again.
    again: Option<Timestamp>,
    /// Those that were looked for, and those of them that nobody has.
    done: BTreeSet<GrantId>,
    missing: BTreeSet<GrantId>,
    /// Those that are looked for now; at most [`FINDS_MAX`].
    asked: BTreeMap<LookupId, Asked>,
}

#[derive(Debug)]
struct Asked {
    invite: GrantId,
    /// Ours was found, and something that holds before ours.
    own: bool,
    foreign: bool,
}

impl Bodies {
    /// There are others than before, or servers that were not there: they are looked for soon.
    pub fn begin_again(&mut self, state: &State, now: Timestamp) {
        self.pause = READ_BODY;
        self.look = (!state.own.bodies.is_empty()).then(|| now.after(READ_BODY));
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        [self.due, self.look].into_iter().flatten().min()
    }

    /// Whether they are to be made now.
    pub fn take_due(&mut self, now: Timestamp) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// Looks for the next few, when it is time.
    pub fn look(&mut self, state: &State, turn: &mut Turn<'_>, has_servers: bool) {
        if self.look.is_none_or(|at| at > turn.now) {
            return;
        }
        self.asked.clear();
        let today = day_of(turn.now);
        let open = bodies::open(state, turn.now);
        if open.is_empty() || !has_servers {
            // Until there is something to look for, and somewhere to look.
            self.look = None;
            return;
        }
        if self.again.is_none_or(|again| again <= turn.now) {
            self.again = Some(turn.now.after(READ_BODIES_AGAIN));
            (self.done, self.missing) = (BTreeSet::new(), BTreeSet::new());
        }
        if open.iter().all(|invite| self.done.contains(&invite.grant)) {
            self.done.retain(|invite| !self.missing.contains(invite));
            self.missing.clear();
        }
        for invite in open.iter().filter(|invite| !self.done.contains(&invite.grant)).take(FINDS_MAX) {
            let slot = invite.secret.as_ref().map(|secret| secret.slot(today));
            if let Some(id) = slot.and_then(|slot| slot.id().ok()) {
                self.asked.insert(id, Asked { invite: invite.grant, own: false, foreign: false });
                turn.act(NetAction::Resolve(id, Look::Everywhere));
            }
        }
        self.done.extend(self.asked.values().map(|asked| asked.invite));
        self.look = if self.asked.is_empty() { self.again } else { Some(turn.now.after(self.pause)) };
        self.pause = self.pause.saturating_mul(2).min(READ_BODIES_MAX);
    }

    /// Something was found; it may be anything.
    pub fn found(&mut self, state: &State, now: Timestamp, id: &LookupId, bytes: &[u8]) {
        let (Some(asked), Some(own)) = (self.asked.get_mut(id), state.own.bodies.get(id)) else { return };
        let counter = |bytes: &[u8]| Record::read(bytes, now).ok().filter(|record| record.id == *id).map(|record| record.counter());
        asked.own |= own == bytes;
        // What is older than ours is a server's that has not heard of ours.
        asked.foreign |= own != bytes && counter(bytes) >= counter(own) && counter(bytes).is_some();
    }

    /// All who were asked have answered. Whether nobody has ours.
    pub fn resolved(&mut self, state: &mut State, turn: &mut Turn<'_>, id: &LookupId) -> bool {
        let Some(asked) = self.asked.remove(id) else { return false };
        if asked.foreign {
            note_spoiled(state, turn, &asked.invite, Some(turn.stamp));
        } else if asked.own {
            note_spoiled(state, turn, &asked.invite, None);
        }
        if asked.own {
            state.own.kept_bodies.insert(asked.invite);
        }
        let is_missing = !asked.own && !asked.foreign;
        if is_missing {
            self.missing.insert(asked.invite);
        }
        is_missing
    }
}

/// Where our capsule lies, for a day: none while nobody has seen the recovery phrase, or without a relay.
fn places(state: &State, turn: &mut Turn<'_>, day: u32, at: Timestamp) -> Option<(LookupId, Vec<u8>)> {
    let key = state.own.backup_key.as_ref()?;
    let relays: Vec<RelayLink> = state.own.relay_mailboxes.values().filter(|own| own.is_told()).map(|own| own.link.clone()).collect();
    if relays.is_empty() {
        return None;
    }
    let slot = CapsuleKeys::new(key).places().slot(day);
    let record = slot.seal(at, &codec::encode(&CapsulePlaces { relays }), turn.rng).ok()?;
    Some((slot.id().ok()?, record))
}

/// Makes the bodies of today and tomorrow. `is_leaving`: they do not say where this node was.
pub(super) fn make(state: &mut State, turn: &mut Turn<'_>, is_leaving: bool) {
    let (today, number) = (day_of(turn.now), state.own.presence.sequence);
    let mut made = BTreeMap::new();
    for invite in bodies::open(state, turn.now) {
        let Some(draft) = bodies::draft(state, turn, &invite, is_leaving) else { continue };
        made.extend([today, today.saturating_add(1)].into_iter().filter_map(|day| draft.seal(state, turn, day, number)));
    }
    for card in cards::open(state, turn.now).cloned().collect::<Vec<_>>() {
        made.extend([today, today.saturating_add(1)].into_iter().filter_map(|day| cards::seal(state, turn, &card, day, number)));
    }
    made.extend([today, today.saturating_add(1)].into_iter().filter_map(|day| places(state, turn, day, turn.stamp)));
    state.own.bodies = made;
    state.own.kept_bodies.retain(|invite| state.invites.contains_key(invite));
    let used = [today, today.saturating_add(1)].into_iter().flat_map(|day| bodies::places_of_used(state, turn.now, day)).collect();
    state.own.used_bodies = used;
}

/// Makes those that our relays are to publish while we are away, from today on: of the newest invites.
pub(super) fn prepare(state: &mut State, turn: &mut Turn<'_>) {
    state.own.bodies_ahead.clear();
    if state.own.relay_mailboxes.is_empty() {
        return;
    }
    let (today, number) = (day_of(turn.now), state.own.presence.sequence.saturating_sub(1));
    let mut ahead: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    // They are behind those that this node publishes itself, which are made a moment later.
    let at = Timestamp(turn.stamp.0.saturating_sub(1));
    for day in today..=today.saturating_add(DAYS_AHEAD) {
        ahead.entry(day).or_default().extend(places(state, turn, day, at).map(|(_, bytes)| bytes));
    }
    let has_places = ahead.values().any(|records| !records.is_empty());
    for invite in bodies::open(state, turn.now).into_iter().take(INVITES_AHEAD_MAX - usize::from(has_places)) {
        let Some(draft) = bodies::draft(state, turn, &invite, true) else { continue };
        for day in today..=today.saturating_add(DAYS_AHEAD).min(day_of(invite.expires)) {
            ahead.entry(day).or_default().extend(draft.seal(state, turn, day, number).map(|(_, bytes)| bytes));
        }
    }
    for card in cards::open(state, turn.now).cloned().collect::<Vec<_>>() {
        for day in today..=today.saturating_add(DAYS_AHEAD).min(day_of(card.expires)) {
            let records = ahead.entry(day).or_default();
            if records.len() < INVITES_AHEAD_MAX {
                records.extend(cards::seal(state, turn, &card, day, number).map(|(_, bytes)| bytes));
            }
        }
    }
    state.own.bodies_ahead = ahead;
}

#[cfg(test)]
mod tests;
