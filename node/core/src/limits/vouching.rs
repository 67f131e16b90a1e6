//! Bounds of room cards and knocks.

use symbolon_presence::time::{DAY, MINUTE, SECOND};

/// Hubs of one room.
pub const HUBS_MAX: usize = 3;
/// Addresses of one of them.
pub const HUB_PLACES_MAX: usize = 4;
/// The longest body of a room card, with its signature, in bytes.
pub const CARD_MAX: usize = 4 * 1024;
/// How long a room card is good.
pub const CARD_LIFE: u64 = 30 * DAY;
/// A card that is good for less than this is followed by another one.
pub const CARD_LEFT: u64 = 7 * DAY;
/// Knocks of ours that are under way.
pub const KNOCKS_MAX: usize = 32;
/// Knocks of others that are listed here.
pub const HEARD_KNOCKS_MAX: usize = 128;
/// Of them, at one room.
pub const HEARD_KNOCKS_OF_ROOM: usize = 32;
/// How long a knock is listed, and how long the one who knocks waits.
pub const KNOCK_LIFE: u64 = DAY;
/// What a member says to a knock leaves so long after it came, whatever it is.
pub const VOUCH_DELAY: u64 = 8 * SECOND;
/// So long a newcomer waits for the Welcome of a voucher before others are asked.
pub const VOUCH_PATIENCE: u64 = MINUTE;
/// A knock secret that was followed by another one opens knocks for so long.
pub const KNOCK_SECRET_KEPT: u64 = DAY;
/// Knock secrets kept of one room.
pub const KNOCK_KEYS_MAX: usize = 16;
/// Questions to hubs that are under way, and words for them that wait.
pub const HUB_ASKS_MAX: usize = 256;
