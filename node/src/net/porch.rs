//! TCP, with a porch before the door: where sockets wait until their first byte.
//!
//! A socket costs a stranger nothing, so it takes no place of a handshake: it waits here, for a
//! short time, and the oldest gives way to the newest. Beyond that all is libp2p's TCP, and one
//! shape of addresses more, for dialling only: `/ip6zone/INDEX/ip6/fe80::…/tcp/PORT`, as
//! link-local addresses mean nothing without their interface (RFC 4007).

use crate::net::door::{Door, Source, Stage, Ticket};
use crate::net::guard::Guarded;
use futures::future::{BoxFuture, Ready, ready};
use futures::stream::{FuturesUnordered, StreamExt};
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::core::{Transport, multiaddr::Protocol};
use libp2p::tcp::tokio::{TcpStream, Transport as Tcp};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddrV6;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::sleep;

/// Sockets taken in at one go; then others have their turn.
const ACCEPTED_AT_ONCE: usize = 64;

/// libp2p's TCP at a door, and with link-local addresses.
pub(super) struct Porch {
    tcp: Tcp,
    door: Arc<Door>,
    /// How long a socket may be silent.
    patience: Duration,
    /// Bounded by the door.
    waiting: FuturesUnordered<BoxFuture<'static, Option<Arrived>>>,
}

/// A socket with a first byte.
struct Arrived {
    listener: ListenerId,
    stream: TcpStream,
    ticket: Ticket,
    local: Multiaddr,
    from: Multiaddr,
}

impl Porch {
    pub(super) fn new(tcp: Tcp, door: Arc<Door>, patience: Duration) -> Self {
        Self { tcp, door, patience, waiting: FuturesUnordered::new() }
    }
}

/// Ends with the socket once it has said something; with nothing when it does not, or when its
/// place is needed.
async fn first_byte(arrived: Arrived, patience: Duration) -> Option<Arrived> {
    let mut byte = [0];
    let said = tokio::select! {
        read = arrived.stream.0.peek(&mut byte) => read.is_ok_and(|count| count > 0),
        () = poll_fn(|cx| arrived.ticket.poll_shut(cx)) => false,
        () = sleep(patience) => false,
    };
    said.then_some(arrived)
}

impl Transport for Porch {
    type Output = Guarded<TcpStream>;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Self::Output>>;
    type Dial = Pin<Box<dyn Future<Output = io::Result<Self::Output>> + Send>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.tcp.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.tcp.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(Protocol::Ip6zone(_)) = address.iter().next() else {
            let dial = self.tcp.dial(address, options)?;
            return Ok(Box::pin(async move { Ok(Guarded::new(dial.await?, None)) }));
        };
        let Some(socket) = socket_of(&address) else { return Err(TransportError::MultiaddrNotSupported(address)) };
        Ok(Box::pin(async move {
            let stream = tokio::net::TcpStream::connect(socket).await?;
            stream.set_nodelay(true)?;
            Ok(Guarded::new(TcpStream(stream), None))
        }))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let this = &mut *self;
        let mut taken = 0;
        while let Poll::Ready(event) = Pin::new(&mut this.tcp).poll(cx) {
            let TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } = event else {
                return Poll::Ready(event.map_upgrade(|_| ready(Err(io::ErrorKind::NotConnected.into()))));
            };
            if let Ok(stream) = upgrade.into_inner()
                && let Some(ticket) = this.door.enter(Source::of(&send_back_addr), Stage::Silent)
            {
                let arrived = Arrived { listener: listener_id, stream, ticket, local: local_addr, from: send_back_addr };
                this.waiting.push(Box::pin(first_byte(arrived, this.patience)));
            }
            taken += 1;
            if taken == ACCEPTED_AT_ONCE {
                cx.waker().wake_by_ref();
                break;
            }
        }
        while let Poll::Ready(Some(done)) = this.waiting.poll_next_unpin(cx) {
            let Some(Arrived { listener, stream, ticket, local, from }) = done else { continue };
            ticket.advance(Stage::Tcp);
            ticket.arrives(&from);
            return Poll::Ready(TransportEvent::Incoming {
                listener_id: listener,
                upgrade: ready(Ok(Guarded::new(stream, Some(ticket)))),
                local_addr: local,
                send_back_addr: from,
            });
        }
        Poll::Pending
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
