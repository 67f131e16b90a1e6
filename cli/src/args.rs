//! What can be typed behind a command: its flags, and verbs of its own.

mod device;
pub mod flags;
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

use clap::{Args, Subcommand};
use std::time::Duration;
use values::duration;

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
