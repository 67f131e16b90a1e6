//! The record server: answers friends' look-ups, for our own records and for those that other friends
//! have left here. Two who both moved find each other by a third whom both still reach, with no lookup server
//! at all. The protocol page is `docs/protocol/lookup.md`.
//!
//! Nothing of it is stored: what a friend has left comes again with the next link. A friend who
//! asks must name the id of a record, which its readers alone can compute.

use crate::delivery::{Delivery, Origin};
use crate::limits::{KEEPS_PER_HOUR, KEPT_FRIENDS_MAX, RECORD_SERVERS_MAX};
use crate::rows::Friend;
use crate::seam::{LinkId, Warning};
use crate::state::State;
use crate::turn::Turn;
use minicbor::bytes::ByteVec;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, LookupId, PeerId};
use symbolon_presence::posted::contact_id;
use symbolon_presence::record::{RECORD_MAX, Record};
use symbolon_presence::time::{HOUR, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::limits::KEEP_MAX;
use symbolon_relay::records::{Found, Keep};

/// What one friend has left.
#[derive(Debug)]
struct Left {
    at: Timestamp,
    /// At most [`KEEP_MAX`].
    records: BTreeMap<LookupId, Kept>,
    /// The hour for which frames are counted.
    hour: Timestamp,
    /// Frames within it; at most [`KEEPS_PER_HOUR`].
    frames: u32,
}

/// One record.
#[derive(Debug)]
struct Kept {
    counter: u64,
    bytes: Vec<u8>,
    expires: Timestamp,
}

/// What friends have left here.
#[derive(Debug, Default)]
pub(crate) struct RecordServer {
    /// At most [`KEPT_FRIENDS_MAX`], so 6 MiB of records.
    left: BTreeMap<PeerId, Left>,
}

/// Whether somebody may leave records here and ask for those of others.
fn is_welcome(state: &State, peer: &PeerId) -> bool {
    state.friends.get(peer).is_some_and(Friend::stands)
}

impl RecordServer {
    /// A friend leaves records here, which take the place of those left before. Whether the
    /// frame is within its bounds.
    pub fn keep(&mut self, state: &State, now: Timestamp, peer: PeerId, keep: &Keep) -> bool {
        if keep.records.len() > KEEP_MAX || keep.records.iter().any(|record| record.len() > RECORD_MAX) {
            return false;
        }
        if !is_welcome(state, &peer) {
            return true;
        }
        if !self.left.contains_key(&peer) {
            self.make_room();
        }
        let left = self.left.entry(peer).or_insert_with(|| Left { at: now, records: BTreeMap::new(), hour: now, frames: 0 });
        if now.since(left.hour) >= HOUR {
            (left.hour, left.frames) = (now, 0);
        }
        if left.frames >= KEEPS_PER_HOUR {
            return true;
        }
        left.frames = left.frames.saturating_add(1);
        left.at = now;
        // What cannot be a record, or is expired by our clock, is of no use to anybody.
        let read = keep.records.iter().filter_map(|bytes| {
            let record = Record::read(bytes, now).ok()?;
            Some((record.id, Kept { counter: record.counter(), bytes: bytes.to_vec(), expires: record.expires() }))
        });
        left.records = read.collect();
        true
    }

    /// The friend who has left nothing for the longest time gives way.
    fn make_room(&mut self) {
        if self.left.len() >= KEPT_FRIENDS_MAX
            && let Some(oldest) = self.left.iter().min_by_key(|(_, left)| left.at).map(|(peer, _)| *peer)
        {
            self.left.remove(&oldest);
        }
    }

    /// Answers a friend who asks for a record of ours, or for one that was left here. To anybody
    /// else it looks as if nothing were there, whatever they name: who has an id of ours in hand,
    /// as every former friend has, must not find out by it who is at this address.
    ///
    /// Of an open invite, anyone who names the id of its body gets it: they hold the link.
    pub fn answer(&self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, link: LinkId, id: LookupId) {
        if let Some(body) = state.own.bodies.get(&id).cloned() {
            delivery.say(turn, link, "found", &Frame::Found(Found { id, record: Some(body) }));
            return;
        }
        if state.own.used_bodies.contains(&id) {
            state.rates.warn(turn, Warning::InviteReused);
        }
        let asker = delivery.behind(state, link).filter(|peer| is_welcome(state, peer));
        let own = state.own.records.get(&id).filter(|_| asker.is_some()).cloned();
        let record = own.or_else(|| self.find(state, turn.now, &asker?, &id));
        if record.is_none() && asker.is_none() {
            delivery.fault(state, turn, Origin::Link(link));
        }
        delivery.say(turn, link, "found", &Frame::Found(Found { id, record }));
    }

    /// The record under an id that a friend asks for.
    fn find(&self, state: &State, now: Timestamp, asker: &PeerId, id: &LookupId) -> Option<Vec<u8>> {
        if !is_welcome(state, asker) {
            return None;
        }
        // Anyone who has got hold of somebody's records may leave them here; the newest holds.
        let kept = self.left.values().filter_map(|left| left.records.get(id)).max_by_key(|kept| kept.counter)?;
        (!kept.expires.is_expired_at(now)).then(|| kept.bytes.clone())
    }

    /// Some are no friends any more: what they left goes.
    pub fn revoked(&mut self, state: &State) {
        self.left.retain(|peer, _| is_welcome(state, peer));
    }
}

/// Leaves our records with friends: with all who are here when they are new, else with those
/// who have just come.
pub(crate) fn leave_with_friends(state: &State, delivery: &mut Delivery, turn: &mut Turn<'_>, reached: &BTreeSet<DeviceId>, are_new: bool) {
    if (reached.is_empty() && !are_new) || state.own.records.is_empty() {
        return;
    }
    // Whom we hide from is not to learn when we move.
    let friends = delivery.friends_here(state).into_iter().filter(|(_, peer, _)| !state.own.presence.is_hidden_from(peer));
    let links: Vec<LinkId> =
        friends.take(RECORD_SERVERS_MAX).filter(|(device, ..)| are_new || reached.contains(device)).map(|(_, _, link)| link).collect();
    // Who asks for somebody by Peer ID alone asks servers.
    let contact = contact_id(&state.own.peer);
    let records = state.own.records.iter().filter(|(id, _)| **id != contact).take(KEEP_MAX);
    let frame = Frame::Keep(Keep { records: records.map(|(_, bytes)| ByteVec::from(bytes.clone())).collect() });
    for link in links {
        delivery.say(turn, link, "keep", &frame);
    }
}

#[cfg(test)]
mod tests;
