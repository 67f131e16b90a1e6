//! Flags of `send`, `read` and `export`.

use super::values::duration;
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Flags of `send`.
#[derive(Debug, Args)]
pub struct Send {
    /// The name or id of a friend or a room; a beginning is enough, if it is the only one
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
    /// Only the conversation with this friend, or in this room
    pub who: Option<String>,
    /// Only what arrived after this message
    #[arg(long, value_name = "ID")]
    pub since: Option<String>,
    /// Keep printing messages as they come
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last so many
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<u32>,
    /// Do not mark them as read
    #[arg(long)]
    pub peek: bool,
}
