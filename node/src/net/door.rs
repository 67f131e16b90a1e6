//! Who may stay: every connection that somebody else opened, from its first packet to its end.
//!
//! A full bound never refuses the newest: an older one gives way, so that no number of strangers
//! keeps a friend out. First goes the oldest that has sent no byte, then the oldest whose
//! handshake is not done, then the oldest that has proved nothing; first from the newcomer's
//! own address (an IPv6 /64 is one address), then from anywhere. Who has proved to be a friend,
//! or at a relay the owner of a mailbox, never gives way. Loopback is an address like others.

use futures::task::AtomicWaker;
use libp2p::Multiaddr;
use libp2p::core::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Where a connection comes from, as far as bounds are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Source {
    V4([u8; 4]),
    /// The first half of an IPv6 address: one customer's network.
    V6([u8; 8]),
    /// By a relay, which tells nobody's address.
    Circuit,
}

impl Source {
    pub(super) fn of(address: &Multiaddr) -> Self {
        let mut found = Self::Circuit;
        for part in address {
            if let Protocol::Ip4(ip) = part {
                found = Self::of_ip(ip.into());
            } else if let Protocol::Ip6(ip) = part {
                found = Self::of_ip(ip.into());
            } else if part == Protocol::P2pCircuit {
                return Self::Circuit;
            }
        }
        found
    }

    fn of_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// How far a connection has come. The order is that in which they give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Stage {
    /// A TCP socket without a byte.
    Silent,
    /// A handshake over TCP. Each way has places of its own: over QUIC an address can be forged.
    Tcp,
    /// A handshake over QUIC.
    Quic,
    /// A handshake over a relay.
    Circuit,
    /// A connection that has proved nothing.
    Stranger,
    /// A friend's or an owner's.
    Kept,
}

/// Stages that give way before the next group is touched.
const GROUPS: [&[Stage]; 3] = [&[Stage::Silent], &[Stage::Tcp, Stage::Quic, Stage::Circuit], &[Stage::Stranger]];

/// How many may be in one stage: from one address, and in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// From one IPv4 address or IPv6 /64.
    pub each: usize,
    /// From everywhere.
    pub all: usize,
}

/// The bounds of a [`Door`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) silent: Share,
    pub(super) handshakes: Share,
    pub(super) strangers: Share,
    /// Connections in all stages, friends' and owners' among them.
    pub(super) places: usize,
}

impl Bounds {
    fn of(&self, stage: Stage) -> Option<Share> {
        match stage {
            Stage::Silent => Some(self.silent),
            Stage::Tcp | Stage::Quic | Stage::Circuit => Some(self.handshakes),
            Stage::Stranger => Some(self.strangers),
            Stage::Kept => None,
        }
    }
}

/// Tells one connection that it must end.
#[derive(Debug, Default)]
struct Shut {
    is_shut: AtomicBool,
    waker: AtomicWaker,
}

#[derive(Debug)]
struct Guest {
    source: Source,
    stage: Stage,
    shut: Arc<Shut>,
    connection: Option<ConnectionId>,
    /// Links on it whose places are kept.
    kept: usize,
}

/// A guest's number: who came later has a higher one.
type Number = u64;

#[derive(Debug, Default)]
struct Guests {
    next: Number,
    /// Bounded by [`Bounds::places`].
    all: HashMap<Number, Guest>,
    by_stage: BTreeSet<(Stage, Number)>,
    by_source: BTreeSet<(Source, Stage, Number)>,
    by_connection: HashMap<ConnectionId, Number>,
    /// Who is just being handed over by a transport, and from where.
    arriving: Option<(Number, Multiaddr)>,
}

/// All connections that others have opened.
#[derive(Debug)]
pub(super) struct Door {
    bounds: Bounds,
    salt: RandomState,
    guests: Mutex<Guests>,
}

/// One connection's place. Its holder ends when it is [shut](Self::poll_shut); free again
/// when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    door: Arc<Door>,
    number: Number,
    shut: Arc<Shut>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.door.guests().remove(self.number);
    }
}

