//! Opens a node: folder, store, network, core thread, in this order.

use super::{Opened, RunConfig, RunError};
use crate::api::tokens::Token;
use crate::folder::key::{KeyError, Passphrase, PassphraseError};
use crate::folder::{Folder, FolderError};
use crate::handle::{COMMAND_QUEUE, EVENT_QUEUE, NodeHandle};
use crate::health::{Health, Vitals, Watched};
use crate::lan::{Lan, LanMode};
use crate::net::{Net, NetConfig, NetError, server_address_from_text};
use crate::shell::live::{LiveParts, Ways};
use crate::shell::{self, Ends, INPUT_QUEUE, SystemClock};
use crate::store::{OpenError, Store, StoreError};
use std::path::Path;
use std::sync::Arc;
use symbolon_core::CoreConfig;
use symbolon_core::limits::LOOKUPS_MAX;
use symbolon_core::seam::Input;
use symbolon_core::table::{Change, Table};
use symbolon_core::wire::is_name;
use symbolon_core::world::{Shelf, ShelfMut};
use symbolon_presence::kdf::Secret;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// The row of [`Table::Meta`] with the listen port that was drawn once (2 bytes, big-endian).
const PORT_ROW: &[u8] = b"port";
/// The row of [`Table::Meta`] with what a relay announces, as multiaddr texts, one a line.
const ANNOUNCE_ROW: &[u8] = b"announce";
/// How addresses of servers are written.
const SERVER_HINT: &str = "Write it like /ip4/192.0.2.1/tcp/4001, /dns4/relay.example.org/tcp/4001 or \
                           /ip4/192.0.2.1/udp/4001/quic-v1; instead of /dnsaddr write the address that it stands for.";
/// The row of [`Table::Meta`] with the seed of a relay's transport key.
const TRANSPORT_ROW: &[u8] = b"transport";

/// Opens the node of a data folder.
pub async fn open(config: RunConfig) -> Result<Opened, RunError> {
    if config.name.as_deref().is_some_and(|name| name.trim().is_empty() || !is_name(name.trim())) {
        let what = "the name of --name is empty, longer than 64 bytes, or has control characters";
        return Err(RunError::new("bad_name", what, "Choose a shorter, plain name."));
    }
    let lookups: Vec<_> = config.lookups.iter().map_while(|text| server_address_from_text(text)).collect();
    if lookups.len() < config.lookups.len() || lookups.len() > LOOKUPS_MAX {
        let what = format!("address {} of --lookup cannot be dialled, or there are more than {LOOKUPS_MAX}", lookups.len() + 1);
        return Err(RunError::new("bad_lookup", what, SERVER_HINT));
    }
    let passphrase = config.passphrase_file.as_deref().map(read_passphrase).transpose()?;
    let path = config.data.clone();
    let (folder, store) = tokio::task::spawn_blocking(move || open_store(&path, passphrase.as_ref())).await.map_err(|_| internal())??;
    let folder = Arc::new(folder);
    let api_token = folder.api_token().map_err(folder_error).map(|text| Token::from_text(&text))?;

    let (input_sender, inputs) = mpsc::channel(INPUT_QUEUE);
    let Kept { port: kept, is_relay, .. } = Kept::read(&store).map_err(|error| store_error(&error))?;
    if is_relay {
        return Err(RunError::new(
            "not_a_person",
            "this data folder is a relay's: a person needs one of their own",
            "Choose another folder with --data, or start the relay with `symbolon relay run`.",
        ));
    }
    let net = NetConfig {
        listen: config.listen.clone(),
        port: kept,
        lan: config.lan != LanMode::Off,
        bootstrap: config.bootstrap.clone(),
        announce: config.announce.clone(),
        ..NetConfig::default()
    };
    let net = Net::start(net, input_sender.clone()).await.map_err(|error| net_error(&error))?;
    if let Some(port) = net.port().filter(|port| Some(*port) != kept) {
        Kept::write_port(&store, port).map_err(|error| store_error(&error))?;
    }
    if net.port_moved() {
        tracing::warn!("the port of the last start is taken; listening on another one, so friends must hear of it first");
    }
    let listening = net.listening();
    let lan = look_around(&config, &net, input_sender);

    if let Some(lan) = lan.as_ref().map(Lan::handle) {
        let mut keys = net.keys();
        tokio::spawn(async move {
            while keys.changed().await.is_ok() {
                let key = *keys.borrow_and_update();
                lan.rekey(key);
            }
        });
    }

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
    let parts = LiveParts { config: CoreConfig { name: config.name.map(|name| name.trim().to_owned()), lookups, lan_dht: config.lan_dht } };
    let (core_ended, core_end) = oneshot::channel();
    let core = move || {
        // The receiver waits as long as the process lives; nothing is lost when it does not.
        let _ = core_ended.send(shell::run(store, parts, ends));
    };
    std::thread::Builder::new().name("core".to_owned()).spawn(core).map_err(|_| internal())?;

    let (ended_sender, ended) = oneshot::channel();
    let held = folder.clone();
    tokio::spawn(async move {
        let result = core_end.await;
        if let Some(lan) = lan {
            lan.stop().await;
        }
        net.stop().await;
        // The address goes before the lock does, so that nobody calls a node that is gone.
        let withdrawn = held.withdraw_address();
        drop(held);
        let result = match result {
            Ok(Ok(())) => withdrawn.map_err(folder_error),
            Ok(Err(error)) => Err(shell_error(error)),
            Err(_) => Err(internal()),
        };
        let _ = ended_sender.send(result);
    });
    let door = Some(folder.door());
    let publish_address = Box::new(move |address: &str| folder.publish_address(address).map_err(folder_error));
    Ok(Opened { handle, api_token, door, listening, publish_address, ended })
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
        Ok(lan) => Some(lan),
        Err(error) => {
            tracing::warn!(%error, "the local network cannot be looked at");
            None
        }
    }
}

