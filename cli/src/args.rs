//! What can be typed: every command and flag.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use symbolon_relay::machine::limits::BYTES_MIN;

/// Symbolon: messages between friends, without a server.
#[derive(Debug, Parser)]
#[command(name = "symbolon", version, about, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(after_help = "Start with `symbolon up`, then look at the page whose address it prints.")]
pub struct Cli {
    /// The data folder; one folder is one identity [default: SYMBOLON_DATA, else the platform's place]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON, one object a line, and nothing else on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on stderr; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the node in the foreground until Ctrl-C
    Up(Up),
    /// Watch two nodes and a relay befriend, talk, go offline and catch up, all on this machine
    Demo,
    /// Show who I am
    Id,
    /// Make an invite for one person, list those made, or take one back
    #[command(args_conflicts_with_subcommands = true)]
    Invite(Invite),
    /// Ask somebody for friendship, by invite link or Peer ID
    Add {
        /// An invite link (`symbolon:…`) or a Peer ID; `-` reads it from standard input
        #[arg(value_name = "LINK|PEER_ID")]
        target: String,
        /// A line to go with the request
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List friend requests, or take an own one back
    Requests {
        /// What to do with one; lists them without it
        #[command(subcommand)]
        verb: Option<RequestsVerb>,
    },
    /// Accept a friend request
    Accept {
        /// The request's id, or its beginning
        request: String,
    },
    /// Set a friend request aside; it can be accepted later
    Ignore {
        /// The request's id, or its beginning
        request: String,
    },
    /// Block a friend, or whoever made a request
    Block {
        /// A friend's name or id, or a request's id
        #[arg(value_name = "REQUEST|FRIEND")]
        who: String,
    },
    /// Take a block back
    Unblock {
        /// A name, a Peer ID, or a request's id
        #[arg(value_name = "REQUEST|FRIEND")]
        who: String,
    },
    /// List friends
    Friends,
    /// Give a friend another name here
    Rename {
        /// The friend's name or id
        friend: String,
        /// The new name
        name: String,
    },
    /// Show a friend's words, or compare them with those that the friend reads out
    Verify {
        /// The friend's name or id
        friend: String,
        /// The words as the friend reads them out
        words: Vec<String>,
    },
    /// Introduce two friends to each other; both are asked
    Introduce {
        /// Who will ask for friendship
        asker: String,
        /// Who will be asked
        target: String,
        /// A line to both
        #[arg(long)]
        note: Option<String>,
    },
    /// Hide from a friend where this node is; the friend is told nothing
    Hide {
        /// The friend's name or id
        friend: String,
        /// Show it again
        #[arg(long)]
        off: bool,
    },
    /// End a friendship on this side; the other side is told nothing
    Unfriend {
        /// The friend's name or id
        friend: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Write a message
    Send(Send),
    /// Read messages
    Read(Read),
    /// Search the history by words
    Search {
        /// Words: all of them must stand in a message, the last one as the beginning of a word; `-` reads them from standard input
        #[arg(required = true)]
        text: Vec<String>,
        /// Only the last so many; never more than 1000
        #[arg(short = 'n', long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Print the history in the clear, to keep it elsewhere
    Export {
        /// Only the conversation with this friend
        who: Option<String>,
        /// How to write it
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Mailboxes at relays, for when friends are not online together
    Relay {
        /// What to do
        #[command(subcommand)]
        verb: RelayVerb,
    },
    /// This device: continue with this copy of its folder
    Device {
        /// What to do
        #[command(subcommand)]
        verb: DeviceVerb,
    },
    /// Let whoever knows my Peer ID ask me for friendship, or no longer
    Findable {
        /// `on` publishes a way in for anybody who knows the id; `off` (as at the start) takes it back
        #[arg(value_enum)]
        state: Switch,
    },
    /// Servers where my records are kept and friends are looked up, beside the DHT and my relays
    Lookup {
        /// What to do
        #[command(subcommand)]
        verb: LookupVerb,
    },
    /// Show what works and what does not
    Status,
    /// Look for what is wrong, and say what to do about it
    Doctor,
    /// Print a fresh address of the web page, good once, for a minute
    Page {
        /// Sign out every browser instead
        #[arg(long)]
        sign_out: bool,
    },
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// What to do with lookup servers.
#[derive(Debug, Subcommand)]
pub enum LookupVerb {
    /// Use a lookup server; every relay is one
    Add {
        /// Where it is, as `symbolon relay run` prints it
        #[arg(value_name = "MULTIADDR")]
        lookup: String,
    },
    /// Use a lookup server no longer
    Remove {
        /// Where it is
        #[arg(value_name = "MULTIADDR")]
        lookup: String,
    },
    /// List the lookup servers that I have named
    List,
}

/// What to do with this device.
#[derive(Debug, Subcommand)]
pub enum DeviceVerb {
    /// Continue with this copy of the folder, after another one ran or an older one was put back
    Confirm,
    /// Send a friend's older copy the texts that it lacks
    Resend {
        /// Petname, Peer ID or its beginning
        friend: String,
    },
}

/// What to do with relays.
#[derive(Debug, Subcommand)]
pub enum RelayVerb {
    /// Run a relay in the foreground until Ctrl-C, in a data folder of its own
    Run(RelayRun),
    /// Prove to my relays that do not keep my mailbox that I am their owner
    Claim {
        /// The claim code that `symbolon relay run` prints; `-` reads it from standard input
        code: String,
    },
    /// Keep a mailbox at a relay
    Add {
        /// The relay's link, as `symbolon relay run` prints it
        link: String,
        /// The claim code of a relay that serves its owner only; `-` reads it from standard input
        #[arg(long, value_name = "CODE", allow_hyphen_values = true)]
        claim: Option<String>,
    },
    /// List my relays
    List,
    /// Give up the mailbox at a relay
    Remove {
        /// The relay's id, or its beginning
        relay: String,
    },
    /// Show how I stand with my relays
    Status,
}

/// Flags of `relay run`.
#[derive(Debug, Args)]
pub struct RelayRun {
    /// Where to listen [default: all interfaces, QUIC and TCP]
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<String>,
    /// Where to serve HTTP
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Option<SocketAddr>,
    /// Enter the lookup network here
    #[arg(long, value_name = "MULTIADDR")]
    pub bootstrap: Vec<String>,
    /// Where others reach it: a port forward, a container's host, a DNS name; at most 4; remembered, `none` forgets them
    #[arg(long, value_name = "MULTIADDR")]
    pub announce: Vec<String>,
    /// Keep mailboxes for anybody
    #[arg(long, conflicts_with_all = ["friends", "owner_only"])]
    pub open: bool,
    /// Keep mailboxes for the owner, and for friends whom the owner gives a second code
    #[arg(long, conflicts_with = "owner_only")]
    pub friends: bool,
    /// Keep mailboxes only for whoever has the claim code (the default)
    #[arg(long)]
    pub owner_only: bool,
    /// Keep at most this many bytes, like 500M or 4G; remembered over restarts [default: 4G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub bytes: Option<u64>,
    /// Where to serve figures
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// A file whose first line is the passphrase of the data folder
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// A number of bytes: digits, then perhaps K, M, G or T for powers of 1,024.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let power = match text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase().trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err("write it like 500M or 4G".to_owned()),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << (10 * power)));
    let bytes = bytes.ok_or_else(|| "write it like 500M or 4G".to_owned())?;
    if bytes < BYTES_MIN { Err(format!("a relay needs at least {}M", BYTES_MIN >> 20)) } else { Ok(bytes) }
}

/// Flags of `up`.
#[derive(Debug, Args)]
pub struct Up {
    /// My name, as friends will see it
    #[arg(long)]
    pub name: Option<String>,
    /// Where to listen for friends [default: all interfaces, QUIC and TCP]
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<String>,
    /// Where to serve the page and the API; loopback only, port 0 draws one for this run [default: a port that is drawn once and kept]
    #[arg(long, value_name = "ADDR:PORT", value_parser = loopback)]
    pub http: Option<SocketAddr>,
    /// Do not open the page in a browser
    #[arg(long)]
    pub no_open: bool,
    /// Do not look for friends on the local network
    #[arg(long)]
    pub no_lan: bool,
    /// Be visible to strangers on the local network
    #[arg(long)]
    pub lan_visible: bool,
    /// Without internet, keep and look up records with all nodes on the local network; they see who looks for whom
    #[arg(long, conflicts_with = "no_lan")]
    pub lan_dht: bool,
    /// Use this relay
    #[arg(long, value_name = "LINK")]
    pub relay: Vec<String>,
    /// Enter the lookup network here
    #[arg(long, value_name = "MULTIADDR")]
    pub bootstrap: Vec<String>,
    /// More addresses at which friends reach this node, for this run: a port forward, a DNS name;
    /// at most 4
    #[arg(long, value_name = "MULTIADDR")]
    pub announce: Vec<String>,
    /// Use this lookup server, for this run
    #[arg(long, value_name = "MULTIADDR")]
    pub lookup: Vec<String>,
    /// Send everything through this proxy
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// A file whose first line is the passphrase of the data folder
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Flags of `invite`.
#[derive(Debug, Args)]
pub struct Invite {
    /// How long it is good: 30m, 12h, 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub expires: Duration,
    /// Draw it as a QR code
    #[arg(long)]
    pub qr: bool,
    /// Leave my addresses out of it
    #[arg(long)]
    pub no_ip: bool,
    /// Accept whoever comes with it first, without asking me
    #[arg(long)]
    pub auto_accept: bool,
    /// What to do with those made before; makes one without it
    #[command(subcommand)]
    pub verb: Option<InviteVerb>,
}

/// What to do with invites made before.
#[derive(Debug, Subcommand)]
pub enum InviteVerb {
    /// List them
    List,
    /// Take one back that nobody has used
    Revoke {
        /// The invite's id, or its beginning
        invite: String,
    },
}

/// What to do with requests.
#[derive(Debug, Subcommand)]
pub enum RequestsVerb {
    /// Take an own request back
    Cancel {
        /// The request's id, or its beginning
        request: String,
    },
}

/// Flags of `send`.
#[derive(Debug, Args)]
pub struct Send {
    /// The friend's name or id
    pub to: String,
    /// The text; `-` or nothing reads it from standard input
    #[arg(allow_hyphen_values = true)]
    pub text: Option<String>,
    /// Give it up when it is not delivered after so long: 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires: Option<Duration>,
    /// Wait until the message has got so far
    #[arg(long, value_name = "STATE")]
    pub wait: Option<WaitFor>,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
}

/// What `send --wait` can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// Another mailbox holds it
    Stored,
    /// A device of the friend holds it
    Delivered,
}

impl WaitFor {
    /// The state's name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Delivered => "delivered",
        }
    }
}

/// What `export` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line, as `read --json`
    Jsonl,
}

/// Flags of `read`.
#[derive(Debug, Args)]
pub struct Read {
    /// Only the conversation with this friend
    pub who: Option<String>,
    /// Only what arrived after this message
    #[arg(long, value_name = "ID")]
    pub since: Option<String>,
    /// Go on and print messages as they come
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last so many
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<u32>,
    /// Do not mark them as read
    #[arg(long)]
    pub peek: bool,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = numeric.parse().map_err(|_| "write it as 127.0.0.1:PORT; port 0 picks one".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("it must be a loopback address such as 127.0.0.1:0: the page and the API are for this machine only".to_owned())
    }
}

/// A number and its unit: `45s`, `30m`, `12h`, `7d`; without a unit, seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit, such as 45s, 30m, 12h or 7d".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_have_a_unit_and_never_overflow() {
        assert_eq!(duration("7d").unwrap().as_secs(), 604_800);
        assert_eq!(duration("30").unwrap().as_secs(), 30);
        for wrong in ["", "d", "7 d", "-1s", "1.5h", "7y", "99999999999999999999s", "18446744073709551615d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn page_is_never_served_beyond_this_machine() {
        for wrong in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "example.org:80", "127.0.0.1"] {
            assert!(loopback(wrong).is_err(), "{wrong}");
        }
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:80").is_ok() && loopback("localhost:80").is_ok());
    }

    #[test]
    fn a109_every_command_is_a_word_that_no_name_can_pose_as() {
        use clap::CommandFactory;
        for command in Cli::command().get_subcommands() {
            assert!(symbolon_core::names::RESERVED.contains(&command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
