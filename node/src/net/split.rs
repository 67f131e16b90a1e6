//! Two sets of sockets of one kind: one on the kept port, from which everything is dialled, and
//! one on the LAN's port, which only listens.
//!
//! A hole in a NAT belongs to one socket. With both ports in one transport, libp2p takes any of
//! its listeners for a dial: the relay would see the one socket, and the friend's node would
//! meet the other.

use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::multiaddr::Protocol;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use std::pin::Pin;
use std::task::{Context, Poll};

/// See the module.
pub(super) struct Split<T> {
    kept: T,
    near: T,
    /// The LAN's port; without one, all is kept.
    near_port: Option<u16>,
}

impl<T> Split<T> {
    pub(super) fn new(kept: T, near: T, near_port: Option<u16>) -> Self {
        Self { kept, near, near_port }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "no other part of an address is a port")]
fn port_of(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    })
}

impl<T: Transport + Unpin> Transport for Split<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<T::Error>> {
        let is_near = self.near_port.is_some() && port_of(&address) == self.near_port;
        if is_near { self.near.listen_on(id, address) } else { self.kept.listen_on(id, address) }
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.kept.remove_listener(id) || self.near.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<T::Error>> {
        self.kept.dial(address, options)
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        match Pin::new(&mut self.kept).poll(context) {
            Poll::Pending => Pin::new(&mut self.near).poll(context),
            ready @ Poll::Ready(_) => ready,
        }
    }
}
