//! Bounds of what a relay keeps for others, for how long, and what one turn does.

use symbolon_presence::time::{DAY, MINUTE, SECOND};

/// Mailboxes of the relay's owner. Nobody else's is counted there.
pub const OWN_MAILBOXES_MAX: usize = 64;
/// Mailboxes of friends of the owner, at a relay for friends.
pub const FRIENDS_MAILBOXES_MAX: usize = 256;
/// Mailboxes of anybody, at an open relay.
pub const OPEN_MAILBOXES_MAX: usize = 10_240;
/// Entries of friends and correspondents in one mailbox, and their bytes.
pub const DIRECT_MAX: (u32, u64) = (10_000, 64 * 1024 * 1024);
/// Entries of strangers in one mailbox, and their bytes.
pub const CONTACT_MAX: (u32, u64) = (256, 4 * 1024 * 1024);
/// Entries of guests in one mailbox, and their bytes.
pub const GUEST_MAX: (u32, u64) = (256, 4 * 1024 * 1024);
/// Entries of members of the owner's rooms in one mailbox, and their bytes.
pub const MEMBERS_MAX: (u32, u64) = (4_096, 32 * 1024 * 1024);
/// New mailboxes that come from one address on one day.
pub const NEWCOMERS_MAX: u32 = 64;
/// Addresses of which that is counted; when there are more, all counts begin again.
pub const SOURCES_MAX: usize = 4_096;
/// Rows of uses of one mailbox.
pub const USES_OF_MAILBOX_MAX: u32 = 4_096;
/// How long an envelope under a counted grant is remembered at most, if it does not wait longer.
pub const USE_LIFE: u64 = 90 * DAY;
/// Bytes that a relay keeps, unless its operator says otherwise.
pub const BYTES_DEFAULT: u64 = 4 * 1024 * 1024 * 1024;
/// The least that an operator may allow: something of everybody has room in it.
pub const BYTES_MIN: u64 = 16 * 1024 * 1024;
/// The least that an operator may allow one mailbox: a few of the longest envelopes of everybody.
pub const MAILBOX_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// How long an entry is kept for a mailbox of the relay's owner.
pub const OWN_LIFE: u64 = 30 * DAY;
/// How long for anybody else's.
pub const FOREIGN_LIFE: u64 = 7 * DAY;
/// Entries on the way to one owner without an acknowledgement, and their bytes.
pub const PUSH_MAX: (usize, usize) = (256, 4 * 1024 * 1024);
/// Links at once: as many as the transport lets in.
pub const LINKS_MAX: usize = 16_384;
/// The same at the beginning of a session. It doubles with each acknowledgement: a session that
/// nobody acknowledges costs no more than this.
pub const PUSH_FIRST: (usize, usize) = (16, 128 * 1024);
/// Signed frames of one link at once, and for how long one of them is counted. Each frame beyond
/// that is a fault.
pub const SIGNED_MAX: (u64, u64) = (512, SECOND / 8);
/// Nonces of one owner's sessions that are remembered, for twice the clock skew. When full the oldest is
/// forgotten, and with it every session that is older still: nothing that was taken is taken again.
pub const NONCES_MAX: usize = 64;
/// Nonces of friends' questions remembered for one owner. Anybody who can push one out holds the
/// friendship token, and could take the packages without it.
pub const QUESTIONS_MAX: usize = 256;
/// Faults on one link before it is closed.
pub(super) const FAULTS_MAX: u32 = 32;
/// Keys of friends that were replaced, remembered for each mailbox: their holders get that answer.
pub const PAST_MAX: usize = 64;
/// Pause between two looks at what has expired.
pub(super) const SWEEP: u64 = MINUTE;
/// The longest row.
pub(super) const ROW_MAX: usize = 512 * 1024;
/// Mailboxes read at once at a start.
pub(super) const MAILBOXES_AT_ONCE: usize = 64;
/// An entry is taken for one of this size when it is asked how many to look up: with most of
/// them shorter and a few of 256 KiB no look-up brings more than some 16 MiB.
pub(super) const LONG_ENTRY: usize = 64 * 1024;
/// What an entry costs beside its envelope: its row, and those by which it is found.
pub(super) const ENTRY_COST: u64 = 256;
/// What a row of a use costs.
pub(super) const USE_COST: u64 = 256;
/// A mailbox whose owner was never here ends after so long.
pub const NEVER_USED_LIFE: u64 = DAY;
/// One whose owner was here, after the last time.
pub const USED_LIFE: u64 = 90 * DAY;
/// An owner who was here on so many different days does not give way to a newcomer.
pub const ESTABLISHED: u32 = 3;
/// Different envelopes of one counted grant that are remembered. Of a guest's grant it is also how
/// many it may bring in its life; of a stranger's the oldest that do not wait any more are forgotten.
pub const USES_MAX: usize = 64;
/// The uses of so many days may wait under one lifeline: a thief of one fills no queue with it.
pub const LIFELINE_DAYS_WAITING: usize = 2;
/// Envelopes that wait under a grant for each use that it allows: which of them counts is the
/// owner's to say, so that junk does not use an invite up.
pub const WAITING_FOR_USE: usize = 16;
/// Rows of records left for a day that are looked up together.
pub(super) const AWAY_AT_ONCE: usize = 16;
