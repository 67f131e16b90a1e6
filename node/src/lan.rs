//! The LAN: DNS-SD over multicast DNS (RFC 6762, RFC 6763), by `mdns-sd`.
//!
//! What is shown is drawn at each start or comes from the core: on each network a random instance
//! and host name, a tag that only friends can read, the transport key, which is fresh at each
//! start, and the places there. What others show is handed to the core as it is; nothing is
//! believed here beyond its form. Their address records only say on which interface they were
//! heard: what is dialled stands in the list that the tag binds.

use crate::net::Carrier;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use mdns_sd::{DaemonEvent, IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use networks::{Networks, Sockets, is_of_a_cable};
use sighting::{SERVICE, VERSION, instance_of, sighting_of};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbolon_core::seam::{Announcement, Input, Instance, Network};
use symbolon_presence::id::PublicKeyBytes;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

mod networks;
mod sighting;

/// How long the node waits after a change of the machine's addresses: often several come together.
const SETTLE: Duration = Duration::from_millis(200);
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

/// What changes with the transport key, so that nobody takes two of them for one node.
#[derive(Debug)]
struct Face {
    transport: PublicKeyBytes,
    /// Host names, one for each instance that is shown.
    hosts: BTreeMap<Instance, String>,
}

impl Face {
    fn new(transport: PublicKeyBytes) -> Self {
        Self { transport, hosts: BTreeMap::new() }
    }

    fn host(&mut self, instance: Instance) -> Result<String, mdns_sd::Error> {
        if let Some(host) = self.hosts.get(&instance) {
            return Ok(host.clone());
        }
        let mut drawn = [0; 8];
        getrandom::fill(&mut drawn).map_err(|_| mdns_sd::Error::Msg("no randomness".to_owned()))?;
        let host = format!("{}.local.", HEXLOWER.encode(&drawn));
        self.hosts.insert(instance, host.clone());
        Ok(host)
    }
}

/// What is shown on one network, and the library's form of it.
#[derive(Debug, Clone)]
struct Record {
    shown: Announcement,
    info: ServiceInfo,
}

#[derive(Debug)]
struct Shared {
    mode: LanMode,
    sockets: Sockets,
    face: Mutex<Face>,
    /// What is shown, by the full names.
    shown: Mutex<BTreeMap<String, Record>>,
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
    /// The machine has other addresses than before.
    Moved,
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
        let shared = Arc::new(Shared {
            mode,
            face: Mutex::new(Face::new(transport)),
            sockets: Sockets::new(named, open),
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
        let daemon = held(&self.handle.daemon).clone();
        let names: Vec<String> = held(&self.handle.shared.shown).keys().cloned().collect();
        let goodbyes: Vec<_> = names.iter().filter_map(|name| daemon.unregister(name).ok()).collect();
        let _ = timeout(GOODBYE, async {
            for goodbye in goodbyes {
                let _ = goodbye.recv_async().await;
            }
        })
        .await;
        if let Ok(ended) = daemon.shutdown() {
            let _ = timeout(GOODBYE, ended.recv_async()).await;
        }
    }
}

impl Shared {
    /// The record of an announcement: shown on its network alone. Its address records are those of
    /// its list; the library knows no interface of a link-local one, and would show it, and with it
    /// the list, on all networks. So it is among them only if there is no other.
    fn record(&self, network: Network, shown: &Announcement) -> Result<ServiceInfo, mdns_sd::Error> {
        let (host, transport) = {
            let mut face = held(&self.face);
            (face.host(shown.instance)?, face.transport)
        };
        let mut text = vec![
            ("v".to_owned(), VERSION.to_owned()),
            ("h".to_owned(), shown.hour.to_string()),
            ("g".to_owned(), HEXLOWER.encode(&shown.tag)),
            ("k".to_owned(), HEXLOWER.encode(transport.as_bytes())),
            ("a".to_owned(), BASE64URL_NOPAD.encode(shown.places.as_bytes())),
        ];
        text.extend(shown.name.clone().map(|name| ("n".to_owned(), name)));
        let port = shown.places.iter().next().map_or(0, |place| place.port);
        let mut ips: BTreeSet<IpAddr> = shown.places.iter().map(|place| place.ip).collect();
        if !ips.iter().all(|ip| is_of_a_cable(*ip)) {
            ips.retain(|ip| !is_of_a_cable(*ip));
        }
        let name = HEXLOWER.encode(&shown.instance);
        let mut info = ServiceInfo::new(SERVICE, &name, &host, "", port, text.as_slice())?.enable_addr_auto();
        let is_shown = move |interface: &if_addrs::Interface| interface.index == Some(network) && ips.contains(&interface.ip());
        info.set_interfaces(vec![IfKind::Predicate(IfPredicate::new(is_shown))]);
        Ok(info)
    }
}

impl LanHandle {
    /// Shows these in place of what was shown before.
    pub(crate) fn announce(&self, all: Vec<(Network, Announcement)>) {
        held(&self.shared.face).hosts.retain(|instance, _| all.iter().any(|(_, shown)| shown.instance == *instance));
        let mut records = BTreeMap::new();
        for (network, shown) in all {
            match self.shared.record(network, &shown) {
                Ok(info) => drop(records.insert(info.get_fullname().to_owned(), Record { shown, info })),
                Err(error) => tracing::warn!(%error, "this node cannot be shown on the LAN"),
            }
        }
        let daemon = held(&self.daemon);
        let before = std::mem::replace(&mut *held(&self.shared.shown), records.clone());
        let gone = before.keys().filter(|name| !records.contains_key(*name));
        let mut done = gone.map(|name| daemon.unregister(name).map(drop)).collect::<Vec<_>>();
        let new = records.iter().filter(|(name, record)| before.get(*name).is_none_or(|known| known.shown != record.shown));
        done.extend(new.map(|(_, record)| daemon.register(record.info.clone())));
        for error in done.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "this node cannot be shown on the LAN");
        }
    }

    /// The transport has another key: nothing of what is shown from now on was shown before.
    pub(crate) fn rekey(&self, transport: PublicKeyBytes) {
        *held(&self.shared.face) = Face::new(transport);
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
        let mut told = Vec::new();
        loop {
            let networks = Networks::now();
            let places = networks.places(&self.shared.sockets);
            let news = if core_is_new {
                let transport = held(&self.shared.face).transport;
                Some(Input::LanUp { transport, visible: self.shared.mode == LanMode::Visible, networks: places.clone() })
            } else {
                (places != told).then(|| Input::LanMoved(places.clone()))
            };
            told = places;
            if let Some(news) = news
                && self.inputs.send(news).await.is_err()
            {
                return;
            }
            // The library tells again what it remembers.
            let (found, changes) = {
                let daemon = held(&self.daemon);
                (daemon.browse(SERVICE), daemon.monitor())
            };
            let ended = match (found, changes) {
                (Ok(found), Ok(changes)) => self.hear(&found, &changes, &networks).await,
                (Err(error), _) | (_, Err(error)) => {
                    tracing::warn!(%error, "the LAN cannot be looked at");
                    Ended::Flood
                }
            };
            core_is_new = matches!(ended, Ended::Again);
            match ended {
                Ended::Stop => return,
                Ended::Again | Ended::Moved => {}
                Ended::Flood => {
                    tracing::warn!("too much is shown on the LAN; it is looked at afresh");
                    tokio::time::sleep(FLOODED).await;
                    self.begin_afresh();
                }
            }
        }
    }

    async fn hear(&self, found: &Receiver<ServiceEvent>, changes: &Receiver<DaemonEvent>, networks: &Networks) -> Ended {
        let mut count = tokio::time::interval(COUNTED);
        loop {
            tokio::select! {
                () = self.shared.again.notified() => return Ended::Again,
                _ = count.tick() => {
                    if self.remembered().await > CACHED_MAX {
                        return Ended::Flood;
                    }
                    if Networks::now() != *networks {
                        return Ended::Moved;
                    }
                }
                change = changes.recv_async() => match change {
                    Ok(DaemonEvent::IpAdd(_) | DaemonEvent::IpDel(_)) => {
                        tokio::time::sleep(SETTLE).await;
                        return Ended::Moved;
                    }
                    Ok(_) => {}
                    Err(_) => return Ended::Flood,
                },
                event = found.recv_async() => {
                    // The library ends the search of who does not keep up with what is shown.
                    let Ok(event) = event else { return Ended::Flood };
                    let Some(input) = heard(&self.shared, networks, event) else { continue };
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
            let shown = held(&self.shared.shown);
            shown.values().try_for_each(|record| daemon.register(record.info.clone()))
        });
        if let Err(error) = done {
            tracing::warn!(%error, "this node cannot be shown on the LAN");
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the enum is the library's and open-ended; what is not listed says nothing new")]
fn heard(shared: &Shared, networks: &Networks, event: ServiceEvent) -> Option<Input> {
    match event {
        ServiceEvent::ServiceResolved(service) => {
            let is_own = held(&shared.shown).contains_key(service.get_fullname());
            sighting_of(&service, networks).filter(|_| !is_own).map(Input::Sighted)
        }
        ServiceEvent::ServiceRemoved(_, name) => instance_of(&name).map(Input::Unsighted),
        // On its way, or what a later version may say.
        _ => None,
    }
}

#[cfg(test)]
mod tests;
