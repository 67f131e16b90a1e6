//! What own devices say to each other about shared rooms: which there are and what the user has set for them, their texts, and what
//! was read.
//!
//! Texts go to each device once, in the order in which they arrived here, whether the device is in the room or not. So a device that
//! comes in later has what was said before, and what was read is read everywhere: a mark comes behind the text that it names, or the
//! text is said as read. What cannot be said in its turn is made up for by going back: texts are said once more from there on, as
//! they stand then.

use super::settings;
use super::speak::{self, is_ready, page_from, say};
use crate::conversations;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::{DEVICES_MAX, MARKS_SAID, ROOMS_ELSEWHERE_MAX, ROOMS_MAX, ROOMS_SAID, TEXTS_SAID, TEXTS_SAID_BYTES};
use crate::people;
use crate::rows::{Friend, Group, GroupStanding, Message, RoomNote, RoomsTaken, SetBy, Told, key_of_message, message_key, split_key};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{Capabilities, OwnSaid, RoomIs, RoomSaid, RoomTextSaid, Roster, Text};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{EpochId, MessageId, PeerId, PublicKeyBytes, RoomId};

/// What has happened in shared rooms that other devices are to know.
#[derive(Debug, Default)]
pub(super) struct SharedRooms {
    /// Devices that hear of all rooms after this start: they have refused something. All others are known by their rows.
    fresh: BTreeSet<PeerId>,
    /// Rooms of which something may have changed; at most as many as there are.
    changed: BTreeSet<RoomId>,
    /// Texts that were read in this input; at most as many as are read at once.
    reads: BTreeSet<MessageId>,
    /// What was said of each room; at most as many as there are.
    said: BTreeMap<RoomId, Shown>,
    /// Texts that are on their way to a device: the round, and the next arrival number behind them. Its row says the same, except
    /// after a refusal.
    flight: BTreeMap<PeerId, (u64, u64)>,
    /// The settings of the person, as they were last said or heard.
    settings: BTreeMap<u8, SetBy>,
    /// Whether more of them can be looked at now.
    pub is_behind: bool,
}

/// What a room looks like to other devices.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    is: RoomIs,
    name: String,
    /// Of what this device has set; 0 where another one has, which has said so itself.
    version: u64,
}

impl SharedRooms {
    /// After a start: what was said before waits in the outbox, and is not said again.
    pub fn start(state: &mut State, turn: &mut Turn<'_>) -> Result<Self, TurnFailed> {
        let said = state.groups.rooms.keys().filter_map(|room| Some((*room, shown(state, room)?))).collect();
        let fresh = state.siblings.values().filter(|row| row.told_rooms == Some(Told::AtStart)).map(|row| row.peer).collect();
        let mut flight = BTreeMap::new();
        for (peer, rooms) in state.siblings.values().filter_map(|row| Some((row.peer, row.rooms?))).collect::<Vec<_>>() {
            let Some(next) = rooms.flight else { continue };
            let place = (rooms.round, next);
            let order = |owner: &EnvelopeOwner| {
                if let EnvelopeOwner::OwnRoomTexts(round, up_to) = owner { Some((*round, *up_to).cmp(&place)) } else { None }
            };
            if speak::waits(state, turn, &peer, order)? {
                flight.insert(peer, place);
            } else {
                state.change_sibling(turn, &peer, |row| row.rooms = Some(RoomsTaken { flight: None, ..rooms }));
            }
        }
        Ok(Self { fresh, said, flight, settings: state.own.settings.clone(), ..Self::default() })
    }

    /// There are no other devices.
    pub fn clear(&mut self) {
        self.changed.clear();
        self.reads.clear();
        self.is_behind = false;
    }

    /// The room of a device's friendship was made again: what was on its way may be lost, and the device an older copy.
    pub fn came_again(&mut self, state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
        self.go_back(state, turn, peer, 0);
    }

    /// Something of a room may have changed.
    pub fn changed(&mut self, room: RoomId) {
        self.changed.insert(room);
    }

    /// A text was read.
    pub fn read(&mut self, message: MessageId) {
        self.reads.insert(message);
    }

    /// A device has texts.
    pub fn taken(&mut self, state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, (round, up_to): (u64, u64)) {
        let Some(row) = state.siblings.get(peer) else { return };
        let taken = row.rooms.unwrap_or_default();
        if taken.round != round {
            return;
        }
        if up_to > taken.up_to {
            let flight = taken.flight.filter(|next| *next > up_to);
            state.change_sibling(turn, peer, |row| row.rooms = Some(RoomsTaken { round, up_to, flight }));
        }
        if self.flight.get(peer).is_some_and(|(_, at)| *at <= up_to) {
            self.flight.remove(peer);
        }
    }

