//! How far an address reaches, and whether it leads through a relay.

use if_addrs::IfAddr;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId as TransportId};
use std::net::IpAddr;
use symbolon_core::command::Path;

/// How far an address reaches; what reaches further is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    Global,
    Private,
    LinkLocal,
    Loopback,
}

pub(super) fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => Reach::Loopback,
        IpAddr::V4(ip) if ip.is_link_local() => Reach::LinkLocal,
        // 100.64.0.0/10 is shared address space behind carrier NAT (RFC 6598).
        IpAddr::V4(ip) if ip.is_private() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64) => Reach::Private,
        IpAddr::V6(ip) if ip.is_loopback() => Reach::Loopback,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Reach::LinkLocal,
        IpAddr::V6(ip) if ip.is_unique_local() => Reach::Private,
        IpAddr::V4(_) | IpAddr::V6(_) => Reach::Global,
    }
}

/// How the other end of a connection is reached, by its address, or by ours when it came to us:
/// what a relay forwards is known by that.
pub(super) fn path(local: Option<&Multiaddr>, remote: &Multiaddr) -> Path {
    if is_circuit(remote) || local.is_some_and(is_circuit) {
        return Path::Relay;
    }
    if is_near(remote) { Path::Lan } else { Path::Direct }
}

/// Through whom an address leads.
#[allow(clippy::wildcard_enum_match_arm, reason = "no other part of an address names a relay")]
pub(super) fn relay_of(address: &Multiaddr) -> Option<TransportId> {
    let before = address.iter().take_while(|part| *part != Protocol::P2pCircuit).last();
    match before {
        Some(Protocol::P2p(relay)) if is_circuit(address) => Some(relay),
        _ => None,
    }
}

/// Where the relay of an address that leads through one is, and who it is, if that is said.
#[allow(clippy::wildcard_enum_match_arm, reason = "a relay that is not at an IP address is none of ours")]
pub(super) fn relay_place(address: &Multiaddr) -> Option<(IpAddr, Option<TransportId>)> {
    let ip = match address.iter().next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    is_circuit(address).then(|| (ip, relay_of(address)))
}

/// Whether an address that somebody names can be of a machine beyond theirs: one of the own
/// machine only where they are on it, too, one of a cable never.
pub(super) fn is_far_enough(named: IpAddr, theirs: IpAddr) -> bool {
    match reach(named) {
        Reach::Global | Reach::Private => true,
        Reach::LinkLocal => false,
        Reach::Loopback => reach(theirs) == Reach::Loopback,
    }
}

/// Whether an address leads through a relay.
pub(super) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Whether the other end of a connection is on a network that this machine is attached to.
#[allow(clippy::wildcard_enum_match_arm, reason = "a connection to anything that libp2p knows but an IP address is far")]
fn is_near(remote: &Multiaddr) -> bool {
    let ip = |part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    };
    // A zone may stand before it.
    let Some(endpoint) = remote.iter().take(2).find_map(ip) else {
        return false;
    };
    match reach(endpoint) {
        Reach::Loopback => false,
        Reach::LinkLocal => true,
        Reach::Private | Reach::Global => {
            if_addrs::get_if_addrs().unwrap_or_default().iter().any(|interface| match (&interface.addr, endpoint) {
                (IfAddr::V4(own), IpAddr::V4(other)) => {
                    let mask = u32::from(own.netmask);
                    mask != 0 && u32::from(own.ip) & mask == u32::from(other) & mask
                }
                (IfAddr::V6(own), IpAddr::V6(other)) => {
                    let mask = u128::from(own.netmask);
                    mask != 0 && u128::from(own.ip) & mask == u128::from(other) & mask
                }
                (IfAddr::V4(_), IpAddr::V6(_)) | (IfAddr::V6(_), IpAddr::V4(_)) => false,
            })
        }
    }
}
