//! What a node is given at its start.

use crate::lan::LanMode;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What `up` was given.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// The data folder.
    pub data: PathBuf,
    /// The name for a new identity, or a new name for an old one.
    pub name: Option<String>,
    /// Where to listen for friends, as multiaddr texts; empty for the default.
    pub listen: Vec<String>,
    /// Where to serve the API and the page; must be loopback. Port 0 draws one for this run,
    /// `None` is the port that was drawn once and is kept.
    pub http: Option<SocketAddr>,
    /// Open the page in the user's browser.
    pub open_browser: bool,
    /// A file whose first line is the folder's passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// Where DHT servers may be, as multiaddr texts.
    pub bootstrap: Vec<String>,
    /// Where friends reach this node, as multiaddr texts, for this start.
    pub announce: Vec<String>,
    /// Lookup servers for this start, as multiaddr texts.
    pub lookups: Vec<String>,
    /// Links of relays to keep mailboxes at.
    pub relays: Vec<String>,
    /// What is done on the local network.
    pub lan: LanMode,
    /// Make up a DHT with whatever nodes the local network shows, while no server is known.
    pub lan_dht: bool,
    /// Whether rooms that this node is in may have their hub here. It is remembered over restarts: without it the last value
    /// counts, at first that they may not.
    pub hub: Option<bool>,
}
