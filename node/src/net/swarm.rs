//! What the libp2p swarm is made of: transports, limits, and what it tells strangers.

use crate::net::dht::behaviour::{self as table, Kad};
use crate::net::discreet::Discreet;
use crate::net::doorkeeper::Doorkeeper;
use crate::net::forward::Forward;
use crate::net::guard::GuardedQuic;
use crate::net::hub::messages::{self as knocks, Asking as AskingHubs};
use crate::net::limits::{CIRCUIT_BYTES, CIRCUIT_LIFE, Limits};
use crate::net::links::Shared;
use crate::net::lock::lock;
use crate::net::lookup::messages::{self as questions, Asking};
use crate::net::memory::Memory;
use crate::net::porch::Porch;
use crate::net::punch::Punch;
use crate::net::split::Split;
use crate::net::streams::Streams;
use libp2p::core::Transport;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Multiaddr, PeerId as TransportId, Swarm, SwarmBuilder, identify, noise, ping, quic, relay, tcp, yamux};
use std::error::Error;
use std::time::{Duration, Instant};
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::kdf::Secret;

/// What a stranger reads in our identify message. Nothing about this node.
const AGENT: &str = "symbolon/1";
const PROTOCOL_VERSION: &str = "/symbolon/1";

/// A relay has nothing to ask again. A person does: where it is seen, so that it knows it for
/// less than an hour ([`CANDIDATE_AGE`](crate::net::limits::CANDIDATE_AGE)).
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
const SEEN_INTERVAL: Duration = Duration::from_secs(25 * 60);
/// Unread bytes that one QUIC stream, and all streams of a connection, may have on the way
/// to us: 10 MiB/s at 100 ms, and 1 GiB for 512 connections that send all they may.
const QUIC_STREAM_WINDOW: u32 = 1024 * 1024;
const QUIC_CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// Streams that one connection may have open, ping and identify among them. QUIC makes the
/// opener wait; yamux ends the connection, hence the room for bursts that are refused one by one.
const QUIC_STREAMS: u32 = 32;
const YAMUX_STREAMS: usize = 128;
/// Inbound streams of one connection whose protocol is not agreed yet.
const NEGOTIATING: usize = 32;

/// The behaviours, in the order in which they are asked about a connection: those that
/// refuse come first.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Behaviour {
    door: Doorkeeper,
    identify: Discreet,
    ping: ping::Behaviour,
    /// A relay's.
    pub(super) forward: Toggle<Forward>,
    /// A person's: asking relays, and going on without them.
    circuits: relay::client::Behaviour,
    pub(super) punch: Punch,
    pub(super) dht: Kad,
    pub(super) lookup: Asking,
    pub(super) hub: AskingHubs,
    pub(super) streams: Streams,
}

/// The transport could not be set up.
#[derive(Debug)]
pub(super) struct BuildError;

/// The transport key: a relay's, made from what it keeps, or a fresh one.
pub(super) fn key(forward: Option<&Secret>) -> Result<Keypair, BuildError> {
    match forward {
        Some(seed) => Keypair::ed25519_from_bytes(*seed.expose()).map_err(|_| BuildError),
        None => Ok(Keypair::generate_ed25519()),
    }
}

/// Its public half.
pub(super) fn public_of(key: &Keypair) -> Result<PublicKeyBytes, BuildError> {
    let public = key.public().try_into_ed25519().map_err(|_| BuildError)?;
    Ok(PublicKeyBytes(public.to_bytes()))
}

