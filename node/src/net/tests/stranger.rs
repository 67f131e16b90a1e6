//! A peer that is not ours: plain libp2p with the stock stream protocol, and bytes by hand.

use super::*;
use crate::net::streams::PROTOCOL;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId as TransportId, Stream, StreamProtocol, Swarm, SwarmBuilder, identify, noise, ping, relay, tcp, yamux};
use libp2p_dcutr as dcutr;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
struct Behaviour {
    stream: libp2p_stream::Behaviour,
    ping: Toggle<ping::Behaviour>,
    identify: identify::Behaviour,
    circuits: relay::client::Behaviour,
    punch: dcutr::Behaviour,
}

/// How a stranger differs from a well-behaved one.
#[derive(Clone, Copy)]
struct Manners {
    accepts: bool,
    pings: bool,
}

pub(super) struct Stranger {
    pub(super) addresses: Vec<Address>,
    control: libp2p_stream::Control,
    dials: mpsc::Sender<(Address, oneshot::Sender<TransportId>)>,
    accepted: mpsc::Receiver<Stream>,
    identified: mpsc::Receiver<identify::Info>,
    listens: mpsc::Sender<Multiaddr>,
    circuits: mpsc::Receiver<Address>,
    punched: mpsc::Receiver<bool>,
    established: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    peer: Option<TransportId>,
    task: JoinHandle<()>,
}