pub(crate) fn read_passphrase(file: &Path) -> Result<Passphrase, RunError> {
    Passphrase::from_file(file).map_err(|error| match error {
        PassphraseError::Exposed => RunError::new(
            "passphrase_exposed",
            "other users of this machine can read the passphrase file",
            "Close it to them with `chmod 600 FILE`. If somebody may have read it, choose another passphrase for a new folder.",
        ),
        PassphraseError::Io(_) => RunError::new(
            "passphrase_unreadable",
            "the passphrase file cannot be read or its first line is empty",
            "Check the path after --passphrase-file.",
        ),
    })
}

pub(crate) fn open_store(path: &Path, passphrase: Option<&Passphrase>) -> Result<(Folder, Store), RunError> {
    let folder = Folder::open(path).map_err(folder_error)?;
    let store = folder.open_store(passphrase).map_err(open_error)?;
    Ok((folder, store))
}

/// What must be known of a store before its machine is loaded.
pub(crate) struct Kept {
    /// The listen port that was drawn once.
    pub port: Option<u16>,
    /// The transport key that was drawn once: a relay's.
    pub transport: Option<Secret>,
    /// Where a relay is reached, as its owner said last.
    pub announce: Vec<String>,
    /// Whether it is a relay's.
    pub is_relay: bool,
    /// Whether it is a person's.
    pub is_person: bool,
}

impl Kept {
    pub(crate) fn read(store: &Store) -> Result<Self, StoreError> {
        let turn = store.begin()?;
        let row = |name| turn.get(Table::Meta, name).map_err(|error| StoreError::Failed(error.0));
        let (port, transport, announce) = (row(PORT_ROW)?, row(TRANSPORT_ROW)?, row(ANNOUNCE_ROW)?);
        let (is_relay, is_person) = (crate::relay::is_relay(&turn), crate::relay::is_person(&turn));
        turn.rollback();
        Ok(Self {
            port: port.and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes),
            transport: transport.and_then(|bytes| bytes.try_into().ok()).map(Secret::from_bytes),
            announce: announce
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map_or_else(Vec::new, |text| text.lines().map(str::to_owned).collect()),
            is_relay,
            is_person,
        })
    }

    pub(crate) fn write_port(store: &Store, port: u16) -> Result<(), StoreError> {
        Self::write(store, PORT_ROW, port.to_be_bytes().to_vec())
    }

    pub(crate) fn write_transport(store: &Store, key: &Secret) -> Result<(), StoreError> {
        Self::write(store, TRANSPORT_ROW, key.expose().to_vec())
    }

    pub(crate) fn write_announce(store: &Store, announce: &[String]) -> Result<(), StoreError> {
        Self::write(store, ANNOUNCE_ROW, announce.join("\n").into_bytes())
    }

    fn write(store: &Store, row: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        let mut turn = store.begin()?;
        let change = Change::Put(Table::Meta, row.to_vec(), value);
        turn.apply(&change).map_err(|error| StoreError::Failed(error.0))?;
        turn.commit()
    }
}

