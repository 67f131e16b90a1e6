//! What own devices say to each other: what has changed here, the texts that have arrived, and what was read.
//!
//! It listens to what users are shown, so nothing has to be said twice. What goes out is bounded: persons and texts by the
//! frame, and of texts one frame is on its way to each device.

use super::asks::{self, Asks};
use super::drafts::Drafts;
use super::shared::SharedRooms;
use super::speak::{is_ready, say};
use super::texts::texts_from;
use super::{listed, persons as stands, removal, speak};
use crate::command::MessageState;
use crate::conversations;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::{MARKS_OWED_MAX, MARKS_OWED_SAID, PERSONS_SAID, TEXTS_SAID};
use crate::people::{self, persons};
use crate::rows::{Friend, Message, RoomsTaken, Sibling, Told, key_of_message};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{OwnSaid, PersonSaid, RelaySaid};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, MessageId, PeerId};
use symbolon_presence::time::Timestamp;

/// What has happened here that other devices are to know.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    /// Devices that hear everything after this start: they have refused something. All others are known by their rows.
    fresh: BTreeSet<PeerId>,
    /// Nobody was looked at since the start.
    is_start: bool,
    /// Devices whose room was made again: what they have may be older, and so may their certificate.
    again: BTreeSet<PeerId>,
    /// People of whom something may have changed; at most as many as there are.
    changed: BTreeSet<PeerId>,
    /// Texts of ours that have got further; at most [`STATES_MAX`].
    states: BTreeSet<MessageId>,
    /// What was read, and with whom.
    reads: BTreeMap<PeerId, MessageId>,
    /// Texts that are on their way to a device: the next arrival number behind them. Its row says the same, except after a refusal.
    flight: BTreeMap<PeerId, u64>,
    asks: Asks,
    /// Friends' devices, and ours, that are still to hear which of our devices are gone.
    untold: BTreeSet<PeerId>,
    /// How many of them are gone, as far as all friends are looked at.
    gone: usize,
    /// Our device list, as far as all friends are looked at.
    listed: Option<u64>,
    /// Devices that are ours no more, and have heard so.
    told: BTreeSet<PeerId>,
    /// When the friendship with such a device is to end at the latest.
    close: Option<Timestamp>,
    /// What this device is called, as the others have heard it.
    label: String,
    /// What concerns shared rooms.
    rooms: SharedRooms,
    /// What is being written.
    drafts: Drafts,
    /// Whether more texts can be looked at now.
    is_behind: bool,
}

/// Texts whose state may wait to be said. With more of them some are not said; what is shown elsewhere is behind then.
const STATES_MAX: usize = 4_096;

impl Devices {
    /// After a start: what was said before waits in the outbox, and is not said again.
    pub fn start(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let fresh = state.siblings.values().filter(|row| row.told == Some(Told::AtStart)).map(|row| row.peer).collect();
        let (untold, label) = (state.friends.keys().copied().collect(), state.own.label.clone());
        let (rooms, drafts) = (SharedRooms::start(state, turn)?, Drafts::start(state, turn)?);
        *self = Self { fresh, untold, label, rooms, drafts, is_start: true, ..Self::default() };
        for (peer, next) in state.siblings.values().filter_map(|row| Some((row.peer, row.flight?))).collect::<Vec<_>>() {
            let order = |owner: &EnvelopeOwner| if let EnvelopeOwner::OwnTexts(up_to) = owner { Some(up_to.cmp(&next)) } else { None };
            if speak::waits(state, turn, &peer, order)? {
                self.flight.insert(peer, next);
            } else {
                state.change_sibling(turn, &peer, |row| row.flight = None);
            }
        }
        Ok(())
    }

    /// A device has refused something that was said to it.
    pub fn refused(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) {
        let Some(peer) = state.devices.get(device).map(|row| row.peer) else { return };
        // What is in flight stays so until the start.
        state.change_sibling(turn, &peer, |row| {
            // What is still to be said is not put off by it.
            row.told = row.told.map(|_| Told::AtStart);
            row.told_rooms = row.told_rooms.map(|_| Told::AtStart);
            row.told_drafts = row.told_drafts.map(|_| Told::AtStart);
            row.flight = None;
            row.rooms = row.rooms.map(|rooms| RoomsTaken { flight: None, ..rooms });
        });
        self.drafts.came_again(&peer);
    }

    /// When something is to be done.
    pub fn next_due(&self) -> Option<Timestamp> {
        let behind = (self.is_behind || self.rooms.is_behind).then_some(Timestamp(0));
        self.asks.next_due().into_iter().chain(self.close).chain(self.drafts.next_due()).chain(behind).min()
    }

