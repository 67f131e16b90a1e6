//! A room's message secrets in two parts: what changes with each text, and the epochs before, which do not.
//!
//! OpenMLS hands over both in one value, which grows with the members. As a row of their own the epochs before are written
//! once an epoch, and not even encoded with each text. The HPKE keys of who was a member then, 1.2 KB each with X-Wing and
//! the most of it, are left out: nothing asks for them, and the tree has those that still count.

use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeStruct, Serializer};
use zeroize::Zeroizing;

type Failed = rmp_serde::encode::Error;

/// Encoded message secrets.
pub(super) struct Parts {
    /// The bound, and the epochs before; none when they were not wanted.
    pub before: Option<Zeroizing<Vec<u8>>>,
    /// The secrets of the present epoch.
    pub present: Zeroizing<Vec<u8>>,
}

/// Encodes message secrets (a struct of a bound, the epochs before and the present secrets) in two parts, which behind each
/// other are the whole. None when they are no such struct.
pub(super) fn split<T: Serialize + ?Sized>(secrets: &T, with_before: bool) -> Option<Parts> {
    let fields = secrets.serialize(Fields { skipped: (!with_before).then_some(1), encoded: Vec::new() }).ok()?;
    let [bound, before, present] = <[Zeroizing<Vec<u8>>; 3]>::try_from(fields).ok()?;
    if !with_before {
        return Some(Parts { before: None, present });
    }
    let before = without_keys(&before).unwrap_or(before);
    let before = Zeroizing::new([[0x93].as_slice(), &bound, &before].concat());
    Some(Parts { before: Some(before), present })
}

/// Epochs before (each its number, its secrets and its members) whose members (index, credential, HPKE key and signature key)
/// have no HPKE key. None when they are of another form.
fn without_keys(epochs: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // As much as there can be: a longer one would leave its bytes behind when it moves.
    let mut kept = Zeroizing::new(Vec::with_capacity(epochs.len()));
    let (mut at, count) = list(epochs, 0)?;
    kept.extend_from_slice(epochs.get(..at)?);
    for _ in 0..count {
        let (inside, 3) = list(epochs, at)? else { return None };
        let members = item(epochs, item(epochs, inside)?)?;
        let (inside, members) = list(epochs, members)?;
        kept.extend_from_slice(epochs.get(at..inside)?);
        at = inside;
        for _ in 0..members {
            let (inside, 4) = list(epochs, at)? else { return None };
            let key = item(epochs, item(epochs, inside)?)?;
            let (_, _) = list(epochs, key)?;
            let behind = item(epochs, key)?;
            kept.extend_from_slice(epochs.get(at..key)?);
            // An empty list.
            kept.push(0x90);
            at = item(epochs, behind)?;
            kept.extend_from_slice(epochs.get(behind..at)?);
        }
    }
    (at == epochs.len()).then_some(kept)
}

/// Where the items of a list begin that stands at `at`, and how many there are.
fn list(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let head = *bytes.get(at)?;
    let width = match head {
        0x90..=0x9f => return Some((at + 1, usize::from(head & 0x0f))),
        0xdc => 2,
        0xdd => 4,
        _ => return None,
    };
    let begin = at.checked_add(1 + width)?;
    Some((begin, number(bytes.get(at + 1..begin)?)))
}

fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit))
}

