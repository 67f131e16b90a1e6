//! The words alone: a fresh folder becomes a device of a person by what their devices have left at relays. No node runs
//! meanwhile; the network is there for as long as it takes to ask. The protocol page is `docs/protocol/recovery.md`.

use super::backup::{Restored, entropy_of, is_fresh, restore_from};
use super::errors::{RunError, internal, net_error};
use super::runtime;
use crate::api::json;
use crate::clock::{Clock, SystemClock};
use crate::folder::write::read_bounded;
use crate::lan::{Lan, LanMode};
use crate::net::{Net, NetConfig};
use crate::shell::INPUT_QUEUE;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use symbolon_core::recovery::{ASKED_MAX, Capsule, Ending, Search, Taken};
use symbolon_core::seam::Input;
use symbolon_core::wire::backup_key;
use symbolon_presence::capsule::{CAPSULE_MAILBOXES, PIECES_OF_MAILBOX, SEALED_PIECE};
use symbolon_presence::id::MailboxId;
use symbolon_presence::kdf::Secret;
use symbolon_relay::link::RelayLink;
use tokio::sync::mpsc;

/// The longest sleep: the wall clock may jump.
const LONGEST_WAIT: u64 = 1_000;

/// A folder that was restored from what lay at relays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// Who it is.
    pub restored: Restored,
    /// When what it was made of was left there, by the clock of the device that did (RFC 3339).
    pub made: String,
}

/// Makes a fresh folder a further device of the person of a recovery phrase, by what lies at these relays. Where none is named, the
/// LAN is asked.
pub fn recover(data: &Path, words: &str, relays: &[String], passphrase_file: Option<&Path>) -> Result<Returned, RunError> {
    let entropy = entropy_of(words)?;
    is_fresh(data)?;
    let relays = links(relays)?;
    let is_named = !relays.is_empty();
    let mut taken = TakenFile::open(data)?;
    let Ended { capsules, endings, has_company } = runtime()?.block_on(search(&entropy, relays, &mut taken))?;
    let mut refused = None;
    // The newest that is a backup of these words: one that cannot be read does not hide an older one.
    for capsule in capsules {
        match restore_from(data, &entropy, || Ok(capsule.bytes.as_slice()), passphrase_file) {
            Ok(restored) => {
                taken.remove();
                return Ok(Returned { restored, made: json::time(capsule.made) });
            }
            Err(error) if error.kind == "damaged_backup" || error.kind == "not_a_backup" => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| if is_named || !endings.is_empty() { nothing(&endings) } else { nobody(has_company) }))
}

fn links(relays: &[String]) -> Result<Vec<RelayLink>, RunError> {
    if relays.len() > ASKED_MAX {
        return Err(RunError::new("full", format!("there are more than {ASKED_MAX} relays"), "Name those that you used last."));
    }
    let parsed: Result<Vec<RelayLink>, _> = relays.iter().map(|link| link.trim().parse()).collect();
    parsed.map_err(|_| {
        RunError::new(
            "bad_link",
            "a link given with --relay is not a relay's link",
            "Copy the whole link that `symbolon id phrase` shows, or that `symbolon relay info` prints on the relay.",
        )
    })
}

/// What came of a search.
struct Ended {
    /// The newest first.
    capsules: Vec<Capsule>,
    endings: Vec<Ending>,
    /// Whether the LAN has shown anybody.
    has_company: bool,
}

/// Asks relays until they have answered, or do not.
async fn search(entropy: &Secret, relays: Vec<RelayLink>, taken: &mut TakenFile) -> Result<Ended, RunError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| internal())?;
    let mut search = Search::new(&backup_key(entropy), ChaCha20Rng::from_seed(seed));
    search.go_on(taken.read()?);
    let (sender, mut inputs) = mpsc::channel(INPUT_QUEUE);
    let net = Net::start(NetConfig::default(), sender.clone()).await.map_err(|error| net_error(&error))?;
    let lan = if relays.is_empty() { look_around(&net, sender) } else { None };
    let mut clock = SystemClock;
    let servers = relays.iter().map(|relay| relay.places.clone()).collect();
    for relay in relays {
        search.ask(relay, clock.now());
    }
    // A relay that is named may be anybody's: it leads to where the person's own are named.
    search.look_at(servers, clock.now());
    while !search.is_over(clock.now()) {
        while let Some(action) = search.poll_action() {
            net.handle().act(action);
        }
        let wait = search.next_due().map_or(LONGEST_WAIT, |due| due.since(clock.now()).min(LONGEST_WAIT));
        tokio::select! {
            input = inputs.recv() => match input {
                Some(input) => search.handle(clock.now(), &input),
                None => break,
            },
            () = tokio::time::sleep(Duration::from_millis(wait.max(1))) => search.tick(clock.now()),
        }
        taken.add(&search.take_taken())?;
    }
    // What was handed out goes back before the links are closed.
    while let Some(action) = search.poll_action() {
        net.handle().act(action);
    }
    if let Some(lan) = lan {
        lan.stop().await;
    }
    net.stop().await;
    let endings = search.endings().into_iter().flatten().collect();
    Ok(Ended { capsules: search.found(), endings, has_company: search.has_company() })
}

