//! `symbolon relay run`: the turn loop, the store and the network of a node, with the relay's
//! machine instead of the core.
//!
//! Store and keys are those of a data folder as any node has one; but a folder is either a
//! person's or a relay's, never both: a relay must hold nothing of its owner.

mod machine;
mod shown;
mod status;

pub use status::{RelayReady, RelayStatus, running};

use crate::clock::SystemClock;
use crate::folder;
use crate::health::Vitals;
use crate::net::{Limits, Net, NetConfig, is_public};
use crate::run::errors::{internal, net_error, shell_error, store_error};
use crate::run::kept::Kept;
use crate::run::open::{open_store, read_passphrase};
use crate::run::{RunError, STOP_TIMEOUT, Signals};
use crate::shell::live::Ways;
use crate::shell::{self, Ends, INPUT_QUEUE};
use crate::store::{Store, StoreError};
use machine::{Facts, RelayParts};
use std::path::PathBuf;
use std::sync::Arc;
use symbolon_presence::kdf::Secret;
use symbolon_relay::machine::rows::RelayLimits;
use symbolon_relay::machine::seam::Policy;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// What `relay run` was given.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen, as multiaddr texts; empty for the default.
    pub listen: Vec<String>,
    /// Where other DHT servers may be, as multiaddr texts.
    pub bootstrap: Vec<String>,
    /// Where others reach it, as multiaddr texts; kept for later starts. Empty means the remembered
    /// ones, the single word `none` that nothing is announced any more.
    pub announce: Vec<String>,
    /// Who may have a mailbox. It is remembered over restarts: without it the last value counts, at
    /// first the owner alone.
    pub policy: Option<Policy>,
    /// The port to listen at, if no addresses are given; otherwise the one that was drawn once.
    pub port: Option<u16>,
    /// How many bytes may be kept in all. It is remembered over restarts: without it the last value
    /// counts.
    pub bytes: Option<u64>,
    /// What else of its limits is set. Each is remembered over restarts.
    pub limits: RelayLimits,
    /// Whether rooms may have their hub here. It is remembered over restarts: without it the last value counts, at first that
    /// they may not.
    pub hub: Option<bool>,
    /// Whether it is shown on the LAN, for this run; without, a relay is whose link has no public address.
    pub lan: Option<bool>,
    /// A file whose first line is the folder's passphrase.
    pub passphrase_file: Option<PathBuf>,
}

/// Runs the relay of a data folder on a runtime of its own, until it ends, as [`crate::run::run_here`] does.
pub fn run_here(config: RelayConfig, ready: &mut dyn FnMut(&RelayReady)) -> Result<(), RunError> {
    crate::run::runtime()?.block_on(run(config, ready))
}

/// Runs a relay until SIGINT or SIGTERM, or until it fails.
pub async fn run(config: RelayConfig, ready: impl FnOnce(&RelayReady)) -> Result<(), RunError> {
    let mut signals = Signals::catch()?;
    let passphrase = config.passphrase_file.as_deref().map(read_passphrase).transpose()?;
    let path = config.data.clone();
    let (locked, store) = tokio::task::spawn_blocking(move || open_store(&path, passphrase.as_ref())).await.map_err(|_| internal())??;
    let (input_sender, inputs) = mpsc::channel(INPUT_QUEUE);
    let kept = Kept::read(&store).map_err(|error| store_error(&error))?;
    let set = config.limits.or(limits_of(&store)?);
    let wanted = net_config(&config, &kept, &set, &store)?;
    let places = wanted.limits.connections;
    let (announce, is_hub) = (wanted.announce.clone(), wanted.hub);
    let shown = what_is_set(&config, &set, &announce);
    let data = config.data.clone();
    let net = Net::start(wanted, input_sender).await.map_err(|error| net_error(&error))?;
    keep(&store, &kept, &net, config.port.is_some(), (&announce, is_hub)).map_err(|error| store_error(&error))?;
    // Nobody commands a relay yet, and nobody hears of events.
    let (commands_sender, commands) = mpsc::channel(1);
    let (events, _) = broadcast::channel(1);
    let (stop, stopped) = watch::channel(false);
    let (facts, mut told) = watch::channel(None);
    let vitals = Arc::new(Vitals::default());
    let watched = vitals.clone();
    let ends =
        Ends { commands, inputs, events, stop: stopped, transport: Ways { net: net.handle(), lan: None }, clock: SystemClock, vitals };
    let parts = RelayParts { policy: config.policy, bytes: config.bytes, limits: config.limits, hub: is_hub, facts };
    let (ended_sender, mut ended) = oneshot::channel();
    let body = move || {
        let _ = ended_sender.send(shell::run(store, parts, ends));
    };
    std::thread::Builder::new().name("relay".to_owned()).spawn(body).map_err(|_| internal())?;

    let is_up = tokio::select! {
        // The relay says who it is once it knows where it is.
        up = told.wait_for(Option::is_some) => up.ok().and_then(|facts| facts.clone()),
        () = signals.next() => None,
        _ = &mut ended => return Err(internal()),
        () = tokio::time::sleep(STOP_TIMEOUT) => None,
    };
    let early = match is_up {
        Some(facts) => {
            let introduction = RelayReady { set: shown, ..introduction(&config, facts, &net, (is_hub, places))? };
            tracing::info!(policy = introduction.policy.name(), addresses = introduction.listen.len(), "the relay has started");
            let lan = if config.lan.unwrap_or(introduction.is_private) { shown::show(&net) } else { None };
            ready(&introduction);
            let mut log = status::Log::new(std::time::Instant::now(), watched);
            let early = tokio::select! {
                () = signals.next() => None,
                result = &mut ended => Some(result),
                () = status::keep(&data, &introduction, told, &mut log) => None,
            };
            log.end();
            if let Some(lan) = lan {
                lan.stop().await;
            }
            early
        }
        None => None,
    };
    let _ = stop.send(true);
    status::withdraw(&data);
    tracing::info!("the relay has stopped");
    let result = match early {
        Some(result) => Ok(result),
        None => tokio::time::timeout(STOP_TIMEOUT, ended).await,
    };
    net.stop().await;
    drop((commands_sender, locked));
    match result {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(shell_error(error)),
        Ok(Err(_)) => Err(internal()),
        Err(_) => Err(RunError::new(
            "stop_timed_out",
            "the relay did not stop in time and was cut off",
            "Nothing that it has signed for is lost; just start it again.",
        )),
    }
}

