//! Presence: where somebody is, published for friends and read by them.
//!
//! | file | does |
//! |---|---|
//! | `readers` | who may read our records, and how somebody is taken out |
//! | `publisher` | makes and publishes our records |
//! | `resolver` | reads friends' records |
//! | `record_server` | keeps friends' records for others, and answers look-ups |
//! | `lookup_servers` | lookup servers of our own, and those of friends |
//! | `finder` | finds people of whom only the Peer ID is known |
//! | `lan` | which of the nodes that the LAN shows are friends' |
//!
//! The protocol pages are `docs/protocol/presence.md`, `lookup.md` and `lan.md`.

mod finder;
mod lan;
pub(crate) mod lookup_servers;
mod publisher;
mod readers;
mod record_server;
mod resolver;

use crate::command::DhtView;
use crate::delivery::Delivery;
use crate::seam::Address;
use crate::seam::{Instance, LinkId, Sighting};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use finder::Finder;
use lan::Lan;
use lookup_servers::LookupServers;
use publisher::Publisher;
pub(crate) use resolver::Why;
use resolver::{Resolver, Source};
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, LookupId, PeerId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::records::Found;

pub(crate) use publisher::{remember_servers, set_findable};
pub(crate) use readers::{begin_above, end, grant, hide, revoke};
pub(crate) use record_server::RecordServer;

/// The machines of this folder. Each does its own; here it stands what they do together.
#[derive(Debug)]
pub(crate) struct Presence {
    pub publisher: Publisher,
    pub resolver: Resolver,
    pub record_server: RecordServer,
    pub lookup_servers: LookupServers,
    pub finder: Finder,
    pub lan: Lan,
}

impl Presence {
    /// `has_lan_dht`: see [`Lan::new`].
    pub fn new(has_lan_dht: bool) -> Self {
        Self {
            publisher: Publisher::default(),
            resolver: Resolver::default(),
            record_server: RecordServer::default(),
            lookup_servers: LookupServers::default(),
            finder: Finder::default(),
            lan: Lan::new(has_lan_dht),
        }
    }

    /// After a start.
    pub fn start(&mut self, state: &State, turn: &mut Turn<'_>) {
        self.publisher.start(turn.now);
        self.lookup_servers.follow(state, turn);
        self.finder.start(state, turn);
    }

    /// When records are to be made, read or looked for.
    pub fn next_due(&self) -> Option<Timestamp> {
        [self.publisher.next_due(), self.resolver.next_due(), self.finder.next_due()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn tick(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>) {
        self.lan.renew(state, turn);
        self.lan.place(delivery);
        self.publisher.tick(state, turn);
        self.resolver.tick(state, delivery, turn);
        self.finder.tick(state, turn, |rng| self.lan.strangers(rng));
    }

    /// There is somewhere to look now: all who are missed are looked for.
    pub fn look_again(&mut self, state: &mut State, delivery: &Delivery, now: Timestamp) {
        self.resolver.seek_missed(state, delivery);
        self.finder.begin_again(state, now);
    }

    /// These are all DHT servers now, and nodes of the LAN that stand in for them.
    pub fn dht_servers(&mut self, state: &mut State, delivery: &Delivery, turn: &mut Turn<'_>, servers: Vec<Address>, neighbours: usize) {
        if self.publisher.servers(state, turn, servers, neighbours) {
            self.look_again(state, delivery, turn.now);
        }
    }

    /// How our lookup servers answer.
    pub fn lookup_servers(&mut self, state: &mut State, delivery: &Delivery, now: Timestamp, standing: Vec<(Vec<Address>, Option<bool>)>) {
        self.lookup_servers.stand(standing);
        if self.publisher.lookup_servers(state, now, self.lookup_servers.answering()) {
            self.look_again(state, delivery, now);
        }
    }

    /// Something was found under an id. It may be anything.
    pub fn found(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        id: LookupId,
        bytes: &[u8],
    ) -> Result<(), TurnFailed> {
        self.publisher.found(state, turn.now, &id, bytes);
        self.finder.found(state, turn, &id, bytes);
        self.resolver.found(state, delivery, turn, id, bytes)
    }

    /// All who were asked for an id have answered.
    pub fn resolved(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, id: LookupId) {
        self.publisher.resolved(state, turn, &id);
        self.resolver.answered(state, delivery, turn, id, Source::Servers);
    }

    /// Looks at who could help friends to find us: servers, a relay of ours, the LAN.
    pub fn watch(&mut self, state: &State, turn: &mut Turn<'_>, reaches_a_relay: bool) {
        self.lan.choose_neighbours(turn, self.publisher.knows_servers());
        self.lan.watch(state, turn.now, self.publisher.has_servers() || reaches_a_relay);
    }

    /// A friend's device cannot be reached, or says that our key for it has expired: the friend's records are read.
    pub fn want(&mut self, state: &State, device: &DeviceId, why: Why) {
        if let Some(friend) = state.friend_of(device) {
            self.resolver.want(friend.peer, why);
        }
    }

    /// The LAN shows a node. Answers the friend whose way this changes.
    pub fn sighted(&mut self, state: &State, delivery: &mut Delivery, now: Timestamp, sighting: Sighting) -> Option<PeerId> {
        let friend = self.lan.sighted(state, now, sighting);
        self.lan.place(delivery);
        friend
    }

    /// The LAN does not show a node any more.
    pub fn unsighted(&mut self, delivery: &mut Delivery, instance: &Instance) {
        self.lan.unsighted(instance);
        self.lan.place(delivery);
    }

    /// A friend's keys are known: what the LAN shows may be theirs.
    pub fn keys_known(&mut self, state: &State, delivery: &mut Delivery) {
        self.lan.look_again(state);
        self.lan.place(delivery);
    }

    /// Accepts what other nodes have answered, and looks for those who are missed now.
    pub fn seek(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        found: Vec<(LinkId, Found)>,
    ) -> Result<(), TurnFailed> {
        self.resolver.accept_found(state, delivery, turn, found)?;
        self.resolver.seek_wanted(state, delivery, turn);
        Ok(())
    }

    /// Somebody was taken out: from now on the LAN goes by the new secret, and records are published at once.
    pub fn revoked(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>) {
        self.publisher.changed(turn.now, true);
        self.lan.renew(state, turn);
        self.lan.place(delivery);
        self.record_server.revoked(state);
    }

    /// What our records say has changed.
    pub fn changed(&mut self, state: &State, turn: &mut Turn<'_>) {
        self.publisher.changed(turn.now, false);
        self.lookup_servers.follow(state, turn);
    }

    /// Publishes when it is due, and begins a new generation when it is needed. Answers whom the old one was given to:
    /// friends among them are to get the new one.
    pub fn publish(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Vec<PeerId> {
        self.publisher.tick(state, turn);
        if !self.publisher.take_needs_generation() {
            return Vec::new();
        }
        let Some(given) = readers::renew(state, turn) else { return Vec::new() };
        self.publisher.changed(turn.now, true);
        given
    }

    /// How it stands with the DHT.
    pub fn dht_view(&self) -> DhtView {
        self.publisher.view((self.lookup_servers.answering(), self.lookup_servers.all()))
    }

    /// At the end of a turn in which these devices have come: leaves records with friends, and looks for others there.
    pub fn close_turn(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, reached: &BTreeSet<DeviceId>) {
        let are_new = self.publisher.take_leaves_with_friends();
        record_server::leave_with_friends(state, delivery, turn, reached, are_new);
        self.resolver.leave_ended(state, delivery, turn);
        self.resolver.reached(state, delivery, turn, reached);
    }
}
