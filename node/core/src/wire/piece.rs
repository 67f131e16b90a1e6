//! Pieces of an MLS message that is longer than an envelope. The protocol page is `docs/protocol/rooms.md`.

use super::bounds::PIECE_LEN;
use crate::limits::PIECES_MAX;
use minicbor::{Decode, Encode};
use symbolon_presence::id::Digest;
use symbolon_presence::kdf::sha256;

/// The longest MLS message, in bytes: just below 4 MiB.
pub const WHOLE_MAX: usize = PIECES_MAX as usize * PIECE_LEN;

/// Which part of which whole a known envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Piece {
    /// SHA-256 of the whole MLS message.
    #[n(0)]
    pub whole: Digest,
    /// Its place, from 0.
    #[n(1)]
    pub index: u8,
    /// How many there are: 2 to [`PIECES_MAX`].
    #[n(2)]
    pub count: u8,
}

impl Piece {
    /// The parts of an MLS message, each for one envelope: the message itself, or its pieces. Empty when it is longer
    /// than [`PIECES_MAX`] of them.
    pub fn split(mls: &[u8]) -> Vec<(Option<Self>, &[u8])> {
        if mls.len() <= PIECE_LEN {
            return vec![(None, mls)];
        }
        let Some(count) = u8::try_from(mls.len().div_ceil(PIECE_LEN)).ok().filter(|count| *count <= PIECES_MAX) else {
            return Vec::new();
        };
        let whole = Digest(sha256(mls));
        (0..count).zip(mls.chunks(PIECE_LEN)).map(|(index, part)| (Some(Self { whole, index, count }), part)).collect()
    }

    /// Whether this can be a piece, with so many bytes: all but the last are full.
    pub fn is_bounded(&self, length: usize) -> bool {
        let is_last = self.is_last();
        (2..=PIECES_MAX).contains(&self.count)
            && self.index < self.count
            && if is_last { (1..=PIECE_LEN).contains(&length) } else { length == PIECE_LEN }
    }

    /// Whether the whole is there with it.
    pub fn is_last(&self) -> bool {
        self.index.saturating_add(1) == self.count
    }

    /// The most bytes that its whole can have.
    pub fn whole_max(&self) -> usize {
        usize::from(self.count) * PIECE_LEN
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::wire::Known;
    use symbolon_presence::codec;
    use symbolon_presence::envelope::KNOWN_MAX;
    use symbolon_presence::id::{EpochId, RoomId};

    fn known(piece: Option<Piece>, sequence: Option<u64>, mls: Vec<u8>) -> Vec<u8> {
        codec::encode(&Known { room: RoomId([1; 32]), epoch: EpochId([2; 32]), sequence, mls, piece })
    }

    #[test]
    fn every_length_is_split_into_full_pieces_and_a_last_one_and_each_fits_an_envelope() {
        let most = WHOLE_MAX;
        for (length, count) in [(1, 1), (PIECE_LEN, 1), (PIECE_LEN + 1, 2), (2 * PIECE_LEN, 2), (2 * PIECE_LEN + 1, 3), (most, 16)] {
            let mls: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let parts = Piece::split(&mls);
            assert_eq!((parts.len(), parts[0].0.is_some()), (count, count > 1), "{length}");
            assert_eq!(parts.iter().flat_map(|(_, part)| part.iter().copied()).collect::<Vec<u8>>(), mls);
            for (index, (piece, part)) in parts.iter().enumerate() {
                let payload = known(*piece, Some(u64::MAX), part.to_vec());
                assert!(payload.len() <= KNOWN_MAX);
                assert!(Known::decode(&payload).unwrap().is_bounded(), "{index} of {count}");
            }
        }
        assert!(Piece::split(&vec![0; most + 1]).is_empty());
        assert!(most <= 4 * 1024 * 1024 && most > 4 * 1024 * 1024 - 8 * 1024);
    }

    #[test]
    fn a_piece_that_cannot_be_one_is_refused() {
        let (full, whole) = (vec![0; PIECE_LEN], Digest([3; 32]));
        let piece = |index, count| Piece { whole, index, count };
        let reads = |piece, sequence, mls: &[u8]| Known::decode(&known(Some(piece), sequence, mls.to_vec())).unwrap().is_bounded();
        assert!(reads(piece(0, 2), Some(0), &full) && reads(piece(1, 2), Some(0), b"x") && reads(piece(15, 16), Some(0), &full));
        assert!(!reads(piece(0, 2), None, &full), "without a place in the order");
        assert!(!reads(piece(0, 2), Some(0), &full[1..]) && !reads(piece(0, 2), Some(0), b"x"), "not full");
        assert!(!reads(piece(1, 2), Some(0), b"") && !reads(piece(1, 2), Some(0), &vec![0; PIECE_LEN + 1]));
        for wrong in [piece(0, 0), piece(0, 1), piece(2, 2), piece(16, 16), piece(0, 17), piece(255, 255)] {
            assert!(!reads(wrong, Some(0), &full) && !reads(wrong, Some(0), b"x"), "{wrong:?}");
        }
    }
}
