//! The LAN: DNS-SD over multicast DNS (RFC 6762, RFC 6763), by `mdns-sd`.
//!
//! What is shown is drawn at each start or comes from the core: a random instance and host
//! name, a tag that only friends can read, the transport key, which is fresh at each start,
//! and the ports. What others show is handed to the core as it is; nothing is believed here
//! beyond its form.

use crate::net::{Carrier, pinned_address};
use data_encoding::HEXLOWER;
use mdns_sd::{IfKind, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbolon_core::seam::{Announcement, Input, Instance, Sighting};
use symbolon_presence::id::PublicKeyBytes;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The service under which nodes are found.
const SERVICE: &str = "_symbolon._udp.local.";
/// Version of what is shown.
const VERSION: &str = "1";
/// How often the interfaces are looked at, in seconds.
const INTERFACES: u32 = 2;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(300);
/// Instances that the library may remember. It knows no bound of its own, and searches all
/// of them for each record that it hears. More than a core keeps, so that a conference is no flood.
const CACHED_MAX: i64 = 1_024;
/// The library's name for their number.
const CACHED: &str = "cached-ptr";
/// How often they are counted.
const COUNTED: Duration = Duration::from_secs(5);
/// How long the LAN is left alone that has flooded this node.
const FLOODED: Duration = Duration::from_secs(5);

/// Whether a node shows itself on the LAN and looks for friends there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LanMode {
    /// Neither.
    #[default]
    Off,
    /// For friends only.
    Friends,
    /// For friends; strangers may read the name for ten minutes.
    Visible,
}

/// This node's sockets, as they are shown.
#[derive(Debug, Default)]
struct Sockets {
    tcp: Option<u16>,
    quic: Option<u16>,
    /// Those to show; empty: all that the machine has.
    ips: Vec<IpAddr>,
}

/// What changes with the transport key, so that nobody takes two of them for one node.
#[derive(Debug)]
struct Face {
    host: String,
    transport: PublicKeyBytes,
}

impl Face {
    fn draw(transport: PublicKeyBytes) -> Result<Self, mdns_sd::Error> {
        let mut host = [0; 8];
        getrandom::fill(&mut host).map_err(|_| mdns_sd::Error::Msg("no randomness".to_owned()))?;
        Ok(Self { host: format!("{}.local.", HEXLOWER.encode(&host)), transport })
    }
}

#[derive(Debug)]
struct Shared {
    mode: LanMode,
    sockets: Sockets,
    face: Mutex<Face>,
    /// What is shown.
    shown: Mutex<Option<ServiceInfo>>,
    /// The core was loaded again and knows nothing.
    again: Notify,
}

/// The library at work; another one after a flood.
type Daemon = Arc<Mutex<ServiceDaemon>>;

/// What the core's thread uses. Never waits.
#[derive(Clone)]
pub(crate) struct LanHandle {
    shared: Arc<Shared>,
    daemon: Daemon,
}

/// Looks at the LAN for the core.
struct Watch {
    shared: Arc<Shared>,
    daemon: Daemon,
    inputs: mpsc::Sender<Input>,
}

/// Why a look at the LAN ended.
enum Ended {
    /// The node stops.
    Stop,
    /// The core was loaded again.
    Again,
    /// More was shown than is taken in.
    Flood,
}

/// A node on the LAN. Dropped without [`Lan::stop`], it says no goodbye.
pub(crate) struct Lan {
    handle: LanHandle,
    watch: JoinHandle<()>,
}

impl Lan {
    /// Begins to look, and tells the core that it can be shown. `named` are the addresses
    /// that the user wants to listen on, if not on all.
    pub(crate) fn start(
        mode: LanMode,
        named: bool,
        open: &[(IpAddr, Carrier, u16)],
        transport: PublicKeyBytes,
        inputs: mpsc::Sender<Input>,
    ) -> Result<Self, mdns_sd::Error> {
        let port = |wanted| open.iter().find(|(_, carrier, _)| *carrier == wanted).map(|(_, _, port)| *port);
        let mut ips: Vec<IpAddr> =
            if named { open.iter().map(|(ip, _, _)| *ip).filter(|ip| !ip.is_unspecified()).collect() } else { Vec::new() };
        ips.sort();
        ips.dedup();
        let shared = Arc::new(Shared {
            mode,
            face: Mutex::new(Face::draw(transport)?),
            sockets: Sockets { tcp: port(Carrier::Tcp), quic: port(Carrier::Quic), ips },
            shown: Mutex::default(),
            again: Notify::new(),
        });
        let daemon = Arc::new(Mutex::new(daemon()?));
        let watch = Watch { shared: shared.clone(), daemon: daemon.clone(), inputs };
        Ok(Self { handle: LanHandle { shared, daemon }, watch: tokio::spawn(watch.run()) })
    }

