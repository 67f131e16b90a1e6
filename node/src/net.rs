//! The transport: links over libp2p, QUIC and TCP, IPv4 and IPv6.
//!
//! The only module that touches libp2p. The rest of the node sees [`Input`]s about links
//! and frames, opaque addresses, and a [`NetHandle`] that never waits. A link is one
//! long-lived `/symbolon/mailbox/1` stream: the dialler opens it, both ends send frames on
//! it. Who is at the other end is not known here: the transport key is fresh at each start
//! and stands for nothing, identity is proved by what the frames carry.
//!
//! On the wire a frame is an unsigned varint (shortest form) with its length, 1 to
//! [`MAX_FRAME`](symbolon_core::seam::MAX_FRAME), and so many bytes; frames follow each
//! other without anything between. At most four links stand on one connection; a fifth
//! stream is reset. A socket without a byte is closed after 2 s, a connection without a link
//! after 30 s, an inbound link on which no frame made sense after 60 s, a link with half a
//! frame after 60 s without a byte, a connection on which nothing was heard after 28 s. How
//! many may come, and who gives way to whom, is the [`door`]'s to say.

mod address;
mod answers;
mod calls;
mod connections;
mod dht;
mod dial;
mod discreet;
mod door;
mod doorkeeper;
mod driver;
mod endpoint;
mod environment;
mod forward;
mod frame;
mod givers;
mod guard;
mod handle;
mod hub;
mod limits;
mod link;
mod links;
mod listening;
mod lock;
mod lookup;
mod memory;
mod names;
mod neighbours;
mod place;
mod porch;
mod port;
mod pulse;
mod punch;
mod reach;
mod refresh;
mod request;
mod seen;
mod split;
mod streams;
mod swarm;
#[cfg(test)]
mod tests;

pub use address::{address_from_text, address_to_text, server_address_from_text};
pub(crate) use address::{is_public, pinned_address};
pub(crate) use endpoint::Carrier;
pub(crate) use environment::room_for_connections;
pub use environment::{KeyLogSet, harden_environment};
pub use handle::NetHandle;
pub use limits::Limits;

use address::announced;
use driver::Driver;
use driver::rekey::Plan;
use endpoint::Endpoint;
use limits::{ANNOUNCE_MAX, COMMAND_QUEUE, LISTEN_MAX};
use links::Shared;
use listening::Listening;
use request::Request;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use symbolon_core::seam::{Address, Input};
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::kdf::Secret;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// Once one listener is up the others get so long; an interface without addresses says nothing.
const LATE_LISTENERS: Duration = Duration::from_millis(250);

/// How to listen.
#[derive(Debug, Clone, Default)]
pub struct NetConfig {
    /// Multiaddrs to listen on, as text. A port 0 stands for the kept port. Empty: all
    /// interfaces, QUIC and TCP, IPv4 and IPv6. At most 16.
    pub listen: Vec<String>,
    /// The port of the last start ([`Net::port`]), so that friends find this node again.
    pub port: Option<u16>,
    /// Whether somebody has named that port: without it, there is no start.
    pub is_port_named: bool,
    /// Whether to listen on a second port, drawn at each start and announced to nobody but the LAN:
    /// there, the kept one would make a node known again. Only where listening everywhere.
    pub lan: bool,
    /// Whether connections are forwarded to those who were admitted, under which transport key;
    /// without, the key is a fresh one.
    pub forward: Option<Secret>,
    /// Whether rooms may have their hub here.
    pub hub: bool,
    /// Where DHT servers may be, as multiaddr text. At most 16.
    pub bootstrap: Vec<String>,
    /// Where this node can be reached as the user knows it, as multiaddr text: behind a port
    /// forward, in a container, by a name. At most 4.
    pub announce: Vec<String>,
    /// Bounds and waiting times.
    pub limits: Limits,
}

