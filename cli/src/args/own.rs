//! What can be typed after `symbolon id` and `symbolon backup`.

use clap::Subcommand;
use std::path::PathBuf;

/// What else there is to know of me.
#[derive(Debug, Clone, Subcommand)]
pub enum IdVerb {
    /// Show the 24 words that bring me back when all devices are lost; anyone who has them is me
    Phrase {
        /// They are written down: erase them here
        #[arg(long)]
        confirm: bool,
    },
}

/// What to do with backups.
#[derive(Debug, Clone, Subcommand)]
pub enum BackupVerb {
    /// Write a backup, sealed under the recovery phrase, while the node runs
    Create {
        /// The file; it must not exist yet
        file: PathBuf,
    },
    /// Make a new folder a new device of mine, by a backup or by the recovery phrase alone; the phrase is read from standard input
    #[command(override_usage = "symbolon backup restore FILE\n       symbolon backup restore --phrase - [--relay LINK]...")]
    Restore {
        /// The backup
        #[arg(required_unless_present = "phrase", conflicts_with = "phrase")]
        file: Option<PathBuf>,
        /// Without a backup: by what my devices have left at my relays (`-`: the words come from standard input)
        #[arg(long, value_name = "-", value_parser = ["-"], allow_hyphen_values = true)]
        phrase: Option<String>,
        /// A relay that I used; several may be named. Without any the local network is asked
        #[arg(long, value_name = "LINK", requires = "phrase")]
        relay: Vec<String>,
        /// File with the passphrase that the new folder is to have
        #[arg(long)]
        passphrase_file: Option<PathBuf>,
    },
}
