//! Every bound and waiting time of the transport on one page.

pub use crate::net::door::Share;
use std::time::Duration;

/// Longest text of a listen address taken from a user, in bytes.
pub const ADDRESS_TEXT_MAX: usize = 256;
/// Most listen addresses that one start takes.
pub const LISTEN_MAX: usize = 16;
/// Most addresses that are announced to the core, and most that one dial tries.
pub const ADDRESSES_MAX: usize = 8;
/// Of these, most that lead through a relay.
pub const CIRCUITS_TOLD: usize = 2;
/// Most addresses that a user announces.
pub const ANNOUNCE_MAX: usize = 4;
/// Most addresses that a DNS name leads to in one dial.
pub const RESOLVED_MAX: usize = 4;
/// How long the system may take to find them.
pub const RESOLVE_TIME: Duration = Duration::from_secs(4);
/// Names that are asked for at once; each holds a thread of the system's resolver.
pub const RESOLVING_MAX: usize = 16;
/// When the names of lookup servers and DHT servers are asked for again.
pub const NAMES_AGAIN: Duration = Duration::from_secs(10 * 60);
/// The same when one led nowhere.
pub const NAMES_SOON: Duration = Duration::from_secs(30);
/// For so long a dial tries addresses of the friend alone, before relays are asked as well.
pub const HEAD_START: Duration = Duration::from_millis(500);
/// Pause before a relay that refused is asked again to forward connections to us.
pub const RESERVE_PAUSE: Duration = Duration::from_secs(30);
/// Owners who are connected to a relay of ours at once.
pub const OWNERS_MAX: usize = 10_240;
/// How long a relay of ours forwards a connection; then it is made again.
pub const CIRCUIT_LIFE: Duration = Duration::from_secs(60 * 60);
/// Bytes that it forwards on one, in each direction.
pub const CIRCUIT_BYTES: u64 = 64 * 1024 * 1024;
/// Pause between two new ones for one address, once it has had [`Limits::circuit_burst`] of them.
pub const CIRCUIT_PAUSE: Duration = Duration::from_secs(1);
/// Addresses of which it is counted how many they ask for.
pub const CIRCUIT_SOURCES_MAX: usize = 4_096;
/// Addresses of ours that are sent to punch a hole, and most of the other side's that are dialled for it.
pub const CANDIDATES_MAX: usize = 4;
/// How old what a relay has seen may be.
pub const CANDIDATE_AGE: Duration = Duration::from_secs(60 * 60);
/// The longest message of those who agree to punch, in bytes.
pub const PUNCH_MESSAGE_MAX: usize = 4 * 1024;
/// How long they may take to agree.
pub const PUNCH_AGREEMENT: Duration = Duration::from_secs(10);
/// How much later than half of the way the one who says when dials.
pub const PUNCH_GRACE: Duration = Duration::from_millis(20);
/// Tries that follow each other, before a pause.
pub const PUNCH_TRIES: u8 = 3;
/// Pause before another round of tries; it doubles up to [`PUNCH_PAUSE_MAX`].
pub const PUNCH_PAUSE: Duration = Duration::from_secs(30);
/// See [`PUNCH_PAUSE`].
pub const PUNCH_PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
/// Pause when the two could not agree, or when addresses have changed.
pub const PUNCH_SOON: Duration = Duration::from_secs(2);
/// How long after a change of the transport key circuits are announced although relays do not
/// forward there yet.
pub const PROMISE: Duration = Duration::from_secs(30);
/// How long the old sockets may take to be free for the new key, before the node continues with those
/// that are.
pub const SOCKETS_FREE: Duration = Duration::from_secs(4);
/// Most addresses of one dial that are looked at; the rest is not even parsed.
pub const ADDRESSES_LOOKED_AT: usize = 32;
/// Bytes read from a stream at once.
pub const READ_CHUNK: usize = 16 * 1024;
/// What an idle link keeps for its next read.
pub const READ_AT_REST: usize = 2 * 1024;
/// Frames are gathered into one write until it has so many bytes.
pub const WRITE_BATCH: usize = 64 * 1024;
/// Commands on their way to the task that owns the swarm; the next sender waits.
pub const COMMAND_QUEUE: usize = 64;

