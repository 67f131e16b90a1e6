//! A room's message secrets in two parts: what changes with each text, and the epochs before, which do not.
//!
//! OpenMLS keeps both in one value, and with X-Wing each member of an epoch before weighs 1.2 KB there. As a row of
//! their own they are written once an epoch.

/// Encoded message secrets (an array of a bound, the epochs before and the present secrets) behind the epochs before.
/// None when the bytes are no such array.
pub(super) fn split(encoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x93, ..] = encoded else { return None };
    let bound = item(encoded, 1)?;
    let before = item(encoded, bound)?;
    encoded.split_at_checked(before)
}

/// Where the item ends that begins at `at` (MessagePack, without extensions: serde writes none).
fn item(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut at, mut open) = (at, 1usize);
    while open > 0 {
        let head = *bytes.get(at)?;
        open -= 1;
        at += 1;
        let length = |width: usize| -> Option<usize> {
            let digits = bytes.get(at..at.checked_add(width)?)?;
            Some(digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
        };
        let (skip, inside) = match head {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (0, 0),
            0x80..=0x8f => (0, 2 * usize::from(head & 0x0f)),
            0x90..=0x9f => (0, usize::from(head & 0x0f)),
            0xa0..=0xbf => (usize::from(head & 0x1f), 0),
            0xc4 | 0xd9 => (1 + length(1)?, 0),
            0xc5 | 0xda => (2 + length(2)?, 0),
            0xc6 | 0xdb => (4 + length(4)?, 0),
            0xcc | 0xd0 => (1, 0),
            0xcd | 0xd1 => (2, 0),
            0xca | 0xce | 0xd2 => (4, 0),
            0xcb | 0xcf | 0xd3 => (8, 0),
            0xdc => (2, length(2)?),
            0xdd => (4, length(4)?),
            0xde => (2, length(2)?.checked_mul(2)?),
            0xdf => (4, length(4)?.checked_mul(2)?),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return None,
        };
        at = at.checked_add(skip)?;
        open = open.checked_add(inside)?;
    }
    (at <= bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_of_item_is_passed_over_and_the_rest_is_the_last_one() {
        let texts = ["", "a", &"b".repeat(40), &"c".repeat(300), &"d".repeat(70_000)].map(str::to_owned);
        let numbers: Vec<i64> = vec![0, 1, 127, 128, 300, 70_000, 1 << 40, -1, -33, -200, -70_000, -(1 << 40)];
        let bytes = [0, 20, 300, 70_000].map(|length| serde_bytes_like(vec![7; length]));
        let long: Vec<u64> = (0..70_000).collect();
        let before = (texts, (numbers, bytes, Some(1.5f64), None::<u8>, true), (long, vec![1u8; 20], 2.5f32));
        let encoded = rmp_serde::to_vec(&(5usize, &before, "present")).unwrap();
        let (head, tail) = split(&encoded).unwrap();
        assert_eq!(rmp_serde::from_slice::<String>(tail).unwrap(), "present");
        assert_eq!(head.len() + tail.len(), encoded.len());
        for cut in (0..head.len()).step_by(997) {
            assert!(split(&head[..cut]).is_none_or(|(_, tail)| tail.is_empty()));
        }
        assert_eq!(split(&[0x92, 1, 2]), None);
        assert_eq!(split(&[]), None);
        assert_eq!(split(&[0x93, 0xc1]), None);
    }

    fn serde_bytes_like(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}
