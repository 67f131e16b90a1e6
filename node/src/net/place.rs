//! What an address means: something to dial, or a DNS name that stands for some.
//!
//! A name stays a name in links and records. libp2p never sees it: what other nodes say of the DHT
//! or by identify is read as IP addresses only. So only a link, a record of a friend or the user
//! makes this node ask for a name; [`names`](crate::net::names) does.

use crate::net::endpoint::{Carrier, Endpoint, Target, reaches_far, read_port, with_port};
use crate::net::limits::RESOLVED_MAX;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId as TransportId};
use std::net::IpAddr;
use symbolon_core::seam::Address;

/// Which addresses of a name are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Family {
    Any,
    V4,
    V6,
}

/// A name where a [`Target`] has an IP address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Named {
    carrier: Carrier,
    pub(super) name: String,
    family: Family,
    pub(super) port: u16,
    expects: Option<TransportId>,
    /// Who is behind the relay that is meant.
    to: Option<TransportId>,
}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Named(..)")
    }
}

/// What an address means: a target, or a name that leads to some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    Target(Target),
    Named(Named),
}

/// Whether a host name can be asked for: labels of letters, digits and hyphens, the last one
/// beginning with a letter, so that no spelling of an IP number passes for a name.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(is_label) && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Whether the form of a name says that it belongs to this machine or its network (RFC 6761, RFC
/// 6762, RFC 8375): it may lead there, as an IP address may.
fn is_of_own_network(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.contains('.') || [".localhost", ".local", ".lan", ".internal", ".home.arpa"].iter().any(|end| name.ends_with(end))
}

impl Named {
    #[allow(clippy::wildcard_enum_match_arm, reason = "all that libp2p knows or will know beside these shapes is refused")]
    fn from_multiaddr(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter();
        let (name, family) = match parts.next()? {
            Protocol::Dns(name) => (name.into_owned(), Family::Any),
            Protocol::Dns4(name) => (name.into_owned(), Family::V4),
            Protocol::Dns6(name) => (name.into_owned(), Family::V6),
            _ => return None,
        };
        let (carrier, port, expects) = read_port(&mut parts)?;
        let to = match (parts.next(), parts.next()) {
            (None, None) => None,
            (Some(Protocol::P2pCircuit), Some(Protocol::P2p(to))) if expects.is_some() => Some(to),
            _ => return None,
        };
        let fits = parts.next().is_none() && is_host_name(&name) && port != 0;
        fits.then_some(Self { carrier, name, family, port, expects, to })
    }

    fn multiaddr(&self) -> Multiaddr {
        let name = self.name.as_str().into();
        let host = match self.family {
            Family::Any => Protocol::Dns(name),
            Family::V4 => Protocol::Dns4(name),
            Family::V6 => Protocol::Dns6(name),
        };
        let known = with_port(Multiaddr::empty().with(host), self.carrier, self.port, self.expects);
        match self.to {
            Some(to) => known.with(Protocol::P2pCircuit).with(Protocol::P2p(to)),
            None => known,
        }
    }

    /// The targets that an answer of the resolver gives. `is_trusted`: the user has named this
    /// name.
    fn at(&self, ip: IpAddr, is_trusted: bool) -> Option<Target> {
        let is_wanted = match self.family {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        };
        let ip = ip.to_canonical();
        let endpoint = Endpoint { ip, carrier: self.carrier, port: self.port, zone: None, expects: self.expects };
        let is_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        // Somebody else has turned a public name at this machine or its network.
        let may = is_trusted || is_of_own_network(&self.name) || reaches_far(&endpoint);
        (is_wanted && may && !is_link_local && endpoint.is_dialable()).then_some(match self.to {
            None => Target::Direct(endpoint),
            Some(to) => Target::Circuit { relay: endpoint, to },
        })
    }

    pub(super) fn targets(&self, answers: impl Iterator<Item = IpAddr>, is_trusted: bool) -> Vec<Target> {
        let mut targets = Vec::new();
        for target in answers.take(64).filter_map(|ip| self.at(ip, is_trusted)) {
            if targets.len() < RESOLVED_MAX && !targets.contains(&target) {
                targets.push(target);
            }
        }
        targets
    }
}

impl Place {
    pub(super) fn from_multiaddr(address: &Multiaddr) -> Option<Self> {
        Target::from_multiaddr(address).map(Self::Target).or_else(|| Named::from_multiaddr(address).map(Self::Named))
    }

    pub(super) fn from_address(address: &Address) -> Option<Self> {
        if !address.is_bounded() {
            return None;
        }
        Self::from_multiaddr(&Multiaddr::try_from(address.0.clone()).ok()?)
    }

    pub(super) fn multiaddr(&self) -> Multiaddr {
        match self {
            Self::Target(target) => target.multiaddr(),
            Self::Named(named) => named.multiaddr(),
        }
    }

    pub(super) fn address(&self) -> Address {
        Address(self.multiaddr().to_vec())
    }

    pub(super) fn is_circuit(&self) -> bool {
        match self {
            Self::Target(target) => target.is_circuit(),
            Self::Named(named) => named.to.is_some(),
        }
    }