/// Why the transport cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetError {
    /// `SSLKEYLOGFILE` is set: see [`harden_environment`].
    KeyLog,
    /// The listen address with this index is none, or there are too many.
    BadListen(usize),
    /// The address of a DHT server with this index is none, or there are too many.
    BadBootstrap(usize),
    /// The address to announce with this index is not valid, or there are too many.
    BadAnnounce(usize),
    /// It is not possible to listen there.
    Listen(io::ErrorKind),
    /// The port that was named cannot be had.
    NamedPort(u16, io::ErrorKind),
    /// No listener came up in time.
    NotListening,
    /// The transport could not be set up.
    Setup,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyLog => KeyLogSet.fmt(f),
            Self::BadListen(index) => {
                write!(f, "listen address {} is not /ip4|ip6/ADDRESS/tcp/PORT or /ip4|ip6/ADDRESS/udp/PORT/quic-v1", index + 1)
            }
            Self::BadBootstrap(index) => {
                write!(
                    f,
                    "bootstrap address {} is not HOST/tcp/PORT or HOST/udp/PORT/quic-v1 with a HOST like /ip4/192.0.2.1 or /dns4/NAME",
                    index + 1
                )
            }
            Self::BadAnnounce(index) => {
                write!(
                    f,
                    "address {} of --announce is not HOST/tcp/PORT or HOST/udp/PORT/quic-v1 with a HOST like /ip4/192.0.2.1 or /dns4/NAME, or there are more than {ANNOUNCE_MAX}",
                    index + 1
                )
            }
            Self::Listen(kind) => write!(f, "cannot listen: {kind}"),
            Self::NamedPort(port, io::ErrorKind::AddrInUse) => {
                write!(f, "port {port} is in use: another program listens there, by TCP or UDP")
            }
            Self::NamedPort(port, io::ErrorKind::PermissionDenied) => write!(f, "this user may not listen at port {port}"),
            Self::NamedPort(port, kind) => write!(f, "cannot listen at port {port}: {kind}"),
            Self::NotListening => f.write_str("cannot listen: no network interface answered in time"),
            Self::Setup => f.write_str("the network transport could not be set up"),
        }
    }
}

impl std::error::Error for NetError {}

/// A running transport. Dropped without [`Net::stop`], its connections break.
#[derive(Debug)]
pub struct Net {
    handle: NetHandle,
    keys: watch::Receiver<PublicKeyBytes>,
    everywhere: bool,
    lan_port: Option<u16>,
    port: Option<u16>,
    port_moved: bool,
    listening: watch::Receiver<Listening>,
    driver: JoinHandle<()>,
    announcer: JoinHandle<()>,
    names: JoinHandle<()>,
}

impl Net {
    /// Listens and begins to tell `inputs`. Returns when the listeners are up.
    ///
    /// To be called within a tokio runtime with time and IO. What the core is sent waits
    /// while `inputs` is full, and with it all who send to us.
    pub async fn start(config: NetConfig, inputs: mpsc::Sender<Input>) -> Result<Self, NetError> {
        if environment::key_log_is_set() {
            return Err(NetError::KeyLog);
        }
        let NetConfig { listen, port, is_port_named, lan, forward, bootstrap, announce: announced, hub, mut limits } = config;
        limits.connections = limits.connections.min(environment::room_for_connections().unwrap_or(usize::MAX));
        let named = parse_listen(&listen)?;
        let servers = parse_servers(&bootstrap)?;
        let public = parse_announced(&announced)?;
        // Addresses that only this machine can reach are announced when they were asked for.
        let with_loopback = named.iter().any(|endpoint| endpoint.ip.is_loopback());
        let wanted = if named.is_empty() { port::everywhere() } else { named };
        let draw = || getrandom::u32().map_err(|_| io::Error::from(io::ErrorKind::Other));
        let chosen = port::choose(wanted, port, is_port_named, draw).map_err(|error| match port {
            Some(port) if is_port_named => NetError::NamedPort(port, error.kind()),
            _ => NetError::Listen(error.kind()),
        })?;

        let everywhere = chosen.endpoints.iter().any(|endpoint| endpoint.ip.is_unspecified());
        let second = if lan && everywhere { port::choose(port::everywhere(), None, false, draw).ok() } else { None };
        let lan_port = second.as_ref().and_then(|second| second.port);
        let endpoints: Vec<Endpoint> = chosen.endpoints.into_iter().chain(second.into_iter().flat_map(|second| second.endpoints)).collect();
        let (request_sender, requests) = mpsc::channel(COMMAND_QUEUE);
        let patience = limits.start;
        let mut shared = Shared::new(limits, inputs, request_sender);
        shared.is_announced = !public.is_empty();
        shared.is_hub = hub;
        let shared = Arc::new(shared);
        let setup = |swarm::BuildError| NetError::Setup;
        let key = swarm::key(forward.as_ref()).map_err(setup)?;
        let (keys_sender, keys) = watch::channel(swarm::public_of(&key).map_err(setup)?);
        let mut swarm = swarm::build(&shared, key, forward.is_some(), lan_port).map_err(setup)?;
        if forward.is_some() {
            // What a reservation says about where the relay is.
            public.iter().for_each(|place| swarm.add_external_address(place.multiaddr()));
        }
        let mut listeners = HashSet::new();
        for endpoint in &endpoints {
            let listener = swarm.listen_on(endpoint.multiaddr()).map_err(|_| NetError::Listen(io::ErrorKind::Other))?;
            listeners.insert(listener);
        }
        let (sender, mut listening) = watch::channel(Listening { pending: listeners.len(), ..Listening::default() });
        let driver = tokio::spawn(
            Driver::new(swarm, shared.clone(), requests, sender, listeners, Plan::new(endpoints, lan_port, keys_sender)).run(),
        );
        let started = wait_for_listeners(&mut listening, everywhere, patience).await;
        if let Err(error) = started {
            driver.abort();
            return Err(error);
        }
        let announcer = Announcer { shared: shared.clone(), public, listening: listening.clone(), with_loopback, lan_port, said: None };
        let announcer = tokio::spawn(announcer.begin().run());
        shared.names.bootstrap(servers);
        let names = tokio::spawn(refresh::refresh(shared.clone()));
        let handle = NetHandle::new(shared, Handle::current());
        Ok(Self { handle, keys, everywhere, lan_port, port: chosen.port, port_moved: chosen.moved, listening, driver, announcer, names })
    }

