//! Network addresses as the pure crates see them.

use core::fmt;

/// A network address: a binary multiaddr without a peer id. Nothing in here looks inside but
/// for whether it leads away from this machine.
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

    /// Whether it leads to the machine itself: it begins with an IPv4 or IPv6 loopback address.
    pub fn is_loopback(&self) -> bool {
        match self.0.as_slice() {
            [IP4, 127, ..] => true,
            [IP6, ip @ ..] => ip.get(..16).is_some_and(|ip| ip == std::net::Ipv6Addr::LOCALHOST.octets()),
            _ => false,
        }
    }
}

/// Codes of the multiaddr table.
const IP4: u8 = 0x04;
const IP6: u8 = 0x29;

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_the_rest() {
        let ip6 = |last: u8| [[IP6].as_slice(), &[0; 15], &[last, 6, 0, 80]].concat();
        let ip4 = |first: u8| vec![IP4, first, 0, 0, 1, 6, 0, 80];
        for (bytes, is) in [(ip4(127), true), (ip4(10), false), (ip6(1), true), (ip6(2), false), (vec![], false), (vec![IP6, 0], false)] {
            assert_eq!(Address(bytes.clone()).is_loopback(), is, "{bytes:?}");
        }
    }
}
