//! What this transport can dial or listen on.
//!
//! Only four shapes exist here: an IPv4 or IPv6 address with TCP, or with QUIC version 1; for
//! dialling, a transport key may stand behind it that must be found there, and before a
//! link-local one with TCP the interface that it stands on. And one of these behind which
//! somebody is reached through a relay. A DNS name in the place of the IP address is read by
//! [`place`](crate::net::place), for what users, links and friends name. Everything else that a
//! multiaddr can say is refused.

use crate::net::limits::ADDRESS_TEXT_MAX;
use crate::net::reach::{Reach, is_circuit, reach};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId as TransportId};
use std::net::IpAddr;
use symbolon_core::seam::Address;

/// A socket address and what is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Endpoint {
    pub(super) ip: IpAddr,
    /// QUIC sorts before TCP.
    pub(super) carrier: Carrier,
    pub(super) port: u16,
    /// The index of the interface, for IPv6 link-local addresses.
    pub(super) zone: Option<u32>,
    /// Who must be found there; `None` takes anybody.
    pub(super) expects: Option<TransportId>,
}

/// What can be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Target {
    /// A socket.
    Direct(Endpoint),
    /// Somebody to whom a relay forwards (circuit relay v2); the relay's key is expected there.
    Circuit { relay: Endpoint, to: TransportId },
}

/// What carries the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Carrier {
    Quic,
    Tcp,
}

impl Endpoint {
    pub(super) fn from_text(text: &str) -> Option<Self> {
        if text.len() > ADDRESS_TEXT_MAX {
            return None;
        }
        Self::from_multiaddr(&text.parse().ok()?).filter(|endpoint| endpoint.expects.is_none() && endpoint.zone.is_none())
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "all that libp2p knows or will know beside these four shapes is refused")]
    pub(super) fn from_multiaddr(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter().peekable();
        let zone = match parts.peek()? {
            Protocol::Ip6zone(zone) => Some(zone.parse::<u32>().ok()?),
            _ => None,
        };
        if zone.is_some() {
            parts.next();
        }
        let ip = match parts.next()? {
            Protocol::Ip4(ip) => IpAddr::V4(ip),
            Protocol::Ip6(ip) => IpAddr::V6(ip),
            _ => return None,
        };
        let (carrier, port, expects) = read_port(&mut parts)?;
        if parts.next().is_some() {
            return None;
        }
        let fits = zone.is_none_or(|_| carrier == Carrier::Tcp && reach(ip) == Reach::LinkLocal && ip.is_ipv6());
        fits.then_some(Self { ip, carrier, port, zone, expects })
    }

    pub(super) fn multiaddr(self) -> Multiaddr {
        let zone = self.zone.map(|zone| Protocol::Ip6zone(zone.to_string().into()));
        let base = zone.map_or_else(Multiaddr::empty, |zone| Multiaddr::empty().with(zone)).with(self.ip.into());
        with_port(base, self.carrier, self.port, self.expects)
    }

    pub(super) fn address(self) -> Address {
        Address(self.multiaddr().to_vec())
    }

    /// Whether somebody could answer there.
    pub(super) fn is_dialable(self) -> bool {
        let broadcast = matches!(self.ip, IpAddr::V4(ip) if ip.is_broadcast());
        self.port != 0 && !self.ip.is_unspecified() && !self.ip.is_multicast() && !broadcast
    }
}

impl Target {
    pub(super) fn from_multiaddr(address: &Multiaddr) -> Option<Self> {
        if !is_circuit(address) {
            return Endpoint::from_multiaddr(address).map(Self::Direct);
        }
        let relay = address.iter().take_while(|part| *part != Protocol::P2pCircuit).collect();
        let mut behind = address.iter().skip_while(|part| *part != Protocol::P2pCircuit).skip(1);
        let (Some(Protocol::P2p(to)), None) = (behind.next(), behind.next()) else { return None };
        // A relay without its key could be anybody, who would learn whom we look for.
        let relay = Endpoint::from_multiaddr(&relay).filter(|relay| relay.expects.is_some() && relay.zone.is_none())?;
        Some(Self::Circuit { relay, to })
    }

    pub(super) fn multiaddr(self) -> Multiaddr {
        match self {
            Self::Direct(endpoint) => endpoint.multiaddr(),
            Self::Circuit { relay, to } => relay.multiaddr().with(Protocol::P2pCircuit).with(Protocol::P2p(to)),
        }
    }

    /// Who must be found there; `None` takes anybody.
    pub(super) fn expects(self) -> Option<TransportId> {
        match self {
            Self::Direct(endpoint) => endpoint.expects,
            Self::Circuit { to, .. } => Some(to),
        }
    }

    /// The same circuit to somebody else; none where no relay is between.
    pub(super) fn renamed(self, to: TransportId) -> Option<Self> {
        match self {
            Self::Direct(_) => None,
            Self::Circuit { relay, .. } => Some(Self::Circuit { relay, to }),
        }
    }

    pub(super) fn is_circuit(self) -> bool {
        matches!(self, Self::Circuit { .. })
    }

    pub(super) fn address(self) -> Address {
        Address(self.multiaddr().to_vec())
    }

    pub(super) fn is_dialable(self) -> bool {
        match self {
            Self::Direct(endpoint) => endpoint.is_dialable(),
            Self::Circuit { relay, .. } => relay.is_dialable(),
        }
    }
}

/// Reads what follows the host in an address: carrier, port, and the transport key that is expected there.
#[allow(clippy::wildcard_enum_match_arm, reason = "all that libp2p knows or will know beside these shapes is refused")]
pub(super) fn read_port<'a>(parts: &mut impl Iterator<Item = Protocol<'a>>) -> Option<(Carrier, u16, Option<TransportId>)> {
    let (carrier, port) = match parts.next()? {
        Protocol::Tcp(port) => (Carrier::Tcp, port),
        Protocol::Udp(port) if parts.next() == Some(Protocol::QuicV1) => (Carrier::Quic, port),
        _ => return None,
    };
    match parts.next() {
        None => Some((carrier, port, None)),
        Some(Protocol::P2p(key)) => Some((carrier, port, Some(key))),
        Some(_) => None,
    }
}

/// Puts behind a host what [`read_port`] reads.
pub(super) fn with_port(host: Multiaddr, carrier: Carrier, port: u16, expects: Option<TransportId>) -> Multiaddr {
    let socket = match carrier {
        Carrier::Quic => host.with(Protocol::Udp(port)).with(Protocol::QuicV1),
        Carrier::Tcp => host.with(Protocol::Tcp(port)),
    };
    match expects {
        Some(key) => socket.with(Protocol::P2p(key)),
        None => socket,
    }
}

/// Whether an address may be of a machine beyond the own network.
pub(super) fn reaches_far(endpoint: &Endpoint) -> bool {
    reach(endpoint.ip) == Reach::Global
}