/// Builds a swarm with a transport key of its own, fresh at each start: a personal node's
/// transport key is not its identity and must not make it recognisable. Only a relay, which is
/// to be recognised, forwards, under a key that it keeps.
pub(super) fn build(shared: &Shared, key: Keypair, is_server: bool, lan_port: Option<u16>) -> Result<Swarm<Behaviour>, BuildError> {
    let limits = &shared.limits;
    let streams = Streams::new(limits.links_per_connection, public_of(&key)?);
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_other_transport(|key| {
            let quic = || GuardedQuic::new(quic_config(key, limits), shared.door.clone());
            Split::new(quic(), quic(), lan_port)
        })
        .map_err(|_| BuildError)?
        .with_other_transport(|key| tcp(key, shared, lan_port))
        .map_err(|_| BuildError)?
        .with_relay_client(noise::Config::new, muxer)
        .map_err(|_| BuildError)?
        .with_behaviour(|key, circuits| Behaviour {
            door: Doorkeeper::new(
                shared.door.clone(),
                Memory::new(limits.memory),
                usize::try_from(limits.connections_per_peer).unwrap_or(usize::MAX),
            ),
            identify: identify(key, is_server),
            // A ping that is late only delays the next one: what counts is the silence, which
            // the task that owns the swarm measures over everything that is heard.
            ping: ping::Behaviour::new(ping::Config::new().with_interval(limits.ping).with_timeout(limits.silence)),
            forward: is_server.then(|| forwarding(key, shared)).into(),
            circuits,
            punch: Punch::new(!is_server),
            dht: table::behaviour(key.public().to_peer_id(), is_server, limits),
            lookup: questions::behaviour(is_server),
            hub: knocks::behaviour(shared.is_hub),
            streams,
        })
        .map_err(|_| BuildError)?
        .with_swarm_config(|config| config.with_idle_connection_timeout(limits.linkless).with_max_negotiating_inbound_streams(NEGOTIATING))
        .with_connection_timeout(limits.dial)
        .build();
    Ok(swarm)
}

fn quic_config(key: &Keypair, limits: &Limits) -> quic::Config {
    let mut config = quic::Config::new(key);
    config.handshake_timeout = Duration::from_secs(5);
    config.max_idle_timeout = u32::try_from(limits.silence.as_millis()).unwrap_or(u32::MAX);
    config.keep_alive_interval = limits.ping;
    config.max_concurrent_stream_limit = QUIC_STREAMS;
    config.max_stream_data = QUIC_STREAM_WINDOW;
    config.max_connection_data = QUIC_CONNECTION_WINDOW;
    config
}

/// TCP with Noise and Yamux.
fn tcp(
    key: &Keypair,
    shared: &Shared,
    lan_port: Option<u16>,
) -> Result<Boxed<(TransportId, StreamMuxerBox)>, Box<dyn Error + Send + Sync>> {
    let porch = || {
        let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true));
        Porch::new(tcp, shared.door.clone(), shared.limits.silent_socket)
    };
    let streams = Split::new(porch(), porch(), lan_port);
    let muxed = streams.upgrade(Version::V1Lazy).authenticate(noise::Config::new(key)?).multiplex(muxer());
    Ok(muxed.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed())
}

fn muxer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(YAMUX_STREAMS);
    config
}

fn identify(key: &Keypair, is_server: bool) -> Discreet {
    let config = identify::Config::new(PROTOCOL_VERSION.to_owned(), key.public())
        .with_agent_version(AGENT.to_owned())
        .with_interval(if is_server { IDENTIFY_INTERVAL } else { SEEN_INTERVAL })
        .with_cache_size(0)
        .with_hide_listen_addrs(true);
    Discreet::new(identify::Behaviour::new(config), is_server)
}

/// Circuit relay v2 for those who were admitted: who keeps a mailbox here.
fn forwarding(key: &Keypair, shared: &Shared) -> Forward {
    let (admitted, limits) = (shared.admitted.clone(), &shared.limits);
    let config = relay::Config {
        max_reservations: limits.reservations,
        // libp2p lets in one more than it says.
        max_reservations_per_peer: limits.reservations_per_peer.saturating_sub(1),
        max_circuit_duration: CIRCUIT_LIFE,
        max_circuit_bytes: CIRCUIT_BYTES,
        reservation_rate_limiters: vec![Box::new(move |peer: TransportId, _: &Multiaddr, _: Instant| lock(&admitted).contains(&peer))],
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    };
    Forward::new(key.public().to_peer_id(), config, shared.door.clone(), limits)
}
