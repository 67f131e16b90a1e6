//! What can be typed: every command and flag.

mod device;
pub mod help;
mod messages;
mod own;
mod relay;
mod room;
mod up;
mod values;

pub use device::DeviceVerb;
pub use messages::{ExportFormat, Read, Send};
pub use own::{BackupVerb, IdVerb};
pub use relay::{RelayRun, RelayVerb};
pub use room::RoomVerb;
pub use up::Up;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;
use values::duration;

/// Symbolon: messages between friends, without a server.
#[derive(Debug, Parser)]
#[command(name = "symbolon", version, about, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    /// The data folder; one folder is one identity [default: SYMBOLON_DATA, else the platform's place]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON, one object a line, and nothing else on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// More log output on stderr (-vv: debug)
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
    /// End the node, or the relay, that runs on the data folder
    Stop,
    /// Show who I am
    Id {
        /// Instead, the recovery phrase
        #[command(subcommand)]
        verb: Option<IdVerb>,
    },
    /// Back up friends, names and history, or make a new device of a backup
    Backup {
        /// What to do
        #[command(subcommand)]
        verb: BackupVerb,
    },
    /// Change my own name; friends see it with the next message or record
    Name {
        /// The new name
        name: String,
    },
    /// Make an invite for one person, list those made, or revoke one
    #[command(args_conflicts_with_subcommands = true)]
    Invite(Invite),
    /// Send a friend request, by invite link or Peer ID
    Add {
        /// An invite link (`symbolon:…`) or a Peer ID; `-` reads it from standard input
        #[arg(value_name = "LINK|PEER_ID")]
        target: String,
        /// A line to go with the request
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List friend requests that are open or of this week, or cancel one of mine
    Requests {
        /// List all, those that were settled long ago as well
        #[arg(long)]
        all: bool,
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
    /// Block a friend, or the one who made a request
    ///
    /// Nothing of theirs reaches you, and they do not hear of it. What a friend writes meanwhile stays on their side, and comes once
    /// you `unblock` them.
    Block {
        /// A friend's whole name or id, or a request's id
        #[arg(value_name = "REQUEST|FRIEND")]
        who: String,
        /// Leave all rooms that they are in, too
        #[arg(long)]
        leave_rooms: bool,
        /// Only this device of a friend who has several: its id, or the beginning of it, as `friends` shows them
        #[arg(long, value_name = "DEVICE", conflicts_with = "leave_rooms")]
        device: Option<String>,
    },
    /// Unblock a friend, or the one who made a request
    Unblock {
        /// A name, a Peer ID, or a request's id
        #[arg(value_name = "REQUEST|FRIEND")]
        who: String,
    },
    /// List friends
    Friends {
        /// List former friends instead: what was written with them stays, and `read` shows it
        #[arg(long)]
        former: bool,
    },
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
    /// Hide from a friend where this node is; the friend does not hear of it
    Hide {
        /// The friend's name or id
        friend: String,
        /// Show it again
        #[arg(long)]
        off: bool,
    },
    /// End a friendship on this side; the other side does not hear of it
    Unfriend {
        /// The friend's whole name or id
        friend: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// Leave all rooms that both of us are in, too
        #[arg(long)]
        leave_rooms: bool,
    },
    /// Write a message
    Send(Send),
    /// Read messages
    Read(Read),
    /// Rooms: several people who write to each other
    Room {
        /// What to do
        #[command(subcommand)]
        verb: RoomVerb,
    },
    /// Show what is set for this device, or change it
    Settings {
        /// Which: `rooms`, `vouch`
        #[arg(value_parser = ["rooms", "vouch"])]
        setting: Option<String>,
        /// `rooms`: `join` shows a room to which a friend adds me at once, `ask` asks me first. `vouch`: `on` vouches for
        /// friends who knock at a room, `off` leaves it to me
        #[arg(value_parser = ["join", "ask", "on", "off"])]
        value: Option<String>,
    },
    /// Search the history by words
    Search {
        /// Words: all of them must stand in a message, the last one as the beginning of a word; `-` reads them from standard input
        #[arg(required = true)]
        text: Vec<String>,
        /// Only the last so many; never more than 1000
        #[arg(short = 'n', long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Print the history unencrypted, to keep it elsewhere
    Export {
        /// Only the conversation with this friend, or in this room
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
    /// My devices: add, list and remove them; continue with an older copy of the folder
    Device {
        /// What to do
        #[command(subcommand)]
        verb: DeviceVerb,
    },
    /// Allow friend requests from anyone who knows my Peer ID, or stop that
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
    /// Print a script that completes commands and flags in a shell
    Completions {
        /// For which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write the man pages into a folder
    Man {
        /// The folder; it is made if it is missing
        folder: PathBuf,
    },
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Anyone who knows my Peer ID can ask me
    On,
    /// Only people with an invite, an introduction or a room in common can ask me
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
    /// Stop using a lookup server
    Remove {
        /// Where it is
        #[arg(value_name = "MULTIADDR")]
        lookup: String,
    },
    /// List the lookup servers that I have named
    List,
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
    /// Accept the one who comes with it first, without asking me
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
    /// Revoke one that nobody has used
    Revoke {
        /// The invite's id, or its beginning
        invite: String,
    },
}

/// What to do with requests.
#[derive(Debug, Subcommand)]
pub enum RequestsVerb {
    /// Cancel a request of mine
    Cancel {
        /// The request's id, or its beginning
        request: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

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
