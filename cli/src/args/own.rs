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
    /// Make a new folder a new device of mine by a backup; the recovery phrase is read from standard input
    Restore {
        /// The file
        file: PathBuf,
        /// File with the passphrase that the new folder is to have
        #[arg(long)]
        passphrase_file: Option<PathBuf>,
    },
}
