//! What the README promises, on the built command, with real sockets and real folders:
//! befriend, talk, restart, and what happens when something is wrong.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(unix)]

#[path = "end_to_end/answers.rs"]
mod answers;
#[path = "end_to_end/branches.rs"]
mod branches;
#[path = "end_to_end/by_hand.rs"]
mod by_hand;
#[path = "end_to_end/called.rs"]
mod called;
#[path = "end_to_end/conversation.rs"]
mod conversation;
#[path = "end_to_end/copies.rs"]
mod copies;
#[path = "end_to_end/dates.rs"]
mod dates;
#[path = "end_to_end/devices.rs"]
mod devices;
#[path = "end_to_end/door.rs"]
mod door;
#[path = "end_to_end/face.rs"]
mod face;
#[path = "end_to_end/former.rs"]
mod former;
#[path = "end_to_end/found.rs"]
mod found;
#[path = "end_to_end/four_devices.rs"]
mod four_devices;
#[path = "end_to_end/friend.rs"]
mod friend;
#[path = "end_to_end/healing.rs"]
mod healing;
#[path = "end_to_end/hellos.rs"]
mod hellos;
#[path = "end_to_end/hostile_hub.rs"]
mod hostile_hub;
#[path = "end_to_end/hub_client.rs"]
mod hub_client;
#[path = "end_to_end/hub_server.rs"]
mod hub_server;
#[path = "end_to_end/inbox.rs"]
mod inbox;
#[path = "end_to_end/inside.rs"]
mod inside;
#[path = "end_to_end/introduction.rs"]
mod introduction;
#[cfg(target_os = "linux")]
#[path = "end_to_end/knock_flood.rs"]
mod knock_flood;
#[path = "end_to_end/liar.rs"]
mod liar;
#[path = "end_to_end/logs.rs"]
mod logs;
#[path = "end_to_end/lookup.rs"]
mod lookup;
#[path = "end_to_end/names.rs"]
mod names;
#[path = "end_to_end/offers.rs"]
mod offers;
#[path = "end_to_end/packages.rs"]
mod packages;
#[path = "end_to_end/pooled.rs"]
mod pooled;
#[path = "end_to_end/recovery.rs"]
mod recovery;
#[path = "end_to_end/refusals.rs"]
mod refusals;
#[path = "end_to_end/rekey.rs"]
mod rekey;
#[path = "end_to_end/relay.rs"]
mod relay;
#[path = "end_to_end/revoked.rs"]
mod revoked;
#[path = "end_to_end/rogue.rs"]
mod rogue;
#[path = "end_to_end/rooms.rs"]
mod rooms;
#[path = "end_to_end/server.rs"]
mod server;
#[path = "end_to_end/silence.rs"]
mod silence;
#[path = "end_to_end/sorted.rs"]
mod sorted;
#[path = "floods/stranger.rs"]
mod stranger;
#[path = "end_to_end/thief.rs"]
mod thief;
#[path = "end_to_end/vouchers.rs"]
mod vouchers;
#[path = "end_to_end/vouching.rs"]
mod vouching;
#[path = "end_to_end/welcomes.rs"]
mod welcomes;

use serde_json::Value;
use std::collections::BTreeSet;

/// Fails unless every field of a comma-separated list is there.
fn assert_fields(value: &Value, fields: &str) {
    let keys: BTreeSet<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    let missing: Vec<&str> = fields.split(',').filter(|field| !keys.contains(field)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {value}");
}

/// Fails unless a value is an RFC 3339 time in UTC.
fn assert_time(value: &Value) {
    let text = value.as_str().expect("a time is text");
    assert!(text.len() >= 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z'), "{text}");
}

/// Fails unless a value is lower-case base32 without padding.
fn assert_id(value: &Value) {
    let text = value.as_str().expect("an id is text");
    assert!(text.len() >= 26 && text.chars().all(|c| matches!(c, 'a'..='z' | '2'..='7')), "{text}");
}
