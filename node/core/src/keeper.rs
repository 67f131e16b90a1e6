//! The keeper: answers look-ups of other nodes, for our own records and for those that friends
//! have left here, for those friends of ours who are theirs, too. Two who both moved find each other by a third whom both still reach, with no server
//! at all.
//!
//! Nothing of it is stored: what a friend has left comes again with the next link. A friend who
//! asks must name the id of a record, which its readers alone can compute.

use crate::delivery::{Delivery, Origin};
use crate::limits::{KEEPERS_MAX, KEEPS_PER_HOUR, KEPT_FRIENDS_MAX};
use crate::rows::Friend;
use crate::seam::LinkId;
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
pub(crate) struct Keeper {
    /// At most [`KEPT_FRIENDS_MAX`], so 6 MiB of records.
    left: BTreeMap<PeerId, Left>,
}

/// Whether somebody may leave records here and ask for those of others.
fn is_welcome(state: &State, peer: &PeerId) -> bool {
    state.friends.get(peer).is_some_and(Friend::stands)
}

impl Keeper {
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
        // What cannot be a record, or is over by our clock, is of no use to anybody.
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
    pub fn answer(&self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, link: LinkId, id: LookupId) {
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
        // Whoever has got hold of somebody's records may leave them here; the newest holds.
        let kept = self.left.values().filter_map(|left| left.records.get(id)).max_by_key(|kept| kept.counter)?;
        (!kept.expires.is_expired_at(now)).then(|| kept.bytes.clone())
    }

    /// Some are friends no longer: what they left goes.
    pub fn revoked(&mut self, state: &State) {
        self.left.retain(|peer, _| is_welcome(state, peer));
    }
}

