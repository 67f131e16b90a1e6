//! Envelopes that a friend carries to somebody whom their sender does not meet.
//!
//! An envelope is good from anyone who brings it, and so is a receipt: both are signed or sealed by the two ends. So a
//! friend may take an envelope along as it is, put it at its mailbox, and take the receipt back.

use crate::put::{Put, Receipt};
use minicbor::{Decode, Encode};
use symbolon_presence::id::DeviceId;

/// Friend to friend: take this along to somebody whom you meet and I do not.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Carry {
    /// Whose mailbox it is for.
    #[n(0)]
    pub to: DeviceId,
    /// What is to be put there, by the right of who says this.
    #[n(1)]
    pub put: Put,
}

/// Friend to friend: what became of envelopes that were taken along.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Carried {
    /// Whose mailbox has signed.
    #[n(0)]
    pub device: DeviceId,
    /// What it has signed. It may name other envelopes, too.
    #[n(1)]
    pub receipt: Receipt,
}
