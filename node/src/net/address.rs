//! Addresses as users write them and as the core keeps them: read, written, chosen to be announced.

use crate::net::endpoint::{Carrier, Endpoint, Target};
use crate::net::limits::{ADDRESS_TEXT_MAX, ADDRESSES_LOOKED_AT, ADDRESSES_MAX, ANNOUNCE_MAX, CIRCUITS_TOLD};
use crate::net::place::Place;
use crate::net::reach::{Reach, reach};
use libp2p::{Multiaddr, PeerId as TransportId};
use std::net::IpAddr;
use symbolon_core::seam::Address;
use symbolon_presence::id::PublicKeyBytes;

/// Reads the text of a multiaddr, for example `/ip4/0.0.0.0/udp/4001/quic-v1`.
///
/// `None` when it is longer than 256 bytes or is not an IP address with TCP or QUIC.
pub fn address_from_text(text: &str) -> Option<Address> {
    Endpoint::from_text(text).map(Endpoint::address)
}

/// Reads where a DHT server is; its transport key may stand behind.
pub(super) fn server_from_text(text: &str) -> Option<Place> {
    let address: Multiaddr = text.parse().ok().filter(|_| text.len() <= ADDRESS_TEXT_MAX)?;
    let place = Place::from_multiaddr(&address).filter(|place| !place.is_circuit() && place.is_dialable())?;
    let is_zoned = matches!(place, Place::Target(Target::Direct(endpoint)) if endpoint.zone.is_some());
    (!is_zoned && place.address().is_bounded()).then_some(place)
}

/// Reads where this node or relay can be reached, as its user knows it: an IP address or a name, with TCP or QUIC.
pub(super) fn announced_from_text(text: &str) -> Option<Place> {
    server_from_text(text).filter(|place| !place.is_pinned())
}

/// Whether an address may be reached from beyond the own network.
pub(crate) fn is_public(address: &Address) -> bool {
    Place::from_address(address).is_some_and(|place| place.is_public())
}

/// Reads where a server is, for example `/ip4/192.0.2.1/udp/4001/quic-v1`; its transport key
/// may stand behind (`/p2p/…`).
///
/// `None` when it is longer than 256 bytes, or is not an IP address or DNS name with TCP or QUIC that can be dialled.
pub fn server_address_from_text(text: &str) -> Option<Address> {
    server_from_text(text).map(|place| place.address())
}

/// An address that leads to one transport key only; `None` when the key is none, or when it
/// cannot be dialled: an IPv6 link-local one without `zone`, or with QUIC.
pub(crate) fn pinned_address(ip: IpAddr, zone: u32, carrier: Carrier, port: u16, key: &PublicKeyBytes) -> Option<Address> {
    let zone = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()).then_some(zone);
    if zone.is_some_and(|zone| zone == 0 || carrier == Carrier::Quic) {
        return None;
    }
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).ok()?;
    let expects = Some(libp2p::identity::PublicKey::from(key).to_peer_id());
    Some(Endpoint { ip, carrier, port, zone, expects }.address())
}

/// The Ed25519 key behind a transport id; none when it is of another kind.
pub(super) fn transport_key(id: &TransportId) -> Option<PublicKeyBytes> {
    // A key so short stands in its id as it is.
    let key = libp2p::identity::PublicKey::try_decode_protobuf(id.as_ref().digest()).ok()?;
    Some(PublicKeyBytes(key.try_into_ed25519().ok()?.to_bytes()))
}

/// The text of an address, as [`address_from_text`] reads it.
///
/// `None` when the address is too long or not of a kind that this transport knows.
pub fn address_to_text(address: &Address) -> Option<String> {
    Place::from_address(address).map(|place| place.multiaddr().to_string())
}

/// What of a dial's addresses can be tried: each once, at most [`ADDRESSES_MAX`], in order.
pub(super) fn dialable(addresses: &[Address]) -> Vec<Place> {
    let mut chosen = Vec::new();
    for target in addresses.iter().take(ADDRESSES_LOOKED_AT).filter_map(Place::from_address) {
        if target.is_dialable() && !chosen.contains(&target) && chosen.len() < ADDRESSES_MAX {
            chosen.push(target);
        }
    }
    chosen
}