/// Look-ups in the DHT at once.
pub const DHT_QUERIES_MAX: usize = 64;
/// How long one may take.
pub const DHT_QUERY: Duration = Duration::from_secs(10);
/// Answers that one look-up tells, its end among them.
pub const DHT_ANSWERS_MAX: usize = 8;
/// Records that a relay puts into the DHT for their owners, at once, and those that wait;
/// when full the oldest goes, and comes again with the next round.
pub const DHT_HOSTED_AT_ONCE: usize = 16;
/// See [`DHT_HOSTED_AT_ONCE`].
pub const DHT_HOSTED_MAX: usize = 4_096;
/// Own records that are put into the DHT at once: the next ones as these are taken.
pub const DHT_OWN_AT_ONCE: usize = 32;
/// Own records that are published: those of presence, and the bodies of invites for two days.
pub const DHT_OWN_MAX: usize = 16 + 2 * symbolon_core::limits::INVITES_MAX;
/// Addresses that are called while no server is known.
pub const DHT_CALLED_MAX: usize = 32;
/// Addresses of neighbours that are called.
pub const NEIGHBOURS_CALLED_MAX: usize = symbolon_core::limits::NEIGHBOURS_MAX * symbolon_core::limits::NEIGHBOUR_PLACES_MAX;
/// Records that a node keeps for its neighbours.
pub const NEIGHBOURS_RECORDS: usize = 1_024;
/// Their bytes.
pub const NEIGHBOURS_BYTES: usize = 8 * 1024 * 1024;
/// Pause between two calls.
pub const DHT_CALL_PAUSE: Duration = Duration::from_secs(15);
/// Addresses of servers that are remembered.
pub const DHT_REMEMBERED_MAX: usize = symbolon_core::limits::SERVERS_MAX;

/// How long a hub of rooms may take to answer a question: it holds those to which there is no answer yet.
pub const HUB_QUESTION: Duration = Duration::from_secs(45);
/// Questions to a hub on one connection at once.
pub const HUB_STREAMS: usize = 24;
/// Questions to hubs that are under way.
pub const HUB_ASKED_MAX: usize = 256;
/// Hubs that are being dialled at once.
pub const HUB_CALLS_MAX: usize = 32;
/// Addresses of one hub that are dialled.
pub const HUB_PLACES_MAX: usize = 4;
/// Questions that wait for an answer of ours.
pub const HUB_QUESTIONS_MAX: usize = 4_096;
/// Of them, from one source.
pub const HUB_QUESTIONS_OF_SOURCE: usize = 512;

/// How long a lookup server may take to answer a question.
pub const LOOKUP_QUESTION: Duration = Duration::from_secs(10);
/// Questions on one connection at once.
pub const LOOKUP_STREAMS: usize = 16;
/// Questions without an answer, to all servers.
pub const LOOKUP_ASKED_MAX: usize = 512;
/// Servers that are being dialled at once.
pub const LOOKUP_CALLS_MAX: usize = 64;
/// Addresses of a server that are tried.
pub const LOOKUP_PLACES_MAX: usize = 3;
/// Pause before a server of ours that did not answer is given our records again; it doubles
/// up to [`LOOKUP_PAUSE_MAX`].
pub const LOOKUP_PAUSE: Duration = Duration::from_secs(2);
/// See [`LOOKUP_PAUSE`].
pub const LOOKUP_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);
/// A server of ours is given everything again after so long: it may have forgotten it.
pub const LOOKUP_AGAIN: Duration = Duration::from_secs(30 * 60);

