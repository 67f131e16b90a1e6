//! One connection of somebody who is nobody's friend, made by hand of TCP, Noise and Yamux: light
//! enough to have thousands of them in one process, from any address of this machine.
#![allow(dead_code, reason = "each of those that use it needs another part")]

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::core::StreamMuxer;
use libp2p::core::upgrade::OutboundConnectionUpgrade;
use libp2p::identity::Keypair;
use libp2p::tcp::tokio::TcpStream;
use libp2p::{noise, yamux};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;
use tokio::net::TcpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// What a client of libp2p says first.
pub const FIRST_WORDS: &[u8] = b"\x13/multistream/1.0.0\n";

type Muxer = yamux::Muxer<noise::Output<TcpStream>>;
type Substream = <Muxer as StreamMuxer>::Substream;

/// A connection with a transport key of its own. Ends when dropped.
#[derive(Debug)]
pub struct Caller {
    orders: mpsc::Sender<oneshot::Sender<Substream>>,
    task: JoinHandle<()>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A socket from one of this machine's addresses.
pub async fn socket(from: Option<Ipv4Addr>, to: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    }
    socket.connect(to).await
}

/// The n-th of many addresses that this machine has: all of 127.0.0.0/8 is its own on Linux.
pub fn nth(n: u64) -> Ipv4Addr {
    let [.., a, b, c] = n.to_be_bytes();
    Ipv4Addr::new(127, 16 | (a & 15), b, c.max(1))
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> io::Result<()> {
    let length = u8::try_from(line.len() + 1).map_err(|_| bad("long"))?;
    stream.write_all(&[&[length], line.as_bytes(), b"\n"].concat()).await
}

async fn hear<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<String> {
    let mut length = [0];
    stream.read_exact(&mut length).await?;
    let mut line = vec![0; usize::from(length[0] & 0x7f)];
    stream.read_exact(&mut line).await?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Agrees on a protocol as the one who asks.
async fn agree<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, protocol: &str) -> io::Result<()> {
    say(stream, "/multistream/1.0.0").await?;
    say(stream, protocol).await?;
    stream.flush().await?;
    hear(stream).await?;
    if hear(stream).await? == protocol { Ok(()) } else { Err(bad("refused")) }
}

/// Answers pings, and refuses everything else.
async fn answer(mut stream: Substream) -> io::Result<()> {
    hear(&mut stream).await?;
    say(&mut stream, "/multistream/1.0.0").await?;
    stream.flush().await?;
    loop {
        let asked = hear(&mut stream).await?;
        if asked == "/ipfs/ping/1.0.0" {
            break;
        }
        say(&mut stream, "na").await?;
        stream.flush().await?;
    }
    say(&mut stream, "/ipfs/ping/1.0.0").await?;
    stream.flush().await?;
    let mut bytes = [0; 32];
    loop {
        stream.read_exact(&mut bytes).await?;
        stream.write_all(&bytes).await?;
        stream.flush().await?;
    }
}

async fn drive(mut muxer: Muxer, mut orders: mpsc::Receiver<oneshot::Sender<Substream>>) {
    let mut wanted: Option<oneshot::Sender<Substream>> = None;
    poll_fn(|cx| {
        loop {
            match Pin::new(&mut muxer).poll_inbound(cx) {
                Poll::Ready(Ok(stream)) => {
                    tokio::spawn(answer(stream));
                    continue;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if wanted.is_none() {
                match orders.poll_recv(cx) {
                    Poll::Ready(Some(order)) => wanted = Some(order),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if wanted.is_some() {
                match Pin::new(&mut muxer).poll_outbound(cx) {
                    Poll::Ready(Ok(stream)) => {
                        // Anyone who asked may have given up.
                        let _ = wanted.take().map(|order| order.send(stream));
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            return match Pin::new(&mut muxer).poll(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(()),
                Poll::Ready(Ok(_)) => continue,
                Poll::Pending => Poll::Pending,
            };
        }
    })
    .await;
}

impl Caller {
    /// Connects, from one of this machine's addresses if it is named.
    pub async fn call(from: Option<Ipv4Addr>, to: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream(socket(from, to).await?);
        agree(&mut stream, "/noise").await?;
        let key = Keypair::generate_ed25519();
        let noise = noise::Config::new(&key).map_err(io::Error::other)?;
        let (_, mut stream) = noise.upgrade_outbound(stream, "/noise").await.map_err(io::Error::other)?;
        agree(&mut stream, "/yamux/1.0.0").await?;
        let muxer = yamux::Config::default().upgrade_outbound(stream, "/yamux/1.0.0").await?;
        let (orders, waiting) = mpsc::channel(8);
        Ok(Self { orders, task: tokio::spawn(drive(muxer, waiting)) })
    }

    /// Whether the other side has ended it.
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Opens a stream of the mailbox protocol.
    pub async fn open(&self) -> io::Result<Line> {
        self.open_protocol("/symbolon/mailbox/1").await
    }

    /// Opens a stream of any protocol.
    pub async fn open_protocol(&self, protocol: &str) -> io::Result<Line> {
        let (order, stream) = oneshot::channel();
        self.orders.send(order).await.map_err(|_| bad("the connection is gone"))?;
        let mut stream = stream.await.map_err(|_| bad("the connection is gone"))?;
        agree(&mut stream, protocol).await?;
        Ok(Line(stream))
    }
}

/// A stream of frames.
#[derive(Debug)]
pub struct Line(Substream);

impl Line {
    /// Sends one frame.
    pub async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut rest = frame.len();
        let mut bytes = Vec::with_capacity(frame.len() + 3);
        while rest >= 0x80 {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes.extend_from_slice(frame);
        self.raw(&bytes).await
    }

    /// Sends bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Waits for one frame.
    pub async fn frame(&mut self) -> io::Result<Vec<u8>> {
        let mut length = 0usize;
        for shift in [0, 7, 14] {
            let mut byte = [0];
            self.0.read_exact(&mut byte).await?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut frame = vec![0; length];
        self.0.read_exact(&mut frame).await?;
        Ok(frame)
    }
}