    /// Says to a device once more what has arrived from a number on: what is on its way counts no more.
    fn go_back(&mut self, state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, to: u64) {
        self.flight.remove(peer);
        let Some(RoomsTaken { round, up_to, .. }) = state.siblings.get(peer).and_then(|row| row.rooms) else { return };
        let rooms = Some(RoomsTaken::new(round.saturating_add(1), up_to.min(to)));
        state.change_sibling(turn, peer, |row| row.rooms = rooms);
    }

    /// Says what is to be said. `present` are the devices of ours that take part.
    pub fn follow(&mut self, state: &mut State, turn: &mut Turn<'_>, present: &[Friend]) -> Result<(), TurnFailed> {
        self.is_behind = false;
        let hears = |friend: &&Friend| is_ready(state, friend) && takes(state, friend);
        let ready: Vec<Friend> = present.iter().filter(hears).cloned().collect();
        let others = speak::others(state, &ready);
        let news = self.look(state, turn)?;
        let set = settings::news(state, &self.settings);
        self.settings.clone_from(&state.own.settings);
        if !(news.is_empty() && set.is_empty()) {
            speak::hear_later(state, turn, &others, |row| &mut row.told_rooms);
        }
        let reads = self.take_reads(state, turn, &others)?;
        for friend in &ready {
            let is_untold = state.siblings.get(&friend.peer).is_some_and(|row| row.told_rooms.is_none());
            let (set, rooms) = if self.fresh.remove(&friend.peer) || is_untold {
                state.change_sibling(turn, &friend.peer, |row| row.told_rooms = Some(Told::Said));
                (settings::all(state), all(state))
            } else {
                (set.clone(), news.clone())
            };
            if !set.is_empty() {
                say(state, turn, friend, &OwnSaid::Settings(set), EnvelopeOwner::Own)?;
            }
            for part in rooms.chunks(ROOMS_SAID) {
                say(state, turn, friend, &OwnSaid::Rooms(part.to_vec()), EnvelopeOwner::Own)?;
            }
            for part in reads.chunks(MARKS_SAID) {
                say(state, turn, friend, &OwnSaid::RoomReads(part.to_vec()), EnvelopeOwner::Own)?;
            }
            self.say_texts(state, turn, friend)?;
        }
        Ok(())
    }

    /// Looks at what has changed. Answers the rooms of which something is to be said.
    fn look(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<Vec<RoomSaid>, TurnFailed> {
        let mut news = Vec::new();
        for room in std::mem::take(&mut self.changed) {
            let Some(now) = shown(state, &room) else {
                self.said.remove(&room);
                continue;
            };
            let before = self.said.insert(room, now.clone());
            if before.is_none() {
                // It was not shown until now, and what came in it was passed over.
                self.go_back_to_first(state, turn, &room)?;
            }
            let stands_as_before = before.as_ref().is_some_and(|before| (before.is, &before.name) == (now.is, &now.name));
            let is_ours = now.version > 0 && before.is_none_or(|before| before.version != now.version);
            if is_ours || !(stands_as_before || now.is == RoomIs::Elsewhere) {
                news.extend(said_of(state, &room));
            }
        }
        Ok(news)
    }

    fn go_back_to_first(&mut self, state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
        let first = turn.range(Table::Message, &message_key(room, 0), 1)?;
        let Some((_, first)) = first.first().and_then(|(key, _)| split_key(key)).filter(|(of, _)| of == room) else { return Ok(()) };
        for peer in state.siblings.keys().copied().collect::<Vec<_>>() {
            self.go_back(state, turn, &peer, first);
        }
        Ok(())
    }

    /// What was read, for those who can hear it now. The others hear it with the texts, which are said to them once more.
    fn take_reads(&mut self, state: &mut State, turn: &mut Turn<'_>, others: &[PeerId]) -> Result<Vec<MessageId>, TurnFailed> {
        let reads: Vec<MessageId> = std::mem::take(&mut self.reads).into_iter().collect();
        let mut first: Option<u64> = None;
        for id in reads.iter().filter(|_| !others.is_empty()) {
            let arrival = key_of_message(turn, id)?.and_then(|key| split_key(&key)).map(|(_, arrival)| arrival);
            first = first.into_iter().chain(arrival).min();
        }
        if let Some(first) = first {
            for peer in others {
                self.go_back(state, turn, peer, first);
            }
        }
        Ok(reads)
    }

    /// The next texts for a device, once those before have arrived.
    fn say_texts(&mut self, state: &mut State, turn: &mut Turn<'_>, friend: &Friend) -> Result<(), TurnFailed> {
        let peer = friend.peer;
        let Some(row) = state.siblings.get(&peer).filter(|_| !self.flight.contains_key(&peer)) else { return Ok(()) };
        let RoomsTaken { round, up_to, .. } = row.rooms.unwrap_or_default();
        if up_to >= state.counters.arrival {
            return Ok(());
        }
        let (texts, next) = texts_from(state, turn, &peer, up_to)?;
        if texts.is_empty() {
            // Nothing of it is for that device.
            state.change_sibling(turn, &peer, |row| row.rooms = Some(RoomsTaken::new(round, next)));
            self.is_behind |= next < state.counters.arrival;
            return Ok(());
        }
        // Noted before anything arrives: what is on its way may outlive this run.
        state.change_sibling(turn, &peer, |row| row.rooms = Some(RoomsTaken { round, up_to, flight: Some(next) }));
        self.flight.insert(peer, (round, next));
        say(state, turn, friend, &OwnSaid::RoomTexts(texts), EnvelopeOwner::OwnRoomTexts(round, next))
    }
}

/// Whether a device's build knows of what is said here.
fn takes(state: &State, friend: &Friend) -> bool {
    friend.devices.iter().all(|device| state.can(device, Capabilities::OWN_ROOMS))
}

/// A room as other devices may know it: none of one about which its user is asked.
fn group<'a>(state: &'a State, room: &RoomId) -> Option<(&'a Group, RoomIs)> {
    let group = state.groups.rooms.get(room).filter(|group| group.question.is_none())?;
    let is = match group.standing {
        _ if group.elsewhere.is_some() => RoomIs::Elsewhere,
        GroupStanding::Member => RoomIs::In,
        GroupStanding::Leaving | GroupStanding::Left => RoomIs::Left,
        GroupStanding::Removed => RoomIs::Removed,
    };
    Some((group, is))
}