    pub(crate) fn handle(&self) -> LanHandle {
        self.handle.clone()
    }

    /// Takes back what is shown, and ends.
    pub(crate) async fn stop(self) {
        self.watch.abort();
        let (shown, daemon) = (self.handle.shared.shown(), held(&self.handle.daemon).clone());
        if let Some(goodbye) = shown.and_then(|shown| daemon.unregister(shown.get_fullname()).ok()) {
            let _ = timeout(GOODBYE, goodbye.recv_async()).await;
        }
        if let Ok(ended) = daemon.shutdown() {
            let _ = timeout(GOODBYE, ended.recv_async()).await;
        }
    }
}

impl Shared {
    fn shown(&self) -> Option<ServiceInfo> {
        held(&self.shown).clone()
    }

    /// The record of an announcement.
    fn record(&self, shown: &Announcement) -> Result<ServiceInfo, mdns_sd::Error> {
        let face = held(&self.face);
        let mut text = vec![
            ("v".to_owned(), VERSION.to_owned()),
            ("h".to_owned(), shown.hour.to_string()),
            ("g".to_owned(), HEXLOWER.encode(&shown.tag)),
            ("k".to_owned(), HEXLOWER.encode(face.transport.as_bytes())),
        ];
        text.extend(self.sockets.tcp.map(|port| ("t".to_owned(), port.to_string())));
        text.extend(self.sockets.quic.map(|port| ("q".to_owned(), port.to_string())));
        text.extend(shown.name.clone().map(|name| ("n".to_owned(), name)));
        let port = self.sockets.quic.or(self.sockets.tcp).unwrap_or_default();
        let name = HEXLOWER.encode(&shown.instance);
        let info = ServiceInfo::new(SERVICE, &name, &face.host, self.sockets.ips.as_slice(), port, text.as_slice())?;
        Ok(if self.sockets.ips.is_empty() { info.enable_addr_auto() } else { info })
    }
}

impl LanHandle {
    /// Shows this in place of what was shown before.
    pub(crate) fn announce(&self, shown: &Announcement) {
        let done = self.shared.record(shown).and_then(|info| {
            let daemon = held(&self.daemon);
            let before = held(&self.shared.shown).replace(info.clone());
            if let Some(before) = before.filter(|before| before.get_fullname() != info.get_fullname()) {
                daemon.unregister(before.get_fullname())?;
            }
            daemon.register(info)
        });
        if let Err(error) = done {
            tracing::warn!(%error, "this node cannot be shown on the LAN");
        }
    }

    /// The transport has another key: nothing of what is shown from now on was shown before.
    pub(crate) fn rekey(&self, transport: PublicKeyBytes) {
        match Face::draw(transport) {
            Ok(face) => *held(&self.shared.face) = face,
            Err(error) => tracing::warn!(%error, "this node cannot be shown on the LAN"),
        }
        self.shared.again.notify_one();
    }

