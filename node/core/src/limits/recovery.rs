//! The recovery phrase and what it finds at relays.

use symbolon_presence::time::{DAY, MINUTE, SECOND};

/// So long after the start, or after something has changed, the capsule is left at our relays.
pub const CAPSULE_SOON: u64 = 10 * SECOND;
/// It is left at a relay no sooner than so long after the last time.
pub const CAPSULE_AGAIN: u64 = 10 * MINUTE;
/// And so often when nothing has changed: what friends say of where they are does.
pub const CAPSULE_EVERY: u64 = DAY;
/// So long after a relay did not take it, it is tried again.
pub const CAPSULE_FAILED: u64 = 15 * MINUTE;
/// How long a relay may take for the next answer, while a capsule is left there.
pub const CAPSULE_DEADLINE: u64 = 30 * SECOND;
/// Frames taken from a relay meanwhile.
pub const CAPSULE_FRAMES_MAX: usize = 64;
/// How long a relay may take to answer who has nothing but the words.
pub const FETCH_DEADLINE: u64 = 10 * SECOND;
/// Pause before it is called again.
pub const FETCH_AGAIN: u64 = SECOND;
/// How often it is called at most.
pub const FETCH_CALLS_MAX: u32 = 4;
/// Frames taken from it: each piece of the longest capsule, and some more.
pub const FETCH_FRAMES_MAX: usize = 256;
/// When one capsule is whole, so long others are waited for: one of them may be newer.
pub const FETCH_SETTLE: u64 = 3 * SECOND;
/// How often it is looked for the record that names the relays, and the pause between.
pub const LOOK_ROUNDS: u32 = 4;
/// See [`LOOK_ROUNDS`].
pub const LOOK_PAUSE: u64 = 4 * SECOND;
/// Where no relay was named, so many rounds for the LAN to show somebody.
pub const LOOK_ROUNDS_ALONE: u32 = 2;
/// Nodes of the LAN that are asked for that record; the first ones that it shows.
pub const LOOK_NEAR_MAX: usize = 16;
/// So far above the highest serial that is known the next one is, where the person's root may have given more: by an older copy
/// of a folder, and by a backup.
pub const SERIALS_ABOVE: u64 = 1 << 40;