impl Ticket {
    /// Ready once the place was given to somebody else.
    pub(super) fn poll_shut(&self, cx: &Context<'_>) -> Poll<()> {
        if self.shut.is_shut.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.shut.waker.register(cx.waker());
        // It may have been shut while the waker was put there.
        if self.shut.is_shut.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The next stage begins.
    pub(super) fn advance(&self, stage: Stage) {
        self.door.advance(self.number, stage);
    }

    /// The transport hands the connection over in this very call: the swarm asks about it at once.
    pub(super) fn arrives(&self, from: &Multiaddr) {
        self.door.guests().arriving = Some((self.number, from.clone()));
    }
}

impl Guests {
    fn name(&mut self, number: Number, connection: ConnectionId) {
        // Who was shut meanwhile has no place to name.
        if let Some(guest) = self.all.get_mut(&number) {
            guest.connection = Some(connection);
            self.by_connection.insert(connection, number);
        }
    }

    fn remove(&mut self, number: Number) -> Option<Guest> {
        let guest = self.all.remove(&number)?;
        self.by_stage.remove(&(guest.stage, number));
        self.by_source.remove(&(guest.source, guest.stage, number));
        if let Some(connection) = guest.connection {
            self.by_connection.remove(&connection);
        }
        Some(guest)
    }

    fn set_stage(&mut self, number: Number, stage: Stage) {
        let Some(guest) = self.all.get_mut(&number) else { return };
        self.by_stage.remove(&(guest.stage, number));
        self.by_source.remove(&(guest.source, guest.stage, number));
        guest.stage = stage;
        self.by_stage.insert((stage, number));
        self.by_source.insert((guest.source, stage, number));
    }

    /// The one with this number must go.
    fn shut(&mut self, number: Number) {
        if let Some(guest) = self.remove(number) {
            guest.shut.is_shut.store(true, Ordering::Release);
            guest.shut.waker.wake();
        }
    }

    /// Those in one stage, the oldest first.
    fn in_stage(&self, stage: Stage) -> impl Iterator<Item = Number> {
        self.by_stage.range((stage, 0)..=(stage, Number::MAX)).map(|(_, number)| *number)
    }

    fn at_source(&self, source: Source, stage: Stage) -> impl Iterator<Item = Number> {
        self.by_source.range((source, stage, 0)..=(source, stage, Number::MAX)).map(|(_, _, number)| *number)
    }

    /// Holds the bounds of one stage, which somebody has just entered.
    fn hold(&mut self, share: Share, source: Source, stage: Stage, newcomer: Number) {
        while self.at_source(source, stage).take(share.each + 1).count() > share.each {
            let oldest = self.at_source(source, stage).find(|number| *number != newcomer);
            let Some(oldest) = oldest else { break };
            self.shut(oldest);
        }
        while self.in_stage(stage).take(share.all + 1).count() > share.all {
            let own = self.at_source(source, stage).find(|number| *number != newcomer);
            let oldest = own.or_else(|| self.in_stage(stage).find(|number| *number != newcomer));
            let Some(oldest) = oldest else { break };
            self.shut(oldest);
        }
    }

