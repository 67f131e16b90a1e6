//! Bounds of what travels between a mailbox, its owner and those who put there.
//!
//! What a relay keeps for others is bounded in [`crate::machine`].

use symbolon_presence::time::{DAY, MINUTE, SECOND};

/// The longest frame, in bytes: the largest envelope and what surrounds it.
pub const FRAME_MAX: usize = 256 * 1024 + 2 * 1024;
/// The longest sealed address, in bytes.
pub const SEALED_ADDRESS_MAX: usize = 256;
/// The most network addresses of one mailbox.
pub const PLACES_MAX: usize = 8;
/// The most envelopes that one receipt speaks of.
pub const RECEIPT_MAX: usize = 256;
/// The most records that a friend leaves with a friend: those of two days.
pub const KEEP_MAX: usize = 6;
/// The most records of one day: a header, two bodies, and the bodies of 16 open invites.
pub const AWAY_MAX: usize = 19;
/// The most entries that one [`Ack`](crate::session::Ack) names.
pub const ACK_MAX: usize = 256;
/// The most revoked grants in a [`MailboxRecord`](crate::session::MailboxRecord).
pub const REVOKED_MAX: usize = 1_024;
/// The longest sealed record, in bytes.
pub const SEALED_RECORD_MAX: usize = 32 * 1024;
/// The most packages that one mailbox holds, beside the one of last resort.
pub const PACKAGES_MAX: usize = 32;
/// The longest package, in bytes.
pub const PACKAGE_MAX: usize = 4 * 1024;
/// Opened addresses remembered; when full, the oldest is forgotten.
pub const ADDRESS_CACHE_MAX: usize = 1_024;
/// In a guest's grant: it is for the members of a room, who put any number of envelopes, with a share of the mailbox of
/// their own.
pub const MEMBERS_USES: u32 = u32::MAX;
/// Envelopes that may be put by one lifeline in a day.
pub const LIFELINE_USES: u32 = 8;
/// Rooms that a hub knows.
pub const HUB_ROOMS_MAX: usize = 1_024;
/// Of them, that were opened from one source.
pub const HUB_ROOMS_OF_SOURCE: usize = 128;
/// Those who listen at a hub for one room.
pub const HUB_LISTENERS_MAX: usize = 256;
/// Knocks that a hub lists.
pub const HUB_KNOCKS_MAX: usize = 1_024;
/// Of them, at one room.
pub const HUB_KNOCKS_OF_ROOM: usize = 32;
/// Of them, from one source.
pub const HUB_KNOCKS_OF_SOURCE: usize = 16;
/// Knocks that a hub takes for one room in an hour.
pub const HUB_KNOCKS_HOUR: u32 = 64;
/// Of them, from one source: nobody with a card uses up all of them from one address.
pub const HUB_KNOCKS_HOUR_OF_SOURCE: u32 = 32;
/// What waits at a hub for one who listens.
pub const HUB_INBOX_MAX: usize = 32;
/// What waits at a hub for one who knocks.
pub const HUB_WORDS_MAX: usize = 8;
/// What members may say to one knock.
pub const HUB_WORDS_OF_KNOCK: usize = 512;
/// So long a member's turn is.
pub const HUB_TURN: u64 = 20 * SECOND;
/// So long the newcomer may take to answer a member before it is the next one's turn.
pub const HUB_GRACE: u64 = 3 * SECOND;
/// So long a question is held.
pub const HUB_HOLD: u64 = 25 * SECOND;
/// So long who has listened is taken to be there.
pub const HUB_PRESENT: u64 = MINUTE;
/// Not before this a newcomer hears that all were asked: it does not show how many there are.
pub const HUB_CLOSED_AFTER: u64 = 10 * SECOND;
/// So long a knock is listed.
pub const HUB_KNOCK_LIFE: u64 = DAY;
/// So long a room is known whose members are not there.
pub const HUB_ROOM_LIFE: u64 = 2 * DAY;