/// What differs between a node and a test of a node.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Links open at once, in both directions.
    pub links: usize,
    /// Of these, links that others may open; the rest stays free for our own dials.
    pub inbound_links: usize,
    /// Links on one connection.
    pub links_per_connection: usize,
    /// Connections to or from one transport key. A dial may reach it by eight addresses.
    pub connections_per_peer: u32,
    /// TCP sockets of others without a byte.
    pub silent_sockets: Share,
    /// Connections of others whose handshake is not done: over TCP, over QUIC, over relays.
    pub handshakes: Share,
    /// Connections of others that have proved nothing.
    pub strangers: Share,
    /// Connections opened by others, those of friends and owners among them.
    pub connections: usize,
    /// Dials that try their addresses at the same moment; the next waits, its time running.
    pub dials: usize,
    /// While the process holds more memory, in bytes, there are fewer strangers with every
    /// newcomer, and none when nobody can give way.
    pub memory: usize,
    /// Frames waiting to be written on one link.
    pub queue_frames: usize,
    /// Bytes waiting to be written on one link.
    pub queue_bytes: usize,
    /// Bytes waiting to be written on all links; then the link ends on which most waits.
    pub queue_all: usize,
    /// Connections of those to whom a relay forwards.
    pub reservations: usize,
    /// Of these, of one transport key.
    pub reservations_per_peer: usize,
    /// Connections that a relay forwards, by the address that they come from.
    pub circuits: Share,
    /// Of these, from one transport key.
    pub circuits_per_peer: usize,
    /// New ones from one address: so many at once, then one for each [`CIRCUIT_PAUSE`].
    pub circuit_burst: u32,
    /// Records that a server keeps for others.
    pub kept_records: usize,
    /// Their bytes.
    pub kept_bytes: usize,
    /// A dial that has no link by then has failed.
    pub dial: Duration,
    /// A TCP socket without a byte is closed after so long.
    pub silent_socket: Duration,
    /// A link of somebody else by which no frame has come that makes sense is closed after so long.
    pub unheard: Duration,
    /// A connection of somebody else without a link is closed after so long.
    pub linkless: Duration,
    /// A connection of ours stays for so long after its link, so that what was written arrives.
    pub linger: Duration,
    /// Half a frame without another byte, or a write without progress, for so long ends the link.
    pub stall: Duration,
    /// Pause between two pings on a connection.
    pub ping: Duration,
    /// A connection on which nothing was heard for so long is dead.
    pub silence: Duration,
    /// How long a link that we close may take to write what is queued.
    pub drain: Duration,
    /// How long a start waits for the listeners.
    pub start: Duration,
}

impl Limits {
    /// Those of a relay: owners are as many as it has memory for.
    pub fn of_relay() -> Self {
        let (owners, strangers) = (OWNERS_MAX, Share { each: 64, all: 1_024 });
        Self {
            links: owners + 5 * strangers.all,
            inbound_links: owners + 4 * strangers.all,
            silent_sockets: Share { each: 64, all: 512 },
            handshakes: Share { each: 64, all: 256 },
            strangers,
            connections: owners + 2 * strangers.all,
            memory: 4 * 1024 * 1024 * 1024,
            queue_all: 1024 * 1024 * 1024,
            // libp2p refuses also who renews when there are so many: it is one more than there can be.
            reservations: owners + 2 * strangers.all + 1,
            ..Self::default()
        }
    }

    /// Fewer connections in all, and fewer of strangers at one address, if somebody says so.
    #[must_use]
    pub fn within(self, connections: Option<u32>, of_address: Option<u32>) -> Self {
        let most = |set: Option<u32>, default: usize| set.and_then(|set| usize::try_from(set).ok()).map_or(default, |set| set.min(default));
        let connections = most(connections, self.connections);
        let share = |share: Share| {
            let all = share.all.min(connections);
            Share { each: of_address.and_then(|set| usize::try_from(set).ok()).unwrap_or(share.each).min(all), all }
        };
        Self {
            connections,
            silent_sockets: share(self.silent_sockets),
            handshakes: share(self.handshakes),
            strangers: share(self.strangers),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links: symbolon_core::limits::LINKS_MAX,
            inbound_links: symbolon_core::limits::LINKS_MAX / 4 * 3,
            links_per_connection: 4,
            connections_per_peer: 8,
            silent_sockets: Share { each: 32, all: 256 },
            handshakes: Share { each: 16, all: 64 },
            strangers: Share { each: 32, all: 128 },
            connections: symbolon_core::limits::LINKS_MAX,
            dials: 64,
            memory: 1024 * 1024 * 1024,
            queue_frames: 1024,
            queue_bytes: 8 * 1024 * 1024,
            queue_all: 256 * 1024 * 1024,
            reservations: symbolon_core::limits::LINKS_MAX,
            reservations_per_peer: 4,
            circuits: Share { each: 64, all: 1_024 },
            circuits_per_peer: 32,
            circuit_burst: 240,
            kept_records: 65_536,
            kept_bytes: 128 * 1024 * 1024,
            dial: Duration::from_secs(10),
            silent_socket: Duration::from_secs(2),
            unheard: Duration::from_secs(60),
            linkless: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            stall: Duration::from_secs(60),
            ping: Duration::from_secs(10),
            silence: Duration::from_secs(28),
            drain: Duration::from_secs(1),
            start: Duration::from_secs(5),
        }
    }
}