    /// The one that gives way first; never `newcomer`.
    fn first_to_go(&self, source: Source, newcomer: Option<Number>) -> Option<Number> {
        let is_other = |number: &Number| Some(*number) != newcomer;
        let own = GROUPS.iter().find_map(|group| group.iter().filter_map(|stage| self.at_source(source, *stage).find(is_other)).min());
        own.or_else(|| GROUPS.iter().find_map(|group| group.iter().filter_map(|stage| self.in_stage(*stage).find(is_other)).min()))
    }
}

impl Door {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, salt: RandomState::new(), guests: Mutex::default() }
    }

    /// The tables are whole after every statement, so a panic elsewhere cannot spoil them.
    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a source that says nothing to anybody else.
    pub(super) fn salted(&self, source: Source) -> u64 {
        self.salt.hash_one(source)
    }

    /// Somebody has come. `None` when every place is a friend's or an owner's.
    pub(super) fn enter(self: &Arc<Self>, source: Source, stage: Stage) -> Option<Ticket> {
        let mut guests = self.guests();
        while guests.all.len() >= self.bounds.places {
            let first = guests.first_to_go(source, None)?;
            guests.shut(first);
        }
        let number = guests.next;
        guests.next += 1;
        let shut = Arc::new(Shut::default());
        guests.all.insert(number, Guest { source, stage, shut: shut.clone(), connection: None, kept: 0 });
        guests.by_stage.insert((stage, number));
        guests.by_source.insert((source, stage, number));
        if let Some(share) = self.bounds.of(stage) {
            guests.hold(share, source, stage, number);
        }
        Some(Ticket { door: self.clone(), number, shut })
    }

    fn advance(&self, number: Number, stage: Stage) {
        let mut guests = self.guests();
        let Some(source) = guests.all.get(&number).map(|guest| guest.source) else { return };
        guests.set_stage(number, stage);
        if let Some(share) = self.bounds.of(stage) {
            guests.hold(share, source, stage, number);
        }
    }

    /// The swarm has given a number to the connection that was just handed over. Whether it is
    /// one that a transport of ours watches.
    pub(super) fn named(&self, connection: ConnectionId, from: &Multiaddr) -> bool {
        let mut guests = self.guests();
        match guests.arriving.take() {
            Some((number, address)) if address == *from => {
                guests.name(number, connection);
                true
            }
            Some(_) | None => false,
        }
    }

    /// The same for a connection whose ticket the caller holds.
    pub(super) fn name(&self, ticket: &Ticket, connection: ConnectionId) {
        self.guests().name(ticket.number, connection);
    }

    /// A handshake is done. `false` when its place is somebody else's by now.
    pub(super) fn established(&self, connection: ConnectionId) -> bool {
        let number = self.guests().by_connection.get(&connection).copied();
        match number {
            Some(number) => {
                self.advance(number, Stage::Stranger);
                true
            }
            None => false,
        }
    }

    /// Ends a connection that has proved nothing. Whether it was one.
    pub(super) fn turn_out(&self, connection: ConnectionId) -> bool {
        let mut guests = self.guests();
        let number = guests.by_connection.get(&connection).copied();
        let stranger = number.filter(|number| guests.all.get(number).is_some_and(|guest| guest.stage == Stage::Stranger));
        if let Some(number) = stranger {
            guests.shut(number);
        }
        stranger.is_some()
    }

    /// Ends a connection, whatever it has proved. Whether it was one that somebody else opened.
    pub(super) fn end(&self, connection: ConnectionId) -> bool {
        let mut guests = self.guests();
        let number = guests.by_connection.get(&connection).copied();
        if let Some(number) = number {
            guests.shut(number);
        }
        number.is_some()
    }

    /// Makes room for a connection, or for a link on it: the one that is to go first goes. Whether
    /// there was anybody.
    pub(super) fn make_room(&self, connection: ConnectionId, source: Source) -> bool {
        let mut guests = self.guests();
        let newcomer = guests.by_connection.get(&connection).copied();
        let first = guests.first_to_go(source, newcomer);
        if let Some(first) = first {
            guests.shut(first);
        }
        first.is_some()
    }

    /// A link on a connection is a friend's or an owner's, or is no longer.
    pub(super) fn keep(&self, connection: ConnectionId, kept: bool) {
        let mut guests = self.guests();
        let Some(number) = guests.by_connection.get(&connection).copied() else { return };
        let Some(guest) = guests.all.get_mut(&number) else { return };
        guest.kept = if kept { guest.kept + 1 } else { guest.kept.saturating_sub(1) };
        let stage = if guest.kept > 0 { Stage::Kept } else { Stage::Stranger };
        if stage == guest.stage {
            return;
        }
        drop(guests);
        self.advance(number, stage);
    }

    /// How many are in one stage.
    #[cfg(test)]
    pub(super) fn count(&self, stage: Stage) -> usize {
        self.guests().in_stage(stage).count()
    }
}

#[cfg(test)]
mod tests;
