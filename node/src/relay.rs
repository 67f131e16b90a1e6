//! `symbolon relay run`: the turn loop, the store and the network of a node, with the relay's
//! machine instead of the core.
//!
//! Store and keys are those of a data folder as any node has one; but a folder is either a
//! person's or a relay's, never both: a relay must hold nothing of its owner.

use crate::folder;
use crate::health::Vitals;
use crate::mls::MlsCipher;
use crate::net::{Limits, Net, NetConfig, is_public};
use crate::run::RunError;
use crate::run::open::{Kept, internal, net_error, open_store, read_passphrase, shell_error, store_error};
use crate::run::{STOP_TIMEOUT, Signals};
use crate::shell::live::Ways;
use crate::shell::{self, Ends, INPUT_QUEUE, LoadFailed, Machine, Parts, SystemClock};
use crate::store::{MlsTable, Store};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use symbolon_core::TurnFailed;
use symbolon_core::command::CommandError;
use symbolon_core::seam::{Action, CloseReason, Event, Input, LinkId, NetAction};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{Shelf, World};
use symbolon_presence::clock::Kept as KeptTime;
use symbolon_presence::codec;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;
use symbolon_relay::link::{ClaimCode, RelayLink};
use symbolon_relay::machine::{Policy, Relay, RelayAction, RelayKeys, RelayRows, RelaySettings, RelayShelf, RelayTable, ShelfFailed};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// The row of [`Table::Meta`] with the relay's keys.
const KEYS_ROW: &[u8] = b"relay";
/// The row of [`Table::Meta`] with sure time, and that in which older versions kept the newest wall time.
const CLOCK_ROW: &[u8] = b"clock";
const NEWEST_ROW: &[u8] = b"newest";
/// The row of [`Table::Meta`] that a person's folder has.
const IDENTITY_ROW: &[u8] = b"identity";
/// The row of [`Table::Meta`] with what the operator has set.
const SETTINGS_ROW: &[u8] = b"relay settings";
/// The longest row of keys.
const KEYS_MAX: usize = 1024;
/// The longest row of sure time.
const CLOCK_MAX: usize = 64;

/// What `relay run` was told.
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
    /// Who may have a mailbox.
    pub policy: Policy,
    /// How many bytes may be kept in all. It is remembered over restarts: without it the last value
    /// counts.
    pub bytes: Option<u64>,
    /// A file whose first line is the folder's passphrase.
    pub passphrase_file: Option<PathBuf>,
}

/// The relay is up.
#[derive(Clone)]
pub struct RelayReady {
    /// The mailbox id.
    pub id: String,
    /// Proves to this relay that a mailbox is its owner's.
    pub claim: String,
    /// The private file that holds it.
    pub claim_file: PathBuf,
    /// What the owner gives to friends, if they may have mailboxes here.
    pub friends: Option<String>,
    /// The private file that holds that.
    pub friends_file: Option<PathBuf>,
    /// What others need to use it.
    pub link: String,
    /// Where it listens.
    pub listen: Vec<String>,
    /// Connections that it can hold at once.
    pub places: usize,
    /// Whether the system's bound on open files leaves it fewer than it could serve.
    pub is_short: bool,
    /// How many bytes it keeps at most.
    pub bytes: u64,
    /// Whether its link leads nowhere from beyond the own network.
    pub is_private: bool,
}