fn folder_error(error: FolderError) -> RunError {
    let (kind, hint) = match &error {
        FolderError::InUse(_) => {
            ("in_use", "A node runs on this folder already: use it, or stop it first, or choose another folder with --data.")
        }
        FolderError::NotAFolder(_) => ("not_a_folder", "Choose another path with --data."),
        FolderError::Exposed(_) => ("folder_exposed", "Choose an empty folder, or one that only you can write into."),
        FolderError::Io(_, error) if error.kind() == std::io::ErrorKind::StorageFull => {
            ("store_full", "Free some space on the disk, then start again.")
        }
        FolderError::Io(..) => ("folder_failed", "Check the path after --data, its permissions and the disk."),
    };
    RunError::new(kind, error.to_string(), hint)
}

fn open_error(error: OpenError) -> RunError {
    let (kind, hint) = match &error {
        OpenError::Damaged { .. } => {
            ("store_damaged", "Nothing was changed. Put a backup of the whole folder in its place, or start with another --data folder.")
        }
        OpenError::NotAStore { .. } => ("not_a_store", "Nothing was changed. Check that the folder's files belong together."),
        OpenError::Older { .. } => {
            ("store_older", "Nothing was changed. Start it with the Symbolon that wrote it, or choose a new folder with --data.")
        }
        OpenError::Newer { .. } => ("store_newer", "Nothing was changed. Start it with the newer Symbolon that wrote it."),
        OpenError::Missing { .. } => ("store_missing", "Put the file back, or start with another --data folder."),
        OpenError::Locked { .. } => ("in_use", "Another program has the store open: stop it first."),
        OpenError::Full { .. } => ("store_full", "Free some space on the disk, then start again."),
        OpenError::Key(key) => return key_error(key, &error),
        OpenError::Io { .. } => ("store_failed", "Check the file, its permissions and the disk."),
    };
    RunError::new(kind, error.to_string(), hint)
}

fn key_error(key: &KeyError, error: &OpenError) -> RunError {
    let (kind, hint) = match key {
        KeyError::WrongPassphrase { .. } => ("wrong_passphrase", "Nothing was changed. Try again with the right passphrase."),
        KeyError::PassphraseNeeded { .. } => ("passphrase_needed", "Give it with --passphrase-file FILE."),
        KeyError::PassphraseNotUsed { .. } => {
            ("passphrase_not_used", "Start without --passphrase-file; a passphrase can only be set when the folder is new.")
        }
        KeyError::TwoKeys { .. } | KeyError::Missing { .. } | KeyError::Damaged { .. } | KeyError::Io { .. } => {
            ("key_failed", "Nothing was changed. Put the key file of this folder back from a backup.")
        }
    };
    RunError::new(kind, error.to_string(), hint)
}

pub(crate) fn store_error(error: &StoreError) -> RunError {
    RunError::new("store_failed", error.to_string(), "Check the disk, then start again.")
}

pub(crate) fn net_error(error: &NetError) -> RunError {
    let (kind, hint) = match error {
        NetError::KeyLog => ("key_log_set", "Start it without SSLKEYLOGFILE in the environment."),
        NetError::BadListen(_) => ("bad_listen", "Write it like /ip4/0.0.0.0/tcp/4001 or /ip4/0.0.0.0/udp/4001/quic-v1."),
        NetError::BadBootstrap(_) => ("bad_bootstrap", SERVER_HINT),
        NetError::BadAnnounce(_) => (
            "bad_announce",
            "Write where others reach it, like /ip4/192.0.2.1/tcp/4001 or /dns4/relay.example.org/udp/4001/quic-v1, without /p2p and not as /dnsaddr.",
        ),
        NetError::Listen(_) | NetError::NotListening => ("listen_failed", "Choose another address or port with --listen."),
        NetError::Setup => ("net_failed", "Check the limits of this system, then start again."),
    };
    RunError::new(kind, error.to_string(), hint)
}

pub(crate) fn shell_error(error: shell::RunError) -> RunError {
    match error {
        shell::RunError::Store(error) => open_error(error),
        shell::RunError::Failed(error) => store_error(&error),
        shell::RunError::Load(what) => RunError::new(
            "store_damaged",
            format!("the store cannot be loaded: {what}"),
            "Nothing was changed. Put a backup of the whole folder in its place.",
        ),
        shell::RunError::System(_) => internal(),
    }
}

pub(crate) fn internal() -> RunError {
    RunError::new("internal", "the system gives no threads or memory", "Check the limits of this system, then start again.")
}
