//! The races of dials in the task that owns the swarm: many attempts, one stream.

use super::{Connection, Driver};
use crate::net::dial::Race;
use crate::net::endpoint::Target;
use crate::net::pulse::Opened;
use crate::net::pulse::Pulse;
use libp2p::PeerId as TransportId;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use std::collections::HashSet;
use tokio::sync::oneshot;

impl Driver {
    pub(super) fn start_race(&mut self, targets: Vec<Target>, by_relay: bool, answer: oneshot::Sender<Opened>) {
        let id = self.next_race;
        self.next_race += 1;
        let mut race = Race::new(answer);
        if let Some((peer, connection)) = self.standing(&targets) {
            race.opening = Some(connection);
            self.attempts.insert(connection, id);
            self.swarm.behaviour_mut().streams.open(peer, connection);
        }
        for target in targets.into_iter().filter(|target| target.is_circuit() == by_relay) {
            let options = match target.expects() {
                // The transport refuses anybody else before a byte of ours is read.
                Some(key) => DialOpts::peer_id(key).condition(PeerCondition::Always).addresses(vec![target.multiaddr()]).build(),
                None => DialOpts::unknown_peer_id().address(target.multiaddr()).build(),
            };
            let connection = options.connection_id();
            if self.swarm.dial(options).is_ok() {
                race.dialling.insert(connection);
                self.attempts.insert(connection, id);
            }
        }
        if !race.is_lost() {
            self.races.insert(id, race);
        }
    }

    /// A connection to somebody whom one of the targets leads to, not by a relay, that waits for
    /// its first link: a hole was punched. One that had a link and lost it may lead nowhere.
    fn standing(&self, targets: &[Target]) -> Option<(TransportId, ConnectionId)> {
        let wanted: HashSet<TransportId> = targets.iter().filter_map(|target| target.expects()).collect();
        let streams = &self.swarm.behaviour().streams;
        let is_free = |id: &ConnectionId, connection: &Connection| {
            !connection.closing && !connection.relayed && !self.attempts.contains_key(id) && streams.pulse(*id).is_some_and(Pulse::is_fresh)
        };
        let mut found = self.connections.iter().filter(|(id, connection)| wanted.contains(&connection.peer) && is_free(id, connection));
        found.next().map(|(id, connection)| (connection.peer, *id))
    }

    pub(super) fn handle_connected(&mut self, peer: TransportId, connection: ConnectionId) {
        let Some(race) = self.attempts.get(&connection).and_then(|race| self.races.get_mut(race)) else {
            self.swarm.close_connection(connection);
            return;
        };
        race.dialling.remove(&connection);
        if race.opening.is_none() {
            race.opening = Some(connection);
            self.swarm.behaviour_mut().streams.open(peer, connection);
        } else {
            race.waiting.push_back((peer, connection));
        }
    }

    /// A connection of a race failed or ended: the next one takes its turn.
    pub(super) fn drop_attempt(&mut self, connection: ConnectionId) {
        let Some(id) = self.attempts.remove(&connection) else { return };
        let Some(race) = self.races.get_mut(&id) else { return };
        race.remove(connection);
        if race.opening.is_none()
            && let Some((peer, next)) = race.waiting.pop_front()
        {
            race.opening = Some(next);
            self.swarm.behaviour_mut().streams.open(peer, next);
        }
        if race.is_lost() {
            // Dropping the answer is the answer.
            self.races.remove(&id);
        }
    }

    pub(super) fn close_losers(&mut self, race: &Race) {
        for connection in race.standing() {
            self.attempts.remove(&connection);
            self.swarm.close_connection(connection);
        }
        for connection in &race.dialling {
            self.attempts.remove(connection);
            self.late.insert(*connection);
        }
    }
}