/// Leaves our records with friends: with all who are here when they are new, else with those
/// who have just come.
pub(crate) fn leave(state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, reached: &BTreeSet<DeviceId>) {
    let are_new = std::mem::take(&mut state.leaves_with_friends);
    if (reached.is_empty() && !are_new) || state.own.records.is_empty() {
        return;
    }
    // Whom we hide from is not to learn when we move.
    let friends = delivery.friends_here(state).into_iter().filter(|(_, peer, _)| !state.own.presence.is_hidden_from(peer));
    let keepers: Vec<LinkId> =
        friends.take(KEEPERS_MAX).filter(|(device, ..)| are_new || reached.contains(device)).map(|(_, _, link)| link).collect();
    // Who asks for somebody by Peer ID alone asks servers.
    let contact = contact_id(&state.own.peer);
    let records = state.own.records.iter().filter(|(id, _)| **id != contact).take(KEEP_MAX);
    let frame = Frame::Keep(Keep { records: records.map(|(_, bytes)| ByteVec::from(bytes.clone())).collect() });
    for link in keepers {
        delivery.say(turn, link, "keep", &frame);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixture::{NOW, friend, in_turn, peer};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use symbolon_presence::generation::Generation;
    use symbolon_presence::record::{Place, day_of};
    use symbolon_presence::time::DAY;

    /// Records of somebody, and their ids.
    fn records(seed: u64, count: u32) -> (Keep, Vec<LookupId>) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (mut records, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let generation = Generation::random(0, day_of(NOW), &mut rng);
            let lookup = generation.lookup();
            let bytes = Place::of_header(&generation.reader().lookup, day_of(NOW)).seal(&lookup, NOW, b"header", &mut rng).unwrap();
            ids.push(Record::read(&bytes, NOW).unwrap().id);
            records.push(bytes.into());
        }
        (Keep { records }, ids)
    }

    fn befriend(state: &mut State, count: u64) {
        state.friends.extend((0..count).map(|n| (peer(n), friend(n))));
    }

    #[test]
    fn friends_who_leave_records_are_bounded_and_the_one_of_long_ago_gives_way() {
        in_turn(|state, _| {
            let mut keeper = Keeper::default();
            let count = KEPT_FRIENDS_MAX as u64 + 1;
            befriend(state, count);
            let (keep, ids) = records(1, 1);
            for n in 0..count {
                assert!(keeper.keep(state, NOW.after(n), peer(n), &keep));
                assert!(keeper.left.len() <= KEPT_FRIENDS_MAX);
            }
            assert!(!keeper.left.contains_key(&peer(0)) && keeper.left.contains_key(&peer(1)));
            assert!(keeper.find(state, NOW, &peer(5), &ids[0]).is_some());
            assert_eq!(keeper.find(state, NOW, &peer(count), &ids[0]), None, "a stranger");
            assert_eq!(keeper.find(state, NOW.after(3 * DAY), &peer(5), &ids[0]), None, "it is over");
        });
    }

    #[test]
    fn what_a_friend_leaves_is_bounded_takes_the_place_of_the_older_and_goes_with_the_friendship() {
        in_turn(|state, _| {
            let mut keeper = Keeper::default();
            befriend(state, 2);
            let (most, old) = records(1, KEEP_MAX as u32);
            assert!(keeper.keep(state, NOW, peer(0), &most));
            assert!(!keeper.keep(state, NOW, peer(0), &records(2, KEEP_MAX as u32 + 1).0), "too many");
            let long = Keep { records: vec![vec![0; RECORD_MAX + 1].into()] };
            assert!(!keeper.keep(state, NOW, peer(0), &long), "too long");
            assert!(old.iter().all(|id| keeper.find(state, NOW, &peer(1), id).is_some()));

            let (newer, new) = records(3, 1);
            let rubbish = Keep { records: vec![newer.records[0].clone(), vec![7; 100].into()] };
            assert!(keeper.keep(state, NOW, peer(0), &rubbish));
            assert!(old.iter().all(|id| keeper.find(state, NOW, &peer(1), id).is_none()));
            assert!(keeper.find(state, NOW, &peer(1), &new[0]).is_some());
            assert_eq!(keeper.left[&peer(0)].records.len(), 1);

            assert!(keeper.keep(state, NOW, peer(9), &newer));
            assert!(!keeper.left.contains_key(&peer(9)), "a stranger leaves nothing");
            state.friends.get_mut(&peer(0)).unwrap().blocked = true;
            keeper.revoked(state);
            assert!(keeper.left.is_empty());
        });
    }

    #[test]
    fn of_what_several_leave_under_one_id_the_newest_is_shown_whoever_left_it() {
        in_turn(|state, _| {
            befriend(state, 3);
            let mut rng = ChaCha20Rng::seed_from_u64(4);
            let generation = Generation::random(0, day_of(NOW), &mut rng);
            let place = Place::of_header(&generation.reader().lookup, day_of(NOW));
            let [old, new] = [1, 2].map(|at| place.seal(&generation.lookup(), NOW.after(at), b"header", &mut rng).unwrap());
            let id = Record::read(&old, NOW).unwrap().id;
            for order in [[0, 1], [1, 0]] {
                let mut keeper = Keeper::default();
                for (who, record) in order.into_iter().zip([&old, &new]) {
                    assert!(keeper.keep(state, NOW, peer(who), &Keep { records: vec![record.clone().into()] }));
                }
                assert_eq!(keeper.find(state, NOW, &peer(2), &id), Some(new.clone()));
            }
        });
    }

    #[test]
    fn a_friend_who_leaves_records_again_and_again_is_not_looked_at_for_the_rest_of_the_hour() {
        in_turn(|state, _| {
            let mut keeper = Keeper::default();
            befriend(state, 2);
            let (first, ids) = records(1, 1);
            for _ in 0..KEEPS_PER_HOUR {
                assert!(keeper.keep(state, NOW, peer(0), &first));
            }
            let (second, later) = records(2, 1);
            assert!(keeper.keep(state, NOW.after(HOUR - 1), peer(0), &second));
            assert!(keeper.find(state, NOW, &peer(1), &ids[0]).is_some());
            assert!(keeper.keep(state, NOW.after(HOUR), peer(0), &second));
            assert!(keeper.find(state, NOW, &peer(1), &later[0]).is_some());
        });
    }
}
