//! Connections that end when their place is given to somebody else.
//!
//! libp2p closes a connection in good order, and waits for a peer that takes no bytes; the swarm
//! cannot end a handshake of others at all. So the ticket of a connection goes with its bytes:
//! once it is shut, every read and write fails, and everything above ends by itself.

use crate::net::door::{Door, Source, Stage, Ticket};
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::Transport;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, PeerId as TransportId, quic};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Bytes or streams of one connection, and its place; one of our own dials has none.
#[derive(Debug)]
pub(super) struct Guarded<T> {
    inner: T,
    ticket: Option<Ticket>,
}

impl<T> Guarded<T> {
    pub(super) fn new(inner: T, ticket: Option<Ticket>) -> Self {
        Self { inner, ticket }
    }

    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        match &self.ticket {
            Some(ticket) if ticket.poll_shut(cx).is_ready() => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(_) | None => Ok(()),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl Guarded<quic::Connection> {
    /// As [`Guarded::check`]; and the connection is made to end, since its streams would keep it.
    fn check_quic(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.check(cx).inspect_err(|_| {
            // What it answers does not matter: the close is on its way after the first call.
            let _ = Pin::new(&mut self.inner).poll_close(cx);
        })
    }
}

impl StreamMuxer for Guarded<quic::Connection> {
    type Substream = quic::Stream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<quic::Stream>> {
        self.check_quic(cx)?;
        Pin::new(&mut self.inner).poll_inbound(cx).map_err(io::Error::other)
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<quic::Stream>> {
        self.check_quic(cx)?;
        Pin::new(&mut self.inner).poll_outbound(cx).map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_quic(cx)?;
        Pin::new(&mut self.inner).poll_close(cx).map_err(io::Error::other)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        self.check_quic(cx)?;
        Pin::new(&mut self.inner).poll(cx).map_err(io::Error::other)
    }
}

/// libp2p's QUIC, at a door.
pub(super) struct GuardedQuic {
    quic: quic::tokio::Transport,
    door: Arc<Door>,
}

impl GuardedQuic {
    pub(super) fn new(config: quic::Config, door: Arc<Door>) -> Self {
        Self { quic: quic::tokio::Transport::new(config), door }
    }
}

/// A handshake over QUIC.
pub(super) struct Handshake {
    connecting: quic::Connecting,
    /// `None` for those to whom no place is left.
    ticket: Option<Ticket>,
}

impl Future for Handshake {
    type Output = io::Result<(TransportId, Guarded<quic::Connection>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.ticket.as_ref().is_none_or(|ticket| ticket.poll_shut(cx).is_ready()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.connecting).poll(cx).map(|done| {
            let (peer, connection) = done.map_err(io::Error::other)?;
            Ok((peer, Guarded::new(connection, self.ticket.take())))
        })
    }
}

fn told(error: TransportError<quic::Error>) -> TransportError<io::Error> {
    error.map(io::Error::other)
}

impl Transport for GuardedQuic {
    type Output = (TransportId, Guarded<quic::Connection>);
    type Error = io::Error;
    type ListenerUpgrade = Handshake;
    type Dial = Pin<Box<dyn Future<Output = io::Result<Self::Output>> + Send>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.quic.listen_on(id, address).map_err(told)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.quic.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let dial = self.quic.dial(address, options).map_err(told)?;
        Ok(Box::pin(async move {
            let (peer, connection) = dial.await.map_err(io::Error::other)?;
            Ok((peer, Guarded::new(connection, None)))
        }))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Handshake, io::Error>> {
        let this = &mut *self;
        Pin::new(&mut this.quic).poll(cx).map(|event| {
            if let TransportEvent::Incoming { send_back_addr, .. } = &event {
                let ticket = this.door.enter(Source::of(send_back_addr), Stage::Quic);
                if let Some(ticket) = &ticket {
                    ticket.arrives(send_back_addr);
                }
                return event.map_err(io::Error::other).map_upgrade(|connecting| Handshake { connecting, ticket });
            }
            event.map_err(io::Error::other).map_upgrade(|connecting| Handshake { connecting, ticket: None })
        })
    }
}
