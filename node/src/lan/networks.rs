//! The networks that this machine is on, and where the node listens on each.

use crate::net::Carrier;
use if_addrs::{IfAddr, Interface};
use std::collections::BTreeMap;
use std::net::IpAddr;
use symbolon_core::seam::Network;
use symbolon_presence::lan::{Carrier as Shown, LanPlace, LanPlaces};

/// This node's sockets, as they are shown.
#[derive(Debug)]
pub(super) enum Sockets {
    /// These ports of all addresses that the machine has.
    Everywhere { tcp: Option<u16>, quic: Option<u16> },
    /// These, which the user has named.
    Named(Vec<(IpAddr, Carrier, u16)>),
}

impl Sockets {
    /// `named`: whether the user has named the addresses.
    pub(super) fn new(named: bool, open: &[(IpAddr, Carrier, u16)]) -> Self {
        if named {
            return Self::Named(open.to_vec());
        }
        let port = |wanted| open.iter().find(|(_, carrier, _)| *carrier == wanted).map(|(_, _, port)| *port);
        Self::Everywhere { tcp: port(Carrier::Tcp), quic: port(Carrier::Quic) }
    }

    /// Where the node listens at an address; QUIC first. Over link-local IPv6 nobody dials QUIC.
    fn at(&self, ip: IpAddr) -> Vec<LanPlace> {
        let mut ports: Vec<(Shown, u16)> = match self {
            Self::Everywhere { tcp, quic } => {
                [(Shown::Quic, *quic), (Shown::Tcp, *tcp)].into_iter().filter_map(|(carrier, port)| Some((carrier, port?))).collect()
            }
            Self::Named(sockets) => {
                let here = sockets.iter().filter(|(at, _, _)| *at == ip || at.is_unspecified() && at.is_ipv4() == ip.is_ipv4());
                here.map(|(_, carrier, port)| (shown(*carrier), *port)).collect()
            }
        };
        ports.retain(|(carrier, _)| *carrier == Shown::Tcp || !is_of_a_cable(ip));
        ports.sort_unstable();
        ports.dedup();
        ports.into_iter().map(|(carrier, port)| LanPlace { ip, carrier, port }).collect()
    }
}

fn shown(carrier: Carrier) -> Shown {
    match carrier {
        Carrier::Quic => Shown::Quic,
        Carrier::Tcp => Shown::Tcp,
    }
}