    /// Somebody's device is a friend, or is one again.
    pub fn befriended(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let Some(friend) = state.friend_of(device) else { return Ok(()) };
        self.untold.insert(friend.peer);
        if !persons::is_own(state, friend) {
            // Our others may ask for it.
            self.changed.insert(friend.person());
            let person = friend.person();
            return removal::end_barred(state, turn, &person);
        }
        let peer = friend.peer;
        if people::is_shut_out(state, device) {
            // Asked before it was.
            return removal::end(state, turn, &peer);
        }
        // Our others may ask for it, too.
        self.changed.insert(state.own.person());
        if state.siblings.contains_key(&peer) {
            self.again.insert(peer);
            self.flight.remove(&peer);
            state.change_sibling(turn, &peer, |row| (row.told, row.told_rooms, row.told_drafts, row.flight) = (None, None, None, None));
            self.drafts.came_again(&peer);
            self.rooms.came_again(state, turn, &peer);
        } else {
            if !removal::has_place(state) {
                return Ok(());
            }
            let since = turn.stamp;
            state.save_sibling(turn, Sibling::new(peer, since));
            state.change_friend(turn, &peer, |friend| friend.trust = crate::command::Trust::Verified);
            turn.notify(Event::Warning(crate::seam::Warning::OwnDeviceCame));
        }
        Ok(())
    }

    /// A device has said what its build takes: a friend's may be asked for by our others now.
    pub fn shown(&mut self, state: &State, device: &DeviceId) {
        let Some(friend) = state.friend_of(device) else { return };
        self.changed.insert(friend.person());
        self.untold.insert(friend.peer);
    }

    /// A text of a shared room was read.
    pub fn read_in_room(&mut self, message: MessageId) {
        self.rooms.read(message);
    }

    /// What was sent to a device of ours has become of something: texts of shared rooms are there.
    pub fn room_texts_taken(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, taken: (u64, u64)) {
        let peer = state.devices.get(device).map(|row| row.peer);
        if let Some(peer) = peer {
            self.rooms.taken(state, turn, &peer, taken);
        }
    }

    /// What is being written here is known at a device of ours.
    pub fn drafts_taken(&mut self, state: &State, turn: &Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let peer = state.devices.get(device).map(|row| row.peer);
        peer.map_or(Ok(()), |peer| self.drafts.taken(state, turn, &peer))
    }

    /// Texts of a friend were read.
    pub fn read(&mut self, state: &State, friend: &PeerId, message: MessageId) {
        let person = state.friends.get(friend).map(Friend::person);
        self.reads.extend(person.map(|person| (person, message)));
    }

    /// What was sent to a device has become of something: texts are there, or are to be said again.
    pub fn taken(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, up_to: u64) {
        let Some(peer) = &state.devices.get(device).map(|row| row.peer) else { return };
        state.change_sibling(turn, peer, |row| {
            row.taken = row.taken.max(up_to);
            row.flight = row.flight.filter(|next| *next > up_to);
        });
        if self.flight.get(peer).is_some_and(|at| *at <= up_to) {
            self.flight.remove(peer);
        }
    }

    /// A device that is ours no more has heard so.
    pub fn told(&mut self, state: &State, device: &DeviceId) {
        self.told.extend(state.devices.get(device).map(|row| row.peer));
    }

    /// What users are shown.
    fn listen(&mut self, state: &State, events: Vec<Event>) {
        for event in events {
            // Others are nothing that devices of ours agree about.
            if let Event::MessageState { message } = event {
                if self.states.len() < STATES_MAX {
                    self.states.insert(message);
                }
            } else if let Event::Friend(peer) = event {
                self.changed.extend(state.friends.get(&peer).map(Friend::person));
            } else if let Event::Room(room) = event {
                self.rooms.changed(room);
            } else if event == Event::Drafts {
                self.drafts.changed();
            }
        }
    }

