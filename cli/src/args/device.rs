//! Flags of `device`.

use clap::Subcommand;

/// What to do with this device.
#[derive(Debug, Subcommand)]
pub enum DeviceVerb {
    /// List my devices
    List {
        /// Those that were removed as well
        #[arg(long)]
        all: bool,
    },
    /// Make a code that lets one more device of mine in; good once, for ten minutes
    Pair {
        /// Write this to all friends once the code was used; without it they hear nothing
        #[arg(long, value_name = "TEXT")]
        tell: Option<String>,
    },
    /// Become a further device of mine: type the code that `device pair` has printed on the first one
    Join {
        /// 26 letters and digits; spaces and hyphens do not matter
        #[arg(required = true, num_args = 1..)]
        code: Vec<String>,
    },
    /// Remove a device of mine that is lost, stolen or given away: it reads nothing new, and friends learn of it
    Remove {
        /// What it is called, or the beginning of its id
        device: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Say by my recovery phrase which devices are mine: this one and those named here; friends refuse all others.
    /// For when a device was stolen that holds the root key. The phrase is read from standard input
    #[command(override_usage = "symbolon device keep [DEVICE]... --phrase -")]
    Keep {
        /// Another device that stays: what it is called, or the beginning of its id
        #[arg(value_name = "DEVICE")]
        devices: Vec<String>,
        /// Always `-`: the 24 words come by standard input, so that no list of processes shows them
        #[arg(long, value_name = "-", required = true, value_parser = ["-"], allow_hyphen_values = true)]
        phrase: String,
    },
    /// Give this device a name among my own
    Rename {
        /// The name
        name: String,
    },
    /// Continue with this copy of the folder, after another one ran or an older one was put back
    Confirm,
    /// Send a friend's older copy the texts that it lacks
    Resend {
        /// Petname, Peer ID or its beginning
        friend: String,
    },
}