/// Where the item ends that begins at `at` (MessagePack, without extensions: serde writes none).
fn item(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut at, mut open) = (at, 1usize);
    while open > 0 {
        let head = *bytes.get(at)?;
        open -= 1;
        at += 1;
        let length = |width: usize| -> Option<usize> { Some(number(bytes.get(at..at.checked_add(width)?)?)) };
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

/// Encodes the fields of a struct one by one, and nothing else.
struct Fields {
    /// The place of the field that is not wanted.
    skipped: Option<usize>,
    encoded: Vec<Zeroizing<Vec<u8>>>,
}

impl SerializeStruct for Fields {
    type Ok = Vec<Zeroizing<Vec<u8>>>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Failed> {
        let is_skipped = self.skipped == Some(self.encoded.len());
        self.encoded.push(Zeroizing::new(if is_skipped { Vec::new() } else { rmp_serde::to_vec(value)? }));
        Ok(())
    }

    fn end(self) -> Result<Self::Ok, Failed> {
        Ok(self.encoded)
    }
}

/// Refuses what is no struct.
macro_rules! refuse {
    ($($name:ident($($type:ty),*) -> $ok:ty;)*) => {$(
        fn $name(self, $(_: $type),*) -> Result<$ok, Failed> {
            Err(Failed::custom("not a struct"))
        }
    )*};
}

type No = Impossible<Vec<Zeroizing<Vec<u8>>>, Failed>;

impl Serializer for Fields {
    type Ok = Vec<Zeroizing<Vec<u8>>>;
    type Error = Failed;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = Self;
    type SerializeStructVariant = No;

    refuse! {
        serialize_bool(bool) -> Self::Ok;
        serialize_i8(i8) -> Self::Ok;
        serialize_i16(i16) -> Self::Ok;
        serialize_i32(i32) -> Self::Ok;
        serialize_i64(i64) -> Self::Ok;
        serialize_u8(u8) -> Self::Ok;
        serialize_u16(u16) -> Self::Ok;
        serialize_u32(u32) -> Self::Ok;
        serialize_u64(u64) -> Self::Ok;
        serialize_f32(f32) -> Self::Ok;
        serialize_f64(f64) -> Self::Ok;
        serialize_char(char) -> Self::Ok;
        serialize_str(&str) -> Self::Ok;
        serialize_bytes(&[u8]) -> Self::Ok;
        serialize_none() -> Self::Ok;
        serialize_unit() -> Self::Ok;
        serialize_unit_struct(&'static str) -> Self::Ok;
        serialize_unit_variant(&'static str, u32, &'static str) -> Self::Ok;
        serialize_seq(Option<usize>) -> No;
        serialize_tuple(usize) -> No;
        serialize_tuple_struct(&'static str, usize) -> No;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No;
        serialize_map(Option<usize>) -> No;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Self::Ok, Failed> {
        Err(Failed::custom("not a struct"))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Self::Ok, Failed> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, _: u32, _: &'static str, _: &T) -> Result<Self::Ok, Failed> {
        Err(Failed::custom("not a struct"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Failed> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
    struct Secrets<B> {
        bound: usize,
        before: B,
        present: String,
    }

    type Epochs = Vec<(u64, Vec<Option<String>>, Vec<(u32, String, Vec<u8>, Vec<u8>)>)>;

    #[test]
    fn both_parts_behind_each_other_are_the_whole_and_one_of_them_can_be_left_out() {
        let texts = ["", "a", &"b".repeat(40), &"c".repeat(300), &"d".repeat(70_000)].map(str::to_owned);
        let secrets = Secrets { bound: 2, before: texts.to_vec(), present: "present".to_owned() };
        let parts = split(&secrets, true).unwrap();
        let whole = [parts.before.unwrap().as_slice(), &parts.present].concat();
        assert_eq!(whole, rmp_serde::to_vec(&secrets).unwrap());
        let parts_alone = split(&secrets, false).unwrap();
        assert!(parts_alone.before.is_none());
        assert_eq!(parts_alone.present, parts.present);
        assert!(split(&(1, 2, 3), true).is_none());
        assert!(split("text", true).is_none());
    }

    #[test]
    fn members_of_the_epochs_before_lose_their_hpke_keys_and_nothing_else() {
        let member = |index: u32| (index, format!("credential {index}"), vec![200; 1_216], vec![7; 32]);
        let none = |index: u32| (index, format!("credential {index}"), vec![], vec![7; 32]);
        for count in [0, 1, 15, 16, 70] {
            let of = |member: &dyn Fn(u32) -> (u32, String, Vec<u8>, Vec<u8>)| -> Epochs {
                (0..3).map(|epoch| (epoch, vec![Some("secret".to_owned()), None], (0..count).map(member).collect())).collect()
            };
            let secrets = |before| Secrets { bound: 2, before, present: "present".to_owned() };
            let parts = split(&secrets(of(&member)), true).unwrap();
            let whole = [parts.before.unwrap().as_slice(), &parts.present].concat();
            assert_eq!(rmp_serde::from_slice::<Secrets<Epochs>>(&whole).unwrap(), secrets(of(&none)));
            // Again, it is the same.
            let again = split(&secrets(of(&none)), true).unwrap();
            assert_eq!([again.before.unwrap().as_slice(), &again.present].concat(), whole);
        }
    }

    #[test]
    fn every_kind_of_item_is_passed_over() {
        let numbers: Vec<i64> = vec![0, 1, 127, 128, 300, 70_000, 1 << 40, -1, -33, -200, -70_000, -(1 << 40)];
        let texts = ["", "a", &"b".repeat(40), &"c".repeat(300), &"d".repeat(70_000)].map(str::to_owned);
        let long: Vec<u64> = (0..70_000).collect();
        let map: std::collections::BTreeMap<u8, f32> = (0..40).map(|n| (n, 2.5)).collect();
        let value = (numbers, texts, (Some(1.5f64), None::<u8>, true, map), (long, vec![1u8; 20]));
        let encoded = rmp_serde::to_vec(&value).unwrap();
        assert_eq!(item(&encoded, 0), Some(encoded.len()));
        for cut in (0..encoded.len()).step_by(997) {
            assert_eq!(item(&encoded[..cut], 0), None);
            assert_eq!(without_keys(&encoded[..cut]), None);
        }
        assert_eq!(item(&[0xc1], 0), None);
        assert_eq!(without_keys(&[0x91, 0x92, 1, 2]), None);
    }
}
