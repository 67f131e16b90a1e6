//! Shared rooms.

use symbolon_presence::time::DAY;

/// Most devices in a room, this one included.
pub const MEMBERS_MAX: usize = 256;
/// Longest roster of a room, in bytes: [`MEMBERS_MAX`] devices of as many users.
pub const ROSTER_MAX: usize = 48 * 1024;
/// So old an epoch of a shared room is final.
pub const FINAL_AGE: u64 = 7 * DAY;
/// With so many later ones it is final, too, if they were committed by [`FINAL_USERS`].
pub const FINAL_LATER: usize = 5;
/// See [`FINAL_LATER`].
pub const FINAL_USERS: usize = 3;
/// A leaf of which nothing was heard for so long holds nothing up.
pub const LEAF_GONE: u64 = 180 * DAY;
/// Most rooms of one node besides those of friendships.
pub const ROOMS_MAX: usize = 512;
/// Of these, rooms that other devices of ours have named and this one is not in.
pub const ROOMS_ELSEWHERE_MAX: usize = 256;
/// Of these, rooms that only the user makes: nobody else fills their places.
pub const ROOMS_RESERVED: usize = 64;
/// Rooms of one node into which one friend has brought us, those that were left among them.
pub const ROOMS_OF_ADDER_MAX: usize = 64;
/// Most texts of a room that are erased at once, where it makes place for another one.
pub const ROOM_TEXTS_AT_ONCE: usize = 8_192;
/// Welcomes that wait until we are out of their rooms; of each friend one.
pub const WELCOMES_WAITING_MAX: usize = 8;
/// Of these, rooms of one friend that wait for our user's word, or are left because it was no.
pub const ROOMS_ASKED_MAX: usize = 8;
/// Epochs of a shared room that may come back.
pub const STEPS_MAX: usize = 16;
/// Epochs remembered that a shared room was in.
pub const PAST_EPOCHS_MAX: usize = 64;
/// Names kept of people who are in a shared room no longer.
pub const GONE_NAMES_MAX: usize = 64;
/// So long after a member has said how it is written to, it says that to newcomers, too: who adds them may not know.
pub const WAYS_FRESH: u64 = 7 * DAY;
/// KeyPackages of friends held until they are used.
pub const PACKAGES_HELD_MAX: usize = 256;
/// How long commits of a shared room are kept for those who have not seen them.
pub const COMMIT_LIFE: u64 = 90 * DAY;
/// Their bytes in one room.
pub const COMMITS_OF_ROOM_BYTES: usize = 16 * 1024 * 1024;
/// Commits of one epoch that compete: one of each leaf, and of one that has made two, the one that was taken.
pub const RIVALS_MAX: usize = 2 * MEMBERS_MAX;
/// Lines of names and topics that one member puts into a room's history in a day, among the newest [`LINES_PAGE`].
pub const LINES_OF_MEMBER: usize = 32;
/// So many of the newest messages are looked through for that.
pub const LINES_PAGE: usize = 256;
/// Wishes for one shared room that are open.
pub const WISHES_MAX: usize = 512;
