//! The signs of life on one connection.

use crate::net::address::transport_key;
use crate::net::door::Source;
use libp2p::swarm::ConnectionId;
use libp2p::{PeerId as TransportId, Stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use symbolon_core::command::Path;
use symbolon_core::seam::TransportKeys;
use symbolon_presence::id::PublicKeyBytes;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// A stream of our own, and what it occupies on its connection.
pub(super) type Opened = (Stream, OwnedSemaphorePermit, Pulse);

/// The signs of life on one connection, shared by its links and the task that watches it.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    born: Instant,
    /// Milliseconds from `born` to the last sign of life.
    heard: Arc<AtomicU64>,
    /// Whether the connection ever had a link.
    used: Arc<AtomicBool>,
    /// Set once, when the connection is given up.
    dead: watch::Sender<bool>,
    /// How the other end is reached.
    pub(super) path: Path,
    /// The connection, and who proved to be at its other end.
    pub(super) connection: ConnectionId,
    pub(super) peer: TransportId,
    /// Where it is.
    pub(super) source: Source,
    /// The keys of both ends.
    pub(super) keys: Option<TransportKeys>,
}

impl Pulse {
    /// `own` is the key that the connection knows us by.
    pub(super) fn new(path: Path, connection: ConnectionId, peer: TransportId, source: Source, own: PublicKeyBytes) -> Self {
        let keys = transport_key(&peer).map(|other| TransportKeys { own, other });
        let (heard, used) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        Self { born: Instant::now(), heard, used, dead: watch::Sender::new(false), path, connection, peer, source, keys }
    }

    /// Whether no link has been on the connection yet.
    pub(super) fn is_fresh(&self) -> bool {
        !self.used.load(Ordering::Relaxed)
    }

    /// A link is on it.
    pub(super) fn carries(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    pub(super) fn heard(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Relaxed);
    }

    /// Gives the connection up: its links end now. Closing it in good order would wait for
    /// a peer that answers nothing.
    pub(super) fn give_up(&self) {
        self.dead.send_replace(true);
    }

    pub(super) async fn given_up(&self) {
        // The sender lives as long as `self`.
        let _ = self.dead.subscribe().wait_for(|dead| *dead).await;
    }

    /// How long nothing was heard.
    pub(super) fn silence(&self) -> Duration {
        self.born.elapsed().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Relaxed)))
    }
}