impl std::fmt::Debug for RelayReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayReady(..)")
    }
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
    let kept = Kept::read(&store).map_err(|error| store_error(&error))?;
    if kept.is_person {
        return Err(RunError::new(
            "not_a_relay",
            "this data folder is a person's: a relay needs one of its own",
            "Choose another folder with --data; a relay holds nothing of its owner.",
        ));
    }
    let (input_sender, inputs) = mpsc::channel(INPUT_QUEUE);
    // Kept, unlike a person's: friends of its users know by it where connections are forwarded.
    let transport = match kept.transport.clone() {
        Some(transport) => transport,
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|_| internal())?;
            let transport = Secret::from_bytes(seed);
            Kept::write_transport(&store, &transport).map_err(|error| store_error(&error))?;
            transport
        }
    };
    let announce = match config.announce.as_slice() {
        [] => kept.announce.clone(),
        [none] if none == "none" => Vec::new(),
        named => named.to_vec(),
    };
    let net = NetConfig {
        listen: config.listen.clone(),
        port: kept.port,
        forward: Some(transport),
        bootstrap: config.bootstrap.clone(),
        announce: announce.clone(),
        limits: Limits::of_relay(),
        ..NetConfig::default()
    };
    let net = Net::start(net, input_sender).await.map_err(|error| net_error(&error))?;
    if let Some(port) = net.port().filter(|port| Some(*port) != kept.port) {
        Kept::write_port(&store, port).map_err(|error| store_error(&error))?;
    }
    // Kept once the transport has read it.
    if announce != kept.announce {
        Kept::write_announce(&store, &announce).map_err(|error| store_error(&error))?;
    }
    let listen = net.listening();
    // Nobody commands a relay yet, and nobody hears of events.
    let (commands_sender, commands) = mpsc::channel(1);
    let (events, _) = broadcast::channel(1);
    let (stop, stopped) = watch::channel(false);
    let (facts, mut told) = watch::channel(None);
    let vitals = Arc::new(Vitals::default());
    let ends =
        Ends { commands, inputs, events, stop: stopped, transport: Ways { net: net.handle(), lan: None }, clock: SystemClock, vitals };
    let parts = RelayParts { policy: config.policy, bytes: config.bytes, facts };
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
        Some(Facts { link, claim, friends, bytes }) => {
            let (claim, friends) = (claim.to_string(), friends.map(|code| code.to_string()));
            let (claim_file, friends_file) = folder::claim::write(&config.data, &claim, friends.as_deref()).map_err(|error| {
                RunError::new("io", format!("the claim code cannot be written: {error}"), "Look at the data folder and its disk.")
            })?;
            ready(&RelayReady {
                id: link.mailbox().to_string(),
                claim,
                claim_file,
                friends,
                friends_file,
                is_private: !link.places.iter().any(is_public),
                link: link.to_string(),
                listen,
                places: net.places(),
                is_short: net.places() < Limits::of_relay().connections,
                bytes,
            });
            tokio::select! {
                () = signals.next() => None,
                result = &mut ended => Some(result),
            }
        }
        None => None,
    };
    let _ = stop.send(true);
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

/// What a relay says about itself once it is up.
#[derive(Debug, Clone)]
struct Facts {
    link: RelayLink,
    claim: ClaimCode,
    friends: Option<ClaimCode>,
    bytes: u64,
}

struct RelayParts {
    policy: Policy,
    bytes: Option<u64>,
    facts: watch::Sender<Option<Facts>>,
}

impl Parts for RelayParts {
    type Machine = RelayMachine;
    // No room is ever opened here; the loop wants a cipher all the same.
    type Cipher = MlsCipher<MlsTable>;

    fn cipher(&mut self, store: &Rc<Store>) -> Self::Cipher {
        MlsCipher::new(MlsTable::new(store.clone()))
    }

