//! What can be typed after `symbolon relay`.

use super::values::{mailbox_size, size};
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// What to do with relays.
#[derive(Debug, Subcommand)]
pub enum RelayVerb {
    /// Run a relay in the foreground until Ctrl-C, in a data folder of its own: without --data, `symbolon-relay` beside yours
    Run(Box<RelayRun>),
    /// Claim a relay with its claim code
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
        /// The relay's id, or its beginning, or its link
        relay: String,
    },
    /// Show how I stand with my relays
    Status,
    /// On a relay's own machine: show its link, claim code, policy and figures
    Info,
}

/// Flags of `relay run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RelayRun {
    /// Read flags from a file: lines like `bytes = 4G`; flags on the command line hold over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen [default: all interfaces, QUIC and TCP]
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<String>,
    /// The port to listen at, UDP and TCP [default: one that is drawn once and kept]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "listen")]
    pub port: Option<u16>,
    /// Not there yet
    #[arg(long, value_name = "ADDR:PORT", hide = true)]
    pub http: Option<SocketAddr>,
    /// Enter the lookup network here
    #[arg(long, value_name = "MULTIADDR")]
    pub bootstrap: Vec<String>,
    /// Where others reach it: a port forward, a container's host, a DNS name; at most 4; remembered, `none` forgets them
    #[arg(long, value_name = "MULTIADDR")]
    pub announce: Vec<String>,
    /// Keep mailboxes for anybody; who may have one is remembered over restarts
    #[arg(long, conflicts_with_all = ["friends", "owner_only"])]
    pub open: bool,
    /// Keep mailboxes for the owner, and for friends whom the owner gives a second code
    #[arg(long, conflicts_with = "owner_only")]
    pub friends: bool,
    /// Keep mailboxes only for those who have the claim code (the default)
    #[arg(long)]
    pub owner_only: bool,
    /// Keep at most this many bytes, like 500M or 4G; remembered over restarts [default: 4G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub bytes: Option<u64>,
    /// Keep at most this many mailboxes of others; remembered over restarts [default: 10240 if open, 256 for friends]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_240))]
    pub mailboxes: Option<u32>,
    /// Keep at most this many bytes for one mailbox, half of them from friends; remembered over restarts [default: 104M]
    #[arg(long, value_name = "SIZE", value_parser = mailbox_size)]
    pub mailbox_bytes: Option<u64>,
    /// Give at most this many new mailboxes to one address in a day; remembered over restarts [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_240))]
    pub newcomers: Option<u32>,
    /// Hold at most this many connections; remembered over restarts [default: 12288]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=12_288))]
    pub connections: Option<u32>,
    /// Of them, hold at most this many of strangers at one address; remembered over restarts [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub connections_per_address: Option<u32>,
    /// Be the hub of rooms: take knocks for their members; remembered over restarts
    #[arg(long)]
    pub hub: bool,
    /// Do not be a hub of rooms (the default)
    #[arg(long, conflicts_with = "hub")]
    pub no_hub: bool,
    /// Show the relay on the local network, where it helps to recover a lost device (the default while its link has no public address)
    #[arg(long, conflicts_with = "no_lan")]
    pub lan: bool,
    /// Do not show it there
    #[arg(long)]
    pub no_lan: bool,
    /// Not there yet
    #[arg(long, value_name = "ADDR", hide = true)]
    pub metrics: Option<SocketAddr>,
    /// A file whose first line is the passphrase of the data folder
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}