    /// The core has been loaded again.
    pub(crate) fn reset(&self) {
        self.shared.again.notify_one();
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn daemon() -> Result<ServiceDaemon, mdns_sd::Error> {
    let daemon = ServiceDaemon::new()?;
    daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    daemon.set_ip_check_interval(INTERFACES)?;
    Ok(daemon)
}

impl Watch {
    /// Hands to the core what the LAN shows, until the node stops.
    async fn run(self) {
        let mut core_is_new = true;
        loop {
            if core_is_new {
                let up = Input::LanUp { transport: held(&self.shared.face).transport, visible: self.shared.mode == LanMode::Visible };
                if self.inputs.send(up).await.is_err() {
                    return;
                }
            }
            // The library tells anew what it remembers.
            let found = held(&self.daemon).browse(SERVICE);
            let ended = match found {
                Ok(found) => self.hear(&found).await,
                Err(error) => {
                    tracing::warn!(%error, "the LAN cannot be looked at");
                    Ended::Flood
                }
            };
            core_is_new = matches!(ended, Ended::Again);
            match ended {
                Ended::Stop => return,
                Ended::Again => {}
                Ended::Flood => {
                    tracing::warn!("too much is shown on the LAN; it is looked at afresh");
                    tokio::time::sleep(FLOODED).await;
                    self.begin_afresh();
                }
            }
        }
    }

    async fn hear(&self, found: &Receiver<ServiceEvent>) -> Ended {
        let mut count = tokio::time::interval(COUNTED);
        loop {
            tokio::select! {
                () = self.shared.again.notified() => return Ended::Again,
                _ = count.tick() => if self.remembered().await > CACHED_MAX {
                    return Ended::Flood;
                },
                event = found.recv_async() => {
                    // The library ends the search of who does not keep up with what is shown.
                    let Ok(event) = event else { return Ended::Flood };
                    let Some(input) = heard(&self.shared, event) else { continue };
                    if self.inputs.send(input).await.is_err() {
                        return Ended::Stop;
                    }
                }
            }
        }
    }

    /// How many instances the library remembers.
    async fn remembered(&self) -> i64 {
        let asked = held(&self.daemon).get_metrics();
        let Ok(answer) = asked else { return 0 };
        answer.recv_async().await.ok().and_then(|metrics| metrics.get(CACHED).copied()).unwrap_or_default()
    }

    /// Forgets all that the LAN has shown, and shows again what this node shows.
    fn begin_afresh(&self) {
        let done = daemon().and_then(|new| {
            let mut daemon = held(&self.daemon);
            let _ = std::mem::replace(&mut *daemon, new).shutdown();
            self.shared.shown().map_or(Ok(()), |info| daemon.register(info))
        });
        if let Err(error) = done {
            tracing::warn!(%error, "this node cannot be shown on the LAN");
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the enum is the library's and open-ended; what is not listed says nothing new")]
fn heard(shared: &Shared, event: ServiceEvent) -> Option<Input> {
    match event {
        ServiceEvent::ServiceResolved(service) => {
            let is_own = held(&shared.shown).as_ref().is_some_and(|own| own.get_fullname() == service.get_fullname());
            sighting_of(&service).filter(|_| !is_own).map(Input::Sighted)
        }
        ServiceEvent::ServiceRemoved(_, name) => instance_of(&name).map(Input::Unsighted),
        // On its way, or what a later version may say.
        _ => None,
    }
}

fn instance_of(name: &str) -> Option<Instance> {
    let label = name.strip_suffix(SERVICE)?.strip_suffix('.')?;
    HEXLOWER.decode(label.as_bytes()).ok()?.try_into().ok()
}

/// Reads what a node shows; none when it is of another form.
fn sighting_of(service: &ResolvedService) -> Option<Sighting> {
    let text = |key| service.get_property_val_str(key);
    let bytes = |key| HEXLOWER.decode(text(key)?.as_bytes()).ok();
    if text("v") != Some(VERSION) {
        return None;
    }
    let transport = PublicKeyBytes(bytes("k")?.try_into().ok()?);
    let shown = Announcement {
        instance: instance_of(service.get_fullname())?,
        hour: text("h")?.parse().ok()?,
        tag: bytes("g")?.try_into().ok()?,
        name: text("n").map(ToOwned::to_owned),
    };
    let port = |key| text(key).and_then(|port| port.parse::<u16>().ok()).filter(|port| *port > 0);
    let carriers = [(Carrier::Quic, port("q")), (Carrier::Tcp, port("t"))];
    let mut ips: Vec<(IpAddr, u32)> = service.get_addresses().iter().filter_map(with_zone).filter(|(ip, _)| is_dialable(*ip)).collect();
    ips.sort();
    let pinned = |(ip, zone)| carriers.iter().filter_map(move |(carrier, port)| pinned_address(ip, zone, *carrier, (*port)?, &transport));
    Some(Sighting { shown, transport, places: ips.into_iter().flat_map(pinned).collect() })
}

/// An address and the index of the interface on which it was heard, 0 where that says nothing.
#[allow(clippy::wildcard_enum_match_arm, reason = "the enum is the library's and open-ended")]
fn with_zone(address: &ScopedIp) -> Option<(IpAddr, u32)> {
    match address {
        ScopedIp::V4(_) => Some((address.to_ip_addr(), 0)),
        ScopedIp::V6(scoped) => Some((address.to_ip_addr(), scoped.scope_id().index)),
        // What a later version of the library may know.
        _ => None,
    }
}

fn is_dialable(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !broadcast && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shared(mode: LanMode) -> Shared {
        Shared {
            mode,
            face: Mutex::new(Face { host: "0011223344556677.local.".into(), transport: PublicKeyBytes(libp2p_key()) }),
            sockets: Sockets { tcp: Some(4001), quic: Some(4002), ips: vec!["192.0.2.7".parse().unwrap(), "fe80::1".parse().unwrap()] },
            shown: Mutex::default(),
            again: Notify::new(),
        }
    }

    /// A point of the curve: the base point of RFC 8032.
    fn libp2p_key() -> [u8; 32] {
        let mut key = [0x66; 32];
        key[0] = 0x58;
        key
    }

    fn announcement(name: Option<&str>) -> Announcement {
        Announcement { instance: [0xab; 8], hour: 500_000, tag: [0xcd; 16], name: name.map(ToOwned::to_owned) }
    }

    #[test]
    fn what_is_shown_reads_back_with_its_dialable_addresses() {
        let shared = shared(LanMode::Friends);
        let service = shared.record(&announcement(Some("Andi"))).unwrap().as_resolved_service();
        let sighting = sighting_of(&service).unwrap();
        assert_eq!(sighting.shown, announcement(Some("Andi")));
        assert_eq!(sighting.transport, held(&shared.face).transport);
        assert_eq!(sighting.places.len(), 2, "QUIC and TCP at the one address that can be dialled");
        assert!(sighting.places.iter().all(symbolon_core::seam::Address::is_bounded));
    }

    #[test]
    fn hidden_node_shows_no_name_and_nothing_but_hex_and_numbers() {
        let service = shared(LanMode::Friends).record(&announcement(None)).unwrap().as_resolved_service();
        assert_eq!(sighting_of(&service).unwrap().shown.name, None);
        for property in service.get_properties().iter() {
            assert!(property.val_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", property.key());
        }
        assert_eq!(service.get_fullname(), "abababababababab._symbolon._udp.local.");
    }

    #[test]
    fn records_of_another_form_are_nobodys() {
        let good = [("v", "1"), ("h", "5"), ("g", &"cd".repeat(16)), ("k", &HEXLOWER.encode(&libp2p_key())), ("t", "4001")];
        let read = |name: &str, text: &[(&str, &str)]| {
            let info = ServiceInfo::new(SERVICE, name, "x.local.", "192.0.2.7", 1, text).unwrap();
            sighting_of(&info.as_resolved_service())
        };
        assert!(read(&"ab".repeat(8), &good).is_some_and(|sighting| sighting.places.len() == 1));
        for name in ["", "ab", "Andi's laptop", &"zz".repeat(8), &"ab".repeat(9)] {
            assert!(name.is_empty() || read(name, &good).is_none(), "{name}");
        }
        for (key, value) in [("v", "2"), ("h", "-1"), ("h", "99999999999"), ("g", "cd"), ("g", ""), ("k", "00"), ("k", "xyz")] {
            let bad: Vec<_> = good.iter().map(|(k, v)| if *k == key { (*k, value) } else { (*k, *v) }).collect();
            assert!(read(&"ab".repeat(8), &bad).is_none(), "{key}={value}");
        }
        let portless = [good[0], good[1], good[2], good[3], ("t", "0"), ("q", "70000")];
        assert!(read(&"ab".repeat(8), &portless).unwrap().places.is_empty());
    }
}