    fn machine(&mut self, shelf: &dyn Shelf, now: Timestamp, rng_seed: [u8; 32]) -> Result<RelayMachine, LoadFailed> {
        let stored = shelf.get(Table::Meta, KEYS_ROW).map_err(|error| LoadFailed(error.0))?;
        let mut changes = VecDeque::new();
        let is_first = stored.is_none();
        let keys = match stored {
            Some(bytes) => codec::decode_row(&bytes, KEYS_MAX).map_err(|_| LoadFailed("the relay's keys cannot be read"))?,
            None => {
                let keys = RelayKeys::random(&mut ChaCha20Rng::from_seed(rng_seed));
                changes.push_back(Change::Put(Table::Meta, KEYS_ROW.to_vec(), codec::encode_row(&keys)));
                keys
            }
        };
        let (mailbox_key, claim) = (keys.mailbox.public(), keys.claim);
        let friends = (self.policy == Policy::Friends).then_some(keys.friends);
        let mut relay =
            Relay::load(keys, self.policy, &Rows { shelf, written: BTreeMap::new() }, now).map_err(|error| LoadFailed(error.0))?;
        let stored = shelf.get(Table::Meta, SETTINGS_ROW).map_err(|error| LoadFailed(error.0))?;
        let known: RelaySettings = match stored {
            Some(bytes) => codec::decode_row(&bytes, KEYS_MAX).map_err(|_| LoadFailed("the relay's settings cannot be read"))?,
            None => RelaySettings::default(),
        };
        let settings = RelaySettings { bytes: self.bytes.or(known.bytes) };
        if settings != known {
            changes.push_back(Change::Put(Table::Meta, SETTINGS_ROW.to_vec(), codec::encode_row(&settings)));
        }
        if let Some(bytes) = settings.bytes {
            relay.limit_bytes(bytes);
        }
        let row = |name| shelf.get(Table::Meta, name).map_err(|error| LoadFailed(error.0));
        if let Some(row) = row(CLOCK_ROW)? {
            relay.set_time(codec::decode_row(&row, CLOCK_MAX).map_err(|_| LoadFailed("the relay's sure time cannot be read"))?);
        } else if !is_first {
            // A folder of an older version: if one of the two times is wrong, it is the later one.
            let newest = row(NEWEST_ROW)?.and_then(|row| row.try_into().ok()).map(u64::from_be_bytes).unwrap_or_default();
            relay.set_time(KeptTime { sure: now.min(Timestamp(newest)), is_signed: false });
        }
        Ok(RelayMachine { relay, changes, actions: VecDeque::new(), mailbox_key, claim, friends, facts: self.facts.clone() })
    }
}

/// The relay in the turn loop.
struct RelayMachine {
    relay: Relay,
    changes: VecDeque<Change>,
    actions: VecDeque<Action>,
    mailbox_key: symbolon_presence::id::PublicKeyBytes,
    claim: ClaimCode,
    friends: Option<ClaimCode>,
    facts: watch::Sender<Option<Facts>>,
}

impl RelayMachine {
    fn with<T>(
        &mut self,
        world: &World<'_>,
        work: impl FnOnce(&mut Relay, &mut Rows<'_>) -> Result<T, ShelfFailed>,
    ) -> Result<T, TurnFailed> {
        let mut rows = Rows { shelf: world.shelf, written: BTreeMap::new() };
        let done = work(&mut self.relay, &mut rows).map_err(|error| TurnFailed(error.0))?;
        self.changes.extend(rows.written.into_iter().map(|((table, key), value)| match value {
            Some(value) => Change::Put(table_of(table), key, value),
            None => Change::Delete(table_of(table), key),
        }));
        Ok(done)
    }
}

impl Machine for RelayMachine {
    fn handle(&mut self, now: Timestamp, input: Input, world: &mut World<'_>) -> Result<(), TurnFailed> {
        match input {
            Input::Command(id, _) => self.actions.push_back(Action::Reply(id, Err(CommandError::NotFound))),
            Input::Addresses(places) => {
                let places: Vec<_> = places.into_iter().take(symbolon_relay::limits::PLACES_MAX).collect();
                let link = RelayLink { mailbox_key: self.mailbox_key, receipt: self.relay.receipt_key(), places };
                if link.is_bounded() {
                    self.facts.send_replace(Some(Facts { link, claim: self.claim, friends: self.friends, bytes: self.relay.bytes().1 }));
                }
            }
            Input::LinkUp { link, source, .. } => self.relay.link_up(link.0, source.0),
            Input::LinkDown(link) => self.relay.link_down(link.0),
            // A relay calls nobody and shows itself to nobody.
            Input::DialFailed(_)
            | Input::LanUp { .. }
            | Input::LanMoved(_)
            | Input::Sighted(_)
            | Input::Unsighted(_)
            | Input::Found(..)
            | Input::Servers(..)
            | Input::Lookups(_)
            | Input::Resolved(_)
            | Input::Stopping => {}
            Input::Frame(link, bytes) => self.with(world, |relay, rows| relay.frame(now, rows, link.0, &bytes))?,
            Input::Tick => self.with(world, |relay, rows| relay.tick(now, rows))?,
        }
        Ok(())
    }