fn swarm(key: Keypair, manners: Manners) -> Swarm<Behaviour> {
    SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_quic()
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key, circuits| Behaviour {
            circuits,
            punch: dcutr::Behaviour::new(key.public().to_peer_id()),
            stream: libp2p_stream::Behaviour::new(),
            ping: Toggle::from(manners.pings.then(ping::Behaviour::default)),
            identify: identify::Behaviour::new(identify::Config::new("/stranger".into(), key.public())),
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stranger {
    pub(super) async fn new(listen: &[&str]) -> Self {
        Self::start(listen, Manners { accepts: true, pings: true }).await
    }

    /// Listens, but not for our protocol.
    pub(super) async fn deaf(listen: &[&str]) -> Self {
        Self::start(listen, Manners { accepts: false, pings: true }).await
    }

    pub(super) async fn without_ping() -> Self {
        Self::start(&[], Manners { accepts: true, pings: false }).await
    }

    /// So many that have one transport key.
    pub(super) async fn twins(count: usize) -> Vec<Self> {
        let key = Keypair::generate_ed25519();
        let mut twins = Vec::new();
        for _ in 0..count {
            twins.push(Self::under(key.clone(), &[], Manners { accepts: true, pings: true }).await);
        }
        twins
    }

    async fn start(listen: &[&str], manners: Manners) -> Self {
        Self::under(Keypair::generate_ed25519(), listen, manners).await
    }

    async fn under(key: Keypair, listen: &[&str], manners: Manners) -> Self {
        let mut swarm = swarm(key, manners);
        let mut addresses = Vec::new();
        for text in listen {
            swarm.listen_on(text.parse().unwrap()).unwrap();
            loop {
                if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                    addresses.push(Address(address.to_vec()));
                    break;
                }
            }
        }
        let control = swarm.behaviour().stream.new_control();
        let (accepted_sender, accepted) = mpsc::channel(256);
        if manners.accepts {
            let mut incoming = swarm.behaviour().stream.new_control().accept(PROTOCOL).unwrap();
            tokio::spawn(async move {
                while let Some((_, stream)) = incoming.next().await {
                    let _ = accepted_sender.send(stream).await;
                }
            });
        }
        let (dials, mut dial_requests) = mpsc::channel::<(Address, oneshot::Sender<TransportId>)>(8);
        let (identified_sender, identified) = mpsc::channel(64);
        let (listens, mut listen_requests) = mpsc::channel::<Multiaddr>(8);
        let (circuits_sender, circuits) = mpsc::channel(8);
        let (punched_sender, punched) = mpsc::channel(8);
        let established = Arc::new(AtomicUsize::new(0));
        let closed = Arc::new(AtomicUsize::new(0));
        let counts = (established.clone(), closed.clone());
        let task = tokio::spawn(async move {
            let mut dialling = std::collections::HashMap::new();
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                            counts.0.fetch_add(1, Ordering::SeqCst);
                            if let Some(reply) = dialling.remove(&connection_id) {
                                let _ = oneshot::Sender::send(reply, peer_id);
                            }
                        }
                        SwarmEvent::ConnectionClosed { .. } => { counts.1.fetch_add(1, Ordering::SeqCst); }
                        SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { info, .. })) => {
                            let _ = identified_sender.try_send(info);
                        }
                        SwarmEvent::Behaviour(BehaviourEvent::Punch(dcutr::Event { result, .. })) => {
                            let _ = punched_sender.try_send(result.is_ok());
                        }
                        SwarmEvent::ExternalAddrConfirmed { address } => {
                            let _ = circuits_sender.try_send(Address(address.to_vec()));
                        }
                        _ => {}
                    },
                    Some(address) = listen_requests.recv() => {
                        swarm.listen_on(address).unwrap();
                    }
                    Some((address, reply)) = dial_requests.recv() => {
                        let options = DialOpts::unknown_peer_id().address(address.0.try_into().unwrap()).build();
                        dialling.insert(options.connection_id(), reply);
                        swarm.dial(options).unwrap();
                    }
                }
            }
        });
        Self { addresses, control, dials, accepted, identified, listens, circuits, punched, established, closed, peer: None, task }
    }

    pub(super) async fn connect(&mut self, address: &Address) -> TransportId {
        let (reply, answer) = oneshot::channel();
        self.dials.send((address.clone(), reply)).await.unwrap();
        let peer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        self.peer = Some(peer);
        peer
    }

    /// Begins so many dials, and waits for none.
    pub(super) async fn knock(&self, address: &Address, count: usize) {
        for _ in 0..count {
            let (reply, _) = oneshot::channel();
            self.dials.send((address.clone(), reply)).await.unwrap();
        }
    }

    /// Asks a relay, at this address with its key, to forward connections. Where that leads.
    pub(super) async fn reserve(&mut self, relay: &Address) -> Address {
        let place: Multiaddr = relay.0.clone().try_into().unwrap();
        let place = place.with(libp2p::multiaddr::Protocol::P2p(self.peer.unwrap()));
        self.listens.send(place.with(libp2p::multiaddr::Protocol::P2pCircuit)).await.unwrap();
        timeout(PATIENCE, self.circuits.recv()).await.unwrap().unwrap()
    }

    /// Whether the last hole that libp2p's own code tried to punch was punched, if there was one.
    pub(super) fn try_punched(&mut self) -> Option<bool> {
        self.punched.try_recv().ok()
    }

    pub(super) async fn open(&mut self) -> Bytes {
        self.open_many(1).await.pop().unwrap()
    }

    /// Asks for streams all at once and takes what comes. QUIC lets an opener wait while its
    /// streams are used up, so the wait ends when the first have come and no more follow.
    pub(super) async fn open_many(&mut self, count: usize) -> Vec<Bytes> {
        let peer = self.peer.unwrap();
        let (opened, mut streams) = mpsc::channel(count);
        for _ in 0..count {
            let mut control = self.control.clone();
            let opened = opened.clone();
            tokio::spawn(async move {
                if let Ok(stream) = control.open_stream(peer, PROTOCOL).await {
                    let _ = opened.send(Bytes(stream)).await;
                }
            });
        }
        drop(opened);
        let mut taken = vec![timeout(PATIENCE, streams.recv()).await.unwrap().unwrap()];
        while let Ok(Some(stream)) = timeout(Duration::from_secs(1), streams.recv()).await {
            taken.push(stream);
        }
        taken
    }

    /// Opens one stream of another protocol.
    pub(super) async fn open_protocol(&self, protocol: StreamProtocol) -> Option<Stream> {
        let mut control = self.control.clone();
        timeout(PATIENCE, control.open_stream(self.peer.unwrap(), protocol)).await.unwrap().ok()
    }

    /// Asks for a protocol that nobody speaks, again and again, faster than idleness is noticed.
    pub(super) fn pester(&self) -> JoinHandle<()> {
        let peer = self.peer.unwrap();
        let mut control = self.control.clone();
        tokio::spawn(async move {
            loop {
                let _ = control.open_stream(peer, StreamProtocol::new("/nobody/1")).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    pub(super) async fn accept(&mut self) -> Bytes {
        Bytes(timeout(PATIENCE, self.accepted.recv()).await.unwrap().unwrap())
    }

    pub(super) fn try_accept(&mut self) -> Option<Bytes> {
        self.accepted.try_recv().ok().map(Bytes)
    }

    pub(super) async fn identified(&mut self) -> identify::Info {
        timeout(PATIENCE, self.identified.recv()).await.unwrap().unwrap()
    }

    pub(super) fn established(&self) -> usize {
        self.established.load(Ordering::SeqCst)
    }

    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

/// A stream, byte by byte.
pub(super) struct Bytes(Stream);

impl Bytes {
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        // The other side may have ended the stream already; what it does then is the test's question.
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    pub(super) async fn frame(&mut self) -> Vec<u8> {
        self.try_frame().await.expect("a frame")
    }

    /// One frame, or `None` when the stream ends before it.
    pub(super) async fn try_frame(&mut self) -> Option<Vec<u8>> {
        let mut length = 0usize;
        for shift in 0..3 {
            let mut byte = [0];
            timeout(PATIENCE, self.0.read_exact(&mut byte)).await.expect("an answer or an end").ok()?;
            length |= usize::from(byte[0] & 0x7f) << (7 * shift);
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut frame = vec![0; length];
        timeout(PATIENCE, self.0.read_exact(&mut frame)).await.expect("the rest or an end").ok()?;
        Some(frame)
    }
}
