//! What the task that owns the swarm is asked by the rest of the transport.

use crate::net::endpoint::Target;
use crate::net::pulse::Opened;
use libp2p::Multiaddr;
use libp2p::swarm::ConnectionId;
use symbolon_core::seam::{Address, AskId, Look, QuestionId};
use symbolon_presence::id::LookupId;
use tokio::sync::oneshot;

/// What the task is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// Dial all of these that lead through a relay, or all others; the first stream is the
    /// answer. A connection that stands already with somebody expected there is taken at once.
    /// Dropped unanswered when all fail.
    Race { targets: Vec<Target>, by_relay: bool, answer: oneshot::Sender<Opened> },
    /// Ask the other end of a connection to forward connections to this node, and continue to ask.
    Reserve(ConnectionId),
    /// Punch a hole to the one behind a forwarded connection, or no longer; numbered like
    /// [`Request::Publish`].
    Punch(u64, ConnectionId, bool),
    /// Draw another transport key, or begin again under it.
    Rekey(bool),
    /// Let these records be found; numbered, as the last one counts.
    Publish(u64, Vec<Vec<u8>>, Vec<Vec<u8>>),
    /// Let a record of somebody else be found.
    Host(u64, Vec<u8>),
    /// Look for a record; these servers may have it, too.
    Resolve(LookupId, Look),
    /// Our lookup servers; numbered like [`Request::Publish`].
    /// Each by its addresses and by the sockets that these lead to.
    Lookups(u64, Vec<(Vec<Address>, Vec<Address>)>),
    /// Ask the hub of rooms at these sockets.
    AskHub(AskId, Vec<Address>, Vec<u8>),
    /// As a hub, answer a question.
    AnswerHub(QuestionId, Vec<u8>),
    /// Where DHT servers may be.
    Bootstrap(Vec<Multiaddr>),
    /// Who makes up the DHT of the LAN; numbered like [`Request::Publish`].
    Neighbours(u64, Option<Vec<Address>>),
    /// Tell again where they are.
    Servers,
    /// Take no more links.
    Hush,
    /// Close all connections and end.
    Stop(oneshot::Sender<()>),
}
