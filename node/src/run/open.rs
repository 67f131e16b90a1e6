//! Opens a node: folder, store, network, core thread, in this order.

use super::config::RunConfig;
use super::errors::{RunError, SERVER_HINT, folder_error, internal, net_error, open_error, passphrase_error, shell_error, store_error};
use super::kept::Kept;
use super::moves;
use crate::api::tokens::Token;
use crate::clock::SystemClock;
use crate::folder::Folder;
use crate::folder::door::DoorFile;
use crate::folder::key::Passphrase;
use crate::handle::{COMMAND_QUEUE, EVENT_QUEUE, NodeHandle};
use crate::health::{Health, Vitals, Watched};
use crate::lan::{Lan, LanMode};
use crate::net::{Net, NetConfig, server_address_from_text};
use crate::shell::live::{LiveParts, Ways};
use crate::shell::{self, Ends, INPUT_QUEUE};
use crate::store::Store;
use std::path::Path;
use std::sync::Arc;
use symbolon_core::CoreConfig;
use symbolon_core::limits::LOOKUPS_MAX;
use symbolon_core::seam::{Address, Input};
use symbolon_core::wire::is_name;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// An opened node, as its face needs it.
pub struct Opened {
    /// Commands and events.
    pub handle: NodeHandle,
    /// The folder's token.
    pub api_token: Token,
    /// Where the API's port and sessions are kept; `None` for nowhere.
    pub door: Option<DoorFile>,
    /// Where the node listens for friends, as multiaddr texts.
    pub listening: Vec<String>,
    /// Writes the API's address where the command line finds it.
    pub publish_address: PublishAddress,
    /// Comes when the node has ended, with the reason if it ended by a fault. A clean end
    /// means that the store is closed and the published address is gone.
    pub ended: oneshot::Receiver<Result<(), RunError>>,
}

/// See [`Opened::publish_address`].
pub type PublishAddress = Box<dyn FnOnce(&str) -> Result<(), RunError> + Send>;

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened(..)")
    }
}

/// Opens the node of a data folder.
pub async fn open(config: RunConfig) -> Result<Opened, RunError> {
    let lookups = checked(&config)?;
    let passphrase = config.passphrase_file.as_deref().map(read_passphrase).transpose()?;
    let path = config.data.clone();
    let open = move || {
        let (folder, store) = open_store(&path, passphrase.as_ref())?;
        let store = moves::exchange(&folder, store, passphrase.as_ref())?;
        Ok::<_, RunError>((folder, store))
    };
    let (folder, store) = tokio::task::spawn_blocking(open).await.map_err(|_| internal())??;
    let folder = Arc::new(folder);
    let api_token = folder.api_token().map_err(folder_error).map(|text| Token::from_text(&text))?;

    let (input_sender, inputs) = mpsc::channel(INPUT_QUEUE);
    let kept = Kept::read(&store).map_err(|error| store_error(&error))?;
    let net = Net::start(net_config(&config, &kept)?, input_sender.clone()).await.map_err(|error| net_error(&error))?;
    // One that stands in for a kept port that is taken is for this run only.
    if let Some(port) = net.port().filter(|port| Some(*port) != kept.port && !net.port_moved()) {
        Kept::write_port(&store, port).map_err(|error| store_error(&error))?;
    }
    let is_hub = config.hub.unwrap_or(kept.is_hub);
    if is_hub != kept.is_hub {
        Kept::write_hub(&store, is_hub).map_err(|error| store_error(&error))?;
    }
    if net.port_moved() {
        tracing::warn!("the port of the last start is taken; listening on another one, so friends must hear of it first");
    }
    let listening = net.listening();
    let lan = look_around(&config, &net, input_sender);

    let (command_sender, commands) = mpsc::channel(COMMAND_QUEUE);
    let (events, _) = broadcast::channel(EVENT_QUEUE);
    let (stop, stopped) = watch::channel(false);
    let vitals = Arc::new(Vitals::default());
    let watched = Watched {
        folder: folder.path().to_path_buf(),
        vitals: vitals.clone(),
        progress: store.progress(),
        listening: listening.clone(),
        is_everywhere: net.is_everywhere(),
        port_moved: net.port_moved(),
    };
    let health = Health::new(move || watched.facts());
    let handle = NodeHandle::new(command_sender, events.clone(), Arc::new(stop), health);
    let ends = Ends {
        commands,
        inputs,
        events,
        stop: stopped,
        transport: Ways { net: net.handle(), lan: lan.as_ref().map(Lan::handle) },
        clock: SystemClock,
        vitals,
    };
    let name = config.name.map(|name| name.trim().to_owned());
    let parts = LiveParts { config: CoreConfig { name, lookups, lan_dht: config.lan_dht, hub: is_hub } };
    let (core_ended, core_end) = oneshot::channel();
    let core = move || {
        // The receiver waits as long as the process lives; nothing is lost when it does not.
        let _ = core_ended.send(shell::run(store, parts, ends));
    };
    std::thread::Builder::new().name("core".to_owned()).spawn(core).map_err(|_| internal())?;

    let ended = end_with(core_end, net, lan, folder.clone());
    let door = Some(folder.door());
    let publish_address = Box::new(move |address: &str| folder.publish_address(address).map_err(folder_error));
    Ok(Opened { handle, api_token, door, listening, publish_address, ended })
}

