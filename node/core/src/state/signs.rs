//! Builds that differ from ours.

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