    /// What the core's thread uses.
    pub fn handle(&self) -> NetHandle {
        self.handle.clone()
    }

    /// Where the node listens now, as multiaddr text, loopback included; without the LAN's port.
    pub fn listening(&self) -> Vec<String> {
        let listening = self.listening.borrow();
        let kept = listening.endpoints.iter().filter(|endpoint| Some(endpoint.port) != self.lan_port);
        kept.map(|endpoint| endpoint.multiaddr().to_string()).collect()
    }

    /// The key by which connections to this node are proved: fresh at each start, and after each
    /// [`NetAction::Rekey`](symbolon_core::seam::NetAction::Rekey).
    pub fn transport_key(&self) -> PublicKeyBytes {
        *self.keys.borrow()
    }

    /// The same, and each one that follows.
    pub(crate) fn keys(&self) -> watch::Receiver<PublicKeyBytes> {
        self.keys.clone()
    }

    /// Whether the node listens on whatever addresses the machine has or gets.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.everywhere
    }

    /// The sockets to show on the LAN: those of the second port. Where listening everywhere
    /// without one, none: the kept port would make the node known again. What the user has
    /// named is shown as it is.
    pub(crate) fn sockets(&self) -> Vec<(std::net::IpAddr, Carrier, u16)> {
        let listening = self.listening.borrow();
        let shown = listening.endpoints.iter().filter(|endpoint| !self.everywhere || Some(endpoint.port) == self.lan_port);
        shown.map(|endpoint| (endpoint.ip, endpoint.carrier, endpoint.port)).collect()
    }

    /// All sockets, for a relay to show: its places and its key are in its link, and known.
    pub(crate) fn all_sockets(&self) -> Vec<(std::net::IpAddr, Carrier, u16)> {
        let listening = self.listening.borrow();
        listening.endpoints.iter().map(|endpoint| (endpoint.ip, endpoint.carrier, endpoint.port)).collect()
    }

    /// How many connections of others there may be: fewer where the system allows few open files.
    pub(crate) fn places(&self) -> usize {
        self.handle.shared.limits.connections
    }

    /// The port to be kept for the next start; `None` when every listen address named its own.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether the kept port was taken and another one was drawn: friends who know only the
    /// old one will not find this node by it.
    pub fn port_moved(&self) -> bool {
        self.port_moved
    }

    /// Writes what is queued, lets servers take our last records, closes every link and
    /// connection, and ends, within 4 s.
    /// No input follows about links that were open.
    pub async fn stop(self) {
        let shared = &self.handle.shared;
        let _ = shared.requests.try_send(Request::Hush);
        shared.forget_all(true);
        // Every place is free again when every link's task has ended.
        let places = u32::try_from(shared.limits.links).unwrap_or(u32::MAX);
        let _ = timeout(shared.limits.drain + Duration::from_millis(100), shared.room.acquire_many(places)).await;
        let (done, stopped) = oneshot::channel();
        let goodbye = async {
            if shared.requests.send(Request::Stop(done)).await.is_ok() {
                let _ = stopped.await;
            }
        };
        let _ = timeout(Duration::from_millis(2_800), goodbye).await;
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.driver.abort();
        self.announcer.abort();
        self.names.abort();
        self.handle.shared.forget_all(false);
    }
}

