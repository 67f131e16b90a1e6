//! Network addresses as the pure crates see them.

use core::fmt;

/// A network address: a binary multiaddr without a peer id. Nothing in here looks inside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Address(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

impl Address {
    /// The longest address taken from outside, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Whether the address may be kept: not empty, not too long.
    pub fn is_bounded(&self) -> bool {
        !self.0.is_empty() && self.0.len() <= Self::MAX_LEN
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}
