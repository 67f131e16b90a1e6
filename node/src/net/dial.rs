//! One dial: all addresses at once, the first connection with a stream wins.
//!
//! The race itself runs in the task that owns the swarm; here is what surrounds it: the
//! time-out, the turn among other dials, and the answer to the core.

use crate::net::address::Endpoint;
use crate::net::driver::Request;
use crate::net::links::{Place, Pulse, Shared};
use libp2p::swarm::ConnectionId;
use libp2p::{PeerId as TransportId, Stream};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use symbolon_core::seam::DialId;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

/// A stream of our own, and what it occupies on its connection.
pub(super) type Opened = (Stream, OwnedSemaphorePermit, Pulse);

/// Tries the endpoints and serves the link that comes of it until it ends.
pub(super) async fn dial(shared: Arc<Shared>, dial: DialId, generation: u64, endpoints: Vec<Endpoint>) {
    let won = timeout(shared.limits.dial, open(&shared, endpoints)).await;
    match won.ok().flatten() {
        Some((stream, place)) => {
            shared.serve(stream, place, Some((dial, generation))).await;
        }
        None => shared.dial_failed(dial, generation).await,
    }
}

async fn open(shared: &Shared, endpoints: Vec<Endpoint>) -> Option<(Stream, Place)> {
    let room = shared.outbound_place()?;
    let _turn = shared.dial_room.acquire().await.ok()?;
    let (answer, opened) = oneshot::channel();
    shared.requests.send(Request::Race(endpoints, answer)).await.ok()?;
    let (stream, connection, pulse) = opened.await.ok()?;
    Some((stream, Place { _room: room, _inbound: None, _connection: connection, pulse }))
}

/// The connections of one dial. A dial has at most eight.
#[derive(Debug)]
pub(super) struct Race {
    /// Where the winner goes; closed when nobody waits any longer.
    pub(super) answer: oneshot::Sender<Opened>,
    /// Not connected yet.
    pub(super) dialling: HashSet<ConnectionId>,
    /// The connection on which the stream is being opened. One at a time, so that the other
    /// side does not see links that are dropped at once.
    pub(super) opening: Option<ConnectionId>,
    /// Connected, in case the first one refuses the stream.
    pub(super) waiting: VecDeque<(TransportId, ConnectionId)>,
}

impl Race {
    pub(super) fn new(answer: oneshot::Sender<Opened>) -> Self {
        Self { answer, dialling: HashSet::new(), opening: None, waiting: VecDeque::new() }
    }

    /// Whether no connection is left that could still win.
    pub(super) fn is_lost(&self) -> bool {
        self.dialling.is_empty() && self.opening.is_none() && self.waiting.is_empty()
    }

    /// The connections that stand; they are to be closed when the race is over.
    pub(super) fn standing(&self) -> impl Iterator<Item = ConnectionId> {
        self.opening.into_iter().chain(self.waiting.iter().map(|(_, connection)| *connection))
    }

    /// Takes a connection out, wherever it is.
    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.dialling.remove(&connection);
        self.waiting.retain(|(_, other)| *other != connection);
        if self.opening == Some(connection) {
            self.opening = None;
        }
    }
}