    /// The same circuit to somebody else; none where no relay is between.
    pub(super) fn renamed(&self, to: TransportId) -> Option<Self> {
        match self {
            Self::Target(target) => target.renamed(to).map(Self::Target),
            Self::Named(named) => named.to.map(|_| Self::Named(Named { to: Some(to), ..named.clone() })),
        }
    }

    pub(super) fn is_dialable(&self) -> bool {
        match self {
            Self::Target(target) => target.is_dialable(),
            Self::Named(_) => true,
        }
    }

    /// Whether one particular transport key is expected there.
    pub(super) fn is_pinned(&self) -> bool {
        match self {
            Self::Target(target) => target.expects().is_some(),
            Self::Named(named) => named.expects.is_some(),
        }
    }

    /// Whether it may be reached from beyond the own network.
    pub(super) fn is_public(&self) -> bool {
        match self {
            Self::Target(Target::Direct(endpoint)) => reaches_far(endpoint),
            Self::Target(Target::Circuit { relay, .. }) => reaches_far(relay),
            Self::Named(named) => !is_of_own_network(&named.name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn place(text: &str) -> Option<Place> {
        Place::from_multiaddr(&text.parse().ok()?)
    }

    fn named(text: &str) -> Named {
        Named::from_multiaddr(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn names_are_read_and_written_back_and_everything_else_is_refused() {
        let [relay, friend] = [(); 2].map(|()| libp2p::identity::Keypair::generate_ed25519().public().to_peer_id());
        for good in [
            "/dns/relay.example.org/tcp/4001".to_owned(),
            "/dns4/localhost/udp/5/quic-v1".to_owned(),
            "/dns6/xn--bcher-kva.example/tcp/5".to_owned(),
            format!("/dns4/relay.example.org/tcp/5/p2p/{relay}"),
            format!("/dns4/relay.example.org/udp/5/quic-v1/p2p/{relay}/p2p-circuit/p2p/{friend}"),
        ] {
            let read = place(&good).unwrap();
            assert_eq!(read.multiaddr().to_string(), good);
            assert_eq!(Place::from_address(&read.address()), Some(read));
        }
        for bad in [
            "/dnsaddr/example.org".to_owned(),
            "/dnsaddr/example.org/tcp/5".to_owned(),
            "/dns4/example.org".to_owned(),
            "/dns4/example.org/tcp/0".to_owned(),
            "/dns4/example.org/udp/5".to_owned(),
            "/dns4/example.org/tcp/5/ws".to_owned(),
            "/dns4/127.0.0.1/tcp/5".to_owned(),
            "/dns4/2130706433/tcp/5".to_owned(),
            "/dns4/0x7f000001/tcp/5".to_owned(),
            "/dns4/example.org./tcp/5".to_owned(),
            "/dns4/-x.org/tcp/5".to_owned(),
            "/dns4/a b.org/tcp/5".to_owned(),
            "/dns4/a..org/tcp/5".to_owned(),
            format!("/dns4/{}.org/tcp/5", "a".repeat(64)),
            format!("/dns4/example.org/tcp/5/p2p-circuit/p2p/{friend}"),
            format!("/dns4/example.org/tcp/5/p2p/{relay}/p2p-circuit"),
        ] {
            assert_eq!(place(&bad), None, "{bad}");
        }
        let long = format!("/dns4/{}/tcp/5", ["a".repeat(60), "b".repeat(60), "org".to_owned()].join("."));
        assert_eq!(Place::from_address(&place(&long).unwrap().address()), None, "an address has at most 128 bytes");
    }

    #[test]
    fn a_public_name_leads_into_no_private_network_unless_the_user_has_named_it() {
        let ips = ["127.0.0.1", "192.168.0.1", "169.254.1.1", "100.64.0.1", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "0.0.0.0"];
        let answers = || ips.iter().map(|ip| ip.parse::<IpAddr>().unwrap());
        let public = named("/dns/relay.example.org/tcp/5");
        assert_eq!(public.targets(answers(), false), []);
        assert_eq!(public.targets(answers(), true).len(), RESOLVED_MAX);
        assert_eq!(named("/dns/relay.lan/tcp/5").targets(answers(), false).len(), RESOLVED_MAX);
        let mixed = || ["192.168.0.1", "192.0.2.1", "2001:db8::1"].iter().map(|ip| ip.parse::<IpAddr>().unwrap());
        assert_eq!(public.targets(mixed(), false).len(), 2);
        assert_eq!(named("/dns4/relay.example.org/tcp/5").targets(mixed(), false).len(), 1);
        assert_eq!(named("/dns6/relay.example.org/tcp/5").targets(mixed(), false).len(), 1);
    }

    #[test]
    fn a_name_with_a_hundred_addresses_makes_four_targets() {
        let answers = (1..=100).map(|host| IpAddr::from([192, 0, 2, host]));
        assert_eq!(named("/dns4/relay.example.org/tcp/5").targets(answers, false).len(), RESOLVED_MAX);
    }
}
