//! What must be refused. Of each kind one input that is taken, and others that differ from it in one thing.
//!
//! The vector names the first check that fails, in the order and the words of the page. Whether an input is taken is asked of
//! the code; which check fails is found by the script beside the vectors, from the page alone.

#[path = "refused/devices.rs"]
mod devices;
#[path = "refused/rooms.rs"]
mod rooms;

use super::{hex, introduction, vector};
pub use devices::devices;
pub use rooms::rooms;
use serde_json::{Value, json};
use symbolon_core::wire::{Introduced, Introduction, IntroductionBody, PAYLOAD_MAX};
use symbolon_presence::codec;
use symbolon_presence::identity::{Chain, Identity};
use symbolon_presence::time::{DAY, MINUTE, Timestamp};
use symbolon_tests::samples::{self, NOW};

/// One input: what it is, and the check that fails, if one does.
struct Case {
    name: &'static str,
    why: Option<&'static str>,
    given: Value,
    is_taken: bool,
}

fn taken(given: Value, is_taken: bool) -> Case {
    Case { name: "", why: None, given, is_taken }
}

fn case(name: &'static str, why: &'static str, given: Value, is_taken: bool) -> Case {
    Case { name, why: Some(why), given, is_taken }
}

fn vectors_of(kind: &str, cases: Vec<Case>) -> Vec<Value> {
    let of = |Case { name, why, given, is_taken }: Case| {
        assert_eq!(is_taken, why.is_none(), "{kind}: {name}");
        let sort = if is_taken { "taken" } else { "refused" };
        let title = if name.is_empty() { format!("{sort}: {kind}") } else { format!("{sort}: {kind}: {name}") };
        match why {
            Some(why) => {
                vector(&title, "Differs from the one that is taken in this alone.", given, json!({ "result": "refused", "why": why }))
            }
            None => vector(&title, "Is taken.", given, json!({ "result": "accepted" })),
        }
    };
    cases.into_iter().map(of).collect()
}

/// What belongs to `docs/protocol/introduction.md`.
pub fn introductions() -> Vec<Value> {
    vectors_of("introduction", introduced())
}

/// The same bytes with a number in two bytes that one byte holds: `from` becomes `to`, once.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// A record with one more field at its end: `fields` are how many it has.
fn with_field(bytes: &[u8], fields: u8) -> Vec<u8> {
    assert_eq!(bytes[..2], [1, 0xa0 + fields]);
    [&[1, 0xa1 + fields], &bytes[2..], &[0x17, 0x00]].concat()
}

fn introduced() -> Vec<Case> {
    let (cem, good) = (introduction::cem(), introduction::body());
    let read_at =
        |sure, bytes: &[u8]| codec::decode::<Introduction>(bytes, PAYLOAD_MAX).is_ok_and(|said| said.verify(sure, sure).is_some());
    let given = |sure: Timestamp, bytes: &[u8]| json!({ "bytes": hex(bytes), "sure": sure.0 });
    let at = |name, why, sure, said: &Introduction| {
        let bytes = codec::encode(said);
        case(name, why, given(sure, &bytes), read_at(sure, &bytes))
    };
    let of = |name, why, body: IntroductionBody| at(name, why, NOW, &Introduction::sign(&cem, &body));
    let said = Introduction::sign(&cem, &good);
    let bytes = codec::encode(&said);
    let broken = with_field(&bytes, 3);
    let by_another = Introduction::sign(&Identity { chain: cem.chain.clone(), ..samples::ann().identity }, &good);
    let named = |who: &Introduced, name: &str| Introduced { name: name.to_owned(), ..who.clone() };
    let unsigned = Chain { signature: cem.chain.signature, ..good.target.chain.clone() };
    vec![
        taken(given(NOW, &bytes), read_at(NOW, &bytes)),
        case("a field too many", "malformed", given(NOW, &broken), read_at(NOW, &broken)),
        at("a certificate that has ended 401 days ago", "chain", NOW.after(766 * DAY), &said),
        at("signature of another key", "signature", NOW, &by_another),
        of(
            "a target whom their root has not certified",
            "people",
            IntroductionBody { target: Introduced { chain: unsigned, name: "Ben".to_owned() }, ..good.clone() },
        ),
        of("of the future", "created", IntroductionBody { created: NOW.after(11 * MINUTE), ..good.clone() }),
        at("that has expired, skew granted", "expires", NOW.after(14 * DAY + 11 * MINUTE), &said),
        of("longer than 14 days", "life", IntroductionBody { expires: NOW.after(14 * DAY + 1), ..good.clone() }),
        of("a name of 65 bytes", "bounds", IntroductionBody { asker: named(&good.asker, &"n".repeat(65)), ..good.clone() }),
        of("a note with a tab", "bounds", IntroductionBody { note: Some("you\ttwo".to_owned()), ..good.clone() }),
        of("one person twice", "three", IntroductionBody { target: named(&good.asker, "Ben"), ..good.clone() }),
        of(
            "the introducer themselves",
            "three",
            IntroductionBody { target: Introduced { chain: cem.chain.clone(), name: "Cem".to_owned() }, ..good },
        ),
    ]
}
