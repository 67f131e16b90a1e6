//! The races of dials in the task that owns the swarm: many attempts, one stream.

use crate::net::connections::Connections;
use crate::net::endpoint::Target;
use crate::net::pulse::{Opened, Pulse};
use crate::net::swarm::Behaviour;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{PeerId as TransportId, Swarm};
use std::collections::{HashMap, HashSet, VecDeque};
use tokio::sync::oneshot;

/// All races under way.
#[derive(Debug, Default)]
pub(super) struct Races {
    /// At most four for each of [`Limits::dials`](crate::net::limits::Limits::dials), together with
    /// at most eight attempts and a connection that stands already.
    open: HashMap<u64, Race>,
    attempts: HashMap<ConnectionId, u64>,
    /// Attempts that nobody waits for any more. They cannot be called off, and are closed when they
    /// come; each ends within the time that a dial has.
    late: HashSet<ConnectionId>,
    next: u64,
}

/// The connections of one dial. A dial has at most eight.
#[derive(Debug)]
struct Race {
    /// Where the winner goes; closed when nobody waits any more.
    answer: oneshot::Sender<Opened>,
    /// Not connected yet.
    dialling: HashSet<ConnectionId>,
    /// The connection on which the stream is being opened. One at a time, so that the other
    /// side does not see links that are dropped at once.
    opening: Option<ConnectionId>,
    /// Connected, in case the first one refuses the stream.
    waiting: VecDeque<(TransportId, ConnectionId)>,
}

impl Race {
    fn new(answer: oneshot::Sender<Opened>) -> Self {
        Self { answer, dialling: HashSet::new(), opening: None, waiting: VecDeque::new() }
    }

    /// Whether no connection is left that could still win.
    fn is_lost(&self) -> bool {
        self.dialling.is_empty() && self.opening.is_none() && self.waiting.is_empty()
    }

    /// The connections that stand; they are to be closed when the race ends.
    fn standing(&self) -> impl Iterator<Item = ConnectionId> {
        self.opening.into_iter().chain(self.waiting.iter().map(|(_, connection)| *connection))
    }

    /// Takes a connection out, wherever it is.
    fn remove(&mut self, connection: ConnectionId) {
        self.dialling.remove(&connection);
        self.waiting.retain(|(_, other)| *other != connection);
        if self.opening == Some(connection) {
            self.opening = None;
        }
    }
}

impl Races {
    /// Dials all of these that lead through a relay, or all others; the first stream is the answer.
    pub(super) fn start(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connections: &Connections,
        targets: Vec<Target>,
        by_relay: bool,
        answer: oneshot::Sender<Opened>,
    ) {
        let id = self.next;
        self.next += 1;
        let mut race = Race::new(answer);
        if let Some((peer, connection)) = self.standing(swarm, connections, &targets) {
            race.opening = Some(connection);
            self.attempts.insert(connection, id);
            swarm.behaviour_mut().streams.open(peer, connection);
        }
        for target in targets.into_iter().filter(|target| target.is_circuit() == by_relay) {
            let options = match target.expects() {
                // The transport refuses anybody else before a byte of ours is read.
                Some(key) => DialOpts::peer_id(key).condition(PeerCondition::Always).addresses(vec![target.multiaddr()]).build(),
                None => DialOpts::unknown_peer_id().address(target.multiaddr()).build(),
            };
            let connection = options.connection_id();
            if swarm.dial(options).is_ok() {
                race.dialling.insert(connection);
                self.attempts.insert(connection, id);
            }
        }
        if !race.is_lost() {
            self.open.insert(id, race);
        }
    }

    /// A connection to somebody whom one of the targets leads to, not by a relay, that waits for
    /// its first link: a hole was punched. One that had a link and lost it may lead nowhere.
    fn standing(&self, swarm: &Swarm<Behaviour>, connections: &Connections, targets: &[Target]) -> Option<(TransportId, ConnectionId)> {
        let wanted: HashSet<TransportId> = targets.iter().filter_map(|target| target.expects()).collect();
        let streams = &swarm.behaviour().streams;
        connections.standing_with(&wanted, |id| !self.is_attempt(&id) && streams.pulse(id).is_some_and(Pulse::is_fresh))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether a connection is one of a race.
    pub(super) fn is_attempt(&self, connection: &ConnectionId) -> bool {
        self.attempts.contains_key(connection)
    }

    /// An attempt stands.
    pub(super) fn connected(&mut self, swarm: &mut Swarm<Behaviour>, peer: TransportId, connection: ConnectionId) {
        let Some(race) = self.attempts.get(&connection).and_then(|race| self.open.get_mut(race)) else {
            swarm.close_connection(connection);
            return;
        };
        race.dialling.remove(&connection);
        if race.opening.is_none() {
            race.opening = Some(connection);
            swarm.behaviour_mut().streams.open(peer, connection);
        } else {
            race.waiting.push_back((peer, connection));
        }
    }

    /// A stream of ours is open: its race is won.
    pub(super) fn won(&mut self, swarm: &mut Swarm<Behaviour>, connection: ConnectionId, opened: Opened) {
        let race = self.attempts.remove(&connection).and_then(|race| self.open.remove(&race));
        let Some(mut race) = race else {
            swarm.close_connection(connection);
            return;
        };
        race.remove(connection);
        self.close_losers(swarm, &race);
        if race.answer.send(opened).is_err() {
            swarm.close_connection(connection);
        }
    }

    /// A connection of a race failed or ended: the next one takes its turn.
    pub(super) fn drop_attempt(&mut self, swarm: &mut Swarm<Behaviour>, connection: ConnectionId) {
        let Some(id) = self.attempts.remove(&connection) else { return };
        let Some(race) = self.open.get_mut(&id) else { return };
        race.remove(connection);
        if race.opening.is_none()
            && let Some((peer, next)) = race.waiting.pop_front()
        {
            race.opening = Some(next);
            swarm.behaviour_mut().streams.open(peer, next);
        }
        if race.is_lost() {
            // Dropping the answer is the answer.
            self.open.remove(&id);
        }
    }

    /// Ends those that nobody waits for any more.
    pub(super) fn sweep(&mut self, swarm: &mut Swarm<Behaviour>) {
        let abandoned: Vec<u64> = self.open.iter().filter(|(_, race)| race.answer.is_closed()).map(|(id, _)| *id).collect();
        for race in abandoned.into_iter().filter_map(|id| self.open.remove(&id)).collect::<Vec<_>>() {
            self.close_losers(swarm, &race);
        }
    }

    /// Nobody waits for these attempts any more.
    pub(super) fn forget(&mut self, dials: impl Iterator<Item = ConnectionId>) {
        self.late.extend(dials);
    }

    /// Whether nobody waits for an attempt that stands now, or has failed.
    pub(super) fn was_late(&mut self, connection: ConnectionId) -> bool {
        self.late.remove(&connection)
    }

    fn close_losers(&mut self, swarm: &mut Swarm<Behaviour>, race: &Race) {
        for connection in race.standing() {
            self.attempts.remove(&connection);
            swarm.close_connection(connection);
        }
        for connection in &race.dialling {
            self.attempts.remove(connection);
            self.late.insert(*connection);
        }
    }

    /// The swarm is another one.
    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.attempts.clear();
        self.late.clear();
    }
}
