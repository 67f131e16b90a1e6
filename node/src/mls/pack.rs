//! Message secrets without the long runs of nothing in them.
//!
//! For each member a room remembers which of the newest 1,024 keys were used, one byte for each: a thousand times *nil* in
//! MessagePack. With them a row is longer than what SQLite keeps in one page, and two more pages are written with each turn.
//!
//! ```text
//! packed = c1, then bytes as they are, but
//!     c1 and a number (2 bytes, not 0) in the place of so many c0
//!     c1 00 00                         in the place of one c1
//! ```
//!
//! No value of MessagePack begins with c1, so rows of builds that did not pack are told apart by their first byte.

use zeroize::Zeroizing;

/// The byte that no value of MessagePack begins with.
const MARK: u8 = 0xc1;
const NIL: u8 = 0xc0;
/// Runs that are shorter stay as they are.
const RUN_MIN: usize = 4;
/// Unpacked, nothing of a room is longer: 256 devices, each with 1,024 keys that were passed over.
const UNPACKED_MAX: usize = 32 * 1024 * 1024;

/// Packs an encoded value.
pub(super) fn pack(value: &[u8]) -> Zeroizing<Vec<u8>> {
    // As much as there can be: a longer one would leave its bytes behind when it moves.
    let escaped = value.iter().filter(|byte| **byte == MARK).count();
    let mut packed = Zeroizing::new(Vec::with_capacity(1 + value.len() + 2 * escaped));
    packed.push(MARK);
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        let run = rest.iter().take(usize::from(u16::MAX)).take_while(|byte| **byte == NIL).count();
        if let (true, Ok(count)) = (run >= RUN_MIN, u16::try_from(run)) {
            packed.push(MARK);
            packed.extend_from_slice(&count.to_be_bytes());
            rest = rest.get(run..).unwrap_or_default();
            continue;
        }
        packed.push(*first);
        if *first == MARK {
            packed.extend_from_slice(&[0, 0]);
        }
        rest = behind;
    }
    packed
}

/// The value of a row, packed or not. None when it is damaged.
pub(super) fn unpack(row: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let Some((&MARK, packed)) = row.split_first() else { return Some(Zeroizing::new(row.to_vec())) };
    let length = walk(packed, |_, _| ())?;
    let mut value = Zeroizing::new(Vec::with_capacity(length));
    walk(packed, |byte, count| value.extend(std::iter::repeat_n(byte, count)))?;
    Some(value)
}

/// Goes through what is packed, and answers how long it is unpacked.
fn walk(packed: &[u8], mut each: impl FnMut(u8, usize)) -> Option<usize> {
    let (mut rest, mut length) = (packed, 0usize);
    while let Some((first, behind)) = rest.split_first() {
        let (byte, count) = match (*first, behind) {
            (MARK, [0, 0, ..]) => (MARK, 1),
            (MARK, [high, low, ..]) => (NIL, usize::from(u16::from_be_bytes([*high, *low]))),
            (MARK, _) => return None,
            (byte, _) => (byte, 1),
        };
        length += count;
        if length > UNPACKED_MAX {
            return None;
        }
        each(byte, count);
        rest = if *first == MARK { behind.get(2..)? } else { behind };
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_packed_comes_back_as_it_was_and_runs_are_short() {
        let run = |count: usize| vec![NIL; count];
        let values = [
            Vec::new(),
            vec![0x93, 1, 2, 3],
            run(3),
            run(1_024),
            run(65_535),
            run(65_536 + 3),
            vec![0xcc, MARK, 0xcc, NIL, MARK, MARK, NIL, NIL],
            [vec![0x93, MARK], run(1_000), vec![MARK, 0, 0, 7], run(4), vec![5]].concat(),
            (0..=255).collect(),
        ];
        for value in values {
            let packed = pack(&value);
            assert_eq!(unpack(&packed).unwrap().as_slice(), value.as_slice());
            assert!(
                packed.capacity() >= packed.len()
                    && packed.len() <= 1 + value.len() + 2 * value.iter().filter(|byte| **byte == MARK).count()
            );
        }
        assert_eq!(pack(&run(1_024)).len(), 4);
    }

    #[test]
    fn a_row_of_before_is_read_as_it_is_and_a_damaged_one_not_at_all() {
        assert_eq!(unpack(&[0x93, MARK, 0, 0, NIL]).unwrap().as_slice(), [0x93, MARK, 0, 0, NIL]);
        for cut in [&[MARK, MARK][..], &[MARK, MARK, 1], &[MARK, 5, MARK, 0]] {
            assert!(unpack(cut).is_none(), "{cut:?}");
        }
        // No more is allocated than a room can have.
        let bomb: Vec<u8> = [MARK].into_iter().chain([MARK, 0xff, 0xff].repeat(UNPACKED_MAX / 65_535 + 1)).collect();
        assert!(unpack(&bomb).is_none());
    }
}