fn shown(state: &State, room: &RoomId) -> Option<Shown> {
    let (group, is) = group(state, room)?;
    let set = set_by(state, room);
    Some(Shown { is, name: people::room_name(state, group).to_owned(), version: if set.by == state.own.peer { set.version } else { 0 } })
}

fn set_by(state: &State, room: &RoomId) -> SetBy {
    let note = state.groups.notes.get(room);
    note.cloned().unwrap_or_default().set_by(state.own.peer)
}

fn said_of(state: &State, room: &RoomId) -> Option<RoomSaid> {
    let (group, is) = group(state, room)?;
    let note = state.groups.notes.get(room).cloned().unwrap_or_default();
    let SetBy { version, by } = note.set_by(state.own.peer);
    let (is_muted, is_archived) = (note.is_muted, note.is_archived);
    Some(RoomSaid { room: *room, version, by, is_muted, is_archived, name: people::room_name(state, group).to_owned(), is })
}

fn all(state: &State) -> Vec<RoomSaid> {
    state.groups.rooms.keys().filter_map(|room| said_of(state, room)).collect()
}

/// Those of a backup, from a place among all on.
pub(super) fn page(state: &State, from: u64) -> Vec<Option<RoomSaid>> {
    let all = state.groups.rooms.keys().skip(usize::try_from(from).unwrap_or(usize::MAX)).take(ROOMS_SAID);
    all.map(|room| said_of(state, room)).collect()
}

/// The texts of rooms from an arrival number on, as many as fit, and the next number. `to` is the device that they are for.
fn texts_from(state: &State, turn: &Turn<'_>, to: &PeerId, from: u64) -> Result<(Vec<RoomTextSaid>, u64), TurnFailed> {
    let pick =
        |turn: &Turn<'_>, room: &RoomId, arrival| Ok(text(state, turn, Some(to), room, arrival)?.map(|text| (text.text.len(), text)));
    page_from(state, turn, from, (TEXTS_SAID, TEXTS_SAID_BYTES), pick)
}

/// A text as another device is shown it; none of what is not for it.
pub(super) fn text(
    state: &State,
    turn: &Turn<'_>,
    to: Option<&PeerId>,
    room: &RoomId,
    arrival: u64,
) -> Result<Option<RoomTextSaid>, TurnFailed> {
    if !state.groups.rooms.get(room).is_some_and(|group| group.shows(arrival)) {
        return Ok(None);
    }
    let Some(message) = turn.row::<Message>(Table::Message, &message_key(room, arrival))? else { return Ok(None) };
    // It came from there.
    if (message.via.is_some() && message.via.as_ref() == to) || message.line.is_some() {
        return Ok(None);
    }
    let Message { id, from, at, state: reached, text, .. } = message;
    let from = if from == state.own.peer { state.own.person() } else { from };
    Ok(Some(RoomTextSaid { room: *room, id, at, from, state: reached, text }))
}

