//! How a long row of the outbox is cared for: what changes of it while it waits, in a small row of its own.
//!
//! A row is written when it is said, when it is sealed, and when a relay has signed for a copy. What it holds stays the
//! same, and would fill pages of the store each time.

use crate::rows::Wrapper;
use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, FrameId, MailboxId};
use symbolon_presence::time::Timestamp;

/// A row that holds more bytes is long: a page of the store has room for few of it.
pub(super) const LONG: usize = 1_024;

/// The key of how a long row was cared for: behind the row's.
pub(super) fn care_key(device: &DeviceId, number: u64) -> Vec<u8> {
    [device.as_bytes().as_slice(), &number.to_be_bytes(), &[0]].concat()
}

/// What changes of a long row while it waits; in a row of its own behind it.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Care {
    #[n(0)]
    pub frame: FrameId,
    #[n(1)]
    pub stored: Option<Copy>,
    #[n(2)]
    pub wrapper: Option<Wrapper>,
}

/// A copy of an envelope at a relay.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Copy {
    #[n(0)]
    pub mailbox: MailboxId,
    #[n(1)]
    pub at: Timestamp,
    #[n(2)]
    pub until: Timestamp,
}

impl Copy {
    /// Whether three quarters of its life have passed: time to leave another one.
    pub fn is_ageing(&self, now: Timestamp) -> bool {
        now >= self.at.after(self.until.since(self.at) / 4 * 3)
    }
}
