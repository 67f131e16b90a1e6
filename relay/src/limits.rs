//! Bounds of what travels between a mailbox, its owner and those who put there.
//!
//! What a relay keeps for others is bounded in [`crate::machine`].

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
