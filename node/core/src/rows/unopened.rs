//! Envelopes that have come and cannot be opened yet.

use minicbor::{Decode, Encode};
use symbolon_presence::id::MailboxId;
use symbolon_presence::time::Timestamp;

/// A known envelope that a relay of ours has handed out before anything opens it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Unopened {
    /// Our mailbox there.
    #[n(0)]
    pub mailbox: MailboxId,
    #[n(1)]
    pub at: Timestamp,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub envelope: Vec<u8>,
}
