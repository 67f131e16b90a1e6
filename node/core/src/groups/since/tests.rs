//! Commits that are kept: which are given, and which go.

#![allow(clippy::unwrap_used)]

use super::super::sweep::drop_commits;
use super::*;
use crate::clear_cipher::ClearCipher;
use crate::fixture::{Empty, NOW};
use crate::limits::COMMITS_OF_ROOM_BYTES;
use crate::table::Change;
use crate::turn::Out;
use crate::world::{RANGE_LIMIT, Rows, Shelf, ShelfError};
use rand_core::SeedableRng;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::codec;
use symbolon_presence::time::DAY;

const ROOM: RoomId = RoomId([1; 32]);

/// Commits of rooms, as they lie in the store.
#[derive(Default)]
struct Commits {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The most bytes that one answer had.
    most: Cell<usize>,
}

/// An epoch; the store has them in another order than that of their numbers.
fn epoch(number: u64) -> EpochId {
    let mut epoch = [7; EpochId::LEN];
    epoch.split_at_mut(8).0.copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    EpochId(epoch)
}

impl Commits {
    /// The commit that leads from the epoch of this number to the next one.
    fn put(&mut self, room: RoomId, number: u64, (size, age): (usize, u64)) {
        let row = KeptCommit { parent: epoch(number), number, bytes: vec![0; size], at: Timestamp(NOW.0 - age) };
        self.rows.insert(commit_key(&room, &epoch(number + 1)), codec::encode(&row));
    }
}

impl Shelf for Commits {
    fn get(&self, _: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(self.rows.get(key).cloned())
    }

    fn range(&self, _: Table, from: &[u8], limit: usize) -> Result<Rows, ShelfError> {
        let rows: Rows =
            self.rows.range(from.to_vec()..).take(limit.min(RANGE_LIMIT)).map(|(key, row)| (key.clone(), row.clone())).collect();
        self.most.set(self.most.get().max(rows.iter().map(|(_, row)| row.len()).sum()));
        Ok(rows)
    }

    fn range_back(&self, _: Table, _: &[u8], _: usize) -> Result<Rows, ShelfError> {
        Ok(Vec::new())
    }

    fn search(&self, _: &str, _: u64, _: usize) -> Result<Vec<u64>, ShelfError> {
        Ok(Vec::new())
    }
}

fn with<R>(shelf: &Commits, f: impl FnOnce(&State, &mut Turn<'_>) -> R) -> (R, Out) {
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
    let mut out = Out::default();
    let state = State::load(None, &Empty, NOW, &mut rng, &mut out).unwrap();
    let (mut out, mut cipher) = (Out::default(), ClearCipher::new([1; 32]));
    let done = f(&state, &mut Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf, out: &mut out });
    (done, out)
}

/// The numbers of the commits of a room that stay.
fn swept(shelf: &Commits, room: RoomId) -> BTreeSet<u64> {
    let (_, out) = with(shelf, |_, turn| drop_commits(turn, &room).unwrap());
    let gone: BTreeSet<&Vec<u8>> =
        out.changes.iter().filter_map(|change| if let Change::Delete(Table::Commit, key) = change { Some(key) } else { None }).collect();
    assert!(gone.iter().all(|key| key.starts_with(room.as_bytes())), "of another room");
    let stays = shelf.rows.iter().filter(|(key, _)| key.starts_with(room.as_bytes()) && !gone.contains(key));
    stays.map(|(_, row)| decode_row::<KeptCommit>(row).unwrap().number).collect()
}

#[test]
fn however_many_commits_of_a_room_are_kept_the_old_ones_go_and_the_oldest_beyond_their_bytes() {
    let other = RoomId([2; 32]);
    let mut shelf = Commits::default();
    for number in 0..3_000 {
        shelf.put(ROOM, number, (8, if number < 1_500 { 91 * DAY } else { DAY }));
        shelf.put(other, number, (8, DAY));
    }
    assert_eq!(swept(&shelf, ROOM), (1_500..3_000).collect());
    assert_eq!(swept(&shelf, other).len(), 3_000);
    let mut shelf = Commits::default();
    (0..1_500).for_each(|number| shelf.put(ROOM, number, (16 * 1024, DAY)));
    let stays = swept(&shelf, ROOM);
    assert!(stays.len() <= COMMITS_OF_ROOM_BYTES / (16 * 1024) && stays.len() > 1_000, "{}", stays.len());
    assert!(stays.contains(&1_499) && !stays.contains(&0), "the newest stay");
    assert!(shelf.most.get() < 1024 * 1024, "they are not read all at once");
}

#[test]
fn who_is_behind_by_however_many_commits_is_given_the_first_of_them_and_nothing_else_is_read() {
    let mut shelf = Commits::default();
    (0..3_000).for_each(|number| shelf.put(ROOM, number, (8, DAY)));
    let given = |present: u64, from: u64| with(&shelf, |state, turn| path(state, turn, &ROOM, (epoch(present), epoch(from))).unwrap()).0;
    let first: Vec<EpochId> = (1..=AT_ONCE as u64).map(epoch).collect();
    assert_eq!(given(3_000, 0), first);
    assert_eq!(given(3_000, 2_998), [epoch(2_999), epoch(3_000)]);
    assert_eq!(given(3_000, 5_000), [], "nobody has shown that epoch here, and none of these may give way");
    assert_eq!(shelf.most.get(), 0, "no range was read");
}
