//! What the tests of single machines share: a store at first run, and a turn over it.

#![allow(clippy::unwrap_used)]

use crate::clear_cipher::ClearCipher;
use crate::command::Trust;
use crate::state::{Friend, FriendState, State};
use crate::table::Table;
use crate::turn::{Out, Turn};
use crate::world::{Rows, Shelf, ShelfError};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_presence::id::{PeerId, RoomId};
use symbolon_presence::time::Timestamp;

/// A moment.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// A store at first run.
pub(crate) struct Empty;

impl Shelf for Empty {
    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(None)
    }

    fn range(&self, _: Table, _: &[u8], _: usize) -> Result<Rows, ShelfError> {
        Ok(Vec::new())
    }

    fn range_back(&self, _: Table, _: &[u8], _: usize) -> Result<Rows, ShelfError> {
        Ok(Vec::new())
    }

    fn search(&self, _: &str, _: u64, _: usize) -> Result<Vec<u64>, ShelfError> {
        Ok(Vec::new())
    }
}

/// A turn of a node at its first run.
pub(crate) fn in_turn(f: impl FnOnce(&mut State, &mut Turn<'_>)) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut out = Out::default();
    let mut state = State::load(None, &Empty, NOW, &mut rng, &mut out).unwrap();
    let mut cipher = ClearCipher::new([1; 32]);
    f(&mut state, &mut Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf: &Empty, out: &mut out });
}

/// A Peer ID for each number.
pub(crate) fn peer(number: u64) -> PeerId {
    let mut id = [0; 32];
    id.split_at_mut(8).0.copy_from_slice(&number.to_be_bytes());
    PeerId(id)
}

/// A friend without devices.
pub(crate) fn friend(number: u64) -> Friend {
    Friend {
        peer: peer(number),
        petname: number.to_string(),
        trust: Trust::Unknown,
        state: FriendState::Mutual,
        blocked: false,
        conversation: RoomId([1; 32]),
        room: RoomId([1; 32]),
        devices: Vec::new(),
        friendship: None,
        second_root: None,
        since: NOW,
        held: Vec::new(),
        unread: 0,
        presence: None,
        giving: false,
        read_to: None,
        renewing: None,
        reentries: None,
        resent: None,
        lacks: None,
        unknown: None,
    }
}
