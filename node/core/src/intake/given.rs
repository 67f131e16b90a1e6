//! Commits of shared rooms that are longer than an envelope and that somebody gives who has not made them: in pieces without a
//! place in the order, since what waits in its place waits for them. `docs/protocol/shared-rooms.md`.
//!
//! They are kept in memory: who loses some asks again.

use crate::wire::{Known, PIECE_LEN, Piece, WHOLE_MAX};
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, Digest, RoomId};
use symbolon_presence::kdf::sha256;

/// Bytes of such pieces of all devices together: four of the longest messages.
pub(super) const GIVEN_BYTES_MAX: usize = 4 * WHOLE_MAX;

/// What came of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// The message is whole.
    Whole(Vec<u8>),
    /// It is not, yet.
    Part,
    /// It can be none, or is of a message that was another one.
    Bad,
}

#[derive(Debug)]
struct Given {
    room: RoomId,
    whole: Digest,
    count: u8,
    parts: BTreeMap<u8, Vec<u8>>,
}

/// Of each device at most one message; of all, [`GIVEN_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
pub(super) struct GivenPieces(BTreeMap<DeviceId, Given>);

impl GivenPieces {
    /// A device is not known any more.
    pub fn forget(&mut self, device: &DeviceId) {
        self.0.remove(device);
    }

    fn bytes(&self) -> usize {
        self.0.values().map(|given| given.parts.len().saturating_mul(PIECE_LEN)).sum()
    }

    /// Takes a piece, in any order. When there is no room, the device that holds most loses what it has here; it is answered, so
    /// that it can be asked again.
    pub fn take(&mut self, device: DeviceId, known: &Known, piece: &Piece) -> (Came, Option<DeviceId>) {
        if !piece.is_bounded(known.mls.len()) {
            return (Came::Bad, None);
        }
        let is_of_it = |given: &Given| given.room == known.room && given.whole == piece.whole && given.count == piece.count;
        if !self.0.get(&device).is_some_and(is_of_it) {
            self.0.remove(&device);
        }
        let mut lost = None;
        if self.bytes().saturating_add(PIECE_LEN) > GIVEN_BYTES_MAX {
            lost = self.0.iter().max_by_key(|(_, given)| given.parts.len()).map(|(device, _)| *device);
            lost.iter().for_each(|device| self.forget(device));
        }
        let fresh = || Given { room: known.room, whole: piece.whole, count: piece.count, parts: BTreeMap::new() };
        let given = self.0.entry(device).or_insert_with(fresh);
        given.parts.insert(piece.index, known.mls.clone());
        if given.parts.len() < usize::from(given.count) {
            return (Came::Part, lost);
        }
        let whole: Vec<u8> = self.0.remove(&device).map(|given| given.parts.into_values().flatten().collect()).unwrap_or_default();
        let came = if sha256(&whole) == piece.whole.0 { Came::Whole(whole) } else { Came::Bad };
        (came, lost)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use symbolon_presence::id::EpochId;

    fn known(part: &[u8]) -> Known {
        Known { room: RoomId([1; 32]), epoch: EpochId([2; 32]), sequence: None, mls: part.to_vec(), piece: None }
    }

    #[test]
    fn pieces_that_somebody_gives_come_in_any_order_and_twice() {
        let message: Vec<u8> = (0..3 * PIECE_LEN + 9).map(|n| n as u8).collect();
        let parts = Piece::split(&message);
        let (mut given, device) = (GivenPieces::default(), DeviceId([1; 16]));
        for at in [2, 0, 2, 3] {
            let (piece, part) = (parts[at].0.unwrap(), parts[at].1);
            assert_eq!(given.take(device, &known(part), &piece), (Came::Part, None));
        }
        assert_eq!(given.take(device, &known(parts[1].1), &parts[1].0.unwrap()), (Came::Whole(message), None));
        assert_eq!(given.bytes(), 0);
    }

    #[test]
    fn a_piece_that_can_be_none_or_does_not_fit_the_others_makes_no_message() {
        let (mut given, device) = (GivenPieces::default(), DeviceId([1; 16]));
        let message = vec![3; PIECE_LEN + 9];
        let parts = Piece::split(&message);
        let (first, last) = (parts[0].0.unwrap(), parts[1].0.unwrap());
        assert_eq!(given.take(device, &known(b"short"), &first).0, Came::Bad);
        assert_eq!(given.take(device, &known(parts[1].1), &Piece { index: 2, ..last }).0, Came::Bad);
        assert_eq!(given.take(device, &known(parts[0].1), &first).0, Came::Part);
        assert_eq!(given.take(device, &known(&[4; 9]), &last).0, Came::Bad, "another content");
        // A piece of another message ends the one that was begun.
        let other = Piece::split(&[5; PIECE_LEN + 1]).into_iter().map(|(piece, part)| (piece.unwrap(), part.to_vec())).collect::<Vec<_>>();
        assert_eq!(given.take(device, &known(parts[0].1), &first).0, Came::Part);
        assert_eq!(given.take(device, &known(&other[0].1), &other[0].0).0, Came::Part);
        assert_eq!(given.take(device, &known(parts[1].1), &last).0, Came::Part);
    }

    #[test]
    fn pieces_that_are_given_take_a_bounded_number_of_bytes_and_the_device_with_most_gives_way() {
        let mut given = GivenPieces::default();
        let message = vec![3; 4 * PIECE_LEN];
        let parts = Piece::split(&message);
        let mut lost = 0;
        for number in 0..100u8 {
            for (piece, part) in &parts[..usize::from(number % 3) + 1] {
                lost += usize::from(given.take(DeviceId([number; 16]), &known(part), &piece.unwrap()).1.is_some());
                assert!(given.bytes() <= GIVEN_BYTES_MAX);
            }
        }
        assert!(lost > 0, "the bound was never reached");
        (0..100u8).for_each(|number| given.forget(&DeviceId([number; 16])));
        assert_eq!(given.bytes(), 0);
    }
}
