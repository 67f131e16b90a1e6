//! This node's own mailbox: a friend who is behind a link is given a package that is made for them.

use super::own;
use crate::limits::{DRAIN_TOLD, FRIENDS_MAX};
use crate::rows::Lies;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::{BTreeMap, VecDeque};
use symbolon_presence::id::{Nonce, PeerId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::grant::Scope;
use symbolon_relay::packages::{Fetch, Handed};

/// Questions remembered: more than may be answered in the time that one could be shown again.
const NONCES_MAX: usize = 1_024;

/// What was asked of this node. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Nonces of questions that were answered, the newest last; at most [`NONCES_MAX`].
    nonces: VecDeque<Nonce>,
    /// Friends who asked for more than they are given, and when; at most [`FRIENDS_MAX`].
    drains: BTreeMap<PeerId, Timestamp>,
}

impl Desk {
    /// Answers a friend who has proved to be behind a link.
    pub fn answer(&mut self, state: &mut State, turn: &mut Turn<'_>, peer: PeerId, fetch: &Fetch) -> Result<Handed, TurnFailed> {
        let own = &state.own;
        let mailbox = own.admission.id();
        let capability = |secret: &symbolon_presence::friendship::FriendshipSecret| secret.capability(&mailbox).public();
        let keys = own.admission.keys();
        let body = keys.open_address(&fetch.address).filter(|body| body.queue == keys.direct && matches!(body.scope, Scope::Friends(_)));
        if fetch.verify(&mailbox).is_err() || body.is_none() || self.nonces.contains(&fetch.nonce) {
            return Ok(Handed::Refused);
        }
        if capability(&own.friendship) != fetch.capability {
            let is_past = own.past.iter().any(|past| past.until > turn.sure && capability(&past.friendship) == fetch.capability);
            return Ok(if is_past { Handed::Stale } else { Handed::Refused });
        }
        self.remember(fetch.nonce);
        if !state.own.may_show(turn.stamp) {
            // Who is shown a certificate that has ended takes no package.
            return Ok(Handed::Empty);
        }
        if !state.rates.package(turn.now, peer) {
            self.note_drain(turn.now, peer);
            return Ok(Handed::Empty);
        }
        Ok(Handed::Package(own::make(state, turn, Lies::WithFriend(peer), false)?))
    }

    fn remember(&mut self, nonce: Nonce) {
        if self.nonces.len() >= NONCES_MAX {
            self.nonces.pop_front();
        }
        self.nonces.push_back(nonce);
    }

    fn note_drain(&mut self, now: Timestamp, peer: PeerId) {
        if self.drains.len() < FRIENDS_MAX || self.drains.contains_key(&peer) {
            self.drains.insert(peer, now);
        }
    }

    /// The friends who asked for more than they are given.
    pub fn drains(&self, now: Timestamp) -> impl Iterator<Item = &PeerId> {
        self.drains.iter().filter(move |(_, at)| now.since(**at) < DRAIN_TOLD).map(|(peer, _)| peer)
    }
}

#[cfg(test)]
mod tests;