fn parse_listen(listen: &[String]) -> Result<Vec<Endpoint>, NetError> {
    if listen.len() > LISTEN_MAX {
        return Err(NetError::BadListen(LISTEN_MAX));
    }
    let parse = |(index, text): (usize, &String)| Endpoint::from_text(text).ok_or(NetError::BadListen(index));
    listen.iter().enumerate().map(parse).collect()
}

fn parse_announced(announced: &[String]) -> Result<Vec<place::Place>, NetError> {
    if announced.len() > ANNOUNCE_MAX {
        return Err(NetError::BadAnnounce(ANNOUNCE_MAX));
    }
    let parse = |(index, text): (usize, &String)| address::announced_from_text(text).ok_or(NetError::BadAnnounce(index));
    announced.iter().enumerate().map(parse).collect()
}

fn parse_servers(bootstrap: &[String]) -> Result<Vec<place::Place>, NetError> {
    if bootstrap.len() > LISTEN_MAX {
        return Err(NetError::BadBootstrap(LISTEN_MAX));
    }
    let parse = |(index, text): (usize, &String)| address::server_from_text(text).ok_or(NetError::BadBootstrap(index));
    bootstrap.iter().enumerate().map(parse).collect()
}

/// Whether every address of this machine is among those listened on: a listener on all of them
/// tells one after the other, and the first few are not what friends or a relay's users need.
fn is_complete(endpoints: &[Endpoint], everywhere: bool) -> bool {
    let has = |ip| endpoints.iter().any(|endpoint| endpoint.ip == ip);
    !everywhere || if_addrs::get_if_addrs().unwrap_or_default().iter().all(|interface| has(interface.ip()))
}

async fn wait_for_listeners(listening: &mut watch::Receiver<Listening>, everywhere: bool, patience: Duration) -> Result<(), NetError> {
    let mut deadline = Instant::now() + patience;
    let mut first = true;
    loop {
        {
            let now = listening.borrow_and_update();
            if let Some(kind) = now.failed {
                return Err(NetError::Listen(kind));
            }
            if now.pending == 0 && is_complete(&now.endpoints, everywhere) {
                return Ok(());
            }
            if first && !now.endpoints.is_empty() {
                first = false;
                deadline = deadline.min(Instant::now() + LATE_LISTENERS);
            }
        }
        match timeout_at(deadline, listening.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(NetError::NotListening),
            Err(_) if listening.borrow().endpoints.is_empty() => return Err(NetError::NotListening),
            Err(_) => return Ok(()),
        }
    }
}

/// Tells the core where this node is, whenever that changes or is asked for.
struct Announcer {
    shared: Arc<Shared>,
    public: Vec<place::Place>,
    listening: watch::Receiver<Listening>,
    with_loopback: bool,
    lan_port: Option<u16>,
    /// What the core has heard last.
    said: Option<Vec<Address>>,
}

impl Announcer {
    /// Says it for the first time before anybody can ask anything of the node: an invite that is made at once
    /// would else name no place. Where the queue is full, it is said later.
    fn begin(mut self) -> Self {
        if let Some(addresses) = self.news()
            && self.shared.inputs.try_send(Input::Addresses(addresses.clone())).is_ok()
        {
            self.said = Some(addresses);
        }
        self
    }

    /// Where this node is now, if the core does not know.
    fn news(&mut self) -> Option<Vec<Address>> {
        let now = self.listening.borrow_and_update().clone();
        let mut endpoints = now.endpoints.clone();
        endpoints.retain(|endpoint| Some(endpoint.port) != self.lan_port);
        let addresses = announced(&self.public, &endpoints, &now.forwarded(), self.with_loopback);
        (!now.is_quiet && self.said.as_ref() != Some(&addresses)).then_some(addresses)
    }

    async fn run(mut self) {
        loop {
            if let Some(addresses) = self.news() {
                self.said = Some(addresses.clone());
                if self.shared.inputs.send(Input::Addresses(addresses)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                changed = self.listening.changed() => if changed.is_err() { return },
                () = self.shared.announce.notified() => self.said = None,
            }
        }
    }
}
