//! Where a message stands, and what is said to the tables of messages.
//!
//! A message's key is its conversation (32 B) and the number of its arrival (8 B). A table whose key is bytes is an index to
//! SQLite, and the inner nodes of an index hold whole rows: 17 more messages wrote 8 to 9 pages, to be encrypted and moved. So
//! each conversation has a small number, and a message stands under one whole number made of both: in such a table the rows
//! are in the leaves alone, and one behind all others is appended (decision 0047).

/// The first version whose messages have whole numbers.
pub(super) const SINCE: u32 = 12;

/// The tables: conversations with their numbers; messages.
pub(super) const CREATE: [&str; 2] = [
    "CREATE TABLE message_room (key BLOB PRIMARY KEY NOT NULL, number INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE message_row (place INTEGER PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT",
];

/// Bits of a place that are the number of arrival; the conversation's number is above them. 2^40 arrivals are 30,000 a
/// second for a year.
const ARRIVAL_BITS: u32 = 40;
/// First number of arrival that has no place.
pub(super) const ARRIVALS: u64 = 1 << ARRIVAL_BITS;
/// First number that no conversation gets: the place behind its last one is a signed number of 64 bits as well.
pub(super) const ROOMS: i64 = (1 << (63 - ARRIVAL_BITS)) - 1;
/// Bytes of a conversation in a key.
const ROOM: usize = 32;

pub(super) const GET: &str = "SELECT value FROM message_room CROSS JOIN message_row ON place = (number << 40) + ?2 WHERE key = ?1";
pub(super) const PUT: &str = "INSERT INTO message_row (place, value) SELECT (number << 40) + ?2, ?3 FROM message_room WHERE key = ?1 \
                   ON CONFLICT (place) DO UPDATE SET value = excluded.value";
pub(super) const DELETE: &str = "DELETE FROM message_row WHERE place = (SELECT (number << 40) + ?2 FROM message_room WHERE key = ?1)";
/// Those of one conversation, from an arrival on or before it, and those of all conversations behind or before it.
pub(super) const RANGES: [&str; 4] = [
    "SELECT key, place, value FROM message_room CROSS JOIN message_row WHERE key = ?1 \
     AND place >= (number << 40) + ?2 AND place < (number + 1) << 40 ORDER BY place LIMIT ?3",
    "SELECT key, place, value FROM message_room CROSS JOIN message_row WHERE key > ?1 \
     AND place >= number << 40 AND place < (number + 1) << 40 ORDER BY key, place LIMIT ?2",
    "SELECT key, place, value FROM message_room CROSS JOIN message_row WHERE key = ?1 \
     AND place >= number << 40 AND place < (number << 40) + ?2 ORDER BY place DESC LIMIT ?3",
    "SELECT key, place, value FROM message_room CROSS JOIN message_row WHERE key < ?1 \
     AND place >= number << 40 AND place < (number + 1) << 40 ORDER BY key DESC, place DESC LIMIT ?2",
];
/// The highest number that is gone is given again: nothing stands under it.
pub(super) const NEXT_ROOM: &str = "SELECT ifnull(max(number), 0) + 1 FROM message_room";
pub(super) const ADD_ROOM: &str = "INSERT INTO message_room (key, number) VALUES (?1, ?2)";
/// A conversation without messages leaves nothing behind, not even its name.
pub(super) const FORGET_ROOM: &str = "DELETE FROM message_room WHERE key = ?1 AND NOT EXISTS \
                           (SELECT 1 FROM message_row WHERE place >= number << 40 AND place < (number + 1) << 40)";
/// Asked once, when a store is opened.
pub(super) const HAS_EARLIER: &str = "SELECT EXISTS (SELECT 1 FROM message)";
/// How many statements there are to keep ready.
pub(super) const STATEMENTS: usize = 10;

/// Where a message stands: its conversation and the number of its arrival. `None` for a key of another shape.
pub(super) fn place_of(key: &[u8]) -> Option<(&[u8], i64)> {
    let (room, arrival) = key.split_at_checked(ROOM)?;
    let arrival = u64::from_be_bytes(arrival.try_into().ok()?);
    (arrival < ARRIVALS).then(|| (room, arrival.cast_signed()))
}

/// The same for a bound, which may have any shape: keys from it on are those from the answer on, and those before it those before.
pub(super) fn bound_of(key: &[u8]) -> (&[u8], i64) {
    let (room, rest) = key.split_at_checked(ROOM).unwrap_or((key, &[]));
    let mut arrival = [0; 8];
    arrival.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    // A longer key comes behind the shorter one that it begins with.
    let arrival = u64::from_be_bytes(arrival).saturating_add(u64::from(rest.len() > arrival.len()));
    (room, arrival.min(ARRIVALS).cast_signed())
}
