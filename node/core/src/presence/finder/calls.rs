//! Calls to the nodes that a link names, to ask them for the body of the invite. Who answers there is believed in
//! nothing: what they bring proves itself.

use crate::limits::{BODY_DEADLINE, BODY_FRAMES_MAX, FINDS_MAX};
use crate::seam::{Address, CloseReason, DialId, LinkId, NetAction};
use crate::turn::Turn;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{LookupId, RequestId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::frame::Frame;
use symbolon_relay::records::Found;

/// Calls that are under way. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// At most [`FINDS_MAX`], those with a link among them.
    dials: BTreeMap<DialId, Call>,
    links: BTreeMap<LinkId, Call>,
    next_dial_id: u64,
}

#[derive(Debug)]
struct Call {
    request: RequestId,
    ids: BTreeSet<LookupId>,
    deadline: Timestamp,
    frames: usize,
    has_found: bool,
}

/// What somebody who was asked has said.
pub(crate) enum Heard {
    /// This lies under an id; it may be anything.
    Record(LookupId, Vec<u8>),
    /// They have nothing for this request.
    Nothing(RequestId),
}

impl Calls {
    /// After a start.
    pub fn start(&mut self, rng: &mut ChaCha20Rng) {
        // Not from zero: a dial of a core that failed must not be taken for one of this core.
        self.next_dial_id = rng.next_u64() >> 1;
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.links.values().chain(self.dials.values()).map(|call| call.deadline).min()
    }

    /// Whether a dial is one of these.
    pub fn has_dial(&self, dial: DialId) -> bool {
        self.dials.contains_key(&dial)
    }

    /// Whether a link is one of these.
    pub fn has_link(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Calls nodes, each by its places, unless that is under way.
    pub fn call(&mut self, turn: &mut Turn<'_>, request: RequestId, nodes: &[Vec<Address>], ids: &[LookupId]) {
        let mut calls = self.dials.values().chain(self.links.values());
        if calls.any(|call| call.request == request) {
            return;
        }
        for places in nodes.iter().filter(|places| !places.is_empty()) {
            if self.dials.len() + self.links.len() >= FINDS_MAX {
                return;
            }
            self.next_dial_id = self.next_dial_id.saturating_add(1);
            let dial = DialId(self.next_dial_id);
            let deadline = turn.now.after(BODY_DEADLINE);
            self.dials.insert(dial, Call { request, ids: ids.iter().copied().collect(), deadline, frames: 0, has_found: false });
            turn.act(NetAction::Dial(dial, places.clone()));
        }
    }

    /// Somebody is there: they are asked.
    pub fn link_up(&mut self, turn: &mut Turn<'_>, link: LinkId, dial: DialId) {
        let Some(call) = self.dials.remove(&dial) else { return };
        for id in &call.ids {
            turn.act(NetAction::Send(link, Frame::Lookup(*id).encode()));
        }
        self.links.insert(link, Call { deadline: turn.now.after(BODY_DEADLINE), ..call });
    }

    /// Nobody is there.
    pub fn dial_failed(&mut self, dial: DialId) {
        self.dials.remove(&dial);
    }

    /// A link is gone.
    pub fn link_down(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// A frame on one of these links: what was found, if that is what it says. Once all is answered, or too much was said,
    /// the link is closed.
    pub fn frame(&mut self, turn: &mut Turn<'_>, link: LinkId, bytes: &[u8]) -> Option<Heard> {
        let call = self.links.get_mut(&link)?;
        call.frames += 1;
        let found = match Frame::decode(bytes) {
            Ok(Frame::Found(found)) if call.ids.remove(&found.id) => Some(found),
            Ok(_) | Err(_) => None,
        };
        call.has_found |= found.as_ref().is_some_and(|found| found.record.is_some());
        let (request, has_answered, has_found) = (call.request, call.ids.is_empty(), call.has_found);
        if has_answered || call.frames >= BODY_FRAMES_MAX {
            self.close(turn, link);
        }
        if let Some(Found { id, record: Some(record) }) = found {
            return Some(Heard::Record(id, record));
        }
        (has_answered && !has_found).then_some(Heard::Nothing(request))
    }

    /// A request proceeds: nobody is asked for it any more.
    pub fn finish(&mut self, turn: &mut Turn<'_>, request: &RequestId) {
        self.dials.retain(|_, call| call.request != *request);
        let links: Vec<LinkId> = self.links.iter().filter(|(_, call)| call.request == *request).map(|(link, _)| *link).collect();
        links.into_iter().for_each(|link| self.close(turn, link));
    }

    /// Gives up on who does not answer.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        self.dials.retain(|_, call| call.deadline > turn.now);
        let late: Vec<LinkId> = self.links.iter().filter(|(_, call)| call.deadline <= turn.now).map(|(link, _)| *link).collect();
        late.into_iter().for_each(|link| self.close(turn, link));
    }

    fn close(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        self.links.remove(&link);
        turn.act(NetAction::Close(link, CloseReason::Idle));
    }
}

#[cfg(test)]
mod tests;