/// What relays have handed out, sealed as it lay there, beside the folder that is to be made: they hand each piece out once, and a search may be
/// broken off before it has put them back. It is removed once the folder is there.
struct TakenFile {
    path: PathBuf,
}

/// One piece in that file: the relay, the mailbox, the package.
const TAKEN_LEN: usize = MailboxId::LEN + 1 + SEALED_PIECE;

/// The longest such file: eight relays with all pieces that there may be, twice.
const TAKEN_FILE_MAX: u64 = (2 * ASKED_MAX * CAPSULE_MAILBOXES as usize * PIECES_OF_MAILBOX * TAKEN_LEN) as u64;

impl TakenFile {
    fn open(data: &Path) -> Result<Self, RunError> {
        let mut name = data.file_name().map(OsStr::to_owned).ok_or_else(internal)?;
        name.push(".recovering");
        Ok(Self { path: data.with_file_name(name) })
    }

    fn read(&self) -> Result<Vec<Taken>, RunError> {
        let bytes = read_bounded(&self.path, TAKEN_FILE_MAX).map_err(|error| self.trouble(&error))?.unwrap_or_default();
        let read = |row: &[u8]| {
            let (relay, rest) = row.split_first_chunk()?;
            let (number, package) = rest.split_first()?;
            Some(Taken { relay: MailboxId(*relay), number: *number, package: package.to_vec() })
        };
        // The last one may be cut: the process was killed while it was written.
        Ok(bytes.chunks_exact(TAKEN_LEN).filter_map(read).collect())
    }

    fn add(&self, taken: &[Taken]) -> Result<(), RunError> {
        let rows = taken.iter().filter(|taken| taken.package.len() == SEALED_PIECE);
        let bytes: Vec<u8> =
            rows.flat_map(|taken| [taken.relay.as_bytes().as_slice(), &[taken.number], taken.package.as_slice()].concat()).collect();
        if bytes.is_empty() {
            return Ok(());
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let write = || {
            parent.map_or(Ok(()), std::fs::create_dir_all)?;
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
            // Behind whole ones.
            let len = file.metadata()?.len();
            file.set_len(len - len % TAKEN_LEN as u64)?;
            file.write_all(&bytes)?;
            file.sync_data()
        };
        write().map_err(|error: io::Error| self.trouble(&error))
    }

    fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    fn trouble(&self, error: &io::Error) -> RunError {
        RunError::new("unwritable", format!("{}: {error}", self.path.display()), "Make room or choose another folder with --data.")
    }
}

/// Looks at the LAN, and shows nothing there.
fn look_around(net: &Net, inputs: mpsc::Sender<Input>) -> Option<Lan> {
    let lan = Lan::start(LanMode::Friends, true, &[], net.transport_key(), inputs);
    lan.inspect_err(|error| tracing::warn!(%error, "the local network cannot be looked at")).ok()
}

/// Why nothing was found where no relay was named.
fn nobody(has_company: bool) -> RunError {
    RunError::new(
        "no_relay",
        if has_company {
            "the words alone do not say where to look, and no node on this network knows"
        } else {
            "the words alone do not say where to look, and this network shows no relay"
        },
        "Name a relay with --relay LINK: `symbolon id phrase` shows the links beside the words, and `symbolon relay list` those of another \
         device of yours, or of a friend, whose relay does as well for two weeks. Or restore from a backup file.",
    )
}

/// Why nothing was found, and what helps.
fn nothing(endings: &[Ending]) -> RunError {
    let is_silent = endings.iter().all(|ending| *ending == Ending::Silent);
    let has_parts = endings.contains(&Ending::Parts);
    let (kind, message, hint) = match (is_silent, has_parts) {
        (true, _) => (
            "unreachable",
            "no relay that was named answers",
            "Check this machine's network and clock, or name another relay with --relay; a backup file does not need any.",
        ),
        (false, true) => (
            "incomplete",
            "only a part of what these words need lies at the relays that were named",
            "Name another relay that you used with --relay, or restore from a backup file.",
        ),
        (false, false) => (
            "nothing_there",
            "nothing of these words lies at the relays that were named",
            "Check the words and this machine's clock, name the relays that you used with --relay, or restore from a backup file.",
        ),
    };
    RunError::new(kind, message, hint)
}