/// Looks at what was typed; the lookup servers in it.
fn checked(config: &RunConfig) -> Result<Vec<Address>, RunError> {
    if config.name.as_deref().is_some_and(|name| name.trim().is_empty() || !is_name(name.trim())) {
        let what = "the name of --name is empty, longer than 64 bytes, or has control characters";
        return Err(RunError::new("bad_name", what, "Choose a shorter, plain name."));
    }
    let lookups: Vec<_> = config.lookups.iter().map_while(|text| server_address_from_text(text)).collect();
    if lookups.len() < config.lookups.len() || lookups.len() > LOOKUPS_MAX {
        let what = format!("address {} of --lookup cannot be dialled, or there are more than {LOOKUPS_MAX}", lookups.len() + 1);
        return Err(RunError::new("bad_lookup", what, SERVER_HINT));
    }
    Ok(lookups)
}

/// The network at the port of the last start, if this is a person's folder.
fn net_config(config: &RunConfig, kept: &Kept) -> Result<NetConfig, RunError> {
    if kept.is_relay {
        return Err(RunError::new(
            "not_a_person",
            "this data folder is a relay's: a person needs one of their own",
            "Choose another folder with --data, or start the relay with `symbolon relay run`.",
        ));
    }
    Ok(NetConfig {
        listen: config.listen.clone(),
        port: kept.port,
        lan: config.lan != LanMode::Off,
        bootstrap: config.bootstrap.clone(),
        announce: config.announce.clone(),
        hub: config.hub.unwrap_or(kept.is_hub),
        ..NetConfig::default()
    })
}

/// Stops all that is left once the core has ended, and says how it ended.
fn end_with(
    core_end: oneshot::Receiver<Result<(), shell::RunError>>,
    net: Net,
    lan: Option<Lan>,
    folder: Arc<Folder>,
) -> oneshot::Receiver<Result<(), RunError>> {
    let (ended_sender, ended) = oneshot::channel();
    tokio::spawn(async move {
        let result = core_end.await;
        if let Some(lan) = lan {
            lan.stop().await;
        }
        net.stop().await;
        // The address goes before the lock does, so that nobody calls a node that is gone.
        let withdrawn = folder.withdraw_address();
        drop(folder);
        let result = match result {
            Ok(Ok(())) => withdrawn.map_err(folder_error),
            Ok(Err(error)) => Err(shell_error(error)),
            Err(_) => Err(internal()),
        };
        let _ = ended_sender.send(result);
    });
    ended
}

/// Looks at the LAN, if that is wanted and the node can be reached from there.
fn look_around(config: &RunConfig, net: &Net, inputs: mpsc::Sender<Input>) -> Option<Lan> {
    let mut sockets = net.sockets();
    let named = !net.is_everywhere();
    if named {
        sockets.retain(|(ip, ..)| !ip.is_loopback());
    }
    if config.lan == LanMode::Off || sockets.is_empty() {
        return None;
    }
    match Lan::start(config.lan, named, &sockets, net.transport_key(), inputs) {
        Ok(lan) => {
            follow_keys(net, &lan);
            Some(lan)
        }
        Err(error) => {
            tracing::warn!(%error, "the local network cannot be looked at");
            None
        }
    }
}

/// Shows each transport key of the network on the LAN.
fn follow_keys(net: &Net, lan: &Lan) {
    let (mut keys, lan) = (net.keys(), lan.handle());
    tokio::spawn(async move {
        while keys.changed().await.is_ok() {
            let key = *keys.borrow_and_update();
            lan.rekey(key);
        }
    });
}

pub(crate) fn read_passphrase(file: &Path) -> Result<Passphrase, RunError> {
    Passphrase::from_file(file).map_err(|error| passphrase_error(&error))
}

pub(crate) fn open_store(path: &Path, passphrase: Option<&Passphrase>) -> Result<(Folder, Store), RunError> {
    let folder = Folder::open(path).map_err(folder_error)?;
    let store = folder.open_store(passphrase).map_err(open_error)?;
    Ok((folder, store))
}
