//! The look for the record that names the relays.

use crate::limits::{LOOK_PAUSE, LOOK_ROUNDS, LOOK_ROUNDS_ALONE};
use crate::seam::{Address, Instance, Look, NetAction};
use std::collections::{BTreeMap, VecDeque};
use symbolon_presence::id::LookupId;
use symbolon_presence::time::Timestamp;

/// The look for the record that names the relays, at servers and in the DHT.
#[derive(Debug, Default)]
pub(super) struct Looking {
    /// Those that were named.
    pub(super) servers: Vec<Vec<Address>>,
    /// Nodes that the LAN shows; at most [`LOOK_NEAR_MAX`]. Some of them may be relays.
    pub(super) near: BTreeMap<Instance, Vec<Address>>,
    /// Three ids at most, with the day of each.
    pub(super) ids: BTreeMap<LookupId, u32>,
    pub(super) rounds: u32,
    /// When it is looked again, or given up; none once it has ended.
    pub(super) next: Option<Timestamp>,
}

impl Looking {
    /// All servers are ways into the DHT.
    pub(super) fn bootstrap(&self) -> NetAction {
        NetAction::Bootstrap(self.servers.iter().chain(self.near.values()).flatten().cloned().collect())
    }

    /// Looks again: servers are met one after the other.
    pub(super) fn tick(&mut self, now: Timestamp, actions: &mut VecDeque<NetAction>) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.rounds = self.rounds.saturating_add(1);
        let is_alone = self.servers.is_empty() && self.near.is_empty();
        if self.rounds > if is_alone { LOOK_ROUNDS_ALONE } else { LOOK_ROUNDS } {
            self.next = None;
            return;
        }
        self.next = Some(now.after(LOOK_PAUSE));
        if is_alone {
            return;
        }
        let servers: Vec<Vec<Address>> = self.servers.iter().chain(self.near.values()).cloned().collect();
        for id in self.ids.keys() {
            actions.push_back(NetAction::Resolve(*id, Look::Servers(servers.clone())));
            actions.push_back(NetAction::Resolve(*id, Look::Dht));
        }
    }
}
