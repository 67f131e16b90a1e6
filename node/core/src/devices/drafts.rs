//! What the user has typed and not sent: it stands at all of their devices.
//!
//! A draft is said some seconds after it has changed, as it is then, and to a device that has not taken the last one yet it is said
//! once that is taken. So what waits for a device that is away does not grow with what is typed.

use super::speak::{self, say};
use crate::command::CommandError;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::{DRAFT_PAUSE, DRAFTS_SAID, TEXT_MAX};
use crate::people::{Target, persons};
use crate::rows::{Draft, Friend, SetBy, Told};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{Capabilities, DraftPlace, DraftSaid, OwnSaid};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::PeerId;
use symbolon_presence::time::Timestamp;

/// What other devices are to know of drafts.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    /// Something may have been written here.
    has_changed: bool,
    /// Of drafts that were written here, the versions when they were last looked at; at most as many as there are.
    looked: BTreeMap<DraftPlace, u64>,
    /// What a device is to hear, where it has heard all the rest; at most all of them for each device. Of one that is not here, and
    /// is to hear something, it is all.
    news: BTreeMap<PeerId, BTreeSet<DraftPlace>>,
    /// Devices for which some wait in the outbox.
    flight: BTreeSet<PeerId>,
    /// When they are said.
    due: Option<Timestamp>,
}

impl Drafts {
    /// After a start: what was said before waits in the outbox, and is not said again.
    pub fn start(state: &mut State, turn: &mut Turn<'_>) -> Result<Self, TurnFailed> {
        let mut flight = BTreeSet::new();
        for (peer, told) in state.siblings.values().map(|row| (row.peer, row.told_drafts)).collect::<Vec<_>>() {
            if waits(state, turn, &peer)? {
                flight.insert(peer);
            }
            if told == Some(Told::AtStart) {
                state.change_sibling(turn, &peer, |row| row.told_drafts = None);
            }
        }
        Ok(Self { looked: own(state), flight, ..Self::default() })
    }

    /// Something may have been written.
    pub fn changed(&mut self) {
        self.has_changed = true;
    }

    /// When something is to be said.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due
    }

    /// What was said to a device has become of something.
    pub fn taken(&mut self, state: &State, turn: &Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
        if self.flight.contains(peer) && !waits(state, turn, peer)? {
            self.flight.remove(peer);
        }
        Ok(())
    }

    /// The room of a device's friendship was made again, or it has refused something: what was on its way is not.
    pub fn came_again(&mut self, peer: &PeerId) {
        self.flight.remove(peer);
        self.news.remove(peer);
    }

    /// Says what is to be said. `ready` are the devices of ours that can hear something now.
    pub fn follow(&mut self, state: &mut State, turn: &mut Turn<'_>, ready: &[Friend]) -> Result<(), TurnFailed> {
        self.look(state, turn);
        let is_to_hear = |friend: &&Friend| {
            let is_untold = state.siblings.get(&friend.peer).is_some_and(|row| row.told_drafts.is_none());
            is_untold && takes(state, friend) && !self.flight.contains(&friend.peer)
        };
        let hearers: Vec<Friend> = ready.iter().filter(is_to_hear).cloned().collect();
        if hearers.is_empty() {
            self.due = None;
            return Ok(());
        }
        if *self.due.get_or_insert(turn.now.after(DRAFT_PAUSE)) > turn.now {
            return Ok(());
        }
        self.due = None;
        for friend in &hearers {
            let news = self.news.remove(&friend.peer);
            let is_new = |draft: &&Draft| news.as_ref().is_none_or(|news| news.contains(&draft.place));
            let said: Vec<DraftSaid> = state.drafts.values().filter(is_new).map(said_of).collect();
            state.change_sibling(turn, &friend.peer, |row| row.told_drafts = Some(Told::Said));
            for part in said.chunks(DRAFTS_SAID) {
                self.flight.insert(friend.peer);
                say(state, turn, friend, &OwnSaid::Drafts(part.to_vec()), EnvelopeOwner::OwnDrafts)?;
            }
        }
        Ok(())
    }

    /// What was written here since it was last looked at is to be heard by all others. What came from one of them is not said back.
    fn look(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if !std::mem::take(&mut self.has_changed) {
            return;
        }
        let now = own(state);
        let news: BTreeSet<DraftPlace> =
            now.iter().filter(|(place, version)| self.looked.get(place) != Some(version)).map(|(place, _)| *place).collect();
        self.looked = now;
        if news.is_empty() {
            return;
        }
        for (peer, told) in state.siblings.values().map(|row| (row.peer, row.told_drafts)).collect::<Vec<_>>() {
            if told == Some(Told::Said) {
                // Noted before it is said: a device that is away hears it also from the next run.
                state.change_sibling(turn, &peer, |row| row.told_drafts = None);
                self.news.insert(peer, news.clone());
            } else if let Some(known) = self.news.get_mut(&peer) {
                known.extend(&news);
            }
        }
    }
}