    fn close_turn(&mut self, now: Timestamp, world: &mut World<'_>) -> Result<(), TurnFailed> {
        self.with(world, |relay, rows| relay.close_turn(now, rows))?;
        if let Some(kept) = self.relay.time_to_write() {
            self.changes.push_back(Change::Put(Table::Meta, CLOCK_ROW.to_vec(), codec::encode_row(&kept)));
        }
        Ok(())
    }

    fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front().or_else(|| {
            let action = self.relay.poll_action()?;
            Some(Action::Net(match action {
                RelayAction::Send(link, frame) => NetAction::Send(LinkId(link), frame),
                RelayAction::Admit(link) => NetAction::Admit(LinkId(link)),
                RelayAction::Heard(link) => NetAction::Heard(LinkId(link)),
                RelayAction::Keep(link, kept) => NetAction::Keep(LinkId(link), kept),
                RelayAction::Host(owner, record) => {
                    NetAction::Host(owner.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first)), record)
                }
                RelayAction::Close(link) => NetAction::Close(LinkId(link), CloseReason::Protocol),
            }))
        })
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }

    fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        Some((self.relay.next_due(), "what is over is deleted, and records of the day are let be found"))
    }
}

/// The relay's rows in the node's store, with what is written and not applied yet.
struct Rows<'a> {
    shelf: &'a dyn Shelf,
    written: BTreeMap<(RelayTable, Vec<u8>), Option<Vec<u8>>>,
}

fn table_of(table: RelayTable) -> Table {
    match table {
        RelayTable::Mailbox => Table::Kept,
        RelayTable::Entry => Table::Entry,
        RelayTable::Frame => Table::EntryFrame,
        RelayTable::Expiry => Table::EntryExpiry,
        RelayTable::Use => Table::GrantUse,
        RelayTable::Away => Table::Away,
        RelayTable::Package => Table::Package,
    }
}

impl RelayShelf for Rows<'_> {
    fn get(&self, table: RelayTable, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfFailed> {
        match self.written.get(&(table, key.to_vec())) {
            Some(written) => Ok(written.clone()),
            None => self.shelf.get(table_of(table), key).map_err(|error| ShelfFailed(error.0)),
        }
    }

    fn range(&self, table: RelayTable, from: &[u8], limit: usize) -> Result<RelayRows, ShelfFailed> {
        let written: Vec<_> = self.written.range((table, from.to_vec())..).take_while(|((other, _), _)| *other == table).collect();
        let rows = self.shelf.range(table_of(table), from, limit.saturating_add(written.len())).map_err(|error| ShelfFailed(error.0))?;
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = rows.into_iter().collect();
        for ((_, key), value) in written {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    fn set(&mut self, table: RelayTable, key: &[u8], value: Option<Vec<u8>>) {
        self.written.insert((table, key.to_vec()), value);
    }
}

/// Whether a folder's store is a relay's.
pub(crate) fn is_relay(shelf: &dyn Shelf) -> bool {
    shelf.get(Table::Meta, KEYS_ROW).is_ok_and(|row| row.is_some())
}

/// Whether a folder's store is a person's.
pub(crate) fn is_person(shelf: &dyn Shelf) -> bool {
    shelf.get(Table::Meta, IDENTITY_ROW).is_ok_and(|row| row.is_some())
}
