//! What a tag stands for.

use crate::state::State;
use symbolon_presence::id::DeviceId;

pub(crate) type Tag = [u8; 16];
/// A device, and the number of a seed that was said to it.
pub(crate) type Line = (DeviceId, u64);

/// What a tag stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub device: DeviceId,
    pub seed: u64,
    pub counter: u64,
}

impl Found {
    /// Opens an envelope that has the tag.
    pub fn open(&self, state: &State, envelope: &[u8]) -> Option<Vec<u8>> {
        state.inbound_under(&self.device, self.seed)?.opener.open(self.counter, envelope).ok()
    }
}
