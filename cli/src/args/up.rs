//! What can be typed after `symbolon up`.

use super::values::loopback;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Be the hub of my rooms: take knocks for their members, at this node's addresses; remembered over restarts
    #[arg(long)]
    pub hub: bool,
    /// Do not be the hub of my rooms (the default)
    #[arg(long, conflicts_with = "hub")]
    pub no_hub: bool,
    /// Not there yet
    #[arg(long, value_name = "URL", hide = true)]
    pub proxy: Option<String>,
    /// A file whose first line is the passphrase of the data folder
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}
