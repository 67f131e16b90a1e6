//! TCP to IPv6 link-local addresses.
//!
//! `fe80::` addresses mean nothing without the interface that they stand on (RFC 4007), and
//! libp2p's TCP transport leaves it out. This one knows one shape more, for dialling only:
//! `/ip6zone/INDEX/ip6/fe80::…/tcp/PORT`. All else is libp2p's.

use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::core::{Transport, multiaddr::Protocol};
use libp2p::tcp::tokio::{TcpStream, Transport as Tcp};
use std::io;
use std::net::SocketAddrV6;
use std::pin::Pin;
use std::task::{Context, Poll};

/// libp2p's TCP with link-local addresses.
pub(super) struct ZonedTcp(pub(super) Tcp);

impl Transport for ZonedTcp {
    type Output = TcpStream;
    type Error = io::Error;
    type ListenerUpgrade = <Tcp as Transport>::ListenerUpgrade;
    type Dial = <Tcp as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.0.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.0.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(Protocol::Ip6zone(_)) = address.iter().next() else { return self.0.dial(address, options) };
        let Some(socket) = socket_of(&address) else { return Err(TransportError::MultiaddrNotSupported(address)) };
        Ok(Box::pin(async move {
            let stream = tokio::net::TcpStream::connect(socket).await?;
            stream.set_nodelay(true)?;
            Ok(TcpStream(stream))
        }))
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.0).poll(context)
    }
}

fn socket_of(address: &Multiaddr) -> Option<SocketAddrV6> {
    let mut parts = address.iter();
    let (Protocol::Ip6zone(zone), Protocol::Ip6(ip), Protocol::Tcp(port)) = (parts.next()?, parts.next()?, parts.next()?) else {
        return None;
    };
    let rest = match parts.next() {
        None => None,
        Some(Protocol::P2p(_)) => parts.next(),
        Some(other) => Some(other),
    };
    let zone = zone.parse().ok()?;
    (rest.is_none() && ip.is_unicast_link_local()).then(|| SocketAddrV6::new(ip, port, 0, zone))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn link_local_addresses_keep_their_interface() {
        let key = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id();
        for tail in [String::new(), format!("/p2p/{key}")] {
            let address: Multiaddr = format!("/ip6zone/3/ip6/fe80::7/tcp/4001{tail}").parse().unwrap();
            assert_eq!(socket_of(&address), Some(SocketAddrV6::new("fe80::7".parse().unwrap(), 4001, 0, 3)));
        }
        for text in [
            "/ip6zone/x/ip6/fe80::7/tcp/4001",
            "/ip6zone/3/ip6/2001:db8::7/tcp/4001",
            "/ip6zone/3/ip4/192.0.2.7/tcp/4001",
            "/ip6zone/3/ip6/fe80::7/udp/4001",
            "/ip6zone/3/ip6/fe80::7/tcp/4001/ws",
            "/ip6zone/3",
        ] {
            assert_eq!(socket_of(&text.parse().unwrap()), None, "{text}");
        }
    }
}
