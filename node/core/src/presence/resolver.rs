//! The resolver: reads the records of friends who are not where they were, or whose keys are
//! replaced. Header first, which says whether and how the body can be read; then the body.
//!
//! Our lookup servers and the friend's are asked for all of it first, and the DHT only when they
//! know nothing new: a former friend knows where in the DHT a header will lie, and may wait there to
//! see who asks for it.
//!
//! Everything found is checked here, wherever it comes from; of several bodies the newest
//! holds. Who answers with nothing or with nonsense costs time and nothing else.

use super::lookup_servers;
use crate::delivery::Delivery;
use crate::limits::{SEEK_AGAIN_PAUSE, SEEK_BODY_DEADLINE, SEEK_PAUSE_STALE, SEEK_SERVERS_DEADLINE, SEEKS_MAX, SEEKS_WAITING_MAX};
use crate::rows::{Friend, FriendState};
use crate::seam::{LinkId, Look, NetAction};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use accept::accept;
use pace::Pace;
pub(crate) use pace::Why;
pub(crate) use seek::Source;
use seek::{Asked, Next, Pass, Seek, days_about};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::body::Body;
use symbolon_presence::codec;
use symbolon_presence::header::Header;
use symbolon_presence::id::{DeviceId, LookupId, PeerId};
use symbolon_presence::record::{RECORD_MAX, Record, Slot, day_of};
use symbolon_presence::time::Timestamp;
use symbolon_presence::tree::LeafLabels;
use symbolon_relay::frame::Frame;
use symbolon_relay::records::Found;

mod accept;
mod pace;
mod seek;

/// All friends who are sought. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    /// At most [`SEEKS_MAX`].
    open: BTreeMap<PeerId, Seek>,
    /// Whom an id is looked up for.
    ids: BTreeMap<LookupId, PeerId>,
    pace: Pace,
    /// Those who wait for a place; at most [`SEEKS_WAITING_MAX`].
    next: BTreeMap<PeerId, Why>,
    /// Friends whose records are to be read, until they are sought.
    wanted: BTreeMap<PeerId, Why>,
    /// When all were last sought because a friend had come.
    sought_all: Option<Timestamp>,
}

