//! The listen port: drawn once, kept by the caller, drawn again only when it is taken.

use crate::net::endpoint::{Carrier, Endpoint};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// Ports are drawn below the range from which systems take ports for outgoing connections
/// (from 32768 on Linux, 49152 on others), so that a kept port is rarely taken at the next start.
const DRAWN_FROM: u16 = 20_000;
const DRAWN_COUNT: u16 = 12_768;
const DRAWS: usize = 64;

/// Where to listen, every port settled.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) endpoints: Vec<Endpoint>,
    /// The port that was kept or drawn; `None` when every address named its own.
    pub(super) port: Option<u16>,
    /// Whether the kept port was taken, so that another had to be drawn.
    pub(super) moved: bool,
}

/// All interfaces, QUIC and TCP, IPv4 and IPv6.
pub(super) fn everywhere() -> Vec<Endpoint> {
    let families = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    families
        .into_iter()
        .flat_map(|ip| [Carrier::Quic, Carrier::Tcp].map(|carrier| Endpoint { ip, carrier, port: 0, zone: None, expects: None }))
        .collect()
}

/// Puts one port in place of every 0 and leaves out addresses that this machine has not got.
///
/// A port that another process listens on is noticed here and not later: the transport sets
/// SO_REUSEPORT, with which a second node on the same port would quietly get half of the
/// first one's connections.
/// A kept port that somebody has named (`is_named`) is not given up for another one: others have it in a firewall, or in a link.
pub(super) fn choose(
    mut wanted: Vec<Endpoint>,
    kept: Option<u16>,
    is_named: bool,
    draw: impl Fn() -> io::Result<u32>,
) -> io::Result<Chosen> {
    wanted.sort();
    wanted.dedup();
    for endpoint in wanted.iter().filter(|endpoint| endpoint.port != 0) {
        probe(*endpoint)?;
    }
    if wanted.iter().all(|endpoint| endpoint.port != 0) {
        return Ok(Chosen { endpoints: wanted, port: None, moved: false });
    }
    let kept = kept.filter(|port| *port != 0);
    for attempt in 0..=DRAWS {
        let port = match kept {
            Some(port) if attempt == 0 => port,
            _ => DRAWN_FROM.saturating_add(u16::try_from(draw()? % u32::from(DRAWN_COUNT)).unwrap_or(0)),
        };
        match with_port(&wanted, port) {
            Ok(endpoints) => {
                let moved = kept.is_some_and(|kept| kept != port);
                return Ok(Chosen { endpoints, port: Some(port), moved });
            }
            Err(error) if is_refused(&error) && !(is_named && kept == Some(port)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Whether a port is taken, or not for this user.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// The addresses with `port` in place of 0, without those of a family that is not there.
fn with_port(wanted: &[Endpoint], port: u16) -> io::Result<Vec<Endpoint>> {
    let mut found = Vec::with_capacity(wanted.len());
    let mut missing = None;
    for endpoint in wanted {
        if endpoint.port != 0 {
            found.push(*endpoint);
            continue;
        }
        let endpoint = Endpoint { port, ..*endpoint };
        match probe(endpoint) {
            Ok(()) => found.push(endpoint),
            Err(error) if endpoint.ip.is_unspecified() && !is_refused(&error) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

fn probe(endpoint: Endpoint) -> io::Result<()> {
    let address = SocketAddr::new(endpoint.ip, endpoint.port);
    match endpoint.carrier {
        Carrier::Tcp => TcpListener::bind(address).map(drop),
        Carrier::Quic => UdpSocket::bind(address).map(drop),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn loopback(port: u16) -> Vec<Endpoint> {
        [Carrier::Quic, Carrier::Tcp]
            .map(|carrier| Endpoint { ip: Ipv4Addr::LOCALHOST.into(), carrier, port, zone: None, expects: None })
            .to_vec()
    }

    fn random() -> io::Result<u32> {
        getrandom::u32().map_err(|_| io::ErrorKind::Other.into())
    }

    #[test]
    fn one_port_is_drawn_for_all_carriers_and_families() {
        let chosen = choose(everywhere(), None, false, random).unwrap();
        let port = chosen.port.unwrap();
        assert!((20_000..32_768).contains(&port));
        assert!(chosen.endpoints.len() >= 2);
        assert!(chosen.endpoints.iter().all(|endpoint| endpoint.port == port));
        assert!(!chosen.moved);
    }

    #[test]
    fn a_kept_port_is_kept() {
        let first = choose(loopback(0), None, false, random).unwrap().port;
        let second = choose(loopback(0), first, false, random).unwrap();
        assert_eq!((second.port, second.moved), (first, false));
    }

    #[test]
    fn a_kept_port_that_is_taken_by_either_carrier_moves() {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = tcp.local_addr().unwrap().port();
        let chosen = choose(loopback(0), Some(taken), false, random).unwrap();
        assert!(chosen.moved);
        assert_ne!(chosen.port, Some(taken));
        drop(tcp);
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = udp.local_addr().unwrap().port();
        assert!(choose(loopback(0), Some(taken), false, random).unwrap().moved);
    }

    #[test]
    fn a_named_port_that_is_taken_is_an_error() {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = tcp.local_addr().unwrap().port();
        assert_eq!(choose(loopback(taken), None, false, random).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_kept_port_that_was_named_is_not_given_up_for_another() {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = tcp.local_addr().unwrap().port();
        assert_eq!(choose(loopback(0), Some(taken), true, random).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(tcp);
        assert_eq!(choose(loopback(0), Some(taken), true, random).unwrap().port, Some(taken));
    }

    #[test]
    fn drawing_ends_when_no_port_is_free() {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // A draw that always leads to the same port, taken while the test runs.
        let Some(taken) = (0..100u16).find_map(|n| TcpListener::bind((Ipv4Addr::LOCALHOST, DRAWN_FROM + n)).ok()) else { return };
        let offset = u32::from(taken.local_addr().unwrap().port() - DRAWN_FROM);
        assert_eq!(choose(loopback(0), None, false, || Ok(offset)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(tcp);
    }

    #[test]
    fn the_same_address_twice_is_one() {
        let twice = [loopback(0), loopback(0)].concat();
        assert_eq!(choose(twice, None, false, random).unwrap().endpoints.len(), 2);
    }
}
