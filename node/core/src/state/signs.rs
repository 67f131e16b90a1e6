//! What machines note for each other: builds that differ, reasons to look, signs of copies.

use symbolon_presence::time::Timestamp;

/// A friend's build that speaks another version than ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Build {
    /// 0 stands for all before links were proved.
    pub version: u32,
    /// Whether the device itself has said so.
    pub is_sure: bool,
    /// When that was last seen.
    pub at: Timestamp,
}

/// Why a friend's records are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The friend cannot be reached.
    Missed,
    /// The friend's node says that our keys are over.
    Stale,
}

/// What shows that this folder is an older copy, or that another copy of it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A relay or a lookup server holds something of ours that this folder did not write.
    Newer,
    /// A friend holds a later friendship secret of ours, of this revision.
    Revision(u64),
    /// Another copy was at work while this one ran; and whether it was started later.
    Rival { is_later: bool },
}
