//! Why a node does not start, in words for people: a stable kind, a sentence, a hint.

use crate::api::StartError;
use crate::folder::FolderError;
use crate::folder::key::{KeyError, PassphraseError};
use crate::net::NetError;
use crate::shell;
use crate::store::{OpenError, StoreError};

/// How addresses of servers are written.
pub(crate) const SERVER_HINT: &str = "Write it like /ip4/192.0.2.1/tcp/4001, /dns4/relay.example.org/tcp/4001 or \
                           /ip4/192.0.2.1/udp/4001/quic-v1; instead of /dnsaddr write the address that it stands for.";

/// Why a node did not start, or ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunError {
    /// Stable name for programs.
    pub kind: &'static str,
    /// What happened, for people; names a file where one is at fault.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl RunError {
    /// Joins the three parts.
    pub fn new(kind: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }
}

pub(crate) fn folder_error(error: FolderError) -> RunError {
    let (kind, hint) = match &error {
        FolderError::InUse(_) => {
            ("in_use", "A node or a relay runs on this folder already: use it, or stop it first, or choose another folder with --data.")
        }
        FolderError::NotAFolder(_) => ("not_a_folder", "Choose another path with --data."),
        FolderError::Exposed(_) => (
            "folder_exposed",
            "Choose a new folder inside it with --data, or close it yourself (`chmod 700`) if nobody else needs what is in it.",
        ),
        FolderError::Io(_, error) if error.kind() == std::io::ErrorKind::StorageFull => {
            ("store_full", "Free some space on the disk, then start again.")
        }
        FolderError::Io(..) => ("folder_failed", "Check the path after --data, its permissions and the disk."),
    };
    RunError::new(kind, error.to_string(), hint)
}

pub(crate) fn open_error(error: OpenError) -> RunError {
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

pub(crate) fn key_error(key: &KeyError, error: &OpenError) -> RunError {
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
        NetError::NamedPort(_, std::io::ErrorKind::PermissionDenied) => (
            "port_refused",
            "Ports below 1024 are for root: name a higher one with --port, or give the relay the right (`AmbientCapabilities=CAP_NET_BIND_SERVICE` and `CapabilityBoundingSet=CAP_NET_BIND_SERVICE` in the unit).",
        ),
        NetError::NamedPort(..) => (
            "port_refused",
            "Stop what listens there (`ss -tulpn` as root names it), or name another port with --port. The link of a relay, and its firewall, name the port, too.",
        ),
        NetError::Listen(_) | NetError::NotListening => ("listen_failed", "Choose another address or port with --listen."),
        NetError::Setup => ("net_failed", "Check the limits of this system, then start again."),
    };
    RunError::new(kind, error.to_string(), hint)
}

/// Of the end of a node whose folder becomes a device of its own when it is started again.
pub(crate) const MOVES: &str = "copy_moves";

pub(crate) fn shell_error(error: shell::RunError) -> RunError {
    match error {
        shell::RunError::Store(error) => open_error(error),
        shell::RunError::Failed(error) => store_error(&error),
        shell::RunError::Load(what) => RunError::new(
            "store_damaged",
            format!("the store cannot be loaded: {what}"),
            "Nothing was changed. Put a backup of the whole folder in its place.",
        ),
        shell::RunError::Moves => RunError::new(MOVES, "the folder becomes a device of its own", "Start it again."),
        shell::RunError::System(_) => internal(),
    }
}

pub(crate) fn internal() -> RunError {
    RunError::new("internal", "the system gives no threads or memory", "Check the limits of this system, then start again.")
}

pub(crate) fn start_error(error: StartError) -> RunError {
    match error {
        StartError::NotLoopback => RunError::new(
            "http_not_loopback",
            "--http must be a loopback address: the page and the API are for this machine only",
            "Use 127.0.0.1:PORT, [::1]:PORT or leave the flag away; from another machine, use an SSH tunnel.",
        ),
        StartError::Listen(error) => RunError::new(
            "http_unavailable",
            format!("cannot listen at the address of --http: {}", error.kind()),
            "Something else may use that port: choose another, or port 0 for any.",
        ),
        StartError::NoRandomness => {
            RunError::new("no_randomness", "the operating system gives no random numbers", "Without them no key is safe; check the system.")
        }
    }
}

pub(crate) fn passphrase_error(error: &PassphraseError) -> RunError {
    match error {
        PassphraseError::Exposed => RunError::new(
            "passphrase_exposed",
            "other users of this machine can read the passphrase file",
            "Close it to them with `chmod 600 FILE`. If somebody may have read it, choose another passphrase for a new folder.",
        ),
        PassphraseError::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => RunError::new(
            "passphrase_unreadable",
            "this user may not read the passphrase file",
            "The file must belong to the user who runs this command. The user of a systemd unit with DynamicUser= owns no such file.",
        ),
        PassphraseError::Io(_) => RunError::new(
            "passphrase_unreadable",
            "the passphrase file is not there, cannot be read, or its first line is empty",
            "Check the path after --passphrase-file.",
        ),
    }
}