/// Of those that were written here, the versions.
fn own(state: &State) -> BTreeMap<DraftPlace, u64> {
    let is_ours = |draft: &&Draft| draft.set.by == state.own.peer;
    state.drafts.values().filter(is_ours).map(|draft| (draft.place, draft.set.version)).collect()
}

/// Whether a device's build knows of what is said here.
fn takes(state: &State, friend: &Friend) -> bool {
    friend.devices.iter().all(|device| state.can(device, Capabilities::DRAFTS))
}

/// Whether some wait for a device.
fn waits(state: &State, turn: &Turn<'_>, peer: &PeerId) -> Result<bool, TurnFailed> {
    speak::waits(state, turn, peer, |owner| matches!(owner, EnvelopeOwner::OwnDrafts).then_some(Ordering::Equal))
}

fn said_of(draft: &Draft) -> DraftSaid {
    let Draft { place, set, text } = draft.clone();
    DraftSaid { place, version: set.version, by: set.by, text }
}

/// The user writes in a conversation; an empty text takes back what they had written.
pub(crate) fn write(state: &mut State, turn: &mut Turn<'_>, target: &Target, text: String) -> Result<(), CommandError> {
    let place = place_of(state, target).ok_or(CommandError::NotFound)?;
    if text.len() > TEXT_MAX {
        return Err(CommandError::BadText);
    }
    let present = state.drafts.get(&place).cloned().unwrap_or(Draft::none(place, state.own.peer));
    if present.text == text {
        return Ok(());
    }
    let set = SetBy { version: present.set.version.saturating_add(1), by: state.own.peer };
    if !state.save_draft(turn, Draft { place, set, text }) {
        return Err(CommandError::Full);
    }
    turn.notify(Event::Drafts);
    Ok(())
}

/// The user has sent something there. Of that a draft is the beginning which was kept last, unless they have written something else
/// at another device.
pub(crate) fn sent(state: &mut State, turn: &mut Turn<'_>, target: &Target, text: &str) -> Result<(), CommandError> {
    let draft = place_of(state, target).and_then(|place| state.drafts.get(&place)).map(|draft| draft.text.trim());
    if draft.is_some_and(|draft| !draft.is_empty() && text.trim().starts_with(draft)) {
        write(state, turn, target, String::new())?;
    }
    Ok(())
}

/// All that is being written, with whom or where.
pub(crate) fn all(state: &State) -> Vec<(Target, String)> {
    let is_it = |draft: &&Draft| !draft.text.is_empty();
    state.drafts.values().filter(is_it).filter_map(|draft| Some((target_of(state, &draft.place)?, draft.text.clone()))).collect()
}

/// Another device has said what is being written. Where, is known here: else nobody could see it.
pub(super) fn heard(state: &mut State, turn: &mut Turn<'_>, said: DraftSaid) {
    let DraftSaid { place, version, by, text } = said;
    if target_of(state, &place).is_none() {
        return;
    }
    let (present, theirs) = (state.drafts.get(&place).cloned().unwrap_or(Draft::none(place, state.own.peer)), SetBy { version, by });
    if !present.set.gives_way_to(theirs) {
        return;
    }
    let is_other = present.text != text;
    if state.save_draft(turn, Draft { place, set: theirs, text }) && is_other {
        turn.notify(Event::Drafts);
    }
}

fn place_of(state: &State, target: &Target) -> Option<DraftPlace> {
    match target {
        Target::Friend(peer) => state.friends.get(peer).map(|friend| DraftPlace::Person(friend.person())),
        Target::Room(room) => Some(DraftPlace::Room(*room)),
    }
}

fn target_of(state: &State, place: &DraftPlace) -> Option<Target> {
    match place {
        DraftPlace::Person(person) if *person == state.own.person() => None,
        DraftPlace::Person(person) => persons::head_of(state, person).map(Target::Friend),
        DraftPlace::Room(room) => {
            let group = state.groups.rooms.get(room).filter(|group| group.question.is_none());
            group.map(|group| Target::Room(group.room))
        }
    }
}

#[cfg(test)]
mod tests;