/// Another device has said what it knows of a room.
pub(super) fn heard(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, said: &RoomSaid) {
    let room = said.room;
    let is_friend_s = state.rooms.contains_key(&room) && !state.groups.rooms.contains_key(&room);
    if is_friend_s || state.friends.values().any(|friend| friend.conversation == room || friend.room == room) {
        return;
    }
    let elsewhere_count = || state.groups.rooms.values().filter(|group| group.elsewhere.is_some()).count();
    let mut has_changed = match state.groups.rooms.get(&room) {
        // A device that was stolen may name as many as it likes: rooms that this device is in, or makes, keep their places.
        None if state.groups.rooms.len() >= ROOMS_MAX || elsewhere_count() >= ROOMS_ELSEWHERE_MAX => return,
        None => {
            let group = elsewhere(turn, said, from);
            state.save_group(turn, group);
            true
        }
        Some(group) => match known_elsewhere(group, from, said) {
            Some(group) => {
                state.save_group(turn, group);
                true
            }
            None => false,
        },
    };
    let note = state.groups.notes.get(&room).cloned().unwrap_or_default();
    let (present, theirs) = (note.set_by(state.own.peer), SetBy { version: said.version, by: said.by });
    if present.gives_way_to(theirs) {
        let (is_muted, is_archived, set) = (said.is_muted, said.is_archived, Some(theirs));
        state.change_note(turn, &room, |note| *note = RoomNote { is_muted, is_archived, set, ..*note });
        has_changed = true;
    }
    if has_changed {
        turn.notify(Event::Room(room));
    }
}

/// The row of a room that this device is not in: history is filed under it, and it is entered as one that was left.
fn elsewhere(turn: &Turn<'_>, said: &RoomSaid, from: &PeerId) -> Group {
    let roster = Roster { name: said.name.clone(), topic: String::new(), users: Vec::new(), leaves: Vec::new(), knocks: None };
    Group {
        room: said.room,
        roster,
        standing: if said.is == RoomIs::Removed { GroupStanding::Removed } else { GroupStanding::Left },
        epoch: EpochId([0; EpochId::LEN]),
        number: 0,
        leaf: PublicKeyBytes([0; 32]),
        due: turn.stamp,
        added_by: None,
        since: turn.stamp,
        past: Vec::new(),
        said: turn.stamp,
        question: None,
        // There is no right of anybody to take back.
        ended: Some(true),
        came: None,
        elsewhere: Some(if said.is == RoomIs::In { vec![*from] } else { Vec::new() }),
        named: None,
        about: None,
        regrant: None,
        gone: None,
    }
}

/// What a room that this device never was in looks like then, if that is another way than before.
fn known_elsewhere(group: &Group, from: &PeerId, said: &RoomSaid) -> Option<Group> {
    let mut inside: Vec<PeerId> = group.elsewhere.clone()?;
    inside.retain(|peer| peer != from);
    let standing = match said.is {
        RoomIs::In => {
            inside.push(*from);
            // The first ones give way: they have been silent for longer.
            let excess = inside.len().saturating_sub(DEVICES_MAX);
            inside.drain(..excess);
            group.standing
        }
        RoomIs::Left => GroupStanding::Left,
        RoomIs::Removed => GroupStanding::Removed,
        RoomIs::Elsewhere => group.standing,
    };
    let name = if said.is == RoomIs::Elsewhere { &group.roster.name } else { &said.name };
    let mut next = Group { standing, elsewhere: Some(inside), ..group.clone() };
    next.roster.name.clone_from(name);
    (next != *group).then_some(next)
}

/// A backup knows of a room. The device that made it is none that could bring us in, so it is a room that was left, whatever it was.
pub(super) fn restored(state: &mut State, turn: &mut Turn<'_>, via: &PeerId, said: RoomSaid) {
    let is = if said.is == RoomIs::Removed { RoomIs::Removed } else { RoomIs::Left };
    heard(state, turn, via, &RoomSaid { is, ..said });
}

/// Another device has handed on a text of a room.
pub(super) fn heard_text(state: &mut State, turn: &mut Turn<'_>, via: PeerId, said: RoomTextSaid) -> Result<(), TurnFailed> {
    if !state.groups.rooms.contains_key(&said.room) {
        return Ok(());
    }
    let text = Text { id: said.id, at: said.at, text: said.text };
    conversations::copy_shared(state, turn, &said.room, text, (said.from, said.state), via)
}

/// Whether a device of ours is in a room that this one never was in.
pub(crate) fn is_elsewhere(state: &State, group: &Group) -> bool {
    let is_there = |peer: &PeerId| state.siblings.get(peer).is_some_and(|row| row.gone.is_none());
    group.elsewhere.iter().flatten().any(is_there)
}

#[cfg(test)]
mod tests;