impl Resolver {
    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.open.values().map(|seek| seek.deadline).chain(self.pace.next_due()).min()
    }

    /// A friend is to be sought, if that was not tried just now.
    pub fn seek(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>, peer: PeerId, why: Why) {
        // Of a friend who is to be asked, after a backup was restored, as well.
        let stands = |friend: &Friend| friend.stands() || (friend.state == FriendState::Half && !friend.blocked);
        let readable = state.friends.get(&peer).is_some_and(|friend| stands(friend) && friend.presence.is_some());
        if !readable {
            return;
        }
        if self.open.contains_key(&peer) {
            if why == Why::Stale {
                // The record that is being read may be of before.
                self.pace.put_off(peer, turn.now.after(SEEK_PAUSE_STALE));
            }
            return;
        }
        if !self.pace.may(turn.now, peer, why) {
            return;
        }
        if self.open.len() >= SEEKS_MAX {
            if self.next.len() < SEEKS_WAITING_MAX {
                self.next.insert(peer, why);
            }
            return;
        }
        self.pace.began(turn.now, peer);
        let has_servers = lookup_servers::has_own(state) || !lookup_servers::of_friend(state, &peer).is_empty();
        self.begin(state, delivery, turn, peer, why, if has_servers { Pass::Servers } else { Pass::Dht });
    }

    fn begin(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>, peer: PeerId, why: Why, pass: Pass) {
        self.finish(&peer);
        let today = day_of(turn.now);
        if why == Why::Missed && self.look_for_body(state, delivery, turn, peer, pass, today) {
            return;
        }
        self.look_for_header(state, delivery, turn, peer, Next { why, pass, days: days_about(today), is_known: false });
    }

    /// Looks for the body by what the last header wrapped. Most who moved have the readers that they had: then their header,
    /// whose place former friends know as well, is not asked for. Whether there is anything to look by.
    fn look_for_body(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>, peer: PeerId, pass: Pass, day: u32) -> bool {
        let Some(presence) = state.friends.get(&peer).and_then(|friend| friend.presence.as_ref()) else { return false };
        let Some(wrapped) = presence.wrapped.clone() else { return false };
        let Ok(id) = Slot::of_body(&presence.reader.lookup, day, &wrapped).id(&presence.reader.lookup) else { return false };
        let version = presence.version;
        let body = self.ask(state, delivery, turn, &peer, id, pass);
        let deadline = turn.now.after(if pass == Pass::Servers { SEEK_SERVERS_DEADLINE } else { SEEK_BODY_DEADLINE });
        let seek = Seek {
            why: Why::Missed,
            pass,
            days: days_about(day),
            day,
            header: None,
            version,
            body: Some((body, wrapped)),
            deadline,
            found: false,
            is_newer: false,
            is_known: false,
        };
        self.open.insert(peer, seek);
        true
    }

    /// A friend's records are to be read. The more pressing reason counts.
    pub fn want(&mut self, peer: PeerId, why: Why) {
        let known = self.wanted.entry(peer).or_insert(why);
        *known = why.max(*known);
    }

    /// Seeks those whose records are to be read.
    pub fn seek_wanted(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>) {
        for (peer, why) in std::mem::take(&mut self.wanted) {
            self.seek(state, delivery, turn, peer, why);
        }
    }

    /// There is somewhere to look now: all who are not reached are sought at once.
    pub fn seek_missed(&mut self, state: &State, delivery: &Delivery) {
        self.pace.begin_again();
        let missed = state.friends.values().filter(|friend| delivery.is_online(&friend.devices) == Some(false)).map(|friend| friend.peer);
        for peer in missed.collect::<Vec<_>>() {
            self.want(peer, Why::Missed);
        }
    }

    /// Asks those whose turn it is, and the friend's own node if it is here.
    fn ask(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>, peer: &PeerId, id: LookupId, pass: Pass) -> Asked {
        self.ids.insert(id, *peer);
        let (at, links) = match pass {
            Pass::Servers => (Some(Look::Servers(lookup_servers::of_friend(state, peer))), delivery.links_to(state, peer)),
            Pass::Dht => (Some(Look::Dht), delivery.links_to(state, peer)),
            Pass::Friends => (None, delivery.friends_here(state).into_iter().map(|(.., link)| link).collect()),
        };
        let awaits_servers = at.is_some();
        if let Some(at) = at {
            turn.act(NetAction::Resolve(id, at));
        }
        for link in &links {
            delivery.say(turn, *link, "lookup", &Frame::Lookup(id));
        }
        Asked { id, awaits_servers, links }
    }

    fn look_for_header(
        &mut self,
        state: &State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        peer: PeerId,
        Next { why, pass, mut days, is_known }: Next,
    ) {
        self.finish(&peer);
        let Some(presence) = state.friends.get(&peer).and_then(|friend| friend.presence.as_ref()) else { return };
        let Some(day) = days.pop() else { return };
        let Ok(id) = Slot::of_header(&presence.reader.lookup, day).id(&presence.reader.lookup) else { return };
        let (header, version) = (self.ask(state, delivery, turn, &peer, id, pass), presence.version);
        let deadline = turn.now.after(pass.deadline());
        let (found, is_newer) = (false, false);
        self.open
            .insert(peer, Seek { why, pass, days, day, header: Some(header), version, body: None, deadline, found, is_newer, is_known });
    }

    fn finish(&mut self, peer: &PeerId) {
        if let Some(seek) = self.open.remove(peer) {
            if let Some(header) = seek.header {
                self.ids.remove(&header.id);
            }
            if let Some((body, _)) = seek.body {
                self.ids.remove(&body.id);
            }
        }
    }

    /// Something was found under an id. It may be anything.
    pub fn found(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        id: LookupId,
        bytes: &[u8],
    ) -> Result<(), TurnFailed> {
        let Some(peer) = self.ids.get(&id).copied() else { return Ok(()) };
        let Some(seek) = self.open.get(&peer) else { return Ok(()) };
        let Some(record) = Record::read(bytes, turn.now).ok().filter(|record| record.id == id) else { return Ok(()) };
        if seek.header.as_ref().is_some_and(|header| header.id == id) {
            return self.found_header(state, delivery, turn, peer, &record);
        }
        self.found_body(state, turn, peer, &record);
        Ok(())
    }

    /// A record lies where a header is looked for: if it is one that we may read, its body is looked for next.
    fn found_header(
        &mut self,
        state: &State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        peer: PeerId,
        record: &Record,
    ) -> Result<(), TurnFailed> {
        let Some(seek) = self.open.get_mut(&peer) else { return Ok(()) };
        let Some(presence) = state.friends.get(&peer).and_then(|friend| friend.presence.as_ref()) else { return Ok(()) };
        let (reader, day, pass) = (&presence.reader, seek.day, seek.pass);
        let opened = Slot::of_header(&reader.lookup, day).open(record).ok();
        let Some(header) = opened.and_then(|bytes| codec::decode::<Header>(&bytes, RECORD_MAX).ok()) else { return Ok(()) };
        // Older than what we have read, or no newer than what we follow: somebody shows an old record.
        if header.version < seek.version || (seek.body.is_some() && header.version == seek.version) {
            return Ok(());
        }
        let Some(labels) = turn.get(Table::Labels, peer.as_bytes())? else { return Ok(()) };
        let labels = LeafLabels::from_bytes(&labels).ok_or(TurnFailed("labels in the store cannot be read"))?;
        let Ok((_, wrapped)) = header.open(reader, &labels) else { return Ok(()) };
        if seek.is_known && presence.wrapped.as_ref() == Some(&wrapped) {
            // What lies by this secret was read just now.
            seek.found = true;
            return Ok(());
        }
        let Ok(id) = Slot::of_body(&reader.lookup, day, &wrapped).id(&reader.lookup) else { return Ok(()) };
        if let Some((older, _)) = &seek.body {
            self.ids.remove(&older.id);
        }
        let body = self.ask(state, delivery, turn, &peer, id, pass);
        if let Some(seek) = self.open.get_mut(&peer) {
            seek.version = header.version;
            seek.body = Some((body, wrapped));
            seek.deadline = turn.now.after(pass.deadline());
        }
        Ok(())
    }

    /// A record lies where a body is looked for: what it says is accepted if it is the friend's and newer.
    fn found_body(&mut self, state: &mut State, turn: &mut Turn<'_>, peer: PeerId, record: &Record) {
        let Some(seek) = self.open.get_mut(&peer) else { return };
        let Some(presence) = state.friends.get(&peer).and_then(|friend| friend.presence.as_ref()) else { return };
        let Some((_, wrapped)) = seek.body.as_ref().filter(|(body, _)| body.id == record.id) else { return };
        let (reader, wrapped) = (&presence.reader, wrapped.clone());
        let opened = Slot::of_body(&reader.lookup, seek.day, &wrapped).open(record).ok();
        let body = opened.and_then(|bytes| codec::decode::<Body>(&bytes, RECORD_MAX).ok()).filter(|body| body.day == seek.day);
        let Some(body) = body.filter(|body| !body.expires.is_expired_at(turn.now)) else { return };
        let Ok(payload) = body.open(reader, &wrapped) else { return };
        let is_newer = body.sequence > presence.sequence;
        seek.found = true;
        seek.is_newer |= is_newer;
        // Said again, but nothing else than before: that is no reason to look more often.
        if is_newer && accept(state, turn, &peer, &body, &payload, wrapped) == Some(true) {
            self.pace.found(turn.now, peer);
        }
    }

    /// Accepts what other nodes have answered.
    pub fn accept_found(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        found: Vec<(LinkId, Found)>,
    ) -> Result<(), TurnFailed> {
        for (link, Found { id, record }) in found {
            // Who was not asked has no say in it.
            if !self.has_asked(&id, link) {
                continue;
            }
            if let Some(record) = record {
                self.found(state, delivery, turn, id, &record)?;
            }
            self.answered(state, delivery, turn, id, Source::Link(link));
        }
        Ok(())
    }

    /// Whether an answer about this id is still to come on this link.
    fn has_asked(&self, id: &LookupId, link: LinkId) -> bool {
        let seek = self.ids.get(id).and_then(|peer| self.open.get(peer));
        seek.into_iter().flat_map(Seek::asked).any(|asked| asked.id == *id && asked.links.contains(&link))
    }

    /// Friends have come: when they are the first ones, there is somewhere to look.
    pub fn reached(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>, reached: &BTreeSet<DeviceId>) {
        let is_soon = self.sought_all.is_some_and(|last| turn.now.since(last) < SEEK_AGAIN_PAUSE);
        if !reached.is_empty() && !is_soon && delivery.friends_here(state).iter().all(|(device, ..)| reached.contains(device)) {
            self.sought_all = Some(turn.now);
            self.seek_missed(state, delivery);
            self.seek_wanted(state, delivery, turn);
        }
    }

    /// Those whose links have ended have nothing more to say. A friend's own node is asked, too, and its link ends when it
    /// takes another transport key: what it said of its keys must not wait until the others' time is up as well.
    pub fn leave_ended(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>) {
        let asked = self.open.values().flat_map(Seek::asked).flat_map(|asked| asked.links.iter().map(|link| (asked.id, *link)));
        let ended: Vec<(LookupId, LinkId)> = asked.filter(|(_, link)| !delivery.has_link(*link)).collect();
        for (id, link) in ended {
            self.answered(state, delivery, turn, id, Source::Link(link));
        }
    }

    /// One who was asked has nothing more to say about an id.
    pub fn answered(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>, id: LookupId, source: Source) {
        let Some(peer) = self.ids.get(&id).copied() else { return };
        let Some(seek) = self.open.get_mut(&peer) else { return };
        if let Some(header) = &mut seek.header {
            header.answered(&id, source);
        }
        if let Some((body, _)) = &mut seek.body {
            body.answered(&id, source);
        }
        if seek.asked().all(Asked::is_answered) {
            self.next_day(state, delivery, turn, peer);
        }
    }

    /// What was looked for is not to be had on that day.
    fn next_day(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>, peer: PeerId) {
        let is_lasting = self.pace.is_lasting(&peer);
        let Some(seek) = self.open.get_mut(&peer) else { return };
        let (why, pass, is_vain) = (seek.why, seek.pass, !seek.found);
        // What lies by the old secret is what is known: others may read now, by another one.
        let is_body_alone = seek.header.is_none() && !seek.is_newer;
        let is_known = seek.is_known || (is_body_alone && seek.found);
        let days = std::mem::take(&mut seek.days);
        if is_body_alone || (is_vain && !days.is_empty()) {
            self.look_for_header(state, delivery, turn, peer, Next { why, pass, days, is_known });
        } else if pass == Pass::Servers && !seek.is_newer {
            // Servers may be late, or show what is old.
            self.begin(state, delivery, turn, peer, why, Pass::Dht);
        } else if pass == Pass::Dht && is_vain && is_lasting && !delivery.friends_here(state).is_empty() {
            let days = days_about(day_of(turn.now));
            self.look_for_header(state, delivery, turn, peer, Next { why, pass: Pass::Friends, days, is_known: false });
        } else {
            self.finish(&peer);
        }
        self.go_on(state, delivery, turn);
    }

    /// Gives free places to those who wait for one.
    fn go_on(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>) {
        while self.open.len() < SEEKS_MAX
            && let Some((peer, why)) = self.next.pop_first()
        {
            self.seek(state, delivery, turn, peer, why);
        }
    }

    /// Gives up on answers that do not come, and looks for whom that was put off.
    pub fn tick(&mut self, state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>) {
        for peer in self.pace.due(turn.now) {
            self.pace.take(&peer);
            self.seek(state, delivery, turn, peer, Why::Stale);
        }
        let late: Vec<PeerId> = self.open.iter().filter(|(_, seek)| seek.deadline <= turn.now).map(|(peer, _)| *peer).collect();
        for peer in late {
            self.next_day(state, delivery, turn, peer);
        }
    }
}

#[cfg(test)]
mod tests;
