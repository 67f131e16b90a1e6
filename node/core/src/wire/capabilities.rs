//! What a device's build takes; the bits stand beside what rooms carry. The protocol page is `docs/protocol/rooms.md`.

use minicbor::{Decode, Encode};

/// What a build takes besides what every build of its version of the wire does (RFC 9420, section 7.2, has the word).
/// Bits that are not known here say nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Whether all of `what` is among them.
    pub fn has(self, what: Self) -> bool {
        self.0 & what.0 == what.0
    }
}