    /// Says what is to be said. Whether there are other devices.
    pub fn follow(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<bool, TurnFailed> {
        self.is_behind = false;
        // A device that was restored knows people before it knows a sibling.
        if state.siblings.is_empty() && state.persons.is_empty() && state.listed.is_empty() {
            self.changed.clear();
            self.untold.clear();
            turn.out.overheard.clear();
            self.rooms.clear();
            self.asks = Asks::default();
            return Ok(false);
        }
        removal::close(state, turn, &std::mem::take(&mut self.told))?;
        self.close = removal::next_close(state, turn);
        if self.gone != removal::count(state) || self.listed != listed::own_number(state) {
            (self.gone, self.listed) = (removal::count(state), listed::own_number(state));
            self.untold.extend(state.friends.keys());
        }
        for peer in std::mem::take(&mut self.untold) {
            if !removal::tell(state, turn, &peer)? {
                self.untold.insert(peer);
            }
        }
        let events = std::mem::take(&mut turn.out.overheard);
        self.listen(state, events);
        let present: Vec<Friend> = persons::siblings(state).cloned().collect();
        let ready: Vec<Friend> = present.iter().filter(|friend| is_ready(state, friend)).cloned().collect();
        if state.own.gone.is_some() {
            self.rooms.clear();
            self.drafts = Drafts::default();
            self.asks = Asks::default();
            return Ok(false);
        }
        let is_reachable = !state.own.places.is_empty() || state.own.told_relays() > 0;
        let asks = if is_reachable {
            self.asks.due(state, turn, !ready.is_empty())?
        } else {
            self.asks.pause();
            Vec::new()
        };
        for (peer, befriend) in &asks {
            asks::knock(state, turn, peer, befriend)?;
        }
        self.owe_reads(state, turn, &ready);
        let has_other_label = self.label != state.own.label;
        self.label.clone_from(&state.own.label);
        if has_other_label {
            let others = speak::others(state, &ready);
            speak::hear_later(state, turn, &others, |row| &mut row.told);
        }
        if ready.is_empty() {
            self.rooms.follow(state, turn, &present)?;
            self.drafts.follow(state, turn, &ready)?;
            return Ok(true);
        }
        self.say_persons(state, turn, &ready, has_other_label)?;
        self.say_events(state, turn, &ready)?;
        for friend in &ready {
            for said in self.owed_marks(state, turn, &friend.peer)? {
                say(state, turn, friend, &said, EnvelopeOwner::Own)?;
            }
            self.say_texts(state, turn, friend)?;
        }
        self.rooms.follow(state, turn, &present)?;
        self.drafts.follow(state, turn, &ready)?;
        for (peer, befriend) in asks {
            // Each device of ours may be the one that can hand it on.
            for friend in &ready {
                say(state, turn, friend, &OwnSaid::Ask(peer, Box::new(befriend.clone())), EnvelopeOwner::Own)?;
            }
        }
        Ok(true)
    }

    /// What was read is kept for those who cannot hear it now.
    fn owe_reads(&mut self, state: &mut State, turn: &mut Turn<'_>, ready: &[Friend]) {
        if self.reads.is_empty() {
            return;
        }
        let others = speak::others(state, ready);
        let persons: Vec<PeerId> = self.reads.keys().copied().collect();
        for peer in others {
            state.change_sibling(turn, &peer, |row| {
                let owed = row.marks.get_or_insert_default();
                for person in &persons {
                    if owed.len() < MARKS_OWED_MAX && !owed.contains(person) {
                        owed.push(*person);
                    }
                }
            });
        }
        if ready.is_empty() {
            self.reads.clear();
        }
    }

    /// The marks that a device is to hear now, of those that could not be said to it.
    fn owed_marks(&mut self, state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<Vec<OwnSaid>, TurnFailed> {
        let Some(owed) = state.siblings.get(peer).and_then(|row| row.marks.clone()) else { return Ok(Vec::new()) };
        let (now, rest) = owed.split_at(owed.len().min(MARKS_OWED_SAID));
        let mut said = Vec::with_capacity(now.len());
        for person in now {
            let message = match persons::head_of(state, person) {
                Some(friend) => conversations::history::read_up_to(state, turn, &friend)?,
                None => None,
            };
            said.extend(message.map(|message| OwnSaid::Read(*person, message)));
        }
        self.is_behind |= !rest.is_empty();
        let rest = Some(rest.to_vec()).filter(|rest| !rest.is_empty());
        state.change_sibling(turn, peer, |row| row.marks = rest);
        Ok(said)
    }

    fn say_persons(&mut self, state: &mut State, turn: &mut Turn<'_>, ready: &[Friend], has_other_label: bool) -> Result<(), TurnFailed> {
        let is_first = state.persons.is_empty();
        let own = state.own.person();
        let has_other_name = state.persons.get(&own).is_none_or(|row| row.shown.0 != state.own.name);
        let mut looked = std::mem::take(&mut self.changed);
        if has_other_name {
            looked.insert(own);
        }
        let is_untold = |peer: &PeerId| state.siblings.get(peer).is_some_and(|row| row.told.is_none());
        let fresh: BTreeSet<PeerId> =
            ready.iter().map(|friend| friend.peer).filter(|peer| self.fresh.contains(peer) || is_untold(peer)).collect();
        if is_first || std::mem::take(&mut self.is_start) || !fresh.is_empty() {
            looked.extend(stands::all(state));
        }
        let news: Vec<PersonSaid> = looked.iter().filter_map(|person| stands::look(state, turn, person)).collect();
        if !news.is_empty() {
            let others = speak::others(state, ready);
            speak::hear_later(state, turn, &others, |row| &mut row.told);
        }
        for friend in ready {
            if fresh.contains(&friend.peer) {
                self.fresh.remove(&friend.peer);
                state.change_sibling(turn, &friend.peer, |row| row.told = Some(Told::Said));
                for chain in removal::barred(state) {
                    say(state, turn, friend, &OwnSaid::Barred(chain), EnvelopeOwner::Own)?;
                }
                if self.again.remove(&friend.peer) {
                    say_certificate(state, turn, friend)?;
                }
                // Before it is called anything: relays are taken by who has heard nothing else yet.
                if !state.own.relay_mailboxes.is_empty() {
                    say(state, turn, friend, &OwnSaid::Relays(own_relays(state)), EnvelopeOwner::Own)?;
                }
                say(state, turn, friend, &OwnSaid::Label(state.own.label.clone()), EnvelopeOwner::Own)?;
                let all: Vec<PersonSaid> = state.persons.values().map(|row| row.said.clone()).collect();
                say_in_parts(state, turn, friend, &all)?;
            } else {
                if has_other_label {
                    say(state, turn, friend, &OwnSaid::Label(state.own.label.clone()), EnvelopeOwner::Own)?;
                }
                say_in_parts(state, turn, friend, &news)?;
            }
        }
        Ok(())
    }

    fn say_events(&mut self, state: &mut State, turn: &mut Turn<'_>, ready: &[Friend]) -> Result<(), TurnFailed> {
        for (person, message) in std::mem::take(&mut self.reads) {
            for friend in ready {
                say(state, turn, friend, &OwnSaid::Read(person, message), EnvelopeOwner::Own)?;
            }
        }
        let mut states = Vec::new();
        for id in std::mem::take(&mut self.states) {
            let Some(key) = key_of_message(turn, &id)? else { continue };
            let Some(message) = turn.row::<Message>(Table::Message, &key)? else { continue };
            // Who has sent it knows; what was heard of it elsewhere is not said back.
            if message.from == state.own.peer && message.via.is_none() && message.state != MessageState::Queued {
                states.push((id, message.state));
            }
        }
        for part in states.chunks(TEXTS_SAID) {
            for friend in ready {
                say(state, turn, friend, &OwnSaid::States(part.to_vec()), EnvelopeOwner::Own)?;
            }
        }
        Ok(())
    }

    /// The next texts for a device, once those before have arrived.
    fn say_texts(&mut self, state: &mut State, turn: &mut Turn<'_>, friend: &Friend) -> Result<(), TurnFailed> {
        let Some(row) = state.siblings.get(&friend.peer).filter(|_| !self.flight.contains_key(&friend.peer)) else { return Ok(()) };
        let begin = row.taken;
        if begin >= state.counters.arrival {
            return Ok(());
        }
        let (texts, next) = texts_from(state, turn, &friend.peer, begin)?;
        if texts.is_empty() {
            // Nothing of it is for that device.
            if next > begin {
                state.change_sibling(turn, &friend.peer, |row| row.taken = next);
                self.is_behind |= next < state.counters.arrival;
            }
            return Ok(());
        }
        self.flight.insert(friend.peer, next);
        state.change_sibling(turn, &friend.peer, |row| row.flight = Some(next));
        say(state, turn, friend, &OwnSaid::Texts(texts), EnvelopeOwner::OwnTexts(next))
    }
}

/// A device that is behind may have lost the certificate that it was sent: it gets the present one once more.
fn say_certificate(state: &mut State, turn: &mut Turn<'_>, friend: &Friend) -> Result<(), TurnFailed> {
    if state.own.identity.root.is_none() {
        return Ok(());
    }
    for id in &friend.devices {
        let Some(chain) = state.devices.get(id).map(|row| row.chain.clone()) else { continue };
        say(state, turn, friend, &OwnSaid::Certificate(chain), EnvelopeOwner::Own)?;
    }
    Ok(())
}

/// The relays that this device uses.
fn own_relays(state: &State) -> Vec<RelaySaid> {
    let told = state.own.relay_mailboxes.values().filter(|own| own.is_told());
    told.map(|own| RelaySaid { link: own.link.to_string(), claim: own.claim.map(|claim| claim.to_string()) }).collect()
}

fn say_in_parts(state: &mut State, turn: &mut Turn<'_>, friend: &Friend, persons: &[PersonSaid]) -> Result<(), TurnFailed> {
    for part in persons.chunks(PERSONS_SAID) {
        say(state, turn, friend, &OwnSaid::Persons(part.to_vec()), EnvelopeOwner::Own)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