/// The addresses to tell the core, best first: global, private, link-local; each IP with
/// QUIC before TCP. Loopback only when it was asked for or when nothing else is there.
///
/// A machine may have more addresses than are announced. The places go round between reaches and
/// families first, so that a host's ten temporary IPv6 addresses do not hide its only IPv4 one.
/// What relays forward comes last, and has two places for sure; what the user announces comes first.
pub(super) fn announced(named: &[Place], listening: &[Endpoint], circuits: &[Place], with_loopback: bool) -> Vec<Address> {
    let named = named.get(..ANNOUNCE_MAX.min(named.len())).unwrap_or_default();
    let circuits = circuits.get(..CIRCUITS_TOLD.min(circuits.len())).unwrap_or_default();
    let most = ADDRESSES_MAX - circuits.len() - named.len();
    let mut ips: Vec<IpAddr> = listening.iter().map(|endpoint| endpoint.ip).filter(|ip| !ip.is_unspecified()).collect();
    ips.sort_by_key(|ip| (reach(*ip), *ip));
    ips.dedup();
    if !with_loopback && ips.iter().any(|ip| reach(*ip) != Reach::Loopback) {
        ips.retain(|ip| reach(*ip) != Reach::Loopback);
    }
    let mut ranked: Vec<(bool, usize, Reach, IpAddr)> = Vec::with_capacity(ips.len());
    for ip in ips {
        let group = (reach(ip), ip.is_ipv4());
        let round = ranked.iter().filter(|(_, _, reach, other)| (*reach, other.is_ipv4()) == group).count();
        // Link-local addresses are useless beyond the cable: they take what places are left.
        ranked.push((group.0 == Reach::LinkLocal, round, group.0, ip));
    }
    ranked.sort();
    let mut chosen: Vec<(Reach, usize, IpAddr, Carrier, u16)> = Vec::new();
    for (_, round, reach, ip) in ranked {
        let mut here: Vec<_> = listening.iter().filter(|endpoint| endpoint.ip == ip).collect();
        here.sort();
        here.dedup();
        for endpoint in here {
            if chosen.len() < most {
                chosen.push((reach, round, ip, endpoint.carrier, endpoint.port));
            }
        }
    }
    chosen.sort();
    let direct = chosen.into_iter().map(|(_, _, ip, carrier, port)| Endpoint { ip, carrier, port, zone: None, expects: None }.address());
    let told = named.iter().map(Place::address).chain(direct).chain(circuits.iter().map(Place::address));
    let mut addresses: Vec<Address> = Vec::new();
    for address in told {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::net::reach::path;
    use symbolon_core::command::Path;

    fn endpoints(texts: &[&str]) -> Vec<Endpoint> {
        texts.iter().map(|text| Endpoint::from_text(text).unwrap()).collect()
    }

    fn texts(addresses: &[Address]) -> Vec<String> {
        addresses.iter().map(|address| address_to_text(address).unwrap()).collect()
    }

    #[test]
    fn address_text_reads_back() {
        for text in ["/ip4/1.2.3.4/tcp/5", "/ip4/1.2.3.4/udp/5/quic-v1", "/ip6/2001:db8::1/tcp/65535", "/ip6/::/udp/0/quic-v1"] {
            assert_eq!(address_to_text(&address_from_text(text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn other_kinds_of_address_are_refused() {
        let peer = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id();
        for text in [
            "",
            "/",
            "x",
            "/ip4/1.2.3.4",
            "/ip4/1.2.3.4/udp/5",
            "/ip4/1.2.3.4/udp/5/quic",
            "/ip4/1.2.3.4/tcp/5/ws",
            "/ip4/1.2.3.4/tcp/99999",
            "/ip6zone/3/ip6/fe80::1/tcp/5",
            "/dns4/example.org/tcp/5",
            "/dnsaddr/example.org",
            "/unix/tmp",
            "/memory/5",
            &format!("/ip4/1.2.3.4/tcp/5/p2p/{peer}"),
            &format!("/ip4/1.2.3.4/tcp/5/p2p/{peer}/p2p-circuit"),
            &"/ip4/1.2.3.4/tcp/5".repeat(100),
        ] {
            assert!(address_from_text(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_interface_stands_only_before_link_local_tcp() {
        let key = PublicKeyBytes(libp2p::identity::ed25519::Keypair::generate().public().to_bytes());
        let link_local: IpAddr = "fe80::1".parse().unwrap();
        let address = pinned_address(link_local, 3, Carrier::Tcp, 5, &key).unwrap();
        assert!(address_to_text(&address).unwrap().starts_with("/ip6zone/3/ip6/fe80::1/tcp/5/p2p/"));
        assert_eq!(dialable(&[address]).len(), 1);
        let private: IpAddr = "192.168.0.2".parse().unwrap();
        for carrier in [Carrier::Tcp, Carrier::Quic] {
            assert_eq!(
                address_to_text(&pinned_address(private, 0, carrier, 5, &key).unwrap()).unwrap().contains("/tcp/"),
                carrier == Carrier::Tcp
            );
        }
        assert_eq!(pinned_address(link_local, 0, Carrier::Tcp, 5, &key), None);
        assert_eq!(pinned_address(link_local, 3, Carrier::Quic, 5, &key), None);
        let global = pinned_address("2001:db8::1".parse().unwrap(), 3, Carrier::Quic, 5, &key).unwrap();
        assert!(address_to_text(&global).unwrap().starts_with("/ip6/2001:db8::1/udp/5/quic-v1/p2p/"));
        for text in
            ["/ip6zone/3/ip6/2001:db8::1/tcp/5", "/ip6zone/3/ip4/169.254.1.1/tcp/5", "/ip6zone/eth0/ip6/fe80::1/tcp/5", "/ip6zone/3"]
        {
            assert_eq!(Endpoint::from_multiaddr(&text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_circuit_names_relay_and_friend_and_nothing_else() {
        let [relay, friend] = [(); 2].map(|()| libp2p::identity::Keypair::generate_ed25519().public().to_peer_id());
        let good = format!("/ip4/192.0.2.1/udp/5/quic-v1/p2p/{relay}/p2p-circuit/p2p/{friend}");
        let target = Target::from_multiaddr(&good.parse().unwrap()).unwrap();
        assert_eq!((target.expects(), target.is_circuit()), (Some(friend), true));
        assert_eq!(address_to_text(&target.address()).as_deref(), Some(good.as_str()));
        assert_eq!(dialable(&[target.address()]), [Place::Target(target)]);
        assert!(target.address().is_bounded());
        assert_eq!(path(None, &good.parse().unwrap()), Path::Relay);
        for bad in [
            format!("/ip4/192.0.2.1/tcp/5/p2p-circuit/p2p/{friend}"),
            format!("/ip4/192.0.2.1/tcp/5/p2p/{relay}/p2p-circuit"),
            format!("/p2p/{relay}/p2p-circuit/p2p/{friend}"),
            format!("/p2p-circuit/p2p/{friend}"),
            format!("/dns4/example.org/tcp/5/p2p/{relay}/p2p-circuit/p2p/{friend}"),
            format!("/ip6zone/3/ip6/fe80::1/tcp/5/p2p/{relay}/p2p-circuit/p2p/{friend}"),
            format!("{good}/p2p-circuit/p2p/{friend}"),
            format!("/ip4/192.0.2.1/tcp/5/p2p/{relay}/p2p-circuit/ip4/192.0.2.2/tcp/5"),
        ] {
            assert_eq!(Target::from_multiaddr(&bad.parse().unwrap()), None, "{bad}");
        }
        assert_eq!(address_from_text(&good), None, "nobody listens there");
        let listening = endpoints(
            &(1..=9).map(|host| format!("/ip4/10.0.0.{host}/tcp/1")).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let circuits = [(); 3].map(|()| {
            let own = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id();
            let circuit = format!("/ip4/192.0.2.1/udp/5/quic-v1/p2p/{relay}/p2p-circuit/p2p/{own}");
            Place::Target(Target::from_multiaddr(&circuit.parse().unwrap()).unwrap())
        });
        let told = texts(&announced(&[], &listening, &circuits, false));
        assert_eq!((told.len(), told.iter().filter(|text| text.contains("p2p-circuit")).count()), (ADDRESSES_MAX, CIRCUITS_TOLD));
    }

    #[test]
    fn hostile_bytes_are_no_address_and_no_panic() {
        let good = address_from_text("/ip6/2001:db8::1/udp/5/quic-v1").unwrap().0;
        for len in 0..good.len() {
            assert!(address_to_text(&Address(good[..len].to_vec())).is_none());
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let _ = address_to_text(&Address(bytes));
            }
        }
        assert!(address_to_text(&Address(vec![0xff; Address::MAX_LEN])).is_none());
        assert!(address_to_text(&Address(vec![4; Address::MAX_LEN + 1])).is_none());
    }

    #[test]
    fn addresses_nobody_can_answer_at_are_not_dialled() {
        let hopeless =
            ["/ip4/0.0.0.0/tcp/5", "/ip6/::/tcp/5", "/ip4/1.2.3.4/tcp/0", "/ip4/224.0.0.1/tcp/5", "/ip4/255.255.255.255/udp/5/quic-v1"];
        let mut addresses: Vec<_> = hopeless.iter().map(|text| address_from_text(text).unwrap()).collect();
        addresses.push(Address(vec![1, 2, 3]));
        assert!(dialable(&addresses).is_empty());
    }

    #[test]
    fn a_dial_tries_each_address_once_and_no_more_than_eight() {
        let twice: Vec<_> = (0..20).map(|port| address_from_text(&format!("/ip4/1.2.3.4/tcp/{}", 1 + port / 2)).unwrap()).collect();
        assert_eq!(dialable(&twice).len(), ADDRESSES_MAX);
        assert_eq!(dialable(&twice[..6]).len(), 3);
        let mut late = vec![Address(Vec::new()); ADDRESSES_LOOKED_AT];
        late.push(address_from_text("/ip4/1.2.3.4/tcp/1").unwrap());
        assert!(dialable(&late).is_empty());
    }

    #[test]
    fn global_addresses_come_first_and_loopback_stays_home() {
        let listening = endpoints(&[
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/169.254.1.1/tcp/1",
            "/ip4/192.168.0.2/tcp/1",
            "/ip4/192.168.0.2/udp/1/quic-v1",
            "/ip6/2001:4860::1/udp/1/quic-v1",
            "/ip6/::1/tcp/1",
        ]);
        let without =
            ["/ip6/2001:4860::1/udp/1/quic-v1", "/ip4/192.168.0.2/udp/1/quic-v1", "/ip4/192.168.0.2/tcp/1", "/ip4/169.254.1.1/tcp/1"];
        assert_eq!(texts(&announced(&[], &listening, &[], false)), without);
        let with = announced(&[], &listening, &[], true);
        assert_eq!(with.len(), 6);
        assert_eq!(texts(&with)[4..], ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"]);
    }

    #[test]
    fn loopback_is_told_when_there_is_nothing_else() {
        let listening = endpoints(&["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/1/quic-v1"]);
        assert_eq!(texts(&announced(&[], &listening, &[], false)), ["/ip4/127.0.0.1/udp/1/quic-v1", "/ip4/127.0.0.1/tcp/1"]);
        assert!(announced(&[], &endpoints(&["/ip4/0.0.0.0/tcp/1"]), &[], true).is_empty());
    }

    #[test]
    fn many_addresses_of_one_kind_do_not_hide_the_others() {
        let mut listening = Vec::new();
        for host in 1..=10 {
            listening.extend(endpoints(&[&format!("/ip6/2001:4860::{host}/tcp/1"), &format!("/ip6/2001:4860::{host}/udp/1/quic-v1")]));
        }
        listening.extend(endpoints(&["/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1"]));
        let told = texts(&announced(&[], &listening, &[], false));
        assert_eq!(told.len(), ADDRESSES_MAX);
        assert_eq!(told.last().unwrap(), "/ip4/10.0.0.1/tcp/1");
        assert!(told.contains(&"/ip4/8.8.8.8/tcp/1".to_owned()));
    }
}
