#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{NOW, friend, in_turn, peer};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_presence::generation::Generation;
use symbolon_presence::record::{Slot, day_of};
use symbolon_presence::time::DAY;

/// Records of somebody, and their ids.
fn records(seed: u64, count: u32) -> (Keep, Vec<LookupId>) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (mut records, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let generation = Generation::random(0, day_of(NOW), &mut rng);
        let lookup = generation.lookup();
        let bytes = Slot::of_header(&generation.reader().lookup, day_of(NOW)).seal(&lookup, NOW, b"header", &mut rng).unwrap();
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
        let mut server = RecordServer::default();
        let count = KEPT_FRIENDS_MAX as u64 + 1;
        befriend(state, count);
        let (keep, ids) = records(1, 1);
        for n in 0..count {
            assert!(server.keep(state, NOW.after(n), peer(n), &keep));
            assert!(server.left.len() <= KEPT_FRIENDS_MAX);
        }
        assert!(!server.left.contains_key(&peer(0)) && server.left.contains_key(&peer(1)));
        assert!(server.find(state, NOW, &peer(5), &ids[0]).is_some());
        assert_eq!(server.find(state, NOW, &peer(count), &ids[0]), None, "a stranger");
        assert_eq!(server.find(state, NOW.after(3 * DAY), &peer(5), &ids[0]), None, "it is expired");
    });
}

#[test]
fn what_a_friend_leaves_is_bounded_takes_the_place_of_the_older_and_goes_with_the_friendship() {
    in_turn(|state, _| {
        let mut server = RecordServer::default();
        befriend(state, 2);
        let (most, old) = records(1, KEEP_MAX as u32);
        assert!(server.keep(state, NOW, peer(0), &most));
        assert!(!server.keep(state, NOW, peer(0), &records(2, KEEP_MAX as u32 + 1).0), "too many");
        let long = Keep { records: vec![vec![0; RECORD_MAX + 1].into()] };
        assert!(!server.keep(state, NOW, peer(0), &long), "too long");
        assert!(old.iter().all(|id| server.find(state, NOW, &peer(1), id).is_some()));

        let (newer, new) = records(3, 1);
        let rubbish = Keep { records: vec![newer.records[0].clone(), vec![7; 100].into()] };
        assert!(server.keep(state, NOW, peer(0), &rubbish));
        assert!(old.iter().all(|id| server.find(state, NOW, &peer(1), id).is_none()));
        assert!(server.find(state, NOW, &peer(1), &new[0]).is_some());
        assert_eq!(server.left[&peer(0)].records.len(), 1);

        assert!(server.keep(state, NOW, peer(9), &newer));
        assert!(!server.left.contains_key(&peer(9)), "a stranger leaves nothing");
        state.friends.get_mut(&peer(0)).unwrap().blocked = true;
        server.revoked(state);
        assert!(server.left.is_empty());
    });
}

#[test]
fn of_what_several_leave_under_one_id_the_newest_is_shown() {
    in_turn(|state, _| {
        befriend(state, 3);
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let generation = Generation::random(0, day_of(NOW), &mut rng);
        let slot = Slot::of_header(&generation.reader().lookup, day_of(NOW));
        let [old, new] = [1, 2].map(|at| slot.seal(&generation.lookup(), NOW.after(at), b"header", &mut rng).unwrap());
        let id = Record::read(&old, NOW).unwrap().id;
        for order in [[0, 1], [1, 0]] {
            let mut server = RecordServer::default();
            for (who, record) in order.into_iter().zip([&old, &new]) {
                assert!(server.keep(state, NOW, peer(who), &Keep { records: vec![record.clone().into()] }));
            }
            assert_eq!(server.find(state, NOW, &peer(2), &id), Some(new.clone()));
        }
    });
}

#[test]
fn a_friend_who_leaves_records_again_and_again_is_not_looked_at_for_the_rest_of_the_hour() {
    in_turn(|state, _| {
        let mut server = RecordServer::default();
        befriend(state, 2);
        let (first, ids) = records(1, 1);
        for _ in 0..KEEPS_PER_HOUR {
            assert!(server.keep(state, NOW, peer(0), &first));
        }
        let (second, later) = records(2, 1);
        assert!(server.keep(state, NOW.after(HOUR - 1), peer(0), &second));
        assert!(server.find(state, NOW, &peer(1), &ids[0]).is_some());
        assert!(server.keep(state, NOW.after(HOUR), peer(0), &second));
        assert!(server.find(state, NOW, &peer(1), &later[0]).is_some());
    });
}