/// Whether an address says nothing without its interface.
pub(super) fn is_of_a_cable(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// The addresses of this machine on networks that have readers: each interface that is up and is
/// neither loopback nor a way to one other machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Networks(Vec<(Network, IfAddr)>);

impl Networks {
    pub(super) fn now() -> Self {
        Self::of(if_addrs::get_if_addrs().unwrap_or_default())
    }

    fn of(interfaces: Vec<Interface>) -> Self {
        let can_show = |interface: &Interface| interface.is_oper_up() && !interface.is_p2p() && !interface.is_loopback();
        let all = interfaces.into_iter().filter(can_show);
        let mut addresses: Vec<_> = all.filter_map(|interface| Some((interface.index?, interface.addr))).collect();
        addresses.sort_by_key(|(network, address)| (*network, address.ip()));
        Self(addresses)
    }

    /// Whether an address, link-local ones of IPv6 aside, is on a network of this machine.
    pub(super) fn reach(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|(_, own)| match (own, ip) {
            (IfAddr::V4(own), IpAddr::V4(ip)) => {
                let mask = u32::from(own.netmask);
                mask != 0 && u32::from(own.ip) & mask == u32::from(ip) & mask
            }
            (IfAddr::V6(own), IpAddr::V6(ip)) => {
                let mask = u128::from(own.netmask);
                mask != 0 && !ip.is_unicast_link_local() && u128::from(own.ip) & mask == u128::from(ip) & mask
            }
            (IfAddr::V4(_), IpAddr::V6(_)) | (IfAddr::V6(_), IpAddr::V4(_)) => false,
        })
    }

    /// What to show on each network: its own addresses alone. Networks with IPv4 come first. A
    /// link-local address keeps a place after many others.
    pub(super) fn places(&self, sockets: &Sockets) -> Vec<(Network, LanPlaces)> {
        let mut of: BTreeMap<Network, Vec<IpAddr>> = BTreeMap::new();
        for (network, address) in &self.0 {
            of.entry(*network).or_default().push(address.ip());
        }
        let mut shown: Vec<(bool, Network, LanPlaces)> = Vec::new();
        for (network, mut ips) in of {
            ips.sort_unstable_by_key(|ip| (is_of_a_cable(*ip), ip.is_ipv6(), *ip));
            let (cable, mut places): (Vec<LanPlace>, Vec<LanPlace>) =
                ips.iter().flat_map(|ip| sockets.at(*ip)).partition(|place| is_of_a_cable(place.ip));
            places.truncate(LanPlaces::MAX - usize::from(!cable.is_empty()));
            places.extend(cable);
            if let Some(list) = LanPlaces::new(places) {
                shown.push((!ips.iter().any(IpAddr::is_ipv4), network, list));
            }
        }
        shown.sort_unstable();
        shown.into_iter().map(|(_, network, list)| (network, list)).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use if_addrs::{IfOperStatus, Ifv4Addr, Ifv6Addr};

    /// Interfaces with one address each.
    pub(in crate::lan) fn networks(addresses: &[(Network, &str, u8)]) -> Networks {
        Networks::of(addresses.iter().map(|(index, ip, prefix)| interface(*index, ip, *prefix)).collect())
    }

    fn interface(index: u32, ip: &str, prefixlen: u8) -> Interface {
        let addr = match ip.parse().unwrap() {
            IpAddr::V4(ip) => {
                let netmask = u32::MAX.checked_shl(32 - u32::from(prefixlen)).unwrap_or_default().into();
                IfAddr::V4(Ifv4Addr { ip, netmask, prefixlen, broadcast: None })
            }
            IpAddr::V6(ip) => {
                let netmask = u128::MAX.checked_shl(128 - u32::from(prefixlen)).unwrap_or_default().into();
                IfAddr::V6(Ifv6Addr { ip, netmask, prefixlen, broadcast: None })
            }
        };
        Interface { name: format!("if{index}"), addr, index: Some(index), oper_status: IfOperStatus::Up, is_p2p: false }
    }

    fn texts(list: &LanPlaces) -> Vec<String> {
        list.iter().map(|place| format!("{} {:?} {}", place.ip, place.carrier, place.port)).collect()
    }

    const BOTH: Sockets = Sockets::Everywhere { tcp: Some(4001), quic: Some(4002) };

    #[test]
    fn each_network_is_told_its_own_addresses_alone() {
        let machine = networks(&[(1, "127.0.0.1", 8), (2, "192.168.0.7", 24), (2, "fe80::2", 64), (3, "10.8.0.5", 16), (4, "fe80::4", 64)]);
        let shown = machine.places(&BOTH);
        let of = |network| texts(&shown.iter().find(|(index, _)| *index == network).unwrap().1);
        assert_eq!(shown.len(), 3, "loopback is no network");
        assert_eq!(of(2), ["192.168.0.7 Quic 4002", "192.168.0.7 Tcp 4001", "fe80::2 Tcp 4001"]);
        assert_eq!(of(3), ["10.8.0.5 Quic 4002", "10.8.0.5 Tcp 4001"]);
        assert_eq!(of(4), ["fe80::4 Tcp 4001"]);
        assert_eq!(shown.last().unwrap().0, 4, "those with IPv4 come first");
    }

    #[test]
    fn many_addresses_leave_room_for_the_link_local_one_and_a_way_to_one_machine_is_shown_nothing() {
        let mut many: Vec<_> = (1..=20).map(|host| interface(2, &format!("2001:db8::{host:x}"), 64)).collect();
        many.push(interface(2, "fe80::2", 64));
        many.push(Interface { is_p2p: true, ..interface(3, "10.8.0.5", 32) });
        many.push(Interface { oper_status: IfOperStatus::Down, ..interface(4, "192.168.0.7", 24) });
        let shown = Networks::of(many).places(&BOTH);
        let [(2, list)] = shown.as_slice() else { panic!("{shown:?}") };
        assert_eq!((list.iter().count(), texts(list).last().unwrap().as_str()), (LanPlaces::MAX, "fe80::2 Tcp 4001"));
    }

    #[test]
    fn of_named_sockets_only_those_are_shown_where_their_address_is() {
        let machine = networks(&[(2, "192.168.0.7", 24), (2, "192.168.0.8", 24), (3, "10.8.0.5", 16)]);
        let at = |ip: &str, carrier, port| (ip.parse().unwrap(), carrier, port);
        let named = Sockets::new(
            true,
            &[at("192.168.0.8", Carrier::Tcp, 7), at("192.168.0.8", Carrier::Quic, 8), at("172.16.0.1", Carrier::Tcp, 9)],
        );
        let shown = machine.places(&named);
        let [(2, list)] = shown.as_slice() else { panic!("{shown:?}") };
        assert_eq!(texts(list), ["192.168.0.8 Quic 8", "192.168.0.8 Tcp 7"]);
        assert_eq!(machine.places(&Sockets::new(false, &[])), []);
    }

    #[test]
    fn a_network_reaches_as_far_as_its_mask() {
        let machine = networks(&[(2, "192.168.0.7", 24), (3, "2001:db8::7", 64), (4, "fe80::4", 64), (5, "10.0.0.1", 0)]);
        let reach = |ip: &str| machine.reach(ip.parse().unwrap());
        assert!(reach("192.168.0.200") && reach("2001:db8::99"));
        for far in ["192.168.1.1", "8.8.8.8", "10.0.0.2", "2001:db8:1::1", "fe80::9"] {
            assert!(!reach(far), "{far}");
        }
    }
}