/// Keeps for the next start what is new of this one.
fn keep(store: &Store, kept: &Kept, net: &Net, names_port: bool, (announce, is_hub): (&[String], bool)) -> Result<(), StoreError> {
    // One that stands in for a kept port that is taken is for this run only.
    if let Some(port) = net.port().filter(|port| Some(*port) != kept.port && !net.port_moved()) {
        Kept::write_port(store, port)?;
    }
    // Noted once it was had.
    if names_port && !kept.is_port_named {
        Kept::write_port_named(store)?;
    }
    // Kept once the transport has read it.
    if announce != kept.announce.as_slice() {
        Kept::write_announce(store, announce)?;
    }
    if is_hub != kept.is_hub {
        Kept::write_hub(store, is_hub)?;
    }
    Ok(())
}

/// The network under the key and at the port of the last start, if this is a relay's folder.
fn net_config(config: &RelayConfig, kept: &Kept, set: &RelayLimits, store: &Store) -> Result<NetConfig, RunError> {
    if kept.is_person {
        return Err(RunError::new(
            "not_a_relay",
            "this data folder is a person's: a relay needs one of its own",
            "Choose another folder with --data; a relay holds nothing of its owner.",
        ));
    }
    // Kept, unlike a person's: friends of its users know by it where connections are forwarded.
    let transport = match kept.transport.clone() {
        Some(transport) => transport,
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|_| internal())?;
            let transport = Secret::from_bytes(seed);
            Kept::write_transport(store, &transport).map_err(|error| store_error(&error))?;
            transport
        }
    };
    let announce = match config.announce.as_slice() {
        [] => kept.announce.clone(),
        [none] if none == "none" => Vec::new(),
        named => named.to_vec(),
    };
    Ok(NetConfig {
        listen: config.listen.clone(),
        port: config.port.or(kept.port),
        is_port_named: config.port.is_some() || kept.is_port_named,
        forward: Some(transport),
        hub: config.hub.unwrap_or(kept.is_hub),
        bootstrap: config.bootstrap.clone(),
        announce,
        limits: Limits::of_relay().within(set.connections, set.of_address),
        ..NetConfig::default()
    })
}

/// What its operator has set at earlier starts.
fn limits_of(store: &Store) -> Result<RelayLimits, RunError> {
    let turn = store.begin().map_err(|error| store_error(&error))?;
    let known = machine::settings(&turn);
    turn.rollback();
    Ok(known.map_err(|_| internal())?.limits.unwrap_or_default())
}

/// What its operator has set and no figure shows, by the keys of the file of settings.
fn what_is_set(config: &RelayConfig, set: &RelayLimits, announce: &[String]) -> serde_json::Value {
    let mut shown = serde_json::Map::new();
    let numbers = [
        ("mailboxes", set.mailboxes.map(u64::from)),
        ("mailbox-bytes", set.mailbox_bytes),
        ("newcomers", set.newcomers.map(u64::from)),
        ("connections-per-address", set.of_address.map(u64::from)),
    ];
    shown.extend(numbers.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
    if !announce.is_empty() {
        shown.insert("announce".to_owned(), announce.into());
    }
    if let Some(lan) = config.lan {
        shown.insert("lan".to_owned(), lan.into());
    }
    shown.into()
}

/// What the relay says of itself, its codes written into the folder.
fn introduction(config: &RelayConfig, facts: Facts, net: &Net, (is_hub, places): (bool, usize)) -> Result<RelayReady, RunError> {
    let Facts { link, claim, friends, policy, bytes, counts: _, is_full: _, refused: _ } = facts;
    let (claim, friends) = (claim.to_string(), friends.map(|code| code.to_string()));
    let (claim_file, friends_file) = folder::claim::write(&config.data, &claim, friends.as_deref()).map_err(|error| {
        RunError::new("io", format!("the claim code cannot be written: {error}"), "Look at the data folder and its disk.")
    })?;
    Ok(RelayReady {
        is_hub,
        id: link.mailbox().to_string(),
        claim,
        claim_file,
        friends,
        friends_file,
        is_private: !link.places.iter().any(is_public),
        link: link.to_string(),
        listen: net.listening(),
        places: net.places(),
        is_short: net.places() < places,
        policy,
        bytes,
        set: serde_json::Value::Null,
    })
}
